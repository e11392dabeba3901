/** Interpretation of the ops that move elements without computing: each is a copy between strided boxes. */
import type { DType } from '../../core/dtype.ts';
import { sizeOf, stridesOf, type Shape } from '../../core/shape.ts';
import {
  allocateElements,
  convertElements,
  copyBox,
  elementWriter,
  entriesOf,
  wholeBox,
  type Box,
  type ElementArray,
} from '../scalar-array.ts';
import type { Element } from '../scalar-meaning.ts';
import type { TensorType } from './ir.ts';

/** A tensor on the host. */
export interface HostTensor {
  readonly type: TensorType;
  /** Row-major elements; treat as immutable. */
  readonly data: ElementArray;
}

/** A tensor from its parts. */
export const hostTensor = (dtype: DType, shape: Shape, data: ElementArray): HostTensor => ({
  type: { dtype, shape },
  data,
});

/** A new array for a tensor of this type, all zero. */
export const allocateTensor = (type: TensorType): ElementArray =>
  allocateElements(type.dtype, sizeOf(type.shape));

/** A tensor of `shape` whose elements lie in a box of `x`. */
function readBox(x: HostTensor, shape: Shape, box: Box): HostTensor {
  const type = { dtype: x.type.dtype, shape };
  const data = allocateTensor(type);
  copyBox(shape, x.data, box, data, wholeBox(shape), entriesOf(type.dtype));
  return { type, data };
}

/** `broadcast_in_dim`. */
export function broadcastInDim(x: HostTensor, shape: Shape, dims: readonly number[]): HostTensor {
  const own = stridesOf(x.type.shape);
  const strides = shape.map(() => 0);
  dims.forEach((d, i) => (strides[d] = x.type.shape[i] === 1 ? 0 : own[i]));
  return readBox(x, shape, { start: 0, strides });
}

/** `transpose`. */
export function transpose(x: HostTensor, permutation: readonly number[]): HostTensor {
  const own = stridesOf(x.type.shape);
  const shape = permutation.map((p) => x.type.shape[p]);
  return readBox(x, shape, { start: 0, strides: permutation.map((p) => own[p]) });
}

/** `reverse`. */
export function reverse(x: HostTensor, dims: readonly number[]): HostTensor {
  const own = stridesOf(x.type.shape);
  const start = dims.reduce((n, d) => n + (x.type.shape[d] - 1) * own[d], 0);
  return readBox(x, x.type.shape, {
    start,
    strides: own.map((s, i) => (dims.includes(i) ? -s : s)),
  });
}

/** `slice`, with the shape of its result. */
export function slice(
  x: HostTensor,
  starts: readonly number[],
  strides: readonly number[],
  shape: Shape,
): HostTensor {
  const own = stridesOf(x.type.shape);
  const start = starts.reduce((n, s, i) => n + s * own[i], 0);
  return readBox(x, shape, { start, strides: own.map((s, i) => s * strides[i]) });
}

/** `concatenate`. */
export function concatenate(xs: readonly HostTensor[], dim: number, shape: Shape): HostTensor {
  const type = { dtype: xs[0].type.dtype, shape };
  const data = allocateTensor(type);
  const strides = stridesOf(shape);
  let at = 0;
  for (const x of xs) {
    copyBox(
      x.type.shape,
      x.data,
      wholeBox(x.type.shape),
      data,
      { start: at * strides[dim], strides },
      entriesOf(type.dtype),
    );
    at += x.type.shape[dim];
  }
  return { type, data };
}

/** `pad`, with the shape of its result. Negative amounts cut elements away. */
export function pad(
  x: HostTensor,
  value: HostTensor,
  { low, interior }: { readonly low: readonly number[]; readonly interior: readonly number[] },
  shape: Shape,
): HostTensor {
  const { data } = broadcastInDim(value, shape, []);
  const own = stridesOf(x.type.shape);
  const out = stridesOf(shape);
  let [from, to] = [0, 0];
  // Per axis: the elements whose place low + i·(interior + 1) lies inside the result.
  const count = x.type.shape.map((d, axis) => {
    const step = interior[axis] + 1;
    const first = Math.max(0, Math.ceil(-low[axis] / step));
    const last = Math.min(d, Math.ceil((shape[axis] - low[axis]) / step));
    from += first * own[axis];
    to += (low[axis] + first * step) * out[axis];
    return Math.max(0, last - first);
  });
  const target = { start: to, strides: out.map((s, axis) => s * (interior[axis] + 1)) };
  copyBox(count, x.data, { start: from, strides: own }, data, target, entriesOf(x.type.dtype));
  return hostTensor(x.type.dtype, shape, data);
}

/** Rank-0 integers as numbers, clamped to `0 … limit`. */
function clampedStarts(starts: readonly HostTensor[], shape: Shape, sizes: Shape): number[] {
  return starts.map((s, i) => Math.min(Math.max(Number(s.data[0]), 0), shape[i] - sizes[i]));
}

/** `dynamic_slice`. */
export function dynamicSlice(
  x: HostTensor,
  starts: readonly HostTensor[],
  sizes: Shape,
): HostTensor {
  return slice(
    x,
    clampedStarts(starts, x.type.shape, sizes),
    sizes.map(() => 1),
    sizes,
  );
}

/** `dynamic_update_slice`. */
export function dynamicUpdateSlice(
  x: HostTensor,
  update: HostTensor,
  starts: readonly HostTensor[],
): HostTensor {
  const data = x.data.slice();
  const strides = stridesOf(x.type.shape);
  const at = clampedStarts(starts, x.type.shape, update.type.shape);
  const start = at.reduce((n, s, i) => n + s * strides[i], 0);
  copyBox(
    update.type.shape,
    update.data,
    wholeBox(update.type.shape),
    data,
    { start, strides },
    entriesOf(x.type.dtype),
  );
  return { type: x.type, data };
}

/** `iota`: counts in wide integers, then wraps or rounds into the dtype. */
export function iota(type: TensorType, dim: number): HostTensor {
  const length = type.shape[dim];
  const count = BigInt64Array.from({ length }, (_, i) => BigInt(i));
  const line = convertElements(count, 'i64', type.dtype, length);
  return broadcastInDim(hostTensor(type.dtype, [length], line), type.shape, [dim]);
}

/** A tensor filled with one element. */
export function filled(type: TensorType, value: Element): HostTensor {
  const data = allocateTensor(type);
  const write = elementWriter(data, type.dtype);
  for (let i = 0; i < sizeOf(type.shape); i++) write(i, value);
  return { type, data };
}
