// Accuracy of the expansions: worst errors over samples of all f32 values are pinned, for targets with and without fused multiply-add, and for targets
// that may reassociate and lose NaN. The full table stands in docs/numerics.md.
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../core/host.ts';
import type { DType } from '../../core/dtype.ts';
import {
  expandMath,
  expansions,
  isExpanded,
  type ExpandedFn,
  type MathOptions,
} from '../../lowering/math.ts';
import { scalarInfo, type ScalarFn } from '../../lowering/scalar.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import { interpretKernel } from '../../lowering/tile/interpret.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import { verifyKernel } from '../../lowering/tile/verify.ts';
import { Expanded, fromBits, measure, patterns, type Argument } from './math-run.ts';

const targets: Readonly<Record<string, MathOptions>> = {
  fused: { fma: true },
  plain: { fma: false },
  loose: { fma: false, strict: false, nanBits: true },
};

/** Worst errors in ulp, over all targets. */
const bounds: Readonly<Record<ExpandedFn, number>> = {
  exp: 1.4,
  exp2: 1.1,
  expm1: 2.3,
  log: 1.6,
  log2: 1.9,
  log1p: 1.7,
  sin: 1.6,
  cos: 1.6,
  tan: 3.9,
  asin: 2.3,
  acos: 1.3,
  atan: 2.6,
  atan2: 2.8,
  sinh: 2.6,
  cosh: 1.9,
  tanh: 2.5,
  asinh: 2.3,
  acosh: 2.6,
  atanh: 2.7,
  rsqrt: 1.5,
  cbrt: 1.1,
  logistic: 3.3,
  erf: 1.5,
  erfc: 4,
  erfInv: 3,
  pow: 1.4,
  rem: 0,
  nextAfter: 0,
};

const special = [
  0,
  -0,
  1,
  -1,
  2,
  -2,
  3,
  -3,
  0.5,
  -0.5,
  1.5,
  Infinity,
  -Infinity,
  NaN,
  1e-45,
  -1e-45,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  2 ** -126,
  -(2 ** -126),
  2 ** 23,
  2 ** 24,
  1e10,
  -1e10,
  0.99999994,
  1.0000001,
  -0.99999994,
  7,
  -7,
  1e-20,
  1e20,
  1e-7,
  -1e-7,
  1e5,
  -1e5,
  -87,
  88.7,
  89,
  -103.9,
  -104.5,
  300,
  3e38,
];

const pairs = (): readonly [Float32Array, Float32Array] => [
  Float32Array.from(special.flatMap((x) => special.map(() => x))),
  Float32Array.from(special.flatMap(() => special)),
];

/** Pairs of arguments of two functions where something happens. */
function* sample(fn: ExpandedFn): Generator<readonly [Float32Array, Float32Array]> {
  let state = 20261121;
  const bits = (): number => (state = (Math.imul(state, 1664525) + 1013904223) | 0);
  const unit = (): number => (bits() >>> 0) / 2 ** 32;
  yield pairs();
  for (let mode = 0; mode < 4; mode++) {
    const [x, y] = [new Float32Array(2048), new Float32Array(2048)];
    for (let i = 0; i < x.length; i++) {
      x[i] =
        mode === 0
          ? fromBits(bits())
          : mode === 1
            ? Math.exp((unit() - 0.5) * 170)
            : mode === 2
              ? Math.floor(unit() * 200 - 100)
              : 1 + (unit() - 0.5) / 50;
      const reach = fn === 'pow' ? 88 / Math.abs(Math.log(Math.abs(x[i]))) : Math.abs(x[i]);
      y[i] =
        mode === 0
          ? fromBits(bits())
          : mode === 2
            ? Math.floor(unit() * 30 - 15)
            : (unit() * 2 - 1) * reach;
    }
    yield [x, y];
  }
}

function* every(stride: number): Generator<readonly [Float32Array, Float32Array]> {
  const list = Float32Array.from(special);
  yield [list, list];
  for (const x of patterns(stride, 17, 4096)) yield [x, x];
}

describe('accuracy', () => {
  for (const fn of Object.keys(expansions) as ExpandedFn[])
    test(fn, () => {
      for (const [target, options] of Object.entries(targets)) {
        const columns = scalarInfo[fn].arity === 2 ? sample(fn) : every(300_007);
        const worst = measure(fn, options, columns);
        expect(
          worst.ulp,
          `${target}: ${fn}(${worst.x}, ${worst.y}) gave ${worst.got}`,
        ).toBeLessThanOrEqual(bounds[fn]);
      }
    });
  test('exp of what is known to be at most zero', () => {
    const capped: Argument = (b, x) => b.scalar('sub', x, b.scalar('max', x, b.constant(0, 'f32')));
    const negative = function* (): Generator<readonly [Float32Array, Float32Array]> {
      for (const [x] of every(300_007)) {
        const y = x.map((v) => (v > 0 ? -v : v));
        yield [y, y];
      }
      const tail = Float32Array.from({ length: 40_000 }, (_, i) => (-i * 104.5) / 40_000);
      yield [tail, tail];
    };
    for (const [target, options] of Object.entries(targets)) {
      const { ops } = new Expanded('exp', options, capped);
      expect(ops.length - 3).toBeLessThan(new Expanded('exp', options).ops.length);
      const worst = measure('exp', options, negative(), capped);
      const told = `${target}: exp(${worst.x}) gave ${worst.got}`;
      expect(worst.ulp, told).toBeLessThanOrEqual(bounds.exp);
    }
  });
  test('sine and cosine near multiples of π/2', () => {
    for (const fn of ['sin', 'cos', 'tan'] as const)
      for (const options of Object.values(targets)) {
        const x = Float32Array.from({ length: 8192 }, (_, i) =>
          Math.fround((i * 17 * Math.PI) / 2),
        );
        expect(measure(fn, options, [[x, x]]).ulp).toBeLessThanOrEqual(bounds[fn]);
      }
  });
});

describe('expansion', () => {
  test('every function that no target has is expanded, and none that they have', () => {
    const missing = (Object.keys(scalarInfo) as ScalarFn[]).filter((fn) => !scalarInfo[fn].native);
    expect(Object.keys(expansions).toSorted()).toEqual(missing.toSorted());
    expect(isExpanded('exp', 'f64', { fma: false })).toBe(false);
    expect(isExpanded('exp', 'f32', { fma: false, native: new Set<ScalarFn>(['exp']) })).toBe(
      false,
    );
  });

  const kernelOf = (fn: ExpandedFn, dtype: DType, n: number): Kernel =>
    makeKernel({
      name: fn,
      grid: [],
      scratch: [],
      operands: (['x', 'y', 'z'] as const).map((name) => ({
        name,
        dtype,
        shape: [n],
        access: name === 'z' ? ('write' as const) : ('read' as const),
        dims: [{ kind: 'blocked' as const, size: n }],
        indexMap: (b) => [b.int(0)],
      })),
      body: (b, [x, y, z]) =>
        b.store(
          z,
          scalarInfo[fn].arity === 2 ? b.scalar(fn, b.load(x), b.load(y)) : b.scalar(fn, b.load(x)),
        ),
    });

  const run = (
    kernel: Kernel,
    dtype: DType,
    x: readonly number[],
    y: readonly number[],
  ): number[] => {
    const buffers = [
      encode(x, dtype),
      encode(y, dtype),
      encode(
        x.map(() => 0),
        dtype,
      ),
    ];
    interpretKernel(kernel, buffers);
    return [...decode(buffers[2], dtype)].map(Number);
  };

  test('kernels with functions verify, and hold native functions only', () => {
    for (const fn of Object.keys(expansions) as ExpandedFn[])
      for (const options of Object.values(targets)) {
        const kernel = expandMath(kernelOf(fn, 'f32', 4), options);
        verifyKernel(kernel);
        const left = kernel.body.ops.filter(
          (op) => op.kind === 'scalar' && !scalarInfo[op.attrs.fn].native,
        );
        expect(left).toEqual([]);
      }
  });
  test('integers: powers and remainders are exact', () => {
    const x = special
      .filter((v) => Number.isInteger(v) && Math.abs(v) < 2 ** 31)
      .flatMap((v) => [v, v, v, v, v]);
    const y = x.map((_, i) => [0, -1, 3, 31, -(2 ** 31)][i % 5]);
    for (const dtype of ['i32', 'u32', 'i8', 'u16'] as const)
      for (const fn of ['pow', 'rem'] as const) {
        const kernel = kernelOf(fn, dtype, x.length);
        expect(run(expandMath(kernel, { fma: false }), dtype, x, y)).toEqual(
          run(kernel, dtype, x, y),
        );
      }
  });
  test('f16 and bf16 go through f32 and round once', () => {
    const x = [0, -0, 1, 0.1, -3.5, 70, Infinity, NaN];
    for (const dtype of ['f16', 'bf16'] as const)
      for (const fn of ['exp', 'tanh', 'nextAfter', 'log1p'] as const) {
        const y = x.map((v) => v + 1);
        const kernel = kernelOf(fn, dtype, x.length);
        expect(run(expandMath(kernel, { fma: false }), dtype, x, y)).toEqual(
          run(kernel, dtype, x, y),
        );
      }
  });
  test('sine and cosine of one argument share their reduction', () => {
    const count = (fns: readonly ExpandedFn[]): number => {
      const kernel = makeKernel({
        name: 'both',
        grid: [],
        scratch: [],
        operands: ['x', 'y', 'z'].map((name) => ({
          name,
          dtype: 'f32' as const,
          shape: [4],
          access: name === 'x' ? ('read' as const) : ('write' as const),
          dims: [{ kind: 'blocked' as const, size: 4 }],
          indexMap: (b) => [b.int(0)],
        })),
        body: (b, refs) =>
          fns.forEach((fn, i) => b.store(refs[i + 1], b.scalar(fn, b.load(refs[0])))),
      });
      return expandMath(kernel, { fma: true }).body.ops.length;
    };
    expect(count(['sin', 'cos']) - count(['sin'])).toBeLessThan(20);
    expect(
      new Expanded('exp', { fma: true }).ops.filter((op) => op.kind !== 'constant').length,
    ).toBeLessThan(30);
  });
});
