/** How the verifier refuses an op: a sentence with the op, the rule and the facts. */
import { LoweringError } from '../../core/errors.ts';
import { showShape } from '../../core/shape.ts';
import type { HloOp } from './ir.ts';
import { mnemonics } from './mnemonics.ts';

/** The name of an op in errors. */
export const opName = (op: HloOp): string =>
  op.kind === 'scalar' ? mnemonics[op.attrs.fn].replace(/^\w+\./, '') : op.kind;

/** Refuse an op that breaks a rule. */
export function check(
  condition: boolean,
  op: HloOp,
  rule: string,
  facts: string,
): asserts condition {
  if (condition) return;
  const line = op.frame === undefined ? '' : ` (${op.frame})`;
  throw new LoweringError(`${opName(op)}: ${rule}; got ${facts}.${line}`);
}

/** Axes: distinct, in range. */
export function checkAxes(op: HloOp, what: string, axes: readonly number[], rank: number): void {
  const isFit =
    new Set(axes).size === axes.length &&
    axes.every((d) => Number.isInteger(d) && d >= 0 && d < rank);
  check(isFit, op, `${what} must be distinct axes in [0, ${rank})`, showShape(axes));
}

/** One entry per axis. */
export function checkLength(op: HloOp, what: string, list: readonly unknown[], rank: number): void {
  check(
    list.length === rank,
    op,
    `${what} must have one entry per axis`,
    `${list.length} for ${rank} axes`,
  );
}
