import { describe, test } from 'vitest';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import type { WasmFeatures } from '../../lowering/wasm/emit.ts';
import { compare, plain, tileKernel } from './wasm-run.ts';

const near = { absolute: 5e-4, relative: 1e-5 };
const engines: WasmFeatures[] = (['v8', 'v8-old', 'jsc', 'unknown'] as const).map((engine) => ({
  ...plain,
  engine,
}));

function product(
  m: number,
  n: number,
  k: number,
  turn: readonly [boolean, boolean] = [false, false],
): Kernel {
  const a = turn[0] ? [k, m] : [m, k];
  const b = turn[1] ? [n, k] : [k, n];
  return tileKernel(
    `dot_${m}x${n}x${k}${turn[0] ? 'T' : ''}${turn[1] ? 'T' : ''}`,
    [
      ['f32', a],
      ['f32', b],
    ],
    (build, [x, y]) => [
      build.dot(turn[0] ? build.transpose(x, [1, 0]) : x, turn[1] ? build.transpose(y, [1, 0]) : y),
    ],
  );
}

const turns = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

describe('products of whole arrays', () => {
  for (const [m, n, k] of [
    [1, 1, 1],
    [4, 8, 3],
    [7, 5, 3],
    [31, 33, 35],
    [64, 64, 64],
    [1, 100, 70],
    [100, 1, 70],
    [2, 50, 20],
    [6, 8, 0],
    [13, 130, 17],
    [5, 4, 9],
    [200, 20, 600],
    [3, 100, 40],
  ])
    test(`${m} × ${n} × ${k}`, () => {
      for (const turn of turns)
        for (const features of engines)
          compare(product(m, n, k, turn), { tolerance: near, features });
    });
  test('rows that lie a power of two apart', () => {
    // Sums of 4096 terms: both sides round by more than the short ones do.
    compare(product(99, 9, 4096), { tolerance: { absolute: 1e-2, relative: 1e-5 } });
  });
  test('other types', () => {
    for (const dtype of ['i32', 'u32', 'i8', 'u16', 'i64', 'f64', 'f16', 'bf16', 'bool'] as const)
      for (const [m, n, k] of [
        [7, 9, 11],
        [13, 16, 5],
        [1, 9, 4],
        [9, 1, 4],
      ])
        compare(
          tileKernel(
            `dot_${dtype}`,
            [
              [dtype, [m, k]],
              [dtype, [k, n]],
            ],
            (b, [x, y]) => [b.dot(x, y), b.dot(b.transpose(y, [1, 0]), b.transpose(x, [1, 0]))],
          ),
          {
            tolerance:
              dtype === 'f16' || dtype === 'bf16'
                ? { absolute: 1e-2, relative: 1e-2 }
                : { absolute: 1e-12, relative: 1e-12 },
          },
        );
  });
  test('batches, accumulators, prologue and epilogue', () => {
    compare(
      tileKernel(
        'batched',
        [
          ['f32', [2, 3, 5, 7]],
          ['f32', [2, 3, 7, 9]],
        ],
        (b, [x, y]) => [b.dot(x, y)],
      ),
      { tolerance: near },
    );
    compare(
      tileKernel(
        'acc',
        [
          ['f32', [5, 7]],
          ['f32', [7, 9]],
          ['f32', [5, 9]],
        ],
        (b, [x, y, z]) => [b.dot(x, y, z), b.dot(x, y, b.scalar('mul', z, z))],
      ),
      { tolerance: near },
    );
    compare(
      tileKernel(
        'acc16',
        [
          ['f16', [5, 7]],
          ['f16', [7, 9]],
          ['f32', [5, 9]],
        ],
        (b, [x, y, z]) => [b.dot(x, y, z)],
      ),
      { tolerance: near },
    );
    compare(
      tileKernel(
        'around',
        [
          ['f32', [25, 17]],
          ['f32', [17, 19]],
          ['f32', [19]],
        ],
        (b, [x, y, z]) => {
          const sum = b.scalar(
            'add',
            b.dot(b.scalar('mul', x, x), b.scalar('neg', y)),
            b.broadcast(z, [25, 19]),
          );
          return [b.scalar('max', sum, b.constant(0, 'f32', [25, 19])), b.reduce(sum, 'add', [1])];
        },
      ),
      { tolerance: near },
    );
    compare(
      tileKernel(
        'views',
        [
          ['f32', [6, 40]],
          ['f32', [12, 12]],
        ],
        (b, [x, y]) => [
          b.dot(b.slice(x, [1, 2], [6, 26], [1, 2]), b.slice(y, [0, 1], [12, 12])),
          b.dot(b.rev(b.slice(x, [0, 0], [6, 12]), [1]), y),
          b.reshape(b.dot(b.reshape(x, [20, 12]), y), [4, 60]),
        ],
      ),
      { tolerance: near },
    );
  });
});

/** A product cut into blocks that overhang, with one program per block of the result; `steps`: blocks of the contracted axis. */
function blocked(m: number, n: number, k: number, [bm, bn, bk]: readonly number[]): Kernel {
  const up = (x: number, y: number): number => Math.ceil(x / y);
  const blockedBy = (sizes: number[]) => sizes.map((size) => ({ kind: 'blocked' as const, size }));
  return makeKernel({
    name: `blocked_${m}x${n}x${k}`,
    grid: [
      { extent: up(m, bm), semantics: 'parallel' },
      { extent: up(n, bn), semantics: 'parallel' },
      { extent: up(k, bk), semantics: 'sequential' },
    ],
    operands: [
      {
        name: 'a',
        dtype: 'f32',
        shape: [m, k],
        access: 'read',
        dims: blockedBy([bm, bk]),
        indexMap: (_, [i, , l]) => [i, l],
      },
      {
        name: 'b',
        dtype: 'f32',
        shape: [k, n],
        access: 'read',
        dims: blockedBy([bk, bn]),
        indexMap: (_, [, j, l]) => [l, j],
      },
      {
        name: 'c',
        dtype: 'f32',
        shape: [m, n],
        access: 'write',
        dims: blockedBy([bm, bn]),
        indexMap: (_, [i, j]) => [i, j],
      },
    ],
    scratch: [{ name: 'acc', dtype: 'f32', shape: [bm, bn] }],
    body: (b: TileBuilder, [x, y, z, acc]) => {
      const step = b.programId(2);
      b.if(b.compare('eq', step, b.int(0)), () => {
        b.store(acc, b.constant(0, 'f32', [bm, bn]));
        return [];
      });
      b.store(acc, b.dot(b.load(x), b.load(y), b.load(acc)));
      b.if(b.compare('eq', step, b.int(up(k, bk) - 1)), () => {
        b.store(z, b.scalar('add', b.load(acc), b.constant(1, 'f32', [bm, bn])));
        return [];
      });
    },
  });
}

describe('products of blocks', () => {
  for (const [m, n, k] of [
    [32, 32, 32],
    [33, 35, 37],
    [10, 40, 50],
    [17, 5, 3],
  ])
    test(`${m} × ${n} × ${k}`, () => {
      for (const features of engines)
        compare(blocked(m, n, k, [16, 16, 16]), { tolerance: near, features });
      compare(blocked(m, n, k, [7, 9, 5]), { tolerance: near });
    });
  test('stored at once', () => {
    for (const [m, n] of [
      [32, 48],
      [33, 50],
      [9, 70],
    ]) {
      const blockedBy = (sizes: number[]) =>
        sizes.map((size) => ({ kind: 'blocked' as const, size }));
      const kernel = makeKernel({
        name: 'direct',
        grid: [
          { extent: Math.ceil(m / 16), semantics: 'parallel' },
          { extent: Math.ceil(n / 24), semantics: 'parallel' },
        ],
        operands: [
          {
            name: 'a',
            dtype: 'f32',
            shape: [m, 20],
            access: 'read',
            dims: blockedBy([16, 20]),
            indexMap: (b, [i]) => [i, b.int(0)],
          },
          {
            name: 'b',
            dtype: 'f32',
            shape: [20, n],
            access: 'read',
            dims: blockedBy([20, 24]),
            indexMap: (b, [, j]) => [b.int(0), j],
          },
          {
            name: 'c',
            dtype: 'f32',
            shape: [m, n],
            access: 'write',
            dims: blockedBy([16, 24]),
            indexMap: (_, [i, j]) => [i, j],
          },
        ],
        scratch: [],
        body: (b, [x, y, z]) => b.store(z, b.dot(b.load(x), b.load(y))),
      });
      compare(kernel, { tolerance: near });
    }
  });
});
