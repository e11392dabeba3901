/** Compute pipelines by their source. A pipeline is checked while programs already use it; what the check finds is thrown at the read. */
import { DeviceError, type PalladiaError } from '../../core/errors.ts';
import type { WgslKernel } from '../../lowering/wgsl/emit.ts';

const stageCompute = 4;

/** A kernel that the device can run. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** What is wrong with it; undefined once it is known to be right. */
  check: Promise<PalladiaError | undefined> | undefined;
}

/** Most pipelines that are remembered. */
const mostPipelines = 4096;

/** The pipelines of a device. */
export class Pipelines {
  readonly #gpu: GPUDevice;
  readonly #known = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  #layout(kernel: WgslKernel): GPUBindGroupLayout {
    const key = kernel.bindings.map((b) => b.access).join(',');
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = this.#gpu.createBindGroupLayout({
        entries: kernel.bindings.map(({ access }, binding) => ({
          binding,
          visibility: stageCompute,
          buffer: {
            type: access === 'read' ? ('read-only-storage' as const) : ('storage' as const),
          },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /** Find or make the pipeline of a kernel. `name`: for errors. */
  load(kernel: WgslKernel, name: string): Pipeline {
    const known = this.#known.get(kernel.code);
    if (known !== undefined) return known;
    const gpu = this.#gpu;
    gpu.pushErrorScope('internal');
    gpu.pushErrorScope('validation');
    const layout = this.#layout(kernel);
    const module = gpu.createShaderModule({ code: kernel.code, label: name });
    const pipeline = gpu.createComputePipeline({
      label: name,
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: kernel.entryPoint },
    });
    const scopes = Promise.all([gpu.popErrorScope(), gpu.popErrorScope()]);
    const made: Pipeline = { pipeline, layout, check: undefined };
    made.check = scopes.then(
      ([validation, internal]) => {
        made.check = undefined;
        const error = validation ?? internal;
        return error === null
          ? undefined
          : new DeviceError(
              `${name}: the driver must accept the kernel; it says "${error.message}". Please report it with the kernel's source.`,
            );
      },
      (cause: unknown) =>
        new DeviceError(`${name}: the device was lost while the kernel was compiled.`, { cause }),
    );
    if (this.#known.size >= mostPipelines)
      for (const [oldest] of this.#known) {
        this.#known.delete(oldest);
        break;
      }
    this.#known.set(kernel.code, made);
    return made;
  }
}
