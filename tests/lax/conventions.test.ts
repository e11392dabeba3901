// What happens at kinks, ties, poles and in empty arrays: the conventions of JAX, one by one.
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import type { DType } from '../../core/dtype.ts';
import { withConfig } from '../../core/config.ts';
import * as lax from '../../lax/index.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { arrayOf, numbersOf } from '../laws/harness.ts';

const f32 = (values: readonly number[], shape: readonly number[] = [values.length]): Value =>
  arrayOf(values, shape, 'f32');
const ints = (values: readonly number[], dtype: DType = 'i32'): Value =>
  arrayOf(values, [values.length], dtype);

/** The gradient of the sum of an elementwise function. */
function gradient(f: (...xs: Value[]) => Value, ...args: readonly number[][]): number[][] {
  const xs = args.map((values) => f32(values));
  const { outs, pullback } = vjpFlat((vs) => [lax.reduceSum(f(...vs))], xs);
  return pullback(outs.map(() => lax.full([], 1, 'f32'))).map((t, i) =>
    t === null ? numbersOf(lax.zerosLike(xs[i])) : numbersOf(t),
  );
}

describe('derivatives at kinks and ties', () => {
  test('max and min share ties', () => {
    expect(gradient((x, y) => lax.max(x, y), [1, 0, 2], [1, 1, 1])).toEqual([
      [0.5, 0, 1],
      [0.5, 1, 0],
    ]);
    expect(gradient((x, y) => lax.min(x, y), [1, 0, 2], [1, 1, 1])).toEqual([
      [0.5, 1, 0],
      [0.5, 0, 1],
    ]);
  });
  test('reduceMax shares ties equally', () => {
    expect(gradient((x) => lax.reduceMax(x), [2, 2, 1, 2])[0].map((v) => Math.fround(v))).toEqual(
      [1, 1, 0, 1].map((v) => Math.fround(v / 3)),
    );
  });
  test('abs at 0 is +1, sign and rounding are 0', () => {
    expect(gradient(lax.abs, [0, -1, 1])).toEqual([[1, -1, 1]]);
    for (const f of [lax.sign, lax.floor, lax.ceil, (x: Value) => lax.round(x)])
      expect(gradient(f, [0.4])).toEqual([[0]]);
  });
  test('clamp: strictly inside', () => {
    expect(gradient((x) => lax.clamp(0, x, 1), [-1, 0, 0.5, 1, 2])).toEqual([[0, 0, 1, 0, 0]]);
    expect(gradient((lo, x, hi) => lax.clamp(lo, x, hi), [0, 0, 0], [-1, 0, 2], [1, 1, 1])).toEqual(
      [
        [1, 0, 0],
        [0, 0, 0],
        [0, 0, 1],
      ],
    );
  });
  test('poles', () => {
    expect(gradient(lax.sqrt, [0])).toEqual([[Infinity]]);
    expect(gradient(lax.rsqrt, [0])).toEqual([[-Infinity]]);
    expect(gradient(lax.cbrt, [0])).toEqual([[Infinity]]);
    expect(gradient((x) => lax.integerPow(x, -1), [0])).toEqual([[-Infinity]]);
    expect(gradient(lax.atan2, [0], [0])).toEqual([[Number.NaN], [Number.NaN]]);
  });
  test('pow', () => {
    // by the base: y x^(y-1) unguarded; by the exponent: log 0 counts as 0
    expect(gradient(lax.pow, [0, 0, -2], [0, 2, 2])).toEqual([
      [Number.NaN, 0, -4],
      [0, 0, Number.NaN],
    ]);
    const whole = gradient((x) => lax.pow(x, ints([0, 1, 3])), [0, 0, 2]);
    expect(whole).toEqual([[0, 1, 12]]);
    expect(gradient((x) => lax.integerPow(x, 0), [0])).toEqual([[0]]);
  });
  test('rem by the divisor truncates', () => {
    expect(gradient(lax.rem, [5, -5], [3, 3])).toEqual([
      [1, 1],
      [-1, 1],
    ]);
  });
  test('prod and cumprod with zeros are exact', () => {
    expect(gradient((x) => lax.reduceProd(x), [0, 2, 3])).toEqual([[6, 0, 0]]);
    expect(gradient((x) => lax.reduceProd(x), [0, 0, 3])).toEqual([[0, 0, 0]]);
    expect(gradient((x) => lax.cumprod(x), [0, 2, 3])).toEqual([[9, 0, 0]]);
  });
  test('cummax splits at pairwise ties', () => {
    expect(gradient((x) => lax.cummax(x), [1, 1, 0])).toEqual([[2, 1, 0]]);
  });
  test('where differentiates both branches', () => {
    const f = (x: Value): Value => lax.select(lax.gt(x, 0), lax.sqrt(x), lax.zerosLike(x));
    expect(gradient(f, [0])).toEqual([[Number.NaN]]);
  });
  test('sort routes by the stable permutation', () => {
    const weights = f32([1, 10, 100]);
    expect(gradient((x) => lax.mul(lax.sort(x), weights), [2, 1, 1])).toEqual([[100, 1, 10]]);
  });
  test('overlapping scatter: only the last update counts', () => {
    const dims = { updateWindowDims: [], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };
    const at = lax.reshape(ints([1, 1, 5]), [3, 1]);
    expect(gradient((x, u) => lax.scatter(x, at, u, dims), [1, 2, 3], [4, 5, 6])).toEqual([
      [1, 0, 1],
      [0, 1, 0],
    ]);
  });
});

describe('values at the edges', () => {
  test('NaN passes through extrema', () => {
    expect(numbersOf(lax.max(f32([Number.NaN, 1]), f32([1, Number.NaN])))).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
    expect(numbersOf(lax.reduceMin(f32([1, Number.NaN, 0])))).toEqual([Number.NaN]);
    expect(numbersOf(lax.cummax(f32([1, Number.NaN, 3])))).toEqual([1, Number.NaN, Number.NaN]);
  });
  test('argmax finds the first NaN, then the first extremum', () => {
    expect(numbersOf(lax.argmax(f32([1, Number.NaN, 9, Number.NaN]), 0))).toEqual([1]);
    expect(numbersOf(lax.argmin(f32([2, 1, 1]), 0))).toEqual([1]);
    expect(numbersOf(lax.argmax(f32([-Infinity, -Infinity]), 0))).toEqual([0]);
  });
  test('integer division', () => {
    expect(numbersOf(lax.div(ints([7, -7, 5]), ints([2, 2, 0])))).toEqual([3, -3, -1]);
    expect(numbersOf(lax.rem(ints([7, -7, 5]), ints([2, 2, 0])))).toEqual([1, -1, 5]);
  });
  test('sorting puts NaN last and keeps the order of equals', () => {
    expect(numbersOf(lax.sort(f32([Number.NaN, 1, -Infinity, 0])))).toEqual([
      -Infinity,
      0,
      1,
      Number.NaN,
    ]);
    const [, order] = lax.sortMany([f32([1, 0, 1, 0, -0]), ints([0, 1, 2, 3, 4])]);
    expect(numbersOf(order)).toEqual([1, 3, 4, 0, 2]);
  });
  test('empty reductions give the neutral element', () => {
    const empty = f32([], [0]);
    expect(
      [
        lax.reduceSum(empty),
        lax.reduceProd(empty),
        lax.reduceMax(empty),
        lax.reduceMin(empty),
      ].flatMap(numbersOf),
    ).toEqual([0, 1, -Infinity, Infinity]);
    expect(numbersOf(lax.reduceMax(arrayOf([], [0], 'i32')))).toEqual([-2147483648]);
    expect(numbersOf(lax.dot(f32([], [2, 0]), f32([], [0, 2])))).toEqual([0, 0, 0, 0]);
  });
  test('gather out of bounds', () => {
    const dims = { offsetDims: [], collapsedSliceDims: [0], startIndexMap: [0] };
    const at = lax.reshape(ints([-1, 0, 2, 3]), [4, 1]);
    expect(numbersOf(lax.gather(f32([1, 2, 3]), at, dims, [1], { mode: 'fill' }))).toEqual([
      Number.NaN,
      1,
      3,
      Number.NaN,
    ]);
    expect(numbersOf(lax.gather(ints([1, 2, 3]), at, dims, [1], { mode: 'fill' }))).toEqual([
      -2147483648, 1, 3, -2147483648,
    ]);
    expect(numbersOf(lax.gather(f32([1, 2, 3]), at, dims, [1], { mode: 'clip' }))).toEqual([
      1, 1, 3, 3,
    ]);
  });
  test('dynamicSlice: negative starts count from the end, then move inside', () => {
    const x = ints([0, 1, 2, 3, 4]);
    const at = (n: number): number[] =>
      numbersOf(lax.dynamicSlice(x, [lax.full([], n, 'i32')], [2]));
    expect([at(-2), at(-9), at(4), at(1)]).toEqual([
      [3, 4],
      [0, 1],
      [3, 4],
      [1, 2],
    ]);
  });
  test('starts that are no list are refused', () => {
    const starts: unknown = ints([1]);
    for (const f of [lax.dynamicSlice, lax.dynamicUpdateSlice] as ((...args: unknown[]) => Value)[])
      expect(() => f(ints([0, 1, 2]), starts, starts)).toThrow(
        'starts must be a list of numbers or scalars; got i32[1]. Put it in brackets.',
      );
  });
  test('operands of two dtypes are contracted in their common one, as in JAX', () => {
    const of = (a: DType, b: DType, preferredElementType?: DType): Value =>
      lax.dotGeneral(
        lax.full([2, 3], 1, a),
        lax.full([3], 1, b),
        [
          [[1], [0]],
          [[], []],
        ],
        preferredElementType === undefined ? {} : { preferredElementType },
      );
    expect(String(of('f32', 'i32'))).toBe('[3. 3.]');
    expect(of('bf16', 'f32').dtype).toBe('f32');
    expect(of('i8', 'f32').dtype).toBe('f32');
    expect(of('bool', 'f32').dtype).toBe('f32');
    expect(of('u8', 'i8', 'i32').dtype).toBe('i32');
    expect(of('f32', 'f32', 'bf16').dtype).toBe('bf16');
  });

  test('JavaScript integers of 32 bits wrap around, as integers do', () => {
    for (const dtype of ['i32', 'u8', 'i8', 'u32', 'i16', 'bool'] as const)
      for (const v of [300, -1, -129, 128, 65_536, 2 ** 31 - 1, -0])
        expect(numbersOf(lax.convertElementType(v, dtype)), `${v} as ${dtype}`).toEqual(
          numbersOf(lax.convertElementType(ints([v]), dtype)),
        );
    expect(lax.convertElementType(300n, 'u8').item()).toBe(44);
  });
  test('JavaScript scalars convert as arrays do', () => {
    for (const dtype of ['i32', 'u8', 'i8', 'u32', 'bool', 'f16'] as const)
      for (const v of [2.7, -2.7, 1e12, -1e12, Number.NaN, Infinity, 0])
        expect(numbersOf(lax.convertElementType(v, dtype)), `${v} as ${dtype}`).toEqual(
          numbersOf(lax.convertElementType(f32([v]), dtype)),
        );
  });
});

describe('weak types', () => {
  const weak = (x: Value): boolean => x.weakType;
  test('a result is weak exactly when all array operands are', () => {
    const strong = f32([1]);
    const one = lax.full([], 1);
    expect([lax.sin(1), lax.add(1, 2), lax.mul(one, one)].map(weak)).toEqual([true, true, true]);
    expect([lax.add(strong, 1), lax.select(true, one, lax.full([], 1, 'f32'))].map(weak)).toEqual([
      false,
      false,
    ]);
    expect([lax.lt(1, 2), lax.isFinite(1)].map(weak)).toEqual([false, false]);
    expect(
      [
        lax.reshape(lax.full([2], 1), [1, 2]),
        lax.reduceSum(lax.full([2], 1)),
        lax.fullLike(one, 3),
      ].map(weak),
    ).toEqual([true, true, true]);
  });
  test('numbers adopt the dtype beside them', () => {
    expect(lax.add(ints([1], 'u8'), 3).dtype).toBe('u8');
    expect(lax.mul(2, arrayOf([1], [1], 'bf16')).dtype).toBe('bf16');
    expect(lax.add(1n, 2).dtype).toBe('i32');
    withConfig({ enableX64: true }, () => {
      expect(lax.add(1, 2).dtype).toBe('f64');
      expect(numbersOf(lax.add(arrayOf([1], [1], 'i64'), 2n))).toEqual([3]);
    });
  });
});

describe('random bits are those of JAX', () => {
  const key = (): Value => lax.full([2], 0, 'u32');
  test('known answers of the cipher', () => {
    const words = (...xs: number[]): number[] =>
      lax
        .threefry2x32(...(xs.map((v) => lax.full([], v, 'u32')) as [Value, Value, Value, Value]))
        .flatMap(numbersOf);
    expect(words(0, 0, 0, 0)).toEqual([0x6b200159, 0x99ba4efe]);
    expect(words(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)).toEqual([0x1cb996fc, 0xbb002be7]);
    expect(words(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)).toEqual([0xc4923a9c, 0x483df7a0]);
  });
  test('split, fold in, bits of key 0', () => {
    expect(numbersOf(lax.randomSplit(key(), [2]))).toEqual([
      1797259609, 2579123966, 928981903, 3453687069,
    ]);
    expect(numbersOf(lax.randomFoldIn(key(), 1))).toEqual([928981903, 3453687069]);
    expect(numbersOf(lax.randomBits(key(), 32, [4]))).toEqual([
      4070199207, 4202968722, 1427181096, 2012915765,
    ]);
    expect(numbersOf(lax.randomBits(key(), 8, [2, 2]))).toEqual(
      [4070199207, 4202968722, 1427181096, 2012915765].map((v) => v & 0xff),
    );
    withConfig({ enableX64: true }, () => {
      const [wide] = numbersOf(lax.shiftRightLogical(lax.randomBits(key(), 64, [1]), 32));
      expect(wide).toBe(1797259609);
    });
  });
});
