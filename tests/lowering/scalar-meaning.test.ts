/** What scalar functions mean: corners of integers, floats, conversions, and accuracy against identities. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { conversion, meaning, type Element } from '../../lowering/scalar-meaning.ts';
import { erf, erfc, erfInv } from '../../lowering/scalar-real.ts';
import { roundF16, roundToFormat } from '../../lowering/scalar-round.ts';
import type { ScalarFn } from '../../lowering/scalar.ts';

const call = (fn: ScalarFn, dtype: DType, x: Element, y: Element = x, z: Element = x): Element =>
  meaning(fn, dtype)(x, y, z);
const min32 = -(2 ** 31);
const max32 = 2 ** 31 - 1;

describe('integers', () => {
  test.each<[ScalarFn, DType, Element[], Element]>([
    ['div', 'i32', [7, -2], -3],
    ['div', 'i32', [7, 0], -1],
    ['div', 'i32', [min32, -1], min32],
    ['div', 'u32', [7, 0], 2 ** 32 - 1],
    ['div', 'u8', [7, 0], 255],
    ['div', 'i64', [7n, 0n], -1n],
    ['div', 'u64', [7n, 0n], 2n ** 64n - 1n],
    ['div', 'i64', [-(2n ** 63n), -1n], -(2n ** 63n)],
    ['rem', 'i32', [-7, 2], -1],
    ['rem', 'i32', [-7, 0], -7],
    ['rem', 'i32', [min32, -1], 0],
    ['rem', 'i32', [-6, 3], 0],
    ['pow', 'i32', [2, -1], 0],
    ['pow', 'i32', [-1, -3], -1],
    ['pow', 'i32', [1, -3], 1],
    ['pow', 'i32', [3, 21], Number(BigInt.asIntN(32, 3n ** 21n))],
    ['pow', 'u8', [2, 8], 0],
    ['pow', 'i64', [-3n, 41n], BigInt.asIntN(64, (-3n) ** 41n)],
    ['add', 'i32', [max32, 1], min32],
    ['add', 'u8', [250, 10], 4],
    ['sub', 'u32', [0, 1], 2 ** 32 - 1],
    ['mul', 'i32', [123456789, 987654321], Number(BigInt.asIntN(32, 123456789n * 987654321n))],
    ['mul', 'u32', [2 ** 32 - 1, 2 ** 32 - 1], 1],
    ['mul', 'i16', [300, 300], 24464],
    ['neg', 'u32', [1], 2 ** 32 - 1],
    ['neg', 'i32', [0], 0],
    ['abs', 'i32', [min32], min32],
    ['abs', 'i8', [-128], -128],
    ['sign', 'i64', [-9n], -1n],
    ['shiftLeft', 'i32', [1, 31], min32],
    ['shiftLeft', 'i32', [1, 32], 0],
    ['shiftLeft', 'i32', [1, -1], 0],
    ['shiftRightLogical', 'i32', [-1, 28], 15],
    ['shiftRightLogical', 'i8', [-1, 7], 1],
    ['shiftRightLogical', 'i32', [-1, 32], 0],
    ['shiftRightArithmetic', 'i32', [-8, 40], -1],
    ['shiftRightArithmetic', 'u32', [2 ** 31, 1], 2 ** 31 + 2 ** 30],
    ['shiftRightArithmetic', 'u8', [128, 200], 255],
    ['shiftRightArithmetic', 'i64', [-8n, 1n], -4n],
    ['shiftRightLogical', 'i64', [-1n, 63n], 1n],
    ['popcnt', 'i8', [-1], 8],
    ['popcnt', 'i64', [-1n], 64n],
    ['clz', 'u16', [1], 15],
    ['clz', 'i32', [0], 32],
    ['clz', 'i64', [0n], 64n],
    ['not', 'u8', [1], 254],
    ['not', 'bool', [1], 0],
    ['clamp', 'i32', [0, 7, 5], 5],
    ['max', 'bool', [0, 1], 1],
    ['add', 'bool', [1, 1], 1],
    ['lt', 'u32', [1, 2 ** 32 - 1], 1],
  ])('%s %s %s', (fn, dtype, [x, y, z], expected) => {
    const result = call(fn, dtype, x, y, z);
    expect(result).toBe(expected);
  });
});

describe('floats', () => {
  test.each<[ScalarFn, number[], number]>([
    ['max', [NaN, 1], NaN],
    ['max', [1, NaN], NaN],
    ['min', [-0, 0], -0],
    ['max', [-0, 0], 0],
    ['sign', [-0], -0],
    ['sign', [NaN], NaN],
    ['pow', [1, NaN], 1],
    ['pow', [-1, Infinity], 1],
    ['pow', [0, 0], 1],
    ['pow', [-8, 1 / 3], NaN],
    ['rem', [-7.5, 2], -1.5],
    ['rem', [1, 0], NaN],
    ['atan2', [-0, -1], -Math.fround(Math.PI)],
    ['roundNearestAfz', [-2.5], -3],
    ['roundNearestAfz', [0.49999997], 0],
    ['roundNearestEven', [2.5], 2],
    ['roundNearestEven', [-0.5], -0],
    ['rsqrt', [-0], -Infinity],
    ['rsqrt', [0], Infinity],
    ['log', [-1], NaN],
    ['logistic', [-200], 0],
    ['isFinite', [Infinity], 0],
    ['clamp', [0, NaN, 1], NaN],
    ['eq', [NaN, NaN], 0],
    ['ne', [NaN, NaN], 1],
    ['nextAfter', [0, -1], -(2 ** -149)],
    ['nextAfter', [1, 0], 1 - 2 ** -24],
    ['nextAfter', [1, 2], 1 + 2 ** -23],
    ['nextAfter', [3.4028234663852886e38, Infinity], Infinity],
    ['nextAfter', [Infinity, 0], 3.4028234663852886e38],
    ['trunc', [-0.5], -0],
  ])('%s(%s) on f32', (fn, [x, y, z], expected) => {
    expect(call(fn, 'f32', x, y, z)).toBe(expected);
  });

  test('results round once to the element type', () => {
    expect(call('div', 'f16', 1, 3)).toBe(0.333251953125);
    expect(call('exp', 'bf16', 1)).toBe(2.71875);
    expect(call('add', 'f16', 65504, 16)).toBe(Infinity);
    expect(call('mul', 'f32', 1e30, 1e30)).toBe(Infinity);
    expect(roundF16(2 ** -25)).toBe(0);
    expect(roundF16(2 ** -25 * 1.01)).toBe(2 ** -24);
  });

  test('rounding to f32 as a format agrees with Math.fround', () => {
    fc.assert(fc.property(fc.double(), (x) => Object.is(roundToFormat(x, 8, 23), Math.fround(x))));
  });

  test('error functions', () => {
    // Correct digits from 200-bit arithmetic.
    const pairs = [
      [erf(0.5), 0.5204998778130465],
      [erf(3), 0.9999779095030014],
      [erfc(10), 2.0884875837625446e-45],
      [erfInv(0.5), 0.4769362762044699],
    ];
    for (const [x, exact] of pairs) expect(Math.abs(x / exact - 1)).toBeLessThan(1e-15);
    expect([erf(-0), erfInv(1), erfInv(-1), erfInv(2), erfc(-Infinity), erf(Infinity)]).toEqual([
      -0,
      Infinity,
      -Infinity,
      NaN,
      2,
      1,
    ]);
    fc.assert(
      fc.property(
        fc.double({ min: -0.999999, max: 0.999999, noNaN: true }),
        (x) => Math.abs(erf(erfInv(x)) - x) <= 4e-16 * Math.max(1e-9, Math.abs(x)) * 4 + 1e-17,
      ),
    );
  });
});

describe('complex numbers', () => {
  const z: Element = [1.5, -0.75];
  const close = (a: Element, b: Element): void =>
    [0, 1].forEach((i) =>
      expect((a as readonly number[])[i]).toBeCloseTo((b as readonly number[])[i], 12),
    );
  test('functions and their inverses', () => {
    for (const [f, g] of [
      ['exp', 'log'],
      ['sin', 'asin'],
      ['tanh', 'atanh'],
      ['sinh', 'asinh'],
      ['log1p', 'expm1'],
    ] as const)
      close(call(f, 'complex128', call(g, 'complex128', z)), z);
    close(call('mul', 'complex128', call('div', 'complex128', z, [3, 4]), [3, 4]), z);
    close(call('pow', 'complex128', z, [2, 0]), call('mul', 'complex128', z, z));
    close(
      call('mul', 'complex128', call('rsqrt', 'complex128', z), call('sqrt', 'complex128', z)),
      [1, 0],
    );
    expect(call('abs', 'complex64', [3, 4])).toBe(5);
  });
});

describe('conversions', () => {
  test.each<[DType, DType, Element, Element]>([
    ['f32', 'i32', 2.9, 2],
    ['f32', 'i32', -2.9, -2],
    ['f32', 'i32', 1e20, max32],
    ['f32', 'i32', NaN, 0],
    ['f32', 'u8', -5, 0],
    ['f32', 'u8', 300, 255],
    ['f32', 'i64', 1e30, 2n ** 63n - 1n],
    ['f32', 'i64', -3.7, -3n],
    ['i32', 'u8', 300, 44],
    ['i32', 'u64', -1, 2n ** 64n - 1n],
    ['i64', 'i32', 2n ** 31n, min32],
    ['i64', 'f32', 2n ** 60n + 2n ** 36n + 1n, 2 ** 60 + 2 ** 37],
    ['f32', 'bool', NaN, 1],
    ['f32', 'bool', -0, 0],
    ['bool', 'f32', 1, 1],
    ['f32', 'f16', 65520, Infinity],
    ['f64', 'bf16', 1.00390625, 1],
    ['complex64', 'f32', [1.5, 2], 1.5],
    ['f32', 'complex64', 1.5, [1.5, 0]],
  ])('%s → %s of %s', (from, to, x, expected) => {
    expect(conversion(from, to)(x)).toEqual(expected);
  });
});

test('a function on a type that it does not take is refused', () => {
  expect(() => meaning('sin', 'i32')).toThrow(
    'sin: takes float, complex operands; got int32. Convert the operands first.',
  );
  expect(() => meaning('and', 'f32')).toThrow('and: takes bool, int, uint operands; got float32.');
});
