// The same operation in other dtypes: f16 and bf16 give their own dtype and f64's values up to their precision, also for gradients; results
// of integer operations are the same in every integer dtype that holds them.
import { describe, expect, test } from 'vitest';
import { withConfig } from '../../core/config.ts';
import { isInexact, type DType } from '../../core/dtype.ts';
import type { Value } from '../../core/value.ts';
import * as lax from '../../lax/index.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { cases } from '../cases/index.ts';
import { differentiable, expectClose, flatOf, numbersOf, argumentsOf, arrayOf } from './harness.ts';

const precision = { f16: 2 ** -11, bf16: 2 ** -8, f32: 2 ** -24 } as const;
/** Conditioning of the cases: how many roundings of the arguments and steps a result may show. */
const roundings = 60;

const continuous = cases.filter(
  (c) =>
    differentiable(c).length > 0 && c.limits?.jvp === undefined && !/^(lt|gt|argmax)/.test(c.name),
);

for (const dtype of ['f16', 'bf16', 'f32'] as const)
  describe(`${dtype} ≈ f64`, () => {
    for (const c of continuous)
      test(c.name, () => {
        withConfig({ enableX64: true }, () => {
          const at = differentiable(c);
          const gradients = (float: DType): readonly (readonly Value[])[] => {
            // Both dtypes get the arguments that the narrow one holds.
            const narrow = argumentsOf(c, dtype);
            const args = narrow.map((x) =>
              isInexact(x.dtype) ? arrayOf(numbersOf(x), x.shape, float) : x,
            );
            const f = (vs: readonly Value[]): readonly Value[] =>
              flatOf(c)(args.map((x, i) => (at.includes(i) ? vs[at.indexOf(i)] : x))).filter(
                (out) => isInexact(out.dtype),
              );
            const { outs, pullback } = vjpFlat(
              f,
              at.map((i) => args[i]),
            );
            const cts = pullback(outs.map((out) => lax.onesLike(out)));
            return [outs, cts.map((t, i) => t ?? lax.zerosLike(args[at[i]]))];
          };
          const [narrow, wide] = [gradients(dtype), gradients('f64')];
          const eps = roundings * precision[dtype];
          narrow.forEach((values, kind) =>
            values.forEach((x, i) => {
              const wanted = wide[kind][i];
              if (wanted.dtype === 'f64') expect(x.dtype, `${c.name}: dtype`).toBe(dtype);
              const scale = Math.max(1, ...numbersOf(wanted).map(Math.abs).filter(Number.isFinite));
              expectClose(numbersOf(x), numbersOf(wanted), {
                rtol: eps,
                atol: eps * scale,
                what: `${c.name} (${kind === 0 ? 'value' : 'gradient'})`,
              });
            }),
          );
        });
      });
  });

describe('integer dtypes', () => {
  const values = [1, 7, 3, 0, 11, 5];
  const others = [2, 3, 3, 1, 5, 7];
  const operations: Readonly<Record<string, (x: Value, y: Value) => Value>> = {
    add: lax.add,
    mul: lax.mul,
    div: lax.div,
    rem: lax.rem,
    max: lax.max,
    min: lax.min,
    and: lax.and,
    or: lax.or,
    xor: lax.xor,
    shiftLeft: (x) => lax.shiftLeft(x, 1),
    shiftRight: (x) => lax.shiftRightLogical(x, 1),
    eq: lax.eq,
    lt: lax.lt,
    sum: (x) => lax.reduceSum(x),
    prod: (x) => lax.reduceSum(lax.cumsum(x)),
    dot: (x, y) => lax.dot(x, y),
    sort: (x) => lax.sort(x),
    power: (x) => lax.integerPow(x, 2),
    sign: (x) => lax.sign(x),
    bits: (x) => lax.populationCount(x),
    max2: (x) => lax.reduceMax(x),
    clamp: (x) => lax.clamp(2, x, 6),
    select: (x, y) => lax.select(lax.lt(x, y), x, y),
    float: (x) => lax.convertElementType(x, 'f32'),
    slice: (x) => lax.dynamicSlice(x, [lax.full([], 2, 'i32')], [3]),
    at: (x) => lax.dynamicIndexInDim(x, lax.convertElementType(2, x.dtype)),
  };
  for (const [name, f] of Object.entries(operations))
    test(name, () => {
      withConfig({ enableX64: true }, () => {
        const run = (dtype: DType): number[] =>
          numbersOf(f(arrayOf(values, [6], dtype), arrayOf(others, [6], dtype)));
        for (const dtype of ['i8', 'u8', 'i16', 'u16', 'u32', 'i64', 'u64'] as const)
          expect(run(dtype), dtype).toEqual(run('i32'));
      });
    });
});
