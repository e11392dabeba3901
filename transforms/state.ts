/**
 * Refs become values: a program that reads and writes refs as a program that takes their contents and gives the new ones. Done before
 * programs are lowered, and wherever a transformation meets an equation with refs among its operands: no derivative, batching or
 * lowering rule of loops and calls has to know refs. How `get`, `swap` and the like act on contents is said by the primitives.
 */
import type { Aval } from '../core/aval.ts';
import { writeEffect } from '../core/effects.ts';
import { ArgumentError, invariant } from '../core/errors.ts';
import { Jaxpr } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { RefCell, type CellOwner } from '../core/ref-cell.ts';
import { RuleTable } from '../core/rule-table.ts';
import { currentTrace, Trace, withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { getP, swapP, wholeAccess } from '../lax/ref-access.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { JaxprCache } from './jaxpr-cache.ts';
import { reorder, traceClosed, type Closed } from './stage.ts';

/** Which operands are refs: per operand the number of its ref, undefined for values. One ref may stand in several places. */
export type Slots = readonly (number | undefined)[];

/** An equation whose refs are values. */
export interface StateOperands {
  readonly slots: Slots;
  /** Contents of the refs, by number. */
  readonly state: readonly Value[];
  /** The operands that are no refs, in order. */
  readonly plain: readonly Value[];
}

/** Results of an equation, and the new contents of the refs that it may have written to. */
export interface StateResults {
  readonly outs: readonly Value[];
  /** By number; undefined where nothing was written. */
  readonly state: readonly (Value | undefined)[];
}

/** Bind a primitive on contents instead of refs. */
export type StateRule<P = unknown> = (operands: StateOperands, params: P) => StateResults;

const stateRules: RuleTable<StateRule> = new RuleTable('state');

/** Set the rule of a primitive that takes refs as operands of the jaxprs among its params. */
export function defineState<P>(prim: Primitive<P>, rule: StateRule<P>): void {
  // The registry door: the table holds rules of all parameter types.
  stateRules.set(prim, (operands, params) => rule(operands, params as P));
}

/** Whether an equation has refs among its operands, and is no access to a ref itself. */
export const takesRefs = <P>({ rules }: Primitive<P>, args: readonly Value[]): boolean =>
  rules.onContents === undefined && args.some((x) => x.aval.isRef);

/** Whether refs of this owner are among the operands: nobody else can look into them. */
export const holdsRefs = (owner: CellOwner, args: readonly Value[]): boolean =>
  args.some((x) => x instanceof RefCell && x.owner === owner);

/**
 * Bind a primitive on the contents of its refs, and write back what it changes.
 *
 * @throws ArgumentError when the primitive cannot take refs.
 */
export function bindOnContents<P>(
  prim: Primitive<P>,
  args: readonly Value[],
  params: P,
): readonly Value[] {
  const rule = stateRules.find(prim);
  if (rule === undefined)
    throw new ArgumentError(
      `${prim.name}: a function that is called here cannot close over refs; got ${args
        .filter((x) => x.aval.isRef)
        .map((x) => x.aval.toString())
        .join(', ')}. Read the ref before, pass the value, and write the result afterwards.`,
    );
  const refs = [...new Set(args.filter((x) => x.aval.isRef))];
  const results = rule(
    {
      slots: args.map((x) => (x.aval.isRef ? refs.indexOf(x) : undefined)),
      state: refs.map((ref) => getP.bind1([ref], wholeAccess(ref.aval))),
      plain: args.filter((x) => !x.aval.isRef),
    },
    params,
  );
  refs.forEach((ref, i) => {
    const next = results.state[i];
    if (next !== undefined) swapP.bind([ref, next], wholeAccess(ref.aval));
  });
  return results.outs;
}

/** Runs a program on cells of its own; everything else goes to the trace around it. */
class StateTrace extends Trace {
  readonly name = 'state';
  readonly #parent = currentTrace();

  process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const own = prim.rules.onContents?.(args, params, this);
    if (own !== undefined) return own;
    if (takesRefs(prim, args)) return bindOnContents(prim, args, params);
    const makesRefs = prim.rules.effects?.(params).includes(writeEffect) === true;
    const pure = makesRefs ? withoutInnerState(params) : params;
    return withTrace(this.#parent, () => prim.bind(args, pure));
  }
}

/** Params whose jaxprs make and use refs of their own, with jaxprs that do without. */
function withoutInnerState<P>(params: P): P {
  const pure = (x: unknown): unknown => (x instanceof Jaxpr ? withoutState(x).jaxpr : x);
  const entries = Object.entries(params ?? {}).map(([key, x]) => [
    key,
    Array.isArray(x) ? x.map(pure) : pure(x),
  ]);
  // Entry by entry of the same types.
  return Object.fromEntries(entries) as P;
}

/** A program on contents: captured values, contents of refs by number, other inputs → outputs, new contents by number. */
export interface StateJaxpr extends Closed {
  /** Which refs the program may have written to. */
  readonly written: readonly boolean[];
}

const cache = new JaxprCache<StateJaxpr>();

/** Turn refs into values. `state` has the types of the contents, `slots` says which input is which ref. */
export function stateJaxpr(jaxpr: Jaxpr, slots: Slots, state: readonly Aval[]): StateJaxpr {
  const key = `${slots.join()} ${state.map((aval) => aval.key).join()}`;
  return cache.get(jaxpr, key, () => {
    let written: boolean[] = [];
    const plain = jaxpr.inAvals.filter((_, i) => slots[i] === undefined);
    const closed = traceClosed(
      (xs) => {
        const trace = new StateTrace();
        try {
          const cells = state.map((_, i) => new RefCell(xs[i], trace));
          let next = state.length;
          const args = slots.map((slot) => (slot === undefined ? xs[next++] : cells[slot]));
          const outs = withTrace(trace, () => evalJaxpr(jaxpr, args));
          written = cells.map((cell) => cell.isWritten);
          return [...outs, ...cells.map((cell) => cell.read('state'))];
        } finally {
          trace.finish();
        }
      },
      [...state, ...plain],
    );
    return { ...closed, written };
  });
}

/** Outputs and new contents apart, of a program that gives both. */
export function stateResults(written: readonly boolean[], outs: readonly Value[]): StateResults {
  const count = outs.length - written.length;
  return {
    outs: outs.slice(0, count),
    state: outs.slice(count).map((x, i) => (written[i] ? x : undefined)),
  };
}

/** A program whose refs are values, with its inputs in their places. */
export interface PureProgram extends Closed {
  /** Outputs, then new contents of the refs in `written`. */
  readonly jaxpr: Jaxpr;
  /** Inputs that are refs which the program may write to. */
  readonly written: readonly number[];
}

const touchesRefs = (jaxpr: Jaxpr): boolean =>
  jaxpr.inAvals.some((aval) => aval.isRef) || jaxpr.effects.includes(writeEffect);

/** The program without refs; the same program when it has none. Inputs that are refs must be different refs. */
export function withoutState(jaxpr: Jaxpr): PureProgram {
  return touchesRefs(jaxpr)
    ? programs.get(jaxpr, '', () => makePure(jaxpr))
    : { jaxpr, consts: [], written: [] };
}

const programs = new JaxprCache<PureProgram>();

function makePure(jaxpr: Jaxpr): PureProgram {
  let count = 0;
  const slots = jaxpr.inAvals.map((aval) => (aval.isRef ? count++ : undefined));
  const state = jaxpr.inAvals.filter((aval) => aval.isRef).map((aval) => aval.contents());
  const { jaxpr: pure, consts, written } = stateJaxpr(jaxpr, slots, state);
  invariant(consts.length === 0, 'state: a program without constants got some.');
  let next = count;
  const ins = slots.map((slot) => slot ?? next++);
  const outputs = jaxpr.outvars.map((_, i) => i);
  const changed = written.flatMap((on, i) => (on ? [jaxpr.outvars.length + i] : []));
  return {
    jaxpr: reorder(pure, ins, [...outputs, ...changed]),
    consts,
    written: slots.flatMap((slot, i) => (slot !== undefined && written[slot] ? [i] : [])),
  };
}

/** Run a program without refs on the contents of refs, and give them what it computed. Concrete arrays only. */
export function runOnContents(
  { jaxpr, written }: PureProgram,
  args: readonly Value[],
  run: (values: readonly Value[], replaced: readonly boolean[]) => readonly Value[],
): readonly Value[] {
  const replaced = args.map((x, i) => x instanceof RefCell && written.includes(i) && !x.isShared);
  const values = args.map((x) => (x instanceof RefCell ? x.peek('jit') : x));
  const outs = run(values, replaced);
  const count = jaxpr.outvars.length - written.length;
  written.forEach((at, k) => {
    const ref = args[at];
    if (ref instanceof RefCell) ref.write('jit', outs[count + k], false);
  });
  return outs.slice(0, count);
}
