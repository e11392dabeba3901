/**
 * Finds work that is rarely needed: ops whose results are used only where one predicate is true, behind selects. The expansions of `math-*.ts` put their
 * slow paths there (large arguments of sine, large quotients). An emitter may run the ops only if the predicate is true in some lane at hand.
 */
import type { TileKind, TileOp, TileRegion, TileValue } from './ir.ts';

/** Ops that only matter where the predicate is true. */
export interface LazyGroup {
  readonly predicate: TileValue;
  /** Selects on the predicate whose second operand comes from the ops. */
  readonly selects: readonly TileOp<'select'>[];
  /** The ops, in order; all stand before the first of the selects. Constants are not among them. */
  readonly ops: readonly TileOp[];
}

const elementwise: ReadonlySet<TileKind> = new Set<TileKind>([
  'scalar',
  'select',
  'cast',
  'bitcast',
]);

/** Uses of every value by the ops of a region, those inside nested regions included, and by its results. */
function countUses(region: TileRegion): Map<TileValue, number> {
  const uses = new Map<TileValue, number>();
  const pending: TileRegion[] = [region];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const op of next.ops) {
      for (const x of op.operands) uses.set(x, (uses.get(x) ?? 0) + 1);
      pending.push(...op.regions);
    }
    for (const r of next.results) uses.set(r, (uses.get(r) ?? 0) + 1);
  }
  return uses;
}

/** Ops whose every use leads to the second operands of these selects. */
function exclusive(
  selects: readonly TileOp[],
  uses: ReadonlyMap<TileValue, number>,
  position: ReadonlyMap<TileOp, number>,
): TileOp[] {
  const first = Math.min(...selects.map((s) => position.get(s) ?? 0));
  const found: TileOp[] = [];
  const seen = new Map<TileValue, number>();
  const pending = selects.map((s) => s.operands[1]);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const count = (seen.get(next) ?? 0) + 1;
    seen.set(next, count);
    const { def } = next;
    if (def === undefined || count !== uses.get(next) || !elementwise.has(def.kind)) continue;
    const at = position.get(def);
    if (at === undefined || at >= first) continue;
    found.push(def);
    pending.push(...def.operands);
  }
  return found.toSorted((a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0));
}

/** Groups of at least `least` ops among the ops of a region (nested regions are looked at by themselves). */
export function lazyGroups(region: TileRegion, least: number = 80): LazyGroup[] {
  const byPredicate = new Map<TileValue, TileOp<'select'>[]>();
  for (const op of region.ops) {
    if (op.kind !== 'select') continue;
    const group = byPredicate.get(op.operands[0]);
    if (group === undefined) byPredicate.set(op.operands[0], [op]);
    else group.push(op);
  }
  if (byPredicate.size === 0) return [];
  const uses = countUses(region);
  const position = new Map(region.ops.map((op, i) => [op, i]));
  const taken = new Set<TileOp>();
  const groups: LazyGroup[] = [];
  for (const [predicate, selects] of byPredicate) {
    const ops = exclusive(selects, uses, position);
    if (ops.length < least || ops.some((op) => taken.has(op))) continue;
    for (const op of ops) taken.add(op);
    groups.push({ predicate, selects, ops });
  }
  return groups;
}
