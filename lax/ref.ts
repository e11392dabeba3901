/**
 * Refs: mutable arrays, in kernels (blocks and scratch memory) and outside of them (`newRef`). Reading gives a value, writing changes
 * the array; stores do not broadcast and do not convert. The primitives stand in `ref-access.ts`.
 */
import { asValue, describe, NDArray, type ArrayLike } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import type { DType } from '../core/dtype.ts';
import { isFloat, isInteger } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { none } from './define.ts';
import { checkOptions } from '../core/options.ts';
import { frozenError, RefCell, RefLike } from '../core/ref-cell.ts';
import { sameShape, showShape, type Shape } from '../core/shape.ts';
import { currentTrace, type Trace } from '../core/trace.ts';
import { Value } from '../core/value.ts';
import { convertElementType } from './convert.ts';
import { full } from './creation.ts';
import { literal } from './operand.ts';
import { broadcastInDim } from './structure.ts';
import { addupdateP, freezeP, getP, newRefP, swapP } from './ref-access.ts';
import {
  indexWindow,
  isWhole,
  wholeWindow,
  windowShape,
  type RefIndex,
  type WindowAxis,
} from './ref-index.ts';
import type { AccessAxis, AccessParams } from './ref-values.ts';

/** Options of `load` and `store`. */
export interface AccessOptions {
  /** bool mask of the window's shape: where it is false nothing is read or written. */
  readonly mask?: ArrayLike;
}

/** Options of `load`. */
export interface LoadOptions extends AccessOptions {
  /** What a masked-off position reads as: an array of the window's shape, or one value; zero when left out. */
  readonly other?: ArrayLike;
}

/**
 * A mutable array, or a window on one: what `newRef` gives, and what a kernel gets for its operands and scratch memory.
 *
 * @example
 * const r = newRef(np.zeros([3]));
 * r.at(0).set(5);
 * String(r.get()); // → [5. 0. 0.]
 */
export class Ref extends RefLike {
  readonly #ref: Value;
  readonly #window: readonly WindowAxis[];

  static {
    // `console.log(r)` in Node, as for arrays.
    Object.defineProperty(this.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      configurable: true,
      value(this: Ref): string {
        return this.toString();
      },
    });
  }

  constructor(ref: Value, window: readonly WindowAxis[] = wholeWindow(ref.shape)) {
    super();
    this.#ref = ref;
    this.#window = window;
  }

  /** The type of the whole ref. */
  get aval(): Aval {
    return this.#ref.aval;
  }

  /** The value that stands for the ref in programs. @throws ArgumentError when this is a window on a part of it. */
  whole(op: string): Value {
    this.#alive(op);
    if (!isWhole(this.#window, this.#ref.shape))
      throw new ArgumentError(
        `${op}: a window on a ref cannot be an argument; got one of ${showShape(this.shape)} on ${this.aval.toString()}. Pass the ref, and take the window inside of the function.`,
      );
    return this.#ref;
  }

  #alive(op: string): Value {
    if (frozen.has(this.#ref)) throw frozenError(op, this.aval);
    return this.#ref;
  }

  /** The contents where they are known, else the type: `Ref([0. 1. 2.])`. */
  override toString(): string {
    return this.#ref instanceof RefCell ? this.#ref.toString() : `Ref of ${this.#ref.toString()}`;
  }

  /** Shape of what `get()` reads. */
  get shape(): Shape {
    return windowShape(this.#window);
  }

  /** Element type. */
  get dtype(): DType {
    return this.#ref.dtype;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.shape.length;
  }

  /**
   * A window on this window.
   *
   * @throws ShapeError or ArgumentError when the indices do not fit.
   */
  at(...indices: readonly RefIndex[]): Ref {
    return new Ref(this.#ref, indexWindow(this.#window, indices));
  }

  /** Read, all of it or a window. */
  get(...indices: readonly RefIndex[]): Value {
    return this.at(...indices).load();
  }

  /** Write a value of the window's shape and dtype. @throws ShapeError, DTypeError when they differ: stores neither broadcast nor convert. */
  set(value: ArrayLike, ...indices: readonly RefIndex[]): void {
    this.at(...indices).store(value);
  }

  /** Add a value of the window's shape and dtype. */
  addupdate(value: ArrayLike, ...indices: readonly RefIndex[]): void {
    const target = this.at(...indices);
    addupdateP.bind(
      [target.#written('addupdate'), target.#checked('addupdate', value), ...target.#starts()],
      target.#params(),
    );
  }

  /** The same as `addupdate`. */
  accumulate(value: ArrayLike, ...indices: readonly RefIndex[]): void {
    this.addupdate(value, ...indices);
  }

  /** Write a value and give what was there. */
  swap(value: ArrayLike, ...indices: readonly RefIndex[]): Value {
    const target = this.at(...indices);
    return swapP.bind1(
      [target.#written('swap'), target.#checked('swap', value), ...target.#starts()],
      target.#params(),
    );
  }

  /** Read the window, where the mask holds. */
  load(options: LoadOptions = {}): Value {
    checkOptions('load', options, ['mask', 'other']);
    const { mask, other } = options;
    const extra = [
      ...this.#mask('load', mask),
      ...(other === undefined ? [] : [this.#checked('load', this.#spread(other))]),
    ];
    return getP.bind1(
      [this.#alive('get'), ...this.#starts(), ...extra],
      this.#params(mask !== undefined, other !== undefined),
    );
  }

  /** Write the window, where the mask holds. */
  store(value: ArrayLike, options: AccessOptions = {}): void {
    checkOptions('store', options, ['mask']);
    const { mask } = options;
    const args = [
      this.#written('set'),
      this.#checked('store', value),
      ...this.#starts(),
      ...this.#mask('store', mask),
    ];
    swapP.bind(args, this.#params(mask !== undefined));
  }

  /** The value that stands for the ref, of which a window is about to be written. */
  #written(op: string): Value {
    writes++;
    return this.#alive(op);
  }

  #starts(): Value[] {
    return this.#window.flatMap((w) => (typeof w.start === 'number' ? [] : [w.start]));
  }

  #params(masked = false, hasOther = false): AccessParams {
    const axes = this.#window.map((w): AccessAxis => ({
      ...w,
      start: typeof w.start === 'number' ? w.start : 'dynamic',
    }));
    return { axes, masked, hasOther };
  }

  /** One value as an array of the window's shape. */
  #spread(x: ArrayLike): ArrayLike {
    if (typeof x === 'number') return full(this.shape, x, this.dtype);
    return x instanceof Value && x.ndim === 0 ? broadcastInDim(x, this.shape, []) : x;
  }

  #mask(op: string, given: ArrayLike | undefined): Value[] {
    if (given === undefined) return [];
    const mask = asValue(op, given, 'mask');
    if (mask.dtype !== 'bool' || !sameShape(mask.shape, this.shape))
      throw new ShapeError(
        `${op}: the mask must be bool${showShape(this.shape)}; got ${mask.aval.toString()}. Broadcast it with np.broadcastTo.`,
      );
    return [mask];
  }

  /** A value that fits the window exactly. */
  #checked(op: string, x: ArrayLike): Value {
    if (x instanceof Ref)
      throw new DTypeError(
        `${op}: a ref cannot be stored in a ref. Read it first with \`ref.get()\`.`,
      );
    const given =
      typeof x === 'number' && this.ndim === 0 ? literal(x, this.dtype) : asValue(op, x, 'value');
    // As in JAX, what is added keeps its weak type.
    const value = op === 'addupdate' ? given : this.#strong(given);
    if (!sameShape(value.shape, this.shape))
      throw new ShapeError(
        `${op}: the value must have the shape of the window; got ${value.aval.toString()} for ${showShape(this.shape)}. Stores do not broadcast: use np.broadcastTo or np.full.`,
      );
    if (value.dtype !== this.dtype)
      throw new DTypeError(
        `${op}: the value must have the dtype of the ref; got ${value.aval.toString()} for ${this.dtype}. Convert it with \`x.astype('${this.dtype}')\`.`,
      );
    return value;
  }

  /** A value whose type gives way takes the type of the ref, where both are floats or both integers. */
  #strong(x: Value): Value {
    const isAlike =
      (isFloat(x.dtype) && isFloat(this.dtype)) || (isInteger(x.dtype) && isInteger(this.dtype));
    // A scalar that was made of a number becomes a literal as it is.
    const isLiteral = x instanceof NDArray && x.scalar !== undefined && x.dtype === this.dtype;
    return x.weakType && isAlike && !isLiteral ? convertElementType(x, this.dtype) : x;
  }

  /** Arithmetic on a ref instead of its value is a mistake; as a string it shows itself. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new DTypeError(
      `ref: a ref is not an array; got a ref of ${this.dtype}${showShape(this.shape)} where a value is needed. Read it with \`ref.get()\`.`,
    );
  }
}

let writes = 0;

/** How often refs were written to: a function that writes to some may return nothing. */
export const writeCount = (): number => writes;

/** Which trace a ref was made in: there it can be frozen. */
const makers = new WeakMap<Value, Trace>();
/** Refs that were frozen. */
const frozen = new WeakSet<Value>();

/**
 * Make a mutable array that starts with the value of `init`: `shape` and `dtype` of it stay. Jitted functions, loops and branches read and
 * write refs that they close over, that they get as arguments, or that they make; `jit`, `vmap` and `grad` understand them.
 *
 * @throws ArgumentError when `init` is no array, or a ref itself.
 * @example
 * const count = newRef(0);
 * const tick = jit((by) => count.addupdate(by));
 * tick(2);
 * tick(3);
 * String(count.get()); // → 5.0
 */
export function newRef(init: ArrayLike): Ref {
  if (init instanceof RefLike)
    throw new ArgumentError(
      `newRef: a ref cannot hold a ref; got ${describe(init)}. Start from its value: newRef(ref.get()).`,
    );
  const ref = newRefP.bind1([asValue('newRef', init, 'init')], none);
  makers.set(ref, currentTrace());
  return new Ref(ref);
}

/**
 * The value of a ref, as an array; nobody can use the ref afterwards.
 *
 * @throws ArgumentError when `ref` is no ref, a window on one, or was not made in the function that freezes it; DeletedArrayError when
 * it was frozen before.
 * @example
 * const r = newRef(np.zeros([2]));
 * r.set(np.ones([2]));
 * String(freeze(r)); // → [1. 1.]
 */
export function freeze(ref: Ref): Value {
  if (!(ref instanceof Ref))
    throw new ArgumentError(
      `freeze: only refs can be frozen; got ${describe(ref)}. An array is as it is.`,
    );
  const value = ref.whole('freeze');
  if (makers.get(value) !== currentTrace())
    throw new ArgumentError(
      `freeze: a ref must be frozen by the function that made it; got ${ref.aval.toString()}, which was made outside. Read it with ref.get(), and freeze it outside.`,
    );
  const out = freezeP.bind1([value], none);
  frozen.add(value);
  return out;
}
