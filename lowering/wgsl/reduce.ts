/**
 * Reductions with named combiners: first over the registers of an invocation, then over the components of vectors, then across invocations,
 * by subgroup shuffles as far as a subgroup reaches and through shared memory beyond. Floats keep NaN by their bits.
 */
import type { DType } from '../../core/dtype.ts';
import { isFloat } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import type { Combiner } from '../scalar.ts';
import type { TileOp, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { identityLiteral, registerOf, splat, typeName, type Register } from './format.ts';
import { flatRegister, isPadded, pointOf, type Layout, type Point, type Width } from './layout.ts';
import { spread } from './prelude.ts';
import type { Program, Walk } from './program.ts';
import { apply } from './pure.ts';
import { narrow } from './scalar.ts';

/** The dtype in which a reduction runs: the register's own. */
export const runningDType = (dtype: DType): DType => registerOf(dtype);

interface Fold {
  readonly p: Program;
  readonly value: TileValue;
  readonly combiner: Combiner;
  readonly dtype: DType;
  readonly register: Register;
  readonly axes: readonly number[];
  readonly layout: Layout;
  readonly out: Layout;
}

/** Combine two spelled values. */
function combine(
  f: Pick<Fold, 'p' | 'combiner' | 'dtype'>,
  a: string,
  b: string,
  width: Width,
): string {
  return apply(f.p, f.combiner, { dtype: runningDType(f.dtype), width, args: [a, b] });
}

/** Extremes of floats keep NaN: the plain extreme, and the largest bits seen, which show a NaN. */
const watchesNaN = (f: Fold): boolean =>
  isFloat(f.dtype) && (f.combiner === 'max' || f.combiner === 'min');

/** The value at a place, with the neutral element in the padding of reduced axes. */
function masked(f: Fold, point: Point): string {
  const { p, layout } = f;
  const name = p.at(f.value, point);
  const rank = layout.shape.length;
  const checks = f.axes
    .filter((axis) => axis >= rank - 2 && isPadded(layout, axis))
    .filter((axis) => affine.rangeOf(point.coords[axis].at).hi >= layout.shape[axis])
    .map((axis) => `${affine.print(point.coords[axis].at)} < ${layout.shape[axis]}`);
  if (checks.length === 0) return name;
  return p.text.let(
    'masked',
    `select(${neutral(f, layout.width)}, ${name}, ${checks.join(' && ')})`,
  );
}

const neutral = (f: Fold, width: Width): string =>
  splat(f.p.prelude.note(identityLiteral(f.combiner, f.dtype)), f.register, width);

/** An accumulator in variables of the shader. */
class Accumulator {
  readonly #f: Fold;
  readonly #name: string;
  readonly #seen: string | undefined;

  constructor(f: Fold) {
    this.#f = f;
    const { p, layout } = f;
    this.#name = p.text.fresh('acc');
    p.text.line(`var ${this.#name} = ${neutral(f, layout.width)};`);
    if (!watchesNaN(f)) return;
    this.#seen = p.text.fresh('seen');
    p.text.line(`var ${this.#seen} = ${splat('0u', 'u32', layout.width)};`);
  }

  add(name: string): void {
    const { p, layout, combiner } = this.#f;
    const { width } = layout;
    if (this.#seen === undefined) {
      p.text.line(`${this.#name} = ${combine(this.#f, this.#name, name, width)};`);
      return;
    }
    const bits = `bitcast<${typeName('u32', width)}>(${name})`;
    p.text.line(`${this.#name} = ${combiner}(${this.#name}, ${name});`);
    p.text.line(
      `${this.#seen} = max(${this.#seen}, ${bits} & ${splat('0x7fffffffu', 'u32', width)});`,
    );
  }

  /** The total. */
  get total(): string {
    const { p, layout } = this.#f;
    if (this.#seen === undefined) return this.#name;
    const { width } = layout;
    const limit = splat('0x7f800000u', 'u32', width);
    const asFloat = `bitcast<${typeName('f32', width)}>(${this.#seen})`;
    return p.text.let('total', `select(${this.#name}, ${asFloat}, ${this.#seen} > ${limit})`);
  }
}

/** Fold the components of a vector when columns are reduced. */
function horizontal(f: Fold, total: string): string {
  const { layout, axes } = f;
  if (layout.width === 1 || !axes.includes(layout.shape.length - 1)) return total;
  const [a, b, c, d] = spread(total, layout.width);
  const first = f.p.text.let('h', combine(f, a, b, 1));
  if (layout.width === 2) return first;
  const second = f.p.text.let('h', combine(f, c, d, 1));
  return f.p.text.let('h', combine(f, first, second, 1));
}

/** Split the register loops of a layout into those that stay and those that are folded. */
function nests(f: Fold, kept: readonly Affine[]): { walk: Walk; tuples: Affine[][] } {
  const { p, layout, axes } = f;
  const inner: Layout = {
    ...layout,
    loops: layout.loops.map((n, axis) => (axes.includes(axis) ? n : 1)),
    registers: layout.loops.reduce((n, extent, axis) => n * (axes.includes(axis) ? extent : 1), 1),
  };
  const isLong = layout.registers > p.unroll;
  const walk = p.walk(isLong ? inner : { ...inner, registers: 0 });
  const tuples = walk.tuples.map((t) => t.map((r, axis) => (axes.includes(axis) ? r : kept[axis])));
  return { walk, tuples };
}

/** Fold what one invocation holds for one register of the result. */
function foldOne(f: Fold, fold: { walk: Walk; tuples: Affine[][] }): string {
  const { p, layout } = f;
  const points = fold.tuples.map((t) => pointOf(layout, t));
  if (fold.walk.rolled.length === 0 && points.length === 1)
    return horizontal(f, masked(f, points[0]));
  const acc = new Accumulator(f);
  p.rolled(fold.walk.rolled, () => {
    for (const point of points) acc.add(masked(f, point));
  });
  return horizontal(f, acc.total);
}

/** Fold the registers of every invocation; the totals of the result's registers, as names or in an array. */
function foldRegisters(f: Fold): { names?: string[]; array?: string } {
  const { p, layout, out } = f;
  const isLong = layout.registers > p.unroll;
  const outer = p.walk(
    isLong && out.registers > 1 ? { ...out, registers: p.unroll + 1 } : { ...out, registers: 0 },
  );
  // Short innermost loops of the result stay written out, so that every tuple has loops of its own.
  const folds = outer.tuples.map((kept) => ({ kept, ...nests(f, kept) }));
  const points = folds.flatMap((fold) => fold.tuples.map((t) => pointOf(layout, t)));
  const walk: Walk = {
    layout,
    rolled: [...outer.rolled, ...folds.flatMap((fold) => fold.walk.rolled)],
    tuples: folds.flatMap((fold) => fold.tuples),
  };
  let array: string | undefined;
  const names: string[] = [];
  const type = typeName(f.register, out.width);
  if (outer.rolled.length > 0) {
    array = p.text.fresh('totals');
    p.text.line(`var ${array}: array<${type}, ${out.registers}>;`);
  }
  p.within(
    points.map((point) => ({ value: f.value, point })),
    walk,
    () =>
      p.rolled(outer.rolled, () => {
        for (const fold of folds) {
          const total = foldOne(f, fold);
          if (array === undefined) names.push(total);
          else p.text.line(`${array}[${affine.print(flatRegister(out, fold.kept))}] = ${total};`);
        }
      }),
  );
  return array === undefined ? { names } : { array };
}

/** Lanes among which a value is combined: `count` invocations, `stride` apart. */
interface Lanes {
  readonly count: number;
  readonly stride: number;
}

/** Combine across lanes of one subgroup; what is left to combine after that. */
function shuffles(
  f: Fold,
  name: string,
  lanes: Lanes,
  reach: number,
): { name: string; rest: Lanes } {
  const { p, out } = f;
  let text = name;
  let step = 1;
  while (step < lanes.count && step * lanes.stride < reach) {
    const other = p.text.let(
      'lane',
      `subgroupShuffleXor(${shuffled(text, f.register, out.width)}, ${step * lanes.stride}u)`,
    );
    text = p.text.let(
      'lanes',
      combine(f, text, unshuffled(other, f.register, out.width), out.width),
    );
    step *= 2;
  }
  return { name: text, rest: { count: lanes.count / step, stride: lanes.stride * step } };
}

// Subgroup operations take numbers only.
const shuffled = (text: string, register: Register, width: Width): string =>
  register === 'bool' ? `${typeName('u32', width)}(${text})` : text;
const unshuffled = (text: string, register: Register, width: Width): string =>
  register === 'bool' ? `(${text} != ${splat('0u', 'u32', width)})` : text;

/** Combine the partial totals of lanes through shared memory. */
function exchange(f: Fold, name: string, lanes: Lanes): string {
  const { p, out } = f;
  const total = p.threads.tx * p.threads.ty;
  const mark = p.space.mark();
  const memory = p.space.take(f.dtype, total * out.width);
  p.barriers.touch(memory, 'write');
  const lid = affine.variable('lid', { lo: 0, hi: total - 1 });
  memory.write(affine.scale(lid, out.width), out.width, name);
  p.barriers.touch(memory, 'read');
  // lid without its position among these lanes.
  const span = lanes.count * lanes.stride;
  const first =
    span === total
      ? `lid & ${lanes.stride - 1}`
      : `(lid & ${lanes.stride - 1}) + (lid / ${span}) * ${span}`;
  const base = affine.variable(
    p.text.let('first', lanes.stride === 1 && span === total ? '0' : first),
    { lo: 0, hi: total - 1 },
  );
  const read = (k: Affine): string =>
    memory.read(
      affine.scale(affine.add(base, affine.scale(k, lanes.stride)), out.width),
      out.width,
    );
  const result = lanes.count <= 8 ? written(f, lanes.count, read) : looped(f, lanes.count, read);
  p.space.release(mark);
  return result;
}

function written(f: Fold, count: number, read: (k: Affine) => string): string {
  let text = f.p.text.let('part', read(affine.zero));
  for (let k = 1; k < count; k++) {
    const part = f.p.text.let('part', read(affine.constant(k)));
    text = f.p.text.let('sum', combine(f, text, part, f.out.width));
  }
  return text;
}

function looped(f: Fold, count: number, read: (k: Affine) => string): string {
  const { p } = f;
  const acc = p.text.fresh('acc');
  const k = p.text.fresh('k');
  p.text.line(`var ${acc} = ${read(affine.zero)};`);
  p.block(`for (var ${k} = 1; ${k} < ${count}; ${k}++)`, () => {
    const part = p.text.let('part', read(affine.variable(k, { lo: 1, hi: count - 1 })));
    p.text.line(`${acc} = ${combine(f, acc, part, f.out.width)};`);
  });
  return acc;
}

/** How far shuffles reach: the lanes of a subgroup. */
export const shuffleReach = (p: Program): number =>
  p.features.subgroups ? p.features.subgroupSize : 1;

/** The lanes that hold parts of one result. */
function partners(f: Fold): Lanes[] {
  const { p, layout, axes } = f;
  const rank = layout.shape.length;
  const { tx, ty } = p.threads;
  const directions: Lanes[] = [];
  if (axes.includes(rank - 1) && layout.columns > 1 && tx > 1)
    directions.push({ count: tx, stride: 1 });
  if (axes.includes(rank - 2) && layout.rows > 1 && ty > 1)
    directions.push({ count: ty, stride: tx });
  return directions;
}

/** Combine the totals of invocations that hold parts of one result. */
function acrossLanes(f: Fold, name: string): string {
  const { p } = f;
  let text = name;
  for (const lanes of partners(f)) {
    const near = shuffles(f, text, lanes, shuffleReach(p));
    text = near.rest.count > 1 ? exchange(f, near.name, near.rest) : near.name;
  }
  return text;
}

/** Reduce a tile with a named combiner into a value. */
export function reduceInto(
  p: Program,
  result: TileValue,
  value: TileValue,
  how: { combiner: Combiner; axes: readonly number[] },
): void {
  const { dtype } = value.type;
  const f: Fold = {
    p,
    value,
    dtype,
    register: registerOf(dtype),
    combiner: how.combiner,
    axes: how.axes,
    layout: p.layout(value.type.shape),
    out: p.layout(result.type.shape),
  };
  const totals = foldRegisters(f);
  const finish = (name: string): string =>
    p.text.let('reduced', narrow(acrossLanes(f, name), dtype, f.out.width, p.prelude));
  if (totals.names !== undefined) {
    p.set(result, { kind: 'resident', layout: f.out, names: totals.names.map(finish) });
    return;
  }
  const { array } = totals;
  if (array === undefined) throw new LoweringError('webgpu: a reduction without totals.');
  const isFinished = partners(f).length === 0 && narrow('', dtype, 1, p.prelude) === '';
  const walk = p.walk(f.out);
  const finishAll = (): void => {
    for (const tuple of walk.tuples) {
      const at = `${array}[${affine.print(flatRegister(f.out, tuple))}]`;
      p.text.line(`${at} = ${finish(p.text.let('total', at))};`);
    }
  };
  if (!isFinished) p.rolled(walk.rolled, () => p.barriers.loop(finishAll));
  const names =
    f.out.registers <= p.unroll
      ? Array.from({ length: f.out.registers }, (_, i) => p.text.let('reduced', `${array}[${i}]`))
      : undefined;
  p.set(
    result,
    names === undefined
      ? { kind: 'resident', layout: f.out, array }
      : { kind: 'resident', layout: f.out, names, array },
  );
}

/** Reduce with a named combiner. */
export const reduce = (p: Program, op: TileOp<'reduce'>, combiner: Combiner): void =>
  reduceInto(p, op.results[0], op.operands[0], { combiner, axes: op.attrs.axes });
