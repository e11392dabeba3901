/**
 * Which tiles of a region are computed where they are used, and which are put into scratch memory: tiles that are dear and used by
 * several passes, tiles whose loads would otherwise come after a write to the same memory, operands of reshapes that need memory.
 */
import { scalarInfo } from '../scalar.ts';
import { isNarrow } from './convert.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Tile, TileKind, TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import { isTile } from '../tile/ir.ts';
import { identityForms, reshapeForms } from './pass.ts';

/** Ops whose tiles can be computed at a point, out of their operands at points. */
export const inPlace: ReadonlySet<TileKind> = new Set<TileKind>([
  'constant',
  'iota',
  'scalar',
  'select',
  'cast',
  'bitcast',
  'assume',
  'broadcast',
  'transpose',
  'slice',
  'rev',
  'reshape',
  'load',
  'gather',
]);

/** What the emitter decides before it walks a region. */
export interface RegionPlan {
  /** Tiles computed in place that are nevertheless to be put into memory where they are defined. */
  readonly materialised: ReadonlySet<TileValue>;
  /** Position of the last op (number of ops: the end of the region) at which a value may be read. */
  readonly lastRead: ReadonlyMap<TileValue, number>;
}

/** The ref that a window is cut from: an argument of the body, or an `alloc`. */
export function rootRef(ref: TileValue): TileValue {
  let root = ref;
  while (root.def?.kind === 'slice_ref' || root.def?.kind === 'transpose_ref')
    root = root.def.operands[0];
  return root;
}

const writers: ReadonlySet<TileKind> = new Set<TileKind>([
  'store',
  'accumulate',
  'atomic',
  'scatter',
]);

/** Whether a reshape needs its operand in memory: it splits an axis. */
export const splits = (op: TileOp<'reshape'>): boolean => {
  const from = (op.operands[0] as Tile).type.shape;
  const to = op.results[0].type.shape;
  return reshapeForms(from, to, identityForms(to.length), to.length) === undefined;
};

interface Use {
  readonly op: TileOp | undefined;
  readonly at: number;
  readonly isRepeated: boolean;
}

/** Plan a region. Works through its ops with loops only; nesting of regions is the only recursion. */
export function planRegion(region: TileRegion): RegionPlan {
  return new Planner(region).plan();
}

/** Ops after which the cost of a tile is not counted on. */
const countedOps = 24;
/** Roots of a tile that are told apart. */
const mostRoots = 8;
/** Ops in a row that one pass computes. */
const longestChain = 300;

const dear: ReadonlySet<string> = new Set(['div', 'sqrt', 'roundNearestAfz', 'sign']);

class Planner {
  readonly #region: TileRegion;
  readonly #uses = new Map<TileValue, Use[]>();
  /** Positions at which memory may be written, by root ref. */
  readonly #writes = new Map<TileValue, number[]>();
  readonly #costs = new Map<TileValue, number>();
  /** Ops behind a tile that is computed in place, as far as they are counted, and the length of the longest chain of them. */
  readonly #behind = new Map<
    TileValue,
    { readonly ops: ReadonlySet<TileOp>; readonly depth: number; readonly cost: number }
  >();
  readonly #materialised = new Set<TileValue>();
  readonly #lastRead = new Map<TileValue, number>();
  readonly #roots = new Map<TileValue, readonly number[]>();

  constructor(region: TileRegion) {
    this.#region = region;
  }

  plan(): RegionPlan {
    const { ops, results, args } = this.#region;
    ops.forEach((op, at) => this.#collect(op, at, false));
    results.forEach((value) =>
      this.#use(value, { op: undefined, at: ops.length, isRepeated: false }),
    );
    for (const op of ops) this.#price(op);
    for (let at = ops.length - 1; at >= 0; at--) this.#decide(ops[at], at);
    const outside = new Set([...this.#uses.keys()].filter((value) => !this.#lastRead.has(value)));
    for (const value of [...args, ...outside]) this.#readers(value);
    return { materialised: this.#materialised, lastRead: this.#lastRead };
  }

  #use(value: TileValue, use: Use): void {
    const uses = this.#uses.get(value);
    if (uses === undefined) this.#uses.set(value, [use]);
    else uses.push(use);
  }

  #collect(op: TileOp, at: number, isNested: boolean, isRepeated = false): void {
    for (const operand of op.operands)
      this.#use(operand, { op: isNested ? undefined : op, at, isRepeated });
    if (writers.has(op.kind)) {
      const root = rootRef(op.operands[0]);
      const written = this.#writes.get(root);
      if (written === undefined) this.#writes.set(root, [at]);
      else written.push(at);
    }
    for (const region of op.regions) {
      const repeats = isRepeated || op.kind !== 'if';
      for (const inner of region.ops) this.#collect(inner, at, true, repeats);
      for (const value of region.results)
        this.#use(value, { op: undefined, at, isRepeated: repeats });
    }
  }

  // What computing a tile at one point costs, in instructions of a vector. Shared operands count once; counting stops where the cost
  // is beyond every threshold. Chains are cut at a length that compilers still like.
  #price(op: TileOp): void {
    const [result] = op.results;
    if (result === undefined || !inPlace.has(op.kind) || result.type.shape.length === 0) return;
    const operands = op.operands.flatMap((operand) => this.#behind.get(operand) ?? []);
    const depth = operands.reduce((most, { depth: d }) => Math.max(most, d), 0) + 1;
    if (depth > longestChain) {
      this.#materialised.add(result);
      this.#costs.set(result, 1);
      return;
    }
    const full = operands.find((behind) => behind.ops.size >= countedOps);
    const ops = full?.ops ?? joined(op, operands);
    const cost = full?.cost ?? costOf(ops);
    this.#behind.set(result, { ops, depth, cost });
    this.#costs.set(result, cost);
  }

  #readers(value: TileValue): readonly number[] {
    const roots: number[] = [];
    const add = (root: number): void => {
      if (roots.length < mostRoots && !roots.includes(root)) roots.push(root);
    };
    let last = -1;
    for (const { op, at } of this.#uses.get(value) ?? []) {
      last = Math.max(last, at);
      const through = op !== undefined && this.#isInPlace(op) ? op.results[0] : undefined;
      if (through === undefined) add(at);
      else {
        last = Math.max(last, this.#lastRead.get(through) ?? at);
        for (const root of this.#roots.get(through) ?? []) add(root);
      }
    }
    this.#lastRead.set(value, last);
    this.#roots.set(value, roots);
    return roots;
  }

  // Whether an op's result is computed by those who use it.
  #isInPlace(op: TileOp): boolean {
    if (['slice_ref', 'transpose_ref'].includes(op.kind)) return true;
    const [result] = op.results;
    return inPlace.has(op.kind) && !this.#materialised.has(result) && result.type.shape.length > 0;
  }

  #decide(op: TileOp, at: number): void {
    for (const result of op.results) {
      const roots = this.#readers(result);
      if (!inPlace.has(op.kind) || !isTile(result) || result.type.shape.length === 0) continue;
      if (this.#wantsMemory(op, result, roots) || this.#isOverwritten(op, at, result)) {
        this.#materialised.add(result);
        // Its operands are read here, by the pass that fills the memory; users read the memory.
      }
    }
  }

  #isOverwritten(op: TileOp, at: number, result: Tile): boolean {
    if (op.kind !== 'load' && op.kind !== 'gather') return false;
    const last = this.#lastRead.get(result)!;
    const users = this.#region.ops;
    return (this.#writes.get(rootRef(op.operands[0])) ?? []).some(
      (write) =>
        write > at && (write < last || (write === last && (users[write]?.regions.length ?? 0) > 0)),
    );
  }

  #wantsMemory(op: TileOp, result: Tile, roots: readonly number[]): boolean {
    const cost = this.#costs.get(result) ?? 0;
    const uses = this.#uses.get(result) ?? [];
    if (uses.length === 0) return false;
    if (roots.length > 1 && cost >= 4) return true;
    if (cost >= 2 && uses.some((use) => use.isRepeated)) return true;
    if (op.kind === 'transpose' && turns(op) && !uses.every((use) => absorbsTranspose(use.op)))
      return true;
    return uses.some((use) => use.op !== undefined && this.#needsOperand(use.op, cost));
  }

  #needsOperand(user: TileOp, cost: number): boolean {
    switch (user.kind) {
      case 'reshape': {
        const onlyStored = (this.#uses.get(user.results[0]) ?? []).every(
          (use) => use.op?.kind === 'store',
        );
        return splits(user) && !onlyStored;
      }
      case 'broadcast':
        return cost >= 4 && repeatsRows(user);
      case 'transpose':
        return cost >= 2 && turns(user);
      default:
        return false;
    }
  }
}

function joined(
  op: TileOp,
  operands: readonly { readonly ops: ReadonlySet<TileOp> }[],
): Set<TileOp> {
  const ops = new Set<TileOp>([op]);
  for (const operand of operands)
    for (const other of operand.ops) if (ops.size < countedOps) ops.add(other);
  return ops;
}

function costOf(ops: ReadonlySet<TileOp>): number {
  let cost = 0;
  for (const op of ops) cost += ownCost(op);
  return cost;
}

function ownCost(op: TileOp): number {
  switch (op.kind) {
    case 'constant':
    case 'assume':
    case 'broadcast':
    case 'transpose':
    case 'slice':
    case 'rev':
    case 'reshape':
      return 0;
    case 'scalar':
      if (!scalarInfo[op.attrs.fn].native) return countedOps;
      return dear.has(op.attrs.fn) ? 4 : 1;
    case 'gather':
      return 12;
    case 'load':
      return op.operands.length > 1 ? 2 : 1;
    default:
      return 1;
  }
}

/** Whether a transpose moves the last axis of a tile large enough to be turned block by block. */
export function turns(op: TileOp<'transpose'>): boolean {
  const { shape, dtype } = op.results[0].type as Tile['type'];
  const { permutation } = op.attrs;
  const last = permutation.length - 1;
  return isNarrow(dtype) && permutation[last] !== last && shape[last] >= 4 && sizeOf(shape) >= 256;
}

const absorbsTranspose = (op: TileOp | undefined): boolean =>
  op?.kind === 'dot' || (op?.kind === 'store' && op.operands.length === 2);

// Whether a broadcast repeats whole rows, so that what it repeats would be computed again and again.
function repeatsRows(op: TileOp<'broadcast'>): boolean {
  const { shape } = (op.operands[0] as Tile).type;
  const to = op.results[0].type.shape;
  const kept = op.attrs.dims.filter((_, i) => shape[i] > 1);
  const first = Math.max(-1, ...kept);
  return to.some((size, axis) => size > 1 && axis < first && !kept.includes(axis));
}
