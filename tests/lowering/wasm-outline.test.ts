import { describe, expect, test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { encode } from '../../core/host.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Shape } from '../../core/shape.ts';
import { expansions } from '../../lowering/math.ts';
import type { ExpandedFn } from '../../lowering/math.ts';
import { scalarInfo } from '../../lowering/scalar.ts';
import { emitWasm } from '../../lowering/wasm/emit.ts';
import { allFeatures, plain, runWasm, tileKernel } from './wasm-run.ts';

const specials = [0, -0, 1, -1, 0.5, 2.5, -7.25, NaN, Infinity, -Infinity, 1e-40, 40000, -1e30, 88];
const uses = 8;

/** A kernel whose output i is a function of the inputs 2i and 2i + 1. */
const kernelOf = (fn: ExpandedFn, dtype: DType, shape: Shape, count: number) =>
  tileKernel(
    fn,
    Array.from({ length: 2 * count }, () => [dtype, shape] as const),
    (b, xs) =>
      Array.from({ length: count }, (_, i) =>
        b.scalar(fn, ...xs.slice(2 * i, 2 * i + scalarInfo[fn].arity)),
      ),
  );

const inputOf = (dtype: DType, shape: Shape, seed: number): Uint8Array =>
  new Uint8Array(
    encode(
      Array.from(
        { length: sizeOf(shape) },
        (_, i) => specials[(i * (seed + 1) + seed) % specials.length],
      ),
      dtype,
    ),
  );

const names = Object.keys(expansions) as ExpandedFn[];

describe('functions that a kernel holds many times give the bits of functions in place', () => {
  for (const [dtype, shape] of [
    ['f32', [37]],
    ['f32', []],
    ['f16', [5]],
    ['bf16', [6]],
  ] as const)
    test(`${dtype}[${shape.join()}]`, () => {
      const bytes = (sizeOf(shape) * dtypeInfo[dtype].bits) / 8;
      const inputs = Array.from({ length: 2 * uses }, (_, i) => inputOf(dtype, shape, i));
      for (const fn of names)
        for (const features of allFeatures) {
          const outputs = Array.from({ length: uses }, () => new Uint8Array(bytes));
          runWasm(kernelOf(fn, dtype, shape, uses), [...inputs, ...outputs], features);
          outputs.forEach((called, i) => {
            const inPlace = new Uint8Array(bytes);
            const pair = inputs.slice(2 * i, 2 * i + 2);
            runWasm(kernelOf(fn, dtype, shape, 1), [...pair, inPlace], features);
            expect([...called], `${fn} of use ${i}`).toEqual([...inPlace]);
          });
        }
    });

  test('the code grows with the functions, not with their uses', () => {
    for (const fn of ['sin', 'erfInv', 'pow'] as const) {
      const size = (count: number): number =>
        emitWasm(kernelOf(fn, 'f32', [64], count), plain).bytes.length;
      expect(size(14)).toBeLessThan(1.5 * size(7));
    }
  });
});
