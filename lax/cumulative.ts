/**
 * Running sums, products and extrema along an axis. They lower to `reduce_window` over the whole axis, padded on one side, which is
 * the form that XLA and our fuser know as a scan. The running logarithm of sums of exponentials has no named combiner: it lowers to
 * log₂ n steps that combine each element with the one 1, 2, 4, … before it.
 */
import type { ArrayLike } from '../core/array.ts';
import { isInexact, kindOf, type Kind } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import type { JvpResult, Primitive, Rules, Tangent } from '../core/primitive.ts';
import { refuseFloat0 } from '../core/promotion.ts';
import { canonicalAxis } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import { identityOf } from '../lowering/hlo/constant.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type { Combiner } from '../lowering/scalar.ts';
import { abs, add, max, maxP, min, minP, mul, neg, sub } from './arithmetic.ts';
import { eq, ne, select } from './comparison.ts';
import { fullLike } from './creation.ts';
import { definePrimitive, flagText } from './define.ts';
import { operand } from './operand.ts';
import { pad, sliceInDim } from './slicing.ts';
import { batched, shiftAxis } from './structure.ts';
import { exp, log1p } from './transcendental.ts';

/** Parameters of the family. */
export interface CumulativeParams {
  readonly axis: number;
  readonly reverse: boolean;
}

function lowerCumulative(
  b: HloBuilder,
  x: HloValue,
  combiner: Combiner,
  { axis, reverse }: CumulativeParams,
): HloValue {
  const { shape, dtype } = x.type;
  const n = shape[axis];
  if (n === 0) return x;
  const ones = shape.map(() => 1);
  const window = {
    dimensions: ones.with(axis, n),
    strides: ones,
    baseDilations: ones,
    windowDilations: ones,
    padding: shape.map((_, i): [number, number] =>
      i !== axis ? [0, 0] : reverse ? [0, n - 1] : [n - 1, 0],
    ),
  };
  return b.reduceWindow([x], [b.constant(identityOf(combiner, dtype), dtype)], window, combiner)[0];
}

/** log(eᵃ + eᵇ) without overflow; where a - b is no number (equal infinities, NaN), a + b is the answer. */
function lowerLogAddExp(b: HloBuilder, x: HloValue, y: HloValue): HloValue {
  const delta = b.scalar('sub', x, y);
  const rest = b.scalar('log1p', b.scalar('exp', b.scalar('neg', b.scalar('abs', delta))));
  return b.select(
    b.compare('ne', delta, delta),
    b.scalar('add', x, y),
    b.scalar('add', b.scalar('max', x, y), rest),
  );
}

function lowerLogSumExp(b: HloBuilder, x: HloValue, { axis, reverse }: CumulativeParams): HloValue {
  const { shape, dtype } = x.type;
  const n = shape[axis];
  const none = shape.map(() => 0);
  let out = x;
  for (let step = 1; step < n; step *= 2) {
    const [from, to] = reverse ? [step, n] : [0, n - step];
    const cut = b.slice(out, none.with(axis, from), shape.with(axis, to));
    const edge = b.constant(-Infinity, dtype);
    const shifted = reverse
      ? b.pad(cut, edge, none, none.with(axis, step), none)
      : b.pad(cut, edge, none.with(axis, step), none, none);
    out = lowerLogAddExp(b, shifted, out);
  }
  return out;
}

interface Family extends Pick<Rules<CumulativeParams>, 'jvp' | 'transpose'> {
  readonly takes: readonly Kind[];
  readonly lower: Combiner | typeof lowerLogSumExp;
}

function defineCumulative(
  name: string,
  { takes, lower, ...derivative }: Family,
): Primitive<CumulativeParams> {
  const prim: Primitive<CumulativeParams> = definePrimitive<CumulativeParams>(name, {
    abstractEval: ([x]) => {
      refuseFloat0(name, x);
      if (!takes.includes(kindOf(x.dtype)))
        throw new DTypeError(
          `${name}: takes ${takes.join(', ')} operands; got ${x.toString()}. Convert with lax.convertElementType.`,
        );
      return [x];
    },
    lower: (b, [x], params) => [
      typeof lower === 'string' ? lowerCumulative(b, x, lower, params) : lower(b, x, params),
    ],
    ...derivative,
    batch: ([x], [d], { axis, reverse }) => [
      [prim.bind1([x], { axis: shiftAxis(axis, batched(d)), reverse })],
      [d],
    ],
    printParams: ({ axis, reverse }) => ({ axis: String(axis), reverse: flagText(reverse) }),
  });
  return prim;
}

/** A value with its tangent. */
type Dual = readonly [value: Value, tangent: Value];

/**
 * The JVP of a running product or extremum: the running combination of duals, in log₂ n steps that combine each element with the one
 * 1, 2, 4, … before it.
 */
const dualScanJvp =
  (
    prim: () => Primitive<CumulativeParams>,
    neutral: (x: Value) => number,
    combine: (a: Dual, b: Dual) => Dual,
  ) =>
  ([x]: readonly Value[], [t]: readonly Tangent[], params: CumulativeParams): JvpResult => {
    const out = prim().bind1([x], params);
    if (t === null || !isInexact(x.dtype)) return [[out], [null]];
    const { axis, reverse } = params;
    const n = x.shape[axis];
    let dual: Dual = [x, t];
    for (let step = 1; step < n; step *= 2) {
      const shift = (v: Value, fill: number): Value => {
        const cut = reverse
          ? sliceInDim(v, step, n, { axis })
          : sliceInDim(v, 0, n - step, { axis });
        return pad(
          cut,
          fill,
          v.shape.map((_, i) => (i !== axis ? [0, 0, 0] : reverse ? [0, step, 0] : [step, 0, 0])),
        );
      };
      dual = combine([shift(dual[0], neutral(x)), shift(dual[1], 0)], dual);
    }
    return [[out], [dual[1]]];
  };

/** The dual of an extremum, by the JVP of `max` or `min` itself: ties share. */
function extremumDual(prim: typeof maxP, value: typeof max, [a, ta]: Dual, [b, tb]: Dual): Dual {
  const { jvp } = prim.rules;
  const tangent = typeof jvp === 'function' ? jvp([a, b], [ta, tb], {})[1][0] : null;
  return [value(a, b), tangent ?? tb];
}

const numbers: readonly Kind[] = ['int', 'uint', 'float', 'complex'];
const ordered: readonly Kind[] = ['bool', 'int', 'uint', 'float'];

/** `cumsum`: linear; its dual runs the other way. */
export const cumsumP: Primitive<CumulativeParams> = defineCumulative('cumsum', {
  takes: numbers,
  lower: 'add',
  jvp: 'linear',
  transpose: ([ct], _args, { axis, reverse }) => [
    ct === null ? null : cumsumP.bind1([ct], { axis, reverse: !reverse }),
  ],
});
/** `cumprod`: d (a b) = da b + a db along the scan. */
export const cumprodP: Primitive<CumulativeParams> = defineCumulative('cumprod', {
  takes: numbers,
  lower: 'mul',
  jvp: dualScanJvp(
    () => cumprodP,
    () => 1,
    ([a, ta], [b, tb]) => [mul(a, b), add(mul(ta, b), mul(a, tb))],
  ),
});
/** `cummax`: ties share the derivative pairwise. */
export const cummaxP: Primitive<CumulativeParams> = defineCumulative('cummax', {
  takes: ordered,
  lower: 'max',
  jvp: dualScanJvp(
    () => cummaxP,
    () => -Infinity,
    (a, b) => extremumDual(maxP, max, a, b),
  ),
});
/** `cummin`: ties share the derivative pairwise. */
export const cumminP: Primitive<CumulativeParams> = defineCumulative('cummin', {
  takes: ordered,
  lower: 'min',
  jvp: dualScanJvp(
    () => cumminP,
    () => Infinity,
    (a, b) => extremumDual(minP, min, a, b),
  ),
});

/** Tangents of log(eᵃ + eᵇ): each counts with its share of the sum; what is -∞ has none. */
function logAddExpDual([a, ta]: Dual, [b, tb]: Dual): Dual {
  const delta = sub(a, b);
  const sum = select(ne(delta, delta), add(a, b), add(max(a, b), log1p(exp(neg(abs(delta))))));
  const shift = select(eq(sum, -Infinity), fullLike(sum, 0), sum);
  const share = (x: Value): Value => select(eq(x, Infinity), fullLike(x, 1), exp(sub(x, shift)));
  return [sum, add(mul(ta, share(a)), mul(tb, share(b)))];
}

/** `cumlogsumexp`: the running logarithm of the sum of exponentials. */
export const cumlogsumexpP: Primitive<CumulativeParams> = defineCumulative('cumlogsumexp', {
  takes: ['float'],
  lower: lowerLogSumExp,
  jvp: dualScanJvp(
    () => cumlogsumexpP,
    () => -Infinity,
    logAddExpDual,
  ),
});

/** A public running reduction along an axis (0 when left out), from the end when `reverse`. */
export type CumulativeOp = (x: ArrayLike, axis?: number, reverse?: boolean) => Value;

const cumulativeOp =
  (prim: Primitive<CumulativeParams>): CumulativeOp =>
  (x, axis = 0, reverse = false) => {
    const value = operand(prim.name, x);
    return prim.bind1([value], { axis: canonicalAxis(prim.name, axis, value.ndim), reverse });
  };

/**
 * Running sums along an axis.
 *
 * @throws ShapeError when the axis is out of range; DTypeError for bool.
 * @example
 * String(lax.cumsum(lax.iota('i32', 4))); // → [0 1 3 6]
 */
export const cumsum: CumulativeOp = cumulativeOp(cumsumP);
/** Running products along an axis. @throws ShapeError when the axis is out of range; DTypeError for bool. */
export const cumprod: CumulativeOp = cumulativeOp(cumprodP);
/** Running maxima along an axis. @throws ShapeError when the axis is out of range. */
export const cummax: CumulativeOp = cumulativeOp(cummaxP);
/** Running minima along an axis. @throws ShapeError when the axis is out of range. */
export const cummin: CumulativeOp = cumulativeOp(cumminP);
/**
 * Running logarithms of sums of exponentials along an axis, without overflow.
 *
 * @throws ShapeError when the axis is out of range; DTypeError when the operand is no real float.
 * @example
 * String(lax.cumlogsumexp(np.array([1000, 1000, -Infinity]))); // → [1000.     1000.6932 1000.6932]
 */
export const cumlogsumexp: CumulativeOp = cumulativeOp(cumlogsumexpP);
