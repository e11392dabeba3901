/** Devices for people: start one, choose one by name, move arrays between them. The registry is `core/backend.ts`. */
import { createWasmDevice, type WasmDevice, type WasmOptions } from '../../backends/wasm/device.ts';
import { asValue, NDArray } from '../../core/array.ts';
import {
  findDevice,
  setDefaultDevice as choose,
  type Device,
  type DeviceKind,
} from '../../core/backend.ts';
import { ArgumentError, DeviceError, DTypeError } from '../../core/errors.ts';
import { NamedSharding } from '../../core/mesh.ts';
import { checkOptions } from '../../core/options.ts';
import { flatten, unflatten } from '../../core/tree.ts';
import type { Value } from '../../core/value.ts';
import { isArrayLike } from '../../transforms/flat-function.ts';
import { startWebGpu, type WebGpuOptions } from './webgpu.ts';

/** Options of `init`. */
export interface InitOptions extends Omit<WasmOptions, 'id'>, Omit<WebGpuOptions, 'id'> {
  /** Which engine to start; wasm when left out. */
  readonly device?: DeviceKind;
}

/** Every option by name: a new one breaks the build here. */
const initOptions: Readonly<Record<keyof InitOptions, true>> = {
  device: true,
  threads: true,
  softLimit: true,
  maximumBytes: true,
  shared: true,
  powerPreference: true,
  memoryLimit: true,
  dawn: true,
};
const kinds: readonly DeviceKind[] = ['wasm', 'webgpu', 'interpreter'];
let wasmOptions: WasmOptions = {};
let wasmStarted = false;

/** Make the wasm device with the options that `init` was given, if any. */
export function makeWasmDevice(): WasmDevice {
  wasmStarted = true;
  return createWasmDevice(wasmOptions);
}

function startWasm({ threads, softLimit, maximumBytes, shared }: WasmOptions): Device {
  const wanted = Object.entries({ threads, softLimit, maximumBytes, shared }).filter(
    ([, value]) => value !== undefined,
  );
  const known = wasmOptions as Readonly<Record<string, unknown>>;
  const changed = wanted.filter(([name, value]) => known[name] !== value);
  if (wasmStarted && changed.length > 0)
    throw new DeviceError(
      `init: options of the wasm device must be given before it is used; got ${changed.map(([name]) => name).join(', ')} afterwards. Call init before making arrays.`,
    );
  wasmOptions = { ...wasmOptions, ...Object.fromEntries(wanted) };
  return findDevice('wasm');
}

function checkKind(op: string, kind: unknown): DeviceKind {
  const known = kinds.find((k) => k === kind);
  if (known === undefined)
    throw new DeviceError(
      `${op}: a device is one of ${kinds.join(', ')}; got ${String(kind)}. Check the name.`,
    );
  return known;
}

/**
 * Start a device and wait until it can be used. Only WebGPU needs it; for wasm it is the place to give options. Arrays still go
 * to the default device: choose with `setDefaultDevice`.
 *
 * @throws DeviceError when there is no such device here, saying what to install or allow.
 * @example
 * const device = await init({ device: 'wasm' });
 * device.kind; // → wasm
 */
export async function init(options: InitOptions = {}): Promise<Device> {
  checkOptions('init', options, Object.keys(initOptions));
  switch (checkKind('init', options.device ?? 'wasm')) {
    case 'wasm':
      return startWasm(options);
    case 'interpreter':
      return findDevice('interpreter');
    case 'webgpu':
      return startWebGpu(options);
  }
}

/**
 * Choose the device that new arrays go to, by name or as a device.
 *
 * @throws DeviceError when no such device was started.
 * @example
 * setDefaultDevice('interpreter');
 * defaultDevice().kind; // → interpreter
 * setDefaultDevice('wasm');
 */
export function setDefaultDevice(device: DeviceKind | Device): void {
  choose(typeof device === 'object' ? device : findDevice(checkKind('setDefaultDevice', device)));
}

/**
 * Copy the arrays of a tree to a device, and commit them to it: programs with them run there, and other arrays go along. Arrays that are
 * there already keep their memory; numbers become arrays there.
 *
 * With a `NamedSharding`, the arrays stay on their devices, and `x.sharding` says how they lie over the mesh: its devices are virtual,
 * and no value changes.
 *
 * @throws DeviceError when no such device was started; DTypeError when it cannot hold a type; ArgumentError for leaves that are
 * no arrays; ShapeError when a sharding cannot cut an array into equal blocks.
 * @example
 * const x = await devicePut(1, 'interpreter');
 * x.device.kind; // → interpreter
 */
export async function devicePut<T>(
  tree: T,
  device: DeviceKind | Device | NamedSharding,
): Promise<Put<T>> {
  const { leaves, treedef } = flatten(tree);
  if (device instanceof NamedSharding)
    return unflatten(
      treedef,
      leaves.map((leaf) => layLeaf(leaf, device)),
    ) as Put<T>;
  const to = isDevice(device) ? device : findDevice(checkKind('devicePut', device));
  return unflatten(treedef, await Promise.all(leaves.map((leaf) => putLeaf(leaf, to)))) as Put<T>;
}

const isDevice = (x: unknown): x is Device =>
  typeof x === 'object' && x !== null && 'supports' in x && typeof x.supports === 'function';

/** A tree whose numbers and typed arrays have become arrays. */
export type Put<T> = T extends Value
  ? Value
  : T extends number | bigint | boolean | ArrayBufferView
    ? Value
    : { [K in keyof T]: Put<T[K]> };

/** A concrete array. @throws ArgumentError for everything else. */
function arrayOf(leaf: unknown): NDArray {
  if (!isArrayLike(leaf))
    throw new ArgumentError(
      `devicePut: leaves must be arrays or numbers; got ${String(leaf)}. Make an array of it with np.array(…).`,
    );
  const value = asValue('devicePut', leaf);
  if (!(value instanceof NDArray))
    throw new ArgumentError(
      `devicePut: only concrete arrays can be moved; got ${value.toString()}. Move arrays outside of transformed functions.`,
    );
  return value;
}

/** An array where it is, lying over a mesh. */
function layLeaf(leaf: unknown, sharding: NamedSharding): NDArray {
  const value = arrayOf(leaf);
  sharding.shardShape(value.shape);
  return value.withSharding(sharding);
}

async function putLeaf(leaf: unknown, to: Device): Promise<NDArray> {
  const value = arrayOf(leaf);
  if (!to.supports(value.aval))
    throw new DTypeError(
      `devicePut: ${to.kind} does not compute with this type; got ${value.aval.toString()}. Convert it with x.astype('f32').`,
    );
  const from = value.device;
  if (value.scalar === undefined && from === to) return value.committed ? value : value.share(true);
  const bytes = await from.read(value.bufferOn(from));
  return NDArray.fromBuffer(value.aval, to.upload(bytes), true);
}
