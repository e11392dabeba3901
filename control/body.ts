/**
 * Functions that are operands of control flow: traced to a jaxpr whose captured values are its first operands, with trees in
 * and out, and the checks that loops and branches share.
 */
import type { Aval } from '../core/aval.ts';
import { sameType } from '../core/aval.ts';
import { DTypeError, ShapeError, TreeError } from '../core/errors.ts';
import { resultType } from '../core/promotion.ts';
import { leafPaths, type TreeDef } from '../core/tree.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { convertElementType } from '../lax/convert.ts';
import { flattenFunction } from '../transforms/flat-function.ts';
import { traceClosed, type Closed } from '../transforms/stage.ts';

/** A traced function of trees. */
export interface Body extends Closed {
  readonly outTree: TreeDef;
  /** Types of the results. */
  readonly outAvals: readonly Aval[];
}

/** Trace a function of trees; its arguments are the children of `inTree`. */
export function traceBody(
  op: string,
  f: (...args: never[]) => unknown,
  inTree: TreeDef,
  avals: readonly Aval[],
): Body {
  const flat = flattenFunction(op, f, inTree);
  const closed = traceClosed(flat.fun, avals, op);
  return { ...closed, outTree: flat.outTree(), outAvals: closed.jaxpr.outAvals };
}

/**
 * Refuse a loop whose carry changes its type from step to step.
 *
 * @throws TreeError, ShapeError or DTypeError naming the leaf and both types.
 */
export function checkCarry(
  op: string,
  tree: TreeDef,
  avals: readonly Aval[],
  outTree: TreeDef,
  outAvals: readonly Aval[],
): void {
  if (!tree.equals(outTree))
    throw new TreeError(
      `${op}: the body must return a carry with the tree of its input, ${tree.toString()}; got ${outTree.toString()}. Return every part of the carry.`,
    );
  avals.forEach((aval, i) => {
    const out = outAvals[i];
    if (sameType(aval, out)) return;
    const message = `${op}: the body must return a carry of the type of its input; got ${out.toString()} for ${aval.toString()} at carry${leafPaths(tree)[i]}. `;
    if (aval.dtype === out.dtype)
      throw new ShapeError(
        `${message}Keep the shape, or start with an array of the shape that the body gives.`,
      );
    throw new DTypeError(`${message}Convert the initial value, or the result of the body.`);
  });
}

/**
 * Initial values of a carry in the types that the body gives: a weakly typed value (a JavaScript number) takes the dtype that
 * the body promotes it to. Gives undefined when nothing changes.
 */
export function promoteCarry(
  values: readonly Value[],
  outAvals: readonly Aval[],
): Value[] | undefined {
  if (values.length !== outAvals.length) return undefined;
  const isWeak = (x: Value, i: number): boolean => x.weakType && x.dtype !== outAvals[i].dtype;
  if (!values.some(isWeak)) return undefined;
  return values.map((x, i) =>
    isWeak(x, i) ? convertElementType(x, resultType(x, outAvals[i]).dtype) : x,
  );
}

/** Trace the body of a loop, a second time when the carry has to be promoted. `trace` gets the types of the carry. */
export function traceCarried<B extends Body>(
  init: readonly Value[],
  trace: (avals: readonly Aval[]) => B,
  carryOf: (body: B) => readonly Aval[],
): { readonly init: readonly Value[]; readonly body: B } {
  const body = trace(avalsOf(init));
  const promoted = promoteCarry(init, carryOf(body));
  return promoted === undefined
    ? { init, body }
    : { init: promoted, body: trace(avalsOf(promoted)) };
}

/** A traced solver: the solution, then auxiliary results. */
export interface SolverBody extends Closed {
  readonly auxTree: TreeDef;
}

/** What a solution must look like, and the tree of the solver's arguments. */
interface SolutionType {
  readonly tree: TreeDef;
  readonly avals: readonly Aval[];
  readonly inTree: TreeDef;
  /** Whether the solver gives a pair of the solution and something else. */
  readonly hasAux: boolean;
}

/**
 * Refuse what `part` gives when it is no value of the type of the unknowns.
 *
 * @throws TreeError, ShapeError or DTypeError naming the part and both types.
 */
export function checkSolution(
  op: string,
  part: string,
  tree: TreeDef,
  avals: readonly Aval[],
  outTree: TreeDef,
  outAvals: readonly Aval[],
): void {
  if (!tree.equals(outTree))
    throw new TreeError(
      `${op}: ${part} must return the tree of the unknowns, ${tree.toString()}; got ${outTree.toString()}. Return every part.`,
    );
  avals.forEach((aval, i) => {
    if (sameType(aval, outAvals[i])) return;
    const message = `${op}: ${part} must return a value of the type of the unknowns; got ${outAvals[i].toString()} for ${aval.toString()} at result${leafPaths(tree)[i]}. `;
    if (aval.dtype === outAvals[i].dtype) throw new ShapeError(`${message}Keep the shape.`);
    throw new DTypeError(`${message}Convert one of them.`);
  });
}

/** Trace a solver, and check its solution. */
export function traceSolver(
  op: string,
  part: string,
  solve: (b: never) => unknown,
  { tree, avals, inTree, hasAux }: SolutionType,
): SolverBody {
  const flat = flattenFunction(op, solve, inTree);
  const closed = traceClosed(flat.fun, avals, op);
  const outTree = flat.outTree();
  if (hasAux && outTree.children.length !== 2)
    throw new TreeError(
      `${op}: with hasAux ${part} must return a pair [solution, aux]; got ${outTree.toString()}. Return both.`,
    );
  const [main, auxTree] = hasAux ? outTree.children : [outTree, outTree];
  checkSolution(op, part, tree, avals, main, closed.jaxpr.outAvals.slice(0, main.numLeaves));
  return { ...closed, auxTree };
}
