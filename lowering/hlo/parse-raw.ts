/** An op as it was written: the common ground of pretty and generic forms. */
import type { HloValue, Region, TensorType } from './ir.ts';
import type { Attributes } from './parse-attribute.ts';

/** An op before its attributes are understood. */
export interface RawOp {
  /** With its dialect: `stablehlo.add`, `func.call`. */
  readonly name: string;
  /** Where it stands, for errors. */
  readonly position: number;
  readonly operands: readonly HloValue[];
  /** By StableHLO's property names. */
  readonly attributes: Attributes;
  readonly regions: readonly Region[];
  readonly resultTypes: readonly TensorType[];
}

/** Number of axes of the first operand. */
export const rankOf = (op: RawOp): number => op.operands[0]?.type.shape.length ?? 0;
