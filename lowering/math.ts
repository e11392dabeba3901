/**
 * Expands the scalar functions that targets do not have into those that they have, in the tile IR: one library for Wasm and WGSL. f32 directly, f16
 * and bf16 through f32; f64 is left to the target. Errors and special values per function: `docs/numerics.md`.
 */
import { isInteger, type DType } from '../core/dtype.ts';
import { acos, asin, atan, atan2 } from './math-arc.ts';
import { erf, erfInv, erfc } from './math-erf.ts';
import { cosh, exp, exp2, expm1, logistic, sinh, tanh } from './math-exp.ts';
import { acosh, asinh, atanh, cbrt, log, log1p, log2, rsqrt } from './math-log.ts';
import { pow, powInteger } from './math-power.ts';
import { nextAfter, rem, remInteger } from './math-remainder.ts';
import { divideBySum } from './math-softmax.ts';
import { cos, sin, tan } from './math-trig.ts';
import { MathWriter, type MathOptions } from './math-writer.ts';
import { scalarInfo, type ScalarFn } from './scalar.ts';
import { TileBuilder, makeOp, makeValue } from './tile/build.ts';
import type { Kernel, Tile, TileOp, TileRegion, TileValue } from './tile/ir.ts';
import { isSoftmax } from './tile/order.ts';
import { simplifyKernel, simplifyRegion } from './tile/simplify.ts';

export type { MathOptions } from './math-writer.ts';

/** Functions that have an expansion. */
export type ExpandedFn =
  | 'exp'
  | 'exp2'
  | 'expm1'
  | 'log'
  | 'log2'
  | 'log1p'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'atan2'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'rsqrt'
  | 'cbrt'
  | 'logistic'
  | 'erf'
  | 'erfc'
  | 'erfInv'
  | 'pow'
  | 'rem'
  | 'nextAfter';

type Expansion = (m: MathWriter, x: Tile, y: Tile) => Tile;

/** The expansions on f32. */
export const expansions: Readonly<Record<ExpandedFn, Expansion>> = {
  exp,
  exp2,
  expm1,
  log,
  log2,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  atan2,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  rsqrt,
  cbrt,
  logistic,
  erf,
  erfc,
  erfInv,
  pow,
  rem,
  nextAfter,
};

const throughF32: ReadonlySet<DType> = new Set<DType>(['f16', 'bf16']);

/** Whether a function on a dtype is expanded. */
export function isExpanded(fn: ScalarFn, dtype: DType, options: MathOptions): boolean {
  if (scalarInfo[fn].native || options.native?.has(fn) === true) return false;
  return isInteger(dtype) || dtype === 'f32' || throughF32.has(dtype);
}

function nextAfterNarrow(m: MathWriter, x: Tile, y: Tile): Tile {
  const { b, shape } = m;
  const { dtype } = x.type;
  const constant = (value: number): Tile => b.constant(value, 'i16', shape);
  const wide = (t: Tile): Tile => b.cast(t, 'f32');
  const [wx, wy] = [wide(x), wide(y)];
  const bits = b.bitcast(x, 'i16');
  const isAway = m.compare('eq', m.compare('lt', wx, wy), m.compare('gt', wx, 0));
  const moved = b.scalar('add', bits, b.select(isAway, constant(1), constant(-1)));
  const fromZero = b.scalar(
    'or',
    b.scalar('and', b.bitcast(y, 'i16'), constant(-0x8000)),
    constant(1),
  );
  const stepped = b.bitcast(b.select(m.compare('eq', wx, 0), fromZero, moved), dtype);
  const nan = b.cast(m.nan, dtype);
  const result = b.select(m.compare('eq', wx, wy), y, stepped);
  return b.select(m.or(m.isNaN(wx), m.isNaN(wy)), nan, result);
}

/** Write the expansion of a function of one or two tiles of one shape and dtype. */
export function expandScalar(
  b: TileBuilder,
  fn: ExpandedFn,
  xs: readonly Tile[],
  options: MathOptions,
): Tile {
  const [x, y = x] = xs;
  const { dtype, shape } = x.type;
  if (isInteger(dtype)) return fn === 'rem' ? remInteger(b, x, y) : powInteger(b, x, y);
  const m = new MathWriter(b, shape, options);
  if (dtype === 'f32') return expansions[fn](m, x, y);
  if (fn === 'nextAfter') return nextAfterNarrow(m, x, y);
  return b.cast(expansions[fn](m, b.cast(x, 'f32'), b.cast(y, 'f32')), dtype);
}

const regionsOf = new Map<string, TileRegion>();

/** The expansion of a function of floats as a region from rank-0 tiles of the dtype to one. */
export function expansionOf(fn: ScalarFn, dtype: DType, options: MathOptions): TileRegion {
  const key = `${fn} ${dtype} ${options.fma} ${options.strict} ${options.nanBits}`;
  const known = regionsOf.get(key);
  if (known !== undefined) return known;
  const args = Array.from({ length: scalarInfo[fn].arity }, (_, i) =>
    makeValue({ kind: 'tile', dtype, shape: [] } as const, i),
  );
  const region: TileRegion = { args, ops: [], results: [] };
  region.results = [expandScalar(new TileBuilder(region), fn as ExpandedFn, args, options)];
  const made = simplifyRegion(region);
  regionsOf.set(key, made);
  return made;
}

const outlineKey = (op: TileOp<'scalar'>): string => `${op.attrs.fn} ${op.results[0].type.dtype}`;

/** Whether an op can stay for the target to call: a function of floats, of something else than constants. */
const canStay = (op: TileOp, options: MathOptions): op is TileOp<'scalar'> =>
  op.kind === 'scalar' &&
  !isInteger(op.results[0].type.dtype) &&
  isExpanded(op.attrs.fn, op.results[0].type.dtype, options) &&
  !op.operands.some((x) => x.def?.kind === 'constant');

/** The functions that occur often enough to stay. */
function outlined(regions: readonly TileRegion[], options: MathOptions): ReadonlySet<string> {
  const counts = new Map<string, number>();
  const count = (region: TileRegion): void => {
    for (const op of region.ops) {
      if (canStay(op, options)) counts.set(outlineKey(op), (counts.get(outlineKey(op)) ?? 0) + 1);
      op.regions.forEach(count);
    }
  };
  const { outlineFrom = Infinity } = options;
  if (outlineFrom !== Infinity) regions.forEach(count);
  return new Set([...counts].filter(([, n]) => n >= outlineFrom).map(([key]) => key));
}

class Expander {
  readonly #options: MathOptions;
  readonly #outlined: ReadonlySet<string>;
  readonly #map = new Map<TileValue, TileValue>();

  constructor(options: MathOptions, outlinedKeys: ReadonlySet<string>) {
    this.#options = options;
    this.#outlined = outlinedKeys;
  }

  region(region: TileRegion): TileRegion {
    const args = region.args.map((arg) => {
      const made = makeValue(arg.type, arg.index, arg.name);
      this.#map.set(arg, made);
      return made;
    });
    const made: TileRegion = { args, ops: [], results: [] };
    const b = new TileBuilder(made);
    for (const op of region.ops) this.#op(op, b);
    made.results = region.results.map((r) => this.#of(r));
    return made;
  }

  #of(value: TileValue): TileValue {
    return this.#map.get(value) ?? value;
  }

  #op(op: TileOp, b: TileBuilder): void {
    b.frame = op.frame;
    const operands = op.operands.map((x) => this.#of(x));
    const stays = canStay(op, this.#options) && this.#outlined.has(outlineKey(op));
    if (
      !stays &&
      op.kind === 'scalar' &&
      isExpanded(op.attrs.fn, op.results[0].type.dtype, this.#options)
    ) {
      // What is not native and not left to the target has an expansion: `math.test.ts` holds the two tables together.
      const result = expandScalar(b, op.attrs.fn as ExpandedFn, operands as Tile[], this.#options);
      this.#map.set(op.results[0], result);
      return;
    }
    if (this.#options.dividesSlowly === true && isSoftmaxDivision(op)) {
      const [part, whole] = operands as Tile[];
      const { operands: sums, attrs } = whole.def as TileOp<'broadcast'>;
      const by = { sum: sums[0] as Tile, dims: attrs.dims };
      this.#map.set(op.results[0], divideBySum(b, part, by, this.#options));
      return;
    }
    const regions = op.regions.map((r) => this.region(r));
    const made = makeOp(op.kind, operands, op.attrs, {
      types: op.results.map((r) => r.type),
      regions,
      frame: op.frame,
    });
    made.results.forEach((r, i) => {
      r.name = op.results[i].name;
      this.#map.set(op.results[i], r);
    });
    b.region.ops.push(made);
  }
}

const isSoftmaxDivision = (op: TileOp): boolean =>
  op.kind === 'scalar' &&
  op.attrs.fn === 'div' &&
  isSoftmax(op.operands[0] as Tile, op.operands[1] as Tile);

function hasExpandable(region: TileRegion, options: MathOptions): boolean {
  return region.ops.some(
    (op) =>
      (op.kind === 'scalar' && isExpanded(op.attrs.fn, op.results[0].type.dtype, options)) ||
      op.regions.some((r) => hasExpandable(r, options)),
  );
}

/**
 * An equal kernel in which every scalar function is one that the target has, up to the errors of `docs/numerics.md`, or one that
 * occurs often (`outlineFrom`).
 */
export function expandMath(kernel: Kernel, options: MathOptions): Kernel {
  const regions = [kernel.body, ...kernel.operands.map((o) => o.block.indexMap)];
  if (!regions.some((r) => hasExpandable(r, options))) return kernel;
  const expander = new Expander(options, outlined(regions, options));
  const operands = kernel.operands.map((o) => ({
    ...o,
    block: { ...o.block, indexMap: expander.region(o.block.indexMap) },
  }));
  return simplifyKernel({ ...kernel, operands, body: expander.region(kernel.body) });
}
