/**
 * Mapped programs beside JAX 0.10.2 (recorded by record-vmap.py in vmap.json): their results, the kinds of errors, and the printed
 * programs of collectives letter by letter.
 */
import { readFileSync } from 'node:fs';
import {
  ArgumentError,
  jit,
  makeJaxpr,
  NDArray,
  ShapeError,
  tree,
  TreeError,
  UnboundAxisError,
  vjp,
  vmap,
  type DType,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { describe, expect, test } from 'vitest';
import { dtypeInfo, dtypes } from '../../core/dtype.ts';
import { exchanges, mistakes, printed, programs, trees } from './vmap-programs.ts';

interface Leaf {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly (number | boolean)[];
}

interface Run {
  readonly args: readonly Leaf[];
  readonly result: readonly Leaf[];
}

interface Recorded {
  readonly programs: Readonly<Record<string, Run>>;
  readonly mesh: Readonly<Record<string, Run>>;
  readonly errors: Readonly<Record<string, string>>;
  readonly jaxprs: Readonly<Record<string, string>>;
}

const recorded = JSON.parse(
  readFileSync(new URL('vmap.json', import.meta.url), 'utf8'),
) as Recorded;

const byName = new Map(dtypes.map((d): [string, DType] => [dtypeInfo[d].longName, d]));
const arrayOf = ({ dtype, shape, values }: Leaf): NDArray =>
  NDArray.fromHost(values.map(Number), shape, byName.get(dtype) ?? 'f32');

test('both sides have the same programs', () => {
  const names = (x: object): string[] => Object.keys(x).toSorted();
  expect(names(programs)).toEqual(names(recorded.programs));
  expect(names(exchanges)).toEqual(names(recorded.mesh));
  expect(names(mistakes(np.arange(3), np.ones([2, 3])))).toEqual(names(recorded.errors));
  expect(names(printed)).toEqual(names(recorded.jaxprs));
});

describe('results', () => {
  test.each(Object.entries(recorded.programs))('%s', (name, { args, result }) => {
    const leaves = args.map(arrayOf);
    const program = programs[name] as (...xs: unknown[]) => unknown;
    const got = tree.leaves(program(...(trees[name]?.(...leaves) ?? leaves)));
    expect(got.length).toBe(result.length);
    result.forEach((want, i) => expectLike(got[i] as NDArray, want));
  });
});

// Axis `i` outside of `j` and inside of it, compiled too; in JAX these run on a mesh of devices.
describe('several names, groups, permutations with holes', () => {
  const nests = (f: (...xs: Value[]) => Value): readonly ((...xs: Value[]) => Value)[] => [
    vmap(vmap(f, { axisName: 'j' }), { axisName: 'i' }),
    vmap(vmap(f, { axisName: 'i' }), { axisName: 'j', inAxes: 1, outAxes: 1 }),
    jit(vmap(vmap(jit(f), { axisName: 'j' }), { axisName: 'i' })),
  ];
  test.each(Object.entries(recorded.mesh))('%s', (name, { args, result }) => {
    const [x, ct] = args.map(arrayOf);
    const f = exchanges[name];
    for (const mapped of nests(f)) expectLike(mapped(x) as NDArray, result[0]);
    const pull = (v: Value, c: Value): Value => vjp(f, v)[1](c)[0];
    for (const mapped of nests(pull)) {
      const back = mapped(x, ct) as NDArray;
      if (result.length > 1) expectLike(back, result[1]);
      // ⟨ct, f(x)⟩ = ⟨fᵀ(ct), x⟩, summed over all lanes; the index that axis_index adds is no part of the derivative.
      if (name === 'axis_index of names') continue;
      const dot = (a: Value, b: Value): number => Number(a.mul(b).sum().item());
      const [left, right] = [dot(ct, arrayOf(result[0])), dot(back, x)];
      expect(Math.abs(left - right)).toBeLessThan(1e-5 * (1 + Math.abs(left)));
    }
  });
});

/** The dtype, shape and numbers that JAX gave. */
function expectLike(out: NDArray, want: Leaf): void {
  expect(`${dtypeInfo[out.dtype].longName} ${JSON.stringify(out.shape)}`).toBe(
    `${want.dtype} ${JSON.stringify(want.shape)}`,
  );
  const numbers = [...out.dataSync()].map(Number);
  const wanted = want.values.map(Number);
  const scale = Math.max(1, ...wanted.map(Math.abs));
  const worst = Math.max(0, ...numbers.map((x, k) => Math.abs(x - wanted[k]) / scale));
  expect(worst).toBeLessThan(want.dtype.startsWith('float') ? 4e-6 : 1e-30);
}

describe('errors', () => {
  const classes: Readonly<Record<string, readonly (new (...args: never[]) => Error)[]>> = {
    NameError: [UnboundAxisError],
    TypeError: [TreeError, ArgumentError],
    ValueError: [ArgumentError, ShapeError, TreeError],
  };
  test.each(Object.entries(recorded.errors))('%s', (name, kind) => {
    const mistake = mistakes(np.arange(3).astype('f32'), np.ones([2, 3]))[name];
    let caught: unknown;
    try {
      mistake();
    } catch (error) {
      caught = error;
    }
    const fits = classes[kind].some((one) => caught instanceof one);
    expect(fits ? kind : String(caught)).toBe(kind);
  });
});

describe('jaxprs', () => {
  const shapes: Readonly<Record<string, [shape: readonly number[], dtype: DType]>> = {
    'psum of bools': [[4], 'bool'],
    'pmean of integers': [[4], 'i32'],
    'psum_scatter tiled': [[4, 4], 'f32'],
    all_to_all: [[4, 4], 'f32'],
    'all_to_all tiled': [[4, 4], 'f32'],
    'vmap psum beside': [[4, 4], 'f32'],
    'vmap all_to_all': [[4, 4], 'f32'],
    'vmap psum_scatter': [[4, 4], 'f32'],
  };
  test.each(Object.entries(recorded.jaxprs))('%s', (name, want) => {
    const [shape, dtype] = shapes[name] ?? [[4], 'f32'];
    const axisEnv = [
      ['i', 4],
      ['j', 2],
    ] as const;
    const got = makeJaxpr(printed[name], { axisEnv })(np.zeros(shape, dtype)).toString();
    expect(got).toBe(want);
  });
});
