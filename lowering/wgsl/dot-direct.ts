/** Contractions whose operands come straight from memory: every invocation reads its rows of A and its columns of B. */
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import {
  columnPoints,
  contiguity,
  multiplyAdd,
  operandPoint,
  operandText,
  rowOf,
  type Block,
  type Contraction,
} from './contraction.ts';
import type { Point, Width } from './layout.ts';
import { spread } from './prelude.ts';
import type { Walk } from './program.ts';

/** One step of the loop over the contracted axis: `width` elements of A per row. */
function step(c: Contraction, block: Block, k: Affine, width: Width): void {
  const rows = block.rows.map((_, i) =>
    spread(operandText(c, c.a, rowPoint(c, block, i, { k, width })), width),
  );
  for (let e = 0; e < width; e++) {
    const columns = columnPoints(c, block, affine.offset(k, e)).map((point) =>
      operandText(c, c.b, point),
    );
    block.accumulators.forEach((row, i) =>
      row.forEach((accumulator, n) => multiplyAdd(c, accumulator, rows[i][e], columns[n])),
    );
  }
}

const rowPoint = (
  c: Contraction,
  block: Block,
  i: number,
  at: { k: Affine; width: Width },
): Point =>
  operandPoint(block.lead, c.a.type.shape, {
    row: rowOf(c, block, i),
    column: at.k,
    width: at.width,
  });

/** Write the loop over the contracted axis. */
export function emitDirect(c: Contraction, block: Block): void {
  const { p, depth } = c;
  const width: Width = depth % 4 === 0 && contiguity(p, c.a) === 'column' ? 4 : 1;
  const name = p.text.fresh('k');
  const k = affine.variable(name, { lo: 0, hi: depth - width }, width);
  const wanted = [
    ...block.rows.map((_, i) => ({ value: c.a, point: rowPoint(c, block, i, { k, width }) })),
    ...Array.from({ length: width }, (_, e) => columnPoints(c, block, affine.offset(k, e))).flatMap(
      (points) => points.map((point) => ({ value: c.b, point })),
    ),
  ];
  const walk: Walk = { layout: c.layout, rolled: [], tuples: [] };
  p.within(wanted, walk, () =>
    p.block(`for (var ${name} = 0; ${name} < ${p.trips(depth)}; ${name} += ${width})`, () =>
      step(c, block, k, width),
    ),
  );
}
