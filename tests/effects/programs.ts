// The programs of record.py in our words, under the same names: what they print is compared with what JAX prints.
import {
  checkpoint,
  cond,
  customJvp,
  debug,
  foriLoop,
  grad,
  ioCallback,
  jit,
  jvp,
  linearize,
  pureCallback,
  scan,
  shapeDtypeStruct,
  vmap,
  whileLoop,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';

const twice = (x: Value): Value => {
  debug.print('x {}', x);
  return x.mul(2);
};

/** Ordered prints; also the program whose jaxpr is recorded. */
export const ordered = (x: Value): Value => {
  debug.print('first {x}', { x, ordered: true });
  const y = np.sin(x);
  debug.print('second {y:.4f}', { y, ordered: true });
  return y.mul(x);
};

const looked = (x: Value): Value => {
  debug.callback((a, b) => console.log(`saw ${String(a)} ${String(b)}`), x, x.add(1));
  return x.mul(3);
};

const product = (values: Value): Value => {
  const [last] = scan(
    (c: Value, x: Value): [Value, Value] => {
      debug.print('c {} x {}', c, x);
      return [c.mul(x), c];
    },
    1,
    values,
  );
  return last;
};

const branch = (x: Value): Value =>
  cond(
    np.greater(x, 0),
    (y: Value) => {
      debug.print('positive {}', y);
      return y.mul(2);
    },
    (y: Value) => {
      debug.print('negative {}', y);
      return np.negative(y);
    },
    x,
  );

const count = (x: Value): Value =>
  whileLoop(
    (y: Value) => {
      debug.print('test {}', y);
      return np.less(y, 4);
    },
    (y: Value) => {
      debug.print('step {}', y);
      return y.add(1);
    },
    x,
  );

const knownCounter = (x: Value): Value =>
  whileLoop(
    ([i]: [Value, Value]) => np.less(i, 3),
    ([i, y]: [Value, Value]): [Value, Value] => {
      debug.print('i {}', i);
      return [i.add(1), y.mul(2)];
    },
    [np.int32(0), x],
  )[1];

const remat = checkpoint((x: Value) => {
  debug.print('remat {}', x);
  return np.sin(x).mul(x);
});

const unused = (x: Value): Value => {
  debug.print('hello');
  jit(twice)(x.add(1));
  return x;
};

const nested = (x: Value): Value => {
  let y = x;
  for (let i = 0; i < 3; i++) {
    debug.print('row {} {}', i.toString(), y.sum());
    y = jit(twice)(y);
  }
  return y.sum();
};

const custom = customJvp((x: Value) => {
  debug.print('custom {}', x);
  return x.mul(x);
});
custom.defjvp(([x]: Value[], [t]: Value[]) => {
  debug.print('rule {}', x);
  return [x.mul(x), x.mul(5).mul(t)];
});

const host = (x: Value): Value =>
  pureCallback(
    (v) => {
      console.log(`pure ${String(v)}`);
      return v.mul(10);
    },
    shapeDtypeStruct([]),
    x,
    { vmapMethod: 'sequential' },
  ).add(x);

const world = (x: Value): Value => {
  let seen = 0;
  const f = (v: Value): number => {
    seen++;
    console.log(`io ${seen} ${String(v)}`);
    return seen;
  };
  const scalar = shapeDtypeStruct([]);
  return jit((y: Value) => {
    const a = ioCallback(f, scalar, y, { ordered: true });
    ioCallback(f, scalar, y.add(1), { ordered: true });
    const b = ioCallback(f, scalar, y.add(2), { ordered: true });
    return a.mul(10).add(b);
  })(x);
};

const worldBatch = (values: Value): Value =>
  vmap((x: Value) =>
    ioCallback(
      (v) => {
        console.log(`io ${String(v)}`);
        return v.add(1);
      },
      shapeDtypeStruct([]),
      x,
    ),
  )(values);

const loopOfBranches = (n: Value): Value =>
  foriLoop(
    0,
    4,
    (i: Value, x: Value) =>
      cond(
        np.equal(np.remainder(i, 2), 0),
        (y: Value) => {
          debug.print('even {} {}', i, y);
          return y.add(1);
        },
        (y: Value) => {
          debug.print('odd {} {}', i, y);
          return y.mul(2);
        },
        x,
      ),
    n,
  );

const matrix = (x: Value): Value => {
  debug.print('{}', x.matmul(np.transpose(x)));
  debug.print('{x} {shape}', { x: x.at(0).get(), shape: x.sum() });
  return x;
};

/** Arrays and programs, made when they are wanted: on the default device of that moment. */
export function programs(): Readonly<Record<string, () => unknown>> {
  const one = np.float32(1);
  const three = np.float32(3);
  const xs = np.array([1, 2, 3]);
  const grid = np.array([
    [1, 2],
    [3, 4],
  ]);
  return {
    eager: () => twice(three),
    jit: () => jit(twice)(three),
    'jit twice': () => [jit(twice)(three), jit(twice)(one)],
    vmap: () => vmap(twice)(xs),
    'jit vmap': () => jit(vmap(twice))(xs),
    'vmap vmap': () => vmap(vmap(twice))(grid),
    'vmap of something not mapped': () =>
      vmap((x: Value, y: Value) => twice(x).add(y), { inAxes: [null, 0] })(three, xs),
    grad: () => grad(twice)(three),
    'jit grad': () => jit(grad(twice))(three),
    'grad jit': () => grad(jit(twice))(three),
    'grad grad': () => grad(grad((x: Value) => twice(x).mul(x)))(three),
    jvp: () => jvp(twice, [three], [one]),
    'vmap grad': () => vmap(grad(twice))(xs),
    'ordered jit': () => jit(ordered)(one),
    'ordered vmap': () => vmap(ordered)(xs),
    'ordered grad': () => grad(jit(ordered))(one),
    'callback jit': () => jit(looked)(three),
    'callback vmap': () => jit(vmap(looked))(xs),
    'callback grad': () => grad(looked)(three),
    scan: () => product(xs),
    'jit scan': () => jit(product)(xs),
    'grad scan': () => grad(product)(xs),
    'jit grad scan': () => jit(grad(product))(xs),
    'vmap scan': () => vmap(product)(grid),
    cond: () => [jit(branch)(one), jit(branch)(np.negative(one))],
    'grad cond': () => grad(branch)(one),
    'vmap cond': () => vmap(branch)(np.array([-1, 2])),
    'vmap cond, one way': () =>
      vmap((p: Value, x: Value) => cond(p, branch, (y: Value) => y, x), { inAxes: [null, 0] })(
        true,
        np.array([1, 2]),
      ),
    while: () => jit(count)(one),
    'vmap while': () => vmap(count)(np.array([1, 2])),
    'jvp while': () => jvp(count, [one], [one]),
    'linearize while': () => linearize(knownCounter, one)[1](one),
    'fori of branches': () => jit(loopOfBranches)(one),
    remat: () => remat(one),
    'grad remat': () => grad((x: Value) => remat(x))(one),
    'unused results': () => jit(unused)(three),
    'nested jit': () => jit(nested)(xs),
    'grad nested jit': () => grad(nested)(xs),
    'custom jvp': () => custom(three),
    'grad custom jvp': () => grad((x: Value) => custom(x))(three),
    'pure callback': () => jit(host)(three),
    'vmap pure callback': () => jit(vmap(host))(xs),
    'io callback': () => world(three),
    'vmap io callback': () => worldBatch(xs),
    arrays: () => jit(matrix)(grid),
  };
}
