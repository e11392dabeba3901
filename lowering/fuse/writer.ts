/** What the parts of a fusion's writer ask of the whole: tiles of operands, refs of memory, the order of axes. */
import type { HloOp, HloValue } from '../hlo/ir.ts';
import type { TileBuilder } from '../tile/build.ts';
import type { Ref, Tile } from '../tile/ir.ts';
import type { Axis, Dims } from './axes.ts';
import type { Source } from './cluster.ts';
import type { Loop } from './config.ts';
import type { LoopNest } from './loops.ts';

/** A kernel that is being written. */
export interface Writer {
  readonly b: TileBuilder;
  readonly nest: LoopNest;
  /** Operands of an op with their axes; undefined axes for what is read as a whole. */
  operandsOf(op: HloOp): (readonly [HloValue, Dims | undefined])[];
  /** Axes of a value computed here. */
  dimsOf(value: HloValue): Dims;
  /** Where the operand of an op comes from; `memory` looks through to memory. */
  source(value: HloValue, dims: Dims, memory?: boolean): Source;
  /** The tile of an operand along these axes. */
  operand(value: HloValue, dims: Dims): Tile;
  /** A rank-0 operand as a rank-0 tile. */
  scalarOperand(value: HloValue): Tile;
  /** A rank-0 tile repeated to a shape. */
  expandScalar(tile: Tile, shape: readonly number[]): Tile;
  /** Repeat a tile along loops where it has size 1. */
  expand(tile: Tile, shape: readonly number[]): Tile;
  /** The ref of the block of a value along these axes. */
  blockRef(value: HloValue, dims: Dims): Ref;
  /** The ref of a value that is read as a whole. */
  wholeRef(value: HloValue): Ref;
  /** Bring a tile whose axes are these loops into the kernel's order. */
  canonical(tile: Tile, loops: readonly Loop[]): Tile;
  /** The position along a dimension with these axes, as an i32 tile of the shape. */
  index(axes: readonly Axis[], shape: readonly number[]): Tile;
  /** First element of this program's block along a loop. */
  start(loop: Loop): Tile;
}
