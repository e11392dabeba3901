/** Primitives: the open set of operations. A primitive is one record of rules; `lowering/rules.ts` adds how it lowers. */
import type { Aval } from './aval.ts';
import type { Effect } from './effects.ts';
import type { CellOwner } from './ref-cell.ts';
import type { Value } from './value.ts';

/** The parameters of a primitive that has none. */
export type None = Record<string, never>;

/** Marks an operand of a transpose rule that the outputs are linear in. */
export class LinearArg {
  readonly aval: Aval;
  constructor(aval: Aval) {
    this.aval = aval;
  }
}

/** Where the batch axis of an operand is; `null` when it has none. */
export type BatchDim = number | null;

/** The axis that a `vmap` maps over. */
export interface AxisData {
  readonly size: number;
  /** The name that collectives refer to it by. */
  readonly name: string | undefined;
  /** The axes of a device mesh that it is spread over, for rules of primitives that know about meshes. */
  readonly spmdName?: readonly string[] | undefined;
}

/** A name and how many indices its axis has. */
export type NamedAxis = readonly [name: string, size: number];

/** A tangent or cotangent; `null` is the symbolic zero. */
export type Tangent = Value | null;

/** Values and tangents of the outputs. */
export type JvpResult = readonly [out: readonly Value[], tangents: readonly Tangent[]];
/** Values and batch axes of the outputs. */
export type BatchResult = readonly [out: readonly Value[], dims: readonly BatchDim[]];

/** All that the built-in transformations need to know about a primitive. Rules run with the parent trace as current. */
export interface Rules<P> {
  /** Abstract values of the outputs. @throws ShapeError or DTypeError that names the argument. */
  abstractEval(avals: readonly Aval[], params: P): readonly Aval[];
  /**
   * Forward derivative. `'linear'`: linear in all operands together, so the tangents go through the same primitive.
   * `'zero'`: the outputs have no derivative.
   */
  jvp?:
    | 'linear'
    | 'zero'
    | ((primals: readonly Value[], tangents: readonly Tangent[], params: P) => JvpResult);
  /** Cotangents of the operands that are `LinearArg`; entries for the others are ignored (say `null`). */
  transpose?(
    cts: readonly Tangent[],
    args: readonly (Value | LinearArg)[],
    params: P,
  ): readonly Tangent[];
  /**
   * The primitive over one more axis. Called only when at least one operand is batched, or when the axis has a name that the
   * application refers to.
   */
  batch?(args: readonly Value[], dims: readonly BatchDim[], params: P, axis: AxisData): BatchResult;
  /**
   * Run on concrete arrays in another way than compiling a one-equation program (calls of functions). Undefined: compile it
   * after all.
   */
  evaluate?(args: readonly Value[], params: P): readonly Value[] | undefined;
  /**
   * For primitives that act on references: make the reference, or act on its contents, when it belongs to `owner`, which is
   * interpreting the application (undefined: concrete computing). Undefined: it belongs to somebody else.
   */
  onContents?(
    args: readonly Value[],
    params: P,
    owner: CellOwner | undefined,
  ): readonly Value[] | undefined;
  /** Replace functions in `params` by jaxprs when an equation is recorded; may prepend captured values as operands. */
  stage?(
    args: readonly Value[],
    params: P,
  ): { readonly args: readonly Value[]; readonly params: P };
  /** How many of the params to show in a printed jaxpr; all when left out. */
  printParams?(params: P, inputs: readonly Aval[]): Readonly<Record<string, unknown>>;
  /**
   * How an equation is printed, where that is not `outputs = name[params] inputs`. `isUsed`: somebody uses the outputs.
   * `bindsOutputs`: the outputs with their types stand in front of the text.
   */
  notation?(
    params: P,
    inputs: readonly { readonly text: string; readonly aval: Aval }[],
    isUsed: boolean,
  ): { readonly bindsOutputs: boolean; readonly text: string };
  /** Bind what a recorded program gets in place of this operation, and give the outputs; undefined: the operation is recorded. */
  inlined?(args: readonly Value[], params: P): readonly Value[] | undefined;
  /** A call whose jaxpr is printed with the names that its variables have outside. */
  readonly sharesNames?: boolean;
  /** The named axes that an application refers to; when left out, those of the jaxprs among its params. */
  axisNames?(params: P): readonly string[];
  /** What an equation does besides computing its outputs; it stays although nobody uses them. None when left out. */
  effects?(params: P): readonly Effect[];
  /** The named axes that an application binds in the jaxprs among its params. */
  boundAxes?(params: P): readonly NamedAxis[];
}

/** An operation: a name for people and a record of rules. Identity is the object; names are unique. */
export interface Primitive<P = unknown> {
  readonly name: string;
  readonly rules: Rules<P>;
  /** Apply the primitive: hands it to the current trace. */
  bind(args: readonly Value[], params: P): readonly Value[];
  /** `bind` for a primitive with one output. */
  bind1(args: readonly Value[], params: P): Value;
}
