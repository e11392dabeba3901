/**
 * What JAX 0.10.2 computes (recorded by record.py in golden.json) beside what we compute: values of derivatives, which programs are
 * refused, and what gradients of checkpointed functions compute again and keep.
 */
import { readFileSync } from 'node:fs';
import {
  grad,
  makeJaxpr,
  NDArray,
  savedResiduals,
  setDefaultDevice,
  tree,
  type Value,
} from 'palladia';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dtypeInfo } from '../../core/dtype.ts';
import { jaxprsIn, type Jaxpr } from '../../core/jaxpr.ts';
import { failure } from '../transforms/setup.ts';
import { errors as otherErrors } from './errors.ts';
import { api, complexPrograms, conventions } from './programs-api.ts';
import { checkpointCounts, checkpointPrograms, type Counted } from './programs-checkpoint.ts';
import { custom } from './programs-custom.ts';
import { float0Errors, float0Programs } from './programs-float0.ts';

interface Leaf {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}
interface Tally {
  readonly sin: number;
  readonly cos: number;
  readonly dot_general: number;
  readonly residuals: number;
}
interface Golden {
  readonly values: Readonly<Record<string, readonly Leaf[]>>;
  readonly errors: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<string, Tally>>;
}

const golden = JSON.parse(readFileSync(new URL('golden.json', import.meta.url), 'utf8')) as Golden;
const programs = {
  ...api,
  ...conventions,
  ...complexPrograms,
  ...custom,
  ...checkpointPrograms,
  ...float0Programs,
};
const errors = { ...otherErrors, ...float0Errors };

const numberOf = (x: number | string): number =>
  typeof x === 'number' ? x : x === 'nan' ? Number.NaN : x === 'inf' ? Infinity : -Infinity;

/** Class of ours for each class of JAX's. */
const classes: Readonly<Record<string, readonly string[]>> = {
  TypeError: ['DTypeError', 'ShapeError', 'TreeError', 'ArgumentError'],
  ValueError: ['ShapeError'],
  AttributeError: ['ArgumentError'],
  AssertionError: ['ArgumentError'],
  NotImplementedError: ['MissingRuleError', 'ArgumentError'],
  UnexpectedTracerError: ['TracerLeakError'],
  CustomVJPException: ['TracerLeakError'],
};

test('both sides have the same programs', () => {
  expect(Object.keys(programs).toSorted()).toEqual(Object.keys(golden.values).toSorted());
  expect(Object.keys(errors).toSorted()).toEqual(Object.keys(golden.errors).toSorted());
  expect(Object.keys(checkpointCounts).toSorted()).toEqual(Object.keys(golden.counts).toSorted());
});

function compare(got: unknown, want: Leaf, where: string): void {
  const array = got instanceof NDArray ? got : NDArray.fromHost([Number(got)], [], 'f32');
  expect(array.shape, where).toEqual(want.shape);
  expect(dtypeInfo[array.dtype].longName, where).toBe(want.dtype);
  // Its elements hold nothing.
  if (want.dtype === 'float0') return;
  const data = Array.from(array.dataSync(), Number);
  const wanted = want.data.map(numberOf);
  const scale = Math.max(1, ...wanted.filter(Number.isFinite).map(Math.abs));
  data.forEach((x, i) => {
    const y = wanted[i];
    const isClose = Object.is(x, y) || x === y || Math.abs(x - y) <= 4e-6 * scale;
    if (!isClose) expect.fail(`${where}[${i}]: got ${x}, JAX has ${y}`);
  });
}

function check(name: string): void {
  const want = golden.values[name];
  const leaves = tree.leaves(programs[name]());
  expect(leaves.length).toBe(want.length);
  want.forEach((leaf, i) => compare(leaves[i], leaf, `leaf ${i}`));
}

describe('values', () => {
  test.each(Object.keys(golden.values))('%s', check);
});

describe('values of float0 programs on wasm', () => {
  beforeAll(() => setDefaultDevice('wasm'));
  afterAll(() => setDefaultDevice('interpreter'));
  test.each(Object.keys(float0Programs))('%s', check);
});

describe('errors', () => {
  test.each(Object.entries(golden.errors))('%s', (name, want) => {
    const sentence = failure(errors[name]);
    expect(classes[want]).toContain(sentence.split(':')[0]);
  });
});

/** Sines, cosines and matrix products of a program, also inside of its equations. */
function count(jaxpr: Jaxpr, name: string): number {
  return jaxpr.eqns.reduce(
    (n, eqn) =>
      n +
      (eqn.prim.name === name ? 1 : 0) +
      jaxprsIn(eqn.params).reduce((m, inner) => m + count(inner, name), 0),
    0,
  );
}

const tally = ([typed, ...args]: Counted): Tally => {
  const f = typed as (...args: unknown[]) => Value;
  const jaxpr = makeJaxpr(grad(f))(...args);
  return {
    sin: count(jaxpr, 'sin'),
    cos: count(jaxpr, 'cos'),
    dot_general: count(jaxpr, 'dot_general'),
    residuals: savedResiduals(f, ...args).length,
  };
};

// JAX takes what is known out of the checkpoint, so that the second derivative keeps what the first one computed there.
const keepsLess: Tally = { sin: 6, cos: 5, dot_general: 0, residuals: 1 };
/** Counts that differ from JAX's. */
const otherCounts: Readonly<Record<string, Tally>> = {
  'a second derivative: no policy': keepsLess,
  'a second derivative: dots': keepsLess,
};

describe('counts of checkpointed functions', () => {
  test.each(Object.entries(golden.counts))('%s', (name, want) => {
    const got = tally(checkpointCounts[name]);
    expect(got).toEqual(otherCounts[name] ?? want);
    if (name in otherCounts) expect(got).not.toEqual(want);
  });
});
