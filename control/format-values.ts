/** The values of a format string as they are passed: by position first, then those by name in one object. */
import { ArgumentError } from '../core/errors.ts';
import { Value } from '../core/value.ts';
import type { FormatString } from './format.ts';

/** Values by position and by name. */
export interface FormatValues {
  readonly positional: readonly unknown[];
  readonly named: Readonly<Record<string, unknown>>;
}

/** The last value holds those by name, when there is one more than the format wants by position. */
export function splitValues({ positions }: FormatString, values: readonly unknown[]): FormatValues {
  const last = values.at(-1);
  return values.length === positions + 1 && isRecord(last)
    ? { positional: values.slice(0, -1), named: last }
    : { positional: values, named: {} };
}

const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;

/** Refuse values that do not fit a format. @throws ArgumentError saying which. */
export function checkValues(
  format: FormatString,
  positional: readonly unknown[],
  named: Readonly<Record<string, unknown>>,
): void {
  const fail = (rule: string, got: string, remedy: string): never => {
    throw new ArgumentError(
      `${format.op}: ${rule}; got ${got} for ${JSON.stringify(format.text)}. ${remedy}`,
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
