// float0 on WebGPU: tangents and cotangents of integers and bools take no memory there either. As JAX computes them.
import { init } from 'palladia';
import { beforeAll, test } from 'vitest';
import { check } from './golden.ts';
import { float0Programs } from './programs-float0.ts';

beforeAll(async () => {
  await init({ device: 'webgpu' });
});

test.each(Object.entries(float0Programs))('%s', check);
