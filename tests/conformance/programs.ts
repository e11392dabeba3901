// Programs of more than one operation, for the conformance suite: fusions, loops, branches, gradients, sizes that do not fit blocks.
import type { NDArray } from '../../core/array.ts';
import type { Value } from '../../core/value.ts';
import type { Shape } from '../../core/shape.ts';
import * as lax from '../../lax/index.ts';
import { cond, switchBranch } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { grad } from '../../transforms/grad.ts';
import { vmap } from '../../transforms/vmap.ts';
import { arrayOf } from '../laws/harness.ts';

/** A program: arguments and a function of them; `rtol` where the suite's tolerance is too narrow, with the reason in a comment. */
export interface Program {
  readonly name: string;
  readonly args: () => NDArray[];
  readonly f: (...xs: Value[]) => Value | readonly Value[];
  readonly rtol?: number;
}

/** Numbers that look random, between -1 and 1. */
const noise = (shape: Shape, seed = 1): NDArray => {
  const size = shape.reduce((n, d) => n * d, 1);
  return arrayOf(
    Array.from({ length: size }, (_, i) =>
      Math.fround(Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.95),
    ),
    shape,
    'f32',
  );
};
const integers = (shape: Shape, low: number, high: number): NDArray => {
  const size = shape.reduce((n, d) => n * d, 1);
  return arrayOf(
    Array.from({ length: size }, (_, i) => low + ((i * 7919 + 13) % (high - low))),
    shape,
    'i32',
  );
};

const softmax = (x: Value): Value => {
  const last = x.ndim - 1;
  const keep = x.shape.map((_, i) => i).slice(0, -1);
  const top = lax.broadcastInDim(lax.reduceMax(x, [last]), x.shape, keep);
  const e = lax.exp(lax.sub(x, top));
  return lax.div(e, lax.broadcastInDim(lax.reduceSum(e, [last]), x.shape, keep));
};

const layerNorm = (x: Value): Value => {
  const n = x.shape[1];
  const spread = (v: Value): Value => lax.broadcastInDim(v, x.shape, [0]);
  const centred = lax.sub(x, spread(lax.div(lax.reduceSum(x, [1]), n)));
  const variance = lax.div(lax.reduceSum(lax.mul(centred, centred), [1]), n);
  return lax.mul(centred, spread(lax.rsqrt(lax.add(variance, 1e-5))));
};

const attention = (q: Value, k: Value, v: Value): Value => {
  const scores = lax.mul(
    lax.dotGeneral(q, k, [
      [[1], [1]],
      [[], []],
    ]),
    1 / Math.sqrt(q.shape[1]),
  );
  return lax.dot(softmax(scores), v);
};

const mlp = (w1: Value, b1: Value, w2: Value, x: Value): Value => {
  const h = lax.tanh(
    lax.add(lax.dot(x, w1), lax.broadcastInDim(b1, [x.shape[0], b1.shape[0]], [1])),
  );
  return softmax(lax.dot(h, w2));
};

const elementwise: readonly Program[] = [
  {
    name: 'a chain over 100003 elements',
    args: () => [noise([100003])],
    f: (x) => lax.mul(lax.logistic(lax.sin(x)), lax.exp(x)),
  },
  {
    name: 'a broadcast row and column',
    args: () => [noise([33, 65]), noise([65]), noise([33])],
    f: (x, r, c) =>
      lax.add(
        lax.mul(x, lax.broadcastInDim(r, [33, 65], [1])),
        lax.broadcastInDim(c, [33, 65], [0]),
      ),
  },
  {
    name: 'two results of one fusion',
    args: () => [noise([777])],
    f: (x) => [lax.sin(x), lax.mul(lax.sin(x), lax.sin(x))],
  },
  {
    name: 'a transpose that is read',
    args: () => [noise([65, 33]), noise([33, 65])],
    f: (x, y) => lax.add(lax.transpose(x, [1, 0]), lax.exp(y)),
  },
  {
    name: 'slices, pads and reversals',
    args: () => [noise([37, 41])],
    f: (x) =>
      lax.pad(lax.rev(lax.slice(x, [1, 2], [36, 41], [2, 3]), [1]), 0.5, [
        [1, 2, 0],
        [0, 3, 1],
      ]),
  },
  {
    name: 'no elements',
    args: () => [noise([0, 3])],
    f: (x) => [lax.sin(x), lax.reduceSum(x, [0])],
  },
  { name: 'rank 0', args: () => [noise([]), noise([], 2)], f: (x, y) => lax.add(lax.sin(x), y) },
  {
    name: 'integers and bits',
    args: () => [integers([515], -1000, 1000)],
    f: (x) => [lax.add(lax.mul(x, x), 3), lax.xor(x, 0x55), lax.rem(x, 7), lax.div(x, 5)],
  },
  {
    name: 'comparisons and selections',
    args: () => [noise([515]), noise([515], 2)],
    f: (x, y) => [lax.select(lax.lt(x, y), x, y), lax.ge(x, y)],
  },
];

/** Sums of terms of both signs are much smaller than their terms, and orders of summation differ. */
const cancelling = 1e-4;

const reductions: readonly Program[] = [
  {
    name: 'a sum of 300000',
    args: () => [noise([300000])],
    f: (x) => lax.reduceSum(x, [0]),
    rtol: cancelling,
  },
  {
    name: 'sums along both axes',
    args: () => [noise([127, 259])],
    f: (x) => [lax.reduceSum(x, [0]), lax.reduceSum(x, [1]), lax.reduceMax(x, [0, 1])],
    rtol: cancelling,
  },
  { name: 'softmax of rows', args: () => [noise([19, 301])], f: softmax },
  { name: 'softmax of long rows', args: () => [noise([3, 40001])], f: softmax },
  { name: 'layer norm', args: () => [noise([31, 130])], f: layerNorm },
  {
    name: 'gradient of layer norm',
    args: () => [noise([9, 33])],
    f: (x) => grad((v: Value) => lax.reduceSum(lax.mul(lax.sin(layerNorm(v)), v)))(x),
    rtol: 1e-4,
  },
  {
    name: 'extrema and their places',
    args: () => [noise([21, 47])],
    f: (x) => [lax.argmax(x, 1), lax.argmin(x, 0), lax.reduceMin(x, [1])],
  },
  {
    name: 'running sums',
    args: () => [noise([5, 300])],
    f: (x) => [lax.cumsum(x, 1), lax.cumsum(x, 0, true)],
    rtol: cancelling,
  },
];

const dots: readonly Program[] = [
  ...[
    [1, 1, 1],
    [7, 5, 3],
    [64, 64, 64],
    [33, 127, 65],
    [1, 300, 200],
    [200, 300, 1],
    [130, 17, 258],
  ].map(([m, k, n]): Program => ({
    name: `dot ${m}x${k}x${n}`,
    args: () => [noise([m, k]), noise([k, n], 2)],
    f: (x, y) => lax.dot(x, y),
    rtol: cancelling,
  })),
  {
    name: 'a vector plus its product with a matrix',
    args: () => [noise([33, 33]), noise([33], 2)],
    f: (w, x) => lax.add(x, lax.dot(w, x)),
  },
  {
    name: 'dot of transposes with an epilogue',
    args: () => [noise([70, 37]), noise([45, 70], 2), noise([45], 3)],
    f: (x, y, b) =>
      lax.tanh(
        lax.add(
          lax.dotGeneral(x, y, [
            [[0], [1]],
            [[], []],
          ]),
          lax.broadcastInDim(b, [37, 45], [1]),
        ),
      ),
    rtol: cancelling,
  },
  {
    name: 'batched dots',
    args: () => [noise([3, 17, 9]), noise([3, 9, 21], 2)],
    f: (x, y) =>
      lax.dotGeneral(x, y, [
        [[2], [1]],
        [[0], [0]],
      ]),
    rtol: cancelling,
  },
  {
    name: 'attention',
    args: () => [noise([45, 16]), noise([45, 16], 2), noise([45, 16], 3)],
    f: attention,
    rtol: cancelling,
  },
  {
    name: 'attention over heads',
    args: () => [noise([4, 20, 8]), noise([4, 20, 8], 2), noise([4, 20, 8], 3)],
    f: (q, k, v) => vmap(attention)(q, k, v),
    rtol: cancelling,
  },
  {
    name: 'gradients of a network',
    args: () => [noise([20, 33]), noise([33], 2), noise([33, 10], 3), noise([16, 20], 4)],
    f: (w1, b1, w2, x) => {
      const loss = (a: Value, b: Value, c: Value): Value =>
        lax.neg(lax.reduceSum(lax.log(lax.slice(mlp(a, b, c, x), [0, 0], [16, 1]))));
      return grad(loss, { argnums: [0, 1, 2] })(w1, b1, w2);
    },
    rtol: 1e-4,
  },
];

const loops: readonly Program[] = [
  ...[0, 1, 2, 5].map((trips): Program => ({
    name: `a loop of ${trips} trips`,
    args: () => [noise([300])],
    f: (x) => foriLoop(0, trips, (_: Value, c: Value) => lax.sin(lax.add(c, 1)), x),
    rtol: 1e-4,
  })),
  {
    name: 'a loop that tests',
    args: () => [noise([100])],
    f: (x) =>
      whileLoop(
        (c: Value) => lax.lt(lax.reduceSum(lax.mul(c, c)), 1e6),
        (c: Value) => lax.mul(c, 1.5),
        x,
      ),
  },
  {
    name: 'a loop that swaps',
    args: () => [noise([100]), noise([100], 2)],
    f: (x, y) =>
      foriLoop(0, 3, (_: Value, [a, b]: [Value, Value]) => [b, lax.add(a, b)] as [Value, Value], [
        x,
        y,
      ]),
  },
  {
    name: 'a loop that keeps a value',
    args: () => [noise([100]), noise([100], 2)],
    f: (x, y) =>
      foriLoop(0, 3, (_: Value, [a, b]: [Value, Value]) => [lax.add(a, b), b] as [Value, Value], [
        x,
        y,
      ]),
  },
  {
    name: 'a scan with results',
    args: () => [noise([100]), noise([7, 100], 2)],
    f: (x, xs) =>
      scan(
        (c: Value, v: Value) => {
          const n = lax.add(lax.mul(c, 0.5), v);
          return [n, lax.sin(n)];
        },
        x,
        xs,
      ),
  },
  {
    name: 'loops in loops',
    args: () => [noise([100])],
    f: (x) =>
      foriLoop(
        0,
        3,
        (_: Value, c: Value) =>
          lax.add(
            foriLoop(
              0,
              3,
              (i: Value, d: Value) => lax.add(lax.mul(d, 0.5), lax.convertElementType(i, 'f32')),
              c,
            ),
            1,
          ),
        x,
      ),
  },
  {
    name: 'branches in a loop',
    args: () => [noise([100])],
    f: (x) =>
      foriLoop(
        0,
        6,
        (i: Value, c: Value) =>
          switchBranch(
            lax.rem(i, 3),
            [(v: Value) => lax.sin(v), (v: Value) => lax.mul(v, 2), (v: Value) => v],
            c,
          ),
        x,
      ),
  },
  {
    name: 'constants around a branch and a loop, read through reshapes and from memory',
    args: () => [noise([4])],
    f(x) {
      const put = (at: number) => (y: Value, one: Value) =>
        lax.add(y, lax.pad(lax.reshape(one, [1]), 0, [[at, 3 - at, 0]]));
      const branched = cond(lax.gt(lax.reduceMax(x, [0]), 0), put(0), put(3), x, 1);
      const ones = lax.broadcastInDim(1, [2], []);
      const step = (_: Value, c: Value): Value => lax.add(c, lax.pad(ones, 0, [[1, 1, 0]]));
      return [branched, foriLoop(0, 3, step, x)];
    },
  },
  {
    name: 'a branch on data',
    args: () => [noise([100])],
    f: (x) =>
      cond(
        lax.gt(lax.reduceSum(x), 0),
        (v: Value) => lax.sin(v),
        (v: Value) => lax.cos(v),
        x,
      ),
  },
  {
    name: 'gradient of a scan',
    args: () => [noise([30]), noise([5, 30], 2)],
    f: (x, xs) =>
      grad((v: Value) =>
        lax.reduceSum(scan((c: Value, u: Value) => [lax.sin(lax.add(c, u)), null], v, xs)[0]),
      )(x),
    rtol: 1e-5,
  },
  {
    name: 'updates of a slice in a loop',
    args: () => [noise([50, 20])],
    f: (x) =>
      foriLoop(
        0,
        10,
        (i: Value, c: Value) =>
          lax.dynamicUpdateSlice(c, lax.mul(lax.dynamicSlice(c, [i, 0], [2, 20]), 2), [
            lax.add(i, 1),
            0,
          ]),
        x,
      ),
  },
];

const results: readonly Program[] = [
  {
    name: 'arguments that are results',
    args: () => [noise([100]), noise([3])],
    f: (x, y) => [x, y, lax.sin(x), x],
  },
  {
    name: 'one result twice',
    args: () => [noise([100])],
    f: (x) => {
      const y = lax.sin(x);
      return [y, y];
    },
  },
  {
    name: 'constants as results',
    args: () => [noise([3])],
    f: () => [lax.full([4, 40], 2), lax.iota('i32', 100)],
  },
  {
    name: 'random bits',
    args: () => [arrayOf([7, 42], [2], 'u32')],
    f: (k) => lax.randomBits(k, 32, [1001]),
  },
];

/** Every program. */
export const programs: readonly Program[] = [
  ...elementwise,
  ...reductions,
  ...dots,
  ...loops,
  ...results,
];
