// The laws on random well-typed programs, and on transformations nested in random order. Every value of a program is f64[2,3], so that
// any operation fits any operand; operations change the shape inside and come back. A failure prints the program.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NDArray } from '../../core/array.ts';
import { withConfig } from '../../core/config.ts';
import type { Value } from '../../core/value.ts';
import * as lax from '../../lax/index.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import { jvpFlat } from '../../transforms/jvp.ts';
import { linearize } from '../../transforms/forward.ts';
import { batchFlat } from '../../transforms/vmap-trace.ts';
import { batchTo } from '../../lax/structure.ts';
import { randomFrom } from '../cases/case.ts';
import { arrayOf, bitsOf, expectClose, listOf, numbersOf, stack } from './harness.ts';

const shape = [2, 3];
const back = { offsetDims: [1], collapsedSliceDims: [0], startIndexMap: [0] };
const into = { updateWindowDims: [1], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };
const rowOf = (k: number): Value => lax.full([1, 1], k % 2, 'i32');

/** Operations on two values of the shape and a small number; results stay in a range where differences are accurate. */
const operations: Readonly<Record<string, (a: Value, b: Value, k: number) => Value>> = {
  sin: (a) => lax.sin(a),
  tanh: (a) => lax.tanh(a),
  logistic: (a) => lax.logistic(a),
  square: (a) => lax.sin(lax.square(a)),
  exp: (a) => lax.exp(lax.neg(lax.square(a))),
  sqrt: (a) => lax.sqrt(lax.add(lax.square(a), 1)),
  div: (a, b) => lax.div(a, lax.add(lax.square(b), 1)),
  pow: (a, _b, k) => lax.integerPow(lax.sin(a), k + 1),
  erf: (a) => lax.erf(a),
  atan2: (a, b) => lax.atan2(a, lax.add(lax.square(b), 1)),
  add: (a, b) => lax.sin(lax.add(a, b)),
  sub: (a, b) => lax.sin(lax.sub(a, b)),
  mul: (a, b) => lax.sin(lax.mul(a, b)),
  'add a scalar': (a, b) => lax.sin(lax.add(a, lax.reduceSum(b))),
  max: (a, b) => lax.max(a, b),
  clamp: (a) => lax.clamp(-0.71, a, 0.83),
  select: (a, b) => lax.select(lax.gt(a, 0.123), a, lax.sin(b)),
  stop: (a, b) => lax.mul(lax.stopGradient(lax.sin(a)), lax.sin(b)),
  'sum over rows': (a) => lax.sin(lax.broadcastInDim(lax.reduceSum(a, 0), shape, [1])),
  'max over columns': (a) => lax.sin(lax.broadcastInDim(lax.reduceMax(a, 1), shape, [0])),
  prod: (a) => lax.sin(lax.broadcastInDim(lax.reduceProd(a, 1), shape, [0])),
  cumsum: (a, _b, k) => lax.sin(lax.cumsum(a, k % 2, k > 1)),
  cumprod: (a) => lax.cumprod(a, 1),
  transpose: (a) => lax.reshape(lax.transpose(a), shape),
  rev: (a, _b, k) => lax.rev(a, k % 2),
  concatenate: (a, b) => lax.slice(lax.concatenate([a, b], 0), [1, 0], [3, 3]),
  pad: (a, b) =>
    lax.slice(
      lax.pad(a, lax.reduceMax(lax.sin(b)), [
        [1, 0, 1],
        [0, 1, 0],
      ]),
      [0, 1],
      [2, 4],
    ),
  strided: (a, b) => lax.slice(lax.concatenate([a, b], 1), [0, 0], [2, 6], [1, 2]),
  dot: (a, b) =>
    lax.sin(
      lax.dotGeneral(
        lax.dotGeneral(a, b, [
          [[1], [1]],
          [[], []],
        ]),
        a,
        [
          [[1], [0]],
          [[], []],
        ],
      ),
    ),
  'dynamic slice': (a, b, k) =>
    lax.dynamicSlice(lax.concatenate([a, b], 0), [lax.full([], k, 'i32'), 0], shape),
  'dynamic update': (a, b, k) => lax.dynamicUpdateSlice(a, lax.slice(b, [0, 0], [1, 2]), [0, k]),
  gather: (a, _b, k) => lax.broadcastInDim(lax.gather(a, rowOf(k), back, [1, 3]), shape, [0, 1]),
  scatter: (a, b, k) => lax.scatterAdd(a, rowOf(k), lax.slice(b, [0, 0], [1, 3]), into),
  sort: (a) => lax.sort(a),
};

interface Instruction {
  readonly op: string;
  readonly a: number;
  readonly b: number;
  readonly k: number;
}

const programs = fc.record({
  code: fc.array(
    fc.record({
      op: fc.constantFrom(...Object.keys(operations)),
      a: fc.nat(7),
      b: fc.nat(7),
      k: fc.nat(3),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

/** A program as a function of two values. */
const runnable =
  (code: readonly Instruction[]) =>
  (xs: readonly Value[]): readonly Value[] => {
    const pool = [...xs];
    for (const { op, a, b, k } of code)
      pool.push(operations[op](pool[a % pool.length], pool[b % pool.length], k));
    return [pool[pool.length - 1]];
  };

function inputs(seed: number): NDArray[] {
  const random = randomFrom(seed);
  return [0, 1].map(() =>
    arrayOf(
      Array.from({ length: 6 }, () => 2 * random() - 1),
      shape,
      'f64',
    ),
  );
}

type Flat = (xs: readonly Value[]) => readonly Value[];

const jitted =
  (f: Flat): Flat =>
  (xs) =>
    listOf(jit((...vs: Value[]) => [...f(vs)])(...xs));

const derivative =
  (f: Flat, ts: readonly Value[]): Flat =>
  (xs) =>
    jvpFlat(f, xs, ts)[1].map((t, i) => t ?? lax.zerosLike(f(xs)[i]));

const pulled =
  (f: Flat): Flat =>
  (xs) => {
    const { outs, pullback } = vjpFlat(f, xs);
    return pullback(outs).map((t, i) => t ?? lax.zerosLike(xs[i]));
  };

const mapped =
  (f: Flat, dims: readonly (number | null)[]): Flat =>
  (xs) => {
    const [outs, outDims] = batchFlat(f, { size: 2, name: undefined }, xs, dims);
    return outs.map((out, i) => batchTo(out, outDims[i], 0, 2));
  };

/** `stopGradient` has no derivative that differences could see; the other laws take it in. */
const withoutStop = programs.map(({ code, seed }) => ({
  code: code.map((step) => (step.op === 'stop' ? { ...step, op: 'sin' } : step)),
  seed,
}));

const check = (
  name: string,
  law: (f: Flat, xs: readonly NDArray[], seed: number) => void,
  from: typeof programs = programs,
): void =>
  test(name, () => {
    withConfig({ enableX64: true }, () => {
      fc.assert(
        fc.property(from, ({ code, seed }) => law(runnable(code), inputs(seed), seed)),
        {
          numRuns: Math.min(60, Number(process.env['PALLADIA_RUNS'] ?? 60)),
        },
      );
    });
  });

const same = (a: readonly Value[], b: readonly Value[], rtol: number, what: string): void => {
  expect(a.length).toBe(b.length);
  expectClose(a.flatMap(numbersOf), b.flatMap(numbersOf), { rtol, atol: rtol, what });
};

const moved = (xs: readonly NDArray[], ts: readonly NDArray[], h: number): NDArray[] =>
  xs.map((x, i) => {
    const t = numbersOf(ts[i]);
    return arrayOf(
      numbersOf(x).map((v, k) => v + h * t[k]),
      x.shape,
      'f64',
    );
  });

describe('random programs', () => {
  check('jit = eager, bit for bit', (f, xs) => {
    expect(jitted(f)(xs).map(bitsOf)).toEqual(f(xs).map(bitsOf));
  });

  check(
    'jvp = differences',
    (f, xs, seed) => {
      const ts = inputs(seed + 1);
      const h = 1e-6;
      const [ahead, behind] = [moved(xs, ts, h), moved(xs, ts, -h)].map((v) =>
        f(v).flatMap(numbersOf),
      );
      const wanted = ahead.map((v, i) => (v - behind[i]) / (2 * h));
      expectClose(derivative(f, ts)(xs).flatMap(numbersOf), wanted, {
        rtol: 1e-4,
        atol: 1e-5,
        what: 'jvp',
      });
    },
    withoutStop,
  );

  check('⟨vjp ct, t⟩ = ⟨ct, jvp t⟩', (f, xs, seed) => {
    const ts = inputs(seed + 1);
    const dot = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((n, v, i) => n + v * b[i], 0);
    const left = dot(pulled(f)(xs).flatMap(numbersOf), ts.flatMap(numbersOf));
    const right = dot(f(xs).flatMap(numbersOf), derivative(f, ts)(xs).flatMap(numbersOf));
    expectClose([left], [right], { rtol: 1e-9, atol: 1e-9, what: 'vjp' });
  });

  check('linearize = jvp', (f, xs, seed) => {
    const ts = inputs(seed + 1);
    const [, push] = linearize((a: Value, b: Value) => [...f([a, b])], xs[0], xs[1]);
    same(push(ts[0], ts[1]), derivative(f, ts)(xs), 1e-12, 'linearize');
  });

  check('vmap = loop', (f, xs, seed) => {
    const ys = inputs(seed + 2);
    const lanes = [xs, ys];
    const both = mapped(f, [0, 2])([stack([xs[0], ys[0]], 0), stack([xs[1], ys[1]], 2)]);
    same(
      both,
      [
        stack(
          lanes.map((v) => f(v)[0] as NDArray),
          0,
        ),
      ],
      1e-12,
      'both batched',
    );
    const one = mapped(f, [null, 1])([xs[0], stack([xs[1], ys[1]], 1)]);
    same(
      one,
      [
        stack(
          [xs[1], ys[1]].map((y) => f([xs[0], y])[0] as NDArray),
          0,
        ),
      ],
      1e-12,
      'one batched',
    );
  });

  check('nestings agree: vmap, jit, jvp and vjp in either order', (f, xs, seed) => {
    const ys = inputs(seed + 2);
    const batchedXs = xs.map((x, i) => stack([x, ys[i]], 0));
    const ts = inputs(seed + 3);
    const loop = (g: Flat): readonly Value[] => {
      const [first, second] = [g(xs), g(ys)];
      return first.map((out, i) => stack([out as NDArray, second[i] as NDArray], 0));
    };
    const wanted = loop(pulled(f));
    same(mapped(pulled(f), [0, 0])(batchedXs), wanted, 1e-11, 'vmap of vjp');
    same(mapped(jitted(pulled(f)), [0, 0])(batchedXs), wanted, 1e-11, 'vmap of jit of vjp');
    same(
      jitted(mapped(pulled(jitted(f)), [0, 0]))(batchedXs),
      wanted,
      1e-11,
      'jit of vmap of vjp of jit',
    );
    const second = derivative(pulled(f), ts);
    same(mapped(second, [0, 0])(batchedXs), loop(second), 1e-10, 'vmap of jvp of vjp');
    same(jitted(second)(xs), second(xs), 1e-11, 'jit of jvp of vjp');
    same(pulled(mapped(f, [0, 0]))(batchedXs), wanted, 1e-11, 'vjp of vmap');
  });
});
