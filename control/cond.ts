/** `cond` and `switch`: branches as functions of trees. The primitive stands in `cond-call.ts`. */
import { asValue, describe, NDArray } from '../core/array.ts';
import { Aval } from '../core/aval.ts';
import { isInteger, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError, TreeError } from '../core/errors.ts';
import { normalScalar, type Scalar } from '../core/host.ts';
import { Jaxpr, Literal, type Atom } from '../core/jaxpr.ts';
import { resultType } from '../core/promotion.ts';
import { sameShape } from '../core/shape.ts';
import { flatten, leafPaths, unflatten } from '../core/tree.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { clamp, ne } from '../lax/comparison.ts';
import { convertElementType } from '../lax/convert.ts';
import { literalLike } from '../lax/operand.ts';
import {
  checkCapturedRefs,
  flattenOperands,
  nameOf,
  named,
  pathOf,
} from '../transforms/flat-function.ts';
import type { Input, Inputs, Output } from '../transforms/signature.ts';
import { merge } from '../transforms/jaxpr-cache.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { traceClosed } from '../transforms/stage.ts';
import { traceBody, type Body } from './body.ts';
import { condP, joinConsts } from './cond-call.ts';

/**
 * Run `onTrue` or `onFalse` on the operands, as `pred` says; numbers other than zero are true. Both branches are traced, one runs.
 *
 * @throws ShapeError when `pred` is no scalar; TreeError, ShapeError or DTypeError when the branches' results differ in type.
 * @example
 * String(cond(lax.gt(2, 1), (x: Value) => lax.sin(x), (x: Value) => lax.cos(x), 0)); // → 0.0
 */
export function cond<A extends readonly unknown[], R>(
  pred: Value | boolean | number,
  onTrue: (...operands: A) => R,
  onFalse: (...operands: A) => Input<Output<R>>,
  ...operands: Inputs<A>
): Output<R> {
  const value = asValue('cond', pred, 'pred');
  if (value.ndim !== 0)
    throw new ShapeError(
      `cond: the predicate must be a scalar; got ${value.aval.toString()}. Reduce it with np.any or np.all, or choose element by element with np.where.`,
    );
  const index = convertElementType(
    value.dtype === 'bool' ? value : ne(value, literalLike(0, value)),
    'i32',
  );
  return branch('cond', index, [onFalse, onTrue], operands) as Output<R>;
}

/**
 * Run the branch that `index` names on the operands; an index out of range takes the nearest branch.
 *
 * @throws DTypeError when the index is no integer scalar; ArgumentError without a list of branches; TreeError, ShapeError or DTypeError when
 * the branches' results differ in type.
 * @example
 * String(switchBranch(1, [(x: Value) => lax.sin(x), (x: Value) => lax.cos(x)], 0)); // → 1.0
 */
export function switchBranch<A extends readonly unknown[], R>(
  index: Value | number,
  branches: readonly ((...operands: A) => R)[],
  ...operands: Inputs<A>
): Output<R> {
  if (!Array.isArray(branches) || branches.length === 0)
    throw new ArgumentError(
      `switch: there must be a list of at least one branch; got ${describe(branches)}. Pass a list of functions.`,
    );
  // A number beyond i32 is out of range like any other.
  const given =
    typeof index === 'number'
      ? NDArray.fromScalar(Math.min(Math.max(index, -(2 ** 31)), 2 ** 31 - 1), 'i32')
      : asValue('switch', index, 'index');
  if (
    !isInteger(given.dtype) ||
    given.ndim !== 0 ||
    (typeof index === 'number' && !Number.isInteger(index))
  )
    throw new DTypeError(
      `switch: the index must be an integer scalar; got ${typeof index === 'number' ? index : given.aval.toString()}. Convert with x.astype('i32').`,
    );
  const i32 = convertElementType(given, 'i32');
  const inRange =
    branches.length === 1
      ? i32
      : clamp(literalLike(0, i32), i32, literalLike(branches.length - 1, i32));
  return branch('switch', inRange, branches, operands) as Output<R>;
}

export { switchBranch as switch };

function branch(
  op: string,
  index: Value,
  functions: readonly ((...operands: never[]) => unknown)[],
  operands: readonly unknown[],
): unknown {
  const { values } = flattenOperands(op, 'operands', operands);
  const inTree = flatten(operands).treedef;
  const traced = functions.map((f) => traceBody(op, orNothing(f), inTree, avalsOf(values)));
  const captured = traced.flatMap(({ consts }) => consts);
  checkCapturedRefs(op, captured, values, (i) => `operands${pathOf(operands, i)}`);
  const agreed = agree(op, traced);
  const joined = joinConsts(agreed);
  const all = [...joined.consts, ...values];
  const outTree = agreed[0].outTree;
  if (joined.branches.length === 1) return unflatten(outTree, evalJaxpr(joined.branches[0], all));
  return unflatten(outTree, branchVarying(index, all, joined.branches));
}

/** A branch that returns nothing works through refs: its result is the empty tree. */
const orNothing = (f: (...operands: never[]) => unknown): ((...operands: never[]) => unknown) => {
  if (typeof f !== 'function') return f;
  return named((...operands: never[]) => {
    const result = f(...operands);
    return result === undefined ? null : result;
  }, nameOf(f));
};

/** Bind a cond of the results that depend on the branch: what all branches pass on unchanged needs none. */
function branchVarying(
  index: Value,
  operands: readonly Value[],
  branches: readonly Jaxpr[],
): readonly Value[] {
  const [first] = branches;
  const inputs = new Map<Atom, number>(first.invars.map((v, i) => [v, i]));
  const sources = first.outvars.map((v, i) => {
    const at = inputs.get(v);
    if (at === undefined) return undefined;
    return branches.every(({ invars, outvars }) => outvars[i] === invars[at]) ? at : undefined;
  });
  if (sources.every((at) => at === undefined))
    return condP.bind([index, ...operands], { branches });
  const varying = sources.map((at) => at === undefined);
  const kept = branches.map(
    ({ invars, eqns, outvars }) =>
      new Jaxpr({ invars, eqns, outvars: outvars.filter((_, i) => varying[i]) }),
  );
  const needsBranch = varying.includes(true) || kept.some((branch) => branch.effects.length > 0);
  const outs = needsBranch ? condP.bind([index, ...operands], { branches: kept }) : [];
  const passed = sources.filter((at) => at !== undefined).map((at) => operands[at]);
  return merge<Value>(varying, outs, passed);
}

/**
 * Make the branches give the same types: what is weak in some branches only becomes strong in all, where the type can hold it.
 */
function agree(op: string, bodies: readonly Body[]): readonly Body[] {
  const [first] = bodies;
  bodies.forEach((body, k) => {
    if (!body.outTree.equals(first.outTree))
      throw new TreeError(
        `${op}: all branches must return the same tree; got ${body.outTree.show()} from branch ${k}, ${first.outTree.show()} from branch 0. Return the same structure everywhere.`,
      );
  });
  const wanted = first.outAvals.map((_, i) => common(bodies.map((b) => b.outAvals[i])));
  return bodies.map((body, k) => {
    if (body.outAvals.every((aval, i) => aval.key === wanted[i].key)) return body;
    body.jaxpr.outvars.forEach((atom, i) => {
      if (!fits(atom, wanted[i]))
        throw mismatch(op, k, leafPaths(body.outTree)[i], atom.aval, wanted[i]);
    });
    const closed = traceClosed(
      (xs) =>
        evalJaxpr(body.jaxpr, xs).map((x, i) =>
          x.weakType ? convertElementType(x, wanted[i].dtype, wanted[i].weakType) : x,
        ),
      body.jaxpr.inAvals,
    );
    const { outAvals } = closed.jaxpr;
    return { ...body, jaxpr: closed.jaxpr, consts: [...closed.consts, ...body.consts], outAvals };
  });
}

/** The type that results should have: that of the first strong one, or what weak ones promote to. */
function common(avals: readonly Aval[]): Aval {
  const strong = avals.find((aval) => !aval.weakType);
  if (strong !== undefined) return strong;
  const { dtype, weakType } = resultType(...avals);
  return new Aval(avals[0].shape, dtype, weakType);
}

/** Whether a result can become one of this type: a weak one that promotes to it, or a number that it holds. */
function fits(atom: Atom, wanted: Aval): boolean {
  const { aval } = atom;
  if (!sameShape(aval.shape, wanted.shape)) return false;
  if (aval.dtype === wanted.dtype) return true;
  if (!aval.weakType) return false;
  return (
    (atom instanceof Literal && holds(wanted.dtype, atom.value)) ||
    resultType(aval, wanted).dtype === wanted.dtype
  );
}

/** Whether an integer dtype has this number. */
const holds = (dtype: DType, value: Scalar): boolean =>
  isInteger(dtype) && Number(normalScalar(value, dtype)) === Number(value);

function mismatch(op: string, k: number, path: string, got: Aval, wanted: Aval): Error {
  const message = `${op}: all branches must return the same types; got ${got.toString()} from branch ${k} where another gives ${wanted.toString()}, at result${path}. `;
  return got.dtype === wanted.dtype
    ? new ShapeError(`${message}Broadcast or reshape in one of them.`)
    : new DTypeError(`${message}Convert in one of them.`);
}
