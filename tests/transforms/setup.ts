/** What the tests of this room need: the interpreter as device, and short ways to make and read arrays. */
import { NDArray } from '../../core/array.ts';
import { registerDevice } from '../../core/backend.ts';
import type { DType } from '../../core/dtype.ts';
import { sizeOf, type Shape } from '../../core/shape.ts';
import * as tree from '../../core/tree.ts';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import '../../core/jaxpr-print.ts';
import '../../transforms/eval.ts';

registerDevice(new InterpreterDevice());

/** An array from numbers. */
export const array = (
  values: readonly number[],
  shape: Shape = [values.length],
  dtype: DType = 'f32',
): NDArray => NDArray.fromHost(values, shape, dtype);

/** Numbers that look random, between -1 and 1. */
export const noise = (shape: Shape, seed = 1): NDArray =>
  array(
    Array.from(
      { length: sizeOf(shape) },
      (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.95,
    ),
    shape,
  );

/** The values of a tree of arrays. */
export const js = (x: unknown): unknown =>
  tree.map((leaf) => (leaf instanceof NDArray ? leaf.jsSync() : leaf), x);

/** All elements of a tree of arrays, in one list. */
export const flat = (x: unknown): number[] =>
  tree.leaves(x).flatMap((leaf) => [...(leaf as NDArray).dataSync()].map(Number));

/** The largest difference between two trees of arrays, relative to their size. */
export function distance(a: unknown, b: unknown): number {
  const [xs, ys] = [flat(a), flat(b)];
  if (xs.length !== ys.length) return Infinity;
  const scale = Math.max(1, ...xs.map(Math.abs), ...ys.map(Math.abs));
  return Math.max(0, ...xs.map((x, i) => (Object.is(x, ys[i]) ? 0 : Math.abs(x - ys[i]) / scale)));
}

/** Class and first line of the error that `body` throws. */
export function failure(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof Error) return `${error.name}: ${error.message.split('\n')[0]}`;
  }
  return 'no error';
}
