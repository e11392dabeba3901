import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { mul } from '../../lax/arithmetic.ts';
import { reduceSum } from '../../lax/structure.ts';
import { cos, sin, tanh } from '../../lax/transcendental.ts';
import { scan } from '../../control/scan.ts';
import { checkpoint } from '../../transforms/checkpoint.ts';
import { jvp } from '../../transforms/forward.ts';
import { grad } from '../../transforms/grad.ts';
import { hessian } from '../../transforms/jacobian.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { distance, noise } from './setup.ts';

const plain = (x: Value, w: Value): Value =>
  reduceSum(tanh(mul(sin(mul(x, w)), jit((v: Value) => cos(v))(x))));
const saved = checkpoint(plain);
const [x, w] = [noise([3], 1), noise([3], 2)];

test('the same values and derivatives under every transformation', () => {
  expect(distance(saved(x, w), plain(x, w))).toBe(0);
  expect(
    distance(grad(saved, { argnums: [0, 1] })(x, w), grad(plain, { argnums: [0, 1] })(x, w)),
  ).toBeLessThan(1e-6);
  expect(distance(jit(grad(jit(saved)))(x, w), grad(plain)(x, w))).toBeLessThan(1e-6);
  expect(distance(jvp(saved, [x, w], [w, x]), jvp(plain, [x, w], [w, x]))).toBeLessThan(1e-6);
  expect(
    distance(hessian((v: Value) => saved(v, w))(x), hessian((v: Value) => plain(v, w))(x)),
  ).toBeLessThan(1e-5);
  const xs = noise([2, 3], 3);
  expect(
    distance(
      vmap(grad(saved), { inAxes: [0, null] })(xs, w),
      vmap(grad(plain), { inAxes: [0, null] })(xs, w),
    ),
  ).toBeLessThan(1e-6);
  const deep =
    (f: (v: Value) => Value) =>
    (v: Value): Value =>
      reduceSum(scan((c: Value, _: null) => [f(c), null], v, null, { length: 3 })[0]);
  const body = (v: Value): Value => sin(mul(v, cos(v)));
  expect(
    distance(grad(deep(checkpoint(body, { preventCse: false })))(x), grad(deep(body))(x)),
  ).toBeLessThan(1e-6);
});

test('nothing but the arguments is saved', () => {
  const f = checkpoint((v: Value) => sin(sin(v)));
  expect(String(makeJaxpr(grad((v: Value) => f(v)))(1))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[]. let
        _:f32[] = remat2[
          differentiated=False
          jaxpr={ lambda ; b:f32[]. let c:f32[] = sin b; d:f32[] = sin c in (d,) }
          policy=None
          prevent_cse=True
        ] a
        e:f32[] = remat2[
          differentiated=True
          jaxpr={ lambda ; f:f32[] g:f32[]. let
              h:f32[] = sin f
              i:f32[] = cos f
              j:f32[] = cos h
              k:f32[] = mul g j
              l:f32[] = mul k i
            in (l,) }
          policy=None
          prevent_cse=True
        ] a 1.0:f32[]
      in (e,) }"
  `);
  expect(
    jit(grad((v: Value) => f(v)))
      .lower(1)
      .asText(),
  ).toContain('stablehlo.optimization_barrier');
});
