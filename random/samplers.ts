/** Samplers of floats: the uniform distribution, and what is made of it by inverting distribution functions. As JAX has them. */
import { NDArray, scalarFor, type ArrayLike } from '../core/array.ts';
import { dtypeInfo, isFloat, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkOptions, knownOptions } from '../core/options.ts';
import { canonicalAxis, showShape, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import {
  asArray,
  asInexact,
  broadcastShapes,
  dtypeOf,
  promoteInexact,
  shapeOf,
  spreadTo,
  type DTypeLike,
  type ShapeLike,
} from '../numpy/promote.ts';
import { finfo } from '../numpy/scalar-types.ts';

/** Options of samplers; instead of the options the bare dtype may be given. */
export interface SampleOptions {
  /** Element type; f32 when left out (f64 when 64-bit types are on). */
  readonly dtype?: DTypeLike;
}

/** Options of `uniform`. */
export interface UniformOptions extends SampleOptions {
  /** Least value; 0 when left out. */
  readonly minval?: ArrayLike;
  /** Bound above all values; 1 when left out. */
  readonly maxval?: ArrayLike;
}

const isBare = (options: unknown): options is DTypeLike =>
  typeof options === 'string' || typeof options === 'function';

function floatType(
  op: string,
  options: DTypeLike | SampleOptions,
  known: readonly string[] = ['dtype'],
): DType {
  if (!isBare(options)) checkOptions(op, options, known);
  const dtype = dtypeOf(isBare(options) ? options : (options.dtype ?? 'f64'));
  if (!isFloat(dtype))
    throw new DTypeError(
      `${op}: the dtype must be a float; got ${dtypeInfo[dtype].longName}. Use random.randint for integers.`,
    );
  return dtype;
}

const constant = (value: number, dtype: DType): Value =>
  NDArray.fromScalar(scalarFor(value, dtype), dtype, true);

/** Random bits of width `random`, stored mantissa bits, the unsigned type of the dtype and the bits of 1. */
const formats: Partial<
  Record<DType, readonly [random: 8 | 16 | 32 | 64, mantissa: number, word: DType, one: bigint]>
> = {
  f16: [16, 10, 'u16', 0x3c00n],
  bf16: [8, 7, 'u16', 0x3f80n],
  f32: [32, 23, 'u32', 0x3f800000n],
  f64: [64, 52, 'u64', 0x3ff0000000000000n],
};

/** Uniform numbers in [0, 1): the mantissa is random, the exponent that of 1, and 1 is subtracted. */
function unit(op: string, key: Value, shape: Shape, dtype: DType): Value {
  const format = formats[dtype];
  if (format === undefined)
    throw new DTypeError(
      `${op}: the dtype must be a real float; got ${dtypeInfo[dtype].longName}. Use 'f32'.`,
    );
  const [random, mantissa, word, one] = format;
  const shifted = lax.shiftRightLogical(lax.randomBits(key, random, shape), random - mantissa);
  const bits = lax.or(lax.convertElementType(shifted, word), one);
  return lax.sub(lax.bitcastConvertType(bits, dtype), constant(1, dtype));
}

/**
 * Uniform numbers in [minval, maxval).
 *
 * `key: u32[2] → f32[…shape]`
 *
 * @throws ShapeError when the key is not u32[2] or bounds do not broadcast; DTypeError when the dtype is no float.
 * @example
 * String(random.uniform(random.key(0), [2])); // → [0.947667 0.9785799]
 */
export function uniform(
  key: Value,
  shape: ShapeLike = [],
  options: DTypeLike | UniformOptions = {},
): Value {
  const dtype = floatType('uniform', options, ['dtype', 'minval', 'maxval']);
  const { minval = 0, maxval = 1 } = isBare(options) ? {} : options;
  const sizes = shapeOf('uniform', shape);
  const floats = unit('uniform', key, sizes, dtype);
  if (minval === 0 && maxval === 1) return floats;
  const bound = (x: ArrayLike): Value => {
    const value =
      typeof x === 'number'
        ? constant(x, dtype)
        : lax.convertElementType(asArray('uniform', x), dtype);
    return value.ndim === 0 ? value : spreadTo('uniform', value, sizes);
  };
  const [low, high] = [bound(minval), bound(maxval)];
  return lax.max(low, lax.add(lax.mul(floats, lax.sub(high, low)), low));
}

/**
 * Numbers of the standard normal distribution.
 *
 * `key: u32[2] → f32[…shape]`
 *
 * @throws ShapeError when the key is not u32[2]; DTypeError when the dtype is no float.
 * @example
 * random.normal(random.key(0), [2, 3]).shape; // → [ 2, 3 ]
 */
export function normal(
  key: Value,
  shape: ShapeLike = [],
  options: DTypeLike | SampleOptions = {},
): Value {
  const dtype = floatType('normal', options);
  // Above -1, whose inverse error function is infinite.
  const lowest = -(1 - finfo(dtype).eps / 2);
  const u = uniform(key, shape, { dtype, minval: lowest, maxval: 1 });
  return lax.mul(lax.erfInv(u), constant(Math.SQRT2, dtype));
}

/** Bounds that broadcast with each other and give the shape when none is given. */
function shapeWith(
  op: string,
  shape: ShapeLike | null | undefined,
  ...xs: readonly Value[]
): Shape {
  const own = broadcastShapes(
    op,
    xs.map((x) => x.shape),
  );
  if (shape === null || shape === undefined) return own;
  const wanted = shapeOf(op, shape);
  if (showShape(broadcastShapes(op, [own, wanted])) !== showShape(wanted))
    throw new ShapeError(
      `${op}: parameters must broadcast to the shape; got ${showShape(own)} for ${showShape(wanted)}. Give a shape that ends in theirs.`,
    );
  return wanted;
}

/**
 * Numbers of the standard normal distribution cut to (lower, upper).
 *
 * @throws ShapeError when bounds do not broadcast to the shape; DTypeError when the dtype is no float.
 */
export function truncatedNormal(
  key: Value,
  lower: ArrayLike,
  upper: ArrayLike,
  shape: ShapeLike | null = null,
  options: DTypeLike | SampleOptions = {},
): Value {
  const dtype = floatType('truncatedNormal', options);
  const [low, high] = [lower, upper].map((x) =>
    lax.convertElementType(asArray('truncatedNormal', x), dtype),
  );
  const sizes = shapeWith('truncatedNormal', shape, low, high);
  const root = constant(Math.SQRT2, dtype);
  const [a, b] = [low, high].map((x) => lax.erf(lax.div(x, root)));
  const out = lax.mul(lax.erfInv(uniform(key, sizes, { dtype, minval: a, maxval: b })), root);
  const [least, most] = [
    lax.nextafter(lax.stopGradient(low), constant(Infinity, dtype)),
    lax.nextafter(lax.stopGradient(high), constant(-Infinity, dtype)),
  ].map((x) => spreadTo('truncatedNormal', x, sizes));
  return lax.clamp(least, out, most);
}

/**
 * Truth values that are true with probability `p`.
 *
 * `key: u32[2], p: f32[s] → bool[s]`
 *
 * @throws ShapeError when `p` does not broadcast to the shape.
 * @example
 * String(random.bernoulli(random.key(0), 0.5, [4])); // → [False False True True]
 */
export function bernoulli(key: Value, p: ArrayLike = 0.5, shape: ShapeLike | null = null): Value {
  const chance = asInexact('bernoulli', p);
  const sizes = shapeWith('bernoulli', shape, chance);
  return lax.lt(
    uniform(key, sizes, { dtype: chance.dtype }),
    chance.ndim === 0 ? chance : spreadTo('bernoulli', chance, sizes),
  );
}

/** -1 or 1 with equal chances. @throws ShapeError when the key is not u32[2]. */
export function rademacher(key: Value, shape: ShapeLike = [], dtype: DTypeLike = 'i64'): Value {
  const coin = lax.convertElementType(bernoulli(key, 0.5, shape), dtypeOf(dtype));
  return lax.sub(lax.mul(coin, 2), 1);
}

/** A sampler made of uniform numbers in [low, high). */
const inverse =
  (op: string, range: (dtype: DType) => readonly [number, number], f: (u: Value) => Value) =>
  (key: Value, shape: ShapeLike = [], options: DTypeLike | SampleOptions = {}): Value => {
    const dtype = floatType(op, options);
    const [minval, maxval] = range(dtype);
    return f(uniform(key, shape, { dtype, minval, maxval }));
  };

/** A sampler of floats: key, shape, options → array. */
export type Sampler = (key: Value, shape?: ShapeLike, options?: DTypeLike | SampleOptions) => Value;

const positive = (dtype: DType): readonly [number, number] => [finfo(dtype).tiny, 1];
const whole = (): readonly [number, number] => [0, 1];

/** Numbers of the Gumbel distribution. @throws ShapeError when the key is not u32[2]; DTypeError when the dtype is no float. */
export const gumbel: Sampler = inverse('gumbel', positive, (u) =>
  lax.neg(lax.log(lax.neg(lax.log(u)))),
);
/** Numbers of the exponential distribution. @throws as `gumbel`. */
export const exponential: Sampler = inverse('exponential', whole, (u) =>
  lax.neg(lax.log1p(lax.neg(u))),
);
/** Numbers of the Laplace distribution. @throws as `gumbel`. */
export const laplace: Sampler = inverse(
  'laplace',
  (dtype) => [-1 + finfo(dtype).eps / 2, 1],
  (u) => lax.mul(lax.sign(u), lax.log1p(lax.neg(lax.abs(u)))),
);
/** Numbers of the logistic distribution. @throws as `gumbel`. */
export const logistic: Sampler = inverse('logistic', positive, (u) =>
  lax.sub(lax.log(u), lax.log1p(lax.neg(u))),
);
/** Numbers of the Cauchy distribution. @throws as `gumbel`. */
export const cauchy: Sampler = inverse(
  'cauchy',
  (dtype) => [finfo(dtype).eps, 1],
  (u) => lax.tan(lax.mul(constant(Math.PI, u.dtype), lax.sub(u, constant(0.5, u.dtype)))),
);

/** Options of `categorical`. */
export interface CategoricalOptions {
  /** The axis of the logits; the last when left out. */
  readonly axis?: number;
  /** Shape of the result; it ends in the batch shape of the logits. */
  readonly shape?: ShapeLike | null;
}

/**
 * Positions drawn with probabilities proportional to exp(logits), along an axis.
 *
 * `key: u32[2], logits: f32[…, n] → i32[…]`
 *
 * @throws ShapeError when the shape does not end in the batch shape of the logits.
 * @example
 * random.categorical(random.key(0), np.zeros([3, 5])).shape; // → [ 3 ]
 */
export function categorical(
  key: Value,
  logits: ArrayLike,
  options: CategoricalOptions = {},
): Value {
  const { axis = -1, shape = null } = knownOptions('categorical', options, ['axis', 'shape']);
  const value = asInexact('categorical', logits);
  const at = canonicalAxis('categorical', axis, value.ndim);
  const batch = value.shape.toSpliced(at, 1);
  const sizes = shape === null ? batch : shapeOf('categorical', shape);
  const extra = sizes.length - batch.length;
  if (extra < 0 || batch.some((n, i) => n !== sizes[extra + i]))
    throw new ShapeError(
      `categorical: the shape must end in the batch shape of the logits; got ${showShape(sizes)} for ${value.aval.toString()}. Put more axes in front.`,
    );
  const noise = gumbel(key, [...sizes.slice(0, extra), ...value.shape], { dtype: value.dtype });
  const wide =
    extra === 0
      ? value
      : lax.expandDims(
          value,
          Array.from({ length: extra }, (_, i) => i),
        );
  return lax.argmax(lax.add(noise, wide), extra + at);
}

/** exp(σ · normal). @throws as `gumbel`. */
export function lognormal(
  key: Value,
  sigma: ArrayLike = 1,
  shape: ShapeLike | null = null,
  options: DTypeLike | SampleOptions = {},
): Value {
  const dtype = floatType('lognormal', options);
  const scale = lax.convertElementType(asArray('lognormal', sigma), dtype);
  const sizes = shapeWith('lognormal', shape, scale);
  return lax.exp(lax.mul(normal(key, sizes, { dtype }), spreadTo('lognormal', scale, sizes)));
}

/** Numbers of the Rayleigh distribution. @throws ShapeError when the scale does not broadcast to the shape. */
export function rayleigh(
  key: Value,
  scale: ArrayLike,
  shape: ShapeLike | null = null,
  options: DTypeLike | SampleOptions = {},
): Value {
  const dtype = floatType('rayleigh', options);
  const factor = lax.convertElementType(asArray('rayleigh', scale), dtype);
  const sizes = shapeWith('rayleigh', shape, factor);
  const u = uniform(key, sizes, { dtype });
  return lax.mul(
    spreadTo('rayleigh', factor, sizes),
    lax.sqrt(lax.mul(lax.log(u), constant(-2, dtype))),
  );
}

/** Numbers of the Pareto distribution with exponent `b`. @throws ShapeError when `b` does not broadcast to the shape. */
export function pareto(
  key: Value,
  b: ArrayLike,
  shape: ShapeLike | null = null,
  options: DTypeLike | SampleOptions = {},
): Value {
  const dtype = floatType('pareto', options);
  const exponent = lax.convertElementType(asArray('pareto', b), dtype);
  const sizes = shapeWith('pareto', shape, exponent);
  return lax.exp(lax.div(exponential(key, sizes, { dtype }), spreadTo('pareto', exponent, sizes)));
}

/** Numbers of the Weibull distribution. @throws ShapeError when the parameters do not broadcast to the shape. */
export function weibullMin(
  key: Value,
  scale: ArrayLike,
  concentration: ArrayLike,
  shape: ShapeLike | null = null,
  options: DTypeLike | SampleOptions = {},
): Value {
  const dtype = floatType('weibullMin', options);
  const [factor, power] = promoteInexact('weibullMin', scale, concentration).map((x) =>
    lax.convertElementType(x, dtype),
  );
  const sizes = shapeWith('weibullMin', shape, factor, power);
  const e = exponential(key, sizes, { dtype });
  const root = lax.div(constant(1, dtype), spreadTo('weibullMin', power, sizes));
  return lax.mul(lax.pow(e, root), spreadTo('weibullMin', factor, sizes));
}

/** How many trials until the first success of probability `p`: 1, 2, … @throws ArgumentError for probabilities outside (0, 1]. */
export function geometric(
  key: Value,
  p: ArrayLike,
  shape: ShapeLike | null = null,
  dtype: DTypeLike = 'i64',
): Value {
  if (typeof p === 'number' && !(p > 0 && p <= 1))
    throw new ArgumentError(
      `geometric: the probability must lie in (0, 1]; got ${p}. Check the units.`,
    );
  const chance = asInexact('geometric', p);
  const sizes = shapeWith('geometric', shape, chance);
  const u = uniform(key, sizes, { dtype: chance.dtype });
  const safe = lax.select(lax.eq(u, 0), lax.onesLike(u), u);
  const trials = lax.floor(
    lax.div(lax.log(safe), lax.log1p(lax.neg(spreadTo('geometric', chance, sizes)))),
  );
  return lax.convertElementType(lax.add(trials, constant(1, chance.dtype)), dtypeOf(dtype));
}
