/** Writes to computed positions: scatter, element after element in row-major order, and atomic updates of one element. */
import { LoweringError } from '../../core/errors.ts';
import type { Combiner } from '../scalar.ts';
import type { Tile, TileOp } from '../tile/ir.ts';
import { combineSingles, finishSingle, singleConstant } from './combine.ts';
import { singleType } from './convert.ts';
import { byteLengthOf, loadSingle, storeSingle } from './format.ts';
import { locate } from './gather.ts';
import { laneOp, memory, op as instruction } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { OpName } from './ops.ts';
import type { Pass, Root } from './pass.ts';
import { identityForms } from './pass.ts';
import type { Program } from './program.ts';
import { fullSpace } from './program.ts';
import type { Walk } from './walk.ts';
import type { Window } from './window.ts';

/** Emit a scatter. */
export function emitScatter({ program }: Walk, op: TileOp<'scatter'>): void {
  const window = program.window(op.operands[0]);
  const rank = window.axes.length;
  const tiles = op.operands.slice(1) as Tile[];
  const update = tiles[rank];
  const { shape } = update.type;
  const forms = identityForms(shape.length);
  const make = (pass: Pass): Root => ({
    kind: 'scatter',
    window,
    indices: tiles.slice(0, rank).map((tile) => pass.instance(tile, forms)),
    value: pass.instance(update, forms),
    mask: op.attrs.masked ? pass.instance(tiles[rank + 1], forms) : undefined,
    combiner: op.attrs.combiner,
  });
  if (program.queue.add(fullSpace(shape), make)) return;
  // What it reads out of the memory that it writes is read before.
  for (const tile of tiles) if (program.place(tile) === undefined) program.materialise(tile);
  program.queue.add(fullSpace(shape), make);
}

const direct: Partial<Record<Combiner | 'exchange', OpName>> = {
  add: 'i32.atomic.rmw.add',
  and: 'i32.atomic.rmw.and',
  or: 'i32.atomic.rmw.or',
  xor: 'i32.atomic.rmw.xor',
  exchange: 'i32.atomic.rmw.xchg',
};

/** Emit an atomic update: by one instruction where there is one, else by compare and exchange. */
export function emitAtomic({ program }: Walk, op: TileOp<'atomic'>): void {
  const { fn, context } = program;
  const window = program.window(op.operands[0]);
  const [value, mask] = op.operands.slice(1).map((tile) => program.single(tile as Tile));
  program.flush();
  const result = op.results[0] as Tile;
  const { dtype } = result.type;
  const old = fn.local(singleType(dtype), 'old');
  fn.set(old, singleConstant(context, dtype, 0));
  const { address, inside } = locate(context, window, []);
  const wanted = mask === undefined ? inside : instruction('i32.and', inside, mask);
  fn.if(wanted, () => fn.set(old, update(program, op, { window, address, value })));
  program.setSingle(result, fn.get(old));
}

function update(
  program: Program,
  op: TileOp<'atomic'>,
  { window, address, value }: { window: Window; address: Node; value: Node },
): Node {
  const { fn, context } = program;
  const { combiner } = op.attrs;
  const { dtype } = op.results[0].type;
  const next = (old: Node): Node =>
    combiner === 'exchange'
      ? value
      : finishSingle(
          context,
          dtype,
          fn.keep(combineSingles(context, combiner, dtype, [old, value])),
        );
  if (!window.area.isShared) {
    const old = fn.keep(loadSingle(context, window.format, address, 0));
    storeSingle(context, window.format, address, fn.keep(next(old)));
    return old;
  }
  const bytes = byteLengthOf(window.format);
  if (bytes < 4)
    throw new LoweringError(
      `atomic: elements have 32 or 64 bits on this target; got ${dtype}. Use a wider type.`,
    );
  const one = direct[combiner];
  if (window.format === 'i32' && one !== undefined) return memory(one, 0, address, value);
  const word = bytes === 4 ? 'i32' : 'i64';
  const seen = fn.local(word, 'seen');
  const before = fn.local(word, 'before');
  fn.set(seen, memory(bytes === 4 ? 'i32.atomic.load' : 'i64.atomic.load', 0, address));
  fn.loop((again) => {
    fn.set(before, fn.get(seen));
    const wanted = toBits(window, fn.keep(next(fn.keep(fromBits(window, fn.get(before))))));
    const swap = bytes === 4 ? 'i32.atomic.rmw.cmpxchg' : 'i64.atomic.rmw.cmpxchg';
    fn.set(seen, memory(swap, 0, address, fn.get(before), wanted));
    fn.br(again, instruction(`${word}.ne`, fn.get(seen), fn.get(before)));
  });
  return fn.keep(fromBits(window, fn.get(before)));
}

const fromBits = (window: Window, bits: Node): Node =>
  window.format === 'f32'
    ? instruction('i32x4.splat', bits)
    : window.format === 'f64'
      ? instruction('f64.reinterpret_i64', bits)
      : bits;

const toBits = (window: Window, value: Node): Node => {
  if (window.format === 'f32') return laneOp('i32x4.extract_lane', 0, 0, value);
  return window.format === 'f64' ? instruction('i64.reinterpret_f64', value) : value;
};
