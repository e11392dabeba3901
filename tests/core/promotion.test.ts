// The whole promotion lattice against the table recorded from JAX (x64 on), and what changes with x64 off and in strict mode.
import { describe, expect, test } from 'vitest';
import { withConfig } from '../../core/config.ts';
import { dtypes, dtypeInfo, type DType } from '../../core/dtype.ts';
import {
  canonicalDType,
  promoteTypes,
  resultType,
  toInexact,
  type Typed,
} from '../../core/promotion.ts';

const table = `
     b1   u8   u16  u32  u64  i8   i16  i32  i64  bf   f16  f32  f64  c64  c128 i*   f*   c*
b1   b1   u8   u16  u32  u64  i8   i16  i32  i64  bf   f16  f32  f64  c64  c128 i*   f*   c*
u8   u8   u8   u16  u32  u64  i16  i16  i32  i64  bf   f16  f32  f64  c64  c128 u8   f*   c*
u16  u16  u16  u16  u32  u64  i32  i32  i32  i64  bf   f16  f32  f64  c64  c128 u16  f*   c*
u32  u32  u32  u32  u32  u64  i64  i64  i64  i64  bf   f16  f32  f64  c64  c128 u32  f*   c*
u64  u64  u64  u64  u64  u64  f*   f*   f*   f*   bf   f16  f32  f64  c64  c128 u64  f*   c*
i8   i8   i16  i32  i64  f*   i8   i16  i32  i64  bf   f16  f32  f64  c64  c128 i8   f*   c*
i16  i16  i16  i32  i64  f*   i16  i16  i32  i64  bf   f16  f32  f64  c64  c128 i16  f*   c*
i32  i32  i32  i32  i64  f*   i32  i32  i32  i64  bf   f16  f32  f64  c64  c128 i32  f*   c*
i64  i64  i64  i64  i64  f*   i64  i64  i64  i64  bf   f16  f32  f64  c64  c128 i64  f*   c*
bf   bf   bf   bf   bf   bf   bf   bf   bf   bf   bf   f32  f32  f64  c64  c128 bf   bf   c64
f16  f16  f16  f16  f16  f16  f16  f16  f16  f16  f32  f16  f32  f64  c64  c128 f16  f16  c64
f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f64  c64  c128 f32  f32  c64
f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  c128 c128 f64  f64  c128
c64  c64  c64  c64  c64  c64  c64  c64  c64  c64  c64  c64  c64  c128 c64  c128 c64  c64  c64
c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128
i*   i*   u8   u16  u32  u64  i8   i16  i32  i64  bf   f16  f32  f64  c64  c128 i*   f*   c*
f*   f*   f*   f*   f*   f*   f*   f*   f*   f*   bf   f16  f32  f64  c64  c128 f*   f*   c*
c*   c*   c*   c*   c*   c*   c*   c*   c*   c*   c64  c64  c64  c128 c64  c128 c*   c*   c*`;

const long: Record<string, DType> = {
  b1: 'bool',
  bf: 'bf16',
  c64: 'complex64',
  c128: 'complex128',
};
const weak: Record<string, DType> = { 'i*': 'i64', 'f*': 'f64', 'c*': 'complex128' };
const typed = (name: string): Typed =>
  name in weak
    ? { dtype: canonicalDType(weak[name]), weakType: true }
    : { dtype: long[name] ?? (name as DType), weakType: false };

const [head, ...rows] = table
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/ +/));
const entries = rows.flatMap(([a, ...results]) => head.map((b, i) => [a, b, results[i]] as const));
const is64 = (name: string): boolean =>
  !name.endsWith('*') && ['i64', 'u64', 'f64', 'c128'].includes(name);

describe('promotion', () => {
  test('the table, x64 on', () => {
    expect(entries).toHaveLength(18 * 18);
    withConfig({ enableX64: true }, () => {
      for (const [a, b, result] of entries)
        expect(promoteTypes(typed(a), typed(b)), `${a} with ${b}`).toEqual(typed(result));
    });
  });
  test('the table, x64 off: wider results are narrowed', () => {
    for (const [a, b, result] of entries) {
      if (is64(a) || is64(b)) continue;
      const { dtype, weakType } = typed(result);
      expect(promoteTypes(typed(a), typed(b)), `${a} with ${b}`).toEqual({
        dtype: canonicalDType(dtype),
        weakType,
      });
    }
    expect(promoteTypes(typed('u32'), typed('i8'))).toEqual({ dtype: 'i32', weakType: false });
  });
  test('promotion is commutative, idempotent, and associative without weak types and u64', () => {
    withConfig({ enableX64: true }, () => {
      const strong = dtypes.map((dtype): Typed => ({ dtype, weakType: false }));
      for (const a of strong) {
        expect(promoteTypes(a, a)).toEqual(a);
        for (const b of strong) expect(promoteTypes(a, b)).toEqual(promoteTypes(b, a));
      }
    });
  });
  test('several operands; weak ones of unusual dtypes', () => {
    expect(resultType(typed('i32'), typed('f*'), typed('f16'))).toEqual(typed('f16'));
    expect(resultType(typed('bf'), typed('f16'), typed('i*'))).toEqual(typed('f32'));
    expect(resultType({ dtype: 'i16', weakType: true }, { dtype: 'f16', weakType: true })).toEqual({
      dtype: 'f16',
      weakType: true,
    });
    expect(resultType({ dtype: 'f16', weakType: true })).toEqual({ dtype: 'f16', weakType: true });
    expect(resultType(typed('b1'), typed('b1'))).toEqual(typed('b1'));
    expect(resultType(typed('f32'), { dtype: 'f32', weakType: true })).toEqual(typed('f32'));
  });
  test('strict: only weak types give way', () => {
    withConfig({ numpyDtypePromotion: 'strict' }, () => {
      expect(promoteTypes(typed('i32'), typed('i*'))).toEqual(typed('i32'));
      expect(promoteTypes(typed('f16'), typed('i*'))).toEqual(typed('f16'));
      expect(promoteTypes(typed('f32'), typed('f32'))).toEqual(typed('f32'));
      expect(() => promoteTypes(typed('i32'), typed('f32'))).toThrow(
        "promotion: dtypes must have a common dtype under numpyDtypePromotion 'strict'; got i32 and f32. Convert one of them with x.astype(…).",
      );
      expect(() => promoteTypes(typed('i32'), typed('f*'))).toThrow('got i32 and f*');
    });
  });
  test('toInexact', () => {
    withConfig({ enableX64: true }, () => {
      for (const dtype of dtypes) {
        const { kind, bits } = dtypeInfo[dtype];
        const wanted = kind === 'float' || kind === 'complex' ? dtype : bits === 64 ? 'f64' : 'f32';
        expect(toInexact(dtype)).toBe(wanted);
      }
    });
    expect(toInexact('i64')).toBe('f32');
  });
});
