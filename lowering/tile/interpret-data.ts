/**
 * Values of tiles in the interpreter: row-major arrays of elements (numbers, with 0 and 1 for bool; bigints for 64-bit integers), and the
 * loops over their positions. Slow and obvious.
 */
import { decode, encode } from '../../core/host.ts';
import { dtypeInfo, isBig, type DType } from '../../core/dtype.ts';
import { sizeOf, stridesOf, type Shape } from '../../core/shape.ts';
import { conversion, meaning } from '../scalar-meaning.ts';
import { maxOf, maxOfBig, minOf, minOfBig } from '../scalar-round.ts';
import type { Combiner, ScalarFn } from '../scalar.ts';

/** One element of a real dtype. */
export type Real = number | bigint;

/** The value of a tile. */
export interface Data {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: Real[];
}

/** A scalar function on real elements. */
export type RealFn = (x: Real, y: Real, z: Real) => Real;

/** What a scalar function does on elements of a real dtype. */
export function realMeaning(fn: ScalarFn, dtype: DType): RealFn {
  // The tile IR has no complex numbers, so that elements are numbers or bigints: the one door for that.
  return meaning(fn, dtype) as unknown as RealFn;
}

/** Convert elements of a real dtype. */
export function realConversion(from: DType, to: DType): (x: Real) => Real {
  return conversion(from, to) as (x: Real) => Real;
}

/** What a named combiner does on a dtype. */
export const combine = (combiner: Combiner, dtype: DType): RealFn => realMeaning(combiner, dtype);

/** An element as the dtype holds it. */
export function element(value: number | bigint | boolean, dtype: DType): Real {
  if (isBig(dtype)) return realMeaning('add', dtype)(BigInt(value), 0n, 0n);
  const from = dtypeInfo[dtype].kind === 'float' ? 'f64' : 'i64';
  return typeof value === 'boolean'
    ? Number(value)
    : from === 'f64'
      ? realConversion('f64', dtype)(Number(value))
      : realConversion('i64', dtype)(BigInt(value));
}

/** A value that shows when it is relied on: NaN, or the most extreme integer. */
export function poison(dtype: DType): Real {
  switch (dtypeInfo[dtype].kind) {
    case 'float':
    case 'complex':
      return NaN;
    case 'bool':
    case 'void':
      return 1;
    case 'int':
      return dtype === 'i64' ? minOfBig('i64') : minOf(dtype);
    case 'uint':
      return dtype === 'u64' ? maxOfBig('u64') : maxOf(dtype);
  }
}

/** Zero of a dtype. */
export const zero = (dtype: DType): Real => (isBig(dtype) ? 0n : 0);

/** The identity of a named combiner. */
export function identity(combiner: Combiner, dtype: DType): Real {
  const { kind } = dtypeInfo[dtype];
  const least = (): Real =>
    kind === 'float'
      ? -Infinity
      : kind === 'bool'
        ? 0
        : dtype === 'i64'
          ? minOfBig('i64')
          : dtype === 'u64'
            ? 0n
            : minOf(dtype);
  const most = (): Real =>
    kind === 'float'
      ? Infinity
      : kind === 'bool'
        ? 1
        : dtype === 'i64' || dtype === 'u64'
          ? maxOfBig(dtype)
          : maxOf(dtype);
  switch (combiner) {
    case 'add':
    case 'or':
    case 'xor':
      return zero(dtype);
    case 'mul':
      return isBig(dtype) ? 1n : 1;
    case 'max':
      return least();
    case 'min':
      return most();
    case 'and':
      return kind === 'bool' ? 1 : realMeaning('not', dtype)(zero(dtype), 0, 0);
  }
}

/** A tile filled with one element. */
export const filled = (dtype: DType, shape: Shape, value: Real): Data => ({
  dtype,
  shape,
  values: Array.from({ length: sizeOf(shape) }, () => value),
});

/** Elements out of memory. */
export function fromBytes(bytes: Uint8Array, dtype: DType): Real[] {
  const out: Real[] = [];
  for (const value of decode(bytes, dtype)) out.push(value);
  return out;
}

/** Elements into memory. */
export const toBytes = (values: readonly Real[], dtype: DType): Uint8Array => encode(values, dtype);

/** The bits of an element as another dtype of the same width. */
export function rebits(value: Real, from: DType, to: DType): Real {
  return fromBytes(toBytes([value], from), to)[0];
}

/** Calls `visit` with the offset of every position of a shape, in row-major order, given strides per axis. */
export function offsets(shape: Shape, strides: readonly number[], start = 0): number[] {
  const out: number[] = [];
  const total = sizeOf(shape);
  const at = shape.map(() => 0);
  let offset = start;
  for (let n = 0; n < total; n++) {
    out.push(offset);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++at[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return out;
}

/** Read elements at strided offsets. */
export const pick = (from: Data, shape: Shape, strides: readonly number[], start = 0): Data => ({
  dtype: from.dtype,
  shape,
  values: offsets(shape, strides, start).map((i) => from.values[i]),
});

/** Strides of a shape in which some axes stay in place. */
export function reducedStrides(shape: Shape, axes: readonly number[]): number[] {
  const kept = stridesOf(shape.map((d, i) => (axes.includes(i) ? 1 : d)));
  return kept.map((s, i) => (axes.includes(i) ? 0 : s));
}
