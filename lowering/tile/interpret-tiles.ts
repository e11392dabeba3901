/** What the tile ops without memory and without regions do, in the interpreter: elementwise, shapes, reductions with a named combiner, dots. */
import { kindOf, type DType } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { sizeOf, stridesOf, withoutAxes } from '../../core/shape.ts';
import { unroundedMeaning } from '../scalar-meaning.ts';
import { rounderOf } from '../scalar-round.ts';
import type { Combiner } from '../scalar.ts';
import {
  combine,
  element,
  filled,
  identity,
  offsets,
  pick,
  realConversion,
  realMeaning,
  rebits,
  reducedStrides,
  zero,
  type Data,
  type Real,
} from './interpret-data.ts';
import type { TileOp } from './ir.ts';

/** Ops that this file answers for. */
export type PureKind =
  | 'constant'
  | 'iota'
  | 'scalar'
  | 'select'
  | 'cast'
  | 'bitcast'
  | 'broadcast'
  | 'reshape'
  | 'transpose'
  | 'slice'
  | 'concat'
  | 'pad'
  | 'rev'
  | 'argreduce'
  | 'dot'
  | 'assume';

function iota(op: TileOp<'iota'>): Data {
  const { dtype, shape } = op.results[0].type;
  const { axis } = op.attrs;
  const strides = stridesOf(shape);
  const values = Array.from({ length: sizeOf(shape) }, (_, i) =>
    element(Math.floor(i / strides[axis]) % shape[axis], dtype),
  );
  return { dtype, shape, values };
}

function elementwise(op: TileOp<'scalar'>, xs: readonly Data[]): Data {
  const { dtype, shape } = op.results[0].type;
  const f = realMeaning(op.attrs.fn, xs[0].dtype);
  const [x, y = x, z = x] = xs.map((d) => d.values);
  return { dtype, shape, values: x.map((v, i) => f(v, y[i], z[i])) };
}

/** Where the elements of one tile lie in another: strides per axis and the first place. */
function strided(op: TileOp<'broadcast' | 'transpose' | 'slice' | 'rev'>, x: Data): Data {
  const { shape } = op.results[0].type;
  const own = stridesOf(x.shape);
  switch (op.kind) {
    case 'broadcast': {
      const strides = shape.map(() => 0);
      op.attrs.dims.forEach((d, i) => (strides[d] = x.shape[i] === 1 ? 0 : own[i]));
      return pick(x, shape, strides);
    }
    case 'transpose':
      return pick(
        x,
        shape,
        op.attrs.permutation.map((p) => own[p]),
      );
    case 'slice': {
      const { starts, strides } = op.attrs;
      return pick(
        x,
        shape,
        own.map((s, i) => s * strides[i]),
        own.reduce((n, s, i) => n + s * starts[i], 0),
      );
    }
    case 'rev': {
      const { axes } = op.attrs;
      return pick(
        x,
        shape,
        own.map((s, i) => (axes.includes(i) ? -s : s)),
        axes.reduce((n, a) => n + own[a] * (x.shape[a] - 1), 0),
      );
    }
  }
}

function concat(op: TileOp<'concat'>, xs: readonly Data[]): Data {
  const { dtype, shape } = op.results[0].type;
  const out = filled(dtype, shape, zero(dtype));
  const strides = stridesOf(shape);
  let start = 0;
  for (const x of xs) {
    offsets(x.shape, strides, start * strides[op.attrs.axis]).forEach(
      (at, i) => (out.values[at] = x.values[i]),
    );
    start += x.shape[op.attrs.axis];
  }
  return out;
}

function pad(op: TileOp<'pad'>, [x, value]: readonly Data[]): Data {
  const { dtype, shape } = op.results[0].type;
  const { low, interior } = op.attrs;
  const out = filled(dtype, shape, value.values[0]);
  const own = stridesOf(x.shape);
  const strides = stridesOf(shape);
  x.values.forEach((v, n) => {
    const index = own.map((s, i) => low[i] + (Math.floor(n / s) % x.shape[i]) * (interior[i] + 1));
    if (index.every((j, i) => j >= 0 && j < shape[i]))
      out.values[index.reduce((at, j, i) => at + j * strides[i], 0)] = v;
  });
  return out;
}

/** Whether sums of a dtype are kept in double precision and rounded at their end. */
const isLong = (dtype: DType, combiner: Combiner): boolean =>
  kindOf(dtype) === 'float' && (combiner === 'add' || combiner === 'mul');

/** How values are folded one after the other, and how the total is rounded. */
function folding(
  dtype: DType,
  combiner: Combiner,
): { step: (acc: Real, x: Real) => Real; round: (x: Real) => Real } {
  if (isLong(dtype, combiner)) {
    const f = unroundedMeaning(combiner, dtype);
    const round = rounderOf(dtype);
    return { step: (a, x) => f(Number(a), Number(x), 0), round: (x) => round(Number(x)) };
  }
  const f = combine(combiner, dtype);
  return { step: (a, x) => f(a, x, 0), round: (x) => x };
}

/** Reduce with a named combiner; the axes stay with size 1. */
export function reduceNamed(x: Data, combiner: Combiner, axes: readonly number[]): Data {
  const { step, round } = folding(x.dtype, combiner);
  const shape = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const out = filled(x.dtype, shape, identity(combiner, x.dtype));
  offsets(x.shape, reducedStrides(x.shape, axes)).forEach(
    (at, i) => (out.values[at] = step(out.values[at], x.values[i])),
  );
  return { ...out, values: out.values.map(round) };
}

/** Scan with a named combiner. */
export function scanNamed(x: Data, op: TileOp<'scan'>, combiner: Combiner): Data {
  const { axis, reverse } = op.attrs;
  const { step, round } = folding(x.dtype, combiner);
  const values = [...x.values];
  for (const line of linesOf(x, axis, reverse)) {
    let acc = identity(combiner, x.dtype);
    for (const at of line) values[at] = round((acc = step(acc, x.values[at])));
  }
  return { ...x, values };
}

/** The offsets of each line along an axis, in order. */
export function linesOf(x: Pick<Data, 'shape'>, axis: number, reverse = false): number[][] {
  const strides = stridesOf(x.shape);
  const rest = withoutAxes(x.shape, [axis]);
  const starts = offsets(rest, withoutAxes(strides, [axis]));
  const steps = Array.from({ length: x.shape[axis] }, (_, i) => i * strides[axis]);
  if (reverse) steps.reverse();
  return starts.map((start) => steps.map((s) => start + s));
}

function argreduce(op: TileOp<'argreduce'>, x: Data): Data {
  const { axis, which } = op.attrs;
  const isBetter = realMeaning(which === 'max' ? 'gt' : 'lt', x.dtype);
  const values = linesOf(x, axis).map((line) => {
    let best = 0;
    line.forEach((at, i) => {
      const [v, b] = [x.values[at], x.values[line[best]]];
      if (!Number.isNaN(b) && (Number.isNaN(v) || isBetter(v, b, 0) === 1)) best = i;
    });
    return best;
  });
  // The lines run over the other axes in row-major order, which is the order of the result.
  return { dtype: 'i32', shape: op.results[0].type.shape, values };
}

function dot([a, b, acc]: readonly Data[]): Data {
  const rank = a.shape.length;
  const [m, k] = a.shape.slice(-2);
  const n = b.shape[rank - 1];
  const batches = sizeOf(a.shape.slice(0, -2));
  const dtype = acc?.dtype ?? a.dtype;
  const isExact = kindOf(dtype) === 'float';
  const [add, mul] = [realMeaning('add', dtype), realMeaning('mul', dtype)];
  const convert = realConversion(a.dtype, dtype);
  const round = rounderOf(dtype);
  const [x, y] = [a.values.map(convert), b.values.map(convert)];
  const values: Real[] = [];
  for (let batch = 0; batch < batches; batch++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum: Real = acc === undefined ? zero(dtype) : acc.values[values.length];
        for (let l = 0; l < k; l++) {
          const p = x[(batch * m + i) * k + l];
          const q = y[(batch * k + l) * n + j];
          sum = isExact ? Number(sum) + Number(p) * Number(q) : add(sum, mul(p, q, 0), 0);
        }
        values.push(isExact ? round(Number(sum)) : sum);
      }
  return { dtype, shape: [...a.shape.slice(0, -1), n], values };
}

/** The value of an op that reads no memory, no grid and no region. */
export function pureTile(op: TileOp<PureKind>, xs: readonly Data[]): Data {
  const { dtype, shape } = op.results[0].type;
  switch (op.kind) {
    case 'constant':
      return filled(dtype, shape, element(op.attrs.value, dtype));
    case 'iota':
      return iota(op);
    case 'scalar':
      return elementwise(op, xs);
    case 'select':
      return { dtype, shape, values: xs[0].values.map((p, i) => xs[p === 0 ? 2 : 1].values[i]) };
    case 'cast':
      return { dtype, shape, values: xs[0].values.map(realConversion(xs[0].dtype, dtype)) };
    case 'bitcast':
      return { dtype, shape, values: xs[0].values.map((v) => rebits(v, xs[0].dtype, dtype)) };
    case 'broadcast':
    case 'transpose':
    case 'slice':
    case 'rev':
      return strided(op, xs[0]);
    case 'reshape':
      return { dtype, shape, values: xs[0].values };
    case 'concat':
      return concat(op, xs);
    case 'pad':
      return pad(op, xs);
    case 'argreduce':
      return argreduce(op, xs[0]);
    case 'dot':
      return dot(xs);
    case 'assume':
      invariant(
        Number(xs[0].values[0]) % op.attrs.multipleOf === 0,
        `assume: the value must be a multiple of ${op.attrs.multipleOf}; got ${xs[0].values[0]}.`,
      );
      return xs[0];
  }
}
