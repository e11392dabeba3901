import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { gt } from '../../lax/comparison.ts';
import { reduceSum } from '../../lax/structure.ts';
import { sin } from '../../lax/transcendental.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { jit } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, flat, js } from './setup.ts';

const matrix = array([1, 2, 3, 4, 5, 6], [2, 3]);

test('negative axes, axes of results, trees of axes', () => {
  expect(js(vmap((x: Value) => reduceSum(x), { inAxes: -1 })(matrix))).toEqual([5, 7, 9]);
  expect(js(vmap((x: Value) => x, { outAxes: 1 })(matrix))).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
  expect(js(vmap((x: Value) => x, { inAxes: 1, outAxes: -1 })(matrix))).toEqual(js(matrix));
  const f = (p: { w: Value; b: Value }, x: Value): { y: Value; w: Value } => ({
    y: add(mul(p.w, x), p.b),
    w: p.w,
  });
  const out = vmap(f, { inAxes: [{ w: null, b: 0 }, 1], outAxes: { y: 1, w: null } })(
    { w: 10, b: array([1, 2, 3]) },
    matrix,
  );
  expect(js(out)).toEqual({
    y: [
      [11, 22, 33],
      [41, 52, 63],
    ],
    w: 10,
  });
  const map = vmap((m: Map<string, Value>) => m, { inAxes: [new Map([['a', 1]])] })(
    new Map([['a', matrix]]),
  );
  expect(js(map)).toEqual(
    new Map([
      [
        'a',
        [
          [1, 4],
          [2, 5],
          [3, 6],
        ],
      ],
    ]),
  );
});

test('axisSize, unmapped results, empty axes', () => {
  expect(js(vmap(() => [1, array([5, 6])], { axisSize: 2 })())).toEqual([
    [1, 1],
    [
      [5, 6],
      [5, 6],
    ],
  ]);
  expect(js(vmap((_x: Value, y: Value) => y, { inAxes: [0, null] })(array([1, 2]), 7))).toEqual([
    7, 7,
  ]);
  expect(vmap((x: Value) => sin(x))(array([], [0, 4])).shape).toEqual([0, 4]);
});

test('static leaves pass through', () => {
  const f = (x: Value, op: (v: Value) => Value, name: string): Value =>
    name === 'yes' ? op(x) : x;
  expect(js(vmap(f)(array([1, 2]), (v) => mul(v, 2), 'yes'))).toEqual([2, 4]);
});

test('nested, with captured values of the outer vmap', () => {
  const outer = vmap((x: Value) => vmap((y: Value) => mul(x, y))(array([1, 10])));
  expect(js(outer(array([2, 3])))).toEqual([
    [2, 20],
    [3, 30],
  ]);
  const inside = vmap((x: Value) => jit((y: Value) => add(x, y))(1));
  expect(js(inside(array([1, 2])))).toEqual([2, 3]);
  const loops = vmap(
    (x: Value) => scan((c: Value, y: Value) => [add(c, mul(x, y)), c], 0, array([1, 2]))[0],
  );
  expect(js(loops(array([1, 10])))).toEqual([3, 30]);
  const branches = vmap((x: Value) =>
    cond(
      gt(1, 0),
      (y: Value) => add(x, y),
      (y: Value) => y,
      1,
    ),
  );
  expect(js(branches(array([1, 2])))).toEqual([2, 3]);
});

test('what does not depend on the mapped arguments runs once', () => {
  const shapes: string[] = [];
  vmap(
    (x: Value, y: Value) => {
      const z = sin(y);
      shapes.push(z.toString().startsWith('Traced') ? 'mapped' : 'plain');
      return add(x, z);
    },
    { inAxes: [0, null] },
  )(array([1, 2]), 3);
  expect(shapes).toEqual(['plain']);
  expect(flat(vmap((x: Value) => sin(x))(array([0, 0])))).toEqual([0, 0]);
});
