/**
 * What JAX 0.10.2 computes (recorded by record.py in golden.json) beside what we compute: values of derivatives, which programs are
 * refused, and what gradients of checkpointed functions compute again and keep.
 */
import { grad, makeJaxpr, savedResiduals, setDefaultDevice, type Value } from 'palladia';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jaxprsIn, type Jaxpr } from '../../core/jaxpr.ts';
import { failure } from '../transforms/setup.ts';
import { errors as otherErrors } from './errors.ts';
import { check, golden, type Tally } from './golden.ts';
import { api, complexPrograms, conventions } from './programs-api.ts';
import { checkpointCounts, checkpointPrograms, type Counted } from './programs-checkpoint.ts';
import { custom } from './programs-custom.ts';
import { float0Errors, float0Programs } from './programs-float0.ts';

const programs = {
  ...api,
  ...conventions,
  ...complexPrograms,
  ...custom,
  ...checkpointPrograms,
  ...float0Programs,
};
const errors = { ...otherErrors, ...float0Errors };

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

describe('values', () => {
  test.each(Object.keys(golden.values))('%s', (name) => check(name, programs[name]));
});

describe('values of float0 programs on wasm', () => {
  beforeAll(() => setDefaultDevice('wasm'));
  afterAll(() => setDefaultDevice('interpreter'));
  test.each(Object.entries(float0Programs))('%s', check);
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
