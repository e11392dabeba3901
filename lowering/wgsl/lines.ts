/**
 * Ops along lines of a tile that need their elements in order or together: reductions and scans with regions, scans, sorts. The tiles go to
 * shared memory in row-major order, invocations work on lines or pieces of lines, and the results come back to registers.
 */
import { sizeOf, stridesOf } from '../../core/shape.ts';
import type { Combiner } from '../scalar.ts';
import type { TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import type { Runner } from './control.ts';
import { identityLiteral, registerOf } from './format.ts';
import { componentOf, type Layout, type Point } from './layout.ts';
import type { Memory } from './memory.ts';
import { gatherComponents } from './prelude.ts';
import type { Program } from './program.ts';
import { apply } from './pure.ts';
import { runningDType } from './reduce.ts';
import { narrow } from './scalar.ts';

/** Variables that hold one element of every operand. */
type Variables = readonly string[];

function declare(
  p: Program,
  dtypes: readonly TileValue[],
  prefix: string,
  inits?: readonly string[],
): string[] {
  return dtypes.map((value, i) => {
    const name = p.text.fresh(prefix);
    const type = registerOf(value.type.dtype);
    p.text.line(
      inits === undefined ? `var ${name}: ${type};` : `var ${name}: ${type} = ${inits[i]};`,
    );
    return name;
  });
}

/** Write a region on elements; its results go to variables. */
function inline(r: Runner, region: TileRegion, args: readonly string[], into: Variables): void {
  const { p } = r;
  const layout = p.layout([]);
  p.block('', () => {
    region.args.forEach((arg, i) => p.set(arg, { kind: 'resident', layout, names: [args[i]] }));
    r.run(region);
    const results = region.results.map((x) => p.scalar(x));
    const moved = results.map((name) => (results.length > 1 ? p.text.let('y', `${name}`) : name));
    moved.forEach((name, i) => p.text.line(`${into[i]} = ${name};`));
  });
}

/** How elements are combined: by name, or by a region. */
interface Combine {
  readonly tiles: readonly TileValue[];
  readonly combiner: Combiner | undefined;
  readonly region: TileRegion | undefined;
  readonly inits: readonly string[];
}

function combineOf(p: Program, op: TileOp<'reduce' | 'scan'>): Combine {
  const { combiner } = op.attrs;
  if (combiner !== undefined) {
    const init = p.prelude.note(identityLiteral(combiner, op.operands[0].type.dtype));
    return { tiles: op.operands, combiner, region: undefined, inits: [init] };
  }
  const n = op.operands.length / 2;
  const inits = op.operands.slice(n).map((x) => p.scalar(x));
  return { tiles: op.operands.slice(0, n), combiner, region: op.regions[0], inits };
}

/** into = combine(a, b). */
function combine(
  r: Runner,
  c: Combine,
  use: { a: Variables; b: Variables; into: Variables },
): void {
  const { p } = r;
  if (c.region !== undefined) {
    inline(r, c.region, [...use.a, ...use.b], use.into);
    return;
  }
  const dtype = runningDType(c.tiles[0].type.dtype);
  const text = apply(p, c.combiner ?? 'add', { dtype, width: 1, args: [use.a[0], use.b[0]] });
  p.text.line(`${use.into[0]} = ${text};`);
}

/** Copy tiles to shared memory. */
function shareAll(p: Program, tiles: readonly TileValue[]): Memory[] {
  const key = p.text.fresh('lines');
  return tiles.map((tile) => p.share(tile, key));
}

const touchAll = (
  p: Program,
  memories: readonly Memory[],
  kind: 'read' | 'write',
  key: string,
): void => {
  for (const memory of memories) p.barriers.touch(memory, kind, key);
};

/** Bring results from shared memory to registers. */
function collect(p: Program, memories: readonly Memory[], results: readonly TileValue[]): void {
  touchAll(p, memories, 'read', p.text.fresh('collect'));
  memories.forEach((memory, i) => {
    const into = p.variables(results[i], 'line');
    const strides = stridesOf(into.layout.shape);
    p.sweep(into.layout, [], (point, register) => {
      const index = at(point, strides);
      const text = memory.read(index, point.width);
      const { dtype } = results[i].type;
      p.text.line(
        `${p.register(into, register)} = ${narrow(text, dtype, point.width, p.prelude)};`,
      );
    });
    p.set(results[i], into);
  });
}

const at = (point: Point, strides: readonly number[]): Affine =>
  point.coords.reduce((sum, c, i) => affine.add(sum, affine.scale(c.at, strides[i])), affine.zero);

/** Reduce with a region: every element of the result walks its elements in order. */
export function reduceRegion(r: Runner, op: TileOp<'reduce'>): void {
  const { p } = r;
  const mark = p.space.mark();
  const c = combineOf(p, op);
  const { shape } = c.tiles[0].type;
  const strides = stridesOf(shape);
  const { axes } = op.attrs;
  const memories = shareAll(p, c.tiles);
  touchAll(p, memories, 'read', p.text.fresh('reduce'));
  const into = op.results.map((result) => p.variables(result, 'folded'));
  const layout: Layout = into[0].layout;
  p.sweep(layout, [], (point, register) => {
    const parts = Array.from({ length: point.width }, (_, e) => {
      const one = point.width === 1 ? point : componentOf(point, e);
      const acc = declare(p, c.tiles, 'acc', c.inits);
      walkAxes(p, shape, axes, (steps) => {
        const index = affine.add(at(one, strides), steps);
        const x = memories.map((m) => p.text.let('x', m.read(index, 1)));
        combine(r, c, { a: acc, b: x, into: acc });
      });
      return acc;
    });
    into.forEach((variable, j) => {
      const text = gatherComponents(
        parts.map((acc) => acc[j]),
        registerOf(c.tiles[j].type.dtype),
      );
      p.text.line(`${p.register(variable, register)} = ${text};`);
    });
  });
  op.results.forEach((result, j) => p.set(result, into[j]));
  p.free(mark);
}

/** Loops over some axes of a shape, in row-major order; `body` gets the offset. */
function walkAxes(
  p: Program,
  shape: readonly number[],
  axes: readonly number[],
  body: (offset: Affine) => void,
): void {
  const strides = stridesOf(shape);
  const rest = [...axes].sort((a, b) => a - b);
  const open = (i: number, offset: Affine): void => {
    if (i === rest.length) {
      body(offset);
      return;
    }
    const name = p.text.fresh('l');
    const extent = shape[rest[i]];
    const index = affine.variable(name, { lo: 0, hi: Math.max(1, extent - 1) });
    p.block(`for (var ${name} = 0; ${name} < ${p.trips(extent)}; ${name}++)`, () =>
      open(i + 1, affine.add(offset, affine.scale(index, strides[rest[i]]))),
    );
  };
  open(0, affine.zero);
}

/** The lines of a tile along an axis. */
interface Lines {
  readonly count: number;
  readonly size: number;
  readonly stride: number;
}

function linesOf(shape: readonly number[], axis: number): Lines {
  return {
    count: sizeOf(shape) / shape[axis],
    size: shape[axis],
    stride: sizeOf(shape.slice(axis + 1)),
  };
}

/** Offset of the first element of a line. */
function lineStart({ size, stride }: Lines, line: Affine): Affine {
  const [outer, inner] = affine.split(line, stride);
  return affine.add(affine.scale(outer, size * stride), inner);
}

/** Scan along an axis: pieces of lines by invocations, then the totals of the pieces before each are brought in. */
export function scan(r: Runner, op: TileOp<'scan'>): void {
  const { p } = r;
  const { shape } = op.operands[0].type;
  const { axis, reverse } = op.attrs;
  const c = combineOf(p, op);
  if (sizeOf(shape) === 0) {
    op.results.forEach((result, i) => p.set(result, p.force(c.tiles[i])));
    return;
  }
  const mark = p.space.mark();
  const memories = shareAll(p, c.tiles);
  const lines = linesOf(shape, axis);
  const threads = p.threads.tx * p.threads.ty;
  let pieces = 1;
  while (pieces * 2 * lines.count <= threads && pieces * 8 <= lines.size) pieces *= 2;
  const length = Math.ceil(lines.size / pieces);
  const element = (start: Affine, i: Affine): Affine => {
    const index = reverse ? affine.subtract(affine.constant(lines.size - 1), i) : i;
    return affine.add(start, affine.scale(index, lines.stride));
  };
  touchAll(p, memories, 'write', p.text.fresh('scan'));
  if (pieces === 1) {
    eachLine(p, lines, threads, (start) =>
      scanPiece(r, c, {
        memories,
        from: '0',
        to: String(lines.size),
        seeds: c.inits,
        element: (i) => element(start, i),
      }),
    );
  } else scanPieces(r, c, { memories, lines, pieces, length, element });
  collect(p, memories, op.results);
  p.free(mark);
}

/** One loop over the lines of an invocation. */
function eachLine(p: Program, lines: Lines, threads: number, body: (start: Affine) => void): void {
  const name = p.text.fresh('line');
  p.block(`for (var ${name} = lid; ${name} < ${lines.count}; ${name} += ${threads})`, () => {
    const line = affine.variable(name, { lo: 0, hi: Math.max(1, lines.count - 1) });
    body(lineStart(lines, line));
  });
}

interface Piece {
  readonly memories: readonly Memory[];
  readonly from: string;
  readonly to: string;
  readonly seeds: readonly string[];
  readonly element: (i: Affine) => Affine;
}

/** Scan elements `from` … `to − 1` in place. */
function scanPiece(r: Runner, c: Combine, piece: Piece): void {
  const { p } = r;
  const acc = declare(p, c.tiles, 'acc', piece.seeds);
  const name = p.text.fresh('l');
  p.block(`for (var ${name} = ${piece.from}; ${name} < ${piece.to}; ${name}++)`, () => {
    const index = piece.element(affine.variable(name, { lo: 0, hi: 2 ** 30 }));
    const x = piece.memories.map((m) => p.text.let('x', m.read(index, 1)));
    combine(r, c, { a: acc, b: x, into: acc });
    piece.memories.forEach((m, j) => m.write(index, 1, acc[j]));
  });
}

function scanPieces(
  r: Runner,
  c: Combine,
  s: {
    memories: readonly Memory[];
    lines: Lines;
    pieces: number;
    length: number;
    element: (start: Affine, i: Affine) => Affine;
  },
): void {
  const { p } = r;
  const { memories, lines, pieces, length } = s;
  const line = p.text.let('line', `lid / ${pieces}`);
  const piece = p.text.let('piece', `lid % ${pieces}`);
  const start = lineStart(
    lines,
    affine.variable(line, { lo: 0, hi: Math.max(1, lines.count - 1) }),
  );
  const first = p.text.let('first', `${piece} * ${length}`);
  const last = p.text.let(
    'last',
    `select(0, min(${first} + ${length}, ${lines.size}), ${line} < ${lines.count})`,
  );
  const element = (i: Affine): Affine => s.element(start, i);
  const range = { lo: 0, hi: lines.size - 1 };
  // The first element of a piece is its seed.
  const seeds = declare(p, c.tiles, 'seed', c.inits);
  p.block(`if (${first} < ${last})`, () => {
    const index = element(affine.variable(first, range));
    memories.forEach((m, j) => p.text.line(`${seeds[j]} = ${m.read(index, 1)};`));
  });
  scanPiece(r, c, { memories, from: p.text.let('next', `${first} + 1`), to: last, seeds, element });
  touchAll(p, memories, 'read', p.text.fresh('totals'));
  const before = declare(p, c.tiles, 'before', c.inits);
  const k = p.text.fresh('k');
  p.block(`for (var ${k} = 0; ${k} < ${piece}; ${k}++)`, () => {
    const end = p.text.let('end', `min((${k} + 1) * ${length}, ${lines.size}) - 1`);
    const index = element(affine.variable(end, range));
    const x = memories.map((m) => p.text.let('x', m.read(index, 1)));
    combine(r, c, { a: before, b: x, into: before });
  });
  touchAll(p, memories, 'write', p.text.fresh('shift'));
  const name = p.text.fresh('l');
  const shifted = declare(p, c.tiles, 'shifted');
  p.block(`for (var ${name} = ${first}; ${name} < ${last}; ${name}++)`, () => {
    const index = element(affine.variable(name, range));
    const x = memories.map((m) => p.text.let('x', m.read(index, 1)));
    combine(r, c, { a: before, b: x, into: shifted });
    memories.forEach((m, j) => m.write(index, 1, shifted[j]));
  });
}

/**
 * Sort lines by a network of comparisons (bitonic, all comparisons ascending, so that a line of any length can be seen as padded with elements
 * that stay at its end). The original position breaks ties, which makes it stable.
 */
export function sort(r: Runner, op: TileOp<'sort'>): void {
  const { p } = r;
  const { shape } = op.operands[0].type;
  const lines = linesOf(shape, op.attrs.axis);
  if (lines.size <= 1 || lines.count === 0) {
    op.results.forEach((result, i) => p.set(result, p.force(op.operands[i])));
    return;
  }
  const mark = p.space.mark();
  const memories = shareAll(p, op.operands);
  const order = p.space.take('i32', sizeOf(shape));
  const threads = p.threads.tx * p.threads.ty;
  p.barriers.touch(order, 'write', p.text.fresh('order'));
  const q = p.text.fresh('q');
  p.block(`for (var ${q} = lid; ${q} < ${sizeOf(shape)}; ${q} += ${threads})`, () =>
    order.write(affine.variable(q, { lo: 0, hi: sizeOf(shape) - 1 }), 1, q),
  );
  let padded = 2;
  while (padded < lines.size) padded *= 2;
  const stage = (partner: (pair: string) => { low: string; high: string }): void => {
    touchAll(p, [...memories, order], 'write', p.text.fresh('sort'));
    const pair = p.text.fresh('pair');
    p.block(
      `for (var ${pair} = lid; ${pair} < ${(lines.count * padded) / 2}; ${pair} += ${threads})`,
      () => {
        const { low, high } = partner(p.text.let('n', `${pair} % ${padded / 2}`));
        const line = p.text.let('line', `${pair} / ${padded / 2}`);
        p.block(`if (${high} < ${lines.size})`, () =>
          exchange(r, op, { memories, order, lines, low, high, line }),
        );
      },
    );
  };
  const size = p.text.fresh('size');
  p.block(`for (var ${size} = 2; ${size} <= ${padded}; ${size} *= 2)`, () =>
    p.barriers.loop(() => {
      const half = p.text.let('half', `${size} / 2`);
      stage((n) => {
        const block = p.text.let('block', `(${n} / ${half}) * ${size}`);
        const within = p.text.let('within', `${n} % ${half}`);
        return {
          low: p.text.let('low', `${block} + ${within}`),
          high: p.text.let('high', `${block} + ${size} - 1 - ${within}`),
        };
      });
      const step = p.text.fresh('step');
      p.block(`for (var ${step} = ${size} / 4; ${step} > 0; ${step} /= 2)`, () =>
        p.barriers.loop(() =>
          stage((n) => {
            const low = p.text.let('low', `(${n} / ${step}) * ${step} * 2 + ${n} % ${step}`);
            return { low, high: p.text.let('high', `${low} + ${step}`) };
          }),
        ),
      );
    }),
  );
  collect(p, memories, op.results);
  p.free(mark);
}

/** Exchange two elements of a line when the later one comes first. */
function exchange(
  r: Runner,
  op: TileOp<'sort'>,
  s: {
    memories: readonly Memory[];
    order: Memory;
    lines: Lines;
    low: string;
    high: string;
    line: string;
  },
): void {
  const { p } = r;
  const { lines } = s;
  const start = lineStart(
    lines,
    affine.variable(s.line, { lo: 0, hi: Math.max(1, lines.count - 1) }),
  );
  const place = (name: string): Affine =>
    affine.add(
      start,
      affine.scale(affine.variable(name, { lo: 0, hi: lines.size - 1 }), lines.stride),
    );
  const [i, j] = [place(s.low), place(s.high)];
  const a = s.memories.map((m) => p.text.let('a', m.read(i, 1)));
  const b = s.memories.map((m) => p.text.let('b', m.read(j, 1)));
  const [orderA, orderB] = [
    p.text.let('a', s.order.read(i, 1)),
    p.text.let('b', s.order.read(j, 1)),
  ];
  const isLater = p.text.fresh('later');
  const isFirst = p.text.fresh('first');
  p.text.line(`var ${isLater}: bool;`);
  p.text.line(`var ${isFirst}: bool;`);
  const pairs = (x: readonly string[], y: readonly string[]): string[] =>
    x.flatMap((v, n) => [v, y[n]]);
  inline(r, op.regions[0], pairs(b, a), [isLater]);
  inline(r, op.regions[0], pairs(a, b), [isFirst]);
  p.block(`if (${isLater} || (!${isFirst} && ${orderB} < ${orderA}))`, () => {
    s.memories.forEach((m, n) => {
      m.write(i, 1, b[n]);
      m.write(j, 1, a[n]);
    });
    s.order.write(i, 1, orderB);
    s.order.write(j, 1, orderA);
  });
}
