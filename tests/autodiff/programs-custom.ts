/** Twins of the programs in record.py: customJvp, customVjp, customGradient, closureConvert. */
import {
  checkpoint,
  closureConvert,
  cond,
  customGradient,
  customJvp,
  customVjp,
  grad,
  hessian,
  jacrev,
  jit,
  jvp,
  scan,
  valueAndGrad,
  vmap,
  whileLoop,
  type CustomVjp,
  type CustomVjpPrimal,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { ints, nested, ramp, scalar, vec, type Programs } from './kit.ts';

type Unary = (x: Value) => Value;

// sin with a derivative of 2 cos: what used the rule shows.
const marked = customJvp((x: Value) => np.sin(x));
marked.defjvp(([x]: Value[], [t]: Value[]) => [marked(x), np.cos(x).mul(2).mul(t)]);
const mj: Unary = (x) => marked(x);
const pushed = (x: Value): [Value, Value] => jvp(mj, [x], [x]);

const log1pexp = customJvp((x: Value) => np.log(np.exp(x).add(1)));
log1pexp.defjvps((t: Value, _: Value, x: Value) =>
  np.subtract(1, np.divide(1, np.exp(x).add(1))).mul(t),
);
const softplus: Unary = (x) => log1pexp(x);

const loop =
  (f: Unary): Unary =>
  (x) =>
    scan((c: Value, _: null) => [f(c), c], x, null, { length: 3 })[0];
const looped = loop(mj);

const positive =
  (f: Unary): Unary =>
  (x) =>
    cond(np.greater(x, 0), f, (y: Value) => y.mul(7), x);

function withNondiff(): (x: Value) => Value {
  const f = customJvp((g: Unary, x: Value, k: number) => g(x).mul(k), { nondiffArgnums: [0, 2] });
  f.defjvp((g: Unary, k: number, [x]: Value[], [t]: Value[]) => [f(g, x, k), t.mul(100 * k)]);
  return (x) => f(np.cos, x, 3);
}

/** A function whose rule closes over another argument. */
export function closedOver(x: Value, y: Value): Value {
  const f = customJvp((v: Value) => v.mul(np.sin(y)));
  f.defjvp(([v]: Value[], [t]: Value[]) => [f(v), t.mul(np.cos(y))]);
  return np.add(f(x), grad((v: Value) => f(v))(x));
}

const isZero = (t: Value | null): boolean => t === null;
const bits = (flags: readonly boolean[]): number =>
  flags.reduce((n, on, i) => n + (on ? 2 ** i : 0), 0);

/** The two families of custom derivatives: customJvp. */
const customJvps: Programs = {
  'custom jvp: basic': () => [mj(scalar(3)), jvp(mj, [3], [1]), jvp(mj, [3], [5]), grad(mj)(3)],
  'custom jvp: log1pexp is stable': () => [
    grad(softplus)(100),
    vmap(grad(softplus))(vec(-100, 0, 100)),
    nested(softplus, 2)(np.array(0)),
  ],
  'custom jvp: invariance': () => {
    const f = customJvp((x: Value) => [np.cos(x.mul(2)).div(2), np.sin(x.mul(x))] as const);
    f.defjvp(([x]: Value[], [t]: Value[]) => [
      f(x),
      [
        np.sin(x.mul(-2)).mul(t),
        x
          .mul(2)
          .mul(np.cos(np.square(x)))
          .mul(t),
      ],
    ]);
    const f2 = (x: Value, t: Value): unknown => jvp((v: Value) => f(v), [x], [t]);
    return [f(0.7), f2(np.array(0.7), np.array(1.3)), jvp(f2, [0.7, 1.3], [0.5, 2])];
  },
  'custom jvp: vmap': () => [
    vmap(mj)(vec(1, 2)),
    vmap(pushed)(vec(1, 2)),
    jvp(vmap(mj), [vec(1, 2)], [vec(3, 4)]),
    vmap(vmap(pushed))(ramp(2, 2)),
  ],
  'custom jvp: jit': () => [
    jit(mj)(3),
    jit(pushed)(3),
    jvp(jit(mj), [3], [2]),
    jit(vmap(grad(jit(mj))))(vec(1, 2)),
  ],
  'custom jvp: trees': () => {
    type In = { readonly a: Value; readonly d: Value };
    const f = customJvp((x: In) => ({ b: np.sin(x.a), c: [x.a.mul(x.d)] as const }));
    f.defjvp(([x]: In[], [t]: In[]) => [
      f(x),
      { b: np.cos(x.a).mul(2).mul(t.a), c: [t.a.add(t.d.mul(3))] },
    ]);
    const x = { a: 3, d: 2 };
    return [f(x), jvp((v: In) => f(v), [x], [{ a: 1, d: 5 }]), grad((v: In) => f(v).c[0])(x)];
  },
  'custom jvp: inside scan': () => [
    grad(looped)(0.3),
    vmap(grad(looped))(vec(0.1, 0.2)),
    jvp(jit(looped), [0.3], [1]),
    jvp(vmap(looped), [vec(0.1, 0.2)], [vec(1, 2)]),
  ],
  'custom jvp: inside cond and while': () => [
    grad(positive(mj))(0.4),
    grad(positive(mj))(-0.4),
    jvp(
      (x: Value) =>
        whileLoop(
          ([, n]: readonly [Value, Value]) => np.less(n, 3),
          ([c, n]: readonly [Value, Value]) => [mj(c), n.add(1)] as const,
          [x, ints(0).at(0).get()] as const,
        )[0],
      [0.4],
      [1],
    )[1],
  ],
  'custom jvp: arguments that are not differentiated': () => {
    const f = withNondiff();
    return [f(scalar(1)), jvp(f, [1], [2]), vmap(grad(f))(vec(1, 2))];
  },
  'custom jvp: closes over batched and staged values': () => [
    vmap(closedOver, { inAxes: [null, 0] })(2, vec(1, 2)),
    jit(closedOver)(2, 3),
    jit(vmap(closedOver))(vec(1, 2), vec(3, 4)),
    grad(closedOver)(2, 3),
  ],
  'custom jvp: symbolic zeros': () => {
    const seen: number[] = [];
    const f = customJvp((x: Value, y: Value, z: Value) => x.mul(y).add(z));
    f.defjvp(
      ([x, y, z]: Value[], ts: (Value | null)[]) => {
        seen.push(bits(ts.map(isZero)));
        const [dx, dy, dz] = ts.map((t) => t ?? np.array(0));
        return [f(x, y, z), dx.mul(y).add(dy.mul(x)).add(dz.mul(10))];
      },
      { symbolicZeros: true },
    );
    const g = (x: Value, y: Value, z: Value): Value => f(x, y, z);
    const outs = [
      grad(g)(2, 3, 4),
      grad(g, { argnums: [0, 2] })(2, 3, 4),
      jit(grad(jit(g), { argnums: 2 }))(2, 3, 4),
    ];
    return [outs, ints(...seen)];
  },
  'custom jvp: one rule per argument': () => {
    const f = customJvp((x: Value, y: Value, z: Value) => x.mul(y).mul(z));
    f.defjvps(
      null,
      (t: Value, _: Value, x: Value, _y: Value, z: Value) => t.mul(2).mul(x).mul(z),
      (t: Value, out: Value) => t.mul(out),
    );
    return grad((x: Value, y: Value, z: Value) => f(x, y, z), { argnums: [0, 1, 2] })(2, 3, 5);
  },
  'custom jvp: integers beside floats': () => {
    const f = customJvp((x: Value, n: Value) => [x.mul(n), n.add(1)] as const);
    f.defjvp(([x, n]: Value[], [t]: Value[]) => [f(x, n), [t.mul(50), 0]]);
    const two = scalar(2, 'i32');
    return [grad((x: Value) => f(x, two)[0])(3), jvp((x: Value) => f(x, two), [3], [1])];
  },
  'custom jvp: rules that call each other': () => {
    const f = customJvp((x: Value) => np.sin(x));
    const g = customJvp((x: Value) => np.cos(x));
    f.defjvp(([x]: Value[], [t]: Value[]) => [f(x), g(x).mul(t)]);
    g.defjvp(([x]: Value[], [t]: Value[]) => [g(x), f(x).mul(-3).mul(t)]);
    return [0, 1, 2, 3, 4].map((n) => nested((x) => f(x), n)(np.array(0.5)));
  },
};

/** sin with a reverse derivative of 2 cos. */
export function markedVjp(options: {
  readonly symbolicZeros?: boolean;
  readonly optimizeRemat?: boolean;
}): CustomVjp<[Value], Value> {
  const f = customVjp((x: Value) => np.sin(x));
  return f.defvjp(
    (x: Value) => [f(x), np.cos(x)],
    (c: Value, g: Value) => [c.mul(2).mul(g)],
    options,
  );
}
const mv: Unary = (x) => markedVjp({})(x);
const scanned = loop(mv);

/** A function whose rules close over another argument. */
export function vjpClosedOver(x: Value, y: Value): Value {
  const f = customVjp((z: Value) => z.mul(np.sin(y)));
  f.defvjp(
    (z: Value) => [f(z), np.sin(y)],
    (s: Value, g: Value) => [s.mul(5).mul(g)],
  );
  return f(x);
}

function symbolicVjp(): unknown {
  const seen: number[] = [];
  const f = customVjp((x: Value, y: Value) => [x.mul(y), x.add(y)] as const);
  f.defvjp(
    (x: CustomVjpPrimal, y: CustomVjpPrimal) => {
      seen.push(bits([x.perturbed, y.perturbed]));
      return [
        [x.value.mul(y.value), x.value.add(y.value)],
        [x.value, y.value],
      ];
    },
    ([x, y]: Value[], cts: (Value | null)[]) => {
      seen.push(10 + bits(cts.map(isZero)));
      const [a, b] = cts.map((ct) => ct ?? np.array(0));
      return [a.mul(y).add(b.mul(100)), a.mul(x).add(b.mul(200))];
    },
    { symbolicZeros: true },
  );
  const part =
    (k: 0 | 1) =>
    (x: Value, y: Value): Value =>
      f(x, y)[k];
  const outs = [
    grad(part(0))(2, 3),
    grad(part(1), { argnums: 1 })(2, 3),
    grad((x: Value, y: Value) => np.add(...f(x, y)), { argnums: [0, 1] })(2, 3),
    grad(jit(part(1)))(2, 3),
  ];
  return [outs, ints(...seen)];
}

const customVjps: Programs = {
  'custom vjp: basic': () => [mv(scalar(3)), grad(mv)(3), valueAndGrad(mv)(3)],
  'custom vjp: vmap and jit': () => [
    vmap(mv)(vec(1, 2)),
    vmap(grad(mv))(vec(1, 2)),
    grad((x: Value) => np.sum(vmap(mv)(x)))(vec(1, 2)),
    jit(grad(jit(mv)))(3),
    jit(vmap(grad(mv)))(vec(1, 2)),
    jacrev(vmap(mv))(vec(1, 2)),
  ],
  'custom vjp: inside scan and cond': () => [
    grad(scanned)(0.3),
    vmap(grad(scanned))(vec(0.1, 0.2)),
    jit(grad(scanned))(0.3),
    vmap(grad(positive(mv)))(vec(0.4, -0.4)),
  ],
  'custom vjp: trees and None': () => {
    type In = { readonly a: Value; readonly b: Value };
    type Out = { readonly p: Value; readonly q: readonly [Value] };
    const f = customVjp((x: In, y: Value): Out => ({ p: x.a.mul(y), q: [x.b] }));
    f.defvjp(
      (x: In, y: Value) => [f(x, y), [x, y]],
      ([, y]: [In, Value], g: Out) => [{ a: y.mul(10).mul(g.p), b: g.q[0].mul(3) }, null],
    );
    const loss = (x: In, y: Value): Value => f(x, y).p.add(f(x, y).q[0].mul(2));
    return [f({ a: 2, b: 5 }, 7), grad(loss, { argnums: [0, 1] })({ a: 2, b: 5 }, 7)];
  },
  'custom vjp: arguments that are not differentiated': () => {
    const f = customVjp((g: Unary, x: Value, k: number) => g(x).mul(k), {
      nondiffArgnums: [0, 2],
    });
    f.defvjp(
      (g: Unary, x: Value, k: number) => [f(g, x, k), np.cos(x)],
      (_: Unary, k: number, c: Value, ct: Value) => [c.mul(100 * k).mul(ct)],
    );
    const h: Unary = (x) => f(np.sin, x, 3);
    return [h(scalar(1)), grad(h)(1), vmap(grad(h))(vec(1, 2))];
  },
  'custom vjp: cotangents of what is shared by a batch': () => {
    const f = customVjp((x: Value, w: Value) => x.mul(w));
    f.defvjp(
      (x: Value, w: Value) => [x.mul(w), [x, w]],
      ([x, w]: Value[], g: Value) => [g.mul(w), g.mul(10).mul(x)],
    );
    const g = (x: Value, w: Value): Value => f(x, w);
    const over = vmap(g, { inAxes: [0, null] });
    return [
      grad((w: Value) => np.sum(over(vec(1, 2, 3), w)))(2),
      grad((w: Value) => np.sum(vmap(over, { inAxes: [null, 0] })(vec(1, 2), w)))(vec(3, 4, 5)),
      vmap(grad(g, { argnums: 1 }), { inAxes: [0, null] })(vec(1, 2), 3),
    ];
  },
  'custom vjp: integer arguments': () => {
    const f = customVjp((x: Value, n: Value) => x.mul(n));
    f.defvjp(
      (x: Value, n: Value) => [x.mul(n), n],
      (n: Value, g: Value) => [g.mul(7).mul(n), null],
    );
    const [g, two] = [(x: Value, n: Value): Value => f(x, n), scalar(2, 'i32')];
    return [grad(g)(3, two), grad(g, { argnums: [0, 1], allowInt: true })(3, two)];
  },
  'custom vjp: the backward function is differentiated': () => {
    const f = customVjp((x: Value) => np.square(x));
    f.defvjp(
      (x: Value) => [np.square(x), x],
      (x: Value, g: Value) => [g.mul(lax.integerPow(x, 3))],
    );
    const g: Unary = (x) => f(x);
    return [grad(g)(2), nested(g, 2)(np.array(2)), hessian(g)(2)];
  },
  'custom vjp: symbolic zeros': symbolicVjp,
  'custom vjp: optimize remat': () => {
    const optimized = markedVjp({ optimizeRemat: true });
    const f: Unary = (x) => optimized(x);
    const saved = checkpoint(f);
    return [
      grad(f)(3),
      grad(saved)(3),
      jit(grad(checkpoint((x: Value) => np.sin(f(x)))))(3),
      vmap(grad(saved))(vec(1, 2)),
      grad((x: Value) => np.sum(vmap(saved)(x)))(vec(1, 2)),
    ];
  },
  'custom vjp: under checkpoint': () => [
    grad(checkpoint(mv))(3),
    jit(grad(checkpoint((x: Value) => mv(mv(x)))))(3),
    grad(loop((x) => checkpoint(mv)(x)))(0.3),
  ],
  'custom vjp: closes over batched and staged values': () => [
    vmap(vjpClosedOver, { inAxes: [null, 0] })(2, vec(1, 2)),
    jit(vjpClosedOver)(2, 3),
    grad(vjpClosedOver)(2, 3),
    vmap(grad(vjpClosedOver), { inAxes: [null, 0] })(2, vec(1, 2)),
  ],
};

const clipped = customGradient((x: Value) => [x, (g: Value) => np.clip(g, -1, 1)]);
const two = customGradient((x: Value, y: Value) => [
  x.mul(y),
  (g: Value) => [g.mul(10).mul(y), g.mul(100).mul(x)],
]);
const product = (x: Value, y: Value): Value => two(x, y);
const doubled = customGradient((x: Value) => [np.sin(x), (g: Value) => g.mul(2).mul(np.cos(x))]);

function convertedLoss(y: Value, n: Value): Value {
  type Converted = (x: Value, ...captured: Value[]) => Value;
  const g = customVjp((f: Converted, x: Value, captured: Value[]) => f(x, ...captured), {
    nondiffArgnums: [0],
  });
  g.defvjp(
    (f: Converted, x: Value, captured: Value[]) => [f(x, ...captured), [x, captured]],
    (_: Converted, [, captured]: [Value, Value[]], ct: Value) => [
      ct,
      captured.map((c) => np.onesLike(c).mul(10).mul(ct)),
    ],
  );
  const [f, captured] = closureConvert((x: Value) => np.sum(x.mul(y)).add(n), 1);
  return g(f, 2, captured);
}

const gradients: Programs = {
  'custom gradient: basic': () => [
    clipped(2),
    grad((x: Value) => clipped(x).mul(5))(2),
    grad(product, { argnums: [0, 1] })(2, 3),
    vmap(grad(product))(vec(1, 2), vec(3, 4)),
    jit(grad(product))(2, 3),
  ],
  'custom gradient: a tree and what it captures': () => {
    type In = { readonly a: Value; readonly b: Value };
    const f = customGradient((q: In) => [
      np.sin(q.a).mul(q.b),
      (g: Value) => [{ a: g.mul(np.cos(q.a)), b: g.mul(7) }],
    ]);
    return grad((p: In) => f(p))({ a: 1, b: 2 });
  },
  'custom gradient: of higher order': () =>
    [0, 1, 2].map((n) => nested((x) => doubled(x), n)(np.array(0.5))),
  'closure convert': () => [
    grad(convertedLoss)(vec(1, 2), scalar(3, 'i32')),
    convertedLoss(vec(1, 2), scalar(3, 'i32')),
    jit(grad(convertedLoss))(vec(1, 2), scalar(3, 'i32')),
  ],
};

/** All programs of custom derivatives. */
export const custom: Programs = { ...customJvps, ...customVjps, ...gradients };
