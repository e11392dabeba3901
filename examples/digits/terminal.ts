/** Training seen from a terminal: a progress bar with rate and time left, plain lines where there is no terminal. */
import cliProgress from 'cli-progress';
import type { Digits } from './data.ts';
import type { Options } from './options.ts';
import {
  percent,
  stagesOf,
  train,
  type Epoch,
  type StepEvent,
  type TrainingResult,
} from './train.ts';

interface Progress {
  step(event: StepEvent): void;
  stop(): void;
}

function lines(batch: number): Progress {
  return {
    step({ epoch, step, steps, loss, rate }) {
      if (step % Math.max(1, Math.ceil(steps / 4)) !== 0 || step === steps) return;
      const left = ((steps - step) * batch) / rate;
      console.log(
        `epoch ${epoch}  step ${step}/${steps}  loss ${loss.toFixed(4)}  ${rate.toFixed(0)} images/s  ${left.toFixed(0)} s left`,
      );
    },
    stop: () => undefined,
  };
}

function bar(): Progress {
  let shown: cliProgress.SingleBar | undefined;
  return {
    step({ epoch, step, steps, loss, rate }) {
      if (shown === undefined) {
        const format =
          'epoch {epoch} {bar} {value}/{total}  loss {loss}  {rate} images/s  {eta_formatted} left';
        shown = new cliProgress.SingleBar(
          { format, hideCursor: true, clearOnComplete: true },
          cliProgress.Presets.shades_classic,
        );
        shown.start(steps, 0, { epoch, loss: '', rate: '' });
      }
      shown.update(step, { epoch, loss: loss.toFixed(4), rate: rate.toFixed(0) });
    },
    stop() {
      shown?.stop();
      shown = undefined;
    },
  };
}

/** Train, showing how it goes. */
export async function watch(digits: Digits, options: Options): Promise<TrainingResult> {
  const progress = process.stderr.isTTY ? bar() : lines(options.batch);
  const start = performance.now();
  const losses: number[] = [];
  const epochs: Epoch[] = [];
  let shown = new Int32Array();
  let predicted = new Int32Array();
  for await (const event of train(digits, options)) {
    if (event.kind === 'step') {
      losses.push(event.loss);
      progress.step(event);
      continue;
    }
    progress.stop();
    epochs.push(event);
    shown = Int32Array.from(event.shown);
    predicted = Int32Array.from(event.predicted);
    console.log(
      `epoch ${event.epoch}/${options.epochs}  loss ${event.loss.toFixed(4)}  training ${percent(event.trainAccuracy)}  held-out ${percent(event.testAccuracy)}  ${event.seconds.toFixed(1)} s`,
    );
  }
  return {
    losses,
    epochs,
    shown,
    predicted,
    seconds: (performance.now() - start) / 1000,
    stages: stagesOf(),
  };
}
