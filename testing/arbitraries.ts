/** Random shapes, dtypes, arrays, trees and blocks, small and soon smaller: what properties of programs and kernels are tried on. */
import fc from 'fast-check';
import * as np from '../entry/numpy.ts';
import { BlockSpec, cdiv } from '../entry/pallas.ts';
import { ArgumentError, type DType, type NDArray, type Shape } from '../index.ts';
import { isArbitrary, type Arbitrary } from './property.ts';

/** Bounds of random shapes. */
export interface ShapeOptions {
  readonly minRank?: number;
  readonly maxRank?: number;
  /** 0 allows arrays without elements. 1 when left out. */
  readonly minSize?: number;
  readonly maxSize?: number;
}

/**
 * Random shapes; smaller ones are tried when a property fails.
 *
 * @throws ArgumentError when bounds are out of order.
 * @example
 * testing.shapes({ maxRank: 2, minSize: 0 });
 */
export const shapes = ({
  minRank = 0,
  maxRank = 3,
  minSize = 1,
  maxSize = 5,
}: ShapeOptions = {}): Arbitrary<Shape> => {
  if (!(0 <= minSize && minSize <= maxSize && 0 <= minRank && minRank <= maxRank))
    throw new ArgumentError(
      `shapes: bounds must be from 0 and in order; got ranks ${minRank} to ${maxRank} and sizes ${minSize} to ${maxSize}. Swap them, or allow more.`,
    );
  const size = fc.integer({ min: minSize, max: maxSize });
  return fc.array(size, { minLength: minRank, maxLength: maxRank });
};

const everywhere = ['f32', 'i32', 'u32', 'bool'] as const;

/**
 * Random dtypes: those that every device computes with, or some of your own.
 *
 * @example
 * testing.dtypes(['f32', 'f16']);
 */
export const dtypes = (among: readonly DType[] = everywhere): Arbitrary<DType> =>
  fc.constantFrom(...among);

/** What is in random arrays. */
export interface ArrayOptions {
  /** A shape, or an arbitrary of shapes. */
  readonly shape?: Shape | Arbitrary<Shape>;
  /** A dtype, or an arbitrary of dtypes. f32 when left out. */
  readonly dtype?: DType | Arbitrary<DType>;
  /** Bounds of the elements; -4 and 4 when left out (unsigned: from 0). */
  readonly min?: number;
  readonly max?: number;
  /** Mixes in NaN, ±∞, -0, subnormal and huge numbers, and the largest and smallest integers. */
  readonly specials?: boolean;
  /** Floats on a grid of halves, so that equal elements are frequent. */
  readonly ties?: boolean;
}

const floatSpecials = [NaN, Infinity, -Infinity, -0, 1e-40, -1e-45, 3e38, -3e38];
const limits: Partial<Record<DType, readonly number[]>> = {
  i8: [-128, 127],
  i16: [-32768, 32767],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u8: [255],
  u16: [65535],
  u32: [2 ** 32 - 1, 2 ** 31],
};

const isFloat = (dtype: DType): boolean => /^b?f\d/.test(dtype);

/** Random elements of a dtype. */
function elements(
  dtype: DType,
  { min = -4, max = 4, specials = false, ties = false }: ArrayOptions,
): Arbitrary<number | bigint | boolean> {
  if (dtype === 'bool') return fc.boolean();
  const low = dtype.startsWith('u') ? Math.max(0, min) : min;
  if (!(low <= max))
    throw new ArgumentError(
      `arrays: min must be at most max; got min ${low} and max ${max} for ${dtype}. Swap them, or allow more.`,
    );
  if (!isFloat(dtype)) {
    if (Math.ceil(low) > Math.floor(max))
      throw new ArgumentError(
        `arrays: there must be an integer from min to max; got min ${low} and max ${max} for ${dtype}. Allow more.`,
      );
    const plain = fc.integer({ min: Math.ceil(low), max: Math.floor(max) });
    if (dtype.endsWith('64')) {
      const wide = plain.map(BigInt);
      const ends = dtype === 'i64' ? [-(2n ** 63n), 2n ** 63n - 1n] : [2n ** 64n - 1n];
      return specials ? fc.oneof({ weight: 6, arbitrary: wide }, fc.constantFrom(...ends)) : wide;
    }
    const extreme = limits[dtype] ?? [];
    return specials
      ? fc.oneof({ weight: 6, arbitrary: plain }, fc.constantFrom(...extreme))
      : plain;
  }
  // Steps that are exact in every float, and off the points where functions have corners.
  const steps = ties ? 2 : 8;
  const shift = ties ? 0 : 1 / 16;
  const [first, last] = [Math.ceil(low * steps), Math.floor(max * steps) - 1];
  // Bounds that are nearer than two steps are taken as they are.
  const plain =
    first > last
      ? fc.constantFrom(...new Set([low, (low + max) / 2, max]))
      : fc.integer({ min: first, max: last }).map((n) => n / steps + shift);
  return specials
    ? fc.oneof({ weight: 6, arbitrary: plain }, fc.constantFrom(...floatSpecials))
    : plain;
}

const asArbitrary = <T>(x: T | Arbitrary<T>): Arbitrary<T> => (isArbitrary(x) ? x : fc.constant(x));

/**
 * Random arrays. They shrink to smaller shapes and simpler elements.
 *
 * @example
 * testing.arrays({ shape: testing.shapes({ maxRank: 2 }), dtype: 'f32', specials: true });
 */
export function arrays(options: ArrayOptions = {}): Arbitrary<NDArray> {
  const { shape = shapes(), dtype = 'f32' } = options;
  return fc.tuple(asArbitrary<Shape>(shape), asArbitrary<DType>(dtype)).chain(([dims, type]) => {
    const count = dims.reduce((n, d) => n * d, 1);
    return fc
      .array(elements(type, options), { minLength: count, maxLength: count, size: 'max' })
      .map((flat) => np.array(flat, { dtype: type, shape: dims }) as NDArray);
  });
}

/**
 * Random trees of arrays (or of other leaves): lists, objects, null, up to three levels deep.
 *
 * @example
 * testing.trees(testing.arrays({ shape: [2] }));
 */
export function trees<T>(leaf: Arbitrary<T>): Arbitrary<unknown> {
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'w'), tie('node'), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
      fc.constant(null),
    ),
  }));
  return node;
}

/** A block specification, and the grid whose programs cover an array with it. */
export interface Blocks {
  readonly blockShape: Shape;
  readonly spec: BlockSpec;
  readonly grid: readonly number[];
  toString(): string;
}

/**
 * Random blocks for an array: any size on every axis, also one that does not divide the axis or is larger.
 *
 * @example
 * testing.blockSpecs([5, 7]);
 */
export const blockSpecs = (shape: Shape): Arbitrary<Blocks> =>
  fc.tuple(...shape.map((n) => fc.integer({ min: 1, max: n + 2 }))).map((blockShape) => ({
    blockShape,
    spec: new BlockSpec(blockShape, (...ids) => ids),
    grid: shape.map((n, i) => cdiv(n, blockShape[i])),
    toString: () => `blocks of (${blockShape.join(', ')}) on (${shape.join(', ')})`,
  }));
