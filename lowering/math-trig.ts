/**
 * sin, cos and tan on f32, for every argument. |x| up to a bound: Cody and Waite's reduction with π/2 in several parts. Beyond (and everywhere on
 * targets that may reassociate): Payne and Hanek's, in 32-bit integers. The second hides
 * behind selects of one predicate, which emitters may turn into a branch.
 */
import { infinityBits, type MathWriter } from './math-writer.ts';
import type { Tile } from './tile/ir.ts';

/** sin r = r + r³·S(r²) on |r| ≤ 0.794, to 2⁻³². */
const sinS = [2.8264149e-6, -0.00019852565, 0.0083333785, -0.16666667];
/** cos r = 1 − r²/2 + r⁴·C(r²), to 2⁻³³. */
const cosC = [2.4430088e-5, -0.0013887298, 0.041666646];
const twoOverPi = 0.6366197723675814;
const halfPi = 1.5707963267948966;
/** π/2 in floats: for fused multiply-add, and in parts of at most 11 bits. */
const halfPiWhole = [1.5707963705062866, -4.371138828673793e-8, -1.7151245100058819e-15];
const halfPiParts = [
  1.5703125, 0.0004837512969970703, 7.549533620476723e-8, 2.5633440682570896e-12,
];
/** π/2 in 12 bits and the rest. */
const halfPiShort = [1.57080078125, -4.454455103380769e-6];
const boundWhole = 30000;
const boundParts = 1500;

/** The bits of 2/π after the point, in words: 32 bits each, enough for arguments up to 2¹²⁸. */
const twoOverPiWords = [
  0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
];

/** x = n·π/2 + r with |r| ≤ π/4, for x ≥ 0; the lowest two bits of n count. */
interface Reduced {
  readonly n: Tile;
  readonly r: Tile;
}

function reduceSmall(m: MathWriter, a: Tile): Reduced {
  const n = m.round(a, twoOverPi);
  const parts = m.fma ? halfPiWhole : halfPiParts;
  return { n: n.int, r: parts.reduce((r, part) => m.unmad(n.float, part, r), a) };
}

/** The high and the low word of a 32×32-bit product. */
function wide(m: MathWriter, x: Tile, y: Tile): { high: Tile; low: Tile } {
  const [xl, xh] = [m.and(x, 0xffff), m.shr(x, 16)];
  const [yl, yh] = [m.and(y, 0xffff), m.shr(y, 16)];
  const middle = m.add(m.mul(xh, yl), m.shr(m.mul(xl, yl), 16));
  const cross = m.add(m.mul(xl, yh), m.and(middle, 0xffff));
  const high = m.add(m.mul(xh, yh), m.add(m.shr(middle, 16), m.shr(cross, 16)));
  return { high, low: m.mul(x, y) };
}

/** One of several constants, by an index of 0 … n − 1. */
function choose(m: MathWriter, index: Tile, words: readonly number[]): Tile {
  let result = m.constant(words[words.length - 1], 'u32');
  for (let i = words.length - 2; i >= 0; i--)
    result = m.select(m.compare('le', index, i), m.constant(words[i], 'u32'), result);
  return result;
}

/** x·2/π modulo 4 out of the bits of 2/π that matter: x = M·2ᵉ with a 24-bit M. */
function reduceLarge(m: MathWriter, a: Tile): Reduced {
  const bits = m.bits(a);
  const significand = m.b.bitcast(m.or(m.and(bits, 0x7fffff), 0x800000), 'u32');
  // Of M·2ᵉ·(2/π)/4 the fraction matters, so that 2/π is taken from bit e − 2 on; a leading word of zeros serves small e.
  const exponent = m.call('max', m.sub(m.shr(bits, 23), 150 + 2 - 32), 0);
  const word = m.shr(exponent, 5);
  const shift = m.b.bitcast(m.and(exponent, 31), 'u32');
  const words = [0, ...twoOverPiWords];
  const at = (k: number): Tile => choose(m, word, words.slice(k, k + 5));
  const [w0, w1, w2, w3] = [at(0), at(1), at(2), at(3)];
  const back = m.sub(31, shift);
  const join = (x: Tile, y: Tile): Tile =>
    m.call('or', m.call('shiftLeft', x, shift), m.call('shiftRightLogical', m.shr(y, 1), back));
  const [f0, f1, f2] = [join(w0, w1), join(w1, w2), join(w2, w3)];
  const [p1, p2] = [wide(m, significand, f1), wide(m, significand, f2)];
  const low = m.add(p1.low, p2.high);
  const carry = m.b.cast(m.compare('lt', low, p1.low), 'u32');
  const high = m.add(m.add(m.mul(significand, f0), p1.high), carry);
  return quadrant(m, high, low);
}

/** n and r of a 64-bit fixed-point number of quarter turns, two bits before the point. */
function quadrant(m: MathWriter, high: Tile, low: Tile): Reduced {
  // Round to the nearest quarter: what remains is between −½ and ½.
  const n = m.b.bitcast(m.shr(m.add(high, 0x20000000), 30), 'i32');
  const fraction = m.b.bitcast(m.call('or', m.shl(high, 2), m.shr(low, 30)), 'i32');
  const rest = m.shl(low, 2);
  const sign = m.shr(fraction, 31);
  const top = m.xor(fraction, sign);
  const bottom = m.b.bitcast(m.shr(m.xor(rest, m.b.bitcast(sign, 'u32')), 1), 'i32');
  // The upper 24 bits are a float without rounding; of their product with π/2 the first part is exact.
  const upper = m.mul(m.toFloat(m.and(top, -256)), 2 ** -32);
  const lower = m.mad(m.toFloat(bottom), 2 ** -63, m.mul(m.toFloat(m.and(top, 255)), 2 ** -32));
  const first = m.upper(upper);
  const small = m.mad(m.add(m.sub(upper, first), lower), halfPi, m.mul(first, halfPiShort[1]));
  const r = m.mad(first, halfPiShort[0], small);
  return { n, r: m.flipSign(r, m.and(sign, -0x80000000)) };
}

function reduce(m: MathWriter, a: Tile): Reduced {
  const isInfinite = m.compare('ge', m.bits(a), infinityBits);
  const large = (): Reduced => {
    const { n, r } = reduceLarge(m, a);
    return { n, r: m.select(isInfinite, m.nan, r) };
  };
  if (!m.strict) {
    // Below π/4 nothing is to be reduced, and integers would lose the digits of small arguments.
    const { n, r } = large();
    const isSmall = m.compare('lt', a, halfPi / 2);
    return { n: m.select(isSmall, m.constant(0, 'i32'), n), r: m.select(isSmall, a, r) };
  }
  const small = reduceSmall(m, a);
  const exact = large();
  const isLarge = m.compare('gt', a, m.fma ? boundWhole : boundParts);
  return { n: m.select(isLarge, exact.n, small.n), r: m.select(isLarge, exact.r, small.r) };
}

const sinOf = (m: MathWriter, r: Tile, square: Tile): Tile =>
  m.mad(m.mul(m.poly(square, sinS), square), r, r);

function cosOf(m: MathWriter, square: Tile): Tile {
  const rest = m.mul(m.mul(m.poly(square, cosC), square), square);
  return m.add(m.mad(square, -0.5, 1), rest);
}

/** sin(r + n·π/2) with its sign flipped where the sign bit is set: the sine or the cosine of r, with the sign of bit 1 of n */
function turned(m: MathWriter, { n, r }: Reduced, flip?: Tile): Tile {
  const square = m.mul(r, r);
  const isOdd = m.compare('ne', m.and(n, 1), 0);
  const value = m.select(isOdd, cosOf(m, square), sinOf(m, r, square));
  const turn = m.shl(n, 30);
  return m.flipSign(value, m.and(flip === undefined ? turn : m.xor(turn, flip), -0x80000000));
}

/** sin x */
export function sin(m: MathWriter, x: Tile): Tile {
  return m.keepNaN(turned(m, reduce(m, m.abs(x)), m.bits(x)), x);
}

/** cos x = sin(x + π/2) */
export function cos(m: MathWriter, x: Tile): Tile {
  const { n, r } = reduce(m, m.abs(x));
  return m.keepNaN(turned(m, { n: m.add(n, 1), r }), x);
}

/** tan x = sin x / cos x */
export function tan(m: MathWriter, x: Tile): Tile {
  const { n, r } = reduce(m, m.abs(x));
  const square = m.mul(r, r);
  const [s, c] = [sinOf(m, r, square), cosOf(m, square)];
  const isOdd = m.compare('ne', m.and(n, 1), 0);
  const value = m.div(m.select(isOdd, m.neg(c), s), m.select(isOdd, s, c));
  return m.keepNaN(m.flipSign(value, m.signOf(x)), x);
}
