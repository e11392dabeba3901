/** Looking at values while programs run: `debug.print` and `debug.callback`. The primitives stand in `callback-call.ts`. */
import { ArgumentError } from '../core/errors.ts';
import { checkFunction } from '../core/options.ts';
import { flatten } from '../core/tree.ts';
import { pathOf } from '../transforms/flat-function.ts';
import { debugCallbackP, debugPrintP } from './callback-call.ts';
import { hostFunction, splitOptions, splitStatics, type Operands } from './callback.ts';
import { checkValues, splitValues } from './format-values.ts';
import { parseFormat } from './format.ts';
import { printFormat } from './print-format.ts';

/** Options of `debug.print` and `debug.callback`. */
export interface DebugOptions {
  /** Keep the order of the program among ordered calls; otherwise a compiler may change it. */
  readonly ordered?: boolean;
}

/**
 * Print values while a program runs, with `console.log`: under `jit` when it runs and not when it is traced, under `vmap` once per
 * example, under `grad` once. The format is Python's: `{}`, `{0}`, `{name}`, `{x:.3f}`. Values by name, and options, come last, in
 * one object. On WebGPU the text appears when the values have come back, before the next read of the device ends.
 *
 * @throws ArgumentError when the format and the values do not match.
 * @example
 * const f = jit((x: Value) => {
 *   debug.print('x = {x:.2f}, twice is {}', lax.mul(x, 2), { x });
 *   return lax.sin(x);
 * });
 * f(0); // prints x = 0.00, twice is 0.0
 */
export function print(format: string, ...values: readonly unknown[]): void {
  if (typeof format !== 'string')
    throw new ArgumentError(
      `debug.print: the format must be a string; got ${typeof format}. Write debug.print('{}', x).`,
    );
  const parsed = parseFormat('debug.print', format);
  const { positional, named: all } = splitValues(parsed, values);
  const { ordered = false, ...named } = all;
  if (typeof ordered !== 'boolean')
    throw new ArgumentError(
      `debug.print: ordered must be true or false; got ${String(ordered)}. Give the value another name.`,
    );
  checkValues(parsed, positional, named);
  const { leaves, treedef } = flatten([positional, named]);
  const { args, statics } = splitStatics('debug.print', leaves, (i) => {
    return `values${pathOf([positional, named], i)}`;
  });
  debugPrintP.bind(args, { format: printFormat(parsed, { treedef, statics }), ordered });
}

/**
 * Call a function with values while a program runs; what it returns is dropped. It is called when the program runs, under `vmap` once
 * per example, under `grad` once. Leaves of the arguments are arrays that can be read at once. `{ ordered }` may come last.
 *
 * @throws CallbackError, from the call of the program, when the function throws; AsyncFunctionError when it returns a promise.
 * @example
 * const seen: number[] = [];
 * const f = jit((x: Value) => {
 *   debug.callback((y: Value) => void seen.push(Number(y)), x);
 *   return lax.sin(x);
 * });
 * f(1); f(2);
 * seen; // → [ 1, 2 ]
 */
export function callback<A extends readonly unknown[]>(
  f: (...args: Operands<A>) => void,
  ...args: A
): void;
export function callback(f: (...args: never[]) => void, ...given: readonly unknown[]): void {
  checkFunction('debug.callback', f);
  const { args, options } = splitOptions<DebugOptions>(given, { ordered: 'boolean' });
  const made = hostFunction('debug.callback', f, args, undefined);
  debugCallbackP.bind(made.args, { callback: made.callback, ordered: options.ordered ?? false });
}
