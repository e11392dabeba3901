/** What the laws share: arguments as they are given, or random ones. */
import { ArgumentError, makeJaxpr, type Value } from '../index.ts';
import { LawError } from './compare.ts';
import {
  argumentsLabel,
  forAll,
  isArbitrary,
  type Arbitrary,
  type PropertyOptions,
} from './property.ts';
import { codeOf } from './show.ts';

/** A function of trees of arrays. */
export type TreeFunction = (...args: never[]) => unknown;

/** Arguments of a call, or an arbitrary of them: the law is then tried on many, and a failure shrinks. */
export type Arguments = readonly unknown[] | Arbitrary<readonly unknown[]>;

/** Options that every law has: how to try it on random arguments; the seed also chooses random directions. */
export type LawOptions = PropertyOptions;

function jaxprText(f: TreeFunction, args: readonly unknown[]): string {
  try {
    return makeJaxpr(f as (...xs: Value[]) => unknown)(...args).toString();
  } catch (error) {
    return `none: ${String(error)}`;
  }
}

/** A law of one function. */
export interface Law {
  readonly name: string;
  readonly f: TreeFunction;
  /** How it is called, with `args` for the arguments. */
  readonly call?: string;
}

/**
 * Check a law at given arguments, or on random ones. A failure tells the call to paste, with the arguments as code, and the jaxpr of the function.
 *
 * @throws LawError when the law does not hold.
 */
export async function overArguments(
  law: Law,
  args: Arguments,
  options: LawOptions,
  check: (args: readonly unknown[]) => Promise<void>,
): Promise<void> {
  const { name, f, call = `${name}(f, args)` } = law;
  if (!isArbitrary(args) && !Array.isArray(args))
    throw new ArgumentError(
      `${name}: the arguments must be a list, or an arbitrary of lists; got ${String(args)}. Write [x] for one argument.`,
    );
  const told = async (given: readonly unknown[]): Promise<void> => {
    try {
      await check(given);
    } catch (error) {
      if (!(error instanceof LawError) || error.message.includes(argumentsLabel)) throw error;
      const [reason] = error.message.split('\n    at ');
      const again = `await testing.${call.replace(/\bargs\b(?!:)/, await codeOf(given))};`;
      throw new LawError(`${reason}${argumentsLabel}${again}\n  jaxpr: ${jaxprText(f, given)}`, {
        cause: error,
      });
    }
  };
  if (isArbitrary(args)) await forAll(args, told, options);
  else await told(args);
}
