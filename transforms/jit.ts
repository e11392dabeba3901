/**
 * `jit`: trace a function once per kind of arguments, compile it, and run the program from then on. Inside another
 * transformation a jitted function is one equation.
 */
import { withAxes, type NamedAxis } from '../core/axis-env.ts';
import { config } from '../core/config.ts';
import { ArgumentError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { isEager } from '../core/trace.ts';
import { unflatten } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { compileJaxpr, deviceOf, runProgram, runsStepwise } from './executables.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { checkCapturedRefs, flattenFunction, nameOf, named } from './flat-function.ts';
import {
  dynamicPaths,
  dynamicValues,
  splitArguments,
  staticValue,
  type JitArguments,
  type JitSettings,
} from './jit-arguments.ts';
import { jitP } from './jit-call.ts';
import { checkLaid, laidOut, type Shardings } from './jit-shardings.ts';
import { cacheOf, entryFor, type JitEntry } from './jit-cache.ts';
import type { Inputs, Output } from './signature.ts';
import { runOnContents, withoutState } from './state.ts';
import { traceStage, type Lowered, type Traced } from './stages.ts';

/**
 * Options of `jit`. Arguments are named by position, negative ones from the end of the call, or by name: where the last argument is a
 * plain object, its properties are to JavaScript what keyword arguments are to Python. A name that a call does not have is ignored.
 */
export interface JitOptions {
  /** Arguments whose values enter the key instead of being traced: any JavaScript values. */
  readonly staticArgnums?: number | readonly number[];
  /** Properties of the last argument whose values enter the key instead of being traced. */
  readonly staticArgnames?: string | readonly string[];
  /** Arguments whose memory the program may reuse; the arrays cannot be used after the call. */
  readonly donateArgnums?: number | readonly number[];
  /** Properties of the last argument whose memory the program may reuse. */
  readonly donateArgnames?: string | readonly string[];
  /** Keep arguments that no result needs as operands of the compiled program; they are dropped otherwise. */
  readonly keepUnused?: boolean;
  /** Inside programs, put the equations of the function in place of a call of it. */
  readonly inline?: boolean;
  /**
   * How the arguments lie over a mesh: one sharding for all, or a list with one for each argument that is not static (trees of shardings
   * for trees of arrays; null says nothing). Arguments that were laid otherwise are a mistake; no value depends on it.
   */
  readonly inShardings?: Shardings;
  /** How the results lie over a mesh: `x.sharding` of each. */
  readonly outShardings?: Shardings;
  /** Name of the program, instead of the function's. */
  readonly name?: string;
}

/** A jitted function. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: Inputs<A>): Output<R>;
  /** Trace without running; arguments may be `ShapeDtypeStruct`s. */
  trace(...args: unknown[]): Traced<A, R>;
  /** Trace and lower to StableHLO without running; arguments may be `ShapeDtypeStruct`s. */
  lower(...args: unknown[]): Lowered<A, R>;
  /** How many kinds of calls are remembered: one per structure and types of arguments, static values and configuration. */
  cacheSize(): number;
  /** Forget the traces and programs of this function; `clearCaches` does it for all functions. */
  clearCache(): void;
}

/**
 * Compile a function. It is traced for each new structure of arguments, shape, dtype and static value; strings, functions and
 * other static leaves are part of the key.
 *
 * What is remembered is bounded and goes with the function. A function that is defined anew for each call is traced anew each time
 * (and compiled once, as long as it does the same); `config.explainCacheMisses` tells when and why functions are traced.
 *
 * @throws ArgumentError for options that contradict each other or do not fit the call; ShapeError for shardings that cannot cut an
 * array into equal blocks; AsyncFunctionError when the function returns a promise; TreeError when an argument or result is no array; whatever
 * the function throws.
 * @example
 * const f = jit((x) => lax.mul(lax.sin(x), 2));
 * String(f(0)); // → 0.0
 * @example
 * const scale = jit((x, { by, times }) => (times === 0 ? x : lax.mul(x, by * times)), { staticArgnames: ['by', 'times'] });
 * String(scale(2, { by: 3, times: 2 })); // → 12.0
 */
export function jit<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: JitOptions,
): Jitted<A, R>;
export function jit<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: JitOptions,
): Jitted<A, R>;
export function jit(
  f: (...args: never[]) => unknown,
  options: JitOptions = {},
): Jitted<unknown[], unknown> {
  checkFunction('jit', f);
  checkOptions('jit', options, optionNames);
  const settings = settingsOf(f, options);
  const cache = cacheOf(f, settings);
  const call = (...args: unknown[]): unknown => {
    if (config.disableJit) return callEagerly(f, splitArguments('jit', args, settings));
    const eager = isEager();
    const known = eager ? cache.last?.accept(args) : undefined;
    if (known !== undefined && cache.last !== undefined) return run(cache.last, known, settings);
    const flat = splitArguments('jit', args, settings);
    const values = dynamicValues('jit', flat);
    const entry = entryFor(cache, f, flat, settings);
    if (entry.hasRefs) checkCapturedRefs('jit', entry.traced.consts, values, dynamicPaths(flat));
    if (!eager) return bindEntry(entry, values, settings);
    cache.last = entry;
    return run(entry, values, settings, flat.donated.length > 0 ? flat.donated : undefined);
  };
  const trace = (...args: unknown[]): Traced<unknown[], unknown> =>
    traceStage(f, splitArguments('jit', args, settings), settings);
  return Object.assign(named(call, nameOf(f)), {
    trace,
    lower: (...args: unknown[]) => trace(...args).lower(),
    cacheSize: () => cache.size,
    clearCache: () => cache.clear(),
  });
}

const optionNames: readonly (keyof JitOptions)[] = [
  'staticArgnums',
  'staticArgnames',
  'donateArgnums',
  'donateArgnames',
  'keepUnused',
  'inline',
  'inShardings',
  'outShardings',
  'name',
];

function settingsOf(f: { readonly name: string }, options: JitOptions): JitSettings {
  const list = <T extends number | string>(x: T | readonly T[] | undefined): readonly T[] =>
    x === undefined ? [] : typeof x === 'object' ? x : [x];
  const staticArgnames = list(options.staticArgnames);
  const donateArgnames = list(options.donateArgnames);
  const both = staticArgnames.filter((name) => donateArgnames.includes(name));
  if (both.length > 0)
    throw new ArgumentError(
      `jit: a static argument has no memory to donate; got "${both.join('", "')}" in staticArgnames and donateArgnames. Leave it out of one of them.`,
    );
  return {
    name: options.name ?? nameOf(f),
    staticArgnums: list(options.staticArgnums),
    staticArgnames,
    donateArgnums: list(options.donateArgnums),
    donateArgnames,
    keepUnused: options.keepUnused === true,
    inline: options.inline === true,
    inShardings: options.inShardings,
    outShardings: options.outShardings,
  };
}

/** Run the function as it is, for `disableJit`: it gets arrays where it would get traced values. */
function callEagerly(f: (...args: never[]) => unknown, args: JitArguments): unknown {
  const flat = flattenFunction('jit', f, args.treedef);
  // Types cannot run; `dynamicValues` refuses them.
  dynamicValues('jit', args);
  const outs = flat.fun(args.leaves.map(staticValue) as Value[]);
  return unflatten(flat.outTree(), outs);
}

/** Run on concrete arrays. */
function run(
  entry: JitEntry,
  values: readonly Value[],
  { keepUnused }: JitSettings,
  donated?: readonly boolean[],
): unknown {
  const { traced } = entry;
  const all = traced.consts.length === 0 ? values : [...traced.consts, ...values];
  const flags = donated === undefined ? undefined : [...traced.consts.map(() => false), ...donated];
  checkLaid(traced.inShardings, values);
  if (entry.hasRefs) {
    const outs = runWithRefs(entry, all, keepUnused, flags);
    return entry.result(laidOut(traced.outShardings, outs));
  }
  const device = deviceOf(values, traced.consts);
  if (runsStepwise(device))
    return entry.result(laidOut(traced.outShardings, evalJaxpr(traced.jaxpr, all)));
  if (entry.program?.device !== device)
    entry.program = compileJaxpr(`jit_${traced.name}`, traced.jaxpr, device, {
      donated: flags,
      keepUnused,
    });
  const outs = runProgram(entry.program, all, flags, traced.consts.length);
  return entry.result(laidOut(traced.outShardings, outs));
}

/** Run a program that reads and writes refs: memory of contents that nobody else holds is taken for the new contents. */
function runWithRefs(
  entry: JitEntry,
  all: readonly Value[],
  keepUnused: boolean,
  flags: readonly boolean[] = all.map(() => false),
): readonly Value[] {
  const { jaxpr, name, consts } = entry.traced;
  const captured = consts.length;
  const pure = withoutState(jaxpr);
  return runOnContents(pure, all, (values, replaced) => {
    const device = deviceOf(values.slice(captured), values.slice(0, captured));
    if (runsStepwise(device)) return evalJaxpr(pure.jaxpr, values);
    const donated = flags.map((on, i) => pure.written.includes(i) || (on && !all[i].aval.isRef));
    if (entry.program?.device !== device)
      entry.program = compileJaxpr(`jit_${name}`, pure.jaxpr, device, { donated, keepUnused });
    return runProgram(
      entry.program,
      values,
      flags.map((on, i) => replaced[i] || (on && !all[i].aval.isRef)),
      captured,
    );
  });
}

/** Become one equation of the program that is being traced. */
function bindEntry(entry: JitEntry, values: readonly Value[], { inline }: JitSettings): unknown {
  const { consts, jaxpr, name } = entry.traced;
  const params = { name, jaxpr, ...(inline ? { inline } : {}) } as const;
  return entry.result(jitP.bind([...consts, ...values], params));
}

/** Options of `makeJaxpr`. */
export interface MakeJaxprOptions extends Pick<JitOptions, 'staticArgnums' | 'staticArgnames'> {
  /** Named axes, with their sizes, that are bound while the function is traced. */
  readonly axisEnv?: readonly NamedAxis[];
}

/**
 * The jaxpr of a function for these arguments, or types of arguments; captured arrays are its constants.
 *
 * @throws as `jit`.
 * @example
 * String(makeJaxpr((x) => lax.sin(x))(0)); // → { lambda ; a:f32[]. let b:f32[] = sin a in (b,) }
 */
export function makeJaxpr<A extends readonly Value[]>(
  f: (...args: A) => unknown,
  options?: MakeJaxprOptions,
): (...args: unknown[]) => Jaxpr;
export function makeJaxpr<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  options?: MakeJaxprOptions,
): (...args: unknown[]) => Jaxpr;
export function makeJaxpr(
  f: (...args: never[]) => unknown,
  { axisEnv = [], ...options }: MakeJaxprOptions = {},
): (...args: unknown[]) => Jaxpr {
  checkFunction('makeJaxpr', f);
  checkOptions('makeJaxpr', options, ['staticArgnums', 'staticArgnames']);
  const settings = settingsOf(f, options);
  return (...args) =>
    withAxes(
      axisEnv,
      () => traceStage(f, splitArguments('makeJaxpr', args, settings), settings).jaxpr,
    );
}

/**
 * Shapes and dtypes of what a function would return, as a tree of `ShapeDtypeStruct`; nothing is computed.
 *
 * @throws as `jit`.
 * @example
 * String(evalShape((x) => lax.sin(x), new ShapeDtypeStruct([3]))); // → ShapeDtypeStruct(shape=(3,), dtype=float32)
 */
export function evalShape(f: (...args: never[]) => unknown, ...args: readonly unknown[]): unknown {
  checkFunction('evalShape', f);
  const settings = settingsOf(f, {});
  return traceStage(f, splitArguments('evalShape', args, settings), settings).outInfo;
}
