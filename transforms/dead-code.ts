/**
 * Dropping what nobody needs, also inside the programs that equations hold: a call whose result is unused loses the part that
 * computed it, a loop loses outputs and carries. Done before lowering; recorded programs keep what the function did.
 */
import { effectsOf, Jaxpr, type Atom, type Eqn } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import { BoundedMap, onClearCaches } from './caches.ts';
import { where } from './jaxpr-cache.ts';

/** A smaller equation: its params, and which inputs and outputs remain. */
export interface Pruned<P> {
  readonly params: P;
  readonly usedIn: readonly boolean[];
  /** Outputs that remain; at least the used ones. */
  readonly keptOut: readonly boolean[];
}

/** Make an equation smaller, given which of its outputs are used (none only when it has effects). Undefined when nothing can be dropped. */
export type DeadCodeRule<P = unknown> = (
  usedOut: readonly boolean[],
  params: P,
) => Pruned<P> | undefined;

const deadCodeRules: RuleTable<DeadCodeRule> = new RuleTable('deadCode');

/** Set the rule of a primitive. */
export function defineDeadCode<P>(prim: Primitive<P>, rule: DeadCodeRule<P>): void {
  // The registry door: the table holds rules of all parameter types.
  deadCodeRules.set(prim, (usedOut, params) => rule(usedOut, params as P));
}

/** A jaxpr with fewer outputs, and which of its inputs it needs. */
export interface PrunedJaxpr {
  /** Takes the inputs in `usedIn`. */
  readonly jaxpr: Jaxpr;
  readonly usedIn: readonly boolean[];
}

let cache = new WeakMap<Jaxpr, BoundedMap<PrunedJaxpr>>();
onClearCaches(() => (cache = new WeakMap()));

/** Keep the outputs in `usedOut` and what they need. Inputs in `keepIn` remain although nobody needs them. */
export function pruneJaxpr(
  jaxpr: Jaxpr,
  usedOut: readonly boolean[],
  keepIn: readonly boolean[] = [],
): PrunedJaxpr {
  const key = `${usedOut.join()} ${keepIn.join()}`;
  let entries = cache.get(jaxpr);
  if (entries === undefined) cache.set(jaxpr, (entries = new BoundedMap(256)));
  let entry = entries.get(key);
  if (entry === undefined) entries.set(key, (entry = prune(jaxpr, usedOut, keepIn)));
  return entry;
}

function prune(jaxpr: Jaxpr, usedOut: readonly boolean[], keepIn: readonly boolean[]): PrunedJaxpr {
  const outvars = where(jaxpr.outvars, usedOut);
  const live = new Set<Atom>(outvars);
  const kept: Eqn[] = [];
  for (let i = jaxpr.eqns.length - 1; i >= 0; i--) {
    const eqn = pruneEqn(jaxpr.eqns[i], live);
    if (eqn === undefined) continue;
    for (const atom of eqn.inputs) live.add(atom);
    kept.push(eqn);
  }
  const usedIn = jaxpr.invars.map((v, i) => live.has(v) || keepIn[i] === true);
  const constOn = jaxpr.constvars.map((v) => live.has(v));
  const isSame =
    usedIn.every(Boolean) &&
    usedOut.every(Boolean) &&
    constOn.every(Boolean) &&
    kept.length === jaxpr.eqns.length &&
    kept.every((e, i) => e === jaxpr.eqns[kept.length - 1 - i]);
  if (isSame) return { jaxpr, usedIn };
  const pruned = new Jaxpr({
    constvars: where(jaxpr.constvars, constOn),
    consts: where(jaxpr.consts, constOn),
    invars: where(jaxpr.invars, usedIn),
    eqns: kept.reverse(),
    outvars,
  });
  return { jaxpr: pruned, usedIn };
}

/** The equation, a smaller one, or undefined when nobody needs it. */
function pruneEqn(eqn: Eqn, live: ReadonlySet<Atom>): Eqn | undefined {
  const usedOut = eqn.outputs.map((v) => live.has(v));
  if (!usedOut.includes(true) && effectsOf(eqn).length === 0) return undefined;
  const pruned = deadCodeRules.find(eqn.prim)?.(usedOut, eqn.params);
  if (pruned === undefined) return eqn;
  return {
    ...eqn,
    params: pruned.params,
    inputs: where(eqn.inputs, pruned.usedIn),
    outputs: where(eqn.outputs, pruned.keptOut),
  };
}
