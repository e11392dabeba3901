/**
 * Format strings as Python has them: `{}`, `{0}`, `{name}`, with a conversion (`!r`) and a specification (`:>8.3f`). What each part means
 * is in Python's documented "Format String Syntax"; arrays print as NumPy prints them.
 */
import { NDArray } from '../core/array.ts';
import { showArray, showFloat } from '../core/array-print.ts';
import { dtypeInfo, isComplex, isFloat } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';

/** A placeholder: a position, or the name of a value. */
export interface Field {
  readonly key: number | string;
  readonly conversion: 'r' | 's' | undefined;
  readonly spec: string;
}

/** Text, and the function that got it. */
interface Source {
  readonly op: string;
  readonly text: string;
}

/** A format string, taken apart. */
export interface FormatString extends Source {
  readonly parts: readonly (string | Field)[];
  /** How many values it wants by position, and which by name. */
  readonly positions: number;
  readonly names: ReadonlySet<string>;
}

const refuse = ({ op, text }: Source, what: string, remedy: string): ArgumentError =>
  new ArgumentError(
    `${op}: a format must be text with {}, {0} or {name}; got ${what} in ${JSON.stringify(text)}. ${remedy}`,
  );

/** Take a format string apart. @throws ArgumentError for braces that do not match and placeholders that do not exist. */
export function parseFormat(op: string, text: string): FormatString {
  const source = { op, text };
  const parts: (string | Field)[] = [];
  const names = new Set<string>();
  let next = 0;
  let positions = 0;
  let counted: 'automatic' | 'given' | undefined;
  for (const [token] of text.matchAll(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g)) {
    if (token === '{' || token === '}')
      throw refuse(source, `a single ${token}`, `Write ${token}${token} for the brace itself.`);
    if (!token.startsWith('{') || token === '{{') {
      parts.push(token === '{{' ? '{' : token === '}}' ? '}' : token);
      continue;
    }
    const found = /^\{(\w*)(?:!([rs]))?(?::(.*))?\}$/s.exec(token);
    if (found === null)
      throw refuse(source, `the placeholder ${token}`, 'Compute the value before it is printed.');
    const [, name, conversion, spec = ''] = found;
    const isPosition = /^\d*$/.test(name);
    const way = name === '' ? 'automatic' : 'given';
    if (isPosition && counted !== undefined && counted !== way)
      throw refuse(source, 'both {} and {0}', 'Number all of them, or none.');
    if (isPosition) counted = way;
    else names.add(name);
    const key = isPosition ? (name === '' ? next++ : Number(name)) : name;
    if (typeof key === 'number') positions = Math.max(positions, key + 1);
    if (spec !== '') parseSpec(source, spec);
    parts.push({ key, conversion: conversion as 'r' | 's' | undefined, spec });
  }
  return { op, text, parts, positions, names };
}

/** Fill a format in. */
export const formatText = (
  format: FormatString,
  positional: readonly unknown[],
  named: Readonly<Record<string, unknown>>,
): string =>
  format.parts
    .map((part) => {
      if (typeof part === 'string') return part;
      const value = typeof part.key === 'number' ? positional[part.key] : named[part.key];
      return fieldText(format, part, value);
    })
    .join('');

function fieldText(source: Source, { conversion, spec }: Field, value: unknown): string {
  if (conversion !== undefined || !(value instanceof NDArray) || spec === '') {
    const shown = conversion === 'r' ? reprOf(value) : strOf(value);
    return spec === '' ? shown : align(parseSpec(source, spec), '', shown, '<');
  }
  return numberText(source, value, parseSpec(source, spec));
}

const strOf = (value: unknown): string =>
  typeof value === 'string' || value instanceof NDArray ? String(value) : reprOf(value);

/** What Python's `repr` shows: arrays with their dtype, containers with what they hold. */
function reprOf(value: unknown): string {
  if (value instanceof NDArray) return reprOfArray(value);
  if (typeof value === 'string') return `'${value}'`;
  if (value === null || value === undefined) return 'None';
  if (Array.isArray(value)) return `[${value.map(reprOf).join(', ')}]`;
  if (value instanceof Map || isPlain(value)) {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    return `{${entries.map(([k, x]) => `${reprOf(k)}: ${reprOf(x)}`).join(', ')}}`;
  }
  return String(value);
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

function reprOfArray(x: NDArray): string {
  // A rank-0 array shows its number as an array would.
  const text = x.ndim === 0 ? showArray(x.dataSync(), [1], x.dtype).slice(1, -1).trim() : String(x);
  const spaced = text.replace(/(?<=[^[\s]) +/g, (gap) => `,${gap}`);
  const lines = spaced.replace(/\n+/g, (gap) => `,${gap}      `);
  return `Array(${lines}, dtype=${dtypeInfo[x.dtype].longName})`;
}

interface Spec {
  readonly fill: string;
  readonly align: string | undefined;
  readonly sign: string;
  readonly width: number;
  readonly grouping: string;
  readonly precision: number | undefined;
  readonly type: string;
}

function parseSpec(source: Source, spec: string): Spec {
  const found = /^(?:(.)?([<>=^]))?([-+ ]?)(0?)(\d*)([,_]?)(?:\.(\d+))?([bdeEfFgGoxXs%]?)$/su.exec(
    spec,
  );
  if (found === null)
    throw refuse(
      source,
      `the specification ":${spec}"`,
      'Write [[fill]align][sign][0][width][,][.precision][type].',
    );
  const [, fill, side, sign, zero, width, grouping, precision, type] = found;
  return {
    fill: fill ?? (zero === '' ? ' ' : '0'),
    align: side ?? (zero === '' ? undefined : '='),
    sign,
    width: Number(width),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  };
}

function align(
  { fill, align: side, width }: Spec,
  sign: string,
  text: string,
  usual: string,
): string {
  const missing = Math.max(0, width - sign.length - text.length);
  const pad = fill.repeat(missing);
  switch (side ?? usual) {
    case '<':
      return sign + text + pad;
    case '=':
      return sign + pad + text;
    case '^':
      return (
        fill.repeat(Math.floor(missing / 2)) + sign + text + fill.repeat(Math.ceil(missing / 2))
      );
    default:
      return pad + sign + text;
  }
}

/** A number in a specification. Only scalars have one, as in NumPy. */
function numberText(source: Source, x: NDArray, spec: Spec): string {
  if (x.ndim > 0 || isComplex(x.dtype))
    throw refuse(
      source,
      `a specification for ${x.aval.toString()}`,
      'Arrays are printed whole, with {}; specifications are for real scalars.',
    );
  const value = x.item();
  if (spec.type === 's' || (typeof value === 'boolean' && spec.type === ''))
    return align(spec, '', String(x), '<');
  const isInteger = !isFloat(x.dtype) && (spec.type === '' || /[bdoxX]/.test(spec.type));
  if (isFloat(x.dtype) && /[bdoxX]/.test(spec.type))
    throw refuse(
      source,
      `":${spec.type}" for ${x.aval.toString()}`,
      'Floats print with e, f, g or %.',
    );
  const isNegative = isInteger ? BigInt(value) < 0n : Number(value) < 0 || Object.is(value, -0);
  const digits = isInteger
    ? integerDigits(BigInt(value), spec.type)
    : floatDigits(Math.abs(Number(value)), spec);
  const sign = isNegative ? '-' : spec.sign === '-' ? '' : spec.sign;
  const end = isInteger ? -1 : digits.search(/[.e%]/);
  const whole = end < 0 ? digits : digits.slice(0, end);
  const rest = digits.slice(whole.length);
  const isGrouped = spec.grouping !== '' && (isInteger || Number.isFinite(value));
  const shown = isGrouped ? grouped(whole, spec, sign.length + rest.length) : whole;
  return align(spec, sign, shown + rest, '>');
}

/** Digits in groups of three, or of four where they are no decimal ones; zeros that fill the width beside other text are among them. */
function grouped(
  digits: string,
  { grouping, type, fill, align: side, width }: Spec,
  beside: number,
): string {
  const between = /[boxX]/.test(type) ? /\B(?=(?:\w{4})+$)/g : /\B(?=(?:\d{3})+$)/g;
  let text = digits.replace(between, grouping);
  for (let n = digits.length; fill === '0' && side === '=' && text.length + beside < width;)
    text = digits.padStart(++n, '0').replace(between, grouping);
  return text;
}

function integerDigits(value: bigint, type: string): string {
  const size = value < 0n ? -value : value;
  const bases: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16 };
  const digits = size.toString(bases[type] ?? 10);
  return type === 'X' ? digits.toUpperCase() : digits;
}

function floatDigits(x: number, { type, precision }: Spec): string {
  if (!Number.isFinite(x))
    return upperFor(type, `${Number.isNaN(x) ? 'nan' : 'inf'}${type === '%' ? '%' : ''}`);
  switch (type) {
    case 'f':
    case 'F':
      return fixed(x, precision ?? 6);
    case 'e':
    case 'E':
      return upperFor(type, exponential(x, precision ?? 6));
    case 'g':
    case 'G':
      return upperFor(type, general(x, Math.max(1, precision ?? 6)));
    case '%':
      return `${fixed(x * 100, precision ?? 6)}%`;
    default: {
      if (precision === undefined) return showFloat(x, 'f64');
      // One digit after the point belongs to the precision.
      const digits = general(x, Math.max(1, precision), precision - 1);
      return /[.e]/.test(digits) ? digits : `${digits}.0`;
    }
  }
}

const upperFor = (type: string, digits: string): string =>
  /[A-Z]/.test(type) ? digits.toUpperCase() : digits;

/** `x` ≥ 0 times 10 to the power `digits`, rounded as Python does: exactly, half-way to even (`toFixed` goes up there). */
function scaled(x: number, digits: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const fraction = bits & (2n ** 52n - 1n);
  // x is mantissa · 2^power; subnormal numbers have no leading one.
  const mantissa = exponent === 0 ? fraction : fraction + 2n ** 52n;
  const power = Math.max(exponent, 1) - 1075;
  const over = 2n ** BigInt(Math.max(-power, 0)) * 10n ** BigInt(Math.max(-digits, 0));
  const value = mantissa * 2n ** BigInt(Math.max(power, 0)) * 10n ** BigInt(Math.max(digits, 0));
  const whole = value / over;
  const rest = 2n * (value % over);
  return rest > over || (rest === over && whole % 2n === 1n) ? whole + 1n : whole;
}

/** Decimal digits with a point before the last `places`. */
function withPoint(digits: bigint, places: number): string {
  const text = digits.toString().padStart(places + 1, '0');
  return places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`;
}

/** Digits after the point. */
const fixed = (x: number, digits: number): string => withPoint(scaled(x, digits), digits);

/** One digit before the point, and an exponent, which has two digits at least. */
function exponential(x: number, digits: number): string {
  let exponent = Number(x.toExponential().split('e')[1]);
  // The shortest digits may be those of the next power of ten, and rounding may lead there.
  if (x > 0 && scaled(x, digits - exponent) < 10n ** BigInt(digits)) exponent--;
  if (scaled(x, digits - exponent) >= 10n ** BigInt(digits + 1)) exponent++;
  const shown = String(Math.abs(exponent)).padStart(2, '0');
  return `${withPoint(scaled(x, digits - exponent), digits)}e${exponent < 0 ? '-' : '+'}${shown}`;
}

/** The shorter form: with an exponent from `limit` on. */
function general(x: number, precision: number, limit = precision): string {
  const [, exponent] = exponential(x, precision - 1).split('e');
  const at = Number(exponent);
  const trim = (digits: string): string =>
    digits.includes('.') ? digits.replace(/\.?0+(?=e|$)/, '') : digits;
  return at < -4 || at >= limit
    ? trim(exponential(x, precision - 1))
    : trim(fixed(x, precision - 1 - at));
}
