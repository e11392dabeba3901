/** The parameters of `pallas_call`: everything about a kernel but its operands. */
import { Aval } from '../core/aval.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { BlockSize, DimensionSemantics } from './grid.ts';

/** The blocks of one operand. */
export interface OperandBlocks {
  /** The whole array. */
  readonly array: Aval;
  readonly blockShape: readonly BlockSize[];
  /** Grid indices → one block index per axis of the array. */
  readonly indexMap: Jaxpr;
}

/** What a kernel is said to cost, for schedulers and cost analysis. */
export interface CostEstimate {
  readonly flops: number;
  readonly transcendentals: number;
  readonly bytesAccessed: number;
}

/** Parameters of `pallas_call`. Operands: the inputs. Results: the outputs. */
export interface PallasParams {
  readonly name: string;
  /** Over refs: inputs, outputs, scratch. No results. */
  readonly jaxpr: Jaxpr;
  readonly grid: readonly number[];
  readonly semantics: readonly DimensionSemantics[];
  readonly inputs: readonly OperandBlocks[];
  readonly outputs: readonly OperandBlocks[];
  readonly scratch: readonly Aval[];
  /** Input number → output number that starts with its contents. */
  readonly aliases: readonly (readonly [input: number, output: number])[];
  /** Leading axes of the grid that vmap added, which the kernel does not see. */
  readonly hiddenAxes: number;
  /** Whether the kernel computes values and tangents together: what `jvp` made of another. */
  readonly isDerivative: boolean;
  /** Run in the checking interpreter. */
  readonly interpret: boolean;
  readonly cost: CostEstimate | undefined;
}

/** Shape of the ref that a kernel sees of an operand. */
export const refShape = ({ blockShape }: OperandBlocks): number[] =>
  blockShape.flatMap((n) => (n === null ? [] : [n]));

/** The type of the ref that a kernel sees of an operand. */
export const refAval = (blocks: OperandBlocks): Aval =>
  new Aval(refShape(blocks), blocks.array.dtype, false, true);
