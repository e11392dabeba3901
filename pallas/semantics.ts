/**
 * Which axes of a grid are parallel. An axis is parallel if it is declared so, or if every output has a dimension whose block index depends on
 * this axis alone: then different programs write different blocks. Every other axis runs in order within one program.
 */
import { KernelError } from '../core/errors.ts';
import { affineOf } from '../lowering/tile/affine.ts';
import type { GridAxis, Kernel } from '../lowering/tile/ir.ts';
import type { DimensionSemantics } from './grid.ts';

/** Block indices of an output as affine functions of the grid; undefined where that is not known. */
type Maps = readonly (readonly number[] | undefined)[];

const separates = (maps: Maps, axis: number): boolean =>
  maps.some(
    (coefficients) =>
      coefficients !== undefined && coefficients.every((c, i) => (i === axis ? c !== 0 : c === 0)),
  );

/** Whether the blocks provably do not depend on the axis, so that its steps write the same block. */
const revisits = (maps: Maps, axis: number): boolean =>
  maps.every((coefficients) => coefficients !== undefined && coefficients[axis] === 0);

/** @throws KernelError when an axis is declared parallel although its steps provably write one block. */
export function gridSemantics(kernel: Kernel, declared: readonly DimensionSemantics[]): GridAxis[] {
  const outputs = kernel.operands.filter((o) => o.access !== 'read');
  const maps = outputs.map((o): Maps =>
    o.block.indexMap.results.map(
      (r) => affineOf(r, o.block.indexMap, kernel.grid.length)?.coefficients,
    ),
  );
  return kernel.grid.map(({ extent }, axis): GridAxis => {
    if (declared[axis] === 'sequential') return { extent, semantics: 'sequential' };
    if (declared[axis] === 'parallel') {
      const at = maps.findIndex((m) => revisits(m, axis));
      if (at >= 0 && extent > 1)
        throw new KernelError(
          `pallasCall: axis ${axis} of the grid is declared parallel, but its ${extent} programs write the same block of output ${at} (kernel ${kernel.name}). Declare it 'arbitrary', or make the output's index map depend on it.`,
        );
      return { extent, semantics: 'parallel' };
    }
    return {
      extent,
      semantics: extent <= 1 || maps.every((m) => separates(m, axis)) ? 'parallel' : 'sequential',
    };
  });
}
