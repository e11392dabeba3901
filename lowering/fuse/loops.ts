/** From the axes of a finished fusion to its loops: order, merging of neighbours, blocks, and which loops a dimension runs over. */
import { InternalError } from '../../core/errors.ts';
import { flatAxes, resolve, type Axis, type Dims } from './axes.ts';
import type { Cluster } from './cluster.ts';
import { chooseBlocks, type Loop } from './config.ts';
import type { Target } from './ir.ts';

/** Axes in the order that the kernel's tiles use: that of the widest value. */
function canonicalOrder(cluster: Cluster): Axis[] {
  const widest =
    [...cluster.dims.values()].map(flatAxes).toSorted((a, b) => size(b) - size(a))[0] ?? [];
  const first = cluster.reduceSpace === undefined ? widest : resolve(cluster.reduceSpace);
  const order = [...first];
  for (const dims of cluster.dims.values())
    for (const axis of flatAxes(dims)) if (!order.includes(axis)) order.unshift(axis);
  return order;
}

const size = (axes: readonly Axis[]): number => axes.reduce((n, a) => n * a.extent, 1);

/** Whether every access has both axes next to each other, or neither. */
function mergeable(a: Axis, b: Axis, accesses: readonly (readonly Axis[])[]): boolean {
  if (a.rigid || b.rigid) return false;
  return accesses.every((axes) => {
    const at = axes.indexOf(a);
    return at < 0 ? !axes.includes(b) : axes[at + 1] === b;
  });
}

function partOf(axis: Axis, cluster: Cluster): Loop['part'] {
  if (cluster.reduced !== undefined && resolve(cluster.reduced).includes(axis)) return 'reduced';
  if (cluster.dotDims === undefined) return 'free';
  if (resolve(cluster.dotDims.m).includes(axis)) return 'm';
  return resolve(cluster.dotDims.n).includes(axis) ? 'n' : 'free';
}

/** The loops of a fusion. */
export class LoopNest {
  readonly loops: readonly Loop[];
  /** Loops with more than one block, in grid order. */
  readonly grid: readonly Loop[];
  /** Loops that are axes of tiles (block larger than one). */
  readonly tileLoops: readonly Loop[];
  /** The contracted loop of a dot, which is no axis of the fusion; undefined when it has size 1 or there is no dot. */
  readonly contracted: Loop | undefined;
  readonly #of = new Map<Axis, Loop>();

  /**
   * `accesses`: axes of every read, write and interior value; `inner`: innermost axis of every read from memory;
   * `whole`: axes that may not be cut.
   */
  constructor(
    cluster: Cluster,
    accesses: readonly (readonly Axis[])[],
    inner: readonly (Axis | undefined)[],
    target: Target,
  ) {
    const order = canonicalOrder(cluster);
    const groups: Axis[][] = [];
    for (const axis of order) {
      const last = groups[groups.length - 1];
      const joins =
        last !== undefined &&
        mergeable(last[last.length - 1], axis, accesses) &&
        partOf(last[0], cluster) === partOf(axis, cluster);
      if (joins) last.push(axis);
      else groups.push([axis]);
    }
    this.loops = groups.map((axes) => ({
      axes,
      extent: size(axes),
      part: partOf(axes[0], cluster),
      block: 1,
      grid: undefined,
    }));
    for (const loop of this.loops) for (const axis of loop.axes) this.#of.set(axis, loop);
    const contracted = cluster.dotDims === undefined ? [] : resolve(cluster.dotDims.k);
    if (contracted.length > 0) {
      const extent = size(contracted);
      this.contracted = {
        axes: contracted,
        extent,
        part: 'reduced',
        block: extent,
        grid: undefined,
      };
      for (const axis of contracted) this.#of.set(axis, this.contracted);
    }
    const minor = this.loops[this.loops.length - 1];
    const turned = [
      ...new Set(inner.flatMap((axis) => (axis === undefined ? [] : [this.loopOf(axis)]))),
    ].filter((l) => l !== minor);
    chooseBlocks(this.loops, minor === undefined ? [] : turned, [], target);
    this.grid = this.loops.filter((l) => l.block < l.extent);
    this.grid.forEach((loop, i) => (loop.grid = i));
    this.tileLoops = this.loops.filter((l) => l.block > 1);
  }

  /** The loop that an axis belongs to. */
  loopOf(axis: Axis): Loop {
    const loop = this.#of.get(axis);
    if (loop === undefined)
      throw new InternalError('fuse: an access uses an axis that no value of the fusion has.');
    return loop;
  }

  /** The loops of an access in its order of memory, each once (merged axes are neighbours in every access). */
  order(dims: Dims): Loop[] {
    return this.sequence(flatAxes(dims));
  }

  /** The loops of a list of axes, each once. */
  sequence(axes: readonly Axis[]): Loop[] {
    const out: Loop[] = [];
    for (const axis of axes) {
      const loop = this.loopOf(axis);
      if (out[out.length - 1] !== loop) out.push(loop);
    }
    return out;
  }

  /** Tile shape of a value with these axes: its blocks, and 1 along loops that it does not have. */
  tileShape(dims: Dims): number[] {
    const present = this.order(dims);
    return this.tileLoops.map((l) => (present.includes(l) ? l.block : 1));
  }

  /** Grid loops that a value does not have: its block is computed by several programs. */
  missing(dims: Dims): Loop[] {
    const present = this.order(dims);
    return this.grid.filter((l) => !present.includes(l));
  }
}
