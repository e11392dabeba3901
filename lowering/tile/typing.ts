/**
 * The typing rules of tile ops: which operands, attributes and regions an op takes and which types it gives. Read by the builder, which
 * asks for the types, and by the verifier, which compares them. Says nothing about meaning (see `interpret.ts`) nor about the order of ops.
 */
import { dtypeInfo, isInteger, kindOf } from '../../core/dtype.ts';
import { sameShape, showShape, sizeOf } from '../../core/shape.ts';
import { resultDType, scalarInfo } from '../scalar.ts';
import type { TileKind, TileType, TypeOf } from './ir.ts';
import {
  axesOf,
  axis,
  bool,
  checkedType,
  combinerTakes,
  count,
  fail,
  index,
  indices,
  like,
  listsOf,
  masked,
  permutation,
  ref,
  refType,
  region,
  regions,
  sameType,
  scalarOf,
  showType,
  tile,
  tileType,
  types,
  typesOf,
  wanted,
  type OpParts,
  type Parts,
  type Rule,
} from './typing-check.ts';

/** Operands of one shape with their rank-0 inits, for reduce and scan with a region. */
function folded(op: Parts<'reduce'> | Parts<'scan'>): TileType[] {
  const { combiner } = op.attrs;
  if (combiner !== undefined) {
    count(op, 1);
    regions(op, 0);
    const type = tile(op, 0);
    combinerTakes(op, combiner, type.dtype);
    return [type];
  }
  regions(op, 1);
  const n = op.operands.length / 2;
  if (!Number.isInteger(n) || n < 1)
    fail(op.kind, 'takes N tiles and N initial values', `${op.operands.length} operands`);
  const tiles = Array.from({ length: n }, (_, i) => tile(op, i));
  for (const t of tiles)
    if (!sameShape(t.shape, tiles[0].shape))
      fail(op.kind, 'tiles must have one shape', types(op.operands.slice(0, n)));
  const scalars = tiles.map((t) => tileType(t.dtype));
  scalars.forEach((s, i) => like(op, n + i, s, `initial value ${i}`));
  region(op, 0, [...scalars, ...scalars], scalars);
  return tiles;
}

const structure = {
  programId: (op: Parts<'programId'>) => (count(op, 0), [index]),
  numPrograms: (op: Parts<'numPrograms'>) => (count(op, 0), [index]),
  constant: (op: Parts<'constant'>) => {
    count(op, 0);
    const type = wanted(op);
    const { value } = op.attrs;
    const fits =
      type.dtype === 'bool'
        ? typeof value === 'boolean'
        : isInteger(type.dtype)
          ? typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
          : typeof value === 'number';
    if (!fits)
      fail('constant', `the value must be one of ${type.dtype}`, `${typeof value} ${value}`);
    return [type];
  },
  iota: (op: Parts<'iota'>) => {
    count(op, 0);
    const type = wanted(op);
    if (type.dtype === 'bool') fail('iota', 'counts in integers or floats', type.dtype);
    axis(op, op.attrs.axis, type.shape.length);
    return [type];
  },
  for: (op: Parts<'for'>) => {
    count(op, 3, Infinity);
    regions(op, 1);
    for (let i = 0; i < 3; i++) scalarOf(op, i, 'i32');
    const carried = op.operands.slice(3).map((_, i) => tile(op, 3 + i));
    region(op, 0, [index, ...carried], carried);
    return carried;
  },
  while: (op: Parts<'while'>) => {
    regions(op, 2);
    const carried = op.operands.map((_, i) => tile(op, i));
    region(op, 0, carried, [bool]);
    region(op, 1, carried, carried);
    return carried;
  },
  if: (op: Parts<'if'>) => {
    count(op, 1);
    regions(op, 2);
    scalarOf(op, 0, 'bool');
    const results = typesOf(op.regions[0].results);
    for (const type of results)
      if (type.kind !== 'tile') fail('if', 'branches yield tiles', showType(type));
    region(op, 0, [], results);
    region(op, 1, [], results);
    return results;
  },
};

const memory = {
  load: (op: Parts<'load'>) => {
    count(op, 1, 3);
    const type = ref(op);
    masked(op, 1, type.shape);
    const result = tileType(type.dtype, type.shape);
    if (op.operands.length > 2) like(op, 2, result, 'what masked-off places give');
    return [result];
  },
  store: (op: Parts<'store'>) => {
    count(op, 2, 3);
    const type = ref(op);
    like(op, 1, tileType(type.dtype, type.shape), 'the stored tile');
    masked(op, 2, type.shape);
    return [];
  },
  accumulate: (op: Parts<'accumulate'>) => {
    count(op, 2, 3);
    const type = ref(op);
    combinerTakes(op, op.attrs.combiner, type.dtype);
    like(op, 1, tileType(type.dtype, type.shape), 'the tile');
    masked(op, 2, type.shape);
    return [];
  },
  atomic: (op: Parts<'atomic'>) => {
    count(op, 2, 3);
    const type = ref(op);
    if (type.shape.length !== 0) fail('atomic', 'takes a ref to one element', showType(type));
    combinerTakes(op, op.attrs.combiner, type.dtype);
    like(op, 1, tileType(type.dtype), 'the value');
    masked(op, 2, []);
    return [tileType(type.dtype)];
  },
  gather: (op: Parts<'gather'>) => {
    const type = ref(op);
    const rank = type.shape.length;
    const shape = indices(op, rank);
    count(op, 1 + rank + (op.attrs.masked ? 1 : 0));
    masked(op, 1 + rank, shape);
    return [tileType(type.dtype, shape)];
  },
  scatter: (op: Parts<'scatter'>) => {
    const type = ref(op);
    const rank = type.shape.length;
    const shape = indices(op, rank);
    count(op, 2 + rank + (op.attrs.masked ? 1 : 0));
    combinerTakes(op, op.attrs.combiner, type.dtype);
    like(op, 1 + rank, tileType(type.dtype, shape), 'the update');
    masked(op, 2 + rank, shape);
    return [];
  },
  alloc: (op: Parts<'alloc'>) => {
    count(op, 0);
    if (op.wanted?.kind !== 'ref')
      fail('alloc', 'gives a ref', op.wanted === undefined ? 'no type' : showType(op.wanted));
    return [checkedType('alloc', op.wanted)];
  },
  slice_ref: (op: Parts<'slice_ref'>) => {
    const type = ref(op);
    const rank = type.shape.length;
    const { sizes, strides, squeeze } = op.attrs;
    count(op, 1 + rank);
    for (let i = 0; i < rank; i++) scalarOf(op, 1 + i, 'i32');
    listsOf(op, rank, sizes, strides);
    axesOf(op, squeeze, rank);
    if (sizes.some((s) => s < 0)) fail('slice_ref', 'sizes must be ≥ 0', showShape(sizes));
    if (strides.some((s) => s < 1)) fail('slice_ref', 'strides must be ≥ 1', showShape(strides));
    if (squeeze.some((a) => sizes[a] !== 1))
      fail(
        'slice_ref',
        'squeezed axes must have size 1',
        `sizes ${showShape(sizes)}, squeeze ${showShape(squeeze)}`,
      );
    return [
      refType(
        type.dtype,
        sizes.filter((_, i) => !squeeze.includes(i)),
      ),
    ];
  },
  transpose_ref: (op: Parts<'transpose_ref'>) => {
    count(op, 1);
    const type = ref(op);
    const perm = op.attrs.permutation;
    permutation(op, perm, type.shape.length);
    return [
      refType(
        type.dtype,
        perm.map((p) => type.shape[p]),
      ),
    ];
  },
};

const elementwise = {
  scalar: (op: Parts<'scalar'>) => {
    const { fn } = op.attrs;
    const info = scalarInfo[fn];
    if (op.operands.length !== info.arity)
      fail('scalar', `${fn} takes ${info.arity} operands`, `${op.operands.length}`);
    const type = tile(op, 0);
    if (!op.operands.every((x) => sameType(x.type, type)))
      fail('scalar', `operands of ${fn} must have one shape and dtype`, types(op.operands));
    if (!info.takes.includes(kindOf(type.dtype)))
      fail(
        'scalar',
        `${fn} takes ${info.takes.filter((k) => k !== 'complex').join(', ')}`,
        showType(type),
      );
    return [tileType(resultDType(fn, type.dtype), type.shape)];
  },
  select: (op: Parts<'select'>) => {
    count(op, 3);
    const type = tile(op, 1);
    like(op, 0, tileType('bool', type.shape), 'the predicate');
    like(op, 2, type, 'the third operand');
    return [type];
  },
  cast: (op: Parts<'cast'>) => {
    count(op, 1);
    const type = wanted(op);
    if (!sameShape(type.shape, tile(op, 0).shape))
      fail('cast', 'keeps the shape', `${types(op.operands)} → ${showType(type)}`);
    return [type];
  },
  bitcast: (op: Parts<'bitcast'>) => {
    count(op, 1);
    const type = wanted(op);
    const from = tile(op, 0);
    const fits =
      dtypeInfo[from.dtype].bits === dtypeInfo[type.dtype].bits &&
      (from.dtype === 'bool') === (type.dtype === 'bool') &&
      sameShape(type.shape, from.shape);
    if (!fits)
      fail('bitcast', 'keeps the shape and the width', `${showType(from)} → ${showType(type)}`);
    return [type];
  },
};

const shape = {
  broadcast: (op: Parts<'broadcast'>) => {
    count(op, 1);
    const type = wanted(op);
    const from = tile(op, 0);
    const { dims } = op.attrs;
    if (dims.length !== from.shape.length)
      fail(
        'broadcast',
        'takes one target axis per axis of the operand',
        `${showShape(dims)} for ${showType(from)}`,
      );
    axesOf(op, dims, type.shape.length);
    if (
      type.dtype !== from.dtype ||
      dims.some((d, i) => from.shape[i] !== 1 && from.shape[i] !== type.shape[d])
    )
      fail(
        'broadcast',
        'axes must be of size 1 or match the result',
        `${showType(from)} → ${showType(type)} along ${showShape(dims)}`,
      );
    return [type];
  },
  reshape: (op: Parts<'reshape'>) => {
    count(op, 1);
    const type = wanted(op);
    const from = tile(op, 0);
    if (type.dtype !== from.dtype || sizeOf(type.shape) !== sizeOf(from.shape))
      fail(
        'reshape',
        'keeps the dtype and the number of elements',
        `${showType(from)} → ${showType(type)}`,
      );
    return [type];
  },
  transpose: (op: Parts<'transpose'>) => {
    count(op, 1);
    const from = tile(op, 0);
    const perm = op.attrs.permutation;
    permutation(op, perm, from.shape.length);
    return [
      tileType(
        from.dtype,
        perm.map((p) => from.shape[p]),
      ),
    ];
  },
  slice: (op: Parts<'slice'>) => {
    count(op, 1);
    const from = tile(op, 0);
    const { starts, limits, strides } = op.attrs;
    listsOf(op, from.shape.length, starts, limits, strides);
    const fits = from.shape.every(
      (d, i) => starts[i] >= 0 && starts[i] <= limits[i] && limits[i] <= d && strides[i] >= 1,
    );
    if (!fits)
      fail(
        'slice',
        'needs 0 ≤ start ≤ limit ≤ size and stride ≥ 1',
        `starts ${showShape(starts)}, limits ${showShape(limits)}, strides ${showShape(strides)} for ${showType(from)}`,
      );
    return [
      tileType(
        from.dtype,
        from.shape.map((_, i) => Math.ceil((limits[i] - starts[i]) / strides[i])),
      ),
    ];
  },
  concat: (op: Parts<'concat'>) => {
    count(op, 1, Infinity);
    const tiles = op.operands.map((_, i) => tile(op, i));
    const at = op.attrs.axis;
    axis(op, at, tiles[0].shape.length);
    const fits = tiles.every(
      (t) =>
        t.dtype === tiles[0].dtype &&
        t.shape.length === tiles[0].shape.length &&
        t.shape.every((d, i) => i === at || d === tiles[0].shape[i]),
    );
    if (!fits) fail('concat', `tiles must agree except along axis ${at}`, types(op.operands));
    const total = tiles.reduce((n, t) => n + t.shape[at], 0);
    return [
      tileType(
        tiles[0].dtype,
        tiles[0].shape.map((d, i) => (i === at ? total : d)),
      ),
    ];
  },
  pad: (op: Parts<'pad'>) => {
    count(op, 2);
    const from = tile(op, 0);
    const { low, high, interior } = op.attrs;
    like(op, 1, tileType(from.dtype), 'the padding value');
    listsOf(op, from.shape.length, low, high, interior);
    const sizes = from.shape.map((d, i) => low[i] + high[i] + d + Math.max(0, d - 1) * interior[i]);
    if (interior.some((n) => n < 0))
      fail('pad', 'interior padding must be ≥ 0', showShape(interior));
    if (sizes.some((s) => s < 0))
      fail('pad', 'cuts more than there is', `${showType(from)} to sizes ${showShape(sizes)}`);
    return [tileType(from.dtype, sizes)];
  },
  rev: (op: Parts<'rev'>) => {
    count(op, 1);
    const from = tile(op, 0);
    axesOf(op, op.attrs.axes, from.shape.length);
    return [from];
  },
};

const reductions = {
  reduce: (op: Parts<'reduce'>) => {
    const tiles = folded(op);
    const { axes } = op.attrs;
    axesOf(op, axes, tiles[0].shape.length);
    return tiles.map((t) =>
      tileType(
        t.dtype,
        t.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
      ),
    );
  },
  argreduce: (op: Parts<'argreduce'>) => {
    count(op, 1);
    const from = tile(op, 0);
    const at = op.attrs.axis;
    axis(op, at, from.shape.length);
    if (from.shape[at] === 0)
      fail('argreduce', 'needs at least one element along the axis', showType(from));
    return [
      tileType(
        'i32',
        from.shape.map((d, i) => (i === at ? 1 : d)),
      ),
    ];
  },
  scan: (op: Parts<'scan'>) => {
    const tiles = folded(op);
    axis(op, op.attrs.axis, tiles[0].shape.length);
    return tiles;
  },
  sort: (op: Parts<'sort'>) => {
    count(op, 1, Infinity);
    regions(op, 1);
    const tiles = op.operands.map((_, i) => tile(op, i));
    if (!tiles.every((t) => sameShape(t.shape, tiles[0].shape)))
      fail('sort', 'tiles must have one shape', types(op.operands));
    axis(op, op.attrs.axis, tiles[0].shape.length);
    region(
      op,
      0,
      tiles.flatMap((t) => [tileType(t.dtype), tileType(t.dtype)]),
      [bool],
    );
    return tiles;
  },
  dot: (op: Parts<'dot'>) => {
    count(op, 2, 3);
    const a = tile(op, 0);
    const b = tile(op, 1);
    const rank = a.shape.length;
    const fits =
      rank >= 2 &&
      b.shape.length === rank &&
      a.dtype === b.dtype &&
      a.shape[rank - 1] === b.shape[rank - 2] &&
      sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!fits) fail('dot', 'takes […, m, k] and […, k, n] of one dtype', types(op.operands));
    const sizes = [...a.shape.slice(0, -1), b.shape[rank - 1]];
    if (op.operands.length === 2) return [tileType(a.dtype, sizes)];
    const acc = tile(op, 2);
    if (!sameShape(acc.shape, sizes))
      fail('dot', `the accumulator must have shape ${showShape(sizes)}`, showType(acc));
    return [acc];
  },
};

const meta = {
  assume: (op: Parts<'assume'>) => {
    count(op, 1);
    scalarOf(op, 0, 'i32');
    if (!Number.isInteger(op.attrs.multipleOf) || op.attrs.multipleOf < 1)
      fail('assume', 'multipleOf must be an integer ≥ 1', `${op.attrs.multipleOf}`);
    return [index];
  },
  print: (op: Parts<'print'>) => {
    op.operands.forEach((_, i) => tile(op, i));
    return [];
  },
  check: (op: Parts<'check'>) => {
    count(op, 1);
    scalarOf(op, 0, 'bool');
    return [];
  },
};

const rules: { readonly [K in TileKind]: Rule<K> } = {
  ...structure,
  ...memory,
  ...elementwise,
  ...shape,
  ...reductions,
  ...meta,
};

/** Every mnemonic. */
export const tileKinds: readonly TileKind[] = Object.keys(rules) as TileKind[];

/** How many regions an op of this kind has, given whether a combiner is named. */
export function regionCount(kind: TileKind, named: boolean): number {
  if (kind === 'while' || kind === 'if') return 2;
  if (kind === 'for' || kind === 'sort') return 1;
  return (kind === 'reduce' || kind === 'scan') && !named ? 1 : 0;
}

/**
 * Types of an op's results.
 *
 * @throws KernelError naming the op, the rule that was broken and the facts.
 */
export function resultTypes<K extends TileKind>(op: OpParts<K>): TypeOf[] {
  const rule: Rule<K> = rules[op.kind];
  return rule(op);
}
