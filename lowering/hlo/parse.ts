/**
 * Reads StableHLO text: pretty and generic forms, locations, aliases, one module or bare functions. What we do not have (dynamic shapes,
 * quantized types, other ops) is refused with line, column and what to do. Text may be hostile: depth is bounded, and nothing is guessed.
 */
import { ArgumentError } from '../../core/errors.ts';
import { HloBuilder } from './build.ts';
import { isDecompositionSymbol } from './decompose-text.ts';
import { functionOf } from './mnemonics.ts';
import { Module } from './module.ts';
import {
  sameTensorType,
  type HloFunction,
  type HloModule,
  type HloValue,
  type Region,
  type TensorType,
} from './ir.ts';
import {
  parseAttribute,
  parseDictionary,
  parseFunctionType,
  parseResultTypes,
  parseTensorType,
  type Attr,
  type Attributes,
} from './parse-attribute.ts';
import { parseDense, denseConstant } from './parse-dense.ts';
import { headOf } from './parse-op.ts';
import { parseItems, parseTypes, type Types } from './parse-syntax.ts';
import type { RawOp } from './parse-raw.ts';
import { Scanner } from './scan.ts';
import { showType } from './type-text.ts';

/**
 * Parse a module.
 *
 * @throws ParseError with line and column.
 */
export function parseModule(text: string): HloModule {
  if (typeof text !== 'string')
    throw new ArgumentError(
      `parse: a program must be text; got ${typeof text}. Pass what asText() gave.`,
    );
  return new Parser(new Scanner(text)).module();
}

/** Values by name, region inside region. */
class Scope {
  readonly #regions: readonly Map<string, readonly HloValue[]>[];

  constructor(outer?: Scope) {
    const around = outer === undefined ? [] : outer.#regions;
    this.#regions = [new Map<string, readonly HloValue[]>(), ...around];
  }

  /** The results that a name stands for; the innermost region first. */
  find(name: string): readonly HloValue[] | undefined {
    for (const values of this.#regions) {
      const found = values.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  set(name: string, values: readonly HloValue[]): void {
    this.#regions[0].set(name, values);
  }
}

interface NamedType {
  readonly name: string;
  readonly type: TensorType;
}

const valueName = /%[\w$.-]+/y;
const noFunctions = { resultTypes: (): TensorType[] => [] };

class Parser {
  readonly #s: Scanner;
  #scope = new Scope();
  /** The region that ops go to. */
  #region: Region = { args: [], ops: [], results: [] };

  constructor(scanner: Scanner) {
    this.#s = scanner;
  }

  module(): HloModule {
    const s = this.#s;
    this.#aliases();
    const isExplicit = s.takeWord('module') || s.takeWord('builtin.module');
    const module = new Module(isExplicit && s.sees('@') ? s.symbol() : '');
    if (isExplicit) {
      if (s.takeWord('attributes')) this.#partitions(module, parseDictionary(s));
      s.expect('{');
    }
    for (this.#aliases(); !(s.atEnd() || s.sees('}')); this.#aliases())
      this.#adopt(module, this.#function());
    if (isExplicit) {
      s.expect('}');
      s.skipLocation();
    }
    this.#aliases();
    if (!s.atEnd())
      throw s.error(`a text must hold one module; got ${s.here()} after it. Split the text.`);
    if (module.functions.length === 0) throw s.error('a module must have a function; got none.');
    return module;
  }

  #partitions(module: Module, attributes: Attributes): void {
    const count = attributes.get('mhlo.num_partitions');
    if (count === undefined) return;
    if (count.kind !== 'number' || !Number.isSafeInteger(count.value) || count.value < 1)
      throw this.#s.error(`mhlo.num_partitions must be a positive integer; got ${count.text}.`);
    module.partition(count.value);
  }

  #adopt(module: Module, fn: HloFunction): void {
    // Decompositions of scalar functions that we have are not part of the program.
    if (isDecompositionSymbol(fn.name) && fn.visibility === 'private') return;
    if (module.functions.some((f) => f.name === fn.name))
      throw this.#s.error(`functions must have distinct names; got @${fn.name} twice.`);
    module.adopt(fn);
  }

  /** `#loc1 = loc(…)`, `#map = …`: read and forgotten. */
  #aliases(): void {
    const s = this.#s;
    while (s.sees('#')) {
      s.need(/#[\w$.-]+/y, 'an alias');
      s.expect('=');
      if (s.seesWord('loc')) s.skipLocation();
      else parseAttribute(s);
    }
  }

  #function(): HloFunction {
    const s = this.#s;
    if (!(s.takeWord('func.func') || s.takeWord('func')))
      throw s.error(`expected func.func; got ${s.here()}.`);
    const isPrivate = s.takeWord('private');
    if (!isPrivate) s.takeWord('public');
    const name = s.symbol();
    this.#scope = new Scope();
    const aliases = new Map<number, number>();
    const args = s
      .list('(', ')', () => this.#namedType())
      .map(({ name: arg, type, attributes }, i) => {
        const alias = attributes.get('tf.aliasing_output');
        if (alias?.kind === 'number') aliases.set(i, alias.value);
        return { name: arg, type };
      });
    const { types, resultInfo } = s.take('->')
      ? this.#resultTypes()
      : { types: [], resultInfo: undefined };
    if (s.takeWord('attributes')) parseDictionary(s);
    s.expect('{');
    const body = this.#body(args);
    s.expect('}');
    s.skipLocation();
    this.#check(
      `@${name} returns`,
      body.results.map((r) => r.type),
      types,
    );
    return {
      name,
      visibility: isPrivate ? 'private' : 'public',
      body,
      ...(aliases.size > 0 ? { aliases } : {}),
      ...(resultInfo === undefined ? {} : { resultInfo }),
    };
  }

  #namedType(): NamedType & { readonly attributes: Attributes } {
    const s = this.#s;
    const name = s.need(valueName, 'an argument name');
    s.expect(':');
    const type = parseTensorType(s);
    const attributes: Attributes = s.sees('{') ? parseDictionary(s) : new Map<string, Attr>();
    s.skipLocation();
    return { name, type, attributes };
  }

  #resultTypes(): { types: TensorType[]; resultInfo: string[] | undefined } {
    const s = this.#s;
    if (!s.sees('(')) return { types: [parseTensorType(s)], resultInfo: undefined };
    const info: string[] = [];
    const types = s.list('(', ')', () => {
      const type = parseTensorType(s);
      const written = s.sees('{') ? parseDictionary(s).get('jax.result_info') : undefined;
      if (written?.kind === 'string') info.push(written.value);
      return type;
    });
    return {
      types,
      resultInfo: types.length > 0 && info.length === types.length ? info : undefined,
    };
  }

  /** Ops up to the terminator, in a scope of their own. */
  #body(args: readonly NamedType[]): Region {
    const region: Region = {
      args: args.map(({ type }, index) => ({ type, index })),
      ops: [],
      results: [],
    };
    const [outerScope, outerRegion] = [this.#scope, this.#region];
    this.#scope = new Scope(outerScope);
    this.#region = region;
    args.forEach(({ name }, i) => this.#scope.set(name, [region.args[i]]));
    this.#s.nested(() => {
      while (!this.#terminator(region));
    });
    this.#scope = outerScope;
    this.#region = outerRegion;
    return region;
  }

  /** Read one op; whether it was the terminator. */
  #terminator(region: Region): boolean {
    const s = this.#s;
    const isQuoted = /"(?:stablehlo|func|mhlo)\.return"/y;
    const isBare = /(?:stablehlo\.|func\.)?return(?![\w$.])/y;
    if (s.match(isQuoted) !== undefined) {
      region.results = s.list('(', ')', () => this.#use());
      s.expect(':');
      parseFunctionType(s);
    } else if (s.match(isBare) !== undefined) {
      region.results = this.#uses();
      const types: TensorType[] = [];
      if (s.take(':'))
        do types.push(parseTensorType(s));
        while (s.take(','));
      this.#check(
        'return',
        region.results.map((r) => r.type),
        types,
      );
    } else {
      this.#statement();
      return false;
    }
    s.skipLocation();
    return true;
  }

  #uses(): HloValue[] {
    const values: HloValue[] = [];
    if (this.#s.sees('%'))
      do values.push(this.#use());
      while (this.#s.take(','));
    return values;
  }

  /** A use: `%0`, `%1#2`. */
  #use(): HloValue {
    const s = this.#s;
    s.skip();
    const { position } = s;
    const name = s.need(valueName, 'a value');
    const index =
      s.text[s.position] === '#' ? Number(s.need(/#\d+/y, 'the number of a result').slice(1)) : 0;
    const value = this.#scope.find(name)?.[index];
    if (value === undefined)
      throw s.error(
        `values must be defined before they are used; got ${name}${index > 0 ? `#${index}` : ''}.`,
        position,
      );
    return value;
  }

  #check(
    what: string,
    actual: readonly TensorType[],
    written: readonly TensorType[],
    position?: number,
  ): void {
    if (actual.length === written.length && actual.every((t, i) => sameTensorType(t, written[i])))
      return;
    const show = (types: readonly TensorType[]): string => `(${types.map(showType).join(', ')})`;
    throw this.#s.error(
      `${what}: written types must be those of the values; got ${show(written)} for values of ${show(actual)}.`,
      position,
    );
  }

  /** `%0:2, %x = op …`. */
  #statement(): void {
    const s = this.#s;
    const names: (readonly [name: string, count: number])[] = [];
    if (s.sees('%')) {
      do names.push([s.need(valueName, 'a name'), s.take(':') ? s.integer() : 1]);
      while (s.take(','));
      s.expect('=');
    }
    s.skip();
    const { position } = s;
    const results = this.#emit(s.sees('"') ? this.#generic() : this.#pretty());
    s.skipLocation();
    const count = names.reduce((n, [, k]) => n + k, 0);
    if (count !== results.length && names.length > 0)
      throw s.error(
        `an op must have as many names as results; got ${count} names for ${results.length} results.`,
        position,
      );
    let next = 0;
    for (const [name, k] of names) {
      this.#scope.set(name, results.slice(next, next + k));
      next += k;
    }
  }

  #emit(op: RawOp): HloValue[] {
    if (op.name === 'chlo.square' && op.operands.length === 1)
      return this.#emit({
        ...op,
        name: 'stablehlo.multiply',
        operands: [op.operands[0], op.operands[0]],
      });
    if (op.name === 'stablehlo.if') return this.#emitIf(op);
    const { kind, attrs } = headOf(this.#s, op);
    const b = new HloBuilder(this.#region, noFunctions);
    return b.emit(kind, op.operands, { attrs, regions: op.regions }, op.resultTypes);
  }

  /** `if` is `case` on the predicate as an index: branch 0 is the false one. */
  #emitIf(op: RawOp): HloValue[] {
    const [onTrue, onFalse] = op.regions;
    if (op.operands.length !== 1 || onFalse === undefined)
      throw this.#s.error('if: takes one predicate and two regions.', op.position);
    const b = new HloBuilder(this.#region, noFunctions);
    const index = b.convert(op.operands[0], 'i32');
    return b.emit('case', [index], { attrs: {}, regions: [onFalse, onTrue] }, op.resultTypes);
  }

  /** `"stablehlo.add"(%a, %b) <{…}> ({…}) {…} : (T, T) -> T`. */
  #generic(): RawOp {
    const s = this.#s;
    const { position } = s;
    const name = s.string();
    const operands = s.list('(', ')', () => this.#use());
    const attributes = s.sees('<') ? this.#properties() : new Map<string, Attr>();
    const regions = s.sees('(') ? s.list('(', ')', () => this.#blockRegion()) : [];
    if (s.sees('{')) for (const [key, value] of parseDictionary(s)) attributes.set(key, value);
    s.expect(':');
    const types = parseFunctionType(s);
    return this.#raw({ name, position, operands, attributes, regions }, types);
  }

  #properties(): Map<string, Attr> {
    this.#s.expect('<');
    const attributes = parseDictionary(this.#s);
    this.#s.expect('>');
    return attributes;
  }

  #raw(op: Omit<RawOp, 'resultTypes'>, types: Types): RawOp {
    if (types.operands !== undefined)
      this.#check(
        op.name,
        op.operands.map((x) => x.type),
        types.operands,
        op.position,
      );
    return { ...op, resultTypes: types.results };
  }

  /** `{ ^bb0(%a: T): … }` or `{ … }`. */
  #blockRegion(): Region {
    const s = this.#s;
    s.expect('{');
    const args: NamedType[] = s.match(/\^\w+/y) === undefined ? [] : this.#blockArgs();
    const region = this.#body(args);
    s.expect('}');
    return region;
  }

  #blockArgs(): NamedType[] {
    const args = this.#s.sees('(') ? this.#s.list('(', ')', () => this.#namedType()) : [];
    this.#s.expect(':');
    return args;
  }

  #pretty(): RawOp {
    const s = this.#s;
    const { position } = s;
    const name = s.word('an op');
    switch (name) {
      case 'call':
      case 'func.call': {
        const callee: Attr = { kind: 'symbol', value: s.symbol(), text: '' };
        return this.#application({
          name: 'func.call',
          position,
          attributes: new Map([['callee', callee]]),
        });
      }
      case 'stablehlo.custom_call': {
        const target: Attr = { kind: 'string', value: s.symbol(), text: '' };
        return this.#application({
          name,
          position,
          attributes: new Map([['call_target_name', target]]),
        });
      }
      case 'stablehlo.composite': {
        const composite: Attr = { kind: 'string', value: s.string(), text: '' };
        const operands = this.#uses();
        const attributes = new Map<string, Attr>([
          ['name', composite],
          ...(s.sees('{') ? parseDictionary(s) : []),
        ]);
        return this.#raw(
          { name, position, operands, attributes, regions: [] },
          parseTypes(s, name, operands),
        );
      }
      case 'stablehlo.constant': {
        const extra = s.sees('{') ? parseDictionary(s) : [];
        const literal = parseDense(s);
        s.expect(':');
        const type = parseTensorType(s);
        const value: Attr = {
          kind: 'dense',
          value: denseConstant(s, literal, type),
          type,
          text: '',
        };
        return {
          name,
          position,
          operands: [],
          attributes: new Map([...extra, ['value', value]]),
          regions: [],
          resultTypes: [type],
        };
      }
      case 'stablehlo.reduce':
        return this.#reduce(position);
      case 'stablehlo.while':
        return this.#while(position);
      default: {
        if (!/^(?:stablehlo|chlo)\./.test(name))
          throw s.error(
            `${name} is not an op that palladia has. Lower the program to StableHLO before exporting.`,
            position,
          );
        const { operands, attributes } = parseItems(s, name, () => this.#use());
        if (!s.sees(':'))
          headOf(s, { name, position, operands, attributes, regions: [], resultTypes: [] });
        return this.#raw(
          { name, position, operands, attributes, regions: [] },
          parseTypes(s, name, operands),
        );
      }
    }
  }

  /** `(%a, %b) {…} : (T, T) -> T`. */
  #application(op: { name: string; position: number; attributes: Map<string, Attr> }): RawOp {
    const s = this.#s;
    const operands = s.list('(', ')', () => this.#use());
    if (s.sees('{')) for (const [key, value] of parseDictionary(s)) op.attributes.set(key, value);
    s.expect(':');
    return this.#raw({ ...op, operands, regions: [] }, parseFunctionType(s));
  }

  /** `reduce(%a init: %z), (…) [applies op] across dimensions = [0] : T -> T [reducer(…) {…}]`. */
  #reduce(position: number): RawOp {
    const s = this.#s;
    const inputs: HloValue[] = [];
    const inits: HloValue[] = [];
    do {
      s.expect('(');
      inputs.push(this.#use());
      s.expect('init');
      s.expect(':');
      inits.push(this.#use());
      s.expect(')');
    } while (s.take(','));
    const applied = s.takeWord('applies') ? s.word('an op') : undefined;
    s.expect('across');
    s.expect('dimensions');
    s.expect('=');
    const attributes = new Map<string, Attr>([['dimensions', parseAttribute(s)]]);
    if (s.sees('{')) for (const [key, value] of parseDictionary(s)) attributes.set(key, value);
    s.expect(':');
    const types = parseFunctionType(s);
    const region =
      applied === undefined
        ? this.#reducer(inputs.length)
        : this.#appliedRegion(applied, inits[0].type, position);
    return this.#raw(
      {
        name: 'stablehlo.reduce',
        position,
        operands: [...inputs, ...inits],
        attributes,
        regions: [region],
      },
      types,
    );
  }

  #appliedRegion(applied: string, { dtype }: TensorType, position: number): Region {
    const fn = functionOf.get(applied);
    if (fn === undefined)
      throw this.#s.error(`reduce: applies a scalar function; got ${applied}.`, position);
    const type = { shape: [], dtype };
    const region: Region = { args: [0, 1].map((index) => ({ type, index })), ops: [], results: [] };
    region.results = new HloBuilder(region, noFunctions).emit(
      'scalar',
      region.args,
      { attrs: { fn } },
      [type],
    );
    return region;
  }

  #reducer(n: number): Region {
    const s = this.#s;
    s.expect('reducer');
    const pairs: NamedType[][] = [];
    for (let i = 0; i < n; i++) pairs.push(s.list('(', ')', () => this.#namedType()));
    if (pairs.some((pair) => pair.length !== 2))
      throw s.error('reduce: a reducer takes pairs of arguments.');
    s.skipLocation();
    s.expect('{');
    const region = this.#body([...pairs.map(([a]) => a), ...pairs.map(([, b]) => b)]);
    s.expect('}');
    return region;
  }

  /** `while(%i = %0, …) : T, … [attributes {…}] cond {…} do {…}`. */
  #while(position: number): RawOp {
    const s = this.#s;
    const carried = s.list('(', ')', () => {
      const name = s.need(valueName, 'a name');
      s.expect('=');
      return { name, value: this.#use() };
    });
    const types: TensorType[] = [];
    if (s.take(':'))
      do types.push(...(s.sees('(') ? parseResultTypes(s) : [parseTensorType(s)]));
      while (s.take(','));
    if (s.takeWord('attributes')) parseDictionary(s);
    const args = carried.map(({ name, value }) => ({ name, type: value.type }));
    const regions: Region[] = [];
    for (const keyword of ['cond', 'do']) {
      s.expect(keyword);
      s.expect('{');
      regions.push(this.#body(args));
      s.expect('}');
    }
    const operands = carried.map(({ value }) => value);
    return this.#raw(
      { name: 'stablehlo.while', position, operands, attributes: new Map(), regions },
      { operands: types, results: types },
    );
  }
}
