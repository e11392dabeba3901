/**
 * The closed set of scalar functions: names, arity, which types they take and give. What each means stands in
 * `scalar-meaning.ts` (the oracle); expansions of transcendental functions in `math.ts`; spellings per target in `wgsl/` and `wasm/`.
 * A new name breaks the build in every table that must answer for it.
 */
import type { DType, Kind } from '../core/dtype.ts';

/** Functions of one operand with a result of the same type (`isFinite` gives bool). */
export type UnaryFn =
  | 'neg'
  | 'abs'
  | 'sign'
  | 'floor'
  | 'ceil'
  | 'trunc'
  | 'roundNearestAfz'
  | 'roundNearestEven'
  | 'exp'
  | 'exp2'
  | 'expm1'
  | 'log'
  | 'log2'
  | 'log1p'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'sqrt'
  | 'rsqrt'
  | 'cbrt'
  | 'logistic'
  | 'erf'
  | 'erfc'
  | 'erfInv'
  | 'not'
  | 'popcnt'
  | 'clz'
  | 'isFinite';

/** Functions of two operands of one type with a result of that type. */
export type BinaryFn =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'rem'
  | 'pow'
  | 'atan2'
  | 'max'
  | 'min'
  | 'nextAfter'
  | 'and'
  | 'or'
  | 'xor'
  | 'shiftLeft'
  | 'shiftRightLogical'
  | 'shiftRightArithmetic';

/** Comparisons: two operands of one type, a bool result; false when an operand is NaN, except `ne`. */
export type CompareFn = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';

/** Functions of three operands: `fma(x, y, z)` is x·y + z rounded once or twice; `clamp(lo, x, hi)`. */
export type TernaryFn = 'fma' | 'clamp';

/** Every scalar function. `select`, `convert` and `bitcast` change types and are ops of their own in each IR. */
export type ScalarFn = UnaryFn | BinaryFn | CompareFn | TernaryFn;

/** Signature of a scalar function. */
export interface ScalarInfo {
  readonly arity: 1 | 2 | 3;
  /** Families of types that it takes. */
  readonly takes: readonly Kind[];
  readonly gives: 'same' | 'bool';
  /** Computed by the target's own instruction; the others are expanded by `math.ts` before emission. */
  readonly native: boolean;
}

const number: readonly Kind[] = ['int', 'uint', 'float', 'complex'];
const real: readonly Kind[] = ['int', 'uint', 'float'];
const any: readonly Kind[] = ['bool', 'int', 'uint', 'float', 'complex'];
const ordered: readonly Kind[] = ['bool', 'int', 'uint', 'float', 'complex'];
const float: readonly Kind[] = ['float'];
const inexact: readonly Kind[] = ['float', 'complex'];
const bits: readonly Kind[] = ['bool', 'int', 'uint'];
const integer: readonly Kind[] = ['int', 'uint'];

const one = (takes: readonly Kind[], native = false): ScalarInfo => ({
  arity: 1,
  takes,
  gives: 'same',
  native,
});
const two = (takes: readonly Kind[], native = false): ScalarInfo => ({
  arity: 2,
  takes,
  gives: 'same',
  native,
});
const compare = (takes: readonly Kind[]): ScalarInfo => ({
  arity: 2,
  takes,
  gives: 'bool',
  native: true,
});

/** Signatures. */
export const scalarInfo: Readonly<Record<ScalarFn, ScalarInfo>> = {
  neg: one(number, true),
  abs: one(number, true),
  sign: one(number, true),
  floor: one(float, true),
  ceil: one(float, true),
  trunc: one(float, true),
  roundNearestAfz: one(float, true),
  roundNearestEven: one(float, true),
  exp: one(inexact),
  exp2: one(inexact),
  expm1: one(inexact),
  log: one(inexact),
  log2: one(inexact),
  log1p: one(inexact),
  sin: one(inexact),
  cos: one(inexact),
  tan: one(inexact),
  asin: one(inexact),
  acos: one(inexact),
  atan: one(inexact),
  sinh: one(inexact),
  cosh: one(inexact),
  tanh: one(inexact),
  asinh: one(inexact),
  acosh: one(inexact),
  atanh: one(inexact),
  sqrt: one(inexact, true),
  rsqrt: one(inexact),
  cbrt: one(float),
  logistic: one(inexact),
  erf: one(float),
  erfc: one(float),
  erfInv: one(float),
  not: one(bits, true),
  popcnt: one(integer, true),
  clz: one(integer, true),
  isFinite: { arity: 1, takes: float, gives: 'bool', native: true },
  add: two(any, true),
  sub: two(number, true),
  mul: two(any, true),
  div: two(number, true),
  rem: two(real),
  pow: two(number),
  atan2: two(inexact),
  max: two(ordered, true),
  min: two(ordered, true),
  nextAfter: two(float),
  and: two(bits, true),
  or: two(bits, true),
  xor: two(bits, true),
  shiftLeft: two(integer, true),
  shiftRightLogical: two(integer, true),
  shiftRightArithmetic: two(integer, true),
  eq: compare(any),
  ne: compare(any),
  lt: compare(ordered),
  le: compare(ordered),
  gt: compare(ordered),
  ge: compare(ordered),
  fma: { arity: 3, takes: float, gives: 'same', native: true },
  clamp: { arity: 3, takes: real, gives: 'same', native: true },
};

/** Named combiners of reductions and scans. On bool, add is or, mul is and. NaN propagates through max and min. */
export type Combiner = 'add' | 'mul' | 'max' | 'min' | 'and' | 'or' | 'xor';

/** Every named combiner. */
export const combiners: readonly Combiner[] = ['add', 'mul', 'max', 'min', 'and', 'or', 'xor'];

/** The type of a scalar function's result on operands of type `dtype`. */
export function resultDType(fn: ScalarFn, dtype: DType): DType {
  if (fn === 'abs' && dtype === 'complex64') return 'f32';
  if (fn === 'abs' && dtype === 'complex128') return 'f64';
  return scalarInfo[fn].gives === 'bool' ? 'bool' : dtype;
}
