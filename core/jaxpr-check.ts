/** Checks jaxprs: every variable bound once and before its use, every result of the type that its primitive's rule gives. */
import type { Aval } from './aval.ts';
import { sameType } from './aval.ts';
import { withAxes, type NamedAxis } from './axis-env.ts';
import { InternalError } from './errors.ts';
import { jaxprsIn, Literal, type Atom, type Eqn, type Jaxpr, type Var } from './jaxpr.ts';

/**
 * Check a jaxpr and all jaxprs inside its params.
 *
 * @throws InternalError naming the equation and the rule that it breaks; it holds the printed program.
 */
export function checkJaxpr(jaxpr: Jaxpr): void {
  const queue: Pending[] = [{ jaxpr, axes: [] }];
  const seen = new Set([jaxpr]);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { jaxpr: current, axes } = next;
    withAxes(axes, () => checkOne(current));
    for (const { prim, params } of current.eqns)
      for (const sub of jaxprsIn(params)) {
        if (seen.has(sub)) continue;
        seen.add(sub);
        queue.push({ jaxpr: sub, axes: [...axes, ...(prim.rules.boundAxes?.(params) ?? [])] });
      }
  }
}

/** A jaxpr that waits for its check, and the names that the equations around it bind. */
interface Pending {
  readonly jaxpr: Jaxpr;
  readonly axes: readonly NamedAxis[];
}

function checkOne(jaxpr: Jaxpr): void {
  const bound = new Set<Var>();
  const fail = (rule: string, facts: string): never => {
    throw new InternalError(`jaxpr: ${rule}; got ${facts} in\n${jaxpr.toString()}\n`);
  };
  const bind = (v: Var): void => {
    if (bound.has(v))
      fail('a variable must be bound once', `a second binding of ${v.aval.toString()}`);
    bound.add(v);
  };
  const use = (x: Atom, where: string): void => {
    if (x instanceof Literal ? x.aval.ndim !== 0 : !bound.has(x))
      fail(
        'operands must be bound variables or rank-0 literals',
        `${x.aval.toString()} as an operand of ${where}`,
      );
  };
  if (jaxpr.constvars.length !== jaxpr.consts.length)
    fail(
      'every constant variable must have a value',
      `${jaxpr.constvars.length} variables and ${jaxpr.consts.length} values`,
    );
  jaxpr.constvars.forEach((v, i) => {
    bind(v);
    if (!sameType(v.aval, jaxpr.consts[i].aval))
      fail(
        'constants must have the types of their variables',
        `${jaxpr.consts[i].aval.toString()} for ${v.aval.toString()}`,
      );
  });
  jaxpr.invars.forEach(bind);
  for (const eqn of jaxpr.eqns) {
    for (const x of eqn.inputs) use(x, eqn.prim.name);
    checkTypes(eqn, fail);
    eqn.outputs.forEach(bind);
  }
  for (const x of jaxpr.outvars) use(x, 'the result');
}

function checkTypes(eqn: Eqn, fail: (rule: string, facts: string) => never): void {
  const show = (avals: readonly Aval[]): string => avals.map((a) => a.toString()).join(', ');
  const wanted = eqn.prim.rules.abstractEval(
    eqn.inputs.map((x) => x.aval),
    eqn.params,
  );
  const have = eqn.outputs.map((v) => v.aval);
  if (wanted.length !== have.length || !wanted.every((aval, i) => sameType(aval, have[i])))
    fail(
      `the results of ${eqn.prim.name} must have the types of its rule, ${show(wanted)}`,
      show(have),
    );
}
