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

/** The user's innermost stack frame as `file:line:column`, or undefined when there is none. */
export function userFrame(): string | undefined {
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
