/**
 * From programs to executables, compiled once. Two caches: by the identity of a jaxpr, and below it by the text of the
 * lowered module, so that closures that are made anew do not compile anew.
 */
import { NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { isComplex } from '../core/dtype.ts';
import {
  defaultDevice,
  type Device,
  type DeviceBuffer,
  type Executable,
  type LoweredModule,
} from '../core/backend.ts';
import { config, configKey } from '../core/config.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { Value } from '../core/value.ts';
import type { HloModule } from '../lowering/hlo/ir.ts';
import { lowerJaxpr, type LowerOptions } from '../lowering/from-jaxpr.ts';
import { checkNumbers, checksNumbers } from './check-numbers.ts';
import { BoundedMap, onClearCaches } from './caches.ts';
import { pruneJaxpr } from './dead-code.ts';
import { withoutState } from './state.ts';

/** A compiled program: which operands it wants, and the types of its results. */
export interface Program {
  readonly module: HloModule;
  readonly executable: Executable;
  readonly device: Device;
  /** Indices of the operands that the program uses. */
  readonly kept: readonly number[];
  readonly outAvals: readonly Aval[];
  /** What it was made of. */
  readonly jaxpr: Jaxpr;
}

/** How a program is compiled. */
export interface ProgramOptions {
  /** Which inputs may be overwritten. */
  readonly donated?: readonly boolean[] | undefined;
  /** `jax.result_info` of the results. */
  readonly resultInfo?: readonly string[] | undefined;
  /** What the ops come from: `jit(f)`. */
  readonly place?: string | undefined;
  /** Values of the first inputs, which become constants of the module. */
  readonly constants?: LowerOptions['constants'];
  /** Whether inputs that no result needs are operands of the program. */
  readonly keepUnused?: boolean;
  /** Say how values lie over meshes, for XLA's partitioner. */
  readonly spmd?: boolean | undefined;
}

/** Most programs, and characters of their texts, that a device remembers. */
const mostPrograms = 2048;
const mostText = 1 << 26;
let byText = new WeakMap<Device, BoundedMap<Executable>>();
let byJaxpr = new WeakMap<Jaxpr, BoundedMap<Program>>();
onClearCaches(() => {
  byText = new WeakMap();
  byJaxpr = new WeakMap();
});
let compilations = 0;

/** How many programs were compiled so far, for tests of the caches. */
export const compilationCount = (): number => compilations;

/** A name that MLIR takes as a symbol. */
const symbolName = (name: string): string => name.replace(/[^A-Za-z0-9_.$]/g, '_');

/** Lower and compile a jaxpr for a device. */
export function compileJaxpr(
  name: string,
  jaxpr: Jaxpr,
  device: Device,
  options: ProgramOptions = {},
): Program {
  const key = `${device.kind}:${device.id} ${configKey()} ${name} ${options.donated?.join() ?? ''} ${options.keepUnused === true}`;
  let programs = byJaxpr.get(jaxpr);
  const known = programs?.get(key);
  if (known !== undefined && known.device === device) return known;
  const { module, kept } = lowerToModule(name, jaxpr, options);
  const donated =
    options.donated === undefined ? undefined : kept.map((i) => options.donated?.[i] === true);
  const executable = compileModule(module, device, donated);
  const program: Program = {
    module,
    executable,
    device,
    kept,
    outAvals: jaxpr.outAvals,
    jaxpr,
  };
  if (programs === undefined) byJaxpr.set(jaxpr, (programs = new BoundedMap(64)));
  programs.set(key, program);
  return program;
}

/** Lower a jaxpr to StableHLO. */
export function lowerToModule(
  name: string,
  jaxpr: Jaxpr,
  { donated, resultInfo, place, constants, keepUnused = false, spmd = false }: ProgramOptions = {},
): ReturnType<typeof lowerJaxpr> {
  const all = (): true => true;
  const { jaxpr: pure } = withoutState(jaxpr);
  const pruned = pruneJaxpr(pure, pure.outvars.map(all), pure.invars.map(all)).jaxpr;
  return lowerJaxpr(symbolName(name), pruned, {
    ...(donated === undefined ? {} : { donated }),
    ...(resultInfo === undefined ? {} : { resultInfo }),
    place,
    ...(constants === undefined ? {} : { constants }),
    keepUnused,
    spmd,
  });
}

function compileModule(
  module: LoweredModule,
  device: Device,
  donated: readonly boolean[] | undefined,
): Executable {
  let executables = byText.get(device);
  if (executables === undefined)
    byText.set(device, (executables = new BoundedMap(mostPrograms, mostText)));
  const key = `${configKey()} ${donated?.join() ?? ''}\n${module.toString()}`;
  let executable = executables.get(key);
  if (executable === undefined) {
    compilations++;
    executable = device.compile(module, donated === undefined ? {} : { donated });
    executables.set(key, executable);
  }
  return executable;
}

/**
 * Run a program on concrete arrays; the first `captured` ones follow the others to its device.
 *
 * @throws DeviceError when an array cannot go there.
 */
export function runProgram(
  program: Program,
  args: readonly Value[],
  donated?: readonly boolean[],
  captured = 0,
): NDArray[] {
  const arrays = args as readonly NDArray[];
  let committed = false;
  for (let i = captured; i < arrays.length; i++) committed ||= arrays[i].committed;
  if (checksNumbers()) return runChecked(program, arrays, donated, { captured, committed });
  const { executable, device, kept, outAvals } = program;
  const buffers = buffersOn(device, arrays, kept, captured);
  const given = donated === undefined ? undefined : donate(program, arrays, donated);
  const outs = executable.run(buffers, given);
  return outs.map((buffer, i) => NDArray.fromBuffer(outAvals[i], buffer, committed));
}

/** The memory of the operands that a program takes. */
function buffersOn(
  device: Device,
  arrays: readonly NDArray[],
  kept: readonly number[],
  captured: number,
): DeviceBuffer[] {
  const buffers: DeviceBuffer[] = [];
  for (const i of kept)
    buffers.push(i < captured ? arrays[i].bufferOn(device, true) : arrays[i].bufferOn(device));
  return buffers;
}

/** Run a program and look at its results. Donated memory is given back afterwards, so that the program can run once more. */
function runChecked(
  { executable, device, kept, outAvals, jaxpr }: Program,
  args: readonly NDArray[],
  donated: readonly boolean[] | undefined,
  { captured, committed }: { readonly captured: number; readonly committed: boolean },
): NDArray[] {
  const again = args.map((x, i) =>
    donated?.[i] === true && x.scalar === undefined ? x.share() : x,
  );
  if (donated !== undefined) donate({ device, kept: [...args.keys()] }, args, donated);
  const buffers = executable.run(buffersOn(device, again, kept, captured));
  const outs = buffers.map((buffer, i) => NDArray.fromBuffer(outAvals[i], buffer, committed));
  checkNumbers(jaxpr, again, outs);
  again.forEach((x, i) => {
    if (x !== args[i]) x.dispose();
  });
  return outs;
}

/** Take the donated arrays away from the caller; give the flags of the inputs that the program may overwrite. */
function donate(
  { device, kept }: Pick<Program, 'device' | 'kept'>,
  args: readonly NDArray[],
  donated: readonly boolean[],
): boolean[] {
  const seen = new Set<NDArray>();
  const repeated = new Set(
    args.filter((x) => x.scalar === undefined && seen.size === seen.add(x).size),
  );
  donated.forEach((on, i) => {
    if (on && repeated.has(args[i]))
      throw new ArgumentError(
        `jit: a donated array must be used once in a call; got ${args[i].aval.toString()} as argument ${i} and elsewhere, or captured. Donate it without passing it again.`,
      );
  });
  const used = new Set(kept);
  const given = kept.map((i) => donated[i] && args[i].scalar === undefined && !args[i].isShared);
  donated.forEach((on, i) => {
    if (!on) return;
    const buffer = args[i].donate('donated to a jitted function');
    // What the program got is a copy where the array was on another device.
    if (!used.has(i) || buffer?.device !== device) buffer?.dispose();
  });
  return given;
}

/** Whether calls run equation by equation: without jit, and to find bad numbers where they cannot be looked at afterwards. */
export const runsStepwise = (device: Device): boolean =>
  config.disableJit || (checksNumbers() && device.inspect !== undefined);

/**
 * The device of a call: the one that its arrays were put on; else the one of an array that cannot be read at once, and so not be moved;
 * else the default device. All other arrays, and those that the function captured, go there.
 */
export function deviceOf(args: readonly Value[], captured: readonly Value[] = []): Device {
  for (const x of args) if (x instanceof NDArray && x.committed) return x.device;
  return stuckDevice(args) ?? stuckDevice(captured) ?? defaultDevice();
}

function stuckDevice(args: readonly Value[]): Device | undefined {
  for (const x of args)
    if (x instanceof NDArray && x.scalar === undefined && x.device.readSync === undefined)
      return x.device;
  return undefined;
}

/**
 * Refuse types that the device cannot compute with.
 *
 * @throws DTypeError naming the type and the way out.
 */
export function checkSupported(op: string, device: Device, avals: readonly Aval[]): void {
  for (const aval of avals)
    if (!device.supports(aval))
      throw new DTypeError(
        `${op}: ${device.kind} does not compute with this type; got ${aval.toString()}. Convert it, or use the ${isComplex(aval.dtype) ? 'interpreter' : 'wasm'} device.`,
      );
}
