/** Shapes and axes: sizes, row-major strides, normalisation of negative axes. */
import { ShapeError } from './errors.ts';

/** Sizes of the axes of an array; `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements of an array of this shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

/** Whether two shapes are equal. */
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/** Print a shape as `[2, 3]`. */
export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/**
 * Turn a possibly negative axis into one of `0 … ndim - 1`.
 *
 * @throws ShapeError when the axis is no integer or out of range.
 */
export function canonicalAxis(op: string, axis: number, ndim: number): number {
  if (!Number.isInteger(axis) || axis < -ndim || axis >= ndim)
    throw new ShapeError(
      `${op}: axis must be an integer in [${-ndim}, ${ndim}); got ${String(axis)} for an array of ${ndim} axes. Choose an axis that exists.`,
    );
  return axis < 0 ? axis + ndim : axis;
}

/**
 * Normalise a list of axes (one, several or, when left out, all) to sorted, distinct, non-negative axes.
 *
 * @throws ShapeError when an axis is out of range or named twice.
 */
export function canonicalAxes(
  op: string,
  axes: number | readonly number[] | null | undefined,
  ndim: number,
): number[] {
  if (axes === null || axes === undefined) return Array.from({ length: ndim }, (_, i) => i);
  const list = (Array.isArray(axes) ? (axes as readonly number[]) : [axes as number]).map((a) =>
    canonicalAxis(op, a, ndim),
  );
  if (new Set(list).size !== list.length)
    throw new ShapeError(
      `${op}: axes must be distinct; got ${showShape(list)}. Name each axis once.`,
    );
  return list.toSorted((a, b) => a - b);
}

/** The shape without the given (canonical) axes. */
export const withoutAxes = (shape: Shape, axes: readonly number[]): number[] =>
  shape.filter((_, i) => !axes.includes(i));
