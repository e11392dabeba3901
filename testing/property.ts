/** Properties: a law over random values, with the smallest failure that was found as code. */
import fc from 'fast-check';
import { LawError } from './compare.ts';
import { codeOf } from './show.ts';

/** How a law is tried on random values. */
export interface PropertyOptions {
  /** How many values to try. 100 when left out. */
  readonly runs?: number;
  /** The seed that a failure printed, to see it again. */
  readonly seed?: number;
  /** The path that a failure printed: goes straight to it. */
  readonly path?: string;
}

/** Random values and how they shrink: an arbitrary of fast-check. */
export type Arbitrary<T> = fc.Arbitrary<T>;

/** A seed that nobody chose, or the one that fast-check is configured with. */
export const freshSeed = (): number =>
  fc.readConfigureGlobal().seed ?? Math.floor(Math.random() * 2 ** 31);

/** What stands before the arguments in a message. */
export const argumentsLabel = '\n  fails for: ';

/** Whether a value is an arbitrary. */
export const isArbitrary = <T>(x: T | Arbitrary<T>): x is Arbitrary<T> => x instanceof fc.Arbitrary;

/**
 * Require a law of every value of an arbitrary. On failure the value is shrunk: the error shows the smallest that still fails, as code, the
 * jaxpr of a program, and the seed and path that lead there again.
 *
 * @throws LawError with the smallest failure.
 * @example
 * await testing.forAll(testing.arrays({ shape: [3] }), (x) => testing.checkJit(np.sin, [x]), { runs: 5 });
 */
export async function forAll<T>(
  arbitrary: Arbitrary<T>,
  law: (value: T) => void | Promise<void>,
  { runs = 100, seed, path }: PropertyOptions = {},
): Promise<void> {
  const property = fc.asyncProperty(arbitrary, async (value) => {
    await law(value);
  });
  const result = await fc.check(property, {
    numRuns: runs,
    ...(seed === undefined ? {} : { seed }),
    ...(path === undefined ? {} : { path }),
  });
  if (!result.failed) return;
  const cause = result.errorInstance;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const [smallest] = result.counterexample ?? [];
  const tries = result.numRuns === 1 ? '1 value' : `${result.numRuns} values`;
  throw new LawError(
    [
      reason.replace(/\n {4}at .*$/s, ''),
      ...(tellsItself(smallest) ? [await smallest.report(!reason.includes(argumentsLabel))] : []),
      ...(reason.includes(argumentsLabel) || tellsItself(smallest)
        ? []
        : [`${argumentsLabel.slice(1)}${await codeOf(smallest)}`]),
      `  found after ${tries}, made smaller in ${result.numShrinks} steps; to see it again: { seed: ${result.seed}, path: '${result.counterexamplePath ?? ''}' }`,
    ].join('\n'),
    { cause, smallest },
  );
}

/** A value that knows how to show itself in a failure. */
interface TellsItself {
  report(withJaxpr: boolean): Promise<string>;
}

const tellsItself = (value: unknown): value is TellsItself =>
  typeof value === 'object' &&
  value !== null &&
  'report' in value &&
  typeof value.report === 'function';
