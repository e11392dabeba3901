/**
 * The state of writing one shader: what every value of the kernel is at the moment, and the evaluation of pure values at places. Values of
 * small tiles become names, one per register; large tiles live in arrays or are evaluated inside loops over registers. What another
 * invocation holds is fetched through workgroup memory, before the loop that wants it starts.
 */
import { InternalError, LoweringError } from '../../core/errors.ts';
import { sizeOf, stridesOf, type Shape } from '../../core/shape.ts';
import type { TileOp, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { Barriers } from './barriers.ts';
import type { Demand } from './demand.ts';
import type { WgslFeatures } from './features.ts';
import { component as componentText, intLiteral, registerOf, splat, typeName } from './format.ts';
import {
  flatRegister,
  isPadded,
  keyOf,
  layoutOf,
  placeOf,
  pointOf,
  type Layout,
  type Point,
  type Threads,
} from './layout.ts';
import { Demands, type Memory, type Pen, type WordArray } from './memory.ts';
import { Prelude } from './prelude.ts';
import { isMove, needOf, spellPure, type Need, type PureOp, type Surroundings } from './pure.ts';
import type { RefView } from './refs.ts';
import { guarded } from './refs.ts';
import type { Space } from './space.ts';
import { Text } from './text.ts';

/** A tile whose elements are in registers, in an array of them, or also in shared memory. */
export interface Resident {
  readonly kind: 'resident';
  readonly layout: Layout;
  readonly names?: readonly string[];
  readonly array?: string;
  readonly shared?: Memory;
}

/** What a value is at the moment. */
export type Held =
  | { readonly kind: 'int'; readonly at: Affine }
  | { readonly kind: 'pure'; readonly op: PureOp }
  | { readonly kind: 'ref'; readonly view: RefView }
  /** A ref that lives in registers: its elements are variables. */
  | {
      readonly kind: 'cells';
      readonly layout: Layout;
      readonly names?: readonly string[];
      readonly array?: string;
    }
  | Resident;

/** A loop over the registers of a layout: some rolled, the others written out. */
export interface Walk {
  readonly layout: Layout;
  readonly rolled: readonly { readonly name: string; readonly extent: number }[];
  /** Register indices, one list per place that is written out. */
  readonly tuples: readonly (readonly Affine[])[];
}

/** Registers above which a value is rather computed again: private arrays of that size are slow everywhere. */
const mostKept = 256;

interface Keeping {
  readonly walk: Walk;
  readonly arrays: Map<TileValue, string>;
  /** Values whose arrays were written to. */
  readonly written: Set<TileValue>;
}

/** How a shader is to be written. */
export interface Choices {
  readonly features: WgslFeatures;
  readonly threads: Threads;
  /** Registers of a tile up to which code is written out instead of looped. */
  readonly unroll: number;
  readonly before: Demands;
}

/** The state of writing one shader; the other files of this folder are its rooms. */
export class Program implements Surroundings {
  readonly text: Text = new Text();
  readonly prelude: Prelude = new Prelude();
  readonly now: Demands = new Demands();
  readonly before: Demands;
  readonly barriers: Barriers = new Barriers(this.text);
  readonly features: WgslFeatures;
  readonly threads: Threads;
  readonly unroll: number;
  readonly demand: Demand;
  readonly space: Space;
  readonly #held = new Map<TileValue, Held>();
  readonly #log: { value: TileValue; before: Held | undefined }[] = [];
  readonly #ids = new Map<TileValue, number>();
  readonly #layouts = new Map<string, Layout>();
  #keeping: Keeping | undefined;
  /** The value that goes into an array of its own right now: keeping it would store it twice. */
  #forced: TileValue | undefined;
  #fetches = 0;

  constructor(choices: Choices, demand: Demand, makeSpace: (pen: Pen) => Space) {
    this.before = choices.before;
    this.features = choices.features;
    this.threads = choices.threads;
    this.unroll = choices.unroll;
    this.demand = demand;
    this.space = makeSpace(this);
  }

  /** The layout of a shape in this kernel. */
  layout(shape: Shape): Layout {
    const key = shape.join('x');
    let layout = this.#layouts.get(key);
    if (layout === undefined) this.#layouts.set(key, (layout = layoutOf(shape, this.threads)));
    return layout;
  }

  // --- what values are

  /** Say what a value is, until the innermost block ends. */
  set(value: TileValue, held: Held): void {
    this.#log.push({ value, before: this.#held.get(value) });
    this.#held.set(value, held);
  }

  /** What a value is. */
  get(value: TileValue): Held {
    const held = this.#held.get(value);
    if (held === undefined)
      throw new InternalError('webgpu: a value was used before it was defined.');
    return held;
  }

  /** Write a block; what values became inside is forgotten at its end. */
  block(head: string, body: () => void): void {
    const mark = this.#log.length;
    this.text.block(head, body);
    this.#undo(mark);
  }

  #undo(mark: number): void {
    while (this.#log.length > mark) {
      const { value, before } = this.#log.pop() ?? { value: undefined, before: undefined };
      if (value === undefined) return;
      if (before === undefined) this.#held.delete(value);
      else this.#held.set(value, before);
    }
  }

  /** The window of a ref. */
  view(ref: TileValue): RefView {
    const held = this.get(ref);
    if (held.kind !== 'ref') throw new InternalError('webgpu: a ref in registers has no window.');
    return held.view;
  }

  /** A rank-0 i32 value as an index. */
  index(value: TileValue): Affine {
    const held = this.get(value);
    if (held.kind === 'int') return held.at;
    return affine.variable(this.text.let('n', this.scalar(value)));
  }

  /** A rank-0 value as a name or a literal. */
  scalar(value: TileValue): string {
    return this.at(value, { coords: [], width: 1, axis: -1 });
  }

  // --- evaluation

  #id(value: TileValue): number {
    let id = this.#ids.get(value);
    if (id === undefined) this.#ids.set(value, (id = this.#ids.size));
    return id;
  }

  /** What is known of a value at a place without writing anything. */
  #ready(value: TileValue, point: Point): string | undefined {
    const held = this.get(value);
    if (held.kind === 'resident' && held.names !== undefined) {
      const place = placeOf(held.layout, point);
      if (place !== undefined && affine.isConstant(place.register)) {
        const name = held.names[place.register.constant];
        return place.component === undefined
          ? name
          : componentText(name, place.component, held.layout.width);
      }
    }
    return this.text.recall(`${this.#id(value)}@${keyOf(point)}`);
  }

  #bind(value: TileValue, point: Point, prefix: string, text: string): void {
    const name = this.text.let(prefix, text);
    this.text.remember(`${this.#id(value)}@${keyOf(point)}`, name);
    const keeping = this.#keeping;
    const array = keeping?.arrays.get(value);
    if (keeping === undefined || array === undefined) return;
    const place = placeOf(keeping.walk.layout, point);
    if (place === undefined || place.component !== undefined) return;
    this.text.line(`${array}[${affine.print(place.register)}] = ${name};`);
    keeping.written.add(value);
  }

  /** Spell a resident value at a place. */
  #fetch(held: Resident, point: Point): string {
    const place = placeOf(held.layout, point);
    if (place !== undefined && held.array !== undefined) {
      const element = `${held.array}[${affine.print(place.register)}]`;
      return place.component === undefined
        ? element
        : componentText(element, place.component, held.layout.width);
    }
    if (held.shared === undefined)
      throw new InternalError(
        'webgpu: an element of another invocation was wanted without a fetch.',
      );
    return this.#shared(held.shared, held.layout.shape, point);
  }

  #shared(memory: Memory, shape: Shape, point: Point): string {
    const strides = stridesOf(shape);
    const index = point.coords.reduce(
      (sum, c, i) => affine.add(sum, affine.scale(c.at, strides[i])),
      affine.zero,
    );
    if (point.width === 1 || point.axis === shape.length - 1)
      return memory.read(index, point.width);
    const step = strides[point.axis];
    const parts = Array.from({ length: point.width }, (_, e) =>
      memory.read(affine.offset(index, e * step), 1),
    );
    return `${typeName(registerOf(memory.dtype), point.width)}(${parts.join(', ')})`;
  }

  /** A value at a place, as a name or a literal. Writes what it takes, each value once per place and block. */
  at(value: TileValue, point: Point): string {
    const stack = [{ value, point, need: undefined as Need | undefined }];
    for (;;) {
      const frame = stack[stack.length - 1];
      const ready = this.#ready(frame.value, frame.point);
      if (ready !== undefined) {
        stack.pop();
        if (stack.length === 0) return ready;
        continue;
      }
      const held = this.get(frame.value);
      if (held.kind === 'int')
        this.#bind(frame.value, frame.point, 'n', this.#intText(held.at, frame.point));
      else if (held.kind === 'resident')
        this.#bind(frame.value, frame.point, 'f', this.#fetch(held, frame.point));
      else if (held.kind === 'pure') {
        frame.need ??= needOf(held.op, frame.value, frame.point);
        const missing = frame.need.parts.filter((p) => this.#ready(p.value, p.point) === undefined);
        if (missing.length > 0) {
          for (const p of missing) stack.push({ ...p, need: undefined });
          continue;
        }
        const args = frame.need.parts.map((p) => this.#ready(p.value, p.point) ?? '');
        const text = spellPure(this, held.op, { ...frame.need, point: frame.point }, args);
        this.#bind(frame.value, frame.point, this.#prefix(held.op), text);
      } else throw new InternalError('webgpu: a ref has no value.');
    }
  }

  #intText(at: Affine, point: Point): string {
    const text = affine.isConstant(at) ? intLiteral(at.constant) : affine.print(at);
    return splat(text, 'i32', point.width);
  }

  #prefix(op: PureOp): string {
    return op.kind === 'scalar' ? op.attrs.fn.toLowerCase() : op.kind;
  }

  // --- loops over registers

  /** Plan a loop over the registers of a layout; an innermost loop of at most `short` iterations stays written out. */
  walk(layout: Layout, short = 4): Walk {
    const isRolled = layout.registers > this.unroll;
    const rolled: { name: string; extent: number }[] = [];
    const inner = layout.loops.findLastIndex((n) => n > 1);
    let tuples: Affine[][] = [[]];
    layout.loops.forEach((extent, i) => {
      if (isRolled && extent > 1 && (i !== inner || extent > short)) {
        const name = this.text.fresh('r');
        rolled.push({ name, extent });
        const v = affine.variable(name, { lo: 0, hi: extent - 1 });
        tuples = tuples.map((t) => [...t, v]);
      } else
        tuples = tuples.flatMap((t) =>
          Array.from({ length: extent }, (_, n) => [...t, affine.constant(n)]),
        );
    });
    return { layout, rolled, tuples };
  }

  /**
   * Spell the end of a loop. Software drivers would write out loops of known length, and then compile for seconds: there it comes from a
   * number that they do not know.
   */
  trips(count: number): string {
    return this.features.fallback && count > 1 ? `min(${count}, many)` : String(count);
  }

  /** Open the rolled loops of a walk. */
  rolled(loops: Walk['rolled'], body: () => void): void {
    if (loops.length === 0) {
      body();
      return;
    }
    const [{ name, extent }, ...rest] = loops;
    this.block(`for (var ${name} = 0; ${name} < ${this.trips(extent)}; ${name}++)`, () =>
      this.rolled(rest, body),
    );
  }

  /**
   * Run over the registers of a layout, with everything at hand that these values need there. `announce` runs when that is so, before the
   * first register: the place to touch memory that `body` reads or writes.
   */
  sweep(
    layout: Layout,
    values: readonly TileValue[],
    body: (point: Point, register: Affine) => void,
    announce: () => void = () => {},
  ): void {
    const walk = this.walk(layout);
    const points = walk.tuples.map((t) => pointOf(layout, t));
    const wanted = values.flatMap((value) => points.map((point) => ({ value, point })));
    this.within(wanted, walk, () => {
      announce();
      this.rolled(walk.rolled, () =>
        walk.tuples.forEach((tuple, i) => body(points[i], flatRegister(layout, tuple))),
      );
    });
  }

  /** Prepare values for places, write `body`, and free what was prepared. */
  within(
    wanted: readonly { value: TileValue; point: Point }[],
    walk: Walk,
    body: () => void,
  ): void {
    const mark = this.space.mark();
    const isRolled = walk.rolled.length > 0;
    const kept = isRolled ? this.#prepare(wanted, walk) : this.#prepare(wanted, undefined);
    const outer = this.#keeping;
    const written = new Set<TileValue>();
    this.#keeping = isRolled ? { walk, arrays: kept, written } : undefined;
    body();
    this.#keeping = outer;
    // What the loop found ready, or wanted elsewhere only, is not in its array.
    for (const [value, array] of kept)
      if (written.has(value)) this.set(value, { kind: 'resident', layout: walk.layout, array });
    this.free(mark);
  }

  readonly #borrowed: { value: TileValue; mark: number }[] = [];

  /** Free shared memory taken since `mark`. */
  free(mark: number): void {
    for (
      let last = this.#borrowed.at(-1);
      last !== undefined && last.mark >= mark;
      last = this.#borrowed.at(-1)
    ) {
      this.#borrowed.pop();
      const held = this.#held.get(last.value);
      if (held?.kind === 'resident') {
        const { shared: _, ...rest } = held;
        this.set(last.value, rest);
      }
    }
    this.space.release(mark);
  }

  /** Make sure that values can be evaluated at places inside the loops that follow. */
  #prepare(
    wanted: readonly { value: TileValue; point: Point }[],
    walk: Walk | undefined,
  ): Map<TileValue, string> {
    const seen = new Set<string>();
    const kept = new Map<TileValue, string>();
    const stack = [...wanted].reverse();
    const fetched = new Map<TileValue, 'array' | 'shared'>();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { value, point } = next;
      const key = `${this.#id(value)}@${keyOf(point)}`;
      if (seen.has(key) || this.text.recall(key) !== undefined) continue;
      seen.add(key);
      const held = this.get(value);
      if (held.kind === 'resident') this.#note(fetched, value, held, point);
      if (held.kind !== 'pure') continue;
      if (walk !== undefined && this.#isHoisted(held.op, value, walk)) {
        this.force(value);
        this.#note(fetched, value, this.#resident(value), point);
        continue;
      }
      if (walk !== undefined && !kept.has(value) && this.#isKeptBy(value, walk)) {
        const array = this.text.fresh('kept');
        this.text.line(`var ${array}: ${this.#arrayType(value, walk.layout)};`);
        kept.set(value, array);
      }
      for (const part of needOf(held.op, value, point).parts) stack.push(part);
    }
    this.#fetches++;
    for (const [value, how] of fetched) if (how === 'array') this.toArray(value);
    const shared = [...fetched].filter(([, how]) => how === 'shared');
    for (const [value] of shared) this.share(value, `fetch ${this.#fetches}`);
    for (const [value] of shared) this.#awaitShared(value);
    return kept;
  }

  #isKeptBy(value: TileValue, walk: Walk): boolean {
    const { shape } = value.type;
    const { layout } = walk;
    const isSame =
      shape.length === layout.shape.length && shape.every((d, i) => d === layout.shape[i]);
    return (
      isSame && value !== this.#forced && layout.registers <= mostKept && this.demand.isKept(value)
    );
  }

  /** Whether a smaller tile is evaluated before the loop over a larger one. */
  #isHoisted(op: PureOp, value: TileValue, walk: Walk): boolean {
    if (isMove(op) || op.kind === 'constant' || op.kind === 'iota') return false;
    const { registers } = this.layout(value.type.shape);
    const isSmaller =
      sizeOf(value.type.shape) < sizeOf(walk.layout.shape) && registers < walk.layout.registers;
    return isSmaller && (registers <= this.unroll || this.demand.isKept(value));
  }

  #note(
    fetched: Map<TileValue, 'array' | 'shared'>,
    value: TileValue,
    held: Resident,
    point: Point,
  ): void {
    const place = placeOf(held.layout, point);
    if (place === undefined) {
      if (held.shared === undefined) fetched.set(value, 'shared');
    } else if (
      held.array === undefined &&
      !affine.isConstant(place.register) &&
      !fetched.has(value)
    )
      fetched.set(value, 'array');
  }

  #arrayType(value: TileValue, layout: Layout): string {
    return `array<${typeName(registerOf(value.type.dtype), layout.width)}, ${layout.registers}>`;
  }

  #resident(value: TileValue): Resident {
    const held = this.get(value);
    if (held.kind !== 'resident') throw new InternalError('webgpu: a value is not in registers.');
    return held;
  }

  /** Copy the names of a value to an array, for loops. */
  toArray(value: TileValue): void {
    const held = this.#resident(value);
    if (held.array !== undefined || held.names === undefined) return;
    const array = this.text.fresh('a');
    this.text.line(
      `var ${array} = ${this.#arrayType(value, held.layout)}(${held.names.join(', ')});`,
    );
    this.set(value, { ...held, array });
  }

  /** Bring a value into registers: names when it is small, else an array. */
  force(value: TileValue): Resident {
    const held = this.get(value);
    if (held.kind === 'resident') return held;
    const layout = this.layout(value.type.shape);
    if (layout.registers <= this.unroll) {
      const names: string[] = [];
      this.sweep(layout, [value], (point) => names.push(this.at(value, point)));
      const resident: Resident = { kind: 'resident', layout, names };
      this.set(value, resident);
      return resident;
    }
    const array = this.text.fresh('a');
    this.text.line(`var ${array}: ${this.#arrayType(value, layout)};`);
    const outer = this.#forced;
    this.#forced = value;
    this.sweep(layout, [value], (point, register) => {
      this.text.line(`${array}[${affine.print(register)}] = ${this.at(value, point)};`);
    });
    this.#forced = outer;
    const resident: Resident = { kind: 'resident', layout, array };
    this.set(value, resident);
    return resident;
  }

  /** Names or an array of new variables for a tile. */
  variables(value: TileValue, prefix: string): Resident {
    const layout = this.layout(value.type.shape);
    if (layout.registers > this.unroll) {
      const array = this.text.fresh(prefix);
      this.text.line(`var ${array}: ${this.#arrayType(value, layout)};`);
      return { kind: 'resident', layout, array };
    }
    const type = typeName(registerOf(value.type.dtype), layout.width);
    const names = Array.from({ length: layout.registers }, () => {
      const name = this.text.fresh(prefix);
      this.text.line(`var ${name}: ${type};`);
      return name;
    });
    return { kind: 'resident', layout, names };
  }

  /** Spell the variable of a register. */
  register(held: Pick<Resident, 'names' | 'array'>, register: Affine): string {
    if (held.names !== undefined && affine.isConstant(register))
      return held.names[register.constant];
    if (held.array === undefined)
      throw new InternalError('webgpu: registers without an array in a loop.');
    return `${held.array}[${affine.print(register)}]`;
  }

  // --- elements of other invocations

  /** Conditions under which this invocation is the one that writes a place of a layout, and the place is no padding. */
  ownership(layout: Layout, point: Point): string[] {
    const rank = layout.shape.length;
    const guards: string[] = [];
    if (this.threads.tx > 1 && layout.columns === 1) guards.push('tx == 0');
    if (this.threads.ty > 1 && layout.rows === 1) guards.push('ty == 0');
    for (let axis = Math.max(0, rank - 2); axis < rank; axis++)
      if (isPadded(layout, axis)) {
        const { hi } = affine.rangeOf(point.coords[axis].at);
        if (hi >= layout.shape[axis])
          guards.push(`${affine.print(point.coords[axis].at)} < ${layout.shape[axis]}`);
      }
    return guards;
  }

  /** Copy a value to shared memory in row-major order, until the space is released. */
  share(value: TileValue, key?: string): WordArray {
    const held = this.force(value);
    const { layout } = held;
    const memory = this.space.take(value.type.dtype, Math.max(1, sizeOf(layout.shape)));
    const strides = stridesOf(layout.shape);
    const copy = (point: Point): void => {
      const name = this.at(value, point);
      const index = point.coords.reduce(
        (sum, c, i) => affine.add(sum, affine.scale(c.at, strides[i])),
        affine.zero,
      );
      guarded(this, this.ownership(layout, point), () => memory.write(index, point.width, name));
    };
    this.sweep(layout, [value], copy, () => this.barriers.touch(memory, 'write', key));
    this.#borrowed.push({ value, mark: this.space.mark() - 1 });
    this.set(value, { ...held, shared: memory });
    return memory;
  }

  #awaitShared(value: TileValue): void {
    const held = this.#resident(value);
    if (held.shared !== undefined) this.barriers.touch(held.shared, 'read');
  }

  /** Wait until a value that was shared can be read. */
  shared(value: TileValue): Memory {
    const held = this.#resident(value);
    if (held.shared === undefined) throw new LoweringError('webgpu: the value was not shared.');
    this.barriers.touch(held.shared, 'read');
    return held.shared;
  }

  /** The op that defines a value, for messages. */
  describe(op: TileOp): string {
    return op.frame === undefined ? op.kind : `${op.kind} (${op.frame})`;
  }
}
