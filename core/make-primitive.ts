/** Makes primitives: gives a record of rules its name and its `bind`, which hands every application to the current trace. */
import { ArgumentError } from './errors.ts';
import type { Primitive, Rules } from './primitive.ts';
import { currentTrace } from './trace.ts';

const registry = new Map<string, unknown>();

/** Make a primitive from its name and rules. Libraries use `definePrimitive` of `lax/define.ts`, which adds lowering. */
export function makePrimitive<P>(name: string, rules: Rules<P>): Primitive<P> {
  if (registry.has(name))
    throw new ArgumentError(
      `definePrimitive: names must be unique; got "${name}" twice. Choose another name.`,
    );
  const prim: Primitive<P> = {
    name,
    rules,
    bind: (args, params) => currentTrace().process(prim, args, params),
    bind1: (args, params) => currentTrace().process(prim, args, params)[0],
  };
  registry.set(name, prim);
  return prim;
}

/** Every primitive made so far, by name. */
export const allPrimitives = (): readonly Primitive[] => [...registry.values()] as Primitive[];
