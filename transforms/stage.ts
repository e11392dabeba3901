/**
 * Staging: the trace that records operations as equations of a jaxpr.
 *
 * JavaScript scalars become literals; every other value that the function captures (arrays, and live tracers of outer
 * transformations) becomes a constant of the program, once per value. Nothing is simplified here.
 */
import { NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { remembersLines } from '../core/config.ts';
import {
  effectsOf,
  isLiteralArray,
  Jaxpr,
  Literal,
  Var,
  type Atom,
  type Eqn,
} from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { RefCell } from '../core/ref-cell.ts';
import { currentScope, outsideScopes, userFrame } from '../core/source.ts';
import { avalsOf, checkAlive, finishing, Trace, Tracer, withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';

/** A function of flat lists of values: what the transformations work on below the level of trees. */
export type FlatFunction = (args: readonly Value[]) => readonly Value[];

/** A value of a program that is being recorded. */
export class StageTracer extends Tracer {
  readonly aval: Aval;
  readonly variable: Var;

  constructor(trace: Trace, aval: Aval, madeBy?: string) {
    super(trace, madeBy);
    this.aval = aval;
    this.variable = new Var(aval);
  }
}

/** Records every operation as an equation. */
export class JaxprTrace extends Trace {
  readonly name: string;
  readonly #invars: Var[] = [];
  readonly #consts = new Map<Value, Var>();
  #eqns: Eqn[] = [];

  constructor(name = 'jit') {
    super();
    this.name = name;
  }

  /** Add an input to the program. */
  input(aval: Aval): StageTracer {
    const tracer = new StageTracer(this, aval);
    this.#invars.push(tracer.variable);
    return tracer;
  }

  /** Whether `x` is a value of this program. */
  owns(x: Value): x is StageTracer {
    return x instanceof StageTracer && x.trace === this;
  }

  process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    return prim.rules.inlined?.(args, params) ?? this.record(prim, args, params);
  }

  /** Record one equation and give its outputs. */
  record<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly StageTracer[] {
    const staged = prim.rules.stage?.(args, params) ?? { args, params };
    const inputs = staged.args.map((x) => this.atom(prim.name, x));
    const avals = prim.rules.abstractEval(avalsOf(staged.args), staged.params);
    const outputs = avals.map((aval) => new StageTracer(this, aval, prim.name));
    this.#eqns.push({
      prim: prim as Primitive,
      inputs,
      params: staged.params,
      outputs: outputs.map((t) => t.variable),
      frame: remembersLines() ? userFrame() : undefined,
      scope: currentScope(),
    });
    return outputs;
  }

  /**
   * The operand that stands for a value: its variable, a literal, or a constant of the program.
   *
   * @throws TracerLeakError when the value belongs to a finished transformation.
   */
  atom(op: string, x: Value): Atom {
    if (this.owns(x)) return x.variable;
    if (x instanceof NDArray && isLiteralArray(x) && x.scalar !== undefined)
      return new Literal(x.scalar, x.aval);
    checkAlive(op, x);
    let variable = this.#consts.get(x);
    if (variable === undefined) {
      variable = new Var(x.aval);
      this.#consts.set(x, variable);
    }
    return variable;
  }

  /** The program recorded so far, with these outputs. */
  close(outs: readonly Value[]): Jaxpr {
    const outvars = outs.map((x) => this.atom(`${this.name}: output`, x));
    return new Jaxpr({
      constvars: [...this.#consts.values()],
      consts: [...this.#consts.keys()],
      invars: [...this.#invars],
      eqns: this.#eqns,
      outvars,
    });
  }

  override finish(): void {
    super.finish();
    // Tracers that outlive the trace must not keep the program and its constants in memory.
    this.#consts.clear();
    this.#eqns = [];
  }
}

/**
 * Record a flat function as a jaxpr; what it captures are the constants of the jaxpr.
 *
 * @throws TracerLeakError when the function uses a value of a finished transformation.
 */
export function traceToJaxpr(fun: FlatFunction, avals: readonly Aval[], name = 'jit'): Jaxpr {
  const trace = new JaxprTrace(name);
  return finishing(trace, () => {
    const inputs = avals.map((aval) => trace.input(aval));
    return trace.close(outsideScopes(() => withTrace(trace, () => fun(inputs))));
  });
}

/** A jaxpr without constants, and the values that became its first operands. */
export interface Closed {
  readonly jaxpr: Jaxpr;
  readonly consts: readonly Value[];
}

/** Turn the constants of a jaxpr into its first inputs, as jaxprs in params of equations want it. */
export function hoistConsts(jaxpr: Jaxpr): Closed {
  if (jaxpr.constvars.length === 0) return { jaxpr, consts: [] };
  const { constvars, invars, eqns, outvars } = jaxpr;
  return {
    jaxpr: new Jaxpr({ invars: [...constvars, ...invars], eqns, outvars }),
    consts: jaxpr.consts,
  };
}

/** Record a flat function as a jaxpr whose captured values are its first operands. */
export const traceClosed = (fun: FlatFunction, avals: readonly Aval[], name?: string): Closed =>
  hoistConsts(traceToJaxpr(fun, avals, name));

/** Whether a jaxpr may be kept for later calls: it captures no value of a live transformation. */
export const isCacheable = (consts: readonly Value[]): boolean =>
  !consts.some((x) => x instanceof Tracer || (x instanceof RefCell && x.owner !== undefined));

/** Drop the equations that no output needs, and the constants that nobody uses then. Inputs stay. */
export function dropDead(jaxpr: Jaxpr): Jaxpr {
  const live = new Set<Atom>(jaxpr.outvars);
  const kept: Eqn[] = [];
  for (let i = jaxpr.eqns.length - 1; i >= 0; i--) {
    const eqn = jaxpr.eqns[i];
    if (!eqn.outputs.some((v) => live.has(v)) && effectsOf(eqn).length === 0) continue;
    for (const atom of eqn.inputs) live.add(atom);
    kept.push(eqn);
  }
  const used = jaxpr.constvars.map((v) => live.has(v));
  return new Jaxpr({
    constvars: jaxpr.constvars.filter((_, i) => used[i]),
    consts: jaxpr.consts.filter((_, i) => used[i]),
    invars: jaxpr.invars,
    eqns: kept.reverse(),
    outvars: jaxpr.outvars,
  });
}

/** The same program with its inputs and outputs in another order: `ins[i]` and `outs[i]` say which old one comes at `i`. */
export const reorder = (jaxpr: Jaxpr, ins: readonly number[], outs: readonly number[]): Jaxpr =>
  new Jaxpr({
    constvars: jaxpr.constvars,
    consts: jaxpr.consts,
    invars: ins.map((i) => jaxpr.invars[i]),
    eqns: jaxpr.eqns,
    outvars: outs.map((i) => jaxpr.outvars[i]),
  });
