/**
 * `checkpoint`: trade time for memory. The derivative of a checkpointed function saves its arguments only, and computes everything
 * else again when it is needed. The primitive is called `remat2`, as in JAX.
 */
import { config } from '../core/config.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction } from '../core/options.ts';
import { LinearArg, type Primitive, type Tangent } from '../core/primitive.ts';
import { isEager } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, flagText } from '../lax/define.ts';
import { unflatten } from '../core/tree.ts';
import { defineDeadCode, pruneJaxpr } from './dead-code.ts';
import { compileJaxpr, deviceOf, runProgram } from './executables.ts';
import { flattenFunction, flattenValues, nameOf, named } from './flat-function.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { merge, where, whereNot } from './jaxpr-cache.ts';
import { jvpJaxpr, spread } from './jvp.ts';
import {
  definePartialEval,
  partialEvalJaxpr,
  pickResiduals,
  type PartialTrace,
} from './linearize.ts';
import type { Inputs, Output } from './signature.ts';
import { hasEffects, traceClosed } from './stage.ts';
import { avalsOf } from '../core/trace.ts';
import { backwardPass } from './transpose.ts';
import { batchJaxpr } from './vmap-trace.ts';

/** Parameters of `remat2`. */
export interface CheckpointParams {
  readonly jaxpr: Jaxpr;
  /** Whether this is the part that computes again. */
  readonly differentiated: boolean;
  /** Whether the compiler must not merge what is computed again with what was computed before. */
  readonly preventCse: boolean;
}

/** `remat2`: a call whose derivative saves nothing but the arguments. */
export const checkpointP: Primitive<CheckpointParams> = definePrimitive<CheckpointParams>(
  'remat2',
  {
    abstractEval: (_, { jaxpr }) => jaxpr.outAvals,
    lower(b, args, { jaxpr, differentiated, preventCse }, context) {
      const guarded =
        differentiated && preventCse && args.length > 0 ? b.optimizationBarrier(args) : args;
      return context.inline(jaxpr, guarded);
    },
    evaluate: (args, { jaxpr }) =>
      runProgram(compileJaxpr('checkpoint', jaxpr, deviceOf(args)), args),
    jvp(primals, tangents, params) {
      const derived = jvpJaxpr(
        params.jaxpr,
        tangents.map((t) => t !== null),
      );
      const given = tangents.filter((t) => t !== null);
      const outs = checkpointP.bind([...derived.consts, ...primals, ...given], {
        ...params,
        jaxpr: derived.jaxpr,
      });
      const count = params.jaxpr.outvars.length;
      return [outs.slice(0, count), spread(derived.nonzeroOut, outs.slice(count))];
    },
    transpose: (cts, args, params) => transposeCheckpoint(cts, args, params),
    batch(args, dims, params, axis) {
      const derived = batchJaxpr(params.jaxpr, axis, dims, { anywhere: true });
      return [
        checkpointP.bind([...derived.consts, ...args], { ...params, jaxpr: derived.jaxpr }),
        derived.dimsOut,
      ];
    },
    hasEffects: ({ jaxpr }) => hasEffects(jaxpr),
    printParams: ({ jaxpr, differentiated, preventCse }) => ({
      differentiated: flagText(differentiated),
      jaxpr,
      policy: 'None',
      prevent_cse: flagText(preventCse),
    }),
  },
);

defineDeadCode(checkpointP, (usedOut, params) => {
  const { jaxpr, usedIn } = pruneJaxpr(params.jaxpr, usedOut);
  return jaxpr === params.jaxpr
    ? undefined
    : { params: { ...params, jaxpr }, usedIn, keptOut: usedOut };
});

/** Known results are computed now; what is unknown is computed from the arguments when it is needed. */
function splitCheckpoint(
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: CheckpointParams,
): readonly Value[] {
  const { unknownOut } = partialEvalJaxpr(params.jaxpr, unknown);
  const known = pruneJaxpr(
    params.jaxpr,
    unknownOut.map((on) => !on),
  );
  const knownOut = trace.known(() =>
    known.jaxpr.outvars.length === 0
      ? []
      : checkpointP.bind(where(args, known.usedIn), { ...params, jaxpr: known.jaxpr }),
  );
  const rest = pruneJaxpr(params.jaxpr, unknownOut);
  const recorded = trace.record(checkpointP, where(args, rest.usedIn), {
    ...params,
    jaxpr: rest.jaxpr,
    differentiated: true,
  });
  return merge<Value>(unknownOut, recorded, knownOut);
}

definePartialEval(checkpointP, splitCheckpoint);

/** Compute again what does not depend on linear operands, then run the linear rest backwards: one call does both. */
function transposeCheckpoint(
  cts: readonly Tangent[],
  args: readonly (Value | LinearArg)[],
  params: CheckpointParams,
): Tangent[] {
  const linear = args.map((x) => x instanceof LinearArg);
  const fixed = args.filter((x): x is Value => !(x instanceof LinearArg));
  const given = cts.filter((ct) => ct !== null);
  const linearAvals = where(params.jaxpr.inAvals, linear);
  const parts = partialEvalJaxpr(params.jaxpr, linear);
  let nonzeroOut: boolean[] = [];
  const backward = traceClosed(
    (xs) => {
      const knownIn = xs.slice(0, fixed.length);
      const knownOut = evalJaxpr(parts.known, [...parts.consts, ...knownIn]);
      const residuals = pickResiduals(parts.residuals, knownIn, knownOut);
      const all = spread(
        cts.map((ct) => ct !== null),
        xs.slice(fixed.length),
      );
      const operands = [...residuals, ...linearAvals.map((aval) => new LinearArg(aval))];
      const out = backwardPass(parts.unknown, operands, where(all, parts.unknownOut)).slice(
        residuals.length,
      );
      nonzeroOut = out.map((ct) => ct !== null);
      return out.filter((ct) => ct !== null);
    },
    avalsOf([...fixed, ...given]),
  );
  const outs = checkpointP.bind([...backward.consts, ...fixed, ...given], {
    ...params,
    jaxpr: backward.jaxpr,
  });
  return merge<Tangent>(
    linear,
    spread(nonzeroOut, outs),
    whereNot(linear, linear).map(() => null),
  );
}

/** Options of `checkpoint`. */
export interface CheckpointOptions {
  /** Keep the compiler from merging what is computed again with what was computed before; false inside `scan` is safe and faster. */
  readonly preventCse?: boolean;
}

/**
 * The same function, whose reverse derivative saves the arguments only and computes the rest again.
 *
 * @throws TreeError when an argument or result is no array.
 * @example
 * const f = checkpoint((x: Value) => lax.sin(lax.sin(x)));
 * String(grad((x: Value) => f(x))(0)); // → 1.0
 */
export function checkpoint<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: CheckpointOptions,
): (...args: Inputs<A>) => Output<R>;
export function checkpoint<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: CheckpointOptions,
): (...args: Inputs<A>) => Output<R>;
export function checkpoint(
  f: (...args: never[]) => unknown,
  { preventCse = true }: CheckpointOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('checkpoint', f);
  return named((...args: unknown[]) => {
    if (config.disableJit && isEager()) return f(...(args as never[]));
    const { values, treedef } = flattenValues('checkpoint', 'args', args);
    const flat = flattenFunction('checkpoint', f, treedef);
    const { jaxpr, consts } = traceClosed(flat.fun, avalsOf(values), 'checkpoint');
    const outs = checkpointP.bind([...consts, ...values], {
      jaxpr,
      differentiated: false,
      preventCse,
    });
    return unflatten(flat.outTree(), outs);
  }, nameOf(f));
}
