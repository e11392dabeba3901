/**
 * A small vision transformer as pure functions: patch embedding, blocks of attention and a two-layer network, a linear head.
 * Attention is the kernel of `palladia/pallas`, written for one head and mapped over heads and batch; its gradient is a pair of kernels too.
 */
import { jit, valueAndGrad, vmap, type Value } from 'palladia';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as optim from 'palladia/optim';
import { ops } from 'palladia/pallas';
import * as random from 'palladia/random';
import { patchPixels, tokens } from './data.ts';

const width = 64;
const heads = 4;
const hidden = 128;
const classes = 10;
/** Mean and standard deviation of the pixels of handwritten digits. */
const meanPixel = 0.13;
const spreadPixel = 0.31;

/** A linear layer. */
export type Linear = { weight: Value; bias: Value };
/** Scale and shift of a normalisation. */
export type Norm = { scale: Value; shift: Value };
/** One transformer block. */
export type Block = {
  before: Norm;
  qkv: Linear;
  out: Linear;
  between: Norm;
  up: Linear;
  down: Linear;
};
/** All parameters. */
export type Params = { embed: Linear; position: Value; blocks: Block[]; last: Norm; head: Linear };

function initLinear(key: Value, inputs: number, outputs: number): Linear {
  const scale = Math.sqrt(1 / inputs);
  return {
    weight: np.multiply(random.normal(key, [inputs, outputs]), scale),
    bias: np.zeros([outputs]),
  };
}

const initNorm = (): Norm => ({ scale: np.ones([width]), shift: np.zeros([width]) });

/** Parameters from a random key. */
export function initParams(key: Value, depth: number): Params {
  const keys = random.split(key, 3 + 4 * depth);
  const at = (i: number): Value => keys.slice(i);
  return {
    embed: initLinear(at(0), patchPixels, width),
    position: np.multiply(random.normal(at(1), [tokens, width]), 0.02),
    blocks: Array.from({ length: depth }, (_, i) => ({
      before: initNorm(),
      qkv: initLinear(at(3 + 4 * i), width, 3 * width),
      out: initLinear(at(4 + 4 * i), width, width),
      between: initNorm(),
      up: initLinear(at(5 + 4 * i), width, hidden),
      down: initLinear(at(6 + 4 * i), hidden, width),
    })),
    last: initNorm(),
    head: initLinear(at(2), width, classes),
  };
}

const linear = (x: Value, { weight, bias }: Linear): Value => np.add(np.matmul(x, weight), bias);

const normalize = (x: Value, { scale, shift }: Norm): Value =>
  np.add(np.multiply(nn.standardize(x, { axis: -1 }), scale), shift);

/** Attention over batch and heads: the kernel knows one head; vmap adds the grid axes. */
const attention = vmap(
  vmap((q: Value, k: Value, v: Value) => ops.flashAttention(q, k, v, { causal: false })),
);

function attend(x: Value, block: Block): Value {
  const [batch] = x.shape;
  const qkv = np.reshape(linear(x, block.qkv), [batch, tokens, 3, heads, width / heads]);
  const parts = np.transpose(qkv, [2, 0, 3, 1, 4]);
  const part = (i: number): Value => parts.slice(i);
  const mixed = attention(part(0), part(1), part(2));
  return linear(np.reshape(np.transpose(mixed, [0, 2, 1, 3]), [batch, tokens, width]), block.out);
}

/** Logits of images: f32[batch, 16, 49] → f32[batch, 10]. */
export function forward(params: Params, images: Value): Value {
  const pixels = np.multiply(np.subtract(images, meanPixel), 1 / spreadPixel);
  let x = np.add(linear(pixels, params.embed), params.position);
  for (const block of params.blocks) {
    x = np.add(x, attend(normalize(x, block.before), block));
    x = np.add(x, linear(nn.gelu(linear(normalize(x, block.between), block.up)), block.down));
  }
  return linear(np.mean(normalize(x, params.last), { axis: 1 }), params.head);
}

/** Mean cross-entropy, and how many images are classified correctly. */
export function loss(params: Params, images: Value, labels: Value): [Value, Value] {
  const logits = forward(params, images);
  const target = nn.oneHot(labels, classes);
  const losses = np.negative(np.sum(np.multiply(nn.logSoftmax(logits), target), { axis: -1 }));
  const right = np.sum(np.equal(np.argmax(logits, { axis: -1 }), labels).astype('i32'));
  return [np.mean(losses), right];
}

/** What changes during training. */
export type State = { params: Params; optimizer: optim.OptState };

/** Initial state and the jitted functions of a training run. */
export interface Trainer {
  readonly init: (seed: number, depth: number) => State;
  /** One step of adamw; the old state is donated. */
  readonly step: (
    state: State,
    images: Value,
    labels: Value,
  ) => { state: State; loss: Value; right: Value };
  /** Mean loss and number of right answers. */
  readonly evaluate: (params: Params, images: Value, labels: Value) => [Value, Value];
  /** The predicted digit of every image. */
  readonly predict: (params: Params, images: Value) => Value;
}

/** Make the jitted functions of a training run; the learning rate rises for a twentieth of the steps, then falls along a cosine. */
export function makeTrainer(learningRate: number, totalSteps: number): Trainer {
  const warmup = Math.max(1, Math.round(totalSteps / 20));
  const schedule = optim.warmupCosineDecaySchedule(
    learningRate,
    warmup,
    Math.max(totalSteps, warmup + 1),
  );
  const optimizer = optim.adamw(schedule, { weightDecay: 0.05 });
  const gradient = valueAndGrad(loss, { hasAux: true });
  const step = (
    { params, optimizer: before }: State,
    images: Value,
    labels: Value,
  ): { state: State; loss: Value; right: Value } => {
    const [[value, right], grads] = gradient(params, images, labels);
    const [updates, after] = optimizer.update(grads, before, params);
    return {
      state: { params: optim.applyUpdates(params, updates), optimizer: after },
      loss: value,
      right,
    };
  };
  return {
    init: (seed, depth) => {
      const params = jit(() => initParams(random.key(seed), depth))();
      return { params, optimizer: optimizer.init(params) };
    },
    step: jit(step, { donateArgnums: [0] }),
    evaluate: jit(loss),
    predict: jit((params: Params, images: Value) =>
      np.argmax(forward(params, images), { axis: -1 }),
    ),
  };
}
