/** A kit for testing functions, derivative rules and kernels by their laws, on values of your own or on random ones. */
export {
  arrays,
  blockSpecs,
  dtypes,
  shapes,
  trees,
  type ArrayOptions,
  type Blocks,
  type ShapeOptions,
} from './arbitraries.ts';
export { assertClose, LawError, type Tolerance } from './compare.ts';
export {
  checkCustomVjp,
  checkGrads,
  checkJvp,
  checkJvpVjp,
  checkVjp,
  type CheckGradsOptions,
  type GradientOptions,
} from './derivatives.ts';
export { checkKernel, type CheckKernelOptions, type KernelOfBlocks } from './kernels.ts';
export type { Arguments, LawOptions, TreeFunction } from './law.ts';
export {
  checkEngines,
  checkJit,
  checkVmap,
  type CheckEnginesOptions,
  type CheckVmapOptions,
} from './laws.ts';
export type { InnerFunction, Operation } from './operations.ts';
export { Program, programs, type ProgramOptions } from './programs.ts';
export { forAll, type Arbitrary, type PropertyOptions } from './property.ts';
