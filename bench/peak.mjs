// The multiply-add rate that Wasm can reach here: twelve independent accumulators, nothing but registers.
//   node peak.mjs        prints one JSON line per form that the engine has
import { fileURLToPath } from 'node:url';

const leb = (n) => {
  const out = [];
  for (let rest = n; ; rest >>>= 7) {
    if (rest < 128) return [...out, rest];
    out.push((rest & 127) | 128);
  }
};
const sleb = (n) => {
  const out = [];
  for (let rest = n; ; rest >>= 7) {
    if (rest < 64 && rest >= 0) return [...out, rest];
    out.push((rest & 127) | 128);
  }
};
const section = (id, body) => [id, ...leb(body.length), ...body];
const simd = (code) => [0xfd, ...leb(code)];
const get = (i) => [0x20, i];
const set = (i) => [0x21, i];

const accumulators = 12;
const unroll = 4;
const [x, y] = [1 + accumulators, 2 + accumulators];

/**
 * run(n): n loop turns of unroll · accumulators multiply-adds on four lanes. Separate products have the accumulator as a factor: the
 * same product for all of them would be computed once.
 */
function moduleOf(relaxed) {
  const step = (acc) =>
    relaxed
      ? [...get(x), ...get(y), ...get(acc), ...simd(0x105), ...set(acc)]
      : [...get(acc), ...get(x), ...simd(0xe6), ...get(y), ...simd(0xe4), ...set(acc)];
  const steps = Array.from({ length: unroll }, () =>
    Array.from({ length: accumulators }, (_, i) => step(1 + i)).flat(),
  ).flat();
  const splat = (value, local) => {
    const bytes = [...new Uint8Array(Float32Array.of(value).buffer)];
    return [0x43, ...bytes, ...simd(0x13), ...set(local)];
  };
  const sum = Array.from({ length: accumulators }, (_, i) => get(1 + i)).reduce((all, g) => [
    ...all,
    ...g,
    ...simd(0xe4),
  ]);
  const body = [
    1,
    accumulators + 2,
    0x7b,
    ...splat(0.999, x),
    ...splat(1e-3, y),
    0x03,
    0x40,
    ...steps,
    ...get(0),
    0x41,
    1,
    0x6b,
    0x22,
    0,
    0x0d,
    0,
    0x0b,
    ...sum,
    ...simd(0x1f),
    0,
    0x0b,
  ];
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, 0x72, 0x75, 0x6e, 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

const readBytes = 64 << 20;
const loads = 16;

/** read(n): the or of n bytes, sixteen vectors at a turn, into four accumulators. */
function readerOf() {
  const load = (offset) => [...get(0), ...simd(0x00), 4, ...leb(offset)];
  const steps = Array.from({ length: loads }, (_, i) => [
    ...load(16 * i),
    ...get(1 + (i % 4)),
    ...simd(0x50),
    ...set(1 + (i % 4)),
  ]).flat();
  const next = [...get(0), 0x41, ...sleb(16 * loads), 0x6a, 0x22, 0];
  const all = [
    ...get(1),
    ...get(2),
    ...simd(0x50),
    ...get(3),
    ...simd(0x50),
    ...get(4),
    ...simd(0x50),
  ];
  // Locals: the place (a parameter would be the end; here the end is a constant), and four vectors.
  const end = sleb(readBytes);
  const body = [1, 4, 0x7b, 0x03, 0x40, ...steps, ...next, 0x41, ...end, 0x49, 0x0d, 0, 0x0b];
  body.push(...all, ...simd(0x53), 0x0b);
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7f]),
    ...section(2, [1, 1, 0x65, 1, 0x6d, 0x02, 0, ...leb(readBytes / 65536)]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, 0x72, 0x75, 0x6e, 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

/** GB/s at which one thread reads 64 MB, at best and in the median. */
export function readBandwidth() {
  const memory = new WebAssembly.Memory({ initial: readBytes / 65536 });
  new Uint32Array(memory.buffer).fill(0x3f800000);
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(readerOf()), { e: { m: memory } })
    .exports;
  const rates = [];
  for (let i = 0; i < 25; i++) {
    const start = performance.now();
    run(0);
    rates.push(readBytes / (performance.now() - start) / 1e6);
  }
  rates.sort((a, b) => b - a);
  return { best: +rates[0].toFixed(2), median: +rates[12].toFixed(2) };
}

/** GFLOP/s of one thread; the better of fused and separate multiply and add. */
export function peak() {
  let best = 0;
  const forms = {};
  for (const relaxed of [true, false]) {
    const bytes = moduleOf(relaxed);
    if (!WebAssembly.validate(bytes)) continue;
    const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    const turns = 200_000;
    for (let i = 0; i < 20; i++) run(turns / 20);
    let rate = 0;
    for (let i = 0; i < 15; i++) {
      const start = performance.now();
      run(turns);
      rate = Math.max(
        rate,
        (turns * unroll * accumulators * 8) / (performance.now() - start) / 1e6,
      );
    }
    forms[relaxed ? 'relaxed_madd' : 'mul+add'] = +rate.toFixed(1);
    best = Math.max(best, rate);
  }
  return { best: +best.toFixed(1), forms };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify({ ...peak(), read: readBandwidth() }));
