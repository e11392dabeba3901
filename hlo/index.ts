/** StableHLO programs as text and as values. */
export { load, type LoadedFunction, type LoadOptions } from './load.ts';
export { interpretModule as interpret, type HostTensor } from '../lowering/hlo/interpret.ts';
export type {
  HloFunction,
  HloModule,
  HloOp,
  HloValue,
  Region,
  TensorType,
} from '../lowering/hlo/ir.ts';
export { parseModule as parse } from '../lowering/hlo/parse.ts';
export { printModule as print } from '../lowering/hlo/print.ts';
export { verifyModule as verify } from '../lowering/hlo/verify.ts';
