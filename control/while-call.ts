/**
 * The primitive `while`: a loop whose length is known only when it runs. Operands: constants of the condition, constants of the
 * body, carry. It has a forward derivative and a batched form; it cannot run backwards.
 */
import { unionOfEffects } from '../core/effects.ts';
import { ArgumentError } from '../core/errors.ts';
import { Jaxpr, Literal, Var } from '../core/jaxpr.ts';
import type {
  AxisData,
  BatchDim,
  BatchResult,
  JvpResult,
  Primitive,
  Tangent,
} from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { select } from '../lax/comparison.ts';
import { definePrimitive } from '../lax/define.ts';
import { reduceOr } from '../lax/reduction.ts';
import { batchTo, broadcastInDim } from '../lax/structure.ts';
import { defineGuard, guardJaxpr, hasGuarded } from '../transforms/guard.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { defineDeadCode, pruneJaxpr } from '../transforms/dead-code.ts';
import { deviceOf, runsStepwise } from '../transforms/executables.ts';
import { merge, split, where, whereNot } from '../transforms/jaxpr-cache.ts';
import { jvpJaxpr, spread } from '../transforms/jvp.ts';
import { definePartialEval, partialEvalJaxpr, type PartialTrace } from '../transforms/linearize.ts';
import { dropDead, reorder, traceClosed } from '../transforms/stage.ts';
import {
  defineState,
  stateJaxpr,
  stateResults,
  type Slots,
  type StateJaxpr,
} from '../transforms/state.ts';
import { batchJaxpr } from '../transforms/vmap-trace.ts';
import { instantiate } from '../transforms/zeros.ts';
import { refuseLanes } from './cond-call.ts';
import { range } from './scan-params.ts';

/** Parameters of `while`. */
export interface WhileParams {
  /** Constants, carry → bool. */
  readonly condJaxpr: Jaxpr;
  readonly condNconsts: number;
  /** Constants, carry → carry. */
  readonly bodyJaxpr: Jaxpr;
  readonly bodyNconsts: number;
}

/** Operands apart: constants of the condition, constants of the body, carry. */
const splitWhile = <T>(xs: readonly T[], { condNconsts, bodyNconsts }: WhileParams): T[][] =>
  split(xs, [condNconsts, bodyNconsts, xs.length - condNconsts - bodyNconsts]);

const count = (mask: readonly boolean[]): number => mask.filter(Boolean).length;

/** `while`: repeat while a condition holds. */
export const whileP: Primitive<WhileParams> = definePrimitive<WhileParams>('while', {
  abstractEval: (_, { bodyJaxpr }) => bodyJaxpr.outAvals,
  lower(b, args, params, context) {
    const { condJaxpr, bodyJaxpr } = params;
    const fixed = params.condNconsts + params.bodyNconsts;
    const outs = b.while(
      args,
      (...now) => {
        const [condConsts, , carry] = splitWhile(now, params);
        return context.inline(condJaxpr, [...condConsts, ...carry])[0];
      },
      (...now) => {
        const [condConsts, bodyConsts, carry] = splitWhile(now, params);
        return [
          ...condConsts,
          ...bodyConsts,
          ...context.inline(bodyJaxpr, [...bodyConsts, ...carry]),
        ];
      },
    );
    return outs.slice(fixed);
  },
  evaluate: (args, params) => {
    const device = deviceOf(args);
    return device.host && runsStepwise(device) ? whileStepwise(args, params) : undefined;
  },
  jvp: (primals, tangents, params) => jvpWhile(primals, tangents, params),
  transpose() {
    throw new ArgumentError(
      'whileLoop: reverse-mode differentiation does not work for whileLoop, or for foriLoop with traced bounds; got one in a function to differentiate. ' +
        'Use scan, or foriLoop with JavaScript numbers as bounds.',
    );
  },
  batch: (args, dims, params, axis) => batchWhile(args, dims, params, axis),
  effects: ({ condJaxpr, bodyJaxpr }) => unionOfEffects([condJaxpr.effects, bodyJaxpr.effects]),
  printParams: ({ condJaxpr, condNconsts, bodyJaxpr, bodyNconsts }) => ({
    body_jaxpr: bodyJaxpr,
    body_nconsts: bodyNconsts,
    cond_jaxpr: condJaxpr,
    cond_nconsts: condNconsts,
  }),
});

/** The loop in JavaScript, step by step: without jit, and when somebody looks for the step that went wrong. */
function whileStepwise(args: readonly Value[], params: WhileParams): readonly Value[] {
  const { condJaxpr, bodyJaxpr } = params;
  const [condConsts, bodyConsts, init] = splitWhile(args, params);
  let carry = init;
  while (evalJaxpr(condJaxpr, [...condConsts, ...carry])[0].item() === true)
    carry = evalJaxpr(bodyJaxpr, [...bodyConsts, ...carry]);
  return carry;
}

/** Tangents are carried beside the carry; the condition sees values only. */
function jvpWhile(
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: WhileParams,
): JvpResult {
  const { condJaxpr, bodyJaxpr, bodyNconsts } = params;
  const [condConsts, bodyConsts, carry] = splitWhile(primals, params);
  const [, constTs, carryTs] = splitWhile(tangents, params);
  const constOn = constTs.map((t) => t !== null);
  let carried = carryTs.map((t) => t !== null);
  for (;;) {
    const derived = jvpJaxpr(bodyJaxpr, [...constOn, ...carried], carried);
    const next = carried.map((on, i) => on || derived.nonzeroOut[i]);
    if (next.some((on, i) => on !== carried[i])) {
      carried = next;
      continue;
    }
    const added = derived.consts.length;
    const sizes = [added + bodyNconsts, carry.length, count(constOn), count(carried)];
    const [fixed, values, constDots, carryDots] = split(
      range(0, derived.jaxpr.invars.length),
      sizes,
    );
    const body = reorder(
      derived.jaxpr,
      [...fixed, ...constDots, ...values, ...carryDots],
      range(0, derived.jaxpr.outvars.length),
    );
    const dots = where(carry, carried).map((x, i) =>
      instantiate(where(carryTs, carried)[i], x.aval),
    );
    const { invars, eqns, outvars } = condJaxpr;
    const outs = whileP.bind(
      [
        ...condConsts,
        ...derived.consts,
        ...bodyConsts,
        ...constTs.filter((t) => t !== null),
        ...carry,
        ...dots,
      ],
      {
        condJaxpr: new Jaxpr({
          invars: [...invars, ...dots.map((t) => new Var(t.aval))],
          eqns,
          outvars,
        }),
        condNconsts: params.condNconsts,
        bodyJaxpr: body,
        bodyNconsts: added + bodyNconsts + count(constOn),
      },
    );
    return [outs.slice(0, carry.length), spread(carried, outs.slice(carry.length))];
  }
}

/** Carries that depend on known values alone are computed by a loop of their own; the unknown side runs the whole loop. */
function splitWhileLoop(
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: WhileParams,
): readonly Value[] {
  const { condJaxpr, bodyJaxpr, condNconsts } = params;
  const [condMask, bodyMask, carryMask] = splitWhile(unknown, params);
  let carried = carryMask;
  let parts = partialEvalJaxpr(bodyJaxpr, [...bodyMask, ...carried], carried);
  while (carried.some((on, i) => on !== parts.unknownOut[i])) {
    carried = carried.map((on, i) => on || parts.unknownOut[i]);
    parts = partialEvalJaxpr(bodyJaxpr, [...bodyMask, ...carried], carried);
  }
  const condUses = usedInputs(condJaxpr);
  const condUnknown = [...condMask, ...carried].some((on, i) => on && condUses[i]);
  if (condUnknown || !carried.includes(false)) return trace.record(whileP, args, params);
  const [condConsts, bodyConsts, carry] = splitWhile(args, params);
  const condIn = condJaxpr.invars.filter((_, i) => i < condNconsts || !carried[i - condNconsts]);
  const knownConsts = [...parts.consts, ...whereNot(bodyConsts, bodyMask)];
  const knownCarry = whereNot(carry, carried);
  const known = dropDead(
    new Jaxpr({
      invars: parts.known.invars,
      eqns: parts.known.eqns,
      outvars: parts.known.outvars.slice(0, knownCarry.length),
    }),
  );
  const knownOut = trace.known(() =>
    whileP.bind([...condConsts, ...knownConsts, ...knownCarry], {
      condJaxpr: new Jaxpr({ invars: condIn, eqns: condJaxpr.eqns, outvars: condJaxpr.outvars }),
      condNconsts,
      bodyJaxpr: known,
      bodyNconsts: knownConsts.length,
    }),
  );
  return merge<Value>(carried, where(trace.record(whileP, args, params), carried), knownOut);
}

/** Which inputs some equation or output uses. */
function usedInputs(jaxpr: Jaxpr): boolean[] {
  const used = new Set(
    [...jaxpr.eqns.flatMap((e) => e.inputs), ...jaxpr.outvars].filter(
      (a) => !(a instanceof Literal),
    ),
  );
  return jaxpr.invars.map((v) => used.has(v));
}

definePartialEval(whileP, splitWhileLoop);

// Contents are carried; the condition reads those of the step.
defineState(whileP, ({ slots, state, plain }, params) => {
  const { condNconsts, bodyNconsts } = params;
  const [condSlots, bodySlots, carrySlots] = splitWhile(slots, params);
  const types = avalsOf(state);
  const test = stateJaxpr(params.condJaxpr, [...condSlots, ...carrySlots], types);
  if (test.written.includes(true))
    throw new ArgumentError(
      `whileLoop: the condition must not write to refs; got a write to ${types[test.written.indexOf(true)].asRef().toString()}. Write in the body.`,
    );
  const body = stateJaxpr(params.bodyJaxpr, [...bodySlots, ...carrySlots], types);
  const values = (some: Slots): number => some.filter((slot) => slot === undefined).length;
  const [condFixed, bodyFixed] = [values(condSlots), values(bodySlots)];
  const [condConsts, bodyConsts, carry] = split(plain, [condFixed, bodyFixed, carrySlots.length]);
  // Captured values, refs, constants, carry → captured values, constants, carry, refs.
  const order = ({ consts, jaxpr }: StateJaxpr, fixed: number): number[] => {
    const sizes = [consts.length, state.length, fixed, carry.length];
    const [added, refs, own, carried] = split(range(0, jaxpr.invars.length), sizes);
    return [...added, ...own, ...carried, ...refs];
  };
  const outs = whileP.bind(
    [...test.consts, ...condConsts, ...body.consts, ...bodyConsts, ...carry, ...state],
    {
      condJaxpr: reorder(test.jaxpr, order(test, condFixed), [0]),
      condNconsts: condNconsts - condSlots.length + condFixed + test.consts.length,
      bodyJaxpr: reorder(body.jaxpr, order(body, bodyFixed), range(0, body.jaxpr.outvars.length)),
      bodyNconsts: bodyNconsts - bodySlots.length + bodyFixed + body.consts.length,
    },
  );
  return stateResults(body.written, outs);
});

defineGuard(whileP, (on, args, params) => {
  const [condConsts, bodyConsts, carry] = splitWhile(args, params);
  const [cond, body] = [guardJaxpr(params.condJaxpr), guardJaxpr(params.bodyJaxpr)];
  const ofCond = [...cond.consts, on, ...condConsts];
  const ofBody = [...body.consts, on, ...bodyConsts];
  return whileP.bind([...ofCond, ...ofBody, ...carry], {
    condJaxpr: cond.jaxpr,
    condNconsts: ofCond.length,
    bodyJaxpr: body.jaxpr,
    bodyNconsts: ofBody.length,
  });
});

// A carry goes when no used output, no other carry and not the condition needs it.
defineDeadCode(whileP, (usedOut, params) => {
  const { condJaxpr, bodyJaxpr, condNconsts, bodyNconsts } = params;
  if (condJaxpr.effects.length + bodyJaxpr.effects.length > 0) return undefined;
  const condUses = usedInputs(condJaxpr);
  let carried = usedOut.map((on, i) => on || condUses[condNconsts + i]);
  for (;;) {
    const keep = bodyJaxpr.invars.map((_, i) => i >= bodyNconsts && carried[i - bodyNconsts]);
    const { jaxpr: body, usedIn } = pruneJaxpr(bodyJaxpr, carried, keep);
    const next = carried.map((on, i) => on || usedIn[bodyNconsts + i]);
    if (next.some((on, i) => on !== carried[i])) {
      carried = next;
      continue;
    }
    if (body === bodyJaxpr) return undefined;
    const { invars, eqns, outvars } = condJaxpr;
    const bodyConsts = usedIn.slice(0, bodyNconsts);
    return {
      params: {
        condJaxpr: new Jaxpr({
          invars: invars.filter((_, i) => i < condNconsts || carried[i - condNconsts]),
          eqns,
          outvars,
        }),
        condNconsts,
        bodyJaxpr: body,
        bodyNconsts: count(bodyConsts),
      },
      usedIn: [...range(0, condNconsts).map(() => true), ...bodyConsts, ...carried],
      keptOut: carried,
    };
  }
});

/**
 * A loop over a batch. Where the condition differs from lane to lane, the loop runs as long as it holds anywhere, and lanes that
 * are done keep their values, and make no more checks in the body.
 */
function batchWhile(
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: WhileParams,
  axis: AxisData,
): BatchResult {
  const { condJaxpr, bodyJaxpr } = params;
  const [condDims, bodyDims, carryDims] = splitWhile(dims, params);
  const front = (d: BatchDim | boolean): BatchDim => (d === null || d === false ? null : 0);
  let carried = carryDims.map((d) => d !== null);
  for (;;) {
    const cond = batchJaxpr(condJaxpr, axis, [...condDims, ...carried].map(front));
    const perLane = cond.dimsOut[0] !== null;
    // With a condition per lane every carry that changes is kept or replaced per lane.
    if (perLane) {
      refuseLanes('while', unionOfEffects([condJaxpr.effects, bodyJaxpr.effects]));
      carried = carried.map((on, i) => on || !passes(bodyJaxpr, bodyDims.length + i, i));
    }
    const guard = perLane && hasGuarded(bodyJaxpr) ? guardJaxpr(bodyJaxpr) : undefined;
    const guardDims = guard === undefined ? [] : [...guard.consts.map(() => null), 0];
    const body = batchJaxpr(
      guard?.jaxpr ?? bodyJaxpr,
      axis,
      [...guardDims, ...[...bodyDims, ...carried].map(front)],
      { force: carried },
    );
    const next = carried.map((on, i) => on || body.dimsOut[i] !== null);
    if (next.some((on, i) => on !== carried[i])) {
      carried = next;
      continue;
    }
    const [condConsts, bodyConsts, carry] = splitWhile(
      args.map((x, i) => (dims[i] === null ? x : batchTo(x, dims[i], 0, axis.size))),
      params,
    );
    const start = carry.map((x, i) =>
      carried[i] && carryDims[i] === null ? batchTo(x, null, 0, axis.size) : x,
    );
    const fixedCond = [...cond.consts, ...condConsts];
    const captured = [...body.consts, ...(guard?.consts ?? [])];
    const fixedBody = [...captured, ...bodyConsts];
    const goingAt = guard === undefined ? undefined : captured.length;
    const loop = perLane
      ? laneLoop(cond.jaxpr, { jaxpr: body.jaxpr, goingAt }, fixedCond, fixedBody, start)
      : {
          condJaxpr: cond.jaxpr,
          bodyJaxpr: body.jaxpr,
          condConsts: fixedCond,
          bodyConsts: fixedBody,
        };
    const outs = whileP.bind([...loop.condConsts, ...loop.bodyConsts, ...start], {
      condJaxpr: loop.condJaxpr,
      condNconsts: loop.condConsts.length,
      bodyJaxpr: loop.bodyJaxpr,
      bodyNconsts: loop.bodyConsts.length,
    });
    return [outs, carried.map((on) => (on ? 0 : null))];
  }
}

/** Whether an output is an input as it came. */
const passes = ({ invars, outvars }: Jaxpr, input: number, output: number): boolean =>
  outvars[output] === invars[input];

interface Loop {
  readonly condJaxpr: Jaxpr;
  readonly bodyJaxpr: Jaxpr;
  readonly condConsts: readonly Value[];
  readonly bodyConsts: readonly Value[];
}

/**
 * The loop for a condition per lane: go on while any lane does, and keep the carries of lanes that do not. A body with checks gets
 * the lanes that go on as its operand `goingAt`.
 */
function laneLoop(
  cond: Jaxpr,
  { jaxpr: body, goingAt }: { readonly jaxpr: Jaxpr; readonly goingAt: number | undefined },
  condConsts: readonly Value[],
  bodyConsts: readonly Value[],
  carry: readonly Value[],
): Loop {
  const carryAvals = avalsOf(carry);
  const anyLane = traceClosed(
    (xs) => [reduceOr(evalJaxpr(cond, xs)[0], [0])],
    [...avalsOf(condConsts), ...carryAvals],
  );
  const step = traceClosed(
    (xs) => {
      const [condFixed, bodyFixed, old] = split(xs, [
        condConsts.length,
        bodyConsts.length,
        carry.length,
      ]);
      const going = evalJaxpr(cond, [...condFixed, ...old])[0];
      const operands = [...bodyFixed, ...old];
      const next = evalJaxpr(
        body,
        goingAt === undefined ? operands : operands.toSpliced(goingAt, 0, going),
      );
      const fixed = body.invars.length - carry.length;
      return next.map((x, i) =>
        passes(body, fixed + i, i) ? x : select(broadcastInDim(going, x.shape, [0]), x, old[i]),
      );
    },
    [...avalsOf(condConsts), ...avalsOf(bodyConsts), ...carryAvals],
  );
  return {
    condJaxpr: anyLane.jaxpr,
    condConsts: [...anyLane.consts, ...condConsts],
    bodyJaxpr: step.jaxpr,
    bodyConsts: [...step.consts, ...condConsts, ...bodyConsts],
  };
}
