// Every op of the tile IR as WGSL against the interpreter, in all modes.
import { describe, test } from 'vitest';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import type { Tile } from '../../lowering/tile/ir.ts';
import { compare } from './wgsl-run.ts';
import { tileKernel, wholeKernel } from './wasm-run.ts';

const f32 = (shape: number[]) => ['f32', shape] as const;

describe('elementwise and views', () => {
  test('elementwise chains on many shapes', async () => {
    for (const shape of [
      [],
      [1],
      [7],
      [64],
      [1001],
      [1024],
      [3, 5],
      [8, 64],
      [17, 33],
      [100, 4],
      [2, 3, 5],
      [5, 1, 8],
      [300, 9],
      [0],
      [0, 4],
      [3, 0],
    ])
      await compare(
        tileKernel('chain', [f32(shape), f32(shape)], (b, [x, y]) => {
          const z = b.scalar('mul', b.scalar('add', x, y), x);
          return [z, b.select(b.compare('lt', x, y), z, b.scalar('neg', y))];
        }),
      );
  });
  test('transpose', async () => {
    for (const shape of [
      [3, 5],
      [4, 4],
      [17, 33],
      [64, 64],
    ])
      await compare(
        tileKernel('transpose', [f32(shape)], (b, [x]) => [
          b.transpose(x, [1, 0]),
          b.transpose(b.scalar('exp', x), [1, 0]),
        ]),
      );
    await compare(
      tileKernel('transpose3', [f32([3, 5, 7])], (b, [x]) => [b.transpose(x, [2, 0, 1])]),
    );
    await compare(
      tileKernel('transpose_swap', [f32([3, 16, 20])], (b, [x]) => [
        b.transpose(b.scalar('add', x, x), [0, 2, 1]),
      ]),
    );
  });
  test('slice, rev, broadcast', async () => {
    await compare(
      tileKernel('slice', [f32([9, 21])], (b, [x]) => [
        b.slice(x, [1, 2], [8, 20]),
        b.slice(x, [0, 1], [9, 21], [2, 3]),
      ]),
    );
    await compare(
      tileKernel('rev', [f32([9, 21])], (b, [x]) => [
        b.rev(x, [1]),
        b.rev(x, [0]),
        b.rev(x, [0, 1]),
      ]),
    );
    await compare(
      tileKernel('broadcast', [f32([9, 1]), f32([1, 21]), f32([21])], (b, [x, y, z]) => [
        b.scalar('add', b.broadcast(x, [9, 21]), b.broadcast(y, [9, 21])),
        b.scalar('mul', b.broadcast(z, [9, 21]), b.broadcast(x, [9, 21])),
        b.broadcast(z, [2, 21, 3], [1]),
      ]),
    );
  });
  test('views of computed tiles', async () => {
    const centred = (b: TileBuilder, x: Tile): Tile =>
      b.scalar('sub', x, b.broadcast(b.reduce(x, 'add', [1]), [8, 16]));
    await compare(
      tileKernel('computed', [f32([8, 16])], (b, [x]) => {
        const m = centred(b, x);
        return [
          b.slice(m, [1, 3], [7, 15]),
          b.rev(m, [0, 1]),
          b.reshape(m, [4, 32]),
          b.reshape(m, [128]),
          b.reshape(m, [2, 4, 4, 4]),
        ];
      }),
    );
    await compare(
      tileKernel('computed', [f32([8, 16])], (b, [x]) => {
        const m = centred(b, x);
        return [
          b.concat([m, m], 1),
          b.concat([m, m], 0),
          b.pad(m, b.constant(7, 'f32'), [1, 2], [3, 1], [1, 0]),
          b.transpose(m, [1, 0]),
        ];
      }),
    );
  });
  test('reshape', async () => {
    await compare(
      tileKernel('reshape', [f32([6, 20])], (b, [x]) => [
        b.reshape(x, [120]),
        b.reshape(x, [2, 3, 4, 5]),
        b.reshape(x, [5, 24]),
        b.reshape(b.scalar('neg', x), [24, 5]),
        b.scalar('add', b.reshape(b.transpose(x, [1, 0]), [120]), b.reshape(x, [120])),
        b.reshape(x, [6, 1, 20, 1]),
      ]),
    );
  });
  test('concat and pad', async () => {
    await compare(
      tileKernel('concat', [f32([3, 5]), f32([3, 4])], (b, [x, y]) => [
        b.concat([x, y, x], 1),
        b.scalar('add', b.concat([x, x], 0), b.concat([x, x], 0)),
      ]),
    );
    await compare(
      tileKernel('pad', [f32([5, 6]), f32([])], (b, [x, v]) => [
        b.pad(x, v, [1, 2], [0, 3]),
        b.pad(x, v, [0, 0], [2, 1], [1, 2]),
        b.pad(x, v, [-1, -2], [1, -1]),
        b.pad(x, v, [-1, 1], [0, -3], [2, 1]),
      ]),
    );
  });
  test('iota', async () => {
    for (const dtype of ['f32', 'i32', 'u8', 'f16'] as const)
      await compare(
        tileKernel('iota', [], (b) => [
          b.iota(dtype, [3, 7], 1),
          b.iota(dtype, [3, 8], 0),
          b.iota(dtype, [64], 0),
        ]),
      );
  });
});

describe('reductions', () => {
  test('add, max, min over all axes and sizes', async () => {
    for (const shape of [
      [1],
      [5],
      [64],
      [1000],
      [8, 16],
      [7, 33],
      [64, 64],
      [3, 300],
      [300, 3],
      [2, 3, 40],
      [16, 1],
    ])
      for (const combiner of ['add', 'max', 'min'] as const)
        await compare(
          tileKernel(`${combiner}_${shape.join('x')}`, [f32(shape)], (b, [x]) => [
            ...shape.map((_, axis) => b.reduce(x, combiner, [axis])),
            b.reduce(
              x,
              combiner,
              shape.map((_, i) => i),
            ),
          ]),
          { tolerance: { absolute: 1e-4, relative: 1e-5 } },
        );
  });
  test('integers, bools and products', async () => {
    for (const dtype of ['i32', 'u32', 'i8', 'u16', 'bool'] as const)
      for (const combiner of ['add', 'mul', 'and', 'or', 'xor', 'max', 'min'] as const)
        await compare(
          tileKernel(`${combiner}_${dtype}`, [[dtype, [5, 40]]], (b, [x]) => [
            b.reduce(x, combiner, [1]),
            b.reduce(x, combiner, [0, 1]),
          ]),
          { only: ['fallback', 'gpu'] },
        );
  });
  test('NaN wins in max and min', async () => {
    const data = new Float32Array(200).map((_, i) => (i === 57 ? NaN : i - 100));
    for (const combiner of ['max', 'min'] as const)
      await compare(
        tileKernel(combiner, [f32([4, 50])], (b, [x]) => [
          b.reduce(x, combiner, [1]),
          b.reduce(x, combiner, [0]),
        ]),
        { data: [new Uint8Array(data.buffer)] },
      );
  });
  test('argreduce', async () => {
    for (const shape of [[7, 33], [64], [3, 4, 5]])
      await compare(
        tileKernel('arg', [f32(shape)], (b, [x]) =>
          shape.map((_, axis) => b.argreduce(x, axis, axis % 2 === 0 ? 'max' : 'min')),
        ),
      );
  });
  test('zero sizes give identities', async () => {
    await compare(
      tileKernel('zero', [f32([0, 4])], (b, [x]) => [
        b.reduce(x, 'add', [0]),
        b.reduce(x, 'mul', [0]),
      ]),
    );
  });
  test('regions', async () => {
    await compare(
      tileKernel('region', [f32([5, 12]), f32([5, 12])], (b, [x, y]) => {
        const init = b.constant(1, 'f32');
        const zero = b.constant(0, 'f32');
        return [
          ...b.reduceRegion([x, y], [init, zero], [1], ([p, q], [u, v]) => [
            b.scalar('sub', p, b.scalar('mul', u, v)),
            b.scalar('max', q, b.scalar('add', u, p)),
          ]),
          ...b.reduceRegion([x], [zero], [0, 1], ([p], [u]) => [b.scalar('add', p, u)]),
        ];
      }),
      { tolerance: { absolute: 1e-4, relative: 1e-4 } },
    );
  });
});

describe('scans and sorts', () => {
  test('scan', async () => {
    for (const shape of [[7], [100], [1000], [3, 40], [40, 3], [2, 3, 4]])
      await compare(
        tileKernel(`scan_${shape.join('x')}`, [f32(shape)], (b, [x]) =>
          shape.flatMap((_, axis) => [b.scan(x, 'add', axis), b.scan(x, 'max', axis, true)]),
        ),
        { tolerance: { absolute: 1e-3, relative: 1e-4 } },
      );
    await compare(
      tileKernel('scan_region', [f32([4, 50])], (b, [x]) =>
        b.scanRegion([x], [b.constant(0.5, 'f32')], { axis: 1 }, ([p], [u]) => [
          b.scalar('add', p, u),
        ]),
      ),
      { tolerance: { absolute: 1e-3, relative: 1e-4 } },
    );
  });
  test('sort', async () => {
    for (const shape of [[1], [2], [7], [64], [100], [3, 33], [5, 4], [2, 3, 8]])
      await compare(
        tileKernel(
          `sort_${shape.join('x')}`,
          [
            ['i32', shape],
            ['f32', shape],
          ],
          (b, [x, y]) => b.sort([x, y], shape.length - 1, ([p, q]) => b.compare('lt', p, q)),
        ),
      );
    await compare(
      tileKernel('sort0', [f32([9, 5])], (b, [x]) =>
        b.sort([x], 0, ([p, q]) => b.compare('gt', p, q)),
      ),
    );
  });
});

describe('contractions', () => {
  for (const [m, k, n] of [
    [1, 1, 1],
    [4, 4, 4],
    [16, 12, 32],
    [5, 7, 9],
    [33, 17, 20],
    [1, 100, 8],
    [64, 3, 1],
    [2, 0, 3],
    [40, 36, 72],
  ])
    test(`dot ${m} x ${k} x ${n}`, async () => {
      await compare(
        tileKernel(
          'dot',
          [f32([m, k]), f32([k, n]), f32([m, n]), f32([n, k]), f32([k, m])],
          (b, [x, y, z, t, u]) => [
            b.dot(x, y),
            b.dot(x, b.transpose(t, [1, 0]), z),
            b.dot(b.transpose(u, [1, 0]), y),
          ],
        ),
        {
          tolerance: { absolute: 1e-4, relative: 1e-4 },
          ...(m * n > 500 ? { only: ['fallback', 'gpu'] } : {}),
        },
      );
    });
  test('dot of computed tiles, of integers, of batches', async () => {
    await compare(
      tileKernel('chain', [f32([16, 24]), f32([24, 32]), f32([32, 8])], (b, [x, y, z]) => {
        const p = b.dot(b.scalar('exp', x), y);
        const q = b.scalar('div', p, b.broadcast(b.reduce(p, 'add', [1]), [16, 32]));
        return [
          b.dot(q, z),
          b.dot(
            b.transpose(q, [1, 0]),
            b.transpose(b.dot(b.transpose(z, [1, 0]), b.transpose(q, [1, 0])), [1, 0]),
          ),
        ];
      }),
      { tolerance: { absolute: 1e-3, relative: 1e-3 } },
    );
    await compare(
      tileKernel(
        'ints',
        [
          ['i8', [5, 20]],
          ['i8', [20, 8]],
          ['i32', [5, 8]],
        ],
        (b, [x, y, z]) => [b.dot(x, y, z), b.dot(x, y)],
      ),
    );
    await compare(
      tileKernel('batch', [f32([3, 6, 10]), f32([3, 10, 8])], (b, [x, y]) => [b.dot(x, y)]),
      { tolerance: { absolute: 1e-4, relative: 1e-4 } },
    );
    await compare(
      tileKernel(
        'half',
        [
          ['f16', [6, 10]],
          ['f16', [10, 8]],
          ['f32', [6, 8]],
        ],
        (b, [x, y, z]) => [b.dot(x, y), b.dot(x, y, z)],
      ),
      { tolerance: { absolute: 1e-3, relative: 2e-3 } },
    );
  });
});

describe('memory', () => {
  test('gather and scatter', async () => {
    const index = (values: number[]) => new Uint8Array(new Int32Array(values).buffer);
    const where = [
      [3, 0, 9, -1, 2, 2, 5, 7],
      [1, 1, 1, 1, 0, 9, 2, 2],
    ];
    await compare(
      wholeKernel(
        'gather',
        [f32([8, 4]), ['i32', [8]], ['i32', [8]]],
        [f32([8]), f32([8])],
        (b, [x, i, j, y, z]) => {
          const [p, q] = [b.load(i), b.load(j)];
          b.store(y, b.gather(x, [p, q], { fill: 5 }));
          b.store(z, b.gather(x, [p, q], { mask: b.compare('gt', p, q) }));
        },
      ),
      { data: [undefined, index(where[0]), index(where[1])] },
    );
    for (const combiner of ['set', 'add', 'max'] as const)
      for (const dtype of ['f32', 'i8'] as const)
        await compare(
          wholeKernel(
            'scatter',
            [
              ['i32', [8]],
              ['i32', [8]],
              [dtype, [8]],
              [dtype, [8, 4]],
            ],
            [[dtype, [8, 4]]],
            (b, [i, j, u, x, y]) => {
              b.store(y, b.load(x));
              b.scatter(y, [b.load(i), b.load(j)], b.load(u), combiner);
            },
          ),
          { data: [index([3, 0, 3, -1, 2, 2, 3, 7]), index([1, 1, 1, 1, 0, 9, 2, 2])] },
        );
  });
  test('packed elements', async () => {
    for (const dtype of ['bool', 'i8', 'u8', 'i16', 'u16', 'f16', 'bf16'] as const)
      for (const shape of [[1], [3], [8], [64], [3, 5], [9, 2], [4, 16], [300]])
        await compare(
          tileKernel(`copy_${dtype}`, [[dtype, shape]], (b, [x]) => [
            x,
            b.rev(x, [0]),
            b.cast(x, 'f32'),
            b.cast(b.cast(x, 'f32'), dtype),
          ]),
        );
  });
});
