// What JAX 0.10.2 computes (recorded by record.py in jax.json) beside what we compute, for programs that make, read and write refs:
// results, tangents, gradients, and batched results, eager and compiled; and printed programs.
import { readFileSync } from 'node:fs';
import {
  grad,
  jit,
  jvp,
  makeJaxpr,
  setDefaultDevice,
  tree,
  vmap,
  type DType,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { programs, type RefProgram } from './programs.ts';

interface Leaf {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Recorded {
  readonly args: readonly Leaf[];
  readonly value: readonly Leaf[];
  readonly jvp?: readonly Leaf[];
  readonly grad?: readonly Leaf[];
  readonly batched?: readonly Leaf[];
  readonly batchedGrad?: readonly Leaf[];
  readonly jaxpr?: string;
}

const recorded = JSON.parse(readFileSync(new URL('jax.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Recorded>
>;

const tolerance = 2e-5;

function compare(got: unknown, want: readonly Leaf[]): void {
  const leaves = tree.leaves(got) as Value[];
  expect(leaves.map((x) => `${x.dtype}[${x.shape.join(',')}]`)).toEqual(
    want.map(({ dtype, shape }) => `${dtype}[${shape.join(',')}]`),
  );
  leaves.forEach((x, i) => {
    const values = Array.from(x.dataSync(), Number);
    const scale = Math.max(1, ...want[i].values.map(Math.abs));
    const isNear = values.every((y, k) => Math.abs(y - want[i].values[k]) <= tolerance * scale);
    if (!isNear) expect(values).toEqual(want[i].values);
  });
}

/** The sum of all float results. */
const total = (outs: unknown): Value =>
  (tree.leaves(outs) as Value[])
    .filter((x) => x.dtype === 'f32')
    .map((x) => x.sum())
    .reduce((a, b) => a.add(b));

function checkAll(f: RefProgram, want: Recorded): void {
  const [x, i] = want.args.map((a) => NDArray.fromHost(a.values, a.shape, a.dtype));
  const head = (y: Value): unknown => f(y, i);
  const lanes = np.stack([x, x.mul(0.5).sub(0.25), x.neg()]);
  const pushed = (y: Value): unknown => jvp(head, [y], [np.cos(y).add(0.5)])[1];
  const slope = grad((y: Value) => total(head(y)));
  const modes: readonly (readonly [(y: Value) => unknown, Value, readonly Leaf[] | undefined])[] = [
    [head, x, want.value],
    [(y) => (tree.leaves(pushed(y)) as Value[]).filter((t) => t.dtype === 'f32'), x, want.jvp],
    [slope, x, want.grad],
    [vmap(head), lanes, want.batched],
    [vmap(slope), lanes, want.batchedGrad],
  ];
  for (const [run, argument, leaves] of modes) {
    if (leaves === undefined) continue;
    compare(run(argument), leaves);
    compare(jit(run)(argument), leaves);
  }
}

test('the recorded programs are ours', () => {
  expect(Object.keys(programs).toSorted()).toEqual(Object.keys(recorded).toSorted());
});

describe('computes what JAX computes', () => {
  test.each(Object.keys(recorded))('%s', (name) => checkAll(programs[name], recorded[name]));
});

describe('on the interpreter', () => {
  beforeAll(() => setDefaultDevice('interpreter'));
  afterAll(() => setDefaultDevice('wasm'));
  test.each(['additions', 'scanSum', 'branchInScan', 'jitArgument'])('%s', (name) => {
    const { args, value } = recorded[name];
    const [x, i] = args.map((a) => NDArray.fromHost(a.values, a.shape, a.dtype));
    compare(jit(programs[name])(x, i), value);
  });
});

test.each(Object.keys(recorded).filter((name) => recorded[name].jaxpr !== undefined))(
  'prints %s as JAX does',
  (name) => {
    const { args, jaxpr } = recorded[name];
    const given = args.map((a) => NDArray.fromHost(a.values, a.shape, a.dtype));
    const ours = makeJaxpr((x: Value) => programs[name](x, x))(...given);
    expect(String(ours)).toBe(jaxpr);
  },
);
