// The WebGPU device against the interpreter.
import { createWebGpuDevice } from '../../backends/webgpu/device.ts';
import { conformance } from './suite.ts';

conformance(await createWebGpuDevice(), {
  // Division, square roots and our transcendental functions may differ by several units in the last place.
  rtol: 1e-5,
});
