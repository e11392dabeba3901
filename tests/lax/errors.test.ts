// Bad input: each rule of the operations has its own sentence, with the facts and a way out.
import { expect, test } from 'vitest';
import { PalladiaError } from '../../core/errors.ts';
import type { Value } from '../../core/value.ts';
import * as lax from '../../lax/index.ts';
import { arrayOf } from '../laws/harness.ts';

const x = arrayOf([1, 2, 3, 4, 5, 6], [2, 3], 'f32');
const v = arrayOf([1, 2], [2], 'f32');
const n = arrayOf([1, 2], [2], 'i32');
const rows = { offsetDims: [1], collapsedSliceDims: [0], startIndexMap: [0] };

/** The error of a call, without the line of the user. */
function errorOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    if (!(error instanceof PalladiaError)) throw error;
    return `${error.name}: ${error.message.split('\n')[0]}`;
  }
  return 'no error';
}

const messages: Readonly<Record<string, () => Value>> = {
  'unequal dtypes': () => lax.add(v, n),
  'unequal shapes': () => lax.mul(v, arrayOf([1, 2, 3], [3], 'f32')),
  'unequal ranks': () => lax.sub(x, v),
  'a float beside integers': () => lax.add(n, 2.5),
  'a number beside bools': () => lax.and(lax.lt(v, 1), 1),
  'a float function of integers': () => lax.sin(n),
  'bits of floats': () => lax.not(v),
  'no array': () => lax.neg('3' as unknown as Value),
  'a list': () => lax.neg([1, 2] as unknown as Value),
  'integerPow of a fraction': () => lax.integerPow(v, 0.5),
  'integerPow of integers': () => lax.integerPow(n, -1),
  'select with another shape': () => lax.select(lax.lt(v, 1), x, x),
  'select by floats': () => lax.select(v, v, v),
  'clamp with another shape': () => lax.clamp(v, x, v),
  'broadcastInDim that does not fit': () => lax.broadcastInDim(v, [3, 3], [0]),
  'broadcastInDim without order': () => lax.broadcastInDim(x, [3, 2], [1, 0]),
  'reshape to another size': () => lax.reshape(x, [4]),
  'reshape with two open sizes': () => lax.reshape(x, [-1, -1]),
  'squeeze of an axis of size 3': () => lax.squeeze(x, 1),
  'transpose twice': () => lax.transpose(x, [0, 0]),
  'an axis out of range': () => lax.reduceSum(x, 2),
  'an axis twice': () => lax.reduceMax(x, [0, -2]),
  'slice beyond the end': () => lax.slice(x, [0, 0], [2, 4]),
  'slice backwards': () => lax.slice(v, [2], [1]),
  'slice with stride 0': () => lax.slice(v, [0], [2], [0]),
  'pad that cuts too much': () => lax.pad(v, 0, [[-2, -2, 0]]),
  'pad with an array': () => lax.pad(v, v, [[1, 1, 0]]),
  'concatenate of unequal shapes': () => lax.concatenate([x, arrayOf([1, 2], [1, 2], 'f32')], 0),
  'concatenate of nothing': () => lax.concatenate([], 0),
  'dynamicSlice with too few starts': () => lax.dynamicSlice(x, [0], [1, 1]),
  'dynamicSlice by floats': () => lax.dynamicSlice(v, [lax.full([], 1, 'f32')], [1]),
  'dynamicSlice that is too large': () => lax.dynamicSlice(v, [0], [3]),
  'dot of unequal sizes': () => lax.dot(x, v),
  'dot of scalars': () => lax.dot(1, 2),
  'gather with float indices': () => lax.gather(x, arrayOf([0], [1, 1], 'f32'), rows, [1, 3]),
  'gather with too large slices': () => lax.gather(x, arrayOf([0], [1, 1], 'i32'), rows, [1, 4]),
  'gather with too few offset axes': () =>
    lax.gather(x, arrayOf([0], [1, 1], 'i32'), { ...rows, offsetDims: [] }, [1, 3]),
  'argmax of nothing': () => lax.argmax(arrayOf([], [0], 'f32'), 0),
  'cumsum of bools': () => lax.cumsum(lax.lt(v, 1)),
  'iota of bools': () => lax.iota('bool', 3),
  'a negative size': () => lax.zeros([-1]),
  'full of an array': () => lax.full([2], v),
  'a key of another shape': () => lax.randomBits(v, 32, [1]),
  'sort with too many keys': () => lax.sortMany([v], { numKeys: 2 })[0],
  'dot without lists of axes': () => lax.dotGeneral(x, v, [[1], [0]] as never),
  'dot with named axes': () => lax.dotGeneral(x, v, { contract: [[1], [0]] } as never),
  'bitcast of the wrong width': () => lax.bitcastConvertType(arrayOf([1, 2, 3], [3], 'u16'), 'u32'),
};

test('messages', () => {
  expect(
    Object.entries(messages)
      .map(([name, f]) => `${name}\n  ${errorOf(f)}`)
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "unequal dtypes
      DTypeError: add: operands must have one dtype; got f32[2] and i32[2]. Use the numpy functions, which promote, or lax.convertElementType.
    unequal shapes
      ShapeError: mul: shapes must be equal; got f32[2] and f32[3] (axis 0). Reshape or slice one of them.
    unequal ranks
      ShapeError: sub: arrays must have the same number of axes; got f32[2,3] and f32[2]. Use the numpy functions, which broadcast, or lax.broadcastInDim.
    a float beside integers
      DTypeError: add: int32 cannot hold 2.5; got it beside an array of that dtype. Convert the array with lax.convertElementType.
    a number beside bools
      DTypeError: and: a number cannot stand beside a bool array; got 1. Convert the array with lax.convertElementType.
    a float function of integers
      DTypeError: sin: takes float, complex operands; got i32[2]. Convert with lax.convertElementType.
    bits of floats
      DTypeError: not: takes bool, int, uint operands; got f32[2]. Convert with lax.convertElementType.
    no array
      ArgumentError: neg: x must be an array or a number; got string 3. Make an array of it with np.array(…).
    a list
      ArgumentError: neg: x must be an array or a number; got a JavaScript array of 2. Make an array of it with np.array(…).
    integerPow of a fraction
      ArgumentError: integerPow: the power must be a JavaScript integer; got 0.5. Use lax.pow.
    integerPow of integers
      ArgumentError: integerPow: integers have no negative powers; got i32[2] to -1. Convert to a float first.
    select with another shape
      ShapeError: selectN: the selector must be a scalar or have the shape of the cases; got bool[2] and f32[2,3], f32[2,3]. Broadcast it first.
    select by floats
      DTypeError: selectN: the selector must be i32, or bool with at most two cases; got f32[2] and f32[2], f32[2]. Compare, or convert it with lax.convertElementType.
    clamp with another shape
      ShapeError: clamp: bounds must be scalars or have the shape of x; got f32[2] beside f32[2,3]. Broadcast them first.
    broadcastInDim that does not fit
      ShapeError: broadcastInDim: each operand axis must have size 1 or the size of its result axis; got operand f32[2], shape [3, 3], dims [0] (axis 0). Change dims, or slice the operand.
    broadcastInDim without order
      ShapeError: broadcastInDim: dims must be increasing axes of the result; got operand f32[2,3], shape [3, 2], dims [1, 0]. Transpose the operand first.
    reshape to another size
      ShapeError: reshape: the new sizes must hold as many elements as the operand; got f32[2,3] to [4]. Choose sizes with the same product.
    reshape with two open sizes
      ShapeError: reshape: one size may be -1 when the others divide the number of elements; got f32[2,3] to [-1, -1]. Choose sizes whose product divides the number of elements.
    squeeze of an axis of size 3
      ShapeError: squeeze: only axes of size 1 can be dropped; got f32[2,3] (axis 1). Reduce or index the axis instead.
    transpose twice
      ShapeError: transpose: the permutation must name each axis once; got [0, 0] for f32[2,3]. Write one entry per axis.
    an axis out of range
      ShapeError: reduceSum: axis must be an integer in [-2, 2); got 2 for an array of 2 axes. Choose an axis that exists.
    an axis twice
      ShapeError: reduceMax: axes must be distinct; got [0, 0]. Name each axis once.
    slice beyond the end
      ShapeError: slice: limits must not exceed the shape; got starts [0, 0], limits [2, 4] for f32[2,3] (axis 1). Lower the limits.
    slice backwards
      ShapeError: slice: starts must lie between 0 and the limits; got starts [2], limits [1] for f32[2] (axis 0). Mind the order: starts, then limits.
    slice with stride 0
      ShapeError: slice: strides must be positive; got starts [0], limits [2], strides [0] for f32[2]. Use lax.rev for reverse order.
    pad that cuts too much
      ShapeError: pad: negative padding must not cut more than there is; got padding (-2, -2, 0) for f32[2] with value f32[] (axis 0). Cut with lax.slice, or cut less.
    pad with an array
      ShapeError: pad: the padding value must be a scalar; got padding (1, 1, 0) for f32[2] with value f32[2]. Pass a number, or an array without axes.
    concatenate of unequal shapes
      ShapeError: concatenate: shapes must agree except along axis 0; got f32[2,3], f32[1,2]. Slice, pad or reshape the others.
    concatenate of nothing
      ShapeError: concatenate: at least one array is needed; got none. Pass a list of arrays.
    dynamicSlice with too few starts
      ShapeError: dynamicSlice: one start and one size per axis are needed; got f32[2,3], sizes [1, 1], starts i32[]. Write one entry per axis.
    dynamicSlice by floats
      DTypeError: dynamicSlice: starts must be integers of one dtype; got f32[2], sizes [1], starts f32[]. Convert them with lax.convertElementType.
    dynamicSlice that is too large
      ShapeError: dynamicSlice: sizes must not exceed the shape; got f32[2], sizes [3], starts i32[]. Take a smaller slice.
    dot of unequal sizes
      ShapeError: dotGeneral: contracted axes must have equal sizes; got f32[2,3] and f32[2] with contracting axes [1] × [0] and batch axes [] × []. Transpose or reshape an operand.
    dot of scalars
      ShapeError: dot: operands must be vectors or matrices; got f32[] and f32[]. Use np.matmul or lax.dotGeneral.
    gather with float indices
      DTypeError: gather: indices must be integers; got f32[1,1]. Convert them with lax.convertElementType.
    gather with too large slices
      ShapeError: gather: slices must fit into the operand; got slice sizes [1, 4] of f32[2,3]. Take smaller slices.
    gather with too few offset axes
      ShapeError: gather: each kept axis of the operand needs one offset axis; got operand f32[2,3], indices i32[1,1], GatherDimensionNumbers(offset_dims=(), collapsed_slice_dims=(0,), start_index_map=(0,), operand_batching_dims=(), start_indices_batching_dims=()).
    argmax of nothing
      ShapeError: argmax: an empty axis has no extremum; got f32[0] (axis 0). Skip the call when there is nothing.
    cumsum of bools
      DTypeError: cumsum: takes int, uint, float, complex operands; got bool[2]. Convert with lax.convertElementType.
    iota of bools
      DTypeError: iota: bool cannot count; got dtype bool. Choose an integer or float dtype.
    a negative size
      ShapeError: full: shape must hold non-negative integers; got [-1]. Compute it with JavaScript numbers.
    full of an array
      ShapeError: full: the value must be a scalar; got f32[2]. Use lax.broadcastInDim to repeat an array.
    a key of another shape
      ShapeError: randomBits: a key is u32[2]; got f32[2]. Make one with random.key(seed), and use vmap over many keys.
    sort with too many keys
      ArgumentError: sort: the number of keys must lie between 1 and the number of arrays; got 2 keys and 1 arrays. Change numKeys.
    dot without lists of axes
      ArgumentError: dotGeneral: dimensionNumbers must be two pairs of lists of axes; got a JavaScript array of 2. Write [[contractX, contractY], [batchX, batchY]].
    dot with named axes
      ArgumentError: dotGeneral: dimensionNumbers must be two pairs of lists of axes; got an object of class Object. Write [[contractX, contractY], [batchX, batchY]].
    bitcast of the wrong width
      ShapeError: bitcastConvertType: the last axis must hold the 2 parts of one uint32; got u16[3]. Reshape it first."
  `);
});
