/**
 * Elementwise functions with NumPy's names and promotion: arithmetic, powers, exponentials, trigonometry, rounding, logic, bits.
 * Comparison and selection stand in `selection.ts`. Arguments broadcast; numbers take the dtype of the arrays beside them.
 */
import { scalarFor, NDArray, type ArrayLike } from '../core/array.ts';
import { dtypeInfo, isFloat, isInexact, isInteger, isUnsigned, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import { canonicalDType } from '../core/promotion.ts';
import { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { customJvp } from '../transforms/custom.ts';
import {
  asArray,
  asBool,
  asInexact,
  asInteger,
  promote,
  promoteDTypes,
  promoteInexactShapes,
  promoteShapes,
} from './promote.ts';

/** An elementwise function of one array. */
export type Unary = (x: ArrayLike) => Value;
/** An elementwise function of two arrays that broadcast. */
export type Binary = (x: ArrayLike, y: ArrayLike) => Value;

const onFloats =
  (op: string, f: (x: Value) => Value): Unary =>
  (x) =>
    f(asInexact(op, x));

const pair =
  (op: string, f: (x: Value, y: Value) => Value): Binary =>
  (x, y) => {
    const [a, b] = promote(op, x, y);
    return f(a, b);
  };

/** Like `pair`, with bools as integers. */
const numberPair =
  (op: string, f: (x: Value, y: Value) => Value): Binary =>
  (x, y) => {
    const [a, b] = promote(op, x, y).map((v) =>
      isBool(v) ? lax.convertElementType(v, canonicalDType('i64')) : v,
    );
    return f(a, b);
  };

const floatPair =
  (op: string, f: (x: Value, y: Value) => Value): Binary =>
  (x, y) => {
    const [a, b] = promoteInexactShapes(op, x, y);
    return f(a, b);
  };

/** A constant beside `x`, weak. */
const beside = (value: number, x: Value): Value =>
  NDArray.fromScalar(scalarFor(value, x.dtype), x.dtype, x.dtype !== 'bool');

const isBool = (x: Value): boolean => x.dtype === 'bool';

// --- arithmetic --------------------------------------------------------------------------------------------------------------

/**
 * x + y; of bools, logical or.
 *
 * @throws ShapeError when the shapes do not broadcast; DTypeError when there is no common dtype.
 * @example
 * String(np.add(np.arange(3), 1)); // → [1 2 3]
 */
export const add: Binary = pair('add', (x, y) => (isBool(x) ? lax.or(x, y) : lax.add(x, y)));
/** x - y. @throws ShapeError when the shapes do not broadcast; DTypeError for bools. */
export const subtract: Binary = pair('subtract', lax.sub);
/** x · y; of bools, logical and. @throws ShapeError when the shapes do not broadcast. */
export const multiply: Binary = pair('multiply', (x, y) =>
  isBool(x) ? lax.and(x, y) : lax.mul(x, y),
);
/** x / y, as a float also for integers. @throws ShapeError when the shapes do not broadcast. */
export const divide: Binary = floatPair('divide', lax.div);
/** x / y under its other name. @throws as `divide`. */
export const trueDivide: Binary = (x, y) => divide(x, y);

const one = (x: Value): Value => beside(1, x);
const differ = (x: Value, y: Value): Value =>
  lax.ne(lax.lt(x, beside(0, x)), lax.lt(y, beside(0, y)));

/** The remainder with the sign of the divisor, out of the one with the sign of the dividend. */
function floorRemainder(x: Value, y: Value): Value {
  const rest = lax.rem(x, y);
  const [r, other] = [rest, y].map((v) => spreadLike(v, rest));
  const wrong = lax.and(differ(r, other), lax.ne(r, beside(0, r)));
  return lax.select(wrong, lax.add(r, other), r);
}

const spreadLike = (x: Value, like: Value): Value => {
  const [a] = sameShapes('where', x, like);
  return a;
};

/** Values repeated into the shape that they have together. */
function sameShapes(op: string, ...xs: readonly Value[]): Value[] {
  const values = promoteShapes(op, ...xs);
  const shape = values.reduce<readonly number[]>(
    (s, v) =>
      v.ndim === 0 ? s : s.length === 0 ? v.shape : s.map((n, i) => (n === 1 ? v.shape[i] : n)),
    [],
  );
  return values.map((v) =>
    lax.broadcastInDim(v, shape, v.ndim === 0 ? [] : shape.map((_, i) => i)),
  );
}

/**
 * The greatest integer not above x / y; where y is 0 that is x / 0 for floats, and as in JAX some integer for integers.
 *
 * @throws ShapeError when the shapes do not broadcast.
 * @example
 * String(np.floorDivide(np.array([-3, 3], 'i32'), 2)); // → [-2 1]
 */
export const floorDivide: Binary = numberPair('floorDivide', (x, y) => {
  if (isUnsigned(x.dtype)) return lax.div(x, y);
  const [a, b] = sameShapes('floorDivide', x, y);
  const rest = lax.rem(a, b);
  const isInexactQuotient = lax.ne(rest, beside(0, rest));
  if (isFloat(x.dtype)) {
    const whole = lax.select(lax.eq(b, beside(0, b)), a, lax.sub(a, rest));
    const quotient = lax.div(whole, b);
    const wrong = lax.and(differ(rest, b), isInexactQuotient);
    return lax.round(lax.select(wrong, lax.sub(quotient, one(quotient)), quotient));
  }
  const quotient = lax.div(a, b);
  const wrong = lax.and(lax.ne(lax.sign(a), lax.sign(b)), isInexactQuotient);
  return lax.select(wrong, lax.sub(quotient, one(quotient)), quotient);
});

/** A divisor of integers with 1 instead of 0: remainders by 0 are 0. */
const nonzeroDivisor = (y: Value): Value =>
  isInteger(y.dtype) ? lax.select(lax.eq(y, beside(0, y)), lax.onesLike(y), y) : y;

/** x mod y, with the sign of y; 0 for integers mod 0. @throws ShapeError when the shapes do not broadcast. */
export const remainder: Binary = numberPair('remainder', (x, y) => {
  const divisor = nonzeroDivisor(y);
  return isUnsigned(x.dtype) ? lax.rem(x, divisor) : floorRemainder(x, divisor);
});
/** `remainder` under its other name. @throws as `remainder`. */
export const mod: Binary = (x, y) => remainder(x, y);
/** The remainder with the sign of x, as JavaScript's `%`; 0 for integers by 0. @throws ShapeError when the shapes do not broadcast. */
export const fmod: Binary = numberPair('fmod', (x, y) => lax.rem(x, nonzeroDivisor(y)));
/** Quotient and remainder: `[floorDivide(x, y), remainder(x, y)]`. @throws as `floorDivide`. */
export const divmod = (x: ArrayLike, y: ArrayLike): [Value, Value] => [
  floorDivide(x, y),
  remainder(x, y),
];

/** -x. @throws DTypeError for bools. */
export const negative: Unary = (x) => lax.neg(asArray('negative', x));
/** +x. */
export const positive: Unary = (x) => asArray('positive', x);
/** |x|. */
export const abs: Unary = (x) => {
  const value = asArray('abs', x);
  return isBool(value) || isUnsigned(value.dtype) ? value : lax.abs(value);
};
/** |x| under its other name. */
export const absolute: Unary = (x) => abs(x);
/** |x| as a float. */
export const fabs: Unary = onFloats('fabs', lax.abs);
/** -1, 0 or 1; NaN of NaN. */
export const sign: Unary = (x) => lax.sign(asArray('sign', x));
/** |x| with the sign of y. @throws ShapeError when the shapes do not broadcast. */
export const copysign: Binary = floatPair('copysign', (x, y) => {
  const negativeY = signbit(y);
  const [flag, size] = sameShapes('copysign', negativeY, lax.abs(x));
  return lax.select(flag, lax.neg(size), size);
});
/** Whether the sign bit is set, also of -0 and NaN. */
export const signbit: Unary = (x) => {
  const value = asArray('signbit', x);
  const { dtype } = value;
  if (!isFloat(dtype))
    return isInteger(dtype) && !isUnsigned(dtype)
      ? lax.lt(value, beside(0, value))
      : lax.full(value.shape, false, 'bool');
  const bits = lax.bitcastConvertType(
    value,
    ({ 16: 'i16', 32: 'i32', 64: 'i64' } as const)[dtypeInfo[dtype].bits as 16 | 32 | 64],
  );
  return lax.lt(bits, beside(0, bits));
};

// --- powers ------------------------------------------------------------------------------------------------------------------

/**
 * x to the power y. An integral number as exponent is multiplied out, exactly as in JAX.
 *
 * @throws ShapeError when the shapes do not broadcast.
 * @example
 * String(np.power(np.arange(4), 2)); // → [0 1 4 9]
 */
export function power(x: ArrayLike, y: ArrayLike): Value {
  if (
    typeof y === 'number' &&
    Number.isInteger(y) &&
    Math.abs(y) < 2 ** 31 &&
    typeof x !== 'number'
  ) {
    const base = asArray('power', x);
    const value = isBool(base) ? lax.convertElementType(base, 'i32') : base;
    if (isInexact(value.dtype) || y >= 0) return lax.integerPow(value, y);
    throw new DTypeError(
      `power: integers cannot be raised to negative powers; got ${value.aval.toString()} to ${y}. Convert the base with x.astype('f32').`,
    );
  }
  // An integer exponent stays one: its derivative by the base is known at 0 too.
  if (x instanceof Value && y instanceof Value && isInexact(x.dtype) && isInteger(y.dtype)) {
    const [base, exponent] = promoteShapes('power', x, y);
    return lax.pow(base, exponent);
  }
  const [a, b] = promote('power', x, y);
  return isInexact(a.dtype) ? lax.pow(a, b) : integerPower(a, b);
}

/** Integers to integer powers by repeated squaring over the bits of the exponent; wraps as multiplication does. */
function integerPower(x: Value, y: Value): Value {
  const [base, exponent] = sameShapes(
    'power',
    isBool(x) ? lax.convertElementType(x, 'i32') : x,
    isBool(y) ? lax.convertElementType(y, 'i32') : y,
  );
  const isZero = lax.and(lax.eq(base, beside(0, base)), lax.ne(exponent, beside(0, exponent)));
  let result = lax.select(isZero, lax.zerosLike(base), lax.onesLike(base));
  let power = base;
  for (let bit = 0; bit < 6; bit++) {
    // Greater powers than 63 of anything but 0, 1 and -1 do not fit anyway.
    const odd = lax.ne(lax.and(exponent, beside(2 ** bit, exponent)), beside(0, exponent));
    result = lax.select(odd, lax.mul(result, power), result);
    power = lax.mul(power, power);
  }
  return result;
}

/** `power` under its name in the array API standard. @throws as `power`. */
export const pow: Binary = (x, y) => power(x, y);
/** x to the power y, as a float. @throws ShapeError when the shapes do not broadcast. */
export const floatPower: Binary = floatPair('floatPower', lax.pow);
/** x². */
export const square: Unary = (x) => lax.square(asArray('square', x));
/** √x. */
export const sqrt: Unary = onFloats('sqrt', lax.sqrt);
/** ∛x. */
export const cbrt: Unary = onFloats('cbrt', lax.cbrt);
/** 1 / x. */
export const reciprocal: Unary = onFloats('reciprocal', (x) => lax.integerPow(x, -1));
/** √(x² + y²), without overflow on the way; ∞ where one is infinite. @throws ShapeError when the shapes do not broadcast. */
export const hypot: Binary = floatPair('hypot', (x, y) => {
  const [u, v] = sameShapes('hypot', lax.abs(x), lax.abs(y));
  const [a, b] = [lax.max(u, v), lax.min(u, v)];
  const infinity = beside(Infinity, a);
  const isInfinite = lax.or(lax.eq(u, infinity), lax.eq(v, infinity));
  const zero = lax.eq(a, beside(0, a));
  const ratio = lax.div(b, lax.select(zero, lax.onesLike(a), a));
  const size = lax.mul(a, lax.sqrt(lax.add(one(ratio), lax.square(ratio))));
  return lax.select(isInfinite, lax.fullLike(a, Infinity), lax.select(zero, a, size));
});

// --- exponentials and logarithms ------------------------------------------------------------------------------------------------

/** eˣ. */
export const exp: Unary = onFloats('exp', lax.exp);
/** 2ˣ. */
export const exp2: Unary = onFloats('exp2', lax.exp2);
/** eˣ - 1, exact near 0. */
export const expm1: Unary = onFloats('expm1', lax.expm1);
/** The natural logarithm. */
export const log: Unary = onFloats('log', lax.log);
/** log(1 + x), exact near 0. */
export const log1p: Unary = onFloats('log1p', lax.log1p);
/** The logarithm to base 2. */
export const log2: Unary = onFloats('log2', (x) => lax.div(lax.log(x), beside(Math.LN2, x)));
/** The logarithm to base 10. */
export const log10: Unary = onFloats('log10', (x) => lax.mul(lax.log(x), beside(1 / Math.LN10, x)));
/**
 * d log(eˣ + eʸ) = logistic(x - y) dx + logistic(y - x) dy. Both are 1 where both are +∞, as in JAX; beside +∞ a finite value has no
 * share, where JAX gives it eˣ.
 */
const logOfSum = customJvp(function logaddexp(x: Value, y: Value): Value {
  const delta = lax.sub(x, y);
  const sum = lax.add(lax.max(x, y), lax.log1p(lax.exp(lax.neg(lax.abs(delta)))));
  // Equal infinities differ by NaN; adding them gives the infinity, or NaN of NaN.
  return lax.select(lax.ne(delta, delta), lax.add(x, y), sum);
}).defjvps(
  (tangent: Value, _out: Value, x: Value, y: Value): Value => lax.mul(tangent, shareOf(x, y)),
  (tangent: Value, _out: Value, x: Value, y: Value): Value => lax.mul(tangent, shareOf(y, x)),
);

/** eˣ / (eˣ + eʸ) */
function shareOf(x: Value, y: Value): Value {
  const areInfinite = lax.eq(lax.min(x, y), beside(Infinity, x));
  return lax.select(areInfinite, lax.onesLike(x), lax.logistic(lax.sub(x, y)));
}

/**
 * log(eˣ + eʸ), without overflow.
 *
 * @throws ShapeError when the shapes do not broadcast.
 * @example
 * np.logaddexp(1000, 1000).item() > 1000; // → true
 */
export const logaddexp: Binary = floatPair('logaddexp', (x, y) => {
  const [a, b] = sameShapes('logaddexp', x, y);
  return logOfSum(a, b);
});
/** log₂(2ˣ + 2ʸ), without overflow. @throws ShapeError when the shapes do not broadcast. */
export const logaddexp2: Binary = floatPair('logaddexp2', (x, y) => {
  const ln2 = beside(Math.LN2, x);
  return lax.div(logaddexp(lax.mul(x, ln2), lax.mul(y, ln2)), ln2);
});

// --- trigonometry ------------------------------------------------------------------------------------------------------------

/** The sine. */
export const sin: Unary = onFloats('sin', lax.sin);
/** The cosine. */
export const cos: Unary = onFloats('cos', lax.cos);
/** The tangent. */
export const tan: Unary = onFloats('tan', lax.tan);
/** The inverse sine. */
export const arcsin: Unary = onFloats('arcsin', lax.asin);
/** The inverse cosine. */
export const arccos: Unary = onFloats('arccos', lax.acos);
/** The inverse tangent. */
export const arctan: Unary = onFloats('arctan', lax.atan);
/** The angle of the point (y, x): `arctan2(x₁, x₂)` with the ordinate first. @throws ShapeError when the shapes do not broadcast. */
export const arctan2: Binary = floatPair('arctan2', lax.atan2);
/** The hyperbolic sine. */
export const sinh: Unary = onFloats('sinh', lax.sinh);
/** The hyperbolic cosine. */
export const cosh: Unary = onFloats('cosh', lax.cosh);
/** The hyperbolic tangent. */
export const tanh: Unary = onFloats('tanh', lax.tanh);
/** The inverse hyperbolic sine. */
export const arcsinh: Unary = onFloats('arcsinh', lax.asinh);
/** The inverse hyperbolic cosine. */
export const arccosh: Unary = onFloats('arccosh', lax.acosh);
/** The inverse hyperbolic tangent. */
export const arctanh: Unary = onFloats('arctanh', lax.atanh);
/** `arcsin` under its name in the array API standard, as the following ones. */
export const asin: Unary = (x) => arcsin(x);
/** `arccos`. */
export const acos: Unary = (x) => arccos(x);
/** `arctan`. */
export const atan: Unary = (x) => arctan(x);
/** `arctan2`. @throws ShapeError when the shapes do not broadcast. */
export const atan2: Binary = (x, y) => arctan2(x, y);
/** `arcsinh`. */
export const asinh: Unary = (x) => arcsinh(x);
/** `arccosh`. */
export const acosh: Unary = (x) => arccosh(x);
/** `arctanh`. */
export const atanh: Unary = (x) => arctanh(x);
/** Radians to degrees. */
export const degrees: Unary = onFloats('degrees', (x) => lax.mul(x, beside(180 / Math.PI, x)));
/** Degrees to radians. */
export const radians: Unary = onFloats('radians', (x) => lax.mul(x, beside(Math.PI / 180, x)));
/** Radians to degrees under its other name. */
export const rad2deg: Unary = (x) => degrees(x);
/** Degrees to radians under its other name. */
export const deg2rad: Unary = (x) => radians(x);
/** The derivative of order `k` of sin(x) / x at 0, by the series of Maclaurin: 0 for odd k, (-1)^(k/2) / (k + 1) for even k. */
const sincAtZero = customJvp(
  (k: number, x: Value): Value =>
    lax.fullLike(x, k % 2 === 1 ? 0 : (k % 4 === 0 ? 1 : -1) / (k + 1)),
  { nondiffArgnums: [0] },
);
sincAtZero.defjvp((k: number, [x]: Value[], [t]: Value[]) => [
  sincAtZero(k, x),
  lax.mul(sincAtZero(k + 1, x), t),
]);

/** sin(πx) / (πx), 1 at 0. */
export const sinc: Unary = onFloats('sinc', (x) => {
  const zero = lax.eq(x, beside(0, x));
  const angle = lax.mul(x, beside(Math.PI, x));
  const safe = lax.select(zero, lax.onesLike(x), angle);
  return lax.select(zero, sincAtZero(0, angle), lax.div(lax.sin(safe), safe));
});

// --- rounding ----------------------------------------------------------------------------------------------------------------

const rounding =
  (op: string, f: (x: Value) => Value): Unary =>
  (x) => {
    const value = asArray(op, x);
    return isInteger(value.dtype) ? value : f(asInexact(op, value));
  };

/** The greatest integer not above x. */
export const floor: Unary = rounding('floor', lax.floor);
/** The least integer not below x. */
export const ceil: Unary = rounding('ceil', lax.ceil);
/** The integer part. */
export const trunc: Unary = rounding('trunc', (x) =>
  lax.select(lax.lt(x, beside(0, x)), lax.ceil(x), lax.floor(x)),
);
/** The nearest integer, ties to even. */
export const rint: Unary = onFloats('rint', (x) => lax.round(x, 'toNearestEven'));
/**
 * Round to a number of decimals, ties to even.
 *
 * @throws DTypeError for bools, and for integers to tens, hundreds, …
 * @example
 * String(np.round(np.array([0.5, 1.5, 2.25]))); // → [0. 2. 2.]
 */
export function round(x: ArrayLike, decimals = 0): Value {
  const value = asArray('round', x);
  asInteger('round', decimals, 'decimals');
  if (isBool(value) || (isInteger(value.dtype) && decimals < 0))
    throw new DTypeError(
      `round: only floats can be rounded${isBool(value) ? '' : ' to tens, hundreds, …'}; got ${value.aval.toString()} and ${decimals} decimals. Convert with x.astype('f32').`,
    );
  if (isInteger(value.dtype)) return value;
  if (decimals === 0) return lax.round(value, 'toNearestEven');
  // f16 has no room for the scaled number.
  const wide = value.dtype === 'f16' ? lax.convertElementType(value, 'f32') : value;
  const scale = beside(10 ** Math.abs(decimals), wide);
  const [up, down] = decimals > 0 ? [lax.mul, lax.div] : [lax.div, lax.mul];
  const rounded = down(lax.round(up(wide, scale), 'toNearestEven'), scale);
  return lax.convertElementType(rounded, value.dtype, value.weakType);
}

// --- logic and bits ------------------------------------------------------------------------------------------------------------

const logical =
  (op: string, f: (x: Value, y: Value) => Value): Binary =>
  (x, y) => {
    const [a, b] = promoteShapes(op, asBool(op, x), asBool(op, y));
    return f(a, b);
  };

/** Whether both are true (not zero). @throws ShapeError when the shapes do not broadcast. */
export const logicalAnd: Binary = logical('logicalAnd', lax.and);
/** Whether one is true (not zero). @throws ShapeError when the shapes do not broadcast. */
export const logicalOr: Binary = logical('logicalOr', lax.or);
/** Whether exactly one is true (not zero). @throws ShapeError when the shapes do not broadcast. */
export const logicalXor: Binary = logical('logicalXor', lax.xor);
/** Whether x is false (zero). */
export const logicalNot: Unary = (x) => lax.not(asBool('logicalNot', x));

/** Bitwise and. @throws DTypeError for floats; ShapeError when the shapes do not broadcast. */
export const bitwiseAnd: Binary = pair('bitwiseAnd', lax.and);
/** Bitwise or. @throws DTypeError for floats; ShapeError when the shapes do not broadcast. */
export const bitwiseOr: Binary = pair('bitwiseOr', lax.or);
/** Bitwise exclusive or. @throws DTypeError for floats; ShapeError when the shapes do not broadcast. */
export const bitwiseXor: Binary = pair('bitwiseXor', lax.xor);
/** All bits inverted. @throws DTypeError for floats. */
export const bitwiseNot: Unary = (x) => lax.not(asArray('bitwiseNot', x));
/** `bitwiseNot` under its other name. @throws DTypeError for floats. */
export const invert: Unary = (x) => bitwiseNot(x);
/** Bits moved to the left. @throws DTypeError for floats; ShapeError when the shapes do not broadcast. */
export const leftShift: Binary = numberPair('leftShift', lax.shiftLeft);
/** Bits moved to the right; the sign is kept. @throws DTypeError for floats; ShapeError when the shapes do not broadcast. */
export const rightShift: Binary = numberPair('rightShift', (x, y) =>
  isUnsigned(x.dtype) ? lax.shiftRightLogical(x, y) : lax.shiftRightArithmetic(x, y),
);

// --- properties of floats --------------------------------------------------------------------------------------------------------

const floatTest =
  (op: string, exact: boolean, f: (x: Value) => Value): Unary =>
  (x) => {
    const value = asArray(op, x);
    return isInexact(value.dtype) ? f(value) : lax.full(value.shape, exact, 'bool');
  };

/** Whether x is NaN. */
export const isnan: Unary = floatTest('isnan', false, (x) => lax.ne(x, x));
/** Whether x is a finite number. */
export const isfinite: Unary = floatTest('isfinite', true, lax.isFinite);
/** Whether x is an infinity. */
export const isinf: Unary = floatTest('isinf', false, (x) =>
  lax.eq(lax.abs(x), beside(Infinity, x)),
);
/** Whether x is +∞. */
export const isposinf: Unary = floatTest('isposinf', false, (x) => lax.eq(x, beside(Infinity, x)));
/** Whether x is -∞. */
export const isneginf: Unary = floatTest('isneginf', false, (x) => lax.eq(x, beside(-Infinity, x)));
/** The next float after x in the direction of y. @throws ShapeError when the shapes do not broadcast. */
export const nextafter: Binary = floatPair('nextafter', lax.nextafter);

/** The dtype of elementwise results of these arguments, as `np.resultType` tells it. @throws DTypeError when there is none. */
export function resultType(...xs: readonly (ArrayLike | DType)[]): DType {
  if (xs.length === 0)
    throw new ArgumentError(
      'resultType: at least one array or dtype is needed; got none. Give the operands.',
    );
  const values = xs.map((x) => (typeof x === 'string' ? lax.full([], 0, x) : x));
  return promoteDTypes('resultType', ...values)[0].dtype;
}
