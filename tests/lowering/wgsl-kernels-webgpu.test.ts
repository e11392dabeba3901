// Whole kernels as WGSL against the interpreter: rows, contractions with epilogues, attention, sequential grids, loops, masks, packed types.
import { describe, test } from 'vitest';
import { makeKernel, type OperandSpec, type TileBuilder } from '../../lowering/tile/build.ts';
import type { Kernel, Tile } from '../../lowering/tile/ir.ts';
import { everyOp } from './tile-kernels.ts';
import { compare } from './wgsl-run.ts';
import { wholeKernel } from './wasm-run.ts';

const loose = { absolute: 1e-4, relative: 1e-4 };
const f32 = (shape: number[]) => ['f32', shape] as const;

const blocks = (
  name: string,
  shape: number[],
  block: number[],
  index: (b: TileBuilder, ids: Tile[]) => Tile[],
  access: OperandSpec['access'] = 'read',
  dtype: OperandSpec['dtype'] = 'f32',
): OperandSpec => ({
  name,
  dtype,
  shape,
  access,
  dims: block.map((size) => ({ kind: 'blocked' as const, size })),
  indexMap: index,
});

const parallel = (...extents: number[]) =>
  extents.map((extent) => ({ extent, semantics: 'parallel' as const }));

function softmax(rows: number, columns: number, block: number): Kernel {
  const index = (b: TileBuilder, ids: Tile[]): Tile[] => [ids[0], b.int(0)];
  return makeKernel({
    name: 'softmax',
    grid: parallel(Math.ceil(rows / block)),
    operands: [
      blocks('x', [rows, columns], [block, columns], index),
      blocks('y', [rows, columns], [block, columns], index, 'write'),
    ],
    scratch: [],
    body: (b, [x, y]) => {
      const t = b.load(x);
      const shape = [block, columns];
      const e = b.scalar('exp', b.scalar('sub', t, b.broadcast(b.reduce(t, 'max', [1]), shape)));
      b.store(y, b.scalar('div', e, b.broadcast(b.reduce(e, 'add', [1]), shape)));
    },
  });
}

function layerNorm(rows: number, columns: number, block: number): Kernel {
  const index = (b: TileBuilder, ids: Tile[]): Tile[] => [ids[0], b.int(0)];
  return makeKernel({
    name: 'layer_norm',
    grid: parallel(Math.ceil(rows / block)),
    operands: [
      blocks('x', [rows, columns], [block, columns], index),
      blocks('g', [columns], [columns], (b) => [b.int(0)]),
      blocks('y', [rows, columns], [block, columns], index, 'write'),
    ],
    scratch: [],
    body: (b, [x, g, y]) => {
      const shape = [block, columns];
      const t = b.load(x);
      const n = b.constant(1 / columns, 'f32', [block, 1]);
      const mean = b.scalar('mul', b.reduce(t, 'add', [1]), n);
      const d = b.scalar('sub', t, b.broadcast(mean, shape));
      const variance = b.scalar('mul', b.reduce(b.scalar('mul', d, d), 'add', [1]), n);
      const inverse = b.scalar(
        'rsqrt',
        b.scalar('add', variance, b.constant(1e-5, 'f32', [block, 1])),
      );
      const scaled = b.scalar('mul', d, b.broadcast(inverse, shape));
      b.store(y, b.scalar('mul', scaled, b.broadcast(b.reshape(b.load(g), [1, columns]), shape)));
    },
  });
}

/** x·w + b, then gelu (tanh form), in blocks that overhang. */
function matmulGelu(m: number, k: number, n: number, block: readonly [number, number]): Kernel {
  const [bm, bn] = block;
  return makeKernel({
    name: 'matmul_gelu',
    grid: parallel(Math.ceil(m / bm), Math.ceil(n / bn)),
    operands: [
      blocks('x', [m, k], [bm, k], (b, ids) => [ids[0], b.int(0)]),
      blocks('w', [k, n], [k, bn], (b, ids) => [b.int(0), ids[1]]),
      blocks('bias', [n], [bn], (_b, ids) => [ids[1]]),
      blocks('y', [m, n], [bm, bn], (_b, ids) => [ids[0], ids[1]], 'write'),
    ],
    scratch: [],
    body: (b, [x, w, bias, y]) => {
      const shape = [bm, bn];
      const c = (v: number): Tile => b.constant(v, 'f32', shape);
      const z = b.scalar(
        'add',
        b.dot(b.load(x), b.load(w)),
        b.broadcast(b.reshape(b.load(bias), [1, bn]), shape),
      );
      const cube = b.scalar('mul', z, b.scalar('mul', z, z));
      const inner = b.scalar(
        'mul',
        c(0.7978845608),
        b.scalar('add', z, b.scalar('mul', c(0.044715), cube)),
      );
      b.store(
        y,
        b.scalar('mul', b.scalar('mul', c(0.5), z), b.scalar('add', c(1), b.scalar('tanh', inner))),
      );
    },
  });
}

/** Causal attention over heads with a ragged sequence: online softmax over blocks of keys. */
function attention(
  heads: number,
  length: number,
  size: number,
  block: readonly [number, number],
): Kernel {
  const [bq, bk] = block;
  const dims = [
    { kind: 'squeezed' as const },
    { kind: 'blocked' as const, size: bq },
    { kind: 'blocked' as const, size },
  ];
  const all = [
    { kind: 'squeezed' as const },
    { kind: 'blocked' as const, size: length },
    { kind: 'blocked' as const, size },
  ];
  const shape = [heads, length, size];
  const spec = (name: string, access: OperandSpec['access'], isBlock: boolean): OperandSpec => ({
    name,
    dtype: 'f32',
    shape,
    access,
    dims: isBlock ? dims : all,
    indexMap: (b, ids) => [ids[0], isBlock ? ids[1] : b.int(0), b.int(0)],
  });
  return makeKernel({
    name: 'attention',
    grid: parallel(heads, Math.ceil(length / bq)),
    operands: [
      spec('q', 'read', true),
      spec('k', 'read', false),
      spec('v', 'read', false),
      spec('o', 'write', true),
    ],
    scratch: [],
    body: (b, [q, k, v, o]) => {
      const first = b.scalar('mul', b.programId(1), b.int(bq));
      const queries = b.scalar(
        'mul',
        b.load(q),
        b.constant(1 / Math.sqrt(size), 'f32', [bq, size]),
      );
      const end = b.scalar('min', b.int(length), b.scalar('add', first, b.int(bq)));
      const [acc, , sum] = b.for(
        0,
        end,
        bk,
        [
          b.constant(0, 'f32', [bq, size]),
          b.constant(-1e30, 'f32', [bq, 1]),
          b.constant(0, 'f32', [bq, 1]),
        ],
        (j, [o0, m0, l0]) => {
          const window = { sizes: [bk, size] };
          const keys = b.load(b.sliceRef(k, [j, 0], window));
          const values = b.load(b.sliceRef(v, [j, 0], window));
          const s = b.dot(queries, b.transpose(keys, [1, 0]));
          const row = b.scalar('add', b.iota('i32', [bq, bk], 0), b.broadcast(first, [bq, bk], []));
          const column = b.scalar('add', b.iota('i32', [bq, bk], 1), b.broadcast(j, [bq, bk], []));
          const seen = b.select(
            b.compare('le', column, row),
            s,
            b.constant(-1e30, 'f32', [bq, bk]),
          );
          const m1 = b.scalar('max', m0, b.reduce(seen, 'max', [1]));
          const scale = b.scalar('exp', b.scalar('sub', m0, m1));
          const p = b.scalar('exp', b.scalar('sub', seen, b.broadcast(m1, [bq, bk])));
          const l1 = b.scalar('add', b.scalar('mul', l0, scale), b.reduce(p, 'add', [1]));
          const o1 = b.dot(p, values, b.scalar('mul', o0, b.broadcast(scale, [bq, size])));
          return [o1, m1, l1];
        },
      );
      b.store(o, b.scalar('div', acc, b.broadcast(sum, [bq, size])));
    },
  });
}

describe('rows', () => {
  test('softmax', async () => {
    for (const [rows, columns, block] of [
      [5, 7, 2],
      [9, 64, 4],
      [4, 1000, 1],
      [16, 32, 8],
      [3, 2048, 1],
    ])
      await compare(softmax(rows, columns, block), { tolerance: loose });
  });
  test('layer norm', async () => {
    for (const [rows, columns, block] of [
      [5, 100, 2],
      [9, 64, 4],
      [2, 1024, 1],
    ])
      await compare(layerNorm(rows, columns, block), { tolerance: loose });
  });
});

describe('contractions', () => {
  test('matmul, bias and gelu with overhanging blocks', async () => {
    for (const [m, k, n, bm, bn] of [
      [20, 9, 30, 8, 16],
      [33, 40, 33, 16, 32],
    ])
      await compare(matmulGelu(m, k, n, [bm, bn]), { tolerance: loose });
  });
  test('causal attention with a ragged sequence', async () => {
    await compare(attention(2, 19, 16, [8, 8]), { tolerance: loose });
  });
});

describe('grids', () => {
  const sequential = (accumulate: boolean): Kernel =>
    makeKernel({
      name: 'matmul_steps',
      grid: [...parallel(2, 3), { extent: 4, semantics: 'sequential' }],
      operands: [
        blocks('x', [11, 30], [8, 8], (_b, [i, , k]) => [i, k]),
        blocks('w', [30, 20], [8, 8], (_b, [, j, k]) => [k, j]),
        blocks('y', [11, 20], [8, 8], (_b, [i, j]) => [i, j], accumulate ? 'readwrite' : 'write'),
      ],
      scratch: [{ name: 'sum', dtype: 'f32', shape: [8, 8] }],
      body: (b, [x, w, y, sum]) => {
        const isFirst = b.compare('eq', b.programId(2), b.int(0));
        const target = accumulate ? y : sum;
        b.if(isFirst, () => {
          b.store(target, b.constant(0, 'f32', [8, 8]));
          return [];
        });
        b.accumulate(target, b.dot(b.load(x), b.load(w)), 'add');
        if (accumulate) return;
        b.if(b.compare('eq', b.programId(2), b.int(3)), () => {
          b.store(y, b.load(sum));
          return [];
        });
      },
    });
  test('accumulation in scratch and in the output', async () => {
    await compare(sequential(false), { tolerance: loose });
    await compare(sequential(true), { tolerance: loose });
  });
  test('scratch that is read at other places', async () => {
    await compare(
      makeKernel({
        name: 'shifted',
        grid: [...parallel(3), { extent: 5, semantics: 'sequential' }],
        operands: [
          blocks('x', [3, 40], [1, 40], (b, [i]) => [i, b.int(0)]),
          blocks('y', [3, 40], [1, 40], (b, [i]) => [i, b.int(0)], 'write'),
        ],
        scratch: [{ name: 'state', dtype: 'f32', shape: [1, 40] }],
        body: (b, [x, y, state]) => {
          b.if(b.compare('eq', b.programId(1), b.int(0)), () => {
            b.store(state, b.load(x));
            return [];
          });
          // A rotation by a step that grows: every step reads what other invocations wrote.
          const part = b.load(b.sliceRef(state, [0, b.programId(1)], { sizes: [1, 40] }), {
            fill: 2,
          });
          b.store(state, b.scalar('mul', part, b.constant(1.5, 'f32', [1, 40])));
          b.store(y, b.load(state));
        },
      }),
      { tolerance: loose },
    );
  });
  test('squeezed and element blocks, scalar prefetch, masks', async () => {
    const offsets = new Uint8Array(new Int32Array([4, 0, 7]).buffer);
    await compare(
      makeKernel({
        name: 'prefetch',
        grid: parallel(3),
        operands: [
          { ...blocks('p', [3], [3], (b) => [b.int(0)], 'read', 'i32'), prefetch: true },
          {
            name: 'x',
            dtype: 'f32',
            shape: [12, 10],
            access: 'read',
            dims: [
              { kind: 'element', size: 4 },
              { kind: 'blocked', size: 10 },
            ],
            indexMap: (b, [i], [p]) => [
              b.load(b.sliceRef(p, [i], { sizes: [1], squeeze: [0] })),
              b.int(0),
            ],
          },
          {
            name: 'y',
            dtype: 'f32',
            shape: [3, 4, 10],
            access: 'write',
            dims: [
              { kind: 'squeezed' },
              { kind: 'blocked', size: 4 },
              { kind: 'blocked', size: 10 },
            ],
            indexMap: (b, [i]) => [i, b.int(0), b.int(0)],
          },
        ],
        scratch: [],
        body: (b, [, x, y]) => {
          const t = b.load(x, { fill: -3 });
          b.store(y, b.constant(9, 'f32', [4, 10]));
          b.store(y, t, b.compare('gt', t, b.constant(0.5, 'f32', [4, 10])));
        },
      }),
      { data: [offsets] },
    );
  });
  test('many programs are folded into three dimensions', async () => {
    const kernel = makeKernel({
      name: 'many',
      grid: parallel(5, 7),
      operands: [
        blocks('y', [5, 7, 4], [1, 1, 4], (b, [i, j]) => [i, j, b.int(0)], 'write', 'i32'),
      ],
      scratch: [],
      body: (b, [y]) => {
        const id = b.scalar('add', b.scalar('mul', b.programId(0), b.int(100)), b.programId(1));
        b.store(y, b.broadcast(id, [1, 1, 4], []));
      },
    });
    await compare(kernel);
    await compare(kernel, { most: 4 });
  });
});

describe('control flow', () => {
  test('loops with carried tiles, swaps, and conditions that vary', async () => {
    await compare(
      wholeKernel(
        'loops',
        [f32([4, 12]), f32([4, 12])],
        [f32([4, 12]), f32([4, 12]), f32([4, 1])],
        (b, [x, y, p, q, r]) => {
          const [u, v] = b.for(0, 5, 1, [b.load(x), b.load(y)], (i, [s, t]) => [
            t,
            b.scalar('add', s, b.broadcast(b.cast(i, 'f32'), [4, 12], [])),
          ]);
          b.store(p, u);
          b.store(q, v);
          // The number of iterations depends on data that a reduction gives.
          const total = b.reshape(b.reduce(b.load(x), 'max', [0, 1]), []);
          const [, n] = b.while(
            [b.scalar('abs', total), b.constant(0, 'f32', [4, 1])],
            ([s]) => b.compare('lt', s, b.constant(50, 'f32')),
            ([s, c]) => [
              b.scalar('add', s, b.scalar('add', s, b.constant(1, 'f32'))),
              b.scalar('add', c, b.reduce(b.broadcast(c, [4, 3]), 'max', [1])),
            ],
          );
          b.store(r, b.scalar('add', n, b.constant(1, 'f32', [4, 1])));
        },
      ),
      { tolerance: loose },
    );
  });
  test('branches', async () => {
    await compare(
      makeKernel({
        name: 'branch',
        grid: parallel(4),
        operands: [
          blocks('x', [4, 9], [1, 9], (b, [i]) => [i, b.int(0)]),
          blocks('y', [4, 9], [1, 9], (b, [i]) => [i, b.int(0)], 'write'),
        ],
        scratch: [],
        body: (b, [x, y]) => {
          const t = b.load(x);
          const big = b.compare(
            'gt',
            b.reshape(b.reduce(t, 'add', [0, 1]), []),
            b.constant(0, 'f32'),
          );
          const [r] = b.if(
            big,
            () => [b.scalar('sub', t, b.broadcast(b.reduce(t, 'max', [1]), [1, 9]))],
            () => [b.scalar('neg', t)],
          );
          b.store(y, r);
        },
      }),
    );
  });
  test('counting down, dynamic bounds', async () => {
    await compare(
      wholeKernel('down', [['i32', [1]]], [['i32', [10]]], (b, [n, y]) => {
        const from = b.load(b.sliceRef(n, [0], { sizes: [1], squeeze: [0] }));
        b.store(y, b.constant(-1, 'i32', [10]));
        b.for(from, -1, -2, [], (i) => {
          b.store(b.sliceRef(y, [i], { sizes: [1], squeeze: [0] }), b.scalar('mul', i, i));
          return [];
        });
      }),
      { data: [new Uint8Array(new Int32Array([7]).buffer)] },
    );
  });
});

describe('every op', () => {
  for (const kernel of everyOp().filter((k) => k.name !== 'values' && k.operands.length < 3))
    test(kernel.name, async () => {
      // The programs of these kernels write the same output: one of one step runs.
      const steps =
        kernel.name === 'memory' ? { extent: 1, semantics: 'sequential' as const } : kernel.grid[1];
      const alone: Kernel = { ...kernel, grid: [{ extent: 1, semantics: 'parallel' }, steps] };
      await compare(alone, { tolerance: loose, range: 2 });
    });
});
