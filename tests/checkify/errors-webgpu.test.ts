// On WebGPU an error is read when the device has computed it: `getAsync` and `throwAsync`.
import { CheckError, checkify, DeviceError, init, jit, setDefaultDevice, vmap } from 'palladia';
import type { Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findDevice, unregisterDevice } from '../../core/backend.ts';
import { two } from './programs.ts';

beforeAll(async () => {
  await init({ device: 'webgpu' });
  setDefaultDevice('webgpu');
});
afterAll(() => {
  setDefaultDevice('wasm');
  // The files of this project share a process: the next one starts its own device.
  unregisterDevice(findDevice('webgpu'));
});

test('an error is awaited', async () => {
  const checked = jit(checkify.checkify(two));
  const [bad] = checked(-1);
  expect(() => bad.get()).toThrow(DeviceError);
  expect(() => bad.throw()).toThrow(/await err\.getAsync\(\)/);
  expect(await bad.getAsync()).toBe('positive, not -1.0 (`check` failed)');
  await expect(bad.throwAsync()).rejects.toThrow(CheckError);
  const [good] = checked(2);
  expect(await good.getAsync()).toBe(null);
  await expect(good.throwAsync()).resolves.toBe(undefined);
});

test('so are errors with lanes, and those of indices', async () => {
  const [err] = vmap(checkify.checkify(two))(np.array([3, 0.5, -1]));
  expect(await err.getAsync()).toBe(
    'at mapped index 1: above one, not 0.50 (`check` failed)\nat mapped index 2: positive, not -1.0 (`check` failed)',
  );
  const take = (i: Value): Value => lax.dynamicSlice(np.ones([3]), [i], [1]);
  const [index] = checkify.checkify(take, { errors: checkify.indexChecks })(
    np.array(2 ** 32 - 2, { dtype: 'u32' }),
  );
  expect(await index.getAsync()).toMatch(/index 4294967294 is out of bounds for axis 0/);
});
