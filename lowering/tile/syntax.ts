/**
 * How kernels are spelled: mnemonics, attributes, types. Read by the printer and by the parser, so that they cannot differ.
 * An op is `%a, %b = mnemonic words operands fields : types` with its regions in braces after a keyword.
 */
import { dtypes, type DType } from '../../core/dtype.ts';
import type { Shape } from '../../core/shape.ts';
import { combiners, scalarInfo, type ScalarFn } from '../scalar.ts';
import type { TileKind, TypeOf } from './ir.ts';
import { regionCount, tileKinds } from './typing.ts';

/** How an attribute is written: words stand before the operands, the rest after them as `key value`; flags are their key alone. */
export type Form = 'word' | 'int' | 'ints' | 'axes' | 'value' | 'flag' | 'text';

/** One attribute of an op. */
export interface Field {
  /** Its name in the IR. */
  readonly attr: string;
  readonly form: Form;
  /** Its name in text. */
  readonly key: string;
  readonly optional: boolean;
  /** What a word may be. */
  readonly words?: readonly string[];
  /** Of a flag: what its presence and absence mean. */
  readonly flag?: readonly [present: unknown, absent: unknown];
}

/** `camelCase` as `snake_case`. */
export const snake = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

const field = (attr: string, form: Form, more: Partial<Field> = {}): Field => ({
  attr,
  form,
  key: snake(attr),
  optional: false,
  ...more,
});
const int = (attr: string): Field => field(attr, 'int');
const ints = (...attrs: string[]): Field[] => attrs.map((attr) => field(attr, 'ints'));
const flag = (attr: string, key: string, meaning: readonly [unknown, unknown]): Field =>
  field(attr, 'flag', { key, flag: meaning });
const fill = field('fill', 'value', { optional: true });
const masked = flag('masked', 'masked', [true, false]);
const combiner = field('combiner', 'word', { words: combiners });
const named: Field = { ...combiner, optional: true };

/** Attributes of every op, in the order of the text. */
export const fields: { readonly [K in TileKind]: readonly Field[] } = {
  programId: [int('axis')],
  numPrograms: [int('axis')],
  constant: [field('value', 'value', { key: '' })],
  iota: [int('axis')],
  for: [flag('unroll', 'unroll', [true, undefined])],
  while: [],
  if: [],
  load: [fill],
  store: [],
  accumulate: [combiner],
  atomic: [{ ...combiner, words: [...combiners, 'exchange'] }],
  gather: [masked, fill],
  scatter: [{ ...combiner, words: [...combiners, 'set'] }, masked],
  alloc: [],
  slice_ref: ints('sizes', 'strides', 'squeeze'),
  transpose_ref: ints('permutation'),
  scalar: [],
  select: [],
  cast: [],
  bitcast: [],
  broadcast: ints('dims'),
  reshape: [],
  transpose: ints('permutation'),
  slice: ints('starts', 'limits', 'strides'),
  concat: [int('axis')],
  pad: ints('low', 'high', 'interior'),
  rev: [field('axes', 'axes')],
  reduce: [named, field('axes', 'axes')],
  argreduce: [field('which', 'word', { words: ['max', 'min'] }), int('axis')],
  scan: [named, int('axis'), flag('reverse', 'reverse', [true, false])],
  sort: [int('axis')],
  dot: [flag('precision', 'highest', ['highest', 'default'])],
  assume: [int('multipleOf')],
  print: [field('format', 'text', { key: '' })],
  check: [field('message', 'text', { key: '' })],
};

/** Keywords before the regions of an op. */
export function regionKeywords(kind: TileKind, isNamed: boolean): readonly string[] {
  if (kind === 'while') return ['cond', 'do'];
  if (kind === 'if') return ['then', 'else'];
  return regionCount(kind, isNamed) === 0 ? [] : [kind === 'for' ? 'do' : 'by'];
}

const scalarFns = Object.keys(scalarInfo) as ScalarFn[];

/** Scalar functions by mnemonic. */
export const scalarOf: ReadonlyMap<string, ScalarFn> = new Map(
  scalarFns.map((fn) => [snake(fn), fn]),
);

/** Kinds of ops by mnemonic; scalar functions have their own. */
export const kindOfMnemonic: ReadonlyMap<string, TileKind> = new Map(
  tileKinds.filter((kind) => kind !== 'scalar').map((kind) => [snake(kind), kind]),
);

/** Element types by name. */
export const dtypeOfName: ReadonlyMap<string, DType> = new Map(dtypes.map((d) => [d, d]));

/** A shape and dtype as `8x128xf32`. */
export const showElements = (shape: Shape, dtype: DType): string => [...shape, dtype].join('x');

/** A type as `tile<8x128xf32>`. */
export const showTileType = (type: TypeOf): string =>
  `${type.kind}<${showElements(type.shape, type.dtype)}>`;

/** Name of a grid axis in index maps. */
export const gridName = (axis: number): string => 'ijklmn'[axis] ?? `i${axis}`;

/** A number of a constant or fill. */
export function showNumber(value: number | bigint | boolean): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'number' || Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}
