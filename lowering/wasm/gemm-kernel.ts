/**
 * Micro-kernels of matrix products: a block of `rows` × `vectors` accumulators held in registers, one row of B vectors and one splat
 * of A per step of the contracted axis. Which block shape is fastest, and whether the loop wants exit tests between unrolled steps,
 * was measured per compiler: sixteen registers, one of which V8 keeps; a single spilled accumulator halves the speed.
 */
import type { Context, WasmFeatures } from './convert.ts';
import type { Fn } from './fn.ts';
import { add, int, laneOp, memory, op, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { OpName } from './ops.ts';

/** Element types that products are computed in. `mask`: truth values, with or as sum and and as product. */
export type Element = 'f32' | 'f64' | 'i32' | 'i64' | 'mask';

/** Bytes of an element. */
export const elementBytes = (element: Element): number =>
  element === 'f64' || element === 'i64' ? 8 : 4;
/** Elements in a vector. */
export const lanesOf = (element: Element): number => 16 / elementBytes(element);

/** A product. Extents list the values that may occur, the largest first; strides in bytes. */
export interface GemmSpec {
  readonly element: Element;
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly k: readonly number[];
  readonly aRow: number;
  readonly aDepth: number;
  readonly bDepth: number;
  readonly bColumn: number;
  readonly cRow: number;
  /** Whether C holds what the product is added to. */
  readonly accumulates: boolean;
}

/** A product as a function `gemm(a, b, c, workspace, m, n, k)`. */
export interface Gemm {
  readonly fn: Fn;
  readonly workspaceBytes: number;
}

/** Shape of a micro-kernel and of its loop. */
export interface KernelShape {
  readonly rows: number;
  readonly vectors: number;
  /** `row`: the vectors of B stay while A's rows pass; `column`: the splats of A stay while B's vectors pass. */
  readonly order: 'row' | 'column';
  readonly unroll: number;
  /** Test for the end after every step: the old V8 moves all loads of a straight piece of code to its start. */
  readonly breaks: boolean;
}

const isFused = ({ relaxed, exact }: WasmFeatures, element: Element): boolean =>
  relaxed && !exact && (element === 'f32' || element === 'f64');

/** The block shape for large products on an engine. */
export function kernelShape(features: WasmFeatures, element: Element): KernelShape {
  const fused = isFused(features, element);
  switch (features.engine) {
    case 'v8':
      return { rows: fused ? 6 : 5, vectors: 2, order: 'row', unroll: 4, breaks: false };
    case 'jsc':
      return fused
        ? { rows: 3, vectors: 3, order: 'row', unroll: 1, breaks: false }
        : { rows: 4, vectors: 2, order: 'row', unroll: 2, breaks: true };
    default:
      return fused
        ? { rows: 3, vectors: 3, order: 'column', unroll: 4, breaks: true }
        : { rows: 4, vectors: 2, order: 'row', unroll: 2, breaks: true };
  }
}

/** The block shape for products with few rows or columns. */
export function skinnyShape(shape: KernelShape, m: number, n: number, lanes: number): KernelShape {
  if (m === 1)
    return {
      ...shape,
      rows: 1,
      vectors: Math.min(12, Math.ceil(n / lanes)),
      order: 'row',
      unroll: 2,
    };
  if (n <= lanes) return { ...shape, rows: Math.min(m, 8), vectors: 1, order: 'row' };
  if (m <= 8 && n >= 6 * lanes && m !== 6 && m !== 5 && m !== 3)
    return { ...shape, rows: 2, vectors: 6, order: 'column', unroll: 2 };
  return { ...shape, rows: Math.min(shape.rows, m) };
}

/** Where a micro-kernel reads and writes; strides in bytes. */
export interface KernelStrides {
  readonly aRow: number;
  readonly aDepth: number;
  readonly bDepth: number;
  readonly cRow: number;
}

/** One micro-kernel. */
export interface KernelSpec {
  readonly element: Element;
  readonly shape: KernelShape;
  readonly strides: KernelStrides;
  /** Columns that count in the last vector's neighbourhood: `vectors · lanes` unless at the right edge. */
  readonly columns: number;
  /** Whether the sums start from what C holds. */
  readonly accumulates: boolean;
}

const splats: Readonly<Record<Element, OpName>> = {
  f32: 'v128.load32_splat',
  i32: 'v128.load32_splat',
  mask: 'v128.load32_splat',
  f64: 'v128.load64_splat',
  i64: 'v128.load64_splat',
};

/** acc + x · y on vectors of an element type. */
export function multiplyAccumulate(
  { features }: Context,
  element: Element,
  { x, y, acc }: { x: Node; y: Node; acc: Node },
): Node {
  switch (element) {
    case 'f32':
      return isFused(features, element)
        ? op('f32x4.relaxed_madd', x, y, acc)
        : op('f32x4.add', op('f32x4.mul', x, y), acc);
    case 'f64':
      return isFused(features, element)
        ? op('f64x2.relaxed_madd', x, y, acc)
        : op('f64x2.add', op('f64x2.mul', x, y), acc);
    case 'i32':
      return op('i32x4.add', op('i32x4.mul', x, y), acc);
    case 'i64':
      return op('i64x2.add', op('i64x2.mul', x, y), acc);
    case 'mask':
      return op('v128.or', op('v128.and', x, y), acc);
  }
}

/** Build a micro-kernel: `kernel(a, b, c, k)`, k ≥ 1 steps (k ≥ 0 without exit tests). */
export function microKernel(context: Context, fn: Fn, spec: KernelSpec): void {
  const [a, b, c, k] = ['a', 'b', 'c', 'k'].map((name) => fn.param('i32', name));
  const { shape, strides, accumulates } = spec;
  const vectors = Math.ceil(spec.columns / lanesOf(spec.element));
  const accs = Array.from({ length: shape.rows }, () =>
    Array.from({ length: vectors }, () => fn.local('v128', 'acc')),
  );
  accs.forEach((row, i) =>
    row.forEach((acc, j) =>
      fn.set(
        acc,
        accumulates ? memory('v128.load', i * strides.cRow + 16 * j, fn.get(c)) : fn.splatZero(),
      ),
    ),
  );
  const step = stepper({ ...context, fn }, spec, { a, b, accs });
  const advance = (steps: number): void => {
    fn.set(a, add(fn.get(a), int(steps * strides.aDepth)));
    fn.set(b, add(fn.get(b), int(steps * strides.bDepth)));
  };
  if (shape.breaks) loopWithBreaks(fn, k, shape.unroll, { step, advance });
  else loopUnrolled(fn, k, shape.unroll, { step, advance });
  storeBlock(fn, spec, c, accs);
}

interface Steps {
  readonly step: (u: number) => void;
  readonly advance: (steps: number) => void;
}

function loopUnrolled(fn: Fn, k: Local, unroll: number, { step, advance }: Steps): void {
  const repeat = (steps: number): void =>
    fn.if(op('i32.ge_s', fn.get(k), int(steps)), () =>
      fn.loop((again) => {
        for (let u = 0; u < steps; u++) step(u);
        advance(steps);
        fn.br(again, op('i32.ge_s', fn.tee(k, sub(fn.get(k), int(steps))), int(steps)));
      }),
    );
  repeat(unroll);
  if (unroll > 1) repeat(1);
}

function loopWithBreaks(fn: Fn, k: Local, unroll: number, { step, advance }: Steps): void {
  const left = (): Node => fn.tee(k, sub(fn.get(k), int(1)));
  fn.if(op('i32.gt_s', fn.get(k), int(0)), () =>
    fn.block((done) =>
      fn.loop((again) => {
        for (let u = 0; u < unroll; u++) {
          step(u);
          if (u < unroll - 1) fn.br(done, op('i32.eqz', left()));
        }
        advance(unroll);
        fn.br(again, left());
      }),
    ),
  );
}

function stepper(
  context: Context,
  spec: KernelSpec,
  at: { a: Local; b: Local; accs: Local[][] },
): (u: number) => void {
  const { fn } = context;
  const { element, shape, strides } = spec;
  const { accs } = at;
  const vectors = accs[0].length;
  const splat = (i: number, u: number): Node =>
    memory(splats[element], i * strides.aRow + u * strides.aDepth, fn.get(at.a));
  const loadB = (j: number, u: number): Node =>
    memory('v128.load', u * strides.bDepth + 16 * j, fn.get(at.b));
  const madd = (i: number, j: number, x: Local, y: Local): void =>
    fn.set(
      accs[i][j],
      multiplyAccumulate(context, element, { x: fn.get(x), y: fn.get(y), acc: fn.get(accs[i][j]) }),
    );
  if (shape.order === 'row') {
    const bs = Array.from({ length: vectors }, () => fn.local('v128', 'b'));
    const x = fn.local('v128', 'x');
    return (u) => {
      bs.forEach((local, j) => fn.set(local, loadB(j, u)));
      accs.forEach((row, i) => {
        fn.set(x, splat(i, u));
        row.forEach((_, j) => madd(i, j, x, bs[j]));
      });
    };
  }
  const xs = accs.map(() => fn.local('v128', 'x'));
  const y = fn.local('v128', 'b');
  return (u) => {
    xs.forEach((local, i) => fn.set(local, splat(i, u)));
    accs[0].forEach((_, j) => {
      fn.set(y, loadB(j, u));
      accs.forEach((_row, i) => madd(i, j, xs[i], y));
    });
  };
}

function storeBlock(
  fn: Fn,
  { element, strides, columns }: KernelSpec,
  c: Local,
  accs: readonly Local[][],
): void {
  const lanes = lanesOf(element);
  accs.forEach((row, i) =>
    row.forEach((acc, j) => {
      const offset = i * strides.cRow + 16 * j;
      const valid = Math.min(lanes, columns - lanes * j);
      if (valid === lanes) fn.emit(memory('v128.store', offset, fn.get(c), fn.get(acc)));
      else
        storePart(
          fn,
          { address: fn.get(c), offset, bytes: valid * elementBytes(element) },
          fn.get(acc),
        );
    }),
  );
}

/** Store the first 4, 8 or 12 bytes of a vector. */
export function storePart(
  fn: Fn,
  at: { address: Node; offset: number; bytes: number },
  value: Node,
): void {
  if (at.bytes >= 8) fn.emit(laneOp('v128.store64_lane', 0, at.offset, at.address, value));
  if (at.bytes % 8 === 4) {
    const lane = at.bytes === 12 ? 2 : 0;
    fn.emit(laneOp('v128.store32_lane', lane, at.offset + 4 * lane, at.address, value));
  }
}
