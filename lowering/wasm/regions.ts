/** Walks the ops of a region in order: scalars are emitted at once, tiles are placed or left to their users, effects go to the queue. */
import { LoweringError } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Tile, TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import { isTile } from '../tile/ir.ts';
import { emitFor, emitIf, emitWhile } from './control.ts';
import { emitDot } from './dot.ts';
import { homesOf } from './homes.ts';
import { int } from './nodes.ts';
import { identityForms, reshapeForms } from './pass.ts';
import type { Form, Instance, Pass, Root } from './pass.ts';
import { inPlace, planRegion, splits } from './plan.ts';
import { constantForm, fullSpace, isIndex } from './program.ts';
import type { Program } from './program.ts';
import { emitScan } from './scan.ts';
import { emitAtomic, emitScatter } from './scatter.ts';
import { emitSort } from './sort.ts';
import { resultWindow } from './walk.ts';
import type { ChooseTargets, Walk } from './walk.ts';
import type { Window } from './window.ts';
import {
  isContiguous,
  looseDims,
  reshapeWindow,
  sliceWindow,
  knownIndex,
  transposeWindow,
} from './window.ts';

/** Emit the ops of a region. Its arguments must have places. */
export function walkRegion(program: Program, region: TileRegion, choose?: ChooseTargets): Walk {
  const plan = planRegion(region);
  const walk: Walk = {
    program,
    plan,
    region,
    homes: homesOf(region, plan),
    targets: choose?.(plan) ?? new Map<TileValue, Window>(),
    done: new Set(),
    enter: (inner, chooseInner) => walkRegion(program, inner, chooseInner),
  };
  const ends = new Map<number, TileValue[]>();
  for (const [value, last] of plan.lastRead) {
    const ending = ends.get(last);
    if (ending === undefined) ends.set(last, [value]);
    else ending.push(value);
  }
  const own = new Set<TileValue>();
  region.ops.forEach((op, at) => {
    if (!walk.done.has(op)) emitOp(walk, op);
    op.results.forEach((result) => own.add(result));
    for (const value of ends.get(at) ?? []) if (own.has(value)) endOf(program, value);
  });
  return walk;
}

function endOf(program: Program, value: TileValue): void {
  if (!isTile(value)) return;
  const place = program.place(value);
  // A reshape of a tile in memory shares its block: the block goes when the tile's own uses, which include the reshape's, are over.
  if (place?.kind === 'memory' && value.def?.kind !== 'reshape') program.free(place.window);
}

function emitOp(walk: Walk, op: TileOp): void {
  if (inPlace.has(op.kind)) return emitInPlace(walk, op);
  const { program } = walk;
  switch (op.kind) {
    case 'programId':
      return program.setIndex(op.results[0], program.grid[op.attrs.axis].id);
    case 'numPrograms':
      return program.setIndex(op.results[0], knownIndex(program.grid[op.attrs.axis].extent));
    case 'for':
      return emitFor(walk, op);
    case 'while':
      return emitWhile(walk, op);
    case 'if':
      return emitIf(walk, op);
    case 'alloc':
      return program.setWindow(
        op.results[0],
        program.allocate('alloc', op.results[0].type.dtype, op.results[0].type.shape),
      );
    case 'slice_ref': {
      const starts = op.operands.slice(1).map((start) => program.index(start));
      return program.setWindow(
        op.results[0],
        sliceWindow(program.fn, program.window(op.operands[0]), starts, op.attrs),
      );
    }
    case 'transpose_ref':
      return program.setWindow(
        op.results[0],
        transposeWindow(program.window(op.operands[0]), op.attrs.permutation),
      );
    case 'store':
    case 'accumulate':
      return emitStore(walk, op);
    case 'atomic':
      return emitAtomic(walk, op);
    case 'scatter':
      return emitScatter(walk, op);
    case 'reduce':
      return op.attrs.combiner === undefined ? emitFold(walk, op) : emitReduce(walk, op);
    case 'argreduce':
      return emitArgReduce(walk, op);
    case 'scan':
      return emitScan(walk, op);
    case 'sort':
      return emitSort(walk, op);
    case 'concat':
      return emitConcat(walk, op);
    case 'pad':
      return emitPad(walk, op);
    case 'dot':
      return emitDot(walk, op);
    case 'print':
    case 'check':
      return undefined;
    default:
      throw new LoweringError(`wasm: ${op.kind} has no code on this target.`);
  }
}

function emitInPlace(walk: Walk, op: TileOp): void {
  const { program, plan } = walk;
  const result = op.results[0] as Tile;
  if (result.type.shape.length === 0) return emitScalar(program, op, result);
  if (op.kind === 'reshape' && splits(op)) return emitReshape(walk, op);
  if (plan.materialised.has(result))
    program.materialise(result, walk.targets.get(result) ?? homeOf(walk, result));
  return undefined;
}

// The memory that the tile's last reader stores to, unless some of it lies outside the array.
function homeOf({ program, homes }: Walk, tile: Tile): Window | undefined {
  const ref = homes.get(tile);
  if (ref === undefined) return undefined;
  const window = program.window(ref);
  return looseDims(program.symbols, window).length === 0 ? window : undefined;
}

function emitScalar(program: Program, op: TileOp, result: Tile): void {
  if (isIndex(result)) {
    if (op.kind === 'constant') return program.setIndex(result, knownIndex(Number(op.attrs.value)));
    if (op.kind === 'scalar') {
      const affine = program.symbols.apply(
        op.attrs.fn,
        op.operands.map((x) => program.affineOf(x)),
      );
      return program.setSingle(
        result,
        affine.terms.size === 0 ? int(affine.constant) : program.single(result),
        affine,
      );
    }
    if (op.kind === 'assume') {
      return program.setSingle(
        result,
        program.single(op.operands[0] as Tile),
        program.affineOf(op.operands[0]),
      );
    }
    return program.setSingle(result, program.single(result), program.symbols.unknown());
  }
  return program.setSingle(result, program.single(result));
}

// A reshape that splits axes is another view of memory, unless all it is good for is to be stored.
function emitReshape(walk: Walk, op: TileOp<'reshape'>): void {
  const { program, region } = walk;
  const result = op.results[0] as Tile;
  const isStored = region.ops
    .filter((user) => user.operands.includes(result))
    .every((user) => user.kind === 'store');
  if (isStored && !region.results.includes(result) && !isUsedInside(region, result)) return;
  const source = op.operands[0] as Tile;
  const load = source.def;
  const direct =
    program.place(source) === undefined && load?.kind === 'load' && load.operands.length === 1
      ? program.window(load.operands[0])
      : undefined;
  const isView =
    direct !== undefined &&
    isContiguous(direct) &&
    looseDims(program.symbols, direct).length === 0 &&
    !walk.plan.materialised.has(source);
  let window = isView ? direct : program.inMemory(source);
  if (!isContiguous(window)) {
    program.setPlace(source, { kind: 'memory', window });
    const copy = program.allocate('tile', source.type.dtype, source.type.shape);
    program.write(source, copy, source);
    window = copy;
  }
  program.setPlace(result, {
    kind: 'memory',
    window: reshapeWindow(program.fn, window, result.type.shape),
  });
}

const isUsedInside = (region: TileRegion, value: TileValue): boolean =>
  region.ops.some((op) => op.regions.some((inner) => usesOf(inner, value)));

const usesOf = (region: TileRegion, value: TileValue): boolean =>
  region.results.includes(value) ||
  region.ops.some(
    (op) => op.operands.includes(value) || op.regions.some((inner) => usesOf(inner, value)),
  );

function emitStore({ program }: Walk, op: TileOp<'store' | 'accumulate'>): void {
  const window = program.window(op.operands[0]);
  let tile = op.operands[1] as Tile;
  const mask = op.operands[2] as Tile | undefined;
  let { shape } = tile.type;
  let targetForms = identityForms(shape.length);
  // A reshape that is only stored is walked in its operand's shape: the other way round it merges axes.
  if (tile.def?.kind === 'reshape' && program.place(tile) === undefined && splits(tile.def)) {
    const source = tile.def.operands[0] as Tile;
    const inverse = reshapeForms(
      shape,
      source.type.shape,
      identityForms(source.type.shape.length),
      source.type.shape.length,
    );
    if (inverse !== undefined && mask === undefined) {
      [tile, shape, targetForms] = [source, source.type.shape, inverse];
    } else
      program.setPlace(tile, {
        kind: 'memory',
        window: reshapeWindow(program.fn, program.inMemory(source), shape),
      });
  }
  const clipped = program.clipsOf(window);
  const isSame = tile === op.operands[1];
  const space = isSame
    ? { ...fullSpace(shape), ...clipped }
    : { ...fullSpace(shape), condition: clipped.condition };
  const make =
    (value: Tile) =>
    (pass: Pass): Root => ({
      kind: 'write',
      value: combined(
        pass,
        op,
        { window, forms: targetForms },
        pass.instance(value, identityForms(shape.length)),
      ),
      mask: mask && pass.instance(mask, identityForms(shape.length)),
      to: { window, forms: targetForms },
      tile: undefined,
    });
  if (program.queue.add(space, make(tile))) return;
  // The tile reads the memory that it is stored to, elsewhere: it is computed first.
  program.materialise(tile);
  program.queue.add(space, make(tile));
}

function combined(
  pass: Pass,
  op: TileOp<'store' | 'accumulate'>,
  to: { readonly window: Window; readonly forms: readonly Form[] },
  value: Instance,
): Instance {
  if (op.kind === 'store') return value;
  const { dtype } = value;
  const axes = value.axes;
  const old = pass.add({
    meaning: { kind: 'memory', ...to, fill: 0 },
    dtype,
    operands: [],
    axes: (1 << pass.rank) - 1,
  });
  return pass.add({
    meaning: { kind: 'scalar', fn: op.attrs.combiner },
    dtype,
    operands: [old, value],
    axes: axes | old.axes,
  });
}

// --- reductions

function reducedForms(rank: number, axes: readonly number[]): Form[] {
  return identityForms(rank).map((form, axis) =>
    axes.includes(axis) ? constantForm(rank, 0) : form,
  );
}

function emitReduce(walk: Walk, op: TileOp<'reduce'>): void {
  const { program } = walk;
  const source = op.operands[0] as Tile;
  const result = op.results[0] as Tile;
  const { shape } = source.type;
  const window = resultWindow(walk, result);
  const to = { window, forms: reducedForms(shape.length, op.attrs.axes) };
  const { combiner } = op.attrs;
  program.queue.add(
    fullSpace(
      shape,
      op.attrs.axes.filter((axis) => shape[axis] !== 1),
    ),
    (pass) => ({
      kind: 'reduce',
      value: pass.instance(source, identityForms(shape.length)),
      combiner: combiner!,
      to,
      tile: result,
    }),
  );
  program.setPlace(result, { kind: 'memory', window });
}

function emitFold(walk: Walk, op: TileOp<'reduce'>): void {
  const { program } = walk;
  const count = op.results.length;
  const sources = op.operands.slice(0, count) as Tile[];
  const inits = op.operands.slice(count) as Tile[];
  const { shape } = sources[0].type;
  const windows = op.results.map((result) => resultWindow(walk, result));
  const forms = reducedForms(shape.length, op.attrs.axes);
  program.queue.add(fullSpace(shape, op.attrs.axes), (pass) => ({
    kind: 'fold',
    values: sources.map((tile) => pass.instance(tile, identityForms(shape.length))),
    inits: inits.map((tile) => pass.instance(tile, [])),
    region: op.regions[0],
    to: windows.map((window) => ({ window, forms })),
    tiles: op.results as Tile[],
  }));
  op.results.forEach((result, i) =>
    program.setPlace(result, { kind: 'memory', window: windows[i] }),
  );
}

function emitArgReduce(walk: Walk, op: TileOp<'argreduce'>): void {
  const { program } = walk;
  const source = op.operands[0] as Tile;
  const result = op.results[0] as Tile;
  const { shape } = source.type;
  const window = resultWindow(walk, result);
  const { axis, which } = op.attrs;
  program.queue.add(fullSpace(shape, [axis]), (pass) => ({
    kind: 'argreduce',
    value: pass.instance(source, identityForms(shape.length)),
    which,
    axis,
    to: { window, forms: reducedForms(shape.length, [axis]) },
    tile: result,
  }));
  program.setPlace(result, { kind: 'memory', window });
}

// --- pieces

function writePart(
  walk: Walk,
  tile: Tile,
  window: Window,
  part: { shape: readonly number[]; forms: readonly Form[] },
): void {
  const { program } = walk;
  program.queue.add(fullSpace(part.shape), (pass) => ({
    kind: 'write',
    value: pass.instance(tile, part.forms),
    mask: undefined,
    to: { window, forms: identityForms(part.shape.length) },
    tile: undefined,
  }));
}

function emitConcat(walk: Walk, op: TileOp<'concat'>): void {
  const { program } = walk;
  const result = op.results[0] as Tile;
  const window = resultWindow(walk, result);
  const { shape } = result.type;
  let start = 0;
  for (const operand of op.operands as Tile[]) {
    const sizes = operand.type.shape;
    const starts = shape.map((_, axis) => knownIndex(axis === op.attrs.axis ? start : 0));
    const part = sliceWindow(program.fn, window, starts, {
      sizes,
      strides: shape.map(() => 1),
      squeeze: [],
    });
    if (sizeOf(sizes) > 0)
      writePart(walk, operand, part, { shape: sizes, forms: identityForms(shape.length) });
    start += sizes[op.attrs.axis];
  }
  program.setPlace(result, { kind: 'memory', window });
}

// Fill with the padding value, then write what remains of the operand every `interior + 1` positions.
function emitPad(walk: Walk, op: TileOp<'pad'>): void {
  const { program } = walk;
  const [tile, value] = op.operands as Tile[];
  const result = op.results[0] as Tile;
  const window = resultWindow(walk, result);
  const { shape } = result.type;
  const rank = shape.length;
  writePart(walk, value, window, { shape, forms: [] });
  const { low, interior } = op.attrs;
  const steps = interior.map((n) => n + 1);
  const firsts = low.map((n, axis) => (n < 0 ? Math.ceil(-n / steps[axis]) : 0));
  const starts = low.map((n, axis) => n + firsts[axis] * steps[axis]);
  const sizes = tile.type.shape.map((size, axis) =>
    Math.max(
      0,
      Math.min(size - firsts[axis], Math.ceil((shape[axis] - starts[axis]) / steps[axis])),
    ),
  );
  const part = sliceWindow(program.fn, window, starts.map(knownIndex), {
    sizes,
    strides: steps,
    squeeze: [],
  });
  const forms = identityForms(rank).map((form, axis) => ({
    coefs: form.coefs,
    constant: firsts[axis],
  }));
  if (sizeOf(sizes) > 0) writePart(walk, tile, part, { shape: sizes, forms });
  program.setPlace(result, { kind: 'memory', window });
}
