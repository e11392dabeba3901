/**
 * Elements on the host: how JavaScript numbers become bytes of an element type and come back. Bytes are row-major and
 * little-endian; complex numbers are interleaved pairs. Promotion and printing stand elsewhere.
 */
import { config } from './config.ts';
import { dtypeInfo, isBig, isComplex, isInteger, type DType } from './dtype.ts';
import { ArgumentError } from './errors.ts';
import { sizeOf, type Shape } from './shape.ts';

/** One element as JavaScript holds it: a number, a bigint for 64-bit integers, a boolean for bool. */
export type Scalar = number | bigint | boolean;

/** The standard typed arrays. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** Elements in a flat list: a typed array, or an array of scalars. */
export interface HostData {
  readonly length: number;
  readonly [index: number]: Scalar;
}

/** A complex number on the host. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** Elements as nested arrays; a rank-0 array is its value. */
export type Nested = Scalar | Complex | Nested[];

interface Buffers {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);
const double = new Float64Array(1);
const doubleBits = new BigUint64Array(double.buffer);

/** Round bits of a double away: keep `drop` fewer bits, ties to even. */
function shiftEven(bits: bigint, drop: bigint): bigint {
  const half = 1n << (drop - 1n);
  const kept = bits >> drop;
  const rest = bits & ((1n << drop) - 1n);
  return rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
}

/** Bits of a number in a 16-bit format with `mantissa` stored bits; exact from the double, ties to even. */
function bits16(x: number, mantissa: number): number {
  const exponentBits = 15 - mantissa;
  const bias = 2 ** (exponentBits - 1) - 1;
  const infinity = (2 ** exponentBits - 1) * 2 ** mantissa;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  if (Number.isNaN(x)) return infinity | (1 << (mantissa - 1));
  if (x === 0) return sign;
  if (!Number.isFinite(x)) return sign | infinity;
  double[0] = Math.abs(x);
  const exponent = Number(doubleBits[0] >> 52n) - 1023;
  if (exponent > bias) return sign | infinity;
  if (exponent < 1 - bias - mantissa - 1) return sign;
  const fraction = (doubleBits[0] & 0xfffffffffffffn) | 0x10000000000000n;
  const subnormal = Math.max(0, 1 - bias - exponent);
  const significand = Number(shiftEven(fraction, BigInt(52 - mantissa + subnormal)));
  // The hidden bit adds one to the exponent field, and so does a carry out of the mantissa.
  const field = subnormal > 0 ? 0 : exponent + bias - 1;
  return sign | Math.min(infinity, field * 2 ** mantissa + significand);
}

/** The bits of a number as f16. */
export const f16Bits = (x: number): number => bits16(x, 10);

/** The bits of a number as bf16. */
export const bf16Bits = (x: number): number => bits16(x, 7);

/** The number that these bf16 bits stand for. */
export function fromBF16Bits(bits: number): number {
  singleBits[0] = bits << 16;
  return single[0];
}

/** The number that these f16 bits stand for. */
export function fromF16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const toNumber = (x: Scalar): number => Number(x);

function toBig(x: Scalar): bigint {
  if (typeof x === 'bigint') return x;
  const n = Number(x);
  return Number.isFinite(n) ? BigInt(Math.trunc(n)) : 0n;
}

/** The low 32 bits of an integer of any size. */
const toLow32 = (x: Scalar): number =>
  typeof x === 'bigint' ? Number(BigInt.asIntN(32, x)) : Math.trunc(Number(x));

/**
 * The raw elements: f16, bf16 and bool as their bits, complex numbers as interleaved parts. A view where the bytes are
 * aligned for it, else a copy.
 */
export function viewOf(bytes: Uint8Array, dtype: DType): TypedArray {
  switch (dtype) {
    case 'bool':
    case 'u8':
    case 'float0':
      return bytes;
    case 'i8':
      return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    case 'i16':
      return aligned(bytes, Int16Array);
    case 'u16':
    case 'f16':
    case 'bf16':
      return aligned(bytes, Uint16Array);
    case 'i32':
      return aligned(bytes, Int32Array);
    case 'u32':
      return aligned(bytes, Uint32Array);
    case 'i64':
      return aligned(bytes, BigInt64Array);
    case 'u64':
      return aligned(bytes, BigUint64Array);
    case 'f32':
    case 'complex64':
      return aligned(bytes, Float32Array);
    case 'f64':
    case 'complex128':
      return aligned(bytes, Float64Array);
  }
}

interface ViewClass<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

function aligned<T>(bytes: Uint8Array, view: ViewClass<T>): T {
  const size = view.BYTES_PER_ELEMENT;
  const at = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new view(at.buffer, at.byteOffset, at.byteLength / size);
}

const bytesOf = (x: Buffers): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);

/** The element type whose memory a typed array has, whatever the configuration says. */
function storageDType(x: unknown): DType | undefined {
  if (x instanceof Float32Array) return 'f32';
  if (x instanceof Int32Array) return 'i32';
  if (x instanceof Uint8Array || x instanceof Uint8ClampedArray) return 'u8';
  if (x instanceof Float64Array) return 'f64';
  if (x instanceof Uint32Array) return 'u32';
  if (x instanceof Int8Array) return 'i8';
  if (x instanceof Int16Array) return 'i16';
  if (x instanceof Uint16Array) return 'u16';
  if (x instanceof BigInt64Array) return 'i64';
  if (x instanceof BigUint64Array) return 'u64';
  return undefined;
}

const narrow: Partial<Record<DType, DType>> = {
  f64: 'f32',
  i64: 'i32',
  u64: 'u32',
  complex128: 'complex64',
};

/** The element type that a typed array enters with: its own, or the 32-bit one while 64-bit types are off; undefined for anything else. */
export function typedArrayDType(x: unknown): DType | undefined {
  const dtype = storageDType(x);
  return dtype === undefined || config.enableX64 ? dtype : (narrow[dtype] ?? dtype);
}

/**
 * Write elements as bytes of a dtype: floats round to nearest even, integers wrap modulo their size, anything but 0 is true.
 * Complex numbers take two entries each.
 */
export function encode(values: HostData, dtype: DType): Uint8Array {
  if (storageDType(values) === dtype) return bytesOf(values as unknown as Buffers).slice();
  const n = values.length;
  const elements = isComplex(dtype) ? n / 2 : n;
  const bytes = new Uint8Array(elements * dtypeInfo[dtype].byteLength);
  const out = viewOf(bytes, dtype);
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    for (let i = 0; i < n; i++) out[i] = toBig(values[i]);
    return bytes;
  }
  const element = elementEncoder(dtype);
  for (let i = 0; i < n; i++) out[i] = element(values[i]);
  return bytes;
}

function elementEncoder(dtype: DType): (x: Scalar) => number {
  if (dtype === 'bool') return (x) => (x === false || x === 0 || x === 0n ? 0 : 1);
  if (dtype === 'f16') return (x) => f16Bits(Number(x));
  if (dtype === 'bf16') return (x) => bf16Bits(Number(x));
  return isInteger(dtype) ? toLow32 : toNumber;
}

/** Read bytes of a dtype: f16 and bf16 widen to Float32Array, bool is a Uint8Array of 0 and 1, complex numbers are interleaved. */
export function decode(bytes: Uint8Array, dtype: DType): TypedArray {
  const raw = viewOf(bytes, dtype);
  if (dtype !== 'f16' && dtype !== 'bf16') return raw;
  const wide = dtype === 'f16' ? fromF16Bits : fromBF16Bits;
  const out = new Float32Array(raw.length);
  for (let i = 0; i < out.length; i++) out[i] = wide(Number(raw[i]));
  return out;
}

/** A scalar as an element of `dtype`: rounded or wrapped; a bigint for 64-bit integers, a boolean for bool. */
export function normalScalar(value: Scalar, dtype: DType): Scalar {
  if (dtype === 'f32') return Math.fround(Number(value));
  if (dtype === 'float0') return 0;
  if (dtype === 'bool') return value !== 0 && value !== 0n && value !== false;
  if (dtype === 'f64' || dtype === 'complex128') return Number(value);
  if (isBig(dtype))
    return dtype === 'i64' ? BigInt.asIntN(64, toBig(value)) : BigInt.asUintN(64, toBig(value));
  if (dtype === 'complex64') return Math.fround(Number(value));
  return decode(encode([value], dtype), dtype)[0];
}

/** Elements of a scalar, as `encode` takes them: one, or two for a complex number. */
export const scalarData = (value: Scalar, dtype: DType): readonly Scalar[] =>
  isComplex(dtype) ? [value, 0] : [value];

/** Flat elements as nested arrays of numbers, bigints, booleans or `{ re, im }`. */
export function nest(data: HostData, shape: Shape, dtype: DType): Nested {
  const element = (i: number): Nested => {
    if (isComplex(dtype)) return { re: Number(data[2 * i]), im: Number(data[2 * i + 1]) };
    return dtype === 'bool' ? data[i] !== 0 && data[i] !== false : data[i];
  };
  const block = (axis: number, start: number): Nested => {
    if (axis === shape.length) return element(start);
    const step = sizeOf(shape.slice(axis + 1));
    return Array.from({ length: shape[axis] }, (_, i) => block(axis + 1, start + i * step));
  };
  return block(0, 0);
}

/** float0 has one value, zero. */
function checkZeros(op: string, values: HostData): void {
  for (let i = 0; i < values.length; i++)
    if (Number(values[i]) !== 0)
      throw new ArgumentError(
        `${op}: float0 holds no information, and zero is its only value; got ${values[i]} at position ${i}. Write np.zeros(shape, 'float0').`,
      );
}

/**
 * Refuse elements that an integer dtype or float0 cannot hold.
 *
 * @throws ArgumentError naming the first one.
 */
export function checkRange(op: string, values: HostData, dtype: DType): void {
  if (dtype === 'float0') return checkZeros(op, values);
  if (!isInteger(dtype) || storageDType(values) === dtype) return;
  const { kind, bits } = dtypeInfo[dtype];
  const low = kind === 'int' ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = 2n ** BigInt(kind === 'int' ? bits - 1 : bits);
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    // Comparisons of numbers with bigints are exact; NaN fails both.
    if (typeof x === 'boolean' || (x >= low && x < high)) continue;
    if (typeof x === 'number' && x < low && Math.trunc(x) >= low) continue;
    throw new ArgumentError(
      `${op}: ${dtypeInfo[dtype].longName} holds integers from ${low} to ${high - 1n}; got ${x} at position ${i}. Choose another dtype, or bring the values into range.`,
    );
  }
}
