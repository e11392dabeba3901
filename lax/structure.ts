/**
 * Primitives that move elements without computing: broadcasting with its dual the sum, and reshape, squeeze, transpose, rev.
 * All are linear. Slices, pads and concatenations stand in `slicing.ts`.
 */
import type { ArrayLike } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { invariant, ShapeError } from '../core/errors.ts';
import { checkNumberLists } from '../core/options.ts';
import type { BatchDim, Primitive } from '../core/primitive.ts';
import { refuseFloat0 } from '../core/promotion.ts';
import {
  canonicalAxes,
  canonicalAxis,
  sameShape,
  showShape,
  sizeOf,
  type Shape,
} from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, tupleText } from './define.ts';
import { operand } from './operand.ts';

/** Where axis `axis` of an unbatched array lies when a batch axis is inserted at `d`. */
export const shiftAxis = (axis: number, d: number): number => (axis >= d ? axis + 1 : axis);

/** Several axes beside a batch axis at `d`. */
export const shiftAxes = (axes: readonly number[], d: number): number[] =>
  axes.map((axis) => shiftAxis(axis, d));

/** Where a batch axis at `d` lies after the (unbatched) axes `axes` are dropped. */
export const dimAfterDrop = (d: number, axes: readonly number[]): number =>
  d - shiftAxes(axes, d).filter((axis) => axis < d).length;

/** A batch axis that must exist: rules of one operand are called only when it is batched. */
export function batched(d: BatchDim): number {
  invariant(d !== null, 'a batching rule was called without a batched operand.');
  return d;
}

/** Move the batch axis to the front. */
export const batchToFront = (x: Value, d: BatchDim): Value => moveAxis(x, batched(d), 0);

/** Put the batch axis at `to`; an operand without one is broadcast. */
export function batchTo(x: Value, d: BatchDim, to: number, size: number): Value {
  if (d !== null) return moveAxis(x, d, to);
  const shape = x.shape.toSpliced(to, 0, size);
  return broadcastInDim(
    x,
    shape,
    shape.map((_, i) => i).filter((i) => i !== to),
  );
}

// --- broadcast_in_dim and reduce_sum are duals -------------------------------------------------------------------------------

/** Parameters of `broadcast_in_dim`. */
export interface BroadcastParams {
  readonly shape: Shape;
  readonly broadcastDimensions: readonly number[];
}

function checkBroadcast(x: Aval, { shape, broadcastDimensions: dims }: BroadcastParams): void {
  const facts = `operand ${x.toString()}, shape ${showShape(shape)}, dims ${showShape(dims)}`;
  if (dims.length !== x.ndim)
    throw new ShapeError(
      `broadcastInDim: dims must name one result axis per operand axis; got ${facts}. Write one entry per axis of the operand.`,
    );
  if (shape.some((n) => !Number.isInteger(n) || n < 0))
    throw new ShapeError(
      `broadcastInDim: shape must hold non-negative integers; got ${facts}. Compute it with JavaScript numbers.`,
    );
  if (dims.some((d, i) => d < 0 || d >= shape.length || (i > 0 && d <= dims[i - 1])))
    throw new ShapeError(
      `broadcastInDim: dims must be increasing axes of the result; got ${facts}. Transpose the operand first.`,
    );
  const bad = dims.findIndex((d, i) => x.shape[i] !== 1 && x.shape[i] !== shape[d]);
  if (bad >= 0)
    throw new ShapeError(
      `broadcastInDim: each operand axis must have size 1 or the size of its result axis; got ${facts} (axis ${bad}). Change dims, or slice the operand.`,
    );
}

/** `broadcast_in_dim`: operand axis i becomes result axis `broadcastDimensions[i]`; other axes and axes of size 1 are repeated. */
export const broadcastInDimP: Primitive<BroadcastParams> = definePrimitive<BroadcastParams>(
  'broadcast_in_dim',
  {
    abstractEval: ([x], params) => {
      checkBroadcast(x, params);
      return [x.withShape(params.shape)];
    },
    lower: (b, [x], { shape, broadcastDimensions }) => [
      b.broadcastInDim(x, shape, broadcastDimensions),
    ],
    jvp: 'linear',
    // The cotangent is summed over every axis along which elements were repeated.
    transpose: ([ct], [x], { shape, broadcastDimensions: dims }) => {
      if (ct === null) return [null];
      const kept = dims.filter((d, i) => x.aval.shape[i] === shape[d]);
      const summed = shape.map((_, i) => i).filter((i) => !kept.includes(i));
      return [reshape(reduceSum(ct, summed), x.aval.shape)];
    },
    batch: ([x], [d], { shape, broadcastDimensions }, axis) => {
      const params = {
        shape: [axis.size, ...shape],
        broadcastDimensions: [0, ...broadcastDimensions.map((dim) => dim + 1)],
      };
      return [[broadcastInDimP.bind1([batchToFront(x, d)], params)], [0]];
    },
    // The shape stands in the type of the result; JAX shows the axes only where there are some.
    printParams: ({ broadcastDimensions }): Readonly<Record<string, string>> =>
      broadcastDimensions.length === 0
        ? {}
        : { broadcast_dimensions: tupleText(broadcastDimensions) },
  },
);

/** Parameters of the reductions. */
export interface ReduceParams {
  readonly axes: readonly number[];
}

/** `reduce_sum`: the sum over some axes, which disappear. */
export const reduceSumP: Primitive<ReduceParams> = definePrimitive<ReduceParams>('reduce_sum', {
  abstractEval: ([x], { axes }) => {
    refuseFloat0('reduce_sum', x);
    return [x.without(axes)];
  },
  lower: (b, [x], { axes }) => [b.reduce(x, 'add', axes)],
  jvp: 'linear', // sum is linear: its tangent is itself
  transpose: ([ct], [x], { axes }) => {
    if (ct === null) return [null];
    const kept = x.aval.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    return [broadcastInDim(ct, x.aval.shape, kept)];
  },
  batch: ([x], [d], { axes }) => [
    [reduceSumP.bind1([x], { axes: shiftAxes(axes, batched(d)) })],
    [dimAfterDrop(batched(d), axes)],
  ],
  printParams: ({ axes }) => ({ axes: tupleText(axes), out_sharding: 'None' }),
});

/**
 * Repeat `x` into `shape`: operand axis i becomes result axis `dims[i]`; other result axes and operand axes of size 1 are repeated.
 *
 * @throws ShapeError when the sizes do not fit or `dims` is not increasing.
 * @example
 * lax.broadcastInDim(lax.iota('f32', 3), [2, 3], [1]).shape; // → [ 2, 3 ]
 */
export function broadcastInDim(x: ArrayLike, shape: Shape, dims: readonly number[]): Value {
  const value = operand('broadcastInDim', x);
  checkNumberLists('broadcastInDim', { shape, dims });
  if (sameShape(value.shape, shape) && dims.every((d, i) => d === i)) return value;
  return broadcastInDimP.bind1([value], { shape, broadcastDimensions: dims });
}

/**
 * Repeat `x` along new leading axes of these sizes.
 *
 * @throws ShapeError when a size is negative or no integer.
 * @example
 * lax.broadcast(lax.iota('f32', 3), [2]).shape; // → [ 2, 3 ]
 */
export function broadcast(x: ArrayLike, sizes: Shape): Value {
  const value = operand('broadcast', x);
  checkNumberLists('broadcast', { sizes });
  const dims = value.shape.map((_, i) => i + sizes.length);
  return broadcastInDim(value, [...sizes, ...value.shape], dims);
}

/**
 * Sum the elements of `x` over `axes` (all when left out), which disappear.
 *
 * @throws ShapeError when an axis is out of range or named twice.
 * @example
 * String(lax.reduceSum(lax.iota('f32', 4))); // → 6.0
 */
export function reduceSum(x: ArrayLike, axes?: number | readonly number[]): Value {
  const value = operand('reduceSum', x);
  const list = canonicalAxes('reduceSum', axes, value.ndim);
  return list.length === 0 ? value : reduceSumP.bind1([value], { axes: list });
}

// --- reshape, squeeze, transpose, rev ----------------------------------------------------------------------------------------

/** Parameters of `reshape`. */
export interface ReshapeParams {
  readonly newSizes: Shape;
}

/** `reshape`: the same elements in row-major order, in another shape. */
export const reshapeP: Primitive<ReshapeParams> = definePrimitive<ReshapeParams>('reshape', {
  abstractEval: ([x], { newSizes }) => {
    if (newSizes.some((n) => !Number.isInteger(n) || n < 0) || sizeOf(newSizes) !== x.size)
      throw new ShapeError(
        `reshape: the new sizes must hold as many elements as the operand; got ${x.toString()} to ${showShape(newSizes)}. Choose sizes with the same product.`,
      );
    return [x.withShape(newSizes)];
  },
  lower: (b, [x], { newSizes }) => [b.reshape(x, newSizes)],
  jvp: 'linear',
  transpose: ([ct], [x]) => [ct === null ? null : reshape(ct, x.aval.shape)],
  batch: ([x], [d], { newSizes }, axis) => [
    [reshapeP.bind1([batchToFront(x, d)], { newSizes: [axis.size, ...newSizes] })],
    [0],
  ],
  printParams: ({ newSizes }) => ({
    dimensions: 'None',
    new_sizes: tupleText(newSizes),
    sharding: 'None',
  }),
});

/** Parameters of `squeeze` and `rev`. */
export interface DimensionsParams {
  readonly dimensions: readonly number[];
}

/** `squeeze`: without some axes of size 1. */
export const squeezeP: Primitive<DimensionsParams> = definePrimitive<DimensionsParams>('squeeze', {
  abstractEval: ([x], { dimensions }) => {
    const bad = dimensions.find((d) => x.shape[d] !== 1);
    if (bad !== undefined)
      throw new ShapeError(
        `squeeze: only axes of size 1 can be dropped; got ${x.toString()} (axis ${bad}). Reduce or index the axis instead.`,
      );
    return [x.without(dimensions)];
  },
  lower: (b, [x], _params, { avalsOut }) => [b.reshape(x, avalsOut[0].shape)],
  jvp: 'linear',
  transpose: ([ct], [x]) => [ct === null ? null : reshape(ct, x.aval.shape)],
  batch: ([x], [d], { dimensions }) => [
    [squeezeP.bind1([x], { dimensions: shiftAxes(dimensions, batched(d)) })],
    [dimAfterDrop(batched(d), dimensions)],
  ],
  printParams: ({ dimensions }) => ({ dimensions: tupleText(dimensions) }),
});

/** Parameters of `transpose`. */
export interface TransposeParams {
  readonly permutation: readonly number[];
}

const inverse = (permutation: readonly number[]): number[] => {
  const result = permutation.map(() => 0);
  permutation.forEach((from, to) => (result[from] = to));
  return result;
};

/** `transpose`: result axis i is operand axis `permutation[i]`. */
export const transposeP: Primitive<TransposeParams> = definePrimitive<TransposeParams>(
  'transpose',
  {
    abstractEval: ([x], { permutation }) => {
      const isPermutation =
        permutation.length === x.ndim && x.shape.every((_, i) => permutation.includes(i));
      if (!isPermutation)
        throw new ShapeError(
          `transpose: the permutation must name each axis once; got ${showShape(permutation)} for ${x.toString()}. Write one entry per axis.`,
        );
      return [x.withShape(permutation.map((axis) => x.shape[axis]))];
    },
    lower: (b, [x], { permutation }) => [b.transpose(x, permutation)],
    jvp: 'linear',
    transpose: ([ct], _args, { permutation }) => [
      ct === null ? null : transpose(ct, inverse(permutation)),
    ],
    batch: ([x], [d], { permutation }) => [
      [transpose(x, [batched(d), ...shiftAxes(permutation, batched(d))])],
      [0],
    ],
    printParams: ({ permutation }) => ({ permutation: tupleText(permutation) }),
  },
);

/** `rev`: the elements along some axes in reverse order. */
export const revP: Primitive<DimensionsParams> = definePrimitive<DimensionsParams>('rev', {
  abstractEval: ([x]) => [x],
  lower: (b, [x], { dimensions }) => [b.reverse(x, dimensions)],
  jvp: 'linear',
  transpose: ([ct], _args, params) => [ct === null ? null : revP.bind1([ct], params)],
  batch: ([x], [d], { dimensions }) => [
    [revP.bind1([x], { dimensions: shiftAxes(dimensions, batched(d)) })],
    [d],
  ],
  printParams: ({ dimensions }) => ({ dimensions: tupleText(dimensions) }),
});

/**
 * Give `x` another shape; elements keep their row-major order. One size may be -1: it follows from the others.
 *
 * @throws ShapeError when the number of elements differs.
 * @example
 * lax.reshape(lax.iota('i32', 6), [2, 3]).shape; // → [ 2, 3 ]
 */
export function reshape(x: ArrayLike, newSizes: Shape): Value {
  const value = operand('reshape', x);
  checkNumberLists('reshape', { newSizes });
  const sizes = inferSize(value, newSizes);
  return sameShape(value.shape, sizes) ? value : reshapeP.bind1([value], { newSizes: sizes });
}

function inferSize(x: Value, newSizes: Shape): Shape {
  const open = newSizes.indexOf(-1);
  if (open < 0) return newSizes;
  const known = sizeOf(newSizes.toSpliced(open, 1));
  if (newSizes.indexOf(-1, open + 1) >= 0 || known === 0 || x.size % known !== 0)
    throw new ShapeError(
      `reshape: one size may be -1 when the others divide the number of elements; got ${x.aval.toString()} to ${showShape(newSizes)}. Choose sizes whose product divides the number of elements.`,
    );
  return newSizes.toSpliced(open, 1, x.size / known);
}

/**
 * Drop axes of size 1 (all of them when `axes` is left out).
 *
 * @throws ShapeError when an axis has another size.
 * @example
 * lax.squeeze(lax.full([1, 3, 1], 0), [0]).shape; // → [ 3, 1 ]
 */
export function squeeze(x: ArrayLike, axes?: number | readonly number[]): Value {
  const value = operand('squeeze', x);
  const dimensions =
    axes === undefined
      ? value.shape.map((_, i) => i).filter((i) => value.shape[i] === 1)
      : canonicalAxes('squeeze', axes, value.ndim);
  return dimensions.length === 0 ? value : squeezeP.bind1([value], { dimensions });
}

/**
 * Insert axes of size 1 at these places of the result.
 *
 * @throws ShapeError when a place is out of range or named twice.
 * @example
 * lax.expandDims(lax.iota('f32', 3), [0, 2]).shape; // → [ 1, 3, 1 ]
 */
export function expandDims(x: ArrayLike, axes: number | readonly number[]): Value {
  const value = operand('expandDims', x);
  if (typeof axes !== 'number') checkNumberLists('expandDims', { axes });
  const count = typeof axes === 'number' ? 1 : axes.length;
  const ndim = value.ndim + count;
  const added = canonicalAxes('expandDims', axes, ndim);
  const dims = Array.from({ length: ndim }, (_, i) => i).filter((i) => !added.includes(i));
  const shape = Array.from({ length: ndim }, (_, i) =>
    added.includes(i) ? 1 : value.shape[dims.indexOf(i)],
  );
  return broadcastInDim(value, shape, dims);
}

/**
 * Permute the axes of `x`: result axis i is operand axis `permutation[i]`; reversed axes when left out.
 *
 * @throws ShapeError when `permutation` does not name each axis once.
 * @example
 * lax.transpose(lax.full([2, 3], 0), [1, 0]).shape; // → [ 3, 2 ]
 */
export function transpose(x: ArrayLike, permutation?: readonly number[]): Value {
  const value = operand('transpose', x);
  if (permutation !== undefined) checkNumberLists('transpose', { permutation });
  const axes = permutation ?? value.shape.map((_, i) => value.ndim - 1 - i);
  if (axes.length === value.ndim && axes.every((axis, i) => axis === i)) return value;
  return transposeP.bind1([value], { permutation: axes });
}

/** Move one axis of `x` to another place; the others keep their order. */
export function moveAxis(x: Value, from: number, to: number): Value {
  if (from === to) return x;
  const permutation = x.shape.map((_, i) => i).filter((i) => i !== from);
  return transpose(x, permutation.toSpliced(to, 0, from));
}

/**
 * Reverse the order of the elements along `axes`.
 *
 * @throws ShapeError when an axis is out of range or named twice.
 * @example
 * String(lax.rev(lax.iota('i32', 3), [0])); // → [2 1 0]
 */
export function rev(x: ArrayLike, axes: number | readonly number[]): Value {
  const value = operand('rev', x);
  if (typeof axes !== 'number') checkNumberLists('rev', { axes });
  const dimensions = (typeof axes === 'number' ? [axes] : axes).map((axis) =>
    canonicalAxis('rev', axis, value.ndim),
  );
  if (new Set(dimensions).size !== dimensions.length)
    throw new ShapeError(
      `rev: axes must be distinct; got ${showShape(dimensions)}. Name each axis once.`,
    );
  return dimensions.length === 0 ? value : revP.bind1([value], { dimensions });
}
