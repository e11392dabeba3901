/**
 * Forward mode: a trace whose values carry a tangent. Every primitive brings its own derivative; this file only carries
 * tangents from rule to rule. `null` is the zero tangent: what does not depend on the inputs costs nothing.
 */
import type { Aval } from '../core/aval.ts';
import { MissingRuleError, invariant } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { JvpResult, Primitive, Tangent } from '../core/primitive.ts';
import { currentTrace, finishing, Trace, Tracer, withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { JaxprCache, maskKey, where } from './jaxpr-cache.ts';
import { traceClosed, type Closed, type FlatFunction } from './stage.ts';
import { bindOnContents, holdsRefs, takesRefs } from './state.ts';
import { instantiate, isDifferentiable } from './zeros.ts';

/** A value with its tangent. */
export class JvpTracer extends Tracer {
  readonly primal: Value;
  readonly tangent: Value;

  constructor(trace: Trace, primal: Value, tangent: Value, madeBy?: string) {
    super(trace, madeBy);
    this.primal = primal;
    this.tangent = tangent;
  }

  get aval(): Aval {
    return this.primal.aval;
  }
}

/** Applies derivative rules; everything they compute goes to the parent. */
export class JvpTrace extends Trace {
  readonly name: string;
  readonly #parent: Trace;

  constructor(parent: Trace, name: string) {
    super();
    this.#parent = parent;
    this.name = name;
  }

  /** A value of this trace; the plain value when the tangent is zero. */
  wrap(primal: Value, tangent: Tangent, madeBy?: string): Value {
    if (tangent === null || !isDifferentiable(primal.aval)) return primal;
    return new JvpTracer(this, primal, tangent, madeBy);
  }

  /** Primal and tangent of any value; values of other traces are constants here. */
  lift(x: Value): readonly [primal: Value, tangent: Tangent] {
    return x instanceof JvpTracer && x.trace === this ? [x.primal, x.tangent] : [x, null];
  }

  process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const own = prim.rules.onContents?.(args, params, this);
    if (own !== undefined) return own;
    const lifted = args.map((x) => this.lift(x));
    const primals = lifted.map(([p]) => p);
    const tangents = lifted.map(([, t]) => t);
    const isConstant = tangents.every((t) => t === null);
    // Refs with tangents are blocks of kernels: the rules of loops and branches carry them.
    const isOfKernel = (): boolean => args.some((x, i) => x.aval.isRef && tangents[i] !== null);
    if (takesRefs(prim, args) && (!isConstant || holdsRefs(this, args)) && !isOfKernel())
      return bindOnContents(prim, args, params);
    return withTrace(this.#parent, () => {
      if (isConstant) return prim.bind(primals, params);
      const [outs, outTangents] = applyRule(prim, primals, tangents, params);
      return outs.map((out, i) => this.wrap(out, outTangents[i] ?? null, prim.name));
    });
  }
}

function applyRule<P>(
  prim: Primitive<P>,
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: P,
): JvpResult {
  const rule = prim.rules.jvp;
  if (rule === undefined) throw new MissingRuleError(prim.name, 'jvp');
  if (rule === 'zero') return [prim.bind(primals, params), []];
  if (rule === 'linear') {
    const filled = tangents.map((t, i) => instantiate(t, primals[i].aval));
    return [prim.bind(primals, params), prim.bind(filled, params)];
  }
  return rule(primals, tangents, params);
}

/** Run a flat function on primals and tangents. Its rules run on the trace that is current now. */
export function jvpFlat(
  fun: FlatFunction,
  primals: readonly Value[],
  tangents: readonly Tangent[],
  name = 'jvp',
): JvpResult {
  const trace = new JvpTrace(currentTrace(), name);
  return finishing(trace, () => {
    const outs = withTrace(trace, () => fun(primals.map((p, i) => trace.wrap(p, tangents[i]))));
    const lifted = outs.map((x) => trace.lift(x));
    return [lifted.map(([p]) => p), lifted.map(([, t]) => t)];
  });
}

/** The derivative of a jaxpr as a jaxpr: captured values, inputs, tangents of some inputs → outputs, tangents of some outputs. */
export interface JvpJaxpr extends Closed {
  /** Which outputs have a tangent. */
  readonly nonzeroOut: readonly boolean[];
}

const cache = new JaxprCache<JvpJaxpr>();

/**
 * Differentiate a jaxpr. `nonzeroIn` says which inputs have a tangent; outputs in `instantiateOut` get one in any case
 * (carries of loops, branches that must agree), if their type has tangents.
 */
export function jvpJaxpr(
  jaxpr: Jaxpr,
  nonzeroIn: readonly boolean[],
  instantiateOut: readonly boolean[] = [],
): JvpJaxpr {
  invariant(nonzeroIn.length === jaxpr.invars.length, 'jvpJaxpr: one flag per input is needed.');
  return cache.get(jaxpr, `${maskKey(nonzeroIn)} ${maskKey(instantiateOut)}`, () => {
    const { inAvals } = jaxpr;
    let nonzeroOut: boolean[] = [];
    const closed = traceClosed(
      (args) => {
        const primals = args.slice(0, inAvals.length);
        let next = inAvals.length;
        const tangents = nonzeroIn.map((on) => (on ? args[next++] : null));
        const [outs, outTangents] = jvpFlat((xs) => evalJaxpr(jaxpr, xs), primals, tangents);
        const filled = outs.map((out, i) =>
          instantiateOut[i] && isDifferentiable(out.aval)
            ? instantiate(outTangents[i], out.aval)
            : outTangents[i],
        );
        nonzeroOut = filled.map((t) => t !== null);
        return [...outs, ...filled.filter((t) => t !== null)];
      },
      [...inAvals, ...where(inAvals, nonzeroIn)],
    );
    return { ...closed, nonzeroOut };
  });
}

/** Put symbolic zeros back where the mask is off. */
export function spread(mask: readonly boolean[], values: readonly Value[]): Tangent[] {
  let next = 0;
  return mask.map((on) => (on ? values[next++] : null));
}
