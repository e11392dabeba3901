// A sample of the nestings of three transformations on WebGPU, in f32.
import { init, setDefaultDevice } from 'palladia';
import { afterAll, beforeAll, test } from 'vitest';
import { checkNesting, nestings } from './nestings.ts';

beforeAll(async () => {
  await init({ device: 'webgpu' });
  setDefaultDevice('webgpu');
});
afterAll(() => setDefaultDevice('wasm'));

for (const nesting of nestings.filter((_, i) => i % 29 === 7))
  test(nesting.join('∘'), { timeout: 240_000 }, () =>
    checkNesting(nesting, { runs: 1, dtype: 'f32', tolerance: 2e-3 }),
  );
