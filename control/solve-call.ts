/**
 * The primitive `custom_linear_solve`: a linear system that a given program solves. Operands: constants of the four programs, then
 * the right-hand side. Results: the solution, then whatever else the solver gives.
 */
import { ArgumentError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type {
  AxisData,
  BatchDim,
  BatchResult,
  JvpResult,
  Primitive,
  Tangent,
} from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { neg } from '../lax/arithmetic.ts';
import { definePrimitive } from '../lax/define.ts';
import { batchTo } from '../lax/structure.ts';
import { split } from '../transforms/jaxpr-cache.ts';
import { defineGuard, guardJaxpr } from '../transforms/guard.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { jvpFlat } from '../transforms/jvp.ts';
import type { Closed } from '../transforms/stage.ts';
import { batchJaxpr } from '../transforms/vmap-trace.ts';
import { addTangents, instantiate } from '../transforms/zeros.ts';

/** Parameters of `custom_linear_solve`. */
export interface LinearSolveParams {
  /** Constants, x → b. */
  readonly matvec: Jaxpr;
  /** Constants, y → the transpose of `matvec` applied to it. */
  readonly vecmat: Jaxpr | undefined;
  /** Constants, b → x, auxiliary results. */
  readonly solve: Jaxpr;
  /** Constants, b → solution of the transposed system, auxiliary results. */
  readonly transposeSolve: Jaxpr | undefined;
  /** Constants of `matvec`, `vecmat`, `solve`, `transposeSolve`. */
  readonly constCounts: readonly number[];
}

/** Operands apart: the constants of the four programs, the right-hand side. */
export const splitSolve = <T>(xs: readonly T[], { constCounts }: LinearSolveParams): T[][] => {
  const fixed = constCounts.reduce((n, count) => n + count, 0);
  return split(xs, [...constCounts, xs.length - fixed]);
};

/** `custom_linear_solve`: the solution of a linear system. */
export const linearSolveP: Primitive<LinearSolveParams> = definePrimitive<LinearSolveParams>(
  'custom_linear_solve',
  {
    abstractEval: (_, { solve }) => solve.outAvals,
    lower(_, args, params, context) {
      const [, , consts, , b] = splitSolve(args, params);
      return context.inline(params.solve, [...consts, ...b]);
    },
    jvp: (primals, tangents, params) => jvpSolve(primals, tangents, params),
    transpose(cts, args, params) {
      const fixed = args.slice(0, -params.matvec.outvars.length) as readonly Value[];
      return transposeSolve(cts, fixed, params);
    },
    batch: (args, dims, params, axis) => batchSolve(args, dims, params, axis),
    effects: ({ solve }) => solve.effects,
    printParams: ({ matvec, vecmat, solve, transposeSolve: turned, constCounts }) => ({
      const_lengths: `[${constCounts.join(', ')}]`,
      matvec,
      solve,
      transpose_solve: turned ?? 'None',
      vecmat: vecmat ?? 'None',
    }),
  },
);

defineGuard(linearSolveP, (on, args, params) => {
  const parts = splitSolve(args, params);
  const guard = (jaxpr: Jaxpr | undefined): Closed | undefined => jaxpr && guardJaxpr(jaxpr);
  const matvec = guardJaxpr(params.matvec);
  const vecmat = guard(params.vecmat);
  const solve = guardJaxpr(params.solve);
  const turned = guard(params.transposeSolve);
  const consts = [matvec, vecmat, solve, turned].map((program, k) =>
    program === undefined ? parts[k] : [...program.consts, on, ...parts[k]],
  );
  return linearSolveP.bind([...consts.flat(), ...parts[4]], {
    matvec: matvec.jaxpr,
    vecmat: vecmat?.jaxpr,
    solve: solve.jaxpr,
    transposeSolve: turned?.jaxpr,
    constCounts: consts.map((list) => list.length),
  });
});

// A x = b, so A dx = db - dA x.
function jvpSolve(
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: LinearSolveParams,
): JvpResult {
  const outs = linearSolveP.bind(primals, params);
  const [matvecConsts, , , , b] = splitSolve(primals, params);
  const [matvecDots, , , , bDots] = splitSolve(tangents, params);
  const x = outs.slice(0, b.length);
  const [, moved] = jvpFlat(
    (consts) => evalJaxpr(params.matvec, [...consts, ...x]),
    matvecConsts,
    matvecDots,
  );
  const rhs = bDots.map((t, i) => {
    const change = moved[i];
    return addTangents(t, change === null ? null : neg(change));
  });
  if (rhs.every((t) => t === null)) return [outs, []];
  const filled = rhs.map((t, i) => instantiate(t, b[i].aval));
  const consts = primals.slice(0, primals.length - b.length);
  return [outs, linearSolveP.bind([...consts, ...filled], params).slice(0, b.length)];
}

/** The transposed system, for the cotangents of the solution. */
function transposeSolve(
  cts: readonly Tangent[],
  fixed: readonly Value[],
  params: LinearSolveParams,
): Tangent[] {
  const { matvec, vecmat, solve, transposeSolve: turned, constCounts } = params;
  if (vecmat === undefined || turned === undefined)
    throw new ArgumentError(
      'customLinearSolve: reverse mode needs a solver of the transposed system; got no transposeSolve. Pass { transposeSolve }, or { symmetric: true } if matvec is its own transpose.',
    );
  const [a, b, c, d] = split(fixed, constCounts);
  const [m, v, s, t] = constCounts;
  const filled = matvec.outAvals.map((aval, i) => instantiate(cts[i] ?? null, aval));
  const outs = linearSolveP.bind([...b, ...a, ...d, ...c, ...filled], {
    matvec: vecmat,
    vecmat: matvec,
    solve: turned,
    transposeSolve: solve,
    constCounts: [v, m, t, s],
  });
  return [...fixed.map(() => null), ...outs.slice(0, filled.length)];
}

/** One system per lane: all programs and the right-hand side get the batch axis, which is their first. */
function batchSolve(
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: LinearSolveParams,
  axis: AxisData,
): BatchResult {
  const moved = args.map((x, i) => (dims[i] === null ? x : batchTo(x, dims[i], 0, axis.size)));
  const parts = splitSolve(moved, params);
  const partDims = splitSolve(
    dims.map((d) => (d === null ? null : 0)),
    params,
  );
  const b = parts[4].map((x, i) => (partDims[4][i] === null ? batchTo(x, null, 0, axis.size) : x));
  const derived = [params.matvec, params.vecmat, params.solve, params.transposeSolve].map(
    (jaxpr, k) =>
      jaxpr === undefined
        ? undefined
        : batchJaxpr(jaxpr, axis, [...partDims[k], ...b.map(() => 0)], {
            force: jaxpr.outvars.map(() => true),
          }),
  );
  const [matvec, vecmat, solve, turned] = derived.map((program) => program?.jaxpr);
  const consts = derived.map((program, k) => [...(program?.consts ?? []), ...parts[k]]);
  const outs = linearSolveP.bind([...consts.flat(), ...b], {
    matvec: matvec ?? params.matvec,
    vecmat,
    solve: solve ?? params.solve,
    transposeSolve: turned,
    constCounts: consts.map((list) => list.length),
  });
  return [outs, outs.map(() => 0)];
}
