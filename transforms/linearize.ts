/**
 * Partial evaluation and linearization. A partial trace computes what it can at once, on its parent, and records the rest:
 * with primals known and tangents unknown, the rest is the linear part of a function, and what it captures are the
 * residuals. Higher-order primitives bring a rule in `partialEvalRules` that splits their jaxprs in the same way.
 */
import { MissingRuleError } from '../core/errors.ts';
import { Jaxpr } from '../core/jaxpr.ts';
import { keyOf } from '../core/key.ts';
import type { Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import { currentTrace, finishing, type Trace, withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import type { CheckpointPolicy } from './checkpoint-policies.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { JaxprCache, maskKey } from './jaxpr-cache.ts';
import { jvpFlat } from './jvp.ts';
import { dropDead, hoistConsts, JaxprTrace, type FlatFunction } from './stage.ts';
import { bindOnContents, holdsRefs, takesRefs } from './state.ts';

/** Computes on the parent whatever does not depend on its inputs, and records the rest. */
export class PartialTrace extends JaxprTrace {
  readonly #parent: Trace;
  /** The policy of the checkpoint that is being split: it holds for those inside too. */
  readonly policy: CheckpointPolicy | undefined;

  constructor(parent: Trace, name = 'linearize', policy?: CheckpointPolicy) {
    super(name);
    this.#parent = parent;
    this.policy = policy;
  }

  override process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const own = prim.rules.onContents?.(args, params, this);
    if (own !== undefined) return own;
    const unknown = args.map((x) => this.owns(x));
    const isKnown = !unknown.includes(true);
    const isOfKernel = (): boolean => args.some((x, i) => x.aval.isRef && unknown[i]);
    if (takesRefs(prim, args) && (!isKnown || holdsRefs(this, args)) && !isOfKernel())
      return bindOnContents(prim, args, params);
    if (isKnown) return this.known(() => prim.bind(args, params));
    const rule = partialEvalRules.find(prim);
    return rule === undefined ? this.record(prim, args, params) : rule(this, args, unknown, params);
  }

  /** Compute on the parent. */
  known<T>(body: () => T): T {
    return withTrace(this.#parent, body);
  }
}

/**
 * Split one equation: bind the known part inside `trace.known`, record the unknown part with `trace.record`, and give all
 * outputs. Called only when some operand is unknown and some may be known.
 */
export type PartialEvalRule<P = unknown> = (
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: P,
) => readonly Value[];

/** How higher-order primitives are split into a known and an unknown part. */
export const partialEvalRules: RuleTable<PartialEvalRule> = new RuleTable('partialEval');

/** Set the rule of a primitive. */
export function definePartialEval<P>(prim: Primitive<P>, rule: PartialEvalRule<P>): void {
  // The registry door: the table holds rules of all parameter types.
  partialEvalRules.set(prim, (trace, args, unknown, params) =>
    rule(trace, args, unknown, params as P),
  );
}

/** A function at a point: its values there, and its derivative there as a linear program. */
export interface Linearized {
  readonly outs: readonly Value[];
  /** Tangents of the inputs with a nonzero tangent → tangents of the outputs that have one; constants are the residuals. */
  readonly linear: Jaxpr;
  readonly nonzeroOut: readonly boolean[];
}

/**
 * Linearize a flat function at `primals` with respect to the inputs in `nonzeroIn`.
 *
 * @throws MissingRuleError when a primitive mixes values and tangents and has no partial evaluation rule.
 */
export function linearizeFlat(
  fun: FlatFunction,
  primals: readonly Value[],
  nonzeroIn: readonly boolean[],
  name = 'linearize',
): Linearized {
  const trace = new PartialTrace(currentTrace(), name);
  return finishing(trace, () => {
    const tangents = primals.map((p, i) => (nonzeroIn[i] ? trace.input(p.aval) : null));
    const [outs, outTangents] = withTrace(trace, () => jvpFlat(fun, primals, tangents, name));
    if (outs.some((out) => trace.owns(out)))
      throw new MissingRuleError(mixedPrimitive(trace, outs), 'partialEval');
    return {
      outs,
      linear: dropDead(trace.close(outTangents.filter((t) => t !== null))),
      nonzeroOut: outTangents.map((t) => t !== null),
    };
  });
}

/** The primitive that computed a value together with tangents. */
function mixedPrimitive(trace: PartialTrace, outs: readonly Value[]): string {
  const made = outs.filter((out) => trace.owns(out)).map((out) => out.variable);
  const eqn = trace.close([]).eqns.find((e) => e.outputs.some((v) => made.includes(v)));
  return eqn?.prim.name ?? trace.name;
}

/** Where the unknown part of a split program gets a residual from. */
export interface Residual {
  readonly from: 'input' | 'output';
  /** Index among the known inputs, or among the outputs of the known part. */
  readonly index: number;
}

/** A jaxpr split in two. */
export interface PartialJaxpr {
  /** Captured values: the first operands of the known part. */
  readonly consts: readonly Value[];
  /** Captured values, known inputs → known outputs, residuals that are no inputs. */
  readonly known: Jaxpr;
  /** Residuals, unknown inputs → unknown outputs. */
  readonly unknown: Jaxpr;
  readonly unknownOut: readonly boolean[];
  readonly residuals: readonly Residual[];
}

const cache = new JaxprCache<PartialJaxpr>();

/**
 * Split a jaxpr into what depends on the unknown inputs and what does not. Outputs in `forceOut` count as unknown; checkpoints
 * inside follow the policy, when there is one, instead of their own.
 */
export function partialEvalJaxpr(
  jaxpr: Jaxpr,
  unknownIn: readonly boolean[],
  forceOut: readonly boolean[] = [],
  policy?: CheckpointPolicy,
): PartialJaxpr {
  const key = `${maskKey(unknownIn)} ${maskKey(forceOut)} ${keyOf(policy)}`;
  return cache.get(jaxpr, key, () => splitJaxpr(jaxpr, unknownIn, forceOut, policy));
}

function splitJaxpr(
  jaxpr: Jaxpr,
  unknownIn: readonly boolean[],
  forceOut: readonly boolean[],
  policy: CheckpointPolicy | undefined,
): PartialJaxpr {
  const outer = new JaxprTrace();
  const inner = new PartialTrace(outer, 'linearize', policy);
  return finishing(outer, () =>
    finishing(inner, () => splitInto(jaxpr, unknownIn, forceOut, [outer, inner])),
  );
}

/** Run a program on two traces, and close both. */
function splitInto(
  jaxpr: Jaxpr,
  unknownIn: readonly boolean[],
  forceOut: readonly boolean[],
  [outer, inner]: readonly [JaxprTrace, PartialTrace],
): PartialJaxpr {
  const args = jaxpr.inAvals.map((aval, i) => (unknownIn[i] ? inner : outer).input(aval));
  const outs = withTrace(inner, () => evalJaxpr(jaxpr, args));
  const unknownOut = outs.map((out, i) => inner.owns(out) || forceOut[i] === true);
  const rest = dropDead(inner.close(outs.filter((_, i) => unknownOut[i])));
  const knownOuts: Value[] = outs.filter((_, i) => !unknownOut[i]);
  const knownIn: Value[] = args.filter((_, i) => !unknownIn[i]);
  const inputs = new Map(knownIn.map((x, i) => [x, i]));
  const outputs = new Map(knownOuts.map((x, i) => [x, i]));
  const residuals = rest.consts.map((x): Residual => {
    const input = inputs.get(x);
    if (input !== undefined) return { from: 'input', index: input };
    let index = outputs.get(x);
    if (index === undefined) outputs.set(x, (index = knownOuts.push(x) - 1));
    return { from: 'output', index };
  });
  const known = hoistConsts(dropDead(outer.close(knownOuts)));
  const { constvars, invars, eqns, outvars } = rest;
  const unknown = new Jaxpr({ invars: [...constvars, ...invars], eqns, outvars });
  return { consts: known.consts, known: known.jaxpr, unknown, unknownOut, residuals };
}

/** The values of residuals, given the known inputs and the outputs of the known part. */
export const pickResiduals = (
  residuals: readonly Residual[],
  knownIn: readonly Value[],
  knownOut: readonly Value[],
): Value[] => residuals.map(({ from, index }) => (from === 'input' ? knownIn : knownOut)[index]);
