/** `shardMap` for people: which blocks of which argument each device gets, as prefixes of trees. The primitive is in `shard-call.ts`. */
import { describe } from '../core/array.ts';
import { withAxes } from '../core/axis-env.ts';
import type { Aval } from '../core/aval.ts';
import { ArgumentError, ShapeError, TreeError } from '../core/errors.ts';
import { Mesh, NamedSharding, PartitionSpec } from '../core/mesh.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { broadcastPrefix, leafPaths, unflatten, type TreeDef } from '../core/tree.ts';
import { blockShape } from './block-shape.ts';
import { flattenFunction, flattenValues, nameOf, named } from './flat-function.ts';
import { shardMapP } from './shard-call.ts';
import { expandShardMap, manualAxes, type ShardMapParams } from './shard-expand.ts';
import type { Inputs, Output } from './signature.ts';
import { traceClosed } from './stage.ts';

/** Specs of a tree: one for all of it, or a tree of specs that is a prefix. */
export type Specs =
  | PartitionSpec
  | readonly Specs[]
  | { readonly [key: string]: Specs }
  | ReadonlyMap<unknown, Specs>;

/** Options of `shardMap`. */
export interface ShardMapOptions {
  /** The devices, and the names that collectives use. */
  readonly mesh: Mesh;
  /** How each argument is cut into blocks; one spec is for all arguments. */
  readonly inSpecs: PartitionSpec | readonly Specs[];
  /** How the blocks of each result are joined. Axes of the mesh that a spec does not name must not tell the blocks apart. */
  readonly outSpecs: Specs;
  /**
   * The axes of the mesh that the function is mapped over; all when left out or empty. The others are automatic: specs and collectives
   * do not name them, and the function sees its values whole along them.
   */
  readonly axisNames?: ReadonlySet<string>;
  /** Refuse results that may differ along axes that their spec does not name; true when left out. False takes the first device's. */
  readonly checkVma?: boolean;
}

/**
 * Run a function on every device of a mesh, each on its own blocks of the arguments, in lockstep; collectives (`lax.psum`,
 * `lax.allGather`, …) with the names of the mesh's axes work across the devices. Values that the function captures are whole on
 * every device. The devices are virtual: all of it is one program on the device of the operands.
 *
 * Derivatives of the sharded function are those of the function of whole arrays. Inside, a derivative is that of the sum over all
 * devices, as in JAX with `check_vma=False`: `psum` is its own transpose, and nothing is summed that the function does not sum.
 *
 * @throws ArgumentError when `axisNames` is no set of axes of the mesh, or a spec names an axis that is not among them;
 * ShapeError when an axis cannot be cut into equal blocks, a spec has more entries than its array has axes, or a result may
 * differ along axes that its spec does not name; ArgumentError when a spec names axes that the mesh does not have; TreeError when
 * specs are no prefix of a tree.
 * @example
 * const mesh = withConfig({ hostDeviceCount: 2 }, () => new Mesh([2], ['x']));
 * const total = shardMap((x: Value) => lax.psum(x.sum(), 'x'), { mesh, inSpecs: P('x'), outSpecs: P() });
 * String(total(np.array([1, 2, 3, 4]))); // → 10.0
 */
export function shardMap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: ShardMapOptions,
): (...args: Inputs<A>) => Output<R>;
export function shardMap(
  f: (...args: never[]) => unknown,
  options: ShardMapOptions,
): (...args: unknown[]) => unknown {
  checkFunction('shardMap', f);
  checkOptions('shardMap', options, ['mesh', 'inSpecs', 'outSpecs', 'axisNames', 'checkVma']);
  const { mesh, inSpecs, outSpecs, checkVma = true } = options;
  checkMesh(mesh);
  const axisNames = namesOfMesh(options.axisNames, mesh);
  const place: Place = { mesh, axisNames };
  return named((...args: unknown[]) => {
    const { values, treedef } = flattenValues('shardMap', 'args', args);
    const given = specsOf('inSpecs', inSpecs, treedef, place);
    const argument = (i: number): string => `args${leafPaths(treedef)[i]}`;
    const avals = values.map((x, i) =>
      x.aval.withShape(blockShape('shardMap', () => argument(i), given[i], x.shape)),
    );
    const flat = flattenFunction('shardMap', f, treedef);
    const { jaxpr, consts } = withAxes(manualAxes(place), () =>
      traceClosed(flat.fun, avals, 'shardMap'),
    );
    const outTree = flat.outTree();
    const wanted = specsOf('outSpecs', outSpecs, outTree, place);
    const result = (i: number): string => `the result${leafPaths(outTree)[i]}`;
    jaxpr.outAvals.forEach((aval, i) => checkRank(wanted[i], aval, result(i)));
    const params: ShardMapParams = {
      mesh,
      axisNames,
      jaxpr,
      inSpecs: [...consts.map(() => new PartitionSpec()), ...given.map(({ spec }) => spec)],
      outSpecs: wanted.map(({ spec }) => spec),
      checkVma,
    };
    if (checkVma) checkCopies(params, result);
    return unflatten(outTree, shardMapP.bind([...consts, ...values], params));
  }, nameOf(f));
}

function checkMesh(mesh: unknown): asserts mesh is Mesh {
  if (!(mesh instanceof Mesh))
    throw new ArgumentError(
      `shardMap: there must be a mesh; got ${describe(mesh)}. Make one with new Mesh([2, 4], ['x', 'y']).`,
    );
}

/** The mesh, and the axes of it that the function is mapped over. */
type Place = Pick<ShardMapParams, 'mesh' | 'axisNames'>;

/** The axes that the function is mapped over, in the order of the mesh. */
function namesOfMesh(given: unknown, mesh: Mesh): readonly string[] {
  if (given === undefined) return mesh.axisNames;
  if (!(given instanceof Set))
    throw new ArgumentError(
      `shardMap: axisNames must be a set of names; got ${describe(given)}. Write new Set(['${mesh.axisNames[0]}']).`,
    );
  const names: ReadonlySet<unknown> = given;
  if (names.size === 0) return mesh.axisNames;
  const found = mesh.axisNames.filter((name) => names.has(name));
  if (found.length < names.size)
    throw new ArgumentError(
      `shardMap: axisNames must be axes of the mesh; got ${[...names].map((name) => `'${String(name)}'`).join(', ')} for ${mesh.toString()}. Use some of ${mesh.axisNames.join(', ')}.`,
    );
  return found;
}

const isSpec = (x: unknown): boolean => x === null || x instanceof PartitionSpec;

/** One sharding per leaf. */
function specsOf(
  what: string,
  specs: unknown,
  treedef: TreeDef,
  { mesh, axisNames }: Place,
): NamedSharding[] {
  return broadcastPrefix('shardMap', what, specs, treedef, isSpec).map((spec) => {
    if (!(spec instanceof PartitionSpec))
      throw new TreeError(
        `shardMap: ${what} must be a PartitionSpec or a tree of those; got ${describe(spec)}. Write P('x', null), and P() for arrays that are not cut.`,
      );
    const sharding = new NamedSharding(mesh, spec);
    const automatic = spec.names.flat().find((name) => !axisNames.includes(name));
    if (automatic !== undefined)
      throw new ArgumentError(
        `shardMap: ${what} must name axes that the function is mapped over; got '${automatic}' in ${spec.toString()} for axisNames ${axisNames.join(', ')}. Add it to axisNames, or take it out of the spec.`,
      );
    return sharding;
  });
}

function checkRank({ spec }: NamedSharding, aval: Aval, where: string): void {
  if (spec.entries.length <= aval.ndim) return;
  const advice =
    aval.ndim === 0
      ? 'Use P() for a result that all devices share, or give it an axis along which the blocks can be joined.'
      : 'Shorten the spec, or give the result more axes.';
  throw new ShapeError(
    `shardMap: a spec must have at most one entry per axis; got ${spec.toString()} for ${where}, whose blocks are ${aval.toString()}. ${advice}`,
  );
}

/** Refuse a result whose blocks may differ along axes that its spec does not name: the joined array could not hold them all. */
function checkCopies(params: ShardMapParams, where: (i: number) => string): void {
  expandShardMap(params).varying.forEach((varying, i) => {
    const spec = params.outSpecs[i];
    const known = spec.names.flat();
    const lost = varying.filter((name) => !known.includes(name));
    if (lost.length > 0)
      throw new ShapeError(
        `shardMap: a result must be the same along the axes of the mesh that its spec does not name; got ${spec.toString()} for ${where(i)}, which may differ along ${lost.map((name) => `'${name}'`).join(', ')}. ` +
          'Name the axes in outSpecs, or reduce over them (lax.psum, lax.pmean); checkVma: false takes the block of the first device.',
      );
  });
}
