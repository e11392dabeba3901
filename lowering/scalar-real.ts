/**
 * Scalar functions on real numbers in double precision, where JavaScript has none or another one than IEEE and XLA want.
 * Sources: Abramowitz and Stegun 7.1.6 (series of erf) and 7.1.14 (continued fraction of erfc); Newton–Halley steps for the inverse;
 * C99 annex F for the special cases of pow.
 */
import { exponentOf } from './scalar-round.ts';

const twoOverSqrtPi = 2 / Math.sqrt(Math.PI);

/** `e^(−x²)` without the error that rounding x² would bring. */
export function expMinusSquare(x: number): number {
  const high = Math.fround(x);
  return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
}

/** Below this erf is its power series, above it 1 − erfc. */
const seriesLimit = 0.85;

/** 1 / (n!·(2n+1)) with alternating signs. */
const coefficients: readonly number[] = Array.from({ length: 21 }, (_, n) => {
  let factorial = 1;
  for (let k = 2; k <= n; k++) factorial *= k;
  return (n % 2 === 0 ? 1 : -1) / (factorial * (2 * n + 1));
});

/** erf(x) for small |x|: 2/√π · Σ (−1)ⁿ x^(2n+1) / (n!·(2n+1)), from the smallest term. */
function erfSeries(x: number): number {
  const sum = coefficients.reduceRight((rest, c) => c + x * x * rest, 0);
  return twoOverSqrtPi * x * sum;
}

/** erfc(x) for x ≥ 0.85: e^(−x²)/√π · 1/(x + ½/(x + 1/(x + 3/2/(x + …)))), evaluated from the far end. */
function erfcFraction(x: number): number {
  let tail = x;
  for (let k = Math.ceil(220 / (x * x)) + 20; k > 0; k--) tail = x + k / 2 / tail;
  return expMinusSquare(x) / Math.sqrt(Math.PI) / tail;
}

/** The error function. */
export function erf(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x;
  const magnitude = Math.abs(x);
  if (magnitude > 6) return Math.sign(x);
  return magnitude <= seriesLimit ? erfSeries(x) : Math.sign(x) * (1 - erfcFraction(magnitude));
}

/** 1 − erf(x), accurate where erf is near 1. */
export function erfc(x: number): number {
  if (x < seriesLimit || Number.isNaN(x)) return 1 - erf(x);
  return x > 27.3 ? 0 : erfcFraction(x);
}

/** The inverse of erf. */
export function erfInv(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x;
  const magnitude = Math.abs(x);
  if (magnitude >= 1) return magnitude > 1 ? NaN : x * Infinity;
  // Winitzki's approximation as the start.
  const log = Math.log1p(-magnitude * magnitude);
  const a = 2 / (Math.PI * 0.147) + log / 2;
  let y = Math.sqrt(Math.sqrt(a * a - log / 0.147) - a);
  if (magnitude < 1e-6) y = magnitude / twoOverSqrtPi;
  for (let step = 0; step < 4; step++) {
    const error = magnitude > 0.5 ? 1 - magnitude - erfc(y) : erf(y) - magnitude;
    const newton = error / (twoOverSqrtPi * expMinusSquare(y));
    y -= newton / (1 + y * newton);
  }
  return Math.sign(x) * y;
}

/** `x^y` with C's special cases: pow(1, anything) = 1 and pow(−1, ±∞) = 1. */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return x ** y;
}

/** 1/(1 + e^(−x)), without overflow. */
export function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** Round to the nearest integer, ties away from zero. */
export function roundAwayFromZero(x: number): number {
  const whole = Math.trunc(x);
  return Math.abs(x - whole) >= 0.5 ? whole + Math.sign(x) : whole;
}

/** The next number of a format after `x` towards `y`. */
export function nextAfter(x: number, y: number, minExponent: number, mantissaBits: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  if (x === y) return y;
  if (x === 0) return Math.sign(y) * 2 ** (minExponent - mantissaBits);
  const largest = (2 - 2 ** -mantissaBits) * 2 ** (1 - minExponent);
  const magnitude = Math.abs(x);
  const grows = y > x === x > 0;
  if (magnitude === Infinity) return Math.sign(x) * largest;
  if (grows && magnitude === largest) return Math.sign(x) * Infinity;
  const exponent = exponentOf(magnitude);
  // Below a power of two the numbers lie twice as close.
  const isPower = magnitude === 2 ** exponent && exponent > minExponent;
  const unit = 2 ** (Math.max(exponent, minExponent) - mantissaBits);
  const next = grows ? magnitude + unit : magnitude - (isPower ? unit / 2 : unit);
  return Math.sign(x) * next;
}
