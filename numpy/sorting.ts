/** Sorting along an axis, and the order that sorts. NaN comes last; equal elements keep their order. */
import type { ArrayLike } from '../core/array.ts';
import { ArgumentError } from '../core/errors.ts';
import { knownOptions } from '../core/options.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { asArray, asInexact, axisOptions, oneAxis, reducedAxes, type Axis } from './promote.ts';
import { mean } from './reductions.ts';
import { flip, ravel } from './shape.ts';

/** Options of `sort` and `argsort`. */
export interface SortOptions {
  /** The axis, the last when left out; null sorts the raveled array. */
  readonly axis?: number | null;
  /** From the greatest to the least. */
  readonly descending?: boolean;
}

const options = (op: string, given: number | null | SortOptions): SortOptions =>
  typeof given === 'number' || given === null
    ? { axis: given }
    : knownOptions(op, given, ['axis', 'descending']);

/**
 * Sort along an axis.
 *
 * @throws ShapeError when the axis is out of range.
 * @example
 * String(np.sort(np.array([3, 1, 2]))); // → [1. 2. 3.]
 */
export function sort(x: ArrayLike, given: number | null | SortOptions = {}): Value {
  const { axis = -1, descending = false } = options('sort', given);
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
  const { axis = -1, descending = false } = options('argsort', given);
  const value = axis === null ? ravel(x) : asArray('argsort', x);
  const dimension = oneAxis('argsort', axis ?? 0, value);
  const positions = lax.broadcastedIota('i32', value.shape, dimension);
  const keys = descending ? flip(value, dimension) : value;
  const order = lax.sortMany([keys, descending ? flip(positions, dimension) : positions], {
    dimension,
  })[1];
  return descending ? flip(order, dimension) : order;
}

/** Options of `median`; instead of the options the bare axis may be given. */
export interface MedianOptions {
  /** One axis, several, or all (null or left out). */
  readonly axis?: Axis;
  /** Keep reduced axes with size 1. */
  readonly keepdims?: boolean;
}

/**
 * The middle element over axes; the mean of the two middle ones when there are equally many. NaN where there is one.
 *
 * @throws ShapeError when an axis is out of range or named twice; ArgumentError when there is no element.
 * @example
 * String(np.median(np.array([3, 1, 2, 9]))); // → 2.5
 */
export function median(x: ArrayLike, given?: Axis | MedianOptions): Value {
  const { axis, keepdims = false } = axisOptions<MedianOptions>('median', given, [
    'axis',
    'keepdims',
  ]);
  const value = asInexact('median', x);
  const axes = reducedAxes('median', axis, value);
  const kept = value.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const sizes = kept.map((i) => value.shape[i]);
  const n = axes.reduce((count, i) => count * value.shape[i], 1);
  if (n === 0)
    throw new ArgumentError(
      `median: no elements have no median; got ${value.aval.toString()} over axes ${axes.join(', ')}. Check the size first.`,
    );
  const rows = lax.reshape(lax.transpose(value, [...kept, ...axes]), [...sizes, n]);
  const dimension = sizes.length;
  const sorted = lax.sort(rows, { dimension });
  const middle = lax.sliceInDim(sorted, Math.floor((n - 1) / 2), Math.floor(n / 2) + 1, {
    axis: dimension,
  });
  // NaN is sorted last.
  const last = lax.indexInDim(sorted, n - 1, dimension);
  const out = lax.select(
    lax.ne(last, last),
    lax.fullLike(last, NaN),
    mean(middle, { axis: dimension }),
  );
  return keepdims && axes.length > 0 ? lax.expandDims(out, axes) : out;
}
