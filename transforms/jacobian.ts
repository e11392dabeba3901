/**
 * Whole derivatives: `jacfwd` pushes, `jacrev` pulls the unit vectors of the inputs or outputs, all at once under `vmap`. The
 * result is a tree of outputs of trees of inputs; each leaf has the axes of the output, then those of the input.
 */
import type { Aval } from '../core/aval.ts';
import { checkFunction } from '../core/options.ts';
import { unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { eq } from '../lax/comparison.ts';
import { convertElementType } from '../lax/convert.ts';
import { broadcastedIota } from '../lax/creation.ts';
import { add } from '../lax/arithmetic.ts';
import { literalLike } from '../lax/operand.ts';
import { slice } from '../lax/slicing.ts';
import { batchTo, reshape } from '../lax/structure.ts';
import { flattenFunction, flattenValues, nameOf, named } from './flat-function.ts';
import { checkInput, chooseArguments, vjpFlat, type Argnums, type Gradient } from './grad.ts';
import { jvpFlat } from './jvp.ts';
import type { Inputs } from './signature.ts';
import { batchFlat } from './vmap-trace.ts';
import { instantiate } from './zeros.ts';

/** Options of `jacfwd`, `jacrev` and `hessian`. */
export interface JacobianOptions<N extends Argnums = Argnums> {
  /** Which arguments to differentiate with respect to; the first when left out. */
  readonly argnums?: N;
  /** Differentiate a holomorphic function of complex arguments. */
  readonly holomorphic?: boolean;
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

/**
 * The derivative of every result with respect to every argument, by forward mode: best when the arguments are few.
 *
 * @throws DTypeError when an argument is no float; ArgumentError when `argnums` names no argument.
 * @example
 * String(jacfwd((x: Value) => lax.mul(x, x))(lax.ones([2]))); // → [[2. 0.] [0. 2.]]
 */
export function jacfwd<A extends readonly unknown[], R, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options: JacobianOptions<N> = {},
): (...args: Inputs<A>) => Jacobian<R, Gradient<A, N>> {
  checkFunction('jacfwd', f);
  const { argnums = 0, holomorphic = false } = options;
  return named((...args: unknown[]) => {
    const chosen = chooseArguments('jacfwd', args, argnums);
    const { values, treedef } = flattenValues('jacfwd', 'args', chosen.picked);
    const avals = values.map((v) => v.aval);
    for (const aval of avals) checkInput('jacfwd', aval, holomorphic, false);
    const flat = flattenFunction('jacfwd', chosen.restore(f), treedef);
    const total = sum(sizesOf(avals));
    const axis = { size: total, name: undefined };
    const [columns, dims] = batchFlat(
      (tangents) => {
        const [outs, outTangents] = jvpFlat(flat.fun, values, tangents);
        return outs.map((out, i) => instantiate(outTangents[i], out.aval));
      },
      axis,
      unitVectors(avals),
      avals.map(() => 0),
    );
    const blocks = columns.map((column, i) => {
      const ndim = column.ndim - (dims[i] === null ? 0 : 1);
      return unstackUnits(batchTo(column, dims[i], ndim, total), ndim, avals);
    });
    return assemble(blocks, { inTree: treedef, outTree: flat.outTree(), argnums });
  }, nameOf(f)) as (...args: Inputs<A>) => Jacobian<R, Gradient<A, N>>;
}

/**
 * The derivative of every result with respect to every argument, by reverse mode: best when the results are few.
 *
 * @throws DTypeError when an argument is no float; ArgumentError when `argnums` names no argument.
 * @example
 * String(jacrev((x: Value) => lax.mul(x, x))(lax.ones([2]))); // → [[2. 0.] [0. 2.]]
 */
export function jacrev<A extends readonly unknown[], R, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options: JacobianOptions<N> = {},
): (...args: Inputs<A>) => Jacobian<R, Gradient<A, N>> {
  checkFunction('jacrev', f);
  const { argnums = 0, holomorphic = false } = options;
  return named((...args: unknown[]) => {
    const chosen = chooseArguments('jacrev', args, argnums);
    const { values, treedef } = flattenValues('jacrev', 'args', chosen.picked);
    const avals = values.map((v) => v.aval);
    for (const aval of avals) checkInput('jacrev', aval, holomorphic, false);
    const flat = flattenFunction('jacrev', chosen.restore(f), treedef);
    const { outs, pullback } = vjpFlat(flat.fun, values);
    const outAvals = outs.map((out) => out.aval);
    for (const aval of outAvals) checkInput('jacrev', aval, holomorphic, false);
    const total = sum(sizesOf(outAvals));
    const axis = { size: total, name: undefined };
    const [rows, dims] = batchFlat(
      (cts) => pullback(cts).map((ct, i) => instantiate(ct, avals[i])),
      axis,
      unitVectors(outAvals),
      outAvals.map(() => 0),
    );
    const byInput = rows.map((row, j) =>
      unstackUnits(batchTo(row, dims[j], 0, total), 0, outAvals),
    );
    const blocks = outAvals.map((_, i) => byInput.map((pieces) => pieces[i]));
    return assemble(blocks, { inTree: treedef, outTree: flat.outTree(), argnums });
  }, nameOf(f)) as (...args: Inputs<A>) => Jacobian<R, Gradient<A, N>>;
}

/**
 * The second derivative of every result: `jacfwd` of `jacrev`.
 *
 * @throws DTypeError when an argument is no float; ArgumentError when `argnums` names no argument.
 * @example
 * String(hessian((x: Value) => lax.mul(x, lax.mul(x, x)))(2)); // → 12.0
 */
export function hessian<A extends readonly unknown[], R, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options: JacobianOptions<N> = {},
): (...args: Inputs<A>) => Jacobian<Jacobian<R, Gradient<A, N>>, Gradient<A, N>> {
  const inner = jacrev(f, options) as unknown as (...args: A) => Jacobian<R, Gradient<A, N>>;
  return jacfwd(inner, options);
}
