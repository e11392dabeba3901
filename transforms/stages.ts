/** The stages of `jit` as values: traced, lowered, compiled. Each can be printed; the last can be called. */
import {
  defaultDevice,
  type CompiledKernel,
  type Executable,
  type LoweredModule,
} from '../core/backend.ts';
import { ArgumentError } from '../core/errors.ts';
import { Jaxpr } from '../core/jaxpr.ts';
import { NDArray } from '../core/array.ts';
import { RefCell } from '../core/ref-cell.ts';
import { flattenWithPath, unflatten } from '../core/tree.ts';
import type { Typed } from '../core/typed.ts';
import { moduleCost } from '../lowering/compile-cost.ts';
import { differences } from './cache-misses.ts';
import { compileJaxpr, lowerToModule, runProgram, type Program } from './executables.ts';
import {
  dynamicValues,
  kindOfCall,
  splitArguments,
  staticValue,
  type JitArguments,
  type JitSettings,
} from './jit-arguments.ts';
import { checkLaid, laidOut } from './jit-shardings.ts';
import { traceFunction, type TracedFunction } from './jit-cache.ts';
import { ShapeDtypeStruct } from './shape-struct.ts';
import type { Inputs, Output } from './signature.ts';
import { runOnContents, withoutState } from './state.ts';

/** What a program computes, as counted and not measured. Loops with a known number of iterations count that often. */
export interface CostAnalysis {
  /** Additions, multiplications, comparisons and the like; a multiply-add counts twice. */
  readonly flops: number;
  /** Evaluations of sin, exp, sqrt and other functions that take many operations. */
  readonly transcendentals: number;
  /** Bytes read and written: by the ops one by one (lowered), or by the kernels (compiled). */
  readonly bytesAccessed: number;
  /** Kernels that one call starts; 0 before compilation and on the interpreter. */
  readonly kernels: number;
  /** Loops whose number of iterations is not known: their bodies count once, so that the other numbers are too low. */
  readonly unknownLoops: number;
}

/** Memory of a compiled program, in bytes. */
export interface MemoryAnalysis {
  readonly argumentBytes: number;
  readonly outputBytes: number;
  /** Memory of values that live within a call; those that never live together share it. */
  readonly temporaryBytes: number;
  /** Memory of constants that the program brings along. */
  readonly constantBytes: number;
  /** Bytes of results that take the memory of arguments: donated ones, and those that are returned unchanged. */
  readonly aliasBytes: number;
  /** Bytes of the kernels: WGSL text, or Wasm modules. */
  readonly codeBytes: number;
}

/** A traced function. */
export interface Traced<A extends readonly unknown[], R> {
  /** The program; captured arrays are its constants. */
  readonly jaxpr: Jaxpr;
  /** Name of the program. */
  readonly name: string;
  /** Types of the arguments, as a list of trees; static ones stand there as they are. */
  readonly argsInfo: readonly unknown[];
  /** Types of the result, as a tree. */
  readonly outInfo: unknown;
  /** Lower to StableHLO. */
  lower(): Lowered<A, R>;
}

/** How a lowered function is printed. */
export interface TextOptions {
  /** Show what every op came from. */
  readonly debugInfo?: boolean;
  /** Print the program that XLA spreads over the devices of its meshes. */
  readonly spmd?: boolean;
}

/** A lowered function. */
export interface Lowered<A extends readonly unknown[], R> {
  readonly jaxpr: Jaxpr;
  readonly argsInfo: readonly unknown[];
  readonly outInfo: unknown;
  /** The StableHLO module. */
  readonly module: LoweredModule;
  /**
   * StableHLO as text. With `debugInfo`, every op shows the scopes and the primitive that it came from. With `spmd` it is a program
   * for XLA's partitioner: as many partitions as the meshes of its `shardMap`s have devices, whose operands and results carry their
   * shardings (`mhlo.sharding`); XLA derives the collectives.
   *
   * @throws LoweringError for `spmd` when meshes differ in their number of devices, or are not made of the first ones.
   */
  asText(options?: TextOptions): string;
  /** What the module costs when its ops are run one by one. */
  costAnalysis(): CostAnalysis;
  /** Compile for the default device. @throws LoweringError when the device cannot run it. */
  compile(): Compiled<A, R>;
}

/** A compiled function; call it with arguments of the types that it was traced for. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: Inputs<A>): Output<R>;
  readonly argsInfo: readonly unknown[];
  readonly outInfo: unknown;
  /** The kernels, with their text and source. */
  readonly kernels: readonly CompiledKernel[];
  /** Schedule and kernels as text. */
  asText(): string;
  /** What the program computes (counted in the module), and what its kernels read and write. */
  costAnalysis(): CostAnalysis;
  /** The memory that a call takes. */
  memoryAnalysis(): MemoryAnalysis;
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
  const info: StageInfo = {
    jaxpr: shown,
    argsInfo: argumentTypes(args),
    outInfo: unflatten(
      traced.outTree,
      jaxpr.outAvals.map((aval) => ShapeDtypeStruct.of(aval)),
    ),
  };
  return { ...info, name: traced.name, lower: () => lowerStage(traced, info, args, settings) };
}

/** What all stages of one function show. */
interface StageInfo {
  readonly jaxpr: Jaxpr;
  readonly argsInfo: readonly unknown[];
  readonly outInfo: unknown;
}

/** Arguments as trees of types. */
function argumentTypes({ treedef, leaves, isStatic }: JitArguments): readonly unknown[] {
  const types = leaves.map((leaf, i) =>
    isStatic[i] ? staticValue(leaf) : ShapeDtypeStruct.of((leaf as Typed).aval),
  );
  return unflatten(treedef, types) as readonly unknown[];
}

function lowerStage<A extends readonly unknown[], R>(
  traced: TracedFunction,
  info: StageInfo,
  args: JitArguments,
  settings: JitSettings,
): Lowered<A, R> {
  const donated =
    traced.donated.length === 0
      ? undefined
      : [...traced.consts.map(() => false), ...traced.donated];
  const resultInfo = flattenWithPath(info.outInfo).map(([path]) => `result${path}`);
  const name = `jit_${traced.name}`;
  const { keepUnused } = settings;
  const how = { donated, resultInfo, keepUnused, place: `jit(${traced.name})` };
  const { module } = lowerToModule(name, traced.jaxpr, how);
  return {
    ...info,
    module,
    asText: ({ spmd = false, ...options } = {}) => {
      const printed = spmd ? lowerToModule(name, traced.jaxpr, { ...how, spmd }).module : module;
      return printed.toString(options);
    },
    costAnalysis: () => ({ ...moduleCost(module), kernels: 0 }),
    compile: () => compileStage(traced, info, args, settings, donated),
  };
}

function compileStage<A extends readonly unknown[], R>(
  traced: TracedFunction,
  { argsInfo, outInfo }: StageInfo,
  args: JitArguments,
  settings: JitSettings,
  donated: readonly boolean[] | undefined,
): Compiled<A, R> {
  const pure = withoutState(traced.jaxpr);
  const program = compileJaxpr(`jit_${traced.name}`, pure.jaxpr, defaultDevice(), {
    donated,
    keepUnused: settings.keepUnused,
  });
  const kind = kindOfCall(args);
  const call = (...given: unknown[]): unknown => {
    const flat = splitArguments('compiled', given, settings);
    const found = differences({ ...kindOfCall(flat), axes: kind.axes }, kind, {
      weakTypes: false,
    });
    if (found.length > 0)
      throw new ArgumentError(
        `compiled: the arguments must have the types that the function was compiled for; got ${found.join('; ')}. Lower and compile it for these types.`,
      );
    const values = dynamicValues('compiled', flat);
    for (const x of values)
      if (!(x instanceof NDArray || x instanceof RefCell))
        throw new ArgumentError(
          `compiled: a compiled function runs on concrete arrays; got ${x.toString()}. Call the jitted function inside transformations.`,
        );
    checkLaid(traced.inShardings, values);
    const all = [...traced.consts, ...values];
    const captured = traced.consts.length;
    const outs = runOnContents(pure, all, (xs) => runProgram(program, xs, donated, captured));
    return unflatten(traced.outTree, laidOut(traced.outShardings, outs));
  };
  const { executable } = program;
  return Object.assign(call as (...given: Inputs<A>) => Output<R>, {
    argsInfo,
    outInfo,
    kernels: executable.kernels,
    asText: () => executable.asText(),
    costAnalysis: () => compiledCost(program),
    memoryAnalysis: () => memoryOf(executable),
  });
}

/** The arithmetic of the module, and the traffic of the schedule. */
function compiledCost({ module, executable }: Program): CostAnalysis {
  const { flops, transcendentals, unknownLoops } = moduleCost(module);
  const { bytesAccessed, kernelCalls } = executable.measure();
  return { flops, transcendentals, bytesAccessed, kernels: kernelCalls, unknownLoops };
}

function memoryOf(executable: Executable): MemoryAnalysis {
  const { argumentBytes, outputBytes, temporaryBytes, constantBytes, aliasBytes } =
    executable.measure();
  const codeBytes = executable.kernels.reduce((total, kernel) => total + kernel.codeBytes, 0);
  return { argumentBytes, outputBytes, temporaryBytes, constantBytes, aliasBytes, codeBytes };
}
