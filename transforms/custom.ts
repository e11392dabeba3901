/**
 * `customJvp` and `customVjp` for people: functions of trees that bring their own derivative. The primitives behind them, and
 * how they live under every other transformation, stand in `custom-call.ts`.
 */
import { describe } from '../core/array.ts';
import { ArgumentError, invariant, TracerLeakError, TreeError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import type { Tangent } from '../core/primitive.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { avalsOf, Tracer } from '../core/trace.ts';
import {
  customJvpCallP,
  customVjpCallP,
  type FlatForward,
  type FlatJvpRule,
} from './custom-call.ts';
import { runForward, vjpRules, type VjpRuleOptions, type VjpRules } from './custom-vjp-rules.ts';
import {
  checkSync,
  flattenFunction,
  flattenValues,
  nameOf,
  named,
  type FlatUserFunction,
} from './flat-function.ts';
import { matchTangents } from './forward.ts';
import { optimizedForward } from './remat-opt.ts';
import type { Inputs, Output } from './signature.ts';
import { fillArguments, splitArguments } from './split-arguments.ts';
import type { FlatFunction } from './stage.ts';
import { addTangents, tangentFor } from './zeros.ts';

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
  options: CustomOptions = {},
): CustomJvp<unknown[], unknown> {
  checkFunction('customJvp', f);
  checkOptions('customJvp', options, ['nondiffArgnums']);
  const { nondiffArgnums = [] } = options;
  const name = nameOf(f);
  let rule: JvpRule | undefined;
  let symbolicZeros = false;
  const call = (...args: unknown[]): unknown => {
    // Recorded programs keep the closures below: of the arguments those hold what is not differentiated alone.
    const { nondiff, diff, fill } = splitArguments(
      'customJvp',
      'nondiffArgnums',
      args,
      nondiffArgnums,
    );
    const { values, treedef } = flattenValues('customJvp', 'args', diff);
    const flat = flattenFunction('customJvp', (...given: never[]) => f(...fill(given)), treedef);
    const outTree = new RuleTree('customJvp', name);
    const fun = outTree.ofFunction(flat);
    const jvp: FlatJvpRule = (primals, tangents) => {
      const given = tangents.map((t, i) => (symbolicZeros ? t : tangentFor(t, primals[i].aval)));
      const used = checkRule(name, rule);
      const pair = used(
        ...([...nondiff, unflatten(treedef, primals), unflatten(treedef, given)] as never[]),
      );
      const result = flattenRule(name, used, pair);
      outTree.ofRule(result.outTree);
      return [result.outs, result.tangents];
    };
    const jvpName = rule === undefined ? 'None' : nameOf(rule);
    const outs = customJvpCallP.bind(values, {
      name,
      fun,
      jvp,
      jvpName,
      symbolicZeros,
      callJaxpr: undefined,
      constCount: 0,
    });
    return unflatten(outTree.get(), outs);
  };
  const custom: CustomJvp<unknown[], unknown> = Object.assign(named(call, name), {
    defjvp(given: JvpRule, ruleOptions: JvpRuleOptions = {}) {
      checkFunction('defjvp', given);
      checkOptions('defjvp', ruleOptions, ['symbolicZeros']);
      rule = given;
      symbolicZeros = ruleOptions.symbolicZeros ?? false;
      return custom;
    },
    defjvps(...rules: readonly (((...args: never[]) => unknown) | null)[]) {
      for (const given of rules) if (given !== null) checkFunction('defjvps', given);
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
    const part = checkSync(
      'defjvps',
      rule,
      rule(...([...nondiff, tangents[i], out, ...primals] as never[])),
    );
    const terms = matchTangents('defjvps', 'tangent', part, treedef, avalsOf(values));
    sum = sum.map((s, k) => addTangents(s, terms[k]));
  });
  return [
    out,
    unflatten(
      treedef,
      sum.map((t, i) => tangentFor(t, values[i].aval)),
    ),
  ];
}

/** The tree of the results of one call: what its function gives, or its rule where that runs instead. Both must give the same. */
class RuleTree {
  readonly #op: string;
  readonly #name: string;
  #function: (() => TreeDef) | undefined;
  #rule: TreeDef | undefined;

  constructor(op: string, name: string) {
    this.#op = op;
    this.#name = name;
  }

  /** The function of flat lists, which is noted when it has run. */
  ofFunction({ fun, outTree }: FlatUserFunction): FlatFunction {
    return (xs) => {
      const outs = fun(xs);
      this.#function = outTree;
      return outs;
    };
  }

  /** Note the tree that the rule gives. @throws TreeError when the function has given another. */
  ofRule(tree: TreeDef): void {
    const wanted = this.#function?.();
    if (wanted !== undefined && !wanted.equals(tree))
      throw new TreeError(
        `${this.#op}: a rule must give the tree that the function gives, ${wanted.toString()}; got ${tree.toString()} from that of ${this.#name}. Return the value of the function as the first of the pair.`,
      );
    this.#rule = tree;
  }

  get(): TreeDef {
    const tree = this.#rule ?? this.#function?.();
    invariant(tree !== undefined, 'a call with a custom rule ran neither function nor rule.');
    return tree;
  }
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
  rule: JvpRule,
  pair: unknown,
): { readonly outs: Value[]; readonly outTree: TreeDef; readonly tangents: Tangent[] } {
  checkSync('customJvp', rule, pair);
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
    options?: VjpRuleOptions,
  ): CustomVjp<A, R>;
}

/**
 * Give a function its own reverse derivative. Without a differentiation around it, the function itself runs; it has no
 * forward-mode derivative. Neither the function nor its rules may capture values that are differentiated: pass them as arguments,
 * or see `closureConvert`.
 *
 * @throws ArgumentError when it is differentiated and has no rule, or in forward mode; TreeError, ShapeError or DTypeError when
 * a rule's results do not fit; TracerLeakError when it captures a differentiated value or when an argument in `nondiffArgnums`
 * is traced.
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
  options: CustomOptions = {},
): CustomVjp<unknown[], unknown> {
  checkFunction('customVjp', f);
  checkOptions('customVjp', options, ['nondiffArgnums']);
  const { nondiffArgnums = [] } = options;
  const name = nameOf(f);
  let rules: VjpRules | undefined;
  const call = (...args: unknown[]): unknown => {
    const { nondiff, diff, fill } = splitArguments(
      'customVjp',
      'nondiffArgnums',
      args,
      nondiffArgnums,
    );
    refuseTracers(name, nondiff);
    const { values, treedef } = flattenValues('customVjp', 'args', diff);
    const flat = flattenFunction('customVjp', (...given: never[]) => f(...fill(given)), treedef);
    const outTree = new RuleTree('customVjp', name);
    const fun = outTree.ofFunction(flat);
    const runRule: FlatForward = (xs, perturbed) => {
      const split = { nondiff, fill };
      const { result, tree } = runForward({ name, rules, split, treedef }, xs, perturbed);
      outTree.ofRule(tree);
      return result;
    };
    const forward: FlatForward =
      rules?.optimizeRemat === true ? optimizedForward(name, fun, runRule) : runRule;
    const outs = customVjpCallP.bind(values, {
      name,
      fun,
      forward,
      forwardName: rules === undefined ? 'None' : nameOf(rules.fwd),
      backwardName: rules === undefined ? 'None' : nameOf(rules.bwd),
      symbolicZeros: rules?.symbolicZeros ?? false,
      callJaxpr: undefined,
      constCount: 0,
    });
    return unflatten(outTree.get(), outs);
  };
  const custom: CustomVjp<unknown[], unknown> = Object.assign(named(call, name), {
    defvjp(
      fwd: (...args: never[]) => unknown,
      bwd: (...args: never[]) => unknown,
      ruleOptions: VjpRuleOptions = {},
    ) {
      rules = vjpRules(fwd, bwd, ruleOptions);
      return custom;
    },
  });
  return custom;
}

/** Values that are traced belong to the arguments that are differentiated: a rule would get them beside its own. */
function refuseTracers(name: string, nondiff: readonly unknown[]): void {
  const traced = flatten(nondiff).leaves.find((leaf) => leaf instanceof Tracer);
  if (traced !== undefined)
    throw new TracerLeakError(
      `customVjp: arguments in nondiffArgnums must not hold traced values; got ${String(traced)} in a call of ${name}. Pass it as another argument, and give null as its cotangent.`,
    );
}
