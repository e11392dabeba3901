/**
 * Refs: windows on memory with a start, a step and a bound per axis of the array. A place outside the array reads as the fill and is not
 * written. What can be proved to be inside is not checked.
 */
import type { Shape } from '../../core/shape.ts';
import { stridesOf } from '../../core/shape.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { registerOf, splat } from './format.ts';
import { componentOf, type Coord, type Point } from './layout.ts';
import { indexText, type Memory, type Pen } from './memory.ts';
import { gatherComponents } from './prelude.ts';

/** One axis of the array that a ref looks at. */
export interface RefDim {
  readonly start: Affine;
  readonly step: number;
  /** Size of the array along the axis, and elements between neighbours. */
  readonly extent: number;
  readonly stride: number;
  /** Axis of the ref that walks here; −1 for none. */
  readonly axis: number;
}

/** A window on a memory. */
export interface RefView {
  readonly memory: Memory;
  readonly shape: Shape;
  readonly dims: readonly RefDim[];
}

/** A window that covers a whole array. */
export const wholeView = (memory: Memory, shape: Shape): RefView => {
  const strides = stridesOf(shape);
  return {
    memory,
    shape,
    dims: shape.map((extent, axis) => ({
      start: affine.zero,
      step: 1,
      extent,
      stride: strides[axis],
      axis,
    })),
  };
};

/** A part of a window. */
export function sliceView(
  view: RefView,
  starts: readonly Affine[],
  part: {
    readonly sizes: Shape;
    readonly strides: readonly number[];
    readonly squeeze: readonly number[];
  },
): RefView {
  const kept = view.shape.map((_, i) => i).filter((i) => !part.squeeze.includes(i));
  const dims = view.dims.map((dim) => {
    if (dim.axis < 0) return dim;
    return {
      ...dim,
      start: affine.add(dim.start, affine.scale(starts[dim.axis], dim.step)),
      step: dim.step * part.strides[dim.axis],
      axis: kept.indexOf(dim.axis),
    };
  });
  return { memory: view.memory, shape: kept.map((i) => part.sizes[i]), dims };
}

/** A window with permuted axes. */
export const transposeView = (view: RefView, permutation: readonly number[]): RefView => ({
  memory: view.memory,
  shape: permutation.map((p) => view.shape[p]),
  dims: view.dims.map((dim) => ({ ...dim, axis: permutation.indexOf(dim.axis) })),
});

/** Where a place of a ref lies in memory. */
export interface Location {
  readonly index: Affine;
  /** Conditions under which the place (of a vector: all of it) lies in the array. */
  readonly checks: readonly string[];
  /** Whether a vector is one aligned piece of memory that lies inside or outside as a whole. */
  readonly isWhole: boolean;
}

const nowhere: Coord = { at: affine.zero, lo: 0, hi: 0 };

/** Find a place of a ref in memory. */
export function locate(pen: Pen, view: RefView, point: Point): Location {
  let index = affine.zero;
  let isWhole = true;
  const checks: string[] = [];
  for (const dim of view.dims) {
    const coord = dim.axis < 0 ? nowhere : point.coords[dim.axis];
    const position = affine.add(dim.start, affine.scale(coord.at, dim.step));
    const start = affine.rangeOf(dim.start);
    const isVector = point.width > 1 && dim.axis === point.axis;
    const last = isVector ? coord.hi + point.width - 1 : coord.hi;
    const isLow = start.lo + dim.step * coord.lo < 0;
    const isHigh = start.hi + dim.step * last >= dim.extent;
    if (isLow) checks.push(`${indexText(pen, position)} >= 0`);
    if (isHigh) checks.push(`${indexText(pen, position)} < ${dim.extent}`);
    if (isVector) {
      isWhole = dim.step * dim.stride === 1;
      const isTogether = dim.extent % point.width === 0 && affine.isMultiple(position, point.width);
      if ((isLow || isHigh) && !isTogether) isWhole = false;
    }
    index = affine.add(index, affine.scale(position, dim.stride));
  }
  if (point.width > 1 && !view.dims.some((d) => d.axis === point.axis)) isWhole = false;
  return { index, checks, isWhole: isWhole && affine.isMultiple(index, point.width) };
}

/** Spell the elements of a ref at a place; `fill` is a scalar literal for what lies outside. */
export function readRef(pen: Pen, view: RefView, point: Point, fill: string): string {
  const register = registerOf(view.memory.dtype);
  const location = locate(pen, view, point);
  if (point.width > 1 && !location.isWhole) {
    const parts = Array.from({ length: point.width }, (_, e) =>
      readRef(pen, view, componentOf(point, e), fill),
    );
    return gatherComponents(parts, register);
  }
  const value = view.memory.read(location.index, point.width);
  if (location.checks.length === 0) return value;
  const other = splat(pen.prelude.note(fill), register, point.width);
  return `select(${other}, ${value}, ${location.checks.join(' && ')})`;
}

/** Write elements of a ref at a place where `guards` hold; nothing outside the array. */
export function writeRef(
  pen: Pen,
  view: RefView,
  point: Point,
  use: { readonly value: string; readonly guards: readonly string[] },
): void {
  const location = locate(pen, view, point);
  if (point.width > 1 && !location.isWhole) {
    const value = pen.text.let('v', use.value);
    for (let e = 0; e < point.width; e++)
      writeRef(pen, view, componentOf(point, e), {
        value: `${value}.${'xyzw'[e]}`,
        guards: use.guards,
      });
    return;
  }
  guarded(pen, [...use.guards, ...location.checks], () =>
    view.memory.write(location.index, point.width, use.value),
  );
}

/** Write statements that run where all conditions hold. */
export function guarded(pen: Pen, conditions: readonly string[], body: () => void): void {
  if (conditions.length === 0) body();
  else pen.text.block(`if (${conditions.join(' && ')})`, body);
}
