/** The error function, its complement and its inverse on f32, by minimax fits of our own. */
import { expParts } from './math-exp.ts';
import { log } from './math-log.ts';
import type { MathWriter } from './math-writer.ts';
import type { Tile } from './tile/ir.ts';

/** erf x = x + x·P(x²) on |x| ≤ 0.9, to 2⁻³⁰. */
const erfNear = [
  7.9431e-5, -0.0008039753, 0.005191753, -0.02685556, 0.11283624, -0.3761263, 0.12837917,
];
/** −log erfc x on 0.88 … 3.95, to an error of erf of 2⁻³³. */
const erfFar = [
  2.0540923e-5, -0.00042807567, 0.0041402653, -0.025038848, 0.108156465, 0.6334582, 1.1294605,
  -0.00016348937,
];
/** (1 + 2x)·e^(x²)·erfc x in t = (x − 2)/(x + 2) on 0 … 10.2, to 2⁻²⁶. */
const erfcH = [
  -0.00040383328, -0.0012365073, 0.0013142859, 0.008639138, -0.0080584325, -0.054207228, 0.16405472,
  -0.16603097, -0.09276392, 1.2769784,
];
/** erf⁻¹(x)/x in w − 3, w = −log(1 − x²), on 0 ≤ w ≤ 6, to 2⁻²⁴. */
const inverseCentral = [
  -5.8289378e-9, -4.4042077e-9, 4.5558713e-7, -1.8839554e-6, -1.2756834e-5, 0.00019546729,
  -0.00083607447, -0.005738559, 0.24163033, 1.6235421,
];
/** erf⁻¹(x)/x in √w − 3 on 6 ≤ w, to 2⁻²⁴. */
const inverseTail = [
  -0.00022717469, 0.001331422, -0.003461537, 0.0057078213, -0.00766439, 0.009444393, 1.0016763,
  2.8329768,
];

/** erf x */
export function erf(m: MathWriter, x: Tile): Tile {
  const a = m.clamp(0, m.abs(x), 3.95);
  const square = m.mul(a, a);
  const near = m.mad(m.poly(square, erfNear), a, a);
  const { value, n } = expParts(m, m.neg(m.poly(a, erfFar)));
  const far = m.sub(1, m.mul(value, m.pow2(n)));
  const result = m.select(m.compare('lt', a, 0.9), near, far);
  return m.keepNaN(m.withSign(result, m.signOf(x)), x);
}

/** erfc x = e^(−x²)·h/(1 + 2x) for x ≥ 0, and 2 − erfc(−x) below; x² is split by bits so that its exponential keeps its digits */
export function erfc(m: MathWriter, x: Tile): Tile {
  const a = m.clamp(0, m.abs(x), 10.2);
  const upper = m.upper(a);
  const rest = m.mul(m.sub(a, upper), m.add(a, upper));
  const { value, n } = expParts(m, m.neg(m.mul(upper, upper)), m.neg(rest));
  const t = m.div(m.sub(a, 2), m.add(a, 2));
  const factor = m.div(m.poly(t, erfcH), m.mad(a, 2, 1));
  const positive = m.scale(m.mul(value, factor), n);
  const far = m.select(m.compare('lt', x, 0), m.sub(2, positive), positive);
  // Near 0 the complement of erf is more exact.
  const near = m.sub(1, m.mad(m.poly(m.mul(x, x), erfNear), x, x));
  return m.keepNaN(m.select(m.compare('lt', a, 0.75), near, far), x);
}

/** erf⁻¹ x = x·P(−log(1 − x²)) */
export function erfInv(m: MathWriter, x: Tile): Tile {
  const a = m.abs(x);
  const w = m.neg(log(m, m.mul(m.sub(1, a), m.add(1, a))));
  const central = m.poly(m.sub(w, 3), inverseCentral);
  const tail = m.poly(m.sub(m.sqrt(w), 3), inverseTail);
  const result = m.mul(m.select(m.compare('lt', w, 6), central, tail), a);
  const outside = m.select(m.compare('eq', a, 1), m.infinity, m.nan);
  return m.keepNaN(m.withSign(m.select(m.compare('lt', a, 1), result, outside), m.signOf(x)), x);
}
