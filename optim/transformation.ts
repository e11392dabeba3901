/**
 * Gradient transformations after optax: pairs of pure functions `init(params) → state` and `update(updates, state, params) → [updates, state]`.
 * State is a tree of arrays, so that a jitted step takes and gives it without tracing again.
 */
import { asValue, describe, NDArray } from '../core/array.ts';
import { ArgumentError } from '../core/errors.ts';
import { flatten, map } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { add, div, min, mul, neg, square } from '../lax/arithmetic.ts';
import { convertElementType } from '../lax/convert.ts';
import { zerosLike } from '../lax/creation.ts';
import { reduceSum } from '../lax/structure.ts';
import { sqrt } from '../lax/transcendental.ts';

/** A tree of arrays: parameters, gradients, updates. */
export type Tree = unknown;

/** State of an optimizer: a tree of arrays. */
export type OptState = Tree;

/** A pair of pure functions that turns gradients into updates. */
export interface GradientTransformation {
  /** The state for these parameters. */
  readonly init: (params: Tree) => OptState;
  /** Updates to add to the parameters, and the next state. */
  readonly update: (
    updates: Tree,
    state: OptState,
    params?: Tree,
  ) => [updates: Tree, state: OptState];
}

/** A learning rate that depends on the number of steps made (i32[] → f32[]). */
export type Schedule = (count: Value) => Value | number;

/** Apply a function to the arrays of several trees of one structure. */
export function mapTrees(
  f: (...xs: Value[]) => Value,
  first: Tree,
  ...rest: readonly Tree[]
): Tree {
  return map(f as (...xs: unknown[]) => unknown, first, ...rest);
}

/** Zeros for every array. */
export const zerosOfTree = (tree: Tree): Tree => mapTrees((x) => zerosLike(x), tree);

/** The state of a transformation, of which only `init` knows the type. @throws ArgumentError when these parts are not there. */
export function stateOf<T extends object>(
  op: string,
  state: OptState,
  parts: readonly (keyof T & string)[],
): T {
  if (typeof state !== 'object' || state === null || !parts.every((part) => part in state))
    throw new ArgumentError(
      `${op}: the state must have ${parts.join(', ')}; got ${describe(state)}. Pass what init(params) or the last update gave.`,
    );
  // The door of the states: `init` of the same transformation made it.
  return state as T;
}

const checkFunction = (op: string, f: unknown): void => {
  if (typeof f !== 'function')
    throw new ArgumentError(`${op}: takes a function; got ${describe(f)}. Pass one.`);
};

/** A transformation without state. @throws ArgumentError when `f` is no function. */
export function stateless(f: (updates: Tree, params: Tree) => Tree): GradientTransformation {
  checkFunction('stateless', f);
  return {
    init: () => [],
    update: (updates, state, params) => [f(updates, params), state],
  };
}

/**
 * Apply transformations in order.
 *
 * @example
 * const optimizer = optim.chain(optim.clipByGlobalNorm(1), optim.scale(-0.1));
 */
export function chain(...parts: readonly GradientTransformation[]): GradientTransformation {
  for (const part of parts)
    if (typeof part?.init !== 'function' || typeof part.update !== 'function')
      throw new ArgumentError(
        `chain: the parts must be transformations with init and update; got ${describe(part)}. Pass what sgd, scale, … gave.`,
      );
  return {
    init: (params) => parts.map((part) => part.init(params)),
    update(updates, state, params) {
      const states = state as readonly OptState[];
      if (!Array.isArray(state) || states.length !== parts.length)
        throw new ArgumentError(
          `chain: the state must come from init of the same chain of ${parts.length} parts; got another. Call init(params) again.`,
        );
      let current = updates;
      const next = parts.map((part, i) => {
        const [changed, after] = part.update(current, states[i], params);
        current = changed;
        return after;
      });
      return [current, next];
    },
  };
}

/** Multiply all updates by a number. */
export const scale = (factor: number): GradientTransformation =>
  stateless((updates) => mapTrees((u) => mul(u, factor), updates));

/** Multiply all updates by a number that depends on how many steps were made. @throws ArgumentError when the schedule is no function. */
export function scaleBySchedule(schedule: Schedule): GradientTransformation {
  checkFunction('scaleBySchedule', schedule);
  return {
    init: () => ({ count: NDArray.fromHost([0], [], 'i32') }),
    update(updates, state) {
      const { count } = stateOf<{ count: Value }>('scaleBySchedule', state, ['count']);
      const factor = schedule(count);
      const scaled = mapTrees(
        (u) => mul(u, typeof factor === 'number' ? factor : convertElementType(factor, u.dtype)),
        updates,
      );
      return [scaled, { count: add(count, 1) }];
    },
  };
}

/** Multiply by minus the learning rate: from gradients to descent. */
export function scaleByLearningRate(rate: number | Schedule): GradientTransformation {
  if (typeof rate === 'number') return scale(-rate);
  if (typeof rate !== 'function')
    throw new ArgumentError(
      `scaleByLearningRate: the learning rate must be a number or a schedule; got ${describe(rate)}. Give one, for example 1e-3.`,
    );
  return scaleBySchedule((count) => {
    const factor = rate(count);
    return typeof factor === 'number' ? -factor : neg(factor);
  });
}

/** The square root of the sum of squares over all arrays: f32[]. */
export function globalNorm(tree: Tree): Value {
  const squares = flatten(tree).leaves.map((x) =>
    convertElementType(reduceSum(square(x as Value)), 'f32'),
  );
  return sqrt(squares.reduce((a, b) => add(a, b), NDArray.fromScalar(0, 'f32') as Value));
}

/** Scale updates down so that their global norm is at most `maxNorm`. @throws ArgumentError when it is not positive. */
export function clipByGlobalNorm(maxNorm: number): GradientTransformation {
  if (!(maxNorm > 0))
    throw new ArgumentError(`clipByGlobalNorm: maxNorm must be positive; got ${maxNorm}.`);
  return stateless((updates) => {
    const factor = min(div(maxNorm, globalNorm(updates)), 1);
    return mapTrees((u) => mul(u, convertElementType(factor, u.dtype)), updates);
  });
}

/**
 * params + updates.
 *
 * @throws TreeError when the trees differ in structure.
 * @example
 * String(optim.applyUpdates(np.float32(1), np.float32(2))); // → 3.0
 */
export const applyUpdates = <P>(params: P, updates: Tree): P =>
  mapTrees(
    (p, u) => add(p, convertElementType(u, asValue('applyUpdates', p).dtype)),
    params,
    updates,
  ) as P;
