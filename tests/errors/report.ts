/** What a mistake of the user turns into: the class, the sentence, and a check that the error points at the line of the mistake. */
import { PalladiaError } from 'palladia';

/** One mistake per name. */
export type Mistakes = Readonly<Record<string, () => unknown>>;

const here = /tests\/errors\/[\w.-]+\.ts:\d+:\d+/;

function sentence(error: unknown): string {
  if (!(error instanceof PalladiaError)) return `NOT OURS ${String(error)}`;
  const [text, ...rest] = error.message.split('\n    at ');
  if (rest.length !== 1 || !here.test(rest[0])) return `WRONG LINE ${error.message}`;
  return `${error.name}: ${text}`;
}

/** The error of a call, without its line, which is checked to be in the test. */
export function report(mistake: () => unknown): string {
  try {
    mistake();
    return 'NO ERROR';
  } catch (error) {
    return sentence(error);
  }
}

/** The error of a promise. */
export async function reportLater(mistake: () => Promise<unknown>): Promise<string> {
  try {
    await mistake();
    return 'NO ERROR';
  } catch (error) {
    return sentence(error);
  }
}

/** All errors of a table, one paragraph each. */
export function reports(mistakes: Mistakes): string {
  return Object.entries(mistakes)
    .map(([name, mistake]) => `${name}\n  ${report(mistake)}`)
    .join('\n');
}

/** Call a function with whatever JavaScript allows, as programs without types do. */
export function untyped(f: unknown): (...args: unknown[]) => unknown {
  return f as (...args: unknown[]) => unknown;
}
