/** `sequentialVmap`: a function that `vmap` runs in a loop, one index after the other. */
import { flatten, unflatten } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { customVmap, type CustomVmap } from '../transforms/custom-vmap.ts';
import { map } from './map.ts';

/**
 * A function that `vmap` maps with a loop instead of batching what is in it: for operations that cannot be batched, and where the
 * memory of all indices together would not fit.
 *
 * @throws TreeError when an argument or result is no array.
 * @example
 * const f = sequentialVmap((x: Value) => lax.mul(x, x));
 * String(vmap(f)(np.array([1, 2, 3]))); // → [1. 4. 9.]
 */
export function sequentialVmap<A extends readonly Value[], R>(
  f: (...args: A) => R,
): CustomVmap<A, R>;
export function sequentialVmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
): CustomVmap<A, R>;
export function sequentialVmap(f: (...args: never[]) => unknown): CustomVmap<never[], unknown> {
  const custom = customVmap(f);
  return custom.defVmap((_: number, inBatched: unknown, ...args: Value[]) => {
    const isMapped = flatten(inBatched).leaves;
    const { leaves, treedef } = flatten(args);
    const mapped = leaves.filter((_leaf, i) => isMapped[i] === true) as Value[];
    const step = (slices: Value[]): unknown => {
      let next = 0;
      const filled = leaves.map((leaf, i) => (isMapped[i] === true ? slices[next++] : leaf));
      return custom(...(unflatten(treedef, filled) as never[]));
    };
    return [map(step, mapped), true];
  });
}
