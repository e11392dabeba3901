/** The programs of record.py, written with palladia: the same names, the same arguments. */
import {
  associativeScan,
  cond,
  customLinearSolve,
  customRoot,
  foriLoop,
  grad,
  map,
  scan,
  switchBranch,
  vmap,
  whileLoop,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';

const { cumsum, cumprod, cummax, cummin, cumlogsumexp } = lax;

const { add, sub, mul, div, sin, cos, lt, le } = lax;
const tanh = (x: Value): Value => lax.tanh(x);
const total = (x: Value): Value => lax.reduceSum(x);
const float = (x: Value): Value => lax.convertElementType(x, 'f32');
const int = (n: number): Value => np.array(n, 'i32');
/** The integer below, of a float. */
const below = (x: Value): Value => lax.convertElementType(lax.floor(x), 'i32');
const numbers = (...values: number[]): Value => np.array(values);
/** The same numbers as in record.py. */
const noise = (size: number, seed: number): Value =>
  numbers(...Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed)));
/** An entry of a vector, or a row of a matrix, at a traced index. */
const entry = (x: Value, i: Value): Value => lax.squeeze(lax.dynamicSlice(x, [i], [1]), [0]);

const innerLoop = (i: Value, n: Value): Value =>
  whileLoop(
    ([at, j]: Value[]) => le(j, at),
    ([at, j, count]: Value[]) => [at, add(j, 1n), add(count, 1n)],
    [i, int(0), n],
  )[2];

function lowerTriangle(arr: Value): Value {
  const inner = (row: Value, out: Value): Value =>
    whileLoop(
      ([i, j]: Value[]) => le(j, i),
      ([i, j, from, to]: Value[]) => {
        const found = lax.dynamicSlice(from, [i, j], [1, 1]);
        return [i, add(j, 1n), from, lax.dynamicUpdateSlice(to, mul(found, found), [i, j])];
      },
      [row, int(0), arr, out],
    )[3];
  return whileLoop(
    ([i]: Value[]) => lt(i, 5n),
    ([i, from, out]: Value[]) => [add(i, 1n), from, inner(i, out)],
    [int(0), arr, np.zeros([5, 5])],
  )[2];
}

function nestedSums(a: Value, b: Value): Value {
  const inner = (s: Value[]): Value =>
    whileLoop(
      ([, , j]: Value[]) => lt(j, add(b, 1n)),
      ([v, i, j]: Value[]) => [add(v, add(i, j)), i, add(j, 1n)],
      s,
    )[0];
  return whileLoop(
    ([, i]: Value[]) => lt(i, add(a, 1n)),
    (s: Value[]) => [inner(s), add(s[1], 1n), s[2]],
    [int(0), int(0), int(0)],
  )[0];
}

type DictState = { arr: Value; total: Value };

const sumTuple = <T>(arr: Value, rest: T): Value =>
  (
    foriLoop(
      2,
      7,
      (i: Value, [xs, sum, other]: [Value, Value, T]): [Value, Value, T] => [
        xs,
        add(sum, mul(sum, entry(xs, i))),
        other,
      ],
      [arr, 0.5, rest] as never,
    ) as [Value, Value, unknown]
  )[1];

const doubleTwice = (x: Value): Value[] => {
  const y = mul(2, x);
  return [y, mul(2, y)];
};
const branches = [(x: Value) => [x, x], doubleTwice, (x: Value) => [x, lax.neg(x)]];
const two = (x: Value, then: (x: Value) => Value): Value =>
  cond(lt(entry(x, int(0)), 2), (v: Value) => mul(numbers(1, 2), v), then, x);

const d = noise(2, 5);
const scanBody = (c: Value, a: Value): [Value, Value] => {
  const b = [a, c, d].map((x) => total(sin(x))).reduce((x, y) => add(x, y));
  return [sin(np.multiply(c, b)), b];
};

const rnn = (w: Value, v: Value, xs: Value): Value =>
  scan(
    (state: Value, x: Value): [Value, Value] => {
      const both = lax.concatenate([state, x], 0);
      return [tanh(np.dot(w, both)), tanh(np.dot(v, both))];
    },
    np.zeros([2]),
    xs,
  )[1];

const minimize = (p: Value): Value => {
  const energy = (conf: Value): Value => total(np.multiply(mul(conf, conf), p));
  return scan(
    ([i, x]: Value[], _: null): [Value[], null] => [
      [add(i, 1n), sub(x, mul(0.1, grad(energy)(x)))],
      null,
    ],
    [int(0), numbers(1, 2, 3)],
    null,
    { length: 15 },
  )[0][1];
};

function second(c: Value, a: Value): readonly [Value, Value] {
  const body = (s: Value, x: Value): [Value, Value] => [
    mul(cos(mul(0.75, total(sin(np.multiply(s, x))))), 0.9),
    sin(mul(s, total(cos(mul(0.75, x))))),
  ];
  const f = (s: Value, xs: Value): Value => {
    const [last, ys] = scan(body, s, xs);
    return add(total(last), total(ys));
  };
  const slopes = (s: Value, xs: Value): Value => {
    const [gc, ga] = grad(f, { argnums: [0, 1] })(s, xs);
    return add(total(sin(gc)), total(sin(ga)));
  };
  return grad(slopes, { argnums: [0, 1] })(c, a);
}

const tuples = (c1: Value, c2: Value, a1: Value, a2: Value): unknown =>
  scan(
    ([x, y]: Value[], [a, b]: Value[]): [Value[], Value] => [
      [np.multiply(x, sin(total(np.multiply(a, b)))), mul(y, cos(total(a)))],
      mul(total(cos(a)), total(lax.tan(np.multiply(y, b)))),
    ],
    [c1, c2],
    [a1, a2],
  );

const condOfScan = (c: Value, xs: Value): unknown =>
  scan(
    (s: Value, x: Value): [Value, Value] => [
      cond(
        lax.gt(x, 0),
        (v: Value) => scan((t: Value, y: Value): [Value, Value] => [sin(mul(t, y)), t], v, xs)[0],
        (v: Value) => mul(v, x),
        s,
      ),
      s,
    ],
    c,
    xs,
  );

const newton = (f: (x: Value) => Value, x: Value): Value =>
  foriLoop(0, 20, (_: Value, y: Value) => sub(y, div(f(y), grad(f)(y))), x);
const root = (a: Value): Value =>
  customRoot(
    (x: Value) => sub(mul(mul(x, x), x), a),
    1,
    newton,
    (g, y) => div(y, g(lax.fullLike(y, 1))),
  );
/** Richardson iteration: it converges for the matrices near 2 I that are used here. */
const richardson = (matvec: (x: Value) => Value, b: Value): Value =>
  foriLoop(0, 60, (_: Value, x: Value) => add(x, div(sub(b, matvec(x)), 2)), lax.fullLike(b, 0));
const near = (a: Value): Value => np.add(np.multiply(np.eye(3), 2), mul(a, 0.3));

function linearSystem(a: Value, b: Value): Value {
  const m = near(a);
  return customLinearSolve((x: Value) => np.dot(m, x), b, richardson, {
    transposeSolve: richardson,
  });
}

type Pair = { u: Value; v: Value };

const pytree = (x: Value, y: Value): unknown =>
  customLinearSolve(
    ({ u, v }: Pair): Pair => ({ u: add(mul(2, u), v), v: add(u, mul(3, v)) }),
    { u: x, v: y },
    (_, { u, v }): Pair => ({
      u: div(sub(mul(3, u), v), 5),
      v: div(sub(mul(2, v), u), 5),
    }),
    { symmetric: true },
  );

const withNorm = (mv: (x: Value) => Value, b: Value): [Value, { norm: Value }] => [
  richardson(mv, b),
  { norm: total(b) },
];

const rootSystem = (a: Value, b: Value): Value =>
  customRoot(
    (x: Value) => sub(np.dot(near(a), x), b),
    lax.fullLike(b, 0),
    (f) => richardson((x) => add(f(x), b), b),
    (g, y) => customLinearSolve(g, y, richardson, { transposeSolve: richardson }),
  );

const byFlag = (x: Value, y: Value, z: Value): Value =>
  cond(
    lt(x, 3n),
    (a: Value, _: Value) => a,
    (_: Value, b: Value) => lax.neg(b),
    y,
    z,
  );

const whiles = {
  testWhileWithTuple: (init: Value) =>
    whileLoop(
      ([pos]: Value[]) => lt(pos, 10n),
      ([pos, n]: Value[]) => [add(pos, 1n), add(n, 1n)],
      [init, int(0)],
    )[1],
  testWhileWithManyArgs: (x: Value) =>
    whileLoop(
      (s: Value[]) => lt(s[0], 2),
      (s: Value[]) => s.map((v, i) => add(v, s[(i + 1) % 64])),
      Array.from({ length: 64 }, () => x),
    ).reduce((a, b) => add(a, b)),
  testNestedWhile: (n: Value) =>
    whileLoop(
      ([num, i]: Value[]) => lt(i, num),
      ([num, i, count]: Value[]) => [num, add(i, 1n), innerLoop(i, count)],
      [n, int(0), int(0)],
    ).slice(1),
  testWhileWithClosure: (init: Value, limit: Value, inc: Value) =>
    whileLoop(
      ([pos]: Value[]) => lt(pos, limit),
      ([pos, sum]: Value[]) => [add(pos, 1n), add(sum, inc)],
      [init, 0],
    )[1],
  testNestedWhileWithDynamicUpdateSlice: lowerTriangle,
  testLoopWithConjunctionCondition: (arr: Value, n: Value) =>
    whileLoop(
      ([, num, i]: Value[]) => lax.and(lt(i, num), lt(i, 10n)),
      ([xs, num, i, sum]: Value[]) => [xs, num, add(i, 1n), add(sum, sin(entry(xs, i)))],
      [arr, n, int(0), 0],
    )[3],
  testWhileLoopBatched: (x: Value) =>
    whileLoop(
      (v: Value) => lt(v, 3n),
      (v: Value) => add(v, 2n),
      x,
    ),
  testWhileLoopBatchedWithConstBody: (x: Value) =>
    whileLoop(
      (_: Value) => lt(1, 0),
      (_: Value) => np.float32(0),
      x,
    ),
  testWhileLoopCondConstsBatched: (x: Value, y: Value) =>
    whileLoop(
      (v: Value) => lt(v, y),
      (v: Value) => mul(v, 2),
      x,
    ),
  testWhileLoopBodyConstsBatched: (x: Value, y: Value) =>
    whileLoop(
      (v: Value) => lt(v, 3),
      (v: Value) => add(v, y),
      x,
    ),
  testWhileLoopTupleBatched: (x: Value, y: Value) =>
    whileLoop(
      ([a, b]: Value[]) => lt(add(a, b), 5),
      ([a, b]: Value[]) => [add(a, 1), b],
      [x, y],
    ),
  test_issue_3204: nestedSums,
  testIssue649: (a: Value) =>
    whileLoop(
      ([, n]: Value[]) => lt(n, 10n),
      ([, n]: Value[]) => [np.float32(7), add(n, 1n)],
      [a, int(4)],
    ),
  testWhileJVP: (x: Value) =>
    whileLoop(
      (v: Value) => le(lax.reshape(lax.slice(v, [0, 2], [1, 3]), []), 8),
      (v: Value) => mul(v, v),
      x,
    ),
  testWhileJVPWithGrowingNonzeroTangents: (x: Value) =>
    whileLoop(
      ([i]: Value[]) => lt(i, 2n),
      ([i, a, b]: Value[]) => [add(i, 1n), a, mul(a, a), mul(b, b)],
      [int(0), x, numbers(1, 2), numbers(3, 4)],
    ).slice(1),
};

const foris = {
  testForiLoopBatched: (x: Value) =>
    foriLoop(0, 10, (_: Value, [a, b]: Value[]) => [add(a, 1), add(b, a)], [x, 0]),
  testForiLoopClosure: (x: Value, n: Value) =>
    foriLoop(0, n, (_: Value, acc: Value) => add(sin(x), mul(acc, x)), 0),
  testForiLoopTupleState: (arr: Value) => sumTuple(arr, np.float32(1)),
  testForiLoopDictState: (xs: Value, n: Value) =>
    foriLoop(
      0,
      lax.min(10n, n),
      (i: Value, s: DictState): DictState => ({
        arr: s.arr,
        total: add(s.total, entry(cos(s.arr), i)),
      }),
      { arr: xs, total: 0 },
    ).total,
  testForiLoopEmptyTupleInState: (arr: Value) => sumTuple(arr, []),
  testForiLoopIssue8152: (x: Value) => foriLoop(0, 0, (i: Value, v: Value) => add(v, float(i)), x),
  testForiLoopReversedBounds: (x: Value) => foriLoop(5, 2, (_: Value, v: Value) => mul(v, 2), x),
  testWhileJVPViaForiLoop: (x: Value) =>
    foriLoop(0, 3, (i: Value, v: Value) => mul(v, float(add(i, 1n))), x),
  test_vmaps_of_while_loop: (x: Value, ns: Value) =>
    vmap((n: Value) => foriLoop(0, n, (_: Value, v: Value) => mul(v, 1.5), x))(ns),
  test_fori_loop_batched_bounds: (lo: Value, hi: Value, x: Value) =>
    foriLoop(lo, hi, (i: Value, v: Value) => add(mul(v, 2), float(i)), x),
};

const conds = {
  testCond: (x: Value) => cond(lt(x, 3), (v: Value) => [v, v], doubleTwice, x),
  testCondTwoOperands: (x: Value) =>
    cond(
      lax.eq(x, 0),
      (a: Value, b: Value) => add(a, b),
      (a: Value, b: Value) => mul(a, b),
      x,
      x,
    ),
  testCondThreeOperands: (x: Value) =>
    cond(
      lax.eq(x, 0),
      (a: Value, b: Value, c: Value) => add(add(a, b), c),
      (a: Value, b: Value, c: Value) => mul(mul(a, b), c),
      x,
      x,
      x,
    ),
  testSwitch: (i: Value, x: Value) => switchBranch(i, branches, x),
  testSwitchMultiOperands: (i: Value, x: Value) =>
    switchBranch(i, [(a: Value, b: Value) => add(a, b), (a: Value, b: Value) => mul(a, b)], x, x),
  testOneBranchSwitch: (i: Value, x: Value) => switchBranch(i, [(v: Value) => lax.neg(v)], x),
  testNestedCond: (x: Value) =>
    cond(
      lt(x, 2),
      (v: Value) => mul(2, v),
      (v: Value) =>
        cond(
          lt(v, 5),
          (w: Value) => mul(3, w),
          (w: Value) => mul(w, v),
          v,
        ),
      x,
    ),
  testCondOneBranchConstantTuple: (x: Value) =>
    cond(
      lt(x, 3),
      (_: Value) => [np.float32(1), np.float32(2), np.float32(3)],
      (v: Value) => [v, np.float32(2), np.float32(4)],
      x,
    ),
  testCondBatched: byFlag,
  testCondBatchedPredicate: byFlag,
  testSwitchBatched: (i: Value, ...xs: Value[]) =>
    switchBranch(
      i,
      [(s: Value[]) => s[0], (s: Value[]) => lax.neg(s[1]), (s: Value[]) => sin(s[2])],
      xs,
    ),
  testSwitchJVP: (x: Value) => switchBranch(below(x), branches, x),
  testCondGrad: (x: Value) =>
    cond(
      lt(x, 2),
      (v: Value) => mul(3, v),
      (v: Value) => sin(v),
      x,
    ),
  testCondGradVmapNan: (x: Value) =>
    cond(
      lt(x, 1e-3),
      () => np.float32(1e-3),
      () => lax.sqrt(x),
    ),
  testSwitchGrad: (x: Value) =>
    switchBranch(
      below(x),
      [(v: Value) => mul(3, v), (v: Value) => sin(v), (v: Value) => lax.neg(v)],
      x,
    ),
  testCondGrad2: (x: Value) => two(x, (v) => sin(v)),
  testCondGrad4: (x: Value, y: Value) =>
    cond(
      lt(x, 3),
      () => mul(2, sin(y)),
      () => mul(2, x),
    ),
  testCondLinearize2: (x: Value) => two(x, (v) => cos(sin(v))),
  testCondWithConsts: (x: Value) =>
    cond(
      lt(x, 2),
      (v: Value) => np.multiply(numbers(1, 2), v),
      (v: Value) => np.multiply(numbers(3, 4), sin(v)),
      x,
    ),
  testCondVmapGrad: (x: Value) =>
    cond(
      lax.gt(x, 0),
      (v: Value) => lax.integerPow(v, 2),
      (v: Value) => lax.integerPow(v, 3),
      x,
    ),
};

const scans = {
  testScanGrad: (c: Value, a: Value) => scan(scanBody, c, a),
  testScanVmap: (c: Value, a: Value) => scan(scanBody, c, a),
  test_scan_unroll: (c: Value, a: Value) => scan(scanBody, c, a, { unroll: 2 }),
  test_scan_reverse: (xs: Value) =>
    scan((c: Value, x: Value): [Value, Value] => [add(c, mul(x, c)), c], 0.5, xs, {
      reverse: true,
    }),
  testScanRnn: rnn,
  testIssue711: minimize,
  testScanHigherOrderDifferentiation: second,
  testScanVmapTuples: tuples,
  testScanVmapFixpoint: (x: Value) =>
    scan(
      (c: Value[], _: null): [Value[], null] => [[c[1], c[2], c[3], np.float32(0)], null],
      [0, 1, 2, x],
      null,
      { length: 2 },
    )[0],
  testIssue757: (x: Value) =>
    scan(
      (v: Value, i: Value): [Value, Value] => [grad((w: Value) => cos(w))(v), i],
      x,
      lax.iota('i32', 10),
    ),
  testIssue1361: (x: Value) =>
    scan(
      (s: Value[], _: Value): [Value[], null] => [[mul(2, s[0]), np.float32(0)], null],
      [x, 0],
      lax.iota('i32', 3),
    )[0][0],
  testIssue810: (a: Value, x: Value) =>
    scan((v: Value, _: null): [Value, null] => [np.matmul(a, v), null], x, null, { length: 6 })[0],
  testScanLengthArg: (c: Value) =>
    scan((v: Value, _: null): [Value, Value] => [add(v, 1), mul(v, v)], c, null, { length: 7 })[1],
  testScanCarryUnchanged: (w: Value, xs: Value) =>
    scan(
      (s: Value[], x: Value): [Value[], Value] => [[s[0], tanh(add(mul(s[0], s[1]), x))], x],
      [w, 0],
      xs,
    ),
  testScanEmpty: (c: Value, xs: Value) =>
    scan((v: Value, x: Value): [Value, Value] => [mul(v, x), sin(v)], c, xs),
  testScanOfCondOfScan: condOfScan,
  testMap: (xs: Value) => map((x: Value) => lax.integerPow(sin(x), 2), xs),
  testMapEmpty: (xs: Value) => map((x: Value) => mul(x, x), xs),
  testBatchedMap: (xs: Value) => map((x: Value) => total(mul(sin(x), x)), xs, { batchSize: 4 }),
  testAssociativeScanUnstructured: (x: Value) =>
    associativeScan((a: Value, b: Value) => mul(a, b), x, { axis: 1 }),
  testAssociativeScanUnstructuredReverse: (x: Value) =>
    associativeScan((a: Value, b: Value) => add(a, b), x, { reverse: true }),
  testAssociativeScanStructured3: (a: Value, b: Value) =>
    associativeScan(
      (x: Value[], y: Value[]) => [mul(x[0], y[0]), add(mul(y[0], x[1]), y[1])],
      [a, b],
    ),
  testAssociativeScanOfBools: (x: Value) =>
    associativeScan((a: Value, b: Value) => lax.xor(a, b), x),
};

const cumulatives = Object.fromEntries(
  Object.entries({ cumsum, cumprod, cummax, cummin, cumlogsumexp }).flatMap(([name, f]) => [
    [`test_cumulative_${name}`, (x: Value): Value => f(x, 1)],
    [`test_cumulative_${name}_reverse`, (x: Value): Value => f(x, 0, true)],
  ]),
);
const numpys = {
  numpy_cumsum: (x: Value) => np.cumsum(x, 0),
  numpy_cumprod: (x: Value) => np.cumprod(x),
  numpy_cumulative_sum: (x: Value) => np.cumulativeSum(x, { axis: -1, includeInitial: true }),
  numpy_cumulative_prod: (x: Value) => np.cumulativeProd(x, { axis: 0, includeInitial: true }),
  numpy_nancumsum: (x: Value) => np.nancumsum(x, 1),
  numpy_nancumprod: (x: Value) => np.nancumprod(x),
};

const solvers = {
  test_custom_root_scalar: root,
  test_custom_root_second_derivative: grad(grad(root)),
  test_custom_linear_solve: linearSystem,
  test_custom_linear_solve_batched_b: linearSystem,
  test_custom_linear_solve_symmetric: (a: Value, b: Value) =>
    customLinearSolve(
      (x: Value) => np.dot(near(add(a, lax.transpose(a, [1, 0]))), x),
      b,
      richardson,
      { symmetric: true },
    ),
  test_custom_linear_solve_zeros: (b: Value) =>
    customLinearSolve(
      (x: Value) => mul(x, 0.5),
      b,
      (_, y) => div(y, 0.5),
      { transposeSolve: (_, y) => div(y, 0.5) },
    ),
  test_custom_linear_solve_pytree: pytree,
  test_custom_linear_solve_aux: (a: Value, b: Value) =>
    customLinearSolve((x: Value) => np.dot(near(a), x), b, withNorm, {
      transposeSolve: withNorm,
      hasAux: true,
    })[0],
  test_custom_root_vector_with_solve_closure: rootSystem,
};

/** A program, as the tests call it. */
export type ControlProgram = (...args: Value[]) => unknown;

/** Every program by its name. */
export const programs: Readonly<Record<string, ControlProgram>> = {
  ...whiles,
  ...foris,
  ...conds,
  ...scans,
  ...cumulatives,
  ...numpys,
  ...solvers,
};
