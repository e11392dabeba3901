/** How checkpoint policies reach into loops and branches: `scan` stacks what each step saves, `cond` saves what its branch does. */
import type { Aval } from '../core/aval.ts';
import { Jaxpr, Var, type Eqn } from '../core/jaxpr.ts';
import { zerosOf } from '../lax/creation.ts';
import type { CheckpointPolicy } from '../transforms/checkpoint-policies.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { where } from '../transforms/jaxpr-cache.ts';
import { savedOutputs, splitBySaving, type SavedEqn } from '../transforms/saving.ts';
import { traceToJaxpr } from '../transforms/stage.ts';
import type { ScanParams } from './scan-params.ts';

const count = (mask: readonly boolean[]): number => mask.filter(Boolean).length;

/** Each step saves its slice; the loop that computes again carries what its needed results depend on. */
export function saveScan(
  eqn: Eqn,
  needed: readonly boolean[],
  params: ScanParams,
  policy: CheckpointPolicy,
): SavedEqn {
  const { jaxpr, numConsts, numCarry, length } = params;
  // A stacked output may be saved itself; a carry is the value after the last step only.
  const own = savedOutputs(jaxpr, needed, policy).map((on, i) => on && i >= numCarry);
  const left = needed.map((on, i) => on && !own[i]);
  let carried = left.slice(0, numCarry);
  for (;;) {
    const neededOut = [...carried, ...left.slice(numCarry)];
    const keepIn = jaxpr.invars.map((_, i) => i >= numConsts && carried[i - numConsts] === true);
    const parts = splitBySaving(jaxpr, neededOut, policy, keepIn);
    const next = carried.map((on, i) => on || parts.usedIn[numConsts + i]);
    if (next.some((on, i) => on !== carried[i])) {
      carried = next;
      continue;
    }
    const extra = parts.saved.map((v) => new Var(v.aval.withShape([length, ...v.aval.shape])));
    const known: Eqn = {
      ...eqn,
      params: { ...params, jaxpr: parts.known },
      outputs: [...eqn.outputs, ...extra],
    };
    const numConstsLeft = count(parts.usedIn.slice(0, numConsts));
    const rest: Eqn = {
      ...eqn,
      params: { ...params, jaxpr: parts.rest, numConsts: numConstsLeft, numCarry: count(carried) },
      inputs: [...where(eqn.inputs, parts.usedIn), ...extra],
      outputs: where(eqn.outputs, neededOut),
    };
    const saved = [...where(eqn.outputs, own), ...extra];
    return { known, rest: neededOut.includes(true) ? rest : undefined, saved };
  }
}

/** The branch that runs saves its values; values of equal type share a slot, and a branch without one fills it with zeros. */
export function saveCond(
  eqn: Eqn,
  needed: readonly boolean[],
  { branches }: { readonly branches: readonly Jaxpr[] },
  policy: CheckpointPolicy,
): SavedEqn {
  const parts = branches.map((branch) =>
    splitBySaving(
      branch,
      needed,
      policy,
      branch.invars.map(() => true),
    ),
  );
  const { avals, byBranch } = shareSlots(parts.map((part) => part.saved));
  const extra = avals.map((aval) => new Var(aval));
  const known = parts.map((part, k) =>
    traceToJaxpr((xs) => {
      const outs = evalJaxpr(part.known, xs);
      const numOut = branches[k].outvars.length;
      const filled = avals.map((aval, slot) => {
        const at = byBranch[k].indexOf(slot);
        return at < 0 ? zerosOf(aval) : outs[numOut + at];
      });
      return [...outs.slice(0, numOut), ...filled];
    }, branches[k].inAvals),
  );
  const rest = parts.map(({ rest: { invars, eqns, outvars } }, k) => {
    const first = branches[k].invars.length;
    const slots = avals.map((aval, slot) => {
      const at = byBranch[k].indexOf(slot);
      return at < 0 ? new Var(aval) : invars[first + at];
    });
    return new Jaxpr({ invars: [...invars.slice(0, first), ...slots], eqns, outvars });
  });
  return {
    known: { ...eqn, params: { branches: known }, outputs: [...eqn.outputs, ...extra] },
    rest: {
      ...eqn,
      params: { branches: rest },
      inputs: [...eqn.inputs, ...extra],
      outputs: where(eqn.outputs, needed),
    },
    saved: extra,
  };
}

/** Which slot each saved value of each branch has, and the types of the slots. */
function shareSlots(saved: readonly (readonly Var[])[]): {
  readonly avals: readonly Aval[];
  readonly byBranch: readonly (readonly number[])[];
} {
  const avals: Aval[] = [];
  const byBranch = saved.map((own) => {
    const taken: number[] = [];
    for (const { aval } of own) {
      const free = avals.findIndex((a, slot) => !taken.includes(slot) && a.key === aval.key);
      taken.push(free < 0 ? avals.push(aval) - 1 : free);
    }
    return taken;
  });
  return { avals, byBranch };
}
