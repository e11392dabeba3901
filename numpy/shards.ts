/** The blocks of an array, as it lies over devices. */
import type { Device } from '../core/backend.ts';
import { NamedSharding, type BlockRange, type VirtualDevice } from '../core/mesh.ts';
import type { Value } from '../core/value.ts';
import { slice } from '../lax/slicing.ts';

/** What one device has of an array. */
export interface Shard {
  readonly device: VirtualDevice | Device;
  /** For each axis of the array: the first index of the block, and the one after the last. */
  readonly index: readonly BlockRange[];
  /** How many devices before this one have the same block. */
  readonly replicaId: number;
  readonly data: Value;
}

/** The blocks of the devices of a sharding, in their order; all of an array that lies on one device. */
export function addressableShards(x: Value): readonly Shard[] {
  const { sharding } = x;
  if (!(sharding instanceof NamedSharding)) {
    const index = x.shape.map((size): BlockRange => [0, size]);
    return [{ device: x.device, index, replicaId: 0, data: x }];
  }
  const seen = new Map<string, { readonly data: Value; count: number }>();
  return [...sharding.devicesIndicesMap(x.shape)].map(([device, index]) => {
    const key = JSON.stringify(index);
    let known = seen.get(key);
    if (known === undefined) {
      const [starts, limits] = [index.map(([start]) => start), index.map(([, stop]) => stop)];
      seen.set(key, (known = { data: slice(x, starts, limits), count: 0 }));
    }
    return { device, index, replicaId: known.count++, data: known.data };
  });
}
