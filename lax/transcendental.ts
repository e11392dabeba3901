/**
 * Exponentials, logarithms, powers, roots, trigonometric, hyperbolic and error functions of floats. A member is its derivative;
 * accuracy is the business of `lowering/math.ts` and, for the reference, of `lowering/scalar-meaning.ts`.
 */
import type { ArrayLike } from '../core/array.ts';
import { isInteger } from '../core/dtype.ts';
import type { None, Primitive } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { add, div, integerPow, mul, neg, square, sub } from './arithmetic.ts';
import { eq, select } from './comparison.ts';
import { convertElementType } from './convert.ts';
import { onesLike, zerosLike } from './creation.ts';
import { none } from './define.ts';
import {
  binary,
  binaryOp,
  spread,
  unary,
  unaryOp,
  type BinaryOp,
  type UnaryOp,
} from './elementwise.ts';
import { literalLike, operands } from './operand.ts';

// --- exponentials and logarithms ----------------------------------------------------------------------------------------------

/** `exp`: d eˣ = eˣ dx. */
export const expP: Primitive<None> = unary('exp', (_x, y) => (t) => mul(t, y));
/** `exp2`: d 2ˣ = log 2 · 2ˣ dx. */
export const exp2P: Primitive<None> = unary(
  'exp2',
  (x, y) => (t) => mul(t, mul(literalLike(Math.LN2, x), y)),
);
/** `expm1`: d (eˣ - 1) = eˣ dx. */
export const expm1P: Primitive<None> = unary('expm1', (_x, y) => (t) => mul(t, add(y, 1)));
/** `log`: d log x = dx / x. */
export const logP: Primitive<None> = unary('log', (x) => (t) => div(t, x));
/** `log1p`: d log(1 + x) = dx / (1 + x). */
export const log1pP: Primitive<None> = unary('log1p', (x) => (t) => div(t, add(x, 1)));
/** `logistic`: d σ(x) = σ(x) (1 - σ(x)) dx. */
export const logisticP: Primitive<None> = unary(
  'logistic',
  (_x, y) => (t) => mul(t, mul(y, sub(1, y))),
);

/**
 * e to the power of each element.
 *
 * @throws DTypeError for operands that are not floats.
 * @example
 * String(lax.exp(0)); // → 1.0
 */
export const exp: UnaryOp = unaryOp(expP);
/** 2 to the power of each element. @throws DTypeError for operands that are not floats. */
export const exp2: UnaryOp = unaryOp(exp2P);
/** eˣ - 1, accurate near 0. @throws DTypeError for operands that are not floats. */
export const expm1: UnaryOp = unaryOp(expm1P);
/** The natural logarithm: -∞ at 0, NaN below. @throws DTypeError for operands that are not floats. */
export const log: UnaryOp = unaryOp(logP);
/** log(1 + x), accurate near 0. @throws DTypeError for operands that are not floats. */
export const log1p: UnaryOp = unaryOp(log1pP);
/** The logistic function 1 / (1 + e⁻ˣ). @throws DTypeError for operands that are not floats. */
export const logistic: UnaryOp = unaryOp(logisticP);

// --- powers and roots ---------------------------------------------------------------------------------------------------------

/** The derivative of xʸ by x: y xʸ⁻¹, and 0 where an integer y is 0. */
function powByBase(t: Value, x: Value, y: Value): Value {
  if (!isInteger(y.dtype)) return mul(t, mul(y, pow(x, sub(y, 1))));
  const isZero = eq(y, 0);
  const safe = sub(select(isZero, onesLike(y), y), 1);
  const slope = mul(convertElementType(y, x.dtype), pow(x, safe));
  return mul(t, select(spread(isZero, slope.shape), zerosLike(slope), slope));
}

/** The derivative of xʸ = z by y: log x · z, with log 0 taken as 0. */
const powByExponent = (t: Value, x: Value, z: Value): Value =>
  mul(t, mul(log(select(eq(x, 0), onesLike(x), x)), z));

/** `pow`: d xʸ = y xʸ⁻¹ dx + log x · xʸ dy. The exponent may be an integer array. */
export const powP: Primitive<None> = binary(
  'pow',
  (x, y, z) => [(t) => powByBase(t, x, y), (t) => powByExponent(t, x, z)],
  {
    mixesDTypes: true,
    lower: (b, [x, y]) =>
      b.scalar('pow', x, y.type.dtype === x.type.dtype ? y : b.convert(y, x.type.dtype)),
  },
);
/** `sqrt`: d √x = dx / (2 √x). */
export const sqrtP: Primitive<None> = unary(
  'sqrt',
  (x, y) => (t) => mul(t, div(literalLike(0.5, x), y)),
);
/** `rsqrt`: d x^(-½) = -½ x^(-3/2) dx. */
export const rsqrtP: Primitive<None> = unary(
  'rsqrt',
  (x, y) => (t) => mul(t, mul(literalLike(-0.5, x), div(y, x))),
);
/** `cbrt`: d ∛x = dx / (3 (∛x)²). */
export const cbrtP: Primitive<None> = unary(
  'cbrt',
  (x, y) => (t) => mul(t, mul(literalLike(1 / 3, x), integerPow(y, -2))),
);

/**
 * x to the power y. The exponent may be an integer array beside a float base; a JavaScript number takes the dtype of the base.
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.pow(2, 0.5)); // → 1.4142135
 */
export function pow(x: ArrayLike, y: ArrayLike): Value {
  const [base, exponent] = operands('pow', x, y);
  return powP.bind1([base, exponent], none);
}
/** The square root; NaN below 0. @throws DTypeError for operands that are not floats. */
export const sqrt: UnaryOp = unaryOp(sqrtP);
/** 1 / √x. @throws DTypeError for operands that are not floats. */
export const rsqrt: UnaryOp = unaryOp(rsqrtP);
/** The cube root, of negative numbers too. @throws DTypeError for operands that are not floats. */
export const cbrt: UnaryOp = unaryOp(cbrtP);

// --- trigonometric and hyperbolic ---------------------------------------------------------------------------------------------

/** `sin`: d sin x = cos x dx. */
export const sinP: Primitive<None> = unary('sin', (x) => (t) => mul(t, cos(x)));
/** `cos`: d cos x = -sin x dx. */
export const cosP: Primitive<None> = unary('cos', (x) => (t) => neg(mul(t, sin(x))));
/** `tan`: d tan x = (1 + tan² x) dx. */
export const tanP: Primitive<None> = unary('tan', (_x, y) => (t) => mul(t, add(1, square(y))));
/** `asin`: d asin x = dx / √(1 - x²). */
export const asinP: Primitive<None> = unary('asin', (x) => (t) => mul(t, rsqrt(sub(1, square(x)))));
/** `acos`: d acos x = -dx / √(1 - x²). */
export const acosP: Primitive<None> = unary(
  'acos',
  (x) => (t) => mul(t, neg(rsqrt(sub(1, square(x))))),
);
/** `atan`: d atan x = dx / (1 + x²). */
export const atanP: Primitive<None> = unary('atan', (x) => (t) => div(t, add(1, square(x))));
/** `atan2`: d atan2(x, y) = (y dx - x dy) / (x² + y²). */
export const atan2P: Primitive<None> = binary('atan2', (x, y) => [
  (t) => mul(t, div(y, add(square(x), square(y)))),
  (t) => mul(t, div(neg(x), add(square(x), square(y)))),
]);
/** `sinh`: d sinh x = cosh x dx. */
export const sinhP: Primitive<None> = unary('sinh', (x) => (t) => mul(t, cosh(x)));
/** `cosh`: d cosh x = sinh x dx. */
export const coshP: Primitive<None> = unary('cosh', (x) => (t) => mul(t, sinh(x)));
/** `tanh`: d tanh x = (1 - tanh² x) dx, as (dx + dx y) (1 - y), which keeps its digits near ±1. */
export const tanhP: Primitive<None> = unary(
  'tanh',
  (_x, y) => (t) => mul(add(t, mul(t, y)), sub(1, y)),
);
/** `asinh`: d asinh x = dx / √(x² + 1). */
export const asinhP: Primitive<None> = unary(
  'asinh',
  (x) => (t) => mul(t, rsqrt(add(square(x), 1))),
);
/** `acosh`: d acosh x = dx / √((x - 1) (x + 1)). */
export const acoshP: Primitive<None> = unary(
  'acosh',
  (x) => (t) => mul(t, rsqrt(mul(sub(x, 1), add(x, 1)))),
);
/** `atanh`: d atanh x = dx / ((1 + x) (1 - x)). */
export const atanhP: Primitive<None> = unary(
  'atanh',
  (x) => (t) => mul(integerPow(add(1, x), -1), div(t, sub(1, x))),
);

/**
 * The sine, of radians.
 *
 * @throws DTypeError for operands that are not floats.
 * @example
 * String(lax.sin(0)); // → 0.0
 */
export const sin: UnaryOp = unaryOp(sinP);
/** The cosine, of radians. @throws DTypeError for operands that are not floats. */
export const cos: UnaryOp = unaryOp(cosP);
/** The tangent, of radians. @throws DTypeError for operands that are not floats. */
export const tan: UnaryOp = unaryOp(tanP);
/** The inverse sine, in radians. @throws DTypeError for operands that are not floats. */
export const asin: UnaryOp = unaryOp(asinP);
/** The inverse cosine, in radians. @throws DTypeError for operands that are not floats. */
export const acos: UnaryOp = unaryOp(acosP);
/** The inverse tangent, in radians. @throws DTypeError for operands that are not floats. */
export const atan: UnaryOp = unaryOp(atanP);
/** The angle of the point (y, x) from the x axis: `atan2(y, x)`, in (-π, π]. @throws ShapeError or DTypeError when the operands do not fit. */
export const atan2: BinaryOp = binaryOp(atan2P);
/** The hyperbolic sine. @throws DTypeError for operands that are not floats. */
export const sinh: UnaryOp = unaryOp(sinhP);
/** The hyperbolic cosine. @throws DTypeError for operands that are not floats. */
export const cosh: UnaryOp = unaryOp(coshP);
/** The hyperbolic tangent. @throws DTypeError for operands that are not floats. */
export const tanh: UnaryOp = unaryOp(tanhP);
/** The inverse hyperbolic sine. @throws DTypeError for operands that are not floats. */
export const asinh: UnaryOp = unaryOp(asinhP);
/** The inverse hyperbolic cosine. @throws DTypeError for operands that are not floats. */
export const acosh: UnaryOp = unaryOp(acoshP);
/** The inverse hyperbolic tangent. @throws DTypeError for operands that are not floats. */
export const atanh: UnaryOp = unaryOp(atanhP);

// --- error functions ----------------------------------------------------------------------------------------------------------

const twoOverSqrtPi = 2 / Math.sqrt(Math.PI);

/** The density 2/√π · e^(-x²). */
const density = (x: Value): Value => mul(literalLike(twoOverSqrtPi, x), exp(neg(square(x))));

/** `erf`: d erf x = 2/√π · e^(-x²) dx. */
export const erfP: Primitive<None> = unary('erf', (x) => (t) => mul(t, density(x)));
/** `erfc`: d erfc x = -2/√π · e^(-x²) dx. */
export const erfcP: Primitive<None> = unary('erfc', (x) => (t) => mul(t, neg(density(x))));
/** `erf_inv`: d erf⁻¹ x = √π/2 · e^(y²) dx. */
export const erfInvP: Primitive<None> = unary(
  'erf_inv',
  (x, y) => (t) => mul(t, mul(literalLike(1 / twoOverSqrtPi, x), exp(square(y)))),
);

/**
 * The error function.
 *
 * @throws DTypeError for operands that are not floats.
 * @example
 * String(lax.erf(0)); // → 0.0
 */
export const erf: UnaryOp = unaryOp(erfP);
/** 1 - erf x, accurate for large x. @throws DTypeError for operands that are not floats. */
export const erfc: UnaryOp = unaryOp(erfcP);
/** The inverse of the error function; ±∞ at ±1. @throws DTypeError for operands that are not floats. */
export const erfInv: UnaryOp = unaryOp(erfInvP);
