/** Exported programs as values: their types, trees and StableHLO module, and the primitive that calls them. */
import type { Aval } from '../core/aval.ts';
import { InternalError } from '../core/errors.ts';
import type { Keyed } from '../core/key.ts';
import type { Primitive } from '../core/primitive.ts';
import type { TreeDef } from '../core/tree.ts';
import { inlineProgram, runInTurn } from '../hlo/load.ts';
import { definePrimitive } from '../lax/define.ts';
import type { HloFunction, HloModule } from '../lowering/hlo/ir.ts';

/** A static leaf of the arguments. */
export interface StaticValue {
  readonly value: unknown;
}

/** Everything that is saved of a program. */
export interface ProgramParts {
  readonly name: string;
  readonly inTree: TreeDef;
  /** Per leaf of the arguments: its type, or its value when it is static. */
  readonly leaves: readonly (Aval | StaticValue)[];
  readonly outTree: TreeDef;
  readonly outAvals: readonly Aval[];
  /** Which of the traced arguments the module takes, in order. */
  readonly kept: readonly number[];
  /** Its first function is the entry. */
  readonly module: HloModule;
}

/** A program; two of them are the same when their text and types are. */
export class ExportedProgram implements ProgramParts, Keyed {
  readonly name: string;
  readonly inTree: TreeDef;
  readonly leaves: readonly (Aval | StaticValue)[];
  readonly outTree: TreeDef;
  readonly outAvals: readonly Aval[];
  readonly kept: readonly number[];
  readonly module: HloModule;
  #key: string | undefined;

  constructor(parts: ProgramParts) {
    this.name = parts.name;
    this.inTree = parts.inTree;
    this.leaves = parts.leaves;
    this.outTree = parts.outTree;
    this.outAvals = parts.outAvals;
    this.kept = parts.kept;
    this.module = parts.module;
  }

  /** Types of the traced arguments. */
  get inAvals(): readonly Aval[] {
    return this.leaves.filter((x): x is Aval => !('value' in x));
  }

  /** The entry function. */
  get entry(): HloFunction {
    const [entry] = this.module.functions;
    if (entry === undefined) throw new InternalError('export: a module without functions.');
    return entry;
  }

  structuralKey(): string {
    this.#key ??= `exported ${this.kept.join()} ${this.outAvals.map((a) => a.key).join()}\n${this.module.toString()}`;
    return this.#key;
  }

  /** For printed jaxprs. */
  toString(): string {
    return `@${this.name}`;
  }
}

/** Parameters of `call_exported`. */
export interface CallExportedParams {
  readonly program: ExportedProgram;
}

/** `call_exported`: run an exported program on the leaves of its arguments. */
export const callExportedP: Primitive<CallExportedParams> = definePrimitive<CallExportedParams>(
  'call_exported',
  {
    abstractEval: (_, { program }) => program.outAvals,
    lower: (b, args, { program }, context) =>
      inlineProgram(
        b,
        program,
        program.kept.map((i) => args[i]),
        context,
      ),
    batch: (args, dims, params) => runInTurn((xs) => callExportedP.bind(xs, params), args, dims),
    printParams: ({ program }) => ({ program: program.toString() }),
  },
);
