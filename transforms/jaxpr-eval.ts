/** Running a jaxpr: each equation is bound in order, so that whatever trace is current interprets it. */
import { NDArray } from '../core/array.ts';
import { InternalError, invariant } from '../core/errors.ts';
import { Literal, type Atom, type Eqn, type Jaxpr, type Var } from '../core/jaxpr.ts';
import { atFrame, inScope } from '../core/source.ts';
import type { Value } from '../core/value.ts';

/** The array of a literal. */
export const literalArray = (literal: Literal): NDArray =>
  NDArray.fromScalar(literal.value, literal.aval.dtype, literal.aval.weakType);

/** What variables stand for while a jaxpr is interpreted. */
export class Environment {
  readonly #values = new Map<Var, Value>();

  /** Give variables their values. */
  set(variables: readonly Var[], values: readonly Value[]): void {
    if (variables.length !== values.length)
      throw new InternalError(
        `a program with ${variables.length} variables met ${values.length} values.`,
      );
    variables.forEach((v, i) => this.#values.set(v, values[i]));
  }

  /** The value of an operand; undefined when its variable has none. */
  find(atom: Atom): Value | undefined {
    return atom instanceof Literal ? literalArray(atom) : this.#values.get(atom);
  }

  /** The value of an operand. */
  get(atom: Atom): Value {
    const value = this.find(atom);
    invariant(value !== undefined, 'a variable was used before it was bound.');
    return value;
  }

  /** Forget a value. */
  drop(variable: Var): void {
    this.#values.delete(variable);
  }
}

/** Bind every equation in order and give the outputs. The work grows with the program, the stack does not. */
export function evalJaxpr(jaxpr: Jaxpr, args: readonly Value[]): Value[] {
  const env = new Environment();
  env.set(jaxpr.constvars, jaxpr.consts);
  env.set(jaxpr.invars, args);
  const dying = lastUses(jaxpr);
  jaxpr.eqns.forEach((eqn, i) => {
    env.set(
      eqn.outputs,
      bindAgain(
        eqn,
        eqn.inputs.map((a) => env.get(a)),
      ),
    );
    for (const v of dying[i]) env.drop(v);
  });
  return jaxpr.outvars.map((a) => env.get(a));
}

/** Bind an equation that was recorded earlier; errors, and what is recorded now, have its line and scopes. */
export const bindAgain = (
  { prim, params, frame, scope }: Eqn,
  inputs: readonly Value[],
): readonly Value[] =>
  frame === undefined && (scope ?? '') === ''
    ? prim.bind(inputs, params)
    : atFrame(frame, () => inScope(scope ?? '', () => prim.bind(inputs, params)));

/** Which variables nobody needs any more after each equation: eager runs free their memory early. */
function lastUses(jaxpr: Jaxpr): readonly (readonly Var[])[] {
  const known = lastUseCache.get(jaxpr);
  if (known !== undefined) return known;
  const seen = new Set<Atom>(jaxpr.outvars);
  const dying = jaxpr.eqns.map((): Var[] => []);
  for (let i = jaxpr.eqns.length - 1; i >= 0; i--) {
    for (const atom of [...jaxpr.eqns[i].inputs, ...jaxpr.eqns[i].outputs]) {
      if (atom instanceof Literal || seen.has(atom)) continue;
      seen.add(atom);
      dying[i].push(atom);
    }
  }
  lastUseCache.set(jaxpr, dying);
  return dying;
}

const lastUseCache = new WeakMap<Jaxpr, readonly (readonly Var[])[]>();
