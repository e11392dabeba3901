/** Twins of the wrong programs in record.py. */
import {
  checkpoint,
  customJvp,
  customVjp,
  grad,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearTranspose,
  type CustomJvp,
  type CustomVjp,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { c64, complexScalar, scalar, vec, type Programs } from './kit.ts';
import { closedOver, markedVjp, vjpClosedOver } from './programs-custom.ts';

const i = complexScalar(0, 1);
const z = c64([1, 2], [3, 4]);
const marked = (x: Value): Value => markedVjp({})(x);

function badJvp(rule: (p: Value[], t: Value[]) => unknown): CustomJvp<[Value], Value> {
  const f = customJvp((x: Value) => np.sin(x));
  return f.defjvp(rule as () => readonly [unknown, unknown]);
}

function badVjp(
  fwd: (x: Value) => unknown,
  bwd: (r: unknown, g: Value) => unknown,
): CustomVjp<[Value], Value> {
  return customVjp((x: Value) => np.sin(x)).defvjp(fwd, bwd);
}

/** Gradient of a function with a custom rule at 1. */
const at1 = (f: CustomJvp<[Value], Value>): unknown => grad((x: Value) => f(x))(1);

/** Programs that JAX refuses. */
export const errors: Programs = {
  'grad of a vector': () => grad((x: Value) => x)(vec(1, 2)),
  'grad of integers': () => grad((x: Value) => x.mul(1))(scalar(3, 'i32')),
  'jacrev of integer results': () => jacrev((x: Value) => x.astype('i32'))(vec(1)),
  'linear transpose of a product': () => linearTranspose((x: Value) => x.mul(x), 1)(1),
  'linear transpose of a sine': () => linearTranspose((x: Value) => np.sin(x), 1)(1),
  'linear transpose to integers': () => linearTranspose((x: Value) => x.astype('i32'), 1),
  'complex result without holomorphic': () => grad((x: Value) => x)(i),
  'holomorphic of a real argument': () => grad((x: Value) => x, { holomorphic: true })(1),
  'holomorphic with a real result': () => grad((x: Value) => lax.real(x), { holomorphic: true })(i),
  'jacfwd of a complex argument': () => jacfwd((x: Value) => x)(z),
  'jacfwd holomorphic with a real result': () =>
    jacfwd((x: Value) => lax.real(x), { holomorphic: true })(z),
  'jacrev of a complex result': () => jacrev((x: Value) => lax.complex(x, x))(vec(1, 2)),
  'real part of a real number': () => lax.real(1),
  'custom jvp: closes over a differentiated value': () => grad(closedOver, { argnums: 1 })(2, 3),
  'custom jvp: no rule': () => at1(customJvp((x: Value) => x)),
  'custom jvp: the rule gives no pair': () => at1(badJvp((_, [t]) => t)),
  'custom jvp: a tangent of another shape': () => at1(badJvp(([x]) => [np.sin(x), np.ones([2])])),
  'custom jvp: a rule with another result': () =>
    grad(jit((x: Value) => badJvp(() => [np.ones([2]), np.ones([2])])(x)))(1),
  'custom vjp: closes over a differentiated value': () => grad(vjpClosedOver, { argnums: 1 })(2, 3),
  'custom vjp: closes over a differentiated value under jit': () =>
    jit(grad(jit(vjpClosedOver), { argnums: 1 }))(2, 3),
  'custom vjp: forward mode': () => jvp(marked, [1], [1]),
  'custom vjp: forward mode under jit': () => jvp(jit(marked), [1], [1]),
  'custom vjp: no rule': () => grad((x: Value) => customVjp((y: Value) => y)(x))(1),
  'custom vjp: a traced argument that is not differentiated': () =>
    jit((k: Value) => {
      const f = customVjp((x: Value, n: Value) => x.mul(n), { nondiffArgnums: [1] });
      f.defvjp(
        (x: Value) => [x, null],
        (_k: Value, _r: null, g: Value) => [g],
      );
      return grad((x: Value) => f(x, k))(1);
    })(2),
  'custom vjp: the forward function gives no pair': () =>
    at1(
      badVjp(
        (x) => x,
        (_, g) => [g],
      ) as never,
    ),
  'custom vjp: the backward function gives too many': () =>
    grad((x: Value) =>
      badVjp(
        (v) => [v, null],
        (_, g) => [g, g],
      )(x),
    )(1),
  'custom vjp: a cotangent of another shape': () =>
    grad((x: Value) =>
      badVjp(
        (v) => [v, null],
        () => [np.ones([2])],
      )(x),
    )(1),
  'custom vjp: a forward function with another result': () =>
    grad(
      jit((x: Value) =>
        badVjp(
          () => [np.ones([2]), null],
          () => [1],
        )(x),
      ),
    )(1),
  'custom vjp: symbolic zeros with optimize remat': () =>
    grad(checkpoint((x: Value) => markedVjp({ symbolicZeros: true, optimizeRemat: true })(x)))(1),
};
