/** The programs of record.py, written with palladia: the same names, the same arguments. */
import {
  cond,
  customJvp,
  foriLoop,
  grad,
  jacfwd,
  jit,
  jvp,
  scan,
  ShapeDtypeStruct,
  switchBranch,
  vmap,
  whileLoop,
  type DType,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';

/** A function and the types of its arguments. */
export type Program = readonly [f: (...args: never[]) => unknown, ...args: unknown[]];

const f32 = (...shape: number[]): ShapeDtypeStruct => new ShapeDtypeStruct(shape, 'f32');
const typed = (dtype: DType, ...shape: number[]): ShapeDtypeStruct =>
  new ShapeDtypeStruct(shape, dtype);
const [x, v, w, s, n] = [f32(3, 4), f32(4), f32(4, 5), f32(), typed('i32')];
const total = (a: Value): Value => lax.reduceSum(a);

const unary = {
  neg: lax.neg,
  sign: lax.sign,
  abs: lax.abs,
  floor: lax.floor,
  ceil: lax.ceil,
  exp: lax.exp,
  exp2: lax.exp2,
  expm1: lax.expm1,
  log: lax.log,
  log1p: lax.log1p,
  logistic: lax.logistic,
  sqrt: lax.sqrt,
  rsqrt: lax.rsqrt,
  cbrt: lax.cbrt,
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
  erf: lax.erf,
  erfc: lax.erfc,
  square: lax.square,
};
const binary = {
  add: lax.add,
  sub: lax.sub,
  mul: lax.mul,
  div: lax.div,
  rem: lax.rem,
  pow: lax.pow,
  max: lax.max,
  min: lax.min,
  atan2: lax.atan2,
  nextafter: lax.nextafter,
};

const families: Record<string, Program> = {};
for (const [name, f] of Object.entries(unary)) {
  const g = (a: Value): Value => f(a);
  families[name] = [g, x];
  families[`jvp ${name}`] = [(a: Value, t: Value) => jvp(g, [a], [t]), v, v];
  families[`grad ${name}`] = [grad((a: Value) => total(g(a))), v];
}
for (const [name, f] of Object.entries(binary)) {
  const g = (a: Value, b: Value): Value => f(a, b);
  families[name] = [g, x, x];
  if (name === 'nextafter') continue;
  families[`jvp ${name}`] = [(a: Value, b: Value) => jvp(g, [a, b], [b, a]), v, v];
  families[`vmap ${name}`] = [vmap(g, { inAxes: [0, null] }), x, v];
}

const double = customJvp(function double(a: Value) {
  return lax.mul(a, 2);
});
double.defjvp((primals: Value[], tangents: Value[]) => [
  double(primals[0]),
  lax.mul(tangents[0], 2),
]);
const inner = jit((a: Value) => lax.sin(a));
const mlp = (p: { v: Value; w: Value }, a: Value): Value => lax.dot(lax.tanh(lax.dot(a, p.w)), p.v);
const dims = [
  [[1], [0]],
  [[], []],
] as const;
const batch = [
  [[2], [1]],
  [[0], [0]],
] as const;
const times = (a: Value): Value => lax.mul(a, lax.sin(a));
const noNegatives = { allowNegativeIndices: false } as const;

const single: Record<string, Program> = {
  nothing: [(a: Value) => a, x],
  'a constant': [() => 1],
  'two results': [(a: Value) => [lax.sin(a), lax.cos(a)], x],
  'a number': [(a: Value) => lax.add(a, 2), x],
  compare: [
    (a: Value, b: Value) => [
      lax.eq(a, b),
      lax.ne(a, b),
      lax.lt(a, b),
      lax.le(a, b),
      lax.gt(a, b),
      lax.ge(a, b),
    ],
    x,
    x,
  ],
  select: [(a: Value) => lax.select(lax.gt(a, 0), a, lax.neg(a)), x],
  clamp: [(a: Value) => lax.clamp(0, a, 1), x],
  'integer pow': [(a: Value) => lax.integerPow(a, 3), x],
  'grad integer pow': [grad((a: Value) => lax.integerPow(a, 3)), s],
  round: [(a: Value) => lax.round(a, 'toNearestEven'), x],
  'is finite': [(a: Value) => lax.isFinite(a), x],
  convert: [(a: Value) => [lax.convertElementType(a, 'i32'), lax.convertElementType(a, 'f16')], x],
  bitcast: [(a: Value) => lax.bitcastConvertType(a, 'u32'), x],
  'stop gradient': [grad((a: Value) => lax.mul(a, lax.stopGradient(a))), s],
  iota: [() => lax.broadcastedIota('i32', [3, 4], 1)],
  full: [() => lax.full([2, 3], 1.5, 'f32')],
  broadcast: [(a: Value) => lax.broadcastInDim(a, [2, 3, 4], [1, 2]), x],
  'grad broadcast': [grad((a: Value) => total(lax.sin(lax.broadcastInDim(a, [3, 4], [1])))), v],
  reshape: [(a: Value) => lax.reshape(a, [2, 6]), x],
  'vmap reshape': [vmap((a: Value) => lax.reshape(a, [2, 2])), x],
  squeeze: [(a: Value) => lax.squeeze(a, [0]), f32(1, 4)],
  'expand dims': [(a: Value) => lax.expandDims(a, [1]), x],
  transpose: [(a: Value) => lax.transpose(a, [1, 0]), x],
  'vmap transpose': [vmap((a: Value) => lax.transpose(a, [1, 0]), { inAxes: 1 }), f32(2, 3, 4)],
  rev: [(a: Value) => lax.rev(a, [0, 1]), x],
  concatenate: [(a: Value) => lax.concatenate([a, a], 1), x],
  'grad concatenate': [grad((a: Value) => total(lax.sin(lax.concatenate([a, a], 0)))), v],
  slice: [(a: Value) => lax.slice(a, [0, 1], [3, 4], [2, 1]), x],
  'grad slice': [grad((a: Value) => total(lax.sin(lax.slice(a, [1], [3])))), v],
  'vmap slice': [vmap((a: Value) => lax.slice(a, [1], [3])), x],
  pad: [
    (a: Value) =>
      lax.pad(a, 0.5, [
        [1, 0, 0],
        [0, 2, 1],
      ]),
    x,
  ],
  'dynamic slice': [(a: Value, i: Value) => lax.dynamicSlice(a, [i, i], [1, 2], noNegatives), x, n],
  'dynamic update slice': [
    (a: Value, i: Value) =>
      lax.dynamicUpdateSlice(a, lax.full([1, 2], 1, 'f32'), [i, i], noNegatives),
    x,
    n,
  ],
  reductions: [
    (a: Value) => [
      lax.reduceSum(a, [0]),
      lax.reduceMax(a, [1]),
      lax.reduceMin(a, [0, 1]),
      lax.reduceProd(a, [1]),
    ],
    x,
  ],
  'logical reductions': [
    (a: Value) => [lax.reduceAnd(lax.gt(a, 0), [0]), lax.reduceOr(lax.gt(a, 0), [1])],
    x,
  ],
  'vmap reduce sum': [vmap((a: Value) => lax.reduceSum(a, [0])), x],
  'grad reduce max': [grad((a: Value) => lax.reduceMax(a, [0])), v],
  argmax: [(a: Value) => lax.argmax(a, 1, 'i32'), x],
  cumsum: [(a: Value) => lax.cumsum(a, 1), x],
  'grad cumsum': [grad((a: Value) => total(lax.sin(lax.cumsum(a, 0)))), v],
  sort: [(a: Value) => lax.sort(a, { dimension: 1 }), x],
  dot: [(a: Value, b: Value) => lax.dotGeneral(a, b, dims), x, w],
  'batched dot': [(a: Value, b: Value) => lax.dotGeneral(a, b, batch), f32(2, 3, 4), f32(2, 4, 5)],
  'grad dot': [
    grad((a: Value, b: Value) => total(lax.dotGeneral(a, b, dims)), { argnums: [0, 1] }),
    x,
    w,
  ],
  'grad batched dot': [
    grad((a: Value, b: Value) => total(lax.dotGeneral(a, b, batch)), { argnums: [0, 1] }),
    f32(2, 3, 4),
    f32(2, 4, 5),
  ],
  'vmap dot': [
    vmap((a: Value, b: Value) => lax.dotGeneral(a, b, dims), { inAxes: [0, null] }),
    f32(2, 3, 4),
    w,
  ],
  'vmap both of dot': [
    vmap((a: Value, b: Value) => lax.dotGeneral(a, b, dims)),
    f32(2, 3, 4),
    f32(2, 4, 5),
  ],
  integers: [
    (i: Value) => [
      lax.rem(i, 3),
      lax.shiftLeft(i, 2),
      lax.and(i, 7),
      lax.or(i, 8),
      lax.xor(i, 5),
      lax.not(i),
      lax.populationCount(i),
      lax.clz(i),
    ],
    n,
  ],
  jit: [(a: Value) => inner(lax.cos(a)), x],
  'grad jit': [grad((a: Value) => total(inner(a))), v],
  'vmap jit': [vmap(inner), x],
  cond: [
    (a: Value, i: Value) =>
      cond(
        lax.gt(i, 0),
        (b: Value) => lax.sin(b),
        (b: Value) => b,
        a,
      ),
    x,
    n,
  ],
  switch: [
    (a: Value, i: Value) =>
      switchBranch(i, [(b: Value) => lax.sin(b), (b: Value) => lax.cos(b), (b: Value) => b], a),
    x,
    n,
  ],
  'vmap cond': [
    vmap(
      (a: Value, i: Value) =>
        cond(
          lax.gt(i, 0),
          (b: Value) => lax.sin(b),
          (b: Value) => lax.cos(b),
          a,
        ),
      { inAxes: [0, null] },
    ),
    v,
    n,
  ],
  'jvp cond': [
    (a: Value, t: Value) =>
      jvp(
        (b: Value) =>
          cond(
            lax.gt(b, 0),
            (c: Value) => lax.sin(c),
            (c: Value) => lax.cos(c),
            b,
          ),
        [a],
        [t],
      ),
    s,
    s,
  ],
  while: [
    (i: Value) =>
      whileLoop(
        (c: Value) => lax.lt(c, 10),
        (c: Value) => lax.add(c, 2),
        i,
      ),
    n,
  ],
  fori: [(a: Value) => foriLoop(0, 5, (_: Value, c: Value) => lax.mul(c, 2), a), x],
  scan: [
    (a: Value) =>
      scan((c: Value, b: Value) => [lax.add(c, b), lax.mul(c, b)], lax.full([], 0, 'f32'), a),
    v,
  ],
  'scan backwards': [
    (a: Value) =>
      scan((c: Value, b: Value) => [lax.add(c, b), null], lax.full([], 0, 'f32'), a, {
        reverse: true,
      }),
    v,
  ],
  'vmap scan': [
    vmap((a: Value) => scan((c: Value, b: Value) => [lax.add(c, b), c], lax.full([], 0, 'f32'), a)),
    x,
  ],
  'jvp scan': [
    (a: Value, t: Value) =>
      jvp(
        (b: Value) => scan((c: Value, d: Value) => [lax.mul(c, d), c], lax.full([], 1, 'f32'), b),
        [a],
        [t],
      ),
    v,
    v,
  ],
  'custom jvp': [double, x],
  'jvp custom jvp': [(a: Value, t: Value) => jvp(double, [a], [t]), x, x],
  'grad custom jvp': [grad(double), s],
  'second derivative': [grad(grad(times)), s],
  'vmap of grad': [vmap(grad(times)), v],
  'grad of a tree': [
    grad((p: { v: Value; w: Value }, a: Value) => total(mlp(p, a))),
    { v: f32(5, 2), w },
    x,
  ],
  jacfwd: [jacfwd(times), s],
};

/** Every program by its name. */
export const programs: Readonly<Record<string, Program>> = { ...families, ...single };
