/**
 * Numbers and arrays as NumPy prints them: shortest digits that read back as the same element, columns aligned, lines of 75
 * characters, and `...` in arrays of more than 1000 elements. After NumPy's documented print options.
 */
import { dtypeInfo, isComplex, isFloat, type DType } from './dtype.ts';
import {
  bf16Bits,
  f16Bits,
  fromBF16Bits,
  fromF16Bits,
  type HostData,
  type Scalar,
} from './host.ts';
import { sizeOf, stridesOf, type Shape } from './shape.ts';

const lineWidth = 75;
const threshold = 1000;
const edgeItems = 3;
const maxFraction = 8;

const rounders: Partial<Record<DType, (x: number) => number>> = {
  f16: (x) => fromF16Bits(f16Bits(x)),
  bf16: (x) => fromBF16Bits(bf16Bits(x)),
  f32: Math.fround,
  complex64: Math.fround,
};

/** The fewest decimal digits of a finite number that read back as the same element, and the exponent of the first one. */
function shortest(x: number, dtype: DType): { readonly digits: string; readonly exponent: number } {
  const round = rounders[dtype];
  let text = Math.abs(x).toExponential();
  if (round !== undefined)
    for (let precision = 0; precision < 9; precision++) {
      const shorter = Math.abs(x).toExponential(precision);
      if (round(Number(shorter)) !== Math.abs(x)) continue;
      text = shorter;
      break;
    }
  const [mantissa, exponent] = text.split('e');
  return { digits: mantissa.replace('.', ''), exponent: Number(exponent) };
}

/** Shortest digits as `12.5`, `0.001`, `3.`; at most `limit` digits after the point. */
function positional(x: number, dtype: DType, limit: number): string {
  const { digits, exponent } = shortest(x, dtype);
  const whole = exponent < 0 ? '0' : digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  let fraction = exponent < 0 ? '0'.repeat(-exponent - 1) + digits : digits.slice(exponent + 1);
  let integer = whole;
  if (fraction.length > limit) [integer, fraction = ''] = Math.abs(x).toFixed(limit).split('.');
  return `${sign(x)}${integer}.${fraction.replace(/0+$/, '')}`;
}

const sign = (x: number): string => (x < 0 || Object.is(x, -0) ? '-' : '');

const exponentText = (e: number, width: number): string =>
  `e${e < 0 ? '-' : '+'}${String(Math.abs(e)).padStart(width, '0')}`;

/**
 * Shortest digits as `1.25e-07`, with at most `limit` and at least `atLeast` digits after the point: missing ones come from
 * the exact value, as NumPy has them.
 */
function scientific(x: number, dtype: DType, limit: number, atLeast = 0, width = 2): string {
  let { digits, exponent } = x === 0 ? { digits: '0', exponent: 0 } : shortest(x, dtype);
  const wanted = Math.max(atLeast, Math.min(limit, digits.length - 1));
  if (x !== 0 && digits.length - 1 !== wanted) {
    const [mantissa, e] = Math.abs(x).toExponential(wanted).split('e');
    digits = mantissa.replace('.', '');
    exponent = Number(e);
  }
  const fraction = digits.slice(1).replace(/0+$/, '').padEnd(atLeast, '0');
  return `${sign(x)}${digits[0]}.${fraction}${exponentText(exponent, width)}`;
}

const special = (x: number): string => (Number.isNaN(x) ? 'nan' : x < 0 ? '-inf' : 'inf');

/** One number as Python prints it: `1.5`, `3.0`, `1e-05`, `nan`, `-inf`. */
export function showFloat(x: number, dtype: DType): string {
  if (!Number.isFinite(x)) return special(x);
  if (x === 0) return `${sign(x)}0.0`;
  const size = Math.abs(x);
  if (size >= 1e-4 && size < 1e16) return positional(x, dtype, 400).replace(/\.$/, '.0');
  return scientific(x, dtype, 400).replace('.e', 'e');
}

/** The only element of float0, as NumPy prints it: a record without bytes. */
const void0 = "(b'',)";

/** One element as Python prints it: `True`, `-3`, `2.5`. */
export function showScalar(value: Scalar, dtype: DType): string {
  if (dtype === 'bool') return value !== false && value !== 0 ? 'True' : 'False';
  if (dtype === 'float0') return void0;
  if (isComplex(dtype)) return `(${showFloat(Number(value), dtype)}+0j)`;
  return isFloat(dtype) ? showFloat(Number(value), dtype) : String(value);
}

/** How the numbers of one array are printed: all with the same width. */
type Format = (x: number) => string;

function floatFormat(values: readonly number[], dtype: DType, plus = false): Format {
  const finite = values.filter((x) => Number.isFinite(x));
  const sizes = finite.filter((x) => x !== 0).map((x) => Math.abs(x));
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Infinity);
  const exponents =
    largest >= 1e8 || (sizes.length > 0 && (smallest < 1e-4 || largest / smallest > 1000));
  const signed = (text: string): string => (plus && !text.startsWith('-') ? `+${text}` : text);
  const drafts = exponents
    ? finite.map((x) => /\.(\d*)e.(\d*)$/.exec(scientific(x, dtype, maxFraction)) ?? [])
    : [];
  const digits = drafts.reduce((n, [, fraction = '']) => Math.max(n, fraction.length), 0);
  const width = drafts.reduce((n, [, , exponent = '']) => Math.max(n, exponent.length), 0);
  const show = (x: number): string =>
    signed(
      exponents ? scientific(x, dtype, digits, digits, width) : positional(x, dtype, maxFraction),
    );
  const parts = finite.map((x) => show(x).split('.'));
  const right = parts.reduce((n, p) => Math.max(n, p[1].length), 0);
  const specials = values
    .filter((x) => !Number.isFinite(x))
    .map((x) => signed(special(x)).length - right - 1);
  const left = [...parts.map((p) => p[0].length), ...specials].reduce((a, b) => Math.max(a, b), 0);
  return (x) => {
    if (!Number.isFinite(x)) return signed(special(x)).padStart(left + right + 1);
    const [whole, fraction] = show(x).split('.');
    return `${whole.padStart(left)}.${fraction.padEnd(right)}`;
  };
}

function formatter(data: HostData, shown: readonly number[], dtype: DType): (i: number) => string {
  if (dtype === 'float0') return () => void0;
  if (dtype === 'bool') return (i) => (data[i] === 0 || data[i] === false ? 'False' : ' True');
  if (isComplex(dtype)) {
    const re = floatFormat(
      shown.map((i) => Number(data[2 * i])),
      dtype,
    );
    const im = floatFormat(
      shown.map((i) => Number(data[2 * i + 1])),
      dtype,
      true,
    );
    return (i) => {
      const imaginary = im(Number(data[2 * i + 1]));
      const text = imaginary.trimEnd();
      return `${re(Number(data[2 * i]))}${text}j${imaginary.slice(text.length)}`;
    };
  }
  if (isFloat(dtype)) {
    const format = floatFormat(
      shown.map((i) => Number(data[i])),
      dtype,
    );
    return (i) => format(Number(data[i]));
  }
  const width = shown.reduce((n, i) => Math.max(n, String(data[i]).length), 0);
  return (i) => String(data[i]).padStart(width);
}

/** Which indices of an axis are shown; `undefined` stands for the gap. */
function indicesOf(size: number, summarize: boolean): (number | undefined)[] {
  const all = Array.from({ length: size }, (_, i) => i);
  if (!summarize || size <= 2 * edgeItems) return all;
  return [...all.slice(0, edgeItems), undefined, ...all.slice(-edgeItems)];
}

/** Print elements in their shape as `str(numpy_array)` does. */
export function showArray(data: HostData, shape: Shape, dtype: DType): string {
  if (shape.length === 0) {
    if (isComplex(dtype)) return showComplex(Number(data[0]), Number(data[1]), dtype);
    return showScalar(data[0], dtype);
  }
  const size = sizeOf(shape);
  if (size === 0) return '[]';
  const axes = shape.map((n) => indicesOf(n, size > threshold));
  const strides = stridesOf(shape);
  const shown = axes.reduce<number[]>(
    (starts, axis, a) =>
      starts.flatMap((s) => axis.filter((i) => i !== undefined).map((i) => s + i * strides[a])),
    [0],
  );
  const format = formatter(data, shown, dtype);

  const row = (start: number, indent: string, width: number): string => {
    let done = '';
    let line = indent;
    axes[shape.length - 1].forEach((i, position) => {
      const word = i === undefined ? '...' : format(start + i);
      if (position > 0) line += ' ';
      if (line.length + word.length > width && line.length > indent.length) {
        done += `${line.trimEnd()}\n`;
        line = indent;
      }
      line += word;
    });
    return done + line;
  };
  const block = (axis: number, start: number, indent: string, width: number): string => {
    if (axis === shape.length - 1) return `[${row(start, indent, width - 1).slice(indent.length)}]`;
    const parts = axes[axis].map((i) =>
      i === undefined ? '...' : block(axis + 1, start + i * strides[axis], `${indent} `, width - 1),
    );
    return `[${parts.join('\n'.repeat(shape.length - 1 - axis) + indent)}]`;
  };
  return block(0, 0, ' ', lineWidth);
}

function showComplex(re: number, im: number, dtype: DType): string {
  const part = (x: number): string => showFloat(x, dtype).replace(/\.0$/, '');
  const imaginary = part(im);
  const joined = imaginary.startsWith('-') ? imaginary : `+${imaginary}`;
  return re === 0 && !Object.is(re, -0) ? `${imaginary}j` : `(${part(re)}${joined}j)`;
}

/** The long name of a dtype, as NumPy prints it. */
export const dtypeName = (dtype: DType): string => dtypeInfo[dtype].longName;
