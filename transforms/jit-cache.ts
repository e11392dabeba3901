/**
 * What `jit` remembers of a function: one entry per structure of its arguments, types of its arrays, static values, named axes
 * around it and configuration. Entries belong to the function: they go when it goes.
 */
import { asValue, NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { axesKey } from '../core/axis-env.ts';
import { config, configKey } from '../core/config.ts';
import { keyOf } from '../core/key.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { BoundedMap, cacheGeneration } from './caches.ts';
import { explainMiss } from './cache-misses.ts';
import type { Program } from './executables.ts';
import { flattenFunction } from './flat-function.ts';
import {
  kindOfCall,
  staticValue,
  type CallKind,
  type JitArguments,
  type JitSettings,
} from './jit-arguments.ts';
import { besideStatic, checkBlocks, leafShardings, type LeafShardings } from './jit-shardings.ts';
import { hoistConsts, isCacheable, traceToJaxpr, type Closed } from './stage.ts';

/** A function traced for one key. */
export interface TracedFunction extends Closed {
  readonly name: string;
  readonly outTree: TreeDef;
  readonly inAvals: readonly Aval[];
  readonly donated: readonly boolean[];
  /** How the traced arguments lie over a mesh; empty where nothing is said. */
  readonly inShardings: LeafShardings;
  readonly outShardings: LeafShardings;
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
  const outTree = flat.outTree();
  const outShardings = leafShardings('outShardings', settings.outShardings, outTree);
  checkBlocks((path) => `the result${path}`, outShardings, jaxpr.outAvals, outTree);
  return {
    inShardings: argumentShardings(args, settings),
    outShardings,
    ...hoistConsts(jaxpr),
    name: settings.name,
    outTree,
    inAvals: avals,
    donated,
  };
}

/** How the traced arguments of a call lie. @throws TreeError or ShapeError for shardings that do not fit them. */
function argumentShardings(
  { treedef, isStatic, avals }: JitArguments,
  { inShardings, staticArgnums }: JitSettings,
): LeafShardings {
  const count = treedef.children.length;
  const given = besideStatic(inShardings, staticArgnums, count);
  const all = leafShardings('inShardings', given, treedef);
  let next = 0;
  const types = isStatic.map((one) => (one ? undefined : avals[next++]));
  checkBlocks((path) => `args${path}`, all, types, treedef);
  return all.filter((_, i) => !isStatic[i]);
}

/** One remembered call: the traced function and the program that it became. */
export class JitEntry {
  readonly traced: TracedFunction;
  /** The program, once it was compiled. */
  program: Program | undefined;
  /** What its calls are known by. */
  readonly kind: CallKind;
  /** Whether refs are among its operands. */
  readonly hasRefs: boolean;
  /** Whether the arguments are plain arrays, so that a call can be recognised without flattening it. */
  readonly isPlain: boolean;

  constructor(traced: TracedFunction, kind: CallKind, isPlain: boolean) {
    this.traced = traced;
    this.kind = kind;
    this.hasRefs = traced.jaxpr.inAvals.some((aval) => aval.isRef);
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
    const { config, axes } = this.kind;
    return config === configKey() && axes === axesKey() ? values : undefined;
  }

  /** The result as a tree. */
  result(outs: readonly Value[]): unknown {
    return unflatten(this.traced.outTree, outs);
  }
}

function sameKey(a: Aval, b: Aval): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || a.weakType !== b.weakType || a.isRef !== b.isRef) return false;
  if (a.shape.length !== b.shape.length) return false;
  for (let i = 0; i < a.shape.length; i++) if (a.shape[i] !== b.shape[i]) return false;
  return true;
}

/** The entries of one function under one set of options. */
export class JitCache {
  readonly #entries = new BoundedMap<JitEntry>(1024);
  #last: JitEntry | undefined;
  #generation = cacheGeneration();
  /** Whether a trace could not be kept, because it captured values of a running transformation. */
  hasCaptures = false;

  #check(): void {
    if (this.#generation !== cacheGeneration()) this.clear();
  }

  /** The entry of the last call. */
  get last(): JitEntry | undefined {
    this.#check();
    return this.#last;
  }

  set last(entry: JitEntry) {
    this.#last = entry;
  }

  get(key: string): JitEntry | undefined {
    this.#check();
    return this.#entries.get(key);
  }

  set(key: string, entry: JitEntry): void {
    this.#entries.set(key, entry);
  }

  /** Number of entries. */
  get size(): number {
    this.#check();
    return this.#entries.size;
  }

  /** What the calls of the entries are known by. */
  kinds(): CallKind[] {
    return [...this.#entries.values()].map(({ kind }) => kind);
  }

  /** Forget all entries. */
  clear(): void {
    this.#entries.clear();
    this.#last = undefined;
    this.hasCaptures = false;
    this.#generation = cacheGeneration();
  }
}

const caches = new WeakMap<object, BoundedMap<JitCache>>();

/** The entries of a function: the same for every `jit` of it with the same options. */
export function cacheOf(f: object, settings: JitSettings): JitCache {
  let bySettings = caches.get(f);
  if (bySettings === undefined) caches.set(f, (bySettings = new BoundedMap(64)));
  const key = keyOf(settings);
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
  const known = cache.get(key);
  if (known !== undefined) return known;
  if (config.explainCacheMisses)
    explainMiss(f, args, {
      name: settings.name,
      kinds: cache.kinds(),
      hasOtherOptions: hasOtherEntries(f, cache),
      hasCaptures: cache.hasCaptures,
    });
  const traced = traceFunction('jit', f, args, settings);
  const isPlain = !args.isStatic.includes(true) && isFlat(args);
  const entry = new JitEntry(traced, kindOfCall(args), isPlain);
  if (isCacheable(traced.consts)) cache.set(key, entry);
  else cache.hasCaptures = true;
  return entry;
}

function hasOtherEntries(f: object, cache: JitCache): boolean {
  for (const other of caches.get(f)?.values() ?? [])
    if (other !== cache && other.size > 0) return true;
  return false;
}

/** Whether every argument is a leaf. */
const isFlat = ({ treedef, leaves }: JitArguments): boolean =>
  treedef.key === flatten(leaves.map(() => 0)).treedef.key;
