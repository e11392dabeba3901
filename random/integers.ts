/** Random integers, orders and choices: all made of random bits, and equal to JAX's for equal keys. */
import { NDArray, type ArrayLike } from '../core/array.ts';
import { dtypeInfo, isInteger, isUnsigned, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { knownOptions } from '../core/options.ts';
import { sizeOf, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { arange } from '../numpy/creation.ts';
import { searchsorted, take } from '../numpy/indexing.ts';
import {
  asArray,
  asInexact,
  asInteger,
  dtypeOf,
  oneAxis,
  shapeOf,
  spreadTo,
  type DTypeLike,
  type ShapeLike,
} from '../numpy/promote.ts';
import { bits, split } from './keys.ts';
import { gumbel, uniform } from './samplers.ts';

/** Two keys out of one. */
const two = (key: Value): [Value, Value] => {
  const keys = split(key, 2);
  return [lax.indexInDim(keys, 0), lax.indexInDim(keys, 1)];
};

/**
 * Integers in [minval, maxval); number bounds are cut to the range of the dtype. As in JAX some integers are more frequent than
 * others, by a share of less than span · 2⁻³².
 *
 * `key: u32[2] → i32[…shape]`
 *
 * @throws DTypeError when the dtype is no integer; ShapeError when bounds do not broadcast to the shape; ArgumentError for NaN.
 * @example
 * String(random.randint(random.key(0), [6], 0, 10)); // → [9 0 2 3 1 7]
 */
export function randint(
  key: Value,
  shape: ShapeLike,
  minval: ArrayLike,
  maxval: ArrayLike,
  dtype: DTypeLike = 'i64',
): Value {
  const type = dtypeOf(dtype);
  if (!isInteger(type))
    throw new DTypeError(
      `randint: the dtype must be an integer; got ${dtypeInfo[type].longName}. Use random.uniform for floats.`,
    );
  const sizes = shapeOf('randint', shape);
  const narrow = dtypeInfo[type].bits < 32;
  const inside: DType = narrow ? 'i32' : type;
  const word: DType = dtypeInfo[inside].bits === 64 ? 'u64' : 'u32';
  const [first, second] = two(key);
  const [high, low] = [bits(first, sizes, word), bits(second, sizes, word)];
  const { start, span, step } = boundsOf(minval, maxval, { type, inside, word });
  const wide = (x: Value): Value => (x.ndim === 0 ? x : spreadTo('randint', x, sizes));
  const remainder = (x: Value): Value => (span === undefined ? x : lax.rem(x, wide(span)));
  const offset = remainder(lax.add(lax.mul(remainder(high), wide(step)), remainder(low)));
  const out = lax.add(wide(start), lax.convertElementType(offset, inside));
  return narrow ? lax.convertElementType(out, type) : out;
}

/** The wanted dtype, the one that is computed with, and its unsigned form. */
interface IntegerTypes {
  readonly type: DType;
  readonly inside: DType;
  readonly word: DType;
}

/** The first integer; how many there are, as an unsigned word (undefined: all words); what a step of the higher word is worth. */
interface Bounds {
  readonly start: Value;
  readonly span: Value | undefined;
  readonly step: Value;
}

function boundsOf(minval: ArrayLike, maxval: ArrayLike, types: IntegerTypes): Bounds {
  const { inside, word } = types;
  if (typeof minval === 'number' && typeof maxval === 'number')
    return fixedBounds(minval, maxval, types);
  const [low, high] = [minval, maxval].map((x) =>
    lax.convertElementType(asArray('randint', x), inside),
  );
  const shape = low.ndim >= high.ndim ? low.shape : high.shape;
  const [a, b] = [low, high].map((x) => spreadTo('randint', x, shape));
  const count = lax.convertElementType(lax.sub(b, a), word);
  const span = lax.select(lax.le(b, a), lax.onesLike(count), count);
  // (2^(n/2) mod span)² mod span
  const half = lax.rem(lax.fullLike(span, word === 'u64' ? 2n ** 32n : 2 ** 16), span);
  return { start: a, span, step: lax.rem(lax.mul(half, half), span) };
}

/** Bounds that are numbers, cut to the range of the dtype. */
function fixedBounds(minval: number, maxval: number, { type, inside, word }: IntegerTypes): Bounds {
  if (Number.isNaN(minval) || Number.isNaN(maxval))
    throw new ArgumentError(
      `randint: bounds must be numbers; got ${minval} and ${maxval}. Check where they come from.`,
    );
  const width = dtypeInfo[type].bits;
  const least = isUnsigned(type) ? 0n : -(2n ** BigInt(width - 1));
  const end = least + 2n ** BigInt(width);
  const clip = (x: number, most: bigint): bigint => {
    if (x <= Number(least)) return least;
    return x >= Number(most) ? most : BigInt(Math.trunc(x));
  };
  const [low, high] = [clip(minval, end - 1n), clip(maxval, end)];
  const span = high <= low ? 1n : high - low;
  const start = NDArray.fromScalar(low, inside);
  const wordBits = BigInt(dtypeInfo[word].bits);
  if (span === 2n ** wordBits)
    return { start, span: undefined, step: NDArray.fromScalar(0n, word) };
  const half = 2n ** (wordBits / 2n) % span;
  // The square wraps around, as JAX's does: above 2^(n/2) values the lower word alone decides.
  const step = NDArray.fromScalar(BigInt.asUintN(Number(wordBits), half * half) % span, word);
  return { start, span: NDArray.fromScalar(span, word), step };
}

/** Options of `permutation`. */
export interface PermutationOptions {
  /** The axis to permute; the first when left out. */
  readonly axis?: number;
  /** Permute every row on its own. */
  readonly independent?: boolean;
}

/** Sort by random words, often enough that equal words do not matter. */
function shuffleAlong(key: Value, x: Value, axis: number): Value {
  const rounds = Math.ceil((3 * Math.log(Math.max(1, x.size))) / Math.log(2 ** 32 - 1));
  let [rest, out] = [key, x];
  for (let round = 0; round < rounds; round++) {
    const [next, sub] = two(rest);
    out = lax.sortMany([bits(sub, x.shape), out], { dimension: axis })[1];
    rest = next;
  }
  return out;
}

/**
 * The elements of an array, or the integers 0 … n - 1, in random order.
 *
 * @throws ShapeError when the axis is out of range.
 * @example
 * String(random.permutation(random.key(0), 8)); // → [0 1 5 6 4 3 2 7]
 */
export function permutation(
  key: Value,
  x: number | ArrayLike,
  options: PermutationOptions = {},
): Value {
  const known = ['axis', 'independent'] as const;
  const { axis = 0, independent = false } = knownOptions('permutation', options, known);
  if (typeof x === 'number') return shuffleAlong(key, arange(asInteger('permutation', x, 'x')), 0);
  const value = asArray('permutation', x);
  const at = oneAxis('permutation', axis, value);
  if (independent || value.ndim === 1) return shuffleAlong(key, value, at);
  return take(value, shuffleAlong(key, arange(value.shape[at]), 0), {
    axis: at,
    mode: 'promise_in_bounds',
  });
}

/** The elements of an array in random order along its first axis. @throws ShapeError when it has none. */
export const shuffle = (key: Value, x: ArrayLike, axis = 0): Value =>
  permutation(key, asArray('shuffle', x), { axis, independent: true });

/** Options of `choice`. */
export interface ChoiceOptions {
  /** Whether an element may be drawn twice; true when left out. */
  readonly replace?: boolean;
  /** Probabilities, one per element; equal when left out. */
  readonly p?: ArrayLike;
  /** The axis of the elements; the first when left out. */
  readonly axis?: number;
}

/**
 * Elements of an array, or of the integers 0 … n - 1, drawn at random.
 *
 * @throws ArgumentError when more elements are drawn than there are without replacement; ShapeError when `p` does not fit.
 * @example
 * String(random.choice(random.key(0), 5, [4])); // → [4 0 2 3]
 */
export function choice(
  key: Value,
  a: number | ArrayLike,
  shape: ShapeLike = [],
  options: ChoiceOptions = {},
): Value {
  const { replace = true, p, axis = 0 } = knownOptions('choice', options, ['replace', 'p', 'axis']);
  const sizes = shapeOf('choice', shape);
  const pool = typeof a === 'number' ? undefined : asArray('choice', a);
  const at = pool === undefined ? 0 : oneAxis('choice', axis, pool);
  const count = pool === undefined ? (a as number) : pool.shape[at];
  const draws = sizeOf(sizes);
  if (count <= 0 && draws > 0)
    throw new ArgumentError(
      `choice: there must be elements to draw from; got ${count}. Check the size first.`,
    );
  if (!replace && draws > count)
    throw new ArgumentError(
      `choice: without replacement at most all elements can be drawn; got ${draws} draws from ${count}. Pass replace: true.`,
    );
  const positions =
    p === undefined
      ? evenly(key, count, sizes, replace)
      : weighted(key, sizes, replace, chancesOf(p, count));
  return pool === undefined
    ? positions
    : take(pool, positions, { axis: at, mode: 'promise_in_bounds' });
}

const front = (x: Value, shape: Shape): Value =>
  lax.reshape(lax.sliceInDim(x, 0, sizeOf(shape)), shape);

function evenly(key: Value, count: number, shape: Shape, replace: boolean): Value {
  return replace ? randint(key, shape, 0, count) : front(permutation(key, count), shape);
}

function chancesOf(p: ArrayLike, count: number): Value {
  const chances = asInexact('choice', p);
  if (chances.ndim !== 1 || chances.shape[0] !== count)
    throw new ShapeError(
      `choice: there must be one probability per element; got ${chances.aval.toString()} for ${count} elements. Give a vector.`,
    );
  return chances;
}

function weighted(key: Value, shape: Shape, replace: boolean, chances: Value): Value {
  const count = chances.size;
  if (replace) {
    const running = lax.cumsum(chances, 0);
    const total = lax.indexInDim(running, -1);
    const u = uniform(key, shape, { dtype: chances.dtype });
    return searchsorted(running, lax.mul(total, lax.sub(1, u)));
  }
  const score = lax.sub(lax.neg(gumbel(key, [count], { dtype: chances.dtype })), lax.log(chances));
  const order = lax.sortMany([score, lax.iota('i32', count)])[1];
  return front(order, shape);
}
