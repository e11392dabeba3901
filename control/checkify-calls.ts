/** How an error goes through calls, branches and loops: it becomes an operand and a result, a part of the carry. */
import { Jaxpr, Var } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { checkpointP } from '../transforms/checkpoint.ts';
import { customJvpCallP, customVjpCallP } from '../transforms/custom-call.ts';
import { customVmapCallP } from '../transforms/custom-vmap.ts';
import { hasGuarded } from '../transforms/guard.ts';
import { jitP } from '../transforms/jit-call.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { split } from '../transforms/jaxpr-cache.ts';
import { rematOptP } from '../transforms/remat-opt.ts';
import { dropDead, reorder, traceClosed, type Closed } from '../transforms/stage.ts';
import { condP, joinConsts } from './cond-call.ts';
import { checkNan } from './checkify-numbers.ts';
import {
  defineCheckify,
  slotStart,
  splitState,
  widen,
  Checker,
  noFailure,
  type Slot,
  type State,
  type Threaded,
} from './checkify-state.ts';
import { range, splitOperands } from './scan-params.ts';
import { scanP } from './scan-call.ts';
import { linearSolveP, splitSolve } from './solve-call.ts';
import { whileP } from './while-call.ts';

/** The program of a call with the error carried through: error, arguments → error, results. */
const threadCall = (checker: Checker, slots: readonly Slot[], jaxpr: Jaxpr): Threaded =>
  checker.thread(slots, [], jaxpr.inAvals, (state, _, args) => checker.run(jaxpr, state, args));

/** Calls stay calls. */
function defineCall<P extends { readonly jaxpr: Jaxpr }>(prim: Primitive<P>): void {
  defineCheckify(prim, (checker, state, args, params) => {
    const { jaxpr, consts, slots, unchanged } = threadCall(checker, state.slots, params.jaxpr);
    if (unchanged) return undefined;
    return splitState(
      slots,
      prim.bind([...consts, ...state.values, ...args], { ...params, jaxpr }),
    );
  });
}

defineCall(jitP);
defineCall(checkpointP);

/** Calls whose rules are about the program without an error: where it can fail, its equations take its place. */
function defineInlined<P>(prim: Primitive<P>, programOf: (params: P) => Jaxpr): void {
  defineCheckify(prim, (checker, state, args, params) => {
    const jaxpr = programOf(params);
    if (threadCall(checker, state.slots, jaxpr).unchanged) return undefined;
    const result = checker.run(jaxpr, state, args);
    return [result.state, result.outs];
  });
}

defineInlined(customVmapCallP, ({ call }) => call);
defineInlined(rematOptP, ({ jaxpr }) => jaxpr);

/** What a custom rule needs to carry the error: the call, and the error that its rule hands on as it came. */
function threadCustom(
  checker: Checker,
  { slots }: State,
  call: Jaxpr,
  constCount: number,
): Threaded & { readonly errorCount: number; readonly handOn: (xs: readonly Value[]) => State } {
  const threaded = checker.thread(
    slots,
    call.inAvals.slice(0, constCount),
    call.inAvals.slice(constCount),
    (state, fixed, args) => checker.run(call, state, [...fixed, ...args]),
  );
  const errorCount = threaded.jaxpr.invars.length - threaded.consts.length - call.invars.length;
  return { ...threaded, errorCount, handOn: handingOn(slots, errorCount, threaded.slots) };
}

/** The error of a call with room for what its program may add. Programs keep the function: it holds no values. */
const handingOn =
  (slots: readonly Slot[], errorCount: number, wanted: readonly Slot[]) =>
  (xs: readonly Value[]): State =>
    widen({ slots, values: xs.slice(0, errorCount) }, wanted);

// A derivative of the checked call hands the error on: checks inside a rule are met by checkify of a derivative.
defineCheckify(customJvpCallP, (checker, state, args, params) => {
  const { callJaxpr, constCount } = params;
  if (callJaxpr === undefined) return undefined;
  const threaded = threadCustom(checker, state, callJaxpr, constCount);
  const { jaxpr, consts, errorCount, handOn } = threaded;
  if (threaded.unchanged) return undefined;
  const outs = customJvpCallP.bind(
    [...consts, ...args.slice(0, constCount), ...state.values, ...args.slice(constCount)],
    {
      ...params,
      fun: (xs) => evalJaxpr(jaxpr, xs),
      callJaxpr: jaxpr,
      constCount: consts.length + constCount,
      jvp(primals, tangents) {
        const [ys, ts] = params.jvp(primals.slice(errorCount), tangents.slice(errorCount));
        const error = handOn(primals).values;
        return [
          [...error, ...ys],
          [...error.map(() => null), ...ts],
        ];
      },
    },
  );
  return splitState(threaded.slots, outs);
});

defineCheckify(customVjpCallP, (checker, state, args, params) => {
  const { callJaxpr, constCount } = params;
  if (callJaxpr === undefined) return undefined;
  const threaded = threadCustom(checker, state, callJaxpr, constCount);
  const { jaxpr, consts, errorCount, handOn } = threaded;
  if (threaded.unchanged) return undefined;
  const errorCts = state.values.map(() => null);
  const outs = customVjpCallP.bind(
    [...consts, ...args.slice(0, constCount), ...state.values, ...args.slice(constCount)],
    {
      ...params,
      fun: (xs) => evalJaxpr(jaxpr, xs),
      callJaxpr: jaxpr,
      constCount: consts.length + constCount,
      forward(xs, perturbed) {
        const inner = params.forward(xs.slice(errorCount), perturbed.slice(errorCount));
        const error = handOn(xs).values;
        return {
          outs: [...error, ...inner.outs],
          residuals: inner.residuals,
          backward: (residuals, cts) => [
            ...errorCts,
            ...inner.backward(residuals, cts.slice(error.length)),
          ],
        };
      },
    },
  );
  return splitState(threaded.slots, outs);
});

// The error is a constant of the solver and an auxiliary result of it, so that the derivative stays that of the linear system.
// The other three programs serve derivatives, which have no error to note their checks in.
defineCheckify(linearSolveP, (checker, state, args, params) => {
  const [a, b, c, d, rhs] = splitSolve(args, params);
  const { solve } = params;
  const body = checker.thread(state.slots, avalsOf(c), avalsOf(rhs), (error, fixed, xs) =>
    checker.run(solve, error, [...fixed, ...xs]),
  );
  const [errors, results] = [slotStart(body.slots, body.slots.length), solve.outvars.length];
  const matvec = withoutChecks(params.matvec);
  const vecmat = params.vecmat && withoutChecks(params.vecmat);
  const turned = params.transposeSolve && withoutChecks(params.transposeSolve);
  const consts = [
    [...matvec.consts, ...a],
    [...(vecmat?.consts ?? []), ...b],
    [...body.consts, ...c, ...state.values],
    [...(turned?.consts ?? []), ...d],
  ];
  const all = linearSolveP.bind([...consts.flat(), ...rhs], {
    matvec: matvec.jaxpr,
    vecmat: vecmat?.jaxpr,
    solve: reorder(body.jaxpr, range(0, body.jaxpr.invars.length), [
      ...range(errors, results),
      ...range(0, errors),
    ]),
    transposeSolve: turned?.jaxpr,
    constCounts: consts.map((list) => list.length),
  });
  const outs = all.slice(0, results);
  const inside: State = { slots: body.slots, values: all.slice(results) };
  return [checkNan(checker, inside, linearSolveP.name, outs), outs];
});

/** The program with its checks left out; what it captures are its first operands. */
const withoutChecks = (jaxpr: Jaxpr): Closed =>
  hasGuarded(jaxpr)
    ? traceClosed((xs) => new Checker(new Set()).run(jaxpr, noFailure(), xs).outs, jaxpr.inAvals)
    : { jaxpr, consts: [] };

/** Trace until the error that comes out has the slots of the one that went in. */
function settle<T extends { readonly slots: readonly Slot[] }>(
  state: State,
  trace: (slots: readonly Slot[]) => T,
): readonly [State, T] {
  const first = trace(state.slots);
  if (first.slots.length === state.slots.length) return [state, first];
  const wide = widen(state, first.slots);
  return [wide, trace(wide.slots)];
}

defineCheckify(condP, (checker, state, [index, ...args], { branches }) => {
  const [wide, { threaded, slots }] = settle(state, (given) => {
    const programs = branches.map((branch) => threadCall(checker, given, branch));
    const all = programs.reduce(
      (found, program) => widen({ slots: found, values: [] }, program.slots).slots,
      given,
    );
    return { threaded: programs, slots: all };
  });
  if (threaded.every(({ unchanged }) => unchanged)) return undefined;
  const joined = joinConsts(threaded);
  const outs = condP.bind([index, ...joined.consts, ...wide.values, ...args], {
    branches: joined.branches,
  });
  return splitState(slots, outs);
});

defineCheckify(scanP, (checker, state, args, params) => {
  const [fixed, carry, xs] = splitOperands(params.jaxpr.inAvals, params);
  const [wide, body] = settle(state, (slots) =>
    checker.thread(slots, fixed, [...carry, ...xs], (error, consts, rest) =>
      checker.run(params.jaxpr, error, [...consts, ...rest]),
    ),
  );
  if (body.unchanged) return undefined;
  const [consts, ...rest] = splitOperands(args, params);
  const outs = scanP.bind([...body.consts, ...consts, ...wide.values, ...rest.flat()], {
    ...params,
    jaxpr: body.jaxpr,
    numConsts: body.consts.length + params.numConsts,
    numCarry: wide.values.length + params.numCarry,
  });
  return splitState(wide.slots, outs);
});

// The condition is checked before the loop and after each step: the loop itself asks a condition without checks.
defineCheckify(whileP, (checker, start, args, params) => {
  const { condJaxpr, bodyJaxpr, condNconsts, bodyNconsts } = params;
  const counts = [condNconsts, bodyNconsts, args.length - condNconsts - bodyNconsts];
  const [condConsts, bodyConsts, carry] = split(args, counts);
  const fixed = [...avalsOf(condConsts), ...avalsOf(bodyConsts)];
  const trace = (slots: readonly Slot[]): Threaded =>
    checker.thread(slots, fixed, bodyJaxpr.outAvals, (error, consts, now) => {
      const [ofCond, ofBody] = split(consts, [condNconsts, bodyNconsts]);
      const { state: stepped, outs } = checker.run(bodyJaxpr, error, [...ofBody, ...now]);
      const { state } = checker.run(condJaxpr, stepped, [...ofCond, ...outs]);
      return { state, outs };
    });
  if (trace(start.slots).unchanged) return undefined;
  const first = checker.run(condJaxpr, start, [...condConsts, ...carry]).state;
  const [state, body] = settle(first, trace);
  const test = traceClosed(
    (xs) => checker.run(condJaxpr, first, xs).outs,
    [...avalsOf(condConsts), ...avalsOf(carry)],
    'checkify',
  );
  const plain = dropDead(test.jaxpr);
  const inner = test.consts.length + condNconsts;
  const unused = state.values.map((x) => new Var(x.aval));
  const outs = whileP.bind(
    [
      ...test.consts,
      ...condConsts,
      ...body.consts,
      ...condConsts,
      ...bodyConsts,
      ...state.values,
      ...carry,
    ],
    {
      condJaxpr: new Jaxpr({
        invars: [...plain.invars.slice(0, inner), ...unused, ...plain.invars.slice(inner)],
        eqns: plain.eqns,
        outvars: plain.outvars,
      }),
      condNconsts: inner,
      bodyJaxpr: body.jaxpr,
      bodyNconsts: body.consts.length + fixed.length,
    },
  );
  return splitState(state.slots, outs);
});
