/** Costs and memory of the stages of `jit`, counted on the interpreter and on Wasm. */
import { describe, expect, test } from 'vitest';
import { defaultDevice, setDefaultDevice } from '../../core/backend.ts';
import type { Value } from '../../core/value.ts';
import { createWasmDevice } from '../../backends/wasm/device.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { gt, lt } from '../../lax/comparison.ts';
import { dotGeneral } from '../../lax/dot.ts';
import { reduceMax } from '../../lax/reduction.ts';
import { reduceSum } from '../../lax/structure.ts';
import { dynamicUpdateSlice } from '../../lax/slicing.ts';
import { cbrt, exp, sin, sqrt, tanh } from '../../lax/transcendental.ts';
import { jit } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import type { CostAnalysis } from '../../transforms/stages.ts';
import { array } from './setup.ts';

const of = (...shape: number[]): ShapeDtypeStruct => new ShapeDtypeStruct(shape);
const matmul = (x: Value, y: Value): Value =>
  dotGeneral(x, y, [
    [[1], [0]],
    [[], []],
  ]);
const cost = (f: (...args: never[]) => unknown, ...args: unknown[]): CostAnalysis =>
  jit(f)
    .lower(...args)
    .costAnalysis();

describe('what XLA counts for the same programs (jax 0.10.2)', () => {
  const cases: readonly (readonly [string, CostAnalysis, number, number])[] = [
    ['sin, matmul', cost((x: Value) => matmul(sin(x), x), of(8, 8)), 1024, 64],
    ['add', cost((x: Value, y: Value) => add(x, y), of(8), of(8)), 8, 0],
    ['sum', cost((x: Value) => reduceSum(x, [0]), of(8, 4)), 28, 0],
    ['max', cost((x: Value) => reduceMax(x, [0, 1]), of(8, 4)), 31, 0],
    ['functions', cost((x: Value) => add(mul(exp(x), sqrt(x)), cbrt(x)), of(8)), 16, 24],
  ];
  for (const [name, { flops, transcendentals, unknownLoops }, wantedFlops, wantedOthers] of cases)
    test(name, () => {
      expect([flops, transcendentals, unknownLoops]).toEqual([wantedFlops, wantedOthers, 0]);
    });
});

describe('loops and branches', () => {
  test('loops with a known number of iterations count that often', () => {
    const once = cost((x: Value) => tanh(x), of(8)).transcendentals;
    expect(once).toBe(8);
    const loop = cost((x: Value) => foriLoop(0, 10, (_: Value, c: Value) => tanh(c), x), of(8));
    expect([loop.transcendentals, loop.unknownLoops]).toEqual([80, 0]);
    const step = (c: Value): readonly [Value, null] => [tanh(c), null];
    const nested = cost(
      (x: Value) =>
        scan((c: Value) => step(foriLoop(0, 3, (_: Value, d: Value) => tanh(d), c)), x, null, {
          length: 5,
        })[0],
      of(8),
    );
    expect([nested.transcendentals, nested.unknownLoops]).toEqual([5 * 4 * 8, 0]);
  });

  test('other loops count once, and are reported; of branches the dearest counts', () => {
    const loop = cost(
      (x: Value) =>
        whileLoop(
          (c: Value) => lt(reduceSum(c, [0]), 100),
          (c: Value) => exp(c),
          x,
        ),
      of(8),
    );
    expect([loop.transcendentals, loop.unknownLoops]).toEqual([8, 1]);
    const branch = cost(
      (x: Value) =>
        cond(
          gt(reduceSum(x, [0]), 0),
          (v: Value) => exp(exp(v)),
          (v: Value) => exp(v),
          x,
        ),
      of(8),
    );
    expect([branch.transcendentals, branch.unknownLoops]).toEqual([16, 0]);
  });

  test('functions that are called twice count twice', () => {
    const f = jit((x: Value) => sin(x));
    expect(cost((x: Value) => f(f(x)), of(8)).transcendentals).toBe(16);
  });
});

describe('compiled for Wasm', () => {
  const before = defaultDevice();
  const wasm = createWasmDevice({ threads: 1 });
  const compiled = <T>(body: () => T): T => {
    setDefaultDevice(wasm);
    try {
      return body();
    } finally {
      setDefaultDevice(before);
    }
  };

  test('one kernel reads its arguments and writes its result; more moves more', () => {
    const f = jit((x: Value, y: Value) => sin(mul(add(x, y), 2)));
    const program = compiled(() => f.lower(of(64), of(64)).compile());
    expect(program.costAnalysis()).toEqual({
      flops: 128,
      transcendentals: 64,
      bytesAccessed: 3 * 256,
      kernels: 1,
      unknownLoops: 0,
    });
    const memory = program.memoryAnalysis();
    expect(memory).toMatchObject({
      argumentBytes: 512,
      outputBytes: 256,
      temporaryBytes: 0,
      aliasBytes: 0,
    });
    expect(memory.codeBytes).toBeGreaterThan(100);
    expect(f.lower(of(64), of(64)).costAnalysis().bytesAccessed).toBeGreaterThan(3 * 256);
  });

  test('temporaries, loops and donation', () => {
    const chain = compiled(() =>
      jit((x: Value) => matmul(matmul(x, x), x))
        .lower(of(32, 32))
        .compile(),
    );
    expect(chain.memoryAnalysis().temporaryBytes).toBe(4096);
    const loop = (n: number): CostAnalysis =>
      compiled(() =>
        jit((x: Value) => foriLoop(0, n, (_: Value, c: Value) => matmul(c, x), x))
          .lower(of(32, 32))
          .compile(),
      ).costAnalysis();
    expect(loop(20).kernels - loop(10).kernels).toBe(10 * (loop(2).kernels - loop(1).kernels));
    expect(loop(20).kernels).toBeGreaterThanOrEqual(20);
    expect(loop(20).flops - loop(10).flops).toBeGreaterThanOrEqual(10 * 2 * 32 ** 3);
    const donating = compiled(() =>
      jit((x: Value) => dynamicUpdateSlice(x, array([7]), [3]), { donateArgnums: 0 })
        .lower(of(64))
        .compile(),
    );
    expect(donating.memoryAnalysis().aliasBytes).toBe(256);
  });
});

test('the interpreter runs ops one by one', () => {
  const program = jit((x: Value) => sin(add(x, x)))
    .lower(of(64))
    .compile();
  expect(program.costAnalysis()).toMatchObject({ kernels: 0, bytesAccessed: 5 * 256 });
  expect(program.memoryAnalysis()).toMatchObject({ argumentBytes: 256, codeBytes: 0 });
});
