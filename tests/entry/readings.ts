/** Short ways to read arrays and errors, for tests that use the public entry points. */
import { tree, type NDArray } from 'palladia';

/** All elements of a tree of arrays, in one list. */
export const numbers = (x: unknown): number[] =>
  tree.leaves(x).flatMap((leaf) => [...(leaf as NDArray).dataSync()].map(Number));

/** Class and first line of the error that `body` throws. */
export function failure(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof Error) return `${error.name}: ${error.message.split('\n')[0]}`;
  }
  return 'no error';
}
