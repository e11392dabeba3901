/** The door of the WebGPU backend, loaded when a program asks for a GPU. */
import { createWebGpuDevice, type WebGpuDevice, type WebGpuOptions } from './device.ts';

export { createWebGpuDevice, WebGpuDevice, type WebGpuOptions } from './device.ts';

/**
 * Open a GPU as a device; the caller registers it.
 *
 * @throws DeviceError when the engine has no WebGPU or finds no GPU, with what to do.
 */
export const initWebGpu = (options: WebGpuOptions = {}): Promise<WebGpuDevice> =>
  createWebGpuDevice(options);
