// The vision transformer of examples/digits and its adamw step in jax-js: the same functions, line by line, with jax-js's own attention.
import { DEMO } from './demo.mjs';

/** The jitted step `(state, images, labels) → [state, loss, right]` and its first state. */
export function demoStep({ numpy: np, nn, jit, valueAndGrad, tree }) {
  const { tokens, width, heads, classes, weightDecay } = DEMO;

  const linear = (x, { weight, bias }) => np.matmul(x, weight).add(bias);
  const normalize = (x, { scale, shift }) => nn.standardize(x, -1).mul(scale).add(shift);

  function attend(x, block) {
    const [batch] = x.shape;
    const qkv = linear(x, block.qkv).reshape([batch, tokens, 3, heads, width / heads]);
    const part = (i) => qkv.ref.slice([], [], i);
    const mixed = nn.dotProductAttention(part(0), part(1), part(2));
    qkv.dispose();
    return linear(mixed.reshape([batch, tokens, width]), block.out);
  }

  function forward(params, images) {
    const pixels = images.sub(0.13).mul(1 / 0.31);
    let x = linear(pixels, params.embed).add(params.position);
    for (const block of params.blocks) {
      x = x.ref.add(attend(normalize(x, block.before), block));
      const wide = nn.gelu(linear(normalize(x.ref, block.between), block.up));
      x = x.add(linear(wide, block.down));
    }
    return linear(normalize(x, params.last).mean(1), params.head);
  }

  function loss(params, images, labels) {
    const logits = forward(params, images);
    const target = nn.oneHot(labels.ref, classes);
    const losses = nn.logSoftmax(logits.ref, -1).mul(target).sum(-1).neg();
    const right = np.argmax(logits, -1).equal(labels).astype(np.int32).sum();
    return [losses.mean(), right];
  }

  /** Up along a line, then down along a cosine. */
  function rate(count) {
    const warmup = Math.max(1, Math.round(DEMO.totalSteps / 20));
    const rise = count.ref.mul(DEMO.learningRate / warmup);
    const share = count.ref.sub(warmup).div(DEMO.totalSteps - warmup);
    const fall = np
      .cos(share.mul(Math.PI))
      .add(1)
      .mul(0.5 * DEMO.learningRate);
    return np.where(count.less(warmup), rise, fall);
  }

  const [b1, b2, eps] = [0.9, 0.999, 1e-8];
  /** One minus bᵗ. */
  const bias = (b, t) =>
    np
      .exp(t.mul(Math.log(b)))
      .mul(-1)
      .add(1);

  const step = jit(({ params, mu, nu, count }, images, labels) => {
    const gradient = valueAndGrad(loss, { hasAux: true });
    const [[value, right], grads] = gradient(tree.ref(params), images, labels);
    const first = tree.map((g, m) => g.mul(1 - b1).add(m.mul(b1)), tree.ref(grads), mu);
    const second = tree.map(
      (g, v) =>
        np
          .square(g)
          .mul(1 - b2)
          .add(v.mul(b2)),
      grads,
      nu,
    );
    const next = count.ref.add(1);
    const [bias1, bias2] = [bias(b1, next.ref), bias(b2, next.ref)];
    const learningRate = rate(count);
    const moved = tree.map(
      (p, m, v) => {
        const direction = m.div(bias1.ref).div(np.sqrt(v.div(bias2.ref)).add(eps));
        return p.ref.sub(direction.add(p.mul(weightDecay)).mul(learningRate.ref));
      },
      params,
      tree.ref(first),
      tree.ref(second),
    );
    for (const x of [bias1, bias2, learningRate]) x.dispose();
    return [{ params: moved, mu: first, nu: second, count: next }, value, right];
  });
  const init = (params) => ({
    params,
    mu: tree.map((p) => np.zeros(p.shape), params),
    nu: tree.map((p) => np.zeros(p.shape), params),
    count: np.array(0),
  });
  return { init, step };
}
