// Palladia beside its peers, each (peer, workload) in a process of its own, the peers of one workload one after the other.
//   node run.mjs [only=mm512,softmax] [peers=palladia,tfjs] [rounds=1] [out=results.json] [node=PATH]
// Prints a table with ratios and writes JSON. Timings are medians; the multiply-add peak is measured in the same run.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { WORKLOADS, args, median } from './common.mjs';

const o = args();
const newest = () => {
  try {
    return join(
      dirname(createRequire(import.meta.url).resolve('node/package.json')),
      'bin',
      'node',
    );
  } catch {
    return process.execPath;
  }
};
const node = o.node ?? newest();
const PEERS = {
  palladia: ['palladia.mjs', 'device=wasm', 'threads=1'],
  'palladia-2': ['palladia.mjs', 'device=wasm', 'threads=2'],
  'palladia-webgpu': ['palladia.mjs', 'device=webgpu'],
  'jax-js': ['jaxjs.mjs', 'device=wasm'],
  'jax-js-webgpu': ['jaxjs.mjs', 'device=webgpu'],
  tfjs: ['tfjs.mjs'],
  'ort-web': ['ort.mjs', 'flavour=web', 'threads=1'],
  'ort-web-2': ['ort.mjs', 'flavour=web', 'threads=2'],
};
const names = o.peers
  ? String(o.peers).split(',')
  : ['palladia', 'palladia-2', 'jax-js', 'tfjs', 'ort-web'];
const only = o.only ? new Set(String(o.only).split(',')) : undefined;
const list = WORKLOADS.filter((w) => w.kind !== 'conv' && (only === undefined || only.has(w.key)));

const spawn = (argv) =>
  spawnSync(node, argv, {
    encoding: 'utf8',
    cwd: import.meta.dirname,
    maxBuffer: 1 << 26,
    timeout: 240_000,
  });
const rows = [];
for (let round = 0; round < +(o.rounds ?? 1); round++) {
  for (const w of list) {
    const peak = JSON.parse(spawn(['peak.mjs']).stdout);
    for (const name of names) {
      // Loops have no counterpart in the peers.
      if (w.alone === true && !name.startsWith('palladia')) continue;
      const [script, ...rest] = PEERS[name];
      const r = spawn([script, ...rest, `only=${w.key}`]);
      const lines = (r.stdout ?? '').split('\n').filter((l) => l.startsWith('{'));
      if (lines.length === 0)
        rows.push({
          name,
          workload: w.name,
          size: w.size,
          note: `no result: ${(r.stderr ?? '').trim().split('\n').pop()}`,
          round,
        });
      for (const line of lines) rows.push({ name, ...JSON.parse(line), peak: peak.best, round });
      for (const line of lines) {
        const j = JSON.parse(line);
        process.stderr.write(
          `${name.padEnd(16)} ${j.workload} ${j.size}: ${j.gflops_or_gbps ?? j.note} ${j.unit ?? ''}\n`,
        );
      }
    }
  }
}

const isTime = (unit) => unit === 'us/call' || unit === 'ms';

/** The rate (or time) of a row's fastest sample. */
const fastest = (r) =>
  isTime(r.unit)
    ? r.gflops_or_gbps * (r.ms_min / r.ms_median)
    : r.gflops_or_gbps * (r.ms_median / r.ms_min);

/** Over rounds: the median of the medians, or the best of the fastest samples. */
function cell(name, workload, size, isBest = false) {
  const found = rows.filter(
    (r) =>
      r.name === name &&
      r.workload === workload &&
      r.size === size &&
      typeof r.gflops_or_gbps === 'number',
  );
  if (found.length === 0) return undefined;
  if (!isBest) return median(found.map((r) => r.gflops_or_gbps));
  const values = found.map(fastest);
  return isTime(found[0].unit) ? Math.min(...values) : Math.max(...values);
}

const keys = [...new Map(rows.map((r) => [`${r.workload}|${r.size}`, r])).values()];
console.log(
  `\n${cpus()[0].model}, ${cpus().length} cores, ${spawn(['--version']).stdout.trim()}, ${new Date().toISOString().slice(0, 10)}`,
);
/** How much better the first is than the best of the peers. */
function against(cells, unit) {
  const [ours] = cells;
  const peers = names.flatMap((n, i) =>
    n.startsWith('palladia') || cells[i] === undefined ? [] : [cells[i]],
  );
  if (ours === undefined || peers.length === 0) return '';
  return (isTime(unit) ? Math.min(...peers) / ours : ours / Math.max(...peers)).toFixed(2);
}

console.log(
  [
    'workload',
    'size',
    'unit',
    ...names,
    'best peer ÷',
    'fastest',
    'fastest ÷ peer',
    'of peak',
  ].join(' | '),
);
for (const { workload, size } of keys) {
  const unit = rows.find((r) => r.workload === workload && r.unit !== undefined)?.unit ?? '';
  const cells = names.map((n) => cell(n, workload, size));
  const best = names.map((n) => cell(n, workload, size, true));
  const peaks = rows
    .filter((r) => r.workload === workload && r.size === size && r.peak)
    .map((r) => r.peak);
  const share =
    unit === 'GFLOP/s' && best[0] !== undefined && peaks.length > 0
      ? (best[0] / Math.max(...peaks)).toFixed(2)
      : '';
  const show = (c) => c?.toFixed(2) ?? '—';
  console.log(
    [
      workload,
      size,
      unit,
      ...cells.map(show),
      against(cells, unit),
      show(best[0]),
      against(best, unit),
      share,
    ].join(' | '),
  );
}
writeFileSync(
  new URL(o.out ?? 'results.json', import.meta.url),
  `${JSON.stringify({ date: new Date().toISOString(), node: spawn(['--version']).stdout.trim(), cpu: cpus()[0].model, rows }, null, 1)}\n`,
);
