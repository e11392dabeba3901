/** Arrays that lie over a mesh, beside JAX 0.10.2 (recorded by record-shardings.py in shardings.json). */
import { readFileSync } from 'node:fs';
import {
  devicePut,
  grad,
  jit,
  makeJaxpr,
  Mesh,
  NamedSharding,
  P,
  SingleDeviceSharding,
  vmap,
  withConfig,
  type PartitionEntry,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { describe, expect, test } from 'vitest';

interface Recorded {
  readonly shape: readonly number[];
  readonly spec: readonly PartitionEntry[];
  readonly block: readonly number[];
  readonly replicated: boolean;
  readonly shards: readonly {
    readonly device: number;
    readonly index: readonly (readonly number[])[];
    readonly replica: number;
    readonly data: readonly number[];
  }[];
}

const recorded = JSON.parse(
  readFileSync(new URL('shardings.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, Recorded>>;
const grid = withConfig({ hostDeviceCount: 8 }, () => new Mesh([2, 4], ['x', 'y']));
const lies = (...entries: readonly PartitionEntry[]): NamedSharding =>
  new NamedSharding(grid, P(...entries));
const a = np.reshape(np.arange(32), [4, 8]);

test.each(Object.entries(recorded))('%s', async (_, { shape, spec, block, replicated, shards }) => {
  const size = shape.reduce((n, d) => n * d, 1);
  const x = await devicePut(np.reshape(np.arange(size), shape), lies(...spec));
  expect(x.sharding.shardShape(shape)).toEqual(block);
  expect(x.sharding.isFullyReplicated).toBe(replicated);
  expect(x.committed).toBe(true);
  const found = x.addressableShards.map(({ device, index, replicaId, data }) => ({
    device: device.id,
    index,
    replica: replicaId,
    data: [...data.dataSync()],
  }));
  expect(found).toEqual(shards);
});

describe('devicePut', () => {
  test('values stay, trees are laid', async () => {
    const { w, n } = await devicePut({ w: a, n: 3 }, lies());
    expect([w.jsSync(), n.jsSync()]).toEqual([a.jsSync(), 3]);
    expect(String(w.sharding)).toBe("NamedSharding(Mesh('x': 2, 'y': 4), P())");
    expect(a.sharding).toBeInstanceOf(SingleDeviceSharding);
    expect([String(a.sharding), a.sharding.isFullyReplicated, a.committed]).toEqual([
      'SingleDeviceSharding(wasm:0)',
      true,
      false,
    ]);
    expect(a.addressableShards).toEqual([
      {
        device: a.device,
        index: [
          [0, 4],
          [0, 8],
        ],
        replicaId: 0,
        data: a,
      },
    ]);
  });

  test('mistakes', async () => {
    await expect(devicePut(np.ones([3, 8]), lies('x', 'y'))).rejects.toThrow(
      "NamedSharding: an axis must be a multiple of the number of its blocks; got size 3 of axis 0 of shape [3, 8] for 2 blocks (P('x', 'y') over Mesh('x': 2, 'y': 4)). Pad the array, or change the spec.",
    );
    await expect(devicePut(np.ones([4]), lies('x', 'y'))).rejects.toThrow(
      "NamedSharding: a spec must have at most one entry per axis; got P('x', 'y') for shape [4]. Shorten the spec, or give the array more axes.",
    );
    expect(() => lies('z')).toThrow(
      "NamedSharding: a spec must name axes of its mesh; got 'z' in P('z',) for Mesh('x': 2, 'y': 4). Use one of x, y.",
    );
  });
});

describe('jit', () => {
  const double = (v: Value): Value => v.mul(2);

  test('results lie as outShardings say', () => {
    const f = jit(double, { inShardings: lies('x', 'y'), outShardings: lies('y') });
    for (const y of [f(a), f(a), f.lower(a).compile()(a)]) {
      expect(String(y.sharding)).toBe("NamedSharding(Mesh('x': 2, 'y': 4), P('y',))");
      expect(y.jsSync()).toEqual(double(a).jsSync());
    }
    expect(jit(double, { inShardings: lies('x') })(a).sharding).toBeInstanceOf(
      SingleDeviceSharding,
    );
  });

  test('trees, null and static arguments', () => {
    const f = jit(
      (p: { w: Value; b: Value }, n: number, v: Value) => [v.add(p.w).mul(n), { b: p.b }],
      {
        inShardings: [{ w: lies('x'), b: null }, lies(null, 'y')],
        outShardings: [null, { b: lies() }],
        staticArgnums: 1,
      },
    );
    const [y, { b }] = f({ w: a, b: np.arange(3) }, 2, a) as [Value, { b: Value }];
    expect(y.sharding).toBeInstanceOf(SingleDeviceSharding);
    expect(b.sharding).toBeInstanceOf(NamedSharding);
    expect(y.jsSync()).toEqual(a.mul(4).jsSync());
  });

  test('inside transformations only values count', () => {
    const f = jit(double, { inShardings: lies('x'), outShardings: lies('x') });
    const slope = grad((v: Value) => f(v).sum())(np.ones([4, 2]));
    expect(slope.jsSync()).toEqual(np.full([4, 2], 2).jsSync());
    expect(vmap(f)(a.reshape(2, 2, 8)).jsSync()).toEqual(a.reshape(2, 2, 8).mul(2).jsSync());
    expect(String(makeJaxpr(f)(a))).toContain('jit');
  });

  test('arguments that lie as they should', async () => {
    const f = jit(double, { inShardings: lies('x') });
    for (const spec of [lies('x'), lies(['x']), lies('x', null)])
      expect(f(await devicePut(a, spec)).jsSync()).toEqual(double(a).jsSync());
  });

  test('mistakes', async () => {
    const laid = await devicePut(a, lies('x', 'y'));
    const failure = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        return String(error).split('\n')[0];
      }
      return 'no error';
    };
    const wrong = jit(double, { inShardings: lies('x') });
    expect({
      'another layout': failure(() => wrong(laid)),
      'an axis that does not divide': failure(() => wrong(np.ones([3, 8]))),
      'a spec of a higher rank': failure(() => wrong(np.array(1).add(0))),
      'a result that does not divide': failure(() =>
        jit((v: Value) => v.slice([0, 3]), { outShardings: lies('x') })(a),
      ),
      'a result of a lower rank': failure(() =>
        jit((v: Value) => v.sum(), { outShardings: lies('x') })(a),
      ),
      'too few': failure(() =>
        jit((v: Value, w: Value) => v.add(w), { inShardings: [lies('x')] })(a, a),
      ),
      'too many': failure(() => jit(double, { inShardings: [lies('x'), lies('x')] })(a)),
      'another tree': failure(() => jit(double, { outShardings: [lies('x')] })(a)),
      'a spec alone': failure(() => jit(double, { inShardings: P('x') as never })(a)),
    }).toMatchInlineSnapshot(`
      {
        "a result of a lower rank": "ShapeError: jit: in the result, a spec must have at most one entry per axis; got P('x',) for shape []. Shorten the spec, or give the array more axes.",
        "a result that does not divide": "ShapeError: jit: in the result, an axis must be a multiple of the number of its blocks; got size 3 of axis 0 of shape [3, 8] for 2 blocks (P('x',) over Mesh('x': 2, 'y': 4)). Pad the array, or change the spec.",
        "a spec alone": "TreeError: jit: inShardings must be a NamedSharding, null, or a tree of those; got an object of class PartitionSpec. Write new NamedSharding(mesh, P('x')).",
        "a spec of a higher rank": "ShapeError: jit: in args[0], a spec must have at most one entry per axis; got P('x',) for shape []. Shorten the spec, or give the array more axes.",
        "an axis that does not divide": "ShapeError: jit: in args[0], an axis must be a multiple of the number of its blocks; got size 3 of axis 0 of shape [3, 8] for 2 blocks (P('x',) over Mesh('x': 2, 'y': 4)). Pad the array, or change the spec.",
        "another layout": "ArgumentError: jit: arguments must lie as inShardings say; got NamedSharding(Mesh('x': 2, 'y': 4), P('x', 'y')) for NamedSharding(Mesh('x': 2, 'y': 4), P('x',)) of i32[4,8]. Lay the array out anew with \`await devicePut(x, sharding)\`, or leave out its inShardings.",
        "another tree": "TreeError: jit: outShardings must be a prefix of the tree it belongs to; got [*] for * at the root. Give one entry for the whole, or one per child.",
        "too few": "TreeError: jit: inShardings must be a prefix of the tree it belongs to; got [*] for [*, *] at the root. Give one entry for the whole, or one per child.",
        "too many": "TreeError: jit: inShardings must be a prefix of the tree it belongs to; got [*, *] for [*] at the root. Give one entry for the whole, or one per child.",
      }
    `);
  });
});
