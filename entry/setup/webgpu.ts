/** Starts the WebGPU device. Its code is loaded only then, so that programs that stay on the CPU do not carry it. */
import { registerDevice, type Device } from '../../core/backend.ts';
import { DeviceError } from '../../core/errors.ts';

/** Options of the WebGPU device. */
export interface WebGpuOptions {
  /** Which GPU to prefer where there are several. */
  readonly powerPreference?: 'low-power' | 'high-performance';
}

/** What the backend exports. */
interface Backend {
  initWebGpu(options: WebGpuOptions): Promise<Device>;
}

const backend = '../../backends/webgpu/index.ts';
let starting: Promise<Device> | undefined;

/**
 * Start the WebGPU device and register it; a second call gives the same device.
 *
 * @throws DeviceError when there is no WebGPU here, saying what to install or allow.
 */
export function startWebGpu({ powerPreference }: WebGpuOptions): Promise<Device> {
  starting ??= start(powerPreference === undefined ? {} : { powerPreference }).catch(
    (error: unknown) => {
      starting = undefined;
      throw error;
    },
  );
  return starting;
}

async function start(options: WebGpuOptions): Promise<Device> {
  let loaded: Backend;
  try {
    loaded = (await import(/* @vite-ignore */ backend)) as Backend;
  } catch (cause) {
    throw new DeviceError(
      'init: the WebGPU backend is not part of this build; got no module. Use the wasm device.',
      { cause },
    );
  }
  const device = await loaded.initWebGpu(options);
  registerDevice(device);
  return device;
}
