/**
 * `gather` and its dual `scatter-add`, and the other scatters: reads and writes at computed places.
 * Indexing sugar (`x.at(…)`, `take`) stands in `numpy/`; slices at one place in `slicing.ts`.
 */
import type { ArrayLike } from '../core/array.ts';
import { Aval } from '../core/aval.ts';
import { isInexact, kindOf, type DType } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { Jaxpr, Var } from '../core/jaxpr.ts';
import { checkNumberLists, checkOptions } from '../core/options.ts';
import {
  LinearArg,
  type BatchResult,
  type JvpResult,
  type None,
  type Primitive,
  type Tangent,
} from '../core/primitive.ts';
import type { Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import { identityOf } from '../lowering/hlo/constant.ts';
import { gatherShape } from '../lowering/hlo/infer.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type { Combiner } from '../lowering/scalar.ts';
import { add, addP, div, maxP, minP, mul, mulP } from './arithmetic.ts';
import { eq } from './comparison.ts';
import { convertElementType } from './convert.ts';
import { iota, zerosLike, zerosOf } from './creation.ts';
import { definePrimitive, flagText, none, tupleText } from './define.ts';
import {
  checkGather,
  checkScatter,
  dualGather,
  dualScatter,
  fullGather,
  fullScatter,
  gatherHlo,
  lastStarts,
  scatterHlo,
  showGather,
  showMode,
  showScatter,
  windowOf,
  type FullGatherNumbers,
  type FullScatterNumbers,
  type GatherDimensionNumbers,
  type IndexMode,
  type ScatterDimensionNumbers,
} from './dimension-numbers.ts';
import { known } from './elementwise.ts';
import { operand as asOperand, operands } from './operand.ts';
import { batchTo, batchToFront, reshape } from './structure.ts';

/** Options of `gather` and the scatters. */
export interface IndexOptions {
  /** What happens out of bounds; `'fill'` for scatters and `'promise_in_bounds'` for `gather` when left out. */
  readonly mode?: IndexMode | 'drop';
  /** Promises that the index vectors are in increasing order. */
  readonly indicesAreSorted?: boolean;
  /** Promises that no two windows overlap. */
  readonly uniqueIndices?: boolean;
}

/** Options of `gather`. */
export interface GatherOptions extends IndexOptions {
  /** What out-of-bounds slices hold in mode `'fill'`: NaN, the least signed or greatest unsigned integer, true when left out. */
  readonly fillValue?: number;
}

const indexOptions = ['mode', 'indicesAreSorted', 'uniqueIndices'];

/** Parameters of `gather`. */
export interface GatherParams {
  readonly dimensionNumbers: FullGatherNumbers;
  readonly sliceSizes: Shape;
  readonly mode: IndexMode;
  readonly fillValue: number | undefined;
  readonly indicesAreSorted: boolean;
  readonly uniqueIndices: boolean;
}

/** Parameters of the scatters. */
export interface ScatterParams {
  readonly dimensionNumbers: FullScatterNumbers;
  readonly mode: IndexMode;
  readonly indicesAreSorted: boolean;
  readonly uniqueIndices: boolean;
}

const up = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);

// --- gather -------------------------------------------------------------------------------------------------------------------

/** The value that marks what was out of bounds. */
function defaultFill(dtype: DType): number | bigint | boolean {
  const kind = kindOf(dtype);
  if (kind === 'bool') return true;
  if (kind === 'float' || kind === 'complex') return Number.NaN;
  const bound = identityOf(kind === 'int' ? 'max' : 'min', dtype);
  return typeof bound === 'object' ? Number.NaN : bound;
}

/** Whether each index vector is in bounds: one bool per slice. */
function inBounds(b: HloBuilder, x: HloValue, indices: HloValue, params: GatherParams): HloValue {
  const { dtype, shape } = indices.type;
  const last = lastStarts(
    b,
    indices,
    x.type.shape,
    params.sliceSizes,
    params.dimensionNumbers.startIndexMap,
  );
  const low = b.compare('ge', indices, b.constant(0, dtype, shape));
  const high = b.compare('le', indices, last);
  return b.reduce(b.scalar('and', low, high), 'and', [shape.length - 1]);
}

function lowerGather(
  b: HloBuilder,
  x: HloValue,
  indices: HloValue,
  params: GatherParams,
): HloValue {
  const { dimensionNumbers: dims, sliceSizes, indicesAreSorted } = params;
  // StableHLO clamps starts: that is mode `clip`, and allowed in mode `promise_in_bounds`.
  const hloDims = gatherHlo(dims, indices.type.shape.length);
  const slices = b.gather(x, indices, hloDims, sliceSizes, { indicesAreSorted });
  if (params.mode !== 'fill') return slices;
  const { shape, dtype } = slices.type;
  const batchAxes = shape.map((_, i) => i).filter((i) => !dims.offsetDims.includes(i));
  const mask = b.broadcastInDim(inBounds(b, x, indices, params), shape, batchAxes);
  const value = params.fillValue ?? defaultFill(dtype);
  return b.select(mask, slices, b.constant(value, dtype, shape));
}

/** `gather`: slices of the operand at index vectors. Operands: x, indices. */
export const gatherP: Primitive<GatherParams> = definePrimitive<GatherParams>('gather', {
  abstractEval: ([x, indices], { dimensionNumbers, sliceSizes }) => {
    checkGather(x, indices, dimensionNumbers, sliceSizes);
    return [
      x.withShape(
        gatherShape(indices.shape, gatherHlo(dimensionNumbers, indices.ndim), sliceSizes),
      ),
    ];
  },
  lower: (b, [x, indices], params) => [lowerGather(b, x, indices, params)],
  // Linear in the operand; what was filled in is constant.
  jvp: ([x, indices], [tx], params) => [
    [gatherP.bind1([x, indices], params)],
    [tx === null ? null : gatherP.bind1([tx, indices], { ...params, fillValue: 0 })],
  ],
  transpose: ([ct], [x, indices], params) => {
    if (ct === null || !(x instanceof LinearArg)) return [null, null];
    const { mode, indicesAreSorted, uniqueIndices } = params;
    const dimensionNumbers = dualScatter(params.dimensionNumbers);
    const args = [zerosOf(x.aval.strong()), known(indices), ct];
    return [
      scatterAddP.bind1(args, { dimensionNumbers, mode, indicesAreSorted, uniqueIndices }),
      null,
    ];
  },
  batch: (args, dims, params) => batchGather(args, dims, params),
  printParams: (params) => ({
    dimension_numbers: showGather(params.dimensionNumbers),
    fill_value: params.fillValue === undefined ? 'None' : String(params.fillValue),
    indices_are_sorted: flagText(params.indicesAreSorted),
    mode: showMode[params.mode],
    slice_sizes: tupleText(params.sliceSizes),
    unique_indices: flagText(params.uniqueIndices),
  }),
});

/** A batched operand gives an offset axis, batched indices an index axis, both together a batch axis of the gather itself. */
function batchGather(
  [x, indices]: readonly Value[],
  [dx, di]: readonly (number | null)[],
  params: GatherParams,
): BatchResult {
  const dims = params.dimensionNumbers;
  const shifted: FullGatherNumbers = {
    offsetDims: up(dims.offsetDims),
    collapsedSliceDims: dx === null ? dims.collapsedSliceDims : up(dims.collapsedSliceDims),
    startIndexMap: dx === null ? dims.startIndexMap : up(dims.startIndexMap),
    operandBatchingDims: dx === null ? dims.operandBatchingDims : up(dims.operandBatchingDims),
    startIndicesBatchingDims:
      di === null ? dims.startIndicesBatchingDims : up(dims.startIndicesBatchingDims),
  };
  const bind = (
    args: readonly Value[],
    more: Partial<FullGatherNumbers>,
    sliceSizes: Shape,
  ): BatchResult => [
    [gatherP.bind1(args, { ...params, sliceSizes, dimensionNumbers: { ...shifted, ...more } })],
    [0],
  ];
  if (dx === null) return bind([x, batchToFront(indices, di)], {}, params.sliceSizes);
  const front = batchToFront(x, dx);
  const size = front.shape[0];
  if (di === null)
    return bind([front, indices], { offsetDims: [0, ...shifted.offsetDims] }, [
      size,
      ...params.sliceSizes,
    ]);
  return bind(
    [front, batchToFront(indices, di)],
    {
      operandBatchingDims: [0, ...shifted.operandBatchingDims],
      startIndicesBatchingDims: [0, ...shifted.startIndicesBatchingDims],
    },
    // A slice of an empty batch has no element to hold.
    [Math.min(1, size), ...params.sliceSizes],
  );
}

// --- scatter ------------------------------------------------------------------------------------------------------------------

/** How the members of the scatter family differ. */
interface ScatterRecord {
  readonly name: string;
  readonly combiner: Combiner | 'set';
  /** The primitive that combines an old and a new element, as JAX prints it. */
  readonly combines?: Primitive<None>;
  jvp(args: readonly Value[], tangents: readonly Tangent[], params: ScatterParams): JvpResult;
  transpose?(
    cts: readonly Tangent[],
    args: readonly (Value | LinearArg)[],
    params: ScatterParams,
  ): readonly Tangent[];
}

function defineScatter({
  name,
  combiner,
  combines,
  jvp,
  transpose,
}: ScatterRecord): Primitive<ScatterParams> {
  const op = name.replace(/-(\w)/, (_, letter: string) => letter.toUpperCase());
  const prim: Primitive<ScatterParams> = definePrimitive<ScatterParams>(name, {
    abstractEval: (avals, { dimensionNumbers }) => {
      checkScatter(op, avals, dimensionNumbers);
      return [avals[0].withDType(avals[0].dtype, avals[0].weakType && avals[2].weakType)];
    },
    lower: (
      b,
      [x, indices, updates],
      { dimensionNumbers: dims, mode, indicesAreSorted, uniqueIndices },
    ) => {
      const window = windowOf(x.type.shape, updates.type.shape, dims);
      const { dtype, shape } = indices.type;
      // StableHLO skips windows that are out of bounds: modes `fill` and `promise_in_bounds`.
      const at =
        mode === 'clip'
          ? b.scalar(
              'clamp',
              b.constant(0, dtype, shape),
              indices,
              lastStarts(b, indices, x.type.shape, window, dims.scatterDimsToOperandDims),
            )
          : indices;
      return b.scatter([x], at, [updates], scatterHlo(dims, shape.length), combiner, {
        indicesAreSorted,
        uniqueIndices,
      });
    },
    jvp,
    ...(transpose === undefined ? {} : { transpose }),
    batch: (args, dims, params, axis) =>
      batchScatter(prim, args, dims, { params, size: axis.size }),
    printParams: (params, [x]) => ({
      dimension_numbers: showScatter(params.dimensionNumbers),
      indices_are_sorted: flagText(params.indicesAreSorted),
      mode: showMode[params.mode],
      unique_indices: flagText(params.uniqueIndices),
      update_consts: '()',
      update_jaxpr: combines === undefined ? 'None' : updateJaxpr(combines, x.dtype),
    }),
  });
  return prim;
}

const updateJaxprs = new Map<string, Jaxpr>();

/** The program that combines two elements: only for the eyes, lowering goes by the combiner. */
function updateJaxpr(prim: Primitive<None>, dtype: DType): Jaxpr {
  const key = `${prim.name} ${dtype}`;
  let jaxpr = updateJaxprs.get(key);
  if (jaxpr === undefined) {
    const [old, update, out] = [0, 1, 2].map(() => new Var(new Aval([], dtype)));
    const eqn = { prim: prim as Primitive, inputs: [old, update], params: none, outputs: [out] };
    jaxpr = new Jaxpr({ invars: [old, update], eqns: [eqn], outvars: [out] });
    updateJaxprs.set(key, jaxpr);
  }
  return jaxpr;
}

/** Operand and updates get the batch axis in front; it is a window axis when the indices have none, else a batch axis of the scatter. */
function batchScatter(
  prim: Primitive<ScatterParams>,
  [x, indices, updates]: readonly Value[],
  [dx, di, du]: readonly (number | null)[],
  { params, size }: { readonly params: ScatterParams; readonly size: number },
): BatchResult {
  const dims = params.dimensionNumbers;
  const common = {
    insertedWindowDims: up(dims.insertedWindowDims),
    scatterDimsToOperandDims: up(dims.scatterDimsToOperandDims),
  };
  const dimensionNumbers: FullScatterNumbers =
    di === null
      ? {
          ...common,
          updateWindowDims: [0, ...up(dims.updateWindowDims)],
          operandBatchingDims: up(dims.operandBatchingDims),
          scatterIndicesBatchingDims: dims.scatterIndicesBatchingDims,
        }
      : {
          ...common,
          updateWindowDims: up(dims.updateWindowDims),
          operandBatchingDims: [0, ...up(dims.operandBatchingDims)],
          scatterIndicesBatchingDims: [0, ...up(dims.scatterIndicesBatchingDims)],
        };
  const args = [
    batchTo(x, dx, 0, size),
    di === null ? indices : batchToFront(indices, di),
    batchTo(updates, du, 0, size),
  ];
  return [[prim.bind1(args, { ...params, dimensionNumbers })], [0]];
}

/** The updates' part of a scatter's cotangent: read where it wrote. */
function gatherDual(
  ct: Value,
  x: Shape,
  indices: Value,
  updates: Shape,
  params: ScatterParams,
): Value {
  const { mode, indicesAreSorted, uniqueIndices, dimensionNumbers } = params;
  return gatherP.bind1([ct, indices], {
    dimensionNumbers: dualGather(dimensionNumbers),
    sliceSizes: windowOf(x, updates, dimensionNumbers),
    // Windows out of bounds were skipped: they get no cotangent. A promise broken by a scatter is skipped too.
    mode: mode === 'promise_in_bounds' ? 'fill' : mode,
    fillValue: 0,
    indicesAreSorted,
    uniqueIndices,
  });
}

const shapeOf = (arg: Value | LinearArg): Shape => arg.aval.shape;

/** `scatter-add`: windows of the updates added at index vectors. Operands: x, indices, updates. Linear in x and updates. */
export const scatterAddP: Primitive<ScatterParams> = defineScatter({
  name: 'scatter-add',
  combiner: 'add',
  combines: addP,
  jvp: ([x, indices, updates], [tx, , tu], params) => [
    [scatterAddP.bind1([x, indices, updates], params)],
    [
      tx === null && tu === null
        ? null
        : scatterAddP.bind1([tx ?? zerosLike(x), indices, tu ?? zerosLike(updates)], params),
    ],
  ],
  transpose: ([ct], [x, indices, updates], params) => {
    if (ct === null) return [null, null, null];
    const isLinear = updates instanceof LinearArg;
    return [
      x instanceof LinearArg ? ct : null,
      null,
      isLinear ? gatherDual(ct, shapeOf(x), known(indices), shapeOf(updates), params) : null,
    ];
  },
});

/** A number for each element of the updates, counted from 1, and which of them each element of the operand ended with (0: none). */
function winners(
  x: Value,
  indices: Value,
  updates: Value,
  params: ScatterParams,
): readonly [Value, Value] {
  const ids = reshape(add(iota('i32', updates.size), 1), updates.shape);
  const nobody = zerosOf(x.aval.withDType('i32'));
  return [ids, scatterP.bind1([nobody, indices, ids], params)];
}

/** The tangent of `scatter` when windows may overlap: only the update that won at a place counts there. */
function tangentOfOverlapping(
  [x, indices, updates]: readonly Value[],
  [tx, , tu]: readonly Tangent[],
  params: ScatterParams,
): Value {
  const [ids, won] = winners(x, indices, updates, params);
  const keep = (pred: Value, t: Value): Value => mul(t, convertElementType(pred, t.dtype));
  const kept = tx === null ? zerosLike(x) : keep(eq(won, 0), tx);
  if (tu === null) return kept;
  const survived = eq(ids, gatherDual(won, x.shape, indices, updates.shape, params));
  return scatterAddP.bind1([kept, indices, keep(survived, tu)], params);
}

/** `scatter`: windows of the updates written at index vectors; where they overlap, the last one stays. */
export const scatterP: Primitive<ScatterParams> = defineScatter({
  name: 'scatter',
  combiner: 'set',
  jvp: (args, tangents, params) => {
    const out = scatterP.bind1(args, params);
    const [x, indices, updates] = args;
    const [tx, , tu] = tangents;
    if ((tx === null && tu === null) || !isInexact(x.dtype)) return [[out], [null]];
    if (!params.uniqueIndices) return [[out], [tangentOfOverlapping(args, tangents, params)]];
    const full = [tx ?? zerosLike(x), indices, tu ?? zerosLike(updates)];
    return [[out], [scatterP.bind1(full, params)]];
  },
  // Linear only when windows do not overlap, which the JVP sees to.
  transpose: ([ct], [x, indices, updates], params) => {
    if (ct === null) return [null, null, null];
    const zero = zerosOf(updates.aval.strong());
    return [
      x instanceof LinearArg ? scatterP.bind1([ct, known(indices), zero], params) : null,
      null,
      updates instanceof LinearArg
        ? gatherDual(ct, shapeOf(x), known(indices), shapeOf(updates), params)
        : null,
    ];
  },
});

/** The JVP of scattered extrema: everything that equals the result shares the derivative. */
const extremalJvp =
  (prim: () => Primitive<ScatterParams>): ScatterRecord['jvp'] =>
  ([x, indices, updates], [tx, , tu], params) => {
    const out = prim().bind1([x, indices, updates], params);
    if ((tx === null && tu === null) || !isInexact(x.dtype)) return [[out], [null]];
    const maskX = convertElementType(eq(x, out), x.dtype);
    const seen = gatherDual(out, x.shape, indices, updates.shape, params);
    const maskU = convertElementType(eq(updates, seen), x.dtype);
    const count = scatterAddP.bind1([maskX, indices, maskU], params);
    const partX = tx === null ? zerosLike(x) : mul(tx, maskX);
    const partU = tu === null ? zerosLike(updates) : mul(tu, maskU);
    return [[out], [div(scatterAddP.bind1([partX, indices, partU], params), count)]];
  };

/** `scatter-max`: the greater of operand and updates. Ties share the derivative. */
export const scatterMaxP: Primitive<ScatterParams> = defineScatter({
  name: 'scatter-max',
  combiner: 'max',
  combines: maxP,
  jvp: extremalJvp(() => scatterMaxP),
});

/** `scatter-min`: the lesser of operand and updates. Ties share the derivative. */
export const scatterMinP: Primitive<ScatterParams> = defineScatter({
  name: 'scatter-min',
  combiner: 'min',
  combines: minP,
  jvp: extremalJvp(() => scatterMinP),
});

/** `scatter-mul`: the operand times the updates. Differentiable in the updates only where windows do not overlap. */
export const scatterMulP: Primitive<ScatterParams> = defineScatter({
  name: 'scatter-mul',
  combiner: 'mul',
  combines: mulP,
  jvp: ([x, indices, updates], [tx, , tu], params) => {
    const out = scatterMulP.bind1([x, indices, updates], params);
    const parts: Value[] = [];
    if (tx !== null) parts.push(scatterMulP.bind1([tx, indices, updates], params));
    if (tu !== null) {
      if (!params.uniqueIndices)
        throw new ArgumentError(
          'scatterMul: only unique indices have a derivative by the updates; got uniqueIndices: false. Promise it when it is so.',
        );
      const factor = gatherDual(x, x.shape, indices, updates.shape, params);
      parts.push(scatterAddP.bind1([zerosLike(x), indices, mul(tu, factor)], params));
    }
    return [[out], [parts.length === 0 ? null : parts.reduce((a, t) => add(a, t))]];
  },
  transpose: ([ct], [x, indices, updates], params) => [
    ct === null || !(x instanceof LinearArg)
      ? null
      : scatterMulP.bind1([ct, known(indices), known(updates)], params),
    null,
    null,
  ],
});

// --- public functions ---------------------------------------------------------------------------------------------------------

const modeOf = (mode: IndexOptions['mode']): IndexMode =>
  mode === undefined || mode === 'drop' ? 'fill' : mode;

/**
 * Slices of `x` at index vectors, which stand on the last axis of `indices`.
 *
 * @throws ShapeError or DTypeError when dimension numbers, slice sizes and operands do not fit.
 * @example
 * const dims = { offsetDims: [], collapsedSliceDims: [0], startIndexMap: [0] };
 * const indices = lax.reshape(lax.rev(lax.iota('i32', 3), [0]), [3, 1]);
 * String(lax.gather(lax.iota('f32', 3), indices, dims, [1])); // → [2. 1. 0.]
 */
export function gather(
  x: ArrayLike,
  indices: ArrayLike,
  dimensionNumbers: GatherDimensionNumbers,
  sliceSizes: Shape,
  options: GatherOptions = {},
): Value {
  checkNumberLists('gather', { sliceSizes });
  checkOptions('gather', options, [...indexOptions, 'fillValue']);
  return gatherP.bind1([asOperand('gather', x), asOperand('gather', indices, 'indices')], {
    dimensionNumbers: fullGather(dimensionNumbers),
    sliceSizes: [...sliceSizes],
    mode: modeOf(options.mode ?? (options.fillValue === undefined ? 'promise_in_bounds' : 'fill')),
    fillValue: options.fillValue,
    indicesAreSorted: options.indicesAreSorted ?? false,
    uniqueIndices: options.uniqueIndices ?? false,
  });
}

/** A public function of the scatter family. */
export type ScatterOp = (
  x: ArrayLike,
  indices: ArrayLike,
  updates: ArrayLike,
  dimensionNumbers: ScatterDimensionNumbers,
  options?: IndexOptions,
) => Value;

const scatterOp =
  (prim: Primitive<ScatterParams>, op: string): ScatterOp =>
  (x, indices, updates, dimensionNumbers, options = {}) => {
    checkOptions(op, options, indexOptions);
    const [value, news] = operands(op, x, updates);
    return prim.bind1([value, asOperand(op, indices, 'indices'), news], {
      dimensionNumbers: fullScatter(dimensionNumbers),
      mode: modeOf(options.mode),
      indicesAreSorted: options.indicesAreSorted ?? false,
      uniqueIndices: options.uniqueIndices ?? false,
    });
  };

/**
 * `x` with windows of `updates` written at index vectors.
 *
 * @throws ShapeError or DTypeError when dimension numbers and operands do not fit.
 * @example
 * const dims = { updateWindowDims: [], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };
 * String(lax.scatter(lax.zeros([3]), lax.ones([1, 1], 'i32'), lax.ones([1]), dims)); // → [0. 1. 0.]
 */
export const scatter: ScatterOp = scatterOp(scatterP, 'scatter');
/** `x` with windows of `updates` added at index vectors. @throws ShapeError or DTypeError when the operands do not fit. */
export const scatterAdd: ScatterOp = scatterOp(scatterAddP, 'scatterAdd');
/** `x` with windows of `updates` multiplied in. @throws ShapeError or DTypeError when the operands do not fit. */
export const scatterMul: ScatterOp = scatterOp(scatterMulP, 'scatterMul');
/** `x` with the lesser of it and windows of `updates`. @throws ShapeError or DTypeError when the operands do not fit. */
export const scatterMin: ScatterOp = scatterOp(scatterMinP, 'scatterMin');
/** `x` with the greater of it and windows of `updates`. @throws ShapeError or DTypeError when the operands do not fit. */
export const scatterMax: ScatterOp = scatterOp(scatterMaxP, 'scatterMax');
