/** `whileLoop` and `foriLoop`: loops as functions of trees. */
import { NDArray } from '../core/array.ts';
import { config } from '../core/config.ts';
import { isInteger } from '../core/dtype.ts';
import { ArgumentError, DTypeError, TreeError } from '../core/errors.ts';
import { flatten, unflatten } from '../core/tree.ts';
import { avalsOf, isEager } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { add } from '../lax/arithmetic.ts';
import { lt } from '../lax/comparison.ts';
import { literalLike } from '../lax/operand.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { flattenValues } from '../transforms/flat-function.ts';
import type { Input, Output } from '../transforms/signature.ts';
import { checkCarry, traceBody, traceCarried, type Body } from './body.ts';
import { scan } from './scan.ts';
import { whileP, type WhileParams } from './while-call.ts';

/**
 * Repeat `body` on a carried value while `cond` of it holds. It has a forward derivative; it cannot be differentiated in reverse,
 * because the number of steps is not known (use `scan`, or `foriLoop` with plain numbers).
 *
 * @throws DTypeError or TreeError when `cond` does not give one bool; TreeError, ShapeError or DTypeError when the carry changes.
 * @example
 * String(whileLoop((x: Value) => lax.lt(x, 100), (x: Value) => lax.mul(x, 2), 1)); // → 128.0
 */
export function whileLoop<C>(
  cond: (carry: C) => Value | boolean,
  body: (carry: C) => C,
  init: Input<C>,
): Output<C> {
  const start = flattenValues('whileLoop', 'init', init);
  const inTree = flatten([init]).treedef;
  const traced = traceCarried(
    start.values,
    (avals) => traceBody('whileLoop', body as (carry: never) => unknown, inTree, avals),
    (b) => b.outAvals,
  );
  const avals = avalsOf(traced.init);
  checkCarry('whileLoop', start.treedef, avals, traced.body.outTree, traced.body.outAvals);
  const test = traceBody('whileLoop', cond, inTree, avals);
  checkCondition(test);
  const params: WhileParams = {
    condJaxpr: test.jaxpr,
    condNconsts: test.consts.length,
    bodyJaxpr: traced.body.jaxpr,
    bodyNconsts: traced.body.consts.length,
  };
  const outs =
    config.disableJit && isEager()
      ? loopEagerly(test, traced.body, traced.init)
      : whileP.bind([...test.consts, ...traced.body.consts, ...traced.init], params);
  return unflatten(start.treedef, outs) as Output<C>;
}

function checkCondition({ outTree, outAvals }: Body): void {
  if (!outTree.isLeaf)
    throw new TreeError(
      `whileLoop: the condition must give one bool; got a tree ${outTree.show()}. Return a single comparison.`,
    );
  const [aval] = outAvals;
  if (aval.dtype !== 'bool' || aval.ndim !== 0)
    throw new DTypeError(
      `whileLoop: the condition must give one bool; got ${aval.toString()}. Compare, and reduce with np.any or np.all.`,
    );
}

/** The loop in JavaScript, step by step, for `disableJit`. */
function loopEagerly(cond: Body, body: Body, init: readonly Value[]): readonly Value[] {
  let carry = init;
  while ((evalJaxpr(cond.jaxpr, [...cond.consts, ...carry])[0] as NDArray).item() === true)
    carry = evalJaxpr(body.jaxpr, [...body.consts, ...carry]);
  return carry;
}

/** Options of `foriLoop`. */
export interface ForiOptions {
  /** How many steps one iteration of the compiled loop makes; only with plain numbers as bounds. */
  readonly unroll?: number | boolean;
}

/**
 * Repeat `body(i, carry)` for `i` from `lower` up to, not including, `upper`. Plain numbers as bounds give a `scan`, which can be
 * differentiated in reverse; traced bounds give a `while`.
 *
 * @throws ArgumentError or DTypeError when a bound is no integer; TreeError, ShapeError or DTypeError when the carry changes.
 * @example
 * String(foriLoop(0, 5, (i: Value, x: Value) => lax.add(x, lax.convertElementType(i, 'f32')), 0)); // → 10.0
 */
export function foriLoop<C>(
  lower: number | Value,
  upper: number | Value,
  body: (i: Value, carry: C) => C,
  init: Input<C>,
  options: ForiOptions = {},
): Output<C> {
  if (typeof lower === 'number' && typeof upper === 'number') {
    for (const n of [lower, upper])
      if (!Number.isInteger(n))
        throw new ArgumentError(`foriLoop: bounds must be integers; got ${n}. Round it.`);
    const step = ([i, carry]: [Value, C]): readonly [[Value, C], null] => [
      [add(i, literalLike(1, i)), body(i, carry)],
      null,
    ];
    const [[, result]] = scan<[Value, C], null, null>(
      step,
      [bound(lower), init] as Input<[Value, C]>,
      null,
      {
        length: Math.max(0, upper - lower),
        ...(options.unroll === undefined ? {} : { unroll: options.unroll }),
      },
    ) as [[Value, Output<C>], null];
    return result;
  }
  if (options.unroll !== undefined)
    throw new ArgumentError(
      'foriLoop: unroll needs plain numbers as bounds; got a traced bound. Leave it out.',
    );
  const dtype = typeof lower === 'number' ? (upper as Value).dtype : lower.dtype;
  const [from, to] = [lower, upper].map((x) => (typeof x === 'number' ? bound(x, dtype) : x));
  for (const x of [from, to])
    if (!isInteger(x.dtype) || x.ndim !== 0 || x.dtype !== dtype)
      throw new DTypeError(
        `foriLoop: bounds must be integer scalars of one dtype; got ${from.aval.toString()} and ${to.aval.toString()}. Convert with x.astype('i32').`,
      );
  type Carry = [Value, Value, C];
  const [, , result] = whileLoop<Carry>(
    ([i, end]) => lt(i, end),
    ([i, end, carry]) => [add(i, literalLike(1, i)), end, body(i, carry)],
    [from, to, init] as Input<Carry>,
  ) as [Value, Value, Output<C>];
  return result;
}

const bound = (n: number, dtype: Value['dtype'] = 'i32'): NDArray =>
  NDArray.fromScalar(dtype === 'i64' || dtype === 'u64' ? BigInt(n) : n, dtype);
