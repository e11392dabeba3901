/** The pretty forms of ops whose syntax is a list of operands, words and named values, then types. */
import type { HloValue, TensorType } from './ir.ts';
import {
  parseAttribute,
  parseDictionary,
  parseFunctionType,
  parseResultTypes,
  parseTensorType,
  type Attr,
} from './parse-attribute.ts';
import type { Scanner } from './scan.ts';

/** What stands between an op's name and its types. */
export interface Items {
  readonly operands: HloValue[];
  readonly attributes: Map<string, Attr>;
}

const word = (value: string): Attr => ({ kind: 'word', value, text: value });
const unknownKey = (s: Scanner, name: string, key: string): never => {
  throw s.error(
    `${name}: an attribute in front of the types must be one of the op's own; got ${key}. Put others into {…}.`,
  );
};
const number = (value: number): Attr => ({ kind: 'number', value, text: String(value) });
const numbers = (values: readonly number[]): Attr => ({
  kind: 'list',
  items: values.map(number),
  text: '',
});

/** How keys of pretty forms are called as properties. */
const propertyNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'stablehlo.broadcast_in_dim': { dims: 'broadcast_dimensions' },
  'stablehlo.transpose': { dims: 'permutation' },
  'stablehlo.reverse': { dims: 'dimensions' },
  'stablehlo.concatenate': { dim: 'dimension' },
  'stablehlo.iota': { dim: 'iota_dimension' },
  'stablehlo.pad': {
    low: 'edge_padding_low',
    high: 'edge_padding_high',
    interior: 'interior_padding',
  },
  'stablehlo.dynamic_slice': { sizes: 'slice_sizes' },
  'stablehlo.rng_bit_generator': { algorithm: 'rng_algorithm' },
  'stablehlo.dot_general': {
    batching_dims: 'batching_dims',
    contracting_dims: 'contracting_dims',
    precision: 'precision_config',
    algorithm: 'algorithm',
  },
};

/** Words without a key, in order. */
const wordNames: Readonly<Record<string, readonly string[]>> = {
  'stablehlo.compare': ['comparison_direction', 'compare_type'],
};

/** Read operands, words and `name = value` up to the attribute dictionary or the types. */
export function parseItems(s: Scanner, name: string, operand: () => HloValue): Items {
  const operands: HloValue[] = [];
  const attributes = new Map<string, Attr>();
  const words = [...(wordNames[name] ?? [])];
  const item = (): void => {
    if (s.sees('%')) operands.push(operand());
    else {
      const key = s.word('a value or an attribute');
      if (s.take('=')) parseNamed(s, name, key, attributes);
      else attributes.set(words.shift() ?? unknownKey(s, name, key), word(key));
    }
    if (name === 'stablehlo.slice' && s.sees('[')) parseRanges(s, attributes);
  };
  if (!(s.sees(':') || s.sees('{')))
    do item();
    while (s.take(','));
  if (s.sees('{')) for (const [key, value] of parseDictionary(s)) attributes.set(key, value);
  if (name === 'stablehlo.dot_general') gatherDotDimensions(attributes);
  return { operands, attributes };
}

/** `[0:2, 1:5:2]`. */
function parseRanges(s: Scanner, attributes: Map<string, Attr>): void {
  const ranges = s.list('[', ']', () => {
    const start = s.integer();
    s.expect(':');
    const limit = s.integer();
    return [start, limit, s.take(':') ? s.integer() : 1];
  });
  ['start_indices', 'limit_indices', 'strides'].forEach((key, i) =>
    attributes.set(key, numbers(ranges.map((r) => r[i]))),
  );
}

function parseNamed(s: Scanner, name: string, key: string, attributes: Map<string, Attr>): void {
  if (key === 'format' && name === 'stablehlo.reduce_precision') {
    const digits = /^e(\d+)m(\d+)$/.exec(s.word('a format such as e5m10'));
    if (digits === null) throw s.error('reduce_precision: the format must be written as e5m10.');
    attributes.set('exponent_bits', number(Number(digits[1])));
    attributes.set('mantissa_bits', number(Number(digits[2])));
    return;
  }
  const property = propertyNames[name]?.[key] ?? unknownKey(s, name, key);
  if (s.sees('<')) {
    const start = s.position;
    s.skipBalanced('<', '>');
    attributes.set(property, { kind: 'opaque', text: s.text.slice(start, s.position) });
    return;
  }
  // The colon after `dim = 0` begins the types of the op.
  const value = parseAttribute(s, false);
  if (s.takeWord('x')) {
    attributes.set(`${property} lhs`, value);
    attributes.set(`${property} rhs`, parseAttribute(s, false));
  } else attributes.set(property, value);
}

/** `batching_dims = [0] x [0]`, `contracting_dims = [1] x [0]` as the fields of `dot_dimension_numbers`. */
function gatherDotDimensions(attributes: Map<string, Attr>): void {
  const entries = new Map<string, Attr>();
  for (const [key, field] of [
    ['batching_dims', 'batching_dimensions'],
    ['contracting_dims', 'contracting_dimensions'],
  ])
    for (const side of ['lhs', 'rhs']) {
      const value = attributes.get(`${key} ${side}`);
      if (value !== undefined) entries.set(`${side}_${field}`, value);
    }
  if (entries.size > 0 || !attributes.has('dot_dimension_numbers'))
    attributes.set('dot_dimension_numbers', { kind: 'dict', entries, text: '' });
}

/** Types after the colon: one for all, a list, or a function type. */
export interface Types {
  /** Types of the operands as far as they are written. */
  readonly operands: readonly TensorType[] | undefined;
  readonly results: readonly TensorType[];
}

/** Ops whose only written type is that of the result, whatever the operands are. */
const resultOnly: ReadonlySet<string> = new Set([
  'stablehlo.complex',
  'stablehlo.iota',
  'stablehlo.constant',
]);

/** Read the types of a pretty form. */
export function parseTypes(s: Scanner, name: string, operands: readonly HloValue[]): Types {
  s.expect(':');
  if (s.sees('(')) return parseFunctionType(s);
  const written = [parseTensorType(s)];
  while (s.take(',')) written.push(parseTensorType(s));
  if (s.take('->')) return { operands: written, results: parseResultTypes(s) };
  if (name === 'stablehlo.select') {
    const [predicate, type] =
      written.length === 1 ? [operands[0]?.type ?? written[0], written[0]] : written;
    return { operands: [predicate, type, type], results: [type] };
  }
  if (name === 'stablehlo.optimization_barrier') return { operands: written, results: written };
  return {
    operands: resultOnly.has(name) ? undefined : operands.map(() => written[0]),
    results: [written[0]],
  };
}
