/** `palladia/hlo`: StableHLO programs as text. */
import './setup/start.ts';

export { parseModule as parse } from '../lowering/hlo/parse.ts';
export { printModule as print } from '../lowering/hlo/print.ts';
export { verifyModule as verify } from '../lowering/hlo/verify.ts';
export type { HloModule } from '../lowering/hlo/ir.ts';
