/** Bitwise functions of integers and logical functions of bools. None has a derivative. */
import type { None, Primitive } from '../core/primitive.ts';
import { binary, binaryOp, unary, unaryOp, type BinaryOp, type UnaryOp } from './elementwise.ts';

/** `not`. */
export const notP: Primitive<None> = unary('not', 'zero');
/** `and`. */
export const andP: Primitive<None> = binary('and', 'zero');
/** `or`. */
export const orP: Primitive<None> = binary('or', 'zero');
/** `xor`. */
export const xorP: Primitive<None> = binary('xor', 'zero');
/** `shift_left`. */
export const shiftLeftP: Primitive<None> = binary('shift_left', 'zero');
/** `shift_right_logical`. */
export const shiftRightLogicalP: Primitive<None> = binary('shift_right_logical', 'zero');
/** `shift_right_arithmetic`. */
export const shiftRightArithmeticP: Primitive<None> = binary('shift_right_arithmetic', 'zero');
/** `population_count`. */
export const populationCountP: Primitive<None> = unary('population_count', 'zero', {
  fn: 'popcnt',
});
/** `clz`. */
export const clzP: Primitive<None> = unary('clz', 'zero');

/**
 * Complement: of every bit of integers, or of bools.
 *
 * @throws DTypeError for floats.
 * @example
 * String(lax.not(lax.iota('i32', 2))); // → [-1 -2]
 */
export const not: UnaryOp = unaryOp(notP);
/**
 * Bitwise (integers) or logical (bools) and.
 *
 * @throws ShapeError or DTypeError when the operands do not fit.
 * @example
 * String(lax.and(lax.iota('i32', 4), 1)); // → [0 1 0 1]
 */
export const and: BinaryOp = binaryOp(andP);
/** Bitwise or logical or. @throws ShapeError or DTypeError when the operands do not fit. */
export const or: BinaryOp = binaryOp(orP);
/** Bitwise or logical exclusive or. @throws ShapeError or DTypeError when the operands do not fit. */
export const xor: BinaryOp = binaryOp(xorP);
/** Shift bits to the left; 0 when the shift reaches the width. @throws ShapeError or DTypeError when the operands do not fit. */
export const shiftLeft: BinaryOp = binaryOp(shiftLeftP);
/** Shift bits to the right and fill with 0. @throws ShapeError or DTypeError when the operands do not fit. */
export const shiftRightLogical: BinaryOp = binaryOp(shiftRightLogicalP);
/** Shift bits to the right and fill with the sign. @throws ShapeError or DTypeError when the operands do not fit. */
export const shiftRightArithmetic: BinaryOp = binaryOp(shiftRightArithmeticP);
/** The number of bits that are set. @throws DTypeError for operands that are not integers. */
export const populationCount: UnaryOp = unaryOp(populationCountP);
/** The number of zero bits before the first that is set. @throws DTypeError for operands that are not integers. */
export const clz: UnaryOp = unaryOp(clzP);
