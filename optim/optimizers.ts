/** The usual optimizers, as optax composes them: sgd, momentum, adam (Kingma and Ba, 2015), adamw (Loshchilov and Hutter, 2019). */
import { describe, NDArray } from '../core/array.ts';
import { ArgumentError } from '../core/errors.ts';
import { knownOptions } from '../core/options.ts';
import type { Value } from '../core/value.ts';
import { add, div, mul, square, sub } from '../lax/arithmetic.ts';
import { convertElementType } from '../lax/convert.ts';
import { pow, sqrt } from '../lax/transcendental.ts';
import {
  chain,
  mapTrees,
  scaleByLearningRate,
  stateless,
  stateOf,
  zerosOfTree,
  type GradientTransformation,
  type Schedule,
  type Tree,
} from './transformation.ts';

/** Options of `sgd`. */
export interface SgdOptions {
  /** Share of the last update that is kept; none when left out. */
  readonly momentum?: number;
  /** Look ahead along the momentum. */
  readonly nesterov?: boolean;
}

/** Keep a running sum of updates: trace ← update + decay · trace. */
export function trace(decay: number, nesterov = false): GradientTransformation {
  return {
    init: (params) => ({ trace: zerosOfTree(params) }),
    update(updates, state) {
      const next = mapTrees(
        (u, t) => add(u, mul(t, decay)),
        updates,
        stateOf<{ trace: Tree }>('trace', state, ['trace']).trace,
      );
      const given = nesterov ? mapTrees((u, t) => add(u, mul(t, decay)), updates, next) : next;
      return [given, { trace: next }];
    },
  };
}

/**
 * Stochastic gradient descent: update = -rate · gradient.
 *
 * @example
 * const optimizer = optim.sgd(0.1);
 * const [updates] = optimizer.update(np.float32(2), optimizer.init(np.float32(1)));
 * String(updates); // → -0.2
 */
export function sgd(
  learningRate: number | Schedule,
  options: SgdOptions = {},
): GradientTransformation {
  const known = ['momentum', 'nesterov'] as const;
  const { momentum: decay, nesterov = false } = knownOptions('sgd', options, known);
  if (decay !== undefined && typeof decay !== 'number')
    throw new ArgumentError(
      `sgd: momentum must be a number; got ${describe(decay)}. Give one, for example 0.9.`,
    );
  const descent = scaleByLearningRate(learningRate);
  return decay === undefined ? descent : chain(trace(decay, nesterov), descent);
}

/** Gradient descent with momentum. */
export const momentum = (
  learningRate: number | Schedule,
  decay = 0.9,
  nesterov = false,
): GradientTransformation => sgd(learningRate, { momentum: decay, nesterov });

/** Options of `adam`. */
export interface AdamOptions {
  readonly b1?: number;
  readonly b2?: number;
  readonly eps?: number;
}

/** Options of `adamw`. */
export interface AdamwOptions extends AdamOptions {
  readonly weightDecay?: number;
}

interface AdamState {
  readonly count: Value;
  readonly mu: Tree;
  readonly nu: Tree;
}

/** Divide the running mean of gradients by the root of the running mean of their squares, both without bias. @throws ArgumentError for rates outside [0, 1). */
export function scaleByAdam(options: AdamOptions = {}): GradientTransformation {
  const { b1 = 0.9, b2 = 0.999, eps = 1e-8 } = knownOptions('adam', options, ['b1', 'b2', 'eps']);
  for (const [name, rate] of Object.entries({ b1, b2 }))
    if (!(rate >= 0 && rate < 1))
      throw new ArgumentError(`adam: ${name} must be in [0, 1); got ${rate}.`);
  return {
    init: (params) => ({
      count: NDArray.fromHost([0], [], 'i32'),
      mu: zerosOfTree(params),
      nu: zerosOfTree(params),
    }),
    update(updates, state) {
      const { count, mu, nu } = stateOf<AdamState>('adam', state, ['count', 'mu', 'nu']);
      const next = add(count, 1);
      const steps = convertElementType(next, 'f32');
      const first = mapTrees((g, m) => add(mul(g, 1 - b1), mul(m, b1)), updates, mu);
      const second = mapTrees((g, v) => add(mul(square(g), 1 - b2), mul(v, b2)), updates, nu);
      const bias = (b: number): Value => sub(1, pow(NDArray.fromScalar(b, 'f32'), steps));
      const [bias1, bias2] = [bias(b1), bias(b2)];
      const corrected = mapTrees(
        (m, v) => {
          const mean = div(m, convertElementType(bias1, m.dtype));
          const spread = sqrt(div(v, convertElementType(bias2, v.dtype)));
          return div(mean, add(spread, eps));
        },
        first,
        second,
      );
      return [corrected, { count: next, mu: first, nu: second }];
    },
  };
}

/** Add a share of the parameters to the updates. */
export const addDecayedWeights = (weightDecay: number): GradientTransformation =>
  stateless((updates, params) => {
    if (params === undefined)
      throw new ArgumentError(
        'adamw: update needs the parameters; got none. Call update(gradients, state, params).',
      );
    return mapTrees((u, p) => add(u, mul(p, weightDecay)), updates, params);
  });

/** Adam. */
export const adam = (
  learningRate: number | Schedule,
  options: AdamOptions = {},
): GradientTransformation => chain(scaleByAdam(options), scaleByLearningRate(learningRate));

/** Adam with decoupled weight decay. */
export const adamw = (
  learningRate: number | Schedule,
  { weightDecay = 1e-4, ...options }: AdamwOptions = {},
): GradientTransformation =>
  chain(scaleByAdam(options), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate));
