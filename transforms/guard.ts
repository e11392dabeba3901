/**
 * Programs that stand for some lanes of a batch: the same program with one more operand, a condition, without which its guarded
 * effects do not happen. `vmap` runs a branch on all lanes when the lanes go different ways; a lane that goes another way
 * computes there for nothing, and its checks must not be heard.
 */
import { Aval } from '../core/aval.ts';
import { axesKey } from '../core/axis-env.ts';
import { MissingRuleError } from '../core/errors.ts';
import { effectsOf, type Jaxpr } from '../core/jaxpr.ts';
import type { Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import { atFrame, inScope } from '../core/source.ts';
import type { Value } from '../core/value.ts';
import { bindAgain, Environment } from './jaxpr-eval.ts';
import { JaxprCache } from './jaxpr-cache.ts';
import { traceClosed, type Closed } from './stage.ts';

/** A rule: the operation, with its effects where `on` (a rank-0 bool) holds. Its results do not depend on `on`. */
type GuardRule<P> = (on: Value, args: readonly Value[], params: P) => readonly Value[];

const rules: RuleTable<GuardRule<unknown>> = new RuleTable('guard');

/** Define what a primitive with guarded effects does under a condition. */
export function defineGuard<P>(prim: Primitive<P>, rule: GuardRule<P>): void {
  // The registry door: the table holds rules of all parameter types.
  rules.set(prim, (on, args, params) => rule(on, args, params as P));
}

/** Define it for a call of one program. */
export function defineCallGuard<P extends { readonly jaxpr: Jaxpr }>(prim: Primitive<P>): void {
  defineGuard(prim, (on, args, params) => {
    const { jaxpr, consts } = guardJaxpr(params.jaxpr);
    return prim.bind([...consts, on, ...args], { ...params, jaxpr });
  });
}

const cache = new JaxprCache<Closed>();
const condition = new Aval([], 'bool');

/**
 * The program with a condition: captured values, a rank-0 bool, inputs → outputs.
 *
 * @throws MissingRuleError when an equation with guarded effects has no rule.
 */
export const guardJaxpr = (jaxpr: Jaxpr): Closed =>
  cache.get(jaxpr, axesKey(), () =>
    traceClosed(([on, ...args]) => runGuarded(jaxpr, on, args), [condition, ...jaxpr.inAvals]),
  );

/** Whether a program has effects that a condition can hold back. */
export const hasGuarded = ({ effects }: Jaxpr): boolean => effects.some(({ guarded }) => guarded);

function runGuarded(jaxpr: Jaxpr, on: Value, args: readonly Value[]): Value[] {
  const env = new Environment();
  env.set(jaxpr.invars, args);
  for (const eqn of jaxpr.eqns) {
    const { prim, params, frame, scope, outputs } = eqn;
    const inputs = eqn.inputs.map((a) => env.get(a));
    if (!effectsOf(eqn).some(({ guarded }) => guarded)) {
      env.set(outputs, bindAgain(eqn, inputs));
      continue;
    }
    const rule = rules.find(prim);
    if (rule === undefined)
      throw new MissingRuleError(
        prim.name,
        'guard',
        'Under vmap, a branch or loop that differs from lane to lane cannot have a check in there: move the check out of it, or put vmap outside of checkify.',
      );
    env.set(
      outputs,
      atFrame(frame, () => inScope(scope ?? '', () => rule(on, inputs, params))),
    );
  }
  return jaxpr.outvars.map((a) => env.get(a));
}
