/** Structural ops and reductions of StableHLO on hand-made values. Scalar functions: scalar-meaning.test.ts; whole programs: tests/parity. */
import { describe, expect, test } from 'vitest';
import type { Shape } from '../../core/shape.ts';
import type { HloBuilder } from '../../lowering/hlo/build.ts';
import { interpretModule } from '../../lowering/hlo/interpret.ts';
import type { HloValue } from '../../lowering/hlo/ir.ts';
import { buildModule } from '../../lowering/hlo/module.ts';
import { parseModule } from '../../lowering/hlo/parse.ts';
import { elementsFromBytes, elementsToBytes } from '../../lowering/scalar-array.ts';
import { range, run, tensor, x23, type Given } from './hlo-run.ts';

describe('moving elements', () => {
  test.each<[string, Given[], (b: HloBuilder, ...xs: HloValue[]) => HloValue, number[], Shape]>([
    [
      'broadcast of a new and a unit axis',
      [
        [
          [1, 2],
          [2, 1],
        ],
      ],
      (b, x) => b.broadcastInDim(x, [2, 2, 3], [1, 2]),
      [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2],
      [2, 2, 3],
    ],
    [
      'broadcast with permuted axes',
      [x23],
      (b, x) => b.broadcastInDim(x, [3, 2], [1, 0]),
      [0, 3, 1, 4, 2, 5],
      [3, 2],
    ],
    ['transpose', [x23], (b, x) => b.transpose(x, [1, 0]), [0, 3, 1, 4, 2, 5], [3, 2]],
    ['reverse of two axes', [x23], (b, x) => b.reverse(x, [0, 1]), [5, 4, 3, 2, 1, 0], [2, 3]],
    [
      'concatenate',
      [
        x23,
        [
          [9, 8],
          [2, 1],
        ],
      ],
      (b, x, y) => b.concatenate([x, y, x], 1),
      [0, 1, 2, 9, 0, 1, 2, 3, 4, 5, 8, 3, 4, 5],
      [2, 7],
    ],
    [
      'concatenate with an empty operand',
      [x23, [[], [0, 3]]],
      (b, x, y) => b.concatenate([y, x], 0),
      range(6),
      [2, 3],
    ],
    [
      'slice with strides',
      [[range(20), [4, 5]]],
      (b, x) => b.slice(x, [1, 0], [4, 5], [2, 3]),
      [5, 8, 15, 18],
      [2, 2],
    ],
    [
      'pad with interior',
      [[[1, 2]]],
      (b, x) => b.pad(x, b.constant(-1, 'f32'), [1], [2], [2]),
      [-1, 1, -1, -1, 2, -1, -1],
      [7],
    ],
    [
      'pad that cuts',
      [[range(6), [6]]],
      (b, x) => b.pad(x, b.constant(9, 'f32'), [-2], [-1]),
      [2, 3, 4],
      [3],
    ],
    [
      'pad that cuts between',
      [[[1, 2, 3]]],
      (b, x) => b.pad(x, b.constant(0, 'f32'), [-1], [1], [1]),
      [0, 2, 0, 3, 0],
      [5],
    ],
    [
      'pad that cuts everything',
      [[[1, 2, 3]]],
      (b, x) => b.pad(x, b.constant(7, 'f32'), [-3], [2]),
      [7, 7],
      [2],
    ],
    ['reshape to rank 0', [[[5], [1, 1]]], (b, x) => b.reshape(x, []), [5], []],
    ['iota', [], (b) => b.iota('f32', [2, 3], 1), [0, 1, 2, 0, 1, 2], [2, 3]],
    ['iota wraps', [], (b) => b.iota('u8', [258], 0), [...range(256), 0, 1], [258]],
    [
      'dynamic_slice clamps',
      [x23, [[5], [], 'i32'], [[-3], [], 'i32']],
      (b, x, i, j) => b.dynamicSlice(x, [i, j], [1, 2]),
      [3, 4],
      [1, 2],
    ],
    [
      'dynamic_update_slice clamps',
      [
        x23,
        [
          [8, 9],
          [1, 2],
        ],
        [[9], [], 'u32'],
      ],
      (b, x, u, i) => b.dynamicUpdateSlice(x, u, [i, i]),
      [0, 1, 2, 3, 8, 9],
      [2, 3],
    ],
    ['zero-size transpose', [[[], [0, 3]]], (b, x) => b.transpose(x, [1, 0]), [], [3, 0]],
    [
      'complex reverse',
      [[[1, 2, 3, 4], [2], 'complex64']],
      (b, x) => b.reverse(x, [0]),
      [3, 4, 1, 2],
      [2],
    ],
    [
      'select with a rank-0 predicate',
      [[[1], [], 'bool'], x23],
      (b, p, x) => b.select(p, x, b.scalar('neg', x)),
      range(6),
      [2, 3],
    ],
    [
      'select of complex',
      [
        [[0, 1], [2], 'bool'],
        [[1, 2, 3, 4], [2], 'complex64'],
      ],
      (b, p, x) => b.select(p, x, b.scalar('neg', x)),
      [-1, -2, 3, 4],
      [2],
    ],
    [
      'real and imag',
      [[[1, 2, 3, 4], [2], 'complex64']],
      (b, x) => b.complex(b.imag(x), b.real(x)),
      [2, 1, 4, 3],
      [2],
    ],
    [
      'bitcast to narrower',
      [[[1.5], [1]]],
      (b, x) => b.bitcastConvert(x, 'u16'),
      [0, 0x3fc0],
      [1, 2],
    ],
    [
      'bitcast to wider',
      [[[0, 0x3fc0], [1, 2], 'u16']],
      (b, x) => b.bitcastConvert(x, 'f32'),
      [1.5],
      [1],
    ],
    [
      'reduce_precision',
      [[[1 + 2 ** -11 + 2 ** -20, 70000, 1e-6, -0]]],
      (b, x) => b.reducePrecision(x, 5, 10),
      [1 + 2 ** -10, Infinity, 0, -0],
      [4],
    ],
    [
      'clamp with rank-0 bounds',
      [x23],
      (b, x) => b.scalar('clamp', b.constant(1, 'f32'), x, b.constant(3, 'f32')),
      [1, 1, 2, 3, 3, 3],
      [2, 3],
    ],
  ])('%s', (_, inputs, body, values, shape) => {
    expect(run(inputs, body)).toEqual([[values, shape]]);
  });
});

describe('reductions', () => {
  test('named combiners over any axes', () => {
    const x: Given = [
      [3, 1, 2, -1, 5, 4],
      [2, 3],
    ];
    expect(
      run([x], (b, v) => [
        b.reduce(v, 'add', [0]),
        b.reduce(v, 'max', [1]),
        b.reduce(v, 'min', [0, 1]),
        b.reduce(v, 'mul', []),
        b.reduce(v, 'add', [0, 1]),
      ]),
    ).toEqual([
      [[2, 6, 6], [3]],
      [[3, 5], [2]],
      [[-1], []],
      [
        [3, 1, 2, -1, 5, 4],
        [2, 3],
      ],
      [[14], []],
    ]);
  });

  test('identities of empty reductions, every combiner', () => {
    const empty: Given = [[], [0, 2], 'i32'];
    expect(
      run([empty, [[], [0, 2]], [[], [0, 2], 'bool']], (b, i, f, p) => [
        ...(['add', 'mul', 'max', 'min', 'and', 'or', 'xor'] as const).map((c) =>
          b.reduce(i, c, [0]),
        ),
        b.reduce(f, 'max', [0]),
        b.reduce(p, 'and', [0]),
        b.reduce(p, 'or', [0]),
      ]).map(([v]) => v[0]),
    ).toEqual([0, 1, -(2 ** 31), 2 ** 31 - 1, -1, 0, 0, -Infinity, 1, 0]);
  });

  test('float sums round once', () => {
    expect(run([[[2 ** 24, 1, 1, 1, 1, -(2 ** 24)]]], (b, x) => b.reduce(x, 'add', [0]))).toEqual([
      [[4], []],
    ]);
    const ones: Given = [new Array<number>(4096).fill(1), [4096], 'f16'];
    expect(run([ones], (b, x) => b.reduce(x, 'add', [0]))).toEqual([[[4096], []]]);
  });

  test('max and min keep NaN', () => {
    expect(
      run([[[1, NaN, 2]]], (b, x) => [b.reduce(x, 'max', [0]), b.reduce(x, 'min', [0])]),
    ).toEqual([
      [[NaN], []],
      [[NaN], []],
    ]);
  });

  test('regions over several inputs, and with ops that need the general interpreter', () => {
    const argmax = (b: HloBuilder, x: HloValue): readonly HloValue[] =>
      b.reduceRegion(
        [x, b.iota('i32', x.type.shape, 1)],
        [b.constant(-Infinity, 'f32'), b.constant(0, 'i32')],
        [1],
        (v, i, w, j) => {
          const better = b.compare('gt', w, v);
          return [b.select(better, w, v), b.select(better, j, i)];
        },
      );
    expect(
      run(
        [
          [
            [3, 9, 2, -1, -5, 4],
            [2, 3],
          ],
        ],
        argmax,
      ),
    ).toEqual([
      [[9, 4], [2]],
      [[1, 2], [2]],
    ]);
    const loop = (b: HloBuilder, x: HloValue): readonly HloValue[] =>
      b.reduceRegion([x], [b.constant(0, 'f32')], [0], (acc, v) =>
        b
          .while(
            [acc, v],
            (_, w) => b.compare('gt', w, b.constant(0, 'f32')),
            (a, w) => [b.scalar('add', a, w), b.scalar('sub', w, b.constant(1, 'f32'))],
          )
          .slice(0, 1),
      );
    expect(run([[[3, 2]]], loop)).toEqual([[[9], []]]);
  });

  test('windows: strides, dilations, padding, named and not', () => {
    const window = {
      dimensions: [2],
      strides: [2],
      baseDilations: [1],
      windowDilations: [2],
      padding: [[1, 1]],
    } as const;
    const x: Given = [[1, 2, 3, 4, 5]];
    // Padded: _ 1 2 3 4 5 _; windows start at 0, 2, 4 and take elements 2 apart.
    expect(run([x], (b, v) => b.reduceWindow([v], [b.constant(0, 'f32')], window, 'add'))).toEqual([
      [[2, 6, 4], [3]],
    ]);
    expect(
      run([x], (b, v) => b.reduceWindow([v], [b.constant(100, 'f32')], window, 'add')),
    ).toEqual([[[202, 106, 204], [3]]]);
    expect(
      run([x], (b, v) =>
        b.reduceWindow(
          [v],
          [b.constant(-1, 'f32')],
          { ...window, baseDilations: [2], windowDilations: [1] },
          (a, c) => [b.scalar('max', a, c)],
        ),
      ),
    ).toEqual([[[1, 2, 3, 4, 5], [5]]]);
  });

  test('select_and_scatter', () => {
    const window = {
      dimensions: [2],
      strides: [2],
      baseDilations: [1],
      windowDilations: [1],
      padding: [[0, 0]],
    } as const;
    expect(
      run([[[1, 5, 7, 7, 2, 1]], [[10, 20, 30]]], (b, x, s) =>
        b.selectAndScatter(
          x,
          s,
          b.constant(0, 'f32'),
          window,
          (p, q) => [b.compare('ge', p, q)],
          (p, q) => [b.scalar('add', p, q)],
        ),
      ),
    ).toEqual([[[0, 10, 20, 0, 30, 0], [6]]]);
  });

  test('sort is stable, along any axis, several operands, total order', () => {
    const byKey = (b: HloBuilder, k: HloValue, v: HloValue): HloValue[] =>
      b.sort([k, v], 0, (p, q) => b.compare('lt', p, q));
    expect(run([[[2, 1, 2, 1]], [range(4), [4], 'i32']], byKey)).toEqual([
      [[1, 1, 2, 2], [4]],
      [[1, 3, 0, 2], [4]],
    ]);
    expect(
      run([[[NaN, 0, -0, -1, -Infinity, -NaN, Infinity]]], (b, x) =>
        b.sort([x], 0, (p, q) => b.compare('lt', p, q, 'TOTALORDER')),
      )[0][0].slice(0, 4),
    ).toEqual([-Infinity, -1, -0, 0]);
    expect(
      run(
        [
          [
            [3, 1, 2, 4, 6, 5],
            [2, 3],
          ],
        ],
        (b, x) => b.sort([x], 0, (p, q) => b.compare('gt', p, q)),
      ),
    ).toEqual([
      [
        [4, 6, 5, 3, 1, 2],
        [2, 3],
      ],
    ]);
  });
});

test('64-bit constants and integers keep every bit', () => {
  const module = parseModule(
    'func.func @main() -> tensor<2xi64> {\n%c = stablehlo.constant dense<[9007199254740993, -9223372036854775808]> : tensor<2xi64>\nreturn %c : tensor<2xi64>\n}',
  );
  const [x] = interpretModule(module, []);
  expect(Array.from(x.data as BigInt64Array)).toEqual([9007199254740993n, -(2n ** 63n)]);
  expect(elementsFromBytes(elementsToBytes(x.data, 'i64'), 'i64')).toEqual(x.data);
});

test('errors: wrong inputs, unknown targets', () => {
  const module = buildModule('m', (m) =>
    m.addFunction('main', [{ shape: [2], dtype: 'f32' }], 'public', (b, [x]) =>
      b.customCall('secret', [x], [x.type]),
    ),
  );
  expect(() => interpretModule(module, [])).toThrow(
    "interpret: inputs must have the types of @main's arguments (tensor<2xf32>); got ().",
  );
  expect(() => interpretModule(module, [tensor([[1, 2]])])).toThrow(
    'custom_call: the interpreter has no target @secret. Use ops of StableHLO.',
  );
  expect(() => interpretModule(module, [], 'other')).toThrow(
    'interpret: the module has no function @other; got @main.',
  );
});
