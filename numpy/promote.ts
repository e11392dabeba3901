/**
 * How arguments of numpy functions become operands of `lax`: numbers take part in promotion as weak types, dtypes are promoted,
 * ranks are made equal. Sizes need not be equal: `lax` repeats axes of size 1.
 */
import { asValue, NDArray, type ArrayLike } from '../core/array.ts';
import { config } from '../core/config.ts';
import { dtypeInfo, isFloat, isInexact, isUnsigned, type DType } from '../core/dtype.ts';
import { ArgumentError, ConcretizationError, ShapeError } from '../core/errors.ts';
import { checkRange, type Scalar } from '../core/host.ts';
import { canonicalDType, resultType, toInexact, type Typed } from '../core/promotion.ts';
import { checkNumberLists, checkOptions } from '../core/options.ts';
import { canonicalAxes, canonicalAxis, showShape, type Shape } from '../core/shape.ts';
import { Value } from '../core/value.ts';
import { convertElementType } from '../lax/convert.ts';
import { isScalar } from '../lax/operand.ts';
import { broadcastInDim, expandDims } from '../lax/structure.ts';

/** A dtype, or something that has one: `'f32'`, `np.float32`, an array. */
export type DTypeLike = DType | { readonly dtype: DType };

/** The sizes of the axes, or the size of the only one. */
export type ShapeLike = Shape | number;

const hasDType = (like: DTypeLike): like is { readonly dtype: DType } =>
  (typeof like === 'object' || typeof like === 'function') && like !== null;

/** The dtype that is meant, with 64-bit types narrowed while they are off. */
export const dtypeOf = (like: DTypeLike): DType =>
  canonicalDType(hasDType(like) ? like.dtype : like);

/**
 * Refuse traced values where JavaScript numbers are needed.
 *
 * @throws ConcretizationError naming the argument.
 */
export function checkConcrete(op: string, argument: string, ...xs: readonly unknown[]): void {
  const traced = xs.find((x) => x instanceof Value && !(x instanceof NDArray));
  if (traced !== undefined)
    throw new ConcretizationError(
      `${op}: ${argument} must be known when the program is traced; got ${String(traced)}. Use x.shape and JavaScript numbers, or make the argument static.`,
    );
}

/** The shape that is meant. @throws ShapeError for sizes that are not non-negative integers; ConcretizationError for traced ones. */
export function shapeOf(op: string, like: ShapeLike): Shape {
  checkConcrete(
    op,
    'the shape',
    like,
    ...(Array.isArray(like) ? (like as readonly unknown[]) : []),
  );
  const shape = typeof like === 'number' ? [like] : like;
  checkNumberLists(op, { shape });
  if (!shape.every((n) => Number.isInteger(n) && n >= 0))
    throw new ShapeError(
      `${op}: sizes must be non-negative integers; got ${showShape(shape)}. Compute the shape with JavaScript numbers.`,
    );
  return shape;
}

/** A number or a list of them, as a list. @throws ArgumentError for anything else; ConcretizationError for traced values. */
export function listOf(
  op: string,
  given: number | readonly number[],
  argument: string,
): readonly number[] {
  const list = typeof given === 'number' ? [given] : given;
  checkNumberLists(op, { [argument]: list });
  return list;
}

/** Axes of a reduction: one, several, or all (null or left out). */
export type Axis = number | readonly number[] | null;

/** Reads options that may be given as the bare axis. @throws ArgumentError when one is none of `known`. */
export function axisOptions<T extends { readonly axis?: Axis }>(
  op: string,
  options: Axis | T | undefined,
  known: readonly (keyof T & string)[],
): T {
  const isBare =
    typeof options !== 'object' ||
    options === null ||
    Array.isArray(options) ||
    options instanceof Value;
  if (isBare) return { axis: options ?? null } as unknown as T;
  checkOptions(op, options, known);
  return options as T;
}

/** All axes that an option names, sorted. @throws ShapeError when one is out of range or named twice. */
export const reducedAxes = (op: string, axis: Axis | undefined, x: Value): number[] =>
  canonicalAxes(op, axis, x.ndim);

/** One axis. @throws ShapeError when it is out of range. */
export const oneAxis = (op: string, axis: number, x: Value): number =>
  canonicalAxis(op, axis, x.ndim);

/** How a JavaScript scalar takes part in promotion beside arrays: integers are weak ints there, other numbers weak floats. */
function scalarType(x: Scalar): Typed {
  if (typeof x === 'boolean') return { dtype: 'bool', weakType: false };
  if (typeof x === 'bigint' || Number.isInteger(x))
    return { dtype: canonicalDType('i64'), weakType: true };
  return { dtype: canonicalDType('f64'), weakType: true };
}

/** A scalar as an operand of this dtype. @throws ArgumentError when a signed integer dtype cannot hold it. */
function scalarOperand(op: string, x: Scalar, { dtype, weakType }: Typed): NDArray {
  if (!isUnsigned(dtype)) checkRange(op, [x], dtype);
  return NDArray.fromScalar(x, dtype, weakType);
}

/** Give a value this type; a value that has it already stays as it is. */
export function convertTo(x: Value, { dtype, weakType }: Typed): Value {
  if (x.dtype === dtype && (x.weakType === weakType || x.weakType)) return x;
  return convertElementType(x, dtype, weakType);
}

/**
 * Arguments as values of one dtype. A single number is a weak float; beside arrays integral numbers are weak ints.
 *
 * @throws ArgumentError for what is no array and no number; DTypeError when there is no common dtype.
 */
export function promoteDTypes(op: string, ...xs: readonly ArrayLike[]): Value[] {
  return toType(op, xs, commonType(op, xs));
}

/** Like `promoteDTypes`, with integers and bools as floats. */
export function promoteInexact(op: string, ...xs: readonly ArrayLike[]): Value[] {
  const type = commonType(op, xs);
  return toType(
    op,
    xs,
    isInexact(type.dtype) ? type : { dtype: toInexact(type.dtype), weakType: type.weakType },
  );
}

/** Like `promoteDTypes`, with both dtypes and ranks made equal. */
export function promote(op: string, ...xs: readonly ArrayLike[]): Value[] {
  return promoteShapes(op, ...promoteDTypes(op, ...xs));
}

/** Like `promoteInexact`, with ranks made equal. */
export function promoteInexactShapes(op: string, ...xs: readonly ArrayLike[]): Value[] {
  return promoteShapes(op, ...promoteInexact(op, ...xs));
}

const names = ['x', 'y', 'z'];

function commonType(op: string, xs: readonly ArrayLike[]): Typed {
  const scalarsOnly = xs.every(isScalar);
  const types = xs.map((x, i): Typed => {
    if (x instanceof Value) return x;
    return isScalar(x) && !scalarsOnly ? scalarType(x) : asValue(op, x, names[i] ?? `operand ${i}`);
  });
  return resultType(...types);
}

function toType(op: string, xs: readonly ArrayLike[], type: Typed): Value[] {
  return xs.map((x, i) =>
    isScalar(x)
      ? scalarOperand(op, x, { ...type, weakType: type.dtype !== 'bool' })
      : convertTo(asValue(op, x, names[i] ?? `operand ${i}`), type),
  );
}

/**
 * Values of equal rank: shorter shapes get leading axes of size 1; scalars stay, `lax` repeats them.
 *
 * @throws ShapeError when the shapes do not broadcast; under numpyRankPromotion 'raise' when ranks differ.
 */
export function promoteShapes(op: string, ...xs: readonly Value[]): Value[] {
  const ranks = new Set(xs.filter((x) => x.ndim > 0).map((x) => x.ndim));
  if (ranks.size < 2) {
    if (ranks.size === 1)
      broadcastShapes(
        op,
        xs.map((x) => x.shape),
      );
    return [...xs];
  }
  const shape = broadcastShapes(
    op,
    xs.map((x) => x.shape),
  );
  if (config.numpyRankPromotion === 'raise')
    throw new ShapeError(
      `${op}: ranks must be equal under numpyRankPromotion 'raise'; got ${xs.map((x) => x.aval.toString()).join(' and ')}. Reshape one of them.`,
    );
  return xs.map((x) => (x.ndim === 0 ? x : leadingOnes(x, shape.length)));
}

/** Leading axes of size 1 up to this rank. */
export const leadingOnes = (x: Value, ndim: number): Value =>
  x.ndim === ndim
    ? x
    : expandDims(
        x,
        Array.from({ length: ndim - x.ndim }, (_, i) => i),
      );

/**
 * The shape that arrays of these shapes have together.
 *
 * @throws ShapeError when they do not broadcast.
 */
export function broadcastShapes(op: string, shapes: readonly Shape[]): Shape {
  const ndim = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: ndim }, (_, axis) => {
    const sizes = shapes.flatMap((s) =>
      axis < ndim - s.length ? [] : [s[axis - ndim + s.length]],
    );
    const size = sizes.find((n) => n !== 1) ?? 1;
    if (sizes.some((n) => n !== 1 && n !== size))
      throw new ShapeError(
        `${op}: shapes must broadcast: each axis, counted from the last, has one size or 1; got ${shapes.map(showShape).join(' and ')} (axis ${axis - ndim}). Reshape or slice one of them.`,
      );
    return size;
  });
}

/** Repeat a value into a shape that it broadcasts to. @throws ShapeError when it does not. */
export function spreadTo(op: string, x: Value, shape: Shape): Value {
  if (x.ndim === shape.length && x.shape.every((n, i) => n === shape[i])) return x;
  const offset = shape.length - x.ndim;
  if (offset < 0 || x.shape.some((n, i) => n !== 1 && n !== shape[offset + i]))
    throw new ShapeError(
      `${op}: the shape must be one that the array broadcasts to; got ${showShape(shape)} for ${x.aval.toString()}. Reshape the array first.`,
    );
  return broadcastInDim(
    x,
    shape,
    x.shape.map((_, i) => offset + i),
  );
}

/** An argument as a value; a number alone is a weak float. */
export const asArray = (op: string, x: ArrayLike, argument = 'x'): Value =>
  x instanceof Value ? x : asValue(op, x, argument);

/** An argument as an array of this dtype; a JavaScript number converts as such: integers wrap around. */
export const asArrayOf = (
  op: string,
  x: ArrayLike,
  dtype: DType,
  options: { readonly argument?: string; readonly weakType?: boolean } = {},
): Value =>
  convertElementType(
    isScalar(x) ? x : asArray(op, x, options.argument),
    dtype,
    options.weakType ?? false,
  );

/** One argument as a float. */
export const asInexact = (op: string, x: ArrayLike): Value => promoteInexact(op, x)[0];

/** A value as bool: what is not zero. */
export const asBool = (op: string, x: ArrayLike): Value => {
  const value = asArray(op, x);
  return value.dtype === 'bool' ? value : convertElementType(value, 'bool');
};

/** The dtype that sums and products of a dtype have: small integers and bool are widened to 32 bits. */
export function sumDType(dtype: DType): DType {
  const { kind, bits } = dtypeInfo[dtype];
  if (kind === 'bool') return canonicalDType('i64');
  if (kind === 'int' && bits < 32) return canonicalDType('i64');
  if (kind === 'uint' && bits < 32) return canonicalDType('u64');
  return dtype;
}

/** Whether a dtype is a float of 16 bits, in which sums are not accumulated. */
export const isHalf = (dtype: DType): boolean => isFloat(dtype) && dtypeInfo[dtype].bits === 16;

/** The concrete integer that an argument must be. @throws ArgumentError otherwise. */
export function asInteger(op: string, x: number, argument: string): number {
  if (!Number.isInteger(x))
    throw new ArgumentError(
      `${op}: ${argument} must be an integer; got ${String(x)}. Round it first.`,
    );
  return x;
}
