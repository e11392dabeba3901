/** Steps of a schedule with what every call needs precomputed; devices add what they keep of kernels and of loops. */
import type { HostCall, HostType } from '../core/host-call.ts';
import type { BufferId, Schedule, Step } from '../lowering/fuse/ir.ts';

/** A step; `Dispatch` is what a device keeps of a kernel, `Loop` what it keeps of a loop. */
export type PreparedStep<Dispatch, Loop> =
  | ({ readonly kind: 'kernel'; readonly ids: readonly BufferId[] } & Dispatch)
  | {
      readonly kind: 'host';
      readonly call: HostCall;
      readonly args: readonly HostBuffer[];
      readonly results: readonly HostBuffer[];
    }
  | {
      readonly kind: 'copy';
      readonly from: BufferId;
      readonly to: BufferId;
      readonly byteLength: number;
    }
  | ({
      readonly kind: 'while';
      readonly cond: readonly PreparedStep<Dispatch, Loop>[];
      readonly predicate: BufferId;
      readonly body: readonly PreparedStep<Dispatch, Loop>[];
      readonly trips: number | undefined;
    } & Moves &
      Loop)
  | {
      readonly kind: 'case';
      readonly index: BufferId;
      readonly branches: readonly (readonly PreparedStep<Dispatch, Loop>[])[];
    };

/** A buffer that a JavaScript function reads or writes. */
export interface HostBuffer {
  readonly id: BufferId;
  /** Type of the value, which need not have the shape that the buffer was made for. */
  readonly type: HostType;
  readonly byteLength: number;
}

/** Carried buffers of a loop that change, and where their next values are. */
interface Moves {
  readonly carried: readonly BufferId[];
  readonly next: readonly BufferId[];
}

/** How a device prepares kernels and loops. */
interface Preparation<Dispatch, Loop> {
  /** Nothing for a kernel without programs, which is left out. */
  readonly kernel: (step: Extract<Step, { kind: 'kernel' }>) => Dispatch | undefined;
  readonly loop: (moves: Moves, step: Extract<Step, { kind: 'while' }>) => Loop;
}

/** Prepare the steps of a schedule. */
export function prepareSteps<Dispatch, Loop>(
  schedule: Schedule,
  steps: readonly Step[],
  device: Preparation<Dispatch, Loop>,
): PreparedStep<Dispatch, Loop>[] {
  const prepare = (list: readonly Step[]): PreparedStep<Dispatch, Loop>[] =>
    prepareSteps(schedule, list, device);
  return steps.flatMap((step): PreparedStep<Dispatch, Loop>[] => {
    switch (step.kind) {
      case 'kernel': {
        const dispatch = device.kernel(step);
        return dispatch === undefined ? [] : [{ kind: 'kernel', ids: step.args, ...dispatch }];
      }
      case 'host': {
        const describe = (ids: readonly BufferId[], types: readonly HostType[]): HostBuffer[] =>
          ids.map((id, i) => ({
            id,
            type: types[i],
            byteLength: schedule.buffers[id].byteLength,
          }));
        const [args, results] = [
          describe(step.args, step.argTypes),
          describe(step.results, step.resultTypes),
        ];
        return [{ kind: 'host', call: step.call, args, results }];
      }
      case 'copy':
        return [{ ...step, byteLength: schedule.buffers[step.to].byteLength }];
      case 'while': {
        const moving = step.carried.flatMap((id, i) => (step.next[i] === id ? [] : [i]));
        const moves: Moves = {
          carried: moving.map((i) => step.carried[i]),
          next: moving.map((i) => step.next[i]),
        };
        const [cond, body] = [prepare(step.cond), prepare(step.body)];
        return [{ ...step, cond, body, ...moves, ...device.loop(moves, step) }];
      }
      case 'case':
        return [{ ...step, branches: step.branches.map(prepare) }];
    }
  });
}
