/** Computed indices of any integer dtype as i32. Wide and unsigned ones are limited in their own dtype first: as i32 they would wrap around. */
import { dtypeInfo, isBig } from '../../core/dtype.ts';
import type { TileBuilder } from '../tile/build.ts';
import type { Tile } from '../tile/ir.ts';

const int = (b: TileBuilder, n: number, { type }: Tile): Tile => b.constant(n, 'i32', type.shape);

/** An index that i32 may not hold, limited to [low, high] and then as i32; others as they are. */
function narrowed(b: TileBuilder, index: Tile, low: 0 | -1, high: number): Tile {
  const { dtype, shape } = index.type;
  const { kind, bits } = dtypeInfo[dtype];
  if (dtype === 'i32') return index;
  if (bits < 32) return b.cast(index, 'i32');
  const bound = (n: number): Tile => b.constant(isBig(dtype) ? BigInt(n) : n, dtype, shape);
  const top = b.scalar('min', index, bound(high));
  return b.cast(kind === 'uint' ? top : b.scalar('max', bound(low), top), 'i32');
}

/** An index as i32, clamped to [0, last]. */
export function clampedIndex(b: TileBuilder, index: Tile, last: number): Tile {
  const own = narrowed(b, index, 0, last);
  return b.scalar('max', int(b, 0, own), b.scalar('min', own, int(b, last, own)));
}

/** An index as i32; what does not fit is out of bounds there too. */
export const boundedIndex = (b: TileBuilder, index: Tile): Tile =>
  narrowed(b, index, -1, 2 ** 31 - 1);
