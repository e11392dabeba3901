/** `map` and `associativeScan`: functions of slices without a carry, and with one that may be regrouped. */
import { ArgumentError, DTypeError, ShapeError, TreeError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { canonicalAxis, sameShape } from '../core/shape.ts';
import { flatten, leafPaths, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { concatenate, sliceInDim } from '../lax/slicing.ts';
import { expandDims, reshape, rev } from '../lax/structure.ts';
import { checkSync, flattenValues } from '../transforms/flat-function.ts';
import type { Input, Output } from '../transforms/signature.ts';
import { vmap } from '../transforms/vmap.ts';
import { scan } from './scan.ts';

/** Options of `map`. */
export interface MapOptions {
  /** How many slices go through the function at once, as by `vmap`; one when left out. */
  readonly batchSize?: number;
}

/**
 * Apply a function to the slices of `xs` along their first axes, one after the other, and stack the results. With `batchSize`,
 * that many slices go at once: faster than one at a time, smaller in memory than `vmap` of all.
 *
 * @throws ArgumentError when `batchSize` is no integer from 1; else as `scan`.
 * @example
 * String(map((x: Value) => lax.mul(x, x), lax.iota('i32', 4))); // → [0 1 4 9]
 */
export function map<X, Y>(f: (x: X) => Y, xs: Input<X>, options: MapOptions = {}): Output<Y> {
  checkFunction('map', f);
  checkOptions('map', options, ['batchSize']);
  const { batchSize } = options;
  if (batchSize === undefined) return mapEach(f, xs);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new ArgumentError(
      `map: batchSize must be an integer from 1; got ${batchSize}. Leave it out for one slice at a time.`,
    );
  const { values, treedef } = flattenValues('map', 'xs', xs);
  // Without slices, or with unequal ones, the plain loop knows what to say.
  const size = values[0]?.shape[0] ?? 0;
  if (size === 0 || values.some((x) => x.shape[0] !== size)) return mapEach(f, xs);
  const together = vmap(f as (x: never) => Y) as (x: unknown) => Output<Y>;
  const rounds = Math.floor(size / batchSize);
  if (rounds === 0) return together(xs);
  const part = (from: number, to: number): Value[] =>
    values.map((x) => (from === 0 && to === size ? x : sliceInDim(x, from, to)));
  const whole = rounds * batchSize;
  const cut = part(0, whole).map((x) => reshape(x, [rounds, batchSize, ...x.shape.slice(1)]));
  const looped = flatten(mapEach(together, unflatten(treedef, cut)));
  const ys = (looped.leaves as Value[]).map((y) => reshape(y, [whole, ...y.shape.slice(2)]));
  if (whole === size) return unflatten(looped.treedef, ys) as Output<Y>;
  const rest = flatten(together(unflatten(treedef, part(whole, size)))).leaves as Value[];
  return unflatten(
    looped.treedef,
    ys.map((y, i) => concatenate([y, rest[i]], 0)),
  ) as Output<Y>;
}

function mapEach<X, Y>(f: (x: X) => Y, xs: Input<X>): Output<Y> {
  const step = (carry: null, x: X): readonly [null, Y] => [carry, f(x)];
  const [, ys] = scan(step, null, xs);
  return ys;
}

/** Options of `associativeScan`. */
export interface AssociativeScanOptions {
  /** Combine from the last slice to the first. */
  readonly reverse?: boolean;
  /** The axis to scan along; 0 when left out. */
  readonly axis?: number;
}

/**
 * All running combinations of slices by an associative function, `[x₀, f(x₀, x₁), f(f(x₀, x₁), x₂), …]`, in about 2 log₂ n
 * steps that each work on many slices at once. `f` takes and gives trees of arrays of equal size along the axis, and
 * combines them element by element along it.
 *
 * @throws ArgumentError when `f` is no function; ShapeError when sizes along the axis differ, the axis is out of range or `f`
 * changes a shape; DTypeError when it changes a dtype; TreeError when it gives another tree.
 * @example
 * String(associativeScan((a: Value, b: Value) => lax.mul(a, b), np.array([1, 2, 3, 4]))); // → [ 1.  2.  6. 24.]
 */
export function associativeScan<T>(
  f: (a: T, b: T) => T,
  xs: NoInfer<Input<T>>,
  options: AssociativeScanOptions = {},
): Output<T> {
  checkFunction('associativeScan', f);
  checkOptions('associativeScan', options, ['reverse', 'axis']);
  const { reverse = false } = options;
  const { values, treedef } = flattenValues('associativeScan', 'xs', xs);
  if (values.length === 0) return unflatten(treedef, []) as Output<T>;
  const paths = leafPaths(treedef);
  const axes = values.map((x) => canonicalAxis('associativeScan', options.axis ?? 0, x.ndim));
  const size = values[0].shape[axes[0]];
  if (values.some((x, i) => x.shape[axes[i]] !== size))
    throw new ShapeError(
      `associativeScan: all arrays must have one size along the axis; got ${values.map((x, i) => `xs${paths[i]}: ${x.shape[axes[i]]}`).join(', ')}. Slice them to one length.`,
    );
  const turn = (x: Value, i: number): Value => (reverse ? rev(x, [axes[i]]) : x);
  const combine = combiner(f, treedef);
  const out = running(values.map(turn), axes, combine);
  return unflatten(treedef, out.map(turn)) as Output<T>;
}

type Combine = (a: readonly Value[], b: readonly Value[]) => readonly Value[];

/** The user's function on lists, with its result checked. */
function combiner(f: (a: never, b: never) => unknown, tree: TreeDef): Combine {
  return (a, b) => {
    const [first, second] = [a, b].map((xs) => unflatten(tree, xs) as never);
    const result = checkSync('associativeScan', f, f(first, second));
    const { values, treedef } = flattenValues('associativeScan', 'the result', result);
    if (!treedef.equals(tree))
      throw new TreeError(
        `associativeScan: the function must return the tree of its arguments, ${tree.toString()}; got ${treedef.toString()}. Return every part.`,
      );
    values.forEach((y, i) => {
      const facts = (): string =>
        `got ${y.aval.toString()} for ${a[i].aval.toString()} at result${leafPaths(tree)[i]}`;
      if (!sameShape(y.shape, a[i].shape))
        throw new ShapeError(
          `associativeScan: the function must keep the shapes of its arguments; ${facts()}. Combine element by element along the axis.`,
        );
      if (y.dtype !== a[i].dtype)
        throw new DTypeError(
          `associativeScan: the function must keep the dtypes of its arguments; ${facts()}. Convert xs before the scan, or the result.`,
        );
    });
    return values;
  };
}

/** Combine neighbours, scan the half as many pairs, and fill in the elements between. */
function running(xs: readonly Value[], axes: readonly number[], combine: Combine): Value[] {
  const size = xs[0].shape[axes[0]];
  if (size < 2) return [...xs];
  const every = (list: readonly Value[], from: number, to: number, stride: number): Value[] =>
    list.map((x, i) => sliceInDim(x, from, to, { axis: axes[i], stride }));
  const pairs = combine(every(xs, 0, size - 1, 2), every(xs, 1, size, 2));
  // odd[k] combines the elements 0 … 2k + 1.
  const odd = running(pairs, axes, combine);
  const before = size % 2 === 0 ? every(odd, 0, size / 2 - 1, 1) : odd;
  const first = every(xs, 0, 1, 1);
  if (size === 2) return first.map((x, i) => concatenate([x, odd[i]], axes[i]));
  const even = combine(before, every(xs, 2, size, 2)).map((x, i) =>
    concatenate([first[i], x], axes[i]),
  );
  return even.map((x, i) => interleave(x, odd[i], axes[i]));
}

/** a₀ b₀ a₁ b₁ …; `a` may have one slice more. */
function interleave(a: Value, b: Value, axis: number): Value {
  const size = b.shape[axis];
  const pair = [sliceInDim(a, 0, size, { axis }), b].map((x) => expandDims(x, [axis + 1]));
  const both = reshape(concatenate(pair, axis + 1), b.shape.with(axis, 2 * size));
  return a.shape[axis] === size
    ? both
    : concatenate([both, sliceInDim(a, size, size + 1, { axis })], axis);
}
