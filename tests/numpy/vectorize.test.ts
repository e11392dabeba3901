// `np.vectorize`: corner cases, and other transformations around it. Results beside JAX stand in tests/parity/vmap.test.ts.
import { grad, jit, vmap, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';

const dot = (a: Value, b: Value): Value => np.dot(a, b);
const matvec = np.vectorize(dot, { signature: '(n,m),(m)->(n)' });

test('leading axes broadcast, also those of no size and of size 1', () => {
  expect(matvec(np.ones([0, 2, 3]), np.ones([3])).shape).toEqual([0, 2]);
  expect(matvec(np.ones([1, 2, 3]), np.ones([0, 3])).shape).toEqual([0, 2]);
  expect(matvec(np.ones([5, 1, 2, 0]), np.ones([1, 1, 0])).shape).toEqual([5, 1, 2]);
  expect(np.vectorize((x: Value) => x.add(1))(1).shape).toEqual([]);
});

test('arguments that are passed on', () => {
  const scale = np.vectorize((x: Value, how: { by: number }) => x.mul(how.by), { excluded: [1] });
  expect(scale(2, { by: 3 }).jsSync()).toBe(6);
  expect(scale(np.array([1, 2]), { by: 3 }).jsSync()).toEqual([3, 6]);
});

test('under other transformations', () => {
  const [a, x] = [np.arange(6).reshape([2, 3]).astype('f32'), np.ones([4, 3])];
  const want = matvec(a, x).jsSync();
  expect(jit((v: Value, w: Value) => matvec(v, w))(a, x).jsSync()).toEqual(want);
  expect(vmap((w: Value) => matvec(a, w))(x).jsSync()).toEqual(want);
  expect(grad((v: Value) => matvec(v, x).sum())(a).jsSync()).toEqual([
    [4, 4, 4],
    [4, 4, 4],
  ]);
});
