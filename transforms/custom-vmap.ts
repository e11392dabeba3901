/**
 * `customVmap`: a function that brings its own batching rule. The call is a primitive that holds the function as a program; `vmap`
 * applies the rule, everything else sees the program. Forward mode differentiates the program and the rule alike, so that a rule
 * survives `jvp`; reverse mode differentiates the program, so that a `vmap` around a gradient maps its equations.
 */
import { describe } from '../core/array.ts';
import { ArgumentError, ShapeError, TracerLeakError, TreeError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction } from '../core/options.ts';
import type { BatchDim, BatchResult, JvpResult, Primitive, Tangent } from '../core/primitive.ts';
import { sameShape } from '../core/shape.ts';
import { broadcastPrefix, unflatten, type TreeDef } from '../core/tree.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive } from '../lax/define.ts';
import { batchTo, moveAxis } from '../lax/structure.ts';
import { checkSync, flattenFunction, flattenValues, nameOf, named } from './flat-function.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { splitCall, transposeCall } from './jit-call.ts';
import { merge, where, whereNot } from './jaxpr-cache.ts';
import { jvpFlat, jvpJaxpr, spread } from './jvp.ts';
import { definePartialEval } from './linearize.ts';
import type { Inputs, Output } from './signature.ts';
import { traceClosed } from './stage.ts';
import { batchJaxpr } from './vmap-trace.ts';
import { instantiate } from './zeros.ts';

/** What a rule gives: results, batched ones with the mapped axis first. */
interface RuleResult {
  readonly outs: readonly Value[];
  readonly outBatched: readonly boolean[];
}

/** A batching rule on flat lists; batched arguments have the mapped axis first. */
type FlatVmapRule = (
  axisSize: number,
  inBatched: readonly boolean[],
  args: readonly Value[],
) => RuleResult;

/** Parameters of `custom_vmap_call`. */
export interface CustomVmapParams {
  readonly name: string;
  /** The function; its first `constCount` operands are values that it captures. */
  readonly call: Jaxpr;
  readonly constCount: number;
  readonly rule: FlatVmapRule;
  readonly ruleName: string;
  readonly inTree: TreeDef;
  readonly outTree: TreeDef;
}

/** `custom_vmap_call`: call a function that brings its own batching rule. */
export const customVmapCallP: Primitive<CustomVmapParams> = definePrimitive<CustomVmapParams>(
  'custom_vmap_call',
  {
    abstractEval: (_, { call }) => call.outAvals,
    lower: (_, args, { call }, context) => context.inline(call, args),
    evaluate: (args, { call }) => evalJaxpr(call, args),
    jvp: (primals, tangents, params) => jvpCustomVmap(primals, tangents, params),
    transpose: (cts, args, { name, call }) => transposeCall({ name, jaxpr: call }, cts, args),
    batch(args, dims, params, axis) {
      // Nothing is batched, but the function names the axis: the rule could not know the index.
      if (dims.every((d) => d === null)) {
        const derived = batchJaxpr(params.call, axis, dims);
        return [evalJaxpr(derived.jaxpr, [...derived.consts, ...args]), derived.dimsOut];
      }
      return batchCustomVmap(args, dims, params, axis.size);
    },
    effects: ({ call }) => call.effects,
    printParams: ({ call, inTree, outTree, ruleName }) => ({
      call,
      in_tree: inTree.toString(),
      out_tree: outTree.toString(),
      rule: ruleName,
    }),
  },
);

definePartialEval(customVmapCallP, (trace, args, unknown, { name, call }) =>
  splitCall(trace, args, unknown, { name, jaxpr: call }),
);

/** Values that the function captures are constants to its rule: what belongs to them would be lost. */
function refuseCaptured(name: string, what: string, captured: readonly boolean[]): void {
  if (captured.includes(true))
    throw new TracerLeakError(
      `customVmap: a function with a custom batching rule must not capture values that are ${what}; got one in ${name}. Pass it as an argument.`,
    );
}

function batchCustomVmap(
  args: readonly Value[],
  dims: readonly BatchDim[],
  { name, call, constCount, rule }: CustomVmapParams,
  size: number,
): BatchResult {
  const batched = dims.map((d) => d !== null);
  refuseCaptured(name, 'mapped', batched.slice(0, constCount));
  const led = args.map((x, i) => {
    const d = dims[i];
    return d === null ? x : moveAxis(x, d, 0);
  });
  const { outs, outBatched } = rule(size, batched.slice(constCount), led.slice(constCount));
  outs.forEach((out, i) => checkResult(name, out, call.outAvals[i].shape, outBatched[i], size));
  return [outs, outBatched.map((on) => (on ? 0 : null))];
}

function checkResult(
  name: string,
  out: Value,
  shape: readonly number[],
  isBatched: boolean,
  size: number,
): void {
  const wanted = isBatched ? [size, ...shape] : shape;
  if (!sameShape(out.shape, wanted))
    throw new ShapeError(
      `customVmap: the rule must give ${isBatched ? 'batched results, the mapped axis first' : 'results as the function does where they are not batched'}; got ${out.aval.toString()} for shape [${wanted.join(', ')}] from the rule of ${name}. Say in outBatched which results are batched.`,
    );
}

function jvpCustomVmap(
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: CustomVmapParams,
): JvpResult {
  const { name, call, constCount, rule } = params;
  const nonzero = tangents.map((t) => t !== null);
  refuseCaptured(name, 'differentiated', nonzero.slice(0, constCount));
  const { jaxpr, consts, nonzeroOut } = jvpJaxpr(call, nonzero);
  const count = primals.length - constCount;
  const mask = nonzero.slice(constCount);
  // Of a value and its tangent, both are batched or none: the rule is differentiated at values of one kind.
  const derivedRule: FlatVmapRule = (size, inBatched, args) => {
    const none = whereNot(mask, mask);
    const tangentBatched = merge(mask, inBatched.slice(count), none);
    const together = mask.map((_, i) => inBatched[i] || tangentBatched[i]);
    const lead = (x: Value, i: number, isBatched: boolean): Value =>
      together[i] && !isBatched ? batchTo(x, null, 0, size) : x;
    const given = spread(mask, args.slice(count)).map((t, i) =>
      t === null ? null : lead(t, i, tangentBatched[i]),
    );
    const values = args.slice(0, count).map((x, i) => lead(x, i, inBatched[i]));
    let outBatched: readonly boolean[] = [];
    const [outs, outTangents] = jvpFlat(
      (xs) => {
        const result = rule(size, together, xs);
        ({ outBatched } = result);
        return result.outs;
      },
      values,
      given,
    );
    const filled = outTangents.map((t, i) => instantiate(t, outs[i].aval));
    return {
      outs: [...outs, ...where(filled, nonzeroOut)],
      outBatched: [...outBatched, ...where(outBatched, nonzeroOut)],
    };
  };
  const results = customVmapCallP.bind(
    [...consts, ...primals, ...tangents.filter((t) => t !== null)],
    { ...params, call: jaxpr, constCount: consts.length + constCount, rule: derivedRule },
  );
  const outCount = call.outvars.length;
  return [results.slice(0, outCount), spread(nonzeroOut, results.slice(outCount))];
}

// --- public functions ---------------------------------------------------------------------------------------------------------

/**
 * A batching rule: gets the size of the mapped axis, for each argument a tree of bools that says what is batched, and the arguments,
 * batched arrays with the mapped axis first. Gives the result and a tree of bools (or one bool for all) that says what is batched.
 */
export type VmapRule = (...args: never[]) => readonly [out: unknown, outBatched: unknown];

/** A function with a custom batching rule. */
export interface CustomVmap<A extends readonly unknown[], R> {
  (...args: Inputs<A>): Output<R>;
  /** Set the rule: `(axisSize, inBatched, …args) → [out, outBatched]`. */
  defVmap(rule: VmapRule): CustomVmap<A, R>;
}

/**
 * Give a function its own batching rule. Without a `vmap` around it, the function itself runs. Combine it with `customVjp` (outside)
 * for a custom reverse derivative that the rule takes part in.
 *
 * @throws ArgumentError when it is mapped and has no rule; TreeError or ShapeError when a rule's results do not fit.
 * @example
 * const f = customVmap((x: Value, y: Value) => lax.add(x, y));
 * f.defVmap((axisSize: number, inBatched: boolean[], xs: Value, ys: Value) => [lax.mul(xs, ys), true]);
 * String(vmap(f)(np.array([1, 2, 3]), np.array([4, 5, 6]))); // → [ 4. 10. 18.]
 */
export function customVmap<A extends readonly Value[], R>(f: (...args: A) => R): CustomVmap<A, R>;
export function customVmap<A extends readonly unknown[], R>(f: (...args: A) => R): CustomVmap<A, R>;
export function customVmap(f: (...args: never[]) => unknown): CustomVmap<unknown[], unknown> {
  checkFunction('customVmap', f);
  const name = nameOf(f);
  let rule: VmapRule | undefined;
  const call = (...args: unknown[]): unknown => {
    const { values, treedef: inTree } = flattenValues('customVmap', 'args', args);
    const flat = flattenFunction('customVmap', f, inTree);
    const { jaxpr, consts } = traceClosed(flat.fun, avalsOf(values), name);
    const outTree = flat.outTree();
    const outs = customVmapCallP.bind([...consts, ...values], {
      name,
      call: jaxpr,
      constCount: consts.length,
      rule: flattenRule(name, rule, inTree, outTree),
      ruleName: rule === undefined ? 'None' : nameOf(rule),
      inTree,
      outTree,
    });
    return unflatten(outTree, outs);
  };
  const custom: CustomVmap<unknown[], unknown> = Object.assign(named(call, name), {
    defVmap(given: VmapRule) {
      checkFunction('defVmap', given);
      rule = given;
      return custom;
    },
  });
  return custom;
}

/** The user's rule as one of flat lists. */
const flattenRule =
  (name: string, rule: VmapRule | undefined, inTree: TreeDef, outTree: TreeDef): FlatVmapRule =>
  (axisSize, inBatched, args) => {
    if (rule === undefined)
      throw new ArgumentError(
        `customVmap: ${name} is mapped and has no rule; got no defVmap. Call ${name}.defVmap((axisSize, inBatched, …args) => [out, outBatched]).`,
      );
    const given = unflatten(inTree, args) as unknown[];
    const pair: unknown = checkSync(
      'customVmap',
      rule,
      rule(...([axisSize, unflatten(inTree, inBatched), ...given] as never[])),
    );
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new TreeError(
        `customVmap: the rule must return a pair [out, outBatched]; got ${describe(pair)} from the rule of ${name}. Return both.`,
      );
    const { values, treedef } = flattenValues('customVmap', 'the result of the rule', pair[0]);
    if (!treedef.equals(outTree))
      throw new TreeError(
        `customVmap: the rule must return the tree that the function returns, ${outTree.toString()}; got ${treedef.toString()} from the rule of ${name}. Return [out, outBatched].`,
      );
    const flags = broadcastPrefix('customVmap', 'outBatched', pair[1], outTree);
    return { outs: values, outBatched: flags.map((flag) => checkFlag(name, flag)) };
  };

function checkFlag(name: string, flag: unknown): boolean {
  if (typeof flag !== 'boolean')
    throw new TreeError(
      `customVmap: outBatched must be a bool, or a tree of bools like the result; got ${describe(flag)} from the rule of ${name}. Write true where a result has the mapped axis first.`,
    );
  return flag;
}
