// The rules of tile kernels: what the verifier refuses, what simplification keeps, what the affine analysis proves.
import { describe, expect, test } from 'vitest';
import { KernelError } from '../../core/errors.ts';
import { encode } from '../../core/host.ts';
import { makeKernel, makeOp, TileBuilder, type OperandSpec } from '../../lowering/tile/build.ts';
import { affineMap, outputAxes } from '../../lowering/tile/affine.ts';
import { interpretKernel } from '../../lowering/tile/interpret.ts';
import type { GridAxis, Kernel, Ref, Tile, TileValue } from '../../lowering/tile/ir.ts';
import { printKernel } from '../../lowering/tile/print.ts';
import { simplifyKernel } from '../../lowering/tile/simplify.ts';
import { tileType } from '../../lowering/tile/typing-check.ts';
import { verifyKernel } from '../../lowering/tile/verify.ts';
import { everyOp } from './tile-kernels.ts';

const messageOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof KernelError) return error.message.split('\n')[0];
    throw error;
  }
  return 'no error';
};

const block = (
  name: string,
  access: OperandSpec['access'],
  map?: OperandSpec['indexMap'],
): OperandSpec => ({
  name,
  dtype: 'f32',
  shape: [8, 8],
  access,
  dims: [
    { kind: 'blocked', size: 4 },
    { kind: 'blocked', size: 4 },
  ],
  indexMap: map ?? ((b) => [b.int(0), b.int(0)]),
});

const kernel = (
  body: (b: TileBuilder, refs: Ref[]) => void,
  operands: OperandSpec[] = [block('x', 'read'), block('y', 'write')],
): Kernel =>
  makeKernel({
    name: 'k',
    grid: [
      { extent: 2, semantics: 'parallel' },
      { extent: 2, semantics: 'parallel' },
    ],
    operands,
    scratch: [],
    body,
  });

describe('the builder refuses', () => {
  const refused = (body: (b: TileBuilder, refs: Ref[]) => void): string =>
    messageOf(() => kernel(body));
  test('stores that broadcast or convert', () => {
    expect(refused((b, [, y]) => b.store(y, b.constant(1, 'f32', [4, 1])))).toMatchInlineSnapshot(
      `"store: the stored tile must be f32[4, 4]; got f32[4, 1]."`,
    );
    expect(refused((b, [, y]) => b.store(y, b.constant(1, 'i32', [4, 4])))).toMatchInlineSnapshot(
      `"store: the stored tile must be f32[4, 4]; got i32[4, 4]."`,
    );
  });
  test('operands that do not fit', () => {
    expect(
      refused((b, [x]) => b.scalar('add', b.load(x), b.constant(1, 'f32'))),
    ).toMatchInlineSnapshot(
      `"scalar: operands of add must have one shape and dtype; got f32[4, 4], f32[]."`,
    );
    expect(refused((b, [x]) => b.scalar('and', b.load(x), b.load(x)))).toMatchInlineSnapshot(
      `"scalar: and takes bool, int, uint; got f32[4, 4]."`,
    );
    expect(
      refused((b, [x]) => b.dot(b.load(x), b.constant(0, 'f32', [5, 4]))),
    ).toMatchInlineSnapshot(
      `"dot: takes […, m, k] and […, k, n] of one dtype; got f32[4, 4], f32[5, 4]."`,
    );
    expect(refused((b, [x]) => b.broadcast(b.load(x), [4, 5], [0, 1]))).toMatchInlineSnapshot(
      `"broadcast: axes must be of size 1 or match the result; got f32[4, 4] → f32[4, 5] along [0, 1]."`,
    );
    expect(refused((b, [x]) => b.reshape(b.load(x), [15]))).toMatchInlineSnapshot(
      `"reshape: keeps the dtype and the number of elements; got f32[4, 4] → f32[15]."`,
    );
    expect(refused((b, [x]) => b.slice(b.load(x), [0, 0], [5, 4]))).toMatchInlineSnapshot(
      `"slice: needs 0 ≤ start ≤ limit ≤ size and stride ≥ 1; got starts [0, 0], limits [5, 4], strides [1, 1] for f32[4, 4]."`,
    );
    expect(refused((b, [x]) => b.bitcast(b.load(x), 'i16'))).toMatchInlineSnapshot(
      `"bitcast: keeps the shape and the width; got f32[4, 4] → i16[4, 4]."`,
    );
    expect(refused((b, [x]) => b.reduce(b.load(x), 'add', [2]))).toMatchInlineSnapshot(
      `"reduce: axis must be an integer in [0, 2); got 2."`,
    );
    expect(refused((b) => b.constant(1.5, 'i32'))).toMatchInlineSnapshot(
      `"constant: the value must be one of i32; got number 1.5."`,
    );
  });
  test('regions with other types', () => {
    expect(
      refused((b) => b.for(0, 4, 1, [b.constant(0, 'f32')], (i) => [i])),
    ).toMatchInlineSnapshot(`"for: region 0 must yield (f32[]); got (i32[])."`);
    expect(
      refused((b, [x]) => b.reduceRegion([b.load(x)], [b.int(0)], [0], ([a]) => [a])),
    ).toMatchInlineSnapshot(`"reduce: initial value 0 must be f32[]; got i32[]."`);
    expect(
      refused((b) =>
        b.if(
          b.constant(true, 'bool'),
          () => [b.int(1)],
          () => [],
        ),
      ),
    ).toMatchInlineSnapshot(`"if: region 1 must yield (i32[]); got ()."`);
  });
});

describe('the verifier refuses', () => {
  const refused = (make: () => Kernel): string => messageOf(() => verifyKernel(make()));
  test('writes to what is only read, also through windows', () => {
    expect(
      refused(() =>
        kernel((b, [x]) => b.store(b.transposeRef(x, [1, 0]), b.constant(0, 'f32', [4, 4]))),
      ),
    ).toMatchInlineSnapshot(`"kernel @k: store: the operand may only be read; got store %0, %1."`);
  });
  test('axes that the grid does not have', () => {
    expect(refused(() => kernel((b) => b.programId(2)))).toMatchInlineSnapshot(
      `"kernel @k: programId: axis must be one of the grid's 2; got 2."`,
    );
  });
  test('values used before they are defined, or outside their region', () => {
    const made = kernel((b, [x]) => b.scalar('neg', b.load(x)));
    made.body.ops.reverse();
    expect(refused(() => made)).toMatchInlineSnapshot(
      `"kernel @k: scalar: operands must be defined before the op; got %1 = neg %0 : tile<4x4xf32>."`,
    );
    const escaped = kernel((b) => {
      const found: Tile[] = [];
      b.for(0, 2, 1, [], (i) => (found.push(i), []));
      b.scalar('neg', found[0]);
    });
    expect(refused(() => escaped)).toMatchInlineSnapshot(
      `"kernel @k: scalar: operands must be defined before the op; got %1 = neg %0 : tile<i32>."`,
    );
  });
  test('results of another type', () => {
    const made = kernel((b, [x]) => b.load(x));
    const region = made.body;
    region.ops.push(
      makeOp(
        'scalar',
        [region.ops[0].results[0]],
        { fn: 'neg' },
        { types: [tileType('i32', [4, 4])] },
      ),
    );
    expect(refused(() => made)).toMatchInlineSnapshot(
      `"kernel @k: scalar: results: must be (f32[4, 4]); got (i32[4, 4])."`,
    );
  });
  test('index maps that do more than scalars', () => {
    const map: OperandSpec['indexMap'] = (b) => [b.int(0), b.reshape(b.iota('i32', [1], 0), [])];
    expect(refused(() => kernel(() => {}, [block('x', 'read', map)]))).toMatchInlineSnapshot(
      `"kernel @k: iota: must not stand in the index map of x; got %0 = iota axis 0 : tile<1xi32>."`,
    );
    expect(
      refused(() => kernel(() => {}, [block('x', 'read', (b) => [b.int(0)])])),
    ).toMatchInlineSnapshot(
      `"kernel @k: index map of x: results: must be (i32[], i32[]); got (i32[])."`,
    );
  });
  test('combiners that touch memory', () => {
    const made = kernel((b, [x, y]) => {
      b.reduceRegion(
        [b.load(x)],
        [b.constant(0, 'f32')],
        [0],
        ([acc], [v]) => (b.store(y, b.constant(0, 'f32', [4, 4])), [b.scalar('add', acc, v)]),
      );
    });
    expect(refused(() => made)).toMatchInlineSnapshot(
      `"kernel @k: store: must not stand in the region of reduce; got store %y, %0."`,
    );
  });
});

describe('simplify', () => {
  const bodyOf = (k: Kernel): string[] =>
    printKernel(k)
      .split('\n')
      .filter((line) => line.startsWith('  '))
      .map((line) => line.trim().replaceAll(/\s+/g, ' '));
  const simplified = (body: (b: TileBuilder, refs: Ref[]) => void): string[] =>
    bodyOf(simplifyKernel(kernel(body)));

  test('keeps what every kernel computes', () => {
    for (const k of everyOp().filter((e) => e.name !== 'odd name')) {
      const results = [k, simplifyKernel(k)].map((each) => {
        verifyKernel(each);
        const buffers = [encode([1, 2, 3, -4, 5, 0.5], 'f32'), encode([9, 8, 7, 6, 5, 4], 'f32')];
        const sequential = {
          ...each,
          grid: each.grid.map((g): GridAxis => ({ ...g, semantics: 'sequential' })),
        };
        interpretKernel(sequential, buffers);
        return [...buffers[1]];
      });
      expect(results[1], k.name).toEqual(results[0]);
    }
  });
  test('integers fold, chains of constants join, equal values are computed once', () => {
    expect(
      simplified((b, [x, y]) => {
        const i = b.scalar('add', b.scalar('add', b.int(2), b.programId(0)), b.int(3));
        const j = b.scalar('mul', b.scalar('sub', b.programId(0), b.int(0)), b.numPrograms(1));
        const part = b.sliceRef(x, [i, b.scalar('add', j, b.int(0))], { sizes: [4, 4] });
        b.store(y, b.load(part));
      }),
    ).toMatchInlineSnapshot(`
      [
        "%0 = constant 2 : tile<i32>",
        "%1 = program_id axis 0 : tile<i32>",
        "%2 = constant 5 : tile<i32>",
        "%3 = add %1, %2 : tile<i32>",
        "%4 = mul %1, %0 : tile<i32>",
        "%5 = slice_ref %x, %3, %4 sizes [4, 4] strides [1, 1] squeeze [] : ref<4x4xf32>",
        "%6 = load %5 : tile<4x4xf32>",
        "store %y, %6",
      ]
    `);
  });
  test('views of views join, and constants stay constants', () => {
    expect(
      simplified((b, [x, y]) => {
        const t = b.transpose(b.transpose(b.load(x), [1, 0]), [1, 0]);
        const r = b.reshape(b.reshape(t, [16]), [4, 4]);
        const c = b.broadcast(b.broadcast(b.constant(2, 'f32'), [4]), [4, 4], [0]);
        b.store(y, b.scalar('mul', b.slice(b.slice(r, [0, 0], [4, 4], [1, 1]), [0, 0], [4, 4]), c));
      }),
    ).toMatchInlineSnapshot(`
      [
        "%0 = load %x : tile<4x4xf32>",
        "%1 = constant 2 : tile<4x4xf32>",
        "%2 = mul %0, %1 : tile<4x4xf32>",
        "store %y, %2",
      ]
    `);
  });
  test('known branches and loops of one trip open, dead work goes, writes stay', () => {
    expect(
      simplified((b, [x, y]) => {
        const t = b.load(x);
        b.scalar('exp', t);
        const [u] = b.if(
          b.compare('lt', b.int(1), b.int(2)),
          () => [b.scalar('neg', t)],
          () => [t],
        );
        const [v] = b.for(3, 4, 1, [u], (i, [c]) => [
          b.scalar('add', c, b.broadcast(b.cast(i, 'f32'), [4, 4])),
        ]);
        b.for(0, 9, 1, [t], (_, [c]) => [c]);
        b.for(0, 9, 1, [], () => (b.accumulate(y, v, 'add', b.constant(true, 'bool', [4, 4])), []));
        b.store(y, t, b.constant(false, 'bool', [4, 4]));
      }),
    ).toMatchInlineSnapshot(`
      [
        "%0 = load %x : tile<4x4xf32>",
        "%1 = constant 1 : tile<i32>",
        "%2 = neg %0 : tile<4x4xf32>",
        "%3 = constant 3 : tile<4x4xf32>",
        "%4 = add %2, %3 : tile<4x4xf32>",
        "%5 = constant 0 : tile<i32>",
        "%6 = constant 9 : tile<i32>",
        "for %5, %6, %1 do (%7: tile<i32>) {",
        "accumulate add %y, %4",
        "}",
      ]
    `);
  });
  test('a carried value that counts with the loop is its index', () => {
    const counted = (init: number, by: number): string[] =>
      simplified((b, [, y]) => {
        const zero = b.constant(0, 'f32', [4, 4]);
        const [, sum] = b.for(2, 9, 3, [b.int(init), zero], (_, [n, acc]) => [
          b.scalar('add', n, b.int(by)),
          b.scalar('add', acc, b.broadcast(b.cast(n, 'f32'), [4, 4])),
        ]);
        b.store(y, sum);
      });
    const cast = (lines: string[]): string | undefined => lines.find((l) => l.includes('cast'));
    const head = (lines: string[]): string => lines.find((l) => l.includes('for')) ?? '';
    const readsIndex = (lines: string[]): boolean => {
      const [, index, counter] = /\((%\d+): tile<i32>, (%\d+): tile<i32>/.exec(head(lines)) ?? [];
      const read = /cast (%\d+)/.exec(cast(lines) ?? '')?.[1];
      expect([index, counter]).toContain(read);
      return read === index;
    };
    expect(readsIndex(counted(2, 3))).toBe(true);
    expect(readsIndex(counted(0, 3))).toBe(false);
    expect(readsIndex(counted(2, 1))).toBe(false);
  });
  test('floats keep their identities: -0 and NaN', () => {
    const ops = simplified((b, [x, y]) => {
      const t = b.load(x);
      const zero = b.constant(0, 'f32', [4, 4]);
      b.store(y, b.scalar('add', b.scalar('mul', t, zero), b.scalar('sub', t, t)));
    });
    expect(ops.filter((line) => /mul|sub|add/.test(line)).length).toBe(3);
  });
  test('ten thousand chained ops', () => {
    const long = kernel((b, [x, y]) => {
      let t = b.load(x);
      for (let i = 0; i < 10_000; i++) t = b.scalar('neg', b.scalar('abs', t));
      b.store(y, t);
    });
    const small = simplifyKernel(long);
    verifyKernel(small);
    expect(small.body.ops.length).toBeGreaterThan(9999);
  });
});

describe('affine analysis', () => {
  const grid = (...extents: number[]): GridAxis[] =>
    extents.map((extent) => ({ extent, semantics: 'parallel' }));
  const axesOf = (
    map: OperandSpec['indexMap'],
    dims: OperandSpec['dims'],
    ...extents: number[]
  ) => {
    const made = makeKernel({
      name: 'k',
      grid: grid(...extents),
      scratch: [],
      body: () => {},
      operands: [{ ...block('y', 'write', map), dims }],
    });
    return outputAxes(made.grid, made.operands);
  };
  const blocked: OperandSpec['dims'] = [
    { kind: 'blocked', size: 4 },
    { kind: 'blocked', size: 4 },
  ];

  test('index maps as sums', () => {
    const b = new TileBuilder();
    const region = b.build<TileValue>([tileType('i32'), tileType('i32')], (ids) => {
      const [i, j] = ids as Tile[];
      return [
        b.scalar('sub', b.scalar('mul', b.scalar('add', i, b.int(1)), b.int(3)), j),
        b.scalar('div', i, b.int(2)),
      ];
    });
    expect(affineMap(region, 2)).toEqual([{ constant: 3, coefficients: [3, -1] }, undefined]);
  });
  test('an axis that moves a block is injective, one that does not is revisited', () => {
    expect(axesOf((b, [i]) => [i, b.int(0)], blocked, 2, 3)).toEqual({
      injective: [true, false],
      revisited: [false, true],
    });
    expect(
      axesOf(
        (b, [i, j]) => [b.scalar('add', b.scalar('mul', i, b.int(3)), j), b.int(0)],
        blocked,
        2,
        3,
      ),
    ).toEqual({ injective: [true, true], revisited: [false, false] });
    expect(axesOf((b, [i, j]) => [b.scalar('add', i, j), b.int(0)], blocked, 2, 2)).toEqual({
      injective: [false, false],
      revisited: [false, false],
    });
    expect(axesOf((b, [i]) => [b.scalar('div', i, b.int(2)), b.int(0)], blocked, 4)).toEqual({
      injective: [false],
      revisited: [false],
    });
    expect(axesOf((b) => [b.int(0), b.int(0)], blocked, 1)).toEqual({
      injective: [true],
      revisited: [false],
    });
  });
  test('blocks by elements must not overlap', () => {
    const dims: OperandSpec['dims'] = [{ kind: 'element', size: 3 }, { kind: 'squeezed' }];
    expect(axesOf((b, [i]) => [i, b.int(0)], dims, 4).injective).toEqual([false]);
    expect(axesOf((b, [i]) => [b.scalar('mul', i, b.int(3)), b.int(0)], dims, 2).injective).toEqual(
      [true],
    );
  });
});
