// Products of what a broadcast made: the fusion reads the array before the broadcast, which lacks rows, columns or both.
import { expect, test } from 'vitest';
import { jit, setDefaultDevice, type Value } from 'palladia';
import * as np from 'palladia/numpy';

const ramp = (...shape: number[]): Value =>
  np
    .arange(shape.reduce((a, b) => a * b, 1))
    .mod(7)
    .sub(2)
    .astype('f32')
    .reshape(shape);

function onBoth(f: (...xs: Value[]) => Value, args: () => Value[]): void {
  setDefaultDevice('interpreter');
  const wanted = f(...args()).dataSync();
  setDefaultDevice('wasm');
  expect(jit(f)(...args()).dataSync()).toEqual(wanted);
}

for (const [m, k, n] of [
  [3, 4, 5],
  [1, 70, 3],
  [65, 100, 1],
]) {
  const forms: Readonly<
    Record<string, readonly [(x: Value, y: Value) => Value, number[], number[]]>
  > = {
    'a scalar as the right side': [(x, s) => np.dot(x, np.broadcastTo(s, [k, n])), [m, k], []],
    'a scalar as a vector': [(x, s) => np.dot(x, np.broadcastTo(s, [k])), [m, k], []],
    'a row for all rows': [(x, v) => np.dot(x, np.broadcastTo(v, [k, n])), [m, k], [n]],
    'a column for all columns': [
      (x, v) => np.dot(x, np.broadcastTo(v.reshape([k, 1]), [k, n])),
      [m, k],
      [k],
    ],
    'a row as the left side': [(v, y) => np.dot(np.broadcastTo(v, [m, k]), y), [k], [k, n]],
    'nothing along the axis that is summed': [
      (u, v) => np.dot(np.broadcastTo(u.reshape([m, 1]), [m, k]), np.broadcastTo(v, [k, n])),
      [m],
      [n],
    ],
    'two scalars': [(s, t) => np.dot(np.broadcastTo(s, [m, k]), np.broadcastTo(t, [k, n])), [], []],
  };
  test.each(Object.entries(forms))(`${m} × ${k} × ${n}: %s`, (_, [f, left, right]) => {
    onBoth(f, () => [ramp(...left).add(0), ramp(...right).add(0)]);
  });
}
