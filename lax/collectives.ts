/**
 * Reductions over named axes, and the index along one. A name stands for an axis that a transformation around the function maps
 * over; when that transformation is applied, the name becomes an axis of the operand. Collectives that move data between the
 * indices stand in `exchange.ts`.
 *
 * Derivatives follow JAX: every index holds a copy of a sum, and a loss is the sum over all copies. So the transpose of `psum` is
 * `psum`, and `vmap(grad(f))` differentiates the sum of all results where `f` uses a collective.
 */
import { asValue, NDArray, type ArrayLike } from '../core/array.ts';
import { Aval } from '../core/aval.ts';
import { boundAxisSize } from '../core/axis-env.ts';
import { isInexact } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { checkList, knownOptions } from '../core/options.ts';
import type { JvpResult, Primitive, Rules, Tangent } from '../core/primitive.ts';
import { toInexact } from '../core/promotion.ts';
import { canonicalAxis } from '../core/shape.ts';
import type { Output } from '../core/signature.ts';
import { flatten, unflatten } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { allReduce } from '../lowering/hlo/build-collective.ts';
import type { Combiner } from '../lowering/scalar.ts';
import { add, div, mul } from './arithmetic.ts';
import { eq } from './comparison.ts';
import { convertElementType } from './convert.ts';
import { iota } from './creation.ts';
import { definePrimitive } from './define.ts';
import {
  batchCollective,
  checkBound,
  memberCount,
  namesOf,
  namesText,
  devicesOf,
  onLeaves,
  sizeOfNames,
  type AxisIndexGroups,
  type AxisNames,
  type CollectiveRecord,
  type GroupOptions,
} from './named-axis.ts';
import { literal, literalLike, operand } from './operand.ts';
import { broadcastInDim, dimAfterDrop, reduceSum, shiftAxis } from './structure.ts';

/** An axis to reduce over: the name of a mapped axis, or the position of an axis of the operand. */
export type ReducedAxis = string | number;

/** Parameters of `psum`, `pmax` and `pmin`. */
export interface AllReduceParams {
  readonly axes: readonly ReducedAxis[];
  readonly axisIndexGroups: AxisIndexGroups | undefined;
}

const isName = (axis: ReducedAxis): axis is string => typeof axis === 'string';
const isPosition = (axis: ReducedAxis): axis is number => typeof axis === 'number';
const shifted = (axes: readonly ReducedAxis[], d: number): ReducedAxis[] =>
  axes.map((axis) => (isName(axis) ? axis : shiftAxis(axis, d)));

/** How the members of the family differ. */
interface AllReduceRecord {
  readonly combiner: Combiner;
  readonly rules: Pick<Rules<AllReduceParams>, 'jvp' | 'transpose'>;
  /** The result for a value that is the same at all indices of an axis. */
  readonly ofConstant: (x: Value, size: number) => Value;
}

function defineAllReduce(
  name: string,
  { combiner, rules, ofConstant }: AllReduceRecord,
): Primitive<AllReduceParams> {
  const record: CollectiveRecord<AllReduceParams> = {
    names: ({ axes }) => axes.filter(isName),
    beside: ({ axes, ...rest }, d) => ({
      params: { ...rest, axes: shifted(axes, d) },
      dim: dimAfterDrop(d, axes.filter(isPosition)),
    }),
    over(x, d, { axes, axisIndexGroups }, axis) {
      if (d === null) {
        const rest = axes.filter((one) => one !== axis.name);
        const reduced = rest.length === 0 ? x : prim.bind1([x], { axes: rest, axisIndexGroups });
        return [ofConstant(reduced, axis.size), null];
      }
      // One reduction over all axes: the name becomes the position of the mapped axis.
      const all = shifted(axes, d).map((one) => (one === axis.name ? d : one));
      return [prim.bind1([x], { axes: all, axisIndexGroups }), null];
    },
  };
  const prim: Primitive<AllReduceParams> = definePrimitive<AllReduceParams>(name, {
    abstractEval: ([x], { axes }) => {
      checkBound(name, axes.filter(isName));
      return [x.without(axes.filter(isPosition)).strong()];
    },
    lower(b, [x], { axes, axisIndexGroups }, { devices }) {
      const names = axes.filter(isName);
      const positions = axes.filter(isPosition);
      const own = positions.length === 0 ? x : b.reduce(x, combiner, positions);
      if (names.length === 0) return [own];
      const groups = devicesOf(name, names, devices).groups(names, axisIndexGroups);
      return [allReduce(b, own, combiner, groups)];
    },
    ...rules,
    batch: batchCollective(() => prim, record),
    axisNames: record.names,
    printParams: ({ axes, axisIndexGroups }) => ({
      axes: namesText(axes),
      axis_index_groups: axisIndexGroups ?? null,
    }),
  });
  return prim;
}

/** Repeat a result along the positions that were reduced. */
const spreadBack = (out: Value, like: Aval, axes: readonly ReducedAxis[]): Value =>
  broadcastInDim(
    out,
    like.shape,
    like.shape.map((_, i) => i).filter((i) => !axes.includes(i)),
  );

/** `psum`: the sum over named axes and positions. */
export const psumP: Primitive<AllReduceParams> = defineAllReduce('psum', {
  combiner: 'add',
  ofConstant: (x, size) => mul(literalLike(size, x), x),
  rules: {
    jvp: 'linear',
    // Each index gets its own copy of a named sum: the cotangents of all copies are summed. Positions are repeated.
    transpose: ([ct], [x], { axes, axisIndexGroups }) => {
      if (ct === null) return [null];
      const spread = spreadBack(ct, x.aval, axes);
      const names = axes.filter(isName);
      return [
        names.length === 0 ? spread : psumP.bind1([spread], { axes: names, axisIndexGroups }),
      ];
    },
  },
});

/** Every element that equals the extremum gets an equal share of the derivative, as in `reduce_max`. */
const chooserJvp =
  (prim: () => Primitive<AllReduceParams>) =>
  ([x]: readonly Value[], [t]: readonly Tangent[], params: AllReduceParams): JvpResult => {
    const out = prim().bind1([x], params);
    if (t === null || !isInexact(x.dtype)) return [[out], [null]];
    const chosen = convertElementType(eq(x, spreadBack(out, x.aval, params.axes)), t.dtype);
    const sum = (v: Value): Value => psumP.bind1([v], params);
    return [[out], [div(sum(mul(t, chosen)), sum(chosen))]];
  };

/** `pmax`: the greatest over named axes and positions. */
export const pmaxP: Primitive<AllReduceParams> = defineAllReduce('pmax', {
  combiner: 'max',
  ofConstant: (x) => x,
  rules: { jvp: chooserJvp(() => pmaxP) },
});

/** `pmin`: the least over named axes and positions. */
export const pminP: Primitive<AllReduceParams> = defineAllReduce('pmin', {
  combiner: 'min',
  ofConstant: (x) => x,
  rules: { jvp: chooserJvp(() => pminP) },
});

// --- public functions ---------------------------------------------------------------------------------------------------------

/** Names of mapped axes, and positions of axes of the operand, to reduce over. */
export type ReducedAxes = AxisNames | number | readonly ReducedAxis[];

/** The axes of a reduction, as a list, and how many members its named part has. */
function checkAxes(
  op: string,
  axes: ReducedAxes,
  options: GroupOptions,
): { readonly axes: readonly ReducedAxis[]; readonly members: number } {
  const list = typeof axes === 'string' || typeof axes === 'number' ? [axes] : axes;
  checkList(op, 'axisName', list, 'names or positions');
  const { axisIndexGroups } = knownOptions(op, options, ['axisIndexGroups']);
  const names = namesOf(
    op,
    list.filter((axis): axis is string => typeof axis !== 'number'),
  );
  if (axisIndexGroups !== undefined && names.length !== list.length)
    throw new ArgumentError(
      `${op}: axisIndexGroups are groups of a named axis; got positions beside names. Reduce over the positions first.`,
    );
  return { axes: list, members: memberCount(op, names, axisIndexGroups) };
}

/** Positions counted from the start. */
const canonical = (op: string, axes: readonly ReducedAxis[], x: Value): ReducedAxis[] =>
  axes.map((axis) => (isName(axis) ? axis : canonicalAxis(op, axis, x.ndim)));

/**
 * Sum each array of a tree over mapped axes: every index gets the sum. Bools are counted. Numbers and concrete arrays are the same
 * at all indices: they are multiplied by the size.
 *
 * @throws UnboundAxisError when a name is not bound; ArgumentError when groups are not valid; ShapeError when a position is out of
 * range.
 * @example
 * const f = (x: Value) => lax.div(x, lax.psum(x, 'i'));
 * String(vmap(f, { axisName: 'i' })(np.array([1, 1, 2]))); // → [0.25 0.25 0.5 ]
 */
export function psum<T>(x: T, axisName: ReducedAxes, options: GroupOptions = {}): Output<T> {
  const { axes, members } = checkAxes('psum', axisName, options);
  const { leaves, treedef } = flatten(x);
  const sums = leaves.map((leaf) => sumLeaf(leaf as ArrayLike, axes, members, options));
  return unflatten(treedef, sums) as Output<T>;
}

function sumLeaf(
  leaf: ArrayLike,
  axes: readonly ReducedAxis[],
  members: number,
  { axisIndexGroups }: GroupOptions,
): Value {
  if (axes.length === 0) return operand('psum', leaf);
  if (typeof leaf === 'number') return asValue('psum', leaf * members);
  const value = operand('psum', leaf);
  const x = value.dtype === 'bool' ? convertElementType(value, 'i32') : value;
  const list = canonical('psum', axes, x);
  if (!(value instanceof NDArray)) return psumP.bind1([x], { axes: list, axisIndexGroups });
  const positions = list.filter(isPosition);
  const sum = positions.length === 0 ? x : reduceSum(x, positions);
  return mul(literalLike(members, sum), sum);
}

/**
 * The mean of each array of a tree over mapped axes; integers give floats.
 *
 * @throws UnboundAxisError when a name is not bound; ArgumentError when an axis is no name or groups are not valid.
 * @example
 * String(vmap((x: Value) => lax.pmean(x, 'i'), { axisName: 'i' })(np.array([1, 2, 6]))); // → [3. 3. 3.]
 */
export function pmean<T>(x: T, axisName: AxisNames, options: GroupOptions = {}): Output<T> {
  const names = namesOf('pmean', axisName);
  const members = memberCount('pmean', names, options.axisIndexGroups);
  const { leaves, treedef } = flatten(psum(x, names, options));
  const means = leaves.map((leaf) => {
    const sum = operand('pmean', leaf as Value);
    const inexact = convertElementType(sum, toInexact(sum.dtype), sum.weakType);
    return div(inexact, literalLike(members, inexact));
  });
  return unflatten(treedef, means) as Output<T>;
}

/** Reduce each array of a tree with one of the primitives. */
function reduceLeaves<T>(
  op: string,
  prim: Primitive<AllReduceParams>,
  x: T,
  [axisName, options]: readonly [ReducedAxes, GroupOptions],
): Output<T> {
  const { axes } = checkAxes(op, axisName, options);
  const { axisIndexGroups } = options;
  return onLeaves(op, x, (leaf) =>
    axes.length === 0
      ? leaf
      : prim.bind1([leaf], { axes: canonical(op, axes, leaf), axisIndexGroups }),
  );
}

/**
 * The greatest element of each array of a tree over mapped axes; NaN where there is one.
 *
 * @throws as `psum`.
 * @example
 * String(vmap((x: Value) => lax.pmax(x, 'i'), { axisName: 'i' })(np.array([1, 5, 2]))); // → [5. 5. 5.]
 */
export const pmax = <T>(x: T, axisName: ReducedAxes, options: GroupOptions = {}): Output<T> =>
  reduceLeaves('pmax', pmaxP, x, [axisName, options]);

/**
 * The least element of each array of a tree over mapped axes; NaN where there is one.
 *
 * @throws as `psum`.
 * @example
 * String(vmap((x: Value) => lax.pmin(x, 'i'), { axisName: 'i' })(np.array([4, 5, 2]))); // → [2. 2. 2.]
 */
export const pmin = <T>(x: T, axisName: ReducedAxes, options: GroupOptions = {}): Output<T> =>
  reduceLeaves('pmin', pminP, x, [axisName, options]);

// --- the index along an axis --------------------------------------------------------------------------------------------------

/** Parameters of `axis_index`. */
export interface AxisIndexParams {
  readonly axisName: string;
}

/** `axis_index`: the index along a named axis. It has no operands. */
export const axisIndexP: Primitive<AxisIndexParams> = definePrimitive<AxisIndexParams>(
  'axis_index',
  {
    abstractEval: (_, { axisName }) => {
      checkBound('axisIndex', [axisName]);
      return [new Aval([], 'i32')];
    },
    lower: (b, _, { axisName }, { devices }) => [
      devicesOf('axisIndex', [axisName], devices).index(b, axisName),
    ],
    jvp: 'zero',
    batch: (_args, _dims, _params, { size }) => [[iota('i32', size)], [0]],
    axisNames: ({ axisName }) => [axisName],
    printParams: ({ axisName }) => ({ axis_name: axisName }),
  },
);

/**
 * The index along a mapped axis, an i32; for several names, the index over all of them, the last one fastest.
 *
 * @throws UnboundAxisError when a name is not bound.
 * @example
 * String(vmap((x: Value) => lax.axisIndex('i'), { axisName: 'i' })(np.array([5, 6, 7]))); // → [0 1 2]
 */
export function axisIndex(axisName: AxisNames): Value {
  const names = namesOf('axisIndex', axisName);
  if (typeof axisName === 'string') return axisIndexP.bind1([], { axisName });
  let index: Value = literal(0, 'i32');
  let inner = 1;
  for (const name of names.toReversed()) {
    index = add(index, mul(axisIndexP.bind1([], { axisName: name }), inner));
    inner *= boundAxisSize('axisIndex', name);
  }
  return index;
}

/**
 * How many indices a mapped axis has, a JavaScript number; for several names, all of them together.
 *
 * @throws UnboundAxisError when a name is not bound.
 * @example
 * String(vmap((x: Value) => x.mul(lax.axisSize('i')), { axisName: 'i' })(np.array([5, 6]))); // → [10. 12.]
 */
export const axisSize = (axisName: AxisNames): number =>
  sizeOfNames('axisSize', namesOf('axisSize', axisName));
