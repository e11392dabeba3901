/**
 * Conversions between element types, on vectors of four 32-bit lanes and on single values; half floats by integer arithmetic.
 *
 * Representation. Vectors: f16, bf16 and f32 are f32 lanes (rounded to their type after every operation), integers of up to 32 bits
 * are i32 lanes (sign- or zero-extended), bool is a mask of ones or zeros. Single values: floats of up to 32 bits are vectors with
 * equal lanes, so that both forms share one table of functions; small integers are i32, bool is i32 0 or 1, the rest i64 and f64.
 */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import type { Fn, WasmModule } from './fn.ts';
import { constant, int, laneOp, op, select } from './nodes.ts';
import type { Node, ValType } from './nodes.ts';

/** What the emitter may assume of the engine. */
export interface WasmFeatures {
  /** Relaxed SIMD: fused multiply-add and lane select. */
  readonly relaxed: boolean;
  /** The imported memory is shared between threads. */
  readonly shared: boolean;
  /** Which compiler will see the code; it decides the shape of micro-kernels. */
  readonly engine: 'v8' | 'v8-old' | 'jsc' | 'unknown';
  /** No contraction of multiply and add. */
  readonly exact: boolean;
}

/** Where code goes and what it may use. */
export interface Context {
  readonly fn: Fn;
  readonly module: WasmModule;
  readonly features: WasmFeatures;
}

/** How values of a type are held in a register. */
export type Class = 'f32' | 'i32' | 'bool' | 'i64' | 'f64';

/** How values of an element type are held. */
export function classOf(dtype: DType): Class {
  switch (dtype) {
    case 'bool':
      return 'bool';
    case 'i64':
    case 'u64':
      return 'i64';
    case 'f64':
      return 'f64';
    case 'f16':
    case 'bf16':
    case 'f32':
      return 'f32';
    case 'complex64':
    case 'complex128':
      throw new LoweringError(
        `wasm: kernels hold no complex tiles; got ${dtype}. Split them into real parts first.`,
      );
    default:
      return 'i32';
  }
}

/** The wasm type of a single value of an element type. */
export function singleType(dtype: DType): ValType {
  const held = classOf(dtype);
  return held === 'f32' ? 'v128' : held === 'bool' ? 'i32' : held;
}

/** Whether an element type fits 32-bit lanes. */
export const isNarrow = (dtype: DType): boolean => !['i64', 'u64', 'f64'].includes(dtype);

/** A single value as a vector of equal lanes. */
export function toVector(dtype: DType, value: Node): Node {
  const held = classOf(dtype);
  if (held === 'f32') return value;
  return op('i32x4.splat', held === 'bool' ? op('i32.sub', int(0), value) : value);
}

/** The first lane of a vector as a single value. */
export function toSingle(dtype: DType, value: Node): Node {
  const held = classOf(dtype);
  if (held === 'f32') return value;
  const lane = laneOp('i32x4.extract_lane', 0, 0, value);
  return held === 'bool' ? op('i32.and', lane, int(1)) : lane;
}

/** Round f32 lanes to an f16 or bf16 value; other types pass. `x` must be a local. */
export function roundTo(context: Context, dtype: DType, x: Node): Node {
  if (dtype === 'f16') return roundToHalf(context, context.fn.keep(x, 'h'));
  if (dtype === 'bf16') return roundToBfloat(context, context.fn.keep(x, 'h'));
  return x;
}

// bits + 0xfff + (bit 13) drops 13 bits of mantissa to nearest, ties to even; below 2^-14 adding and subtracting 0.5 rounds to
// the spacing 2^-24 of subnormal halves; what reaches 2^16 is infinite.
function roundToHalf({ fn }: Context, x: Node): Node {
  const magnitude = fn.keep(op('f32x4.abs', x), 'h');
  const odd = op('v128.and', op('i32x4.shr_u', magnitude, int(13)), fn.splat(1));
  const sum = op('i32x4.add', op('i32x4.add', magnitude, fn.splat(0xfff)), odd);
  const normal = fn.keep(op('v128.and', sum, fn.splat(~0x1fff)), 'h');
  const overflow = op('i32x4.ge_s', normal, fn.splat(0x47800000));
  const finite = op('v128.bitselect', fn.splat(0x7f800000), normal, overflow);
  const small = op('f32x4.sub', op('f32x4.add', magnitude, fn.float(0.5)), fn.float(0.5));
  const isSmall = op('f32x4.lt', magnitude, fn.float(2 ** -14));
  const rounded = op('v128.bitselect', small, finite, isSmall);
  const signed = op('v128.or', rounded, op('v128.and', x, fn.splat(0x80000000)));
  return op('v128.bitselect', signed, x, op('f32x4.eq', x, x));
}

function roundToBfloat({ fn }: Context, x: Node): Node {
  const odd = op('v128.and', op('i32x4.shr_u', x, int(16)), fn.splat(1));
  const sum = op('i32x4.add', op('i32x4.add', x, fn.splat(0x7fff)), odd);
  const quiet = op('v128.or', x, fn.splat(0x400000));
  const chosen = op('v128.bitselect', sum, quiet, op('f32x4.eq', x, x));
  return op('v128.and', chosen, fn.splat(0xffff0000 | 0));
}

/** f32 lanes from the bits of halves in i32 lanes. Scaling by 2^112 moves the exponent's bias; infinities and NaN get theirs by bits. */
export function fromHalfBits({ fn }: Context, bits: Node): Node {
  const half = fn.keep(bits, 'h');
  const magnitude = fn.keep(op('v128.and', half, fn.splat(0x7fff)), 'h');
  const scaled = op('f32x4.mul', op('i32x4.shl', magnitude, int(13)), fn.float(2 ** 112));
  const special = op(
    'v128.and',
    op('i32x4.ge_s', magnitude, fn.splat(0x7c00)),
    fn.splat(0x7f800000),
  );
  const sign = op('i32x4.shl', op('v128.and', half, fn.splat(0x8000)), int(16));
  return op('v128.or', op('v128.or', scaled, special), sign);
}

/** Bits of halves in i32 lanes from f32 lanes that hold representable halves. */
export function toHalfBits({ fn }: Context, value: Node): Node {
  const x = fn.keep(value, 'h');
  const magnitude = fn.keep(op('f32x4.abs', x), 'h');
  const finite = op('i32x4.shr_u', op('f32x4.mul', magnitude, fn.float(2 ** -112)), int(13));
  const nan = op('v128.and', op('f32x4.ne', x, x), fn.splat(0x200));
  const special = op('v128.or', nan, fn.splat(0x7c00));
  const chosen = op(
    'v128.bitselect',
    special,
    finite,
    op('i32x4.ge_s', magnitude, fn.splat(0x7f800000)),
  );
  return op('v128.or', chosen, op('v128.and', op('i32x4.shr_u', x, int(16)), fn.splat(0x8000)));
}

/** Bits of bfloats (representable f32 lanes) in i32 lanes. */
export const toBfloatBits = (value: Node): Node => op('i32x4.shr_u', value, int(16));

/** Cut i32 lanes to the width of a small integer type. */
export function wrapVector({ fn }: Context, dtype: DType, x: Node): Node {
  const { bits, kind } = dtypeInfo[dtype];
  if (bits === 32) return x;
  if (kind === 'uint') return op('v128.and', x, fn.splat(2 ** bits - 1));
  return op('i32x4.shr_s', op('i32x4.shl', x, int(32 - bits)), int(32 - bits));
}

/** Cut an i32 to the width of a small integer type. */
export function wrapSingle(dtype: DType, x: Node): Node {
  const { bits, kind } = dtypeInfo[dtype];
  if (bits >= 32) return x;
  if (kind === 'uint') return op('i32.and', x, int(2 ** bits - 1));
  return op(bits === 8 ? 'i32.extend8_s' : 'i32.extend16_s', x);
}

/** Convert lanes of one narrow type to another. `x` must be a local or constant. */
export function castVector(context: Context, from: DType, to: DType, x: Node): Node {
  const { fn } = context;
  const [source, target] = [classOf(from), classOf(to)];
  if (target === 'bool') {
    if (source === 'bool') return x;
    return op(source === 'f32' ? 'f32x4.ne' : 'i32x4.ne', x, fn.splat(0));
  }
  if (source === 'bool') return op('v128.and', x, target === 'f32' ? fn.float(1) : fn.splat(1));
  if (source === 'f32')
    return target === 'f32' ? roundTo(context, to, x) : floatToInteger(context, to, x);
  if (target === 'i32') return from === to ? x : wrapVector(context, to, x);
  return roundTo(
    context,
    to,
    op(from === 'u32' ? 'f32x4.convert_i32x4_u' : 'f32x4.convert_i32x4_s', x),
  );
}

// Saturating, NaN gives 0.
function floatToInteger({ fn }: Context, to: DType, x: Node): Node {
  if (to === 'u32') return op('i32x4.trunc_sat_f32x4_u', x);
  const wide = op('i32x4.trunc_sat_f32x4_s', x);
  const [low, high] = limits(to);
  if (dtypeInfo[to].bits === 32) return wide;
  return op('i32x4.min_s', op('i32x4.max_s', wide, fn.splat(low)), fn.splat(high));
}

const limits = (dtype: DType): [number, number] => {
  const { bits, kind } = dtypeInfo[dtype];
  return kind === 'uint' ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
};

/** Convert a single value. `x` must be a local or constant. */
export function castSingle(context: Context, from: DType, to: DType, x: Node): Node {
  if (from === to) return x;
  if (isNarrow(from) && isNarrow(to)) {
    if (classOf(from) === 'i32' && classOf(to) === 'i32') return wrapSingle(to, x);
    if (classOf(from) === 'bool' && classOf(to) === 'i32') return x;
    if (classOf(from) === 'i32' && classOf(to) === 'bool') return op('i32.ne', x, int(0));
    const vector = context.fn.keep(toVector(from, x), 'h');
    return toSingle(to, castVector(context, from, to, vector));
  }
  const target = classOf(to);
  if (target === 'f64') return toDouble(from, x);
  if (target === 'i64') return toLong(from, to, x);
  return isNarrow(from) ? x : narrow(context, from, to, x);
}

const firstFloat = (x: Node): Node => laneOp('f32x4.extract_lane', 0, 0, x);

function toDouble(from: DType, x: Node): Node {
  switch (classOf(from)) {
    case 'f32':
      return op('f64.promote_f32', firstFloat(x));
    case 'i64':
      return op(from === 'u64' ? 'f64.convert_i64_u' : 'f64.convert_i64_s', x);
    case 'i32':
      return op(from === 'u32' ? 'f64.convert_i32_u' : 'f64.convert_i32_s', x);
    default:
      return op('f64.convert_i32_s', x);
  }
}

function toLong(from: DType, to: DType, x: Node): Node {
  const sign = to === 'u64' ? 'u' : 's';
  switch (classOf(from)) {
    case 'f32':
      return op(`i64.trunc_sat_f32_${sign}`, firstFloat(x));
    case 'f64':
      return op(`i64.trunc_sat_f64_${sign}`, x);
    case 'i64':
      return x;
    default:
      return op(dtypeInfo[from].kind === 'int' ? 'i64.extend_i32_s' : 'i64.extend_i32_u', x);
  }
}

function narrow(context: Context, from: DType, to: DType, x: Node): Node {
  const fromDouble = from === 'f64';
  switch (classOf(to)) {
    case 'bool':
      return fromDouble ? op('f64.ne', x, constant('f64', 0)) : op('i64.ne', x, constant('i64', 0));
    case 'f32': {
      const single = fromDouble
        ? op('f32.demote_f64', x)
        : op(from === 'u64' ? 'f32.convert_i64_u' : 'f32.convert_i64_s', x);
      return roundTo(context, to, op('f32x4.splat', single));
    }
    default:
      if (!fromDouble) return wrapSingle(to, op('i32.wrap_i64', x));
      return saturate(context, to, x);
  }
}

function saturate({ fn }: Context, to: DType, x: Node): Node {
  if (to === 'u32') return op('i32.trunc_sat_f64_u', x);
  const wide = op('i32.trunc_sat_f64_s', x);
  if (dtypeInfo[to].bits === 32) return wide;
  const [low, high] = limits(to);
  const kept = fn.keep(wide, 'h');
  const raised = fn.keep(select(op('i32.gt_s', kept, int(low)), kept, int(low)), 'h');
  return select(op('i32.lt_s', raised, int(high)), raised, int(high));
}

/** Reinterpret lanes of narrow types of one width. */
export function bitcastVector(context: Context, from: DType, to: DType, x: Node): Node {
  const { bits, kind } = dtypeInfo[from];
  if (from === to) return x;
  if (bits === 32) return x;
  if (bits === 8 && (from === 'bool' || to === 'bool')) return castVector(context, from, to, x);
  const raw =
    kind !== 'float' ? x : from === 'f16' ? toHalfBits(context, x) : op('i32x4.shr_u', x, int(16));
  if (to === 'f16') return fromHalfBits(context, wrapVector(context, 'u16', raw));
  if (to === 'bf16') return op('i32x4.shl', raw, int(16));
  return wrapVector(context, to, raw);
}

/** Reinterpret a single value as a type of the same width. */
export function bitcastSingle(context: Context, from: DType, to: DType, x: Node): Node {
  if (classOf(from) === classOf(to) && !isNarrow(from)) return x;
  if (from === 'f64') return op('i64.reinterpret_f64', x);
  if (to === 'f64') return op('f64.reinterpret_i64', x);
  const vector = context.fn.keep(toVector(from, x), 'h');
  return toSingle(to, bitcastVector(context, from, to, vector));
}
