/** Ops of StableHLO's dialects that are read as several of ours. Their results have the written types, which the verifier checks. */
import { isFloat } from '../../core/dtype.ts';
import { compareKind, HloBuilder } from './build.ts';
import type { HloValue, Region, TensorType } from './ir.ts';
import { functionOf } from './mnemonics.ts';
import type { RawOp } from './parse-raw.ts';
import type { Scanner } from './scan.ts';

type Expansion = (s: Scanner, b: HloBuilder, op: RawOp) => readonly HloValue[];

const expansions: ReadonlyMap<string, Expansion> = new Map<string, Expansion>([
  ['chlo.square', square],
  ['chlo.top_k', topK],
  ['stablehlo.if', branch],
]);

/** Whether an op is written with others. */
export const isExpanded = (name: string): boolean => expansions.has(name);

/** Emit what an op is written with; undefined for all other ops. @throws ParseError when it does not fit. */
export const expand = (s: Scanner, b: HloBuilder, op: RawOp): readonly HloValue[] | undefined =>
  expansions.get(op.name)?.(s, b, op);

/** `x · x`. */
function square(s: Scanner, b: HloBuilder, op: RawOp): readonly HloValue[] {
  const [x] = operands(s, op, 1);
  return b.emit('scalar', [x, x], { attrs: { fn: 'mul' } }, op.resultTypes);
}

/** `if` is `case` on the predicate as an index: branch 0 is the false one. */
function branch(s: Scanner, b: HloBuilder, op: RawOp): readonly HloValue[] {
  const [predicate] = operands(s, op, 1);
  const [onTrue, onFalse] = op.regions;
  const { dtype, shape } = predicate.type;
  if (op.regions.length !== 2 || dtype !== 'bool' || shape.length > 0)
    throw s.error('if: takes a tensor<i1> and two regions; got others.', op.position);
  const index = b.convert(predicate, 'i32');
  return b.emit('case', [index], { attrs: {}, regions: [onFalse, onTrue] }, op.resultTypes);
}

/** The first k of each row in descending total order, and where they stood: a stable sort together with positions. */
function topK(s: Scanner, b: HloBuilder, op: RawOp): readonly HloValue[] {
  const [x] = operands(s, op, 1);
  const k = op.attributes.get('k');
  const { shape, dtype } = x.type;
  if (k?.kind !== 'number' || shape.length === 0 || op.resultTypes.length !== 2)
    throw s.error('top_k: takes an operand with axes and k, and gives two results.', op.position);
  const axis = shape.length - 1;
  const kind = isFloat(dtype) ? 'TOTALORDER' : compareKind(dtype);
  const sorted = b.sort([x, b.iota('i32', shape, axis)], axis, (left, right) =>
    b.compare('gt', left, right, kind),
  );
  const attrs = {
    starts: shape.map(() => 0),
    limits: shape.with(axis, k.value),
    strides: shape.map(() => 1),
  };
  return sorted.flatMap((y, i) => b.emit('slice', [y], { attrs }, [op.resultTypes[i]]));
}

/** Text is read op by op: calls have the written types. */
export const noFunctions = { resultTypes: (): TensorType[] => [] };

/** The region of a reduction that is written as `applies stablehlo.add`. */
export function appliedRegion(
  s: Scanner,
  applied: string,
  { dtype }: TensorType,
  position: number,
): Region {
  const fn = functionOf.get(applied);
  if (fn === undefined)
    throw s.error(`reduce: applies a scalar function; got ${applied}.`, position);
  const type = { shape: [], dtype };
  const region: Region = { args: [0, 1].map((index) => ({ type, index })), ops: [], results: [] };
  const b = new HloBuilder(region, noFunctions);
  b.frame = s.place(position);
  region.results = b.emit('scalar', region.args, { attrs: { fn } }, [type]);
  return region;
}

function operands(s: Scanner, op: RawOp, count: number): readonly HloValue[] {
  if (op.operands.length !== count)
    throw s.error(`${op.name}: takes ${count} operands; got ${op.operands.length}.`, op.position);
  return op.operands;
}
