/**
 * Passes: one loop nest over an iteration space, with everything that is computed at a point of it. Tiles that are not in memory are
 * computed where they are used: a tile at an affine index map is an *instance*, shared by all its uses in the pass. A pass ends in
 * *roots*: writes to windows, reductions into them. Roots join a pass when the order of their effects cannot be observed.
 */
import type { DType } from '../../core/dtype.ts';
import type { Shape } from '../../core/shape.ts';
import { stridesOf } from '../../core/shape.ts';
import { scalarInfo } from '../scalar.ts';
import type { Combiner, ScalarFn } from '../scalar.ts';
import type { Tile, TileOp, TileRegion } from '../tile/ir.ts';
import { affineKey } from './affine.ts';
import { isNarrow } from './convert.ts';
import type { Clip, Reader, Window } from './window.ts';

/** An index as a function of the point: Σ coefficient · axis + constant. */
export interface Form {
  readonly coefs: readonly number[];
  readonly constant: number;
}

/** A number or truth value of a constant. */
export type Value = number | bigint | boolean;

/** What an instance is. Operands are instances at index maps of their own. */
export type Meaning =
  | { readonly kind: 'constant'; readonly value: Value }
  | { readonly kind: 'single'; readonly read: Reader }
  | { readonly kind: 'iota'; readonly form: Form }
  | {
      readonly kind: 'memory';
      readonly window: Window;
      readonly forms: readonly Form[];
      readonly fill: Value;
    }
  | {
      readonly kind: 'gather';
      readonly window: Window;
      readonly fill: Value;
      readonly masked: boolean;
    }
  | { readonly kind: 'scalar'; readonly fn: ScalarFn }
  | { readonly kind: 'select' }
  | { readonly kind: 'cast' }
  | { readonly kind: 'bitcast' };

/** A tile at an index map. */
export interface Instance {
  readonly meaning: Meaning;
  readonly dtype: DType;
  readonly operands: readonly Instance[];
  /** Bit mask of the axes of the pass that it depends on. */
  readonly axes: number;
}

/** About how many instructions a function that the target calls has. */
const calledWork = 40;

/** About how many instructions instances take. */
export const workOf = (instances: readonly Instance[]): number =>
  instances.reduce((sum, { meaning, operands }) => {
    const isCalled = meaning.kind === 'scalar' && !scalarInfo[meaning.fn].native;
    return sum + (isCalled ? calledWork : Math.min(1, operands.length));
  }, 0);

/** Where a pass leaves something. */
export interface Destination {
  readonly window: Window;
  /** One per axis of the window. */
  readonly forms: readonly Form[];
}

/** What a pass does with values. */
export type Root =
  | {
      readonly kind: 'write';
      readonly value: Instance;
      readonly mask: Instance | undefined;
      readonly to: Destination;
      /** The value that this root materialises, if it does. */
      readonly tile: Tile | undefined;
    }
  | {
      readonly kind: 'reduce';
      readonly value: Instance;
      readonly combiner: Combiner;
      readonly to: Destination;
      readonly tile: Tile;
    }
  | {
      readonly kind: 'argreduce';
      readonly value: Instance;
      readonly which: 'max' | 'min';
      readonly axis: number;
      readonly to: Destination;
      readonly tile: Tile;
    }
  | {
      readonly kind: 'fold';
      readonly values: readonly Instance[];
      readonly inits: readonly Instance[];
      readonly region: TileRegion;
      readonly to: readonly Destination[];
      readonly tiles: readonly Tile[];
    }
  | {
      readonly kind: 'scatter';
      readonly window: Window;
      readonly indices: readonly Instance[];
      readonly value: Instance;
      readonly mask: Instance | undefined;
      readonly combiner: Combiner | 'set';
    };

/** The instances that a root reads. */
export function valuesOf(root: Root): Instance[] {
  if (root.kind === 'fold') return [...root.values, ...root.inits];
  const mask =
    (root.kind === 'write' || root.kind === 'scatter') && root.mask !== undefined
      ? [root.mask]
      : [];
  return [root.value, ...(root.kind === 'scatter' ? root.indices : []), ...mask];
}

/** How a pass learns what values are. */
export interface Resolver {
  /** Where a tile stands, if it has been computed; undefined for tiles that are computed where they are used. */
  place(tile: Tile): Place | undefined;
  /** The window of a ref. */
  window(ref: TileOp['operands'][number]): Window;
}

/** Where a computed tile stands. */
export type Place =
  | { readonly kind: 'single'; readonly read: Reader }
  | { readonly kind: 'memory'; readonly window: Window };

/** The iteration space of a pass. */
export interface Space {
  readonly shape: Shape;
  /** Axes that the roots reduce. */
  readonly reduced: readonly number[];
  /** Per axis: which positions to visit, when not all. */
  readonly clips: readonly (Clip | undefined)[];
  /** The pass runs only if this holds. */
  readonly condition: { readonly key: string; readonly read: Reader } | undefined;
}

/** The form that is one axis of the space. */
export const axisForm = (rank: number, axis: number): Form => ({
  coefs: Array.from({ length: rank }, (_, i) => Number(i === axis)),
  constant: 0,
});

/** The forms of a point itself. */
export const identityForms = (rank: number): Form[] =>
  Array.from({ length: rank }, (_, i) => axisForm(rank, i));

const scaled = (form: Form, factor: number, plus: number): Form => ({
  coefs: form.coefs.map((c) => c * factor),
  constant: form.constant * factor + plus,
});

/** Σ forms[i] · factors[i]. */
export function combineForms(
  forms: readonly Form[],
  factors: readonly number[],
  rank: number,
): Form {
  const coefs = new Array<number>(rank).fill(0);
  let constant = 0;
  forms.forEach((form, i) => {
    form.coefs.forEach((c, axis) => (coefs[axis] += c * factors[i]));
    constant += form.constant * factors[i];
  });
  return { coefs, constant };
}

const formKey = ({ coefs, constant }: Form): string => `${coefs.join(',')}+${constant}`;

/** Bit mask of the axes that a form depends on. */
export const axesOf = (form: Form): number =>
  form.coefs.reduce((mask, c, axis) => (c === 0 ? mask : mask | (1 << axis)), 0);

/**
 * The index map of a reshape's operand, when each of its axes is an affine function of the result's index: result axes that split
 * nothing. `from`: shape of the operand; `to`: shape of the result, whose forms are given.
 */
export function reshapeForms(
  from: Shape,
  to: Shape,
  forms: readonly Form[],
  rank: number,
): Form[] | undefined {
  const out: Form[] = [];
  let j = 0;
  for (let i = 0; i < from.length;) {
    let [left, right] = [from[i], 1];
    const group: number[] = [];
    const start = i++;
    while (right < left && j < to.length) {
      right *= to[j];
      group.push(j++);
      while (right > left && i < from.length) left *= from[i++];
    }
    if (left !== right) return undefined;
    const sizes = from.slice(start, i);
    if (sizes.filter((size) => size !== 1).length > 1) return undefined;
    const strides = stridesOf(group.map((axis) => to[axis]));
    const merged = combineForms(
      group.map((axis) => forms[axis]),
      strides,
      rank,
    );
    for (const size of sizes)
      out.push(size === 1 ? { coefs: new Array<number>(rank).fill(0), constant: 0 } : merged);
  }
  return out;
}

let nextId = 0;
const ids = new WeakMap<object, number>();
const idOf = (value: object): number => {
  const known = ids.get(value) ?? nextId++;
  ids.set(value, known);
  return known;
};

/** One operand of a value under expansion. */
interface Child {
  readonly tile: Tile;
  readonly forms: readonly Form[];
  readonly key: string;
}

const formsKeys = new WeakMap<readonly Form[], string>();

function formsKey(forms: readonly Form[]): string {
  const known = formsKeys.get(forms) ?? forms.map(formKey).join(';');
  formsKeys.set(forms, known);
  return known;
}

const childOf = (tile: Tile, forms: readonly Form[]): Child => ({
  tile,
  forms,
  key: `${idOf(tile)}|${formsKey(forms)}`,
});

interface Expansion {
  readonly meaning: Meaning;
  readonly children: readonly Child[];
  /** Passed through: the value is this child. */
  readonly same: boolean;
}

/** Which memory something touches, at which index. */
export interface Touch {
  readonly area: object;
  /** Text that is equal for equal windows and forms. */
  readonly key: string;
  /** Undefined where the index is computed. */
  readonly at: Destination | undefined;
}

/** Roots that share one loop nest at the most. */
const mostRoots = 16;

/** A loop nest under construction. */
export class Pass {
  readonly space: Space;
  readonly roots: Root[] = [];
  /** In an order in which operands come first. */
  readonly instances: Instance[] = [];
  readonly #resolver: Resolver;
  readonly #memo = new Map<string, Instance>();
  readonly #reads: Touch[] = [];
  readonly #writes: Touch[] = [];
  /** Tiles that roots of this pass materialise, with the map at which they do. */
  readonly #own = new Map<Tile, string>();
  readonly #reducedTiles = new Set<Tile>();
  #conflict = false;
  #isNarrow = true;
  /** Keys that the root being added has brought. */
  #added: string[] = [];

  constructor(space: Space, resolver: Resolver) {
    this.space = space;
    this.#resolver = resolver;
  }

  get rank(): number {
    return this.space.shape.length;
  }

  /** Whether everything fits 32-bit lanes. */
  get isNarrow(): boolean {
    return this.#isNarrow;
  }

  /** Areas that the pass reads. */
  get reads(): readonly Touch[] {
    return this.#reads;
  }

  /** Areas that the pass writes. */
  get writes(): readonly Touch[] {
    return this.#writes;
  }

  /**
   * Try to add a root, made by `make` out of instances. Gives false, and leaves the pass as it was, if a read or write of the root meets
   * one of another root, or of itself, in the same memory at another index.
   */
  join(make: (pass: Pass) => Root): boolean {
    const [instances, reads] = [this.instances.length, this.#reads.length];
    if (this.roots.length >= mostRoots) return false;
    this.#added = [];
    this.#conflict = false;
    const wasNarrow = this.#isNarrow;
    const root = make(this);
    const writes = touchesOf(root);
    const clash = (a: Touch, b: Touch): boolean => a.area === b.area && a.key !== b.key;
    const fresh = this.#reads.slice(reads);
    // A pass computes all values of a point before it writes any: what reads an earlier root's memory comes in a later pass.
    const meets =
      fresh.some((read) => this.#writes.some((write) => write.area === read.area)) ||
      writes.some(
        (write) =>
          this.#reads.some((read) => clash(read, write)) ||
          this.#writes.some((other) => clash(other, write)),
      );
    if (this.#conflict || meets || (wasNarrow !== this.#isNarrow && this.roots.length > 0)) {
      this.instances.length = instances;
      this.#reads.length = reads;
      for (const key of this.#added) this.#memo.delete(key);
      this.#isNarrow = wasNarrow;
      return false;
    }
    this.#writes.push(...writes);
    this.roots.push(root);
    this.#remember(root);
    return true;
  }

  /** Leave out roots. */
  drop(roots: readonly Root[]): void {
    if (roots.length > 0)
      this.roots.splice(
        0,
        this.roots.length,
        ...this.roots.filter((root) => !roots.includes(root)),
      );
  }

  #remember(root: Root): void {
    if (root.kind === 'scatter') return;
    if (root.kind === 'fold') root.tiles.forEach((tile) => this.#reducedTiles.add(tile));
    else if (root.kind !== 'write') this.#reducedTiles.add(root.tile);
    else if (root.tile !== undefined) this.#own.set(root.tile, formsKey(identityForms(this.rank)));
  }

  /** The instance of a tile at an index map. */
  instance(tile: Tile, forms: readonly Form[]): Instance {
    const start = childOf(tile, forms);
    // Depth first with an explicit stack: chains of operations may be very long.
    const stack: { child: Child; expansion: Expansion | undefined }[] = [
      { child: start, expansion: undefined },
    ];
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const { key } = top.child;
      if (this.#memo.has(key)) stack.pop();
      else if (top.expansion === undefined) {
        top.expansion = this.#expand(top.child);
        // The first operand is computed first: writers put the longest chain there, and less stays alive.
        for (const child of top.expansion.children.toReversed())
          if (!this.#memo.has(child.key)) stack.push({ child, expansion: undefined });
      } else {
        stack.pop();
        this.#memo.set(key, this.#finish(top.child, top.expansion));
        this.#added.push(key);
      }
    }
    return this.#memo.get(start.key)!;
  }

  #finish({ tile }: Child, { meaning, children, same }: Expansion): Instance {
    const operands = children.map((child) => this.#memo.get(child.key)!);
    if (same) return operands[0];
    let axes = operands.reduce((mask, operand) => mask | operand.axes, 0);
    if (meaning.kind === 'iota') axes |= axesOf(meaning.form);
    if (meaning.kind === 'memory') for (const form of meaning.forms) axes |= axesOf(form);
    return this.add({ meaning, dtype: tile.type.dtype, operands, axes });
  }

  /** Add an instance that no tile stands for. */
  add(instance: Instance): Instance {
    const { meaning } = instance;
    if (meaning.kind === 'memory') this.#reads.push(touchOf(meaning.window, meaning.forms));
    if (meaning.kind === 'gather')
      this.#reads.push({
        area: meaning.window.area,
        key: `gather ${this.instances.length}`,
        at: undefined,
      });
    this.instances.push(instance);
    this.#isNarrow &&= isNarrow(instance.dtype);
    return instance;
  }

  #expand(child: Child): Expansion {
    const { tile, forms } = child;
    const place = this.#resolver.place(tile);
    if (place?.kind === 'single') return leaf({ kind: 'single', read: place.read });
    if (place !== undefined && this.#own.get(tile) !== formsKey(forms)) {
      if (this.#own.has(tile) || this.#reducedTiles.has(tile)) this.#conflict = true;
      return leaf({ kind: 'memory', window: place.window, forms, fill: 0 });
    }
    return expandOp(tile.def!, child, this.rank, (ref) => this.#resolver.window(ref));
  }
}

const leaf = (meaning: Meaning): Expansion => ({ meaning, children: [], same: false });

function touchesOf(root: Root): Touch[] {
  if (root.kind === 'scatter')
    return [{ area: root.window.area, key: `scatter ${idOf(root)}`, at: undefined }];
  const targets = root.kind === 'fold' ? root.to : [root.to];
  return targets.map(({ window, forms }) => touchOf(window, forms));
}

/** What a memory access touches, as text that is equal for equal accesses. */
export function touchOf(window: Window, forms: readonly Form[]): Touch {
  const origins = window.dims.map((dim) => affineKey(dim.origin.affine)).join(',');
  const steps = window.axes
    .map((axis, i) => `${axis.dim}*${axis.step}(${formKey(forms[i])})`)
    .join(',');
  return { area: window.area, key: `${origins}|${steps}`, at: { window, forms } };
}

function expandOp(
  op: TileOp,
  { forms }: Child,
  rank: number,
  window: (ref: TileOp['operands'][number]) => Window,
): Expansion {
  const tiles = op.operands as Tile[];
  const elementwise = (meaning: Meaning): Expansion => ({
    meaning,
    children: tiles.map((tile) => childOf(tile, forms)),
    same: false,
  });
  const view = (map: (axis: number) => Form): Expansion => ({
    meaning: { kind: 'select' },
    children: [
      childOf(
        tiles[0],
        tiles[0].type.shape.map((_, axis) => map(axis)),
      ),
    ],
    same: true,
  });
  const { shape } = tiles[0]?.type ?? { shape: [] };
  switch (op.kind) {
    case 'constant':
      return leaf({ kind: 'constant', value: op.attrs.value });
    case 'iota':
      return leaf({ kind: 'iota', form: forms[op.attrs.axis] });
    case 'scalar':
      return elementwise({ kind: 'scalar', fn: op.attrs.fn });
    case 'select':
    case 'cast':
    case 'bitcast':
      return elementwise({ kind: op.kind });
    case 'assume':
      return view((axis) => forms[axis]);
    case 'broadcast':
      return view((axis) =>
        shape[axis] === 1
          ? scaled(forms[0] ?? { coefs: new Array<number>(rank).fill(0), constant: 0 }, 0, 0)
          : forms[op.attrs.dims[axis]],
      );
    case 'transpose':
      return view((axis) => forms[op.attrs.permutation.indexOf(axis)]);
    case 'slice':
      return view((axis) => scaled(forms[axis], op.attrs.strides[axis], op.attrs.starts[axis]));
    case 'rev':
      return view((axis) =>
        op.attrs.axes.includes(axis) ? scaled(forms[axis], -1, shape[axis] - 1) : forms[axis],
      );
    case 'reshape': {
      const inner = reshapeForms(shape, op.results[0].type.shape, forms, rank)!;
      return view((axis) => inner[axis]);
    }
    case 'load':
      return expandLoad(op, forms, window(op.operands[0]));
    case 'gather': {
      const target = window(op.operands[0]);
      const children = tiles.slice(1).map((tile) => childOf(tile, forms));
      const { fill = 0, masked } = op.attrs;
      return { meaning: { kind: 'gather', window: target, fill, masked }, children, same: false };
    }
    default:
      throw new Error(`${op.kind} is never computed in place`);
  }
}

// A masked load selects between the element and `other`, or else the fill: mask and other are its operands.
function expandLoad(op: TileOp<'load'>, forms: readonly Form[], window: Window): Expansion {
  const meaning: Meaning = { kind: 'memory', window, forms, fill: op.attrs.fill ?? 0 };
  const children = op.operands.slice(1).map((tile) => childOf(tile as Tile, forms));
  return { meaning, children, same: false };
}
