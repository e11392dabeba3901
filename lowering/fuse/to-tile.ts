/**
 * From a fusion to a tile kernel. Every tile of the kernel has one axis per loop with a block larger than one, in one order, and size 1 where
 * its value does not vary; so broadcasting, transposition and reshaping inside the fusion are free, and only loads and stores permute.
 * The scalar part is shared with kernels of `pallasCall`: `emitMap` translates one elementwise op.
 */
import { LoweringError } from '../../core/errors.ts';
import type { HloOp, HloValue } from '../hlo/ir.ts';
import type { TileBuilder } from '../tile/build.ts';
import { makeKernel, type OperandSpec } from '../tile/build.ts';
import type { Kernel, Ref, Tile } from '../tile/ir.ts';
import { flatAxes, resolve, resolveDims, Trail, type Axis, type Dims } from './axes.ts';
import { roleOf } from './classify.ts';
import { rootOf, trace, type Cluster, type Clustering, type Source } from './cluster.ts';
import type { Loop } from './config.ts';
import { emitDot } from './emit-dot.ts';
import { emitMap, splat } from './emit-map.ts';
import { emitReduce } from './emit-reduce.ts';
import { emitWindow } from './emit-window.ts';
import type { Target } from './ir.ts';
import { LoopNest } from './loops.ts';
import type { Writer } from './writer.ts';

/** A kernel with the values that its operands are. */
export interface FusedKernel {
  readonly kernel: Kernel;
  /** Per operand of the kernel: the value whose memory it is. */
  readonly args: readonly HloValue[];
}

interface ReadSite {
  readonly value: HloValue;
  readonly dims: Dims;
  /** Read as a whole, with the block computed in the body. */
  readonly whole: boolean;
}

/** The state of writing one kernel; the emit-* files write its parts. */
export class FusionWriter implements Writer {
  readonly cluster: Cluster;
  readonly nest: LoopNest;
  readonly #clustering: Clustering;
  readonly #operands: OperandSpec[] = [];
  readonly #args: HloValue[] = [];
  readonly #readIndex = new Map<string, number>();
  readonly #tiles = new Map<HloValue, Tile>();
  readonly #loads = new Map<number, Tile>();
  #builder: TileBuilder | undefined;
  #refs: readonly Ref[] = [];

  constructor(
    cluster: Cluster,
    clustering: Clustering,
    outputs: readonly HloValue[],
    target: Target,
  ) {
    this.cluster = cluster;
    this.#clustering = clustering;
    this.cluster.ops.sort(byPosition(clustering));
    const { sites, counted } = this.#sites();
    const read = sites.filter((s) => !s.whole).map((s) => flatAxes(s.dims));
    const accesses = [
      ...[...cluster.dims.values()].map(flatAxes),
      ...read,
      ...resolveDims(counted),
    ];
    const inner = read.map((axes) => axes.at(-1));
    this.nest = new LoopNest(cluster, accesses, cluster.dot === undefined ? inner : [], target);
    for (const site of sites)
      if (site.whole) this.#wholeOperand(site.value);
      else this.readOperand(site.value, site.dims);
    for (const value of outputs) this.#writeOperand(value);
    this.outputs = outputs;
  }

  readonly outputs: readonly HloValue[];

  /** The builder of the kernel's body. */
  get b(): TileBuilder {
    if (this.#builder === undefined)
      throw new LoweringError('fuse: the body of the kernel is not open.');
    return this.#builder;
  }

  /** Where the operand of an op comes from. A stored view and the operands of a dot look through to memory. */
  source(value: HloValue, dims: Dims, memory = false): Source {
    const scope = {
      isInterior: (v: HloValue) => !memory && this.cluster.dims.has(v),
      inBlock: this.#clustering.inBlock,
    };
    const source = trace(value, dims, scope, new Trail());
    return memory && source.kind === 'inline' && this.cluster.dot !== undefined
      ? { kind: 'leaf', value, dims }
      : source;
  }

  /** Every read from memory: the operands that are leaves. And the axes that an iota counts, which must not be merged with others. */
  #sites(): { sites: ReadSite[]; counted: (readonly Axis[])[] } {
    const sites: ReadSite[] = [];
    const counted: (readonly Axis[])[] = [];
    for (const op of this.cluster.ops) {
      if (op.kind === 'iota') counted.push(this.dimsOf(op.results[0])[op.attrs.dim]);
      for (const [value, dims] of this.operandsOf(op)) {
        if (dims === undefined) {
          sites.push({ value, dims: [], whole: true });
          continue;
        }
        const source = this.source(value, dims, looksThrough(op));
        if (source.kind === 'leaf')
          sites.push({ value: source.value, dims: source.dims, whole: false });
        const { def } = source.value;
        if (source.kind === 'inline' && def?.kind === 'iota')
          counted.push(source.dims[def.attrs.dim]);
      }
    }
    return { sites, counted };
  }

  /** Operands of an op with their axes; undefined axes for what a window op reads as a whole. */
  operandsOf(op: HloOp): (readonly [HloValue, Dims | undefined])[] {
    if (roleOf(op) === 'view') return [[op.results[0], this.dimsOf(op.results[0])]];
    const join = this.cluster.joins.get(op);
    if (join === undefined) return [];
    return op.operands.map((x, i) => [x, join.operands[i]] as const);
  }

  /** Axes of a value computed here. */
  dimsOf(value: HloValue): Dims {
    const dims = this.cluster.dims.get(value);
    if (dims === undefined) throw new LoweringError('fuse: a value is not part of the fusion.');
    return dims;
  }

  #wholeOperand(value: HloValue): void {
    const key = `${idOf(rootOf(value))}:whole:${value.type.shape.join('x')}`;
    if (this.#readIndex.has(key)) return;
    this.#readIndex.set(key, this.#operands.length);
    const shape = value.type.shape;
    this.#operands.push({
      name: `x${this.#operands.length}`,
      dtype: value.type.dtype,
      shape,
      access: 'read',
      dims: shape.map((extent) => ({ kind: 'blocked', size: Math.max(1, extent) })),
      indexMap: (b) => shape.map(() => b.constant(0, 'i32')),
    });
    this.#args.push(value);
  }

  /** The ref of the block of a value along these axes. */
  blockRef(value: HloValue, dims: Dims): Ref {
    return this.#refs[this.readOperand(value, dims)];
  }

  /** The ref of a value that is read as a whole. */
  wholeRef(value: HloValue): Ref {
    const index = this.#readIndex.get(`${idOf(rootOf(value))}:whole:${value.type.shape.join('x')}`);
    if (index === undefined)
      throw new LoweringError('fuse: an operand of a window op was not declared.');
    return this.#refs[index];
  }

  #blockOperand(loops: readonly Loop[], access: 'read' | 'write', value: HloValue): number {
    this.#operands.push({
      name: `${access === 'read' ? 'x' : 'y'}${this.#operands.length}`,
      dtype: value.type.dtype,
      shape: loops.map((l) => l.extent),
      access,
      dims: loops.map((l) =>
        l.block === 1 ? { kind: 'squeezed' } : { kind: 'blocked', size: l.block },
      ),
      indexMap: (b, ids) =>
        loops.map((l) => (l.grid === undefined ? b.constant(0, 'i32') : ids[l.grid])),
    });
    this.#args.push(value);
    return this.#operands.length - 1;
  }

  /** Declare that blocks of a value are read along these axes. */
  readOperand(value: HloValue, dims: Dims): number {
    const loops = this.nest.order(dims);
    const key = `${idOf(rootOf(value))}:${loops.map((l) => this.nest.loops.indexOf(l)).join(',')}`;
    const known = this.#readIndex.get(key);
    if (known !== undefined) return known;
    const index = this.#blockOperand(loops, 'read', value);
    this.#readIndex.set(key, index);
    return index;
  }

  #writeOperand(value: HloValue): void {
    this.#blockOperand(this.nest.order(this.dimsOf(value)), 'write', value);
  }

  /** Bring a tile whose axes are these loops (those with a block of one left out) into the kernel's order. */
  canonical(tile: Tile, loops: readonly Loop[]): Tile {
    const have = loops.filter((l) => l.block > 1);
    const wanted = this.nest.tileLoops.filter((l) => have.includes(l));
    const permutation = wanted.map((l) => have.indexOf(l));
    const turned = permutation.every((p, i) => p === i)
      ? tile
      : this.b.transpose(tile, permutation);
    const shape = this.nest.tileLoops.map((l) => (have.includes(l) ? l.block : 1));
    return turned.type.shape.length === shape.length ? turned : this.b.reshape(turned, shape);
  }

  /** The opposite of `canonical`: the axes of these loops in their order. */
  uncanonical(tile: Tile, loops: readonly Loop[]): Tile {
    const have = loops.filter((l) => l.block > 1);
    const present = this.nest.tileLoops.filter((l) => have.includes(l));
    const shape = present.map((l) => l.block);
    const dense = tile.type.shape.length === shape.length ? tile : this.b.reshape(tile, shape);
    const permutation = have.map((l) => present.indexOf(l));
    return permutation.every((p, i) => p === i) ? dense : this.b.transpose(dense, permutation);
  }

  /** Repeat a tile along loops where it has size 1. */
  expand(tile: Tile, shape: readonly number[]): Tile {
    const from = tile.type.shape;
    if (from.length === shape.length && from.every((d, i) => d === shape[i])) return tile;
    return this.b.broadcast(
      tile,
      shape,
      from.map((_, i) => i),
    );
  }

  /** The tile of an operand along these axes, in the shape that those axes have here. */
  operand(value: HloValue, dims: Dims): Tile {
    const shape = this.nest.tileShape(dims);
    const source = this.source(value, dims);
    switch (source.kind) {
      case 'interior':
        return this.expand(this.computed(source.value), shape);
      case 'leaf':
        return this.expand(this.#loaded(source.value, source.dims), shape);
      case 'inline':
        return this.#inline(source.value, source.dims, shape);
    }
  }

  /** The tile of a value computed here. */
  computed(value: HloValue): Tile {
    const tile = this.#tiles.get(value);
    if (tile === undefined)
      throw new LoweringError('fuse: a value was used before it was computed.');
    return tile;
  }

  /** The block of a value in memory along these axes, in the kernel's order. */
  #loaded(value: HloValue, dims: Dims): Tile {
    const index = this.readOperand(value, dims);
    let tile = this.#loads.get(index);
    if (tile === undefined) {
      tile = this.canonical(this.b.load(this.#refs[index]), this.nest.order(dims));
      this.#loads.set(index, tile);
    }
    return tile;
  }

  #inline(value: HloValue, dims: Dims, shape: readonly number[]): Tile {
    const def = value.def;
    if (def?.kind === 'constant' && def.attrs.value.splat)
      return splat(this.b, def.attrs.value.value, value.type.dtype, shape);
    if (def?.kind !== 'iota')
      throw new LoweringError(`fuse: ${def?.kind ?? 'argument'} cannot be computed inline.`);
    const index = this.index(resolve(dims[def.attrs.dim]), shape);
    return value.type.dtype === 'i32' ? index : this.b.cast(index, value.type.dtype);
  }

  /** The position along a dimension with these axes, as an i32 tile of the shape. */
  index(axes: readonly Axis[], shape: readonly number[]): Tile {
    const { b } = this;
    let stride = 1;
    let total: Tile | undefined;
    for (const loop of this.nest.sequence(axes).toReversed()) {
      const at = this.nest.tileLoops.indexOf(loop);
      let position = at < 0 ? undefined : b.iota('i32', shape, at);
      if (loop.grid !== undefined) {
        const start = b.scalar('mul', b.programId(loop.grid), b.constant(loop.block, 'i32'));
        const spread = this.expandScalar(start, shape);
        position = position === undefined ? spread : b.scalar('add', position, spread);
      }
      if (position !== undefined) {
        const scaled =
          stride === 1 ? position : b.scalar('mul', position, b.constant(stride, 'i32', shape));
        total = total === undefined ? scaled : b.scalar('add', total, scaled);
      }
      stride *= loop.extent;
    }
    return total ?? b.constant(0, 'i32', shape);
  }

  /** A rank-0 tile repeated to a shape. */
  expandScalar(tile: Tile, shape: readonly number[]): Tile {
    return shape.length === 0 ? tile : this.b.broadcast(tile, shape, []);
  }

  /** A rank-0 operand (a start index, a padding value) as a rank-0 tile. */
  scalarOperand(value: HloValue): Tile {
    const tile = this.operand(value, []);
    return tile.type.shape.length === 0 ? tile : this.b.reshape(tile, []);
  }

  /** First element of this program's block along a loop. */
  start(loop: Loop): Tile {
    const { b } = this;
    if (loop.grid === undefined) return b.constant(0, 'i32');
    return b.scalar('mul', b.programId(loop.grid), b.constant(loop.block, 'i32'));
  }

  #emit(op: HloOp): void {
    const results = this.#tilesOf(op);
    op.results.forEach((value, i) => this.#tiles.set(value, results[i]));
  }

  #tilesOf(op: HloOp): Tile[] {
    const shape = this.nest.tileShape(this.dimsOf(op.results[0]));
    switch (roleOf(op)) {
      case 'map': {
        const args = this.operandsOf(op).map(([value, dims]) =>
          this.expand(this.operand(value, dims ?? []), shape),
        );
        return [emitMap(this.b, op, args)];
      }
      case 'inline':
        return [this.#inline(op.results[0], this.dimsOf(op.results[0]), shape)];
      case 'view': {
        const dims = this.dimsOf(op.results[0]);
        return [this.#viewed(op, dims)];
      }
      case 'reduce':
        return emitReduce(this, op as HloOp<'reduce'>);
      case 'dot':
        return [emitDot(this, op as HloOp<'dot_general'>)];
      case 'window':
        return [emitWindow(this, op)];
      case 'alone':
        throw new LoweringError(`fuse: ${op.kind} is not part of a fusion.`);
    }
  }

  /** A view that must be in memory: copy its operand. */
  #viewed(op: HloOp, dims: Dims): Tile {
    const shape = this.nest.tileShape(dims);
    const source = this.source(op.results[0], dims, true);
    if (source.kind === 'inline') return this.#inline(source.value, source.dims, shape);
    return this.expand(this.#loaded(source.value, source.dims), shape);
  }

  #store(value: HloValue, ref: Ref): void {
    const { b } = this;
    const dims = this.dimsOf(value);
    const loops = this.nest.order(dims);
    const write = (): void => b.store(ref, this.uncanonical(this.computed(value), loops));
    const missing = this.nest.missing(dims);
    if (missing.length === 0) {
      write();
      return;
    }
    const first = missing
      .map((l) => b.compare('eq', b.programId(l.grid ?? 0), b.constant(0, 'i32')))
      .reduce((x, y) => b.scalar('and', x, y));
    b.if(
      first,
      () => {
        write();
        return [];
      },
      () => [],
    );
  }

  /** Write the kernel. */
  build(name: string): FusedKernel {
    const kernel = makeKernel({
      name,
      grid: this.nest.grid.map((l) => ({
        extent: Math.ceil(l.extent / l.block),
        semantics: 'parallel' as const,
      })),
      operands: this.#operands,
      scratch: [],
      body: (b, refs) => {
        this.#builder = b;
        this.#refs = refs;
        for (const op of this.cluster.ops) this.#emit(op);
        const first = this.#operands.length - this.outputs.length;
        this.outputs.forEach((value, i) => this.#store(value, refs[first + i]));
      },
    });
    return { kernel, args: this.#args };
  }
}

const ids = new WeakMap<HloValue, number>();
let nextId = 0;
function idOf(value: HloValue): number {
  let id = ids.get(value);
  if (id === undefined) ids.set(value, (id = nextId++));
  return id;
}

const looksThrough = (op: HloOp): boolean => op.kind === 'dot_general' || roleOf(op) === 'view';

const byPosition =
  (clustering: Clustering) =>
  (a: HloOp, b: HloOp): number =>
    clustering.position(a) - clustering.position(b);
