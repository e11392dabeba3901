/**
 * Scalar functions on integers as XLA computes them: wrap-around everywhere, division by zero gives −1 (all ones), remainder by zero the
 * dividend, MIN / −1 = MIN, shifts of the width or more give 0 or the sign, a negative power of anything but ±1 is 0.
 */
import { dtypeInfo, type DType } from '../core/dtype.ts';
import { rounderOf, wrapBig } from './scalar-round.ts';
import type { BinaryFn, CompareFn, TernaryFn, UnaryFn } from './scalar.ts';

/** Functions on numbers of at most 32 bits. */
export type IntegerFn = (x: number, y: number, z: number) => number;
/** Functions on bigints of 64 bits. */
export type BigFn = (x: bigint, y: bigint, z: bigint) => bigint | number;

/** The scalar functions that integers have. */
export type IntegerName =
  | Extract<UnaryFn, 'neg' | 'abs' | 'sign' | 'not' | 'popcnt' | 'clz'>
  | Exclude<BinaryFn, 'atan2' | 'nextAfter'>
  | Extract<TernaryFn, 'clamp'>
  | CompareFn;

function powSmall(x: number, y: number): number {
  if (y < 0) return x === 1 ? 1 : x === -1 ? (y % 2 === 0 ? 1 : -1) : 0;
  let [result, base] = [1, x];
  for (let e = y >>> 0; e > 0; e >>>= 1) {
    if (e & 1) result = Math.imul(result, base);
    base = Math.imul(base, base);
  }
  return result;
}

/** Integers of at most 32 bits: the exact result, or one that is right after wrapping. `bits` is the width. */
function smallTable(bits: number, isSigned: boolean): Record<IntegerName, IntegerFn> {
  const mask = bits === 32 ? 0xffffffff : 2 ** bits - 1;
  // A shift amount counts as unsigned, so a negative one is larger than any width.
  const inRange = (y: number): boolean => y >= 0 && y < bits;
  return {
    neg: (x) => -x,
    abs: (x) => Math.abs(x),
    sign: (x) => Math.sign(x),
    not: (x) => ~x,
    popcnt: (x) => {
      let n = 0;
      for (let rest = (x & mask) >>> 0; rest !== 0; rest &= rest - 1) n++;
      return n;
    },
    clz: (x) => Math.clz32((x & mask) >>> 0) - (32 - bits),
    add: (x, y) => x + y,
    sub: (x, y) => x - y,
    mul: Math.imul,
    div: (x, y) => (y === 0 ? -1 : Math.trunc(x / y)),
    rem: (x, y) => (y === 0 ? x : x % y),
    pow: powSmall,
    max: (x, y) => (x > y ? x : y),
    min: (x, y) => (x < y ? x : y),
    and: (x, y) => x & y,
    or: (x, y) => x | y,
    xor: (x, y) => x ^ y,
    shiftLeft: (x, y) => (inRange(y) ? x << y : 0),
    shiftRightLogical: (x, y) => (inRange(y) ? ((x & mask) >>> 0) >>> y : 0),
    shiftRightArithmetic: (x, y) => {
      const signed = isSigned ? x : (x << (32 - bits)) >> (32 - bits);
      return signed >> (inRange(y) ? y : 31);
    },
    clamp: (lo, x, hi) => Math.min(Math.max(lo, x), hi),
    eq: (x, y) => Number(x === y),
    ne: (x, y) => Number(x !== y),
    lt: (x, y) => Number(x < y),
    le: (x, y) => Number(x <= y),
    gt: (x, y) => Number(x > y),
    ge: (x, y) => Number(x >= y),
  };
}

/** Wrap a function's result into the dtype; comparisons give 0 or 1, which every dtype holds. */
function wrapped(
  table: Record<IntegerName, IntegerFn>,
  dtype: DType,
): Record<IntegerName, IntegerFn> {
  const wrap = rounderOf(dtype);
  const entries = (Object.keys(table) as IntegerName[]).map((name): [IntegerName, IntegerFn] => {
    const fn = table[name];
    return [name, (x, y, z) => wrap(fn(x, y, z))];
  });
  return Object.fromEntries(entries) as Record<IntegerName, IntegerFn>;
}

const small = new Map<DType, Record<IntegerName, IntegerFn>>();

/** The functions of an integer dtype of at most 32 bits. */
export function integerTable(dtype: DType): Record<IntegerName, IntegerFn> {
  let table = small.get(dtype);
  if (table === undefined) {
    const { bits, kind } = dtypeInfo[dtype];
    table = wrapped(smallTable(bits, kind === 'int'), dtype);
    small.set(dtype, table);
  }
  return table;
}

function powBig(x: bigint, y: bigint, dtype: 'i64' | 'u64'): bigint {
  if (y < 0n) return x === 1n ? 1n : x === -1n ? (y % 2n === 0n ? 1n : -1n) : 0n;
  let [result, base] = [1n, x];
  for (let e = y; e > 0n; e >>= 1n) {
    if ((e & 1n) === 1n) result = wrapBig(result * base, dtype);
    base = wrapBig(base * base, dtype);
  }
  return result;
}

function popcntBig(x: bigint): bigint {
  let n = 0n;
  for (let rest = BigInt.asUintN(64, x); rest !== 0n; rest &= rest - 1n) n++;
  return n;
}

function bigTableOf(dtype: 'i64' | 'u64'): Record<IntegerName, BigFn> {
  const wrap = (x: bigint): bigint => wrapBig(x, dtype);
  const unsigned = (x: bigint): bigint => BigInt.asUintN(64, x);
  const signed = (x: bigint): bigint => BigInt.asIntN(64, x);
  const inRange = (y: bigint): boolean => y >= 0n && y < 64n;
  return {
    neg: (x) => wrap(-x),
    abs: (x) => wrap(x < 0n ? -x : x),
    sign: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
    not: (x) => wrap(~x),
    popcnt: popcntBig,
    clz: (x) => BigInt(64 - (x === 0n ? 0 : unsigned(x).toString(2).length)),
    add: (x, y) => wrap(x + y),
    sub: (x, y) => wrap(x - y),
    mul: (x, y) => wrap(x * y),
    div: (x, y) => wrap(y === 0n ? -1n : x / y),
    rem: (x, y) => (y === 0n ? x : x % y),
    pow: (x, y) => powBig(x, y, dtype),
    max: (x, y) => (x > y ? x : y),
    min: (x, y) => (x < y ? x : y),
    and: (x, y) => x & y,
    or: (x, y) => x | y,
    xor: (x, y) => x ^ y,
    shiftLeft: (x, y) => (inRange(y) ? wrap(x << y) : 0n),
    shiftRightLogical: (x, y) => (inRange(y) ? wrap(unsigned(x) >> y) : 0n),
    shiftRightArithmetic: (x, y) => wrap(signed(x) >> (inRange(y) ? y : 63n)),
    clamp: (lo, x, hi) => {
      const low = x < lo ? lo : x;
      return low > hi ? hi : low;
    },
    eq: (x, y) => Number(x === y),
    ne: (x, y) => Number(x !== y),
    lt: (x, y) => Number(x < y),
    le: (x, y) => Number(x <= y),
    gt: (x, y) => Number(x > y),
    ge: (x, y) => Number(x >= y),
  };
}

const big = { i64: bigTableOf('i64'), u64: bigTableOf('u64') };

/** The functions of a 64-bit integer dtype. */
export const bigTable = (dtype: 'i64' | 'u64'): Record<IntegerName, BigFn> => big[dtype];
