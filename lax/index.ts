/** The functions of `lax` and their primitives. Families in the order of the manual; what each file keeps for its siblings is left out. */
export * from './arithmetic.ts';
export * from './bits.ts';
export * from './collectives.ts';
export * from './comparison.ts';
export * from './convert.ts';
export * from './creation.ts';
export * from './cumulative.ts';
export * from './dot.ts';
export * from './exchange.ts';
export * from './indexing.ts';
export * from './random.ts';
export * from './reduction.ts';
export * from './slicing.ts';
export * from './sort.ts';
export * from './transcendental.ts';
export { addAny, addAnyP, type BinaryOp, type UnaryOp } from './elementwise.ts';
export type { AxisIndexGroups, AxisNames, GroupOptions } from './named-axis.ts';
export type {
  GatherDimensionNumbers,
  IndexMode,
  ScatterDimensionNumbers,
} from './dimension-numbers.ts';
export {
  broadcast,
  broadcastInDim,
  broadcastInDimP,
  expandDims,
  reduceSum,
  reduceSumP,
  reshape,
  reshapeP,
  rev,
  revP,
  squeeze,
  squeezeP,
  transpose,
  transposeP,
} from './structure.ts';
