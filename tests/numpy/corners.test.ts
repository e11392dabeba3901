// Derivatives where a formula has a corner or an infinity; the values are those of JAX 0.10.2 unless said.
import { grad, jit, vmap } from 'palladia';
import * as np from 'palladia/numpy';
import { describe, expect, test } from 'vitest';

describe.each([
  ['logaddexp', np.logaddexp],
  ['logaddexp2', np.logaddexp2],
] as const)('gradient of %s', (_, f) => {
  const gradients = grad(f, { argnums: [0, 1] });

  test.each([
    [1, 1, [0.5, 0.5]],
    [0, -0, [0.5, 0.5]],
    [Infinity, Infinity, [1, 1]],
    [-Infinity, -Infinity, [NaN, NaN]],
    [Infinity, -Infinity, [1, 0]],
    [-Infinity, Infinity, [0, 1]],
    [-Infinity, 1, [0, 1]],
    [NaN, 1, [NaN, NaN]],
    [Infinity, NaN, [NaN, NaN]],
    // JAX gives the finite argument e (or 2): its rule puts 0 in place of an infinite sum.
    [Infinity, 1, [1, 0]],
    [1, Infinity, [0, 1]],
    // JAX gives 0.49998546: it divides by a rounded sum.
    [1000, 1000, [0.5, 0.5]],
  ])('at %d, %d', (x, y, want) => {
    expect(gradients(x, y).map((g) => g.item())).toEqual(want);
    expect(jit(gradients)(x, y).map((g) => g.item())).toEqual(want);
  });

  test('away from corners and over axes that broadcast', () => {
    const [dx, dy] = grad((x, y) => np.sum(f(x, y)), { argnums: [0, 1] })(
      np.array([0, 1, 2]),
      np.array([[1], [2]]),
    );
    expect([dx.shape, dy.shape]).toEqual([[3], [2, 1]]);
    // Every pair of shares makes one.
    expect(Number(np.add(np.sum(dx), np.sum(dy)).item())).toBeCloseTo(6, 5);
    expect(vmap(gradients)(np.zeros([2]), np.zeros([2])).map((g) => g.jsSync())).toEqual([
      [0.5, 0.5],
      [0.5, 0.5],
    ]);
  });
});

test('gradients of fmax and fmin at ties and NaN', () => {
  const at = (f: typeof np.fmax, x: number, y: number): unknown =>
    grad(f, { argnums: [0, 1] })(x, y).map((g) => g.item());
  expect([at(np.fmax, 1, 1), at(np.fmin, 1, 1)]).toEqual([
    [0, 1],
    [0, 1],
  ]);
  expect([at(np.fmax, NaN, 1), at(np.fmin, 1, NaN)]).toEqual([
    [0, 1],
    [1, 0],
  ]);
});

test('integer exponents have a derivative by the base at 0', () => {
  const slopes = grad((x) => np.sum(np.power(x, np.array([0, 1, 2], 'i32'))))(np.zeros(3));
  expect(slopes.jsSync()).toEqual([0, 1, 0]);
});

test('no rounding of bools, or of integers to tens', () => {
  expect(() => np.round(np.array([true]))).toThrow(/round: only floats can be rounded; got bool/);
  expect(() => np.round(np.array([15], 'i32'), -1)).toThrow(/to tens, hundreds, …; got i32/);
});

test('positions of takeAlongAxis wrap around', () => {
  const out = np.takeAlongAxis(np.arange(5), np.array([-1, -7, 9], 'i32'), 0, { mode: 'wrap' });
  expect(out.jsSync()).toEqual([4, 3, 4]);
});

test('no variance of as many elements as ddof', () => {
  const x = np.array([
    [1, 2],
    [3, 4],
  ]);
  expect(np.var(x, { ddof: 4 }).item()).toBeNaN();
  expect(np.var(np.zeros([0, 2]), { axis: 0, ddof: 1 }).jsSync()).toEqual([NaN, NaN]);
  const where = np.array([
    [true, false],
    [true, true],
  ]);
  expect(np.std(x, { axis: 1, ddof: 1, where }).jsSync()).toEqual([NaN, Math.fround(Math.SQRT1_2)]);
});

test('several shifts of one axis add up', () => {
  expect(np.roll(np.arange(5), [1, 2], 0).jsSync()).toEqual([2, 3, 4, 0, 1]);
  expect(np.roll(np.arange(5), [1, 2]).jsSync()).toEqual([2, 3, 4, 0, 1]);
  expect(np.roll(np.reshape(np.arange(4), [2, 2]), [1], [0, 1]).jsSync()).toEqual([
    [3, 2],
    [1, 0],
  ]);
  expect(() => np.roll(np.zeros([2, 2]), [1, 2, 3], [0, 1])).toThrow(/roll: there must be one/);
});

test('running sums keep small integers, those of the array API widen them', () => {
  const x = np.array([100, 100], 'i8');
  expect(String([np.cumsum(x).aval, np.cumulativeSum(x).aval])).toBe('i8[2],i32[2]');
  expect([np.cumsum(x), np.cumulativeSum(x)].map((y) => y.jsSync())).toEqual([
    [100, -56],
    [100, 200],
  ]);
  expect(np.cumsum(np.array([true, true])).jsSync()).toEqual([1, 2]);
});

test('JavaScript integers wrap around where they fill or replace elements, as in JAX', () => {
  const x = np.zeros([2], 'u8');
  expect(String(np.fullLike(x, 300))).toBe('[44 44]');
  expect(String(np.fullLike(x, -1))).toBe('[255 255]');
  expect(String(np.full([2], 300, 'u8'))).toBe('[44 44]');
  expect(String(np.full([2], 2.7, 'u8'))).toBe('[2 2]');
  expect(String(np.full([2], true, 'i32'))).toBe('[1 1]');
  expect(String(np.at(x, 0).set(300))).toBe('[44  0]');
  expect(String(np.at(x, 0).set(-1))).toBe('[255   0]');
  expect(String(np.at(x, 0).add(300))).toBe('[44  0]');
  expect(String(np.at(x, 0).set(2.7))).toBe('[2 0]');
});
