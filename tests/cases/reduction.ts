// Cases of operations that combine elements: reductions, running reductions, dots, sorting, random bits.
import * as lax from '../../lax/index.ts';
import { bool, distinct, int, make, real, type Case } from './case.ts';

const coarse = 'central differences of a product of many factors are coarse in the second order';

/** Cases of operations that combine elements. */
export const reductionCases: readonly Case[] = [
  make('reduceSum of all', [real([3, 4])], (x) => lax.reduceSum(x)),
  make('reduceSum of one axis', [real([3, 4, 2])], (x) => lax.reduceSum(x, 1)),
  make('reduceSum of nothing', [real([0, 3])], (x) => lax.reduceSum(x, 0)),
  make('reduceSum of integers', [int([3, 4])], (x) => lax.reduceSum(x, [0, 1])),
  make('reduceMax', [distinct([3, 4])], (x) => lax.reduceMax(x, 1)),
  make('reduceMin of all', [distinct([3, 4])], (x) => lax.reduceMin(x)),
  make('reduceMax of bools', [bool([3, 4])], (x) => lax.reduceMax(x, 0)),
  make('reduceProd', [real([3, 5], 0.5, 1.5)], (x) => lax.reduceProd(x, 1)),
  make('reduceProd of two axes', [real([3, 2, 3], 0.5, 1.5)], (x) => lax.reduceProd(x, [0, 2]), {
    limits: { second: coarse },
  }),
  make('reduceAnd', [bool([3, 4])], (x) => lax.reduceAnd(x, 1)),
  make('reduceOr of integers', [int([3, 4])], (x) => lax.reduceOr(x, 0)),
  make('reduceXor', [int([3, 4])], (x) => lax.reduceXor(x)),
  make('argmax', [distinct([3, 4])], (x) => lax.argmax(x, 1)),
  make('argmin of ties', [int([3, 7], 0, 2)], (x) => lax.argmin(x, 1)),
  make('cumsum', [real([3, 4])], (x) => lax.cumsum(x, 1)),
  make('cumsum in reverse', [real([5, 2])], (x) => lax.cumsum(x, 0, true)),
  make('cumsum of integers', [int([5])], (x) => lax.cumsum(x)),
  make('cumprod', [real([5], 0.5, 1.5)], (x) => lax.cumprod(x)),
  make('cumprod in reverse', [real([2, 3], 0.5, 1.5)], (x) => lax.cumprod(x, 1, true)),
  make('cummax', [distinct([6])], (x) => lax.cummax(x)),
  make('cummin in reverse', [distinct([2, 3])], (x) => lax.cummin(x, 1, true)),
  make('cumlogsumexp', [real([5])], (x) => lax.cumlogsumexp(x)),
  make('cumlogsumexp in reverse', [real([3, 2])], (x) => lax.cumlogsumexp(x, 0, true)),
  make('cumsum of nothing', [real([0])], (x) => lax.cumsum(x)),

  make('dot of vectors', [real([4]), real([4])], (x, y) => lax.dot(x, y)),
  make('dot of matrices', [real([2, 3]), real([3, 4])], (x, y) => lax.dot(x, y)),
  make('dot of integers', [int([2, 3]), int([3, 2])], (x, y) => lax.dot(x, y)),
  make('batchMatmul', [real([2, 3, 4]), real([2, 4, 1])], (x, y) => lax.batchMatmul(x, y)),
  make('dotGeneral over two axes', [real([2, 3, 4]), real([4, 5, 2])], (x, y) =>
    lax.dotGeneral(x, y, [
      [
        [2, 0],
        [0, 2],
      ],
      [[], []],
    ]),
  ),
  make('dotGeneral with two batch axes', [real([2, 3, 4, 2]), real([3, 2, 2, 3])], (x, y) =>
    lax.dotGeneral(x, y, [
      [[3], [2]],
      [
        [1, 0],
        [0, 1],
      ],
    ]),
  ),
  make('outer product', [real([2]), real([3])], (x, y) =>
    lax.dotGeneral(x, y, [
      [[], []],
      [[], []],
    ]),
  ),
  make('dot over nothing', [real([2, 0]), real([0, 3])], (x, y) => lax.dot(x, y)),

  make('sort', [distinct([3, 5])], (x) => lax.sort(x)),
  make('sort along the first axis', [distinct([5, 2])], (x) => lax.sort(x, { dimension: 0 })),
  make('sortMany with a payload', [distinct([5]), real([5])], (x, y) => lax.sortMany([x, y])),
  make('sortMany by two keys', [int([8], 0, 2), distinct([8])], (x, y) =>
    lax.sortMany([x, y], { numKeys: 2 }),
  ),
  make('randomBits', [int([2], 0, 99999, 'u32')], (key) => lax.randomBits(key, 32, [3, 2])),
  make('randomBits of 8', [int([2], 0, 99999, 'u32')], (key) => lax.randomBits(key, 8, [5])),
  make('randomSplit', [int([2], 0, 99999, 'u32')], (key) => lax.randomSplit(key, [3])),
  make('randomFoldIn', [int([2], 0, 99999, 'u32'), int([], 0, 99, 'u32')], (key, n) =>
    lax.randomFoldIn(key, n),
  ),
];
