/** Windows of arrays: what reads and writes of references mean, as functions of arrays. Starts are moved inside, as by `dynamicSlice`. */
import { NDArray } from '../core/array.ts';
import type { Value } from '../core/value.ts';
import { select } from './comparison.ts';
import { full, zerosOf } from './creation.ts';
import { literal } from './operand.ts';
import { dynamicSlice, dynamicUpdateSlice, pad, slice } from './slicing.ts';
import { reshape } from './structure.ts';

/** One axis of an access: a static start, or `'dynamic'` for the next index operand. */
export interface AccessAxis {
  readonly start: number | 'dynamic';
  readonly size: number;
  readonly stride: number;
  readonly dropped: boolean;
}

/** Parameters of the ref primitives. Operands: the ref [, the value], the dynamic starts [, the mask [, the other value]]. */
export interface AccessParams {
  readonly axes: readonly AccessAxis[];
  readonly masked: boolean;
  readonly hasOther: boolean;
}

const isDynamic = (axes: readonly AccessAxis[]): boolean => axes.some((a) => a.start === 'dynamic');

/** Elements from the first of a window to its last. */
const extentOf = ({ size, stride }: AccessAxis): number =>
  size === 0 ? 0 : (size - 1) * stride + 1;

/** Static starts as numbers, dynamic ones as values, one per axis. */
function startsOf(axes: readonly AccessAxis[], starts: readonly Value[]): (Value | number)[] {
  let next = 0;
  return axes.map(({ start }) => (start === 'dynamic' ? starts[next++] : start));
}

/** The window with the axes that it drops, of size 1. */
function cut(x: Value, axes: readonly AccessAxis[], starts: readonly Value[]): Value {
  const extents = axes.map(extentOf);
  const isDense = axes.every((a) => a.stride === 1);
  const strides = isDense ? undefined : axes.map((a) => a.stride);
  const at = startsOf(axes, starts);
  if (!isDynamic(axes)) {
    const from = at.map(Number);
    return slice(
      x,
      from,
      from.map((start, i) => start + extents[i]),
      strides,
    );
  }
  const dense = dynamicSlice(x, at, extents);
  if (isDense) return dense;
  return slice(
    dense,
    extents.map(() => 0),
    extents,
    strides,
  );
}

/** Operands behind the starts: the mask and what masked-off elements read as. */
function extrasOf(
  { axes, masked, hasOther }: AccessParams,
  rest: readonly Value[],
): { readonly mask: Value | undefined; readonly other: Value | undefined } {
  const [first, second] = rest.slice(axes.filter((a) => a.start === 'dynamic').length);
  return masked
    ? { mask: first, other: hasOther ? second : undefined }
    : { mask: undefined, other: undefined };
}

/** What a `get` with these operands gives of an array. */
export function readWindow(x: Value, rest: readonly Value[], params: AccessParams): Value {
  const { axes } = params;
  const shape = axes.flatMap((a) => (a.dropped ? [] : [a.size]));
  const window = cut(x, axes, rest);
  const value = window.ndim === shape.length ? window : reshape(window, shape);
  const { mask, other } = extrasOf(params, rest);
  return mask === undefined ? value : select(mask, value, other ?? zerosOf(value.aval));
}

/** The array after a `swap` with these operands. */
export function writeWindow(
  x: Value,
  value: Value,
  rest: readonly Value[],
  params: AccessParams,
): Value {
  const { axes } = params;
  const { mask } = extrasOf(params, rest);
  const kept =
    mask === undefined ? value : select(mask, value, readWindow(x, rest, maskless(params)));
  const sizes = axes.map((a) => a.size);
  const isWhole = axes.every((a, i) => a.start === 0 && a.stride === 1 && a.size === x.shape[i]);
  const full = kept.ndim === sizes.length ? kept : reshape(kept, sizes);
  if (isWhole) return full;
  const at = startsOf(axes, rest);
  return dynamicUpdateSlice(x, spread(x, full, axes, at), at);
}

const maskless = (params: AccessParams): AccessParams => ({
  ...params,
  masked: false,
  hasOther: false,
});

/** A window with strides, and between its elements what is there. */
function spread(
  x: Value,
  value: Value,
  axes: readonly AccessAxis[],
  at: readonly (Value | number)[],
): Value {
  if (axes.every((a) => a.stride === 1)) return value;
  const interior = axes.map(({ stride }): [number, number, number] => [0, 0, stride - 1]);
  const there = dynamicSlice(x, at, axes.map(extentOf));
  const ones = full(value.shape, true, 'bool');
  const isNew = pad(ones, NDArray.fromScalar(false, 'bool'), interior);
  return select(isNew, pad(value, literal(0, value.dtype), interior), there);
}
