/**
 * StableHLO ops on values that are tiles: what the bodies of user kernels lower to. The elementwise part is `emit-map.ts`, shared with fusions;
 * here are the ops on shapes, the reductions, dots and control flow. What needs addresses goes through scratch memory of the program.
 */
import { isComplex, type DType } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import type { HloOp, HloValue, Region } from '../hlo/ir.ts';
import type { TileBuilder } from '../tile/build.ts';
import type { Ref, Tile } from '../tile/ir.ts';
import { cumulative, namedCombiner, roleOf } from './classify.ts';
import { emitMap, emitRegion, splat } from './emit-map.ts';
import { constantOf } from '../hlo/constant.ts';
import { argExtreme, neutral } from './emit-reduce.ts';
import { clampedIndex } from './starts.ts';

/** Tiles of values. */
export type TileEnv = Map<HloValue, Tile>;

const without = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.filter((_, i) => !axes.includes(i));

/** Put a tile into scratch memory, to read it at computed positions. */
export function stored(b: TileBuilder, tile: Tile): Ref {
  const ref = b.alloc(tile.type.dtype, tile.type.shape);
  b.store(ref, tile);
  return ref;
}

/** Starts that keep a window inside. */
function clamped(
  b: TileBuilder,
  starts: readonly Tile[],
  shape: readonly number[],
  sizes: readonly number[],
): Tile[] {
  return starts.map((start, i) => clampedIndex(b, start, shape[i] - sizes[i]));
}

function reduce(b: TileBuilder, op: HloOp<'reduce'>, args: readonly Tile[]): Tile[] {
  const n = args.length / 2;
  const axes = op.attrs.dims;
  const inputs = args.slice(0, n);
  const kept = without(inputs[0].type.shape, axes);
  const drop = (tile: Tile): Tile => b.reshape(tile, kept);
  const which = argExtreme(op);
  if (which !== undefined)
    return [drop(b.reduce(inputs[0], which, axes)), drop(b.argreduce(inputs[0], axes[0], which))];
  const named = n === 1 ? namedCombiner(op.regions[0]) : undefined;
  if (named === undefined) {
    const body = (acc: Tile[], x: Tile[]): Tile[] => emitRegion(b, op.regions[0], [...acc, ...x]);
    return b.reduceRegion(inputs, args.slice(n), axes, body).map(drop);
  }
  const result = axes.length === 0 ? inputs[0] : drop(b.reduce(inputs[0], named, axes));
  const init = constantOf(op.operands[1]);
  if (init !== undefined && Object.is(init, neutral(named, result.type.dtype))) return [result];
  return [b.scalar(named, b.broadcast(args[1], kept, []), result)];
}

/** Bring the operands of a dot to [batch, rows, inner] and [batch, inner, columns]. */
function dot(b: TileBuilder, op: HloOp<'dot_general'>, [lhs, rhs]: readonly Tile[]): Tile {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = op.attrs.dims;
  const product = (shape: readonly number[], axes: readonly number[]): number =>
    axes.reduce((n, i) => n * shape[i], 1);
  const free = (tile: Tile, batch: readonly number[], contract: readonly number[]): number[] =>
    tile.type.shape.flatMap((_, i) => (batch.includes(i) || contract.includes(i) ? [] : [i]));
  const arrange = (tile: Tile, order: readonly number[], shape: readonly number[]): Tile => {
    const turned = order.every((d, i) => d === i) ? tile : b.transpose(tile, order);
    return turned.type.shape.length === shape.length ? turned : b.reshape(turned, shape);
  };
  const m = free(lhs, lhsBatch, lhsContract);
  const n = free(rhs, rhsBatch, rhsContract);
  const batch = lhsBatch.map((i) => lhs.type.shape[i]);
  const inner = product(lhs.type.shape, lhsContract);
  const a = arrange(
    lhs,
    [...lhsBatch, ...m, ...lhsContract],
    [...batch, product(lhs.type.shape, m), inner],
  );
  const c = arrange(
    rhs,
    [...rhsBatch, ...rhsContract, ...n],
    [...batch, inner, product(rhs.type.shape, n)],
  );
  const precision = op.attrs.precision.includes('HIGHEST') ? 'highest' : 'default';
  const { dtype, shape } = op.results[0].type;
  const [left, right] = [a, c].map((x) => (x.type.dtype === dtype ? x : b.cast(x, dtype)));
  const result = b.dot(left, right, undefined, precision);
  return result.type.shape.length === shape.length ? result : b.reshape(result, shape);
}

function gather(b: TileBuilder, op: HloOp<'gather'>, [operand, indices]: readonly Tile[]): Tile {
  const { dims, sliceSizes } = op.attrs;
  const { shape } = op.results[0].type;
  const source = stored(b, operand);
  const starts = stored(b, indices);
  const indexRank = indices.type.shape.length;
  const position = (axis: number): Tile => b.iota('i32', shape, axis);
  const batchPositions = shape.flatMap((_, i) =>
    dims.offsetDims.includes(i) ? [] : [position(i)],
  );
  const batchAxes = Array.from({ length: indexRank }, (_, i) => i).filter(
    (i) => i !== dims.indexVectorDim,
  );
  const component = (k: number): Tile =>
    b.gather(
      starts,
      Array.from({ length: indexRank }, (_, i) =>
        i === dims.indexVectorDim
          ? b.constant(k, 'i32', shape)
          : batchPositions[batchAxes.indexOf(i)],
      ),
    );
  const offsetAxes = operand.type.shape.flatMap((_, i) =>
    dims.collapsedSliceDims.includes(i) || dims.operandBatchingDims.includes(i) ? [] : [i],
  );
  const where = operand.type.shape.map((extent, axis) => {
    const batchAt = dims.operandBatchingDims.indexOf(axis);
    if (batchAt >= 0)
      return batchPositions[batchAxes.indexOf(dims.startIndicesBatchingDims[batchAt])];
    const offsetAt = offsetAxes.indexOf(axis);
    const within = offsetAt < 0 ? undefined : position(dims.offsetDims[offsetAt]);
    const k = dims.startIndexMap.indexOf(axis);
    if (k < 0) return within ?? b.constant(0, 'i32', shape);
    const start = clampedIndex(b, component(k), extent - sliceSizes[axis]);
    return within === undefined ? start : b.scalar('add', start, within);
  });
  return b.gather(source, where);
}

function caseOf(b: TileBuilder, op: HloOp<'case'>, index: Tile, env: TileEnv): Tile[] {
  const branch = (k: number): Tile[] => {
    const run = (): Tile[] => region(b, op.regions[k], [], env);
    if (k === op.regions.length - 1) return run();
    return b.if(b.compare('eq', index, b.constant(k, 'i32')), run, () => branch(k + 1));
  };
  return branch(0);
}

/** Run a region on tiles. */
function region(b: TileBuilder, body: Region, args: readonly Tile[], outer: TileEnv): Tile[] {
  const env: TileEnv = new Map(outer);
  body.args.forEach((arg, i) => env.set(arg, args[i]));
  emitOps(b, body.ops, env);
  return body.results.map((v) => tileOf(b, v, env));
}

function tileOf(_b: TileBuilder, value: HloValue, env: TileEnv): Tile {
  const tile = env.get(value);
  if (tile === undefined)
    throw new LoweringError('kernel: a value was used before it was computed.');
  return tile;
}

function shapeOp(b: TileBuilder, op: HloOp, args: readonly Tile[]): Tile[] | undefined {
  const { shape, dtype } = op.results[0].type;
  switch (op.kind) {
    case 'iota':
      return [b.iota(dtype, shape, op.attrs.dim)];
    case 'broadcast_in_dim':
      return [b.broadcast(args[0], shape, op.attrs.dims)];
    case 'reshape':
      return [b.reshape(args[0], shape)];
    case 'transpose':
      return [b.transpose(args[0], op.attrs.permutation)];
    case 'reverse':
      return [b.rev(args[0], op.attrs.dims)];
    case 'concatenate':
      return [b.concat(args, op.attrs.dim)];
    case 'slice':
      return [b.slice(args[0], op.attrs.starts, op.attrs.limits, op.attrs.strides)];
    case 'pad':
      return [b.pad(args[0], args[1], op.attrs.low, op.attrs.high, op.attrs.interior)];
    case 'dynamic_slice': {
      const { sizes } = op.attrs;
      const starts = clamped(b, args.slice(1), args[0].type.shape, sizes);
      return [b.load(b.sliceRef(stored(b, args[0]), starts, { sizes }))];
    }
    case 'dynamic_update_slice': {
      const sizes = args[1].type.shape;
      const target = stored(b, args[0]);
      b.store(
        b.sliceRef(target, clamped(b, args.slice(2), args[0].type.shape, sizes), { sizes }),
        args[1],
      );
      return [b.load(target)];
    }
    case 'optimization_barrier':
      return [...args];
    default:
      return undefined;
  }
}

/** More pieces than this in one tile make kernels that are too long to compile. */
const mostPieces = 256;

/** Constants of lowering rules (sizes of axes, say): neighbours that are equal are one piece. */
function constantArray(
  b: TileBuilder,
  values: ArrayLike<number> | ArrayLike<bigint>,
  dtype: DType,
  shape: readonly number[],
): Tile {
  const pieces: { value: number | bigint; count: number }[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const last = pieces[pieces.length - 1];
    if (last !== undefined && Object.is(last.value, value)) last.count++;
    else pieces.push({ value, count: 1 });
  }
  if (isComplex(dtype) || pieces.length > mostPieces)
    throw new LoweringError(
      `kernel: constant arrays must be real and of at most ${mostPieces} different pieces; got ${dtype} with ${pieces.length}. Pass it as an operand.`,
    );
  const tiles = pieces.map(({ value, count }) => b.constant(value, dtype, [count]));
  return b.reshape(tiles.length === 1 ? tiles[0] : b.concat(tiles, 0), shape);
}

function emitOp(b: TileBuilder, op: HloOp, env: TileEnv): Tile[] {
  const args = op.operands.map((v) => tileOf(b, v, env));
  if (op.kind === 'constant') {
    const { value } = op.attrs;
    const { dtype, shape } = op.results[0].type;
    if (value.splat) return [splat(b, value.value, dtype, shape)];
    return [constantArray(b, value.values, dtype, shape)];
  }
  if (roleOf(op) === 'map') {
    const { shape } = op.results[0].type;
    return [
      emitMap(
        b,
        op,
        args.map((x) =>
          x.type.shape.length === 0 && shape.length > 0 ? b.broadcast(x, shape, []) : x,
        ),
      ),
    ];
  }
  const shaped = shapeOp(b, op, args);
  if (shaped !== undefined) return shaped;
  switch (op.kind) {
    case 'reduce':
      return reduce(b, op, args);
    case 'dot_general':
      return [dot(b, op, args)];
    case 'gather':
      return [gather(b, op, args)];
    case 'sort':
      return b.sort(args, op.attrs.dim, (pairs) => emitRegion(b, op.regions[0], pairs)[0]);
    case 'reduce_window': {
      const found = cumulative(op);
      const combiner = namedCombiner(op.regions[0]);
      if (found !== undefined && combiner !== undefined)
        return [b.scan(args[0], combiner, found.axis, found.reverse)];
      break;
    }
    case 'while':
      return b.while(
        args,
        (now) => region(b, op.regions[0], now, env)[0],
        (now) => region(b, op.regions[1], now, env),
      );
    case 'case':
      return caseOf(b, op, args[0], env);
    default:
  }
  throw new LoweringError(
    `kernel: ${op.kind} has no tile form. Compute it outside of the kernel and pass the result as an operand.`,
  );
}

/** Translate ops in order; results are added to `env`. @throws LoweringError for an op without a tile form. */
export function emitOps(b: TileBuilder, ops: readonly HloOp[], env: TileEnv): void {
  for (const op of ops) {
    const results = emitOp(b, op, env);
    op.results.forEach((value, i) => env.set(value, results[i]));
  }
}
