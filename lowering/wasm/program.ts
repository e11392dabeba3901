/**
 * The state of a program under emission: where tiles stand, which windows refs are, scratch memory, the queue of passes. `regions.ts`
 * walks the ops; the files for structured ops and for dots use this.
 */
import type { DType } from '../../core/dtype.ts';
import { InternalError } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Tile, TileRegion, TileValue } from '../tile/ir.ts';
import type { Affine } from './affine.ts';
import { Symbols } from './affine.ts';
import { castSingle, singleType } from './convert.ts';
import type { Context, WasmFeatures } from './convert.ts';
import { Evaluator } from './evaluate.ts';
import type { Fn, WasmModule } from './fn.ts';
import { byteLengthOf, scratchFormat } from './format.ts';
import type { Format } from './format.ts';
import { Counters, NestPlan } from './nest.ts';
import { add, int, op, select } from './nodes.ts';
import { scalarSingle } from './outline.ts';
import type { Local, Node } from './nodes.ts';
import type { Form, Instance, Place, Resolver, Space } from './pass.ts';
import { identityForms, Pass } from './pass.ts';
import { Queue } from './queue.ts';
import { Scratch } from './scratch.ts';
import type { Area, Clip, Index, Window } from './window.ts';
import { clipOf, dimKey, knownIndex, looseDims, readerOf, wholeWindow } from './window.ts';

/** A space of all points of a shape. */
export const fullSpace = (shape: Shape, reduced: readonly number[] = []): Space => ({
  shape,
  reduced,
  clips: shape.map(() => undefined),
  condition: undefined,
});

/** One program of a kernel, being emitted into one function. */
export class Program implements Resolver {
  readonly module: WasmModule;
  readonly features: WasmFeatures;
  readonly fn: Fn;
  readonly symbols: Symbols = new Symbols();
  readonly scratch: Scratch = new Scratch();
  readonly queue: Queue;
  /** Ids of the grid axes. */
  readonly grid: { readonly id: Index; readonly extent: number }[] = [];
  /** How often the code being emitted runs, as far as is known. */
  trips = 1;
  /** Estimated nanoseconds of one program. */
  cost = 0;
  readonly #base: Local;
  readonly #places = new Map<TileValue, Place>();
  /** Per open region, what the places that it has set were before: its code need not have run afterwards. */
  readonly #shadowed: Map<TileValue, Place | undefined>[] = [new Map()];
  readonly #windows = new Map<TileValue, Window>();
  readonly #affines = new Map<TileValue, Affine>();
  /** Clips whose code has been emitted, per open region: code in an inner region need not have run afterwards. */
  readonly #clips: Map<Window, Map<number, Clip>>[] = [new Map()];
  /** Offsets of scratch blocks behind materialised tiles. */
  readonly #blocks = new Map<object, number>();
  /** Areas that were allocated here. */
  readonly #tiles = new WeakSet<object>();

  constructor(module: WasmModule, features: WasmFeatures, fn: Fn, base: Local) {
    this.module = module;
    this.features = features;
    this.fn = fn;
    this.#base = base;
    this.queue = new Queue({
      module,
      features,
      symbols: this.symbols,
      resolver: this,
      inline: (context, region, args) => this.inline(context, region, args),
      isDead: (area) => this.#tiles.has(area) && !this.#blocks.has(area),
      scratch: (bytes) => this.address(this.scratch.take(bytes)),
    });
  }

  get context(): Context {
    return { fn: this.fn, module: this.module, features: this.features };
  }

  /** A reader of the address of a scratch block. */
  address(offset: number): (fn: Fn) => Node {
    return (fn) => add(fn.get(this.#base), int(offset));
  }

  // --- places

  place(tile: Tile): Place | undefined {
    return this.#places.get(tile);
  }

  /** Say where a tile stands. */
  setPlace(tile: TileValue, place: Place): void {
    const before = this.#shadowed[this.#shadowed.length - 1];
    if (!before.has(tile)) before.set(tile, this.#places.get(tile));
    this.#places.set(tile, place);
  }

  window(ref: TileValue): Window {
    const window = this.#windows.get(ref);
    if (window === undefined)
      throw new InternalError('wasm: a ref was used before it was defined.');
    return window;
  }

  /** Say which window a ref is. */
  setWindow(ref: TileValue, window: Window): void {
    this.#windows.set(ref, window);
  }

  /** What is known of an i32 scalar. */
  affineOf(tile: TileValue): Affine {
    const known = this.#affines.get(tile) ?? this.symbols.unknown();
    this.#affines.set(tile, known);
    return known;
  }

  /** An i32 scalar as an index; emits what waits if it depends on it. */
  index(tile: TileValue): Index {
    const node = this.single(tile as Tile);
    const affine = this.affineOf(tile);
    return node.kind === 'const'
      ? knownIndex(Number(node.value))
      : { read: readerOf(node), affine };
  }

  /** Bind an i32 scalar to an index. */
  setIndex(tile: TileValue, index: Index): void {
    this.#affines.set(tile, index.affine);
    this.setPlace(tile, { kind: 'single', read: index.read });
  }

  /** Bind a rank-0 tile to a value (a constant or local); `affine`: what is known of an i32. */
  setSingle(tile: TileValue, node: Node, affine?: Affine): void {
    if (affine !== undefined) {
      const isKnown = affine.terms.size === 0;
      return this.setIndex(
        tile,
        isKnown ? knownIndex(affine.constant) : { read: readerOf(node), affine },
      );
    }
    return this.setPlace(tile, { kind: 'single', read: readerOf(node) });
  }

  /** Bind a rank-0 tile to a local that may change between uses, without moving it. */
  setLocal(tile: TileValue, local: Local): void {
    this.setPlace(tile, { kind: 'single', read: (fn) => fn.get(local) });
  }

  // --- memory

  /** Take scratch memory for a tile or ref. */
  allocate(
    name: string,
    dtype: DType,
    shape: Shape,
    format: Format = scratchFormat(dtype),
  ): Window {
    const offset = this.scratch.take(sizeOf(shape) * byteLengthOf(format));
    const area: Area = { name, isShared: false };
    this.#blocks.set(area, offset);
    this.#tiles.add(area);
    return wholeWindow(area, format, this.address(offset), shape);
  }

  /** Give scratch memory back. */
  free(window: Window): void {
    const offset = this.#blocks.get(window.area);
    if (offset === undefined) return;
    this.#blocks.delete(window.area);
    this.scratch.release(offset);
  }

  /** Emit what waits. */
  flush(): void {
    const before = this.queue.cost;
    this.queue.flush(this.fn);
    this.cost += (this.queue.cost - before) * this.trips;
    this.scratch.settle();
  }

  /** Which positions of a window's axes lie inside the array, where some may not; and the condition of its dropped axes. */
  clipsOf(window: Window): { clips: (Clip | undefined)[]; condition: Space['condition'] } {
    const loose = looseDims(this.symbols, window);
    const clips = window.axes.map((axis, i) =>
      loose.includes(axis.dim) ? this.#clip(window, i) : undefined,
    );
    const dropped = loose.filter((dim) => !window.axes.some((axis) => axis.dim === dim));
    if (dropped.length === 0) return { clips, condition: undefined };
    const checks = dropped.map((dim) =>
      op('i32.lt_u', window.dims[dim].origin.read(this.fn), int(window.dims[dim].extent)),
    );
    const all = this.fn.keep(checks.reduce((a, b) => op('i32.and', a, b)));
    return {
      clips,
      condition: { key: dropped.map((dim) => dimKey(window, dim)).join('&'), read: readerOf(all) },
    };
  }

  #clip(window: Window, axis: number): Clip {
    const found = this.#clips
      .findLast((clips) => clips.get(window)?.has(axis))
      ?.get(window)
      ?.get(axis);
    if (found !== undefined) return found;
    const clip = clipOf(this.fn, window, axis);
    const top = this.#clips[this.#clips.length - 1];
    top.set(window, (top.get(window) ?? new Map<number, Clip>()).set(axis, clip));
    return clip;
  }

  /** Emit the code of a nested region: what waits goes before it, and what it leaves waiting into it. */
  nested<T>(trips: number, fill: () => T): T {
    const before = this.trips;
    this.trips *= trips;
    this.#clips.push(new Map());
    this.#shadowed.push(new Map());
    const result = fill();
    this.flush();
    this.#clips.pop();
    for (const [tile, place] of this.#shadowed.pop()!) {
      if (place === undefined) this.#places.delete(tile);
      else this.#places.set(tile, place);
    }
    this.trips = before;
    return result;
  }

  // --- values

  /**
   * The value of a rank-0 tile (or of one element of a tile), as a local or constant; emits what waits if the value depends on it.
   */
  single(tile: Tile, forms: readonly Form[] = []): Node {
    const place = this.place(tile);
    if (place?.kind === 'single') return place.read(this.fn);
    const direct = this.#directly(tile);
    if (direct !== undefined) return direct;
    const pass = new Pass(fullSpace([]), this);
    const instance = pass.instance(tile, forms);
    if (pass.reads.some((touch) => this.queue.touches(touch.area, 'writes'))) this.flush();
    const node = this.#evaluate(pass, instance);
    if (node.kind === 'const') return node;
    // The value outlives the evaluation: it gets a local of its own.
    const local = this.fn.local(singleType(tile.type.dtype), 'x');
    this.fn.set(local, node);
    return this.fn.get(local);
  }

  // A scalar function of scalars that are at hand needs no pass.
  #directly(tile: Tile): Node | undefined {
    const op = tile.def;
    if (op === undefined || !(op.kind === 'scalar' || op.kind === 'select' || op.kind === 'cast'))
      return undefined;
    const places = op.operands.map((operand) => this.place(operand as Tile));
    if (
      op.operands.some((operand) => operand.type.shape.length > 0) ||
      !places.every((place) => place?.kind === 'single')
    )
      return undefined;
    const { fn, context } = this;
    const x = places.map((place) => (place?.kind === 'single' ? place.read(fn) : int(0)));
    const from = op.operands[0].type.dtype;
    const local = fn.local(singleType(tile.type.dtype), 'x');
    fn.scope(() => {
      const value =
        op.kind === 'scalar'
          ? scalarSingle(context, op.attrs.fn, x, from)
          : op.kind === 'select'
            ? select(x[0], x[1], x[2])
            : castSingle(context, from, tile.type.dtype, x[0]);
      fn.set(local, value);
    });
    return fn.get(local);
  }

  #evaluate(pass: Pass, instance: Instance): Node {
    const plan = new NestPlan(pass, this.symbols, new Set());
    const counters = new Counters(plan, {
      context: this.context,
      symbols: this.symbols,
      leading: new Map(),
      range: undefined,
    });
    const evaluator = new Evaluator(counters, this.context);
    evaluator.enter(0);
    return evaluator.single(instance);
  }

  /** Put a tile into scratch memory (or into `to`), when the queue comes to it. */
  materialise(tile: Tile, to?: Window): Window {
    const { dtype, shape } = tile.type;
    const window = to ?? this.allocate('tile', dtype, shape);
    const isSafe = this.write(tile, window, tile);
    if (isSafe) return window;
    const copy = this.allocate('copy', dtype, shape);
    this.write(tile, copy, undefined);
    this.setPlace(tile, { kind: 'memory', window: copy });
    this.write(tile, window, undefined);
    return window;
  }

  /**
   * Queue a write of a tile to a window of its shape. `binds`: the tile whose memory this is from now on. Gives false, having queued
   * nothing, if the tile reads the window's memory at another index.
   */
  write(tile: Tile, window: Window, binds: Tile | undefined): boolean {
    const { shape } = tile.type;
    const forms = identityForms(shape.length);
    const isQueued = this.queue.add({ ...fullSpace(shape), ...this.clipsOf(window) }, (pass) => ({
      kind: 'write',
      value: pass.instance(tile, forms),
      mask: undefined,
      to: { window, forms },
      tile: binds,
    }));
    if (isQueued && binds !== undefined) this.setPlace(binds, { kind: 'memory', window });
    return isQueued;
  }

  /** The memory of a tile: where it stands, or scratch memory that is filled now. */
  inMemory(tile: Tile): Window {
    const place = this.place(tile);
    return place?.kind === 'memory' ? place.window : this.materialise(tile);
  }

  /** Emit a region of rank-0 ops into any function. */
  inline(context: Context, region: TileRegion, args: readonly Node[]): Node[] {
    const inner = new Inliner(this, context);
    return inner.run(region, args);
  }
}

/** Evaluates regions of rank-0 ops on values that are at hand. */
class Inliner implements Resolver {
  readonly #program: Program;
  readonly #context: Context;
  readonly #values = new Map<TileValue, Node>();

  constructor(program: Program, context: Context) {
    this.#program = program;
    this.#context = context;
  }

  run(region: TileRegion, args: readonly Node[]): Node[] {
    region.args.forEach((arg, i) => this.#values.set(arg, args[i]));
    const pass = new Pass(fullSpace([]), this);
    const instances = region.results.map((result) => pass.instance(result as Tile, []));
    const plan = new NestPlan(pass, this.#program.symbols, new Set());
    const options = {
      context: this.#context,
      symbols: this.#program.symbols,
      leading: new Map<number, Node>(),
      range: undefined,
    };
    const evaluator = new Evaluator(new Counters(plan, options), this.#context);
    evaluator.enter(0);
    return instances.map((instance) => evaluator.single(instance));
  }

  place(tile: Tile): Place | undefined {
    const node = this.#values.get(tile);
    return node === undefined ? this.#program.place(tile) : { kind: 'single', read: () => node };
  }

  window(ref: TileValue): Window {
    return this.#program.window(ref);
  }
}

/** Whether a tile is a single i32. */
export const isIndex = (tile: TileValue): boolean =>
  tile.type.dtype === 'i32' && tile.type.shape.length === 0;

/** A form that is one known index. */
export const constantForm = (rank: number, constant: number): Form => ({
  coefs: new Array<number>(rank).fill(0),
  constant,
});
