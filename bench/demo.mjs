// The training step of examples/digits as a workload: sizes, parameters and the losses that every peer must reach. The model itself
// stands in examples/digits/model.ts for Palladia and in jaxjs-demo.mjs for jax-js.
import { randf } from './common.mjs';

export const DEMO = {
  batch: 100,
  tokens: 16,
  patchPixels: 49,
  width: 64,
  heads: 4,
  hidden: 128,
  classes: 10,
  depth: 2,
  learningRate: 0.004,
  // 12 epochs of 90 steps
  totalSteps: 1080,
  weightDecay: 0.05,
};

/** Losses of the first steps, on which the two models agree to 1e-5; the learning rate rises from 0, so the second equals the first. */
const firstLosses = [2.63074, 2.63074, 2.59973, 2.54228, 2.46889];

/** Parameters as a tree whose leaves are `{ data, shape }`. */
function parameters() {
  const { tokens, patchPixels, width, hidden, classes, depth } = DEMO;
  let seed = 30;
  const leaf = (shape, scale) => ({
    data: randf(
      shape.reduce((n, d) => n * d, 1),
      seed++,
      -scale,
      scale,
    ),
    shape,
  });
  const filled = (n, value) => ({ data: new Float32Array(n).fill(value), shape: [n] });
  const linear = (inputs, outputs) => ({
    weight: leaf([inputs, outputs], Math.sqrt(3 / inputs)),
    bias: filled(outputs, 0),
  });
  const norm = () => ({ scale: filled(width, 1), shift: filled(width, 0) });
  return {
    embed: linear(patchPixels, width),
    position: leaf([tokens, width], 0.03),
    blocks: Array.from({ length: depth }, () => ({
      before: norm(),
      qkv: linear(width, 3 * width),
      out: linear(width, width),
      between: norm(),
      up: linear(width, hidden),
      down: linear(hidden, width),
    })),
    last: norm(),
    head: linear(width, classes),
  };
}

/** The inputs of the workload. */
export const demoInputs = () => ({
  params: parameters(),
  images: {
    data: randf(DEMO.batch * DEMO.tokens * DEMO.patchPixels, 29, 0, 1),
    shape: [DEMO.batch, DEMO.tokens, DEMO.patchPixels],
  },
  labels: Int32Array.from({ length: DEMO.batch }, (_, i) => (i * 7) % DEMO.classes),
});

/** The tree with an array for every leaf. */
export function arraysOf(tree, make) {
  if (tree.data !== undefined) return make(tree.data, tree.shape);
  if (Array.isArray(tree)) return tree.map((part) => arraysOf(part, make));
  return Object.fromEntries(Object.entries(tree).map(([k, part]) => [k, arraysOf(part, make)]));
}

/** Time `step`, which makes one training step and gives its loss, once its first losses are right. */
export async function timeDemo(step, timeIt) {
  const losses = [];
  for (const want of firstLosses) {
    const loss = await step();
    losses.push(loss);
    if (!(Math.abs(loss - want) < 1e-4 * want))
      throw new Error(`loss of step ${losses.length} is ${loss}, must be ${want}`);
  }
  return { times: await timeIt(step), losses: losses.map((v) => +v.toFixed(4)) };
}
