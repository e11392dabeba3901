/** Reductions over axes, positions of extrema, and running sums. Axes may be negative; without an axis everything is reduced. */
import { NDArray, scalarFor, type ArrayLike } from '../core/array.ts';
import { dtypeInfo, isInexact, isInteger, type DType } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { knownOptions } from '../core/options.ts';
import { toInexact } from '../core/promotion.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import {
  asArray,
  asBool,
  asInteger,
  axisOptions,
  broadcastShapes,
  convertTo,
  dtypeOf,
  isHalf,
  oneAxis,
  promoteDTypes,
  reducedAxes,
  spreadTo,
  sumDType,
  type Axis,
  type DTypeLike,
} from './promote.ts';
import { ravel } from './shape.ts';

/** Options of reductions; instead of the options the bare axis may be given. */
export interface ReduceOptions {
  /** One axis, several, or all (null or left out). */
  readonly axis?: Axis;
  /** Keep reduced axes with size 1. */
  readonly keepdims?: boolean;
  /** Elements where this is false do not take part. */
  readonly where?: ArrayLike;
}

/** Options of sums and products. */
export interface SumOptions extends ReduceOptions {
  /** Element type of the result. */
  readonly dtype?: DTypeLike;
  /** The value that the reduction starts from. */
  readonly initial?: ArrayLike;
}

/** Options of extrema. */
export interface ExtremumOptions extends ReduceOptions {
  /** A value that takes part; needed for empty reductions and with `where`. */
  readonly initial?: ArrayLike;
}

/** Options of the functions that give a position. */
export interface PositionOptions {
  /** The axis; the raveled array when left out. */
  readonly axis?: number | null;
  readonly keepdims?: boolean;
}

const reduceOptions = ['axis', 'keepdims', 'where'] as const;
const extremumOptions = [...reduceOptions, 'initial'] as const;
const sumOptions = [...extremumOptions, 'dtype'] as const;
const meanOptions = [...reduceOptions, 'dtype'] as const;

/** Put the reduced axes back with size 1. */
const keep = (out: Value, axes: readonly number[], keepdims: boolean | undefined): Value =>
  keepdims === true && axes.length > 0 ? lax.expandDims(out, axes) : out;

const constant = (value: number, x: Value): Value =>
  NDArray.fromScalar(scalarFor(value, x.dtype), x.dtype, x.dtype !== 'bool');

function masked(op: string, x: Value, mask: ArrayLike | undefined, neutral: number): Value {
  if (mask === undefined) return x;
  const pred = asBool(op, mask);
  const shape = broadcastShapes(op, [x.shape, pred.shape]);
  const value = spreadTo(op, x, shape);
  return lax.select(spreadTo(op, pred, shape), value, lax.fullLike(value, neutral));
}

/** Sums and products: small integers are widened, 16-bit floats are accumulated in f32. */
function accumulate(
  op: string,
  x: ArrayLike,
  options: Axis | SumOptions | undefined,
  neutral: 0 | 1,
): Value {
  const { axis, keepdims, dtype, initial, where } = axisOptions<SumOptions>(
    op,
    options,
    sumOptions,
  );
  const value = asArray(op, x);
  const type = dtype === undefined ? sumDType(value.dtype) : dtypeOf(dtype);
  const inside: DType = isHalf(type) ? 'f32' : type;
  const wide = masked(op, lax.convertElementType(value, inside), where, neutral);
  const axes = reducedAxes(op, axis, wide);
  const [reduce, combine] = neutral === 0 ? [lax.reduceSum, lax.add] : [lax.reduceProd, lax.mul];
  let out = keep(reduce(wide, axes), axes, keepdims);
  if (initial !== undefined)
    out = combine(out, convertTo(asArray(op, initial), { dtype: inside, weakType: false }));
  return lax.convertElementType(out, type);
}

/**
 * The sum over axes. Bools and small integers are summed in 32 bits.
 *
 * `x: t[…] → t[… without the axes]`
 *
 * @throws ShapeError when an axis is out of range or named twice.
 * @example
 * String(np.sum(np.ones([2, 3]), { axis: 0 })); // → [2. 2. 2.]
 */
export const sum = (x: ArrayLike, options?: Axis | SumOptions): Value =>
  accumulate('sum', x, options, 0);

/** The product over axes. @throws ShapeError when an axis is out of range or named twice. */
export const prod = (x: ArrayLike, options?: Axis | SumOptions): Value =>
  accumulate('prod', x, options, 1);

/** How many elements every result of a reduction is made of, or with a mask the counts. */
function countOf(
  op: string,
  x: Value,
  axes: readonly number[],
  where: ArrayLike | undefined,
  keepdims: boolean,
): number | Value {
  if (where === undefined) return axes.reduce((n, a) => n * x.shape[a], 1);
  const mask = spreadTo(op, asBool(op, where), x.shape);
  return sum(mask, { axis: axes, keepdims });
}

/** Options of `mean`. */
export interface MeanOptions extends ReduceOptions {
  readonly dtype?: DTypeLike;
}

/**
 * The arithmetic mean over axes, a float.
 *
 * @throws ShapeError when an axis is out of range or named twice.
 * @example
 * String(np.mean(np.arange(4))); // → 1.5
 */
export function mean(x: ArrayLike, options?: Axis | MeanOptions): Value {
  const {
    axis,
    keepdims = false,
    dtype,
    where,
  } = axisOptions<MeanOptions>('mean', options, meanOptions);
  const value = asArray('mean', x);
  const type = dtype === undefined ? toInexact(value.dtype) : dtypeOf(dtype);
  const inside: DType = isHalf(type) ? 'f32' : type;
  const axes = reducedAxes('mean', axis, value);
  const total = sum(lax.convertElementType(value, inside), {
    axis: axes,
    keepdims,
    ...(where === undefined ? {} : { where }),
  });
  const count = countOf('mean', value, axes, where, keepdims);
  const divisor =
    typeof count === 'number' ? constant(count, total) : lax.convertElementType(count, inside);
  return lax.convertElementType(lax.div(total, divisor), type);
}

/** Options of `average`. */
export interface AverageOptions {
  readonly axis?: Axis;
  readonly weights?: ArrayLike;
  readonly keepdims?: boolean;
}

/** The weighted mean over axes. @throws ShapeError when the weights do not have the shape of the array or of the axis. */
export function average(x: ArrayLike, options?: Axis | AverageOptions): Value {
  const {
    axis = null,
    weights,
    keepdims = false,
  } = axisOptions<AverageOptions>('average', options, ['axis', 'weights', 'keepdims']);
  if (weights === undefined) return mean(x, { axis, keepdims });
  const [value, given] = promoteDTypes('average', x, weights);
  const along =
    typeof axis === 'number' && given.ndim === 1 && value.ndim > 1
      ? oneAxis('average', axis, value)
      : undefined;
  const full =
    along === undefined
      ? given
      : lax.reshape(
          given,
          value.shape.map((n, i) => (i === along ? n : 1)),
        );
  const w = spreadTo('average', full, value.shape);
  const inexact = toInexact(value.dtype);
  const [v, k] = [lax.convertElementType(value, inexact), lax.convertElementType(w, inexact)];
  return lax.div(sum(lax.mul(v, k), { axis, keepdims }), sum(k, { axis, keepdims }));
}

/** Options of `variance` and `std`. */
export interface VarianceOptions extends MeanOptions {
  /** Subtracted from the number of elements in the divisor. */
  readonly ddof?: number;
}

function variance(op: string, x: ArrayLike, options: Axis | VarianceOptions | undefined): Value {
  const {
    axis,
    keepdims = false,
    dtype,
    ddof = 0,
    where,
  } = axisOptions<VarianceOptions>(op, options, [...meanOptions, 'ddof']);
  const value = asArray(op, x);
  const type = dtype === undefined ? toInexact(value.dtype) : dtypeOf(dtype);
  const inside: DType = isHalf(type) ? 'f32' : type;
  const wide = lax.convertElementType(value, inside);
  const axes = reducedAxes(op, axis, value);
  const mask = where === undefined ? {} : { where };
  const centered = lax.sub(wide, mean(wide, { axis: axes, keepdims: true, ...mask }));
  const total = sum(lax.square(centered), { axis: axes, keepdims, ...mask });
  const count = countOf(op, value, axes, where, keepdims);
  const divisor =
    typeof count === 'number'
      ? constant(count - ddof, total)
      : lax.sub(lax.convertElementType(count, inside), constant(ddof, total));
  // With no more elements than ddof there is no variance.
  const nothing = lax.fullLike(total, NaN);
  if (typeof count === 'number')
    return lax.convertElementType(count > ddof ? lax.div(total, divisor) : nothing, type);
  const isEnough = lax.gt(divisor, constant(0, divisor));
  return lax.convertElementType(lax.select(isEnough, lax.div(total, divisor), nothing), type);
}

/**
 * The variance over axes; NaN where it is that of no more than `ddof` elements.
 *
 * @throws ShapeError when an axis is out of range or named twice.
 * @example
 * String(np.var(np.arange(4))); // → 1.25
 */
const varOverAxes = (x: ArrayLike, options?: Axis | VarianceOptions): Value =>
  variance('var', x, options);
export { varOverAxes as var };

/** The standard deviation over axes. @throws ShapeError when an axis is out of range or named twice. */
export const std = (x: ArrayLike, options?: Axis | VarianceOptions): Value =>
  lax.sqrt(variance('std', x, options));

function extremum(
  op: 'max' | 'min',
  x: ArrayLike,
  options: Axis | ExtremumOptions | undefined,
): Value {
  const { axis, keepdims, initial, where } = axisOptions<ExtremumOptions>(
    op,
    options,
    extremumOptions,
  );
  const value = asArray(op, x);
  const axes = reducedAxes(op, axis, value);
  if (initial === undefined && (where !== undefined || axes.some((a) => value.shape[a] === 0)))
    throw new ArgumentError(
      `${op}: an empty reduction has no extremum; got ${value.aval.toString()}${where === undefined ? '' : ' with where'}. Pass initial.`,
    );
  const start =
    initial === undefined
      ? undefined
      : convertTo(asArray(op, initial), { dtype: value.dtype, weakType: false });
  const chosen =
    start === undefined || where === undefined ? value : chooseOr(op, value, where, start);
  const out = keep((op === 'max' ? lax.reduceMax : lax.reduceMin)(chosen, axes), axes, keepdims);
  return start === undefined ? out : (op === 'max' ? lax.max : lax.min)(out, start);
}

function chooseOr(op: string, x: Value, where: ArrayLike, otherwise: Value): Value {
  return lax.select(spreadTo(op, asBool(op, where), x.shape), x, spreadTo(op, otherwise, x.shape));
}

/**
 * The greatest element over axes; NaN wins.
 *
 * @throws ShapeError when an axis is out of range; ArgumentError for empty reductions without `initial`.
 * @example
 * String(np.max(np.arange(4))); // → 3
 */
export const max = (x: ArrayLike, options?: Axis | ExtremumOptions): Value =>
  extremum('max', x, options);
/** The least element over axes; NaN wins. @throws as `max`. */
export const min = (x: ArrayLike, options?: Axis | ExtremumOptions): Value =>
  extremum('min', x, options);
/** `max` under its other name. @throws as `max`. */
export const amax = (x: ArrayLike, options?: Axis | ExtremumOptions): Value => max(x, options);
/** `min` under its other name. @throws as `max`. */
export const amin = (x: ArrayLike, options?: Axis | ExtremumOptions): Value => min(x, options);
/** The distance between the extrema. @throws as `max`. */
export const ptp = (x: ArrayLike, options?: Axis | ExtremumOptions): Value =>
  lax.sub(max(x, options), min(x, options));

function logical(
  op: 'all' | 'any',
  x: ArrayLike,
  options: Axis | ReduceOptions | undefined,
): Value {
  const { axis, keepdims, where } = axisOptions<ReduceOptions>(op, options, reduceOptions);
  const value = masked(op, asBool(op, x), where, op === 'all' ? 1 : 0);
  const axes = reducedAxes(op, axis, value);
  return keep((op === 'all' ? lax.reduceAnd : lax.reduceOr)(value, axes), axes, keepdims);
}

/** Whether all elements over axes are true (not zero). @throws ShapeError when an axis is out of range. */
export const all = (x: ArrayLike, options?: Axis | ReduceOptions): Value =>
  logical('all', x, options);
/** Whether one element over axes is true (not zero). @throws ShapeError when an axis is out of range. */
export const any = (x: ArrayLike, options?: Axis | ReduceOptions): Value =>
  logical('any', x, options);

/** How many elements are true (not zero). @throws ShapeError when an axis is out of range. */
export const countNonzero = (x: ArrayLike, options?: Axis | ReduceOptions): Value =>
  sum(asBool('countNonzero', x), options);

function position(
  op: 'argmax' | 'argmin',
  x: ArrayLike,
  options: number | null | PositionOptions | undefined,
): Value {
  const { axis = null, keepdims = false } = axisOptions<PositionOptions>(op, options, [
    'axis',
    'keepdims',
  ]);
  const given = asArray(op, x);
  const value = axis === null ? ravel(given) : given;
  const at = oneAxis(op, axis ?? 0, value);
  if (value.shape[at] === 0)
    throw new ShapeError(
      `${op}: an empty axis has no extremum; got ${given.aval.toString()} (axis ${at}). Check the size first.`,
    );
  const out = (op === 'argmax' ? lax.argmax : lax.argmin)(value, at);
  if (!keepdims) return out;
  return axis === null
    ? lax.reshape(
        out,
        given.shape.map(() => 1),
      )
    : lax.expandDims(out, [at]);
}

/**
 * The position of the first greatest element; NaN wins.
 *
 * @throws ShapeError when the axis is out of range or empty.
 * @example
 * String(np.argmax(np.array([1, 3, 2]))); // → 1
 */
export const argmax = (x: ArrayLike, options?: number | null | PositionOptions): Value =>
  position('argmax', x, options);
/** The position of the first least element; NaN wins. @throws as `argmax`. */
export const argmin = (x: ArrayLike, options?: number | null | PositionOptions): Value =>
  position('argmin', x, options);

/** Options of running sums and products. */
export interface CumulativeOptions {
  /** The axis; the raveled array when left out. */
  readonly axis?: number | null;
  readonly dtype?: DTypeLike;
}

function cumulative(
  op: 'cumsum' | 'cumprod',
  x: ArrayLike,
  options: number | null | CumulativeOptions | undefined,
): Value {
  const { axis = null, dtype } = axisOptions<CumulativeOptions>(op, options, ['axis', 'dtype']);
  const given = asArray(op, x);
  const value = axis === null ? ravel(given) : given;
  // Running sums of small integers wrap around, as in JAX.
  const own = value.dtype === 'bool' ? sumDType(value.dtype) : value.dtype;
  const type = dtype === undefined ? own : dtypeOf(dtype);
  return (op === 'cumsum' ? lax.cumsum : lax.cumprod)(
    lax.convertElementType(value, type),
    oneAxis(op, axis ?? 0, value),
  );
}

/**
 * The running sum along an axis. Bools are counted; small integers keep their dtype, unlike in `sum`.
 *
 * @throws ShapeError when the axis is out of range.
 * @example
 * String(np.cumsum(np.arange(4))); // → [0 1 3 6]
 */
export const cumsum = (x: ArrayLike, options?: number | null | CumulativeOptions): Value =>
  cumulative('cumsum', x, options);
/** The running product along an axis. @throws ShapeError when the axis is out of range. */
export const cumprod = (x: ArrayLike, options?: number | null | CumulativeOptions): Value =>
  cumulative('cumprod', x, options);

/** Options of `cumulativeSum` and `cumulativeProd`. */
export interface RunningOptions {
  /** The axis; needed when the array has several. */
  readonly axis?: number;
  readonly dtype?: DTypeLike;
  /** Put the neutral element before the others. */
  readonly includeInitial?: boolean;
}

function runningFrom(
  op: 'cumulativeSum' | 'cumulativeProd',
  x: ArrayLike,
  { axis, includeInitial = false, ...rest }: RunningOptions,
): Value {
  const value = asArray(op, x);
  if (axis === undefined && value.ndim !== 1)
    throw new ArgumentError(
      `${op}: the axis may be left out for vectors only; got ${value.aval.toString()}. Pass { axis }.`,
    );
  const at = oneAxis(op, axis ?? 0, value);
  const isSum = op === 'cumulativeSum';
  const out = cumulative(isSum ? 'cumsum' : 'cumprod', value, {
    axis: at,
    dtype: sumDType(value.dtype),
    ...rest,
  });
  if (!includeInitial) return out;
  const first = lax.fullLike(out, isSum ? 0 : 1, undefined, out.shape.with(at, 1));
  return lax.concatenate([first, out], at);
}

/**
 * The running sum along an axis, as the array API defines it: small integers are summed in 32 bits.
 *
 * @throws ArgumentError when the axis is left out for an array that is no vector; ShapeError when it is out of range.
 * @example
 * String(np.cumulativeSum(np.array([1, 2, 3]), { includeInitial: true })); // → [0. 1. 3. 6.]
 */
export const cumulativeSum = (x: ArrayLike, options: RunningOptions = {}): Value =>
  runningFrom('cumulativeSum', x, options);
/** The running product along an axis, as the array API defines it. @throws as `cumulativeSum`. */
export const cumulativeProd = (x: ArrayLike, options: RunningOptions = {}): Value =>
  runningFrom('cumulativeProd', x, options);

/** Where elements are not NaN, and the array with NaN replaced. */
function withoutNaN(
  op: string,
  x: ArrayLike,
  neutral: number,
): readonly [value: Value, mask: Value | undefined] {
  const value = asArray(op, x);
  if (!isInexact(value.dtype)) return [value, undefined];
  const mask = lax.eq(value, value);
  return [lax.select(mask, value, lax.fullLike(value, neutral)), mask];
}

/** The sum without NaN. @throws as `sum`. */
export const nansum = (x: ArrayLike, options?: Axis | SumOptions): Value =>
  sum(withoutNaN('nansum', x, 0)[0], options);
/** The product without NaN. @throws as `prod`. */
export const nanprod = (x: ArrayLike, options?: Axis | SumOptions): Value =>
  prod(withoutNaN('nanprod', x, 1)[0], options);
/** The running sum with NaN as zero. @throws as `cumsum`. */
export const nancumsum = (x: ArrayLike, options?: number | null | CumulativeOptions): Value =>
  cumsum(withoutNaN('nancumsum', x, 0)[0], options);
/** The running product with NaN as one. @throws as `cumprod`. */
export const nancumprod = (x: ArrayLike, options?: number | null | CumulativeOptions): Value =>
  cumprod(withoutNaN('nancumprod', x, 1)[0], options);
/** The mean without NaN; NaN where nothing is left. @throws as `mean`. */
export function nanmean(x: ArrayLike, options?: Axis | MeanOptions): Value {
  const [value, mask] = withoutNaN('nanmean', x, 0);
  const given = axisOptions<MeanOptions>('nanmean', options, meanOptions);
  if (mask === undefined) return mean(value, given);
  const where =
    given.where === undefined
      ? mask
      : lax.and(mask, spreadTo('nanmean', asBool('nanmean', given.where), mask.shape));
  return mean(value, { ...given, where });
}
/** The greatest element without NaN; NaN where nothing is left and no `initial` is given. @throws as `max`. */
export const nanmax = (x: ArrayLike, options?: Axis | ExtremumOptions): Value =>
  nanExtremum('max', x, options);
/** The least element without NaN; NaN where nothing is left and no `initial` is given. @throws as `max`. */
export const nanmin = (x: ArrayLike, options?: Axis | ExtremumOptions): Value =>
  nanExtremum('min', x, options);

function nanExtremum(
  op: 'max' | 'min',
  x: ArrayLike,
  options: Axis | ExtremumOptions | undefined,
): Value {
  const [value, mask] = withoutNaN(`nan${op}`, x, op === 'max' ? -Infinity : Infinity);
  const out = extremum(op, value, options);
  const {
    axis = null,
    keepdims = false,
    initial,
  } = axisOptions<ExtremumOptions>(op, options, extremumOptions);
  if (mask === undefined || initial !== undefined) return out;
  return lax.select(any(mask, { axis, keepdims }), out, lax.fullLike(out, NaN));
}

/**
 * Counts of the integers 0 … length - 1 in a vector; negative ones count as 0, as in JAX.
 *
 * @throws ArgumentError when the array is no vector of integers.
 * @example
 * String(np.bincount(np.array([1, 1, 2], 'i32'), { length: 4 })); // → [0 2 1 0]
 */
export function bincount(
  x: ArrayLike,
  options: { readonly length: number; readonly weights?: ArrayLike },
): Value {
  const value = asArray('bincount', x);
  const length = asInteger('bincount', options?.length, 'length');
  const { weights } = knownOptions('bincount', options, ['length', 'weights']);
  if (value.ndim !== 1 || !isInteger(value.dtype))
    throw new ArgumentError(
      `bincount: the array must be a vector of integers; got ${value.aval.toString()}. Ravel or convert it.`,
    );
  const wide = dtypeInfo[value.dtype].bits < 32 ? lax.convertElementType(value, 'i32') : value;
  const bins = lax.reshape(lax.iota(wide.dtype, length), [length, 1]);
  const hits = lax.eq(lax.reshape(lax.max(wide, constant(0, wide)), [1, value.size]), bins);
  if (weights === undefined) return sum(hits, { axis: 1 });
  const w = asArray('bincount', weights);
  return sum(lax.mul(lax.convertElementType(hits, w.dtype), lax.reshape(w, [1, value.size])), {
    axis: 1,
  });
}
