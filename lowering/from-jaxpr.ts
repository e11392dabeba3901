/**
 * Jaxpr to StableHLO: every equation becomes what its primitive's lowering rule emits. Constants of the program come first as arguments;
 * equations and arguments that no result needs are dropped, as JAX does. Iterative over equations; nesting recurses as deep as calls nest.
 */
import type { Aval } from '../core/aval.ts';
import { heldDType } from '../core/dtype.ts';
import { InternalError, invariant } from '../core/errors.ts';
import { effectsOf, Var, type Atom, type Eqn, type Jaxpr } from '../core/jaxpr.ts';
import { emitPerDevice } from './from-jaxpr-sharding.ts';
import type { HloBuilder } from './hlo/build.ts';
import { sameTensorType, type HloModule, type HloValue, type TensorType } from './hlo/ir.ts';
import { Module, symbolName } from './hlo/module.ts';
import { showType } from './hlo/type-text.ts';
import { lowerRules, type DeviceAxes, type LowerContext, type PerDeviceBody } from './rules.ts';

/** How to lower a program. */
export interface LowerOptions {
  /** Arguments (constants first) whose memory results may take. */
  readonly donated?: readonly boolean[];
  /** `jax.result_info` of each result. */
  readonly resultInfo?: readonly string[];
  /** What all of it comes from: `jit(f)`. */
  readonly place?: string | undefined;
  /** Keep arguments that no result needs. */
  readonly keepUnused?: boolean;
  /** The first inputs as constants of the module: programs that leave the process bring along what they captured. */
  readonly constants?: readonly ((b: HloBuilder) => HloValue)[];
  /** Make functions over meshes programs of each device, which XLA runs on as many. */
  readonly spmd?: boolean;
}

/** A lowered program. */
export interface LoweredJaxpr {
  readonly module: HloModule;
  /** Which arguments (constants first, then inputs) the module takes, in order. */
  readonly kept: readonly number[];
}

/**
 * Lower a closed jaxpr to a module with one public function `main`.
 *
 * @throws MissingRuleError when a primitive cannot be lowered; LoweringError from its rule.
 */
export function lowerJaxpr(name: string, jaxpr: Jaxpr, options: LowerOptions = {}): LoweredJaxpr {
  const inputs = [...jaxpr.constvars, ...jaxpr.invars];
  const live = liveEqns(jaxpr);
  const isKept = (v: Var): boolean => options.keepUnused === true || live.vars.has(v);
  const { constants = [] } = options;
  const kept = inputs.flatMap((v, i) => (i >= constants.length && isKept(v) ? [i] : []));
  const module = new Module(symbolName(name));
  const aliases = aliasesOf(
    kept.map((i) => inputs[i].aval),
    kept.map((i) => options.donated?.[i] === true),
    jaxpr.outAvals,
  );
  const lowering = new Lowering(module, options.spmd === true);
  module.addFunction(
    'main',
    kept.map((i) => typeOf(inputs[i].aval)),
    {
      visibility: 'public',
      ...(aliases.size > 0 ? { aliases } : {}),
      ...(options.resultInfo === undefined ? {} : { resultInfo: options.resultInfo }),
    },
    (b, args) => {
      const env = new Map<Var, HloValue>();
      constants.forEach((make, i) => {
        if (live.vars.has(inputs[i])) env.set(inputs[i], make(b));
      });
      kept.forEach((from, i) => env.set(inputs[from], args[i]));
      b.place = options.place;
      return lowering.eqns(b, live.eqns, env, jaxpr.outvars);
    },
  );
  return { module, kept };
}

/** The tensor type of an abstract value. */
export const typeOf = ({ shape, dtype }: Aval): TensorType => ({ shape, dtype: heldDType(dtype) });

/** The equations that results or effects need, in order, and every variable that they and the results use. */
function liveEqns(jaxpr: Jaxpr): {
  readonly eqns: readonly Eqn[];
  readonly vars: ReadonlySet<Var>;
} {
  const vars = new Set<Var>();
  const use = (atom: Atom): void => {
    if (atom instanceof Var) vars.add(atom);
  };
  jaxpr.outvars.forEach(use);
  const eqns: Eqn[] = [];
  for (let i = jaxpr.eqns.length - 1; i >= 0; i--) {
    const eqn = jaxpr.eqns[i];
    if (!eqn.outputs.some((v) => vars.has(v)) && effectsOf(eqn).length === 0) continue;
    eqn.inputs.forEach(use);
    eqns.push(eqn);
  }
  return { eqns: eqns.reverse(), vars };
}

/** Give each donated argument the first free result of its type. */
function aliasesOf(
  args: readonly Aval[],
  donated: readonly boolean[],
  results: readonly Aval[],
): Map<number, number> {
  const aliases = new Map<number, number>();
  const free = results.map((r, i) => ({ type: typeOf(r), index: i }));
  args.forEach((aval, i) => {
    if (!donated[i]) return;
    const at = free.findIndex(({ type }) => sameTensorType(type, typeOf(aval)));
    if (at >= 0) aliases.set(i, free.splice(at, 1)[0].index);
  });
  return aliases;
}

/** One lowering: the module, and which jaxprs are functions of it already. The program of each device of a mesh has one of its own. */
class Lowering {
  readonly #module: Module;
  readonly #functions = new Map<Jaxpr, string>();
  readonly #spmd: boolean;
  readonly #devices: DeviceAxes | undefined;

  constructor(module: Module, spmd: boolean, devices?: DeviceAxes) {
    this.#module = module;
    this.#spmd = spmd;
    this.#devices = devices;
  }

  /** Lower equations into the builder's block and give the values of `outvars`. */
  eqns(
    b: HloBuilder,
    eqns: readonly Eqn[],
    env: Map<Var, HloValue>,
    outvars: readonly Atom[],
  ): HloValue[] {
    const read = (atom: Atom): HloValue => {
      if (!(atom instanceof Var)) return b.constant(atom.value, heldDType(atom.aval.dtype));
      const value = env.get(atom);
      invariant(
        value !== undefined,
        `lower: a variable of type ${atom.aval.toString()} is used before it is defined.`,
      );
      return value;
    };
    const { frame, place } = b;
    for (const eqn of eqns) {
      b.frame = eqn.frame ?? frame;
      b.place = [place, eqn.scope, eqn.prim.name].filter(Boolean).join('/');
      const rule = lowerRules.get(eqn.prim);
      const results = rule(b, eqn.inputs.map(read), eqn.params, this.#context(b, eqn));
      checkResults(eqn, results);
      eqn.outputs.forEach((v, i) => env.set(v, results[i]));
    }
    b.frame = frame;
    b.place = place;
    return outvars.map(read);
  }

  /** Lower a jaxpr without constants into the builder's block. */
  inline(b: HloBuilder, jaxpr: Jaxpr, args: readonly HloValue[]): HloValue[] {
    const inputs = [...jaxpr.constvars, ...jaxpr.invars];
    invariant(
      inputs.length === args.length,
      `lower: a jaxpr of ${inputs.length} inputs was given ${args.length} operands.`,
    );
    const env = new Map(inputs.map((v, i): [Var, HloValue] => [v, args[i]]));
    return this.eqns(b, liveEqns(jaxpr).eqns, env, jaxpr.outvars);
  }

  /** The function of the module that is this jaxpr; made on first demand. */
  define(name: string, jaxpr: Jaxpr): string {
    const known = this.#functions.get(jaxpr);
    if (known !== undefined) return known;
    const types = [...jaxpr.constvars, ...jaxpr.invars].map((v) => typeOf(v.aval));
    const symbol = this.#module.addFunction(name, types, 'private', (b, args) =>
      this.inline(b, jaxpr, args),
    );
    this.#functions.set(jaxpr, symbol);
    return symbol;
  }

  #perDevice(b: HloBuilder, body: PerDeviceBody, args: readonly HloValue[]): HloValue[] {
    const module = this.#module;
    return emitPerDevice(b, body, args, {
      module,
      inline: (inner, jaxpr, xs, devices) =>
        new Lowering(module, this.#spmd, devices).inline(inner, jaxpr, xs),
      define: (name, types, fill) => module.addFunction(name, types, 'private', fill),
    });
  }

  #context(b: HloBuilder, eqn: Eqn): LowerContext {
    return {
      avalsIn: eqn.inputs.map((x) => x.aval),
      avalsOut: eqn.outputs.map((x) => x.aval),
      devices: this.#devices,
      perDevice:
        this.#spmd && this.#devices === undefined
          ? (body, args) => this.#perDevice(b, body, args)
          : undefined,
      inline: (jaxpr, args) => this.inline(b, jaxpr, args),
      call: (name, jaxpr, args) =>
        b.call(this.define(name, jaxpr), args, jaxpr.outAvals.map(typeOf)),
      define: (name, jaxpr) => this.define(name, jaxpr),
      defineBody: (name, argTypes, body) =>
        this.#module.addFunction(name, argTypes, 'private', body),
    };
  }
}

function checkResults(eqn: Eqn, results: readonly HloValue[]): void {
  const isRight =
    results.length === eqn.outputs.length &&
    results.every((r, i) => sameTensorType(r.type, typeOf(eqn.outputs[i].aval)));
  if (isRight) return;
  throw new InternalError(
    `${eqn.prim.name}: lowering must give the types of abstractEval; got (${results.map((r) => showType(r.type)).join(', ')}) ` +
      `for (${eqn.outputs.map((v) => v.aval.toString()).join(', ')}).`,
  );
}
