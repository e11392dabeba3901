/** Kernels against the plain-array programs that they stand for, and the shape of what the transformations make of them. */
import { describe, expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { registerDevice } from '../../core/backend.ts';
import '../../core/jaxpr-print.ts';
import type { Value } from '../../core/value.ts';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { sin } from '../../lax/transcendental.ts';
import { dotGeneral } from '../../lax/dot.ts';
import { pallasCall } from '../../pallas/call.ts';
import { BlockSpec, programId } from '../../pallas/grid.ts';
import { ds } from '../../lax/ref-index.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import '../../transforms/eval.ts';
import { jvp } from '../../transforms/forward.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { vmap } from '../../transforms/vmap.ts';

registerDevice(new InterpreterDevice());

const struct = (...shape: number[]): ShapeDtypeStruct => new ShapeDtypeStruct(shape, 'f32');
const ramp = (...shape: number[]): NDArray => {
  const n = shape.reduce((a, b) => a * b, 1);
  return NDArray.fromHost(
    Float32Array.from({ length: n }, (_, i) => ((i * 7) % 11) / 4 - 1),
    shape,
    'f32',
  );
};
const values = (x: unknown): number[] => Array.from((x as NDArray).dataSync() as Float32Array);

const double = pallasCall((x, y) => y.set(mul(x.get(), 2)), {
  outShape: struct(10),
  grid: 3,
  inSpecs: [new BlockSpec([4], (i) => i)],
  outSpecs: new BlockSpec([4], (i) => i),
  name: 'double',
});

test('a kernel over overhanging blocks, eager and jitted', () => {
  const x = ramp(10);
  const want = values(x).map((v) => 2 * v);
  expect(values(double(x))).toEqual(want);
  expect(values(jit((v: Value) => double(v))(x))).toEqual(want);
});

test('the lowered text carries the kernel and its emulation', () => {
  const text = jit((v: Value) => double(v))
    .lower(ramp(10))
    .asText();
  expect(text).toContain('palladia.kernel');
  expect(text).toContain('stablehlo.while');
});

const matmul = (m: number, k: number, n: number, block: number) =>
  pallasCall(
    (x, y, z) => {
      const first = programId(2);
      void first;
      z.addupdate(
        dotGeneral(x.get(), y.get(), [
          [[1], [0]],
          [[], []],
        ]),
      );
    },
    {
      outShape: struct(m, n),
      grid: [Math.ceil(m / block), Math.ceil(n / block), k / block],
      inSpecs: [
        new BlockSpec([block, block], (i, _j, l) => [i, l]),
        new BlockSpec([block, block], (_i, j, l) => [l, j]),
      ],
      outSpecs: new BlockSpec([block, block], (i, j) => [i, j]),
    },
  );

describe('transformations', () => {
  test('vmap adds a leading axis to the grid', () => {
    const x = ramp(3, 10);
    const mapped = vmap((v: Value) => double(v));
    expect(values(mapped(x))).toEqual(values(x).map((v) => 2 * v));
    const text = makeJaxpr(mapped)(x).toString();
    expect(text.match(/pallas_call/g)?.length).toBe(1);
    expect(text).toContain('grid=(3, 3)');
  });
  test('jvp differentiates the body', () => {
    const call = pallasCall((x, y) => y.set(sin(x.get())), { outShape: struct(5) });
    const x = ramp(5);
    const t = ramp(5);
    const [y, dy] = jvp((v: Value) => call(v), [x], [t]) as [NDArray, NDArray];
    values(y).forEach((v, i) => expect(v).toBeCloseTo(Math.sin(values(x)[i]), 5));
    values(dy).forEach((v, i) => expect(v).toBeCloseTo(Math.cos(values(x)[i]) * values(t)[i], 5));
  });
});

test('windows with dynamic starts', () => {
  const shift = pallasCall(
    (x, y) => {
      const i = programId(0);
      y.set(add(x.get(ds(i, 3)), 1));
    },
    { outShape: struct(4, 3), grid: 4, outSpecs: new BlockSpec([null, 3], (i) => [i, 0]) },
  );
  const x = values(shift(ramp(6)));
  const from = values(ramp(6));
  expect(x).toEqual([0, 1, 2, 3].flatMap((i) => [from[i] + 1, from[i + 1] + 1, from[i + 2] + 1]));
});

test('accumulation along a sequential axis needs an initial value', () => {
  expect(() => matmul(4, 8, 4, 4)(ramp(4, 8), ramp(8, 4))).not.toThrow();
});
