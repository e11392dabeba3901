// Loops: what one step of a jitted scan costs, and the gradient of a scan against a backward loop that is written by hand.
import { timeIt } from './common.mjs';

const steps = 10_000;
const [hidden, length] = [32, 256];

/** Times of one step of a scan over 10,000 numbers with a carry of 16. */
export async function scanSteps({ jit, scan, np }) {
  const f = jit((x, xs) => scan((c, t) => [c.mul(0.999).add(t), null], x, xs)[0]);
  const [x, xs] = [np.ones([16]), np.linspace(0, 1, steps)];
  const times = await timeIt(async () => {
    await f(x, xs).data();
  });
  return times.map((ms) => ms / steps);
}

/** Times of the gradient of a recurrent network, and of a backward loop by hand; their results must agree. */
export async function gradOfScan({ jit, scan, grad, np }) {
  const cell = (W, h, x) => np.tanh(np.add(np.matmul(W, h), x));
  const loss = (W, h0, xs) => {
    const [h] = scan((state, x) => [cell(W, state, x), null], h0, xs);
    return np.sum(np.square(h));
  };
  const byHand = jit((W, h0, xs) => {
    const step = (state, x) => {
      const next = cell(W, state, x);
      return [next, [state, next]];
    };
    const [h, kept] = scan(step, h0, xs);
    const back = ([d, dW], [before, after]) => {
      const e = np.multiply(d, np.subtract(1, np.square(after)));
      return [[np.matmul(np.transpose(W), e), np.add(dW, np.outer(e, before))], null];
    };
    const start = [np.multiply(2, h), np.zeros([hidden, hidden])];
    return scan(back, start, kept, { reverse: true })[0][1];
  });
  const derived = jit(grad(loss));
  const args = [
    np.reshape(np.linspace(-0.1, 0.1, hidden * hidden), [hidden, hidden]),
    np.zeros([hidden]),
    np.reshape(np.linspace(-1, 1, length * hidden), [length, hidden]),
  ];
  const [a, b] = [await derived(...args).data(), await byHand(...args).data()];
  const apart = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
  if (!(apart < 1e-4)) throw new Error(`the gradients are ${apart} apart`);
  const time = (f) =>
    timeIt(async () => {
      await f(...args).data();
    });
  return { derived: await time(derived), byHand: await time(byHand) };
}
