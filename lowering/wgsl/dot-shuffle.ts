/**
 * Contractions by one subgroup: every lane holds one element per row of A for a chunk of the contracted axis, and the lanes pass them round
 * while each multiplies with its own columns of B. No workgroup memory, no barriers.
 */
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import {
  columnPoints,
  isAddressable,
  multiplyAdd,
  operandPoint,
  operandText,
  rowOf,
  type Block,
  type Contraction,
} from './contraction.ts';
import { pointOf, tx } from './layout.ts';
import type { Walk } from './program.ts';

/** Lanes up to which passing round is written out, with constant lanes. */
const fewLanes = 4;

/** Spell the element of A that a lane holds. */
function lane(c: Contraction, element: string, u: number | string): string {
  const text = c.register === 'bool' ? `u32(${element})` : element;
  const passed =
    typeof u === 'number'
      ? `subgroupBroadcast(${text}, ${u}u)`
      : `subgroupShuffle(${text}, u32(${u}))`;
  return c.p.text.let('a', c.register === 'bool' ? `${passed} != 0u` : passed);
}

/** Multiply a chunk: lane `u` holds the elements of A at `base + u · stride`. */
function chunk(
  c: Contraction,
  block: Block,
  at: { base: Affine; stride: number; elements: readonly string[] },
): void {
  const { p, depth } = c;
  const lanes = p.threads.tx;
  const step = (k: Affine, u: number | string): void => {
    const columns = columnPoints(c, block, k).map((point) => operandText(c, c.b, point));
    block.accumulators.forEach((row, i) => {
      const a = lane(c, at.elements[i], u);
      row.forEach((accumulator, n) => multiplyAdd(c, accumulator, a, columns[n]));
    });
  };
  const range = affine.rangeOf(at.base);
  const isFull = range.hi + (lanes - 1) * at.stride < depth;
  if (isFull && lanes <= fewLanes) {
    for (let u = 0; u < lanes; u++) step(affine.offset(at.base, u * at.stride), u);
    return;
  }
  const u = p.text.fresh('u');
  const limit = isFull
    ? p.trips(lanes)
    : p.text.let(
        'lanes',
        `min(${lanes}, (${depth + at.stride - 1} - ${affine.atom(at.base)}) / ${at.stride})`,
      );
  p.block(`for (var ${u} = 0; ${u} < ${limit}; ${u}++)`, () => {
    const index = affine.variable(u, { lo: 0, hi: lanes - 1 });
    step(affine.add(at.base, affine.scale(index, at.stride)), u);
  });
}

const noWalk = (c: Contraction): Walk => ({ layout: c.layout, rolled: [], tuples: [] });

/** What B needs before the loops: everything at a place whose depth is not known yet. */
function wantedOfB(
  c: Contraction,
  block: Block,
): { value: Contraction['b']; point: ReturnType<typeof pointOf> }[] {
  const k = affine.variable('depth', { lo: 0, hi: Math.max(1, c.depth - 1) });
  return columnPoints(c, block, k).map((point) => ({ value: c.b, point }));
}

function fromMemory(c: Contraction, block: Block): void {
  const { p, depth } = c;
  const lanes = p.threads.tx;
  const name = p.text.fresh('k');
  const k = affine.variable(name, { lo: 0, hi: Math.floor((depth - 1) / lanes) * lanes }, lanes);
  p.block(`for (var ${name} = 0; ${name} < ${p.trips(depth)}; ${name} += ${lanes})`, () => {
    const own = affine.add(k, tx(p.threads));
    const elements = block.rows.map((_, i) =>
      operandText(
        c,
        c.a,
        operandPoint(block.lead, c.a.type.shape, { row: rowOf(c, block, i), column: own }),
      ),
    );
    chunk(c, block, { base: k, stride: 1, elements });
  });
}

function fromRegisters(c: Contraction, block: Block): void {
  const { p } = c;
  const layout = p.layout(c.a.type.shape);
  const lanes = p.threads.tx;
  const rank = layout.shape.length;
  const column = (register: Affine): void => {
    const first = affine.scale(register, lanes * layout.width);
    const points = block.rows.map((row) => pointOf(layout, [...block.lead, row, register]));
    if (p.features.fallback && layout.width > 1) {
      // Software drivers compile text, not work: the components of a vector are a loop there.
      const vectors = points.map((point) => operandText(c, c.a, point));
      const name = p.text.fresh('e');
      p.block(`for (var ${name} = 0; ${name} < ${p.trips(layout.width)}; ${name}++)`, () => {
        const e = affine.variable(name, { lo: 0, hi: layout.width - 1 });
        const elements = vectors.map((vector) => p.text.let('x', `${vector}[${name}]`));
        chunk(c, block, { base: affine.add(first, e), stride: layout.width, elements });
      });
      return;
    }
    for (let e = 0; e < layout.width; e++) {
      const base = affine.offset(first, e);
      if (affine.rangeOf(base).lo >= c.depth) continue;
      const elements = points.map((point) => {
        const coords = point.coords.map((coord, axis) =>
          axis === rank - 1 ? { ...coord, at: affine.offset(coord.at, e) } : coord,
        );
        return operandText(c, c.a, { coords, width: 1, axis: -1 });
      });
      chunk(c, block, { base, stride: layout.width, elements });
    }
  };
  if (layout.columnRegisters * layout.width <= 4) {
    for (let n = 0; n < layout.columnRegisters; n++) column(affine.constant(n));
    return;
  }
  const name = p.text.fresh('c');
  p.block(`for (var ${name} = 0; ${name} < ${p.trips(layout.columnRegisters)}; ${name}++)`, () =>
    column(affine.variable(name, { lo: 0, hi: layout.columnRegisters - 1 })),
  );
}

/** Write the loop over the contracted axis. */
export function emitShuffled(c: Contraction, block: Block): void {
  const { p } = c;
  if (isAddressable(p, c.a)) {
    p.within(wantedOfB(c, block), noWalk(c), () => fromMemory(c, block));
    return;
  }
  p.force(c.a);
  const layout = p.layout(c.a.type.shape);
  const isLooped = layout.columnRegisters * layout.width > 4;
  const register = isLooped
    ? affine.variable('column', { lo: 0, hi: Math.max(1, layout.columnRegisters - 1) })
    : affine.zero;
  const wanted = block.rows.map((row) => ({
    value: c.a,
    point: pointOf(layout, [...block.lead, row, register]),
  }));
  p.within([...wanted, ...wantedOfB(c, block)], noWalk(c), () => fromRegisters(c, block));
}
