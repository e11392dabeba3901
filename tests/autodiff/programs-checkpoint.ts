/** Twins of the programs in record.py: `checkpoint`, its policies, and what the tallies count. */
import {
  checkpoint,
  checkpointName,
  checkpointPolicies as policies,
  cond,
  grad,
  hessian,
  jit,
  jvp,
  linearize,
  scan,
  valueAndGrad,
  vmap,
  type CheckpointOptions,
  type CheckpointPolicy,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { ramp, vec, type Programs } from './kit.ts';

/** A function to differentiate, and its arguments. */
export type Counted = readonly [f: (...args: never[]) => Value, ...args: unknown[]];
type Unary = (x: Value) => Value;
type Policy = CheckpointPolicy | undefined;

const sin2: Unary = (x) => np.sin(np.sin(x));
const threeDots: Unary = (x) => {
  const first = np.sin(np.dot(x, x));
  return np.dot(np.sin(np.dot(first, x)), x);
};
const named3: Unary = (x) => np.sin(checkpointName(np.sin(checkpointName(np.sin(x), 'a')), 'b'));
const withPolicy = (policy: Policy): CheckpointOptions => (policy === undefined ? {} : { policy });

/** The model of JAX's guide: three layers of a matrix and a sine, with names. */
const model = (ws: readonly Value[], x: Value): Value => {
  const layer = (w: Value, v: Value, name: string): Value =>
    np.sin(checkpointName(np.dot(w, v), name));
  return np.sum(layer(ws[2], layer(ws[1], layer(ws[0], x, 'first'), 'second'), 'third'));
};
const layers = (policy: Policy): ((ws: readonly Value[], x: Value) => Value) =>
  checkpoint(model, withPolicy(policy));

const weights = [ramp(5, 4), ramp(6, 5), ramp(3, 6)];
const start = vec(1, 2, 3, 4);
const namedPolicies: Readonly<Record<string, Policy>> = {
  'no policy': undefined,
  everything: policies.everythingSaveable,
  nothing: policies.nothingSaveable,
  dots: policies.dotsSaveable,
  'dots without batch axes': policies.dotsWithNoBatchDimsSaveable,
  'only the first': policies.saveOnlyTheseNames('first'),
  'only two names': policies.saveOnlyTheseNames('first', 'third'),
  'any names but one': policies.saveAnyNamesButThese('second'),
  'both policies': policies.saveFromBothPolicies(
    policies.saveOnlyTheseNames('first'),
    policies.saveOnlyTheseNames('second'),
  ),
  offload: policies.saveAndOffloadOnlyTheseNames({
    namesWhichCanBeSaved: ['first'],
    namesWhichCanBeOffloaded: ['second'],
    offloadSrc: 'device',
    offloadDst: 'pinned_host',
  }),
  'offload dots': policies.offloadDotWithNoBatchDims('device', 'pinned_host'),
  'no sines': (prim) => prim.name !== 'sin' && prim.name !== 'cos',
};

/** Values and derivatives. */
export const checkpointPrograms: Programs = {
  'checkpoint: values and derivatives': () =>
    Object.values(namedPolicies)
      .slice(0, 9)
      .map((p) => valueAndGrad(layers(p), { argnums: [0, 1] })(weights, start)),
  'checkpoint: under every transformation': () => {
    const f = checkpoint((x: Value) => np.sin(np.sin(x).mul(x)), {
      policy: policies.everythingSaveable,
    });
    const g: Unary = (x) => f(x);
    return [
      jvp(g, [0.5], [2]),
      grad(g)(0.5),
      grad((x: Value) => grad(g)(x))(0.5),
      hessian(g)(0.5),
      vmap(grad(g))(vec(1, 2)),
      jit(grad(jit(g)))(0.5),
      linearize(g, 0.5)[1](2),
    ];
  },
  'checkpoint: static arguments': () => {
    const f = checkpoint((x: Value, n: number, g: Unary) => (n > 2 ? g(x) : x), {
      staticArgnums: [1, 2],
    });
    return grad((x: Value) => f(x, 3, np.sin))(0.5);
  },
  'checkpoint: a scan of checkpointed steps': () =>
    grad((w: Value) => {
      const step = checkpoint((c: Value, x: Value) => [np.sin(c.mul(w).add(x)), c] as const, {
        preventCse: false,
      });
      return scan(step, np.array(0.1), vec(1, 2, 3))[0];
    })(0.5),
  'checkpoint: of a cond': () =>
    [undefined, policies.everythingSaveable].flatMap((policy) => {
      const f = checkpoint(
        (x: Value) => cond(np.greater(x, 0), sin2, (v: Value) => np.exp(v), x),
        withPolicy(policy),
      );
      return [0.5, -0.5].map((x) => grad((v: Value) => f(v))(x));
    }),
};

const counted: Record<string, Counted> = {};
for (const [name, policy] of Object.entries(namedPolicies)) {
  counted[`layers: ${name}`] = [layers(policy), weights, start];
  counted[`layers under jit: ${name}`] = [jit(layers(policy)), weights, start];
  if (name.startsWith('offload')) continue;
  const inner = jit(model);
  counted[`layers in a jit inside: ${name}`] = [
    checkpoint((ws: readonly Value[], x: Value) => inner(ws, x), withPolicy(policy)),
    weights,
    start,
  ];
}

const nest = (outer: Policy, inner: Policy): Unary =>
  checkpoint(
    (x: Value) => np.sin(checkpoint(sin2, withPolicy(inner))(np.sin(x))),
    withPolicy(outer),
  );
for (const outer of ['no policy', 'everything'])
  for (const inner of ['no policy', 'everything'])
    counted[`nested: ${inner} in ${outer}`] = [nest(namedPolicies[outer], namedPolicies[inner]), 1];

const ofNames: Readonly<Record<string, Policy>> = {
  'no policy': undefined,
  everything: policies.everythingSaveable,
  'only the first': policies.saveOnlyTheseNames('a'),
  'any names but one': policies.saveAnyNamesButThese('a'),
};
for (const [name, policy] of Object.entries(ofNames)) {
  const f = checkpoint(named3, withPolicy(policy));
  counted[`names: ${name}`] = [f, 1];
  counted[`a scan of steps: ${name}`] = [
    (x: Value) => {
      const step = checkpoint(
        (c: Value, _: null) => [named3(c), null] as const,
        withPolicy(policy),
      );
      return scan(step, x, null, { length: 3 })[0];
    },
    1,
  ];
}

for (const name of ['no policy', 'everything', 'dots']) {
  const options = withPolicy(namedPolicies[name]);
  const matrix = ramp(4, 4);
  counted[`a scan inside: ${name}`] = [
    checkpoint(
      (w: Value, x: Value) =>
        np.sum(
          scan((c: Value, _: null) => [np.sin(np.dot(w, c)), null], x, null, { length: 3 })[0],
        ),
      options,
    ),
    matrix,
    start,
  ];
  counted[`a cond inside: ${name}`] = [
    checkpoint(
      (w: Value, x: Value) =>
        np.sum(
          cond(
            np.greater(x.at(0).get(), 0),
            (v: Value) => np.sin(np.dot(w, v)),
            (v: Value) => np.cos(np.dot(w, np.dot(w, v))),
            x,
          ),
        ),
      options,
    ),
    matrix,
    start,
  ];
  const twice = checkpoint(sin2, options);
  counted[`a second derivative: ${name}`] = [grad((x: Value) => twice(x)), 1];
  counted[`vmap: ${name}`] = [
    (ws: readonly Value[], x: Value) =>
      np.sum(vmap((v: Value) => layers(namedPolicies[name])(ws, v))(x)),
    weights,
    ramp(2, 4),
  ];
}

const batchedDots: Unary = (x) => np.sum(np.sin(np.einsum('bij,bjk->bik', x, x)));
const deep = checkpoint((x: Value) => {
  const middle = checkpoint((y: Value) => checkpoint(sin2)(np.sin(y)));
  return middle(np.sin(x));
});

/** Functions whose gradients are counted. */
export const checkpointCounts: Readonly<Record<string, Counted>> = {
  ...counted,
  'no checkpoint': [model, weights, start],
  'sin of sin': [checkpoint(sin2), 1],
  'sin of a checkpoint': [(x: Value) => np.sin(checkpoint(sin2)(x)), 1],
  'a checkpoint of a sum of dots': [
    checkpoint((x: Value) => np.sum(threeDots(x)), { policy: policies.dotsSaveable }),
    ramp(3, 3),
  ],
  'batched dots': [
    checkpoint(batchedDots, { policy: policies.dotsWithNoBatchDimsSaveable }),
    ramp(2, 3, 3),
  ],
  'batched dots saved': [checkpoint(batchedDots, { policy: policies.dotsSaveable }), ramp(2, 3, 3)],
  'nested three times': [deep, 1],
};
