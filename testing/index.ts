/** A kit for testing functions by the laws of their transformations. */
export { assertClose, LawError, type Tolerance } from './compare.ts';
export {
  checkGrads,
  checkJit,
  checkJvp,
  checkVjp,
  checkVmap,
  type CheckGradsOptions,
  type GradientOptions,
  type TreeFunction,
} from './laws.ts';
