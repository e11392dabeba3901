/**
 * Iteration axes of a fusion. Every value in a fusion maps each of its dimensions to a list of axes (major first); equal axes mean equal indices.
 * Joining two values unifies their axes; a reshape may split an axis into two. Everything can be undone, because joining is tried before it is kept.
 * Dimensions of size 1 map to the empty list, so broadcasting, transposition and reshaping cost nothing once a fusion is formed.
 */
import type { Shape } from '../../core/shape.ts';
import type { HloOp } from '../hlo/ir.ts';

let counter = 0;

/** One axis of an iteration space. */
export class Axis {
  readonly extent: number;
  readonly id: number = counter++;
  /** Set when the axis was unified with another (one entry) or split (two). */
  forward: readonly Axis[] | undefined = undefined;
  /** A rigid axis is indexed with an offset somewhere and cannot be split or merged. */
  rigid = false;
  constructor(extent: number) {
    this.extent = extent;
  }
}

/** The axes of each dimension of a value. */
export type Dims = readonly (readonly Axis[])[];

/** Fresh axes for a shape. */
export const freshDims = (shape: Shape): Dims =>
  shape.map((extent) => (extent === 1 ? [] : [new Axis(extent)]));

const isCurrent = (axis: Axis): boolean => axis.forward === undefined;

/** Follow unifications and splits to the current axes. */
export function resolve(axes: readonly Axis[]): readonly Axis[] {
  // Nearly always one axis that was unified with one other.
  let now = axes;
  while (now.length === 1 && now[0].forward !== undefined) now = now[0].forward;
  if (now.every(isCurrent)) return now;
  const out: Axis[] = [];
  const stack = now.toReversed();
  for (let axis = stack.pop(); axis !== undefined; axis = stack.pop()) {
    if (axis.forward === undefined) out.push(axis);
    else for (let i = axis.forward.length - 1; i >= 0; i--) stack.push(axis.forward[i]);
  }
  return out;
}

/** The current axes of every dimension. */
export const resolveDims = (dims: Dims): Dims => dims.map(resolve);

/** All current axes of a value, in the order of its dimensions. */
export const flatAxes = (dims: Dims): readonly Axis[] =>
  dims.length === 1 ? resolve(dims[0]) : dims.flatMap(resolve);

/** A log of changes, so that a failed attempt can be taken back. */
export class Trail {
  readonly #changed: Axis[] = [];
  readonly #stiffened: Axis[] = [];

  readonly #born = counter;

  /** Whether an axis that existed before this trail was unified or split. */
  get touchedOld(): boolean {
    return this.#changed.some((axis) => axis.id < this.#born);
  }

  /** Replace an axis by others. */
  forward(axis: Axis, to: readonly Axis[]): void {
    axis.forward = to;
    this.#changed.push(axis);
  }

  /** Forbid splitting an axis. */
  stiffen(axis: Axis): void {
    if (axis.rigid) return;
    axis.rigid = true;
    this.#stiffened.push(axis);
  }

  /** Take everything back. */
  undo(): void {
    for (const axis of this.#changed.reverse()) axis.forward = undefined;
    for (const axis of this.#stiffened) axis.rigid = false;
    this.#changed.length = 0;
    this.#stiffened.length = 0;
  }
}

function unite(a: Axis, b: Axis, trail: Trail): void {
  trail.forward(b, [a]);
  if (b.rigid) trail.stiffen(a);
}

/** Make two lists of axes equal; false when they cannot be (the caller takes the trail back). */
export function unify(left: readonly Axis[], right: readonly Axis[], trail: Trail): boolean {
  const a = resolve(left).toReversed();
  const b = resolve(right).toReversed();
  for (;;) {
    const x = a.pop();
    const y = b.pop();
    if (x === undefined || y === undefined) return x === y;
    if (x === y) continue;
    if (x.extent === y.extent) unite(x, y, trail);
    else if (x.extent % y.extent === 0) {
      if (x.rigid) return false;
      const rest = new Axis(x.extent / y.extent);
      trail.forward(x, [y, rest]);
      a.push(rest);
    } else if (y.extent % x.extent === 0) {
      if (y.rigid) return false;
      const rest = new Axis(y.extent / x.extent);
      trail.forward(y, [x, rest]);
      b.push(rest);
    } else return false;
  }
}

/** Unify dimension by dimension. */
export const unifyDims = (left: Dims, right: Dims, trail: Trail): boolean =>
  left.length === right.length && left.every((axes, i) => unify(axes, right[i], trail));

/** Whether no axis occurs twice in a value (a diagonal, which tiles cannot express). */
export function distinct(dims: Dims): boolean {
  const flat = flatAxes(dims);
  return flat.every((axis, i) => flat.indexOf(axis) === i);
}

/**
 * Distribute axes over dimensions of the given sizes, splitting where needed: what a reshape does.
 *
 * @returns undefined when an axis straddles two dimensions and cannot be split.
 */
export function regroup(axes: readonly Axis[], shape: Shape, trail: Trail): Dims | undefined {
  const rest = resolve(axes).toReversed();
  const dims: Axis[][] = [];
  for (const extent of shape) {
    const dim: Axis[] = [];
    let covered = 1;
    while (covered < extent) {
      const axis = rest.pop();
      if (axis === undefined) return undefined;
      const wanted = extent / covered;
      if (wanted % axis.extent === 0) {
        dim.push(axis);
        covered *= axis.extent;
      } else if (axis.extent % wanted === 0 && !axis.rigid) {
        const major = new Axis(wanted);
        const minor = new Axis(axis.extent / wanted);
        trail.forward(axis, [major, minor]);
        dim.push(major);
        rest.push(minor);
        covered = extent;
      } else return undefined;
    }
    dims.push(dim);
  }
  return rest.length === 0 ? dims : undefined;
}

/**
 * The axes of a view's operand, given those of its result.
 *
 * @returns undefined when a reshape cannot be followed.
 */
export function operandDims(view: HloOp, dims: Dims, trail: Trail): Dims | undefined {
  const shape = view.operands[0].type.shape;
  switch (view.kind) {
    case 'broadcast_in_dim': {
      const to = view.attrs.dims;
      return shape.map((extent, i) => (extent === 1 ? [] : dims[to[i]]));
    }
    case 'transpose': {
      const out: (readonly Axis[])[] = shape.map(() => []);
      view.attrs.permutation.forEach((from, to) => (out[from] = dims[to]));
      return out;
    }
    case 'reshape':
      return regroup(dims.flat(), shape, trail);
    default:
      return undefined;
  }
}
