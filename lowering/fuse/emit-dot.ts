/** A dot inside a fusion: two-dimensional operands straight from memory, the result in the kernel's order of axes. */
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import { sameShape } from '../../core/shape.ts';
import type { HloOp } from '../hlo/ir.ts';
import type { Tile } from '../tile/ir.ts';
import type { Dims } from './axes.ts';
import type { Loop } from './config.ts';
import type { Writer } from './writer.ts';

/** Translate `dot_general`. Rows are the last loop of the left free axes, columns that of the right; all others are grid loops. */
export function emitDot(w: Writer, op: HloOp<'dot_general'>): Tile {
  const { b, nest } = w;
  const [lhs, rhs] = w.operandsOf(op);
  const k = nest.contracted;
  const m = nest.tileLoops.find((l) => l.part === 'm');
  const n = nest.tileLoops.find((l) => l.part === 'n');
  const { dtype } = op.results[0].type;
  const given = op.operands[0].type.dtype;
  const inside = dtypeInfo[given].bits > dtypeInfo[dtype].bits ? given : dtype;
  const a = matrix(w, lhs[0], lhs[1] ?? [], [m, k], inside);
  const c = matrix(w, rhs[0], rhs[1] ?? [], [k, n], inside);
  const precision = op.attrs.precision.includes('HIGHEST') ? 'highest' : 'default';
  const dot = b.dot(a, c, undefined, precision);
  const product = inside === dtype ? dot : b.cast(dot, dtype);
  return b.reshape(product, nest.tileShape(w.dimsOf(op.results[0])));
}

/** Load a block as a matrix with these two loops as rows and columns (size 1 where there is none). */
function matrix(
  w: Writer,
  value: HloOp['operands'][number],
  dims: Dims,
  sides: readonly [Loop | undefined, Loop | undefined],
  dtype: DType,
): Tile {
  const { b, nest } = w;
  const source = w.source(value, dims, true);
  const loops = nest.order(source.dims).filter((l) => l.block > 1);
  const loaded = b.load(w.blockRef(source.value, source.dims));
  const [rows, columns] = sides;
  const turned =
    loops.length === 2 && loops[0] === columns && loops[1] === rows
      ? b.transpose(loaded, [1, 0])
      : loaded;
  // An operand that a broadcast made of less does not run along both: it repeats along the other.
  const given = sides.map((side) => (side !== undefined && loops.includes(side) ? side.block : 1));
  const shape = sides.map((side) => side?.block ?? 1);
  const matrix = b.reshape(turned, given);
  const flat = sameShape(given, shape) ? matrix : b.broadcast(matrix, shape, [0, 1]);
  return flat.type.dtype === dtype ? flat : b.cast(flat, dtype);
}
