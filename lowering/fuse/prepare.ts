/**
 * What happens to StableHLO before clustering: calls and decompositions are inlined, equal ops merged, dead ones dropped, zero-size arrays
 * removed, dots brought to one contracted axis, and long reductions of few results cut in two so that they run in parallel
 * (by sizes alone, so that results do not depend on the number of threads).
 */
import { LoweringError } from '../../core/errors.ts';
import { keyOf } from '../../core/key.ts';
import { sizeOf } from '../../core/shape.ts';
import { HloBuilder, type FunctionTable } from '../hlo/build.ts';
import {
  hasSideEffects,
  isShardingCall,
  type HloFunction,
  type HloModule,
  type HloOp,
  type HloValue,
  type Region,
  type TensorType,
} from '../hlo/ir.ts';
import { emitOnOneDevice } from '../hlo/one-device.ts';
import { simplifyOp } from '../hlo/simplify.ts';
import type { Combiner } from '../scalar.ts';
import { kernelComposite } from './alone.ts';
import { bitcastByShifts } from './bitcast.ts';
import { namedCombiner, roleOf } from './classify.ts';

/** Elements that one program reduces when a long reduction is cut. */
const chunkElements = 32768;
/** Reductions with more results than this have parallelism enough. */
const fewResults = 64;

type Env = Map<HloValue, HloValue>;
type Rule = (
  b: HloBuilder,
  op: HloOp,
  operands: readonly HloValue[],
) => readonly HloValue[] | undefined;

const isEmpty = (value: HloValue): boolean => sizeOf(value.type.shape) === 0;

/** Replace ops on arrays without elements by constants and operands. */
const withoutEmpty: Rule = (b, op, operands) => {
  if (
    op.results.length === 0 ||
    op.kind === 'while' ||
    op.kind === 'case' ||
    op.kind === 'custom_call' ||
    op.kind === 'constant'
  )
    return undefined;
  if (op.results.every(isEmpty))
    return op.results.map((r) => b.constant(0, r.type.dtype, r.type.shape));
  if (!operands.some(isEmpty)) return undefined;
  const [result] = op.results;
  switch (op.kind) {
    case 'reduce':
      return op.results.map((r, i) =>
        b.broadcastInDim(operands[op.results.length + i], r.type.shape, []),
      );
    case 'reduce_window':
      return op.results.map((r, i) =>
        b.broadcastInDim(operands[op.results.length + i], r.type.shape, []),
      );
    case 'dot_general':
      return [b.constant(0, result.type.dtype, result.type.shape)];
    case 'pad':
      return [b.broadcastInDim(operands[1], result.type.shape, [])];
    case 'concatenate':
      return [
        b.concatenate(
          operands.filter((x) => !isEmpty(x)),
          op.attrs.dim,
        ),
      ];
    case 'dynamic_update_slice':
      return [operands[0]];
    case 'scatter':
      // Index vectors may be empty where every update goes to the one place there is.
      return isEmpty(operands[operands.length - 1])
        ? operands.slice(0, op.results.length)
        : undefined;
    default:
      return undefined;
  }
};

/** A dot of one row and one column is a product and a sum: there is no matrix that a tile could hold. */
const dotOfVectors: Rule = (b, op, operands) => {
  if (op.kind !== 'dot_general') return undefined;
  const { dims } = op.attrs;
  const sides = [
    [operands[0], dims.lhsBatch, dims.lhsContract],
    [operands[1], dims.rhsBatch, dims.rhsContract],
  ] as const;
  const isMatrix = sides.some(([x, batch, contract]) =>
    x.type.shape.some((n, d) => n !== 1 && !batch.includes(d) && !contract.includes(d)),
  );
  if (isMatrix) return undefined;
  const { dtype, shape } = op.results[0].type;
  // Halves are summed in f32, as every dot does.
  const inside = dtype === 'f16' || dtype === 'bf16' ? 'f32' : dtype;
  const finish = (x: HloValue): HloValue => {
    const converted = x.type.dtype === dtype ? x : b.convert(x, dtype);
    return converted.type.shape.length === shape.length ? converted : b.reshape(converted, shape);
  };
  const [x, y] = sides.map(([value, batch, contract]) => {
    const kept = [...batch, ...contract];
    const order = [...kept, ...value.type.shape.flatMap((_, d) => (kept.includes(d) ? [] : [d]))];
    const turned = order.every((d, i) => d === i) ? value : b.transpose(value, order);
    const sizes = kept.map((d) => value.type.shape[d]);
    const flat = kept.length === order.length ? turned : b.reshape(turned, sizes);
    return flat.type.dtype === inside ? flat : b.convert(flat, inside);
  });
  const product = b.scalar('mul', x, y);
  const first = dims.lhsBatch.length;
  const axes = dims.lhsContract.map((_, i) => first + i);
  if (axes.length === 0) return [finish(product)];
  const parts = chunked(b, product, axes, 'add');
  const sum =
    parts === undefined ? b.reduce(product, 'add', axes) : b.reduce(parts, 'add', [first]);
  return [finish(sum)];
};

/** Merge the contracted axes of a dot into one, so that a tile has rows, columns and one inner axis. */
const oneContraction: Rule = (b, op, operands) => {
  if (op.kind !== 'dot_general' || op.attrs.dims.lhsContract.length === 1) return undefined;
  const { dims } = op.attrs;
  const lhs = mergeContracted(b, operands[0], dims.lhsBatch, dims.lhsContract);
  const rhs = mergeContracted(b, operands[1], dims.rhsBatch, dims.rhsContract);
  const merged = {
    lhsBatch: lhs.batch,
    rhsBatch: rhs.batch,
    lhsContract: [lhs.contract],
    rhsContract: [rhs.contract],
  };
  return [
    b.dotGeneral(lhs.value, rhs.value, merged, {
      precision: op.attrs.precision,
      dtype: op.results[0].type.dtype,
    }),
  ];
};

function mergeContracted(
  b: HloBuilder,
  x: HloValue,
  batch: readonly number[],
  contract: readonly number[],
): { value: HloValue; batch: number[]; contract: number } {
  const { shape } = x.type;
  const neighbours = contract.every((d, i) => i === 0 || d === contract[i - 1] + 1);
  const free = shape.flatMap((_, i) => (batch.includes(i) || contract.includes(i) ? [] : [i]));
  const order =
    neighbours && contract.length > 0 ? shape.map((_, i) => i) : [...batch, ...free, ...contract];
  const turned = order.every((d, i) => d === i) ? x : b.transpose(x, order);
  const at = contract.length === 0 ? shape.length : order.indexOf(contract[0]);
  const extent = contract.reduce((n, d) => n * shape[d], 1);
  const sizes = turned.type.shape;
  const value = b.reshape(turned, [
    ...sizes.slice(0, at),
    extent,
    ...sizes.slice(at + contract.length),
  ]);
  const place = (d: number): number => {
    const p = order.indexOf(d);
    return p < at ? p : p - contract.length + 1;
  };
  return { value, batch: batch.map(place), contract: at };
}

/** A long reduction of few results over chunks, which are left along its first axis; undefined when it is not long. */
function chunked(
  b: HloBuilder,
  x: HloValue,
  axes: readonly number[],
  combiner: Combiner,
): HloValue | undefined {
  const { shape } = x.type;
  const length = axes.reduce((n, d) => n * shape[d], 1);
  if (length <= 2 * chunkElements || sizeOf(shape) / length > fewResults) return undefined;
  const first = Math.min(...axes);
  const neighbours = axes.length === Math.max(...axes) - first + 1;
  const chunk = divisorNear(length, chunkElements);
  if (!neighbours || chunk === undefined) return undefined;
  const cut = b.reshape(x, [
    ...shape.slice(0, first),
    length / chunk,
    chunk,
    ...shape.slice(first + axes.length),
  ]);
  return b.reduce(cut, combiner, [first + 1]);
}

/** Cut a long reduction of few results into chunks. */
const cutReduction: Rule = (b, op, operands) => {
  if (op.kind !== 'reduce' || op.results.length !== 1) return undefined;
  const combiner = namedCombiner(op.regions[0]);
  const axes = op.attrs.dims;
  const partial = combiner === undefined ? undefined : chunked(b, operands[0], axes, combiner);
  if (partial === undefined) return undefined;
  const body = copyRegion(b, op.regions[0], new Map());
  return b.emit(
    'reduce',
    [partial, operands[1]],
    { attrs: { dims: [Math.min(...axes)] }, regions: [body] },
    [op.results[0].type],
  );
};

/** The divisor of `n` in [target / 8, target · 2] that is nearest to the target. */
function divisorNear(n: number, target: number): number | undefined {
  for (let distance = 0; distance <= target; distance++) {
    const below = target - distance;
    if (below >= target / 8 && n % below === 0) return below;
    if (n % (target + distance) === 0) return target + distance;
  }
  return undefined;
}

const rules: readonly Rule[] = [
  (_b, op, operands) =>
    op.kind === 'optimization_barrier' || isShardingCall(op) ? operands : undefined,
  emitOnOneDevice,
  withoutEmpty,
  simplifyOp,
  bitcastByShifts,
  dotOfVectors,
  oneContraction,
  cutReduction,
];

/** Copy a region without rewriting it. */
function copyRegion(b: HloBuilder, region: Region, env: Env): Region {
  return b.region(
    region.args.map((a) => a.type),
    (...args) => {
      const inner: Env = new Map(env);
      region.args.forEach((a, i) => inner.set(a, args[i]));
      for (const op of region.ops)
        copyOp(
          b,
          op,
          op.operands.map((x) => inner.get(x) ?? x),
          inner,
        );
      return region.results.map((x) => inner.get(x) ?? x);
    },
  );
}

function copyOp(b: HloBuilder, op: HloOp, operands: readonly HloValue[], env: Env): void {
  b.frame = op.frame;
  const regions = op.regions.map((r) => copyRegion(b, r, env));
  const results = b.emit(
    op.kind,
    operands,
    { attrs: op.attrs, regions },
    op.results.map((r) => r.type),
  );
  op.results.forEach((r, i) => env.set(r, results[i]));
}

const typeKey = ({ dtype, shape }: TensorType): string => `${dtype}[${shape.join()}]`;

/** Whether equal applications of an op may be merged. */
const isPure = (op: HloOp): boolean =>
  op.regions.length === 0 &&
  !['custom_call', 'rng_bit_generator', 'composite', 'call'].includes(op.kind) &&
  !(op.kind === 'constant' && !op.attrs.value.splat);

/**
 * A captured value where it is read. Splat constants and iotas have no memory; whoever needs them there writes them in its own
 * block, so every block has its own.
 */
function copyInline(b: HloBuilder, value: HloValue, copies: Env): HloValue {
  const { def } = value;
  if (def === undefined || roleOf(def) !== 'inline') return value;
  let copy = copies.get(value);
  if (copy === undefined)
    copies.set(value, (copy = b.emit(def.kind, [], { attrs: def.attrs }, [value.type])[0]));
  return copy;
}

class Preparer {
  readonly #functions: ReadonlyMap<string, HloFunction>;
  readonly #ids = new Map<HloValue, number>();

  constructor(module: HloModule) {
    this.#functions = new Map(module.functions.map((f) => [f.name, f]));
  }

  #id(value: HloValue): number {
    let id = this.#ids.get(value);
    if (id === undefined) this.#ids.set(value, (id = this.#ids.size));
    return id;
  }

  #body(b: HloBuilder, region: Region, args: readonly HloValue[], outer: Env): HloValue[] {
    const env: Env = new Map();
    const get = (x: HloValue): HloValue => env.get(x) ?? outer.get(x) ?? x;
    region.args.forEach((a, i) => env.set(a, args[i]));
    const seen = new Map<string, readonly HloValue[]>();
    const copies: Env = new Map();
    const read = (x: HloValue): HloValue => env.get(x) ?? copyInline(b, get(x), copies);
    for (const op of region.ops) {
      const results = this.#op(b, op, op.operands.map(read), { seen, scope: { get } });
      op.results.forEach((r, i) => env.set(r, results[i]));
    }
    return region.results.map(read);
  }

  #op(
    b: HloBuilder,
    op: HloOp,
    operands: readonly HloValue[],
    {
      seen,
      scope,
    }: { seen: Map<string, readonly HloValue[]>; scope: { get: (x: HloValue) => HloValue } },
  ): readonly HloValue[] {
    b.frame = op.frame;
    const callee = this.#callee(op);
    if (callee !== undefined) return this.#body(b, callee.body, operands, new Map());
    for (const rule of rules) {
      const replaced = rule(b, op, operands);
      if (replaced !== undefined) return replaced;
    }
    const types = op.results.map((r) => r.type);
    if (op.regions.length > 0) {
      const outer = new LazyEnv(scope.get);
      const regions = op.regions.map((r) =>
        b.region(
          r.args.map((a) => a.type),
          (...args) => this.#body(b, r, args, outer),
        ),
      );
      return b.emit(op.kind, operands, { attrs: op.attrs, regions }, types);
    }
    if (!isPure(op)) return b.emit(op.kind, operands, { attrs: op.attrs }, types);
    const key = `${op.kind}(${operands.map((x) => this.#id(x)).join(',')})${keyOf(op.attrs)}:${types.map(typeKey).join()}`;
    let results = seen.get(key);
    if (results === undefined)
      seen.set(key, (results = b.emit(op.kind, operands, { attrs: op.attrs }, types)));
    return results;
  }

  /** The function that an op stands for, when it is inlined. */
  #callee(op: HloOp): HloFunction | undefined {
    const name =
      op.kind === 'call'
        ? op.attrs.callee
        : op.kind === 'composite' && op.attrs.name !== kernelComposite
          ? op.attrs.decomposition
          : undefined;
    if (name === undefined) return undefined;
    const fn = this.#functions.get(name);
    if (fn === undefined)
      throw new LoweringError(
        `${op.kind}: the module has no function @${name}. Define it in the module.`,
      );
    return fn;
  }

  main(fn: HloFunction): Region {
    const table: FunctionTable = { resultTypes: () => [] };
    const region: Region = {
      args: fn.body.args.map((a) => ({ type: a.type, index: a.index })),
      ops: [],
      results: [],
    };
    const b = new HloBuilder(region, table);
    region.results = this.#body(b, fn.body, region.args, new Map());
    dropDead(region);
    return region;
  }
}

/** Values of enclosing blocks, looked up when a region inside asks for them. */
class LazyEnv extends Map<HloValue, HloValue> {
  readonly #get: (x: HloValue) => HloValue;
  constructor(get: (x: HloValue) => HloValue) {
    super();
    this.#get = get;
  }
  override get(x: HloValue): HloValue {
    return this.#get(x);
  }
}

/** Drop ops whose results nobody uses, inside regions too. */
function dropDead(root: Region): void {
  const used = new Set<HloValue>();
  const sweep = (region: Region): void => {
    for (const x of region.results) used.add(x);
    const kept: HloOp[] = [];
    for (const op of region.ops.toReversed()) {
      if (!op.results.some((r) => used.has(r)) && !hasSideEffects(op)) continue;
      kept.push(op);
      for (const x of op.operands) used.add(x);
      for (const inner of op.regions) sweep(inner);
    }
    region.ops.length = 0;
    region.ops.push(...kept.reverse());
  };
  sweep(root);
}

/** Bring the main function of a module into the form that clustering takes. @throws LoweringError when there is none. */
export function prepare(module: HloModule): Region {
  const main =
    module.functions.find((f) => f.name === 'main') ??
    module.functions.find((f) => f.visibility === 'public');
  if (main === undefined)
    throw new LoweringError(
      `compile: module @${module.name} has no public function. Name the entry @main.`,
    );
  return new Preparer(module).main(main);
}
