/** Tile ops on values as StableHLO, one for one: the part of the emulation that knows no memory. */
import { isFloat } from '../core/dtype.ts';
import { LoweringError } from '../core/errors.ts';
import { neutral } from '../lowering/fuse/emit-reduce.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type { Combiner, CompareFn, ScalarFn } from '../lowering/scalar.ts';
import type { TileOp, TileRegion, TileType } from '../lowering/tile/ir.ts';

/** Runs a region of the kernel on values. */
export type RunRegion = (region: TileRegion, args: readonly HloValue[]) => HloValue[];

const compares: readonly string[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];

/** Emit an op on values; `region` runs a region of the kernel on values. */
export function emulateValue(
  b: HloBuilder,
  op: TileOp,
  args: readonly HloValue[],
  region: RunRegion,
): readonly HloValue[] {
  const { shape, dtype } = op.results[0].type as TileType;
  switch (op.kind) {
    case 'constant':
      return [b.constant(op.attrs.value, dtype, shape)];
    case 'iota':
      return [b.iota(dtype, shape, op.attrs.axis)];
    case 'scalar':
      return [scalar(b, op.attrs.fn, args)];
    case 'select':
      return [b.select(args[0], args[1], args[2])];
    case 'cast':
      return [b.convert(args[0], dtype)];
    case 'bitcast':
      return [b.bitcastConvert(args[0], dtype)];
    case 'broadcast':
      return [b.broadcastInDim(args[0], shape, op.attrs.dims)];
    case 'reshape':
      return [b.reshape(args[0], shape)];
    case 'transpose':
      return [b.transpose(args[0], op.attrs.permutation)];
    case 'slice':
      return [b.slice(args[0], op.attrs.starts, op.attrs.limits, op.attrs.strides)];
    case 'concat':
      return [b.concatenate(args, op.attrs.axis)];
    case 'pad':
      return [b.pad(args[0], args[1], op.attrs.low, op.attrs.high, op.attrs.interior)];
    case 'rev':
      return [b.reverse(args[0], op.attrs.axes)];
    case 'assume':
      return [args[0]];
    default:
      return contraction(b, op, args, region);
  }
}

function scalar(b: HloBuilder, fn: ScalarFn, args: readonly HloValue[]): HloValue {
  if (compares.includes(fn)) return b.compare(fn as CompareFn, args[0], args[1]);
  if (fn === 'fma') return b.scalar('add', b.scalar('mul', args[0], args[1]), args[2]);
  return b.scalar(fn as Exclude<ScalarFn, CompareFn>, ...args);
}

function contraction(
  b: HloBuilder,
  op: TileOp,
  args: readonly HloValue[],
  region: RunRegion,
): readonly HloValue[] {
  switch (op.kind) {
    case 'reduce': {
      const { axes, combiner } = op.attrs;
      const shapes = op.results.map((r) => (r.type as TileType).shape);
      if (combiner !== undefined) return [b.reshape(b.reduce(args[0], combiner, axes), shapes[0])];
      const k = op.results.length;
      const outs = b.reduceRegion(args.slice(0, k), args.slice(k), axes, (...xs) =>
        region(op.regions[0], xs),
      );
      return outs.map((x, i) => b.reshape(x, shapes[i]));
    }
    case 'argreduce':
      return [argreduce(b, op, args[0])];
    case 'scan':
      return [scan(b, args[0], op.attrs)];
    case 'sort':
      return b.sort(args, op.attrs.axis, (...pairs) => region(op.regions[0], pairs)[0]);
    case 'dot': {
      const rank = args[0].type.shape.length;
      const batch = Array.from({ length: rank - 2 }, (_, i) => i);
      const dims = {
        lhsBatch: batch,
        rhsBatch: batch,
        lhsContract: [rank - 1],
        rhsContract: [rank - 2],
      };
      const product = b.dotGeneral(args[0], args[1], dims, {
        precision: 'HIGHEST',
        dtype: (op.results[0].type as TileType).dtype,
      });
      return [args[2] === undefined ? product : b.scalar('add', args[2], product)];
    }
    default:
      throw new LoweringError(`emulate: ${op.kind} has no StableHLO form.`);
  }
}

function argreduce(b: HloBuilder, op: TileOp<'argreduce'>, x: HloValue): HloValue {
  const { axis, which } = op.attrs;
  const { dtype, shape } = x.type;
  const inits = [b.constant(neutral(which, dtype), dtype), b.constant(0, 'i32')];
  const [, index] = b.reduceRegion(
    [x, b.iota('i32', shape, axis)],
    inits,
    [axis],
    (accValue, accIndex, value, at) => {
      const better = b.compare(which === 'max' ? 'gt' : 'lt', accValue, value);
      const wins = isFloat(dtype)
        ? b.scalar('or', better, b.compare('ne', accValue, accValue))
        : better;
      const tie = b.scalar('and', b.compare('eq', accValue, value), b.compare('lt', accIndex, at));
      return [b.select(wins, accValue, value), b.select(b.scalar('or', wins, tie), accIndex, at)];
    },
  );
  return b.reshape(index, (op.results[0].type as TileType).shape);
}

function scan(
  b: HloBuilder,
  x: HloValue,
  { axis, reverse, combiner }: { axis: number; reverse: boolean; combiner?: Combiner },
): HloValue {
  if (combiner === undefined)
    throw new LoweringError('emulate: a scan with a combiner region has no StableHLO form.');
  const { shape, dtype } = x.type;
  const ones = shape.map(() => 1);
  const margin = shape[axis] - 1;
  const padding = shape.map((_, i): [number, number] =>
    i !== axis ? [0, 0] : reverse ? [0, margin] : [margin, 0],
  );
  const window = {
    dimensions: ones.with(axis, shape[axis]),
    strides: ones,
    baseDilations: ones,
    windowDilations: ones,
    padding,
  };
  return b.reduceWindow([x], [b.constant(neutral(combiner, dtype), dtype)], window, combiner)[0];
}
