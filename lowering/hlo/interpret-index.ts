/** Interpretation of `gather` and `scatter`. */
import { sizeOf, stridesOf, withoutAxes, type Shape } from '../../core/shape.ts';
import {
  copyBox,
  elementReader,
  elementWriter,
  entriesOf,
  forEachOffset,
} from '../scalar-array.ts';
import type { ElementRegion } from './interpret-region.ts';
import { allocateTensor, type HostTensor } from './interpret-shape.ts';
import type { GatherDims, ScatterDims, TensorType } from './ir.ts';

/** What gather and scatter share: where an index vector points in the operand. */
interface IndexMap {
  readonly indexVectorDim: number;
  /** Operand axis of each component of an index vector. */
  readonly components: readonly number[];
  readonly operandBatching: readonly number[];
  readonly indicesBatching: readonly number[];
}

/** Visit the index vectors in row-major order with the position (per operand axis) that each names. */
function forEachIndexVector(
  indices: HostTensor,
  rank: number,
  map: IndexMap,
  visit: (position: number, start: readonly number[]) => void,
): void {
  const { shape } = indices.type;
  const own = stridesOf(shape);
  const step = map.indexVectorDim < shape.length ? own[map.indexVectorDim] : 0;
  const batchAxes = shape.map((_, i) => i).filter((i) => i !== map.indexVectorDim);
  const batchShape = batchAxes.map((i) => shape[i]);
  const places = stridesOf(batchShape);
  const start = new Array<number>(rank).fill(0);
  forEachOffset(
    batchShape,
    0,
    batchAxes.map((i) => own[i]),
    (offset, position) => {
      map.components.forEach((axis, k) => (start[axis] = Number(indices.data[offset + k * step])));
      map.operandBatching.forEach((axis, k) => {
        const batchAxis = batchAxes.indexOf(map.indicesBatching[k]);
        start[axis] = Math.floor(position / places[batchAxis]) % batchShape[batchAxis];
      });
      visit(position, start);
    },
  );
}

/** Offsets of the batch positions in a result whose window axes are `windowAxes`. */
function batchPlaces(shape: Shape, windowAxes: readonly number[]): (position: number) => number {
  const own = stridesOf(shape);
  const axes = shape.map((_, i) => i).filter((i) => !windowAxes.includes(i));
  const places = stridesOf(axes.map((i) => shape[i]));
  return (position) =>
    axes.reduce(
      (offset, axis, k) => offset + (Math.floor(position / places[k]) % shape[axis]) * own[axis],
      0,
    );
}

/** `gather`: start indices are clamped so that slices lie inside. */
export function gather(
  x: HostTensor,
  indices: HostTensor,
  dims: GatherDims,
  sliceSizes: readonly number[],
  type: TensorType,
): HostTensor {
  const data = allocateTensor(type);
  const own = stridesOf(x.type.shape);
  const dropped = [...dims.collapsedSliceDims, ...dims.operandBatchingDims];
  const kept = withoutAxes(
    x.type.shape.map((_, i) => i),
    dropped,
  );
  const sizes = kept.map((axis) => sliceSizes[axis]);
  const out = stridesOf(type.shape);
  const to = dims.offsetDims.map((axis) => out[axis]);
  const from = kept.map((axis) => own[axis]);
  const placeOf = batchPlaces(type.shape, dims.offsetDims);
  const map: IndexMap = {
    indexVectorDim: dims.indexVectorDim,
    components: dims.startIndexMap,
    operandBatching: dims.operandBatchingDims,
    indicesBatching: dims.startIndicesBatchingDims,
  };
  if (sizeOf(type.shape) === 0) return { type, data };
  forEachIndexVector(indices, own.length, map, (position, start) => {
    const source = start.reduce(
      (offset, s, axis) =>
        offset + Math.min(Math.max(s, 0), x.type.shape[axis] - sliceSizes[axis]) * own[axis],
      0,
    );
    copyBox(
      sizes,
      x.data,
      { start: source, strides: from },
      data,
      { start: placeOf(position), strides: to },
      entriesOf(type.dtype),
    );
  });
  return { type, data };
}

/**
 * `scatter` of N inputs, in row-major order of the index vectors. Windows that are not wholly in bounds are skipped, as XLA and our
 * compiled devices have it; the specification skips single elements of them.
 */
export function scatter(
  xs: readonly HostTensor[],
  indices: HostTensor,
  updates: readonly HostTensor[],
  dims: ScatterDims,
  region: ElementRegion,
): HostTensor[] {
  const outputs = xs.map((x) => x.data.slice());
  const read = xs.map((x, k) => elementReader(outputs[k], x.type.dtype));
  const write = xs.map((x, k) => elementWriter(outputs[k], x.type.dtype));
  const fresh = updates.map((u) => elementReader(u.data, u.type.dtype));
  const { shape } = xs[0].type;
  const own = stridesOf(shape);
  const dropped = [...dims.insertedWindowDims, ...dims.inputBatchingDims];
  const kept = withoutAxes(
    shape.map((_, i) => i),
    dropped,
  );
  const updateShape = updates[0].type.shape;
  const updateStrides = stridesOf(updateShape);
  const window = dims.updateWindowDims.map((axis) => updateShape[axis]);
  const sizes = shape.map((_, axis) => (kept.includes(axis) ? window[kept.indexOf(axis)] : 1));
  const places = stridesOf(window);
  const placeOf = batchPlaces(updateShape, dims.updateWindowDims);
  const map: IndexMap = {
    indexVectorDim: dims.indexVectorDim,
    components: dims.scatterDimsToOperandDims,
    operandBatching: dims.inputBatchingDims,
    indicesBatching: dims.scatterIndicesBatchingDims,
  };
  forEachIndexVector(indices, own.length, map, (position, start) => {
    const base = start.reduce((offset, s, axis) => offset + s * own[axis], 0);
    if (start.some((s, axis) => s < 0 || s > shape[axis] - sizes[axis])) return;
    forEachOffset(
      window,
      placeOf(position),
      dims.updateWindowDims.map((axis) => updateStrides[axis]),
      (from, element) => {
        let to = base;
        for (let k = 0; k < kept.length; k++) {
          const i = Math.floor(element / places[k]) % window[k];
          to += i * own[kept[k]];
        }
        const results = region([...read.map((r) => r(to)), ...fresh.map((r) => r(from))]);
        results.forEach((value, k) => write[k](to, value));
      },
    );
  });
  return xs.map((x, k) => ({ type: x.type, data: outputs[k] }));
}
