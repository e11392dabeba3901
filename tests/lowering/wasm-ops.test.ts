import { describe, test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { dtypes, kindOf } from '../../core/dtype.ts';
import { encode } from '../../core/host.ts';
import type { ScalarFn } from '../../lowering/scalar.ts';
import { scalarInfo } from '../../lowering/scalar.ts';
import { specialPairs } from './special-pairs.ts';
import { compare, tileKernel } from './wasm-run.ts';

const real = dtypes.filter((dtype) => kindOf(dtype) !== 'complex');

const natives = (Object.keys(scalarInfo) as ScalarFn[]).filter(
  (fn) => scalarInfo[fn].native || fn === 'rem' || fn === 'pow',
);

describe('scalar functions on special values', () => {
  for (const dtype of real)
    for (const fn of natives) {
      const { arity, takes, native } = scalarInfo[fn];
      if (!takes.includes(kindOf(dtype)) || (!native && kindOf(dtype) === 'float')) continue;
      test(`${fn} ${dtype}`, () => {
        const data = specialPairs(dtype, true);
        const n = data[0].length / (dtype === 'bool' ? 1 : elementBytes(dtype));
        const inputs = Array.from({ length: arity }, () => [dtype, [n]] as const);
        const kernel = tileKernel(`${fn}_${dtype}`, inputs, (b, xs) => [b.scalar(fn, ...xs)]);
        // Multiply and add may round once or twice.
        const tolerance = fn === 'fma' ? { absolute: 1e-6, relative: 1e-2 } : undefined;
        compare(kernel, { data: data.slice(0, arity), ...(tolerance && { tolerance }) });
      });
    }
});

const elementBytes = (dtype: DType): number =>
  encode(
    [0].map((x) => (dtype === 'i64' || dtype === 'u64' ? BigInt(x) : x)),
    dtype,
  ).length;

describe('conversions', () => {
  for (const from of real)
    for (const to of real)
      test(`${from} to ${to}`, () => {
        const [data] = specialPairs(from, true);
        const n = data.length / elementBytes(from);
        compare(
          tileKernel('cast', [[from, [n]]], (b, [x]) => [b.cast(x, to)]),
          { data: [data] },
        );
      });
});

describe('views', () => {
  const f32 = (shape: number[]) => ['f32', shape] as const;
  test('transpose', () => {
    for (const shape of [
      [3, 5],
      [4, 4],
      [17, 33],
      [64, 64],
    ])
      compare(tileKernel('transpose', [f32(shape)], (b, [x]) => [b.transpose(x, [1, 0])]));
    compare(tileKernel('transpose', [f32([3, 5, 7])], (b, [x]) => [b.transpose(x, [2, 0, 1])]));
    compare(
      tileKernel('transpose', [f32([3, 16, 20])], (b, [x]) => [
        b.transpose(b.scalar('add', x, x), [0, 2, 1]),
      ]),
    );
  });
  test('slice, rev, broadcast', () => {
    compare(
      tileKernel('slice', [f32([9, 21])], (b, [x]) => [
        b.slice(x, [1, 2], [8, 20]),
        b.slice(x, [0, 1], [9, 21], [2, 3]),
      ]),
    );
    compare(
      tileKernel('rev', [f32([9, 21])], (b, [x]) => [
        b.rev(x, [1]),
        b.rev(x, [0]),
        b.rev(x, [0, 1]),
      ]),
    );
    compare(
      tileKernel('broadcast', [f32([9, 1]), f32([1, 21]), f32([21])], (b, [x, y, z]) => [
        b.scalar('add', b.broadcast(x, [9, 21]), b.broadcast(y, [9, 21])),
        b.scalar('mul', b.broadcast(z, [9, 21]), b.broadcast(x, [9, 21])),
        b.broadcast(z, [2, 21, 3], [1]),
      ]),
    );
  });
  test('reshape', () => {
    compare(
      tileKernel('reshape', [f32([6, 20])], (b, [x]) => [
        b.reshape(x, [120]),
        b.reshape(x, [2, 3, 4, 5]),
        b.reshape(x, [5, 24]),
        b.reshape(b.scalar('neg', x), [120]),
        b.reshape(b.scalar('neg', x), [24, 5]),
        b.scalar('add', b.reshape(b.transpose(x, [1, 0]), [120]), b.reshape(x, [120])),
        b.reshape(x, [6, 1, 20, 1]),
      ]),
    );
  });
  test('concat and pad', () => {
    compare(
      tileKernel('concat', [f32([3, 5]), f32([3, 4])], (b, [x, y]) => [
        b.concat([x, y, x], 1),
        b.scalar('add', b.concat([x, x], 0), b.concat([x, x], 0)),
      ]),
    );
    compare(
      tileKernel('pad', [f32([5, 6]), f32([])], (b, [x, v]) => [
        b.pad(x, v, [1, 2], [0, 3]),
        b.pad(x, v, [0, 0], [2, 1], [1, 2]),
        b.pad(x, v, [-1, -2], [1, -1]),
        b.pad(x, v, [-1, 1], [0, -3], [2, 1]),
      ]),
    );
  });
  test('iota', () => {
    for (const dtype of ['f32', 'i32', 'u8', 'f16', 'i64', 'f64'] as const)
      compare(tileKernel('iota', [], (b) => [b.iota(dtype, [3, 7], 1), b.iota(dtype, [3, 7], 0)]));
  });
});
