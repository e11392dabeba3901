/**
 * The `dot` op: operands that are plain loads (through any transposes, slices, reshapes) are multiplied where they lie, others are put
 * into scratch memory first. Blocks that overhang their arrays become shorter loops. A product that is only stored goes straight to
 * where it is stored.
 */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Tile, TileOp } from '../tile/ir.ts';
import { planAccess } from './access.ts';
import { classOf } from './convert.ts';
import { byteLengthOf } from './format.ts';
import type { Format } from './format.ts';
import { makeGemm } from './gemm.ts';
import type { Element } from './gemm-kernel.ts';
import { elementBytes } from './gemm-kernel.ts';
import { add, int, mul, op as instruction } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { Form } from './pass.ts';
import { identityForms, Pass, reshapeForms } from './pass.ts';
import { fullSpace } from './program.ts';
import type { Program } from './program.ts';
import { resultWindow } from './walk.ts';
import type { Walk } from './walk.ts';
import type { Clip, Window } from './window.ts';
import { baseAddress } from './window.ts';

/** The extent of a product along an axis: at run time, and the values that it may have. */
interface Extent {
  readonly values: readonly number[];
  readonly node: Node;
  /** Which clip it comes from. */
  readonly key: string | undefined;
}

/** A matrix in memory: bytes per step of every axis. */
interface Matrix {
  readonly address: Node;
  readonly strides: readonly number[];
  readonly extents: readonly Extent[];
}

const fullExtent = (size: number): Extent => ({ values: [size], node: int(size), key: undefined });

const elementOf = (dtype: DType): Element => {
  const held = classOf(dtype);
  return held === 'bool' ? 'mask' : held;
};

/** Emit a dot. */
export function emitDot(walk: Walk, op: TileOp<'dot'>): void {
  const { program } = walk;
  const result = op.results[0] as Tile;
  const { dtype, shape } = result.type;
  const rank = shape.length;
  const [a, b] = (op.operands.slice(0, 2) as Tile[]).map((tile) =>
    operandMatrix(program, tile, dtype),
  );
  const target = storeTarget(walk, op, [a.extents[rank - 2], b.extents[rank - 1]]);
  const window = target?.window ?? resultWindow(walk, result);
  const accumulator = op.operands[2] as Tile | undefined;
  if (accumulator !== undefined) startFrom(program, accumulator, window);
  program.flush();
  const [m, n, k] = [
    a.extents[rank - 2],
    b.extents[rank - 1],
    inner(program, a.extents[rank - 1], b.extents[rank - 2]),
  ];
  const c = target ?? {
    window,
    strides: rowStrides(shape, byteLengthOf(window.format)),
    address: baseAddress(program.fn, window),
  };
  if (sizeOf(shape) > 0) {
    if (target === undefined && accumulator === undefined) clear(program, window, [m, n]);
    const sizes = {
      m: least(program, m, target?.extents[rank - 2]),
      n: least(program, n, target?.extents[rank - 1]),
      k,
    };
    emitProduct(program, { a, b, c, sizes, shape, dtype, accumulates: accumulator !== undefined });
  }
  program.setPlace(result, { kind: 'memory', window: c.window });
  if (target === undefined && mustRound(dtype)) roundInPlace(program, result, window);
}

const rowStrides = (shape: readonly number[], bytes: number): number[] => {
  const strides = shape.map(() => bytes);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
};

interface Product {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly c: { readonly strides: readonly number[]; readonly address: Node };
  readonly sizes: { readonly m: Extent; readonly n: Extent; readonly k: Extent };
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly accumulates: boolean;
}

function emitProduct(
  program: Program,
  { a, b, c, sizes, shape, dtype, accumulates }: Product,
): void {
  const { fn, scratch } = program;
  const rank = shape.length;
  const [row, column] = [rank - 2, rank - 1];
  const { m, n, k } = sizes;
  const gemm = makeGemm(program.context, {
    element: elementOf(dtype),
    m: m.values,
    n: n.values,
    k: k.values,
    aRow: a.strides[row],
    aDepth: a.strides[column],
    bDepth: b.strides[row],
    bColumn: b.strides[column],
    cRow: c.strides[row],
    accumulates,
  });
  const workspace = gemm.workspaceBytes > 0 ? scratch.take(gemm.workspaceBytes) : undefined;
  const w = workspace === undefined ? int(0) : program.address(workspace)(fn);
  const batch = (axis: number, addresses: readonly Node[]): void => {
    if (axis === row) return fn.call(gemm.fn, ...addresses, w, m.node, n.node, k.node);
    if (shape[axis] === 1) return batch(axis + 1, addresses);
    const counter = fn.local('i32', 'batch');
    return fn.for(counter, { from: int(0), to: int(shape[axis]) }, () => {
      const strides = [a.strides[axis], b.strides[axis], c.strides[axis]];
      batch(
        axis + 1,
        addresses.map((address, i) => fn.keep(add(address, mul(fn.get(counter), int(strides[i]))))),
      );
    });
  };
  batch(
    0,
    [a, b, c].map((matrix) => fn.keep(matrix.address)),
  );
  if (workspace !== undefined) {
    scratch.release(workspace);
    scratch.settle();
  }
  program.cost += (program.trips * 2 * sizeOf(shape) * k.values[0]) / 60;
}

// --- extents

/** The contracted axis: both operands must agree where both are cut. */
function inner(program: Program, a: Extent, b: Extent): Extent {
  if (a.key === undefined) return b;
  return b.key === undefined || a.key === b.key ? a : least(program, a, b);
}

function least({ fn }: Program, a: Extent, b: Extent | undefined): Extent {
  if (b === undefined || b.key === undefined || b.key === a.key) return a;
  if (a.key === undefined) return b;
  const values = [...new Set([...a.values, ...b.values])].toSorted((x, y) => y - x);
  const [x, y] = [fn.keep(a.node), fn.keep(b.node)];
  const node = fn.keep({
    kind: 'select',
    type: 'i32',
    args: [x, y, instruction('i32.lt_s', x, y)],
  });
  return { values, node, key: `${a.key}&${b.key}` };
}

// Rows and columns that the shorter loops do not compute are products with the fill, zero.
function clear(program: Program, window: Window, extents: readonly Extent[]): void {
  const { fn } = program;
  const sizes = window.axes.slice(-2).map((axis) => axis.size);
  const cut = extents.flatMap((extent, i) =>
    extent.key === undefined ? [] : [instruction('i32.lt_s', extent.node, int(sizes[i]))],
  );
  if (cut.length === 0) return;
  const shorter = cut.reduce((x, y) => instruction('i32.or', x, y));
  const bytes = window.axes.reduce((size, axis) => size * axis.size, byteLengthOf(window.format));
  fn.if(shorter, () =>
    fn.emit(instruction('memory.fill', baseAddress(fn, window), int(0), int(bytes))),
  );
}

// --- operands

const computedIn: Readonly<Record<Element, Format>> = {
  f32: 'f32',
  f64: 'f64',
  i32: 'i32',
  i64: 'i64',
  mask: 'mask',
};

/** An operand as a matrix of the result's element type: where it lies, or in scratch memory. */
function operandMatrix(program: Program, tile: Tile, dtype: DType): Matrix {
  const element = elementOf(dtype);
  const isSame = elementOf(tile.type.dtype) === element;
  const direct =
    isSame && tile.type.shape.length > 0
      ? directMatrix(program, tile, computedIn[element])
      : undefined;
  if (direct !== undefined) return direct;
  const { shape } = tile.type;
  let window: Window;
  if (isSame) {
    // Tiles that stay useful keep their memory; the place is known to later users.
    window = program.inMemory(tile);
    if (window.format !== computedIn[element]) {
      window = program.allocate('operand', tile.type.dtype, shape);
      program.write(tile, window, undefined);
    }
  } else {
    window = program.allocate('operand', dtype, shape);
    const forms = identityForms(shape.length);
    program.queue.add(fullSpace(shape), (pass) => {
      const value = pass.instance(tile, forms);
      const cast = pass.add({
        meaning: { kind: 'cast' },
        dtype,
        operands: [value],
        axes: value.axes,
      });
      return {
        kind: 'write',
        value: cast,
        mask: undefined,
        to: { window, forms },
        tile: undefined,
      };
    });
  }
  program.flush();
  return {
    address: program.fn.keep(baseAddress(program.fn, window)),
    strides: rowStrides(shape, byteLengthOf(window.format)),
    extents: shape.map(fullExtent),
  };
}

function directMatrix(program: Program, tile: Tile, format: Format): Matrix | undefined {
  const { shape } = tile.type;
  const pass = new Pass(fullSpace(shape), program);
  const instance = pass.instance(tile, identityForms(shape.length));
  const { meaning } = instance;
  if (meaning.kind !== 'memory' || instance.operands.length > 0 || Number(meaning.fill) !== 0)
    return undefined;
  if (meaning.window.format !== format) return undefined;
  if (program.queue.touches(meaning.window.area, 'writes')) program.flush();
  return matrixOf(program, shape, meaning);
}

/** A window at an index map as a matrix; undefined where it may leave its array in a way that a shorter loop does not mend. */
function matrixOf(
  program: Program,
  shape: readonly number[],
  { window, forms }: { window: Window; forms: readonly Form[] },
): Matrix | undefined {
  const { fn, symbols } = program;
  const rank = shape.length;
  const open = planAccess(symbols, fullSpace(shape), { window, forms });
  const clips: (Clip | undefined)[] = shape.map(() => undefined);
  const extents = shape.map(fullExtent);
  const dropped = open.guarded.some((dim) => !window.axes.some((axis) => axis.dim === dim));
  if (dropped || open.guards.some((guard) => guard.isBelow)) return undefined;
  if (open.guards.length > 0) {
    const windowClips = program.clipsOf(window).clips;
    for (const dim of open.guarded) {
      const windowAxis = window.axes.findIndex((axis) => axis.dim === dim);
      const axis = forms[windowAxis].coefs.findIndex((c) => c !== 0);
      const values = axis < rank - 2 ? undefined : cutValues(program, window, windowAxis);
      const clip = windowClips[windowAxis];
      if (values === undefined || clip === undefined || axis < 0) return undefined;
      clips[axis] = clip;
      extents[axis] = { values, node: clip.high(fn), key: clip.key };
    }
  }
  const access = planAccess(symbols, { ...fullSpace(shape), clips }, { window, forms });
  // Memory arguments hold no negative offsets.
  if (access.guards.length > 0 || access.form.coefs.some((stride) => stride < 0)) return undefined;
  const address = fn.keep(add(baseAddress(fn, window), int(access.form.constant)));
  return { address, strides: access.form.coefs, extents };
}

/** How many positions of a window axis can lie inside the array: all of them, or what is left over in the last block. */
function cutValues(program: Program, window: Window, windowAxis: number): number[] | undefined {
  const axis = window.axes[windowAxis];
  const { extent, origin } = window.dims[axis.dim];
  const [low, high] = program.symbols.boundsOf(origin.affine);
  const isBlocked =
    axis.step === 1 &&
    origin.affine.constant % axis.size === 0 &&
    [...origin.affine.terms.values()].every((factor) => factor % axis.size === 0);
  if (!isBlocked || low < 0 || high >= extent) return undefined;
  const left = extent % axis.size;
  const full = extent >= axis.size ? [axis.size] : [];
  return left === 0 ? full : [...full, left];
}

// --- results

// The accumulator's values are put where the product will be, which then adds to them.
function startFrom(program: Program, accumulator: Tile, window: Window): void {
  const place = program.place(accumulator);
  if (place?.kind === 'memory' && place.window.area === window.area) return;
  if (program.write(accumulator, window, undefined)) return;
  const copy = program.allocate('accumulator', accumulator.type.dtype, accumulator.type.shape);
  program.write(accumulator, copy, accumulator);
  program.write(accumulator, window, undefined);
}

const mustRound = (dtype: DType): boolean =>
  dtype === 'f16' || dtype === 'bf16' || (classOf(dtype) === 'i32' && dtypeInfo[dtype].bits < 32);

// Sums of small types are computed wide and cut once.
function roundInPlace(program: Program, result: Tile, window: Window): void {
  const { shape } = result.type;
  const forms = identityForms(shape.length);
  const { dtype } = result.type;
  const wide: DType = classOf(dtype) === 'f32' ? 'f32' : 'i32';
  program.queue.add(fullSpace(shape), (pass) => {
    const value = pass.add({
      meaning: { kind: 'memory', window, forms, fill: 0 },
      dtype: wide,
      operands: [],
      axes: (1 << shape.length) - 1,
    });
    const cast = pass.add({
      meaning: { kind: 'cast' },
      dtype,
      operands: [value],
      axes: value.axes,
    });
    return { kind: 'write', value: cast, mask: undefined, to: { window, forms }, tile: undefined };
  });
}

/** Where the product is stored, when storing is all that is done with it and nothing in between would notice. */
function storeTarget(
  walk: Walk,
  op: TileOp<'dot'>,
  extents: readonly Extent[],
): (Matrix & { readonly window: Window }) | undefined {
  const { program } = walk;
  const result = op.results[0] as Tile;
  const { dtype, shape } = result.type;
  if (mustRound(dtype) || dtype === 'bool' || op.operands.length > 2) return undefined;
  const found = findStore(walk, op);
  if (found === undefined) return undefined;
  const { store, forms } = found;
  const window = program.window(store.operands[0]);
  if (window.format !== computedIn[elementOf(dtype)]) return undefined;
  const matrix = matrixOf(program, shape, { window, forms });
  const rank = shape.length;
  if (matrix === undefined || matrix.strides[rank - 1] !== elementBytes(elementOf(dtype)))
    return undefined;
  // Where the operands are cut, the stored block must be cut alike: what lies outside would have to be zero.
  if (extents.some(({ key }, i) => key !== undefined && key !== matrix.extents[rank - 2 + i].key))
    return undefined;
  walk.done.add(store);
  return { ...matrix, window };
}

/** The store that takes a dot's result right after it, possibly reshaped, and the index of what is stored by the result's. */
function findStore(
  { region }: Walk,
  op: TileOp<'dot'>,
): { store: TileOp<'store'>; forms: readonly Form[] } | undefined {
  const rank = op.results[0].type.shape.length;
  let tile = op.results[0] as Tile;
  let forms: readonly Form[] = identityForms(rank);
  for (let at = region.ops.indexOf(op) + 1; at < region.ops.length; at++) {
    const next = region.ops[at];
    const uses = region.ops.filter(
      (user) => user.operands.includes(tile) || user.regions.length > 0,
    );
    if (uses.length !== 1 || uses[0] !== next || region.results.includes(tile)) return undefined;
    if (next.kind === 'store')
      return next.operands.length === 2 && next.operands[1] === tile
        ? { store: next, forms }
        : undefined;
    if (next.kind !== 'reshape') return undefined;
    const to = next.results[0] as Tile;
    const moved = reshapeForms(to.type.shape, tile.type.shape, forms, rank);
    if (moved === undefined) return undefined;
    [tile, forms] = [to, moved];
  }
  return undefined;
}
