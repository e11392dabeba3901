/**
 * Changes of element type: `convert_element_type` (by value) and `bitcast_convert_type` (by bits).
 * Conversion is linear between inexact types and has no derivative otherwise. Meaning of each conversion: StableHLO `convert`.
 */
import { NDArray, type ArrayLike } from '../core/array.ts';
import { canonicalDType } from '../core/promotion.ts';
import { dtypeInfo, isBig, isComplex, isInexact, type DType } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import type { None, Primitive } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, dtypeText, flagText, none } from './define.ts';
import { isScalar, operand } from './operand.ts';
import { batchToFront, broadcastInDim } from './structure.ts';

/** Parameters of `convert_element_type`. */
export interface ConvertParams {
  readonly newDtype: DType;
  readonly weakType: boolean;
}

/** `convert_element_type`: each element becomes the nearest value of another dtype. */
export const convertElementTypeP: Primitive<ConvertParams> = definePrimitive<ConvertParams>(
  'convert_element_type',
  {
    abstractEval: ([x], { newDtype, weakType }) => [x.withDType(newDtype, weakType)],
    lower: (b, [x], { newDtype }) => [x.type.dtype === newDtype ? x : b.convert(x, newDtype)],
    jvp: ([x], [t], params) => {
      const out = convertElementTypeP.bind1([x], params);
      const isLinear = isInexact(x.dtype) && isInexact(params.newDtype);
      return [[out], [t === null || !isLinear ? null : convertElementTypeP.bind1([t], params)]];
    },
    transpose: ([ct], [x]) => [
      ct === null ? null : convertElementType(ct, x.aval.dtype, x.aval.weakType),
    ],
    batch: ([x], [d], params) => [[convertElementTypeP.bind1([x], params)], [d]],
    printParams: ({ newDtype, weakType }) => ({
      new_dtype: dtypeText(newDtype),
      weak_type: flagText(weakType),
    }),
  },
);

/** Parameters of `bitcast_convert_type`. */
export interface BitcastParams {
  readonly newDtype: DType;
}

/** `bitcast_convert_type`: the same bits as another dtype; another width adds or takes a last axis. */
export const bitcastConvertTypeP: Primitive<BitcastParams> = definePrimitive<BitcastParams>(
  'bitcast_convert_type',
  {
    abstractEval: ([x], { newDtype }) => {
      if (
        [x.dtype, newDtype].includes('float0') ||
        (x.dtype === 'bool') !== (newDtype === 'bool') ||
        isComplex(x.dtype) !== isComplex(newDtype)
      )
        throw new DTypeError(
          `bitcastConvertType: bool, complex and float0 convert only to themselves; got ${x.toString()} to ${dtypeText(newDtype)}. Use convertElementType.`,
        );
      const [from, to] = [dtypeInfo[x.dtype].byteLength, dtypeInfo[newDtype].byteLength];
      const strong = x.withDType(newDtype);
      if (from === to) return [strong];
      if (from > to) return [strong.withShape([...x.shape, from / to])];
      if (x.shape.at(-1) !== to / from)
        throw new ShapeError(
          `bitcastConvertType: the last axis must hold the ${to / from} parts of one ${dtypeText(newDtype)}; got ${x.toString()}. Reshape it first.`,
        );
      return [strong.withShape(x.shape.slice(0, -1))];
    },
    lower: (b, [x], { newDtype }) => [b.bitcastConvert(x, newDtype)],
    jvp: 'zero',
    // A width change works on the last axis, so the batch axis goes first.
    batch: ([x], [d], params) => [[bitcastConvertTypeP.bind1([batchToFront(x, d)], params)], [0]],
    printParams: ({ newDtype }) => ({ new_dtype: dtypeText(newDtype) }),
  },
);

/** `stop_gradient`: the identity, with derivative zero. */
export const stopGradientP: Primitive<None> = definePrimitive<None>('stop_gradient', {
  abstractEval: ([x]) => [x],
  lower: (_, [x]) => [x],
  jvp: 'zero',
  batch: ([x], [d]) => [[stopGradientP.bind1([x], none)], [d]],
});

/** `copy`: the identity as an operation of its own. */
export const copyP: Primitive<None> = definePrimitive<None>('copy', {
  abstractEval: ([x]) => [x],
  lower: (_, [x]) => [x],
  jvp: 'linear',
  transpose: ([ct]) => [ct],
  batch: ([x], [d]) => [[copyP.bind1([x], none)], [d]],
});

/**
 * Convert the elements of `x` to another dtype. Floats become integers by truncation, saturating, with NaN as 0; anything becomes
 * bool by comparing with 0, and float0 by forgetting it.
 *
 * @throws ArgumentError when `x` is no array; DTypeError when it is float0 and shall be something else.
 * @example
 * String(lax.convertElementType(2.7, 'i32')); // → 2
 */
export function convertElementType(x: ArrayLike, dtype: DType, weakType = false): Value {
  const newDtype = canonicalDType(dtype);
  if (isScalar(x)) return NDArray.fromScalar(convertScalar(x, newDtype), newDtype, weakType);
  const value = operand('convertElementType', x);
  if (value.dtype === newDtype && value.weakType === weakType) return value;
  if (newDtype === 'float0') return broadcastInDim(NDArray.float0([]), value.shape, []);
  if (value.dtype === 'float0')
    throw new DTypeError(
      `convertElementType: float0 holds no information and converts to nothing; got ${value.aval.toString()} for ${dtypeText(newDtype)}. Take zeros: np.zeros(x.shape, '${newDtype}').`,
    );
  return convertElementTypeP.bind1([value], { newDtype, weakType });
}

/**
 * Read the bits of the elements of `x` as another dtype. When the widths differ, the last axis holds the parts of one element.
 *
 * @throws DTypeError between bool or complex and anything else; ShapeError when the last axis does not fit.
 * @example
 * String(lax.bitcastConvertType(lax.full([], 1, 'f32'), 'u32')); // → 1065353216
 */
export function bitcastConvertType(x: ArrayLike, dtype: DType): Value {
  const value = operand('bitcastConvertType', x);
  const newDtype = canonicalDType(dtype);
  if (value.dtype === newDtype) return value;
  return bitcastConvertTypeP.bind1([value], { newDtype });
}

/**
 * The value of `x`, as a constant for differentiation.
 *
 * @example
 * String(grad((x) => lax.mul(lax.stopGradient(x), x))(3)); // → 3.0
 */
export function stopGradient(x: ArrayLike): Value {
  const value = operand('stopGradient', x);
  return isInexact(value.dtype) ? stopGradientP.bind1([value], none) : value;
}

function convertScalar(x: number | bigint | boolean, dtype: DType): number | bigint | boolean {
  const { kind, bits } = dtypeInfo[dtype];
  // NaN is not zero, so it is true.
  if (kind === 'bool') return Number(x) !== 0;
  if (kind !== 'int' && kind !== 'uint') return Number(x);
  // What a 32-bit integer can hold is one, and wraps around as integers do; other numbers are floats, which stop at the ends.
  if (typeof x === 'bigint' || (Number.isInteger(x) && Math.abs(Number(x)) < 2 ** 31)) {
    const wrapped = (kind === 'int' ? BigInt.asIntN : BigInt.asUintN)(bits, BigInt(x));
    return isBig(dtype) ? wrapped : Number(wrapped);
  }
  const whole = Number.isNaN(Number(x)) ? 0 : Math.trunc(Number(x));
  const low = kind === 'int' ? -(2 ** (bits - 1)) : 0;
  const high = kind === 'int' ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  if (!isBig(dtype)) return Math.min(Math.max(whole, low), high) + 0;
  const limit = kind === 'int' ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  if (whole >= high) return limit;
  return BigInt(Math.max(whole, low));
}
