/**
 * Reads `dense<…>`: a splat, nested lists, or bytes in hexadecimal. Decimal floats go through double precision; hexadecimal scalars of
 * floats are bit patterns, those of integers are numbers. Iterative over the elements: constants may be large.
 */
import { dtypeInfo, isBig, isComplex, type DType } from '../../core/dtype.ts';
import { decode } from '../../core/host.ts';
import { sameShape, sizeOf, showShape } from '../../core/shape.ts';
import { allocateElements, elementsFromBytes, elementWriter } from '../scalar-array.ts';
import type { Element } from '../scalar-meaning.ts';
import { maxOf, maxOfBig, minOf, minOfBig, rounderOf } from '../scalar-round.ts';
import { realPart } from './infer.ts';
import type { HloConstant, TensorType } from './ir.ts';
import type { Scanner } from './scan.ts';

/** A literal before its type is known. */
export interface DenseLiteral {
  readonly position: number;
  /** Bytes, when written as one hexadecimal string. */
  readonly blob: string | undefined;
  /** Element texts in row-major order. */
  readonly elements: readonly string[];
  /** Sizes of the nested lists; undefined for a splat. */
  readonly shape: readonly number[] | undefined;
}

const scalarText = /-?0x[0-9A-Fa-f]+|-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|true\b|false\b/y;
const complexText =
  /\(\s*-?(?:0x[0-9A-Fa-f]+|\d[\d.eE+-]*)\s*,\s*-?(?:0x[0-9A-Fa-f]+|\d[\d.eE+-]*)\s*\)/y;

/** Read `dense<…>`, without the type that follows. */
export function parseDense(s: Scanner): DenseLiteral {
  s.expect('dense');
  s.expect('<');
  const { position } = s;
  if (s.take('>')) return { position, blob: undefined, elements: [], shape: [0] };
  const literal: DenseLiteral = s.sees('"')
    ? { position, blob: s.string(), elements: [], shape: undefined }
    : {
        position,
        blob: undefined,
        ...(s.sees('[') ? nestedElements(s) : { elements: [oneElement(s)], shape: undefined }),
      };
  s.expect('>');
  return literal;
}

const oneElement = (s: Scanner): string =>
  s.sees('(')
    ? s.need(complexText, 'a complex number')
    : s.need(scalarText, 'a number, true or false');

function nestedElements(s: Scanner): { elements: string[]; shape: number[] } {
  const elements: string[] = [];
  const shape: number[] = [];
  /** How many items each open list has so far. */
  const counts: number[] = [];
  const count = (): void => {
    if (counts.length > 0) counts[counts.length - 1]++;
  };
  const close = (): void => {
    const depth = counts.length - 1;
    shape[depth] ??= counts[depth];
    if (shape[depth] !== counts[depth])
      throw s.error(
        `lists of one level must be equally long; got ${counts[depth]} beside ${shape[depth]} items.`,
      );
    counts.pop();
    count();
  };
  do {
    while (s.take('[')) {
      counts.push(0);
      if (counts.length > 64) throw s.error('a tensor must have at most 64 axes; got more.');
    }
    if (!s.sees(']')) {
      elements.push(oneElement(s));
      count();
      if (shape.length === 0) shape.length = counts.length;
      if (counts.length !== shape.length)
        throw s.error('elements of a tensor must stand at one depth; got another.');
    }
    while (counts.length > 0 && s.take(']')) close();
    if (counts.length > 0) s.expect(',');
  } while (counts.length > 0);
  return { elements, shape };
}

/** The constant that a literal is for its type. @throws ParseError when it does not fit. */
export function denseConstant(s: Scanner, literal: DenseLiteral, type: TensorType): HloConstant {
  const size = sizeOf(type.shape);
  if (literal.blob !== undefined) return blobConstant(s, literal.blob, type);
  const { shape, elements, position } = literal;
  if (shape === undefined)
    return {
      splat: true,
      value: splatValue(readElement(s, elements[0], type.dtype, position), type.dtype),
    };
  const fits = elements.length === 0 ? size === 0 : sameShape(shape, type.shape);
  if (!fits)
    throw s.error(
      `a dense list must have the shape of its type ${showShape(type.shape)}; got ${showShape(shape)}.`,
      position,
    );
  const values = allocateElements(type.dtype, size);
  const write = elementWriter(values, type.dtype);
  elements.forEach((text, i) => write(i, readElement(s, text, type.dtype, position)));
  return { splat: false, values };
}

const splatValue = (value: Element, dtype: DType): Element | boolean =>
  dtype === 'bool' ? value !== 0 : value;

function blobConstant(s: Scanner, blob: string, type: TensorType): HloConstant {
  if (!/^0x(?:[0-9A-Fa-f]{2})*$/.test(blob))
    throw s.error(
      `dense bytes must be hexadecimal, as "0x…"; got ${JSON.stringify(blob.slice(0, 16))}.`,
    );
  const one = dtypeInfo[type.dtype].byteLength;
  const length = blob.length / 2 - 1;
  const size = sizeOf(type.shape);
  if (length !== size * one && length !== one)
    throw s.error(`dense bytes must hold ${size} elements of ${one} bytes; got ${length} bytes.`);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = Number.parseInt(blob.slice(2 + 2 * i, 4 + 2 * i), 16);
  if (type.dtype === 'bool') for (let i = 0; i < length; i++) bytes[i] = bytes[i] === 0 ? 0 : 1;
  const values = elementsFromBytes(bytes, type.dtype);
  if (length === size * one && size !== 1) return { splat: false, values };
  const value: Element = isComplex(type.dtype) ? [Number(values[0]), Number(values[1])] : values[0];
  return { splat: true, value: splatValue(value, type.dtype) };
}

/** One element of a dtype from its text. */
function readElement(s: Scanner, text: string, dtype: DType, position: number): Element {
  if (isComplex(dtype)) {
    const parts = /^\(\s*([^,\s]+)\s*,\s*([^)\s]+)\s*\)$/.exec(text);
    if (parts === null)
      throw s.error(
        `an element of ${dtypeInfo[dtype].mlirName} must be a pair (re, im); got ${text}.`,
        position,
      );
    const part = realPart(dtype);
    return [readFloat(s, parts[1], part, position), readFloat(s, parts[2], part, position)];
  }
  if (dtype === 'bool') {
    if (text === 'true' || text === '1' || text === '-1') return 1;
    if (text === 'false' || text === '0') return 0;
    throw s.error(`an element of i1 must be true or false; got ${text}.`, position);
  }
  return dtypeInfo[dtype].kind === 'float'
    ? readFloat(s, text, dtype, position)
    : readInteger(s, text, dtype, position);
}

function readFloat(s: Scanner, text: string, dtype: DType, position: number): number {
  const { mlirName, byteLength } = dtypeInfo[dtype];
  if (text.startsWith('0x')) {
    const digits = text
      .slice(2)
      .replace(/^0+/, '')
      .padStart(2 * byteLength, '0');
    if (digits.length > 2 * byteLength)
      throw s.error(
        `the bits of ${mlirName} must be at most ${byteLength} bytes; got ${text}.`,
        position,
      );
    const bytes = Uint8Array.from({ length: byteLength }, (_, i) =>
      Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
    ).reverse();
    return Number(decode(bytes, dtype)[0]);
  }
  if (!/^-?\d+\.\d*(?:[eE][+-]?\d+)?$/.test(text))
    throw s.error(`an element of ${mlirName} must have a point, as in 1.0; got ${text}.`, position);
  return rounderOf(dtype)(Number(text));
}

function readInteger(s: Scanner, text: string, dtype: DType, position: number): Element {
  const { mlirName } = dtypeInfo[dtype];
  if (!/^-?(?:0x[0-9A-Fa-f]+|\d+)$/.test(text))
    throw s.error(`an element of ${mlirName} must be an integer; got ${text}.`, position);
  const value = text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
  const isWide = isBig(dtype);
  const [low, high] = isWide
    ? [minOfBig(dtype as 'i64' | 'u64'), maxOfBig(dtype as 'i64' | 'u64')]
    : [BigInt(minOf(dtype)), BigInt(maxOf(dtype))];
  if (value < low || value > high)
    throw s.error(
      `an element of ${mlirName} must lie in [${low}, ${high}]; got ${text}.`,
      position,
    );
  return isWide ? value : Number(value);
}
