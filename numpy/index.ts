/** The numpy functions, under JAX's names in camelCase. The array methods are installed by `methods.ts`. */
export * from './creation.ts';
export * from './einsum.ts';
export {
  at,
  IndexRef,
  searchsorted,
  slice,
  take,
  takeAlongAxis,
  type GetOptions,
  type OutOfBounds,
  type SearchOptions,
  type SetOptions,
  type TakeOptions,
} from './indexing.ts';
export { newaxis, type Index, type SliceIndex } from './index-syntax.ts';
export {
  cross,
  diag,
  diagonal,
  dot,
  inner,
  kron,
  matmul,
  outer,
  tensordot,
  trace,
  vdot,
  vecdot,
  type DiagonalOptions,
  type ProductOptions,
  type VecdotOptions,
} from './linear.ts';
export type { Axis, DTypeLike, ShapeLike } from './promote.ts';
export * from './reductions.ts';
export * from './scalar-types.ts';
export * from './selection.ts';
export * from './shape.ts';
export * from './sorting.ts';
export * from './ufuncs.ts';
export * from './vectorize.ts';
