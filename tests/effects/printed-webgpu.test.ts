// The same programs on WebGPU, where values come back later: the lines are the same, in the same order.
import { init } from 'palladia';
import { beforeAll } from 'vitest';
import { comparePrinted } from './printed.ts';

beforeAll(async () => {
  await init({ device: 'webgpu' });
});

comparePrinted('webgpu');
