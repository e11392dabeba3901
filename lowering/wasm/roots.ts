/** What a pass does with its values: writes to windows, and reductions with their accumulators. The body of a nest. */
import { invariant } from '../../core/errors.ts';
import { loopCoefficient } from './access.ts';
import {
  combineLanes,
  combineSingles,
  combineVectors,
  finishSingle,
  finishVector,
  identityOf,
  laneBits,
  laneSum,
  singleConstant,
} from './combine.ts';
import { classOf, singleType } from './convert.ts';
import type { Context } from './convert.ts';
import { Evaluator } from './evaluate.ts';
import { finishExtreme, startExtremes, takeExtreme, takeRegisters } from './extreme.ts';
import type { Extremes } from './extreme.ts';
import type { Fn } from './fn.ts';
import { locate } from './gather.ts';
import {
  byteLengthOf,
  loadSingle,
  loadVector,
  scratchFormat,
  storeOneLane,
  storeSingle,
  storeVector,
} from './format.ts';
import type { Body, Counters } from './nest.ts';
import { destinationsOf } from './nest.ts';
import { add, constant, int, laneOp, memory, mul, op, select } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { Destination, Root } from './pass.ts';
import { spellSingle } from './single.ts';
import { choose } from './vector.ts';
import type { Reader } from './window.ts';

type Write = Extract<Root, { kind: 'write' }>;
type Reduce = Extract<Root, { kind: 'reduce' }>;
type ArgReduce = Extract<Root, { kind: 'argreduce' }>;
type Fold = Extract<Root, { kind: 'fold' }>;
type Scatter = Extract<Root, { kind: 'scatter' }>;
type Reduction = Reduce | ArgReduce | Fold;

/** Emits a region of scalar ops on single values. */
export type Inline = (context: Context, region: Fold['region'], args: readonly Node[]) => Node[];

/** Where chunks of a reduction meet: per reduction, the address of a running total. */
export type Cells = ReadonlyMap<Root, Reader>;

/** The body of a pass' nest. */
export class PassBody implements Body {
  readonly #counters: Counters;
  readonly #context: Context;
  readonly #values: Evaluator;
  readonly #inline: Inline;
  readonly #cells: Cells;
  readonly #accumulators = new Map<Root, Local[]>();
  /** Sums of finished blocks of long columns. */
  readonly #totals = new Map<Root, Local[]>();
  readonly #extremes = new Map<Root, Extremes>();
  readonly #bases = new Map<Destination, Node>();

  constructor(counters: Counters, options: { readonly inline: Inline; readonly cells: Cells }) {
    this.#counters = counters;
    this.#context = counters.options.context;
    this.#values = new Evaluator(counters, this.#context);
    this.#inline = options.inline;
    this.#cells = options.cells;
  }

  get #fn(): Fn {
    return this.#context.fn;
  }

  get #isVector(): boolean {
    return this.#counters.plan.vectorAt >= 0;
  }

  enter(level: number): void {
    const { plan } = this.#counters;
    this.#values.enter(level);
    for (const root of plan.pass.roots)
      for (const to of destinationsOf(root)) {
        const access = plan.accesses.get(to)!;
        if (plan.rowLevelOf(plan.axesOfAccess(access)) !== level || access.guards.length > 0)
          continue;
        const base = this.#fn.local('i32', 'd');
        this.#fn.set(base, this.#counters.rowAddress(access));
        this.#bases.set(to, this.#fn.get(base));
      }
  }

  // A vector local that is set in a loop and not cleared there is a value that goes round the loop to V8.
  endBundle(): void {
    for (const local of this.#values.bundleLocals) this.#fn.set(local, this.#fn.splatZero());
  }

  roots(): void {
    for (const root of this.#counters.plan.pass.roots) {
      switch (root.kind) {
        case 'write':
          if (this.#isVector) this.#writeVectors(root);
          else this.#fn.scope(() => this.#writeSingle(root));
          break;
        case 'reduce':
          this.#fn.scope(() => this.#accumulate(root));
          break;
        case 'argreduce':
          this.#fn.scope(() => this.#compareAndTake(root));
          break;
        case 'fold':
          this.#fn.scope(() => this.#fold(root));
          break;
        case 'scatter':
          if (this.#isVector) this.#scatterVectors(root);
          else this.#fn.scope(() => this.#scatter(root));
      }
    }
  }

  // --- writes

  #writeVectors(root: Write): void {
    const { plan } = this.#counters;
    const { window, forms } = root.to;
    invariant(forms.length === window.axes.length, 'a destination has one form per axis');
    const access = plan.accesses.get(root.to)!;
    const step = loopCoefficient(plan.loops[plan.vectorAt], access.form);
    const bytes = byteLengthOf(window.format);
    const isStraight = step === bytes;
    this.#counters.eachVector((lanes, u) => {
      this.#fn.scope(() => {
        const address = add(this.#bases.get(root.to)!, this.#counters.vectorOffset(access.form));
        const value = this.#values.vector(root.value, u);
        const mask = root.mask === undefined ? undefined : this.#values.vector(root.mask, u);
        if (isStraight && mask === undefined)
          storeVector(
            this.#context,
            window.format,
            { address: this.#fn.keep(address), offset: u * 4 * bytes, lanes },
            value,
          );
        else
          this.#writeLanes(
            root,
            { address: this.#fn.keep(address), step, lanes, first: 4 * u },
            value,
            mask,
          );
      });
    });
    this.#values.done(root.value);
    if (root.mask !== undefined) this.#values.done(root.mask);
  }

  #writeLanes(
    root: Write,
    at: { address: Node; step: number; lanes: number; first: number },
    value: Node,
    mask: Node | undefined,
  ): void {
    const { format } = root.to.window;
    for (let lane = 0; lane < at.lanes; lane++) {
      const address = this.#fn.keep(add(at.address, int(at.step * (at.first + lane))));
      const store = (): void =>
        storeOneLane(this.#context, format, { address, offset: 0, lane }, value);
      if (mask === undefined) store();
      else this.#fn.if(laneOp('i32x4.extract_lane', lane, 0, mask), store);
    }
  }

  #writeSingle(root: Write): void {
    const access = this.#counters.plan.accesses.get(root.to)!;
    const { fn } = this.#context;
    let address = this.#bases.get(root.to);
    let wanted = root.mask === undefined ? int(1) : this.#values.single(root.mask);
    if (address === undefined) {
      address = this.#counters.rowAddress(access);
      for (const guard of access.guards) {
        const at = fn.keep(add(guard.dim.origin.read(fn), this.#counters.value(guard.form, true)));
        const isIn = fn.keep(op('i32.lt_u', at, int(guard.dim.extent)));
        wanted = op('i32.and', wanted, isIn);
        address = add(address, mul(select(isIn, at, int(0)), int(guard.dim.stride)));
      }
      address = fn.keep(address);
    }
    const to = address;
    fn.if(wanted, () =>
      storeSingle(this.#context, root.to.window.format, to, this.#values.single(root.value)),
    );
  }

  // --- reductions

  startReduction(): void {
    const { plan } = this.#counters;
    for (const root of plan.pass.roots) {
      if (root.kind === 'write' || root.kind === 'scatter') continue;
      const known = this.#accumulators.get(root);
      const locals = known ?? this.#makeAccumulators(root);
      this.#accumulators.set(root, locals);
      this.#initialise(root, locals);
      if (!plan.hasLongColumns || root.kind !== 'reduce') continue;
      const totals = this.#totals.get(root) ?? locals.map(() => this.#fn.local('v128', 'total'));
      this.#totals.set(root, totals);
      totals.forEach((total, i) => this.#fn.set(total, this.#fn.get(locals[i])));
    }
  }

  settle(): void {
    const fn = this.#fn;
    for (const [root, totals] of this.#totals) {
      if (root.kind !== 'reduce') continue;
      const locals = this.#accumulators.get(root)!;
      this.#counters.eachVector((_, u) => {
        const pair = [fn.get(totals[u]), fn.get(locals[u])];
        fn.scope(() =>
          fn.set(totals[u], combineVectors(this.#context, root.combiner, root.value.dtype, pair)),
        );
      });
      this.#initialise(root, locals);
    }
  }

  #makeAccumulators(root: Reduction): Local[] {
    const { plan } = this.#counters;
    const fn = this.#fn;
    if (root.kind === 'fold')
      return root.values.map((value) => fn.local(singleType(value.dtype), 'a'));
    const { dtype } = root.value;
    if (root.kind === 'argreduce') return [fn.local(singleType(dtype), 'a'), fn.local('i32', 'n')];
    if (!this.#isVector) return [fn.local(singleType(dtype), 'a')];
    if (isExtreme(root) && plan.isRowReduction) {
      this.#extremes.set(root, takeRegisters(this.#context, plan.width > 1 ? 2 : 1));
      return [];
    }
    return Array.from({ length: plan.width }, () => fn.local('v128', 'a'));
  }

  #initialise(root: Reduction, locals: readonly Local[]): void {
    const fn = this.#fn;
    if (root.kind === 'fold')
      return locals.forEach((local, i) => fn.set(local, this.#values.single(root.inits[i])));
    const { dtype } = root.value;
    const identity = identityOf(root.kind === 'reduce' ? root.combiner : root.which, dtype);
    const extremes = this.#extremes.get(root);
    if (extremes !== undefined && isExtreme(root))
      return startExtremes(this.#context, root.combiner, extremes);
    if (root.kind === 'reduce' && this.#isVector)
      return locals.forEach((local) => fn.set(local, fn.splat(laneBits(dtype, identity))));
    fn.set(locals[0], singleConstant(this.#context, dtype, identity));
    if (root.kind === 'argreduce') fn.set(locals[1], int(0));
  }

  #accumulate(root: Reduce): void {
    const fn = this.#fn;
    const locals = this.#accumulators.get(root)!;
    const { dtype } = root.value;
    if (!this.#isVector) {
      const x = [fn.get(locals[0]), this.#values.single(root.value)];
      return fn.set(locals[0], combineSingles(this.#context, root.combiner, dtype, x));
    }
    const identity = fn.splat(laneBits(dtype, identityOf(root.combiner, dtype)));
    const extremes = this.#extremes.get(root);
    this.#counters.eachVector((lanes, u) => {
      let value = this.#values.vector(root.value, u);
      if (lanes < 4 && this.#counters.plan.isRowReduction)
        value = fn.keep(choose(this.#context, fn.vector(laneMask(lanes)), value, identity));
      if (extremes !== undefined) takeExtreme(this.#context, extremes, u, value);
      else
        fn.set(
          locals[u],
          combineVectors(this.#context, root.combiner, dtype, [fn.get(locals[u]), value]),
        );
    });
    this.#values.done(root.value);
  }

  endReduction(): void {
    for (const root of this.#counters.plan.pass.roots) {
      if (root.kind === 'write' || root.kind === 'scatter') continue;
      this.#fn.scope(() => this.#finish(root));
    }
  }

  #finish(root: Reduction): void {
    const fn = this.#fn;
    const locals = this.#accumulators.get(root)!;
    const context = this.#context;
    if (root.kind === 'fold')
      return root.to.forEach((to, i) =>
        storeSingle(context, to.window.format, this.#base(to), fn.get(locals[i])),
      );
    if (root.kind === 'argreduce')
      return storeSingle(context, root.to.window.format, this.#base(root.to), fn.get(locals[1]));
    if (!this.#isVector) return this.#total(root, fn.get(locals[0]));
    if (this.#counters.plan.isRowReduction) return this.#finishRow(root, locals);
    return this.#finishColumns(root, this.#totals.get(root) ?? locals);
  }

  #base(to: Destination): Node {
    const base = this.#bases.get(to);
    invariant(base !== undefined, 'a reduction leaves its result where it needs no check');
    return base;
  }

  #finishColumns(root: Reduce, locals: readonly Local[]): void {
    const { plan } = this.#counters;
    const access = plan.accesses.get(root.to)!;
    const bytes = byteLengthOf(root.to.window.format);
    const step = loopCoefficient(plan.loops[plan.vectorAt], access.form);
    this.#counters.eachVector((lanes, u) => {
      const value = this.#fn.keep(
        finishVector(this.#context, root.value.dtype, this.#fn.get(locals[u])),
      );
      const address = this.#fn.keep(
        add(this.#base(root.to), this.#counters.vectorOffset(access.form)),
      );
      if (step === bytes)
        return storeVector(
          this.#context,
          root.to.window.format,
          { address, offset: u * 4 * bytes, lanes },
          value,
        );
      for (let lane = 0; lane < lanes; lane++)
        storeOneLane(
          this.#context,
          root.to.window.format,
          { address: this.#fn.keep(add(address, int(step * (4 * u + lane)))), offset: 0, lane },
          value,
        );
    });
  }

  // Eight accumulators become one by halves; its lanes become the result. Chunks of one sum meet in f64.
  #finishRow(root: Reduce, locals: readonly Local[]): void {
    const fn = this.#fn;
    const { dtype } = root.value;
    const extremes = this.#extremes.get(root);
    if (extremes !== undefined && isExtreme(root))
      return this.#total(root, fn.keep(finishExtreme(this.#context, root.combiner, extremes)));
    if (isDoubleSum(root) && this.#counters.plan.rowLength >= longRow)
      return this.#addTotal(
        root,
        locals.map((local) => laneSum(fn.get(local))).reduce((a, b) => op('f64.add', a, b)),
      );
    for (let half = locals.length / 2; half >= 1; half /= 2)
      for (let i = 0; i < half; i++) {
        const pair = [fn.get(locals[i]), fn.get(locals[i + half])];
        fn.set(locals[i], combineVectors(this.#context, root.combiner, dtype, pair));
      }
    const vector = fn.get(locals[0]);
    if (this.#cells.has(root) && isDoubleSum(root)) return this.#addTotal(root, laneSum(vector));
    return this.#total(root, fn.keep(combineLanes(this.#context, root.combiner, dtype, vector)));
  }

  /** Leave a sum in f64: in its running total, or rounded where it goes. */
  #addTotal(root: Reduce, sum: Node): void {
    const fn = this.#fn;
    const cell = this.#cells.get(root);
    if (cell === undefined)
      return this.#total(root, fn.keep(op('f32x4.splat', op('f32.demote_f64', sum))));
    const address = cell(fn);
    const total = op('f64.add', memory('f64.load', 0, address), sum);
    return fn.emit(memory('f64.store', 0, address, total));
  }

  #total(root: Reduce, value: Node): void {
    const { dtype } = root.value;
    const cell = this.#cells.get(root);
    const context = this.#context;
    if (cell === undefined) {
      const result = this.#fn.keep(finishSingle(context, dtype, value));
      return storeSingle(context, root.to.window.format, this.#base(root.to), result);
    }
    const address = cell(this.#fn);
    if (isDoubleSum(root)) {
      const single = op('f64.promote_f32', laneOp('f32x4.extract_lane', 0, 0, value));
      const sum = op('f64.add', memory('f64.load', 0, address), single);
      return this.#fn.emit(memory('f64.store', 0, address, sum));
    }
    const format = scratchFormat(dtype);
    const before = this.#fn.keep(loadSingle(context, format, address, 0));
    const sum = this.#fn.keep(combineSingles(context, root.combiner, dtype, [before, value]));
    return storeSingle(context, format, address, sum);
  }

  // NaN wins; among equals the first; a NaN that has won stays.
  #compareAndTake(root: ArgReduce): void {
    const fn = this.#fn;
    const [best, index] = this.#accumulators.get(root)!;
    const { dtype } = root.value;
    const x = this.#values.single(root.value);
    const ask = (name: 'gt' | 'lt' | 'ne' | 'eq', a: Node, b: Node): Node =>
      fn.keep(spellSingle(this.#context, name, [a, b], dtype)!);
    const isBetter = ask(root.which === 'max' ? 'gt' : 'lt', x, fn.get(best));
    const isFloat = classOf(dtype) === 'f32' || classOf(dtype) === 'f64';
    const isNaN = isFloat
      ? op('i32.and', ask('ne', x, x), ask('eq', fn.get(best), fn.get(best)))
      : int(0);
    const at = this.#counters.value(
      { coefs: coefficients(this.#counters, root.axis), constant: 0 },
      true,
    );
    fn.if(isFloat ? op('i32.or', isBetter, isNaN) : isBetter, () => {
      fn.set(best, x);
      fn.set(index, at);
    });
  }

  #scatter(root: Scatter): void {
    const fn = this.#fn;
    const { window, combiner } = root;
    const indices = root.indices.map((index) => this.#values.single(index));
    const { address, inside } = locate(this.#context, window, indices);
    const wanted =
      root.mask === undefined ? inside : op('i32.and', inside, this.#values.single(root.mask));
    fn.if(wanted, () => {
      const { dtype } = root.value;
      let value = this.#values.single(root.value);
      if (combiner !== 'set') {
        const old = fn.keep(loadSingle(this.#context, window.format, address, 0));
        const sum = fn.keep(combineSingles(this.#context, combiner, dtype, [old, value]));
        value = fn.keep(finishSingle(this.#context, dtype, sum));
      }
      storeSingle(this.#context, window.format, address, value);
    });
  }

  // Neighbours along the vector loop are neighbours in memory, so that the order of writes is kept.
  #scatterVectors(root: Scatter): void {
    const fn = this.#fn;
    const context = this.#context;
    const { window, combiner } = root;
    const { dtype } = root.value;
    this.#counters.eachVector((lanes, u) =>
      fn.scope(() => {
        const { address, inside } = locate(
          context,
          window,
          this.#values.rowIndices(root.indices, u),
        );
        const wanted =
          root.mask === undefined ? inside : op('i32.and', inside, this.#values.single(root.mask));
        fn.if(wanted, () => {
          let value = this.#values.vector(root.value, u);
          if (combiner !== 'set') {
            const old = fn.keep(loadVector(context, window.format, address, 0));
            const sum = fn.keep(combineVectors(context, combiner, dtype, [old, value]));
            value = fn.keep(finishVector(context, dtype, sum));
          }
          storeVector(context, window.format, { address, offset: 0, lanes }, value);
        });
      }),
    );
    this.#values.done(root.value);
  }

  #fold(root: Fold): void {
    const fn = this.#fn;
    const locals = this.#accumulators.get(root)!;
    const args = [
      ...locals.map((local) => fn.get(local)),
      ...root.values.map((value) => this.#values.single(value)),
    ];
    const results = this.#inline(this.#context, root.region, args);
    const kept = results.map((result, i) => {
      const copy = fn.local(locals[i].type, 'n');
      fn.set(copy, result);
      return copy;
    });
    locals.forEach((local, i) => fn.set(local, fn.get(kept[i])));
  }
}

const coefficients = (counters: Counters, axis: number): number[] =>
  counters.plan.pass.space.shape.map((_, i) => Number(i === axis));

const laneMask = (lanes: number): Extract<Node, { kind: 'v128' }> => ({
  kind: 'v128',
  type: 'v128',
  bytes: new Uint8Array(Int32Array.from([0, 1, 2, 3], (lane) => (lane < lanes ? -1 : 0)).buffer),
});

/** Whether a root is a largest or smallest f32. */
const isExtreme = (root: Root): root is Reduce & { readonly combiner: 'max' | 'min' } =>
  root.kind === 'reduce' &&
  (root.combiner === 'max' || root.combiner === 'min') &&
  classOf(root.value.dtype) === 'f32';

/** Elements from which on the accumulators of a row's sum meet in f64: shorter rows lose too much time there, and little accuracy without. */
const longRow = 512;

/** Whether chunks of a reduction meet in f64. */
export const isDoubleSum = (root: Root): boolean =>
  root.kind === 'reduce' && root.combiner === 'add' && classOf(root.value.dtype) === 'f32';

/** Bytes of a running total. */
export const cellBytes = 8;

/** Start a running total. */
export function startCell(context: Context, root: Root, address: Node): void {
  invariant(root.kind === 'reduce', 'only named reductions are cut into chunks');
  const { dtype } = root.value;
  if (isDoubleSum(root))
    return context.fn.emit(memory('f64.store', 0, address, constant('f64', 0)));
  return storeSingle(
    context,
    scratchFormat(dtype),
    address,
    singleConstant(context, dtype, identityOf(root.combiner, dtype)),
  );
}

/** Move a finished running total to its destination. */
export function finishCell(context: Context, root: Root, address: Node, to: Node): void {
  invariant(root.kind === 'reduce', 'only named reductions are cut into chunks');
  const { dtype } = root.value;
  const total = isDoubleSum(root)
    ? op('f32x4.splat', op('f32.demote_f64', memory('f64.load', 0, address)))
    : loadSingle(context, scratchFormat(dtype), address, 0);
  const value = context.fn.keep(finishSingle(context, dtype, context.fn.keep(total)));
  storeSingle(context, root.to.window.format, to, value);
}
