// Cases of operations that move elements: structure, slices, indexing.
import * as lax from '../../lax/index.ts';
import { bool, fixed, int, make, real, type Case } from './case.ts';

const rows = { offsetDims: [1], collapsedSliceDims: [0], startIndexMap: [0] };
const points = { offsetDims: [], collapsedSliceDims: [0, 1], startIndexMap: [0, 1] };
const windows = { offsetDims: [1, 2], collapsedSliceDims: [], startIndexMap: [1, 0] };
const intoRows = { updateWindowDims: [1], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };
const intoPoints = { updateWindowDims: [], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };

/** Cases of operations that move elements. */
export const structureCases: readonly Case[] = [
  make('broadcastInDim to new axes', [real([3])], (x) => lax.broadcastInDim(x, [2, 3, 4], [1])),
  make('broadcastInDim of an axis of size 1', [real([3, 1])], (x) =>
    lax.broadcastInDim(x, [2, 3, 4], [1, 2]),
  ),
  make('broadcastInDim of a scalar', [real([])], (x) => lax.broadcastInDim(x, [2, 2], [])),
  make('broadcastInDim to nothing', [real([3])], (x) => lax.broadcastInDim(x, [0, 3], [1])),
  make('reshape', [real([2, 6])], (x) => lax.reshape(x, [3, -1])),
  make('reshape to a scalar', [real([1, 1])], (x) => lax.reshape(x, [])),
  make('squeeze', [real([1, 3, 1])], (x) => lax.squeeze(x, [0, -1])),
  make('expandDims', [real([2, 3])], (x) => lax.expandDims(x, [0, 2])),
  make('transpose', [real([2, 3, 4])], (x) => lax.transpose(x, [2, 0, 1])),
  make('transpose reversed', [real([2, 3])], (x) => lax.transpose(x)),
  make('rev', [real([3, 4])], (x) => lax.rev(x, [0, 1])),
  make('copy of a product', [real([3])], (x) => lax.copyP.bind1([lax.mul(x, x)], {})),

  make('slice', [real([5, 6])], (x) => lax.slice(x, [1, 2], [4, 5])),
  make('slice with strides', [real([7, 5])], (x) => lax.slice(x, [1, 0], [7, 5], [3, 2])),
  make('slice of nothing', [real([5])], (x) => lax.slice(x, [2], [2])),
  make('sliceInDim', [real([5, 3])], (x) => lax.sliceInDim(x, -3, null, { axis: 0 })),
  make('indexInDim', [real([5, 3])], (x) => lax.indexInDim(x, -2, 1)),
  make('pad', [real([2, 3]), real([])], (x, v) =>
    lax.pad(x, v, [
      [1, 2, 0],
      [0, 1, 2],
    ]),
  ),
  make('pad that cuts', [real([5, 4]), real([])], (x, v) =>
    lax.pad(x, v, [
      [-1, 2, 1],
      [1, -2, 0],
    ]),
  ),
  make('pad of nothing', [real([0]), real([])], (x, v) => lax.pad(x, v, [[1, 1, 2]])),
  make('concatenate', [real([2, 3]), real([2, 1]), real([2, 2])], (...xs) =>
    lax.concatenate(xs, 1),
  ),
  make('concatenate with nothing', [real([2]), real([0])], (...xs) => lax.concatenate(xs, 0)),

  make('dynamicSlice', [real([5, 4]), int([], 0, 3), int([], 0, 3)], (x, i, j) =>
    lax.dynamicSlice(x, [i, j], [2, 3]),
  ),
  make('dynamicSlice out of bounds', [real([5]), int([], -9, 9)], (x, i) =>
    lax.dynamicSlice(x, [i], [3]),
  ),
  make('dynamicIndexInDim', [real([5, 4]), int([], -4, 4)], (x, i) =>
    lax.dynamicIndexInDim(x, i, 0),
  ),
  make('dynamicUpdateSlice', [real([5, 4]), real([2, 3]), int([], -2, 5)], (x, u, i) =>
    lax.dynamicUpdateSlice(x, u, [i, 1]),
  ),
  make('dynamicUpdateIndexInDim', [real([5, 4]), real([5]), int([], 0, 3)], (x, u, i) =>
    lax.dynamicUpdateIndexInDim(x, u, i, 1),
  ),

  make('gather rows', [real([5, 3]), int([4, 1], 0, 4)], (x, i) => lax.gather(x, i, rows, [1, 3])),
  make('gather rows, filling', [real([5, 3]), int([4, 1], -2, 6)], (x, i) =>
    lax.gather(x, i, rows, [1, 3], { fillValue: 7 }),
  ),
  make('gather rows, clipping', [real([5, 3]), int([4, 1], -2, 6)], (x, i) =>
    lax.gather(x, i, rows, [1, 3], { mode: 'clip' }),
  ),
  make('gather points', [real([5, 3]), int([2, 4, 2], 0, 2)], (x, i) =>
    lax.gather(x, i, points, [1, 1], { mode: 'promise_in_bounds' }),
  ),
  make('gather windows', [real([5, 4]), int([3, 2], 0, 2)], (x, i) =>
    lax.gather(x, i, windows, [2, 2], { mode: 'clip' }),
  ),
  make('gather with batch axes', [real([3, 5]), int([3, 2, 1], 0, 4)], (x, i) =>
    lax.gather(
      x,
      i,
      {
        offsetDims: [],
        collapsedSliceDims: [1],
        startIndexMap: [1],
        operandBatchingDims: [0],
        startIndicesBatchingDims: [0],
      },
      [1, 1],
    ),
  ),
  make('scatterAdd rows', [real([5, 3]), int([4, 1], -1, 5), real([4, 3])], (x, i, u) =>
    lax.scatterAdd(x, i, u, intoRows),
  ),
  make('scatterAdd, clipping', [real([5, 3]), int([4, 1], -3, 8), real([4, 3])], (x, i, u) =>
    lax.scatterAdd(x, i, u, intoRows, { mode: 'clip' }),
  ),
  make('scatter with overlaps', [real([5]), int([6, 1], -1, 5), real([6])], (x, i, u) =>
    lax.scatter(x, i, u, intoPoints),
  ),
  make(
    'scatter of unique rows',
    [real([5, 3]), fixed([3, 0], [2, 1], 'i32'), real([2, 3])],
    (x, i, u) => lax.scatter(x, i, u, intoRows, { uniqueIndices: true }),
  ),
  make(
    'scatterMul of unique points',
    [real([5]), fixed([3, 0], [2, 1], 'i32'), real([2])],
    (x, i, u) => lax.scatterMul(x, i, u, intoPoints, { uniqueIndices: true }),
  ),
  make(
    'scatterMax',
    [
      fixed([0.1, 0.5, -0.3, 0.7, 0.2], [5], 'float'),
      int([3, 1], 0, 4),
      fixed([0.33, 0.61, -0.42], [3], 'float'),
    ],
    (x, i, u) => lax.scatterMax(x, i, u, intoPoints),
  ),
  make('scatterMin of integers', [int([5]), int([3, 1], 0, 4), int([3])], (x, i, u) =>
    lax.scatterMin(x, i, u, intoPoints),
  ),
  make('scatter of bools', [bool([5]), int([3, 1], 0, 4), bool([3])], (x, i, u) =>
    lax.scatter(x, i, u, intoPoints),
  ),
];
