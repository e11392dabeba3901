/** Builds the ops that devices do together, as JAX does for the partitions of one program: on channel 1, with devices by their numbers. */
import type { Combiner } from '../scalar.ts';
import type { HloBuilder } from './build.ts';
import { tensor } from './infer.ts';
import type { HloValue, Region } from './ir.ts';

type Groups = readonly (readonly number[])[];

const channel = { handle: 1, type: 1 } as const;
const among = (groups: Groups) => ({ groups, channel, useGlobalDeviceIds: true }) as const;

const combining = (b: HloBuilder, x: HloValue, combiner: Combiner): Region => {
  const scalar = tensor([], x.type.dtype);
  return b.region([scalar, scalar], (p, q) => [b.scalar(combiner, p, q)]);
};

/** The values of a group combined, at each of its devices. */
export const allReduce = (
  b: HloBuilder,
  x: HloValue,
  combiner: Combiner,
  groups: Groups,
): HloValue =>
  b.emit('all_reduce', [x], { attrs: among(groups), regions: [combining(b, x, combiner)] }, [
    x.type,
  ])[0];

/** The values of a group one after the other along an axis, at each of its devices. */
export function allGather(b: HloBuilder, x: HloValue, dim: number, groups: Groups): HloValue {
  const { shape, dtype } = x.type;
  const type = tensor(shape.with(dim, shape[dim] * groups[0].length), dtype);
  return b.emit('all_gather', [x], { attrs: { dim, ...among(groups) } }, [type])[0];
}

/** The sum over a group, cut along an axis: each device gets its part. */
export function reduceScatter(b: HloBuilder, x: HloValue, dim: number, groups: Groups): HloValue {
  const { shape, dtype } = x.type;
  const type = tensor(shape.with(dim, shape[dim] / groups[0].length), dtype);
  const regions = [combining(b, x, 'add')];
  return b.emit('reduce_scatter', [x], { attrs: { dim, ...among(groups) }, regions }, [type])[0];
}

/** Each device gets its part of one axis from all of its group, one after the other along another axis. */
export function allToAll(
  b: HloBuilder,
  x: HloValue,
  [splitDim, concatDim]: readonly [number, number],
  groups: Groups,
): HloValue {
  const splitCount = groups[0].length;
  const parts = x.type.shape.with(splitDim, x.type.shape[splitDim] / splitCount);
  const type = tensor(parts.with(concatDim, parts[concatDim] * splitCount), x.type.dtype);
  const attrs = { groups, channel, splitDim, concatDim, splitCount };
  return b.emit('all_to_all', [x], { attrs }, [type])[0];
}

/** Each device gets the value of the device that sends to it, zeros where none does. */
export const collectivePermute = (b: HloBuilder, x: HloValue, pairs: Groups): HloValue =>
  b.emit('collective_permute', [x], { attrs: { pairs, channel } }, [x.type])[0];
