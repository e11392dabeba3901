/**
 * The threefry 2x32 block cipher as a primitive, and JAX's partitionable random bits made of it.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011); counters and bit widths as in JAX. Keys are u32[2].
 */
import type { ArrayLike } from '../core/array.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import type { None, Primitive } from '../core/primitive.ts';
import { stridesOf, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { add, mul } from './arithmetic.ts';
import { and, or, shiftLeft, xor } from './bits.ts';
import { convertElementType } from './convert.ts';
import { broadcastedIota, full } from './creation.ts';
import { definePrimitive, none } from './define.ts';
import { alignBatch, broadcastShapes, spreadHlo } from './elementwise.ts';
import { operand, operands } from './operand.ts';
import { concatenate, indexInDim } from './slicing.ts';
import { expandDims } from './structure.ts';

const rotations: readonly (readonly number[])[] = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];

/** Five groups of four rounds, with the key schedule between them. */
function lowerThreefry(b: HloBuilder, [k0, k1, c0, c1]: readonly HloValue[]): readonly HloValue[] {
  const { shape } = k0.type;
  const word = (value: number): HloValue => b.constant(value, 'u32', shape);
  const plus = (x: HloValue, y: HloValue): HloValue => b.scalar('add', x, y);
  const rotate = (x: HloValue, bits: number): HloValue =>
    b.scalar(
      'or',
      b.scalar('shiftLeft', x, word(bits)),
      b.scalar('shiftRightLogical', x, word(32 - bits)),
    );
  const keys = [k0, k1, b.scalar('xor', b.scalar('xor', k0, k1), word(0x1bd11bda))];
  let [x0, x1] = [plus(c0, k0), plus(c1, k1)];
  for (let group = 0; group < 5; group++) {
    for (const bits of rotations[group % 2]) {
      x0 = plus(x0, x1);
      x1 = b.scalar('xor', rotate(x1, bits), x0);
    }
    x0 = plus(x0, keys[(group + 1) % 3]);
    x1 = plus(plus(x1, keys[(group + 2) % 3]), word(group + 1));
  }
  return [x0, x1];
}

/** `threefry2x32`: encrypts counters. Operands: two key words, two counter words, u32, elementwise; results: two words. */
export const threefry2x32P: Primitive<None> = definePrimitive<None>('threefry2x32', {
  abstractEval: (avals) => {
    if (avals.some((a) => a.dtype !== 'u32'))
      throw new DTypeError(
        `threefry2x32: keys and counters are u32; got ${avals.map((a) => a.toString()).join(', ')}. Convert them first.`,
      );
    const out = avals[0].strong().withShape(broadcastShapes('threefry2x32', avals));
    return [out, out];
  },
  lower: (b, args, _params, { avalsOut }) =>
    lowerThreefry(
      b,
      args.map((x) => spreadHlo(b, x, avalsOut[0].shape)),
    ),
  jvp: 'zero',
  batch: (args, dims) => {
    const [lined, d] = alignBatch(args, dims);
    return [threefry2x32P.bind(lined, none), [d, d]];
  },
});

/**
 * Encrypt counters (x0, x1) with keys (k0, k1), all u32, elementwise.
 *
 * @throws DTypeError for other dtypes; ShapeError when the shapes do not fit.
 */
export function threefry2x32(
  k0: ArrayLike,
  k1: ArrayLike,
  x0: ArrayLike,
  x1: ArrayLike,
): readonly [Value, Value] {
  const [first, second] = threefry2x32P.bind(operands('threefry2x32', k0, k1, x0, x1), none);
  return [first, second];
}

/** The position of each element in row-major order, as u32. */
function linearIndex(shape: Shape): Value {
  const strides = stridesOf(shape);
  const terms = shape.flatMap((n, axis) =>
    n === 1 ? [] : [[broadcastedIota('u32', shape, axis), strides[axis]] as const],
  );
  if (terms.length === 0) return full(shape, 0, 'u32');
  return terms
    .map(([index, stride]) => (stride === 1 ? index : mul(index, stride)))
    .reduce((a, term) => add(a, term));
}

function keyWords(op: string, key: ArrayLike): readonly [Value, Value] {
  const value = operand(op, key, 'key');
  if (value.dtype !== 'u32' || value.shape.length !== 1 || value.shape[0] !== 2)
    throw new ShapeError(
      `${op}: a key is u32[2]; got ${value.aval.toString()}. Make one with random.key(seed), and use vmap over many keys.`,
    );
  return [indexInDim(value, 0), indexInDim(value, 1)];
}

/** Both words of the cipher at the row-major positions of `shape`. */
function cipherAt(op: string, key: ArrayLike, shape: Shape): readonly [Value, Value] {
  const [k0, k1] = keyWords(op, key);
  const [x0, x1] = threefry2x32P.bind([k0, k1, full([], 0, 'u32'), linearIndex(shape)], none);
  return [x0, x1];
}

/**
 * Random bits of this shape: `u8`, `u16`, `u32` or `u64` by the width. Equal to JAX's (partitionable threefry).
 *
 * @throws ShapeError when the key is not u32[2]; ArgumentError for another width.
 * @example
 * const key = lax.full([2], 0, 'u32');
 * String(lax.randomBits(key, 32, [2])); // → [4070199207 4202968722]
 */
export function randomBits(key: ArrayLike, bitWidth: 8 | 16 | 32 | 64, shape: Shape): Value {
  const [b0, b1] = cipherAt('randomBits', key, shape);
  switch (bitWidth) {
    case 8:
      return convertElementType(and(xor(b0, b1), 0xff), 'u8');
    case 16:
      return convertElementType(and(xor(b0, b1), 0xffff), 'u16');
    case 32:
      return xor(b0, b1);
    case 64:
      return or(shiftLeft(convertElementType(b0, 'u64'), 32), convertElementType(b1, 'u64'));
    default:
      throw new ArgumentError(
        `randomBits: the width must be 8, 16, 32 or 64; got ${String(bitWidth)}.`,
      );
  }
}

/**
 * New keys out of one: `shape` of them, as u32[...shape, 2]. Equal to JAX's `split`.
 *
 * @throws ShapeError when the key is not u32[2].
 * @example
 * lax.randomSplit(lax.full([2], 0, 'u32'), [3]).shape; // → [ 3, 2 ]
 */
export function randomSplit(key: ArrayLike, shape: Shape): Value {
  const [b0, b1] = cipherAt('randomSplit', key, shape);
  return concatenate([expandDims(b0, shape.length), expandDims(b1, shape.length)], shape.length);
}

/**
 * A new key out of one and a number (u32). Equal to JAX's `fold_in`.
 *
 * @throws ShapeError when the key is not u32[2] or the number is no scalar.
 */
export function randomFoldIn(key: ArrayLike, data: ArrayLike): Value {
  const [k0, k1] = keyWords('randomFoldIn', key);
  const counter = convertElementType(data, 'u32');
  if (counter.ndim !== 0)
    throw new ShapeError(
      `randomFoldIn: the number must be a scalar; got ${counter.aval.toString()}. Use vmap over many numbers.`,
    );
  const [b0, b1] = threefry2x32P.bind([k0, k1, full([], 0, 'u32'), counter], none);
  return concatenate([expandDims(b0, 0), expandDims(b1, 0)], 0);
}
