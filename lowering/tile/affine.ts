/** Affine analysis of index maps: integer scalars as constant + Σ coefficient · grid index, where that can be proved. */
import type { TileOp, TileRegion, TileValue } from './ir.ts';

/** constant + Σ coefficients[i] · (grid index i). */
export interface Affine {
  readonly constant: number;
  readonly coefficients: readonly number[];
}

const plus = (a: Affine, b: Affine, sign: 1 | -1): Affine => ({
  constant: a.constant + sign * b.constant,
  coefficients: a.coefficients.map((c, i) => c + sign * b.coefficients[i]),
});

const times = (a: Affine, k: number): Affine => ({ constant: a.constant * k, coefficients: a.coefficients.map((c) => c * k) });

const isConstant = (a: Affine): boolean => a.coefficients.every((c) => c === 0);

function combine(op: TileOp<'scalar'>, args: readonly Affine[]): Affine | undefined {
  const [a, b] = args;
  switch (op.attrs.fn) {
    case 'add':
      return plus(a, b, 1);
    case 'sub':
      return plus(a, b, -1);
    case 'neg':
      return times(a, -1);
    case 'mul':
      if (isConstant(a)) return times(b, a.constant);
      return isConstant(b) ? times(a, b.constant) : undefined;
    default:
      return undefined;
  }
}

/** The affine form of a scalar of a region over its first `axes` arguments; undefined where it is not (provably) affine. */
export function affineOf(value: TileValue, region: TileRegion, axes: number): Affine | undefined {
  const known = new Map<TileValue, Affine>();
  const zeros = Array.from({ length: axes }, () => 0);
  region.args.slice(0, axes).forEach((arg, i) => known.set(arg, { constant: 0, coefficients: zeros.with(i, 1) }));
  for (const op of region.ops) {
    const [result] = op.results;
    const args = op.operands.map((x) => known.get(x));
    const complete = args.filter((x) => x !== undefined);
    if (op.kind === 'constant' && typeof op.attrs.value === 'number') known.set(result, { constant: op.attrs.value, coefficients: zeros });
    else if (complete.length !== args.length) continue;
    else if (op.kind === 'assume') known.set(result, complete[0]);
    else if (op.kind === 'scalar') {
      const form = combine(op, complete);
      if (form !== undefined) known.set(result, form);
    }
  }
  return known.get(value);
}
