/**
 * What collectives have in common: how they name axes, how their trees are walked, and how one of their axes becomes an axis of
 * their operand, which is all that mapping over it means. What they compute stands in `collectives.ts` and `exchange.ts`.
 */
import { NDArray, type ArrayLike } from '../core/array.ts';
import { boundAxisSize } from '../core/axis-env.ts';
import { ArgumentError, ShapeError, UnboundAxisError } from '../core/errors.ts';
import type { AxisData, BatchDim, BatchResult, Primitive, Rules } from '../core/primitive.ts';
import type { Output } from '../core/signature.ts';
import { flatten, unflatten } from '../core/tree.ts';
import type { DeviceAxes } from '../lowering/rules.ts';
import type { Value } from '../core/value.ts';
import { zerosOf } from './creation.ts';
import { gather } from './indexing.ts';
import { operand } from './operand.ts';
import { concatenate, sliceInDim } from './slicing.ts';
import { batched, batchTo, moveAxis, reshape } from './structure.ts';

/** The name of a mapped axis, or several names: then indices count over all of them, the last one fastest. */
export type AxisNames = string | readonly string[];

/** Indices of an axis in groups of one size, each index once: a collective then works within each group. */
export type AxisIndexGroups = readonly (readonly number[])[];

/** Options of the collectives that can work in groups. */
export interface GroupOptions {
  /** Work within each of these groups of indices instead of the whole axis; groups need a single named axis. */
  readonly axisIndexGroups?: AxisIndexGroups;
}

/** What the params of collectives may hold. */
export interface CollectiveParams {
  readonly axisIndexGroups?: AxisIndexGroups | undefined;
}

/** The names as a list. @throws ArgumentError when they are no names; UnboundAxisError when one is not bound. */
export function namesOf(op: string, axisName: AxisNames): readonly string[] {
  const names = typeof axisName === 'string' ? [axisName] : axisName;
  if (!Array.isArray(names) || names.some((name) => typeof name !== 'string'))
    throw new ArgumentError(
      `${op}: an axis is named by a string, or several by a list of strings; got ${String(axisName)}. Give the axisName of a vmap.`,
    );
  if (new Set(names).size !== names.length)
    throw new ArgumentError(
      `${op}: names must be distinct; got ${names.join(', ')}. Name each axis once.`,
    );
  checkBound(op, names);
  return names;
}

/** Refuse names that are not bound. @throws UnboundAxisError. */
export function checkBound(op: string, names: readonly string[]): void {
  for (const name of names) boundAxisSize(op, name);
}

/** How many indices several named axes have together. */
export const sizeOfNames = (op: string, names: readonly string[]): number =>
  names.reduce((n, name) => n * boundAxisSize(op, name), 1);

/**
 * How many members take part in a collective: all indices, or those of a group.
 *
 * @throws ArgumentError when the groups are not of one size, do not hold every index once, or there are several names.
 */
export function memberCount(
  op: string,
  names: readonly string[],
  groups: AxisIndexGroups | undefined,
): number {
  const size = sizeOfNames(op, names);
  if (groups === undefined) return size;
  const shown = JSON.stringify(groups);
  if (names.length !== 1)
    throw new ArgumentError(
      `${op}: axisIndexGroups need a single named axis; got ${names.length} names. Make a collective for each name.`,
    );
  const indices = groups.flat();
  const isPartition =
    indices.length === size &&
    new Set(indices).size === size &&
    indices.every((i) => Number.isInteger(i) && i >= 0 && i < size);
  const [first] = groups;
  if (!isPartition || first === undefined || groups.some((g) => g.length !== first.length))
    throw new ArgumentError(
      `${op}: axisIndexGroups must hold each of the ${size} indices once, in groups of one size; got ${shown}. Write them as [[0, 1], [2, 3]].`,
    );
  return first.length;
}

/** Apply a collective to each array of a tree. @throws ArgumentError when a leaf is no array and no number. */
export function onLeaves<T>(op: string, tree: T, f: (leaf: Value) => Value): Output<T> {
  const { leaves, treedef } = flatten(tree);
  return unflatten(
    treedef,
    leaves.map((leaf) => f(operand(op, leaf as ArrayLike))),
  ) as Output<T>;
}

/**
 * The devices that a collective works among. A program of one device has no named axes: the transformation that binds a name turns it
 * into an axis.
 *
 * @throws UnboundAxisError when a name is no axis of the devices.
 */
export function devicesOf(
  op: string,
  names: readonly string[],
  devices: DeviceAxes | undefined,
): DeviceAxes {
  const stranger = names.find((name) => devices?.has(name) !== true);
  if (devices !== undefined && stranger === undefined) return devices;
  throw new UnboundAxisError(
    `${op}: a named axis must be mapped by vmap before the program runs; got axis name ${JSON.stringify(stranger)} in a program to run. ` +
      'Call it inside of the vmap that binds the name; a function with a custom batching rule cannot name the axis that its rule maps.',
  );
}

/** What a collective says about itself, beside its rules. */
export interface CollectiveRecord<P> {
  readonly names: (params: P) => readonly string[];
  /** The params beside one more axis at `d` of the operand, and where that axis is in the result. */
  readonly beside: (params: P, d: number) => { readonly params: P; readonly dim: number };
  /** The collective where one of its axes is axis `d` of the operand (nowhere: the operand is the same at all indices). */
  readonly over: (
    x: Value,
    d: BatchDim,
    params: P,
    axis: { readonly name: string; readonly size: number },
  ) => readonly [out: Value, dim: BatchDim];
}

/** The batching rule of a collective of one operand: beside the new axis, or over it when the collective names it. */
export const batchCollective =
  <P extends CollectiveParams>(
    prim: () => Primitive<P>,
    record: CollectiveRecord<P>,
  ): NonNullable<Rules<P>['batch']> =>
  ([x], [d], params, { name, size }: AxisData): BatchResult => {
    if (name === undefined || !record.names(params).includes(name)) {
      const { params: shifted, dim } = record.beside(params, batched(d));
      return [[prim().bind1([x], shifted)], [dim]];
    }
    const groups = params.axisIndexGroups;
    const [out, dim] =
      groups === undefined
        ? record.over(x, d, params, { name, size })
        : overGroups(record, batchTo(x, d, 0, size), { ...params, axisIndexGroups: undefined }, [
            name,
            groups,
          ]);
    return [[out], [dim]];
  };

/** Cut the axis, which stands first, into groups and members: the collective is over the members, beside the groups. */
function overGroups<P>(
  record: CollectiveRecord<P>,
  x: Value,
  params: P,
  [name, groups]: readonly [string, AxisIndexGroups],
): readonly [out: Value, dim: number] {
  const order = groups.flat();
  const members = order.length / groups.length;
  const cut = reshape(takeRows(x, order), [groups.length, members, ...x.shape.slice(1)]);
  const { params: shifted, dim } = record.beside(params, 0);
  const [out, d] = record.over(cut, 1, shifted, { name, size: members });
  const led = moveAxis(batchTo(out, d, 0, members), dim + 1, 0);
  const rows = reshape(led, [order.length, ...led.shape.slice(2)]);
  return [
    takeRows(
      rows,
      order.map((_, i) => order.indexOf(i)),
    ),
    0,
  ];
}

/** More runs of rows than this are gathered. */
const fewRuns = 64;

/** The rows of `x` at these places, zeros where there is none. */
export function takeRows(x: Value, rows: readonly (number | undefined)[]): Value {
  const [size, ...rest] = x.shape;
  if (rows.length === size && rows.every((row, i) => row === i)) return x;
  const runs = runsOf(rows);
  if (runs.length <= fewRuns) return joinRuns(x, runs);
  const indices = NDArray.fromHost(
    rows.map((row) => row ?? size),
    [rows.length, 1],
    'i32',
  );
  const dimensionNumbers = {
    offsetDims: rest.map((_, i) => i + 1),
    collapsedSliceDims: [0],
    startIndexMap: [0],
  };
  const options = rows.includes(undefined) ? ({ mode: 'fill', fillValue: 0 } as const) : {};
  return gather(x, indices, dimensionNumbers, [1, ...rest], options);
}

/** Rows that follow each other, or places without a row. */
interface Run {
  readonly start: number | undefined;
  readonly length: number;
}

function runsOf(rows: readonly (number | undefined)[]): Run[] {
  const runs: Run[] = [];
  for (const row of rows) {
    const last = runs.at(-1);
    const next = last?.start === undefined ? undefined : last.start + last.length;
    if (last !== undefined && row === next)
      runs[runs.length - 1] = { ...last, length: last.length + 1 };
    else runs.push({ start: row, length: 1 });
  }
  return runs;
}

function joinRuns(x: Value, runs: readonly Run[]): Value {
  const parts = runs.map(({ start, length }) =>
    start === undefined
      ? zerosOf(x.aval.withShape([length, ...x.shape.slice(1)]))
      : sliceInDim(x, start, start + length),
  );
  return parts.length === 1 ? parts[0] : concatenate(parts, 0);
}

/** Cut one axis of `x` into several of these sizes. */
export const splitAxis = (x: Value, axis: number, sizes: readonly number[]): Value =>
  reshape(x, x.shape.toSpliced(axis, 1, ...sizes));

/** Make `count` adjacent axes of `x`, from `axis` on, one. */
export const mergeAxes = (x: Value, axis: number, count: number): Value =>
  reshape(
    x,
    x.shape.toSpliced(
      axis,
      count,
      x.shape.slice(axis, axis + count).reduce((n, size) => n * size, 1),
    ),
  );

/**
 * The part that each of `count` members gets of an axis.
 *
 * @throws ShapeError when it cannot be cut into that many parts.
 */
export function partSize(op: string, size: number, count: number, axis: number): number {
  if (count === 0 || size % count !== 0)
    throw new ShapeError(
      `${op}: the axis that is cut must be a multiple of the number of members; got size ${size} of axis ${axis} for ${count} members. Pad or reshape the operand.`,
    );
  return size / count;
}

/** Names as JAX prints them in a jaxpr: `('i', 0)`, or `i` where a single one was given. */
export const namesText = (axes: string | readonly (string | number)[]): unknown =>
  typeof axes === 'string'
    ? axes
    : axes.map((axis) => (typeof axis === 'string' ? `'${axis}'` : axis));
