/** Looking at values while programs run: `debug.print` and `debug.callback`. The primitives stand in `callback-call.ts`. */
import { ArgumentError } from '../core/errors.ts';
import { checkFunction } from '../core/options.ts';
import { flatten } from '../core/tree.ts';
import { Value } from '../core/value.ts';
import { pathOf } from '../transforms/flat-function.ts';
import { debugCallbackP, debugPrintP } from './callback-call.ts';
import { hostFunction, splitOptions, splitStatics, type Operands } from './callback.ts';
import { parseFormat, type FormatString } from './format.ts';
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
  const parsed = parseFormat(format);
  const { positional, named, ordered } = splitValues(parsed, values);
  checkValues(parsed, positional, named);
  const { leaves, treedef } = flatten([positional, named]);
  const { args, statics } = splitStatics('debug.print', leaves, (i) => {
    return `values${pathOf([positional, named], i)}`;
  });
  debugPrintP.bind(args, { format: printFormat(parsed, { treedef, statics }), ordered });
}

interface PrintArguments {
  readonly positional: readonly unknown[];
  readonly named: Readonly<Record<string, unknown>>;
  readonly ordered: boolean;
}

/** The last value holds those by name, and options, when there is one more than the format wants by position. */
function splitValues({ positions }: FormatString, values: readonly unknown[]): PrintArguments {
  const last = values.at(-1);
  if (values.length !== positions + 1 || !isRecord(last))
    return { positional: values, named: {}, ordered: false };
  const { ordered = false, ...named } = last;
  if (typeof ordered !== 'boolean')
    throw new ArgumentError(
      `debug.print: ordered must be true or false; got ${String(ordered)}. Give the value another name.`,
    );
  return { positional: values.slice(0, -1), named, ordered };
}

const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;

function checkValues(
  format: FormatString,
  positional: readonly unknown[],
  named: Readonly<Record<string, unknown>>,
): void {
  const fail = (rule: string, got: string, remedy: string): never => {
    throw new ArgumentError(
      `debug.print: ${rule}; got ${got} for ${JSON.stringify(format.text)}. ${remedy}`,
    );
  };
  const { positions, names } = format;
  if (positional.length !== positions)
    fail(
      'there must be one value for each placeholder',
      `${positional.length} values by position`,
      positional.length < positions ? 'Pass the others.' : 'Add {} to the format, or pass fewer.',
    );
  const missing = [...names].filter((name) => !(name in named));
  if (missing.length > 0)
    fail('every name must have a value', `no ${missing.join(', ')}`, 'Pass an object last: { x }.');
  const unused = Object.keys(named).filter((name) => !names.has(name));
  if (unused.length > 0)
    fail('every named value must be used', `unused ${unused.join(', ')}`, 'Leave it out.');
  for (const part of format.parts) {
    if (typeof part === 'string' || part.spec === '' || part.conversion !== undefined) continue;
    const value = typeof part.key === 'number' ? positional[part.key] : named[part.key];
    if (value instanceof Value && value.ndim > 0)
      fail(
        'specifications are for scalars',
        `":${part.spec}" and ${value.aval.toString()}`,
        'Print arrays with {}.',
      );
  }
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
