/**
 * Reverse mode: running a linear program backwards. Equations of residuals alone are evaluated forwards first; then every
 * linear equation, last to first, turns cotangents of its outputs into cotangents of its linear operands.
 */
import { MissingRuleError } from '../core/errors.ts';
import { Literal, type Eqn, type Jaxpr, type Var } from '../core/jaxpr.ts';
import { LinearArg, type Tangent } from '../core/primitive.ts';
import { atFrame, inScope } from '../core/source.ts';
import type { Value } from '../core/value.ts';
import { bindAgain, Environment } from './jaxpr-eval.ts';
import { JaxprCache, maskKey, where, whereNot } from './jaxpr-cache.ts';
import { spread } from './jvp.ts';
import { traceClosed, type Closed } from './stage.ts';
import { addTangents, instantiate } from './zeros.ts';

/**
 * Pull cotangents of the outputs back to the inputs that are `LinearArg`. Gives one entry per input: a cotangent, or the
 * symbolic zero (always for inputs that are values).
 *
 * @throws MissingRuleError when a linear equation has no transpose rule.
 */
export function backwardPass(
  jaxpr: Jaxpr,
  args: readonly (Value | LinearArg)[],
  cotangents: readonly Tangent[],
): Tangent[] {
  const env = new Environment();
  env.set(jaxpr.constvars, jaxpr.consts);
  jaxpr.invars.forEach((v, i) => {
    const arg = args[i];
    if (!(arg instanceof LinearArg)) env.set([v], [arg]);
  });
  const linear = forwardResiduals(jaxpr, env);
  const sums = new Cotangents();
  jaxpr.outvars.forEach((atom, i) => {
    if (!(atom instanceof Literal) && env.find(atom) === undefined) sums.add(atom, cotangents[i]);
  });
  for (let i = linear.length - 1; i >= 0; i--) transposeEqn(linear[i], env, sums);
  return jaxpr.invars.map((v, i) => (args[i] instanceof LinearArg ? sums.get(v) : null));
}

/** Evaluate what does not depend on linear inputs; give the other equations. */
function forwardResiduals(jaxpr: Jaxpr, env: Environment): Eqn[] {
  const linear: Eqn[] = [];
  for (const eqn of jaxpr.eqns) {
    const inputs = eqn.inputs.map((a) => env.find(a));
    if (inputs.every((x) => x !== undefined)) env.set(eqn.outputs, bindAgain(eqn, inputs));
    else linear.push(eqn);
  }
  return linear;
}

function transposeEqn(eqn: Eqn, env: Environment, sums: Cotangents): void {
  const cts = eqn.outputs.map((v) => sums.take(v));
  if (cts.every((ct) => ct === null)) return;
  const rule = eqn.prim.rules.transpose;
  if (rule === undefined) throw new MissingRuleError(eqn.prim.name, 'transpose');
  const args = eqn.inputs.map((a) => env.find(a) ?? new LinearArg(a.aval));
  const out = atFrame(eqn.frame, () => inScope(eqn.scope ?? '', () => rule(cts, args, eqn.params)));
  eqn.inputs.forEach((atom, i) => {
    if (args[i] instanceof LinearArg && !(atom instanceof Literal)) sums.add(atom, out[i] ?? null);
  });
}

/** Sums of cotangents by variable. */
class Cotangents {
  readonly #sums = new Map<Var, Value>();

  add(variable: Var, ct: Tangent): void {
    const sum = addTangents(this.#sums.get(variable) ?? null, ct);
    if (sum !== null) this.#sums.set(variable, sum);
  }

  get(variable: Var): Tangent {
    return this.#sums.get(variable) ?? null;
  }

  /** The sum, which nobody needs again. */
  take(variable: Var): Tangent {
    const sum = this.get(variable);
    this.#sums.delete(variable);
    return sum;
  }
}

/** The transpose of a jaxpr: captured values, non-linear inputs, nonzero cotangents → cotangents of linear inputs that have one. */
export interface TransposedJaxpr extends Closed {
  /** Which of the linear inputs get a cotangent. */
  readonly nonzeroOut: readonly boolean[];
}

const cache = new JaxprCache<TransposedJaxpr>();

/**
 * Transpose a jaxpr that is linear in the inputs in `linearIn`. `nonzeroCts` says which outputs have a cotangent;
 * with `instantiateOut` every linear input gets one, zeros if need be.
 */
export function transposeJaxpr(
  jaxpr: Jaxpr,
  linearIn: readonly boolean[],
  nonzeroCts: readonly boolean[],
  instantiateOut = false,
): TransposedJaxpr {
  const key = `${maskKey(linearIn)} ${maskKey(nonzeroCts)} ${instantiateOut}`;
  return cache.get(jaxpr, key, () => {
    const fixed = whereNot(jaxpr.inAvals, linearIn);
    let nonzeroOut: boolean[] = [];
    const closed = traceClosed(
      (xs) => {
        let next = 0;
        const args = jaxpr.inAvals.map((aval, i) =>
          linearIn[i] ? new LinearArg(aval) : xs[next++],
        );
        const cts = where(
          backwardPass(jaxpr, args, spread(nonzeroCts, xs.slice(fixed.length))),
          linearIn,
        );
        const avals = where(jaxpr.inAvals, linearIn);
        const filled = instantiateOut ? cts.map((ct, i) => instantiate(ct, avals[i])) : cts;
        nonzeroOut = filled.map((ct) => ct !== null);
        return filled.filter((ct) => ct !== null);
      },
      [...fixed, ...where(jaxpr.outAvals, nonzeroCts)],
    );
    return { ...closed, nonzeroOut };
  });
}
