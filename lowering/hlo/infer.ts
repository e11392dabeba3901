/**
 * Result types of the ops whose results are not the type of their operands. The builder asks here for the type of what it makes; the
 * verifier asks again and compares. Nothing is checked here: an operand that breaks a rule gives a type that the verifier refuses.
 * Formulas: StableHLO specification, section "Ops".
 */
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import { sizeOf, withoutAxes, type Shape } from '../../core/shape.ts';
import type { DotDims, GatherDims, TensorType, WindowAttrs } from './ir.ts';

/** The real part's dtype of a complex dtype; other dtypes are their own. */
export const realPart = (dtype: DType): DType =>
  dtype === 'complex64' ? 'f32' : dtype === 'complex128' ? 'f64' : dtype;

/** The complex dtype over a float dtype. */
export const complexOver = (dtype: DType): DType => (dtype === 'f64' ? 'complex128' : 'complex64');

/** `bitcast_convert`: a narrower dtype adds a last axis, a wider one takes it away. */
export function bitcastShape(shape: Shape, from: DType, to: DType): Shape {
  const [a, b] = [dtypeInfo[from].byteLength, dtypeInfo[to].byteLength];
  if (a === b) return shape;
  return a > b ? [...shape, a / b] : shape.slice(0, -1);
}

/** `slice`: elements from `start` below `limit` in steps of `stride`. */
export const sliceShape = (
  starts: readonly number[],
  limits: readonly number[],
  strides: readonly number[],
): Shape => starts.map((start, i) => Math.max(0, Math.ceil((limits[i] - start) / strides[i])));

/** `pad`: low + size + interior·(size − 1) + high. */
export const padShape = (
  shape: Shape,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[],
): Shape => shape.map((d, i) => low[i] + d + interior[i] * Math.max(d - 1, 0) + high[i]);

/** `concatenate`: sizes along `dim` add up. */
export const concatenateShape = (shapes: readonly Shape[], dim: number): Shape =>
  shapes[0].map((d, i) => (i === dim ? shapes.reduce((n, s) => n + s[dim], 0) : d));

/** `dot_general`: batch axes, then the free axes of the left, then of the right operand. */
export function dotShape(lhs: Shape, rhs: Shape, dims: DotDims): Shape {
  const free = (shape: Shape, batch: readonly number[], contract: readonly number[]): Shape =>
    withoutAxes(shape, [...batch, ...contract]);
  return [
    ...dims.lhsBatch.map((d) => lhs[d]),
    ...free(lhs, dims.lhsBatch, dims.lhsContract),
    ...free(rhs, dims.rhsBatch, dims.rhsContract),
  ];
}

/** `gather`: batch axes of the indices, with the kept axes of the slices at `offsetDims`. */
export function gatherShape(
  indices: Shape,
  dims: GatherDims,
  sliceSizes: readonly number[],
): Shape {
  const batch = withoutAxes(indices, [dims.indexVectorDim]);
  const offset = withoutAxes(sliceSizes, [...dims.collapsedSliceDims, ...dims.operandBatchingDims]);
  const rank = batch.length + offset.length;
  let [b, o] = [0, 0];
  return Array.from({ length: rank }, (_, i) =>
    dims.offsetDims.includes(i) ? offset[o++] : batch[b++],
  );
}

/** `reduce_window` and the source of `select_and_scatter`: how often the dilated window fits. */
export const windowShape = (shape: Shape, w: WindowAttrs): Shape =>
  shape.map((d, i) => {
    const dilated = d === 0 ? 0 : (d - 1) * w.baseDilations[i] + 1;
    const padded = dilated + w.padding[i][0] + w.padding[i][1];
    const window = w.dimensions[i] === 0 ? 0 : (w.dimensions[i] - 1) * w.windowDilations[i] + 1;
    return padded === 0 || window > padded ? 0 : Math.floor((padded - window) / w.strides[i]) + 1;
  });

/** A tensor type. */
export const tensor = (shape: Shape, dtype: DType): TensorType => ({ shape, dtype });

/** Bytes of a tensor. */
export const byteLengthOf = (type: TensorType): number =>
  sizeOf(type.shape) * dtypeInfo[type.dtype].byteLength;
