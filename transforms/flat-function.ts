/**
 * Between functions of trees, which people write, and functions of flat lists of values, which are transformed: arguments
 * are flattened, results are remembered as a tree, and everything that is no array is reported with its key path.
 */
import { asValue, describe, type ArrayLike } from '../core/array.ts';
import { ArgumentError, AsyncFunctionError, TreeError } from '../core/errors.ts';
import { typedArrayDType } from '../core/host.ts';
import { checkFunction } from '../core/options.ts';
import { flatten, flattenWithPath, isStatic, unflatten, type TreeDef } from '../core/tree.ts';
import { Value } from '../core/value.ts';
import type { FlatFunction } from './stage.ts';

/** Whether a leaf can be an array: arrays, tracers, numbers, bigints, booleans and typed arrays. */
export const isArrayLike = (x: unknown): x is ArrayLike =>
  x instanceof Value ||
  typeof x === 'number' ||
  typeof x === 'bigint' ||
  typeof x === 'boolean' ||
  (typeof x === 'object' && typedArrayDType(x) !== undefined);

/** Whether a leaf is static by itself: strings, functions, symbols, undefined, registered static objects. */
export const isStaticLeaf = (x: unknown): boolean =>
  typeof x === 'string' ||
  typeof x === 'function' ||
  typeof x === 'symbol' ||
  x === undefined ||
  isStatic(x);

/** A tree of arrays as a list. */
export interface FlatValues {
  readonly values: Value[];
  readonly treedef: TreeDef;
}

/**
 * Flatten a tree whose leaves are all arrays.
 *
 * @throws TreeError naming the leaf that is no array.
 */
export function flattenValues(op: string, what: string, tree: unknown): FlatValues {
  const { leaves, treedef } = flatten(tree);
  return {
    values: leaves.map((leaf, i) => toValue(op, leaf, () => what + pathOf(tree, i))),
    treedef,
  };
}

/** One leaf as a value. @throws TreeError naming it when it is no array. */
export function toValue(op: string, leaf: unknown, where: () => string): Value {
  if (leaf instanceof Value) return leaf;
  if (!isArrayLike(leaf))
    throw new TreeError(
      `${op}: leaves must be arrays or numbers; got ${describe(leaf)} at ${where()}. Make an array of it with np.array(…), or take it out of the tree.`,
    );
  return asValue(op, leaf, where());
}

/** The key path of leaf number `index`, as `['w'][0]`. */
export const pathOf = (tree: unknown, index: number): string =>
  flattenWithPath(tree)[index]?.[0] ?? '';

/** Names of the leaves of a list of arguments: `args[0]['w']`. */
export const argumentPath = (args: readonly unknown[], index: number): string =>
  `args${pathOf(args, index)}`;

/** A function of trees as a function of lists; `treedef` and `aux` tell about its last call. */
export interface FlatUserFunction {
  readonly fun: FlatFunction;
  /** Structure of the result. */
  readonly outTree: () => TreeDef;
  /** Rebuild the auxiliary result from the values that follow the results. */
  readonly aux: (values: readonly Value[]) => unknown;
  /** How many of the outputs are results; the rest belongs to the auxiliary result. */
  readonly outCount: () => number;
}

/**
 * Wrap a function of trees. With `hasAux` it returns a pair, whose second part is carried along and not transformed.
 *
 * @throws AsyncFunctionError when it returns a promise; TreeError when its result has leaves that are no arrays.
 */
export function flattenFunction(
  op: string,
  f: (...args: never[]) => unknown,
  inTree: TreeDef,
  hasAux = false,
): FlatUserFunction {
  checkFunction(op, f);
  let outTree: TreeDef | undefined;
  let outCount = 0;
  let aux: { readonly leaves: readonly unknown[]; readonly treedef: TreeDef } | undefined;
  const fun: FlatFunction = (leaves) => {
    const args = unflatten(inTree, leaves) as never[];
    let result = checkSync(op, f, f(...args));
    if (hasAux) {
      const [main, rest] = checkPair(op, result);
      aux = flatten(rest);
      result = main;
    }
    const { values, treedef } = flattenValues(op, 'the result', result);
    outTree = treedef;
    outCount = values.length;
    const carried = aux === undefined ? [] : aux.leaves.filter((leaf) => leaf instanceof Value);
    return [...values, ...carried];
  };
  return {
    fun,
    outTree: () => called(op, outTree),
    outCount: () => outCount,
    aux(values) {
      const { leaves, treedef } = called(op, aux);
      let next = 0;
      return unflatten(
        treedef,
        leaves.map((leaf) => (leaf instanceof Value ? values[next++] : leaf)),
      );
    },
  };
}

function called<T>(op: string, x: T | undefined): T {
  if (x === undefined)
    throw new ArgumentError(
      `${op}: the function was not called. Call it before asking for its result.`,
    );
  return x;
}

/**
 * Refuse promises: traced functions are synchronous.
 *
 * @throws AsyncFunctionError naming the function.
 */
export function checkSync(op: string, f: (...args: never[]) => unknown, result: unknown): unknown {
  if (
    typeof result === 'object' &&
    result !== null &&
    'then' in result &&
    typeof result.then === 'function'
  ) {
    // Nobody will await it: its failure must not become an unhandled rejection on top of this error.
    Promise.resolve(result as PromiseLike<unknown>).then(undefined, () => undefined);
    throw new AsyncFunctionError(
      `${op}: transformed functions must be synchronous; got a promise from ${nameOf(f)}. Await what it needs before the call, and pass the values as arguments.`,
    );
  }
  return result;
}

function checkPair(op: string, result: unknown): readonly [unknown, unknown] {
  if (!Array.isArray(result) || result.length !== 2)
    throw new TreeError(
      `${op}: with hasAux the function must return a pair [result, aux]; got ${describe(result)}. Return [result, aux].`,
    );
  return [result[0], result[1]];
}

/** The name of a function, `<lambda>` when it has none. */
export const nameOf = (f: { readonly name: string }): string =>
  f.name === '' ? '<lambda>' : f.name;

/** Give a transformed function the name of the original, as jaxprs show it. */
export function named<F extends (...args: never[]) => unknown>(f: F, name: string): F {
  Object.defineProperty(f, 'name', { value: name, configurable: true });
  return f;
}
