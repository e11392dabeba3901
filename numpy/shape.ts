/** Functions that move elements: shapes, axes, joining, splitting, repeating. */
import type { ArrayLike } from '../core/array.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { checkList, checkNumberLists, knownOptions } from '../core/options.ts';
import { canonicalAxis, showShape, type Shape } from '../core/shape.ts';
import { Value } from '../core/value.ts';
import {
  concatenate as laxConcatenate,
  pad as laxPad,
  sliceInDim,
  type PaddingConfig,
} from '../lax/slicing.ts';
import {
  broadcastInDim,
  expandDims as laxExpandDims,
  reshape as laxReshape,
  rev,
  squeeze as laxSqueeze,
  transpose as laxTranspose,
} from '../lax/structure.ts';
import {
  asArray,
  asInteger,
  axisOptions,
  broadcastShapes as shapesTogether,
  leadingOnes,
  listOf,
  oneAxis,
  promoteDTypes,
  reducedAxes,
  shapeOf,
  spreadTo,
  type Axis,
  type DTypeLike,
  type ShapeLike,
} from './promote.ts';
import { dtypeOf } from './promote.ts';
import { convertElementType } from '../lax/convert.ts';

/** Options of functions of axes; instead of the options the bare axis may be given. */
export interface AxisOptions {
  /** One axis, several, or all (null or left out). */
  readonly axis?: Axis;
}

/** The number of axes. */
export const ndim = (x: ArrayLike): number => asArray('ndim', x).ndim;
/** The sizes of the axes. */
export const shape = (x: ArrayLike): Shape => asArray('shape', x).shape;
/** The number of elements, or the size of one axis. @throws ShapeError when the axis is out of range. */
export function size(x: ArrayLike, axis?: number): number {
  const value = asArray('size', x);
  return axis === undefined ? value.size : value.shape[oneAxis('size', axis, value)];
}

/**
 * The same elements in another shape; one size may be -1 and follows from the others.
 *
 * @throws ShapeError when the number of elements differs.
 * @example
 * np.reshape(np.arange(6), [2, -1]).shape; // → [ 2, 3 ]
 */
export function reshape(x: ArrayLike, newShape: ShapeLike): Value {
  const value = asArray('reshape', x);
  const wanted = [...listOf('reshape', newShape, 'shape')];
  const free = wanted.indexOf(-1);
  const known = wanted.filter((n) => n !== -1).reduce((a, b) => a * b, 1);
  if (free >= 0) {
    const rest = known === 0 ? 0 : value.size / known;
    if (!Number.isInteger(rest) || wanted.lastIndexOf(-1) !== free)
      throw new ShapeError(
        `reshape: one size may be -1, and the others must divide the number of elements; got shape ${showShape(wanted)} for ${value.aval.toString()}. Choose sizes whose product is ${value.size}.`,
      );
    wanted[free] = rest;
  }
  return laxReshape(value, shapeOf('reshape', wanted));
}

/** All elements in a row. */
export function ravel(x: ArrayLike): Value {
  const value = asArray('ravel', x);
  return value.ndim === 1 ? value : laxReshape(value, [value.size]);
}

/**
 * Permute the axes; reverse them when no order is given.
 *
 * @throws ShapeError when the order is no permutation.
 * @example
 * np.transpose(np.zeros([2, 3, 4])).shape; // → [ 4, 3, 2 ]
 */
export function transpose(x: ArrayLike, axes?: readonly number[]): Value {
  const value = asArray('transpose', x);
  const order = axes ?? value.shape.map((_, i) => value.ndim - 1 - i);
  return laxTranspose(
    value,
    listOf('transpose', order, 'axes').map((a) => oneAxis('transpose', a, value)),
  );
}

/** `transpose` under its name in the array API standard. @throws as `transpose`. */
export const permuteDims = (x: ArrayLike, axes: readonly number[]): Value => transpose(x, axes);

/** Swap the last two axes. @throws ShapeError when there are fewer. */
export const matrixTranspose = (x: ArrayLike): Value => swapaxes(x, -1, -2);

/** Swap two axes. @throws ShapeError when one is out of range. */
export function swapaxes(x: ArrayLike, axis1: number, axis2: number): Value {
  const value = asArray('swapaxes', x);
  const [a, b] = [oneAxis('swapaxes', axis1, value), oneAxis('swapaxes', axis2, value)];
  return laxTranspose(
    value,
    value.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

/**
 * Move axes to other places; the others keep their order.
 *
 * @throws ShapeError when an axis is out of range or the lists differ in length.
 * @example
 * np.moveaxis(np.zeros([2, 3, 4]), 0, -1).shape; // → [ 3, 4, 2 ]
 */
export function moveaxis(
  x: ArrayLike,
  source: number | readonly number[],
  destination: number | readonly number[],
): Value {
  const value = asArray('moveaxis', x);
  const list = (axes: number | readonly number[]): number[] =>
    listOf('moveaxis', axes, 'axes').map((a) => oneAxis('moveaxis', a, value));
  const [from, to] = [list(source), list(destination)];
  if (
    from.length !== to.length ||
    new Set(from).size !== from.length ||
    new Set(to).size !== to.length
  )
    throw new ShapeError(
      `moveaxis: source and destination must name equally many distinct axes; got ${showShape(from)} and ${showShape(to)}. Pair them up.`,
    );
  const rest = value.shape.map((_, i) => i).filter((i) => !from.includes(i));
  const order = value.shape.map((_, place) => (to.includes(place) ? from[to.indexOf(place)] : -1));
  return laxTranspose(
    value,
    order.map((axis) => (axis >= 0 ? axis : (rest.shift() ?? 0))),
  );
}

/** Drop axes of size 1: all, or the given ones. @throws ShapeError when one has another size. */
export function squeeze(x: ArrayLike, options?: Axis | AxisOptions): Value {
  const { axis } = axisOptions<AxisOptions>('squeeze', options, ['axis']);
  const value = asArray('squeeze', x);
  const axes =
    axis === undefined || axis === null
      ? value.shape.flatMap((n, i) => (n === 1 ? [i] : []))
      : reducedAxes('squeeze', axis, value);
  return axes.length === 0 ? value : laxSqueeze(value, axes);
}

/**
 * Insert axes of size 1 at these places of the result.
 *
 * @throws ShapeError when a place is out of range or named twice.
 * @example
 * np.expandDims(np.zeros(3), 0).shape; // → [ 1, 3 ]
 */
export function expandDims(x: ArrayLike, axis: number | readonly number[]): Value {
  const value = asArray('expandDims', x);
  const places = listOf('expandDims', axis, 'axis');
  const total = value.ndim + places.length;
  return laxExpandDims(
    value,
    places.map((a) => canonicalAxis('expandDims', a, total)).toSorted((a, b) => a - b),
  );
}

/**
 * Repeat an array into a shape that it broadcasts to.
 *
 * @throws ShapeError when it does not.
 * @example
 * np.broadcastTo(np.arange(3), [2, 3]).shape; // → [ 2, 3 ]
 */
export const broadcastTo = (x: ArrayLike, newShape: ShapeLike): Value =>
  spreadTo('broadcastTo', asArray('broadcastTo', x), shapeOf('broadcastTo', newShape));

/** The shape that arrays of these shapes broadcast to. @throws ShapeError when they do not. */
export const broadcastShapes = (...shapes: readonly ShapeLike[]): Shape =>
  shapesTogether(
    'broadcastShapes',
    shapes.map((like) => shapeOf('broadcastShapes', like)),
  );

/** Repeat arrays into the shape that they have together. @throws ShapeError when they do not broadcast. */
export function broadcastArrays(...xs: readonly ArrayLike[]): Value[] {
  const values = xs.map((x) => asArray('broadcastArrays', x));
  const together = shapesTogether(
    'broadcastArrays',
    values.map((v) => v.shape),
  );
  return values.map((v) => spreadTo('broadcastArrays', v, together));
}

/** Options of the functions that join arrays. */
export interface JoinOptions {
  /** The axis; 0 when left out. */
  readonly axis?: number | null;
  /** Element type of the result; promoted when left out. */
  readonly dtype?: DTypeLike;
}

const joinOptions = (op: string, options: number | JoinOptions): JoinOptions =>
  typeof options === 'number' ? { axis: options } : knownOptions(op, options, ['axis', 'dtype']);

/** Several arrays: a list of them, or an array, whose rows are meant. */
export type Arrays = readonly ArrayLike[] | Value;

/** The arrays of a list, or the rows of an array. @throws ArgumentError when it is neither. */
function rowsOf(op: string, xs: Arrays): readonly ArrayLike[] {
  if (xs instanceof Value && xs.ndim > 0) return unstack(xs);
  checkList(op, 'xs', xs);
  return xs as readonly ArrayLike[];
}

function several(op: string, list: Arrays, dtype: DTypeLike | undefined): Value[] {
  const xs = rowsOf(op, list);
  if (xs.length === 0)
    throw new ArgumentError(
      `${op}: at least one array is needed; got none. Give a list of arrays.`,
    );
  const values = promoteDTypes(op, ...xs.map((x) => asArray(op, x)));
  return dtype === undefined ? values : values.map((v) => convertElementType(v, dtypeOf(dtype)));
}

/**
 * Join arrays along an existing axis; with axis null they are raveled first.
 *
 * @throws ShapeError when other axes differ in size; ArgumentError when there is no array.
 * @example
 * String(np.concatenate([np.arange(2), np.arange(3)])); // → [0 1 0 1 2]
 */
export function concatenate(xs: Arrays, options: number | JoinOptions = {}): Value {
  const { axis = 0, dtype } = joinOptions('concatenate', options);
  const values = several('concatenate', xs, dtype);
  if (axis === null) return laxConcatenate(values.map(ravel), 0);
  return laxConcatenate(values, oneAxis('concatenate', axis, values[0]));
}

/** `concatenate` under its name in the array API standard. @throws as `concatenate`. */
export const concat = (xs: Arrays, options: number | JoinOptions = {}): Value =>
  concatenate(xs, options);

/**
 * Join arrays of one shape along a new axis.
 *
 * @throws ShapeError when the shapes differ; ArgumentError when there is no array.
 * @example
 * np.stack([np.zeros(3), np.ones(3)], 1).shape; // → [ 3, 2 ]
 */
export function stack(xs: Arrays, options: number | JoinOptions = {}): Value {
  const { axis = 0, dtype } = joinOptions('stack', options);
  const values = several('stack', xs, dtype);
  const bad = values.find((v) => showShape(v.shape) !== showShape(values[0].shape));
  if (bad !== undefined)
    throw new ShapeError(
      `stack: arrays must have one shape; got ${values[0].aval.toString()} and ${bad.aval.toString()}. Use np.concatenate for different sizes.`,
    );
  const place = canonicalAxis('stack', axis ?? 0, values[0].ndim + 1);
  return laxConcatenate(
    values.map((v) => laxExpandDims(v, [place])),
    place,
  );
}

/** Take an array apart along an axis, which is dropped. @throws ShapeError when the axis is out of range. */
export function unstack(x: ArrayLike, axis = 0): Value[] {
  const value = asArray('unstack', x);
  const at = oneAxis('unstack', axis, value);
  return Array.from({ length: value.shape[at] }, (_, i) =>
    laxSqueeze(sliceInDim(value, i, i + 1, { axis: at }), [at]),
  );
}

const atleast = (op: string, x: ArrayLike, rank: number): Value =>
  leadingOnes(asArray(op, x), Math.max(rank, asArray(op, x).ndim));
/** At least one axis. */
export const atleast1d = (x: ArrayLike): Value => atleast('atleast1d', x, 1);
/** At least two axes; vectors become rows. */
export const atleast2d = (x: ArrayLike): Value => atleast('atleast2d', x, 2);
/** At least three axes: a vector of n becomes [1, n, 1], a matrix gets a last axis. */
export function atleast3d(x: ArrayLike): Value {
  const value = asArray('atleast3d', x);
  if (value.ndim >= 3) return value;
  return value.ndim === 2 ? laxExpandDims(value, [2]) : laxReshape(value, [1, value.size, 1]);
}

/** Join along the second axis; vectors along their only one. @throws as `concatenate`. */
export function hstack(xs: Arrays): Value {
  const values = rowsOf('hstack', xs).map(atleast1d);
  return concatenate(values, values[0]?.ndim === 1 ? 0 : 1);
}
/** Join along the first axis; vectors are rows. @throws as `concatenate`. */
export const vstack = (xs: Arrays): Value => concatenate(rowsOf('vstack', xs).map(atleast2d), 0);
/** Join along the third axis. @throws as `concatenate`. */
export const dstack = (xs: Arrays): Value => concatenate(rowsOf('dstack', xs).map(atleast3d), 2);
/** Join vectors as columns of a matrix. @throws as `concatenate`. */
export const columnStack = (xs: Arrays): Value =>
  concatenate(
    rowsOf('columnStack', xs).map((x) =>
      ndim(x) < 2 ? laxReshape(asArray('columnStack', x), [size(x), 1]) : x,
    ),
    1,
  );

function cut(
  op: string,
  x: ArrayLike,
  sections: number | readonly number[],
  axis: number,
  even: boolean,
): Value[] {
  const value = asArray(op, x);
  const at = oneAxis(op, axis, value);
  const length = value.shape[at];
  let bounds: number[];
  if (typeof sections === 'number') {
    const most = 2 ** 24;
    if (
      !Number.isInteger(sections) ||
      sections < 1 ||
      sections > most ||
      (even && length % sections !== 0)
    )
      throw new ShapeError(
        `${op}: the axis must divide into equal parts; got ${length} elements and ${sections} parts (axis ${at}). Use np.arraySplit, or give the places to cut.`,
      );
    const [each, rest] = [Math.floor(length / sections), length % sections];
    bounds = Array.from({ length: sections + 1 }, (_, i) => i * each + Math.min(i, rest));
  } else
    bounds = [
      0,
      ...listOf(op, sections, 'sections').map((i) =>
        Math.max(0, Math.min(length, i < 0 ? i + length : i)),
      ),
      length,
    ];
  return bounds
    .slice(1)
    .map((end, i) => sliceInDim(value, bounds[i], Math.max(bounds[i], end), { axis: at }));
}

/**
 * Cut an array into equal parts along an axis, or at the given places.
 *
 * @throws ShapeError when it does not divide.
 * @example
 * np.split(np.arange(6), 3).map(String); // → [ '[0 1]', '[2 3]', '[4 5]' ]
 */
export const split = (x: ArrayLike, sections: number | readonly number[], axis = 0): Value[] =>
  cut('split', x, sections, axis, true);
/** `split` that also takes numbers of parts that do not divide the axis. @throws ShapeError when the axis is out of range. */
export const arraySplit = (x: ArrayLike, sections: number | readonly number[], axis = 0): Value[] =>
  cut('arraySplit', x, sections, axis, false);

/** Reverse the order along axes, all when none is given. @throws ShapeError when an axis is out of range. */
export function flip(x: ArrayLike, options?: Axis | AxisOptions): Value {
  const { axis } = axisOptions<AxisOptions>('flip', options, ['axis']);
  const value = asArray('flip', x);
  return rev(value, reducedAxes('flip', axis, value));
}
/** Reverse the second axis. @throws ShapeError when there is none. */
export const fliplr = (x: ArrayLike): Value => flip(x, 1);
/** Reverse the first axis. @throws ShapeError when there is none. */
export const flipud = (x: ArrayLike): Value => flip(x, 0);

/**
 * Shift along axes; what leaves at the end comes back at the beginning. Without an axis the raveled array is shifted. Several shifts of one
 * axis add up.
 *
 * @throws ShapeError when an axis is out of range or shifts do not pair with axes; ArgumentError when shifts are no integers.
 * @example
 * String(np.roll(np.arange(4), 1)); // → [3 0 1 2]
 */
export function roll(x: ArrayLike, shift: number | readonly number[], axis?: Axis): Value {
  const value = asArray('roll', x);
  if (axis === undefined || axis === null)
    return laxReshape(roll(ravel(value), shift, 0), value.shape);
  const [axes, shifts] = together(listOf('roll', axis, 'axis'), listOf('roll', shift, 'shift'));
  return axes.reduce((out, a, i) => {
    const at = oneAxis('roll', a, value);
    const length = value.shape[at];
    if (length === 0) return out;
    const by = ((asInteger('roll', shifts[i], 'shift') % length) + length) % length;
    if (by === 0) return out;
    return laxConcatenate(
      [
        sliceInDim(out, length - by, length, { axis: at }),
        sliceInDim(out, 0, length - by, { axis: at }),
      ],
      at,
    );
  }, value);
}

/** Axes and shifts in pairs: one of either goes with all of the other. @throws ShapeError when their numbers differ. */
function together(
  axes: readonly number[],
  shifts: readonly number[],
): readonly [axes: readonly number[], shifts: readonly number[]] {
  if (axes.length === 1) return [shifts.map(() => axes[0]), shifts];
  if (shifts.length === 1) return [axes, axes.map(() => shifts[0])];
  if (axes.length !== shifts.length)
    throw new ShapeError(
      `roll: there must be one shift, or one per axis; got shifts ${showShape(shifts)} and axes ${showShape(axes)}. Pair them up.`,
    );
  return [axes, shifts];
}

/** Rotate a matrix (two axes) by 90 degrees, `k` times. @throws ShapeError when an axis is out of range. */
export function rot90(x: ArrayLike, k = 1, axes: readonly [number, number] = [0, 1]): Value {
  const value = asArray('rot90', x);
  const [a, b] = listOf('rot90', axes, 'axes').map((i) => oneAxis('rot90', i, value));
  switch (((asInteger('rot90', k, 'k') % 4) + 4) % 4) {
    case 1:
      return swapaxes(flip(value, b), a, b);
    case 2:
      return flip(flip(value, a), b);
    case 3:
      return flip(swapaxes(value, a, b), b);
    default:
      return value;
  }
}

/**
 * Repeat a whole array along its axes.
 *
 * @throws ArgumentError when a count is no non-negative integer.
 * @example
 * String(np.tile(np.arange(2), 2)); // → [0 1 0 1]
 */
export function tile(x: ArrayLike, reps: number | readonly number[]): Value {
  const value = asArray('tile', x);
  const list = listOf('tile', reps, 'reps');
  const rank = Math.max(list.length, value.ndim);
  const counts = [...Array.from({ length: rank - list.length }, () => 1), ...list].map((n) =>
    asInteger('tile', n, 'a count'),
  );
  const sizes = leadingOnes(value, rank).shape;
  const places = sizes.map((_, i) => 2 * i + 1).slice(rank - value.ndim);
  const wide = broadcastInDim(
    value,
    sizes.flatMap((n, i) => [counts[i], n]),
    places,
  );
  return laxReshape(
    wide,
    sizes.map((n, i) => n * counts[i]),
  );
}

/**
 * Repeat every element. Without an axis the array is raveled.
 *
 * @throws ArgumentError when the count is no non-negative integer; ShapeError when the axis is out of range.
 * @example
 * String(np.repeat(np.arange(2), 2)); // → [0 0 1 1]
 */
export function repeat(x: ArrayLike, repeats: number, axis?: number | null): Value {
  const given = asArray('repeat', x);
  const value = axis === undefined || axis === null ? ravel(given) : given;
  const at = oneAxis('repeat', axis ?? 0, value);
  const count = asInteger('repeat', repeats, 'repeats');
  const places = value.shape.map((_, i) => (i > at ? i + 1 : i));
  const wide = broadcastInDim(value, value.shape.toSpliced(at + 1, 0, count), places);
  return laxReshape(wide, value.shape.with(at, value.shape[at] * count));
}

/** How many elements to add before and after: one number for all, a pair for all, or a pair per axis. */
export type PadWidth = number | readonly [number, number] | readonly (readonly [number, number])[];

/** Options of `pad`. */
export interface PadOptions {
  /** `'constant'` (when left out), `'edge'`, `'reflect'`, `'wrap'`. */
  readonly mode?: 'constant' | 'edge' | 'reflect' | 'wrap';
  /** The value of mode `'constant'`; 0 when left out. */
  readonly constantValues?: ArrayLike;
}

/**
 * Add elements around an array.
 *
 * @throws ShapeError when the widths do not fit the axes.
 * @example
 * String(np.pad(np.arange(2), [1, 2])); // → [0 0 1 0 0]
 */
export function pad(x: ArrayLike, padWidth: PadWidth, options: PadOptions = {}): Value {
  const { mode = 'constant', constantValues = 0 } = knownOptions('pad', options, [
    'mode',
    'constantValues',
  ]);
  const value = asArray('pad', x);
  const widths = widthsOf(padWidth, value);
  if (mode === 'constant') {
    const fill = convertElementType(asArray('pad', constantValues), value.dtype);
    return laxPad(
      value,
      fill,
      widths.map(([low, high]): PaddingConfig => [low, high, 0]),
    );
  }
  return widths.reduce((out, [low, high], axis) => padAxis(out, axis, low, high, mode), value);
}

function widthsOf(width: PadWidth, x: Value): readonly (readonly [number, number])[] {
  if (typeof width === 'number') return x.shape.map(() => [width, width]);
  checkList('pad', 'width', width, 'pairs [before, after]');
  if (width.length === 2 && typeof width[0] === 'number')
    return x.shape.map(() => width as readonly [number, number]);
  const list = width as readonly (readonly [number, number])[];
  list.forEach((pair, i) => checkNumberLists('pad', { [`width[${i}]`]: pair }));
  if (list.length !== x.ndim)
    throw new ShapeError(
      `pad: there must be one pair of widths per axis; got ${list.length} pairs for ${x.aval.toString()}. Give [before, after] for each axis.`,
    );
  return list;
}

function padAxis(
  x: Value,
  axis: number,
  low: number,
  high: number,
  mode: 'edge' | 'reflect' | 'wrap',
): Value {
  const length = x.shape[axis];
  const most = mode === 'edge' ? Infinity : mode === 'reflect' ? length - 1 : length;
  if (low > most || high > most || length === 0)
    throw new ShapeError(
      `pad: mode ${mode} adds at most ${most} elements on a side of ${length}; got ${low} and ${high} (axis ${axis}). Pad in steps.`,
    );
  const part = (start: number, end: number): Value => sliceInDim(x, start, end, { axis });
  const parts = {
    edge: (): Value[] => [
      repeat(part(0, 1), low, axis),
      x,
      repeat(part(length - 1, length), high, axis),
    ],
    reflect: (): Value[] => [
      rev(part(1, 1 + low), [axis]),
      x,
      rev(part(length - 1 - high, length - 1), [axis]),
    ],
    wrap: (): Value[] => [part(length - low, length), x, part(0, high)],
  }[mode]();
  return laxConcatenate(
    parts.filter((p) => p.shape[axis] > 0),
    axis,
  );
}
