// What numpy functions say about wrong arguments, and which arguments they take.
import { describe, expect, test } from 'vitest';
import { grad, jit, makeJaxpr, setDefaultDevice, vmap, withConfig, type Value } from 'palladia';
import * as np from 'palladia/numpy';

setDefaultDevice('interpreter');

/** The message without the line of the program. */
function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message.split('\n')[0]}`;
  }
  return 'nothing was thrown';
}

const x = np.zeros([3, 4]);

describe('errors', () => {
  test.each<[string, () => unknown]>([
    ['shapes that do not broadcast', () => np.add(x, np.zeros(3))],
    ['a list instead of an array', () => np.sum([1, 2] as unknown as Value)],
    ['an axis out of range', () => np.sum(x, { axis: 2 })],
    ['an axis named twice', () => np.sum(x, { axis: [0, -2] })],
    ['a ragged list', () => np.array([[1, 2], [3]])],
    ['a value that the dtype cannot hold', () => np.array([300], 'u8')],
    ['a number that the dtype cannot hold', () => np.add(np.array([1], 'i8'), 300)],
    ['elements that are no numbers', () => np.array(['a'] as unknown as number[])],
    ['a reshape to another size', () => np.reshape(x, [5, -1])],
    ['two free sizes', () => np.reshape(x, [-1, -1])],
    ['a negative size', () => np.zeros([-1])],
    ['an uneven split', () => np.split(x, 3, 1)],
    ['inner sizes that differ', () => np.matmul(x, x)],
    ['matmul of a scalar', () => np.matmul(x, 2)],
    ['too many indices', () => x.at(0, 0, 0)?.get()],
    ['a float index', () => x.at(1.5).get()],
    ['a float index array', () => x.at(np.array([1, 2])).get()],
    ['a mask', () => x.at(np.greater(x, 0)).get()],
    ['values that do not fit the place', () => x.at(0).set(np.zeros(3))],
    ['a step of 0', () => x.slice([0, 2, 0])],
    ['an empty extremum', () => np.max(np.zeros([0, 2]))],
    ['an empty argmax', () => np.argmax(np.zeros(0))],
    ['a negative power of integers', () => np.power(np.arange(3), -1)],
    ['einsum that names too few axes', () => np.einsum('i->i', x)],
    ['einsum with an unknown result', () => np.einsum('ij->k', x)],
    ['einsum with sizes that differ', () => np.einsum('ij,jk->ik', x, x)],
    ['stack of different shapes', () => np.stack([x, np.zeros(2)])],
    ['concatenate of nothing', () => np.concatenate([])],
    ['item of many', () => x.item()],
    ['an array as a number', () => Number(x)],
    [
      'strict promotion',
      () => withConfig({ numpyDtypePromotion: 'strict' }, () => np.add(np.arange(3), np.zeros(3))),
    ],
    [
      'no rank promotion',
      () => withConfig({ numpyRankPromotion: 'raise' }, () => np.add(x, np.zeros(4))),
    ],
    ['elements of a traced value', () => jit((v: Value) => v.item())(1)],
    ['a traced shape', () => jit((v: Value) => np.zeros(v as unknown as number))(1)],
    ['a traced bound', () => jit((v: Value) => np.arange(v as unknown as number))(1)],
  ])('%s', (label, act) => {
    expect({ label, message: messageOf(act) }).toMatchSnapshot();
  });
});

describe('arrays', () => {
  test('numbers alone are weak floats, lists strong ones', () => {
    expect(np.array(3).aval.key).toBe('~f32[]');
    expect(np.array([1, 2]).aval.key).toBe('f32[2]');
    expect(np.array([1n, 2n]).aval.key).toBe('i32[2]');
    expect(np.array([true]).aval.key).toBe('bool[1]');
    expect(np.array([]).aval.key).toBe('f32[0]');
    expect(np.array([[], []]).aval.key).toBe('f32[2,0]');
    expect(np.array(new Int16Array(3)).aval.key).toBe('i16[3]');
    expect(np.array(new Float64Array(3)).aval.key).toBe('f32[3]');
    expect(withConfig({ enableX64: true }, () => np.array([1]).aval.key)).toBe('f64[1]');
    expect(np.array([new Uint8Array(2), new Uint8Array(2)]).aval.key).toBe('u8[2,2]');
    expect(np.array([np.zeros(2), np.ones(2)]).aval.key).toBe('f32[2,2]');
    expect(np.array([[np.int32(1)], [2]]).aval.key).toBe('i32[2,1]');
    expect(np.int32(7).aval.key).toBe('i32[]');
    expect(np.array(1.5, 'i32').item()).toBe(1);
    expect(np.zeros(2, np.float16).aval.key).toBe('f16[2]');
  });
  test('reading back', async () => {
    const a = np.array(
      [
        [1, 2],
        [3, 4],
      ],
      'i32',
    );
    expect(await a.js()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(a.jsSync()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await a.data()).toEqual(Int32Array.of(1, 2, 3, 4));
    expect(np.array([true, false]).jsSync()).toEqual([true, false]);
    expect(String(a)).toBe('[[1 2]\n [3 4]]');
    expect(+np.array(2)).toBe(2);
  });
  test('disposed arrays cannot be used', () => {
    const a = np.ones(3);
    a.dispose();
    expect(messageOf(() => np.add(a, 1))).toMatch(
      /^DeletedArrayError: array: f32\[3\] was disposed and cannot be used any more/,
    );
  });
});

describe('methods', () => {
  const a = np.arange(6).reshape(2, 3);
  test('are the functions', () => {
    expect(a.add(1).mul(2).sub(a).jsSync()).toEqual([
      [2, 3, 4],
      [5, 6, 7],
    ]);
    expect(a.T.shape).toEqual([3, 2]);
    expect(a.mT.shape).toEqual([3, 2]);
    expect(a.sum({ axis: 0 }).jsSync()).toEqual([3, 5, 7]);
    expect(a.sum(0).jsSync()).toEqual([3, 5, 7]);
    expect(a.max().item()).toBe(5);
    expect(a.var().item()).toBeCloseTo(35 / 12, 5);
    expect(a.astype('f32').div(2).dtype).toBe('f32');
    expect(a.at(0, [1, null]).set(9).jsSync()).toEqual([
      [0, 9, 9],
      [3, 4, 5],
    ]);
    expect(a.slice(1, [null, null, -1]).jsSync()).toEqual([5, 4, 3]);
    expect(a.greater(2).any().item()).toBe(true);
  });
  test('work on tracers', () => {
    const f = (v: Value): Value => v.at(0).set(0).mul(v).sum();
    expect(grad(f)(np.array([1, 2, 3])).jsSync()).toEqual([0, 4, 6]);
    expect(vmap(f)(np.ones([2, 3])).jsSync()).toEqual([2, 2]);
  });
});

describe('jaxprs', () => {
  test('read as JAX writes them', () => {
    const show = (f: (v: Value) => unknown): string => String(makeJaxpr(f)(np.zeros([3, 4])));
    expect(show((v) => np.mean(v))).toBe(`{ lambda ; a:f32[3,4]. let
    b:f32[] = reduce_sum[axes=(0, 1) out_sharding=None] a
    c:f32[] = div b 12.0:f32[]
  in (c,) }`);
    expect(show((v) => np.add(v, np.zeros(4)))).toContain(
      'broadcast_in_dim[broadcast_dimensions=(1,)]',
    );
    expect(show((v) => v.slice([1, null], [null, null, 2]))).toBe(`{ lambda ; a:f32[3,4]. let
    b:f32[2,2] = slice[limit_indices=(3, 4) start_indices=(1, 0) strides=(1, 2)] a
  in (b,) }`);
    expect(show((v) => np.power(v, 2))).toBe(
      '{ lambda ; a:f32[3,4]. let b:f32[3,4] = integer_pow[y=2] a in (b,) }',
    );
    expect(show((v) => np.max(v, { axis: 1, keepdims: true }))).toBe(`{ lambda ; a:f32[3,4]. let
    b:f32[3] = reduce_max[axes=(1,)] a
    c:f32[3,1] = broadcast_in_dim[broadcast_dimensions=(0,)] b
  in (c,) }`);
    expect(show((v) => np.matmul(v, v.T))).toMatchInlineSnapshot(`
      "{ lambda ; a:f32[3,4]. let
          b:f32[4,3] = transpose[permutation=(1, 0)] a
          c:f32[3,3] = dot_general[
            dimension_numbers=(([1], [0]), ([], []))
            preferred_element_type=float32
          ] a b
        in (c,) }"
    `);
    expect(show((v) => np.outer(v.at(0).get(), v.at(1).get()))).toMatchInlineSnapshot(`
      "{ lambda ; a:f32[3,4]. let
          b:f32[1,4] = slice[limit_indices=(1, 4) start_indices=(0, 0) strides=None] a
          c:f32[4] = squeeze[dimensions=(0,)] b
          d:f32[1,4] = slice[limit_indices=(2, 4) start_indices=(1, 0) strides=None] a
          e:f32[4] = squeeze[dimensions=(0,)] d
          f:f32[4,1] = reshape[dimensions=None new_sizes=(4, 1) sharding=None] c
          g:f32[1,4] = reshape[dimensions=None new_sizes=(1, 4) sharding=None] e
          h:f32[4,4] = mul f g
        in (h,) }"
    `);
  });
});
