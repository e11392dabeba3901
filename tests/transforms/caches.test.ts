/** What `jit` remembers: how much, how it is forgotten, and what it says when it does not remember. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withConfig } from '../../core/config.ts';
import type { Value } from '../../core/value.ts';
import { add, mul, neg } from '../../lax/arithmetic.ts';
import { sin } from '../../lax/transcendental.ts';
import { BoundedMap, clearCaches } from '../../transforms/caches.ts';
import { compilationCount } from '../../transforms/executables.ts';
import { grad } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import { array, js } from './setup.ts';

describe('sizes', () => {
  test('one entry per kind of call; clearCache forgets one function, clearCaches all', () => {
    const [f, g] = [jit((x: Value) => sin(x)), jit((x: Value) => mul(x, 3))];
    f(1);
    f(2);
    f(array([1]));
    g(1);
    expect([f.cacheSize(), g.cacheSize()]).toEqual([2, 1]);
    f.clearCache();
    expect([f.cacheSize(), g.cacheSize()]).toEqual([0, 1]);
    expect(js(f(0))).toBe(0);
    clearCaches();
    expect([f.cacheSize(), g.cacheSize()]).toEqual([0, 0]);
    const before = compilationCount();
    expect(js(g(2))).toBe(6);
    expect(js(grad(g)(2))).toBe(3);
    expect(compilationCount()).toBeGreaterThan(before);
    expect(g.cacheSize()).toBe(1);
  });

  test('a compiled function outlives the caches', () => {
    const compiled = jit((x: Value) => mul(x, 7))
      .lower(1)
      .compile();
    clearCaches();
    expect(js(compiled(2))).toBe(14);
  });

  test('maps are bounded in entries and in characters of their keys', () => {
    const map = new BoundedMap<number>(3, 10);
    for (const key of ['a', 'b', 'c', 'd']) map.set(key, 1);
    expect([map.size, map.get('a'), map.get('b')]).toEqual([3, undefined, 1]);
    map.set('long keys', 2);
    expect([map.size, map.get('d'), map.get('long keys')]).toEqual([2, undefined, 2]);
    map.set('longer than all that is allowed', 3);
    expect([map.size, map.get('longer than all that is allowed')]).toEqual([1, 3]);
    map.set('a', 1);
    expect(map.size).toBe(1);
  });

  test('the memory of ten thousand jitted closures stays flat', { timeout: 120_000 }, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const sizes: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      const captured = array([i]);
      jit((x: Value) => add(x, captured))(1);
      if (i % 2000 !== 1999) continue;
      await new Promise((resolve) => setTimeout(resolve));
      collect();
      sizes.push(process.memoryUsage().heapUsed / 1e6);
    }
    // Each closure with its jaxpr would be some kilobytes: tens of megabytes from the first measurement to the last.
    expect(sizes[4] - sizes[0]).toBeLessThan(4);
  });
});

describe('explained misses', () => {
  const lines: string[] = [];
  beforeEach(() => {
    lines.length = 0;
    vi.spyOn(console, 'warn').mockImplementation((text: string) => {
      lines.push(text.replace(/ at \S+\.$/m, ' at FILE.'));
    });
  });
  afterEach(() => vi.restoreAllMocks());
  const explained = (body: () => unknown): string => {
    lines.length = 0;
    withConfig({ explainCacheMisses: true }, body);
    return lines.join('\n');
  };

  test('each kind of difference is named with its key path', () => {
    const f = jit(
      function f(x: { w: Value }, { n = 1, kind = neg }: { n?: number; kind?: typeof neg } = {}) {
        return kind(mul(x.w, n));
      },
      { staticArgnames: 'n' },
    );
    const first = array([1, 2]);
    expect(explained(() => f({ w: first }, { n: 1 }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Never seen function."
    `);
    expect(explained(() => f({ w: first }, { n: 1 }))).toBe('');
    expect(explained(() => f({ w: array([1, 2, 3]) }, { n: 1 }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        args[0]['w']: f32[3], was f32[2] (shape)"
    `);
    expect(explained(() => f({ w: array([1, 2], [2], 'i32') }, { n: 1 }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        args[0]['w']: i32[2], was f32[3] (shape, dtype)"
    `);
    expect(explained(() => f({ w: first }, { n: 2 }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        args[1]['n']: static 2, was static 1 (static value)"
    `);
    expect(explained(() => f({ w: first }, { n: 2, kind: neg }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        args[1]: {'kind': *, 'n': *}, was {'n': *} (tree)"
    `);
    expect(explained(() => f({ w: array([1], []) }, { n: 2 }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        args[0]['w']: f32[], was f32[2] (shape)"
    `);
    expect(explained(() => f({ w: 1 }, { n: 2 }))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        args[0]['w']: f32[] weak, was f32[] (weak type)"
    `);
    expect(explained(() => withConfig({ exact: true }, () => f({ w: first }, { n: 1 }))))
      .toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Compared with the nearest known call:
        config.exact: true, was false (config)"
    `);
  });

  test('functions that are made anew, other options, and captured values', () => {
    const again = (): unknown => jit((x: Value) => add(x, 41))(1);
    expect(explained(again)).toMatchInlineSnapshot(`
      "jit: a call of <lambda> is traced at FILE.
        Never seen function."
    `);
    expect(explained(again)).toMatchInlineSnapshot(`
      "jit: a call of <lambda> is traced at FILE.
        Never seen function, but one with the same source was seen: it is perhaps defined anew for each call.
        Define it once, outside of the loop, and pass what changes as arguments."
    `);
    const f = (x: Value): Value => add(x, 42);
    jit(f)(1);
    expect(explained(() => jit(f, { keepUnused: true })(1))).toMatchInlineSnapshot(`
      "jit: a call of f is traced at FILE.
        Never seen with these options of jit."
    `);
    let captured: Value = array([1]);
    const g = jit((x: Value) => add(x, captured));
    const outer = (y: Value): Value => {
      captured = y;
      return g(2);
    };
    explained(() => grad(outer)(1));
    expect(explained(() => grad(outer)(1))).toMatchInlineSnapshot(`
      "jit: a call of <lambda> is traced at FILE.
        Its last trace captured values of a running transformation and was not kept. Pass them as arguments."
    `);
  });

  test('nothing is said while the flag is off', () => {
    jit((x: Value) => add(x, 43))(1);
    expect(lines).toEqual([]);
  });
});
