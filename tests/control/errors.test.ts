/** What loops, branches and solvers say when they are used wrongly, and corners where JAX's tests do not look. */
import { describe, expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import type { Value } from '../../core/value.ts';
import { associativeScan, map } from '../../control/map.ts';
import { customRoot } from '../../control/root.ts';
import { scan } from '../../control/scan.ts';
import { customLinearSolve } from '../../control/solve.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { cond } from '../../control/cond.ts';
import { add, div, mul } from '../../lax/arithmetic.ts';
import { lt } from '../../lax/comparison.ts';
import { cumlogsumexp } from '../../lax/cumulative.ts';
import { reduceSum, reshape } from '../../lax/structure.ts';
import { grad } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { linearize } from '../../transforms/forward.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, failure, flat, js, noise } from '../transforms/setup.ts';

const plus = (a: Value, b: Value): Value => add(a, b);
const double = (x: Value): Value => mul(x, 2);

test('associativeScan and map', () => {
  const xs = array([1, 2, 3]);
  const all = [
    () => associativeScan(1 as never, xs),
    () => associativeScan(plus, 1),
    () => associativeScan(plus, xs, { axis: 1 }),
    () => associativeScan((a: Value[], _: Value[]) => a, [xs, array([1])]),
    () => associativeScan((a: Value, _: Value) => reshape(a, [1, 1]), xs),
    () => associativeScan((a: Value, b: Value) => lt(a, b), xs),
    () => associativeScan((a: Value, b: Value) => [a, b] as never, xs),
    () => map(double, xs, { batchSize: 0 }),
    () => map(double, xs, { batchSize: 1.5 }),
    () => map(double, 1),
  ].map(failure);
  expect(all).toMatchSnapshot();
});

test('loops', () => {
  const once = (_: Value, c: Value): Value => mul(c, 2);
  const traced = (options: object) => (): unknown =>
    jit((n: Value) => foriLoop(0, n, once, 1, options))(array([3], [], 'i32'));
  const all = [
    () => foriLoop(0.5, 2, once, 1),
    () => foriLoop(0, array([3], []), once, 1),
    () => foriLoop(array([0], [], 'i8'), array([3], [], 'i32'), once, 1),
    () => foriLoop(0, 3, once, 1, { unroll: -1 }),
    traced({ unroll: 2 }),
    () => scan((c: Value, _: null) => [c, null], 1, null, { length: -1 }),
    () => scan((c: Value, _: null) => [c, null], 1, null, { length: 2, unroll: 0.5 }),
    () => grad((x: Value) => whileLoop((c: Value) => lt(c, 9), double, x))(2),
    () =>
      grad((x: Value) =>
        cond(lt(x, 3), (c: Value) => whileLoop((v: Value) => lt(v, 9), double, c), double, x),
      )(2),
    () =>
      grad(
        (x: Value) =>
          scan(
            (c: Value, _: null) => [whileLoop((v: Value) => lt(v, 9), double, c), null],
            x,
            null,
            { length: 2 },
          )[0],
      )(2),
  ].map(failure);
  expect(all).toMatchSnapshot();
  expect([traced({})(), traced({ unroll: 1 })(), traced({ unroll: false })()].map(js)).toEqual([
    8, 8, 8,
  ]);
});

test('a whileLoop that cannot run backwards can be linearized', () => {
  const f = (x: Value): Value => whileLoop((c: Value) => lt(c, 9), double, x);
  expect(js(linearize(f, 2)[1](1))).toBe(8);
});

test('solvers', () => {
  const b = array([1, 2]);
  const halve = (_: unknown, y: Value): Value => div(y, 2);
  const all = [
    () => customLinearSolve((x: Value) => reduceSum(x), b, halve),
    () => customLinearSolve((x: Value) => [x] as never, b, halve),
    () => customLinearSolve(double, b, (_, y) => reduceSum(y)),
    () => customLinearSolve(double, b, (_, y) => y as never, { hasAux: true }),
    () => customLinearSolve(double, b, halve, { transposeSolve: (_, y) => reduceSum(y) }),
    () => grad((y: Value) => reduceSum(customLinearSolve(double, y, halve)))(b),
    () =>
      customRoot(
        (x: Value) => [x] as never,
        b,
        (_, x) => x,
        (_, y) => y,
      ),
    () =>
      customRoot(
        double,
        b,
        (_, x) => reduceSum(x),
        (_, y) => y,
      ),
    () =>
      customRoot(
        double,
        b,
        (_, x) => x,
        (_, y) => reduceSum(y),
      ),
    () =>
      customRoot(
        double,
        b,
        (_, x) => x,
        (g, _) => g([b] as never),
      ),
  ].map(failure);
  expect(all).toMatchSnapshot();
});

describe('corners', () => {
  test('associativeScan keeps negative zeros and empty trees', () => {
    expect(
      flat(associativeScan(plus, array([-0, -0, -0, -0, -0]))).every((x) => Object.is(x, -0)),
    ).toBe(true);
    expect(associativeScan((a: object, _: object) => a, {})).toEqual({});
  });

  test('cumlogsumexp of what is nothing: no slope, and no NaN beside it', () => {
    const last = (x: Value): Value => reduceSum(mul(cumlogsumexp(x), array([0, 0, 1])));
    expect(js(grad(last)(array([-Infinity, -Infinity, 0])))).toEqual([0, 0, 1]);
    expect(js(cumlogsumexp(array([-Infinity, 0, Infinity, NaN])))).toEqual([
      -Infinity,
      0,
      Infinity,
      NaN,
    ]);
    expect(js(cumlogsumexp(array([])))).toEqual([]);
  });

  test('bounds that were made of numbers are known', () => {
    const three = NDArray.fromScalar(3, 'i32');
    const power = (x: Value): Value => foriLoop(0, three, (_: Value, c: Value) => mul(c, x), 1);
    expect(js(grad(power)(2))).toBe(12);
  });

  test('unroll 0 writes the loop out', () => {
    const f = (unroll: number): string =>
      jit((x: Value) => foriLoop(0, 3, (_: Value, c: Value) => mul(c, x), 1, { unroll }))
        .lower(2)
        .asText();
    expect(f(0).match(/stablehlo.multiply/g)?.length).toBe(3);
    expect(f(1).match(/stablehlo.multiply/g)?.length).toBe(1);
  });

  test('what passes through a loop or branch unchanged does not go through it', () => {
    const xs = noise([4]);
    const loop = String(makeJaxpr((a: Value) => scan((c: Value, x: Value) => [c, x], a, xs))(1));
    expect(loop).not.toContain('scan');
    const branch = String(
      makeJaxpr((p: Value, a: Value) =>
        cond(
          p,
          (v: Value) => [v, double(v)],
          (v: Value) => [v, v],
          a,
        ),
      )(true, 1),
    );
    expect(branch).toMatch(/\w+:f32\[\] = cond\[/);
    const lanes = String(
      makeJaxpr(
        vmap(
          (n: Value, w: Value) =>
            whileLoop(
              ([i]: Value[]) => lt(i, n),
              ([i, v]: Value[]) => [add(i, 1), v],
              [0, w],
            ),
          { inAxes: [0, null] },
        ),
      )(array([1, 2]), noise([50])),
    );
    expect(lanes).toMatch(/f32\[50\] = while\[/);
  });
});
