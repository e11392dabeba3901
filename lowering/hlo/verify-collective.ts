/** Rules of the ops that devices do together. Labels (C1, …) are the constraints of the op's section in the StableHLO specification. */
import { showShape, sameShape } from '../../core/shape.ts';
import { tensor } from './infer.ts';
import { sameTensorType, type CollectiveKind, type HloOp, type TensorType } from './ir.ts';
import { showType } from './type-text.ts';
import { check, checkAxes } from './verify-check.ts';

type CollectiveOp = HloOp<CollectiveKind>;

const show = (groups: readonly (readonly number[])[]): string =>
  `[${groups.map(showShape).join(', ')}]`;

/** Check a collective. @throws LoweringError naming the op, the rule and the facts. */
export function verifyCollective(op: CollectiveOp): void {
  if (op.kind === 'collective_permute') return verifyPermute(op);
  const { groups, channel } = op.attrs;
  const ids = groups.flat().filter((id) => id >= 0);
  check(
    groups.every((group) => group.length === groups[0].length && group.every((id) => id >= -1)) &&
      new Set(ids).size === ids.length,
    op,
    'replica_groups must be lists of one length that hold each device at most once',
    show(groups),
  ); // is_unique(replica_groups), 0 <= replica_groups
  const isGlobal = 'useGlobalDeviceIds' in op.attrs && op.attrs.useGlobalDeviceIds;
  check(
    !isGlobal || (channel !== undefined && channel.handle > 0),
    op,
    'use_global_device_ids needs a channel with a positive handle',
    channel === undefined ? 'no channel' : `handle ${channel.handle}`,
  );
  check(
    op.operands.length === op.results.length,
    op,
    `has ${op.operands.length} results`,
    String(op.results.length),
  );
  op.operands.forEach(({ type }, i) => verifyResult(op, type, op.results[i].type, i));
}

/** How many devices of a group work together; undefined where the groups do not say. */
const memberCount = (groups: readonly (readonly number[])[]): number | undefined =>
  groups[0]?.length;

function verifyResult(
  op: Exclude<CollectiveOp, HloOp<'collective_permute'>>,
  x: TensorType,
  result: TensorType,
  index: number,
): void {
  const expected = resultType(op, x, result);
  check(
    sameTensorType(expected, result),
    op,
    `result ${index} must be ${showType(expected)}`,
    showType(result),
  );
}

function resultType(
  op: Exclude<CollectiveOp, HloOp<'collective_permute'>>,
  x: TensorType,
  result: TensorType,
): TensorType {
  const members = memberCount(op.attrs.groups);
  switch (op.kind) {
    case 'all_reduce':
    case 'collective_broadcast':
      return x;
    case 'all_gather': {
      const { dim } = op.attrs;
      checkAxes(op, 'all_gather_dim', [dim], x.shape.length); // C1
      const count = members ?? wholeMultiple(result.shape[dim], x.shape[dim]);
      return tensor(x.shape.with(dim, x.shape[dim] * count), x.dtype); // C6
    }
    case 'all_to_all': {
      const { splitDim, concatDim, splitCount } = op.attrs;
      checkAxes(op, 'split_dimension', [splitDim], x.shape.length); // C1
      checkAxes(op, 'concat_dimension', [concatDim], x.shape.length); // C3
      check(
        splitCount > 0 && (members ?? splitCount) === splitCount,
        op,
        'split_count must be the number of devices of a group',
        `${splitCount} for groups of ${members ?? 'all'}`,
      ); // C4, C8
      checkParts(op, x, splitDim, splitCount); // C2
      const shape = x.shape.with(splitDim, x.shape[splitDim] / splitCount);
      return tensor(shape.with(concatDim, shape[concatDim] * splitCount), x.dtype); // C9
    }
    case 'reduce_scatter': {
      const { dim } = op.attrs;
      checkAxes(op, 'scatter_dimension', [dim], x.shape.length); // C2
      const count = members ?? wholeMultiple(x.shape[dim], result.shape[dim]);
      checkParts(op, x, dim, count); // C1
      return tensor(x.shape.with(dim, x.shape[dim] / count), x.dtype); // C8
    }
  }
}

/** How often `part` goes into `size`; once where it does not. */
const wholeMultiple = (size: number | undefined, part: number | undefined): number =>
  size !== undefined && part !== undefined && part > 0 && size % part === 0 ? size / part : 1;

function checkParts(op: HloOp, x: TensorType, dim: number, count: number): void {
  check(
    count > 0 && x.shape[dim] % count === 0,
    op,
    `axis ${dim} must be a multiple of the number of parts`,
    `${showType(x)} for ${count}`,
  );
}

function verifyPermute(op: HloOp<'collective_permute'>): void {
  const { pairs } = op.attrs;
  const isOnce = (ids: readonly number[]): boolean =>
    new Set(ids).size === ids.length && ids.every((id) => id >= 0);
  check(
    pairs.every((pair) => pair.length === 2) &&
      isOnce(pairs.map(([from]) => from)) &&
      isOnce(pairs.map(([, to]) => to)),
    op,
    'source_target_pairs must be pairs in which each device sends at most once and gets at most once',
    show(pairs),
  ); // C1 - C4
  const [{ type: x }] = op.operands;
  const [{ type: result }] = op.results;
  check(
    x.dtype === result.dtype && sameShape(x.shape, result.shape),
    op,
    `the result must be ${showType(x)}`,
    showType(result),
  ); // C6
}
