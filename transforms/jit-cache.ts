/**
 * What `jit` remembers of a function: one entry per structure of its arguments, types of its arrays, static values, named axes
 * around it and configuration. Entries belong to the function: they go when it goes.
 */
import { asValue, NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { axesKey } from '../core/axis-env.ts';
import { configKey } from '../core/config.ts';
import { ArgumentError, ConcretizationError } from '../core/errors.ts';
import { keyOf } from '../core/key.ts';
import { Tracer } from '../core/trace.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { BoundedMap, type Program } from './executables.ts';
import { argumentPath, flattenFunction, isStaticLeaf, toValue } from './flat-function.ts';
import { ShapeDtypeStruct } from './shape-struct.ts';
import { hoistConsts, isCacheable, traceToJaxpr, type Closed } from './stage.ts';

/** What enters the key besides the function. */
export interface JitSettings {
  readonly name: string;
  readonly staticArgnums: readonly number[];
  readonly donateArgnums: readonly number[];
}

/** Arguments of one call: dynamic leaves as values or types, everything else in the key. */
export interface JitArguments {
  readonly treedef: TreeDef;
  /** All leaves; static ones as they are, dynamic ones as values or `ShapeDtypeStruct`. */
  readonly leaves: readonly unknown[];
  /** Which leaves are static. */
  readonly isStatic: readonly boolean[];
  readonly avals: readonly Aval[];
  readonly donated: readonly boolean[];
  readonly key: string;
}

/** Flatten the arguments of a call and tell dynamic leaves from static ones. @throws TreeError for leaves that are neither. */
export function splitArguments(
  op: string,
  args: readonly unknown[],
  settings: JitSettings,
): JitArguments {
  const statics = positions(op, 'staticArgnums', settings.staticArgnums, args.length);
  const donated = positions(op, 'donateArgnums', settings.donateArgnums, args.length);
  for (const at of statics) checkStatic(op, args[at], at, donated.has(at));
  const shown = args.map((arg, i) => (statics.has(i) ? new StaticArgument(arg) : arg));
  const { leaves, treedef } = flatten(shown);
  const isStatic = leaves.map((leaf) => leaf instanceof StaticArgument || isStaticLeaf(leaf));
  let key = `${configKey()}|${treedef.key}`;
  const avals: Aval[] = [];
  const out = leaves.map((leaf, i) => {
    if (isStatic[i]) {
      key += `|=${leaf instanceof StaticArgument ? keyOf(leaf.value) : keyOf(leaf)}`;
      return leaf;
    }
    const value =
      leaf instanceof ShapeDtypeStruct ? leaf : toValue(op, leaf, () => argumentPath(shown, i));
    avals.push(value.aval);
    key += `|${value.aval.key}`;
    return value;
  });
  return {
    treedef,
    leaves: out,
    isStatic,
    avals,
    donated: donatedLeaves(args, donated, statics, isStatic),
    key,
  };
}

/** A whole argument in `staticArgnums`: one leaf, whatever it is. */
class StaticArgument {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

function checkStatic(op: string, arg: unknown, at: number, donated: boolean): void {
  if (arg instanceof Tracer)
    throw new ConcretizationError(
      `${op}: a static argument must be a JavaScript value; got ${arg.toString()} as argument ${at}. Leave it out of staticArgnums, or pass a value that is not traced.`,
    );
  if (donated)
    throw new ArgumentError(
      `${op}: a static argument has no memory to donate; got argument ${at} in staticArgnums and donateArgnums. Leave it out of one of them.`,
    );
}

function positions(
  op: string,
  what: string,
  argnums: readonly number[],
  count: number,
): ReadonlySet<number> {
  return new Set(
    argnums.map((n) => {
      const at = n < 0 ? n + count : n;
      if (!Number.isInteger(n) || at < 0 || at >= count)
        throw new ArgumentError(
          `${op}: ${what} must name arguments of the call; got ${n} for a call with ${count} arguments. Pass the argument, or change ${what}.`,
        );
      return at;
    }),
  );
}

/** Which dynamic leaves belong to donated arguments. */
function donatedLeaves(
  args: readonly unknown[],
  donated: ReadonlySet<number>,
  statics: ReadonlySet<number>,
  isStatic: readonly boolean[],
): boolean[] {
  if (donated.size === 0) return [];
  const owner = args.flatMap((arg, i) => flatten(statics.has(i) ? 0 : arg).leaves.map(() => i));
  return owner.filter((_, i) => !isStatic[i]).map((i) => donated.has(i));
}

/** The values among the leaves. @throws ArgumentError when a `ShapeDtypeStruct` stands where values are needed. */
export function dynamicValues(op: string, { leaves, isStatic }: JitArguments): Value[] {
  return leaves
    .filter((_, i) => !isStatic[i])
    .map((leaf) => {
      if (leaf instanceof ShapeDtypeStruct)
        throw new ArgumentError(
          `${op}: a call needs arrays; got ${leaf.toString()}. Use jit(f).lower(…) or evalShape with types alone.`,
        );
      return leaf as Value;
    });
}

/** A function traced for one key. */
export interface TracedFunction extends Closed {
  readonly name: string;
  readonly outTree: TreeDef;
  readonly inAvals: readonly Aval[];
  readonly donated: readonly boolean[];
}

/** Trace a function for these arguments. */
export function traceFunction(
  op: string,
  f: (...args: never[]) => unknown,
  args: JitArguments,
  settings: JitSettings,
): TracedFunction {
  const { treedef, leaves, isStatic, avals, donated } = args;
  const flat = flattenFunction(op, f, treedef);
  const jaxpr = traceToJaxpr((values) => {
    let next = 0;
    const filled = leaves.map((leaf, i) => (isStatic[i] ? staticValue(leaf) : values[next++]));
    return flat.fun(filled as Value[]);
  }, avals);
  return {
    ...hoistConsts(jaxpr),
    name: settings.name,
    outTree: flat.outTree(),
    inAvals: avals,
    donated,
  };
}

const staticValue = (leaf: unknown): unknown =>
  leaf instanceof StaticArgument ? leaf.value : leaf;

/** One remembered call: the traced function and the program that it became. */
export class JitEntry {
  readonly traced: TracedFunction;
  /** The program, once it was compiled. */
  program: Program | undefined;
  /** Whether the arguments are plain arrays, so that a call can be recognised without flattening it. */
  readonly isPlain: boolean;
  readonly config: string = configKey();
  /** The named axes that were bound around the function. */
  readonly axes: string = axesKey();

  constructor(traced: TracedFunction, isPlain: boolean) {
    this.traced = traced;
    this.isPlain = isPlain && traced.donated.length === 0;
  }

  /** The operands of a call that is this entry's, or undefined: the short way for arrays and numbers as arguments. */
  accept(args: readonly unknown[]): readonly Value[] | undefined {
    const { inAvals } = this.traced;
    if (!this.isPlain || this.program === undefined || args.length !== inAvals.length)
      return undefined;
    const values: Value[] = [];
    for (let i = 0; i < args.length; i++) {
      const x = args[i];
      const value = typeof x === 'number' ? asValue('jit', x) : x;
      if (!(value instanceof NDArray) || !sameKey(value.aval, inAvals[i])) return undefined;
      if (value.scalar === undefined && value.device !== this.program.device) return undefined;
      values.push(value);
    }
    return this.config === configKey() && this.axes === axesKey() ? values : undefined;
  }

  /** The result as a tree. */
  result(outs: readonly Value[]): unknown {
    return unflatten(this.traced.outTree, outs);
  }
}

function sameKey(a: Aval, b: Aval): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || a.weakType !== b.weakType || a.shape.length !== b.shape.length)
    return false;
  for (let i = 0; i < a.shape.length; i++) if (a.shape[i] !== b.shape[i]) return false;
  return true;
}

/** The entries of one function under one set of options. */
export class JitCache {
  readonly entries: BoundedMap<JitEntry> = new BoundedMap(1024);
  last: JitEntry | undefined;
}

const caches = new WeakMap<object, Map<string, JitCache>>();

/** The entries of a function: the same for every `jit` of it with the same options. */
export function cacheOf(f: object, settings: JitSettings): JitCache {
  let bySettings = caches.get(f);
  if (bySettings === undefined) caches.set(f, (bySettings = new Map()));
  const key = `${settings.name} ${settings.staticArgnums.join()} ${settings.donateArgnums.join()}`;
  let cache = bySettings.get(key);
  if (cache === undefined) bySettings.set(key, (cache = new JitCache()));
  return cache;
}

/** Find or make the entry for these arguments. A function that captures values of live transformations is traced anew. */
export function entryFor(
  cache: JitCache,
  f: (...args: never[]) => unknown,
  args: JitArguments,
  settings: JitSettings,
): JitEntry {
  const key = `${axesKey()}|${args.key}`;
  const known = cache.entries.get(key);
  if (known !== undefined) return known;
  const traced = traceFunction('jit', f, args, settings);
  const isPlain = !args.isStatic.includes(true) && isFlat(args);
  const entry = new JitEntry(traced, isPlain);
  if (isCacheable(traced.consts)) cache.entries.set(key, entry);
  return entry;
}

/** Whether every argument is a leaf. */
const isFlat = ({ treedef, leaves }: JitArguments): boolean =>
  treedef.key === flatten(leaves.map(() => 0)).treedef.key;
