/** Arrays out of JavaScript values and out of nothing. Sizes and bounds are JavaScript numbers; elements may be traced. */
import { asValue, describe, NDArray, type ArrayLike } from '../core/array.ts';
import { isComplex, isInteger, type DType } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { typedArrayDType, type HostData, type Scalar, type TypedArray } from '../core/host.ts';
import { checkList, knownOptions } from '../core/options.ts';
import { canonicalDType } from '../core/promotion.ts';
import { showShape, type Shape } from '../core/shape.ts';
import { Typed } from '../core/typed.ts';
import { Value } from '../core/value.ts';
import { add, div, floor, mul, sub } from '../lax/arithmetic.ts';
import { eq, ge, select } from '../lax/comparison.ts';
import { convertElementType } from '../lax/convert.ts';
import { broadcastedIota, full as laxFull, iota } from '../lax/creation.ts';
import { isScalar } from '../lax/operand.ts';
import { concatenate } from '../lax/slicing.ts';
import { reshape } from '../lax/structure.ts';
import { isArrayLike } from '../transforms/flat-function.ts';
import {
  asArray,
  asArrayOf,
  asInteger,
  checkConcrete,
  dtypeOf,
  promoteDTypes,
  promoteInexactShapes,
  shapeOf,
  spreadTo,
  type DTypeLike,
  type ShapeLike,
} from './promote.ts';
import { stack } from './shape.ts';

/** What an array can be made of: arrays, numbers, typed arrays, and nested lists of those. */
export type NestedArrayLike = ArrayLike | readonly NestedArrayLike[];

/** Options of `array`. */
export interface ArrayOptions {
  /** Element type; that of the data when left out. */
  readonly dtype?: DTypeLike;
  /** Shape; that of the nesting when left out. */
  readonly shape?: ShapeLike;
}

/**
 * Make an array. Numbers give f32 (a single number is weak), bigints i32, booleans bool; typed arrays keep their type.
 *
 * `x: nested lists of shape s → dtype[s]`
 *
 * @throws ShapeError when lists are ragged; ArgumentError for what is no array and no number, or does not fit the dtype.
 * @example
 * String(np.array([[1, 2], [3, 4]], 'i32')); // → [[1 2] [3 4]]
 * @example
 * np.array(new Int32Array(6), { shape: [2, 3] }).shape; // → [ 2, 3 ]
 */
export function array(x: NestedArrayLike, options: DTypeLike | ArrayOptions = {}): Value {
  const { dtype: like, shape } = optionsOf(options);
  const dtype = like === undefined ? undefined : dtypeOf(like);
  const value = isList(x) ? fromList(x, dtype) : fromLeaf(x, dtype);
  return shape === undefined ? value : reshape(value, shapeOf('array', shape));
}

function optionsOf(options: DTypeLike | ArrayOptions): ArrayOptions {
  const isDType =
    typeof options === 'string' || typeof options === 'function' || options instanceof Typed;
  return isDType
    ? { dtype: options }
    : knownOptions<ArrayOptions>('array', options, ['dtype', 'shape']);
}

/** `array` under its other name. @throws as `array`. */
export const asarray = (x: NestedArrayLike, dtype?: DTypeLike): Value =>
  array(x, dtype === undefined ? {} : { dtype });

const isList = (x: NestedArrayLike): x is readonly NestedArrayLike[] => Array.isArray(x);

function fromLeaf(x: ArrayLike, dtype: DType | undefined): Value {
  if (dtype === undefined) return asValue('array', x);
  if (x instanceof Value) return convertElementType(x, dtype);
  if (typeof x === 'object')
    return typedArrayDType(x) === undefined
      ? asValue('array', x)
      : NDArray.fromHost(x, [x.length], dtype);
  // A real scalar stays on the host: programs that capture it (kernels above all) have it as a literal.
  return isComplex(dtype) ? NDArray.fromHost([x], [], dtype) : NDArray.fromScalar(x, dtype);
}

/** Lists of scalars and typed arrays are copied at once; lists that hold arrays are stacked. */
function fromList(list: readonly NestedArrayLike[], dtype: DType | undefined): Value {
  const shape: number[] = [];
  const leaves: (Scalar | Value | TypedArray)[] = [];
  collect(list, 0, shape, leaves);
  const found = new Set(leaves.map(kindOfLeaf));
  if (!found.has('value') && !found.has('typed')) {
    const scalars = leaves as Scalar[];
    return NDArray.fromHost(scalars, shape, dtype ?? scalarsDType(found));
  }
  const joinedTyped = dtype === undefined ? joinTyped(leaves, shape) : undefined;
  if (joinedTyped !== undefined) return joinedTyped;
  const parts = promoteDTypes('array', ...leaves);
  const joined = stack(parts);
  const value = dtype === undefined ? joined : convertElementType(joined, dtype);
  return reshape(value, [...shape, ...parts[0].shape]);
}

/** Typed arrays of one kind and length, copied at once; undefined for anything else. */
function joinTyped(leaves: readonly unknown[], shape: Shape): Value | undefined {
  const dtype = typedArrayDType(leaves[0]);
  if (dtype === undefined || leaves.some((leaf) => typedArrayDType(leaf) !== dtype))
    return undefined;
  const rows = leaves as readonly HostData[];
  const { length } = rows[0];
  if (rows.some((row) => row.length !== length)) return undefined;
  const flat: Scalar[] = [];
  for (const row of rows) for (let i = 0; i < length; i++) flat.push(row[i]);
  return NDArray.fromHost(flat, [...shape, length], dtype);
}

const kindOfLeaf = (leaf: Scalar | Value | TypedArray): string =>
  leaf instanceof Value ? 'value' : typeof leaf === 'object' ? 'typed' : typeof leaf;

function scalarsDType(found: ReadonlySet<string>): DType {
  if (found.has('number') || found.size === 0) return canonicalDType('f64');
  return found.has('bigint') ? canonicalDType('i64') : 'bool';
}

function collect(
  x: NestedArrayLike,
  depth: number,
  shape: number[],
  leaves: (Scalar | Value | TypedArray)[],
): void {
  if (!isList(x)) {
    if (depth !== shape.length) throw raggedError(shape);
    if (!isArrayLike(x))
      throw new ArgumentError(
        `array: elements must be numbers or arrays; got ${describe(x)}. Convert them first.`,
      );
    leaves.push(x);
    return;
  }
  if (shape.length === depth) {
    if (leaves.length > 0) throw raggedError(shape);
    shape.push(x.length);
  } else if (shape[depth] !== x.length) throw raggedError(shape);
  for (const item of x) collect(item, depth + 1, shape, leaves);
}

const raggedError = (shape: Shape): ShapeError =>
  new ShapeError(
    `array: nested lists must all have one length per level; got a ragged list that begins like shape ${showShape(shape)}. Pad the rows.`,
  );

/**
 * Zeros of this shape; f32 when no dtype is given.
 *
 * @throws ShapeError when the shape is not valid.
 * @example
 * String(np.zeros(2)); // → [0. 0.]
 */
export const zeros = (shape: ShapeLike, dtype: DTypeLike = 'f64'): Value =>
  laxFull(shapeOf('zeros', shape), 0, dtypeOf(dtype));

/**
 * Ones of this shape; f32 when no dtype is given.
 *
 * @throws ShapeError when the shape is not valid.
 * @example
 * String(np.ones([2], 'i32')); // → [1 1]
 */
export const ones = (shape: ShapeLike, dtype: DTypeLike = 'f64'): Value =>
  laxFull(shapeOf('ones', shape), 1, dtypeOf(dtype));

/** An array whose elements do not matter; they are zeros. @throws ShapeError when the shape is not valid. */
export const empty = (shape: ShapeLike, dtype: DTypeLike = 'f64'): Value => zeros(shape, dtype);

/**
 * An array filled with a value, which is broadcast; its dtype is that of the value when none is given.
 *
 * @throws ShapeError when the value does not broadcast to the shape.
 * @example
 * String(np.full(3, 7)); // → [7. 7. 7.]
 */
export function full(shape: ShapeLike, value: ArrayLike, dtype?: DTypeLike): Value {
  const filled =
    dtype === undefined
      ? asArray('full', value, 'value')
      : isScalar(value)
        ? asArrayOf('full', value, dtypeOf(dtype))
        : array(value, dtype);
  return spreadTo('full', filled, shapeOf('full', shape));
}

/** Options of `zerosLike`, `onesLike`, `fullLike`. */
export interface LikeOptions {
  readonly dtype?: DTypeLike;
  readonly shape?: ShapeLike;
}

/** An array like `x`, filled with a value. @throws ShapeError when the value does not broadcast. */
export function fullLike(x: ArrayLike, value: ArrayLike, options: LikeOptions = {}): Value {
  const { dtype, shape } = knownOptions('fullLike', options, ['dtype', 'shape']);
  const like = asArray('fullLike', x);
  const filled = asArrayOf('fullLike', value, dtypeOf(dtype ?? like.dtype), {
    argument: 'value',
    weakType: dtype === undefined && like.weakType,
  });
  return spreadTo(
    'fullLike',
    filled,
    shape === undefined ? like.shape : shapeOf('fullLike', shape),
  );
}

/**
 * Zeros of the shape and dtype of `x`.
 *
 * @throws ShapeError when another shape is given and not valid.
 * @example
 * String(np.zerosLike(np.arange(2))); // → [0 0]
 */
export const zerosLike = (x: ArrayLike, options: LikeOptions = {}): Value =>
  fullLike(x, 0, options);

/** Ones of the shape and dtype of `x`. @throws ShapeError when another shape is given and not valid. */
export const onesLike = (x: ArrayLike, options: LikeOptions = {}): Value => fullLike(x, 1, options);

/** An array like `x` whose elements do not matter; they are zeros. @throws ShapeError when another shape is not valid. */
export const emptyLike = (x: ArrayLike, options: LikeOptions = {}): Value =>
  fullLike(x, 0, options);

/**
 * The numbers from `start` (0 when only one bound is given) up to but without `stop`. Integral bounds give i32, others f32.
 *
 * @throws ArgumentError when the step is 0 or a bound is not finite.
 * @example
 * String(np.arange(2, 8, 2)); // → [2 4 6]
 */
export function arange(start: number, stop?: number, step = 1, dtype?: DTypeLike): Value {
  checkConcrete('arange', 'the bounds', start, stop, step);
  const [low, high] = stop === undefined ? [0, start] : [start, stop];
  if (![low, high, step].every(Number.isFinite) || step === 0)
    throw new ArgumentError(
      `arange: bounds must be finite and the step not 0; got start ${low}, stop ${high}, step ${step}. Give numbers.`,
    );
  const size = Math.max(0, Math.ceil((high - low) / step));
  const integral = Number.isInteger(low) && Number.isInteger(high) && Number.isInteger(step);
  const type = dtype === undefined ? canonicalDType(integral ? 'i64' : 'f64') : dtypeOf(dtype);
  if (isInteger(type) && !integral) return convertElementType(arange(low, high, step, 'f64'), type);
  const index = iota(type, size);
  const scaled = step === 1 ? index : mul(index, step);
  return low === 0 ? scaled : add(scaled, low);
}

/** Options of `linspace` and `logspace`. */
export interface LinspaceOptions {
  /** Whether `stop` is the last element; true when left out. */
  readonly endpoint?: boolean;
  readonly dtype?: DTypeLike;
}

/**
 * `num` numbers in equal distances from `start` to `stop`, both included; of an integer dtype, the integers not above them. Arrays as
 * bounds give one more, leading axis.
 *
 * @throws ArgumentError when `num` is no non-negative integer.
 * @example
 * String(np.linspace(0, 1, 5)); // → [0. 0.25 0.5 0.75 1. ]
 */
export function linspace(
  start: ArrayLike,
  stop: ArrayLike,
  num = 50,
  options: LinspaceOptions = {},
): Value {
  const { endpoint = true, dtype } = knownOptions('linspace', options, ['endpoint', 'dtype']);
  if (asInteger('linspace', num, 'num') < 0)
    throw new ArgumentError(`linspace: num must not be negative; got ${num}. Give a count.`);
  const [low, high] = promoteInexactShapes('linspace', start, stop);
  const shape = low.ndim > 0 ? low.shape : high.shape;
  const lift = (x: Value): Value => reshape(spreadTo('linspace', x, shape), [1, ...shape]);
  const segments = endpoint ? num - 1 : num;
  const count = endpoint ? num - 1 : num;
  // start·(1 - t) + stop·t with t = i/segments hits the start exactly; the end is appended as it is.
  const t = div(
    reshape(iota(low.dtype, Math.max(count, 0)), [Math.max(count, 0), ...shape.map(() => 1)]),
    Math.max(segments, 1),
  );
  const inner = add(mul(lift(low), sub(1, t)), mul(lift(high), t));
  const last = num === 1 ? lift(low) : lift(high);
  const parts = num === 0 ? [] : endpoint ? [inner, last] : [inner];
  const out = parts.length === 0 ? laxFull([0, ...shape], 0, low.dtype) : concatenate(parts, 0);
  const type = dtype === undefined ? out.dtype : dtypeOf(dtype);
  return convertElementType(isInteger(type) ? floor(out) : out, type);
}

/**
 * The identity, or ones on the diagonal number `k` of an n × m matrix.
 *
 * @throws ShapeError when a size is no non-negative integer.
 * @example
 * String(np.eye(2)); // → [[1. 0.] [0. 1.]]
 */
export function eye(n: number, m: number = n, k = 0, dtype: DTypeLike = 'f64'): Value {
  const shape = shapeOf('eye', [n, m]);
  const rows = add(broadcastedIota('i32', shape, 0), asInteger('eye', k, 'k'));
  return convertElementType(eq(rows, broadcastedIota('i32', shape, 1)), dtypeOf(dtype));
}

/** The n × n identity. @throws ShapeError when the size is no non-negative integer. */
export const identity = (n: number, dtype: DTypeLike = 'f64'): Value => eye(n, n, 0, dtype);

/** True on and below diagonal number `k`. */
function lowerMask(shape: Shape, k: number): Value {
  const rows = add(broadcastedIota('i32', shape, 0), asInteger('tri', k, 'k'));
  return ge(rows, broadcastedIota('i32', shape, 1));
}

/** Ones on and below diagonal number `k` of an n × m matrix. @throws ShapeError when a size is no non-negative integer. */
export const tri = (n: number, m: number = n, k = 0, dtype: DTypeLike = 'f64'): Value =>
  convertElementType(lowerMask(shapeOf('tri', [n, m]), k), dtypeOf(dtype));

/** Keep one triangle of the last two axes. */
function triangle(op: string, x: ArrayLike, k: number, lower: boolean): Value {
  const value = asArray(op, x);
  if (value.ndim < 2)
    throw new ShapeError(
      `${op}: the array must have at least two axes; got ${value.aval.toString()}. Use np.diag to make a matrix.`,
    );
  const mask = spreadTo(op, lowerMask(value.shape.slice(-2), lower ? k : k - 1), value.shape);
  const zero = zerosLike(value);
  return lower ? select(mask, value, zero) : select(mask, zero, value);
}

/**
 * `x` with zeros above diagonal number `k`, on the last two axes.
 *
 * @throws ShapeError when there are fewer than two axes.
 * @example
 * String(np.tril(np.ones([2, 2]))); // → [[1. 0.] [1. 1.]]
 */
export const tril = (x: ArrayLike, k = 0): Value => triangle('tril', x, k, true);

/** `x` with zeros below diagonal number `k`, on the last two axes. @throws ShapeError when there are fewer than two axes. */
export const triu = (x: ArrayLike, k = 0): Value => triangle('triu', x, k, false);

/** Options of `meshgrid`. */
export interface MeshgridOptions {
  /** `'xy'` swaps the first two axes, as plots want; `'ij'` keeps the order of the arguments. */
  readonly indexing?: 'xy' | 'ij';
}

/**
 * Coordinate arrays of the grid that vectors span: one array per vector, all of the grid's shape.
 *
 * @throws ShapeError when an argument is no vector.
 * @example
 * np.meshgrid([np.arange(2), np.arange(3)])[0].shape; // → [ 3, 2 ]
 */
export function meshgrid(vectors: readonly ArrayLike[], options: MeshgridOptions = {}): Value[] {
  const { indexing = 'xy' } = knownOptions('meshgrid', options, ['indexing']);
  checkList('meshgrid', 'vectors', vectors);
  const values = vectors.map((v) => asArray('meshgrid', v, 'a vector'));
  const bad = values.find((v) => v.ndim > 1);
  if (bad !== undefined)
    throw new ShapeError(
      `meshgrid: arguments must be vectors; got ${bad.aval.toString()}. Ravel it first.`,
    );
  const order = values.map((_, i) => (indexing === 'xy' && values.length > 1 && i < 2 ? 1 - i : i));
  const shape = order.map((i) => values[i].size);
  return values.map((v, i) => {
    const axis = order.indexOf(i);
    return spreadTo(
      'meshgrid',
      reshape(
        v,
        shape.map((_, a) => (a === axis ? v.size : 1)),
      ),
      shape,
    );
  });
}

/** Convert to a dtype. The result is strongly typed. */
export function astype(x: ArrayLike, dtype: DTypeLike): Value {
  const value = asArray('astype', x);
  return convertElementType(value, dtypeOf(dtype));
}

/** Copy an array; arrays are immutable, so it is the array itself. */
export const copy = (x: ArrayLike): Value => asArray('copy', x);
