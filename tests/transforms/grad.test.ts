import { expect, test } from 'vitest';
import { withConfig } from '../../core/config.ts';
import { NDArray } from '../../core/array.ts';
import type { Value } from '../../core/value.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { gt } from '../../lax/comparison.ts';
import { convertElementType, stopGradient } from '../../lax/convert.ts';
import { reduceSum } from '../../lax/structure.ts';
import { sin } from '../../lax/transcendental.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad, valueAndGrad, vjp, vjpWithAux } from '../../transforms/grad.ts';
import { hessian, jacfwd, jacrev } from '../../transforms/jacobian.ts';
import { jit } from '../../transforms/jit.ts';
import { array, flat, js } from './setup.ts';

test('argnums: one, several, negative', () => {
  const f = (x: Value, y: Value): Value => mul(x, mul(y, y));
  expect(js(grad(f)(2, 3))).toBe(9);
  expect(js(grad(f, { argnums: 1 })(2, 3))).toBe(12);
  expect(js(grad(f, { argnums: -1 })(2, 3))).toBe(12);
  expect(js(grad(f, { argnums: [1, 0] })(2, 3))).toEqual([12, 9]);
});

test('arguments that are not differentiated may be anything', () => {
  const f = (x: Value, op: (v: Value) => Value, times: number): Value => mul(op(x), times);
  expect(js(grad(f)(0, (v) => sin(v), 3))).toBe(3);
});

test('integers: as arguments with allowInt, as auxiliary and as results', () => {
  const n = array([1, 2], [2], 'i32');
  const f = (p: { x: Value; n: Value }): Value =>
    reduceSum(mul(p.x, convertElementType(p.n, 'f32')));
  const g = grad(f, { allowInt: true })({ x: array([3, 4]), n });
  expect([js(g.x), g.n.aval.toString()]).toEqual([[1, 2], 'float0[2]']);
  const [out, pull] = vjp((x: Value) => ({ y: mul(x, x), i: convertElementType(x, 'i32') }), 3);
  expect(js(out)).toEqual({ y: 9, i: 3 });
  expect(pull({ y: 1, i: 0 }).map(js)).toEqual([6]);
  const [y, dy] = jvp((x: Value, k: Value) => [x, k] as const, [3, array([5], [], 'i32')], [1, 0]);
  expect([js(y), js(dy[0]), dy[1].aval.toString()]).toEqual([[3, 5], 1, 'float0[]']);
});

test('what does not depend on the argument has gradient zero', () => {
  expect(js(grad((_x: Value) => 5)(array([1, 2])))).toEqual([0, 0]);
  expect(js(grad((x: Value) => stopGradient(mul(x, x)))(3))).toBe(0);
  expect(
    js(grad((x: Value) => reduceSum(convertElementType(gt(x, 1), 'f32')))(array([1, 2]))),
  ).toEqual([0, 0]);
  expect(js(jacfwd((x: Value) => [x, array([1, 2])])(3))).toEqual([1, [0, 0]]);
  expect(js(jacrev((x: Value) => [x, array([1, 2])])(3))).toEqual([1, [0, 0]]);
});

test('a value used many times, and not at all', () => {
  expect(js(grad((x: Value) => add(add(x, x), mul(x, x)))(3))).toBe(8);
  expect(js(grad((x: Value, _y: Value) => x, { argnums: [0, 1] })(3, array([1, 2])))).toEqual([
    1,
    [0, 0],
  ]);
});

test('captured values of outer transformations', () => {
  const f = (x: Value): Value => grad((y: Value) => mul(mul(x, y), y))(3);
  expect(js(grad(f)(2))).toBe(6);
  expect(js(jit(grad(jit(f)))(2))).toBe(6);
  // No confusion of the two derivatives.
  expect(js(grad((x: Value) => mul(x, grad((y: Value) => add(x, y))(1)))(5))).toBe(1);
  expect(js(jvp((x: Value) => jvp((y: Value) => mul(x, y), [x], [1])[1], [2], [1])[1])).toBe(1);
});

test('dtypes stay: f16, f64, weak numbers', () => {
  const half = convertElementType(array([2], []), 'f16');
  expect(grad((x: Value) => mul(x, x))(half).aval.toString()).toBe('f16[]');
  withConfig({ enableX64: true }, () => {
    const g = grad((x: Value) => sin(x))(NDArray.fromHost([0.5], [], 'f64'));
    expect([g.dtype, flat(g)[0]]).toEqual(['f64', Math.cos(0.5)]);
  });
  expect(grad((x: Value) => mul(x, x))(3).weakType).toBe(true);
});

test('linearize and vjp do not evaluate the function again', () => {
  let calls = 0;
  const f = (x: Value): Value => {
    calls++;
    return sin(x);
  };
  const [, push] = linearize(f, 0);
  const [, pull] = vjp(f, 0);
  expect([push(1), push(2), pull(3)[0], pull(4)[0]].map(js)).toEqual([1, 2, 3, 4]);
  expect(calls).toBe(2);
});

test('auxiliary results may hold anything', () => {
  const f = (x: Value): [Value, { x: Value; note: string }] => [mul(x, x), { x, note: 'n' }];
  const [[value, aux], g] = valueAndGrad(f, { hasAux: true })(3);
  expect([js(value), js(aux), js(g)]).toEqual([9, { x: 3, note: 'n' }, 6]);
  const [, pull, more] = vjpWithAux(f, 3);
  expect([js(pull(1)), js(more)]).toEqual([[6], { x: 3, note: 'n' }]);
  expect(js(jit((x: Value) => grad(f, { hasAux: true })(x)[1].x)(3))).toBe(3);
});

test('jacobians of trees', () => {
  const f = (p: { a: Value; b: Value }, x: Value): { u: Value; v: Value } => ({
    u: mul(p.a, x),
    v: reduceSum(mul(p.b, x)),
  });
  const args = [{ a: array([1, 2]), b: array([3, 4]) }, array([5, 6])] as const;
  const expected = {
    u: {
      a: [
        [5, 0],
        [0, 6],
      ],
      b: [
        [0, 0],
        [0, 0],
      ],
    },
    v: { a: [0, 0], b: [5, 6] },
  };
  expect(js(jacfwd(f)(...args))).toEqual(expected);
  expect(js(jacrev(f)(...args))).toEqual(expected);
  const both = jacrev(f, { argnums: [1] })(...args);
  expect(js(both)).toEqual({
    u: [
      [
        [1, 0],
        [0, 2],
      ],
    ],
    v: [[3, 4]],
  });
  expect(js(hessian((x: Value) => reduceSum(mul(x, mul(x, x))))(array([1, 2])))).toEqual([
    [6, 0],
    [0, 12],
  ]);
});
