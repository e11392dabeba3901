/** What executables keep: schedules whose kernels are pipelines, with what every call needs precomputed. */
import type { CompiledKernel } from '../../core/backend.ts';
import { invariant } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import type { Schedule } from '../../lowering/fuse/ir.ts';
import { printKernel } from '../../lowering/tile/print.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import type { WgslKernel } from '../../lowering/wgsl/emit.ts';
import { prepareSteps, type PreparedStep } from '../prepared.ts';
import type { Allocation } from './memory.ts';
import type { Pipeline } from './pipelines.ts';

/** A kernel of a program. */
export interface LoadedKernel extends CompiledKernel {
  readonly code: WgslKernel;
  readonly pipeline: Pipeline;
  /** Bytes of every operand. */
  readonly byteLengths: readonly number[];
}

/** What a call needs of a kernel. */
interface Dispatch {
  readonly kernel: LoadedKernel;
  /** Bind groups by the buffers that they bind. */
  readonly groups: Map<string, GPUBindGroup>;
  /** The bind group of the last call, and what it binds. */
  last: { readonly bound: readonly Allocation[]; readonly group: GPUBindGroup } | undefined;
}

/** What is needed of a loop: bytes of its carried buffers that change. */
interface Carried {
  readonly byteLengths: readonly number[];
}

/** A step with what a call needs. */
export type Prepared = PreparedStep<Dispatch, Carried>;

/** Bytes of the operands of a kernel. */
export const operandBytes = (kernel: Kernel): number[] =>
  kernel.operands.map((o) => sizeOf(o.shape) * dtypeInfo[o.dtype].byteLength);

/** Prepare the steps of a schedule. */
export const prepare = (schedule: Schedule, load: (kernel: Kernel) => LoadedKernel): Prepared[] =>
  prepareSteps<Dispatch, Carried>(schedule, schedule.steps, {
    kernel(step) {
      const kernel = load(step.kernel);
      return kernel.code.workgroups.includes(0)
        ? undefined
        : { kernel, groups: new Map(), last: undefined };
    },
    loop({ carried, next }) {
      invariant(
        new Set(next).size === next.length,
        `${schedule.name}: a loop moves one buffer to two places.`,
      );
      return { byteLengths: carried.map((id) => schedule.buffers[id].byteLength) };
    },
  });

/** A kernel as people see it. */
export const describeKernel = (kernel: Kernel, code: WgslKernel): CompiledKernel => ({
  name: kernel.name,
  text: printKernel(kernel),
  source: code.code,
  codeBytes: new TextEncoder().encode(code.code).length,
});

/** Whether steps must wait for values that the device computes, or for JavaScript. */
export const waits = (steps: readonly Prepared[]): boolean =>
  steps.some((step) => {
    if (step.kind === 'case' || step.kind === 'host') return true;
    return (
      step.kind === 'while' && (step.trips === undefined || waits(step.body) || waits(step.cond))
    );
  });
