/**
 * `inShardings` and `outShardings` of `jit`: how arguments and results lie over a mesh. Programs run in lockstep on one device, so that
 * no value depends on it: results say how they lie, and arguments that were laid otherwise are a mistake.
 */
import { describe, NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { ArgumentError, TreeError } from '../core/errors.ts';
import { NamedSharding } from '../core/mesh.ts';
import { broadcastPrefix, leafPaths, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { blockShape } from './block-shape.ts';

/** How the arrays of a tree lie: one sharding for all, or a tree of shardings that is a prefix; null says nothing. */
export type Shardings =
  | NamedSharding
  | null
  | readonly Shardings[]
  | { readonly [key: string]: Shardings };

/** A sharding for each array, or undefined where nothing is said. */
export type LeafShardings = readonly (NamedSharding | undefined)[];

const isLeaf = (x: unknown): boolean => x === null || x instanceof NamedSharding;

/** One sharding per leaf of a tree. @throws TreeError when they are no prefix of it, or no shardings. */
export function leafShardings(
  what: 'inShardings' | 'outShardings',
  shardings: Shardings | undefined,
  treedef: TreeDef,
): LeafShardings {
  if (shardings === undefined) return [];
  return broadcastPrefix('jit', what, shardings, treedef, isLeaf).map((one) => {
    if (one === null) return undefined;
    if (one instanceof NamedSharding) return one;
    throw new TreeError(
      `jit: ${what} must be a NamedSharding, null, or a tree of those; got ${describe(one)}. Write new NamedSharding(mesh, P('x')).`,
    );
  });
}

/** Shardings of all arguments: those of the traced ones, in order, with nothing for the static ones between. */
export function besideStatic(
  shardings: Shardings | undefined,
  staticArgnums: readonly number[],
  count: number,
): Shardings | undefined {
  if (!Array.isArray(shardings)) return shardings;
  const given: readonly Shardings[] = shardings;
  const isStatic = (i: number): boolean => staticArgnums.some((at) => at === i || at + count === i);
  let next = 0;
  const all = Array.from({ length: count }, (_, i) =>
    isStatic(i) ? null : next < given.length ? given[next++] : undefined,
  ).filter((x) => x !== undefined);
  return [...all, ...given.slice(next)];
}

/** Refuse types that the shardings cannot cut. @throws ShapeError naming the array. */
export function checkBlocks(
  where: (path: string) => string,
  shardings: LeafShardings,
  avals: readonly (Aval | undefined)[],
  treedef: TreeDef,
): void {
  shardings.forEach((sharding, i) => {
    const aval = avals[i];
    if (sharding === undefined || aval === undefined) return;
    blockShape('jit', () => where(leafPaths(treedef)[i]), sharding, aval.shape);
  });
}

/** Refuse arguments that lie otherwise over a mesh. @throws ArgumentError. */
export function checkLaid(shardings: LeafShardings, values: readonly Value[]): void {
  shardings.forEach((sharding, i) => {
    const x = values[i];
    if (sharding === undefined || !(x instanceof NDArray)) return;
    const given = x.sharding;
    if (given instanceof NamedSharding && !given.isEquivalentTo(sharding, x.ndim))
      throw new ArgumentError(
        `jit: arguments must lie as inShardings say; got ${given.toString()} for ${sharding.toString()} of ${x.aval.toString()}. Lay the array out anew with \`await devicePut(x, sharding)\`, or leave out its inShardings.`,
      );
  });
}

/** Results that lie as their shardings say. */
export const laidOut = (shardings: LeafShardings, outs: readonly Value[]): readonly Value[] =>
  shardings.length === 0
    ? outs
    : outs.map((out, i) => {
        const sharding = shardings[i];
        return sharding !== undefined && out instanceof NDArray ? out.withSharding(sharding) : out;
      });
