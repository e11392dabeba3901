/**
 * Functions of floats that a kernel holds many times: one function of the module each, on vectors of four lanes, so that code grows with the
 * number of different functions and not with the number of their uses. Their expansions are those that other uses get in place.
 */
import type { DType } from '../../core/dtype.ts';
import { InternalError, LoweringError } from '../../core/errors.ts';
import { expansionOf, isExpanded } from '../math.ts';
import type { MathOptions } from '../math.ts';
import type { ScalarFn } from '../scalar.ts';
import type { TileOp, TileValue } from '../tile/ir.ts';
import { coldArms } from './cold.ts';
import { laneBits } from './combine.ts';
import { bitcastVector, castVector, classOf, isNarrow } from './convert.ts';
import type { Context, WasmFeatures } from './convert.ts';
import { callNode } from './fn.ts';
import type { Fn } from './fn.ts';
import { int, op as makeNode } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { Instance, Meaning } from './pass.ts';
import { spellSingle } from './single.ts';
import { choose, spellVector } from './vector.ts';
import type { Operands } from './vector.ts';

/** Uses of one function in a kernel from which on it is called. Below, code in place overlaps better with its neighbours. */
const outlineFrom = 6;

/** How functions are expanded for this target. */
export const mathOptions = ({ relaxed, exact }: WasmFeatures): MathOptions => ({
  fma: relaxed && !exact,
  dividesSlowly: !exact,
  outlineFrom,
});

function callOutlined(
  { module, features }: Context,
  fn: ScalarFn,
  dtype: DType,
  x: readonly Node[],
): Node {
  const options = mathOptions(features);
  if (classOf(dtype) === 'f32' && isExpanded(fn, dtype, options)) {
    const callee = module.helper(`${fn}_${dtype}`, ['v128'], (made) => {
      const body = new Body({ fn: made, module, features });
      body.run(expansionOf(fn, dtype, options));
    });
    return callNode(callee, x);
  }
  throw new LoweringError(
    `wasm: ${fn} of ${dtype} has no code on this target; got it in a kernel. ` +
      `${isNarrow(dtype) ? 'Expand it before emission.' : 'Use a 32-bit type.'}`,
  );
}

/**
 * A scalar function on lanes of a narrow type: spelled, or called where `expandMath` has left it.
 *
 * @throws LoweringError for functions that this target has no code for.
 */
export const scalarVector = (context: Context, fn: ScalarFn, operands: Operands): Node =>
  spellVector(context, fn, operands) ?? callOutlined(context, fn, operands.dtype, operands.x);

/**
 * A scalar function on single values (locals or constants): spelled, or called where `expandMath` has left it.
 *
 * @throws LoweringError for functions that this target has no code for.
 */
export const scalarSingle = (
  context: Context,
  fn: ScalarFn,
  x: readonly Node[],
  dtype: DType,
): Node => spellSingle(context, fn, x, dtype) ?? callOutlined(context, fn, dtype, x);

function meaningOf(op: TileOp): Meaning {
  switch (op.kind) {
    case 'constant':
      return { kind: 'constant', value: op.attrs.value };
    case 'scalar':
      return { kind: 'scalar', fn: op.attrs.fn };
    case 'select':
    case 'cast':
    case 'bitcast':
      return { kind: op.kind };
    default:
      throw new InternalError(`wasm: an expansion holds ${op.kind}.`);
  }
}

/** Writes the body of one function. */
class Body {
  readonly #context: Context;
  readonly #values = new Map<Instance, Node>();
  readonly #locals = new Map<Instance, Local>();
  readonly #uses = new Map<Instance, number>();

  constructor(context: Context) {
    this.#context = context;
  }

  get #fn(): Fn {
    return this.#context.fn;
  }

  run({ args, ops, results }: { args: TileValue[]; ops: TileOp[]; results: TileValue[] }): void {
    const made = new Map<TileValue, Instance>();
    for (const arg of args) {
      const local = this.#fn.param('v128', 'x');
      const instance: Instance = {
        meaning: { kind: 'single', read: (fn) => fn.get(local) },
        dtype: arg.type.dtype,
        operands: [],
        axes: 1,
      };
      made.set(arg, instance);
      this.#values.set(instance, this.#fn.get(local));
    }
    const instances = ops.map((op): Instance => {
      const operands = op.operands.map((operand) => made.get(operand)!);
      const [result] = op.results;
      const instance = { meaning: meaningOf(op), dtype: result.type.dtype, operands, axes: 1 };
      made.set(result, instance);
      for (const operand of operands) this.#use(operand, 1);
      return instance;
    });
    const result = made.get(results[0])!;
    this.#use(result, 1);
    this.#write(instances, result);
    this.#fn.body.push(this.#values.get(result)!);
  }

  #use(instance: Instance, by: number): number {
    const left = (this.#uses.get(instance) ?? 0) + by;
    this.#uses.set(instance, left);
    return left;
  }

  #write(instances: readonly Instance[], result: Instance): void {
    const arms = coldArms(instances, [result]);
    const deferred = new Set([...arms.values()].flatMap((arm) => arm.instances));
    for (const instance of instances) {
      if (deferred.has(instance)) continue;
      const arm = arms.get(instance);
      if (arm !== undefined) {
        const mask = this.#values.get(arm.mask)!;
        const wanted = arm.isFirst ? mask : makeNode('v128.not', mask);
        this.#fn.if(makeNode('v128.any_true', wanted), () =>
          arm.instances.forEach((cold) => this.#compute(cold)),
        );
      }
      this.#compute(instance);
    }
  }

  #compute(instance: Instance): void {
    if (instance.meaning.kind === 'constant') {
      const { dtype, meaning } = instance;
      this.#values.set(instance, this.#fn.splat(laneBits(dtype, meaning.value)));
      return;
    }
    const local = this.#fn.local('v128', 'v');
    this.#fn.scope(() => this.#fn.set(local, this.#value(instance)));
    this.#locals.set(instance, local);
    this.#values.set(instance, this.#fn.get(local));
    for (const operand of instance.operands) {
      const last = this.#locals.get(operand);
      if (this.#use(operand, -1) === 0 && last !== undefined) this.#fn.release(last);
    }
  }

  #value({ meaning, dtype, operands }: Instance): Node {
    const context = this.#context;
    const x = operands.map((operand) => this.#values.get(operand)!);
    const from = operands[0].dtype;
    switch (meaning.kind) {
      case 'select':
        return choose(context, x[0], x[1], x[2]);
      case 'cast':
        return castVector(context, from, dtype, x[0]);
      case 'bitcast':
        return bitcastVector(context, from, dtype, x[0]);
      case 'scalar': {
        const known = operands.map(knownNumber);
        const single = known.map((value) => (value === undefined ? undefined : int(value)));
        return scalarVector(context, meaning.fn, { x, dtype: from, known, single });
      }
      default:
        throw new InternalError(`wasm: an expansion computes no ${meaning.kind}.`);
    }
  }
}

/** The number that all lanes of an instance always are. */
export function knownNumber(instance: Instance): number | undefined {
  const { meaning } = instance;
  if (meaning.kind !== 'constant') return undefined;
  return classOf(instance.dtype) === 'bool' ? undefined : Number(meaning.value);
}
