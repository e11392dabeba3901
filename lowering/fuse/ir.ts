/**
 * Schedules: what the fuser produces and backends run. Kernels over numbered buffers, with the control flow that stays on the host side of the
 * kernels, and a plan of which buffers share memory. No device, no target text.
 */
import type { HostCall } from '../../core/host-call.ts';
import type { TensorType } from '../hlo/ir.ts';
import type { Kernel } from '../tile/ir.ts';

/** Number of a buffer in its schedule. */
export type BufferId = number;

/** A buffer: row-major elements. `slot` groups temporaries that may share memory because they never live together. */
export interface BufferSpec {
  readonly type: TensorType;
  readonly byteLength: number;
  readonly role: 'input' | 'constant' | 'temporary' | 'output';
  /** Inputs: which argument. Outputs: which result. Constants: index in `Schedule.constants`. */
  readonly index: number;
  /** Temporaries with the same slot share memory. */
  slot?: number;
}

/** One step of a schedule. */
export type Step =
  /** Run a kernel; `args` follow its operands. */
  | { readonly kind: 'kernel'; readonly kernel: Kernel; readonly args: readonly BufferId[] }
  /** Call a JavaScript function on `args`; it leaves its results in `results`. Such steps run in the order in which they stand. */
  | {
      readonly kind: 'host';
      readonly call: HostCall;
      readonly args: readonly BufferId[];
      readonly results: readonly BufferId[];
      /** Types of both; a buffer may have been made for a value of another shape. */
      readonly argTypes: readonly TensorType[];
      readonly resultTypes: readonly TensorType[];
    }
  /** Copy whole buffers of equal size. */
  | { readonly kind: 'copy'; readonly from: BufferId; readonly to: BufferId }
  /**
   * While the bool in `predicate` (computed by `cond`) holds, run `body`.
   * Carried values live in `carried` buffers: `cond` and `body` read them; `body` leaves the next values in `next`, which are
   * moved to `carried` after each iteration (`next[i] === carried[i]` when the body updates in place).
   * `trips` is the iteration count when it is known; backends may then skip `cond`.
   */
  | {
      readonly kind: 'while';
      readonly cond: readonly Step[];
      readonly predicate: BufferId;
      readonly body: readonly Step[];
      readonly carried: readonly BufferId[];
      readonly next: readonly BufferId[];
      readonly trips: number | undefined;
    }
  /** Run the branch that the i32 in `index` names (out of range: the last). Every branch leaves its results in `results`. */
  | {
      readonly kind: 'case';
      readonly index: BufferId;
      readonly branches: readonly (readonly Step[])[];
    };

/** A compiled program before emission. */
export interface Schedule {
  readonly name: string;
  readonly buffers: readonly BufferSpec[];
  /** Bytes of the constants. */
  readonly constants: readonly Uint8Array[];
  /** Argument number → buffer (undefined: unused argument). */
  readonly inputs: readonly (BufferId | undefined)[];
  /** Result number → buffer: an output buffer, or an input that is returned unchanged. */
  readonly outputs: readonly BufferId[];
  readonly steps: readonly Step[];
}

/** What the fuser must know about a target to choose blocks and to know when to split. */
export interface Target {
  readonly kind: 'interpreter' | 'wasm' | 'webgpu';
  /** Most buffers that one kernel can bind. */
  readonly maxOperands: number;
  /** Programs that run side by side (workers, or a guess of a GPU's compute units). */
  readonly parallelism: number;
  /** Lanes that run in step (GPU subgroup size; 1 on CPUs). */
  readonly subgroupSize: number;
  /** Whether it is a software driver, on which barriers and wide workgroups are very slow. */
  readonly fallback: boolean;
  /** Bytes of workgroup memory; Infinity on CPUs. */
  readonly workgroupBytes: number;
  /** Whether multiply and add may be contracted. */
  readonly exact: boolean;
}
