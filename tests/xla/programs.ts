/**
 * Programs whose StableHLO XLA must accept and compute like us. Each is a function and its arguments; arguments are all used, and nothing is
 * captured, so that the arguments are the inputs of the module. Add a program by adding an entry.
 */
import { grad, tree, valueAndGrad, vmap, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { ops } from 'palladia/pallas';
import * as random from 'palladia/random';
import { patchPixels, tokens } from '../../examples/digits/data.ts';
import { makeTrainer, type State } from '../../examples/digits/model.ts';

/** A program for XLA. */
export interface Program {
  readonly name: string;
  readonly f: (...args: Value[]) => unknown;
  readonly args: readonly Value[];
  /** Largest difference to XLA, relative and absolute; integers and bools must be equal. */
  readonly tolerance: number;
}

/** Numbers that look random, between -1 and 1, of any shape. */
export function noise(shape: readonly number[], seed = 1): Value {
  const size = shape.reduce((n, d) => n * d, 1);
  const values = Float32Array.from(
    { length: size },
    (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.95,
  );
  return np.reshape(np.array(values), shape);
}

const integers = (values: readonly number[]): Value => np.array(Int32Array.from(values));

const elementwise = (x: Value): Value[] => [
  np.multiply(np.sin(np.multiply(x, 3)), np.tanh(x)),
  np.exp(np.negative(np.square(x))),
  lax.logistic(np.multiply(x, 4)),
  lax.erf(x),
  lax.erfInv(np.multiply(x, 0.9)),
  np.arctan2(x, np.add(x, 2)),
  np.exp2(x),
  np.log1p(np.abs(x)),
  np.where(np.greater(x, 0), np.sqrt(np.abs(x)), np.cbrt(x)),
];

function softmax(x: Value): Value {
  const e = np.exp(np.subtract(x, lax.stopGradient(np.max(x, { axis: -1, keepdims: true }))));
  return np.divide(e, np.sum(e, { axis: -1, keepdims: true }));
}

/** Cross-entropy of a two-layer network. */
function loss(w: Value, b: Value, v: Value, x: Value, labels: Value): Value {
  const hidden = np.tanh(np.add(np.matmul(x, w), b));
  const logits = np.matmul(hidden, v);
  const wanted = np.equal(np.reshape(labels, [-1, 1]), np.arange(10));
  return np.negative(np.mean(np.sum(np.where(wanted, np.log(softmax(logits)), 0), { axis: 1 })));
}

const attention = vmap((q: Value, k: Value, v: Value) =>
  ops.flashAttention(q, k, v, { causal: true }),
);
const attentionLoss = (q: Value, k: Value, v: Value): Value => np.sum(np.sin(attention(q, k, v)));

/** Newton's square root, as a loop with a data-dependent end. */
const newton = (x: Value): unknown =>
  lax.whileLoop(
    ([y, i]: [Value, Value]) =>
      np.logicalAnd(np.less(i, 50), np.any(np.greater(np.abs(np.subtract(np.square(y), x)), 1e-3))),
    ([y, i]: [Value, Value]): [Value, Value] => [
      np.multiply(0.5, np.add(y, np.divide(x, y))),
      np.add(i, 1),
    ],
    [np.add(x, 1), lax.full([], 0, 'i32')],
  );

/** The last state of a small recurrent network. */
function recurrent(w: Value, h: Value, xs: Value): Value {
  const [last] = lax.scan(
    (state: Value, x: Value): [Value, Value] => {
      const next = np.tanh(np.add(np.matmul(state, w), x));
      return [next, np.sum(next)];
    },
    h,
    xs,
  );
  return np.sum(np.square(np.asarray(last)));
}

function branches(x: Value): unknown[] {
  const sorted = np.sort(x, -1);
  const chosen = lax.cond(
    np.greater(np.sum(x), 0),
    (y: Value) => np.multiply(y, 2),
    (y: Value) => np.cos(y),
    x,
  );
  return [sorted, np.argmax(x, { axis: 1 }), np.argmin(x, { axis: 0 }), chosen, np.argsort(x, -1)];
}

const tableLoss = (table: Value, rows: Value): Value =>
  np.sum(np.square(np.cumsum(np.take(table, rows, { axis: 0 }), { axis: 0 })));

const wholeNumbers = (x: Value, y: Value): Value[] => [
  lax.div(x, y),
  lax.rem(x, y),
  np.floorDivide(x, y),
  np.remainder(x, y),
  lax.shiftRightArithmetic(x, np.bitwiseAnd(y, 31)),
  lax.shiftRightLogical(x, np.bitwiseAnd(y, 31)),
  lax.populationCount(x),
  lax.convertElementType(lax.mul(x, y), 'f32'),
  lax.convertElementType(lax.convertElementType(x, 'f32'), 'u8'),
];

const randomNumbers = (key: Value): Value[] => {
  const keys = random.split(random.foldIn(key, 3));
  return [
    random.bits(np.take(keys, 0, { axis: 0 }), [4, 5]),
    random.uniform(np.take(keys, 1, { axis: 0 }), [7, 3]),
  ];
};

const trainer = makeTrainer(0.004, 100);
const start = tree.flatten(trainer.init(0, 1));

/** The digits demo's training step on flat arguments: parameters and optimizer state, then images and labels. */
function trainingStep(...args: Value[]): unknown {
  const leaves = args.slice(0, -2);
  const [images, labels] = args.slice(-2);
  return trainer.step(tree.unflatten(start.treedef, leaves) as State, images, labels);
}

/** The list. */
export const programs = (): Program[] => [
  { name: 'elementwise', f: elementwise, args: [noise([5, 7])], tolerance: 2e-6 },
  {
    name: 'softmax_gradient',
    f: grad((x: Value, y: Value) => np.sum(np.multiply(softmax(x), y))),
    args: [noise([6, 9]), noise([6, 9], 2)],
    tolerance: 1e-6,
  },
  {
    name: 'network_step',
    f: valueAndGrad(loss, { argnums: [0, 1, 2] }),
    args: [
      noise([12, 16]),
      noise([16], 2),
      noise([16, 10], 3),
      noise([8, 12], 4),
      integers([1, 0, 9, 3, 4, 4, 7, 2]),
    ],
    tolerance: 1e-5,
  },
  {
    name: 'attention_kernel',
    f: attention,
    args: [1, 2, 3].map((seed) => noise([2, 13, 8], seed)),
    tolerance: 1e-5,
  },
  {
    name: 'attention_kernel_gradient',
    f: grad(attentionLoss, { argnums: [0, 1, 2] }),
    args: [4, 5, 6].map((seed) => noise([2, 13, 8], seed)),
    tolerance: 1e-5,
  },
  {
    name: 'while_newton',
    f: newton,
    args: [np.add(np.abs(noise([9])), 0.5)],
    tolerance: 1e-6,
  },
  {
    name: 'scan_gradient',
    f: grad(recurrent, { argnums: [0, 1] }),
    args: [noise([4, 4]), noise([4], 2), noise([6, 4], 3)],
    tolerance: 1e-5,
  },
  {
    name: 'sort_and_branches',
    f: branches,
    args: [noise([4, 11])],
    tolerance: 1e-6,
  },
  {
    name: 'take_cumsum_gradient',
    f: grad(tableLoss),
    args: [noise([6, 3]), integers([0, 5, 2, 2, 1])],
    tolerance: 1e-5,
  },
  {
    name: 'whole_numbers',
    f: wholeNumbers,
    args: [integers([7, -7, 0, 2 ** 31 - 1, -(2 ** 31), 100]), integers([2, 2, 5, 0, -1, -9])],
    tolerance: 0,
  },
  {
    name: 'digits_training_step',
    f: trainingStep,
    args: [
      ...(start.leaves as Value[]),
      noise([4, tokens, patchPixels], 7),
      integers([3, 1, 4, 1]),
    ],
    tolerance: 1e-3,
  },
  { name: 'random_numbers', f: randomNumbers, args: [random.key(7)], tolerance: 0 },
];
