/**
 * Collectives that move data between the indices of named axes: permutations, gathering with its dual, the scattered sum, and the
 * exchange of all with all. Reductions stand in `collectives.ts`, what all share in `named-axis.ts`.
 */
import { ArgumentError, LoweringError, ShapeError } from '../core/errors.ts';
import { checkList, checkNumberLists, checkOptions } from '../core/options.ts';
import type { Primitive } from '../core/primitive.ts';
import { canonicalAxis } from '../core/shape.ts';
import type { Output } from '../core/signature.ts';
import type { Value } from '../core/value.ts';
import {
  allGather as allGatherOp,
  allToAll as allToAllOp,
  collectivePermute,
  reduceScatter,
} from '../lowering/hlo/build-collective.ts';
import { mul } from './arithmetic.ts';
import { definePrimitive } from './define.ts';
import {
  batchCollective,
  checkBound,
  memberCount,
  mergeAxes,
  namesOf,
  namesText,
  devicesOf,
  onLeaves,
  partSize,
  sizeOfNames,
  splitAxis,
  takeRows,
  type AxisIndexGroups,
  type AxisNames,
  type CollectiveRecord,
  type GroupOptions,
} from './named-axis.ts';
import { literalLike } from './operand.ts';
import {
  batchTo,
  expandDims,
  moveAxis,
  reduceSum,
  reshape,
  shiftAxis,
  squeeze,
  transpose,
} from './structure.ts';

// --- ppermute -----------------------------------------------------------------------------------------------------------------

/** Pairs of indices: who sends, who gets it. */
export type Permutation = readonly (readonly [source: number, destination: number])[];

/** Parameters of `ppermute`. */
export interface PpermuteParams {
  /** Names; mapping over one of several turns it into the position of an axis of the operand. */
  readonly axisName: readonly (string | number)[];
  readonly perm: Permutation;
  readonly axisIndexGroups?: undefined;
}

const isName = (axis: string | number): axis is string => typeof axis === 'string';

const permuteRecord: CollectiveRecord<PpermuteParams> = {
  names: ({ axisName }) => axisName.filter(isName),
  beside: ({ axisName, perm }, d) => ({
    params: { axisName: axisName.map((a) => (isName(a) ? a : shiftAxis(a, d))), perm },
    dim: d,
  }),
  over(x, d, { axisName, perm }, { name, size }) {
    const isTotal = new Set(perm.map(([, to]) => to)).size === size;
    if (d === null && axisName.length === 1 && isTotal) return [x, null];
    const led = batchTo(x, d, 0, size);
    const axes = axisName.map((a) => (a === name ? 0 : isName(a) ? a : a + 1));
    const out = axes.every((a): a is number => !isName(a))
      ? permutePositions(led, axes, perm)
      : ppermuteP.bind1([led], { axisName: axes, perm });
    return [out, 0];
  },
};

/** Permute the indices of these axes of `x` together, the last one fastest; places that get nothing hold zeros. */
function permutePositions(x: Value, axes: readonly number[], perm: Permutation): Value {
  const order = [...axes, ...x.shape.map((_, i) => i).filter((i) => !axes.includes(i))];
  const led = transpose(x, order);
  const rows = mergeAxes(led, 0, axes.length);
  const sources: (number | undefined)[] = Array.from({ length: rows.shape[0] }, () => undefined);
  for (const [from, to] of perm) sources[to] = from;
  const moved = reshape(takeRows(rows, sources), led.shape);
  return transpose(
    moved,
    order.map((_, i) => order.indexOf(i)),
  );
}

/** `ppermute`: index `destination` gets the value of index `source`; indices that get nothing hold zeros. */
export const ppermuteP: Primitive<PpermuteParams> = definePrimitive<PpermuteParams>('ppermute', {
  abstractEval: ([x], params) => {
    checkBound('ppermute', permuteRecord.names(params));
    return [x];
  },
  lower(b, [x], { axisName, perm }, { devices }) {
    const names = axisName.filter(isName);
    const groups = devicesOf('ppermute', names, devices).groups(names);
    if (names.length < axisName.length)
      throw new LoweringError(
        `ppermute: a permutation is over axes of the mesh or over mapped ones; got ${names.join(', ')} beside mapped axes in a program of several devices. Permute over one after the other.`,
      );
    const pairs = groups.flatMap((group) => perm.map(([from, to]) => [group[from], group[to]]));
    return [collectivePermute(b, x, pairs)];
  },
  jvp: 'linear',
  transpose: ([ct], _, { axisName, perm }) => [
    ct === null
      ? null
      : ppermuteP.bind1([ct], { axisName, perm: perm.map(([from, to]) => [to, from]) }),
  ],
  batch: batchCollective(() => ppermuteP, permuteRecord),
  axisNames: permuteRecord.names,
  printParams: ({ axisName, perm }) => ({ axis_name: namesText(axisName), perm }),
});

/**
 * Send each array of a tree along pairs `[source, destination]` of indices of a mapped axis; indices that are no destination get
 * zeros.
 *
 * @throws UnboundAxisError when a name is not bound; ArgumentError when an index is out of range, sends twice or gets twice.
 * @example
 * const right = (x: Value) => lax.ppermute(x, 'i', [[0, 1], [1, 2], [2, 0]]);
 * String(vmap(right, { axisName: 'i' })(np.array([1, 2, 3]))); // → [3. 1. 2.]
 */
export function ppermute<T>(x: T, axisName: AxisNames, perm: Permutation): Output<T> {
  const names = namesOf('ppermute', axisName);
  checkPermutation('ppermute', perm, sizeOfNames('ppermute', names));
  return onLeaves('ppermute', x, (leaf) => ppermuteP.bind1([leaf], { axisName: names, perm }));
}

function checkPermutation(op: string, perm: Permutation, size: number): void {
  checkList(op, 'perm', perm, 'pairs [source, destination]');
  perm.forEach((pair, i) => checkNumberLists(op, { [`perm[${i}]`]: pair }));
  const isIndex = (i: number): boolean => Number.isInteger(i) && i >= 0 && i < size;
  const isDistinct = (indices: readonly number[]): boolean =>
    new Set(indices).size === indices.length && indices.every(isIndex);
  if (!isDistinct(perm.map(([from]) => from)) || !isDistinct(perm.map(([, to]) => to)))
    throw new ArgumentError(
      `${op}: each index of the axis may send once and get once; got ${JSON.stringify(perm)} for an axis of size ${size}. Write pairs [source, destination] of indices from 0 to ${size - 1}.`,
    );
}

/**
 * Permute each array of a tree along a mapped axis: index `i` gets the value of index `perm[i]`.
 *
 * @throws UnboundAxisError when a name is not bound; ArgumentError when `perm` is no permutation of the indices.
 * @example
 * String(vmap((x: Value) => lax.pshuffle(x, 'i', [2, 0, 1]), { axisName: 'i' })(np.array([1, 2, 3]))); // → [3. 1. 2.]
 */
export function pshuffle<T>(x: T, axisName: AxisNames, perm: readonly number[]): Output<T> {
  checkNumberLists('pshuffle', { perm });
  const size = sizeOfNames('pshuffle', namesOf('pshuffle', axisName));
  if (perm.length !== size)
    throw new ArgumentError(
      `pshuffle: perm must name every index of the axis once; got ${JSON.stringify(perm)} for an axis of size ${size}. Use ppermute to send some of them.`,
    );
  return ppermute(
    x,
    axisName,
    perm.map((from, to) => [from, to]),
  );
}

// --- all_gather and reduce_scatter are duals ----------------------------------------------------------------------------------

/** Parameters of `all_gather`. */
export interface AllGatherParams {
  readonly allGatherDimension: number;
  readonly axisName: readonly string[];
  readonly axisIndexGroups: AxisIndexGroups | undefined;
  /** How many members take part. */
  readonly axisSize: number;
  /** Lay the parts one after the other along an axis instead of along a new one. */
  readonly tiled: boolean;
}

/** The names before and after one of them. */
function aroundName(
  axisName: readonly string[],
  name: string,
): readonly [major: readonly string[], minor: readonly string[]] {
  const at = axisName.indexOf(name);
  return [axisName.slice(0, at), axisName.slice(at + 1)];
}

const allGatherRecord: CollectiveRecord<AllGatherParams> = {
  names: ({ axisName }) => axisName,
  beside: (params, d) => {
    const { allGatherDimension: at, tiled } = params;
    return d <= at
      ? { params: { ...params, allGatherDimension: at + 1 }, dim: d }
      : { params, dim: tiled ? d : d + 1 };
  },
  over(x, d, { axisName, allGatherDimension: at, tiled, axisSize: count }, { name, size }) {
    const [major, minor] = aroundName(axisName, name);
    const inner = gatherNames(batchTo(x, d, 0, size), minor, 1);
    const all = gatherNames(inner, major, 0);
    const rows = reshape(all, [count, ...x.shape.filter((_, i) => i !== d)]);
    const moved = moveAxis(rows, 0, at);
    return [tiled ? mergeAxes(moved, at, 2) : moved, null];
  },
};

/** Gather over further names, along a new axis; none is no change. */
function gatherNames(x: Value, names: readonly string[], at: number): Value {
  if (names.length === 0) return x;
  const axisSize = sizeOfNames('allGather', names);
  return allGatherP.bind1([x], {
    allGatherDimension: at,
    axisName: names,
    axisIndexGroups: undefined,
    axisSize,
    tiled: false,
  });
}

/** `all_gather`: every index gets the values of all indices, stacked or one after the other. */
export const allGatherP: Primitive<AllGatherParams> = definePrimitive<AllGatherParams>(
  'all_gather',
  {
    abstractEval: ([x], { axisName, allGatherDimension: at, axisSize: count, tiled }) => {
      checkBound('allGather', axisName);
      const { shape } = x;
      return [
        x.withShape(
          tiled ? shape.toSpliced(at, 1, shape[at] * count) : shape.toSpliced(at, 0, count),
        ),
      ];
    },
    lower(b, [x], params, { devices }) {
      const { allGatherDimension: at, axisName, axisIndexGroups, tiled } = params;
      const groups = devicesOf('allGather', axisName, devices).groups(axisName, axisIndexGroups);
      const { shape } = x.type;
      const own = tiled
        ? x
        : b.broadcastInDim(
            x,
            shape.toSpliced(at, 0, 1),
            shape.map((_, i) => (i < at ? i : i + 1)),
          );
      return [allGatherOp(b, own, at, groups)];
    },
    jvp: 'linear',
    transpose: ([ct], _, { allGatherDimension, ...rest }) => [
      ct === null
        ? null
        : reduceScatterP.bind1([ct], { ...rest, scatterDimension: allGatherDimension }),
    ],
    batch: batchCollective(() => allGatherP, allGatherRecord),
    axisNames: ({ axisName }) => axisName,
    printParams: ({ allGatherDimension, axisName, axisIndexGroups, axisSize, tiled }) => ({
      all_gather_dimension: allGatherDimension,
      axis_index_groups: axisIndexGroups ?? null,
      axis_name: namesText(axisName),
      axis_size: axisSize,
      tiled,
    }),
  },
);

/** Parameters of `reduce_scatter`. */
export interface ReduceScatterParams {
  readonly scatterDimension: number;
  readonly axisName: readonly string[];
  readonly axisIndexGroups: AxisIndexGroups | undefined;
  /** How many members take part. */
  readonly axisSize: number;
  /** Keep the axis that is scattered, with the size of a part. */
  readonly tiled: boolean;
}

const reduceScatterRecord: CollectiveRecord<ReduceScatterParams> = {
  names: ({ axisName }) => axisName,
  beside: (params, d) => {
    const { scatterDimension: at, tiled } = params;
    return d <= at
      ? { params: { ...params, scatterDimension: at + 1 }, dim: d }
      : { params, dim: tiled ? d : d - 1 };
  },
  over(x, d, { axisName, scatterDimension: at, axisSize: count, tiled }, { name, size }) {
    const [major, minor] = aroundName(axisName, name);
    const sum = d === null ? mul(literalLike(size, x), x) : reduceSum(x, [d]);
    const [outer, inner] = [sizesOf(major), sizesOf(minor)];
    const part = tiled ? [sum.shape[at] / count] : [];
    const cut = splitAxis(sum, at, [...outer, size, ...inner, ...part]);
    const rest = scatterNames(cut, minor, at + outer.length + 1);
    return [scatterNames(rest, major, at), at];
  },
};

/** The size of the axis that names have in an operand that is cut for them; no names have none. */
const sizesOf = (names: readonly string[]): number[] =>
  names.length === 0 ? [] : [sizeOfNames('collective', names)];

/** Scatter over further names, along an axis that disappears; none is no change. */
function scatterNames(x: Value, names: readonly string[], at: number): Value {
  if (names.length === 0) return x;
  return reduceScatterP.bind1([x], {
    scatterDimension: at,
    axisName: names,
    axisIndexGroups: undefined,
    axisSize: x.shape[at],
    tiled: false,
  });
}

/** `reduce_scatter`: the sum over all indices, of which each index gets its part. */
export const reduceScatterP: Primitive<ReduceScatterParams> = definePrimitive<ReduceScatterParams>(
  'reduce_scatter',
  {
    abstractEval: ([x], { axisName, scatterDimension: at, axisSize: count, tiled }) => {
      checkBound('psumScatter', axisName);
      if (tiled)
        return [x.withShape(x.shape.with(at, partSize('psumScatter', x.shape[at], count, at)))];
      if (x.shape[at] !== count)
        throw new ShapeError(
          `psumScatter: the scattered axis must have one element per member; got size ${x.shape[at]} of axis ${at} of ${x.toString()} for ${count} members. Use tiled: true for larger parts.`,
        );
      return [x.without([at])];
    },
    lower(b, [x], params, { devices }) {
      const { scatterDimension: at, axisName, axisIndexGroups, tiled } = params;
      const groups = devicesOf('psumScatter', axisName, devices).groups(axisName, axisIndexGroups);
      const part = reduceScatter(b, x, at, groups);
      return [tiled ? part : b.reshape(part, part.type.shape.toSpliced(at, 1))];
    },
    jvp: 'linear',
    transpose: ([ct], _, { scatterDimension, ...rest }) => [
      ct === null
        ? null
        : allGatherP.bind1([ct], { ...rest, allGatherDimension: scatterDimension }),
    ],
    batch: batchCollective(() => reduceScatterP, reduceScatterRecord),
    axisNames: ({ axisName }) => axisName,
    printParams: ({ scatterDimension, axisName, axisIndexGroups, axisSize, tiled }) => ({
      axis_index_groups: axisIndexGroups ?? null,
      axis_name: namesText(axisName),
      axis_size: axisSize,
      scatter_dimension: scatterDimension,
      tiled,
    }),
  },
);

/** Options of `allGather`. */
export interface AllGatherOptions extends GroupOptions {
  /** Where the new axis goes, or along which axis the parts are laid; 0 when left out. */
  readonly axis?: number;
  /** Lay the parts one after the other along `axis` instead of along a new one. */
  readonly tiled?: boolean;
}

/**
 * Give every index of a mapped axis the values of all indices, stacked along a new axis.
 *
 * @throws UnboundAxisError when a name is not bound; ShapeError when the axis is out of range; ArgumentError when groups are not
 * valid.
 * @example
 * const f = (x: Value) => lax.allGather(x, 'i');
 * String(vmap(f, { axisName: 'i', outAxes: null })(np.array([1, 2]))); // → [1. 2.]
 */
export function allGather<T>(x: T, axisName: AxisNames, options: AllGatherOptions = {}): Output<T> {
  checkOptions('allGather', options, ['axis', 'tiled', 'axisIndexGroups']);
  const { axis = 0, tiled = false, axisIndexGroups } = options;
  const names = namesOf('allGather', axisName);
  const count = memberCount('allGather', names, axisIndexGroups);
  return onLeaves('allGather', x, (leaf) =>
    names.length === 0
      ? leaf
      : allGatherP.bind1([leaf], {
          allGatherDimension: canonicalAxis('allGather', axis, leaf.ndim + (tiled ? 0 : 1)),
          axisName: names,
          axisIndexGroups,
          axisSize: count,
          tiled,
        }),
  );
}

/** Options of `psumScatter`. */
export interface PsumScatterOptions extends GroupOptions {
  /** The axis whose parts go to the indices; 0 when left out. */
  readonly scatterDimension?: number;
  /** Keep that axis, with the size of a part; without it each part is one element, and the axis disappears. */
  readonly tiled?: boolean;
}

/**
 * Sum each array of a tree over a mapped axis, and give each index its part of the sum along an axis.
 *
 * @throws UnboundAxisError when a name is not bound; ShapeError when the axis cannot be cut into one part per index; ArgumentError
 * when groups are not valid.
 * @example
 * const f = (x: Value) => lax.psumScatter(x, 'i');
 * String(vmap(f, { axisName: 'i' })(np.array([[1, 2], [3, 4]]))); // → [4. 6.]
 */
export function psumScatter<T>(
  x: T,
  axisName: AxisNames,
  options: PsumScatterOptions = {},
): Output<T> {
  checkOptions('psumScatter', options, ['scatterDimension', 'tiled', 'axisIndexGroups']);
  const { scatterDimension = 0, tiled = false, axisIndexGroups } = options;
  const names = namesOf('psumScatter', axisName);
  const count = memberCount('psumScatter', names, axisIndexGroups);
  return onLeaves('psumScatter', x, (leaf) => {
    if (names.length === 0) return leaf;
    const params: ReduceScatterParams = {
      scatterDimension: canonicalAxis('psumScatter', scatterDimension, leaf.ndim),
      axisName: names,
      axisIndexGroups,
      axisSize: count,
      tiled,
    };
    // The rule of types also checks that the parts fit.
    reduceScatterP.rules.abstractEval([leaf.aval], params);
    return reduceScatterP.bind1([leaf], params);
  });
}

// --- all_to_all ---------------------------------------------------------------------------------------------------------------

/** Parameters of `all_to_all`. */
export interface AllToAllParams {
  readonly axisName: AxisNames;
  readonly axisIndexGroups: AxisIndexGroups | undefined;
  /** How many members take part. */
  readonly axisSize: number;
  readonly splitAxis: number;
  readonly concatAxis: number;
  /** How the caller wrote it, for printing: the operand has both axes in any case. */
  readonly tiled: boolean;
}

const namesOfAllToAll = ({ axisName }: AllToAllParams): readonly string[] =>
  typeof axisName === 'string' ? [axisName] : axisName;

const allToAllRecord: CollectiveRecord<AllToAllParams> = {
  names: namesOfAllToAll,
  beside: (params, d) => ({
    params: {
      ...params,
      splitAxis: shiftAxis(params.splitAxis, d),
      concatAxis: shiftAxis(params.concatAxis, d),
    },
    dim: d,
  }),
  over(x, d, params, { name, size }) {
    const { splitAxis: from, concatAxis: to, axisSize: count } = params;
    const [major, minor] = aroundName(namesOfAllToAll(params), name);
    const [outer, inner] = [sizesOf(major), sizesOf(minor)];
    // [source of this axis, …, destinations of major, this and minor, part, …]
    const led = batchTo(x, d, 0, size);
    const at = from + 1;
    const own = at + outer.length;
    const cut = splitAxis(led, at, [...outer, size, ...inner, led.shape[at] / count]);
    // Each name swaps its destinations for sources, in place; for this axis that is a transposition.
    const given = exchangeNames(exchangeNames(cut, minor, own + 1), major, at);
    const order = given.shape.map((_, i) => (i === 0 ? own : i === own ? 0 : i));
    const sources = mergeAxes(transpose(given, order), at, outer.length + 1 + inner.length);
    return [mergeAxes(moveAxis(sources, at, to + 1), to + 1, 2), 0];
  },
};

/** Exchange over further names: axis `at` counts destinations before and sources after. */
function exchangeNames(x: Value, names: readonly string[], at: number): Value {
  if (names.length === 0) return x;
  return allToAllP.bind1([x], {
    axisName: names,
    axisIndexGroups: undefined,
    axisSize: x.shape[at],
    splitAxis: at,
    concatAxis: at,
    tiled: true,
  });
}

/**
 * `all_to_all`: every index cuts an axis into one part per index and sends each its part; what it gets is laid one after the other
 * along another axis.
 */
export const allToAllP: Primitive<AllToAllParams> = definePrimitive<AllToAllParams>('all_to_all', {
  abstractEval: ([x], params) => {
    checkBound('allToAll', namesOfAllToAll(params));
    const { splitAxis: from, concatAxis: to, axisSize: count } = params;
    const shape = x.shape.with(from, partSize('allToAll', x.shape[from], count, from));
    return [x.withShape(shape.with(to, shape[to] * count)).strong()];
  },
  lower(b, [x], params, { devices }) {
    const { axisIndexGroups, splitAxis: from, concatAxis: to } = params;
    const names = namesOfAllToAll(params);
    const groups = devicesOf('allToAll', names, devices).groups(names, axisIndexGroups);
    return [allToAllOp(b, x, [from, to], groups)];
  },
  jvp: 'linear',
  transpose: ([ct], _, params) => [
    ct === null
      ? null
      : allToAllP.bind1([ct], {
          ...params,
          splitAxis: params.concatAxis,
          concatAxis: params.splitAxis,
        }),
  ],
  batch: batchCollective(() => allToAllP, allToAllRecord),
  axisNames: namesOfAllToAll,
  printParams: ({ axisName, axisIndexGroups, concatAxis, splitAxis: from, tiled }) => ({
    axis_index_groups: axisIndexGroups ?? null,
    axis_name: namesText(axisName),
    concat_axis: concatAxis,
    split_axis: from,
    tiled,
  }),
});

/** Options of `allToAll`. */
export interface AllToAllOptions extends GroupOptions {
  /** Cut the split axis into parts and lay what comes one after the other, instead of dropping and inserting axes. */
  readonly tiled?: boolean;
}

/**
 * Map another axis of each array of a tree: the mapped axis goes to position `concatAxis` of the result, and axis `splitAxis`, which
 * must have its size, is mapped instead.
 *
 * @throws UnboundAxisError when a name is not bound; ShapeError when an axis is out of range or does not have the size; ArgumentError
 * when groups are not valid.
 * @example
 * const f = (x: Value) => lax.allToAll(x, 'i', 0, 0);
 * JSON.stringify(vmap(f, { axisName: 'i' })(np.array([[1, 2], [3, 4]])).jsSync()); // → [[1,3],[2,4]]
 */
export function allToAll<T>(
  x: T,
  axisName: AxisNames,
  splitAxis: number,
  concatAxis: number,
  options: AllToAllOptions = {},
): Output<T> {
  checkOptions('allToAll', options, ['tiled', 'axisIndexGroups']);
  const { tiled = false, axisIndexGroups } = options;
  const names = namesOf('allToAll', axisName);
  const axisSize = memberCount('allToAll', names, axisIndexGroups);
  const params = { axisName, axisIndexGroups, axisSize, tiled };
  return onLeaves('allToAll', x, (leaf) => {
    if (names.length === 0) return leaf;
    const from = canonicalAxis('allToAll', splitAxis, leaf.ndim);
    const to = canonicalAxis('allToAll', concatAxis, leaf.ndim);
    return tiled
      ? exchangeTiles(leaf, { ...params, splitAxis: from, concatAxis: to })
      : swapAxes(leaf, { ...params, splitAxis: from, concatAxis: to });
  });
}

function exchangeTiles(x: Value, params: AllToAllParams): Value {
  partSize('allToAll', x.shape[params.splitAxis], params.axisSize, params.splitAxis);
  return allToAllP.bind1([x], params);
}

/** Drop the split axis, insert the mapped one: with axes of size 1 in their places this is an exchange of tiles. */
function swapAxes(x: Value, params: AllToAllParams): Value {
  const { splitAxis: from, concatAxis: to, axisSize: count } = params;
  if (x.shape[from] !== count)
    throw new ShapeError(
      `allToAll: the split axis must have the size of the mapped axis; got size ${x.shape[from]} of axis ${from} of ${x.aval.toString()} for ${count} members. Use tiled: true to split it into parts.`,
    );
  if (from === to) return allToAllP.bind1([x], params);
  // `to` counts without the split axis; now both stand in the operand.
  const [inserted, split] = from < to ? [to + 1, from] : [to, from + 1];
  const out = allToAllP.bind1([expandDims(x, inserted)], {
    ...params,
    splitAxis: split,
    concatAxis: inserted,
  });
  return squeeze(out, split);
}

/**
 * Swap the mapped axis with axis `axis` of each array of a tree: `allToAll` with both axes there.
 *
 * @throws as `allToAll`.
 * @example
 * const f = (x: Value) => lax.pswapaxes(x, 'i', 0);
 * JSON.stringify(vmap(f, { axisName: 'i' })(np.array([[1, 2], [3, 4]])).jsSync()); // → [[1,3],[2,4]]
 */
export const pswapaxes = <T>(
  x: T,
  axisName: AxisNames,
  axis: number,
  options: GroupOptions = {},
): Output<T> => allToAll(x, axisName, axis, axis, options);
