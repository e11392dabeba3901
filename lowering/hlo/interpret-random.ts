/**
 * Interpretation of `rng_bit_generator` with THREE_FRY as XLA computes it: the state is (key, counter) in two u64; each counter value gives
 * one block of two u32. Source of the cipher: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), Threefry-2x32, 20 rounds.
 */
import { LoweringError } from '../../core/errors.ts';
import { sizeOf, stridesOf } from '../../core/shape.ts';
import { allocateTensor, type HostTensor } from './interpret-shape.ts';
import type { TensorType } from './ir.ts';

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Threefry-2x32 with 20 rounds. */
export function threefry2x32(
  key: readonly [number, number],
  counter: readonly [number, number],
): [number, number] {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bda];
  let [a, b] = [(counter[0] + keys[0]) >>> 0, (counter[1] + keys[1]) >>> 0];
  for (let round = 0; round < 5; round++) {
    for (const r of rotations[round % 2]) {
      a = (a + b) >>> 0;
      b = (((b << r) | (b >>> (32 - r))) ^ a) >>> 0;
    }
    a = (a + keys[(round + 1) % 3]) >>> 0;
    b = (b + keys[(round + 2) % 3] + round + 1) >>> 0;
  }
  return [a, b];
}

const halves = (x: bigint): [number, number] => [
  Number(x & 0xffffffffn),
  Number((x >> 32n) & 0xffffffffn),
];

/**
 * `rng_bit_generator` for u32 and u64 bits.
 *
 * @throws LoweringError for other algorithms, states and types.
 */
export function rngBitGenerator(
  state: HostTensor,
  algorithm: string,
  types: readonly TensorType[],
): HostTensor[] {
  const [stateType, bitsType] = types;
  const isKnown =
    algorithm !== 'PHILOX' && stateType.dtype === 'u64' && sizeOf(stateType.shape) === 2;
  if (!isKnown || (bitsType.dtype !== 'u64' && bitsType.dtype !== 'u32'))
    throw new LoweringError(
      `rng_bit_generator: the interpreter knows THREE_FRY with a tensor<2xui64> state and u32 or u64 bits; got ${algorithm}. Use jax.random's threefry keys instead.`,
    );
  const [key, counter] = [BigInt(state.data[0]), BigInt(state.data[1])];
  const data = allocateTensor(bitsType);
  const words = halves(key);
  const block = (i: number): [number, number] =>
    threefry2x32(words, halves(BigInt.asUintN(64, counter + BigInt(i))));
  const blocks =
    data instanceof BigUint64Array
      ? fill64(data, block)
      : fill32(data as Uint32Array, bitsType, block);
  const next = BigUint64Array.of(key, BigInt.asUintN(64, counter + BigInt(blocks)));
  return [
    { type: stateType, data: next },
    { type: bitsType, data },
  ];
}

function fill64(data: BigUint64Array, block: (i: number) => [number, number]): number {
  for (let i = 0; i < data.length; i++) {
    const [low, high] = block(i);
    data[i] = BigInt(low) | (BigInt(high) << 32n);
  }
  return data.length;
}

/** 32-bit output is cut in halves along the first even axis (else the longest): first words, then second words. */
function fill32(
  data: Uint32Array,
  { shape }: TensorType,
  block: (i: number) => [number, number],
): number {
  const even = shape.findIndex((d) => d % 2 === 0);
  const axis = even >= 0 ? even : shape.reduce((best, d, i) => (d > shape[best] ? i : best), 0);
  const size = shape.length === 0 ? 1 : shape[axis];
  const half = Math.ceil(size / 2);
  const stride = shape.length === 0 ? 1 : stridesOf(shape)[axis];
  const outer = data.length / (size * stride || 1);
  for (let o = 0, i = 0; o < outer; o++)
    for (let h = 0; h < half; h++)
      for (let s = 0; s < stride; s++, i++) {
        const [first, second] = block(i);
        const at = (o * size + h) * stride + s;
        data[at] = first;
        if (h + half < size) data[at + half * stride] = second;
      }
  return outer * half * stride;
}
