// On WebGPU values come back later: bad numbers, and errors of callbacks, are thrown by whoever reads what came of them.
import {
  CallbackError,
  debug,
  devicePut,
  effectsBarrier,
  FloatingPointError,
  init,
  jit,
  pureCallback,
  setDefaultDevice,
  shapeDtypeStruct,
  withConfig,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findDevice, unregisterDevice } from '../../core/backend.ts';

beforeAll(async () => {
  await init({ device: 'webgpu' });
  setDefaultDevice('webgpu');
});
afterAll(() => {
  setDefaultDevice('wasm');
  // The files of this project share a process: the next one starts its own device.
  unregisterDevice(findDevice('webgpu'));
});

const scalar = shapeDtypeStruct([]);

test('debugNans names the primitive and its line', async () => {
  const line = Number(/test\.ts:(\d+)/.exec(new Error('here').stack ?? '')?.[1]) + 1;
  const f = jit((x: Value) => np.exp(x).add(np.sqrt(x)).mul(2));
  const out = withConfig({ debugNans: true }, () => f(np.array([1, -1])));
  const error: unknown = await out.data().catch((caught: unknown) => caught);
  expect(String(error)).toMatch(/^FloatingPointError: sqrt: results must have no NaN.* at \[1\]/);
  expect(error instanceof FloatingPointError ? error.userFrame : '').toContain(
    `numbers-webgpu.test.ts:${line}:`,
  );
  const good = withConfig({ debugNans: true }, () => f(np.array([0, 0])));
  expect(await good.js()).toEqual([2, 2]);
});

test('errors of callbacks are thrown at the read', async () => {
  const f = jit((x: Value) =>
    pureCallback(
      () => {
        throw new Error('broken');
      },
      scalar,
      x,
    ).add(1),
  );
  await expect(f(1).data()).rejects.toThrow(CallbackError);
  jit((x: Value) => {
    debug.callback(() => {
      throw new Error('broken');
    }, x);
    return null;
  })(1);
  await expect(effectsBarrier()).rejects.toThrow(CallbackError);
  await effectsBarrier();
});

test('a callback gets arrays that can be read, and may not give arrays of the GPU', async () => {
  const kinds: string[] = [];
  const f = jit((x: Value) =>
    pureCallback(
      (v) => {
        kinds.push(v.device.kind);
        return v.item() === 1 ? v.mul(2) : np.ones([]).add(1);
      },
      scalar,
      x,
    ),
  );
  const [one, two] = [await devicePut(1, 'webgpu'), await devicePut(2, 'webgpu')];
  expect(await f(one).js()).toBe(2);
  expect(kinds).toEqual(['wasm']);
  await expect(f(two).js()).rejects.toThrow('webgpu cannot be read synchronously');
});

test('calls and work that follow keep their order', async () => {
  const seen: number[] = [];
  const f = jit((x: Value) => {
    debug.callback((v) => void seen.push(v.item() as number), x);
    const y = pureCallback((v) => v.mul(10), scalar, x);
    debug.callback((v) => void seen.push(v.item() as number), y);
    return y.add(1);
  });
  let x: Value = np.float32(1);
  for (let i = 0; i < 3; i++) x = f(x).mul(0.5);
  expect(await x.js()).toBe(140.5);
  expect(seen).toEqual([1, 10, 5.5, 55, 28, 280]);
});
