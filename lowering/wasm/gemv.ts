/**
 * Products of a matrix with one vector where both are contiguous along the contracted axis: four dot products at a time, two vectors
 * of each per step. `rowDots(a, b, c, workspace, m, n, k)`.
 */
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import type { Gemm, GemmSpec } from './gemm.ts';
import { multiplyAccumulate } from './gemm-kernel.ts';
import { add, int, laneOp, lanesOf, memory, mul, op, shuffle32, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';

/** Make the function; `isTransposed`: the vector is A's only row, the matrix B by columns. */
export function rowDots(context: Context, spec: GemmSpec, { isTransposed }: { isTransposed: boolean }): Gemm {
  const name = `dots_${isTransposed}_${JSON.stringify(spec)}`;
  const fn = context.module.helper(name, [], (made) => {
    const [a, b, c, , m, n, k] = ['a', 'b', 'c', 'w', 'm', 'n', 'k'].map((param) => made.param('i32', param));
    const rows = isTransposed
      ? { matrix: b, vector: a, count: n, stride: spec.bColumn, out: 4 }
      : { matrix: a, vector: b, count: m, stride: spec.aRow, out: spec.cRow };
    const inner = { ...context, fn: made };
    const group = (size: number): void => {
      const kernel = context.module.helper(`${name}_${size}`, [], (dots) => dotGroup({ ...context, fn: dots }, spec, { size, ...rows }));
      made.call(kernel, made.get(rows.matrix), made.get(rows.vector), made.get(c), made.get(k));
      made.set(rows.matrix, add(made.get(rows.matrix), int(size * rows.stride)));
      made.set(c, add(made.get(c), int(size * rows.out)));
      made.set(rows.count, sub(made.get(rows.count), int(size)));
    };
    for (const size of [4, 1]) whileAtLeast(inner.fn, rows.count, size, () => group(size));
  });
  return { fn, workspaceBytes: 0 };
}

function whileAtLeast(fn: Fn, count: Local, size: number, body: () => void): void {
  const enough = (): Node => op('i32.ge_s', fn.get(count), int(size));
  fn.if(enough(), () =>
    fn.loop((again) => {
      body();
      fn.br(again, enough());
    }),
  );
}

// dots(matrix, vector, c, k): `size` dot products of rows `stride` apart with one vector.
function dotGroup(context: Context, spec: GemmSpec, { size, stride, out }: { size: number; stride: number; out: number }): void {
  const { fn } = context;
  const { element } = spec;
  const [matrix, vector, c, k] = ['a', 'x', 'c', 'k'].map((name) => fn.param('i32', name));
  const chains = size === 1 ? 4 : 2;
  const accs = Array.from({ length: size }, () => Array.from({ length: chains }, () => fn.local('v128', 'acc')));
  accs.flat().forEach((acc) => fn.set(acc, fn.splatZero()));
  const x = fn.local('v128', 'x');
  const steps = (vectors: number, mask?: Node): void => {
    for (let u = 0; u < vectors; u++) {
      fn.set(x, memory('v128.load', 16 * u, fn.get(vector)));
      accs.forEach((chain, i) => {
        const row = memory('v128.load', i * stride + 16 * u, fn.get(matrix));
        const acc = chain[u];
        // Lanes past the end hold anything, NaN too: they are cleared on both sides.
        const [left, right] = mask === undefined ? [row, fn.get(x)] : [op('v128.and', row, mask), op('v128.and', fn.get(x), mask)];
        fn.set(acc, multiplyAccumulate(context, element, { x: left, y: right, acc: fn.get(acc) }));
      });
    }
    fn.set(matrix, add(fn.get(matrix), int(16 * vectors)));
    fn.set(vector, add(fn.get(vector), int(16 * vectors)));
    fn.set(k, sub(fn.get(k), int(4 * vectors)));
  };
  whileAtLeast(fn, k, 4 * chains, () => steps(chains));
  whileAtLeast(fn, k, 4, () => steps(1));
  fn.if(op('i32.gt_s', fn.get(k), int(0)), () => {
    const mask = fn.keep(op('i32x4.lt_s', lanesOf([0, 1, 2, 3]), op('i32x4.splat', fn.get(k))));
    steps(1, mask);
  });
  accs.forEach((chain, i) => fn.scope(() => finishDot(fn, spec, { chain, address: add(fn.get(c), mul(int(i), int(out))) })));
}

function finishDot(fn: Fn, { element, accumulates }: GemmSpec, { chain, address }: { chain: readonly Local[]; address: Node }): void {
  const plus = element === 'f32' ? 'f32x4.add' : 'i32x4.add';
  let sum = chain.map((acc) => fn.get(acc)).reduce((p, q) => op(plus, p, q));
  sum = fn.keep(sum);
  const halves = fn.keep(op(plus, sum, shuffle32(sum, sum, [2, 3, 0, 1])));
  let total = op(plus, halves, shuffle32(halves, halves, [1, 0, 3, 2]));
  const to = fn.keep(address);
  if (accumulates) total = op(plus, total, memory('v128.load32_zero', 0, to));
  fn.emit(laneOp('v128.store32_lane', 0, 0, to, fn.keep(total)));
}
