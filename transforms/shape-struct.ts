/** Types of arrays as leaves of trees: what `evalShape` gives, and what the stages of `jit` take instead of arrays. */
import { Aval } from '../core/aval.ts';
import { dtypeInfo, type DType } from '../core/dtype.ts';
import { checkNumberLists } from '../core/options.ts';
import type { Shape } from '../core/shape.ts';
import { canonicalDType } from '../core/promotion.ts';
import { Typed } from '../core/typed.ts';

/** Shape and dtype of an array, without values. */
export class ShapeDtypeStruct extends Typed {
  readonly aval: Aval;

  constructor(shape: Shape, dtype: DType = 'f32', options: { readonly weakType?: boolean } = {}) {
    super();
    checkNumberLists('shapeDtypeStruct', { shape });
    this.aval = new Aval([...shape], canonicalDType(dtype), options.weakType ?? false);
  }

  /** The same for an abstract value. */
  static of(aval: Aval): ShapeDtypeStruct {
    return new ShapeDtypeStruct(aval.shape, aval.dtype, { weakType: aval.weakType });
  }

  /** JAX's form: `ShapeDtypeStruct(shape=(3,), dtype=float32)`. */
  override toString(): string {
    const shape = `(${this.shape.join(', ')}${this.ndim === 1 ? ',' : ''})`;
    return `ShapeDtypeStruct(shape=${shape}, dtype=${dtypeInfo[this.dtype].longName}${this.weakType ? ', weak_type=True' : ''})`;
  }
}

/**
 * Shape and dtype of an array that is not there; `new ShapeDtypeStruct(…)` in short.
 *
 * @example
 * String(shapeDtypeStruct([3], 'i32')); // → ShapeDtypeStruct(shape=(3,), dtype=int32)
 */
export const shapeDtypeStruct = (shape: Shape, dtype: DType = 'f32'): ShapeDtypeStruct =>
  new ShapeDtypeStruct(shape, dtype);
