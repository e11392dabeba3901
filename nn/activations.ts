/** Activation functions: elementwise, with the derivatives that JAX gives them at corners. Integers become floats, but for `relu` and `hardTanh`. */
import { describe, NDArray, scalarFor, type ArrayLike } from '../core/array.ts';
import { isUnsigned } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { knownOptions } from '../core/options.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { asArray, asInexact, oneAxis } from '../numpy/promote.ts';
import { customJvp } from '../transforms/custom.ts';

/** An activation function. */
export type Activation = (x: ArrayLike) => Value;

const constant = (value: number, x: Value): Value =>
  NDArray.fromScalar(scalarFor(value, x.dtype), x.dtype, true);
const zero = (x: Value): Value => lax.zerosLike(x);
const activation =
  (op: string, f: (x: Value) => Value): Activation =>
  (x) =>
    f(asInexact(op, x));

/** Truth values count as integers; integers stay what they are. */
const asNumbers = (op: string, x: ArrayLike): Value => {
  const value = asArray(op, x);
  return value.dtype === 'bool' ? lax.convertElementType(value, 'i32') : value;
};

/** The values of `x` (or `then`) where it is positive, elsewhere `other`: at 0 and NaN values and derivatives are those of `other`. */
const whenPositive = (x: Value, other: Value, then: Value = x): Value =>
  lax.select(lax.gt(x, constant(0, x)), then, other);

/** A function of one array with this derivative: where `keeps` holds the tangent passes, elsewhere it is 0. */
function gated(f: (x: Value) => Value, keeps: (x: Value) => Value): (x: Value) => Value {
  const custom = customJvp(f);
  const rule = (tangent: Value, _out: Value, x: Value): Value =>
    lax.select(keeps(x), tangent, zero(tangent));
  return custom.defjvps(rule);
}

const gatedRelu = gated(
  function relu(x: Value): Value {
    return lax.max(x, constant(0, x));
  },
  (x) => lax.gt(x, constant(0, x)),
);
const gatedRelu6 = gated(
  function relu6(x: Value): Value {
    return lax.min(lax.max(x, constant(0, x)), constant(6, x));
  },
  (x) => lax.and(lax.gt(x, constant(0, x)), lax.lt(x, constant(6, x))),
);

/**
 * max(x, 0). The derivative at 0 is 0.
 *
 * @throws ArgumentError for what is no array and no number, as all functions here.
 * @example
 * String(nn.relu(np.array([-1, 2]))); // → [0. 2.]
 */
export const relu: Activation = (x) => gatedRelu(asNumbers('relu', x));
/** min(max(x, 0), 6). The derivative at 0 and at 6 is 0. */
export const relu6: Activation = activation('relu6', gatedRelu6);
/** 1 / (1 + e⁻ˣ). */
export const sigmoid: Activation = activation('sigmoid', lax.logistic);
/** x · sigmoid(x). */
export const silu: Activation = activation('silu', (x) => lax.mul(x, lax.logistic(x)));
/** `silu` under its other name. */
export const swish: Activation = (x) => silu(x);
/** log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|); d softplus(x) = sigmoid(x) dx */
const smoothRelu = customJvp(function softplus(x: Value): Value {
  return lax.add(lax.max(x, constant(0, x)), lax.log1p(lax.exp(lax.neg(lax.abs(x)))));
}).defjvps((tangent: Value, _out: Value, x: Value): Value => lax.mul(tangent, lax.logistic(x)));

/** log(1 + eˣ), without overflow. */
export const softplus: Activation = activation('softplus', (x) => smoothRelu(x));
/** log(sigmoid(x)), without overflow. */
export const logSigmoid: Activation = activation('logSigmoid', (x) =>
  lax.neg(softplus(lax.neg(x))),
);
/** x / (1 + |x|). */
export const softSign: Activation = activation('softSign', (x) =>
  lax.div(x, lax.add(lax.abs(x), constant(1, x))),
);
/** The hyperbolic tangent. */
export const tanh: Activation = activation('tanh', lax.tanh);
/** x between -1 and 1. */
export const hardTanh: Activation = (x) => {
  const value = asNumbers('hardTanh', x);
  if (isUnsigned(value.dtype)) return lax.min(value, constant(1, value));
  const low = lax.select(lax.lt(value, constant(-1, value)), lax.fullLike(value, -1), value);
  return lax.select(lax.gt(value, constant(1, value)), lax.fullLike(value, 1), low);
};
/** relu6(x + 3) / 6. */
export const hardSigmoid: Activation = activation('hardSigmoid', (x) =>
  lax.div(relu6(lax.add(x, constant(3, x))), constant(6, x)),
);
/** x · hardSigmoid(x). */
export const hardSilu: Activation = activation('hardSilu', (x) => lax.mul(x, hardSigmoid(x)));
/** `hardSilu` under its other name. */
export const hardSwish: Activation = (x) => hardSilu(x);
/** x · tanh(softplus(x)). */
export const mish: Activation = activation('mish', (x) => lax.mul(x, lax.tanh(softplus(x))));
/** A number that an activation takes beside its argument. @throws ArgumentError when it is none. */
function parameter(op: string, name: string, x: number): number {
  if (typeof x !== 'number')
    throw new ArgumentError(
      `${op}: ${name} must be a number; got ${describe(x)}. Pass a JavaScript number.`,
    );
  return x;
}

/** (x + √(x² + b)) / 2: a smooth `relu`. */
export const squareplus = (x: ArrayLike, b = 4): Value => {
  const value = asInexact('squareplus', x);
  const root = lax.sqrt(
    lax.add(lax.square(value), constant(parameter('squareplus', 'b', b), value)),
  );
  return lax.mul(lax.add(value, root), constant(0.5, value));
};
/** x where positive, slope · x elsewhere. */
export const leakyRelu = (x: ArrayLike, negativeSlope = 0.01): Value => {
  const value = asInexact('leakyRelu', x);
  return lax.select(
    lax.ge(value, constant(0, value)),
    value,
    lax.mul(value, constant(parameter('leakyRelu', 'negativeSlope', negativeSlope), value)),
  );
};

/** α (eˣ - 1), for x that are not positive; positive ones are replaced first, so that no infinity reaches the derivative. */
const negativePart = (x: Value, alpha: number): Value =>
  lax.mul(constant(alpha, x), lax.expm1(whenPositive(x, x, zero(x))));

/** x where positive, α (eˣ - 1) elsewhere. */
export const elu = (x: ArrayLike, alpha = 1): Value => {
  const value = asInexact('elu', x);
  return whenPositive(value, negativePart(value, parameter('elu', 'alpha', alpha)));
};
/** x where positive, α (e^(x/α) - 1) elsewhere. */
export const celu = (x: ArrayLike, alpha = 1): Value => {
  const value = asInexact('celu', x);
  parameter('celu', 'alpha', alpha);
  const safe = lax.div(whenPositive(value, value, zero(value)), constant(alpha, value));
  return whenPositive(value, lax.mul(constant(alpha, value), lax.expm1(safe)));
};
/** `elu` scaled so that activations keep mean 0 and variance 1. */
export const selu: Activation = (x) => {
  const value = elu(x, 1.6732632423543772);
  return lax.mul(value, constant(1.0507009873554805, value));
};

/** Options of `gelu`. */
export interface GeluOptions {
  /** The form with tanh, which is faster; true when left out. */
  readonly approximate?: boolean;
}

/**
 * x · Φ(x), with the distribution function Φ of the normal distribution.
 *
 * @throws ArgumentError for what is no array and no number.
 * @example
 * String(nn.gelu(np.array([0, 1]), { approximate: false })); // → [0. 0.8413447]
 */
export function gelu(x: ArrayLike, options: GeluOptions = {}): Value {
  const { approximate = true } = knownOptions('gelu', options, ['approximate']);
  const value = asInexact('gelu', x);
  if (approximate) {
    const cube = lax.integerPow(value, 3);
    const inner = lax.mul(
      constant(Math.sqrt(2 / Math.PI), value),
      lax.add(value, lax.mul(constant(0.044715, value), cube)),
    );
    const cdf = lax.mul(constant(0.5, value), lax.add(constant(1, value), lax.tanh(inner)));
    return lax.mul(value, cdf);
  }
  const scaled = lax.mul(lax.neg(value), constant(Math.SQRT1_2, value));
  return lax.mul(lax.mul(constant(0.5, value), value), lax.erfc(scaled));
}

/** The first half of an axis times the sigmoid of the second. @throws ShapeError when the axis has an odd size. */
export function glu(x: ArrayLike, axis = -1): Value {
  const value = asInexact('glu', x);
  const at = oneAxis('glu', axis, value);
  const half = value.shape[at] / 2;
  if (!Number.isInteger(half))
    throw new ShapeError(
      `glu: the axis must have an even size; got ${value.aval.toString()} (axis ${at}). Pad it.`,
    );
  const [a, b] = [
    lax.sliceInDim(value, 0, half, { axis: at }),
    lax.sliceInDim(value, half, 2 * half, { axis: at }),
  ];
  return lax.mul(a, lax.logistic(b));
}

/** x itself. */
export const identity: Activation = (x) => asArray('identity', x);
