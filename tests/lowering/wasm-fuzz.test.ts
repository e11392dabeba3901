// Random kernels: whatever the planner decides to recompute, materialise, fuse or run by rows, the result is the interpreter's.
import fc from 'fast-check';
import { test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { isFloat } from '../../core/dtype.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Combiner } from '../../lowering/scalar.ts';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import type { Kernel, Ref, Tile } from '../../lowering/tile/ir.ts';
import { compare, random } from './wasm-run.ts';

/** Draws from a seeded stream. */
class Dice {
  readonly #next: () => number;
  constructor(seed: number) {
    this.#next = random(seed);
  }
  below(n: number): number {
    return Math.floor(this.#next() * n);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  chance(p: number): boolean {
    return this.#next() < p;
  }
}

const dtypes: readonly DType[] = ['f32', 'f32', 'f32', 'i32', 'u32', 'i8', 'f16', 'f64', 'i64'];

// Values stay small: every result is squashed, so that errors do not grow and conversions never overflow.
function squash(b: TileBuilder, x: Tile): Tile {
  const { dtype, shape } = x.type;
  if (dtype === 'bool') return x;
  const limit = dtype.startsWith('u') ? 0 : -3;
  return b.scalar('clamp', b.constant(limit, dtype, shape), x, b.constant(3, dtype, shape));
}

function elementwise(b: TileBuilder, dice: Dice, x: Tile, pool: readonly Tile[]): Tile {
  const { dtype, shape } = x.type;
  const same = pool.filter((y) => y.type.dtype === dtype && y.type.shape.join() === shape.join());
  const y = dice.pick(same);
  if (dtype === 'bool') return b.scalar(dice.pick(['and', 'or', 'xor', 'eq'] as const), x, y);
  if (dice.chance(0.2))
    return b.select(b.compare(dice.pick(['lt', 'ge', 'ne'] as const), x, y), x, dice.pick(same));
  if (dice.chance(0.15)) return squash(b, b.cast(x, dice.pick(dtypes)));
  if (isFloat(dtype) && dice.chance(0.3))
    return b.scalar(dice.pick(['exp', 'tanh', 'floor', 'neg', 'abs'] as const), x);
  return squash(b, b.scalar(dice.pick(['add', 'sub', 'mul', 'max', 'min'] as const), x, y));
}

function view(b: TileBuilder, dice: Dice, x: Tile): Tile {
  const { shape } = x.type;
  const rank = shape.length;
  if (rank === 0) return b.broadcast(x, [dice.pick([1, 3, 8])], []);
  const axis = dice.below(rank);
  switch (dice.below(6)) {
    case 0:
      return b.transpose(
        x,
        dice.chance(0.5) ? shape.map((_, i) => rank - 1 - i) : shape.map((_, i) => (i + 1) % rank),
      );
    case 1:
      return b.rev(x, [axis]);
    case 2: {
      const start = dice.below(Math.max(1, shape[axis] - 1));
      const step = dice.pick([1, 1, 2]);
      return b.slice(
        x,
        shape.map((_, i) => (i === axis ? start : 0)),
        shape,
        shape.map((_, i) => (i === axis ? step : 1)),
      );
    }
    case 3:
      return dice.chance(0.5)
        ? b.reshape(x, [sizeOf(shape)])
        : b.reshape(x, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
    case 4: {
      const even = shape.findIndex((d) => d % 2 === 0 && d > 0);
      return even < 0
        ? b.rev(x, [axis])
        : b.reshape(x, [...shape.slice(0, even), 2, shape[even] / 2, ...shape.slice(even + 1)]);
    }
    default:
      return sizeOf(shape) > 400 ? b.rev(x, [axis]) : b.concat([x, x], axis);
  }
}

function structured(b: TileBuilder, dice: Dice, x: Tile): Tile {
  const { dtype, shape } = x.type;
  if (shape.length === 0 || dtype === 'bool') return view(b, dice, x);
  const axis = dice.below(shape.length);
  const combiner: Combiner = dice.pick(['add', 'max', 'min'] as const);
  switch (dice.below(6)) {
    case 0: {
      const sum = squash(b, b.reduce(x, combiner, [axis]));
      return dice.chance(0.6)
        ? b.broadcast(
            sum,
            shape,
            shape.map((_, i) => i),
          )
        : sum;
    }
    case 1:
      return squash(
        b,
        b.reduce(
          x,
          combiner,
          shape.map((_, i) => i),
        ),
      );
    case 2:
      return squash(b, b.scan(x, combiner, axis, dice.chance(0.5)));
    case 3:
      return b.sort([x], axis, ([p, q]) => b.compare('lt', p, q))[0];
    case 4:
      return b.pad(
        x,
        b.constant(1, dtype, []),
        shape.map(() => dice.below(2)),
        shape.map(() => dice.below(2)),
      );
    default:
      return shape.length === 2
        ? squash(b, b.dot(x, b.transpose(x, [1, 0])))
        : b.iota(dtype, shape, axis);
  }
}

function control(b: TileBuilder, dice: Dice, x: Tile, depth: number): Tile {
  if (dice.chance(0.5)) {
    const [y] = b.for(0, dice.below(4), 1, [x], (i, [old]) => {
      const counted = b.scalar(
        'add',
        old,
        b.broadcast(b.cast(i, old.type.dtype), old.type.shape, []),
      );
      return [
        squash(
          b,
          depth > 0 ? sameType(b, dice, old, grow(b, dice, [counted], 3, depth - 1)) : counted,
        ),
      ];
    });
    return y;
  }
  const [y] = b.if(
    b.compare('lt', b.programId(0), b.int(dice.below(3))),
    () => [squash(b, b.scalar('add', x, x))],
    () => [dice.chance(0.5) ? x : b.scalar('max', x, x)],
  );
  return y;
}

// A tile of the wanted type out of the pool, or the first.
function sameType(b: TileBuilder, dice: Dice, like: Tile, pool: readonly Tile[]): Tile {
  const fits = pool.filter(
    (y) => y.type.dtype === like.type.dtype && y.type.shape.join() === like.type.shape.join(),
  );
  return fits.length > 0 ? dice.pick(fits) : b.scalar('max', like, like);
}

function grow(
  b: TileBuilder,
  dice: Dice,
  start: readonly Tile[],
  steps: number,
  depth: number,
): Tile[] {
  const pool = [...start];
  for (let i = 0; i < steps; i++) {
    const x = dice.chance(0.5) ? pool[pool.length - 1] : dice.pick(pool);
    const roll = dice.below(10);
    if (sizeOf(x.type.shape) > 2000) continue;
    if (roll < 5) pool.push(elementwise(b, dice, x, pool));
    else if (roll < 7) pool.push(view(b, dice, x));
    else if (roll < 9) pool.push(structured(b, dice, x));
    else if (x.type.dtype !== 'bool' && depth > 0) pool.push(control(b, dice, x, depth));
  }
  return pool;
}

/** A random kernel over blocks of two inputs; outputs are blocks of arrays that may be cut. */
function randomKernel(seed: number): Kernel {
  const dice = new Dice(seed);
  const shape = dice.pick([[13], [70], [5, 9], [6, 33], [12, 16], [3, 4, 6], [2, 70]]);
  const block = shape.map((d) =>
    dice.chance(0.5) ? d : Math.max(1, Math.ceil(d / dice.pick([2, 3]))),
  );
  const grid = shape.map((d, i) => ({
    extent: Math.ceil(d / block[i]),
    semantics: 'parallel' as const,
  }));
  const dtype = dice.pick(dtypes);
  const dims = block.map((size) => ({ kind: 'blocked' as const, size }));
  const operand = (name: string, access: 'read' | 'write') => ({
    name,
    dtype,
    shape,
    access,
    dims,
    indexMap: (_: TileBuilder, ids: Tile[]) => ids,
  });
  const state = dice.below(1e9);
  const body = (b: TileBuilder, [x, y, z]: readonly Ref[]): void => {
    const inner = new Dice(state);
    const pool = grow(b, inner, [b.load(x), b.load(y)], 4 + inner.below(8), 2);
    const scalars = pool
      .filter((t) => t.type.dtype !== 'bool')
      .map((t) =>
        b.reduce(
          squash(b, t),
          'max',
          t.type.shape.map((_, i) => i),
        ),
      );
    let total = b.load(x);
    for (const s of scalars.slice(-3)) {
      const one = b.reshape(s, []);
      total = squash(b, b.scalar('add', total, b.broadcast(b.cast(one, dtype), block, [])));
    }
    const like = pool.filter((t) => t.type.dtype === dtype && t.type.shape.join() === block.join());
    for (const t of like.slice(-2)) total = squash(b, b.scalar('add', total, t));
    b.store(z, total);
  };
  return makeKernel({
    name: `random_${seed}`,
    grid,
    operands: [operand('x', 'read'), operand('y', 'read'), operand('z', 'write')],
    scratch: [],
    body,
  });
}

const runs = Number(process.env['PALLADIA_RUNS'] ?? 150);

test('random kernels', { timeout: 20_000 + 200 * runs }, () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e9 }), (seed) => {
      const kernel = randomKernel(seed);
      const low = kernel.operands[0].dtype === 'f16';
      compare(kernel, {
        seed,
        range: 2,
        tolerance: { absolute: low ? 0.1 : 2e-3, relative: low ? 0.05 : 1e-3 },
      });
    }),
    { numRuns: runs },
  );
});
