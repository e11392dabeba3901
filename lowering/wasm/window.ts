/**
 * Windows on memory: what refs, materialised tiles and destinations are to the emitter. A window knows the array it lies in, so that
 * it can tell which positions fall outside, and its address arithmetic is static but for the origins.
 */
import { invariant } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import { sizeOf, stridesOf } from '../../core/shape.ts';
import type { Affine, Symbols } from './affine.ts';
import { affineConstant, affineKey, affineSum } from './affine.ts';
import type { Fn } from './fn.ts';
import type { Format } from './format.ts';
import { byteLengthOf } from './format.ts';
import { add, int, maxS, minS, mul, op, sub } from './nodes.ts';
import type { Node } from './nodes.ts';

/** Reads a value inside a function: a constant, or a local that the function may have to capture. */
export type Reader = (fn: Fn) => Node;

/** An i32 scalar: how to read it, and what is known of it. */
export interface Index {
  readonly read: Reader;
  readonly affine: Affine;
}

/** A known index. */
export const knownIndex = (value: number): Index => ({
  read: () => int(value),
  affine: affineConstant(value),
});

/** A piece of memory that no other area overlaps: an operand, or an allocation in scratch. */
export interface Area {
  readonly name: string;
  /** Whether other threads may write neighbouring elements at the same time. */
  readonly isShared: boolean;
}

/** An axis of the array that a window lies in. */
export interface ArrayDim {
  readonly extent: number;
  /** Bytes from one element to the next. */
  readonly stride: number;
  /** Where the window starts. */
  readonly origin: Index;
}

/** An axis of a window: `size` positions, `step` elements apart, along an axis of the array. */
export interface WindowAxis {
  readonly dim: number;
  readonly step: number;
  readonly size: number;
}

/** A strided window on an array. */
export interface Window {
  readonly area: Area;
  readonly format: Format;
  /** Address of the array. */
  readonly pointer: Reader;
  readonly dims: readonly ArrayDim[];
  readonly axes: readonly WindowAxis[];
}

/** The positions `low ≤ i < high` of a window axis that lie inside the array. */
export interface Clip {
  /** Equal for equal clips. */
  readonly key: string;
  readonly low: Reader;
  readonly high: Reader;
}

/** Shape of a window. */
export const windowShape = (window: Window): number[] => window.axes.map((axis) => axis.size);

/** A window on the whole of a row-major array. */
export function wholeWindow(area: Area, format: Format, pointer: Reader, shape: Shape): Window {
  const strides = stridesOf(shape);
  const bytes = byteLengthOf(format);
  return {
    area,
    format,
    pointer,
    dims: shape.map((extent, i) => ({ extent, stride: strides[i] * bytes, origin: knownIndex(0) })),
    axes: shape.map((size, dim) => ({ dim, step: 1, size })),
  };
}

/** a + factor · b as an index; emits code into `fn` where the sum is not known. */
export function indexSum(fn: Fn, a: Index, b: Index, factor = 1): Index {
  const affine = affineSum(a.affine, b.affine, factor);
  if (affine.terms.size === 0) return knownIndex(affine.constant);
  const node = fn.keep(add(a.read(fn), mul(b.read(fn), int(factor))), 'o');
  return { read: readerOf(node), affine };
}

/** A reader of a constant or local. */
export function readerOf(node: Node): Reader {
  if (node.kind === 'const') return () => node;
  invariant(node.kind === 'get', 'Only constants and locals can be read elsewhere.');
  const { local } = node;
  return (fn) => fn.get(local);
}

/** The window of `sizes` positions from `starts`, every `strides`; axes in `squeeze` are dropped. Emits code for the origins. */
export function sliceWindow(
  fn: Fn,
  window: Window,
  starts: readonly Index[],
  part: {
    readonly sizes: Shape;
    readonly strides: readonly number[];
    readonly squeeze: readonly number[];
  },
): Window {
  const dims = [...window.dims];
  const axes: WindowAxis[] = [];
  window.axes.forEach((axis, i) => {
    const dim = dims[axis.dim];
    dims[axis.dim] = { ...dim, origin: indexSum(fn, dim.origin, starts[i], axis.step) };
    if (!part.squeeze.includes(i))
      axes.push({ dim: axis.dim, step: axis.step * part.strides[i], size: part.sizes[i] });
  });
  return { ...window, dims, axes };
}

/** The window with permuted axes. */
export const transposeWindow = (window: Window, permutation: readonly number[]): Window => ({
  ...window,
  axes: permutation.map((axis) => window.axes[axis]),
});

/** Which dims of the array a window may leave. */
export function looseDims(symbols: Symbols, window: Window): number[] {
  if (windowShape(window).includes(0)) return [];
  return window.dims.flatMap((dim, i) => {
    const axis = window.axes.find((candidate) => candidate.dim === i);
    const reach = axis === undefined ? 0 : (axis.size - 1) * axis.step;
    const [low, high] = symbols.boundsOf(dim.origin.affine);
    return low + Math.min(0, reach) >= 0 && high + Math.max(0, reach) < dim.extent ? [] : [i];
  });
}

/** Whether positions before the start of the array can occur along a dim. */
export function mayStartBefore(symbols: Symbols, window: Window, dim: number): boolean {
  const axis = window.axes.find((candidate) => candidate.dim === dim);
  return (axis?.step ?? 1) < 0 || symbols.boundsOf(window.dims[dim].origin.affine)[0] < 0;
}

/** Text that is equal for windows that start at the same place of an array along a dim, with the same step. */
export function dimKey(window: Window, dim: number): string {
  const axis = window.axes.find((candidate) => candidate.dim === dim);
  return `${window.dims[dim].extent}:${affineKey(window.dims[dim].origin.affine)}:${axis?.step ?? 0}`;
}

/** Compute which positions of a window axis lie inside; emits code into `fn`. */
export function clipOf(fn: Fn, window: Window, axisIndex: number): Clip {
  const axis = window.axes[axisIndex];
  const dim = window.dims[axis.dim];
  const origin = dim.origin.read(fn);
  const size = int(axis.size);
  // origin + step · i ≥ 0 and < extent, solved for i; divisions round up.
  const quotient = (numerator: Node): Node => {
    if (axis.step === 1) return numerator;
    const raised = fn.keep(add(numerator, int(axis.step - 1)), 'o');
    return op('i32.div_s', raised, int(axis.step));
  };
  invariant(axis.step > 0, 'windows go forwards');
  const below = fn.keep(sub(int(0), origin), 'o');
  const low = fn.keep(maxS(fn.keep(quotient(below), 'o'), int(0)), 'lo');
  const above = fn.keep(quotient(sub(int(dim.extent), origin)), 'o');
  const capped = fn.keep(minS(above, size), 'hi');
  return {
    key: `${dimKey(window, axis.dim)}:${axis.size}`,
    low: readerOf(low),
    high: readerOf(capped),
  };
}

/** Bytes between neighbouring positions of a window axis. */
export const axisStride = (window: Window, axisIndex: number): number => {
  const axis = window.axes[axisIndex];
  return window.dims[axis.dim].stride * axis.step;
};

/** Whether the elements of a window lie in row-major order without gaps (the window must not be loose). */
export function isContiguous(window: Window): boolean {
  const strides = stridesOf(windowShape(window));
  const bytes = byteLengthOf(window.format);
  return window.axes.every(
    (axis, i) => axis.size === 1 || axisStride(window, i) === strides[i] * bytes,
  );
}

/** The address of a window's first position, with the dims in `without` left out (their origins are added elsewhere). */
export function baseAddress(fn: Fn, window: Window, without: readonly number[] = []): Node {
  return window.dims.reduce<Node>(
    (sum, dim, i) =>
      without.includes(i) ? sum : add(sum, mul(dim.origin.read(fn), int(dim.stride))),
    window.pointer(fn),
  );
}

/** A contiguous window seen with another shape of the same size. Emits code for its address. */
export function reshapeWindow(fn: Fn, window: Window, shape: Shape): Window {
  invariant(sizeOf(shape) === sizeOf(windowShape(window)), 'a reshape keeps the size');
  const base = fn.keep(baseAddress(fn, window), 'b');
  return wholeWindow(window.area, window.format, readerOf(base), shape);
}
