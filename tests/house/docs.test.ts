// The examples in the documentation of public exports run, and print what they promise.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { blocksOf, collectExamples, guideCode } from './examples.ts';
import { root } from './sources.ts';

const folder = join(root, 'out', 'doc-examples');
const examples = collectExamples();
const skipped = examples.filter(({ skip }) => skip !== undefined);

/** Guides whose code runs. */
const guides = ['docs/refs.md', 'docs/testing.md'];

/** Prints values as `console.log` does, on one line. */
const shown = (values: readonly unknown[]): string =>
  values
    .map((value) =>
      typeof value === 'string' ? value : inspect(value, { depth: 10, breakLength: Infinity }),
    )
    .join(' ')
    .replaceAll(/\s+/g, ' ');

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  Object.assign(globalThis, {
    checkPrinted: (wanted: string, ...values: unknown[]) => {
      expect(shown(values)).toBe(wanted.replaceAll(/\s+/g, ' '));
    },
  });
});

afterAll(() => {
  for (const { title, skip } of skipped) console.log(`example not run: ${title}: ${skip}`);
  console.log(`doc examples: ${examples.length - skipped.length} run, ${skipped.length} skipped`);
});

describe('doc examples', () => {
  test('blocks are found, fenced or not, and end at the next tag', () => {
    const doc = 'Adds.\n@example\nadd(1, 2);\n@example\n```ts\nadd(3, 4);\n```\n@throws never';
    expect(blocksOf(doc)).toEqual(['add(1, 2);', 'add(3, 4);']);
  });

  for (const [index, guide] of guides.entries())
    test(guide, async () => {
      const path = join(folder, `guide-${index}.ts`);
      writeFileSync(path, guideCode(readFileSync(join(root, guide), 'utf8')));
      await import(/* @vite-ignore */ path);
    });

  for (const [index, { title, code, skip }] of examples.entries()) {
    test.skipIf(skip !== undefined)(title, async () => {
      const path = join(folder, `example-${index}.ts`);
      writeFileSync(path, code);
      const silent = vi.spyOn(console, 'log').mockImplementation(() => {});
      try {
        await import(/* @vite-ignore */ path);
      } finally {
        silent.mockRestore();
      }
    });
  }
});
