/** Laws of `shardMap`: what a function over a mesh has to do with the function of whole arrays, with `vmap`, and with its derivatives. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { config, withConfig } from '../../core/config.ts';
import { checkJaxpr } from '../../core/jaxpr-check.ts';
import { Mesh, NamedSharding, P, virtualDevices, type PartitionEntry } from '../../core/mesh.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Value } from '../../core/value.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { add, div, mul } from '../../lax/arithmetic.ts';
import { axisIndex, pmax, pmean, pmin, psum } from '../../lax/collectives.ts';
import { eq } from '../../lax/comparison.ts';
import { convertElementType } from '../../lax/convert.ts';
import { dot } from '../../lax/dot.ts';
import { allGather, ppermute } from '../../lax/exchange.ts';
import { reduceSum, reshape } from '../../lax/structure.ts';
import { exp, sin, tanh } from '../../lax/transcendental.ts';
import { compilationCount } from '../../transforms/executables.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad, vjp } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { shardMap } from '../../transforms/shard-map.ts';
import { vmap } from '../../transforms/vmap.ts';
import { programs, run } from './programs.ts';
import { array, distance, failure, flat, js, noise } from './setup.ts';

config.hostDeviceCount = 12;
const line = new Mesh([4], ['i']);
const grid = new Mesh([2, 3, 2], ['x', 'y', 'z']);
/** The index along an axis as a float. */
const index = (name: string): Value => convertElementType(axisIndex(name), 'f32');
const runs = { numRuns: Number(process.env['PALLADIA_RUNS'] ?? 40) };

/** A spec for an array of this many axes: every name of the grid at most once. */
const specs = (ndim: number): fc.Arbitrary<readonly PartitionEntry[]> =>
  fc
    .tuple(
      fc.shuffledSubarray([...grid.axisNames]),
      fc.array(fc.nat(ndim - 1), { minLength: 3, maxLength: 3 }),
    )
    .map(([names, places]) =>
      Array.from({ length: ndim }, (_, axis): PartitionEntry => {
        const here = names.filter((_, i) => places[i] === axis);
        return here.length === 0 ? null : here.length === 1 ? here[0] : here;
      }),
    );

/** A spec and an array that it cuts; some arrays have no elements. */
const cutArrays = fc
  .tuple(specs(3), fc.array(fc.nat(2), { minLength: 3, maxLength: 3 }))
  .map(([entries, block]) => {
    const spec = P(...entries);
    const shape = new NamedSharding(grid, spec).globalShape(block);
    return { spec, x: noise(shape) };
  });

describe('specs', () => {
  test('cutting and joining with one spec is no change', () => {
    fc.assert(
      fc.property(cutArrays, ({ spec, x }) => {
        const f = shardMap((v: Value) => v, { mesh: grid, inSpecs: spec, outSpecs: spec });
        expect(js(f(x))).toEqual(js(x));
      }),
      runs,
    );
  });

  test('each device gets its block', () => {
    const ids = shardMap((v: Value) => add(mul(axisIndex(['x', 'y', 'z']), 1000), reduceSum(v)), {
      mesh: grid,
      inSpecs: P(['y', 'x'], 'z'),
      outSpecs: P(),
      checkVma: false,
    });
    expect(failure(() => ids(array([1], [1, 1], 'i32')))).toMatch(/^ShapeError: shardMap: in args/);
    const blocks = shardMap((v: Value) => reshape(v, [1, 1, 1]), {
      mesh: grid,
      inSpecs: P(['y', 'x'], 'z'),
      outSpecs: P('x', 'y', 'z'),
    });
    const numbers = array([...Array(12).keys()], [6, 2], 'i32');
    // Row y * 2 + x, column z.
    expect(js(blocks(numbers))).toEqual([
      [
        [0, 1],
        [4, 5],
        [8, 9],
      ],
      [
        [2, 3],
        [6, 7],
        [10, 11],
      ],
    ]);
  });

  test('functions of elements do not see the blocks, nor do their derivatives', () => {
    fc.assert(
      fc.property(cutArrays, ({ spec, x }) => {
        fc.pre(sizeOf(x.shape) > 0);
        const f = (v: Value): Value => sin(mul(v, exp(sin(v))));
        const g = shardMap(f, { mesh: grid, inSpecs: spec, outSpecs: spec });
        expect(distance(g(x), f(x))).toBeLessThan(1e-6);
        const sum = (h: (v: Value) => Value) => (v: Value) => reduceSum(mul(h(v), v));
        expect(distance(grad(sum(g))(x), grad(sum(f))(x))).toBeLessThan(1e-5);
      }),
      runs,
    );
  });
});

describe('laws', () => {
  const law = (name: string, reverseOnly: boolean, holds: (f: (x: Value) => Value) => void): void =>
    test(name, () => {
      const property = fc.property(programs(reverseOnly), (steps) => {
        holds((x) => run(steps, x));
      });
      fc.assert(property, runs);
    });
  const whole = { mesh: grid, inSpecs: P(), outSpecs: P() };
  const point = array([0.3, -0.7, 0.9]);

  law('with P() everywhere it is the function', true, (f) => {
    const g = shardMap(f, whole);
    expect(distance(g(point), f(point))).toBe(0);
    const [ours, theirs] = [g, f].map((h) => vjp(h, point)[1](array([1, -0.5, 0.75]))[0]);
    expect(distance(ours, theirs)).toBeLessThan(1e-5);
  });

  law('data-parallel maps are vmap', true, (f) => {
    const xs = noise([8, 3]);
    const mapped = vmap(f);
    const g = shardMap(mapped, { mesh: line, inSpecs: P('i'), outSpecs: P('i') });
    expect(distance(g(xs), mapped(xs))).toBeLessThan(1e-6);
    expect(distance(jit(g)(xs), mapped(xs))).toBeLessThan(1e-6);
    const loss = (h: (x: Value) => Value) => (x: Value) => reduceSum(sin(h(x)));
    expect(distance(grad(loss(g))(xs), grad(loss(mapped))(xs))).toBeLessThan(1e-5);
  });

  law('its programs are well typed, and derivatives agree with each other', false, (f) => {
    const g = shardMap(
      (x: Value, w: Value) =>
        psum(vmap((row: Value) => mul(f(row), sin(mul(w, index('i')))))(x), 'i'),
      { mesh: line, inSpecs: [P('i'), P()], outSpecs: P() },
    );
    const [x, w, tx, tw] = [noise([8, 3]), noise([3], 2), noise([8, 3], 3), noise([3], 4)];
    const [out, tangent] = jvp(g, [x, w], [tx, tw]);
    const ct = noise(out.shape, 5);
    const [cx, cw] = vjp(g, x, w)[1](ct);
    const inner = (a: Value, b: Value): number =>
      flat(a).reduce((s, v, i) => s + v * flat(b)[i], 0);
    const [left, right] = [inner(ct, tangent), inner(cx, tx) + inner(cw, tw)];
    expect(Math.abs(left - right)).toBeLessThan(1e-4 * (1 + Math.abs(left)));
    expect(distance(linearize(g, x, w)[1](tx, tw), tangent)).toBeLessThan(1e-5);
    checkJaxpr(makeJaxpr(g)(x, w));
    checkJaxpr(makeJaxpr((a: Value, b: Value) => vjp(g, a, b)[1](ct))(x, w));
    checkJaxpr(makeJaxpr(vmap(g, { inAxes: [0, null] }))(noise([2, 8, 3]), w));
  });
});

describe('collectives', () => {
  const x = noise([8]);

  test('extremes have derivatives', () => {
    const f = shardMap((v: Value) => mul(pmax(sin(v), 'i'), pmin(v, 'i')), {
      mesh: line,
      inSpecs: P('i'),
      outSpecs: P(),
    });
    const twin = vmap((v: Value) => mul(pmax(sin(v), 'i'), pmin(v, 'i')), {
      axisName: 'i',
      outAxes: null,
    });
    const rows = reshape(x, [4, 2]);
    const total = (h: (v: Value) => Value) => (v: Value) => reduceSum(h(v));
    expect(flat(grad(total(f))(x))).toEqual(flat(grad(total(twin))(rows)));
  });

  test('what every device gathered is a copy', () => {
    const f = shardMap((v: Value) => allGather(v, 'i', { tiled: true }), {
      mesh: line,
      inSpecs: P('i'),
      outSpecs: P(),
    });
    expect(js(f(x))).toEqual(js(x));
    expect(flat(grad((v: Value) => reduceSum(sin(f(v))))(x))).toEqual(
      flat(grad((v: Value) => reduceSum(sin(v)))(x)),
    );
  });

  test('copies stay copies through loops and branches', () => {
    const f = shardMap(
      (v: Value) => {
        const total = psum(reduceSum(v), 'i');
        const [last] = scan((c: Value): [Value, null] => [tanh(add(c, total)), null], total, null, {
          length: 3,
        });
        return cond(
          eq(last, last),
          (c: Value) => mul(c, 2),
          (c: Value) => c,
          last,
        );
      },
      { mesh: line, inSpecs: P('i'), outSpecs: P() },
    );
    expect(f(x).shape).toEqual([]);
  });

  test('a branch that the index chooses makes no copy', () => {
    const f = shardMap(
      (v: Value) =>
        cond(
          eq(axisIndex('i'), 0),
          (c: Value) => mul(c, 2),
          (c: Value) => c,
          psum(v, 'i'),
        ),
      { mesh: line, inSpecs: P('i'), outSpecs: P() },
    );
    expect(failure(() => f(x))).toMatch(/^ShapeError: shardMap: a result must be the same/);
  });

  test('a ring passes every block around', () => {
    const ring = [0, 1, 2, 3].map((i): [number, number] => [i, (i + 1) % 4]);
    const f = shardMap((v: Value) => ppermute(v, 'i', ring), {
      mesh: line,
      inSpecs: P('i'),
      outSpecs: P('i'),
    });
    let out: Value = x;
    for (let i = 0; i < 4; i++) out = f(out);
    expect(js(out)).toEqual(js(x));
    expect(flat(f(x))).toEqual([...flat(x).slice(6), ...flat(x).slice(0, 6)]);
  });
});

describe('names', () => {
  const onX = { mesh: grid, inSpecs: P('x'), outSpecs: P('x') };

  test('names of the mesh hide the same names outside', () => {
    const f = shardMap((v: Value) => add(v, psum(v, 'x')), onX);
    const x = noise([3, 4]);
    expect(js(vmap((v: Value) => f(v), { axisName: 'x' })(x))).toEqual(js(vmap(f)(x)));
  });

  test('names outside can be used inside', () => {
    const f = shardMap((v: Value) => psum(sin(v), ['x', 'b']), { ...onX, outSpecs: P() });
    const x = noise([3, 4]);
    const mapped = vmap((v: Value) => f(v), { axisName: 'b', outAxes: null });
    const sum = vmap((v: Value) => reduceSum(sin(v)), { inAxes: 1 })(reshape(x, [6, 2]));
    expect(distance(mapped(x), sum)).toBeLessThan(1e-6);
    expect(distance(jit(mapped)(x), sum)).toBeLessThan(1e-6);
    const spread = vmap((v: Value) => f(v), { axisName: 'b', outAxes: null, spmdAxisName: 'y' });
    expect(js(spread(x))).toEqual(js(mapped(x)));
  });

  test('a mapped axis is spread without changing the result', () => {
    const f = shardMap((v: Value, w: Value) => mul(sin(v), psum(w, 'x')), {
      ...onX,
      inSpecs: [P('x'), P('x')],
    });
    const [x, w] = [noise([4, 6]), noise([4], 2)];
    const axes = { inAxes: [1, null], outAxes: 1 } as const;
    const [near, far] = [undefined, ['z', 'y']].map((spmdAxisName) =>
      vmap(f, spmdAxisName === undefined ? axes : { ...axes, spmdAxisName }),
    );
    expect(js(far(x, w))).toEqual(js(near(x, w)));
    expect(String(makeJaxpr(far)(x, w))).toContain("in_specs=(P('x', ('z', 'y')), P('x',))");
  });

  test('meshes nest', () => {
    const inner = new Mesh([2], ['k']);
    const f = (v: Value): Value =>
      shardMap((u: Value) => add(psum(u, ['k', 'i']), index('k')), {
        mesh: inner,
        inSpecs: P(null, 'k'),
        outSpecs: P(null, 'k'),
      })(v);
    const outer = shardMap(f, { mesh: line, inSpecs: P('i'), outSpecs: P() });
    const x = noise([4, 2]);
    const [a, b] = flat(vmap((v: Value) => reduceSum(v), { inAxes: 1 })(x));
    const [left, right] = flat(outer(x));
    expect(left).toBeCloseTo(a + b, 5);
    expect(right).toBeCloseTo(a + b + 1, 5);
    const twice = grad((v: Value) => reduceSum(sin(outer(v))))(x);
    const slope = Math.cos(a + b) + Math.cos(a + b + 1);
    flat(twice).forEach((d) => expect(d).toBeCloseTo(slope, 5));
  });
});

test('what nobody uses is dropped', () => {
  const f = shardMap((x: Value, y: Value) => [sin(x), dot(y, y)], {
    mesh: line,
    inSpecs: [P('i'), P()],
    outSpecs: [P('i'), P()],
  });
  const text = jit((x: Value, y: Value) => f(x, y)[0])
    .lower(noise([4]), noise([3, 3]))
    .asText();
  expect(text).toContain('stablehlo.sine');
  expect(text).not.toContain('dot_general');
});

describe('text for XLA', () => {
  const sum = (mesh: Mesh): ((x: Value) => Value) =>
    shardMap((x: Value) => psum(x, 'i'), { mesh, inSpecs: P(null, 'i'), outSpecs: P() });
  const x = noise([2, 4]);

  test('operands and results have shardings, and a partition for each device', () => {
    const text = jit(sum(line), { name: 'total' }).lower(x).asText({ spmd: true });
    expect(text).toMatchInlineSnapshot(`
      "module @jit_total attributes {mhlo.num_partitions = 4 : i32, mhlo.num_replicas = 1 : i32} {
        func.func public @main(%arg0: tensor<2x4xf32>) -> (tensor<2x1xf32> {jax.result_info = "result"}) {
          %0 = stablehlo.custom_call @Sharding(%arg0) {backend_config = "", mhlo.sharding = "{devices=[1,4]0,1,2,3}"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
          %1 = stablehlo.custom_call @SPMDFullToShardShape(%0) {backend_config = "", mhlo.sharding = "{manual}"} : (tensor<2x4xf32>) -> tensor<2x1xf32>
          %2 = call @shmap_body(%1) : (tensor<2x1xf32>) -> tensor<2x1xf32>
          %3 = stablehlo.custom_call @Sharding(%2) {backend_config = "", mhlo.sharding = "{manual}"} : (tensor<2x1xf32>) -> tensor<2x1xf32>
          %4 = stablehlo.custom_call @SPMDShardToFullShape(%3) {backend_config = "", mhlo.sharding = "{replicated}"} : (tensor<2x1xf32>) -> tensor<2x1xf32>
          return %4 : tensor<2x1xf32>
        }
        func.func private @shmap_body(%arg0: tensor<2x1xf32>) -> tensor<2x1xf32> {
          %0 = "stablehlo.all_reduce"(%arg0) <{channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>, replica_groups = dense<[[0, 1, 2, 3]]> : tensor<1x4xi64>, use_global_device_ids}> ({
          ^bb0(%arg1: tensor<f32>, %arg2: tensor<f32>):
            %1 = stablehlo.add %arg1, %arg2 : tensor<f32>
            stablehlo.return %1 : tensor<f32>
          }) : (tensor<2x1xf32>) -> tensor<2x1xf32>
          return %0 : tensor<2x1xf32>
        }
      }
      "
    `);
    expect(jit(sum(line)).lower(x).asText()).not.toContain('Sharding');
    expect(jit(sin).lower(x).asText({ spmd: true })).toBe(jit(sin).lower(x).asText());
  });

  test('tiles are numbered by the order of names, copies last', () => {
    const f = shardMap((v: Value) => v, {
      mesh: grid,
      inSpecs: P(['z', 'x'], null),
      outSpecs: P('y', 'x'),
      checkVma: false,
    });
    const found = jit(f)
      .lower(noise([12, 2]))
      .asText({ spmd: true })
      .matchAll(/sharding = "(.*?)"/g);
    expect([...found].map(([, text]) => text)).toEqual([
      '{devices=[4,1,3]0,2,4,6,8,10,1,3,5,7,9,11 last_tile_dim_replicate}',
      '{manual}',
      '{manual}',
      '{devices=[3,2,2]0,1,6,7,2,3,8,9,4,5,10,11 last_tile_dim_replicate}',
    ]);
  });

  test('all meshes have the same devices, the first ones', () => {
    const two = new Mesh([2], ['i']);
    const both = jit((v: Value) => sum(two)(sum(line)(v)));
    expect(failure(() => both.lower(noise([2, 8])).asText({ spmd: true }))).toMatchInlineSnapshot(
      `"LoweringError: lower: all meshes of a partitioned program must have one number of devices; got 4 and 2. Use meshes of the same devices."`,
    );
    const last = new Mesh([2], ['i'], virtualDevices().slice(10));
    expect(failure(() => jit(sum(last)).lower(x).asText({ spmd: true }))).toMatchInlineSnapshot(
      `"LoweringError: lower: a partitioned program runs on the first devices; got devices 10, 11 for Mesh('i': 2). Make the mesh of the first 2 devices."`,
    );
  });
});

test('equal meshes are one: programs are compiled once', () => {
  const step = (mesh: Mesh): ((x: Value) => Value) =>
    shardMap((x: Value) => div(x, psum(reduceSum(x), 'i')), {
      mesh,
      inSpecs: P('i'),
      outSpecs: P('i'),
    });
  const f = jit((x: Value, mesh: Mesh) => step(mesh)(x));
  const x = noise([8]);
  const first = f(x, new Mesh([4], ['i']));
  const count = compilationCount();
  expect(js(f(x, new Mesh([4], ['i'])))).toEqual(js(first));
  expect(compilationCount()).toBe(count);
  f(x, new Mesh([2], ['i']));
  expect(compilationCount()).toBe(count + 1);
});

test('operands without equal blocks on a mesh of one device', () => {
  const one = new Mesh([1, 1], ['x', 'y']);
  const f = shardMap((x: Value) => pmean(psum(x, 'x'), 'y'), {
    mesh: one,
    inSpecs: P(['x', 'y']),
    outSpecs: P(),
  });
  expect(js(f(array([1, 2, 3])))).toEqual([1, 2, 3]);
  const none = new Mesh([], []);
  const g = shardMap((x: Value) => sin(x), { mesh: none, inSpecs: P(), outSpecs: P() });
  expect(js(g(array([0])))).toEqual([0]);
});

test('meshes, devices, specs and shardings as values', () => {
  expect(String(virtualDevices().slice(0, 2))).toBe('virtual:0,virtual:1');
  expect(withConfig({ hostDeviceCount: 3 }, () => virtualDevices().length)).toBe(3);
  expect([line.size, line.devices.map((d) => d.id)]).toEqual([4, [0, 1, 2, 3]]);
  const chosen = new Mesh([2], ['i'], virtualDevices().slice(4));
  expect(chosen.devices.map((d) => d.id)).toEqual([4, 5]);
  expect(chosen.structuralKey()).not.toBe(new Mesh([2], ['i']).structuralKey());
  const sharding = new NamedSharding(grid, P('x', null, ['z', 'y']));
  expect(String(sharding)).toBe(
    "NamedSharding(Mesh('x': 2, 'y': 3, 'z': 2), P('x', None, ('z', 'y')))",
  );
  expect(sharding.shardShape([4, 5, 12, 7])).toEqual([2, 5, 2, 7]);
  expect(sharding.globalShape([2, 5, 2, 7])).toEqual([4, 5, 12, 7]);
  expect([sharding.isFullyReplicated, new NamedSharding(grid, P()).isFullyReplicated]).toEqual([
    false,
    true,
  ]);
});
