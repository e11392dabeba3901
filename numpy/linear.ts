/** Products of vectors, matrices and tensors. Factorisations stand in `linalg/`, `einsum` in `einsum.ts`. */
import type { ArrayLike } from '../core/array.ts';
import { ShapeError } from '../core/errors.ts';
import { checkList, knownOptions } from '../core/options.ts';
import type { Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import * as lax from '../lax/index.ts';
import {
  asArray,
  asInteger,
  broadcastShapes,
  dtypeOf,
  listOf,
  oneAxis,
  promote,
  promoteDTypes,
  spreadTo,
  type DTypeLike,
} from './promote.ts';
import { sum } from './reductions.ts';
import { at as place } from './indexing.ts';
import { moveaxis, ravel, reshape } from './shape.ts';

/** Options of products. */
export interface ProductOptions {
  /** How carefully products are computed. */
  readonly precision?: lax.DotPrecision;
  /** Element type of the result and of the accumulation; that of the operands when left out. */
  readonly preferredElementType?: DTypeLike;
}

/** Options of the dot product that stands behind all functions of this file; the printed form names the result type, as in JAX. */
export function dotOptions(op: string, options: ProductOptions, x: Value): lax.DotOptions {
  const known = ['precision', 'preferredElementType'] as const;
  const { precision, preferredElementType } = knownOptions(op, options, known);
  return {
    ...(precision === undefined ? {} : { precision }),
    preferredElementType:
      preferredElementType === undefined ? x.dtype : dtypeOf(preferredElementType),
  };
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/**
 * The matrix product; leading axes are batches and broadcast. Vectors count as one row on the left, one column on the right.
 *
 * `x: t[…, m, k], y: t[…, k, n] → t[…, m, n]`
 *
 * @throws ShapeError when inner sizes differ, batches do not broadcast, or an operand is a scalar.
 * @example
 * String(np.matmul(np.ones([2, 3]), np.ones(3))); // → [3. 3.]
 */
export function matmul(x: ArrayLike, y: ArrayLike, options: ProductOptions = {}): Value {
  const [a, b] = promoteDTypes('matmul', x, y);
  const facts = `${a.aval.toString()} and ${b.aval.toString()}`;
  if (a.ndim === 0 || b.ndim === 0)
    throw new ShapeError(
      `matmul: operands must have at least one axis; got ${facts}. Multiply scalars with np.multiply.`,
    );
  const [inner, other] = [a.ndim - 1, Math.max(0, b.ndim - 2)];
  if (a.shape[inner] !== b.shape[other])
    throw new ShapeError(
      `matmul: the last axis of the first must match the ${b.ndim > 1 ? 'second-last' : 'only'} axis of the second; got ${facts}. Transpose one of them.`,
    );
  const given = dotOptions('matmul', options, a);
  if (a.ndim <= 2 && b.ndim <= 2)
    return lax.dotGeneral(
      a,
      b,
      [
        [[inner], [other]],
        [[], []],
      ],
      given,
    );
  // A single matrix on the right needs no batch: all rows on the left are multiplied by it.
  if (b.ndim <= 2)
    return lax.dotGeneral(
      a,
      b,
      [
        [[inner], [other]],
        [[], []],
      ],
      given,
    );
  const [left, right] = [a.ndim === 1 ? lax.expandDims(a, 0) : a, b];
  const batch = broadcastShapes('matmul', [left.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const widen = (v: Value): Value => spreadTo('matmul', v, [...batch, ...v.shape.slice(-2)]);
  const axes = range(batch.length);
  const out = lax.dotGeneral(
    widen(left),
    widen(right),
    [
      [[batch.length + 1], [batch.length]],
      [axes, axes],
    ],
    given,
  );
  return a.ndim === 1 ? lax.squeeze(out, batch.length) : out;
}

/**
 * The dot product: of matrices their product; of tensors the sum over the last axis of x and the second-last of y.
 *
 * @throws ShapeError when the sizes of the summed axes differ.
 * @example
 * String(np.dot(np.arange(3), np.arange(3))); // → 5
 */
export function dot(x: ArrayLike, y: ArrayLike, options: ProductOptions = {}): Value {
  const [a, b] = promoteDTypes('dot', x, y);
  if (a.ndim === 0 || b.ndim === 0) return lax.mul(a, b);
  return contract('dot', a, b, [[a.ndim - 1], [Math.max(0, b.ndim - 2)]], options);
}

function contract(
  op: string,
  a: Value,
  b: Value,
  [left, right]: readonly [readonly number[], readonly number[]],
  options: ProductOptions,
): Value {
  const sizes = (v: Value, axes: readonly number[]): Shape => axes.map((i) => v.shape[i]);
  const [m, n] = [sizes(a, left), sizes(b, right)];
  if (m.length !== n.length || m.some((k, i) => k !== n[i]))
    throw new ShapeError(
      `${op}: summed axes must have equal sizes; got ${a.aval.toString()} over axes ${left.join(', ')} and ${b.aval.toString()} over axes ${right.join(', ')}. Transpose one of them.`,
    );
  return lax.dotGeneral(
    a,
    b,
    [
      [left, right],
      [[], []],
    ],
    dotOptions(op, options, a),
  );
}

/** The dot product of the raveled arrays. @throws ShapeError when the sizes differ. */
export function vdot(x: ArrayLike, y: ArrayLike, options: ProductOptions = {}): Value {
  return dot(ravel(x), ravel(y), options);
}

/** Options of `vecdot`. */
export interface VecdotOptions {
  /** The axis; the last when left out. */
  readonly axis?: number;
}

/** The dot product of vectors along an axis; the other axes broadcast. @throws ShapeError when the shapes do not broadcast. */
export function vecdot(x: ArrayLike, y: ArrayLike, options: VecdotOptions = {}): Value {
  const { axis = -1 } = knownOptions('vecdot', options, ['axis']);
  const [a, b] = promote('vecdot', x, y);
  const product = lax.mul(a, b);
  return sum(product, { axis: oneAxis('vecdot', axis, product), dtype: product.dtype });
}

/** The sum over the last axes of both. @throws ShapeError when they differ in size. */
export function inner(x: ArrayLike, y: ArrayLike, options: ProductOptions = {}): Value {
  const [a, b] = promoteDTypes('inner', x, y);
  if (a.ndim === 0 || b.ndim === 0) return lax.mul(a, b);
  return contract('inner', a, b, [[a.ndim - 1], [b.ndim - 1]], options);
}

/**
 * All products of two vectors; other arrays are raveled.
 *
 * `x: t[m], y: t[n] → t[m, n]`
 *
 * @throws DTypeError when there is no common dtype.
 * @example
 * String(np.outer(np.arange(2), np.arange(3))); // → [[0 0 0] [0 1 2]]
 */
export function outer(x: ArrayLike, y: ArrayLike): Value {
  const [a, b] = promoteDTypes('outer', x, y);
  return lax.mul(reshape(a, [a.size, 1]), reshape(b, [1, b.size]));
}

/**
 * Sum products over pairs of axes: the last `axes` of x with the first of y, or the listed ones.
 *
 * @throws ShapeError when the sizes of summed axes differ.
 * @example
 * np.tensordot(np.zeros([2, 3, 4]), np.zeros([3, 4, 5])).shape; // → [ 2, 5 ]
 */
export function tensordot(
  x: ArrayLike,
  y: ArrayLike,
  axes: number | readonly [number | readonly number[], number | readonly number[]] = 2,
  options: ProductOptions = {},
): Value {
  const [a, b] = promoteDTypes('tensordot', x, y);
  if (typeof axes === 'number') {
    if (!Number.isInteger(axes) || axes < 0 || axes > Math.min(a.ndim, b.ndim))
      throw new ShapeError(
        `tensordot: axes must be a number that both arrays have; got ${axes} for ${a.aval.toString()} and ${b.aval.toString()}. Choose fewer.`,
      );
    return contract(
      'tensordot',
      a,
      b,
      [range(axes).map((i) => a.ndim - axes + i), range(axes)],
      options,
    );
  }
  checkList('tensordot', 'axes', axes, 'two lists of axes');
  const list = (of: number | readonly number[], v: Value): number[] =>
    listOf('tensordot', of, 'axes').map((i) => oneAxis('tensordot', i, v));
  return contract('tensordot', a, b, [list(axes[0], a), list(axes[1], b)], options);
}

/** The Kronecker product. @throws DTypeError when there is no common dtype. */
export function kron(x: ArrayLike, y: ArrayLike): Value {
  const [a, b] = promoteDTypes('kron', x, y);
  const rank = Math.max(a.ndim, b.ndim);
  const [m, n] = [a, b].map((v) => [...range(rank - v.ndim).map(() => 1), ...v.shape]);
  const left = reshape(
    a,
    m.flatMap((k) => [k, 1]),
  );
  const right = reshape(
    b,
    n.flatMap((k) => [1, k]),
  );
  return reshape(
    lax.mul(left, right),
    m.map((k, i) => k * n[i]),
  );
}

/** The vector product along the last axis, of 3 elements. @throws ShapeError for other sizes. */
export function cross(x: ArrayLike, y: ArrayLike, options: VecdotOptions = {}): Value {
  const { axis = -1 } = knownOptions('cross', options, ['axis']);
  const [a, b] = promote('cross', x, y).map((v) => moveaxis(v, axis, 0));
  if (a.shape[0] !== 3 || b.shape[0] !== 3)
    throw new ShapeError(
      `cross: vectors must have 3 elements; got ${a.shape[0]} and ${b.shape[0]}. Pad them with zeros.`,
    );
  const part = (v: Value, i: number): Value => lax.indexInDim(v, i % 3);
  const parts = range(3).map((i) =>
    lax.sub(lax.mul(part(a, i + 1), part(b, i + 2)), lax.mul(part(a, i + 2), part(b, i + 1))),
  );
  return moveaxis(
    lax.concatenate(
      parts.map((p) => lax.expandDims(p, 0)),
      0,
    ),
    0,
    axis,
  );
}

/** How the axes of a diagonal are named. */
export interface DiagonalOptions {
  /** How far right of the main diagonal; negative for left. */
  readonly offset?: number;
  readonly axis1?: number;
  readonly axis2?: number;
}

/**
 * The diagonal of two axes, as the last axis of the result.
 *
 * @throws ShapeError when an axis is out of range.
 * @example
 * String(np.diagonal(np.reshape(np.arange(4), [2, 2]))); // → [0 3]
 */
export function diagonal(x: ArrayLike, options: DiagonalOptions = {}): Value {
  const {
    offset = 0,
    axis1 = 0,
    axis2 = 1,
  } = knownOptions('diagonal', options, ['offset', 'axis1', 'axis2']);
  const value = moveaxis(asArray('diagonal', x), [axis1, axis2], [-2, -1]);
  const [rows, columns] = value.shape.slice(-2);
  const by = asInteger('diagonal', offset, 'offset');
  const [low, right] = [Math.max(0, -by), Math.max(0, by)];
  const size = Math.max(0, Math.min(rows - low, columns - right));
  const steps = lax.iota('i32', size);
  return place(value, '...', lax.add(steps, low), lax.add(steps, right)).get();
}

/**
 * The matrix with this vector on diagonal `k`, or the diagonal of a matrix.
 *
 * @throws ShapeError for other ranks.
 * @example
 * String(np.diag(np.arange(1, 3))); // → [[1 0] [0 2]]
 */
export function diag(x: ArrayLike, k = 0): Value {
  const value = asArray('diag', x);
  if (value.ndim === 2) return diagonal(value, { offset: k });
  if (value.ndim !== 1)
    throw new ShapeError(
      `diag: the array must be a vector or a matrix; got ${value.aval.toString()}. Use np.diagonal for more axes.`,
    );
  const n = value.size + Math.abs(asInteger('diag', k, 'k'));
  // Element i stands at (i, i + k) or (i - k, i): columns or rows are counted by the longer side.
  const padded = lax.pad(value, lax.convertElementType(0, value.dtype), [
    [k > 0 ? k : 0, k < 0 ? -k : 0, 0],
  ]);
  const on = lax.eq(
    lax.add(lax.broadcastedIota('i32', [n, n], 0), k),
    lax.broadcastedIota('i32', [n, n], 1),
  );
  return lax.select(on, lax.broadcastInDim(padded, [n, n], [1]), lax.full([n, n], 0, value.dtype));
}

/** The sum of a diagonal of two axes. @throws ShapeError when an axis is out of range. */
export const trace = (x: ArrayLike, options: DiagonalOptions = {}): Value =>
  sum(diagonal(x, options), { axis: -1 });
