/**
 * `customJvp` and `customVjp` for people: functions of trees that bring their own derivative. The primitives behind them, and
 * how they live under every other transformation, stand in `custom-call.ts`.
 */
import { describe } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { ArgumentError, ShapeError, TreeError } from '../core/errors.ts';
import { checkFunction } from '../core/options.ts';
import type { Tangent } from '../core/primitive.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import { Value } from '../core/value.ts';
import { convertElementType } from '../lax/convert.ts';
import { avalsOf } from '../core/trace.ts';
import {
  customJvpCallP,
  customVjpCallP,
  type FlatBackward,
  type FlatJvpRule,
  type ForwardResult,
} from './custom-call.ts';
import {
  checkSync,
  flattenFunction,
  flattenValues,
  nameOf,
  named,
  toValue,
} from './flat-function.ts';
import { matchTangents } from './forward.ts';
import type { Inputs, Output } from './signature.ts';
import { addTangents, instantiate, isDifferentiable } from './zeros.ts';

/** Options of `customJvp` and `customVjp`. */
export interface CustomOptions {
  /** Arguments that are not differentiated: any JavaScript values. Rules get them first. */
  readonly nondiffArgnums?: readonly number[];
}

/** Options of a forward rule. */
export interface JvpRuleOptions {
  /** Give `null` for tangents that are zero, instead of zeros. */
  readonly symbolicZeros?: boolean;
}

/** A rule `(…nondiff, primals, tangents) → [out, tangentOut]`. */
export type JvpRule = (...args: never[]) => readonly [out: unknown, tangent: unknown];

/** A function with a custom forward derivative. */
export interface CustomJvp<A extends readonly unknown[], R> {
  (...args: Inputs<A>): Output<R>;
  /** Set the rule: `(…nondiff, primals, tangents) → [out, tangentOut]`, linear in the tangents. */
  defjvp<P extends JvpRule>(rule: P, options?: JvpRuleOptions): CustomJvp<A, R>;
  /** Set one rule per argument, `(tangent, out, …args) → tangentOut`, or null for a zero derivative. */
  defjvps(...rules: readonly (((...args: never[]) => unknown) | null)[]): CustomJvp<A, R>;
}

/** Arguments of a call, the differentiable ones apart. */
interface SplitCall {
  readonly nondiff: readonly unknown[];
  readonly diff: readonly unknown[];
  /** All arguments, with other values for the differentiable ones. */
  readonly fill: (diff: readonly unknown[]) => never[];
}

function splitCall(
  op: string,
  args: readonly unknown[],
  nondiffArgnums: readonly number[],
): SplitCall {
  const fixed = new Set(nondiffArgnums.map((n) => (n < 0 ? n + args.length : n)));
  for (const n of fixed)
    if (!Number.isInteger(n) || n < 0 || n >= args.length)
      throw new ArgumentError(
        `${op}: nondiffArgnums must name arguments of the call; got ${n} for a call with ${args.length} arguments. Pass the argument, or change nondiffArgnums.`,
      );
  return {
    nondiff: args.filter((_, i) => fixed.has(i)),
    diff: args.filter((_, i) => !fixed.has(i)),
    fill(diff) {
      let next = 0;
      return args.map((arg, i) => (fixed.has(i) ? arg : diff[next++])) as never[];
    },
  };
}

/**
 * Give a function its own forward derivative. Without a differentiation around it, the function itself runs.
 *
 * @throws ArgumentError when it is differentiated and has no rule; TreeError, ShapeError or DTypeError when a rule's results do
 * not fit.
 * @example
 * const f = customJvp((x: Value) => lax.sin(x));
 * f.defjvp(([x]: Value[], [t]: Value[]) => [f(x), lax.mul(t, 10)]);
 * String(grad(f)(0)); // → 10.0
 */
export function customJvp<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: CustomOptions,
): CustomJvp<A, R>;
export function customJvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: CustomOptions,
): CustomJvp<A, R>;
export function customJvp(
  f: (...args: never[]) => unknown,
  { nondiffArgnums = [] }: CustomOptions = {},
): CustomJvp<unknown[], unknown> {
  checkFunction('customJvp', f);
  const name = nameOf(f);
  let rule: JvpRule | undefined;
  let symbolicZeros = false;
  const call = (...args: unknown[]): unknown => {
    const split = splitCall('customJvp', args, nondiffArgnums);
    const { values, treedef } = flattenValues('customJvp', 'args', split.diff);
    const flat = flattenFunction(
      'customJvp',
      (...diff: never[]) => f(...split.fill(diff)),
      treedef,
    );
    let outTree: TreeDef | undefined;
    const jvp: FlatJvpRule = (primals, tangents) => {
      const given = tangents.map((t, i) => (symbolicZeros ? t : instantiate(t, primals[i].aval)));
      const used = checkRule(name, rule);
      const pair = used(
        ...([...split.nondiff, unflatten(treedef, primals), unflatten(treedef, given)] as never[]),
      );
      const result = flattenRule(name, pair);
      outTree = result.outTree;
      return [result.outs, result.tangents];
    };
    const jvpName = rule === undefined ? 'None' : nameOf(rule);
    const outs = customJvpCallP.bind(values, {
      name,
      fun: flat.fun,
      jvp,
      jvpName,
      symbolicZeros,
      callJaxpr: undefined,
      constCount: 0,
    });
    return unflatten(outTree ?? flat.outTree(), outs);
  };
  const custom: CustomJvp<unknown[], unknown> = Object.assign(named(call, name), {
    defjvp(given: JvpRule, options: JvpRuleOptions = {}) {
      rule = given;
      symbolicZeros = options.symbolicZeros ?? false;
      return custom;
    },
    defjvps(...rules: readonly (((...args: never[]) => unknown) | null)[]) {
      return custom.defjvp((...all: unknown[]) => {
        const [primals, tangents] = all.slice(-2) as [unknown[], unknown[]];
        const nondiff = all.slice(0, -2);
        return sumOfRules(
          custom(...fillArguments(nondiff, primals, nondiffArgnums)),
          rules,
          primals,
          tangents,
          nondiff,
        );
      });
    },
  });
  return custom;
}

/** All arguments in their places, from the two lists that a rule gets. */
function fillArguments(
  nondiff: readonly unknown[],
  diff: readonly unknown[],
  nondiffArgnums: readonly number[],
): unknown[] {
  const count = nondiff.length + diff.length;
  const fixed = new Set(nondiffArgnums.map((n) => (n < 0 ? n + count : n)));
  let [i, j] = [0, 0];
  return Array.from({ length: count }, (_, at) => (fixed.has(at) ? nondiff[i++] : diff[j++]));
}

function sumOfRules(
  out: unknown,
  rules: readonly (((...args: never[]) => unknown) | null)[],
  primals: readonly unknown[],
  tangents: readonly unknown[],
  nondiff: readonly unknown[],
): readonly [unknown, unknown] {
  if (rules.length !== primals.length)
    throw new ArgumentError(
      `defjvps: there must be one rule, or null, per argument; got ${rules.length} rules for ${primals.length} arguments. Give null where the derivative is zero.`,
    );
  const { values, treedef } = flattenValues('defjvps', 'the result', out);
  let sum: Tangent[] = values.map(() => null);
  rules.forEach((rule, i) => {
    if (rule === null) return;
    const part = rule(...([...nondiff, tangents[i], out, ...primals] as never[]));
    const terms = matchTangents('defjvps', 'tangent', part, treedef, avalsOf(values));
    sum = sum.map((s, k) => addTangents(s, terms[k]));
  });
  return [
    out,
    unflatten(
      treedef,
      sum.map((t, i) => instantiate(t, values[i].aval)),
    ),
  ];
}

function checkRule<T>(name: string, rule: T | undefined): T {
  if (rule === undefined)
    throw new ArgumentError(
      `customJvp: ${name} is differentiated and has no rule; got no defjvp. Call ${name}.defjvp((primals, tangents) => …).`,
    );
  return rule;
}

function flattenRule(
  name: string,
  pair: unknown,
): { readonly outs: Value[]; readonly outTree: TreeDef; readonly tangents: Tangent[] } {
  if (!Array.isArray(pair) || pair.length !== 2)
    throw new TreeError(
      `customJvp: the rule must return a pair [out, tangentOut]; got ${describe(pair)} from the rule of ${name}. Return both.`,
    );
  const { values, treedef } = flattenValues('customJvp', 'the result of the rule', pair[0]);
  const tangents = matchTangents(
    `customJvp (rule of ${name})`,
    'tangent',
    pair[1],
    treedef,
    avalsOf(values),
  );
  return { outs: values, outTree: treedef, tangents };
}

/** A function with a custom reverse derivative. */
export interface CustomVjp<A extends readonly unknown[], R> {
  (...args: Inputs<A>): Output<R>;
  /**
   * Set the rule: `fwd(…args) → [out, residuals]` and `bwd(…nondiff, residuals, cotangent) → [one entry per differentiable
   * argument, null for zero]`.
   */
  defvjp<F extends (...args: never[]) => unknown, B extends (...args: never[]) => unknown>(
    fwd: F,
    bwd: B,
  ): CustomVjp<A, R>;
}

/**
 * Give a function its own reverse derivative. Without a differentiation around it, the function itself runs; it has no
 * forward-mode derivative.
 *
 * @throws ArgumentError when it is differentiated and has no rule, or in forward mode; TreeError, ShapeError or DTypeError when
 * a rule's results do not fit.
 * @example
 * const f = customVjp((x: Value) => lax.sin(x));
 * f.defvjp((x: Value) => [f(x), x], (x: Value, ct: Value) => [lax.mul(ct, 10)]);
 * String(grad(f)(0)); // → 10.0
 */
export function customVjp<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: CustomOptions,
): CustomVjp<A, R>;
export function customVjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: CustomOptions,
): CustomVjp<A, R>;
export function customVjp(
  f: (...args: never[]) => unknown,
  { nondiffArgnums = [] }: CustomOptions = {},
): CustomVjp<unknown[], unknown> {
  checkFunction('customVjp', f);
  const name = nameOf(f);
  let rules: VjpRules | undefined;
  const call = (...args: unknown[]): unknown => {
    const split = splitCall('customVjp', args, nondiffArgnums);
    const { values, treedef } = flattenValues('customVjp', 'args', split.diff);
    const flat = flattenFunction(
      'customVjp',
      (...diff: never[]) => f(...split.fill(diff)),
      treedef,
    );
    let outTree: TreeDef | undefined;
    const forward = (xs: readonly Value[]): ForwardResult => {
      const { result, tree } = runForward(name, rules, split, treedef, xs);
      outTree = tree;
      return result;
    };
    const outs = customVjpCallP.bind(values, {
      name,
      fun: flat.fun,
      forward,
      forwardName: rules === undefined ? 'None' : nameOf(rules.fwd),
      backwardName: rules === undefined ? 'None' : nameOf(rules.bwd),
      symbolicZeros: false,
      callJaxpr: undefined,
      constCount: 0,
    });
    return unflatten(outTree ?? flat.outTree(), outs);
  };
  const custom: CustomVjp<unknown[], unknown> = Object.assign(named(call, name), {
    defvjp(fwd: (...args: never[]) => unknown, bwd: (...args: never[]) => unknown) {
      rules = { fwd, bwd };
      return custom;
    },
  });
  return custom;
}

interface VjpRules {
  readonly fwd: (...args: never[]) => unknown;
  readonly bwd: (...args: never[]) => unknown;
}

/** Call the user's forward function; what of its residuals is no array stays with the backward function. */
function runForward(
  name: string,
  rules: VjpRules | undefined,
  split: SplitCall,
  treedef: TreeDef,
  xs: readonly Value[],
): { readonly result: ForwardResult; readonly tree: TreeDef } {
  if (rules === undefined)
    throw new ArgumentError(
      `customVjp: ${name} is differentiated and has no rule; got no defvjp. Call ${name}.defvjp(fwd, bwd).`,
    );
  const diff = unflatten(treedef, xs) as unknown[];
  const pair = checkSync('customVjp', rules.fwd, rules.fwd(...split.fill(diff)));
  if (!Array.isArray(pair) || pair.length !== 2)
    throw new TreeError(
      `customVjp: the forward function must return a pair [out, residuals]; got ${describe(pair)} from that of ${name}. Return both.`,
    );
  const { values, treedef: tree } = flattenValues(
    'customVjp',
    'the result of the forward function',
    pair[0],
  );
  const saved = flatten(pair[1]);
  const isArray = saved.leaves.map((leaf) => leaf instanceof Value);
  const trees = diff.map((arg) => flatten(arg).treedef);
  const inAvals = avalsOf(xs);
  const outAvals = avalsOf(values);
  const backward: FlatBackward = (residuals, cts) => {
    let next = 0;
    const res = unflatten(
      saved.treedef,
      saved.leaves.map((leaf, i) => (isArray[i] ? residuals[next++] : leaf)),
    );
    const ct = unflatten(
      tree,
      cts.map((c, i) => instantiate(c, outAvals[i])),
    );
    const out = checkSync(
      'customVjp',
      rules.bwd,
      rules.bwd(...([...split.nondiff, res, ct] as never[])),
    );
    return flattenCotangents(name, out, trees, inAvals);
  };
  const residuals = saved.leaves.filter((leaf) => leaf instanceof Value);
  return { result: { outs: values, residuals, backward }, tree };
}

/** The backward function's answer as a flat list, checked against the arguments. */
function flattenCotangents(
  name: string,
  out: unknown,
  trees: readonly TreeDef[],
  avals: readonly Aval[],
): Tangent[] {
  if (!Array.isArray(out) || out.length !== trees.length)
    throw new TreeError(
      `customVjp: the backward function must return a list with one entry per differentiable argument (${trees.length}); got ${describe(out)} from that of ${name}. Return null where the cotangent is zero.`,
    );
  let next = 0;
  return out.flatMap((entry, i): Tangent[] => {
    const treedef = trees[i];
    const own = avals.slice(next, (next += treedef.numLeaves));
    if (entry === null) return own.map(() => null);
    const given = flatten(entry);
    if (!given.treedef.equals(treedef))
      throw new TreeError(
        `customVjp: a cotangent must have the tree of its argument, ${treedef.toString()}; got ${given.treedef.toString()} for argument ${i} from the backward function of ${name}. Return null where the cotangent is zero.`,
      );
    return given.leaves.map((leaf, k) => matchCotangent(name, leaf, own[k]));
  });
}

function matchCotangent(name: string, leaf: unknown, aval: Aval): Tangent {
  if (!isDifferentiable(aval)) return null;
  const value = toValue(
    'customVjp',
    leaf,
    () => `the cotangents from the backward function of ${name}`,
  );
  if (!sameShape(value.shape, aval.shape))
    throw new ShapeError(
      `customVjp: a cotangent must have the shape of its argument; got shape ${showShape(value.shape)} for ${aval.toString()} from the backward function of ${name}. Sum over the axes that were broadcast.`,
    );
  return value.dtype === aval.dtype ? value : convertElementType(value, aval.dtype);
}
