/** Reductions inside fusions: named combiners, argmax and argmin, and general regions. */
import type { DType } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import { constantOf, identityOf } from '../hlo/constant.ts';
import type { HloOp, Region } from '../hlo/ir.ts';
import type { Combiner } from '../scalar.ts';
import type { Tile } from '../tile/ir.ts';
import { resolve, type Dims } from './axes.ts';
import { namedCombiner } from './classify.ts';
import { emitRegion } from './emit-map.ts';
import type { Writer } from './writer.ts';

/** The neutral element of a named combiner as a tile constant. */
export function neutral(combiner: Combiner, dtype: DType): number | bigint | boolean {
  const value = identityOf(combiner, dtype);
  if (typeof value === 'object')
    throw new LoweringError(
      'reduce: complex numbers have no tile form; split them into real and imaginary parts.',
    );
  return value;
}

/**
 * Recognise the two-operand reduction that JAX writes for argmax and argmin: the winner by value (NaN wins), ties to the lower index.
 */
export function argExtreme(op: HloOp<'reduce'>): 'max' | 'min' | undefined {
  if (op.operands.length !== 4 || op.attrs.dims.length !== 1) return undefined;
  let v = op.operands[1];
  while (v.def?.kind === 'reshape' || v.def?.kind === 'broadcast_in_dim') v = v.def.operands[0];
  if (v.def?.kind !== 'iota' || op.results[1].type.dtype !== 'i32') return undefined;
  return extremeOfRegion(op.regions[0]);
}

function extremeOfRegion(region: Region): 'max' | 'min' | undefined {
  const [accValue, , value] = region.args;
  const compares = region.ops.filter((o) => o.kind === 'compare');
  const order = compares.find(
    (o) =>
      (o.attrs.direction === 'gt' || o.attrs.direction === 'lt') &&
      o.operands.includes(value) &&
      o.operands.includes(accValue),
  );
  const ties = compares.some(
    (o) =>
      o.attrs.direction === 'lt' &&
      o.operands.includes(region.args[1]) &&
      o.operands.includes(region.args[3]),
  );
  if (order === undefined || !ties || order.kind !== 'compare') return undefined;
  if (!region.ops.every((o) => ['compare', 'select', 'scalar', 'constant'].includes(o.kind)))
    return undefined;
  const accFirst = order.operands[0] === accValue;
  return (order.attrs.direction === 'gt') === accFirst ? 'max' : 'min';
}

/** Translate a reduction. The results keep the reduced loops with size 1. */
export function emitReduce(w: Writer, op: HloOp<'reduce'>): Tile[] {
  const { b, nest } = w;
  const n = op.operands.length / 2;
  const operands = w.operandsOf(op);
  const space: Dims = operands[0][1] ?? [];
  const inputs = operands.slice(0, n).map(([value]) => w.operand(value, space));
  const reduced = new Set(op.attrs.dims.flatMap((d) => nest.sequence(resolve(space[d]))));
  const axes = nest.tileLoops.flatMap((loop, i) => (reduced.has(loop) ? [i] : []));
  const which = argExtreme(op);
  if (which !== undefined && axes.length === 1) {
    const index = b.argreduce(inputs[0], axes[0], which);
    return [b.reduce(inputs[0], which, axes), index];
  }
  const named = n === 1 ? namedCombiner(op.regions[0]) : undefined;
  const inits = op.operands.slice(n);
  if (named === undefined) {
    const seeds = inits.map((v) => w.scalarOperand(v));
    return b.reduceRegion(inputs, seeds, axes, (acc, x) =>
      emitRegion(b, op.regions[0], [...acc, ...x]),
    );
  }
  const result = axes.length === 0 ? inputs[0] : b.reduce(inputs[0], named, axes);
  const init = constantOf(inits[0]);
  if (init !== undefined && Object.is(init, neutral(named, op.results[0].type.dtype)))
    return [result];
  return [b.scalar(named, w.expandScalar(w.scalarOperand(inits[0]), result.type.shape), result)];
}
