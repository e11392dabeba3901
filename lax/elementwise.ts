/**
 * The family of elementwise primitives: one scalar function applied at every index. Shapes, dtypes, broadcasting, batching and
 * lowering follow from the scalar function; a member states its derivatives only. Members: `arithmetic`, `comparison`, `bits`,
 * `transcendental`.
 *
 * Operands have one dtype and one shape; rank-0 operands and axes of size 1 are repeated, as in JAX.
 */
import type { ArrayLike } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { isInexact, kindOf, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import {
  LinearArg,
  type AxisData,
  type BatchDim,
  type BatchResult,
  type None,
  type Primitive,
  type Tangent,
} from '../core/primitive.ts';
import { refuseFloat0 } from '../core/promotion.ts';
import { sameShape, type Shape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { resultDType, scalarInfo, type CompareFn, type ScalarFn } from '../lowering/scalar.ts';
import { definePrimitive, none } from './define.ts';
import { operands } from './operand.ts';
import { batchTo, broadcastInDim, expandDims, moveAxis, reduceSum, reshape } from './structure.ts';

/** A public function of one array. */
export type UnaryOp = (x: ArrayLike) => Value;
/** A public function of two arrays. */
export type BinaryOp = (x: ArrayLike, y: ArrayLike) => Value;

/** The effect of one operand's tangent on the output; `null` where there is none. */
export type Derivative = ((tangent: Value) => Value) | null;

/** What a member of the family states. */
export interface ElementwiseRecord<P> {
  /** The scalar function; the camelCase form of the primitive's name when left out. */
  readonly fn?: ScalarFn;
  /** `'zero'`, `'linear'`, or the derivatives by operand, given the operands, the output and the params. */
  readonly jvp:
    | 'zero'
    | 'linear'
    | ((xs: readonly Value[], out: Value, params: P) => readonly Derivative[]);
  /** For each operand that the output can be linear in: the cotangent, given the one of the output and the other operands. */
  readonly transpose?: readonly (
    | ((ct: Value, args: readonly (Value | LinearArg)[], params: P) => Value)
    | null
  )[];
  /** Says that operands after the first may have other dtypes. */
  readonly mixesDTypes?: boolean;
  /** Another lowering than the scalar function, on operands of the result's shape. */
  readonly lower?: (b: HloBuilder, xs: readonly HloValue[], params: P) => HloValue;
  readonly printParams?: (params: P) => Readonly<Record<string, unknown>>;
}

/** The scalar function of a primitive's printed name: `shift_left` → `shiftLeft`. */
const camel = (name: string): string =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/**
 * The shape that elementwise operands have together: rank-0 operands and axes of size 1 are repeated.
 *
 * @throws ShapeError when they do not fit, naming the operands.
 */
export function broadcastShapes(op: string, avals: readonly Aval[]): Shape {
  const shaped = avals.filter((a) => a.ndim > 0);
  if (shaped.length === 0) return [];
  const first = shaped[0].shape;
  if (shaped.every((a) => sameShape(a.shape, first))) return first;
  const facts = avals.map((a) => a.toString()).join(' and ');
  if (shaped.some((a) => a.ndim !== first.length))
    throw new ShapeError(
      `${op}: arrays must have the same number of axes; got ${facts}. Use the numpy functions, which broadcast, or lax.broadcastInDim.`,
    );
  return first.map((_, axis) => {
    const size = shaped.map((a) => a.shape[axis]).find((n) => n !== 1) ?? 1;
    if (shaped.some((a) => a.shape[axis] !== 1 && a.shape[axis] !== size))
      throw new ShapeError(
        `${op}: shapes must be equal; got ${facts} (axis ${axis}). Reshape or slice one of them.`,
      );
    return size;
  });
}

/**
 * The one dtype of elementwise operands.
 *
 * @throws DTypeError when they differ or the function does not take it.
 */
export function commonDType(op: string, avals: readonly Aval[], takes?: readonly string[]): DType {
  const { dtype } = avals[0];
  const facts = avals.map((a) => a.toString()).join(' and ');
  if (avals.some((a) => a.dtype !== dtype))
    throw new DTypeError(
      `${op}: operands must have one dtype; got ${facts}. Use the numpy functions, which promote, or lax.convertElementType.`,
    );
  if (takes !== undefined && !takes.includes(kindOf(dtype))) {
    refuseFloat0(op, ...avals);
    throw new DTypeError(
      `${op}: takes ${takes.join(', ')} operands; got ${facts}. Convert with lax.convertElementType.`,
    );
  }
  return dtype;
}

/** Repeat a value into the shape of the result, where it has another. */
export function spread(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  return broadcastInDim(x, shape, x.ndim === 0 ? [] : shape.map((_, i) => i));
}

/** The dual of `spread`: sum a cotangent to the shape of its operand. */
export function unspread(ct: Value, shape: Shape): Value {
  if (sameShape(ct.shape, shape)) return ct;
  if (shape.length === 0) return reduceSum(ct);
  const axes = shape.map((_, i) => i).filter((i) => shape[i] !== ct.shape[i]);
  return reshape(reduceSum(ct, axes), shape);
}

/** `spread` in StableHLO. */
export function spreadHlo(b: HloBuilder, x: HloValue, shape: Shape): HloValue {
  if (sameShape(x.type.shape, shape)) return x;
  return b.broadcastInDim(x, shape, x.type.shape.length === 0 ? [] : shape.map((_, i) => i));
}

/**
 * Line up the operands of an elementwise primitive that has one more axis: all batch axes at one place, operands of lower rank
 * with axes of size 1 after it. Rank-0 operands without a batch axis stay as they are.
 */
export function alignBatch(
  args: readonly Value[],
  dims: readonly BatchDim[],
): readonly [args: readonly Value[], dim: number] {
  const shaped = args.map((x, i) => [x, dims[i]] as const).filter(([x]) => x.ndim > 0);
  const [first, d] = shaped[0];
  if (d !== null && shaped.every(([x, e]) => e === d && sameShape(x.shape, first.shape)))
    return [args, d];
  const ndim = Math.max(...args.map((x, i) => x.ndim + (dims[i] === null ? 1 : 0)));
  const front = args.map((x, i) => {
    const dim = dims[i];
    if (x.ndim === 0) return x;
    const led = dim === null ? expandDims(x, 0) : moveAxis(x, dim, 0);
    const missing = Array.from({ length: ndim - led.ndim }, (_, k) => led.ndim + k);
    return missing.length === 0 ? led : expandDims(led, missing);
  });
  return [front, 0];
}

/**
 * Like `alignBatch`, with every operand broadcast to the full shape, batch axis first; the operands `scalars` may stay unbatched
 * scalars.
 */
export function alignBatchFully(
  args: readonly Value[],
  dims: readonly BatchDim[],
  axis: AxisData,
  scalars: readonly number[],
): readonly Value[] {
  const logical = args.map((x, i) => {
    const d = dims[i];
    return d === null ? x.shape : x.shape.toSpliced(d, 1);
  });
  const shape = logical.find((s) => s.length > 0) ?? [];
  return args.map((x, i) => {
    if (dims[i] === null && x.ndim === 0 && scalars.includes(i)) return x;
    const led = batchTo(x, dims[i], 0, axis.size);
    return logical[i].length === shape.length
      ? led
      : broadcastInDim(led, [axis.size, ...shape], [0]);
  });
}

/** Sum of the tangents that are not zero; `null` when all are. */
export function sumTangents(tangents: readonly Tangent[]): Tangent {
  const present = tangents.filter((t): t is Value => t !== null);
  return present.length === 0 ? null : present.reduce((a, t) => addAny(a, t));
}

/**
 * An operand of a transpose rule that is known.
 *
 * @throws ArgumentError when it is not: the program that is transposed is not linear.
 */
export function known(arg: Value | LinearArg): Value {
  if (arg instanceof LinearArg)
    throw new ArgumentError(
      `transpose: the program must be linear in what it is transposed for; got a product or quotient that is not, by ${arg.aval.toString()}. Check the function of linearTranspose, and that rules of customJvp are linear in the tangents.`,
    );
  return arg;
}

/**
 * Define a member of the family.
 *
 * @throws Error when the name is taken.
 */
export function elementwise<P>(name: string, record: ElementwiseRecord<P>): Primitive<P> {
  const fn = record.fn ?? (camel(name) as ScalarFn);
  const op = camel(name);
  const { takes, gives } = scalarInfo[fn];
  const { jvp } = record;
  const lower = record.lower ?? ((b: HloBuilder, xs: readonly HloValue[]) => scalarHlo(b, fn, xs));
  const prim: Primitive<P> = definePrimitive<P>(name, {
    abstractEval: (avals) => {
      const dtype = commonDType(op, record.mixesDTypes === true ? avals.slice(0, 1) : avals, takes);
      const shape = broadcastShapes(op, avals);
      const weak = gives !== 'bool' && avals.every((a) => a.weakType);
      return [avals[0].withShape(shape).withDType(resultDType(fn, dtype), weak)];
    },
    lower: (b, xs, params, { avalsOut }) => [
      lower(
        b,
        xs.map((x) => spreadHlo(b, x, avalsOut[0].shape)),
        params,
      ),
    ],
    jvp:
      typeof jvp === 'string'
        ? jvp
        : (xs, tangents, params) => {
            const out = prim.bind1(xs, params);
            if (!isInexact(out.dtype)) return [[out], [null]];
            const derivatives = jvp(xs, out, params);
            const parts = tangents.map((t, i) => {
              const derivative = derivatives[i];
              return t === null || derivative === null ? null : spread(derivative(t), out.shape);
            });
            return [[out], [sumTangents(parts)]];
          },
    ...(record.transpose === undefined ? {} : { transpose: transposeWith(record.transpose) }),
    batch: (args, dims, params): BatchResult => {
      const [lined, d] = alignBatch(args, dims);
      return [[prim.bind1(lined, params)], [d]];
    },
    ...(record.printParams === undefined ? {} : { printParams: record.printParams }),
  });
  return prim;
}

function transposeWith<P>(rules: NonNullable<ElementwiseRecord<P>['transpose']>) {
  return (
    [ct]: readonly Tangent[],
    args: readonly (Value | LinearArg)[],
    params: P,
  ): readonly Tangent[] =>
    args.map((arg, i) => {
      const rule = rules[i];
      if (ct === null || rule === null || !(arg instanceof LinearArg)) return null;
      return unspread(rule(ct, args, params), arg.aval.shape);
    });
}

function scalarHlo(b: HloBuilder, fn: ScalarFn, xs: readonly HloValue[]): HloValue {
  return isCompare(fn) ? b.compare(fn, xs[0], xs[1]) : b.scalar(fn, ...xs);
}

const isCompare = (fn: ScalarFn): fn is CompareFn =>
  fn === 'eq' || fn === 'ne' || fn === 'lt' || fn === 'le' || fn === 'gt' || fn === 'ge';

/**
 * Define an elementwise primitive of one operand. `derive(x, y)` gives the derivative at x, where y is the output.
 *
 * @throws Error when the name is taken.
 */
export function unary(
  name: string,
  derive: 'zero' | 'linear' | ((x: Value, y: Value) => (tangent: Value) => Value),
  record: Partial<ElementwiseRecord<None>> = {},
): Primitive<None> {
  const jvp =
    typeof derive === 'string' ? derive : (xs: readonly Value[], y: Value) => [derive(xs[0], y)];
  return elementwise<None>(name, { ...record, jvp });
}

/**
 * Define an elementwise primitive of two operands. `derive(x, y, z)` gives the derivatives by x and by y, where z is the output.
 *
 * @throws Error when the name is taken.
 */
export function binary(
  name: string,
  derive: 'zero' | ((x: Value, y: Value, z: Value) => readonly [Derivative, Derivative]),
  record: Partial<ElementwiseRecord<None>> = {},
): Primitive<None> {
  const jvp =
    typeof derive === 'string'
      ? derive
      : (xs: readonly Value[], z: Value) => derive(xs[0], xs[1], z);
  return elementwise<None>(name, { ...record, jvp });
}

/** The public function of a primitive of one operand. */
export function unaryOp(prim: Primitive<None>): UnaryOp {
  const op = camel(prim.name);
  return (x) => prim.bind1(operands(op, x), none);
}

/** The public function of a primitive of two operands. */
export function binaryOp(prim: Primitive<None>): BinaryOp {
  const op = camel(prim.name);
  return (x, y) => prim.bind1(operands(op, x, y), none);
}

/** `add_any`: the sum of two tangents or cotangents of one type. */
export const addAnyP: Primitive<None> = elementwise<None>('add_any', {
  fn: 'add',
  jvp: 'linear',
  transpose: [(ct) => ct, (ct) => ct],
});

/**
 * Add two tangents or cotangents of one type; `add` is for people, this for transformations.
 *
 * @throws ShapeError or DTypeError when they differ.
 */
export const addAny: BinaryOp = binaryOp(addAnyP);
