/**
 * Homes: a tile that is put into memory, and that a store reads last, can wait in the memory that this store will write. A softmax leaves
 * its exponentials in its result: memory takes them while the next ones are computed, and the last pass finds its lines at hand.
 */
import type { TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import { isTile } from '../tile/ir.ts';
import { arrayFormat, scratchFormat } from './format.ts';
import type { RegionPlan } from './plan.ts';
import { rootRef } from './plan.ts';

/** How many ops of a region touch the memory behind a ref, inner regions included. */
function countTouches(region: TileRegion, touches = new Map<TileValue, number>()): typeof touches {
  for (const op of region.ops) {
    if (op.kind !== 'slice_ref' && op.kind !== 'transpose_ref')
      for (const operand of op.operands)
        if (!isTile(operand)) {
          const root = rootRef(operand);
          touches.set(root, (touches.get(root) ?? 0) + 1);
        }
    for (const inner of op.regions) countTouches(inner, touches);
  }
  return touches;
}

/** Whether a ref is known before an op at `position` runs. */
function isKnownAt(ref: TileValue, position: number, at: ReadonlyMap<TileOp, number>): boolean {
  for (let cut: TileValue = ref; cut.def !== undefined; cut = cut.def.operands[0]) {
    if ((at.get(cut.def) ?? -1) > position) return false;
    if (cut.def.kind !== 'slice_ref' && cut.def.kind !== 'transpose_ref') return true;
  }
  return true;
}

/** The refs whose memory tiles of a region can wait in: nothing else touches it, and it has their shape and format. */
export function homesOf(region: TileRegion, plan: RegionPlan): ReadonlyMap<TileValue, TileValue> {
  const homes = new Map<TileValue, TileValue>();
  if (plan.materialised.size === 0) return homes;
  const touches = countTouches(region);
  const at = new Map(region.ops.map((op, i) => [op, i]));
  const taken = new Set<TileOp>();
  for (const tile of plan.materialised) {
    const last = region.ops[plan.lastRead.get(tile) ?? -1];
    const from = at.get(tile.def!);
    if (last?.kind !== 'store' || last.operands.length > 2 || taken.has(last)) continue;
    const [ref, stored] = last.operands;
    const { dtype, shape } = tile.type;
    const isAlike =
      stored.type.dtype === dtype &&
      stored.type.shape.join() === shape.join() &&
      scratchFormat(dtype) === arrayFormat(dtype);
    if (!isAlike || from === undefined || touches.get(rootRef(ref)) !== 1) continue;
    if (!isKnownAt(ref, from, at)) continue;
    taken.add(last);
    homes.set(tile, ref);
  }
  return homes;
}
