// Corners of the primitives, on the interpreter and on wasm: the values are those of JAX 0.10.2.
import { afterAll, describe, expect, test } from 'vitest';
import { grad, jit, setDefaultDevice, type DType, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';

afterAll(() => setDefaultDevice('wasm'));

const array = (values: readonly number[], shape: readonly number[], dtype: DType = 'f32'): Value =>
  np.array(values.flat(), { dtype, shape });

/** The elements of a result on the interpreter, after checking that wasm gives the same, eagerly and jitted. */
function everywhere(f: () => Value): { shape: readonly number[]; values: number[] } {
  const results = (['interpreter', 'wasm', 'jit'] as const).map((mode) => {
    setDefaultDevice(mode === 'interpreter' ? mode : 'wasm');
    const out = mode === 'jit' ? jit(f)() : f();
    return { shape: out.shape, values: Array.from(out.dataSync(), Number) };
  });
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  return results[0];
}

const vectors = { offsetDims: [], collapsedSliceDims: [0], startIndexMap: [0] };
const places = { updateWindowDims: [], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };

describe('starts that i32 does not hold', () => {
  const far = (): Value => array([2 ** 32 - 1], [], 'u32');

  test('dynamicSlice and dynamicUpdateSlice clamp unsigned starts to the end', () => {
    expect(everywhere(() => lax.dynamicSlice(np.arange(5), [far()], [2])).values).toEqual([3, 4]);
    expect(
      everywhere(() => lax.dynamicUpdateSlice(np.arange(5), array([7, 8], [2], 'i32'), [far()]))
        .values,
    ).toEqual([0, 1, 2, 7, 8]);
  });

  test('gather clamps and scatter skips unsigned indices', () => {
    const indices = (): Value => array([0, 2 ** 32 - 1, 2 ** 31], [3, 1], 'u32');
    const x = (): Value => array([1, 2, 3], [3]);
    expect(
      everywhere(() => lax.gather(x(), indices(), vectors, [1], { mode: 'clip' })).values,
    ).toEqual([1, 3, 3]);
    expect(
      everywhere(() => lax.scatterAdd(x(), indices(), array([5, 6, 7], [3]), places)).values,
    ).toEqual([6, 2, 3]);
  });
});

describe('dots of one row and one column', () => {
  test.each([
    // x, y, contracted axes, batch axes, result
    [
      [2, 1, 2],
      [2, 2, 1],
      [[2], [1]],
      [[0], [0]],
      [2, 1, 1],
      [13, 41],
    ],
    [[2, 1], [2], [[], []], [[0], [0]], [2, 1], [4, 9]],
    [
      [2, 1, 3],
      [3, 1, 2],
      [[], []],
      [
        [0, 2],
        [2, 0],
      ],
      [2, 3, 1, 1],
      [4, 12, 24, 15, 30, 49],
    ],
    [
      [1, 2, 2],
      [2, 2, 1],
      [[1], [0]],
      [[2], [1]],
      [2, 1, 1],
      [20, 34],
    ],
  ] as const)('%j · %j', (x, y, contract, batch, shape, values) => {
    const count = (sizes: readonly number[]): Value =>
      np.reshape(np.arange(2, 2 + sizes.reduce((a, b) => a * b, 1)), sizes);
    const out = everywhere(() => lax.dotGeneral(count(x), count(y), [contract, batch]));
    expect(out).toEqual({ shape, values });
  });
});

describe('scatter', () => {
  test('windows that are partly out of bounds are skipped', () => {
    const dims = {
      updateWindowDims: [1],
      insertedWindowDims: [0],
      scatterDimsToOperandDims: [0, 1],
    };
    const out = everywhere(() =>
      lax.scatter(
        array([1, 2, 3, 4, 5, 6], [2, 3]),
        array([0, 1, 1, 2], [2, 2], 'i32'),
        array([7, 8, 9, 10], [2, 2]),
        dims,
      ),
    );
    expect(out.values).toEqual([1, 7, 8, 4, 5, 6]);
  });

  test('index vectors may be empty', () => {
    const dims = { updateWindowDims: [], insertedWindowDims: [], scatterDimsToOperandDims: [] };
    const none = (): Value => lax.zeros([0], 'i32');
    expect(everywhere(() => lax.scatter(lax.full([], 5), none(), lax.full([], 7), dims))).toEqual({
      shape: [],
      values: [7],
    });
  });
});

describe('gather', () => {
  test('bools out of bounds are true', () => {
    const x = (): Value => lax.full([2], false, 'bool');
    const indices = (): Value => array([0, 7], [2, 1], 'i32');
    expect(
      everywhere(() => lax.gather(x(), indices(), vectors, [1], { mode: 'fill' })).values,
    ).toEqual([0, 1]);
  });

  test('axes without elements have none to read', () => {
    const read = (): Value =>
      lax.gather(lax.zeros([0]), array([0], [1, 1], 'i32'), vectors, [0], { mode: 'clip' });
    expect(read).toThrow(/axes that are dropped must have slice size 1/);
    expect(() => np.take(np.zeros(0), array([0], [1], 'i32'))).toThrow(/take: an axis without/);
    expect(np.take(np.zeros(0), array([], [0], 'i32')).shape).toEqual([0]);
  });
});

test('a lower bound above the upper one has no derivative', () => {
  const slope = grad((low: Value) =>
    lax.clamp(low, lax.full([], 1, 'f32'), lax.full([], 2, 'f32')),
  );
  expect([1.5, 3].map((low) => slope(lax.full([], low, 'f32')).item())).toEqual([1, 0]);
});
