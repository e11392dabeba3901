/**
 * Arithmetic, complex numbers, rounding, extrema and integer powers. Derivatives stand above each member; conventions at ties and
 * kinks are JAX's.
 */
import type { ArrayLike } from '../core/array.ts';
import { isComplex, isInteger, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import type { None, Primitive } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import { complexOver, realPart } from '../lowering/hlo/infer.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { eq, ge, select } from './comparison.ts';
import { convertElementType } from './convert.ts';
import { full, fullLike, onesLike, zerosLike } from './creation.ts';
import { definePrimitive, dtypeText, none } from './define.ts';
import {
  alignBatch,
  binary,
  binaryOp,
  broadcastShapes,
  commonDType,
  elementwise,
  known,
  spread,
  spreadHlo,
  unary,
  unaryOp,
  unspread,
  type BinaryOp,
  type UnaryOp,
} from './elementwise.ts';
import { literal, literalLike, operand, operands } from './operand.ts';

// --- linear and bilinear ------------------------------------------------------------------------------------------------------

/** `neg`: d(-x) = -dx. */
export const negP: Primitive<None> = unary('neg', 'linear', { transpose: [(ct) => neg(ct)] });

/** `add`: d(x + y) = dx + dy. */
export const addP: Primitive<None> = binary('add', () => [(t) => t, (t) => t], {
  transpose: [(ct) => ct, (ct) => ct],
});

/** `sub`: d(x - y) = dx - dy. */
export const subP: Primitive<None> = binary('sub', () => [(t) => t, (t) => neg(t)], {
  transpose: [(ct) => ct, (ct) => neg(ct)],
});

/** `mul`: d(x y) = dx y + x dy. */
export const mulP: Primitive<None> = binary('mul', (x, y) => [(t) => mul(t, y), (t) => mul(x, t)], {
  transpose: [(ct, [, y]) => mul(ct, known(y)), (ct, [x]) => mul(known(x), ct)],
});

/** `div`: d(x / y) = dx / y - dy x / y². Integers truncate towards 0; x / 0 is -1 there. */
export const divP: Primitive<None> = binary(
  'div',
  (x, y) => [(t) => div(t, y), (t) => mul(mul(neg(t), x), integerPow(y, -2))],
  { transpose: [(ct, [, y]) => div(ct, known(y)), null] },
);

/** `rem`: the remainder of truncated division; d rem(x, y) = dx - trunc(x / y) dy. */
export const remP: Primitive<None> = binary('rem', (x, y) => [
  (t) => t,
  (t) => mul(neg(t), mul(sign(div(x, y)), floor(abs(div(x, y))))),
]);

/**
 * The negative of each element.
 *
 * @throws DTypeError for bool.
 * @example
 * String(lax.neg(lax.iota('i32', 3))); // → [ 0 -1 -2]
 */
export const neg: UnaryOp = unaryOp(negP);
/**
 * x + y; `or` on bools.
 *
 * @throws ShapeError or DTypeError when the operands differ in shape or dtype.
 * @example
 * String(lax.add(lax.iota('i32', 3), 1)); // → [1 2 3]
 */
export const add: BinaryOp = binaryOp(addP);
/** x - y. @throws ShapeError or DTypeError when the operands do not fit. */
export const sub: BinaryOp = binaryOp(subP);
/** x y; `and` on bools. @throws ShapeError or DTypeError when the operands do not fit. */
export const mul: BinaryOp = binaryOp(mulP);
/** x / y; integers truncate towards 0. @throws ShapeError or DTypeError when the operands do not fit. */
export const div: BinaryOp = binaryOp(divP);
/** The remainder of x / y, with the sign of x. @throws ShapeError or DTypeError when the operands do not fit. */
export const rem: BinaryOp = binaryOp(remP);

// --- complex numbers ----------------------------------------------------------------------------------------------------------

/** Defines a part of complex numbers: linear over the reals, with a real result. */
function part(
  name: 'real' | 'imag',
  transpose: (ct: Value, zero: Value) => Value,
): Primitive<None> {
  const prim: Primitive<None> = definePrimitive<None>(name, {
    abstractEval: ([x]) => {
      if (!isComplex(x.dtype))
        throw new DTypeError(
          `${name}: takes complex operands; got ${x.toString()}. A real number is its own real part.`,
        );
      return [x.withDType(realPart(x.dtype), x.weakType)];
    },
    lower: (b, [x]) => [b[name](x)],
    jvp: 'linear',
    transpose: ([ct]) => [ct === null ? null : transpose(ct, literalLike(0, ct))],
    batch: ([x], [d]) => [[prim.bind1([x], none)], [d]],
  });
  return prim;
}

/** `real`: linear; its dual makes the cotangent the real part. */
export const realP: Primitive<None> = part('real', (ct, zero) => complex(ct, zero));
/** `imag`: linear over the reals; vector-Jacobian products are not conjugated, so its dual is -i ct. */
export const imagP: Primitive<None> = part('imag', (ct, zero) => complex(zero, neg(ct)));

/** `complex`: x + i y; its dual is the pair of real part and negative imaginary part. */
export const complexP: Primitive<None> = definePrimitive<None>('complex', {
  abstractEval: (avals) => {
    const dtype = commonDType('complex', avals, ['float']);
    if (dtype !== 'f32' && dtype !== 'f64')
      throw new DTypeError(
        `complex: the parts must be float32 or float64; got ${avals[0].toString()}. Convert with lax.convertElementType.`,
      );
    const shape = broadcastShapes('complex', avals);
    const weak = avals.every((a) => a.weakType);
    return [avals[0].withShape(shape).withDType(complexOver(dtype), weak)];
  },
  lower: (b, xs, _params, { avalsOut: [out] }) => {
    const [re, im] = xs.map((x) => spreadHlo(b, x, out.shape));
    return [b.complex(re, im)];
  },
  jvp: 'linear',
  transpose: ([ct], args) =>
    ct === null
      ? [null, null]
      : [real, (z: Value) => imag(neg(z))].map((dual, i) => unspread(dual(ct), args[i].aval.shape)),
  batch: (args, dims) => {
    const [lined, d] = alignBatch(args, dims);
    return [[complexP.bind1(lined, none)], [d]];
  },
});

/** Parameters of `conj`. */
export interface ConjParams {
  /** The dtype of the operand: the conjugate of a real number is complex, its cotangent is real. */
  readonly inputDtype: DType;
}

/** `conj`: linear over the reals; its dual is itself, and the real part for a real operand. */
export const conjP: Primitive<ConjParams> = definePrimitive<ConjParams>('conj', {
  abstractEval: ([x]) => {
    if (!isComplex(x.dtype) && x.dtype !== 'f32' && x.dtype !== 'f64')
      throw new DTypeError(
        `conj: takes complex, float32 or float64 operands; got ${x.toString()}. Convert with lax.convertElementType.`,
      );
    return [isComplex(x.dtype) ? x : x.withDType(complexOver(x.dtype), x.weakType)];
  },
  lower: (b, [x], { inputDtype }) =>
    isComplex(inputDtype)
      ? [b.complex(b.real(x), b.scalar('neg', b.imag(x)))]
      : [b.complex(x, b.constant(0, x.type.dtype, x.type.shape))],
  jvp: 'linear',
  transpose: ([ct], _args, { inputDtype }) => [
    ct === null ? null : isComplex(inputDtype) ? conj(ct) : real(ct),
  ],
  batch: ([x], [d], params) => [[conjP.bind1([x], params)], [d]],
  printParams: ({ inputDtype }) => ({ input_dtype: dtypeText(inputDtype) }),
});

/**
 * The complex numbers with these real and imaginary parts, f32 or f64. They run on the interpreter device.
 *
 * @throws ShapeError or DTypeError when the operands do not fit or are not f32 or f64.
 * @example
 * setDefaultDevice('interpreter');
 * String(lax.complex(1, 2)); // → (1+2j)
 * setDefaultDevice('wasm');
 */
export const complex: BinaryOp = (x, y) => complexP.bind1(operands('complex', x, y), none);
/** The real part of complex numbers. @throws DTypeError for operands that are not complex. */
export const real: UnaryOp = (x) => realP.bind1([operand('real', x)], none);
/** The imaginary part of complex numbers. @throws DTypeError for operands that are not complex. */
export const imag: UnaryOp = (x) => imagP.bind1([operand('imag', x)], none);
/** The complex conjugate; of real numbers, the same as complex numbers. @throws DTypeError for operands that are not complex, f32 or f64. */
export function conj(x: ArrayLike): Value {
  const value = operand('conj', x);
  return conjP.bind1([value], { inputDtype: value.dtype });
}

// --- signs and rounding -------------------------------------------------------------------------------------------------------

/** `sign`: -1, 0 or 1; the sign of NaN is NaN, of -0 is -0. */
export const signP: Primitive<None> = unary('sign', 'zero');
/** `abs`: d|x| = dx where x ≥ 0, else -dx; of complex numbers d|z| = Re(z̄ dz) / |z|, and 0 at 0. */
export const absP: Primitive<None> = unary('abs', (x, y) =>
  isComplex(x.dtype)
    ? (t) => {
        const size = convertElementType(y, x.dtype);
        const safe = select(eq(size, literalLike(0, size)), onesLike(size), size);
        return real(mul(t, div(conj(x), safe)));
      }
    : (t) => select(ge(x, literalLike(0, x)), t, neg(t)),
);
/** `floor`. */
export const floorP: Primitive<None> = unary('floor', 'zero');
/** `ceil`. */
export const ceilP: Primitive<None> = unary('ceil', 'zero');

/** Which integer a half goes to. */
export type RoundingMethod = 'awayFromZero' | 'toNearestEven';

/** Parameters of `round`. */
export interface RoundParams {
  readonly roundingMethod: RoundingMethod;
}

const roundingNumber: Readonly<Record<RoundingMethod, string>> = {
  awayFromZero: '0',
  toNearestEven: '1',
};

/** `round`: the nearest integer. */
export const roundP: Primitive<RoundParams> = elementwise<RoundParams>('round', {
  fn: 'roundNearestAfz',
  jvp: 'zero',
  lower: (b, [x], { roundingMethod }) =>
    b.scalar(roundingMethod === 'awayFromZero' ? 'roundNearestAfz' : 'roundNearestEven', x),
  printParams: ({ roundingMethod }) => ({ rounding_method: roundingNumber[roundingMethod] }),
});

/** -1, 0 or 1 by the sign of each element; NaN stays NaN. @throws DTypeError for bool. */
export const sign: UnaryOp = unaryOp(signP);
/**
 * The absolute value of each element, a real number also of complex ones. Its derivative at 0 is 1, of complex numbers 0.
 *
 * @throws DTypeError for bool.
 * @example
 * String(lax.abs(-2)); // → 2.0
 */
export const abs: UnaryOp = unaryOp(absP);
/** The greatest integer not above each element, as a float. @throws DTypeError for operands that are not floats. */
export const floor: UnaryOp = unaryOp(floorP);
/** The least integer not below each element, as a float. @throws DTypeError for operands that are not floats. */
export const ceil: UnaryOp = unaryOp(ceilP);
/**
 * The nearest integer of each element, as a float.
 *
 * @throws DTypeError for operands that are not floats.
 * @example
 * String(lax.round(2.5, 'toNearestEven')); // → 2.0
 */
export function round(x: ArrayLike, roundingMethod: RoundingMethod = 'awayFromZero'): Value {
  return roundP.bind1([operand('round', x)], { roundingMethod });
}

// --- extrema ------------------------------------------------------------------------------------------------------------------

/** The share of `x` in the derivative of max(x, y) = z: 1 where it is the extremum alone, ½ at ties. */
function share(x: Value, z: Value, y: Value): Value {
  const [xs, ys] = [spread(x, z.shape), spread(y, z.shape)];
  const isExtremum = select(eq(xs, z), fullLike(z, 1), zerosLike(z));
  const count = select(eq(ys, z), fullLike(z, 2), fullLike(z, 1));
  return div(isExtremum, count);
}

/** `max`: NaN when an operand is; ties share the derivative. */
export const maxP: Primitive<None> = binary('max', (x, y, z) => [
  (t) => mul(t, share(x, z, y)),
  (t) => mul(t, share(y, z, x)),
]);
/** `min`: NaN when an operand is; ties share the derivative. */
export const minP: Primitive<None> = binary('min', (x, y, z) => [
  (t) => mul(t, share(x, z, y)),
  (t) => mul(t, share(y, z, x)),
]);

/**
 * The greater of x and y; NaN when one is. Equal operands share the derivative.
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.max(lax.iota('i32', 3), 1)); // → [1 1 2]
 */
export const max: BinaryOp = binaryOp(maxP);
/** The lesser of x and y; NaN when one is. @throws ShapeError or DTypeError when the operands do not fit. */
export const min: BinaryOp = binaryOp(minP);

/** `nextafter`. */
export const nextafterP: Primitive<None> = binary('nextafter', 'zero', { fn: 'nextAfter' });
/** The float next to x in the direction of y. @throws ShapeError or DTypeError when the operands do not fit. */
export const nextafter: BinaryOp = binaryOp(nextafterP);

// --- integer powers -----------------------------------------------------------------------------------------------------------

/** Parameters of `integer_pow`. */
export interface IntegerPowParams {
  readonly y: number;
}

/** xⁿ by repeated squaring, 1 / x⁻ⁿ for negative n. */
function powerHlo(b: HloBuilder, x: HloValue, y: number): HloValue {
  const { dtype, shape } = x.type;
  const one = (): HloValue => b.constant(literal(1, dtype).scalar ?? 1, dtype, shape);
  if (y === 0) return one();
  let result: HloValue | undefined;
  let square = x;
  for (let n = Math.abs(y); n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) result = result === undefined ? square : b.scalar('mul', result, square);
    if (n > 1) square = b.scalar('mul', square, square);
  }
  return y < 0 ? b.scalar('div', one(), result ?? x) : (result ?? x);
}

/** `integer_pow`: d xⁿ = n xⁿ⁻¹ dx, and 0 for n = 0. */
export const integerPowP: Primitive<IntegerPowParams> = elementwise<IntegerPowParams>(
  'integer_pow',
  {
    fn: 'mul',
    jvp: ([x], _out, { y }) => [
      y === 0
        ? null
        : (t) => mul(t, y === 1 ? fullLike(x, 1) : mul(literalLike(y, x), integerPow(x, y - 1))),
    ],
    lower: (b, [x], { y }) => powerHlo(b, x, y),
    printParams: ({ y }) => ({ y: String(y) }),
  },
);

/** `square`: d x² = 2 x dx. */
export const squareP: Primitive<None> = unary(
  'square',
  (x) => (t) => mul(t, mul(literalLike(2, x), x)),
  {
    fn: 'mul',
    lower: (b, [x]) => b.scalar('mul', x, x),
  },
);

/**
 * x to a JavaScript integer power, by repeated multiplication.
 *
 * @throws ArgumentError when `y` is no integer, or negative for an integer array.
 * @example
 * String(lax.integerPow(2, 10)); // → 1024.0
 */
export function integerPow(x: ArrayLike, y: number): Value {
  const value = operand('integerPow', x);
  if (!Number.isInteger(y))
    throw new ArgumentError(
      `integerPow: the power must be a JavaScript integer; got ${String(y)}. Use lax.pow.`,
    );
  if (y < 0 && isInteger(value.dtype))
    throw new ArgumentError(
      `integerPow: integers have no negative powers; got ${value.aval.toString()} to ${y}. Convert to a float first.`,
    );
  if (y === 0) return full(value.shape, 1, value.dtype);
  return y === 1 ? value : integerPowP.bind1([value], { y });
}

/** x². @throws DTypeError for operands that are not numbers. */
export const square: UnaryOp = unaryOp(squareP);

/** 1 / x. @throws ArgumentError for integers. */
export const reciprocal: UnaryOp = (x) => integerPow(x, -1);
