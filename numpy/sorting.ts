/** Sorting along an axis, and the order that sorts. NaN comes last; equal elements keep their order. */
import type { ArrayLike } from '../core/array.ts';
import { ArgumentError } from '../core/errors.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { asArray, asInexact, oneAxis } from './promote.ts';
import { mean } from './reductions.ts';
import { flip, ravel } from './shape.ts';

/** Options of `sort` and `argsort`. */
export interface SortOptions {
  /** The axis, the last when left out; null sorts the raveled array. */
  readonly axis?: number | null;
  /** From the greatest to the least. */
  readonly descending?: boolean;
}

const options = (given: number | null | SortOptions): SortOptions =>
  typeof given === 'number' || given === null ? { axis: given } : given;

/**
 * Sort along an axis.
 *
 * @throws ShapeError when the axis is out of range.
 * @example
 * String(np.sort(np.array([3, 1, 2]))); // → [1. 2. 3.]
 */
export function sort(x: ArrayLike, given: number | null | SortOptions = {}): Value {
  const { axis = -1, descending = false } = options(given);
  const value = axis === null ? ravel(x) : asArray('sort', x);
  const dimension = oneAxis('sort', axis ?? 0, value);
  const sorted = lax.sort(value, { dimension });
  return descending ? flip(sorted, dimension) : sorted;
}

/**
 * The positions that sort an array along an axis.
 *
 * @throws ShapeError when the axis is out of range.
 * @example
 * String(np.argsort(np.array([3, 1, 2]))); // → [1 2 0]
 */
export function argsort(x: ArrayLike, given: number | null | SortOptions = {}): Value {
  const { axis = -1, descending = false } = options(given);
  const value = axis === null ? ravel(x) : asArray('argsort', x);
  const dimension = oneAxis('argsort', axis ?? 0, value);
  const positions = lax.broadcastedIota('i32', value.shape, dimension);
  const keys = descending ? flip(value, dimension) : value;
  const order = lax.sortMany([keys, descending ? flip(positions, dimension) : positions], {
    dimension,
  })[1];
  return descending ? flip(order, dimension) : order;
}

/** The middle element along an axis; the mean of the two middle ones when there are equally many. @throws ShapeError as `sort`. */
export function median(
  x: ArrayLike,
  {
    axis = null,
    keepdims = false,
  }: { readonly axis?: number | null; readonly keepdims?: boolean } = {},
): Value {
  const given = asInexact('median', x);
  const value = axis === null ? ravel(given) : given;
  const dimension = oneAxis('median', axis ?? 0, value);
  const n = value.shape[dimension];
  if (n === 0)
    throw new ArgumentError(
      `median: an empty axis has no median; got ${given.aval.toString()} (axis ${dimension}). Check the size first.`,
    );
  const sorted = lax.sort(value, { dimension });
  const middle = lax.sliceInDim(sorted, Math.floor((n - 1) / 2), Math.floor(n / 2) + 1, {
    axis: dimension,
  });
  const out = mean(middle, { axis: dimension, keepdims });
  return axis === null && keepdims
    ? lax.reshape(
        out,
        given.shape.map(() => 1),
      )
    : out;
}
