/**
 * How elements lie in memory, and loads and stores of vectors (four elements) and single elements.
 * Arrays hold elements as `core/dtype.ts` says. Scratch memory of a program holds what registers hold: f32 for halves, i32 for small
 * integers, masks for bool, so that tiles that are read often are not converted often.
 */
import type { DType } from '../../core/dtype.ts';
import type { Context } from './convert.ts';
import { fromHalfBits, toBfloatBits, toHalfBits } from './convert.ts';
import { int, laneOp, memory, op, shuffle8 } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { OpName } from './ops.ts';

/** Layouts of an element in memory. */
export type Format =
  | 'f32'
  | 'i32'
  | 'mask'
  | 'i64'
  | 'f64'
  | 'b8'
  | 's8'
  | 'u8'
  | 's16'
  | 'u16'
  | 'f16'
  | 'bf16';

const byteLengths: Readonly<Record<Format, number>> = {
  f32: 4,
  i32: 4,
  mask: 4,
  i64: 8,
  f64: 8,
  b8: 1,
  s8: 1,
  u8: 1,
  s16: 2,
  u16: 2,
  f16: 2,
  bf16: 2,
};

/** Bytes of an element. */
export const byteLengthOf = (format: Format): number => byteLengths[format];

const arrayFormats: Readonly<Record<DType, Format>> = {
  bool: 'b8',
  i8: 's8',
  i16: 's16',
  i32: 'i32',
  i64: 'i64',
  u8: 'u8',
  u16: 'u16',
  u32: 'i32',
  u64: 'i64',
  f16: 'f16',
  bf16: 'bf16',
  f32: 'f32',
  f64: 'f64',
  complex64: 'f32',
  complex128: 'f64',
  float0: 'b8',
};

/** Layout of elements in arrays. */
export const arrayFormat = (dtype: DType): Format => arrayFormats[dtype];

/** Layout of elements in scratch memory. */
export function scratchFormat(dtype: DType): Format {
  const format = arrayFormats[dtype];
  switch (format) {
    case 'f16':
    case 'bf16':
      return 'f32';
    case 'b8':
      return 'mask';
    case 's8':
    case 'u8':
    case 's16':
    case 'u16':
      return 'i32';
    default:
      return format;
  }
}

/** Load four neighbouring elements of a narrow format. May read up to 12 bytes beyond what the caller wants of them. */
export function loadVector(context: Context, format: Format, address: Node, offset: number): Node {
  const wide8 = (sign: 's' | 'u'): Node =>
    op(
      `i32x4.extend_low_i16x8_${sign}`,
      op(`i16x8.extend_low_i8x16_${sign}`, memory('v128.load32_zero', offset, address)),
    );
  const wide16 = (sign: 's' | 'u'): Node =>
    op(`i32x4.extend_low_i16x8_${sign}`, memory('v128.load64_zero', offset, address));
  switch (format) {
    case 'b8':
      return op('i32x4.ne', wide8('u'), context.fn.splat(0));
    case 's8':
      return wide8('s');
    case 'u8':
      return wide8('u');
    case 's16':
      return wide16('s');
    case 'u16':
      return wide16('u');
    case 'f16':
      return fromHalfBits(context, wide16('u'));
    case 'bf16':
      return op('i32x4.shl', wide16('u'), int(16));
    default:
      return memory('v128.load', offset, address);
  }
}

const singleLoads: Readonly<Record<Format, OpName>> = {
  f32: 'v128.load32_splat',
  i32: 'i32.load',
  mask: 'i32.load',
  i64: 'i64.load',
  f64: 'f64.load',
  b8: 'i32.load8_u',
  s8: 'i32.load8_s',
  u8: 'i32.load8_u',
  s16: 'i32.load16_s',
  u16: 'i32.load16_u',
  f16: 'i32.load16_u',
  bf16: 'i32.load16_u',
};

/** Load one element as a single value. */
export function loadSingle(context: Context, format: Format, address: Node, offset: number): Node {
  const raw = memory(singleLoads[format], offset, address);
  switch (format) {
    case 'mask':
      return op('i32.and', raw, int(1));
    case 'b8':
      return op('i32.ne', raw, int(0));
    case 'f16':
      return fromHalfBits(context, op('i32x4.splat', raw));
    case 'bf16':
      return op('i32x4.shl', op('i32x4.splat', raw), int(16));
    default:
      return raw;
  }
}

/** Load four elements at four addresses (each an address expression) into a vector. */
export function loadLanes(context: Context, format: Format, addresses: readonly Node[]): Node {
  const lanes = addresses.slice(1);
  if (byteLengthOf(format) === 4) {
    const first = memory('v128.load32_zero', 0, addresses[0]);
    return lanes.reduce(
      (vector, address, i) => laneOp('v128.load32_lane', i + 1, 0, address, vector),
      first,
    );
  }
  const raw = (address: Node): Node => memory(singleLoads[format], 0, address);
  const bits = lanes.reduce(
    (vector, address, i) => laneOp('i32x4.replace_lane', i + 1, 0, vector, raw(address)),
    op('i32x4.splat', raw(addresses[0])),
  );
  switch (format) {
    case 'b8':
      return op('i32x4.ne', bits, context.fn.splat(0));
    case 'f16':
      return fromHalfBits(context, bits);
    case 'bf16':
      return op('i32x4.shl', bits, int(16));
    default:
      return bits;
  }
}

// 32-bit lanes whose low bytes are the elements as they lie in memory.
function packed(context: Context, format: Format, value: Node): Node {
  switch (format) {
    case 'b8':
      return op('v128.and', value, context.fn.splat(1));
    case 'f16':
      return toHalfBits(context, value);
    case 'bf16':
      return toBfloatBits(value);
    default:
      return value;
  }
}

/** Store the first `lanes` lanes (1 to 4) of a vector to neighbouring elements, and nothing else. */
export function storeVector(
  context: Context,
  format: Format,
  { address, offset, lanes }: { address: Node; offset: number; lanes: number },
  value: Node,
): void {
  const { fn } = context;
  const bytes = byteLengthOf(format);
  const bits = packed(context, format, value);
  if (lanes === 4) return storeFour(context, bytes, { address, offset }, bits);
  const kept = fn.keep(bits, 'h');
  if (bytes === 4 && lanes >= 2) {
    fn.emit(laneOp('v128.store64_lane', 0, offset, address, kept));
    if (lanes === 3) fn.emit(laneOp('v128.store32_lane', 2, offset + 8, address, kept));
    return;
  }
  for (let lane = 0; lane < lanes; lane++)
    storeLane(context, bytes, { address, offset: offset + lane * bytes, lane }, kept);
}

function storeFour(
  { fn }: Context,
  bytes: number,
  at: { address: Node; offset: number },
  bits: Node,
): void {
  if (bytes === 4) return fn.emit(memory('v128.store', at.offset, at.address, bits));
  const kept = fn.keep(bits, 'h');
  const picks = bytes === 1 ? [0, 4, 8, 12] : [0, 1, 4, 5, 8, 9, 12, 13];
  const lanes = Array.from({ length: 16 }, (_, i) => picks[i % picks.length]);
  const name = bytes === 1 ? 'v128.store32_lane' : 'v128.store64_lane';
  return fn.emit(laneOp(name, 0, at.offset, at.address, shuffle8(kept, kept, lanes)));
}

function storeLane(
  { fn }: Context,
  bytes: number,
  at: { address: Node; offset: number; lane: number },
  bits: Node,
): void {
  const name =
    bytes === 4 ? 'v128.store32_lane' : bytes === 2 ? 'v128.store16_lane' : 'v128.store8_lane';
  fn.emit(laneOp(name, (at.lane * 4) / bytes, at.offset, at.address, bits));
}

/** Store one lane of a vector to one element. */
export function storeOneLane(
  context: Context,
  format: Format,
  at: { address: Node; offset: number; lane: number },
  value: Node,
): void {
  storeLane(
    context,
    byteLengthOf(format),
    at,
    context.fn.keep(packed(context, format, value), 'h'),
  );
}

/** Store a single value. */
export function storeSingle(context: Context, format: Format, address: Node, value: Node): void {
  const { fn } = context;
  switch (format) {
    case 'f32':
    case 'f16':
    case 'bf16':
      return storeOneLane(context, format, { address, offset: 0, lane: 0 }, value);
    case 'mask':
      return fn.emit(memory('i32.store', 0, address, op('i32.sub', int(0), value)));
    case 'i64':
      return fn.emit(memory('i64.store', 0, address, value));
    case 'f64':
      return fn.emit(memory('f64.store', 0, address, value));
    case 'i32':
      return fn.emit(memory('i32.store', 0, address, value));
    case 's16':
    case 'u16':
      return fn.emit(memory('i32.store16', 0, address, value));
    default:
      return fn.emit(memory('i32.store8', 0, address, value));
  }
}
