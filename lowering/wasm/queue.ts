/**
 * Passes that wait to be emitted. Roots join the last pass where they can; consecutive passes that hand rows to each other run row by
 * row (a softmax reads its row from the first-level cache three times, not the block from memory). Loops go into outlined functions
 * that run at most some sixteen thousand points a call.
 */
import { aheadOf, nextRows } from './ahead.ts';
import type { Symbols } from './affine.ts';
import type { Context, WasmFeatures } from './convert.ts';
import type { Fn, WasmModule } from './fn.ts';
import { chunkEnd, Counters, destinationsOf, NestPlan } from './nest.ts';
import type { NestOptions } from './nest.ts';
import { int, op } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { Resolver, Root, Space, Touch } from './pass.ts';
import { Pass, workOf } from './pass.ts';
import { cellBytes, finishCell, isDoubleSum, PassBody, startCell } from './roots.ts';
import type { Cells, Inline } from './roots.ts';
import { emitTurn, turnOf } from './turn.ts';
import { baseAddress } from './window.ts';
import type { Clip, Reader } from './window.ts';

/** Points that one call of an outlined function visits. */
const chunkPoints = 16384;
/** Elements up to which a lone sum is added up in f64. */
const shortSum = 2048;

/** What the queue needs of the program that it belongs to. */
export interface QueueOptions {
  readonly module: WasmModule;
  readonly features: WasmFeatures;
  readonly symbols: Symbols;
  readonly resolver: Resolver;
  readonly inline: Inline;
  /** Whether nothing but waiting passes reads an area of scratch memory. */
  readonly isDead: (area: object) => boolean;
  /** Take scratch memory for the time of the flush: its address. */
  readonly scratch: (bytes: number) => Reader;
}

const sameSpace = (a: Space, b: Space): boolean =>
  a.shape.join() === b.shape.join() &&
  a.reduced.join() === b.reduced.join() &&
  a.condition?.key === b.condition?.key &&
  a.clips.every((clip, i) => clip?.key === b.clips[i]?.key);

/** The passes that are not emitted yet. */
export class Queue {
  readonly #options: QueueOptions;
  #passes: Pass[] = [];
  /** Estimated nanoseconds of what has been emitted, once. */
  cost = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Add a root over a space; gives false if the root writes memory that it reads at another index. */
  add(space: Space, make: (pass: Pass) => Root): boolean {
    const last = this.#passes.at(-1);
    if (last !== undefined && sameSpace(last.space, space) && last.join(make)) return true;
    const pass = new Pass(space, this.#options.resolver);
    if (!pass.join(make)) return false;
    this.#passes.push(pass);
    return true;
  }

  /** Whether waiting passes touch an area. */
  touches(area: object, how: 'reads' | 'writes'): boolean {
    return this.#passes.some((pass) => pass[how].some((touch) => touch.area === area));
  }

  get isEmpty(): boolean {
    return this.#passes.length === 0;
  }

  /** Emit what waits into a function. */
  flush(fn: Fn): void {
    const passes = this.#withoutDeadWrites(this.#passes);
    this.#passes = [];
    for (let i = 0; i < passes.length;) {
      const { count, depth } = rowGroup(passes, i);
      const group = passes.slice(i, i + count);
      const others = passes.filter((pass) => !group.includes(pass));
      if (count > 1)
        this.#emitRows(fn, group, {
          depth,
          isPrivate: (area) => this.#isPrivate(area, group, others),
        });
      else this.#emitAlone(fn, passes[i]);
      i += count;
    }
  }

  // A tile that was to be put into memory, but that only its own pass has read, is not: the memory is dead, or written again.
  #withoutDeadWrites(passes: readonly Pass[]): Pass[] {
    for (const pass of passes) {
      const dead = pass.roots.filter((root, i) => {
        if (root.kind !== 'write' || root.tile === undefined || pass.roots.length === 1)
          return false;
        const { area } = root.to.window;
        const isRewritten = pass.roots.some(
          (later, j) =>
            j > i &&
            later.kind === 'write' &&
            later.mask === undefined &&
            later.to.window.area === area,
        );
        return (
          (isRewritten || this.#options.isDead(area)) &&
          !passes.some((other) => other.reads.some((touch) => touch.area === area))
        );
      });
      pass.drop(dead);
    }
    return passes.filter((pass) => pass.roots.length > 0);
  }

  // Memory that rows of a group hand to each other, and nobody else: one row of it is enough.
  #isPrivate(area: object, group: readonly Pass[], others: readonly Pass[]): boolean {
    const isTile = group.some((pass) =>
      pass.roots.some(
        (root) => 'tile' in root && root.tile !== undefined && root.to.window.area === area,
      ),
    );
    return (
      isTile &&
      this.#options.isDead(area) &&
      !others.some((pass) => [...pass.reads, ...pass.writes].some((touch) => touch.area === area))
    );
  }

  #context(fn: Fn): Context {
    const { module, features } = this.#options;
    return { fn, module, features };
  }

  #nest(plan: NestPlan, options: NestOptions, cells: Cells): void {
    const counters = new Counters(plan, options);
    counters.run(new PassBody(counters, { inline: this.#options.inline, cells }));
  }

  #price(plan: NestPlan, rows = 1): void {
    const work = workOf(plan.pass.instances) + 1;
    this.cost += rows * plan.size * work * (plan.vectorAt >= 0 ? 0.1 : 1);
  }

  #emitAlone(outer: Fn, pass: Pass): void {
    const { condition } = pass.space;
    const plan = new NestPlan(pass, this.#options.symbols, new Set());
    if (plan.size === 0 && pass.roots.every((root) => root.kind === 'write')) return;
    this.#price(plan);
    const emit = (): void => this.#emitPlan(outer, plan);
    if (condition === undefined) emit();
    else outer.if(condition.read(outer), emit);
  }

  #emitPlan(outer: Fn, plan: NestPlan): void {
    const { module, symbols } = this.#options;
    const leading = new Map<number, Node>();
    const turn = turnOf(plan);
    if (turn !== undefined) return emitTurn(module, outer, plan, turn);
    if (plan.size <= 8 && plan.loops.every((loop) => loop.clip === undefined))
      return outer.scope(() =>
        this.#nest(
          plan,
          { context: this.#context(outer), symbols, leading, range: undefined },
          new Map(),
        ),
      );
    const inner = module.fn('pass', [], outer);
    if (isShortSum(plan)) return this.#emitChunks(outer, inner, plan, 4 * plan.width);
    const isChunked = plan.size > chunkPoints && plan.loops.length > 0 && canChunk(plan);
    if (isChunked) return this.#emitChunks(outer, inner, plan, chunkPoints);
    this.#nest(
      plan,
      { context: this.#context(inner), symbols, leading, range: undefined },
      new Map(),
    );
    return outer.callOutlined(inner);
  }

  #emitChunks(outer: Fn, inner: Fn, plan: NestPlan, points: number): void {
    const [loop] = plan.loops;
    const perPoint = plan.size / loop.extent;
    const multiple = plan.vectorAt === 0 ? 4 * plan.width : 1;
    const step = Math.max(multiple, Math.floor(points / perPoint / multiple) * multiple);
    const cells = loop.isReduced ? this.#cells(outer, plan) : new Map<Root, Reader>();
    const range = {
      from: inner.get(inner.param('i32', 'from')),
      to: inner.get(inner.param('i32', 'to')),
    };
    const context = this.#context(inner);
    this.#nest(plan, { context, symbols: this.#options.symbols, leading: new Map(), range }, cells);
    const [from, to] = this.#bounds(outer, loop.extent, loop.clip);
    const counter = outer.local('i32', 'chunk');
    outer.for(counter, { from, to, step }, () => {
      outer.callOutlined(inner, outer.get(counter), chunkEnd(outer, outer.get(counter), step, to));
    });
    for (const [root, cell] of cells) {
      const [to0] = destinationsOf(root);
      finishCell(
        this.#context(outer),
        root,
        cell(outer),
        outer.keep(baseAddress(outer, to0.window)),
      );
    }
  }

  #bounds(
    fn: Fn,
    extent: number,
    clipped: { clip: Clip; factor: number } | undefined,
  ): [Node, Node] {
    if (clipped === undefined) return [int(0), int(extent)];
    const { clip, factor } = clipped;
    const bound = (node: Node): Node => fn.keep(op('i32.mul', node, int(factor)), 'e');
    return [bound(clip.low(fn)), bound(clip.high(fn))];
  }

  #cells(outer: Fn, plan: NestPlan): Map<Root, Reader> {
    const cells = new Map<Root, Reader>();
    for (const root of plan.pass.roots) {
      if (root.kind !== 'reduce') continue;
      const cell = this.#options.scratch(cellBytes);
      startCell(this.#context(outer), root, cell(outer));
      cells.set(root, cell);
    }
    return cells;
  }

  // --- rows

  #emitRows(
    outer: Fn,
    passes: readonly Pass[],
    { depth, isPrivate }: { depth: number; isPrivate: (area: object) => boolean },
  ): void {
    const { symbols, module } = this.#options;
    const axes = Array.from({ length: depth }, (_, i) => i);
    const plans = passes.map((pass) => new NestPlan(pass, symbols, new Set(axes), isPrivate));
    const extents = passes[0].space.shape.slice(0, depth);
    const rows = extents.reduce((n, d) => n * d, 1);
    plans.forEach((plan) => {
      this.#price(plan, rows);
    });
    const perRow = plans.reduce((n, plan) => n + plan.size, 0);
    // The loops that the driver runs: until what is left for a call is small enough.
    let outside = 0;
    const below = (axis: number): number => extents.slice(axis).reduce((n, d) => n * d, perRow);
    while (outside < depth - 1 && below(outside + 1) > chunkPoints) outside++;
    const inner = module.fn('rows', [], outer);
    const range = {
      from: inner.get(inner.param('i32', 'from')),
      to: inner.get(inner.param('i32', 'to')),
    };
    const step = Math.max(1, Math.floor(chunkPoints / below(outside + 1)));
    const counters: Node[] = [];
    const drive = (axis: number): void => {
      const [from, to] = this.#bounds(outer, extents[axis], commonClip(passes, axis));
      const counter = outer.local('i32', 'row');
      if (axis < outside) {
        outer.for(counter, { from, to }, () => {
          counters.push(inner.get(counter));
          drive(axis + 1);
        });
        return;
      }
      this.#rowLoops(inner, plans, { counters, extents, range });
      outer.for(counter, { from, to, step }, () =>
        outer.callOutlined(
          inner,
          outer.get(counter),
          chunkEnd(outer, outer.get(counter), step, to),
        ),
      );
    };
    drive(0);
  }

  #rowLoops(
    inner: Fn,
    plans: readonly NestPlan[],
    {
      counters,
      extents,
      range,
    }: { counters: Node[]; extents: readonly number[]; range: { from: Node; to: Node } },
  ): void {
    const passes = plans.map((plan) => plan.pass);
    const last = extents.length - 1;
    const ahead = areRowsInside(passes, extents.length) ? aheadOf(plans) : undefined;
    const rowsAhead = (row: readonly Node[]): Node[] => {
      const [, end] = this.#bounds(inner, extents[last], commonClip(passes, last));
      const options = { context: this.#context(inner), symbols: this.#options.symbols };
      return nextRows(ahead!, { counters: row, end }, options);
    };
    const emit = (plan: NestPlan, counter: readonly Node[]): void =>
      this.#row(inner, plan, {
        counters: counter,
        passes,
        ahead: ahead?.busiest === plan ? rowsAhead(counter) : [],
      });
    const walk = (axis: number, counter: readonly Node[]): void => {
      if (axis === extents.length)
        return plans.forEach((plan) => inner.scope(() => emit(plan, counter)));
      const isFirst = axis === counters.length;
      const [from, to] = isFirst
        ? [range.from, range.to]
        : this.#bounds(inner, extents[axis], commonClip(passes, axis));
      const local = inner.local('i32', 'row');
      return inner.for(local, { from, to }, () => walk(axis + 1, [...counter, inner.get(local)]));
    };
    walk(counters.length, counters);
  }

  #row(
    fn: Fn,
    plan: NestPlan,
    {
      counters,
      passes,
      ahead,
    }: {
      readonly counters: readonly Node[];
      readonly passes: readonly Pass[];
      readonly ahead: readonly Node[];
    },
  ): void {
    const { symbols } = this.#options;
    let wanted = plan.pass.space.condition?.read(fn) ?? int(1);
    counters.forEach((counter, axis) => {
      const clip = plan.pass.space.clips[axis];
      if (clip === undefined || commonClip(passes, axis) !== undefined) return;
      const isIn = op(
        'i32.and',
        op('i32.ge_s', counter, clip.low(fn)),
        op('i32.lt_s', counter, clip.high(fn)),
      );
      wanted = wanted.kind === 'const' ? isIn : op('i32.and', wanted, isIn);
    });
    const leading = new Map(counters.map((counter, axis) => [axis, counter]));
    const context = this.#context(fn);
    fn.if(wanted, () =>
      fn.scope(() =>
        this.#nest(plan, { context, symbols, leading, range: undefined, ahead }, new Map()),
      ),
    );
  }
}

/** Whether every row that passes visit lies inside all arrays, so that its memory may be touched. */
const areRowsInside = (passes: readonly Pass[], depth: number): boolean =>
  passes.every(({ space }) => space.condition === undefined) &&
  Array.from({ length: depth }, (_, axis) => axis).every(
    (axis) =>
      commonClip(passes, axis) !== undefined ||
      passes.every(({ space }) => space.clips[axis] === undefined),
  );

function commonClip(
  passes: readonly Pass[],
  axis: number,
): { clip: Clip; factor: number } | undefined {
  const clip = passes[0].space.clips[axis];
  const same =
    clip !== undefined && passes.every((pass) => pass.space.clips[axis]?.key === clip.key);
  return same ? { clip, factor: 1 } : undefined;
}

// The sum of a few numbers, which often are sums themselves: every chunk of it is one vector per accumulator, so that all is added up in f64.
const isShortSum = (plan: NestPlan): boolean =>
  plan.loops.length === 1 &&
  plan.loops[0].isReduced &&
  plan.vectorAt === 0 &&
  plan.size <= shortSum &&
  plan.pass.roots.every(isDoubleSum);

// A reduction that is cut into chunks needs a running total, which only named combiners have.
const canChunk = (plan: NestPlan): boolean =>
  !plan.loops[0].isReduced || plan.pass.roots.every((root) => root.kind === 'reduce');

/** How many passes from `start` on can run row by row, and over how many leading axes. */
function rowGroup(passes: readonly Pass[], start: number): { count: number; depth: number } {
  let best = { count: 1, depth: 0 };
  const first = passes[start];
  for (let depth = 1; depth < first.rank; depth++) {
    let count = 1;
    while (
      start + count < passes.length &&
      fitsRows(passes.slice(start, start + count), passes[start + count], depth)
    )
      count++;
    if (count > 1 && count >= best.count && isWorthwhile(passes.slice(start, start + count), depth))
      best = { count, depth };
  }
  return best;
}

function isWorthwhile(passes: readonly Pass[], depth: number): boolean {
  const sizes = passes.map((pass) => pass.space.shape.reduce((n, d) => n * d, 1));
  const rows = passes[0].space.shape.slice(0, depth).reduce((n, d) => n * d, 1);
  const largest = Math.max(...sizes);
  return rows > 1 && largest / rows >= 64 && largest >= 4096;
}

function fitsRows(group: readonly Pass[], next: Pass, depth: number): boolean {
  const [first] = group;
  const isLike = (pass: Pass): boolean =>
    pass.rank >= depth &&
    pass.space.reduced.every((axis) => axis >= depth) &&
    pass.space.shape.slice(0, depth).every((extent, i) => extent === first.space.shape[i]);
  if (!isLike(first) || !isLike(next)) return false;
  const aligned = (earlier: readonly Touch[], later: readonly Touch[]): boolean =>
    earlier.every((a) => later.every((b) => a.area !== b.area || isAligned(a, b, first, depth)));
  return group.every(
    (pass) =>
      aligned(pass.writes, next.reads) &&
      aligned(pass.writes, next.writes) &&
      aligned(pass.reads, next.writes),
  );
}

// Two touches of one area never meet across rows when each row axis walks the same dimension of the array by itself in both.
function isAligned(a: Touch, b: Touch, { space }: Pass, depth: number): boolean {
  const [x, y] = [a.at, b.at];
  if (x === undefined || y === undefined) return false;
  if (a.key.split('|')[0] !== b.key.split('|')[0]) return false;
  const walks = ({ window, forms }: NonNullable<Touch['at']>, axis: number): string[] =>
    window.axes.flatMap((windowAxis, i) => {
      const { coefs, constant } = forms[i];
      const isAxis = constant === 0 && coefs.every((c, j) => c === Number(j === axis));
      return isAxis ? [`${windowAxis.dim}*${windowAxis.step}`] : [];
    });
  for (let axis = 0; axis < depth; axis++) {
    if (space.shape[axis] === 1) continue;
    const other = new Set(walks(y, axis));
    if (!walks(x, axis).some((walk) => other.has(walk))) return false;
  }
  return true;
}
