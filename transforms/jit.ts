/**
 * `jit`: trace a function once per kind of arguments, compile it, and run the program from then on. Inside another
 * transformation a jitted function is one equation.
 */
import { withAxes, type NamedAxis } from '../core/axis-env.ts';
import { config } from '../core/config.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { isEager } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { compileJaxpr, deviceOf, runProgram, runsStepwise } from './executables.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { nameOf, named } from './flat-function.ts';
import { jitP } from './jit-call.ts';
import {
  cacheOf,
  dynamicValues,
  entryFor,
  splitArguments,
  type JitEntry,
  type JitSettings,
} from './jit-cache.ts';
import type { Inputs, Output } from './signature.ts';
import { traceStage, type Lowered, type Traced } from './stages.ts';

/** Options of `jit`. */
export interface JitOptions {
  /** Arguments whose values enter the key instead of being traced: any JavaScript values. */
  readonly staticArgnums?: number | readonly number[];
  /** Arguments whose memory the program may reuse; the arrays cannot be used after the call. */
  readonly donateArgnums?: number | readonly number[];
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
}

/**
 * Compile a function. It is traced for each new structure of arguments, shape, dtype and static value; strings, functions and
 * other static leaves are part of the key.
 *
 * @throws AsyncFunctionError when the function returns a promise; TreeError when an argument or result is no array; whatever
 * the function throws.
 * @example
 * const f = jit((x) => lax.mul(lax.sin(x), 2));
 * String(f(0)); // → 0.0
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
  checkOptions('jit', options, ['staticArgnums', 'donateArgnums', 'name']);
  const settings = settingsOf(f, options);
  const cache = cacheOf(f, settings);
  const call = (...args: unknown[]): unknown => {
    if (config.disableJit) return f(...(args as never[]));
    const eager = isEager();
    const known = eager ? cache.last?.accept(args) : undefined;
    if (known !== undefined && cache.last !== undefined) return run(cache.last, known, undefined);
    const flat = splitArguments('jit', args, settings);
    const values = dynamicValues('jit', flat);
    const entry = entryFor(cache, f, flat, settings);
    if (!eager) return bindEntry(entry, values);
    cache.last = entry;
    return run(entry, values, flat.donated.length > 0 ? flat.donated : undefined);
  };
  const trace = (...args: unknown[]): Traced<unknown[], unknown> =>
    traceStage(f, splitArguments('jit', args, settings), settings);
  return Object.assign(named(call, nameOf(f)), {
    trace,
    lower: (...args: unknown[]) => trace(...args).lower(),
  });
}

function settingsOf(f: { readonly name: string }, options: JitOptions): JitSettings {
  const list = (x: number | readonly number[] | undefined): readonly number[] =>
    x === undefined ? [] : Array.isArray(x) ? x : [x as number];
  return {
    name: options.name ?? nameOf(f),
    staticArgnums: list(options.staticArgnums),
    donateArgnums: list(options.donateArgnums),
  };
}

/** Run on concrete arrays. */
function run(
  entry: JitEntry,
  values: readonly Value[],
  donated: readonly boolean[] | undefined,
): unknown {
  const { traced } = entry;
  const all = traced.consts.length === 0 ? values : [...traced.consts, ...values];
  const flags = donated === undefined ? undefined : [...traced.consts.map(() => false), ...donated];
  const device = deviceOf(all);
  if (runsStepwise(device)) return entry.result(evalJaxpr(traced.jaxpr, all));
  if (entry.program?.device !== device)
    entry.program = compileJaxpr(`jit_${traced.name}`, traced.jaxpr, device, { donated: flags });
  return entry.result(runProgram(entry.program, all, flags));
}

/** Become one equation of the program that is being traced. */
function bindEntry(entry: JitEntry, values: readonly Value[]): unknown {
  const { consts, jaxpr, name } = entry.traced;
  return entry.result(jitP.bind([...consts, ...values], { name, jaxpr }));
}

/** Options of `makeJaxpr`. */
export interface MakeJaxprOptions extends Pick<JitOptions, 'staticArgnums'> {
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
  checkOptions('makeJaxpr', options, ['staticArgnums']);
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
