/**
 * Programs for the devices of a mesh, as XLA's partitioner takes them: the text of `mhlo.sharding`, the way from whole arrays to the
 * blocks of each device and back, and what a device is to the others. Partitions are numbered as devices are.
 */
import { LoweringError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { NamedSharding, type Mesh } from '../core/mesh.ts';
import { sizeOf } from '../core/shape.ts';
import type { HloBuilder } from './hlo/build.ts';
import { shardingTarget, type HloValue, type TensorType } from './hlo/ir.ts';
import type { FunctionBody, Module } from './hlo/module.ts';
import { fromBlocksTarget, toBlocksTarget } from './hlo/one-device.ts';
import type { DeviceAxes, PerDeviceBody } from './rules.ts';

/** The numbers of the partitions of a mesh, row-major. @throws LoweringError when its devices are not the first ones. */
function partitionsOf(mesh: Mesh): readonly number[] {
  const ids = mesh.devices.map(({ id }) => id);
  if (ids.some((id) => id >= ids.length))
    throw new LoweringError(
      `lower: a partitioned program runs on the first devices; got devices ${ids.join(', ')} for ${mesh.toString()}. Make the mesh of the first ${ids.length} devices.`,
    );
  return ids;
}

/**
 * The sharding of an array of `ndim` axes: tiles per axis, and the devices of the tiles, row-major; a last axis counts the devices
 * that hold copies of one tile.
 *
 * @throws LoweringError when the devices of the mesh are not the first ones: a program runs on partitions 0 to n - 1.
 */
export function shardingText({ mesh, spec }: NamedSharding, ndim: number): string {
  const { names } = spec;
  const cutting = names.flat();
  const copying = mesh.axisNames.filter((name) => !cutting.includes(name));
  const copies = mesh.sizeAlong(copying);
  const ids = partitionsOf(mesh);
  if (copies === mesh.size) return '{replicated}';
  const tiles = Array.from({ length: ndim }, (_, i) => mesh.sizeAlong(names[i] ?? []));
  const devices = along(ids, mesh, [...cutting, ...copying]).join(',');
  return copies === 1
    ? `{devices=[${tiles.join(',')}]${devices}}`
    : `{devices=[${[...tiles, copies].join(',')}]${devices} last_tile_dim_replicate}`;
}

/** The sharding of blocks: each device has its own. */
const manual = '{manual}';

/** The partitions of a mesh with its axes in this order. */
const along = (ids: readonly number[], mesh: Mesh, names: readonly string[]): number[] =>
  permuted(
    ids,
    mesh.axisSizes,
    names.map((name) => mesh.axisNames.indexOf(name)),
  );

/** Row-major elements with their axes in another order. */
function permuted(
  xs: readonly number[],
  sizes: readonly number[],
  order: readonly number[],
): number[] {
  const strides = sizes.map((_, i) => sizeOf(sizes.slice(i + 1)));
  return order
    .reduce<number[]>(
      (starts, axis) =>
        starts.flatMap((start) =>
          Array.from({ length: sizes[axis] }, (_, i) => start + i * strides[axis]),
        ),
      [0],
    )
    .map((at) => xs[at]);
}

/** A value with a sharding. */
const constrain = (
  b: HloBuilder,
  target: string,
  x: HloValue,
  [text, type = x.type]: readonly [sharding: string, type?: TensorType],
): HloValue => b.customCall(target, [x], [type], { backend_config: '', 'mhlo.sharding': text })[0];

/** What lowers the body. */
export interface BodyLowering {
  readonly module: Module;
  /** Lower a jaxpr in a program of each device. */
  readonly inline: (
    b: HloBuilder,
    jaxpr: Jaxpr,
    args: readonly HloValue[],
    devices: DeviceAxes,
  ) => HloValue[];
  readonly define: (name: string, types: readonly TensorType[], body: FunctionBody) => string;
}

/**
 * Cut the operands into the blocks of each device, run a function on them as a program of each device, and join the results. Devices
 * along axes that the function is not mapped over compute the same: XLA's partitioner cannot be left to spread some axes of a mesh
 * while a program holds the others (it refuses `partition_id` there, and stops the process on operations without a sharding).
 *
 * @throws LoweringError when the devices of the mesh are not the first ones, or another mesh of the program has another number.
 */
export function emitPerDevice(
  b: HloBuilder,
  { mesh, axisNames, jaxpr, inSpecs, outSpecs }: PerDeviceBody,
  args: readonly HloValue[],
  { module, inline, define }: BodyLowering,
): HloValue[] {
  module.partition(mesh.size);
  const blockTypes = jaxpr.inAvals.map(({ shape, dtype }): TensorType => ({ shape, dtype }));
  const blocks = args.map((x, i) => {
    const text = shardingText(new NamedSharding(mesh, inSpecs[i]), x.type.shape.length);
    const laid = constrain(b, shardingTarget, x, [text]);
    return constrain(b, toBlocksTarget, laid, [manual, blockTypes[i]]);
  });
  const devices = deviceAxes(mesh, axisNames);
  const symbol = define('shmap_body', blockTypes, (inner, xs) => inline(inner, jaxpr, xs, devices));
  const outs = b.call(symbol, blocks);
  return outs.map((out, i) => {
    const { shape, dtype } = out.type;
    const sharding = new NamedSharding(mesh, outSpecs[i]);
    const block = constrain(b, shardingTarget, out, [manual]);
    const whole = { shape: sharding.globalShape(shape), dtype };
    return constrain(b, fromBlocksTarget, block, [shardingText(sharding, shape.length), whole]);
  });
}

/** The devices of a mesh, as each of them sees the others. */
function deviceAxes(mesh: Mesh, axisNames: readonly string[]): DeviceAxes {
  const ids = partitionsOf(mesh);
  return {
    has: (name) => axisNames.includes(name),
    groups(names, within) {
      const rest = mesh.axisNames.filter((name) => !names.includes(name));
      const size = mesh.sizeAlong(names);
      const all = along(ids, mesh, [...rest, ...names]);
      const groups = Array.from({ length: mesh.size / size }, (_, i) =>
        all.slice(i * size, (i + 1) * size),
      );
      return within === undefined
        ? groups
        : groups.flatMap((group) => within.map((indices) => indices.map((i) => group[i])));
    },
    index(b, name) {
      const axis = mesh.axisNames.indexOf(name);
      const inner = sizeOf(mesh.axisSizes.slice(axis + 1));
      const size = mesh.axisSizes[axis];
      if (ids.every((id, at) => id === at)) {
        const [stride, count] = [b.constant(inner, 'u32'), b.constant(size, 'u32')];
        const id = b.emit('partition_id', [], { attrs: {} }, [{ shape: [], dtype: 'u32' }])[0];
        return b.convert(b.scalar('rem', b.scalar('div', id, stride), count), 'i32');
      }
      const places = ids.map((_, id) => Math.floor(ids.indexOf(id) / inner) % size);
      const table = b.constantArray(places, 'i32', [places.length]);
      const id = b.emit('partition_id', [], { attrs: {} }, [{ shape: [], dtype: 'u32' }])[0];
      return b.reshape(b.dynamicSlice(table, [b.convert(id, 'i32')], [1]), []);
    },
  };
}
