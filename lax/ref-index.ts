/** Indices into refs: one rectangle with strides, each start a number or a traced scalar. Views compose by arithmetic on starts. */
import { describe } from '../core/array.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { isInteger } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import { Value } from '../core/value.ts';
import { add, mul } from '../lax/arithmetic.ts';
import { convertElementType } from '../lax/convert.ts';

/** A slice with a start that may be traced; the size is static. Made by `ds`. */
export class Slice {
  readonly start: number | Value;
  readonly size: number;
  readonly stride: number;
  constructor(start: number | Value, size: number, stride: number) {
    this.start = start;
    this.size = size;
    this.stride = stride;
  }
}

/**
 * `size` elements from `start`, every `stride`: an index for refs.
 *
 * @throws ArgumentError when size or stride is no positive integer, or the start no integer.
 * @example
 * // In a kernel: `ref.get(pl.ds(0, 4))`.
 * pl.ds(0, 4).size; // → 4
 */
export function ds(start: number | Value, size: number, stride = 1): Slice {
  if (!Number.isInteger(size) || size < 0 || !Number.isInteger(stride) || stride < 1)
    throw new ArgumentError(
      `ds: size must be a non-negative and stride a positive integer; got size ${size}, stride ${stride}. Write pl.ds(start, size).`,
    );
  if (!Number.isInteger(start) && !(start instanceof Value))
    throw new ArgumentError(
      `ds: the start must be an integer, or an integer scalar that is computed; got ${describe(start)}. Write pl.ds(start, size).`,
    );
  return new Slice(start, size, stride);
}

/** What indexes one axis of a ref: a position (the axis goes), a slice, `[start, stop]`, `null` for all of it; `'...'` for all axes between. */
export type RefIndex =
  | number
  | Value
  | Slice
  | readonly [start: number, stop: number]
  | null
  | '...';

/** One axis of a window on a ref. */
export interface WindowAxis {
  readonly start: number | Value;
  readonly size: number;
  readonly stride: number;
  /** Whether the axis is dropped. */
  readonly dropped: boolean;
}

/** The window of a whole ref. */
export const wholeWindow = (shape: Shape): WindowAxis[] =>
  shape.map((size) => ({ start: 0, size, stride: 1, dropped: false }));

/** Shape of what a window reads. */
export const windowShape = (window: readonly WindowAxis[]): number[] =>
  window.flatMap((w) => (w.dropped ? [] : [w.size]));

function scalarIndex(x: Value): Value {
  if (!isInteger(x.dtype) || x.ndim !== 0)
    throw new DTypeError(
      `ref: an index must be an integer scalar; got ${x.aval.toString()}. Use pl.ds(start, size) for a slice.`,
    );
  return x.dtype === 'i32' ? x : convertElementType(x, 'i32');
}

function plus(a: number | Value, b: number | Value): number | Value {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === 0) return b;
  return b === 0 ? a : add(a, b);
}

function times(a: number | Value, stride: number): number | Value {
  if (stride === 1) return a;
  return typeof a === 'number' ? a * stride : mul(a, stride);
}

function expandEllipsis(indices: readonly RefIndex[], ndim: number): RefIndex[] {
  const at = indices.indexOf('...');
  const given = indices.length - (at < 0 ? 0 : 1);
  if (given > ndim)
    throw new ShapeError(
      `ref: there must not be more indices than axes; got ${given} indices for ${ndim} axes. Leave some out.`,
    );
  const fill = Array.from({ length: ndim - given }, () => null);
  const position = at < 0 ? indices.length : at;
  return [
    ...indices.slice(0, position),
    ...fill,
    ...indices.slice(at < 0 ? position : position + 1),
  ];
}

function axisOf(index: RefIndex, size: number, axis: number): WindowAxis {
  if (index === null) return { start: 0, size, stride: 1, dropped: false };
  if (typeof index === 'number') {
    if (!Number.isInteger(index) || index < -size || index >= size)
      throw new ShapeError(
        `ref: index must be an integer in [${-size}, ${size}) on axis ${axis}; got ${index}. Choose an index inside.`,
      );
    return { start: index < 0 ? index + size : index, size: 1, stride: 1, dropped: true };
  }
  if (index instanceof Value)
    return { start: scalarIndex(index), size: 1, stride: 1, dropped: true };
  if (index instanceof Slice) {
    const { start, size: count, stride } = index;
    if (
      typeof start === 'number' &&
      (start < 0 || (count > 0 && start + (count - 1) * stride >= size))
    )
      throw new ShapeError(
        `ref: a slice must lie inside the axis; got start ${start}, size ${count}, stride ${stride} on axis ${axis} of size ${size}. Use a smaller slice, or a larger ref.`,
      );
    return {
      start: typeof start === 'number' ? start : scalarIndex(start),
      size: count,
      stride,
      dropped: false,
    };
  }
  if (Array.isArray(index) && index.length === 2) {
    const [start, stop] = index as readonly [number, number];
    const fits = [start, stop].every((n) => Number.isInteger(n) && n >= 0 && n <= size);
    if (!fits || start > stop)
      throw new ShapeError(
        `ref: [start, stop] must be integers that lie inside the axis; got [${start}, ${stop}] on axis ${axis} of size ${size}. Use a smaller slice, or a larger ref.`,
      );
    return { start, size: stop - start, stride: 1, dropped: false };
  }
  throw new ArgumentError(
    `ref: an index is a number, a scalar, pl.ds(…), [start, stop], null or '...'; got ${describe(index)} on axis ${axis}. Choose one of these.`,
  );
}

/** A window inside a window. @throws ShapeError, ArgumentError or DTypeError for indices that do not fit. */
export function indexWindow(
  window: readonly WindowAxis[],
  indices: readonly RefIndex[],
): WindowAxis[] {
  const shape = windowShape(window);
  const axes = expandEllipsis(indices, shape.length).map((index, axis) =>
    axisOf(index, shape[axis], axis),
  );
  let next = 0;
  return window.map((outer) => {
    if (outer.dropped) return outer;
    const inner = axes[next++];
    return {
      start: plus(outer.start, times(inner.start, outer.stride)),
      size: inner.size,
      stride: outer.stride * inner.stride,
      dropped: inner.dropped,
    };
  });
}

/** Whether a window is all of a ref. */
export const isWhole = (window: readonly WindowAxis[], shape: Shape): boolean =>
  window.every((w, i) => !w.dropped && w.start === 0 && w.size === shape[i] && w.stride === 1);

/** A window as JAX prints it: `[...]` for all of the ref, else `[0,1:3,i,:]`; `starts` are the names of the computed starts. */
export function showWindow(
  window: readonly {
    readonly start: number | 'dynamic';
    readonly size: number;
    readonly stride: number;
    readonly dropped: boolean;
  }[],
  shape: Shape,
  starts: readonly string[],
): string {
  let next = 0;
  const parts = window.map(({ start, size, stride, dropped }, axis) => {
    const from = start === 'dynamic' ? starts[next++] : String(start);
    if (dropped) return from;
    const step = stride === 1 ? '' : `:${stride}`;
    if (start === 'dynamic') return `${from}:${from}+${size * stride}${step}`;
    const stop = start + size * stride;
    return `${start === 0 ? '' : from}:${stop >= shape[axis] ? '' : stop}${step}`;
  });
  return parts.every((part) => part === ':') ? '[...]' : `[${parts.join(',')}]`;
}
