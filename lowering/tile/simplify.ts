/**
 * Makes an equal kernel with less in it: constants folded, equal values computed once, what nothing uses dropped, known branches and loops of at most
 * one trip opened. Ops are visited once, in order; recursion is over the nesting of regions only. The local rewrites stand in `simplify-rules.ts`.
 */
import { makeOp, makeValue } from './build.ts';
import type {
  Kernel,
  Ref,
  TileAttrs,
  TileKind,
  TileOp,
  TileRegion,
  TileValue,
  TypeOf,
} from './ir.ts';
import { rewrite, splatOf, type Draft, type Rewriter } from './simplify-rules.ts';
import { hasEffect, rootOf } from './verify.ts';

/** Kinds whose value depends on more than their operands and attributes. */
const stateful: ReadonlySet<TileKind> = new Set<TileKind>([
  'for',
  'while',
  'if',
  'alloc',
  'load',
  'gather',
]);

/** Kinds whose regions run where the op stands. Those of others are functions, of which targets make functions: they name nothing from outside. */
const control: ReadonlySet<TileKind> = new Set<TileKind>(['for', 'while', 'if']);

/** Attributes as text; -0 differs from 0, and an integer from a bigint. */
function attrKey(attrs: Readonly<Record<string, unknown>>): string {
  let text = '';
  for (const name in attrs) {
    const value = attrs[name];
    text += ` ${name} ${Object.is(value, -0) ? '-0' : String(value)}${typeof value === 'bigint' ? 'n' : ''}`;
  }
  return text;
}

class Simplifier implements Rewriter {
  readonly kernel: Kernel;
  readonly #map = new Map<TileValue, TileValue>();
  readonly #ids = new Map<TileValue, number>();
  /** Values by what computes them, one table per open region. */
  #known: Map<string, readonly TileValue[]>[] = [];
  readonly #readOnly = new Set<TileValue>();
  #ops: TileOp[] = [];

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Declare that nothing writes what these refs show. */
  protect(refs: readonly Ref[]): void {
    for (const ref of refs) this.#readOnly.add(ref);
  }

  region(region: TileRegion, before?: (args: TileValue[]) => void): TileRegion {
    const outer = this.#ops;
    this.#ops = [];
    this.#known.push(new Map());
    const args = region.args.map((arg) => {
      const made = makeValue(arg.type, arg.index, arg.name);
      this.#map.set(arg, made);
      return made;
    });
    before?.(args);
    const results = this.#inline(region);
    const made = { args, ops: this.#ops, results };
    this.#known.pop();
    this.#ops = outer;
    return made;
  }

  /** Rewrite the ops of a region into the open one; gives what it yields. */
  #inline(region: TileRegion): TileValue[] {
    for (const op of region.ops) this.#op(op);
    return region.results.map((r) => this.#of(r));
  }

  #of(value: TileValue): TileValue {
    return this.#map.get(value) ?? value;
  }

  #op(op: TileOp): void {
    const operands = op.operands.map((x) => this.#of(x));
    const opened = this.#open(op, operands);
    const results =
      opened ?? (op.regions.length > 0 ? this.#nested(op, operands) : this.#plain(op, operands));
    op.results.forEach((r, i) => {
      this.#map.set(r, results[i]);
      results[i].name ??= r.name;
    });
  }

  #plain(op: TileOp, operands: readonly TileValue[]): readonly TileValue[] {
    if ((op.kind === 'store' || op.kind === 'accumulate') && operands.length === 3) {
      const mask = splatOf(operands[2]);
      if (mask === 0) return [];
      if (mask === 1) return this.#append(op, operands.slice(0, 2));
    }
    return this.#append(op, operands);
  }

  #append(op: TileOp, operands: readonly TileValue[]): readonly TileValue[] {
    return this.#write(
      { kind: op.kind, operands, attrs: op.attrs, types: op.results.map((r) => r.type) },
      op.frame,
    );
  }

  #nested(op: TileOp, operands: readonly TileValue[]): readonly TileValue[] {
    const reduced = rewrite(
      { kind: op.kind, operands, attrs: op.attrs, types: op.results.map((r) => r.type) },
      this,
    );
    if (reduced !== undefined) return reduced;
    const around = this.#known;
    if (!control.has(op.kind)) this.#known = [];
    const regions = op.regions.map((r) =>
      this.region(r, op.kind === 'for' ? (args) => this.#counters(op, operands, args) : undefined),
    );
    this.#known = around;
    const made = makeOp(op.kind, operands, op.attrs, {
      types: op.results.map((r) => r.type),
      regions,
      frame: op.frame,
    });
    this.#ops.push(made);
    return made.results;
  }

  /** Open a branch that is known, or a loop of no or one trip. */
  #open(op: TileOp, operands: readonly TileValue[]): readonly TileValue[] | undefined {
    if (op.kind === 'if') {
      const taken = splatOf(operands[0]);
      return taken === undefined ? undefined : this.#inline(op.regions[taken === 0 ? 1 : 0]);
    }
    if (op.kind !== 'for') return undefined;
    const [lo, hi, step] = operands
      .slice(0, 3)
      .map(splatOf)
      .map((v) => (v === undefined ? NaN : Number(v)));
    const trips = Math.max(0, Math.ceil((hi - lo) / step));
    if (trips === 0) return operands.slice(3);
    if (trips !== 1) return undefined;
    op.regions[0].args.forEach((arg, i) => this.#map.set(arg, operands[i === 0 ? 0 : i + 2]));
    return this.#inline(op.regions[0]);
  }

  /** Carried values that count what the loop counts: the index has known bounds, a carried value has none. */
  #counters(op: TileOp, operands: readonly TileValue[], args: readonly TileValue[]): void {
    const [lo, , step, ...inits] = operands;
    const [{ args: old, results }] = op.regions;
    const isEqual = (x: TileValue, y: TileValue): boolean => {
      const [a, b] = [splatOf(this.#of(x)), splatOf(this.#of(y))];
      return this.#of(x) === this.#of(y) || (a !== undefined && a === b);
    };
    inits.forEach((init, n) => {
      const [carried, next] = [old[n + 1], results[n]];
      const { type } = carried;
      if (type.kind !== 'tile' || type.dtype !== 'i32' || type.shape.length > 0) return;
      const sum = next.def;
      if (sum?.kind !== 'scalar' || sum.attrs.fn !== 'add' || !isEqual(init, lo)) return;
      const [x, y] = sum.operands;
      if ((x === carried && isEqual(y, step)) || (y === carried && isEqual(x, step)))
        this.#map.set(carried, args[0]);
    });
  }

  emit<K extends TileKind>(
    kind: K,
    operands: readonly TileValue[],
    attrs: TileAttrs[K],
    types: readonly TypeOf[],
  ): TileValue[] {
    return [...this.#write({ kind, operands, attrs, types }, undefined)];
  }

  #write<K extends TileKind>(draft: Draft<K>, frame: string | undefined): readonly TileValue[] {
    const simpler = rewrite(draft, this);
    if (simpler !== undefined) return simpler;
    const key = this.#key(draft);
    const known = key === undefined ? undefined : this.#find(key);
    if (known !== undefined) return known;
    const made = makeOp(draft.kind, draft.operands, draft.attrs, { types: draft.types, frame });
    this.#ops.push(made as TileOp);
    if (key !== undefined) this.#known.at(-1)?.set(key, made.results);
    return made.results;
  }

  #find(key: string): readonly TileValue[] | undefined {
    for (let i = this.#known.length - 1; i >= 0; i--) {
      const values = this.#known[i].get(key);
      if (values !== undefined) return values;
    }
    return undefined;
  }

  #key(draft: Draft): string | undefined {
    const { kind, operands, attrs, types } = draft;
    const isFixed =
      (kind === 'load' || kind === 'gather') && this.#readOnly.has(rootOf(operands[0]));
    if (hasEffect(kind) || (stateful.has(kind) && !isFixed)) return undefined;
    let key: string = kind;
    for (const x of operands) key += ` ${this.#id(x)}`;
    key += attrKey(attrs);
    for (const type of types) key += ` ${type.dtype}[${type.shape.join()}]`;
    return key;
  }

  #id(value: TileValue): number {
    let id = this.#ids.get(value);
    if (id === undefined) this.#ids.set(value, (id = this.#ids.size));
    return id;
  }
}

/** Drop ops that nothing uses, innermost regions included. */
function sweep(region: TileRegion, used: Set<TileValue>): boolean {
  for (const result of region.results) used.add(result);
  let isNeeded = false;
  const kept: TileOp[] = [];
  for (let i = region.ops.length - 1; i >= 0; i--) {
    const op = region.ops[i];
    const acts = hasEffect(op.kind) || op.regions.some(sweepable);
    if (!acts && !op.results.some((r) => used.has(r))) continue;
    isNeeded ||= acts;
    for (const inner of op.regions) sweep(inner, used);
    for (const operand of op.operands) used.add(operand);
    kept.push(op);
  }
  kept.reverse();
  region.ops.splice(0, region.ops.length, ...kept);
  return isNeeded;
}

/** Whether a region does anything besides computing what it yields. */
function sweepable(region: TileRegion): boolean {
  return region.ops.some((op) => hasEffect(op.kind) || op.regions.some(sweepable));
}

/** Whether a kernel writes nothing through this ref. */
const isReadOnly = (kernel: Kernel, at: number): boolean =>
  at < kernel.operands.length && kernel.operands[at].access === 'read';

/** An equal region of ops on tiles with less in it; the argument is not changed. */
export function simplifyRegion(region: TileRegion): TileRegion {
  const around: Kernel = { name: 'region', grid: [], operands: [], scratch: [], body: region };
  const made = new Simplifier(around).region(region);
  sweep(made, new Set());
  return made;
}

/** An equal kernel with less in it; the argument is not changed. */
export function simplifyKernel(kernel: Kernel): Kernel {
  const clean = (region: TileRegion): TileRegion => {
    sweep(region, new Set());
    return region;
  };
  const operands = kernel.operands.map((o) => ({
    ...o,
    block: { ...o.block, indexMap: clean(new Simplifier(kernel).region(o.block.indexMap)) },
  }));
  const simplifier = new Simplifier(kernel);
  const body = clean(
    simplifier.region(kernel.body, (args) =>
      simplifier.protect(args.filter((_, i) => isReadOnly(kernel, i)) as Ref[]),
    ),
  );
  return { ...kernel, operands, body };
}
