/** Types of transformed functions; they stand in `core/`, because functions of trees in `lax/` need them too. */
export type { AnyFunction, Input, Inputs, Output } from '../core/signature.ts';
