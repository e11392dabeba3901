/** Twins of the programs in record_float0.py: float0, the type of tangents and cotangents of integers and bools. */
import {
  checkpoint,
  customJvp,
  customVjp,
  grad,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  linearTranspose,
  valueAndGrad,
  vjp,
  vmap,
  type CustomJvp,
  type CustomVjp,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { expect } from 'vitest';
import { ints, scalar, vec, type Programs } from './kit.ts';

type Pair = readonly [Value, Value];

const z = (...shape: readonly number[]): Value => np.zeros(shape, 'float0');
const one = (): Value => scalar(1);
const four = (): Value => scalar(4, 'i32');
const yes = (): Value => np.array([true, false]);
const scaled = (x: Value, n: Value): Value => x.mul(n);
const stepped = (x: Value, n: Value): Pair => [x.mul(2), n.add(1)];
const bothGrads = grad((x: Value, n: Value) => x.mul(x).mul(n), {
  argnums: [0, 1],
  allowInt: true,
});
const counting = (x: Value, n: Value): readonly [Pair, Value] =>
  lax.scan(
    ([c, k]: Pair): readonly [Pair, Value] => [[c.mul(k), k.add(1)], k],
    [x, n] as Pair,
    null,
    { length: 3 },
  );
const doubling = (x: Value, n: Value): Pair =>
  lax.whileLoop(
    ([, k]: Pair) => np.less(k, 6),
    ([c, k]: Pair): Pair => [c.mul(k), k.add(1)],
    [x, n],
  );
const chosen = (x: Value, b: Value): Value => np.where(b, x, 0);

/** A function with a float and an integer result whose rule gives this tangent for the integer. */
function pairJvp(tangent: unknown): CustomJvp<[Value], Pair> {
  const f = customJvp((x: Value): Pair => [x.mul(2), scalar(3, 'i32')]);
  return f.defjvp(([x]: Value[], [t]: Value[]) => [f(x), [t.mul(7), tangent]]);
}

function productVjp(ct: unknown): CustomVjp<[Value, Value], Value> {
  const f = customVjp(scaled);
  return f.defvjp(
    (x: Value, n: Value) => [f(x, n), n],
    (n: Value, g: Value) => [g.mul(n).mul(5), ct],
  );
}

/** Its rule looks at the tangent of the integer. */
function echoJvp(): CustomJvp<[Value, Value], Value> {
  const f = customJvp(scaled);
  return f.defjvp(([x, n]: Value[], [dx, dn]: Value[]) => {
    expect(dn.dtype).toBe('float0');
    return [f(x, n), dx.mul(n)];
  });
}

/** Its rule looks at the cotangent of the integer, and gives it on. */
function echoVjp(): CustomVjp<[Value, Value], Pair> {
  const f = customVjp(stepped);
  return f.defvjp(
    (x: Value, n: Value) => [f(x, n), null],
    (_: null, [a, b]: Pair) => {
      expect(b.dtype).toBe('float0');
      return [a.mul(3), b];
    },
  );
}

/** Programs by name. */
export const float0Programs: Programs = {
  'float0: zeros, and moving them': () => [
    z(3),
    z(),
    z(2, 0),
    np.reshape(z(4), [2, 2]),
    np.concatenate([z(1), z(2)]),
    np.stack([z(2), z(2)]),
    np.where(true, z(3), z(3)),
    np.arange(3).astype('float0'),
  ],
  'float0: jvp of integers and bools': () => [
    jvp(
      (x: Value, n: Value) => [x.mul(n), n.add(1), np.greater(n, 2)],
      [scalar(3), four()],
      [one(), z()],
    ),
    jvp((n: Value) => n.mul(scalar(2)), [ints(1, 2)], [z(2)]),
    jvp(chosen, [vec(1, 2), yes()], [vec(3, 4), z(2)]),
  ],
  'float0: jvp with aux': () =>
    jvp((n: Value): Pair => [n.mul(scalar(2)), n], [four()], [z()], { hasAux: true }),
  'float0: linearize': () => [
    linearize(scaled, vec(1, 2), ints(3, 4))[1](vec(1, 1), z(2)),
    linearize(stepped, one(), four())[1](one(), z()),
  ],
  'float0: vjp of integers and bools': () => [
    vjp(scaled, vec(1, 2), ints(3, 4))[1](vec(1, 1)),
    vjp(chosen, one(), yes())[1](vec(1, 1)),
    vjp((n: Value) => n.add(1), ints(1, 2))[1](z(2)),
  ],
  'float0: cotangents of integer results': () =>
    [z(2), ints(0, 0)].map((ct) => vjp(stepped, one(), ints(1, 2))[1]([one(), ct])),
  'float0: grad': () => [
    bothGrads(scalar(3), four()),
    valueAndGrad((p: { x: Value; n: Value }) => p.x.mul(p.n), { allowInt: true })({
      x: scalar(2),
      n: four(),
    }),
    grad((b: Value, x: Value) => np.sum(chosen(x, b)), { allowInt: true })(yes(), scalar(2)),
  ],
  'float0: grad of what is empty': () =>
    grad((n: Value, x: Value) => x.mul(np.sum(n)), { argnums: [0, 1], allowInt: true })(
      np.zeros([0, 2], 'i32'),
      one(),
    ),
  'float0: grad with aux': () =>
    valueAndGrad((p: { x: Value; n: Value }): Pair => [p.x.mul(p.n), p.n.add(1)], {
      allowInt: true,
      hasAux: true,
    })({ x: scalar(2), n: four() }),
  'float0: jacobians have zeros of their own dtype': () => [
    jacrev(scaled, { argnums: [0, 1], allowInt: true })(vec(1, 2), ints(3, 4)),
    jacfwd((x: Value): Pair => [x.astype('i32'), x])(vec(1, 2)),
  ],
  'float0: linear transpose leaves out what is not used': () =>
    linearTranspose((x: Value, _: Value) => x.mul(3), four(), ints(1, 2))(scalar(2, 'i32')),
  'float0: jit of grad': () => [
    jit(bothGrads)(scalar(3), four()),
    jit((x: Value) => [x, z(2), z()])(z(3)),
  ],
  'float0: vmap of grad': () => [
    vmap(bothGrads)(vec(1, 2, 3), ints(4, 5, 6)),
    vmap(bothGrads, { inAxes: [0, null] })(vec(1, 2, 3), four()),
    vmap(jit(bothGrads))(vec(1, 2, 3), ints(4, 5, 6)),
    jit(vmap(bothGrads))(vec(1, 2, 3), ints(4, 5, 6)),
  ],
  'float0: vmap with axes': () => [
    vmap(
      grad((n: Value) => np.sum(n.mul(scalar(2))), { allowInt: true }),
      { outAxes: 1 },
    )(np.ones([3, 2], 'i32')),
    vmap((x: Value) => x, { inAxes: 1 })(z(3, 2)),
  ],
  'float0: jvp of jit': () => jvp(jit(stepped), [one(), four()], [one(), z()]),
  'float0: jit of jvp': () =>
    jit((x: Value, n: Value, dx: Value, dn: Value) => jvp(stepped, [x, n], [dx, dn]))(
      one(),
      four(),
      one(),
      z(),
    ),
  'float0: vmap of jvp': () =>
    vmap((x: Value, n: Value, dx: Value, dn: Value) => jvp(stepped, [x, n], [dx, dn]))(
      vec(1, 2),
      ints(3, 4),
      vec(1, 1),
      z(2),
    ),
  'float0: derivatives of derivatives': () => [
    jvp(bothGrads, [scalar(3), four()], [one(), z()]),
    jvp(jit(bothGrads), [scalar(3), four()], [one(), z()]),
    grad((x: Value, n: Value) => bothGrads(x, n)[0], { argnums: 1, allowInt: true })(
      scalar(3),
      four(),
    ),
    linearize((x: Value) => bothGrads(x, four()), scalar(3))[1](one()),
  ],
  'float0: scan': () => [
    jvp(counting, [one(), four()], [one(), z()]),
    vjp(counting, one(), four())[1]([[one(), z()], z(3)]),
  ],
  'float0: a scan of gradients': () => [
    lax.scan((c: Value, n: Value) => [c, bothGrads(c, n)], one(), ints(1, 2, 3)),
    jit((c: Value) => lax.scan((d: Value, x: Value) => [d, x], c, ints(1, 2, 3)))(z(2)),
  ],
  'float0: while loop': () => [
    jvp(doubling, [one(), four()], [one(), z()]),
    lax.whileLoop(
      ([k]: Pair) => np.less(k, 3),
      ([k, c]: Pair): Pair => [k.add(1), c],
      [scalar(0, 'i32'), z(3)],
    ),
  ],
  'float0: cond': () => [
    jvp(
      (p: Value, x: Value, n: Value) =>
        lax.cond(
          p,
          (y: Value, k: Value): Pair => [y.mul(k), k],
          (y: Value, k: Value): Pair => [y, k.add(1)],
          x,
          n,
        ),
      [np.array(true), one(), four()],
      [z(), one(), z()],
    ),
    lax.cond(
      true,
      (_: Value) => z(3),
      (x: Value) => x,
      z(3),
    ),
  ],
  'float0: checkpoint': () => [
    vjp(checkpoint(stepped), one(), four())[1]([one(), z()]),
    vjp(
      checkpoint((x: Value, n: Value) => bothGrads(x, n)),
      one(),
      four(),
    )[1]([one(), z()]),
  ],
  'float0: what rules of custom_jvp get': () => {
    const f = echoJvp();
    const along = (x: Value, n: Value): Value => grad((y: Value, k: Value) => f(y, k))(x, n);
    return [
      jvp(f, [scalar(2), four()], [one(), z()]),
      along(scalar(2), four()),
      jit(along)(scalar(2), four()),
      vmap(along)(vec(1, 2), ints(3, 4)),
    ];
  },
  'float0: what rules of custom_jvp give': () => {
    const f = pairJvp(z());
    return [
      jvp(f, [scalar(2)], [one()]),
      jvp(jit(f), [scalar(2)], [one()]),
      vmap((x: Value) => jvp(f, [x], [one()]))(vec(1, 2)),
    ];
  },
  'float0: what rules of custom_vjp get': () => {
    const f = echoVjp();
    const first = grad((x: Value, n: Value) => f(x, n)[0]);
    return [
      first(scalar(2), four()),
      vjp(f, scalar(2), four())[1]([one(), z()]),
      jit(vmap(first))(vec(1, 2), ints(3, 4)),
    ];
  },
  'float0: what rules of custom_vjp give': () =>
    [null, z(2), ints(0, 0), vec(0, 0)].map((ct) =>
      grad((x: Value, n: Value) => np.sum(productVjp(ct)(x, n)), {
        argnums: [0, 1],
        allowInt: true,
      })(vec(1, 2), ints(3, 4)),
    ),
};

/** Programs that JAX refuses. */
export const float0Errors: Programs = {
  "float0: jvp with zeros of the integer's dtype": () =>
    jvp(scaled, [one(), four()], [one(), scalar(0, 'i32')]),
  'float0: jvp with floats': () => jvp(scaled, [vec(1, 2), ints(3, 4)], [vec(1, 2), vec(0, 0)]),
  'float0: jvp with another shape': () => jvp(scaled, [vec(1, 2), ints(3, 4)], [vec(1, 2), z()]),
  'float0: jvp of a float': () => jvp(scaled, [one(), four()], [z(), z()]),
  'float0: linearize with another shape': () => linearize(scaled, one(), ints(3, 4))[1](one(), z()),
  'float0: a cotangent of another shape': () => vjp(stepped, one(), ints(1, 2))[1]([one(), z()]),
  "float0: a rule that gives zeros of the integer's dtype": () =>
    jvp(pairJvp(scalar(0, 'i32')), [scalar(2)], [one()]),
  'float0: a rule that gives floats': () => jvp(jit(pairJvp(scalar(0))), [scalar(2)], [one()]),
  'float0: integers without allow_int': () => grad((n: Value, x: Value) => x.mul(n))(four(), one()),
  'float0: the gradient of a float0 result': () => grad((_: Value) => z())(one()),
  'float0: addition': () => np.add(z(3), z(3)),
  'float0: multiplication with a number': () => z(3).mul(2),
  'float0: addition to floats': () => np.ones(3).add(z(3)),
  'float0: a sine': () => np.sin(z(3)),
  'float0: a sum': () => np.sum(z(3)),
  'float0: a sum of itself under jit': () => jit((x: Value) => x.add(x))(z(3)),
  'float0: an integer cotangent in a linear transpose': () =>
    linearTranspose((x: Value) => x.mul(3), four())(z()),
};
