/** Where programs run: arrays that were put on a device stay there, all others go along, as in JAX 0.10.2. */
import {
  defaultDevice,
  devicePut,
  grad,
  jit,
  NDArray,
  setDefaultDevice,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { afterEach, describe, expect, test } from 'vitest';

afterEach(() => setDefaultDevice('wasm'));

/** Make something while another device is the default. */
function on<T>(device: 'wasm' | 'interpreter', make: () => T): T {
  const before = defaultDevice();
  setDefaultDevice(device);
  try {
    return make();
  } finally {
    setDefaultDevice(before);
  }
}

const place = (x: unknown): string =>
  x instanceof NDArray ? `${x.device.kind}${x.committed ? ', committed' : ''}` : 'no array';
const arange = (): Value => np.arange(4);
const put = async (device: 'wasm' | 'interpreter'): Promise<Value> => devicePut(arange(), device);

describe.each([
  ['wasm', 'interpreter'],
  ['interpreter', 'wasm'],
] as const)('%s, then %s', (first, second) => {
  test('captured arrays go along', () => {
    const x = on(first, arange);
    const f = jit((y: Value) => y.add(x));
    const here = on(first, () => f(np.ones([4])));
    const there = on(second, () => f(np.ones([4])));
    expect([place(here), place(there)]).toEqual([first, second]);
    expect(there.jsSync()).toEqual(here.jsSync());
    const back = on(first, () => f(np.ones([4])));
    expect(place(back)).toBe(first);
    const slope = on(second, () => grad((y: Value) => f(y).mul(x).sum())(np.ones([4])));
    expect(slope.jsSync()).toEqual([0, 1, 2, 3]);
  });

  test('arrays of nowhere in particular go to the default device', () => {
    const x = on(first, arange);
    const sum = on(second, () => x.add(x));
    expect(place(sum)).toBe(second);
    expect(place(x)).toBe(first);
    expect(on(second, () => place(x.add(np.ones([4]))))).toBe(second);
  });

  test('arrays that were put on a device decide', async () => {
    const [x, c] = [on(first, arange), await put(second)];
    expect(place(c)).toBe(`${second}, committed`);
    expect(on(first, () => place(x.add(c)))).toBe(`${second}, committed`);
    expect(on(first, () => place(jit((v: Value) => v.add(x))(c)))).toBe(`${second}, committed`);
    expect(on(first, () => place(c.add(1)))).toBe(`${second}, committed`);
  });

  test('captured, even they go along', async () => {
    const [c, d] = [await put(second), await put(first)];
    const f = jit((y: Value) => y.add(c));
    expect(on(first, () => place(f(np.ones([4]))))).toBe(first);
    expect(place(f(d))).toBe(`${first}, committed`);
    expect(f(d).jsSync()).toEqual([0, 2, 4, 6]);
  });

  test('two devices are a mistake', async () => {
    const [c, d] = [await put(first), await put(second)];
    const message = `array: operands must be on one device; got i32[4] on ${second}, wanted on ${first}. Move it with \`await devicePut(x, '${first}')\`.`;
    expect(() => c.add(d)).toThrow(message);
    expect(() => jit((x: Value, y: Value) => x.add(y))(c, d)).toThrow(message);
  });

  test('compiled functions take arrays from elsewhere', async () => {
    const x = on(first, arange);
    const compiled = on(second, () =>
      jit((v: Value) => v.mul(x))
        .lower(x)
        .compile(),
    );
    expect(place(compiled(x))).toBe(second);
    expect(() => on(second, () => compiled(x)).jsSync()).not.toThrow();
    const c = await put(first);
    expect(() => compiled(c)).toThrow(/^array: operands must be on one device; got i32\[4\]/);
  });

  test('donated arrays are gone, wherever they were', () => {
    const x = on(first, arange);
    const f = jit((v: Value) => v.add(1), { donateArgnums: 0 });
    expect(on(second, () => f(x)).jsSync()).toEqual([1, 2, 3, 4]);
    expect(x.isDeleted).toBe(true);
  });

  test('no elements, no axes', () => {
    const [none, one] = on(first, () => [np.zeros([0, 3]), np.array(2).add(0)]);
    expect(on(second, () => none.add(one)).shape).toEqual([0, 3]);
    expect(on(second, () => place(one.mul(2)))).toBe(second);
  });
});

test('putting an array where it is commits it', async () => {
  const x = arange();
  const c = await devicePut(x, 'wasm');
  expect([place(x), place(c)]).toEqual(['wasm', 'wasm, committed']);
  expect(await devicePut(c, 'wasm')).toBe(c);
  x.dispose();
  expect(c.jsSync()).toEqual([0, 1, 2, 3]);
  expect(place(await devicePut(3, 'interpreter'))).toBe('interpreter, committed');
});
