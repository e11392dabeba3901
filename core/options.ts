/** Checks at the doors of functions of functions: is it a function, are the options ones that exist. Types say the same; programs without types need it. */
import { describe, NDArray } from './array.ts';
import { ArgumentError, ConcretizationError } from './errors.ts';
import { Value } from './value.ts';

/** Refuse what is no function. @throws ArgumentError naming what was given. */
export function checkFunction(op: string, f: unknown): void {
  if (typeof f !== 'function')
    throw new ArgumentError(
      `${op}: there must be a function to transform or to run; got ${describe(f)}. Pass the function itself, not its result.`,
    );
}

/** Refuse what is no object of options, and options that do not exist, which would be ignored silently. @throws ArgumentError naming the first. */
export function checkOptions(op: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new ArgumentError(
      `${op}: options must be an object with ${known.join(', ')}; got ${describe(options)}. Put them in braces.`,
    );
  for (const name in options)
    if (!known.includes(name))
      throw new ArgumentError(
        `${op}: options must be among ${known.join(', ')}; got ${name}. Check the spelling.`,
      );
}

/** Options that are none but these. @throws ArgumentError as `checkOptions`. */
export function knownOptions<T extends object>(
  op: string,
  options: T,
  known: readonly (keyof T & string)[],
): T {
  checkOptions(op, options, known);
  return options;
}

/** Refuse what is no list. @throws ArgumentError naming what was given. */
export function checkList(op: string, argument: string, list: unknown, of = 'arrays'): void {
  if (!Array.isArray(list))
    throw new ArgumentError(
      `${op}: ${argument} must be a list of ${of}; got ${describe(list)}. Put it in brackets.`,
    );
}

/**
 * Refuse what is no list of numbers: sizes, axes, starts, by the names of their arguments. Which numbers are allowed is checked where they
 * are used.
 *
 * @throws ArgumentError naming what was given; ConcretizationError for traced values.
 */
export function checkNumberLists(op: string, lists: Readonly<Record<string, unknown>>): void {
  for (const [argument, list] of Object.entries(lists)) {
    checkList(op, argument, list, 'JavaScript numbers');
    const elements = list as readonly unknown[];
    const bad = elements.findIndex((x) => typeof x !== 'number');
    if (bad >= 0) refuseNumber(op, `${argument}[${bad}]`, elements[bad]);
  }
}

function refuseNumber(op: string, argument: string, given: unknown): never {
  if (given instanceof Value && !(given instanceof NDArray))
    throw new ConcretizationError(
      `${op}: ${argument} must be known when the program is traced; got ${String(given)}. Use x.shape and JavaScript numbers, or make the argument static.`,
    );
  throw new ArgumentError(
    `${op}: ${argument} must be a JavaScript number; got ${describe(given)}. Compute it with JavaScript numbers.`,
  );
}
