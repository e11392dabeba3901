/** The parameters of `scan`, and how its operands are grouped. */
import type { Jaxpr } from '../core/jaxpr.ts';
import { split } from '../transforms/jaxpr-cache.ts';

/** Parameters of `scan`. */
export interface ScanParams {
  /** Constants, carry, slices of the stacked inputs → carry, slices of the stacked outputs. */
  readonly jaxpr: Jaxpr;
  readonly length: number;
  /** Whether the steps go from the last slice to the first. */
  readonly reverse: boolean;
  /** How many steps one iteration of the lowered loop makes. */
  readonly unroll: number;
  readonly numConsts: number;
  readonly numCarry: number;
}

/** Numbers `from … from + count - 1`. */
export const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i);

/** Operands apart: constants, carry, stacked inputs. */
export const splitOperands = <T>(xs: readonly T[], { numConsts, numCarry }: ScanParams): T[][] =>
  split(xs, [numConsts, numCarry, xs.length - numConsts - numCarry]);
