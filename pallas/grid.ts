/** Grids and blocks: which part of every operand a program sees, and where in the grid it is. */
import { Aval } from '../core/aval.ts';
import { describe } from '../core/array.ts';
import { ArgumentError, LoweringError, ShapeError } from '../core/errors.ts';
import type { Primitive } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive } from '../lax/define.ts';

/** One entry of a block shape: elements per block, or `null` for one element whose axis the kernel does not see. */
export type BlockSize = number | null;

/** From grid indices (rank-0 i32) to one block index per axis of the array. */
export type IndexMap = (...ids: Value[]) => Value | number | readonly (Value | number)[];

/**
 * How an operand is cut into blocks. Without a block shape every program sees the whole array; without an index map the block is the first.
 *
 * @throws ArgumentError when the block shape is no list or the index map no function.
 * @example
 * const spec = new pl.BlockSpec([8, null], (i, j) => [i, j]);
 */
export class BlockSpec {
  readonly blockShape: readonly BlockSize[] | undefined;
  readonly indexMap: IndexMap | undefined;
  constructor(blockShape?: readonly BlockSize[], indexMap?: IndexMap) {
    if (blockShape !== undefined && !Array.isArray(blockShape))
      throw new ArgumentError(
        `BlockSpec: the block shape must be a list with one size per axis; got ${describe(blockShape)}. Write new pl.BlockSpec([8, 8], (i, j) => [i, j]).`,
      );
    if (indexMap !== undefined && typeof indexMap !== 'function')
      throw new ArgumentError(
        `BlockSpec: the index map must be a function of the grid indices; got ${describe(indexMap)}. Write new pl.BlockSpec([8, 8], (i, j) => [i, j]).`,
      );
    this.blockShape = blockShape;
    this.indexMap = indexMap;
  }
}

/** Whether programs along an axis are independent (`parallel`), run in order (`sequential`), or the compiler finds out (`arbitrary`). */
export type DimensionSemantics = 'parallel' | 'sequential' | 'arbitrary';

let current: readonly number[] | undefined;

/** Run `body` as the tracing of a kernel over this grid. */
export function withGrid<T>(grid: readonly number[], body: () => T): T {
  const outer = current;
  current = grid;
  try {
    return body();
  } finally {
    current = outer;
  }
}

function extentOf(op: string, axis: number): number {
  if (current === undefined)
    throw new ArgumentError(
      `${op}: only kernels and index maps have a grid; got a call outside of pallasCall. Call it inside the kernel.`,
    );
  if (!Number.isInteger(axis) || axis < 0 || axis >= current.length)
    throw new ShapeError(
      `${op}: the axis must be one of the grid; got ${axis} for grid (${current.join(', ')}). Name an axis of the grid.`,
    );
  return current[axis];
}

/** `program_id`: index of the running program along an axis of the grid. */
export const programIdP: Primitive<{ readonly axis: number }> = definePrimitive<{
  readonly axis: number;
}>('program_id', {
  abstractEval: () => [new Aval([], 'i32')],
  jvp: 'zero',
  lower: () => {
    throw new LoweringError(
      'program_id: only kernels have programs. Call it inside the kernel of a pallasCall.',
    );
  },
});

/**
 * Index of the running program along an axis of the grid: i32[]. Axes that vmap added are invisible.
 *
 * @throws ArgumentError outside of a kernel; ShapeError when the grid has no such axis.
 */
export function programId(axis: number): Value {
  extentOf('programId', axis);
  return programIdP.bind1([], { axis });
}

/**
 * Number of programs along an axis of the grid.
 *
 * @throws ArgumentError outside of a kernel; ShapeError when the grid has no such axis.
 */
export const numPrograms = (axis: number): number => extentOf('numPrograms', axis);

/** ceil(a / b) for positive integers: how many blocks of `b` cover `a`. */
export const cdiv = (a: number, b: number): number => Math.ceil(a / b);
