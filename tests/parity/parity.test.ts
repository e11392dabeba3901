/**
 * What JAX 0.10.2 says (recorded by record.py in jax.json) beside what we say: printed jaxprs and StableHLO letter by letter, random
 * numbers bit by bit, promotion of every pair of dtypes. Known differences stand in a list with their reasons, and must differ.
 */
import { readFileSync } from 'node:fs';
import { jit, makeJaxpr, type DType, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import * as random from 'palladia/random';
import { describe, expect, test } from 'vitest';
import { promoteTypes } from '../../core/promotion.ts';
import { dtypeInfo, dtypes } from '../../core/dtype.ts';
import { programs, type Program } from './programs.ts';

interface Recorded {
  readonly jaxprs: Readonly<Record<string, string>>;
  readonly texts: Readonly<Record<string, string>>;
  readonly promotions: readonly (readonly [string, string, string, boolean])[];
  readonly random: Readonly<Record<string, readonly number[]>>;
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

const recorded = JSON.parse(readFileSync(new URL('jax.json', import.meta.url), 'utf8')) as Recorded;

function each(names: readonly string[], reason: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}

/** Jaxprs that differ from JAX's, and why. */
const otherJaxprs: Readonly<Record<string, string>> = {
  ...each(['jvp exp2', 'grad exp2'], 'log 2 is a literal instead of an equation'),
  ...each(
    ['jvp cbrt', 'grad cbrt', 'jvp erf', 'grad erf', 'jvp erfc', 'grad erfc'],
    'literals print in their own precision (0.33333334); constants stand beside what they scale',
  ),
  ...each(
    ['jvp acosh', 'grad acosh'],
    '(x - 1)(x + 1) keeps its digits near 1, where x² - 1 loses them',
  ),
  ...each(['jvp add', 'jvp sub'], 'tangents are summed by add_any, as in all other rules'),
  ...each(['jvp pow'], 'the literal 1 is not broadcast before it is used'),
  ...each(['grad concatenate'], 'there is no split primitive: slices'),
  ...each(['grad reduce max'], 'the result is broadcast at once instead of through a reshape'),
  ...each(['jacfwd'], 'unit vectors are made and taken apart without split'),
};

/** StableHLO texts that differ from JAX's, and why. */
const otherTexts: Readonly<Record<string, string>> = {
  ...each(
    [
      'grad tanh',
      'grad broadcast',
      'grad concatenate',
      'grad slice',
      'grad dot',
      'second derivative',
      'grad of a tree',
    ],
    'what the results do not need is dropped before the text is written',
  ),
  ...each(['integer pow'], 'the factors stand in the other order'),
  ...each(['fori', 'scan'], 'bodies stand in the loop instead of in helper functions'),
};

const untyped = (f: Program[0]): ((...args: unknown[]) => unknown) =>
  f as (...args: unknown[]) => unknown;

test('both sides have the same programs', () => {
  expect(Object.keys(programs).toSorted()).toEqual(Object.keys(recorded.jaxprs).toSorted());
});

describe('jaxprs', () => {
  test.each(Object.entries(recorded.jaxprs))('%s', (name, want) => {
    const [f, ...args] = programs[name];
    const got = makeJaxpr(untyped(f))(...args).toString();
    if (name in otherJaxprs) expect(got).not.toBe(want);
    else expect(got).toBe(want);
  });
});

describe('StableHLO', () => {
  test.each(Object.entries(recorded.texts))('%s', (name, want) => {
    const [f, ...args] = programs[name];
    const got = jit(untyped(f), { name: 'f' })
      .lower(...args)
      .asText();
    if (name in otherTexts) expect(got).not.toBe(want);
    else expect(got).toBe(want);
  });
});

test('promotion of every pair', () => {
  const weak: Readonly<Record<string, DType>> = {
    'int*': 'i32',
    'float*': 'f32',
    'complex*': 'complex64',
  };
  const byName = new Map(dtypes.map((d): [string, DType] => [dtypeInfo[d].longName, d]));
  const typed = (name: string): { dtype: DType; weakType: boolean } => ({
    dtype: weak[name] ?? byName.get(name) ?? 'bool',
    weakType: name in weak,
  });
  const got = recorded.promotions.map(([a, b]) => {
    const { dtype, weakType } = promoteTypes(typed(a), typed(b));
    return [a, b, dtypeInfo[dtype].longName, weakType];
  });
  expect(got).toEqual(recorded.promotions);
});

const key = random.key(42);
const bits = (a: Value): number[] => {
  const data = a.dataSync() as Float32Array | Int32Array | Uint32Array;
  return Array.from(new Uint32Array(data.buffer, data.byteOffset, data.length));
};

const draws: Readonly<Record<string, () => Value>> = {
  key: () => key,
  'key of 2^31 + 5': () => random.key(2 ** 31 + 5),
  'key of -1': () => random.key(-1),
  split: () => random.split(key, 5),
  'fold in': () => random.foldIn(key, 7),
  bits: () => random.bits(key, [7]),
  'bits of a matrix': () => random.bits(key, [3, 4]),
  uniform: () => random.uniform(key, [9]),
  randint: () => random.randint(key, [9], 0, 1000),
  'randint of 7': () => random.randint(key, [9], -3, 4),
  bernoulli: () => random.bernoulli(key, 0.3, [16]).astype('i32'),
  permutation: () => random.permutation(key, 20),
  categorical: () => random.categorical(key, np.log(np.array([0.1, 0.2, 0.7])), { shape: [12] }),
  choice: () => random.choice(key, 10, [6], { replace: false }),
};
const samples: Readonly<Record<string, () => Value>> = {
  'uniform in a range': () => random.uniform(key, [9], { minval: -2, maxval: 3 }),
  normal: () => random.normal(key, [9]),
  exponential: () => random.exponential(key, [9]),
  gumbel: () => random.gumbel(key, [9]),
  'truncated normal': () => random.truncatedNormal(key, -1, 2, [9]),
  laplace: () => random.laplace(key, [9]),
  cauchy: () => random.cauchy(key, [9]),
};

describe('random numbers', () => {
  test.each(Object.entries(recorded.random))('%s, bit for bit', (name, want) => {
    expect(bits(draws[name]())).toEqual(want);
    expect(bits(jit(draws[name])())).toEqual(want);
  });

  test.each(Object.entries(recorded.samples))('%s, to a few ulps', (name, want) => {
    const got = Array.from(samples[name]().dataSync() as Float32Array);
    got.forEach((y, i) =>
      expect(Math.abs(y - want[i])).toBeLessThan(1e-5 * (1 + Math.abs(want[i]))),
    );
  });
});

test('what is drawn is typed as in JAX', () => {
  expect(String(makeJaxpr((k: Value) => random.bits(k, [2]))(key).outAvals[0])).toBe('u32[2]');
  expect(lax.randomBits(key, 32, [2]).dtype).toBe('u32');
});
