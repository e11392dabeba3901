/** How the axes of an op follow from those of its operands. */
import type { HloOp } from '../hlo/ir.ts';
import { freshDims, resolveDims, type Axis, type Dims } from './axes.ts';
import { roleOf, windowOperands } from './classify.ts';

/** Axes of the parts of a dot. */
export interface DotAxes {
  readonly lhs: Dims;
  readonly rhs: Dims;
  readonly batch: readonly Axis[];
  readonly m: readonly Axis[];
  readonly n: readonly Axis[];
  readonly k: readonly Axis[];
}

/** Axes of the operands of an op, given those of its result (made fresh for reductions and dots). */
export interface Join {
  readonly result: Dims;
  readonly operands: readonly (Dims | undefined)[];
  readonly reduced?: readonly Axis[];
  readonly space?: readonly Axis[];
  readonly dot?: DotAxes;
}

/** How an op meets its operands, with axes of its own. */
export function joinOf(op: HloOp): Join {
  const shape = op.results[0].type.shape;
  if (op.kind === 'reduce') {
    const space = freshDims(op.operands[0].type.shape);
    const axes = op.attrs.dims;
    const n = op.operands.length / 2;
    return {
      result: space.filter((_, i) => !axes.includes(i)),
      operands: op.operands.map((_, i) => (i < n ? space : [])),
      reduced: space.flatMap((dim, i) => (axes.includes(i) ? dim : [])),
      space: space.flat(),
    };
  }
  if (op.kind === 'dot_general') return joinOfDot(op);
  const result = freshDims(shape);
  if (roleOf(op) === 'window')
    return {
      result,
      operands: op.operands.map((x) => (windowOperands(op).includes(x) ? undefined : [])),
    };
  return {
    result,
    operands: op.operands.map((x) => (x.type.shape.length === 0 && shape.length > 0 ? [] : result)),
  };
}

function joinOfDot(op: HloOp<'dot_general'>): Join {
  const { dims } = op.attrs;
  const lhs = freshDims(op.operands[0].type.shape);
  const rhsFresh = freshDims(op.operands[1].type.shape);
  const rhs = rhsFresh.map((axes, i) => {
    const batch = dims.rhsBatch.indexOf(i);
    const contract = dims.rhsContract.indexOf(i);
    if (batch >= 0) return lhs[dims.lhsBatch[batch]];
    return contract >= 0 ? lhs[dims.lhsContract[contract]] : axes;
  });
  const free = (all: Dims, batch: readonly number[], contract: readonly number[]): Dims =>
    all.filter((_, i) => !batch.includes(i) && !contract.includes(i));
  const batch = dims.lhsBatch.map((i) => lhs[i]);
  const m = free(lhs, dims.lhsBatch, dims.lhsContract);
  const n = free(rhs, dims.rhsBatch, dims.rhsContract);
  return {
    result: [...batch, ...m, ...n],
    operands: [lhs, rhs],
    dot: {
      lhs,
      rhs,
      batch: batch.flat(),
      m: m.flat(),
      n: n.flat(),
      k: dims.lhsContract.flatMap((i) => [...lhs[i]]),
    },
  };
}

/** The same with the axes as they are now: what was unified stays so, and need not be followed again. */
export function settled(join: Join): Join {
  const result = resolveDims(join.result);
  const operands = join.operands.map((dims) => {
    if (dims === undefined) return undefined;
    return dims === join.result ? result : resolveDims(dims);
  });
  return { ...join, result, operands };
}
