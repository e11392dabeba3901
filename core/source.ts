/** Finds the user's line: the first stack frame that is not ours. */

const root = new URL('..', import.meta.url).href;
const rooms =
  'core|lax|transforms|control|lowering|pallas|backends|linalg|fft|numpy|random|nn|scipy|optim|image|hlo|export|entry|testing';
const ours = new RegExp(
  `^(?:${escapePattern(root)}|${escapePattern(root.replace(/^file:\/\//, ''))})(?:dist/)?(?:${rooms}|index\\.[jt]s)(?:/|$|[.:])`,
);

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

let replayed: string | undefined;
let scope = '';

/** Run `body`, which works on an equation that was recorded earlier, as if the user's program stood at the line that recorded it. */
export function atFrame<T>(frame: string | undefined, body: () => T): T {
  if (frame === undefined) return body();
  const before = replayed;
  replayed = frame;
  try {
    return body();
  } finally {
    replayed = before;
  }
}

/** The scopes around what runs now, as `outer/inner`; empty outside of all. */
export const currentScope = (): string => scope;

/** Run `body`, which records a program of its own, outside of all scopes: the program will stand in one when it is used. */
export function outsideScopes<T>(body: () => T): T {
  const before = scope;
  scope = '';
  try {
    return body();
  } finally {
    scope = before;
  }
}

/** Run `body` in a scope inside of the current one. */
export function inScope<T>(name: string, body: () => T): T {
  if (name === '') return body();
  const before = scope;
  scope = before === '' ? name : `${before}/${name}`;
  try {
    return body();
  } finally {
    scope = before;
  }
}

/** The user's innermost stack frame as `file:line:column`, or undefined when there is none. */
export function userFrame(): string | undefined {
  if (replayed !== undefined) return replayed;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const stack = new Error('stack').stack ?? '';
  Error.stackTraceLimit = limit;
  for (const line of stack.split('\n').slice(1)) {
    const place =
      /(?:\(|at (?:async )?|@)((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:\\)[^()\s]+:\d+:\d+)\)?$/.exec(
        line.trim(),
      )?.[1];
    if (place === undefined || place.includes('node:internal') || place.includes('node_modules'))
      continue;
    if (!ours.test(place)) return place.replace(/^file:\/\//, '');
  }
  return undefined;
}
