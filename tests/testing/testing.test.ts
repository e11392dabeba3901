/** The kit finds wrong rules and accepts right ones. */
import fc from 'fast-check';
import { customJvp, customVjp, jit, withConfig, type NDArray, type Value } from 'palladia';
import { definePrimitive, type None, type Primitive } from 'palladia/extend';
import * as lax from 'palladia/lax';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import {
  arrays,
  assertClose,
  checkCustomVjp,
  checkGrads,
  checkJit,
  checkJvp,
  checkKernel,
  checkVjp,
  checkVmap,
  forAll,
  LawError,
  programs,
  shapes,
} from 'palladia/testing';
import * as testing from 'palladia/testing';
import { describe, expect, test } from 'vitest';

const whole = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  return error instanceof Error ? error.message : 'no error';
};
const message = async (promise: Promise<unknown>): Promise<string> =>
  (await whole(promise)).split('\n')[0];

describe('right functions pass', () => {
  test('derivatives of first and second order, of trees, with integers beside floats', async () => {
    await checkGrads((x: Value) => np.tanh(x).sum(), [np.array([0.5, -1])], { order: 2 });
    const layer = ({ w, b }: { w: Value; b: Value }, x: Value): Value =>
      nn.gelu(np.matmul(x, w).add(b));
    const params = {
      w: np.array([
        [0.1, 0.2],
        [-0.3, 0.4],
      ]),
      b: np.array([0.5, -0.5]),
    };
    await checkGrads(
      layer,
      [
        params,
        np.array([
          [1, 2],
          [0.3, -0.7],
        ]),
      ],
      { order: 2 },
    );
    await checkJvp((x: Value) => np.take(x, 1), [np.array([1, 2, 3])]);
    const [n, b] = [np.arange(3), np.array([true, false, true])];
    const mixed = (x: Value, k: Value, on: Value): readonly Value[] => [
      np.where(on, np.sin(x).mul(k), x),
      np.add(k, 1),
    ];
    await checkGrads(mixed, [np.array([0.5, 2, 1]), n, b]);
    await checkGrads((...xs: [Value, Value, Value]) => mixed(...xs)[0].sum(), [np.ones(3), n, b], {
      order: 2,
    });
    const scaled = (x: Value, k: Value): Value => x.mul(k);
    const custom = customVjp(scaled);
    custom.defvjp(
      (x: Value, k: Value) => [scaled(x, k), k],
      (k: Value, ct: Value) => [ct.mul(k), null],
    );
    await checkCustomVjp(custom, scaled, [np.array([0.5, 2, 1]), n]);
  });

  test('jit and vmap', async () => {
    await checkJit((x: Value) => ({ a: np.cumsum(x), b: x.mul(2) }), [np.arange(5)]);
    await checkVmap(
      (row: Value) => np.sort(row),
      [
        np.array([
          [3, 1],
          [2, 5],
        ]),
      ],
    );
    await checkVmap((x: Value, y: Value) => np.outer(x, y), [np.ones([2, 3]), np.arange(3)], {
      inAxes: [1, null],
    });
  });
});

describe('wrong functions are found', () => {
  test('a wrong forward rule', async () => {
    const f = customJvp((x: Value) => np.sin(x)).defjvps((t: Value) => t.mul(2));
    await expect(checkJvp(f, [np.array([0.5])])).rejects.toThrow(LawError);
    await expect(checkGrads(f, [np.array([0.5])], { modes: ['fwd'] })).rejects.toThrow(LawError);
  });

  test('a wrong transpose', async () => {
    const wrongP: Primitive<None> = definePrimitive<None>('test_wrong_transpose', {
      abstractEval: ([x]) => [x],
      lower: (b, [x]) => [b.scalar('add', x, x)],
      jvp: 'linear',
      transpose: ([ct]) => [ct === null ? null : lax.mul(ct, 3)],
      batch: (args, dims) => [wrongP.bind(args, {}), dims],
    });
    const f = (x: Value): Value => wrongP.bind1([x], {});
    await checkJvp(f, [np.array([0.5])]);
    await expect(checkVjp(f, [np.array([0.5])])).rejects.toThrow(/^checkVjp: elements must differ/);
  });

  test('a wrong batching rule', async () => {
    const wrongP: Primitive<None> = definePrimitive<None>('test_wrong_batch', {
      abstractEval: ([x]) => [x],
      lower: (b, [x]) => [b.scalar('neg', x)],
      jvp: 'linear',
      batch: (args, dims) => [[lax.rev(lax.neg(args[0]), [0])], dims],
    });
    const f = (x: Value): Value => wrongP.bind1([x], {});
    await expect(checkVmap(f, [np.arange(3).astype('f32')])).rejects.toThrow(LawError);
  });

  test('a function that is not pure', async () => {
    let calls = 0;
    const f = (x: Value): Value => x.add(calls++);
    await expect(checkJit(f, [np.ones([2])])).rejects.toThrow(/^checkJit: elements must differ/);
  });
});

test('assertClose says what differs', async () => {
  await assertClose({ a: np.array([1, NaN]) }, { a: np.array([1, NaN]) });
  expect(await message(assertClose({ a: np.array([1, 2]) }, { a: np.array([1, 3]) }))).toBe(
    "assertClose at ['a']: elements must differ by at most 0 + 0.000001 · |wanted|; got 2 for 3 (element 1 of f32[2]). Check the rule, or allow more.",
  );
  expect(await message(assertClose([np.ones([2])], [np.ones([3])]))).toBe(
    'assertClose at [0]: types must be equal; got f32[2] for f32[3]. Compare shapes and dtypes.',
  );
  expect(await message(assertClose([np.ones([2])], np.ones([2])))).toMatch(
    /^assertClose: trees must have one structure; got PyTreeDef/,
  );
  expect(await message(assertClose(jit(() => np.array(NaN))(), np.array(1)))).toMatch(
    /got NaN for 1/,
  );
});

describe('arguments that make no sense', () => {
  test('bounds out of order, kernels without blocks or twin', async () => {
    expect(() => shapes({ minSize: 3, maxSize: 2 })).toThrow(
      'shapes: bounds must be from 0 and in order; got ranks 0 to 3 and sizes 3 to 2.',
    );
    const empty = forAll(arrays({ shape: [2], min: 5 }), () => {}, { runs: 1 });
    expect(await message(empty)).toContain('arrays: min must be at most max; got min 5 and max 4');
    const kernel = () => (x: Value) => x;
    const nothing = { args: [np.ones([2])], blocks: [] };
    expect(await message(checkKernel(kernel, nothing))).toContain('blocks must hold');
    const alone = { args: [np.ones([2])], blocks: [[2]], gradient: true };
    expect(await message(checkKernel(kernel, alone))).toContain('Pass reference');
  });
  test('the ends of all integers are among the specials', async () => {
    for (const [dtype, end] of [
      ['i64', 2n ** 63n - 1n],
      ['u64', 2n ** 64n - 1n],
      ['i8', -128],
    ] as const) {
      const found = withConfig({ enableX64: true }, () => {
        const some = fc.sample(arrays({ shape: [64], dtype, specials: true }), {
          numRuns: 8,
          seed: 1,
        });
        return some.some((x) => [...x.dataSync()].includes(end));
      });
      expect(found).toBe(true);
    }
  });
});

describe('what a failure prints can be run', () => {
  /** The message of the call that a failure prints. */
  const pasted = async (text: string, f: (x: Value) => Value): Promise<string> => {
    const code = /fails for: await (.*);/.exec(text)?.[1] ?? '';
    const source = encodeURIComponent(`export const run = (testing, np, f) => ${code};`);
    const made = (await import(`data:text/javascript,${source}`)) as {
      run(...given: unknown[]): Promise<void>;
    };
    return whole(made.run(testing, np, f));
  };
  /** The first derivative is right, the second is not. */
  const cube = customJvp((x: Value) => np.power(x, 3)).defjvps((t: Value, _: Value, x: Value) =>
    np.multiply(t, lax.stopGradient(np.multiply(3, np.square(x)))),
  );

  test('derivatives of higher order, with the options of the call', async () => {
    await checkGrads(cube, [np.array([0.5])]);
    const text = await whole(checkGrads(cube, [np.array([0.5])], { order: 2, modes: ['fwd'] }));
    expect(text).toContain(
      'fails for: await testing.checkGrads(f, [np.array([0.5])], { order: 2, modes: ["fwd"] });',
    );
    expect(await pasted(text, cube)).toBe(text);
  });

  test('random arguments and directions come from one seed', async () => {
    const wrong = customJvp((x: Value) => np.sin(x)).defjvps((t: Value) => t.mul(2));
    const vectors = arrays({ shape: [2] }).map((x) => [x]);
    const text = await whole(checkJvp(wrong, vectors));
    const [, seed, path] = /\{ seed: (\d+), path: '([\d:]+)' \}/.exec(text) ?? [];
    const again = await whole(checkJvp(wrong, vectors, { seed: Number(seed), path }));
    const [first, second] = [text, again].map((t) => t.slice(0, t.indexOf('\n  jaxpr')));
    expect(second).toBe(first);
    expect(await pasted(text, wrong)).toContain(first);
  });

  test('values of all kinds', async () => {
    const value = { 'a-b': -0, big: 1n, map: new Map([['k', [np.array(2, 'f32'), np.array(2)]]]) };
    const text = await whole(
      forAll(
        fc.constant(value),
        () => {
          throw new Error('always');
        },
        { runs: 1 },
      ),
    );
    expect(text).toContain(
      'fails for: { ["a-b"]: -0, big: 1n, map: new Map([["k", [np.array(2, \'f32\'), np.array(2)]]]) }',
    );
  });
});

describe('bounds and arguments at the edge', () => {
  test('near bounds', async () => {
    for (const options of [
      { min: 0, max: 0.1 },
      { min: 0.5, max: 0.5 },
      { min: 1, max: 1, dtype: 'i32' },
    ] as const)
      await forAll(
        arrays({ shape: [3], ...options }),
        (x) => {
          for (const v of x.dataSync()) {
            expect(Number(v)).toBeGreaterThanOrEqual(options.min);
            expect(Number(v)).toBeLessThanOrEqual(Math.fround(options.max));
          }
        },
        { runs: 10 },
      );
    const none = forAll(arrays({ shape: [2], dtype: 'i32', min: 0.2, max: 0.8 }), () => {});
    expect(await message(none)).toContain('arrays: there must be an integer from min to max');
  });

  test('axes that map nothing, programs without floats', async () => {
    const f = (x: Value): Value => x;
    expect(await message(checkVmap(f, [np.ones([2])], { inAxes: [null] }))).toContain(
      'checkVmap: inAxes must name an axis with elements',
    );
    expect(await message(checkVmap(f, [np.ones([2])], { inAxes: [0, 0] }))).toContain('inAxes');
    expect(await message(checkVmap(f, [np.ones([0, 2])]))).toContain('inAxes');
    const integers = programs({ args: fc.constant([np.arange(3) as NDArray]) });
    expect(await message(forAll(integers, () => {}, { runs: 1 }))).toContain(
      'programs: some argument must be a float; got i32[3]',
    );
  });
});
