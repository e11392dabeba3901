// What the laws share: arguments on a device, results as numbers, comparisons that say where they failed.
import { expect } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { registerDevice } from '../../core/backend.ts';
import { isInexact, isBig, type DType } from '../../core/dtype.ts';
import { encode } from '../../core/host.ts';
import { sizeOf, stridesOf, type Shape } from '../../core/shape.ts';
import type { Value } from '../../core/value.ts';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import '../../core/jaxpr-print.ts';
import '../../transforms/eval.ts';
import { randomFrom, type ArgumentSpec, type Case } from '../cases/case.ts';

registerDevice(new InterpreterDevice());

/** An array from numbers, on the default device. */
export function arrayOf(values: readonly number[], shape: Shape, dtype: DType): NDArray {
  return NDArray.fromHost(isBig(dtype) ? values.map((v) => BigInt(v)) : values, shape, dtype);
}

/** The elements of a concrete array. */
export function numbersOf(x: Value): number[] {
  if (!(x instanceof NDArray))
    throw new Error(`a law got a value that is not concrete: ${x.toString()}`);
  return Array.from(x.dataSync(), Number);
}

/** The bytes of a concrete array, for comparisons bit by bit (f16 and bf16 through f32, which is exact). */
export const bitsOf = (x: Value): string => {
  const values = numbersOf(x);
  return Buffer.from(encode(values, 'f64')).toString('hex');
};

/** The dtype of an argument when `float` is `float`. */
export const dtypeOf = (spec: ArgumentSpec, float: DType): DType =>
  spec.dtype === 'float' ? float : spec.dtype;

/** The arguments of a case. */
export function argumentsOf(c: Case, float: DType, seed = 1): NDArray[] {
  const random = randomFrom(seed);
  return c.args.map((spec) => arrayOf(spec.values(random), spec.shape, dtypeOf(spec, float)));
}

/** The results of a case, always as a list. */
export const listOf = (out: Value | readonly Value[]): readonly Value[] =>
  Array.isArray(out) ? (out as readonly Value[]) : [out as Value];

/** The function of a case with a list of results. */
export const flatOf =
  (c: Case) =>
  (xs: readonly Value[]): readonly Value[] =>
    listOf(c.f(...xs));

/** Positions of the arguments that have derivatives. */
export const differentiable = (c: Case): number[] =>
  c.args.map((_, i) => i).filter((i) => isInexact(dtypeOf(c.args[i], 'f64')));

/** Directions for the differentiable arguments. */
export function directionsOf(c: Case, float: DType, seed: number): NDArray[] {
  const random = randomFrom(seed);
  return differentiable(c).map((i) => {
    const { shape } = c.args[i];
    return arrayOf(
      Array.from({ length: sizeOf(shape) }, () => 2 * random() - 1),
      shape,
      float,
    );
  });
}

/** Says that two lists of numbers agree: |a - b| ≤ atol + rtol · |b|, or both NaN, or equal. */
export function expectClose(
  actual: readonly number[],
  wanted: readonly number[],
  { rtol, atol, what }: { readonly rtol: number; readonly atol: number; readonly what: string },
): void {
  expect(actual.length, `${what}: length`).toBe(wanted.length);
  const bad = actual.findIndex((a, i) => {
    const b = wanted[i];
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) return false;
    return !(Math.abs(a - b) <= atol + rtol * Math.abs(b));
  });
  if (bad >= 0)
    expect.fail(
      `${what}: element ${bad} is ${actual[bad]}, wanted ${wanted[bad]}\n  got    ${actual.join(' ')}\n  wanted ${wanted.join(' ')}`,
    );
}

/** Several arrays of one shape as one array with a new axis at `at`. */
export function stack(parts: readonly NDArray[], at: number): NDArray {
  const [{ shape, dtype }] = parts;
  const out = shape.toSpliced(at, 0, parts.length);
  const strides = stridesOf(out);
  const inner = stridesOf(shape);
  const values = new Array<number>(sizeOf(out));
  parts.forEach((part, lane) => {
    numbersOf(part).forEach((v, index) => {
      const places = shape.map(
        (_, axis) => Math.floor(index / inner[axis]) % Math.max(1, shape[axis]),
      );
      const full = places.toSpliced(at, 0, lane);
      values[full.reduce((n, place, axis) => n + place * strides[axis], 0)] = v;
    });
  });
  return arrayOf(values, out, dtype);
}
