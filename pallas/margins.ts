/** How far the windows of a kernel can reach out of every buffer: the margin that the emulation pads with. */
import type { Kernel, TileRegion, TileValue } from '../lowering/tile/ir.ts';

/** The largest window on every dimension of every memory. */
export function margins(kernel: Kernel): number[][] {
  const memoryOf = new Map<TileValue, { memory: number; dims: readonly number[] }>();
  const margin = kernel.operands.map((o) =>
    o.block.dims.map((d) => (d.kind === 'squeezed' ? 1 : d.size)),
  );
  kernel.operands.forEach((o, memory) => {
    const dims = o.block.dims.flatMap((d, i) => (d.kind === 'squeezed' ? [] : [i]));
    memoryOf.set(kernel.body.args[memory], { memory, dims });
  });
  const pending: TileRegion[] = [kernel.body];
  for (let region = pending.pop(); region !== undefined; region = pending.pop()) {
    for (const op of region.ops) {
      pending.push(...op.regions);
      if (op.kind !== 'slice_ref' && op.kind !== 'transpose_ref') continue;
      const from = memoryOf.get(op.operands[0]);
      if (from === undefined) continue;
      if (op.kind === 'transpose_ref') {
        memoryOf.set(op.results[0], {
          memory: from.memory,
          dims: op.attrs.permutation.map((p) => from.dims[p]),
        });
        continue;
      }
      const { sizes, strides, squeeze } = op.attrs;
      from.dims.forEach((dim, i) => {
        const reach = (sizes[i] - 1) * strides[i] + 1;
        margin[from.memory][dim] = Math.max(margin[from.memory][dim], reach);
      });
      memoryOf.set(op.results[0], {
        memory: from.memory,
        dims: from.dims.filter((_, i) => !squeeze.includes(i)),
      });
    }
  }
  return margin;
}
