/**
 * Writes tile kernels: one method per op, each of which appends to the region that is open, checks its arguments and infers the type of
 * its result. The builder adds no op that the caller did not ask for and folds nothing: that is `simplify.ts`.
 */
import type { DType } from '../../core/dtype.ts';
import { KernelError } from '../../core/errors.ts';
import { sameShape, type Shape } from '../../core/shape.ts';
import { blockShape, isTile } from './ir.ts';
import type {
  AxisSemantics,
  BlockDim,
  GridAxis,
  Kernel,
  Operand,
  Ref,
  Scratch,
  Tile,
  TileAttrs,
  TileKind,
  TileOp,
  TileRegion,
  TileValue,
  TypeOf,
} from './ir.ts';
import type { Combiner, CompareFn, ScalarFn } from '../scalar.ts';
import { refType, tileType } from './typing-check.ts';
import { resultTypes } from './typing.ts';

/** A rank-0 i32 tile, or the number that it always is. */
export type Int = Tile | number;

/** What a load gives where it does not read. */
export interface LoadOptions {
  /** Places to read; the others give `other`, or else `fill`. */
  readonly mask?: Tile | undefined;
  readonly other?: Tile | undefined;
  /** What positions outside the array give; 0 when left out. */
  readonly fill?: number | bigint | boolean | undefined;
}

/** Make a value; region arguments have no defining op. */
export const makeValue = <T extends TypeOf>(type: T, index = 0, name?: string): TileValue<T> => ({
  type,
  index,
  name,
});

/** Make an op whose results have these types; checks nothing. */
export function makeOp<K extends TileKind>(
  kind: K,
  operands: readonly TileValue[],
  attrs: TileAttrs[K],
  parts: {
    readonly types: readonly TypeOf[];
    readonly regions?: readonly TileRegion[];
    readonly frame?: string | undefined;
  },
): TileOp<K> {
  const results = parts.types.map((type, i) => makeValue(type, i));
  const op = {
    kind,
    operands: [...operands],
    attrs,
    regions: parts.regions ?? [],
    results,
    frame: parts.frame,
  };
  // The union over kinds cannot be proved for a generic kind: this is its one door.
  const made = op as unknown as TileOp<K>;
  for (const result of results) result.def = made as TileOp;
  return made;
}

function onlyTile(value: TileValue): Tile {
  if (!isTile(value)) throw new KernelError('build: the value must be a tile; got a ref.');
  return value;
}

/** Appends ops to the open region of a kernel. */
export class TileBuilder {
  /** The user's line that the next ops come from. */
  frame: string | undefined = undefined;
  #region: TileRegion;

  constructor(region: TileRegion = { args: [], ops: [], results: [] }) {
    this.#region = region;
  }

  /** The region that is open. */
  get region(): TileRegion {
    return this.#region;
  }

  /** Append any op; `wanted` is the type of the result where the operands do not determine it. */
  emit<K extends TileKind>(
    kind: K,
    operands: readonly TileValue[],
    attrs: TileAttrs[K],
    parts: { readonly wanted?: TypeOf; readonly regions?: readonly TileRegion[] } = {},
  ): TileValue[] {
    const regions = parts.regions ?? [];
    const types = resultTypes({ kind, operands, attrs, regions, wanted: parts.wanted });
    const op = makeOp(kind, operands, attrs, { types, regions, frame: this.frame });
    this.#region.ops.push(op as TileOp);
    return op.results;
  }

  #one<K extends TileKind>(
    kind: K,
    operands: readonly TileValue[],
    attrs: TileAttrs[K],
    wanted?: TypeOf,
  ): Tile {
    return onlyTile(this.emit(kind, operands, attrs, wanted === undefined ? {} : { wanted })[0]);
  }

  #many<K extends TileKind>(
    kind: K,
    operands: readonly TileValue[],
    attrs: TileAttrs[K],
    regions: readonly TileRegion[],
  ): Tile[] {
    return this.emit(kind, operands, attrs, { regions }).map(onlyTile);
  }

  #ref<K extends TileKind>(
    kind: K,
    operands: readonly TileValue[],
    attrs: TileAttrs[K],
    wanted?: TypeOf,
  ): Ref {
    return this.emit(kind, operands, attrs, wanted === undefined ? {} : { wanted })[0] as Ref;
  }

  /** Build a region of the given argument types; ops emitted by `body` go into it. */
  build<T extends TileValue = Tile>(
    types: readonly TypeOf[],
    body: (args: T[]) => readonly TileValue[],
  ): TileRegion {
    const region: TileRegion = {
      args: types.map((type, i) => makeValue(type, i)),
      ops: [],
      results: [],
    };
    const before = this.#region;
    this.#region = region;
    try {
      region.results = [...body(region.args as T[])];
    } finally {
      this.#region = before;
    }
    return region;
  }

  // --- structure

  /** Tile filled with one value. */
  constant(value: number | bigint | boolean, dtype: DType, shape: Shape = []): Tile {
    const wanted = tileType(dtype, shape);
    return this.#one('constant', [], { value: dtype === 'bool' ? Boolean(value) : value }, wanted);
  }

  /** Rank-0 i32 constant. */
  int(value: Int): Tile {
    return typeof value === 'number' ? this.constant(value, 'i32') : value;
  }

  /** Tile that counts along an axis. */
  iota(dtype: DType, shape: Shape, axis: number): Tile {
    return this.#one('iota', [], { axis }, tileType(dtype, shape));
  }

  /** Index of the program along a grid axis: i32[]. */
  programId(axis: number): Tile {
    return this.#one('programId', [], { axis });
  }

  /** Extent of a grid axis: i32[]. */
  numPrograms(axis: number): Tile {
    return this.#one('numPrograms', [], { axis });
  }

  /** Loop `for (i = lo; i < hi; i += step)` with carried tiles; a negative step counts down to above `hi`. */
  for(
    lo: Int,
    hi: Int,
    step: Int,
    inits: readonly Tile[],
    body: (i: Tile, carried: Tile[]) => readonly Tile[],
    options: { readonly unroll?: boolean } = {},
  ): Tile[] {
    const bounds = [this.int(lo), this.int(hi), this.int(step)];
    const region = this.build([tileType('i32'), ...inits.map((x) => x.type)], ([i, ...carried]) =>
      body(i, carried),
    );
    return this.#many('for', [...bounds, ...inits], options, [region]);
  }

  /** Loop while `cond` holds, with carried tiles. */
  while(
    inits: readonly Tile[],
    cond: (carried: Tile[]) => Tile,
    body: (carried: Tile[]) => readonly Tile[],
  ): Tile[] {
    const types = inits.map((x) => x.type);
    const test = this.build(types, (args: Tile[]) => [cond(args)]);
    const step = this.build(types, body);
    return this.#many('while', inits, {}, [test, step]);
  }

  /** Run one of two branches; both yield tiles of the same types. */
  if(cond: Tile, then: () => readonly Tile[], otherwise: () => readonly Tile[] = () => []): Tile[] {
    return this.#many('if', [cond], {}, [this.build([], then), this.build([], otherwise)]);
  }

  // --- memory

  /** Read the ref's window as a tile. */
  load(ref: Ref, options: LoadOptions = {}): Tile {
    const { mask, other, fill } = options;
    const attrs = fill === undefined ? {} : { fill };
    if (mask === undefined) return this.#one('load', [ref], attrs);
    return this.#one('load', other === undefined ? [ref, mask] : [ref, mask, other], attrs);
  }

  /** Write a tile of the ref's shape and dtype. */
  store(ref: Ref, tile: Tile, mask?: Tile): void {
    this.emit('store', mask === undefined ? [ref, tile] : [ref, tile, mask], {});
  }

  /** Combine a tile into the ref: ref = combine(ref, tile). */
  accumulate(ref: Ref, tile: Tile, combiner: Combiner, mask?: Tile): void {
    this.emit('accumulate', mask === undefined ? [ref, tile] : [ref, tile, mask], { combiner });
  }

  /** Atomic read-modify-write of one element; gives the old value. */
  atomic(ref: Ref, value: Tile, combiner: Combiner | 'exchange', mask?: Tile): Tile {
    return this.#one('atomic', mask === undefined ? [ref, value] : [ref, value, mask], {
      combiner,
    });
  }

  /** Read elements at index tiles, one per axis of the ref; out of bounds gives `fill`. */
  gather(
    ref: Ref,
    indices: readonly Tile[],
    options: {
      readonly mask?: Tile | undefined;
      readonly fill?: number | bigint | boolean | undefined;
    } = {},
  ): Tile {
    const { mask, fill } = options;
    const operands = mask === undefined ? [ref, ...indices] : [ref, ...indices, mask];
    const masked = mask !== undefined;
    return this.#one('gather', operands, fill === undefined ? { masked } : { masked, fill });
  }

  /** Combine elements into the ref at index tiles, in row-major order; out of bounds is skipped. */
  scatter(
    ref: Ref,
    indices: readonly Tile[],
    tile: Tile,
    combiner: Combiner | 'set',
    mask?: Tile,
  ): void {
    const operands = [ref, ...indices, tile];
    this.emit('scatter', mask === undefined ? operands : [...operands, mask], {
      combiner,
      masked: mask !== undefined,
    });
  }

  /** Fresh, undefined memory of this program. */
  alloc(dtype: DType, shape: Shape): Ref {
    return this.#ref('alloc', [], {}, refType(dtype, shape));
  }

  /** A window of a ref: `sizes` elements from `starts`, every `strides`; axes in `squeeze` are dropped. */
  sliceRef(
    ref: Ref,
    starts: readonly Int[],
    options: {
      readonly sizes: Shape;
      readonly strides?: readonly number[] | undefined;
      readonly squeeze?: readonly number[] | undefined;
    },
  ): Ref {
    const { sizes, strides = sizes.map(() => 1), squeeze = [] } = options;
    const operands = [ref, ...starts.map((s) => this.int(s))];
    return this.#ref('slice_ref', operands, { sizes, strides, squeeze });
  }

  /** A ref with permuted axes. */
  transposeRef(ref: Ref, permutation: readonly number[]): Ref {
    return this.#ref('transpose_ref', [ref], { permutation });
  }

  // --- elementwise

  /** A scalar function of tiles of one shape and dtype. */
  scalar(fn: ScalarFn, ...xs: readonly Tile[]): Tile {
    return this.#one('scalar', xs, { fn });
  }

  /** Compare two tiles: a bool tile. */
  compare(fn: CompareFn, x: Tile, y: Tile): Tile {
    return this.#one('scalar', [x, y], { fn });
  }

  /** Elements of `a` where `p` is true, else of `b`. */
  select(p: Tile, a: Tile, b: Tile): Tile {
    return this.#one('select', [p, a, b], {});
  }

  /** Convert to another dtype. */
  cast(x: Tile, dtype: DType): Tile {
    return x.type.dtype === dtype ? x : this.#one('cast', [x], {}, tileType(dtype, x.type.shape));
  }

  /** The same bits as another dtype of the same width. */
  bitcast(x: Tile, dtype: DType): Tile {
    return x.type.dtype === dtype
      ? x
      : this.#one('bitcast', [x], {}, tileType(dtype, x.type.shape));
  }

  // --- shape

  /** Repeat: axis i of `x` becomes axis `dims[i]`; size-1 and new axes repeat. */
  broadcast(
    x: Tile,
    shape: Shape,
    dims: readonly number[] = x.type.shape.map((_, i) => shape.length - x.type.shape.length + i),
  ): Tile {
    return this.#one('broadcast', [x], { dims }, tileType(x.type.dtype, shape));
  }

  /** Same elements in row-major order, other sizes. */
  reshape(x: Tile, shape: Shape): Tile {
    return sameShape(x.type.shape, shape)
      ? x
      : this.#one('reshape', [x], {}, tileType(x.type.dtype, shape));
  }

  /** Permute axes: axis i of the result is axis `permutation[i]` of `x`. */
  transpose(x: Tile, permutation: readonly number[]): Tile {
    return this.#one('transpose', [x], { permutation });
  }

  /** Elements from `starts` to `limits`, every `strides`. */
  slice(
    x: Tile,
    starts: readonly number[],
    limits: readonly number[],
    strides: readonly number[] = starts.map(() => 1),
  ): Tile {
    return this.#one('slice', [x], { starts, limits, strides });
  }

  /** Tiles one after the other along an axis. */
  concat(xs: readonly Tile[], axis: number): Tile {
    return this.#one('concat', xs, { axis });
  }

  /** Surround and space out with a value; negative amounts cut. */
  pad(
    x: Tile,
    value: Tile,
    low: readonly number[],
    high: readonly number[],
    interior: readonly number[] = low.map(() => 0),
  ): Tile {
    return this.#one('pad', [x, value], { low, high, interior });
  }

  /** Reverse the order along axes. */
  rev(x: Tile, axes: readonly number[]): Tile {
    return this.#one('rev', [x], { axes });
  }

  // --- reductions

  /** Reduce with a named combiner; the axes stay with size 1. */
  reduce(x: Tile, combiner: Combiner, axes: readonly number[]): Tile {
    return this.#one('reduce', [x], { axes, combiner });
  }

  #fold(xs: readonly Tile[], body: (acc: Tile[], x: Tile[]) => readonly Tile[]): TileRegion {
    const scalars = xs.map((x) => tileType(x.type.dtype));
    return this.build([...scalars, ...scalars], (args: Tile[]) =>
      body(args.slice(0, xs.length), args.slice(xs.length)),
    );
  }

  /** Reduce N tiles with a region from N rank-0 initial values; the axes stay with size 1. */
  reduceRegion(
    xs: readonly Tile[],
    inits: readonly Tile[],
    axes: readonly number[],
    body: (acc: Tile[], x: Tile[]) => readonly Tile[],
  ): Tile[] {
    return this.#many('reduce', [...xs, ...inits], { axes }, [this.#fold(xs, body)]);
  }

  /** Index of the extreme along an axis, which stays with size 1: i32. */
  argreduce(x: Tile, axis: number, which: 'max' | 'min'): Tile {
    return this.#one('argreduce', [x], { axis, which });
  }

  /** Inclusive scan with a named combiner. */
  scan(x: Tile, combiner: Combiner, axis: number, reverse = false): Tile {
    return this.#one('scan', [x], { axis, reverse, combiner });
  }

  /** Inclusive scan of N tiles with a region. */
  scanRegion(
    xs: readonly Tile[],
    inits: readonly Tile[],
    attrs: { readonly axis: number; readonly reverse?: boolean },
    body: (acc: Tile[], x: Tile[]) => readonly Tile[],
  ): Tile[] {
    const { axis, reverse = false } = attrs;
    return this.#many('scan', [...xs, ...inits], { axis, reverse }, [this.#fold(xs, body)]);
  }

  /** Order N tiles along an axis, stably; `cmp` gets (a0, b0, a1, b1, …) and says whether a comes first. */
  sort(xs: readonly Tile[], axis: number, cmp: (args: Tile[]) => Tile): Tile[] {
    const types = xs.flatMap((x) => [tileType(x.type.dtype), tileType(x.type.dtype)]);
    return this.#many('sort', xs, { axis }, [this.build(types, (args: Tile[]) => [cmp(args)])]);
  }

  /** a[…,m,k] · b[…,k,n] (+ acc) → […,m,n] in the dtype of `acc`, else of `a`. */
  dot(a: Tile, b: Tile, acc?: Tile, precision: 'default' | 'highest' = 'default'): Tile {
    return this.#one('dot', acc === undefined ? [a, b] : [a, b, acc], { precision });
  }

  // --- meta

  /** The same i32[], known to be a multiple. */
  assume(x: Tile, multipleOf: number): Tile {
    return this.#one('assume', [x], { multipleOf });
  }

  /** Print tiles where the target can; `{}` in the format stands for each. */
  print(format: string, ...xs: readonly Tile[]): void {
    this.emit('print', xs, { format });
  }

  /** An error with the message in the checking interpreter when the condition is false. */
  check(condition: Tile, message: string): void {
    this.emit('check', [condition], { message });
  }
}

/** One operand of `makeKernel`. */
export interface OperandSpec {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of the whole array. */
  readonly shape: Shape;
  readonly access: Operand['access'];
  /** One per axis of the array. */
  readonly dims: readonly BlockDim[];
  /** From grid indices (and whole refs of the prefetch operands) to one i32[] per axis of the array. */
  readonly indexMap: (b: TileBuilder, ids: Tile[], prefetch: Ref[]) => readonly Tile[];
  readonly prefetch?: boolean;
}

/** What `makeKernel` makes a kernel of. */
export interface KernelSpec {
  readonly name: string;
  readonly grid: readonly { readonly extent: number; readonly semantics: AxisSemantics }[];
  readonly operands: readonly OperandSpec[];
  readonly scratch: readonly Scratch[];
  /** Gets one ref per operand, then one per scratch. */
  readonly body: (b: TileBuilder, refs: Ref[]) => void;
}

/** Types of the arguments of every index map: a scalar per grid axis, then a whole ref per prefetch operand. */
export const indexMapTypes = (
  grid: readonly GridAxis[],
  operands: readonly {
    readonly dtype: DType;
    readonly shape: Shape;
    readonly prefetch?: boolean;
  }[],
): TypeOf[] => [
  ...grid.map(() => tileType('i32')),
  ...operands.filter((o) => o.prefetch === true).map((o) => refType(o.dtype, o.shape)),
];

/** Types of the arguments of a kernel's body. */
export const bodyTypes = (
  operands: readonly Pick<Operand, 'dtype' | 'block'>[],
  scratch: readonly Scratch[],
): TypeOf[] => [
  ...operands.map((o) => refType(o.dtype, blockShape(o.block))),
  ...scratch.map((s) => refType(s.dtype, s.shape)),
];

/** Write a kernel: index maps and body are functions that emit ops. */
export function makeKernel(spec: KernelSpec): Kernel {
  const { name, grid, scratch } = spec;
  const types = indexMapTypes(grid, spec.operands);
  const operands = spec.operands.map((o): Operand => {
    const b = new TileBuilder();
    const indexMap = b.build<TileValue>(types, (args) =>
      o.indexMap(b, args.slice(0, grid.length) as Tile[], args.slice(grid.length) as Ref[]),
    );
    const operand = {
      name: o.name,
      dtype: o.dtype,
      shape: o.shape,
      access: o.access,
      block: { dims: o.dims, indexMap },
    };
    return o.prefetch === true ? { ...operand, prefetch: true } : operand;
  });
  const b = new TileBuilder();
  const body = b.build<Ref>(bodyTypes(operands, scratch), (refs) => {
    spec.body(b, refs);
    return [];
  });
  body.args.forEach(
    (arg, i) =>
      (arg.name = i < operands.length ? operands[i].name : scratch[i - operands.length].name),
  );
  return { name, grid, operands, scratch, body };
}
