/**
 * Keys of random numbers, and bits out of keys. Nothing here has a state: the same key gives the same numbers, on every device.
 * The cipher is threefry in JAX's partitionable form (`lax/random.ts`); bits are JAX's bit for bit. A key is u32[2].
 */
import { describe, NDArray } from '../core/array.ts';
import { config } from '../core/config.ts';
import { dtypeInfo, isInteger, isUnsigned } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { dtypeOf, shapeOf, type DTypeLike, type ShapeLike } from '../numpy/promote.ts';

/**
 * Make a key from a seed. While 64-bit types are off the seed is taken modulo 2³², as in JAX.
 *
 * @throws ArgumentError when the seed is no integer; ShapeError when it is no scalar.
 * @example
 * String(random.key(7)); // → [0 7]
 */
export function key(seed: number | bigint | Value): Value {
  if (seed instanceof Value) return tracedKey(seed);
  if (typeof seed !== 'bigint' && !Number.isInteger(seed))
    throw new ArgumentError(
      `key: the seed must be an integer; got ${describe(seed)}. Round it first.`,
    );
  const bits = BigInt(seed);
  const high = config.enableX64 ? BigInt.asUintN(32, bits >> 32n) : 0n;
  return NDArray.fromHost([Number(high), Number(BigInt.asUintN(32, bits))], [2], 'u32');
}

/** `key` under JAX's older name. @throws as `key`. */
export const PRNGKey = (seed: number | bigint | Value): Value => key(seed);

function tracedKey(seed: Value): Value {
  if (!isInteger(seed.dtype))
    throw new DTypeError(
      `key: the seed must be an integer; got ${seed.aval.toString()}. Convert with x.astype('i32').`,
    );
  if (seed.ndim !== 0)
    throw new ShapeError(
      `key: the seed must be a scalar; got ${seed.aval.toString()}. Use vmap over many seeds.`,
    );
  const wide = dtypeInfo[seed.dtype].bits === 64;
  const shift = isUnsigned(seed.dtype) ? lax.shiftRightLogical : lax.shiftRightArithmetic;
  const high = wide ? lax.convertElementType(shift(seed, 32), 'u32') : lax.full([], 0, 'u32');
  return lax.concatenate(
    [high, lax.convertElementType(seed, 'u32')].map((word) => lax.expandDims(word, 0)),
    0,
  );
}

/** The words of a key, for storing it: `u32[…, 2]`. */
export const keyData = (of: Value): Value => of;

/** A key out of stored words. @throws ShapeError or DTypeError when they are not `u32[…, 2]`. */
export function wrapKeyData(words: Value): Value {
  if (!(words instanceof Value))
    throw new ArgumentError(
      `wrapKeyData: words must be an array; got ${describe(words)}. Pass what keyData gave.`,
    );
  if (words.dtype !== 'u32')
    throw new DTypeError(
      `wrapKeyData: words must be uint32; got ${words.aval.toString()}. Convert with x.astype('u32').`,
    );
  if (words.shape.at(-1) !== 2)
    throw new ShapeError(
      `wrapKeyData: a key has two words, on the last axis; got ${words.aval.toString()}. Reshape it.`,
    );
  return words;
}

/**
 * New keys out of one, which should not be used again. Take them apart with `np.unstack(keys)` or `keys.at(i).get()`.
 *
 * `key: u32[2] → u32[…shape, 2]`
 *
 * @throws ShapeError when the key is not u32[2].
 * @example
 * String(random.split(random.key(0))); // → [[1797259609 2579123966] [ 928981903 3453687069]]
 */
export const split = (from: Value, num: ShapeLike = 2): Value =>
  lax.randomSplit(from, shapeOf('split', num));

/**
 * A new key out of one and a number.
 *
 * @throws ShapeError when the key is not u32[2]; ArgumentError when the number is negative or no integer.
 * @example
 * String(random.foldIn(random.key(0), 1)); // → [ 928981903 3453687069]
 */
export function foldIn(from: Value, data: number | Value): Value {
  if (!(data instanceof Value) && (!Number.isInteger(data) || data < 0 || data >= 2 ** 32))
    throw new ArgumentError(
      `foldIn: the number must be an integer in [0, 2³²); got ${data}. Use random.split for more keys.`,
    );
  return lax.randomFoldIn(from, data instanceof Value ? data : NDArray.fromScalar(data, 'u32'));
}

/**
 * Random bits as unsigned integers.
 *
 * `key: u32[2] → u32[…shape]`
 *
 * @throws DTypeError when the dtype is not unsigned; ShapeError when the key is not u32[2].
 * @example
 * String(random.bits(random.key(0), [2])); // → [4070199207 4202968722]
 */
export function bits(from: Value, shape: ShapeLike = [], dtype: DTypeLike = 'u32'): Value {
  const type = dtypeOf(dtype);
  if (!isUnsigned(type))
    throw new DTypeError(
      `bits: the dtype must be an unsigned integer; got ${dtypeInfo[type].longName}. Use 'u32'.`,
    );
  return lax.randomBits(from, dtypeInfo[type].bits as 8 | 16 | 32 | 64, shapeOf('bits', shape));
}
