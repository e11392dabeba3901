/**
 * Ops that are evaluated where their result is wanted: elementwise ops, moves, and reads of memory that the kernel does not write. This file
 * says what such an op needs at a place and how its result is spelled; `program.ts` decides when and where.
 */
import { LoweringError } from '../../core/errors.ts';
import type { DType } from '../../core/dtype.ts';
import type { Combiner } from '../scalar.ts';
import type { Tile, TileOp, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import { bitcast, convert } from './convert.ts';
import {
  component,
  isLiteral,
  literal,
  numberOf,
  registerOf,
  splat,
  typeName,
  type Register,
} from './format.ts';
import type { Coord, Point, Width } from './layout.ts';
import type { Pen } from './memory.ts';
import { gatherComponents } from './prelude.ts';
import { readRef, type RefView } from './refs.ts';
import { spell } from './scalar.ts';
import { sourceOf, splitSource, type MoveOp, type Part } from './views.ts';

/** Ops that have no effect, wait for nobody and read no memory that changes. */
export type PureOp =
  | TileOp<'constant' | 'iota' | 'scalar' | 'select' | 'cast' | 'bitcast' | 'load' | 'gather'>
  | MoveOp;

const pureKinds = new Set<string>([
  'constant',
  'iota',
  'scalar',
  'select',
  'cast',
  'bitcast',
  'broadcast',
  'reshape',
  'transpose',
  'slice',
  'concat',
  'pad',
  'rev',
]);

/** Whether an op is pure whatever its operands are; loads and gathers are when their memory is. */
export const isPureKind = (op: TileOp): op is PureOp => pureKinds.has(op.kind);

/** Whether an op only moves elements. */
export const isMove = (op: TileOp): op is MoveOp =>
  ['broadcast', 'reshape', 'transpose', 'slice', 'concat', 'pad', 'rev'].includes(op.kind);

/** The dtype of a tile value. */
export const dtypeOf = (value: TileValue): DType => value.type.dtype;

/** What an op looks up in the program around it. */
export interface Surroundings extends Pen {
  /** The window of a ref. */
  view(ref: TileValue): RefView;
}

/** What an op needs to give its result at a place: its parts, and how they are put together. */
export interface Need {
  readonly parts: readonly Part[];
  /** Whether the parts are the components of the result itself. */
  readonly isSplit: boolean;
  readonly conditions: readonly string[];
}

const need = (parts: readonly Part[], conditions: readonly string[] = []): Need => ({
  parts,
  isSplit: false,
  conditions,
});

/** What an op needs at a place. */
export function needOf(op: PureOp, result: TileValue, point: Point): Need {
  switch (op.kind) {
    case 'constant':
    case 'iota':
      return need([]);
    case 'scalar':
    case 'select':
    case 'cast':
    case 'bitcast':
      return need(op.operands.map((value) => ({ value, point })));
    case 'load':
    case 'gather':
      return need(op.operands.slice(1).map((value) => ({ value, point })));
    default: {
      const source = sourceOf(op, point);
      if (source !== undefined) return need(source.parts, source.conditions);
      return { parts: splitSource(result, point), isSplit: true, conditions: [] };
    }
  }
}

/** The number that a tile has everywhere, when it is known. */
export function knownNumber(value: TileValue): number | undefined {
  let v: TileValue = value;
  while (v.def !== undefined && (v.def.kind === 'broadcast' || v.def.kind === 'reshape'))
    v = v.def.operands[0];
  if (v.def?.kind !== 'constant') return undefined;
  return numberOf(v.def.attrs.value, v.type.dtype);
}

function iota(op: TileOp<'iota'>, dtype: DType, point: Point): string {
  const register = registerOf(dtype);
  const { at } = point.coords[op.attrs.axis];
  const text = affine.print(at);
  const start = affine.isConstant(at) && register === 'i32' ? `${text}i` : `${register}(${text})`;
  if (point.width === 1) return start;
  const type = typeName(register, point.width);
  if (point.axis !== op.attrs.axis) return `${type}(${start})`;
  const steps = Array.from({ length: point.width }, (_, e) => String(e)).join(', ');
  return `${type}(${start}) + ${type}(${steps})`;
}

/** Spell a scalar function of values of one dtype. */
export function apply(
  pen: Pen,
  fn: Combiner | TileOp<'scalar'>['attrs']['fn'],
  use: {
    readonly dtype: DType;
    readonly width: Width;
    readonly args: readonly string[];
    readonly known?: number | undefined;
  },
): string {
  return spell(fn, { ...use, known: use.known, prelude: pen.prelude });
}

/** A place of a ref whose indices are in registers. */
export function indexedPoint(names: readonly string[], sizes: readonly number[]): Point {
  const coords = names.map((name, i): Coord => {
    const known = /^\(?(-?\d+)i?\)?$/.exec(name);
    const at =
      known === null
        ? affine.variable(name, { lo: 0, hi: Math.max(0, sizes[i] - 1) })
        : affine.constant(Number(known[1]));
    return { at, lo: 0, hi: Math.max(0, sizes[i] - 1) };
  });
  return { coords, width: 1, axis: -1 };
}

/** Conditions that indices lie within the window of a ref. */
export const withinChecks = (names: readonly string[], sizes: readonly number[]): string[] =>
  names.flatMap((name, i) => {
    const known = /^\(?(-?\d+)i?\)?$/.exec(name);
    if (known !== null && Number(known[1]) >= 0 && Number(known[1]) < sizes[i]) return [];
    return [`(${name} >= 0)`, `(${name} < ${sizes[i]})`];
  });

function gather(
  out: Surroundings,
  op: TileOp<'gather'>,
  args: readonly string[],
  width: Width,
): string {
  const view = out.view(op.operands[0]);
  const rank = view.shape.length;
  const dtype = view.memory.dtype;
  const register = registerOf(dtype);
  const fill = out.prelude.note(literal(op.attrs.fill ?? 0, dtype));
  const parts = Array.from({ length: width }, (_, e) => {
    const names = args
      .slice(0, rank)
      .map((x, i) => asI32(out, component(x, e, width), dtypeOf(op.operands[1 + i])));
    const checks = withinChecks(names, view.shape);
    if (op.attrs.masked) checks.push(component(args[rank], e, width));
    if (view.shape.includes(0)) return fill;
    const value = readRef(out, view, indexedPoint(names, view.shape), fill);
    return checks.length === 0 ? value : `select(${fill}, ${value}, ${checks.join(' && ')})`;
  });
  return gatherComponents(parts, register);
}

/** An index as an i32 name. */
export function asI32(pen: Pen, text: string, dtype: DType): string {
  return pen.text.let('j', convert(text, dtype, 'i32', 1, pen.prelude));
}

function load(
  out: Surroundings,
  op: TileOp<'load'>,
  args: readonly string[],
  point: Point,
): string {
  const view = out.view(op.operands[0]);
  const { dtype } = view.memory;
  const fill = literal(op.attrs.fill ?? 0, dtype);
  const value = readRef(out, view, point, fill);
  if (args.length === 0) return value;
  const register: Register = registerOf(dtype);
  const other = args[1] ?? splat(out.prelude.note(fill), register, point.width);
  return `select(${other}, ${value}, ${args[0]})`;
}

function move(
  op: MoveOp,
  args: readonly string[],
  conditions: readonly string[],
  widths: { readonly point: Point; readonly parts: readonly Part[] },
): string {
  const register = registerOf(dtypeOf(op.results[0]));
  const { width } = widths.point;
  const spread = args.map((x, i) =>
    widths.parts[i].point.width === width ? x : splat(x, register, width),
  );
  let text = spread[spread.length - 1];
  for (let i = conditions.length - 1; i >= 0; i--)
    text = `select(${text}, ${spread[i]}, ${conditions[i]})`;
  return text;
}

/** Spell the result of an op at a place from its parts. */
export function spellPure(
  out: Surroundings,
  op: PureOp,
  { point, parts, isSplit, conditions }: Need & { readonly point: Point },
  given: readonly string[],
): string {
  const isConstant = !isMove(op) && given.length > 0 && given.every(isLiteral);
  const args = isConstant ? [out.text.opaque(given[0]), ...given.slice(1)] : given;
  const result = op.results[0] as Tile;
  const dtype = result.type.dtype;
  const { width } = point;
  if (isSplit) return gatherComponents(args, registerOf(dtype));
  switch (op.kind) {
    case 'constant':
      return splat(out.prelude.note(literal(op.attrs.value, dtype)), registerOf(dtype), width);
    case 'iota':
      return iota(op, dtype, point);
    case 'scalar': {
      const known = knownNumber(op.operands[op.operands.length - 1]);
      return apply(out, op.attrs.fn, { dtype: dtypeOf(op.operands[0]), width, args, known });
    }
    case 'select':
      return `select(${args[2]}, ${args[1]}, ${args[0]})`;
    case 'cast':
      return convert(args[0], dtypeOf(op.operands[0]), dtype, width, out.prelude);
    case 'bitcast':
      return bitcast(args[0], dtypeOf(op.operands[0]), dtype, width, out.prelude);
    case 'load':
      return load(out, op, args, point);
    case 'gather':
      return gather(out, op, args, width);
    default:
      if (parts.length === 0) throw new LoweringError(`webgpu: ${op.kind} has no source here.`);
      return move(op, args, conditions, { point, parts });
  }
}
