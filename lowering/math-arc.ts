/** asin, acos, atan and atan2 on f32: odd minimax polynomials near 0 (our own), and the classical identities elsewhere. */
import type { MathWriter } from './math-writer.ts';
import type { Tile } from './tile/ir.ts';

/** asin x = x + x³·P(x²) on |x| ≤ ½, to 2⁻²⁷. */
const asinP = [0.042158306, 0.024184778, 0.04546915, 0.074953094, 0.16666752];
/** atan t = t + t³·P(t²) on |t| ≤ tan π/8, to 2⁻³⁰. */
const atanP = [-0.06087337, 0.105982654, -0.14244297, 0.19998525, -0.33333316];
const tanEighth = 0.4142135623730951;
const tanThreeEighths = 2.414213562373095;
const pi = 3.141592653589793;
/** What π/2 as a float is short of it. */
const halfPiRest = -4.371138828673793e-8;

/** asin of the argument that the identity leaves: |x| itself up to ½, then √((1 − |x|)/2), whose arcsine is half of the rest. */
function arcsine(m: MathWriter, a: Tile): { value: Tile; isFar: Tile } {
  const isFar = m.compare('gt', a, 0.5);
  const half = m.mad(a, -0.5, 0.5);
  const t = m.select(isFar, m.sqrt(half), a);
  const square = m.select(isFar, half, m.mul(a, a));
  return { value: m.mad(m.mul(m.poly(square, asinP), square), t, t), isFar };
}

const undefinedPast = (m: MathWriter, result: Tile, a: Tile, x: Tile): Tile =>
  m.keepNaN(m.select(m.compare('le', a, 1), result, m.nan), x);

/** asin x = π/2 − 2·asin √((1 − x)/2) */
export function asin(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const { value, isFar } = arcsine(m, a);
  const result = m.select(isFar, m.add(m.mad(value, -2, halfPiRest), pi / 2), value);
  return undefinedPast(m, m.withSign(result, m.signOf(x)), a, x);
}

/** acos x = π/2 − asin x; 2·asin √((1 − x)/2) above ½, and its complement to π below −½ */
export function acos(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const { value, isFar } = arcsine(m, a);
  const isNegative = m.compare('lt', x, 0);
  const twice = m.mul(value, 2);
  const far = m.select(isNegative, m.sub(pi, twice), twice);
  const near = m.sub(pi / 2, m.select(isNegative, m.neg(value), value));
  return undefinedPast(m, m.select(isFar, far, near), a, x);
}

/** base + atan t for |t| ≤ tan π/8 */
function arctangent(m: MathWriter, t: Tile, base: Tile): Tile {
  const square = m.mul(t, t);
  return m.add(base, m.mad(m.mul(m.poly(square, atanP), square), t, t));
}

/** atan x, with one division: x, (x − 1)/(x + 1) or −1/x is below tan π/8 */
export function atan(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const [isFar, isMiddle] = [m.compare('gt', a, tanThreeEighths), m.compare('gt', a, tanEighth)];
  const top = m.select(isFar, -1, m.select(isMiddle, m.sub(a, 1), a));
  const bottom = m.select(isFar, a, m.select(isMiddle, m.add(a, 1), 1));
  const base = m.select(isFar, m.constant(pi / 2), m.select(isMiddle, m.constant(pi / 4), 0));
  return m.keepNaN(m.withSign(arctangent(m, m.div(top, bottom), base), m.signOf(x)), x);
}

/** atan2(y, x): the angle of the smaller over the larger, mirrored into its octant */
export function atan2(m: MathWriter, y: Tile, x: Tile): Tile {
  const [ax, ay] = [m.abs(x), m.abs(y)];
  const isSteep = m.compare('lt', ax, ay);
  const [small, large] = [m.select(isSteep, ax, ay), m.select(isSteep, ay, ax)];
  // Two infinities are as good as two ones; large values are moved away from overflow, subnormal ones from lost digits.
  const isHuge = m.compare('gt', large, 2 ** 100);
  const factor = m.select(
    isHuge,
    m.constant(2 ** -50),
    m.select(m.compare('lt', large, 2 ** -60), m.constant(2 ** 60), 1),
  );
  const isBoth = m.and(m.isInfinite(x), m.isInfinite(y));
  const p = m.select(isBoth, 1, m.mul(small, factor));
  const q = m.select(isBoth, 1, m.mul(large, factor));
  const isMiddle = m.compare('gt', p, m.mul(q, tanEighth));
  const t = m.div(m.select(isMiddle, m.sub(p, q), p), m.select(isMiddle, m.add(p, q), q));
  const octant = arctangent(
    m,
    m.select(m.compare('eq', m.add(p, q), 0), 0, t),
    m.select(isMiddle, m.constant(pi / 4), 0),
  );
  const quarter = m.select(isSteep, m.sub(pi / 2, octant), octant);
  const isLeft = m.compare('lt', m.bits(x), 0);
  const half = m.select(isLeft, m.sub(pi, quarter), quarter);
  return m.keepNaN(m.withSign(half, m.signOf(y)), x, y);
}
