/** A dozen lines of everything, through the public entry points: when this fails, look here first. */
import { foriLoop, grad, jit, makeJaxpr, vmap, type Value } from 'palladia';
import * as hlo from 'palladia/hlo';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import { emitKernels } from 'palladia/webgpu';
import { expect, test } from 'vitest';

const f = (x: Value): Value => np.sin(x).sum();
const x = np.array([0, 1, 2]);

test('trace, differentiate, batch, lower and run', async () => {
  expect(String(x)).toBe('[0. 1. 2.]');
  expect(String(jit(f)(x))).toBe('1.7507684');
  expect(String(jit(grad(f))(x))).toBe('[ 1.         0.5403023 -0.4161468]');
  expect(await vmap(f)(np.ones([2, 3])).data()).toHaveLength(2);
  expect(foriLoop(0, 5, (_, c: Value) => c.mul(0.5), np.array(32)).item()).toBe(1);
  expect(String(makeJaxpr(f)(x))).toBe(
    '{ lambda ; a:f32[3]. let\n    b:f32[3] = sin a\n    c:f32[] = reduce_sum[axes=(0,) out_sharding=None] b\n  in (c,) }',
  );
});

test('a kernel, mapped: one call with one more grid axis', () => {
  const double = (v: Value): Value =>
    pl.pallasCall((a, out) => out.set(a.get().mul(2)), { outShape: v })(v);
  expect(vmap(double)(np.ones([2, 3])).jsSync()).toEqual([
    [2, 2, 2],
    [2, 2, 2],
  ]);
});

test('text out, text in, shaders without a GPU', () => {
  const lowered = jit(f).lower(x);
  expect(hlo.load(lowered.asText())(x)).toHaveLength(1);
  expect(emitKernels(lowered)[0].source).toContain('@compute');
});
