/** The kernel library against plain arithmetic on the host, values and gradients, odd sizes included. */
import { describe, expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { registerDevice } from '../../core/backend.ts';
import '../../core/jaxpr-print.ts';
import type { Value } from '../../core/value.ts';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import { runSchedule } from '../../backends/interpreter/schedule.ts';
import { add as plus, div, mul, sub } from '../../lax/arithmetic.ts';
import { exp, log } from '../../lax/transcendental.ts';
import { le, select } from '../../lax/comparison.ts';
import { broadcastedIota, full } from '../../lax/creation.ts';
import { convertElementType } from '../../lax/convert.ts';
import { dotGeneral } from '../../lax/dot.ts';
import { reduceMax } from '../../lax/reduction.ts';
import { broadcastInDim, reduceSum, transpose } from '../../lax/structure.ts';
import { compileModule } from '../../lowering/compile.ts';
import { parseModule } from '../../lowering/hlo/parse.ts';
import * as ops from '../../pallas/ops/index.ts';
import '../../transforms/eval.ts';
import { grad } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';

registerDevice(new InterpreterDevice());

let state = 7;
const random = (...shape: number[]): NDArray => {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return NDArray.fromHost(data, shape, 'f32');
};
const values = (x: unknown): number[] => Array.from((x as NDArray).dataSync() as Float32Array);
function close(a: unknown, b: unknown, tolerance = 2e-5): void {
  const [got, want] = [values(a), values(b)];
  expect(got.length).toBe(want.length);
  got.forEach((x, i) => {
    if (!(Math.abs(x - want[i]) <= tolerance * (1 + Math.abs(want[i]))))
      expect.fail(`element ${i}: got ${x}, wanted ${want[i]}`);
  });
}

const softmaxRows = (x: Value): Value => {
  const [m, n] = x.shape;
  const e = exp(sub(x, broadcastInDim(reduceMax(x, [1]), [m, n], [0])));
  return div(e, broadcastInDim(reduceSum(e, [1]), [m, n], [0]));
};

const plainAttention =
  (causal: boolean) =>
  (q: Value, k: Value, v: Value): Value => {
    const s = mul(
      dotGeneral(q, k, [
        [[1], [1]],
        [[], []],
      ]),
      1 / Math.sqrt(q.shape[1]),
    );
    const shape = s.shape;
    const seen = causal
      ? select(
          le(broadcastedIota('i32', shape, 1), broadcastedIota('i32', shape, 0)),
          s,
          full(shape, -1e30),
        )
      : s;
    return dotGeneral(softmaxRows(seen), v, [
      [[1], [0]],
      [[], []],
    ]);
  };

describe('flashAttention', () => {
  for (const causal of [false, true])
    for (const [s, d, blockQ, blockK] of [
      [8, 4, 4, 4],
      [7, 3, 4, 4],
      [5, 4, 8, 8],
      [9, 2, 4, 2],
    ])
      test(`${s} positions of depth ${d}, blocks ${blockQ} × ${blockK}${causal ? ', causal' : ''}`, () => {
        const [q, k, v, w] = [random(s, d), random(s, d), random(s, d), random(s, d)];
        const kernel = (a: Value, b: Value, c: Value): Value =>
          ops.flashAttention(a, b, c, { causal, blockQ, blockK });
        close(kernel(q, k, v), plainAttention(causal)(q, k, v));
        const loss =
          (f: (a: Value, b: Value, c: Value) => Value) => (a: Value, b: Value, c: Value) =>
            reduceSum(mul(f(a, b, c), w));
        const got = grad(loss(kernel), { argnums: [0, 1, 2] })(q, k, v);
        const want = grad(loss(plainAttention(causal)), { argnums: [0, 1, 2] })(q, k, v);
        got.forEach((g, i) => close(g, want[i], 1e-4));
      });
  test('vmapped twice: one pallas_call with two leading grid axes', () => {
    const [q, k, v] = [random(2, 3, 5, 4), random(2, 3, 5, 4), random(2, 3, 5, 4)];
    const mapped = vmap(
      vmap((a: Value, b: Value, c: Value) => ops.flashAttention(a, b, c, { blockQ: 2 })),
    );
    const plain = vmap(vmap(plainAttention(false)));
    close(jit(mapped)(q, k, v), jit(plain)(q, k, v));
    const text = makeJaxpr(mapped)(q, k, v).toString();
    expect(text.match(/pallas_call\[/g)?.length).toBe(1);
    expect(text).toContain('grid=(2, 3, 3)');
    const gradient = makeJaxpr(grad((a: Value, b: Value, c: Value) => reduceSum(mapped(a, b, c))))(
      q,
      k,
      v,
    ).toString();
    expect(gradient).toContain('name=flash_attention_dq');
  });
});

describe('matmul', () => {
  for (const [m, k, n, block] of [
    [4, 4, 4, 4],
    [5, 7, 3, 2],
    [1, 9, 1, 4],
    [6, 5, 4, 16],
  ])
    test(`${m} × ${k} × ${n}, blocks of ${block}`, () => {
      const [x, y] = [random(m, k), random(k, n)];
      const plain = (a: Value, b: Value): Value =>
        dotGeneral(a, b, [
          [[1], [0]],
          [[], []],
        ]);
      const kernel = (a: Value, b: Value): Value =>
        ops.matmul(a, b, { blockM: block, blockK: block, blockN: block });
      close(kernel(x, y), plain(x, y));
      const loss = (f: (a: Value, b: Value) => Value) => (a: Value, b: Value) =>
        reduceSum(mul(f(a, b), f(a, b)));
      const got = grad(loss(kernel), { argnums: [0, 1] })(x, y);
      grad(loss(plain), { argnums: [0, 1] })(x, y).forEach((g, i) => close(got[i], g, 1e-4));
    });
});

describe('rows', () => {
  test('softmax and its gradient, any rank', () => {
    const [x, w] = [random(3, 5, 7), random(3, 5, 7)];
    const plain = (v: Value): Value => vmap(softmaxRows)(v);
    close(ops.softmax(x, { blockRows: 4 }), plain(x));
    const got = grad((v: Value) => reduceSum(mul(ops.softmax(v, { blockRows: 4 }), w)))(x);
    close(got, grad((v: Value) => reduceSum(mul(plain(v), w)))(x));
  });
  test('layer norm and its gradients', () => {
    const [x, scale, shift, w] = [random(5, 6), random(6), random(6), random(5, 6)];
    const plain = (a: Value, s: Value, t: Value): Value => {
      const spread = (v: Value): Value => broadcastInDim(v, [5, 6], [0]);
      const row = (v: Value): Value => broadcastInDim(v, [5, 6], [1]);
      const centred = sub(a, spread(div(reduceSum(a, [1]), 6)));
      const variance = div(reduceSum(mul(centred, centred), [1]), 6);
      const normal = div(centred, spread(exp(mul(0.5, log(plus(variance, 1e-5))))));
      return plus(mul(normal, row(s)), row(t));
    };
    const kernel = (a: Value, s: Value, t: Value): Value =>
      ops.layerNorm(a, s, t, { blockRows: 2 });
    close(kernel(x, scale, shift), plain(x, scale, shift), 1e-4);
    const loss = (f: typeof plain) => (a: Value, s: Value, t: Value) =>
      reduceSum(mul(f(a, s, t), w));
    const got = grad(loss(kernel), { argnums: [0, 1, 2] })(x, scale, shift);
    grad(loss(plain), { argnums: [0, 1, 2] })(x, scale, shift).forEach((g, i) =>
      close(got[i], g, 1e-3),
    );
  });
});

describe('flashAttention at the limits of f32', () => {
  const column = (...xs: number[]): NDArray =>
    NDArray.fromHost(Float32Array.from(xs), [xs.length, 1], 'f32');
  const wide = { blockK: 2 };
  test('scores of -Infinity weigh nothing, and alone they give NaN', () => {
    const [ones, v] = [column(1, 1, 1), column(5, 6, 7)];
    const keys = column(-Infinity, -Infinity, 1);
    expect(values(ops.flashAttention(ones, keys, v, wide))).toEqual([7, 7, 7]);
    const none = column(-Infinity, -Infinity, -Infinity);
    expect(values(ops.flashAttention(ones, none, v, wide))).toEqual([NaN, NaN, NaN]);
  });
  test('a position whose own score is -Infinity does not see the ones behind it', () => {
    const [ones, v] = [column(1, 1, 1), column(5, 6, 7)];
    const keys = column(-Infinity, 1, -Infinity);
    const seen = ops.flashAttention(ones, keys, v, { causal: true, ...wide });
    expect(values(seen)).toEqual([NaN, 6, 6]);
  });
  test('scores far below those that real arrays have', () => {
    const q = column(1e16, 1e16);
    const out = ops.flashAttention(q, column(-2e16, -1e16, -3e16), column(5, 6, 7), wide);
    expect(values(out)).toEqual([6, 6]);
  });
});

describe('types and sizes', () => {
  test('f16 and bf16 are computed as f32', () => {
    for (const dtype of ['f16', 'bf16'] as const) {
      const half = (...shape: number[]): Value => convertElementType(random(...shape), dtype);
      const as32 = (x: Value): Value => convertElementType(x, 'f32');
      const [q, k, scale] = [half(5, 4), half(3, 4), half(4)];
      for (const f of [
        (a: Value, b: Value) => ops.flashAttention(a, b, b, { causal: true }),
        (a: Value, b: Value) => ops.matmul(a, transpose(b), { blockK: 2 }),
        (a: Value) => ops.softmax(a),
        (a: Value) => ops.layerNorm(a, scale, scale),
      ]) {
        const got = f(q, k);
        expect(got.dtype).toBe(dtype);
        close(as32(got), as32(convertElementType(f(as32(q), as32(k)), dtype)), 1e-2);
        const gradient = grad((a: Value) => reduceSum(as32(f(a, k))))(q);
        expect(gradient.dtype).toBe(dtype);
        close(as32(gradient), grad((a: Value) => reduceSum(f(a, as32(k))))(as32(q)), 0.05);
      }
    }
  });
  test('arrays without elements', () => {
    for (const [m, k, n] of [
      [0, 3, 2],
      [3, 0, 2],
      [3, 2, 0],
    ]) {
      const product = ops.matmul(random(m, k), random(k, n));
      expect(product.shape).toEqual([m, n]);
      expect(values(product)).toEqual(Array.from({ length: m * n }, () => 0));
    }
    expect(ops.softmax(random(3, 0)).shape).toEqual([3, 0]);
    expect(ops.flashAttention(random(0, 4), random(3, 4), random(3, 4)).shape).toEqual([0, 4]);
    const none = ops.flashAttention(random(2, 1), random(0, 1), random(0, 1));
    expect(values(none)).toEqual([0, 0]);
  });
});

test('the compiled kernels mean what their emulation means', () => {
  const cpu = {
    kind: 'wasm',
    maxOperands: 24,
    parallelism: 2,
    subgroupSize: 1,
    fallback: false,
    workgroupBytes: Infinity,
    exact: true,
  } as const;
  const inputs = [random(2, 7, 4), random(2, 7, 4), random(2, 7, 4)];
  const attention = vmap((a: Value, b: Value, c: Value) =>
    ops.flashAttention(a, b, c, { causal: true, blockQ: 4, blockK: 4 }),
  );
  const gradient = grad((a: Value, b: Value, c: Value) => reduceSum(mul(attention(a, b, c), a)), {
    argnums: [0, 1, 2],
  });
  const module = parseModule(jit(gradient).lower(inputs[0], inputs[1], inputs[2]).asText());
  const schedule = compileModule(module, cpu);
  const bytes = inputs.map((x) => new Uint8Array((x.dataSync() as Float32Array).slice().buffer));
  const got = runSchedule(schedule, bytes);
  const want = gradient(inputs[0], inputs[1], inputs[2]);
  got.forEach((out, i) =>
    close(NDArray.fromHost(new Float32Array(out.slice().buffer), [2, 7, 4], 'f32'), want[i], 1e-4),
  );
});
