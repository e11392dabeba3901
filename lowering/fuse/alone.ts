/** Kernels for ops that are a step of their own: in-place updates, scatter, sort, long concatenations, running reductions, user kernels. */
import { LoweringError } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import type { HloOp, HloValue } from '../hlo/ir.ts';
import { makeKernel, type OperandSpec, type TileBuilder } from '../tile/build.ts';
import type { BlockDim, GridAxis, Kernel, Ref, Tile } from '../tile/ir.ts';
import { parseKernel } from '../tile/parse.ts';
import type { Combiner } from '../scalar.ts';
import { cumulative, namedCombiner } from './classify.ts';
import { emitRegion } from './emit-map.ts';
import { boundedIndex, clampedIndex } from './starts.ts';

/** One kernel of a step, over values: `inPlace` names the operand whose memory the result takes over. */
export interface AloneKernel {
  readonly kernel: Kernel;
  readonly args: readonly HloValue[];
}

/** Kernels of an op, and which results start as copies of which operands. */
export interface AlonePlan {
  /** Result number → operand whose contents it starts with (updated in place when that is dead). */
  readonly starts: ReadonlyMap<number, HloValue>;
  readonly kernels: readonly AloneKernel[];
}

const parallel = (extent: number): GridAxis => ({ extent, semantics: 'parallel' });

/** An operand that every program sees as a whole. */
function whole(value: HloValue, name: string, access: 'read' | 'readwrite' = 'read'): OperandSpec {
  const { shape, dtype } = value.type;
  return {
    name,
    dtype,
    shape,
    access,
    dims: shape.map((extent): BlockDim => ({ kind: 'blocked', size: Math.max(1, extent) })),
    indexMap: (b) => shape.map(() => b.constant(0, 'i32')),
  };
}

/** Blocks that cut a shape into tiles of about `budget` elements, innermost first. */
function blocksOf(shape: Shape, budget: number): number[] {
  let left = budget;
  return shape
    .toReversed()
    .map((extent) => {
      const block = Math.max(1, Math.min(extent, left));
      left = Math.floor(left / block);
      return block;
    })
    .toReversed();
}

const budget = 4096;

/** Write a block-wise copy of `source` into a window of a whole ref. */
function windowWrite(
  name: string,
  source: HloValue,
  target: HloValue,
  starts: readonly HloValue[] | readonly number[],
): AloneKernel {
  const { shape, dtype } = source.type;
  const blocks = blocksOf(shape, budget);
  const cutAxes = shape.flatMap((extent, i) => (blocks[i] < extent ? [i] : []));
  const dynamic = starts.filter((s): s is HloValue => typeof s !== 'number');
  const limits = target.type.shape;
  const kernel = makeKernel({
    name,
    grid: cutAxes.map((axis) => parallel(Math.ceil(shape[axis] / blocks[axis]))),
    operands: [
      {
        name: 'source',
        dtype,
        shape,
        access: 'read',
        dims: blocks.map((size): BlockDim => ({ kind: 'blocked', size })),
        indexMap: (b, ids) =>
          shape.map((_, i) =>
            cutAxes.includes(i) ? ids[cutAxes.indexOf(i)] : b.constant(0, 'i32'),
          ),
      },
      ...dynamic.map((s, i) => whole(s, `start${i}`)),
      whole(target, 'target', 'readwrite'),
    ],
    scratch: [],
    body: (b, refs) => {
      const first = startTiles(b, starts, refs.slice(1), shape, limits);
      const within = shape.map((_, i) => {
        const at = cutAxes.indexOf(i);
        return at < 0 ? undefined : b.scalar('mul', b.programId(at), b.constant(blocks[i], 'i32'));
      });
      const at = first.map((start, i) => {
        const inner = within[i];
        return inner === undefined ? start : b.scalar('add', start, inner);
      });
      const view = b.sliceRef(refs[refs.length - 1], at, { sizes: blocks });
      const mask = insideMask(b, blocks, shape, within);
      b.store(view, b.load(refs[0]), mask);
    },
  });
  return { kernel, args: [source, ...dynamic, target] };
}

function startTiles(
  b: TileBuilder,
  starts: readonly (HloValue | number)[],
  refs: readonly Ref[],
  sizes: Shape,
  limits: Shape,
): Tile[] {
  let next = 0;
  return starts.map((start, i) => {
    if (typeof start === 'number') return b.constant(start, 'i32');
    return clampedIndex(b, b.load(refs[next++]), limits[i] - sizes[i]);
  });
}

/** Mask of the elements of a block that lie inside the shape; undefined when all do. */
function insideMask(
  b: TileBuilder,
  blocks: Shape,
  shape: Shape,
  starts: readonly (Tile | undefined)[],
): Tile | undefined {
  let mask: Tile | undefined;
  shape.forEach((extent, axis) => {
    if (extent % blocks[axis] === 0) return;
    const start = starts[axis] ?? b.constant(0, 'i32');
    const position = b.scalar('add', b.iota('i32', blocks, axis), b.broadcast(start, blocks, []));
    const test = b.compare('lt', position, b.constant(extent, 'i32', blocks));
    mask = mask === undefined ? test : b.scalar('and', mask, test);
  });
  return mask;
}

function updateSlice(op: HloOp<'dynamic_update_slice'>): AlonePlan {
  const [operand, update, ...starts] = op.operands;
  const [result] = op.results;
  return {
    starts: new Map([[0, operand]]),
    kernels: [windowWrite('update_slice', update, result, starts)],
  };
}

function concatenated(op: HloOp<'concatenate'>): AlonePlan {
  const [result] = op.results;
  let before = 0;
  const kernels = op.operands.map((x) => {
    const starts = x.type.shape.map((_, i) => (i === op.attrs.dim ? before : 0));
    before += x.type.shape[op.attrs.dim];
    return windowWrite('concatenate', x, result, starts);
  });
  return { starts: new Map(), kernels };
}

/** One row per program, or a block of columns when the axis is not the last. */
function alongAxis(
  name: string,
  axis: number,
  values: { readonly inputs: readonly HloValue[]; readonly outputs: readonly HloValue[] },
  body: (b: TileBuilder, tiles: readonly Tile[], axis: number) => readonly Tile[],
): AloneKernel {
  const { shape } = values.inputs[0].type;
  const last = shape.length - 1;
  const columns = axis === last ? 1 : Math.min(shape[last], 64);
  const others = shape.flatMap((_, i) => (i === axis ? [] : [i]));
  const dims = shape.map((extent, i): BlockDim => {
    if (i === axis) return { kind: 'blocked', size: extent };
    return i === last && columns > 1 ? { kind: 'blocked', size: columns } : { kind: 'squeezed' };
  });
  const operand = (value: HloValue, i: number, access: 'read' | 'write'): OperandSpec => ({
    name: `${access === 'read' ? 'x' : 'y'}${i}`,
    dtype: value.type.dtype,
    shape,
    access,
    dims,
    indexMap: (b, ids) =>
      shape.map((_, d) => (d === axis ? b.constant(0, 'i32') : ids[others.indexOf(d)])),
  });
  const kernel = makeKernel({
    name,
    grid: others.map((i) =>
      parallel(i === last && columns > 1 ? Math.ceil(shape[i] / columns) : shape[i]),
    ),
    operands: [
      ...values.inputs.map((v, i) => operand(v, i, 'read')),
      ...values.outputs.map((v, i) => operand(v, i, 'write')),
    ],
    scratch: [],
    body: (b, refs) => {
      const n = values.inputs.length;
      const tiles = refs.slice(0, n).map((ref) => b.load(ref));
      body(b, tiles, 0).forEach((tile, i) => b.store(refs[n + i], tile));
    },
  });
  return { kernel, args: [...values.inputs, ...values.outputs] };
}

function sorted(op: HloOp<'sort'>): AlonePlan {
  const kernel = alongAxis(
    'sort',
    op.attrs.dim,
    { inputs: op.operands, outputs: op.results },
    (b, tiles, axis) => b.sort(tiles, axis, (pairs) => emitRegion(b, op.regions[0], pairs)[0]),
  );
  return { starts: new Map(), kernels: [kernel] };
}

function running(op: HloOp<'reduce_window'>): AlonePlan {
  const found = cumulative(op);
  const combiner = namedCombiner(op.regions[0]);
  if (found === undefined || combiner === undefined)
    throw new LoweringError('reduce_window: not a running reduction.');
  const values = { inputs: [op.operands[0]], outputs: op.results };
  const kernel = alongAxis('cumulative', found.axis, values, (b, [x], axis) => [
    b.scan(x, combiner, axis, found.reverse),
  ]);
  return { starts: new Map(), kernels: [kernel] };
}

function combinerOf(op: HloOp<'scatter'>): Combiner | 'set' {
  const region = op.regions[0];
  if (region.results[0] === region.args[1]) return 'set';
  const named = namedCombiner(region);
  if (named === undefined || op.operands.length !== 3)
    throw new LoweringError(
      'scatter: compiled devices take one operand and a named combiner; use the interpreter device.',
    );
  return named;
}

/** What a scatter knows of its axes. */
interface ScatterAxes {
  /** Axes of the updates that count updates, and those of the indices. */
  readonly counting: readonly number[];
  readonly indexing: readonly number[];
  /** Axes of the operand that a window spans, and the size of the window along every axis. */
  readonly window: readonly number[];
  readonly sizes: readonly number[];
}

function scatterAxes({
  operands: [operand, indices, updates],
  attrs: { dims },
}: HloOp<'scatter'>): ScatterAxes {
  const axesOf = (value: HloValue, keep: (axis: number) => boolean): number[] =>
    value.type.shape.flatMap((_, axis) => (keep(axis) ? [axis] : []));
  const window = axesOf(
    operand,
    (i) => !dims.insertedWindowDims.includes(i) && !dims.inputBatchingDims.includes(i),
  );
  const sizes = operand.type.shape.map((_, i) =>
    window.includes(i) ? updates.type.shape[dims.updateWindowDims[window.indexOf(i)]] : 1,
  );
  return {
    counting: axesOf(updates, (i) => !dims.updateWindowDims.includes(i)),
    indexing: axesOf(indices, (i) => i !== dims.indexVectorDim),
    window,
    sizes,
  };
}

/** Where the window of one update starts along every axis of the operand. */
function scatterStarts(
  b: TileBuilder,
  op: HloOp<'scatter'>,
  axes: ScatterAxes,
  at: { readonly refs: Ref; readonly position: readonly Tile[] },
): Tile[] {
  const [operand, indices] = op.operands;
  const { dims } = op.attrs;
  const component = (k: number): Tile => {
    const where = indices.type.shape.map((_, i) =>
      i === dims.indexVectorDim ? b.constant(k, 'i32') : at.position[axes.indexing.indexOf(i)],
    );
    const all = where.map((_, i) => i);
    return boundedIndex(
      b,
      b.load(b.sliceRef(at.refs, where, { sizes: where.map(() => 1), squeeze: all })),
    );
  };
  return operand.type.shape.map((_, axis) => {
    const batch = dims.inputBatchingDims.indexOf(axis);
    if (batch >= 0)
      return at.position[axes.indexing.indexOf(dims.scatterIndicesBatchingDims[batch])];
    const k = dims.scatterDimsToOperandDims.indexOf(axis);
    return k < 0 ? b.constant(0, 'i32') : component(k);
  });
}

/** Updates in order, one window at a time; windows that do not fit are skipped. */
function scattered(op: HloOp<'scatter'>): AlonePlan {
  const combiner = combinerOf(op);
  const [operand, indices, updates] = op.operands;
  const [result] = op.results;
  const axes = scatterAxes(op);
  const { counting, sizes } = axes;
  const extents = counting.map((i) => updates.type.shape[i]);
  const count = extents.reduce((n, d) => n * d, 1);
  const kernel = makeKernel({
    name: 'scatter',
    grid: [],
    operands: [
      whole(indices, 'indices'),
      whole(updates, 'updates'),
      whole(result, 'target', 'readwrite'),
    ],
    scratch: [],
    body: (b, [indexRef, updateRef, target]) => {
      const int = (n: number): Tile => b.constant(n, 'i32');
      const write = (starts: readonly Tile[], position: readonly Tile[]): void => {
        const squeeze = sizes.flatMap((_, i) => (axes.window.includes(i) ? [] : [i]));
        const window = b.sliceRef(target, starts, { sizes, squeeze });
        const from = updates.type.shape.map((_, i) =>
          counting.includes(i) ? position[counting.indexOf(i)] : int(0),
        );
        const block = updates.type.shape.map((extent, i) => (counting.includes(i) ? 1 : extent));
        const update = b.load(b.sliceRef(updateRef, from, { sizes: block, squeeze: counting }));
        if (combiner === 'set') b.store(window, update);
        else b.accumulate(window, update, combiner);
      };
      b.for(int(0), int(count), int(1), [], (step) => {
        const position = unravel(b, step, extents);
        const starts = scatterStarts(b, op, axes, { refs: indexRef, position });
        const fits = starts.map((s, i) =>
          b.scalar(
            'and',
            b.compare('ge', s, int(0)),
            b.compare('le', s, int(operand.type.shape[i] - sizes[i])),
          ),
        );
        const inside = fits.reduce((x, y) => b.scalar('and', x, y), b.constant(true, 'bool'));
        b.if(inside, () => {
          write(starts, position);
          return [];
        });
        return [];
      });
    },
  });
  return {
    starts: new Map([[0, operand]]),
    kernels: [{ kernel, args: [indices, updates, result] }],
  };
}

/** The multi-index of a row-major position. */
function unravel(b: TileBuilder, position: Tile, shape: Shape): Tile[] {
  const out: Tile[] = [];
  let rest = position;
  for (let i = shape.length - 1; i >= 0; i--) {
    const extent = b.constant(shape[i], 'i32');
    out[i] = i === 0 ? rest : b.scalar('rem', rest, extent);
    if (i > 0) rest = b.scalar('div', rest, extent);
  }
  return out;
}

/** Name of the composite that carries a tile kernel; its attribute `kernel` is the kernel's text. */
export const kernelComposite = 'palladia.kernel';

function userKernel(op: HloOp<'composite'>): AlonePlan {
  const text = op.attrs.attributes['kernel'];
  if (typeof text !== 'string')
    throw new LoweringError(
      `composite: "${kernelComposite}" must carry the text of its kernel in the attribute \`kernel\`.`,
    );
  const kernel = parseKernel(text);
  const starts = new Map<number, HloValue>();
  let operand = 0;
  let result = 0;
  const args = kernel.operands.map((spec) => {
    if (spec.access === 'read') return op.operands[operand++];
    if (spec.access === 'readwrite') starts.set(result, op.operands[operand++]);
    return op.results[result++];
  });
  if (operand !== op.operands.length || result !== op.results.length)
    throw new LoweringError(
      `composite: "${kernelComposite}" must have the operands and results of its kernel @${kernel.name}; got ${op.operands.length} and ${op.results.length}, wanted ${operand} and ${result}.`,
    );
  return { starts, kernels: [{ kernel, args }] };
}

/** Kernels of an op that is a step of its own. @throws LoweringError when compiled devices do not have it. */
export function planAlone(op: HloOp): AlonePlan {
  switch (op.kind) {
    case 'dynamic_update_slice':
      return updateSlice(op);
    case 'concatenate':
      return concatenated(op);
    case 'scatter':
      return scattered(op);
    case 'sort':
      return sorted(op);
    case 'reduce_window':
      return running(op);
    case 'composite':
      return userKernel(op);
    default:
      throw new LoweringError(
        `${op.kind}: this form has no kernel on compiled devices (operands ${op.operands.map((x) => `${x.type.dtype}[${x.type.shape.join(',')}]`).join(', ')}). Use the interpreter device, or write it with other operations.`,
      );
  }
}
