/** The comparisons of the StableHLO test suite, on host tensors: equal, at most so many ulps apart, at most an absolute distance apart. */
import { dtypeInfo, isComplex, type DType } from '../../core/dtype.ts';
import type { HostTensor } from '../../lowering/hlo/interpret.ts';
import { realPart } from '../../lowering/hlo/infer.ts';
import { sameTensorType } from '../../lowering/hlo/ir.ts';
import { elementsToBytes } from '../../lowering/scalar-array.ts';

/** Largest ulp distance: one side is not finite. */
const far = 2n ** 64n - 1n;

/** Bits of the numbers in a tensor (two per complex element). */
function bitsOf(x: HostTensor): bigint[] {
  const bytes = elementsToBytes(x.data, x.type.dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dtypeInfo[realPart(x.type.dtype)].byteLength;
  return Array.from({ length: bytes.length / size }, (_, i) => {
    if (size === 8) return view.getBigUint64(8 * i, true);
    return BigInt(
      size === 4
        ? view.getUint32(4 * i, true)
        : size === 2
          ? view.getUint16(2 * i, true)
          : view.getUint8(i),
    );
  });
}

/** Distance in ulps between two floats given by value and bits. */
export function ulps(a: number, b: number, bitsA: bigint, bitsB: bigint, dtype: DType): bigint {
  if (bitsA === bitsB || (Number.isNaN(a) && Number.isNaN(b))) return 0n;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return far;
  const sign = 1n << BigInt(dtypeInfo[dtype].bits - 1);
  const [ma, mb] = [bitsA & (sign - 1n), bitsB & (sign - 1n)];
  if ((bitsA & sign) !== (bitsB & sign)) return ma + mb;
  return ma > mb ? ma - mb : mb - ma;
}

/** Result of a comparison: how many elements are wrong, and the largest distance. */
export interface Verdict {
  readonly bad: number;
  readonly maxUlps: bigint;
}

/** How tensors are compared. */
export type Check =
  | { readonly kind: 'eq' }
  | { readonly kind: 'close'; readonly max: bigint }
  | { readonly kind: 'almost'; readonly tolerance: number };

/** Compare a result with what is expected. Types must be equal. */
export function compareTensors(actual: HostTensor, expected: HostTensor, check: Check): Verdict {
  if (!sameTensorType(actual.type, expected.type)) return { bad: Infinity, maxUlps: far };
  const part = realPart(actual.type.dtype);
  const isFloating = dtypeInfo[part].kind === 'float';
  const [a, b] = [bitsOf(actual), bitsOf(expected)];
  let [bad, maxUlps] = [0, 0n];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(actual.data[i]), Number(expected.data[i])];
    const distance = isFloating ? ulps(x, y, a[i], b[i], part) : a[i] === b[i] ? 0n : far;
    if (distance > maxUlps) maxUlps = distance;
    if (!isGood(check, { x, y, distance, isFloating })) bad++;
  }
  return { bad: isComplex(actual.type.dtype) ? Math.ceil(bad / 2) : bad, maxUlps };
}

function isGood(
  check: Check,
  { x, y, distance, isFloating }: { x: number; y: number; distance: bigint; isFloating: boolean },
): boolean {
  if (!isFloating) return distance === 0n;
  switch (check.kind) {
    case 'eq':
      return x === y;
    case 'close':
      return distance <= check.max;
    case 'almost':
      return x === y || (Number.isNaN(x) && Number.isNaN(y)) || Math.abs(x - y) <= check.tolerance;
  }
}

/** The rule of a `custom_call @check.…`. */
export function checkOf(target: string): Check | undefined {
  if (target === 'check.expect_eq') return { kind: 'eq' };
  if (target === 'check.expect_close') return { kind: 'close', max: 3n };
  if (target === 'check.expect_almost_eq') return { kind: 'almost', tolerance: 1e-3 };
  if (target === 'check.eq') return { kind: 'almost', tolerance: 1e-4 };
  return undefined;
}
