/**
 * Local rewrites of tile ops that never change a result: exact algebra of integers and conditions, constants (only functions that every target
 * rounds the same way), views of views, choices that are known. No float is reassociated, and no float identity is used that -0 or NaN breaks.
 */
import { isBig, isInteger, type DType } from '../../core/dtype.ts';
import { sameShape } from '../../core/shape.ts';
import { element, realConversion, realMeaning, type Real } from './interpret-data.ts';
import type { ScalarFn } from '../scalar.ts';
import type { Kernel, TileAttrs, TileKind, TileOp, TileValue, TypeOf } from './ir.ts';

/** How a rule writes what it puts in place of an op. */
export interface Rewriter {
  readonly kernel: Kernel;
  /** Append an op, itself simplified. */
  emit<K extends TileKind>(
    kind: K,
    operands: readonly TileValue[],
    attrs: TileAttrs[K],
    types: readonly TypeOf[],
  ): TileValue[];
}

/** An op whose operands are already rewritten, with the types of its results. */
export interface Draft<K extends TileKind = TileKind> {
  readonly kind: K;
  readonly operands: readonly TileValue[];
  readonly attrs: TileAttrs[K];
  readonly types: readonly TypeOf[];
}

type Rule<K extends TileKind> = (op: Draft<K>, to: Rewriter) => readonly TileValue[] | undefined;

/** Functions that are correctly rounded everywhere, so that folding them is what every target computes. */
const exact: ReadonlySet<ScalarFn> = new Set<ScalarFn>([
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'trunc',
  'roundNearestAfz',
  'roundNearestEven',
  'not',
  'popcnt',
  'clz',
  'isFinite',
  'add',
  'sub',
  'mul',
  'div',
  'max',
  'min',
  'and',
  'or',
  'xor',
  'shiftLeft',
  'shiftRightLogical',
  'shiftRightArithmetic',
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
  'clamp',
]);

/** The element that a value is filled with, if it is a constant. */
export function splatOf(value: TileValue): Real | undefined {
  return value.def?.kind === 'constant'
    ? element(value.def.attrs.value, value.type.dtype)
    : undefined;
}

const held = (value: Real, dtype: DType): number | bigint | boolean =>
  dtype === 'bool' ? value !== 0 : value;

function constant(to: Rewriter, value: Real, type: TypeOf): readonly TileValue[] {
  return to.emit('constant', [], { value: held(value, type.dtype) }, [type]);
}

const isExactKind = (dtype: DType): boolean => isInteger(dtype) || dtype === 'bool';

/** The op that defines a value, if it is a scalar function `fn`. */
function call(value: TileValue, fn: ScalarFn): TileOp<'scalar'> | undefined {
  return value.def?.kind === 'scalar' && value.def.attrs.fn === fn ? value.def : undefined;
}

const same = (x: Real | undefined, n: number): boolean => x !== undefined && Number(x) === n;

/** Neutral and absorbing constants on the right of an integer or bool function. */
function neutral(fn: ScalarFn, x: TileValue, y: Real | undefined): 'left' | 'right' | undefined {
  const isBool = x.type.dtype === 'bool';
  switch (fn) {
    case 'sub':
    case 'shiftLeft':
    case 'shiftRightLogical':
    case 'shiftRightArithmetic':
      return same(y, 0) ? 'left' : undefined;
    case 'add':
    case 'or':
      return same(y, 0) ? 'left' : isBool && same(y, 1) ? 'right' : undefined;
    case 'xor':
      return same(y, 0) ? 'left' : undefined;
    case 'mul':
      return same(y, 1) ? 'left' : same(y, 0) ? 'right' : undefined;
    case 'and':
      return same(y, 0) ? 'right' : isBool && same(y, 1) ? 'left' : undefined;
    case 'div':
      return same(y, 1) ? 'left' : undefined;
    default:
      return undefined;
  }
}

const commutes: ReadonlySet<ScalarFn> = new Set<ScalarFn>([
  'add',
  'mul',
  'and',
  'or',
  'xor',
  'max',
  'min',
]);

/** Integer and bool functions of a value and itself. */
function reflexive(op: Draft<'scalar'>, to: Rewriter): readonly TileValue[] | undefined {
  const [x] = op.operands;
  switch (op.attrs.fn) {
    case 'max':
    case 'min':
    case 'and':
    case 'or':
      return [x];
    case 'sub':
    case 'xor':
      return constant(to, isBig(x.type.dtype) ? 0n : 0, op.types[0]);
    case 'eq':
    case 'le':
    case 'ge':
      return constant(to, 1, op.types[0]);
    case 'ne':
    case 'lt':
    case 'gt':
      return constant(to, 0, op.types[0]);
    default:
      return undefined;
  }
}

/** Integer and bool functions of two operands, neither of which makes it a constant alone. */
function integerRule(op: Draft<'scalar'>, to: Rewriter): readonly TileValue[] | undefined {
  const { fn } = op.attrs;
  const [x, y] = op.operands;
  const { dtype } = x.type;
  const [left, right] = [splatOf(x), splatOf(y)];
  if (left !== undefined && right === undefined && commutes.has(fn))
    return to.emit('scalar', [y, x], { fn }, op.types);
  const keep = neutral(fn, x, right);
  if (keep !== undefined) return [keep === 'left' ? x : y];
  const alike = x === y ? reflexive(op, to) : undefined;
  if (alike !== undefined) return alike;
  if (right !== undefined && (fn === 'add' || fn === 'mul')) {
    const inner = call(x, fn);
    const before = inner === undefined ? undefined : splatOf(inner.operands[1]);
    // (x + a) + b = x + (a + b), and the same for products: integers wrap, so that this is exact.
    if (inner !== undefined && before !== undefined) {
      const [c] = constant(to, realMeaning(fn, dtype)(before, right, 0), y.type);
      return to.emit('scalar', [inner.operands[0], c], { fn }, op.types);
    }
  }
  return right === undefined || fn !== 'shiftLeft' ? undefined : shiftedSum(op, to, right);
}

/** (x + a) << k = (x << k) + (a << k): integers wrap, so that this is exact, and the constant may join the next one. */
function shiftedSum(op: Draft<'scalar'>, to: Rewriter, by: Real): readonly TileValue[] | undefined {
  const [x, y] = op.operands;
  const inner = call(x, 'add');
  const before = inner === undefined ? undefined : splatOf(inner.operands[1]);
  if (inner === undefined || before === undefined) return undefined;
  const [c] = constant(to, realMeaning('shiftLeft', x.type.dtype)(before, by, 0), x.type);
  const shifted = to.emit('scalar', [inner.operands[0], y], { fn: 'shiftLeft' }, op.types);
  return to.emit('scalar', [shifted[0], c], { fn: 'add' }, op.types);
}

const scalar: Rule<'scalar'> = (op, to) => {
  const { fn } = op.attrs;
  const { dtype } = op.operands[0].type;
  const values = op.operands.map(splatOf);
  const known = values.filter((v) => v !== undefined);
  if (known.length === values.length && exact.has(fn)) {
    const [x, y = x, z = x] = known;
    return constant(to, realMeaning(fn, dtype)(x, y, z), op.types[0]);
  }
  if (fn === 'not' || fn === 'neg') {
    const inner = call(op.operands[0], fn);
    if (inner !== undefined) return [inner.operands[0]];
  }
  return op.operands.length === 2 && isExactKind(dtype) ? integerRule(op, to) : undefined;
};

const select: Rule<'select'> = (op) => {
  const [p, a, b] = op.operands;
  const value = splatOf(p);
  if (value !== undefined) return [value === 0 ? b : a];
  return a === b ? [a] : undefined;
};

const cast: Rule<'cast'> = (op, to) => {
  const [x] = op.operands;
  if (x.type.dtype === op.types[0].dtype) return [x];
  const value = splatOf(x);
  return value === undefined
    ? undefined
    : constant(to, realConversion(x.type.dtype, op.types[0].dtype)(value), op.types[0]);
};

const bitcast: Rule<'bitcast'> = (op, to) => {
  const [x] = op.operands;
  if (x.type.dtype === op.types[0].dtype) return [x];
  return x.def?.kind === 'bitcast' ? to.emit('bitcast', x.def.operands, {}, op.types) : undefined;
};

/** A constant stays one through any op that only moves elements. */
const moved = (op: Draft, to: Rewriter): readonly TileValue[] | undefined => {
  const value = splatOf(op.operands[0]);
  return value === undefined ? undefined : constant(to, value, op.types[0]);
};

const isIdentity = (list: readonly number[]): boolean => list.every((n, i) => n === i);

const broadcast: Rule<'broadcast'> = (op, to) => {
  const [x] = op.operands;
  const { dims } = op.attrs;
  if (isIdentity(dims) && sameShape(x.type.shape, op.types[0].shape)) return [x];
  if (x.def?.kind === 'broadcast')
    return to.emit(
      'broadcast',
      x.def.operands,
      { dims: x.def.attrs.dims.map((d) => dims[d]) },
      op.types,
    );
  return moved(op, to);
};

const reshape: Rule<'reshape'> = (op, to) => {
  const [x] = op.operands;
  if (sameShape(x.type.shape, op.types[0].shape)) return [x];
  return x.def?.kind === 'reshape'
    ? to.emit('reshape', x.def.operands, {}, op.types)
    : moved(op, to);
};

const transpose: Rule<'transpose'> = (op, to) => {
  const [x] = op.operands;
  const { permutation } = op.attrs;
  if (isIdentity(permutation)) return [x];
  if (x.def?.kind === 'transpose') {
    const inner = x.def.attrs.permutation;
    return to.emit(
      'transpose',
      x.def.operands,
      { permutation: permutation.map((p) => inner[p]) },
      op.types,
    );
  }
  return moved(op, to);
};

const slice: Rule<'slice'> = (op, to) => {
  const [x] = op.operands;
  const { starts, limits, strides } = op.attrs;
  const isWhole = x.type.shape.every(
    (d, i) => starts[i] === 0 && limits[i] === d && strides[i] === 1,
  );
  if (isWhole) return [x];
  if (x.def?.kind === 'slice' && strides.every((s) => s === 1)) {
    const outer = x.def.attrs;
    const at = (n: readonly number[]): number[] =>
      n.map((v, i) => outer.starts[i] + v * outer.strides[i]);
    const last = at(limits.map((v, i) => Math.max(starts[i], v - 1))).map((v, i) =>
      limits[i] > starts[i] ? v + 1 : v,
    );
    return to.emit(
      'slice',
      x.def.operands,
      { starts: at(starts), limits: last, strides: outer.strides },
      op.types,
    );
  }
  return moved(op, to);
};

const pad: Rule<'pad'> = (op, to) => {
  const [x, value] = op.operands;
  const { low, high, interior } = op.attrs;
  const nothing = (n: readonly number[]): boolean => n.every((v) => v === 0);
  if (
    nothing(low) &&
    nothing(high) &&
    (nothing(interior) || sameShape(x.type.shape, op.types[0].shape))
  )
    return [x];
  const [a, b] = [splatOf(x), splatOf(value)];
  return a !== undefined && Object.is(a, b) ? constant(to, a, op.types[0]) : undefined;
};

const programId: Rule<'programId'> = (op, to) =>
  to.kernel.grid[op.attrs.axis].extent === 1 ? constant(to, 0, op.types[0]) : undefined;

const reduce: Rule<'reduce'> = (op) => {
  const [x] = op.operands;
  const { axes, combiner } = op.attrs;
  // A float sum of one element turns -0 into 0, so that it stays.
  const isFree =
    combiner !== undefined &&
    (combiner === 'max' || combiner === 'min' || isExactKind(x.type.dtype));
  return isFree && axes.every((a) => x.type.shape[a] === 1) ? [x] : undefined;
};

const load: Rule<'load'> = (op, to) => {
  const mask = op.operands.length > 1 ? splatOf(op.operands[1]) : undefined;
  return mask !== undefined && mask !== 0
    ? to.emit('load', [op.operands[0]], op.attrs, op.types)
    : undefined;
};

const sliceRef: Rule<'slice_ref'> = (op) => {
  const [ref, ...starts] = op.operands;
  const { sizes, strides, squeeze } = op.attrs;
  const isWhole =
    squeeze.length === 0 && sameShape(sizes, ref.type.shape) && strides.every((s) => s === 1);
  return isWhole && starts.every((s) => same(splatOf(s), 0)) ? [ref] : undefined;
};

const assume: Rule<'assume'> = (op) => {
  const [x] = op.operands;
  return op.attrs.multipleOf === 1 || splatOf(x) !== undefined ? [x] : undefined;
};

const rules: { readonly [K in TileKind]?: Rule<K> } = {
  programId,
  numPrograms: (op, to) => constant(to, to.kernel.grid[op.attrs.axis].extent, op.types[0]),
  scalar,
  select,
  cast,
  bitcast,
  broadcast,
  reshape,
  transpose,
  slice,
  pad,
  concat: (op) => (op.operands.length === 1 ? [op.operands[0]] : undefined),
  rev: (op, to) =>
    op.attrs.axes.every((a) => op.types[0].shape[a] <= 1) ? [op.operands[0]] : moved(op, to),
  reduce,
  load,
  slice_ref: sliceRef,
  transpose_ref: (op) => (isIdentity(op.attrs.permutation) ? [op.operands[0]] : undefined),
  assume,
};

/** What stands in place of an op, or nothing when it stays. */
export function rewrite<K extends TileKind>(
  op: Draft<K>,
  to: Rewriter,
): readonly TileValue[] | undefined {
  const rule: Rule<K> | undefined = rules[op.kind];
  return rule?.(op, to);
}
