/** `palladia/lax`: the layer below numpy: strict functions, one per operation, and control flow. */
import './setup/start.ts';

export { cond, switch, switchBranch } from '../control/cond.ts';
export {
  associativeScan,
  map,
  type AssociativeScanOptions,
  type MapOptions,
} from '../control/map.ts';
export { customRoot, type CustomRootOptions } from '../control/root.ts';
export { scan, type ScanOptions } from '../control/scan.ts';
export { customLinearSolve, type CustomLinearSolveOptions } from '../control/solve.ts';
export { foriLoop, whileLoop, type ForiOptions } from '../control/while.ts';
export * from '../lax/index.ts';
