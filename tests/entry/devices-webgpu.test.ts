/** Starting a GPU through the public entry points, and moving arrays there and back. */
import {
  devicePut,
  devices,
  grad,
  init,
  jit,
  setDefaultDevice,
  vmap,
  withConfig,
  type Value,
} from 'palladia';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as random from 'palladia/random';
import { initWebGpu } from 'palladia/webgpu';
import { afterAll, beforeAll, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ device: 'webgpu', memoryLimit: 2 ** 31, dawn: [] });
});
afterAll(() => setDefaultDevice('wasm'));

// Other files of this process may have devices of their own.
test('init starts one device, however often it is called', async () => {
  const device = await initWebGpu();
  const before = devices();
  expect(await init({ device: 'webgpu' })).toBe(device);
  expect(devices()).toEqual(before);
});

test('arrays move there and back with their bits', async () => {
  const x = np.array([1.5, -0, Infinity, 3e-3]);
  const there = await devicePut(
    { x, n: np.arange(3), flag: np.array([true, false, true]) },
    'webgpu',
  );
  expect(there.x.device.kind).toBe('webgpu');
  expect(String(there.x)).toBe('f32[4] on webgpu (await x.data())');
  const back = await devicePut(there, 'wasm');
  expect([...back.x.dataSync()]).toEqual([...x.dataSync()]);
  expect([...back.n.dataSync()]).toEqual([0, 1, 2]);
  expect(back.flag.jsSync()).toEqual([true, false, true]);
});

test('programs follow their arrays', async () => {
  const f = jit(vmap(grad((row: Value) => nn.logsumexp(row))));
  const x = random.normal(random.key(1), [4, 7]);
  const here = await f(x).data();
  const there = await f(await devicePut(x, 'webgpu')).data();
  there.forEach((v, i) => expect(Number(v)).toBeCloseTo(Number(here[i]), 5));
});

test('captured arrays go to the GPU; what is there cannot leave it in passing', async () => {
  // Other files share the process.
  setDefaultDevice('wasm');
  const x = np.arange(4);
  const f = jit((y: Value) => y.add(x));
  const here = f(np.ones([4]));
  setDefaultDevice('webgpu');
  const there = f(np.ones([4]));
  const onGpu = np.arange(4);
  setDefaultDevice('wasm');
  expect([here.device.kind, there.device.kind]).toEqual(['wasm', 'webgpu']);
  expect(await there.js()).toEqual(here.jsSync());
  const again = f(np.ones([4]));
  expect(again.jsSync()).toEqual(here.jsSync());
  // Reading takes time there: the program runs where the array is.
  const g = jit((y: Value) => y.add(onGpu));
  const sum = g(np.ones([4]));
  expect(sum.device.kind).toBe('webgpu');
  expect(await sum.js()).toEqual(here.jsSync());
  const committed = await devicePut(np.ones([4]), 'wasm');
  expect(() => g(committed)).toThrow(
    "array: operands must be on one device; got i32[4] on webgpu, wanted on wasm. Move it with `await devicePut(x, 'wasm')`.",
  );
});

test('random bits are the same there', async () => {
  const wanted = await random.bits(random.key(9), [64]).data();
  setDefaultDevice('webgpu');
  expect(await random.bits(random.key(9), [64]).data()).toEqual(wanted);
  const u = await random.uniform(random.key(9), [64]).data();
  setDefaultDevice('wasm');
  expect(u).toEqual(await random.uniform(random.key(9), [64]).data());
});

test('types that a GPU lacks are refused, with the way out', async () => {
  const wide = withConfig({ enableX64: true }, () => np.array([1, 2], 'f64'));
  await expect(devicePut(wide, 'webgpu')).rejects.toThrow(
    "devicePut: webgpu does not compute with this type; got f64[2]. Convert it with x.astype('f32').",
  );
});
