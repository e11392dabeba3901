// Tiles that wait in the memory of their result: with other reads of the argument, given arguments, and values that loops carry.
import { foriLoop, jit, scan, whileLoop, withConfig, type Value } from 'palladia';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';

const argument = (): Value =>
  np
    .array(Float32Array.from({ length: 64 * 128 }, (_, i) => 3 * Math.sin(1.3 * i)))
    .reshape([64, 128]);

const flipped = (x: Value, axis: number): Value => np.flip(x, { axis });

const programs: Record<string, (x: Value) => Value> = {
  'the argument beside its softmax': (x) => nn.softmax(x).add(x),
  'the argument backwards': (x) => nn.softmax(x).add(flipped(x, 1)),
  'other rows of the argument': (x) => {
    const e = np.sin(x);
    return e.sub(np.sum(e, { axis: 1, keepdims: true })).add(flipped(x, 0));
  },
  'a carry': (x) => foriLoop(0, 5, (_, y: Value) => nn.softmax(y).add(y), x),
  'a carry backwards': (x) =>
    scan((c: Value) => [nn.softmax(c).add(flipped(c, 1)), null] as const, x, null, {
      length: 4,
    })[0],
  'a carry upside down': (x) =>
    whileLoop(
      ([i]: readonly [Value, Value]) => np.less(i, 3),
      ([i, y]: readonly [Value, Value]) =>
        [i.add(1), nn.softmax(y).add(flipped(y, 0))] as readonly [Value, Value],
      [np.array(0, 'i32'), x] as readonly [Value, Value],
    )[1],
};

for (const [name, f] of Object.entries(programs))
  test(name, () => {
    const wanted = [...withConfig({ disableJit: true }, () => f(argument())).dataSync()].map(
      Number,
    );
    for (const donateArgnums of [[], [0]]) {
      const got = [...jit(f, { donateArgnums })(argument()).dataSync()].map(Number);
      expect(Math.max(...got.map((v, i) => Math.abs(v - wanted[i])))).toBeLessThan(1e-4);
    }
  });
