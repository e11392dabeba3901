/** How the layout of an array over a mesh is written for XLA's partitioner: the text of `mhlo.sharding`. */
import { LoweringError } from '../core/errors.ts';
import type { NamedSharding } from '../core/mesh.ts';
import { sizeOf } from '../core/shape.ts';

/**
 * The sharding of an array of `ndim` axes: tiles per axis, and the devices of the tiles, row-major; a last axis counts the devices
 * that hold copies of one tile. Partitions are numbered as devices are.
 *
 * @throws LoweringError when the devices of the mesh are not the first ones: a program runs on partitions 0 to n - 1.
 */
export function shardingText({ mesh, spec }: NamedSharding, ndim: number): string {
  const ids = mesh.devices.map(({ id }) => id);
  if (ids.some((id) => id >= ids.length))
    throw new LoweringError(
      `lower: a partitioned program runs on the first devices; got devices ${ids.join(', ')} for ${mesh.toString()}. Make the mesh of the first ${ids.length} devices.`,
    );
  const { names } = spec;
  const cutting = names.flat();
  const copying = mesh.axisNames.filter((name) => !cutting.includes(name));
  const copies = mesh.sizeAlong(copying);
  if (copies === mesh.size) return '{replicated}';
  const tiles = Array.from({ length: ndim }, (_, i) => mesh.sizeAlong(names[i] ?? []));
  const order = [...cutting, ...copying].map((name) => mesh.axisNames.indexOf(name));
  const devices = permuted(ids, mesh.axisSizes, order).join(',');
  return copies === 1
    ? `{devices=[${tiles.join(',')}]${devices}}`
    : `{devices=[${[...tiles, copies].join(',')}]${devices} last_tile_dim_replicate}`;
}

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
