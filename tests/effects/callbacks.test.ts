// Calls of JavaScript from programs: what is called how often, what crosses, what is refused; and that a callback may use the device.
import {
  CallbackError,
  cond,
  customJvp,
  debug,
  evalShape,
  foriLoop,
  grad,
  ioCallback,
  jit,
  makeJaxpr,
  NDArray,
  PalladiaError,
  pureCallback,
  scan,
  setDefaultDevice,
  shapeDtypeStruct,
  vmap,
  whileLoop,
  type DeviceKind,
  type Value,
  type VmapMethod,
} from 'palladia';
import * as hlo from 'palladia/hlo';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { pallasCall } from 'palladia/pallas';
import { afterEach, describe, expect, test } from 'vitest';
import { runSchedule } from '../../backends/interpreter/schedule.ts';
import { createWasmDevice } from '../../backends/wasm/device.ts';
import { encode } from '../../core/host.ts';
import { compileModule } from '../../lowering/compile.ts';
import type { HloModule } from '../../lowering/hlo/ir.ts';
import { untyped } from '../errors/report.ts';

afterEach(() => setDefaultDevice('wasm'));

/** Class and sentence of the error of a call. */
function report(mistake: () => unknown): string {
  try {
    mistake();
    return 'no error';
  } catch (error) {
    return error instanceof PalladiaError
      ? `${error.name}: ${error.message.split('\n')[0]}`
      : `not ours: ${String(error)}`;
  }
}

const scalar = shapeDtypeStruct([]);
const engines: readonly DeviceKind[] = ['wasm', 'interpreter'];
/** A function, and the numbers that it was called with. */
function recorder(): { readonly seen: number[]; readonly see: (x: Value) => void } {
  const seen: number[] = [];
  return { seen, see: (x) => void seen.push(Number(x)) };
}

describe('effects', () => {
  const { see } = recorder();
  const effectsOf = (f: (x: Value) => unknown): string[] => makeJaxpr(f)(1).effects.map(String);

  test('a program has the effects of its equations, also of those inside', () => {
    expect(effectsOf((x) => lax.sin(x))).toEqual([]);
    expect(effectsOf((x) => (debug.callback(see, x), x))).toEqual(['Debug']);
    expect(
      effectsOf((x) => {
        debug.print('{}', x);
        debug.callback(see, x, { ordered: true });
        jit((y: Value) => (ioCallback(see, null, y), y))(x);
        ioCallback(see, null, x, { ordered: true });
        return pureCallback(() => 1, scalar);
      }),
    ).toEqual(['Debug', 'OrderedDebug', 'IO', 'OrderedIO']);
    const inLoop = (x: Value): Value =>
      foriLoop(0, 2, (_, y: Value) => (debug.callback(see, y), y), x);
    const inBranch = (x: Value): Value =>
      cond(
        true,
        (y: Value) => (ioCallback(see, null, y), y),
        (y: Value) => y,
        x,
      );
    expect([effectsOf(inLoop), effectsOf(inBranch)]).toEqual([['Debug'], ['IO']]);
  });

  test('equations with effects stay, those without go', () => {
    let calls = 0;
    const count = (): number => ++calls;
    const f = jit((x: Value) => {
      ioCallback(count, scalar);
      ioCallback(count, scalar);
      pureCallback(count, scalar);
      return x;
    });
    f(1);
    f(1);
    expect(calls).toBe(4);
  });

  test('loops and branches that nobody needs stay for their effects', () => {
    for (const kind of engines) {
      setDefaultDevice(kind);
      const { seen, see: look } = recorder();
      jit((x: Value) => {
        foriLoop(0, 2, (_, y: Value) => (debug.callback(look, y), y.add(1)), x);
        cond(
          true,
          (y: Value) => (debug.callback(look, y), y),
          (y: Value) => y,
          x.add(10),
        );
        whileLoop(
          (y: Value) => np.less(y, 22),
          (y: Value) => (debug.callback(look, y), y.add(1)),
          x.add(20),
        );
        return x;
      })(0);
      expect(seen).toEqual([0, 1, 10, 20, 21]);
    }
  });

  test('calls keep the order of the program whatever the fuser makes of the rest', () => {
    const { seen, see: look } = recorder();
    const see1 = (x: Value): number => (look(x), 1);
    jit((x: Value) => {
      const a = x.sum();
      debug.callback(look, a, { ordered: true });
      const b = ioCallback(see1, scalar, np.sin(x).mul(0).sum().add(2), { ordered: true });
      const late = x.mul(b).max();
      debug.callback(look, np.float32(3), { ordered: true });
      const c = ioCallback(see1, scalar, late.add(1), { ordered: true });
      debug.callback(look, a.mul(0).add(5), { ordered: true });
      debug.callback(look, x.matmul(np.transpose(x)).mul(0).sum().add(c).add(5), { ordered: true });
      return a;
    })(np.array([[1, 2, 3]]));
    expect(seen).toEqual([6, 2, 3, 4, 5, 6]);
    // The fusion that computes the first operand also computes the result, which waits for what comes later.
    seen.length = 0;
    const late = (rest: (x: Value) => Value): unknown =>
      jit((x: Value) => {
        const first = x.mul(2);
        debug.callback(look, first);
        const other = rest(x);
        return first.add(other);
      })(np.array([1]));
    late((x) => (debug.callback(look, x), np.sort(x)));
    late((x) => ioCallback((v) => (look(v), v), shapeDtypeStruct([1]), x));
    expect(seen).toEqual([2, 1, 2, 1]);
  });

  test('the reference runner of schedules makes the same calls', () => {
    const { seen, see: look } = recorder();
    const f = (x: Value): Value => {
      const [sum] = scan((c: Value, y: Value) => (debug.callback(look, y), [c.add(y), null]), 0, x);
      return pureCallback((v) => v.mul(2), scalar, sum);
    };
    const { module } = jit(f).lower(np.array([1, 2, 3]));
    const target = {
      kind: 'interpreter',
      maxOperands: 8,
      parallelism: 1,
      subgroupSize: 1,
    } as const;
    // The door of the compiler: the module of a lowered program is one of StableHLO.
    const schedule = compileModule(module as HloModule, {
      ...target,
      fallback: false,
      workgroupBytes: Infinity,
      exact: true,
    });
    const [out] = runSchedule(schedule, [encode([1, 2, 3], 'f32')]);
    expect([...new Float32Array(out.buffer)]).toEqual([12]);
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('what a callback may do', () => {
  test.each(engines)('compute on the device that waits for it: %s', (kind) => {
    setDefaultDevice(kind);
    // Temporaries of the outer program must survive what the callback computes, whatever their sizes.
    const inner = jit((v: Value) => np.cumsum(np.sin(v).mul(3)).sum().add(np.sort(v).max()));
    const f = (x: Value): Value => {
      const kept = np.sort(x.mul(2));
      const told = pureCallback((v) => inner(v), scalar, x);
      return kept.add(np.cumsum(kept)).add(told);
    };
    const x = np.arange(300).astype('f32').mul(0.01);
    const expected = f(x).jsSync();
    expect(jit(f)(x).jsSync()).toEqual(expected);
    expect(jit(f)(x).jsSync()).toEqual(expected);
  });

  test('call the program that called it', () => {
    const factorial: (n: Value) => Value = jit((n: Value) =>
      cond(
        np.less(n, 2),
        () => np.float32(1),
        () => pureCallback((m) => factorial(m), scalar, n.sub(1)).mul(n),
      ),
    );
    expect([0, 1, 5, 10].map((n) => factorial(np.float32(n)).item())).toEqual([1, 1, 120, 3628800]);
  });

  test('allocate without moving what the program uses out of the heap', () => {
    const device = createWasmDevice({ softLimit: 2 ** 20, threads: 1, id: 7 });
    const numbers = Float32Array.from({ length: 50_000 }, (_, i) => i);
    const [x, y] = [1, 2].map((k) =>
      NDArray.fromHost(
        numbers.map((v) => v * k),
        [50_000],
        'f32',
        device,
      ),
    );
    const greedy = (): number => {
      for (let i = 0; i < 40; i++) device.upload(new Uint8Array(100_000).fill(255));
      return 1;
    };
    const out = jit((a: Value, b: Value) => {
      const product = np.sort(a.mul(b));
      const one = ioCallback(greedy, scalar);
      return product.add(a).add(b).add(one);
    })(x, y).dataSync();
    const wanted = (v: number): number => 2 * v * v + 3 * v + 1;
    const wrong = numbers.findIndex(
      (v, i) => Math.abs(Number(out[i]) - wanted(v)) > 1e-6 * wanted(v),
    );
    expect(wrong).toBe(-1);
  });

  test('have a derivative by customJvp, through jit, grad and vmap', () => {
    const onHost = (f: (x: number) => number) => (x: Value) =>
      pureCallback((v) => f(v.item() as number), scalar, x, { vmapMethod: 'sequential' });
    const sine = customJvp(onHost(Math.sin));
    sine.defjvp(([x]: Value[], [t]: Value[]) => [sine(x), onHost(Math.cos)(x).mul(t)]);
    const xs = np.array([0, 0.5, 1]);
    const got = jit(vmap(grad((x: Value) => sine(x).mul(x))))(xs).dataSync();
    [0, 0.5, 1].forEach((x, i) => expect(got[i]).toBeCloseTo(Math.sin(x) + x * Math.cos(x), 6));
  });

  test('give numbers, typed arrays, arrays and trees', () => {
    const types = {
      a: scalar,
      b: [shapeDtypeStruct([2, 2], 'i32'), shapeDtypeStruct([3], 'bool')],
    };
    const f = jit((x: Value) =>
      pureCallback(
        (v) => ({ a: 7, b: [Int32Array.from([1, 2, 3, 4]), np.greater(v, 1)] }),
        types,
        x,
      ),
    );
    const { a, b } = f(np.array([0, 1, 2]));
    expect([a.item(), b[0].jsSync(), b[1].jsSync()]).toEqual([
      7,
      [
        [1, 2],
        [3, 4],
      ],
      [false, false, true],
    ]);
    const empty = jit((x: Value) =>
      pureCallback((v) => v, shapeDtypeStruct([0, 3]), np.zeros([0, 3]).mul(x)),
    );
    expect(empty(1).shape).toEqual([0, 3]);
    const half = jit(() => pureCallback(() => Float32Array.of(0.5), shapeDtypeStruct([1], 'f16')));
    expect(half().dtype).toBe('f16');
  });

  test('get trees with static leaves', () => {
    const got: unknown[] = [];
    const f = jit((x: Value) => {
      debug.callback(
        (tree, name) => got.push(Number(tree.a), tree.kind, name),
        { a: x, kind: 'text' },
        'loss',
      );
      return x;
    });
    f(2);
    expect(got).toEqual([2, 'text', 'loss']);
  });
});

describe('vmap', () => {
  const shapes = (method: VmapMethod): number[][] => {
    const seen: number[][] = [];
    const f = (x: Value, y: Value): Value =>
      pureCallback(
        (a, b) => {
          seen.push([...a.shape], [...b.shape]);
          return a.add(b);
        },
        scalar,
        x,
        y,
        { vmapMethod: method },
      );
    const xs = np.arange(3).astype('f32');
    const out = jit(vmap(f, { inAxes: [0, null] }))(xs, 10);
    expect(out.jsSync()).toEqual([10, 11, 12]);
    return seen;
  };

  test('the methods call with the shapes that JAX gives', () => {
    expect(shapes('expandDims')).toEqual([[3], [1]]);
    expect(shapes('broadcastAll')).toEqual([[3], [3]]);
    expect(shapes('legacyVectorized')).toEqual([[3], []]);
    expect(shapes('sequential')).toEqual([[], [], [], [], [], []]);
    expect(shapes('sequentialUnrolled')).toEqual([[], [], [], [], [], []]);
  });

  test('an empty batch calls nothing', () => {
    const { seen, see } = recorder();
    vmap((x: Value) => (debug.callback(see, x), null))(np.zeros([0]));
    expect(seen).toEqual([]);
  });
});

test('programs that print the same are compiled once', () => {
  const text = (): string =>
    jit((x: Value) => {
      debug.print('same {}', x);
      return x;
    })
      .lower(1)
      .asText();
  expect(text()).toBe(text());
  expect(text()).toMatch(
    /custom_call @palladia_host_call\(%arg0\) \{backend_config = "debug.print \d+", has_side_effect = true\} : \(tensor<f32>\) -> \(\)/,
  );
});

test('a program without results is run for its effects', () => {
  const { seen, see } = recorder();
  const f = jit((x: Value) => (debug.callback(see, x), null));
  expect(f(4)).toBe(null);
  expect(evalShape(f, 4)).toBe(null);
  expect(seen).toEqual([4]);
});

test('donated memory is not reused before a callback has seen it', () => {
  const big = np.arange(1000).astype('f32');
  let seen: unknown;
  const f = jit(
    (x: Value) => {
      const y = x.mul(2);
      debug.callback((v) => void (seen = v.jsSync()), x);
      return y;
    },
    { donateArgnums: 0 },
  );
  const expected = big.jsSync();
  expect(f(big).at(999).get().item()).toBe(1998);
  expect(seen).toEqual(expected);
});

test('errors', () => {
  const one = np.float32(1);
  const throws = (): number => {
    throw new TypeError('broken');
  };
  const both = (f: (x: Value) => unknown): string[] =>
    engines.map((kind) => {
      setDefaultDevice(kind);
      return report(() => jit(f)(np.float32(1)));
    });
  const same = (f: (x: Value) => unknown): string => {
    const [a, b] = both(f);
    expect(b).toBe(a);
    return a;
  };
  const promised = (x: unknown, type = scalar): string => same(() => pureCallback(() => x, type));
  let cause: unknown;
  try {
    jit(() => pureCallback(throws, scalar))();
  } catch (error) {
    cause = error instanceof CallbackError ? error.cause : error;
  }
  expect(cause).toEqual(new TypeError('broken'));
  const kernel = pallasCall(
    untyped((x: { get(): Value }, o: { set(v: Value): void }) => {
      debug.print('{}', x.get());
      o.set(x.get());
    }),
    { outShape: shapeDtypeStruct([4]) },
  );
  const exported = jit((x: Value) => pureCallback((v) => v, scalar, x))
    .lower(1)
    .asText();
  const mistakes = [
    same((x) => pureCallback(throws, scalar, x)),
    same((x) => (debug.callback(throws, x), x)),
    report(() => debug.callback(throws, one)),
    promised('text'),
    promised([1]),
    promised(np.ones([2])),
    promised(np.int32(3)),
    promised(Float32Array.of(1, 2)),
    promised(1, shapeDtypeStruct([1])),
    same(() => pureCallback(async () => 1, scalar)),
    same(() => untyped(pureCallback)(() => 1, 'f32')),
    same((x) => grad((y: Value) => pureCallback((v) => v, scalar, y))(x)),
    same((x) => grad((y: Value) => ioCallback((v) => v, scalar, y))(x)),
    same(() => vmap((y: Value) => pureCallback((v) => v, scalar, y))(np.ones([2]))),
    same(() =>
      vmap((y: Value) => ioCallback((v) => v, scalar, y, { ordered: true }))(np.ones([2])),
    ),
    same(() =>
      vmap((y: Value) =>
        cond(
          np.greater(y, 0),
          (z: Value) => ioCallback((v) => v, scalar, z),
          (z: Value) => z,
          y,
        ),
      )(np.ones([2])),
    ),
    same(() =>
      vmap((y: Value) =>
        whileLoop(
          (z: Value) => np.less(z, 3),
          (z: Value) => ioCallback((v) => v.add(1), scalar, z),
          y,
        ),
      )(np.ones([2])),
    ),
    report(() => jit((x: Value) => kernel(x))(np.ones([4]))),
    report(() => hlo.load(exported)(1)),
    report(() => untyped(debug.callback)(3)),
    report(() => untyped(debug.print)(3)),
    report(() => debug.print('{} {}', 1)),
    report(() => debug.print('{}', 1, 2)),
    report(() => debug.print('{x}', 1)),
    report(() => debug.print('{x}', { y: 1 })),
    report(() => debug.print('{x}', { x: 1, y: 1 })),
    report(() => debug.print('{x} {', { x: 1 })),
    report(() => debug.print('{x.shape}', { x: 1 })),
    report(() => debug.print('{:.2z}', 1)),
    report(() => debug.print('{:.2f}', np.ones([2]))),
    report(() => debug.print('{} {0}', 1)),
    report(() => debug.print('{:d}', 1)),
    report(() => debug.print('{}', { x: 1, ordered: 1 }, { ordered: 3 })),
  ];
  expect(`\n${mistakes.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    CallbackError: pureCallback: a function that a program calls must not throw; got "TypeError: broken" from throws. Mend it, or catch the error there.
    CallbackError: debug.callback: a function that a program calls must not throw; got "TypeError: broken" from throws. Mend it, or catch the error there.
    CallbackError: debug.callback: a function that a program calls must not throw; got "TypeError: broken" from throws. Mend it, or catch the error there.
    TreeError: pureCallback: callbacks must return arrays or numbers; got string text for the result. Make an array of it with np.array(…).
    TreeError: pureCallback: the callback must return the tree that was promised, *; got [*] from <lambda>. Return it, or change the result types.
    ShapeError: pureCallback: callbacks must return arrays of the promised type, f32[]; got f32[2] for the result. Convert or reshape it, or change the result types.
    DTypeError: pureCallback: callbacks must return arrays of the promised type, f32[]; got i32[] for the result. Convert or reshape it, or change the result types.
    ShapeError: pureCallback: callbacks must return arrays of the promised type, f32[]; got a Float32Array of 2 for the result. Convert or reshape it, or change the result types.
    ShapeError: pureCallback: callbacks must return arrays of the promised type, f32[1]; got the scalar 1 for the result. Convert or reshape it, or change the result types.
    AsyncFunctionError: pureCallback: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments.
    TreeError: pureCallback: the types of the results must be a tree of types or arrays; got string at resultShapeDtypes. Write shapeDtypeStruct([3], 'f32').
    MissingRuleError: pure_callback: no jvp rule. Pure callbacks have no derivative: wrap the function in customJvp or customVjp, or stop the gradient of its arguments.
    MissingRuleError: io_callback: no jvp rule. Callbacks with effects have no derivative: call it with lax.stopGradient of its arguments.
    ArgumentError: pureCallback: vmap must be told how to call the function; got no vmapMethod. Pass { vmapMethod: 'sequential' }, or 'expandDims' or 'broadcastAll' for a function that takes leading axes.
    ArgumentError: ioCallback: a batch has no order that ordered calls could keep; got an ordered callback under vmap. Leave ordered out, or loop with scan.
    ArgumentError: cond: under vmap a branch or loop that differs from lane to lane runs for all lanes, so it must have no effects on the world; got IO. Move the ioCallback out of it, or loop over the examples with scan.
    ArgumentError: while: under vmap a branch or loop that differs from lane to lane runs for all lanes, so it must have no effects on the world; got IO. Move the ioCallback out of it, or loop over the examples with scan.
    LoweringError: debug_print: a kernel cannot call JavaScript while it runs; got debug_print in a kernel. Call it outside of the kernel, with what the kernel reads or writes.
    LoweringError: custom_call: a JavaScript function lives in the process that traced it; got a call of one in a program from text. Jit the function itself, or take the callback out before it is exported.
    ArgumentError: debug.callback: there must be a function to transform or to run; got number 3. Pass the function itself, not its result.
    ArgumentError: debug.print: the format must be a string; got number. Write debug.print('{}', x).
    ArgumentError: debug.print: there must be one value for each placeholder; got 1 values by position for "{} {}". Pass the others.
    ArgumentError: debug.print: there must be one value for each placeholder; got 2 values by position for "{}". Add {} to the format, or pass fewer.
    ArgumentError: debug.print: there must be one value for each placeholder; got 1 values by position for "{x}". Add {} to the format, or pass fewer.
    ArgumentError: debug.print: every name must have a value; got no x for "{x}". Pass an object last: { x }.
    ArgumentError: debug.print: every named value must be used; got unused y for "{x}". Leave it out.
    ArgumentError: debug.print: a format must be text with {}, {0} or {name}; got a single { in "{x} {". Write {{ for the brace itself.
    ArgumentError: debug.print: a format must be text with {}, {0} or {name}; got the placeholder {x.shape} in "{x.shape}". Compute the value before it is printed.
    ArgumentError: debug.print: a format must be text with {}, {0} or {name}; got the specification ":.2z" in "{:.2z}". Write [[fill]align][sign][0][width][,][.precision][type].
    ArgumentError: debug.print: specifications are for scalars; got ":.2f" and f32[2] for "{:.2f}". Print arrays with {}.
    ArgumentError: debug.print: a format must be text with {}, {0} or {name}; got both {} and {0} in "{} {0}". Number all of them, or none.
    ArgumentError: debug.print: a format must be text with {}, {0} or {name}; got ":d" for f32[] in "{:d}". Floats print with e, f, g or %.
    ArgumentError: debug.print: ordered must be true or false; got 3. Give the value another name.
    "
  `);
});

test('a callback without results returns nothing or null; a way to batch must exist', () => {
  const seen: number[] = [];
  const f = jit((x: Value) => {
    const none = ioCallback((y: Value) => void seen.push(Number(y)), null, x);
    return [none, ioCallback(() => null, null)];
  });
  expect(f(2)).toEqual([null, null]);
  expect(ioCallback((y: Value) => void seen.push(Number(y)), null, np.array(3))).toBe(null);
  expect(seen).toEqual([2, 3]);
  expect(
    report(() =>
      untyped(pureCallback)((x: Value) => x, shapeDtypeStruct([]), 1, {
        vmapMethod: 'expand_dims',
      }),
    ),
  ).toMatchInlineSnapshot(
    `"ArgumentError: pureCallback: vmapMethod must be one of sequential, sequentialUnrolled, expandDims, broadcastAll, legacyVectorized; got expand_dims. Check the spelling."`,
  );
});
