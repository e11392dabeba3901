// Palladia adapter.  node palladia.mjs device=wasm|webgpu [threads=1] [only=mm64,ew]
import {
  ATT,
  COLS,
  EPS,
  EW,
  MLP,
  ROWS,
  args,
  cannot,
  now,
  report,
  selected,
  spotCheck,
  timeIt,
  timeChain,
  runChain,
} from './common.mjs';
import { gradOfScan, scanSteps } from './loops.mjs';
import { arraysOf, DEMO, demoInputs, timeDemo } from './demo.mjs';

const o = args();
const device = o.device ?? 'wasm';
const threads = +(o.threads ?? 1);
process.env.PALLADIA_THREADS = String(threads);
const { grad, init, jit, scan, setDefaultDevice, tree, valueAndGrad, vmap } =
  await import('palladia');
const np = await import('palladia/numpy');
const nn = await import('palladia/nn');
const pl = await import('palladia/pallas');
await init({ device, threads });
setDefaultDevice(device);

const meta = { peer: 'palladia', backend: device, threads: device === 'webgpu' ? 0 : threads };
const arr = (data, shape) => np.reshape(np.array(data), shape);
const settle = (x) => x.blockUntilReady();

/** Time f(...ins); every output is dropped and collected like any other array. */
async function run(w, raw, f, ins, layout) {
  const err = spotCheck(w, raw, await f(...ins).data(), layout);
  const call = async () => {
    const y = f(...ins);
    await settle(y);
    y.dispose();
  };
  report(meta, w, await timeIt(call, { warm: 3 }), { err: err && +err.toExponential(2) });
}

async function matmul(w, raw) {
  const shape = (r, c) => (w.B > 1 ? [w.B, r, c] : [r, c]);
  if (w.transposed) {
    const f = jit((a, b) => np.matmul(np.transpose(a), np.transpose(b)));
    return run(w, raw, f, [arr(raw.at, [w.K, w.M]), arr(raw.bt, [w.N, w.K])]);
  }
  return run(
    w,
    raw,
    jit((a, b) => np.matmul(a, b)),
    [arr(raw.a, shape(w.M, w.K)), arr(raw.b, shape(w.K, w.N))],
  );
}

function layerNorm(x, g, b) {
  const centred = np.subtract(x, np.mean(x, { axis: -1, keepdims: true }));
  const variance = np.mean(np.square(centred), { axis: -1, keepdims: true });
  return np.add(np.multiply(np.divide(centred, np.sqrt(np.add(variance, EPS))), g), b);
}

async function attention(w, raw) {
  const kernel = vmap((q, k, v) => pl.ops.flashAttention(q, k, v));
  const heads = (x) => np.transpose(x, [1, 0, 2]);
  const f = jit((q, k, v) => np.transpose(kernel(heads(q), heads(k), heads(v)), [1, 0, 2]));
  await run(
    w,
    raw,
    f,
    ['q', 'k', 'v'].map((n) => arr(raw[n], [ATT.S, ATT.H, ATT.D])),
  );
}

async function mlp(w, raw) {
  const loss = (p, x, y) => {
    let h = x;
    for (let i = 0; i < 3; i++) {
      h = np.add(np.matmul(h, p.w[i]), p.b[i]);
      if (i < 2) h = nn.relu(h);
    }
    return np.multiply(np.sum(np.multiply(nn.logSoftmax(h), y)), -1 / MLP.batch);
  };
  const gradient = valueAndGrad(loss);
  const step = jit(
    (p, x, y) => {
      const [l, g] = gradient(p, x, y);
      return [l, tree.map((a, d) => np.subtract(a, np.multiply(d, MLP.lr)), p, g)];
    },
    { donateArgnums: [0] },
  );
  let p = {
    w: raw.w.map((d, i) => arr(d, [MLP.sizes[i], MLP.sizes[i + 1]])),
    b: raw.b.map((d) => np.array(d)),
  };
  const x = arr(raw.x, [MLP.batch, 784]);
  const hot = new Float32Array(MLP.batch * 10);
  raw.y.forEach((c, i) => (hot[i * 10 + c] = 1));
  const y = arr(hot, [MLP.batch, 10]);
  const losses = [];
  let last;
  const one = async () => {
    const [l, q] = step(p, x, y);
    p = q;
    last = l;
    await settle(l);
    if (losses.length === 0) losses.push((await l.data())[0]);
  };
  const t = await timeIt(one, { warm: 3 });
  losses.push((await last.data())[0]);
  if (!(losses[1] < losses[0])) throw new Error(`loss did not fall: ${losses.join()}`);
  report(meta, w, t, { loss: losses.map((v) => +v.toFixed(4)) });
}

/** The example's own trainer; Node runs its types from version 22.18 on. */
async function demo(w) {
  const { makeTrainer } = await import('../examples/digits/model.ts');
  const { params, images, labels } = demoInputs();
  const trainer = makeTrainer(DEMO.learningRate, DEMO.totalSteps);
  const [x, y] = [arr(images.data, images.shape), np.array(labels)];
  let state = { ...trainer.init(0, DEMO.depth), params: arraysOf(params, arr) };
  const { times, losses } = await timeDemo(async () => {
    const result = trainer.step(state, x, y);
    state = result.state;
    const [loss] = await result.loss.data();
    await result.right.data();
    return loss;
  }, timeIt);
  report(meta, w, times, { losses });
}

/** Trace, lower, compile and run the demo's step for the first time in this process. */
async function demoCold(w) {
  const { makeTrainer } = await import('../examples/digits/model.ts');
  const { params, images, labels } = demoInputs();
  const [x, y] = [arr(images.data, images.shape), np.array(labels)];
  const trainer = makeTrainer(DEMO.learningRate, DEMO.totalSteps);
  const state = { ...trainer.init(0, DEMO.depth), params: arraysOf(params, arr) };
  await settle(np.sin(np.ones([4])));
  const start = now();
  await trainer.step(state, x, y).loss.data();
  report(meta, w, [now() - start]);
}

async function loops(w) {
  if (w.kind === 'scan') return report(meta, w, await scanSteps({ jit, scan, np }));
  const { derived, byHand } = await gradOfScan({ jit, scan, grad, np });
  report(meta, w, derived);
  return report(meta, { ...w, name: `${w.name}-by-hand` }, byHand);
}

/** Workloads that bring their own inputs. */
const special = { demo, democold: demoCold, scan: loops, gradscan: loops };

async function smallCalls(w, raw) {
  const f = jit((x) => np.add(np.multiply(x, 2), 1));
  const x = np.array(raw.x);
  const n = 300;
  const modes = {
    await: async () => {
      for (let i = 0; i < n; i++) await f(x).data();
    },
    sync: async () => {
      for (let i = 0; i < n; i++) f(x).dataSync();
    },
    chained: async () => {
      let y = x;
      for (let i = 0; i < n; i++) y = f(y);
      await y.data();
    },
    call: async () => {
      for (let i = 0; i < n; i++) f(x).dispose();
    },
  };
  for (const [mode, g] of Object.entries(modes)) {
    if (mode === 'sync' && device === 'webgpu') continue;
    const t = (await timeIt(g, { warm: 20, minRuns: 5, maxRuns: 40 })).map((v) => v / n);
    report(meta, { ...w, name: `${w.name}-${mode}` }, t);
  }
}

async function compile(w, raw) {
  await settle(jit((x) => np.add(x, 3))(np.array(raw.x)));
  const build = (variant) =>
    jit((x) =>
      runChain(variant, x, {
        mulc: (y, c) => np.multiply(y, c),
        addx: (y) => np.add(y, x),
        sin: (y) => np.sin(y),
        maxc: (y, c) => np.maximum(y, c),
        mulx: (y) => np.multiply(y, x),
      }),
    );
  const x = np.array(raw.x);
  await settle(x);
  let f;
  await timeChain(meta, w, raw, {
    first: async (variant) => {
      f = build(variant);
      const start = now();
      const out = await f(x).data();
      return { ms: now() - start, out };
    },
    again: async () => {
      await f(x).data();
    },
  });
}

/** A hundred small kernels in one jitted call: they cannot fuse, because each is a reduction that the next one needs. */
async function manyKernels(w, raw) {
  const f = jit((x) => {
    let y = x;
    for (let i = 0; i < w.kernels; i++) y = np.add(np.matmul(y, y), 0.001);
    return y;
  });
  const x = arr(raw.x, [8, 8]);
  await run({ ...w, ref: undefined }, raw, f, [x]);
}

for (const w of selected(o)) {
  try {
    if (special[w.kind] !== undefined) {
      await special[w.kind](w);
      continue;
    }
    const raw = w.inputs();
    if (w.kind === 'matmul') await matmul(w, raw);
    else if (w.kind === 'matvec')
      await run(
        w,
        raw,
        jit((a, x) => np.matmul(a, x)),
        [arr(raw.a, [w.n, w.n]), arr(raw.x, [w.n])],
      );
    else if (w.kind === 'ew')
      await run(
        w,
        raw,
        jit((x) => np.multiply(np.tanh(np.add(np.multiply(x, EW.a), EW.b)), nn.sigmoid(x))),
        [np.array(raw.x)],
      );
    else if (w.kind === 'softmax')
      await run(
        w,
        raw,
        jit((x) => nn.softmax(x)),
        [arr(raw.x, [w.rows, COLS])],
      );
    else if (w.kind === 'layernorm')
      await run(w, raw, jit(layerNorm), [
        arr(raw.x, [ROWS, COLS]),
        np.array(raw.g),
        np.array(raw.b),
      ]);
    else if (w.kind === 'sum')
      await run(
        w,
        raw,
        jit((x) => np.sum(x)),
        [np.array(raw.x)],
      );
    else if (w.kind === 'attention') await attention(w, raw);
    else if (w.kind === 'mlp') await mlp(w, raw);
    else if (w.kind === 'call') await smallCalls(w, raw);
    else if (w.kind === 'compile') await compile(w, raw);
    else if (w.kind === 'many') await manyKernels(w, raw);
    else cannot(meta, w, 'no convolution yet');
  } catch (e) {
    cannot(meta, w, e?.stack ?? e);
  }
}
process.exit(0);
