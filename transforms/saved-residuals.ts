/** What the derivative of a function keeps in memory between its forward and its backward part: for tests, and for people who tune `checkpoint`. */
import type { Aval } from '../core/aval.ts';
import { jaxprsIn, type Atom, type Eqn, type Jaxpr } from '../core/jaxpr.ts';
import { avalsOf } from '../core/trace.ts';
import { nameOfValue } from './checkpoint-policies.ts';
import { argumentPath, flattenFunction, flattenValues } from './flat-function.ts';
import { linearizeFlat } from './linearize.ts';
import type { Inputs } from './signature.ts';
import { traceToJaxpr } from './stage.ts';
import { isDifferentiable } from './zeros.ts';

/** A value that the derivative keeps. */
export interface SavedResidual {
  readonly aval: Aval;
  /** Where it comes from: `from the argument args[0]`, `named 'x'`, `output of dot_general`. */
  readonly source: string;
  /** Both: `f32[3] output of cos`. */
  toString(): string;
}

const residual = (aval: Aval, source: string): SavedResidual => ({
  aval,
  source,
  toString: () => `${aval.toString()} ${source}`,
});

/**
 * The values that the reverse derivative of `f` at these arguments keeps from the forward part: results of operations in the order
 * of the program, after constants and arguments.
 *
 * @throws TreeError when an argument or result is no array.
 * @example
 * savedResiduals((x: Value) => lax.sin(lax.sin(x)), 1).map(String); // → [ 'f32[] output of cos', 'f32[] output of cos' ]
 */
export function savedResiduals<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...args: Inputs<A>
): SavedResidual[] {
  const { values, treedef } = flattenValues('savedResiduals', 'args', args);
  const flat = flattenFunction('savedResiduals', f, treedef);
  const nonzero = values.map((v) => isDifferentiable(v.aval));
  const jaxpr = traceToJaxpr(
    (xs) => linearizeFlat(flat.fun, xs, nonzero, 'savedResiduals').linear.consts,
    avalsOf(values),
    'savedResiduals',
  );
  return describeOutputs(jaxpr, (i) => argumentPath(args, i));
}

function describeOutputs(jaxpr: Jaxpr, argument: (index: number) => string): SavedResidual[] {
  const kept = new Set<Atom>(jaxpr.outvars);
  const found: SavedResidual[] = [];
  const note = (atoms: readonly Atom[], source: (index: number) => string): void =>
    atoms.forEach((atom, i) => {
      if (kept.has(atom)) found.push(residual(atom.aval, source(i)));
    });
  note(jaxpr.constvars, () => 'from a constant');
  note(jaxpr.invars, (i) => `from the argument ${argument(i)}`);
  for (const eqn of jaxpr.eqns) note(eqn.outputs, (i) => producer(eqn, i));
  return found;
}

/** What made output `index` of an equation: an operation, also one inside of a call or a loop. */
function producer(eqn: Eqn, index: number): string {
  const name = nameOfValue(eqn.prim, eqn.params);
  if (name !== undefined) return `named '${name}'`;
  const [inner, ...others] = jaxprsIn(eqn.params);
  if (inner === undefined || others.length > 0 || inner.outvars.length !== eqn.outputs.length)
    return `output of ${eqn.prim.name}`;
  const atom = inner.outvars[index];
  const made = inner.eqns.find((e) => e.outputs.some((v) => v === atom));
  return made === undefined
    ? `output of ${eqn.prim.name}`
    : producer(
        made,
        made.outputs.findIndex((v) => v === atom),
      );
}

/**
 * Print what `savedResiduals` gives, one line each, on the console.
 *
 * @throws TreeError when an argument or result is no array.
 * @example
 * printSavedResiduals((x: Value) => lax.sin(x), 1); // prints: f32[] output of cos
 */
export function printSavedResiduals<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...args: Inputs<A>
): void {
  // oxlint-disable-next-line no-console -- printing is what it is for
  for (const line of savedResiduals(f, ...args)) console.log(String(line));
}
