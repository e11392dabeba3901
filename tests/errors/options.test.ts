// Options that do not exist are refused: a misspelt one would be ignored silently.
import { grad, jit, scan, setDefaultDevice, vmap, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as optim from 'palladia/optim';
import * as random from 'palladia/random';
import { beforeAll, expect, test } from 'vitest';

beforeAll(() => setDefaultDevice('wasm'));

const key = random.key(0);
const m = np.ones([2, 3]);
const v = np.ones(3);
const i = np.array([0, 1], 'i32');
const gatherDims = { offsetDims: [], collapsedSliceDims: [0], startIndexMap: [0] };
const scatterDims = {
  updateWindowDims: [],
  insertedWindowDims: [0],
  scatterDimsToOperandDims: [0],
};
const at = np.array([[0]], 'i32');
const mapped = (f: (x: Value) => Value): Value => vmap(f, { axisName: 'i' })(v);

// Types refuse these options too: they come as `never`.
const calls: Readonly<Record<string, (o: never) => unknown>> = {
  array: (o) => np.array([1], o),
  linspace: (o) => np.linspace(0, 1, 3, o),
  meshgrid: (o) => np.meshgrid([v, v], o),
  zerosLike: (o) => np.zerosLike(v, o),
  concatenate: (o) => np.concatenate([v, v], o),
  stack: (o) => np.stack([v, v], o),
  pad: (o) => np.pad(v, 1, o),
  sum: (o) => np.sum(v, o),
  take: (o) => np.take(v, i, o),
  takeAlongAxis: (o) => np.takeAlongAxis(v, i, 0, o),
  searchsorted: (o) => np.searchsorted(v, v, o),
  isclose: (o) => np.isclose(v, v, o),
  nanToNum: (o) => np.nanToNum(v, o),
  cross: (o) => np.cross(v, v, o),
  matmul: (o) => np.matmul(m, v, o),
  dot: (o) => np.dot(v, v, o),
  einsum: (o) => np.einsum('i,i->', v, v, o),
  tensordot: (o) => np.tensordot(v, v, 1, o),
  trace: (o) => np.trace(m, o),
  vecdot: (o) => np.vecdot(v, v, o),
  sort: (o) => np.sort(v, o),
  argsort: (o) => np.argsort(v, o),
  bincount: (o: object) => np.bincount(i, { length: 2, ...o }),
  'at.set': (o) => np.at(v, 0).set(1, o),
  'at.get': (o) => np.at(v, 0).get(o),
  clip: (o) => np.clip(v, o),
  dotGeneral: (o) =>
    lax.dotGeneral(
      m,
      v,
      [
        [[1], [0]],
        [[], []],
      ],
      o,
    ),
  'lax.sort': (o) => lax.sort(v, o),
  sliceInDim: (o) => lax.sliceInDim(v, 0, 1, o),
  dynamicSlice: (o) => lax.dynamicSlice(v, [0], [1], o),
  psum: (o) => mapped((x) => lax.psum(x, 'i', o)),
  allGather: (o) => mapped((x) => lax.allGather(x, 'i', o)),
  gather: (o) => lax.gather(v, at, gatherDims, [1], o),
  scatterAdd: (o) => lax.scatterAdd(v, at, np.ones(1), scatterDims, o),
  softmax: (o) => nn.softmax(v, o),
  oneHot: (o) => nn.oneHot(i, 2, o),
  gelu: (o) => nn.gelu(v, o),
  dotProductAttention: (o) => nn.dotProductAttention(m, m, m, o),
  uniform: (o) => random.uniform(key, [2], o),
  normal: (o) => random.normal(key, [2], o),
  categorical: (o) => random.categorical(key, v, o),
  permutation: (o) => random.permutation(key, v, o),
  choice: (o) => random.choice(key, v, [2], o),
  sgd: (o) => optim.sgd(0.1, o),
  adam: (o) => optim.adam(0.1, o),
  adamw: (o) => optim.adamw(0.1, o),
  jit: (o) => jit((x: Value) => x, o),
  vmap: (o) => vmap((x: Value) => x, o),
  grad: (o) => grad((x: Value) => x, o),
  scan: (o) => scan((c: Value, x: Value) => [c, x], 0, v, o),
};

test.each(Object.entries(calls))('%s', (_, call) => {
  expect(() => call({ bogus: 1 } as never)).toThrow(/options must be among .*; got bogus/);
});
