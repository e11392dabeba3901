/** `palladia/webgpu`: start the GPU, and read the shaders of a program without having one. */
import './setup/start.ts';
import type { CompiledKernel, Device, LoweredModule } from '../core/backend.ts';
import { ArgumentError } from '../core/errors.ts';
import { compileModule } from '../lowering/compile.ts';
import type { Step, Target } from '../lowering/fuse/ir.ts';
import type { HloModule } from '../lowering/hlo/ir.ts';
import { printKernel } from '../lowering/tile/print.ts';
import type { Kernel } from '../lowering/tile/ir.ts';
import { emitWgsl } from '../lowering/wgsl/emit.ts';
import { baselineFeatures, type WgslFeatures } from '../lowering/wgsl/features.ts';
import { startWebGpu, type WebGpuOptions } from './setup/webgpu.ts';

export type { WgslFeatures } from '../lowering/wgsl/features.ts';
export type { WebGpuOptions } from './setup/webgpu.ts';

/**
 * Start the WebGPU device; `await init({ device: 'webgpu' })` is the same.
 *
 * @throws DeviceError when there is no WebGPU here, saying what to install or allow.
 */
export const initWebGpu = (options: WebGpuOptions = {}): Promise<Device> => startWebGpu(options);

/** What the fuser assumes of a GPU that is not there. */
const targetOf = (features: WgslFeatures): Target => ({
  kind: 'webgpu',
  maxOperands: features.maxBindings,
  parallelism: features.fallback ? 4 : 256,
  subgroupSize: features.subgroupSize,
  fallback: features.fallback,
  workgroupBytes: features.workgroupBytes,
  exact: false,
});

/** The kernels of steps, loops and branches included, in order. */
function* kernelsOf(steps: readonly Step[]): Generator<Kernel> {
  for (const step of steps) {
    if (step.kind === 'kernel') yield step.kernel;
    else if (step.kind === 'while') yield* kernelsOf([...step.cond, ...step.body]);
    else if (step.kind === 'case') for (const branch of step.branches) yield* kernelsOf(branch);
  }
}

/**
 * The shaders of a lowered program, as a device with these features would get them: name, tile kernel and WGSL. Needs no GPU.
 *
 * @throws LoweringError or DTypeError when such a device cannot run the program.
 * @example
 * const lowered = jit((x) => np.sin(x).sum()).lower(np.ones([8]));
 * const [kernel] = emitKernels(lowered);
 * kernel.source.includes('@compute'); // → true
 */
export function emitKernels(
  lowered: { readonly module: LoweredModule },
  features: Partial<WgslFeatures> = {},
): CompiledKernel[] {
  const { module } = lowered;
  if (!isHlo(module))
    throw new ArgumentError(
      'emitKernels: the argument must be a lowered function; got another object. Pass jit(f).lower(…).',
    );
  const all = { ...baselineFeatures, ...features };
  const { steps } = compileModule(module, targetOf(all));
  return [...kernelsOf(steps)].map((kernel) => {
    const source = emitWgsl(kernel, all).code;
    const codeBytes = new TextEncoder().encode(source).length;
    return { name: kernel.name, text: printKernel(kernel), source, codeBytes };
  });
}

const isHlo = (module: LoweredModule | undefined): module is LoweredModule & HloModule =>
  module !== undefined && 'functions' in module;
