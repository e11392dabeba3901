/** `linearTranspose`: the transpose of a function that is linear by itself, without a derivative in between. */
import type { Aval } from '../core/aval.ts';
import { dtypeInfo, isInexact, isInteger } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { LinearArg } from '../core/primitive.ts';
import { flatten, unflatten } from '../core/tree.ts';
import { flattenFunction, toValue, argumentPath } from './flat-function.ts';
import { matchTangents } from './forward.ts';
import { ShapeDtypeStruct } from './shape-struct.ts';
import type { Input, Inputs, Output } from './signature.ts';
import { traceToJaxpr } from './stage.ts';
import { backwardPass } from './transpose.ts';
import { tangentFor } from './zeros.ts';

/** Abstract values of the arguments: arrays, numbers, or `ShapeDtypeStruct` in their places. */
function avalsOfExamples(args: readonly unknown[]): Aval[] {
  const { leaves } = flatten(args);
  return leaves.map((leaf, i) =>
    leaf instanceof ShapeDtypeStruct
      ? leaf.aval
      : toValue('linearTranspose', leaf, () => argumentPath(args, i)).aval,
  );
}

const names = (avals: readonly Aval[]): string =>
  `[${avals.map((aval) => dtypeInfo[aval.dtype].longName).join(', ')}]`;

function checkKinds(ins: readonly Aval[], outs: readonly Aval[]): void {
  const all = [...ins, ...outs];
  if (all.every((aval) => isInexact(aval.dtype)) || all.every((aval) => isInteger(aval.dtype)))
    return;
  throw new DTypeError(
    `linearTranspose: the function must take floats to floats or integers to integers; got ${names(ins)} → ${names(outs)}. Close over what is not transposed.`,
  );
}

/**
 * The transpose of a linear function, as a function of cotangents of its result that gives one tree per argument. The arguments
 * only say shapes and dtypes; `ShapeDtypeStruct` will do. A constant term of an affine function is ignored.
 *
 * @throws DTypeError when the function mixes floats and integers; the returned function TreeError, ShapeError or DTypeError when
 * the cotangent does not match the result, and MissingRuleError or ArgumentError when the function is not linear.
 * @example
 * const transposed = linearTranspose((x: Value) => lax.mul(x, 3), shapeDtypeStruct([2]));
 * transposed(lax.ones([2])).map(String); // → [ '[3. 3.]' ]
 */
export function linearTranspose<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: Inputs<A>
): (cotangent: Input<Output<R>>) => { -readonly [K in keyof A]: Output<A[K]> } {
  const inAvals = avalsOfExamples(primals);
  const { treedef } = flatten(primals);
  const flat = flattenFunction('linearTranspose', f, treedef);
  const jaxpr = traceToJaxpr(flat.fun, inAvals, 'linearTranspose');
  const outTree = flat.outTree();
  checkKinds(inAvals, jaxpr.outAvals);
  return (cotangent) => {
    const cts = matchTangents('linearTranspose', 'cotangent', cotangent, outTree, jaxpr.outAvals, {
      integers: true,
    });
    const linear = inAvals.map((aval) => new LinearArg(aval));
    const out = backwardPass(jaxpr, linear, cts);
    return unflatten(
      treedef,
      out.map((ct, i) => tangentFor(ct, inAvals[i])),
    ) as { -readonly [K in keyof A]: Output<A[K]> };
  };
}
