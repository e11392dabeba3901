/** Twins of the programs in record.py: grad, jvp, vjp, linearize, transposition; conventions; complex numbers. */
import {
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  linearizeWithAux,
  linearTranspose,
  scan,
  valueAndGrad,
  vjp,
  vjpWithAux,
  vmap,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import { c64, complexScalar, ints, nested, ramp, scalar, vec, type Programs } from './kit.ts';

const poly = (x: Value, y: Value): Value => np.sin(y).mul(x).add(np.square(y));
interface Params {
  readonly w: Value;
  readonly b: readonly [Value, Value];
}
const treeLoss = (p: Params, x: Value): Value =>
  np.sum(np.tanh(np.matmul(x, p.w)).mul(p.b[0]).add(p.b[1]));
const cube = (x: Value): Value => lax.integerPow(x, 3);
const mixed = (x: Value): Value => np.sum(cube(x)).mul(x.at(0).get());
const direction = vec(3, -1);

/** api_test: grad, jvp, vjp, linearize. */
export const api: Programs = {
  'grad argnums': () => [
    grad(poly)(1, 2),
    grad(poly, { argnums: 1 })(1, 2),
    grad(poly, { argnums: [1, 0] })(1, 2),
    grad(poly, { argnums: -1 })(1, 2),
  ],
  'grad of a nested tree': () =>
    grad(treeLoss)({ w: ramp(3, 2), b: [vec(0.5, -1), scalar(2)] }, ramp(2, 3)),
  'value and grad with aux': () =>
    valueAndGrad((x: Value) => [np.sum(cube(x)), { twice: x.mul(2) }] as const, { hasAux: true })(
      vec(1, 2),
    ),
  'jvp with aux': () =>
    jvp((x: Value, y: Value) => [x.mul(y), [x.add(y)]] as const, [3, 4], [1, 2], { hasAux: true }),
  'jvp of an integer argument': () =>
    jvp((x: Value, n: Value) => x.mul(n), [3, scalar(4, 'i32')], [1, 0]),
  'vjp called many times': () => {
    const [, pull] = vjp((x: Value, y: Value) => np.sin(x).mul(y), vec(1, 2), vec(3, 4));
    return [vec(1, 0), vec(0, 1), vec(2, 2)].map((ct) => pull(ct));
  },
  'vjp with aux': () => {
    const [y, pull, aux] = vjpWithAux((x: Value) => [x.mul(x), np.sum(x)] as const, vec(1, 2));
    return [y, pull(vec(1, 1)), aux];
  },
  'linearize called many times': () => {
    const [y, push] = linearize(poly, 1, 2);
    return [y, push(1, 0), push(0, 1), push(2, 3)];
  },
  'linearize with aux': () => {
    const [y, push, aux] = linearizeWithAux(
      (x: Value) => [np.exp(x), np.sum(x)] as const,
      vec(0, 1),
    );
    return [y, push(vec(1, 2)), aux];
  },
  'linear transpose': () =>
    linearTranspose(
      (x: Value, y: Value) => [np.matmul(ramp(2, 3), x), np.sum(x).add(y.mul(3))],
      vec(0, 0, 0),
      scalar(0),
    )([vec(1, 2), scalar(5)]),
  'linear transpose of integers': () =>
    linearTranspose((x: Value) => x.mul(3).add(x), scalar(0, 'i32'))(scalar(5, 'i32')),
  'linear transpose of an affine function': () =>
    linearTranspose((x: Value) => x.mul(2).add(1), scalar(0))(scalar(3)),
  'no perturbation confusion': () => [
    grad((x: Value) => x.mul(grad((y: Value) => x.add(y))(1)))(5),
    jvp((x: Value) => jvp((y: Value) => x.mul(y), [x], [1])[1].mul(x), [3], [1])[1],
  ],
  'five nested derivatives': () =>
    [0, 1, 2, 3, 4, 5].map((n) => nested((x) => np.sin(x).mul(cube(x)), n)(np.array(0.7))),
  'nested forward derivatives': () => [
    jvp(
      (x: Value) => jvp((y: Value) => jvp((v: Value) => np.exp(v), [y], [y])[1], [x], [x])[1],
      [0.5],
      [1],
    ),
  ],
  'gradients per example': () =>
    vmap(
      grad((w: Value, x: Value) => np.tanh(np.dot(w, x))),
      { inAxes: [null, 0] },
    )(vec(1, -1), ramp(3, 2)),
  'grad of vmap of jit of a closure': () =>
    grad((w: Value) => np.sum(vmap(jit((x: Value) => np.sin(x.mul(w))))(vec(1, 2, 3))))(0.5),
  'hvp forward over reverse': () => jvp(grad(mixed), [vec(1, 2)], [direction])[1],
  'hvp reverse over reverse': () =>
    grad((x: Value) => np.dot(grad(mixed)(x), direction))(vec(1, 2)),
  'hvp reverse over forward': () => grad((x: Value) => jvp(mixed, [x], [direction])[1])(vec(1, 2)),
  'grad with integer leaves': () =>
    grad((p: { n: Value; x: Value }) => np.sum(p.x.mul(p.n)), { allowInt: true })({
      n: ints(3, 4),
      x: vec(1, 2),
    }),
  'jacrev with integer leaves': () =>
    jacrev((p: { n: Value; x: Value }) => p.x.mul(p.n), { allowInt: true })({
      n: ints(3, 4),
      x: vec(1, 2),
    }).x,
  'jacfwd and jacrev of matrices': () =>
    [jacfwd, jacrev].map((j) => j((x: Value) => np.square(np.matmul(x, ramp(3, 2))))(ramp(2, 3))),
  'jacobians of several arguments': () =>
    [jacfwd, jacrev].map((j) =>
      j((x: Value, y: Value) => ({ p: x.mul(y), s: np.sum(x) }), { argnums: [0, 1] })(
        vec(1, 2),
        vec(3, 4),
      ),
    ),
  'jacobians with aux': () => {
    const f = (x: Value): readonly [Value, Value] => [np.square(x), np.sum(x)];
    return [jacfwd(f, { hasAux: true })(vec(1, 2)), jacrev(f, { hasAux: true })(vec(1, 2))];
  },
  'hessian of a tree': () =>
    hessian((p: { a: Value; b: Value }) => np.sum(np.square(p.a)).mul(p.b))({
      a: vec(1, 2),
      b: scalar(3),
    }),
  'hessian of a vector function': () =>
    hessian((x: Value) => {
      const [a, b] = [x.at(0).get(), x.at(1).get()];
      return np.stack([a.mul(np.square(b)), np.sin(a)]);
    })(vec(1, 2)),
  'hessian with aux': () =>
    hessian((x: Value) => [np.sum(cube(x)), x.at(0).get()] as const, { hasAux: true })(vec(1, 2)),
  'derivatives of empty arrays': () => [
    grad((x: Value) => np.sum(x.mul(x)))(np.zeros([0, 2])),
    jacrev((x: Value) => x.mul(2))(vec()),
    jacfwd((x: Value) => x.mul(2))(vec()),
  ],
};

const total = (f: (x: Value) => Value): ((x: Value) => Value) => grad((x: Value) => np.sum(f(x)));
const both =
  (f: (x: Value, y: Value) => Value): ((x: Value, y: Value) => Value[]) =>
  (x, y) =>
    grad((a: Value, b: Value) => np.sum(f(a, b)), { argnums: [0, 1] })(x, y);
const { inf } = np;

/** lax_autodiff_test, api_test: conventions at kinks, ties, poles. */
export const conventions: Programs = {
  'abs at zero': () => total(np.abs)(vec(-1, 0, 1)),
  'ties of maximum and minimum': () => [
    both(np.maximum)(vec(1, 2, 3), vec(2, 2, 2)),
    both(np.minimum)(vec(1, 2, 3), vec(2, 2, 2)),
  ],
  'ties of max and min': () => [
    grad((x: Value) => np.max(x))(vec(1, 3, 3)),
    grad((x: Value) => np.min(x))(vec(1, 1, 3)),
    grad((x: Value) => np.sum(np.max(x, { axis: 0 })))(ramp(2, 2).mul(0)),
  ],
  'clip at its bounds': () =>
    grad((x: Value, a: Value, b: Value) => np.sum(np.clip(x, a, b)), { argnums: [0, 1, 2] })(
      vec(-1, 0, 0.5, 1, 2),
      vec(0, 0, 0, 0, 0),
      vec(1, 1, 1, 1, 1),
    ),
  'where guards neither side': () => [
    total((x) => np.where(np.greater(x, 0), np.sqrt(x), 0))(vec(0, 4)),
    total((x) => {
      const on = np.greater(x, 0);
      return np.where(on, np.sqrt(np.where(on, x, 1)), 0);
    })(vec(0, 4)),
  ],
  'roots at zero': () =>
    [np.sqrt, lax.rsqrt, np.cbrt, (x: Value) => np.hypot(x, x.mul(0))].map((f) => total(f)(vec(0))),
  'pow at zero': () => [
    both(lax.pow)(vec(0, 0, 0, 2, -2), vec(0, 1, 2, 0, 3)),
    total((x) => np.power(x, 0))(vec(0)),
    total((x) => np.power(x, 1))(vec(0)),
    total((x) => np.power(x, -1))(vec(0)),
    total((x) => lax.pow(x, ints(0, 1, 2)))(vec(0, 0, 0)),
  ],
  logaddexp: () => [
    both(np.logaddexp)(vec(1, 2, -inf, 3), vec(1, -1, 0, 3)),
    both(np.logaddexp)(vec(-inf, inf), vec(-inf, inf)),
  ],
  'logsumexp and softmax': () => [
    grad((x: Value) => nn.logsumexp(x))(vec(1, 2, 3)),
    grad((x: Value) => nn.logsumexp(x))(vec(-inf, 0)),
    jacrev((x: Value) => nn.softmax(x))(vec(1, 2, 3)),
  ],
  'prod with zeros': () => [
    grad((x: Value) => np.prod(x))(vec(2, 0, 3)),
    grad((x: Value) => np.prod(x))(vec(0, 0, 3)),
    hessian((x: Value) => np.prod(x))(vec(0, 0, 3)),
    grad((x: Value) => np.sum(np.prod(x, { axis: 1 })))(ramp(2, 4)),
  ],
  'cumulative operations': () => [
    total((x) => np.cumprod(x).mul(vec(1, 2, 3)))(vec(0, 2, 3)),
    total((x) => lax.cummax(x).mul(vec(1, 2, 4)))(vec(1, 1, 0)),
    total((x) => lax.cummin(x).mul(vec(1, 2, 4)))(vec(1, 1, 0)),
    total((x) => np.square(np.cumsum(x)))(vec(1, 2, 3)),
    total((x) => lax.cummax(x, 0, true).mul(vec(1, 2, 4)))(vec(1, 1, 0)),
  ],
  'sort and median with ties': () => [
    total((x) => np.sort(x).mul(vec(1, 10, 100)))(vec(2, 1, 1)),
    ...[vec(1, 1, 3), vec(1, 2, 2, 3), vec(5, 1, 3, 2)].map((x) =>
      grad((v: Value) => np.median(v))(x),
    ),
  ],
  'rem and mod': () => [both(lax.rem)(vec(5, -5), vec(3, 3)), both(np.mod)(vec(5, -5), vec(3, 3))],
  'angles at the origin': () => [
    both(np.arctan2)(vec(0, 1), vec(0, 1)),
    total(np.sinc)(vec(0, 0.5)),
    nested(np.sinc, 2)(np.array(0)),
  ],
  'activations at their kinks': () =>
    [nn.relu, nn.relu6, nn.softplus, nn.leakyRelu, nn.elu, nn.hardTanh].map((f) =>
      total((x) => f(x))(vec(-3, 0, 3, 6)),
    ),
  'norm and std at zero': () => [
    grad((x: Value) => np.sqrt(np.sum(x.mul(x))))(vec(0, 0)),
    grad((x: Value) => np.std(x))(vec(1, 1)),
    grad((x: Value) => np.var(x))(vec(1, 1)),
  ],
};

const z = c64([1, 2], [-0.5, 0.3], [0.2, -0.7]);
const unary = {
  exp: lax.exp,
  exp2: lax.exp2,
  expm1: lax.expm1,
  log: lax.log,
  log1p: lax.log1p,
  logistic: lax.logistic,
  sqrt: lax.sqrt,
  rsqrt: lax.rsqrt,
  sin: lax.sin,
  cos: lax.cos,
  tan: lax.tan,
  asin: lax.asin,
  acos: lax.acos,
  atan: lax.atan,
  sinh: lax.sinh,
  cosh: lax.cosh,
  tanh: lax.tanh,
  asinh: lax.asinh,
  acosh: lax.acosh,
  atanh: lax.atanh,
  sign: lax.sign,
  square: lax.square,
  neg: lax.neg,
};
const binary = { add: lax.add, sub: lax.sub, mul: lax.mul, div: lax.div, pow: lax.pow };
const one = complexScalar(1, 2);
const squareReal = (v: Value): Value => lax.real(lax.mul(v, v));
const at = (x: readonly [number, number]): Value => complexScalar(...x);
const i = (v: Value): Value => lax.mul(v, at([0, 1]));

/** api_test: complex and holomorphic. */
export const complexPrograms: Programs = {
  ...Object.fromEntries(
    Object.entries(unary).map(([name, f]) => [
      `complex jvp of ${name}`,
      () => jvp((x: Value) => f(x), [z], [c64([1, -1], [2, 0], [0, 1])]),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(binary).map(([name, f]) => [
      `complex vjp of ${name}`,
      () =>
        vjp((x: Value, y: Value) => f(x, y), z, c64([0.5, -1], [2, 0.1], [-1, -1]))[1](
          c64([1, 0], [0, 1], [1, 1]),
        ),
    ]),
  ),
  'holomorphic grad': () => {
    const first = grad(cube, { holomorphic: true });
    return [first(one), grad((x: Value) => first(x), { holomorphic: true })(one)];
  },
  'holomorphic jacobians': () => [
    ...[jacfwd, jacrev].map((j) =>
      j((x: Value) => lax.mul(x, lax.rev(x, [0])), { holomorphic: true })(z),
    ),
    hessian((x: Value) => lax.reduceSum(cube(x)), { holomorphic: true })(z),
  ],
  'grad of real functions of complex numbers': () => [
    ...[
      squareReal,
      lax.imag,
      lax.real,
      lax.abs,
      (v: Value) => lax.real(lax.mul(v, lax.conj(v))),
    ].map((f) => grad((v: Value) => f(v))(complexScalar(3, 4))),
    grad((v: Value) => lax.abs(v))(complexScalar(0, 0)),
  ],
  'grad through complex numbers': () =>
    grad((x: Value, y: Value) => lax.abs(i(lax.exp(lax.complex(x, y)))), { argnums: [0, 1] })(
      scalar(0.3),
      scalar(0.4),
    ),
  'vjp of complex parts': () => [
    vjp((x: Value, y: Value) => lax.complex(x, y), vec(1, 2), vec(3, 4))[1](c64([1, 2], [3, -1])),
    vjp((x: Value) => lax.real(x), z)[1](vec(1, 2, 3)),
    vjp((x: Value) => lax.imag(x), z)[1](vec(1, 2, 3)),
    vjp((x: Value) => lax.conj(x), z)[1](z),
    vjp((x: Value) => lax.conj(x), vec(1, 2))[1](c64([1, 2], [3, -1])),
  ],
  'vjp of a complex product of matrices': () => {
    const matrix = lax.complex(ramp(2, 3), lax.rev(ramp(2, 3), [0]));
    return vjp((x: Value, y: Value) => lax.dot(x, y), matrix, z)[1](c64([1, 0], [0, 1]));
  },
  'vjp of conversions to complex numbers': () => [
    vjp((x: Value) => lax.mul(lax.convertElementType(x, 'complex64'), one), vec(1, 2))[1](
      c64([0, 1], [1, 0]),
    ),
    grad((x: Value) => lax.real(lax.square(lax.convertElementType(x, 'complex64'))))(scalar(3)),
  ],
  'vmap of complex gradients': () => vmap(grad(squareReal))(z),
  'a complex scan': () =>
    grad((w: Value) =>
      lax.abs(
        scan((c: Value, x: Value) => [lax.add(lax.mul(c, w), x), null], complexScalar(0, 0), z)[0],
      ),
    )(complexScalar(0.5, 0.5)),
};
