/** From what was written (a name, operands, attributes by StableHLO's property names, regions) to an op of the IR. */
import { rankOf, type RawOp } from './parse-raw.ts';
import { attributeText } from './attribute-text.ts';
import { compareKind } from './build.ts';
import type { CompareFn } from '../scalar.ts';
import {
  sameTensorType,
  type Channel,
  type CollectiveAttrs,
  type CompareKind,
  type GatherDims,
  type GlobalCollectiveAttrs,
  type HloAttribute,
  type HloAttrs,
  type HloKind,
  type Precision,
  type ScatterDims,
  type WindowAttrs,
} from './ir.ts';
import { functionOf, type NamedFn } from './mnemonics.ts';
import { integersOf, type Attr, type Attributes } from './parse-attribute.ts';
import type { Scanner } from './scan.ts';

/** Kind and attributes of an op. */
export type OpHead = { [K in HloKind]: { readonly kind: K; readonly attrs: HloAttrs[K] } }[HloKind];

/** Reads attributes of one op by name, with errors at the op's place. */
class Fields {
  readonly #s: Scanner;
  readonly #op: RawOp;
  readonly #attributes: Attributes;

  constructor(s: Scanner, op: RawOp, attributes: Attributes = op.attributes) {
    this.#s = s;
    this.#op = op;
    this.#attributes = attributes;
  }

  /** The error for an attribute that does not fit. */
  fail(name: string, what: string): Error {
    const attr = this.#attributes.get(name);
    return this.#s.error(
      `${this.#op.name}: ${name} must be ${what}; got ${attr === undefined ? 'nothing' : attr.text || 'another attribute'}.`,
      this.#op.position,
    );
  }

  /** Fields of a nested attribute (`#stablehlo.gather<…>`). */
  inner(name: string): Fields {
    const attr = this.#attributes.get(name);
    if (attr?.kind !== 'dict') throw this.fail(name, 'an attribute with named fields');
    return new Fields(this.#s, this.#op, attr.entries);
  }

  /** Integers; the default when absent. */
  integers(name: string, otherwise?: readonly number[]): readonly number[] {
    const attr = this.#attributes.get(name);
    if (attr === undefined && otherwise !== undefined) return otherwise;
    const items = attr === undefined ? undefined : integersOf(attr);
    if (items === undefined || !items.every(Number.isSafeInteger))
      throw this.fail(name, 'a list of integers');
    return items;
  }

  /** A tensor that is written out. */
  dense(name: string): Attr & { readonly kind: 'dense' } {
    const attr = this.#attributes.get(name);
    if (attr?.kind !== 'dense') throw this.fail(name, 'a tensor that is written out (dense<…>)');
    return attr;
  }

  /** The rows of a tensor of integers with two axes. */
  rows(name: string): number[][] {
    const { shape } = this.dense(name).type;
    if (shape.length !== 2) throw this.fail(name, 'a tensor of integers with two axes');
    const items = this.integers(name);
    const [count, length] = shape;
    return Array.from({ length: count }, (_, i) => items.slice(i * length, (i + 1) * length));
  }

  integer(name: string, otherwise?: number): number {
    const attr = this.#attributes.get(name);
    if (attr === undefined && otherwise !== undefined) return otherwise;
    if (attr?.kind !== 'number' || !Number.isSafeInteger(attr.value))
      throw this.fail(name, 'an integer');
    return attr.value;
  }

  flag(name: string): boolean {
    const attr = this.#attributes.get(name);
    if (attr === undefined) return false;
    if (attr.kind !== 'bool') throw this.fail(name, 'true or false');
    return attr.value;
  }

  /** One of these words. */
  word<W extends string>(name: string, words: readonly W[], otherwise?: W): W {
    const attr = this.#attributes.get(name);
    if (attr === undefined && otherwise !== undefined) return otherwise;
    const found = words.find((w) => attr?.kind === 'word' && w === attr.value);
    if (found === undefined) throw this.fail(name, `one of ${words.join(', ')}`);
    return found;
  }

  text(name: string, kind: 'string' | 'symbol'): string {
    const attr = this.#attributes.get(name);
    if (attr?.kind !== kind) throw this.fail(name, `a ${kind}`);
    return attr.value;
  }

  get(name: string): Attr | undefined {
    return this.#attributes.get(name);
  }
}

const directions: readonly Uppercase<CompareFn>[] = ['EQ', 'NE', 'LT', 'LE', 'GT', 'GE'];
const compareKinds: readonly (CompareKind | 'NOTYPE')[] = [
  'FLOAT',
  'TOTALORDER',
  'SIGNED',
  'UNSIGNED',
  'NOTYPE',
];
const precisions: readonly Precision[] = ['DEFAULT', 'HIGH', 'HIGHEST'];
const zeros = (n: number): number[] => new Array<number>(n).fill(0);
const ones = (n: number): number[] => new Array<number>(n).fill(1);

/** Reads the attributes of a kind. */
type Reader = (fields: Fields, op: RawOp) => OpHead;

const plain =
  (
    kind:
      | 'select'
      | 'convert'
      | 'bitcast_convert'
      | 'complex'
      | 'real'
      | 'imag'
      | 'reshape'
      | 'dynamic_update_slice'
      | 'while'
      | 'case'
      | 'optimization_barrier'
      | 'partition_id'
      | 'replica_id',
  ): Reader =>
  () => ({ kind, attrs: {} });

const readers: Readonly<Record<Exclude<HloKind, 'scalar' | 'call'>, Reader>> = {
  constant: (f, op) => {
    const { value, type } = f.dense('value');
    const [result] = op.resultTypes;
    if (op.resultTypes.length !== 1 || !sameTensorType(type, result))
      throw f.fail('value', 'a tensor of the type of the result');
    return { kind: 'constant', attrs: { value } };
  },
  compare: (f, op) => {
    const direction = f.word('comparison_direction', directions).toLowerCase() as CompareFn;
    const written = f.word('compare_type', compareKinds, 'NOTYPE');
    const kind = written === 'NOTYPE' ? compareKind(op.operands[0]?.type.dtype ?? 'f32') : written;
    return { kind: 'compare', attrs: { direction, kind } };
  },
  select: plain('select'),
  convert: plain('convert'),
  bitcast_convert: plain('bitcast_convert'),
  reduce_precision: (f) => ({
    kind: 'reduce_precision',
    attrs: { exponentBits: f.integer('exponent_bits'), mantissaBits: f.integer('mantissa_bits') },
  }),
  complex: plain('complex'),
  real: plain('real'),
  imag: plain('imag'),
  iota: (f) => ({ kind: 'iota', attrs: { dim: f.integer('iota_dimension') } }),
  broadcast_in_dim: (f) => ({
    kind: 'broadcast_in_dim',
    attrs: { dims: f.integers('broadcast_dimensions') },
  }),
  reshape: plain('reshape'),
  transpose: (f) => ({ kind: 'transpose', attrs: { permutation: f.integers('permutation') } }),
  reverse: (f) => ({ kind: 'reverse', attrs: { dims: f.integers('dimensions') } }),
  concatenate: (f) => ({ kind: 'concatenate', attrs: { dim: f.integer('dimension') } }),
  slice: (f) => {
    const starts = f.integers('start_indices');
    return {
      kind: 'slice',
      attrs: {
        starts,
        limits: f.integers('limit_indices'),
        strides: f.integers('strides', ones(starts.length)),
      },
    };
  },
  pad: (f) => ({
    kind: 'pad',
    attrs: {
      low: f.integers('edge_padding_low'),
      high: f.integers('edge_padding_high'),
      interior: f.integers('interior_padding'),
    },
  }),
  dynamic_slice: (f) => ({ kind: 'dynamic_slice', attrs: { sizes: f.integers('slice_sizes') } }),
  dynamic_update_slice: plain('dynamic_update_slice'),
  gather: (f) => ({
    kind: 'gather',
    attrs: {
      dims: gatherDims(f.inner('dimension_numbers')),
      sliceSizes: f.integers('slice_sizes'),
      indicesAreSorted: f.flag('indices_are_sorted'),
    },
  }),
  scatter: (f) => ({
    kind: 'scatter',
    attrs: {
      dims: scatterDims(f.inner('scatter_dimension_numbers')),
      indicesAreSorted: f.flag('indices_are_sorted'),
      uniqueIndices: f.flag('unique_indices'),
    },
  }),
  reduce: (f) => ({ kind: 'reduce', attrs: { dims: f.integers('dimensions') } }),
  reduce_window: (f, op) => ({
    kind: 'reduce_window',
    attrs: { window: windowAttrs(f, rankOf(op)) },
  }),
  select_and_scatter: (f, op) => ({
    kind: 'select_and_scatter',
    attrs: { window: windowAttrs(f, rankOf(op)) },
  }),
  sort: (f, op) => {
    const dim = f.integer('dimension', -1);
    return {
      kind: 'sort',
      attrs: { dim: dim < 0 ? dim + rankOf(op) : dim, isStable: f.flag('is_stable') },
    };
  },
  dot_general: (f) => {
    const d = f.inner('dot_dimension_numbers');
    const dims = {
      lhsBatch: d.integers('lhs_batching_dimensions', []),
      rhsBatch: d.integers('rhs_batching_dimensions', []),
      lhsContract: d.integers('lhs_contracting_dimensions', []),
      rhsContract: d.integers('rhs_contracting_dimensions', []),
    };
    return {
      kind: 'dot_general',
      attrs: { dims, precision: precisionPair(f), ...algorithmOf(f) },
    };
  },
  while: plain('while'),
  case: plain('case'),
  composite: (f) => {
    const attributes = f.get('composite_attributes');
    return {
      kind: 'composite',
      attrs: {
        name: f.text('name', 'string'),
        decomposition: f.text('decomposition', 'symbol'),
        attributes: attributes?.kind === 'dict' ? keptAttributes(attributes.entries) : {},
      },
    };
  },
  custom_call: (f, op) => ({
    kind: 'custom_call',
    attrs: {
      target: f.text('call_target_name', 'string'),
      attributes: keptAttributes(op.attributes, ['call_target_name', 'has_side_effect']),
      hasSideEffect: f.flag('has_side_effect'),
    },
  }),
  optimization_barrier: plain('optimization_barrier'),
  all_reduce: (f) => ({ kind: 'all_reduce', attrs: globalAttrs(f) }),
  all_gather: (f) => ({
    kind: 'all_gather',
    attrs: { dim: f.integer('all_gather_dim'), ...globalAttrs(f) },
  }),
  all_to_all: (f) => ({
    kind: 'all_to_all',
    attrs: {
      ...collectiveAttrs(f),
      splitDim: f.integer('split_dimension'),
      concatDim: f.integer('concat_dimension'),
      splitCount: f.integer('split_count'),
    },
  }),
  collective_broadcast: (f) => ({ kind: 'collective_broadcast', attrs: collectiveAttrs(f) }),
  collective_permute: (f) => ({
    kind: 'collective_permute',
    attrs: { pairs: f.rows('source_target_pairs'), channel: channelOf(f) },
  }),
  reduce_scatter: (f) => ({
    kind: 'reduce_scatter',
    attrs: { dim: f.integer('scatter_dimension'), ...globalAttrs(f) },
  }),
  partition_id: plain('partition_id'),
  replica_id: plain('replica_id'),
  rng_bit_generator: (f) => ({
    kind: 'rng_bit_generator',
    attrs: { algorithm: f.word('rng_algorithm', ['DEFAULT', 'THREE_FRY', 'PHILOX']) },
  }),
};

function channelOf(f: Fields): Channel | undefined {
  if (f.get('channel_handle') === undefined) return undefined;
  const channel = f.inner('channel_handle');
  return { handle: channel.integer('handle'), type: channel.integer('type') };
}

const collectiveAttrs = (f: Fields): CollectiveAttrs => ({
  groups: f.rows('replica_groups'),
  channel: channelOf(f),
});

const globalAttrs = (f: Fields): GlobalCollectiveAttrs => ({
  ...collectiveAttrs(f),
  useGlobalDeviceIds: f.flag('use_global_device_ids'),
});

function gatherDims(f: Fields): GatherDims {
  return {
    offsetDims: f.integers('offset_dims', []),
    collapsedSliceDims: f.integers('collapsed_slice_dims', []),
    operandBatchingDims: f.integers('operand_batching_dims', []),
    startIndicesBatchingDims: f.integers('start_indices_batching_dims', []),
    startIndexMap: f.integers('start_index_map', []),
    indexVectorDim: f.integer('index_vector_dim', 0),
  };
}

function scatterDims(f: Fields): ScatterDims {
  return {
    updateWindowDims: f.integers('update_window_dims', []),
    insertedWindowDims: f.integers('inserted_window_dims', []),
    inputBatchingDims: f.integers('input_batching_dims', []),
    scatterIndicesBatchingDims: f.integers('scatter_indices_batching_dims', []),
    scatterDimsToOperandDims: f.integers('scatter_dims_to_operand_dims', []),
    indexVectorDim: f.integer('index_vector_dim', 0),
  };
}

function windowAttrs(f: Fields, rank: number): WindowAttrs {
  const padding =
    f.get('padding') === undefined ? zeros(rank).map(() => zeros(2)) : f.rows('padding');
  if (padding.some((row) => row.length !== 2)) throw f.fail('padding', 'pairs (low, high)');
  return {
    dimensions: f.integers('window_dimensions', ones(rank)),
    strides: f.integers('window_strides', ones(rank)),
    baseDilations: f.integers('base_dilations', ones(rank)),
    windowDilations: f.integers('window_dilations', ones(rank)),
    padding: padding.map(([low, high]): readonly [number, number] => [low, high]),
  };
}

/** How products are computed, as XLA writes it. */
function algorithmOf(f: Fields): { readonly algorithm?: string } {
  const text = f.get('algorithm')?.text;
  return text === undefined ? {} : { algorithm: text.replace(/^#stablehlo\.dot_algorithm/, '') };
}

/** None, one for both operands, or one for each. */
function precisionPair(f: Fields): readonly [Precision, Precision] {
  const attr = f.get('precision_config');
  if (attr === undefined) return ['DEFAULT', 'DEFAULT'];
  const items = attr.kind === 'list' ? attr.items : [attr];
  const known = items.flatMap((item) =>
    precisions.filter((p) => item.kind === 'word' && item.value === p),
  );
  if (known.length !== items.length || known.length > 2)
    throw f.fail('precision_config', `at most two of ${precisions.join(', ')}`);
  const [a = 'DEFAULT', b = a] = known;
  return [a, b];
}

/** Attributes that are kept as they are; what would not print the same again is kept as text. */
function keptAttributes(
  attributes: Attributes,
  without: readonly string[] = [],
): Record<string, HloAttribute> {
  const kept: Record<string, HloAttribute> = {};
  for (const [name, attr] of attributes) {
    if (without.includes(name)) continue;
    const value =
      attr.kind === 'number' || attr.kind === 'string' || attr.kind === 'bool'
        ? attr.value
        : undefined;
    kept[name] =
      value !== undefined && attributeText(value) === attr.text
        ? value
        : { text: attr.text || 'unit' };
  }
  return kept;
}

/** The scalar function that an op is. */
const scalarOf = (name: string): NamedFn | undefined =>
  name.startsWith('palladia.')
    ? undefined
    : functionOf.get(name === 'chlo.tan' ? 'stablehlo.tan' : name);

function readerOf(op: string): Reader | undefined {
  const name = /^stablehlo\.(.*)$/.exec(op)?.[1] ?? '';
  // The registry door: the name may be any text.
  return Object.hasOwn(readers, name) ? readers[name as keyof typeof readers] : undefined;
}

const unknown = (s: Scanner, name: string, position: number): Error =>
  s.error(
    `${name} is not an op that palladia has. Decompose it into ops of StableHLO that it has before exporting.`,
    position,
  );

/** Refuse ops that we do not have. @throws ParseError */
export function checkKnown(s: Scanner, name: string, position: number): void {
  if (scalarOf(name) === undefined && readerOf(name) === undefined)
    throw unknown(s, name, position);
}

/** Kind and attributes of what was written. @throws ParseError for ops that we do not have, and attributes that do not fit. */
export function headOf(s: Scanner, op: RawOp): OpHead {
  const fields = new Fields(s, op);
  if (op.name === 'func.call')
    return { kind: 'call', attrs: { callee: fields.text('callee', 'symbol') } };
  const fn = scalarOf(op.name);
  if (fn !== undefined) return { kind: 'scalar', attrs: { fn } };
  const reader = readerOf(op.name);
  if (reader === undefined) throw unknown(s, op.name, op.position);
  const head = reader(fields, op);
  const scalar = head.kind === 'composite' ? functionOf.get(head.attrs.name) : undefined;
  return scalar === undefined ? head : { kind: 'scalar', attrs: { fn: scalar } };
}
