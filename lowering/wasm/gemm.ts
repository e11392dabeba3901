/**
 * Matrix products: C[m, n] (+)= A[m, k] · B[k, n] over any strides, blocked for the caches: stripes of columns, slices of the contracted
 * axis whose panel of B is packed, blocks of rows, micro-kernels. Extents are run-time numbers out of small known sets, for which all
 * edge kernels are generated.
 */
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import { microKernel, elementBytes, kernelShape, lanesOf, skinnyShape } from './gemm-kernel.ts';
import type { Gemm, GemmSpec, KernelShape } from './gemm-kernel.ts';
import { packPanel } from './gemm-pack.ts';
import { rowDots, rowSums } from './gemv.ts';
import { add, int, minS, mul, op, select, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';

/** Slices of the contracted axis, blocks of rows, stripes of columns: within 3 % of the best for every size that was tried. */
const depthSlice = 256;
const rowBlock = 48;
const columnStripe = 2048;
/** B is read where it is up to this size: a panel then stays in the second-level cache by itself. */
const directBytes = 128 << 10;
/** Rows of A that lie a multiple of this apart share so few sets of the caches that a block of them drives itself out: it is packed. */
const aliasBytes = 16 << 10;

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

interface Plan {
  readonly spec: GemmSpec;
  readonly shape: KernelShape;
  /** Columns of a panel. */
  readonly width: number;
  readonly packsA: boolean;
  readonly packsB: boolean;
  readonly depth: number;
  readonly rows: number;
  readonly columns: number;
  readonly rowTails: readonly number[];
  readonly columnTails: readonly number[];
  readonly isSliced: boolean;
}

function planGemm(context: Context, spec: GemmSpec): Plan {
  const [m, n, k] = [spec.m[0], spec.n[0], spec.k[0]];
  const lanes = lanesOf(spec.element);
  const bytes = elementBytes(spec.element);
  const shape = skinnyShape(kernelShape(context.features, spec.element), m, n, lanes);
  const width = shape.vectors * lanes;
  const isDirect =
    spec.bColumn === bytes &&
    (m <= 4 || k * Math.max(n, spec.bDepth / bytes) * bytes <= directBytes);
  const packsB = !isDirect;
  const isAliased = packsB && m >= rowBlock && spec.aRow % aliasBytes === 0;
  const packsA = isAliased || (spec.aRow === bytes && spec.aDepth !== bytes && m > 1);
  // Few rows pass over B once: slicing would only read C again.
  const slices = k > 512 && (packsB || packsA) ? Math.ceil(k / depthSlice) : 1;
  const depth = slices === 1 ? k : roundUp(Math.ceil(k / slices), 8);
  const tails = (values: readonly number[], by: number): number[] =>
    [...new Set(values.map((value) => value % by))].filter((r) => r > 0);
  return {
    spec,
    shape,
    width,
    packsA,
    packsB,
    depth,
    rows: roundUp(rowBlock, shape.rows),
    columns: roundUp(columnStripe, width),
    rowTails: tails(spec.m, shape.rows),
    columnTails: tails(spec.n, width),
    isSliced: slices > 1,
  };
}

/** Make the function of a product; equal products of a module share it. */
export function makeGemm(context: Context, spec: GemmSpec): Gemm {
  const bytes = elementBytes(spec.element);
  const [m, n] = [spec.m[0], spec.n[0]];
  const isRowDots =
    bytes === 4 && spec.element !== 'mask' && spec.aDepth === bytes && spec.bDepth === bytes;
  if (isRowDots && n === 1 && m > 1) return rowDots(context, spec, { isTransposed: false });
  if (isRowDots && m === 1 && n > 1 && spec.bColumn !== bytes)
    return rowDots(context, spec, { isTransposed: true });
  if (m === 1 && bytes === 4 && spec.element !== 'mask' && spec.bColumn === bytes && n >= 16)
    return rowSums(context, spec);
  const plan = planGemm(context, spec);
  const panelB = roundUp(Math.min(plan.columns, roundUp(n, plan.width)) * plan.depth * bytes, 64);
  const panelA = roundUp(Math.min(plan.rows, roundUp(m, plan.shape.rows)) * plan.depth * bytes, 64);
  const name = `gemm_${JSON.stringify(spec)}`;
  const fn = context.module.helper(name, [], (made) => driver(context, made, plan, panelB));
  return { fn, workspaceBytes: (plan.packsB ? panelB : 0) + (plan.packsA ? panelA : 0) + 64 };
}

/** Emit a loop over blocks: `from` below `to` in steps, with the end of the block. */
function blocks(
  fn: Fn,
  counter: Local,
  { to, step }: { to: Node; step: number },
  fill: (end: Node) => void,
): void {
  const end = fn.local('i32', 'end');
  fn.for(counter, { from: int(0), to, step }, () => {
    fn.set(end, minS(fn.keep(add(fn.get(counter), int(step))), to));
    fill(fn.get(end));
  });
}

function driver(context: Context, fn: Fn, plan: Plan, panelBytes: number): void {
  const [a, b, c, workspace, m, n, k] = ['a', 'b', 'c', 'w', 'm', 'n', 'k'].map((name) =>
    fn.param('i32', name),
  );
  const { spec, width } = plan;
  const bytes = elementBytes(spec.element);
  const [jc, pc, ic, jr, kc] = ['jc', 'pc', 'ic', 'jr', 'kc'].map((name) => fn.local('i32', name));
  const packedA = add(fn.get(workspace), int(plan.packsB ? panelBytes : 0));
  const aAt = (i: Node): Node =>
    add(fn.get(a), add(mul(i, int(spec.aRow)), mul(fn.get(pc), int(spec.aDepth))));
  const bAt = (): Node =>
    add(fn.get(b), add(mul(fn.get(jr), int(spec.bColumn)), mul(fn.get(pc), int(spec.bDepth))));
  const panelAt = (): Node =>
    add(fn.get(workspace), mul(mul(sub(fn.get(jr), fn.get(jc)), fn.get(kc)), int(bytes)));
  const overPanels = (end: Node, fill: () => void): void => {
    fn.for(jr, { from: fn.get(jc), to: end, step: width }, fill);
  };
  const slices = (end: Node): void => {
    fn.set(kc, minS(fn.keep(sub(fn.get(k), fn.get(pc))), int(plan.depth)));
    if (plan.packsB)
      overPanels(end, () =>
        byColumns(fn, plan, { jr, end }, (valid) =>
          fn.call(panelPacker(context, plan, valid), bAt(), panelAt(), fn.get(kc)),
        ),
      );
    blocks(fn, ic, { to: fn.get(m), step: plan.rows }, (rowEnd) => {
      if (plan.packsA) packRows(context, fn, plan, { ic, rowEnd, kc, aAt, packedA });
      overPanels(end, () =>
        byColumns(fn, plan, { jr, end }, (valid) => {
          const target = add(
            fn.get(c),
            add(mul(fn.get(ic), int(spec.cRow)), mul(fn.get(jr), int(bytes))),
          );
          const args = [
            plan.packsA ? packedA : aAt(fn.get(ic)),
            plan.packsB ? panelAt() : bAt(),
            target,
            fn.get(kc),
            sub(rowEnd, fn.get(ic)),
          ];
          const call = (accumulates: boolean) => (): void =>
            fn.call(strip(context, plan, { valid, accumulates }), ...args);
          if (spec.accumulates) call(true)();
          else if (!plan.isSliced) call(false)();
          else fn.if(fn.get(pc), call(true), call(false));
        }),
      );
    });
  };
  blocks(fn, jc, { to: fn.get(n), step: plan.columns }, (end) => {
    // A product over nothing is zero: the slices must run once even if k is 0.
    const most = fn.keep(select(op('i32.gt_s', fn.get(k), int(1)), fn.get(k), int(1)));
    fn.for(pc, { from: int(0), to: most, step: Math.max(1, plan.depth) }, () => slices(end));
  });
}

/** Emit code for the number of columns of the panel at `jr`: a full one, or one of the tails. */
function byColumns(
  fn: Fn,
  plan: Plan,
  { jr, end }: { jr: Local; end: Node },
  fill: (valid: number) => void,
): void {
  const left = (): Node => sub(end, fn.get(jr));
  const hasFull = plan.spec.n[0] >= plan.width;
  const tails = (): void =>
    plan.columnTails.forEach((tail) => {
      if (plan.columnTails.length === 1) fill(tail);
      else fn.if(op('i32.eq', left(), int(tail)), () => fill(tail));
    });
  if (!hasFull) return tails();
  if (plan.columnTails.length === 0) return fill(plan.width);
  return fn.if(op('i32.ge_s', left(), int(plan.width)), () => fill(plan.width), tails);
}

function packRows(
  context: Context,
  fn: Fn,
  plan: Plan,
  at: { ic: Local; rowEnd: Node; kc: Local; aAt: (i: Node) => Node; packedA: Node },
): void {
  const { shape, spec } = plan;
  const bytes = elementBytes(spec.element);
  const row = fn.local('i32', 'row');
  fn.for(row, { from: fn.get(at.ic), to: at.rowEnd, step: shape.rows }, () => {
    const offset = mul(mul(sub(fn.get(row), fn.get(at.ic)), fn.get(at.kc)), int(bytes));
    const pack = (valid: number): void => {
      const spec4 = {
        element: spec.element,
        width: shape.rows,
        valid,
        across: spec.aRow,
        along: spec.aDepth,
      };
      const packer = context.module.helper(`pack_${JSON.stringify(spec4)}`, [], (made) =>
        packPanel(context, made, spec4),
      );
      fn.call(packer, at.aAt(fn.get(row)), add(at.packedA, offset), fn.get(at.kc));
    };
    const left = (): Node => sub(at.rowEnd, fn.get(row));
    const tails = (): void =>
      plan.rowTails.forEach((tail) => fn.if(op('i32.eq', left(), int(tail)), () => pack(tail)));
    if (spec.m[0] < shape.rows) return tails();
    return fn.if(op('i32.ge_s', left(), int(shape.rows)), () => pack(shape.rows), tails);
  });
  fn.release(row);
}

function panelPacker(context: Context, plan: Plan, valid: number): Fn {
  const { spec, width } = plan;
  const panel = { element: spec.element, width, valid, across: spec.bColumn, along: spec.bDepth };
  return context.module.helper(`pack_${JSON.stringify(panel)}`, [], (made) =>
    packPanel(context, made, panel),
  );
}

/** The function that runs micro-kernels down a panel of columns: `strip(a, b, c, k, rows)`. */
function strip(
  context: Context,
  plan: Plan,
  { valid, accumulates }: { valid: number; accumulates: boolean },
): Fn {
  const { spec, shape } = plan;
  const name = `strip_${valid}_${accumulates}_${JSON.stringify(spec)}`;
  return context.module.helper(name, [], (fn) => {
    const [a, b, c, k, rows] = ['a', 'b', 'c', 'k', 'rows'].map((param) => fn.param('i32', param));
    const bytes = elementBytes(spec.element);
    const run = (count: number): void =>
      fn.call(
        kernelOf(context, plan, { rows: count, valid, accumulates }),
        fn.get(a),
        fn.get(b),
        fn.get(c),
        fn.get(k),
      );
    if (spec.m[0] >= shape.rows)
      fn.if(op('i32.ge_s', fn.get(rows), int(shape.rows)), () =>
        fn.loop((again) => {
          run(shape.rows);
          const step = plan.packsA
            ? mul(fn.get(k), int(shape.rows * bytes))
            : int(shape.rows * spec.aRow);
          fn.set(a, add(fn.get(a), step));
          fn.set(c, add(fn.get(c), int(shape.rows * spec.cRow)));
          fn.br(
            again,
            op('i32.ge_s', fn.tee(rows, sub(fn.get(rows), int(shape.rows))), int(shape.rows)),
          );
        }),
      );
    for (const tail of plan.rowTails) fn.if(op('i32.eq', fn.get(rows), int(tail)), () => run(tail));
  });
}

function kernelOf(
  context: Context,
  plan: Plan,
  { rows, valid, accumulates }: { rows: number; valid: number; accumulates: boolean },
): Fn {
  const { spec, width } = plan;
  const bytes = elementBytes(spec.element);
  const strides = {
    aRow: plan.packsA ? bytes : spec.aRow,
    aDepth: plan.packsA ? plan.shape.rows * bytes : spec.aDepth,
    bDepth: plan.packsB ? width * bytes : spec.bDepth,
    cRow: spec.cRow,
  };
  const kernel = {
    element: spec.element,
    shape: { ...plan.shape, rows },
    strides,
    columns: valid,
    accumulates,
  };
  return context.module.helper(`kernel_${JSON.stringify(kernel)}`, [], (fn) =>
    microKernel(context, fn, kernel),
  );
}
