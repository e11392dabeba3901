/**
 * Refs: what a kernel gets instead of arrays. Reading gives a value, writing changes the block; stores do not broadcast and do not convert.
 * Three primitives: `get`, `swap` (writes, gives what was there) and `addupdate` (adds). Their derivatives act on a ref of tangents.
 */
import { Aval } from '../core/aval.ts';
import { asValue, type ArrayLike } from '../core/array.ts';
import type { DType } from '../core/dtype.ts';
import { writeEffect } from '../core/effects.ts';
import { DTypeError, InternalError, LoweringError, ShapeError } from '../core/errors.ts';
import type { JvpResult, Primitive, Tangent } from '../core/primitive.ts';
import { sameShape, showShape, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import { zerosOf } from '../lax/creation.ts';
import { definePrimitive } from '../lax/define.ts';
import { literal } from '../lax/operand.ts';
import {
  indexWindow,
  showWindow,
  wholeWindow,
  windowShape,
  type RefIndex,
  type WindowAxis,
} from './indexer.ts';

/** One axis of an access: a static start, or `'dynamic'` for the next index operand. */
export interface AccessAxis {
  readonly start: number | 'dynamic';
  readonly size: number;
  readonly stride: number;
  readonly dropped: boolean;
}

/** Parameters of the ref primitives. Operands: the ref [, the value], the dynamic starts [, the mask [, the other value]]. */
export interface AccessParams {
  readonly axes: readonly AccessAxis[];
  readonly masked: boolean;
  readonly hasOther: boolean;
}

const accessShape = (axes: readonly AccessAxis[]): number[] =>
  axes.flatMap((a) => (a.dropped ? [] : [a.size]));

const onlyInKernels = (name: string) => (): never => {
  throw new LoweringError(
    `${name}: refs exist only inside kernels. Read or write the ref inside the kernel of a pallasCall.`,
  );
};

/** The window, unless it starts at the beginning and drops nothing. */
function printAccess({ axes }: AccessParams): Readonly<Record<string, unknown>> {
  const plain = axes.every((a) => a.start === 0 && a.stride === 1 && !a.dropped);
  return plain ? {} : { index: showWindow(axes) };
}

/** `get`: read a window of a ref. */
export const getP: Primitive<AccessParams> = definePrimitive<AccessParams>('get', {
  abstractEval: ([ref], { axes }) => [new Aval(accessShape(axes), ref.dtype)],
  jvp([ref, ...rest], [refTangent, ...restTangents], params): JvpResult {
    const out = getP.bind([ref, ...rest], params);
    if (refTangent === null) return [out, [null]];
    const last = rest.length - 1;
    const others = params.hasOther
      ? rest.with(last, restTangents[last] ?? zerosOf(rest[last].aval))
      : rest;
    return [out, [getP.bind1([refTangent, ...others], params)]];
  },
  lower: onlyInKernels('get'),
  printParams: printAccess,
});

/** `swap`: write a window of a ref and give what was there. */
export const swapP: Primitive<AccessParams> = definePrimitive<AccessParams>('swap', {
  abstractEval: ([ref], { axes }) => [new Aval(accessShape(axes), ref.dtype)],
  jvp: ([ref, value, ...rest], [refTangent, valueTangent], params): JvpResult =>
    writeTangent(swapP, [ref, value, ...rest], refTangent, valueTangent, params),
  lower: onlyInKernels('swap'),
  effects: () => [writeEffect],
  printParams: printAccess,
});

/** `addupdate`: add to a window of a ref. */
export const addupdateP: Primitive<AccessParams> = definePrimitive<AccessParams>('addupdate', {
  abstractEval: () => [],
  jvp: ([ref, value, ...rest], [refTangent, valueTangent], params): JvpResult =>
    writeTangent(addupdateP, [ref, value, ...rest], refTangent, valueTangent, params),
  lower: onlyInKernels('addupdate'),
  effects: () => [writeEffect],
  printParams: printAccess,
});

/** A write of a value writes its tangent to the ref of tangents, zeros when it has none. */
function writeTangent(
  prim: Primitive<AccessParams>,
  [ref, value, ...rest]: readonly Value[],
  refTangent: Tangent,
  valueTangent: Tangent,
  params: AccessParams,
): JvpResult {
  const out = prim.bind([ref, value, ...rest], params);
  if (refTangent === null) {
    if (valueTangent !== null)
      throw new InternalError(
        `${prim.name}: a value with a derivative was written to a ref without tangents.`,
      );
    return [out, out.map(() => null)];
  }
  const tangents = prim.bind([refTangent, valueTangent ?? zerosOf(value.aval), ...rest], params);
  return [out, tangents];
}

/** Options of `load` and `store`. */
export interface AccessOptions {
  /** bool mask of the window's shape: where it is false nothing is read or written. */
  readonly mask?: Value;
}

/** Options of `load`. */
export interface LoadOptions extends AccessOptions {
  /** What a masked-off position reads as; zero when left out. */
  readonly other?: ArrayLike;
}

/** A window on a block of an operand or on scratch memory, inside a kernel. */
export class Ref {
  readonly #ref: Value;
  readonly #window: readonly WindowAxis[];

  constructor(ref: Value, window: readonly WindowAxis[] = wholeWindow(ref.shape)) {
    this.#ref = ref;
    this.#window = window;
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
      [target.#ref, target.#checked('addupdate', value), ...target.#starts()],
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
      [target.#ref, target.#checked('swap', value), ...target.#starts()],
      target.#params(),
    );
  }

  /** Read the window, where the mask holds. */
  load({ mask, other }: LoadOptions = {}): Value {
    const extra = [
      ...this.#mask('load', mask),
      ...(other === undefined ? [] : [this.#checked('load', other)]),
    ];
    return getP.bind1(
      [this.#ref, ...this.#starts(), ...extra],
      this.#params(mask !== undefined, other !== undefined),
    );
  }

  /** Write the window, where the mask holds. */
  store(value: ArrayLike, { mask }: AccessOptions = {}): void {
    const args = [
      this.#ref,
      this.#checked('store', value),
      ...this.#starts(),
      ...this.#mask('store', mask),
    ];
    swapP.bind(args, this.#params(mask !== undefined));
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

  #mask(op: string, mask: Value | undefined): Value[] {
    if (mask === undefined) return [];
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
    const value =
      typeof x === 'number' && this.ndim === 0 ? literal(x, this.dtype) : asValue(op, x, 'value');
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

  /** Arithmetic on a ref instead of its value is a mistake. */
  [Symbol.toPrimitive](): never {
    throw new DTypeError(
      `ref: a ref is not an array; got a ref of ${this.dtype}${showShape(this.shape)} where a value is needed. Read it with \`ref.get()\`.`,
    );
  }
}
