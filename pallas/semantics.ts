/**
 * Which axes of a grid are parallel. An axis is parallel if it is declared so, or if the index maps of all outputs are proved injective along
 * it: then different programs write different blocks. Every other axis runs in order within one program.
 */
import { KernelError } from '../core/errors.ts';
import { outputAxes } from '../lowering/tile/affine.ts';
import type { GridAxis, Kernel } from '../lowering/tile/ir.ts';
import type { DimensionSemantics } from './grid.ts';

/** @throws KernelError when an axis is declared parallel although its steps provably write one block. */
export function gridSemantics(kernel: Kernel, declared: readonly DimensionSemantics[]): GridAxis[] {
  const outputs = kernel.operands.filter((o) => o.access !== 'read');
  const { injective } = outputAxes(kernel.grid, outputs);
  const revisits = (axis: number): number =>
    outputs.findIndex((o) => outputAxes(kernel.grid, [o]).revisited[axis]);
  return kernel.grid.map(({ extent }, axis): GridAxis => {
    if (declared[axis] === 'sequential') return { extent, semantics: 'sequential' };
    if (declared[axis] === 'parallel') {
      const at = revisits(axis);
      if (at >= 0)
        throw new KernelError(
          `pallasCall: axis ${axis} of the grid is declared parallel, but its ${extent} programs write the same block of output ${at} (kernel ${kernel.name}). Declare it 'arbitrary', or make the output's index map depend on it.`,
        );
      return { extent, semantics: 'parallel' };
    }
    return { extent, semantics: injective[axis] ? 'parallel' : 'sequential' };
  });
}
