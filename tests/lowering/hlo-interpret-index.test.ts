/** Indexing, dots and control flow of StableHLO on hand-made values. */
import { describe, expect, test } from 'vitest';
import type { HloBuilder } from '../../lowering/hlo/build.ts';
import type { HloValue } from '../../lowering/hlo/ir.ts';
import { range, run, x23, type Given } from './hlo-run.ts';

describe('indexing', () => {
  const rows = {
    offsetDims: [1],
    collapsedSliceDims: [0],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [0],
    indexVectorDim: 1,
  };
  test('gather clamps', () => {
    expect(
      run([x23, [[1, -4, 7], [3, 1], 'i32']], (b, x, i) => b.gather(x, i, rows, [1, 3])),
    ).toEqual([
      [
        [3, 4, 5, 0, 1, 2, 3, 4, 5],
        [3, 3],
      ],
    ]);
  });

  test('gather with an implicit index axis and batching axes', () => {
    const dims = {
      offsetDims: [],
      collapsedSliceDims: [1],
      operandBatchingDims: [0],
      startIndicesBatchingDims: [0],
      startIndexMap: [1],
      indexVectorDim: 2,
    };
    expect(
      run([x23, [[2, 0, 1, 1], [2, 2], 'i64']], (b, x, i) => b.gather(x, i, dims, [1, 1])),
    ).toEqual([
      [
        [2, 0, 4, 4],
        [2, 2],
      ],
    ]);
  });

  test('scatter: add, overwrite, out of bounds skipped, duplicates in order', () => {
    const dims = {
      updateWindowDims: [1],
      insertedWindowDims: [0],
      inputBatchingDims: [],
      scatterIndicesBatchingDims: [],
      scatterDimsToOperandDims: [0],
      indexVectorDim: 1,
    };
    const updates: Given = [
      [1, 1, 1, 2, 2, 2, 3, 3, 3],
      [3, 3],
    ];
    const indices: Given = [[1, 1, 5], [3, 1], 'i32'];
    expect(
      run([x23, indices, updates], (b, x, i, u) => b.scatter([x], i, [u], dims, 'add')),
    ).toEqual([
      [
        [0, 1, 2, 6, 7, 8],
        [2, 3],
      ],
    ]);
    expect(
      run([x23, indices, updates], (b, x, i, u) => b.scatter([x], i, [u], dims, 'set')),
    ).toEqual([
      [
        [0, 1, 2, 2, 2, 2],
        [2, 3],
      ],
    ]);
    expect(
      run([x23, indices, updates], (b, x, i, u) =>
        b.scatter([x, x], i, [u, u], dims, (p, q, r, s) => [
          b.scalar('max', p, r),
          b.scalar('sub', q, s),
        ]),
      )[1][0],
    ).toEqual([0, 1, 2, 0, 1, 2]);
  });
});

describe('dots', () => {
  test('batch, several contracting axes, none', () => {
    const matrix = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
    expect(run([x23, [range(6), [3, 2]]], (b, x, y) => b.dotGeneral(x, y, matrix))).toEqual([
      [
        [10, 13, 28, 40],
        [2, 2],
      ],
    ]);
    const both = { lhsBatch: [], rhsBatch: [], lhsContract: [0, 1], rhsContract: [1, 0] };
    expect(run([x23, [range(6), [3, 2]]], (b, x, y) => b.dotGeneral(x, y, both))).toEqual([
      [[1 * 2 + 2 * 4 + 3 * 1 + 4 * 3 + 5 * 5], []],
    ]);
    const outer = { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] };
    expect(run([[[1, 2]], [[3, 4]]], (b, x, y) => b.dotGeneral(x, y, outer))).toEqual([
      [
        [3, 4, 6, 8],
        [2, 2],
      ],
    ]);
    const batch = { lhsBatch: [1], rhsBatch: [0], lhsContract: [0], rhsContract: [1] };
    expect(run([x23, [range(6), [3, 2]]], (b, x, y) => b.dotGeneral(x, y, batch))).toEqual([
      [[3, 14, 33], [3]],
    ]);
  });

  test('other dtypes: widening, wrap-around, bool, complex, 64 bits, empty', () => {
    const dims = { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] };
    expect(
      run([[[100, 100], [2], 'i8']], (b, x) => [
        b.dotGeneral(x, x, dims, { dtype: 'i32' }),
        b.dotGeneral(x, x, dims),
      ]).map(([v]) => v[0]),
    ).toEqual([20000, 32]);
    expect(
      run(
        [
          [[2048, 1, 1], [3], 'f16'],
          [[1, 1, 1], [3], 'f16'],
        ],
        (b, x, y) => [b.dotGeneral(x, y, dims, { dtype: 'f32' }), b.dotGeneral(x, y, dims)],
      ).map(([v]) => v[0]),
    ).toEqual([2050, 2050]);
    expect(run([[[1, 0], [2], 'bool']], (b, x) => b.dotGeneral(x, x, dims))[0][0]).toEqual([1]);
    expect(
      run([[[1, 2, 3, 4], [2], 'complex64']], (b, x) => b.dotGeneral(x, x, dims))[0][0],
    ).toEqual([-10, 28]);
    expect(run([[[3, -4], [2], 'i64']], (b, x) => b.dotGeneral(x, x, dims))[0][0]).toEqual([25]);
    expect(run([[[], [0, 2]]], (b, x) => b.dotGeneral(x, x, dims))).toEqual([
      [
        [0, 0, 0, 0],
        [2, 2],
      ],
    ]);
  });
});

describe('control', () => {
  test('while with captured values, nested', () => {
    const body = (b: HloBuilder, x: HloValue): readonly HloValue[] => {
      const one = b.constant(1, 'i32');
      const three = b.constant(3, 'i32');
      return b.while(
        [b.constant(0, 'i32'), x],
        (i) => b.compare('lt', i, three),
        (i, y) => {
          const [, z] = b.while(
            [i, y],
            (j) => b.compare('lt', j, three),
            (j, w) => [b.scalar('add', j, one), b.scalar('add', w, x)],
          );
          return [b.scalar('add', i, one), z];
        },
      );
    };
    expect(run([[[1, 2]]], body)).toEqual([
      [[3], []],
      [[7, 14], [2]],
    ]);
  });

  test('a loop that carries nothing, and one that never runs', () => {
    expect(
      run([[[1]]], (b, x) => [
        ...b.while(
          [],
          () => b.constant(false, 'bool'),
          () => [],
        ),
        x,
      ]),
    ).toEqual([[[1], [1]]]);
    expect(
      run([[[1]]], (b, x) =>
        b.while(
          [x],
          () => b.constant(false, 'bool'),
          (y) => [b.scalar('neg', y)],
        ),
      ),
    ).toEqual([[[1], [1]]]);
  });

  test.each([
    [0, 10],
    [1, 20],
    [2, 30],
    [3, 30],
    [-1, 30],
  ])('case %i', (index, expected) => {
    expect(
      run([[[index], [], 'i32'], [[10]]], (b, i, x) =>
        b.case(
          i,
          [
            () => [x],
            () => [b.scalar('add', x, x)],
            () => [b.scalar('add', x, b.constant(20, 'f32', [1]))],
          ],
          [x.type],
        ),
      ),
    ).toEqual([[[expected], [1]]]);
  });

  test('threefry bits', () => {
    const [[state], [bits]] = run([[[0, 0], [2], 'u64']], (b, s) =>
      b.rngBitGenerator(s, 'u32', [4], 'THREE_FRY'),
    );
    expect([state, bits.slice(0, 1), bits.slice(2, 3)]).toEqual([
      [0, 2],
      [1797259609],
      [2579123966],
    ]);
  });
});
