/** What the kernels of this folder share: keeping reduced axes, masks of rows and columns, block sizes, types. */
import { describe } from '../../core/array.ts';
import type { DType } from '../../core/dtype.ts';
import { ArgumentError, DTypeError } from '../../core/errors.ts';
import type { Value } from '../../core/value.ts';
import { resultType } from '../../core/promotion.ts';
import { convertElementType } from '../../lax/convert.ts';
import { lt, select } from '../../lax/comparison.ts';
import { broadcastedIota, zerosLike } from '../../lax/creation.ts';
import { add } from '../../lax/arithmetic.ts';
import { dotGeneral } from '../../lax/dot.ts';
import { reduceMax } from '../../lax/reduction.ts';
import { broadcastInDim, reduceSum, reshape } from '../../lax/structure.ts';
import { ds } from '../../lax/ref-index.ts';
import type { Ref } from '../../lax/ref.ts';

/** Reduce the columns of a matrix, keeping them with size 1: f32[m,n] → f32[m,1]. */
export const rowSum = (x: Value): Value => reshape(reduceSum(x, [1]), [x.shape[0], 1]);
/** The largest entry of every row: f32[m,n] → f32[m,1]. */
export const rowMax = (x: Value): Value => reshape(reduceMax(x, [1]), [x.shape[0], 1]);
/** Repeat a column: f32[m,1] → f32[m,n]. */
export const across = (x: Value, columns: number): Value =>
  broadcastInDim(x, [x.shape[0], columns], [0, 1]);

/** x · y: f32[m,k], f32[k,n] → f32[m,n]. */
export const product = (x: Value, y: Value): Value =>
  dotGeneral(x, y, [
    [[1], [0]],
    [[], []],
  ]);
/** x · yᵀ: f32[m,k], f32[n,k] → f32[m,n]. */
export const productT = (x: Value, y: Value): Value =>
  dotGeneral(x, y, [
    [[1], [1]],
    [[], []],
  ]);
/** start + position along an axis, as i32 of the shape. */
export const positions = (
  start: Value | number,
  shape: readonly [number, number],
  axis: 0 | 1,
): Value => add(broadcastedIota('i32', shape, axis), start);

/** Rows `start … start + size - 1` of a matrix; rows past the end are zeros. */
export function rowsOf(ref: Ref, start: Value, size: number): Value {
  const [rows, columns] = ref.shape;
  const block = ref.get(ds(start, size), null);
  if (rows % size === 0) return block;
  return select(lt(positions(start, [size, columns], 0), rows), block, zerosLike(block));
}

/** The block of an axis: the option `asked` of `op`, else at most `most`. @throws ArgumentError when it is no positive integer. */
export function blockOf(
  [op, name, asked]: readonly [op: string, name: string, asked: number | undefined],
  extent: number,
  most: number,
): number {
  if (asked !== undefined && !(Number.isInteger(asked) && asked > 0))
    throw new ArgumentError(
      `${op}: ${name} must be a positive integer; got ${describe(asked)}. Leave it out to let the device choose.`,
    );
  return Math.max(1, Math.min(extent, asked ?? most));
}

/** Types that the kernels compute with: in f32 inside, whatever comes in and goes out. */
const computed: readonly DType[] = ['f32', 'f16', 'bf16'];

/**
 * Run a kernel on f32: operands become f32, the result gets their common dtype.
 *
 * @throws DTypeError for operands of another type, whose values f32 does not hold.
 */
export function inFloat32(
  op: string,
  operands: readonly Value[],
  run: (...xs: Value[]) => Value,
): Value {
  const wrong = operands.find((x) => !computed.includes(x.dtype));
  if (wrong !== undefined)
    throw new DTypeError(
      `${op}: operands must be of dtype ${computed.join(', ')}; got ${wrong.aval.toString()}. Convert it with \`x.astype('f32')\`, or use the function of palladia/numpy or palladia/nn.`,
    );
  const { dtype } = resultType(...operands);
  const as = (x: Value, to: DType): Value => (x.dtype === to ? x : convertElementType(x, to));
  return as(run(...operands.map((x) => as(x, 'f32'))), dtype);
}
