/** `scan` in JavaScript, step by step: without jit, and when somebody looks for the step that went wrong. */
import type { Value } from '../core/value.ts';
import { zerosOf } from '../lax/creation.ts';
import { concatenate, slice } from '../lax/slicing.ts';
import { reshape } from '../lax/structure.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import type { ScanParams } from './scan-params.ts';

/** Run the loop step by step. */
export function scanStepwise(
  operands: readonly Value[],
  { jaxpr, length, reverse, numConsts, numCarry }: ScanParams,
): Value[] {
  const consts = operands.slice(0, numConsts);
  let carry = operands.slice(numConsts, numConsts + numCarry);
  const rows: Value[][] = [];
  for (let k = 0; k < length; k++) {
    const at = reverse ? length - 1 - k : k;
    const xs = operands.slice(numConsts + numCarry).map((x) => row(x, at));
    const outs = evalJaxpr(jaxpr, [...consts, ...carry, ...xs]);
    carry = outs.slice(0, numCarry);
    rows[at] = outs.slice(numCarry);
  }
  const ys = jaxpr.outAvals.slice(numCarry).map((aval, i) =>
    length === 0
      ? zerosOf(aval.withShape([0, ...aval.shape]))
      : concatenate(
          rows.map((r) => reshape(r[i], [1, ...aval.shape])),
          0,
        ),
  );
  return [...carry, ...ys];
}

function row(x: Value, at: number): Value {
  const starts = x.shape.map((_, i) => (i === 0 ? at : 0));
  const limits = x.shape.map((n, i) => (i === 0 ? at + 1 : n));
  return reshape(slice(x, starts, limits), x.shape.slice(1));
}
