/** Arrays out of nothing: `iota` is the primitive; full, zeros and ones are broadcast scalars. */
import { NDArray, type ArrayLike } from '../core/array.ts';
import { Aval } from '../core/aval.ts';
import { checkNumberLists } from '../core/options.ts';
import { canonicalDType } from '../core/promotion.ts';
import type { DType } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import type { Primitive } from '../core/primitive.ts';
import { canonicalAxis, showShape, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import { convertElementType } from './convert.ts';
import { definePrimitive, dtypeText, tupleText } from './define.ts';
import { operand } from './operand.ts';
import { broadcast, broadcastInDim } from './structure.ts';

/** Parameters of `iota`. */
export interface IotaParams {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly dimension: number;
}

/** `iota`: each element is its index along one axis. */
export const iotaP: Primitive<IotaParams> = definePrimitive<IotaParams>('iota', {
  abstractEval: (_, { dtype, shape }) => [new Aval(shape, dtype)],
  lower: (b, _args, { dtype, shape, dimension }) => [b.iota(dtype, shape, dimension)],
  jvp: 'zero',
  // Without operands nothing is ever batched; the rule stands for completeness.
  batch: (_args, _dims, params) => [[iotaP.bind1([], params)], [null]],
  printParams: ({ dtype, shape, dimension }) => ({
    dimension: String(dimension),
    dtype: dtypeText(dtype),
    shape: tupleText(shape),
    sharding: 'None',
  }),
});

/**
 * The numbers 0, 1, … size - 1.
 *
 * @throws ShapeError when `size` is negative or no integer; DTypeError for bool and float0.
 * @example
 * String(lax.iota('i32', 3)); // → [0 1 2]
 */
export const iota = (dtype: DType, size: number): Value => broadcastedIota(dtype, [size], 0);

/**
 * An array of this shape whose elements are their index along one axis.
 *
 * @throws ShapeError when the shape or the axis is not valid; DTypeError for bool and float0.
 * @example
 * String(lax.broadcastedIota('i32', [2, 2], 0)); // → [[0 0] [1 1]]
 */
export function broadcastedIota(dtype: DType, shape: Shape, dimension: number): Value {
  checkShape('iota', shape);
  if (dtype === 'bool' || dtype === 'float0')
    throw new DTypeError(
      `iota: ${dtype} cannot count; got dtype ${dtype}. Choose an integer or float dtype.`,
    );
  const axis = canonicalAxis('iota', dimension, shape.length);
  return iotaP.bind1([], { dtype: canonicalDType(dtype), shape: [...shape], dimension: axis });
}

/**
 * An array of this shape with every element equal to the scalar `value`; its dtype is that of `value` when left out.
 *
 * @throws ShapeError when the shape is not valid or `value` is no scalar.
 * @example
 * String(lax.full([2], 7, 'i32')); // → [7 7]
 */
export function full(shape: Shape, value: ArrayLike, dtype?: DType): Value {
  checkShape('full', shape);
  const scalar =
    dtype === undefined ? operand('full', value, 'value') : convertElementType(value, dtype);
  if (scalar.ndim !== 0)
    throw new ShapeError(
      `full: the value must be a scalar; got ${scalar.aval.toString()}. Use lax.broadcastInDim to repeat an array.`,
    );
  return broadcast(scalar, shape);
}

/**
 * `full` with shape and dtype of `x` unless said otherwise.
 *
 * @throws ShapeError when the shape is not valid or `value` is no scalar.
 * @example
 * String(lax.fullLike(lax.iota('i32', 2), 7)); // → [7 7]
 */
export function fullLike(x: ArrayLike, value: ArrayLike, dtype?: DType, shape?: Shape): Value {
  const like = operand('fullLike', x);
  const weakType = dtype === undefined && like.weakType;
  return broadcast(convertElementType(value, dtype ?? like.dtype, weakType), shape ?? like.shape);
}

/**
 * Zeros of this shape.
 *
 * @throws ShapeError when the shape is not valid.
 * @example
 * String(lax.zeros([2], 'f32')); // → [0. 0.]
 */
export const zeros = (shape: Shape, dtype: DType = 'f32'): Value => full(shape, 0, dtype);

/**
 * Ones of this shape.
 *
 * @throws ShapeError when the shape is not valid.
 * @example
 * String(lax.ones([2], 'f32')); // → [1. 1.]
 */
export const ones = (shape: Shape, dtype: DType = 'f32'): Value => full(shape, 1, dtype);

/** Zeros of the type of `x`, with its weak type. */
export const zerosLike = (x: ArrayLike): Value => fullLike(x, 0);

/** Ones of the type of `x`, with its weak type. */
export const onesLike = (x: ArrayLike): Value => fullLike(x, 1);

/** Zeros of this abstract value: what a symbolic zero becomes when somebody needs it. */
export function zerosOf(aval: Aval): Value {
  const scalar = NDArray.fromScalar(zeroFor(aval.dtype), aval.dtype, aval.weakType);
  return broadcastInDim(scalar, aval.shape, []);
}

const zeroFor = (dtype: DType): number | bigint | boolean =>
  dtype === 'bool' ? false : dtype === 'i64' || dtype === 'u64' ? 0n : 0;

function checkShape(op: string, shape: Shape): void {
  checkNumberLists(op, { shape });
  if (shape.some((n) => !Number.isInteger(n) || n < 0))
    throw new ShapeError(
      `${op}: shape must hold non-negative integers; got ${showShape(shape)}. Compute it with JavaScript numbers.`,
    );
}
