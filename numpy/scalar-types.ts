/** Scalar types and constants: `np.float32` both names a dtype and makes arrays of it. Facts about number types. */
import type { ArrayLike } from '../core/array.ts';
import { dtypeInfo, type DType } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import type { Value } from '../core/value.ts';
import { array, type NestedArrayLike } from './creation.ts';
import { asArray, dtypeOf, type DTypeLike } from './promote.ts';

/** A dtype that can be called to make strongly typed arrays of it. */
export interface ScalarType {
  (x: NestedArrayLike): Value;
  readonly dtype: DType;
}

const scalarType = (dtype: DType): ScalarType =>
  Object.assign((x: NestedArrayLike): Value => array(x, dtype), { dtype });

/** Truth values. */
export const bool_: ScalarType = scalarType('bool');
/** Signed integers of 8 bits. */
export const int8: ScalarType = scalarType('i8');
/** Signed integers of 16 bits. */
export const int16: ScalarType = scalarType('i16');
/** Signed integers of 32 bits. */
export const int32: ScalarType = scalarType('i32');
/** Signed integers of 64 bits; int32 while 64-bit types are off. */
export const int64: ScalarType = scalarType('i64');
/** Unsigned integers of 8 bits. */
export const uint8: ScalarType = scalarType('u8');
/** Unsigned integers of 16 bits. */
export const uint16: ScalarType = scalarType('u16');
/** Unsigned integers of 32 bits. */
export const uint32: ScalarType = scalarType('u32');
/** Unsigned integers of 64 bits; uint32 while 64-bit types are off. */
export const uint64: ScalarType = scalarType('u64');
/** Half-precision floats. */
export const float16: ScalarType = scalarType('f16');
/** Floats of 16 bits with the range of float32. */
export const bfloat16: ScalarType = scalarType('bf16');
/** Single-precision floats. */
export const float32: ScalarType = scalarType('f32');
/** Double-precision floats; float32 while 64-bit types are off. */
export const float64: ScalarType = scalarType('f64');

/** The ratio of a circle's circumference to its diameter. */
export const pi: number = Math.PI;
/** Euler's number. */
export const e: number = Math.E;
/** Euler's constant. */
export const eulerGamma = 0.5772156649015329;
/** Infinity. */
export const inf: number = Infinity;
/** Not a number. */
export const nan: number = NaN;

/** Facts about a float type. */
export interface FloatInfo {
  readonly dtype: DType;
  readonly bits: number;
  /** The difference between 1 and the next number. */
  readonly eps: number;
  readonly max: number;
  readonly min: number;
  /** The least positive normal number. */
  readonly tiny: number;
  readonly smallestSubnormal: number;
}

/**
 * Facts about a float type.
 *
 * @throws DTypeError for other types.
 * @example
 * np.finfo('f32').eps; // → 1.1920928955078125e-7
 */
export function finfo(like: DTypeLike): FloatInfo {
  const dtype = dtypeOf(like);
  const format = (
    { f16: [5, 10], bf16: [8, 7], f32: [8, 23], f64: [11, 52] } as Partial<
      Record<DType, readonly [number, number]>
    >
  )[dtype];
  if (format === undefined)
    throw new DTypeError(
      `finfo: takes float types; got ${dtypeInfo[dtype].longName}. Use np.iinfo for integers.`,
    );
  const [exponent, mantissa] = format;
  const bias = 2 ** (exponent - 1) - 1;
  const eps = 2 ** -mantissa;
  const max = (2 - eps) * 2 ** bias;
  const tiny = 2 ** (1 - bias);
  return {
    dtype,
    bits: dtypeInfo[dtype].bits,
    eps,
    max,
    min: -max,
    tiny,
    smallestSubnormal: tiny * eps,
  };
}

/** Facts about an integer type; the bounds of 64-bit types are rounded to numbers. */
export interface IntegerInfo {
  readonly dtype: DType;
  readonly bits: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Facts about an integer type.
 *
 * @throws DTypeError for other types.
 * @example
 * np.iinfo('i8').max; // → 127
 */
export function iinfo(like: DTypeLike): IntegerInfo {
  const dtype = dtypeOf(like);
  const { kind, bits, longName } = dtypeInfo[dtype];
  if (kind !== 'int' && kind !== 'uint')
    throw new DTypeError(`iinfo: takes integer types; got ${longName}. Use np.finfo for floats.`);
  const signed = kind === 'int';
  return {
    dtype,
    bits,
    min: signed ? -(2 ** (bits - 1)) : 0,
    max: 2 ** (signed ? bits - 1 : bits) - 1,
  };
}

/** The element type of an array. */
export const dtype = (x: ArrayLike): DType => asArray('dtype', x).dtype;
