/** How scalar functions are spelled in StableHLO text. Those that StableHLO lacks are printed as composites named `palladia.<name>`. */
import type { CompareFn, ScalarFn } from '../scalar.ts';

/** Scalar functions that are ops; comparisons share the op `compare`. */
export type NamedFn = Exclude<ScalarFn, CompareFn>;

/** Ops of the `chlo` dialect print their operand types without parentheses. */
export const mnemonics: Readonly<Record<NamedFn, string>> = {
  neg: 'stablehlo.negate',
  abs: 'stablehlo.abs',
  sign: 'stablehlo.sign',
  floor: 'stablehlo.floor',
  ceil: 'stablehlo.ceil',
  trunc: 'palladia.trunc',
  roundNearestAfz: 'stablehlo.round_nearest_afz',
  roundNearestEven: 'stablehlo.round_nearest_even',
  exp: 'stablehlo.exponential',
  exp2: 'palladia.exp2',
  expm1: 'stablehlo.exponential_minus_one',
  log: 'stablehlo.log',
  log2: 'palladia.log2',
  log1p: 'stablehlo.log_plus_one',
  sin: 'stablehlo.sine',
  cos: 'stablehlo.cosine',
  tan: 'stablehlo.tan',
  asin: 'chlo.asin',
  acos: 'chlo.acos',
  atan: 'chlo.atan',
  sinh: 'chlo.sinh',
  cosh: 'chlo.cosh',
  tanh: 'stablehlo.tanh',
  asinh: 'chlo.asinh',
  acosh: 'chlo.acosh',
  atanh: 'chlo.atanh',
  sqrt: 'stablehlo.sqrt',
  rsqrt: 'stablehlo.rsqrt',
  cbrt: 'stablehlo.cbrt',
  logistic: 'stablehlo.logistic',
  erf: 'chlo.erf',
  erfc: 'chlo.erfc',
  erfInv: 'chlo.erf_inv',
  not: 'stablehlo.not',
  popcnt: 'stablehlo.popcnt',
  clz: 'stablehlo.count_leading_zeros',
  isFinite: 'stablehlo.is_finite',
  add: 'stablehlo.add',
  sub: 'stablehlo.subtract',
  mul: 'stablehlo.multiply',
  div: 'stablehlo.divide',
  rem: 'stablehlo.remainder',
  pow: 'stablehlo.power',
  atan2: 'stablehlo.atan2',
  max: 'stablehlo.maximum',
  min: 'stablehlo.minimum',
  nextAfter: 'chlo.next_after',
  and: 'stablehlo.and',
  or: 'stablehlo.or',
  xor: 'stablehlo.xor',
  shiftLeft: 'stablehlo.shift_left',
  shiftRightLogical: 'stablehlo.shift_right_logical',
  shiftRightArithmetic: 'stablehlo.shift_right_arithmetic',
  fma: 'palladia.fma',
  clamp: 'stablehlo.clamp',
};

/** Scalar functions by their spelling. */
export const functionOf: ReadonlyMap<string, NamedFn> = new Map(
  (Object.keys(mnemonics) as NamedFn[]).map((fn): [string, NamedFn] => [mnemonics[fn], fn]),
);
