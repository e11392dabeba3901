/** Names for parts of a program, for people who read what became of it. */
import { ArgumentError } from '../core/errors.ts';
import { checkFunction } from '../core/options.ts';
import { inScope } from '../core/source.ts';

/**
 * Run a function inside of a named scope: what it records carries the name, which errors and `lowered.asText({ debugInfo: true })`
 * show. Scopes nest. They do not change what a program computes.
 *
 * @throws ArgumentError when the name is no text, or has a `/` in it.
 * @example
 * const f = (x: Value) => namedScope('head', () => lax.sin(x));
 * jit(f).lower(0).asText({ debugInfo: true }).includes('jit(f)/head/sin'); // → true
 */
export function namedScope<T>(name: string, body: () => T): T {
  if (typeof name !== 'string' || name === '' || name.includes('/'))
    throw new ArgumentError(
      `namedScope: a scope is named by text without "/"; got ${JSON.stringify(name)}. Nest scopes instead.`,
    );
  checkFunction('namedScope', body);
  return inScope(name, body);
}
