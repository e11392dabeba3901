/**
 * Our lowering beside JAX's (recorded by record-lowering.py): the same program gives the same text, letter by letter.
 * Left out: what JAX wraps in helper functions (argmax, cumsum), repeats (constants of the sort comparator), or marks with a no-op
 * (conversion to bool).
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import '../../core/jaxpr-print.ts';
import { registerDevice } from '../../core/backend.ts';
import type { Value } from '../../core/value.ts';
import { cond } from '../../control/cond.ts';
import { whileLoop } from '../../control/while.ts';
import * as lax from '../../lax/index.ts';
import '../../transforms/eval.ts';
import { grad } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';

registerDevice(new InterpreterDevice());

const x = new ShapeDtypeStruct([3, 4]);
const y = new ShapeDtypeStruct([4, 5]);
const i = new ShapeDtypeStruct([], 'i32');

const programs: Readonly<
  Record<string, readonly [f: (...args: Value[]) => unknown, ...args: ShapeDtypeStruct[]]>
> = {
  sum_of_sines: [(a) => lax.reduceSum(lax.sin(a), [0, 1]), x],
  arithmetic: [(a) => lax.sub(lax.mul(lax.add(a, 1.5), a), lax.div(a, 3)), x],
  unary: [
    (a) => [
      lax.exp(a),
      lax.log1p(lax.abs(a)),
      lax.tanh(a),
      lax.rsqrt(a),
      lax.sign(lax.neg(a)),
      lax.floor(a),
      lax.erf(a),
      lax.isFinite(a),
    ],
    x,
  ],
  select: [(a) => lax.select(lax.gt(a, lax.fullLike(a, 0)), a, lax.neg(a)), x],
  clamp: [(a) => lax.clamp(0, a, 1), x],
  dot: [
    (a, b) =>
      lax.dotGeneral(a, b, [
        [[1], [0]],
        [[], []],
      ]),
    x,
    y,
  ],
  batched_dot: [
    (a, b) =>
      lax.dotGeneral(a, b, [
        [[2], [1]],
        [[0], [0]],
      ]),
    new ShapeDtypeStruct([2, 3, 4]),
    new ShapeDtypeStruct([2, 4, 5]),
  ],
  shapes: [
    (a) => [
      lax.transpose(a, [1, 0]),
      lax.reshape(a, [2, 6]),
      lax.broadcastInDim(a, [2, 3, 4], [1, 2]),
      lax.rev(a, [0]),
      lax.concatenate([a, a], 0),
      lax.slice(a, [0, 1], [3, 4], [2, 1]),
      lax.pad(a, 0.5, [
        [1, 0, 0],
        [0, 2, 1],
      ]),
    ],
    x,
  ],
  reductions: [(a) => [lax.reduceMax(a, [1]), lax.reduceMin(a, [0]), lax.reduceProd(a, [0, 1])], x],
  dynamic: [
    (a, n) => [
      lax.dynamicSlice(a, [n, n], [1, 2]),
      lax.dynamicUpdateSlice(a, lax.full([1, 1], 2), [n, n]),
    ],
    x,
    i,
  ],
  conversions: [
    (a) => [
      lax.convertElementType(a, 'i32'),
      lax.convertElementType(a, 'f16'),
      lax.bitcastConvertType(a, 'u32'),
    ],
    x,
  ],
  iota: [(a) => lax.add(a, lax.broadcastedIota('f32', [3, 4], 1)), x],
  gradient: [grad((a: Value) => lax.reduceSum(lax.mul(a, lax.sin(a)), [0, 1])), x],
  while: [
    (n) =>
      whileLoop(
        (c: Value) => lax.lt(c, 10),
        (c: Value) => lax.add(c, 2),
        n,
      ),
    i,
  ],
  cond: [
    (a, n) =>
      cond(
        lax.gt(n, 0),
        (b: Value) => lax.sin(b),
        (b: Value) => b,
        a,
      ),
    x,
    i,
  ],
  nested_jit: [(a) => jit((b: Value) => lax.sin(b))(lax.cos(a)), x],
  integers: [
    (n) => [
      lax.rem(n, 3),
      lax.shiftLeft(n, 2),
      lax.and(n, 7),
      lax.populationCount(n),
      lax.lt(n, 5),
    ],
    i,
  ],
};

test.each(Object.keys(programs))('%s', (name) => {
  const [f, ...args] = programs[name];
  const text = jit(f, { name: 'f' })
    .lower(...args)
    .asText();
  expect(text).toBe(readFileSync(new URL(`lowering/${name}.mlir`, import.meta.url), 'utf8'));
});
