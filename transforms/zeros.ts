/** The types of tangents and cotangents, their symbolic zeros, and what to do when an array is needed after all. */
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

/** Whether values of this type have tangents at all. */
export const isDifferentiable = (aval: Aval): boolean => isInexact(aval.dtype);

/** The type of tangents and cotangents of a value of this type: its own, and float0 where it has none. */
export const tangentAval = (aval: Aval): Aval =>
  isDifferentiable(aval) ? aval : aval.withDType('float0');

/** The tangent as an array of this type: the symbolic zero becomes zeros. */
export const instantiate = (tangent: Tangent, aval: Aval): Value => tangent ?? zerosOf(aval);

/** The tangent or cotangent of a value of this type as people get it: an array, of dtype float0 where the value has none. */
export const tangentFor = (tangent: Tangent, aval: Aval): Value =>
  instantiate(tangent, tangentAval(aval));

/** The sum of two tangents or cotangents. */
export const addTangents = (a: Tangent, b: Tangent): Tangent =>
  a === null ? b : b === null ? a : addAny(a, b);
