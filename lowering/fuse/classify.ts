/** What the fuser may do with each StableHLO op. One exhaustive record: a new op must be placed. */
import type { Combiner } from '../scalar.ts';
import { constantOf, identityOf } from '../hlo/constant.ts';
import type { HloKind, HloOp, HloValue, Region } from '../hlo/ir.ts';

/**
 * - `inline`: emitted wherever it is used (splat constants, iota)
 * - `view`: renames axes; costs nothing inside a fusion
 * - `map`: one element from the elements at the same index
 * - `window`: one element from an element at a shifted or computed index; its array operands must be in memory
 * - `reduce`, `dot`: contractions
 * - `alone`: a step of its own
 */
export type Role = 'inline' | 'view' | 'map' | 'window' | 'reduce' | 'dot' | 'alone';

const roles: Readonly<Record<HloKind, Role>> = {
  constant: 'inline',
  iota: 'inline',
  scalar: 'map',
  compare: 'map',
  select: 'map',
  convert: 'map',
  bitcast_convert: 'map',
  reduce_precision: 'map',
  complex: 'alone',
  real: 'alone',
  imag: 'alone',
  broadcast_in_dim: 'view',
  reshape: 'view',
  transpose: 'view',
  reverse: 'window',
  concatenate: 'window',
  slice: 'window',
  pad: 'window',
  dynamic_slice: 'window',
  dynamic_update_slice: 'alone',
  gather: 'window',
  scatter: 'alone',
  reduce: 'reduce',
  reduce_window: 'window',
  select_and_scatter: 'alone',
  sort: 'alone',
  dot_general: 'dot',
  while: 'alone',
  case: 'alone',
  call: 'alone',
  composite: 'alone',
  custom_call: 'alone',
  optimization_barrier: 'alone',
  all_reduce: 'alone',
  all_gather: 'alone',
  all_to_all: 'alone',
  collective_broadcast: 'alone',
  collective_permute: 'alone',
  reduce_scatter: 'alone',
  partition_id: 'alone',
  replica_id: 'alone',
  rng_bit_generator: 'alone',
};

/** Most operands of a concatenation that is computed inside a fusion; longer ones are written piece by piece. */
export const maxFusedPieces = 4;

/** The role of an op in fusion. */
export function roleOf(op: HloOp): Role {
  if (op.kind === 'constant' && !op.attrs.value.splat) return 'alone';
  if (
    op.kind === 'bitcast_convert' &&
    op.operands[0].type.shape.length !== op.results[0].type.shape.length
  )
    return 'alone';
  if (op.kind === 'concatenate' && op.operands.length > maxFusedPieces) return 'alone';
  if (op.kind === 'reduce_window' && cumulative(op) !== undefined) return 'alone';
  return roles[op.kind];
}

/** Which operands of an op are arrays in memory for a `window` (the others are rank-0 parameters). */
export function windowOperands(op: HloOp): readonly HloValue[] {
  switch (op.kind) {
    case 'concatenate':
      return op.operands;
    case 'gather':
      return op.operands;
    default:
      return [op.operands[0]];
  }
}

/** Axis and direction of a window reduction that is a running reduction (the form in which JAX lowers cumsum). */
export function cumulative(
  op: HloOp<'reduce_window'>,
): { readonly axis: number; readonly reverse: boolean } | undefined {
  const { window } = op.attrs;
  const { shape } = op.operands[0].type;
  const combiner = op.operands.length === 2 ? namedCombiner(op.regions[0]) : undefined;
  if (combiner === undefined) return undefined;
  // A running reduction starts from nothing: any other start is left to the general form.
  if (!Object.is(constantOf(op.operands[1]), identityOf(combiner, op.operands[0].type.dtype)))
    return undefined;
  if ([...window.strides, ...window.baseDilations, ...window.windowDilations].some((n) => n !== 1))
    return undefined;
  const wide = window.dimensions.flatMap((n, i) => (n > 1 ? [i] : []));
  const axis = wide[0];
  if (wide.length !== 1 || window.dimensions[axis] !== shape[axis]) return undefined;
  if (window.padding.some(([low, high], i) => i !== axis && (low !== 0 || high !== 0)))
    return undefined;
  const [low, high] = window.padding[axis];
  if (low === shape[axis] - 1 && high === 0) return { axis, reverse: false };
  return low === 0 && high === shape[axis] - 1 ? { axis, reverse: true } : undefined;
}

/** The combiner of a region of 2N rank-0 arguments that applies one function to (accumulator, element), if it is that. */
export function namedCombiner(region: Region): Combiner | undefined {
  if (region.args.length !== 2 || region.ops.length !== 1) return undefined;
  const op = region.ops[0];
  if (op.kind !== 'scalar' || region.results[0] !== op.results[0]) return undefined;
  const [a, b] = op.operands;
  const [acc, x] = region.args;
  if (!((a === acc && b === x) || (a === x && b === acc))) return undefined;
  const fn = op.attrs.fn;
  switch (fn) {
    case 'add':
    case 'mul':
    case 'max':
    case 'min':
    case 'and':
    case 'or':
    case 'xor':
      return fn;
    default:
      return undefined;
  }
}

/** Values that a region uses but does not define, in order of use; nested regions included. */
export function captured(regions: readonly Region[]): HloValue[] {
  const defined = new Set<HloValue>();
  const used = new Set<HloValue>();
  const pending = [...regions];
  for (let region = pending.pop(); region !== undefined; region = pending.pop()) {
    for (const arg of region.args) defined.add(arg);
    for (const op of region.ops) {
      for (const x of op.operands) used.add(x);
      for (const r of op.results) defined.add(r);
      pending.push(...op.regions);
    }
    for (const x of region.results) used.add(x);
  }
  return [...used].filter((x) => !defined.has(x));
}
