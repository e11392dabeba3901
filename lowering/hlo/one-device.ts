/**
 * Collectives where there is one device: each of its groups is the device alone, which keeps what it has. A program whose groups are
 * larger is for several devices; nothing here runs those.
 */
import { LoweringError } from '../../core/errors.ts';
import type { HloBuilder } from './build.ts';
import type { HloModule, HloOp, HloValue } from './ir.ts';

/** Targets of the custom calls between whole arrays and the blocks of each device. */
export const toBlocksTarget = 'SPMDFullToShardShape';
export const fromBlocksTarget = 'SPMDShardToFullShape';

const isBlockCall = (op: HloOp): boolean =>
  op.kind === 'custom_call' &&
  (op.attrs.target === toBlocksTarget || op.attrs.target === fromBlocksTarget);

const noDevice = 'Run it with XLA on as many devices, or lower the function without spmd.';

/** What an op that devices do together gives on one device: its operands, or zeros; undefined for all other ops. */
export function onOneDevice(op: HloOp): 'operands' | 'zeros' | undefined {
  switch (op.kind) {
    case 'partition_id':
    case 'replica_id':
      return 'zeros';
    case 'all_reduce':
    case 'all_gather':
    case 'all_to_all':
    case 'reduce_scatter':
      checkAlone(op, op.attrs.groups);
      return 'operands';
    case 'collective_broadcast':
      checkAlone(op, op.attrs.groups);
      return op.attrs.groups.some((group) => group[0] === 0) ? 'operands' : 'zeros';
    case 'collective_permute':
      checkAlone(
        op,
        op.attrs.pairs.filter(([from, to]) => from !== to),
      );
      return op.attrs.pairs.length > 0 ? 'operands' : 'zeros';
    default:
      return isBlockCall(op) ? 'operands' : undefined;
  }
}

function checkAlone(op: HloOp, groups: readonly (readonly number[])[]): void {
  const others = groups.find((group) => group.filter((id) => id >= 0).length > 1);
  if (others !== undefined)
    throw new LoweringError(
      `${op.kind}: a program runs on one device here; got devices ${others.join(', ')} that work together. ${noDevice}`,
    );
}

/** Replace an op that devices do together by what it gives on one device; undefined for all other ops. */
export function emitOnOneDevice(
  b: HloBuilder,
  op: HloOp,
  operands: readonly HloValue[],
): readonly HloValue[] | undefined {
  switch (onOneDevice(op)) {
    case undefined:
      return undefined;
    case 'operands':
      return operands;
    case 'zeros':
      return op.results.map(({ type }) => b.constant(0, type.dtype, type.shape));
  }
}

/**
 * Refuse programs whose devices do different things.
 *
 * @throws LoweringError for modules of several partitions that hold collectives or blocks of devices.
 */
export function checkOneDevice(what: string, { functions, numPartitions = 1 }: HloModule): void {
  if (numPartitions === 1) return;
  const pending = functions.flatMap((fn) => fn.body.ops);
  for (let op = pending.pop(); op !== undefined; op = pending.pop()) {
    if (isTogether(op))
      throw new LoweringError(
        `${what}: a program runs on one device here; got a program for ${numPartitions} partitions. ${noDevice}`,
      );
    for (const region of op.regions) pending.push(...region.ops);
  }
}

const together: ReadonlySet<HloOp['kind']> = new Set([
  'all_reduce',
  'all_gather',
  'all_to_all',
  'collective_broadcast',
  'collective_permute',
  'reduce_scatter',
  'partition_id',
  'replica_id',
]);

const isTogether = (op: HloOp): boolean => together.has(op.kind) || isBlockCall(op);
