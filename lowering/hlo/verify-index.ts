/** Rules of `gather` and `scatter`: their dimension numbers. Labels are the constraints of the StableHLO specification. */
import { isInteger } from '../../core/dtype.ts';
import { sameShape, showShape, withoutAxes } from '../../core/shape.ts';
import { gatherShape, tensor } from './infer.ts';
import { sameTensorType, type HloOp, type TensorType } from './ir.ts';
import { showType } from './type-text.ts';
import { check, checkAxes, checkLength } from './verify-check.ts';

/** What the two ops share. */
interface Indexing {
  readonly operand: TensorType;
  readonly indices: TensorType;
  readonly indexVectorDim: number;
  /** Operand axes that index vectors name. */
  readonly components: readonly number[];
  readonly collapsed: readonly number[];
  readonly operandBatching: readonly number[];
  readonly indicesBatching: readonly number[];
}

function verifyIndexing(op: HloOp, i: Indexing): void {
  const rank = i.operand.shape.length;
  const indicesRank = i.indices.shape.length;
  check(isInteger(i.indices.dtype), op, 'indices must be integers', showType(i.indices));
  check(
    i.indexVectorDim >= 0 && i.indexVectorDim <= indicesRank,
    op,
    `index_vector_dim must lie in [0, ${indicesRank}]`,
    String(i.indexVectorDim),
  );
  const vector = i.indexVectorDim < indicesRank ? i.indices.shape[i.indexVectorDim] : 1;
  check(
    i.components.length === vector,
    op,
    'the index map must have one entry per component of an index vector',
    `${showShape(i.components)} for vectors of ${vector}`,
  );
  checkAxes(
    op,
    'collapsed, inserted and batching dims',
    [...i.collapsed, ...i.operandBatching],
    rank,
  );
  checkAxes(
    op,
    'the index map and the batching dims',
    [...i.components, ...i.operandBatching],
    rank,
  );
  checkAxes(op, 'batching dims of the indices', i.indicesBatching, indicesRank);
  check(
    !i.indicesBatching.includes(i.indexVectorDim),
    op,
    'index_vector_dim must not be a batching dim',
    showShape(i.indicesBatching),
  );
  check(
    i.operandBatching.length === i.indicesBatching.length,
    op,
    'operand and indices must have as many batching dims',
    `${i.operandBatching.length} and ${i.indicesBatching.length}`,
  );
  const isFit = i.operandBatching.every(
    (d, k) => i.operand.shape[d] === i.indices.shape[i.indicesBatching[k]],
  );
  check(
    isFit,
    op,
    'batching dims must have equal sizes',
    `${showType(i.operand)} and ${showType(i.indices)}`,
  );
}

const isSorted = (axes: readonly number[]): boolean =>
  axes.every((d, i) => i === 0 || axes[i - 1] <= d);

/** `gather`. */
export function verifyGather(op: HloOp<'gather'>): void {
  const [operand, indices] = op.operands.map((x) => x.type);
  const { dims, sliceSizes } = op.attrs;
  verifyIndexing(op, {
    operand,
    indices,
    indexVectorDim: dims.indexVectorDim,
    components: dims.startIndexMap,
    collapsed: dims.collapsedSliceDims,
    operandBatching: dims.operandBatchingDims,
    indicesBatching: dims.startIndicesBatchingDims,
  });
  checkLength(op, 'slice_sizes', sliceSizes, operand.shape.length); // C11
  check(
    sliceSizes.every((n, i) => n >= 0 && n <= operand.shape[i]),
    op,
    'slice sizes must not exceed the shape',
    `${showShape(sliceSizes)} of ${showShape(operand.shape)}`,
  ); // C12
  const dropped = [...dims.collapsedSliceDims, ...dims.operandBatchingDims];
  check(
    dropped.every((d) => sliceSizes[d] <= 1),
    op,
    'collapsed and batching dims must have slice size 0 or 1',
    showShape(sliceSizes),
  ); // C13, C14
  const kept = operand.shape.length - dropped.length;
  check(
    dims.offsetDims.length === kept && isSorted(dims.offsetDims),
    op,
    `offset_dims must be ${kept} sorted axes`,
    showShape(dims.offsetDims),
  ); // C1, C4
  const shape = gatherShape(indices.shape, dims, sliceSizes);
  checkAxes(op, 'offset_dims', dims.offsetDims, shape.length); // C5
  check(
    sameTensorType(op.results[0].type, tensor(shape, operand.dtype)),
    op,
    `the result must be ${showType(tensor(shape, operand.dtype))}`,
    showType(op.results[0].type),
  ); // C22, C23
}

/** `scatter`. */
export function verifyScatter(op: HloOp<'scatter'>): void {
  const n = (op.operands.length - 1) / 2;
  check(
    n >= 1 && Number.isInteger(n) && op.results.length === n,
    op,
    'takes N inputs, indices and N updates, and gives N results',
    `${op.operands.length} operands, ${op.results.length} results`,
  ); // C5
  const types = op.operands.map((x) => x.type);
  const { dims } = op.attrs;
  const [operand, indices] = [types[0], types[n]];
  verifyIndexing(op, {
    operand,
    indices,
    indexVectorDim: dims.indexVectorDim,
    components: dims.scatterDimsToOperandDims,
    collapsed: dims.insertedWindowDims,
    operandBatching: dims.inputBatchingDims,
    indicesBatching: dims.scatterIndicesBatchingDims,
  });
  const batch = withoutAxes(indices.shape, [dims.indexVectorDim]);
  const kept = withoutAxes(operand.shape, [...dims.insertedWindowDims, ...dims.inputBatchingDims]);
  check(
    dims.updateWindowDims.length === kept.length && isSorted(dims.updateWindowDims),
    op,
    `update_window_dims must be ${kept.length} sorted axes`,
    showShape(dims.updateWindowDims),
  ); // C2, C7
  for (let k = 0; k < n; k++) {
    const [input, update, result] = [types[k], types[n + 1 + k], op.results[k].type];
    check(
      sameShape(input.shape, operand.shape) && sameTensorType(input, result),
      op,
      'inputs must have one shape, which the results keep',
      `${showType(input)} → ${showType(result)}`,
    ); // C1, C24
    checkAxes(op, 'update_window_dims', dims.updateWindowDims, update.shape.length); // C8
    const window = dims.updateWindowDims.map((d) => update.shape[d]);
    const isFit =
      update.dtype === input.dtype &&
      sameShape(withoutAxes(update.shape, dims.updateWindowDims), batch) &&
      window.every((size, i) => size <= kept[i]);
    check(
      isFit,
      op,
      'updates must have the batch axes of the indices and windows that fit into the input',
      `${showType(update)} for ${showType(input)} at ${showType(indices)}`,
    ); // C3, C4, C6
  }
}
