// Reads the product's source files for the house tests: their paths, text, syntax trees and imports. It trusts the parser, not
// the compiler, so a file that does not type check yet is still held to the rules.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import type { Comment, Program, Statement } from 'oxc-parser';
import { rooms } from './table.ts';

/** The repository's root folder. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** One import of a source file. */
export type Import = {
  readonly specifier: string;
  /** The imported file's path from the root; nothing for a package or a module of the platform. */
  readonly target: string | undefined;
  readonly isType: boolean;
  /** Says that the module is imported for what it does: `import './x.ts'`. */
  readonly isBare: boolean;
};

/** One parsed source file. */
export type Source = {
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
};

/** Lists the TypeScript files below a folder (or the file itself), as paths from the root with forward slashes. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const found: string[] = [];
  // Folders of packages are not entered: they are large.
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop())
    for (const entry of readdirSync(join(root, at), { withFileTypes: true })) {
      const path = posix.join(at, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules' && entry.name !== 'dist') folders.push(path);
      } else if (/(?<!\.d)\.m?ts$/.test(entry.name)) found.push(path);
    }
  return found.toSorted();
}

const productFolders = [...new Set(rooms.map(({ name }) => name.split('/')[0]))];

/** Lists the product's files: what is built and shipped. */
export function productFiles(): string[] {
  const folders = productFolders.filter((name) => name !== 'index');
  const files = folders.flatMap(filesBelow);
  return existsSync(join(root, 'index.ts')) ? [...files, 'index.ts'] : files;
}

/** Lists every TypeScript and script file that we write. */
export function ourFiles(): string[] {
  const others = ['tests', 'bench', 'examples', 'web', 'scripts'].flatMap(filesBelow);
  return [...productFiles(), ...others];
}

const parsed = new Map<string, Source>();

/** Reads and parses one file; the answer is kept. */
export function read(path: string): Source {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(join(root, path), 'utf8');
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const source = {
    path,
    text,
    program,
    comments,
    imports: importsOf(path, text, program, comments),
  };
  parsed.set(path, source);
  return source;
}

/** Replaces comments by spaces, so that examples inside them are not read as code. */
function withoutComments(text: string, comments: readonly Comment[]): string {
  let code = text;
  for (const { start, end } of comments)
    code = code.slice(0, start) + ' '.repeat(end - start) + code.slice(end);
  return code;
}

function importsOf(
  path: string,
  text: string,
  program: Program,
  comments: readonly Comment[],
): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, isType: boolean, isBare = false): void => {
    const isLocal = specifier.startsWith('.');
    const target = isLocal ? posix.join(posix.dirname(path), specifier) : undefined;
    found.push({ specifier, target, isType, isBare });
  };
  for (const statement of program.body) {
    const edge = moduleEdge(statement);
    if (edge !== undefined) add(edge.specifier, edge.isType, edge.isBare);
  }
  // Dynamic imports, types written as import('…') and files named by URL (workers) may stand anywhere.
  const code = withoutComments(text, comments);
  for (const [, specifier] of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
    add(specifier, false);
  for (const [, specifier] of code.matchAll(/new URL\(\s*['"](\.[^'"]+\.ts)['"]/g))
    add(specifier, false);
  return found;
}

/** Reads the module that a statement imports or re-exports. */
function moduleEdge(
  statement: Program['body'][number] | Statement,
): { specifier: string; isType: boolean; isBare: boolean } | undefined {
  switch (statement.type) {
    case 'ImportDeclaration': {
      const isType = statement.importKind === 'type';
      const isBare = !isType && statement.specifiers.length === 0;
      return { specifier: statement.source.value, isType, isBare };
    }
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      if (statement.source === null) return undefined;
      return {
        specifier: statement.source.value,
        isType: statement.exportKind === 'type',
        isBare: false,
      };
    default:
      return undefined;
  }
}
