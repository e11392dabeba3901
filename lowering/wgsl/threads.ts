/**
 * The choice of a grid of invocations for a kernel: enough of them to hold its tiles in few registers without padding, few barriers, and on
 * software drivers no wider than a subgroup where invocations must talk.
 */
import { sizeOf, type Shape } from '../../core/shape.ts';
import type { Kernel, TileOp, TileRegion } from '../tile/ir.ts';
import type { WgslFeatures } from './features.ts';
import { layoutOf, type Threads } from './layout.ts';

interface Work {
  readonly shape: Shape;
  /** How much is done per element, relative to one scalar operation. */
  readonly weight: number;
  /** Whether invocations exchange values along the columns, along the rows, or anyhow. */
  readonly talks: 'columns' | 'rows' | 'both' | 'none';
}

function workOf(op: TileOp): Work[] {
  const talk = (talks: Work['talks'], weight = 1): Work[] => [
    { shape: op.operands[0].type.shape, weight, talks },
  ];
  const plain = (weight: number): Work[] =>
    op.results.flatMap((r) =>
      r.type.kind === 'tile' ? [{ shape: r.type.shape, weight, talks: 'none' as const }] : [],
    );
  switch (op.kind) {
    case 'reduce': {
      const rank = op.operands[0].type.shape.length;
      const isColumn = op.attrs.axes.includes(rank - 1);
      const isRow = op.attrs.axes.includes(rank - 2);
      return talk(isColumn && isRow ? 'both' : isColumn ? 'columns' : isRow ? 'rows' : 'none');
    }
    case 'argreduce': {
      const rank = op.operands[0].type.shape.length;
      return talk(
        op.attrs.axis === rank - 1 ? 'columns' : op.attrs.axis === rank - 2 ? 'rows' : 'none',
        4,
      );
    }
    case 'sort':
    case 'scan':
    case 'scatter':
      return talk('both', 8);
    case 'store':
    case 'accumulate':
      return [{ shape: op.operands[1].type.shape, weight: 2, talks: 'none' }];
    case 'load':
    case 'gather':
      return plain(2);
    case 'constant':
    case 'broadcast':
    case 'reshape':
    case 'slice':
    case 'transpose':
      return [];
    case 'dot':
      return plain(op.operands[0].type.shape.at(-1) ?? 1);
    default:
      return plain(1);
  }
}

function collect(region: TileRegion, into: Work[], dots: TileOp<'dot'>[]): void {
  for (const op of region.ops) {
    into.push(...workOf(op).filter((w) => w.shape.length > 0));
    if (op.kind === 'dot') dots.push(op);
    for (const inner of op.regions) collect(inner, into, dots);
  }
}

/** Estimated time of a program on a grid. */
function cost(work: readonly Work[], threads: Threads, features: WgslFeatures): number {
  const total = threads.tx * threads.ty;
  // On a GPU idle invocations cost little against long programs: that is what the constant says.
  const reach = features.subgroups ? features.subgroupSize : 1;
  const lanesAtOnce = Math.max(4, reach);
  const spread = features.fallback ? Math.ceil(total / lanesAtOnce) * lanesAtOnce : total + 64;
  const meeting = features.fallback ? 400 : 24;
  let sum = features.fallback ? 0 : 8 * spread;
  for (const { shape, weight, talks } of work) {
    const layout = layoutOf(shape, threads);
    sum += weight * layout.registers * (0.4 + layout.width) * spread;
    const kept =
      talks === 'columns'
        ? layout.registers / layout.columnRegisters
        : layout.registers / layout.rowRegisters;
    const columns =
      talks === 'columns' || talks === 'both' ? Math.min(threads.tx, layout.columns) : 1;
    const rows = talks === 'rows' || talks === 'both' ? Math.min(threads.ty, layout.rows) : 1;
    const lanes = (rows > 1 ? threads.tx * rows : 1) * columns;
    if (lanes > 1)
      sum += (lanes <= reach ? 2 * Math.log2(lanes) : meeting) * Math.max(1, kept) * total;
  }
  return sum;
}

const powers = (most: number): number[] => {
  const out: number[] = [];
  for (let n = 1; n <= most; n *= 2) out.push(n);
  return out;
};

function forDot(op: TileOp<'dot'>, features: WgslFeatures, most: number): Threads {
  const { shape } = op.results[0].type;
  const [m, n] = shape.slice(-2);
  if (features.fallback && features.subgroups && features.subgroupSize > 1)
    return { tx: features.subgroupSize, ty: 1 };
  // Eight rows and one or two vectors of columns per invocation.
  const pow = (x: number): number => 2 ** Math.max(0, Math.floor(Math.log2(x)));
  const limit = features.fallback ? 16 : most;
  const tx = Math.min(limit, 32, pow(Math.max(1, n / 4)));
  const ty = Math.min(limit / tx, 16, pow(Math.max(1, m / (n >= 64 ? 8 : 4))));
  return { tx, ty: Math.max(1, ty) };
}

/** Choose the grid of invocations of a kernel. */
export function chooseThreads(kernel: Kernel, features: WgslFeatures): Threads {
  const work: Work[] = [];
  const dots: TileOp<'dot'>[] = [];
  collect(kernel.body, work, dots);
  const most = Math.min(features.fallback ? 64 : 256, features.maxInvocations);
  if (dots.length > 0) {
    const largest = dots.toSorted((a, b) => flops(b) - flops(a))[0];
    return forDot(largest, features, most);
  }
  let best: Threads = { tx: 1, ty: 1 };
  let least = Infinity;
  for (const tx of powers(most))
    for (const ty of powers(most / tx)) {
      const estimate = cost(work, { tx, ty }, features);
      if (estimate < least) {
        least = estimate;
        best = { tx, ty };
      }
    }
  return best;
}

const flops = (op: TileOp<'dot'>): number =>
  sizeOf(op.results[0].type.shape) * (op.operands[0].type.shape.at(-1) ?? 1);
