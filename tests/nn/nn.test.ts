/** Functions of neural networks: values against formulas in double precision, derivatives against differences and JAX's conventions. */
import { grad, jit, jvp, valueAndGrad, vmap, type Value } from 'palladia';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as random from 'palladia/random';
import { describe, expect, test } from 'vitest';
import { failure, numbers } from '../entry/readings.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clip = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const tanhCdf = (x: number): number =>
  0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const scale = 1.0507009873554805;
const alpha = 1.6732632423543772;

const activations: Readonly<Record<string, readonly [(x: Value) => Value, (x: number) => number]>> =
  {
    relu: [nn.relu, (x) => Math.max(x, 0)],
    relu6: [nn.relu6, (x) => clip(x, 0, 6)],
    sigmoid: [nn.sigmoid, sigmoid],
    softplus: [nn.softplus, softplus],
    softSign: [nn.softSign, (x) => x / (1 + Math.abs(x))],
    silu: [nn.silu, (x) => x * sigmoid(x)],
    swish: [nn.swish, (x) => x * sigmoid(x)],
    tanh: [nn.tanh, Math.tanh],
    gelu: [nn.gelu, (x) => x * tanhCdf(x)],
    leakyRelu: [nn.leakyRelu, (x) => (x >= 0 ? x : 0.01 * x)],
    elu: [nn.elu, (x) => (x > 0 ? x : Math.expm1(x))],
    celu: [(x) => nn.celu(x, 2), (x) => (x > 0 ? x : 2 * Math.expm1(x / 2))],
    selu: [nn.selu, (x) => scale * (x > 0 ? x : alpha * Math.expm1(x))],
    hardTanh: [nn.hardTanh, (x) => clip(x, -1, 1)],
    hardSigmoid: [nn.hardSigmoid, (x) => clip(x + 3, 0, 6) / 6],
    hardSilu: [nn.hardSilu, (x) => (x * clip(x + 3, 0, 6)) / 6],
    logSigmoid: [nn.logSigmoid, (x) => -softplus(-x)],
    mish: [nn.mish, (x) => x * Math.tanh(softplus(x))],
    squareplus: [nn.squareplus, (x) => 0.5 * (x + Math.sqrt(x * x + 4))],
  };
const points = [-30, -7.3, -2.9, -1.1, -0.4, 0.3, 0.9, 2.2, 5.7, 7.1, 40];

describe('activations', () => {
  for (const [name, [f, formula]] of Object.entries(activations))
    test(name, () => {
      const x = np.array(points);
      numbers(f(x)).forEach((y, i) => {
        const wanted = formula(points[i]);
        expect(Math.abs(y - wanted)).toBeLessThan(2e-6 * Math.max(1, Math.abs(wanted)));
      });
      const slope = numbers(jit(vmap(grad(f)))(x));
      points.forEach((p, i) => {
        const h = 1e-5;
        const wanted = (formula(p + h) - formula(p - h)) / (2 * h);
        expect(Math.abs(slope[i] - wanted)).toBeLessThan(5e-5 * Math.max(1, Math.abs(wanted)));
      });
    });

  test('gelu without approximation', () => {
    const wanted = [-0.15865525, 0, 0.8413447, 1.9544997];
    numbers(nn.gelu(np.array([-1, 0, 1, 2]), { approximate: false })).forEach((y, i) =>
      expect(y).toBeCloseTo(wanted[i], 6),
    );
  });

  test('derivatives at corners are those of JAX', () => {
    expect(numbers(vmap(grad(nn.relu))(np.array([-1, 0, 1, NaN])))).toEqual([0, 0, 1, 0]);
    for (const f of [nn.elu, nn.celu, nn.selu])
      expect(grad((x: Value) => f(x))(NaN).item()).toBeNaN();
    expect(numbers(vmap(grad(nn.relu6))(np.array([0, 3, 6, 7])))).toEqual([0, 1, 0, 0]);
    expect(numbers(grad(nn.softplus)(0))).toEqual([0.5]);
    expect(numbers(grad(nn.leakyRelu)(0))).toEqual([1]);
    expect(numbers(grad(nn.elu)(0))).toEqual([1]);
    // No infinity of the branch that is not taken reaches the derivative.
    expect(numbers(grad(nn.elu)(1000))).toEqual([1]);
    expect(numbers(grad(nn.selu)(1000))[0]).toBeCloseTo(scale, 6);
    expect(numbers(grad(nn.softplus)(1000))).toEqual([1]);
  });

  test('special values', () => {
    expect(numbers(nn.relu(np.array([NaN, -Infinity, Infinity])))).toEqual([NaN, 0, Infinity]);
    expect(numbers(nn.sigmoid(np.array([-1000, 1000])))).toEqual([0, 1]);
    expect(numbers(nn.softplus(np.array([-1000, 1000])))).toEqual([0, 1000]);
    expect(numbers(nn.logSigmoid(np.array([-1000, 1000])))).toEqual([-1000, -0]);
    expect(nn.relu(np.array([-1, 2], 'i32')).dtype).toBe('i32');
    expect(nn.gelu(np.array([1, 2], 'i32')).dtype).toBe('f32');
    expect(nn.relu(np.zeros([0, 3])).shape).toEqual([0, 3]);
  });

  test('second derivatives pass through the rules of relu', () => {
    expect(numbers(grad(grad((x: Value) => np.square(nn.relu(x))))(3))).toEqual([2]);
    expect(numbers(jvp(grad(nn.relu), [2], [1])[1])).toEqual([0]);
  });

  test('integers and truth values have the types that JAX gives them', () => {
    const integers = np.array([-3, 0, 1, 9], 'i32');
    const truths = np.array([false, true]);
    const facts = (x: Value): unknown[] => [x.dtype, ...numbers(x)];
    expect(facts(nn.relu(integers))).toEqual(['i32', 0, 0, 1, 9]);
    expect(facts(nn.relu(truths))).toEqual(['i32', 0, 1]);
    expect(facts(nn.relu6(integers))).toEqual(['f32', 0, 0, 1, 6]);
    expect(facts(nn.relu6(truths))).toEqual(['f32', 0, 1]);
    expect(facts(nn.hardTanh(integers))).toEqual(['i32', -1, 0, 1, 1]);
    expect(facts(nn.hardTanh(truths))).toEqual(['i32', 0, 1]);
    expect(facts(nn.hardTanh(np.array([0, 1, 9], 'u8')))).toEqual(['u8', 0, 1, 1]);
  });

  test('glu', () => {
    expect(numbers(nn.glu(np.array([1, 2, 0, 0])))).toEqual([0.5, 1]);
    expect(nn.glu(np.zeros([4, 3]), 0).shape).toEqual([2, 3]);
    expect(failure(() => nn.glu(np.zeros([3])))).toBe(
      'ShapeError: glu: the axis must have an even size; got f32[3] (axis 0). Pad it.',
    );
  });
});

const rows = random.normal(random.key(5), [4, 7]);

describe('softmax and its relatives', () => {
  const table = rows.jsSync() as number[][];
  const exps = table.map((row) => row.map(Math.exp));
  const sums = exps.map((row) => row.reduce((a, b) => a + b));

  test('softmax, logSoftmax, logsumexp', () => {
    const soft = numbers(nn.softmax(rows));
    const logs = numbers(nn.logSoftmax(rows));
    exps.flat().forEach((e, i) => {
      const wanted = e / sums[Math.floor(i / 7)];
      expect(soft[i]).toBeCloseTo(wanted, 6);
      expect(logs[i]).toBeCloseTo(Math.log(wanted), 5);
    });
    numbers(nn.logsumexp(rows, { axis: 1 })).forEach((x, i) =>
      expect(x).toBeCloseTo(Math.log(sums[i]), 5),
    );
    expect(
      nn
        .softmax(rows, { axis: [0, 1] })
        .sum()
        .item(),
    ).toBeCloseTo(1, 6);
    expect(nn.softmax(rows, 0).sum(0).shape).toEqual([7]);
    expect(nn.logsumexp(rows).item()).toBeCloseTo(Math.log(sums.reduce((a, b) => a + b)), 5);
    expect(nn.logsumexp(rows, { axis: 0, keepdims: true }).shape).toEqual([1, 7]);
  });

  test('large elements do not overflow', () => {
    expect(numbers(nn.softmax(np.array([1e30, 0])))).toEqual([1, 0]);
    expect(numbers(nn.logSoftmax(np.array([1e4, 0])))).toEqual([0, -1e4]);
    expect(nn.logsumexp(np.array([1e4, 1e4])).item()).toBeCloseTo(1e4 + Math.LN2, 2);
    expect(nn.logsumexp(np.array([-Infinity, -Infinity])).item()).toBe(-Infinity);
    expect(nn.logsumexp(np.array([Infinity, 0])).item()).toBe(Infinity);
    expect(nn.logsumexp(np.zeros([0])).item()).toBe(-Infinity);
  });

  test('masks and factors', () => {
    const where = np.array([true, false, true]);
    const soft = numbers(nn.softmax(np.array([1, 100, 1]), { where }));
    expect(soft).toEqual([0.5, 0, 0.5]);
    const x = np.array([0, 1000, 0]);
    expect(nn.logsumexp(x, { where }).item()).toBeCloseTo(Math.LN2, 6);
    expect(nn.logsumexp(x, { b: np.array([2, 0, 1]) }).item()).toBeCloseTo(Math.log(3), 6);
  });

  test('derivatives', () => {
    const weights = random.normal(random.key(6), [4, 7]);
    const soft = nn.softmax(rows);
    const inner = np.sum(np.multiply(soft, weights), { axis: -1, keepdims: true });
    const wanted = numbers(np.multiply(soft, np.subtract(weights, inner)));
    const got = grad((x: Value) => np.sum(np.multiply(nn.softmax(x), weights)))(rows);
    numbers(got).forEach((g, i) => expect(g).toBeCloseTo(wanted[i], 6));
    numbers(grad((x: Value) => nn.logsumexp(x, { axis: 1 }).sum())(rows)).forEach((g, i) =>
      expect(g).toBeCloseTo(numbers(soft)[i], 6),
    );
    const sums2 = numbers(grad((x: Value) => nn.logSoftmax(x).sum())(rows));
    sums2.forEach((g, i) => expect(g).toBeCloseTo(1 - 7 * numbers(soft)[i], 5));
  });
});

describe('standardize, oneHot', () => {
  test('standardize gives rows mean 0 and variance 1', () => {
    const y = nn.standardize(np.add(np.multiply(rows, 3), 1e3));
    numbers(np.mean(y, 1)).forEach((m) => expect(Math.abs(m)).toBeLessThan(1e-4));
    numbers(np.var(y, 1)).forEach((v) => expect(v).toBeCloseTo(1, 3));
    expect(numbers(nn.standardize(np.full([3], 7)))).toEqual([0, 0, 0]);
  });

  test('oneHot', () => {
    const x = np.array([1, 3, -1], 'i32');
    expect(nn.oneHot(x, 3).jsSync()).toEqual([
      [0, 1, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(nn.oneHot(x, 4, { axis: 0 }).shape).toEqual([4, 3]);
    expect(nn.oneHot(x, 4, { dtype: 'i32' }).dtype).toBe('i32');
    expect(numbers(jit((i: Value) => nn.oneHot(i, 2))(np.int32(1)))).toEqual([0, 1]);
    expect(failure(() => nn.oneHot(x, 1.5))).toBe(
      'ArgumentError: oneHot: the number of classes must be a non-negative integer; got 1.5. It is a size: compute it with JavaScript numbers.',
    );
  });
});

describe('dotProductAttention', () => {
  const [B, T, S, N, H] = [2, 3, 5, 2, 4];
  const [q, k, v] = [T, S, S].map((n, i) => random.normal(random.key(i), [B, n, N, H]));

  function reference(causal: boolean, mask?: (t: number, s: number) => boolean): number[] {
    const [a, b, c] = [q, k, v].map((x) => x.jsSync() as number[][][][]);
    const out: number[] = [];
    for (let i = 0; i < B; i++)
      for (let t = 0; t < T; t++)
        for (let n = 0; n < N; n++) {
          const seen = (s: number): boolean => (!causal || s <= t) && (mask?.(t, s) ?? true);
          const weight = Array.from({ length: S }, (_, s) => {
            const dot = a[i][t][n].reduce((sum, x, h) => sum + x * b[i][s][n][h], 0);
            return seen(s) ? Math.exp(dot / Math.sqrt(H)) : 0;
          });
          const total = weight.reduce((x, y) => x + y);
          for (let h = 0; h < H; h++)
            out.push(weight.reduce((sum, w, s) => sum + (w / total) * c[i][s][n][h], 0));
        }
    return out;
  }
  const near = (got: Value, wanted: readonly number[]): void => {
    expect(got.shape).toEqual([B, T, N, H]);
    numbers(got).forEach((x, i) => expect(x).toBeCloseTo(wanted[i], 5));
  };

  test('equals the formula, causal and masked too', () => {
    near(nn.dotProductAttention(q, k, v), reference(false));
    near(nn.dotProductAttention(q, k, v, { isCausal: true }), reference(true));
    const mask = np.array([true, false, true, true, false]);
    near(
      nn.dotProductAttention(q, k, v, { mask }),
      reference(false, (_, s) => s !== 1 && s !== 4),
    );
    const bias = np.where(mask, 0, -1e9);
    near(
      jit((x: Value, y: Value, z: Value) => nn.dotProductAttention(x, y, z, { bias }))(q, k, v),
      reference(false, (_, s) => s !== 1 && s !== 4),
    );
  });

  test('without batch, with shared heads, in half precision', () => {
    const one = nn.dotProductAttention(
      ...([q, k, v].map((x) => np.take(x, 0, { axis: 0 })) as [Value, Value, Value]),
    );
    expect(one.shape).toEqual([T, N, H]);
    const shared = [k, v].map((x) => np.take(x, np.array([0], 'i32'), { axis: 2 }));
    const repeated = shared.map((x) => np.repeat(x, N, 2));
    expect(numbers(nn.dotProductAttention(q, shared[0], shared[1]))).toEqual(
      numbers(nn.dotProductAttention(q, repeated[0], repeated[1])),
    );
    const half = [q, k, v].map((x) => x.astype('f16'));
    const out = nn.dotProductAttention(half[0], half[1], half[2]);
    expect(out.dtype).toBe('f16');
    numbers(out).forEach((x, i) => expect(x).toBeCloseTo(reference(false)[i], 2));
  });

  test('has derivatives', () => {
    const loss = (x: Value): Value => np.sum(np.square(nn.dotProductAttention(x, k, v)));
    const [, slope] = valueAndGrad(loss)(q);
    const direction = random.normal(random.key(9), q.shape);
    const [, along] = jvp(loss, [q], [direction]);
    expect(np.sum(np.multiply(slope, direction)).item()).toBeCloseTo(Number(along.item()), 4);
  });

  test('says what shapes it wants', () => {
    expect(failure(() => nn.dotProductAttention(q, q, v))).toMatch(
      /^ShapeError: dotProductAttention: shapes must be \[batch, queries, heads, size\]/,
    );
  });
});
