// Laws of trees over random trees, key paths, errors, and structural keys.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Aval } from '../../core/aval.ts';
import { keyOf } from '../../core/key.ts';
import * as tree from '../../core/tree.ts';

const trees = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.integer(),
    fc.string(),
    fc.constant(null),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('tree'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(tie('tree'), { maxLength: 2 }).map((xs) => new Map(xs.map((x, i) => [i, x]))),
  ),
})).tree;

describe('laws', () => {
  test('unflatten ∘ flatten is the identity', () => {
    fc.assert(
      fc.property(trees, (t) => {
        const { leaves, treedef } = tree.flatten(t);
        expect(tree.unflatten(treedef, leaves)).toEqual(t);
        expect(treedef.numLeaves).toBe(leaves.length);
        expect(tree.leafPaths(treedef)).toHaveLength(leaves.length);
      }),
    );
  });
  test('structures are equal exactly when their keys and printed forms are', () => {
    fc.assert(
      fc.property(trees, trees, (a, b) => {
        const [da, db] = [tree.structure(a), tree.structure(b)];
        expect(da.equals(tree.structure(tree.map(() => 0, a)))).toBe(true);
        expect(da.equals(db)).toBe(da.key === db.key);
        if (da.equals(db)) expect(da.toString()).toBe(db.toString());
      }),
    );
  });
  test('map composes', () => {
    fc.assert(
      fc.property(trees, (t) => {
        const f = (x: unknown): unknown => `f${String(x)}`;
        const g = (x: unknown): unknown => `g${String(x)}`;
        expect(tree.map(g, tree.map(f, t))).toEqual(tree.map((x: unknown) => g(f(x)), t));
      }),
    );
  });
  test('a tree is a prefix of itself; one leaf is a prefix of everything', () => {
    fc.assert(
      fc.property(trees, (t) => {
        const { leaves, treedef } = tree.flatten(t);
        const never = (): boolean => false;
        expect(tree.broadcastPrefix('f', 'inAxes', t, treedef, never)).toEqual(leaves);
        expect(tree.broadcastPrefix('f', 'inAxes', 7, treedef)).toEqual(leaves.map(() => 7));
      }),
    );
  });
});

class Point {
  readonly x: unknown;
  readonly y: unknown;
  readonly label: string;
  constructor(x: unknown, y: unknown, label: string) {
    this.x = x;
    this.y = y;
    this.label = label;
  }
}
tree.registerDataclass(Point, { dataFields: ['x', 'y'], metaFields: ['label'] });
class Opaque {
  readonly hidden = 1;
}
class Fixed {
  readonly size = 3;
}
tree.registerStatic(Fixed);

describe('nodes', () => {
  test('objects have sorted keys, null has no leaves, everything else is a leaf', () => {
    const opaque = new Opaque();
    const { leaves, treedef } = tree.flatten({ b: [1, null], a: opaque, c: undefined, d: 'text' });
    expect(leaves).toEqual([opaque, 1, undefined, 'text']);
    expect(String(treedef)).toBe("PyTreeDef({'a': *, 'b': [*, None], 'c': *, 'd': *})");
  });
  test('registered classes', () => {
    const { leaves, treedef } = tree.flatten([new Point(1, 2, 'p')]);
    expect(leaves).toEqual([1, 2]);
    expect(String(treedef)).toBe("PyTreeDef([CustomNode(Point[('p',)], [*, *])])");
    const [back] = tree.unflatten(treedef, [3, 4]) as [Point];
    expect(back).toBeInstanceOf(Point);
    expect(back).toEqual(new Point(3, 4, 'p'));
    expect(tree.structure(new Point(0, 0, 'q')).equals(tree.structure(new Point(0, 0, 'p')))).toBe(
      false,
    );
    expect(() => tree.registerStatic(Point)).toThrow(
      'registerStatic: a class can be registered once; got Point again.',
    );
  });
  test('static objects are leaves', () => {
    expect(tree.isStatic(new Fixed())).toBe(true);
    expect(tree.isStatic({})).toBe(false);
    expect(tree.leaves([new Fixed()])).toHaveLength(1);
  });
  test('a key named __proto__ is data', () => {
    const { leaves, treedef } = tree.flatten(JSON.parse('{"__proto__": 5}'));
    expect(leaves).toEqual([5]);
    expect(Object.keys(tree.unflatten(treedef, [6]) as object)).toEqual(['__proto__']);
  });
  test('key paths', () => {
    const t = {
      w: [1, new Point(2, [3], 'l')],
      m: new Map<unknown, unknown>([
        ['k', 4],
        [5, 6],
      ]),
      "it's": 7,
    };
    expect(tree.flattenWithPath(t)).toEqual([
      ["['it\\'s']", 7],
      ["['m']['k']", 4],
      ["['m'][5]", 6],
      ["['w'][0]", 1],
      ["['w'][1].x", 2],
      ["['w'][1].y[0]", 3],
    ]);
  });
  test('reduce, all, transpose, mapWithPath', () => {
    expect(tree.reduce((sum: number, x: number) => sum + x, { a: 1, b: [2, 3] }, 0)).toBe(6);
    expect(tree.all({ a: true, b: [] })).toBe(true);
    const [outer, inner] = [tree.structure([0, 0]), tree.structure({ a: 0, b: 0 })];
    expect(
      tree.transpose(outer, inner, [
        { a: 1, b: 2 },
        { a: 3, b: 4 },
      ]),
    ).toEqual({ a: [1, 3], b: [2, 4] });
    expect(tree.mapWithPath((path, x: number) => `${path}${x}`, { a: 1 })).toEqual({ a: "['a']1" });
  });
  test('map over several trees: the first is a prefix of the others', () => {
    expect(tree.map((x: unknown, y: unknown) => [x, y], { a: 1 }, { a: [2, 3] })).toEqual({
      a: [1, [2, 3]],
    });
  });
});

describe('errors', () => {
  const def = tree.structure({ a: 0, b: [0, 0] });
  test('number of leaves', () => {
    expect(() => tree.unflatten(def, [1])).toThrow(
      "tree.unflatten: the number of leaves must fit the structure; got 1 leaves for PyTreeDef({'a': *, 'b': [*, *]}), which holds 3.",
    );
  });
  test('different structures', () => {
    expect(() => tree.map((x: number) => x, { a: 1, b: [1, 2] }, { a: 1, b: [1] })).toThrow(
      "tree.map: trees must have the same structure; got [*] instead of [*, *] at ['b']. Give every tree the structure of the first.",
    );
    expect(() => tree.map((x: number) => x, { a: 1 }, 5)).toThrow(
      "tree.map: trees must have the same structure; got number 5 instead of {'a': *} at the root. Give every tree the structure of the first.",
    );
  });
  test('not a prefix', () => {
    expect(() => tree.broadcastPrefix('vmap', 'inAxes', { a: 0, b: [0] }, def)).toThrow(
      "vmap: inAxes must be a prefix of the tree it belongs to; got [*] for [*, *] at ['b']. Give one entry for the whole, or one per child.",
    );
    expect(tree.broadcastPrefix('vmap', 'inAxes', { a: null, b: 1 }, def)).toEqual([null, 1, 1]);
  });
});

describe('keyOf', () => {
  test('tells apart what differs', () => {
    const f = (): void => undefined;
    const g = (): void => undefined;
    const values = [
      0,
      -0,
      NaN,
      1n,
      1,
      '1',
      true,
      null,
      undefined,
      [],
      {},
      [1],
      ['1'],
      { a: 1 },
      { a: [1] },
      new Map([[1, 2]]),
      f,
      g,
      Symbol('a'),
      Symbol('a'),
      new Aval([1], 'f32'),
      new Aval([1], 'f32', true),
      'f32[1]',
      [[1], 2],
      [[1, 2]],
      { 'a:1,b': 1 },
      { a: 1, b: 1 },
      new Set([1]),
      new Date(1),
      new Date(2),
      new Float32Array([1, 2]),
      new Float32Array([1, -0]),
      new Float32Array([1, 0]),
      new Uint8Array([1, 2]),
      new DataView(new Uint8Array([1, 2]).buffer),
      new BigInt64Array([1n, 2n]),
    ];
    expect(new Set(values.map(keyOf)).size).toBe(values.length);
  });
  test('is the same for what is the same', () => {
    expect(keyOf({ b: [1, { c: 2 }], a: 'x' })).toBe(keyOf({ a: 'x', b: [1, { c: 2 }] }));
    expect(keyOf({ a: 1, b: undefined })).toBe(keyOf({ a: 1 }));
    expect(keyOf(new Set([1, 2]))).toBe(keyOf(new Set([1, 2])));
    expect(keyOf(new Date(5))).toBe(keyOf(new Date(5)));
    expect(keyOf(new Int8Array([1, 2]))).toBe(keyOf(new Int8Array([0, 1, 2]).subarray(1)));
    expect(keyOf(keyOf)).toBe(keyOf(keyOf));
    expect(keyOf(tree.structure([1, 2]))).toBe(keyOf(tree.structure(['a', 'b'])));
  });
});
