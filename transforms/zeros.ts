/** Symbolic zeros of tangents and cotangents, and what to do when an array is needed after all. */
import { NDArray, scalarFor } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { isInexact } from '../core/dtype.ts';
import type { Tangent } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { zerosOf } from '../lax/creation.ts';
import { addAny } from '../lax/elementwise.ts';
import { broadcastInDim } from '../lax/structure.ts';

/** Ones of this abstract value. */
export const onesOf = (aval: Aval): Value =>
  broadcastInDim(
    NDArray.fromScalar(scalarFor(1, aval.dtype), aval.dtype, aval.weakType),
    aval.shape,
    [],
  );

/** The tangent as an array: the symbolic zero becomes zeros. */
export const instantiate = (tangent: Tangent, aval: Aval): Value => tangent ?? zerosOf(aval);

/** The sum of two tangents or cotangents. */
export const addTangents = (a: Tangent, b: Tangent): Tangent =>
  a === null ? b : b === null ? a : addAny(a, b);

/** Whether values of this type have tangents at all. */
export const isDifferentiable = (aval: Aval): boolean => isInexact(aval.dtype);
