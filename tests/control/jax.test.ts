/**
 * What JAX 0.10.2 computes (recorded by record.py in jax.json) beside what we compute: results, tangents, gradients, and all of them
 * batched, eager and compiled. The programs take the ideas of JAX's tests, and their names.
 */
import { readFileSync } from 'node:fs';
import { grad, jit, jvp, tree, vmap, type DType, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { describe, expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { programs, type ControlProgram } from './jax-programs.ts';

interface Leaf {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly (number | string)[];
}

interface Recorded {
  readonly args: readonly Leaf[];
  readonly lanes?: readonly (Leaf | null)[];
  readonly value: readonly Leaf[];
  readonly batched?: readonly Leaf[];
  readonly jvpOf?: readonly number[];
  readonly jvp?: readonly Leaf[];
  readonly batchedJvp?: readonly Leaf[];
  readonly gradOf?: readonly number[];
  readonly grad?: readonly Leaf[];
  readonly batchedGrad?: readonly Leaf[];
}

const recorded = JSON.parse(readFileSync(new URL('jax.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Recorded>
>;

const special: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity };
const numbersOf = ({ values }: Leaf): number[] =>
  values.map((v) => (typeof v === 'string' ? special[v] : v));
const arrayOf = (leaf: Leaf): Value => NDArray.fromHost(numbersOf(leaf), leaf.shape, leaf.dtype);

/** Relative difference that is allowed: programs sum and iterate in other orders than XLA's. */
const tolerance = 2e-5;

function compare(got: unknown, want: readonly Leaf[]): void {
  const leaves = (tree.leaves(got) as Value[]).map((x) => ({
    dtype: x.dtype,
    shape: [...x.shape],
    values: Array.from(x.dataSync() as Float32Array, Number),
  }));
  expect(leaves.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
    want.map(({ dtype, shape }) => ({ dtype, shape })),
  );
  leaves.forEach(({ values }, i) => {
    const wanted = numbersOf(want[i]);
    const scale = Math.max(1, ...wanted.filter(Number.isFinite).map(Math.abs));
    values.forEach((y, k) => {
      const near = Object.is(y, wanted[k]) || Math.abs(y - wanted[k]) <= tolerance * scale;
      if (!near) expect(values).toEqual(wanted);
    });
  });
}

const floats = (x: unknown): Value[] =>
  (tree.leaves(x) as Value[]).filter((leaf) => leaf.dtype === 'f32');

/** The sum of the sines of all results that are floats. */
const loss =
  (f: ControlProgram): ((...args: Value[]) => Value) =>
  (...args) =>
    floats(f(...args))
      .map((y) => lax.reduceSum(lax.sin(y)))
      .reduce((a, b) => lax.add(a, b));

/** The tangents along the cosines of some arguments; other arguments stay. */
const along =
  (f: ControlProgram, which: readonly number[]): ControlProgram =>
  (...args) => {
    const moved = which.map((i) => args[i]);
    const fill = (...xs: Value[]): unknown =>
      f(...args.map((x, i) => (which.includes(i) ? xs[which.indexOf(i)] : x)));
    return floats(
      jvp(
        fill,
        moved,
        moved.map((x) => lax.cos(x)),
      )[1],
    );
  };

test('both sides have the same programs', () => {
  expect(Object.keys(programs).toSorted()).toEqual(Object.keys(recorded).toSorted());
});

describe.each(Object.entries(recorded))('%s', (name, entry) => {
  const f = programs[name];
  const args = entry.args.map(arrayOf);
  const slopes = (argnums: readonly number[]): ControlProgram => grad(loss(f), { argnums });
  const lanes = entry.lanes ?? [];
  const batch = lanes.map((x, i) => (x === null ? args[i] : arrayOf(x)));
  const inAxes = lanes.map((x) => (x === null ? null : 0));
  const check = (g: ControlProgram, want: readonly Leaf[]): void => {
    compare(g(...args), want);
    compare(jit(g)(...args), want);
  };
  const checkBatched = (g: ControlProgram, want: readonly Leaf[]): void => {
    const batched = vmap(g, { inAxes });
    compare(batched(...batch), want);
    compare(jit(batched)(...batch), want);
  };

  test('value', () => check(f, entry.value));
  test('batched value', () => checkBatched(f, entry.batched ?? []));
  // Programs of integers and of loops without a known length were recorded without derivatives.
  const { jvpOf, gradOf } = entry;
  if (jvpOf !== undefined) {
    test('tangents', () => check(along(f, jvpOf), entry.jvp ?? []));
    test('batched tangents', () => checkBatched(along(f, jvpOf), entry.batchedJvp ?? []));
  }
  if (gradOf !== undefined) {
    test('gradient', () => check(slopes(gradOf), entry.grad ?? []));
    test('batched gradient', () => checkBatched(slopes(gradOf), entry.batchedGrad ?? []));
  }
});

test('vmap of no lanes', () => {
  const empty = np.zeros([0]);
  const f = (x: Value): Value =>
    lax.whileLoop(
      (v: Value) => lax.lt(v, 3),
      (v: Value) => lax.add(v, 1),
      x,
    );
  expect(vmap(f)(empty).shape).toEqual([0]);
});
