/** The public functions of forward mode: `jvp`, `linearize` and `linearizeWithAux`. The traces behind them stand in `jvp.ts` and `linearize.ts`. */
import { dtypeInfo } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError, TreeError } from '../core/errors.ts';
import { checkOptions } from '../core/options.ts';
import type { Tangent } from '../core/primitive.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import { NDArray, scalarFor } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import type { Value } from '../core/value.ts';
import { flattenFunction, flattenValues, toValue } from './flat-function.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { where } from './jaxpr-cache.ts';
import { jvpFlat, spread } from './jvp.ts';
import { linearizeFlat } from './linearize.ts';
import type { Inputs, Output } from './signature.ts';
import { instantiate, isDifferentiable, tangentFor } from './zeros.ts';

/** Options of `jvp`. */
export interface AuxOptions<Aux extends boolean = boolean> {
  /** The function returns `[result, aux]`; `aux` is carried along and not differentiated. */
  readonly hasAux?: Aux;
}

/**
 * Push tangents forward: the value of `f` at `primals` and its directional derivative along `tangents`. Both are lists with
 * one entry per argument. The tangents of integers and bools are float0 arrays, `np.zeros(shape, 'float0')`, both of arguments and of results.
 *
 * @throws ArgumentError, TreeError, DTypeError or ShapeError when primals and tangents do not match.
 * @example
 * const [y, dy] = jvp((x: Value) => lax.sin(x), [0], [1]);
 * [String(y), String(dy)]; // → [ '0.0', '1.0' ]
 */
export function jvp<A extends readonly unknown[], R, X>(
  f: (...args: A) => readonly [R, X],
  primals: Inputs<A>,
  tangents: Inputs<A>,
  options: AuxOptions<true> & { readonly hasAux: true },
): [Output<R>, Output<R>, Output<X>];
export function jvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  primals: Inputs<A>,
  tangents: Inputs<A>,
  options?: AuxOptions<false>,
): [Output<R>, Output<R>];
export function jvp(
  f: (...args: never[]) => unknown,
  primals: unknown,
  tangents: unknown,
  options: AuxOptions = {},
): unknown[] {
  checkOptions('jvp', options, ['hasAux']);
  const { hasAux = false } = options;
  if (!Array.isArray(primals) || !Array.isArray(tangents))
    throw new ArgumentError(
      `jvp: primals and tangents must be lists with one entry per argument; got ${typeof primals} and ${typeof tangents}. Write jvp(f, [x], [dx]).`,
    );
  const { values, treedef } = flattenValues('jvp', 'primals', primals);
  const flatTangents = matchTangents(
    'jvp',
    'tangent',
    tangents,
    treedef,
    values.map((v) => v.aval),
  );
  const flat = flattenFunction('jvp', f, treedef, hasAux);
  const [outs, outTangents] = jvpFlat(flat.fun, values, flatTangents);
  const count = flat.outCount();
  const outTree = flat.outTree();
  const filled = outs.slice(0, count).map((out, i) => tangentFor(outTangents[i], out.aval));
  const result = [unflatten(outTree, outs.slice(0, count)), unflatten(outTree, filled)];
  return hasAux ? [...result, flat.aux(outs.slice(count))] : result;
}

/**
 * Linearize `f` at a point: its value there, and its derivative there as a linear function of tangents that does not
 * evaluate `f` again.
 *
 * @throws TreeError when an argument has leaves that are no arrays.
 * @example
 * const [y, push] = linearize((x: Value) => lax.mul(x, x), 3);
 * [String(y), String(push(1))]; // → [ '9.0', '6.0' ]
 */
export function linearize<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: Inputs<A>
): [Output<R>, (...tangents: Inputs<A>) => Output<R>] {
  const { out, push } = linearizeTree(f, primals, false);
  return [out as Output<R>, push as (...tangents: Inputs<A>) => Output<R>];
}

/**
 * `linearize` of a function that returns `[result, aux]`: gives the result, the linear function of the result, and `aux`.
 *
 * @throws TreeError when the function returns no pair.
 * @example
 * const [y, push, aux] = linearizeWithAux((x: Value) => [lax.mul(x, x), { x }], 3);
 * [String(push(1)), String(aux.x)]; // → [ '6.0', '3.0' ]
 */
export function linearizeWithAux<A extends readonly unknown[], R, X>(
  f: (...args: A) => readonly [R, X],
  ...primals: Inputs<A>
): [Output<R>, (...tangents: Inputs<A>) => Output<R>, Output<X>] {
  const { out, push, aux } = linearizeTree(f, primals, true);
  return [out as Output<R>, push as (...tangents: Inputs<A>) => Output<R>, aux as Output<X>];
}

function linearizeTree(
  f: (...args: never[]) => unknown,
  primals: readonly unknown[],
  hasAux: boolean,
): {
  readonly out: unknown;
  readonly push: (...tangents: readonly unknown[]) => unknown;
  readonly aux: unknown;
} {
  const { values, treedef } = flattenValues('linearize', 'args', primals);
  const flat = flattenFunction('linearize', f, treedef, hasAux);
  const nonzero = values.map((v) => isDifferentiable(v.aval));
  const avals = values.map((v) => v.aval);
  const { outs, linear, nonzeroOut } = linearizeFlat(flat.fun, values, nonzero);
  const [outTree, count] = [flat.outTree(), flat.outCount()];
  const outAvals = outs.map((out) => out.aval);
  const push = (...tangents: readonly unknown[]): unknown => {
    const given = matchTangents('linearize', 'tangent', tangents, treedef, avals);
    const filled = where(given, nonzero).map((t, i) => instantiate(t, where(avals, nonzero)[i]));
    const result = spread(nonzeroOut, evalJaxpr(linear, filled)).slice(0, count);
    return unflatten(
      outTree,
      result.map((t, i) => tangentFor(t, outAvals[i])),
    );
  };
  const aux = hasAux ? flat.aux(outs.slice(count)) : undefined;
  return { out: unflatten(outTree, outs.slice(0, count)), push, aux };
}

/** How integers are matched. */
interface MatchOptions {
  /** They are numbers like others, with tangents of their dtype. */
  readonly integers?: boolean;
  /** Beside float0, arrays of their dtype pass. */
  readonly ownDTypes?: boolean;
}

/**
 * Flatten tangents (`what` says which: tangent or cotangent) that must match the tree and the types of what they belong to. Numbers take the dtype
 * beside them. What belongs to integers and bools must be float0, and is the symbolic zero, unless integers count as numbers like others
 * (`integers`); with `ownDTypes`, their own dtype will do too.
 */
export function matchTangents(
  op: string,
  what: string,
  tree: unknown,
  treedef: TreeDef,
  avals: readonly Aval[],
  { integers = false, ownDTypes = false }: MatchOptions = {},
): Tangent[] {
  const { leaves, treedef: given } = flatten(tree);
  if (!given.equals(treedef))
    throw new TreeError(
      `${op}: a ${what} must have the tree of the value that it belongs to, ${treedef.toString()}; got ${given.toString()}. Give every array a ${what} of its type.`,
    );
  return leaves.map((leaf, i) =>
    integers || isDifferentiable(avals[i])
      ? matchTangent(op, what, leaf, avals[i])
      : matchFloat0(op, what, leaf, avals[i], ownDTypes),
  );
}

function matchTangent(op: string, what: string, leaf: unknown, aval: Aval): Value {
  const value: Value =
    typeof leaf === 'number' && aval.ndim === 0
      ? NDArray.fromScalar(scalarFor(leaf, aval.dtype), aval.dtype, aval.weakType)
      : toValue(op, leaf, () => `a ${what}`);
  if (!sameShape(value.shape, aval.shape))
    throw new ShapeError(
      `${op}: a ${what} must have the shape of the value that it belongs to; got shape ${showShape(value.shape)} for ${aval.toString()}. Give a ${what} of shape ${showShape(aval.shape)}.`,
    );
  if (value.dtype !== aval.dtype)
    throw new DTypeError(
      `${op}: a ${what} must have the dtype of the value that it belongs to; got ${dtypeInfo[value.dtype].longName} for ${aval.toString()}. ${value.dtype === 'float0' ? `Give np.zeros(${showShape(aval.shape)}, '${aval.dtype}').` : 'Convert with x.astype(…).'}`,
    );
  return value;
}

/** The tangent of a value that has none: float0, of which there is one value per shape. */
function matchFloat0(op: string, what: string, leaf: unknown, aval: Aval, ownDType: boolean): null {
  // Numbers take the dtype beside them, and float0 has a zero.
  if (leaf === 0 && aval.ndim === 0) return null;
  const value = toValue(op, leaf, () => `a ${what}`);
  const wayOut = `Give np.zeros(${showShape(aval.shape)}, 'float0') there, or convert the value to a float.`;
  if (value.dtype !== 'float0' && !(ownDType && value.dtype === aval.dtype))
    throw new DTypeError(
      `${op}: the ${what} of an integer or bool value must be of dtype float0; got ${value.aval.toString()} for ${aval.toString()}. ${wayOut}`,
    );
  if (!sameShape(value.shape, aval.shape))
    throw new ShapeError(
      `${op}: a ${what} must have the shape of the value that it belongs to; got shape ${showShape(value.shape)} for ${aval.toString()}. ${wayOut}`,
    );
  return null;
}
