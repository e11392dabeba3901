/** Which dtypes may be differentiated, and how: the checks at the doors of `grad`, `jacrev` and `jacfwd`. Conventions are JAX's. */
import type { Aval } from '../core/aval.ts';
import { dtypeInfo, isComplex, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { isDifferentiable } from './zeros.ts';

const nameOfDType = (aval: Aval): string => dtypeInfo[aval.dtype].longName;

function checkHolomorphicInput(op: string, aval: Aval): void {
  if (!isComplex(aval.dtype))
    throw new DTypeError(
      `${op}: with holomorphic all arguments must be complex; got ${nameOfDType(aval)}. Convert them, or leave holomorphic out.`,
    );
}

function checkHolomorphicOutput(op: string, aval: Aval): void {
  if (!isComplex(aval.dtype))
    throw new DTypeError(
      `${op}: with holomorphic the function must return complex values; got ${nameOfDType(aval)}. Leave holomorphic out.`,
    );
}

/**
 * Refuse arguments that reverse mode cannot differentiate. Complex ones are fine also without `holomorphic`: the gradient of a
 * real function of z = x + iy is ∂f/∂x - i ∂f/∂y.
 *
 * @throws DTypeError naming the dtype.
 */
export function checkInput(
  op: string,
  aval: Aval,
  { holomorphic, allowInt }: { readonly holomorphic: boolean; readonly allowInt: boolean },
): void {
  if (holomorphic) checkHolomorphicInput(op, aval);
  if (!isDifferentiable(aval) && !allowInt)
    throw new DTypeError(
      `${op}: arguments to differentiate must be floats; got ${nameOfDType(aval)}. Convert with x.astype('f32'), choose other argnums, or pass allowInt.`,
    );
}

/**
 * Refuse results that reverse mode cannot pull back from.
 *
 * @throws DTypeError naming the dtype.
 */
export function checkRealOutput(op: string, aval: Aval, holomorphic: boolean): void {
  if (holomorphic) return checkHolomorphicOutput(op, aval);
  if (!isFloat(aval.dtype))
    throw new DTypeError(
      `${op}: the function must return a real float value; got ${nameOfDType(aval)}. ` +
        (isComplex(aval.dtype) ? 'Pass holomorphic, or use vjp.' : "Convert with x.astype('f32')."),
    );
}

/**
 * Refuse arguments that forward mode cannot push all unit vectors of: there is one per real number.
 *
 * @throws DTypeError naming the dtype.
 */
export function checkRealInput(op: string, aval: Aval, holomorphic: boolean): void {
  if (holomorphic) return checkHolomorphicInput(op, aval);
  if (!isFloat(aval.dtype))
    throw new DTypeError(
      `${op}: arguments to differentiate must be real floats; got ${nameOfDType(aval)}. ` +
        (isComplex(aval.dtype)
          ? 'Pass holomorphic, or use jvp.'
          : "Convert with x.astype('f32'), or choose other argnums."),
    );
}

/**
 * Refuse results that forward mode gives no complete derivative of.
 *
 * @throws DTypeError naming the dtype.
 */
export function checkForwardOutput(op: string, aval: Aval, holomorphic: boolean): void {
  if (holomorphic) checkHolomorphicOutput(op, aval);
}
