/**
 * The primitive `cond`: one of several programs, chosen by an index when it runs. Operands: the index (rank-0 i32, in range), then
 * the operands of the branches; what the branches capture is among them, the same for all.
 */
import { heldDType } from '../core/dtype.ts';
import { unionOfEffects, type Effect } from '../core/effects.ts';
import { ArgumentError } from '../core/errors.ts';
import { Jaxpr, Var } from '../core/jaxpr.ts';
import {
  LinearArg,
  type AxisData,
  type BatchDim,
  type BatchResult,
  type JvpResult,
  type Primitive,
  type Tangent,
} from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Aval } from '../core/aval.ts';
import type { Value } from '../core/value.ts';
import { eq, select, selectN } from '../lax/comparison.ts';
import { stopGradient } from '../lax/convert.ts';
import { zerosOf } from '../lax/creation.ts';
import { definePrimitive } from '../lax/define.ts';
import { batchTo, broadcastInDim } from '../lax/structure.ts';
import { literalLike } from '../lax/operand.ts';
import { defineGuard, guardJaxpr, hasGuarded } from '../transforms/guard.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { defineDeadCode, pruneJaxpr } from '../transforms/dead-code.ts';
import { deviceOf, runsStepwise } from '../transforms/executables.ts';
import { merge, where, whereNot } from '../transforms/jaxpr-cache.ts';
import { jvpJaxpr, spread } from '../transforms/jvp.ts';
import {
  definePartialEval,
  partialEvalJaxpr,
  type PartialJaxpr,
  type PartialTrace,
} from '../transforms/linearize.ts';
import { defineSaving } from '../transforms/saving.ts';
import { traceClosed, type Closed } from '../transforms/stage.ts';
import { defineState, stateJaxpr } from '../transforms/state.ts';
import { transposeJaxpr } from '../transforms/transpose.ts';
import { batchJaxpr } from '../transforms/vmap-trace.ts';
import { isDifferentiable } from '../transforms/zeros.ts';
import { saveCond } from './saving.ts';

/** Parameters of `cond`. */
export interface CondParams {
  /** One program per index; all take the same operands and give results of the same types. */
  readonly branches: readonly Jaxpr[];
}

/** `cond`: run the branch that the index names. */
export const condP: Primitive<CondParams> = definePrimitive<CondParams>('cond', {
  abstractEval: (_, { branches }) => branches[0].outAvals,
  lower: (b, [index, ...operands], { branches }, context) =>
    b.case(
      index,
      branches.map((branch) => () => context.inline(branch, operands)),
      branches[0].outAvals.map(({ shape, dtype }) => ({ shape, dtype: heldDType(dtype) })),
    ),
  evaluate([index, ...args], { branches }) {
    const device = deviceOf(args);
    return device.host && runsStepwise(device)
      ? evalJaxpr(branches[Number(index.item())], args)
      : undefined;
  },
  jvp: ([index, ...primals], [, ...tangents], params) => jvpCond(index, primals, tangents, params),
  transpose: (cts, [index, ...args], params) => [null, ...transposeCond(cts, index, args, params)],
  batch(args, dims, params, axis) {
    return dims[0] === null
      ? batchBranches(args, dims, params, axis)
      : batchIndex(args, dims, params, axis);
  },
  effects: ({ branches }) => unionOfEffects(branches.map((b) => b.effects)),
  printParams: ({ branches }) => ({ branches }),
});

/** Give branches that capture different values the same first operands. */
export function joinConsts(branches: readonly Closed[]): {
  readonly branches: Jaxpr[];
  readonly consts: Value[];
} {
  const consts = [...new Set(branches.flatMap((b) => b.consts))];
  if (consts.length === 0) return { branches: branches.map((b) => b.jaxpr), consts };
  const joined = branches.map(({ jaxpr, consts: own }) => {
    const { invars, eqns, outvars } = jaxpr;
    const places = new Map(own.map((x, i) => [x, invars[i]]));
    const first = consts.map((x) => places.get(x) ?? new Var(x.aval));
    return new Jaxpr({ invars: [...first, ...invars.slice(own.length)], eqns, outvars });
  });
  return { branches: joined, consts };
}

const union = (masks: readonly (readonly boolean[])[]): boolean[] =>
  (masks[0] ?? []).map((_, i) => masks.some((mask) => mask[i]));

function jvpCond(
  index: Value,
  primals: readonly Value[],
  tangents: readonly Tangent[],
  { branches }: CondParams,
): JvpResult {
  const nonzero = tangents.map((t) => t !== null);
  const nonzeroOut = union(branches.map((branch) => jvpJaxpr(branch, nonzero).nonzeroOut));
  const derived = joinConsts(branches.map((branch) => jvpJaxpr(branch, nonzero, nonzeroOut)));
  const given = tangents.filter((t) => t !== null);
  const outs = condP.bind([index, ...derived.consts, ...primals, ...given], {
    branches: derived.branches,
  });
  return [outs.slice(0, nonzeroOut.length), spread(nonzeroOut, outs.slice(nonzeroOut.length))];
}

function transposeCond(
  cts: readonly Tangent[],
  index: Value | LinearArg,
  args: readonly (Value | LinearArg)[],
  { branches }: CondParams,
): Tangent[] {
  const linear = args.map((x) => x instanceof LinearArg);
  const nonzero = cts.map((ct) => ct !== null);
  const derived = joinConsts(
    branches.map((branch) => transposeJaxpr(branch, linear, nonzero, true)),
  );
  const fixed = args.filter((x): x is Value => !(x instanceof LinearArg));
  const operands = [
    index as Value,
    ...derived.consts,
    ...fixed,
    ...cts.filter((ct) => ct !== null),
  ];
  return merge<Tangent>(
    linear,
    condP.bind(operands, { branches: derived.branches }),
    fixed.map(() => null),
  );
}

/** Each branch is split; residuals of equal type share a slot, and a branch without one fills it with zeros. */
function splitCond(
  trace: PartialTrace,
  [index, ...args]: readonly Value[],
  [indexUnknown, ...unknown]: readonly boolean[],
  { branches }: CondParams,
): readonly Value[] {
  if (indexUnknown) return trace.record(condP, [index, ...args], { branches });
  const { policy } = trace;
  const unknownOut = union(
    branches.map((branch) => partialEvalJaxpr(branch, unknown, [], policy).unknownOut),
  );
  const parts = branches.map((branch) => partialEvalJaxpr(branch, unknown, unknownOut, policy));
  const knownIn = whereNot(args, unknown);
  const slots = shareSlots(parts);
  const known = joinConsts(
    parts.map((part, i) => knownBranch(part, slots.avals, slots.byBranch[i], avalsOf(knownIn))),
  );
  const knownOut = trace.known(() =>
    condP.bind([index, ...known.consts, ...knownIn], { branches: known.branches }),
  );
  const numOut = unknownOut.filter((on) => !on).length;
  const rest = trace.record(
    condP,
    [index, ...knownIn, ...knownOut.slice(numOut), ...where(args, unknown)],
    {
      branches: parts.map((part, i) =>
        unknownBranch(part, avalsOf(knownIn), slots.avals, slots.byBranch[i]),
      ),
    },
  );
  return merge<Value>(unknownOut, rest, knownOut.slice(0, numOut));
}

definePartialEval(condP, splitCond);

// Every branch takes the contents of all refs and gives those that some branch writes to.
defineState(condP, ({ slots, state, plain }, { branches }) => {
  const [index, ...operands] = plain;
  const derived = branches.map((branch) => stateJaxpr(branch, slots.slice(1), avalsOf(state)));
  const written = union(derived.map((d) => d.written));
  const count = branches[0].outvars.length;
  const isKept = derived[0].jaxpr.outvars.map((_, i) => i < count || written[i - count]);
  const joined = joinConsts(derived);
  const outs = condP.bind([index, ...joined.consts, ...state, ...operands], {
    branches: joined.branches.map(
      ({ invars, eqns, outvars }) => new Jaxpr({ invars, eqns, outvars: where(outvars, isKept) }),
    ),
  });
  let next = count;
  return {
    outs: outs.slice(0, count),
    state: written.map((on) => (on ? outs[next++] : undefined)),
  };
});

defineGuard(condP, (on, [index, ...args], { branches }) => {
  const guarded = joinConsts(branches.map(guardJaxpr));
  return condP.bind([index, ...guarded.consts, on, ...args], { branches: guarded.branches });
});

defineSaving(condP, saveCond);

defineDeadCode(condP, (usedOut, { branches }) => {
  const used = union(branches.map((b) => pruneJaxpr(b, usedOut).usedIn));
  if (usedOut.every(Boolean) && used.every(Boolean)) return undefined;
  return {
    params: { branches: branches.map((b) => pruneJaxpr(b, usedOut, used).jaxpr) },
    usedIn: [true, ...used],
    keptOut: usedOut,
  };
});

interface Slots {
  readonly avals: readonly Aval[];
  /** For each branch, which slot each of its residuals has; undefined for residuals that are inputs. */
  readonly byBranch: readonly (readonly (number | undefined)[])[];
}

function shareSlots(parts: readonly PartialJaxpr[]): Slots {
  const avals: Aval[] = [];
  const byBranch = parts.map(({ residuals, known }) => {
    const taken = new Set<number>();
    return residuals.map(({ from, index }) => {
      if (from === 'input') return undefined;
      const aval = known.outvars[index].aval.strong();
      let slot = avals.findIndex((a, i) => !taken.has(i) && a.key === aval.key);
      if (slot < 0) slot = avals.push(aval) - 1;
      taken.add(slot);
      return slot;
    });
  });
  return { avals, byBranch };
}

/** Known inputs → known outputs, slots. */
function knownBranch(
  part: PartialJaxpr,
  avals: readonly Aval[],
  slots: readonly (number | undefined)[],
  inAvals: readonly Aval[],
): Closed {
  const numOut = part.unknownOut.filter((on) => !on).length;
  const closed = traceClosed(
    (xs) => {
      const outs = evalJaxpr(part.known, xs);
      const filled = avals.map((aval, slot) => {
        const residual = slots.indexOf(slot);
        return residual < 0 ? zerosOf(aval) : outs[part.residuals[residual].index];
      });
      return [...outs.slice(0, numOut), ...filled];
    },
    [...avalsOf(part.consts), ...inAvals],
  );
  return { jaxpr: closed.jaxpr, consts: [...closed.consts, ...part.consts] };
}

/** Known inputs, slots, unknown inputs → unknown outputs. */
function unknownBranch(
  part: PartialJaxpr,
  inAvals: readonly Aval[],
  avals: readonly Aval[],
  slots: readonly (number | undefined)[],
): Jaxpr {
  const { invars, eqns, outvars } = part.unknown;
  const inputs = inAvals.map((aval, i) => {
    const at = part.residuals.findIndex((r) => r.from === 'input' && r.index === i);
    return at < 0 ? new Var(aval) : invars[at];
  });
  const filled = avals.map((aval, slot) => {
    const at = slots.indexOf(slot);
    return at < 0 ? new Var(aval) : invars[at];
  });
  return new Jaxpr({
    invars: [...inputs, ...filled, ...invars.slice(part.residuals.length)],
    eqns,
    outvars,
  });
}

/** The same branch for the whole batch: each branch is batched, results agree in what is batched. */
function batchBranches(
  args: readonly Value[],
  dims: readonly BatchDim[],
  { branches }: CondParams,
  axis: AxisData,
): BatchResult {
  const front = dims.slice(1).map((d) => (d === null ? null : 0));
  const force = union(
    branches.map((b) => batchJaxpr(b, axis, front).dimsOut.map((d) => d !== null)),
  );
  const derived = joinConsts(branches.map((b) => batchJaxpr(b, axis, front, { force })));
  const operands = args.map((x, i) =>
    i === 0 || dims[i] === null ? x : batchTo(x, dims[i], 0, axis.size),
  );
  const outs = condP.bind([operands[0], ...derived.consts, ...operands.slice(1)], {
    branches: derived.branches,
  });
  return [outs, force.map((on) => (on ? 0 : null))];
}

/**
 * Refuse effects that must not happen for lanes that go another way.
 *
 * @throws ArgumentError naming them.
 */
export function refuseLanes(op: string, effects: readonly Effect[]): void {
  const found = effects.filter(({ speculative, guarded }) => !speculative && !guarded);
  if (found.length > 0)
    throw new ArgumentError(
      `${op}: under vmap a branch or loop that differs from lane to lane runs for all lanes, so it must have no effects on the world; got ${found.join(', ')}. Move the ioCallback out of it, or loop over the examples with scan.`,
    );
}

/**
 * A branch per lane: every branch runs on every lane, and the results are selected. Where a lane does not take a branch, its
 * operands are constants to that branch, so that no NaN comes back from there in reverse mode, and its checks hold.
 */
function batchIndex(
  args: readonly Value[],
  dims: readonly BatchDim[],
  { branches }: CondParams,
  axis: AxisData,
): BatchResult {
  refuseLanes('cond', unionOfEffects(branches.map((b) => b.effects)));
  const index = batchTo(args[0], dims[0], 0, axis.size);
  const operands = args.slice(1).map((x, i) => batchTo(x, dims[i + 1], 0, axis.size));
  const front = operands.map(() => 0);
  const force = branches[0].outvars.map(() => true);
  const results = branches.map((branch, k) => {
    const taken = eq(index, literalLike(k, index));
    const { jaxpr, fixed } = hasGuarded(branch)
      ? guardedBranch(branch, taken)
      : { jaxpr: branch, fixed: [] };
    const derived = batchJaxpr(jaxpr, axis, [...fixed.map(({ dim }) => dim), ...front], { force });
    const guarded = operands.map((x) =>
      isDifferentiable(x.aval)
        ? select(broadcastInDim(taken, x.shape, [0]), x, stopGradient(x))
        : x,
    );
    return evalJaxpr(derived.jaxpr, [...derived.consts, ...fixed.map(({ x }) => x), ...guarded]);
  });
  const outs = results[0].map((first, i) => {
    const cases = results.map((outsOfBranch) => outsOfBranch[i]);
    return selectN(broadcastInDim(index, first.shape, [0]), ...cases);
  });
  return [outs, outs.map(() => 0)];
}

/** A branch that is told which lanes take it, and its first operands with their batch axes: what it captures, and that. */
function guardedBranch(
  branch: Jaxpr,
  taken: Value,
): {
  readonly jaxpr: Jaxpr;
  readonly fixed: readonly { readonly x: Value; readonly dim: BatchDim }[];
} {
  const { jaxpr, consts } = guardJaxpr(branch);
  return { jaxpr, fixed: [...consts.map((x) => ({ x, dim: null })), { x: taken, dim: 0 }] };
}
