// Mistakes with float0, the dtype of tangents and cotangents of integers and bools.
import { customJvp, grad, jvp, linearize, linearTranspose, vjp, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { reports } from './report.ts';

const z = (...shape: readonly number[]): Value => np.zeros(shape, 'float0');
const n = np.arange(3);
const x = np.array([1, 2, 3]);
const scaled = (a: Value, k: Value): Value => a.mul(k);

test('tangents of integers', () => {
  expect(
    reports({
      'zeros of their dtype': () => jvp(scaled, [x, n], [x, np.zerosLike(n)]),
      'zeros of floats': () => jvp(scaled, [x, n], [x, np.zeros(3)]),
      'a number that is not zero': () => jvp(scaled, [x, np.array(2, 'i32')], [x, 1]),
      'zero for an array': () => jvp(scaled, [x, n], [x, 0]),
      'another shape': () => jvp(scaled, [x, n], [x, z(2)]),
      'a bool': () => linearize(scaled, x, np.array(true))[1](x, np.array(false)),
      'float0 for floats': () => jvp(scaled, [x, n], [z(3), z(3)]),
      'from a rule': () => {
        const f = customJvp((a: Value) => [a, np.arange(2)] as const);
        f.defjvp(([a]: Value[], [t]: Value[]) => [f(a), [t, np.arange(2)]]);
        return jvp(f, [x], [x]);
      },
    }),
  ).toMatchInlineSnapshot(`
    "zeros of their dtype
      DTypeError: jvp: the tangent of an integer or bool value must be of dtype float0; got i32[3] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    zeros of floats
      DTypeError: jvp: the tangent of an integer or bool value must be of dtype float0; got f32[3] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    a number that is not zero
      DTypeError: jvp: the tangent of an integer or bool value must be of dtype float0; got f32[] for i32[]. Give np.zeros([], 'float0') there, or convert the value to a float.
    zero for an array
      DTypeError: jvp: the tangent of an integer or bool value must be of dtype float0; got f32[] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    another shape
      ShapeError: jvp: a tangent must have the shape of the value that it belongs to; got shape [2] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    a bool
      DTypeError: linearize: the tangent of an integer or bool value must be of dtype float0; got bool[] for bool[]. Give np.zeros([], 'float0') there, or convert the value to a float.
    float0 for floats
      DTypeError: jvp: a tangent must have the dtype of the value that it belongs to; got float0 for f32[3]. Give np.zeros([3], 'f32').
    from a rule
      DTypeError: customJvp (rule of <lambda>): the tangent of an integer or bool value must be of dtype float0; got i32[2] for i32[2]. Give np.zeros([2], 'float0') there, or convert the value to a float."
  `);
});

test('cotangents of integers', () => {
  const f = (a: Value): readonly [Value, Value] => [a, n];
  expect(
    reports({
      'zeros of floats': () => vjp(f, x)[1]([x, np.zeros(3)]),
      'another shape': () => vjp(f, x)[1]([x, z()]),
      'another shape of their dtype': () => vjp(f, x)[1]([x, np.arange(2)]),
      'float0 for floats': () => vjp(f, x)[1]([z(3), z(3)]),
      'float0 in a linear transpose of integers': () =>
        linearTranspose((a: Value) => a.mul(2), n)(z(3)),
    }),
  ).toMatchInlineSnapshot(`
    "zeros of floats
      DTypeError: vjp: the cotangent of an integer or bool value must be of dtype float0; got f32[3] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    another shape
      ShapeError: vjp: a cotangent must have the shape of the value that it belongs to; got shape [] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    another shape of their dtype
      ShapeError: vjp: a cotangent must have the shape of the value that it belongs to; got shape [2] for i32[3]. Give np.zeros([3], 'float0') there, or convert the value to a float.
    float0 for floats
      DTypeError: vjp: a cotangent must have the dtype of the value that it belongs to; got float0 for f32[3]. Give np.zeros([3], 'f32').
    float0 in a linear transpose of integers
      DTypeError: linearTranspose: a cotangent must have the dtype of the value that it belongs to; got float0 for i32[3]. Give np.zeros([3], 'i32')."
  `);
});

test('arithmetic', () => {
  const g = grad((k: Value) => np.sum(k.mul(0.5)), { allowInt: true });
  expect(
    reports({
      'a step of gradient descent': () => n.sub(g(n).mul(0.1)),
      'a sum of float0': () => np.add(z(3), z(3)),
      'a sum with floats': () => x.add(z(3)),
      'a function of floats': () => np.sin(z(3)),
      'a function of lax': () => lax.sin(z(3)),
      'a comparison': () => np.equal(z(3), z(3)),
      'a reduction': () => np.sum(z(3)),
      'the greatest': () => np.max(z(3)),
      'where the greatest is': () => np.argmax(z(3)),
      'a running sum': () => np.cumsum(z(3)),
      'a product of matrices': () => np.matmul(z(2, 2), z(2, 2)),
      'a conversion': () => z(3).astype('f32'),
      'other bits': () => lax.bitcastConvertType(z(3), 'u8'),
      'a range': () => lax.iota('float0', 3),
      'values that are not zero': () => np.array([0, 1], 'float0'),
    }),
  ).toMatchInlineSnapshot(`
    "a step of gradient descent
      DTypeError: promotion: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0 and f*. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a sum of float0
      DTypeError: add: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3] and float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a sum with floats
      DTypeError: promotion: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got f32 and float0. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a function of floats
      DTypeError: promotion: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a function of lax
      DTypeError: sin: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a comparison
      DTypeError: eq: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3] and float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a reduction
      DTypeError: reduce_sum: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    the greatest
      DTypeError: reduce_max: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    where the greatest is
      DTypeError: argmax: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a running sum
      DTypeError: cumsum: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[3]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a product of matrices
      DTypeError: dotGeneral: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got float0[2,2] and float0[2,2]. Leave such leaves out, or take np.zeros(x.shape) in their place.
    a conversion
      DTypeError: convertElementType: float0 holds no information and converts to nothing; got float0[3] for float32. Take zeros: np.zeros(x.shape, 'f32').
    other bits
      DTypeError: bitcastConvertType: bool, complex and float0 convert only to themselves; got float0[3] to uint8. Use convertElementType.
    a range
      DTypeError: iota: float0 cannot count; got dtype float0. Choose an integer or float dtype.
    values that are not zero
      ArgumentError: array: float0 holds no information, and zero is its only value; got 1 at position 1. Write np.zeros(shape, 'float0')."
  `);
});
