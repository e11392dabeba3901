/**
 * Types of transformed functions: what may be passed where the original function takes arrays, and what comes back where it
 * returns numbers. Types only.
 */
import type { ArrayLike } from './array.ts';
import type { TypedArray } from './host.ts';
import type { Value } from './value.ts';

/** A function, whatever it takes. */
export type AnyFunction<R = unknown> = (...args: never[]) => R;

/** What may be passed for an argument of type `T`: numbers and typed arrays wherever the tree has an array. */
export type Input<T> = T extends Value | TypedArray
  ? ArrayLike
  : T extends
        | AnyFunction
        | ReadonlyMap<unknown, unknown>
        | string
        | number
        | bigint
        | boolean
        | symbol
        | null
        | undefined
    ? T
    : T extends object
      ? { [K in keyof T]: Input<T[K]> }
      : T;

/** What may be passed for a list of arguments. */
export type Inputs<A extends readonly unknown[]> = { [K in keyof A]: Input<A[K]> };

/** What a transformed function gives for a result of type `T`: arrays wherever the tree has a number. */
export type Output<T> = T extends Value | number | bigint | boolean | TypedArray
  ? Value
  : T extends AnyFunction | ReadonlyMap<unknown, unknown> | string | symbol | null | undefined
    ? T
    : T extends object
      ? { [K in keyof T]: Output<T[K]> }
      : T;
