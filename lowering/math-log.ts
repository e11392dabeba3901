/**
 * log and its kin on f32. x = m·2ᵉ with √½ ≤ m < √2, found in the bits; then log(1 + f) = f − f²/2 + f³·P(f) with a minimax P of our own.
 */
import { infinityBits, type MathWriter } from './math-writer.ts';
import type { Tile } from './tile/ir.ts';

/** log(1 + f) = f − f²/2 + f³·P(f) for √½ ≤ 1 + f < √2, to 2⁻³⁰. */
const logP = [
  0.067491546, -0.11670007, 0.1188354, -0.12406241, 0.1422036, -0.16667989, 0.20002072, -0.2500001,
  0.33333313,
];
const ln2 = 0.6931471805599453;
const ln2High = 0.693359375;
const ln2Low = -0.00021219444005469057;
/** log₂ e − 1 */
const log2eRest = 0.4426950408889634;
const smallestNormal = 2 ** -126;
const sqrtHalfBits = 0x3f3504f3;
const oneBits = 0x3f800000;

/** x = m·2ᵉ with √½ ≤ m < √2, for normal positive x, as f32 values. */
export function split(m: MathWriter, x: Tile): { m: Tile; e: Tile } {
  const shifted = m.add(m.bits(x), oneBits - sqrtHalfBits);
  const e = m.sub(m.shr(shifted, 23), 127);
  return { m: m.float(m.add(m.and(shifted, 0x7fffff), sqrtHalfBits)), e };
}

/** log(1 + f) as its high and its low part. */
function logFraction(m: MathWriter, f: Tile): { high: Tile; low: Tile } {
  const square = m.mul(f, f);
  const low = m.mad(square, -0.5, m.mul(m.mul(f, square), m.poly(f, logP)));
  return { high: f, low };
}

/** e·ln 2 + log(1 + f) */
function logSum(m: MathWriter, e: Tile, f: Tile): Tile {
  const { high, low } = logFraction(m, f);
  if (!m.strict) return m.add(m.mul(e, ln2), m.add(low, high));
  return m.add(m.mad(e, ln2High, high), m.mad(e, ln2Low, low));
}

/** Positive finite x, subnormal or not, as m·2ᵉ. */
function splitAny(m: MathWriter, x: Tile): { f: Tile; e: Tile } {
  const isSmall = m.compare('lt', x, smallestNormal);
  const normal = m.select(isSmall, m.mul(x, 2 ** 23), x);
  const parts = split(m, normal);
  const e = m.toFloat(m.sub(parts.e, m.select(isSmall, m.constant(23, 'i32'), 0)));
  return { f: m.sub(parts.m, 1), e };
}

/** A logarithm's result with its special values: −∞ at 0, NaN below, +∞ at +∞. */
function withPoles(m: MathWriter, result: Tile, x: Tile): Tile {
  const negative = m.select(m.compare('eq', x, 0), m.neg(m.infinity), m.nan);
  if (m.nanBits) {
    const isPositive = m.compare('gt', x, 0);
    const isInfinite = m.compare('eq', m.bits(x), infinityBits);
    return m.keepNaN(m.select(isInfinite, m.infinity, m.select(isPositive, result, negative)), x);
  }
  // x itself where it is +∞ or NaN: neither is below infinity.
  const upper = m.select(m.compare('lt', x, Infinity), result, x);
  return m.select(m.compare('gt', x, 0), upper, negative);
}

/** log x */
export function log(m: MathWriter, x: Tile): Tile {
  const { f, e } = splitAny(m, x);
  return withPoles(m, logSum(m, e, f), x);
}

/** log₂ x = e + y + (log₂ e − 1)·y, exact at powers of two */
export function log2(m: MathWriter, x: Tile): Tile {
  const { f, e } = splitAny(m, x);
  const { high, low } = logFraction(m, f);
  const y = m.add(high, low);
  return withPoles(m, m.add(e, m.mad(y, log2eRest, y)), x);
}

/** log(1 + x) for x > −1, with f = (x − (2ᵉ − 1))·2⁻ᵉ so that no digit of x is lost */
function log1pCore(m: MathWriter, x: Tile): Tile {
  const parts = split(m, m.add(x, 1));
  // Past 2²⁵ the 1 no longer matters and 2ᵉ − 1 would be 2ᵉ.
  const isLarge = m.compare('gt', parts.e, 25);
  const e = m.select(isLarge, m.constant(0, 'i32'), parts.e);
  const exact = m.mul(m.sub(x, m.sub(m.pow2(e), 1)), m.pow2(m.neg(e)));
  const f = m.select(isLarge, m.sub(parts.m, 1), exact);
  return logSum(m, m.toFloat(parts.e), f);
}

/** log1p x */
export function log1p(m: MathWriter, x: Tile): Tile {
  const result = log1pCore(m, x);
  const negative = m.select(m.compare('eq', x, -1), m.neg(m.infinity), m.nan);
  const inside = m.select(m.compare('gt', x, -1), result, negative);
  if (m.nanBits) {
    const isInfinite = m.compare('eq', m.bits(x), infinityBits);
    return m.keepNaN(m.keepZero(m.select(isInfinite, m.infinity, inside), x), x);
  }
  return m.keepZero(m.select(m.compare('eq', x, Infinity), x, inside), x);
}

/** asinh x = log1p(a + a²/(1 + √(a² + 1))), a = |x|; for large a it is log a + ln 2 */
export function asinh(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const isLarge = m.compare('gt', a, 2 ** 24);
  const square = m.mul(a, a);
  const inner = m.add(a, m.div(square, m.add(m.sqrt(m.add(square, 1)), 1)));
  const result = m.add(
    log1pCore(m, m.select(isLarge, a, inner)),
    m.select(isLarge, m.constant(ln2), 0),
  );
  const finite = m.nanBits
    ? m.select(m.isInfinite(x), m.infinity, result)
    : m.select(m.compare('lt', a, Infinity), result, a);
  return m.keepNaN(m.withSign(finite, m.signOf(x)), x);
}

/** acosh x = log1p(t + √(t·(t + 2))), t = x − 1; for large x it is log x + ln 2 */
export function acosh(m: MathWriter, x: Tile): Tile {
  const isLarge = m.compare('gt', x, 2 ** 24);
  const t = m.sub(x, 1);
  const inner = m.add(t, m.sqrt(m.mul(t, m.add(t, 2))));
  const result = m.add(
    log1pCore(m, m.select(isLarge, x, inner)),
    m.select(isLarge, m.constant(ln2), 0),
  );
  const defined = m.select(m.compare('ge', x, 1), result, m.nan);
  const isInfinite = m.compare('eq', m.bits(x), infinityBits);
  return m.keepNaN(m.select(isInfinite, m.infinity, defined), x);
}

/** atanh x = ½·log1p(2a/(1 − a)), a = |x| */
export function atanh(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const inner = m.mul(log1pCore(m, m.div(m.mul(a, 2), m.sub(1, a))), 0.5);
  const outside = m.select(m.compare('eq', a, 1), m.infinity, m.nan);
  const result = m.select(m.compare('lt', a, 1), inner, outside);
  return m.keepNaN(m.withSign(result, m.signOf(x)), x);
}

/** 1/√x */
export function rsqrt(m: MathWriter, x: Tile): Tile {
  if (!m.nanBits) return m.div(1, m.sqrt(x));
  const pole = m.float(m.or(m.signOf(x), infinityBits));
  const inside = m.select(
    m.compare('eq', x, 0),
    pole,
    m.select(m.compare('lt', x, 0), m.nan, m.div(1, m.sqrt(x))),
  );
  return m.keepNaN(m.select(m.compare('eq', m.bits(x), infinityBits), 0, inside), x);
}

/** ∛x: a third of the bits, then two steps of Halley's method, t·(t³ + 2x)/(2t³ + x) */
export function cbrt(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  // Moved away from subnormals and overflow.
  const isSmall = m.compare('lt', a, 1);
  const normal = m.mul(a, m.select(isSmall, m.constant(2 ** 48), 2 ** -48));
  // The bits of a positive float grow like its logarithm; 709958130 is what a third leaves missing of the bias.
  let t = m.float(m.add(m.toInt(m.mul(m.toFloat(m.bits(normal)), 1 / 3)), 709958130));
  for (let step = 0; step < 2; step++) {
    const cube = m.mul(m.mul(t, t), t);
    const slope = m.add(m.add(cube, cube), normal);
    t = m.sub(t, m.mul(t, m.div(m.sub(cube, normal), slope)));
  }
  const scaled = m.mul(t, m.select(isSmall, m.constant(2 ** -16), 2 ** 16));
  // ±0, ±∞ and NaN are their own cube roots.
  const isPlain = m.compare('lt', m.magnitude(x), infinityBits);
  const isOwn = m.compare('eq', x, 0);
  return m.select(isOwn, x, m.select(isPlain, m.withSign(scaled, m.signOf(x)), x));
}
