/** Stable sorts: every line is copied to a workspace, merged bottom-up with the comparator's code inside the merge, and copied back. */
import { sizeOf } from '../../core/shape.ts';
import type { Tile, TileOp } from '../tile/ir.ts';
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import { byteLengthOf, loadSingle, storeSingle } from './format.ts';
import { add, int, minS, mul, op as instruction, select } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import type { Program } from './program.ts';
import type { Walk } from './walk.ts';
import { linesOf, startInPlace } from './scan.ts';
import type { Window } from './window.ts';
import { baseAddress } from './window.ts';

interface Sorting {
  readonly program: Program;
  readonly op: TileOp<'sort'>;
  readonly windows: readonly Window[];
  readonly length: number;
}

/** Emit a sort. */
export function emitSort(walk: Walk, op: TileOp<'sort'>): void {
  const { program } = walk;
  const results = op.results as Tile[];
  const windows = startInPlace(walk, op.operands as Tile[], results);
  const { shape } = results[0].type;
  const { outer, length, inner } = linesOf(shape, op.attrs.axis);
  if (sizeOf(shape) === 0 || length < 2) return;
  const sorting: Sorting = { program, op, windows, length };
  const spaces = windows.map((window) =>
    program.scratch.take(2 * length * byteLengthOf(window.format)),
  );
  const line = sortLine(sorting, inner);
  const fn = program.module.fn('sort', [], program.fn);
  const a = fn.local('i32', 'a');
  const b = fn.local('i32', 'b');
  fn.for(a, { from: int(0), to: int(outer) }, () =>
    fn.for(b, { from: int(0), to: int(inner) }, () => {
      const index = fn.keep(add(mul(fn.get(a), int(length * inner)), fn.get(b)));
      const lines = windows.map((window) =>
        add(baseAddress(fn, window), mul(index, int(byteLengthOf(window.format)))),
      );
      fn.call(line, ...lines, ...spaces.map((offset) => program.address(offset)(fn)));
    }),
  );
  program.fn.callOutlined(fn);
  spaces.forEach((offset) => program.scratch.release(offset));
  program.cost += program.trips * 4 * sizeOf(shape) * Math.ceil(Math.log2(length + 1));
}

/** The function that sorts one line: addresses of the lines, then of the workspaces. */
function sortLine({ program, op, windows, length }: Sorting, inner: number): Fn {
  const fn = program.module.fn('line');
  const lines = windows.map(() => fn.param('i32', 'line'));
  const spaces = windows.map(() => fn.param('i32', 'space'));
  const context: Context = { ...program.context, fn };
  const from = windows.map(() => fn.local('i32', 'from'));
  const to = windows.map(() => fn.local('i32', 'to'));
  windows.forEach((window, i) => {
    fn.set(from[i], fn.get(spaces[i]));
    fn.set(to[i], add(fn.get(spaces[i]), int(length * byteLengthOf(window.format))));
  });
  const copy = (isBack: boolean): void => {
    const k = fn.local('i32', 'k');
    fn.for(k, { from: int(0), to: int(length) }, () =>
      windows.forEach((window, i) => {
        const bytes = byteLengthOf(window.format);
        const strided = add(fn.get(lines[i]), mul(fn.get(k), int(inner * bytes)));
        const packed = add(fn.get(from[i]), mul(fn.get(k), int(bytes)));
        const [source, target] = isBack ? [packed, strided] : [strided, packed];
        fn.scope(() =>
          storeSingle(
            context,
            window.format,
            fn.keep(target),
            fn.keep(loadSingle(context, window.format, source, 0)),
          ),
        );
      }),
    );
    fn.release(k);
  };
  copy(false);
  const width = fn.local('i32', 'width');
  fn.set(width, int(1));
  fn.loop((again) => {
    mergeAll(context, { program, op, windows, length }, { from, to, width });
    const other = fn.local('i32', 'swap');
    windows.forEach((_, i) => {
      fn.set(other, fn.get(from[i]));
      fn.set(from[i], fn.get(to[i]));
      fn.set(to[i], fn.get(other));
    });
    fn.set(width, mul(fn.get(width), int(2)));
    fn.br(again, instruction('i32.lt_s', fn.get(width), int(length)));
  });
  copy(true);
  return fn;
}

/** Merge all pairs of neighbouring runs of `width` elements. */
function mergeAll(
  context: Context,
  sorting: Sorting,
  { from, to, width }: { from: readonly Local[]; to: readonly Local[]; width: Local },
): void {
  const { fn } = context;
  const low = fn.local('i32', 'low');
  const [mid, high, i, j, k] = ['mid', 'high', 'i', 'j', 'k'].map((name) => fn.local('i32', name));
  const end = int(sorting.length);
  fn.set(low, int(0));
  fn.loop((again) => {
    const capped = (base: Node): Node => minS(fn.keep(add(base, fn.get(width))), end);
    fn.scope(() => fn.set(mid, capped(fn.get(low))));
    fn.scope(() => fn.set(high, capped(fn.get(mid))));
    fn.set(i, fn.get(low));
    fn.set(j, fn.get(mid));
    fn.for(k, { from: fn.get(low), to: fn.get(high) }, () =>
      fn.scope(() => mergeOne(context, sorting, { from, to, mid, high, i, j, k })),
    );
    fn.set(low, fn.get(high));
    fn.br(again, instruction('i32.lt_s', fn.get(low), end));
  });
}

// The right run gives its element only if it is strictly before the left one's: that keeps the order of equals.
function mergeOne(
  context: Context,
  { program, op, windows }: Sorting,
  at: { from: readonly Local[]; to: readonly Local[] } & Record<
    'mid' | 'high' | 'i' | 'j' | 'k',
    Local
  >,
): void {
  const { fn } = context;
  const takeRight = fn.local('i32', 'right');
  const element = (index: Local, which: number): Node =>
    fn.keep(
      loadSingle(
        context,
        windows[which].format,
        add(fn.get(at.from[which]), mul(fn.get(index), int(byteLengthOf(windows[which].format)))),
        0,
      ),
    );
  fn.set(takeRight, instruction('i32.ge_s', fn.get(at.i), fn.get(at.mid)));
  const both = instruction(
    'i32.and',
    instruction('i32.eqz', fn.get(takeRight)),
    instruction('i32.lt_s', fn.get(at.j), fn.get(at.high)),
  );
  fn.if(both, () => {
    const args = windows.flatMap((_, which) => [element(at.j, which), element(at.i, which)]);
    fn.set(takeRight, program.inline(context, op.regions[0], args)[0]);
  });
  const source = fn.keep(select(fn.get(takeRight), fn.get(at.j), fn.get(at.i)));
  windows.forEach((window, which) => {
    const bytes = byteLengthOf(window.format);
    const address = fn.keep(add(fn.get(at.to[which]), mul(fn.get(at.k), int(bytes))));
    const value = fn.keep(
      loadSingle(context, window.format, add(fn.get(at.from[which]), mul(source, int(bytes))), 0),
    );
    storeSingle(context, window.format, address, value);
  });
  fn.set(at.j, add(fn.get(at.j), fn.get(takeRight)));
  fn.set(at.i, add(fn.get(at.i), instruction('i32.eqz', fn.get(takeRight))));
  fn.release(takeRight);
}
