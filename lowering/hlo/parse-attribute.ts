/** Reads types and attributes of MLIR text. Attributes that no op of ours needs are kept as text. */
import { dtypeInfo, dtypes, type DType } from '../../core/dtype.ts';
import { sizeOf } from '../../core/shape.ts';
import { constantElements } from './constant.ts';
import type { HloConstant, TensorType } from './ir.ts';
import { denseConstant, parseDense } from './parse-dense.ts';
import type { Scanner } from './scan.ts';

/** An attribute. `text` is how it was written. */
export type Attr =
  | { readonly kind: 'number'; readonly value: number; readonly text: string }
  | { readonly kind: 'string'; readonly value: string; readonly text: string }
  | { readonly kind: 'bool'; readonly value: boolean; readonly text: string }
  | { readonly kind: 'symbol'; readonly value: string; readonly text: string }
  /** Integers: `array<i64: …>`, `[1, 2]`. */
  | { readonly kind: 'list'; readonly items: readonly Attr[]; readonly text: string }
  | {
      readonly kind: 'dense';
      readonly value: HloConstant;
      readonly type: TensorType;
      readonly text: string;
    }
  /** `#stablehlo.gather<…>` and dictionaries. */
  | { readonly kind: 'dict'; readonly entries: Attributes; readonly text: string }
  /** `#stablehlo<precision HIGHEST>`, bare words. */
  | { readonly kind: 'word'; readonly value: string; readonly text: string }
  /** `(T, T) -> T`. */
  | {
      readonly kind: 'function';
      readonly operands: readonly TensorType[];
      readonly results: readonly TensorType[];
      readonly text: string;
    }
  | { readonly kind: 'opaque'; readonly text: string };

/** Attributes by name. */
export type Attributes = ReadonlyMap<string, Attr>;

const dtypeByName: ReadonlyMap<string, DType> = new Map(
  dtypes.map((d): [string, DType] => [dtypeInfo[d].mlirName, d]),
);

/** A tensor type. @throws ParseError for dynamic, quantized and other types that we do not have. */
export function parseTensorType(s: Scanner): TensorType {
  const start = s.position;
  if (!s.take('tensor'))
    throw s.error(
      `only tensor types are supported; got ${s.here()}. Lower tuples, tokens and quantized types first.`,
    );
  s.expect('<');
  const shape: number[] = [];
  for (let size = s.match(/(?:\d+|\?|\*)x/y); size !== undefined; size = s.match(/(?:\d+|\?)x/y)) {
    if (!/^\d/.test(size))
      throw s.error(
        'shapes must be static; got a dynamic axis. Export the program with concrete shapes.',
        start,
      );
    shape.push(Number(size.slice(0, -1)));
  }
  const name = s.match(/complex<f\d+>|[a-z]\w*/y);
  const dtype = name === undefined ? undefined : dtypeByName.get(name);
  if (dtype === undefined)
    throw s.error(
      `elements must be of a dtype that we have; got ${name ?? s.here()}. Convert them before exporting.`,
      start,
    );
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape)))
    throw s.error('a tensor must have fewer than 2^53 elements; got more.', start);
  s.expect('>');
  return { shape, dtype };
}

/** `(T, T) -> T`, `(T) -> (T, T)`, `() -> ()`. */
export function parseFunctionType(s: Scanner): {
  readonly operands: TensorType[];
  readonly results: TensorType[];
} {
  const operands = s.list('(', ')', () => parseTensorType(s));
  s.expect('->');
  return { operands, results: parseResultTypes(s) };
}

/** One type, or several in parentheses. */
export function parseResultTypes(s: Scanner): TensorType[] {
  return s.sees('(') ? s.list('(', ')', () => parseTensorType(s)) : [parseTensorType(s)];
}

/** `{name = value, unit, …}` with these brackets. */
export function parseDictionary(s: Scanner, open = '{', close = '}'): Map<string, Attr> {
  const entries = new Map<string, Attr>();
  s.list(open, close, () => {
    const name = s.sees('"') ? s.string() : s.word('an attribute name');
    if (entries.has(name))
      throw s.error(`names in a dictionary must be distinct; got ${name} twice. Remove one.`);
    const start = s.position;
    entries.set(
      name,
      s.take('=')
        ? parseAttribute(s)
        : { kind: 'bool', value: true, text: s.text.slice(start, start) },
    );
  });
  return entries;
}

/** Any attribute; where the colon after it means something else, its type is not read. */
export function parseAttribute(s: Scanner, isTyped = true): Attr {
  s.skip();
  const start = s.position;
  const attr = s.nested(() => plainAttribute(s));
  if (isTyped && (attr.kind === 'number' || attr.kind === 'string')) {
    // `1 : i64`, `"x" : !type`: the type is part of the text.
    if (s.take(':')) skipType(s);
  }
  return { ...attr, text: s.text.slice(start, s.position) };
}

const untyped = { text: '' } as const;

function plainAttribute(s: Scanner): Attr {
  if (s.sees('"')) return { kind: 'string', value: s.string(), ...untyped };
  if (s.sees('@')) return { kind: 'symbol', value: symbolPath(s), ...untyped };
  if (s.sees('['))
    return { kind: 'list', items: s.list('[', ']', () => parseAttribute(s)), ...untyped };
  if (s.sees('{')) return { kind: 'dict', entries: parseDictionary(s), ...untyped };
  if (s.sees('#')) return dialectAttribute(s);
  if (s.sees('(')) return { kind: 'function', ...parseFunctionType(s), ...untyped };
  if (s.seesWord('dense') || s.sees('dense<')) return denseAttribute(s);
  if (s.take('array<')) return arrayAttribute(s);
  if (s.takeWord('true')) return { kind: 'bool', value: true, ...untyped };
  if (s.takeWord('false')) return { kind: 'bool', value: false, ...untyped };
  if (s.takeWord('unit')) return { kind: 'bool', value: true, ...untyped };
  if (/[-\d]/.test(s.text[s.position] ?? ''))
    return { kind: 'number', value: numberOf(s), ...untyped };
  if (s.sees('!') || s.sees('tensor<')) {
    skipType(s);
    return { kind: 'opaque', ...untyped };
  }
  const value = s.word('an attribute');
  if (s.sees('<')) {
    s.skipBalanced('<', '>');
    return { kind: 'opaque', ...untyped };
  }
  return { kind: 'word', value, ...untyped };
}

const numberOf = (s: Scanner): number =>
  Number(s.need(/-?(?:0x[0-9A-Fa-f]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)/y, 'a number'));

function symbolPath(s: Scanner): string {
  const first = s.symbol();
  while (s.take('::')) s.symbol();
  return first;
}

/** `array<i64: 1, 2>`, `array<i1: true>`, `array<i64>`; the opening has been taken. */
function arrayAttribute(s: Scanner): Attr {
  s.need(/(?:i|f)\d+(?![\w.])/y, 'an element type');
  const items: Attr[] = [];
  if (s.take(':'))
    do items.push(plainAttribute(s));
    while (s.take(','));
  s.expect('>');
  return { kind: 'list', items, ...untyped };
}

function denseAttribute(s: Scanner): Attr {
  const start = s.position;
  const literal = parseDense(s);
  s.expect(':');
  s.skip();
  if (
    /tensor<(?:\d+x)*index>/y.test(s.text.slice(s.position, s.position + 64)) ||
    !s.sees('tensor<')
  ) {
    skipType(s);
    return { kind: 'opaque', text: s.text.slice(start, s.position) };
  }
  const type = parseTensorType(s);
  return { kind: 'dense', value: denseConstant(s, literal, type), type, ...untyped };
}

/** `#stablehlo<precision HIGHEST>`, `#stablehlo.gather<…>`, `#alias`, `#sdy.sharding<…>`. */
function dialectAttribute(s: Scanner): Attr {
  s.expect('#');
  const name = s.word('an attribute name');
  if (!s.sees('<')) return { kind: 'opaque', ...untyped };
  if (name === 'stablehlo' || name === 'chlo') {
    s.expect('<');
    s.word('a kind of attribute');
    const word = s.match(/[A-Z_]+/y);
    if (word !== undefined && s.take('>')) return { kind: 'word', value: word, ...untyped };
    throw s.error(
      `expected an enumeration such as #stablehlo<precision HIGHEST>; got ${s.here()}.`,
    );
  }
  if (/^stablehlo\.(?:gather|scatter|dot|channel_handle)$/.test(name))
    return { kind: 'dict', entries: parseDictionary(s, '<', '>'), ...untyped };
  s.skipBalanced('<', '>');
  return { kind: 'opaque', ...untyped };
}

/** Skip a type of any dialect. */
export function skipType(s: Scanner): void {
  s.need(/!?[A-Za-z_][\w.]*/y, 'a type');
  if (s.sees('<')) s.skipBalanced('<', '>');
}

/** The integers of a list or a dense attribute; undefined when it is something else. */
export function integersOf(attr: Attr): number[] | undefined {
  if (attr.kind === 'list') {
    const numbers = attr.items.flatMap((item) =>
      item.kind === 'number' ? [item.value] : item.kind === 'bool' ? [Number(item.value)] : [],
    );
    return numbers.length === attr.items.length ? numbers : undefined;
  }
  // A splat may be of any size, but what counts axes or devices is not.
  if (attr.kind !== 'dense' || attr.type.shape.some((d) => d > 65_536)) return undefined;
  const size = sizeOf(attr.type.shape);
  if (size > 65_536 && attr.value.splat) return undefined;
  return Array.from(
    constantElements(attr.value, attr.type.dtype, size) as ArrayLike<number>,
    Number,
  );
}
