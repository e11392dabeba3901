/** Elementwise StableHLO ops as tile ops: shared by fusions, reduction regions, and bodies of user kernels. */
import type { DType } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import type { HloConstant, HloOp, HloValue, Region } from '../hlo/ir.ts';
import type { TileBuilder } from '../tile/build.ts';
import type { Tile } from '../tile/ir.ts';

type SplatValue = Extract<HloConstant, { splat: true }>['value'];

/** A constant tile. @throws LoweringError for complex constants, which tiles do not have. */
export function splat(
  b: TileBuilder,
  value: SplatValue,
  dtype: DType,
  shape: readonly number[],
): Tile {
  if (typeof value === 'object')
    throw new LoweringError(
      'fuse: complex constants have no tile form; got a complex splat. Split it into real and imaginary parts.',
    );
  return b.constant(value, dtype, shape);
}

/** Translate one elementwise op; `args` have the shape of the result. */
export function emitMap(b: TileBuilder, op: HloOp, args: readonly Tile[]): Tile {
  const { dtype } = op.results[0].type;
  switch (op.kind) {
    case 'scalar':
      return b.scalar(op.attrs.fn, ...args);
    case 'compare':
      return op.attrs.kind === 'TOTALORDER'
        ? totalOrder(b, op.attrs.direction, args)
        : b.compare(op.attrs.direction, args[0], args[1]);
    case 'select':
      return b.select(args[0], args[1], args[2]);
    case 'convert':
      return b.cast(args[0], dtype);
    case 'bitcast_convert':
      return b.bitcast(args[0], dtype);
    case 'reduce_precision':
      return reducePrecision(b, args[0], op.attrs.exponentBits, op.attrs.mantissaBits);
    default:
      throw new LoweringError(`fuse: ${op.kind} has no elementwise tile form.`);
  }
}

/** Compare the bits of floats as sign-magnitude integers: -NaN < -Inf < … < -0 < 0 < … < NaN. */
function totalOrder(
  b: TileBuilder,
  direction: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge',
  args: readonly Tile[],
): Tile {
  const keys = args.map((x) => {
    const { dtype, shape } = x.type;
    if (dtype !== 'f32') {
      if (dtype === 'f16' || dtype === 'bf16') return totalKey(b, b.cast(x, 'f32'));
      if (dtype === 'f64')
        throw new LoweringError(
          'compare: TOTALORDER of f64 is not supported by compiled devices; use the interpreter device.',
        );
      return x;
    }
    return shape === undefined ? x : totalKey(b, x);
  });
  return b.compare(direction, keys[0], keys[1]);
}

function totalKey(b: TileBuilder, x: Tile): Tile {
  const bits = b.bitcast(x, 'i32');
  const shape = x.type.shape;
  const mask = b.scalar(
    'shiftRightLogical',
    b.scalar('shiftRightArithmetic', bits, b.constant(31, 'i32', shape)),
    b.constant(1, 'i32', shape),
  );
  return b.scalar('xor', bits, mask);
}

function reducePrecision(
  b: TileBuilder,
  x: Tile,
  exponentBits: number,
  mantissaBits: number,
): Tile {
  if (exponentBits === 8 && mantissaBits === 23) return x;
  if (exponentBits === 8 && mantissaBits === 7) return b.cast(b.cast(x, 'bf16'), x.type.dtype);
  if (exponentBits === 5 && mantissaBits === 10) return b.cast(b.cast(x, 'f16'), x.type.dtype);
  throw new LoweringError(
    `reduce_precision: formats are f32, bf16 and f16; got e${exponentBits}m${mantissaBits}.`,
  );
}

/** Translate a region of elementwise ops (a combiner, a comparator) on given tiles of one shape. */
export function emitRegion(b: TileBuilder, region: Region, args: readonly Tile[]): Tile[] {
  const env = new Map<HloValue, Tile>(region.args.map((v, i) => [v, args[i]]));
  const shape = args[0]?.type.shape ?? [];
  const get = (v: HloValue): Tile => {
    const tile = env.get(v);
    if (tile !== undefined) return tile;
    if (v.def?.kind === 'constant' && v.def.attrs.value.splat)
      return splat(b, v.def.attrs.value.value, v.type.dtype, shape);
    throw new LoweringError(
      'reduce: the combiner uses a value from outside; pass it as an operand.',
    );
  };
  for (const op of region.ops) {
    if (op.kind === 'constant') continue;
    if (op.kind === 'reshape' || op.kind === 'broadcast_in_dim')
      env.set(op.results[0], get(op.operands[0]));
    else env.set(op.results[0], emitMap(b, op, op.operands.map(get)));
  }
  return region.results.map(get);
}
