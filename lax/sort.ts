/** `sort` along an axis: several operands together, by the first few as keys. Derivatives follow the permutation. */
import type { ArrayLike } from '../core/array.ts';
import { isInexact, kindOf } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkList, knownOptions } from '../core/options.ts';
import type { Primitive } from '../core/primitive.ts';
import { canonicalAxis, sameShape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { broadcastedIota } from './creation.ts';
import { definePrimitive, flagText } from './define.ts';
import { gatherP } from './indexing.ts';
import { operand } from './operand.ts';
import { batchTo, expandDims } from './structure.ts';

/** Parameters of `sort`. */
export interface SortParams {
  readonly dimension: number;
  readonly isStable: boolean;
  /** How many operands are compared, one after the other; the rest follow. */
  readonly numKeys: number;
}

/** Floats in the order of sorting: -0 as 0, every NaN as the one after +∞. */
function sortKey(b: HloBuilder, x: HloValue): HloValue {
  const { dtype } = x.type;
  if (kindOf(dtype) !== 'float') return x;
  const zero = b.constant(0, dtype);
  const noSign = b.select(b.compare('eq', x, zero), zero, x);
  return b.select(b.compare('ne', x, x), b.constant(Number.NaN, dtype), noSign);
}

/** Whether the keys a come before the keys b, lexicographically. */
function comesBefore(b: HloBuilder, args: readonly HloValue[], numKeys: number): HloValue {
  let result: HloValue | undefined;
  for (let key = numKeys - 1; key >= 0; key--) {
    const [x, y] = [sortKey(b, args[2 * key]), sortKey(b, args[2 * key + 1])];
    const kind = kindOf(x.type.dtype) === 'float' ? 'TOTALORDER' : undefined;
    const isLess = b.compare('lt', x, y, kind);
    result = result === undefined ? isLess : b.select(b.compare('eq', x, y, kind), result, isLess);
  }
  return result ?? b.constant(false, 'bool');
}

/** `sort`: operands sorted together along one axis. NaN comes last. */
export const sortP: Primitive<SortParams> = definePrimitive<SortParams>('sort', {
  abstractEval: (xs) => {
    const bad = xs.find((x) => !sameShape(x.shape, xs[0].shape));
    if (bad !== undefined)
      throw new ShapeError(
        `sort: operands must have one shape; got ${xs.map((x) => x.toString()).join(', ')}. Broadcast them first.`,
      );
    return xs;
  },
  lower: (b, xs, { dimension, isStable, numKeys }) =>
    b.sort(xs, dimension, (...args) => comesBefore(b, args, numKeys), isStable),
  // The tangents are permuted as the operands are.
  jvp: (xs, tangents, params) => {
    if (tangents.every((t) => t === null))
      return [sortP.bind(xs, params), tangents.map(() => null)];
    const index = broadcastedIota('i32', xs[0].shape, params.dimension);
    const outs = sortP.bind([...xs, index], params);
    const order = outs[xs.length];
    return [
      outs.slice(0, xs.length),
      tangents.map((t, i) =>
        t === null || !isInexact(xs[i].dtype) ? null : takeAlong(t, order, params.dimension),
      ),
    ];
  },
  batch: (xs, dims, params, axis) => {
    const front = xs.map((x, i) => batchTo(x, dims[i], 0, axis.size));
    return [sortP.bind(front, { ...params, dimension: params.dimension + 1 }), xs.map(() => 0)];
  },
  printParams: ({ dimension, isStable, numKeys }) => ({
    dimension: String(dimension),
    is_stable: flagText(isStable),
    num_keys: String(numKeys),
  }),
});

/** Elements of `x` at `index` along an axis, lane by lane over the other axes; the indices are in bounds. */
function takeAlong(x: Value, index: Value, axis: number): Value {
  const others = x.shape.map((_, i) => i).filter((i) => i !== axis);
  return gatherP.bind1([x, expandDims(index, index.ndim)], {
    dimensionNumbers: {
      offsetDims: [],
      collapsedSliceDims: [axis],
      startIndexMap: [axis],
      operandBatchingDims: others,
      startIndicesBatchingDims: others,
    },
    sliceSizes: x.shape.map((n) => Math.min(n, 1)),
    mode: 'promise_in_bounds',
    fillValue: undefined,
    indicesAreSorted: false,
    uniqueIndices: true,
  });
}

/** Options of `sort` and `sortMany`. */
export interface SortOptions {
  /** The axis; the last when left out. */
  readonly dimension?: number;
  /** Whether equal elements keep their order; true when left out. */
  readonly isStable?: boolean;
}

/**
 * Sort `x` along an axis, in increasing order; NaN comes last.
 *
 * @throws ShapeError when the axis is out of range; DTypeError for complex numbers.
 * @example
 * String(lax.sort(lax.rev(lax.iota('i32', 3), 0))); // → [0 1 2]
 */
export const sort = (x: ArrayLike, options: SortOptions = {}): Value => sortMany([x], options)[0];

/**
 * Sort several arrays of one shape together: by the first, ties by the second, … `numKeys` of them; the rest follow.
 *
 * @throws ShapeError when the shapes differ or the axis is out of range; ArgumentError when `numKeys` is out of range.
 * @example
 * const [keys, values] = lax.sortMany([lax.rev(lax.iota('i32', 3), 0), lax.iota('i32', 3)]);
 * String(values); // → [2 1 0]
 */
export function sortMany(
  xs: readonly ArrayLike[],
  options: SortOptions & { readonly numKeys?: number } = {},
): readonly Value[] {
  const known = ['dimension', 'isStable', 'numKeys'] as const;
  const { dimension = -1, isStable = true, numKeys = 1 } = knownOptions('sort', options, known);
  checkList('sortMany', 'xs', xs);
  const values = xs.map((x, i) => operand('sort', x, `operand ${i}`));
  if (values.length === 0 || numKeys < 1 || numKeys > values.length)
    throw new ArgumentError(
      `sort: the number of keys must lie between 1 and the number of arrays; got ${numKeys} keys and ${values.length} arrays. Change numKeys.`,
    );
  if (values.slice(0, numKeys).some((v) => kindOf(v.dtype) === 'complex'))
    throw new DTypeError(
      'sort: complex numbers have no order; got a complex key. Sort by the real part or the absolute value.',
    );
  return sortP.bind(values, {
    dimension: canonicalAxis('sort', dimension, values[0].ndim),
    isStable,
    numKeys,
  });
}
