/**
 * Exact arithmetic on indices: what an i32 scalar of a kernel is as a sum of multiples of symbols (grid indices, loop indices, other
 * scalars), and between which bounds it lies. It decides which accesses need no bounds checks and which windows start at the same place.
 */
import type { ScalarFn } from '../scalar.ts';

/** constant + Σ coefficient · symbol. */
export interface Affine {
  readonly constant: number;
  readonly terms: ReadonlyMap<string, number>;
}

/** Inclusive bounds. */
export type Bounds = readonly [low: number, high: number];

const everything: Bounds = [-(2 ** 31), 2 ** 31 - 1];

/** The affine form of a known number. */
export const affineConstant = (constant: number): Affine => ({ constant, terms: new Map() });

/** A text that is equal for equal forms. */
export function affineKey({ constant, terms }: Affine): string {
  const sorted = [...terms].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [constant, ...sorted.map(([symbol, factor]) => `${factor}*${symbol}`)].join('+');
}

/** a + factor · b. */
export function affineSum(a: Affine, b: Affine, factor = 1): Affine {
  const terms = new Map(a.terms);
  for (const [symbol, coefficient] of b.terms) {
    const sum = (terms.get(symbol) ?? 0) + factor * coefficient;
    if (sum === 0) terms.delete(symbol);
    else terms.set(symbol, sum);
  }
  return { constant: a.constant + factor * b.constant, terms };
}

/** Symbols with their bounds, and the rules by which scalar functions make new ones. */
export class Symbols {
  readonly #bounds = new Map<string, Bounds>();
  readonly #names = new Map<string, string>();
  #unknown = 0;

  /** A symbol with known bounds. Equal names mean equal values. */
  symbol(name: string, bounds: Bounds): Affine {
    if (bounds[0] === bounds[1]) return affineConstant(bounds[0]);
    this.#bounds.set(name, bounds);
    return { constant: 0, terms: new Map([[name, 1]]) };
  }

  /** A symbol of which nothing is known. */
  unknown(bounds: Bounds = everything): Affine {
    return this.symbol(`?${this.#unknown++}`, bounds);
  }

  /** Bounds of a form; everything if the sum might wrap. */
  boundsOf({ constant, terms }: Affine): Bounds {
    let [low, high] = [constant, constant];
    for (const [symbol, factor] of terms) {
      const [a, b] = this.#bounds.get(symbol) ?? everything;
      low += Math.min(a * factor, b * factor);
      high += Math.max(a * factor, b * factor);
    }
    return low < everything[0] || high > everything[1] ? everything : [low, high];
  }

  /** The form of a scalar function of i32 operands. */
  apply(fn: ScalarFn, xs: readonly Affine[]): Affine {
    const [x, y] = xs;
    const known = (form: Affine): number | undefined =>
      form.terms.size === 0 ? form.constant : undefined;
    if (fn === 'add') return this.#guard(affineSum(x, y), fn, xs);
    if (fn === 'sub') return this.#guard(affineSum(x, y, -1), fn, xs);
    if (fn === 'neg') return this.#guard(affineSum(affineConstant(0), x, -1), fn, xs);
    if (fn === 'mul') {
      const [a, b] = [known(x), known(y)];
      if (b !== undefined) return this.#guard(affineSum(affineConstant(0), x, b), fn, xs);
      if (a !== undefined) return this.#guard(affineSum(affineConstant(0), y, a), fn, xs);
    }
    return this.#opaque(fn, xs);
  }

  // A sum that might wrap is no longer the sum.
  #guard(form: Affine, fn: ScalarFn, xs: readonly Affine[]): Affine {
    const [low, high] = this.boundsOf(form);
    return low === everything[0] && high === everything[1] ? this.#opaque(fn, xs) : form;
  }

  #opaque(fn: ScalarFn, xs: readonly Affine[]): Affine {
    const text = `${fn}(${xs.map(affineKey).join(',')})`;
    // Short names: texts of long chains would grow with their length.
    const name = this.#names.get(text) ?? `#${this.#names.size}`;
    this.#names.set(text, name);
    return this.symbol(
      name,
      boundsOfFunction(
        fn,
        xs.map((x) => this.boundsOf(x)),
      ),
    );
  }
}

function boundsOfFunction(fn: ScalarFn, bounds: readonly Bounds[]): Bounds {
  const [[a, b], [c, d]] = [bounds[0], bounds[1] ?? everything];
  const fixed = c === d ? c : undefined;
  switch (fn) {
    case 'max':
      return [Math.max(a, c), Math.max(b, d)];
    case 'min':
      return [Math.min(a, c), Math.min(b, d)];
    case 'clamp': {
      const [e, f] = bounds[2];
      return [Math.min(Math.max(c, a), e), Math.min(Math.max(d, b), f)];
    }
    case 'div':
      return fixed !== undefined && fixed > 0
        ? [Math.trunc(a / fixed), Math.trunc(b / fixed)]
        : everything;
    case 'rem':
      if (fixed === undefined || fixed <= 0) return everything;
      return [a < 0 ? Math.max(a, 1 - fixed) : 0, b > 0 ? Math.min(b, fixed - 1) : 0];
    case 'and':
      if (a < 0 && c < 0) return everything;
      return [0, Math.min(a >= 0 ? b : Infinity, c >= 0 ? d : Infinity)];
    case 'shiftRightArithmetic':
    case 'shiftRightLogical':
      return fixed !== undefined && fixed >= 0 && fixed < 32 && a >= 0
        ? [a >> fixed, b >> fixed]
        : everything;
    default:
      return everything;
  }
}
