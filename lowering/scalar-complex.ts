/**
 * Scalar functions on complex numbers in double precision, by their real formulas. Branch cuts and special values follow Kahan,
 * "Branch cuts for complex elementary functions" (1987); comparisons order by real part, then imaginary part, as JAX does.
 */
import type { BinaryFn, CompareFn, UnaryFn } from './scalar.ts';
import { logistic } from './scalar-real.ts';
import { signedZero } from './scalar-round.ts';

/** A complex number. */
export type Complex = readonly [re: number, im: number];
/** A function on complex numbers; comparisons give 0 or 1, `abs` gives a real number. */
export type ComplexFn = (x: Complex, y: Complex) => Complex | number;

/** The scalar functions that complex numbers have. */
export type ComplexName =
  | Exclude<
      UnaryFn,
      | 'floor'
      | 'ceil'
      | 'trunc'
      | 'roundNearestAfz'
      | 'roundNearestEven'
      | 'cbrt'
      | 'erf'
      | 'erfc'
      | 'erfInv'
      | 'not'
      | 'popcnt'
      | 'clz'
      | 'isFinite'
    >
  | Extract<BinaryFn, 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'atan2' | 'max' | 'min'>
  | CompareFn;

const add = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];
const sub = ([a, b]: Complex, [c, d]: Complex): Complex => [a - c, b - d];
const mul = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const scale = ([a, b]: Complex, s: number): Complex => [a * s, b * s];
const timesI = ([a, b]: Complex): Complex => [-b, a];
const overI = ([a, b]: Complex): Complex => [b, -a];

/** Smith's division; a zero divisor gives infinities or NaN part by part. */
function div([a, b]: Complex, [c, d]: Complex): Complex {
  if (c === 0 && d === 0) return [a / Math.abs(c), b / Math.abs(c)];
  if (Math.abs(c) >= Math.abs(d)) {
    if (!Number.isFinite(c) && Number.isFinite(d))
      return Number.isFinite(a) && Number.isFinite(b)
        ? [signedZero(a), signedZero(b)]
        : [a / c, b / c];
    const r = d / c;
    const s = 1 / (c + d * r);
    return [(a + b * r) * s, (b - a * r) * s];
  }
  const r = c / d;
  const s = 1 / (c * r + d);
  return [(a * r + b) * s, (b * r - a) * s];
}

function exp([a, b]: Complex): Complex {
  if (b === 0) return [Math.exp(a), b];
  if (a === -Infinity && !Number.isFinite(b)) return [0, 0];
  if (a === Infinity && !Number.isFinite(b)) return [Infinity, NaN];
  // Two factors, so that e^a may overflow while the product does not.
  const half = Math.exp(a / 2);
  return a > 709
    ? [half * Math.cos(b) * half, half * Math.sin(b) * half]
    : [Math.exp(a) * Math.cos(b), Math.exp(a) * Math.sin(b)];
}

/** log|z|, accurate near |z| = 1. */
function logAbs(a: number, b: number): number {
  const [small, large] =
    Math.abs(a) < Math.abs(b) ? [Math.abs(a), Math.abs(b)] : [Math.abs(b), Math.abs(a)];
  if (large === Infinity) return Infinity;
  if (large > 0.5 && large < 2) return Math.log1p((large - 1) * (large + 1) + small * small) / 2;
  return Math.log(large) + (large === 0 ? 0 : Math.log1p((small / large) ** 2) / 2);
}

const log = ([a, b]: Complex): Complex => [logAbs(a, b), Math.atan2(b, a)];

/** log(1 + z), accurate for small z. */
function log1p([a, b]: Complex): Complex {
  const square = a * (2 + a) + b * b;
  const real = Math.abs(square) < 0.5 ? Math.log1p(square) / 2 : logAbs(1 + a, b);
  return [real, Math.atan2(b, 1 + a)];
}

/** e^z − 1 = (expm1(a)·cos b − 2·sin²(b/2)) + i·e^a·sin b. */
function expm1([a, b]: Complex): Complex {
  if (b === 0) return [Math.expm1(a), b];
  const s = Math.sin(b / 2);
  const real =
    Math.abs(a) < 1 ? Math.expm1(a) * Math.cos(b) - 2 * s * s : Math.exp(a) * Math.cos(b) - 1;
  return [real, Math.exp(a) * Math.sin(b)];
}

function sqrt([a, b]: Complex): Complex {
  if (a === 0 && b === 0) return [0, b];
  if (Math.abs(b) === Infinity) return [Infinity, b];
  if (a === Infinity) return [Infinity, Number.isNaN(b) ? b : b === 0 ? b : signedZero(b)];
  if (a === -Infinity)
    return [Number.isNaN(b) ? NaN : 0, Object.is(b, -0) || b < 0 ? -Infinity : Infinity];
  const t = Math.sqrt(Math.abs(a) / 2 + Math.hypot(a / 2, b / 2));
  if (a >= 0) return [t, b / (2 * t)];
  return [Math.abs(b) / (2 * t), Object.is(b, -0) || b < 0 ? -t : t];
}

const sinh = ([a, b]: Complex): Complex =>
  b === 0 ? [Math.sinh(a), b] : [Math.sinh(a) * Math.cos(b), Math.cosh(a) * Math.sin(b)];
const cosh = ([a, b]: Complex): Complex =>
  b === 0
    ? [Math.cosh(a), a * b === 0 ? Math.sign(a) * b : b]
    : [Math.cosh(a) * Math.cos(b), Math.sinh(a) * Math.sin(b)];

/** tanh z = (tanh a + i·tan b) / (1 + i·tanh a·tan b), in Kahan's form that does not overflow. */
function tanh([a, b]: Complex): Complex {
  if (Math.abs(a) > 22)
    return [
      Math.sign(a),
      Number.isFinite(b) ? 4 * Math.sin(b) * Math.cos(b) * Math.exp(-2 * Math.abs(a)) : 0,
    ];
  const t = Math.tan(b);
  const beta = 1 + t * t;
  const s = Math.sinh(a);
  const rho = Math.sqrt(1 + s * s);
  if (!Number.isFinite(t)) return [rho / s, 1 / t];
  const denominator = 1 + beta * s * s;
  return [(beta * rho * s) / denominator, t / denominator];
}

const asinh = (z: Complex): Complex => {
  // asinh z = log of (z + √(z² + 1)), in Kahan's form by the roots of 1 ± iz.
  const p = sqrt([1 + z[1], -z[0]]);
  const m = sqrt([1 - z[1], z[0]]);
  return [Math.asinh(p[0] * m[1] - p[1] * m[0]), Math.atan2(z[1], p[0] * m[0] - p[1] * m[1])];
};

function acos(z: Complex): Complex {
  const m = sqrt([1 - z[0], -z[1]]);
  const p = sqrt([1 + z[0], z[1]]);
  return [2 * Math.atan2(m[0], p[0]), Math.asinh(p[0] * m[1] - p[1] * m[0])];
}

function acosh(z: Complex): Complex {
  const m = sqrt([z[0] - 1, z[1]]);
  const p = sqrt([z[0] + 1, z[1]]);
  return [Math.asinh(m[0] * p[0] + m[1] * p[1]), 2 * Math.atan2(m[1], p[0])];
}

/** atanh z = ¼·log1p(4a/((1−a)² + b²)) + i/2·atan2(2b, (1−a)(1+a) − b²). */
function atanh([a, b]: Complex): Complex {
  if (!Number.isFinite(a) || !Number.isFinite(b))
    return [
      Object.is(a, -0) || a < 0 ? -0 : 0,
      (Object.is(b, -0) || b < 0 ? -1 : 1) * (Math.PI / 2),
    ];
  const size = Math.max(Math.abs(a), Math.abs(b));
  if (size > 1e150) {
    const inverse = div([1, 0], [a, b]);
    return [inverse[0], (Object.is(b, -0) || b < 0 ? -1 : 1) * (Math.PI / 2)];
  }
  const real =
    (Math.sign(a) * Math.log1p((4 * Math.abs(a)) / ((1 - Math.abs(a)) ** 2 + b * b))) / 4;
  return [real, Math.atan2(2 * b, (1 - a) * (1 + a) - b * b) / 2];
}

function pow(x: Complex, y: Complex): Complex {
  if (y[0] === 0 && y[1] === 0) return [1, 0];
  if (x[0] === 0 && x[1] === 0) return y[1] === 0 && y[0] > 0 ? [0, 0] : [NaN, NaN];
  const [r, theta] = log(x);
  // |x|^c · e^(−d·θ), with the power by its own function: a product of logs loses bits.
  const size = Math.hypot(x[0], x[1]) ** y[0] * Math.exp(-y[1] * theta);
  const angle = y[0] * theta + y[1] * r;
  return [size * Math.cos(angle), angle === 0 ? angle : size * Math.sin(angle)];
}

function sign(z: Complex): Complex {
  if (z[0] === 0 && z[1] === 0) return z;
  const size = Math.hypot(z[0], z[1]);
  return Number.isNaN(z[0]) || Number.isNaN(z[1]) ? [NaN, NaN] : [z[0] / size, z[1] / size];
}

const rsqrt = (z: Complex): Complex => div([1, 0], sqrt(z));

function complexLogistic(z: Complex): Complex {
  if (z[1] === 0) return [logistic(z[0]), z[1]];
  const e = exp([-Math.abs(z[0]), z[0] >= 0 ? -z[1] : z[1]]);
  return z[0] >= 0 ? div([1, 0], [1 + e[0], e[1]]) : div(e, [1 + e[0], e[1]]);
}

const less = (x: Complex, y: Complex): boolean => (x[0] === y[0] ? x[1] < y[1] : x[0] < y[0]);
const equal = (x: Complex, y: Complex): boolean => x[0] === y[0] && x[1] === y[1];
const hasNaN = (x: Complex): boolean => Number.isNaN(x[0]) || Number.isNaN(x[1]);

/** The functions of the complex dtypes. */
export const complexTable: Readonly<Record<ComplexName, ComplexFn>> = {
  neg: ([a, b]) => [-a, -b],
  abs: ([a, b]) =>
    Math.abs(a) === Infinity || Math.abs(b) === Infinity ? Infinity : Math.hypot(a, b),
  sign,
  exp,
  exp2: (z) => exp(scale(z, Math.LN2)),
  expm1,
  log,
  log2: (z) => scale(log(z), Math.LOG2E),
  log1p,
  sin: (z) => overI(sinh(timesI(z))),
  cos: (z) => cosh(timesI(z)),
  tan: (z) => overI(tanh(timesI(z))),
  asin: (z) => overI(asinh(timesI(z))),
  acos,
  atan: (z) => overI(atanh(timesI(z))),
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  sqrt,
  rsqrt,
  logistic: complexLogistic,
  add,
  sub,
  mul,
  div,
  pow,
  // −i · log((x + iy) / √(x² + y²))
  atan2: (y, x) => overI(log(div(add(x, timesI(y)), sqrt(add(mul(x, x), mul(y, y)))))),
  max: (x, y) => (hasNaN(x) ? x : hasNaN(y) ? y : less(x, y) ? y : x),
  min: (x, y) => (hasNaN(x) ? x : hasNaN(y) ? y : less(y, x) ? y : x),
  eq: (x, y) => Number(equal(x, y)),
  ne: (x, y) => Number(!equal(x, y)),
  lt: (x, y) => Number(less(x, y)),
  le: (x, y) => Number(less(x, y) || equal(x, y)),
  gt: (x, y) => Number(less(y, x)),
  ge: (x, y) => Number(less(y, x) || equal(x, y)),
};
