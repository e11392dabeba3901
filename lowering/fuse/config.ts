/** Block sizes: how the loops of a fusion are cut into tiles for a target. Figures from the measurements in `docs/decisions/`. */
import type { Axis } from './axes.ts';
import type { Limits } from './cluster.ts';
import type { Target } from './ir.ts';

/** One loop of a fusion: neighbouring axes that every access treats alike, merged. */
export interface Loop {
  readonly axes: readonly Axis[];
  readonly extent: number;
  /** What the loop is for: rows and columns of a dot, a reduced axis, or none of these. */
  readonly part: 'free' | 'reduced' | 'm' | 'n';
  /** Elements of one tile along the loop. */
  block: number;
  /** Position among the grid axes, when there is more than one block. */
  grid: number | undefined;
}

/** Elements of a tile for elementwise kernels. */
const mapElements = (target: Target): number => (target.kind === 'webgpu' ? 1024 : 16384);

/** Limits of fusions on a target. */
export const limitsOf = (target: Target): Limits => ({
  maxWork: target.kind === 'webgpu' ? 256 : 1024,
  maxOperands: target.maxOperands,
  maxRow: target.kind === 'webgpu' ? 16384 : 262144,
});

const even = (extent: number, block: number): number => {
  if (block >= extent) return extent;
  const blocks = Math.ceil(extent / block);
  return Math.ceil(extent / blocks);
};

/** Fill a budget of elements from the innermost loop outwards. */
function fill(loops: readonly Loop[], budget: number, multiple: number): void {
  let left = budget;
  for (let i = loops.length - 1; i >= 0; i--) {
    const loop = loops[i];
    let block = even(loop.extent, Math.max(1, left));
    if (i === loops.length - 1 && block < loop.extent)
      block = Math.min(loop.extent, Math.ceil(block / multiple) * multiple);
    loop.block = block;
    left = Math.floor(left / block);
  }
}

/** Tasks of a dot per thread: threads that are slower, or late, take fewer of them. */
const tasksPerThread = 4;
/** Rows or columns below which a task of a dot is not worth its start, and the multiple that micro-kernels like. */
const leastShare = 48;
const shareMultiple = 8;

/** The block of up to `tasks` blocks of an extent with which the busiest thread has the least to do. */
function evenShares(extent: number, tasks: number, threads: number): number {
  let best = { block: extent, busiest: extent };
  for (let count = tasks; count >= 2; count--) {
    const block = Math.ceil(extent / count / shareMultiple) * shareMultiple;
    if (block < leastShare || block >= extent) continue;
    const whole = Math.ceil(extent / block) - 1;
    const last = extent - whole * block;
    const busiest = Math.ceil(whole / threads) * block + (whole % threads === 0 ? last : 0);
    if (busiest < best.busiest) best = { block, busiest };
  }
  return best.block;
}

/** Rows of a tile of 64 columns that one subgroup of a software driver holds in 32 vectors per lane: more would go to memory. */
const softwareRows = ({ subgroupSize }: Target): number =>
  subgroupSize > 1 ? Math.min(16, 2 * subgroupSize) : 16;

function chooseDot(loops: readonly Loop[], target: Target): void {
  for (const loop of loops) loop.block = 1;
  const m = loops.findLast((l) => l.part === 'm');
  const n = loops.findLast((l) => l.part === 'n');
  if (target.kind === 'webgpu') {
    if (m !== undefined) m.block = Math.min(m.extent, target.fallback ? softwareRows(target) : 64);
    if (n !== undefined) n.block = Math.min(n.extent, 64);
    return;
  }
  const outer = loops.filter((l) => l !== m && l !== n).reduce((k, l) => k * l.extent, 1);
  const tasks =
    target.parallelism <= 1 ? 1 : Math.ceil((target.parallelism * tasksPerThread) / outer);
  if (n !== undefined) n.block = n.extent;
  if (m !== undefined) m.block = m.extent;
  const cut = n !== undefined && n.extent >= (m?.extent ?? 1) / 2 ? n : m;
  if (cut === undefined || tasks <= 1) return;
  cut.block = evenShares(cut.extent, tasks, target.parallelism);
}

function chooseReduce(loops: readonly Loop[], target: Target): void {
  const reduced = loops.filter((l) => l.part === 'reduced');
  const kept = loops.filter((l) => l.part !== 'reduced');
  for (const loop of reduced) loop.block = loop.extent;
  const row = reduced.reduce((n, l) => n * l.extent, 1);
  const columns = loops[loops.length - 1]?.part !== 'reduced';
  const budget = Math.max(1, Math.floor(mapElements(target) / row));
  fill(kept, columns ? Math.max(64, budget) : budget, columns ? 16 : 1);
}

/**
 * Choose the block of every loop. `turned`: loops that are innermost in some operand but not in the fusion (transposed
 * reads), which get square tiles.
 */
export function chooseBlocks(
  loops: readonly Loop[],
  turned: readonly Loop[],
  whole: readonly Loop[],
  target: Target,
): void {
  if (loops.some((l) => l.part === 'm' || l.part === 'n')) chooseDot(loops, target);
  else if (loops.some((l) => l.part === 'reduced')) chooseReduce(loops, target);
  else if (turned.length > 0) {
    for (const loop of loops) loop.block = 1;
    const side = target.kind === 'webgpu' ? 32 : 64;
    for (const loop of [loops[loops.length - 1], ...turned])
      loop.block = Math.min(loop.extent, side);
  } else fill(loops, mapElements(target), 16);
  for (const loop of whole) loop.block = loop.extent;
}
