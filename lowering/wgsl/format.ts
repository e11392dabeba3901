/**
 * How elements are spelled: the type of a register for every dtype, literals, and vectors of them. Small integers are held as i32 or u32
 * in their range, f16 and bf16 as f32 values of that format. 64-bit and complex types have no form on this target.
 */
import { DTypeError } from '../../core/errors.ts';
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import { rounderOf } from '../scalar-round.ts';
import type { Width } from './layout.ts';

/** What registers hold. */
export type Register = 'f32' | 'i32' | 'u32' | 'bool';

/** What a register of a dtype holds. @throws DTypeError for types that this target does not compute with. */
export function registerOf(dtype: DType): Register {
  const { kind, bits } = dtypeInfo[dtype];
  if (bits > 32 || kind === 'complex')
    throw new DTypeError(
      `webgpu: WGSL computes with at most 32 bits; got ${dtypeInfo[dtype].longName}. Convert it, or run this on the wasm device.`,
    );
  switch (kind) {
    case 'bool':
      return 'bool';
    case 'float':
      return 'f32';
    case 'int':
      return 'i32';
    default:
      return 'u32';
  }
}

/** Spell the type of a vector of registers. */
export function typeName(register: Register, width: Width = 1): string {
  if (width === 1) return register;
  return register === 'bool' ? `vec${width}<bool>` : `vec${width}${register[0]}`;
}

/** Spell a vector with equal components; scalars stay. */
export const splat = (text: string, register: Register, width: Width): string =>
  width === 1 ? text : `${typeName(register, width)}(${text})`;

/** Components of a vector. */
export const components = 'xyzw';

/** Spell one component of a vector; scalars stay. */
export const component = (text: string, index: number, width: Width): string =>
  width === 1 ? text : `${text}.${components[index]}`;

/** Spell the bits of a number. */
export const hex = (bits: number): string => `0x${(bits >>> 0).toString(16)}u`;

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The bits of a number as f32. */
export function floatBits(value: number): number {
  float[0] = value;
  return word[0];
}

/** Spell an f32. What WGSL has no literal for goes through `float_bits`, which the prelude defines. */
export function floatLiteral(value: number): string {
  if (!Number.isFinite(Math.fround(value))) return `float_bits(${hex(floatBits(value))})`;
  if (Object.is(value, -0)) return 'bitcast<f32>(0x80000000u)';
  const text = `${Math.fround(value)}f`;
  return value < 0 ? `(${text})` : text;
}

/** Spell an i32. */
export function intLiteral(value: number): string {
  if (value === -(2 ** 31)) return 'i32(-2147483648)';
  return value < 0 ? `(${value}i)` : `${value}i`;
}

/** Bring a constant of a kernel into the range of its dtype, as a number. */
export function numberOf(value: number | bigint | boolean, dtype: DType): number {
  const { kind, bits } = dtypeInfo[dtype];
  if (kind === 'bool') return Number(Boolean(value));
  if (kind === 'float') return rounderOf(dtype)(Number(value));
  const big = typeof value === 'bigint' ? value : BigInt(Math.trunc(Number(value)));
  return Number(kind === 'int' ? BigInt.asIntN(bits, big) : BigInt.asUintN(bits, big));
}

/** Spell a constant of a dtype as a scalar. */
export function literal(value: number | bigint | boolean, dtype: DType): string {
  const number = numberOf(value, dtype);
  switch (registerOf(dtype)) {
    case 'bool':
      return number === 0 ? 'false' : 'true';
    case 'f32':
      return floatLiteral(number);
    case 'i32':
      return intLiteral(number);
    case 'u32':
      return `${number}u`;
  }
}

const scalarLiteral = String.raw`\(?-?[\d.]+(?:e[-+]?\d+)?[fiu]\)?|true|false`;
const literalPattern = new RegExp(
  `^(?:${scalarLiteral}|vec[24](?:[fiu]|<bool>)\\((?:${scalarLiteral})\\))$`,
);

/** Whether a spelling is a constant, or a vector of one. */
export const isLiteral = (text: string): boolean => literalPattern.test(text);

/** The neutral element of a combiner, spelled. */
export function identityLiteral(
  combiner: 'add' | 'mul' | 'max' | 'min' | 'and' | 'or' | 'xor',
  dtype: DType,
): string {
  const { kind, bits } = dtypeInfo[dtype];
  const lowest = kind === 'int' ? -(2 ** (bits - 1)) : 0;
  const highest = kind === 'int' ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  switch (combiner) {
    case 'add':
    case 'or':
    case 'xor':
      return literal(kind === 'bool' ? false : 0, dtype);
    case 'mul':
      return literal(kind === 'bool' ? true : 1, dtype);
    case 'and':
      return literal(kind === 'bool' ? true : kind === 'int' ? -1 : highest, dtype);
    case 'max':
      return kind === 'bool' ? 'false' : literal(kind === 'float' ? -Infinity : lowest, dtype);
    case 'min':
      return kind === 'bool' ? 'true' : literal(kind === 'float' ? Infinity : highest, dtype);
  }
}
