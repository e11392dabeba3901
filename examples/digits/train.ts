/** The training loop: batches in, losses and accuracies out, with a progress bar on terminals and plain lines elsewhere. */
import cliProgress from 'cli-progress';
import { jit, makeJaxpr, vmap, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import { ops } from 'palladia/pallas';
import {
  generator,
  labelsOf,
  patches,
  patchPixels,
  shuffled,
  tokens,
  type Digits,
} from './data.ts';
import type { Options } from './options.ts';
import { makeTrainer, type Params, type Trainer } from './model.ts';

/** What one epoch came to. */
export interface Epoch {
  readonly epoch: number;
  readonly loss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly seconds: number;
}

/** Everything that the report shows. */
export interface TrainingResult {
  readonly losses: readonly number[];
  readonly epochs: readonly Epoch[];
  /** Held-out images, their digits and what the model says. */
  readonly shown: Int32Array;
  readonly predicted: Int32Array;
  readonly seconds: number;
  readonly stages: readonly { readonly title: string; readonly text: string }[];
}

const images = (digits: Digits, order: Int32Array): Value =>
  np.reshape(np.array(patches(digits, order)), [order.length, tokens, patchPixels]);
const labels = (digits: Digits, order: Int32Array): Value => np.array(labelsOf(digits, order));

async function numberOf(x: Value): Promise<number> {
  const [value] = await np.asarray(x).data();
  return Number(value);
}

interface Progress {
  step(done: number, loss: number): void;
  stop(): void;
}

/** A bar with rate and time left on a terminal; a line every tenth of the epoch elsewhere. */
function progress(epoch: number, steps: number, batch: number): Progress {
  if (!process.stderr.isTTY) {
    const every = Math.max(1, Math.ceil(steps / 4));
    const start = performance.now();
    return {
      step: (done, loss) => {
        if (done % every !== 0) return;
        const rate = (done * batch) / ((performance.now() - start) / 1000);
        const left = ((steps - done) * batch) / rate;
        console.log(
          `epoch ${epoch}  step ${done}/${steps}  loss ${loss.toFixed(4)}  ${rate.toFixed(0)} images/s  ${left.toFixed(0)} s left`,
        );
      },
      stop: () => undefined,
    };
  }
  const bar = new cliProgress.SingleBar(
    {
      format: `epoch ${epoch} {bar} {value}/{total}  loss {loss}  {rate} images/s  {eta_formatted} left`,
      hideCursor: true,
      clearOnComplete: true,
    },
    cliProgress.Presets.shades_classic,
  );
  const start = performance.now();
  bar.start(steps, 0, { loss: '', rate: '' });
  return {
    step: (done, loss) =>
      bar.update(done, {
        loss: loss.toFixed(4),
        rate: ((done * batch) / ((performance.now() - start) / 1000)).toFixed(0),
      }),
    stop: () => bar.stop(),
  };
}

async function accuracy(
  trainer: Trainer,
  params: Params,
  digits: Digits,
  order: Int32Array,
  batch: number,
): Promise<number> {
  let right = 0;
  for (let at = 0; at < order.length; at += batch) {
    const part = order.subarray(at, at + batch);
    const [, hits] = trainer.evaluate(params, images(digits, part), labels(digits, part));
    right += await numberOf(hits);
  }
  return right / order.length;
}

/** The texts of the attention kernel's stages, mapped over batch and heads. */
function stagesOf(): TrainingResult['stages'] {
  const attention = vmap(
    vmap((q: Value, k: Value, v: Value) => ops.flashAttention(q, k, v, { causal: false })),
  );
  const one = np.zeros([2, 4, tokens, 16]);
  const lowered = jit(attention).lower(one, one, one);
  const compiled = lowered.compile();
  return [
    {
      title: 'jaxpr of attention over batch and heads',
      text: makeJaxpr(attention)(one, one, one).toString(),
    },
    { title: 'StableHLO', text: lowered.asText() },
    ...compiled.kernels.map((k) => ({ title: `kernel ${k.name}`, text: k.text })),
    ...compiled.kernels.map((k) => ({ title: `emitted code of ${k.name}`, text: k.source })),
  ];
}

/** Train, printing accuracies after every epoch. */
export async function train(digits: Digits, options: Options): Promise<TrainingResult> {
  const { batch } = options;
  const stepsPerEpoch = Math.max(1, Math.floor(options.train / batch));
  const size = Math.min(batch, options.train);
  const trainer = makeTrainer(options.learningRate, stepsPerEpoch * options.epochs);
  const test = Int32Array.from({ length: options.test }, (_, i) => options.train + i);
  const random = generator(options.seed + 1);
  let state = trainer.init(options.seed, options.depth);
  const losses: number[] = [];
  const epochs: Epoch[] = [];
  const start = performance.now();
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const epochStart = performance.now();
    const order = shuffled(options.train, random);
    const bar = progress(epoch, stepsPerEpoch, size);
    let right = 0;
    for (let step = 0; step < stepsPerEpoch; step++) {
      const part = order.subarray(step * size, (step + 1) * size);
      const result = trainer.step(state, images(digits, part), labels(digits, part));
      state = result.state;
      losses.push(await numberOf(result.loss));
      right += await numberOf(result.right);
      bar.step(step + 1, losses[losses.length - 1]);
    }
    bar.stop();
    const mean = losses.slice(-stepsPerEpoch).reduce((a, b) => a + b, 0) / stepsPerEpoch;
    const trainAccuracy = right / (stepsPerEpoch * size);
    const testAccuracy = await accuracy(trainer, state.params, digits, test, size);
    const seconds = (performance.now() - epochStart) / 1000;
    epochs.push({ epoch, loss: mean, trainAccuracy, testAccuracy, seconds });
    console.log(
      `epoch ${epoch}/${options.epochs}  loss ${mean.toFixed(4)}  training ${percent(trainAccuracy)}  held-out ${percent(testAccuracy)}  ${seconds.toFixed(1)} s`,
    );
  }
  const shown = test.subarray(0, Math.min(size, test.length));
  const predicted = Int32Array.from(
    await np.asarray(trainer.predict(state.params, images(digits, shown))).data(),
    Number,
  );
  return {
    losses,
    epochs,
    shown,
    predicted,
    seconds: (performance.now() - start) / 1000,
    stages: stagesOf(),
  };
}

/** A share as a percentage. */
export const percent = (x: number): string => `${(100 * x).toFixed(2)} %`;
