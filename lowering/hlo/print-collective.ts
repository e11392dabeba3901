/** Properties of the ops that devices do together, as MLIR writes them: in alphabetical order. */
import type { Channel, CollectiveKind, HloOp } from './ir.ts';
import { denseText } from './literal-text.ts';

/** The properties between `<{` and `}>`. */
export function collectiveProperties(op: HloOp<CollectiveKind>): string {
  const shared = channelText(op.attrs.channel);
  switch (op.kind) {
    case 'all_reduce':
      return joined(shared, groupsText(op.attrs.groups), globalText(op.attrs));
    case 'all_gather':
      return joined(
        `all_gather_dim = ${op.attrs.dim} : i64`,
        shared,
        groupsText(op.attrs.groups),
        globalText(op.attrs),
      );
    case 'all_to_all':
      return joined(
        shared,
        `concat_dimension = ${op.attrs.concatDim} : i64`,
        groupsText(op.attrs.groups),
        `split_count = ${op.attrs.splitCount} : i64`,
        `split_dimension = ${op.attrs.splitDim} : i64`,
      );
    case 'collective_broadcast':
      return joined(shared, groupsText(op.attrs.groups));
    case 'collective_permute':
      return joined(shared, `source_target_pairs = ${rowsText(op.attrs.pairs, 2)}`);
    case 'reduce_scatter':
      return joined(
        shared,
        groupsText(op.attrs.groups),
        `scatter_dimension = ${op.attrs.dim} : i64`,
        globalText(op.attrs),
      );
  }
}

const joined = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined).join(', ');

const channelText = (channel: Channel | undefined): string | undefined =>
  channel === undefined
    ? undefined
    : `channel_handle = #stablehlo.channel_handle<handle = ${channel.handle}, type = ${channel.type}>`;

const globalText = ({ useGlobalDeviceIds }: { readonly useGlobalDeviceIds: boolean }) =>
  useGlobalDeviceIds ? 'use_global_device_ids' : undefined;

const groupsText = (groups: readonly (readonly number[])[]): string =>
  `replica_groups = ${rowsText(groups, groups[0]?.length ?? 0)}`;

/** Lists of one length as a tensor of two axes. */
function rowsText(rows: readonly (readonly number[])[], length: number): string {
  const type = { shape: [rows.length, length], dtype: 'i32' } as const;
  return `${denseText({ splat: false, values: rows.flat() }, type)} : tensor<${rows.length}x${length}xi64>`;
}
