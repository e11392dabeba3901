/**
 * Which values of large tiles are worth keeping. A large tile is evaluated inside the loops of whoever reads it; one that is dear and is
 * read by two or more of them is stored at its first evaluation. Also counts uses, so that nothing unused is written.
 */
import type { TileKind, TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import { isMove, isPureKind } from './pure.ts';

const dear = 12;

/** Whether the results of an op are evaluated where they are wanted. */
function isPassing(op: TileOp): boolean {
  const { kind }: { readonly kind: TileKind } = op;
  return isPureKind(op) || kind === 'load' || kind === 'gather';
}

function ownCost(op: TileOp): number {
  if (isMove(op) || op.kind === 'constant') return 0;
  switch (op.kind) {
    case 'load':
      return 3;
    case 'gather':
      return 8;
    case 'scalar':
      return op.attrs.fn === 'div' || op.attrs.fn === 'sqrt' ? 4 : 1;
    default:
      return 1;
  }
}

/** Facts about the uses of values in a kernel. */
export class Demand {
  readonly #sinks = new Map<TileValue, Set<object>>();
  readonly #costs = new Map<TileValue, number>();
  readonly #used = new Set<TileValue>();

  constructor(regions: readonly TileRegion[]) {
    for (const region of regions) this.note(region);
  }

  /** Take in a region that is written although it is no part of the kernel. */
  note(region: TileRegion): void {
    this.#region(region);
  }

  #mark(value: TileValue, sinks: Iterable<object>): void {
    this.#used.add(value);
    let own = this.#sinks.get(value);
    if (own === undefined) this.#sinks.set(value, (own = new Set()));
    for (const sink of sinks) if (own.size < 2) own.add(sink);
  }

  #region(region: TileRegion): void {
    for (const value of region.results) this.#mark(value, [region]);
    // Costs go forwards, uses backwards.
    for (const op of region.ops) {
      const cost = op.operands.reduce((sum, x) => sum + this.cost(x), ownCost(op));
      const total = isPassing(op) ? Math.min(cost, 1000) : 0;
      for (const result of op.results) this.#costs.set(result, total);
    }
    for (const op of region.ops.toReversed()) {
      for (const inner of op.regions) this.#region(inner);
      const isLive = this.isLive(op);
      if (!isLive) continue;
      // What is kept is evaluated once, by the first that reads it.
      const isThrough = isPassing(op) && !this.isKept(op.results[0]);
      const sinks = isThrough ? (this.#sinks.get(op.results[0]) ?? []) : [op];
      for (const value of op.operands) this.#mark(value, sinks);
    }
  }

  /** Whether an op does something that somebody sees. */
  isLive(op: TileOp): boolean {
    switch (op.kind) {
      case 'store':
      case 'accumulate':
      case 'atomic':
      case 'scatter':
      case 'for':
      case 'while':
      case 'if':
        return true;
      default:
        return op.results.some((r) => this.#used.has(r));
    }
  }

  /** How many scalar operations it takes to evaluate an element; 0 for what is already there. */
  cost(value: TileValue): number {
    return this.#costs.get(value) ?? 0;
  }

  /** Whether a large tile is stored when it is first evaluated. */
  isKept(value: TileValue): boolean {
    return this.cost(value) >= dear && (this.#sinks.get(value)?.size ?? 0) > 1;
  }
}
