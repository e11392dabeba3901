/**
 * Tile kernels: what the fuser writes and what `pallasCall` lowers to. One IR, one printer, verifier and interpreter, one emitter per target.
 *
 * A kernel has a grid; each operand is a buffer with a block mapping; the body is a region over tiles and refs.
 * - A **tile** is a small immutable array of static shape, any rank. A rank-0 tile is a scalar, equal for the whole program.
 * - A **ref** is a window on a block of an operand or on scratch memory. Reading positions outside the array gives the fill;
 *   writes there are dropped; no kernel can touch memory outside its buffers.
 * Elementwise ops take operands of one shape: broadcasting is always explicit. Reductions keep the reduced axis with size 1.
 * Tiles have their exact logical shape: emitters pad their own layouts and mask what they pad.
 */
import type { DType } from '../../core/dtype.ts';
import type { Shape } from '../../core/shape.ts';
import type { Combiner, ScalarFn } from '../scalar.ts';

/** Type of a tile. */
export interface TileType {
  readonly kind: 'tile';
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Type of a ref: the window that loads and stores see. */
export interface RefType {
  readonly kind: 'ref';
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Type of a value in a kernel. */
export type TypeOf = TileType | RefType;

/** An SSA value of a kernel. */
export interface TileValue<T extends TypeOf = TypeOf> {
  readonly type: T;
  /** Name for printing; made unique by the printer. */
  name?: string | undefined;
  /** The op that defines it; undefined for region arguments. */
  def?: TileOp | undefined;
  index: number;
}

/** A tile value. */
export type Tile = TileValue<TileType>;
/** A ref value. */
export type Ref = TileValue<RefType>;

/** A region: arguments, ops in order, yielded values. */
export interface TileRegion {
  readonly args: TileValue[];
  readonly ops: TileOp[];
  results: TileValue[];
}

type Empty = Record<string, never>;

/** Every op and its attributes; operands, results and regions in the comments. */
export interface TileAttrs {
  // --- structure
  /** → i32[]: index of the program along a grid axis. */
  programId: { readonly axis: number };
  /** → i32[]: extent of a grid axis. */
  numPrograms: { readonly axis: number };
  /** → tile filled with one value. */
  constant: { readonly value: number | bigint | boolean };
  /** → integer or float tile counting along one axis. */
  iota: { readonly axis: number };
  /** lo, hi, step (i32[]), N carried tiles; region: (index, N carried) → N. Zero trips give the initial values. */
  for: { readonly unroll?: boolean };
  /** N carried tiles; regions: cond (N → bool[]), body (N → N). */
  while: Empty;
  /** bool[]; regions without args: then, else (both yield N). */
  if: Empty;
  // --- memory
  /** ref [, mask bool tile [, other tile]] → tile of the ref's shape. Outside the array: `fill` (default 0). Masked off: other, else `fill`. */
  load: { readonly fill?: number | bigint | boolean };
  /** ref, tile [, mask]. Nothing outside the array, or masked off, is written. */
  store: Empty;
  /** ref, tile [, mask]: ref = combine(ref, tile). Not atomic: one program owns the block. */
  accumulate: { readonly combiner: Combiner };
  /** ref (rank 0 window), tile [, mask] → old value: an atomic read-modify-write. */
  atomic: { readonly combiner: Combiner | 'exchange' };
  /** ref, one i32 index tile per axis of the ref (all of one shape) [, mask] → tile; out of bounds gives `fill`. */
  gather: { readonly fill?: number | bigint | boolean; readonly masked: boolean };
  /** ref, one index tile per axis (of one shape), update tile [, mask]: ref[idx] = combine(ref[idx], update) in row-major order; out of bounds is skipped. */
  scatter: { readonly combiner: Combiner | 'set'; readonly masked: boolean };
  /** → ref to fresh, undefined memory of this program. */
  alloc: Empty;
  /** ref, one i32[] start per axis → ref of `sizes` taken every `strides`; axes in `squeeze` (of size 1) are dropped. Starts are not clamped. */
  slice_ref: {
    readonly sizes: Shape;
    readonly strides: readonly number[];
    readonly squeeze: readonly number[];
  };
  /** ref → ref with permuted axes. */
  transpose_ref: { readonly permutation: readonly number[] };
  // --- elementwise
  /** Tiles of one shape and dtype → tile. */
  scalar: { readonly fn: ScalarFn };
  /** bool tile, two tiles, all of one shape. */
  select: Empty;
  /** Conversion with StableHLO `convert` semantics; the result type says to what. */
  cast: Empty;
  /** Same width, other dtype. */
  bitcast: Empty;
  // --- shape
  /** Axis i of the operand becomes axis `dims[i]`; size-1 axes and new axes repeat. */
  broadcast: { readonly dims: readonly number[] };
  reshape: Empty;
  transpose: { readonly permutation: readonly number[] };
  slice: {
    readonly starts: readonly number[];
    readonly limits: readonly number[];
    readonly strides: readonly number[];
  };
  concat: { readonly axis: number };
  /** tile, rank-0 padding value. Negative amounts cut. */
  pad: {
    readonly low: readonly number[];
    readonly high: readonly number[];
    readonly interior: readonly number[];
  };
  rev: { readonly axes: readonly number[] };
  // --- reductions (axes stay, with size 1)
  /** N tiles of one shape → N tiles. With `combiner`: one tile and no region. Else region: 2N rank-0 (acc…, x…) → N; operands N tiles, N rank-0 inits. */
  reduce: { readonly axes: readonly number[]; readonly combiner?: Combiner };
  /** tile → i32 tile: index of the extreme along the axis; NaN wins, ties take the lower index. */
  argreduce: { readonly axis: number; readonly which: 'max' | 'min' };
  /** Inclusive scan along an axis. Regions and operands as `reduce`. */
  scan: { readonly axis: number; readonly reverse: boolean; readonly combiner?: Combiner };
  /** N tiles → N tiles, ordered along the axis; region: comparator over 2N rank-0 (a0, b0, a1, b1, …) → bool. Stable. */
  sort: { readonly axis: number };
  // --- contraction
  /** a[…,m,k], b[…,k,n] [, acc[…,m,n]] → […,m,n]. Leading axes are batch axes and equal. Transposes are `transpose` ops on operands. */
  dot: { readonly precision: 'default' | 'highest' };
  // --- meta
  /** i32[] → the same, known to be a multiple. */
  assume: { readonly multipleOf: number };
  /** Debug output of the operands. */
  print: { readonly format: string };
  /** bool[]: an error with the message in the checking interpreter, nothing when compiled. */
  check: { readonly message: string };
}

/** Mnemonics. */
export type TileKind = keyof TileAttrs;

/** One op of a kernel. */
export type TileOp<K extends TileKind = TileKind> = {
  [Kind in K]: {
    readonly kind: Kind;
    operands: TileValue[];
    readonly attrs: TileAttrs[Kind];
    readonly regions: readonly TileRegion[];
    readonly results: TileValue[];
    /** The user's line, when known. */
    readonly frame?: string | undefined;
  };
}[K];

/** One axis of a block. */
export type BlockDim =
  /** `size` elements; the index map gives a block index, the block starts at index · size. */
  | { readonly kind: 'blocked'; readonly size: number }
  /** One element; the axis is dropped from the ref; the index map gives an element index. */
  | { readonly kind: 'squeezed' }
  /** `size` elements; the index map gives the element where the block starts. */
  | { readonly kind: 'element'; readonly size: number };

/**
 * Which part of an operand a program sees.
 * `indexMap`: region over one i32[] per grid axis (then one ref per prefetch operand) → one i32[] per axis of the array.
 */
export interface BlockMapping {
  readonly dims: readonly BlockDim[];
  readonly indexMap: TileRegion;
}

/** One buffer of a kernel. */
export interface Operand {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of the whole array. */
  readonly shape: Shape;
  readonly access: 'read' | 'write' | 'readwrite';
  readonly block: BlockMapping;
  /** Whole array, readable by index maps (scalar prefetch). */
  readonly prefetch?: boolean;
}

/** Whether the programs along a grid axis are independent, or run in order within one program. */
export type AxisSemantics = 'parallel' | 'sequential';

/** One axis of a grid. */
export interface GridAxis {
  readonly extent: number;
  readonly semantics: AxisSemantics;
}

/** Scratch memory that keeps its values along sequential axes of the grid; undefined at a program's first step. */
export interface Scratch {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A kernel. The body's arguments are one ref per operand (its block), then one per scratch. It yields nothing. */
export interface Kernel {
  readonly name: string;
  readonly grid: readonly GridAxis[];
  readonly operands: readonly Operand[];
  readonly scratch: readonly Scratch[];
  readonly body: TileRegion;
}

/** Shape of the ref that the body sees for an operand: squeezed axes dropped. */
export const blockShape = (block: BlockMapping): number[] =>
  block.dims.flatMap((dim) => (dim.kind === 'squeezed' ? [] : [dim.size]));

/** Whether a value is a tile. */
export const isTile = (value: TileValue): value is Tile => value.type.kind === 'tile';
/** Whether a value is a ref. */
export const isRef = (value: TileValue): value is Ref => value.type.kind === 'ref';
