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
import { splat, typeName } from './format.ts';
import { componentOf, tx, type Point, type Width } from './layout.ts';
import { spread } from './prelude.ts';
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
        },
        b: {
          side: 'b',
          staging: b,
          width: layout.width,
          pitch: columns,
          lines: linesB,
          isResident: residentB,
        },
        depth,
      };
  }
  return undefined;
}

/** Whether there is workgroup memory for the operands. */
export const fitsStaging = (c: Contraction): boolean => plan(c) !== undefined;

/** Write elements of a staged operand: `at` counts elements of the array, not of its vectors. */
function writeStage(p: Program, stage: Stage, at: Affine, text: string, width: Width): void {
  const { name } = stage.staging;
  if (width === stage.width) {
    const index = affine.divide(at, width) ?? affine.variable(`((${affine.print(at)}) / ${width})`);
    p.text.line(`${name}[${affine.print(index)}] = ${text};`);
    return;
  }
  spread(text, width).forEach((part, e) => {
    const one = affine.offset(at, e);
    if (stage.width === 1) p.text.line(`${name}[${affine.print(one)}] = ${part};`);
    else {
      const n = p.text.let('at', affine.print(one));
      const shift = Math.log2(stage.width);
      p.text.line(`${name}[${n} >> ${shift}u][${n} & ${stage.width - 1}] = ${part};`);
    }
  });
}

/** Copy an operand that is in registers, as a whole. */
function stageRegisters(c: Contraction, stage: Stage, lead: readonly Affine[]): void {
  const { p } = c;
  const value = stage.side === 'a' ? c.a : c.b;
  p.force(value);
  const layout = p.layout(value.type.shape);
  const rank = layout.shape.length;
  const copy = (point: Point): void => {
    const isOther = point.coords
      .slice(0, rank - 2)
      .some((coord, i) => affine.print(coord.at) !== affine.print(lead[i]));
    if (isOther) return;
    const text = p.text.let('x', operandText(c, value, point));
    guarded(p, p.ownership(layout, point), () => {
      for (let e = 0; e < layout.width; e++) {
        const one = layout.width === 1 ? point : componentOf(point, e);
        const [row, column] = one.coords.slice(rank - 2);
        const [k, other] = stage.side === 'a' ? [column.at, row.at] : [row.at, column.at];
        const at = affine.add(affine.scale(k, stage.pitch), other);
        const isVector = stage.side === 'b' && layout.width === stage.width && layout.width > 1;
        if (isVector && e > 0) break;
        if (isVector) writeStage(p, stage, at, text, stage.width);
        else writeStage(p, stage, at, spread(text, layout.width)[e], 1);
      }
    });
  };
  p.sweep(layout, [value], copy, () => p.barriers.touch(stage.staging.memory, 'write', 'stage'));
}

/** Copy a block of an operand from memory: `depth` lines from `k` on. */
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
  const run = isDeep ? use.depth : length;
  const width: Width = run % 4 === 0 ? 4 : run % 2 === 0 ? 2 : 1;
  const total = (use.depth * length) / width;
  const threads = p.threads.tx * p.threads.ty;
  const count = Math.ceil(total / threads);
  const copy = (q: Affine): void => {
    const [major, minor] = affine.split(q, run / width);
    const start = affine.scale(minor, width);
    const [line, place] = isDeep ? [start, major] : [major, start];
    const k = affine.add(use.k, line);
    const [row, column] = stage.side === 'a' ? [place, k] : [k, place];
    const point = operandPoint(use.lead, value.type.shape, { row, column, width, axis: along });
    let text = operandText(c, value, point);
    if (affine.rangeOf(k).hi + (isDeep ? width - 1 : 0) >= c.depth)
      text = p.text.let('inside', insideDepth(c, text, { k, width, isDeep }));
    const at = affine.add(affine.scale(line, stage.pitch), place);
    if (!isDeep) writeStage(p, stage, at, text, width);
    else
      spread(text, width).forEach((part, e) =>
        writeStage(p, stage, affine.offset(at, e * stage.pitch), part, 1),
      );
  };
  p.barriers.touch(stage.staging.memory, 'write', 'stage');
  const lid = affine.variable('lid', { lo: 0, hi: threads - 1 });
  if (count <= 4) {
    for (let n = 0; n < count; n++) {
      const q = affine.offset(lid, n * threads);
      const isSure = (n + 1) * threads <= total;
      if (isSure) copy(q);
      else p.block(`if (${affine.print(q)} < ${total})`, () => copy(q));
    }
    return;
  }
  const name = p.text.fresh('q');
  p.block(`for (var ${name} = lid; ${name} < ${total}; ${name} += ${threads})`, () =>
    copy(affine.variable(name, { lo: 0, hi: total - 1 })),
  );
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
  const isEven = c.depth % depth === 0;
  const k = affine.variable(name, { lo: 0, hi: Math.floor((c.depth - 1) / depth) * depth }, depth);
  const wanted = operandPoint(lead, c.a.type.shape, {
    row: affine.variable('row', { lo: 0, hi: 1 }),
    column: k,
  });
  p.within(stages.a.isResident ? [] : [{ value: c.a, point: wanted }], walk, () =>
    p.block(`for (var ${name} = 0; ${name} < ${c.depth}; ${name} += ${depth})`, () =>
      p.barriers.loop(() => {
        if (!stages.a.isResident) stageMemory(c, stages.a, { lead, k, depth });
        if (!stages.b.isResident) stageMemory(c, stages.b, { lead, k, depth });
        // A resident operand has no zeros beyond its end.
        const limit =
          isEven || !(stages.a.isResident || stages.b.isResident)
            ? String(depth)
            : p.text.let('depth', `min(${depth}, ${c.depth} - ${name})`);
        const from = (stage: Stage): Affine => (stage.isResident ? k : affine.zero);
        multiply(c, block, stages, { a: from(stages.a), b: from(stages.b), depth: limit });
      }),
    ),
  );
}
