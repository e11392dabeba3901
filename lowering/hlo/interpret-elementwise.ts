/** Interpretation of the ops that work element by element. */
import { dtypeInfo, isComplex, type DType } from '../../core/dtype.ts';
import { sizeOf, type Shape } from '../../core/shape.ts';
import {
  allocateElements,
  asNumbers,
  bitcastElements,
  convertElements,
  elementReader,
  elementWriter,
  elementsToBytes,
  mapScalar,
  type ElementArray,
} from '../scalar-array.ts';
import { meaning, type Element } from '../scalar-meaning.ts';
import { exponentOf, rounderOf, roundEven, signedZero } from '../scalar-round.ts';
import type { CompareFn, ScalarFn } from '../scalar.ts';
import { allocateTensor, hostTensor, type HostTensor } from './interpret-shape.ts';
import type { CompareKind, TensorType } from './ir.ts';

/** A scalar function on tensors; the result has `type`. */
export function scalar(fn: ScalarFn, xs: readonly HostTensor[], type: TensorType): HostTensor {
  const data = mapScalar(
    fn,
    xs[fn === 'clamp' ? 1 : 0].type.dtype,
    xs.map((x) => x.data),
    sizeOf(type.shape),
  );
  return { type, data };
}

const total = new DataView(new ArrayBuffer(8));

/** The place of a float in the total order of its bits: −NaN < −∞ < … < −0 < 0 < … < ∞ < NaN. */
function orderKey(x: Element, dtype: DType): bigint {
  if (dtype === 'f64') total.setFloat64(0, Number(x));
  else total.setFloat32(0, Number(x));
  // f16 and bf16 embed in f32 with their order.
  const bits = dtype === 'f64' ? total.getBigInt64(0) : BigInt(total.getInt32(0));
  const mask = dtype === 'f64' ? 2n ** 63n - 1n : 2n ** 31n - 1n;
  return bits < 0n ? bits ^ mask : bits;
}

/** A comparison in the total order of floats. */
export function totalOrder(
  direction: CompareFn,
  dtype: DType,
): (x: Element, y: Element) => Element {
  if (dtypeInfo[dtype].kind !== 'float') return (x, y) => meaning(direction, dtype)(x, y, x);
  const compare = meaning(direction, 'i64');
  return (x, y) => compare(orderKey(x, dtype), orderKey(y, dtype), 0n);
}

/** `compare`. */
export function compare(
  direction: CompareFn,
  kind: CompareKind,
  x: HostTensor,
  y: HostTensor,
): HostTensor {
  const { dtype, shape } = x.type;
  const n = sizeOf(shape);
  if (kind !== 'TOTALORDER')
    return hostTensor('bool', shape, mapScalar(direction, dtype, [x.data, y.data], n));
  const f = totalOrder(direction, dtype);
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i++) out[i] = Number(f(x.data[i], y.data[i]));
  return hostTensor('bool', shape, out);
}

/** `select`; the predicate has the shape of the others, or rank 0. */
export function select(predicate: HostTensor, onTrue: HostTensor, onFalse: HostTensor): HostTensor {
  const p = asNumbers(predicate.data);
  if (predicate.type.shape.length === 0) return p[0] === 0 ? onFalse : onTrue;
  const { type } = onTrue;
  const data = allocateTensor(type);
  const perElement = isComplex(type.dtype) ? 2 : 1;
  // Entries of one dtype are of one kind.
  const [t, f, out] = [onTrue.data, onFalse.data, data] as unknown as number[][];
  for (let i = 0; i < data.length; i++)
    out[i] = p[perElement === 2 ? i >> 1 : i] === 0 ? f[i] : t[i];
  return { type, data };
}

/** `convert`. */
export function convert(x: HostTensor, dtype: DType): HostTensor {
  return hostTensor(
    dtype,
    x.type.shape,
    convertElements(x.data, x.type.dtype, dtype, sizeOf(x.type.shape)),
  );
}

/** `bitcast_convert`, with the shape of its result. */
export function bitcastConvert(x: HostTensor, dtype: DType, shape: Shape): HostTensor {
  return hostTensor(dtype, shape, bitcastElements(x.data, x.type.dtype, dtype));
}

/** `complex`. */
export function complex(re: HostTensor, im: HostTensor, type: TensorType): HostTensor {
  const data = allocateTensor(type);
  const write = elementWriter(data, type.dtype);
  const [a, b] = [asNumbers(re.data), asNumbers(im.data)];
  for (let i = 0; i < a.length; i++) write(i, [a[i], b[i]]);
  return { type, data };
}

/** `real` and `imag`; a real tensor is its own real part. */
export function complexPart(x: HostTensor, part: 0 | 1, type: TensorType): HostTensor {
  const data = allocateTensor(type);
  const [from, to] = [asNumbers(x.data), asNumbers(data)];
  if (!isComplex(x.type.dtype)) return part === 0 ? x : { type, data };
  for (let i = 0; i < to.length; i++) to[i] = from[2 * i + part];
  return { type, data };
}

const exponentBitsOf: Readonly<
  Partial<Record<DType, readonly [exponent: number, mantissa: number]>>
> = {
  f16: [5, 10],
  bf16: [8, 7],
  f32: [8, 23],
  f64: [11, 52],
};

/** `reduce_precision` on one element: the mantissa is rounded at its own place; what is then too small becomes zero, as in XLA. */
export function reducePrecisionOf(
  exponentBits: number,
  mantissaBits: number,
  dtype: DType,
): (x: Element) => Element {
  const [ownExponent, ownMantissa] = exponentBitsOf[dtype] ?? [11, 52];
  const round = rounderOf(dtype);
  const bias = 2 ** (exponentBits - 1) - 1;
  return (element) => {
    let x = Number(element);
    if (x === 0 || !Number.isFinite(x)) return x;
    if (mantissaBits < ownMantissa) {
      const unit = 2 ** (exponentOf(x) - mantissaBits);
      x = roundEven(x / unit) * unit;
    }
    if (exponentBits < ownExponent) {
      const exponent = exponentOf(x);
      if (exponent > bias) return Math.sign(x) * Infinity;
      if (exponent < 1 - bias) return signedZero(x);
    }
    return round(x);
  };
}

/** `reduce_precision`. */
export function reducePrecision(
  x: HostTensor,
  exponentBits: number,
  mantissaBits: number,
): HostTensor {
  const f = reducePrecisionOf(exponentBits, mantissaBits, x.type.dtype);
  const n = sizeOf(x.type.shape);
  const data = allocateElements(x.type.dtype, n);
  const [read, write] = [elementReader(x.data, x.type.dtype), elementWriter(data, x.type.dtype)];
  for (let i = 0; i < n; i++) write(i, f(read(i)));
  return { type: x.type, data };
}

/** Whether two arrays hold the same bits. */
export function sameBits(x: ElementArray, y: ElementArray, dtype: DType): boolean {
  const [a, b] = [elementsToBytes(x, dtype), elementsToBytes(y, dtype)];
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
