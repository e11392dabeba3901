/** `palladia/lax`: the layer below numpy: strict functions, one per operation, and control flow. */
import './setup/start.ts';

export { cond, switch, switchBranch } from '../control/cond.ts';
export { map, scan, type ScanOptions } from '../control/scan.ts';
export { foriLoop, whileLoop, type ForiOptions } from '../control/while.ts';
export * from '../lax/index.ts';
