/**
 * Clustering: which ops of a block share a kernel. Greedy in program order: an op joins the fusions of its operands when
 * their iteration axes unify, no cycle arises and the limits hold; else it starts a fusion of its own.
 *
 * Rules (see docs/decisions): a value that another fusion needs is stored once, never recomputed, except inline values and views;
 * at most one dot, with elementwise epilogue; all reductions of a fusion are over the same axes, and long reductions are not expanded again
 * (softmax and layer norm stay one kernel while a row is short enough).
 */
import { sameShape } from '../../core/shape.ts';
import { scalarInfo } from '../scalar.ts';
import { hasSideEffects, type HloOp, type HloValue, type Region } from '../hlo/ir.ts';
import { readersOf, type Readers } from './readers.ts';
import type { Axis } from './axes.ts';
import {
  distinct,
  flatAxes,
  freshDims,
  operandDims,
  resolve,
  resolveDims,
  Trail,
  unifyDims,
  type Dims,
} from './axes.ts';
import { Bits } from './bits.ts';
import { captured, roleOf, windowOperands } from './classify.ts';
import { joinOf, settled, type DotAxes, type Join } from './join.ts';

/** Limits of a fusion, from the target. */
export interface Limits {
  /** Work of all ops: 1 each, 16 for a function that expands to a polynomial. */
  readonly maxWork: number;
  readonly maxOperands: number;
  /** Longest reduction (elements) whose result is expanded again in the same kernel. */
  readonly maxRow: number;
}

/** What the operand of a fused op turned out to be. */
export type Source =
  /** Computed in the same fusion. */
  | { readonly kind: 'interior'; readonly value: HloValue; readonly dims: Dims }
  /** In memory (perhaps as a reshape of something in memory). */
  | { readonly kind: 'leaf'; readonly value: HloValue; readonly dims: Dims }
  /** A splat constant or iota. */
  | { readonly kind: 'inline'; readonly value: HloValue; readonly dims: Dims };

/** A group of ops that becomes one kernel, or one op that is a step of its own. */
export class Cluster {
  readonly id: number;
  ops: HloOp[] = [];
  /** See `Limits.maxWork`. */
  work = 0;
  /** Axes of every value computed here. */
  readonly dims: Map<HloValue, Dims> = new Map();
  /** Values read from memory. */
  readonly leaves: Set<HloValue> = new Set();
  /** Along which axes a value in memory was first read. */
  readonly leafDims: Map<HloValue, Dims> = new Map();
  readonly ancestors: Bits = new Bits();
  /** Axes of the widest value. */
  space: readonly Axis[] = [];
  /** Operand axes of the reductions, before dropping. */
  reduced: readonly Axis[] | undefined = undefined;
  reduceSpace: readonly Axis[] | undefined = undefined;
  dot: HloOp | undefined = undefined;
  readonly alone: boolean;
  /** The step with effects before this one, which must run first. */
  after: Cluster | undefined = undefined;
  /** How the axes of each op's operands follow from its own. */
  readonly joins: Map<HloOp, Join> = new Map();
  /** Axes of dot operands, set when the dot joins. */
  dotDims: DotAxes | undefined = undefined;
  constructor(id: number, alone: boolean) {
    this.id = id;
    this.alone = alone;
  }
}

/** The value under reshapes: where the memory of an alias comes from. */
export function rootOf(value: HloValue): HloValue {
  let v = value;
  while (v.def?.kind === 'reshape') v = v.def.operands[0];
  return v;
}

/** What tracing an operand needs to know about the fusion and its block. */
export interface Scope {
  readonly isInterior: (value: HloValue) => boolean;
  /** Values of enclosing blocks are in memory as they are. */
  readonly inBlock: (op: HloOp) => boolean;
}

/** Follow an operand through views until something computed, stored or inline. */
export function trace(
  value: HloValue,
  dims: Dims,
  { isInterior, inBlock }: Scope,
  trail: Trail,
): Source {
  let v = value;
  let at = dims;
  for (;;) {
    const def = v.def;
    if (isInterior(v)) return { kind: 'interior', value: v, dims: at };
    if (def === undefined) return { kind: 'leaf', value: v, dims: at };
    const role = roleOf(def);
    if (role === 'inline') return { kind: 'inline', value: v, dims: at };
    if (role !== 'view' || !inBlock(def)) return { kind: 'leaf', value: v, dims: at };
    if (def.kind === 'reshape') {
      const root = rootOf(v);
      const inMemory =
        root.def === undefined ||
        (roleOf(root.def) !== 'view' && roleOf(root.def) !== 'inline' && !isInterior(root));
      if (inMemory) return { kind: 'leaf', value: v, dims: at };
    }
    const below = operandDims(def, at, trail);
    if (below === undefined) return { kind: 'leaf', value: v, dims: at };
    v = def.operands[0];
    at = below;
  }
}

const workOf = (op: HloOp): number =>
  op.kind === 'scalar' && !scalarInfo[op.attrs.fn].native ? 16 : 1;

/** A value that a joining op reads from memory, and along which axes (undefined: as a whole). */
interface Leaf {
  readonly value: HloValue;
  readonly dims?: Dims;
}

/** Whether an op that must find its operands in memory reads them so. */
const readsMemory = (op: HloOp): boolean => op.kind === 'dot_general';

/** Whether one value has all axes of the fusion: values over unrelated axes would only multiply each other's loops. */
function oneSpace(join: Join, into: readonly Cluster[]): boolean {
  const spaces = [
    flatAxes(join.result),
    resolve(join.space ?? []),
    ...into.map((c) => resolve(c.space)),
  ];
  const widest = spaces.reduce((a, b) => (b.length > a.length ? b : a));
  return spaces.every((axes) => axes.every((axis) => widest.includes(axis)));
}

/** Clusters of one block, and which values must be in memory. */
export class Clustering {
  readonly clusters: Cluster[] = [];
  readonly #owner = new Map<HloValue, Cluster>();
  readonly #limits: Limits;
  readonly #inBlock = new Map<HloOp, number>();
  /** The last step with effects so far. */
  #lastEffect: Cluster | undefined;

  /** Set where results that are read outside count from the first on, also those whose readers may still join. */
  readonly #strict: boolean;
  readonly #readers: Readers;

  constructor(region: Region, limits: Limits, isStrict = false) {
    this.#limits = limits;
    this.#strict = isStrict;
    this.#readers = readersOf(region);
    region.ops.forEach((op, i) => this.#inBlock.set(op, i));
    for (const op of region.ops) this.#place(op);
    for (const result of region.results) this.demand(result);
  }

  /** Whether every fusion has as few arrays as the target can bind. Fusions that outgrow it are avoided by a strict clustering. */
  get fits(): boolean {
    return this.clusters.every(
      (c) => c.alone || c.leaves.size + this.#stored([c]) <= this.#limits.maxOperands,
    );
  }

  /** How many values of fusions (and of an op that joins them) somebody outside reads. */
  #stored(into: readonly Cluster[], op?: HloOp): number {
    const isOutside = (reader: HloOp | 'results'): boolean => {
      if (reader === 'results') return true;
      const home = reader.results.length === 0 ? undefined : this.#owner.get(reader.results[0]);
      return reader !== op && (home === undefined || !into.includes(home));
    };
    let n = 0;
    const count = (value: HloValue): void => {
      for (const reader of this.#readers.get(value) ?? [])
        if (isOutside(reader)) {
          n++;
          break;
        }
    };
    for (const c of into) for (const value of c.dims.keys()) count(value);
    op?.results.forEach(count);
    return n;
  }

  /** Whether an op belongs to this block. */
  readonly inBlock = (op: HloOp): boolean => this.#inBlock.has(op);

  /** Position of an op in the block. */
  position(op: HloOp): number {
    return this.#inBlock.get(op) ?? -1;
  }

  /** The cluster that computes a value of this block, if any. */
  owner(value: HloValue): Cluster | undefined {
    return this.#owner.get(rootOf(value));
  }

  /** Make sure that a value will be in memory: views and inline values get a kernel that writes them. */
  demand(value: HloValue): Cluster | undefined {
    const root = rootOf(value);
    const known = this.#owner.get(root);
    if (known !== undefined || root.def === undefined || !this.#inBlock.has(root.def)) return known;
    const role = roleOf(root.def);
    if (role !== 'view' && role !== 'inline') return undefined;
    return this.#startFusion(root.def, freshDims(root.type.shape));
  }

  #new(alone: boolean): Cluster {
    const cluster = new Cluster(this.clusters.length, alone);
    this.clusters.push(cluster);
    return cluster;
  }

  #place(op: HloOp): void {
    const role = roleOf(op);
    if (role === 'inline' || role === 'view') return;
    if (role === 'alone') this.#placeAlone(op);
    else this.#placeFused(op);
  }

  #placeAlone(op: HloOp): void {
    const cluster = this.#new(true);
    cluster.ops.push(op);
    for (const r of op.results) this.#owner.set(r, cluster);
    for (const x of op.operands) this.#depend(cluster, x);
    for (const x of captured(op.regions))
      if (x.def === undefined || roleOf(x.def) !== 'inline') this.#depend(cluster, x);
    if (!hasSideEffects(op)) return;
    cluster.after = this.#lastEffect;
    this.#lastEffect = cluster;
    if (cluster.after !== undefined) this.#runAfter(cluster, cluster.after);
  }

  #depend(cluster: Cluster, value: HloValue): void {
    cluster.leaves.add(value);
    const on = this.demand(value);
    if (on !== undefined && on !== cluster) this.#runAfter(cluster, on);
  }

  #runAfter(cluster: Cluster, on: Cluster): void {
    const before = cluster.ancestors.has(on.id);
    if (!before) cluster.ancestors.add(on.id);
    if (!cluster.ancestors.addAll(on.ancestors) && before) return;
    for (const other of this.clusters)
      if (other.ancestors.has(cluster.id)) other.ancestors.addAll(cluster.ancestors);
  }

  #placeFused(op: HloOp): void {
    const sources = this.#candidates(op);
    const groups = sources.length > 1 && this.#independent(sources) ? [sources] : [];
    for (const group of [...groups, ...sources.map((c) => [c])])
      if (this.#attempt(op, group, true) || this.#attempt(op, group, false)) return;
    this.#attempt(op, [], false);
  }

  #startFusion(op: HloOp, dims: Dims): Cluster {
    const cluster = this.#new(false);
    cluster.ops.push(op);
    cluster.dims.set(op.results[0], dims);
    cluster.space = flatAxes(dims);
    this.#owner.set(op.results[0], cluster);
    if (roleOf(op) === 'view') {
      const trail = new Trail();
      const below = operandDims(op, dims, trail);
      const scope = { isInterior: () => false, inBlock: this.inBlock };
      const source = below === undefined ? undefined : trace(op.operands[0], below, scope, trail);
      const value = source === undefined ? op.operands[0] : source.value;
      if (source?.kind !== 'inline') this.#depend(cluster, value);
    }
    return cluster;
  }

  /** Fusions that compute an operand, latest first. */
  #candidates(op: HloOp): Cluster[] {
    if (readsMemory(op)) return [];
    const found = new Set<Cluster>();
    const memory = roleOf(op) === 'window' ? windowOperands(op) : [];
    for (const x of op.operands) {
      if (memory.includes(x)) continue;
      const cluster = this.#origin(x);
      if (cluster !== undefined && !cluster.alone) found.add(cluster);
    }
    return [...found].toSorted((a, b) => b.id - a.id);
  }

  #independent(clusters: readonly Cluster[]): boolean {
    return clusters.every((a) => clusters.every((b) => !a.ancestors.has(b.id)));
  }

  /** Try to join; `share`: reads of one value in memory run along the same axes (softmax reads its row twice). */
  #attempt(op: HloOp, into: readonly Cluster[], share: boolean): boolean {
    const trail = new Trail();
    const join = joinOf(op);
    const leaves: Leaf[] = [];
    const ok =
      this.#connect(op, join, into, { trail, leaves, share }) &&
      (!share || this.#align(op, join, into, trail)) &&
      this.#legal(op, join, into, { trail, leaves }) &&
      this.#stiffen(op, join, trail);
    if (!ok) {
      trail.undo();
      return false;
    }
    const cluster = into[0] ?? this.#new(false);
    for (const other of into.slice(1)) this.#absorb(cluster, other);
    cluster.ops.push(op);
    cluster.work += workOf(op);
    const kept = settled(join);
    cluster.joins.set(op, kept);
    for (const r of op.results) {
      cluster.dims.set(r, kept.result);
      this.#owner.set(r, cluster);
    }
    for (const axes of [flatAxes(join.result), resolve(join.space ?? [])])
      if (axes.length > resolve(cluster.space).length) cluster.space = axes;
    if (join.reduced !== undefined) {
      cluster.reduced ??= join.reduced;
      cluster.reduceSpace ??= join.space;
    }
    if (join.dot !== undefined) {
      cluster.dot = op;
      cluster.dotDims = join.dot;
    }
    for (const { value, dims } of leaves) {
      if (dims !== undefined && !cluster.leafDims.has(value))
        cluster.leafDims.set(value, resolveDims(dims));
      this.#depend(cluster, value);
    }
    return true;
  }

  /** Unify the axes of the operands; collect what must come from memory. */
  #connect(
    op: HloOp,
    join: Join,
    into: readonly Cluster[],
    out: { trail: Trail; leaves: Leaf[]; share: boolean },
  ): boolean {
    const scope = {
      isInterior: (v: HloValue) => !readsMemory(op) && into.some((c) => c.dims.has(v)),
      inBlock: this.inBlock,
    };
    for (const axis of join.dot?.k ?? []) out.trail.stiffen(axis);
    for (const [i, x] of op.operands.entries()) {
      const dims = join.operands[i];
      if (dims === undefined) {
        if (!this.#leafAllowed(x, into)) return false;
        out.leaves.push({ value: x });
        continue;
      }
      const source = trace(x, dims, scope, out.trail);
      if (source.kind === 'inline' && readsMemory(op)) {
        out.leaves.push({ value: x });
        continue;
      }
      if (source.kind === 'inline') continue;
      if (source.kind === 'leaf') {
        if (!this.#leafAllowed(source.value, into)) return false;
        const seen = out.share
          ? into.find((c) => c.leafDims.has(source.value))?.leafDims.get(source.value)
          : undefined;
        if (seen !== undefined && !unifyDims(seen, source.dims, out.trail)) return false;
        out.leaves.push({ value: source.value, dims: source.dims });
        continue;
      }
      const home = into.find((c) => c.dims.has(source.value));
      const known = home?.dims.get(source.value);
      if (known === undefined || !unifyDims(known, source.dims, out.trail)) return false;
    }
    return true;
  }

  /** The cluster under a value and its views. */
  #origin(value: HloValue): Cluster | undefined {
    let v = value;
    while (
      !this.#owner.has(v) &&
      v.def !== undefined &&
      this.#inBlock.has(v.def) &&
      roleOf(v.def) === 'view'
    )
      v = v.def.operands[0];
    return this.#owner.get(v);
  }

  /** What a reduction's result is expanded to runs along the axes of a value of that shape, if there is one. */
  #align(op: HloOp, join: Join, into: readonly Cluster[], trail: Trail): boolean {
    const space = new Set(into.flatMap((c) => resolve(c.reduceSpace ?? [])));
    if (space.size === 0 || flatAxes(join.result).every((axis) => space.has(axis))) return true;
    const { shape } = op.results[0].type;
    const like = into.flatMap((c) => [...c.dims]).find(([v]) => sameShape(v.type.shape, shape));
    return like === undefined || unifyDims(like[1], join.result, trail);
  }

  /** A leaf may not be computed in the fusion itself, nor depend on it. */
  #leafAllowed(value: HloValue, into: readonly Cluster[]): boolean {
    const owner = this.#origin(value);
    if (owner === undefined) return true;
    return into.every((c) => c !== owner && !owner.ancestors.has(c.id));
  }

  #legal(
    op: HloOp,
    join: Join,
    into: readonly Cluster[],
    { trail, leaves }: { trail: Trail; leaves: readonly Leaf[] },
  ): boolean {
    if (into.length === 0) return true;
    const work = into.reduce((n, c) => n + c.work, workOf(op));
    if (work > this.#limits.maxWork) return false;
    const all = new Set(leaves.map((l) => l.value));
    for (const c of into) for (const leaf of c.leaves) all.add(leaf);
    const stored = this.#strict ? this.#stored(into, op) : this.#outputs(into) + op.results.length;
    if (all.size + stored > this.#limits.maxOperands) return false;
    if (
      !distinct(join.result) ||
      join.operands.some((dims) => dims !== undefined && !distinct(dims))
    )
      return false;
    if (trail.touchedOld && !into.every((c) => [...c.dims.values()].every(distinct))) return false;
    return oneSpace(join, into) && this.#legalReduce(join, into) && this.#legalDot(join, into);
  }

  /** Values of these fusions that somebody outside reads already: a lower bound of the outputs. */
  #outputs(into: readonly Cluster[]): number {
    let n = 0;
    for (const other of this.clusters) {
      if (into.includes(other)) continue;
      for (const leaf of other.leaves) if (into.some((c) => c.dims.has(rootOf(leaf)))) n++;
    }
    return n;
  }

  #legalReduce(join: Join, into: readonly Cluster[]): boolean {
    const reducing = into.filter((c) => c.reduced !== undefined);
    if (join.reduced === undefined && reducing.length === 0) return true;
    if (into.some((c) => c.dot !== undefined)) return false;
    const first = reducing[0];
    const reduced = new Set(resolve(join.reduced ?? first.reduced ?? []));
    const space = new Set(resolve(join.space ?? first.reduceSpace ?? []));
    for (const c of reducing) {
      const theirs = resolve(c.reduced ?? []);
      if (theirs.length !== reduced.size || theirs.some((a) => !reduced.has(a))) return false;
    }
    const values = [...into.flatMap((c) => [...c.dims.values()]), join.result];
    if (values.some((dims) => flatAxes(dims).some((a) => !space.has(a)))) return false;
    const length = [...reduced].reduce((n, a) => n * a.extent, 1);
    const expands = reducing.length > 0 && flatAxes(join.result).some((a) => reduced.has(a));
    const second = reducing.length > 0 && join.reduced !== undefined;
    return length <= this.#limits.maxRow || !(expands || second);
  }

  #legalDot(join: Join, into: readonly Cluster[]): boolean {
    const dots = into.filter((c) => c.dotDims !== undefined);
    if (dots.length === 0) return join.dot === undefined || into.length === 0;
    if (dots.length > 1 || join.dot !== undefined) return false;
    const parts = dots[0].dotDims;
    if (parts === undefined) return false;
    const groups = [
      ...parts.batch.map((a) => [a]),
      ...parts.m.map((a) => [a]),
      ...parts.n.map((a) => [a]),
    ]
      .map(resolve)
      .flat();
    // In x + A x, reading x once would run rows and contracted columns of A along one axis: its diagonal.
    const axes = [...groups, ...resolve(parts.k)];
    if (new Set(axes).size !== axes.length) return false;
    const order = new Map(groups.map((a, i) => [a, i]));
    const values = [...into.flatMap((c) => [...c.dims.values()]), join.result];
    return values.every((dims) => {
      const at = flatAxes(dims).map((a) => order.get(a) ?? -1);
      return at.every((p, i) => p >= 0 && (i === 0 || p > at[i - 1]));
    });
  }

  #stiffen(op: HloOp, join: Join, trail: Trail): boolean {
    if (roleOf(op) !== 'window') return true;
    for (const dim of join.result) {
      const axes = resolve(dim);
      if (axes.length > 1) return false;
      for (const axis of axes) trail.stiffen(axis);
    }
    return true;
  }

  #absorb(into: Cluster, other: Cluster): void {
    into.ops.push(...other.ops);
    into.work += other.work;
    for (const [v, dims] of other.dims) {
      into.dims.set(v, dims);
      this.#owner.set(v, into);
    }
    for (const [op, join] of other.joins) into.joins.set(op, join);
    for (const leaf of other.leaves) into.leaves.add(leaf);
    for (const [leaf, dims] of other.leafDims)
      if (!into.leafDims.has(leaf)) into.leafDims.set(leaf, dims);
    into.ancestors.addAll(other.ancestors);
    if (resolve(other.space).length > resolve(into.space).length) into.space = other.space;
    into.reduced ??= other.reduced;
    into.reduceSpace ??= other.reduceSpace;
    into.dot ??= other.dot;
    into.dotDims ??= other.dotDims;
    for (const c of this.clusters)
      if (c.ancestors.has(other.id)) {
        c.ancestors.add(into.id);
        c.ancestors.addAll(into.ancestors);
      }
    other.ops = [];
    other.dims.clear();
    other.joins.clear();
    other.leaves.clear();
  }
}
