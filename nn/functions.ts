/** Functions of whole axes: softmax and its relatives, normalisation, one-hot encoding, attention on plain arrays. */
import { NDArray, scalarFor, type ArrayLike } from '../core/array.ts';
import { canonicalAxis, showShape } from '../core/shape.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { checkOptions, knownOptions } from '../core/options.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { einsum } from '../numpy/einsum.ts';
import {
  asArray,
  asBool,
  asInexact,
  axisOptions,
  dtypeOf,
  isHalf,
  promoteInexact,
  reducedAxes,
  spreadTo,
  type Axis,
  type DTypeLike,
} from '../numpy/promote.ts';
import { mean, sum } from '../numpy/reductions.ts';
import { where as choose } from '../numpy/selection.ts';
import { repeat } from '../numpy/shape.ts';

const constant = (value: number, x: Value): Value =>
  NDArray.fromScalar(scalarFor(value, x.dtype), x.dtype, true);

/** Options of the functions that normalise along axes; instead of the options the bare axis may be given. */
export interface SoftmaxOptions {
  /** The axis, or several; the last when left out. */
  readonly axis?: Axis;
  /** Elements where this is false do not take part; they give 0 (softmax) or -∞ (log). */
  readonly where?: ArrayLike;
}

const lastAxis = (op: string, options: Axis | SoftmaxOptions | undefined): SoftmaxOptions =>
  options === undefined
    ? { axis: -1 }
    : { axis: -1, ...axisOptions<SoftmaxOptions>(op, options, ['axis', 'where']) };

/** The greatest element along axes, kept as axes of size 1, without derivative: subtracting it changes no result. */
function peak(x: Value, axes: readonly number[]): Value {
  return axes.length === 0
    ? lax.stopGradient(x)
    : lax.stopGradient(lax.expandDims(lax.reduceMax(x, axes), axes));
}

/** The elements that take part; the others are -∞. */
function masked(op: string, x: Value, where: ArrayLike | undefined): Value {
  if (where === undefined) return x;
  return lax.select(spreadTo(op, asBool(op, where), x.shape), x, lax.fullLike(x, -Infinity));
}

/**
 * eˣ over its sum along an axis.
 *
 * `x: f32[…, n, …] → f32[…, n, …]`
 *
 * @throws ShapeError when an axis is out of range.
 * @example
 * String(nn.softmax(np.zeros(4))); // → [0.25 0.25 0.25 0.25]
 */
export function softmax(x: ArrayLike, options?: Axis | SoftmaxOptions): Value {
  const { axis, where } = lastAxis('softmax', options);
  const value = masked('softmax', asInexact('softmax', x), where);
  const axes = reducedAxes('softmax', axis, value);
  if (value.size === 0) return value;
  const powers = lax.exp(lax.sub(value, peak(value, axes)));
  const out = lax.div(powers, sum(powers, { axis: axes, keepdims: true }));
  return where === undefined ? out : choose(where, out, 0);
}

/**
 * x minus the logarithm of the sum of eˣ along an axis: log(softmax(x)), without overflow.
 *
 * @throws ShapeError when an axis is out of range.
 * @example
 * String(nn.logSoftmax(np.zeros(1))); // → [0.]
 */
export function logSoftmax(x: ArrayLike, options?: Axis | SoftmaxOptions): Value {
  const { axis, where } = lastAxis('logSoftmax', options);
  const value = masked('logSoftmax', asInexact('logSoftmax', x), where);
  const axes = reducedAxes('logSoftmax', axis, value);
  if (value.size === 0) return value;
  const shifted = lax.sub(value, peak(value, axes));
  const out = lax.sub(shifted, lax.log(sum(lax.exp(shifted), { axis: axes, keepdims: true })));
  return where === undefined ? out : choose(where, out, -Infinity);
}

/** Options of `logsumexp`. */
export interface LogsumexpOptions {
  /** One axis, several, or all (null or left out). */
  readonly axis?: Axis;
  readonly keepdims?: boolean;
  /** Factors of the exponentials. */
  readonly b?: ArrayLike;
  /** Elements where this is false do not take part. */
  readonly where?: ArrayLike;
}

/**
 * The logarithm of the sum of eˣ over axes, without overflow.
 *
 * @throws ShapeError when an axis is out of range.
 * @example
 * String(nn.logsumexp(np.full(2, 1000))); // → 1000.6932
 */
export function logsumexp(x: ArrayLike, options?: Axis | LogsumexpOptions): Value {
  const {
    axis,
    keepdims = false,
    b,
    where,
  } = axisOptions<LogsumexpOptions>('logsumexp', options, ['axis', 'keepdims', 'b', 'where']);
  const [given, factor] =
    b === undefined ? [asInexact('logsumexp', x), undefined] : promoteInexact('logsumexp', x, b);
  // Elements with factor 0 may not decide the shift.
  const counted =
    factor === undefined
      ? given
      : lax.select(
          spreadTo('logsumexp', lax.ne(factor, lax.zerosLike(factor)), given.shape),
          given,
          lax.fullLike(given, -Infinity),
        );
  const value = masked('logsumexp', counted, where);
  const axes = reducedAxes('logsumexp', axis, value);
  const top = axes.some((a) => value.shape[a] === 0) ? undefined : peak(value, axes);
  // Rows whose greatest element is infinite are not shifted: ∞ - ∞ is NaN.
  const shift =
    top === undefined ? undefined : lax.select(lax.isFinite(top), top, lax.zerosLike(top));
  const powers = lax.exp(shift === undefined ? value : lax.sub(value, shift));
  const total = sum(
    factor === undefined ? powers : lax.mul(powers, spreadTo('logsumexp', factor, powers.shape)),
    { axis: axes, keepdims },
  );
  const logs = lax.log(total);
  if (shift === undefined) return logs;
  return lax.add(logs, keepdims || axes.length === 0 ? shift : lax.squeeze(shift, axes));
}

/** Options of `standardize`. */
export interface StandardizeOptions {
  /** The axis, or several; the last when left out. */
  readonly axis?: Axis;
  /** Added to the variance. */
  readonly epsilon?: number;
  /** The mean and the variance, where they are known. */
  readonly mean?: ArrayLike;
  readonly variance?: ArrayLike;
}

/**
 * Subtract the mean and divide by the standard deviation along axes.
 *
 * @throws ShapeError when an axis is out of range.
 * @example
 * String(nn.standardize(np.array([1, 1]))); // → [0. 0.]
 */
export function standardize(x: ArrayLike, options?: Axis | StandardizeOptions): Value {
  const {
    axis = -1,
    epsilon = 1e-5,
    mean: center,
    variance,
  } = options === undefined
    ? {}
    : axisOptions<StandardizeOptions>('standardize', options, [
        'axis',
        'epsilon',
        'mean',
        'variance',
      ]);
  const value = asInexact('standardize', x);
  const axes = reducedAxes('standardize', axis, value);
  const middle =
    center === undefined
      ? mean(value, { axis: axes, keepdims: true })
      : asArray('standardize', center);
  const centered = lax.sub(value, middle);
  const spread =
    variance === undefined
      ? mean(lax.square(centered), { axis: axes, keepdims: true })
      : asArray('standardize', variance);
  return lax.mul(centered, lax.rsqrt(lax.add(spread, constant(epsilon, value))));
}

/** Options of `oneHot`. */
export interface OneHotOptions {
  /** Element type; f32 when left out. */
  readonly dtype?: DTypeLike;
  /** Where the new axis goes; last when left out. */
  readonly axis?: number;
}

/**
 * Ones at the given positions of a new axis, zeros elsewhere; positions out of range give zeros.
 *
 * `x: int[s] → f32[s, numClasses]`
 *
 * @throws ArgumentError when the number of classes is no non-negative integer.
 * @example
 * String(nn.oneHot(np.array([1, 0], 'i32'), 3)); // → [[0. 1. 0.] [1. 0. 0.]]
 */
export function oneHot(x: ArrayLike, numClasses: number, options: OneHotOptions = {}): Value {
  const { dtype = 'f64', axis = -1 } = knownOptions('oneHot', options, ['dtype', 'axis']);
  if (!Number.isInteger(numClasses) || numClasses < 0)
    throw new ArgumentError(
      `oneHot: the number of classes must be a non-negative integer; got ${numClasses}. It is a size: compute it with JavaScript numbers.`,
    );
  const value = asArray('oneHot', x);
  const at = canonicalAxis('oneHot', axis, value.ndim + 1);
  const wide = lax.expandDims(value, [at]);
  const classes = lax.reshape(
    lax.iota(value.dtype === 'bool' ? 'i32' : value.dtype, numClasses),
    wide.shape.map((_, i) => (i === at ? numClasses : 1)),
  );
  return lax.convertElementType(
    lax.eq(value.dtype === 'bool' ? lax.convertElementType(wide, 'i32') : wide, classes),
    dtypeOf(dtype),
  );
}

/** Options of `dotProductAttention`. */
export interface AttentionOptions {
  /** Added to the logits: broadcasts to [batch, heads, queries, keys]. */
  readonly bias?: ArrayLike;
  /** Pairs where this is false do not take part: broadcasts to [batch, heads, queries, keys]. */
  readonly mask?: ArrayLike;
  /** Factor of the logits; 1 / √(size of a head) when left out. */
  readonly scale?: number;
  /** Every query sees only keys that do not come after it. */
  readonly isCausal?: boolean;
}

/**
 * Attention on plain arrays: softmax(q kᵀ scale) v. For long sequences `pallas/ops` has a kernel that keeps no table of logits.
 *
 * `query: [batch, queries, heads, size], key, value: [batch, keys, heads, size] → [batch, queries, heads, size]`; the batch may be
 * missing. A head of keys may serve several neighbouring heads of queries: the number of heads then divides that of the queries.
 *
 * @throws ShapeError when the shapes do not fit.
 * @example
 * const x = np.ones([2, 5, 3, 4]);
 * nn.dotProductAttention(x, x, x).shape; // → [ 2, 5, 3, 4 ]
 */
export function dotProductAttention(
  query: ArrayLike,
  key: ArrayLike,
  value: ArrayLike,
  options: AttentionOptions = {},
): Value {
  checkOptions('dotProductAttention', options, ['bias', 'mask', 'isCausal', 'scale']);
  const given = promoteInexact('dotProductAttention', query, key, value);
  const [q, fewKeys, fewValues] = given.map((x) => (x.ndim === 3 ? lax.expandDims(x, 0) : x));
  checkAttention(q, fewKeys, fewValues);
  const [k, v] = [fewKeys, fewValues].map((x) => repeat(x, q.shape[2] / x.shape[2], 2));
  const inside = isHalf(q.dtype) ? 'f32' : q.dtype;
  const products = einsum('BTNH,BSNH->BNTS', q, k, { preferredElementType: inside });
  const scale = options.scale ?? 1 / Math.sqrt(q.shape[3]);
  const logits = adjust(lax.mul(products, constant(scale, products)), options);
  const weights = lax.convertElementType(softmax(logits), q.dtype);
  const out = einsum('BNTS,BSNH->BTNH', weights, v);
  return given[0].ndim === 3 ? lax.squeeze(out, 0) : out;
}

/** Add the bias and take out the pairs that do not take part. */
function adjust(products: Value, { bias, mask, isCausal = false }: AttentionOptions): Value {
  const op = 'dotProductAttention';
  const { shape, dtype } = products;
  const least = lax.fullLike(products, -0.7 * 3.4028234663852886e38);
  let logits = products;
  if (bias !== undefined)
    logits = lax.add(logits, spreadTo(op, lax.convertElementType(asArray(op, bias), dtype), shape));
  if (mask !== undefined) logits = lax.select(spreadTo(op, asBool(op, mask), shape), logits, least);
  if (!isCausal) return logits;
  const seen = lax.ge(
    lax.broadcastedIota('i32', shape.slice(2), 0),
    lax.broadcastedIota('i32', shape.slice(2), 1),
  );
  return lax.select(lax.broadcastInDim(seen, shape, [2, 3]), logits, least);
}

function checkAttention(q: Value, k: Value, v: Value): void {
  const ok =
    [q, k, v].every((x) => x.ndim === 4) &&
    showShape(k.shape) === showShape(v.shape) &&
    q.shape[0] === k.shape[0] &&
    q.shape[2] % k.shape[2] === 0 &&
    q.shape[3] === k.shape[3];
  if (!ok)
    throw new ShapeError(
      `dotProductAttention: shapes must be [batch, queries, heads, size] and twice [batch, keys, heads, size]; got ${[q, k, v].map((x) => x.aval.toString()).join(', ')}. Transpose the heads behind the sequence.`,
    );
}
