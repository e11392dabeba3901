/** Placeholder until the printer lands in the next commit. */
import type { HloModule } from './ir.ts';
/** Print. */
export function printModule(m: HloModule): string { return m.name; }
