/** Comparisons, and what is made of them: `select_n`, `clamp`, `is_finite`. Results of comparisons are bool. */
import type { ArrayLike } from '../core/array.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import type { None, Primitive } from '../core/primitive.ts';
import { LinearArg } from '../core/primitive.ts';
import { sameShape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { and } from './bits.ts';
import { zerosLike } from './creation.ts';
import { definePrimitive, none } from './define.ts';
import {
  alignBatchFully,
  binary,
  binaryOp,
  commonDType,
  spread,
  spreadHlo,
  sumTangents,
  unary,
  unaryOp,
  type BinaryOp,
  type UnaryOp,
} from './elementwise.ts';
import { operand, operands } from './operand.ts';

/** `eq`. */
export const eqP: Primitive<None> = binary('eq', 'zero');
/** `ne`. */
export const neP: Primitive<None> = binary('ne', 'zero');
/** `lt`. */
export const ltP: Primitive<None> = binary('lt', 'zero');
/** `le`. */
export const leP: Primitive<None> = binary('le', 'zero');
/** `gt`. */
export const gtP: Primitive<None> = binary('gt', 'zero');
/** `ge`. */
export const geP: Primitive<None> = binary('ge', 'zero');
/** `is_finite`. */
export const isFiniteP: Primitive<None> = unary('is_finite', 'zero');

/**
 * Whether elements are equal. NaN equals nothing.
 *
 * @throws ShapeError or DTypeError when the operands differ in shape or dtype.
 * @example
 * String(lax.eq(lax.iota('i32', 3), 1)); // → [False True False]
 */
export const eq: BinaryOp = binaryOp(eqP);
/** Whether elements differ; NaN differs from everything. @throws ShapeError or DTypeError when the operands do not fit. */
export const ne: BinaryOp = binaryOp(neP);
/** Whether x < y. @throws ShapeError or DTypeError when the operands do not fit. */
export const lt: BinaryOp = binaryOp(ltP);
/** Whether x ≤ y. @throws ShapeError or DTypeError when the operands do not fit. */
export const le: BinaryOp = binaryOp(leP);
/** Whether x > y. @throws ShapeError or DTypeError when the operands do not fit. */
export const gt: BinaryOp = binaryOp(gtP);
/** Whether x ≥ y. @throws ShapeError or DTypeError when the operands do not fit. */
export const ge: BinaryOp = binaryOp(geP);
/** Whether elements are neither infinite nor NaN. @throws DTypeError for operands that are not floats. */
export const isFinite: UnaryOp = unaryOp(isFiniteP);

// --- select_n -----------------------------------------------------------------------------------------------------------------

function selectHlo(b: HloBuilder, which: HloValue, cases: readonly HloValue[]): HloValue {
  if (cases.length === 1) return cases[0];
  const { dtype, shape } = which.type;
  if (dtype === 'bool') return b.select(which, cases[1], cases[0]);
  // Indices out of range take the first or the last case.
  return cases.slice(1).reduce((chosen, value, i) => {
    const isBefore = b.compare('lt', which, b.constant(i + 1, dtype, shape));
    return b.select(isBefore, chosen, value);
  }, cases[0]);
}

/** `select_n`: element by element, the case that `which` names. Operands: which (bool or i32, of rank 0 or the shape of the cases), cases. */
export const selectNP: Primitive<None> = definePrimitive<None>('select_n', {
  abstractEval: ([which, ...cases]) => {
    commonDType('selectN', cases);
    const facts = `${which.toString()} and ${cases.map((c) => c.toString()).join(', ')}`;
    if (cases.some((c) => !sameShape(c.shape, cases[0].shape)))
      throw new ShapeError(
        `selectN: cases must have one shape; got ${facts}. Broadcast them first.`,
      );
    if (which.ndim > 0 && !sameShape(which.shape, cases[0].shape))
      throw new ShapeError(
        `selectN: the selector must be a scalar or have the shape of the cases; got ${facts}. Broadcast it first.`,
      );
    const isFit = which.dtype === 'i32' || (which.dtype === 'bool' && cases.length <= 2);
    if (!isFit)
      throw new DTypeError(
        `selectN: the selector must be i32, or bool with at most two cases; got ${facts}. Compare, or convert it with lax.convertElementType.`,
      );
    return [
      cases[0].withDType(
        cases[0].dtype,
        cases.every((c) => c.weakType),
      ),
    ];
  },
  lower: (b, [which, ...cases]) => [
    selectHlo(
      b,
      which.type.dtype === 'bool' ? which : spreadHlo(b, which, cases[0].type.shape),
      cases,
    ),
  ],
  // The tangent of the chosen case.
  jvp: ([which, ...cases], [, ...tangents]) => {
    const out = selectNP.bind1([which, ...cases], none);
    if (tangents.every((t) => t === null)) return [[out], [null]];
    const full = tangents.map((t, i) => t ?? zerosLike(cases[i]));
    return [[out], [selectNP.bind1([which, ...full], none)]];
  },
  // A case gets the cotangent where it was chosen.
  transpose: ([ct], [which, ...cases]) => {
    if (ct === null || which instanceof LinearArg) return [null, ...cases.map(() => null)];
    const zero = zerosLike(ct);
    const parts = cases.map((c, i) =>
      c instanceof LinearArg
        ? selectNP.bind1([which, ...cases.map((_, k) => (k === i ? ct : zero))], none)
        : null,
    );
    return [null, ...parts];
  },
  batch: (args, dims, _params, axis) => [
    [selectNP.bind1(alignBatchFully(args, dims, axis, [0]), none)],
    [0],
  ],
});

/**
 * Choose element by element between cases: `which` is their index (i32), or false for the first and true for the second.
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.selectN(lax.eq(lax.iota('i32', 3), 1), lax.zeros([3]), lax.ones([3]))); // → [0. 1. 0.]
 */
export function selectN(which: ArrayLike, ...cases: readonly ArrayLike[]): Value {
  if (cases.length === 0)
    throw new ShapeError(
      'selectN: at least one case is needed; got none. Pass the arrays to choose from.',
    );
  return selectNP.bind1(
    [operand('selectN', which, 'which'), ...operands('selectN', ...cases)],
    none,
  );
}

/**
 * Choose element by element: `onTrue` where `pred` holds, else `onFalse`.
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.select(lax.gt(lax.iota('i32', 3), 1), lax.ones([3]), lax.zeros([3]))); // → [0. 0. 1.]
 */
export const select = (pred: ArrayLike, onTrue: ArrayLike, onFalse: ArrayLike): Value =>
  selectN(pred, onFalse, onTrue);

// --- clamp --------------------------------------------------------------------------------------------------------------------

/** `clamp`: min(max(low, x), high) with bounds of rank 0 or of the shape of x. Operands: low, x, high. */
export const clampP: Primitive<None> = definePrimitive<None>('clamp', {
  abstractEval: ([low, x, high]) => {
    commonDType('clamp', [low, x, high], ['int', 'uint', 'float']);
    for (const bound of [low, high])
      if (bound.ndim > 0 && !sameShape(bound.shape, x.shape))
        throw new ShapeError(
          `clamp: bounds must be scalars or have the shape of x; got ${bound.toString()} beside ${x.toString()}. Broadcast them first.`,
        );
    return [x.withDType(x.dtype, low.weakType && x.weakType && high.weakType)];
  },
  lower: (b, args, _params, { avalsOut }) => {
    const [low, x, high] = args.map((v) => spreadHlo(b, v, avalsOut[0].shape));
    return [b.scalar('clamp', low, x, high)];
  },
  // x counts strictly inside, a bound where x is strictly beyond it; the lower one only while it is below the upper one.
  jvp: ([low, x, high], [tLow, tx, tHigh]) => {
    const out = clampP.bind1([low, x, high], none);
    const [lo, hi] = [spreadLike(low, x), spreadLike(high, x)];
    const keep = (pred: Value, t: Value | null): Value | null =>
      t === null ? null : select(pred, spreadLike(t, x), zerosLike(x));
    const parts = [
      tLow === null ? null : keep(and(gt(lo, x), lt(lo, hi)), tLow),
      tx === null ? null : keep(and(gt(x, lo), lt(x, hi)), tx),
      tHigh === null ? null : keep(lt(hi, x), tHigh),
    ];
    return [[out], [sumTangents(parts)]];
  },
  batch: (args, dims, _params, axis) => [
    [clampP.bind1(alignBatchFully(args, dims, axis, [0, 2]), none)],
    [0],
  ],
});

const spreadLike = (x: Value, like: Value): Value => spread(x, like.shape);

/**
 * Limit the elements of `x` to the range from `low` to `high` (scalars, or arrays of the shape of `x`).
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.clamp(1, lax.iota('i32', 4), 2)); // → [1 1 2 2]
 */
export function clamp(low: ArrayLike, x: ArrayLike, high: ArrayLike): Value {
  const [value, lo, hi] = operands('clamp', x, low, high);
  return clampP.bind1([lo, value, hi], none);
}
