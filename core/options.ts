/** Checks at the doors of functions of functions: is it a function, are the options ones that exist. Types say the same; programs without types need it. */
import { describe } from './array.ts';
import { ArgumentError } from './errors.ts';

/** Refuse what is no function. @throws ArgumentError naming what was given. */
export function checkFunction(op: string, f: unknown): void {
  if (typeof f !== 'function')
    throw new ArgumentError(
      `${op}: there must be a function to transform or to run; got ${describe(f)}. Pass the function itself, not its result.`,
    );
}

/** Refuse options that do not exist, which would be ignored silently. @throws ArgumentError naming the first. */
export function checkOptions(op: string, options: object, known: readonly string[]): void {
  for (const name in options)
    if (!known.includes(name))
      throw new ArgumentError(
        `${op}: options must be among ${known.join(', ')}; got ${name}. Check the spelling.`,
      );
}
