/**
 * The loop nest of a pass. One loop, over the last axis, runs in vectors: bundles of up to eight vectors are computed instance by
 * instance, then a remainder, then a tail of up to three elements whose stores are exact. Instances are computed in the outermost loop
 * that they depend on. A reduction over the vector loop keeps one accumulator per vector of the bundle; one over other loops turns the
 * nest inside out, so that its accumulators are registers too.
 */
import { invariant } from '../../core/errors.ts';
import type { Access, Loop } from './access.ts';
import { loopCoefficient, mergeLoops, planAccess } from './access.ts';
import type { Symbols } from './affine.ts';
import { coldArms } from './cold.ts';
import type { Arm } from './cold.ts';
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import { isRow } from './gather.ts';
import { add, int, memory, minS, mul, op, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { Destination, Form, Instance, Pass, Root } from './pass.ts';
import { axesOf, valuesOf, workOf } from './pass.ts';
import { baseAddress } from './window.ts';

/** A vector of a bundle: how many of its lanes count. */
export type Bundle = readonly number[];

/** Terms of a column's sum that are added to one accumulator before it joins a total: the error grows with the longer of both chains. */
const sumBlock = 1024;
/** Bytes that memory delivers at once. */
const lineBytes = 64;

/** What a nest needs from its surroundings. */
export interface NestOptions {
  readonly context: Context;
  readonly symbols: Symbols;
  /** Axes that enclosing loops walk, with their counters. */
  readonly leading: ReadonlyMap<number, Node>;
  /** The part of the first loop to run. */
  readonly range: { readonly from: Node; readonly to: Node } | undefined;
  /** Addresses of rows of 32-bit elements that are touched, line by line, while the vector loop runs. */
  readonly ahead?: readonly Node[];
}

/** What evaluates instances and roots inside a nest. */
export interface Body {
  /** Emit what can be computed once the first `level` loops are entered. */
  enter(level: number): void;
  /** Emit the roots, at the innermost point. */
  roots(): void;
  /** Between blocks of a long sum: move the accumulators into totals. */
  settle(): void;
  /** At the end of a round of the vector loop. */
  endBundle(): void;
  /** Before the first reduced loop, and after it. */
  startReduction(): void;
  endReduction(): void;
}

/** How the loops of a pass lie. */
export class NestPlan {
  readonly pass: Pass;
  readonly loops: readonly Loop[];
  /** Position of the loop that runs in vectors, or -1. */
  readonly vectorAt: number;
  /** Position of the first reduced loop; the number of loops if there is none. */
  readonly reducedAt: number;
  readonly accesses: ReadonlyMap<object, Access>;
  /** Vectors of a full bundle. */
  readonly width: number;
  /** Parts of the innermost body that are computed under a branch, by the selection that they are for. */
  readonly arms: ReadonlyMap<Instance, Arm>;
  readonly #vectorAxes: number;

  /** `leading`: axes that enclosing loops walk; `isPrivate`: whether only one row of a memory is used, over and over. */
  constructor(
    pass: Pass,
    symbols: Symbols,
    leading: ReadonlySet<number>,
    isPrivate: (area: object) => boolean = () => false,
  ) {
    this.pass = pass;
    const { space } = pass;
    const accesses = new Map<object, Access>();
    const forms: Form[] = [];
    const plan = (key: object, access: Parameters<typeof planAccess>[2]): void => {
      let planned = planAccess(symbols, space, access);
      if (leading.size > 0 && isPrivate(access.window.area)) {
        const coefs = planned.form.coefs.map((c, axis) => (leading.has(axis) ? 0 : c));
        planned = { ...planned, form: { ...planned.form, coefs } };
      }
      accesses.set(key, planned);
      forms.push(planned.form, ...planned.guards.map((guard) => guard.form));
    };
    for (const instance of pass.instances) {
      if (instance.meaning.kind === 'memory') plan(instance, instance.meaning);
      if (instance.meaning.kind === 'iota') forms.push(instance.meaning.form);
    }
    for (const root of pass.roots) {
      for (const to of destinationsOf(root)) plan(to, to);
      if (root.kind === 'argreduce')
        forms.push({ coefs: space.shape.map((_, i) => Number(i === root.axis)), constant: 0 });
    }
    this.accesses = accesses;
    const axes = space.shape.map((_, i) => i).filter((axis) => !leading.has(axis));
    const kept = axes.filter((axis) => !space.reduced.includes(axis));
    const reduced = axes.filter((axis) => space.reduced.includes(axis));
    this.loops = mergeLoops(space, [...kept, ...reduced], forms);
    const firstReduced = this.loops.findIndex((loop) => loop.isReduced);
    this.reducedAt = firstReduced < 0 ? this.loops.length : firstReduced;
    const last = this.#lastLoop(axes);
    this.vectorAt = this.#canVectorise(symbols, last) ? last : -1;
    this.#vectorAxes = (this.loops[this.vectorAt]?.axes ?? []).reduce(
      (mask, axis) => mask | (1 << axis),
      0,
    );
    this.arms = this.#findArms();
    this.width = this.#chooseWidth();
  }

  /** What decides whether computed positions are neighbours. */
  rowContext(symbols: Symbols, at: number = this.vectorAt): Parameters<typeof isRow>[2] {
    const loop = this.loops[at];
    const mask = loop.axes.reduce((axes, axis) => axes | (1 << axis), 0);
    return { symbols, loop, shape: this.pass.space.shape, isVector: (axes) => (axes & mask) !== 0 };
  }

  #isVectorScatter(root: Root, symbols: Symbols, at: number): boolean {
    if (root.kind !== 'scatter') return false;
    const context = this.rowContext(symbols, at);
    const isUniform = root.mask === undefined || !context.isVector(root.mask.axes);
    return isUniform && isRow(root.window, root.indices, context);
  }

  #canVectorise(symbols: Symbols, at: number): boolean {
    const loose = this.pass.roots.some((root) =>
      destinationsOf(root).some((to) => this.accesses.get(to)!.guards.length > 0),
    );
    if (!this.pass.isNarrow || loose || this.loops.length === 0) return false;
    return this.pass.roots.every(
      (root) =>
        root.kind === 'write' || root.kind === 'reduce' || this.#isVectorScatter(root, symbols, at),
    );
  }

  #lastLoop(axes: readonly number[]): number {
    const last = axes.findLast((axis) => this.loops.some((loop) => loop.axes.includes(axis)));
    return this.loops.findIndex((loop) => loop.axes.includes(last!));
  }

  // In the vector loop, where nothing of it is needed in loops further inside.
  #findArms(): Map<Instance, Arm> {
    if (this.vectorAt < 0 || this.vectorAt !== this.loops.length - 1) return new Map();
    return coldArms(
      this.pass.instances.filter((instance) => this.isVector(instance.axes)),
      this.pass.roots.flatMap(valuesOf),
    );
  }

  // Many live values in a wide bundle spill; reductions share eight accumulators, the most that stay in registers.
  #chooseWidth(): number {
    if (this.vectorAt < 0) return 1;
    const loop = this.loops[this.vectorAt];
    const work = this.#work;
    const reductions = this.pass.roots.filter((root) => root.kind === 'reduce').length;
    let width = work > 150 ? 1 : work > 90 ? 2 : 4;
    if (reductions === 1 && work <= 3) width = 8;
    if (reductions > 0) while (width > 1 && width * reductions > 8) width /= 2;
    while (width > 1 && 4 * width > loop.extent) width /= 2;
    return width;
  }

  /** Whether the vectors of a bundle are better computed one after the other: few operations keep few values alive that way. */
  get isSimple(): boolean {
    return this.vectorAt === this.loops.length - 1 && this.arms.size === 0 && this.#work <= 8;
  }

  get #work(): number {
    const cold = [...this.arms.values()].reduce((n, arm) => n + arm.instances.length, 0);
    return workOf(this.pass.instances) - cold;
  }

  /** Whether reductions run along the vector loop. */
  get isRowReduction(): boolean {
    return this.vectorAt >= 0 && this.vectorAt >= this.reducedAt;
  }

  /** Whether sums down columns are so long that they are added up in blocks. */
  get hasLongColumns(): boolean {
    const isColumns = this.vectorAt >= 0 && this.vectorAt < this.reducedAt;
    return isColumns && (this.loops[this.reducedAt]?.extent ?? 0) > 2 * sumBlock;
  }

  /** The number of loops that must be entered before something with these axes is known. */
  levelOf(axes: number): number {
    let level = 0;
    this.loops.forEach((loop, i) => {
      if (loop.axes.some((axis) => (axes & (1 << axis)) !== 0)) level = i + 1;
    });
    return level;
  }

  /** The same without the vector loop: where an address' row part is known. */
  rowLevelOf(axes: number): number {
    if (this.vectorAt < 0) return this.levelOf(axes);
    return this.levelOf(axes & ~this.#vectorAxes);
  }

  /** Whether something with these axes varies along the vector loop. */
  isVector(axes: number): boolean {
    return (axes & this.#vectorAxes) !== 0;
  }

  /** The axes that an access depends on. */
  axesOfAccess(access: Access): number {
    return access.guards.reduce((mask, guard) => mask | axesOf(guard.form), axesOf(access.form));
  }

  /** Points that one result of a reduction is made of. */
  get rowLength(): number {
    return this.loops.slice(this.reducedAt).reduce((n, loop) => n * loop.extent, 1);
  }

  /** Points of the space. */
  get size(): number {
    return this.loops.reduce((n, loop) => n * loop.extent, 1);
  }
}

/** Where a root leaves its results. */
export function destinationsOf(root: Root): readonly Destination[] {
  if (root.kind === 'scatter') return [];
  return root.kind === 'fold' ? root.to : [root.to];
}

/** The counters of a nest while it is being emitted. */
export class Counters {
  readonly plan: NestPlan;
  readonly options: NestOptions;
  readonly #counters: (Node | undefined)[] = [];
  /** Vectors of the bundle that is being emitted. */
  bundle: Bundle = [];
  /** The one vector of the bundle that is being emitted, where they are emitted one after the other. */
  #only: number | undefined;
  /** i · n for every needed n, in the vector loop. */
  readonly #scaled = new Map<number, Node>();

  constructor(plan: NestPlan, options: NestOptions) {
    this.plan = plan;
    this.options = options;
  }

  get fn(): Fn {
    return this.options.context.fn;
  }

  /** Visit the vectors that are being emitted: lanes and number of each. */
  eachVector(visit: (lanes: number, u: number) => void): void {
    this.bundle.forEach((lanes, u) => {
      if (this.#only === undefined || this.#only === u) visit(lanes, u);
    });
  }

  /** Σ coefficient · counter + constant, over the leading axes and the loops entered; `vector`: whether the vector loop takes part. */
  value(form: Form, vector: boolean): Node {
    let sum = int(form.constant);
    for (const [axis, counter] of this.options.leading)
      sum = add(sum, mul(counter, int(form.coefs[axis] ?? 0)));
    this.plan.loops.forEach((loop, i) => {
      const coefficient = loopCoefficient(loop, form);
      if (coefficient === 0 || (i === this.plan.vectorAt && !vector)) return;
      const counter = this.#counters[i];
      invariant(counter !== undefined, 'a form was evaluated before its loop was entered');
      sum = add(
        sum,
        i === this.plan.vectorAt
          ? this.#scaledCounter(counter, coefficient)
          : mul(counter, int(coefficient)),
      );
    });
    return sum;
  }

  #scaledCounter(counter: Node, factor: number): Node {
    return this.#scaled.get(factor) ?? mul(counter, int(factor));
  }

  /** Base address plus row part of an access, guards excepted. */
  rowAddress(access: Access): Node {
    const base = baseAddress(this.fn, access.window, access.guarded);
    return add(base, this.value(access.form, false));
  }

  /** Bytes of an access from its row address at the current vector. */
  vectorOffset(form: Form): Node {
    const { loops, vectorAt } = this.plan;
    const factor = loopCoefficient(loops[vectorAt], form);
    return factor === 0 ? int(0) : this.#scaledCounter(this.#counters[vectorAt]!, factor);
  }

  /** Emit the loops from `position` on. */
  run(body: Body, position = 0): void {
    body.enter(position);
    if (position === this.plan.reducedAt) body.startReduction();
    if (position === this.plan.loops.length) body.roots();
    else if (position === this.plan.vectorAt) this.#vectors(body, position);
    else this.#scalars(body, position);
    if (position === this.plan.reducedAt) body.endReduction();
  }

  #bounds(position: number): { from: Node; to: Node; isKnown: boolean } {
    const { fn } = this;
    const loop = this.plan.loops[position];
    if (position === 0 && this.options.range !== undefined)
      return { ...this.options.range, isKnown: false };
    if (loop.clip === undefined) return { from: int(0), to: int(loop.extent), isKnown: true };
    const { clip, factor } = loop.clip;
    const bound = (node: Node): Node => fn.keep(mul(node, int(factor)), 'e');
    return { from: bound(clip.low(fn)), to: bound(clip.high(fn)), isKnown: false };
  }

  #scalars(body: Body, position: number): void {
    const { fn } = this;
    const { from, to } = this.#bounds(position);
    const counter = fn.local('i32', 'i');
    const loop = (range: { from: Node; to: Node }): void =>
      fn.for(counter, range, () => {
        this.#counters[position] = fn.get(counter);
        this.run(body, position + 1);
      });
    if (position !== this.plan.reducedAt || !this.plan.hasLongColumns) return loop({ from, to });
    const block = fn.local('i32', 'block');
    const end = fn.local('i32', 'end');
    return fn.for(block, { from, to, step: sumBlock }, () => {
      fn.scope(() => fn.set(end, minS(fn.keep(add(fn.get(block), int(sumBlock))), to)));
      loop({ from: fn.get(block), to: fn.get(end) });
      body.settle();
    });
  }

  #vectors(body: Body, position: number): void {
    const { width } = this.plan;
    const { from, to, isKnown } = this.#bounds(position);
    const counter = this.fn.local('i32', 'i');
    const full = new Array<number>(width).fill(4);
    if (!isKnown) return this.#vectorsBetween(body, { counter, from, to, full });
    const { extent } = this.plan.loops[position];
    const main = extent - (extent % (4 * width));
    if (main === 4 * width) this.#bundleAt(body, int(0), full);
    else if (main > 0)
      this.fn.for(counter, { from, to: int(main), step: 4 * width }, () =>
        this.#bundleAt(body, this.fn.get(counter), full, true),
      );
    const rest = extent - main;
    if (rest === 0) return;
    const lanes = Array.from({ length: Math.ceil(rest / 4) }, (_, u) => Math.min(4, rest - 4 * u));
    this.#bundleAt(body, int(main), lanes);
  }

  #vectorsBetween(body: Body, range: { counter: Local; from: Node; to: Node; full: Bundle }): void {
    const { fn } = this;
    const { counter, from, to, full } = range;
    const i = (): Node => fn.get(counter);
    const emit = (bundle: Bundle, isLoop = false): void =>
      this.#bundleAt(body, i(), bundle, isLoop);
    fn.set(counter, from);
    const whileFits = (bundle: Bundle): void => {
      const step = 4 * bundle.length;
      const fits = (): Node => op('i32.le_s', add(i(), int(step)), to);
      fn.if(fits(), () =>
        fn.loop((again) => {
          emit(bundle, true);
          fn.set(counter, add(i(), int(step)));
          fn.br(again, fits());
        }),
      );
    };
    whileFits(full);
    if (full.length > 1) whileFits([4]);
    for (const lanes of [3, 2, 1])
      fn.if(op('i32.eq', sub(to, i()), int(lanes)), () => emit([lanes]));
  }

  #bundleAt(body: Body, counter: Node, bundle: Bundle, isLoop = false): void {
    const { fn, plan } = this;
    this.#counters[plan.vectorAt] = counter;
    this.bundle = bundle;
    const held: Local[] = [];
    this.#scaled.clear();
    for (const factor of this.#factors()) {
      const product = mul(counter, int(factor));
      if (product.kind === 'const' || product.kind === 'get') continue;
      const local = fn.local('i32', 'f');
      held.push(local);
      fn.set(local, product);
      this.#scaled.set(factor, fn.get(local));
    }
    if (isLoop) this.#touchAhead(counter);
    if (plan.isSimple) {
      bundle.forEach((_, u) => {
        this.#only = u;
        this.run(body, plan.vectorAt + 1);
      });
      this.#only = undefined;
    } else this.run(body, plan.vectorAt + 1);
    if (isLoop) body.endBundle();
    held.forEach((local) => fn.release(local));
    this.#scaled.clear();
  }

  #touchAhead(counter: Node): void {
    for (const row of this.options.ahead ?? []) {
      const address = add(row, this.#scaledCounter(counter, 4));
      for (let offset = 0; offset < 16 * this.bundle.length; offset += lineBytes)
        this.fn.emit(op('drop', memory('i32.load', offset, address)));
    }
  }

  #factors(): Set<number> {
    const loop = this.plan.loops[this.plan.vectorAt];
    const factors = new Set<number>();
    for (const { form } of this.plan.accesses.values()) factors.add(loopCoefficient(loop, form));
    factors.delete(0);
    factors.delete(1);
    return factors;
  }
}

/** The smaller of the loop's end and a chunk's. */
export const chunkEnd = (fn: Fn, from: Node, step: number, end: Node): Node =>
  fn.keep(minS(fn.keep(add(from, int(step)), 'e'), end), 'e');
