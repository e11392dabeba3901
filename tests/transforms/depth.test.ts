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

test('two hundred nested calls are traced, printed, differentiated, batched, lowered, compiled and run', () => {
  let f = jit((x: Value) => sin(x));
  for (let i = 1; i < 200; i++) {
    const inner = f;
    f = jit((x: Value) => sin(inner(x)));
  }
  const value = flat(f(1))[0];
  expect(value).toBeGreaterThan(0);
  expect(String(makeJaxpr(f)(1)).match(/= sin/g)).toHaveLength(200);
  expect(
    f
      .lower(1)
      .asText()
      .match(/func\.func private/g),
  ).toHaveLength(199);
  expect(flat(f.lower(1).compile()(1))[0]).toBe(value);
  expect(flat(vmap(f)(array([1, 1])))).toEqual([value, value]);
  expect(flat(grad(f)(1))[0]).toBeGreaterThan(0);
  expect(flat(jit(grad(f))(1))[0]).toBeCloseTo(flat(grad(f)(1))[0], 7);
});
