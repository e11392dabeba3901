/** Two ways to write custom derivatives of functions that capture values: `customGradient` and `closureConvert`. */
import { describe } from '../core/array.ts';
import { TreeError } from '../core/errors.ts';
import { checkFunction } from '../core/options.ts';
import { avalsOf, Tracer } from '../core/trace.ts';
import { unflatten } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { customVjp } from './custom.ts';
import { checkSync, flattenFunction, flattenValues, nameOf, named } from './flat-function.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { merge } from './jaxpr-cache.ts';
import type { Inputs, Output } from './signature.ts';
import { hoistConsts, traceClosed, traceToJaxpr } from './stage.ts';
import { isDifferentiable, tangentAval } from './zeros.ts';

/** A result, and the function that takes its cotangent to a list with one entry per argument, null for zero. */
export type WithGradient<R> = readonly [R, (cotangent: never) => unknown];

/** What the backward function of one call needs. */
interface Recorded {
  readonly consts: readonly Value[];
  /** Captured values, cotangent → cotangents of the arguments. */
  readonly backward: (consts: readonly Value[], cotangent: unknown) => unknown;
}

/**
 * A function that gives its own gradient along with its result: `f(…args) → [result, cotangent → one entry per argument]`. A single
 * argument needs no list around its cotangent.
 *
 * @throws TreeError when the function returns no such pair; TreeError, ShapeError or DTypeError when the cotangents do not fit.
 * @example
 * const clip = customGradient((x: Value) => [x, (ct: Value) => lax.clamp(-1, ct, 1)]);
 * String(grad((x) => lax.mul(clip(x), 5))(3)); // → 1.0
 */
export function customGradient<A extends readonly Value[], R>(
  f: (...args: A) => WithGradient<R>,
): (...args: Inputs<A>) => Output<R>;
export function customGradient<A extends readonly unknown[], R>(
  f: (...args: A) => WithGradient<R>,
): (...args: Inputs<A>) => Output<R>;
export function customGradient(f: (...args: never[]) => unknown): (...args: unknown[]) => unknown {
  checkFunction('customGradient', f);
  const name = nameOf(f);
  const result = (...args: unknown[]): unknown => resultAndRule(name, f(...(args as never[])))[0];
  const custom = customVjp<unknown[], unknown>(named(result, name));
  custom.defvjp(
    (...args: never[]) => {
      const [out, rule] = resultAndRule(name, f(...args));
      return [out, recordRule(name, out, rule)];
    },
    ({ consts, backward }: Recorded, ct: unknown) => backward(consts, ct),
  );
  return custom;
}

function resultAndRule(name: string, pair: unknown): readonly [unknown, (ct: never) => unknown] {
  checkSync('customGradient', resultAndRule, pair);
  if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[1] !== 'function')
    throw new TreeError(
      `customGradient: the function must return a pair [result, function of the cotangent]; got ${describe(pair)} from ${name}. Return both.`,
    );
  return [pair[0], pair[1] as (ct: never) => unknown];
}

/** Record the rule now, while what it captures is alive: the captured values become residuals. */
function recordRule(name: string, out: unknown, rule: (ct: never) => unknown): Recorded {
  // The tree of the list of arguments that holds the cotangent alone.
  const { values, treedef } = flattenValues('customGradient', 'the result', [out]);
  const asList = (ct: never): unknown => {
    const result = checkSync('customGradient', rule, rule(ct));
    return Array.isArray(result) ? result : [result];
  };
  const flat = flattenFunction('customGradient', asList, treedef);
  const { jaxpr, consts } = traceClosed(flat.fun, avalsOf(values).map(tangentAval), name);
  const outTree = flat.outTree();
  return {
    consts,
    backward: (captured, ct) => {
      const cts = flattenValues('customGradient', 'the cotangent', ct).values;
      return unflatten(outTree, evalJaxpr(jaxpr, [...captured, ...cts]));
    },
  };
}

/**
 * A function that takes the differentiated values it captures as arguments, so that a custom rule may call it: gives the function
 * of the arguments followed by those values, and the values. Other captured values stay inside. `examples` say the types of the
 * arguments.
 *
 * @throws TreeError when an argument or result is no array; the returned function TreeError when it gets other trees.
 * @example
 * const outer = (y: Value) => {
 *   const [f, captured] = closureConvert((x: Value) => lax.mul(x, y), 1);
 *   return f(3, ...captured);
 * };
 * String(grad(outer)(2)); // → 3.0
 */
export function closureConvert<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...examples: Inputs<A>
): [converted: (...args: [...Inputs<A>, ...Value[]]) => Output<R>, captured: Value[]] {
  const { values, treedef } = flattenValues('closureConvert', 'args', examples);
  const flat = flattenFunction('closureConvert', f, treedef);
  const { jaxpr, consts } = hoistConsts(traceToJaxpr(flat.fun, avalsOf(values), nameOf(f)));
  const isHoisted = consts.map((x) => x instanceof Tracer && isDifferentiable(x.aval));
  const kept = consts.filter((_, i) => !isHoisted[i]);
  const outTree = flat.outTree();
  const converted = (...all: unknown[]): unknown => {
    const given = flattenValues('closureConvert', 'args', all.slice(0, examples.length));
    if (!given.treedef.equals(treedef))
      throw new TreeError(
        `closureConvert: the arguments must have the trees of the examples, ${treedef.toString()}; got ${given.treedef.toString()}. Convert the function again.`,
      );
    const hoisted = flattenValues('closureConvert', 'captured', all.slice(examples.length)).values;
    return unflatten(
      outTree,
      evalJaxpr(jaxpr, [...merge(isHoisted, hoisted, kept), ...given.values]),
    );
  };
  return [
    named(converted, nameOf(f)) as (...args: [...Inputs<A>, ...Value[]]) => Output<R>,
    consts.filter((_, i) => isHoisted[i]),
  ];
}
