// What a case is: one operation with its params closed over, how its arguments are made, and which laws it is known not to obey.
// Laws stand in tests/laws; adding a case tests it against every law, adding a law tests every case.
import type { DType } from '../../core/dtype.ts';
import { sizeOf, type Shape } from '../../core/shape.ts';
import type { Value } from '../../core/value.ts';

/** A source of numbers in [0, 1) that repeats for a seed (mulberry32). */
export type Random = () => number;

/** Starts a source. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One argument: `float` is f32, and f64 where derivatives are compared with differences. */
export interface ArgumentSpec {
  readonly shape: Shape;
  readonly dtype: DType | 'float';
  values(random: Random): number[];
}

/** Names of the laws. */
export type Law = 'jit' | 'jvp' | 'vjp' | 'vmap' | 'second';

/** One case. */
export interface Case {
  readonly name: string;
  readonly args: readonly ArgumentSpec[];
  readonly f: (...xs: Value[]) => Value | readonly Value[];
  /** What each element of the result is, computed in JavaScript from elements of the arguments; for elementwise operations. */
  readonly meaning?: (...xs: number[]) => number;
  /** Relative tolerance of `meaning` in f32; 1e-6 when left out. */
  readonly rtol?: number;
  /** Laws that do not hold, with the reason. */
  readonly limits?: Partial<Record<Law, string>>;
}

const fill = (shape: Shape, one: (i: number) => number): number[] =>
  Array.from({ length: sizeOf(shape) }, (_, i) => one(i));

/** Reals between two bounds. */
export const real = (shape: Shape, low = -2, high = 2): ArgumentSpec => ({
  shape,
  dtype: 'float',
  values: (random) => fill(shape, () => low + (high - low) * random()),
});

/** Reals of both signs that keep away from zero. */
export const nonzero = (shape: Shape, low = 0.3, high = 2): ArgumentSpec => ({
  shape,
  dtype: 'float',
  values: (random) =>
    fill(shape, () => (random() < 0.5 ? -1 : 1) * (low + (high - low) * random())),
});

/** Reals that are pairwise at least 0.1 apart, in random order: extrema and orders are stable under small changes. */
export const distinct = (shape: Shape): ArgumentSpec => ({
  shape,
  dtype: 'float',
  values: (random) => {
    const n = sizeOf(shape);
    const ranks = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [ranks[i], ranks[j]] = [ranks[j], ranks[i]];
    }
    return ranks.map((r) => (r - n / 2 + 0.5 * random()) * 0.2);
  },
});

/** Integers from `low` up to and with `high`. */
export const int = (shape: Shape, low = -5, high = 5, dtype: DType = 'i32'): ArgumentSpec => ({
  shape,
  dtype,
  values: (random) => fill(shape, () => low + Math.floor((high - low + 1) * random())),
});

/** Truth values. */
export const bool = (shape: Shape): ArgumentSpec => ({
  shape,
  dtype: 'bool',
  values: (random) => fill(shape, () => (random() < 0.5 ? 0 : 1)),
});

/** Given values. */
export const fixed = (
  values: readonly number[],
  shape: Shape,
  dtype: DType | 'float',
): ArgumentSpec => ({
  shape,
  dtype,
  values: () => [...values],
});

/** Makes a case. */
export const make = (
  name: string,
  args: readonly ArgumentSpec[],
  f: Case['f'],
  more: Partial<Case> = {},
): Case => ({ name, args, f, ...more });
