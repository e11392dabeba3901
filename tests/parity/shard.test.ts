/** Functions over meshes beside JAX 0.10.2 on eight host devices (recorded by record-shard.py in shard.json): results and errors. */
import { readFileSync } from 'node:fs';
import {
  ArgumentError,
  DeviceError,
  jit,
  NDArray,
  ShapeError,
  tree,
  TreeError,
  UnboundAxisError,
  type DType,
} from 'palladia';
import * as hlo from 'palladia/hlo';
import * as np from 'palladia/numpy';
import { describe, expect, test } from 'vitest';
import { dtypeInfo, dtypes } from '../../core/dtype.ts';
import { mistakes, programs } from './shard-programs.ts';

interface Leaf {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Recorded {
  readonly programs: Readonly<
    Record<string, { readonly args: readonly Leaf[]; readonly result: readonly Leaf[] }>
  >;
  readonly errors: Readonly<Record<string, string>>;
}

const recorded = JSON.parse(
  readFileSync(new URL('shard.json', import.meta.url), 'utf8'),
) as Recorded;

const byName = new Map(dtypes.map((d): [string, DType] => [dtypeInfo[d].longName, d]));
const arrayOf = ({ dtype, shape, values }: Leaf): NDArray =>
  NDArray.fromHost(values, shape, byName.get(dtype) ?? 'f32');

test('both sides have the same programs', () => {
  const names = (x: object): string[] => Object.keys(x).toSorted();
  expect(names(programs)).toEqual(names(recorded.programs));
  expect(names(mistakes)).toEqual(names(recorded.errors));
});

describe.each([
  ['eager', (f: (typeof programs)[string]) => f],
  ['compiled', (f: (typeof programs)[string]) => jit(f)],
])('results, %s', (_, wrap) => {
  test.each(Object.entries(recorded.programs))('%s', (name, { args, result }) => {
    const got = tree.leaves(wrap(programs[name])(...args.map(arrayOf)));
    expect(got.length).toBe(result.length);
    result.forEach((want, i) => expectLike(got[i] as NDArray, want));
  });
});

/** The dtype, shape and numbers that JAX gave. */
function expectLike(out: NDArray, want: Leaf): void {
  expect(`${dtypeInfo[out.dtype].longName} ${JSON.stringify(out.shape)}`).toBe(
    `${want.dtype} ${JSON.stringify(want.shape)}`,
  );
  const numbers = [...out.dataSync()].map(Number);
  const scale = Math.max(1, ...want.values.map(Math.abs));
  const worst = Math.max(0, ...numbers.map((x, k) => Math.abs(x - want.values[k]) / scale));
  expect(worst).toBeLessThan(want.dtype.startsWith('float') ? 4e-6 : 1e-30);
}

test.each(Object.entries(recorded.programs))('text for XLA, %s', (name, { args }) => {
  const text = jit(programs[name])
    .lower(...args.map(arrayOf))
    .asText({ spmd: true });
  const module = hlo.parse(text);
  hlo.verify(module);
  expect(module.numPartitions).toBe(8);
  expect(hlo.print(module)).toBe(text);
});

describe('errors', () => {
  const classes: Readonly<Record<string, readonly (new (...args: never[]) => Error)[]>> = {
    NameError: [UnboundAxisError],
    TypeError: [ArgumentError],
    ValueError: [ArgumentError, DeviceError, ShapeError, TreeError],
    Exception: [ArgumentError, UnboundAxisError],
  };
  test.each(Object.entries(recorded.errors))('%s', (name, kind) => {
    let caught: unknown;
    try {
      mistakes[name](np.arange(8));
    } catch (error) {
      caught = error;
    }
    const fits = classes[kind].some((one) => caught instanceof one);
    expect(fits ? kind : String(caught)).toBe(kind);
  });
});
