/**
 * The primitive `remat_opt`: the forward function of a custom VJP that knows a cheaper program for its results alone. Where nobody
 * wants the residuals, as in the forward part under `checkpoint`, the function itself runs; what is opaque to the removal of dead
 * code, as a kernel, would compute them all the same.
 */
import { Jaxpr, Var } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive } from '../lax/define.ts';
import { checkOutputs, type FlatForward, type ForwardResult } from './custom-call.ts';
import { defineDeadCode } from './dead-code.ts';
import { compileJaxpr, deviceOf, runProgram } from './executables.ts';
import { defineGuard, guardJaxpr } from './guard.ts';
import { callJaxpr } from './jit-call.ts';
import { jvpJaxpr, spread } from './jvp.ts';
import { traceClosed, type Closed, type FlatFunction } from './stage.ts';
import { batchJaxpr } from './vmap-trace.ts';

/** Parameters of `remat_opt`. */
export interface RematOptParams {
  readonly name: string;
  /** Arguments → results, residuals. */
  readonly jaxpr: Jaxpr;
  /** Arguments → results. */
  readonly funJaxpr: Jaxpr;
}

/** `remat_opt`: the forward function of a custom VJP; without its residuals, the function itself. */
export const rematOptP: Primitive<RematOptParams> = definePrimitive<RematOptParams>('remat_opt', {
  abstractEval: (_, { jaxpr }) => jaxpr.outAvals,
  lower: (_, args, { jaxpr }, context) => context.inline(jaxpr, args),
  evaluate: (args, { name, jaxpr }) =>
    runProgram(compileJaxpr(`fwd_${name}`, jaxpr, deviceOf(args)), args),
  // Of higher order, the forward function is a function like others.
  jvp(primals, tangents, { name, jaxpr }) {
    const derived = jvpJaxpr(
      jaxpr,
      tangents.map((t) => t !== null),
    );
    const given = tangents.filter((t) => t !== null);
    const outs = callJaxpr({ name, jaxpr }, derived.jaxpr, [
      ...derived.consts,
      ...primals,
      ...given,
    ]);
    const count = jaxpr.outvars.length;
    return [outs.slice(0, count), spread(derived.nonzeroOut, outs.slice(count))];
  },
  batch(args, dims, params, axis) {
    const batched = (jaxpr: Jaxpr): Closed =>
      batchJaxpr(jaxpr, axis, dims, { force: jaxpr.outvars.map(() => true) });
    const [forward, plain] = [batched(params.jaxpr), batched(params.funJaxpr)];
    const outs = bindBoth(params.name, forward, plain, args);
    return [outs, outs.map(() => 0)];
  },
  effects: ({ jaxpr }) => jaxpr.effects,
  printParams: ({ name, jaxpr }) => ({ name, jaxpr }),
});

defineGuard(rematOptP, (on, args, { name, jaxpr }) => {
  const guarded = guardJaxpr(jaxpr);
  return callJaxpr({ name, jaxpr }, guarded.jaxpr, [...guarded.consts, on, ...args]);
});

defineDeadCode(rematOptP, (usedOut, params) => {
  const { jaxpr, funJaxpr } = params;
  const count = funJaxpr.outvars.length;
  if (jaxpr === funJaxpr || usedOut.slice(count).includes(true)) return undefined;
  return {
    params: { ...params, jaxpr: funJaxpr },
    usedIn: jaxpr.invars.map(() => true),
    keptOut: usedOut.map((_, i) => i < count),
  };
});

/** Both programs with the same operands: what each captures, then the arguments. */
function bindBoth(
  name: string,
  forward: Closed,
  plain: Closed,
  args: readonly Value[],
): readonly Value[] {
  const strangers = (consts: readonly Value[]): Var[] => consts.map((x) => new Var(x.aval));
  const split = plain.consts.length;
  const withInputs = ({ eqns, outvars }: Jaxpr, invars: readonly Var[]): Jaxpr =>
    new Jaxpr({ invars, eqns, outvars });
  const own = plain.jaxpr.invars;
  return rematOptP.bind([...plain.consts, ...forward.consts, ...args], {
    name,
    jaxpr: withInputs(forward.jaxpr, [...strangers(plain.consts), ...forward.jaxpr.invars]),
    funJaxpr: withInputs(plain.jaxpr, [
      ...own.slice(0, split),
      ...strangers(forward.consts),
      ...own.slice(split),
    ]),
  });
}

/** The forward function as one call of `remat_opt`. */
export const optimizedForward =
  (name: string, fun: FlatFunction, forward: FlatForward): FlatForward =>
  (args, perturbed) => {
    const plain = traceClosed(fun, avalsOf(args), name);
    const results: ForwardResult[] = [];
    const whole = traceClosed(
      (xs) => {
        const result = forward(xs, perturbed);
        checkOutputs('customVjp', name, plain.jaxpr, result.outs);
        results.push(result);
        return [...result.outs, ...result.residuals];
      },
      avalsOf(args),
      name,
    );
    const outs = bindBoth(name, whole, plain, args);
    const count = plain.jaxpr.outvars.length;
    return {
      outs: outs.slice(0, count),
      residuals: outs.slice(count),
      backward: results[0].backward,
    };
  };
