/**
 * Meshes of virtual devices, and how arrays are cut over them. A virtual device is a place in a mesh: it holds no memory and runs no
 * thread. Functions over a mesh run in lockstep, as one program on the device of their operands (`transforms/shard-map.ts`).
 */
import type { NamedAxis } from './axis-env.ts';
import { config } from './config.ts';
import { ArgumentError, DeviceError, ShapeError } from './errors.ts';
import { keyOf, type Keyed } from './key.ts';
import { showShape, sizeOf, type Shape } from './shape.ts';
import type { Sharding } from './sharding.ts';
import { registerStatic } from './tree.ts';

/** One of the virtual devices that meshes are made of. */
export class VirtualDevice implements Keyed {
  /** Number among the virtual devices. */
  readonly id: number;

  /** Devices are made by `virtualDevices`. */
  constructor(id: number) {
    this.id = id;
  }

  /** The key under which caches know this device. */
  structuralKey(): string {
    return `VirtualDevice${this.id}`;
  }

  /** As `virtual:0`. */
  toString(): string {
    return `virtual:${this.id}`;
  }
}

const made: VirtualDevice[] = [];

/**
 * The virtual devices: `config.hostDeviceCount` of them.
 *
 * @throws ArgumentError when `config.hostDeviceCount` is no positive integer.
 * @example
 * String(withConfig({ hostDeviceCount: 2 }, virtualDevices)); // → virtual:0,virtual:1
 */
export function virtualDevices(): readonly VirtualDevice[] {
  const { hostDeviceCount: count } = config;
  if (!Number.isInteger(count) || count < 1)
    throw new ArgumentError(
      `virtualDevices: config.hostDeviceCount must be a positive integer; got ${String(count)}. Set it to the number of devices to simulate.`,
    );
  while (made.length < count) made.push(new VirtualDevice(made.length));
  return made.slice(0, count);
}

/** A grid of devices with a name for each axis. Meshes of the same devices, sizes and names are the same to `jit`. */
export class Mesh implements Keyed {
  readonly axisSizes: readonly number[];
  readonly axisNames: readonly string[];
  /** The devices, row-major. */
  readonly devices: readonly VirtualDevice[];

  /**
   * Arrange devices in a grid: the first ones of `devices`, which are all virtual devices when left out.
   *
   * @throws ArgumentError when sizes or names are not valid; DeviceError when there are fewer devices than the grid has places.
   */
  constructor(
    axisSizes: readonly number[],
    axisNames: readonly string[],
    devices: readonly VirtualDevice[] = virtualDevices(),
  ) {
    checkAxes(axisSizes, axisNames);
    const count = sizeOf(axisSizes);
    if (devices.length < count)
      throw new DeviceError(
        `Mesh: there must be a device for every place of the mesh; got ${devices.length} for ${showShape(axisSizes)}, which has ${count} places. Set config.hostDeviceCount = ${count}, or make the mesh smaller.`,
      );
    this.axisSizes = [...axisSizes];
    this.axisNames = [...axisNames];
    this.devices = devices.slice(0, count);
  }

  /** Names and sizes of the axes. */
  get axes(): readonly NamedAxis[] {
    return this.axisNames.map((name, i) => [name, this.axisSizes[i]]);
  }

  /** Number of devices. */
  get size(): number {
    return this.devices.length;
  }

  /** How many devices lie along these axes together. */
  sizeAlong(names: readonly string[]): number {
    return names.reduce((n, name) => n * this.axisSizes[this.axisNames.indexOf(name)], 1);
  }

  /** The key under which caches know this mesh. */
  structuralKey(): string {
    return `Mesh${keyOf([this.axes, this.devices])}`;
  }

  /** JAX's form: `Mesh('x': 2, 'y': 4)`. */
  toString(): string {
    return `Mesh(${this.axes.map(([name, size]) => `'${name}': ${size}`).join(', ')})`;
  }
}

function checkAxes(sizes: readonly number[], names: readonly string[]): void {
  const isList = Array.isArray(sizes) && Array.isArray(names);
  if (!isList || sizes.length !== names.length)
    throw new ArgumentError(
      `Mesh: every axis must have a size and a name; got sizes ${JSON.stringify(sizes)} and names ${JSON.stringify(names)}. Write new Mesh([2, 4], ['x', 'y']).`,
    );
  if (sizes.some((n) => !Number.isInteger(n) || n < 1))
    throw new ArgumentError(
      `Mesh: sizes must be positive integers; got ${showShape(sizes)}. Leave out axes that have no devices.`,
    );
  if (names.some((name) => typeof name !== 'string') || new Set(names).size !== names.length)
    throw new ArgumentError(
      `Mesh: names must be distinct strings; got ${names.map(String).join(', ')}. Name each axis once.`,
    );
}

/** What a spec says of one axis of an array: the mesh axis that cuts it, several (the first one major), or null. */
export type PartitionEntry = string | null | readonly string[];

/** Which axes of a mesh cut which axes of an array. Axes of the array beyond the entries are not cut. */
export class PartitionSpec implements Keyed {
  readonly entries: readonly PartitionEntry[];

  /** One entry per axis of the array. @throws ArgumentError when an entry is none, or an axis of a mesh occurs twice. */
  constructor(...entries: readonly PartitionEntry[]) {
    const names = entries.flatMap(namesOfEntry);
    if (names.some((name) => typeof name !== 'string'))
      throw new ArgumentError(
        `PartitionSpec: entries must be names of mesh axes, lists of names, or null; got ${entries.map(String).join(', ')}. Write P('x', null, ['x', 'y']).`,
      );
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined)
      throw new ArgumentError(
        `PartitionSpec: an axis of the mesh must cut one axis of the array; got '${twice}' twice. Take it out of one entry.`,
      );
    this.entries = entries.map((entry) => (isNames(entry) ? [...entry] : entry));
  }

  /** The names of the mesh axes that cut each of the first axes of an array. */
  get names(): readonly (readonly string[])[] {
    return this.entries.map(namesOfEntry);
  }

  /** The key under which caches know this spec. */
  structuralKey(): string {
    return `PartitionSpec${keyOf(this.entries)}`;
  }

  /** JAX's form: `P('x', None, ('x', 'y'))`. */
  toString(): string {
    const shown = this.entries.map((entry) =>
      entry === null
        ? 'None'
        : isNames(entry)
          ? `(${entry.map(quoted).join(', ')}${entry.length === 1 ? ',' : ''})`
          : quoted(entry),
    );
    return `P(${shown.join(', ')}${shown.length === 1 ? ',' : ''})`;
  }
}

const isNames = (entry: PartitionEntry): entry is readonly string[] => Array.isArray(entry);
const namesOfEntry = (entry: PartitionEntry): readonly string[] =>
  entry === null ? [] : isNames(entry) ? entry : [entry];
const quoted = (name: string): string => `'${name}'`;

/**
 * Short for `new PartitionSpec(…)`: `P('x', null)` cuts the first axis of an array over the mesh axis `x`; `P()` cuts nothing.
 *
 * @throws ArgumentError when an entry is no name, or an axis of a mesh occurs twice.
 * @example
 * String(P('x', null, ['y', 'z'])); // → P('x', None, ('y', 'z'))
 */
export const P = (...entries: readonly PartitionEntry[]): PartitionSpec =>
  new PartitionSpec(...entries);

/** Part of an axis: the first index, and the one after the last. */
export type BlockRange = readonly [start: number, stop: number];

/** A mesh and a spec: where each block of an array lies. */
export class NamedSharding implements Sharding, Keyed {
  readonly mesh: Mesh;
  readonly spec: PartitionSpec;

  /** Pair a spec with its mesh. @throws ArgumentError when the spec names an axis that the mesh does not have. */
  constructor(mesh: Mesh, spec: PartitionSpec) {
    const stranger = spec.names.flat().find((name) => !mesh.axisNames.includes(name));
    if (stranger !== undefined)
      throw new ArgumentError(
        `NamedSharding: a spec must name axes of its mesh; got '${stranger}' in ${spec.toString()} for ${mesh.toString()}. Use one of ${mesh.axisNames.join(', ')}.`,
      );
    this.mesh = mesh;
    this.spec = spec;
  }

  /** Whether every device has the whole array. */
  get isFullyReplicated(): boolean {
    return this.mesh.sizeAlong(this.spec.names.flat()) === 1;
  }

  /**
   * The shape of the block that each device has of an array of this shape.
   *
   * @throws ShapeError when the array has fewer axes than the spec has entries, or an axis cannot be cut into equal blocks.
   */
  shardShape(shape: Shape): Shape {
    const { names } = this.spec;
    if (names.length > shape.length)
      throw new ShapeError(
        `NamedSharding: a spec must have at most one entry per axis; got ${this.spec.toString()} for shape ${showShape(shape)}. Shorten the spec, or give the array more axes.`,
      );
    return shape.map((size, i) => {
      const count = this.mesh.sizeAlong(names[i] ?? []);
      if (size % count !== 0)
        throw new ShapeError(
          `NamedSharding: an axis must be a multiple of the number of its blocks; got size ${size} of axis ${i} of shape ${showShape(shape)} for ${count} blocks (${this.spec.toString()} over ${this.mesh.toString()}). Pad the array, or change the spec.`,
        );
      return size / count;
    });
  }

  /** Whether an array of `ndim` axes lies the same way under both: over one mesh, each axis cut by the same axes of it. */
  isEquivalentTo(other: Sharding, ndim: number): boolean {
    if (!(other instanceof NamedSharding)) return false;
    const cuts = ({ spec }: NamedSharding): string =>
      JSON.stringify(Array.from({ length: ndim }, (_, i) => spec.names[i] ?? []));
    return keyOf(this.mesh) === keyOf(other.mesh) && cuts(this) === cuts(other);
  }

  /**
   * Which part of an array of this shape each device has: for each axis the first index, and the one after the last.
   *
   * @throws as `shardShape`.
   */
  devicesIndicesMap(shape: Shape): ReadonlyMap<VirtualDevice, readonly BlockRange[]> {
    const block = this.shardShape(shape);
    const { axisSizes, devices } = this.mesh;
    return new Map(
      devices.map((device, at) => {
        const place = new Map(
          this.mesh.axisNames.map((name, i) => {
            const inner = sizeOf(axisSizes.slice(i + 1));
            return [name, Math.floor(at / inner) % axisSizes[i]];
          }),
        );
        const ranges = block.map((size, axis): BlockRange => {
          const names = this.spec.names[axis] ?? [];
          const index = names.reduce(
            (n, name) => n * this.mesh.sizeAlong([name]) + (place.get(name) ?? 0),
            0,
          );
          return [index * size, (index + 1) * size];
        });
        return [device, ranges];
      }),
    );
  }

  /** The shape of the array whose blocks have this shape. */
  globalShape(block: Shape): Shape {
    const { names } = this.spec;
    return block.map((size, i) => size * this.mesh.sizeAlong(names[i] ?? []));
  }

  /** The key under which caches know this sharding. */
  structuralKey(): string {
    return `NamedSharding${keyOf([this.mesh, this.spec])}`;
  }

  /** As `NamedSharding(Mesh('x': 2), P('x',))`. */
  toString(): string {
    return `NamedSharding(${this.mesh.toString()}, ${this.spec.toString()})`;
  }
}

for (const kind of [VirtualDevice, Mesh, PartitionSpec, NamedSharding]) registerStatic(kind);
