/**
 * Affine analysis of index maps: which are sums of grid indices times constants, and what follows for races. Used where a grid axis must be known
 * to be parallel. Proves or says nothing: an unknown map is `undefined`.
 */
import { splatOf } from './simplify-rules.ts';
import {
  blockShape,
  type BlockMapping,
  type GridAxis,
  type Operand,
  type TileOp,
  type TileRegion,
  type TileValue,
} from './ir.ts';

/** constant + Σ coefficients[k] · index k */
export interface Affine {
  readonly constant: number;
  readonly coefficients: readonly number[];
}

type AffineValues = ReadonlyMap<TileValue, Affine>;

const combine = (a: Affine, b: Affine, f: (x: number, y: number) => number): Affine => ({
  constant: f(a.constant, b.constant),
  coefficients: a.coefficients.map((c, i) => f(c, b.coefficients[i])),
});

const isConstant = (a: Affine): boolean => a.coefficients.every((c) => c === 0);

function ofScalar(op: TileOp<'scalar'>, known: AffineValues): Affine | undefined {
  const parts = op.operands.map((x) => known.get(x));
  if (!parts.every((p) => p !== undefined)) return undefined;
  const [a, b] = parts;
  switch (op.attrs.fn) {
    case 'neg':
      return combine(a, a, (x) => -x);
    case 'add':
      return combine(a, b, (x, y) => x + y);
    case 'sub':
      return combine(a, b, (x, y) => x - y);
    case 'mul':
      if (isConstant(a)) return combine(b, b, (x) => x * a.constant);
      return isConstant(b) ? combine(a, a, (x) => x * b.constant) : undefined;
    default:
      return undefined;
  }
}

function ofOp(op: TileOp, known: AffineValues, rank: number): Affine | undefined {
  const zero = Array.from({ length: rank }, () => 0);
  switch (op.kind) {
    case 'constant': {
      const value = splatOf(op.results[0]);
      return typeof value === 'number' ? { constant: value, coefficients: zero } : undefined;
    }
    case 'programId':
      return { constant: 0, coefficients: zero.with(op.attrs.axis, 1) };
    case 'assume':
      return known.get(op.operands[0]);
    case 'scalar':
      return ofScalar(op, known);
    default:
      return undefined;
  }
}

/** The affine i32 scalars among the values of a region, in terms of the grid indices (its first `rank` arguments, or `program_id`). */
function affineValues(region: TileRegion, rank: number): AffineValues {
  const known = new Map<TileValue, Affine>();
  region.args.slice(0, rank).forEach((arg, axis) => {
    if (arg.type.kind !== 'tile') return;
    known.set(arg, {
      constant: 0,
      coefficients: Array.from({ length: rank }, (_, i) => (i === axis ? 1 : 0)),
    });
  });
  for (const op of region.ops) {
    const type = op.results[0]?.type;
    if (type?.dtype !== 'i32' || type.shape.length > 0) continue;
    const found = ofOp(op, known, rank);
    if (found !== undefined) known.set(op.results[0], found);
  }
  return known;
}

/** The results of an index map, where they are affine. */
export function affineMap(map: TileRegion, rank: number): (Affine | undefined)[] {
  const known = affineValues(map, rank);
  return map.results.map((r) => known.get(r));
}

/** How far two indices of a block axis must be apart for their blocks to be disjoint. */
function unitOf(dim: BlockMapping['dims'][number]): number {
  return dim.kind === 'element' ? Math.max(1, dim.size) : 1;
}

/** Grid axes in which one result is injective whatever the others do: each coefficient outweighs all smaller ones together. */
function injectiveIn({ coefficients }: Affine, grid: readonly GridAxis[], unit: number): number[] {
  const axes = coefficients.flatMap((c, axis) => (c !== 0 && grid[axis].extent > 1 ? [axis] : []));
  axes.sort((a, b) => Math.abs(coefficients[a]) - Math.abs(coefficients[b]));
  let reach = 0;
  for (const axis of axes) {
    const size = Math.abs(coefficients[axis]);
    if (size < reach + unit) return [];
    reach += size * (grid[axis].extent - 1);
  }
  return axes;
}

/** What index maps of the outputs say about each axis of a grid. */
export interface OutputAxes {
  /** Proved: programs that differ along the axis write different blocks, whatever their other indices. */
  readonly injective: readonly boolean[];
  /** Proved: programs that differ along the axis only have the same block of some output. */
  readonly revisited: readonly boolean[];
}

/** Analyse the outputs of a kernel: which grid axes may be parallel, and which may not. */
export function outputAxes(grid: readonly GridAxis[], operands: readonly Operand[]): OutputAxes {
  const injective = grid.map(() => true);
  const revisited = grid.map(() => false);
  for (const { access, block, shape } of operands) {
    if (access === 'read' || blockShape(block).includes(0)) continue;
    const results = affineMap(block.indexMap, grid.length);
    const proved = new Set(
      results.flatMap((r, d) =>
        r === undefined ? [] : injectiveIn(r, grid, unitOf(block.dims[d])),
      ),
    );
    const isKnown = results.every((r) => r !== undefined);
    grid.forEach(({ extent }, axis) => {
      if (extent <= 1) return;
      injective[axis] &&= proved.has(axis);
      revisited[axis] ||= isKnown && shape.every((_, d) => results[d]?.coefficients[axis] === 0);
    });
  }
  return { injective, revisited };
}
