// Laws 1 and 5 of the house: nothing points up, and there are no import cycles (imports of types count).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { productFiles, read, root } from './sources.ts';
import { objection, roomOf, rooms } from './table.ts';

const files = productFiles();

/** Finds the cycles of a graph: its strongly connected components with more than one node (Tarjan, without recursion). */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const found: string[][] = [];
  for (const start of graph.keys()) {
    if (index.has(start)) continue;
    const walk = [{ node: start, next: 0 }];
    while (walk.length > 0) {
      const frame = walk.at(-1)!;
      const { node } = frame;
      if (frame.next === 0) {
        index.set(node, index.size);
        low.set(node, index.get(node)!);
        open.push(node);
        isOpen.add(node);
      }
      const edges = graph.get(node) ?? [];
      const child = edges[frame.next++];
      if (child !== undefined) {
        if (!index.has(child)) walk.push({ node: child, next: 0 });
        else if (isOpen.has(child)) low.set(node, Math.min(low.get(node)!, index.get(child)!));
        continue;
      }
      walk.pop();
      const parent = walk.at(-1)?.node;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent)!, low.get(node)!));
      if (low.get(node) !== index.get(node)) continue;
      const members = open.splice(open.indexOf(node));
      for (const member of members) isOpen.delete(member);
      if (members.length > 1 || edges.includes(node)) found.push(members.sort());
    }
  }
  return found;
}

describe('imports', () => {
  test.each(rooms.map(({ name }) => name))('%s imports only what the table allows', (name) => {
    const wrong = files
      .filter((path) => roomOf(path)?.name === name)
      .flatMap((path) =>
        read(path).imports.map(({ target, isType }) =>
          target === undefined ? undefined : objection(path, target, isType),
        ),
      )
      .filter((line) => line !== undefined);
    expect(wrong).toEqual([]);
  });

  test('every product file stands in a room', () => {
    expect(files.filter((path) => roomOf(path) === undefined)).toEqual([]);
  });

  test('relative imports end in .ts', () => {
    const wrong = files.flatMap((path) =>
      read(path)
        .imports.filter(({ specifier }) => specifier.startsWith('.') && !specifier.endsWith('.ts'))
        .map(({ specifier }) => `${path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test('there are no cycles', () => {
    const graph = new Map(
      files.map((path) => {
        const targets = read(path).imports.map(({ target }) => target);
        return [
          path,
          targets.filter((target) => target !== undefined && existsSync(join(root, target))),
        ];
      }),
    );
    expect(cycles(graph as ReadonlyMap<string, readonly string[]>)).toEqual([]);
  });

  test('cycles are found where there are some', () => {
    const graph = { a: ['b'], b: ['c', 'd'], c: ['a'], d: ['e'], e: ['d', 'f'], f: [], g: ['g'] };
    expect(cycles(new Map(Object.entries(graph)))).toEqual([['d', 'e'], ['a', 'b', 'c'], ['g']]);
  });

  test('packages and the platform are imported by backends and entry points only', () => {
    const wrong = files.flatMap((path) =>
      read(path)
        .imports.filter(({ target }) => target === undefined)
        .filter(({ specifier }) => roomOf(path)?.packages?.test(specifier) !== true)
        .map(({ specifier }) => `${path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test('a module that is imported for its side effects is declared in package.json', () => {
    const declared = (
      JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { sideEffects: string[] }
    ).sideEffects;
    const shipped = (path: string): string => `./dist/${path.replace(/\.ts$/, '.js')}`;
    const fits = (path: string): boolean =>
      declared.some((pattern) =>
        pattern.endsWith('*.js')
          ? shipped(path).startsWith(pattern.slice(0, -4))
          : shipped(path) === pattern,
      );
    const wrong = files.flatMap((path) =>
      read(path)
        .imports.filter(({ isBare, target }) => isBare && target !== undefined && !fits(target))
        .map(({ specifier }) => `${path}: import '${specifier}'`),
    );
    expect(wrong).toEqual([]);
  });
});
