/**
 * Reads StableHLO text: pretty and generic forms, locations, aliases, one module or bare functions. What we do not have (dynamic shapes,
 * quantized types, other ops) is refused with line, column and what to do. Text may be hostile: depth is bounded, and nothing is guessed.
 */
import { ArgumentError } from '../../core/errors.ts';
import { HloBuilder } from './build.ts';
import { isDecompositionSymbol } from './decompose-text.ts';
import { Module } from './module.ts';
import { appliedRegion, expand, isExpanded, noFunctions } from './parse-expand.ts';
import { dictionariesOf, functionFrom } from './parse-function.ts';
import { Scope } from './parse-scope.ts';
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
import { checkKnown, headOf } from './parse-op.ts';
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

interface NamedType {
  readonly name: string;
  readonly type: TensorType;
}

const valueName = /%[\w$.-]+/y;

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
    const module = s.sees('"builtin.module"') ? this.#genericModule() : this.#prettyModule();
    this.#aliases();
    if (!s.atEnd())
      throw s.error(`a text must hold one module; got ${s.here()} after it. Split the text.`);
    if (module.functions.length === 0) throw s.error('a module must have a function; got none.');
    return module;
  }

  #prettyModule(): Module {
    const s = this.#s;
    const isExplicit = s.takeWord('module') || s.takeWord('builtin.module');
    const module = new Module(isExplicit && s.sees('@') ? s.symbol() : '');
    if (isExplicit) {
      if (s.takeWord('attributes')) this.#devices(module, parseDictionary(s));
      s.expect('{');
    }
    this.#functions(module);
    if (isExplicit) {
      s.expect('}');
      s.skipLocation();
    }
    return module;
  }

  /** `"builtin.module"() <{sym_name = …}> ({ … }) {…} : () -> ()`: every op in its generic form. */
  #genericModule(): Module {
    const s = this.#s;
    const { regions, attributes } = this.#genericOp(() => {
      s.expect('{');
      const inner = new Module('');
      this.#functions(inner);
      s.expect('}');
      return inner;
    });
    s.skipLocation();
    const name = attributes.get('sym_name');
    const module = new Module(name?.kind === 'string' ? name.value : '');
    this.#devices(module, attributes);
    for (const fn of regions.flatMap((inner) => inner.functions)) this.#adopt(module, fn);
    return module;
  }

  #functions(module: Module): void {
    const s = this.#s;
    for (this.#aliases(); !(s.atEnd() || s.sees('}')); this.#aliases())
      this.#adopt(module, s.sees('"') ? this.#genericFunction() : this.#function());
  }

  /** How many devices the program is for. */
  #devices(module: Module, attributes: Attributes): void {
    const count = (name: string): number => {
      const attr = attributes.get(name);
      if (attr === undefined) return 1;
      if (attr.kind !== 'number' || !Number.isSafeInteger(attr.value) || attr.value < 1)
        throw this.#s.error(`${name} must be a positive integer; got ${attr.text}.`);
      return attr.value;
    };
    const replicas = count('mhlo.num_replicas');
    if (replicas !== 1)
      throw this.#s.error(
        `mhlo.num_replicas must be 1; got ${replicas}. Export the program for one replica (jit, not pmap).`,
      );
    module.partition(count('mhlo.num_partitions'));
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
      throw s.error(
        `a module must hold functions (func.func); got ${s.here()}. Export the program for one device, without meshes and other dialects.`,
      );
    const isPrivate = s.takeWord('private');
    if (!isPrivate) s.takeWord('public');
    const name = s.symbol();
    this.#scope = new Scope();
    const args = s.list('(', ')', () => this.#namedType());
    const results = s.take('->') ? this.#resultTypes() : [];
    if (s.takeWord('attributes')) parseDictionary(s);
    s.expect('{');
    const body = this.#body(args);
    s.expect('}');
    s.skipLocation();
    this.#check(
      `@${name} returns`,
      body.results.map((r) => r.type),
      results.map((r) => r.type),
    );
    return functionFrom({
      name,
      isPrivate,
      body,
      args: args.map((a) => a.attributes),
      results: results.map((r) => r.attributes),
    });
  }

  /** `"func.func"() <{function_type = …, sym_name = …, …}> ({ ^bb0(…): … }) : () -> ()`. */
  #genericFunction(): HloFunction {
    const s = this.#s;
    this.#scope = new Scope();
    const { name: op, position, regions, attributes } = this.#genericOp(() => this.#blockRegion());
    s.skipLocation();
    const [symbol, type, visibility] = ['sym_name', 'function_type', 'sym_visibility'].map((key) =>
      attributes.get(key),
    );
    if (
      op !== 'func.func' ||
      symbol?.kind !== 'string' ||
      type?.kind !== 'function' ||
      regions.length !== 1
    )
      throw s.error(
        `a function in generic form must have sym_name, function_type and one region; got ${op}. Print the module with MLIR.`,
        position,
      );
    const [body] = regions;
    const typesOf = (values: readonly HloValue[]): TensorType[] => values.map((v) => v.type);
    this.#check(`@${symbol.value} takes`, typesOf(body.args), type.operands, position);
    this.#check(`@${symbol.value} returns`, typesOf(body.results), type.results, position);
    return functionFrom({
      name: symbol.value,
      isPrivate: visibility?.kind === 'string' && visibility.value === 'private',
      body,
      args: dictionariesOf(attributes.get('arg_attrs')),
      results: dictionariesOf(attributes.get('res_attrs')),
    });
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

  #resultTypes(): { readonly type: TensorType; readonly attributes: Attributes }[] {
    const s = this.#s;
    const none: Attributes = new Map<string, Attr>();
    if (!s.sees('(')) return [{ type: parseTensorType(s), attributes: none }];
    return s.list('(', ')', () => {
      const type = parseTensorType(s);
      return { type, attributes: s.sees('{') ? parseDictionary(s) : none };
    });
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
    args.forEach(({ name }, i) => this.#scope.define(this.#s, name, [region.args[i]]));
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
      const { operands } = parseFunctionType(s);
      this.#check(
        'return',
        region.results.map((r) => r.type),
        operands,
      );
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
      do
        names.push([
          s.need(valueName, 'a name'),
          s.take(':') ? s.positive('how many results a name has') : 1,
        ]);
      while (s.take(','));
      s.expect('=');
    }
    s.skip();
    const { position } = s;
    const results = this.#emit(
      s.sees('"') ? this.#genericOp(() => this.#blockRegion()) : this.#pretty(),
    );
    s.skipLocation();
    const count = names.reduce((n, [, k]) => n + k, 0);
    if (count !== results.length && names.length > 0)
      throw s.error(
        `an op must have as many names as results; got ${count} names for ${results.length} results.`,
        position,
      );
    let next = 0;
    for (const [name, k] of names) {
      this.#scope.define(s, name, results.slice(next, next + k), position);
      next += k;
    }
  }

  #emit(op: RawOp): readonly HloValue[] {
    const b = new HloBuilder(this.#region, noFunctions);
    b.frame = this.#s.place(op.position);
    const expanded = expand(this.#s, b, op);
    if (expanded !== undefined) return expanded;
    const { kind, attrs } = headOf(this.#s, op);
    return b.emit(kind, op.operands, { attrs, regions: op.regions }, op.resultTypes);
  }

  /** `"stablehlo.add"(%a, %b) <{properties}> ({…}, {…}) {attributes} : (T, T) -> T`. */
  #genericOp<R>(region: () => R): Omit<RawOp, 'regions'> & { readonly regions: R[] } {
    const s = this.#s;
    s.skip();
    const { position } = s;
    const name = s.string();
    const operands = s.list('(', ')', () => this.#use());
    const hasProperties = s.take('<');
    const attributes = hasProperties ? parseDictionary(s) : new Map<string, Attr>();
    if (hasProperties) s.expect('>');
    const regions = s.sees('(') ? s.list('(', ')', region) : [];
    if (s.sees('{'))
      for (const [key, value] of parseDictionary(s)) {
        if (attributes.has(key))
          throw s.error(`${name}: an attribute must be written once; got ${key} twice.`, position);
        attributes.set(key, value);
      }
    s.expect(':');
    const types = parseFunctionType(s);
    return { ...this.#raw({ name, position, operands, attributes, regions: [] }, types), regions };
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
      case 'chlo.top_k':
        return this.#topK(position);
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
        if (!isExpanded(name)) checkKnown(s, name, position);
        const { operands, attributes } = parseItems(s, name, () => this.#use());
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

  /** `top_k(%a, k = 3) : T -> (T, T)`. */
  #topK(position: number): RawOp {
    const s = this.#s;
    s.expect('(');
    const operands = [this.#use()];
    s.expect(',');
    s.expect('k');
    s.expect('=');
    const attributes = new Map([['k', parseAttribute(s)]]);
    s.expect(')');
    return this.#raw(
      { name: 'chlo.top_k', position, operands, attributes, regions: [] },
      parseTypes(s, 'chlo.top_k', operands),
    );
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
        : appliedRegion(s, applied, inits[0].type, position);
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
