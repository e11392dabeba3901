/**
 * The primitive `jit`: a call of a program. On concrete arrays it compiles the program; inside other programs it stays one
 * equation, which lowers to a call of a private function.
 */
import type { Jaxpr } from '../core/jaxpr.ts';
import { LinearArg, type Primitive, type Tangent } from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive } from '../lax/define.ts';
import { defineDeadCode, pruneJaxpr } from './dead-code.ts';
import { compileJaxpr, deviceOf, runProgram, runsStepwise } from './executables.ts';
import { defineCallGuard } from './guard.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { merge, where, whereNot } from './jaxpr-cache.ts';
import { jvpJaxpr, spread } from './jvp.ts';
import {
  definePartialEval,
  partialEvalJaxpr,
  pickResiduals,
  type PartialTrace,
} from './linearize.ts';
import { defineSaving, saveCall } from './saving.ts';
import { defineState, stateJaxpr, stateResults } from './state.ts';
import { transposeJaxpr } from './transpose.ts';
import { batchJaxpr } from './vmap-trace.ts';

/** Parameters of `jit`. */
export interface JitParams {
  readonly name: string;
  /** The program; it has no constants. */
  readonly jaxpr: Jaxpr;
  /** Says that programs that call it get its equations; absent for a call. */
  readonly inline?: true;
}

/** Call a program as the call `like` would; one without equations needs no call. */
export const callJaxpr = (
  like: JitParams,
  jaxpr: Jaxpr,
  args: readonly Value[],
): readonly Value[] =>
  jaxpr.eqns.length === 0 ? evalJaxpr(jaxpr, args) : jitP.bind(args, { ...like, jaxpr });

/** `jit`: call a program. */
export const jitP: Primitive<JitParams> = definePrimitive<JitParams>('jit', {
  abstractEval: (_, { jaxpr }) => jaxpr.outAvals,
  lower: (_, args, { name, jaxpr }, context) => context.call(name, jaxpr, args),
  evaluate(args, { name, jaxpr }) {
    const device = deviceOf(args);
    if (runsStepwise(device)) return evalJaxpr(jaxpr, args);
    return runProgram(compileJaxpr(`jit_${name}`, jaxpr, device), args);
  },
  jvp(primals, tangents, params) {
    const { jaxpr } = params;
    const nonzero = tangents.map((t) => t !== null);
    const derived = jvpJaxpr(jaxpr, nonzero);
    const given = tangents.filter((t) => t !== null);
    const outs = callJaxpr(params, derived.jaxpr, [...derived.consts, ...primals, ...given]);
    const count = jaxpr.outvars.length;
    return [outs.slice(0, count), spread(derived.nonzeroOut, outs.slice(count))];
  },
  transpose: (cts, args, params) => transposeCall(params, cts, args),
  batch(args, dims, params, axis) {
    const derived = batchJaxpr(params.jaxpr, axis, dims, { anywhere: true });
    return [callJaxpr(params, derived.jaxpr, [...derived.consts, ...args]), derived.dimsOut];
  },
  effects: ({ jaxpr }) => jaxpr.effects,
  printParams: ({ name, jaxpr }) => ({ name, jaxpr }),
  inlined: (args, { inline, jaxpr }) => (inline === true ? evalJaxpr(jaxpr, args) : undefined),
  sharesNames: true,
});

/** Transpose the call of a program that is linear in the `LinearArg` operands. */
export function transposeCall(
  params: JitParams,
  cts: readonly Tangent[],
  args: readonly (Value | LinearArg)[],
): Tangent[] {
  const linear = args.map((x) => x instanceof LinearArg);
  const derived = transposeJaxpr(
    params.jaxpr,
    linear,
    cts.map((ct) => ct !== null),
  );
  const fixed = args.filter((x): x is Value => !(x instanceof LinearArg));
  const given = cts.filter((ct) => ct !== null);
  const outs = callJaxpr(params, derived.jaxpr, [...derived.consts, ...fixed, ...given]);
  return merge(
    linear,
    spread(derived.nonzeroOut, outs),
    fixed.map(() => null),
  );
}

/** Split the call of a program: the known part is called on the parent, the rest is recorded. */
export function splitCall(
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: JitParams,
): Value[] {
  const parts = partialEvalJaxpr(params.jaxpr, unknown, [], trace.policy);
  const knownIn = whereNot(args, unknown);
  const knownOut = trace.known(() => callJaxpr(params, parts.known, [...parts.consts, ...knownIn]));
  const operands = [...pickResiduals(parts.residuals, knownIn, knownOut), ...where(args, unknown)];
  const rest =
    parts.unknown.eqns.length === 0
      ? evalJaxpr(parts.unknown, operands)
      : trace.record(jitP, operands, { ...params, jaxpr: parts.unknown });
  return merge(parts.unknownOut, rest, knownOut);
}

defineCallGuard(jitP);

definePartialEval(jitP, splitCall);

defineState(jitP, ({ slots, state, plain }, params) => {
  const { jaxpr, consts, written } = stateJaxpr(params.jaxpr, slots, avalsOf(state));
  return stateResults(written, callJaxpr(params, jaxpr, [...consts, ...state, ...plain]));
});

defineSaving(jitP, saveCall());

defineDeadCode(jitP, (usedOut, params) => {
  const { jaxpr, usedIn } = pruneJaxpr(params.jaxpr, usedOut);
  return jaxpr === params.jaxpr
    ? undefined
    : { params: { ...params, jaxpr }, usedIn, keptOut: usedOut };
});
