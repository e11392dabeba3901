/** Jaxprs: typed, closed, first-order programs in administrative normal form. Printing and checking stand beside this file. */
import type { Aval } from './aval.ts';
import type { NDArray } from './array.ts';
import { unionOfEffects, type Effect } from './effects.ts';
import type { Primitive } from './primitive.ts';
import type { Scalar } from './host.ts';
import type { Value } from './value.ts';

let counter = 0;

/** A variable: identity and abstract value; names are given when printing. */
export class Var {
  readonly aval: Aval;
  /** Unique number, for maps and debugging. */
  readonly id: number;
  constructor(aval: Aval) {
    this.aval = aval;
    this.id = counter++;
  }
}

/** A rank-0 constant inside a program. */
export class Literal {
  readonly value: Scalar;
  readonly aval: Aval;
  constructor(value: Scalar, aval: Aval) {
    this.value = value;
    this.aval = aval;
  }
}

/** An operand. */
export type Atom = Var | Literal;

/** One application of a primitive. */
export interface Eqn {
  readonly prim: Primitive;
  readonly inputs: readonly Atom[];
  readonly params: unknown;
  readonly outputs: readonly Var[];
  /** The user's line, when known. */
  readonly frame?: string | undefined;
  /** The named scopes around it, as `outer/inner`. */
  readonly scope?: string | undefined;
}

/** What an equation does besides computing its outputs. */
export const effectsOf = ({ prim, params }: Eqn): readonly Effect[] =>
  prim.rules.effects?.(params) ?? [];

/**
 * `{ lambda constvars ; invars . let eqns in outvars }` with the values of the constvars.
 * Jaxprs inside params of equations have no constants: what they capture is an operand of the equation.
 */
export class Jaxpr {
  readonly constvars: readonly Var[];
  readonly consts: readonly Value[];
  readonly invars: readonly Var[];
  readonly eqns: readonly Eqn[];
  readonly outvars: readonly Atom[];
  /** Set by the checker and the printer. */
  #text: string | undefined;
  #effects: readonly Effect[] | undefined;

  constructor(parts: {
    readonly constvars?: readonly Var[];
    readonly consts?: readonly Value[];
    readonly invars: readonly Var[];
    readonly eqns: readonly Eqn[];
    readonly outvars: readonly Atom[];
  }) {
    this.constvars = parts.constvars ?? [];
    this.consts = parts.consts ?? [];
    this.invars = parts.invars;
    this.eqns = parts.eqns;
    this.outvars = parts.outvars;
  }

  /** Abstract values of the inputs. */
  get inAvals(): Aval[] {
    return this.invars.map((v) => v.aval);
  }

  /** Abstract values of the outputs. */
  get outAvals(): Aval[] {
    return this.outvars.map((v) => v.aval);
  }

  /** What the program does besides computing its outputs: the effects of its equations, each once. */
  get effects(): readonly Effect[] {
    return (this.#effects ??= unionOfEffects(this.eqns.map(effectsOf)));
  }

  /** JAX's printed form. */
  toString(): string {
    this.#text ??= printer(this);
    return this.#text;
  }
}

/** The jaxprs among the params of an equation, also inside lists. */
export function jaxprsIn(params: unknown): Jaxpr[] {
  if (typeof params !== 'object' || params === null) return [];
  const found: Jaxpr[] = [];
  for (const value of Object.values(params) as unknown[])
    for (const item of Array.isArray(value) ? (value as unknown[]) : [value])
      if (item instanceof Jaxpr) found.push(item);
  return found;
}

let printer: (jaxpr: Jaxpr) => string = () => '{ lambda … }';

/** Install the printer (by `jaxpr-print.ts`; printing needs this file's classes). */
export function setJaxprPrinter(print: (jaxpr: Jaxpr) => string): void {
  printer = print;
}

/** Whether a concrete array becomes a literal when a program captures it. */
export const isLiteralArray = (x: NDArray): boolean => x.scalar !== undefined && x.ndim === 0;
