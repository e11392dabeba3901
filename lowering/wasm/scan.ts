/** Scans: the operand is put where the result goes, then every line is folded in place, four neighbouring lines at a time where it can. */
import { sizeOf } from '../../core/shape.ts';
import type { Tile, TileOp } from '../tile/ir.ts';
import {
  combineSingles,
  combineVectors,
  finishSingle,
  finishVector,
  identityOf,
  laneBits,
  singleConstant,
} from './combine.ts';
import type { Context } from './convert.ts';
import { isNarrow, singleType } from './convert.ts';
import type { Fn } from './fn.ts';
import { byteLengthOf, loadSingle, loadVector, storeSingle, storeVector } from './format.ts';
import { add, int, mul, sub } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { Program } from './program.ts';
import { resultWindow } from './walk.ts';
import type { Walk } from './walk.ts';
import type { Window } from './window.ts';
import { baseAddress } from './window.ts';

/** Put the operands of an op that works in place into the memory of its results. */
export function startInPlace(
  walk: Walk,
  sources: readonly Tile[],
  results: readonly Tile[],
): Window[] {
  const { program } = walk;
  const windows = results.map((result, i) => {
    const window = resultWindow(walk, result);
    if (program.write(sources[i], window, undefined)) return window;
    const copy = program.allocate('copy', result.type.dtype, result.type.shape);
    program.write(sources[i], copy, undefined);
    return copy;
  });
  program.flush();
  results.forEach((result, i) => program.setPlace(result, { kind: 'memory', window: windows[i] }));
  return windows;
}

/** The lines of a row-major tile along an axis: `outer` × `inner` lines of `length` elements, `inner` elements apart. */
export interface Lines {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** The lines of a shape along an axis. */
export const linesOf = (shape: readonly number[], axis: number): Lines => ({
  outer: sizeOf(shape.slice(0, axis)),
  length: shape[axis],
  inner: sizeOf(shape.slice(axis + 1)),
});

/** Emit a scan. */
export function emitScan(walk: Walk, op: TileOp<'scan'>): void {
  const { program } = walk;
  const count = op.results.length;
  const results = op.results as Tile[];
  const inits = op.operands.slice(count).map((tile) => program.single(tile as Tile));
  const windows = startInPlace(walk, op.operands.slice(0, count) as Tile[], results);
  const lines = linesOf(results[0].type.shape, op.attrs.axis);
  if (sizeOf(results[0].type.shape) === 0) return;
  const outer = program.fn;
  const fn = program.module.fn('scan', [], outer);
  const context: Context = { ...program.context, fn };
  const bases = windows.map((window) => fn.keep(baseAddress(fn, window)));
  const outerCounter = fn.local('i32', 'a');
  const bytes = windows.map((window) => byteLengthOf(window.format));
  const isWide =
    op.attrs.combiner !== undefined && isNarrow(results[0].type.dtype) && lines.inner >= 4;
  fn.for(outerCounter, { from: int(0), to: int(lines.outer) }, () => {
    const rows = bases.map((base, i) =>
      add(base, mul(fn.get(outerCounter), int(lines.length * lines.inner * bytes[i]))),
    );
    if (isWide) scanVectors(context, op, { window: windows[0], row: rows[0], lines });
    else scanSingles(program, context, op, { windows, rows, lines, inits });
  });
  outer.callOutlined(fn);
  program.cost += program.trips * sizeOf(results[0].type.shape);
}

/** Emit a loop over the positions of a line in the order of the scan; `at`: the offset in bytes. */
function along(
  fn: Fn,
  op: TileOp<'scan'>,
  { lines, bytes }: { lines: Lines; bytes: number },
  fill: (at: (i: number) => Node) => void,
): void {
  const k = fn.local('i32', 'k');
  const position = op.attrs.reverse ? sub(int(lines.length - 1), fn.get(k)) : fn.get(k);
  fn.for(k, { from: int(0), to: int(lines.length) }, () => {
    const index = fn.keep(mul(position, int(lines.inner)));
    fill((width) => mul(index, int(width === 0 ? bytes : width)));
  });
}

function scanVectors(
  context: Context,
  op: TileOp<'scan'>,
  { window, row, lines }: { window: Window; row: Node; lines: Lines },
): void {
  const { fn } = context;
  const { dtype } = op.results[0].type;
  const combiner = op.attrs.combiner!;
  const bytes = byteLengthOf(window.format);
  const acc = fn.local('v128', 'acc');
  const strip = (start: Node, lanes: number): void => {
    const base = fn.keep(add(row, mul(start, int(bytes))));
    fn.set(acc, fn.splat(laneBits(dtype, identityOf(combiner, dtype))));
    along(fn, op, { lines, bytes }, (at) =>
      fn.scope(() => {
        const address = fn.keep(add(base, at(0)));
        const x = fn.keep(loadVector(context, window.format, address, 0));
        fn.set(acc, combineVectors(context, combiner, dtype, [fn.get(acc), x]));
        const value = fn.keep(finishVector(context, dtype, fn.get(acc)));
        storeVector(context, window.format, { address, offset: 0, lanes }, value);
      }),
    );
  };
  const counter = fn.local('i32', 'i');
  const main = lines.inner - (lines.inner % 4);
  fn.for(counter, { from: int(0), to: int(main), step: 4 }, () =>
    fn.scope(() => strip(fn.get(counter), 4)),
  );
  if (main < lines.inner) fn.scope(() => strip(int(main), lines.inner - main));
}

function scanSingles(
  program: Program,
  context: Context,
  op: TileOp<'scan'>,
  {
    windows,
    rows,
    lines,
    inits,
  }: { windows: readonly Window[]; rows: readonly Node[]; lines: Lines; inits: readonly Node[] },
): void {
  const { fn } = context;
  const dtypes = op.results.map((result) => result.type.dtype);
  const accs = dtypes.map((dtype) => fn.local(singleType(dtype), 'acc'));
  const counter = fn.local('i32', 'i');
  const { combiner } = op.attrs;
  fn.for(counter, { from: int(0), to: int(lines.inner) }, () => {
    const bases = rows.map((row, i) =>
      fn.keep(add(row, mul(fn.get(counter), int(byteLengthOf(windows[i].format))))),
    );
    accs.forEach((acc, i) => {
      const start =
        combiner === undefined
          ? captured(fn, inits[i])
          : singleConstant(context, dtypes[i], identityOf(combiner, dtypes[i]));
      fn.set(acc, start);
    });
    along(fn, op, { lines, bytes: 0 }, (at) =>
      fn.scope(() => {
        const addresses = windows.map((window, i) =>
          fn.keep(add(bases[i], at(byteLengthOf(window.format)))),
        );
        const x = windows.map((window, i) =>
          fn.keep(loadSingle(context, window.format, addresses[i], 0)),
        );
        const old = accs.map((acc) => fn.get(acc));
        const next =
          combiner === undefined
            ? program.inline(context, op.regions[0], [...old, ...x])
            : [combineSingles(context, combiner, dtypes[0], [old[0], x[0]])];
        const kept = next.map((value) => fn.keep(value));
        kept.forEach((value, i) => fn.set(accs[i], value));
        windows.forEach((window, i) =>
          storeSingle(
            context,
            window.format,
            addresses[i],
            fn.keep(finishSingle(context, dtypes[i], fn.get(accs[i]))),
          ),
        );
      }),
    );
  });
}

/** A local of an outer function (or a constant) as a value inside. */
export const captured = (fn: Fn, node: Node): Node =>
  node.kind === 'get' ? fn.get(node.local) : node;
