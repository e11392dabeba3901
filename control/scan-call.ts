/**
 * The primitive `scan`: a loop of known length that carries values, reads slices of stacked inputs and writes slices of stacked
 * outputs. Operands: constants, carry, stacked inputs. Results: carry, stacked outputs. How it is split and transposed stands in
 * `scan-reverse.ts`.
 */
import type { Aval } from '../core/aval.ts';
import { heldDType } from '../core/dtype.ts';
import type { BatchDim, Primitive, Tangent } from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, flagText } from '../lax/define.ts';
import { batchTo } from '../lax/structure.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type { LowerContext } from '../lowering/rules.ts';
import { defineDeadCode, pruneJaxpr } from '../transforms/dead-code.ts';
import { deviceOf, runsStepwise } from '../transforms/executables.ts';
import { defineGuard, guardJaxpr } from '../transforms/guard.ts';
import { split, where, whereNot } from '../transforms/jaxpr-cache.ts';
import { jvpJaxpr, spread } from '../transforms/jvp.ts';
import { definePartialEval } from '../transforms/linearize.ts';
import { defineSaving } from '../transforms/saving.ts';
import { reorder } from '../transforms/stage.ts';
import { defineState, stateJaxpr } from '../transforms/state.ts';
import { batchJaxpr } from '../transforms/vmap-trace.ts';
import { saveScan } from './saving.ts';
import { range, splitOperands, type ScanParams } from './scan-params.ts';
import { splitScan, transposeScan } from './scan-reverse.ts';
import { scanStepwise } from './scan-steps.ts';
import { instantiate, isDifferentiable } from '../transforms/zeros.ts';

/** The type of `length` slices, stacked. */
const stacked = (aval: Aval, length: number): Aval => aval.withShape([length, ...aval.shape]);

/** `scan`: a loop of known length. */
export const scanP: Primitive<ScanParams> = definePrimitive<ScanParams>('scan', {
  abstractEval(_, { jaxpr, numCarry, length }) {
    return jaxpr.outAvals.map((aval, i) => (i < numCarry ? aval : stacked(aval, length)));
  },
  lower: (b, args, params, context) => lowerScan(b, args, params, context),
  evaluate: (args, params) =>
    runsStepwise(deviceOf(args)) ? scanStepwise(args, params) : undefined,
  jvp(primals, tangents, params) {
    return jvpScan(primals, tangents, params);
  },
  transpose: (cts, args, params) => transposeScan(scanP, cts, args, params),
  batch(args, dims, params, axis) {
    const { jaxpr, numCarry } = params;
    const [constDims, carryDims, xsDims] = splitOperands(dims, params);
    let carried = carryDims.map((d) => d !== null);
    for (;;) {
      const inDims: BatchDim[] = [...constDims, ...carried, ...xsDims].map((d) =>
        d === null || d === false ? null : 0,
      );
      const derived = batchJaxpr(jaxpr, axis, inDims, { force: carried });
      const next = carried.map((on, i) => on || derived.dimsOut[i] !== null);
      if (next.some((on, i) => on !== carried[i])) {
        carried = next;
        continue;
      }
      const [consts, carry, xs] = splitOperands(args, params);
      const operands = [
        ...derived.consts,
        ...consts.map((x, i) =>
          constDims[i] === null ? x : batchTo(x, constDims[i], 0, axis.size),
        ),
        ...carry.map((x, i) => (carried[i] ? batchTo(x, carryDims[i], 0, axis.size) : x)),
        ...xs.map((x, i) => (xsDims[i] === null ? x : batchTo(x, xsDims[i], 1, axis.size))),
      ];
      const numConsts = params.numConsts + derived.consts.length;
      const outs = scanP.bind(operands, { ...params, jaxpr: derived.jaxpr, numConsts });
      return [outs, derived.dimsOut.map((d, i) => (d === null ? null : i < numCarry ? 0 : 1))];
    }
  },
  effects: ({ jaxpr }) => jaxpr.effects,
  printParams: ({ jaxpr, length, reverse, unroll, numConsts, numCarry }) => ({
    jaxpr,
    length,
    num_carry: numCarry,
    num_consts: numConsts,
    reverse: flagText(reverse),
    unroll,
  }),
});

defineGuard(scanP, (on, args, params) => {
  const { jaxpr, consts } = guardJaxpr(params.jaxpr);
  const numConsts = consts.length + 1 + params.numConsts;
  return scanP.bind([...consts, on, ...args], { ...params, jaxpr, numConsts });
});

// Unused outputs go at once; a carry goes when no used output and no other carry needs it.
defineDeadCode(scanP, (usedOut, params) => {
  const { jaxpr, numConsts, numCarry } = params;
  if (jaxpr.effects.length > 0) return undefined;
  let carried = usedOut.slice(0, numCarry);
  for (;;) {
    const keptOut = [...carried, ...usedOut.slice(numCarry)];
    const { jaxpr: body, usedIn } = pruneJaxpr(
      jaxpr,
      keptOut,
      jaxpr.invars.map((_, i) => i >= numConsts && carried[i - numConsts] === true),
    );
    const next = carried.map((on, i) => on || usedIn[numConsts + i]);
    if (next.some((on, i) => on !== carried[i])) {
      carried = next;
      continue;
    }
    if (body === jaxpr) return undefined;
    const constsLeft = usedIn.slice(0, numConsts).filter(Boolean).length;
    const carryLeft = carried.filter(Boolean).length;
    return {
      params: { ...params, jaxpr: body, numConsts: constsLeft, numCarry: carryLeft },
      usedIn,
      keptOut,
    };
  }
});

definePartialEval(scanP, (trace, args, unknown, params) =>
  splitScan(scanP, trace, args, unknown, params),
);

// Contents that the body writes to are carried, those that it reads are constants.
defineState(scanP, ({ slots, state, plain }, params) => {
  const { numCarry, numConsts } = params;
  const { jaxpr, consts, written } = stateJaxpr(params.jaxpr, slots, avalsOf(state));
  const plainConsts = slots.slice(0, numConsts).filter((slot) => slot === undefined).length;
  const numYs = params.jaxpr.outvars.length - numCarry;
  const sizes = [consts.length, state.length, plainConsts, numCarry];
  const rest = plain.length - plainConsts - numCarry;
  const [added, refs, fixed, carry, xs] = split(range(0, jaxpr.invars.length), [...sizes, rest]);
  const [carryOut, ysOut, refsOut] = split(range(0, jaxpr.outvars.length), [
    numCarry,
    numYs,
    state.length,
  ]);
  const order = [added, whereNot(refs, written), fixed, carry, where(refs, written), xs];
  const body = reorder(jaxpr, order.flat(), [...carryOut, ...where(refsOut, written), ...ysOut]);
  const all = [...consts, ...state, ...plain];
  const changed = refs.length - whereNot(refs, written).length;
  const outs = scanP.bind(
    order.flat().map((i) => all[i]),
    {
      ...params,
      jaxpr: body,
      numConsts: added.length + refs.length - changed + fixed.length,
      numCarry: numCarry + changed,
    },
  );
  let next = numCarry;
  return {
    outs: [...outs.slice(0, numCarry), ...outs.slice(numCarry + changed)],
    state: written.map((on) => (on ? outs[next++] : undefined)),
  };
});

defineSaving(scanP, saveScan);

/** Tangents travel beside what they belong to: constants, carry and stacked inputs each get a second group. */
function jvpScan(
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: ScanParams,
): readonly [readonly Value[], readonly Tangent[]] {
  const { jaxpr, numConsts, numCarry } = params;
  const [constTs, carryTs, xsTs] = splitOperands(tangents, params);
  const numYs = jaxpr.outvars.length - numCarry;
  let carried = carryTs.map((t) => t !== null);
  for (;;) {
    const nonzero = [...constTs.map((t) => t !== null), ...carried, ...xsTs.map((t) => t !== null)];
    const derived = jvpJaxpr(jaxpr, nonzero, carried);
    const next = carried.map((on, i) => on || derived.nonzeroOut[i]);
    if (next.some((on, i) => on !== carried[i])) {
      carried = next;
      continue;
    }
    const [constOn, carryOn, xsOn] = [
      nonzero.slice(0, numConsts),
      carried,
      nonzero.slice(numConsts + numCarry),
    ];
    const count = (mask: readonly boolean[]): number => mask.filter(Boolean).length;
    const added = derived.consts.length;
    const sizes = [
      added,
      numConsts,
      numCarry,
      xsTs.length,
      count(constOn),
      count(carryOn),
      count(xsOn),
    ];
    const [captured, consts, carry, xs, constDots, carryDots, xsDots] = split(
      range(0, derived.jaxpr.invars.length),
      sizes,
    );
    const ysOn = derived.nonzeroOut.slice(numCarry);
    const outSizes = [numCarry, numYs, count(carryOn), count(ysOn)];
    const [carryOut, ysOut, carryDotsOut, ysDotsOut] = split(
      range(0, derived.jaxpr.outvars.length),
      outSizes,
    );
    const body = reorder(
      derived.jaxpr,
      [...captured, ...consts, ...constDots, ...carry, ...carryDots, ...xs, ...xsDots],
      [...carryOut, ...carryDotsOut, ...ysOut, ...ysDotsOut],
    );
    const [constPs, carryPs, xsPs] = splitOperands(primals, params);
    const filledCarry = carryTs.map((t, i) => t ?? zeroTangent(carryPs[i], carryOn[i]));
    const outs = scanP.bind(
      [
        ...derived.consts,
        ...constPs,
        ...present(constTs),
        ...carryPs,
        ...present(filledCarry),
        ...xsPs,
        ...present(xsTs),
      ],
      {
        ...params,
        jaxpr: body,
        numConsts: added + numConsts + count(constOn),
        numCarry: numCarry + count(carryOn),
      },
    );
    const [carryValues, carryTangents, ysValues, ysTangents] = split(outs, [
      numCarry,
      count(carryOn),
      numYs,
      count(ysOn),
    ]);
    return [
      [...carryValues, ...ysValues],
      [...spread(carryOn, carryTangents), ...spread(ysOn, ysTangents)],
    ];
  }
}

const present = (tangents: readonly Tangent[]): Value[] => tangents.filter((t) => t !== null);

const zeroTangent = (primal: Value, on: boolean): Tangent =>
  on && isDifferentiable(primal.aval) ? instantiate(null, primal.aval) : null;

/** A StableHLO loop over a counter; stacked outputs start as zeros and are written slice by slice. */
function lowerScan(
  b: HloBuilder,
  args: readonly HloValue[],
  params: ScanParams,
  context: LowerContext,
): HloValue[] {
  const { jaxpr, length, reverse, numConsts, numCarry } = params;
  const [consts, carry, xs] = splitOperands(args, params);
  const ysAvals = jaxpr.outAvals.slice(numCarry);
  const ys = ysAvals.map((aval) => b.constant(0, heldDType(aval.dtype), [length, ...aval.shape]));
  const fixed = [...consts, ...xs];
  const step = (
    counter: HloValue,
    fixedNow: readonly HloValue[],
    state: readonly HloValue[],
  ): HloValue[] => {
    const at = reverse ? b.scalar('sub', b.constant(length - 1, 'i32'), counter) : counter;
    const slices = fixedNow.slice(numConsts).map((x) => readSlice(b, x, at));
    const outs = context.inline(jaxpr, [
      ...fixedNow.slice(0, numConsts),
      ...state.slice(0, numCarry),
      ...slices,
    ]);
    const written = outs.slice(numCarry).map((y, i) => writeSlice(b, state[numCarry + i], y, at));
    return [...outs.slice(0, numCarry), ...written];
  };
  const unroll = Math.max(1, Math.min(params.unroll, length));
  const rounds = Math.floor(length / unroll);
  let state: HloValue[] = [...carry, ...ys];
  if (rounds > 0) {
    const outs = b.while(
      [...fixed, b.constant(0, 'i32'), ...state],
      (...now) => b.compare('lt', now[fixed.length], b.constant(rounds * unroll, 'i32')),
      (...now) => {
        const fixedNow = now.slice(0, fixed.length);
        let counter = now[fixed.length];
        let inner = now.slice(fixed.length + 1);
        for (let k = 0; k < unroll; k++) {
          inner = step(counter, fixedNow, inner);
          counter = b.scalar('add', counter, b.constant(1, 'i32'));
        }
        return [...fixedNow, counter, ...inner];
      },
    );
    state = outs.slice(fixed.length + 1);
  }
  for (let i = rounds * unroll; i < length; i++) state = step(b.constant(i, 'i32'), fixed, state);
  return state;
}

const startsAt = (b: HloBuilder, at: HloValue, ndim: number): HloValue[] =>
  range(0, ndim).map((i) => (i === 0 ? at : b.constant(0, 'i32')));

function readSlice(b: HloBuilder, x: HloValue, at: HloValue): HloValue {
  const shape = x.type.shape.slice(1);
  return b.reshape(b.dynamicSlice(x, startsAt(b, at, shape.length + 1), [1, ...shape]), shape);
}

function writeSlice(b: HloBuilder, target: HloValue, y: HloValue, at: HloValue): HloValue {
  const { shape } = y.type;
  return b.dynamicUpdateSlice(
    target,
    b.reshape(y, [1, ...shape]),
    startsAt(b, at, shape.length + 1),
  );
}
