/**
 * pow on f32 and on integers. xʸ = 2^(y·log₂ x) with log₂ x in two floats: products that must be exact are of halves with 12 bits, cut by masks, so
 * that neither fused multiply-add nor the order of sums is relied on.
 */
import { dtypeInfo } from '../core/dtype.ts';
import { exp2Fraction } from './math-exp.ts';
import { split } from './math-log.ts';
import { infinityBits, type MathWriter } from './math-writer.ts';
import type { TileBuilder } from './tile/build.ts';
import type { Tile } from './tile/ir.ts';

/** log₂(m/c) = K·s + K·s³·… with s = (m − c)/(m + c), |s| < 0.063: what is past K·s is s·s²·P(s²), to 2⁻⁴⁰. */
const logP = [0.4152398, 0.57706934, 0.9617967];
/** K = 2/ln 2 in 12 bits, and the rest. */
const scaleHigh = 2.884765625;
const scaleLow = 0.000624456777926774;
/** Points c near which m lies, where each begins, and log₂ c in 12 bits and the rest. */
const low = { c: 0.796875, end: 0.8927, high: -0.32763671875, low: 6.206072149558971e-5 };
const up = { c: 1.25, begin: 1.118, high: 0.32177734375, low: 0.00015075113736234786 };
const smallestNormal = 2 ** -126;

/** log₂ a for positive a as a part of 12 bits and the rest. */
function logParts(m: MathWriter, a: Tile): { high: Tile; low: Tile } {
  const isSmall = m.compare('lt', a, smallestNormal);
  const parts = split(m, m.select(isSmall, m.mul(a, 2 ** 23), a));
  const e = m.toFloat(m.sub(parts.e, m.select(isSmall, m.constant(23, 'i32'), 0)));
  const [isLow, isUp] = [m.compare('lt', parts.m, low.end), m.compare('gt', parts.m, up.begin)];
  const near = (below: number, middle: number, above: number): Tile =>
    m.select(isLow, below, m.select(isUp, m.constant(above), middle));
  const c = near(low.c, 1, up.c);
  const f = m.sub(parts.m, c);
  const bottom = m.add(parts.m, c);
  const s = m.div(f, bottom);
  const sHigh = m.upper(s);
  // s − sHigh = (f − sHigh·(f + 2c))/(f + 2c), with f in two parts so that each product is exact
  const fHigh = m.upper(f);
  const rest = m.sub(m.sub(f, m.mul(sHigh, m.add(c, c))), m.mul(sHigh, fHigh));
  const sLow = m.div(m.sub(rest, m.mul(sHigh, m.sub(f, fHigh))), bottom);
  const square = m.mul(s, s);
  const series = m.mul(m.mul(m.poly(square, logP), square), s);
  const whole = m.add(e, near(low.high, 0, up.high));
  const first = m.mul(sHigh, scaleHigh);
  const last = m.add(
    m.add(m.mad(sLow, scaleHigh, m.mul(s, scaleLow)), series),
    near(low.low, 0, up.low),
  );
  const high = m.upper(m.add(whole, m.add(first, last)));
  return { high, low: m.add(m.add(m.sub(whole, high), first), last) };
}

/** aʸ for positive finite a and |y| ≤ 2⁶⁰ */
function powPositive(m: MathWriter, a: Tile, y: Tile): Tile {
  const { high, low } = logParts(m, a);
  const yHigh = m.upper(y);
  const large = m.mul(yHigh, high);
  const small = m.add(m.mul(m.sub(y, yHigh), high), m.mul(y, low));
  const whole = m.clamp(-160, m.add(large, small), 160);
  const n = m.round(whole);
  const inRange = m.compare('lt', m.abs(whole), 159);
  const r = m.select(inRange, m.add(m.sub(large, n.float), small), 0);
  const bounded = m.call('clamp', m.constant(-152, 'i32'), n.int, m.constant(129, 'i32'));
  return m.scale(exp2Fraction(m, r), bounded);
}

/** pow(x, y) on f32, with the special cases of IEEE 754 */
export function pow(m: MathWriter, x: Tile, y: Tile): Tile {
  const a = m.abs(x);
  const isBelow = m.compare('lt', y, 0);
  const isZero = m.compare('eq', a, 0);
  const isInfinite = m.compare('eq', m.bits(a), infinityBits);
  const power = powPositive(
    m,
    m.select(m.or(isZero, isInfinite), 1, a),
    m.clamp(-(2 ** 60), y, 2 ** 60),
  );
  const atZero = m.select(isBelow, m.infinity, 0);
  const atInfinity = m.select(isBelow, 0, m.infinity);
  const magnitude = m.select(isZero, atZero, m.select(isInfinite, atInfinity, power));
  const isInteger = m.compare('eq', m.call('floor', y), y);
  const half = m.mul(y, 0.5);
  const isOdd = m.and(isInteger, m.compare('ne', m.call('floor', half), half));
  const signed = m.select(isOdd, m.withSign(magnitude, m.signOf(x)), magnitude);
  const isUndefined = m.and(
    m.compare('lt', x, 0),
    m.and(m.call('not', isInteger), m.call('not', isInfinite)),
  );
  const result = m.select(m.or(isUndefined, m.or(m.isNaN(x), m.isNaN(y))), m.nan, signed);
  return m.select(m.or(m.compare('eq', y, 0), m.compare('eq', x, 1)), 1, result);
}

/** pow on integers by squaring: wraps; 0 for negative exponents of anything but ±1 */
export function powInteger(b: TileBuilder, x: Tile, y: Tile): Tile {
  const { dtype, shape } = x.type;
  const { bits, kind } = dtypeInfo[dtype];
  const constant = (value: number): Tile => b.constant(value, dtype, shape);
  const [zero, one] = [constant(0), constant(1)];
  let result = one;
  let power = x;
  for (let i = 0; i < bits - (kind === 'int' ? 1 : 0); i++) {
    const bit = b.scalar('and', b.scalar('shiftRightLogical', y, constant(i)), one);
    result = b.select(b.compare('ne', bit, zero), b.scalar('mul', result, power), result);
    power = b.scalar('mul', power, power);
  }
  if (kind === 'uint') return result;
  const isOdd = b.compare('ne', b.scalar('and', y, one), zero);
  const minus = constant(-1);
  const ofMinus = b.select(isOdd, minus, one);
  const reciprocal = b.select(
    b.compare('eq', x, one),
    one,
    b.select(b.compare('eq', x, minus), ofMinus, zero),
  );
  return b.select(b.compare('lt', y, zero), reciprocal, result);
}
