/**
 * How a function over a mesh runs: in lockstep, as one program. Operands are cut into blocks, one per index of the mesh axes that
 * their specs name; the body is mapped over the mesh axes, one after the other, by batching with their names, which turns its
 * collectives into operations over those axes; and the results are joined. What no index tells apart is computed once.
 */
import type { Jaxpr } from '../core/jaxpr.ts';
import { keyOf } from '../core/key.ts';
import { NamedSharding, type Mesh, type PartitionSpec } from '../core/mesh.ts';
import type { NamedAxis } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { indexInDim } from '../lax/slicing.ts';
import { batchTo, reshape, transpose } from '../lax/structure.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { JaxprCache } from './jaxpr-cache.ts';
import { traceClosed, type Closed } from './stage.ts';
import { batchFlat } from './vmap-trace.ts';

/** Parameters of `shard_map`. */
export interface ShardMapParams {
  readonly mesh: Mesh;
  /** The axes of the mesh that the function is mapped over, in the order of the mesh; it sees nothing of the others. */
  readonly axisNames: readonly string[];
  /** The function of one device, on blocks. */
  readonly jaxpr: Jaxpr;
  readonly inSpecs: readonly PartitionSpec[];
  readonly outSpecs: readonly PartitionSpec[];
  readonly checkVma: boolean;
}

/** The program over whole arrays; captured values come first. */
export interface Expanded extends Closed {
  /** The mesh axes whose indices may tell each result apart: over all others it is provably the same. */
  readonly varying: readonly (readonly string[])[];
}

/** Names and sizes of the axes that the function is mapped over. */
export const manualAxes = ({
  mesh,
  axisNames,
}: Pick<ShardMapParams, 'mesh' | 'axisNames'>): readonly NamedAxis[] =>
  mesh.axes.filter(([name]) => axisNames.includes(name));

const cache = new JaxprCache<Expanded>();

/** The batched form of an application of `shard_map`. */
export function expandShardMap(params: ShardMapParams): Expanded {
  const { mesh, axisNames, jaxpr, inSpecs, outSpecs } = params;
  return cache.get(jaxpr, keyOf([mesh, axisNames, inSpecs, outSpecs]), () => {
    let varying: readonly (readonly string[])[] = [];
    const closed = traceClosed(
      (args) => {
        const blocks = args.map((x, i) => cut(x, mesh, inSpecs[i]));
        const mentioned = inSpecs.map((spec) => spec.names.flat());
        const mapped = mapOverMesh(jaxpr, manualAxes(params), blocks, mentioned);
        ({ varying } = mapped);
        return mapped.outs.map((out, i) => join(out, mesh, outSpecs[i], varying[i]));
      },
      jaxpr.inAvals.map((aval, i) =>
        aval.withShape(new NamedSharding(mesh, inSpecs[i]).globalShape(aval.shape)),
      ),
      'shard_map',
    );
    return { ...closed, varying };
  });
}

/** Results of the mapped body: each has the mesh axes in `varying` first, in the order of the mesh. */
interface Mapped {
  readonly outs: readonly Value[];
  readonly varying: readonly (readonly string[])[];
}

/** Map a body over named axes; each operand has those that belong to it first, in this order. */
function mapOverMesh(
  jaxpr: Jaxpr,
  axes: readonly NamedAxis[],
  args: readonly Value[],
  mentioned: readonly (readonly string[])[],
): Mapped {
  if (axes.length === 0)
    return { outs: evalJaxpr(jaxpr, args), varying: jaxpr.outvars.map(() => []) };
  const [[name, size], ...rest] = axes;
  let inner: Mapped['varying'] = [];
  const [outs, dims] = batchFlat(
    (xs) => {
      const mapped = mapOverMesh(jaxpr, rest, xs, mentioned);
      inner = mapped.varying;
      return mapped.outs;
    },
    { name, size },
    args,
    mentioned.map((names) => (names.includes(name) ? 0 : null)),
  );
  return {
    outs: outs.map((out, i) => (dims[i] === null ? out : batchTo(out, dims[i], 0, size))),
    varying: inner.map((names, i) => (dims[i] === null ? names : [name, ...names])),
  };
}

/** Where the axes of the blocks lie when every axis of the array is cut in place, and in which order the mesh axes come then. */
interface Grid {
  /** Sizes: for each axis of the array the mesh axes that cut it, then the block. */
  readonly sizes: readonly number[];
  /** Places of the mesh axes in the order of the mesh, then of the blocks. */
  readonly order: readonly number[];
}

function gridOf(block: readonly number[], mesh: Mesh, spec: PartitionSpec): Grid {
  const sizes: number[] = [];
  const places = new Map<string, number>();
  const own = block.map((size, i) => {
    for (const name of spec.names[i] ?? [])
      places.set(name, sizes.push(mesh.sizeAlong([name])) - 1);
    return sizes.push(size) - 1;
  });
  const used = mesh.axisNames.flatMap((name) => places.get(name) ?? []);
  return { sizes, order: [...used, ...own] };
}

/** Cut an array into blocks: the mesh axes of its spec come first, in the order of the mesh. */
function cut(x: Value, mesh: Mesh, spec: PartitionSpec): Value {
  const block = new NamedSharding(mesh, spec).shardShape(x.shape);
  const { sizes, order } = gridOf(block, mesh, spec);
  return transpose(reshape(x, sizes), order);
}

/** Join blocks, whose varying mesh axes come first; along axes that the spec does not name, the first device speaks for all. */
function join(x: Value, mesh: Mesh, spec: PartitionSpec, varying: readonly string[]): Value {
  const wanted = spec.names.flat();
  let out = x;
  let at = 0;
  for (const [name, size] of mesh.axes) {
    const has = varying.includes(name);
    if (wanted.includes(name)) {
      if (!has) out = batchTo(out, null, at, size);
      at++;
    } else if (has) out = indexInDim(out, 0, at);
  }
  const block = out.shape.slice(at);
  const { order } = gridOf(block, mesh, spec);
  const inPlace = transpose(
    out,
    order.map((_, i) => order.indexOf(i)),
  );
  return reshape(inPlace, new NamedSharding(mesh, spec).globalShape(block));
}
