/**
 * exp and its kin on f32. Argument reduction x = n·ln 2 + r with |r| ≤ ½ ln 2 after Cody and Waite; minimax polynomials of our own (Remez weights by
 * Lawson iteration, coefficients rounded one after the other).
 */
import type { MathWriter } from './math-writer.ts';
import type { Tile } from './tile/ir.ts';
import { isNonPositive } from './tile/order.ts';

const log2e = 1.4426950408889634;
/** ln 2 in a part of 10 bits, whose product with |n| < 2¹⁴ is exact, and the rest. */
const ln2High = 0.693359375;
const ln2Low = -0.00021219444005469057;
/** ln 2 in a part of 15 bits and the rest. */
const ln2Upper = 0.693145751953125;
const ln2Rest = 1.4286068202862268e-6;

/** eʳ = 1 + r + r²·Q(r) on |r| ≤ 0.354, to 2⁻²⁸. */
const expQ = [0.0013820642, 0.008369828, 0.0416683, 0.16666512, 0.49999994];
/** The same relative to eʳ − 1, to 2⁻³¹. */
const expm1Q = [0.00019771315, 0.0013934125, 0.008333538, 0.041666478, 0.16666666, 0.5];
/** 2ʳ = 1 + r·Q(r) on |r| ≤ 0.505, to 2⁻²⁸. */
const exp2Q = [0.00015329236, 0.001339189, 0.009618503, 0.05550358, 0.24022648, 0.6931472];
/** sinh x = x + x³·P(x²) on |x| ≤ 1, to 2⁻³¹. */
const sinhP = [2.7822132e-6, 0.00019842896, 0.0083333105, 0.16666667];

/** eˣ as 2ⁿ · value with ½ < value < 2. */
export interface Parts {
  readonly value: Tile;
  readonly n: Tile;
}

/** r of x = n·ln 2 + r, perhaps in two parts. */
function remainder(m: MathWriter, x: Tile, n: Tile): { r: Tile; late: Tile | undefined } {
  if (m.strict) return { r: m.unmad(n, ln2Low, m.unmad(n, ln2High, x)), late: undefined };
  // A compiler that reassociates would add both parts of ln 2 before it multiplies: the small one is multiplied in at the end.
  return { r: m.sub(x, m.mul(n, ln2Upper)), late: m.mul(n, -ln2Rest) };
}

/** n and r of x = n·ln 2 + r. */
function reduce(m: MathWriter, x: Tile): { n: Tile; r: Tile; late: Tile | undefined } {
  const n = m.round(x, log2e);
  return { n: n.int, ...remainder(m, x, n.float) };
}

/** e^(x + low) as parts, for |x| < 2¹⁴ and small `low`. */
export function expParts(m: MathWriter, x: Tile, low?: Tile): Parts {
  const { n, r, late } = reduce(m, x);
  const s = low === undefined ? r : m.add(r, low);
  const square = m.mul(s, s);
  const value = m.add(m.mad(m.poly(s, expQ), square, s), 1);
  return { value: late === undefined ? value : withLate(m, value, late), n };
}

/** value · e^late, where e^late = 1 + late·(1 + late/2) to 2⁻³⁰, as |late| < 3e-4 */
const withLate = (m: MathWriter, value: Tile, late: Tile): Tile =>
  m.mad(m.mul(value, late), m.mad(late, 0.5, 1), value);

/** exp x */
export function exp(m: MathWriter, x: Tile): Tile {
  if (isNonPositive(x)) return expNonPositive(m, x);
  const { value, n } = expParts(m, m.clamp(-104, x, 89));
  return m.keepNaN(m.scale(value, n), x);
}

/** exp x for x ≤ 0: without overflow one power of two scales the whole range, if the polynomial leaves room below. */
function expNonPositive(m: MathWriter, x: Tile): Tile {
  const shift = 40;
  const bounded = m.call('max', x, -104);
  const { float, power } = m.roundToPower(bounded, log2e, shift);
  const { r, late } = remainder(m, bounded, float);
  const value = m.poly(
    r,
    [...expQ, 1, 1].map((c) => c * 2 ** -shift),
  );
  const whole = late === undefined ? value : withLate(m, value, late);
  return m.keepNaN(m.mul(whole, power), x);
}

/** 2ʳ for |r| ≤ 0.505 */
export const exp2Fraction = (m: MathWriter, r: Tile): Tile => m.mad(m.poly(r, exp2Q), r, 1);

/** exp2 x */
export function exp2(m: MathWriter, x: Tile): Tile {
  const bounded = m.clamp(-151, x, 129);
  const n = m.round(bounded);
  const value = exp2Fraction(m, m.sub(bounded, n.float));
  return m.keepNaN(m.scale(value, n.int), x);
}

/** eʳ − 1 for |r| ≤ 0.354, and n: the core of expm1 and tanh. */
function expm1Parts(m: MathWriter, x: Tile): Parts {
  const { n, r, late } = reduce(m, x);
  const square = m.mul(r, r);
  const value = m.mad(m.poly(r, expm1Q), square, r);
  // e^(r + late) − 1 = (eʳ − 1) + eʳ·(e^late − 1)
  if (late === undefined) return { value, n };
  return { value: m.mad(m.mad(value, late, late), m.mad(late, 0.5, 1), value), n };
}

/** expm1 x = 2·(h·(eʳ − 1) + (h − ½)) with h = 2ⁿ⁻¹ */
export function expm1(m: MathWriter, x: Tile): Tile {
  const { value, n } = expm1Parts(m, m.clamp(-18, x, 89));
  const h = m.float(m.add(m.shl(n, 23), 0x3f000000));
  const result = m.mul(m.mad(h, value, m.sub(h, 0.5)), 2);
  return m.keepNaN(m.keepZero(result, x), x);
}

/** sinh x = (eˣ − e⁻ˣ)/2; its own polynomial below 1 */
export function sinh(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const half = halfExp(m, a);
  const large = m.sub(half, m.div(0.25, half));
  const square = m.mul(a, a);
  const small = m.mad(m.mul(m.poly(square, sinhP), square), a, a);
  const result = m.select(m.compare('lt', a, 1), small, large);
  return m.keepNaN(m.withSign(result, m.signOf(x)), x);
}

/** eᵃ/2 for a ≥ 0, finite as long as the result of sinh and cosh is */
function halfExp(m: MathWriter, a: Tile): Tile {
  const { value, n } = expParts(m, m.clamp(0, a, 91));
  return m.scale(value, m.sub(n, 1));
}

/** cosh x = (eˣ + e⁻ˣ)/2 */
export function cosh(m: MathWriter, x: Tile): Tile {
  const half = halfExp(m, m.abs(x));
  return m.keepNaN(m.add(half, m.div(0.25, half)), x);
}

/** tanh x = E/(E + 2) with E = e²ˣ − 1 */
export function tanh(m: MathWriter, x: Tile): Tile {
  const twice = m.clamp(0, m.mul(m.abs(x), 2), 18.1);
  const { value, n } = expm1Parts(m, twice);
  const power = m.pow2(n);
  const e = m.mad(power, value, m.sub(power, 1));
  const result = m.div(e, m.add(e, 2));
  return m.keepNaN(m.withSign(result, m.signOf(x)), x);
}

/** logistic x = h/(h + h·e⁻ˣ) with h = 2⁻⁶⁴, so that one scaling serves the whole range and small results keep their digits */
export function logistic(m: MathWriter, x: Tile): Tile {
  const { value, n } = expParts(m, m.clamp(-43, m.neg(x), 104));
  const h = 2 ** -64;
  const e = m.mul(value, m.pow2(m.sub(n, 64)));
  return m.keepNaN(m.div(h, m.add(e, h)), x);
}
