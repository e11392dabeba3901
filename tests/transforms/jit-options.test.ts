/** What `jit` is told: static and donated arguments by name, `keepUnused`, `inline`, and `disableJit` around everything. */
import { describe, expect, test } from 'vitest';
import { withConfig } from '../../core/config.ts';
import type { Value } from '../../core/value.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { gt, lt } from '../../lax/comparison.ts';
import { reduceSum } from '../../lax/structure.ts';
import { sin } from '../../lax/transcendental.ts';
import { ensureCompileTimeEval } from '../../transforms/compile-time.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad } from '../../transforms/grad.ts';
import { evalShape, jit, makeJaxpr } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { vmap } from '../../transforms/vmap.ts';
import { NDArray } from '../../core/array.ts';
import { array, failure, js } from './setup.ts';

describe('static arguments by name', () => {
  let traces = 0;
  const scale = (
    x: Value,
    { by = 1, mode = 'mul' }: { by?: number; mode?: string } = {},
  ): Value => {
    traces++;
    return mode === 'mul' ? mul(x, by) : add(x, by);
  };
  const f = jit(scale, { staticArgnames: ['by'] });
  const traced = (body: () => unknown): number => {
    const before = traces;
    body();
    return traces - before;
  };

  test('the value is in the key, and reaches the function as it is', () => {
    expect(traced(() => expect(js(f(2, { by: 3 }))).toBe(6))).toBe(1);
    expect(traced(() => expect(js(f(5, { by: 3 }))).toBe(15))).toBe(0);
    expect(traced(() => expect(js(f(5, { by: 4 }))).toBe(20))).toBe(1);
    expect(traced(() => expect(js(f(5, { by: 4, mode: 'add' }))).toBe(9))).toBe(1);
  });

  test('names that a call does not have are ignored, and so are objects that are not last', () => {
    expect(js(f(2))).toBe(2);
    expect(js(f(2, {}))).toBe(2);
    const g = jit((t: { by: Value }, y: Value) => add(t.by, y), { staticArgnames: 'by' });
    expect(js(g({ by: 1 }, 2))).toBe(3);
  });

  test('any JavaScript value; the stages and makeJaxpr know names too', () => {
    const g = jit((x: Value, o: { sizes: readonly number[] }) => mul(x, o.sizes.length), {
      staticArgnames: 'sizes',
    });
    expect(js(g(2, { sizes: [1, 2, 3] }))).toBe(6);
    const compiled = g.lower(2, { sizes: [1, 2] }).compile();
    expect(js(compiled(5, { sizes: [1, 2] }))).toBe(10);
    expect(failure(() => compiled(5, { sizes: [1] }))).toBe(
      "ArgumentError: compiled: the arguments must have the types that the function was compiled for; got args[1]['sizes']: static [1,], was static [1,2,] (static value). Lower and compile it for these types.",
    );
    expect(String(makeJaxpr(scale, { staticArgnames: 'by' })(2, { by: 3 }))).toBe(
      '{ lambda ; a:f32[]. let b:f32[] = mul a 3.0:f32[] in (b,) }',
    );
  });

  test('errors', () => {
    expect(failure(() => jit((n: Value) => f(1, { by: n as never }))(2))).toMatchInlineSnapshot(
      `"ConcretizationError: jit: a static argument must be a JavaScript value; got Traced<f32[]> with jit as argument "by". Leave it out of staticArgnames, or pass a value that is not traced."`,
    );
    expect(
      failure(() => jit(scale, { staticArgnames: 'by', donateArgnames: ['by'] })),
    ).toMatchInlineSnapshot(
      `"ArgumentError: jit: a static argument has no memory to donate; got "by" in staticArgnames and donateArgnames. Leave it out of one of them."`,
    );
  });
});

describe('donation', () => {
  test('by name', () => {
    const f = jit((x: Value, o: { state: Value[]; rate: Value }) => o.state.map((s) => add(s, x)), {
      donateArgnames: 'state',
    });
    const [x, s, t, rate] = [array([1]), array([2]), array([3]), array([4])];
    expect(js(f(x, { state: [s, t], rate }))).toEqual([[3], [4]]);
    expect([x, s, t, rate].map((a) => a.isDeleted)).toEqual([false, true, true, false]);
    expect(failure(() => add(s, 1))).toContain('DeletedArrayError');
  });

  test('disableJit donates nothing', () => {
    const f = jit((x: Value) => add(x, 1), { donateArgnums: 0 });
    const x = array([1]);
    withConfig({ disableJit: true }, () => expect(js(f(x))).toEqual([2]));
    expect(x.isDeleted).toBe(false);
  });
});

test('keepUnused keeps arguments as operands', () => {
  const second = (_: Value, y: Value): Value => sin(y);
  const [kept, dropped] = [jit(second, { keepUnused: true }), jit(second)];
  expect(kept.lower(array([1, 2]), 0).asText()).toContain('%arg0: tensor<2xf32>, %arg1');
  expect(dropped.lower(array([1, 2]), 0).asText()).toContain('main(%arg0: tensor<f32>)');
  expect(js(kept(array([1, 2]), 0))).toBe(0);
  expect(js(kept.lower(array([1, 2]), 0).compile()(array([3, 4]), 0))).toBe(0);
});

describe('inline', () => {
  const g = jit((x: Value) => mul(sin(x), 2), { inline: true });

  test('programs get the equations: recorded as JAX records them', () => {
    expect(String(makeJaxpr((x: Value) => add(g(x), 1))(1))).toMatchInlineSnapshot(`
      "{ lambda ; a:f32[]. let
          b:f32[] = sin a
          c:f32[] = mul b 2.0:f32[]
          d:f32[] = add c 1.0:f32[]
        in (d,) }"
    `);
    expect(String(makeJaxpr(vmap((x: Value) => add(g(x), 1)))(array([1, 2, 3])))).not.toContain(
      'jit[',
    );
    expect(String(makeJaxpr(grad((x: Value) => add(g(x), 1)))(1))).not.toContain('jit[');
    expect(String(makeJaxpr(jit((x: Value) => add(g(x), 1)))(1))).toContain('jit[');
  });

  test('values are the same', () => {
    const plain = (x: Value): Value => mul(sin(x), 2);
    for (const transform of [
      (h: typeof plain) => js(h(array([0.5, 1]))),
      (h: typeof plain) => js(vmap(h)(array([0.5, 1]))),
      (h: typeof plain) => js(grad((x: Value) => reduceSum(h(x)))(array([0.5, 1]))),
      (h: typeof plain) => js(jit(grad((x: Value) => reduceSum(h(x))))(array([0.5, 1]))),
      (h: typeof plain) =>
        js(scan((c: Value, x: Value) => [add(c, h(x)), h(x)], 0, array([0.5, 1]))),
    ])
      expect(transform((x) => g(x))).toEqual(transform(plain));
  });
});

describe('disableJit', () => {
  test('the function runs itself, on arrays with values', () => {
    const seen: boolean[] = [];
    const f = jit((x: Value, o: { k: string }) => {
      seen.push(x instanceof NDArray, o.k === 'k');
      return { y: mul(x, 2), z: 1 };
    });
    withConfig({ disableJit: true }, () => {
      expect(js(f(3, { k: 'k' }))).toEqual({ y: 6, z: 1 });
      expect(failure(() => f(new ShapeDtypeStruct([]) as never, { k: 'k' }))).toContain(
        'a call needs arrays',
      );
    });
    expect(seen).toEqual([true, true]);
  });

  test('every transformation and control flow gives what it gives with jit', () => {
    const f = jit((x: Value): Value => {
      const a = cond(
        gt(x, 0),
        (v: Value) => sin(v),
        (v: Value) => mul(v, 3),
        x,
      );
      const [b] = scan((c: Value, v: Value) => [add(c, mul(v, a)), c], x, array([1, 2]));
      const c = foriLoop(0, 3, (_: Value, v: Value) => mul(v, 1.5), b);
      return c;
    });
    const g = jit((x: Value) =>
      whileLoop(
        (v: Value) => lt(v, 100),
        (v: Value) => mul(v, 2),
        x,
      ),
    );
    const run = (): unknown => [
      js(f(0.5)),
      js(g(3)),
      js(grad(f)(0.5)),
      js(grad(jit(grad(f)))(0.5)),
      js(vmap(f)(array([0.5, -1]))),
      js(vmap(grad(f))(array([0.5, -1]))),
      js(vmap(g)(array([3, 70]))),
      js(jvp(f, [0.5], [1])),
      js(linearize(f, 0.5)[1](1)),
      String(evalShape(f, 0.5)),
    ];
    const wanted = run();
    expect(withConfig({ disableJit: true }, run)).toEqual(wanted);
  });
});

describe('ensureCompileTimeEval', () => {
  test('what does not depend on traced values is computed while tracing', () => {
    const f = (x: Value): Value => {
      const [n, y] = ensureCompileTimeEval(() => {
        const sum = reduceSum(array([1, 2, 3]));
        return [Number(sum.item()), sin(x)];
      });
      return mul(y, n);
    };
    expect(String(makeJaxpr(f)(1))).toBe(
      '{ lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b 6.0:f32[] in (c,) }',
    );
    expect(js(grad(f)(0))).toBe(6);
    expect(js(vmap(f)(array([0, 0])))).toEqual([0, 0]);
  });

  test('transformations inside, and outside of all tracing', () => {
    const g = jit((x: Value) => mul(x, x));
    const inner = (): number =>
      ensureCompileTimeEval(() => Number((grad((x: Value) => g(x))(3) as NDArray).item()));
    expect(inner()).toBe(6);
    expect(js(jit((x: Value) => mul(x, inner()))(2))).toBe(12);
  });
});

test('errors of shape come when the program is traced, before anything runs', () => {
  const f = jit((x: Value, y: Value) => add(x, y));
  const types = [new ShapeDtypeStruct([2]), new ShapeDtypeStruct([3])] as const;
  const message = failure(() => f.lower(...types));
  expect(message).toContain('ShapeError: add: ');
  expect(failure(() => evalShape((x: Value, y: Value) => add(x, y), ...types))).toBe(message);
});
