/** What enters transformations: positions, sizes, options, static arguments, and rules that are no rules of their function. */
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { mul } from '../../lax/arithmetic.ts';
import { cos, sin } from '../../lax/transcendental.ts';
import { customJvp, customVjp } from '../../transforms/custom.ts';
import { jvp } from '../../transforms/forward.ts';
import { grad, vjp } from '../../transforms/grad.ts';
import { hessian, jacfwd, jacrev } from '../../transforms/jacobian.ts';
import { jit } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { failure, js } from './setup.ts';

const untyped = (f: unknown): ((...args: unknown[]) => unknown) =>
  f as (...args: unknown[]) => unknown;
const product = (x: Value, y: Value): Value => mul(x, y);

test('an argument is differentiated once', () => {
  const all = [
    () => grad(product, { argnums: [0, 0] })(2, 3),
    () => grad(product, { argnums: [1, -1] })(2, 3),
    () => jacfwd(product, { argnums: [0, 1, 0] })(2, 3),
    () => jacrev(product, { argnums: [0, -2] })(2, 3),
    () => hessian(product, { argnums: [0, -2] })(2, 3),
  ].map(failure);
  expect(all).toMatchInlineSnapshot(`
    [
      "ArgumentError: grad: argnums must name each argument once; got [0,0] for a call with 2 arguments. Leave the second out.",
      "ArgumentError: grad: argnums must name each argument once; got [1,-1] for a call with 2 arguments. Leave the second out.",
      "ArgumentError: jacfwd: argnums must name each argument once; got [0,1,0] for a call with 2 arguments. Leave the second out.",
      "ArgumentError: jacrev: argnums must name each argument once; got [0,-2] for a call with 2 arguments. Leave the second out.",
      "ArgumentError: jacfwd: argnums must name each argument once; got [0,-2] for a call with 2 arguments. Leave the second out.",
    ]
  `);
});

test('the size of a mapped axis is a size', () => {
  const mapped = (axisSize: unknown): unknown =>
    js(vmap(sin, { inAxes: null, axisSize: axisSize as number })(0));
  expect(mapped(2)).toEqual([0, 0]);
  expect(mapped(0)).toEqual([]);
  expect([2.5, -1, NaN, '3'].map((n) => failure(() => mapped(n)))).toMatchInlineSnapshot(`
    [
      "ArgumentError: vmap: axisSize must be an integer from 0; got number 2.5. Leave it out where an argument is mapped.",
      "ArgumentError: vmap: axisSize must be an integer from 0; got number -1. Leave it out where an argument is mapped.",
      "ArgumentError: vmap: axisSize must be an integer from 0; got number NaN. Leave it out where an argument is mapped.",
      "ArgumentError: vmap: axisSize must be an integer from 0; got string 3. Leave it out where an argument is mapped.",
    ]
  `);
});

test('options that do not exist are refused', () => {
  const f = customJvp(sin);
  const all = [
    () => untyped(jvp)(sin, [1], [1], { hasaux: true }),
    () => untyped(customJvp)(sin, { nondiffargnums: [0] }),
    () => untyped(customVjp)(sin, { nondiffargnums: [0] }),
    () => untyped(f.defjvp)(sin, { symbolicZero: true }),
    () => untyped(f.defjvp)(5),
    () => untyped(f.defjvps)(5),
  ].map(failure);
  expect(all).toMatchInlineSnapshot(`
    [
      "ArgumentError: jvp: options must be among hasAux; got hasaux. Check the spelling.",
      "ArgumentError: customJvp: options must be among nondiffArgnums; got nondiffargnums. Check the spelling.",
      "ArgumentError: customVjp: options must be among nondiffArgnums; got nondiffargnums. Check the spelling.",
      "ArgumentError: defjvp: options must be among symbolicZeros; got symbolicZero. Check the spelling.",
      "ArgumentError: defjvp: there must be a function to transform or to run; got number 5. Pass the function itself, not its result.",
      "ArgumentError: defjvps: there must be a function to transform or to run; got number 5. Pass the function itself, not its result.",
    ]
  `);
});

test('static arguments that changed in between are other arguments', () => {
  const bytes = new Float32Array([2]);
  const set = new Set([1]);
  const date = new Date(3);
  const f = jit(
    (x: Value, a: Float32Array, b: Set<number>, c: Date) => mul(x, a[0] + b.size + c.getTime()),
    { staticArgnums: [1, 2, 3] },
  ) as (...args: unknown[]) => Value;
  const now = (): unknown => js(f(1, bytes, set, date));
  expect(now()).toBe(6);
  bytes[0] = 10;
  expect(now()).toBe(14);
  set.add(2);
  expect(now()).toBe(15);
  date.setTime(5);
  expect(now()).toBe(17);
});

describe('a rule gives the tree of its function, where that has run', () => {
  const pair = (x: Value): unknown => [sin(x), cos(x)];

  test('customJvp', () => {
    const f = customJvp(pair);
    f.defjvp(([x]: Value[], [t]: Value[]) => [
      { b: cos(x), a: sin(x) },
      { a: t, b: t },
    ]);
    expect(failure(() => jvp(jit(f), [1], [1]))).toMatchInlineSnapshot(
      `"TreeError: customJvp: a rule must give the tree that the function gives, PyTreeDef([*, *]); got PyTreeDef({'a': *, 'b': *}) from that of pair. Return the value of the function as the first of the pair."`,
    );
    expect(js(jvp(f, [0], [1])[0])).toEqual({ a: 0, b: 1 });
  });

  test('customVjp', () => {
    const f = customVjp(pair);
    f.defvjp(
      (x: Value) => [{ b: x, a: sin(x) }, null],
      (_: null, ct: { a: Value }) => [ct.a],
    );
    expect(failure(() => vjp(jit(f), 1))).toMatchInlineSnapshot(
      `"TreeError: customVjp: a rule must give the tree that the function gives, PyTreeDef([*, *]); got PyTreeDef({'a': *, 'b': *}) from that of pair. Return the value of the function as the first of the pair."`,
    );
  });
});

test('rules are synchronous', () => {
  const f = customJvp(sin);
  untyped(f.defjvp)(() => Promise.reject(new Error('nobody hears it')));
  const g = customJvp(sin);
  untyped(g.defjvps)(async () => Promise.reject(new Error('nobody hears it')));
  expect([f, g].map((h) => failure(() => jvp(h, [1], [1])))).toMatchInlineSnapshot(`
    [
      "AsyncFunctionError: customJvp: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments.",
      "AsyncFunctionError: defjvps: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments.",
    ]
  `);
});
