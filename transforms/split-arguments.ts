/** Arguments of a call that are arrays to a transformation, apart from those that are any JavaScript values. */
import { ArgumentError } from '../core/errors.ts';
import { where, whereNot } from './jaxpr-cache.ts';

/** Arguments of a call, the differentiable ones apart. */
export interface SplitArguments {
  readonly nondiff: readonly unknown[];
  readonly diff: readonly unknown[];
  /** All arguments, with other values for the differentiable ones. */
  readonly fill: (diff: readonly unknown[]) => never[];
}

/**
 * Take a call apart.
 *
 * @param option what the positions are called in errors
 * @throws ArgumentError when a position names no argument.
 */
export function splitArguments(
  op: string,
  option: string,
  args: readonly unknown[],
  positions: readonly number[],
): SplitArguments {
  const fixed = new Set(positions.map((n) => (n < 0 ? n + args.length : n)));
  for (const n of fixed)
    if (!Number.isInteger(n) || n < 0 || n >= args.length)
      throw new ArgumentError(
        `${op}: ${option} must name arguments of the call; got ${n} for a call with ${args.length} arguments. Pass the argument, or change ${option}.`,
      );
  const isHole = args.map((_, i) => !fixed.has(i));
  return {
    nondiff: whereNot(args, isHole),
    diff: where(args, isHole),
    fill: withHoles(args, isHole) as SplitArguments['fill'],
  };
}

/**
 * A list with holes, as the function that fills them in order. It may outlive the call that made it: what stood in the holes is
 * not kept in memory.
 */
export function withHoles(
  list: readonly unknown[],
  isHole: readonly boolean[],
): (given: readonly unknown[]) => unknown[] {
  const fixed = list.map((x, i) => (isHole[i] ? undefined : x));
  return (given) => {
    let next = 0;
    return fixed.map((x, i) => (isHole[i] ? given[next++] : x));
  };
}

/** All arguments in their places, from the two lists that a rule gets. */
export function fillArguments(
  nondiff: readonly unknown[],
  diff: readonly unknown[],
  nondiffArgnums: readonly number[],
): unknown[] {
  const count = nondiff.length + diff.length;
  const fixed = new Set(nondiffArgnums.map((n) => (n < 0 ? n + count : n)));
  let [i, j] = [0, 0];
  return Array.from({ length: count }, (_, at) => (fixed.has(at) ? nondiff[i++] : diff[j++]));
}
