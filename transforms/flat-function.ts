/**
 * Between functions of trees, which people write, and functions of flat lists of values, which are transformed: arguments
 * are flattened, results are remembered as a tree, and everything that is no array is reported with its key path.
 */
import { asValue, describe, refuseRef, type ArrayLike } from '../core/array.ts';
import { ArgumentError, AsyncFunctionError, TreeError } from '../core/errors.ts';
import { typedArrayDType } from '../core/host.ts';
import { checkFunction } from '../core/options.ts';
import { flatten, flattenWithPath, isStatic, unflatten, type TreeDef } from '../core/tree.ts';
import { RefLike } from '../core/ref-cell.ts';
import { Value } from '../core/value.ts';
import { Ref, writeCount } from '../lax/ref.ts';
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
    values: leaves.map((leaf, i) => {
      const where = (): string => what + pathOf(tree, i);
      if (leaf instanceof RefLike)
        refuseRef(op, leaf, where(), ', or let the function close over it');
      return toValue(op, leaf, where);
    }),
    treedef,
  };
}

/**
 * Flatten a tree whose leaves are arrays and refs, each ref once.
 *
 * @throws TreeError naming the leaf that is neither; ArgumentError for a ref that comes twice, and for windows on refs.
 */
export function flattenOperands(op: string, what: string, tree: unknown): FlatValues {
  const { leaves, treedef } = flatten(tree);
  const path = (i: number): string => what + pathOf(tree, i);
  const values = leaves.map((leaf, i) => toOperand(op, leaf, () => path(i)));
  checkDistinctRefs(op, values, path);
  return { values, treedef };
}

/** One leaf as a value, also when it is a ref. @throws as `toValue`; ArgumentError for windows on refs. */
export const toOperand = (op: string, leaf: unknown, where: () => string): Value =>
  leaf instanceof RefLike ? leaf.whole(op) : toValue(op, leaf, where);

/**
 * Refuse a ref that comes twice among the arguments of a function: what is written through one would not be seen through the other.
 *
 * @throws ArgumentError naming both places.
 */
export function checkDistinctRefs(
  op: string,
  values: readonly Value[],
  path: (i: number) => string,
): void {
  const seen = new Map<Value, number>();
  values.forEach((x, i) => {
    if (!x.aval.isRef) return;
    const first = seen.get(x);
    if (first !== undefined)
      throw new ArgumentError(
        `${op}: a ref must be passed once; got ${x.aval.toString()} as ${path(first)} and as ${path(i)}. Pass it once, and use it twice.`,
      );
    seen.set(x, i);
  });
}

/**
 * Refuse a ref that a function closes over and gets as an argument.
 *
 * @throws ArgumentError naming the argument.
 */
export function checkCapturedRefs(
  op: string,
  captured: readonly Value[],
  values: readonly Value[],
  path: (i: number) => string,
): void {
  values.forEach((x, i) => {
    if (x.aval.isRef && captured.includes(x))
      throw new ArgumentError(
        `${op}: a ref must not be both closed over and passed; got ${x.aval.toString()} as ${path(i)}. Use the argument alone, or do not pass it.`,
      );
  });
}

/** A ref among the results cannot be told from those that went in. @throws ArgumentError naming it. */
function checkResults(op: string, f: { readonly name: string }, result: unknown): void {
  const { leaves } = flatten(result);
  const at = leaves.findIndex((leaf) => leaf instanceof RefLike);
  if (at >= 0)
    throw new ArgumentError(
      `${op}: a function must not return refs; got ${describe(leaves[at])} at result${pathOf(result, at)} of ${nameOf(f)}. Return its value, ref.get() or freeze(ref).`,
    );
}

/** One leaf as a value. @throws TreeError naming it when it is no array. */
export function toValue(op: string, leaf: unknown, where: () => string): Value {
  if (leaf instanceof Value) return leaf;
  refuseRef(op, leaf, where());
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

/** What functions of people get for a value: refs where it stands for one. */
const handle = (x: unknown): unknown => (x instanceof Value && x.aval.isRef ? new Ref(x) : x);

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
    const args = unflatten(inTree, leaves.map(handle)) as never[];
    const before = writeCount();
    let result = checkSync(op, f, f(...args));
    // A function that works through refs needs no result.
    if (result === undefined && writeCount() > before) result = null;
    if (hasAux) {
      const [main, rest] = checkPair(op, result);
      aux = flatten(rest);
      result = main;
    }
    checkResults(op, f, result);
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
