// The workloads expressed in jax-js; runs in Node and in a browser page.
import {
  ATT,
  COLS,
  CONV,
  EPS,
  EW,
  MLP,
  ROWS,
  cannot,
  now,
  report,
  spotCheck,
  timeIt,
  timeChain,
  runChain,
} from './common.mjs';
import { arraysOf, demoInputs, timeDemo } from './demo.mjs';
import { demoStep } from './jaxjs-demo.mjs';

export async function runJax({ jax, meta, list, threads }) {
  const { numpy: np, lax, nn, jit, valueAndGrad, tree } = jax;
  const arr = (data, shape) => np.array(data).reshape(shape);
  const settle = async (x) => {
    await jax.blockUntilReady(x);
  };

  /** Time f(...ins) where every input is re-referenced and the output is dropped. */
  async function run(w, raw, f, ins, layout) {
    const call = async () => {
      const y = f(...ins.map((x) => x.ref));
      await settle(y);
      y.dispose();
    };
    const out = await f(...ins.map((x) => x.ref)).data();
    const err = spotCheck(w, raw, out, layout);
    report(meta, w, await timeIt(call, { warm: 2 }), { err: err && +err.toExponential(2) });
  }

  for (const w of list) {
    try {
      if (w.kind === 'demo') {
        const { params, images, labels } = demoInputs();
        const { init, step } = demoStep(jax);
        const [x, y] = [arr(images.data, images.shape), np.array(labels)];
        let state = init(arraysOf(params, arr));
        const { times, losses } = await timeDemo(async () => {
          const [next, loss, right] = step(state, x.ref, y.ref);
          state = next;
          const [value] = await loss.data();
          await right.data();
          return value;
        }, timeIt);
        report(meta, w, times, { losses });
        continue;
      }
      const raw = w.inputs();
      switch (w.kind) {
        case 'matmul': {
          const sh = (r, c) => (w.B > 1 ? [w.B, r, c] : [r, c]);
          if (w.transposed) {
            await run(
              w,
              raw,
              jit((a, b) => np.matmul(np.transpose(a), np.transpose(b))),
              [arr(raw.at, [w.K, w.M]), arr(raw.bt, [w.N, w.K])],
            );
            break;
          }
          await run(
            w,
            raw,
            jit((a, b) => np.matmul(a, b)),
            [arr(raw.a, sh(w.M, w.K)), arr(raw.b, sh(w.K, w.N))],
          );
          break;
        }
        case 'many':
          await run(
            { ...w, ref: undefined },
            raw,
            jit((x) => {
              let y = x;
              for (let i = 0; i < w.kernels; i++) y = np.matmul(y.ref, y).add(0.001);
              return y;
            }),
            [arr(raw.x, [8, 8])],
          );
          break;
        case 'matvec':
          await run(
            w,
            raw,
            jit((a, x) => np.matmul(a, x)),
            [arr(raw.a, [w.n, w.n]), arr(raw.x, [w.n])],
          );
          break;
        case 'ew':
          await run(
            w,
            raw,
            jit((x) => np.tanh(x.ref.mul(EW.a).add(EW.b)).mul(nn.sigmoid(x))),
            [arr(raw.x, [EW.n])],
          );
          break;
        case 'softmax':
          await run(
            w,
            raw,
            jit((x) => nn.softmax(x, -1)),
            [arr(raw.x, [w.rows, COLS])],
          );
          break;
        case 'layernorm':
          await run(
            w,
            raw,
            jit((x, g, b) => {
              const c = x.ref.sub(x.mean(-1, { keepdims: true }));
              const v = c.ref.mul(c.ref).mean(-1, { keepdims: true });
              return c
                .mul(np.reciprocal(np.sqrt(v.add(EPS))))
                .mul(g)
                .add(b);
            }),
            [arr(raw.x, [ROWS, COLS]), arr(raw.g, [COLS]), arr(raw.b, [COLS])],
          );
          break;
        case 'sum':
          await run(
            w,
            raw,
            jit((x) => x.sum()),
            [np.array(raw.x)],
          );
          break;
        case 'attention':
          await run(
            w,
            raw,
            jit((q, k, v) => nn.dotProductAttention(q, k, v)),
            ['q', 'k', 'v'].map((n) => arr(raw[n], [ATT.B, ATT.S, ATT.H, ATT.D])),
          );
          break;
        case 'conv': {
          const conv = (x, k) => lax.conv(x, k, [1, 1], 'SAME'),
            ins = [arr(raw.x, [1, CONV.C, CONV.H, CONV.W]), arr(raw.w, [CONV.O, CONV.C, 3, 3])];
          await run(w, raw, jit(conv), ins);
          await run({ ...w, name: w.name + ' (eager)' }, raw, conv, ins); // its Wasm backend copies the padding only outside jit
          break;
        }
        case 'mlp': {
          const loss = (p, x, y) => {
            let h = x;
            for (let i = 0; i < 3; i++) {
              h = np.matmul(h, p.w[i]).add(p.b[i]);
              if (i < 2) h = nn.relu(h);
            }
            return nn
              .logSoftmax(h, -1)
              .mul(y)
              .sum()
              .mul(-1 / MLP.batch);
          };
          const step = jit((p, x, y) => {
            const [l, g] = valueAndGrad(loss)(tree.ref(p), x, y);
            return [l, tree.map((a, d) => a.sub(d.mul(MLP.lr)), p, g)];
          });
          let p = {
            w: raw.w.map((d, i) => arr(d, [MLP.sizes[i], MLP.sizes[i + 1]])),
            b: raw.b.map((d) => np.array(d)),
          };
          const x = arr(raw.x, [MLP.batch, 784]);
          const hot = new Float32Array(MLP.batch * 10);
          raw.y.forEach((c, i) => (hot[i * 10 + c] = 1));
          const y = arr(hot, [MLP.batch, 10]);
          const losses = [];
          let last = null;
          const one = async () => {
            const [l, q] = step(p, x.ref, y.ref);
            p = q;
            await settle([l, q]);
            last?.dispose();
            last = l;
            if (losses.length === 0) losses.push((await l.ref.data())[0]);
          };
          const t = await timeIt(one, { warm: 3 });
          losses.push((await last.data())[0]);
          if (!(losses[1] < losses[0])) throw new Error(`loss did not fall: ${losses.join()}`);
          report(meta, w, t, { loss: losses.map((v) => +v.toFixed(4)) });
          break;
        }
        case 'call': {
          const f = jit((x) => x.mul(2).add(1));
          const x = np.array(raw.x);
          const N = 300;
          const sync = async () => {
            for (let i = 0; i < N; i++) f(x.ref).dataSync();
          };
          const pipelined = async () => {
            let y = x.ref;
            for (let i = 0; i < N; i++) y = f(y);
            await y.data();
          };
          const awaited = async () => {
            for (let i = 0; i < N; i++) await f(x.ref).data();
          };
          const record = async () => {
            for (let i = 0; i < N; i++) f(x.ref).dispose();
          };
          for (const [mode, g] of [
            ['await', awaited],
            ...(threads > 1 || meta.backend === 'webgpu' ? [] : [['sync', sync]]),
            ['chained', pipelined],
            ['record-only', record],
          ]) {
            const t = (await timeIt(g, { warm: 3, minRuns: 5, maxRuns: 20 })).map((v) => v / N);
            report(meta, { ...w, name: `${w.name}-${String(mode)}` }, t);
          }
          break;
        }
        case 'compile': {
          jit((x) => x.add(3))(np.array(raw.x)).dispose(); // library warm, this graph not
          const build = (variant) =>
            jit((x) => {
              const y = runChain(variant, x.ref, {
                mulc: (v, c) => v.mul(c),
                addx: (v) => v.add(x.ref),
                sin: (v) => np.sin(v),
                maxc: (v, c) => np.maximum(v, c),
                mulx: (v) => v.mul(x.ref),
              });
              x.dispose();
              return y;
            });
          const x = np.array(raw.x);
          await settle(x);
          let f;
          await timeChain(meta, w, raw, {
            first: async (variant) => {
              f = build(variant);
              const start = now();
              const out = await f(x.ref).data();
              return { ms: now() - start, out };
            },
            again: async () => {
              await f(x.ref).data();
            },
          });
          break;
        }
      }
    } catch (e) {
      cannot(meta, w, e?.stack ?? e);
    }
  }
}
