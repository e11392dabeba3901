// The numpy functions against values recorded from jax.numpy (record.py): dtype, weak type, shape and elements, eagerly on the
// interpreter and jitted on wasm.
import { describe, expect, test } from 'vitest';
import { jit, setDefaultDevice, Value, type DType } from 'palladia';
import * as np from 'palladia/numpy';
import type { Index } from 'palladia/numpy';
import { NDArray } from '../../core/array.ts';
import golden from './golden.json' with { type: 'json' };

interface Recorded {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly (number | boolean | string)[];
  readonly weak?: boolean;
}

const special: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  '-inf': -Infinity,
  '-0': -0,
};
const numberOf = (x: number | boolean | string): number =>
  typeof x === 'string' ? special[x] : Number(x);
const isRecorded = (x: unknown): x is Recorded =>
  typeof x === 'object' && x !== null && !Array.isArray(x) && 'values' in x;

/** Run eagerly on the interpreter and jitted on wasm, and compare both with what was recorded. */
function check(call: () => unknown, wanted: unknown): unknown {
  setDefaultDevice('interpreter');
  const eager = call();
  compare(eager, wanted);
  setDefaultDevice('wasm');
  compare(jit(call as () => Value)(), wanted);
  return eager;
}

/** Recorded arguments as arrays. */
function decode(x: unknown): unknown {
  if (isRecorded(x)) return NDArray.fromHost(x.values.map(numberOf), x.shape, x.dtype as DType);
  if (Array.isArray(x)) return x.map(decode);
  if (typeof x === 'object' && x !== null)
    return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, decode(v)]));
  return x;
}

/** Relative error that elementwise functions may have here: both sides round on their own. */
const tolerance: Readonly<Record<string, number>> = { f32: 4e-6, f16: 2e-3, bf16: 2e-2 };

function compare(got: unknown, wanted: unknown): void {
  if (Array.isArray(wanted)) {
    expect(got).toHaveLength(wanted.length);
    (got as unknown[]).forEach((g, i) => compare(g, wanted[i]));
    return;
  }
  if (!isRecorded(wanted)) {
    expect(got instanceof Value ? got.item() : got).toEqual(wanted);
    return;
  }
  const value = got as Value;
  expect({ dtype: value.dtype, shape: [...value.shape] }).toEqual({
    dtype: wanted.dtype,
    shape: wanted.shape,
  });
  const rtol = tolerance[wanted.dtype] ?? 0;
  const elements = Array.from(value.dataSync(), Number);
  const scale = Math.max(1, ...wanted.values.map(numberOf).filter(Number.isFinite).map(Math.abs));
  const bad = elements.flatMap((x, i) => {
    const y = numberOf(wanted.values[i]);
    const close =
      Object.is(x, y) ||
      x === y ||
      Math.abs(x - y) <= rtol * Math.max(Math.abs(y), rtol === 0 ? 0 : 0.25 * scale);
    return close || (Number.isNaN(x) && Number.isNaN(y)) ? [] : [{ at: i, got: x, wanted: y }];
  });
  expect(bad).toEqual([]);
}

/** Python's indices as ours: None is a new axis, slices are lists. */
function decodeIndex(x: unknown): Index {
  if (x === null) return np.newaxis;
  if (typeof x === 'object' && 'slice' in x) return x.slice as Index;
  return decode(x) as Index;
}

describe('indices', () => {
  test.each(
    golden.indices.map((c, i) => ({
      ...c,
      label: `${i} ${c.op} ${JSON.stringify(c.index).slice(0, 80)}`,
    })),
  )('$label', ({ op, x, index, values, options, result }) => {
    const given = options === null ? [] : [options];
    const call = (): Value => {
      const array = decode(x) as Value;
      const entries = index.map(decodeIndex);
      const place = np.at(array, ...entries) as unknown as Readonly<
        Record<string, (...args: unknown[]) => Value>
      >;
      return values === null ? place[op](...given) : place[op](decode(values), ...given);
    };
    check(call, result);
    if (op === 'get' && options === null)
      compare(np.slice(decode(x) as Value, ...index.map(decodeIndex)), result);
  });
});

type Function = (...args: unknown[]) => unknown;
const functions = np as unknown as Readonly<Record<string, Function>>;

describe.each([...new Set(golden.cases.map((c) => c.name))])('%s', (name) => {
  const cases = golden.cases.filter((c) => c.name === name);
  test.each(
    cases.map((c, i) => ({
      ...c,
      label: `${i} ${JSON.stringify(c.args).slice(0, 60)} ${JSON.stringify(c.options)}`,
    })),
  )('$label', ({ args, options, result }) => {
    const eager = check(
      () => functions[name](...args.map(decode), ...(options === null ? [] : [decode(options)])),
      result,
    );
    // The flag means nothing on bools.
    const weak = isRecorded(result) && result.weak === true;
    if (eager instanceof Value && eager.dtype !== 'bool')
      expect(`${eager.weakType}`, 'weak type').toBe(`${weak}`);
  });
});
