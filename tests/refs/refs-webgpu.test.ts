// Refs on WebGPU: programs give the new contents as results, and take the memory of the old ones.
import { init, jit, newRef, scan, vmap, type Ref, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { beforeAll, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ device: 'webgpu' });
});

const numbers = async (x: Value): Promise<number[]> => Array.from(await x.data(), Number);

test('reads, writes and windows, eager', async () => {
  const r = newRef(np.zeros([4]));
  r.at(1).set(5);
  r.addupdate(np.ones([2]), [1, 3]);
  expect(await numbers(r.get())).toEqual([0, 6, 1, 0]);
});

test('calls that write, one after the other, and arrays that were read between', async () => {
  const r = newRef(np.array([0, 1, 2]));
  const bump = jit((by: Value) => r.addupdate(np.broadcastTo(by, [3])));
  bump(1);
  const before = r.get();
  for (let i = 0; i < 5; i++) bump(2);
  expect(await numbers(before)).toEqual([1, 2, 3]);
  expect(await numbers(r.get())).toEqual([11, 12, 13]);
});

test('results that are the new contents too stay when the ref is written again', async () => {
  const r = newRef(np.array([1, 2]));
  const both = jit((): Value => {
    r.set(r.get().mul(3));
    return r.get();
  });
  const [first, second] = [both(), both()];
  expect([await numbers(first), await numbers(second)]).toEqual([
    [3, 6],
    [9, 18],
  ]);
});

test('a loop that writes at computed places, mapped', async () => {
  const r = newRef(np.zeros([2, 4]));
  const lane = (s: Ref, x: Value): Value => {
    const step = (c: Value, i: Value): [Value, null] => {
      s.at(i).set(c);
      return [c.mul(x), null];
    };
    return scan(step, 1, lax.iota('i32', 4))[0];
  };
  const last = jit(vmap(lane))(r, np.array([2, 3]));
  expect(await numbers(last)).toEqual([16, 81]);
  expect(await numbers(r.get())).toEqual([1, 2, 4, 8, 1, 3, 9, 27]);
});
