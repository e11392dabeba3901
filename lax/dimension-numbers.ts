/**
 * Dimension numbers of `gather` and `scatter`: StableHLO's, with the index vector always on the last axis of the indices, as in JAX.
 * Checked here, once; the rules in `indexing.ts` only shift axes.
 */
import { describe } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { dtypeInfo, isBig, isInteger } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkNumberLists } from '../core/options.ts';
import { showShape, withoutAxes, type Shape } from '../core/shape.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { GatherDims, HloValue, ScatterDims } from '../lowering/hlo/ir.ts';
import { tupleText } from './define.ts';

/** Which axes a `gather` reads and where its slices go. */
export interface GatherDimensionNumbers {
  /** Axes of the result that the slices fill. */
  readonly offsetDims: readonly number[];
  /** Axes of the operand, of slice size 1, that the result does not have. */
  readonly collapsedSliceDims: readonly number[];
  /** Operand axis of each entry of an index vector. */
  readonly startIndexMap: readonly number[];
  /** Axes of the operand that are batch axes. */
  readonly operandBatchingDims?: readonly number[];
  /** Axes of the indices that go with them. */
  readonly startIndicesBatchingDims?: readonly number[];
}

/** Which axes a `scatter` writes and where its windows come from. */
export interface ScatterDimensionNumbers {
  /** Axes of the updates that are windows. */
  readonly updateWindowDims: readonly number[];
  /** Axes of the operand, of window size 1, that the updates do not have. */
  readonly insertedWindowDims: readonly number[];
  /** Operand axis of each entry of an index vector. */
  readonly scatterDimsToOperandDims: readonly number[];
  /** Axes of the operand that are batch axes. */
  readonly operandBatchingDims?: readonly number[];
  /** Axes of the indices that go with them. */
  readonly scatterIndicesBatchingDims?: readonly number[];
}

/** What happens at indices out of bounds: moved inside; filled (gather) or skipped (scatter); anything safe. */
export type IndexMode = 'clip' | 'fill' | 'promise_in_bounds';

/** Gather dimension numbers with every field. */
export type FullGatherNumbers = Required<GatherDimensionNumbers>;
/** Scatter dimension numbers with every field. */
export type FullScatterNumbers = Required<ScatterDimensionNumbers>;

/** Refuse what is no record of lists of axes. @throws ArgumentError naming the field. */
function checkFields(op: string, dims: unknown, fields: readonly string[]): void {
  if (typeof dims !== 'object' || dims === null)
    throw new ArgumentError(
      `${op}: dimensionNumbers must be an object with ${fields.join(', ')}; got ${describe(dims)}. Write a list of axes for each.`,
    );
  const given = dims as Readonly<Record<string, unknown>>;
  for (const field of fields) checkNumberLists(op, { [`dimensionNumbers.${field}`]: given[field] });
}

/** Fill in the fields that may be left out. @throws ArgumentError when a field is no list of axes. */
export function fullGather(dims: GatherDimensionNumbers): FullGatherNumbers {
  checkFields('gather', dims, ['offsetDims', 'collapsedSliceDims', 'startIndexMap']);
  return {
    ...dims,
    operandBatchingDims: dims.operandBatchingDims ?? [],
    startIndicesBatchingDims: dims.startIndicesBatchingDims ?? [],
  };
}

/** Fill in the fields that may be left out. @throws ArgumentError when a field is no list of axes. */
export function fullScatter(dims: ScatterDimensionNumbers): FullScatterNumbers {
  const needed = ['updateWindowDims', 'insertedWindowDims', 'scatterDimsToOperandDims'];
  checkFields('scatter', dims, needed);
  return {
    ...dims,
    operandBatchingDims: dims.operandBatchingDims ?? [],
    scatterIndicesBatchingDims: dims.scatterIndicesBatchingDims ?? [],
  };
}

/** A gather's dimension numbers in StableHLO. */
export const gatherHlo = (dims: FullGatherNumbers, indicesNdim: number): GatherDims => ({
  ...dims,
  indexVectorDim: indicesNdim - 1,
});

/** A scatter's dimension numbers in StableHLO. */
export const scatterHlo = (dims: FullScatterNumbers, indicesNdim: number): ScatterDims => ({
  updateWindowDims: dims.updateWindowDims,
  insertedWindowDims: dims.insertedWindowDims,
  inputBatchingDims: dims.operandBatchingDims,
  scatterIndicesBatchingDims: dims.scatterIndicesBatchingDims,
  scatterDimsToOperandDims: dims.scatterDimsToOperandDims,
  indexVectorDim: indicesNdim - 1,
});

/** The scatter that is dual to a gather. */
export const dualScatter = (dims: FullGatherNumbers): FullScatterNumbers => ({
  updateWindowDims: dims.offsetDims,
  insertedWindowDims: dims.collapsedSliceDims,
  scatterDimsToOperandDims: dims.startIndexMap,
  operandBatchingDims: dims.operandBatchingDims,
  scatterIndicesBatchingDims: dims.startIndicesBatchingDims,
});

/** The gather that is dual to a scatter. */
export const dualGather = (dims: FullScatterNumbers): FullGatherNumbers => ({
  offsetDims: dims.updateWindowDims,
  collapsedSliceDims: dims.insertedWindowDims,
  startIndexMap: dims.scatterDimsToOperandDims,
  operandBatchingDims: dims.operandBatchingDims,
  startIndicesBatchingDims: dims.scatterIndicesBatchingDims,
});

/** The window that each index vector of a scatter writes, by operand axis. */
export function windowOf(operand: Shape, updates: Shape, dims: FullScatterNumbers): number[] {
  const dropped = [...dims.insertedWindowDims, ...dims.operandBatchingDims];
  let next = 0;
  return operand.map((_, axis) =>
    dropped.includes(axis) ? 1 : updates[dims.updateWindowDims[next++]],
  );
}

const isSorted = (axes: readonly number[]): boolean =>
  axes.every((a, i) => i === 0 || axes[i - 1] < a);
const inRange = (axes: readonly number[], ndim: number): boolean =>
  axes.every((a) => Number.isInteger(a) && a >= 0 && a < ndim);
const isDistinct = (axes: readonly number[]): boolean => new Set(axes).size === axes.length;

/** The checks that gather and scatter share, on the gather's names. */
function checkNumbers(op: string, operand: Aval, indices: Aval, dims: FullGatherNumbers): void {
  const facts = `operand ${operand.toString()}, indices ${indices.toString()}, ${showGather(dims)}`;
  const fail = (rule: string): never => {
    throw new ShapeError(`${op}: ${rule}; got ${facts}.`);
  };
  if (!isInteger(indices.dtype))
    throw new DTypeError(
      `${op}: indices must be integers; got ${indices.toString()}. Convert them with lax.convertElementType.`,
    );
  if (indices.ndim === 0) fail('indices need a last axis that holds the index vectors');
  const dropped = [...dims.collapsedSliceDims, ...dims.operandBatchingDims];
  if (!isSorted(dims.offsetDims)) fail('offset axes must be increasing');
  if (!isSorted(dims.collapsedSliceDims) || !isSorted(dims.operandBatchingDims))
    fail('collapsed and batch axes of the operand must be increasing');
  if (!inRange(dropped, operand.ndim) || !isDistinct([...dropped]))
    fail('dropped axes of the operand must exist and be distinct');
  if (dims.offsetDims.length !== operand.ndim - dropped.length)
    fail('each kept axis of the operand needs one offset axis');
  if (dims.startIndexMap.length !== indices.shape[indices.ndim - 1])
    fail('the index map must name one operand axis per entry of an index vector');
  const mapped = [...dims.startIndexMap, ...dims.operandBatchingDims];
  if (!inRange(mapped, operand.ndim) || !isDistinct(mapped))
    fail('indexed axes must exist, be distinct and not be batch axes');
  const batch = dims.startIndicesBatchingDims;
  if (
    batch.length !== dims.operandBatchingDims.length ||
    !inRange(batch, indices.ndim - 1) ||
    !isDistinct(batch)
  )
    fail('each batch axis of the operand needs one batch axis of the indices');
  if (batch.some((axis, i) => indices.shape[axis] !== operand.shape[dims.operandBatchingDims[i]]))
    fail('batch axes must have equal sizes');
}

/**
 * Check a gather.
 *
 * @throws ShapeError or DTypeError naming the rule that is broken.
 */
export function checkGather(
  operand: Aval,
  indices: Aval,
  dims: FullGatherNumbers,
  sliceSizes: Shape,
): void {
  checkNumbers('gather', operand, indices, dims);
  const facts = `slice sizes ${showShape(sliceSizes)} of ${operand.toString()}`;
  if (sliceSizes.length !== operand.ndim)
    throw new ShapeError(`gather: one slice size per axis of the operand is needed; got ${facts}.`);
  if (sliceSizes.some((n, i) => !Number.isInteger(n) || n < 0 || n > operand.shape[i]))
    throw new ShapeError(
      `gather: slices must fit into the operand; got ${facts}. Take smaller slices.`,
    );
  const dropped = [...dims.collapsedSliceDims, ...dims.operandBatchingDims];
  // Only a result without elements can be made of axes without.
  const least =
    indices.shape.slice(0, -1).includes(0) || withoutAxes(sliceSizes, dropped).includes(0) ? 0 : 1;
  if (dropped.some((axis) => sliceSizes[axis] > 1 || sliceSizes[axis] < least))
    throw new ShapeError(
      `gather: axes that are dropped must have slice size 1; got ${facts}, ${showGather(dims)}.`,
    );
  if (!inRange(dims.offsetDims, dims.offsetDims.length + indices.ndim - 1))
    throw new ShapeError(
      `gather: offset axes must be axes of the result; got ${showGather(dims)}.`,
    );
}

/**
 * Check a scatter.
 *
 * @throws ShapeError or DTypeError naming the rule that is broken.
 */
export function checkScatter(op: string, avals: readonly Aval[], dims: FullScatterNumbers): void {
  const [operand, indices, updates] = avals;
  const facts = `operand ${operand.toString()}, indices ${indices.toString()}, updates ${updates.toString()}, ${showScatter(dims)}`;
  if (operand.dtype !== updates.dtype)
    throw new DTypeError(
      `${op}: operand and updates must have one dtype; got ${facts}. Convert one with lax.convertElementType.`,
    );
  checkNumbers(op, operand, indices, dualGather(dims));
  const scattered = withoutAxes(updates.shape, dims.updateWindowDims);
  const wanted = indices.shape.slice(0, -1);
  if (
    !inRange(dims.updateWindowDims, updates.ndim) ||
    scattered.length !== wanted.length ||
    scattered.some((n, i) => n !== wanted[i])
  )
    throw new ShapeError(
      `${op}: the axes of the updates that are no windows must be those of the indices; got ${facts}.`,
    );
  const window = windowOf(operand.shape, updates.shape, dims);
  if (window.some((n, i) => n > operand.shape[i] && updates.size > 0 && operand.shape[i] > 0))
    throw new ShapeError(`${op}: windows must fit into the operand; got ${facts}.`);
}

/** The greatest start of a window along each indexed axis, as a constant of the indices' shape. */
export function lastStarts(
  b: HloBuilder,
  indices: HloValue,
  operand: Shape,
  window: Shape,
  map: readonly number[],
): HloValue {
  const { dtype, shape } = indices.type;
  const { kind, bits } = dtypeInfo[dtype];
  const top = kind === 'int' ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const limits = map.map((axis) =>
    Math.max(0, Math.min(operand[axis] - window[axis], isBig(dtype) ? Infinity : top)),
  );
  const values = isBig(dtype) ? limits.map((n) => BigInt(n)) : limits;
  const row = b.constantArray(values, dtype, [limits.length]);
  return b.broadcastInDim(row, shape, [shape.length - 1]);
}

/** JAX's printed form. */
export const showGather = (dims: FullGatherNumbers): string =>
  `GatherDimensionNumbers(offset_dims=${tupleText(dims.offsetDims)}, collapsed_slice_dims=${tupleText(dims.collapsedSliceDims)}, ` +
  `start_index_map=${tupleText(dims.startIndexMap)}, operand_batching_dims=${tupleText(dims.operandBatchingDims)}, ` +
  `start_indices_batching_dims=${tupleText(dims.startIndicesBatchingDims)})`;

/** JAX's printed form. */
export const showScatter = (dims: FullScatterNumbers): string =>
  `ScatterDimensionNumbers(update_window_dims=${tupleText(dims.updateWindowDims)}, inserted_window_dims=${tupleText(dims.insertedWindowDims)}, ` +
  `scatter_dims_to_operand_dims=${tupleText(dims.scatterDimsToOperandDims)}, operand_batching_dims=${tupleText(dims.operandBatchingDims)}, ` +
  `scatter_indices_batching_dims=${tupleText(dims.scatterIndicesBatchingDims)})`;

/** JAX's printed form. */
export const showMode: Readonly<Record<IndexMode, string>> = {
  clip: 'GatherScatterMode.CLIP',
  fill: 'GatherScatterMode.FILL_OR_DROP',
  promise_in_bounds: 'GatherScatterMode.PROMISE_IN_BOUNDS',
};
