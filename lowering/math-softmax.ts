/** Division by the sum of a softmax: by its reciprocal, in two parts. */
import { MathWriter } from './math-writer.ts';
import type { MathOptions } from './math-writer.ts';
import type { TileBuilder } from './tile/build.ts';
import type { Tile } from './tile/ir.ts';

/**
 * part / whole for 0 ≤ part ≤ 1 ≤ whole, where `whole` repeats `sum`. With high = 1/sum rounded and low what it lacks, part · high + part · low
 * is the quotient to half a unit where products and sums are fused (to one below 2⁻¹⁰⁰), to two units elsewhere. Neither overflows, and NaN stays.
 */
export function divideBySum(
  b: TileBuilder,
  part: Tile,
  { sum, dims }: { readonly sum: Tile; readonly dims: readonly number[] },
  options: MathOptions,
): Tile {
  const once = new MathWriter(b, sum.type.shape, options);
  const high = once.div(1, sum);
  const low = once.mul(high, once.mad(once.neg(high), sum, 1));
  const each = new MathWriter(b, part.type.shape, options);
  const spread = (tile: Tile): Tile => b.broadcast(tile, part.type.shape, dims);
  return each.mad(part, spread(high), each.mul(part, spread(low)));
}
