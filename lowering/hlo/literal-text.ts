/**
 * Elements of constants as MLIR writes them: `dense<…>` with a splat, nested lists, or the bytes in hexadecimal above 100 elements.
 * Floats follow `APFloat`: six significant digits when they say the same number, else as many as the format may need, else the bits.
 */
import { dtypeInfo, isComplex, type DType } from '../../core/dtype.ts';
import { sizeOf, type Shape } from '../../core/shape.ts';
import { elementsToBytes, allocateElements, elementWriter } from '../scalar-array.ts';
import type { Element } from '../scalar-meaning.ts';
import { rounderOf } from '../scalar-round.ts';
import { realPart } from './infer.ts';
import type { HloConstant, TensorType } from './ir.ts';

/** Significant digits that tell every number of a format from its neighbours, as `APFloat` counts them. */
const digitsOf: Readonly<Partial<Record<DType, number>>> = { f16: 5, bf16: 4, f32: 9, f64: 17 };

/** One float, so that MLIR reads the same bits. */
export function floatText(x: number, dtype: DType): string {
  if (!Number.isFinite(x)) return floatBits(x, dtype);
  const short = x.toExponential(5).replace(/^(-?\d\.\d{5})e([+-])(\d+)$/, (_, digits: string, sign: string, e: string) => `${digits}0e${sign}${e.padStart(2, '0')}`);
  const signed = Object.is(x, -0) ? `-${short}` : short;
  if (rounderOf(dtype)(Number(signed)) === x) return signed;
  const long = shortestText(x, digitsOf[dtype] ?? 17);
  return long.includes('.') ? long : floatBits(x, dtype);
}

/** `APFloat::toString` with its default padding of three zeros. */
function shortestText(x: number, precision: number): string {
  const sign = x < 0 ? '-' : '';
  const [mantissa, power] = Math.abs(x).toExponential(precision - 1).split('e');
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  const exponent = Number(power) - (digits.length - 1);
  const isScientific =
    exponent >= 0 ? exponent > 3 || digits.length + exponent > precision : Number(power) < 0 && -Number(power) > 3;
  if (isScientific) return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${Number(power) < 0 ? '' : '+'}${power.replace('+', '')}`;
  if (exponent >= 0) return `${sign}${digits}${'0'.repeat(exponent)}`;
  const whole = digits.length + exponent;
  return whole > 0 ? `${sign}${digits.slice(0, whole)}.${digits.slice(whole)}` : `${sign}0.${'0'.repeat(-whole)}${digits}`;
}

/** The bits of a float, as MLIR writes infinities and NaN. */
function floatBits(x: number, dtype: DType): string {
  return `0x${hex(elementsToBytes(Float64Array.of(x), dtype).toReversed())}`;
}

const hex = (bytes: Uint8Array): string => {
  let out = '';
  for (const byte of bytes) out += byte.toString(16).toUpperCase().padStart(2, '0');
  return out;
};

/** One element. */
export function elementText(value: Element | boolean, dtype: DType): string {
  if (dtype === 'bool') return value === true || value === 1 ? 'true' : 'false';
  if (typeof value === 'object') {
    const part = realPart(dtype);
    return `(${floatText(value[0], part)},${floatText(value[1], part)})`;
  }
  return dtypeInfo[dtype].kind === 'float' ? floatText(Number(value), dtype) : String(value);
}

/** Rows of rows of elements. */
function listText(texts: readonly string[], shape: Shape, start = 0, size = texts.length): string {
  if (shape.length === 0) return texts[start];
  const [length, ...inner] = shape;
  const step = length === 0 ? 0 : size / length;
  const parts: string[] = [];
  for (let i = 0; i < length; i++) parts.push(listText(texts, inner, start + i * step, step));
  return `[${parts.join(', ')}]`;
}

/** The elements of a constant: `dense<…>` without the type. */
export function denseText(value: HloConstant, { shape, dtype }: TensorType): string {
  const size = sizeOf(shape);
  if (size === 0) return 'dense<>';
  if (value.splat) return `dense<${elementText(value.value, dtype)}>`;
  const { values } = value;
  const at = (i: number): Element => (isComplex(dtype) ? [Number(values[2 * i]), Number(values[2 * i + 1])] : values[i]);
  if (isSplat(values, isComplex(dtype) ? 2 : 1)) return `dense<${elementText(at(0), dtype)}>`;
  if (size > 100) return `dense<"0x${hex(bytesOf(at, size, dtype))}">`;
  const texts = Array.from({ length: size }, (_, i) => elementText(at(i), dtype));
  return `dense<${listText(texts, shape)}>`;
}

function isSplat(values: ArrayLike<number> | ArrayLike<bigint>, entries: number): boolean {
  for (let i = entries; i < values.length; i++) if (!Object.is(values[i], values[i % entries])) return false;
  return true;
}

function bytesOf(at: (i: number) => Element, size: number, dtype: DType): Uint8Array {
  const data = allocateElements(dtype, size);
  const write = elementWriter(data, dtype);
  for (let i = 0; i < size; i++) write(i, at(i));
  return elementsToBytes(data, dtype);
}
