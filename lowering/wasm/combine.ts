/** Accumulators of reductions: neutral elements, how two are combined, and what becomes of them at the end. */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import type { Combiner } from '../scalar.ts';
import { classOf, roundTo, toSingle, wrapSingle, wrapVector } from './convert.ts';
import type { Context } from './convert.ts';
import { constant, floatBits, int, laneOp, op, shuffle32 } from './nodes.ts';
import type { Node } from './nodes.ts';
import { spellSingle } from './single.ts';
import { spellVector } from './vector.ts';

/** The neutral element of a combiner; for max and min the extreme of the type. */
export function identityOf(combiner: Combiner, dtype: DType): number | bigint {
  const { kind, bits } = dtypeInfo[dtype];
  const big = bits === 64 && kind !== 'float';
  const integer = (value: bigint): number | bigint => (big ? value : Number(value));
  const width = BigInt(bits);
  switch (combiner) {
    case 'add':
    case 'or':
    case 'xor':
      return integer(0n);
    case 'mul':
      return integer(1n);
    case 'and':
      return kind === 'bool' ? 1 : kind === 'int' ? integer(-1n) : integer((1n << width) - 1n);
    case 'max':
      return kind === 'float'
        ? -Infinity
        : kind === 'int'
          ? integer(-(1n << (width - 1n)))
          : integer(0n);
    case 'min':
      if (kind === 'float') return Infinity;
      if (kind === 'bool') return 1;
      return kind === 'int' ? integer((1n << (width - 1n)) - 1n) : integer((1n << width) - 1n);
  }
}

/** The bits of a 32-bit lane that hold a value of a narrow type. */
export function laneBits(dtype: DType, value: number | bigint | boolean): number {
  const held = classOf(dtype);
  if (held === 'bool') return value ? -1 : 0;
  return held === 'f32' ? floatBits(Number(value)) : Number(BigInt.asIntN(32, BigInt(value)));
}

/** A constant as a single value. */
export function singleConstant(
  { fn }: Context,
  dtype: DType,
  value: number | bigint | boolean,
): Node {
  const held = classOf(dtype);
  if (held === 'f32') return fn.splat(laneBits(dtype, value));
  if (held === 'bool') return int(Number(Boolean(value)));
  return held === 'i32'
    ? int(laneBits(dtype, value))
    : constant(held, held === 'i64' ? BigInt(value) : Number(value));
}

// Sums and products of small types are kept wide and cut once at the end, as the interpreter does.
const wide = (combiner: Combiner, dtype: DType): DType => {
  const held = classOf(dtype);
  if (held === 'f32') return 'f32';
  return held === 'i32' && (combiner === 'add' || combiner === 'mul') ? 'i32' : dtype;
};

/** Combine two vectors of accumulators. Operands must be locals. */
export function combineVectors(
  context: Context,
  combiner: Combiner,
  dtype: DType,
  x: readonly Node[],
): Node {
  const none = [undefined, undefined];
  const value = spellVector(context, combiner, {
    x,
    dtype: wide(combiner, dtype),
    known: none,
    single: none,
  });
  invariant(value !== undefined, `${combiner} of ${dtype} has no spelling`);
  return value;
}

/** Combine two single accumulators. Operands must be locals. */
export function combineSingles(
  context: Context,
  combiner: Combiner,
  dtype: DType,
  x: readonly Node[],
): Node {
  const value = spellSingle(context, combiner, x, wide(combiner, dtype));
  invariant(value !== undefined, `${combiner} of ${dtype} has no spelling`);
  return value;
}

/** A finished vector of accumulators as values of its type. */
export function finishVector(context: Context, dtype: DType, value: Node): Node {
  const held = classOf(dtype);
  if (held === 'f32') return roundTo(context, dtype, value);
  return held === 'i32' ? wrapVector(context, dtype, value) : value;
}

/** A finished single accumulator as a value of its type. */
export function finishSingle(context: Context, dtype: DType, value: Node): Node {
  const held = classOf(dtype);
  if (held === 'f32') return roundTo(context, dtype, value);
  return held === 'i32' ? wrapSingle(dtype, value) : value;
}

/** The sum of the four f32 lanes of a local, in f64. */
export function laneSum(vector: Node): Node {
  const lane = (i: number): Node =>
    op('f64.promote_f32', laneOp('f32x4.extract_lane', i, 0, vector));
  return op('f64.add', op('f64.add', lane(0), lane(1)), op('f64.add', lane(2), lane(3)));
}

/** All lanes of a local combined, as a single value not yet cut to its type. */
export function combineLanes(
  context: Context,
  combiner: Combiner,
  dtype: DType,
  vector: Node,
): Node {
  const { fn } = context;
  if (combiner === 'add' && classOf(dtype) === 'f32')
    return op('f32x4.splat', op('f32.demote_f64', laneSum(vector)));
  const halves = fn.keep(shuffle32(vector, vector, [2, 3, 0, 1]));
  const pairs = fn.keep(combineVectors(context, combiner, dtype, [vector, halves]));
  const swapped = fn.keep(shuffle32(pairs, pairs, [1, 0, 3, 2]));
  return toSingle(
    wide(combiner, dtype),
    fn.keep(combineVectors(context, combiner, dtype, [pairs, swapped])),
  );
}
