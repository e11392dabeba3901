/** Custom derivatives under every other transformation. */
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { reduceSum } from '../../lax/structure.ts';
import { cos, sin } from '../../lax/transcendental.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { lt } from '../../lax/comparison.ts';
import { convertElementType } from '../../lax/convert.ts';
import { checkpoint } from '../../transforms/checkpoint.ts';
import { closureConvert, customGradient } from '../../transforms/custom-gradient.ts';
import { customJvp, customVjp } from '../../transforms/custom.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad, valueAndGrad, vjp } from '../../transforms/grad.ts';
import { hessian, jacrev } from '../../transforms/jacobian.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { linearTranspose } from '../../transforms/linear-transpose.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, failure, flat, js } from './setup.ts';

// Rules that are wrong on purpose: a derivative of 10 instead of cos shows that the rule was used.
const marked = customJvp((x: Value) => sin(x));
marked.defjvp(([x]: Value[], [t]: Value[]) => [marked(x), mul(t, 10)]);
const markedVjp = customVjp((x: Value) => sin(x));
markedVjp.defvjp(
  (x: Value) => [markedVjp(x), { x, label: 'kept', n: 10 }],
  ({ n }: { n: number }, ct: Value) => [mul(ct, n)],
);
const xs = array([0.5, 1]);
const tens = [10, 10];

describe('customJvp', () => {
  test('runs the function itself when nothing is differentiated', () => {
    expect(js(marked(0))).toBe(0);
    expect(js(jit((x: Value) => marked(x))(0))).toBe(0);
    expect(flat(vmap((x: Value) => marked(x))(xs))).toEqual(flat(sin(xs)));
  });

  test('uses the rule in forward and reverse mode, under jit and vmap, in any order', () => {
    const f = (x: Value): Value => marked(x);
    expect(js(jvp(f, [0], [1])[1])).toBe(10);
    expect(js(grad(f)(0))).toBe(10);
    expect(js(linearize(f, 0)[1](1))).toBe(10);
    expect(js(grad(jit(f))(0))).toBe(10);
    expect(js(jit(grad(f))(0))).toBe(10);
    expect(js(vmap(grad(f))(xs))).toEqual(tens);
    expect(js(grad((v: Value) => reduceSum(vmap(f)(v)))(xs))).toEqual(tens);
    expect(js(grad((v: Value) => reduceSum(vmap(jit(f))(v)))(xs))).toEqual(tens);
    expect(js(grad((v: Value) => reduceSum(jit(vmap(f))(v)))(xs))).toEqual(tens);
    expect(js(vmap((v: Value) => jvp(jit(f), [v], [2])[1])(xs))).toEqual([20, 20]);
  });

  test('in loops and branches', () => {
    const looped = (x: Value): Value => foriLoop(0, 2, (_: Value, c: Value) => marked(c), x);
    expect(js(grad(looped)(0))).toBe(100);
    const scanned = (x: Value): Value =>
      scan((c: Value, _: null) => [marked(c), null], x, null, { length: 3 })[0];
    expect(js(jit(grad(scanned))(0))).toBe(1000);
    const chosen = (x: Value): Value =>
      cond(
        lt(x, 1),
        (v: Value) => marked(v),
        (v: Value) => v,
        x,
      );
    expect(js(vmap(grad(chosen))(array([0, 2])))).toEqual([10, 1]);
    const until = (x: Value): Value =>
      whileLoop(
        (c: Value) => lt(c, 0.5),
        (c: Value) => add(marked(c), 1),
        x,
      );
    expect(js(jvp(until, [0], [1])[1])).toBe(10);
  });

  test('of higher order: the rule is differentiated', () => {
    const f = customJvp((x: Value) => mul(x, x));
    f.defjvp(([x]: Value[], [t]: Value[]) => [f(x), mul(t, mul(x, mul(x, x)))]);
    expect(js(grad(grad((x: Value) => f(x)))(2))).toBe(12);
    expect(js(hessian((x: Value) => f(x))(2))).toBe(12);
  });

  test('trees, nondiffArgnums and several results', () => {
    const f = customJvp(
      (op: (v: Value) => Value, t: { a: Value; b: Value }) => [op(t.a), t.b] as const,
      { nondiffArgnums: [0] },
    );
    f.defjvp(
      (op: (v: Value) => Value, [t]: { a: Value; b: Value }[], [d]: { a: Value; b: Value }[]) => [
        [op(t.a), t.b],
        [mul(d.a, 3), mul(d.b, 5)],
      ],
    );
    const [out, tangent] = jvp(
      (t: { a: Value; b: Value }) => f(cos, t),
      [{ a: 0, b: 1 }],
      [{ a: 1, b: 1 }],
    );
    expect([js(out), js(tangent)]).toEqual([
      [1, 1],
      [3, 5],
    ]);
    const g = grad((t: { a: Value; b: Value }) => f(sin, t)[1]);
    expect(js(g({ a: 0, b: 1 }))).toEqual({ a: 0, b: 5 });
  });

  test('defjvps, with null for a zero derivative', () => {
    const f = customJvp((x: Value, y: Value) => mul(x, y));
    f.defjvps((t: Value, out: Value, x: Value, y: Value) => mul(t, mul(out, mul(x, y))), null);
    expect(grad((x: Value, y: Value) => f(x, y), { argnums: [0, 1] })(2, 3).map(js)).toEqual([
      36, 0,
    ]);
  });

  test('symbolic zeros', () => {
    const seen: unknown[] = [];
    const f = customJvp((x: Value, y: Value) => mul(x, y));
    f.defjvp(
      ([x, y]: Value[], [tx, ty]: (Value | null)[]) => {
        seen.push(ty);
        return [f(x, y), mul(tx as Value, y)];
      },
      { symbolicZeros: true },
    );
    expect(js(grad((x: Value) => f(x, 3))(2))).toBe(3);
    expect(seen).toEqual([null]);
  });

  test('captures batched and staged values', () => {
    const outer = (y: Value): Value => {
      const f = customJvp((x: Value) => mul(x, y));
      f.defjvp(([x]: Value[], [t]: Value[]) => [mul(x, y), mul(t, 10)]);
      return add(f(2), grad((x: Value) => f(x))(2));
    };
    expect(js(vmap(outer)(xs))).toEqual([11, 12]);
    expect(js(jit(outer)(3))).toBe(16);
    expect(js(jit(vmap(outer))(xs))).toEqual([11, 12]);
  });
});

describe('customVjp', () => {
  const f = (x: Value): Value => markedVjp(x);

  test('runs the function itself when nothing is differentiated', () => {
    expect(js(markedVjp(0))).toBe(0);
    expect(flat(jit(vmap(f))(xs))).toEqual(flat(sin(xs)));
  });

  test('uses the rule in reverse mode, under jit and vmap, in any order', () => {
    expect(js(grad(f)(0))).toBe(10);
    expect(js(grad(jit(f))(0))).toBe(10);
    expect(js(jit(grad(jit(f)))(0))).toBe(10);
    expect(js(vmap(grad(f))(xs))).toEqual(tens);
    expect(js(grad((v: Value) => reduceSum(vmap(f)(v)))(xs))).toEqual(tens);
    expect(js(grad((v: Value) => reduceSum(jit(vmap(jit(f)))(v)))(xs))).toEqual(tens);
    expect(js(jit(vmap(jit(grad(f))))(xs))).toEqual(tens);
    expect(js(jacrev(vmap(f))(xs))).toEqual([
      [10, 0],
      [0, 10],
    ]);
  });

  test('in loops and branches', () => {
    expect(js(grad((x: Value) => foriLoop(0, 2, (_: Value, c: Value) => f(c), x))(0))).toBe(100);
    const scanned = (x: Value): Value =>
      reduceSum(scan((c: Value, a: Value) => [c, f(mul(c, a))], x, xs)[1]);
    expect(js(jit(grad(scanned))(0))).toBe(15);
    expect(
      js(vmap(grad((x: Value) => cond(lt(x, 1), f, (v: Value) => v, x)))(array([0, 2]))),
    ).toEqual([10, 1]);
  });

  test('the backward function is differentiated in turn', () => {
    const square = customVjp((x: Value) => mul(x, x));
    square.defvjp(
      (x: Value) => [mul(x, x), x],
      (x: Value, ct: Value) => [mul(ct, mul(x, mul(x, x)))],
    );
    expect(js(grad(grad((x: Value) => square(x)))(2))).toBe(12);
    expect(js(hessian((x: Value) => square(x))(2))).toBe(12);
  });

  test('cotangents of arguments that are the same for the whole batch are summed', () => {
    const scale = customVjp((x: Value, w: Value) => mul(x, w));
    scale.defvjp(
      (x: Value, w: Value) => [mul(x, w), [x, w]],
      ([x, w]: Value[], ct: Value) => [mul(ct, w), mul(ct, x)],
    );
    const loss = (w: Value): Value => reduceSum(vmap((x: Value) => scale(x, w))(xs));
    expect(js(grad(loss)(3))).toBe(1.5);
    const mapped = vmap((x: Value, w: Value) => scale(x, w), { inAxes: [0, null] });
    expect(js(grad((w: Value) => reduceSum(mapped(xs, w)))(3))).toBe(1.5);
    expect(js(jit(grad((w: Value) => reduceSum(jit(mapped)(xs, w))))(3))).toBe(1.5);
  });

  test('trees, integers, nondiffArgnums, null for zero', () => {
    const g = customVjp((p: { w: Value; n: Value }, k: number, y: Value) => mul(mul(p.w, y), k), {
      nondiffArgnums: [1],
    });
    g.defvjp(
      (p: { w: Value; n: Value }, k: number, y: Value) => [mul(mul(p.w, y), k), y],
      (k: number, y: Value, ct: Value) => [{ w: mul(mul(ct, y), 100 * k), n: 0 }, null],
    );
    const [value, [dp, dy]] = valueAndGrad((p: { w: Value; n: Value }, y: Value) => g(p, 2, y), {
      argnums: [0, 1],
      allowInt: true,
    })({ w: 3, n: array([7], [], 'i32') }, 5);
    expect([js(value), js(dp.w), dp.n.dtype, js(dy)]).toEqual([30, 1000, 'float0', 0]);
  });

  test('a zero cotangent does not call it', () => {
    let calls = 0;
    const g = customVjp((x: Value) => [sin(x), cos(x)] as const);
    g.defvjp(
      (x: Value) => [[sin(x), cos(x)], x],
      (_: Value, [a, b]: Value[]) => {
        calls++;
        return [add(a, mul(b, 2))];
      },
    );
    const [, pull] = vjp((x: Value) => [g(x)[1], x] as const, 0);
    expect(js(pull([1, 0])[0])).toBe(2);
    expect(
      js(
        grad((x: Value) => {
          g(x);
          return x;
        })(1),
      ),
    ).toBe(1);
    expect(calls).toBe(1);
  });
});

test('optimizeRemat: where no residuals are wanted, the function itself runs', () => {
  const f = customVjp((x: Value) => sin(x));
  f.defvjp(
    (x: Value) => [add(sin(x), 0), cos(x)],
    (c: Value, ct: Value) => [mul(c, ct)],
    { optimizeRemat: true },
  );
  const program = String(makeJaxpr(grad(checkpoint((x: Value) => f(x))))(1));
  const [forward, backward] = program.split('differentiated=True');
  expect(forward).toContain('remat_opt');
  expect(forward).not.toContain('cos');
  expect(backward).toContain('cos');
});

test('linearTranspose and closureConvert check what they get', () => {
  const transposed = linearTranspose((x: Value) => mul(x, 2), array([1, 2]));
  expect(js(transposed(array([3, 4])))).toEqual([[6, 8]]);
  expect(failure(() => transposed(array([3])))).toMatchInlineSnapshot(
    `"ShapeError: linearTranspose: a cotangent must have the shape of the value that it belongs to; got shape [1] for f32[2]. Give a cotangent of shape [2]."`,
  );
  expect(failure(() => linearTranspose((x: Value) => mul(x, x), 1)(1))).toMatchInlineSnapshot(
    `"ArgumentError: transpose: the program must be linear in what it is transposed for; got a product or quotient that is not, by f32[]. Check the function of linearTranspose, and that rules of customJvp are linear in the tangents."`,
  );
  expect(failure(() => linearTranspose((x: Value) => sin(x), 1)(1))).toMatchInlineSnapshot(
    `"MissingRuleError: sin: no transpose rule. Define \`transpose\` in its definePrimitive(...) call."`,
  );
  expect(
    failure(() => linearTranspose((x: Value) => convertElementType(x, 'i32'), 1)),
  ).toMatchInlineSnapshot(
    `"DTypeError: linearTranspose: the function must take floats to floats or integers to integers; got [float32] → [int32]. Close over what is not transposed."`,
  );
  const [converted] = closureConvert((x: Value) => mul(x, 2), 1);
  expect(js(converted(3))).toBe(6);
  expect(failure(() => converted([3, 4] as never))).toMatchInlineSnapshot(
    `"TreeError: closureConvert: the arguments must have the trees of the examples, PyTreeDef([*]); got PyTreeDef([[*, *]]). Convert the function again."`,
  );
  const wrong = customGradient(((x: Value) => x) as never) as (x: number) => Value;
  expect(failure(() => wrong(1))).toMatchInlineSnapshot(
    `"TreeError: customGradient: the function must return a pair [result, function of the cotangent]; got f32[] from <lambda>. Return both."`,
  );
});
