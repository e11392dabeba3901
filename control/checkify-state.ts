/**
 * Making a result of what can go wrong: an interpreter of jaxprs that carries an error beside the values. The first failure in
 * the order of the program is kept. The error is a list of values: whether something failed, the number of the site that did, and
 * the arrays that messages show, one set for each signature, shared by all sites that have it.
 */
import { NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { checkEffect } from '../core/effects.ts';
import { effectsOf, type Eqn, type Jaxpr } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import { atFrame, inScope } from '../core/source.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { and, not, or } from '../lax/bits.ts';
import { select } from '../lax/comparison.ts';
import { convertElementType } from '../lax/convert.ts';
import { zerosOf } from '../lax/creation.ts';
import { broadcastInDim } from '../lax/structure.ts';
import { bindAgain, Environment } from '../transforms/jaxpr-eval.ts';
import { traceClosed, type Closed } from '../transforms/stage.ts';
import type { CheckSite } from './check-call.ts';

/** What can be looked for. */
export type CheckKind = 'user' | 'nan' | 'div' | 'index';

/** The arrays of one signature that an error holds. */
export interface Slot {
  readonly key: string;
  readonly avals: readonly Aval[];
}

/** An error while a program runs: `values` are failed, site, and the arrays of each slot. */
export interface State {
  readonly slots: readonly Slot[];
  readonly values: readonly Value[];
}

/** Where the arrays of a slot stand among the values. */
export function slotStart(slots: readonly Slot[], index: number): number {
  return slots.slice(0, index).reduce((at, { avals }) => at + avals.length, 2);
}

const strong = (x: Value): Value => (x.weakType ? convertElementType(x, x.dtype) : x);

const slotOf = (avals: readonly Aval[]): Slot => ({
  key: avals.map((a) => a.key).join(' '),
  avals,
});

/** Nothing has failed. */
export const noFailure = (): State => ({
  slots: [],
  values: [NDArray.fromScalar(false, 'bool'), NDArray.fromScalar(-1, 'i32')],
});

/** The state with room for these slots too; those it has come first, in their order. */
export function widen({ slots, values }: State, wanted: readonly Slot[]): State {
  const added = wanted.filter((slot) => !slots.some(({ key }) => key === slot.key));
  return {
    slots: [...slots, ...added],
    values: [...values, ...added.flatMap(({ avals }) => avals.map(zerosOf))],
  };
}

/** A program that carries an error: its first operands are constants, then come whatever `thread` was given. */
export interface Threaded extends Closed {
  /** The slots of the error that it gives. */
  readonly slots: readonly Slot[];
  /** Whether it has no checks and never changes the error: the program that it was made of will do. */
  readonly unchanged: boolean;
}

/** A rule: the equation with the error carried through it. */
type CheckRule = (
  checker: Checker,
  state: State,
  args: readonly Value[],
  eqn: Eqn,
) => readonly [State, readonly Value[]];

const rules: RuleTable<CheckRule> = new RuleTable('checkify');

/** Define how an error goes through a primitive; undefined: the equation stays as it is. */
export function defineCheckify<P>(
  prim: Primitive<P>,
  rule: (
    checker: Checker,
    state: State,
    args: readonly Value[],
    params: P,
  ) => readonly [State, readonly Value[]] | undefined,
): void {
  // The registry door: the table holds rules of all parameter types.
  rules.set(prim, (checker, state, args, eqn) => {
    const result = rule(checker, state, args, eqn.params as P);
    return result ?? [state, bindAgain(eqn, args)];
  });
}

/** A site, the slot of its arrays, and the number that stands for it in an error. */
export interface NumberedSite {
  readonly site: CheckSite;
  readonly slot: string;
  readonly number: number;
}

/** One run of the transformation: what is looked for, and the sites that were met. */
export class Checker {
  readonly kinds: ReadonlySet<CheckKind>;
  readonly #sites = new Map<string, NumberedSite>();

  /** How many equations with checks were met, looked for or not. */
  #met = 0;

  constructor(kinds: ReadonlySet<CheckKind>) {
    this.kinds = kinds;
  }

  /** The sites by number, and the slot of each. */
  get sites(): readonly NumberedSite[] {
    return [...this.#sites.values()];
  }

  /** Note a failure where `bad` holds, unless something failed before. */
  report(state: State, bad: Value, site: CheckSite, payload: readonly Value[]): State {
    const shown = payload.map(strong);
    const slot = slotOf(avalsOf(shown));
    const wide = widen(state, [slot]);
    const [failed, code, ...rest] = wide.values;
    const now = and(bad, not(failed));
    const at = slotStart(
      wide.slots,
      wide.slots.findIndex(({ key }) => key === slot.key),
    );
    const keep = (old: Value, i: number): Value => {
      const next = shown[i + 2 - at];
      return next === undefined ? old : select(broadcastInDim(now, old.shape, []), next, old);
    };
    const number = NDArray.fromScalar(this.#numberOf(site, slot.key), 'i32');
    return {
      slots: wide.slots,
      values: [or(failed, bad), select(now, number, code), ...rest.map(keep)],
    };
  }

  /** Interpret a program without constants. */
  run(
    jaxpr: Jaxpr,
    start: State,
    args: readonly Value[],
  ): { readonly state: State; readonly outs: readonly Value[] } {
    const env = new Environment();
    env.set(jaxpr.invars, args);
    let state = start;
    for (const eqn of jaxpr.eqns) {
      const inputs = eqn.inputs.map((a) => env.get(a));
      const [next, outs] = atFrame(eqn.frame, () =>
        inScope(eqn.scope ?? '', () => this.#step(eqn, state, inputs)),
      );
      state = next;
      env.set(eqn.outputs, outs);
    }
    return { state, outs: jaxpr.outvars.map((a) => env.get(a)) };
  }

  /**
   * Trace a function of the error and other values. `step` gets the other values apart, and gives the error and results; the
   * program takes `before`, the error, `after` and gives the error, then the results.
   */
  thread(
    slots: readonly Slot[],
    before: readonly Aval[],
    after: readonly Aval[],
    step: (
      state: State,
      before: readonly Value[],
      after: readonly Value[],
    ) => { readonly state: State; readonly outs: readonly Value[] },
  ): Threaded {
    const errorAvals = stateAvals(slots);
    let out: readonly Slot[] = slots;
    const metBefore = this.#met;
    const closed = traceClosed(
      (xs) => {
        const end = before.length + errorAvals.length;
        const values = xs.slice(before.length, end);
        const result = step({ slots, values }, xs.slice(0, before.length), xs.slice(end));
        out = result.state.slots;
        return [...result.state.values, ...result.outs];
      },
      [...before, ...errorAvals, ...after],
      'checkify',
    );
    const { invars, outvars } = closed.jaxpr;
    const first = closed.consts.length + before.length;
    const unchanged =
      this.#met === metBefore &&
      out.length === slots.length &&
      errorAvals.every((_, i) => outvars[i] === invars[first + i]);
    return { ...closed, slots: out, unchanged };
  }

  #step(eqn: Eqn, state: State, args: readonly Value[]): readonly [State, readonly Value[]] {
    if (effectsOf(eqn).includes(checkEffect)) this.#met++;
    const rule = rules.find(eqn.prim);
    return rule === undefined
      ? [state, eqn.prim.bind(args, eqn.params)]
      : rule(this, state, args, eqn);
  }

  #numberOf(site: CheckSite, slot: string): number {
    const key = `${site.structuralKey()} | ${slot}`;
    const known = this.#sites.get(key) ?? { site, slot, number: this.#sites.size };
    this.#sites.set(key, known);
    return known.number;
  }
}

const stateAvals = (slots: readonly Slot[]): readonly Aval[] => [
  ...avalsOf(noFailure().values),
  ...slots.flatMap(({ avals }) => avals),
];

/** The error that a call gave, and its other results. */
export function splitState(
  slots: readonly Slot[],
  outs: readonly Value[],
): readonly [State, readonly Value[]] {
  const count = slotStart(slots, slots.length);
  return [{ slots, values: outs.slice(0, count) }, outs.slice(count)];
}
