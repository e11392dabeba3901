/** `whileLoop` and `foriLoop`: loops as functions of trees. The primitive `while` stands in `while-call.ts`. */
import { asValue, NDArray } from '../core/array.ts';
import { dtypeInfo, isInteger } from '../core/dtype.ts';
import { ArgumentError, DTypeError, TreeError } from '../core/errors.ts';
import { normalScalar } from '../core/host.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { flatten, unflatten } from '../core/tree.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { add } from '../lax/arithmetic.ts';
import { lt } from '../lax/comparison.ts';
import { literalLike } from '../lax/operand.ts';
import { flattenValues } from '../transforms/flat-function.ts';
import type { Input, Output } from '../transforms/signature.ts';
import { checkCarry, traceBody, traceCarried, type Body } from './body.ts';
import { scan, unrollOf } from './scan.ts';
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
  const outs = whileP.bind([...test.consts, ...traced.body.consts, ...traced.init], params);
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

/** Options of `foriLoop`. */
export interface ForiOptions {
  /** How many steps one iteration of the compiled loop makes (`true` or 0: all); only with bounds that are known. */
  readonly unroll?: number | boolean;
}

/**
 * Repeat `body(i, carry)` for `i` from `lower` up to, not including, `upper`. Bounds that are plain numbers (or scalars made of
 * them) give a `scan`, which can be differentiated in reverse; other bounds give a `while`.
 *
 * @throws ArgumentError for a bound that is no integer or that the dtype of the other cannot hold, a bad `unroll`, or one with
 * bounds that are not known; DTypeError when the bounds are no integer scalars of one dtype; TreeError, ShapeError or DTypeError when the carry changes.
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
  checkFunction('foriLoop', body);
  checkOptions('foriLoop', options, ['unroll']);
  const [from, to] = bounds(lower, upper);
  const [start, end] = [knownInteger(from), knownInteger(to)];
  if (start === undefined || end === undefined) {
    // One step per iteration is what a loop of unknown length does anyway.
    if (unrollOf('foriLoop', options.unroll ?? 1, 2) !== 1)
      throw new ArgumentError(
        'foriLoop: unroll needs plain numbers as bounds; got a traced bound. Leave it out.',
      );
    return loopWhile(from, to, body, init);
  }
  const step = ([i, carry]: [Value, C]): readonly [[Value, C], null] => [
    [add(i, literalLike(1, i)), body(i, carry)],
    null,
  ];
  const length = Math.max(0, end - start);
  const [[, result]] = scan<[Value, C], null, null>(step, [from, init] as Input<[Value, C]>, null, {
    length,
    unroll: unrollOf('foriLoop', options.unroll, length),
  }) as [[Value, Output<C>], null];
  return result;
}

function loopWhile<C>(
  from: Value,
  to: Value,
  body: (i: Value, carry: C) => C,
  init: Input<C>,
): Output<C> {
  type Carry = [Value, Value, C];
  const [, , result] = whileLoop<Carry>(
    ([i, end]) => lt(i, end),
    ([i, end, carry]) => [add(i, literalLike(1, i)), end, body(i, carry)],
    [from, to, init] as Input<Carry>,
  ) as [Value, Value, Output<C>];
  return result;
}

/** Both bounds as integer scalars of one dtype; a number takes that of the other bound. */
function bounds(lower: number | Value, upper: number | Value): readonly [Value, Value] {
  const given = [lower, upper].map((x) =>
    typeof x === 'number' ? x : asValue('foriLoop', x, 'a bound'),
  );
  for (const n of given)
    if (typeof n === 'number' && !Number.isSafeInteger(n))
      throw new ArgumentError(`foriLoop: bounds must be integers; got ${n}. Round it.`);
  const typed = given.find((x) => typeof x !== 'number');
  const dtype = typed?.dtype ?? 'i32';
  if (!isInteger(dtype)) throw badBounds(...given);
  const [from, to] = given.map((x) => (typeof x === 'number' ? bound(x, dtype) : x));
  if ([from, to].some((x) => x.ndim !== 0 || x.dtype !== dtype)) throw badBounds(from, to);
  return [from, to];
}

function badBounds(...given: readonly (number | Value)[]): Error {
  const shown = given.map((x) => (typeof x === 'number' ? String(x) : x.aval.toString()));
  return new DTypeError(
    `foriLoop: bounds must be integer scalars of one dtype; got ${shown.join(' and ')}. Convert with x.astype('i32').`,
  );
}

function bound(n: number, dtype: Value['dtype']): NDArray {
  if (Number(normalScalar(n, dtype)) !== n)
    throw new ArgumentError(
      `foriLoop: the dtype of the bounds must hold both; got ${n} as ${dtypeInfo[dtype].longName}. Give the other bound a wider dtype, or count from 0.`,
    );
  return NDArray.fromScalar(n, dtype);
}

/** The value of a scalar that was made of a JavaScript number: no device has to be asked for it. */
function knownInteger(x: Value): number | undefined {
  if (!(x instanceof NDArray) || x.scalar === undefined) return undefined;
  const n = Number(x.scalar);
  return Number.isSafeInteger(n) ? n : undefined;
}
