/**
 * Splitting a program by a checkpoint policy: one part computes the results and, besides, the values that the policy saves; the
 * other computes some of the results again from the inputs and the saved values. Programs inside of equations are split by the
 * rule of their primitive; without one an equation is saved or computed again as a whole.
 */
import { effectsOf, Jaxpr, Var, type Atom, type Eqn } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import type { CheckpointPolicy } from './checkpoint-policies.ts';
import { where } from './jaxpr-cache.ts';

/** A program in two parts. */
export interface SavedJaxpr {
  /** Inputs → all outputs, saved values. */
  readonly known: Jaxpr;
  /** Inputs in `usedIn`, saved values → the outputs that are needed again. */
  readonly rest: Jaxpr;
  readonly usedIn: readonly boolean[];
  /** The variables of the saved values in the program. */
  readonly saved: readonly Var[];
}

/** An equation in two parts, as `splitBySaving` wants it. */
export interface SavedEqn {
  /** The equation, with more outputs. */
  readonly known: Eqn;
  /** Computes the needed outputs that are not in `saved`; undefined when there are none. */
  readonly rest: Eqn | undefined;
  /** Outputs of `known` that are saved: among them may be outputs that the equation always had. */
  readonly saved: readonly Var[];
}

/** Split an equation whose outputs in `needed` (at least one) are needed again. */
export type SavingRule<P = unknown> = (
  eqn: Eqn,
  needed: readonly boolean[],
  params: P,
  policy: CheckpointPolicy,
) => SavedEqn;

const savingRules: RuleTable<SavingRule> = new RuleTable('saving');

/** Set the rule of a primitive that holds programs. */
export function defineSaving<P>(prim: Primitive<P>, rule: SavingRule<P>): void {
  // The registry door: the table holds rules of all parameter types.
  savingRules.set(prim, (eqn, needed, params, policy) => rule(eqn, needed, params as P, policy));
}

/** Split one equation: by its rule, or as a whole. */
function splitEqn(eqn: Eqn, needed: readonly boolean[], policy: CheckpointPolicy): SavedEqn {
  const rule = savingRules.find(eqn.prim);
  if (rule !== undefined) return rule(eqn, needed, eqn.params, policy);
  const avals = eqn.inputs.map((atom) => atom.aval);
  return policy(eqn.prim, avals, eqn.params)
    ? { known: eqn, rest: undefined, saved: where(eqn.outputs, needed) }
    : { known: eqn, rest: eqn, saved: [] };
}

/**
 * Split a program whose outputs in `needed` are needed again. Inputs in `keepIn` are inputs of the rest although it may not need
 * them.
 */
export function splitBySaving(
  jaxpr: Jaxpr,
  needed: readonly boolean[],
  policy: CheckpointPolicy,
  keepIn: readonly boolean[] = [],
): SavedJaxpr {
  const outvars = where(jaxpr.outvars, needed);
  const live = new Set<Atom>(outvars);
  const [known, rest]: [Eqn[], Eqn[]] = [[], []];
  const saved: Var[] = [];
  for (let i = jaxpr.eqns.length - 1; i >= 0; i--) {
    const eqn = jaxpr.eqns[i];
    const used = eqn.outputs.map((v) => live.has(v));
    const isNeeded = used.includes(true);
    const parts = isNeeded ? splitEqn(eqn, used, policy) : { known: eqn, rest: eqn, saved: [] };
    known.push(parts.known);
    saved.push(...parts.saved);
    // What has effects has them again.
    if (parts.rest === undefined || !(isNeeded || effectsOf(eqn).length > 0)) continue;
    rest.push(parts.rest);
    for (const atom of parts.rest.inputs) live.add(atom);
  }
  saved.reverse();
  const usedIn = jaxpr.invars.map((v, i) => live.has(v) || keepIn[i] === true);
  return {
    known: new Jaxpr({
      invars: jaxpr.invars,
      eqns: known.reverse(),
      outvars: [...jaxpr.outvars, ...saved],
    }),
    rest: new Jaxpr({
      invars: [...where(jaxpr.invars, usedIn), ...saved],
      eqns: rest.reverse(),
      outvars,
    }),
    usedIn,
    saved,
  };
}

/** Which needed outputs are saved values themselves: they are saved under their own name. */
export function savedOutputs(
  jaxpr: Jaxpr,
  needed: readonly boolean[],
  policy: CheckpointPolicy,
): boolean[] {
  const saved = new Set<Atom>(splitBySaving(jaxpr, needed, policy).saved);
  return jaxpr.outvars.map((v, i) => needed[i] && saved.has(v));
}

/** The rule of a call: `again` says what the params of the part are that computes again. */
export const saveCall =
  <P extends { readonly jaxpr: Jaxpr }>(again: Partial<P> = {}): SavingRule<P> =>
  (eqn, needed, params, policy) => {
    const { jaxpr } = params;
    const own = savedOutputs(jaxpr, needed, policy);
    const left = needed.map((on, i) => on && !own[i]);
    const parts = splitBySaving(jaxpr, left, policy);
    const extra = parts.saved.map((v) => new Var(v.aval));
    const saved = [...where(eqn.outputs, own), ...extra];
    const known: Eqn =
      extra.length === 0
        ? eqn
        : {
            ...eqn,
            params: { ...params, jaxpr: parts.known },
            outputs: [...eqn.outputs, ...extra],
          };
    if (!left.includes(true)) return { known, rest: undefined, saved };
    const rest: Eqn = {
      ...eqn,
      params: { ...params, ...again, jaxpr: parts.rest },
      inputs: [...where(eqn.inputs, parts.usedIn), ...extra],
      outputs: where(eqn.outputs, left),
    };
    return { known, rest, saved };
  };
