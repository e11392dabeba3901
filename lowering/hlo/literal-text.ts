/**
 * Elements of constants as MLIR writes them: `dense<…>` with a splat, nested lists, or the bytes in hexadecimal above 100 elements.
 * Floats follow `APFloat`: six significant digits when they say the same number, else as many as the format may need, else the bits.
 */
import { dtypeInfo, isComplex, type DType } from '../../core/dtype.ts';
import { sizeOf, type Shape } from '../../core/shape.ts';
import { elementsToBytes, allocateElements, elementWriter } from '../scalar-array.ts';
import type { Element } from '../scalar-meaning.ts';
import { exponentOf, rounderOf } from '../scalar-round.ts';
import { realPart } from './infer.ts';
import type { HloConstant, TensorType } from './ir.ts';

/** Significant digits that tell every number of a format from its neighbours, as `APFloat` counts them. */
const digitsOf: Readonly<Partial<Record<DType, number>>> = { f16: 5, bf16: 4, f32: 9, f64: 17 };

/** One float, so that MLIR reads the same bits. */
export function floatText(x: number, dtype: DType): string {
  if (!Number.isFinite(x)) return floatBits(x, dtype);
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  if (x === 0) return `${sign}0.000000e+00`;
  const short = `${sign}${scientific(decimal(Math.abs(x), 6))}`;
  if (rounderOf(dtype)(Number(short)) === x) return short;
  const precision = digitsOf[dtype] ?? 17;
  const long = `${sign}${shortest(decimal(Math.abs(x), precision), precision)}`;
  return long.includes('.') ? long : floatBits(x, dtype);
}

/** A decimal number: digits · 10^exponent, without trailing zeros in the digits. */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

/** A positive double as odd · 2^power. */
function binary(x: number): readonly [odd: bigint, power: number] {
  // Subnormals of f64 are scaled up first, so that the unit below is a double.
  const shift = x < 2 ** -900 ? 200 : 0;
  const scaled = x * 2 ** shift;
  let power = exponentOf(scaled) - 52;
  let odd = BigInt(scaled / 2 ** power);
  for (; (odd & 1n) === 0n; odd >>= 1n) power++;
  return [odd, power - shift];
}

/**
 * The first digits of a positive double as `APFloat::toString` finds them: it drops low digits by division (towards zero) while more bits
 * are left than the precision needs, then rounds half up. So 7.99999995e-8 gives 799999, not 8.
 */
function decimal(x: number, precision: number): Decimal {
  const [odd, power] = binary(x);
  let significand = power >= 0 ? odd << BigInt(power) : odd * 5n ** BigInt(-power);
  let exponent = Math.min(power, 0);
  const bits = significand.toString(2).length;
  // 196 / 59 is slightly more than log2(10).
  const needed = Math.floor((precision * 196 + 58) / 59);
  const dropped = bits > needed ? Math.floor(((bits - needed) * 59) / 196) : 0;
  significand /= 10n ** BigInt(dropped);
  exponent += dropped;
  let digits = significand.toString();
  if (digits.length > precision) {
    const cut = digits.length - precision;
    const isUp = digits[precision] >= '5';
    digits = String(BigInt(digits.slice(0, precision)) + (isUp ? 1n : 0n));
    exponent += cut;
  }
  const zeros = /0*$/.exec(digits)?.[0].length ?? 0;
  return { digits: digits.slice(0, digits.length - zeros), exponent: exponent + zeros };
}

/** One digit, six after the point, an exponent of at least two digits. */
function scientific({ digits, exponent }: Decimal): string {
  const power = exponent + digits.length - 1;
  return `${digits[0]}.${digits.slice(1).padEnd(6, '0')}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** Plain when the point is near (three zeros of padding), else with `E`. */
function shortest({ digits, exponent }: Decimal, precision: number): string {
  const power = exponent + digits.length - 1;
  const isScientific =
    exponent >= 0 ? exponent > 3 || digits.length + exponent > precision : power < -3;
  if (isScientific)
    return `${digits[0]}.${digits.slice(1) || '0'}E${power < 0 ? '-' : '+'}${Math.abs(power)}`;
  if (exponent >= 0) return `${digits}${'0'.repeat(exponent)}`;
  const whole = digits.length + exponent;
  return whole > 0
    ? `${digits.slice(0, whole)}.${digits.slice(whole)}`
    : `0.${'0'.repeat(-whole)}${digits}`;
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
  const at = (i: number): Element =>
    isComplex(dtype) ? [Number(values[2 * i]), Number(values[2 * i + 1])] : values[i];
  if (isSplat(values, isComplex(dtype) ? 2 : 1)) return `dense<${elementText(at(0), dtype)}>`;
  if (size > 100) return `dense<"0x${hex(bytesOf(at, size, dtype))}">`;
  const texts = Array.from({ length: size }, (_, i) => elementText(at(i), dtype));
  return `dense<${listText(texts, shape)}>`;
}

function isSplat(values: ArrayLike<number> | ArrayLike<bigint>, entries: number): boolean {
  for (let i = entries; i < values.length; i++)
    if (!Object.is(values[i], values[i % entries])) return false;
  return true;
}

function bytesOf(at: (i: number) => Element, size: number, dtype: DType): Uint8Array {
  const data = allocateElements(dtype, size);
  const write = elementWriter(data, dtype);
  for (let i = 0; i < size; i++) write(i, at(i));
  return elementsToBytes(data, dtype);
}
