// Printing as NumPy prints: the expected texts come from NumPy 2.
import { describe, expect, test } from 'vitest';
import { showArray, showFloat } from '../../core/array-print.ts';
import golden from './golden-print.json' with { type: 'json' };
import type { DType } from '../../core/dtype.ts';

const f32 = (values: number[], shape = [values.length], dtype: DType = 'f32'): string =>
  showArray(dtype === 'f32' ? Float32Array.from(values) : values, shape, dtype);

describe('scalars', () => {
  test.each([
    [0, '0.0'],
    [-0, '-0.0'],
    [1.5, '1.5'],
    [9, '9.0'],
    [0.1, '0.1'],
    [1e-5, '1e-05'],
    [1e8, '100000000.0'],
    [1e16, '1e+16'],
    [1.2345678e20, '1.2345678e+20'],
    [123456789, '123456790.0'],
    [NaN, 'nan'],
    [-Infinity, '-inf'],
  ])('%d', (x, text) => {
    expect(showFloat(Math.fround(x), 'f32')).toBe(text);
  });
  test('f64 and f16 have their own digits', () => {
    expect(showFloat(0.1 + 0.2, 'f64')).toBe('0.30000000000000004');
    expect(showFloat(0.0999755859375, 'f16')).toBe('0.1');
    expect(f32([1], [], 'bool')).toBe('True');
    expect(f32([1.5, -2], [], 'complex64')).toBe('(1.5-2j)');
  });
});

const special: Record<string, number> = { nan: NaN, inf: Infinity, '-inf': -Infinity, '-0': -0 };

describe('arrays print as NumPy does', () => {
  test.each(golden.map((c, i) => ({ ...c, name: `${i}: ${c.dtype}[${c.shape.join(',')}]` })))(
    '$name',
    (c) => {
      const size = c.shape.reduce((a, b) => a * b, 1);
      const values =
        typeof c.values === 'string'
          ? Array.from({ length: size }, (_, i) => i)
          : c.values.map((x) => (typeof x === 'number' ? x : (special[x] ?? BigInt(x))));
      expect(showArray(values, c.shape, c.dtype as DType)).toBe(c.text);
    },
  );
});
