/** Recognises regions that are one scalar function: the form that printers print short and emitters run fast. */
import { combiners, type Combiner, type ScalarFn } from '../scalar.ts';
import type { Region } from './ir.ts';

/** The scalar function that a region of two arguments applies to them (in either order when it commutes), or undefined. */
export function regionFunction(region: Region): ScalarFn | undefined {
  const [op] = region.ops;
  if (region.ops.length !== 1 || op.kind !== 'scalar' || region.args.length !== 2) return undefined;
  const [a, b] = region.args;
  const isInOrder = op.operands[0] === a && op.operands[1] === b;
  const isSwapped = op.operands[0] === b && op.operands[1] === a && isCombiner(op.attrs.fn);
  const isResult = region.results.length === 1 && region.results[0] === op.results[0];
  return isResult && (isInOrder || isSwapped) ? op.attrs.fn : undefined;
}

/** The named combiner that a region is, or undefined. All named combiners commute. */
export function regionCombiner(region: Region): Combiner | undefined {
  const fn = regionFunction(region);
  return fn !== undefined && isCombiner(fn) ? fn : undefined;
}

const isCombiner = (fn: ScalarFn): fn is Combiner => (combiners as readonly string[]).includes(fn);

/** Whether a region gives its second argument: the combiner of a scatter that overwrites. */
export const isOverwrite = (region: Region): boolean =>
  region.results.length * 2 === region.args.length &&
  region.results.every((r, i) => r === region.args[i + region.results.length]);
