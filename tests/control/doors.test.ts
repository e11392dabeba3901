/** What enters loops, branches and solvers: numbers beside other dtypes, bounds and indices, options, functions. */
import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { cond, switchBranch } from '../../control/cond.ts';
import { associativeScan, map } from '../../control/map.ts';
import { customRoot } from '../../control/root.ts';
import { scan } from '../../control/scan.ts';
import { customLinearSolve } from '../../control/solve.ts';
import { foriLoop } from '../../control/while.ts';
import { add, div } from '../../lax/arithmetic.ts';
import { sin } from '../../lax/transcendental.ts';
import { jit } from '../../transforms/jit.ts';
import { array, failure, js } from '../transforms/setup.ts';

const untyped = (f: unknown): ((...args: unknown[]) => unknown) =>
  f as (...args: unknown[]) => unknown;
const int = (n: number): Value => array([n], [], 'i32');

/** Both branches of a cond, as values; or its error. */
function both(onTrue: () => unknown, onFalse: () => unknown): unknown {
  const run = (pred: boolean): unknown => untyped(cond)(pred, onTrue, onFalse);
  const error = failure(() => run(true));
  return error === 'no error' ? [js(run(true)), js(run(false))] : error;
}

test('a number in one branch takes the dtype of the other only if that can hold it', () => {
  expect(
    both(
      () => 2,
      () => int(1),
    ),
  ).toEqual([2, 1]);
  expect(
    both(
      () => 1.5,
      () => array([1], [], 'f16'),
    ),
  ).toEqual([1.5, 1]);
  expect(
    both(
      () => 300n,
      () => array([1], [], 'f16'),
    ),
  ).toEqual([300, 1]);
  expect([
    both(
      () => 1.5,
      () => int(1),
    ),
    both(
      () => 300,
      () => array([1], [], 'i8'),
    ),
    both(
      () => -1,
      () => array([1], [], 'u32'),
    ),
    both(
      () => 2,
      () => true,
    ),
    both(
      () => sin(0),
      () => int(1),
    ),
    both(
      () => array([1, 2]),
      () => 0,
    ),
  ]).toMatchInlineSnapshot(`
    [
      "DTypeError: cond: all branches must return the same types; got f32[] from branch 1 where another gives i32[], at result. Convert in one of them.",
      "DTypeError: cond: all branches must return the same types; got f32[] from branch 1 where another gives i8[], at result. Convert in one of them.",
      "DTypeError: cond: all branches must return the same types; got f32[] from branch 1 where another gives u32[], at result. Convert in one of them.",
      "DTypeError: cond: all branches must return the same types; got f32[] from branch 1 where another gives bool[], at result. Convert in one of them.",
      "DTypeError: cond: all branches must return the same types; got f32[] from branch 1 where another gives i32[], at result. Convert in one of them.",
      "ShapeError: cond: all branches must return the same types; got f32[] from branch 0 where another gives f32[2], at result. Broadcast or reshape in one of them.",
    ]
  `);
});

test('numbers in all branches give what they promote to', () => {
  for (const pred of [true, false]) {
    const out = cond(
      pred,
      () => 3n as unknown as Value,
      () => 1.5,
    );
    expect([out.dtype, out.weakType, js(out)]).toEqual(['f32', true, pred ? 3 : 1.5]);
  }
});

test('an index beyond i32 takes the nearest branch; what is no index is refused', () => {
  const choose = (index: unknown): unknown =>
    js(untyped(switchBranch)(index, [() => 1, () => 2, () => 3]));
  expect([2 ** 40, -(2 ** 40), 1n, int(7)].map(choose)).toEqual([3, 1, 2, 3]);
  expect([
    ...[true, undefined, NaN, 'a', array([1])].map((index) => failure(() => choose(index))),
    failure(() => untyped(switchBranch)(0, () => 1)),
  ]).toMatchInlineSnapshot(`
    [
      "DTypeError: switch: the index must be an integer scalar; got bool[]. Convert with x.astype('i32').",
      "ArgumentError: switch: index must be an array or a number; got undefined. Make an array of it with np.array(…).",
      "DTypeError: switch: the index must be an integer scalar; got NaN. Convert with x.astype('i32').",
      "ArgumentError: switch: index must be an array or a number; got string a. Make an array of it with np.array(…).",
      "DTypeError: switch: the index must be an integer scalar; got f32[1]. Convert with x.astype('i32').",
      "ArgumentError: switch: there must be a list of at least one branch; got the function (anonymous). Pass a list of functions.",
    ]
  `);
});

test('bounds of a loop must fit their dtype', () => {
  const count = (lower: unknown, upper: unknown): unknown =>
    js(untyped(foriLoop)(lower, upper, (_: Value, c: Value) => add(c, 1), 0));
  expect(count(array([100], [], 'i8'), 127)).toBe(27);
  expect(count(0n, 3n)).toBe(3);
  expect(count(2 ** 31 - 3, 2 ** 31 - 1)).toBe(2);
  const refused = [
    [array([0], [], 'i8'), 300],
    [array([0], [], 'u32'), -1],
    [0, 2 ** 31],
    [0, undefined],
    [false, 3],
    [0, 1.5],
  ].map(([lower, upper]) => failure(() => count(lower, upper)));
  expect(refused).toMatchInlineSnapshot(`
    [
      "ArgumentError: foriLoop: the dtype of the bounds must hold both; got 300 as int8. Give the other bound a wider dtype, or count from 0.",
      "ArgumentError: foriLoop: the dtype of the bounds must hold both; got -1 as uint32. Give the other bound a wider dtype, or count from 0.",
      "ArgumentError: foriLoop: the dtype of the bounds must hold both; got 2147483648 as int32. Give the other bound a wider dtype, or count from 0.",
      "ArgumentError: foriLoop: a bound must be an array or a number; got undefined. Make an array of it with np.array(…).",
      "DTypeError: foriLoop: bounds must be integer scalars of one dtype; got bool[] and 3. Convert with x.astype('i32').",
      "ArgumentError: foriLoop: bounds must be integers; got 1.5. Round it.",
    ]
  `);
  expect(js(jit((n: Value) => count(0, n) as Value)(int(3)))).toBe(3);
});

test('options that do not exist are refused, and so is what is no function', () => {
  const xs = array([1, 2]);
  const plus = (a: Value, b: Value): Value => add(a, b);
  const halve = (_: unknown, y: Value): Value => div(y, 2);
  const all = [
    () => untyped(scan)((c: Value, x: Value) => [c, x], 0, xs, { revers: true }),
    () => untyped(scan)(3, 0, xs),
    () => untyped(foriLoop)(0, 2, plus, 0, { unrol: 2 }),
    () => untyped(map)(sin, xs, { batchsize: 2 }),
    () => untyped(map)(3, xs),
    () => untyped(associativeScan)(plus, xs, { axes: 1 }),
    () => untyped(customLinearSolve)(sin, xs, halve, { symetric: true }),
    () => untyped(customLinearSolve)(sin, xs, 2),
    () => untyped(customRoot)(sin, xs, halve, halve, { aux: true }),
    () => untyped(customRoot)(sin, xs, halve, 2),
  ].map(failure);
  expect(all).toMatchInlineSnapshot(`
    [
      "ArgumentError: scan: options must be among length, reverse, unroll; got revers. Check the spelling.",
      "ArgumentError: scan: there must be a function to transform or to run; got number 3. Pass the function itself, not its result.",
      "ArgumentError: foriLoop: options must be among unroll; got unrol. Check the spelling.",
      "ArgumentError: map: options must be among batchSize; got batchsize. Check the spelling.",
      "ArgumentError: map: there must be a function to transform or to run; got number 3. Pass the function itself, not its result.",
      "ArgumentError: associativeScan: options must be among reverse, axis; got axes. Check the spelling.",
      "ArgumentError: customLinearSolve: options must be among transposeSolve, symmetric, hasAux; got symetric. Check the spelling.",
      "ArgumentError: customLinearSolve: there must be a function to transform or to run; got number 2. Pass the function itself, not its result.",
      "ArgumentError: customRoot: options must be among hasAux; got aux. Check the spelling.",
      "ArgumentError: customRoot: there must be a function to transform or to run; got number 2. Pass the function itself, not its result.",
    ]
  `);
});
