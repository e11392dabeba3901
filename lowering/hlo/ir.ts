/**
 * StableHLO in memory: plain SSA. What each op means is said once, in `interpret.ts`; its text form in `print.ts` and `parse.ts`.
 * Ops are a closed set: `HloAttrs` names them with their attributes, and the build breaks wherever a new one is unanswered.
 * Scalar functions share one kind, `scalar`, with the function as attribute; everything else has StableHLO's own mnemonic.
 */
import type { DType } from '../../core/dtype.ts';
import type { HostCall } from '../../core/host-call.ts';
import type { Shape } from '../../core/shape.ts';
import type { CompareFn, ScalarFn } from '../scalar.ts';

/** A tensor type with static shape. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** An SSA value: the result of an op or a block argument. */
export interface HloValue {
  readonly type: TensorType;
  /** Name hint for printing (`cst`, `iterArg`); names are made unique by the printer. */
  hint?: string | undefined;
  /** The op that defines it; undefined for block arguments. */
  def?: HloOp | undefined;
  /** Which result of `def`, or which block argument. */
  index: number;
}

/** A single-block region: arguments, ops in order, results of its terminator. */
export interface Region {
  readonly args: HloValue[];
  readonly ops: HloOp[];
  results: HloValue[];
}

/** `dot_general` dimension numbers; result axes are batch, lhs free, rhs free. */
export interface DotDims {
  readonly lhsBatch: readonly number[];
  readonly rhsBatch: readonly number[];
  readonly lhsContract: readonly number[];
  readonly rhsContract: readonly number[];
}

/** `gather` dimension numbers, as in StableHLO. */
export interface GatherDims {
  readonly offsetDims: readonly number[];
  readonly collapsedSliceDims: readonly number[];
  readonly operandBatchingDims: readonly number[];
  readonly startIndicesBatchingDims: readonly number[];
  readonly startIndexMap: readonly number[];
  readonly indexVectorDim: number;
}

/** `scatter` dimension numbers, as in StableHLO. */
export interface ScatterDims {
  readonly updateWindowDims: readonly number[];
  readonly insertedWindowDims: readonly number[];
  readonly inputBatchingDims: readonly number[];
  readonly scatterIndicesBatchingDims: readonly number[];
  readonly scatterDimsToOperandDims: readonly number[];
  readonly indexVectorDim: number;
}

/** Padding, strides and dilations of a window op, one entry per axis. */
export interface WindowAttrs {
  readonly dimensions: readonly number[];
  readonly strides: readonly number[];
  readonly baseDilations: readonly number[];
  readonly windowDilations: readonly number[];
  readonly padding: readonly (readonly [low: number, high: number])[];
}

/** Precision of a dot, one entry per operand. */
export type Precision = 'DEFAULT' | 'HIGH' | 'HIGHEST';

/** How floats are compared: IEEE, or the total order of their bits. */
export type CompareKind = 'FLOAT' | 'TOTALORDER' | 'SIGNED' | 'UNSIGNED';

/** The channel over which devices exchange data; type 1 is between devices. */
export interface Channel {
  readonly handle: number;
  readonly type: number;
}

/** Among which devices a collective works. */
export interface CollectiveAttrs {
  /** Groups of devices, of one length; -1 stands for no device. */
  readonly groups: readonly (readonly number[])[];
  /** None: groups are of replicas, not of partitions. */
  readonly channel: Channel | undefined;
}

/** Collectives whose groups may count replicas and partitions together. */
export interface GlobalCollectiveAttrs extends CollectiveAttrs {
  readonly useGlobalDeviceIds: boolean;
}

/** An attribute of an op that we do not interpret; `text` is MLIR text that was parsed without being understood. */
export type HloAttribute = string | number | boolean | { readonly text: string };

type Empty = Record<string, never>;

/** Every op and its attributes. Operands, results and regions are described in the comments. */
export interface HloAttrs {
  /** Constant: row-major host values, or one value for a splat. */
  constant: { readonly value: HloConstant };
  /** A scalar function on operands of one type and shape (`clamp` also takes rank-0 bounds). */
  scalar: { readonly fn: Exclude<ScalarFn, CompareFn> };
  /** `compare`: two operands of one type; bool result. */
  compare: { readonly direction: CompareFn; readonly kind: CompareKind };
  /** `select`: predicate (same shape or rank 0), on true, on false. */
  select: Empty;
  convert: Empty;
  /** Same bits, other dtype; a width change adds or removes a minor axis. */
  bitcast_convert: Empty;
  reduce_precision: { readonly exponentBits: number; readonly mantissaBits: number };
  complex: Empty;
  real: Empty;
  imag: Empty;
  iota: { readonly dim: number };
  broadcast_in_dim: { readonly dims: readonly number[] };
  reshape: Empty;
  transpose: { readonly permutation: readonly number[] };
  reverse: { readonly dims: readonly number[] };
  concatenate: { readonly dim: number };
  slice: {
    readonly starts: readonly number[];
    readonly limits: readonly number[];
    readonly strides: readonly number[];
  };
  /** Operand, padding value. */
  pad: {
    readonly low: readonly number[];
    readonly high: readonly number[];
    readonly interior: readonly number[];
  };
  /** Operand, one rank-0 start per axis (clamped). */
  dynamic_slice: { readonly sizes: readonly number[] };
  /** Operand, update, one rank-0 start per axis (clamped). */
  dynamic_update_slice: Empty;
  /** Operands, start indices. Starts are clamped. */
  gather: {
    readonly dims: GatherDims;
    readonly sliceSizes: readonly number[];
    readonly indicesAreSorted: boolean;
  };
  /** N inputs, indices, N updates; region: 2N rank-0 args (old…, update…) → N. Out-of-bounds updates are skipped. */
  scatter: {
    readonly dims: ScatterDims;
    readonly indicesAreSorted: boolean;
    readonly uniqueIndices: boolean;
  };
  /** N inputs, N inits; region: 2N rank-0 args (accumulators…, elements…) → N. */
  reduce: { readonly dims: readonly number[] };
  /** N inputs, N inits; region as `reduce`. */
  reduce_window: { readonly window: WindowAttrs };
  /** Operand, source, init; regions: select (2 → bool), scatter (2 → 1). */
  select_and_scatter: { readonly window: WindowAttrs };
  /** N inputs; region: comparator over 2N rank-0 args (a0, b0, a1, b1, …) → bool. */
  sort: { readonly dim: number; readonly isStable: boolean };
  dot_general: {
    readonly dims: DotDims;
    readonly precision: readonly [Precision, Precision];
    /** The algorithm that text asks XLA for, as text: devices here compute at least as exactly. */
    readonly algorithm?: string;
  };
  /** N carried values; regions: cond (→ bool), body (→ N). */
  while: Empty;
  /** Rank-0 i32 index (clamped to the last branch when out of range); one region without args per branch. */
  case: Empty;
  /** Call of a function of the module. */
  call: { readonly callee: string };
  /** A named op with a decomposition function; `attributes` are strings and numbers. */
  composite: {
    readonly name: string;
    readonly decomposition: string;
    readonly attributes: Readonly<Record<string, HloAttribute>>;
  };
  custom_call: {
    readonly target: string;
    readonly attributes: Readonly<Record<string, HloAttribute>>;
    readonly hasSideEffect: boolean;
    /** The JavaScript function that is called; it does not cross text. */
    readonly host?: HostCall | undefined;
  };
  optimization_barrier: Empty;
  /** N operands, each combined over the devices of a group; region: 2 rank-0 args → 1. */
  all_reduce: GlobalCollectiveAttrs;
  /** N operands: those of a group one after the other. */
  all_gather: GlobalCollectiveAttrs & { readonly dim: number };
  /** N operands, cut into as many parts as a group has devices: each device gets its part from all, one after the other. */
  all_to_all: CollectiveAttrs & {
    readonly splitDim: number;
    readonly concatDim: number;
    readonly splitCount: number;
  };
  /** The operand of the first device of a group. */
  collective_broadcast: CollectiveAttrs;
  /** The operand of the device that sends here, zeros where none does. */
  collective_permute: {
    readonly pairs: readonly (readonly number[])[];
    readonly channel: Channel | undefined;
  };
  /** As `all_reduce` of one operand, of which each device of a group gets its part; region as there. */
  reduce_scatter: GlobalCollectiveAttrs & { readonly dim: number };
  /** Which partition runs this: rank-0 u32. */
  partition_id: Empty;
  /** Which replica runs this: rank-0 u32. */
  replica_id: Empty;
  /** Random bits: state → new state, bits. */
  rng_bit_generator: { readonly algorithm: 'DEFAULT' | 'THREE_FRY' | 'PHILOX' };
}

/** Mnemonics. */
export type HloKind = keyof HloAttrs;

/** Whether an op, or one inside its regions, does something besides computing its results. Calls do not look into their callee. */
export function hasSideEffects(op: HloOp): boolean {
  const pending: HloOp[] = [op];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at.kind === 'custom_call' && at.attrs.hasSideEffect) return true;
    for (const region of at.regions) pending.push(...region.ops);
  }
  return false;
}

/** One op. `kind` decides the type of `attrs`. */
export type HloOp<K extends HloKind = HloKind> = {
  [Kind in K]: {
    readonly kind: Kind;
    operands: HloValue[];
    readonly attrs: HloAttrs[Kind];
    readonly regions: readonly Region[];
    readonly results: HloValue[];
    /** The user's line, when known. */
    readonly frame?: string | undefined;
    /** What it came from, as a path: `jit(f)/scope/sin`. */
    readonly place?: string | undefined;
  };
}[K];

/** Constant data: a splat, or one entry per element (numbers; bigint for 64-bit integers; pairs for complex). */
export type HloConstant =
  | { readonly splat: true; readonly value: number | bigint | boolean | readonly [number, number] }
  | { readonly splat: false; readonly values: ArrayLike<number> | ArrayLike<bigint> };

/** A function of a module. */
export interface HloFunction {
  readonly name: string;
  readonly visibility: 'public' | 'private';
  readonly body: Region;
  /** Which result overwrites which argument (`tf.aliasing_output`), by argument. */
  readonly aliases?: ReadonlyMap<number, number>;
  /** `jax.result_info` of each result. */
  readonly resultInfo?: readonly string[];
}

/** A module: functions in order, `main` first. */
export interface HloModule {
  readonly name: string;
  readonly functions: HloFunction[];
  /** Over how many devices XLA may spread the program; 1 when left out. */
  readonly numPartitions?: number;
  /** The text; printed on demand and cached by the builder. With `debugInfo`, every op shows what it came from. */
  toString(options?: { readonly debugInfo?: boolean }): string;
}

/** Ops that devices do together. */
export type CollectiveKind =
  | 'all_reduce'
  | 'all_gather'
  | 'all_to_all'
  | 'collective_broadcast'
  | 'collective_permute'
  | 'reduce_scatter';

/** The target of a custom call that says how its operand lies over devices: the identity to all but XLA's partitioner. */
export const shardingTarget = 'Sharding';

/** Whether an op says how a value lies over devices. */
export const isShardingCall = (op: HloOp): boolean =>
  op.kind === 'custom_call' && op.attrs.target === shardingTarget;

/** Whether two tensor types are equal. */
export const sameTensorType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype &&
  a.shape.length === b.shape.length &&
  a.shape.every((d, i) => d === b.shape[i]);
