/**
 * Finds a GPU: `navigator.gpu` in browsers and Deno, the npm package `webgpu` in Node. Asks for the limits and features that kernels use,
 * because a device gets no more than the defaults otherwise.
 */
import { DeviceError } from '../../core/errors.ts';

/** How to find a GPU. */
export interface OpenOptions {
  /** Which of several GPUs to take. */
  readonly powerPreference?: 'low-power' | 'high-performance';
  /** Settings of Dawn for Node, such as `adapter=llvmpipe` or `enable-dawn-features=allow_unsafe_apis`. */
  readonly dawn?: readonly string[];
}

/** What was found. */
export interface Opened {
  readonly device: GPUDevice;
  readonly adapter: GPUAdapter;
  /** Keeps the GPU object of Node alive: collecting it while its device works ends the process. */
  readonly keep: unknown;
}

const wantedLimits = [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;

const install =
  'In Node, install the package "webgpu" (it needs a Vulkan, Metal or D3D12 driver); in a browser, use one with WebGPU on a page served over https.';

async function findGpu(options: OpenOptions): Promise<GPU> {
  const { navigator } = globalThis as { navigator?: { gpu?: GPU } };
  if (navigator?.gpu !== undefined) return navigator.gpu;
  // A name that bundlers do not follow: pages never get here.
  const name = 'webgpu';
  try {
    const { create } = (await import(/* @vite-ignore */ name)) as { create(flags: string[]): GPU };
    return create([...(options.dawn ?? [])]);
  } catch (cause) {
    throw new DeviceError(`webgpu: this engine must offer WebGPU; got none. ${install}`, { cause });
  }
}

/**
 * Open a GPU.
 *
 * @throws DeviceError when there is none, with what to do.
 */
export async function openGpu(options: OpenOptions = {}): Promise<Opened> {
  const gpu = await findGpu(options);
  const { powerPreference } = options;
  const adapter = await gpu
    .requestAdapter(powerPreference === undefined ? {} : { powerPreference })
    .catch((cause: unknown) => {
      throw new DeviceError(`webgpu: a GPU must be available; the engine refused. ${install}`, {
        cause,
      });
    });
  if (adapter === null)
    throw new DeviceError(`webgpu: a GPU must be available; the engine found none. ${install}`);
  const requiredLimits: Record<string, number> = {};
  // Dawn refuses sizes that are no multiple of 4, which some drivers report.
  for (const limit of wantedLimits)
    requiredLimits[limit] =
      adapter.limits[limit] -
      (adapter.limits[limit] % (limit.endsWith('Size') && adapter.limits[limit] > 2 ** 16 ? 4 : 1));
  const requiredFeatures: GPUFeatureName[] = adapter.features.has('subgroups') ? ['subgroups'] : [];
  try {
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    return { device, adapter, keep: gpu };
  } catch (cause) {
    throw new DeviceError('webgpu: the GPU must give a device; the driver refused.', { cause });
  }
}
