import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { mul } from '../../lax/arithmetic.ts';
import { reduceSum } from '../../lax/structure.ts';
import { cos, sin, tanh } from '../../lax/transcendental.ts';
import { scan } from '../../control/scan.ts';
import { checkpoint } from '../../transforms/checkpoint.ts';
import {
  checkpointName,
  checkpointPolicies,
  type CheckpointPolicy,
} from '../../transforms/checkpoint-policies.ts';
import { jvp } from '../../transforms/forward.ts';
import { grad, vjp } from '../../transforms/grad.ts';
import { hessian } from '../../transforms/jacobian.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { savedResiduals } from '../../transforms/saved-residuals.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, distance, failure, noise } from './setup.ts';

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

test('what is saved, by policy', () => {
  const f = (v: Value): Value => sin(checkpointName(sin(v), 'inner'));
  const saved = (policy: CheckpointPolicy): string[] =>
    savedResiduals(checkpoint(f, { policy }), 1).map(String);
  const { everythingSaveable, nothingSaveable, saveOnlyTheseNames, saveAnythingExceptTheseNames } =
    checkpointPolicies;
  expect(saved(everythingSaveable)).toEqual(['f32[] output of cos', 'f32[] output of cos']);
  expect(saved(nothingSaveable)).toEqual(['f32[] from the argument args[0]']);
  expect(saved(saveOnlyTheseNames('inner'))).toEqual([
    'f32[] from the argument args[0]',
    "f32[] named 'inner'",
  ]);
  expect(saved(saveOnlyTheseNames('other'))).toEqual(['f32[] from the argument args[0]']);
  // The value is saved under the name or, when that is left out, as the result of the sine.
  expect(saved(saveAnythingExceptTheseNames('inner'))).toEqual([
    'f32[] output of cos',
    'f32[] output of cos',
  ]);
  expect(savedResiduals((v: Value) => mul(array([2]), v), array([1])).map(String)).toEqual([
    'f32[1] from a constant',
  ]);
});

test('a custom policy is asked with primitive, types and params', () => {
  const asked: string[] = [];
  const f = checkpoint((v: Value) => reduceSum(sin(v), [0]), {
    policy: (prim, avals, params) => {
      asked.push(`${prim.name} ${avals.join()} ${JSON.stringify(params)}`);
      return false;
    },
  });
  grad((v: Value) => f(v))(x);
  expect(new Set(asked)).toEqual(new Set(['cos f32[3] {}']));
});

test('a name is the identity to every transformation', () => {
  const f = (v: Value): Value => sin(checkpointName({ v }, 'n').v);
  const xs = noise([2, 3], 4);
  expect(distance(vmap(f)(xs), sin(xs))).toBe(0);
  expect(distance(jit(vmap(grad((v: Value) => reduceSum(f(v)))))(xs), cos(xs))).toBeLessThan(1e-6);
  const [, pull] = vjp((v: Value) => checkpointName(v, 'n'), x);
  expect(distance(pull(w)[0], w)).toBe(0);
});

test('mistakes', () => {
  const untyped = checkpoint as (f: unknown, options?: object) => (...args: unknown[]) => unknown;
  expect(failure(() => untyped(sin, { polcy: 1 }))).toMatchInlineSnapshot(
    `"ArgumentError: checkpoint: options must be among policy, preventCse, staticArgnums; got polcy. Check the spelling."`,
  );
  expect(failure(() => untyped(sin, { policy: 'dots' }))).toMatchInlineSnapshot(
    `"ArgumentError: checkpoint: the policy must be a function of primitive, types and params; got string dots. Take one from checkpointPolicies."`,
  );
  expect(failure(() => untyped(sin, { staticArgnums: 3 })(1))).toMatchInlineSnapshot(
    `"ArgumentError: checkpoint: staticArgnums must name arguments of the call; got 3 for a call with 1 arguments. Pass the argument, or change staticArgnums."`,
  );
  expect(failure(() => checkpointName({ a: 'text' }, 'n'))).toMatchInlineSnapshot(
    `"TreeError: checkpointName: leaves must be arrays or numbers; got string text at x. Make an array of it with np.array(…), or take it out of the tree."`,
  );
  expect(failure(() => checkpointName(1, 2 as never))).toMatchInlineSnapshot(
    `"ArgumentError: checkpointName: the name must be a string; got number. Write checkpointName(x, 'name')."`,
  );
  expect(
    failure(() =>
      checkpointPolicies.saveAndOffloadOnlyTheseNames({
        namesWhichCanBeSaved: ['a', 'b'],
        namesWhichCanBeOffloaded: ['b'],
      }),
    ),
  ).toMatchInlineSnapshot(
    `"ArgumentError: saveAndOffloadOnlyTheseNames: a name can be saved or offloaded; got b in both lists. Take it out of one."`,
  );
});
