/**
 * Packing: a panel of a matrix, `width` elements wide, copied so that its rows along the contracted axis lie one after the other. One
 * function per layout: rows that are contiguous are copied by vectors, columns that are contiguous are turned in 4 × 4 blocks.
 */
import type { Context } from './convert.ts';
import type { Fn } from './fn.ts';
import type { Element } from './gemm-kernel.ts';
import { elementBytes, lanesOf, storePart } from './gemm-kernel.ts';
import { add, int, memory, op, shuffle32, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';

/** A panel: `width` elements apart by `across`, `k` rows apart by `along` (bytes); `valid` of the width exist. */
export interface PanelSpec {
  readonly element: Element;
  readonly width: number;
  readonly valid: number;
  readonly across: number;
  readonly along: number;
}

/** Build `pack(source, target, k)`. */
export function packPanel(_context: Context, fn: Fn, spec: PanelSpec): void {
  const [source, target, k] = ['s', 'd', 'k'].map((name) => fn.param('i32', name));
  const bytes = elementBytes(spec.element);
  const rowBytes = spec.width * bytes;
  const loop = (steps: number, body: () => void): void =>
    fn.if(op('i32.ge_s', fn.get(k), int(steps)), () =>
      fn.loop((again) => {
        body();
        fn.set(source, add(fn.get(source), int(steps * spec.along)));
        fn.set(target, add(fn.get(target), int(steps * rowBytes)));
        fn.br(again, op('i32.ge_s', fn.tee(k, sub(fn.get(k), int(steps))), int(steps)));
      }),
    );
  if (spec.across === bytes) {
    loop(4, () => [0, 1, 2, 3].forEach((u) => copyRow(fn, spec, { source, target, u })));
    loop(1, () => copyRow(fn, spec, { source, target, u: 0 }));
    return;
  }
  if (spec.along === bytes && bytes === 4) loop(4, () => turnBlocks(fn, spec, { source, target }));
  loop(1, () => copyElements(fn, spec, { source, target }));
}

function copyRow(
  fn: Fn,
  spec: PanelSpec,
  { source, target, u }: { source: Local; target: Local; u: number },
): void {
  const lanes = lanesOf(spec.element);
  const bytes = elementBytes(spec.element);
  for (let first = 0; first < spec.valid; first += lanes) {
    const value = (): Node => memory('v128.load', first * bytes + u * spec.along, fn.get(source));
    const offset = first * bytes + u * spec.width * bytes;
    const room = Math.min(lanes, spec.width - first);
    if (room === lanes) fn.emit(memory('v128.store', offset, fn.get(target), value()));
    else
      fn.scope(() =>
        storePart(fn, { address: fn.get(target), offset, bytes: room * bytes }, fn.keep(value())),
      );
  }
}

function copyElements(
  fn: Fn,
  spec: PanelSpec,
  { source, target }: { source: Local; target: Local },
): void {
  const bytes = elementBytes(spec.element);
  const [load, store] =
    bytes === 8 ? (['i64.load', 'i64.store'] as const) : (['i32.load', 'i32.store'] as const);
  for (let i = 0; i < spec.valid; i++)
    fn.emit(
      memory(store, i * bytes, fn.get(target), memory(load, i * spec.across, fn.get(source))),
    );
}

function turnBlocks(
  fn: Fn,
  spec: PanelSpec,
  { source, target }: { source: Local; target: Local },
): void {
  for (let first = 0; first < spec.valid; first += 4)
    fn.scope(() => {
      const rows = [0, 1, 2, 3].map((i) =>
        first + i < spec.valid
          ? fn.keep(memory('v128.load', (first + i) * spec.across, fn.get(source)))
          : fn.keep(fn.splatZero()),
      );
      const turned = transposeBlock(fn, rows);
      const room = Math.min(4, spec.width - first);
      turned.forEach((value, step) => {
        const offset = step * spec.width * 4 + first * 4;
        if (room === 4) fn.emit(memory('v128.store', offset, fn.get(target), value));
        else storePart(fn, { address: fn.get(target), offset, bytes: room * 4 }, value);
      });
    });
}

/** Transpose a 4 × 4 block of 32-bit lanes: four locals in, four out. */
export function transposeBlock(fn: Fn, [a, b, c, d]: readonly Node[]): Node[] {
  const [p, q] = [fn.keep(shuffle32(a, b, [0, 4, 1, 5])), fn.keep(shuffle32(c, d, [0, 4, 1, 5]))];
  const [r, s] = [fn.keep(shuffle32(a, b, [2, 6, 3, 7])), fn.keep(shuffle32(c, d, [2, 6, 3, 7]))];
  return [
    fn.keep(shuffle32(p, q, [0, 1, 4, 5])),
    fn.keep(shuffle32(p, q, [2, 3, 6, 7])),
    fn.keep(shuffle32(r, s, [0, 1, 4, 5])),
    fn.keep(shuffle32(r, s, [2, 3, 6, 7])),
  ];
}
