// Special values of every dtype, for tests of scalar functions on more than one engine.
import type { DType } from '../../core/dtype.ts';
import { kindOf } from '../../core/dtype.ts';
import { encode } from '../../core/host.ts';

const ints = [1, 2, 3, 5, 7, 31, 32, 33, 64, 100, 127, 15, 8, 16];
// oxfmt-ignore
const floats = [
  0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, 7.25, -7.25, NaN, Infinity, -Infinity, -1e-8, 60000, 123456.75, -8388608.5, 1e30,
  2 ** 31, -(2 ** 31), 300, -300, 4e9,
];
/** What WebGPU devices may flush or lose the sign of. */
const tiny = [-0, 1e-40];

function valuesOf(dtype: DType, isIeee: boolean): number[] {
  switch (kindOf(dtype)) {
    case 'bool':
      return [0, 1];
    case 'int':
      return [
        0,
        -1,
        -2,
        -7,
        -127,
        -128,
        ...ints,
        ...(dtype === 'i32' ? [2 ** 31 - 1, -(2 ** 31)] : []),
      ];
    case 'uint':
      return [0, 128, 200, 254, 255, ...ints, ...(dtype === 'u32' ? [2 ** 32 - 1, 2 ** 31] : [])];
    default:
      return isIeee ? [...floats, ...tiny] : floats;
  }
}

/** Every pair of special values as two arrays, and the second one backwards. `isIeee`: with subnormals and the zero below zero. */
export function specialPairs(dtype: DType, isIeee: boolean): Uint8Array[] {
  const kind = kindOf(dtype);
  const isBig = dtype === 'i64' || dtype === 'u64';
  const list = valuesOf(dtype, isIeee).map((x) =>
    kind === 'bool' ? x === 1 : isBig ? BigInt(x) : x,
  );
  const a = list.flatMap((x) => list.map(() => x));
  const b = list.flatMap(() => list);
  return [a, b, b.toReversed()].map((values) => new Uint8Array(encode(values, dtype)));
}
