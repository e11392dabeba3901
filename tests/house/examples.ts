// Turns the `@example` blocks of public documentation comments into modules that can be run.
//
// A block is TypeScript, fenced or not. Names of the public API that it uses without importing them (`jit`, `np`, `lax`, `pl`, …)
// are imported for it. A line that ends in `// → text` promises what is printed: `console.log(x); // → 3`, a bare expression
// `f(2); // → 4`, or `const y = f(2); // → 4`. A block that begins with `skip: reason` is not run, and counted.
import { entryFiles, exportsOf } from './exports.ts';
import type { PublicExport } from './exports.ts';

/** One example, ready to be written to a file. */
export type Example = {
  /** Names the export and where it is declared. */
  readonly title: string;
  readonly code: string;
  /** Says why the example is not run. */
  readonly skip: string | undefined;
};

/** The namespaces under which the manual imports the entry points. */
const namespaces: Readonly<Record<string, string>> = {
  np: 'numpy',
  lax: 'lax',
  nn: 'nn',
  random: 'random',
  pl: 'pallas',
  hlo: 'hlo',
  optim: 'optim',
  extend: 'extend',
  testing: 'testing',
};

/** Returns the `@example` blocks of a documentation comment. */
export function blocksOf(doc: string): string[] {
  return doc
    .split(/^@(?=\w)/m)
    .filter((part) => /^example\b/.test(part))
    .map((part) => {
      const body = part.slice('example'.length);
      return (/```\w*\n(.*?)```/s.exec(body)?.[1] ?? body).trim();
    });
}

/** Collects the examples of all public exports, each declaration once. */
export function collectExamples(): Example[] {
  const entries = entryFiles();
  const rootNames = entries.includes('index.ts')
    ? [
        ...new Set(
          exportsOf('index.ts').flatMap(({ name, isNested, namespace }) =>
            isNested ? (namespace ?? []) : name,
          ),
        ),
      ]
    : [];
  const known = new Map<string, { item: PublicExport; entry: string }>();
  for (const entry of entries) {
    for (const item of exportsOf(entry)) {
      const key = `${item.path}#${item.name}`;
      const isReached = !item.isNested || entry === 'index.ts';
      if (isReached && !known.has(key)) known.set(key, { item, entry });
    }
  }
  return [...known.values()].flatMap(({ item, entry }) =>
    blocksOf(item.doc ?? '').map((block, index) => {
      const title = `${item.path}:${item.line} ${item.name}${index === 0 ? '' : ` (${index + 1})`}`;
      const skip = /^skip:\s*(.+)/.exec(block)?.[1];
      const names = entry === 'index.ts' ? rootNames : [...rootNames, item.name];
      const prelude = preludeFor(block, names, entry, entries);
      return { title, skip, code: `${prelude}\n${checked(block)}\nexport {};\n` };
    }),
  );
}

/** The code of a guide: its blocks in a row, one module. Imports may stand in any block. */
export function guideCode(markdown: string): string {
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block ?? '');
  const lines = blocks.join('\n').split('\n');
  const isImport = (line: string): boolean => line.startsWith('import ');
  const body = lines.filter((line) => !isImport(line)).join('\n');
  return `${lines.filter(isImport).join('\n')}\n${checked(body)}\nexport {};\n`;
}

/** Writes the imports of names that a block uses and does not bind itself. */
function preludeFor(
  block: string,
  names: readonly string[],
  entry: string,
  entries: readonly string[],
): string {
  const uses = (name: string): boolean =>
    new RegExp(`(?<![.\\w$'"])${name}\\b(?!\\s*:[^:])`).test(block);
  const binds = (name: string): boolean =>
    new RegExp(`\\b(const|let|var|function|class)\\s+${name}\\b`).test(block) ||
    new RegExp(`^import\\b[^;]*\\b${name}\\b`, 'm').test(block);
  const isMissing = (name: string): boolean => uses(name) && !binds(name);
  const lines: string[] = [];
  const own = entry === 'index.ts' ? undefined : names.at(-1);
  const fromRoot = names.filter((name) => name !== own && isMissing(name) && !(name in namespaces));
  if (fromRoot.length > 0) lines.push(`import { ${fromRoot.join(', ')} } from 'palladia';`);
  for (const [name, file] of Object.entries(namespaces)) {
    if (isMissing(name) && entries.includes(`entry/${file}.ts`))
      lines.push(`import * as ${name} from 'palladia/${file}';`);
  }
  if (own !== undefined && isMissing(own)) {
    const path = `palladia/${entry.slice('entry/'.length).replace(/\.ts$/, '')}`;
    lines.push(`import { ${own} } from '${path}';`);
  }
  return lines.join('\n');
}

/** Rewrites the promises of a block (`// → text`) to calls of `globalThis.checkPrinted`. */
function checked(block: string): string {
  return block
    .split('\n')
    .map((line) => {
      const promise = /^(\s*)(.*?);?\s*\/\/\s*(?:→|=>)\s*(.+)$/.exec(line);
      if (promise === null) return line;
      const [, indent, statement, text] = promise as unknown as [string, string, string, string];
      const wanted = JSON.stringify(text.trim());
      const printed = /^console\.log\((.*)\)$/.exec(statement);
      if (printed !== null) return `${indent}checkPrinted(${wanted}, ${printed[1]});`;
      const bound = /^(?:const|let)\s+(\w+)(?:\s*:[^=]+)?\s*=/.exec(statement);
      if (bound !== null) return `${indent}${statement}; checkPrinted(${wanted}, ${bound[1]});`;
      return `${indent}checkPrinted(${wanted}, ${statement});`;
    })
    .join('\n');
}
