import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { sin } from '../../lax/transcendental.ts';
import { grad } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, flat } from './setup.ts';

const depth = 10_000;
const chain = (x: Value): Value => {
  let y = x;
  for (let i = 0; i < depth; i++) y = sin(y);
  return y;
};

test('ten thousand chained operations are traced, printed, differentiated, batched, lowered and run', () => {
  const t0 = performance.now();
  const jaxpr = makeJaxpr(chain)(1);
  expect(jaxpr.eqns.length).toBe(depth);
  const t1 = performance.now();
  expect(String(jaxpr).length).toBeGreaterThan(depth * 10);
  const t2 = performance.now();
  const gradient = makeJaxpr(grad(jit(chain)))(1);
  expect(gradient.eqns.length).toBeGreaterThan(1);
  const t3 = performance.now();
  expect(jit(grad(chain)).lower(1).asText().length).toBeGreaterThan(depth * 10);
  const t4 = performance.now();
  const value = flat(jit(chain)(1))[0];
  expect(value).toBeGreaterThan(0);
  const t5 = performance.now();
  expect(flat(vmap(chain)(array([1, 1])))[1]).toBeCloseTo(value, 6);
  const t6 = performance.now();
  console.log({ trace: t1 - t0, print: t2 - t1, grad: t3 - t2, lower: t4 - t3, run: t5 - t4, vmap: t6 - t5 });
});

test('cached call', () => {
  const f = jit((x: Value) => sin(x));
  const x = array([1, 2, 3]);
  for (let i = 0; i < 2000; i++) f(x);
  const t0 = performance.now();
  for (let i = 0; i < 20000; i++) f(x);
  console.log('us per call', (performance.now() - t0) / 20);
});
