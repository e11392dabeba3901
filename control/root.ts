/** `customRoot`: a root that is found by any algorithm, differentiated through the equation that it solves. */
import { TreeError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { Tangent } from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { neg } from '../lax/arithmetic.ts';
import { customJvpCallP, type CustomJvpParams } from '../transforms/custom-call.ts';
import { flattenValues } from '../transforms/flat-function.ts';
import { split } from '../transforms/jaxpr-cache.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { jvpFlat, spread } from '../transforms/jvp.ts';
import { linearizeFlat } from '../transforms/linearize.ts';
import type { Input, Output } from '../transforms/signature.ts';
import { traceClosed, type Closed } from '../transforms/stage.ts';
import { instantiate, isDifferentiable } from '../transforms/zeros.ts';
import { checkSolution, traceBody, traceSolver } from './body.ts';

/** Options of `customRoot`. */
export interface CustomRootOptions {
  /** Whether `solve` returns a pair `[root, aux]`; `aux` has a zero derivative. */
  readonly hasAux?: boolean;
}

/** A function of trees whose root is asked for, or its derivative at one. */
type System<X> = (x: X) => X;

/**
 * The root of `f` that `solve(f, initialGuess)` finds, with the derivative of the implicit function: for `f(x, p) = 0` it is
 * `dx = -(∂f/∂x)⁻¹ ∂f/∂p dp`. How the root was found is not differentiated, so `solve` may loop as long as it likes.
 * `tangentSolve(g, y)` solves `g(x) = y` for the linear function `g` (the derivative of `f` at the root); for reverse mode it must
 * be linear in `y`, as `customLinearSolve` is.
 *
 * @throws TreeError, ShapeError or DTypeError when `f`, `solve` or `tangentSolve` do not give a value like `initialGuess`.
 * @example
 * const squareRoot = (a: Value): Value => customRoot((x: Value) => lax.sub(lax.mul(x, x), a), 1, (f, x) => foriLoop(0, 20, (_: Value, y: Value) => lax.sub(y, lax.div(f(y), lax.mul(y, 2))), x), (g, y) => lax.div(y, g(lax.fullLike(y, 1))));
 * String(grad(squareRoot)(4)); // → 0.25
 */
export function customRoot<X, A>(
  f: System<X>,
  initialGuess: Input<X>,
  solve: (f: System<X>, initialGuess: X) => readonly [root: X, aux: A],
  tangentSolve: (g: System<X>, y: X) => X,
  options: CustomRootOptions & { readonly hasAux: true },
): [Output<X>, Output<A>];
export function customRoot<X>(
  f: System<X>,
  initialGuess: Input<X>,
  solve: (f: System<X>, initialGuess: X) => X,
  tangentSolve: (g: System<X>, y: X) => X,
  options?: CustomRootOptions,
): Output<X>;
export function customRoot(
  f: (x: never) => unknown,
  initialGuess: unknown,
  solve: (f: never, initialGuess: never) => unknown,
  tangentSolve: (g: never, y: never) => unknown,
  options: CustomRootOptions = {},
): unknown {
  const op = 'customRoot';
  for (const g of [f, solve, tangentSolve]) checkFunction(op, g);
  checkOptions(op, options, ['hasAux']);
  const { hasAux = false } = options;
  const guess = flattenValues(op, 'initialGuess', initialGuess);
  const tree = guess.treedef;
  const avals = avalsOf(guess.values);
  const inTree = flatten([initialGuess]).treedef;
  const system = traceBody(op, f, inTree, avals);
  checkSolution(op, 'f', tree, avals, system.outTree, system.outAvals);
  const solver = traceSolver(op, 'solve', (x) => solve(f as never, x), {
    tree,
    avals,
    inTree,
    hasAux,
  });
  // Values at the root, right-hand side → solution of the linear system.
  const linear = traceClosed(
    (all) => {
      const [x, y] = split(all, [avals.length, avals.length]);
      const g = derivative(system, tree, x);
      const result = flattenValues(
        op,
        'the result of tangentSolve',
        tangentSolve(g as never, unflatten(tree, y) as never),
      );
      checkSolution(op, 'tangentSolve', tree, avals, result.treedef, avalsOf(result.values));
      return result.values;
    },
    [...avals, ...avals],
    op,
  );
  const outs = customJvpCallP.bind(
    [...system.consts, ...solver.consts, ...linear.consts, ...guess.values],
    rootCall(system, solver, linear, avals.length),
  );
  const root = unflatten(tree, outs.slice(0, avals.length));
  return hasAux ? [root, unflatten(solver.auxTree, outs.slice(avals.length))] : root;
}

/** The derivative of `f` at `x`, as a function of trees. */
function derivative(system: Closed, tree: TreeDef, x: readonly Value[]): (y: unknown) => unknown {
  const { linear, nonzeroOut } = linearizeFlat(
    (ys) => evalJaxpr(system.jaxpr, [...system.consts, ...ys]),
    x,
    x.map((v) => isDifferentiable(v.aval)),
  );
  return (y) => {
    const given = flattenValues('customRoot', 'the argument of g', y);
    if (!given.treedef.equals(tree))
      throw new TreeError(
        `customRoot: g takes a value with the tree of initialGuess, ${tree.toString()}; got ${given.treedef.toString()}. Pass every part.`,
      );
    const outs = evalJaxpr(
      linear,
      given.values.filter((_, i) => isDifferentiable(x[i].aval)),
    );
    return unflatten(
      tree,
      spread(nonzeroOut, outs).map((t, i) => instantiate(t, x[i].aval)),
    );
  };
}

/** The call with the derivative of the implicit function. Operands: constants of the three programs, the first guess. */
function rootCall(system: Closed, solver: Closed, linear: Closed, count: number): CustomJvpParams {
  const sizes = [system.consts.length, solver.consts.length, linear.consts.length, count];
  const run = (jaxpr: Jaxpr, ...xs: readonly (readonly Value[])[]): Value[] =>
    evalJaxpr(jaxpr, xs.flat());
  const params: CustomJvpParams = {
    name: '_custom_root',
    fun(xs) {
      const [, consts, , guess] = split(xs, sizes);
      return run(solver.jaxpr, consts, guess);
    },
    jvp(primals, tangents) {
      const outs = customJvpCallP.bind(primals, params);
      const root = outs.slice(0, count);
      const [systemConsts, , linearConsts] = split(primals, sizes);
      const [dots] = split(tangents, sizes);
      const [, rhs] = jvpFlat((consts) => run(system.jaxpr, consts, root), systemConsts, dots);
      if (rhs.every((t) => t === null)) return [outs, outs.map(() => null)];
      const filled = rhs.map((t, i) => instantiate(t, root[i].aval));
      const slopes = run(linear.jaxpr, linearConsts, root, filled);
      return [
        outs,
        outs.map((x, i): Tangent =>
          i < count && isDifferentiable(x.aval) ? neg(slopes[i]) : null,
        ),
      ];
    },
    jvpName: '_root_jvp',
    symbolicZeros: true,
    callJaxpr: undefined,
    constCount: 0,
  };
  return params;
}
