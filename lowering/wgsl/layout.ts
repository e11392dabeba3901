/**
 * Layouts: which invocation holds which elements of a tile. One grid of TX × TY invocations serves a whole kernel and the layout is a
 * function of the tile's shape alone: rows (the last axis but one) are spread over `ty` in blocks, columns (the last axis) over `tx` in
 * vectors, leading axes over registers; axes of size 1 are repeated. So elementwise ops, broadcasts and reductions need no conversions.
 * Tiles keep their exact shape: what a layout holds beyond it is padding, which whoever reads across elements must mask.
 */
import { sizeOf, type Shape } from '../../core/shape.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';

/** How many components a register has. */
export type Width = 1 | 2 | 4;

/** The grid of invocations of a workgroup: `lid = ty · tx + tx`. */
export interface Threads {
  readonly tx: number;
  readonly ty: number;
}

/** The layout of a shape. */
export interface Layout {
  readonly shape: Shape;
  readonly threads: Threads;
  /** Sizes of the last two axes; 1 where there is none. */
  readonly rows: number;
  readonly columns: number;
  /** Rows per invocation, and column vectors per invocation. */
  readonly rowRegisters: number;
  readonly columnRegisters: number;
  readonly width: Width;
  /** Extent of every register loop: one per axis of the shape. */
  readonly loops: readonly number[];
  /** Registers per invocation. */
  readonly registers: number;
}

/** An index along one axis; `at` may run past `hi` in the padding. */
export interface Coord {
  readonly at: Affine;
  readonly lo: number;
  readonly hi: number;
}

/** A place in a tile: `width` elements from `coords` along `axis`. */
export interface Point {
  readonly coords: readonly Coord[];
  readonly width: Width;
  readonly axis: number;
}

/** A register of a layout, or one component of it. */
export interface Place {
  readonly register: Affine;
  readonly component: number | undefined;
}

/** Elements per invocation decide the width: vectors as long as they cost nearly no padding. */
function widthOf(columns: number, tx: number): Width {
  const least = Math.ceil(columns / tx);
  for (const width of [4, 2] as const)
    if (columns % width === 0 && Math.ceil(columns / (tx * width)) * width <= least * 1.25)
      return width;
  return 1;
}

/** The layout of a shape on a grid of invocations. */
export function layoutOf(shape: Shape, threads: Threads): Layout {
  const rank = shape.length;
  const columns = rank > 0 ? shape[rank - 1] : 1;
  const rows = rank > 1 ? shape[rank - 2] : 1;
  const width = columns === 1 ? 1 : widthOf(columns, threads.tx);
  const columnRegisters = columns === 1 ? 1 : Math.ceil(columns / (threads.tx * width));
  const rowRegisters = rows === 1 ? 1 : Math.ceil(rows / threads.ty);
  const loops = shape.map((size, axis) =>
    axis === rank - 1 ? columnRegisters : axis === rank - 2 ? rowRegisters : size,
  );
  return {
    shape,
    threads,
    rows,
    columns,
    rowRegisters,
    columnRegisters,
    width,
    loops,
    registers: sizeOf(loops),
  };
}

/** The index of the invocation among the rows and among the columns. */
export const ty = (threads: Threads): Affine =>
  affine.variable('ty', { lo: 0, hi: threads.ty - 1 });
/** The index of the invocation among the columns. */
export const tx = (threads: Threads): Affine =>
  affine.variable('tx', { lo: 0, hi: threads.tx - 1 });

/** Where the first element of this invocation lies along the last two axes, without its registers. */
function origin(layout: Layout, axis: number): Affine {
  const rank = layout.shape.length;
  if (layout.shape[axis] === 1) return affine.zero;
  if (axis === rank - 1) return affine.scale(tx(layout.threads), layout.width);
  if (axis === rank - 2) return affine.scale(ty(layout.threads), layout.rowRegisters);
  return affine.zero;
}

/** Elements between two registers along an axis. */
const stepOf = (layout: Layout, axis: number): number =>
  axis === layout.shape.length - 1 ? layout.threads.tx * layout.width : 1;

/** The place in the tile of a register, given its index along every register loop. */
export function pointOf(layout: Layout, registers: readonly Affine[]): Point {
  const coords = layout.shape.map((size, axis) => {
    const at =
      size === 1
        ? affine.zero
        : affine.add(origin(layout, axis), affine.scale(registers[axis], stepOf(layout, axis)));
    const { lo, hi } = affine.rangeOf(at);
    const last = axis === layout.shape.length - 1 ? size - layout.width : size - 1;
    return { at, lo, hi: Math.min(hi, last) };
  });
  return {
    coords,
    width: layout.width,
    axis: layout.width === 1 ? -1 : layout.shape.length - 1,
  };
}

/** Whether the layout holds positions beyond the tile along an axis. */
export const isPadded = (layout: Layout, axis: number): boolean => {
  const rank = layout.shape.length;
  const size = layout.shape[axis];
  if (size === 1) return false;
  if (axis === rank - 1) return layout.columnRegisters * layout.threads.tx * layout.width > size;
  return axis === rank - 2 && layout.rowRegisters * layout.threads.ty > size;
};

/** Register number, row-major over the register loops. */
export function flatRegister(layout: Layout, registers: readonly Affine[]): Affine {
  let flat = affine.zero;
  layout.loops.forEach((extent, i) => {
    flat = affine.add(affine.scale(flat, extent), registers[i]);
  });
  return flat;
}

/** Which register of this invocation holds a place of the tile; undefined when another invocation may hold it. */
export function placeOf(layout: Layout, point: Point): Place | undefined {
  const rank = layout.shape.length;
  if (point.width > 1 && (point.axis !== rank - 1 || point.width !== layout.width))
    return undefined;
  const registers: Affine[] = [];
  let component: number | undefined;
  for (let axis = 0; axis < rank; axis++) {
    if (layout.shape[axis] === 1) {
      registers.push(affine.zero);
      continue;
    }
    let own = affine.subtract(point.coords[axis].at, origin(layout, axis));
    if (axis === rank - 1 && point.width < layout.width) {
      component = ((own.constant % layout.width) + layout.width) % layout.width;
      own = affine.offset(own, -component);
    }
    const index = affine.divide(own, stepOf(layout, axis));
    if (index === undefined || index.terms.some((t) => t.v.name === 'tx' || t.v.name === 'ty'))
      return undefined;
    const { lo, hi } = affine.rangeOf(index);
    if (lo < 0 || hi >= layout.loops[axis]) return undefined;
    registers.push(index);
  }
  return { register: flatRegister(layout, registers), component };
}

/** The place of one component of a vector place. */
export function componentOf(point: Point, component: number): Point {
  const coords = point.coords.map((c, axis) =>
    axis === point.axis
      ? { at: affine.offset(c.at, component), lo: c.lo + component, hi: c.hi + component }
      : c,
  );
  return { coords, width: 1, axis: -1 };
}

const keys = new WeakMap<Point, string>();

/** A name for a place. */
export function keyOf(point: Point): string {
  let key = keys.get(point);
  if (key === undefined) {
    key = `${point.coords.map((c) => affine.print(c.at)).join('|')}#${point.width}@${point.axis}`;
    keys.set(point, key);
  }
  return key;
}
