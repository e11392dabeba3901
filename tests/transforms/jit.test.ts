import { describe, expect, test } from 'vitest';
import { config, withConfig } from '../../core/config.ts';
import { registerStatic } from '../../core/tree.ts';
import type { Value } from '../../core/value.ts';
import { add, mul, neg } from '../../lax/arithmetic.ts';
import { reduceSum } from '../../lax/structure.ts';
import { cos, sin } from '../../lax/transcendental.ts';
import { compilationCount } from '../../transforms/executables.ts';
import { grad } from '../../transforms/grad.ts';
import { evalShape, jit, makeJaxpr, type Jitted } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, failure, flat, js } from './setup.ts';

/** A function that counts how often it is traced. */
function counted<A extends readonly unknown[], R>(
  f: (...args: A) => R,
): { f: (...args: A) => R; traces: () => number } {
  let n = 0;
  return {
    f: (...args) => {
      n++;
      return f(...args);
    },
    traces: () => n,
  };
}

describe('when a function is traced', () => {
  const { f, traces } = counted((x: Value) => mul(x, 2));
  const g = jit(f);
  const traced = (body: () => unknown): number => {
    const before = traces();
    body();
    return traces() - before;
  };

  test('once per type', () => {
    expect(traced(() => g(array([1, 2])))).toBe(1);
    expect(traced(() => g(array([3, 4])))).toBe(0);
    expect(traced(() => g(array([1, 2, 3])))).toBe(1);
    expect(traced(() => g(array([1, 2], [2], 'i32')))).toBe(1);
    expect(traced(() => g(array([1, 2])))).toBe(0);
  });

  test('numbers share a trace whatever their value; a bigint and a strong scalar have their own', () => {
    expect(traced(() => g(1))).toBe(1);
    expect(traced(() => g(2.5))).toBe(0);
    expect(traced(() => g(array([1], [])))).toBe(1);
    expect(traced(() => g(1n))).toBe(1);
  });

  test('jit of the same function shares its traces; under vmap and grad nothing is traced anew', () => {
    expect(traced(() => jit(f)(array([1, 2])))).toBe(0);
    expect(traced(() => vmap(g)(array([1, 2], [1, 2])))).toBe(0);
    expect(traced(() => grad((x: Value) => reduceSum(g(x)))(array([1, 2])))).toBe(0);
  });

  test('a flag that enters the key', () => {
    expect(traced(() => withConfig({ exact: true }, () => g(array([1, 2]))))).toBe(1);
    expect(traced(() => withConfig({ checkTracerLeaks: true }, () => g(array([1, 2]))))).toBe(0);
  });

  test('the structure of trees, not the order of keys', () => {
    const tree = counted((t: { a: Value; b: Value }) => add(t.a, t.b));
    const h = jit(tree.f);
    h({ a: 1, b: 2 });
    h({ b: 5, a: 1 });
    expect(tree.traces()).toBe(1);
  });
});

describe('static values', () => {
  test('strings, functions, null and registered objects are part of the key', () => {
    const { f, traces } = counted(
      (x: Value, mode: string, op: (v: Value) => Value, nothing: null) => [
        mode === 'neg' ? neg(op(x)) : op(x),
        nothing,
      ],
    );
    const g = jit(f);
    expect(js(g(0, 'neg', cos, null))).toEqual([-1, null]);
    expect(js(g(0, 'pos', cos, null))).toEqual([1, null]);
    expect(js(g(0, 'pos', sin, null))).toEqual([0, null]);
    g(7, 'neg', cos, null);
    expect(traces()).toBe(3);
  });

  test('staticArgnums forces it, with numbers as numbers', () => {
    const { f, traces } = counted((x: Value, n: number) => {
      let y = x;
      for (let i = 0; i < n; i++) y = mul(y, 2);
      return y;
    });
    const g = jit(f, { staticArgnums: [-1] });
    expect(js(g(1, 3))).toBe(8);
    expect(js(g(1, 4))).toBe(16);
    expect(js(g(5, 3))).toBe(40);
    expect(traces()).toBe(2);
  });

  test('a registered class', () => {
    class Mode {
      readonly sign: number;
      constructor(sign: number) {
        this.sign = sign;
      }
    }
    registerStatic(Mode);
    const mode = new Mode(-1);
    expect(js(jit((x: Value, m: Mode) => mul(x, m.sign))(3, mode))).toBe(-3);
  });
});

describe('captured values', () => {
  test('arrays are operands of the module, not constants in its text', () => {
    const captured = array([1, 2, 3]);
    const f = (x: Value): Value => add(x, captured);
    expect(js(jit(f)(array([1, 1, 1])))).toEqual([2, 3, 4]);
    expect(
      jit(f)
        .lower(array([1, 1, 1]))
        .asText(),
    ).toContain('%arg1: tensor<3xf32>');
  });

  test('values of outer transformations are operands of the call, traced anew each time', () => {
    const { f, traces } = counted((x: Value, y: Value) => mul(x, y));
    const outer = (y: Value): Value => jit((x: Value) => f(x, y))(3);
    expect(js(grad(outer)(2))).toBe(3);
    expect(js(jit(outer)(4))).toBe(12);
    expect(js(vmap(outer)(array([1, 2])))).toEqual([3, 6]);
    expect(traces()).toBe(3);
  });

  test('closures that are made anew do not compile anew', () => {
    const make = (): Jitted<[x: Value], Value> => jit((x: Value) => sin(cos(sin(x))));
    make()(1);
    const before = compilationCount();
    for (let i = 0; i < 5; i++) make()(1);
    expect(compilationCount()).toBe(before);
  });

  test('gradients of a jitted function compile once, however often they are taken', () => {
    const f = jit((x: Value) => mul(sin(x), cos(x)));
    const g = (): unknown => grad((x: Value) => f(x))(0.5);
    g();
    const before = compilationCount();
    g();
    g();
    expect(compilationCount()).toBe(before);
  });
});

describe('donation', () => {
  test('a donated array cannot be used again', () => {
    const f = jit((x: Value, y: Value) => add(x, y), { donateArgnums: 0 });
    const [x, y] = [array([1, 2]), array([3, 4])];
    expect(js(f(x, y))).toEqual([4, 6]);
    expect(x.isDeleted).toBe(true);
    expect(y.isDeleted).toBe(false);
    expect(failure(() => f(x, y))).toMatchInlineSnapshot(
      `"DeletedArrayError: array: f32[2] was donated to a jitted function and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums."`,
    );
    expect(f.lower(array([1, 2]), y).asText()).toContain('tf.aliasing_output = 0');
  });

  test('an array is donated once', () => {
    const f = jit((x: Value, y: Value) => add(x, y), { donateArgnums: 0 });
    const x = array([1, 2]);
    expect(failure(() => f(x, x))).toMatchInlineSnapshot(
      `"ArgumentError: jit: a donated array must be used once in a call; got f32[2] as argument 0 and elsewhere, or captured. Donate it without passing it again."`,
    );
    expect(failure(() => jit((y: Value) => add(x, y), { donateArgnums: 0 })(x))).toContain(
      'ArgumentError',
    );
    expect(x.isDeleted).toBe(false);
  });

  test('trees and unused arguments', () => {
    const f = jit((s: { a: Value; b: Value }) => ({ a: add(s.a, 1) }), { donateArgnums: [0] });
    const state = { a: array([1]), b: array([5]) };
    expect(js(f(state))).toEqual({ a: [2] });
    expect([state.a.isDeleted, state.b.isDeleted]).toEqual([true, true]);
  });

  test('inside another program nothing is donated', () => {
    const f = jit((x: Value) => add(x, 1), { donateArgnums: 0 });
    const x = array([1]);
    expect(js(jit((v: Value) => add(f(v), v))(x))).toEqual([3]);
    expect(x.isDeleted).toBe(false);
  });
});

describe('stages', () => {
  const f = (x: Value, w: { a: Value }): { y: Value; z: Value[] } => ({
    y: sin(mul(x, w.a)),
    z: [x],
  });

  test('trace, lower, compile', () => {
    const traced = jit(f).trace(new ShapeDtypeStruct([2]), { a: 3 });
    expect(String(traced.jaxpr)).toMatchInlineSnapshot(`
      "{ lambda ; a:f32[2] b:f32[]. let
          c:f32[2] = mul a b
          d:f32[2] = sin c
        in (d, a) }"
    `);
    expect(String((traced.outInfo as { y: unknown }).y)).toBe(
      'ShapeDtypeStruct(shape=(2,), dtype=float32)',
    );
    const lowered = traced.lower();
    expect(lowered.asText()).toMatchInlineSnapshot(`
      "module @jit_f attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
        func.func public @main(%arg0: tensor<2xf32>, %arg1: tensor<f32>) -> (tensor<2xf32> {jax.result_info = "result['y']"}, tensor<2xf32> {jax.result_info = "result['z'][0]"}) {
          %0 = stablehlo.broadcast_in_dim %arg1, dims = [] : (tensor<f32>) -> tensor<2xf32>
          %1 = stablehlo.multiply %arg0, %0 : tensor<2xf32>
          %2 = stablehlo.sine %1 : tensor<2xf32>
          return %2, %arg0 : tensor<2xf32>, tensor<2xf32>
        }
      }
      "
    `);
    const compiled = lowered.compile();
    expect(js(compiled(array([0, 1]), { a: 0 }))).toEqual({ y: [0, 0], z: [[0, 1]] });
    expect(compiled.asText()).toContain('stablehlo.sine');
  });

  test('a compiled function takes only what it was compiled for', () => {
    const compiled = jit(f)
      .lower(new ShapeDtypeStruct([2]), { a: 3 })
      .compile();
    expect(failure(() => compiled(array([1, 2, 3]), { a: 1 }))).toMatchInlineSnapshot(
      `"ArgumentError: compiled: the arguments must have the types that the function was compiled for; got args[0]: f32[3], was f32[2] (shape). Lower and compile it for these types."`,
    );
    expect(
      failure(() => jit((x: Value) => compiled(x, { a: 1 }))(array([1, 2]))),
    ).toMatchInlineSnapshot(
      `"ArgumentError: compiled: a compiled function runs on concrete arrays; got Traced<f32[2]> with jit. Call the jitted function inside transformations."`,
    );
  });

  test('evalShape computes nothing', () => {
    const out = evalShape((x: Value) => [reduceSum(x), x], new ShapeDtypeStruct([4, 2], 'i32'));
    expect(String(out)).toBe(
      'ShapeDtypeStruct(shape=(), dtype=int32),ShapeDtypeStruct(shape=(4, 2), dtype=int32)',
    );
  });

  test('unused arguments are not operands', () => {
    expect(
      jit((_: Value, y: Value) => neg(y))
        .lower(array([1, 2]), 1)
        .asText(),
    ).toContain('main(%arg0: tensor<f32>)');
  });
});

test('disableJit runs the function each time', () => {
  const { f, traces } = counted((x: Value) => neg(x));
  const g = jit(f);
  withConfig({ disableJit: true }, () => {
    g(1);
    g(1);
  });
  expect(traces()).toBe(2);
  expect(config.disableJit).toBe(false);
});

test('results that are inputs or constants', () => {
  expect(js(jit((x: Value) => [x, x, 2, null])(array([1])))).toEqual([[1], [1], 2, null]);
  expect(js(jit(() => 5)())).toBe(5);
  expect(js(jit((t: Map<string, Value>) => t)(new Map([['k', array([1])]])))).toEqual(
    new Map([['k', [1]]]),
  );
});

test('nested calls of one function share one private function', () => {
  const g = jit(function g(x: Value) {
    return sin(x);
  });
  const text = jit((x: Value) => add(g(x), g(g(x))))
    .lower(1)
    .asText();
  expect(text.match(/func\.func private/g)).toHaveLength(1);
});

test('zero-size and rank-0 arrays', () => {
  expect(flat(jit((x: Value) => sin(x))(array([], [0, 3])))).toEqual([]);
  expect(js(jit((x: Value) => reduceSum(x))(array([], [0])))).toBe(0);
  expect(String(makeJaxpr((x: Value) => sin(x))(array([], [0])))).toBe(
    '{ lambda ; a:f32[0]. let b:f32[0] = sin a in (b,) }',
  );
});
