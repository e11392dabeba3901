/** Random numbers: JAX's numbers for JAX's keys, whatever transformation is around; errors. Goldens recorded from JAX 0.10.2. */
import { jit, vmap, withConfig, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import * as random from 'palladia/random';
import { describe, expect, test } from 'vitest';
import { failure, numbers } from '../entry/readings.ts';

const key = random.key(0);

describe('keys', () => {
  test('a key is the seed modulo 2³²', () => {
    expect(numbers(random.key(7))).toEqual([0, 7]);
    expect(numbers(random.key(-1))).toEqual([0, 0xffffffff]);
    expect(numbers(random.key(2 ** 33 + 5))).toEqual([0, 5]);
    expect(numbers(random.key(2n ** 33n + 5n))).toEqual([0, 5]);
    expect(numbers(random.PRNGKey(7))).toEqual([0, 7]);
  });

  test('with 64-bit types a key is the seed modulo 2⁶⁴', () => {
    withConfig({ enableX64: true }, () => {
      expect(numbers(random.key(2 ** 33 + 5))).toEqual([2, 5]);
      expect(numbers(random.key(-1))).toEqual([0xffffffff, 0xffffffff]);
    });
  });

  test('a traced seed gives the same key', () => {
    const made = jit((seed: Value) => random.key(seed))(np.int32(-3));
    expect(numbers(made)).toEqual(numbers(random.key(-3)));
  });

  test('split, foldIn and bits are JAX’s', () => {
    expect(random.split(key).jsSync()).toEqual([
      [1797259609, 2579123966],
      [928981903, 3453687069],
    ]);
    expect(numbers(random.foldIn(key, 1))).toEqual([928981903, 3453687069]);
    expect(numbers(random.bits(key, [4]))).toEqual([
      4070199207, 4202968722, 1427181096, 2012915765,
    ]);
    expect(random.split(key, [2, 3]).shape).toEqual([2, 3, 2]);
    expect(random.split(key, 0).shape).toEqual([0, 2]);
  });

  test('narrow bits are the low bits of wide ones', () => {
    const wide = numbers(random.bits(key, [64]));
    expect(numbers(random.bits(key, [64], 'u8'))).toEqual(wide.map((x) => x % 256));
    expect(numbers(random.bits(key, [64], 'u16'))).toEqual(wide.map((x) => x % 65536));
  });

  test('elements of a shape are counted in row-major order', () => {
    expect(numbers(random.bits(key, [3, 4]))).toEqual(numbers(random.bits(key, [12])));
  });

  test('words of keys go in and out', () => {
    const words = random.keyData(random.split(key));
    expect(numbers(random.wrapKeyData(words))).toEqual(numbers(words));
  });
});

/** [what, JAX's values, ours]: equal to the last bit. */
const exact: readonly (readonly [string, readonly number[], () => Value])[] = [
  ['randint', [9, 0, 2, 3, 1, 7], () => random.randint(key, [6], 0, 10)],
  ['permutation', [0, 1, 5, 6, 4, 3, 2, 7], () => random.permutation(key, 8)],
  ['bernoulli', [0, 0, 1, 1], () => random.bernoulli(key, 0.5, [4])],
  ['choice', [4, 0, 2, 3], () => random.choice(key, 5, [4])],
  [
    'categorical',
    [1, 3, 2, 3, 1, 1, 2, 3],
    () => random.categorical(key, np.log(np.array([0.1, 0.2, 0.3, 0.4])), { shape: [8] }),
  ],
  [
    'uniform f16',
    [0.310546875, 0.212890625, 0.0546875, 0.65625],
    () => random.uniform(key, [4], 'f16'),
  ],
  [
    'uniform bf16',
    [0.6484375, 0.5703125, 0.15625, 0.203125],
    () => random.uniform(key, [4], 'bf16'),
  ],
  [
    'uniform',
    [0.9476670027, 0.9785798788, 0.3322914839, 0.4686684608].map(Math.fround),
    () => random.uniform(key, [4]),
  ],
];

/** [what, JAX's values, ours]: equal up to rounding. */
const close: readonly (readonly [string, readonly number[], () => Value])[] = [
  [
    'normal',
    [1.6226421595, 2.02526474, -0.4335944355, -0.0786173493],
    () => random.normal(key, [4]),
  ],
  ['gumbel', [2.9233725, 3.8326178, -0.0968932, 0.2772571], () => random.gumbel(key, [4])],
  ['exponential', [2.9501281, 3.8434246, 0.4039035, 0.6323691], () => random.exponential(key, [4])],
  ['laplace', [-2.2569816, -3.1502788, 0.4085955, 0.0647124], () => random.laplace(key, [4])],
  ['logistic', [2.8963759, 3.8217716, -0.6978392, -0.1254905], () => random.logistic(key, [4])],
  ['cauchy', [6.0274944, 14.8378954, -0.5817223, -0.0987499], () => random.cauchy(key, [4])],
  [
    'truncatedNormal',
    [1.4559593, 1.7147487, -0.4126754, -0.0750334],
    () => random.truncatedNormal(key, -2, 2, [4]),
  ],
];

describe('samplers give what JAX gives', () => {
  for (const [name, wanted, sample] of exact)
    test(`${name}, exactly`, () => {
      expect(numbers(sample())).toEqual(wanted);
    });
  for (const [name, wanted, sample] of close)
    test(`${name}, up to rounding`, () => {
      // The golden values have eight digits.
      numbers(sample()).forEach((x, i) =>
        expect(Math.abs(x - wanted[i])).toBeLessThan(1e-6 + 2e-6 * Math.abs(wanted[i])),
      );
    });
});

describe('jit and vmap change nothing', () => {
  const samplers: Readonly<Record<string, (k: Value) => Value>> = {
    bits: (k) => random.bits(k, [5]),
    uniform: (k) => random.uniform(k, [5], { minval: -1, maxval: 3 }),
    normal: (k) => random.normal(k, [2, 3]),
    randint: (k) => random.randint(k, [5], -4, 9),
    permutation: (k) => random.permutation(k, 7),
    rows: (k) => random.permutation(k, np.arange(12).reshape([4, 3])),
    bernoulli: (k) => random.bernoulli(k, 0.3, [5]),
    categorical: (k) => random.categorical(k, np.zeros([3, 4])),
    choice: (k) => random.choice(k, 6, [3], { replace: false }),
    gumbel: (k) => random.gumbel(k, []),
    split: (k) => random.split(k, 3),
    foldIn: (k) => random.foldIn(k, 9),
  };
  const keys = random.split(random.key(3), 4);
  for (const [name, sample] of Object.entries(samplers))
    test(name, () => {
      const one = Array.from({ length: 4 }, (_, i) => sample(np.take(keys, i, { axis: 0 })));
      const wanted = numbers(np.stack(one));
      const near = (got: Value): void => {
        // The last bits may differ where multiply and add are contracted.
        numbers(got).forEach((x, i) => expect(x).toBeCloseTo(wanted[i], 5));
        expect(got.shape).toEqual([4, ...one[0].shape]);
      };
      near(vmap(sample)(keys));
      near(jit(vmap(sample))(keys));
      expect(numbers(jit(sample)(random.key(3)))).toHaveLength(one[0].size);
    });
});

describe('ranges', () => {
  test('uniform stays below its upper bound and reaches over the range', () => {
    const x = numbers(random.uniform(key, [4000], { minval: 2, maxval: 5 }));
    expect(Math.min(...x)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...x)).toBeLessThan(5);
    expect(x.reduce((a, b) => a + b) / x.length).toBeCloseTo(3.5, 1);
  });

  test('normal has mean 0 and variance 1, and is finite', () => {
    const x = numbers(random.normal(random.key(11), [20000]));
    const mean = x.reduce((a, b) => a + b) / x.length;
    const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
    expect(x.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
  });

  test('randint takes bounds of arrays, whole types and empty ranges', () => {
    expect(numbers(random.randint(key, [3], 5, 5))).toEqual([5, 5, 5]);
    const whole = numbers(random.randint(key, [500], -(2 ** 31), 2 ** 31));
    expect(Math.min(...whole)).toBeLessThan(-(2 ** 30));
    expect(Math.max(...whole)).toBeGreaterThan(2 ** 30);
    const bytes = numbers(random.randint(key, [2000], -1000, 1000, 'i8'));
    expect([Math.min(...bytes), Math.max(...bytes)]).toEqual([-128, 127]);
    const rows = random.randint(key, [2, 300], np.array([[0], [100]], 'i32'), 110);
    expect(Math.max(...numbers(rows).slice(0, 300))).toBeGreaterThan(90);
    expect(Math.min(...numbers(rows).slice(300))).toBeGreaterThanOrEqual(100);
    const low = np.array(0, 'i32');
    expect(numbers(random.randint(key, [6], low, np.array(10, 'i32')))).toEqual([9, 0, 2, 3, 1, 7]);
  });

  test('permutation keeps elements, rows together', () => {
    const rows = random.permutation(key, np.arange(20).reshape([10, 2])).jsSync() as number[][];
    expect(rows.map(([a]) => a).sort((a, b) => a - b)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    rows.forEach(([a, b]) => expect(b).toBe(a + 1));
    const free = random.permutation(key, np.arange(20).reshape([10, 2]), { independent: true });
    expect(numbers(free).sort((a, b) => a - b)).toEqual(numbers(np.arange(20)));
    expect(numbers(random.permutation(key, 0))).toEqual([]);
  });

  test('choice with probabilities', () => {
    const p = np.array([0, 1, 0, 3]);
    const drawn = numbers(random.choice(key, 4, [1000], { p: np.divide(p, 4) }));
    expect(new Set(drawn)).toEqual(new Set([1, 3]));
    expect(drawn.filter((x) => x === 3).length / 1000).toBeCloseTo(0.75, 1);
    const few = random.choice(key, 4, [2], { p: np.divide(p, 4), replace: false });
    expect(numbers(few).sort((a, b) => a - b)).toEqual([1, 3]);
  });

  test('rademacher, categorical along an axis, geometric, lognormal', () => {
    expect(new Set(numbers(random.rademacher(key, [50])))).toEqual(new Set([-1, 1]));
    expect(random.categorical(key, np.zeros([3, 5]), { axis: 0 }).shape).toEqual([5]);
    const trials = numbers(random.geometric(key, 0.5, [500]));
    expect(Math.min(...trials)).toBe(1);
    expect(numbers(random.lognormal(key, 1, [50])).every((x) => x > 0)).toBe(true);
  });

  test('empty shapes give empty arrays', () => {
    expect(random.uniform(key, [0, 3]).shape).toEqual([0, 3]);
    expect(random.normal(key, [0]).shape).toEqual([0]);
    expect(random.randint(key, [0], 0, 4).shape).toEqual([0]);
  });
});

describe('errors', () => {
  const cases: readonly (readonly [() => unknown, string])[] = [
    [
      () => random.key(1.5),
      'ArgumentError: key: the seed must be an integer; got number 1.5. Round it first.',
    ],
    [
      () => random.bits(np.zeros([2])),
      'ShapeError: randomBits: a key is u32[2]; got f32[2]. Make one with random.key(seed), and use vmap over many keys.',
    ],
    [
      () => random.uniform(random.split(key), [2]),
      'ShapeError: randomBits: a key is u32[2]; got u32[2,2]. Make one with random.key(seed), and use vmap over many keys.',
    ],
    [
      () => random.uniform(key, [2], 'i32'),
      'DTypeError: uniform: the dtype must be a float; got int32. Use random.randint for integers.',
    ],
    [
      () => random.randint(key, [2], 0, 4, 'f32'),
      'DTypeError: randint: the dtype must be an integer; got float32. Use random.uniform for floats.',
    ],
    [
      () => random.foldIn(key, -1),
      'ArgumentError: foldIn: the number must be an integer in [0, 2³²); got -1. Use random.split for more keys.',
    ],
    [
      () => random.choice(key, 3, [4], { replace: false }),
      'ArgumentError: choice: without replacement at most all elements can be drawn; got 4 draws from 3. Pass replace: true.',
    ],
    [
      () => random.bernoulli(key, np.zeros([3]), [2]),
      'ShapeError: bernoulli: shapes must broadcast: each axis, counted from the last, has one size or 1; got [3] and [2] (axis -1). Reshape or slice one of them.',
    ],
    [
      () => random.wrapKeyData(np.zeros([2])),
      "DTypeError: wrapKeyData: words must be uint32; got f32[2]. Convert with x.astype('u32').",
    ],
  ];
  for (const [run, message] of cases) test(message, () => expect(failure(run)).toBe(message));
});
