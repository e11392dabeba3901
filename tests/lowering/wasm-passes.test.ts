import { describe, test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { encode } from '../../core/host.ts';
import type { Combiner } from '../../lowering/scalar.ts';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import type { Kernel, Ref, Tile } from '../../lowering/tile/ir.ts';
import { compare, tileKernel, wholeKernel } from './wasm-run.ts';

const near = { absolute: 1e-5, relative: 1e-5 };
const f32 = (shape: readonly number[]) => ['f32', shape] as const;
const combiners: Combiner[] = ['add', 'mul', 'max', 'min', 'and', 'or', 'xor'];
const shapes: (readonly [readonly number[], readonly number[]])[] = [
  [[37], [0]],
  [[5, 7], [1]],
  [[5, 7], [0]],
  [
    [5, 7],
    [0, 1],
  ],
  [
    [3, 4, 5],
    [0, 2],
  ],
  [[3, 4, 5], [1]],
  [[3, 4, 70], [0]],
  [[3, 130], [1]],
  [[1, 9], [0]],
  [[9, 1], [1]],
  [
    [2, 3, 4, 5],
    [1, 3],
  ],
  [[4, 200], [1]],
  [[0, 3], [0]],
  [[3, 0], [0]],
  [[3, 0], [1]],
  [[70, 65], [0]],
];

describe('reductions', () => {
  for (const dtype of [
    'f32',
    'i32',
    'u8',
    'i8',
    'bool',
    'f16',
    'bf16',
    'f64',
    'i64',
    'u32',
  ] as DType[])
    test(`named, ${dtype}`, () => {
      for (const combiner of combiners) {
        const isFloat = dtype.startsWith('f') || dtype === 'bf16';
        if (isFloat && ['and', 'or', 'xor'].includes(combiner)) continue;
        const [range, tolerance] =
          isFloat && combiner === 'mul'
            ? [1.2, { absolute: 1e-3, relative: 1e-2 }]
            : [
                4,
                isFloat
                  ? { absolute: 1e-4, relative: dtype === 'f32' || dtype === 'f64' ? 1e-5 : 1e-2 }
                  : undefined,
              ];
        for (const [shape, axes] of shapes)
          compare(
            tileKernel(`${combiner}_${dtype}_${shape.join('x')}`, [[dtype, shape]], (b, [x]) => [
              b.reduce(x, combiner, axes),
            ]),
            { range, ...(tolerance && { tolerance }) },
          );
      }
    });
  test('NaN and infinities', () => {
    const values = Array.from({ length: 6 * 50 }, (_, i) =>
      i % 101 === 7 ? NaN : i % 37 === 3 ? -Infinity : i % 41 === 9 ? Infinity : Math.sin(i),
    );
    const data = [new Uint8Array(encode(values, 'f32'))];
    for (const axes of [[0], [1], [0, 1]])
      compare(
        tileKernel('nan', [f32([6, 50])], (b, [x]) => [
          b.reduce(x, 'max', axes),
          b.reduce(x, 'min', axes),
          ...(axes.length === 1
            ? [b.argreduce(x, axes[0], 'max'), b.argreduce(x, axes[0], 'min')]
            : []),
        ]),
        { data },
      );
  });
  test('argreduce', () => {
    for (const dtype of ['f32', 'i32', 'u8', 'bool', 'f64', 'i64', 'f16'] as DType[])
      for (const [shape, axis] of [
        [[7], 0],
        [[5, 9], 1],
        [[5, 9], 0],
        [[3, 4, 5], 1],
      ] as const)
        compare(
          tileKernel('arg', [[dtype, shape]], (b, [x]) => [
            b.argreduce(x, axis, 'max'),
            b.argreduce(x, axis, 'min'),
          ]),
        );
  });
  test('regions', () => {
    compare(
      tileKernel('region', [f32([5, 9]), f32([5, 9])], (b, [x, y]) =>
        b.reduceRegion(
          [x, y],
          [b.constant(1, 'f32'), b.constant(-2, 'f32')],
          [1],
          ([p, q], [u, v]) => [b.scalar('add', p, b.scalar('mul', u, q)), b.scalar('max', q, v)],
        ),
      ),
      { tolerance: near },
    );
    compare(
      tileKernel('scanRegion', [f32([5, 9])], (b, [x]) =>
        b.scanRegion([x], [b.constant(1, 'f32')], { axis: 0, reverse: true }, ([p], [u]) => [
          b.scalar('add', b.scalar('mul', p, b.constant(0.5, 'f32')), u),
        ]),
      ),
      { tolerance: near },
    );
  });
  test('large, in chunks', () => {
    compare(
      tileKernel('chunks', [f32([70000])], (b, [x]) => [
        b.reduce(x, 'add', [0]),
        b.reduce(x, 'max', [0]),
        b.scalar('neg', x),
      ]),
      { tolerance: { absolute: 1e-3, relative: 1e-5 } },
    );
    compare(
      tileKernel('chunks_i32', [['i32', [70001]]], (b, [x]) => [
        b.reduce(x, 'add', [0]),
        b.reduce(x, 'xor', [0]),
      ]),
    );
    compare(
      tileKernel('chunks_f64', [['f64', [40001]]], (b, [x]) => [b.reduce(x, 'add', [0])]),
      { tolerance: near },
    );
    compare(
      tileKernel('columns', [f32([5000, 9])], (b, [x]) => [
        b.reduce(x, 'add', [0]),
        b.reduce(x, 'max', [0]),
      ]),
      { tolerance: { absolute: 1e-4, relative: 1e-6 } },
    );
    compare(
      tileKernel('rows', [f32([3, 40000])], (b, [x]) => [
        b.reduce(x, 'add', [1]),
        b.reduce(x, 'min', [0]),
      ]),
      { tolerance: { absolute: 1e-2, relative: 1e-5 } },
    );
  });
});

describe('scans and sorts', () => {
  test('scan', () => {
    for (const dtype of ['f32', 'i32', 'i8', 'f64', 'i64', 'f16', 'bool'] as DType[])
      for (const combiner of ['add', 'max', 'mul', 'min'] as Combiner[])
        for (const [shape, axis] of [
          [[9], 0],
          [[5, 7], 1],
          [[5, 7], 0],
          [[3, 4, 5], 1],
          [[2, 0], 0],
        ] as const)
          for (const reverse of [false, true])
            compare(
              tileKernel('scan', [[dtype, shape]], (b, [x]) => [
                b.scan(x, combiner, axis, reverse),
              ]),
              {
                tolerance:
                  dtype === 'f16'
                    ? { absolute: 0.05, relative: 1e-2 }
                    : { absolute: 1e-4, relative: 1e-5 },
                range: combiner === 'mul' ? 1.5 : 4,
              },
            );
  });
  test('sort', () => {
    const less =
      (b: TileBuilder) =>
      ([x, y]: Tile[]) =>
        b.compare('lt', x, y);
    for (const dtype of ['f32', 'i32', 'u8', 'f64', 'i64', 'f16', 'bool'] as DType[])
      for (const [shape, axis] of [
        [[1], 0],
        [[37], 0],
        [[5, 7], 1],
        [[5, 7], 0],
        [[3, 16, 5], 1],
        [[0], 0],
      ] as const)
        compare(tileKernel('sort', [[dtype, shape]], (b, [x]) => b.sort([x], axis, less(b))));
    compare(
      tileKernel('sort2', [['i32', [4, 33]], f32([4, 33])], (b, [x, y]) =>
        b.sort([x, y, b.iota('i32', [4, 33], 1)], 1, ([p, q]) => b.compare('gt', p, q)),
      ),
    );
  });
});

function softmax(b: TileBuilder, x: Tile): Tile {
  const { shape } = x.type;
  const wide = (y: Tile): Tile =>
    b.broadcast(
      y,
      shape,
      shape.map((_, i) => i),
    );
  const last = shape.length - 1;
  const e = b.scalar('exp', b.scalar('sub', x, wide(b.reduce(x, 'max', [last]))));
  return b.scalar('div', e, wide(b.reduce(e, 'add', [last])));
}

function layerNorm(b: TileBuilder, x: Tile, gain: Tile, bias: Tile): Tile {
  const { shape } = x.type;
  const dims = shape.map((_, i) => i);
  const n = shape[shape.length - 1];
  const last = shape.length - 1;
  const wide = (y: Tile): Tile => b.broadcast(y, shape, dims);
  const mean = (y: Tile): Tile => {
    const s = b.reduce(y, 'add', [last]);
    return b.scalar('div', s, b.constant(n, 'f32', s.type.shape));
  };
  const centred = b.scalar('sub', x, wide(mean(x)));
  const variance = mean(b.scalar('mul', centred, centred));
  const scale = b.scalar(
    'rsqrt',
    b.scalar('add', variance, b.constant(1e-5, 'f32', variance.type.shape)),
  );
  return b.scalar(
    'fma',
    b.scalar('mul', centred, wide(scale)),
    b.broadcast(gain, shape, [last]),
    b.broadcast(bias, shape, [last]),
  );
}

const blockedBy = (sizes: readonly number[]) =>
  sizes.map((size) => ({ kind: 'blocked' as const, size }));

/** A kernel over blocks of rows of [m, n] arrays. */
function rowKernel(
  name: string,
  [m, n]: readonly [number, number],
  rows: number,
  body: (b: TileBuilder, x: Tile, refs: Ref[]) => Tile,
): Kernel {
  return makeKernel({
    name,
    grid: [{ extent: Math.ceil(m / rows), semantics: 'parallel' }],
    operands: [
      {
        name: 'x',
        dtype: 'f32',
        shape: [m, n],
        access: 'read',
        dims: blockedBy([rows, n]),
        indexMap: (b, [i]) => [i, b.int(0)],
      },
      {
        name: 'g',
        dtype: 'f32',
        shape: [n],
        access: 'read',
        dims: blockedBy([n]),
        indexMap: (b) => [b.int(0)],
      },
      {
        name: 'h',
        dtype: 'f32',
        shape: [n],
        access: 'read',
        dims: blockedBy([n]),
        indexMap: (b) => [b.int(0)],
      },
      {
        name: 'y',
        dtype: 'f32',
        shape: [m, n],
        access: 'write',
        dims: blockedBy([rows, n]),
        indexMap: (b, [i]) => [i, b.int(0)],
      },
    ],
    scratch: [],
    body: (b, refs) => b.store(refs[3], body(b, b.load(refs[0]), refs)),
  });
}

describe('rows', () => {
  for (const [m, n, rows] of [
    [4, 10, 2],
    [7, 33, 3],
    [16, 512, 8],
    [9, 1000, 9],
    [5, 64, 8],
  ] as const)
    test(`${m} × ${n} by ${rows}`, () => {
      compare(
        rowKernel('softmax', [m, n], rows, (b, x) => softmax(b, x)),
        { tolerance: near },
      );
      compare(
        rowKernel('norm', [m, n], rows, (b, x, refs) =>
          layerNorm(b, x, b.load(refs[1]), b.load(refs[2])),
        ),
        { tolerance: { absolute: 1e-4, relative: 1e-4 } },
      );
    });
  test('more axes', () => {
    compare(
      tileKernel('softmax3', [f32([3, 4, 600])], (b, [x]) => [softmax(b, x)]),
      { tolerance: near },
    );
    compare(
      tileKernel('softmax_large', [f32([2, 20000])], (b, [x]) => [softmax(b, x)]),
      { tolerance: near },
    );
  });
});

/** A kernel over blocks of elementwise work, in blocks that overhang. */
function blockKernel(
  shape: readonly number[],
  block: readonly number[],
  body: (b: TileBuilder, x: Tile) => Tile,
): Kernel {
  const grid = shape.map((d, i) => ({
    extent: Math.ceil(d / block[i]),
    semantics: 'parallel' as const,
  }));
  const operand = (name: string, access: 'read' | 'write') => ({
    name,
    dtype: 'f32' as const,
    shape,
    access,
    dims: blockedBy(block),
    indexMap: (_: TileBuilder, ids: Tile[]) => ids,
  });
  return makeKernel({
    name: `block_${shape.join('x')}_${block.join('x')}`,
    grid,
    operands: [operand('x', 'read'), operand('y', 'write')],
    scratch: [],
    body: (b, [x, y]) => b.store(y, body(b, b.load(x))),
  });
}

describe('overhanging blocks', () => {
  for (const [shape, block] of [
    [[10], [4]],
    [[10], [16]],
    [[1], [64]],
    [[33], [32]],
    [
      [5, 7],
      [2, 4],
    ],
    [
      [5, 7],
      [8, 8],
    ],
    [
      [9, 130],
      [4, 64],
    ],
    [
      [3, 5, 7],
      [2, 3, 4],
    ],
    [[40000], [16384]],
  ] as const)
    test(`${shape.join(' × ')} by ${block.join(' × ')}`, () => {
      compare(blockKernel(shape, block, (b, x) => b.scalar('add', x, b.constant(1, 'f32', block))));
      compare(blockKernel(shape, block, (b, x) => b.rev(b.rev(x, [0]), [0])));
      compare(
        blockKernel(shape, block, (b, x) => b.scalar('exp', x)),
        { tolerance: near },
      );
      const last = block.length - 1;
      compare(
        blockKernel(shape, block, (b, x) =>
          b.scalar(
            'add',
            x,
            b.broadcast(
              b.reduce(x, 'add', [last]),
              block,
              block.map((_, i) => i),
            ),
          ),
        ),
        { tolerance: near },
      );
      compare(
        blockKernel(shape, block, (b, x) =>
          b.scalar('sub', b.rev(x, [last]), b.iota('f32', block, last)),
        ),
      );
    });
  test('elements and strides', () => {
    const kernel = (start: number, size: number): Kernel =>
      makeKernel({
        name: `element_${start}`,
        grid: [{ extent: 3, semantics: 'parallel' }],
        operands: [
          {
            name: 'x',
            dtype: 'f32',
            shape: [20],
            access: 'read',
            dims: [{ kind: 'element', size }],
            indexMap: (b, [i]) => [b.scalar('add', b.scalar('mul', i, b.int(7)), b.int(start))],
          },
          {
            name: 'y',
            dtype: 'f32',
            shape: [3, size],
            access: 'write',
            dims: [{ kind: 'squeezed' }, { kind: 'blocked', size }],
            indexMap: (b, [i]) => [i, b.int(0)],
          },
        ],
        scratch: [],
        body: (b, [x, y]) => b.store(y, b.load(x, { fill: 5 })),
      });
    for (const start of [0, -3, -1, 3]) for (const size of [6, 9, 17]) compare(kernel(start, size));
  });
  test('other types', () => {
    for (const dtype of ['bool', 'i8', 'u16', 'f16', 'bf16', 'i64', 'f64'] as DType[])
      for (const [d, size] of [
        [10, 4],
        [37, 16],
        [5, 16],
      ])
        compare(
          makeKernel({
            name: `over_${dtype}`,
            grid: [{ extent: Math.ceil(d / size), semantics: 'parallel' }],
            operands: (['x', 'y'] as const).map((name) => ({
              name,
              dtype,
              shape: [d],
              access: name === 'x' ? ('read' as const) : ('write' as const),
              dims: blockedBy([size]),
              indexMap: (_: TileBuilder, ids: Tile[]) => ids,
            })),
            scratch: [],
            body: (b, [x, y]) =>
              b.store(
                y,
                b.select(
                  b.compare('gt', b.iota('i32', [size], 0), b.constant(2, 'i32', [size])),
                  b.load(x),
                  b.rev(b.load(x), [0]),
                ),
              ),
          }),
        );
  });
});

describe('memory', () => {
  test('masks', () => {
    compare(
      wholeKernel('masked', [f32([5, 9]), f32([5, 9])], [f32([5, 9])], (b, [x, y, z]) => {
        const mask = b.compare('gt', b.load(y), b.constant(0, 'f32', [5, 9]));
        b.store(z, b.constant(7, 'f32', [5, 9]));
        b.store(
          z,
          b.load(x, { mask, other: b.constant(-1, 'f32', [5, 9]) }),
          b.scalar('not', mask),
        );
        b.store(z, b.load(x, { mask, fill: 3 }), mask);
      }),
    );
  });
  test('accumulate', () => {
    for (const combiner of ['add', 'max', 'mul'] as Combiner[])
      compare(
        wholeKernel(
          'accumulate',
          [f32([5, 9]), ['bool', [5, 9]]],
          [f32([5, 9])],
          (b, [x, m, z]) => {
            b.store(z, b.load(x));
            b.accumulate(z, b.load(x), combiner);
            b.accumulate(z, b.transpose(b.reshape(b.load(z), [9, 5]), [1, 0]), combiner, b.load(m));
          },
        ),
        { tolerance: near },
      );
  });
  test('reads and writes of one ref keep their order', () => {
    compare(
      wholeKernel('order', [f32([8, 8])], [f32([8, 8]), f32([8, 8])], (b, [x, y, z]) => {
        b.store(y, b.load(x));
        const before = b.load(y);
        b.store(y, b.transpose(before, [1, 0]));
        b.store(z, before);
        b.store(y, b.rev(b.load(y), [1]));
        b.store(z, b.scalar('add', b.load(z), b.load(y)));
      }),
    );
  });
  test('windows of refs', () => {
    compare(
      wholeKernel(
        'windows',
        [f32([6, 10]), ['i32', [1]]],
        [f32([6, 10]), f32([4, 3])],
        (b, [x, s, y, z]) => {
          const at = b.load(b.sliceRef(s, [0], { sizes: [1], squeeze: [0] }));
          b.store(y, b.load(x));
          b.store(
            b.sliceRef(y, [at, 2], { sizes: [2, 3], strides: [2, 2] }),
            b.constant(9, 'f32', [2, 3]),
          );
          b.store(z, b.load(b.transposeRef(b.sliceRef(x, [1, at], { sizes: [3, 4] }), [1, 0])));
          const tmp = b.alloc('f32', [3, 4]);
          b.store(tmp, b.transpose(b.load(z), [1, 0]));
          b.accumulate(
            z,
            b.transpose(b.load(b.sliceRef(tmp, [0, 0], { sizes: [3, 4] })), [1, 0]),
            'add',
          );
        },
      ),
      { data: [undefined, new Uint8Array(encode([1], 'i32'))] },
    );
  });
  test('gather and scatter', () => {
    const indices = new Uint8Array(encode([0, 3, 3, -1, 9, 5, 1, 2], 'i32'));
    for (const dtype of ['f32', 'i32', 'f16', 'bool', 'i64', 'u8'] as DType[])
      compare(
        wholeKernel(
          `gather_${dtype}`,
          [
            [dtype, [6, 5]],
            ['i32', [8]],
          ],
          [
            [dtype, [8, 5]],
            [dtype, [8, 5]],
            [dtype, [6, 5]],
          ],
          (b, [x, i, y, z, w]) => {
            const rows = b.broadcast(b.load(i), [8, 5], [0]);
            const columns = b.iota('i32', [8, 5], 1);
            const fill = dtype === 'bool' ? true : 3;
            b.store(y, b.gather(x, [rows, columns], { fill }));
            b.store(
              z,
              b.gather(x, [rows, b.scalar('sub', b.constant(5, 'i32', [8, 5]), columns)], {
                fill,
                mask: b.compare('lt', columns, b.constant(4, 'i32', [8, 5])),
              }),
            );
            b.store(w, b.load(x));
            b.scatter(w, [rows, columns], b.load(y), dtype === 'bool' ? 'or' : 'add');
            b.scatter(
              w,
              [columns, rows],
              b.load(y),
              'set',
              b.compare('gt', columns, b.constant(1, 'i32', [8, 5])),
            );
          },
        ),
        {
          data: [undefined, indices],
          tolerance: dtype === 'f16' ? { absolute: 0.02, relative: 0 } : near,
        },
      );
  });
  test('atomic', () => {
    for (const dtype of ['f32', 'i32', 'u32', 'f64', 'i64'] as DType[])
      compare(
        makeKernel({
          name: `atomic_${dtype}`,
          grid: [{ extent: 5, semantics: 'parallel' }],
          operands: [
            {
              name: 'x',
              dtype,
              shape: [5],
              access: 'read',
              dims: [{ kind: 'squeezed' }],
              indexMap: (_, [i]) => [i],
            },
            {
              name: 'y',
              dtype,
              shape: [3],
              access: 'readwrite',
              dims: blockedBy([3]),
              indexMap: (b) => [b.int(0)],
            },
          ],
          scratch: [],
          body: (b, [x, y]) => {
            const value = b.load(x);
            const at = (i: number): Ref => b.sliceRef(y, [i], { sizes: [1], squeeze: [0] });
            b.atomic(at(0), value, 'add');
            b.atomic(at(1), value, 'max');
            b.atomic(at(2), value, 'exchange');
          },
        }),
        { tolerance: near },
      );
  });
});

describe('control', () => {
  test('for, while, if', () => {
    compare(
      tileKernel('loops', [f32([4, 9])], (b, [x]) => {
        const [p, n] = b.for(0, 5, 1, [x, b.constant(0, 'i32')], (i, [y, k]) => [
          b.scalar('add', y, b.broadcast(b.cast(i, 'f32'), [4, 9], [])),
          b.scalar('add', k, i),
        ]);
        const [q] = b.for(6, 0, -2, [x], (_, [y]) => [b.rev(y, [1])]);
        const [u, v] = b.for(0, 3, 1, [x, p], (_, [y, z]) => [z, b.scalar('sub', y, z)]);
        const [w, count] = b.while(
          [x, b.int(0)],
          ([, k]) => b.compare('lt', k, b.int(4)),
          ([y, k]) => [
            b.scalar('mul', y, b.constant(2, 'f32', [4, 9])),
            b.scalar('add', k, b.int(1)),
          ],
        );
        const [c] = b.if(
          b.compare('gt', n, b.int(3)),
          () => [b.scalar('neg', x)],
          () => [x],
        );
        const [d, e] = b.if(
          b.compare('lt', n, b.int(3)),
          () => [b.scalar('neg', x), n],
          () => [b.rev(x, [0]), b.scalar('mul', n, b.int(2))],
        );
        return [p, q, u, v, w, c, d, b.broadcast(b.scalar('add', e, count), [1], [])];
      }),
      { tolerance: near },
    );
    compare(
      tileKernel('nested', [f32([3, 5])], (b, [x]) => {
        const [y] = b.for(0, 3, 1, [x], (i, [p]) => {
          const [q] = b.for(0, i, 1, [p], (j, [r]) => {
            const [s] = b.if(
              b.compare('eq', j, b.int(1)),
              () => [b.scalar('add', r, x)],
              () => [b.scalar('mul', r, r)],
            );
            return [s];
          });
          return [b.transpose(b.reshape(b.scalar('tanh', q), [5, 3]), [1, 0])];
        });
        return [y];
      }),
      { tolerance: near },
    );
    compare(
      tileKernel('zero_trips', [f32([3, 5])], (b, [x]) => [
        b.for(3, 3, 1, [x], (_, [y]) => [b.scalar('neg', y)])[0],
        b.scalar('exp', x),
      ]),
      { tolerance: near },
    );
  });
  test('sequential axes keep scratch and output blocks', () => {
    const [m, n, rows, columns] = [5, 22, 2, 8];
    compare(
      makeKernel({
        name: 'sequential',
        grid: [
          { extent: 3, semantics: 'parallel' },
          { extent: 3, semantics: 'sequential' },
        ],
        operands: [
          {
            name: 'x',
            dtype: 'f32',
            shape: [m, n],
            access: 'read',
            dims: blockedBy([rows, columns]),
            indexMap: (_, [i, j]) => [i, j],
          },
          {
            name: 'y',
            dtype: 'f32',
            shape: [m, 1],
            access: 'write',
            dims: blockedBy([rows, 1]),
            indexMap: (b, [i]) => [i, b.int(0)],
          },
        ],
        scratch: [{ name: 'count', dtype: 'i32', shape: [] }],
        body: (b, [x, y, count]) => {
          const j = b.programId(1);
          b.if(b.compare('eq', j, b.int(0)), () => {
            b.store(y, b.constant(0, 'f32', [rows, 1]));
            b.store(count, b.int(0));
            return [];
          });
          b.store(count, b.scalar('add', b.load(count), b.int(1)));
          const inside = b.compare(
            'lt',
            b.scalar(
              'add',
              b.iota('i32', [rows, columns], 1),
              b.broadcast(b.scalar('mul', j, b.int(columns)), [rows, columns], []),
            ),
            b.constant(n, 'i32', [rows, columns]),
          );
          const sum = b.reduce(
            b.select(inside, b.load(x), b.constant(0, 'f32', [rows, columns])),
            'add',
            [1],
          );
          b.accumulate(
            y,
            b.scalar('mul', sum, b.broadcast(b.cast(b.load(count), 'f32'), [rows, 1], [])),
            'add',
          );
        },
      }),
      { tolerance: near },
    );
  });
  test('scalar prefetch', () => {
    compare(
      makeKernel({
        name: 'prefetch',
        grid: [{ extent: 4, semantics: 'parallel' }],
        operands: [
          {
            name: 'rows',
            dtype: 'i32',
            shape: [4],
            access: 'read',
            dims: blockedBy([4]),
            indexMap: (b) => [b.int(0)],
            prefetch: true,
          },
          {
            name: 'x',
            dtype: 'f32',
            shape: [6, 7],
            access: 'read',
            dims: [{ kind: 'squeezed' }, { kind: 'blocked', size: 7 }],
            indexMap: (b, [i], [rows]) => [
              b.load(b.sliceRef(rows, [i], { sizes: [1], squeeze: [0] })),
              b.int(0),
            ],
          },
          {
            name: 'y',
            dtype: 'f32',
            shape: [4, 7],
            access: 'write',
            dims: [{ kind: 'squeezed' }, { kind: 'blocked', size: 7 }],
            indexMap: (b, [i]) => [i, b.int(0)],
          },
        ],
        scratch: [],
        body: (b, [, x, y]) => b.store(y, b.load(x)),
      }),
      { data: [new Uint8Array(encode([5, 0, 2, 2], 'i32'))] },
    );
  });
});

/** Flash attention of one head per program: queries by `bq`, keys by `bk`. */
export function flashAttention(
  heads: number,
  s: number,
  d: number,
  [bq, bk]: readonly number[],
  causal: boolean,
): Kernel {
  const head = (
    name: string,
    access: 'read' | 'write',
    rows: number,
    index: (b: TileBuilder, ids: Tile[]) => Tile[],
  ) => ({
    name,
    dtype: 'f32' as const,
    shape: [heads, s, d],
    access,
    dims: [{ kind: 'squeezed' as const }, ...blockedBy([rows, d])],
    indexMap: index,
  });
  return makeKernel({
    name: 'flash',
    grid: [
      { extent: heads, semantics: 'parallel' },
      { extent: Math.ceil(s / bq), semantics: 'parallel' },
    ],
    operands: [
      head('q', 'read', bq, (b, [h, i]) => [h, i, b.int(0)]),
      head('k', 'read', s, (b, [h]) => [h, b.int(0), b.int(0)]),
      head('v', 'read', s, (b, [h]) => [h, b.int(0), b.int(0)]),
      head('o', 'write', bq, (b, [h, i]) => [h, i, b.int(0)]),
    ],
    scratch: [],
    body: (b, [q, k, v, o]) => {
      const scale = b.constant(1 / Math.sqrt(d), 'f32', [bq, bk]);
      const queries = b.load(q);
      const row = b.scalar(
        'add',
        b.iota('i32', [bq, bk], 0),
        b.broadcast(b.scalar('mul', b.programId(1), b.int(bq)), [bq, bk], []),
      );
      const wide = (x: Tile, n: number): Tile => b.broadcast(x, [bq, n], [0, 1]);
      const [acc, , l] = b.for(
        0,
        Math.ceil(s / bk),
        1,
        [
          b.constant(0, 'f32', [bq, d]),
          b.constant(-1e30, 'f32', [bq, 1]),
          b.constant(0, 'f32', [bq, 1]),
        ],
        (j, [old, m, sum]) => {
          const start = b.scalar('mul', j, b.int(bk));
          const keys = b.load(b.sliceRef(k, [start, 0], { sizes: [bk, d] }));
          const values = b.load(b.sliceRef(v, [start, 0], { sizes: [bk, d] }));
          const column = b.scalar(
            'add',
            b.iota('i32', [bq, bk], 1),
            b.broadcast(start, [bq, bk], []),
          );
          let ok = b.compare('lt', column, b.constant(s, 'i32', [bq, bk]));
          if (causal) ok = b.scalar('and', ok, b.compare('le', column, row));
          const scores = b.select(
            ok,
            b.scalar('mul', b.dot(queries, b.transpose(keys, [1, 0])), scale),
            b.constant(-1e30, 'f32', [bq, bk]),
          );
          const next = b.scalar('max', m, b.reduce(scores, 'max', [1]));
          const p = b.select(
            ok,
            b.scalar('exp', b.scalar('sub', scores, wide(next, bk))),
            b.constant(0, 'f32', [bq, bk]),
          );
          const alpha = b.scalar('exp', b.scalar('sub', m, next));
          const total = b.scalar('add', b.scalar('mul', sum, alpha), b.reduce(p, 'add', [1]));
          return [b.dot(p, values, b.scalar('mul', old, wide(alpha, d))), next, total];
        },
      );
      b.store(o, b.scalar('div', acc, wide(l, d)));
    },
  });
}

describe('flash attention', () => {
  for (const [s, d, bq, bk, causal] of [
    [16, 8, 8, 8, false],
    [33, 12, 16, 8, true],
    [64, 16, 16, 32, true],
    [20, 5, 7, 6, true],
  ] as const)
    test(`${s} × ${d} by ${bq}, ${bk}`, () =>
      compare(flashAttention(2, s, d, [bq, bk], causal), {
        tolerance: { absolute: 1e-4, relative: 1e-4 },
      }));
});
