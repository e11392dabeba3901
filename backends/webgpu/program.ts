/** What executables keep: schedules whose kernels are pipelines, with what every call needs precomputed. */
import type { CompiledKernel } from '../../core/backend.ts';
import { invariant } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import type { BufferId, Schedule, Step } from '../../lowering/fuse/ir.ts';
import { printKernel } from '../../lowering/tile/print.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import type { WgslKernel } from '../../lowering/wgsl/emit.ts';
import type { Pipeline } from './pipelines.ts';

/** A kernel of a program. */
export interface LoadedKernel extends CompiledKernel {
  readonly code: WgslKernel;
  readonly pipeline: Pipeline;
  /** Bytes of every operand. */
  readonly byteLengths: readonly number[];
}

/** A step with what a call needs. */
export type Prepared =
  | {
      readonly kind: 'kernel';
      readonly kernel: LoadedKernel;
      readonly ids: readonly BufferId[];
      /** Bind groups by the buffers that they bind. */
      readonly groups: Map<string, GPUBindGroup>;
    }
  | {
      readonly kind: 'copy';
      readonly from: BufferId;
      readonly to: BufferId;
      readonly byteLength: number;
    }
  | {
      readonly kind: 'while';
      readonly cond: readonly Prepared[];
      readonly predicate: BufferId;
      readonly body: readonly Prepared[];
      readonly trips: number | undefined;
      /** Carried buffers that change, and where their next values are. */
      readonly carried: readonly BufferId[];
      readonly next: readonly BufferId[];
    }
  | {
      readonly kind: 'case';
      readonly index: BufferId;
      readonly branches: readonly (readonly Prepared[])[];
    };

/** Bytes of the operands of a kernel. */
export const operandBytes = (kernel: Kernel): number[] =>
  kernel.operands.map((o) => sizeOf(o.shape) * dtypeInfo[o.dtype].byteLength);

/** Prepare the steps of a schedule. */
export function prepareSteps(
  schedule: Schedule,
  steps: readonly Step[],
  load: (kernel: Kernel) => LoadedKernel,
): Prepared[] {
  const prepare = (list: readonly Step[]): Prepared[] => prepareSteps(schedule, list, load);
  return steps.flatMap((step): Prepared[] => {
    switch (step.kind) {
      case 'kernel': {
        const kernel = load(step.kernel);
        if (kernel.code.workgroups.includes(0)) return [];
        return [{ kind: 'kernel', kernel, ids: step.args, groups: new Map() }];
      }
      case 'copy':
        return [{ ...step, byteLength: schedule.buffers[step.to].byteLength }];
      case 'while': {
        const moving = step.carried.flatMap((id, i) => (step.next[i] === id ? [] : [i]));
        const next = moving.map((i) => step.next[i]);
        invariant(
          new Set(next).size === next.length,
          `${schedule.name}: a loop moves one buffer to two places.`,
        );
        return [
          {
            ...step,
            cond: prepare(step.cond),
            body: prepare(step.body),
            carried: moving.map((i) => step.carried[i]),
            next,
          },
        ];
      }
      case 'case':
        return [{ ...step, branches: step.branches.map(prepare) }];
    }
  });
}

/** A kernel as people see it. */
export const describeKernel = (kernel: Kernel, code: WgslKernel): CompiledKernel => ({
  name: kernel.name,
  text: printKernel(kernel),
  source: code.code,
});

/** Whether steps must wait for values that the device computes. */
export const waits = (steps: readonly Prepared[]): boolean =>
  steps.some((step) => {
    if (step.kind === 'case') return true;
    return (
      step.kind === 'while' && (step.trips === undefined || waits(step.body) || waits(step.cond))
    );
  });
