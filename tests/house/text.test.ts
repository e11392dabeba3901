// What can be seen in the text of the files: their size, their head, and words that must not stay.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ourFiles, productFiles, root } from './sources.ts';

const maxLines = 600;
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Lists `path:line` for every line that fits a pattern. */
function linesWith(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    text(path)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [],
      ),
  );
}

describe('text', () => {
  test(`no product file is longer than ${maxLines} lines`, () => {
    const long = productFiles()
      .map((path) => ({ path, lines: text(path).trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > maxLines);
    expect(long).toEqual([]);
  });

  test('every product file begins by saying what it is', () => {
    expect(productFiles().filter((path) => !/^\/[/*]/.test(text(path)))).toEqual([]);
  });

  // The patterns are written so that this file does not hold the words.
  test('every note of unfinished work names its issue', () => {
    const unnumbered = /\b(TO(?=DO)DO|FIX(?=ME)ME)\b(?!\(#\d+\))/;
    expect(linesWith(ourFiles(), unnumbered)).toEqual([]);
  });

  test('no test is focused and no debugger statement is left', () => {
    const focused = /\b(test|it|describe)[.]only\b|^\s*debugger;/;
    expect(linesWith(ourFiles(), focused)).toEqual([]);
  });

  test('the compiler is not silenced and no text is run as code', () => {
    const silenced = /@ts-(ignore|nocheck)|\bnew Function\(|[^.\w]eval\(/;
    expect(linesWith(productFiles(), silenced)).toEqual([]);
  });
});
