/**
 * Largest and smallest f32 of a row, by integers. `f32x4.max` takes eight instructions on x86; the bits of floats, seen as integers,
 * are ordered like the non-negative floats and against the negative ones, so that three one-instruction integer extremes tell all:
 * S = signed maximum, U = unsigned maximum, L = unsigned minimum.
 *   max = S if S ≥ 0 (some element is +0 or more), else L (all are negative: the one nearest to zero)
 *   min = U if its sign is set (some element is negative), else L
 *   NaN if S > 0x7f800000 (a positive one) or U > 0xff800000 (a negative one)
 */
import type { Context } from './convert.ts';
import { op, shuffle32 } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { OpName } from './ops.ts';
import { choose } from './vector.ts';

const folds: readonly OpName[] = ['i32x4.max_s', 'i32x4.max_u', 'i32x4.min_u'];

/** S, U and L, several of each. */
export interface Extremes {
  readonly chains: readonly (readonly Local[])[];
}

/** Take the registers of a running extreme. */
export const takeRegisters = ({ fn }: Context, chains: number): Extremes => ({
  chains: Array.from({ length: chains }, () => folds.map(() => fn.local('v128', 'extreme'))),
});

/** Start over: from -∞ for max, +∞ for min, which do no harm in any of the three. */
export function startExtremes({ fn }: Context, which: 'max' | 'min', { chains }: Extremes): void {
  const start = fn.float(which === 'max' ? -Infinity : Infinity);
  for (const local of chains.flat()) fn.set(local, start);
}

/** Take vector number `u` into a running extreme. `x` must be a local. */
export function takeExtreme({ fn }: Context, { chains }: Extremes, u: number, x: Node): void {
  chains[u % chains.length].forEach((local, i) => fn.set(local, op(folds[i], fn.get(local), x)));
}

/** The extreme of all lanes, in every lane. */
export function finishExtreme(context: Context, which: 'max' | 'min', { chains }: Extremes): Node {
  const { fn } = context;
  const [s, u, l] = folds.map((name, i) => {
    const all = fn.keep(chains.map((chain) => fn.get(chain[i])).reduce((x, y) => op(name, x, y)));
    const halves = fn.keep(op(name, all, shuffle32(all, all, [2, 3, 0, 1])));
    return fn.keep(op(name, halves, shuffle32(halves, halves, [1, 0, 3, 2])));
  });
  const positive = op('i32x4.gt_s', s, fn.splat(0x7f800000));
  const negative = op('i32x4.gt_u', u, fn.splat(0xff800000 | 0));
  const isOther =
    which === 'max' ? op('i32x4.lt_s', s, fn.splat(0)) : op('i32x4.ge_s', u, fn.splat(0));
  const value = fn.keep(choose(context, fn.keep(isOther), l, which === 'max' ? s : u));
  return choose(context, fn.keep(op('v128.or', positive, negative)), fn.float(NaN), value);
}
