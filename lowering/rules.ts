/** The table of lowering rules: one per primitive, set by `definePrimitive` of `lax/define.ts`. */
import type { Aval } from '../core/aval.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { NamedSharding } from '../core/mesh.ts';
import { RuleTable } from '../core/rule-table.ts';
import type { HloBuilder } from './hlo/build.ts';
import type { HloValue, TensorType } from './hlo/ir.ts';

/** What a rule can ask of the pass that runs it. */
export interface LowerContext {
  /** Abstract values of the operands. */
  readonly avalsIn: readonly Aval[];
  /** Abstract values of the results. */
  readonly avalsOut: readonly Aval[];
  /** Say for XLA's partitioner how a value lies over a mesh; the value itself where the program is not partitioned. */
  constrain(x: HloValue, sharding: NamedSharding): HloValue;
  /** Lower a jaxpr into the builder's current block. */
  inline(jaxpr: Jaxpr, args: readonly HloValue[]): HloValue[];
  /** Lower a jaxpr into a function of the module (one per distinct jaxpr) and call it. */
  call(name: string, jaxpr: Jaxpr, args: readonly HloValue[]): HloValue[];
  /** Lower a jaxpr into a function of the module and give its symbol, for composites. */
  define(name: string, jaxpr: Jaxpr): string;
  /** Add a function with a body of its own to the module and give its symbol, for decompositions that no jaxpr describes. */
  defineBody(
    name: string,
    argTypes: readonly TensorType[],
    body: (b: HloBuilder, args: readonly HloValue[]) => readonly HloValue[],
  ): string;
}

/** Emit StableHLO for one equation. */
export type LowerRule<P = unknown> = (
  b: HloBuilder,
  args: readonly HloValue[],
  params: P,
  context: LowerContext,
) => readonly HloValue[];

/** Lowering rules by primitive. */
export const lowerRules: RuleTable<LowerRule> = new RuleTable('lower');
