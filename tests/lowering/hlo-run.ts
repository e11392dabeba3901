/** Runs small StableHLO programs in every way that must agree: as built, and after its text was parsed. */
import { expect } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import type { Shape } from '../../core/shape.ts';
import type { HloBuilder } from '../../lowering/hlo/build.ts';
import { interpretModule, type HostTensor } from '../../lowering/hlo/interpret.ts';
import type { HloValue } from '../../lowering/hlo/ir.ts';
import { buildModule } from '../../lowering/hlo/module.ts';
import { parseModule } from '../../lowering/hlo/parse.ts';
import { verifyModule } from '../../lowering/hlo/verify.ts';
import { allocateElements } from '../../lowering/scalar-array.ts';

/** Values, shape and dtype of an input. */
export type Given = readonly [values: readonly number[], shape?: Shape, dtype?: DType];

/** A tensor of numbers. */
export function tensor([values, shape = [values.length], dtype = 'f32']: Given): HostTensor {
  const data = allocateElements(
    dtype,
    dtype.startsWith('complex') ? values.length / 2 : values.length,
  );
  const isBig = dtype === 'i64' || dtype === 'u64';
  values.forEach((v, i) => ((data as unknown as (number | bigint)[])[i] = isBig ? BigInt(v) : v));
  return { type: { shape, dtype }, data };
}

/** Build, verify, cross the text, and run; values and shape of each result. */
export function run(
  inputs: readonly Given[],
  body: (b: HloBuilder, ...xs: HloValue[]) => HloValue | readonly HloValue[],
): [values: number[], shape: Shape][] {
  const tensors = inputs.map(tensor);
  const module = buildModule('m', (m) => {
    m.addFunction(
      'main',
      tensors.map((t) => t.type),
      'public',
      (b, xs) => {
        const result = body(b, ...xs);
        return Array.isArray(result) ? (result as readonly HloValue[]) : [result as HloValue];
      },
    );
  });
  verifyModule(module);
  const parsed = parseModule(module.toString());
  verifyModule(parsed);
  expect(parsed.toString()).toBe(module.toString());
  const [mine, again] = [interpretModule(module, tensors), interpretModule(parsed, tensors)];
  expect(again).toEqual(mine);
  return mine.map((t) => [Array.from(t.data as ArrayLike<number>, Number), t.type.shape]);
}

/** 0, 1, …, n − 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** 0 … 5 in two rows. */
export const x23: Given = [range(6), [2, 3]];
