/** The table of lowering rules: one per primitive, set by `definePrimitive` of `lax/define.ts`. */
import type { Aval } from '../core/aval.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import type { Mesh, PartitionSpec } from '../core/mesh.ts';
import { RuleTable } from '../core/rule-table.ts';
import type { HloBuilder } from './hlo/build.ts';
import type { HloValue, TensorType } from './hlo/ir.ts';

/** The named axes along which the devices lie that run a program together. */
export interface DeviceAxes {
  has(name: string): boolean;
  /**
   * Devices that differ along these axes alone, the last one fastest; with `within`, those among them whose indices stand in one list.
   */
  groups(
    names: readonly string[],
    within?: readonly (readonly number[])[],
  ): readonly (readonly number[])[];
  /** The index of the device along an axis, a rank-0 i32. */
  index(b: HloBuilder, name: string): HloValue;
}

/** A function of one device, on blocks. */
export interface PerDeviceBody {
  readonly mesh: Mesh;
  /** The axes of the mesh that the function names; along the others all devices do the same. */
  readonly axisNames: readonly string[];
  readonly jaxpr: Jaxpr;
  readonly inSpecs: readonly PartitionSpec[];
  readonly outSpecs: readonly PartitionSpec[];
}

/** What a rule can ask of the pass that runs it. */
export interface LowerContext {
  /** Abstract values of the operands. */
  readonly avalsIn: readonly Aval[];
  /** Abstract values of the results. */
  readonly avalsOut: readonly Aval[];
  /** In the program of each device of a mesh: how it is spread; undefined elsewhere. */
  readonly devices: DeviceAxes | undefined;
  /** Lower a function over a mesh into a program of each device; undefined where programs run on one device, and inside such a program. */
  readonly perDevice: ((body: PerDeviceBody, args: readonly HloValue[]) => HloValue[]) | undefined;
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
