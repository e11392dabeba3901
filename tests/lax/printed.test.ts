// Jaxprs of single operations, as JAX 0.10.2 prints them (recorded with jax.make_jaxpr).
import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import * as lax from '../../lax/index.ts';
import { jvpFlat } from '../../transforms/jvp.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { makeJaxpr } from '../../transforms/jit.ts';
import { batchFlat } from '../../transforms/vmap-trace.ts';
import { arrayOf } from '../laws/harness.ts';

const x = arrayOf([1, 2, 3, 4, 5, 6], [2, 3], 'f32');
const p = arrayOf([1, 0, 1, 0, 1, 0], [2, 3], 'bool');
const i = arrayOf([0, 1, 0, 1], [4, 1], 'i32');
const rows = { offsetDims: [1], collapsedSliceDims: [0], startIndexMap: [0] };
const intoRows = { updateWindowDims: [1], insertedWindowDims: [0], scatterDimsToOperandDims: [0] };

const printed = (f: (...xs: Value[]) => unknown, ...args: unknown[]): string =>
  makeJaxpr(f as (...xs: unknown[]) => unknown)(...args).toString();

const forms: readonly (readonly [
  name: string,
  f: (...xs: Value[]) => unknown,
  args: readonly unknown[],
  form: string,
])[] = [
  [
    'a literal',
    (a) => lax.add(a, 3),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = add a 3.0:f32[] in (b,) }',
  ],
  [
    'round',
    (a) => lax.round(a),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = round[rounding_method=0] a in (b,) }',
  ],
  [
    'round to even',
    (a) => lax.round(a, 'toNearestEven'),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = round[rounding_method=1] a in (b,) }',
  ],
  [
    'integerPow',
    (a) => lax.integerPow(a, 3),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = integer_pow[y=3] a in (b,) }',
  ],
  [
    'select',
    (c, a) => lax.select(c, a, a),
    [p, x],
    '{ lambda ; a:bool[2,3] b:f32[2,3]. let c:f32[2,3] = select_n a b b in (c,) }',
  ],
  [
    'clamp',
    (a) => lax.clamp(0, a, 1),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = clamp 0.0:f32[] a 1.0:f32[] in (b,) }',
  ],
  [
    'convert',
    (a) => lax.convertElementType(a, 'i32'),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:i32[2,3] = convert_element_type[new_dtype=int32 weak_type=False] a
  in (b,) }`,
  ],
  [
    'bitcast',
    (a) => lax.bitcastConvertType(a, 'i32'),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:i32[2,3] = bitcast_convert_type[new_dtype=int32] a
  in (b,) }`,
  ],
  [
    'full',
    () => lax.full([2, 3], 1.5),
    [],
    '{ lambda ; . let a:f32[2,3] = broadcast_in_dim 1.5:f32[] in (a,) }',
  ],
  [
    'broadcastInDim',
    (a) => lax.broadcastInDim(a, [4, 2, 3], [1, 2]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[4,2,3] = broadcast_in_dim[broadcast_dimensions=(1, 2)] a
  in (b,) }`,
  ],
  [
    'reshape',
    (a) => lax.reshape(a, [6]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[6] = reshape[dimensions=None new_sizes=(6,) sharding=None] a
  in (b,) }`,
  ],
  [
    'expandDims',
    (a) => lax.expandDims(a, 0),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[1,2,3] = broadcast_in_dim[broadcast_dimensions=(1, 2)] a
  in (b,) }`,
  ],
  [
    'transpose',
    (a) => lax.transpose(a, [1, 0]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[3,2] = transpose[permutation=(1, 0)] a
  in (b,) }`,
  ],
  [
    'rev',
    (a) => lax.rev(a, 1),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = rev[dimensions=(1,)] a in (b,) }',
  ],
  [
    'concatenate',
    (a) => lax.concatenate([a, a], 0),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[4,3] = concatenate[dimension=0] a a in (b,) }',
  ],
  [
    'slice',
    (a) => lax.slice(a, [0, 1], [2, 3]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[2,2] = slice[limit_indices=(2, 3) start_indices=(0, 1) strides=None] a
  in (b,) }`,
  ],
  [
    'slice with strides',
    (a) => lax.slice(a, [0, 1], [2, 3], [1, 2]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[2,1] = slice[limit_indices=(2, 3) start_indices=(0, 1) strides=(1, 2)] a
  in (b,) }`,
  ],
  [
    'pad',
    (a) =>
      lax.pad(a, 0, [
        [1, 2, 0],
        [0, 0, 1],
      ]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[5,5] = pad[padding_config=((1, 2, 0), (0, 0, 1))] a 0.0:f32[]
  in (b,) }`,
  ],
  [
    'dynamicSlice',
    (a, n) => lax.dynamicSlice(a, [n, 0], [1, 2]),
    [x, 0n],
    `{ lambda ; a:f32[2,3] b:i32[]. let
    c:bool[] = lt b 0:i32[]
    d:i32[] = convert_element_type[new_dtype=int32 weak_type=False] b
    e:i32[] = add d 2:i32[]
    f:i32[] = select_n c b e
    g:f32[1,2] = dynamic_slice[slice_sizes=(1, 2)] a f 0:i32[]
  in (g,) }`,
  ],
  [
    'dynamicUpdateSlice',
    (a, n) =>
      lax.dynamicUpdateSlice(a, lax.slice(a, [0, 0], [1, 3]), [n, 0], {
        allowNegativeIndices: false,
      }),
    [x, 0n],
    `{ lambda ; a:f32[2,3] b:i32[]. let
    c:f32[1,3] = slice[limit_indices=(1, 3) start_indices=(0, 0) strides=None] a
    d:f32[2,3] = dynamic_update_slice a c b 0:i32[]
  in (d,) }`,
  ],
  [
    'reduceSum',
    (a) => lax.reduceSum(a, 0),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[3] = reduce_sum[axes=(0,) out_sharding=None] a
  in (b,) }`,
  ],
  [
    'reduceMax',
    (a) => lax.reduceMax(a, 0),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[3] = reduce_max[axes=(0,)] a in (b,) }',
  ],
  [
    'argmax',
    (a) => lax.argmax(a, 1),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:i32[2] = argmax[axes=(1,) index_dtype=int32] a
  in (b,) }`,
  ],
  [
    'cumsum',
    (a) => lax.cumsum(a, 0),
    [x],
    '{ lambda ; a:f32[2,3]. let b:f32[2,3] = cumsum[axis=0 reverse=False] a in (b,) }',
  ],
  [
    'dotGeneral',
    (a) =>
      lax.dotGeneral(a, a, [
        [[1], [1]],
        [[0], [0]],
      ]),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[2] = dot_general[dimension_numbers=(([1], [1]), ([0], [0]))] a a
  in (b,) }`,
  ],
  [
    'dotGeneral with options',
    (a) =>
      lax.dotGeneral(
        a,
        a,
        [
          [[1], [1]],
          [[], []],
        ],
        { precision: 'highest', preferredElementType: 'f32' },
      ),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[2,2] = dot_general[
      dimension_numbers=(([1], [1]), ([], []))
      precision=(Precision.HIGHEST, Precision.HIGHEST)
      preferred_element_type=float32
    ] a a
  in (b,) }`,
  ],
  [
    'gather',
    (a, n) => lax.gather(a, n, rows, [1, 3], { mode: 'clip' }),
    [x, i],
    `{ lambda ; a:f32[2,3] b:i32[4,1]. let
    c:f32[4,3] = gather[
      dimension_numbers=GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,), operand_batching_dims=(), start_indices_batching_dims=())
      fill_value=None
      indices_are_sorted=False
      mode=GatherScatterMode.CLIP
      slice_sizes=(1, 3)
      unique_indices=False
    ] a b
  in (c,) }`,
  ],
  [
    'scatterAdd',
    (a, n) => lax.scatterAdd(a, n, lax.full([4, 3], 1), intoRows),
    [x, i],
    `{ lambda ; a:f32[2,3] b:i32[4,1]. let
    c:f32[4,3] = broadcast_in_dim 1.0:f32[]
    d:f32[2,3] = scatter-add[
      dimension_numbers=ScatterDimensionNumbers(update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,), operand_batching_dims=(), scatter_indices_batching_dims=())
      indices_are_sorted=False
      mode=GatherScatterMode.FILL_OR_DROP
      unique_indices=False
      update_consts=()
      update_jaxpr={ lambda ; e:f32[] f:f32[]. let g:f32[] = add e f in (g,) }
    ] a b c
  in (d,) }`,
  ],
  [
    'sort',
    (a) => lax.sort(a),
    [x],
    `{ lambda ; a:f32[2,3]. let
    b:f32[2,3] = sort[dimension=1 is_stable=True num_keys=1] a
  in (b,) }`,
  ],
  [
    'iota',
    () => lax.broadcastedIota('i32', [2, 3], 1),
    [],
    `{ lambda ; . let
    a:i32[2,3] = iota[dimension=1 dtype=int32 shape=(2, 3) sharding=None] 
  in (a,) }`,
  ],
];

for (const [name, f, args, form] of forms)
  test(name, () => {
    expect(printed(f, ...args)).toBe(form);
  });

test('vmap of a product with an unbatched operand broadcasts as JAX does', () => {
  const f = (a: Value, b: Value): Value =>
    batchFlat(([u, v]) => [lax.mul(u, v)], { size: 2, name: undefined }, [a, b], [0, null])[0][0];
  expect(printed(f, x, lax.indexInDim(x, 0))).toBe(`{ lambda ; a:f32[2,3] b:f32[3]. let
    c:f32[1,3] = broadcast_in_dim[broadcast_dimensions=(1,)] b
    d:f32[2,3] = mul a c
  in (d,) }`);
});

test('vmap of a dot with an unbatched operand adds a free axis', () => {
  const f = (a: Value, b: Value): Value =>
    batchFlat(
      ([u, v]) => [
        lax.dotGeneral(u, v, [
          [[1], [0]],
          [[], []],
        ]),
      ],
      { size: 5, name: undefined },
      [a, b],
      [0, null],
    )[0][0];
  expect(printed(f, lax.full([5, 2, 3], 1), lax.full([3, 4], 1)))
    .toBe(`{ lambda ; a:f32[5,2,3] b:f32[3,4]. let
    c:f32[5,2,4] = dot_general[dimension_numbers=(([2], [0]), ([], []))] a b
  in (c,) }`);
});

test('the gradient of max shares ties as JAX does', () => {
  const f = (a: Value): Value => {
    const { pullback } = vjpFlat(([v]) => [lax.max(v, 0)], [a]);
    return pullback([lax.full([], 1, 'f32')])[0] ?? a;
  };
  expect(printed(f, 1)).toBe(`{ lambda ; a:f32[]. let
    b:f32[] = max a 0.0:f32[]
    c:bool[] = eq a b
    d:f32[] = select_n c 0.0:f32[] 1.0:f32[]
    e:bool[] = eq 0.0:f32[] b
    f:f32[] = select_n e 1.0:f32[] 2.0:f32[]
    g:f32[] = div d f
    h:f32[] = mul 1.0:f32[] g
  in (h,) }`);
});

test('the tangent of sin', () => {
  const f = (a: Value, t: Value): unknown =>
    jvpFlat(([v]) => [lax.sin(v)], [a], [t]).map(([v]) => v);
  expect(printed(f, x, x)).toBe(`{ lambda ; a:f32[2,3] b:f32[2,3]. let
    c:f32[2,3] = sin a
    d:f32[2,3] = cos a
    e:f32[2,3] = mul b d
  in (c, e) }`);
});
