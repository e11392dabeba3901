/**
 * Cutting and joining at known places, and at one computed place: slice and its dual pad, concatenate, dynamic_slice and its dual
 * dynamic_update_slice. Reads and writes at many computed places stand in `indexing.ts`.
 */
import type { ArrayLike } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { isInteger, kindOf } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { checkList, checkNumberLists, checkOptions, knownOptions } from '../core/options.ts';
import {
  LinearArg,
  type BatchDim,
  type BatchResult,
  type None,
  type Primitive,
} from '../core/primitive.ts';
import { canonicalAxis, sameShape, showShape, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import { padShape, sliceShape } from '../lowering/hlo/infer.ts';
import { add } from './arithmetic.ts';
import { lt, select } from './comparison.ts';
import { convertElementType } from './convert.ts';
import { full, zerosLike, zerosOf } from './creation.ts';
import { definePrimitive, none, tupleText } from './define.ts';
import { commonDType, known, spread } from './elementwise.ts';
import { gatherP, scatterP } from './indexing.ts';
import { literal, operand, operands } from './operand.ts';
import {
  batchTo,
  batchToFront,
  batched,
  expandDims,
  reduceSum,
  reshape,
  squeeze,
} from './structure.ts';

const zerosFor = (axes: readonly unknown[]): number[] => axes.map(() => 0);

// --- slice and pad are duals --------------------------------------------------------------------------------------------------

/** Parameters of `slice`. */
export interface SliceParams {
  readonly startIndices: readonly number[];
  readonly limitIndices: readonly number[];
  /** `undefined` when all are 1. */
  readonly strides: readonly number[] | undefined;
}

function checkSlice(
  x: Aval,
  { startIndices: starts, limitIndices: limits, strides }: SliceParams,
): void {
  const facts = `starts ${showShape(starts)}, limits ${showShape(limits)}${strides === undefined ? '' : `, strides ${showShape(strides)}`} for ${x.toString()}`;
  if (starts.length !== x.ndim || limits.length !== x.ndim || (strides ?? starts).length !== x.ndim)
    throw new ShapeError(
      `slice: starts, limits and strides need one entry per axis; got ${facts}. Write one entry per axis.`,
    );
  if ([...starts, ...limits, ...(strides ?? [])].some((n) => !Number.isInteger(n)))
    throw new ShapeError(
      `slice: starts, limits and strides must be integers; got ${facts}. Round them.`,
    );
  const bad = starts.findIndex((start, i) => start < 0 || start > limits[i]);
  if (bad >= 0)
    throw new ShapeError(
      `slice: starts must lie between 0 and the limits; got ${facts} (axis ${bad}). Mind the order: starts, then limits.`,
    );
  const over = limits.findIndex((limit, i) => limit > x.shape[i]);
  if (over >= 0)
    throw new ShapeError(
      `slice: limits must not exceed the shape; got ${facts} (axis ${over}). Lower the limits.`,
    );
  if (strides?.some((s) => s < 1) === true)
    throw new ShapeError(
      `slice: strides must be positive; got ${facts}. Use lax.rev for reverse order.`,
    );
}

/** `slice`: every stride-th element from start below limit, along each axis. */
export const sliceP: Primitive<SliceParams> = definePrimitive<SliceParams>('slice', {
  abstractEval: ([x], params) => {
    checkSlice(x, params);
    const { startIndices, limitIndices, strides } = params;
    return [
      x.withShape(sliceShape(startIndices, limitIndices, strides ?? startIndices.map(() => 1))),
    ];
  },
  lower: (b, [x], { startIndices, limitIndices, strides }) => [
    b.slice(x, startIndices, limitIndices, strides),
  ],
  jvp: 'linear',
  // The cotangent goes back to where it came from, zeros everywhere else.
  transpose: ([ct], [x], { startIndices: starts, strides }) => {
    if (ct === null) return [null];
    const config = ct.shape.map((n, i): PaddingConfig => {
      const stride = strides?.[i] ?? 1;
      const end = n === 0 ? starts[i] : starts[i] + 1 + (n - 1) * stride;
      return [starts[i], x.aval.shape[i] - end, stride - 1];
    });
    return [pad(ct, literalZero(ct), config)];
  },
  batch: ([x], [d], { startIndices, limitIndices, strides }) => {
    const at = batched(d);
    const params = {
      startIndices: startIndices.toSpliced(at, 0, 0),
      limitIndices: limitIndices.toSpliced(at, 0, x.shape[at]),
      strides: strides?.toSpliced(at, 0, 1),
    };
    return [[sliceP.bind1([x], params)], [at]];
  },
  printParams: ({ startIndices, limitIndices, strides }) => ({
    limit_indices: tupleText(limitIndices),
    start_indices: tupleText(startIndices),
    strides: strides === undefined ? 'None' : tupleText(strides),
  }),
});

/** Padding before, after and between the elements of an axis; negative amounts before and after cut. */
export type PaddingConfig = readonly [low: number, high: number, interior: number];

/** Parameters of `pad`. */
export interface PadParams {
  readonly paddingConfig: readonly PaddingConfig[];
}

const literalZero = (x: Value): Value => literal(0, x.dtype);

const column = (config: readonly PaddingConfig[], k: 0 | 1 | 2): number[] =>
  config.map((c) => c[k]);

/** Where `pad` puts elements of the operand: true there, false in the padding. */
const padMask = (shape: Shape, config: readonly PaddingConfig[]): Value =>
  pad(full(shape, true), false, config);

/** `pad`: a value before, after and between the elements. Operands: x, padding value (rank 0). */
export const padP: Primitive<PadParams> = definePrimitive<PadParams>('pad', {
  abstractEval: ([x, value], { paddingConfig: config }) => {
    const facts = `padding ${config.map((c) => `(${c.join(', ')})`).join(' ')} for ${x.toString()} with value ${value.toString()}`;
    commonDType('pad', [x, value]);
    if (value.ndim !== 0)
      throw new ShapeError(
        `pad: the padding value must be a scalar; got ${facts}. Pass a number, or an array without axes.`,
      );
    if (config.length !== x.ndim)
      throw new ShapeError(
        `pad: one (low, high, interior) per axis is needed; got ${facts}. Write [0, 0, 0] for axes that stay.`,
      );
    if (config.some((c) => c.some((n) => !Number.isInteger(n)) || c[2] < 0))
      throw new ShapeError(
        `pad: amounts must be integers, interior ones not negative; got ${facts}. Round them.`,
      );
    const shape = padShape(x.shape, column(config, 0), column(config, 1), column(config, 2));
    const bad = shape.findIndex((n) => n < 0);
    if (bad >= 0)
      throw new ShapeError(
        `pad: negative padding must not cut more than there is; got ${facts} (axis ${bad}). Cut with lax.slice, or cut less.`,
      );
    return [x.withShape(shape).withDType(x.dtype, x.weakType && value.weakType)];
  },
  lower: (b, [x, value], { paddingConfig: config }) => [
    b.pad(x, value, column(config, 0), column(config, 1), column(config, 2)),
  ],
  jvp: 'linear',
  transpose: ([ct], [x, value], { paddingConfig: config }) => {
    if (ct === null) return [null, null];
    const unpad = (): Value => {
      const inner = pad(
        ct,
        literalZero(ct),
        config.map(([low, high]): PaddingConfig => [-low, -high, 0]),
      );
      return slice(
        inner,
        zerosFor(config),
        inner.shape,
        config.map((c) => c[2] + 1),
      );
    };
    const outside = (): Value =>
      reduceSum(select(padMask(x.aval.shape, config), zerosLike(ct), ct));
    return [x instanceof LinearArg ? unpad() : null, value instanceof LinearArg ? outside() : null];
  },
  batch: ([x, value], [dx, dv], { paddingConfig }, axis) => {
    const at = dv === null ? batched(dx) : 0;
    const config = paddingConfig.toSpliced(at, 0, [0, 0, 0]);
    if (dv === null) return [[padP.bind1([x, value], { paddingConfig: config })], [at]];
    // One padding value per lane: pad with zero and choose.
    const full = batchTo(x, dx, 0, axis.size);
    const padded = pad(full, literalZero(full), config);
    const values = expandDims(batchToFront(value, dv), padded.shape.map((_, i) => i).slice(1));
    return [[select(padMask(full.shape, config), padded, spread(values, padded.shape))], [0]];
  },
  printParams: ({ paddingConfig }) => ({
    padding_config: tupleText(paddingConfig.map((c) => tupleText(c))),
  }),
});

/**
 * Elements of `x` from `starts` below `limits`, every `strides`-th.
 *
 * @throws ShapeError when starts, limits or strides do not fit the shape.
 * @example
 * String(lax.slice(lax.iota('i32', 6), [1], [6], [2])); // → [1 3 5]
 */
export function slice(
  x: ArrayLike,
  starts: readonly number[],
  limits: readonly number[],
  strides?: readonly number[],
): Value {
  const value = operand('slice', x);
  checkNumberLists('slice', { starts, limits, strides: strides ?? [] });
  const isFromStart = starts.length === value.ndim && starts.every((n) => n === 0);
  if (strides === undefined && isFromStart && sameShape(limits, value.shape)) return value;
  return sliceP.bind1([value], { startIndices: starts, limitIndices: limits, strides });
}

/**
 * `slice` along one axis; negative bounds count from the end.
 *
 * @throws ShapeError when the bounds do not fit.
 * @example
 * String(lax.sliceInDim(lax.iota('i32', 5), 1, -1)); // → [1 2 3]
 */
export function sliceInDim(
  x: ArrayLike,
  start: number | null,
  limit: number | null,
  options: { readonly stride?: number; readonly axis?: number } = {},
): Value {
  const value = operand('sliceInDim', x);
  checkOptions('sliceInDim', options, ['stride', 'axis']);
  const axis = canonicalAxis('sliceInDim', options.axis ?? 0, value.ndim);
  const size = value.shape[axis];
  const place = (n: number): number => (n < 0 ? n + size : n);
  return slice(
    value,
    zerosFor(value.shape).with(axis, place(start ?? 0)),
    value.shape.with(axis, place(limit ?? size)),
    value.shape.map((_, i) => (i === axis ? (options.stride ?? 1) : 1)),
  );
}

/**
 * The slice of `x` at one static index along an axis; the axis disappears unless `keepdims`.
 *
 * @throws ShapeError when the index is out of range.
 * @example
 * String(lax.indexInDim(lax.iota('i32', 5), -1)); // → 4
 */
export function indexInDim(x: ArrayLike, index: number, axis = 0, keepdims = false): Value {
  const value = operand('indexInDim', x);
  const at = canonicalAxis('indexInDim', axis, value.ndim);
  const size = value.shape[at];
  if (!Number.isInteger(index) || index < -size || index >= size)
    throw new ShapeError(
      `indexInDim: the index must be in [${-size}, ${size}); got ${index} for ${value.aval.toString()} (axis ${at}).`,
    );
  const place = index < 0 ? index + size : index;
  const cut = sliceInDim(value, place, place + 1, { axis: at });
  return keepdims ? cut : squeeze(cut, at);
}

/**
 * Put a value before (`low`), after (`high`) and between (`interior`) the elements of each axis; negative amounts cut.
 *
 * @throws ShapeError or DTypeError when the operands or amounts do not fit.
 * @example
 * String(lax.pad(lax.ones([2]), 0, [[1, 0, 1]])); // → [0. 1. 0. 1.]
 */
export function pad(x: ArrayLike, value: ArrayLike, config: readonly PaddingConfig[]): Value {
  const [array, filler] = operands('pad', x, value);
  checkList('pad', 'config', config, 'triples [low, high, interior]');
  config.forEach((triple, i) => checkNumberLists('pad', { [`config[${i}]`]: triple }));
  if (config.length === array.ndim && config.every((c) => c.every((n) => n === 0))) return array;
  return padP.bind1([array, filler], { paddingConfig: config });
}

// --- concatenate --------------------------------------------------------------------------------------------------------------

/** Parameters of `concatenate`. */
export interface ConcatenateParams {
  readonly dimension: number;
}

/** `concatenate`: operands one after the other along an axis. */
export const concatenateP: Primitive<ConcatenateParams> = definePrimitive<ConcatenateParams>(
  'concatenate',
  {
    abstractEval: (xs, { dimension }) => {
      commonDType('concatenate', xs);
      const rest = (a: Aval): Shape => a.shape.toSpliced(dimension, 1);
      const bad = xs.find((x) => x.ndim <= dimension || !sameShape(rest(x), rest(xs[0])));
      if (bad !== undefined)
        throw new ShapeError(
          `concatenate: shapes must agree except along axis ${dimension}; got ${xs.map((x) => x.toString()).join(', ')}. Slice, pad or reshape the others.`,
        );
      const size = xs.reduce((n, x) => n + x.shape[dimension], 0);
      const weak = xs.every((x) => x.weakType);
      return [xs[0].withShape(xs[0].shape.with(dimension, size)).withDType(xs[0].dtype, weak)];
    },
    lower: (b, xs, { dimension }) => [b.concatenate(xs, dimension)],
    jvp: 'linear',
    transpose: ([ct], xs, { dimension }) => {
      let start = 0;
      return xs.map((x) => {
        const limit = start + x.aval.shape[dimension];
        const part =
          ct !== null && x instanceof LinearArg
            ? sliceInDim(ct, start, limit, { axis: dimension })
            : null;
        start = limit;
        return part;
      });
    },
    batch: (xs, dims, { dimension }, axis) => {
      const front = xs.map((x, i) => batchTo(x, dims[i], 0, axis.size));
      return [[concatenateP.bind1(front, { dimension: dimension + 1 })], [0]];
    },
    printParams: ({ dimension }) => ({ dimension: String(dimension) }),
  },
);

/**
 * Join arrays one after the other along an existing axis.
 *
 * @throws ShapeError or DTypeError when there are none or they do not fit.
 * @example
 * String(lax.concatenate([lax.iota('i32', 2), lax.iota('i32', 3)], 0)); // → [0 1 0 1 2]
 */
export function concatenate(xs: readonly ArrayLike[], dimension: number): Value {
  checkList('concatenate', 'xs', xs);
  if (xs.length === 0)
    throw new ShapeError(
      'concatenate: at least one array is needed; got none. Pass a list of arrays.',
    );
  const values = operands('concatenate', ...xs);
  const axis = canonicalAxis('concatenate', dimension, values[0].ndim);
  return values.length === 1 ? values[0] : concatenateP.bind1(values, { dimension: axis });
}

// --- dynamic_slice and dynamic_update_slice are duals -------------------------------------------------------------------------

/** Parameters of `dynamic_slice`. */
export interface DynamicSliceParams {
  readonly sliceSizes: Shape;
}

function checkStarts(op: string, x: Aval, starts: readonly Aval[], sizes: Shape): void {
  const facts = `${x.toString()}, sizes ${showShape(sizes)}, starts ${starts.map((s) => s.toString()).join(', ')}`;
  if (starts.length !== x.ndim || sizes.length !== x.ndim)
    throw new ShapeError(
      `${op}: one start and one size per axis are needed; got ${facts}. Write one entry per axis.`,
    );
  if (starts.some((s) => s.ndim !== 0))
    throw new ShapeError(`${op}: starts must be scalars; got ${facts}. Index the array of starts.`);
  if (starts.some((s) => !isInteger(s.dtype) || s.dtype !== starts[0].dtype))
    throw new DTypeError(
      `${op}: starts must be integers of one dtype; got ${facts}. Convert them with lax.convertElementType.`,
    );
  if (sizes.some((n, i) => !Number.isInteger(n) || n < 0 || n > x.shape[i]))
    throw new ShapeError(
      `${op}: sizes must not exceed the shape; got ${facts}. Take a smaller slice.`,
    );
}

/** Starts of the lanes as index vectors: `[ndim]`, or `[size, ndim]` when one is batched. */
function stackStarts(starts: readonly Value[], dims: readonly BatchDim[], size: number): Value {
  const rows = starts.map((s, i) => expandDims(batchTo(s, dims[i], 0, size), 1));
  return rows.length === 0 ? full([size, 0], 0, 'i32') : concatenate(rows, 1);
}

/** `dynamic_slice`: a window of fixed size at computed starts, moved inside. Operands: x, one rank-0 start per axis. */
export const dynamicSliceP: Primitive<DynamicSliceParams> = definePrimitive<DynamicSliceParams>(
  'dynamic_slice',
  {
    abstractEval: ([x, ...starts], { sliceSizes }) => {
      checkStarts('dynamicSlice', x, starts, sliceSizes);
      return [x.withShape(sliceSizes)];
    },
    lower: (b, [x, ...starts], { sliceSizes }) => [b.dynamicSlice(x, starts, sliceSizes)],
    jvp: ([x, ...starts], [tx], params) => [
      [dynamicSliceP.bind1([x, ...starts], params)],
      [tx === null ? null : dynamicSliceP.bind1([tx, ...starts], params)],
    ],
    transpose: ([ct], [x, ...starts]) => [
      ct === null
        ? null
        : dynamicUpdateSliceP.bind1([zerosOf(x.aval.strong()), ct, ...starts.map(known)], none),
      ...starts.map(() => null),
    ],
    batch: ([x, ...starts], [dx, ...dims], { sliceSizes }, axis): BatchResult => {
      if (dims.every((d) => d === null)) {
        const at = batched(dx);
        const zero = literal(0, starts[0]?.dtype ?? 'i32');
        const params = { sliceSizes: sliceSizes.toSpliced(at, 0, x.shape[at]) };
        return [[dynamicSliceP.bind1([x, ...starts.toSpliced(at, 0, zero)], params)], [at]];
      }
      const axes = sliceSizes.map((_, i) => i);
      const params = {
        dimensionNumbers: {
          offsetDims: axes,
          collapsedSliceDims: [],
          startIndexMap: axes,
          operandBatchingDims: [],
          startIndicesBatchingDims: [],
        },
        sliceSizes,
        mode: 'clip' as const,
        fillValue: undefined,
        indicesAreSorted: true,
        uniqueIndices: true,
      };
      const rule = gatherP.rules.batch;
      return rule?.([x, stackStarts(starts, dims, axis.size)], [dx, 0], params, axis) ?? [[], []];
    },
    printParams: ({ sliceSizes }) => ({ slice_sizes: tupleText(sliceSizes) }),
  },
);

/** `dynamic_update_slice`: the operand with a window overwritten at computed starts, moved inside. Operands: x, update, starts. */
export const dynamicUpdateSliceP: Primitive<None> = definePrimitive<None>('dynamic_update_slice', {
  abstractEval: ([x, update, ...starts]) => {
    commonDType('dynamicUpdateSlice', [x, update]);
    checkStarts('dynamicUpdateSlice', x, starts, update.shape);
    return [x.withDType(x.dtype, x.weakType && update.weakType)];
  },
  lower: (b, [x, update, ...starts]) => [b.dynamicUpdateSlice(x, update, starts)],
  jvp: ([x, update, ...starts], [tx, tu]) => {
    const out = dynamicUpdateSliceP.bind1([x, update, ...starts], none);
    if (tx === null && tu === null) return [[out], [null]];
    const full = [tx ?? zerosLike(x), tu ?? zerosLike(update), ...starts];
    return [[out], [dynamicUpdateSliceP.bind1(full, none)]];
  },
  transpose: ([ct], [x, update, ...rest]) => {
    const nothing = rest.map(() => null);
    if (ct === null) return [null, null, ...nothing];
    const starts = rest.map(known);
    const sliceSizes = update.aval.shape;
    const cleared = (): Value =>
      dynamicUpdateSliceP.bind1([ct, zerosOf(update.aval.strong()), ...starts], none);
    return [
      x instanceof LinearArg ? cleared() : null,
      update instanceof LinearArg ? dynamicSliceP.bind1([ct, ...starts], { sliceSizes }) : null,
      ...nothing,
    ];
  },
  batch: ([x, update, ...starts], [dx, du, ...dims], _params, axis): BatchResult => {
    if (dims.every((d) => d === null)) {
      const zero = literal(0, starts[0]?.dtype ?? 'i32');
      const args = [
        batchTo(x, dx, 0, axis.size),
        batchTo(update, du, 0, axis.size),
        zero,
        ...starts,
      ];
      return [[dynamicUpdateSliceP.bind1(args, none)], [0]];
    }
    const axes = x.shape.map((_, i) => i).slice(dx === null ? 0 : 1);
    const kept = dx === null ? axes : axes.map((i) => i - 1);
    const params = {
      dimensionNumbers: {
        updateWindowDims: kept,
        insertedWindowDims: [],
        scatterDimsToOperandDims: kept,
        operandBatchingDims: [],
        scatterIndicesBatchingDims: [],
      },
      mode: 'clip' as const,
      indicesAreSorted: true,
      uniqueIndices: true,
    };
    const rule = scatterP.rules.batch;
    return (
      rule?.([x, stackStarts(starts, dims, axis.size), update], [dx, 0, du], params, axis) ?? [
        [],
        [],
      ]
    );
  },
});

/** Options of `dynamicSlice` and `dynamicUpdateSlice`. */
export interface StartOptions {
  /** Whether negative starts count from the end; true when left out. Say false for starts that are known not to be negative. */
  readonly allowNegativeIndices?: boolean;
}

/** Starts as operands: JavaScript numbers take the dtype of the other starts (i32); negative ones count from the end. */
function startOperands(
  op: string,
  starts: readonly ArrayLike[],
  shape: Shape,
  options: StartOptions,
): Value[] {
  checkList(op, 'starts', starts, 'numbers or scalars');
  const { allowNegativeIndices = true } = knownOptions(op, options, ['allowNegativeIndices']);
  const traced = starts.find((s) => typeof s !== 'number' && typeof s !== 'bigint');
  const dtype = traced === undefined ? 'i32' : operand(op, traced, 'start').dtype;
  return starts.map((s, i) => {
    const size = shape[i] ?? 0;
    if (typeof s === 'number' || typeof s === 'bigint') {
      const n = Number(s);
      return literal(n < 0 && allowNegativeIndices ? n + size : n, dtype);
    }
    const value = operand(op, s, `start of axis ${i}`);
    if (!allowNegativeIndices || kindOf(value.dtype) !== 'int') return value;
    const isNegative = lt(value, 0);
    const fromEnd = add(convertElementType(value, value.dtype), literal(size, value.dtype));
    return select(isNegative, fromEnd, value);
  });
}

/**
 * A window of `sizes` at computed starts. Negative starts count from the end; starts too near the end are moved back so that the
 * window fits.
 *
 * @throws ShapeError or DTypeError when starts or sizes do not fit.
 * @example
 * String(lax.dynamicSlice(lax.iota('i32', 5), [9], [2])); // → [3 4]
 */
export function dynamicSlice(
  x: ArrayLike,
  starts: readonly ArrayLike[],
  sizes: Shape,
  options: StartOptions = {},
): Value {
  const value = operand('dynamicSlice', x);
  const at = startOperands('dynamicSlice', starts, value.shape, options);
  checkNumberLists('dynamicSlice', { sizes });
  return dynamicSliceP.bind1([value, ...at], { sliceSizes: sizes });
}

/**
 * `x` with `update` written at computed starts. Negative starts count from the end; starts too near the end are moved back so that
 * the update fits.
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.dynamicUpdateSlice(lax.zeros([4]), lax.ones([2]), [1])); // → [0. 1. 1. 0.]
 */
export function dynamicUpdateSlice(
  x: ArrayLike,
  update: ArrayLike,
  starts: readonly ArrayLike[],
  options: StartOptions = {},
): Value {
  const [value, news] = operands('dynamicUpdateSlice', x, update);
  const at = startOperands('dynamicUpdateSlice', starts, value.shape, options);
  return dynamicUpdateSliceP.bind1([value, news, ...at], none);
}

/** `dynamicSlice` along one axis: `size` elements from `start`. @throws ShapeError or DTypeError when they do not fit. */
export function dynamicSliceInDim(x: ArrayLike, start: ArrayLike, size: number, axis = 0): Value {
  const value = operand('dynamicSliceInDim', x);
  const at = canonicalAxis('dynamicSliceInDim', axis, value.ndim);
  const starts: ArrayLike[] = value.shape.map(() => 0);
  starts[at] = start;
  return dynamicSlice(value, starts, value.shape.with(at, size));
}

/** The slice at one computed index along an axis; the axis disappears unless `keepdims`. @throws DTypeError when the index is no integer. */
export function dynamicIndexInDim(
  x: ArrayLike,
  index: ArrayLike,
  axis = 0,
  keepdims = false,
): Value {
  const value = operand('dynamicIndexInDim', x);
  const at = canonicalAxis('dynamicIndexInDim', axis, value.ndim);
  const cut = dynamicSliceInDim(value, index, 1, at);
  return keepdims ? cut : squeeze(cut, at);
}

/** `dynamicUpdateSlice` along one axis, from `start`. @throws ShapeError or DTypeError when the operands do not fit. */
export function dynamicUpdateSliceInDim(
  x: ArrayLike,
  update: ArrayLike,
  start: ArrayLike,
  axis = 0,
): Value {
  const [value, news] = operands('dynamicUpdateSliceInDim', x, update);
  const at = canonicalAxis('dynamicUpdateSliceInDim', axis, value.ndim);
  const starts: ArrayLike[] = value.shape.map(() => 0);
  starts[at] = start;
  return dynamicUpdateSlice(value, news, starts);
}

/** `x` with the slice at one computed index along an axis replaced; `update` may lack the axis. @throws ShapeError or DTypeError when the operands do not fit. */
export function dynamicUpdateIndexInDim(
  x: ArrayLike,
  update: ArrayLike,
  index: ArrayLike,
  axis = 0,
): Value {
  const [value, news] = operands('dynamicUpdateIndexInDim', x, update);
  const at = canonicalAxis('dynamicUpdateIndexInDim', axis, value.ndim);
  const led = news.ndim === value.ndim ? news : reshape(news, news.shape.toSpliced(at, 0, 1));
  return dynamicUpdateSliceInDim(value, led, index, at);
}
