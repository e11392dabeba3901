// What JAX recorded (golden.json), and the comparison with it.
import { readFileSync } from 'node:fs';
import { NDArray, tree } from 'palladia';
import { expect } from 'vitest';
import { dtypeInfo } from '../../core/dtype.ts';
import type { Program } from './kit.ts';

interface Leaf {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

/** Operations of a gradient, and what it keeps. */
export interface Tally {
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

/** The recorded data. */
export const golden = JSON.parse(
  readFileSync(new URL('golden.json', import.meta.url), 'utf8'),
) as Golden;

const numberOf = (x: number | string): number =>
  typeof x === 'number' ? x : x === 'nan' ? Number.NaN : x === 'inf' ? Infinity : -Infinity;

async function compare(got: unknown, want: Leaf, where: string): Promise<void> {
  const array = got instanceof NDArray ? got : NDArray.fromHost([Number(got)], [], 'f32');
  expect(array.shape, where).toEqual(want.shape);
  expect(dtypeInfo[array.dtype].longName, where).toBe(want.dtype);
  // Its elements hold nothing.
  if (want.dtype === 'float0') return;
  const data = Array.from(await array.data(), Number);
  const wanted = want.data.map(numberOf);
  const scale = Math.max(1, ...wanted.filter(Number.isFinite).map(Math.abs));
  data.forEach((x, i) => {
    const y = wanted[i];
    const isClose = Object.is(x, y) || x === y || Math.abs(x - y) <= 4e-6 * scale;
    if (!isClose) expect.fail(`${where}[${i}]: got ${x}, JAX has ${y}`);
  });
}

/** Run a program, and compare what it gives with what JAX gave. */
export async function check(name: string, program: Program): Promise<void> {
  const want = golden.values[name];
  const leaves = tree.leaves(program());
  expect(leaves.length).toBe(want.length);
  for (const [i, leaf] of want.entries()) await compare(leaves[i], leaf, `leaf ${i}`);
}
