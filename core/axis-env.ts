/**
 * Named axes: which names are bound where a function is traced, and how many indices each axis has. Whoever maps a function over
 * an axis binds its name while the function runs (`vmap` with `axisName`); collectives in `lax/` refer to the name.
 */
import { UnboundAxisError } from './errors.ts';
import { jaxprsIn, type Jaxpr } from './jaxpr.ts';
import type { NamedAxis, Primitive } from './primitive.ts';

export type { NamedAxis } from './primitive.ts';

let bound: ReadonlyMap<string, number> = new Map();
let key = '';

/** Run `body` with these names bound; inner bindings hide outer ones, and what was bound before comes back also after an error. */
export function withAxes<T>(axes: readonly NamedAxis[], body: () => T): T {
  const [outer, outerKey] = [bound, key];
  bound = new Map([...outer, ...axes]);
  key = JSON.stringify([...bound]);
  try {
    return body();
  } finally {
    [bound, key] = [outer, outerKey];
  }
}

/** A string that is equal exactly where the same names are bound to axes of the same sizes; empty where there are none. */
export const axesKey = (): string => key;

/**
 * How many indices a named axis has.
 *
 * @throws UnboundAxisError when the name is not bound.
 */
export function boundAxisSize(op: string, name: string): number {
  const size = bound.get(name);
  if (size !== undefined) return size;
  const names = [...bound.keys()].map((n) => JSON.stringify(n)).join(', ');
  throw new UnboundAxisError(
    `${op}: a named axis must be bound; got unbound axis name ${JSON.stringify(name)}${names === '' ? '' : `, where ${names} can be used`}. ` +
      `Call it in a function that is mapped over the axis, as vmap(f, { axisName: ${JSON.stringify(name)} }) does.`,
  );
}

const namesOfJaxprs = new WeakMap<Jaxpr, ReadonlySet<string>>();

/** The named axes that the equations of a jaxpr refer to. */
export function axisNamesIn(jaxpr: Jaxpr): ReadonlySet<string> {
  let names = namesOfJaxprs.get(jaxpr);
  if (names === undefined) {
    names = new Set(jaxpr.eqns.flatMap(({ prim, params }) => axisNamesOf(prim, params)));
    namesOfJaxprs.set(jaxpr, names);
  }
  return names;
}

/** The named axes that an application of a primitive refers to, by itself or in the jaxprs among its params; not those it binds. */
export function axisNamesOf<P>(prim: Primitive<P>, params: P): readonly string[] {
  const own = prim.rules.axisNames?.(params);
  if (own !== undefined) return own;
  const names = jaxprsIn(params).flatMap((jaxpr) => [...axisNamesIn(jaxpr)]);
  const bound = new Map(prim.rules.boundAxes?.(params));
  return bound.size === 0 ? names : names.filter((name) => !bound.has(name));
}
