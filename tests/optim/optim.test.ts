// Optimizers against optax (record.py), and what a training loop needs of their states.
import { describe, expect, test } from 'vitest';
import { grad, jit, setDefaultDevice, tree, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import * as optim from 'palladia/optim';
import golden from './golden.json' with { type: 'json' };

setDefaultDevice('interpreter');

type Params = Record<'b' | 'w', Value>;
type State = [params: Params, optimizer: optim.OptState];

const treeOf = ([b, w]: readonly (readonly number[])[]): Params => ({
  b: np.array(b),
  w: np.array(w).reshape([2, 3]),
});
const numbers = (t: unknown): number[] =>
  (tree.leaves(t) as Value[]).flatMap((x) => Array.from(x.dataSync(), Number));

const optimizers: Record<keyof typeof golden.steps, optim.GradientTransformation> = {
  sgd: optim.sgd(0.1),
  momentum: optim.momentum(0.1, 0.9),
  nesterov: optim.sgd(0.1, { momentum: 0.9, nesterov: true }),
  adam: optim.adam(0.01),
  adamOptions: optim.adam(0.01, { b1: 0.8, b2: 0.9, eps: 1e-3 }),
  adamw: optim.adamw(0.01, { weightDecay: 0.1 }),
  clipped: optim.chain(optim.clipByGlobalNorm(1), optim.sgd(1)),
  scheduled: optim.sgd(optim.cosineDecaySchedule(0.1, 4, 0.1)),
  adamScheduled: optim.adam(optim.linearSchedule(0.1, 0, 4)),
};

describe.each(Object.entries(optimizers))('%s', (name, optimizer) => {
  test.each([false, true])('takes the steps of optax; jitted: %s', (jitted) => {
    let traces = 0;
    const plain = ([params, state]: State, grads: Params): State => {
      traces++;
      const [updates, next] = optimizer.update(grads, state, params);
      return [optim.applyUpdates(params, updates), next];
    };
    const step: typeof plain = jitted ? jit(plain) : plain;
    let now: State = [treeOf(golden.params), optimizer.init(treeOf(golden.params))];
    golden.grads.forEach((g, i) => {
      now = step(now, treeOf(g));
      const wanted = golden.steps[name as keyof typeof golden.steps][i].flat();
      numbers(now[0]).forEach((x, k) => expect(x).toBeCloseTo(wanted[k], 6));
    });
    expect(traces).toBe(jitted ? 1 : 3);
  });
});

test.each([
  ['linearSchedule', optim.linearSchedule(1, 0.2, 4)],
  ['cosineDecaySchedule', optim.cosineDecaySchedule(2, 5, 0.1)],
  ['warmupCosineDecaySchedule', optim.warmupCosineDecaySchedule(1, 3, 8)],
] as const)('%s', (name, schedule) => {
  golden.schedules[name].forEach((wanted, i) => {
    expect(Number(np.asarray(schedule(np.int32(i))).item())).toBeCloseTo(wanted, 6);
  });
});

test('a quadratic is minimized', () => {
  const optimizer = optim.adam(0.1);
  const loss = (x: Value): Value => np.sum(np.square(np.subtract(x, 3)));
  const step = jit(([x, state]: readonly [Value, optim.OptState]): [Value, optim.OptState] => {
    const [updates, next] = optimizer.update(grad(loss)(x), state, x);
    return [optim.applyUpdates(x, updates), next];
  });
  let now: readonly [Value, optim.OptState] = [np.zeros(2), optimizer.init(np.zeros(2))];
  for (let i = 0; i < 200; i++) now = step(now);
  const [x] = now;
  expect(np.allclose(x, 3, { atol: 1e-2 }).item()).toBe(true);
});

test('errors', () => {
  expect(() => optim.adamw(0.1).update(np.ones(2), optim.adamw(0.1).init(np.ones(2)))).toThrow(
    'parameters',
  );
  expect(() => optim.applyUpdates({ a: np.ones(2) }, { b: np.ones(2) })).toThrow(
    'trees must have the same structure',
  );
});

test('states and parts of other types are refused', () => {
  const x = np.ones(2);
  expect(() => optim.scaleByAdam().update(x, undefined)).toThrow(
    'adam: the state must have count, mu, nu; got undefined. Pass what init(params) or the last update gave.',
  );
  expect(() => optim.scaleByAdam().update(x, { count: 1 })).toThrow('adam: the state must have');
  expect(() => optim.trace(0.9).update(x, null)).toThrow('trace: the state must have trace');
  expect(() => optim.scaleBySchedule(() => 1).update(x, 3)).toThrow('scaleBySchedule: the state');
  expect(() => optim.scaleBySchedule(0.1 as never)).toThrow('scaleBySchedule: takes a function');
  expect(() => optim.stateless(0.1 as never)).toThrow('stateless: takes a function');
  expect(() => optim.chain(0.1 as never)).toThrow('chain: the parts must be transformations');
});
