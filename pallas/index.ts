/** The public face of the kernel language. */
export {
  pallasCall,
  pallasCallP,
  type KernelFunction,
  type PallasOptions,
  type ShapeLike,
} from './call.ts';
export {
  BlockSpec,
  cdiv,
  numPrograms,
  programId,
  type BlockSize,
  type DimensionSemantics,
  type IndexMap,
} from './grid.ts';
export { forceInterpretMode } from './interpret-mode.ts';
export type { InterpretMode } from './interpret-call.ts';
export { ds, Slice, type RefIndex } from '../lax/ref-index.ts';
export type { CostEstimate } from './params.ts';
export { Ref, type AccessOptions, type LoadOptions } from '../lax/ref.ts';
export { when } from './when.ts';
export * as ops from './ops/index.ts';
