/** Laws of the transformations on random programs. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { checkJaxpr } from '../../core/jaxpr-check.ts';
import { mul, mulP } from '../../lax/arithmetic.ts';
import { reduceSum, reduceSumP } from '../../lax/structure.ts';
import { sinP, tanhP } from '../../lax/transcendental.ts';
import { checkpoint } from '../../transforms/checkpoint.ts';
import { checkpointPolicies, type CheckpointPolicy } from '../../transforms/checkpoint-policies.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad, vjp } from '../../transforms/grad.ts';
import { hessian, jacfwd, jacrev } from '../../transforms/jacobian.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { programs, run } from './programs.ts';
import { array, distance, flat, noise } from './setup.ts';

const point = array([0.3, -0.7, 0.9]);
const direction = array([0.5, 1, -0.25]);
const covector = array([1, -0.5, 0.75]);
const runs = { numRuns: Number(process.env['PALLADIA_RUNS'] ?? 40) };

const law = (name: string, reverseOnly: boolean, holds: (f: (x: Value) => Value) => void): void =>
  test(name, () => {
    const property = fc.property(programs(reverseOnly), (steps) => {
      // fast-check takes a returned false for a failure, and expect returns something.
      holds((x) => run(steps, x));
    });
    fc.assert(property, runs);
  });

const dot = (a: Value, b: Value): number => flat(a).reduce((s, x, i) => s + x * flat(b)[i], 0);

law('jit = eager', true, (f) => expect(distance(jit(f)(point), f(point))).toBe(0));

law('programs are well typed', true, (f) => {
  checkJaxpr(makeJaxpr(f)(point));
  checkJaxpr(makeJaxpr((x: Value) => vjp(f, x)[1](covector))(point));
  checkJaxpr(makeJaxpr(vmap(f))(noise([2, 3])));
});

law('jvp = differences', false, (f) => {
  const step = 1e-2;
  const at = (s: number): number[] =>
    flat(f(array(flat(point).map((x, i) => x + s * step * flat(direction)[i]))));
  // Five points: the error is of the fourth order, so that f32 rounding and truncation are both small.
  const [a, b, c, d] = [at(-2), at(-1), at(1), at(2)];
  const slope = a.map((x, i) => (x - 8 * b[i] + 8 * c[i] - d[i]) / (12 * step));
  const [, tangent] = jvp(f, [point], [direction]);
  const steep = Math.max(1, ...slope.map(Math.abs));
  if (flat(tangent).every((t, i) => Math.abs(t - slope[i]) <= 5e-3 * steep)) return;
  // A branch of cond may lie between the points; then the slopes on both sides differ, and nothing is claimed.
  const left = a.map((x, i) => (b[i] - x) / step);
  const right = c.map((x, i) => (d[i] - x) / step);
  const middle = b.map((x, i) => (c[i] - x) / (2 * step));
  const kink = Math.max(
    ...left.map((x, i) => Math.max(Math.abs(x - right[i]), Math.abs(x - middle[i]))),
  );
  expect(kink).toBeGreaterThan(1e-2 * steep);
});

law('linearize = jvp', false, (f) => {
  const [y, push] = linearize(f, point);
  const [out, tangent] = jvp(f, [point], [direction]);
  expect(distance(y, out)).toBeLessThan(1e-6);
  expect(distance(push(direction), tangent)).toBeLessThan(1e-5);
});

law('⟨vjp ct, t⟩ = ⟨ct, jvp t⟩', false, (f) => {
  const [, tangent] = jvp(f, [point], [direction]);
  const [, pull] = vjp(f, point);
  const [left, right] = [dot(pull(covector)[0], direction), dot(covector, tangent)];
  expect(Math.abs(left - right)).toBeLessThan(2e-5 * Math.max(1, Math.abs(left)));
});

law('jit of vjp, vjp of jit = vjp', true, (f) => {
  const plain = vjp(f, point)[1](covector)[0];
  expect(distance(jit((x: Value) => vjp(f, x)[1](covector)[0])(point), plain)).toBeLessThan(1e-5);
  expect(distance(vjp(jit(f), point)[1](covector)[0], plain)).toBeLessThan(1e-5);
});

law('vmap = loop', true, (f) => {
  const xs = noise([3, 3], 5);
  const rows = [0, 1, 2].map((i) => flat(f(array(flat(xs).slice(3 * i, 3 * i + 3)))));
  expect(distance(vmap(f)(xs), array(rows.flat(), [3, 3]))).toBeLessThan(1e-5);
  expect(
    distance(
      jit(vmap(f, { inAxes: 1, outAxes: 1 }))(array(flat(xs), [3, 3])),
      vmap(f, { inAxes: 1, outAxes: 1 })(xs),
    ),
  ).toBeLessThan(1e-5);
});

law('vmap of grad = loop over grad', true, (f) => {
  const g = grad((x: Value) => reduceSum(mul(f(x), covector)));
  const xs = noise([2, 3], 6);
  const rows = [0, 1].map((i) => flat(g(array(flat(xs).slice(3 * i, 3 * i + 3)))));
  expect(distance(vmap(g)(xs), array(rows.flat(), [2, 3]))).toBeLessThan(2e-5);
  expect(distance(jit(vmap(jit(g)))(xs), array(rows.flat(), [2, 3]))).toBeLessThan(2e-5);
});

law('jacfwd = jacrev; the hessian is symmetric', false, (f) => {
  expect(distance(jacfwd(f)(point), jacrev(f)(point))).toBeLessThan(2e-5);
  const h = flat(hessian((x: Value) => reduceSum(f(x)))(point));
  const transposed = [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) => h[3 * j + i]));
  expect(distance(array(h), array(transposed))).toBeLessThan(5e-4);
});

law('forward over reverse = reverse over reverse', false, (f) => {
  const g = (x: Value): Value => grad((v: Value) => reduceSum(f(v)))(x);
  const forward = jvp(g, [point], [direction])[1];
  const reverse = grad((x: Value) => reduceSum(mul(g(x), direction)))(point);
  expect(distance(forward, reverse)).toBeLessThan(5e-4);
});

const policies: Readonly<Record<string, CheckpointPolicy>> = {
  everything: checkpointPolicies.everythingSaveable,
  'products and hyperbolic tangents': (prim) => prim === mulP || prim === tanhP,
  'sines and sums': (prim) => prim === sinP || prim === reduceSumP,
};
for (const [name, policy] of Object.entries(policies))
  law(`gradients of a checkpoint that saves ${name} = gradients`, true, (f) => {
    const saved = checkpoint(f, { policy });
    const gradient = (g: (x: Value) => Value): ((x: Value) => Value) =>
      grad((x: Value) => reduceSum(mul(g(x), covector)));
    const wanted = gradient(f)(point);
    expect(distance(gradient((x) => saved(x))(point), wanted)).toBeLessThan(1e-5);
    expect(distance(jit(gradient(jit((x: Value) => saved(x))))(point), wanted)).toBeLessThan(1e-5);
    checkJaxpr(makeJaxpr(gradient((x) => saved(x)))(point));
    const xs = noise([2, 3], 6);
    expect(distance(vmap(gradient((x) => saved(x)))(xs), vmap(gradient(f))(xs))).toBeLessThan(2e-5);
  });
