// Follows the public entry points to the declarations they export, with their documentation comments.
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Statement } from 'oxc-parser';
import { filesBelow, read, root } from './sources.ts';
import type { Source } from './sources.ts';

/** One exported name, where it is declared, and its documentation (without stars), if it has one. */
export type PublicExport = {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly doc: string | undefined;
  /** Says that it is reached through a namespace only (`export * as np`). */
  readonly isNested: boolean;
  /** That namespace. */
  readonly namespace?: string | undefined;
};

/** One step of the search: a declaration, or names of another module that are still to be followed. */
type Step = PublicExport | Pending;
type Pending = {
  readonly path: string;
  readonly name: string | undefined;
  /** The namespace that holds it. */
  readonly nests?: string;
};

type Declared = { readonly at: Statement; readonly start: number };

/** Lists the public entry points: the lines of the export map. */
export function entryFiles(): string[] {
  const files = filesBelow('entry').filter((path) => !path.slice('entry/'.length).includes('/'));
  return existsSync(join(root, 'index.ts')) ? ['index.ts', ...files] : files;
}

/** Lists what one entry point exports, each declaration once. */
export function exportsOf(entry: string): PublicExport[] {
  const found = new Map<string, PublicExport>();
  const seen = new Set<string>();
  const pending: Pending[] = [{ path: entry, name: undefined }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const key = `${next.path}#${next.name ?? '*'}#${next.nests ?? ''}`;
    if (seen.has(key) || !existsSync(join(root, next.path))) continue;
    seen.add(key);
    const source = read(next.path);
    for (const step of stepsFrom(source, next.name)) {
      if (!('doc' in step)) {
        pending.push(next.nests === undefined ? step : { ...step, nests: next.nests });
        continue;
      }
      const id = `${step.path}#${step.name}`;
      const earlier = found.get(id);
      const isNested = next.nests !== undefined && earlier?.isNested !== false;
      // Of overloads, the first carries the documentation.
      const namespace = isNested ? next.nests : undefined;
      found.set(id, { ...(earlier?.doc === undefined ? step : earlier), isNested, namespace });
    }
  }
  return [...found.values()].toSorted((a, b) => a.path.localeCompare(b.path) || a.line - b.line);
}

/** Answers where one name of a module (or all of them) comes from: declarations here, names of other modules. */
function* stepsFrom(source: Source, wanted: string | undefined): Generator<Step> {
  const isWanted = (name: string): boolean => wanted === undefined || wanted === name;
  for (const statement of source.program.body) {
    if (statement.type === 'ExportAllDeclaration') {
      const path = posix.join(posix.dirname(source.path), statement.source.value);
      const alias = statement.exported;
      if (alias === null) yield { path, name: wanted };
      else if (isWanted(nameOf(alias))) yield { path, name: undefined, nests: nameOf(alias) };
    } else if (statement.type === 'ExportNamedDeclaration') {
      yield* namedSteps(source, statement, isWanted);
    }
  }
}

type Named = Extract<Statement, { type: 'ExportNamedDeclaration' }>;

function* namedSteps(
  source: Source,
  statement: Named,
  isWanted: (name: string) => boolean,
): Generator<Step> {
  for (const name of statement.declaration === null ? [] : declaredNames(statement.declaration)) {
    if (isWanted(name)) yield describe(source, name, statement.start);
  }
  for (const specifier of statement.specifiers) {
    if (!isWanted(nameOf(specifier.exported))) continue;
    const local = nameOf(specifier.local);
    if (statement.source !== null) {
      yield { path: posix.join(posix.dirname(source.path), statement.source.value), name: local };
      continue;
    }
    yield originOf(source, local);
  }
}

/** Finds where a local name comes from: a declaration of this module, or an import. */
function originOf(source: Source, local: string): Step {
  for (const statement of source.program.body) {
    if (statement.type === 'ImportDeclaration') {
      for (const specifier of statement.specifiers) {
        if (specifier.local.name !== local) continue;
        const path = posix.join(posix.dirname(source.path), statement.source.value);
        const isOne = specifier.type === 'ImportSpecifier';
        return { path, name: isOne ? nameOf(specifier.imported) : undefined };
      }
    }
    const declared: Declared | undefined =
      statement.type === 'ExportNamedDeclaration' && statement.declaration !== null
        ? { at: statement.declaration as Statement, start: statement.start }
        : { at: statement, start: statement.start };
    if (declaredNames(declared.at).includes(local)) return describe(source, local, declared.start);
  }
  return describe(source, local, 0);
}

function nameOf(node: { type: string; name?: string; value?: unknown }): string {
  return node.name ?? String(node.value);
}

function declaredNames(declaration: { type: string }): string[] {
  const node = declaration as {
    type: string;
    id?: { name?: string } | null;
    declarations?: { id: { type: string; name?: string; properties?: unknown[] } }[];
  };
  if (node.type === 'VariableDeclaration')
    return (node.declarations ?? []).flatMap(({ id }) => patternNames(id));
  return node.id?.name === undefined ? [] : [node.id.name];
}

/** Lists the names that a binding binds: `x`, or those of `{ a, b: c }`. */
function patternNames(id: { type: string; name?: string; properties?: unknown[] }): string[] {
  if (id.name !== undefined) return [id.name];
  const properties = (id.properties ?? []) as { value?: { name?: string } }[];
  return properties.map(({ value }) => value?.name).filter((name) => name !== undefined);
}

function describe(source: Source, name: string, start: number): PublicExport {
  const line = source.text.slice(0, start).split('\n').length;
  const before = source.comments.filter(
    ({ type, end, value }) =>
      type === 'Block' &&
      value.startsWith('*') &&
      end <= start &&
      source.text.slice(end, start).trim() === '',
  );
  const raw = before.at(-1)?.value;
  const doc = raw
    ?.slice(1)
    .replaceAll(/^[ \t]*\* ?/gm, '')
    .trim();
  return { name, path: source.path, line, doc: doc === '' ? undefined : doc, isNested: false };
}
