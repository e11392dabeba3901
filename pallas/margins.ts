/** How far the windows of a kernel can reach out of every memory: the margin that the emulation pads with. */
import type { Kernel, TileRegion, TileValue } from '../lowering/tile/ir.ts';

/**
 * The largest window on every dimension of every memory: by the ref that is all of it, which is an argument of the body or made by `alloc`.
 * Blocks may overhang; scratch memory and what `alloc` makes have a margin only where parts of them are read or written.
 */
export function margins(kernel: Kernel): ReadonlyMap<TileValue, readonly number[]> {
  const margin = new Map<TileValue, number[]>();
  const windows = new Map<TileValue, { memory: TileValue; dims: readonly number[] }>();
  const { operands, scratch, body } = kernel;
  operands.forEach((o, i) => {
    margin.set(
      body.args[i],
      o.block.dims.map((d) => (d.kind === 'squeezed' ? 1 : d.size)),
    );
    const dims = o.block.dims.flatMap((d, axis) => (d.kind === 'squeezed' ? [] : [axis]));
    windows.set(body.args[i], { memory: body.args[i], dims });
  });
  const whole = (ref: TileValue): void => {
    margin.set(
      ref,
      ref.type.shape.map(() => 0),
    );
    windows.set(ref, { memory: ref, dims: ref.type.shape.map((_, axis) => axis) });
  };
  scratch.forEach((_, i) => whole(body.args[operands.length + i]));
  const visit = ({ ops }: TileRegion): void => {
    for (const op of ops) {
      if (op.kind === 'alloc') whole(op.results[0]);
      op.regions.forEach(visit);
      if (op.kind !== 'slice_ref' && op.kind !== 'transpose_ref') continue;
      const from = windows.get(op.operands[0]);
      if (from === undefined) continue;
      if (op.kind === 'transpose_ref') {
        const dims = op.attrs.permutation.map((p) => from.dims[p]);
        windows.set(op.results[0], { memory: from.memory, dims });
        continue;
      }
      const { sizes, strides, squeeze } = op.attrs;
      const reach = margin.get(from.memory);
      from.dims.forEach((dim, i) => {
        if (reach !== undefined) reach[dim] = Math.max(reach[dim], (sizes[i] - 1) * strides[i] + 1);
      });
      windows.set(op.results[0], {
        memory: from.memory,
        dims: from.dims.filter((_, i) => !squeeze.includes(i)),
      });
    }
  };
  visit(body);
  return margin;
}
