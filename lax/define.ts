/** Define a primitive from one record: core keeps the language's rules, lowering keeps its own. */
import { dtypeInfo, type DType } from '../core/dtype.ts';
import { makePrimitive } from '../core/make-primitive.ts';
import type { None, Primitive, Rules } from '../core/primitive.ts';
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
export function definePrimitive<P>(
  name: string,
  { lower, ...rules }: PrimitiveRecord<P>,
): Primitive<P> {
  const prim = makePrimitive<P>(name, rules);
  // The registry door: the table holds rules of all parameter types.
  lowerRules.set(prim, (b, args, params, context) => lower(b, args, params as P, context));
  return prim;
}

/** The parameters of a primitive that has none. */
export const none: None = {};

/** A tuple as JAX prints it in a jaxpr: `(0, 1)`, `(0,)`, `()`. */
export const tupleText = (items: readonly (number | string)[]): string =>
  `(${items.join(', ')}${items.length === 1 ? ',' : ''})`;

/** A list as JAX prints it in a jaxpr: `[0, 1]`. */
export const listText = (items: readonly number[]): string => `[${items.join(', ')}]`;

/** A dtype as JAX prints it in a jaxpr (`float32`), or `None`. */
export const dtypeText = (dtype: DType | undefined): string =>
  dtype === undefined ? 'None' : dtypeInfo[dtype].longName;

/** A flag as JAX prints it in a jaxpr. */
export const flagText = (flag: boolean): string => (flag ? 'True' : 'False');
