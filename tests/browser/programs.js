// Small programs over the public API of the built package, each run on every device that the page has, against numbers that plain
// JavaScript computes.
import { foriLoop, grad, init, jit, setDefaultDevice, vmap } from 'palladia';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';

const devices = ['wasm', 'webgpu'];
const [rows, inner, columns] = [17, 13, 9];
const ramp = (length) => Float32Array.from({ length }, (_, index) => Math.sin(index * 0.7));
const list = (length, value) => Array.from({ length }, (_, index) => value(index));

/** Each program: what it computes, and the numbers that must come out. */
const cases = {
  'sin(x).sum()': () => {
    const x = ramp(100);
    return [np.sin(np.array(x)).sum(), [x.reduce((sum, value) => sum + Math.sin(value), 0)]];
  },
  'the gradient of sin(x).sum(), jitted': () => {
    const x = ramp(33);
    return [jit(grad((y) => np.sin(y).sum()))(np.array(x)), [...x].map(Math.cos)];
  },
  'a matrix product': () => {
    const [a, b] = [ramp(rows * inner), ramp(inner * columns)];
    const product = jit((x, y) => np.matmul(x, y));
    const at = (i, j) =>
      list(inner, (k) => a[i * inner + k] * b[k * columns + j]).reduce(
        (sum, part) => sum + part,
        0,
      );
    return [
      product(np.array(a).reshape([rows, inner]), np.array(b).reshape([inner, columns])),
      list(rows * columns, (index) => at(Math.floor(index / columns), index % columns)),
    ];
  },
  'softmax of rows, batched': () => {
    const x = ramp(rows * inner);
    const softmax = jit(vmap((row) => nn.softmax(row)));
    const powers = [...x].map(Math.exp);
    const sums = list(rows, (i) =>
      powers.slice(i * inner, (i + 1) * inner).reduce((sum, part) => sum + part, 0),
    );
    return [
      softmax(np.array(x).reshape([rows, inner])),
      powers.map((value, index) => value / sums[Math.floor(index / inner)]),
    ];
  },
  'a loop': () => {
    const x = ramp(20);
    const halve = jit((y) => foriLoop(0, 5, (_, carry) => np.multiply(carry, 0.5), y));
    return [halve(np.array(x)), [...x].map((value) => value / 32)];
  },
  'an empty array': () => [np.add(np.zeros([0, 3]), 1), []],
};

/** Reads an array and compares it with the numbers wanted. */
async function compare([array, wanted]) {
  const got = await array.data();
  if (got.length !== wanted.length)
    throw new Error(`must have ${wanted.length} elements; got ${got.length}`);
  const wrong = wanted.findIndex((value, index) => !(Math.abs(got[index] - value) < 1e-5));
  if (wrong >= 0) throw new Error(`element ${wrong} must be ${wanted[wrong]}; got ${got[wrong]}`);
}

/** Returns [name, program] of every program on every device. */
export function programs() {
  return devices.flatMap((device) => [
    [`${device}: init`, () => init({ device })],
    ...Object.entries(cases).map(([name, run]) => [
      `${device}: ${name}`,
      () => {
        setDefaultDevice(device);
        return compare(run());
      },
    ]),
  ]);
}
