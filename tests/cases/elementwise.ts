// Cases of elementwise operations: domains keep away from kinks and poles; those are tested one by one in tests/lax.
import * as lax from '../../lax/index.ts';
import { bool, distinct, int, make, nonzero, real, type ArgumentSpec, type Case } from './case.ts';

type Unary = (x: Parameters<typeof lax.neg>[0]) => ReturnType<typeof lax.neg>;

const erfSeries = (x: number): number => {
  // erf x = 2/√π Σ (-1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)); fine for |x| ≤ 3
  let [term, sum] = [x, x];
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};

const floats: readonly (readonly [string, Unary, ArgumentSpec, (x: number) => number])[] = [
  ['neg', lax.neg, real([3, 4]), (x) => -x],
  ['abs', lax.abs, nonzero([3, 4]), Math.abs],
  ['sign', lax.sign, nonzero([5]), Math.sign],
  ['floor', lax.floor, real([7], 0.1, 0.9), Math.floor],
  ['ceil', lax.ceil, real([7], -3.9, -3.1), Math.ceil],
  ['exp', lax.exp, real([3, 4]), Math.exp],
  ['exp2', lax.exp2, real([7]), (x) => 2 ** x],
  ['expm1', lax.expm1, real([7]), Math.expm1],
  ['log', lax.log, real([7], 0.2, 5), Math.log],
  ['log1p', lax.log1p, real([7], -0.8, 5), Math.log1p],
  ['logistic', lax.logistic, real([7]), (x) => 1 / (1 + Math.exp(-x))],
  ['sin', lax.sin, real([2, 3]), Math.sin],
  ['cos', lax.cos, real([7]), Math.cos],
  ['tan', lax.tan, real([7], -1.2, 1.2), Math.tan],
  ['asin', lax.asin, real([7], -0.9, 0.9), Math.asin],
  ['acos', lax.acos, real([7], -0.9, 0.9), Math.acos],
  ['atan', lax.atan, real([7]), Math.atan],
  ['sinh', lax.sinh, real([7]), Math.sinh],
  ['cosh', lax.cosh, real([7]), Math.cosh],
  ['tanh', lax.tanh, real([7]), Math.tanh],
  ['asinh', lax.asinh, real([7]), Math.asinh],
  ['acosh', lax.acosh, real([7], 1.2, 5), Math.acosh],
  ['atanh', lax.atanh, real([7], -0.9, 0.9), Math.atanh],
  ['sqrt', lax.sqrt, real([7], 0.2, 5), Math.sqrt],
  ['rsqrt', lax.rsqrt, real([7], 0.2, 5), (x) => 1 / Math.sqrt(x)],
  ['cbrt', lax.cbrt, nonzero([7]), Math.cbrt],
  ['erf', lax.erf, real([7]), erfSeries],
  ['erfc', lax.erfc, real([7]), (x) => 1 - erfSeries(x)],
  ['square', lax.square, real([7]), (x) => x * x],
  ['reciprocal', lax.reciprocal, nonzero([7]), (x) => 1 / x],
  ['stopGradient scaled', (x) => lax.mul(lax.stopGradient(x), 0), real([3]), () => 0],
];

const x34 = real([3, 4]);

/** Cases of elementwise operations. */
export const elementwiseCases: readonly Case[] = [
  ...floats.map(([name, f, arg, meaning]) => make(name, [arg], f, { meaning })),
  make('erfInv', [real([7], -0.9, 0.9)], lax.erfInv),
  make('round half away', [real([6], 0.6, 1.4)], (x) => lax.round(x), { meaning: Math.round }),
  make('round to even', [real([6], 0.6, 1.4)], (x) => lax.round(x, 'toNearestEven')),
  make('isFinite', [real([5])], lax.isFinite, { meaning: () => 1 }),
  make('not', [bool([5])], lax.not, { meaning: (x) => 1 - x }),
  make('not of integers', [int([5])], lax.not, { meaning: (x) => ~x }),

  make('add', [x34, real([3, 4])], lax.add, { meaning: (x, y) => x + y }),
  make('add a scalar', [x34, real([])], lax.add, { meaning: (x, y) => x + y }),
  make('add with an axis of size 1', [real([3, 4]), real([3, 1])], lax.add),
  make('sub', [real([5]), real([5])], lax.sub, { meaning: (x, y) => x - y }),
  make('sub from a scalar', [real([]), real([5])], lax.sub, { meaning: (x, y) => x - y }),
  make('mul', [x34, real([3, 4])], lax.mul, { meaning: (x, y) => x * y }),
  make('mul a scalar', [real([]), x34], lax.mul, { meaning: (x, y) => x * y }),
  make('mul with an axis of size 1', [real([1, 4]), real([3, 4])], lax.mul),
  make('div', [real([5]), nonzero([5])], lax.div, { meaning: (x, y) => x / y }),
  make('div by a scalar', [real([5]), nonzero([])], lax.div, { meaning: (x, y) => x / y }),
  make('rem', [real([6], 5.1, 5.9), real([6], 2.1, 2.4)], lax.rem, { meaning: (x, y) => x % y }),
  make('pow', [real([5], 0.2, 3), real([5])], lax.pow, { meaning: Math.pow }),
  make('pow with integer exponents', [nonzero([5]), int([5], -2, 3)], lax.pow, {
    meaning: Math.pow,
    rtol: 1e-5,
  }),
  make('integerPow 3', [real([5])], (x) => lax.integerPow(x, 3), { meaning: (x) => x ** 3 }),
  make('integerPow 10', [real([5])], (x) => lax.integerPow(x, 10), { meaning: (x) => x ** 10 }),
  make('integerPow -2', [nonzero([5])], (x) => lax.integerPow(x, -2), { meaning: (x) => x ** -2 }),
  make('integerPow 0', [real([5])], (x) => lax.integerPow(x, 0), { meaning: () => 1 }),
  make('max', [distinct([6]), real([6], 0.01, 0.02)], lax.max, { meaning: Math.max }),
  make('min with a scalar', [distinct([6]), real([], 0.001, 0.002)], lax.min, {
    meaning: Math.min,
  }),
  make('atan2', [nonzero([6]), nonzero([6])], lax.atan2, { meaning: Math.atan2 }),
  make('nextafter', [real([5]), real([5])], lax.nextafter, {
    limits: {
      jvp: 'its derivative is zero by convention, as for rounding; differences see the identity',
      second: 'as jvp',
    },
  }),

  make('and', [int([6]), int([6])], lax.and, { meaning: (x, y) => x & y }),
  make('or of bools', [bool([6]), bool([6])], lax.or, { meaning: (x, y) => x | y }),
  make('xor', [int([6]), int([6])], lax.xor, { meaning: (x, y) => x ^ y }),
  make('shiftLeft', [int([6]), int([6], 0, 9)], lax.shiftLeft, { meaning: (x, y) => x << y }),
  make(
    'shiftRightLogical',
    [int([6], 0, 900, 'u32'), int([6], 0, 9, 'u32')],
    lax.shiftRightLogical,
    { meaning: (x, y) => x >>> y },
  ),
  make('shiftRightArithmetic', [int([6], -900, 900), int([6], 0, 9)], lax.shiftRightArithmetic, {
    meaning: (x, y) => x >> y,
  }),
  make('populationCount', [int([6], 0, 255)], lax.populationCount),
  make('clz', [int([6], 0, 255)], lax.clz, { meaning: Math.clz32 }),
  make('integer add', [int([6]), int([6])], lax.add, { meaning: (x, y) => x + y }),
  make('integer div', [int([6], -90, 90), int([6], 1, 9)], lax.div, {
    meaning: (x, y) => Math.trunc(x / y),
  }),
  make('integer rem', [int([6], -90, 90), int([6], 1, 9)], lax.rem, { meaning: (x, y) => x % y }),

  make('eq', [int([9], 0, 2), int([9], 0, 2)], lax.eq, { meaning: (x, y) => Number(x === y) }),
  make('ne', [int([9], 0, 2), int([], 0, 2)], lax.ne, { meaning: (x, y) => Number(x !== y) }),
  make('lt', [distinct([9]), distinct([9])], lax.lt, { meaning: (x, y) => Number(x < y) }),
  make('le', [int([9], 0, 2), int([9], 0, 2)], lax.le, { meaning: (x, y) => Number(x <= y) }),
  make('gt', [distinct([9]), real([])], lax.gt, { meaning: (x, y) => Number(x > y) }),
  make('ge', [bool([9]), bool([9])], lax.ge, { meaning: (x, y) => Number(x >= y) }),
  make('select', [bool([3, 2]), real([3, 2]), real([3, 2])], lax.select, {
    meaning: (p, x, y) => (p === 1 ? x : y),
  }),
  make('select by a scalar', [bool([]), real([3, 2]), real([3, 2])], lax.select, {
    meaning: (p, x, y) => (p === 1 ? x : y),
  }),
  make('selectN of three', [int([8], 0, 2), real([8]), real([8]), real([8])], lax.selectN, {
    meaning: (which, ...cases) => cases[which],
  }),
  make('clamp', [real([], -0.5, -0.4), distinct([7]), real([], 0.4, 0.5)], lax.clamp, {
    meaning: (low, x, high) => Math.min(Math.max(low, x), high),
  }),
  make('clamp by arrays', [real([7], -0.5, -0.4), distinct([7]), real([7], 0.4, 0.5)], lax.clamp, {
    meaning: (low, x, high) => Math.min(Math.max(low, x), high),
  }),
  make('addAny', [real([4]), real([4])], lax.addAny, { meaning: (x, y) => x + y }),
  make('convert to integers', [real([6], 0.1, 0.9)], (x) => lax.convertElementType(x, 'i32'), {
    meaning: Math.trunc,
  }),
  make('convert to f16', [real([6])], (x) => lax.convertElementType(x, 'f16'), {
    limits: { jvp: 'differences of f16 are coarse', second: 'as jvp' },
    rtol: 1e-3,
    meaning: (x) => x,
  }),
  make('convert integers to floats', [int([6])], (x) => lax.convertElementType(x, 'f32'), {
    meaning: (x) => x,
  }),
  make('bitcast', [int([6], 0, 9)], (x) => lax.bitcastConvertType(x, 'f32')),
  make('bitcast to halves', [int([3], 0, 99999)], (x) => lax.bitcastConvertType(x, 'u16')),
  make('bitcast from halves', [int([3, 2], 0, 99, 'u16')], (x) => lax.bitcastConvertType(x, 'u32')),
  make('bitcast of floats to bytes', [real([2, 3], -9, 9)], (x) => lax.bitcastConvertType(x, 'i8')),
  make('bitcast of bytes to floats', [int([2, 3, 4], -127, 127, 'i8')], (x) =>
    lax.bitcastConvertType(x, 'f32'),
  ),
  make('bitcast of a scalar to halves', [real([], 1, 9)], (x) => lax.bitcastConvertType(x, 'i16')),
  make('bitcast of bytes to halves', [int([2], 0, 99, 'u8')], (x) =>
    lax.bitcastConvertType(x, 'f16'),
  ),
  make('bitcast of halves to bytes', [real([3], -9, 9)], (x) =>
    lax.bitcastConvertType(lax.convertElementType(x, 'bf16'), 'u8'),
  ),
];
