// Mistakes with shapes, dtypes and arguments of functions of arrays.
import { tree, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as optim from 'palladia/optim';
import * as random from 'palladia/random';
import { expect, test } from 'vitest';
import { reports, untyped } from './report.ts';

const x = np.ones([2, 3]);
const y = np.ones([4]);
const n = np.arange(3);
const key = random.key(0);

test('shapes', () => {
  expect(
    reports({
      'sizes that do not broadcast': () => np.add(x, y),
      'a method': () => x.mul(y),
      'no broadcasting in lax': () => lax.add(x, y),
      matmul: () => np.matmul(x, x),
      'matmul of a scalar': () => np.matmul(x, 2),
      dot: () => np.dot(x, y),
      'einsum with unequal sizes': () => np.einsum('ij,ij->i', x, np.ones([3, 3])),
      'einsum with a wrong rank': () => np.einsum('ijk->i', x),
      'einsum that is no formula': () => np.einsum('i j > k', x),
      reshape: () => x.reshape([4]),
      'reshape with two unknown sizes': () => np.reshape(x, [-1, -1]),
      transpose: () => np.transpose(x, [0, 0]),
      'an axis that does not exist': () => np.sum(x, 2),
      'an axis twice': () => np.sum(x, [0, -2]),
      squeeze: () => np.squeeze(x, 0),
      concatenate: () => np.concatenate([x, y]),
      stack: () => np.stack([x, y]),
      'stack of nothing': () => np.stack([]),
      split: () => np.split(x, 4, 1),
      broadcastTo: () => np.broadcastTo(x, [3, 2]),
      where: () => np.where(np.greater(x, 0), x, y),
      'too many indices': () => x.at(0, 0, 0).get(),
      'a negative size': () => np.zeros([-1]),
      'a fractional size': () => np.zeros([1.5]),
      'a ragged list': () => np.array([[1, 2], [3]]),
      softmax: () => nn.softmax(x, 3),
      oneHot: () => nn.oneHot(n, -1),
      randint: () => random.randint(key, [2.5], 0, 3),
      'a key of another shape': () => random.uniform(np.ones([3]), [2]),
    }),
  ).toMatchInlineSnapshot(`
    "sizes that do not broadcast
      ShapeError: add: shapes must broadcast: each axis, counted from the last, has one size or 1; got [2, 3] and [4] (axis -1). Reshape or slice one of them.
    a method
      ShapeError: multiply: shapes must broadcast: each axis, counted from the last, has one size or 1; got [2, 3] and [4] (axis -1). Reshape or slice one of them.
    no broadcasting in lax
      ShapeError: add: arrays must have the same number of axes; got f32[2,3] and f32[4]. Use the numpy functions, which broadcast, or lax.broadcastInDim.
    matmul
      ShapeError: matmul: the last axis of the first must match the second-last axis of the second; got f32[2,3] and f32[2,3]. Transpose one of them.
    matmul of a scalar
      ShapeError: matmul: operands must have at least one axis; got f32[2,3] and f32[]. Multiply scalars with np.multiply.
    dot
      ShapeError: dot: summed axes must have equal sizes; got f32[2,3] over axes 1 and f32[4] over axes 0. Transpose one of them.
    einsum with unequal sizes
      ShapeError: einsum: an axis has one size; got 2 and 3 for 'i'. Slice or reshape an operand.
    einsum with a wrong rank
      ShapeError: einsum: each axis needs a name; got 'ijk' for f32[2,3]. Name all axes, or write '...'.
    einsum that is no formula
      ArgumentError: einsum: axes are named by single letters, with at most one '...' per operand; got 'i j > k'. Write for example 'ij,jk->ik'.
    reshape
      ShapeError: reshape: the new sizes must hold as many elements as the operand; got f32[2,3] to [4]. Choose sizes with the same product.
    reshape with two unknown sizes
      ShapeError: reshape: one size may be -1, and the others must divide the number of elements; got shape [-1, -1] for f32[2,3]. Choose sizes whose product is 6.
    transpose
      ShapeError: transpose: the permutation must name each axis once; got [0, 0] for f32[2,3]. Write one entry per axis.
    an axis that does not exist
      ShapeError: sum: axis must be an integer in [-2, 2); got 2 for an array of 2 axes. Choose an axis that exists.
    an axis twice
      ShapeError: sum: axes must be distinct; got [0, 0]. Name each axis once.
    squeeze
      ShapeError: squeeze: only axes of size 1 can be dropped; got f32[2,3] (axis 0). Reduce or index the axis instead.
    concatenate
      ShapeError: concatenate: shapes must agree except along axis 0; got f32[2,3], f32[4]. Slice, pad or reshape the others.
    stack
      ShapeError: stack: arrays must have one shape; got f32[2,3] and f32[4]. Use np.concatenate for different sizes.
    stack of nothing
      ArgumentError: stack: at least one array is needed; got none. Give a list of arrays.
    split
      ShapeError: split: the axis must divide into equal parts; got 3 elements and 4 parts (axis 1). Use np.arraySplit, or give the places to cut.
    broadcastTo
      ShapeError: broadcastTo: the shape must be one that the array broadcasts to; got [3, 2] for f32[2,3]. Reshape the array first.
    where
      ShapeError: where: shapes must broadcast: each axis, counted from the last, has one size or 1; got [2, 3] and [2, 3] and [4] (axis -1). Reshape or slice one of them.
    too many indices
      ShapeError: at.get: an index has at most one entry per axis; got 3 entries for shape [2, 3]. Leave some out.
    a negative size
      ShapeError: zeros: sizes must be non-negative integers; got [-1]. Compute the shape with JavaScript numbers.
    a fractional size
      ShapeError: zeros: sizes must be non-negative integers; got [1.5]. Compute the shape with JavaScript numbers.
    a ragged list
      ShapeError: array: nested lists must all have one length per level; got a ragged list that begins like shape [2, 2]. Pad the rows.
    softmax
      ShapeError: softmax: axis must be an integer in [-2, 2); got 3 for an array of 2 axes. Choose an axis that exists.
    oneHot
      ArgumentError: oneHot: the number of classes must be a non-negative integer; got -1. It is a size: compute it with JavaScript numbers.
    randint
      ShapeError: randint: sizes must be non-negative integers; got [2.5]. Compute the shape with JavaScript numbers.
    a key of another shape
      ShapeError: randomBits: a key is u32[2]; got f32[3]. Make one with random.key(seed), and use vmap over many keys."
  `);
});

test('dtypes', () => {
  expect(
    reports({
      'lax does not promote': () => lax.add(n, np.ones([3])),
      'sine of integers': () => lax.sin(n),
      'bits of floats': () => np.bitwiseAnd(x, x),
      'a dtype that does not exist': () => np.zeros([2], 'float33' as 'f32'),
      astype: () => untyped(x.astype.bind(x))('number'),
      '64 bits without enableX64': () => np.array([1n, 2n ** 40n]),
      'uniform integers': () => random.uniform(key, [2], 'i32'),
      'integers of floats': () => random.randint(key, [2], 0, 3, 'f32'),
      'take by floats': () => np.take(x, y),
      'a condition of floats': () => lax.select(x, x, x),
      'a number beyond 32 bits': () => np.add(n, 2 ** 40),
      'a fraction beside integers': () => lax.add(n, 0.5),
    }),
  ).toMatchInlineSnapshot(`
    "lax does not promote
      DTypeError: add: operands must have one dtype; got i32[3] and f32[3]. Use the numpy functions, which promote, or lax.convertElementType.
    sine of integers
      DTypeError: sin: takes float, complex operands; got i32[3]. Convert with lax.convertElementType.
    bits of floats
      DTypeError: and: takes bool, int, uint operands; got f32[2,3] and f32[2,3]. Convert with lax.convertElementType.
    a dtype that does not exist
      DTypeError: dtype: must be one of bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64, complex64, complex128; got float33. Check the name.
    astype
      DTypeError: dtype: must be one of bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64, complex64, complex128; got number. Check the name.
    64 bits without enableX64
      ArgumentError: array: int32 holds integers from -2147483648 to 2147483647; got 1099511627776 at position 1. Choose another dtype, or bring the values into range.
    uniform integers
      DTypeError: uniform: the dtype must be a float; got int32. Use random.randint for integers.
    integers of floats
      DTypeError: randint: the dtype must be an integer; got float32. Use random.uniform for floats.
    take by floats
      DTypeError: take: indices must be integers; got f32[4]. Convert with x.astype('i32').
    a condition of floats
      DTypeError: selectN: the selector must be i32, or bool with at most two cases; got f32[2,3] and f32[2,3], f32[2,3]. Compare, or convert it with lax.convertElementType.
    a number beyond 32 bits
      ArgumentError: add: int32 holds integers from -2147483648 to 2147483647; got 1099511627776 at position 0. Choose another dtype, or bring the values into range.
    a fraction beside integers
      DTypeError: add: int32 cannot hold 0.5; got it beside an array of that dtype. Convert the array with lax.convertElementType."
  `);
});

test('what is no array', () => {
  expect(
    reports({
      text: () => np.sin('3' as unknown as number),
      undefined: () => untyped(np.sin)(),
      'an object': () => untyped(np.add)({ a: 1 }, x),
      'a list where an array is needed': () => untyped(lax.sin)([1, 2]),
      'text in a list': () => untyped(np.array)([1, 'two']),
      'a symbol': () => untyped(np.cos)(Symbol.iterator),
      'a function': () => untyped(x.add.bind(x))(Math.sin),
      'a promise': () => untyped(np.exp)(Promise.resolve(1)),
      'null as a key': () => untyped(random.normal)(null, [2]),
      'a fractional seed': () => random.key(0.5),
      'a number as the item of many': () => x.item(),
    }),
  ).toMatchInlineSnapshot(`
    "text
      ArgumentError: sin: x must be an array or a number; got string 3. Make an array of it with np.array(…).
    undefined
      ArgumentError: sin: x must be an array or a number; got undefined. Make an array of it with np.array(…).
    an object
      ArgumentError: add: x must be an array or a number; got an object of class Object. Make an array of it with np.array(…).
    a list where an array is needed
      ArgumentError: sin: x must be an array or a number; got a JavaScript array of 2. Make an array of it with np.array(…).
    text in a list
      ArgumentError: array: elements must be numbers or arrays; got string two. Convert them first.
    a symbol
      ArgumentError: cos: x must be an array or a number; got symbol Symbol(Symbol.iterator). Make an array of it with np.array(…).
    a function
      ArgumentError: add: y must be an array or a number; got the function sin. Make an array of it with np.array(…).
    a promise
      ArgumentError: exp: x must be an array or a number; got an object of class Promise. Make an array of it with np.array(…).
    null as a key
      ArgumentError: randomBits: key must be an array or a number; got null. Make an array of it with np.array(…).
    a fractional seed
      ArgumentError: key: the seed must be an integer; got number 0.5. Round it first.
    a number as the item of many
      ShapeError: item: only an array of one element has a value; got shape [2, 3]. Use \`await x.js()\`."
  `);
});

test('trees', () => {
  const params = { w: x, b: y };
  const adam = optim.adam(0.1);
  const state = adam.init(params);
  const update = untyped(adam.update.bind(adam));
  expect(
    reports({
      'a number where a tree is expected': () => update(1, state, params),
      'a part is missing': () => update({ w: x }, state, params),
      'map over unequal trees': () => untyped(tree.map)((a: Value) => a, { a: 1 }, [1]),
      'an object of a class': () =>
        tree.map((a: unknown) => np.sin(a as Value), { at: new Date(0) }),
      applyUpdates: () => untyped(optim.applyUpdates)(params, { w: x }),
      'a learning rate that is no number': () => untyped(optim.sgd)('fast'),
      'no learning rate': () => untyped(optim.adam)(),
    }),
  ).toMatchInlineSnapshot(`
    "a number where a tree is expected
      ArgumentError: mul: x must be an array or a number; got an object of class Object. Make an array of it with np.array(…).
    a part is missing
      TreeError: tree.map: trees must have the same structure; got {'b': *, 'w': *} instead of {'w': *} at the root. Give every tree the structure of the first.
    map over unequal trees
      TreeError: tree.map: trees must have the same structure; got [*] instead of {'a': *} at the root. Give every tree the structure of the first.
    an object of a class
      ArgumentError: sin: x must be an array or a number; got an object of class Date. Make an array of it with np.array(…).
    applyUpdates
      TreeError: tree.map: trees must have the same structure; got {'w': *} instead of {'b': *, 'w': *} at the root. Give every tree the structure of the first.
    a learning rate that is no number
      ArgumentError: scaleByLearningRate: the learning rate must be a number or a schedule; got string fast. Give one, for example 1e-3.
    no learning rate
      ArgumentError: scaleByLearningRate: the learning rate must be a number or a schedule; got undefined. Give one, for example 1e-3."
  `);
});

test('options that do not exist', () => {
  const misspelt = { axis: 0, keepDims: true };
  const { sum, prod, mean, average, std, max, min, ptp, all, any, argmax, argmin } = np;
  const { median, cumsum, cumprod, nansum, nanmean, nanmax, squeeze, flip } = np;
  const { softmax, logSoftmax, logsumexp, standardize } = nn;
  const reductions = { sum, prod, mean, average, std, max, min, ptp, all, any, argmax, argmin };
  const others = { median, cumsum, cumprod, nansum, nanmean, nanmax, squeeze, flip };
  const rows = { softmax, logSoftmax, logsumexp, standardize };
  for (const [name, f] of Object.entries({ ...reductions, ...others, ...rows }))
    expect(() => untyped(f)(x, misspelt), name).toThrow(
      /options must be among axis.*; got keepDims\. Check the spelling\./,
    );
});
