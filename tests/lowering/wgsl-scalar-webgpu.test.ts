// Scalar functions and conversions as WGSL on special values against the interpreter.
import { describe, test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo, dtypes, kindOf } from '../../core/dtype.ts';
import { scalarInfo, type ScalarFn } from '../../lowering/scalar.ts';
import { specialPairs } from './special-pairs.ts';
import { compare } from './wgsl-run.ts';
import { tileKernel } from './wasm-run.ts';

const types = dtypes.filter((dtype) => kindOf(dtype) !== 'complex' && dtypeInfo[dtype].bits <= 32);

const fns = Object.keys(scalarInfo) as ScalarFn[];
const accuracy = (dtype: DType, fn: ScalarFn): { absolute: number; relative: number } => {
  if (kindOf(dtype) !== 'float') return { absolute: 0, relative: 0 };
  const unit = dtype === 'f32' ? 2 ** -23 : dtype === 'f16' ? 2 ** -10 : 2 ** -7;
  // Sines of large arguments and what is built of them lose accuracy where the driver reassociates the reduction.
  return {
    absolute: dtype === 'f32' ? 2e-7 : unit * 0.01,
    relative: unit * (scalarInfo[fn].native ? 4 : 16),
  };
};

describe('scalar functions', () => {
  for (const dtype of types)
    test(dtype, async () => {
      for (const fn of fns) {
        const { arity, takes } = scalarInfo[fn];
        if (!takes.includes(kindOf(dtype))) continue;
        const data = specialPairs(dtype, false);
        const n = data[0].length / dtypeInfo[dtype].byteLength;
        const inputs = Array.from({ length: arity }, () => [dtype, [n]] as const);
        await compare(
          tileKernel(`${fn}_${dtype}`, inputs, (b, xs) => [b.scalar(fn, ...xs)]),
          {
            data: data.slice(0, arity),
            only: ['fallback'],
            tolerance: accuracy(dtype, fn),
          },
        );
      }
    });
});

describe('conversions', () => {
  for (const from of types)
    test(from, async () => {
      const [data] = specialPairs(from, false);
      const n = data.length / dtypeInfo[from].byteLength;
      for (const to of types)
        await compare(
          tileKernel(`${from}_to_${to}`, [[from, [n]]], (b, [x]) => [b.cast(x, to)]),
          {
            data: [data],
            only: ['fallback'],
            tolerance: { absolute: 0, relative: 1e-9 },
          },
        );
    });
});

test('bit casts', async () => {
  const groups: DType[][] = [
    ['i32', 'u32'],
    ['i16', 'u16'],
    ['i8', 'u8'],
  ];
  for (const group of groups)
    for (const from of group)
      for (const to of group) {
        const [data] = specialPairs(from, false);
        await compare(
          tileKernel('bits', [[from, [data.length / dtypeInfo[from].byteLength]]], (b, [x]) => [
            b.bitcast(x, to),
          ]),
          { data: [data], only: ['fallback'] },
        );
      }
});
