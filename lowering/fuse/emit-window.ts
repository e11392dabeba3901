/** Ops that read at shifted or computed positions: slice, pad, reverse, concatenate, dynamic slice, gather, reduce_window. */
import { LoweringError } from '../../core/errors.ts';
import type { HloOp } from '../hlo/ir.ts';
import type { Ref, Tile } from '../tile/ir.ts';
import { resolve } from './axes.ts';
import { namedCombiner } from './classify.ts';
import type { Loop } from './config.ts';
import { constantOf } from '../hlo/constant.ts';
import { neutral } from './emit-reduce.ts';
import { clampedIndex } from './starts.ts';
import type { Writer } from './writer.ts';

/** The loop of every dimension of the result (none for size 1): window ops keep their dimensions apart. */
function loopsOf(w: Writer, op: HloOp): (Loop | undefined)[] {
  return w.dimsOf(op.results[0]).map((axes) => w.nest.sequence(resolve(axes))[0]);
}

/** Translate a window op. */
export function emitWindow(w: Writer, op: HloOp): Tile {
  switch (op.kind) {
    case 'slice':
      return strided(w, op, op.attrs.starts, op.attrs.strides);
    case 'reverse':
      return reversed(w, op);
    case 'pad':
      return padded(w, op);
    case 'concatenate':
      return joined(w, op);
    case 'dynamic_slice':
      return dynamic(w, op);
    case 'gather':
      return gathered(w, op);
    case 'reduce_window':
      return windowed(w, op);
    default:
      throw new LoweringError(`fuse: ${op.kind} is not a window op.`);
  }
}

interface Cut {
  readonly starts: readonly Tile[];
  readonly strides: readonly number[];
  readonly fill?: number | bigint | boolean;
}

/** Load a window of a whole operand: along each dimension, one block of the result's loop. */
function cut(
  w: Writer,
  ref: Ref,
  loops: readonly (Loop | undefined)[],
  { starts, strides, fill }: Cut,
): Tile {
  const { b } = w;
  const sizes = loops.map((l) => l?.block ?? 1);
  const squeeze = sizes.flatMap((size, i) => (size === 1 ? [i] : []));
  const view = b.sliceRef(ref, starts, { sizes, strides, squeeze });
  const tile = b.load(view, fill === undefined ? {} : { fill });
  return w.canonical(
    tile,
    loops.filter((l) => l !== undefined),
  );
}

/** start + stride · first index of the block. */
function offset(w: Writer, loop: Loop | undefined, start: number, stride: number): Tile {
  const { b } = w;
  if (loop === undefined || loop.grid === undefined) return b.constant(start, 'i32');
  const at = w.start(loop);
  const scaled = stride === 1 ? at : b.scalar('mul', at, b.constant(stride, 'i32'));
  return start === 0 ? scaled : b.scalar('add', scaled, b.constant(start, 'i32'));
}

function strided(
  w: Writer,
  op: HloOp,
  starts: readonly number[],
  strides: readonly number[],
): Tile {
  const loops = loopsOf(w, op);
  return cut(w, w.wholeRef(op.operands[0]), loops, {
    starts: starts.map((start, i) => offset(w, loops[i], start, strides[i])),
    strides,
  });
}

function reversed(w: Writer, op: HloOp<'reverse'>): Tile {
  const { b } = w;
  const loops = loopsOf(w, op);
  const { shape } = op.operands[0].type;
  const { dims } = op.attrs;
  const starts = shape.map((extent, i) => {
    const loop = loops[i];
    if (!dims.includes(i)) return offset(w, loop, 0, 1);
    const last = b.constant(extent - (loop?.block ?? 1), 'i32');
    return loop?.grid === undefined ? last : b.scalar('sub', last, w.start(loop));
  });
  const tile = cut(w, w.wholeRef(op.operands[0]), loops, { starts, strides: shape.map(() => 1) });
  const axes = dims.flatMap((d) => {
    const loop = loops[d];
    return loop === undefined || loop.block === 1 ? [] : [w.nest.tileLoops.indexOf(loop)];
  });
  return axes.length === 0 ? tile : b.rev(tile, axes);
}

function padded(w: Writer, op: HloOp<'pad'>): Tile {
  const { b } = w;
  const { low, interior } = op.attrs;
  const loops = loopsOf(w, op);
  const ref = w.wholeRef(op.operands[0]);
  const fill = constantOf(op.operands[1]);
  if (interior.every((n) => n === 0) && fill !== undefined) {
    const starts = low.map((n, i) => offset(w, loops[i], -n, 1));
    return cut(w, ref, loops, { starts, strides: low.map(() => 1), fill });
  }
  const shape = w.nest.tileShape(w.dimsOf(op.results[0]));
  const number = (n: number): Tile => b.constant(n, 'i32', shape);
  let inside: Tile | undefined;
  const indices = w.dimsOf(op.results[0]).map((axes, i) => {
    const position = b.scalar('sub', w.index(resolve(axes), shape), number(low[i]));
    const step = interior[i] + 1;
    const index = step === 1 ? position : b.scalar('div', position, number(step));
    const tests = [
      b.compare('ge', position, number(0)),
      b.compare('lt', index, number(op.operands[0].type.shape[i])),
    ];
    if (step > 1) tests.push(b.compare('eq', b.scalar('mul', index, number(step)), position));
    for (const test of tests) inside = inside === undefined ? test : b.scalar('and', inside, test);
    return index;
  });
  const value = w.expandScalar(w.scalarOperand(op.operands[1]), shape);
  if (inside === undefined) return w.expandScalar(b.load(ref), shape);
  return b.select(inside, b.gather(ref, indices, { mask: inside }), value);
}

function joined(w: Writer, op: HloOp<'concatenate'>): Tile {
  const { b } = w;
  const { dim } = op.attrs;
  const loops = loopsOf(w, op);
  const axes = resolve(w.dimsOf(op.results[0])[dim]);
  const shape = w.nest.tileShape(w.dimsOf(op.results[0]));
  let before = 0;
  let result: Tile | undefined;
  for (const x of op.operands) {
    const starts = x.type.shape.map((_, i) => offset(w, loops[i], i === dim ? -before : 0, 1));
    const piece = w.expand(
      cut(w, w.wholeRef(x), loops, { starts, strides: starts.map(() => 1) }),
      shape,
    );
    result =
      result === undefined
        ? piece
        : b.select(
            b.compare('lt', w.index(axes, shape), b.constant(before, 'i32', shape)),
            result,
            piece,
          );
    before += x.type.shape[dim];
  }
  if (result === undefined) throw new LoweringError('concatenate: needs at least one operand.');
  return result;
}

function dynamic(w: Writer, op: HloOp<'dynamic_slice'>): Tile {
  const { b } = w;
  const loops = loopsOf(w, op);
  const { shape } = op.operands[0].type;
  const starts = shape.map((extent, i) => {
    const start = clampedIndex(b, w.scalarOperand(op.operands[i + 1]), extent - op.attrs.sizes[i]);
    const loop = loops[i];
    return loop?.grid === undefined ? start : b.scalar('add', start, w.start(loop));
  });
  return cut(w, w.wholeRef(op.operands[0]), loops, { starts, strides: shape.map(() => 1) });
}

function gathered(w: Writer, op: HloOp<'gather'>): Tile {
  const { b } = w;
  const { dims, sliceSizes } = op.attrs;
  const [operand, indices] = op.operands;
  const resultDims = w.dimsOf(op.results[0]);
  const shape = w.nest.tileShape(resultDims);
  const positions = resultDims.map((axes) => w.index(resolve(axes), shape));
  const batchPositions = positions.filter((_, i) => !dims.offsetDims.includes(i));
  const indexRank = indices.type.shape.length;
  const batchAxes = Array.from({ length: indexRank }, (_, i) => i).filter(
    (i) => i !== dims.indexVectorDim,
  );
  const component = (k: number): Tile => {
    const at = Array.from({ length: indexRank }, (_, i) =>
      i === dims.indexVectorDim
        ? b.constant(k, 'i32', shape)
        : batchPositions[batchAxes.indexOf(i)],
    );
    return indexRank === 0
      ? w.expandScalar(b.load(w.wholeRef(indices)), shape)
      : b.gather(w.wholeRef(indices), at);
  };
  const offsetAxes = operand.type.shape
    .map((_, i) => i)
    .filter((i) => !dims.collapsedSliceDims.includes(i) && !dims.operandBatchingDims.includes(i));
  const where = operand.type.shape.map((extent, axis) => {
    const offsetAt = offsetAxes.indexOf(axis);
    const within = offsetAt < 0 ? undefined : positions[dims.offsetDims[offsetAt]];
    const batchAt = dims.operandBatchingDims.indexOf(axis);
    if (batchAt >= 0)
      return batchPositions[batchAxes.indexOf(dims.startIndicesBatchingDims[batchAt])];
    const k = dims.startIndexMap.indexOf(axis);
    if (k < 0) return within ?? b.constant(0, 'i32', shape);
    const start = clampedIndex(b, component(k), extent - sliceSizes[axis]);
    return within === undefined ? start : b.scalar('add', start, within);
  });
  if (where.length === 0) return w.expandScalar(b.load(w.wholeRef(operand)), shape);
  return b.gather(w.wholeRef(operand), where);
}

function windowed(w: Writer, op: HloOp<'reduce_window'>): Tile {
  const { b } = w;
  const { window } = op.attrs;
  const combiner = op.operands.length === 2 ? namedCombiner(op.regions[0]) : undefined;
  if (combiner === undefined || window.baseDilations.some((d) => d !== 1))
    throw new LoweringError(
      'reduce_window: compiled devices take one operand, a named combiner and no base dilation; use the interpreter device.',
    );
  const loops = loopsOf(w, op);
  const ref = w.wholeRef(op.operands[0]);
  const shape = w.nest.tileShape(w.dimsOf(op.results[0]));
  const { dtype } = op.results[0].type;
  // Padding has the initial value.
  const isPadded = window.padding.some(([low, high]) => low > 0 || high > 0);
  const fill = isPadded ? constantOf(op.operands[1]) : neutral(combiner, dtype);
  if (fill === undefined)
    throw new LoweringError(
      'reduce_window: compiled devices pad with a constant; got an initial value that is computed. Pad the operand first, or use the interpreter device.',
    );
  const count = window.dimensions.reduce((n, d) => n * d, 1);
  const read = (at: readonly Tile[]): Tile => {
    const starts = window.dimensions.map((_, i) => {
      const base = offset(w, loops[i], -window.padding[i][0], window.strides[i]);
      const dilation = window.windowDilations[i];
      const step = dilation === 1 ? at[i] : b.scalar('mul', at[i], b.constant(dilation, 'i32'));
      return b.scalar('add', base, step);
    });
    return w.expand(cut(w, ref, loops, { starts, strides: window.strides, fill }), shape);
  };
  const init = w.expandScalar(w.scalarOperand(op.operands[1]), shape);
  const [total] = b.for(
    b.constant(0, 'i32'),
    b.constant(count, 'i32'),
    b.constant(1, 'i32'),
    [init],
    (i, [acc]) => {
      const at: Tile[] = [];
      let rest = i;
      for (let d = window.dimensions.length - 1; d >= 0; d--) {
        const extent = b.constant(window.dimensions[d], 'i32');
        at[d] = d === 0 ? rest : b.scalar('rem', rest, extent);
        rest = b.scalar('div', rest, extent);
      }
      return [b.scalar(combiner, acc, read(at))];
    },
  );
  return total;
}
