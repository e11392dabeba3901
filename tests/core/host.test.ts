// Bytes and back: round trips of every dtype, and the 16-bit floats exhaustively.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withConfig } from '../../core/config.ts';
import type { DType } from '../../core/dtype.ts';
import {
  bf16Bits,
  checkRange,
  decode,
  encode,
  f16Bits,
  fromBF16Bits,
  fromF16Bits,
  nest,
  normalScalar,
  typedArrayDType,
  viewOf,
} from '../../core/host.ts';

const all16 = Array.from({ length: 1 << 16 }, (_, i) => i);

describe('16-bit floats', () => {
  test.each([
    ['f16', f16Bits, fromF16Bits],
    ['bf16', bf16Bits, fromBF16Bits],
  ] as const)('%s: every pattern comes back', (_, toBits, fromBits) => {
    const wrong = all16.filter((bits) => {
      const x = fromBits(bits);
      return Number.isNaN(x) ? !Number.isNaN(fromBits(toBits(x))) : toBits(x) !== bits;
    });
    expect(wrong).toEqual([]);
  });
  test.each([
    ['f16', f16Bits, fromF16Bits, 0x7c00],
    ['bf16', bf16Bits, fromBF16Bits, 0x7f80],
  ] as const)(
    '%s: between neighbours it rounds to the nearest, ties to even',
    (_, toBits, fromBits, infinity) => {
      for (let bits = 0; bits < infinity - 1; bits++) {
        const [low, high] = [fromBits(bits), fromBits(bits + 1)];
        const middle = (low + high) / 2;
        const even = bits % 2 === 0 ? bits : bits + 1;
        expect(toBits(middle)).toBe(even);
        expect(toBits(-middle)).toBe(0x8000 | even);
        expect(toBits(low + (high - low) * 0.4999)).toBe(bits);
        expect(toBits(low + (high - low) * 0.5001)).toBe(bits + 1);
      }
      const top = fromBits(infinity - 1);
      const half = (top - fromBits(infinity - 2)) / 2;
      expect(toBits(top + half)).toBe(infinity);
      expect(toBits(top + half * 0.99)).toBe(infinity - 1);
      expect(toBits(1e300)).toBe(infinity);
      expect(toBits(1e-300)).toBe(0);
      expect(toBits(-0)).toBe(0x8000);
    },
  );
});

const integerRange: Partial<Record<DType, [number, number]>> = {
  i8: [-128, 127],
  i16: [-32768, 32767],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u8: [0, 255],
  u16: [0, 65535],
  u32: [0, 2 ** 32 - 1],
};

describe('encode and decode', () => {
  test.each(Object.entries(integerRange))('%s round trip', (dtype, [min, max]) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min, max })), (values) => {
        expect([...decode(encode(values, dtype as DType), dtype as DType)]).toEqual(values);
      }),
    );
  });
  test.each(['f64', 'complex128'] as const)('%s round trip', (dtype) => {
    fc.assert(
      fc.property(fc.array(fc.double(), { minLength: 2, maxLength: 2 }), (values) => {
        expect([...decode(encode(values, dtype), dtype)]).toEqual(values);
      }),
    );
  });
  test('f32 rounds as Math.fround', () => {
    fc.assert(
      fc.property(fc.array(fc.double()), (values) => {
        expect([...decode(encode(values, 'f32'), 'f32')]).toEqual(values.map(Math.fround));
      }),
    );
  });
  test('64-bit integers are bigints and wrap', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })), (values) => {
        expect([...decode(encode(values, 'i64'), 'i64')]).toEqual(
          values.map((x) => BigInt.asIntN(64, x)),
        );
        expect([...decode(encode(values, 'u64'), 'u64')]).toEqual(
          values.map((x) => BigInt.asUintN(64, x)),
        );
      }),
    );
    expect([...decode(encode([2 ** 40, -1.9], 'i64'), 'i64')]).toEqual([2n ** 40n, -1n]);
  });
  test('small integers truncate and wrap', () => {
    expect([...decode(encode([300, -1, 2.9, 257n], 'u8'), 'u8')]).toEqual([44, 255, 2, 1]);
    expect([...decode(encode([2 ** 31], 'i32'), 'i32')]).toEqual([-(2 ** 31)]);
  });
  test('bool: everything but zero is true, NaN too', () => {
    expect([...decode(encode([0, -0, 1, NaN, true, false, 0n, 2n], 'bool'), 'bool')]).toEqual([
      0, 0, 1, 1, 1, 0, 0, 1,
    ]);
  });
  test('bytes are little-endian, and misaligned bytes are copied', () => {
    expect([...encode([1], 'i32')]).toEqual([1, 0, 0, 0]);
    const bytes = new Uint8Array(9);
    bytes.set(encode([1.5, -2], 'f32'), 1);
    expect([...viewOf(bytes.subarray(1), 'f32')]).toEqual([1.5, -2]);
    expect([...viewOf(encode([1], 'f16'), 'f16')]).toEqual([0x3c00]);
  });
  test('a typed array of the dtype is copied, not aliased', () => {
    const source = Float32Array.of(1, 2);
    const bytes = encode(source.subarray(1), 'f32');
    source[1] = 9;
    expect([...decode(bytes, 'f32')]).toEqual([2]);
  });
});

describe('scalars, nesting, typed arrays', () => {
  test('normalScalar', () => {
    expect(normalScalar(0.1, 'f32')).toBe(Math.fround(0.1));
    expect(normalScalar(300, 'u8')).toBe(44);
    expect(normalScalar(-1, 'u32')).toBe(2 ** 32 - 1);
    expect(normalScalar(2, 'bool')).toBe(true);
    expect(normalScalar(5, 'i64')).toBe(5n);
    expect(normalScalar(5n, 'i32')).toBe(5);
    expect(normalScalar(1 / 3, 'f16')).toBe(0.333251953125);
    expect(normalScalar(true, 'f32')).toBe(1);
  });
  test('nest', () => {
    expect(nest(Int32Array.of(1, 2, 3, 4), [2, 2], 'i32')).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(nest(Uint8Array.of(1, 0), [2], 'bool')).toEqual([true, false]);
    expect(nest(Float32Array.of(1, 2), [1], 'complex64')).toEqual([{ re: 1, im: 2 }]);
    expect(nest(Float32Array.of(7), [], 'f32')).toBe(7);
    expect(nest(new Float32Array(), [2, 0], 'f32')).toEqual([[], []]);
  });
  test('typed arrays keep their dtype; 64-bit ones are narrowed while x64 is off', () => {
    expect(typedArrayDType(new Float32Array(1))).toBe('f32');
    expect(typedArrayDType(new Float64Array(1))).toBe('f32');
    expect(typedArrayDType(new BigUint64Array(1))).toBe('u32');
    expect(withConfig({ enableX64: true }, () => typedArrayDType(new Float64Array(1)))).toBe('f64');
    expect(typedArrayDType([1])).toBeUndefined();
    expect(typedArrayDType('x')).toBeUndefined();
  });
  test('checkRange', () => {
    checkRange('array', [-128, 127, -128.5], 'i8');
    checkRange('array', [2n ** 63n - 1n], 'i64');
    expect(() => checkRange('array', [0, 256], 'u8')).toThrow(
      'array: uint8 holds integers from 0 to 255; got 256 at position 1. Choose another dtype, or bring the values into range.',
    );
    expect(() => checkRange('array', [NaN], 'i32')).toThrow('got NaN at position 0');
    expect(() => checkRange('array', BigInt64Array.of(2n ** 40n), 'i32')).toThrow(
      'got 1099511627776 at position 0',
    );
  });
});
