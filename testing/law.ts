/** What the laws share: arguments as they are given, or random ones. */
import { ArgumentError, makeJaxpr, type Value } from '../index.ts';
import { LawError } from './compare.ts';
import {
  argumentsLabel,
  forAll,
  freshSeed,
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
  /** What it is called with, `args` for the arguments; `f, args` when left out. */
  readonly parameters?: string;
  /** Options that the call is written with: what the law depends on beside its arguments. */
  readonly written?: Readonly<Record<string, unknown>>;
  /** Whether the seed chooses random directions, so that the call must be written with it. */
  readonly hasDirections?: boolean;
}

/** The options of a call as code, after a comma; none where all are left out. */
async function optionsText(options: Readonly<Record<string, unknown>>): Promise<string> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `, ${await codeOf(Object.fromEntries(given))}`;
}

/**
 * Check a law at given arguments, or on random ones. A failure tells the call to paste, with the arguments as code, and the jaxpr of the
 * function. One seed chooses random arguments and directions, so that what a failure prints leads to the same failure.
 *
 * @throws LawError when the law does not hold.
 */
export async function overArguments(
  law: Law,
  args: Arguments,
  options: LawOptions,
  check: (args: readonly unknown[], seed: number) => Promise<void>,
): Promise<void> {
  const { name, f, parameters = 'f, args', written = {}, hasDirections = false } = law;
  if (typeof f !== 'function')
    throw new ArgumentError(
      `${name}: there must be a function whose law is checked; got ${String(f)}. Pass the function itself.`,
    );
  if (!isArbitrary(args) && !Array.isArray(args))
    throw new ArgumentError(
      `${name}: the arguments must be a list, or an arbitrary of lists; got ${String(args)}. Write [x] for one argument.`,
    );
  const seed = options.seed ?? (isArbitrary(args) ? freshSeed() : 0);
  const told = async (given: readonly unknown[]): Promise<void> => {
    try {
      await check(given, seed);
    } catch (error) {
      if (!(error instanceof LawError) || error.message.includes(argumentsLabel)) throw error;
      const [reason] = error.message.split('\n    at ');
      const needed = { ...written, ...(hasDirections && seed !== 0 ? { seed } : {}) };
      const call = `${name}(${parameters}${await optionsText(needed)})`;
      const code = await codeOf(given);
      const again = `await testing.${call.replace(/\bargs\b(?!:)/, () => code)};`;
      throw new LawError(`${reason}${argumentsLabel}${again}\n  jaxpr: ${jaxprText(f, given)}`, {
        cause: error,
      });
    }
  };
  if (isArbitrary(args)) await forAll(args, told, { ...options, seed });
  else await told(args);
}
