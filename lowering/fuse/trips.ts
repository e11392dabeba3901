/** How often loops run, where the program says it. */
import { constantOf } from '../hlo/constant.ts';
import { hasSideEffects, type HloOp, type HloValue } from '../hlo/ir.ts';

/** Trip count of `for (i = constant; i < constant; i += 1)`, which is what foriLoop and scan lower to. */
export function tripsOf(op: HloOp<'while'>): number | undefined {
  const [cond, body] = op.regions;
  if (cond.ops.some(hasSideEffects)) return undefined;
  const test = cond.results[0].def;
  if (test?.kind !== 'compare' || test.attrs.direction !== 'lt') return undefined;
  const counter = cond.args.indexOf(test.operands[0]);
  if (counter < 0) return undefined;
  const limit = boundOf(test.operands[1], op);
  const start = constantOf(op.operands[counter]);
  const step = body.results[counter].def;
  if (
    step?.kind !== 'scalar' ||
    step.attrs.fn !== 'add' ||
    limit === undefined ||
    start === undefined
  )
    return undefined;
  const [a, b] = step.operands;
  const one =
    a === body.args[counter] ? constantOf(b) : b === body.args[counter] ? constantOf(a) : undefined;
  return Number(one) === 1 ? Math.max(0, Number(limit) - Number(start)) : undefined;
}

/** A constant, or a carried value that the body hands on unchanged and that starts as a constant. */
function boundOf(value: HloValue, op: HloOp<'while'>): number | bigint | boolean | undefined {
  const [cond, body] = op.regions;
  const at = cond.args.indexOf(value);
  if (at < 0) return constantOf(value);
  return body.results[at] === body.args[at] ? constantOf(op.operands[at]) : undefined;
}
