/** Comparisons, extrema of two arrays, and choosing between arrays. */
import { NDArray, scalarFor, type ArrayLike } from '../core/array.ts';
import { isFloat, type DType } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { checkList, checkOptions, knownOptions } from '../core/options.ts';
import { showShape } from '../core/shape.ts';
import { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import {
  asArray,
  asBool,
  broadcastShapes,
  promote,
  promoteDTypes,
  promoteInexact,
  promoteInexactShapes,
  spreadTo,
} from './promote.ts';
import { all } from './reductions.ts';
import { isnan, isneginf, isposinf, type Binary } from './ufuncs.ts';

const pair =
  (op: string, f: (x: Value, y: Value) => Value): Binary =>
  (x, y) => {
    const [a, b] = promote(op, x, y);
    return f(a, b);
  };

/**
 * Where x equals y.
 *
 * @throws ShapeError when the shapes do not broadcast; DTypeError when there is no common dtype. As all comparisons.
 * @example
 * String(np.equal(np.arange(3), 1)); // → [False True False]
 */
export const equal: Binary = pair('equal', lax.eq);
/** Where x differs from y. @throws as `equal`. */
export const notEqual: Binary = pair('notEqual', lax.ne);
/** Where x < y. @throws as `equal`. */
export const less: Binary = pair('less', lax.lt);
/** Where x ≤ y. @throws as `equal`. */
export const lessEqual: Binary = pair('lessEqual', lax.le);
/** Where x > y. @throws as `equal`. */
export const greater: Binary = pair('greater', lax.gt);
/** Where x ≥ y. @throws as `equal`. */
export const greaterEqual: Binary = pair('greaterEqual', lax.ge);

/**
 * The greater of x and y; NaN wins.
 *
 * @throws ShapeError when the shapes do not broadcast.
 * @example
 * String(np.maximum(np.arange(3), 1)); // → [1 1 2]
 */
export const maximum: Binary = pair('maximum', lax.max);
/** The lesser of x and y; NaN wins. @throws ShapeError when the shapes do not broadcast. */
export const minimum: Binary = pair('minimum', lax.min);
/** The greater of x and y; NaN loses. Where both are equal the derivative is that of y, as in JAX. @throws ShapeError when the shapes do not broadcast. */
export const fmax: Binary = (x, y) => withoutNaN('fmax', x, y, lax.gt);
/** The lesser of x and y; NaN loses. Where both are equal the derivative is that of y, as in JAX. @throws ShapeError when the shapes do not broadcast. */
export const fmin: Binary = (x, y) => withoutNaN('fmin', x, y, lax.lt);

/** x where it wins against y or y is NaN, else y. */
function withoutNaN(
  op: string,
  x: ArrayLike,
  y: ArrayLike,
  wins: (x: Value, y: Value) => Value,
): Value {
  const [a, b] = together(op, promoteDTypes(op, x, y));
  return lax.select(lax.or(wins(a, b), lax.ne(b, b)), a, b);
}

/** Values repeated into the shape that they have together. */
function together(op: string, xs: readonly Value[]): Value[] {
  const shape = broadcastShapes(
    op,
    xs.map((x) => x.shape),
  );
  return xs.map((x) => spreadTo(op, x, shape));
}

/**
 * Elements of x where the condition is true (not zero), of y elsewhere.
 *
 * `condition: bool[s], x: t[s], y: t[s] → t[s]`, all broadcast
 *
 * @throws ShapeError when the shapes do not broadcast; DTypeError when there is no common dtype.
 * @example
 * String(np.where(np.greater(np.arange(3), 0), 1, -1)); // → [-1. 1. 1.]
 */
export function where(condition: ArrayLike, x: ArrayLike, y: ArrayLike): Value {
  const pred = asBool('where', condition);
  const [a, b] = promoteDTypes('where', x, y);
  const shape = broadcastShapes('where', [pred.shape, a.shape, b.shape]);
  const [onTrue, onFalse] = [spreadTo('where', a, shape), spreadTo('where', b, shape)];
  return lax.select(pred.ndim === 0 ? pred : spreadTo('where', pred, shape), onTrue, onFalse);
}

/**
 * The first choice whose condition is true, elsewhere the default.
 *
 * @throws ArgumentError when there are not equally many conditions and choices; ShapeError when shapes do not broadcast.
 */
export function select(
  conditions: readonly ArrayLike[],
  choices: readonly ArrayLike[],
  defaultValue: ArrayLike = 0,
): Value {
  checkList('select', 'conditions', conditions);
  checkList('select', 'choices', choices);
  if (conditions.length !== choices.length || choices.length === 0)
    throw new ArgumentError(
      `select: there must be one choice per condition; got ${conditions.length} conditions and ${choices.length} choices. Pair them up.`,
    );
  return choices.reduceRight<Value>(
    (rest, choice, i) => where(conditions[i], choice, rest),
    asArray('select', defaultValue),
  );
}

/** Options of `clip`. */
export interface ClipOptions {
  readonly min?: ArrayLike | null;
  readonly max?: ArrayLike | null;
}

/**
 * Keep elements between bounds; a bound that is null or left out does not apply.
 *
 * @throws ShapeError when the shapes do not broadcast.
 * @example
 * String(np.clip(np.arange(5), 1, 3)); // → [1 1 2 3 3]
 */
export function clip(
  x: ArrayLike,
  min?: ArrayLike | null | ClipOptions,
  max?: ArrayLike | null,
): Value {
  const bounds: ClipOptions = isBounds(min) ? min : { min: min ?? null, max: max ?? null };
  checkOptions('clip', bounds, ['min', 'max']);
  let out = asArray('clip', x);
  if (bounds.min !== null && bounds.min !== undefined) out = maximum(bounds.min, out);
  if (bounds.max !== null && bounds.max !== undefined) out = minimum(bounds.max, out);
  return out;
}

const isBounds = (x: ArrayLike | null | undefined | ClipOptions): x is ClipOptions =>
  typeof x === 'object' && x !== null && !(x instanceof Value) && !ArrayBuffer.isView(x);

/** Options of `isclose` and `allclose`. */
export interface CloseOptions {
  readonly rtol?: number;
  readonly atol?: number;
  /** Whether NaN counts as close to NaN. */
  readonly equalNan?: boolean;
}

/**
 * Where |x - y| ≤ atol + rtol |y|; infinities are close to themselves.
 *
 * @throws ShapeError when the shapes do not broadcast.
 */
export function isclose(x: ArrayLike, y: ArrayLike, options: CloseOptions = {}): Value {
  const {
    rtol = 1e-5,
    atol = 1e-8,
    equalNan = false,
  } = knownOptions('isclose', options, ['rtol', 'atol', 'equalNan']);
  const [a, b] = together('isclose', promoteInexact('isclose', x, y));
  const limit = lax.add(constant(atol, b), lax.mul(constant(rtol, b), lax.abs(b)));
  const near = lax.and(lax.le(lax.abs(lax.sub(a, b)), limit), lax.isFinite(b));
  const close = lax.or(near, lax.eq(a, b));
  return equalNan ? lax.or(close, lax.and(lax.ne(a, a), lax.ne(b, b))) : close;
}

const constant = (value: number, x: Value): Value =>
  NDArray.fromScalar(scalarFor(value, x.dtype), x.dtype, true);

/** Whether all elements are close. @throws as `isclose`. */
export const allclose = (x: ArrayLike, y: ArrayLike, options: CloseOptions = {}): Value =>
  all(isclose(x, y, options));

/** Whether shapes and all elements are equal. */
export function arrayEqual(x: ArrayLike, y: ArrayLike): Value {
  const [a, b] = [asArray('arrayEqual', x), asArray('arrayEqual', y)];
  return showShape(a.shape) === showShape(b.shape) ? all(equal(a, b)) : lax.full([], false, 'bool');
}

/** Options of `nanToNum`. */
export interface NanToNumOptions {
  /** What NaN becomes; 0 when left out. */
  readonly nan?: number;
  /** What +∞ becomes; the greatest finite number when left out. */
  readonly posinf?: number;
  /** What -∞ becomes; the least finite number when left out. */
  readonly neginf?: number;
}

const largest: Partial<Record<DType, number>> = {
  f16: 65504,
  bf16: 3.3895313892515355e38,
  f32: 3.4028234663852886e38,
  f64: Number.MAX_VALUE,
};

/** Replace NaN and infinities by numbers. */
export function nanToNum(x: ArrayLike, options: NanToNumOptions = {}): Value {
  const {
    nan = 0,
    posinf,
    neginf,
  } = knownOptions('nanToNum', options, ['nan', 'posinf', 'neginf']);
  const value = asArray('nanToNum', x);
  if (!isFloat(value.dtype)) return value;
  const limit = largest[value.dtype] ?? Number.MAX_VALUE;
  const noNan = where(isnan(value), nan, value);
  const noHigh = where(isposinf(noNan), posinf ?? limit, noNan);
  return where(isneginf(noHigh), neginf ?? -limit, noHigh);
}

/** The step function: 0 below 0, `y` at 0, 1 above. @throws ShapeError when the shapes do not broadcast. */
export function heaviside(x: ArrayLike, y: ArrayLike): Value {
  const [a, b] = promoteInexactShapes('heaviside', x, y);
  return where(
    isnan(a),
    a,
    where(lax.lt(a, constant(0, a)), 0, where(lax.gt(a, constant(0, a)), 1, b)),
  );
}
