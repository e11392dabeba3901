// Workload definitions, deterministic inputs, float64 spot references and the timing loop,
// shared by every peer adapter.

export const now = () => performance.now();

/** Deterministic pseudo-random floats in [lo, hi). */
export function randf(n, seed, lo = -1, hi = 1) {
  const out = new Float32Array(n);
  let s = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < n; i++) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    out[i] = lo + ((hi - lo) * (s >>> 8)) / 16777216;
  }
  return out;
}

const tanh = Math.tanh,
  sigm = (x) => 1 / (1 + Math.exp(-x));

function mmWorkload(name, B, M, K, N) {
  return {
    name: B > 1 ? 'matmul-batched' : M !== N || M !== K ? 'matmul-tall' : 'matmul',
    key: name,
    size: (B > 1 ? B + 'x' : '') + `${M}x${K}x${N}`,
    unit: 'GFLOP/s',
    work: 2 * B * M * K * N,
    kind: 'matmul',
    B,
    M,
    K,
    N,
    inputs: () => ({ a: randf(B * M * K, 1), b: randf(B * K * N, 2) }),
    // Reference value of output element i (flat).
    ref: ({ a, b }, i) => {
      const n = i % N,
        m = Math.floor(i / N) % M,
        q = Math.floor(i / (N * M));
      let s = 0;
      for (let k = 0; k < K; k++) s += a[(q * M + m) * K + k] * b[(q * K + k) * N + n];
      return s;
    },
    outSize: B * M * N,
    tol: 2e-3,
  };
}

/** aᵀ · bᵀ: both operands are stored the other way round. */
function transposedWorkload(name, n) {
  const plain = mmWorkload(name, 1, n, n, n);
  const turn = (x) =>
    Float32Array.from({ length: n * n }, (_, i) => x[(i % n) * n + Math.floor(i / n)]);
  return {
    ...plain,
    name: 'matmul-transposed',
    transposed: true,
    inputs: () => {
      const { a, b } = plain.inputs();
      return { a, b, at: turn(a), bt: turn(b) };
    },
  };
}

export const EW = { n: 4 << 20, a: 1.5, b: 0.25 };
export const ROWS = 4096,
  COLS = 1024,
  EPS = 1e-5;
export const ATT = { B: 1, H: 8, S: 512, D: 64 };
export const CONV = { N: 1, H: 56, W: 56, C: 64, K: 3, O: 64 };
export const MLP = { batch: 128, sizes: [784, 512, 512, 10], lr: 0.05 };
export const CHAIN_OPS = 200,
  CHAIN_N = 4096;

/** The 200-op chain as a list of [op, constant]; `variant` changes constants so caches miss. */
export function chainOps(variant = 0) {
  const ops = [];
  for (let i = 0; i < CHAIN_OPS; i++) {
    const c = 0.9 + 0.0005 * i + 0.00001 * variant;
    ops.push([
      ['mulc', 'addx', 'sin', 'maxc', 'mulx'][i % 5],
      i % 5 === 3 ? -0.5 - 0.001 * i - 0.0001 * variant : c,
    ]);
  }
  return ops;
}
export function chainRef(x, variant) {
  let y = x;
  for (const [op, c] of chainOps(variant)) {
    if (op === 'mulc') y = y * c;
    else if (op === 'addx') y = y + x;
    else if (op === 'sin') y = Math.sin(y);
    else if (op === 'maxc') y = Math.max(y, c);
    else y = y * x;
  }
  return y;
}

/** Softmax of rows: 16 MB of them, or few enough for the second-level cache. */
function softmax(key, rows) {
  return {
    key,
    name: 'softmax',
    kind: 'softmax',
    rows,
    size: `${rows}x${COLS}`,
    unit: 'GB/s',
    work: rows * COLS * 8,
    inputs: () => ({ x: randf(rows * COLS, 6, -3, 3) }),
    outSize: rows * COLS,
    tol: 1e-5,
    ref: ({ x }, i) => {
      const r = Math.floor(i / COLS) * COLS;
      let s = 0;
      for (let k = 0; k < COLS; k++) s += Math.exp(x[r + k]);
      return Math.exp(x[i]) / s;
    },
  };
}

export const WORKLOADS = [
  mmWorkload('mm64', 1, 64, 64, 64),
  mmWorkload('mm256', 1, 256, 256, 256),
  mmWorkload('mm511', 1, 511, 511, 511),
  mmWorkload('mm512', 1, 512, 512, 512),
  mmWorkload('mm1024', 1, 1024, 1024, 1024),
  mmWorkload('mm2048', 1, 2048, 2048, 2048),
  mmWorkload('mm1023', 1, 1023, 1023, 1023),
  transposedWorkload('mmt512', 512),
  transposedWorkload('mmt1024', 1024),
  mmWorkload('mmtall', 1, 4096, 64, 64),
  mmWorkload('mmbatch', 32, 128, 128, 128),
  {
    key: 'matvec',
    name: 'matvec',
    kind: 'matvec',
    size: '4096x4096',
    unit: 'GB/s',
    work: 4096 * 4096 * 4,
    n: 4096,
    inputs: () => ({ a: randf(4096 * 4096, 3), x: randf(4096, 4) }),
    outSize: 4096,
    tol: 5e-3,
    ref: ({ a, x }, i) => {
      let s = 0;
      for (let k = 0; k < 4096; k++) s += a[i * 4096 + k] * x[k];
      return s;
    },
  },
  {
    key: 'ew',
    name: 'elementwise-chain',
    kind: 'ew',
    size: '4M',
    unit: 'GB/s',
    work: EW.n * 8,
    inputs: () => ({ x: randf(EW.n, 5, -3, 3) }),
    outSize: EW.n,
    tol: 1e-4,
    ref: ({ x }, i) => tanh(x[i] * EW.a + EW.b) * sigm(x[i]),
  },
  softmax('softmax', ROWS),
  softmax('softmax-l2', 128),
  {
    key: 'layernorm',
    name: 'layernorm',
    kind: 'layernorm',
    size: '4096x1024',
    unit: 'GB/s',
    work: ROWS * COLS * 8,
    inputs: () => ({
      x: randf(ROWS * COLS, 7, -3, 3),
      g: randf(COLS, 8, 0.5, 1.5),
      b: randf(COLS, 9),
    }),
    outSize: ROWS * COLS,
    tol: 1e-3,
    ref: ({ x, g, b }, i) => {
      const c = i % COLS,
        r = i - c;
      let m = 0,
        v = 0;
      for (let k = 0; k < COLS; k++) m += x[r + k];
      m /= COLS;
      for (let k = 0; k < COLS; k++) v += (x[r + k] - m) ** 2;
      v /= COLS;
      return ((x[i] - m) / Math.sqrt(v + EPS)) * g[c] + b[c];
    },
  },
  {
    key: 'sum',
    name: 'sum',
    kind: 'sum',
    size: '16M',
    unit: 'GB/s',
    work: (16 << 20) * 4,
    inputs: () => ({ x: randf(16 << 20, 10, 0, 1) }),
    outSize: 1,
    tol: 1, // relative error is recorded, not enforced
    ref: ({ x }) => {
      let s = 0;
      for (let i = 0; i < x.length; i++) s += x[i];
      return s;
    },
    relErr: true,
  },
  {
    key: 'attention',
    name: 'attention',
    kind: 'attention',
    size: 'B1 H8 S512 D64',
    unit: 'GFLOP/s',
    work: 4 * ATT.B * ATT.H * ATT.S * ATT.S * ATT.D,
    // q, k, v are given as [B, S, H, D]; output in the same layout unless outLayout says [B, H, S, D].
    inputs: () => ({
      q: randf(ATT.H * ATT.S * ATT.D, 11),
      k: randf(ATT.H * ATT.S * ATT.D, 12),
      v: randf(ATT.H * ATT.S * ATT.D, 13),
    }),
    outSize: ATT.H * ATT.S * ATT.D,
    tol: 1e-3,
    ref: ({ q, k, v }, i) => {
      const { H, S, D } = ATT,
        d = i % D,
        h = Math.floor(i / D) % H,
        l = Math.floor(i / (D * H));
      const sc = new Float64Array(S);
      let mx = -Infinity,
        den = 0,
        acc = 0;
      for (let s = 0; s < S; s++) {
        let t = 0;
        for (let e = 0; e < D; e++) t += q[(l * H + h) * D + e] * k[(s * H + h) * D + e];
        sc[s] = t / Math.sqrt(D);
        mx = Math.max(mx, sc[s]);
      }
      for (let s = 0; s < S; s++) {
        const w = Math.exp(sc[s] - mx);
        den += w;
        acc += w * v[(s * H + h) * D + d];
      }
      return acc / den;
    },
  },
  {
    key: 'conv',
    name: 'conv2d-3x3',
    kind: 'conv',
    size: '1x56x56x64->64',
    unit: 'GFLOP/s',
    work: 2 * CONV.H * CONV.W * CONV.C * CONV.O * 9,
    // x is NCHW, w is OIHW; adapters transpose outside the timed region when they want NHWC.
    inputs: () => ({
      x: randf(CONV.H * CONV.W * CONV.C, 14),
      w: randf(CONV.O * CONV.C * 9, 15, -0.2, 0.2),
    }),
    outSize: CONV.H * CONV.W * CONV.O,
    tol: 2e-3,
    ref: ({ x, w }, i) => {
      // output index in NCHW
      const { H, W, C } = CONV,
        xx = i % W,
        yy = Math.floor(i / W) % H,
        o = Math.floor(i / (W * H));
      let s = 0;
      for (let c = 0; c < C; c++)
        for (let dy = -1; dy <= 1; dy++)
          for (let dx = -1; dx <= 1; dx++) {
            const py = yy + dy,
              px = xx + dx;
            if (py < 0 || px < 0 || py >= H || px >= W) continue;
            s += x[(c * H + py) * W + px] * w[((o * C + c) * 3 + dy + 1) * 3 + dx + 1];
          }
      return s;
    },
  },
  {
    key: 'mlp',
    name: 'mlp-train-step',
    kind: 'mlp',
    size: '784-512-512-10 b128',
    unit: 'GFLOP/s',
    // forward + backward multiply-adds, without the unneeded gradient of the input batch
    work: 2 * MLP.batch * (784 * 512 * 2 + 512 * 512 * 3 + 512 * 10 * 3),
    inputs: () => ({
      x: randf(MLP.batch * 784, 16, 0, 1),
      y: Int32Array.from({ length: MLP.batch }, (_, i) => (i * 7) % 10),
      w: [
        randf(784 * 512, 17, -0.05, 0.05),
        randf(512 * 512, 18, -0.05, 0.05),
        randf(512 * 10, 19, -0.05, 0.05),
      ],
      b: [new Float32Array(512), new Float32Array(512), new Float32Array(10)],
    }),
  },
  { key: 'demo', name: 'demo-step', kind: 'demo', size: 'ViT 2x64 b100', unit: 'ms', work: 0 },
  {
    key: 'many',
    name: '100-kernels',
    kind: 'many',
    size: '8x8',
    unit: 'ms',
    work: 0,
    kernels: 100,
    outSize: 64,
    inputs: () => ({ x: randf(64, 22, -0.1, 0.1) }),
  },
  {
    key: 'democold',
    name: 'demo-first-step',
    kind: 'democold',
    alone: true,
    size: 'ViT 2x64 b100',
    unit: 'ms',
    work: 0,
  },
  {
    key: 'scan',
    name: 'scan-step',
    kind: 'scan',
    alone: true,
    size: 'carry 16, 10k steps',
    unit: 'us/call',
    work: 0,
  },
  {
    key: 'gradscan',
    name: 'grad-of-scan',
    kind: 'gradscan',
    alone: true,
    size: 'RNN 32 x 256',
    unit: 'ms',
    work: 0,
  },
  {
    key: 'call',
    name: 'small-call',
    kind: 'call',
    size: 'x*2+1 on 16',
    unit: 'us/call',
    work: 0,
    inputs: () => ({ x: randf(16, 20) }),
  },
  {
    key: 'compile',
    name: 'first-call-200-ops',
    kind: 'compile',
    size: '4096 elements',
    unit: 'ms',
    work: 0,
    inputs: () => ({ x: randf(CHAIN_N, 21) }),
  },
];

export const median = (v) => {
  const s = [...v].sort((a, b) => a - b);
  return s.length & 1 ? s[s.length >> 1] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
};

/** Calls `fn` until at least `minRuns` samples and about `budget` ms are spent. */
export async function timeIt(fn, { warm = 3, minRuns = 5, maxRuns = 60, budget = 1500 } = {}) {
  const w0 = now();
  for (let i = 0; i < warm && (i === 0 || now() - w0 < budget * 2); i++) await fn();
  const t = [];
  const start = now();
  while (t.length < minRuns || (t.length < maxRuns && now() - start < budget)) {
    const s = now();
    await fn();
    t.push(now() - s);
    if (now() - start > budget * 12 && t.length >= 3) break;
  }
  return t;
}

export function spotCheck(w, inputs, out, layoutIndex = (i) => i) {
  if (!w.ref) return undefined;
  let worst = 0;
  const pts =
    w.outSize === 1
      ? [0]
      : Array.from({ length: 17 }, (_, i) => Math.floor((i * (w.outSize - 1)) / 16));
  for (const i of pts) {
    const want = w.ref(inputs, i),
      got = out[layoutIndex(i)];
    const e = Math.abs(want - got) / (w.relErr ? Math.abs(want) : 1);
    worst = Number.isFinite(e) ? Math.max(worst, e) : Infinity;
  }
  if (!(worst <= w.tol)) throw new Error(`wrong result: error ${worst} (${w.key})`);
  return worst;
}

export function report(meta, w, times, extra = {}) {
  const ms = median(times);
  const rate = w.unit === 'us/call' ? ms * 1000 : w.unit === 'ms' ? ms : w.work / ms / 1e6;
  console.log(
    JSON.stringify({
      ...meta,
      workload: w.name,
      size: w.size,
      ms_median: +ms.toFixed(4),
      gflops_or_gbps: +rate.toFixed(3),
      unit: w.unit,
      ms_min: +Math.min(...times).toFixed(4),
      runs: times.length,
      ...extra,
    }),
  );
}
export function cannot(meta, w, why) {
  console.log(
    JSON.stringify({
      ...meta,
      workload: w.name,
      size: w.size,
      ms_median: null,
      gflops_or_gbps: null,
      unit: w.unit,
      note: String(why).split('\n')[0].slice(0, 300),
    }),
  );
}

/** key=value command line: peers take `only=mm64,ew`, `threads=2`, `device=wasm`. */
export function args() {
  const o = {};
  for (const a of process.argv.slice(2)) {
    const [k, v] = a.split('=');
    o[k] = v ?? true;
  }
  return o;
}
export function selected(o) {
  const only = o.only ? String(o.only).split(',') : null,
    skip = o.skip ? String(o.skip).split(',') : [];
  return WORKLOADS.filter((w) => (!only || only.includes(w.key)) && !skip.includes(w.key));
}

/**
 * Time the first calls of a chain of operations, a new one for each of seven variants, and then the last one again. `first(variant)` gives the
 * milliseconds of a first call and its output; `again()` runs the last variant.
 */
export async function timeChain(meta, w, raw, { first, again, note }) {
  const times = [];
  for (let variant = 0; variant < 7; variant++) {
    const { ms, out } = await first(variant);
    times.push(ms);
    const error = Math.abs(out[17] - chainRef(raw.x[17], variant));
    if (!(error < 1e-2)) throw new Error(`chain wrong by ${error}`);
  }
  const steady = await timeIt(again);
  report(meta, w, times, {
    first_ms: +times[0].toFixed(2),
    steady_ms: +median(steady).toFixed(4),
    ops: CHAIN_OPS,
    n: CHAIN_N,
    note,
  });
}

/** The chain of a variant on `x`, with a library's five operations. */
export const runChain = (variant, x, ops) =>
  chainOps(variant).reduce((y, [name, c]) => ops[name](y, c), x);
