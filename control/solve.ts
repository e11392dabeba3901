/** `customLinearSolve`: a linear system solved by any algorithm. The primitive stands in `solve-call.ts`. */
import { avalsOf } from '../core/trace.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import { flattenValues } from '../transforms/flat-function.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import type { Input, Output } from '../transforms/signature.ts';
import type { Closed } from '../transforms/stage.ts';
import { transposeJaxpr } from '../transforms/transpose.ts';
import { checkSolution, traceBody, traceSolver, type Body } from './body.ts';
import { linearSolveP } from './solve-call.ts';

/** A linear function of trees. */
type LinearFunction<B> = (x: B) => B;

/** Options of `customLinearSolve`. */
export interface CustomLinearSolveOptions<B = never> {
  /** Solves the transposed system, given its `vecmat` and right-hand side: needed for reverse mode unless `symmetric`. */
  readonly transposeSolve?: (vecmat: LinearFunction<B>, b: B) => unknown;
  /** Whether `matvec` is its own transpose; `solve` then serves both ways. */
  readonly symmetric?: boolean;
  /** Whether the solvers return a pair `[x, aux]`; `aux` has a zero derivative. */
  readonly hasAux?: boolean;
}

/**
 * Solve `matvec(x) = b` for x by `solve(matvec, b)`, where `matvec` is linear. The derivative is that of the solution of a linear
 * system, whatever the algorithm: `dx` solves the same system with `db - dA x`, and reverse mode solves the transposed one, so
 * `solve` may loop as long as it likes.
 *
 * @throws TreeError, ShapeError or DTypeError when `matvec` or a solver do not give a value like `b`; ArgumentError in reverse mode
 * without `transposeSolve` or `symmetric`.
 * @example
 * const halve = (b: Value): Value => customLinearSolve((x: Value) => lax.mul(x, 2), b, (_, y) => lax.div(y, 2), { symmetric: true });
 * String(grad(halve)(6)); // → 0.5
 */
export function customLinearSolve<B, A>(
  matvec: LinearFunction<B>,
  b: Input<B>,
  solve: (matvec: LinearFunction<B>, b: B) => readonly [x: B, aux: A],
  options: CustomLinearSolveOptions<B> & { readonly hasAux: true },
): [Output<B>, Output<A>];
export function customLinearSolve<B>(
  matvec: LinearFunction<B>,
  b: Input<B>,
  solve: (matvec: LinearFunction<B>, b: B) => B,
  options?: CustomLinearSolveOptions<B>,
): Output<B>;
export function customLinearSolve(
  matvec: (x: never) => unknown,
  b: unknown,
  solve: (matvec: never, b: never) => unknown,
  options: Omit<CustomLinearSolveOptions, 'transposeSolve'> & {
    readonly transposeSolve?: (vecmat: never, b: never) => unknown;
  } = {},
): unknown {
  const op = 'customLinearSolve';
  checkFunction(op, matvec);
  checkFunction(op, solve);
  checkOptions(op, options, ['transposeSolve', 'symmetric', 'hasAux']);
  const { transposeSolve, symmetric = false, hasAux = false } = options;
  const { values, treedef: tree } = flattenValues(op, 'b', b);
  const avals = avalsOf(values);
  const like = { tree, avals, inTree: flatten([b]).treedef, hasAux };
  const product = traceBody(op, matvec, like.inTree, avals);
  checkSolution(op, 'matvec', tree, avals, product.outTree, product.outAvals);
  const solver = traceSolver(op, 'solve', (y) => solve(matvec as never, y), like);
  let turned: Closed | undefined;
  let turnedSolver: Closed | undefined;
  if (symmetric) [turned, turnedSolver] = [product, solver];
  else if (transposeSolve !== undefined) {
    turned = transposed(product);
    const vecmat = asFunction(turned, tree);
    turnedSolver = traceSolver(
      op,
      'transposeSolve',
      (y) => transposeSolve(vecmat as never, y),
      like,
    );
  }
  const programs = [product, turned, solver, turnedSolver] as const;
  const outs = linearSolveP.bind([...programs.flatMap((p) => p?.consts ?? []), ...values], {
    matvec: product.jaxpr,
    vecmat: turned?.jaxpr,
    solve: solver.jaxpr,
    transposeSolve: turnedSolver?.jaxpr,
    constCounts: programs.map((p) => p?.consts.length ?? 0),
  });
  const x = unflatten(tree, outs.slice(0, avals.length));
  return hasAux ? [x, unflatten(solver.auxTree, outs.slice(avals.length))] : x;
}

/** The transpose of a linear program. */
function transposed({ jaxpr, consts, outAvals }: Body): Closed {
  const isLinear = jaxpr.invars.map((_, i) => i >= consts.length);
  const all = outAvals.map(() => true);
  const turned = transposeJaxpr(jaxpr, isLinear, all, true);
  return { jaxpr: turned.jaxpr, consts: [...turned.consts, ...consts] };
}

const asFunction =
  ({ jaxpr, consts }: Closed, tree: TreeDef) =>
  (x: unknown): unknown => {
    const { values } = flattenValues('customLinearSolve', 'the argument of vecmat', x);
    return unflatten(tree, evalJaxpr(jaxpr, [...consts, ...values]));
  };
