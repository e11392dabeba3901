/**
 * Whole derivatives: `jacfwd` pushes, `jacrev` pulls the unit vectors of the inputs or outputs, all at once under `vmap`. The
 * result is a tree of outputs of trees of inputs; each leaf has the axes of the output, then those of the input.
 */
import type { Aval } from '../core/aval.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { eq } from '../lax/comparison.ts';
import { convertElementType } from '../lax/convert.ts';
import { broadcastedIota } from '../lax/creation.ts';
import { add } from '../lax/arithmetic.ts';
import { literalLike } from '../lax/operand.ts';
import { slice } from '../lax/slicing.ts';
import { batchTo, reshape } from '../lax/structure.ts';
import {
  checkForwardOutput,
  checkInput,
  checkRealInput,
  checkRealOutput,
} from './differentiable.ts';
import {
  flattenFunction,
  flattenValues,
  nameOf,
  named,
  type FlatUserFunction,
} from './flat-function.ts';
import { chooseArguments, vjpFlat, type Argnums, type Gradient } from './grad.ts';
import { jvpFlat } from './jvp.ts';
import type { Inputs, Output } from './signature.ts';
import { batchFlat } from './vmap-trace.ts';
import { instantiate } from './zeros.ts';

/** Options of `jacfwd`, `jacrev` and `hessian`. */
export interface JacobianOptions<N extends Argnums = Argnums, Aux extends boolean = boolean> {
  /** Which arguments to differentiate with respect to; the first when left out. */
  readonly argnums?: N;
  /** The function returns `[result, aux]`; `aux` is carried along and not differentiated. */
  readonly hasAux?: Aux;
  /** Differentiate a holomorphic function of complex arguments. */
  readonly holomorphic?: boolean;
}

/** What `jacrev` may be told besides. */
export interface AllowInt {
  /** Allow integer arguments; their derivative is zeros of their dtype. */
  readonly allowInt?: boolean;
}

/** A derivative: for every array of the result, the tree of derivatives with respect to the arguments. */
export type Jacobian<R, G> = R extends Value | number ? G : { [K in keyof R]: Jacobian<R[K], G> };

const sizesOf = (avals: readonly Aval[]): number[] => avals.map((aval) => aval.size);
const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);

/** The unit vectors of a list of arrays, stacked on a first axis: row `k` is one at element `k` of the list. */
function unitVectors(avals: readonly Aval[]): Value[] {
  const sizes = sizesOf(avals);
  const total = sum(sizes);
  return avals.map((aval, i) => {
    const offset = sum(sizes.slice(0, i));
    const rows = broadcastedIota('i32', [total, aval.size], 0);
    const columns = broadcastedIota('i32', [total, aval.size], 1);
    const on = eq(rows, add(columns, literalLike(offset, columns)));
    return reshape(convertElementType(on, aval.dtype), [total, ...aval.shape]);
  });
}

/** Cut an axis of unit vectors into one piece per array, with that array's axes in its place. */
function unstackUnits(x: Value, axis: number, avals: readonly Aval[]): Value[] {
  const sizes = sizesOf(avals);
  return avals.map((aval, i) => {
    const start = sum(sizes.slice(0, i));
    const starts = x.shape.map((_, k) => (k === axis ? start : 0));
    const limits = x.shape.map((n, k) => (k === axis ? start + sizes[i] : n));
    return reshape(slice(x, starts, limits), x.shape.toSpliced(axis, 1, ...aval.shape));
  });
}

/** Where the trees of one call are put together. */
interface Trees {
  readonly inTree: TreeDef;
  readonly outTree: TreeDef;
  readonly argnums: Argnums;
}

/** A tree of outputs of trees of inputs from `blocks[out][in]`. */
function assemble(
  blocks: readonly (readonly Value[])[],
  { inTree, outTree, argnums }: Trees,
): unknown {
  return unflatten(
    outTree,
    blocks.map((row) => {
      const tree = unflatten(inTree, row) as unknown[];
      return typeof argnums === 'number' ? tree[0] : tree;
    }),
  );
}

/** Arguments, flattened, and the function of the flat list. */
interface Prepared {
  readonly values: readonly Value[];
  readonly avals: readonly Aval[];
  readonly inTree: TreeDef;
  readonly flat: FlatUserFunction;
}

function prepare(
  op: string,
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  { argnums = 0, hasAux = false }: JacobianOptions,
): Prepared {
  const chosen = chooseArguments(op, args, argnums);
  const { values, treedef } = flattenValues(op, 'args', chosen.picked);
  const flat = flattenFunction(op, chosen.restore(f), treedef, hasAux);
  return { values, avals: values.map((v) => v.aval), inTree: treedef, flat };
}

type WithAux<N extends Argnums> = JacobianOptions<N, true> & { readonly hasAux: true };

/**
 * The derivative of every result with respect to every argument, by forward mode: best when the arguments are few.
 *
 * @throws DTypeError when an argument is no real float; ArgumentError when `argnums` names no argument.
 * @example
 * String(jacfwd((x: Value) => lax.mul(x, x))(lax.ones([2]))); // → [[2. 0.] [0. 2.]]
 */
export function jacfwd<A extends readonly unknown[], R, X, const N extends Argnums = 0>(
  f: (...args: A) => readonly [R, X],
  options: WithAux<N>,
): (...args: Inputs<A>) => [Jacobian<R, Gradient<A, N>>, Output<X>];
export function jacfwd<A extends readonly unknown[], R, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options?: JacobianOptions<N, false>,
): (...args: Inputs<A>) => Jacobian<R, Gradient<A, N>>;
export function jacfwd(
  f: (...args: never[]) => unknown,
  options: JacobianOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('jacfwd', f);
  checkOptions('jacfwd', options, ['argnums', 'hasAux', 'holomorphic']);
  const { argnums = 0, hasAux = false, holomorphic = false } = options;
  return named((...args: unknown[]) => {
    const { values, avals, inTree, flat } = prepare('jacfwd', f, args, options);
    for (const aval of avals) checkRealInput('jacfwd', aval, holomorphic);
    const total = sum(sizesOf(avals));
    let outs: readonly Value[] = [];
    const [columns, dims] = batchFlat(
      (tangents) => {
        const result = jvpFlat(flat.fun, values, tangents);
        outs = result[0];
        return outs.slice(0, flat.outCount()).map((out, i) => instantiate(result[1][i], out.aval));
      },
      { size: total, name: undefined },
      unitVectors(avals),
      avals.map(() => 0),
    );
    for (const column of columns) checkForwardOutput('jacfwd', column.aval, holomorphic);
    const blocks = columns.map((column, i) => {
      const ndim = column.ndim - (dims[i] === null ? 0 : 1);
      return unstackUnits(batchTo(column, dims[i], ndim, total), ndim, avals);
    });
    const derivative = assemble(blocks, { inTree, outTree: flat.outTree(), argnums });
    return hasAux ? [derivative, flat.aux(outs.slice(flat.outCount()))] : derivative;
  }, nameOf(f));
}

/**
 * The derivative of every result with respect to every argument, by reverse mode: best when the results are few.
 *
 * @throws DTypeError when an argument or a result is no float; ArgumentError when `argnums` names no argument.
 * @example
 * String(jacrev((x: Value) => lax.mul(x, x))(lax.ones([2]))); // → [[2. 0.] [0. 2.]]
 */
export function jacrev<A extends readonly unknown[], R, X, const N extends Argnums = 0>(
  f: (...args: A) => readonly [R, X],
  options: WithAux<N> & AllowInt,
): (...args: Inputs<A>) => [Jacobian<R, Gradient<A, N>>, Output<X>];
export function jacrev<A extends readonly unknown[], R, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options?: JacobianOptions<N, false> & AllowInt,
): (...args: Inputs<A>) => Jacobian<R, Gradient<A, N>>;
export function jacrev(
  f: (...args: never[]) => unknown,
  options: JacobianOptions & AllowInt = {},
): (...args: unknown[]) => unknown {
  checkFunction('jacrev', f);
  checkOptions('jacrev', options, ['argnums', 'hasAux', 'holomorphic', 'allowInt']);
  const { argnums = 0, hasAux = false, holomorphic = false, allowInt = false } = options;
  return named((...args: unknown[]) => {
    const { values, avals, inTree, flat } = prepare('jacrev', f, args, options);
    for (const aval of avals) checkInput('jacrev', aval, { holomorphic, allowInt });
    const { outs, pullback } = vjpFlat(flat.fun, values);
    const count = flat.outCount();
    const outAvals = outs.slice(0, count).map((out) => out.aval);
    for (const aval of outAvals) checkRealOutput('jacrev', aval, holomorphic);
    const total = sum(sizesOf(outAvals));
    const auxiliary = outs.slice(count);
    const [rows, dims] = batchFlat(
      (cts) =>
        pullback([...cts, ...auxiliary.map(() => null)]).map((ct, i) => instantiate(ct, avals[i])),
      { size: total, name: undefined },
      unitVectors(outAvals),
      outAvals.map(() => 0),
    );
    const byInput = rows.map((row, j) =>
      unstackUnits(batchTo(row, dims[j], 0, total), 0, outAvals),
    );
    const blocks = outAvals.map((_, i) => byInput.map((pieces) => pieces[i]));
    const derivative = assemble(blocks, { inTree, outTree: flat.outTree(), argnums });
    return hasAux ? [derivative, flat.aux(auxiliary)] : derivative;
  }, nameOf(f));
}

/** A second derivative: the jacobian of a jacobian. */
export type Hessian<R, G> = Jacobian<Jacobian<R, G>, G>;

/**
 * The second derivative of every result: `jacfwd` of `jacrev`. A product with a vector needs no Hessian: `jvp` of `grad` gives it.
 *
 * @throws DTypeError when an argument or a result is no float; ArgumentError when `argnums` names no argument.
 * @example
 * String(hessian((x: Value) => lax.mul(x, lax.mul(x, x)))(2)); // → 12.0
 */
export function hessian<A extends readonly unknown[], R, X, const N extends Argnums = 0>(
  f: (...args: A) => readonly [R, X],
  options: WithAux<N>,
): (...args: Inputs<A>) => [Hessian<R, Gradient<A, N>>, Output<X>];
export function hessian<A extends readonly unknown[], R, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options?: JacobianOptions<N, false>,
): (...args: Inputs<A>) => Hessian<R, Gradient<A, N>>;
export function hessian(
  f: (...args: never[]) => unknown,
  options: JacobianOptions = {},
): (...args: never[]) => unknown {
  // The options are those of both: one call with the types of the implementation instead of those of the overloads.
  return jacfwd(
    jacrev(f as () => readonly [unknown, unknown], options as WithAux<0>),
    options as WithAux<0>,
  );
}
