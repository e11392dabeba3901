/** Printed programs, in JAX's form (recorded from JAX 0.10.2 where JAX has the same function). */
import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { gt } from '../../lax/comparison.ts';
import { reduceSum } from '../../lax/structure.ts';
import { cos, sin } from '../../lax/transcendental.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop } from '../../control/while.ts';
import { customJvp, customVjp } from '../../transforms/custom.ts';
import { grad } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array } from './setup.ts';

const f32 = (...shape: number[]): ShapeDtypeStruct => new ShapeDtypeStruct(shape);

test('a function of two arrays', () => {
  const f = (x: Value, y: Value): Value => reduceSum(add(x, mul(sin(y), 3)));
  expect(String(makeJaxpr(f)(f32(8), f32(8)))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[8] b:f32[8]. let
        c:f32[8] = sin b
        d:f32[8] = mul c 3.0:f32[]
        e:f32[8] = add a d
        f:f32[] = reduce_sum[axes=(0,) out_sharding=None] e
      in (f,) }"
  `);
});

test('a nested jit, and a captured array', () => {
  const captured = array([1, 2, 3]);
  const g = jit((x: Value) => mul(x, 2), { name: 'g' });
  expect(String(makeJaxpr((x: Value) => add(g(x), captured))(f32(3)))).toMatchInlineSnapshot(`
    "{ lambda a:f32[3]; b:f32[3]. let
        c:f32[3] = jit[
          name=g
          jaxpr={ lambda ; b:f32[3]. let c:f32[3] = mul b 2.0:f32[] in (c,) }
        ] b
        d:f32[3] = add c a
      in (d,) }"
  `);
});

test('cond keeps the false branch first', () => {
  const f = (x: Value): Value =>
    cond(
      gt(x, 0),
      (y: Value) => sin(y),
      (y: Value) => cos(y),
      x,
    );
  expect(String(makeJaxpr(f)(f32()))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[]. let
        b:bool[] = gt a 0.0:f32[]
        c:i32[] = convert_element_type[new_dtype=int32 weak_type=False] b
        d:f32[] = cond[
          branches=(
            { lambda ; e:f32[]. let f:f32[] = cos e in (f,) }
            { lambda ; g:f32[]. let h:f32[] = sin g in (h,) }
          )
        ] c a
      in (d,) }"
  `);
});

test('foriLoop with a traced bound is a while', () => {
  const f = (x: Value, n: Value): Value => foriLoop(0, n, (_: Value, y: Value) => add(y, x), x);
  expect(String(makeJaxpr(f)(f32(3), new ShapeDtypeStruct([], 'i32')))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[3] b:i32[]. let
        _:i32[] _:i32[] c:f32[3] = while[
          body_jaxpr={ lambda ; d:f32[3] e:i32[] f:i32[] g:f32[3]. let
              h:i32[] = add e 1:i32[]
              i:f32[3] = add g d
            in (h, f, i) }
          body_nconsts=1
          cond_jaxpr={ lambda ; j:i32[] k:i32[] l:f32[3]. let
              m:bool[] = lt j k
            in (m,) }
          cond_nconsts=0
        ] a 0:i32[] b a
      in (c,) }"
  `);
});

test('scan', () => {
  const f = (xs: Value): unknown => scan((c: Value, x: Value) => [add(c, x), mul(c, 2)], 0, xs);
  expect(String(makeJaxpr(f)(f32(4)))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[4]. let
        b:f32[] c:f32[4] = scan[
          jaxpr={ lambda ; d:f32[] e:f32[]. let
              f:f32[] = add d e
              g:f32[] = mul d 2.0:f32[]
            in (f, g) }
          length=4
          num_carry=1
          num_consts=0
          reverse=False
          unroll=1
        ] 0.0:f32[] a
      in (b, c) }"
  `);
});

test('the gradient of a product', () => {
  const f = (x: Value): Value => reduceSum(mul(sin(x), x));
  expect(String(makeJaxpr(grad(f))(f32(3)))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[3]. let
        b:f32[3] = sin a
        c:f32[3] = cos a
        d:f32[3] = mul b a
        _:f32[] = reduce_sum[axes=(0,) out_sharding=None] d
        e:f32[3] = broadcast_in_dim 1.0:f32[]
        f:f32[3] = mul b e
        g:f32[3] = mul e a
        h:f32[3] = mul g c
        i:f32[3] = add_any f h
      in (i,) }"
  `);
});

test('a jitted function under grad is two calls', () => {
  const f = jit((x: Value) => mul(sin(x), x), { name: 'f' });
  expect(String(makeJaxpr(grad(f))(f32()))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[]. let
        _:f32[] b:f32[] c:f32[] = jit[
          name=f
          jaxpr={ lambda ; a:f32[]. let
              c:f32[] = sin a
              b:f32[] = cos a
              _:f32[] = mul c a
            in (_, b, c) }
        ] a
        d:f32[] = jit[
          name=f
          jaxpr={ lambda ; b:f32[] a:f32[] c:f32[] e:f32[]. let
              f:f32[] = mul c e
              g:f32[] = mul e a
              h:f32[] = mul g b
              d:f32[] = add_any f h
            in (d,) }
        ] b a c 1.0:f32[]
      in (d,) }"
  `);
});

test('custom derivatives', () => {
  const f = customJvp((x: Value) => sin(x));
  f.defjvp(function rule([x]: Value[], [t]: Value[]) {
    return [f(x), mul(t, cos(x))];
  });
  const g = customVjp(function g(x: Value) {
    return sin(x);
  });
  g.defvjp(
    function fwd(x: Value) {
      return [sin(x), x];
    },
    function bwd(x: Value, ct: Value) {
      return [mul(ct, cos(x))];
    },
  );
  expect(String(makeJaxpr((x: Value) => g(x))(f32()))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[]. let
        b:f32[] = custom_vjp_call[
          name=g
          bwd=bwd
          call_jaxpr={ lambda ; c:f32[]. let d:f32[] = sin c in (d,) }
          fwd=fwd
          symbolic_zeros=False
        ] a
      in (b,) }"
  `);
  expect(String(makeJaxpr((x: Value) => f(x))(f32()))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[]. let
        b:f32[] = custom_jvp_call[
          name=<lambda>
          call_jaxpr={ lambda ; c:f32[]. let d:f32[] = sin c in (d,) }
          jvp=rule
          symbolic_zeros=False
        ] a
      in (b,) }"
  `);
});

test('vmap moves axes', () => {
  const f = vmap((x: Value, y: Value) => reduceSum(mul(x, y)), { inAxes: [1, null] });
  expect(String(makeJaxpr(f)(f32(3, 5), f32(3)))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[3,5] b:f32[3]. let
        c:f32[5,3] = transpose[permutation=(1, 0)] a
        d:f32[1,3] = broadcast_in_dim[broadcast_dimensions=(1,)] b
        e:f32[5,3] = mul c d
        f:f32[5] = reduce_sum[axes=(1,) out_sharding=None] e
      in (f,) }"
  `);
});
