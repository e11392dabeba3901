/**
 * Loops and conditionals inside a program. Carried scalars live in locals, carried tiles in scratch memory. A carried tile is
 * overwritten in place where its last reader is what computes the next value; otherwise the next value is copied over it at the end.
 */
import { byteLengthOf } from './format.ts';
import { singleType } from './convert.ts';
import type { Tile, TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import type { Affine } from './affine.ts';
import { affineConstant, affineSum } from './affine.ts';
import type { Local, Node } from './nodes.ts';
import { add, int, intValue, op as instruction } from './nodes.ts';
import type { RegionPlan } from './plan.ts';
import { rootRef } from './plan.ts';
import type { Program } from './program.ts';
import { resultWindow } from './walk.ts';
import type { Walk } from './walk.ts';
import type { Window } from './window.ts';
import { baseAddress, isContiguous, readerOf } from './window.ts';

/** Values that go round a loop. */
interface Carried {
  readonly locals: (Local | undefined)[];
  readonly windows: (Window | undefined)[];
}

const isScalar = (tile: TileValue): boolean => tile.type.shape.length === 0;

function startCarried(walk: Walk, inits: readonly Tile[], results: readonly TileValue[]): Carried {
  const { program } = walk;
  const locals = inits.map((init) =>
    isScalar(init) ? program.fn.local(singleType(init.type.dtype), 'carry') : undefined,
  );
  const windows = inits.map((init, i) => {
    if (isScalar(init)) return undefined;
    const window = resultWindow(walk, results[i]);
    if (!program.write(init, window, undefined))
      program.write(staged(program, init), window, undefined);
    return window;
  });
  const starts = inits.map((init) => (isScalar(init) ? program.single(init) : undefined));
  program.flush();
  locals.forEach((local, i) => local && program.fn.set(local, starts[i]!));
  return { locals, windows };
}

// A tile that reads the memory it is to be written to is computed into other memory first.
function staged(program: Program, tile: Tile): Tile {
  program.materialise(tile);
  return tile;
}

function bindCarried(program: Program, args: readonly TileValue[], carried: Carried): void {
  args.forEach((arg, i) => {
    const local = carried.locals[i];
    const window = carried.windows[i];
    if (local !== undefined) program.setLocal(arg, local);
    if (window !== undefined) program.setPlace(arg, { kind: 'memory', window });
  });
}

/**
 * Where the next values of carried tiles can be put at once: into the memory of the old ones, if nothing reads those afterwards. The
 * op that computes the next value may itself read the old one: passes check that it does so at the same index, and a dot adds to it.
 */
function nextTargets(
  plan: RegionPlan,
  region: TileRegion,
  args: readonly TileValue[],
  carried: Carried,
): Map<TileValue, Window> {
  const targets = new Map<TileValue, Window>();
  region.results.forEach((value, i) => {
    const window = carried.windows[i];
    if (window === undefined || value.def === undefined) return;
    const at = region.ops.indexOf(value.def);
    const last = plan.lastRead.get(args[i]) ?? -1;
    if (
      at >= 0 &&
      last <= at &&
      region.results.indexOf(value) === i &&
      mayOverwrite(value.def, args[i], last === at)
    )
      targets.set(value, window);
  });
  return targets;
}

function mayOverwrite(op: TileOp, old: TileValue, readsOld: boolean): boolean {
  if (!readsOld) return true;
  if (op.kind !== 'dot')
    return !['reduce', 'argreduce', 'scan', 'sort', 'concat', 'pad', 'for', 'while', 'if'].includes(
      op.kind,
    );
  // Only the accumulator may depend on the old value.
  return !op.operands.slice(0, 2).some((operand) => dependsOn(operand, old));
}

function dependsOn(value: TileValue, on: TileValue): boolean {
  const seen = new Set<TileValue>();
  const stack = [value];
  while (stack.length > 0) {
    const top = stack.pop()!;
    if (top === on) return true;
    if (seen.has(top)) continue;
    seen.add(top);
    stack.push(...(top.def?.operands ?? []));
  }
  return false;
}

/** Leave the results of a region in the carried memory and locals. */
function finishRegion(walk: Walk, results: readonly TileValue[], carried: Carried): void {
  const { program } = walk;
  const scalars = results.map((value) =>
    isScalar(value) ? program.single(value as Tile) : undefined,
  );
  const copies: { from: Window; to: Window }[] = [];
  results.forEach((value, i) => {
    const to = carried.windows[i];
    if (to === undefined) return;
    const tile = value as Tile;
    const place = program.place(tile);
    if (place?.kind === 'memory' && place.window.area === to.area) return;
    const isFree = results.every((other, j) => j === i || !readsArea(program, other, to.area));
    if (place === undefined && isFree && program.write(tile, to, undefined)) return;
    const from =
      place?.kind === 'memory' && isOwn(carried, place.window, to)
        ? place.window
        : stagedCopy(program, tile);
    copies.push({ from, to });
  });
  program.flush();
  for (const { from, to } of copies) copyWindow(program, from, to);
  // All next values are read before any is assigned.
  const { fn } = program;
  const kept = scalars.map((node, i) => {
    const local = carried.locals[i];
    if (node === undefined || local === undefined) return undefined;
    const copy = fn.local(local.type, 'next');
    fn.set(copy, node);
    return copy;
  });
  kept.forEach((copy, i) => {
    if (copy === undefined) return;
    fn.set(carried.locals[i]!, fn.get(copy));
    fn.release(copy);
  });
}

// Memory of the same layout that no carried value lives in can be copied from directly.
const isOwn = (carried: Carried, window: Window, to: Window): boolean =>
  window.format === to.format &&
  isContiguous(window) &&
  carried.windows.every((other) => other?.area !== window.area);

function stagedCopy(program: Program, tile: Tile): Window {
  const copy = program.allocate('next', tile.type.dtype, tile.type.shape);
  program.write(tile, copy, undefined);
  return copy;
}

function copyWindow(program: Program, from: Window, to: Window): void {
  const bytes = to.axes.reduce((n, axis) => n * axis.size, byteLengthOf(to.format));
  const { fn } = program;
  fn.emit(instruction('memory.copy', baseAddress(fn, to), baseAddress(fn, from), int(bytes)));
}

function readsArea(program: Program, value: TileValue, area: object): boolean {
  const seen = new Set<TileValue>();
  const stack = [value];
  while (stack.length > 0) {
    const top = stack.pop()!;
    if (seen.has(top)) continue;
    seen.add(top);
    const place = top.type.kind === 'tile' ? program.place(top as Tile) : undefined;
    if (place?.kind === 'memory' && place.window.area === area) return true;
    if (place !== undefined) continue;
    if (top.type.kind === 'ref' && rootRef(top) !== top) stack.push(rootRef(top));
    stack.push(...(top.def?.operands ?? []));
  }
  return false;
}

function bindResults(program: Program, results: readonly TileValue[], carried: Carried): void {
  results.forEach((result, i) => {
    const local = carried.locals[i];
    const window = carried.windows[i];
    if (local !== undefined)
      program.setPlace(result, { kind: 'single', read: readerOf(program.fn.get(local)) });
    if (window !== undefined) program.setPlace(result, { kind: 'memory', window });
  });
}

/** The number of times a loop runs, if it is known. */
function tripsOf(lo: Node, hi: Node, step: Node): number | undefined {
  const [a, b, c] = [intValue(lo), intValue(hi), intValue(step)];
  if (a === undefined || b === undefined || c === undefined || c === 0) return undefined;
  return Math.max(0, Math.ceil((b - a) / c));
}

/** Loops whose number of rounds is not known count as this many in estimates of cost. */
const guessedTrips = 8;

/** Emit a `for`. */
export function emitFor(walk: Walk, op: TileOp<'for'>): void {
  const { program } = walk;
  const { fn } = program;
  const [lo, hi, step] = op.operands.slice(0, 3).map((tile) => program.single(tile as Tile));
  const carried = startCarried(walk, op.operands.slice(3) as Tile[], op.results);
  const [region] = op.regions;
  const [index, ...args] = region.args;
  const trips = tripsOf(lo, hi, step);
  const counter = fn.local('i32', 'k');
  fn.set(counter, lo);
  program.setIndex(index, {
    read: (inner) => inner.get(counter),
    affine: indexAffine(program, op, { lo, step, trips }),
  });
  const goesOn = (): Node => {
    const [up, down] = [
      instruction('i32.lt_s', fn.get(counter), hi),
      instruction('i32.gt_s', fn.get(counter), hi),
    ];
    const direction = intValue(step);
    if (direction !== undefined) return direction > 0 ? up : down;
    const isUp = instruction('i32.gt_s', step, int(0));
    return instruction(
      'i32.or',
      instruction('i32.and', isUp, up),
      instruction('i32.and', instruction('i32.eqz', isUp), down),
    );
  };
  fn.if(goesOn(), () =>
    fn.loop((again) => {
      program.nested(trips ?? guessedTrips, () => {
        bindCarried(program, args, carried);
        const inner = walk.enter(region, (plan) => nextTargets(plan, region, args, carried));
        finishRegion(inner, region.results, carried);
      });
      fn.set(counter, add(fn.get(counter), step));
      fn.br(again, goesOn());
    }),
  );
  bindResults(program, op.results, carried);
}

// lo + step · t, with t below the number of rounds: so that windows cut by the index are known to stay inside.
function indexAffine(
  program: Program,
  op: TileOp<'for'>,
  { lo, step, trips }: { lo: Node; step: Node; trips: number | undefined },
): Affine {
  const [first, by] = [intValue(lo), intValue(step)];
  const name = `for${program.fn.locals.length}`;
  if (trips !== undefined && trips > 0 && first !== undefined && by !== undefined)
    return affineSum(affineConstant(first), program.symbols.symbol(name, [0, trips - 1]), by);
  const low = program.symbols.boundsOf(program.affineOf(op.operands[0]));
  const high = program.symbols.boundsOf(program.affineOf(op.operands[1]));
  if (by !== undefined && by > 0)
    return program.symbols.symbol(name, [low[0], Math.max(low[0], high[1] - 1)]);
  return program.symbols.unknown();
}

/** Emit a `while`. */
export function emitWhile(walk: Walk, op: TileOp<'while'>): void {
  const { program } = walk;
  const { fn } = program;
  const carried = startCarried(walk, op.operands as Tile[], op.results);
  const [cond, body] = op.regions;
  fn.block((done) =>
    fn.loop((again) => {
      const goesOn = program.nested(guessedTrips, () => {
        bindCarried(program, cond.args, carried);
        walk.enter(cond);
        return program.single(cond.results[0] as Tile);
      });
      fn.br(done, instruction('i32.eqz', goesOn));
      program.nested(guessedTrips, () => {
        bindCarried(program, body.args, carried);
        const inner = walk.enter(body, (plan) => nextTargets(plan, body, body.args, carried));
        finishRegion(inner, body.results, carried);
      });
      fn.br(again);
    }),
  );
  bindResults(program, op.results, carried);
}

/** Emit an `if`. */
export function emitIf(walk: Walk, op: TileOp<'if'>): void {
  const { program } = walk;
  const { fn } = program;
  const condition = program.single(op.operands[0] as Tile);
  program.flush();
  const carried: Carried = {
    locals: op.results.map((result) =>
      isScalar(result) ? fn.local(singleType(result.type.dtype), 'if') : undefined,
    ),
    windows: op.results.map((result) =>
      isScalar(result) ? undefined : resultWindow(walk, result as Tile),
    ),
  };
  const arm = (region: TileRegion) => (): void =>
    program.nested(0.5, () => finishRegion(walk.enter(region), region.results, carried));
  fn.if(condition, arm(op.regions[0]), arm(op.regions[1]));
  bindResults(program, op.results, carried);
}
