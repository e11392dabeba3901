/** `Typed`: what has an abstract value. Values extend it, and what only describes values. */
import type { Aval } from './aval.ts';
import type { DType } from './dtype.ts';
import type { Shape } from './shape.ts';

/** Something with a shape and an element type. */
export abstract class Typed {
  /** Shape, dtype and weak type. */
  abstract readonly aval: Aval;

  /** Sizes of the axes. */
  get shape(): Shape {
    return this.aval.shape;
  }

  /** Element type. */
  get dtype(): DType {
    return this.aval.dtype;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.aval.ndim;
  }

  /** Number of elements. */
  get size(): number {
    return this.aval.size;
  }

  /** Whether the dtype gives way in promotion. */
  get weakType(): boolean {
    return this.aval.weakType;
  }
}
