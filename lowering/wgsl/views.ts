/**
 * Ops that move elements, as maps of places: which place of which operand gives a place of the result. Together with the elementwise ops
 * they are evaluated where their result is wanted, so that slices, transposes and paddings of what can be read anywhere cost nothing.
 */
import type { Shape } from '../../core/shape.ts';
import { stridesOf } from '../../core/shape.ts';
import type { TileOp, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { componentOf, type Coord, type Point, type Width } from './layout.ts';

/** A value wanted at a place. */
export interface Part {
  readonly value: TileValue;
  readonly point: Point;
}

/** A place in an operand, or the alternatives between which conditions choose. */
export interface Source {
  readonly parts: readonly Part[];
  /** Conditions that choose a part: part i is taken where condition i is the first to hold, the last part otherwise. */
  readonly conditions: readonly string[];
}

const coordOf = (at: Affine, limit: number): Coord => {
  const { lo, hi } = affine.rangeOf(at);
  return { at, lo: Math.max(lo, 0), hi: Math.min(hi, limit) };
};

/** An index with bounds that its variables alone do not show. */
function bounded(at: Affine, lo: number, hi: number): Coord {
  return { at, lo, hi };
}

/** An index forced into 0 … hi. */
function clamped(at: Affine, range: affine.Range, hi: number): Coord {
  if (range.lo >= 0 && range.hi <= hi) return { at, lo: range.lo, hi: range.hi };
  const text = `clamp(${affine.print(at)}, 0, ${hi})`;
  return { at: affine.variable(text, { lo: 0, hi }), lo: 0, hi };
}

const whole = (value: TileValue, coords: readonly Coord[], point: Point): Source => ({
  parts: [{ value, point: { ...point, coords } }],
  conditions: [],
});

/** The components of a vector place one by one. */
export const splitSource = (value: TileValue, point: Point): Part[] =>
  Array.from({ length: point.width }, (_, e) => ({ value, point: componentOf(point, e) }));

function broadcastSource(op: TileOp<'broadcast'>, point: Point): Source {
  const [x] = op.operands;
  const { dims } = op.attrs;
  const { shape } = x.type;
  const coords = shape.map((size, i) =>
    size === 1 ? coordOf(affine.zero, 0) : point.coords[dims[i]],
  );
  const axis = shape.findIndex((size, i) => size > 1 && dims[i] === point.axis);
  const width: Width = axis < 0 ? 1 : point.width;
  return { parts: [{ value: x, point: { coords, width, axis } }], conditions: [] };
}

/** Row-major index of a place. */
function linear(shape: Shape, coords: readonly Coord[]): Affine {
  const strides = stridesOf(shape);
  return coords.reduce((sum, c, i) => affine.add(sum, affine.scale(c.at, strides[i])), affine.zero);
}

/** Axes larger than 1, which alone carry an index. */
const long = (shape: Shape): number[] => shape.flatMap((d, i) => (d === 1 ? [] : [i]));

function reshapeSource(op: TileOp<'reshape'>, point: Point): Source | undefined {
  const [x] = op.operands;
  const from = x.type.shape;
  const to = op.results[0].type.shape;
  const [a, b] = [long(from), long(to)];
  if (a.length === b.length && a.every((i, n) => from[i] === to[b[n]])) {
    const coords = from.map((d, i) =>
      d === 1 ? coordOf(affine.zero, 0) : point.coords[b[a.indexOf(i)]],
    );
    const axis = point.axis < 0 ? -1 : a[b.indexOf(point.axis)];
    return { parts: [{ value: x, point: { coords, width: point.width, axis } }], conditions: [] };
  }
  const last = a[a.length - 1] ?? -1;
  let rest = linear(to, point.coords);
  if (point.width > 1) {
    const isRow = point.axis === b[b.length - 1] && from[last] % point.width === 0;
    if (!isRow || !affine.isMultiple(rest, point.width)) return undefined;
  }
  const coords: Coord[] = from.map(() => coordOf(affine.zero, 0));
  for (let i = from.length - 1; i >= 0; i--) {
    const isFirst = !from.slice(0, i).some((d) => d > 1);
    if (from[i] === 1) continue;
    const step = point.width > 1 && i === last ? point.width : 1;
    if (isFirst) coords[i] = bounded(rest, 0, from[i] - step);
    else {
      const [quotient, remainder] = affine.split(rest, from[i]);
      coords[i] = bounded(remainder, 0, from[i] - step);
      rest = quotient;
    }
  }
  return {
    parts: [{ value: x, point: { coords, width: point.width, axis: point.width > 1 ? last : -1 } }],
    conditions: [],
  };
}

function sliceSource(op: TileOp<'slice'>, point: Point): Source | undefined {
  const { starts, strides } = op.attrs;
  if (point.width > 1 && strides[point.axis] !== 1) return undefined;
  const coords = point.coords.map((c, i) => ({
    at: affine.offset(affine.scale(c.at, strides[i]), starts[i]),
    lo: c.lo * strides[i] + starts[i],
    hi: c.hi * strides[i] + starts[i],
  }));
  return whole(op.operands[0], coords, point);
}

function revSource(op: TileOp<'rev'>, point: Point): Source | undefined {
  const { axes } = op.attrs;
  if (point.width > 1 && axes.includes(point.axis)) return undefined;
  const { shape } = op.results[0].type;
  const coords = point.coords.map((c, i) =>
    axes.includes(i)
      ? {
          at: affine.subtract(affine.constant(shape[i] - 1), c.at),
          lo: shape[i] - 1 - c.hi,
          hi: shape[i] - 1 - c.lo,
        }
      : c,
  );
  return whole(op.operands[0], coords, point);
}

function concatSource(op: TileOp<'concat'>, point: Point): Source | undefined {
  const { axis } = op.attrs;
  const sizes = op.operands.map((x) => x.type.shape[axis]);
  const isAlong = point.width > 1 && point.axis === axis;
  if (isAlong && sizes.some((s) => s % point.width !== 0)) return undefined;
  const room = isAlong ? point.width : 1;
  const c = point.coords[axis];
  const parts: Part[] = [];
  const conditions: string[] = [];
  let start = 0;
  op.operands.forEach((value, i) => {
    const end = start + sizes[i];
    const isReached = sizes[i] > 0 && c.lo < end && c.hi >= start;
    if (isReached) {
      const range = { lo: c.lo - start, hi: c.hi - start };
      const own = clamped(affine.offset(c.at, -start), range, sizes[i] - room);
      const coords = point.coords.map((other, a) => (a === axis ? own : other));
      parts.push({ value, point: { ...point, coords } });
      conditions.push(`${affine.print(c.at)} < ${end}`);
    }
    start = end;
  });
  return { parts, conditions: conditions.slice(0, -1) };
}

function padSource(op: TileOp<'pad'>, point: Point): Source | undefined {
  const { low, interior } = op.attrs;
  const [x, value] = op.operands;
  const { shape } = x.type;
  if (point.width > 1) {
    const a = point.axis;
    if (interior[a] !== 0 || low[a] % point.width !== 0 || shape[a] % point.width !== 0)
      return undefined;
  }
  const conditions: string[] = [];
  let isOutside = shape.includes(0);
  const coords = point.coords.map((c, i) => {
    const step = interior[i] + 1;
    const last = (shape[i] - 1) * step - (i === point.axis ? point.width - 1 : 0);
    const at = affine.offset(c.at, -low[i]);
    const range = { lo: c.lo - low[i], hi: c.hi - low[i] };
    if (range.hi < 0 || range.lo > last) isOutside = true;
    if (range.lo < 0) conditions.push(`${affine.print(at)} < 0`);
    if (range.hi > last) conditions.push(`${affine.print(at)} > ${last}`);
    const inside = clamped(at, range, Math.max(last, 0));
    if (step === 1) return inside;
    const [quotient, remainder] = affine.split(inside.at, step);
    if (!affine.isConstant(remainder)) conditions.push(`${affine.print(remainder)} != 0`);
    else if (remainder.constant !== 0) isOutside = true;
    return bounded(quotient, 0, shape[i] - 1);
  });
  const padding: Part = { value, point: { coords: [], width: 1, axis: -1 } };
  if (isOutside) return { parts: [padding], conditions: [] };
  const inside: Part = { value: x, point: { ...point, coords } };
  if (conditions.length === 0) return { parts: [inside], conditions: [] };
  return { parts: [padding, inside], conditions: [conditions.join(' || ')] };
}

/** Ops that only move elements. */
export type MoveOp = TileOp<
  'broadcast' | 'reshape' | 'transpose' | 'slice' | 'concat' | 'pad' | 'rev'
>;

/** Where the elements at a place of a moved tile come from; undefined when the components of a vector part ways. */
export function sourceOf(op: MoveOp, point: Point): Source | undefined {
  switch (op.kind) {
    case 'broadcast':
      return broadcastSource(op, point);
    case 'reshape':
      return reshapeSource(op, point);
    case 'transpose': {
      const { permutation } = op.attrs;
      const coords: Coord[] = [...point.coords];
      permutation.forEach((p, i) => (coords[p] = point.coords[i]));
      const axis = point.axis < 0 ? -1 : permutation[point.axis];
      return whole(op.operands[0], coords, { ...point, axis });
    }
    case 'slice':
      return sliceSource(op, point);
    case 'rev':
      return revSource(op, point);
    case 'concat':
      return concatSource(op, point);
    case 'pad':
      return padSource(op, point);
  }
}
