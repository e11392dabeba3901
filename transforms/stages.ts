/** The stages of `jit` as values: traced, lowered, compiled. Each can be printed; the last can be called. */
import type { CompiledKernel } from '../core/backend.ts';
import { ArgumentError } from '../core/errors.ts';
import { Jaxpr } from '../core/jaxpr.ts';
import { defaultDevice, type LoweredModule } from '../core/backend.ts';
import { NDArray } from '../core/array.ts';
import { flattenWithPath, unflatten } from '../core/tree.ts';
import { compileJaxpr, lowerToModule, runProgram } from './executables.ts';
import {
  dynamicValues,
  splitArguments,
  type JitArguments,
  type JitSettings,
} from './jit-arguments.ts';
import { traceFunction, type TracedFunction } from './jit-cache.ts';
import { ShapeDtypeStruct } from './shape-struct.ts';
import type { Inputs, Output } from './signature.ts';

/** A traced function. */
export interface Traced<A extends readonly unknown[], R> {
  /** The program; captured arrays are its constants. */
  readonly jaxpr: Jaxpr;
  /** Types of the result, as a tree. */
  readonly outInfo: unknown;
  /** Lower to StableHLO. */
  lower(): Lowered<A, R>;
}

/** A lowered function. */
export interface Lowered<A extends readonly unknown[], R> {
  readonly jaxpr: Jaxpr;
  readonly outInfo: unknown;
  /** The StableHLO module. */
  readonly module: LoweredModule;
  /** StableHLO as text; with `debugInfo`, every op shows the scopes and the primitive that it came from. */
  asText(options?: { readonly debugInfo?: boolean }): string;
  /** Compile for the default device. @throws LoweringError when the device cannot run it. */
  compile(): Compiled<A, R>;
}

/** A compiled function; call it with arguments of the types that it was traced for. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: Inputs<A>): Output<R>;
  readonly outInfo: unknown;
  /** The kernels, with their text and source. */
  readonly kernels: readonly CompiledKernel[];
  /** Schedule and kernels as text. */
  asText(): string;
}

/** Trace a function as a stage. */
export function traceStage<A extends readonly unknown[], R>(
  f: (...args: never[]) => unknown,
  args: JitArguments,
  settings: JitSettings,
): Traced<A, R> {
  const traced = traceFunction('jit', f, args, settings);
  const { jaxpr, consts } = traced;
  const shown = new Jaxpr({
    constvars: jaxpr.invars.slice(0, consts.length),
    consts,
    invars: jaxpr.invars.slice(consts.length),
    eqns: jaxpr.eqns,
    outvars: jaxpr.outvars,
  });
  const outInfo = unflatten(
    traced.outTree,
    jaxpr.outAvals.map((aval) => ShapeDtypeStruct.of(aval)),
  );
  return { jaxpr: shown, outInfo, lower: () => lowerStage(traced, shown, outInfo, args, settings) };
}

function lowerStage<A extends readonly unknown[], R>(
  traced: TracedFunction,
  shown: Jaxpr,
  outInfo: unknown,
  args: JitArguments,
  settings: JitSettings,
): Lowered<A, R> {
  const donated =
    traced.donated.length === 0
      ? undefined
      : [...traced.consts.map(() => false), ...traced.donated];
  const resultInfo = flattenWithPath(outInfo).map(([path]) => `result${path}`);
  const name = `jit_${traced.name}`;
  const { module } = lowerToModule(name, traced.jaxpr, {
    donated,
    resultInfo,
    place: `jit(${traced.name})`,
  });
  return {
    jaxpr: shown,
    outInfo,
    module,
    asText: (options) => module.toString(options),
    compile: () => compileStage(traced, outInfo, args, settings, donated),
  };
}

function compileStage<A extends readonly unknown[], R>(
  traced: TracedFunction,
  outInfo: unknown,
  args: JitArguments,
  settings: JitSettings,
  donated: readonly boolean[] | undefined,
): Compiled<A, R> {
  const device = defaultDevice();
  const program = compileJaxpr(`jit_${traced.name}`, traced.jaxpr, device, { donated });
  const call = (...given: unknown[]): unknown => {
    const flat = splitArguments('compiled', given, settings);
    if (strongKey(flat) !== strongKey(args))
      throw new ArgumentError(
        `compiled: the arguments must have the types that the function was compiled for; got ${showTypes(flat)} for ${showTypes(args)}. Lower and compile it for these types.`,
      );
    const values = dynamicValues('compiled', flat);
    for (const x of values)
      if (!(x instanceof NDArray))
        throw new ArgumentError(
          `compiled: a compiled function runs on concrete arrays; got ${x.toString()}. Call the jitted function inside transformations.`,
        );
    return unflatten(traced.outTree, runProgram(program, [...traced.consts, ...values], donated));
  };
  const { executable } = program;
  return Object.assign(call as (...given: Inputs<A>) => Output<R>, {
    outInfo,
    kernels: executable.kernels,
    asText: () => executable.asText(),
  });
}

/** The key without weak types: a compiled program does not depend on them. */
const strongKey = ({ key }: JitArguments): string => key.replaceAll('|~', '|');

const showTypes = ({ treedef, avals }: JitArguments): string =>
  `(${avals.map((a) => a.key).join(', ')}) in ${treedef.toString()}`;
