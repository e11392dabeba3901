/**
 * Reads kernels back from text, as `print.ts` writes them. Every text that is not a kernel gives a ParseError with line and column: types are checked op by
 * op, the whole is verified, and nesting is bounded.
 */
import { isBig, kindOf, type DType } from '../../core/dtype.ts';
import { KernelError, ParseError } from '../../core/errors.ts';
import { TileBuilder, indexMapTypes, makeOp, makeValue } from './build.ts';
import type {
  AxisSemantics,
  BlockDim,
  GridAxis,
  Kernel,
  Operand,
  Scratch,
  Tile,
  TileAttrs,
  TileKind,
  TileOp,
  TileRegion,
  TileValue,
  TypeOf,
} from './ir.ts';
import { TextScanner } from './scan-text.ts';
import {
  dtypeOfName,
  fields,
  gridName,
  kindOfMnemonic,
  regionKeywords,
  scalarOf,
  type Field,
} from './syntax.ts';
import { refType, sameType, showType, tileType } from './typing-check.ts';
import { resultTypes } from './typing.ts';
import { verifyKernel } from './verify.ts';

const deepest = 100;
const word = /[A-Za-z_]\w*/y;
const value = /%\w+/y;
const integer = /-?\d+/y;
const number = /-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf|nan)|true|false/y;
const text = /"(?:[^"\\\n]|\\.)*"/y;
const elements = /(?:\d+x)*[a-z]+\d*/y;
const block = /\[\]|(?:@?\d+|_)(?:x(?:@?\d+|_))*/y;

/** An expression of an index map. */
type Expression =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'axis'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'call';
      readonly fn: string;
      readonly args: readonly Expression[];
      readonly at: number;
    };

type MapText = { readonly region: TileRegion } | { readonly results: readonly Expression[] };

interface OperandText extends Omit<Operand, 'block'> {
  readonly dims: readonly BlockDim[];
  readonly map: MapText;
  readonly at: number;
}

class Parser {
  readonly #scan: TextScanner;
  readonly #scope = new Map<string, TileValue>();
  #depth = 0;

  constructor(source: string) {
    this.#scan = new TextScanner(source, 'kernel');
  }

  kernel(): Kernel {
    const scan: TextScanner = this.#scan;
    scan.expect('kernel');
    scan.expect('@');
    const name = scan.match(word) ?? this.#string();
    scan.expect('(');
    const operands = scan.list(')', () => this.#operand());
    scan.expect('grid');
    scan.expect('(');
    const grid = scan.list(')', () => this.#axis());
    const scratch: Scratch[] = [];
    if (scan.accept('scratch')) {
      scan.expect('(');
      scratch.push(...scan.list(')', () => this.#scratch()));
    }
    const types = indexMapTypes(grid, operands);
    const mapped = operands.map(({ dims, map, at, ...rest }): Operand => {
      const indexMap =
        'region' in map ? map.region : this.#expressions(map.results, grid.length, types, at);
      return { ...rest, block: { dims, indexMap } };
    });
    const args = [
      ...mapped.map((o) =>
        refType(
          o.dtype,
          o.block.dims.flatMap((d) => (d.kind === 'squeezed' ? [] : [d.size])),
        ),
      ),
      ...scratch.map((s) => refType(s.dtype, s.shape)),
    ];
    const names = [...operands, ...scratch].map((o) => o.name);
    const values = args.map((type, i) => this.#define(`%${names[i]}`, type, i));
    scan.expect('{');
    const body = this.#ops(values);
    if (!scan.isAtEnd) scan.fail('expected the end of the text');
    return { name, grid, operands: mapped, scratch, body };
  }

  // --- header

  #axis(): GridAxis {
    const scan: TextScanner = this.#scan;
    scan.take(word, 'the name of a grid axis');
    scan.expect(':');
    const extent = this.#int();
    const semantics: AxisSemantics = scan.accept('sequential') ? 'sequential' : 'parallel';
    return { extent, semantics };
  }

  #scratch(): Scratch {
    const name = this.#scan.take(value, 'a name such as %acc').slice(1);
    this.#scan.expect(':');
    this.#scan.expect('ref<');
    const type = this.#elements();
    this.#scan.expect('>');
    return { name, dtype: type.dtype, shape: type.shape };
  }

  #operand(): OperandText {
    const scan: TextScanner = this.#scan;
    const at = scan.position;
    const name = scan.take(value, 'a name such as %x').slice(1);
    scan.expect(':');
    scan.expect('ref<');
    const { dtype, shape } = this.#elements();
    scan.expect(',');
    scan.expect('block');
    const dims = this.#block();
    scan.expect('at');
    const map = this.#map();
    let access: Operand['access'] = 'read';
    let isPrefetch = false;
    while (scan.accept(',')) {
      if (scan.accept('prefetch')) isPrefetch = true;
      else if (scan.accept('readwrite')) access = 'readwrite';
      else {
        scan.expect('write');
        access = 'write';
      }
    }
    scan.expect('>');
    const operand = { name, dtype, shape, access, dims, map, at };
    return isPrefetch ? { ...operand, prefetch: true } : operand;
  }

  #block(): BlockDim[] {
    const found = this.#scan.take(block, 'a block such as 8x128');
    if (found === '[]') return [];
    return found.split('x').map((size): BlockDim => {
      if (size === '_') return { kind: 'squeezed' };
      return size.startsWith('@')
        ? { kind: 'element', size: Number(size.slice(1)) }
        : { kind: 'blocked', size: Number(size) };
    });
  }

  #map(): MapText {
    const scan: TextScanner = this.#scan;
    if (scan.accept('{')) return { region: this.#ops([]) };
    scan.expect('(');
    if (scan.match(/(?=%)/y) !== undefined) {
      const args = this.#arguments();
      scan.expect('{');
      return { region: this.#ops(args) };
    }
    return { results: scan.list(')', () => this.#sum()) };
  }

  #nested<T>(body: () => T): T {
    if (++this.#depth > deepest) this.#scan.fail(`nesting must be at most ${deepest} deep`);
    const result = body();
    this.#depth--;
    return result;
  }

  #sum(): Expression {
    return this.#nested(() =>
      this.#chain(
        [
          ['+', 'add'],
          ['-', 'sub'],
        ],
        () => this.#chain([['*', 'mul']], () => this.#atom()),
      ),
    );
  }

  #chain(signs: readonly (readonly [string, string])[], item: () => Expression): Expression {
    let left = item();
    for (;;) {
      const at = this.#scan.position;
      const sign = signs.find(([mark]) => this.#scan.accept(mark));
      if (sign === undefined) return left;
      left = { kind: 'call', fn: sign[1], args: [left, item()], at };
    }
  }

  #atom(): Expression {
    const scan: TextScanner = this.#scan;
    const at = scan.position;
    if (scan.accept('(')) {
      const inner = this.#sum();
      scan.expect(')');
      return inner;
    }
    const digits = scan.match(integer);
    if (digits !== undefined) return { kind: 'int', value: Number(digits) };
    const name = scan.take(word, 'an expression of the grid axes');
    return scan.accept('(')
      ? { kind: 'call', fn: name, args: scan.list(')', () => this.#sum()), at }
      : { kind: 'axis', name, at };
  }

  #expressions(
    results: readonly Expression[],
    rank: number,
    types: readonly TypeOf[],
    at: number,
  ): TileRegion {
    const b = new TileBuilder();
    return this.#checked(at, () =>
      b.build<TileValue>(types, (args) => {
        const axes = new Map(args.slice(0, rank).map((arg, i) => [gridName(i), arg as Tile]));
        return results.map((e) => this.#expression(e, b, axes));
      }),
    );
  }

  #expression(e: Expression, b: TileBuilder, axes: ReadonlyMap<string, Tile>): Tile {
    switch (e.kind) {
      case 'int':
        return this.#checked(this.#scan.position, () => b.int(e.value));
      case 'axis': {
        const found = axes.get(e.name);
        if (found === undefined)
          this.#scan.fail(`expected a grid axis (${[...axes.keys()].join(', ')})`, e.at);
        return found;
      }
      case 'call': {
        const fn = scalarOf.get(e.fn);
        if (fn === undefined) this.#scan.fail('expected a scalar function', e.at);
        const args = e.args.map((arg) => this.#expression(arg, b, axes));
        return this.#checked(e.at, () => b.scalar(fn, ...args));
      }
    }
  }

  // --- regions and ops

  #define(name: string, type: TypeOf, index: number): TileValue {
    if (this.#scope.has(name)) this.#scan.fail(`${name} is defined twice`);
    const made = makeValue(type, index, /^%\d+$/.test(name) ? undefined : name.slice(1));
    this.#scope.set(name, made);
    return made;
  }

  #arguments(): TileValue[] {
    let index = 0;
    return this.#scan.list(')', () => {
      const name = this.#scan.take(value, 'an argument such as %i');
      this.#scan.expect(':');
      return this.#define(name, this.#type(), index++);
    });
  }

  #region(): TileRegion {
    const args = this.#scan.accept('(') ? this.#arguments() : [];
    this.#scan.expect('{');
    return this.#nested(() => this.#ops(args));
  }

  /** The ops of a region and what it yields, up to its closing brace; its names end there. */
  #ops(args: TileValue[]): TileRegion {
    const outer = new Set(this.#scope.keys());
    for (const [name, found] of this.#scope) if (args.includes(found)) outer.delete(name);
    const region: TileRegion = { args, ops: [], results: [] };
    while (!this.#scan.accept('}')) {
      if (this.#scan.accept('yield')) {
        region.results = this.#operands();
        this.#scan.expect('}');
        break;
      }
      region.ops.push(this.#op());
    }
    for (const name of this.#scope.keys()) if (!outer.has(name)) this.#scope.delete(name);
    return region;
  }

  #operands(): TileValue[] {
    const out: TileValue[] = [];
    let name = this.#scan.match(value);
    while (name !== undefined) {
      const found = this.#scope.get(name);
      if (found === undefined) this.#scan.fail(`${name} is not defined`);
      out.push(found);
      name = this.#scan.accept(',') ? this.#scan.take(value, 'a value such as %0') : undefined;
    }
    return out;
  }

  #op(): TileOp {
    const scan: TextScanner = this.#scan;
    const at = scan.position;
    const names: string[] = [];
    let name = scan.match(value);
    while (name !== undefined) {
      names.push(name);
      name = scan.accept(',') ? scan.take(value, 'a result such as %0') : undefined;
    }
    if (names.length > 0) scan.expect('=');
    const mnemonic = scan.take(word, 'an op');
    const fn = scalarOf.get(mnemonic);
    const kind = fn === undefined ? kindOfMnemonic.get(mnemonic) : 'scalar';
    if (kind === undefined) scan.fail('expected an op of kernels', at);
    const raw = new Map<string, unknown>(fn === undefined ? [] : [['fn', fn]]);
    const isBefore = (f: Field): boolean => f.form === 'word' || f.form === 'text';
    for (const f of fields[kind]) if (isBefore(f)) this.#field(f, raw);
    const operands = this.#operands();
    for (const f of fields[kind]) if (!isBefore(f)) this.#field(f, raw);
    const types = scan.accept(':') ? this.#types() : [];
    if (types.length !== names.length) scan.fail(`expected one type per result (${names.length})`);
    const attrs = this.#attrs(raw, types[0]?.dtype ?? 'i32', at);
    const regions = regionKeywords(kind, raw.has('combiner')).map((keyword) => {
      scan.expect(keyword);
      return this.#region();
    });
    return this.#made(at, { kind, operands, attrs, regions }, names, types);
  }

  #made(
    at: number,
    parts: {
      kind: TileKind;
      operands: TileValue[];
      attrs: TileAttrs[TileKind];
      regions: TileRegion[];
    },
    names: readonly string[],
    types: readonly TypeOf[],
  ): TileOp {
    const { kind, operands, attrs, regions } = parts;
    const expected = this.#checked(at, () =>
      resultTypes({ kind, operands, attrs, regions, wanted: types[0] }),
    );
    if (expected.length !== types.length || !expected.every((t, i) => sameType(t, types[i])))
      this.#scan.fail(`${kind} gives (${expected.map(showType).join(', ')})`, at);
    const op = makeOp(kind, operands, attrs, { types, regions });
    op.results.forEach((result, i) => {
      if (this.#scope.has(names[i])) this.#scan.fail(`${names[i]} is defined twice`, at);
      if (!/^%\d+$/.test(names[i])) result.name = names[i].slice(1);
      this.#scope.set(names[i], result);
    });
    return op;
  }

  #field(field: Field, out: Map<string, unknown>): void {
    const scan: TextScanner = this.#scan;
    const { attr, form, key, words = [] } = field;
    if (form === 'flag') {
      const [present, absent] = field.flag ?? [];
      const meaning = scan.accept(key) ? present : absent;
      if (meaning !== undefined) out.set(attr, meaning);
    } else if (form === 'word') {
      const found = words.find((w) => scan.accept(w));
      if (found !== undefined) out.set(attr, found);
      else if (!field.optional) scan.fail(`expected one of ${words.join(', ')}`);
    } else if (form === 'axes') {
      out.set(attr, scan.accept('axis') ? [this.#int()] : (scan.expect(key), this.#ints()));
    } else if (field.optional) {
      if (scan.accept(key)) out.set(attr, { number: scan.take(number, 'a number') });
    } else {
      if (key !== '') scan.expect(key);
      out.set(attr, this.#value(form));
    }
  }

  #value(form: Field['form']): unknown {
    if (form === 'int') return this.#int();
    if (form === 'ints') return this.#ints();
    if (form === 'text') return this.#string();
    return { number: this.#scan.take(number, 'a number') };
  }

  /** Attributes, with numbers read as the dtype of the result. */
  #attrs(raw: ReadonlyMap<string, unknown>, dtype: DType, at: number): TileAttrs[TileKind] {
    const entries = [...raw].map(([key, found]) =>
      typeof found === 'object' && found !== null && 'number' in found
        ? [key, this.#number(String(found.number), dtype, at)]
        : [key, found],
    );
    // What the table of fields reads is what the op of that name has: the one door between text and typed attributes.
    return Object.fromEntries(entries) as TileAttrs[TileKind];
  }

  #number(found: string, dtype: DType, at: number): number | bigint | boolean {
    const isBool = found === 'true' || found === 'false';
    if (isBool !== (dtype === 'bool')) this.#scan.fail(`expected a number of ${dtype}`, at);
    if (isBool) return found === 'true';
    const isFloat = kindOf(dtype) === 'float';
    if (!isFloat && !/^-?\d+$/.test(found)) this.#scan.fail(`expected an integer of ${dtype}`, at);
    if (isBig(dtype)) return BigInt(found);
    if (found.endsWith('nan')) return NaN;
    return found.endsWith('inf') ? (found.startsWith('-') ? -Infinity : Infinity) : Number(found);
  }

  // --- small things

  #checked<T>(at: number, body: () => T): T {
    try {
      return body();
    } catch (cause) {
      if (!(cause instanceof KernelError)) throw cause;
      return this.#scan.fail(cause.message.split('\n')[0].replace(/\.$/, ''), at);
    }
  }

  #string(): string {
    const at = this.#scan.position;
    const found = this.#scan.take(text, 'a string');
    try {
      return String(JSON.parse(found));
    } catch {
      return this.#scan.fail('expected a string without unknown escapes', at);
    }
  }

  #int(): number {
    return Number(this.#scan.take(integer, 'an integer'));
  }

  #ints(): number[] {
    this.#scan.expect('[');
    return this.#scan.list(']', () => this.#int());
  }

  #types(): TypeOf[] {
    const out = [this.#type()];
    while (this.#scan.accept(',')) out.push(this.#type());
    return out;
  }

  #type(): TypeOf {
    const isRef = this.#scan.accept('ref<');
    if (!isRef) this.#scan.expect('tile<');
    const { dtype, shape } = this.#elements();
    this.#scan.expect('>');
    return isRef ? refType(dtype, shape) : tileType(dtype, shape);
  }

  #elements(): { dtype: DType; shape: number[] } {
    const at = this.#scan.position;
    const parts = this.#scan.take(elements, 'a type such as 8x128xf32').split('x');
    const dtype = dtypeOfName.get(parts.pop() ?? '');
    if (dtype === undefined || kindOf(dtype) === 'complex')
      this.#scan.fail('expected a real dtype', at);
    return { dtype, shape: parts.map(Number) };
  }
}

/**
 * Read a kernel from text.
 *
 * @throws ParseError with line and column when the text is not a kernel that verifies.
 */
export function parseKernel(source: string): Kernel {
  const kernel = new Parser(source).kernel();
  try {
    verifyKernel(kernel);
  } catch (cause) {
    if (!(cause instanceof KernelError)) throw cause;
    throw new ParseError(`kernel: 1:1: ${cause.message.split('\n')[0]}`, { cause });
  }
  return kernel;
}
