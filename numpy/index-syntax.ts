/**
 * Indices: what may stand in `x.at(…)` and `x.slice(…)`, and how it lines up with the axes of an array. Reading and writing
 * stand in `indexing.ts`.
 */
import { asValue, describe } from '../core/array.ts';
import { isInteger } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { typedArrayDType, type TypedArray } from '../core/host.ts';
import { showShape, type Shape } from '../core/shape.ts';
import { Value } from '../core/value.ts';
import { broadcastShapes } from './promote.ts';

/** Stands for a new axis of size 1 in an index. */
export const newaxis = 'newaxis';

/** A slice as `[start, stop]` or `[start, stop, step]`; null leaves a bound open. Negative bounds count from the end. */
export type SliceIndex = readonly [start: number | null, stop: number | null, step?: number | null];

/**
 * One entry of an index: an integer or a scalar array (drops the axis), a slice, null (the whole axis), an integer array,
 * `'...'` (all axes that are not named), `np.newaxis`.
 */
export type Index = number | SliceIndex | null | Value | TypedArray | '...' | typeof newaxis;

/** What an index does with one axis of the array, or with a new one. */
export type AxisIndex =
  | { readonly kind: 'new' }
  /** Elements start, start + step, … `size` of them. */
  | {
      readonly kind: 'slice';
      readonly axis: number;
      readonly start: number;
      readonly size: number;
      readonly step: number;
    }
  | { readonly kind: 'integer'; readonly axis: number; readonly at: number }
  | { readonly kind: 'array'; readonly axis: number; readonly at: Value };

const isNew = (index: Index): boolean => index === newaxis;

/**
 * Line up an index with the axes of an array.
 *
 * @throws ShapeError for too many indices or a static integer out of range in reads; ArgumentError and DTypeError for what is
 * no index.
 */
export function alignIndex(op: string, x: Shape, indices: readonly Index[]): AxisIndex[] {
  const named = indices.filter((i) => i !== '...' && !isNew(i)).length;
  const dots = indices.filter((i) => i === '...').length;
  if (dots > 1)
    throw new ArgumentError(
      `${op}: an index may hold '...' once; got it ${dots} times. Write null for whole axes.`,
    );
  if (named > x.length)
    throw new ShapeError(
      `${op}: an index has at most one entry per axis; got ${named} entries for shape ${showShape(x)}. Leave some out.`,
    );
  const rest = Array.from({ length: x.length - named }, (): Index => null);
  const full =
    dots === 0
      ? [...indices, ...rest]
      : indices.flatMap((i): readonly Index[] => (i === '...' ? rest : [i]));
  let axis = 0;
  return full.map((index) =>
    isNew(index) ? { kind: 'new' } : axisIndex(op, index, axis, x[axis++]),
  );
}

function axisIndex(op: string, index: Index, axis: number, length: number): AxisIndex {
  if (index === null) return { kind: 'slice', axis, start: 0, size: length, step: 1 };
  if (typeof index === 'number') {
    if (!Number.isInteger(index))
      throw new ArgumentError(
        `${op}: indices must be integers; got ${index} (axis ${axis}). Round it first.`,
      );
    return { kind: 'integer', axis, at: index < 0 ? index + length : index };
  }
  if (Array.isArray(index)) return sliceIndex(op, index as unknown as SliceIndex, axis, length);
  if (!(index instanceof Value) && typedArrayDType(index) === undefined)
    throw new ArgumentError(
      `${op}: an index is an integer, a slice [start, stop, step], null, an integer array, '...' or np.newaxis; got ${describe(index)} (axis ${axis}).`,
    );
  const at = asValue(op, index as Value | TypedArray, 'an index');
  if (!isInteger(at.dtype))
    throw new DTypeError(
      `${op}: index arrays must hold integers; got ${at.aval.toString()} (axis ${axis}). ${at.dtype === 'bool' ? 'Choose with np.where(mask, x, y): shapes cannot depend on values.' : "Convert with x.astype('i32')."}`,
    );
  return { kind: 'array', axis, at };
}

/** Bounds as Python has them: clipped to the axis, for negative steps from the end. */
function sliceIndex(
  op: string,
  [start, stop, step]: SliceIndex,
  axis: number,
  length: number,
): AxisIndex {
  const by = step ?? 1;
  const bad = [start, stop, step].find(
    (n) => n !== null && n !== undefined && !Number.isInteger(n),
  );
  if (bad !== undefined || by === 0)
    throw new ArgumentError(
      `${op}: slices must be made of integers, with a step that is not 0; got ${describe(bad ?? by)} (axis ${axis}). For traced starts use lax.dynamicSlice.`,
    );
  const [lowest, highest] = by > 0 ? [0, length] : [-1, length - 1];
  const clip = (n: number): number => Math.max(lowest, Math.min(highest, n < 0 ? n + length : n));
  const first = start === null ? (by > 0 ? lowest : highest) : clip(start);
  const last = stop === null ? (by > 0 ? highest : lowest) : clip(stop);
  return {
    kind: 'slice',
    axis,
    start: first,
    size: Math.max(0, Math.ceil((last - first) / by)),
    step: by,
  };
}

/** The axes of the result of an index, in order. */
export type ResultAxis =
  | { readonly kind: 'new' }
  | { readonly kind: 'slice'; readonly from: Extract<AxisIndex, { kind: 'slice' }> }
  /** Axis number `place` of what the index arrays have together. */
  | { readonly kind: 'array'; readonly place: number; readonly size: number };

/**
 * The axes of the result: index arrays broadcast together, and stand where the first one stands when they are neighbours
 * (integers beside them count), else in front.
 *
 * @throws ShapeError when index arrays do not broadcast.
 */
export function resultAxes(op: string, index: readonly AxisIndex[]): ResultAxis[] {
  const arrays = index.flatMap((entry) => (entry.kind === 'array' ? [entry.at.shape] : []));
  const together = broadcastShapes(op, arrays).map((size, place): ResultAxis => ({
    kind: 'array',
    place,
    size,
  }));
  const others = (entries: readonly AxisIndex[]): ResultAxis[] =>
    entries.flatMap((entry): ResultAxis[] => {
      if (entry.kind === 'slice') return [{ kind: 'slice', from: entry }];
      return entry.kind === 'new' ? [entry] : [];
    });
  if (together.length === 0) return others(index);
  const isAdvanced = (entry: AxisIndex): boolean =>
    entry.kind === 'array' || entry.kind === 'integer';
  const first = index.findIndex(isAdvanced);
  const last = index.findLastIndex(isAdvanced);
  const neighbours = index.slice(first, last + 1).every(isAdvanced);
  if (!neighbours) return [...together, ...others(index)];
  return [...others(index.slice(0, first)), ...together, ...others(index.slice(first))];
}

/** The size of an axis of the result. */
export function sizeOfAxis(axis: ResultAxis): number {
  switch (axis.kind) {
    case 'new':
      return 1;
    case 'slice':
      return axis.from.size;
    case 'array':
      return axis.size;
  }
}
