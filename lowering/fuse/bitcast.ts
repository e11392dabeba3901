/**
 * Bitcasts to another width, which tiles do not have. A word is cut into parts by shifts, and put together by the or of shifted parts;
 * the first part holds the lowest bits, as in memory.
 */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import type { HloBuilder } from '../hlo/build.ts';
import type { HloOp, HloValue } from '../hlo/ir.ts';

const words: Readonly<Record<number, DType>> = { 1: 'u8', 2: 'u16', 4: 'u32', 8: 'u64' };

/** The unsigned integers as wide as a dtype; undefined for dtypes that are no whole word. */
const wordOf = (dtype: DType): DType | undefined => words[dtypeInfo[dtype].byteLength];

const asBits = (b: HloBuilder, x: HloValue, dtype: DType): HloValue =>
  x.type.dtype === dtype ? x : b.bitcastConvert(x, dtype);

/** Every part's distance from the lowest bit: parts lie along the last axis. */
function distances(b: HloBuilder, word: DType, shape: readonly number[], bits: number): HloValue {
  const position = b.iota(word, shape, shape.length - 1);
  return b.scalar('mul', position, b.constant(bits, word, shape));
}

/** Write a bitcast to another width with shifts; undefined for other ops. */
export function bitcastByShifts(
  b: HloBuilder,
  op: HloOp,
  [x]: readonly HloValue[],
): readonly HloValue[] | undefined {
  if (op.kind !== 'bitcast_convert') return undefined;
  const { dtype, shape } = op.results[0].type;
  const [from, to] = [wordOf(x.type.dtype), wordOf(dtype)];
  if (from === undefined || to === undefined || from === to) return undefined;
  const [wide, narrow] = [from, to].map((word) => dtypeInfo[word].bits);
  if (wide > narrow) {
    const whole = b.broadcastInDim(
      asBits(b, x, from),
      shape,
      x.type.shape.map((_, i) => i),
    );
    const shifted = b.scalar('shiftRightLogical', whole, distances(b, from, shape, narrow));
    const mask = b.constant(2 ** narrow - 1, from, shape);
    return [asBits(b, b.convert(b.scalar('and', shifted, mask), to), dtype)];
  }
  const parts = b.convert(asBits(b, x, from), to);
  const placed = b.scalar('shiftLeft', parts, distances(b, to, x.type.shape, wide));
  return [asBits(b, b.reduce(placed, 'or', [x.type.shape.length - 1]), dtype)];
}
