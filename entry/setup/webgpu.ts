/** Starts the WebGPU device. Its code is loaded only then, so that programs that stay on the CPU do not carry it. */
import type { WebGpuOptions } from '../../backends/webgpu/device.ts';
import { deviceKinds, findDevice, registerDevice, type Device } from '../../core/backend.ts';

export type { WebGpuOptions } from '../../backends/webgpu/device.ts';

let starting: Promise<Device> | undefined;

/**
 * Start the WebGPU device and register it. While there is one, it is given again; a lost one is replaced.
 *
 * @throws DeviceError when there is no WebGPU here, saying what to install or allow.
 */
export async function startWebGpu(options: WebGpuOptions): Promise<Device> {
  if (deviceKinds().includes('webgpu')) return findDevice('webgpu');
  starting ??= start(options).finally(() => (starting = undefined));
  return starting;
}

async function start(options: WebGpuOptions): Promise<Device> {
  const { initWebGpu } = await import('../../backends/webgpu/index.ts');
  const device = await initWebGpu(options);
  registerDevice(device);
  return device;
}
