// The programs of record.py, under the same names: the function, its arguments, what is looked for.
import {
  checkify,
  checkpoint,
  cond,
  customJvp,
  customLinearSolve,
  customRoot,
  customVjp,
  grad,
  jit,
  scan,
  switchBranch,
  vmap,
  whileLoop,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';

const { check } = checkify;
// Scalars that are literals in programs, so that those traced on one device run on another.
const s = (x: number): Value => lax.convertElementType(x, 'f32');
const i = (x: number): Value => lax.convertElementType(x, 'i32');
const v = (...x: number[]): Value => np.array(x);
const iv = (...x: number[]): Value => np.array(x, { dtype: 'i32' });

export function two(x: Value): Value {
  check(lax.gt(x, 0), 'positive, not {}', x);
  check(lax.gt(x, 1), 'above one, not {x:.2f}', { x });
  return lax.mul(x, 2);
}

const said =
  (message: string, ok: (x: Value) => Value) =>
  (x: Value): Value => {
    check(ok(x), message, x);
    return x;
  };

export const below3: (x: Value) => Value = said('{} is not below 3', (x) => lax.lt(x, 3));
const positive = said('{} is not positive', (x) => lax.gt(x, 0));
const above9 = said('{} is not above 9', (x) => lax.gt(x, 9));

const jvpRule = customJvp(positive);
jvpRule.defjvp(([x]: readonly [Value], [t]: readonly [Value]) => [positive(x), lax.mul(t, 3)]);
const vjpRule = customVjp(positive);
vjpRule.defvjp(
  (x: Value) => [positive(x), x],
  (r: Value, g: Value) => {
    check(lax.gt(g, 5), 'cotangent {}', g);
    return [lax.mul(g, r)];
  },
);

const steps = (xs: Value): [Value, Value] =>
  scan((k: Value, x: Value) => [lax.add(k, below3(x)), x], s(0), xs);
export const loop = (x: Value): Value =>
  whileLoop(
    (y: Value) => lax.lt(y, 6),
    (y: Value) => lax.add(below3(y), 1),
    x,
  );
const asked = (x: Value): Value =>
  whileLoop(
    (y: Value) => lax.lt(below3(y), 6),
    (y: Value) => lax.add(y, 1),
    x,
  );
export const branch = (p: Value, x: Value): Value => cond(p, positive, above9, x);
const nested = (xs: Value): Value =>
  scan(
    (k: Value, x: Value) => [cond(lax.gt(x, 2), jit(below3), (y: Value) => y, x), k],
    s(0),
    xs,
  )[0];

/** Elements at indices that nobody moves inside. */
const index = (x: Value, j: Value): Value =>
  lax.gather(
    x,
    lax.expandDims(j, j.ndim),
    { offsetDims: [], collapsedSliceDims: [0], startIndexMap: [0] },
    [1],
    { mode: 'promise_in_bounds' },
  );
const put = (x: Value, j: Value): Value =>
  lax.scatter(
    x,
    lax.expandDims(j, 0),
    s(1),
    { updateWindowDims: [], insertedWindowDims: [0], scatterDimsToOperandDims: [0] },
    { mode: 'fill' },
  );

const take = (x: Value, j: Value): Value =>
  lax.dynamicSlice(x, [j], [1], { allowNegativeIndices: false });

// Lanes that go different ways.
const same = (x: Value): Value => x;
const swapped = (k: Value, x: Value): Value => switchBranch(k, [positive, above9, below3], x);
const masked = (p: Value, x: Value): Value =>
  cond(p, (y: Value) => cond(lax.gt(y, 4), above9, positive, y), same, x);
const stepped = (_p: Value, xs: Value): Value =>
  scan((k: Value, x: Value) => [lax.add(k, cond(lax.lt(x, k), positive, same, x)), x], s(0), xs)[0];
const inside = (p: Value, xs: Value): Value =>
  cond(
    p,
    (ys: Value) => steps(ys)[0],
    (ys: Value) => lax.indexInDim(ys, 0),
    xs,
  );
const counted = (n: Value, x: Value): Value =>
  whileLoop(
    ([k]: [Value, Value]) => lax.lt(k, n),
    ([k, y]: [Value, Value]): [Value, Value] => [lax.add(k, 1), lax.add(below3(y), 1)],
    [i(0), x],
  )[1];
const called = (p: Value, x: Value): Value => cond(p, jit(two), same, x);
const again = (p: Value, x: Value): Value => cond(p, checkpoint(two), (y: Value) => jvpRule(y), x);
const solved = (b: Value): Value =>
  customLinearSolve(
    (x: Value) => lax.mul(x, 2),
    b,
    (_, y) => lax.div(y, 2),
    { symmetric: true },
  );
const notSolved = (b: Value): Value =>
  customLinearSolve(
    (x: Value) => lax.mul(x, 0),
    b,
    (_, y) => lax.div(y, 0),
    { symmetric: true },
  );
const rooted = (a: Value): Value =>
  customRoot(
    (x: Value) => lax.sub(lax.mul(x, x), a),
    s(1),
    () => below3(lax.sqrt(a)),
    (g, y) => lax.div(y, g(s(1))),
  );
const typed = (x: number | bigint, dtype: 'u8' | 'i16' | 'u32' | 'i64' | 'u64'): Value =>
  np.array(x, { dtype });

type Looked = 'user' | 'nan' | 'div' | 'index' | 'float' | 'all';

/** A program: the function, its arguments, what is looked for, and whether it is mapped from outside. */
export interface Program {
  readonly f: (...args: Value[]) => unknown;
  readonly args: readonly Value[];
  readonly looked: Looked;
  readonly mapped: boolean;
}

const on = (looked: Looked, f: (...args: Value[]) => unknown, ...args: Value[]): Program => ({
  f,
  args,
  looked,
  mapped: false,
});
const over = (looked: Looked, f: (...args: Value[]) => unknown, ...args: Value[]): Program => ({
  ...on(looked, f, ...args),
  mapped: true,
});

const yes = (): Value => np.array(true);
const mix = (): Value => np.array([true, false, true]);
const wholeArray = (x: Value): Value => {
  check(lax.reduceAnd(lax.gt(x, 0), [0]), 'all of {x!r} in {}', lax.indexInDim(x, 0, 0), { x });
  return x;
};

/** Made anew for each device: the arrays belong to it. */
export const programs = (): Record<string, Program> => ({
  holds: on('user', two, s(2)),
  'the first fails': on('user', two, s(-1)),
  'the second fails': on('user', two, s(0.5)),
  jit: on('user', jit(two), s(-1)),
  'jit in jit': on(
    'user',
    jit((x: Value) => jit(two)(lax.add(x, 1))),
    s(-0.5),
  ),
  'array in a message': on('user', wholeArray, v(1, -2)),
  scan: on('user', steps, v(0, 4, 1, 5)),
  'scan holds': on('user', steps, v(0, 1)),
  'scan, cond and jit': on('user', nested, v(0, 1, 2, 5, 7)),
  while: on('user', loop, s(1)),
  'while never runs': on('user', loop, s(7)),
  'condition of while': on('user', asked, s(1)),
  'condition before the loop': on('user', asked, s(8)),
  'cond, true': on('user', branch, yes(), s(-1)),
  'cond, false': on('user', branch, np.array(false), s(1)),
  'cond holds': on('user', branch, yes(), s(1)),
  grad: on(
    'user',
    grad((x: Value) => lax.mul(two(x), x)),
    s(-1),
  ),
  checkpoint: on('user', checkpoint(two), s(-1)),
  'grad of checkpoint': on(
    'user',
    grad((x: Value) => lax.sin(checkpoint(two)(x))),
    s(-1),
  ),
  'custom jvp': on('user', (x) => jvpRule(x), s(-1)),
  'grad of custom jvp': on(
    'user',
    grad((x: Value) => jvpRule(x)),
    s(-1),
  ),
  'custom vjp': on('user', (x) => vjpRule(x), s(-1)),
  'grad of custom vjp': on(
    'user',
    grad((x: Value) => lax.mul(vjpRule(x), 2)),
    s(1),
  ),
  'vmap inside': on('user', vmap(two), v(3, 0.5, -1, 2)),
  'vmap inside, two lanes': on('user', vmap(positive), v(3, -5, -1, 2)),
  'vmap inside scan': on(
    'user',
    vmap(steps),
    np.array([
      [0, 1],
      [4, 5],
    ]),
  ),
  'user checks are not looked for': on('float', two, s(-1)),
  sin: on('nan', (x) => lax.sin(x), s(Infinity)),
  'log and sqrt': on('all', (x) => lax.add(lax.log(x), lax.sqrt(x)), v(1, -1)),
  'a NaN that goes through': on('all', (x) => lax.neg(x), s(NaN)),
  dot: on('all', (x, y) => lax.dot(x, y), v(Infinity, 1), v(0, 1)),
  divide: on('all', (x, y) => lax.div(x, y), v(1, 2), v(1, 0)),
  'zero by zero': on('all', (x, y) => lax.div(x, y), s(0), s(0)),
  'zero by zero, NaN alone': on('nan', (x, y) => lax.div(x, y), s(0), s(0)),
  'divide integers': on('div', (x, y) => lax.div(x, y), i(3), i(0)),
  'gradient of sqrt': on(
    'all',
    grad((x: Value) => lax.sqrt(x)),
    s(0),
  ),
  gather: on('index', index, v(1, 2, 3), i(5)),
  'gather below': on('index', index, v(1, 2, 3), iv(1, -2, 7)),
  'gather in bounds': on('index', index, v(1, 2, 3), iv(0, 2)),
  scatter: on('all', put, v(1, 2, 3), i(3)),
  'dynamic slice': on(
    'index',
    (x, a, b) => lax.dynamicSlice(x, [a, b], [1, 2]),
    np.ones([2, 3]),
    i(0),
    i(2),
  ),
  'dynamic update slice': on(
    'all',
    (x, j) => lax.dynamicUpdateSlice(x, np.zeros([2]), [j]),
    v(1, 2, 3),
    i(9),
  ),
  'jit of nan': on(
    'float',
    jit((x: Value) => lax.add(lax.sin(x), 1)),
    s(Infinity),
  ),
  'scan of nan': on(
    'all',
    (xs) => scan((k: Value, x: Value) => [lax.add(k, 1), lax.log(x)], s(0), xs),
    v(1, -1),
  ),
  'vmap outside': over('user', two, v(3, 0.5, -1)),
  'vmap outside, of cond': over('user', branch, np.array([true, false, true]), v(-1, -1, 2)),
  'vmap outside, of nan': over('all', (x) => lax.log(x), v(-1, 1)),
  'lanes: cond holds': on('user', vmap(branch), mix(), v(10, 10, 11)),
  'lanes: cond, one branch': on('user', vmap(branch), mix(), v(10, 1, 12)),
  'lanes: cond, two lanes': on('user', vmap(branch), mix(), v(10, 2, 12)),
  'lanes: one branch for all': on(
    'user',
    vmap(branch, { inAxes: [null, 0] }),
    np.array(false),
    v(10, 1, 2),
  ),
  'lanes: switch': on('user', vmap(swapped), iv(0, 1, 2), v(10, 11, 12)),
  'lanes: cond in cond': on('user', vmap(masked), mix(), v(10, 11, -3)),
  'lanes: cond in scan': on(
    'user',
    vmap(stepped),
    mix(),
    np.array([
      [1, 2, 3],
      [1, 2, -7],
      [1, 1, 1],
    ]),
  ),
  'lanes: scan in cond': on(
    'user',
    vmap(inside),
    mix(),
    np.array([
      [1, 2],
      [0, 1],
      [2, 4],
    ]),
  ),
  'lanes: while': on('user', vmap(counted, { inAxes: [null, 0] }), i(3), v(0, -1, 1)),
  'lanes: jit in cond': on('user', vmap(called), mix(), v(2, 3, 0.5)),
  'lanes: checkpoint and custom jvp in cond': on('user', vmap(again), mix(), v(2, 3, 0.5)),
  'lanes: vmap in vmap': on(
    'user',
    vmap(vmap(branch)),
    np.array([
      [true, false],
      [false, true],
    ]),
    np.array([
      [10, 11],
      [2, 12],
    ]),
  ),
  'lanes: outside, of vmap': over(
    'user',
    vmap(branch),
    np.array([
      [true, false],
      [false, true],
    ]),
    np.array([
      [10, 2],
      [12, 11],
    ]),
  ),
  'lanes: grad of cond': on(
    'user',
    vmap(grad((x: Value, p: Value) => lax.mul(branch(p, x), x))),
    v(10, 1, 12),
    mix(),
  ),
  'linear solve': on('all', solved, s(4)),
  'linear solve, NaN': on('nan', notSolved, s(0)),
  'custom root': on('user', rooted, s(16)),
  'grad of custom root': on('user', grad(rooted), s(16)),
  'vmap of custom root': on('user', vmap(rooted), v(1, 16, 25)),
  'index u8': on('index', index, np.zeros([100]), typed(200, 'u8')),
  'index i16': on('index', index, np.zeros([100]), typed(-300, 'i16')),
  'index u32 in bounds': on('index', index, v(1, 2, 3), typed(2, 'u32')),
  'index u32': on('index', index, v(1, 2, 3), typed(2 ** 31 - 1, 'u32')),
  'index u32 beyond i32': on('index', index, v(1, 2, 3), typed(2 ** 32 - 2, 'u32')),
  'scatter u32 beyond i32': on('all', put, v(1, 2, 3), typed(2 ** 32 - 2, 'u32')),
  'dynamic slice u32 beyond i32': on('index', take, v(1, 2, 3), typed(2 ** 31, 'u32')),
});

/** Programs of 64-bit indices, for `enableX64`. */
export const widePrograms = (): Record<string, Program> => {
  const x = (): Value => np.array([1, 2, 3], { dtype: 'f32' });
  return {
    'index i64': on('index', index, x(), typed(7n, 'i64')),
    'index i64 beyond i32': on('index', index, x(), typed(2n ** 32n + 1n, 'i64')),
    'index i64 far below': on('index', index, x(), typed(-(2n ** 32n), 'i64')),
    'dynamic slice i64 beyond i32': on('index', take, x(), typed(2n ** 40n, 'i64')),
    'scatter u64': on('all', put, x(), typed(2n ** 63n + 1n, 'u64')),
  };
};
