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
