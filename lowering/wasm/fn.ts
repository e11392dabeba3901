/**
 * Builders of one WebAssembly function and of a module. A function may be *outlined* from another: locals of the outer function
 * that its body names become parameters, and `callOutlined` passes them. V8 has no on-stack replacement, so a long loop gets
 * optimised code only where it calls something; loops over elements therefore live in outlined functions.
 */
import { invariant } from '../../core/errors.ts';
import { floatBits, int, intValue, op, splatBits } from './nodes.ts';
import type { Callee, Label, Local, Node, ValType } from './nodes.ts';

/** One function under construction: statements are appended to the innermost open body. */
export class Fn implements Callee {
  readonly name: string;
  readonly outer: Fn | undefined;
  readonly params: Local[] = [];
  readonly results: readonly ValType[];
  readonly locals: Local[] = [];
  readonly body: Node[] = [];
  /** Statements before the body: constants held in locals. */
  readonly prelude: Node[] = [];
  index = -1;
  #open: Node[] = this.body;
  #temporaries: Local[] | undefined;
  readonly #owned = new Set<Local>();
  readonly #captures = new Map<Local, Local>();
  readonly #constants = new Map<string, Local>();
  readonly #splats = new Map<number, Node>();
  readonly #free = new Map<ValType, Local[]>();

  constructor(name: string, results: readonly ValType[], outer?: Fn) {
    this.name = name;
    this.results = results;
    this.outer = outer;
  }

  /** Add a parameter. */
  param(type: ValType, name: string): Local {
    const local: Local = { type, name, index: -1 };
    this.params.push(local);
    this.#owned.add(local);
    return local;
  }

  /** Take a local: a released one of the type if there is one. Its value is undefined. */
  local(type: ValType, name = 't'): Local {
    const free = this.#free.get(type)?.pop();
    if (free !== undefined) return free;
    const local: Local = { type, name, index: -1 };
    this.locals.push(local);
    this.#owned.add(local);
    return local;
  }

  /** Give a local back for other values. */
  release(local: Local): void {
    const free = this.#free.get(local.type) ?? [];
    free.push(local);
    this.#free.set(local.type, free);
  }

  /** Read a local of this function, or of an outer one (which makes it a parameter of this one). */
  get(local: Local): Node {
    return { kind: 'get', type: local.type, local: this.#own(local) };
  }

  #own(local: Local): Local {
    if (this.#owned.has(local)) return local;
    invariant(this.outer !== undefined, `${this.name}: ${local.name} belongs to another function.`);
    const known = this.#captures.get(local);
    if (known !== undefined) return known;
    const param = this.param(local.type, local.name);
    this.#captures.set(local, param);
    return param;
  }

  /** Append a statement. */
  emit(node: Node): void {
    invariant(node.type === 'void', `${this.name}: a statement leaves a value on the stack.`);
    this.#open.push(node);
  }

  /** Assign a local of this function. */
  set(local: Local, value: Node): void {
    invariant(this.#owned.has(local), `${this.name}: assignment to a captured local.`);
    invariant(local.type === value.type, `${this.name}: ${local.type} local set to ${value.type}.`);
    this.#open.push({ kind: 'set', type: 'void', local, args: [value] });
  }

  /** Put a value into a fresh local (released at the end of the innermost `scope`), unless it is a constant or a local already. */
  keep(value: Node, name = 't'): Node {
    if (value.kind === 'get' || value.kind === 'const') return value;
    const local = this.local(value.type as ValType, name);
    this.#temporaries?.push(local);
    this.set(local, value);
    return this.get(local);
  }

  /** Run `fill`; what it keeps may be overwritten afterwards. */
  scope(fill: () => void): void {
    const before = this.#temporaries;
    this.#temporaries = [];
    fill();
    this.#temporaries.forEach((local) => this.release(local));
    this.#temporaries = before;
  }

  /** Assign in an expression. */
  tee(local: Local, value: Node): Node {
    return { kind: 'tee', type: local.type, local, args: [value] };
  }

  /** A v128 constant of equal 32-bit lanes, held in a local that is set once at the start (V8 does not hoist constants). */
  splat(bits: number): Node {
    let node = this.#splats.get(bits | 0);
    if (node === undefined) {
      node = this.vector(splatBits(bits));
      this.#splats.set(bits | 0, node);
    }
    return node;
  }

  /** A vector of zeros, made on the spot: it costs no load. */
  splatZero(): Node {
    return splatBits(0);
  }

  /** A v128 constant of equal f32 lanes, held in a local. */
  float(value: number): Node {
    return this.splat(floatBits(value));
  }

  /** A v128 constant, held in a local that is set once at the start. */
  vector(value: Node): Node {
    invariant(value.kind === 'v128', 'Only v128 constants are pooled.');
    const key = value.bytes.join();
    let local = this.#constants.get(key);
    if (local === undefined) {
      local = { type: 'v128', name: 'c', index: -1 };
      this.locals.push(local);
      this.#owned.add(local);
      this.#constants.set(key, local);
      this.prelude.push({ kind: 'set', type: 'void', local, args: [value] });
    }
    return this.get(local);
  }

  /** Run `fill` with statements going to a new list. */
  collect(fill: () => void): Node[] {
    const before = this.#open;
    const body: Node[] = [];
    this.#open = body;
    fill();
    this.#open = before;
    return body;
  }

  /** Append a block; branches to its label leave it. */
  block(fill: (label: Label) => void): void {
    const label: Label = { name: 'block' };
    this.emit({ kind: 'block', type: 'void', label, body: this.collect(() => fill(label)) });
  }

  /** Append a loop; branches to its label repeat it, falling off its end leaves it. */
  loop(fill: (label: Label) => void): void {
    const label: Label = { name: 'loop' };
    this.emit({ kind: 'loop', type: 'void', label, body: this.collect(() => fill(label)) });
  }

  /** Append a branch. */
  br(label: Label, condition?: Node): void {
    this.emit({ kind: 'br', type: 'void', label, condition });
  }

  /** Append a conditional; a known condition leaves only its arm. */
  if(condition: Node, then: () => void, otherwise?: () => void): void {
    const known = intValue(condition);
    if (known !== undefined) {
      if (known !== 0) then();
      else otherwise?.();
      return;
    }
    this.emit({
      kind: 'if',
      type: 'void',
      condition,
      then: this.collect(then),
      otherwise: otherwise === undefined ? [] : this.collect(otherwise),
    });
  }

  /** Append `for (counter = from; counter < to; counter += step)`; `to` must not change. */
  for(counter: Local, range: { from: Node; to: Node; step?: number }, fill: () => void): void {
    const { from, to, step = 1 } = range;
    this.set(counter, from);
    const repeat = (): void =>
      this.loop((again) => {
        fill();
        const next = this.tee(counter, op('i32.add', this.get(counter), int(step)));
        this.br(again, op('i32.lt_s', next, to));
      });
    this.if(op('i32.lt_s', intValue(from) === undefined ? this.get(counter) : from, to), repeat);
  }

  /** Append a call of a function without results. */
  call(callee: Callee, ...args: readonly Node[]): void {
    this.emit(callNode(callee, args));
  }

  /** Append the call of a function outlined from this one: explicit arguments first, then what it captured. */
  callOutlined(inner: Fn, ...args: readonly Node[]): void {
    invariant(inner.outer === this, `${inner.name} is not outlined from ${this.name}.`);
    const captured = [...inner.#captures.keys()].map((local) => this.get(local));
    this.emit(callNode(inner, [...args, ...captured]));
  }
}

/** A call as an expression (or statement, if the function has no result). */
export function callNode(callee: Callee, args: readonly Node[]): Node {
  invariant(callee.params.length === args.length, `call ${callee.name}: ${args.length} arguments.`);
  return { kind: 'call', type: callee.results[0] ?? 'void', callee, args };
}

/** A function taken from the host. */
export interface Import extends Callee {
  readonly module: string;
}

/** A module under construction. */
export class WasmModule {
  readonly functions: Fn[] = [];
  readonly imports: Import[] = [];
  readonly exports: Map<string, Fn> = new Map();
  /** Whether the imported memory is shared between threads. */
  readonly shared: boolean;
  readonly #helpers = new Map<string, Fn>();

  constructor(shared: boolean) {
    this.shared = shared;
  }

  /** Start a function. `outer`: the function that it is outlined from. */
  fn(name: string, results: readonly ValType[] = [], outer?: Fn): Fn {
    const fn = new Fn(name, results, outer);
    this.functions.push(fn);
    return fn;
  }

  /** The function of this key (a name, perhaps followed by `_{…}`), made by `build` when it is first asked for. */
  helper(key: string, results: readonly ValType[], build: (fn: Fn) => void): Fn {
    let fn = this.#helpers.get(key);
    if (fn === undefined) {
      fn = this.fn(key.replace(/_\{.*$/s, ''), results);
      this.#helpers.set(key, fn);
      build(fn);
    }
    return fn;
  }

  /** The imported function of this name. */
  importFunction(
    module: string,
    name: string,
    params: readonly ValType[],
    results: readonly ValType[],
  ): Import {
    const known = this.imports.find((x) => x.module === module && x.name === name);
    if (known !== undefined) return known;
    const made: Import = {
      module,
      name,
      params: params.map((type) => ({ type })),
      results,
      index: -1,
    };
    this.imports.push(made);
    return made;
  }
}
