/**
 * Values of instances inside a nest: loads with their bounds checks, counting, scalar functions, selections, conversions. An instance
 * that varies along the vector loop is a bundle of vectors, computed operation by operation over the bundle; others are single values.
 */
import { invariant } from '../../core/errors.ts';
import type { Access, Guard } from './access.ts';
import { loopCoefficient } from './access.ts';
import type { Arm } from './cold.ts';
import { laneBits, singleConstant } from './combine.ts';
import {
  bitcastSingle,
  bitcastVector,
  castSingle,
  castVector,
  classOf,
  singleType,
  toVector,
} from './convert.ts';
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import { byteLengthOf, loadLanes, loadSingle, loadVector } from './format.ts';
import { add, int, lanesOf, mul, op, select } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { Counters } from './nest.ts';
import { knownNumber, scalarSingle, scalarVector } from './outline.ts';
import type { Instance } from './pass.ts';
import { valuesOf } from './pass.ts';
import { choose } from './vector.ts';
import { gatherRow, gatherSingle, gatherVector, isRow } from './gather.ts';
import type { Window } from './window.ts';

/** What a row of an access needs: its address, whether it is inside, and coordinates of checks along the vector loop. */
interface Row {
  readonly address: Node;
  /** i32: the row lies inside; undefined if that needs no check. */
  readonly inside: Node | undefined;
  /** Guards along the vector loop, with the coordinate of the row's start. */
  readonly along: readonly { readonly guard: Guard; readonly start: Node }[];
}

/** Computes instances level by level. */
export class Evaluator {
  readonly #counters: Counters;
  readonly #context: Context;
  readonly #levels: { rows: Instance[]; instances: Instance[] }[] = [];
  readonly #rows = new Map<Instance, Row>();
  readonly #singles = new Map<Instance, Node>();
  readonly #splats = new Map<Instance, Node>();
  readonly #vectors = new Map<Instance, readonly Local[]>();
  readonly #spread = new Set<Instance>();
  readonly #uses = new Map<Instance, number>();
  #left = new Map<Instance, number>();

  constructor(counters: Counters, context: Context) {
    this.#counters = counters;
    this.#context = context;
    const { plan } = counters;
    for (let level = 0; level <= plan.loops.length; level++)
      this.#levels.push({ rows: [], instances: [] });
    for (const instance of plan.pass.instances) {
      this.#levels[plan.levelOf(instance.axes)].instances.push(instance);
      const access = plan.accesses.get(instance);
      if (access !== undefined)
        this.#levels[plan.rowLevelOf(plan.axesOfAccess(access))].rows.push(instance);
      const isVector = plan.isVector(instance.axes);
      for (const operand of instance.operands) this.#use(operand, isVector);
    }
    for (const root of plan.pass.roots)
      for (const value of valuesOf(root)) this.#use(value, plan.vectorAt >= 0);
  }

  #use(instance: Instance, isVector: boolean): void {
    this.#uses.set(instance, (this.#uses.get(instance) ?? 0) + 1);
    if (isVector && !this.#counters.plan.isVector(instance.axes)) this.#spread.add(instance);
  }

  get #fn(): Fn {
    return this.#context.fn;
  }

  /** Compute what the first `level` loops determine. */
  enter(level: number): void {
    const { rows, instances } = this.#levels[level];
    if (level === this.#counters.plan.vectorAt + 1) this.#left = new Map(this.#uses);
    for (const instance of rows) this.#rows.set(instance, this.#row(instance));
    const arms = this.#arms(level);
    const deferred = new Set([...arms.values()].flatMap((arm) => arm.instances));
    for (const instance of instances) {
      if (deferred.has(instance)) continue;
      const arm = arms.get(instance);
      if (arm !== undefined) this.#arm(arm);
      if (this.#counters.plan.isVector(instance.axes)) this.#vector(instance);
      else this.#single(instance);
    }
  }

  #arms(level: number): ReadonlyMap<Instance, Arm> {
    const { plan } = this.#counters;
    return level === plan.vectorAt + 1 ? plan.arms : new Map();
  }

  // Lanes that do not take the arm keep whatever its locals held: the selection does not look at them.
  #arm({ mask, isFirst, instances }: Arm): void {
    const masks = this.#counters.bundle.map((_, u) => this.vector(mask, u));
    const wanted = masks
      .map((vector) => (isFirst ? vector : op('v128.not', vector)))
      .reduce((a, b) => op('v128.or', a, b));
    this.#fn.if(op('v128.any_true', wanted), () =>
      instances.forEach((instance) => this.#vector(instance)),
    );
  }

  /** An instance as a single value: a local or constant. */
  single(instance: Instance): Node {
    const value = this.#singles.get(instance);
    invariant(value !== undefined, `a ${instance.meaning.kind} was used before it was computed`);
    return value;
  }

  /** Vector `u` of an instance: a local. */
  vector(instance: Instance, u: number): Node {
    const vectors = this.#vectors.get(instance);
    if (vectors !== undefined && this.#counters.plan.isVector(instance.axes))
      return this.#fn.get(vectors[u]);
    const splat = this.#splats.get(instance);
    invariant(splat !== undefined, `a ${instance.meaning.kind} was spread before it was computed`);
    return splat;
  }

  /** Say that a use of an instance is over; its locals may be overwritten after the last. */
  done(instance: Instance): void {
    const left = (this.#left.get(instance) ?? 0) - 1;
    this.#left.set(instance, left);
    // Inside loops within the vector loop, values of the vector loop stay.
    const { loops, vectorAt } = this.#counters.plan;
    if (left === 0 && vectorAt === loops.length - 1)
      this.#vectors.get(instance)?.forEach((local) => this.#fn.release(local));
  }

  /** The locals that hold bundles now; to be zeroed at the end of a loop. */
  get bundleLocals(): ReadonlySet<Local> {
    return new Set([...this.#vectors.values()].flat());
  }

  // --- single values

  #single(instance: Instance): void {
    const { meaning, dtype } = instance;
    if (meaning.kind === 'constant')
      this.#singles.set(instance, singleConstant(this.#context, dtype, meaning.value));
    else if (meaning.kind === 'single') this.#singles.set(instance, meaning.read(this.#fn));
    else {
      const local = this.#fn.local(singleType(dtype), 's');
      this.#fn.scope(() => this.#fn.set(local, this.#singleValue(instance)));
      this.#singles.set(instance, this.#fn.get(local));
    }
    if (!this.#spread.has(instance)) return;
    const value = this.#singles.get(instance)!;
    if (meaning.kind === 'constant')
      this.#splats.set(instance, this.#fn.splat(laneBits(dtype, meaning.value)));
    else if (classOf(dtype) === 'f32') this.#splats.set(instance, value);
    else {
      const splat = this.#fn.local('v128', 'w');
      this.#fn.set(splat, toVector(dtype, value));
      this.#splats.set(instance, this.#fn.get(splat));
    }
  }

  #singleValue(instance: Instance): Node {
    const { meaning, dtype, operands } = instance;
    const context = this.#context;
    const x = operands.map((operand) => this.single(operand));
    switch (meaning.kind) {
      case 'iota': {
        const count = this.#fn.keep(this.#counters.value(meaning.form, true));
        return castSingle(context, 'i32', dtype, count);
      }
      case 'memory':
        return this.#loadSingle(instance, x);
      case 'gather':
        return gatherSingle(context, meaning, dtype, x);
      case 'scalar':
        return scalarSingle(context, meaning.fn, x, operands[0].dtype);
      case 'select':
        return select(x[0], x[1], x[2]);
      case 'cast':
        return castSingle(context, operands[0].dtype, dtype, x[0]);
      case 'bitcast':
        return bitcastSingle(context, operands[0].dtype, dtype, x[0]);
      default:
        return this.single(instance);
    }
  }

  #loadSingle(instance: Instance, [mask, other]: readonly Node[]): Node {
    const { meaning, dtype } = instance;
    invariant(meaning.kind === 'memory', 'only memory is loaded');
    const context = this.#context;
    const { address, inside } = this.#rows.get(instance)!;
    const { format } = meaning.window;
    const fill = singleConstant(context, dtype, meaning.fill);
    let value = loadSingle(context, format, address, 0);
    if (inside !== undefined) value = select(inside, this.#fn.keep(value), fill);
    return mask === undefined ? value : select(mask, this.#fn.keep(value), other ?? fill);
  }

  // --- rows

  #row(instance: Instance): Row {
    const access = this.#counters.plan.accesses.get(instance)!;
    const fn = this.#fn;
    let address = this.#counters.rowAddress(access);
    let inside: Node | undefined;
    const along: { guard: Guard; start: Node }[] = [];
    for (const guard of access.guards) {
      const row = add(guard.dim.origin.read(fn), this.#counters.value(guard.form, false));
      const start = this.#local('i32', row);
      if (this.#isAlong(guard)) {
        along.push({ guard, start });
        continue;
      }
      const isIn = this.#local('i32', op('i32.lt_u', start, int(guard.dim.extent)));
      address = add(address, mul(select(isIn, start, int(0)), int(guard.dim.stride)));
      inside = inside === undefined ? isIn : this.#local('i32', op('i32.and', inside, isIn));
    }
    return { address: this.#local('i32', address), inside, along };
  }

  #isAlong(guard: Guard): boolean {
    const { loops, vectorAt } = this.#counters.plan;
    return vectorAt >= 0 && loopCoefficient(loops[vectorAt], guard.form) !== 0;
  }

  #local(type: Local['type'], value: Node): Node {
    if (value.kind === 'const' || value.kind === 'get') return value;
    const local = this.#fn.local(type, 'r');
    this.#fn.set(local, value);
    return this.#fn.get(local);
  }

  // --- bundles

  #vector(instance: Instance): void {
    const made: Local[] = [];
    this.#counters.eachVector((_, u) => {
      const local = this.#fn.local('v128', 'v');
      this.#fn.scope(() => this.#fn.set(local, this.#vectorValue(instance, u)));
      made[u] = local;
    });
    instance.operands.forEach((operand) => this.done(operand));
    this.#vectors.set(instance, made);
  }

  #vectorValue(instance: Instance, u: number): Node {
    const { meaning, dtype, operands } = instance;
    const context = this.#context;
    const x = (): Node[] => operands.map((operand) => this.vector(operand, u));
    switch (meaning.kind) {
      case 'iota':
        return this.#count(instance, u);
      case 'memory':
        return this.#loadVector(instance, u);
      case 'gather':
        return this.#gatherVector(instance, u);
      case 'scalar': {
        const known = operands.map(knownNumber);
        const single = operands.map((operand) =>
          this.#isSpread(operand) ? this.single(operand) : undefined,
        );
        return scalarVector(context, meaning.fn, {
          x: x(),
          dtype: operands[0].dtype,
          known,
          single,
        });
      }
      case 'select': {
        const [mask, a, b] = x();
        return choose(context, mask, a, b);
      }
      case 'cast':
        return castVector(context, operands[0].dtype, dtype, x()[0]);
      case 'bitcast':
        return bitcastVector(context, operands[0].dtype, dtype, x()[0]);
      default:
        return this.vector(instance, u);
    }
  }

  #gatherVector(instance: Instance, u: number): Node {
    const { meaning, dtype, operands } = instance;
    invariant(meaning.kind === 'gather', 'only gathers gather');
    const { plan } = this.#counters;
    const indices = operands.slice(0, meaning.window.axes.length);
    const singles = operands.map((operand) =>
      this.#isSpread(operand) ? this.single(operand) : undefined,
    );
    if (!this.isRow(meaning.window, indices) || plan.vectorAt < 0) {
      const x = operands.map((operand) => this.vector(operand, u));
      return gatherVector(this.#context, meaning, dtype, { x, single: singles });
    }
    const mask = meaning.masked ? this.vector(operands[operands.length - 1], u) : undefined;
    return gatherRow(this.#context, meaning, dtype, { x: this.rowIndices(indices, u), mask });
  }

  /** Whether elements at these indices are neighbours along the vector loop. */
  isRow(window: Window, indices: readonly Instance[]): boolean {
    const { plan, options } = this.#counters;
    return plan.vectorAt >= 0 && isRow(window, indices, plan.rowContext(options.symbols));
  }

  /** Indices of the first lane of vector `u` of a row. */
  rowIndices(indices: readonly Instance[], u: number): Node[] {
    return indices.map((index, i) => {
      if (i < indices.length - 1) return this.single(index);
      invariant(index.meaning.kind === 'iota', 'rows count along their last index');
      return this.#fn.keep(add(this.#counters.value(index.meaning.form, true), int(4 * u)));
    });
  }

  #isSpread(instance: Instance): boolean {
    return !this.#counters.plan.isVector(instance.axes);
  }

  #count(instance: Instance, u: number): Node {
    const { meaning, dtype } = instance;
    invariant(meaning.kind === 'iota', 'only iotas count');
    const { loops, vectorAt } = this.#counters.plan;
    const step = loopCoefficient(loops[vectorAt], meaning.form);
    const start = op('i32x4.splat', this.#counters.value(meaning.form, true));
    const lanes = this.#fn.vector(lanesOf([0, 1, 2, 3].map((lane) => step * (4 * u + lane))));
    return castVector(this.#context, 'i32', dtype, this.#fn.keep(op('i32x4.add', start, lanes)));
  }

  #loadVector(instance: Instance, u: number): Node {
    const { meaning, dtype } = instance;
    invariant(meaning.kind === 'memory', 'only memory is loaded');
    const context = this.#context;
    const row = this.#rows.get(instance)!;
    const access = this.#counters.plan.accesses.get(instance)!;
    const fill = (): Node => this.#fn.splat(laneBits(dtype, meaning.fill));
    let value = this.#rawVector(access, row, u);
    if (row.along.length > 0)
      value = choose(context, this.#insideLanes(row, u), this.#fn.keep(value), fill());
    if (row.inside !== undefined)
      value = choose(
        context,
        op('i32x4.splat', op('i32.sub', int(0), row.inside)),
        this.#fn.keep(value),
        fill(),
      );
    if (instance.operands.length === 0) return value;
    const [mask, other] = instance.operands.map((operand) => this.vector(operand, u));
    return choose(context, mask, this.#fn.keep(value), other ?? fill());
  }

  #rawVector(access: Access, row: Row, u: number): Node {
    const { loops, vectorAt } = this.#counters.plan;
    const { format } = access.window;
    const bytes = byteLengthOf(format);
    const step = loopCoefficient(loops[vectorAt], access.form);
    const alongStep = row.along.reduce(
      (sum, { guard }) => sum + loopCoefficient(loops[vectorAt], guard.form) * guard.dim.stride,
      0,
    );
    const isStraight =
      step + alongStep === bytes &&
      row.along.length <= 1 &&
      row.along.every(({ guard }) => !guard.isBelow);
    if (!isStraight) return this.#lanes(access, row, u);
    const address = add(row.address, this.#counters.vectorOffset(access.form));
    if (row.along.length === 0) return loadVector(this.#context, format, address, 4 * bytes * u);
    // Vectors that lie wholly outside read the last element instead; those that straddle the end read into the slack behind it.
    const [{ guard }] = row.along;
    const at = this.#fn.keep(this.#coordinate(row.along[0], 4 * u));
    const last = int(Math.max(0, guard.dim.extent - 1));
    const clamped = select(op('i32.lt_u', at, last), at, last);
    return loadVector(this.#context, format, add(address, mul(clamped, int(guard.dim.stride))), 0);
  }

  #coordinate({ guard, start }: Row['along'][number], element: number): Node {
    const { loops, vectorAt } = this.#counters.plan;
    const step = loopCoefficient(loops[vectorAt], guard.form);
    return add(add(start, this.#counters.vectorOffset(guard.form)), int(step * element));
  }

  // Four addresses, one per lane: strides other than one element, and coordinates that may be negative.
  #lanes(access: Access, row: Row, u: number): Node {
    const { loops, vectorAt } = this.#counters.plan;
    const step = loopCoefficient(loops[vectorAt], access.form);
    const start = this.#fn.keep(add(row.address, this.#counters.vectorOffset(access.form)));
    const lanes = this.#counters.bundle[u];
    const addresses = [0, 1, 2, 3].map((lane) => {
      const element = 4 * u + Math.min(lane, lanes - 1);
      let address = add(start, int(step * element));
      for (const along of row.along) {
        const at = this.#fn.keep(this.#coordinate(along, element));
        const isIn = op('i32.lt_u', at, int(along.guard.dim.extent));
        address = add(address, mul(select(isIn, at, int(0)), int(along.guard.dim.stride)));
      }
      return address;
    });
    return loadLanes(this.#context, access.window.format, addresses);
  }

  #insideLanes(row: Row, u: number): Node {
    const { loops, vectorAt } = this.#counters.plan;
    const masks = row.along.map(({ guard, start }) => {
      const step = loopCoefficient(loops[vectorAt], guard.form);
      const first = op('i32x4.splat', add(start, this.#counters.vectorOffset(guard.form)));
      const lanes = this.#fn.vector(lanesOf([0, 1, 2, 3].map((lane) => step * (4 * u + lane))));
      return op('i32x4.lt_u', op('i32x4.add', first, lanes), this.#fn.splat(guard.dim.extent));
    });
    return this.#fn.keep(masks.reduce((a, b) => op('v128.and', a, b)));
  }
}
