/**
 * Exported functions: a jitted function for one kind of arguments, as StableHLO with trees and types. It can be saved, loaded in another
 * process, and called by itself or inside other programs; its derivative can go along.
 */
import { Aval } from '../core/aval.ts';
import { heldDType } from '../core/dtype.ts';
import { ArgumentError, TreeError } from '../core/errors.ts';
import { keyOf } from '../core/key.ts';
import { checkOptions } from '../core/options.ts';
import { flatten, flattenWithPath, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { differences } from '../transforms/cache-misses.ts';
import { customVjp } from '../transforms/custom.ts';
import { lowerToModule } from '../transforms/executables.ts';
import { argumentPath, toValue } from '../transforms/flat-function.ts';
import { vjpFlat } from '../transforms/grad.ts';
import { jit, type Jitted } from '../transforms/jit.ts';
import { showStatic, type CallKind } from '../transforms/jit-arguments.ts';
import { ShapeDtypeStruct } from '../transforms/shape-struct.ts';
import type { Inputs, Output } from '../transforms/signature.ts';
import { hoistConsts } from '../transforms/stage.ts';
import type { Traced } from '../transforms/stages.ts';
import { instantiate, isDifferentiable } from '../transforms/zeros.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { callExportedP, ExportedProgram, type StaticValue } from './program.ts';
import { parsePrograms, printPrograms } from './text.ts';

/** Options of `serialize`. */
export interface SerializeOptions {
  /** How many derivatives go along: 0 (none), 1 for `grad` of the loaded function, 2 for `grad` of that, … */
  readonly vjpOrder?: number;
}

/** What can be exported: jitted functions. */
export interface Exportable<A extends readonly unknown[], R> {
  trace(...args: unknown[]): Traced<A, R>;
}

/** A function for one kind of arguments, as a program that stands for itself. */
export class Exported<A extends readonly unknown[] = unknown[], R = unknown> {
  readonly #program: ExportedProgram;
  readonly #derivative: (() => Exported) | undefined;
  readonly #call: Jitted<Value[], unknown>;
  #vjp: Exported | undefined;

  /** Made by `exportFunction` and `deserialize`; the arguments are an internal matter. */
  constructor(program: unknown, derivative: (() => Exported) | undefined) {
    this.#program = program as ExportedProgram;
    this.#derivative = derivative;
    this.#call = this.#callable();
  }

  /** Name of the function. */
  get funName(): string {
    return this.#program.name;
  }

  /** Structure of the list of arguments. */
  get inTree(): TreeDef {
    return this.#program.inTree;
  }

  /** Types of the arguments' arrays, in the order of the leaves; static ones are left out. */
  get inAvals(): readonly ShapeDtypeStruct[] {
    return this.#program.inAvals.map(typeStruct);
  }

  /** Structure of the result. */
  get outTree(): TreeDef {
    return this.#program.outTree;
  }

  /** Types of the results' arrays. */
  get outAvals(): readonly ShapeDtypeStruct[] {
    return this.#program.outAvals.map(typeStruct);
  }

  /** Which of `inAvals` the module takes; it takes none that no result needs. */
  get moduleKeptVarIdx(): readonly number[] {
    return this.#program.kept;
  }

  /** The StableHLO module as text; XLA runs it too. */
  mlirModule(): string {
    return this.#program.module.toString();
  }

  /** Whether the derivative is known: always where the function was exported, and as `vjpOrder` said where it was loaded. */
  hasVjp(): boolean {
    return this.#derivative !== undefined;
  }

  /**
   * The reverse derivative as an exported function: `(args, cotangents) → cotangents of args`, lists of arrays in the order of
   * `inAvals` and `outAvals`, without those whose type has no derivative on the side of the cotangents.
   *
   * @throws ArgumentError when it was not exported along; whatever differentiation throws.
   */
  vjp(): Exported {
    if (this.#derivative === undefined)
      throw new ArgumentError(
        `export: the derivative of ${this.funName} must be exported along; got a program without it. Serialize it with { vjpOrder: 1 }, or more for higher derivatives.`,
      );
    return (this.#vjp ??= this.#derivative());
  }

  /**
   * Run the program, by itself or inside another one. Reverse differentiation uses `vjp()`.
   *
   * @throws ArgumentError when the arguments are others than the program was exported for, with each difference; TreeError when
   * one of them is no array.
   */
  call(...args: Inputs<A>): Output<R> {
    const values = this.#check(args);
    return unflatten(this.outTree, this.#call(...values) as Value[]) as Output<R>;
  }

  /**
   * The program as bytes: UTF-8 text with a version and a checksum. `deserialize` takes the bytes or their text.
   *
   * @throws ArgumentError when trees or static values cannot be saved, or a derivative is not known.
   */
  serialize(options: SerializeOptions = {}): Uint8Array {
    checkOptions('serialize', options, ['vjpOrder']);
    const { vjpOrder = 0 } = options;
    if (!Number.isInteger(vjpOrder) || vjpOrder < 0)
      throw new ArgumentError(
        `serialize: vjpOrder must be a natural number; got ${vjpOrder}. Pass 0, 1, 2, …`,
      );
    const programs = [this.#program];
    let last: Exported | undefined;
    for (let i = 0; i < vjpOrder; i++) {
      last = last === undefined ? this.vjp() : last.vjp();
      programs.push(last.#program);
    }
    return new TextEncoder().encode(printPrograms(programs));
  }

  toString(): string {
    const types = (avals: readonly Aval[]): string => avals.map((a) => a.toString()).join(', ');
    const { inAvals, outAvals } = this.#program;
    return `Exported(${this.funName}: (${types(inAvals)}) → (${types(outAvals)}))`;
  }

  /** The arrays of a call, after comparing it with the one that was exported. */
  #check(args: readonly unknown[]): Value[] {
    const { inTree, leaves, name } = this.#program;
    const given = flatten(args);
    const isSame = given.treedef.equals(inTree);
    const values: Value[] = [];
    const kinds = given.leaves.map((leaf, i) => {
      if (!isSame || isStatic(leaves[i])) return staticLeaf(leaf);
      const value = toValue('call', leaf, () => argumentPath(args, i));
      values.push(value);
      return value.aval;
    });
    const wanted: CallKind = {
      treedef: inTree,
      leaves: leaves.map((x) => (isStatic(x) ? staticLeaf(x.value) : x)),
      config: '',
      axes: '',
    };
    const found = differences(
      { treedef: given.treedef, leaves: kinds, config: '', axes: '' },
      wanted,
      {
        weakTypes: false,
      },
    );
    if (found.length > 0)
      throw new ArgumentError(
        `call: the arguments must be those that ${name} was exported for; got ${found.join('; ')}. Convert them, or export the function for these.`,
      );
    return values;
  }

  /** The primitive with its derivative, as a jitted function of the arrays. */
  #callable(): Jitted<Value[], unknown> {
    const program = this.#program;
    const { outAvals, inAvals, name } = program;
    const run = customVjp((...xs: Value[]) => callExportedP.bind(xs, { program }));
    run.defvjp(
      (...xs: Value[]) => [run(...xs), xs],
      (xs: Value[], cts: Value[]) => {
        const given = cts.filter((_, i) => isDifferentiable(outAvals[i]));
        const found = this.vjp().call(xs, given) as Value[];
        let next = 0;
        return inAvals.map((aval) => (isDifferentiable(aval) ? found[next++] : null));
      },
    );
    return jit((...xs: Value[]) => run(...xs), { name });
  }
}

const typeStruct = (aval: Aval): ShapeDtypeStruct => ShapeDtypeStruct.of(aval);
const isStatic = (x: Aval | StaticValue): x is StaticValue => !(x instanceof Aval);
const staticLeaf = (value: unknown): CallKind['leaves'][number] => ({
  key: keyOf(value),
  text: showStatic(value),
});

/**
 * Trace a jitted function for arguments, or types of arguments, and make a program of it that can be saved. Captured arrays become
 * constants of the program.
 *
 * @throws ArgumentError when the function is not jitted; DeviceError when captured arrays are on a GPU, whose memory cannot be read
 * at once; whatever tracing and lowering throw.
 * @example
 * import { deserialize } from 'palladia/export';
 * const exported = exportFunction(jit((x) => ({ y: np.sin(x) })))(shapeDtypeStruct([3]));
 * const bytes = exported.serialize({ vjpOrder: 1 });
 * const f = deserialize(bytes);
 * String(f.call(np.zeros([3])).y); // → [0. 0. 0.]
 * String(grad((x) => f.call(x).y.sum())(np.zeros([3]))); // → [1. 1. 1.]
 */
export function exportFunction<A extends readonly unknown[], R>(
  jitted: Exportable<A, R>,
): (...args: unknown[]) => Exported<A, R> {
  if (typeof (jitted as Partial<Exportable<A, R>> | undefined)?.trace !== 'function')
    throw new ArgumentError(
      `exportFunction: the function must be jitted; got ${typeof jitted === 'function' ? 'a function that is not' : typeof jitted}. Pass jit(f).`,
    );
  return (...args) => exportTraced(jitted.trace(...args));
}

function exportTraced<A extends readonly unknown[], R>(traced: Traced<A, R>): Exported<A, R> {
  const { jaxpr, consts } = hoistConsts(traced.jaxpr);
  const ref = jaxpr.inAvals.find((aval) => aval.isRef);
  if (ref !== undefined)
    throw new ArgumentError(
      `exportFunction: a program that leaves the process cannot hold refs; got ${ref.toString()} among its arguments, or captured. Pass the value, and return the new one.`,
    );
  const { leaves, treedef } = flatten(traced.argsInfo);
  const outs = flattenWithPath(traced.outInfo);
  const { module, kept } = lowerToModule(`jit_${traced.name}`, jaxpr, {
    constants: consts.map((x) => constant(x)),
    resultInfo: outs.map(([path]) => `result${path}`),
  });
  const program = new ExportedProgram({
    name: traced.name,
    inTree: treedef,
    leaves: leaves.map((x) => (x instanceof ShapeDtypeStruct ? x.aval : { value: x })),
    outTree: flatten(traced.outInfo).treedef,
    outAvals: jaxpr.outAvals,
    kept: kept.map((i) => i - consts.length),
    module,
  });
  return new Exported(program, () => exportVjp(program, (xs) => evalJaxpr(traced.jaxpr, xs)));
}

/** A captured array as a constant of a module. */
function constant(x: Value): (b: HloBuilder) => HloValue {
  const values = x.dataSync();
  return (b) => b.constantArray(values, heldDType(x.dtype), x.shape);
}

/** The reverse derivative of a program that computes `fun`. */
function exportVjp(
  { name, inAvals, outAvals }: ExportedProgram,
  fun: (xs: readonly Value[]) => readonly Value[],
): Exported {
  const derivative = jit(
    (xs: Value[], cts: Value[]) => {
      const { pullback } = vjpFlat(fun, xs);
      let next = 0;
      const found = pullback(outAvals.map((a) => (isDifferentiable(a) ? cts[next++] : null)));
      return found.flatMap((ct, i) =>
        isDifferentiable(inAvals[i]) ? [instantiate(ct, inAvals[i])] : [],
      );
    },
    { name: `${name}_vjp` },
  );
  const types = (avals: readonly Aval[]): ShapeDtypeStruct[] => avals.map(typeStruct);
  return exportFunction(derivative)(types(inAvals), types(outAvals.filter(isDifferentiable)));
}

/**
 * Load a program that `serialize` saved. The caller says the types of its arguments and result; calls check them.
 *
 * @throws ParseError when the data are no exported program, damaged, or written by a newer version; TreeError for bytes that are no
 * text.
 * @example
 * import { exportFunction } from 'palladia/export';
 * const bytes = exportFunction(jit((x) => lax.mul(x, 2)))(1).serialize();
 * String(deserialize(bytes).call(4)); // → 8.0
 */
export function deserialize<A extends readonly unknown[] = unknown[], R = unknown>(
  data: Uint8Array | string,
): Exported<A, R> {
  const programs = parsePrograms(typeof data === 'string' ? data : decode(data));
  const load = (i: number): Exported<A, R> =>
    new Exported(programs[i], i + 1 < programs.length ? () => load(i + 1) as Exported : undefined);
  return load(0);
}

function decode(data: Uint8Array): string {
  if (!(data instanceof Uint8Array))
    throw new TreeError(
      `deserialize: the data must be bytes or text; got ${typeof data}. Pass what serialize() gave.`,
    );
  return new TextDecoder().decode(data);
}
