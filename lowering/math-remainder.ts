/**
 * The remainder of a division and the next float. The float remainder is exact: in floats while the quotient is small, else digit by digit
 * of the quotient in 32-bit integers, 22 bits at a time, behind a select that emitters may turn into a branch.
 */
import { infinityBits, type MathWriter } from './math-writer.ts';
import type { TileBuilder } from './tile/build.ts';
import type { Tile } from './tile/ir.ts';

/** Exponents of floats differ by at most 253 < 12 · 22. */
const digitSteps = 12;
const digitBits = 22;
const largest = 3.4028234663852886e38;

/** The remainder of integers: x − (x / y)·y, which is x where y is 0 */
export function remInteger(b: TileBuilder, x: Tile, y: Tile): Tile {
  return b.scalar('sub', x, b.scalar('mul', b.scalar('div', x, y), y));
}

/** |x| rem |y| for a quotient below 2¹⁰ (2²² with fused multiply-add): exact, as every step is. */
function remSmall(m: MathWriter, a: Tile, d: Tile): Tile {
  const q = m.select(m.compare('lt', a, d), 0, m.call('roundNearestEven', m.div(a, d)));
  // An infinite divisor only meets q = 0.
  const bounded = m.call('min', d, largest);
  const upper = m.upper(bounded);
  const r = m.fma
    ? m.call('fma', m.neg(q), bounded, a)
    : m.sub(m.sub(a, m.mul(q, upper)), m.mul(q, m.sub(bounded, upper)));
  return m.select(m.compare('lt', r, 0), m.add(r, bounded), r);
}

/** The significand as an integer, and the exponent of its unit. */
function integerParts(m: MathWriter, a: Tile): { significand: Tile; exponent: Tile } {
  const bits = m.bits(a);
  const biased = m.shr(bits, 23);
  const isNormal = m.compare('gt', biased, 0);
  const significand = m.or(
    m.and(bits, 0x7fffff),
    m.select(isNormal, m.constant(0x800000, 'i32'), 0),
  );
  return { significand, exponent: m.call('max', biased, 1) };
}

/** |x| rem |y| for any quotient. */
function remLarge(m: MathWriter, a: Tile, d: Tile): Tile {
  const [x, y] = [integerParts(m, a), integerParts(m, d)];
  const divisor = y.significand;
  const bottom = m.toFloat(divisor);
  let left = m.sub(x.exponent, y.exponent);
  let r = x.significand;
  for (let step = 0; step <= digitSteps; step++) {
    const count = step === 0 ? m.constant(0, 'i32') : m.call('min', left, digitBits);
    left = m.sub(left, count);
    const power = m.pow2(count);
    // The quotient's digits are right to within ¾, and products wrap: the difference is exact.
    const q = m.toInt(m.call('roundNearestEven', m.mul(m.div(m.toFloat(r), bottom), power)));
    r = m.sub(m.mul(r, m.toInt(power)), m.mul(q, divisor));
    r = m.select(m.compare('lt', r, 0), m.add(r, divisor), r);
  }
  return m.mul(m.toFloat(r), m.div(d, bottom));
}

/** The remainder of floats, with the sign of x; NaN for y = 0 and for infinite x */
export function rem(m: MathWriter, x: Tile, y: Tile): Tile {
  const d = m.abs(y);
  const isUndefined = m.or(m.compare('eq', d, 0), m.compare('ge', m.magnitude(x), infinityBits));
  // Where NaN passes through arithmetic it goes in, so that no select hides the two ways from emitters.
  const a = m.nanBits ? m.abs(x) : m.select(isUndefined, m.nan, m.abs(x));
  const isFar = m.compare('gt', m.div(a, d), m.fma ? 2 ** 22 : 2 ** 10);
  // Without fused multiply-add the product of a quotient rounded up could overflow.
  const isLarge = m.fma
    ? isFar
    : m.or(isFar, m.and(m.compare('gt', d, 2 ** 100), m.compare('ge', a, d)));
  const result = m.withSign(m.select(isLarge, remLarge(m, a, d), remSmall(m, a, d)), m.signOf(x));
  return m.nanBits ? m.select(m.or(isUndefined, m.isNaN(y)), m.nan, result) : result;
}

/** The next float from x towards y */
export function nextAfter(m: MathWriter, x: Tile, y: Tile): Tile {
  const bits = m.bits(x);
  const isAway = m.compare('eq', m.compare('lt', x, y), m.compare('gt', x, 0));
  const moved = m.float(m.add(bits, m.select(isAway, m.constant(1, 'i32'), -1)));
  const fromZero = m.float(m.or(m.signOf(y), 1));
  const stepped = m.select(m.compare('eq', x, 0), fromZero, moved);
  const result = m.select(m.compare('eq', x, y), y, stepped);
  return m.select(m.or(m.isNaN(x), m.isNaN(y)), m.nan, result);
}
