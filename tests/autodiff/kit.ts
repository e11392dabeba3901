/** Short ways to write the programs of this room: arrays, nested derivatives. Everything runs on the interpreter, which has complex numbers. */
import { grad, setDefaultDevice, type DType, type Value } from 'palladia';
import { NDArray } from '../../core/array.ts';
import { sizeOf, type Shape } from '../../core/shape.ts';

setDefaultDevice('interpreter');

/** A vector of f32. */
export const vec = (...xs: readonly number[]): NDArray => NDArray.fromHost(xs, [xs.length], 'f32');

/** A scalar of this dtype. */
export const scalar = (x: number, dtype: DType = 'f32'): NDArray =>
  NDArray.fromHost([x], [], dtype);

/** A vector of i32. */
export const ints = (...xs: readonly number[]): NDArray => NDArray.fromHost(xs, [xs.length], 'i32');

/** A vector of complex numbers. */
export const c64 = (...xs: readonly (readonly [re: number, im: number])[]): NDArray =>
  NDArray.fromHost(xs.flat(), [xs.length], 'complex64');

/** One complex number. */
export const complexScalar = (re: number, im: number): NDArray =>
  NDArray.fromHost([re, im], [], 'complex64');

/** (0, 1, 2, … - 3) / 4 in this shape. */
export const ramp = (...shape: Shape): NDArray =>
  NDArray.fromHost(
    Array.from({ length: sizeOf(shape) }, (_, i) => (i - 3) / 4),
    shape,
    'f32',
  );

/** The derivative of order `n`. */
export const nested = (f: (x: Value) => Value, n: number): ((x: Value) => Value) =>
  n === 0 ? f : nested((x: Value) => grad(f)(x), n - 1);

/** A program without arguments, and the tree of arrays and numbers that it gives. */
export type Program = () => unknown;

/** Programs by the names that they have in golden.json. */
export type Programs = Readonly<Record<string, Program>>;
