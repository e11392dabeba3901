/**
 * StableHLO text as a function: a program that was exported elsewhere (Python JAX, for example) runs by itself or inside a jitted
 * function, where its ops are inlined and fused with the rest. Loaded programs have no derivative; `vmap` runs them in a loop, because
 * their shapes are those of the text.
 */
import { Aval } from '../core/aval.ts';
import { ArgumentError, LoweringError, ShapeError } from '../core/errors.ts';
import type { Keyed } from '../core/key.ts';
import type { BatchDim, BatchResult, Primitive } from '../core/primitive.ts';
import { sameShape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import { map } from '../control/map.ts';
import { definePrimitive } from '../lax/define.ts';
import { moveAxis } from '../lax/structure.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloFunction, HloModule, HloOp, HloValue, Region } from '../lowering/hlo/ir.ts';
import { checkOneDevice } from '../lowering/hlo/one-device.ts';
import { parseModule } from '../lowering/hlo/parse.ts';
import { verifyModule } from '../lowering/hlo/verify.ts';
import type { LowerContext } from '../lowering/rules.ts';
import { toValue } from '../transforms/flat-function.ts';
import { merge, whereNot } from '../transforms/jaxpr-cache.ts';
import { ShapeDtypeStruct } from '../transforms/shape-struct.ts';

/** A module and its entry; two of them are the same program when their text is the same. */
class LoadedProgram implements Keyed {
  readonly module: HloModule;
  readonly entry: HloFunction;
  readonly inputs: readonly Aval[];
  readonly outputs: readonly Aval[];
  readonly #key: string;

  constructor(module: HloModule, entry: HloFunction) {
    const avals = (values: readonly HloValue[]): Aval[] =>
      values.map(({ type }) => new Aval(type.shape, type.dtype));
    this.module = module;
    this.entry = entry;
    this.inputs = avals(entry.body.args);
    this.outputs = avals(entry.body.results);
    this.#key = `hlo ${entry.name}\n${module.toString()}`;
  }

  structuralKey(): string {
    return this.#key;
  }

  /** For printed jaxprs. */
  toString(): string {
    return `@${this.module.name}`;
  }
}

/** Parameters of `call_hlo`. */
export interface CallHloParams {
  readonly program: LoadedProgram;
}

/** `call_hlo`: run a loaded program. Operands and results are those of its entry function. */
export const callHloP: Primitive<CallHloParams> = definePrimitive<CallHloParams>('call_hlo', {
  abstractEval(avals, { program }) {
    const isFit =
      avals.length === program.inputs.length &&
      avals.every(
        (a, i) =>
          a.dtype === program.inputs[i].dtype && sameShape(a.shape, program.inputs[i].shape),
      );
    if (!isFit)
      throw new ShapeError(
        `load: the arguments must have the types of @${program.entry.name}'s (${show(program.inputs)}); got (${show(avals)}). Convert with x.astype(…) and np.reshape.`,
      );
    return program.outputs;
  },
  lower: (b, args, { program }, context) => inlineProgram(b, program, args, context),
  batch: (args, dims, params) => runInTurn((xs) => callHloP.bind(xs, params), args, dims),
  printParams: ({ program }) => ({ program: program.toString() }),
});

const show = (avals: readonly Aval[]): string => avals.map((a) => a.toString()).join(', ');

/** Copies a program into the block of a builder; functions that it calls become functions of the builder's module. */
class Inliner {
  readonly #functions: ReadonlyMap<string, HloFunction>;
  readonly #context: LowerContext;
  readonly #symbols = new Map<string, string>();
  readonly #open = new Set<string>();

  constructor(module: HloModule, context: LowerContext) {
    this.#functions = new Map(module.functions.map((f) => [f.name, f]));
    this.#context = context;
  }

  /** Copy the ops of a region and give its results. Values of blocks around it are found through `outer`. */
  region(
    b: HloBuilder,
    region: Region,
    args: readonly HloValue[],
    outer?: (value: HloValue) => HloValue,
  ): HloValue[] {
    const env = new Map<HloValue, HloValue>(region.args.map((a, i) => [a, args[i]]));
    const get = (value: HloValue): HloValue => env.get(value) ?? outer?.(value) ?? value;
    for (const op of region.ops) {
      const results = this.#op(b, op, get);
      op.results.forEach((r, i) => env.set(r, results[i]));
    }
    return region.results.map(get);
  }

  #op(b: HloBuilder, op: HloOp, get: (value: HloValue) => HloValue): HloValue[] {
    const regions = op.regions.map((inner) =>
      b.region(
        inner.args.map((a) => a.type),
        (...args) => this.region(b, inner, args, get),
      ),
    );
    const types = op.results.map((r) => r.type);
    const operands = op.operands.map(get);
    if (op.kind === 'call')
      return b.emit('call', operands, { attrs: { callee: this.#symbol(op.attrs.callee) } }, types);
    if (op.kind === 'composite') {
      const attrs = { ...op.attrs, decomposition: this.#symbol(op.attrs.decomposition) };
      return b.emit('composite', operands, { attrs, regions }, types);
    }
    return b.emit(op.kind, operands, { attrs: op.attrs, regions }, types);
  }

  /** The name that a function of the program has in the builder's module. */
  #symbol(name: string): string {
    const known = this.#symbols.get(name);
    if (known !== undefined) return known;
    const fn = this.#functions.get(name);
    if (fn === undefined || this.#open.has(name))
      throw new LoweringError(
        `load: functions must be defined in the module and must not call themselves; got @${name}. Check the program with verify.`,
      );
    this.#open.add(name);
    const symbol = this.#context.defineBody(
      name,
      fn.body.args.map((a) => a.type),
      (b, args) => this.region(b, fn.body, args),
    );
    this.#open.delete(name);
    this.#symbols.set(name, symbol);
    return symbol;
  }
}

/** Batch a program whose shapes are fixed: it runs once per index of the mapped operands, in a loop. */
export function runInTurn(
  run: (args: readonly Value[]) => readonly Value[],
  args: readonly Value[],
  dims: readonly BatchDim[],
): BatchResult {
  const isMapped = dims.map((d) => d !== null);
  const mapped = args.flatMap((x, i) => {
    const d = dims[i];
    return d === null ? [] : [moveAxis(x, d, 0)];
  });
  const step = (slices: readonly Value[]): readonly Value[] =>
    run(merge(isMapped, slices, whereNot(args, isMapped)));
  const outs = map<readonly Value[], readonly Value[]>(step, mapped);
  return [outs, outs.map(() => 0)];
}

/** Copy the entry of a program into the block of a builder, with the functions that it calls. */
export const inlineProgram = (
  b: HloBuilder,
  { module, entry }: { readonly module: HloModule; readonly entry: HloFunction },
  args: readonly HloValue[],
  context: LowerContext,
): HloValue[] => new Inliner(module, context).region(b, entry.body, args);

/** A loaded program: call it with one array per argument of its entry function. */
export interface LoadedFunction {
  (...args: unknown[]): Value[];
  /** The parsed module. */
  readonly module: HloModule;
  /** Types of the arguments. */
  readonly inputs: readonly ShapeDtypeStruct[];
  /** Types of the results. */
  readonly outputs: readonly ShapeDtypeStruct[];
}

/** Options of `load`. */
export interface LoadOptions {
  /** The function to call; `main` when left out. */
  readonly entry?: string;
}

/**
 * Make a function of StableHLO text. It can be called by itself and inside jitted functions, on every device.
 *
 * @throws ParseError when the text is no valid program; ArgumentError when it has no such function; LoweringError for a program of
 * several devices (`asText({ spmd: true })`).
 * @example
 * const text = jit((x) => np.sin(x).sum()).lower(np.zeros([3])).asText();
 * const f = hlo.load(text);
 * String(jit((x) => f(x)[0].mul(2))(np.array([0, 1, 2]))); // → 3.5015368
 */
export function load(text: string, { entry = 'main' }: LoadOptions = {}): LoadedFunction {
  const module = parseModule(text);
  verifyModule(module);
  checkOneDevice('load', module);
  const fn = module.functions.find((f) => f.name === entry);
  if (fn === undefined)
    throw new ArgumentError(
      `load: the entry must be a function of the module; got "${entry}" for ${module.functions.map((f) => f.name).join(', ') || 'no functions'}. Pass { entry }.`,
    );
  const program = new LoadedProgram(module, fn);
  const call = (...args: unknown[]): Value[] => {
    const values = args.map((x, i) => toValue('load', x, () => `args[${i}]`));
    return [...callHloP.bind(values, { program })];
  };
  return Object.assign(call, {
    module,
    inputs: program.inputs.map((a) => ShapeDtypeStruct.of(a)),
    outputs: program.outputs.map((a) => ShapeDtypeStruct.of(a)),
  });
}
