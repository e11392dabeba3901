/**
 * Builds StableHLO: one method per op, which infers the result types and appends to the current block.
 * It does not check: the verifier does, after the program is whole. Spellings that JAX chooses (a splat is a rank-0 constant with a
 * broadcast, `add` on bool is `or`) are chosen here too, so that printed programs can be compared with JAX's.
 */
import { isComplex, kindOf, type DType } from '../../core/dtype.ts';
import type { HostCall } from '../../core/host-call.ts';
import { withoutAxes, type Shape } from '../../core/shape.ts';
import type { Combiner, CompareFn, ScalarFn } from '../scalar.ts';
import { resultDType } from '../scalar.ts';
import {
  bitcastShape,
  complexOver,
  concatenateShape,
  dotShape,
  gatherShape,
  padShape,
  realPart,
  sliceShape,
  tensor,
  windowShape,
} from './infer.ts';
import { encode } from '../../core/host.ts';
import { elementsFromBytes } from '../scalar-array.ts';
import { constantValue, identityOf, type ConstantInput } from './constant.ts';
import type {
  CompareKind,
  DotDims,
  GatherDims,
  HloAttribute,
  HloAttrs,
  HloKind,
  HloOp,
  HloValue,
  Precision,
  Region,
  ScatterDims,
  TensorType,
  WindowAttrs,
} from './ir.ts';

/** What a builder needs of the module around it. */
export interface FunctionTable {
  /** Types of the results of a function. @throws InternalError when there is no such function. */
  resultTypes(callee: string): readonly TensorType[];
}

/** A region as a function of its arguments. */
export type RegionFn = (...args: HloValue[]) => readonly HloValue[];

/** The target of custom calls that call a JavaScript function. */
export const hostCallTarget = 'palladia_host_call';

type Attributes = Readonly<Record<string, HloAttribute>>;

/** Everything about an op but its results. */
interface OpParts<K extends HloKind> {
  readonly attrs: HloAttrs[K];
  readonly regions?: readonly Region[];
}

/** Appends ops to a block. Operands must be visible there: of the same block, or of one around it. */
export class HloBuilder {
  readonly #table: FunctionTable;
  #region: Region;
  /** The user's line that new ops get. */
  frame: string | undefined;
  /** What the ops emitted now come from; see `HloOp.place`. */
  place: string | undefined;

  constructor(region: Region, table: FunctionTable) {
    this.#region = region;
    this.#table = table;
    this.frame = undefined;
    this.place = undefined;
  }

  /** Append an op with these result types and give its results. */
  emit<K extends HloKind>(
    kind: K,
    operands: readonly HloValue[],
    { attrs, regions = [] }: OpParts<K>,
    types: readonly TensorType[],
  ): HloValue[] {
    const results: HloValue[] = types.map((type, index) => ({ type, index }));
    // The registry door: `kind` decides the type of `attrs`, which TypeScript cannot follow through a type parameter.
    const op = {
      kind,
      operands: [...operands],
      attrs,
      regions,
      results,
      frame: this.frame,
      place: this.place,
    } as unknown as HloOp;
    for (const result of results) result.def = op;
    this.#region.ops.push(op);
    return results;
  }

  /** Fill a new region by running `body` on its arguments. */
  region(argTypes: readonly TensorType[], body: RegionFn): Region {
    const region: Region = {
      args: argTypes.map((type, index) => ({ type, index })),
      ops: [],
      results: [],
    };
    const outer = this.#region;
    this.#region = region;
    try {
      region.results = [...body(...region.args)];
    } finally {
      this.#region = outer;
    }
    return region;
  }

  #one<K extends HloKind>(
    kind: K,
    operands: readonly HloValue[],
    attrs: HloAttrs[K],
    type: TensorType,
  ): HloValue {
    return this.emit(kind, operands, { attrs }, [type])[0];
  }

  // --- values

  /** One value everywhere. */
  constant(value: ConstantInput, dtype: DType, shape: Shape = []): HloValue {
    const splat = { value: { splat: true, value: constantValue(value, dtype) } } as const;
    const scalar = this.#one('constant', [], splat, tensor([], dtype));
    scalar.hint = isComplex(dtype) || kindOf(dtype) === 'float' ? 'cst' : 'c';
    return shape.length === 0 ? scalar : this.broadcastInDim(scalar, shape, []);
  }

  /** Row-major values: one entry per element, two per complex element. */
  constantArray(
    values: ArrayLike<number> | ArrayLike<bigint>,
    dtype: DType,
    shape: Shape,
  ): HloValue {
    // Through bytes and back: the values are then rounded, wrapped, and nobody else's.
    const own = elementsFromBytes(encode(values, dtype), dtype);
    const value = this.#one(
      'constant',
      [],
      { value: { splat: false, values: own } },
      tensor(shape, dtype),
    );
    value.hint = isComplex(dtype) || kindOf(dtype) === 'float' ? 'cst' : 'c';
    return value;
  }

  /** Positions along one axis. */
  iota(dtype: DType, shape: Shape, dim: number): HloValue {
    return this.#one('iota', [], { dim }, tensor(shape, dtype));
  }

  // --- elementwise

  /** A scalar function on operands of one type and shape (`clamp` also takes rank-0 bounds). */
  scalar(fn: Exclude<ScalarFn, CompareFn>, ...xs: readonly HloValue[]): HloValue {
    const { dtype } = xs[0].type;
    // `clamp` is shaped like its second operand.
    const { shape } = (fn === 'clamp' ? xs[1] : xs[0]).type;
    const named =
      dtype === 'bool' && fn === 'add' ? 'or' : dtype === 'bool' && fn === 'mul' ? 'and' : fn;
    return this.#one('scalar', xs, { fn: named }, tensor(shape, resultDType(fn, dtype)));
  }

  /** Compare two operands of one type; the kind follows from the dtype unless it is said. */
  compare(
    direction: CompareFn,
    x: HloValue,
    y: HloValue,
    kind: CompareKind = compareKind(x.type.dtype),
  ): HloValue {
    return this.#one('compare', [x, y], { direction, kind }, tensor(x.type.shape, 'bool'));
  }

  /** `onTrue` where the predicate holds, else `onFalse`. */
  select(predicate: HloValue, onTrue: HloValue, onFalse: HloValue): HloValue {
    return this.#one('select', [predicate, onTrue, onFalse], {}, onTrue.type);
  }

  /** The nearest value of another dtype; to bool: whether it is not zero. The same dtype gives the operand itself. */
  convert(x: HloValue, dtype: DType): HloValue {
    const { shape, dtype: from } = x.type;
    if (dtype === from) return x;
    if (dtype === 'bool') return this.compare('ne', x, this.constant(0, from, shape));
    if (isComplex(from) && !isComplex(dtype)) return this.convert(this.real(x), dtype);
    return this.#one('convert', [x], {}, tensor(shape, dtype));
  }

  /** The same bits as another dtype; another width adds or takes a last axis. */
  bitcastConvert(x: HloValue, dtype: DType): HloValue {
    if (dtype === x.type.dtype) return x;
    return this.#one(
      'bitcast_convert',
      [x],
      {},
      tensor(bitcastShape(x.type.shape, x.type.dtype, dtype), dtype),
    );
  }

  /** Round to fewer exponent and mantissa bits. */
  reducePrecision(x: HloValue, exponentBits: number, mantissaBits: number): HloValue {
    return this.#one('reduce_precision', [x], { exponentBits, mantissaBits }, x.type);
  }

  /** A complex number from its parts. */
  complex(re: HloValue, im: HloValue): HloValue {
    return this.#one('complex', [re, im], {}, tensor(re.type.shape, complexOver(re.type.dtype)));
  }

  /** The real part. */
  real(x: HloValue): HloValue {
    return this.#one('real', [x], {}, tensor(x.type.shape, realPart(x.type.dtype)));
  }

  /** The imaginary part. */
  imag(x: HloValue): HloValue {
    return this.#one('imag', [x], {}, tensor(x.type.shape, realPart(x.type.dtype)));
  }

  // --- shape

  /** Axis `i` of the operand becomes axis `dims[i]`; the others, and axes of size 1, repeat. */
  broadcastInDim(x: HloValue, shape: Shape, dims: readonly number[]): HloValue {
    return this.#one('broadcast_in_dim', [x], { dims }, tensor(shape, x.type.dtype));
  }

  /** The same elements in row-major order with another shape. */
  reshape(x: HloValue, shape: Shape): HloValue {
    return this.#one('reshape', [x], {}, tensor(shape, x.type.dtype));
  }

  /** Axis `i` of the result is axis `permutation[i]` of the operand. */
  transpose(x: HloValue, permutation: readonly number[]): HloValue {
    return this.#one(
      'transpose',
      [x],
      { permutation },
      tensor(
        permutation.map((p) => x.type.shape[p]),
        x.type.dtype,
      ),
    );
  }

  /** Turn these axes round. */
  reverse(x: HloValue, dims: readonly number[]): HloValue {
    return this.#one('reverse', [x], { dims }, x.type);
  }

  /** Operands one after the other along an axis. */
  concatenate(xs: readonly HloValue[], dim: number): HloValue {
    return this.#one(
      'concatenate',
      xs,
      { dim },
      tensor(
        concatenateShape(
          xs.map((x) => x.type.shape),
          dim,
        ),
        xs[0].type.dtype,
      ),
    );
  }

  /** Elements from `starts` below `limits` in steps of `strides` (default 1). */
  slice(
    x: HloValue,
    starts: readonly number[],
    limits: readonly number[],
    strides: readonly number[] = starts.map(() => 1),
  ): HloValue {
    return this.#one(
      'slice',
      [x],
      { starts, limits, strides },
      tensor(sliceShape(starts, limits, strides), x.type.dtype),
    );
  }

  /** `value` around (`low`, `high`) and between (`interior`) the elements; negative amounts cut. */
  pad(
    x: HloValue,
    value: HloValue,
    low: readonly number[],
    high: readonly number[],
    interior: readonly number[] = low.map(() => 0),
  ): HloValue {
    return this.#one(
      'pad',
      [x, value],
      { low, high, interior },
      tensor(padShape(x.type.shape, low, high, interior), x.type.dtype),
    );
  }

  /** A window of `sizes` at rank-0 starts, which are clamped. */
  dynamicSlice(x: HloValue, starts: readonly HloValue[], sizes: readonly number[]): HloValue {
    return this.#one('dynamic_slice', [x, ...starts], { sizes }, tensor(sizes, x.type.dtype));
  }

  /** `x` with `update` written at rank-0 starts, which are clamped. */
  dynamicUpdateSlice(x: HloValue, update: HloValue, starts: readonly HloValue[]): HloValue {
    return this.#one('dynamic_update_slice', [x, update, ...starts], {}, x.type);
  }

  /** Slices of `sliceSizes` at index vectors, which are clamped. */
  gather(
    x: HloValue,
    indices: HloValue,
    dims: GatherDims,
    sliceSizes: readonly number[],
    options: { readonly indicesAreSorted?: boolean } = {},
  ): HloValue {
    const shape = gatherShape(indices.type.shape, dims, sliceSizes);
    return this.#one(
      'gather',
      [x, indices],
      { dims, sliceSizes, indicesAreSorted: options.indicesAreSorted ?? false },
      tensor(shape, x.type.dtype),
    );
  }

  /** `xs` with windows of `updates` combined in at index vectors; those out of bounds are skipped. */
  scatter(
    xs: readonly HloValue[],
    indices: HloValue,
    updates: readonly HloValue[],
    dims: ScatterDims,
    combine: Combiner | 'set' | RegionFn,
    options: { readonly indicesAreSorted?: boolean; readonly uniqueIndices?: boolean } = {},
  ): HloValue[] {
    const scalars = [...xs, ...updates].map((x) => tensor([], x.type.dtype));
    const body: RegionFn =
      combine === 'set'
        ? (...args) => args.slice(xs.length)
        : typeof combine === 'string'
          ? (a, b) => [this.scalar(combine, a, b)]
          : combine;
    const attrs = {
      dims,
      indicesAreSorted: options.indicesAreSorted ?? false,
      uniqueIndices: options.uniqueIndices ?? false,
    };
    return this.emit(
      'scatter',
      [...xs, indices, ...updates],
      { attrs, regions: [this.region(scalars, body)] },
      xs.map((x) => x.type),
    );
  }

  // --- reductions

  /** Reduce with a named combiner from its neutral element; the axes go away. */
  reduce(x: HloValue, combiner: Combiner, axes: readonly number[]): HloValue {
    const init = this.constant(identityOf(combiner, x.type.dtype), x.type.dtype);
    return this.reduceRegion([x], [init], axes, (acc, y) => [this.scalar(combiner, acc, y)])[0];
  }

  /** Reduce N inputs together; the region takes accumulators, then elements. */
  reduceRegion(
    xs: readonly HloValue[],
    inits: readonly HloValue[],
    axes: readonly number[],
    body: RegionFn,
  ): HloValue[] {
    const scalars = [...inits, ...inits].map((x) => x.type);
    const types = xs.map((x, i) => tensor(withoutAxes(x.type.shape, axes), inits[i].type.dtype));
    return this.emit(
      'reduce',
      [...xs, ...inits],
      { attrs: { dims: axes }, regions: [this.region(scalars, body)] },
      types,
    );
  }

  /** Reduce every window of N inputs. */
  reduceWindow(
    xs: readonly HloValue[],
    inits: readonly HloValue[],
    window: WindowAttrs,
    combine: Combiner | RegionFn,
  ): HloValue[] {
    const scalars = [...inits, ...inits].map((x) => x.type);
    const body: RegionFn =
      typeof combine === 'string' ? (a, b) => [this.scalar(combine, a, b)] : combine;
    const types = xs.map((x) => tensor(windowShape(x.type.shape, window), x.type.dtype));
    return this.emit(
      'reduce_window',
      [...xs, ...inits],
      { attrs: { window }, regions: [this.region(scalars, body)] },
      types,
    );
  }

  /** Send each element of `source` to the place that `select` picks in its window, combined by `scatter`. */
  selectAndScatter(
    x: HloValue,
    source: HloValue,
    init: HloValue,
    window: WindowAttrs,
    select: RegionFn,
    scatter: RegionFn,
  ): HloValue {
    const scalars = [init.type, init.type];
    const regions = [this.region(scalars, select), this.region(scalars, scatter)];
    return this.emit('select_and_scatter', [x, source, init], { attrs: { window }, regions }, [
      x.type,
    ])[0];
  }

  /** Sort N inputs together along an axis; the comparator takes (a0, b0, a1, b1, …) and says whether a comes before b. */
  sort(
    xs: readonly HloValue[],
    dim: number,
    comparator: (...args: HloValue[]) => HloValue,
    isStable = true,
  ): HloValue[] {
    const scalars = xs.flatMap((x) => [tensor([], x.type.dtype), tensor([], x.type.dtype)]);
    const region = this.region(scalars, (...args) => [comparator(...args)]);
    return this.emit(
      'sort',
      xs,
      { attrs: { dim, isStable }, regions: [region] },
      xs.map((x) => x.type),
    );
  }

  /** Contract two operands; result axes are batch, left free, right free. */
  dotGeneral(
    a: HloValue,
    b: HloValue,
    dims: DotDims,
    options: {
      readonly precision?: Precision | readonly [Precision, Precision];
      readonly dtype?: DType;
    } = {},
  ): HloValue {
    const { precision = 'DEFAULT', dtype = a.type.dtype } = options;
    const pair = typeof precision === 'string' ? ([precision, precision] as const) : precision;
    return this.#one(
      'dot_general',
      [a, b],
      { dims, precision: pair },
      tensor(dotShape(a.type.shape, b.type.shape, dims), dtype),
    );
  }

  // --- control

  /** While `cond` holds for the carried values, replace them by what `body` gives. */
  while(
    inits: readonly HloValue[],
    cond: (...args: HloValue[]) => HloValue,
    body: RegionFn,
  ): HloValue[] {
    const types = inits.map((x) => x.type);
    const regions = [this.region(types, (...args) => [cond(...args)]), this.region(types, body)];
    for (const region of regions) for (const arg of region.args) arg.hint = 'iterArg';
    return this.emit('while', inits, { attrs: {}, regions }, types);
  }

  /** Run the branch that a rank-0 i32 names; out of range: the last. */
  case(
    index: HloValue,
    branches: readonly (() => readonly HloValue[])[],
    resultTypes: readonly TensorType[],
  ): HloValue[] {
    const regions = branches.map((branch) => this.region([], branch));
    return this.emit('case', [index], { attrs: {}, regions }, resultTypes);
  }

  /** Call a function of the module. */
  call(
    callee: string,
    args: readonly HloValue[],
    resultTypes: readonly TensorType[] = this.#table.resultTypes(callee),
  ): HloValue[] {
    return this.emit('call', args, { attrs: { callee } }, resultTypes);
  }

  /** A named op whose meaning is the function `decomposition`. */
  composite(
    name: string,
    decomposition: string,
    attributes: Attributes,
    args: readonly HloValue[],
    resultTypes: readonly TensorType[] = this.#table.resultTypes(decomposition),
  ): HloValue[] {
    return this.emit(
      'composite',
      args,
      { attrs: { name, decomposition, attributes } },
      resultTypes,
    );
  }

  /** An op that only the target knows. */
  customCall(
    target: string,
    args: readonly HloValue[],
    resultTypes: readonly TensorType[],
    attributes: Attributes = {},
    hasSideEffect = false,
  ): HloValue[] {
    return this.emit(
      'custom_call',
      args,
      { attrs: { target, attributes, hasSideEffect } },
      resultTypes,
    );
  }

  /** A call of a JavaScript function. */
  hostCall(
    host: HostCall,
    args: readonly HloValue[],
    resultTypes: readonly TensorType[],
    hasSideEffect: boolean,
  ): HloValue[] {
    const attributes = { backend_config: `${host.name} ${host.id}` };
    return this.emit(
      'custom_call',
      args,
      { attrs: { target: hostCallTarget, attributes, hasSideEffect, host } },
      resultTypes,
    );
  }

  /** The operands unchanged; nothing is moved across. */
  optimizationBarrier(xs: readonly HloValue[]): HloValue[] {
    return this.emit(
      'optimization_barrier',
      xs,
      { attrs: {} },
      xs.map((x) => x.type),
    );
  }

  /** New state and random bits. */
  rngBitGenerator(
    state: HloValue,
    dtype: DType,
    shape: Shape,
    algorithm: HloAttrs['rng_bit_generator']['algorithm'] = 'DEFAULT',
  ): HloValue[] {
    const [newState, bits] = this.emit('rng_bit_generator', [state], { attrs: { algorithm } }, [
      state.type,
      tensor(shape, dtype),
    ]);
    newState.hint = 'output_state';
    bits.hint = 'output';
    return [newState, bits];
  }
}

/** How values of a dtype are compared when nothing else is said. */
export const compareKind = (dtype: DType): CompareKind => {
  const kind = kindOf(dtype);
  return kind === 'float' || kind === 'complex' ? 'FLOAT' : kind === 'int' ? 'SIGNED' : 'UNSIGNED';
};
