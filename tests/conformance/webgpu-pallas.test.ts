// The kernel library on the WebGPU device against the interpreter: values, gradients and batches, with sizes that no block divides.
import { test } from 'vitest';
import { createWebGpuDevice } from '../../backends/webgpu/device.ts';
import { NDArray } from '../../core/array.ts';
import { registerDevice } from '../../core/backend.ts';
import type { Value } from '../../core/value.ts';
import { add, mul, sub } from '../../lax/arithmetic.ts';
import { eq } from '../../lax/comparison.ts';
import { sin } from '../../lax/transcendental.ts';
import { reduceSum } from '../../lax/structure.ts';
import { pallasCall } from '../../pallas/call.ts';
import { BlockSpec, programId } from '../../pallas/grid.ts';
import * as ops from '../../pallas/ops/index.ts';
import { when } from '../../pallas/when.ts';
import { grad } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { vmap } from '../../transforms/vmap.ts';
import { expectSame, on, oracle } from './suite.ts';

const device = await createWebGpuDevice();
registerDevice(device);
registerDevice(oracle);

let state = 7;
const noise = (...shape: number[]): { values: Float32Array; shape: number[] } => ({
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  }),
});

/** Compare a function on both devices. */
async function same(
  f: (...xs: Value[]) => Value | Value[],
  args: ReturnType<typeof noise>[],
  rtol = 2e-4,
): Promise<void> {
  const list = (x: Value | readonly Value[]): readonly Value[] =>
    Array.isArray(x) ? x : [x as Value];
  const run = (): readonly Value[] => {
    const arrays = args.map(({ values, shape }) => NDArray.fromHost(values, shape, 'f32'));
    const jitted = jit((...xs: Value[]) => [...list(f(...xs))]);
    return jitted(...arrays);
  };
  const wanted = on(oracle, run);
  const actual = on(device, run);
  for (const [i, x] of actual.entries()) await expectSame(x, wanted[i], rtol);
}

const squares =
  (f: (...xs: Value[]) => Value) =>
  (...xs: Value[]): Value =>
    reduceSum(mul(f(...xs), sin(f(...xs))), [...f(...xs).shape.keys()]);

test('matmul and its gradient', async () => {
  const f = (x: Value, y: Value): Value => ops.matmul(x, y, { blockM: 8, blockN: 16, blockK: 8 });
  await same(f, [noise(19, 13), noise(13, 21)]);
  await same((x, y) => grad((v: Value) => squares(f)(v, y))(x), [noise(9, 13), noise(13, 10)]);
});

test('softmax and layer norm', async () => {
  await same((x) => ops.softmax(x), [noise(9, 37)]);
  await same((x, g, b) => ops.layerNorm(x, g, b), [noise(9, 37), noise(37), noise(37)]);
  await same((x) => grad(squares((v: Value) => ops.softmax(v)))(x), [noise(5, 20)]);
});

test('flash attention, causal and ragged, its gradient, and a batch of heads', async () => {
  const f = (q: Value, k: Value, v: Value): Value =>
    ops.flashAttention(q, k, v, { causal: true, blockQ: 8, blockK: 8 });
  await same(f, [noise(19, 16), noise(19, 16), noise(19, 16)]);
  await same((q, k, v) => vmap(f)(q, k, v), [noise(2, 11, 8), noise(2, 11, 8), noise(2, 11, 8)]);
  await same(
    (q, k, v) => grad((x: Value) => squares((y: Value) => f(y, k, v))(x))(q),
    [noise(11, 8), noise(11, 8), noise(11, 8)],
  );
});

test('accumulation along a sequential axis', async () => {
  const columnSums = pallasCall(
    (x, y) => {
      when(eq(programId(1), 0), () => y.set(sub(x.get(), x.get())));
      y.set(add(y.get(), x.get()));
    },
    {
      outShape: new ShapeDtypeStruct([4, 10], 'f32'),
      grid: [3, 5],
      inSpecs: [new BlockSpec([4, 4], (i, k) => [k, i])],
      outSpecs: new BlockSpec([4, 4], (i) => [0, i]),
      name: 'column_sums',
    },
  );
  await same((x) => columnSums(x), [noise(20, 10)]);
});
