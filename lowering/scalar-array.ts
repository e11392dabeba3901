/**
 * Elements of one dtype in a typed array, row-major: what interpreters compute on. Not the memory format: f16 and bf16 are held as rounded
 * f32 (so that arithmetic on them is plain), complex numbers as interleaved pairs, bool as 0 and 1.
 */
import { decode, encode } from '../core/host.ts';
import { dtypeInfo, isBig, isComplex, type DType } from '../core/dtype.ts';
import { OutOfMemoryError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import { stridesOf } from '../core/shape.ts';
import { conversion, meaning, numberMeaning, type Element } from './scalar-meaning.ts';
import { resultDType, scalarInfo, type ScalarFn } from './scalar.ts';

/** Elements whose JavaScript values are numbers. */
export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;
/** Elements of 64-bit integer dtypes. */
export type BigArray = BigInt64Array | BigUint64Array;
/** Elements of one dtype. */
export type ElementArray = NumberArray | BigArray;

/**
 * `n` elements of a dtype, all zero.
 *
 * @throws OutOfMemoryError when there is no memory for them.
 */
export function allocateElements(dtype: DType, n: number): ElementArray {
  try {
    return newElements(dtype, n);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new OutOfMemoryError(
      `array: ${n} elements of ${dtypeInfo[dtype].longName} must fit into memory; got "${error.message}". Use smaller arrays.`,
      { cause: error },
    );
  }
}

function newElements(dtype: DType, n: number): ElementArray {
  switch (dtype) {
    case 'bool':
    case 'u8':
    case 'float0':
      return new Uint8Array(n);
    case 'i8':
      return new Int8Array(n);
    case 'i16':
      return new Int16Array(n);
    case 'u16':
      return new Uint16Array(n);
    case 'i32':
      return new Int32Array(n);
    case 'u32':
      return new Uint32Array(n);
    case 'i64':
      return new BigInt64Array(n);
    case 'u64':
      return new BigUint64Array(n);
    case 'f16':
    case 'bf16':
    case 'f32':
      return new Float32Array(n);
    case 'f64':
      return new Float64Array(n);
    case 'complex64':
      return new Float32Array(2 * n);
    case 'complex128':
      return new Float64Array(2 * n);
  }
}

/** Elements from row-major little-endian bytes. */
// The registry door: `decode` gives exactly the arrays that `allocateElements` makes.
export const elementsFromBytes = (bytes: Uint8Array, dtype: DType): ElementArray =>
  decode(bytes, dtype) as ElementArray;

/** Row-major little-endian bytes of elements. */
export const elementsToBytes = (data: ElementArray, dtype: DType): Uint8Array =>
  encode(data, dtype);

/** The number view of an array whose dtype is no 64-bit integer. */
export const asNumbers = (data: ElementArray): NumberArray => data as NumberArray;

/** How many array entries one element takes. */
export const entriesOf = (dtype: DType): 1 | 2 => (isComplex(dtype) ? 2 : 1);

/** Read elements by index. */
export function elementReader(data: ElementArray, dtype: DType): (i: number) => Element {
  if (!isComplex(dtype)) return (i) => data[i];
  const parts = asNumbers(data);
  return (i) => [parts[2 * i], parts[2 * i + 1]];
}

/** Write elements by index. */
export function elementWriter(
  data: ElementArray,
  dtype: DType,
): (i: number, value: Element) => void {
  // The registry door: elements of a dtype have the representation that its array takes.
  const entries = data as unknown as Element[];
  if (!isComplex(dtype)) return (i, value) => void (entries[i] = value);
  const parts = asNumbers(data);
  return (i, value) => {
    const [re, im] = value as readonly [number, number];
    parts[2 * i] = re;
    parts[2 * i + 1] = im;
  };
}

/** Apply a scalar function to arrays of `n` elements of one dtype. Operands of fewer elements are rank-0 and repeat. */
export function mapScalar(
  fn: ScalarFn,
  dtype: DType,
  xs: readonly ElementArray[],
  n: number,
): ElementArray {
  const out = allocateElements(resultDType(fn, dtype), n);
  if (isBig(dtype) || isComplex(dtype)) return mapElements(fn, dtype, xs, out, n);
  const f = numberMeaning(fn, dtype);
  const result = asNumbers(out);
  const [x, y, z] = xs.map(asNumbers);
  if (scalarInfo[fn].arity === 1) for (let i = 0; i < n; i++) result[i] = f(x[i], 0, 0);
  else if (scalarInfo[fn].arity === 2) for (let i = 0; i < n; i++) result[i] = f(x[i], y[i], 0);
  else {
    const [stepX, stepZ] = [x.length === n ? 1 : 0, z.length === n ? 1 : 0];
    for (let i = 0; i < n; i++) result[i] = f(x[i * stepX], y[i], z[i * stepZ]);
  }
  return out;
}

function mapElements(
  fn: ScalarFn,
  dtype: DType,
  xs: readonly ElementArray[],
  out: ElementArray,
  n: number,
): ElementArray {
  const f = meaning(fn, dtype);
  const write = elementWriter(out, resultDType(fn, dtype));
  const entries = entriesOf(dtype);
  const readers = xs.map((x) => {
    const read = elementReader(x, dtype);
    return x.length === n * entries ? read : () => read(0);
  });
  const [x, y = x, z = x] = readers;
  for (let i = 0; i < n; i++) write(i, f(x(i), y(i), z(i)));
  return out;
}

/** Convert `n` elements to another dtype. */
export function convertElements(x: ElementArray, from: DType, to: DType, n: number): ElementArray {
  const out = allocateElements(to, n);
  const convert = conversion(from, to);
  const read = elementReader(x, from);
  const write = elementWriter(out, to);
  for (let i = 0; i < n; i++) write(i, convert(read(i)));
  return out;
}

/** The same bits as another dtype. */
export const bitcastElements = (x: ElementArray, from: DType, to: DType): ElementArray =>
  from === to ? x : elementsFromBytes(elementsToBytes(x, from), to);

/** Visit the offsets of a strided box in row-major order of its positions. */
export function forEachOffset(
  shape: Shape,
  start: number,
  strides: readonly number[],
  visit: (offset: number, position: number) => void,
): void {
  const rank = shape.length;
  if (shape.includes(0)) return;
  if (rank === 0) return visit(start, 0);
  const at = new Array<number>(rank).fill(0);
  const [inner, step] = [shape[rank - 1], strides[rank - 1]];
  let [offset, position] = [start, 0];
  for (;;) {
    for (let i = 0, o = offset; i < inner; i++, o += step) visit(o, position++);
    let axis = rank - 2;
    for (; axis >= 0; axis--) {
      offset += strides[axis];
      if (++at[axis] < shape[axis]) break;
      offset -= shape[axis] * strides[axis];
      at[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** A box in an array: where it starts and how far apart its positions lie, in elements. */
export interface Box {
  readonly start: number;
  readonly strides: readonly number[];
}

/** The box that covers a whole row-major array. */
export const wholeBox = (shape: Shape): Box => ({ start: 0, strides: stridesOf(shape) });

/** Copy a box of one array into a box of another; `entries` array entries per element. */
export function copyBox(
  shape: Shape,
  source: ElementArray,
  from: Box,
  target: ElementArray,
  to: Box,
  entries: 1 | 2 = 1,
): void {
  // Both arrays have one dtype, so their entries are of one kind.
  const [src, dst] = [source, target] as unknown as number[][];
  const rank = shape.length;
  if (shape.includes(0)) return;
  const at = new Array<number>(rank).fill(0);
  const inner = rank === 0 ? 1 : shape[rank - 1];
  const [stepS, stepD] =
    rank === 0 ? [0, 0] : [from.strides[rank - 1] * entries, to.strides[rank - 1] * entries];
  let [s, d] = [from.start, to.start];
  for (;;) {
    for (let i = 0, a = s * entries, b = d * entries; i < inner; i++, a += stepS, b += stepD) {
      dst[b] = src[a];
      if (entries === 2) dst[b + 1] = src[a + 1];
    }
    let axis = rank - 2;
    for (; axis >= 0; axis--) {
      s += from.strides[axis];
      d += to.strides[axis];
      if (++at[axis] < shape[axis]) break;
      s -= shape[axis] * from.strides[axis];
      d -= shape[axis] * to.strides[axis];
      at[axis] = 0;
    }
    if (axis < 0) return;
  }
}
