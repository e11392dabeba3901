/**
 * Reductions over axes: max, min, prod, and, or, xor, argmax, argmin. The sum stands beside its dual in `structure.ts`.
 * Reduced axes disappear; `keepdims` is a matter of `numpy/`.
 */
import type { ArrayLike } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { isInexact, isInteger, kindOf, type DType, type Kind } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import type { JvpResult, Primitive, Rules, Tangent } from '../core/primitive.ts';
import { canonicalDType, refuseFloat0 } from '../core/promotion.ts';
import { canonicalAxes, canonicalAxis } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import { identityOf } from '../lowering/hlo/constant.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type { Combiner } from '../lowering/scalar.ts';
import { add, div, mul } from './arithmetic.ts';
import { eq } from './comparison.ts';
import { convertElementType } from './convert.ts';
import { definePrimitive, dtypeText, tupleText } from './define.ts';
import { operand } from './operand.ts';
import { pad, sliceInDim } from './slicing.ts';
import {
  batched,
  broadcastInDim,
  dimAfterDrop,
  moveAxis,
  reshape,
  shiftAxes,
  squeeze,
  reduceSum,
  type ReduceParams,
} from './structure.ts';

const keptAxes = (x: Value, axes: readonly number[]): number[] =>
  x.shape.map((_, i) => i).filter((i) => !axes.includes(i));

/** How the members of the family differ. */
interface ReductionRecord {
  readonly name: string;
  readonly combiner: Combiner;
  readonly takes: readonly Kind[];
  readonly jvp: NonNullable<Rules<ReduceParams>['jvp']>;
}

function defineReduction({ name, combiner, takes, jvp }: ReductionRecord): Primitive<ReduceParams> {
  const prim: Primitive<ReduceParams> = definePrimitive<ReduceParams>(name, {
    abstractEval: ([x], { axes }) => {
      refuseFloat0(name, x);
      if (!takes.includes(kindOf(x.dtype)))
        throw new DTypeError(
          `${name}: takes ${takes.join(', ')} operands; got ${x.toString()}. Convert with lax.convertElementType.`,
        );
      return [x.without(axes)];
    },
    lower: (b, [x], { axes }) => [b.reduce(x, combiner, axes)],
    jvp,
    batch: ([x], [d], { axes }) => [
      [prim.bind1([x], { axes: shiftAxes(axes, batched(d)) })],
      [dimAfterDrop(batched(d), axes)],
    ],
    printParams: ({ axes }) => ({ axes: tupleText(axes) }),
  });
  return prim;
}

/** Every element that equals the extremum gets an equal share of the derivative. */
const chooserJvp =
  (prim: () => Primitive<ReduceParams>) =>
  ([x]: readonly Value[], [t]: readonly Tangent[], { axes }: ReduceParams): JvpResult => {
    const out = prim().bind1([x], { axes });
    if (t === null || !isInexact(x.dtype)) return [[out], [null]];
    const where = convertElementType(
      eq(x, broadcastInDim(out, x.shape, keptAxes(x, axes))),
      t.dtype,
    );
    return [[out], [div(reduceSum(mul(t, where), axes), reduceSum(where, axes))]];
  };

/** The tangent of the product over the last axis (not empty), by halves: exact also where elements are zero. */
function tangentOfProduct(x: Value, t: Value): Value {
  const axis = x.ndim - 1;
  let [p, tp] = [x, t];
  while (p.shape[axis] > 1) {
    const n = p.shape[axis];
    const half = Math.ceil(n / 2);
    const [a, ta] = [sliceInDim(p, 0, half, { axis }), sliceInDim(tp, 0, half, { axis })];
    const rest = p.shape.map((_, i) => [0, i === axis ? 2 * half - n : 0, 0] as const);
    const b = pad(sliceInDim(p, half, n, { axis }), 1, rest);
    const tb = pad(sliceInDim(tp, half, n, { axis }), 0, rest);
    // d (a b) = da b + a db
    [p, tp] = [mul(a, b), add(mul(ta, b), mul(a, tb))];
  }
  return squeeze(tp, axis);
}

/** `reduce_max`. */
export const reduceMaxP: Primitive<ReduceParams> = defineReduction({
  name: 'reduce_max',
  combiner: 'max',
  takes: ['bool', 'int', 'uint', 'float'],
  jvp: chooserJvp(() => reduceMaxP),
});
/** `reduce_min`. */
export const reduceMinP: Primitive<ReduceParams> = defineReduction({
  name: 'reduce_min',
  combiner: 'min',
  takes: ['bool', 'int', 'uint', 'float'],
  jvp: chooserJvp(() => reduceMinP),
});
/** `reduce_prod`: d ∏ x = Σᵢ dxᵢ ∏ⱼ≠ᵢ xⱼ. */
export const reduceProdP: Primitive<ReduceParams> = defineReduction({
  name: 'reduce_prod',
  combiner: 'mul',
  takes: ['int', 'uint', 'float', 'complex'],
  jvp: ([x], [t], { axes }) => {
    const out = reduceProdP.bind1([x], { axes });
    if (t === null || !isInexact(x.dtype)) return [[out], [null]];
    // The reduced axes as one last axis.
    const toLast = (v: Value): Value => {
      const moved = axes.reduce((w, axis, i) => moveAxis(w, axis - i, w.ndim - 1), v);
      return reshape(moved, [...out.shape, -1]);
    };
    if (x.size === 0) return [[out], [reduceSum(t, axes)]];
    return [[out], [tangentOfProduct(toLast(x), toLast(t))]];
  },
});
/** `reduce_and`. */
export const reduceAndP: Primitive<ReduceParams> = defineReduction({
  name: 'reduce_and',
  combiner: 'and',
  takes: ['bool', 'int', 'uint'],
  jvp: 'zero',
});
/** `reduce_or`. */
export const reduceOrP: Primitive<ReduceParams> = defineReduction({
  name: 'reduce_or',
  combiner: 'or',
  takes: ['bool', 'int', 'uint'],
  jvp: 'zero',
});
/** `reduce_xor`. */
export const reduceXorP: Primitive<ReduceParams> = defineReduction({
  name: 'reduce_xor',
  combiner: 'xor',
  takes: ['bool', 'int', 'uint'],
  jvp: 'zero',
});

/** A public reduction: over one axis, several, or all when left out. */
export type ReductionOp = (x: ArrayLike, axes?: number | readonly number[]) => Value;

const reductionOp =
  (prim: Primitive<ReduceParams>, op: string): ReductionOp =>
  (x, axes) => {
    const value = operand(op, x);
    const list = canonicalAxes(op, axes, value.ndim);
    return list.length === 0 ? value : prim.bind1([value], { axes: list });
  };

/**
 * The greatest element over `axes` (all when left out); NaN when there is one, -∞ or the least integer when there is none.
 *
 * @throws ShapeError when an axis is out of range or named twice.
 * @example
 * String(lax.reduceMax(lax.iota('i32', 4))); // → 3
 */
export const reduceMax: ReductionOp = reductionOp(reduceMaxP, 'reduceMax');
/** The least element over `axes`; NaN when there is one. @throws ShapeError when an axis is out of range or named twice. */
export const reduceMin: ReductionOp = reductionOp(reduceMinP, 'reduceMin');
/** The product over `axes`. @throws ShapeError when an axis is out of range or named twice. */
export const reduceProd: ReductionOp = reductionOp(reduceProdP, 'reduceProd');
/** Bitwise or logical and over `axes`. @throws ShapeError when an axis is out of range or named twice. */
export const reduceAnd: ReductionOp = reductionOp(reduceAndP, 'reduceAnd');
/** Bitwise or logical or over `axes`. @throws ShapeError when an axis is out of range or named twice. */
export const reduceOr: ReductionOp = reductionOp(reduceOrP, 'reduceOr');
/** Bitwise or logical exclusive or over `axes`. @throws ShapeError when an axis is out of range or named twice. */
export const reduceXor: ReductionOp = reductionOp(reduceXorP, 'reduceXor');

// --- argmax and argmin --------------------------------------------------------------------------------------------------------

/** Parameters of `argmax` and `argmin`. */
export interface ArgExtremumParams {
  readonly axes: readonly [number];
  readonly indexDtype: DType;
}

/** Reduce pairs (value, index): the better value, the first NaN, the lower index among equals. */
function lowerArg(
  b: HloBuilder,
  x: HloValue,
  params: ArgExtremumParams,
  which: 'max' | 'min',
): HloValue {
  const { axes, indexDtype } = params;
  const index = b.iota(indexDtype, x.type.shape, axes[0]);
  const worst = b.constant(identityOf(which, x.type.dtype), x.type.dtype);
  const direction = which === 'max' ? 'gt' : 'lt';
  return b.reduceRegion(
    [x, index],
    [worst, b.constant(0, indexDtype)],
    axes,
    (value, at, newValue, newAt) => {
      const isBetter = b.compare(direction, value, newValue);
      const isNaN = b.compare('ne', value, value);
      const keeps = b.scalar('or', isBetter, isNaN);
      const isFirst = b.scalar('and', b.compare('eq', value, newValue), b.compare('lt', at, newAt));
      return [
        b.select(keeps, value, newValue),
        b.select(b.scalar('or', keeps, isFirst), at, newAt),
      ];
    },
  )[1];
}

function defineArg(name: string, which: 'max' | 'min'): Primitive<ArgExtremumParams> {
  const prim: Primitive<ArgExtremumParams> = definePrimitive<ArgExtremumParams>(name, {
    abstractEval: ([x], { axes, indexDtype }) => [checkArg(name, x, axes[0], indexDtype)],
    lower: (b, [x], params) => [lowerArg(b, x, params, which)],
    jvp: 'zero',
    batch: ([x], [d], { axes, indexDtype }) => {
      const [axis] = shiftAxes(axes, batched(d));
      return [[prim.bind1([x], { axes: [axis], indexDtype })], [dimAfterDrop(batched(d), axes)]];
    },
    printParams: ({ axes, indexDtype }) => ({
      axes: tupleText(axes),
      index_dtype: dtypeText(indexDtype),
    }),
  });
  return prim;
}

function checkArg(name: string, x: Aval, axis: number, indexDtype: DType): Aval {
  if (!isInteger(canonicalDType(indexDtype)))
    throw new DTypeError(
      `${name}: indices are integers; got dtype ${indexDtype}. Choose an integer dtype.`,
    );
  refuseFloat0(name, x);
  if (kindOf(x.dtype) === 'complex')
    throw new DTypeError(
      `${name}: complex numbers have no order; got ${x.toString()}. Take the real part or the absolute value.`,
    );
  if (x.shape[axis] === 0)
    throw new ShapeError(
      `${name}: an empty axis has no extremum; got ${x.toString()} (axis ${axis}). Skip the call when there is nothing.`,
    );
  return x.without([axis]).withDType(indexDtype);
}

/** `argmax`. */
export const argmaxP: Primitive<ArgExtremumParams> = defineArg('argmax', 'max');
/** `argmin`. */
export const argminP: Primitive<ArgExtremumParams> = defineArg('argmin', 'min');

/**
 * The index of the greatest element along an axis: the first one among equals, the first NaN if there is one.
 *
 * @throws ShapeError when the axis is out of range or empty.
 * @example
 * String(lax.argmax(lax.iota('f32', 4), 0)); // → 3
 */
export const argmax = (x: ArrayLike, axis: number, indexDtype: DType = 'i32'): Value =>
  argOp(argmaxP, 'argmax', { x, axis, indexDtype });

/** The index of the least element along an axis: the first one among equals, the first NaN. @throws ShapeError when the axis is out of range or empty. */
export const argmin = (x: ArrayLike, axis: number, indexDtype: DType = 'i32'): Value =>
  argOp(argminP, 'argmin', { x, axis, indexDtype });

function argOp(
  prim: Primitive<ArgExtremumParams>,
  op: string,
  {
    x,
    axis,
    indexDtype,
  }: { readonly x: ArrayLike; readonly axis: number; readonly indexDtype: DType },
): Value {
  const value = operand(op, x);
  return prim.bind1([value], { axes: [canonicalAxis(op, axis, value.ndim)], indexDtype });
}
