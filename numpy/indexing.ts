/**
 * Reading and writing at indices: `x.at(…)`, `x.slice(…)`, `take`. Static indices become slices, scalar arrays dynamic slices,
 * index arrays gathers and scatters. Out of bounds, reads clamp and writes are dropped unless the mode says otherwise, as in JAX.
 */
import { NDArray, type ArrayLike } from '../core/array.ts';
import { dtypeInfo, isInteger } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { checkOptions, knownOptions } from '../core/options.ts';
import type { Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import type { ScatterOp } from '../lax/indexing.ts';
import {
  alignIndex,
  resultAxes,
  sizeOfAxis,
  type AxisIndex,
  type Index,
  type ResultAxis,
} from './index-syntax.ts';
import {
  asArray,
  asArrayOf,
  asInteger,
  leadingOnes,
  oneAxis,
  promoteDTypes,
  spreadTo,
} from './promote.ts';
import { ravel } from './shape.ts';
import { divide, power } from './ufuncs.ts';

/** What happens to indices out of bounds: reads clamp or fill, writes clamp or are dropped. */
export type OutOfBounds = 'promise_in_bounds' | 'clip' | 'fill' | 'drop';

/** Options of reads. */
export interface GetOptions {
  readonly mode?: OutOfBounds;
  /** What mode `'fill'` gives: NaN, the least signed or greatest unsigned integer, or true when left out. */
  readonly fillValue?: number;
}

/** Options of writes. */
export interface SetOptions {
  readonly mode?: OutOfBounds;
  /** Promises that no element is named twice. */
  readonly uniqueIndices?: boolean;
  /** Promises that indices are in increasing order. */
  readonly indicesAreSorted?: boolean;
}

const index32 = (value: number): Value => NDArray.fromScalar(value, 'i32');

/** Whether the index names a box of whole numbers that lies inside: then it is a slice. */
const isStatic = (index: readonly AxisIndex[], x: Shape): boolean =>
  index.every(
    (e) =>
      e.kind === 'new' ||
      e.kind === 'slice' ||
      (e.kind === 'integer' && e.at >= 0 && e.at < x[e.axis]),
  );

/** Insert the new axes of an index into a result that lacks them. */
function insertNew(x: Value, axes: readonly ResultAxis[]): Value {
  const places = axes.flatMap((a, i) => (a.kind === 'new' ? [i] : []));
  return places.length === 0 ? x : lax.expandDims(x, places);
}

/** Read at a static index: a slice, reversed where steps are negative, with integer axes dropped. */
function readStatic(x: Value, index: readonly AxisIndex[]): Value {
  const [starts, limits, strides] = [x.shape.map(() => 0), [...x.shape], x.shape.map(() => 1)];
  const dropped: number[] = [];
  const reversed: number[] = [];
  for (const e of index) {
    if (e.kind === 'integer') {
      [starts[e.axis], limits[e.axis]] = [e.at, e.at + 1];
      dropped.push(e.axis);
    } else if (e.kind === 'slice') {
      const last = e.start + (e.size - 1) * e.step;
      const low = e.size === 0 ? 0 : Math.min(e.start, last);
      // Up to where the next element would stand, as JAX prints it.
      const high = e.step > 0 ? Math.min(x.shape[e.axis], e.start + e.size * e.step) : e.start + 1;
      [starts[e.axis], limits[e.axis], strides[e.axis]] = [
        low,
        e.size === 0 ? 0 : high,
        Math.abs(e.step),
      ];
      if (e.step < 0) reversed.push(e.axis);
    }
  }
  const whole = starts.every((s, i) => s === 0 && limits[i] === x.shape[i] && strides[i] === 1);
  const cut = whole
    ? x
    : lax.slice(x, starts, limits, strides.every((s) => s === 1) ? undefined : strides);
  const turned = reversed.length === 0 ? cut : lax.rev(cut, reversed);
  return dropped.length === 0 ? turned : lax.squeeze(turned, dropped);
}

/** A scalar or array index with negative entries counted from the end. */
function wrapped(at: Value, length: number): Value {
  const wide =
    at.dtype === 'i32' || at.dtype === 'u32' || at.dtype === 'i64' || at.dtype === 'u64'
      ? at
      : lax.convertElementType(at, 'i32');
  const index = wide.weakType ? lax.convertElementType(wide, wide.dtype) : wide;
  if (index.dtype === 'u32' || index.dtype === 'u64') return lax.convertElementType(index, 'i32');
  return lax.select(lax.lt(index, 0), lax.add(index, length), index);
}

/** Read where all arrays are scalars: a dynamic slice, which clamps. */
function readDynamic(x: Value, index: readonly AxisIndex[]): Value {
  const sliced = readStatic(
    x,
    index.map((e) => (e.kind === 'slice' || e.kind === 'new' ? e : whole(e.axis, x.shape[e.axis]))),
  );
  const entries = index.filter((e) => e.kind !== 'new');
  const starts = entries.map((e) => {
    if (e.kind === 'array') return wrapped(e.at, x.shape[e.axis]);
    return index32(e.kind === 'integer' ? e.at : 0);
  });
  const drops = entries.flatMap((e, i) => (e.kind === 'slice' ? [] : [i]));
  const sizes = sliced.shape.map((n, i) => (drops.includes(i) ? 1 : n));
  const dtype = starts.some((s) => s.dtype === 'i64') ? 'i64' : 'i32';
  return lax.squeeze(
    lax.dynamicSlice(
      sliced,
      starts.map((s) => (s.dtype === dtype ? s : lax.convertElementType(s, dtype))),
      sizes,
    ),
    drops,
  );
}

const whole = (axis: number, size: number): AxisIndex => ({
  kind: 'slice',
  axis,
  start: 0,
  size,
  step: 1,
});

/** How a general index reads and writes: the index vectors, and which axes of the result are windows. */
interface Plan {
  readonly indices: Value;
  /** Axes of the result that are windows of the array. */
  readonly windows: readonly number[];
  /** Axes of the array that index vectors point into, and those that they drop. */
  readonly startAxes: readonly number[];
  readonly droppedAxes: readonly number[];
  readonly sliceSizes: Shape;
  /** Shape of the result without new axes. */
  readonly shape: Shape;
  readonly unique: boolean;
}

/** Slices of step 1 are windows; everything else is a component of the index vectors. */
function planOf(x: Value, index: readonly AxisIndex[], axes: readonly ResultAxis[]): Plan {
  const kept = axes.filter((a) => a.kind !== 'new');
  const isWindow = (a: ResultAxis): boolean => a.kind === 'slice' && a.from.step === 1;
  const batch = kept.filter((a) => !isWindow(a));
  const batchShape = batch.map(sizeOfAxis);
  const arrayPlaces = batch.flatMap((a, i) => (a.kind === 'array' ? [i] : []));
  const components: { readonly axis: number; readonly at: Value }[] = [];
  for (const e of index) {
    if (e.kind === 'new' || (e.kind === 'slice' && e.step === 1 && e.start === 0)) continue;
    components.push({
      axis: e.axis,
      at: componentOf(e, x.shape, { batch, batchShape, arrayPlaces }),
    });
  }
  const dropped = index.flatMap((e) =>
    e.kind === 'new' || (e.kind === 'slice' && e.step === 1) ? [] : [e.axis],
  );
  const vectors = components.map(({ at }) =>
    lax.expandDims(lax.convertElementType(at, 'i32'), [batchShape.length]),
  );
  return {
    indices:
      vectors.length === 0
        ? lax.zeros([...batchShape, 0], 'i32')
        : lax.concatenate(vectors, batchShape.length),
    windows: kept.flatMap((a, i) => (isWindow(a) ? [i] : [])),
    startAxes: components.map((c) => c.axis),
    droppedAxes: dropped,
    sliceSizes: x.shape.map((n, axis) => {
      const e = index.find((i) => i.kind !== 'new' && i.axis === axis);
      return e?.kind === 'slice' && e.step === 1 ? e.size : Math.min(1, n);
    }),
    shape: kept.map(sizeOfAxis),
    unique: !index.some((e) => e.kind === 'array' && e.at.ndim > 0),
  };
}

/** One component of the index vectors, in the shape of the batch axes. */
function componentOf(
  e: Exclude<AxisIndex, { kind: 'new' }>,
  x: Shape,
  {
    batch,
    batchShape,
    arrayPlaces,
  }: {
    readonly batch: readonly ResultAxis[];
    readonly batchShape: Shape;
    readonly arrayPlaces: readonly number[];
  },
): Value {
  if (e.kind === 'array') {
    const at = leadingOnes(wrapped(e.at, x[e.axis]), arrayPlaces.length);
    return lax.broadcastInDim(at, batchShape, arrayPlaces.slice(arrayPlaces.length - at.ndim));
  }
  if (e.kind === 'integer') return lax.full(batchShape, e.at, 'i32');
  if (e.step === 1) return lax.full(batchShape, e.start, 'i32');
  const place = batch.findIndex((a) => a.kind === 'slice' && a.from === e);
  return lax.add(lax.mul(lax.broadcastedIota('i32', batchShape, place), e.step), e.start);
}

/** Read through a gather. @throws ShapeError when elements of an axis without elements are wanted. */
function readGather(op: string, x: Value, index: readonly AxisIndex[], options: GetOptions): Value {
  const axes = resultAxes(op, index);
  const plan = planOf(x, index, axes);
  const empty = plan.droppedAxes.find((axis) => x.shape[axis] === 0);
  if (empty !== undefined && !plan.shape.includes(0))
    throw new ShapeError(
      `${op}: an axis without elements has none to read; got ${x.aval.toString()} (axis ${empty}). Check the size first.`,
    );
  const dims = {
    offsetDims: plan.windows,
    collapsedSliceDims: plan.droppedAxes,
    startIndexMap: plan.startAxes,
  };
  return lax.gather(x, plan.indices, dims, plan.sliceSizes, {
    mode: options.mode ?? 'promise_in_bounds',
    ...(options.fillValue === undefined ? {} : { fillValue: options.fillValue }),
    uniqueIndices: plan.unique,
  });
}

/** Elements of `x` at an index. */
function read(op: string, x: Value, indices: readonly Index[], options: GetOptions): Value {
  const index = alignIndex(op, x.shape, indices);
  const axes = resultAxes(op, index);
  if (isStatic(index, x.shape)) return insertNew(readStatic(x, index), axes);
  const scalars = index.every((e) => e.kind !== 'array' || e.at.ndim === 0);
  const clamps =
    options.mode === undefined || options.mode === 'promise_in_bounds' || options.mode === 'clip';
  if (scalars && clamps && x.size > 0) return insertNew(readDynamic(x, index), axes);
  return insertNew(readGather(op, x, index, options), axes);
}

/** A place in an array: elements are read with `get`, and new arrays made with `set`, `add` and the others. */
export class IndexRef {
  readonly #x: Value;
  readonly #indices: readonly Index[];

  constructor(x: Value, indices: readonly Index[]) {
    this.#x = x;
    this.#indices = indices;
  }

  /** The elements. Out of bounds, indices clamp unless the mode says otherwise. @throws ShapeError when the index does not fit. */
  get(options: GetOptions = {}): Value {
    checkOptions('at.get', options, ['mode', 'fillValue']);
    return read('at.get', this.#x, this.#indices, options);
  }

  /** The array with these elements replaced. Out of bounds, writes are dropped. @throws ShapeError when values do not broadcast. */
  set(values: ArrayLike, options: SetOptions = {}): Value {
    return this.#write('at.set', values, options, lax.scatter, (_, news) => news);
  }

  /** The array with values added. @throws ShapeError when values do not broadcast to the place. */
  add(values: ArrayLike, options: SetOptions = {}): Value {
    return this.#write('at.add', values, options, lax.scatterAdd, lax.add);
  }

  /** The array with values subtracted. @throws ShapeError when values do not broadcast to the place. */
  subtract(values: ArrayLike, options: SetOptions = {}): Value {
    return this.add(lax.neg(this.#cast('at.subtract', values)), options);
  }

  /** The array with values multiplied in. @throws ShapeError when values do not broadcast to the place. */
  multiply(values: ArrayLike, options: SetOptions = {}): Value {
    return this.#write('at.multiply', values, options, lax.scatterMul, lax.mul);
  }

  /** The array with elements divided; integers become floats. @throws ShapeError when values do not broadcast to the place. */
  divide(values: ArrayLike, options: SetOptions = {}): Value {
    const ones = lax.onesLike(this.#x);
    const factors = new IndexRef(ones, this.#indices).multiply(values, options);
    return divide(this.#x, factors);
  }

  /** The array with elements raised to a power; an index named twice counts once. @throws ShapeError when values do not broadcast. */
  power(values: ArrayLike, options: SetOptions = {}): Value {
    return this.set(power(this.get(), this.#cast('at.power', values)), options);
  }

  /** The array with the lesser of elements and values. @throws ShapeError when values do not broadcast to the place. */
  min(values: ArrayLike, options: SetOptions = {}): Value {
    return this.#write('at.min', values, options, lax.scatterMin, lax.min);
  }

  /** The array with the greater of elements and values. @throws ShapeError when values do not broadcast to the place. */
  max(values: ArrayLike, options: SetOptions = {}): Value {
    return this.#write('at.max', values, options, lax.scatterMax, lax.max);
  }

  /** The array with a function applied to the elements; an index named twice counts once. */
  apply(f: (x: Value) => Value, options: SetOptions = {}): Value {
    return this.set(f(this.get()), options);
  }

  #cast(op: string, values: ArrayLike): Value {
    return asArrayOf(op, values, this.#x.dtype, { argument: 'values' });
  }

  #write(
    op: string,
    values: ArrayLike,
    options: SetOptions,
    scatter: ScatterOp,
    combine: (old: Value, news: Value) => Value,
  ): Value {
    checkOptions(op, options, ['mode', 'uniqueIndices', 'indicesAreSorted']);
    const x = this.#x;
    const index = alignIndex(op, x.shape, this.#indices);
    const axes = resultAxes(op, index);
    const news = spreadTo(op, this.#cast(op, values), axes.map(sizeOfAxis));
    const newAxes = axes.flatMap((a, i) => (a.kind === 'new' ? [i] : []));
    const updates = newAxes.length === 0 ? news : lax.squeeze(news, newAxes);
    if (updates.size === 0) return x;
    if (isStatic(index, x.shape) && index.every((e) => e.kind !== 'slice' || e.step === 1))
      return writeStatic(x, index, updates, combine);
    const plan = planOf(x, index, axes);
    const dims = {
      updateWindowDims: plan.windows,
      insertedWindowDims: plan.droppedAxes,
      scatterDimsToOperandDims: plan.startAxes,
    };
    return scatter(x, plan.indices, updates, dims, {
      mode: options.mode ?? 'fill',
      uniqueIndices: options.uniqueIndices ?? plan.unique,
      indicesAreSorted: options.indicesAreSorted ?? false,
    });
  }
}

/** Write at a box inside the array: an update slice, which every backend does fast. */
function writeStatic(
  x: Value,
  index: readonly AxisIndex[],
  updates: Value,
  combine: (old: Value, news: Value) => Value,
): Value {
  const entries = index.filter((e) => e.kind !== 'new');
  const drops = entries.flatMap((e, i) => (e.kind === 'integer' ? [i] : []));
  const news = drops.length === 0 ? updates : lax.expandDims(updates, drops);
  const starts = entries.map((e) =>
    e.kind === 'integer' ? e.at : e.kind === 'slice' ? e.start : 0,
  );
  const box = entries.map((e): AxisIndex =>
    e.kind === 'integer' ? ({ ...whole(e.axis, 1), start: e.at } as AxisIndex) : e,
  );
  const result = combine(readStatic(x, box), news);
  const isAll = news.shape.every((n, i) => n === x.shape[i]);
  return isAll
    ? lax.convertElementType(result, x.dtype)
    : lax.dynamicUpdateSlice(x, result, starts.map(index32));
}

/**
 * A place in an array.
 *
 * @throws ShapeError for too many entries; ArgumentError and DTypeError for what is no index.
 * @example
 * String(np.at(np.zeros(3), 1).set(5)); // → [0. 5. 0.]
 */
export const at = (x: ArrayLike, ...indices: readonly Index[]): IndexRef =>
  new IndexRef(asArray('at', x), indices);

/**
 * Elements at an index: integers drop an axis, `[start, stop, step]` slices it, null keeps it, arrays gather.
 *
 * @throws ShapeError for too many entries; ArgumentError and DTypeError for what is no index.
 * @example
 * String(np.slice(np.arange(6), [1, null, 2])); // → [1 3 5]
 */
export const slice = (x: ArrayLike, ...indices: readonly Index[]): Value =>
  read('slice', asArray('slice', x), indices, {});

/** Options of `take` and `takeAlongAxis`. */
export interface TakeOptions {
  /** The axis; the raveled array when left out. */
  readonly axis?: number | null;
  /**
   * Out of bounds: `'fill'` (when left out), `'clip'`, `'wrap'`. Negative positions count from the end, but for `take` in mode `'clip'`,
   * where they are clipped to 0.
   */
  readonly mode?: 'fill' | 'clip' | 'wrap' | 'promise_in_bounds';
  readonly fillValue?: number;
}

function integers(op: string, indices: ArrayLike): Value {
  const value = asArray(op, indices, 'indices');
  if (typeof indices === 'number') return index32(asInteger(op, indices, 'an index'));
  if (!isInteger(value.dtype))
    throw new DTypeError(
      `${op}: indices must be integers; got ${value.aval.toString()}. Convert with x.astype('i32').`,
    );
  return value;
}

/** Indices in a dtype that can hold sizes of axes. */
const wideIndex = (at: Value): Value =>
  dtypeInfo[at.dtype].bits < 32 ? lax.convertElementType(at, 'i32') : at;

/** Indices modulo the length of an axis, which may be empty. */
function wrappedAround(at: Value, length: number): Value {
  const [wide, period] = [wideIndex(at), Math.max(1, length)];
  return lax.rem(lax.add(lax.rem(wide, period), period), period);
}

/**
 * Elements at positions along an axis.
 *
 * `x: t[…, n, …], indices: int[s] → t[…, s, …]`
 *
 * @throws ShapeError when the axis is out of range or empty; DTypeError when indices are no integers.
 * @example
 * String(np.take(np.arange(4), np.array([3, 0], 'i32'))); // → [3 0]
 */
export function take(
  x: ArrayLike,
  indices: ArrayLike,
  options: number | null | TakeOptions = {},
): Value {
  const {
    axis = null,
    mode = 'fill',
    fillValue,
  } = typeof options === 'number' || options === null
    ? { axis: options }
    : knownOptions('take', options, ['axis', 'mode', 'fillValue']);
  const given = asArray('take', x);
  const value = axis === null ? ravel(given) : given;
  const place = oneAxis('take', axis ?? 0, value);
  const length = value.shape[place];
  // A number inside the array is a slice.
  if (
    typeof indices === 'number' &&
    Number.isInteger(indices) &&
    Math.abs(indices + 0.5) < length &&
    (mode !== 'clip' || indices >= 0)
  )
    return lax.indexInDim(value, indices, place);
  const at = integers('take', indices);
  const chosen =
    mode === 'wrap'
      ? wrappedAround(at, length)
      : mode === 'clip'
        ? lax.clamp(0, wideIndex(at), Math.max(0, length - 1))
        : at;
  const axes = value.shape.map((_, i): Index => (i === place ? chosen : null));
  const index = alignIndex('take', value.shape, axes);
  return readGather('take', value, index, {
    mode: mode === 'wrap' ? 'promise_in_bounds' : mode,
    ...(fillValue === undefined ? {} : { fillValue }),
  });
}

/**
 * Elements at positions that differ from row to row: `out[i, j] = x[i, indices[i, j]]` for axis 1.
 *
 * @throws ShapeError when the other axes do not broadcast or the axis is out of range; DTypeError when indices are no integers.
 * @example
 * String(np.takeAlongAxis(np.array([[1, 2], [3, 4]]), np.array([[1], [0]], 'i32'), 1)); // → [[2.] [3.]]
 */
export function takeAlongAxis(
  x: ArrayLike,
  indices: ArrayLike,
  axis: number | null,
  options: Omit<TakeOptions, 'axis'> = {},
): Value {
  const given = asArray('takeAlongAxis', x);
  checkOptions('takeAlongAxis', options, ['mode', 'fillValue']);
  if (axis === null) return take(given, ravel(integers('takeAlongAxis', indices)), options);
  const positions = integers('takeAlongAxis', indices);
  const place = oneAxis('takeAlongAxis', axis, given);
  if (positions.ndim !== given.ndim)
    throw new ShapeError(
      `takeAlongAxis: array and indices must have the same number of axes; got ${given.aval.toString()} and ${positions.aval.toString()}. Insert axes with np.expandDims.`,
    );
  const shape = given.shape.map((n, i) =>
    i === place ? positions.shape[i] : n === 1 ? positions.shape[i] : n,
  );
  const full = spreadTo('takeAlongAxis', positions, shape);
  const { mode = 'fill', fillValue } = options;
  const chosen = mode === 'wrap' ? wrappedAround(full, given.shape[place]) : full;
  const index = shape.map((_, i): Index => {
    if (i === place) return chosen;
    return given.shape[i] === 1 ? lax.zeros(shape, 'i32') : lax.broadcastedIota('i32', shape, i);
  });
  const aligned = alignIndex('takeAlongAxis', given.shape, index);
  return readGather('takeAlongAxis', given, aligned, {
    mode: mode === 'wrap' ? 'promise_in_bounds' : mode,
    ...(fillValue === undefined ? {} : { fillValue }),
  });
}

/** How a vector of bounds is searched. */
export interface SearchOptions {
  /** `'left'` gives the first place that keeps the order, `'right'` the last. */
  readonly side?: 'left' | 'right';
}

/**
 * Places where elements would be inserted into a sorted vector; NaN comes last.
 *
 * `sorted: t[n], x: t[s] → i32[s]`
 *
 * @throws ShapeError when the first argument is no vector.
 * @example
 * String(np.searchsorted(np.arange(4), 2)); // → 2
 */
export function searchsorted(sorted: ArrayLike, x: ArrayLike, options: SearchOptions = {}): Value {
  const { side = 'left' } = knownOptions('searchsorted', options, ['side']);
  const [bounds, values] = promoteDTypes('searchsorted', asArray('searchsorted', sorted), x);
  if (bounds.ndim !== 1)
    throw new ShapeError(
      `searchsorted: the sorted array must be a vector; got ${bounds.aval.toString()}. Use vmap over rows.`,
    );
  const wide = lax.expandDims(values, [values.ndim]);
  const row = lax.reshape(bounds, [...values.shape.map(() => 1), bounds.size]);
  // NaN comes last, as in `sort`.
  const before =
    side === 'left'
      ? lax.or(lax.gt(wide, row), lax.and(lax.ne(wide, wide), lax.eq(row, row)))
      : lax.or(lax.ge(wide, row), lax.ne(wide, wide));
  return lax.reduceSum(lax.convertElementType(before, 'i32'), [values.ndim]);
}
