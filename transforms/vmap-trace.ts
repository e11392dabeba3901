/**
 * Batching: a trace whose values carry one more axis than they show. Every primitive brings a rule that says how it works
 * with that axis; operations without batched operands run once, on the parent.
 */
import { axesKey, axisNamesOf, withAxes } from '../core/axis-env.ts';
import type { Aval } from '../core/aval.ts';
import { MissingRuleError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { AxisData, BatchDim, BatchResult, Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import { currentTrace, finishing, Trace, Tracer, withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { batchTo } from '../lax/structure.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { JaxprCache } from './jaxpr-cache.ts';
import { traceClosed, type Closed, type FlatFunction } from './stage.ts';
import { bindOnContents, holdsRefs, takesRefs } from './state.ts';

/** A value with one more axis than it shows. */
export class BatchTracer extends Tracer {
  readonly value: Value;
  readonly dim: number;
  readonly aval: Aval;
  readonly tag: object;

  constructor(trace: BatchTrace, value: Value, dim: number, madeBy?: string) {
    super(trace, madeBy);
    this.value = value;
    this.dim = dim;
    this.aval = value.aval.without([dim]);
    this.tag = trace.tag;
  }
}

/**
 * A rule for primitives whose params hold JavaScript functions. It runs also when no operand is batched, because the
 * functions may capture batched values; it gets the trace, whose `tag` marks those.
 */
export type FunctionBatchRule<P = unknown> = (
  trace: BatchTrace,
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: P,
) => BatchResult;

const functionBatchRules: RuleTable<FunctionBatchRule> = new RuleTable('batch');

/** Set the rule of a primitive whose params hold functions. */
export function defineFunctionBatch<P>(prim: Primitive<P>, rule: FunctionBatchRule<P>): void {
  // The registry door: the table holds rules of all parameter types.
  functionBatchRules.set(prim, (trace, args, dims, params) => rule(trace, args, dims, params as P));
}

/** Whether `vmap` knows what to do with a primitive. */
export const hasBatchRule = <P>(prim: Primitive<P>): boolean =>
  prim.rules.batch !== undefined || functionBatchRules.has(prim);

/** Applies batching rules; everything they compute goes to the parent. */
export class BatchTrace extends Trace {
  readonly name = 'vmap';
  readonly axis: AxisData;
  /** Identifies the vmap: traces of the same vmap that run a function in a rule share it. */
  readonly tag: object;
  readonly #parent: Trace;

  constructor(parent: Trace, axis: AxisData, tag: object = {}) {
    super();
    this.#parent = parent;
    this.axis = axis;
    this.tag = tag;
  }

  /** A value of this trace; the plain value when it has no batch axis. */
  wrap(value: Value, dim: BatchDim, madeBy?: string): Value {
    return dim === null ? value : new BatchTracer(this, value, dim, madeBy);
  }

  /** Value and batch axis of any value; values of other traces are constants here. */
  lift(x: Value): readonly [value: Value, dim: BatchDim] {
    return x instanceof BatchTracer && x.tag === this.tag ? [x.value, x.dim] : [x, null];
  }

  process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const own = prim.rules.onContents?.(args, params, this);
    if (own !== undefined) return own;
    const lifted = args.map((x) => this.lift(x));
    const values = lifted.map(([value]) => value);
    const dims = lifted.map(([, dim]) => dim);
    if (takesRefs(prim, args) && (dims.some((d) => d !== null) || holdsRefs(this, args)))
      return bindOnContents(prim, args, params);
    return withTrace(this.#parent, () => {
      const special = functionBatchRules.find(prim);
      if (special !== undefined)
        return this.#wrapAll(special(this, values, dims, params), prim.name);
      if (dims.every((d) => d === null) && !this.#isNamedIn(prim, params))
        return prim.bind(values, params);
      const rule = prim.rules.batch;
      if (rule === undefined) throw new MissingRuleError(prim.name, 'batch');
      return this.#wrapAll(rule(values, dims, params, this.axis), prim.name);
    });
  }

  /** Whether an application refers to this axis by its name: then it depends on the index, whatever its operands are. */
  #isNamedIn<P>(prim: Primitive<P>, params: P): boolean {
    const { name } = this.axis;
    return name !== undefined && axisNamesOf(prim, params).includes(name);
  }

  #wrapAll([outs, dims]: BatchResult, madeBy: string): Value[] {
    return outs.map((out, i) => this.wrap(out, dims[i], madeBy));
  }
}

/** Run a flat function on values with batch axes. */
export function batchFlat(
  fun: FlatFunction,
  axis: AxisData,
  args: readonly Value[],
  dims: readonly BatchDim[],
  tag?: object,
): BatchResult {
  const trace = new BatchTrace(currentTrace(), axis, tag);
  return finishing(trace, () => {
    const run = (): readonly Value[] =>
      withTrace(trace, () => fun(args.map((x, i) => trace.wrap(x, dims[i]))));
    const outs = axis.name === undefined ? run() : withAxes([[axis.name, axis.size]], run);
    const lifted = outs.map((x) => trace.lift(x));
    return [lifted.map(([value]) => value), lifted.map(([, dim]) => dim)];
  });
}

/** The abstract value with a new axis. */
export const batchedAval = (aval: Aval, dim: BatchDim, size: number): Aval =>
  dim === null ? aval : aval.withShape(aval.shape.toSpliced(dim, 0, size));

/** A jaxpr over batched values: captured values, inputs → outputs. */
export interface BatchedJaxpr extends Closed {
  readonly dimsOut: readonly BatchDim[];
}

const cache = new JaxprCache<BatchedJaxpr>();

/** Where the outputs of a batched jaxpr may have their batch axis. */
export interface BatchedOutputs {
  /** Outputs that are batched in any case. */
  readonly force?: readonly boolean[];
  /** Leave batch axes where the rules put them; otherwise they move to 0. */
  readonly anywhere?: boolean;
}

/** Batch a jaxpr whose inputs have their batch axes at `dims`. */
export function batchJaxpr(
  jaxpr: Jaxpr,
  axis: AxisData,
  dims: readonly BatchDim[],
  { force = [], anywhere = false }: BatchedOutputs = {},
): BatchedJaxpr {
  const names = `${axis.name ?? ''} ${axis.spmdName?.join() ?? ''} ${axesKey()}`;
  const key = `${axis.size} ${names} ${dims.join()} ${force.join()} ${anywhere}`;
  return cache.get(jaxpr, key, () => {
    let dimsOut: readonly BatchDim[] = [];
    const closed = traceClosed(
      (args) => {
        const [outs, found] = batchFlat((xs) => evalJaxpr(jaxpr, xs), axis, args, dims);
        dimsOut = found.map((d, i) =>
          d === null ? (force[i] === true ? 0 : null) : anywhere ? d : 0,
        );
        return outs.map((out, i) => {
          const to = dimsOut[i];
          return to === null ? out : batchTo(out, found[i], to, axis.size);
        });
      },
      jaxpr.inAvals.map((aval, i) => batchedAval(aval, dims[i], axis.size)),
    );
    return { ...closed, dimsOut };
  });
}
