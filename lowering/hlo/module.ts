/** Modules: named functions in order. Printed once, when somebody asks for the text. */
import { InternalError, LoweringError } from '../../core/errors.ts';
import { HloBuilder, type FunctionTable } from './build.ts';
import type { HloFunction, HloModule, HloValue, Region, TensorType } from './ir.ts';
import { printModule } from './print.ts';

/** Facts about a function beside its name, arguments and body. */
export interface FunctionOptions {
  readonly visibility?: HloFunction['visibility'];
  /** Which result overwrites which argument, by argument. */
  readonly aliases?: ReadonlyMap<number, number>;
  /** `jax.result_info` of each result. */
  readonly resultInfo?: readonly string[];
}

/** The body of a function: results from arguments. */
export type FunctionBody = (b: HloBuilder, args: readonly HloValue[]) => readonly HloValue[];

/** A module under construction, and afterwards. */
export class Module implements HloModule, FunctionTable {
  readonly name: string;
  readonly functions: HloFunction[] = [];
  readonly #names = new Set<string>();
  #partitions = 1;
  #text: string | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get numPartitions(): number {
    return this.#partitions;
  }

  /** Spread the program over this many devices. @throws LoweringError when it is spread over another number already. */
  partition(count: number): void {
    if (this.#partitions !== 1 && this.#partitions !== count)
      throw new LoweringError(
        `lower: all meshes of a partitioned program must have one number of devices; got ${this.#partitions} and ${count}. Use meshes of the same devices.`,
      );
    this.#partitions = count;
    this.#text = undefined;
  }

  /** A symbol that no function has yet: the name itself, else with `_0`, `_1`, … */
  uniqueName(name: string): string {
    let unique = name;
    for (let i = 0; this.#names.has(unique); i++) unique = `${name}_${i}`;
    return unique;
  }

  /** Add a function; its name is made unique and given back. Functions that its body adds come after it. */
  addFunction(
    name: string,
    argTypes: readonly TensorType[],
    options: FunctionOptions | HloFunction['visibility'],
    body: FunctionBody,
  ): string {
    const { visibility = 'private', ...rest } =
      typeof options === 'string' ? { visibility: options } : options;
    const unique = this.uniqueName(name);
    this.#names.add(unique);
    const region: Region = {
      args: argTypes.map((type, index) => ({ type, index })),
      ops: [],
      results: [],
    };
    this.functions.push({ name: unique, visibility, body: region, ...rest });
    region.results = [...body(new HloBuilder(region, this), region.args)];
    this.#text = undefined;
    return unique;
  }

  /** Add a function that exists already (from another module, or parsed). Its name must be free. */
  adopt(fn: HloFunction): void {
    if (this.#names.has(fn.name))
      throw new InternalError(`module ${this.name}: two functions are named ${fn.name}.`);
    this.#names.add(fn.name);
    this.functions.push(fn);
    this.#text = undefined;
  }

  resultTypes(callee: string): readonly TensorType[] {
    const fn = this.functions.find((f) => f.name === callee);
    if (fn === undefined)
      throw new InternalError(`module ${this.name}: there is no function ${callee}.`);
    return fn.body.results.map((r) => r.type);
  }

  /** MLIR text; printed on first demand. */
  toString(options: { readonly debugInfo?: boolean } = {}): string {
    if (options.debugInfo === true) return printModule(this, options);
    this.#text ??= printModule(this);
    return this.#text;
  }
}

/** Build a module in one go. */
export function buildModule(name: string, build: (m: Module) => void): Module {
  const m = new Module(name);
  build(m);
  return m;
}

/** The symbol of a module as JAX makes it from any name: other characters than letters, digits, `_`, `.`, `-` become `_`, trailing `_` go. */
export const symbolName = (name: string): string =>
  name.replace(/[^A-Za-z0-9_.-]/g, '_').replace(/_+$/, '') || '_';
