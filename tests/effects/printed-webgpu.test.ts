// The same programs on WebGPU, where values come back later: the lines are the same, in the same order.
import { init } from 'palladia';
import { afterAll, beforeAll } from 'vitest';
import { findDevice, unregisterDevice } from '../../core/backend.ts';
import { comparePrinted } from './printed.ts';

beforeAll(async () => {
  await init({ device: 'webgpu' });
});
// The files of this project share a process: the next one starts its own device.
afterAll(() => unregisterDevice(findDevice('webgpu')));

comparePrinted('webgpu');
