// Refs outside of kernels: what JAX has no recorded answer for. Identity, ownership, memory, stages, printing.
import { inspect } from 'node:util';
import {
  checkify,
  checkpoint,
  clearCaches,
  cond,
  customVjp,
  freeze,
  grad,
  jit,
  makeJaxpr,
  newRef,
  scan,
  vmap,
  whileLoop,
  withConfig,
  Ref,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { RefCell } from '../../core/ref-cell.ts';

const three = (): Value => np.array([0, 1, 2]);

test('a jitted function sees a ref that it closes over as it is at each call', () => {
  const r = newRef(three());
  const bump = jit((by: Value) => r.addupdate(np.broadcastTo(by, [3])));
  bump(1);
  r.at(0).set(10);
  bump(2);
  expect(String(r)).toBe('Ref([12.  4.  5.])');
  expect(bump.cacheSize()).toBe(1);
});

test('memory that a program took over is not seen through arrays that were read before', () => {
  const r = newRef(three());
  const bump = jit(() => r.set(r.get().add(1)));
  const read = jit(() => r.get());
  const both = jit((x: Value) => {
    r.set(x.mul(3));
    return x.mul(3);
  });
  bump();
  const [first, direct] = [read(), r.get()];
  bump();
  bump();
  const second = both(three());
  bump();
  bump();
  expect([first, direct, second, r].map(String)).toEqual([
    '[1. 2. 3.]',
    '[1. 2. 3.]',
    '[0. 3. 6.]',
    'Ref([2. 5. 8.])',
  ]);
});

test('new contents take the memory of old ones that nobody else holds', () => {
  const cell = new RefCell(three(), undefined);
  const r = new Ref(cell);
  const bump = jit(() => r.set(r.get().add(1)));
  const contents = Array.from({ length: 4 }, () => {
    const now = cell.peek('test');
    bump();
    return now;
  });
  expect(contents.map((x) => x.isDeleted)).toEqual([false, true, true, true]);
  const held = r.get();
  bump();
  expect([held.isDeleted, String(held), String(r)]).toEqual([
    false,
    '[4. 5. 6.]',
    'Ref([5. 6. 7.])',
  ]);
});

test('the array that a ref was made of stays', () => {
  const x = three();
  const r = newRef(x);
  jit((s: Ref) => s.set(s.get().mul(2)))(r);
  jit((s: Ref) => s.set(s.get().mul(2)))(r);
  expect([x, r].map(String)).toEqual(['[0. 1. 2.]', 'Ref([0. 4. 8.])']);
});

test('arrays that went in or came out can be disposed and donated', () => {
  const x = three();
  const r = newRef(x);
  x.dispose();
  expect(String(r)).toBe('Ref([0. 1. 2.])');
  const seen = r.get();
  seen.dispose();
  expect(seen.isDeleted).toBe(true);
  expect(() => seen.dataSync()).toThrow('disposed');
  const twice = jit((y: Value) => y.add(y), { donateArgnums: [0] });
  const given = r.get();
  expect(String(twice(given))).toBe('[0. 2. 4.]');
  expect(given.isDeleted).toBe(true);
  expect(String(r)).toBe('Ref([0. 1. 2.])');
  withConfig({ debugNans: true }, () => {
    expect(String(twice(r.get()))).toBe('[0. 2. 4.]');
  });
  const y = three();
  r.set(y);
  y.dispose();
  expect(String(freeze(r))).toBe('[0. 1. 2.]');
});

test('two refs of one array are two refs', () => {
  const x = three();
  const swap = jit((a: Ref, b: Ref) => b.set(a.swap(b.get().add(1))));
  const [a, b] = [newRef(x), newRef(x)];
  swap(a, b);
  expect([a, b].map(String)).toEqual(['Ref([1. 2. 3.])', 'Ref([0. 1. 2.])']);
});

test('the condition of a loop reads what the body wrote', () => {
  const f = (x: Value): Value[] => {
    const r = newRef(np.zeros([]));
    const step = (c: Value): Value => {
      r.addupdate(c);
      return c.mul(2);
    };
    return [whileLoop(() => lax.lt(r.get(), 20), step, x), r.get()];
  };
  expect(f(np.array(1)).map(String)).toEqual(['32.0', '31.0']);
  expect(jit(f)(1).map(String)).toEqual(['32.0', '31.0']);
});

test('a ref of an outer function in transformed functions inside of it', () => {
  const f = (x: Value): Value[] => {
    const r = newRef(x);
    const slope = grad((y: Value) => {
      const [last] = scan((c: Value, v: Value) => [c.mul(r.get(0)).add(v), null], y, x);
      r.at(1).set(lax.stopGradient(last));
      return last;
    })(1);
    const rows = vmap((i: Value) => r.get(i))(np.array([2, 0], 'i32'));
    return [slope, rows, r.get()];
  };
  const want = ['8.0', '[3. 2.]', '[ 2. 17.  3.]'];
  // c → 2c + v, three times, from 1 over [2, 1, 3]: 4, 9, 21.
  want[2] = '[ 2. 21.  3.]';
  expect(f(np.array([2, 1, 3])).map(String)).toEqual(want);
  expect(jit(f)(np.array([2, 1, 3])).map(String)).toEqual(want);
});

test('a mapped ref along any axis, in loops and branches', () => {
  const r = newRef(np.arange(6).astype('f32').reshape([2, 3]));
  const lane = (s: Ref, x: Value): Value => {
    scan(
      (_: null, i: Value) => {
        s.at(i).addupdate(x);
        return [null, null];
      },
      null,
      lax.iota('i32', 2),
    );
    cond(
      lax.gt(x, 1),
      () => s.at(0).set(-1),
      () => {},
    );
    return s.get(1);
  };
  const run = jit(vmap(lane, { inAxes: [1, 0] }));
  expect(String(run(r, three()))).toBe('[3. 5. 7.]');
  expect(String(r)).toBe('Ref([[ 0.  2. -1.]\n [ 3.  5.  7.]])');
});

test('every lane writes at its own place', () => {
  const r = newRef(np.zeros([2, 3]));
  const write = (s: Ref, i: Value): Value => s.swap(i.astype('f32').add(1), i);
  vmap(write)(r, np.array([2, 0], 'i32'));
  vmap((s: Ref, i: Value) => s.at(i).addupdate(5))(r, np.array([2, 1], 'i32'));
  expect(String(r)).toBe('Ref([[0. 0. 8.]\n [1. 5. 0.]])');
});

test('gradients can be kept aside by the backward function of a custom rule', () => {
  const seen = newRef(0);
  const tap = customVjp((x: Value) => x);
  tap.defvjp(
    (x: Value) => [x, null],
    (_: null, ct: Value) => {
      seen.set(ct);
      return [ct];
    },
  );
  const f = (x: Value): Value => tap(x).mul(3);
  expect([String(grad(f)(2)), String(seen)]).toEqual(['3.0', 'Ref(3.0)']);
  seen.set(0);
  expect([String(jit(grad(f))(2)), String(seen)]).toEqual(['3.0', 'Ref(3.0)']);
});

test('values without derivatives leave a differentiated function through refs', () => {
  const r = newRef(0);
  const f = jit((x: Value, s: Ref): Value => {
    const y = np.sin(x);
    s.set(lax.stopGradient(y));
    return y.mul(y);
  });
  expect(Number(grad(f)(2, r).item())).toBeCloseTo(Math.sin(4), 5);
  expect(Number(r.get().item())).toBeCloseTo(Math.sin(2), 5);
  expect(Number(jit(grad(f))(3, r).item())).toBeCloseTo(Math.sin(6), 5);
  expect(Number(r.get().item())).toBeCloseTo(Math.sin(3), 5);
});

test('checkpointed functions make refs, read others, and get them', () => {
  const r = newRef(np.array(3));
  const f = checkpoint((x: Value, s: Ref): Value => {
    const own = newRef(np.sin(x));
    own.addupdate(x.mul(s.get()));
    return own.get().mul(own.get());
  });
  const slope = (x: number): number => 2 * (Math.sin(x) + 3 * x) * (Math.cos(x) + 3);
  expect(Number(grad((x: Value) => f(x, r))(2).item())).toBeCloseTo(slope(2), 4);
  expect(Number(jit(grad((x: Value) => f(x, r)))(2).item())).toBeCloseTo(slope(2), 4);
});

test('refs of rank 0, without elements, of all kinds of numbers', () => {
  const empty = newRef(np.zeros([0, 2]));
  jit((s: Ref) => s.set(s.get().add(1)))(empty);
  expect([String(empty.get([0, 0])), empty.shape]).toEqual(['[]', [0, 2]]);
  const flags = newRef(np.array([true, false]));
  flags.at(1).set(np.array(true));
  const ints = newRef(np.array([1, 2], 'i32'));
  ints.at(0).set(7);
  ints.addupdate(np.array([1, 1], 'i32'));
  const special = newRef(np.array([NaN, -0]));
  jit((s: Ref) => s.set(s.get()))(special);
  expect([flags, ints, special].map(String)).toEqual([
    'Ref([ True  True])',
    'Ref([8 3])',
    'Ref([nan -0.])',
  ]);
});

test('refs as text', () => {
  const r = newRef(three());
  expect([String(r), inspect(r)]).toEqual(['Ref([0. 1. 2.])', 'Ref([0. 1. 2.])']);
  const seen: string[] = [];
  jit((s: Ref) => {
    seen.push(String(s));
    s.set(s.get());
  })(r);
  freeze(r);
  expect([...seen, String(r)]).toEqual(['Ref of Traced<Ref{f32[3]}> with jit', 'Ref(frozen)']);
});

test('windows of windows', () => {
  const r = newRef(np.arange(12).astype('f32').reshape([3, 4]));
  r.at([1, 3])
    .at(1, [0, 2])
    .set(np.array([-1, -2]));
  expect(String(r.get(2))).toBe('[-1. -2. 10. 11.]');
});

test('the stages of a program with refs', () => {
  const r = newRef(three());
  const f = jit((s: Ref): Value => {
    s.set(s.get().mul(2));
    return s.get(1);
  });
  expect(f.lower(r).asText()).toMatchInlineSnapshot(`
    "module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
      func.func public @main(%arg0: tensor<3xf32>) -> (tensor<f32> {jax.result_info = "result"}, tensor<3xf32>) {
        %cst = stablehlo.constant dense<2.000000e+00> : tensor<f32>
        %0 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<3xf32>
        %1 = stablehlo.multiply %arg0, %0 : tensor<3xf32>
        %2 = stablehlo.slice %1 [1:2] : (tensor<3xf32>) -> tensor<1xf32>
        %3 = stablehlo.reshape %2 : (tensor<1xf32>) -> tensor<f32>
        return %3, %1 : tensor<f32>, tensor<3xf32>
      }
    }
    "
  `);
  const compiled = f.lower(r).compile();
  expect([String(compiled(r)), String(r)]).toEqual(['2.0', 'Ref([0. 2. 4.])']);
});

test('programs as text', () => {
  const r = newRef(three());
  const text = makeJaxpr((i: Value) => {
    const own = newRef(r.get());
    own.at(i).set(1);
    own.at(0).set(2);
    const old = own.swap(3, 1);
    own.addupdate(np.ones([2]), [1, 3]);
    r.set(freeze(own));
    return old;
  })(np.array(0, 'i32'));
  expect(String(text)).toMatchInlineSnapshot(`
    "{ lambda a:Ref{f32[3]}; b:i32[]. let
        c:f32[3] <- a[...]
        d:Ref{f32[3]} = new_ref[kind=None memory_space=None] c
        d[b] <- 1.0:f32[]
        d[0] <- 2.0:f32[]
        e:f32[], d[1] <- d[1], 3.0:f32[]
        f:f32[2] = broadcast_in_dim 1.0:f32[]
        d[1:] += f
        g:f32[3] = freeze d
        a[...] <- g
      in (e,) }"
  `);
});

test('without jit, and step by step', () => {
  const r = newRef(three());
  const f = jit((s: Ref, x: Value): Value => {
    s.addupdate(x);
    return scan((c: Value, i: Value) => [c.add(s.get(i)), null], 0, lax.iota('i32', 3))[0];
  });
  withConfig({ disableJit: true }, () => expect(String(f(r, three()))).toBe('6.0'));
  withConfig({ debugNans: true }, () => expect(String(f(r, three()))).toBe('9.0'));
  expect(String(r)).toBe('Ref([0. 3. 6.])');
});

test('donated arguments beside refs', () => {
  const r = newRef(three());
  const x = three().mul(5);
  const f = jit(
    (s: Ref, y: Value): Value => {
      s.addupdate(y);
      return y.mul(2);
    },
    { donateArgnums: [0, 1] },
  );
  expect(String(f(r, x))).toBe('[ 0. 10. 20.]');
  expect([String(r), x.isDeleted]).toEqual(['Ref([ 0.  6. 12.])', true]);
});

test('mapped twice', () => {
  const r = newRef(np.zeros([2, 3]));
  const lane = (s: Ref, x: Value): Value => {
    s.addupdate(x);
    return s.get().mul(2);
  };
  const outs = vmap(vmap(lane))(r, np.ones([2, 3]));
  expect([outs, r.get()].map((x) => String(x.sum()))).toEqual(['12.0', '6.0']);
});

test('checks beside refs', () => {
  const r = newRef(0);
  const f = checkify.checkify(
    jit((x: Value) => {
      r.addupdate(x);
      checkify.check(r.get().less(5), 'too big');
      return x;
    }),
  );
  const [first] = f(3);
  const [second] = f(4);
  expect([first.get(), second.get(), String(r)]).toEqual([
    null,
    'too big (`check` failed)',
    'Ref(7.0)',
  ]);
});

test('caches can be cleared between calls', () => {
  const r = newRef(0);
  const tick = jit(() => r.addupdate(1));
  tick();
  clearCaches();
  tick();
  expect(String(r)).toBe('Ref(2.0)');
});
