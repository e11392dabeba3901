/** Conversions between dtypes as XLA does them, and bit casts between dtypes of one width, in registers. */
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import { hex, registerOf, splat, typeName } from './format.ts';
import type { Width } from './layout.ts';
import type { Prelude } from './prelude.ts';
import { narrow } from './scalar.ts';

/** Whether every value of one dtype is one of the other. */
function contains(to: DType, from: DType): boolean {
  if (from === to) return true;
  const [a, b] = [dtypeInfo[from], dtypeInfo[to]];
  if (b.kind === 'float') return a.kind === 'float' && to === 'f32';
  if (a.kind === 'uint' && b.kind !== 'uint') return b.bits > a.bits;
  return a.kind === b.kind && b.bits >= a.bits;
}

/** Spell the conversion of a register: floats go to integers towards zero and saturate, integers wrap. */
export function convert(
  text: string,
  from: DType,
  to: DType,
  width: Width,
  prelude: Prelude,
): string {
  if (from === to) return text;
  const [source, target] = [registerOf(from), registerOf(to)];
  const type = typeName(target, width);
  if (target === 'bool') {
    const zero = splat('0', source, width);
    if (source !== 'f32') return `${text} != ${zero}`;
    const bits = `bitcast<${typeName('u32', width)}>(${text})`;
    return `(${bits} & ${splat('0x7fffffffu', 'u32', width)}) != ${splat('0u', 'u32', width)}`;
  }
  if (source === 'bool') return `${type}(${text})`;
  if (source === 'f32' && target !== 'f32') return fromFloat(text, to, width, prelude);
  const moved =
    source === target ? text : target === 'f32' ? `${type}(${text})` : `bitcast<${type}>(${text})`;
  return contains(to, from) ? moved : narrow(moved, to, width, prelude);
}

function fromFloat(text: string, to: DType, width: Width, prelude: Prelude): string {
  const { kind, bits } = dtypeInfo[to];
  const isSigned = kind === 'int';
  const whole = prelude.call(isSigned ? 'float_to_i32' : 'float_to_u32', width, text);
  if (bits === 32) return whole;
  const register = registerOf(to);
  const [lo, hi] = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return `clamp(${whole}, ${splat(String(lo), register, width)}, ${splat(String(hi), register, width)})`;
}

/** Spell the bits of a register as a u32 with nothing above the dtype's width. */
export function toBits(text: string, dtype: DType, width: Width, prelude: Prelude): string {
  const u32 = typeName('u32', width);
  switch (dtype) {
    case 'bool':
      return `${u32}(${text})`;
    case 'f16':
      return prelude.call('f16_bits', width, text);
    case 'bf16':
      return prelude.call('bf16_bits', width, text);
    case 'i8':
    case 'i16':
      return `(bitcast<${u32}>(${text}) & ${splat(hex(2 ** dtypeInfo[dtype].bits - 1), 'u32', width)})`;
    default:
      return registerOf(dtype) === 'u32' ? text : `bitcast<${u32}>(${text})`;
  }
}

/** Spell a register from the bits of a dtype, given as a u32 with nothing above the dtype's width. */
export function fromBits(text: string, dtype: DType, width: Width, prelude: Prelude): string {
  switch (dtype) {
    case 'bool':
      return `${text} != ${splat('0u', 'u32', width)}`;
    case 'f16':
      return prelude.call('f16_value', width, text);
    case 'bf16':
      return prelude.call('bf16_value', width, text);
    case 'i8':
    case 'i16':
      return narrow(`bitcast<${typeName('i32', width)}>(${text})`, dtype, width, prelude);
    default: {
      const register = registerOf(dtype);
      return register === 'u32' ? text : `bitcast<${typeName(register, width)}>(${text})`;
    }
  }
}

/** Spell a bit cast. */
export function bitcast(
  text: string,
  from: DType,
  to: DType,
  width: Width,
  prelude: Prelude,
): string {
  const bits = toBits(text, from, width, prelude);
  return fromBits(bits, to, width, prelude);
}
