/**
 * Bringing exact or double-precision results into an element type: round to nearest even for floats, wrap for integers.
 * Elements on the host are numbers (bool is 0 or 1), bigints for 64-bit integers, and [re, im] for complex numbers.
 */
import type { DType } from '../core/dtype.ts';
import { dtypeInfo } from '../core/dtype.ts';

/** One element on the host. */
export type Element = number | bigint | readonly [re: number, im: number];

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** The exponent of a finite, non-zero double: `2^e ≤ |x| < 2^(e+1)`. */
export function exponentOf(x: number): number {
  double[0] = x;
  const biased = (words[1] >>> 20) & 0x7ff;
  if (biased !== 0) return biased - 1023;
  double[0] = x * 2 ** 64;
  return ((words[1] >>> 20) & 0x7ff) - 1023 - 64;
}

/** Zero with the sign of `x`. */
export const signedZero = (x: number): number => (x < 0 || Object.is(x, -0) ? -0 : 0);

/** Round to the nearest integer, ties to even; keeps the sign of zero. */
export function roundEven(x: number): number {
  if (Math.abs(x) >= 2 ** 52 || Number.isNaN(x)) return x;
  const r = x < 0 ? x - 2 ** 52 + 2 ** 52 : x + 2 ** 52 - 2 ** 52;
  return r === 0 ? (Object.is(x, -0) || x < 0 ? -0 : 0) : r;
}

/**
 * Round a double to a binary format of `exponentBits` and `mantissaBits` (stored bits), with subnormals; overflow gives infinity.
 */
export function roundToFormat(x: number, exponentBits: number, mantissaBits: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const bias = 2 ** (exponentBits - 1) - 1;
  const unit = 2 ** (Math.max(exponentOf(x), 1 - bias) - mantissaBits);
  // Exact: `unit` is a power of two, and results that need fewer bits than a double are doubles.
  const rounded = roundEven(x / unit) * unit;
  return Math.abs(rounded) >= 2 ** (bias + 1) ? Math.sign(rounded) * Infinity : rounded;
}

/** Round a double to half precision. */
export const roundF16 = (x: number): number => roundToFormat(x, 5, 10);
/** Round a double to bfloat16. */
export const roundBF16 = (x: number): number => roundToFormat(x, 8, 7);

const identity = (x: number): number => x;

const rounders: Readonly<Record<DType, (x: number) => number>> = {
  bool: identity,
  i8: (x) => (x << 24) >> 24,
  i16: (x) => (x << 16) >> 16,
  i32: (x) => x | 0,
  u8: (x) => x & 0xff,
  u16: (x) => x & 0xffff,
  u32: (x) => x >>> 0,
  i64: identity,
  u64: identity,
  f16: roundF16,
  bf16: roundBF16,
  f32: Math.fround,
  f64: identity,
  complex64: Math.fround,
  complex128: identity,
  float0: identity,
};

/** Brings a number into a dtype: floats (and parts of complex numbers) round, integers of at most 32 bits wrap. */
export const rounderOf = (dtype: DType): ((x: number) => number) => rounders[dtype];

/** Brings a bigint into a 64-bit integer dtype. */
export const wrapBig = (x: bigint, dtype: 'i64' | 'u64'): bigint =>
  dtype === 'i64' ? BigInt.asIntN(64, x) : BigInt.asUintN(64, x);

/** Smallest value of an integer dtype of at most 32 bits. */
export const minOf = (dtype: DType): number =>
  dtypeInfo[dtype].kind === 'int' ? -(2 ** (dtypeInfo[dtype].bits - 1)) : 0;

/** Largest value of an integer dtype of at most 32 bits. */
export const maxOf = (dtype: DType): number =>
  dtypeInfo[dtype].kind === 'int'
    ? 2 ** (dtypeInfo[dtype].bits - 1) - 1
    : 2 ** dtypeInfo[dtype].bits - 1;

/** Smallest value of a 64-bit integer dtype. */
export const minOfBig = (dtype: 'i64' | 'u64'): bigint => (dtype === 'i64' ? -(2n ** 63n) : 0n);
/** Largest value of a 64-bit integer dtype. */
export const maxOfBig = (dtype: 'i64' | 'u64'): bigint =>
  dtype === 'i64' ? 2n ** 63n - 1n : 2n ** 64n - 1n;
