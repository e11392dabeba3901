/** Define a primitive from one record: core keeps the language's rules, lowering keeps its own. */
import { makePrimitive, type Primitive, type Rules } from '../core/primitive.ts';
import { lowerRules, type LowerRule } from '../lowering/rules.ts';

/** Everything about a primitive: rules of the language and the lowering to StableHLO. */
export interface PrimitiveRecord<P> extends Rules<P> {
  readonly lower: LowerRule<P>;
}

/**
 * Define a primitive.
 *
 * @throws Error when the name is taken.
 */
export function definePrimitive<P>(name: string, { lower, ...rules }: PrimitiveRecord<P>): Primitive<P> {
  const prim = makePrimitive<P>(name, rules);
  // The registry door: the table holds rules of all parameter types.
  lowerRules.set(prim, (b, args, params, context) => lower(b, args, params as P, context));
  return prim;
}
