/** Abstract values: what is known about a value before it is computed. */
import { dtypeInfo, type DType } from './dtype.ts';
import { sameShape, sizeOf, type Shape } from './shape.ts';

/**
 * The abstract value of an array, or of a reference to one.
 *
 * `weakType` marks values that came from a JavaScript number: their dtype gives way in promotion.
 */
export class Aval {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly weakType: boolean;
  /** True for a mutable reference, false for an immutable value. */
  readonly isRef: boolean;

  constructor(shape: Shape, dtype: DType, weakType = false, isRef = false) {
    this.shape = shape;
    this.dtype = dtype;
    this.weakType = weakType;
    this.isRef = isRef;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Bytes of the elements, row-major and without padding. */
  get byteLength(): number {
    return this.size * dtypeInfo[this.dtype].byteLength;
  }

  /** The same abstract value with another shape. */
  withShape(shape: Shape): Aval {
    return new Aval(shape, this.dtype, this.weakType, this.isRef);
  }

  /** The same abstract value with another dtype, strong unless said. */
  withDType(dtype: DType, weakType = false): Aval {
    return new Aval(this.shape, dtype, weakType, this.isRef);
  }

  /** The same abstract value with a strong type. */
  strong(): Aval {
    return this.weakType ? new Aval(this.shape, this.dtype, false, this.isRef) : this;
  }

  /** The abstract value of a reference to such an array; what a reference holds has a strong type. */
  asRef(): Aval {
    return new Aval(this.shape, this.dtype, false, true);
  }

  /** The abstract value of what a reference holds. */
  contents(): Aval {
    return new Aval(this.shape, this.dtype, this.weakType);
  }

  /** The abstract value without these (canonical) axes. */
  without(axes: readonly number[]): Aval {
    return this.withShape(this.shape.filter((_, i) => !axes.includes(i)));
  }

  /** JAX's short form: `f32[8,4]`, or `Ref{f32[8,4]}`. */
  toString(): string {
    const text = `${dtypeInfo[this.dtype].shortName}[${this.shape.join(',')}]`;
    return this.isRef ? `Ref{${text}}` : text;
  }

  /** A string that is equal exactly for equal abstract values; `~` marks a weak type. */
  get key(): string {
    return `${this.weakType ? '~' : ''}${this.toString()}`;
  }
}

/** Whether two abstract values agree in shape and dtype (weak types are ignored). */
export const sameType = (a: Aval, b: Aval): boolean =>
  a.dtype === b.dtype && a.isRef === b.isRef && sameShape(a.shape, b.shape);
