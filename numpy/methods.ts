/**
 * Array methods: `installMethods` gives every array and tracer `x.add(y)`, `x.sum()`, `x.at(…)` and the others. They are the
 * functions of this folder with the array as first argument.
 */
import type { ArrayLike } from '../core/array.ts';
import { Value } from '../core/value.ts';
import { astype } from './creation.ts';
import { at, slice, take, type IndexRef, type TakeOptions } from './indexing.ts';
import type { Index } from './index-syntax.ts';
import { diagonal, dot, matmul, type DiagonalOptions, type ProductOptions } from './linear.ts';
import type { Axis, DTypeLike, ShapeLike } from './promote.ts';
import * as reductions from './reductions.ts';
import type {
  CumulativeOptions,
  ExtremumOptions,
  MeanOptions,
  PositionOptions,
  ReduceOptions,
  SumOptions,
  VarianceOptions,
} from './reductions.ts';
import {
  clip,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  notEqual,
  type ClipOptions,
} from './selection.ts';
import {
  broadcastTo,
  expandDims,
  flip,
  moveaxis,
  ravel,
  repeat,
  reshape,
  squeeze,
  swapaxes,
  transpose,
  type AxisOptions,
} from './shape.ts';
import { addressableShards, type Shard } from './shards.ts';
import { argsort, sort, type SortOptions } from './sorting.ts';
import * as ufuncs from './ufuncs.ts';

/** The methods of arrays. Each is the numpy function of its name; errors are as there. */
export interface ArrayMethods {
  /** x + y. */
  add(y: ArrayLike): Value;
  /** x - y. */
  sub(y: ArrayLike): Value;
  /** x · y. */
  mul(y: ArrayLike): Value;
  /** x / y. */
  div(y: ArrayLike): Value;
  /** ⌊x / y⌋. */
  floorDivide(y: ArrayLike): Value;
  /** x mod y, with the sign of y. */
  mod(y: ArrayLike): Value;
  /** xʸ. */
  pow(y: ArrayLike): Value;
  /** -x. */
  neg(): Value;
  /** |x|. */
  abs(): Value;
  /** The nearest numbers with so many decimals. */
  round(decimals?: number): Value;
  /** Keep elements between bounds. */
  clip(min?: ArrayLike | null | ClipOptions, max?: ArrayLike | null): Value;
  /** Where x = y. */
  equal(y: ArrayLike): Value;
  /** Where x ≠ y. */
  notEqual(y: ArrayLike): Value;
  /** Where x < y. */
  less(y: ArrayLike): Value;
  /** Where x ≤ y. */
  lessEqual(y: ArrayLike): Value;
  /** Where x > y. */
  greater(y: ArrayLike): Value;
  /** Where x ≥ y. */
  greaterEqual(y: ArrayLike): Value;
  /** The matrix product. */
  matmul(y: ArrayLike, options?: ProductOptions): Value;
  /** The dot product. */
  dot(y: ArrayLike, options?: ProductOptions): Value;
  /** The sum over axes. */
  sum(options?: Axis | SumOptions): Value;
  /** The product over axes. */
  prod(options?: Axis | SumOptions): Value;
  /** The mean over axes. */
  mean(options?: Axis | MeanOptions): Value;
  /** The variance over axes. */
  var(options?: Axis | VarianceOptions): Value;
  /** The standard deviation over axes. */
  std(options?: Axis | VarianceOptions): Value;
  /** The greatest element over axes. */
  max(options?: Axis | ExtremumOptions): Value;
  /** The least element over axes. */
  min(options?: Axis | ExtremumOptions): Value;
  /** Whether all elements are true. */
  all(options?: Axis | ReduceOptions): Value;
  /** Whether one element is true. */
  any(options?: Axis | ReduceOptions): Value;
  /** The position of the greatest element. */
  argmax(options?: number | null | PositionOptions): Value;
  /** The position of the least element. */
  argmin(options?: number | null | PositionOptions): Value;
  /** The running sum. */
  cumsum(options?: number | null | CumulativeOptions): Value;
  /** The running product. */
  cumprod(options?: number | null | CumulativeOptions): Value;
  /** The elements sorted along an axis. */
  sort(options?: number | null | SortOptions): Value;
  /** The positions that sort along an axis. */
  argsort(options?: number | null | SortOptions): Value;
  /** The same elements in another shape: `x.reshape([2, -1])` or `x.reshape(2, -1)`. */
  reshape(newShape: ShapeLike, ...sizes: readonly number[]): Value;
  /** All elements in a row. */
  ravel(): Value;
  /** All elements in a row. */
  flatten(): Value;
  /** Permute the axes; reverse them when no order is given. */
  transpose(axes?: readonly number[]): Value;
  /** The array with its axes reversed. */
  readonly T: Value;
  /** The array with its last two axes swapped. */
  readonly mT: Value;
  /** Swap two axes. */
  swapaxes(axis1: number, axis2: number): Value;
  /** Move axes to other places. */
  moveaxis(source: number | readonly number[], destination: number | readonly number[]): Value;
  /** Drop axes of size 1. */
  squeeze(options?: Axis | AxisOptions): Value;
  /** Insert axes of size 1. */
  expandDims(axis: number | readonly number[]): Value;
  /** Repeat into a shape. */
  broadcastTo(newShape: ShapeLike): Value;
  /** Reverse the order along axes. */
  flip(options?: Axis | AxisOptions): Value;
  /** Repeat every element. */
  repeat(repeats: number, axis?: number | null): Value;
  /** Convert to a dtype. */
  astype(dtype: DTypeLike): Value;
  /** Elements at positions along an axis. */
  take(indices: ArrayLike, options?: number | null | TakeOptions): Value;
  /** The diagonal of two axes. */
  diagonal(options?: DiagonalOptions): Value;
  /** A place, to read with `.get()` or to write with `.set(v)`, `.add(v)`, … */
  at(...indices: readonly Index[]): IndexRef;
  /** Elements at an index. */
  slice(...indices: readonly Index[]): Value;
  /** What each device has of the array, as `sharding` says. */
  readonly addressableShards: readonly Shard[];
}

declare module '../core/value.ts' {
  // The class gets the methods' types here, and the methods below.
  interface Value extends ArrayMethods {}
}

/** Turns a function into a method. */
type Method = (this: Value, ...args: never[]) => unknown;
const method = (f: (x: Value, ...args: never[]) => unknown): Method =>
  function (this: Value, ...args: never[]) {
    return f(this, ...args);
  };

const functions: Readonly<
  Record<
    Exclude<keyof ArrayMethods, 'T' | 'mT' | 'addressableShards'>,
    (x: Value, ...args: never[]) => unknown
  >
> = {
  add: ufuncs.add,
  sub: ufuncs.subtract,
  mul: ufuncs.multiply,
  div: ufuncs.divide,
  floorDivide: ufuncs.floorDivide,
  mod: ufuncs.mod,
  pow: ufuncs.power,
  neg: ufuncs.negative,
  abs: ufuncs.abs,
  round: ufuncs.round,
  clip,
  equal,
  notEqual,
  less,
  lessEqual,
  greater,
  greaterEqual,
  matmul,
  dot,
  sum: reductions.sum,
  prod: reductions.prod,
  mean: reductions.mean,
  var: reductions.var,
  std: reductions.std,
  max: reductions.max,
  min: reductions.min,
  all: reductions.all,
  any: reductions.any,
  argmax: reductions.argmax,
  argmin: reductions.argmin,
  cumsum: reductions.cumsum,
  cumprod: reductions.cumprod,
  sort,
  argsort,
  reshape: (x: Value, newShape: ShapeLike, ...sizes: readonly number[]) =>
    reshape(x, typeof newShape === 'number' && sizes.length > 0 ? [newShape, ...sizes] : newShape),
  ravel,
  flatten: ravel,
  transpose,
  swapaxes,
  moveaxis,
  squeeze,
  expandDims,
  broadcastTo,
  flip,
  repeat,
  astype,
  take,
  diagonal,
  at,
  slice,
};

/** Give all arrays and tracers their methods; `entry/` calls it. */
export function installMethods(): void {
  for (const [name, f] of Object.entries(functions))
    Object.defineProperty(Value.prototype, name, {
      value: method(f),
      configurable: true,
      writable: true,
    });
  const property = <K extends 'T' | 'mT' | 'addressableShards'>(
    name: K,
    f: (x: Value) => ArrayMethods[K],
  ): void => {
    Object.defineProperty(Value.prototype, name, {
      get(this: Value) {
        return f(this);
      },
      configurable: true,
    });
  };
  property('T', (x) => transpose(x));
  property('mT', (x) => swapaxes(x, -1, -2));
  property('addressableShards', addressableShards);
}
