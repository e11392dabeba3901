/** `vmap` for people: which axis of which argument is mapped, as prefixes of trees. The trace stands in `vmap-trace.ts`. */
import { ArgumentError, ShapeError, TreeError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import type { AxisData, BatchDim } from '../core/primitive.ts';
import { broadcastPrefix, flatten, leafPaths, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { batchTo } from '../lax/structure.ts';
import {
  checkDistinctRefs,
  flattenFunction,
  isStaticLeaf,
  nameOf,
  named,
  toOperand,
} from './flat-function.ts';
import './ref-batch.ts';
import type { Inputs, Output } from './signature.ts';
import { batchFlat } from './vmap-trace.ts';

/** Axes of a tree: a number or null for all of it, or a tree of those that is a prefix. */
export type Axes =
  | number
  | null
  | readonly Axes[]
  | { readonly [key: string]: Axes }
  | ReadonlyMap<unknown, Axes>;

/** Options of `vmap`. */
export interface VmapOptions {
  /** The mapped axis of each argument; null for arguments that are the same for all. One number is for all arguments. */
  readonly inAxes?: number | null | readonly Axes[];
  /** Where the mapped axis goes in each result; null where the result does not depend on the mapped arguments. */
  readonly outAxes?: Axes;
  /** Size of the mapped axis; needed when no argument is mapped. */
  readonly axisSize?: number;
  /** Name of the mapped axis, for collectives in the function (`lax.psum`, `lax.axisIndex`). */
  readonly axisName?: string;
  /** The axes of a device mesh that the mapped axis is spread over, for functions that are sharded. */
  readonly spmdAxisName?: string | readonly string[];
}

/**
 * Apply a function to every slice of its arguments along an axis, all at once: `vmap(f)(xs)[i] = f(xs[i])`.
 *
 * @throws ShapeError when mapped sizes differ, an axis is out of range, or a result with outAxes null is mapped; ArgumentError
 * when nothing is mapped, axisSize is no size or inAxes does not fit the arguments; TreeError when axes are no prefix of a tree.
 * @example
 * String(vmap((x: Value) => lax.mul(x, x))(lax.iota('i32', 3))); // → [0 1 4]
 * const centred = vmap((x: Value) => lax.sub(x, lax.pmean(x, 'batch')), { axisName: 'batch' });
 * String(centred(np.array([1, 2, 6]))); // → [-2. -1.  3.]
 */
export function vmap<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: VmapOptions,
): (...args: Inputs<A>) => Output<R>;
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: VmapOptions,
): (...args: Inputs<A>) => Output<R>;
export function vmap(
  f: (...args: never[]) => unknown,
  options: VmapOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('vmap', f);
  checkOptions('vmap', options, ['inAxes', 'outAxes', 'axisSize', 'axisName', 'spmdAxisName']);
  const { inAxes = 0, outAxes = 0 } = options;
  const axisName = axisNames(options);
  return named((...args: unknown[]) => {
    const { leaves, treedef } = flatten(args);
    const axes = inputAxes(inAxes, args, treedef);
    const mapped = leaves.map((leaf) => !isStaticLeaf(leaf));
    const paths = (): string[] => leafPaths(treedef).map((path) => `args${path}`);
    const values = leaves.flatMap((leaf, i) =>
      mapped[i] ? [toOperand('vmap', leaf, () => paths()[i])] : [],
    );
    const given = axes.filter((_, i) => mapped[i]);
    const names = (): string[] => paths().filter((_, i) => mapped[i]);
    checkDistinctRefs('vmap', values, (i) => names()[i]);
    const dims = values.map((x, i) => inputDim(x, given[i], () => names()[i]));
    const size = mappedSize(values, dims, options.axisSize, names);
    const flat = flattenFunction('vmap', f, treedef);
    const fun = (xs: readonly Value[]): readonly Value[] => {
      let next = 0;
      return flat.fun(leaves.map((leaf, i) => (mapped[i] ? xs[next++] : leaf)) as Value[]);
    };
    const [outs, found] = batchFlat(fun, { size, ...axisName }, values, dims);
    const outTree = flat.outTree();
    const wanted = broadcastPrefix('vmap', 'outAxes', outAxes, outTree);
    return unflatten(
      outTree,
      outs.map((out, i) =>
        placeOutput(out, found[i], wanted[i], size, () => `result${leafPaths(outTree)[i]}`),
      ),
    );
  }, nameOf(f));
}

/** The names of the mapped axis. @throws ArgumentError when they are no strings. */
function axisNames({ axisName, spmdAxisName }: VmapOptions): Omit<AxisData, 'size'> {
  const spmdName = typeof spmdAxisName === 'string' ? [spmdAxisName] : spmdAxisName;
  for (const name of [axisName, ...(spmdName ?? [])])
    if (name !== undefined && typeof name !== 'string')
      throw new ArgumentError(
        `vmap: names of axes must be strings; got ${typeof name} ${String(name)}. Write { axisName: 'i' }.`,
      );
  return { name: axisName, spmdName };
}

/** One axis per leaf of the arguments. */
function inputAxes(
  inAxes: VmapOptions['inAxes'],
  args: readonly unknown[],
  treedef: TreeDef,
): unknown[] {
  if (Array.isArray(inAxes) && inAxes.length !== args.length)
    throw new ArgumentError(
      `vmap: inAxes must have one entry per argument; got ${inAxes.length} entries for a call with ${args.length} arguments. Write null for arguments that are not mapped.`,
    );
  return broadcastPrefix('vmap', 'inAxes', inAxes, treedef);
}

function checkAxis(
  what: string,
  axis: unknown,
  where: () => string,
): asserts axis is number | null {
  if (axis !== null && (typeof axis !== 'number' || !Number.isInteger(axis)))
    throw new TreeError(
      `vmap: ${what} must be integers, null, or trees of those; got ${typeof axis} ${String(axis)} for ${where()}. Name the axis by its position.`,
    );
}

function inputDim(x: Value, axis: unknown, where: () => string): BatchDim {
  checkAxis('inAxes', axis, where);
  if (axis === null) return null;
  const at = axis < 0 ? axis + x.ndim : axis;
  if (at < 0 || at >= x.ndim)
    throw new ShapeError(
      `vmap: a mapped axis must exist; got axis ${axis} of ${where()}, which is ${x.aval.toString()}. Use null in inAxes for arguments that are not mapped.`,
    );
  return at;
}

function mappedSize(
  values: readonly Value[],
  dims: readonly BatchDim[],
  axisSize: number | undefined,
  names: () => readonly string[],
): number {
  const sizes = values.flatMap((x, i) => {
    const dim = dims[i];
    return dim === null ? [] : [x.shape[dim]];
  });
  if (axisSize !== undefined && (!Number.isInteger(axisSize) || axisSize < 0))
    throw new ArgumentError(
      `vmap: axisSize must be an integer from 0; got ${typeof axisSize} ${String(axisSize)}. Leave it out where an argument is mapped.`,
    );
  const size = axisSize ?? sizes[0];
  if (size === undefined)
    throw new ArgumentError(
      'vmap: at least one argument must be mapped; got none, and no axisSize. Map an argument, or pass { axisSize }.',
    );
  if (sizes.some((n) => n !== size)) {
    const all = names();
    const shown = values.flatMap((x, i) => {
      const dim = dims[i];
      return dim === null
        ? []
        : [`${all[i]} ${x.aval.toString()} has ${x.shape[dim]} along axis ${dim}`];
    });
    throw new ShapeError(
      `vmap: all mapped axes must have one size${axisSize === undefined ? '' : `, axisSize ${axisSize}`}; got ${shown.join('; ')}. Change inAxes, or slice the arguments.`,
    );
  }
  return size;
}

function placeOutput(
  out: Value,
  found: BatchDim,
  axis: unknown,
  size: number,
  where: () => string,
): Value {
  checkAxis('outAxes', axis, where);
  if (axis === null) {
    if (found === null) return out;
    throw new ShapeError(
      `vmap: a result with outAxes null must not depend on mapped arguments; got one that does, ${where()}. Give its axis in outAxes.`,
    );
  }
  const ndim = out.ndim + (found === null ? 1 : 0);
  const at = axis < 0 ? axis + ndim : axis;
  if (at < 0 || at >= ndim)
    throw new ShapeError(
      `vmap: outAxes must be axes of the results; got ${axis} for ${where()}, which has ${ndim} axes. Choose one from ${-ndim} to ${ndim - 1}.`,
    );
  return batchTo(out, found, at, size);
}
