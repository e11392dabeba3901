/**
 * Exact algebra of indices: sums of integer multiples of variables whose ranges are known. Addresses, block origins and thread positions
 * are all affine, so that bounds checks and vector loads are decided when the shader is written. What is not affine becomes a variable.
 */

/** An integer whose spelling is `name` and of which the range and a divisor are known. */
export interface Var {
  readonly name: string;
  readonly lo: number;
  readonly hi: number;
  /** Every value is a multiple of this. */
  readonly multiple: number;
}

interface Term {
  readonly v: Var;
  readonly factor: number;
}

/** `constant + Σ factor · v`, with terms in order of their names. */
export interface Affine {
  readonly constant: number;
  readonly terms: readonly Term[];
}

/** The smallest and the largest value. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** The range of i32. */
export const int32: Range = { lo: -(2 ** 31), hi: 2 ** 31 - 1 };

/** The number `n`. */
export const constant = (n: number): Affine => ({ constant: n, terms: [] });

/** Zero. */
export const zero: Affine = constant(0);

/** A variable, or any spelling as one. */
export function variable(name: string, range: Range = int32, multiple = 1): Affine {
  if (range.lo === range.hi) return constant(range.lo);
  return { constant: 0, terms: [{ v: { name, ...range, multiple }, factor: 1 }] };
}

/** a + b. */
export function add(a: Affine, b: Affine): Affine {
  if (a.terms.length === 0) return { constant: a.constant + b.constant, terms: b.terms };
  if (b.terms.length === 0) return { constant: a.constant + b.constant, terms: a.terms };
  const sum = new Map<string, Term>(a.terms.map((t) => [t.v.name, t]));
  for (const t of b.terms) {
    const factor = t.factor + (sum.get(t.v.name)?.factor ?? 0);
    if (factor === 0) sum.delete(t.v.name);
    else sum.set(t.v.name, { v: t.v, factor });
  }
  const terms = [...sum.values()].sort((x, y) => (x.v.name < y.v.name ? -1 : 1));
  return { constant: a.constant + b.constant, terms };
}

/** k · a. */
export function scale(a: Affine, k: number): Affine {
  if (k === 0) return zero;
  if (k === 1) return a;
  return {
    constant: a.constant * k,
    terms: a.terms.map((t) => ({ v: t.v, factor: t.factor * k })),
  };
}

/** a + n. */
export const offset = (a: Affine, n: number): Affine =>
  n === 0 ? a : { constant: a.constant + n, terms: a.terms };

/** a − b. */
export const subtract = (a: Affine, b: Affine): Affine => add(a, scale(b, -1));

/** Whether the value is one number. */
export const isConstant = (a: Affine): boolean => a.terms.length === 0;

/** The smallest and the largest value that the ranges of the variables allow. */
export function rangeOf(a: Affine): Range {
  let [lo, hi] = [a.constant, a.constant];
  for (const { v, factor } of a.terms) {
    lo += factor > 0 ? factor * v.lo : factor * v.hi;
    hi += factor > 0 ? factor * v.hi : factor * v.lo;
  }
  return { lo, hi };
}

/** Whether no value leaves i32, so that arithmetic without wrapping says the truth. */
export function fits(a: Affine): boolean {
  const { lo, hi } = rangeOf(a);
  return lo >= int32.lo && hi <= int32.hi;
}

/** Greatest common divisor; 0 is divisible by everything. */
export function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

/** A divisor of every value; 0 when the value is always 0. */
export const multipleOf = (a: Affine): number =>
  a.terms.reduce((m, t) => gcd(m, t.factor * t.v.multiple), Math.abs(a.constant));

/** Whether every value is a multiple of `k`. */
export const isMultiple = (a: Affine, k: number): boolean => multipleOf(a) % k === 0;

/** a / k where that is exact; undefined when it is not known to be. */
export function divide(a: Affine, k: number): Affine | undefined {
  if (k === 1) return a;
  if (a.constant % k !== 0 || !a.terms.every((t) => t.factor % k === 0)) return undefined;
  return {
    constant: a.constant / k,
    terms: a.terms.map((t) => ({ v: t.v, factor: t.factor / k })),
  };
}

/** ⌊a / k⌋ and a mod k, for a ≥ 0, with as much of it affine as can be. */
export function split(a: Affine, k: number): readonly [quotient: Affine, remainder: Affine] {
  const { lo, hi } = rangeOf(a);
  if (lo >= 0 && hi < k) return [zero, a];
  const even = {
    constant: a.constant - (((a.constant % k) + k) % k),
    terms: a.terms.filter((t) => t.factor % k === 0),
  };
  const rest = subtract(a, even);
  const inner = rangeOf(rest);
  const quotient = divide(even, k) ?? zero;
  if (inner.lo >= 0 && inner.hi < k) return [quotient, rest];
  const part = inner.lo >= 0 ? rest : a;
  const text = atom(part);
  const range = rangeOf(part);
  const whole = variable(`(${text} / ${k})`, {
    lo: Math.floor(Math.max(0, range.lo) / k),
    hi: Math.floor(range.hi / k),
  });
  const remainder = variable(`(${text} % ${k})`, { lo: 0, hi: k - 1 });
  return [part === rest ? add(quotient, whole) : whole, remainder];
}

const product = (name: string, factor: number): string =>
  factor === 1 ? name : `${name} * ${factor}`;

/** The WGSL spelling, an i32 expression without outer parentheses. */
export function print(a: Affine): string {
  let text = '';
  for (const { v, factor } of a.terms) {
    if (text === '') text = factor < 0 ? `-${product(v.name, -factor)}` : product(v.name, factor);
    else text += factor < 0 ? ` - ${product(v.name, -factor)}` : ` + ${product(v.name, factor)}`;
  }
  if (text === '') return String(a.constant);
  if (a.constant === 0) return text;
  return a.constant < 0 ? `${text} - ${-a.constant}` : `${text} + ${a.constant}`;
}

/** The spelling with parentheses where it is more than one word. */
export function atom(a: Affine): string {
  const text = print(a);
  return /^[\w().]*$/.test(text) ? text : `(${text})`;
}
