/** What TypeScript infers for transformed functions. These are checked by tsc; running them only shows that they run. */
import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { pmean, psum } from '../../lax/collectives.ts';
import { reduceSum } from '../../lax/structure.ts';
import { sin } from '../../lax/transcendental.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop } from '../../control/while.ts';
import { customVmap } from '../../transforms/custom-vmap.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad, valueAndGrad, vjp } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, js } from './setup.ts';

interface Params {
  readonly w: Value;
  readonly layers: readonly { readonly b: Value }[];
}

test('parameters without a type are arrays, numbers are welcome where arrays are', () => {
  const a: Value = jit((x) => mul(x, x))(3);
  const b: Value = grad((x) => mul(x, x))(3);
  const c: [Value, Value] = grad((x, y) => mul(x, y), { argnums: [0, 1] })(3, 4);
  const [d, e]: [Value, Value] = valueAndGrad((x, y) => mul(x, y), { argnums: 1 })(
    3,
    array([4], []),
  );
  const f: Value = vmap((x, y) => add(x, y), { inAxes: [0, null] })(array([1]), 2);
  expect([a, b, ...c, d, e, f].map(js)).toEqual([9, 6, 4, 3, 12, 3, [3]]);
});

test('trees keep their types', () => {
  const loss = (p: Params, x: Value): Value => reduceSum(add(mul(p.w, x), p.layers[0].b));
  const params = { w: array([1, 2]), layers: [{ b: array([0, 0]) }] };
  const g: Params = grad(loss)(params, array([1, 1]));
  const [value, h]: [Value, Params] = valueAndGrad(loss)(params, array([1, 1]));
  const step = jit((p: Params, x: Value) => ({ params: grad(loss)(p, x), loss: loss(p, x) }));
  const out: { params: Params; loss: Value } = step(params, array([3, 4]));
  expect([js(g.w), js(value), js(h.layers[0].b), js(out.params.w), js(out.loss)]).toEqual([
    [1, 1],
    3,
    [1, 1],
    [3, 4],
    11,
  ]);
});

test('auxiliary results, pullbacks, pushforwards', () => {
  const withAux = (x: Value): [Value, { y: Value; n: number }] => [mul(x, x), { y: sin(x), n: 2 }];
  const [g, aux]: [Value, { y: Value; n: Value }] = grad(withAux, { hasAux: true })(0);
  const [[v], g2] = valueAndGrad(withAux, { hasAux: true })(3);
  const [y, pull] = vjp((x: Value, p: Params) => ({ s: mul(x, p.w) }), 2, { w: 3, layers: [] });
  const [dx, dp]: [Value, Params] = pull({ s: 1 });
  const [, push] = linearize((x: Value) => mul(x, x), 3);
  const [p, t]: [Value, Value] = jvp((x: Value) => mul(x, x), [3], [1]);
  expect([g, aux.y, v, g2, y.s, dx, dp.w, push(1), p, t].map(js)).toEqual([
    0, 0, 9, 6, 6, 3, 2, 6, 9, 6,
  ]);
});

test('control flow', () => {
  const [last, ys]: [Value, { y: Value }] = scan(
    (c: Value, x: Value) => [add(c, x), { y: c }],
    0,
    array([1, 2]),
  );
  const n: Value = foriLoop(0, 3, (_: Value, c: Value) => add(c, 1), 0);
  const c: Value = cond(
    true,
    (x: Value) => x,
    () => 0,
    5,
  );
  expect([last, ys.y, n, c].map(js)).toEqual([3, [0, 1], 3, 5]);
});

test('collectives keep trees, a function with its own rule keeps its arguments', () => {
  const f = (x: Value): { s: { a: Value; n: Value }; m: readonly Value[] } => ({
    s: psum({ a: x, n: 1 }, 'i'),
    m: pmean([x, x], ['i']),
  });
  const out: { s: { a: Value; n: Value }; m: readonly Value[] } = vmap(f, { axisName: 'i' })(
    array([1, 3]),
  );
  expect([js(out.s.a), js(out.s.n), js(out.m[0])]).toEqual([
    [4, 4],
    [2, 2],
    [2, 2],
  ]);
  const g = customVmap((p: Params, x: Value) => add(p.w, x)).defVmap(
    (_: number, __: unknown, p: Params, x: Value) => [mul(p.w, x), true],
  );
  const y: Value = vmap(g)({ w: array([1, 2]), layers: [] }, array([5, 6]));
  expect(js(y)).toEqual([5, 12]);
});
