/** `when`: run a part of a kernel only if a condition holds. */
import { ArgumentError } from '../core/errors.ts';
import { describe } from '../core/array.ts';
import type { Value } from '../core/value.ts';
import { checkFunction } from '../core/options.ts';
import { cond } from '../control/cond.ts';

/**
 * Run `body` if the condition holds. A plain boolean decides while the kernel is traced; a traced one when the program runs.
 *
 * @throws ArgumentError when the body is no function or returns something: it works through refs.
 * @example
 * const call = pl.pallasCall((x, y) => pl.when(true, () => y.set(x.get())), { outShape: shapeDtypeStruct([2], 'f32') });
 */
export function when(condition: Value | boolean, body: () => void): void {
  checkFunction('when', body);
  const run = (): readonly [] => {
    const returned: unknown = body();
    if (returned !== undefined)
      throw new ArgumentError(
        `when: the body must return nothing; got ${describe(returned)}. Write the result to a ref.`,
      );
    return [];
  };
  if (condition === true) run();
  else if (condition !== false) cond<readonly [], readonly []>(condition, run, () => []);
}
