/** Runs the ops of a kernel's regions for one program step: the meaning of the tile IR. Recurses over the nesting of regions only. */
import { KernelError } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import {
  combine,
  element,
  filled,
  offsets,
  reducedStrides,
  type Data,
  type Real,
} from './interpret-data.ts';
import {
  makeMemory,
  placeOf,
  positions,
  sliceWindow,
  transposeWindow,
  wholeWindow,
  type Access,
  type Window,
} from './interpret-memory.ts';
import { linesOf, pureTile, reduceNamed, scanNamed } from './interpret-tiles.ts';
import type { TileOp, TileRegion, TileValue } from './ir.ts';

/** The value of anything in a kernel. */
export type Value = Data | Window;

/** What a program step knows. */
export interface Step {
  readonly values: Map<TileValue, Value>;
  readonly access: Access;
  /** Index along every grid axis, and the extents. */
  readonly ids: readonly number[];
  readonly extents: readonly number[];
  readonly print: (text: string) => void;
}

const scalar = (value: Real, dtype: Data['dtype'] = 'i32'): Data => ({
  dtype,
  shape: [],
  values: [value],
});

function tileOf(step: Step, value: TileValue): Data {
  const found = step.values.get(value);
  if (found === undefined || !('values' in found))
    throw new KernelError('interpret: a tile was used before it was defined.');
  return found;
}

function windowOf(step: Step, value: TileValue): Window {
  const found = step.values.get(value);
  if (found === undefined || 'values' in found)
    throw new KernelError('interpret: a ref was used before it was defined.');
  return found;
}

/** Run a region with these arguments; gives what it yields. */
export function runRegion(region: TileRegion, args: readonly Value[], step: Step): Data[] {
  region.args.forEach((arg, i) => step.values.set(arg, args[i]));
  for (const op of region.ops) runOp(op, step);
  return region.results.map((r) => tileOf(step, r));
}

const isTrue = (data: Data): boolean => data.values[0] !== 0;

function runFor(op: TileOp<'for'>, xs: readonly Data[], step: Step): Data[] {
  const [lo, hi, by] = xs.slice(0, 3).map((x) => Number(x.values[0]));
  let carried = xs.slice(3);
  if (by === 0)
    throw new KernelError('for: the step must not be 0; got 0. Give a positive or negative step.');
  for (let i = lo; by > 0 ? i < hi : i > hi; i += by)
    carried = runRegion(op.regions[0], [scalar(i), ...carried], step);
  return carried;
}

function runWhile(op: TileOp<'while'>, xs: readonly Data[], step: Step): Data[] {
  let carried = [...xs];
  while (isTrue(runRegion(op.regions[0], carried, step)[0]))
    carried = runRegion(op.regions[1], carried, step);
  return carried;
}

function fillOf(op: TileOp<'load' | 'gather'>): Real | undefined {
  const { fill } = op.attrs;
  return fill === undefined ? undefined : element(fill, op.results[0].type.dtype);
}

function load(op: TileOp<'load'>, step: Step): Data {
  const window = windowOf(step, op.operands[0]);
  const [mask, other] = op.operands.slice(1).map((x) => tileOf(step, x));
  const { dtype, shape } = op.results[0].type;
  const fill = fillOf(op);
  const values: Real[] = [];
  for (const at of positions(shape)) {
    const isOn = mask === undefined || mask.values[values.length] !== 0;
    const off = other?.values[values.length] ?? fill ?? step.access.undefinedValue(dtype);
    values.push(isOn ? step.access.read(window, at, fill) : off);
  }
  return { dtype, shape, values };
}

function write(op: TileOp<'store' | 'accumulate'>, step: Step): void {
  const window = windowOf(step, op.operands[0]);
  const [tile, mask] = op.operands.slice(1).map((x) => tileOf(step, x));
  const f = op.kind === 'accumulate' ? combine(op.attrs.combiner, tile.dtype) : undefined;
  let n = 0;
  for (const at of positions(tile.shape)) {
    const value = tile.values[n];
    const isOn = mask === undefined || mask.values[n] !== 0;
    n++;
    if (isOn)
      step.access.write(
        window,
        at,
        f === undefined ? value : f(step.access.read(window, at, undefined), value, 0),
      );
  }
}

function atomic(op: TileOp<'atomic'>, step: Step): Data {
  const window = windowOf(step, op.operands[0]);
  const [value, mask] = op.operands.slice(1).map((x) => tileOf(step, x));
  const { combiner } = op.attrs;
  const { offset, inArray } = placeOf(window, []);
  if (!inArray || (mask !== undefined && mask.values[0] === 0))
    return filled(value.dtype, [], step.access.undefinedValue(value.dtype));
  const old = window.memory.values[offset];
  const next =
    combiner === 'exchange'
      ? value.values[0]
      : combine(combiner, value.dtype)(old, value.values[0], 0);
  step.access.write(window, [], next, true);
  return scalar(old, value.dtype);
}

/** Index tiles at one place, as a position of the ref; undefined where it is masked off or out of bounds of the ref. */
function indexAt(
  window: Window,
  indices: readonly Data[],
  mask: Data | undefined,
  n: number,
): number[] | undefined {
  if (mask !== undefined && mask.values[n] === 0) return undefined;
  const at = indices.map((i) => Number(i.values[n]));
  return window.axes.every((a, i) => at[i] >= 0 && at[i] < a.size) ? at : undefined;
}

function gather(op: TileOp<'gather'>, step: Step): Data {
  const window = windowOf(step, op.operands[0]);
  const rank = window.axes.length;
  const indices = op.operands.slice(1, 1 + rank).map((x) => tileOf(step, x));
  const mask = op.attrs.masked ? tileOf(step, op.operands[1 + rank]) : undefined;
  const { dtype, shape } = op.results[0].type;
  const fill = fillOf(op);
  const values = Array.from({ length: sizeOf(shape) }, (_, n) => {
    const at = indexAt(window, indices, mask, n);
    return at === undefined
      ? (fill ?? step.access.undefinedValue(dtype))
      : step.access.read(window, at, fill);
  });
  return { dtype, shape, values };
}

function scatter(op: TileOp<'scatter'>, step: Step): void {
  const window = windowOf(step, op.operands[0]);
  const rank = window.axes.length;
  const indices = op.operands.slice(1, 1 + rank).map((x) => tileOf(step, x));
  const update = tileOf(step, op.operands[1 + rank]);
  const mask = op.attrs.masked ? tileOf(step, op.operands[2 + rank]) : undefined;
  const { combiner } = op.attrs;
  const f = combiner === 'set' ? undefined : combine(combiner, update.dtype);
  update.values.forEach((value, n) => {
    const at = indexAt(window, indices, mask, n);
    if (at !== undefined)
      step.access.write(
        window,
        at,
        f === undefined ? value : f(step.access.read(window, at, undefined), value, 0),
      );
  });
}

/** Fold N tiles with a region: rank-0 accumulators and elements. */
function combineWith(
  op: TileOp<'reduce' | 'scan'>,
  step: Step,
  acc: readonly Real[],
  x: readonly Real[],
): Real[] {
  const args = [...acc, ...x].map((v, i) => scalar(v, op.results[i % acc.length].type.dtype));
  return runRegion(op.regions[0], args, step).map((d) => d.values[0]);
}

function reduce(op: TileOp<'reduce'>, xs: readonly Data[], step: Step): Data[] {
  const { axes, combiner } = op.attrs;
  if (combiner !== undefined) return [reduceNamed(xs[0], combiner, axes)];
  const n = xs.length / 2;
  const tiles = xs.slice(0, n);
  const out = op.results.map((r, i) => filled(r.type.dtype, r.type.shape, xs[n + i].values[0]));
  offsets(tiles[0].shape, reducedStrides(tiles[0].shape, axes)).forEach((at, i) => {
    const next = combineWith(
      op,
      step,
      out.map((d) => d.values[at]),
      tiles.map((t) => t.values[i]),
    );
    next.forEach((v, j) => (out[j].values[at] = v));
  });
  return out;
}

function scan(op: TileOp<'scan'>, xs: readonly Data[], step: Step): Data[] {
  const { axis, reverse, combiner } = op.attrs;
  if (combiner !== undefined) return [scanNamed(xs[0], op, combiner)];
  const n = xs.length / 2;
  const out = xs.slice(0, n).map((x) => ({ ...x, values: [...x.values] }));
  for (const line of linesOf(xs[0], axis, reverse)) {
    let acc = xs.slice(n).map((init) => init.values[0]);
    for (const at of line) {
      acc = combineWith(
        op,
        step,
        acc,
        xs.slice(0, n).map((x) => x.values[at]),
      );
      acc.forEach((v, j) => (out[j].values[at] = v));
    }
  }
  return out;
}

function sort(op: TileOp<'sort'>, xs: readonly Data[], step: Step): Data[] {
  const out = xs.map((x) => ({ ...x, values: [...x.values] }));
  const isBefore = (a: number, b: number): boolean =>
    isTrue(
      runRegion(
        op.regions[0],
        xs.flatMap((x) => [scalar(x.values[a], x.dtype), scalar(x.values[b], x.dtype)]),
        step,
      )[0],
    );
  for (const line of linesOf(xs[0], op.attrs.axis)) {
    const order = line.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
    line.forEach((at, i) => out.forEach((d, j) => (d.values[at] = xs[j].values[order[i]])));
  }
  return out;
}

function printed(format: string, xs: readonly Data[]): string {
  let n = 0;
  const show = (d: Data): string =>
    d.shape.length === 0 ? String(d.values[0]) : `[${d.values.join(', ')}]`;
  const text = format.replaceAll('{}', () => (n < xs.length ? show(xs[n++]) : '{}'));
  return [text, ...xs.slice(n).map(show)].join(' ');
}

function slice(op: TileOp<'slice_ref'>, step: Step): Window {
  const starts = op.operands.slice(1).map((x) => Number(tileOf(step, x).values[0]));
  return sliceWindow(windowOf(step, op.operands[0]), starts, op.attrs);
}

/** The values of an op's results. */
function evaluate(op: TileOp, step: Step): readonly Value[] {
  const tiles = (): Data[] => op.operands.map((x) => tileOf(step, x));
  switch (op.kind) {
    case 'programId':
      return [scalar(step.ids[op.attrs.axis])];
    case 'numPrograms':
      return [scalar(step.extents[op.attrs.axis])];
    case 'for':
      return runFor(op, tiles(), step);
    case 'while':
      return runWhile(op, tiles(), step);
    case 'if':
      return runRegion(op.regions[isTrue(tileOf(step, op.operands[0])) ? 0 : 1], [], step);
    case 'load':
      return [load(op, step)];
    case 'store':
    case 'accumulate':
      write(op, step);
      return [];
    case 'atomic':
      return [atomic(op, step)];
    case 'gather':
      return [gather(op, step)];
    case 'scatter':
      scatter(op, step);
      return [];
    case 'alloc': {
      const { dtype, shape } = op.results[0].type;
      return [wholeWindow(makeMemory('alloc', dtype, shape, step.access.isChecked))];
    }
    case 'slice_ref':
      return [slice(op, step)];
    case 'transpose_ref':
      return [transposeWindow(windowOf(step, op.operands[0]), op.attrs.permutation)];
    case 'reduce':
      return reduce(op, tiles(), step);
    case 'scan':
      return scan(op, tiles(), step);
    case 'sort':
      return sort(op, tiles(), step);
    case 'print':
      step.print(printed(op.attrs.format, tiles()));
      return [];
    case 'check':
      if (step.access.isChecked && !isTrue(tileOf(step, op.operands[0])))
        throw new KernelError(op.attrs.message);
      return [];
    default:
      return [pureTile(op, tiles())];
  }
}

function runOp(op: TileOp, step: Step): void {
  step.access.frame = op.frame;
  const results = evaluate(op, step);
  op.results.forEach((r, i) => step.values.set(r, results[i]));
}
