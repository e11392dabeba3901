/** The page of a training run: loss curve, predictions with the wrong ones marked, and the stages of the attention kernel. No server needed. */
import { imageSide, type Digits } from './data.ts';
import type { Options } from './options.ts';
import { percent, type TrainingResult } from './train.ts';

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The loss of every step as an SVG curve on a logarithmic scale. */
export function lossCurve(losses: readonly number[]): string {
  const [width, height, left, bottom] = [760, 260, 46, 26];
  const finite = losses.filter((x) => Number.isFinite(x) && x > 0);
  const low = Math.log10(Math.min(...finite, 1));
  const high = Math.log10(Math.max(...finite, 1));
  const x = (i: number): number =>
    left + ((width - left - 10) * i) / Math.max(1, losses.length - 1);
  const y = (loss: number): number =>
    10 + ((height - bottom - 10) * (high - Math.log10(loss))) / Math.max(1e-9, high - low);
  const smooth: number[] = [];
  for (const loss of losses)
    smooth.push(smooth.length === 0 ? loss : 0.95 * smooth[smooth.length - 1] + 0.05 * loss);
  const path = (values: readonly number[]): string =>
    values
      .map((v, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(Math.max(v, 1e-12)).toFixed(1)}`)
      .join('');
  const ticks = Array.from({ length: 5 }, (_, i) => 10 ** (low + ((high - low) * i) / 4));
  const grid = ticks
    .map(
      (t) =>
        `<line x1="${left}" x2="${width - 10}" y1="${y(t)}" y2="${y(t)}" class="grid"/><text x="${left - 6}" y="${y(t) + 4}" text-anchor="end">${t.toPrecision(2)}</text>`,
    )
    .join('');
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Loss of every step">${grid}<path d="${path(losses)}" class="raw"/><path d="${path(smooth)}" class="smooth"/><text x="${(width + left) / 2}" y="${height - 6}" text-anchor="middle">step (${losses.length} in all)</text></svg>`;
}

/** One image as an SVG of grey squares. */
function picture(digits: Digits, image: number): string {
  const start = image * imageSide * imageSide;
  let cells = '';
  for (let p = 0; p < imageSide * imageSide; p++) {
    const value = digits.pixels[start + p];
    if (value < 0.05) continue;
    cells += `<rect x="${p % imageSide}" y="${Math.floor(p / imageSide)}" width="1.05" height="1.05" fill-opacity="${value.toFixed(2)}"/>`;
  }
  return `<svg viewBox="0 0 ${imageSide} ${imageSide}" class="digit">${cells}</svg>`;
}

/** The pictures with what the model reads; wrong readings are framed. */
export function predictions(
  digits: Digits,
  { shown, predicted }: Pick<TrainingResult, 'shown' | 'predicted'>,
): string {
  return [...shown]
    .map((image, i) => {
      const wrong = predicted[i] !== digits.labels[image];
      const caption = wrong ? `${predicted[i]} <s>${digits.labels[image]}</s>` : `${predicted[i]}`;
      return `<figure class="${wrong ? 'wrong' : 'right'}">${picture(digits, image)}<figcaption>${caption}</figcaption></figure>`;
    })
    .join('');
}

/** The page's style sheet. */
export const style = `
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fbfaf7; --accent: #b4552d; --soft: #8a94a3; --good: #2f7d5b; --bad: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #16191e; --soft: #77808d; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: right; font-variant-numeric: tabular-nums; }
svg text { fill: var(--soft); font-size: 11px; } .grid { stroke: var(--soft); stroke-opacity: .25; } .raw { fill: none; stroke: var(--accent); stroke-opacity: .3; } .smooth { fill: none; stroke: var(--accent); stroke-width: 2; }
.digits { display: grid; grid-template-columns: repeat(auto-fill, minmax(3.6rem, 1fr)); gap: .5rem; }
figure { margin: 0; text-align: center; border: 2px solid transparent; border-radius: .4rem; } .digit { width: 100%; fill: var(--ink); display: block; }
figcaption { font-size: .85rem; color: var(--good); } .wrong { border-color: var(--bad); } .wrong figcaption { color: var(--bad); } s { color: var(--good); text-decoration: none; margin-left: .3em; }
details { margin: .4rem 0; } pre { overflow: auto; max-height: 30rem; font-size: 12px; background: color-mix(in srgb, var(--soft) 12%, transparent); padding: .8rem; border-radius: .4rem; }
`;

/** The whole page. */
export function reportOf(digits: Digits, result: TrainingResult, options: Options): string {
  const rows = result.epochs
    .map(
      (e) =>
        `<tr><td>${e.epoch}</td><td>${e.loss.toFixed(4)}</td><td>${percent(e.trainAccuracy)}</td><td>${percent(e.testAccuracy)}</td><td>${e.seconds.toFixed(1)} s</td></tr>`,
    )
    .join('');
  const stages = result.stages
    .map(
      ({ title, text }) =>
        `<details><summary>${escape(title)}</summary><pre>${escape(text)}</pre></details>`,
    )
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Palladia reads digits</title><style>${style}</style></head><body>
<h1>Palladia reads handwritten digits</h1>
<p>A vision transformer of ${options.depth} blocks whose attention is a custom kernel with a custom gradient, trained on ${options.train} images on ${options.device} in ${result.seconds.toFixed(1)} s (seed ${options.seed}).</p>
<h2>Loss</h2>${lossCurve(result.losses)}
<h2>Accuracy</h2><table><tr><th>epoch</th><th>loss</th><th>training</th><th>held-out</th><th>time</th></tr>${rows}</table>
<h2>Held-out images</h2><p>What the model reads; wrong readings are framed, with the right digit beside them.</p><div class="digits">${predictions(digits, result)}</div>
<h2>The attention kernel, stage by stage</h2>${stages}
</body></html>
`;
}
