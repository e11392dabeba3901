/**
 * What every scalar function means, for every dtype: the oracle of all engines. Floats are computed in double precision and rounded once
 * to the element type; integers wrap; 64-bit integers are bigints; complex numbers are pairs. Sources: StableHLO specification, XLA's
 * behaviour where that leaves freedom (integer division by zero, shifts past the width, conversion of NaN).
 * Accuracy of the double-precision functions: that of `Math`, and a few ulp of f64 for the error functions.
 */
import { dtypeInfo, isBig, isComplex, type DType } from '../core/dtype.ts';
import { LoweringError } from '../core/errors.ts';
import { complexTable, type Complex, type ComplexName } from './scalar-complex.ts';
import { bigTable, integerTable, type IntegerName } from './scalar-integer.ts';
import { erf, erfc, erfInv, logistic, nextAfter, pow, roundAwayFromZero } from './scalar-real.ts';
import {
  maxOf,
  maxOfBig,
  minOf,
  minOfBig,
  rounderOf,
  roundEven,
  wrapBig,
  type Element,
} from './scalar-round.ts';
import {
  scalarInfo,
  type BinaryFn,
  type CompareFn,
  type ScalarFn,
  type TernaryFn,
  type UnaryFn,
} from './scalar.ts';

export type { Element } from './scalar-round.ts';

/** A scalar function on elements. Operands past its arity are ignored. */
export type ElementFn = (x: Element, y: Element, z: Element) => Element;
/** A scalar function on numbers: every dtype but the 64-bit integers and the complex ones. */
export type NumberFn = (x: number, y: number, z: number) => number;

type FloatName =
  | Exclude<UnaryFn, 'not' | 'popcnt' | 'clz'>
  | Exclude<
      BinaryFn,
      | 'and'
      | 'or'
      | 'xor'
      | 'shiftLeft'
      | 'shiftRightLogical'
      | 'shiftRightArithmetic'
      | 'nextAfter'
    >
  | CompareFn
  | TernaryFn;

/** Floats, in double precision, before rounding. */
const floatTable: Readonly<Record<FloatName, NumberFn>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  roundNearestAfz: roundAwayFromZero,
  roundNearestEven: roundEven,
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  cbrt: Math.cbrt,
  logistic,
  erf,
  erfc,
  erfInv,
  isFinite: (x) => Number(Number.isFinite(x)),
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  rem: (x, y) => x % y,
  pow,
  atan2: Math.atan2,
  max: (x, y) => Math.max(x, y),
  min: (x, y) => Math.min(x, y),
  eq: (x, y) => Number(x === y),
  ne: (x, y) => Number(x !== y),
  lt: (x, y) => Number(x < y),
  le: (x, y) => Number(x <= y),
  gt: (x, y) => Number(x > y),
  ge: (x, y) => Number(x >= y),
  fma: (x, y, z) => x * y + z,
  clamp: (lo, x, hi) => Math.min(Math.max(lo, x), hi),
};

type BoolName =
  | Extract<BinaryFn, 'add' | 'mul' | 'max' | 'min' | 'and' | 'or' | 'xor'>
  | 'not'
  | CompareFn;

/** Bools, as 0 and 1: `add` and `max` are or, `mul` and `min` are and. */
const boolTable: Readonly<Record<BoolName, NumberFn>> = {
  not: (x) => 1 - x,
  add: (x, y) => x | y,
  max: (x, y) => x | y,
  or: (x, y) => x | y,
  mul: (x, y) => x & y,
  min: (x, y) => x & y,
  and: (x, y) => x & y,
  xor: (x, y) => x ^ y,
  eq: (x, y) => Number(x === y),
  ne: (x, y) => Number(x !== y),
  lt: (x, y) => Number(x < y),
  le: (x, y) => Number(x <= y),
  gt: (x, y) => Number(x > y),
  ge: (x, y) => Number(x >= y),
};

/** Exponents of the smallest normal numbers, and stored mantissa bits. */
const formats: Readonly<
  Partial<Record<DType, readonly [minExponent: number, mantissaBits: number]>>
> = {
  f16: [-14, 10],
  bf16: [-126, 7],
  f32: [-126, 23],
  f64: [-1022, 52],
};

const missing = (fn: ScalarFn, dtype: DType): LoweringError =>
  new LoweringError(
    `${fn}: takes ${scalarInfo[fn].takes.join(', ')} operands; got ${dtypeInfo[dtype].longName}. Convert the operands first.`,
  );

function lookup<N extends string, F>(table: Readonly<Record<N, F>>, fn: ScalarFn, dtype: DType): F {
  // The registry door: a function that the table lacks is refused here.
  const found = (table as Readonly<Partial<Record<string, F>>>)[fn];
  if (found === undefined) throw missing(fn, dtype);
  return found;
}

/**
 * What a scalar function does on numbers of a dtype that is neither a 64-bit integer nor complex. The result is rounded.
 *
 * @throws LoweringError when the dtype does not have the function.
 */
export function numberMeaning(fn: ScalarFn, dtype: DType): NumberFn {
  const { kind } = dtypeInfo[dtype];
  if (kind === 'bool') return lookup<BoolName, NumberFn>(boolTable, fn, dtype);
  if (kind === 'int' || kind === 'uint')
    return lookup<IntegerName, NumberFn>(integerTable(dtype), fn, dtype);
  const format = formats[dtype];
  if (fn === 'nextAfter' && format !== undefined) return (x, y) => nextAfter(x, y, ...format);
  const exact = lookup<FloatName, NumberFn>(floatTable, fn, dtype);
  if (dtype === 'f64' || scalarInfo[fn].gives === 'bool') return exact;
  const round = rounderOf(dtype);
  return (x, y, z) => round(exact(x, y, z));
}

/** The double-precision function without the rounding, for sums that round once at their end. Floats only. */
export const unroundedMeaning = (fn: ScalarFn, dtype: DType): NumberFn =>
  dtypeInfo[dtype].kind === 'float' && fn !== 'nextAfter'
    ? lookup<FloatName, NumberFn>(floatTable, fn, dtype)
    : numberMeaning(fn, dtype);

/**
 * What a scalar function does on elements of a dtype. The result is rounded or wrapped into the result's dtype.
 *
 * @throws LoweringError when the dtype does not have the function.
 */
export function meaning(fn: ScalarFn, dtype: DType): ElementFn {
  // Elements of a dtype have one representation, which the callers keep: the casts below say which.
  if (isBig(dtype))
    return lookup<IntegerName, unknown>(bigTable(dtype as 'i64' | 'u64'), fn, dtype) as ElementFn;
  if (!isComplex(dtype)) return numberMeaning(fn, dtype) as unknown as ElementFn;
  const exact = lookup<ComplexName, unknown>(complexTable, fn, dtype) as (
    x: Complex,
    y: Complex,
  ) => Element;
  const round = rounderOf(dtype);
  return (x, y) => {
    const result = exact(x as Complex, y as Complex);
    return typeof result === 'object'
      ? [round(result[0]), round(result[1])]
      : round(Number(result));
  };
}

/** Float to integer: towards zero, saturating; NaN gives 0. */
function floatToInteger(x: number, to: DType): Element {
  if (isBig(to)) {
    const [low, high] = [minOfBig(to as 'i64' | 'u64'), maxOfBig(to as 'i64' | 'u64')];
    if (Number.isNaN(x)) return 0n;
    if (x >= Number(high)) return high;
    return x <= Number(low) ? low : BigInt(Math.trunc(x));
  }
  const whole = Math.trunc(x);
  return Number.isNaN(whole) ? 0 : Math.min(Math.max(whole, minOf(to)), maxOf(to)) + 0;
}

/** A bigint as a float, rounded once: through double precision it could round twice. */
function bigToFloat(x: bigint, to: DType): number {
  const nearest = Number(x);
  if (to === 'f64' || BigInt(nearest) === x) return rounderOf(to)(nearest);
  // Keep a sticky bit: 62 high bits are enough for every format below f64.
  const magnitude = x < 0n ? -x : x;
  const sticky = (magnitude >> 12n) << 12n;
  const odd = sticky === magnitude ? sticky : sticky | (1n << 12n);
  return rounderOf(to)(Number(odd) * (x < 0n ? -1 : 1));
}

function convertReal(x: number | bigint, from: DType, to: DType): Element {
  const target = dtypeInfo[to].kind;
  if (to === 'bool') return Number(typeof x === 'bigint' ? x !== 0n : x !== 0);
  if (target === 'float') return typeof x === 'bigint' ? bigToFloat(x, to) : rounderOf(to)(x);
  if (dtypeInfo[from].kind === 'float') return floatToInteger(Number(x), to);
  if (isBig(to)) return wrapBig(BigInt(x), to as 'i64' | 'u64');
  return typeof x === 'bigint' ? rounderOf(to)(Number(BigInt.asIntN(32, x))) : rounderOf(to)(x);
}

/**
 * Convert elements as XLA does: floats to integers towards zero and saturating (NaN gives 0), integers to narrower integers by wrapping,
 * anything to bool by comparing with zero, real numbers to complex ones with imaginary part 0, complex ones to their real part.
 */
export function conversion(from: DType, to: DType): (x: Element) => Element {
  if (from === to) return (x) => x;
  const round = rounderOf(to);
  if (isComplex(from)) {
    const part = from === 'complex64' ? 'f32' : 'f64';
    return (x) => {
      const [re, im] = x as Complex;
      if (isComplex(to)) return [round(re), round(im)];
      return to === 'bool' ? Number(re !== 0 || im !== 0) : convertReal(re, part, to);
    };
  }
  if (isComplex(to)) {
    const part = to === 'complex64' ? 'f32' : 'f64';
    return (x) => [convertReal(x as number | bigint, from, part) as number, 0];
  }
  return (x) => convertReal(x as number | bigint, from, to);
}
