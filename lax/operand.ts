/**
 * How arguments become operands: JavaScript numbers take the dtype of the array beside them, everything else is left alone.
 * Promotion between arrays is not done here: `lax` demands equal dtypes, `numpy` promotes.
 */
import { asValue, NDArray, scalarFor, type ArrayLike } from '../core/array.ts';
import { dtypeInfo, isBig, isInteger, type DType } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { Value } from '../core/value.ts';

/** The weak rank-0 constant `value` of this dtype; it becomes a literal in jaxprs. */
export const literal = (value: number, dtype: DType): NDArray =>
  NDArray.fromScalar(scalarFor(value, dtype), dtype, dtype !== 'bool');

/** The weak rank-0 constant `value` of the dtype of `x`. */
export const literalLike = (value: number, x: Value): NDArray => literal(value, x.dtype);

/**
 * A JavaScript scalar as an operand beside arrays of `dtype`.
 *
 * @throws DTypeError when the dtype cannot hold it: 2.5 beside integers, a number beside bool.
 */
function scalarBeside(op: string, x: number | bigint | boolean, dtype: DType): NDArray {
  const kind = dtypeInfo[dtype].kind;
  if (typeof x === 'boolean') return NDArray.fromScalar(x, 'bool');
  if (kind === 'bool')
    throw new DTypeError(
      `${op}: a number cannot stand beside a bool array; got ${String(x)}. Convert the array with lax.convertElementType.`,
    );
  if (typeof x === 'bigint') return NDArray.fromScalar(isBig(dtype) ? x : Number(x), dtype, true);
  if (isInteger(dtype) && !Number.isInteger(x))
    throw new DTypeError(
      `${op}: ${dtypeInfo[dtype].longName} cannot hold ${x}; got it beside an array of that dtype. Convert the array with lax.convertElementType.`,
    );
  return literal(x, dtype);
}

/**
 * Turn the arguments of one operation into operands: numbers adopt the dtype of the first array among them.
 *
 * @throws ArgumentError when an argument is no array and no number; DTypeError when a dtype cannot hold a number.
 */
export function operands(op: string, ...xs: readonly ArrayLike[]): Value[] {
  if (xs.every((x): x is Value => x instanceof Value)) return xs.slice();
  const names = xs.length === 1 ? ['x'] : ['x', 'y', 'z'];
  const values = xs.map((x, i) => (isScalar(x) ? x : asValue(op, x, names[i] ?? `operand ${i}`)));
  const lead =
    values.find((v): v is Value => v instanceof Value) ??
    asValue(op, values.find((v) => typeof v === 'bigint') ?? values[0]);
  return values.map((v) => (v instanceof Value ? v : scalarBeside(op, v, lead.dtype)));
}

/** Whether an argument is a JavaScript number, bigint or boolean. */
export const isScalar = (x: ArrayLike): x is number | bigint | boolean =>
  typeof x === 'number' || typeof x === 'bigint' || typeof x === 'boolean';

/** One argument as an operand. @throws ArgumentError when it is no array and no number. */
export const operand = (op: string, x: ArrayLike, argument = 'x'): Value =>
  x instanceof Value ? x : asValue(op, x, argument);
