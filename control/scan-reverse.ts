/**
 * How `scan` is split into a known and an unknown part, and how its linear part runs backwards.
 *
 * The known part becomes a scan of its own that stacks residuals, step by step. Residuals that depend on constants alone are
 * computed once, before the loop; those that are slices of an input are read from that input again.
 */
import { effectsOf, Jaxpr, type Atom, type Eqn } from '../core/jaxpr.ts';
import { LinearArg, type Primitive, type Tangent } from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import type { CheckpointPolicy } from '../transforms/checkpoint-policies.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { merge, split, where, whereNot } from '../transforms/jaxpr-cache.ts';
import { partialEvalJaxpr, type PartialJaxpr, type PartialTrace } from '../transforms/linearize.ts';
import { dropDead, reorder, traceClosed } from '../transforms/stage.ts';
import { transposeJaxpr } from '../transforms/transpose.ts';
import { addTangents, instantiate } from '../transforms/zeros.ts';
import { range, splitOperands, type ScanParams } from './scan-params.ts';

const count = (mask: readonly boolean[]): number => mask.filter(Boolean).length;

/** Split a scan: carries that depend on something unknown become unknown, until nothing changes. */
function fixpoint(
  unknown: readonly boolean[],
  params: ScanParams,
  policy: CheckpointPolicy | undefined,
): { readonly parts: PartialJaxpr; readonly mask: boolean[] } {
  const { jaxpr, numConsts, numCarry } = params;
  const mask = [...unknown];
  for (;;) {
    const carried = mask.slice(numConsts, numConsts + numCarry);
    const parts = partialEvalJaxpr(jaxpr, mask, carried, policy);
    const next = carried.map((on, i) => on || parts.unknownOut[i]);
    if (next.every((on, i) => on === carried[i])) return { parts, mask };
    mask.splice(numConsts, numCarry, ...next);
  }
}

/** Where a residual of one step comes from in the loop as a whole. */
type Source =
  /** Known operand of the scan: a constant, or a stacked input (`isStacked`). */
  | { readonly kind: 'operand'; readonly index: number; readonly isStacked: boolean }
  /** Output of the part that runs before the loop. */
  | { readonly kind: 'hoisted'; readonly index: number }
  /** Stacked output of the known scan. */
  | { readonly kind: 'stacked'; readonly index: number };

/** Partial evaluation of a scan: the known loop runs on the parent, the unknown one is recorded. */
export function splitScan(
  prim: Primitive<ScanParams>,
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: ScanParams,
): Value[] {
  const { numCarry } = params;
  const { parts, mask } = fixpoint(unknown, params, trace.policy);
  const [constMask, carryMask, xsMask] = splitOperands(mask, params);
  const [consts, carry, xs] = splitOperands(args, params);
  const knownConsts = [...parts.consts, ...whereNot(consts, constMask)];
  const knownIn = [...knownConsts, ...whereNot(carry, carryMask), ...whereNot(xs, xsMask)];
  const knownCarry = numCarry - count(carryMask);
  const plan = planResiduals(parts, knownConsts.length, knownCarry);

  const { knownOut, hoisted } = trace.known(() => ({
    hoisted: evalJaxpr(plan.before, knownConsts),
    knownOut:
      plan.loop.eqns.length === 0 && plan.loop.outvars.length === 0
        ? []
        : prim.bind(knownIn, {
            ...params,
            jaxpr: plan.loop,
            numConsts: knownConsts.length,
            numCarry: knownCarry,
          }),
  }));

  const residuals = plan.sources.map((s): Value =>
    s.kind === 'operand'
      ? knownIn[s.index]
      : s.kind === 'hoisted'
        ? hoisted[s.index]
        : knownOut[s.index],
  );
  const isStacked = plan.sources.map(
    (s) => s.kind === 'stacked' || (s.kind === 'operand' && s.isStacked),
  );
  const [constsIn, carryIn, xsIn] = split(range(residuals.length, count(mask)), [
    count(constMask),
    count(carryMask),
    count(xsMask),
  ]);
  const at = range(0, residuals.length);
  const body = reorder(
    parts.unknown,
    [...whereNot(at, isStacked), ...constsIn, ...carryIn, ...xsIn, ...where(at, isStacked)],
    range(0, parts.unknown.outvars.length),
  );
  const operands = [
    ...whereNot(residuals, isStacked),
    ...where(consts, constMask),
    ...where(carry, carryMask),
    ...where(xs, xsMask),
    ...where(residuals, isStacked),
  ];
  const rest = trace.record(prim, operands, {
    ...params,
    jaxpr: body,
    numConsts: residuals.length - count(isStacked) + count(constMask),
    numCarry: count(carryMask),
  });
  return merge(
    parts.unknownOut,
    rest,
    knownOut.slice(0, parts.unknownOut.length - count(parts.unknownOut)),
  );
}

interface ResidualPlan {
  readonly sources: readonly Source[];
  /** Known constants → residuals that depend on nothing else. */
  readonly before: Jaxpr;
  /** The known scan's body: known outputs, then the residuals that it must stack. */
  readonly loop: Jaxpr;
}

/** Decide for every residual whether it is an operand, computed before the loop, or stacked by the known loop. */
function planResiduals(parts: PartialJaxpr, numConsts: number, numCarry: number): ResidualPlan {
  const { known, residuals } = parts;
  const captured = parts.consts.length;
  const numOut = parts.unknownOut.filter((on) => !on).length;
  const invariant = dependsOnOnly(known, numConsts);
  const stackedOuts = known.outvars.slice(0, numOut);
  const hoisted: Atom[] = [];
  const place = (atom: Atom, list: Atom[]): number => {
    const found = list.indexOf(atom);
    return found >= 0 ? found : list.push(atom) - 1;
  };
  const sources = residuals.map(({ from, index }): Source => {
    if (from === 'input') {
      const i = captured + index;
      if (i < numConsts) return { kind: 'operand', index: i, isStacked: false };
      if (i >= numConsts + numCarry) return { kind: 'operand', index: i, isStacked: true };
      return { kind: 'stacked', index: stackedOuts.push(known.invars[i]) - 1 };
    }
    const atom = known.outvars[index];
    if (invariant.has(atom)) return { kind: 'hoisted', index: place(atom, hoisted) };
    // A known carry is the value after the step; a residual needs its own stacked output even when it is the same variable.
    return {
      kind: 'stacked',
      index: index >= numCarry && index < numOut ? index : stackedOuts.push(atom) - 1,
    };
  });
  const { invars, eqns } = known;
  return {
    sources,
    before: dropDead(
      new Jaxpr({
        invars: invars.slice(0, numConsts),
        eqns: eqns.filter((e) => isInvariant(e, invariant)),
        outvars: hoisted,
      }),
    ),
    loop: dropDead(new Jaxpr({ invars, eqns, outvars: stackedOuts })),
  };
}

/** The variables that depend on the first `numConsts` inputs alone. */
function dependsOnOnly(jaxpr: Jaxpr, numConsts: number): ReadonlySet<Atom> {
  const varying = new Set<Atom>(jaxpr.invars.slice(numConsts));
  const invariant = new Set<Atom>(jaxpr.invars.slice(0, numConsts));
  for (const eqn of jaxpr.eqns) {
    const varies = eqn.inputs.some((a) => varying.has(a)) || effectsOf(eqn).length > 0;
    for (const v of eqn.outputs) (varies ? varying : invariant).add(v);
  }
  return invariant;
}

const isInvariant = (eqn: Eqn, invariant: ReadonlySet<Atom>): boolean =>
  effectsOf(eqn).length === 0 && eqn.outputs.every((v) => invariant.has(v));

/**
 * Transpose a linear scan: a scan in the other direction that carries cotangents of the carry, sums cotangents of linear
 * constants, and stacks cotangents of linear inputs. Carries are linear as a whole; a known initial value is a zero tangent.
 */
export function transposeScan(
  prim: Primitive<ScanParams>,
  cts: readonly Tangent[],
  args: readonly (Value | LinearArg)[],
  params: ScanParams,
): Tangent[] {
  const { jaxpr, numCarry } = params;
  const isLinear = args.map((x) => x instanceof LinearArg);
  const [constLinear, , xsLinear] = splitOperands(isLinear, params);
  const [consts, carry, xs] = splitOperands(args, params);
  const linear = [...constLinear, ...carry.map(() => true), ...xsLinear];
  const [ctCarry, ctYs] = split(cts, [numCarry, cts.length - numCarry]);
  const nonzeroYs = ctYs.map((ct) => ct !== null);
  const derived = transposeJaxpr(jaxpr, linear, [...ctCarry.map(() => true), ...nonzeroYs], true);
  const fixedConsts = values(whereNot(consts, constLinear));
  const fixedXs = values(whereNot(xs, xsLinear));
  const sums = where(jaxpr.inAvals.slice(0, consts.length), constLinear);
  const first = [
    ...sums.map((aval) => instantiate(null, aval)),
    ...ctCarry.map((ct, i) => instantiate(ct, jaxpr.outAvals[i])),
  ];
  const stackedCts = ctYs.filter((ct) => ct !== null);
  const operands = [...derived.consts, ...fixedConsts, ...first, ...stackedCts, ...fixedXs];
  const numConsts = derived.consts.length + fixedConsts.length;

  // Body: constants; sums, cotangents of the carry; cotangents of the outputs, fixed slices → sums, cotangents of the carry;
  // cotangents of the linear slices. The transposed jaxpr wants its non-linear inputs first, then all cotangents.
  const sliceAvals = [
    ...where(jaxpr.outAvals.slice(numCarry), nonzeroYs),
    ...whereNot(jaxpr.inAvals.slice(consts.length + numCarry), xsLinear),
  ];
  const body = traceClosed(
    (all) => {
      const [fixed, sumsIn, carryIn, ysIn, xsIn] = split(all, [
        numConsts,
        sums.length,
        numCarry,
        stackedCts.length,
        fixedXs.length,
      ]);
      const outs = evalJaxpr(derived.jaxpr, [...fixed, ...xsIn, ...carryIn, ...ysIn]);
      const [constCts, carryCts, xsCts] = split(outs, [sums.length, numCarry, count(xsLinear)]);
      return [...sumsIn.map((s, i) => addTangents(s, constCts[i]) ?? s), ...carryCts, ...xsCts];
    },
    [...avalsOf(operands.slice(0, numConsts + first.length)), ...sliceAvals],
  );

  const outs = prim.bind([...body.consts, ...operands], {
    ...params,
    jaxpr: body.jaxpr,
    reverse: !params.reverse,
    numConsts: body.consts.length + numConsts,
    numCarry: first.length,
  });
  const [constCts, carryCts, xsCts] = split(outs, [sums.length, numCarry, count(xsLinear)]);
  const nothing = (xsOff: readonly unknown[]): null[] => xsOff.map(() => null);
  return [
    ...merge<Tangent>(constLinear, constCts, nothing(fixedConsts)),
    ...carryCts,
    ...merge<Tangent>(xsLinear, xsCts, nothing(fixedXs)),
  ];
}

const values = (xs: readonly (Value | LinearArg)[]): Value[] =>
  xs.filter((x): x is Value => !(x instanceof LinearArg));
