/**
 * `checkpoint`: trade time for memory. The derivative of a checkpointed function saves its arguments, and what a policy says, and
 * computes everything else again when it is needed. The primitive is called `remat2`, as in JAX.
 */
import { describe } from '../core/array.ts';
import { config } from '../core/config.ts';
import { ArgumentError } from '../core/errors.ts';
import { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { LinearArg, type Primitive, type Tangent } from '../core/primitive.ts';
import { isEager } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, flagText } from '../lax/define.ts';
import { unflatten } from '../core/tree.ts';
import { nothingSaveable, type CheckpointPolicy } from './checkpoint-policies.ts';
import { defineDeadCode, pruneJaxpr } from './dead-code.ts';
import { compileJaxpr, deviceOf, runProgram, runsStepwise } from './executables.ts';
import {
  argumentPath,
  checkCapturedRefs,
  flattenFunction,
  flattenOperands,
  nameOf,
  named,
} from './flat-function.ts';
import { defineCallGuard } from './guard.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { merge, where, whereNot } from './jaxpr-cache.ts';
import { jvpJaxpr, spread } from './jvp.ts';
import {
  definePartialEval,
  partialEvalJaxpr,
  pickResiduals,
  type PartialJaxpr,
  type PartialTrace,
} from './linearize.ts';
import { defineSaving, saveCall, splitBySaving, type SavedJaxpr } from './saving.ts';
import type { Inputs, Output } from './signature.ts';
import { splitArguments } from './split-arguments.ts';
import { defineState, stateJaxpr, stateResults } from './state.ts';
import { traceClosed, type Closed } from './stage.ts';
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
  /** What to save besides the arguments; nothing when left out. */
  readonly policy?: CheckpointPolicy | undefined;
}

/** `remat2`: a call whose derivative saves the arguments, and what the policy says. */
export const checkpointP: Primitive<CheckpointParams> = definePrimitive<CheckpointParams>(
  'remat2',
  {
    abstractEval: (_, { jaxpr }) => jaxpr.outAvals,
    lower(b, args, { jaxpr, differentiated, preventCse }, context) {
      const guarded =
        differentiated && preventCse && args.length > 0 ? b.optimizationBarrier(args) : args;
      return context.inline(jaxpr, guarded);
    },
    evaluate(args, { jaxpr }) {
      const device = deviceOf(args);
      if (runsStepwise(device)) return evalJaxpr(jaxpr, args);
      return runProgram(compileJaxpr('checkpoint', jaxpr, device), args);
    },
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
    effects: ({ jaxpr }) => jaxpr.effects,
    printParams: ({ jaxpr, differentiated, preventCse, policy }) => ({
      differentiated: flagText(differentiated),
      jaxpr,
      policy: policy === undefined ? 'None' : nameOf(policy),
      prevent_cse: flagText(preventCse),
    }),
  },
);

defineCallGuard(checkpointP);

defineDeadCode(checkpointP, (usedOut, params) => {
  const { jaxpr, usedIn } = pruneJaxpr(params.jaxpr, usedOut);
  return jaxpr === params.jaxpr
    ? undefined
    : { params: { ...params, jaxpr }, usedIn, keptOut: usedOut };
});

/**
 * Known results are computed now, with the values that the policy saves; what is unknown is computed from those and the
 * arguments when it is needed.
 */
function splitCheckpoint(
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: CheckpointParams,
): readonly Value[] {
  const policy = trace.policy ?? params.policy ?? nothingSaveable;
  const parts = partialEvalJaxpr(params.jaxpr, unknown, [], policy);
  const knownIn = [...parts.consts, ...whereNot(args, unknown)];
  const { invars, eqns, outvars } = parts.known;
  const numOut = parts.unknownOut.filter((on) => !on).length;
  const residuals = parts.residuals.map(({ from, index }) =>
    from === 'input' ? invars[parts.consts.length + index] : outvars[index],
  );
  const program = new Jaxpr({ invars, eqns, outvars: [...outvars.slice(0, numOut), ...residuals] });
  const isResidual = program.outvars.map((_, i) => i >= numOut);
  const saving = splitBySaving(program, isResidual, policy);
  const known = pruneJaxpr(
    saving.known,
    saving.known.outvars.map((_, i) => !(isResidual[i] ?? false)),
  );
  const knownOut = trace.known(() =>
    known.jaxpr.outvars.length === 0
      ? []
      : checkpointP.bind(where(knownIn, known.usedIn), { ...params, jaxpr: known.jaxpr }),
  );
  const saved = knownOut.slice(numOut);
  // Where nothing is saved the whole program runs again: checkpoints inside stay in one piece.
  const again: Closed =
    saved.length === 0
      ? { jaxpr: params.jaxpr, consts: args }
      : fromSaved(
          saving,
          parts,
          [...where(knownIn, saving.usedIn), ...saved],
          where(args, unknown),
        );
  const rest = pruneJaxpr(
    again.jaxpr,
    saved.length === 0 ? parts.unknownOut : again.jaxpr.outvars.map(() => true),
  );
  const recorded = trace.record(checkpointP, where(again.consts, rest.usedIn), {
    ...params,
    jaxpr: rest.jaxpr,
    differentiated: true,
  });
  return merge<Value>(parts.unknownOut, recorded, knownOut.slice(0, numOut));
}

/** The program that computes the rest of what is known again and then what is unknown, and its operands. */
function fromSaved(
  saving: SavedJaxpr,
  parts: PartialJaxpr,
  known: readonly Value[],
  unknown: readonly Value[],
): Closed {
  const { jaxpr, consts } = traceClosed(
    (xs) =>
      evalJaxpr(parts.unknown, [
        ...evalJaxpr(saving.rest, xs.slice(0, known.length)),
        ...xs.slice(known.length),
      ]),
    avalsOf([...known, ...unknown]),
  );
  return { jaxpr, consts: [...consts, ...known, ...unknown] };
}

definePartialEval(checkpointP, splitCheckpoint);

defineState(checkpointP, ({ slots, state, plain }, params) => {
  const { jaxpr, consts, written } = stateJaxpr(params.jaxpr, slots, avalsOf(state));
  const outs = checkpointP.bind([...consts, ...state, ...plain], { ...params, jaxpr });
  return stateResults(written, outs);
});

defineSaving(checkpointP, saveCall<CheckpointParams>({ differentiated: true }));

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
  /** What to save besides the arguments; nothing when left out. */
  readonly policy?: CheckpointPolicy;
  /** Keep the compiler from merging what is computed again with what was computed before; false inside `scan` is safe and faster. */
  readonly preventCse?: boolean;
  /** Arguments that are no arrays: any JavaScript values, handed to the function as they are. Negative positions count from the end. */
  readonly staticArgnums?: number | readonly number[];
}

/**
 * The same function, whose reverse derivative saves the arguments and what the policy says, and computes the rest again.
 *
 * @throws TreeError when an argument or result is no array; ArgumentError when `staticArgnums` names no argument.
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
  options: CheckpointOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('checkpoint', f);
  checkOptions('checkpoint', options, ['policy', 'preventCse', 'staticArgnums']);
  const { policy, preventCse = true, staticArgnums = [] } = options;
  if (policy !== undefined && typeof policy !== 'function')
    throw new ArgumentError(
      `checkpoint: the policy must be a function of primitive, types and params; got ${describe(policy)}. Take one from checkpointPolicies.`,
    );
  const fixed = typeof staticArgnums === 'number' ? [staticArgnums] : staticArgnums;
  return named((...args: unknown[]) => {
    if (config.disableJit && isEager()) return f(...(args as never[]));
    const call = splitArguments('checkpoint', 'staticArgnums', args, fixed);
    const { values, treedef } = flattenOperands('checkpoint', 'args', call.diff);
    const flat = flattenFunction(
      'checkpoint',
      named((...given: never[]) => f(...call.fill(given)), nameOf(f)),
      treedef,
    );
    const { jaxpr, consts } = traceClosed(flat.fun, avalsOf(values), 'checkpoint');
    checkCapturedRefs('checkpoint', consts, values, (i) => argumentPath(call.diff, i));
    const outs = checkpointP.bind([...consts, ...values], {
      jaxpr,
      differentiated: false,
      preventCse,
      policy,
    });
    return unflatten(flat.outTree(), outs);
  }, nameOf(f));
}
