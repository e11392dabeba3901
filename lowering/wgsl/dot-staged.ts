/**
 * Contractions through workgroup memory: blocks of A (with the contracted axis outermost, so that a row block is a vector) and of B are
 * copied there and every invocation multiplies its rows with its columns. An operand that is in registers is copied as a whole.
 */
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import {
  contiguity,
  isAddressable,
  multiplyAdd,
  operandPoint,
  operandText,
  rowOf,
  type Block,
  type Contraction,
} from './contraction.ts';
import { sizeOf } from '../../core/shape.ts';
import { splat, typeName, type Register } from './format.ts';
import { pointOf, tx, type Point, type Width } from './layout.ts';
import { gatherComponents, spread } from './prelude.ts';
import type { Program, Walk } from './program.ts';
import { guarded } from './refs.ts';
import type { Staging } from './space.ts';

/** Depth of a staged block. */
const blockDepth = 16;

/** A staged operand: `lines` of `pitch` elements, one line per index along the contracted axis. */
interface Stage {
  readonly side: 'a' | 'b';
  readonly staging: Staging;
  /** Components of an element of the staging array. */
  readonly width: Width;
  readonly pitch: number;
  readonly lines: number;
  readonly isResident: boolean;
  readonly register: Register;
}

interface Plan {
  readonly a: Stage;
  readonly b: Stage;
  readonly depth: number;
}

const lengthsOf = (c: Contraction): { rows: number; columns: number; rowWidth: Width } => {
  const { layout, p } = c;
  const rows = layout.rowRegisters * p.threads.ty;
  const columns = layout.columnRegisters * p.threads.tx * layout.width;
  const rowWidth: Width = layout.rowRegisters % 4 === 0 ? 4 : layout.rowRegisters % 2 === 0 ? 2 : 1;
  return {
    rows: layout.rows === 1 ? 1 : rows,
    columns: layout.columns === 1 ? 1 : columns,
    rowWidth,
  };
};

function plan(c: Contraction): Plan | undefined {
  const { p, layout, register } = c;
  const { rows, columns, rowWidth } = lengthsOf(c);
  const residentA = !isAddressable(p, c.a);
  const residentB = !isAddressable(p, c.b);
  // One vector of padding per line keeps the writes of a staged column apart in the banks.
  const pitchA = rows === 1 ? 1 : rows + Math.max(rowWidth, 4);
  const widthA: Width = rows === 1 ? 1 : rowWidth;
  for (let depth = Math.min(blockDepth, c.depth); depth >= 1; depth = Math.floor(depth / 2)) {
    const linesA = residentA ? c.depth : depth;
    const linesB = residentB ? c.depth : depth;
    const a = p.space.staging('a', typeName(register, widthA), {
      words: widthA,
      count: Math.ceil((linesA * pitchA) / widthA),
    });
    const b =
      a === undefined
        ? undefined
        : p.space.staging('b', typeName(register, layout.width), {
            words: layout.width,
            count: (linesB * columns) / layout.width,
          });
    if (a !== undefined && b !== undefined)
      return {
        a: {
          side: 'a',
          staging: a,
          width: widthA,
          pitch: pitchA,
          lines: linesA,
          isResident: residentA,
          register,
        },
        b: {
          side: 'b',
          staging: b,
          width: layout.width,
          pitch: columns,
          lines: linesB,
          isResident: residentB,
          register,
        },
        depth,
      };
  }
  return undefined;
}

/** Whether there is workgroup memory for the operands. */
export const fitsStaging = (c: Contraction): boolean => plan(c) !== undefined;

/**
 * Write neighbouring elements of a staged line, in whole vectors of the array: writing a component may touch the whole vector, which other
 * invocations would see as a race. `at` counts elements.
 */
function writeStage(p: Program, stage: Stage, at: Affine, parts: readonly string[]): void {
  const { staging, width } = stage;
  for (let e = 0; e < parts.length; e += width) {
    const index = vectorIndex(affine.offset(at, e), width);
    const text = gatherComponents(parts.slice(e, e + width), stage.register);
    p.text.line(`${staging.name}[${index}] = ${text};`);
  }
}

/** Whether a place lies in the matrix of the batch that is being contracted. */
const isInBatch = (point: Point, lead: readonly Affine[]): boolean =>
  lead.every((l, i) => affine.print(point.coords[i].at) === affine.print(l));

/** Copy B, which is in registers, as a whole: its columns lie in vectors as the result's do. */
function stageColumns(c: Contraction, stage: Stage, lead: readonly Affine[]): void {
  const { p, b } = c;
  const layout = p.layout(b.type.shape);
  const copy = (point: Point): void => {
    if (!isInBatch(point, lead)) return;
    const text = p.text.let('x', operandText(c, b, point));
    const [row, column] = point.coords.slice(-2);
    const at = affine.add(affine.scale(row.at, stage.pitch), column.at);
    guarded(p, p.ownership(layout, point), () =>
      writeStage(p, stage, at, spread(text, layout.width)),
    );
  };
  p.sweep(layout, [b], copy, () => p.barriers.touch(stage.staging.memory, 'write', 'stage'));
}

/** Copy A, which is in registers, as a whole: rows of an invocation become vectors of a line. */
function stageRows(c: Contraction, stage: Stage, lead: readonly Affine[]): void {
  const { p, a } = c;
  const layout = p.layout(a.type.shape);
  const rank = layout.shape.length;
  const loops = layout.loops.map((n, axis) => (axis === rank - 2 ? n / stage.width : n));
  const walk = p.walk({ ...layout, loops, registers: sizeOf(loops) });
  const groups = walk.tuples.map((tuple) =>
    Array.from({ length: stage.width }, (_, j) =>
      pointOf(
        layout,
        tuple.map((r, axis) =>
          axis === rank - 2 ? affine.offset(affine.scale(r, stage.width), j) : r,
        ),
      ),
    ),
  );
  const wanted = groups.flat().map((point) => ({ value: a, point }));
  p.within(wanted, walk, () => {
    p.barriers.touch(stage.staging.memory, 'write', 'stage');
    p.rolled(walk.rolled, () => {
      for (const points of groups) {
        const [first] = points;
        if (!isInBatch(first, lead)) continue;
        const rows = points.map((point) => spread(operandText(c, a, point), layout.width));
        const [row, column] = first.coords.slice(-2);
        guarded(p, p.ownership(layout, first), () => {
          for (let e = 0; e < layout.width; e++) {
            const line = affine.scale(affine.offset(column.at, e), stage.pitch);
            writeStage(
              p,
              stage,
              affine.add(line, row.at),
              rows.map((parts) => parts[e]),
            );
          }
        });
      }
    });
  });
}

/** Copy an operand that is in registers. */
function stageRegisters(c: Contraction, stage: Stage, lead: readonly Affine[]): void {
  c.p.force(stage.side === 'a' ? c.a : c.b);
  if (stage.side === 'a') stageRows(c, stage, lead);
  else stageColumns(c, stage, lead);
}

const widest = (n: number): Width => (n % 4 === 0 ? 4 : n % 2 === 0 ? 2 : 1);

/** Run `copy` for 0 … total − 1, spread over the invocations. */
function share(p: Program, total: number, copy: (q: Affine) => void): void {
  const threads = p.threads.tx * p.threads.ty;
  const count = Math.ceil(total / threads);
  const lid = affine.variable('lid', { lo: 0, hi: threads - 1 });
  if (count <= 4) {
    for (let n = 0; n < count; n++) {
      const q = affine.offset(lid, n * threads);
      if ((n + 1) * threads <= total) copy(q);
      else p.block(`if (${affine.print(q)} < ${total})`, () => copy(q));
    }
    return;
  }
  const name = p.text.fresh('q');
  p.block(`for (var ${name} = lid; ${name} < ${total}; ${name} += ${threads})`, () =>
    copy(affine.variable(name, { lo: 0, hi: total - 1 })),
  );
}

/** Copy a block of an operand from memory: `depth` lines from `k` on. Neighbouring invocations read neighbouring memory. */
function stageMemory(
  c: Contraction,
  stage: Stage,
  use: { lead: readonly Affine[]; k: Affine; depth: number },
): void {
  const { p } = c;
  const value = stage.side === 'a' ? c.a : c.b;
  const { rows, columns } = lengthsOf(c);
  const length = stage.side === 'a' ? rows : columns;
  const along = contiguity(p, value);
  const isDeep = along === (stage.side === 'a' ? 'column' : 'row');
  const width = widest(isDeep ? use.depth : length);
  const load = (line: Affine, place: Affine): string[] => {
    const k = affine.add(use.k, line);
    const [row, column] = stage.side === 'a' ? [place, k] : [k, place];
    const point = operandPoint(use.lead, value.type.shape, { row, column, width, axis: along });
    const text = operandText(c, value, point);
    const isSure = affine.rangeOf(k).hi + (isDeep ? width - 1 : 0) < c.depth;
    const inside = isSure ? text : p.text.let('inside', insideDepth(c, text, { k, width, isDeep }));
    return spread(inside, width);
  };
  const copy = (q: Affine): void => {
    const [major, minor] = affine.split(q, (isDeep ? use.depth : length) / width);
    const start = affine.scale(minor, width);
    if (!isDeep) {
      const at = affine.add(affine.scale(major, stage.pitch), start);
      writeStage(p, stage, at, load(major, start));
      return;
    }
    const place = affine.scale(major, stage.width);
    const parts = Array.from({ length: stage.width }, (_, j) =>
      load(start, affine.offset(place, j)),
    );
    for (let e = 0; e < width; e++) {
      const line = affine.scale(affine.offset(start, e), stage.pitch);
      writeStage(
        p,
        stage,
        affine.add(line, place),
        parts.map((row) => row[e]),
      );
    }
  };
  p.barriers.touch(stage.staging.memory, 'write', 'stage');
  share(p, (use.depth * length) / width / (isDeep ? stage.width : 1), copy);
}

/** Zero beyond the contracted axis, in both operands: what lies there may be NaN. */
function insideDepth(
  c: Contraction,
  text: string,
  at: { k: Affine; width: Width; isDeep: boolean },
): string {
  const { register, depth } = c;
  const zero =
    register === 'bool' ? splat('false', 'bool', at.width) : splat('0', register, at.width);
  if (at.width === 1 || !at.isDeep)
    return `select(${zero}, ${text}, ${affine.print(at.k)} < ${depth})`;
  const steps = Array.from({ length: at.width }, (_, e) => String(e)).join(', ');
  const type = typeName('i32', at.width);
  return `select(${zero}, ${text}, ${type}(${affine.print(at.k)}) + ${type}(${steps}) < ${type}(${depth}))`;
}

/** Multiply `depth` lines of the staged operands, from these lines on. */
function multiply(
  c: Contraction,
  block: Block,
  stages: Plan,
  use: { a: Affine; b: Affine; depth: string },
): void {
  const { p, layout } = c;
  const { a, b } = stages;
  p.barriers.touch(a.staging.memory, 'read', 'dot');
  p.barriers.touch(b.staging.memory, 'read', 'dot');
  const name = p.text.fresh('k');
  p.block(`for (var ${name} = 0; ${name} < ${use.depth}; ${name}++)`, () => {
    const k = affine.variable(name, { lo: 0, hi: c.depth });
    const lineA = affine.scale(affine.add(use.a, k), a.pitch);
    const lineB = affine.scale(affine.add(use.b, k), b.pitch);
    const columns = Array.from({ length: layout.columnRegisters }, (_, n) => {
      const own =
        layout.columns === 1
          ? affine.zero
          : affine.offset(affine.scale(tx(p.threads), b.width), n * p.threads.tx * b.width);
      return p.text.let('b', `${b.staging.name}[${vectorIndex(affine.add(lineB, own), b.width)}]`);
    });
    const rows = rowElements(c, block, a, lineA);
    block.accumulators.forEach((row, i) =>
      row.forEach((accumulator, n) => multiplyAdd(c, accumulator, rows[i], columns[n])),
    );
  });
}

const vectorIndex = (at: Affine, width: Width): string => {
  const exact = affine.divide(at, width);
  return exact === undefined ? `(${affine.print(at)}) / ${width}` : affine.print(exact);
};

/** The elements of A in this invocation's rows of a staged line. */
function rowElements(c: Contraction, block: Block, a: Stage, line: Affine): string[] {
  const { p } = c;
  const elements: string[] = [];
  for (let i = 0; i < block.rows.length;) {
    const at = affine.add(line, rowOf(c, block, i));
    const width: Width =
      i + a.width <= block.rows.length && affine.isMultiple(at, a.width) ? a.width : 1;
    const text = p.text.let('a', stagedElement(a, at, width));
    elements.push(...spread(text, width));
    i += width;
  }
  return elements;
}

function stagedElement(a: Stage, at: Affine, width: Width): string {
  if (width === a.width) return `${a.staging.name}[${vectorIndex(at, width)}]`;
  const text = affine.atom(at);
  return `${a.staging.name}[${text} / ${a.width}][${text} % ${a.width}]`;
}

/** Write the loop over the contracted axis. */
export function emitStaged(c: Contraction, block: Block): void {
  const { p } = c;
  const stages = plan(c);
  if (stages === undefined) return;
  const { depth } = stages;
  const { lead } = block;
  if (stages.a.isResident) stageRegisters(c, stages.a, lead);
  if (stages.b.isResident) stageRegisters(c, stages.b, lead);
  const walk: Walk = { layout: c.layout, rolled: [], tuples: [] };
  if (stages.a.isResident && stages.b.isResident) {
    multiply(c, block, stages, { a: affine.zero, b: affine.zero, depth: String(c.depth) });
    return;
  }
  const name = p.text.fresh('k');
  const isOnce = c.depth === depth;
  const last = Math.floor((c.depth - 1) / depth) * depth;
  const k = isOnce ? affine.zero : affine.variable(name, { lo: 0, hi: last }, depth);
  const wanted = operandPoint(lead, c.a.type.shape, {
    row: affine.variable('row', { lo: 0, hi: 1 }),
    column: k,
  });
  const step = (): void => {
    if (!stages.a.isResident) stageMemory(c, stages.a, { lead, k, depth });
    if (!stages.b.isResident) stageMemory(c, stages.b, { lead, k, depth });
    // A resident operand has no zeros beyond its end.
    const isZeroed = !stages.a.isResident && !stages.b.isResident;
    const limit =
      c.depth % depth === 0 || isZeroed
        ? String(depth)
        : p.text.let('depth', `min(${depth}, ${c.depth} - ${name})`);
    const from = (stage: Stage): Affine => (stage.isResident ? k : affine.zero);
    multiply(c, block, stages, { a: from(stages.a), b: from(stages.b), depth: limit });
  };
  p.within(stages.a.isResident ? [] : [{ value: c.a, point: wanted }], walk, () => {
    if (isOnce) step();
    else
      p.block(`for (var ${name} = 0; ${name} < ${c.depth}; ${name} += ${depth})`, () =>
        p.barriers.loop(step),
      );
  });
}
