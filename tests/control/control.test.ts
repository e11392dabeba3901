/** Loops and branches: values, derivatives, batches, and the corner cases of each. */
import { describe, expect, test } from 'vitest';
import { withConfig } from '../../core/config.ts';
import type { Value } from '../../core/value.ts';
import { add, mul, sub } from '../../lax/arithmetic.ts';
import { gt, lt } from '../../lax/comparison.ts';
import { convertElementType } from '../../lax/convert.ts';
import { broadcastInDim, reduceSum } from '../../lax/structure.ts';
import { cos, log, sin } from '../../lax/transcendental.ts';
import { cond, switchBranch } from '../../control/cond.ts';
import { map } from '../../control/map.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad } from '../../transforms/grad.ts';
import { jacfwd, jacrev } from '../../transforms/jacobian.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, distance, flat, js, noise } from '../transforms/setup.ts';

const f32 = (x: Value): Value => convertElementType(x, 'f32');
const int = (n: number): Value => array([n], [], 'i32');

describe('scan', () => {
  const prefix = (xs: Value): [Value, Value] => scan((c: Value, x: Value) => [add(c, x), c], 0, xs);

  test('carries and stacks, forwards and backwards', () => {
    expect(js(prefix(array([1, 2, 3])))).toEqual([6, [0, 1, 3]]);
    expect(
      js(scan((c: Value, x: Value) => [add(c, x), c], 0, array([1, 2, 3]), { reverse: true })),
    ).toEqual([6, [5, 3, 0]]);
  });

  test('trees, no inputs, no steps', () => {
    const step = (
      c: { n: Value },
      x: { a: Value; b: Value },
    ): readonly [{ n: Value }, { s: Value }] => [{ n: add(c.n, x.a) }, { s: mul(x.a, x.b) }];
    expect(js(scan(step, { n: 1 }, { a: array([1, 2]), b: array([3, 4]) }))).toEqual([
      { n: 4 },
      { s: [3, 8] },
    ]);
    expect(js(scan((c: Value, _: null) => [mul(c, 2), null], 1, null, { length: 5 }))).toEqual([
      32,
      null,
    ]);
    expect(js(prefix(array([])))).toEqual([0, []]);
    expect(
      js(
        grad((x: Value) => scan((c: Value, _: null) => [sin(c), null], x, null, { length: 0 })[0])(
          2,
        ),
      ),
    ).toBe(1);
  });

  test('unrolled loops give the same, also when the length is no multiple', () => {
    const xs = noise([7]);
    const f = (unroll: number | boolean): unknown =>
      scan((c: Value, x: Value) => [sin(add(c, x)), mul(c, x)], 0.5, xs, { unroll });
    for (const unroll of [2, 3, 7, 9, true]) expect(distance(f(unroll), f(1))).toBe(0);
  });

  test('a weakly typed start takes the dtype of the body', () => {
    const half = convertElementType(array([1, 2]), 'f16');
    const [last] = scan(
      (c: Value, x: Value) => [mul(convertElementType(c, 'f16'), x), null],
      2,
      half,
    );
    expect(last.dtype).toBe('f16');
    const [n] = scan((c: Value, _: null) => [add(c, int(1)), null], 2n, null, { length: 3 });
    expect([n.dtype, js(n)]).toEqual(['i32', 5]);
  });

  test('derivatives: with respect to carry, inputs and captured values; residuals that do not vary are computed once', () => {
    const w = noise([3], 2);
    const f = (c: Value, xs: Value, k: Value): Value => {
      const [last, ys] = scan(
        (s: Value, x: Value) => [sin(add(mul(s, sin(k)), x)), mul(s, cos(k))],
        c,
        xs,
      );
      return add(reduceSum(last), reduceSum(ys));
    };
    const args = [noise([3], 3), noise([4, 3], 4), w] as const;
    const g = grad(f, { argnums: [0, 1, 2] });
    const step = 1e-2;
    g(...args).forEach((slope, n) => {
      const moved = (s: number): number => {
        const changed = args.map((a, i) =>
          i === n
            ? array(
                flat(a).map((x) => x + s),
                a.shape,
              )
            : a,
        );
        return flat(f(changed[0], changed[1], changed[2]))[0];
      };
      const sum = flat(slope).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 2);
    });
    expect(distance(jit(g)(...args), g(...args))).toBeLessThan(1e-6);
    const text = String(makeJaxpr(grad(f))(...args));
    // sin k and cos k stand outside of the loops.
    expect(text.slice(0, text.indexOf('scan['))).toMatch(/sin [a-z]\n/);
  });

  test('batched: carry, inputs, captured values, alone and together', () => {
    const f = (c: Value, xs: Value, k: Value): [Value, Value] =>
      scan((s: Value, x: Value) => [sin(add(mul(s, k), x)), mul(s, x)], c, xs);
    const [c, xs, k] = [noise([2], 1), noise([2, 3], 2), noise([2], 3)];
    const row = (x: Value, i: number, width: number): Value =>
      array(flat(x).slice(i * width, (i + 1) * width), width === 1 ? [] : [width]);
    for (const axes of [
      [0, null, null],
      [null, 0, null],
      [null, null, 0],
      [0, 0, 0],
      [0, null, 0],
    ] as const) {
      const pick = (i: number): [Value, Value, Value] => [
        row(c, axes[0] === 0 ? i : 0, 1),
        row(xs, axes[1] === 0 ? i : 0, 3),
        row(k, axes[2] === 0 ? i : 0, 1),
      ];
      const args = [
        axes[0] === 0 ? c : row(c, 0, 1),
        axes[1] === 0 ? xs : row(xs, 0, 3),
        axes[2] === 0 ? k : row(k, 0, 1),
      ] as const;
      const [last, ys] = vmap(f, { inAxes: axes })(...args);
      const loops = [0, 1].map((i) => f(...pick(i)));
      expect(
        distance(
          [last, ys],
          [
            array(loops.flatMap((l) => flat(l[0]))),
            array(
              loops.flatMap((l) => flat(l[1])),
              [2, 3],
            ),
          ],
        ),
      ).toBeLessThan(1e-6);
    }
    expect(
      js(
        vmap((x: Value) => prefix(x), { inAxes: 1, outAxes: [0, 1] })(array([1, 2, 3, 4], [2, 2])),
      ),
    ).toEqual([
      [4, 6],
      [
        [0, 0],
        [1, 2],
      ],
    ]);
  });

  test('grad of scan of vmap, vmap of grad of scan', () => {
    const f = (c: Value, xs: Value): Value =>
      reduceSum(
        scan(
          (s: Value, x: Value) => [vmap((a: Value, b: Value) => sin(mul(a, b)))(s, x), null],
          c,
          xs,
        )[0],
      );
    const [c, xs] = [noise([2, 3], 1), noise([4, 3], 2)];
    const batched = vmap(grad(f), { inAxes: [0, null] })(c, xs);
    const rows = [0, 1].flatMap((i) => flat(grad(f)(array(flat(c).slice(3 * i, 3 * i + 3)), xs)));
    expect(distance(batched, array(rows, [2, 3]))).toBeLessThan(1e-6);
  });

  test('what nobody uses is not computed', () => {
    const f = (xs: Value): Value => scan((c: Value, x: Value) => [add(c, x), sin(c)], 0, xs)[0];
    expect(
      jit(f)
        .lower(noise([4]))
        .asText(),
    ).not.toContain('stablehlo.sine');
    const unused = (xs: Value): Value =>
      scan(([a, b]: Value[], x: Value) => [[add(a, x), mul(b, x)], null], [0, 1], xs)[0][0];
    expect(
      jit(unused)
        .lower(noise([4]))
        .asText(),
    ).not.toContain('stablehlo.multiply');
  });

  test('map', () => {
    expect(js(map((x: Value) => mul(x, x), array([1, 2, 3])))).toEqual([1, 4, 9]);
  });
});

describe('foriLoop and whileLoop', () => {
  test('bounds: plain, traced, empty, reversed', () => {
    const sum = (lo: number | Value, hi: number | Value): unknown =>
      js(foriLoop(lo, hi, (i: Value, c: Value) => add(c, f32(i)), 0));
    expect([sum(0, 4), sum(2, 5), sum(3, 3), sum(5, 2), sum(-2, 2)]).toEqual([6, 9, 0, 0, -2]);
    expect([sum(int(0), int(4)), sum(2, int(5)), sum(int(5), 2)]).toEqual([6, 9, 0]);
  });

  test('reverse mode through plain bounds, forward mode through traced ones', () => {
    const power = (x: Value): Value => foriLoop(0, 3, (_: Value, c: Value) => mul(c, x), 1);
    expect(js(grad(power)(2))).toBe(12);
    expect(js(grad(grad(power))(2))).toBe(12);
    const traced = (x: Value, n: Value): Value =>
      foriLoop(0, n, (_: Value, c: Value) => mul(c, x), 1);
    expect(js(jvp((x: Value) => traced(x, int(3)), [2], [1]))).toEqual([8, 12]);
    expect(
      js(jit((x: Value, n: Value) => jvp((v: Value) => traced(v, n), [x], [1])[1])(2, int(4))),
    ).toBe(32);
    expect(js(linearize((x: Value) => traced(x, int(3)), 2)[1](1))).toBe(12);
    expect(js(jacfwd((x: Value) => traced(x, int(3)))(2))).toBe(12);
  });

  test('whileLoop: values, trees, no steps', () => {
    const collatz = (n: Value): Value =>
      whileLoop(
        ({ n: m }: { n: Value; steps: Value }) => gt(m, int(1)),
        ({ n: m, steps }: { n: Value; steps: Value }) => ({
          n: cond(
            lt(mul(int(2), convertElementType(mul(f32(m), 0.5), 'i32')), m),
            (v: Value) => add(mul(v, 3), 1),
            (v: Value) => convertElementType(mul(f32(v), 0.5), 'i32'),
            m,
          ),
          steps: add(steps, int(1)),
        }),
        { n, steps: int(0) },
      ).steps;
    expect(js(collatz(int(27)))).toBe(111);
    expect(js(vmap(collatz)(array([1, 2, 3, 6, 7, 27], [6], 'i32')))).toEqual([
      0, 1, 7, 8, 16, 111,
    ]);
    expect(
      js(
        whileLoop(
          (c: Value) => lt(c, 0),
          (c: Value) => add(c, 1),
          5,
        ),
      ),
    ).toBe(5);
  });

  test('vmap: lanes stop by themselves; derivatives of lanes that stopped stay', () => {
    const f = (x: Value): Value =>
      whileLoop(
        (c: Value) => lt(c, 10),
        (c: Value) => mul(c, c),
        x,
      );
    expect(js(vmap(f)(array([2, 3, 20])))).toEqual([16, 81, 20]);
    expect(js(vmap((x: Value) => jvp(f, [x], [1])[1])(array([2, 3, 20])))).toEqual([32, 108, 1]);
    expect(js(jvp(vmap(f), [array([2, 3, 20])], [array([1, 1, 1])])[1])).toEqual([32, 108, 1]);
    const unbatched = (x: Value): Value =>
      whileLoop(
        ([i]: Value[]) => lt(i, int(3)),
        ([i, c]: Value[]) => [add(i, int(1)), mul(c, x)],
        [int(0), 1],
      )[1];
    expect(js(vmap(unbatched)(array([2, 3])))).toEqual([8, 27]);
  });

  test('a loop whose condition does not see what is differentiated runs its known part once', () => {
    const f = (x: Value): Value =>
      whileLoop(
        ([i]: Value[]) => lt(i, 3),
        ([i, c]: Value[]) => [add(i, 1), mul(c, x)],
        [0, 1],
      )[1];
    expect(js(jit((x: Value) => linearize(f, x)[1](1))(2))).toBe(12);
  });
});

describe('cond and switch', () => {
  const f = (x: Value): Value =>
    cond(
      gt(x, 1),
      (v: Value) => mul(v, v),
      (v: Value) => sin(v),
      x,
    );

  test('bools, numbers and arrays as predicates', () => {
    const pick = (p: Value | boolean | number): unknown =>
      js(
        cond(
          p,
          () => 1,
          () => 2,
        ),
      );
    expect([true, false, 1, 0, -2, int(3), int(0), array([0.5], [])].map(pick)).toEqual([
      1, 2, 1, 2, 1, 1, 2, 1,
    ]);
  });

  test('switch clamps its index', () => {
    const pick = (i: number | Value): unknown =>
      js(
        switchBranch(i, [(x: Value) => x, (x: Value) => mul(x, 10), (x: Value) => mul(x, 100)], 1),
      );
    expect([0, 1, 2, -5, 9, int(1)].map(pick)).toEqual([1, 10, 100, 1, 100, 10]);
    expect(js(switchBranch(3, [() => 7]))).toBe(7);
  });

  test('derivatives take the branch that was taken', () => {
    expect([2, 0].map((x) => js(grad(f)(x)))).toEqual([4, 1]);
    expect([2, 0].map((x) => js(jit(grad(jit(f)))(x)))).toEqual([4, 1]);
    expect(js(grad(grad(f))(2))).toBe(2);
    expect(js(jvp(f, [2], [1])[1])).toBe(4);
  });

  test('branches that differ in what they save and capture', () => {
    const [a, b] = [array([1, 2, 3]), array([4, 5, 6])];
    const g = (x: Value, p: Value): Value =>
      reduceSum(
        cond(
          p,
          (v: Value) => mul(sin(v), a),
          (v: Value) =>
            mul(mul(v, b), reduceSum(cos(v))).aval.ndim > 0 ? mul(cos(v), sub(b, v)) : v,
          x,
        ),
      );
    for (const p of [true, false]) {
      const direct = grad((x: Value) => g(x, array([Number(p)], [], 'bool')))(noise([3]));
      const staged = jit(grad(g))(noise([3]), array([Number(p)], [], 'bool'));
      const rev = jacrev((x: Value) => g(x, array([Number(p)], [], 'bool')))(noise([3]));
      expect(distance(direct, staged)).toBeLessThan(1e-6);
      expect(distance(direct, rev)).toBeLessThan(1e-6);
    }
  });

  test('vmap over the predicate selects, over the operands it does not', () => {
    expect(flat(vmap(f)(array([2, 0.5])))).toEqual([4, flat(sin(0.5))[0]]);
    const byFlag = (p: Value, x: Value): Value =>
      cond(
        p,
        (v: Value) => mul(v, 2),
        (v: Value) => v,
        x,
      );
    expect(js(vmap(byFlag, { inAxes: [null, 0] })(array([1], [], 'bool'), array([1, 2])))).toEqual([
      2, 4,
    ]);
    expect(
      String(makeJaxpr(vmap(byFlag, { inAxes: [null, 0] }))(array([1], [], 'bool'), array([1, 2]))),
    ).toContain('cond[');
    expect(js(vmap(byFlag, { inAxes: [0, null] })(array([1, 0], [2], 'bool'), 3))).toEqual([6, 3]);
    const three = (i: Value): Value =>
      switchBranch(i, [
        () => array([1]) as Value,
        () => array([2]) as Value,
        () => array([3]) as Value,
      ]);
    expect(js(vmap(three)(array([2, 0, 1], [3], 'i32')))).toEqual([[3], [1], [2]]);
  });

  test('no NaN comes back from the branch that a lane does not take', () => {
    const safe = (x: Value): Value =>
      cond(
        gt(x, 0),
        (v: Value) => log(v),
        () => 0,
        x,
      );
    expect(js(vmap(grad(safe))(array([2, 0])))).toEqual([0.5, 0]);
  });

  test('weak results take the type of the strong branch', () => {
    const out = cond(
      true,
      () => array([1], [], 'f16') as Value,
      () => 2,
    );
    expect(out.dtype).toBe('f16');
  });
});

test('with disableJit, control flow runs step by step', () => {
  withConfig({ disableJit: true }, () => {
    expect(js(scan((c: Value, x: Value) => [add(c, x), c], 0, array([1, 2, 3])))).toEqual([
      6,
      [0, 1, 3],
    ]);
    expect(
      js(
        whileLoop(
          (c: Value) => lt(c, 10),
          (c: Value) => mul(c, 3),
          1,
        ),
      ),
    ).toBe(27);
    expect(
      js(
        cond(
          false,
          () => 1,
          () => 2,
        ),
      ),
    ).toBe(2);
  });
});

test('large captured arrays are shared by the steps, not copied into the text', () => {
  const big = noise([64]);
  const text = jit((x: Value) =>
    foriLoop(0, 3, (_: Value, c: Value) => add(c, mul(big, broadcastInDim(x, [64], []))), big),
  )
    .lower(1)
    .asText();
  expect(text).not.toContain('dense<"');
});
