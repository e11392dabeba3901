/**
 * `einsum`: sums of products by named axes. The operands are contracted pairwise from the left; every step is one dot product
 * or one sum, so that compilers see matrix products.
 */
import { describe, type ArrayLike } from '../core/array.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { checkOptions } from '../core/options.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import { at } from './indexing.ts';
import { dotOptions, type ProductOptions } from './linear.ts';
import { promoteDTypes } from './promote.ts';

/** An operand with the names of its axes. */
interface Term {
  readonly value: Value;
  readonly names: readonly string[];
}

/** A parsed specification; axes under `...` are named …0, …1, counted from the last. */
interface Spec {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

function namesOf(text: string, spec: string, rank?: number): string[] {
  const [before, after, extra] = text.split('...');
  if (extra !== undefined || !/^[A-Za-z]*$/.test(before + (after ?? '')))
    throw new ArgumentError(
      `einsum: axes are named by single letters, with at most one '...' per operand; got '${spec}'. Write for example 'ij,jk->ik'.`,
    );
  if (after === undefined) return before.split('');
  const covered = rank === undefined ? 0 : Math.max(0, rank - before.length - after.length);
  return [
    ...before.split(''),
    ...Array.from({ length: covered }, (_, i) => `…${covered - 1 - i}`),
    ...after.split(''),
  ];
}

function parse(spec: string, values: readonly Value[]): Spec {
  const [left, right, extra] = spec.replaceAll(' ', '').split('->');
  const parts = left.split(',');
  if (extra !== undefined || parts.length !== values.length)
    throw new ArgumentError(
      `einsum: the specification must name the axes of each operand; got '${spec}' for ${values.length} operands. Separate operands with commas.`,
    );
  const inputs = parts.map((part, i) => namesOf(part, spec, values[i].ndim));
  inputs.forEach((names, i) => {
    if (names.length !== values[i].ndim)
      throw new ShapeError(
        `einsum: each axis needs a name; got '${parts[i]}' for ${values[i].aval.toString()}. Name all axes, or write '...'.`,
      );
  });
  const dots = Math.max(0, ...inputs.map((names) => names.filter((n) => n.startsWith('…')).length));
  const ellipsis = Array.from({ length: dots }, (_, i) => `…${dots - 1 - i}`);
  if (right !== undefined) return { inputs, output: outputNames(right, spec, ellipsis, inputs) };
  const letters = inputs.flat().filter((n) => !n.startsWith('…'));
  const once = [...new Set(letters)].filter((n) => letters.filter((m) => m === n).length === 1);
  return { inputs, output: [...ellipsis, ...once.toSorted()] };
}

function outputNames(
  text: string,
  spec: string,
  ellipsis: readonly string[],
  inputs: Spec['inputs'],
): string[] {
  const [before, after] = text.split('...');
  namesOf(text, spec);
  const names =
    after === undefined ? before.split('') : [...before.split(''), ...ellipsis, ...after.split('')];
  const known = new Set(inputs.flat());
  if (names.some((n) => !known.has(n)) || new Set(names).size !== names.length)
    throw new ArgumentError(
      `einsum: the result must name axes of the operands, each once; got '${spec}'. Check the names after '->'.`,
    );
  return names;
}

/** Take the diagonal where an operand names an axis twice, and sum axes that nobody else needs. */
function tidy({ value, names }: Term, needed: ReadonlySet<string>): Term {
  let [v, ns] = [value, [...names]];
  for (let i = 0; i < ns.length; i++) {
    const j = ns.lastIndexOf(ns[i]);
    if (j === i) continue;
    if (v.shape[i] !== v.shape[j])
      throw new ShapeError(
        `einsum: an axis has one size; got ${v.shape[i]} and ${v.shape[j]} for '${ns[i]}'. Slice the operand.`,
      );
    const steps = lax.iota('i32', v.shape[i]);
    const moved = lax.transpose(v, [...ns.keys()].filter((k) => k !== i && k !== j).concat(i, j));
    v = at(moved, '...', steps, steps).get();
    ns = [...ns.filter((_, k) => k !== i && k !== j), ns[i]];
    i = -1;
  }
  const lonely = ns.flatMap((n, i) => (needed.has(n) ? [] : [i]));
  if (lonely.length === 0) return { value: v, names: ns };
  return { value: lax.reduceSum(v, lonely), names: ns.filter((n) => needed.has(n)) };
}

/** Contract two operands: shared axes that are needed later are batches, other shared axes are summed. */
function contract(a: Term, b: Term, needed: ReadonlySet<string>, options: ProductOptions): Term {
  const sizeIn = (t: Term, n: string): number => t.value.shape[t.names.indexOf(n)];
  // An axis of size 1 beside a greater one is broadcast: it is dropped here and comes back from the other operand.
  const drop = (t: Term, other: Term): Term => {
    const gone = t.names.filter(
      (n) => other.names.includes(n) && sizeIn(t, n) === 1 && sizeIn(other, n) !== 1,
    );
    if (gone.length === 0) return t;
    return {
      value: lax.squeeze(
        t.value,
        gone.map((n) => t.names.indexOf(n)),
      ),
      names: t.names.filter((n) => !gone.includes(n)),
    };
  };
  const [x, y] = [drop(a, b), drop(b, a)];
  const shared = x.names.filter((n) => y.names.includes(n));
  const bad = shared.find((n) => sizeIn(x, n) !== sizeIn(y, n));
  if (bad !== undefined)
    throw new ShapeError(
      `einsum: an axis has one size; got ${sizeIn(x, bad)} and ${sizeIn(y, bad)} for '${bad}'. Slice or reshape an operand.`,
    );
  const batch = shared.filter((n) => needed.has(n));
  const summed = shared.filter((n) => !needed.has(n));
  const axes = (t: Term, names: readonly string[]): number[] =>
    names.map((n) => t.names.indexOf(n));
  const value = lax.dotGeneral(
    x.value,
    y.value,
    [
      [axes(x, summed), axes(y, summed)],
      [axes(x, batch), axes(y, batch)],
    ],
    dotOptions('einsum', options, x.value),
  );
  const free = (t: Term): string[] => t.names.filter((n) => !shared.includes(n));
  return { value, names: [...batch, ...free(x), ...free(y)] };
}

/**
 * Sum products of operands over named axes. Axes that the result does not name are summed; without `->` those named once stay, in
 * alphabetical order. `...` stands for leading axes that broadcast.
 *
 * @throws ArgumentError when the specification does not parse; ShapeError when it does not fit the operands.
 * @example
 * np.einsum('bij,bjk->bik', np.ones([2, 3, 4]), np.ones([2, 4, 5])).shape; // → [ 2, 3, 5 ]
 */
export function einsum(spec: string, ...operands: readonly (ArrayLike | ProductOptions)[]): Value {
  if (typeof spec !== 'string')
    throw new ArgumentError(
      `einsum: the specification must be a string like 'ij,jk->ik'; got ${describe(spec)}. Put it first.`,
    );
  const last = operands.at(-1);
  const options = isOptions(last) ? last : {};
  checkOptions('einsum', options, ['precision', 'preferredElementType']);
  const arrays = (isOptions(last) ? operands.slice(0, -1) : operands) as readonly ArrayLike[];
  if (arrays.length === 0)
    throw new ArgumentError(
      `einsum: at least one operand is needed; got only '${spec}'. Pass the arrays after it.`,
    );
  const values = promoteDTypes('einsum', ...arrays);
  const { inputs, output } = parse(spec, values);
  const neededBy = (from: number): Set<string> =>
    new Set([...output, ...inputs.slice(from).flat()]);
  let term = tidy({ value: values[0], names: inputs[0] }, neededBy(1));
  for (let i = 1; i < values.length; i++) {
    const next = tidy(
      { value: values[i], names: inputs[i] },
      new Set([...neededBy(i + 1), ...term.names]),
    );
    const own = tidy(term, new Set([...neededBy(i + 1), ...next.names]));
    term = contract(own, next, neededBy(i + 1), options);
  }
  const { value, names } = tidy(term, new Set(output));
  const order = output.map((n) => names.indexOf(n));
  return order.every((axis, i) => axis === i) ? value : lax.transpose(value, order);
}

const isOptions = (x: unknown): x is ProductOptions =>
  typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;
