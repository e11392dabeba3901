// The interpreter of tile kernels: blocks that overhang, sequential axes, poison, races, every op against hand values.
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../core/host.ts';
import type { DType } from '../../core/dtype.ts';
import { sizeOf } from '../../core/shape.ts';
import { makeKernel, type KernelSpec, type OperandSpec } from '../../lowering/tile/build.ts';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import { interpretKernel, type InterpretOptions } from '../../lowering/tile/interpret.ts';
import type { Ref, Tile, TileType } from '../../lowering/tile/ir.ts';
import { printKernel } from '../../lowering/tile/print.ts';

type Host = readonly (number | bigint | boolean)[];

const whole = (
  name: string,
  dtype: DType,
  shape: number[],
  access: OperandSpec['access'],
): OperandSpec => ({
  name,
  dtype,
  shape,
  access,
  dims: shape.map((size) => ({ kind: 'blocked', size })),
  indexMap: (b) => shape.map(() => b.int(0)),
});

const blocked = (
  name: string,
  shape: number[],
  block: number[],
  access: OperandSpec['access'],
  map?: OperandSpec['indexMap'],
): OperandSpec => ({
  ...whole(name, 'f32', shape, access),
  dims: block.map((size) => ({ kind: 'blocked', size })),
  indexMap: map ?? ((_, ids) => ids),
});

function run(spec: KernelSpec, inputs: Host[], options: InterpretOptions = {}): number[][] {
  const kernel = makeKernel(spec);
  const buffers = spec.operands.map((o, i) =>
    encode(
      inputs[i]?.length ? inputs[i] : Array.from({ length: sizeOf(o.shape) }, () => 0),
      o.dtype,
    ),
  );
  interpretKernel(kernel, buffers, options);
  return spec.operands.flatMap((o, i) =>
    o.access === 'read' ? [] : [[...decode(buffers[i], o.dtype)].map(Number)],
  );
}

/** The sentence of the error that a function throws, without the line it comes from. */
function messageOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    return String(error).split('\n')[0];
  }
  return 'no error';
}

/** Run a function from whole tiles to one tile. */
function apply(
  inputs: { dtype: DType; shape: number[]; data: Host }[],
  body: (b: TileBuilder, xs: Tile[]) => Tile,
  options?: InterpretOptions,
): { shape: readonly number[]; data: number[] } {
  const found: TileType[] = [];
  makeKernel({
    name: 'probe',
    grid: [],
    scratch: [],
    operands: inputs.map((x, i) => whole(`x${i}`, x.dtype, x.shape, 'read')),
    body: (b, refs) => {
      const tiles = refs.map((r) => b.load(r));
      found.push(body(b, tiles).type);
    },
  });
  const [type] = found;
  const out = run(
    {
      name: 'apply',
      grid: [],
      scratch: [],
      operands: [
        ...inputs.map((x, i) => whole(`x${i}`, x.dtype, x.shape, 'read')),
        whole('y', type.dtype, [...type.shape], 'write'),
      ],
      body: (b, refs) =>
        b.store(
          refs[inputs.length],
          body(
            b,
            refs.slice(0, -1).map((r) => b.load(r)),
          ),
        ),
    },
    inputs.map((x) => x.data),
    options ?? { checked: true },
  );
  return { shape: type.shape, data: out[0] };
}

const f32 = (shape: number[], data: Host): { dtype: DType; shape: number[]; data: Host } => ({
  dtype: 'f32',
  shape,
  data,
});
const i32 = (shape: number[], data: Host): { dtype: DType; shape: number[]; data: Host } => ({
  dtype: 'i32',
  shape,
  data,
});
const six = f32([2, 3], [1, 2, 3, 4, 5, 6]);

describe('shapes', () => {
  test('transpose, rev, slice, broadcast', () => {
    expect(apply([six], (b, [x]) => b.transpose(x, [1, 0])).data).toEqual([1, 4, 2, 5, 3, 6]);
    expect(apply([six], (b, [x]) => b.rev(x, [0, 1])).data).toEqual([6, 5, 4, 3, 2, 1]);
    expect(apply([six], (b, [x]) => b.slice(x, [0, 0], [2, 3], [1, 2])).data).toEqual([1, 3, 4, 6]);
    expect(
      apply([f32([2, 1], [1, 2])], (b, [x]) => b.broadcast(x, [2, 2, 2], [1, 2])).data,
    ).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
  });
  test('concat, pad with interior and negative amounts, reshape', () => {
    expect(apply([six, f32([2, 1], [7, 8])], (b, [x, y]) => b.concat([x, y], 1)).data).toEqual([
      1, 2, 3, 7, 4, 5, 6, 8,
    ]);
    expect(
      apply([f32([3], [1, 2, 3]), f32([], [9])], (b, [x, v]) => b.pad(x, v, [1], [-1], [1])).data,
    ).toEqual([9, 1, 9, 2, 9]);
    expect(apply([six], (b, [x]) => b.reshape(x, [3, 2])).shape).toEqual([3, 2]);
  });
  test('zero-size tiles pass through', () => {
    const none = f32([0, 3], []);
    expect(apply([none], (b, [x]) => b.reduce(x, 'add', [0])).data).toEqual([0, 0, 0]);
    expect(apply([none], (b, [x]) => b.reduce(x, 'max', [0])).data).toEqual([
      -Infinity,
      -Infinity,
      -Infinity,
    ]);
    expect(apply([none], (b, [x]) => b.transpose(x, [1, 0])).shape).toEqual([3, 0]);
  });
});

describe('reductions', () => {
  test('named and with a region', () => {
    expect(apply([six], (b, [x]) => b.reduce(x, 'add', [1])).data).toEqual([6, 15]);
    expect(apply([six], (b, [x]) => b.reduce(x, 'max', [0, 1])).data).toEqual([6]);
    const folded = apply(
      [six],
      (b, [x]) =>
        b.reduceRegion([x], [b.constant(10, 'f32')], [0], ([acc], [v]) => [
          b.scalar('sub', acc, v),
        ])[0],
    );
    expect(folded.data).toEqual([5, 3, 1]);
  });
  test('NaN passes through max, and argreduce takes the first NaN', () => {
    const x = f32([4], [1, NaN, 3, NaN]);
    expect(apply([x], (b, [t]) => b.reduce(t, 'max', [0])).data).toEqual([NaN]);
    expect(apply([x], (b, [t]) => b.argreduce(t, 0, 'max')).data).toEqual([1]);
    expect(apply([f32([4], [1, 3, 3, 0])], (b, [t]) => b.argreduce(t, 0, 'max')).data).toEqual([1]);
    expect(apply([six], (b, [t]) => b.argreduce(t, 0, 'min')).data).toEqual([0, 0, 0]);
  });
  test('scans, also reversed and with a region', () => {
    expect(apply([six], (b, [x]) => b.scan(x, 'add', 1)).data).toEqual([1, 3, 6, 4, 9, 15]);
    expect(apply([six], (b, [x]) => b.scan(x, 'add', 0, true)).data).toEqual([5, 7, 9, 4, 5, 6]);
    const halves = apply(
      [f32([3], [8, 4, 2])],
      (b, [x]) =>
        b.scanRegion([x], [b.constant(0, 'f32')], { axis: 0 }, ([acc], [v]) => [
          b.scalar('add', b.scalar('mul', acc, b.constant(0.5, 'f32')), v),
        ])[0],
    );
    expect(halves.data).toEqual([8, 8, 6]);
  });
  test('sort carries the other tiles along and is stable', () => {
    const keys = f32([5], [3, 1, 3, 2, 1]);
    const order = apply(
      [keys, i32([5], [0, 1, 2, 3, 4])],
      (b, [k, v]) => b.sort([k, v], 0, ([x, y]) => b.compare('lt', x, y))[1],
    );
    expect(order.data).toEqual([1, 4, 3, 0, 2]);
  });
  test('dot with batches and an accumulator', () => {
    const a = f32([2, 1, 2], [1, 2, 3, 4]);
    const c = f32([2, 2, 1], [1, 1, 2, 2]);
    expect(apply([a, c, f32([2, 1, 1], [10, 20])], (b, [x, y, z]) => b.dot(x, y, z)).data).toEqual([
      13, 34,
    ]);
    expect(
      apply([i32([1, 2], [2 ** 30, 1]), i32([2, 1], [4, 5])], (b, [x, y]) => b.dot(x, y)).data,
    ).toEqual([5]);
  });
});

describe('control', () => {
  test('for, counting up and down, with no trip', () => {
    const sum = (lo: number, hi: number, step: number): number[] =>
      apply(
        [f32([], [0])],
        (b, [x]) => b.for(lo, hi, step, [x], (i, [c]) => [b.scalar('add', c, b.cast(i, 'f32'))])[0],
      ).data;
    expect(sum(0, 5, 2)).toEqual([6]);
    expect(sum(5, 0, -2)).toEqual([9]);
    expect(sum(5, 0, 1)).toEqual([0]);
  });
  test('while and if', () => {
    const doubled = apply(
      [i32([], [3])],
      (b, [x]) =>
        b.while(
          [x],
          ([c]) => b.compare('lt', c, b.int(50)),
          ([c]) => [b.scalar('mul', c, b.int(2))],
        )[0],
    );
    expect(doubled.data).toEqual([96]);
    const chosen = apply(
      [i32([], [3])],
      (b, [x]) =>
        b.if(
          b.compare('gt', x, b.int(2)),
          () => [b.int(7)],
          () => [b.int(8)],
        )[0],
    );
    expect(chosen.data).toEqual([7]);
  });
});

describe('blocks', () => {
  const scale = (b: TileBuilder, [x, y]: Ref[]): void =>
    b.store(y, b.scalar('mul', b.load(x), b.constant(2, 'f32', [2, 4])));
  test('an overhanging block writes only what is inside, in any order of programs', () => {
    const data = Array.from({ length: 15 }, (_, i) => i);
    const spec: KernelSpec = {
      name: 'scale',
      grid: [
        { extent: 2, semantics: 'parallel' },
        { extent: 2, semantics: 'parallel' },
      ],
      scratch: [],
      operands: [blocked('x', [3, 5], [2, 4], 'read'), blocked('y', [3, 5], [2, 4], 'write')],
      body: scale,
    };
    for (const seed of [undefined, 1, 2, 3]) {
      const options: InterpretOptions =
        seed === undefined ? { checked: true } : { checked: true, seed };
      expect(run(spec, [data], options)[0]).toEqual(data.map((v) => 2 * v));
    }
  });
  test('reliance on the padding shows', () => {
    const spec: KernelSpec = {
      name: 'sum',
      grid: [{ extent: 2, semantics: 'parallel' }],
      scratch: [],
      operands: [blocked('x', [3], [2], 'read'), blocked('y', [2], [1], 'write')],
      body: (b, [x, y]) => b.store(y, b.reduce(b.load(x), 'add', [0])),
    };
    expect(run(spec, [[1, 2, 3]], { checked: true })[0]).toEqual([3, NaN]);
    expect(run(spec, [[1, 2, 3]])[0]).toEqual([3, 3]);
  });
  test('a block outside its array is an error', () => {
    const spec: KernelSpec = {
      name: 'out',
      grid: [{ extent: 3, semantics: 'parallel' }],
      scratch: [],
      operands: [blocked('x', [3], [2], 'read')],
      body: () => {},
    };
    expect(messageOf(() => run(spec, [[1, 2, 3]]))).toMatchInlineSnapshot(
      `"KernelError: index map of x: a block must not lie wholly outside its array; got a block of [2] at [4] of an array of [3] in program (2). Mend the index map or the grid."`,
    );
  });
  test('two programs that write one element are a race', () => {
    const spec: KernelSpec = {
      name: 'race',
      grid: [{ extent: 2, semantics: 'parallel' }],
      scratch: [],
      operands: [blocked('y', [2], [2], 'write', (b) => [b.int(0)])],
      body: (b, [y]) => b.store(y, b.constant(1, 'f32', [2])),
    };
    expect(messageOf(() => run(spec, []))).toMatchInlineSnapshot(
      `"KernelError: race: programs along parallel axes must not touch what others write; got program (1) that writes element [0] of its block of y, which program (0) wrote. Make the axis sequential, or give each program a block of its own."`,
    );
  });
  test('a sequential axis keeps outputs and scratch', () => {
    const spec: KernelSpec = {
      name: 'total',
      grid: [
        { extent: 2, semantics: 'parallel' },
        { extent: 3, semantics: 'sequential' },
      ],
      scratch: [{ name: 'acc', dtype: 'f32', shape: [1, 1] }],
      operands: [
        blocked('x', [2, 6], [1, 2], 'read'),
        blocked('y', [2, 1], [1, 1], 'write', (b, [i]) => [i, b.int(0)]),
      ],
      body: (b, [x, y, acc]) => {
        const step = b.programId(1);
        b.if(
          b.compare('eq', step, b.int(0)),
          () => (b.store(acc, b.constant(0, 'f32', [1, 1])), []),
        );
        b.accumulate(acc, b.reduce(b.load(x), 'add', [1]), 'add');
        b.if(b.compare('eq', step, b.int(2)), () => (b.store(y, b.load(acc)), []));
      },
    };
    const data = Array.from({ length: 12 }, (_, i) => i);
    expect(run(spec, [data], { checked: true, seed: 5 })[0]).toEqual([15, 51]);
  });
  test('scratch is undefined at the first step', () => {
    const spec: KernelSpec = {
      name: 'poison',
      grid: [],
      scratch: [{ name: 's', dtype: 'f32', shape: [2] }],
      operands: [whole('y', 'f32', [2], 'write')],
      body: (b, [y, s]) => b.store(y, b.load(s)),
    };
    expect(run(spec, [], { checked: true })[0]).toEqual([NaN, NaN]);
  });
  test('squeezed and element dims', () => {
    const spec: KernelSpec = {
      name: 'window',
      grid: [
        { extent: 2, semantics: 'parallel' },
        { extent: 3, semantics: 'parallel' },
      ],
      scratch: [],
      operands: [
        {
          ...whole('x', 'f32', [2, 5], 'read'),
          dims: [{ kind: 'squeezed' }, { kind: 'element', size: 3 }],
          indexMap: (_, ids) => ids,
        },
        {
          ...whole('y', 'f32', [2, 3], 'write'),
          dims: [{ kind: 'squeezed' }, { kind: 'squeezed' }],
          indexMap: (_, ids) => ids,
        },
      ],
      body: (b, [x, y]) => b.store(y, b.reshape(b.reduce(b.load(x), 'add', [0]), [])),
    };
    expect(run(spec, [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]], { checked: true })[0]).toEqual([
      3, 6, 9, 18, 21, 24,
    ]);
  });
  test('scalar prefetch chooses the block', () => {
    const spec: KernelSpec = {
      name: 'embed',
      grid: [{ extent: 3, semantics: 'parallel' }],
      scratch: [],
      operands: [
        { ...whole('p', 'i32', [3], 'read'), prefetch: true },
        {
          ...blocked('x', [4, 2], [1, 2], 'read', (b, [i], [p]) => [
            b.load(b.sliceRef(p, [i], { sizes: [1], squeeze: [0] })),
            b.int(0),
          ]),
        },
        blocked('y', [3, 2], [1, 2], 'write', (b, [i]) => [i, b.int(0)]),
      ],
      body: (b, [, x, y]) => b.store(y, b.load(x)),
    };
    expect(
      run(
        spec,
        [
          [2, 0, 3],
          [0, 1, 2, 3, 4, 5, 6, 7],
        ],
        { checked: true },
      )[0],
    ).toEqual([4, 5, 0, 1, 6, 7]);
    expect(printKernel(makeKernel(spec))).toMatchInlineSnapshot(`
      "kernel @embed(
        %p: ref<3xi32, block 3 at (0), prefetch>,
        %x: ref<4x2xf32, block 1x2 at (%0: tile<i32>, %1: ref<3xi32>) {
          %2 = slice_ref %1, %0 sizes [1] strides [1] squeeze [0] : ref<i32>
          %3 = load %2                         : tile<i32>
          %4 = constant 0                      : tile<i32>
          yield %3, %4
        }>,
        %y: ref<3x2xf32, block 1x2 at (i, 0), write>
      ) grid (i: 3) {
        %0 = load %x                           : tile<1x2xf32>
        store %y, %0
      }
      "
    `);
  });
});

describe('memory', () => {
  test('masked loads and stores, and slices of transposed refs', () => {
    const spec: KernelSpec = {
      name: 'views',
      grid: [],
      scratch: [],
      operands: [whole('x', 'f32', [3, 4], 'read'), whole('y', 'f32', [2, 2], 'write')],
      body: (b, [x, y]) => {
        const part = b.sliceRef(b.transposeRef(x, [1, 0]), [b.int(1), b.int(0)], {
          sizes: [2, 2],
          strides: [2, 1],
        });
        const mask = b.compare('ne', b.load(part), b.constant(5, 'f32', [2, 2]));
        b.store(y, b.load(part, { mask, other: b.constant(-1, 'f32', [2, 2]) }));
      },
    };
    expect(run(spec, [Array.from({ length: 12 }, (_, i) => i)], { checked: true })[0]).toEqual([
      1, -1, 3, 7,
    ]);
  });
  test('gather fills out of bounds, scatter skips it and adds in order', () => {
    const spec: KernelSpec = {
      name: 'indexed',
      grid: [],
      scratch: [],
      operands: [
        whole('x', 'f32', [3], 'read'),
        whole('i', 'i32', [4], 'read'),
        whole('y', 'f32', [4], 'write'),
        whole('z', 'f32', [3], 'readwrite'),
      ],
      body: (b, [x, i, y, z]) => {
        const index = b.load(i);
        const found = b.gather(x, [index], { fill: -1 });
        b.store(y, found);
        b.scatter(z, [index], found, 'add');
      },
    };
    expect(run(spec, [[10, 20, 30], [2, 3, 2, -1], [], [1, 1, 1]], { checked: true })).toEqual([
      [30, -1, 30, -1],
      [1, 1, 61],
    ]);
  });
  test('atomics of many programs add up; print and check', () => {
    const lines: string[] = [];
    const spec: KernelSpec = {
      name: 'count',
      grid: [{ extent: 4, semantics: 'parallel' }],
      scratch: [],
      operands: [whole('n', 'i32', [1], 'readwrite')],
      body: (b, [n]) => {
        const old = b.atomic(b.sliceRef(n, [0], { sizes: [1], squeeze: [0] }), b.int(2), 'add');
        b.print('old {}', old);
        b.check(b.compare('lt', old, b.int(6)), 'too many');
      },
    };
    expect(run(spec, [[0]], { print: (t) => void lines.push(t) })[0]).toEqual([8]);
    expect(lines).toEqual(['old 0', 'old 2', 'old 4', 'old 6']);
    expect(() => run(spec, [[0]], { checked: true })).toThrow('too many');
  });
  test('all widths of elements', () => {
    const half = apply([{ dtype: 'bf16', shape: [2], data: [1.00390625, 3] }], (b, [x]) =>
      b.scalar('add', x, x),
    );
    expect(half.data).toEqual([2, 6]);
    expect(
      apply([{ dtype: 'i64', shape: [1], data: [2n ** 62n] }], (b, [x]) => b.scalar('add', x, x))
        .data,
    ).toEqual([-(2 ** 63)]);
    expect(apply([f32([1], [1])], (b, [x]) => b.bitcast(x, 'i32')).data).toEqual([0x3f800000]);
    expect(
      apply([{ dtype: 'bool', shape: [3], data: [true, false, true] }], (b, [x]) =>
        b.reduce(x, 'add', [0]),
      ).data,
    ).toEqual([1]);
    expect(apply([f32([2], [300.7, NaN])], (b, [x]) => b.cast(x, 'u8')).data).toEqual([255, 0]);
  });
});
