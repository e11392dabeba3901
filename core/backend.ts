/**
 * What core knows of devices: a registry, buffers, executables. `backends/` implements `Device`; `entry/` registers them.
 * Core never sees a lowered program: it passes it on as an opaque `LoweredModule`.
 */
import type { Aval } from './aval.ts';
import { DeviceError, type PalladiaError } from './errors.ts';

/** Names of the engines. */
export type DeviceKind = 'interpreter' | 'wasm' | 'webgpu';

/**
 * A handle to memory of one device: row-major elements without padding.
 * The device frees the memory some time after the handle became unreachable, or at once on `dispose`.
 */
export interface DeviceBuffer {
  readonly device: Device;
  readonly byteLength: number;
  /** Whether the memory is gone (disposed or donated). */
  readonly deleted: boolean;
  /** Free the memory now. Using the buffer afterwards is an error of the caller. */
  dispose(): void;
}

/** A program in StableHLO, opaque to core: its text, and whatever the lowering needs. */
export interface LoweredModule {
  readonly name: string;
  /** The text; with `debugInfo`, every op shows what it came from. */
  toString(options?: { readonly debugInfo?: boolean }): string;
}

/** One kernel of a compiled program. */
export interface CompiledKernel {
  readonly name: string;
  /** Tile kernel text. */
  readonly text: string;
  /** WGSL, or Wasm text; empty for the interpreter. */
  readonly source: string;
  /** Bytes of its code: of the WGSL text, or of the Wasm module. */
  readonly codeBytes: number;
}

/** What a compiled program holds and moves, counted from its schedule. */
export interface ProgramMeasures {
  readonly argumentBytes: number;
  readonly outputBytes: number;
  /** Memory of values that live within a call; those that never live together share it. */
  readonly temporaryBytes: number;
  /** Memory of constants that the program brings along. */
  readonly constantBytes: number;
  /** Bytes of results that take the memory of arguments. */
  readonly aliasBytes: number;
  /** Bytes that kernels and copies read and write in one call. */
  readonly bytesAccessed: number;
  /** How many kernels one call starts. */
  readonly kernelCalls: number;
  /** Loops whose number of iterations is not known; their bodies count once. */
  readonly unknownLoops: number;
}

/** A program that a device can run. */
export interface Executable {
  /**
   * Run on row-major buffers of the device. `donated[i]` says that input `i` may be overwritten and is dead afterwards
   * (the executable disposes or reuses it). Host devices have finished when this returns; others keep stream order.
   */
  run(inputs: readonly DeviceBuffer[], donated?: readonly boolean[]): DeviceBuffer[];
  readonly kernels: readonly CompiledKernel[];
  /** Schedule and kernels as text. */
  asText(): string;
  /** What a call holds and moves. */
  measure(): ProgramMeasures;
  dispose(): void;
}

/** How a program is to be compiled. */
export interface CompileOptions {
  /** Inputs that may be overwritten. */
  readonly donated?: readonly boolean[];
}

/** A place where programs run. One ordered stream per device. */
export interface Device {
  readonly kind: DeviceKind;
  /** Number among the devices of its kind. */
  readonly id: number;
  /** Whether values can be read synchronously. */
  readonly host: boolean;
  /** Whether a CPU plays a GPU (a software driver), where kernels do best with small tiles. */
  readonly software?: boolean;
  /** What people see: `wasm:0 (2 threads, relaxed SIMD)`. */
  readonly description: string;
  /** Copy bytes in. */
  upload(bytes: Uint8Array): DeviceBuffer;
  /** Copy bytes out; waits for the stream. @throws the error of the program that made the buffer. */
  read(buffer: DeviceBuffer): Promise<Uint8Array>;
  /** Copy bytes out at once; only host devices have it. */
  readSync?(buffer: DeviceBuffer): Uint8Array;
  /**
   * Look at a buffer when it has been computed; what `test` finds is thrown by whoever reads it, or what was computed from it. Only
   * devices that cannot be read at once have it.
   */
  inspect?(buffer: DeviceBuffer, test: (bytes: Uint8Array) => PalladiaError | undefined): void;
  /** Compile a program for this device. Called once per program; callers cache. */
  compile(module: LoweredModule, options?: CompileOptions): Executable;
  /** Whether the device can hold and compute this type at all. */
  supports(aval: Aval): boolean;
  /** Resolves when all submitted work is done. */
  synchronize(): Promise<void>;
  /** Bytes of live buffers. */
  liveBytes(): number;
}

/** A device, or how to make it when it is first wanted. */
interface Entry {
  readonly kind: DeviceKind;
  readonly make: () => Device;
  device: Device | undefined;
}

const registered: Entry[] = [];
let chosen: Device | undefined;

const deviceOf = (entry: Entry): Device => (entry.device ??= entry.make());

/** Add a device; the first one is the default until `setDefaultDevice`. */
export function registerDevice(device: Device): void {
  registered.push({ kind: device.kind, make: () => device, device });
}

/** Add a device that is made when it is first wanted. */
export function offerDevice(kind: DeviceKind, make: () => Device): void {
  registered.push({ kind, make, device: undefined });
}

/** Remove a device, for example a lost one. */
export function unregisterDevice(device: Device): void {
  const at = registered.findIndex((entry) => entry.device === device);
  if (at >= 0) registered.splice(at, 1);
  if (chosen === device) chosen = undefined;
}

/**
 * Every device that can be used now.
 *
 * @example
 * devices().map((device) => device.kind); // → [ 'wasm', 'interpreter' ]
 */
export const devices = (): readonly Device[] => registered.map(deviceOf);

/** The kinds of the devices that can be used now; makes none. */
export const deviceKinds = (): readonly DeviceKind[] => registered.map(({ kind }) => kind);

/**
 * The device that arrays without a device go to.
 *
 * @throws DeviceError when none is registered.
 */
export function defaultDevice(): Device {
  if (chosen !== undefined) return chosen;
  if (registered.length === 0)
    throw new DeviceError(
      'defaultDevice: no device is registered; import "palladia" or call `await init({ device })` first.',
    );
  return deviceOf(registered[0]);
}

/**
 * The device for values that JavaScript looks at while a program runs: the default device if it can be read at once, else the first
 * that can.
 *
 * @throws DeviceError when there is none.
 */
export function hostDevice(): Device {
  const preferred = defaultDevice();
  const found = preferred.host ? preferred : devices().find((device) => device.host);
  if (found === undefined)
    throw new DeviceError(
      `hostDevice: JavaScript needs a device whose values can be read at once; have ${deviceKinds().join(', ')}. Import "palladia", which offers wasm and the interpreter.`,
    );
  return found;
}

/** Choose the device that arrays without a device go to; nothing brings the first one back. */
export function setDefaultDevice(device: Device | undefined): void {
  chosen = device;
}

/**
 * Find a device by kind.
 *
 * @throws DeviceError when there is none, with the devices that exist.
 */
export function findDevice(kind: DeviceKind): Device {
  const entry = registered.find((e) => e.kind === kind);
  if (entry === undefined) {
    const have = deviceKinds().join(', ') || 'none';
    throw new DeviceError(
      `device: "${kind}" is not available; have ${have}. Call \`await init({ device: '${kind}' })\` first.`,
    );
  }
  return deviceOf(entry);
}
