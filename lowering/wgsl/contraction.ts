/**
 * What the modes of contractions share: places in the operands, the elements there, and where an operand is contiguous. The result is
 * accumulated in blocks of named variables.
 */
import type { DType } from '../../core/dtype.ts';
import type { TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { convert } from './convert.ts';
import { registerOf, splat, type Register } from './format.ts';
import { pointOf, type Coord, type Layout, type Point, type Width } from './layout.ts';
import type { Program } from './program.ts';
import { needOf } from './pure.ts';

/** A contraction that is being written. */
export interface Contraction {
  readonly p: Program;
  readonly a: TileValue;
  readonly b: TileValue;
  readonly layout: Layout;
  readonly dtype: DType;
  readonly register: Register;
  /** Size of the contracted axis. */
  readonly depth: number;
}

/** The part of the result that is accumulated at once: some rows of one matrix of the batch. */
export interface Block {
  /** Index along the batch axes. */
  readonly lead: readonly Affine[];
  /** Row registers of this block. */
  readonly rows: readonly Affine[];
  /** Accumulators: `[row][column register]`. */
  readonly accumulators: readonly (readonly string[])[];
}

const exact = (at: Affine, limit: number): Coord => {
  const { lo, hi } = affine.rangeOf(at);
  return { at, lo: Math.max(0, lo), hi: Math.min(limit, hi) };
};

/** A place in the batch axes of an operand, then at a row and a column. */
export function operandPoint(
  lead: readonly Affine[],
  shape: readonly number[],
  place: { row: Affine; column: Affine; width?: Width; axis?: 'row' | 'column' },
): Point {
  const rank = shape.length;
  const { row, column, width = 1, axis = 'column' } = place;
  const room = (which: 'row' | 'column', size: number): number =>
    size - (width > 1 && axis === which ? width : 1);
  const coords = [
    ...lead.map((l, i) => exact(l, shape[i] - 1)),
    exact(row, room('row', shape[rank - 2])),
    exact(column, room('column', shape[rank - 1])),
  ];
  return { coords, width, axis: width === 1 ? -1 : axis === 'row' ? rank - 2 : rank - 1 };
}

/** Spell an element of an operand in the type of the accumulators. */
export function operandText(c: Contraction, value: TileValue, point: Point): string {
  const text = c.p.at(value, point);
  const from = registerOf(value.type.dtype);
  return from === c.register
    ? text
    : c.p.text.let('x', convert(text, from, c.register, point.width, c.p.prelude));
}

/** accumulator += a · b, where `a` is a scalar. */
export function multiplyAdd(c: Contraction, accumulator: string, a: string, b: string): void {
  const { p, register, layout } = c;
  const x = splat(a, register, layout.width);
  const text =
    register === 'f32'
      ? `fma(${x}, ${b}, ${accumulator})`
      : register === 'bool'
        ? `${accumulator} | (${x} & ${b})`
        : `${accumulator} + ${x} * ${b}`;
  p.text.line(`${accumulator} = ${text};`);
}

/** Whether a value can be evaluated by any invocation at any place. */
export function isAddressable(p: Program, value: TileValue): boolean {
  const seen = new Set<TileValue>();
  const stack = [value];
  for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
    if (seen.has(v)) continue;
    seen.add(v);
    const held = p.get(v);
    if (held.kind === 'resident' && held.layout.shape.some((d) => d > 1)) return false;
    if (held.kind !== 'pure') continue;
    const operands =
      held.op.kind === 'load' || held.op.kind === 'gather'
        ? held.op.operands.slice(1)
        : held.op.operands;
    stack.push(...operands);
  }
  return true;
}

/** Along which axis neighbouring elements of an operand lie next to each other in memory, and whether whole vectors can be read there. */
export function contiguity(p: Program, value: TileValue): 'row' | 'column' {
  const shape = value.type.shape;
  const rank = shape.length;
  const row = affine.variable('probe_row', { lo: 0, hi: Math.max(1, shape[rank - 2] - 1) });
  const column = affine.variable('probe_column', { lo: 0, hi: Math.max(1, shape[rank - 1] - 1) });
  const lead = shape.slice(0, -2).map(() => affine.zero);
  const stack = [{ value, point: operandPoint(lead, shape, { row, column }) }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const held = p.get(next.value);
    if (held.kind !== 'pure') continue;
    if (held.op.kind === 'load') {
      const { dims } = p.view(held.op.operands[0]);
      const { point } = next;
      const index = dims.reduce(
        (sum, d) =>
          d.axis < 0
            ? sum
            : affine.add(sum, affine.scale(point.coords[d.axis].at, d.step * d.stride)),
        affine.zero,
      );
      const factor = (name: string): number =>
        index.terms.find((t) => t.v.name === name)?.factor ?? 0;
      if (factor('probe_column') === 1) return 'column';
      if (factor('probe_row') === 1) return 'row';
    }
    stack.push(...needOf(held.op, next.value, next.point).parts);
  }
  return 'column';
}

/** The columns of the result that this invocation holds: the place of each column register in B at depth `k`. */
export const columnPoints = (c: Contraction, block: Block, k: Affine): Point[] =>
  Array.from({ length: c.layout.columnRegisters }, (_, n) => {
    const own = pointOf(c.layout, [...block.lead, block.rows[0], affine.constant(n)]);
    const rank = c.layout.shape.length;
    const column = own.coords[rank - 1];
    const coords = [...own.coords.slice(0, rank - 2), exact(k, c.depth - 1), column];
    return { coords, width: c.layout.width, axis: own.axis };
  });

/** The row of a row register, as an index into A. */
export const rowOf = (c: Contraction, block: Block, i: number): Affine => {
  const rank = c.layout.shape.length;
  return pointOf(c.layout, [...block.lead, block.rows[i], affine.zero]).coords[rank - 2].at;
};
