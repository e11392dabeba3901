/**
 * Contractions. The accumulators are named variables, one per register of the result; the contracted axis is always a rolled loop. Three
 * modes: *shuffle* (one subgroup per workgroup: lanes hold pieces of A and pass them round, no barriers), *staged* (blocks of A and B in
 * workgroup memory) and *direct* (both operands straight from memory). Operands may be any values that can be evaluated at a place.
 */
import type { TileOp, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { isAddressable, type Block, type Contraction } from './contraction.ts';
import { emitDirect } from './dot-direct.ts';
import { emitShuffled } from './dot-shuffle.ts';
import { emitStaged, fitsStaging } from './dot-staged.ts';
import { registerOf, splat, typeName } from './format.ts';
import { flatRegister, pointOf, type Layout } from './layout.ts';
import type { Program, Resident, Walk } from './program.ts';
import { shuffleReach } from './reduce.ts';
import { narrow } from './scalar.ts';

/** Accumulators that are kept in variables at once; software drivers compile what they write out for seconds. */
const mostAccumulators = { gpu: 32, software: 16 };

type Mode = (c: Contraction, block: Block) => void;

function chooseMode(p: Program, c: Contraction): Mode {
  const { tx, ty } = p.threads;
  if (ty === 1 && tx > 1 && tx <= shuffleReach(p) && c.depth > 1) return emitShuffled;
  const isStaged = tx * ty > 1 && c.depth >= 4 && !p.features.fallback;
  return isStaged && fitsStaging(c) ? emitStaged : emitDirect;
}

/** Write a contraction. */
export function dot(p: Program, op: TileOp<'dot'>): void {
  const [a, b, acc] = op.operands;
  const [result] = op.results;
  const { dtype } = result.type;
  const layout = p.layout(result.type.shape);
  const register = registerOf(dtype);
  const depth = a.type.shape[a.type.shape.length - 1];
  const c: Contraction = { p, a, b, layout, dtype, register, depth };
  const rank = layout.shape.length;
  const { rowRegisters, columnRegisters } = layout;
  const most = mostAccumulators[p.features.fallback ? 'software' : 'gpu'];
  const rowsAtOnce = Math.max(1, Math.min(rowRegisters, Math.floor(most / columnRegisters)));
  const isWhole = layout.registers <= most;
  const mode = chooseMode(p, c);
  if (isWhole) {
    const names: string[] = [];
    for (const lead of leads(layout)) {
      const rows = Array.from({ length: rowRegisters }, (_, i) => affine.constant(i));
      names.push(...accumulate(c, { lead, rows, acc, mode }).flat());
    }
    p.set(result, { kind: 'resident', layout, names });
    return;
  }
  if (acc !== undefined) p.force(acc);
  // Lanes pass round registers: a computed operand is computed once, not for every block of rows.
  if (mode === emitShuffled && !isAddressable(p, a)) p.force(a);
  const held: Resident = arrayOf(p, result, layout);
  const blocks = Math.ceil(rowRegisters / rowsAtOnce);
  const inner: Walk = p.walk(
    {
      ...layout,
      loops: [...layout.loops.slice(0, rank - 2), blocks, 1],
      registers: p.unroll + 1,
    },
    1,
  );
  p.rolled(inner.rolled, () =>
    p.barriers.loop(() => {
      for (const tuple of inner.tuples) {
        const start = affine.scale(tuple[rank - 2], rowsAtOnce);
        const rows = Array.from({ length: rowsAtOnce }, (_, i) => rowRegister(layout, start, i));
        const lead = tuple.slice(0, rank - 2);
        const names = accumulate(c, { lead, rows, acc, mode });
        write(c, held, { lead, rows, names });
      }
    }),
  );
  p.set(result, held);
}

function arrayOf(p: Program, result: TileValue, layout: Layout): Resident {
  const array = p.text.fresh('product');
  const type = typeName(registerOf(result.type.dtype), layout.width);
  p.text.line(`var ${array}: array<${type}, ${layout.registers}>;`);
  return { kind: 'resident', layout, array };
}

/** A row register of a block; in the last block the last row may stand in for rows beyond it, and is computed again. */
function rowRegister(layout: Layout, start: Affine, i: number): Affine {
  const at = affine.offset(start, i);
  const last = layout.rowRegisters - 1;
  const { lo, hi } = affine.rangeOf(at);
  return hi <= last
    ? at
    : affine.variable(`min(${affine.print(at)}, ${last})`, { lo: Math.min(lo, last), hi: last });
}

function write(
  c: Contraction,
  held: Resident,
  w: { lead: readonly Affine[]; rows: readonly Affine[]; names: readonly (readonly string[])[] },
): void {
  const { p, layout } = c;
  w.rows.forEach((row, i) =>
    w.names[i].forEach((name, n) => {
      const flat = flatRegister(layout, [...w.lead, row, affine.constant(n)]);
      p.text.line(`${p.register(held, flat)} = ${name};`);
    }),
  );
}

/** Indices along the batch axes, written out. */
function leads(layout: Layout): Affine[][] {
  return layout.loops
    .slice(0, -2)
    .reduce<Affine[][]>(
      (all, extent) =>
        all.flatMap((t) => Array.from({ length: extent }, (_, n) => [...t, affine.constant(n)])),
      [[]],
    );
}

/** Accumulate one block; the results by row and column register. */
function accumulate(
  c: Contraction,
  use: { lead: readonly Affine[]; rows: readonly Affine[]; acc: TileValue | undefined; mode: Mode },
): string[][] {
  const { p, layout, register, dtype } = c;
  const points = use.rows.map((row) =>
    Array.from({ length: layout.columnRegisters }, (_, n) =>
      pointOf(layout, [...use.lead, row, affine.constant(n)]),
    ),
  );
  const zero = register === 'bool' ? 'false' : splat('0', register, layout.width);
  const init = register === 'bool' ? splat(zero, 'bool', layout.width) : zero;
  const { acc } = use;
  const starts = points.map((row) =>
    row.map((point) => (acc === undefined ? init : p.at(acc, point))),
  );
  const accumulators = starts.map((row) =>
    row.map((start) => {
      const name = p.text.fresh('acc');
      p.text.line(`var ${name}: ${typeName(register, layout.width)} = ${start};`);
      return name;
    }),
  );
  if (c.depth > 0) use.mode(c, { lead: use.lead, rows: use.rows, accumulators });
  if (dtype === 'f32') return accumulators;
  return accumulators.map((row) =>
    row.map((name) => p.text.let('dot', narrow(name, dtype, layout.width, p.prelude))),
  );
}
