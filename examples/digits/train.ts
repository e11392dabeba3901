/** The training loop, for terminals and pages alike: an asynchronous generator of what happens. */
import { jit, makeJaxpr, vmap, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import { ops } from 'palladia/pallas';
import { emitKernels } from 'palladia/webgpu';
import {
  generator,
  labelsOf,
  patches,
  patchPixels,
  shuffled,
  tokens,
  type Digits,
} from './data.ts';
import { makeTrainer, type Params, type Trainer } from './model.ts';
import type { TrainingOptions } from './options.ts';

/** What one epoch came to. */
export interface Epoch {
  readonly epoch: number;
  readonly loss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly seconds: number;
}

/** One step is done. */
export interface StepEvent {
  readonly kind: 'step';
  readonly epoch: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  /** Images per second in this epoch. */
  readonly rate: number;
}

/** One epoch is done. */
export interface EpochEvent extends Epoch {
  readonly kind: 'epoch';
  /** Held-out images that are shown, and what the model says of them. */
  readonly shown: Int32Array;
  readonly predicted: Int32Array;
}

/** Everything that the report shows. */
export interface TrainingResult {
  readonly losses: readonly number[];
  readonly epochs: readonly Epoch[];
  readonly shown: Int32Array;
  readonly predicted: Int32Array;
  readonly seconds: number;
  readonly stages: readonly { readonly title: string; readonly text: string }[];
}

const images = (digits: Digits, order: Int32Array, random?: () => number): Value =>
  np.reshape(np.array(patches(digits, order, random)), [order.length, tokens, patchPixels]);
const labels = (digits: Digits, order: Int32Array): Value => np.array(labelsOf(digits, order));

async function numberOf(x: Value): Promise<number> {
  const [value] = await np.asarray(x).data();
  return Number(value);
}

async function accuracy(
  trainer: Trainer,
  params: Params,
  { digits, order, batch }: { digits: Digits; order: Int32Array; batch: number },
): Promise<number> {
  let right = 0;
  for (let at = 0; at < order.length; at += batch) {
    const part = order.subarray(at, at + batch);
    const [, hits] = trainer.evaluate(params, images(digits, part), labels(digits, part));
    right += await numberOf(hits);
  }
  return right / order.length;
}

/** Train; the last value is yielded after the last epoch. */
export async function* train(
  digits: Digits,
  options: TrainingOptions,
): AsyncGenerator<StepEvent | EpochEvent> {
  const batch = Math.min(options.batch, options.train);
  const steps = Math.max(1, Math.floor(options.train / batch));
  const trainer = makeTrainer(options.learningRate, steps * options.epochs);
  const test = Int32Array.from({ length: options.test }, (_, i) => options.train + i);
  const shown = test.subarray(0, Math.min(batch, test.length));
  const random = generator(options.seed + 1);
  let state = trainer.init(options.seed, options.depth);
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const start = performance.now();
    const order = shuffled(options.train, random);
    let right = 0;
    let sum = 0;
    for (let step = 1; step <= steps; step++) {
      const part = order.subarray((step - 1) * batch, step * batch);
      const result = trainer.step(state, images(digits, part, random), labels(digits, part));
      state = result.state;
      const loss = await numberOf(result.loss);
      right += await numberOf(result.right);
      sum += loss;
      yield {
        kind: 'step',
        epoch,
        step,
        steps,
        loss,
        rate: (step * batch) / ((performance.now() - start) / 1000),
      };
    }
    yield {
      kind: 'epoch',
      epoch,
      loss: sum / steps,
      trainAccuracy: right / (steps * batch),
      testAccuracy: await accuracy(trainer, state.params, { digits, order: test, batch }),
      seconds: (performance.now() - start) / 1000,
      shown,
      predicted: Int32Array.from(
        await np.asarray(trainer.predict(state.params, images(digits, shown))).data(),
        Number,
      ),
    };
  }
}

/** The attention kernel stage by stage, mapped over batch and heads. */
export function stagesOf(): TrainingResult['stages'] {
  const attention = vmap(vmap((q: Value, k: Value, v: Value) => ops.flashAttention(q, k, v)));
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
    ...emitKernels(lowered).map((k) => ({ title: `WGSL of ${k.name}`, text: k.source })),
    ...compiled.kernels.flatMap((k) =>
      k.source === '' ? [] : [{ title: `code of ${k.name} on this device`, text: k.source }],
    ),
  ];
}

/** A share as a percentage. */
export const percent = (x: number): string => `${(100 * x).toFixed(2)} %`;
