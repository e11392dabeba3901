// Arrays of dtype float0: they hold no memory and no information, can be moved and not computed with, and programs carry them.
import {
  devicePut,
  devices,
  grad,
  jit,
  makeJaxpr,
  NDArray,
  setDefaultDevice,
  type Value,
} from 'palladia';
import { exportFunction, deserialize } from 'palladia/export';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dtypeInfo, dtypes } from '../../core/dtype.ts';
import { promoteTypes } from '../../core/promotion.ts';

const z = (...shape: readonly number[]): Value => np.zeros(shape, 'float0');
const gradients = grad((x: Value, n: Value) => x.mul(n), { argnums: [0, 1], allowInt: true });

test('the dtype: no bytes, no family with numbers, not among the dtypes to compute with', () => {
  expect(dtypeInfo.float0).toMatchObject({ kind: 'void', byteLength: 0, longName: 'float0' });
  expect(dtypes).not.toContain('float0');
  const float0 = { dtype: 'float0', weakType: false } as const;
  expect(promoteTypes(float0, float0)).toEqual(float0);
  for (const dtype of dtypes)
    expect(() => promoteTypes(float0, { dtype, weakType: false })).toThrow('no arithmetic');
  expect(() => promoteTypes({ dtype: 'f32', weakType: true }, float0)).toThrow('no arithmetic');
});

describe.each(['wasm', 'interpreter'] as const)('on %s', (kind) => {
  beforeAll(() => setDefaultDevice(kind));
  afterAll(() => setDefaultDevice('wasm'));

  test('type, text and elements are those of NumPy', async () => {
    const x = z(2, 3);
    expect(x.aval.toString()).toBe('float0[2,3]');
    expect(x.aval.byteLength).toBe(0);
    expect(String(x)).toBe("[[(b'',) (b'',) (b'',)]\n [(b'',) (b'',) (b'',)]]");
    expect([z(), z(0), z(1)].map(String)).toEqual(["(b'',)", '[]', "[(b'',)]"]);
    expect(await z(2).data()).toEqual(new Uint8Array(2));
    expect(await z(2, 1).js()).toEqual([[0], [0]]);
    expect([z().item(), z(3).jsSync()]).toEqual([0, [0, 0, 0]]);
    expect(np.zerosLike(x).aval).toEqual(x.aval);
    expect(np.zerosLike(np.arange(3), { dtype: 'float0' }).aval.toString()).toBe('float0[3]');
  });

  test('it is made of zeros, or by forgetting', () => {
    expect(String(np.array([0, 0], 'float0'))).toBe("[(b'',) (b'',)]");
    expect(() => np.array([0, 2], 'float0')).toThrow('got 2 at position 1');
    expect(np.arange(3).astype('float0').aval.toString()).toBe('float0[3]');
    expect(lax.convertElementType(2.5, 'float0').aval.toString()).toBe('float0[]');
  });

  test('it takes no memory, also as operand, result and gradient of programs', () => {
    const { device } = np.ones(1);
    const id = jit((x: Value) => [x, np.reshape(x, [2, 5])]);
    const n = np.ones([1000], 'i32');
    const g = jit(grad((k: Value) => np.sum(k.mul(0.5)), { allowInt: true }));
    id(z(10));
    g(n);
    const before = device.liveBytes();
    const made = [z(1000), np.concatenate([z(10), z(10)]), ...id(z(10)), g(n)];
    expect(made.map((x) => x.aval.toString())).toEqual([
      'float0[1000]',
      'float0[20]',
      'float0[10]',
      'float0[2,5]',
      'float0[1000]',
    ]);
    // What programs read as float0 lives until it is collected.
    expect(device.liveBytes() - before).toBeLessThanOrEqual(10);
  });

  test('programs may take it beside arrays of any device, donate it, and keep it', async () => {
    const f = jit((x: Value, y: Value) => [x, y.add(1)], { donateArgnums: [0, 1] });
    const [x, y] = f(z(2), np.ones([2]));
    expect([x, y].map(String)).toEqual(["[(b'',) (b'',)]", '[2. 2.]']);
    const [other] = devices().filter((d) => d.kind !== kind);
    const [a, b] = jit((p: Value, q: Value) => [p, q.add(1)])(
      z(2),
      await devicePut(np.ones([2]), other),
    );
    expect([a.dtype, b.device]).toEqual(['float0', other]);
    expect((await devicePut(z(2), other)).aval.toString()).toBe('float0[2]');
  });

  test('an exported program gives it, and takes it', () => {
    const captured = z(2);
    const f = jit((x: Value, t: Value) => [x.mul(2), t, captured]);
    const loaded = deserialize(exportFunction(f)(1, z(3)).serialize());
    const got = loaded.call(1, z(3)) as readonly Value[];
    expect(got.map((x) => x.aval.strong().toString())).toEqual(['f32[]', 'float0[3]', 'float0[2]']);
  });
});

test('a disposed one is gone', () => {
  const x = z(2);
  x.dispose();
  expect(x.isDeleted).toBe(true);
  expect(() => x.dataSync()).toThrow('was disposed');
  expect(z(2)).toBeInstanceOf(NDArray);
});

test('jaxprs hold it as JAX shows it, StableHLO as bools', () => {
  expect(String(makeJaxpr(jit(gradients))(2, np.array(3, 'i32')))).toMatchInlineSnapshot(`
    "{ lambda ; a:f32[] b:i32[]. let
        c:f32[] d:float0[] = jit[
          name=<lambda>
          jaxpr={ lambda ; a:f32[] b:i32[]. let
              e:f32[] = convert_element_type[new_dtype=float32 weak_type=True] b
              _:f32[] = mul a e
              c:f32[] = mul 1.0:f32[] e
            in (c, (b'',):float0[]) }
        ] a b
      in (c, d) }"
  `);
  expect(String(makeJaxpr((t: Value) => [t, z(3)])(z(2)))).toMatchInlineSnapshot(`
    "{ lambda ; a:float0[2]. let
        b:float0[3] = broadcast_in_dim (b'',):float0[]
      in (a, b) }"
  `);
  expect(
    jit((t: Value) => [t, z()])
      .lower(z(2))
      .asText(),
  ).toMatchInlineSnapshot(`
    "module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
      func.func public @main(%arg0: tensor<2xi1>) -> (tensor<2xi1> {jax.result_info = "result[0]"}, tensor<i1> {jax.result_info = "result[1]"}) {
        %c = stablehlo.constant dense<false> : tensor<i1>
        return %arg0, %c : tensor<2xi1>, tensor<i1>
      }
    }
    "
  `);
});
