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
  const jaxpr = makeJaxpr(chain)(1);
  expect(jaxpr.eqns.length).toBe(depth);
  expect(String(jaxpr).length).toBeGreaterThan(depth * 10);
  const gradient = makeJaxpr(grad(jit(chain)))(1);
  expect(gradient.eqns.length).toBeGreaterThan(1);
  expect(jit(grad(chain)).lower(1).asText().length).toBeGreaterThan(depth * 10);
  const value = flat(jit(chain)(1))[0];
  expect(value).toBeGreaterThan(0);
  expect(flat(vmap(chain)(array([1, 1])))[1]).toBeCloseTo(value, 6);
});
