/** `pureCallback` and `ioCallback`: functions on the host whose results programs use. The primitives stand in `callback-call.ts`. */
import type { NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { devices } from '../core/backend.ts';
import { ArgumentError, TreeError } from '../core/errors.ts';
import { checkFunction } from '../core/options.ts';
import { flatten, leafPaths, unflatten, type TreeDef } from '../core/tree.ts';
import { Value } from '../core/value.ts';
import { argumentPath, isStaticLeaf, nameOf, toValue } from '../transforms/flat-function.ts';
import { withHoles } from '../transforms/split-arguments.ts';
import { ShapeDtypeStruct } from '../transforms/shape-struct.ts';
import type { Output } from '../transforms/signature.ts';
import { ioCallbackP, pureCallbackP, vmapMethods, type VmapMethod } from './callback-call.ts';
import { HostFunction } from './host-function.ts';

/** Leaves that are arrays, and the others by position. */
export function splitStatics(
  op: string,
  leaves: readonly unknown[],
  where: (index: number) => string,
): { readonly args: Value[]; readonly statics: ReadonlyMap<number, unknown> } {
  const statics = new Map<number, unknown>();
  const args = leaves.flatMap((leaf, i) => {
    if (!isStaticLeaf(leaf)) return [toValue(op, leaf, () => where(i))];
    statics.set(i, leaf);
    return [];
  });
  return { args, statics };
}

/** Take options off the end of a list of arguments: a plain object with these keys alone, of these types. */
export function splitOptions<O extends object>(
  given: readonly unknown[],
  known: Readonly<Record<keyof O & string, string>>,
): { readonly args: readonly unknown[]; readonly options: O | Partial<O> } {
  const last = given.at(-1);
  const types: Readonly<Record<string, string>> = known;
  const isOptions =
    typeof last === 'object' &&
    last !== null &&
    Object.getPrototypeOf(last) === Object.prototype &&
    Object.keys(last).length > 0 &&
    Object.entries(last).every(([key, x]) => x === undefined || typeof x === types[key]);
  return isOptions ? { args: given.slice(0, -1), options: last } : { args: given, options: {} };
}

/** A function of the user's on these arguments: as a call of programs, with the arrays among its arguments. */
export function hostFunction(
  op: string,
  f: (...args: never[]) => unknown,
  given: readonly unknown[],
  outTree: TreeDef | undefined,
): { readonly callback: HostFunction; readonly args: readonly Value[] } {
  const { leaves, treedef } = flatten(given);
  const { args, statics } = splitStatics(op, leaves, (i) => argumentPath(given, i));
  const isHole = leaves.map((_, i) => !statics.has(i));
  const call = callWith(f, treedef, withHoles(leaves, isHole));
  const callback = new HostFunction({ op, name: nameOf(f), target: f, call, outTree });
  return { callback, args };
}

/** Apart from the arguments, so that programs do not keep them in memory. */
const callWith =
  (
    f: (...args: never[]) => unknown,
    treedef: TreeDef,
    fill: (values: readonly NDArray[]) => readonly unknown[],
  ) =>
  (values: readonly NDArray[]): unknown =>
    f(...(unflatten(treedef, fill(values)) as never[]));

/** What a callback gets for these arguments: arrays that can be read at once, in the same trees. */
export type Operands<A extends readonly unknown[]> = { [K in keyof A]: Output<A[K]> };

/** What a callback gives: arrays and tracers stand for their types. */
export type ResultType = ShapeDtypeStruct | Value;

/** Results of these types. */
export type Results<T> = T extends ResultType ? Value : { [K in keyof T]: Results<T[K]> };

function resultTypes(
  op: string,
  tree: unknown,
): { readonly avals: readonly Aval[]; readonly treedef: TreeDef } {
  const { leaves, treedef } = flatten(tree);
  const avals = leaves.map((leaf, i) => {
    if (leaf instanceof ShapeDtypeStruct || leaf instanceof Value) return leaf.aval.strong();
    throw new TreeError(
      `${op}: the types of the results must be a tree of types or arrays; got ${typeof leaf} at resultShapeDtypes${leafPaths(treedef)[i]}. Write shapeDtypeStruct([3], 'f32').`,
    );
  });
  return { avals, treedef };
}

/** Options of `pureCallback`. */
export interface PureCallbackOptions {
  /**
   * What `vmap` does: `'sequential'` (a loop) and `'sequentialUnrolled'` call the function once per example; `'expandDims'` and
   * `'broadcastAll'` once, with a leading axis on every array (of size 1, or repeated, where an argument is not mapped);
   * `'legacyVectorized'` once, with a leading axis on mapped arguments alone. Without it, `vmap` is an error.
   */
  readonly vmapMethod?: VmapMethod;
}

/**
 * Use a JavaScript function inside of programs, where it must have no effects: it may be called more or less often than written. Its
 * arguments are arrays that can be read at once, its results arrays, numbers or typed arrays of the types that `resultShapeDtypes`
 * promises. Under WebGPU the program waits for it; the call of the program still returns at once.
 *
 * @throws TreeError, ShapeError or DTypeError when it returns something else; CallbackError when it throws; MissingRuleError when it
 * is differentiated; ArgumentError for a `vmapMethod` that does not exist, and under `vmap` without one.
 * @example
 * const erfc = (x: Value) => pureCallback((y: Value) => 1 - Number(y), shapeDtypeStruct([]), x);
 * String(jit((x: Value) => lax.mul(erfc(x), 2))(0.25)); // → 1.5
 */
export function pureCallback<A extends readonly unknown[], T>(
  f: (...args: Operands<A>) => unknown,
  resultShapeDtypes: T,
  ...args: A
): Results<T>;
export function pureCallback(
  f: (...args: never[]) => unknown,
  resultShapeDtypes: unknown,
  ...given: readonly unknown[]
): unknown {
  checkFunction('pureCallback', f);
  const { args, options } = splitOptions<PureCallbackOptions>(given, { vmapMethod: 'string' });
  const { vmapMethod } = options;
  if (vmapMethod !== undefined && !vmapMethods.includes(vmapMethod))
    throw new ArgumentError(
      `pureCallback: vmapMethod must be one of ${vmapMethods.join(', ')}; got ${String(vmapMethod)}. Check the spelling.`,
    );
  const { avals, treedef } = resultTypes('pureCallback', resultShapeDtypes);
  const made = hostFunction('pureCallback', f, args, treedef);
  const outs = pureCallbackP.bind(made.args, {
    callback: made.callback,
    resultAvals: avals,
    vmapMethod,
  });
  return unflatten(treedef, outs);
}

/** Options of `ioCallback`. */
export interface IoCallbackOptions {
  /** Keep the order of the program among ordered calls. */
  readonly ordered?: boolean;
}

/**
 * Use a JavaScript function with effects inside of programs: it is called once each time that the program gets there, also when
 * nobody uses its results. Arguments and results are as in `pureCallback`; with null for `resultShapeDtypes` there are none, and the
 * function returns null or nothing.
 *
 * @throws as `pureCallback`; ArgumentError under `vmap` when it is ordered, or in a branch or loop whose lanes go different ways.
 * @example
 * let counter = 0;
 * const count = () => ioCallback(() => ++counter, shapeDtypeStruct([], 'i32'), { ordered: true });
 * const f = jit((x: Value) => lax.add(x, lax.convertElementType(count(), 'f32')));
 * [String(f(0)), String(f(0))]; // → [ '1.0', '2.0' ]
 */
export function ioCallback<A extends readonly unknown[], T>(
  f: (...args: Operands<A>) => unknown,
  resultShapeDtypes: T,
  ...args: A
): Results<T>;
export function ioCallback(
  f: (...args: never[]) => unknown,
  resultShapeDtypes: unknown,
  ...given: readonly unknown[]
): unknown {
  checkFunction('ioCallback', f);
  const { args, options } = splitOptions<IoCallbackOptions>(given, { ordered: 'boolean' });
  const { avals, treedef } = resultTypes('ioCallback', resultShapeDtypes);
  const made = hostFunction('ioCallback', f, args, treedef);
  const outs = ioCallbackP.bind(made.args, {
    callback: made.callback,
    resultAvals: avals,
    ordered: options.ordered ?? false,
  });
  return unflatten(treedef, outs);
}

/**
 * Wait until all effects of programs that were started so far have happened. Only WebGPU has any to wait for.
 *
 * @throws CallbackError when a callback whose program has no results threw.
 * @example
 * const f = jit((x: Value) => {
 *   debug.print('{}', x);
 *   return null;
 * });
 * f(1); // prints 1.0
 * await effectsBarrier();
 */
export async function effectsBarrier(): Promise<void> {
  await Promise.all(devices().map((device) => device.synchronize()));
}
