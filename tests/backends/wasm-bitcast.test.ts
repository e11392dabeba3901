// Bitcasts of 64-bit words to other widths, on Wasm, where compiled devices have them: the bytes are those of JavaScript's views.
import { jit, setDefaultDevice, withConfig, type DType, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { beforeAll, expect, test } from 'vitest';

beforeAll(() => setDefaultDevice('wasm'));

const { buffer } = new Float64Array([1.5, -2.25, Math.PI, -0, NaN, -Infinity]);
const views = {
  f64: new Float64Array(buffer),
  i64: new BigInt64Array(buffer),
  u32: new Uint32Array(buffer),
  u16: new Uint16Array(buffer),
  u8: new Uint8Array(buffer),
};
type Name = keyof typeof views;

const cast = (x: Value, dtype: DType): Value =>
  jit((y: Value) => lax.bitcastConvertType(y, dtype))(x);

const pairs = (['f64', 'i64'] as const).flatMap((wide) =>
  (['u32', 'u16', 'u8'] as const).map((narrow): [Name, Name] => [wide, narrow]),
);

test.each(pairs)('%s and %s', (wide, narrow) => {
  withConfig({ enableX64: true }, () => {
    const parts = cast(np.array(views[wide]), narrow);
    expect(parts.shape).toEqual([6, views[narrow].length / 6]);
    expect([...parts.dataSync()]).toEqual([...views[narrow]]);
    expect([...cast(parts, wide).dataSync()]).toEqual([...views[wide]]);
  });
});
