import { describe, expect, test } from 'vitest';
import { TileBuilder } from '../../lowering/tile/build.ts';
import type { Tile } from '../../lowering/tile/ir.ts';
import { isNonPositive, isSoftmax } from '../../lowering/tile/order.ts';
import { tileType } from '../../lowering/tile/typing-check.ts';

/** What is proved of what `write` makes of two tiles f32[4,4]. */
function proved(write: (b: TileBuilder, x: Tile, y: Tile) => Tile): boolean {
  const b = new TileBuilder();
  const type = tileType('f32', [4, 4]);
  const region = b.build([type, type], ([x, y]) => [write(b, x, y)]);
  return isNonPositive(region.results[0] as Tile);
}

const spread = (b: TileBuilder, x: Tile): Tile => b.broadcast(x, [4, 4], [0, 1]);

describe('what is at most zero', () => {
  test('a tile less a maximum that it takes part in', () => {
    expect(proved((b, x, y) => b.scalar('sub', x, b.scalar('max', y, x)))).toBe(true);
    for (const axes of [[0], [1], [0, 1]])
      expect(proved((b, x) => b.scalar('sub', x, spread(b, b.reduce(x, 'max', axes))))).toBe(true);
  });
  test('through a running maximum, as in attention, and through wider floats', () => {
    const running = (b: TileBuilder, x: Tile): Tile =>
      b.scalar('max', b.constant(-1e30, 'f32', [4, 1]), b.reduce(x, 'max', [1]));
    expect(proved((b, x) => b.scalar('sub', x, spread(b, running(b, x))))).toBe(true);
    expect(proved((b, x, y) => b.cast(b.scalar('sub', x, b.scalar('max', x, y)), 'f64'))).toBe(
      true,
    );
  });
  test('nothing else', () => {
    expect(proved((_, x) => x)).toBe(false);
    expect(proved((b, x, y) => b.scalar('sub', x, y))).toBe(false);
    expect(proved((b, x, y) => b.scalar('sub', b.scalar('max', x, y), x))).toBe(false);
    expect(proved((b, x, y) => b.scalar('sub', x, b.scalar('min', x, y)))).toBe(false);
    expect(proved((b, x, y) => b.scalar('sub', x, spread(b, b.reduce(y, 'max', [1]))))).toBe(false);
    expect(proved((b, x) => b.scalar('sub', x, spread(b, b.reduce(x, 'min', [1]))))).toBe(false);
    const turned = (b: TileBuilder, x: Tile): Tile =>
      b.transpose(spread(b, b.reduce(x, 'max', [1])), [1, 0]);
    expect(proved((b, x) => b.scalar('sub', x, turned(b, x)))).toBe(false);
    const other = (b: TileBuilder, x: Tile): Tile => b.reshape(b.reduce(x, 'max', [1]), [4]);
    expect(proved((b, x) => b.scalar('sub', x, b.broadcast(other(b, x), [4, 4], [1])))).toBe(false);
  });
});

describe('what is a softmax', () => {
  /** Whether part / whole is known as one, for what `write` makes of two tiles f32[4,4]. */
  const known = (write: (b: TileBuilder, x: Tile, y: Tile) => readonly [Tile, Tile]): boolean => {
    const b = new TileBuilder();
    const type = tileType('f32', [4, 4]);
    const region = b.build([type, type], ([x, y]) => [...write(b, x, y)]);
    const [part, whole] = region.results as Tile[];
    return isSoftmax(part, whole);
  };
  const powers = (b: TileBuilder, x: Tile, y: Tile, axes: readonly number[]): Tile =>
    b.scalar('exp', b.scalar('sub', x, spread(b, b.reduce(y, 'max', axes))));
  test('powers of what lies below the maximum, and their sum along the same axes', () => {
    for (const axes of [[0], [1], [0, 1]])
      expect(
        known((b, x) => {
          const e = powers(b, x, x, axes);
          return [e, spread(b, b.reduce(e, 'add', axes))];
        }),
      ).toBe(true);
  });
  test('nothing else: the sum could be less than one', () => {
    const sums: ((b: TileBuilder, x: Tile, y: Tile) => readonly [Tile, Tile])[] = [
      (_, x, y) => [x, y],
      (b, x, y) => {
        const e = powers(b, x, y, [1]);
        return [e, spread(b, b.reduce(e, 'add', [1]))];
      },
      (b, x) => {
        const e = powers(b, x, x, [1]);
        return [e, spread(b, b.reduce(e, 'add', [0]))];
      },
      (b, x) => {
        const e = powers(b, x, x, [0, 1]);
        return [e, spread(b, b.reduce(e, 'add', [1]))];
      },
      (b, x, y) => {
        const e = powers(b, x, x, [1]);
        return [e, spread(b, b.reduce(b.scalar('mul', e, y), 'add', [1]))];
      },
      (b, x) => {
        const e = powers(b, x, x, [1]);
        return [e, spread(b, b.reduce(e, 'max', [1]))];
      },
    ];
    for (const write of sums) expect(known(write)).toBe(false);
  });
});
