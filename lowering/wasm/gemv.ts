/**
 * Products of a matrix with one vector. Where both are contiguous along the contracted axis: four dot products at a time, two vectors
 * of each per step. Where the matrix is contiguous across: rows of it, scaled, are added to the result, eight at a time, so that memory
 * is read in the order in which it lies. Functions `(a, b, c, workspace, m, n, k)`.
 */
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import { multiplyAccumulate, storePart } from './gemm-kernel.ts';
import type { Gemm, GemmSpec } from './gemm-kernel.ts';
import { add, int, laneOp, lanesOf, memory, minS, mul, op, shuffle32, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';

/** Make the function; `isTransposed`: the vector is A's only row, the matrix B by columns. */
export function rowDots(
  context: Context,
  spec: GemmSpec,
  { isTransposed }: { isTransposed: boolean },
): Gemm {
  const name = `dots_${isTransposed}_${JSON.stringify(spec)}`;
  const fn = context.module.helper(name, [], (made) => {
    const [a, b, c, , m, n, k] = ['a', 'b', 'c', 'w', 'm', 'n', 'k'].map((param) =>
      made.param('i32', param),
    );
    const rows = isTransposed
      ? { matrix: b, vector: a, count: n, stride: spec.bColumn, out: 4 }
      : { matrix: a, vector: b, count: m, stride: spec.aRow, out: spec.cRow };
    const inner = { ...context, fn: made };
    const group = (size: number): void => {
      const kernel = context.module.helper(`${name}_${size}`, [], (dots) =>
        dotGroup({ ...context, fn: dots }, spec, { size, ...rows }),
      );
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
function dotGroup(
  context: Context,
  spec: GemmSpec,
  { size, stride, out }: { size: number; stride: number; out: number },
): void {
  const { fn } = context;
  const { element } = spec;
  const [matrix, vector, c, k] = ['a', 'x', 'c', 'k'].map((name) => fn.param('i32', name));
  const chains = size === 1 ? 4 : 2;
  const accs = Array.from({ length: size }, () =>
    Array.from({ length: chains }, () => fn.local('v128', 'acc')),
  );
  accs.flat().forEach((acc) => fn.set(acc, fn.splatZero()));
  const x = fn.local('v128', 'x');
  const steps = (vectors: number, mask?: Node): void => {
    for (let u = 0; u < vectors; u++) {
      fn.set(x, memory('v128.load', 16 * u, fn.get(vector)));
      accs.forEach((chain, i) => {
        const row = memory('v128.load', i * stride + 16 * u, fn.get(matrix));
        const acc = chain[u];
        // Lanes past the end hold anything, NaN too: they are cleared on both sides.
        const [left, right] =
          mask === undefined
            ? [row, fn.get(x)]
            : [op('v128.and', row, mask), op('v128.and', fn.get(x), mask)];
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
  accs.forEach((chain, i) =>
    fn.scope(() => finishDot(fn, spec, { chain, address: add(fn.get(c), mul(int(i), int(out))) })),
  );
}

function finishDot(
  fn: Fn,
  { element, accumulates }: GemmSpec,
  { chain, address }: { chain: readonly Local[]; address: Node },
): void {
  const plus = element === 'f32' ? 'f32x4.add' : 'i32x4.add';
  let sum = chain.map((acc) => fn.get(acc)).reduce((p, q) => op(plus, p, q));
  sum = fn.keep(sum);
  const halves = fn.keep(op(plus, sum, shuffle32(sum, sum, [2, 3, 0, 1])));
  let total = op(plus, halves, shuffle32(halves, halves, [1, 0, 3, 2]));
  const to = fn.keep(address);
  if (accumulates) total = op(plus, total, memory('v128.load32_zero', 0, to));
  fn.emit(laneOp('v128.store32_lane', 0, 0, to, fn.keep(total)));
}

/** Rows that are added to the result in one pass over it. */
const rowsAtOnce = 8;

/** Make the function of a product with one row (m = 1) and a matrix B whose rows are contiguous. */
export function rowSums(context: Context, spec: GemmSpec): Gemm {
  const name = `sums_${JSON.stringify(spec)}`;
  const fn = context.module.helper(name, [], (made) => {
    const [a, b, c, , , n, k] = ['a', 'b', 'c', 'w', 'm', 'n', 'k'].map((param) =>
      made.param('i32', param),
    );
    // The result stays in the first-level cache: stripes of four thousand columns.
    const stripe = 4096;
    const [from, depth, left] = [
      made.local('i32', 'j'),
      made.local('i32', 'p'),
      made.local('i32', 'left'),
    ];
    made.for(from, { from: int(0), to: made.get(n), step: stripe }, () => {
      made.scope(() =>
        made.set(left, minS(made.keep(sub(made.get(n), made.get(from))), int(stripe))),
      );
      const target = (): Node => add(made.get(c), mul(made.get(from), int(4)));
      if (!spec.accumulates)
        made.emit(op('memory.fill', target(), int(0), mul(made.get(left), int(4))));
      const group = (rows: number, end: Node): void => {
        const kernel = context.module.helper(`${name}_${rows}`, [], (sums) =>
          addRows({ ...context, fn: sums }, spec, rows),
        );
        const more = (): Node => op('i32.le_s', add(made.get(depth), int(rows)), end);
        made.if(more(), () =>
          made.loop((again) => {
            const row = add(
              add(made.get(b), mul(made.get(depth), int(spec.bDepth))),
              mul(made.get(from), int(4)),
            );
            made.call(
              kernel,
              add(made.get(a), mul(made.get(depth), int(spec.aDepth))),
              row,
              target(),
              made.get(left),
            );
            made.set(depth, add(made.get(depth), int(rows)));
            made.br(again, more());
          }),
        );
      };
      made.set(depth, int(0));
      group(rowsAtOnce, made.get(k));
      group(1, made.get(k));
    });
  });
  return { fn, workspaceBytes: 0 };
}

// sums(a, b, c, n): c[j] += Σ a[i] · b[i][j] over `rows` rows. Even and odd rows are summed apart: shorter chains of additions.
function addRows(context: Context, spec: GemmSpec, rows: number): void {
  const { fn } = context;
  const [a, b, c, n] = ['a', 'b', 'c', 'n'].map((name) => fn.param('i32', name));
  const factors = Array.from({ length: rows }, (_, i) =>
    fn.keep(memory('v128.load32_splat', i * spec.aDepth, fn.get(a)), 'x'),
  );
  const step = (): Node => {
    const chains: (Node | undefined)[] = [memory('v128.load', 0, fn.get(c)), undefined];
    factors.forEach((x, i) => {
      const y = memory('v128.load', i * spec.bDepth, fn.get(b));
      const acc = chains[i % 2];
      chains[i % 2] = fn.keep(
        acc === undefined
          ? op(spec.element === 'f32' ? 'f32x4.mul' : 'i32x4.mul', x, y)
          : multiplyAccumulate(context, spec.element, { x, y, acc }),
      );
    });
    const [even, odd] = chains;
    return odd === undefined
      ? even!
      : op(spec.element === 'f32' ? 'f32x4.add' : 'i32x4.add', even!, odd);
  };
  const advance = (): void =>
    [b, c].forEach((pointer) => fn.set(pointer, add(fn.get(pointer), int(16))));
  whileAtLeast(fn, n, 4, () => {
    fn.scope(() => fn.emit(memory('v128.store', 0, fn.get(c), step())));
    advance();
    fn.set(n, sub(fn.get(n), int(4)));
  });
  fn.if(op('i32.gt_s', fn.get(n), int(0)), () => {
    const last = fn.keep(step());
    for (const count of [1, 2, 3])
      fn.if(op('i32.eq', fn.get(n), int(count)), () =>
        storePart(fn, { address: fn.get(c), offset: 0, bytes: 4 * count }, last),
      );
  });
}
