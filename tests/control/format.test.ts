/** Numbers in format strings: what Python 3 prints for `format(float32(x), spec)`, half-way cases and groups above all. */
import { expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { formatText, parseFormat } from '../../control/format.ts';
import '../transforms/setup.ts';

const show = (spec: string, x: number, dtype: 'f32' | 'i32'): string =>
  formatText(parseFormat('test', `{:${spec}}`), [NDArray.fromScalar(x, dtype)], {});

// Recorded with Python 3: format(float(numpy.float32(x)), spec).
const floats: readonly (readonly [spec: string, x: number, text: string])[] = [
  ['.0f', 0.5, '0'],
  ['.0f', 1.5, '2'],
  ['.0f', -2.5, '-2'],
  ['.1f', 0.25, '0.2'],
  ['.2f', 0.125, '0.12'],
  ['.2f', 0.375, '0.38'],
  ['.1%', 0.125, '12.5%'],
  ['.0e', 2.5, '2e+00'],
  ['.1e', 0.125, '1.2e-01'],
  ['.0e', 1.5e22, '1e+22'],
  ['e', 0, '0.000000e+00'],
  ['g', 123456.5, '123456'],
  ['.1g', 2.5, '2'],
  ['g', 999999.5, '1e+06'],
  ['.1', 1.5, '2e+00'],
  ['.3', 100, '1e+02'],
  ['.3', 9.5, '9.5'],
  ['.3e', 2 ** -149, '1.401e-45'],
  ['f', 1e21, '1000000020040877342720.000000'],
  [',.2f', 1234567, '1,234,567.00'],
  ['012,.1f', -0.5, '-0,000,000.5'],
  ['012,.1f', Infinity, '000000000inf'],
  ['+010.1f', 3.25, '+0000003.2'],
  ['.110f', 0.5, `0.5${'0'.repeat(109)}`],
];

const integers: readonly (readonly [spec: string, x: number, text: string])[] = [
  ['010,d', 0, '00,000,000'],
  ['012,d', 1234567, '0,001,234,567'],
  ['_x', 1234567, '12_d687'],
  ['_x', 0x12e687, '12_e687'],
  ['_b', 255, '1111_1111'],
  ['010_X', -255, '-0000_00FF'],
];

test('floats', () => {
  expect(floats.map(([spec, x]) => show(spec, x, 'f32'))).toEqual(floats.map(([, , text]) => text));
});

test('integers', () => {
  expect(integers.map(([spec, x]) => show(spec, x, 'i32'))).toEqual(
    integers.map(([, , text]) => text),
  );
});
