// Collectives: their laws under vmap, with every other transformation around and inside, and the named axes that they refer to.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { withAxes } from '../../core/axis-env.ts';
import { checkJaxpr } from '../../core/jaxpr-check.ts';
import { add, div, mul } from '../../lax/arithmetic.ts';
import { gt, lt } from '../../lax/comparison.ts';
import { convertElementType } from '../../lax/convert.ts';
import {
  axisIndex,
  axisSize,
  pmax,
  pmean,
  pmin,
  psum,
  type ReducedAxes,
} from '../../lax/collectives.ts';
import {
  allGather,
  allToAll,
  ppermute,
  pshuffle,
  psumScatter,
  pswapaxes,
} from '../../lax/exchange.ts';
import { dynamicIndexInDim } from '../../lax/slicing.ts';
import { broadcastInDim, reduceSum, transpose } from '../../lax/structure.ts';
import { sin } from '../../lax/transcendental.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { sequentialVmap } from '../../control/sequential-vmap.ts';
import { whileLoop } from '../../control/while.ts';
import { checkpoint } from '../../transforms/checkpoint.ts';
import { customJvp, customVjp } from '../../transforms/custom.ts';
import { customVmap } from '../../transforms/custom-vmap.ts';
import { jvp } from '../../transforms/forward.ts';
import { grad } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap, type VmapOptions } from '../../transforms/vmap.ts';
import { programs, run } from './programs.ts';
import { array, distance, failure, flat, js, noise } from './setup.ts';

const i: VmapOptions = { axisName: 'i' };
const j: VmapOptions = { axisName: 'j' };
const x4 = array([3, 1, 4, 1]);

describe('reductions', () => {
  test('the sum, the mean and the extrema over the axis, at every index', () => {
    const all = vmap((x: Value) => [psum(x, 'i'), pmean(x, 'i'), pmax(x, 'i'), pmin(x, 'i')], i);
    expect(js(all(x4))).toEqual([
      [9, 9, 9, 9],
      [2.25, 2.25, 2.25, 2.25],
      [4, 4, 4, 4],
      [1, 1, 1, 1],
    ]);
    expect(js(jit(all)(x4))).toEqual(js(all(x4)));
  });

  test('trees, bools, numbers, captured arrays', () => {
    const f = (t: { a: Value; b: Value }): unknown => [
      psum(t, 'i'),
      psum([1, x4], 'i'),
      psum(gt(t.a, 2), 'i'),
    ];
    const given = { a: x4, b: noise([4, 2]) };
    const [sums, fixed, count] = vmap(f, { ...i, outAxes: null })(given) as [
      unknown,
      unknown,
      unknown,
    ];
    expect(distance(sums, { a: reduceSum(x4), b: reduceSum(given.b, 0) })).toBeLessThan(1e-6);
    expect(js(fixed)).toEqual([4, [12, 4, 16, 4]]);
    expect(js(count)).toBe(2);
  });

  test('names and positions together', () => {
    const x = noise([2, 3, 4]);
    for (const axes of [['i', 0], [0, 'i'], ['i', -2], 0] as ReducedAxes[]) {
      const got = vmap((v: Value) => psum(v, axes), i)(x);
      const whole = typeof axes === 'number' ? reduceSum(x, 1) : reduceSum(x, [0, 1]);
      const want = typeof axes === 'number' ? whole : broadcastInDim(whole, [2, 4], [1]);
      expect(distance(got, want)).toBeLessThan(1e-6);
    }
  });

  test('equal elements share the derivative of an extremum', () => {
    for (const op of [pmax, pmin]) {
      const f = (v: Value): Value => reduceSum(vmap((x: Value) => op(x, 'i'), i)(v));
      const where = op === pmax ? [0, 0, 4, 0] : [0, 2, 0, 2];
      expect(flat(grad(f)(x4))).toEqual(where);
    }
  });

  test('an axis of no indices, an axis of one', () => {
    expect(
      js(vmap((x: Value) => psum(x, 'i'), { ...i, outAxes: null })(array([], [0, 2]))),
    ).toEqual([0, 0]);
    expect(vmap((x: Value) => allGather(x, 'i'), i)(array([], [0, 2])).shape).toEqual([0, 0, 2]);
    expect(js(vmap((x: Value) => pmean(x, 'i'), i)(array([7])))).toEqual([7]);
  });
});

describe('exchanges', () => {
  test('gathering, then taking the own part; a scattered sum is a part of the sum', () => {
    const x = noise([3, 3, 2]);
    const own = vmap(
      (v: Value) => dynamicIndexInDim(allGather(v, 'i'), axisIndex('i'), 0, false),
      i,
    );
    expect(distance(own(x), x)).toBe(0);
    const part = vmap((v: Value) => psumScatter(v, 'i'), i);
    const sum = vmap((v: Value) => dynamicIndexInDim(psum(v, 'i'), axisIndex('i'), 0, false), i);
    expect(distance(part(x), sum(x))).toBeLessThan(1e-6);
  });

  test('all to all is a transposition, and its own inverse', () => {
    const x = noise([3, 3, 2]);
    const swap = vmap((v: Value) => pswapaxes(v, 'i', 0), i);
    expect(distance(swap(x), transpose(x, [1, 0, 2]))).toBe(0);
    expect(distance(swap(swap(x)), x)).toBe(0);
    const there = vmap((v: Value) => allToAll(v, 'i', 0, 1), i);
    const back = vmap((v: Value) => allToAll(v, 'i', 1, 0), i);
    expect(distance(back(there(x)), x)).toBe(0);
  });

  test('an inverse permutation undoes a permutation', () => {
    const perm = [2, 0, 3, 1];
    const f = vmap((x: Value) => pshuffle(x, 'i', perm), i);
    const undo = vmap(
      (x: Value) =>
        ppermute(
          x,
          'i',
          perm.map((from, to) => [to, from]),
        ),
      i,
    );
    expect(js(f(x4))).toEqual([4, 3, 1, 1]);
    expect(js(undo(f(x4)))).toEqual(js(x4));
  });

  test('several names count as axisIndex counts them, in any order', () => {
    const perm = [
      [0, 3],
      [5, 1],
      [4, 0],
    ] as const;
    for (const names of [
      ['i', 'j'],
      ['j', 'i'],
    ]) {
      const f = (): readonly Value[] => {
        const index = axisIndex(names);
        return [index, ppermute(add(index, 10), names, perm)];
      };
      const inner = vmap(f, { ...j, axisSize: 3 });
      const [index, moved] = vmap(inner, { ...i, axisSize: 2 })().map(flat);
      const at = (k: number): number => index.indexOf(k);
      const want = Array.from({ length: 6 }, () => 0);
      for (const [from, to] of perm) want[at(to)] = 10 + from;
      expect(moved).toEqual(want);
    }
  });

  test('bools and integers where nothing is sent', () => {
    const f = vmap(
      (x: Value) => [
        ppermute(gt(x, 0), 'i', [[0, 1]]),
        ppermute(convertElementType(x, 'i32'), 'i', [[2, 0]]),
      ],
      i,
    );
    expect(js(f(x4))).toEqual([
      [false, true, false, false],
      [4, 0, 0, 0],
    ]);
  });
});

describe('operands that are the same at all indices', () => {
  const fixed = noise([2, 4]);
  const cases: Record<string, (x: Value) => unknown> = {
    psum: (x) => psum(x, 'i'),
    pmax: (x) => pmax(x, 'i'),
    'psum of names': (x) => psum(x, ['j', 'i']),
    'psum in groups': (x) => psum(x, 'i', { axisIndexGroups: [[0], [1]] }),
    ppermute: (x) => ppermute(x, 'i', [[0, 1]]),
    'ppermute of all': (x) =>
      ppermute(x, 'i', [
        [0, 1],
        [1, 0],
      ]),
    'ppermute of names': (x) => ppermute(x, ['i', 'j'], [[0, 5]]),
    allGather: (x) => allGather(x, 'i', { axis: 1, tiled: true }),
    psumScatter: (x) => psumScatter(x, 'i'),
    'psumScatter of names': (x) =>
      psumScatter(allGather(x, 'j', { tiled: true }), ['j', 'i'], { tiled: true }),
    allToAll: (x) => allToAll(x, 'i', 0, 1),
  };
  test.each(Object.entries(cases))('%s', (_, f) => {
    // `mul` by the lane's own one makes a value that differs from lane to lane as far as anybody knows.
    const lane = (own: Value, x: Value): unknown => f(mul(own, x));
    const ones = array([1, 1]);
    const got = vmap(
      vmap(() => f(fixed), { ...j, axisSize: 3 }),
      { ...i, axisSize: 2 },
    )();
    const inner = vmap(lane, { ...j, inAxes: [null, null], axisSize: 3 });
    const want = vmap(inner, { ...i, inAxes: [0, null] })(ones, fixed);
    expect(distance(got, want)).toBe(0);
  });
});

describe('inside other transformations', () => {
  const wraps: Record<string, (f: (x: Value) => Value) => (x: Value) => Value> = {
    jit: (f) => jit(f),
    'jit of a constant': (f) => (x) => jit(() => f(x))(),
    scan: (f) => (x) => scan((c: Value, _: null) => [f(c), null], x, null, { length: 1 })[0],
    cond: (f) => (x) => cond(true, f, (y: Value) => y, x),
    'cond per lane': (f) => (x) => cond(gt(axisIndex('i'), -1), f, (y: Value) => y, x),
    while: (f) => (x) =>
      whileLoop(
        ([n]: [Value, Value]) => lt(n, 1),
        ([n, y]: [Value, Value]) => [add(n, 1), f(y)] as [Value, Value],
        [0, x],
      )[1],
    checkpoint: (f) => checkpoint(f),
    customJvp: (f) => {
      const g = customJvp(f);
      g.defjvp(([x]: Value[], [t]: Value[]) => jvp(f, [x], [t]));
      return (x) => g(x);
    },
    customVjp: (f) => {
      const g = customVjp(f);
      g.defvjp(
        (x: Value) => [f(x), x],
        (x: Value, ct: Value) => [mul(grad((y: Value) => f(y))(x), ct)],
      );
      return (x) => g(x);
    },
    'an unnamed vmap': (f) => (x) => reduceSum(vmap(f)(broadcastInDim(x, [1], []))),
    'another named vmap': (f) => (x) => reduceSum(vmap(f, j)(broadcastInDim(x, [1], []))),
  };
  const body = (x: Value): Value =>
    add(mul(psum(sin(x), 'i'), x), convertElementType(mul(axisIndex('i'), axisSize('i')), 'f32'));
  const index = (_: Value): Value => convertElementType(axisIndex('i'), 'f32');
  const xs = noise([3]);
  describe.each(Object.entries(wraps))('%s', (name, wrap) => {
    test('values', () => {
      for (const f of [body, index]) {
        expect(distance(vmap(wrap(f), i)(xs), vmap(f, i)(xs))).toBeLessThan(1e-6);
        expect(distance(jit(vmap(wrap(f), i))(xs), vmap(f, i)(xs))).toBeLessThan(1e-6);
      }
    });
    const derivatives = (): void => {
      const want = vmap(grad(body), i)(xs);
      expect(distance(vmap(grad(wrap(body)), i)(xs), want)).toBeLessThan(1e-5);
      const outside = (f: (x: Value) => Value): Value =>
        grad((v: Value) => reduceSum(vmap(f, i)(v)))(xs);
      expect(distance(outside(wrap(body)), outside(body))).toBeLessThan(1e-5);
    };
    // A loop of unknown length has no reverse mode, a custom VJP no forward mode.
    if (name !== 'while') test('derivatives', derivatives);
    const forward = (): void => {
      const push = (f: (x: Value) => Value): unknown =>
        vmap((x: Value, t: Value) => jvp(f, [x], [t]), i)(xs, noise([3], 2));
      expect(distance(push(wrap(body)), push(body))).toBeLessThan(1e-5);
    };
    if (name !== 'customVjp') test('forward derivatives', forward);
  });

  test('an index where nothing is mapped', () => {
    const quiet = customVmap(() => axisIndex('i')).defVmap(() => [0, false]);
    const loops = (): unknown => [
      jit(() => axisIndex('i'))(),
      scan((c: Value, _: null) => [add(c, axisIndex('i')), c], array([0], [], 'i32'), null, {
        length: 2,
      }),
      cond(
        true,
        () => axisIndex('i'),
        () => axisIndex('i'),
      ),
      whileLoop(
        (c: Value) => lt(c, 5),
        (c: Value) => add(add(c, axisIndex('i')), 1),
        array([0], [], 'i32'),
      ),
      checkpoint(() => axisIndex('i'))(),
      quiet(),
    ];
    expect(js(vmap(loops, { ...i, axisSize: 3 })())).toEqual([
      [0, 1, 2],
      [
        [0, 2, 4],
        [
          [0, 0],
          [0, 1],
          [0, 2],
        ],
      ],
      [0, 1, 2],
      [5, 6, 6],
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });
});

test('random programs: a collective is a function of the whole axis', () => {
  const [n, xs] = [2, noise([2, 3])];
  fc.assert(
    fc.property(programs(true), programs(true), (before, after) => {
      const f = (x: Value): Value => run(after, div(psum(run(before, x), 'i'), n));
      const whole = (v: Value): Value => {
        const mean = div(reduceSum(vmap((x: Value) => run(before, x))(v), 0), n);
        return vmap((x: Value) => run(after, x))(broadcastInDim(mean, [n, 3], [1]));
      };
      expect(distance(vmap(f, i)(xs), whole(xs))).toBeLessThan(1e-5);
      const outside = grad((v: Value) => reduceSum(vmap(f, i)(v)))(xs);
      const want = grad((v: Value) => reduceSum(whole(v)))(xs);
      expect(distance(outside, want)).toBeLessThan(1e-4);
      // Every lane differentiates the sum of all lanes.
      const lanes = vmap(
        grad((x: Value) => reduceSum(f(x))),
        i,
      )(xs);
      expect(distance(lanes, want)).toBeLessThan(1e-4);
    }),
    { numRuns: 8 },
  );
});

describe('names', () => {
  test('an inner name hides an outer one; a name ends with its vmap, also after an error', () => {
    const f = vmap(
      (x: Value) => [vmap((y: Value) => psum(y, 'i'), i)(x), psum(x, 'i'), axisSize('i')],
      i,
    );
    expect(js(f(array([1, 2, 3, 4, 5, 6], [2, 3])))).toEqual([
      [
        [6, 6, 6],
        [15, 15, 15],
      ],
      [
        [5, 7, 9],
        [5, 7, 9],
      ],
      [2, 2],
    ]);
    const broken = vmap(
      () => {
        throw new RangeError('mine');
      },
      { ...i, axisSize: 2 },
    );
    expect(() => broken()).toThrow('mine');
    expect(failure(() => axisSize('i'))).toMatch(/^UnboundAxisError/);
  });

  test('a jitted function is traced once per binding of its names', () => {
    let traces = 0;
    const f = jit((x: Value) => {
      traces++;
      return mul(psum(x, 'i'), axisSize('i'));
    });
    const over = (n: number): unknown => js(vmap(f, i)(array(Array.from({ length: n }, () => 1))));
    expect([over(2), over(3), over(2)]).toEqual([
      [4, 4],
      [9, 9, 9],
      [4, 4],
    ]);
    expect(traces).toBe(2);
    expect(failure(() => f(1))).toMatch(/^UnboundAxisError/);
    const g = jit((x: Value) => add(x, 1));
    withAxes([['i', 2]], () => g(1));
    expect(js(g(2))).toBe(3);
  });

  test('names that a program refers to survive tracing, and are checked', () => {
    const f = (x: Value): Value => jit((y: Value) => psum(sin(y), ['i', 'j']))(x);
    const jaxpr = makeJaxpr(f, {
      axisEnv: [
        ['i', 2],
        ['j', 3],
      ],
    })(1);
    expect(String(jaxpr)).toContain("psum[axes=('i', 'j') axis_index_groups=None]");
    withAxes(
      [
        ['i', 2],
        ['j', 3],
      ],
      () => checkJaxpr(jaxpr),
    );
    expect(failure(() => checkJaxpr(jaxpr))).toMatch(/^UnboundAxisError: psum/);
    const lowered = withAxes([['i', 2]], () =>
      failure(() => jit((x: Value) => psum(x, 'i')).lower(1)),
    );
    expect(lowered).toMatchInlineSnapshot(
      `"UnboundAxisError: psum: a named axis must be mapped by vmap before the program runs; got axis name "i" in a program to run. Call it inside of the vmap that binds the name; a function with a custom batching rule cannot name the axis that its rule maps."`,
    );
  });

  test('axes of a mesh are accepted', () => {
    expect(js(vmap((x: Value) => psum(x, 'i'), { ...i, spmdAxisName: ['data'] })(x4))).toEqual([
      9, 9, 9, 9,
    ]);
  });

  test('mistakes', () => {
    const inside = (f: (x: Value) => unknown): string =>
      failure(() => vmap(f as (x: Value) => Value, i)(x4));
    expect(failure(() => psum(x4, 'i'))).toMatchInlineSnapshot(
      `"UnboundAxisError: psum: a named axis must be bound; got unbound axis name "i". Call it in a function that is mapped over the axis, as vmap(f, { axisName: "i" }) does."`,
    );
    expect(inside((x) => psum(x, 'batch'))).toMatchInlineSnapshot(
      `"UnboundAxisError: psum: a named axis must be bound; got unbound axis name "batch", where "i" can be used. Call it in a function that is mapped over the axis, as vmap(f, { axisName: "batch" }) does."`,
    );
    expect(inside((x) => psum(x, 7))).toMatchInlineSnapshot(
      `"ShapeError: psum: axis must be an integer in [0, 0); got 7 for an array of 0 axes. Choose an axis that exists."`,
    );
    expect(inside((x) => pmean(x, 7 as never))).toMatchInlineSnapshot(
      `"ArgumentError: pmean: an axis is named by a string, or several by a list of strings; got 7. Give the axisName of a vmap."`,
    );
    expect(inside((x) => psum(x, ['i', 'i']))).toMatchInlineSnapshot(
      `"ArgumentError: psum: names must be distinct; got i, i. Name each axis once."`,
    );
    expect(
      inside((x) =>
        psum(x, ['i', 0], {
          axisIndexGroups: [
            [0, 1],
            [2, 3],
          ],
        }),
      ),
    ).toMatchInlineSnapshot(
      `"ArgumentError: psum: axisIndexGroups are groups of a named axis; got positions beside names. Reduce over the positions first."`,
    );
    expect(inside((x) => psum(x, 'i', { axisIndexGroups: [[0, 1], [2]] }))).toMatchInlineSnapshot(
      `"ArgumentError: psum: axisIndexGroups must hold each of the 4 indices once, in groups of one size; got [[0,1],[2]]. Write them as [[0, 1], [2, 3]]."`,
    );
    expect(
      inside((x) => psum(x, 'i', { axisIndexGroups: [[0, 1, 2], [3]] })),
    ).toMatchInlineSnapshot(
      `"ArgumentError: psum: axisIndexGroups must hold each of the 4 indices once, in groups of one size; got [[0,1,2],[3]]. Write them as [[0, 1], [2, 3]]."`,
    );
    expect(
      inside((x) =>
        ppermute(x, 'i', [
          [0, 1],
          [2, 1],
        ]),
      ),
    ).toMatchInlineSnapshot(
      `"ArgumentError: ppermute: each index of the axis may send once and get once; got [[0,1],[2,1]] for an axis of size 4. Write pairs [source, destination] of indices from 0 to 3."`,
    );
    expect(inside((x) => pshuffle(x, 'i', [0, 1]))).toMatchInlineSnapshot(
      `"ArgumentError: pshuffle: perm must name every index of the axis once; got [0,1] for an axis of size 4. Use ppermute to send some of them."`,
    );
    expect(inside((x) => allGather(x, 'i', { axis: 2 }))).toMatchInlineSnapshot(
      `"ShapeError: allGather: axis must be an integer in [-1, 1); got 2 for an array of 1 axes. Choose an axis that exists."`,
    );
    expect(inside(() => psumScatter(array([1, 2, 3]), 'i'))).toMatchInlineSnapshot(
      `"ShapeError: psumScatter: the scattered axis must have one element per member; got size 3 of axis 0 of f32[3] for 4 members. Use tiled: true for larger parts."`,
    );
    expect(inside(() => psumScatter(array([1, 2, 3]), 'i', { tiled: true }))).toMatchInlineSnapshot(
      `"ShapeError: psumScatter: the axis that is cut must be a multiple of the number of members; got size 3 of axis 0 for 4 members. Pad or reshape the operand."`,
    );
    expect(inside(() => allToAll(array([1, 2, 3]), 'i', 0, 0))).toMatchInlineSnapshot(
      `"ShapeError: allToAll: the split axis must have the size of the mapped axis; got size 3 of axis 0 of f32[3] for 4 members. Use tiled: true to split it into parts."`,
    );
    expect(inside(() => psum('text', 'i'))).toMatchInlineSnapshot(
      `"ArgumentError: psum: x must be an array or a number; got string text. Make an array of it with np.array(…)."`,
    );
    expect(
      failure(() => vmap((x: Value) => x, { axisName: 3 as never })(x4)),
    ).toMatchInlineSnapshot(
      `"ArgumentError: vmap: names of axes must be strings; got number 3. Write { axisName: 'i' }."`,
    );
  });
});

describe('customVmap', () => {
  const square = (x: Value): Value => mul(x, x);
  const seen: unknown[] = [];
  const f = customVmap(square).defVmap((n: number, on: boolean[], x: Value) => {
    seen.push([n, on, x.shape]);
    return [mul(x, mul(x, 10)), true];
  });

  test('the rule is told what is mapped, with the axis first', () => {
    seen.length = 0;
    expect(js(f(3))).toBe(9);
    expect(js(vmap(f, { inAxes: 1 })(noise([2, 3])))).toHaveLength(3);
    expect(js(vmap(() => f(2), { axisSize: 2 })())).toEqual([4, 4]);
    expect(seen).toEqual([[3, [true], [3, 2]]]);
  });

  test('derivatives: forward through the rule, reverse through the function', () => {
    expect(js(grad(f)(3))).toBe(6);
    expect(flat(vmap((x: Value) => jvp(f, [x], [1])[1])(array([1, 2])))).toEqual([20, 40]);
    expect(flat(vmap((t: Value) => jvp(f, [3], [t])[1])(array([1, 2])))).toEqual([60, 120]);
    expect(flat(vmap(grad(f))(array([1, 2])))).toEqual([2, 4]);
    expect(flat(grad((x: Value) => reduceSum(vmap(f)(x)))(array([1, 2])))).toEqual([20, 40]);
    expect(js(grad(grad((x: Value) => mul(f(x), x)))(2))).toBe(12);
    expect(js(jit(grad(f))(3))).toBe(6);
    const linear = customVmap((x: Value) => mul(x, 3)).defVmap(
      (_: number, _b: unknown, x: Value) => [mul(x, 3), true],
    );
    const g = customJvp((x: Value) => sin(x));
    g.defjvp(([x]: Value[], [t]: Value[]) => [g(x), linear(t)]);
    expect(js(grad(g)(0))).toBe(3);
  });

  test('a rule together with a custom derivative', () => {
    const g = customVjp((x: Value) => f(x));
    g.defvjp(
      (x: Value) => [f(x), x],
      (x: Value, ct: Value) => [mul(mul(x, ct), 7)],
    );
    expect(flat(vmap(g)(array([1, 2])))).toEqual([10, 40]);
    expect(flat(vmap(grad(g))(array([1, 2])))).toEqual([7, 14]);
  });

  test('a loop over the indices', () => {
    let calls = 0;
    const g = sequentialVmap((x: Value, t: { a: Value }) => {
      calls++;
      return { y: mul(x, t.a), s: reduceSum(t.a) };
    });
    const out = vmap(g, { inAxes: [0, null], outAxes: { y: 1, s: 0 } })(array([1, 2, 3]), {
      a: array([1, 10]),
    });
    expect(js(out)).toEqual({
      y: [
        [1, 2, 3],
        [10, 20, 30],
      ],
      s: [11, 11, 11],
    });
    expect(calls).toBeLessThan(5);
    const h = sequentialVmap((x: Value) => psum(x, 'j'));
    expect(failure(() => vmap(h, j)(x4))).toMatchInlineSnapshot(
      `"UnboundAxisError: psum: a named axis must be mapped by vmap before the program runs; got axis name "j" in a program to run. Call it inside of the vmap that binds the name; a function with a custom batching rule cannot name the axis that its rule maps."`,
    );
    expect(flat(vmap(grad((x: Value) => g(x, { a: x }).y))(array([2, 3])))).toEqual([4, 6]);
  });

  test('mistakes', () => {
    const bare = customVmap(function bare(x: Value) {
      return x;
    });
    const ruled = (rule: (...args: never[]) => unknown): string =>
      failure(() => vmap(customVmap((x: Value) => x).defVmap(rule as never))(x4));
    expect(failure(() => vmap(bare)(x4))).toMatchInlineSnapshot(
      `"ArgumentError: customVmap: bare is mapped and has no rule; got no defVmap. Call bare.defVmap((axisSize, inBatched, …args) => [out, outBatched])."`,
    );
    expect(ruled((_: number, _b: unknown, x: Value) => x)).toMatchInlineSnapshot(
      `"TreeError: customVmap: the rule must return a pair [out, outBatched]; got f32[4] from the rule of <lambda>. Return both."`,
    );
    expect(ruled((_: number, _b: unknown, x: Value) => [{ a: x }, true])).toMatchInlineSnapshot(
      `"TreeError: customVmap: the rule must return the tree that the function returns, PyTreeDef(*); got PyTreeDef({'a': *}) from the rule of <lambda>. Return [out, outBatched]."`,
    );
    expect(ruled((_: number, _b: unknown, x: Value) => [x, 1])).toMatchInlineSnapshot(
      `"TreeError: customVmap: outBatched must be a bool, or a tree of bools like the result; got number 1 from the rule of <lambda>. Write true where a result has the mapped axis first."`,
    );
    expect(ruled((_: number, _b: unknown, x: Value) => [x, false])).toMatchInlineSnapshot(
      `"ShapeError: customVmap: the rule must give results as the function does where they are not batched; got f32[4] for shape [] from the rule of <lambda>. Say in outBatched which results are batched."`,
    );
    expect(ruled((_: number, _b: unknown, x: Value) => [reduceSum(x), true])).toMatchInlineSnapshot(
      `"ShapeError: customVmap: the rule must give batched results, the mapped axis first; got f32[] for shape [4] from the rule of <lambda>. Say in outBatched which results are batched."`,
    );
    expect(
      failure(() =>
        vmap(
          (x: Value) =>
            bare.defVmap(() => [0, false]) &&
            customVmap((y: Value) => mul(x, y)).defVmap(() => [0, false])(x),
        )(x4),
      ),
    ).toMatchInlineSnapshot(
      `"TracerLeakError: customVmap: a function with a custom batching rule must not capture values that are mapped; got one in <lambda>. Pass it as an argument."`,
    );
  });
});
