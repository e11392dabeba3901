/**
 * Pytrees: nested plain objects, arrays, Maps and registered classes with leaves. `null` is a node without leaves; everything
 * else is a leaf. Keys of objects are sorted, so that equal objects have equal trees.
 */
import { describe } from './array.ts';
import { ArgumentError, TreeError } from './errors.ts';
import { keyOf, type Keyed } from './key.ts';
import type { Value } from './value.ts';

type Children = readonly unknown[];
type AnyClass = abstract new (...args: never[]) => object;

/** What the tree of one kind of node is made of. */
interface NodeType {
  readonly name: string;
  /** Children, and whatever else is needed to rebuild the node. */
  flatten(node: object): readonly [children: Children, aux: unknown];
  unflatten(aux: unknown, children: Children): unknown;
  /** Key path of child number `i`. */
  step(aux: unknown, i: number): string;
  show(aux: unknown, children: readonly string[]): string;
}

const quote = (key: unknown): string =>
  typeof key === 'string'
    ? `'${key.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
    : String(key);

const arrayType: NodeType = {
  name: 'array',
  flatten: (node) => [node as unknown[], undefined],
  unflatten: (_, children) => [...children],
  step: (_, i) => `[${i}]`,
  show: (_, children) => `[${children.join(', ')}]`,
};

const objectType: NodeType = {
  name: 'object',
  flatten(node) {
    const keys = Object.keys(node);
    if (keys.length > 1) keys.sort();
    const record = node as Readonly<Record<string, unknown>>;
    return [keys.map((k) => record[k]), keys];
  },
  unflatten: (aux, children) =>
    // `fromEntries` defines own properties, so that a key such as __proto__ is data.
    Object.fromEntries((aux as readonly string[]).map((k, i) => [k, children[i]])),
  step: (aux, i) => `[${quote((aux as readonly string[])[i])}]`,
  show: (aux, children) =>
    `{${(aux as readonly string[]).map((k, i) => `${quote(k)}: ${children[i]}`).join(', ')}}`,
};

const mapType: NodeType = {
  name: 'Map',
  flatten(node) {
    const map = node as ReadonlyMap<unknown, unknown>;
    return [[...map.values()], [...map.keys()]];
  },
  unflatten: (aux, children) => new Map((aux as unknown[]).map((k, i) => [k, children[i]])),
  step: (aux, i) => `[${quote((aux as readonly unknown[])[i])}]`,
  show: (aux, children) =>
    `CustomNode(Map[[${(aux as readonly unknown[]).map(quote).join(', ')}]], [${children.join(', ')}])`,
};

const nullType: NodeType = {
  name: 'null',
  flatten: () => [[], undefined],
  unflatten: () => null,
  step: (_, i) => `[${i}]`,
  show: () => 'None',
};

const registered = new Map<object, NodeType>();
const statics = new Set<object>();

/** The node type of a value; undefined for leaves. */
function typeOf(x: unknown): NodeType | undefined {
  if (x === null) return nullType;
  if (typeof x !== 'object') return undefined;
  if (Array.isArray(x)) return arrayType;
  const proto: unknown = Object.getPrototypeOf(x);
  if (proto === Object.prototype || proto === null) return objectType;
  if (x instanceof Map) return mapType;
  return registered.get(proto as object);
}

/** The structure of a tree: everything but its leaves. Two trees have equal structures exactly when `equals` says so. */
export class TreeDef implements Keyed {
  /** Undefined for a leaf. */
  readonly #type: NodeType | undefined;
  readonly #aux: unknown;
  readonly children: readonly TreeDef[];
  /** Number of leaves. */
  readonly numLeaves: number;
  #key: string | undefined;

  /** Made by `flatten`; the arguments are an internal matter. */
  constructor(type: unknown, aux: unknown, children: readonly TreeDef[]) {
    this.#type = type as NodeType | undefined;
    this.#aux = aux;
    this.children = children;
    let count = type === undefined ? 1 : 0;
    for (const child of children) count += child.numLeaves;
    this.numLeaves = count;
  }

  /** Whether this is the structure of a single leaf. */
  get isLeaf(): boolean {
    return this.#type === undefined;
  }

  /** A string that is equal exactly for equal structures. */
  get key(): string {
    this.#key ??=
      this.#type === undefined
        ? '*'
        : `${typeKey(this.#type)}${this.#aux === undefined ? '' : keyOf(this.#aux)}(${this.children.map((c) => c.key).join(',')})`;
    return this.#key;
  }

  /** The key under which caches know this structure. */
  structuralKey(): string {
    return this.key;
  }

  /** Whether two structures are equal. */
  equals(other: TreeDef): boolean {
    return this === other || this.key === other.key;
  }

  /** Whether node and key sets agree, not looking at the children. */
  sameNode(other: TreeDef): boolean {
    return (
      this.#type === other.#type &&
      this.children.length === other.children.length &&
      keyOf(this.#aux) === keyOf(other.#aux)
    );
  }

  /** Key path of child number `i`, as `['w']`. */
  step(i: number): string {
    return this.#type?.step(this.#aux, i) ?? '';
  }

  /** Rebuild a tree of this structure, taking the leaves in order from `next`. */
  build(next: () => unknown): unknown {
    if (this.#type === undefined) return next();
    return this.#type.unflatten(
      this.#aux,
      this.children.map((c) => c.build(next)),
    );
  }

  /** JAX's form: `PyTreeDef({'a': [*, *]})`. */
  toString(): string {
    return `PyTreeDef(${this.show()})`;
  }

  /** The structure without the wrapper: `{'a': [*, *]}`. */
  show(): string {
    return this.#type === undefined
      ? '*'
      : this.#type.show(
          this.#aux,
          this.children.map((c) => c.show()),
        );
  }
}

const typeKey = (type: NodeType): string => registeredKeys.get(type) ?? type.name;
const registeredKeys = new Map<NodeType, string>();

const leafDef = new TreeDef(undefined, undefined, []);

/** Says which subtrees count as leaves although they are nodes. */
export type IsLeaf = (x: unknown) => boolean;

/** Leaves in order, and the structure that held them. */
export interface Flat {
  readonly leaves: unknown[];
  readonly treedef: TreeDef;
}

/**
 * Take a tree apart.
 *
 * @example
 * tree.flatten({ b: 1, a: [2, null] }).leaves; // → [ 2, 1 ]
 */
export function flatten(tree: unknown, isLeaf?: IsLeaf): Flat {
  const leaves: unknown[] = [];
  return { leaves, treedef: flattenInto(leaves, tree, isLeaf) };
}

function flattenInto(leaves: unknown[], tree: unknown, isLeaf: IsLeaf | undefined): TreeDef {
  const type = isLeaf?.(tree) === true ? undefined : typeOf(tree);
  if (type === undefined) {
    leaves.push(tree);
    return leafDef;
  }
  const [children, aux] = type.flatten(tree as object);
  const defs: TreeDef[] = [];
  for (const child of children) defs.push(flattenInto(leaves, child, isLeaf));
  return new TreeDef(type, aux, defs);
}

/**
 * Put leaves back into a structure.
 *
 * @throws TreeError when the number of leaves does not fit.
 */
export function unflatten(treedef: TreeDef, leaves: readonly unknown[]): unknown {
  if (leaves.length !== treedef.numLeaves)
    throw new TreeError(
      `tree.unflatten: the number of leaves must fit the structure; got ${leaves.length} leaves for ${treedef.toString()}, which holds ${treedef.numLeaves}.`,
    );
  let at = 0;
  return treedef.build(() => leaves[at++]);
}

/** The leaves of a tree, in order. */
export const leaves = (tree: unknown, isLeaf?: IsLeaf): unknown[] => flatten(tree, isLeaf).leaves;

/** The structure of a tree. */
export const structure = (tree: unknown, isLeaf?: IsLeaf): TreeDef => flatten(tree, isLeaf).treedef;

/**
 * Apply a function to every leaf. Further trees must have the first as a prefix: where it has a leaf they may have a
 * subtree, which the function gets whole.
 *
 * @throws TreeError naming the key path where the structures differ.
 * @example
 * tree.map((x: number) => x + 1, { a: 1, b: [2] }); // → { a: 2, b: [ 3 ] }
 */
export function map<T, L = Value>(
  f: (leaf: L, ...rest: L[]) => unknown,
  tree: T,
  ...rest: readonly unknown[]
): T {
  const { leaves: first, treedef } = flatten(tree);
  const others = rest.map((t) => flattenUpTo('tree.map', treedef, t));
  const mapped = first.map((leaf, i) => f(leaf as L, ...others.map((o) => o[i] as L)));
  return unflatten(treedef, mapped) as T;
}

/**
 * The subtrees of `tree` at the leaves of `treedef`.
 *
 * @throws TreeError naming the key path where the structures differ.
 */
export function flattenUpTo(op: string, treedef: TreeDef, tree: unknown): unknown[] {
  const out: unknown[] = [];
  const walk = (def: TreeDef, x: unknown, path: string): void => {
    if (def.isLeaf) {
      out.push(x);
      return;
    }
    const type = typeOf(x);
    const [children, aux] = type === undefined ? [[], undefined] : type.flatten(x as object);
    const here = new TreeDef(
      type,
      aux,
      children.map(() => leafDef),
    );
    if (type === undefined || !def.sameNode(here)) throw mismatch(op, path, def, x);
    def.children.forEach((c, i) => walk(c, children[i], path + def.step(i)));
  };
  walk(treedef, tree, '');
  return out;
}

function mismatch(op: string, path: string, def: TreeDef, x: unknown): TreeError {
  const at = path === '' ? 'the root' : path;
  const got = typeOf(x) === undefined ? describe(x) : flatten(x).treedef.show();
  return new TreeError(
    `${op}: trees must have the same structure; got ${got} instead of ${def.show()} at ${at}. Give every tree the structure of the first.`,
  );
}

/** Every leaf with its key path, as `["['w'][0]", leaf]`. */
export function flattenWithPath(tree: unknown, isLeaf?: IsLeaf): [path: string, leaf: unknown][] {
  const { leaves: all, treedef } = flatten(tree, isLeaf);
  return leafPaths(treedef).map((path, i) => [path, all[i]]);
}

/** The key paths of all leaves of a structure. */
export function leafPaths(treedef: TreeDef): string[] {
  const paths: string[] = [];
  const walk = (def: TreeDef, path: string): void => {
    if (def.isLeaf) paths.push(path);
    else def.children.forEach((c, i) => walk(c, path + def.step(i)));
  };
  walk(treedef, '');
  return paths;
}

/** Apply a function to every leaf and its key path. */
export function mapWithPath<T, L = Value>(f: (path: string, leaf: L) => unknown, tree: T): T {
  const { leaves: all, treedef } = flatten(tree);
  const paths = leafPaths(treedef);
  return unflatten(
    treedef,
    all.map((leaf, i) => f(paths[i], leaf as L)),
  ) as T;
}

/** Combine all leaves from the left, starting from `initial`. */
export function reduce<R, L = Value>(f: (sum: R, leaf: L) => R, tree: unknown, initial: R): R {
  return leaves(tree).reduce<R>((sum, leaf) => f(sum, leaf as L), initial);
}

/** Whether all leaves are truthy; true for a tree without leaves. */
export const all = (tree: unknown): boolean => leaves(tree).every(Boolean);

/**
 * Turn a tree of trees inside out: `outer` of `inner` becomes `inner` of `outer`.
 *
 * @throws TreeError when the tree is not `outer` with an `inner` at each leaf.
 */
export function transpose(outer: TreeDef, inner: TreeDef, tree: unknown): unknown {
  const rows = flattenUpTo('tree.transpose', outer, tree).map((t) =>
    flattenUpTo('tree.transpose', inner, t),
  );
  const columns = Array.from({ length: inner.numLeaves }, (_, j) =>
    unflatten(
      outer,
      rows.map((row) => row[j]),
    ),
  );
  return unflatten(inner, columns);
}

/**
 * Spread a prefix of a structure over its leaves: one entry per leaf of `treedef`. `null` counts as a leaf of the prefix.
 *
 * @throws TreeError naming the argument and the key path where the prefix does not fit.
 */
export function broadcastPrefix(
  op: string,
  what: string,
  prefix: unknown,
  treedef: TreeDef,
  isLeaf: IsLeaf = (x) => x === null,
): unknown[] {
  const out: unknown[] = [];
  const walk = (x: unknown, def: TreeDef, path: string): void => {
    const type = isLeaf(x) ? undefined : typeOf(x);
    if (type === undefined) {
      for (let i = 0; i < def.numLeaves; i++) out.push(x);
      return;
    }
    const [children, aux] = type.flatten(x as object);
    if (
      !def.sameNode(
        new TreeDef(
          type,
          aux,
          children.map(() => leafDef),
        ),
      )
    )
      throw new TreeError(
        `${op}: ${what} must be a prefix of the tree it belongs to; got ${flatten(x, isLeaf).treedef.show()} for ${def.show()} at ${path === '' ? 'the root' : path}. Give one entry for the whole, or one per child.`,
      );
    children.forEach((c, i) => walk(c, def.children[i], path + def.step(i)));
  };
  walk(prefix, treedef, '');
  return out;
}

/** A class that was not registered before, named in errors. */
function checkNew(op: string, ctor: AnyClass): object {
  const proto = ctor.prototype as object;
  if (registered.has(proto) || statics.has(proto))
    throw new ArgumentError(`${op}: a class can be registered once; got ${ctor.name} again.`);
  return proto;
}

/**
 * Make the instances of a class nodes of trees. `flattenNode` gives the children and the rest (compared structurally);
 * `unflattenNode` rebuilds an instance, also from children that are no arrays.
 *
 * @throws ArgumentError when the class is registered already.
 */
export function registerPytreeNode<T extends object, A>(
  ctor: abstract new (...args: never[]) => T,
  flattenNode: (node: T) => readonly [children: readonly unknown[], aux: A],
  unflattenNode: (aux: A, children: readonly unknown[]) => T,
  stepOf: (aux: A, i: number) => string = (_, i) => `[<flat index ${i}>]`,
): void {
  const proto = checkNew('registerPytreeNode', ctor);
  const type: NodeType = {
    name: ctor.name,
    flatten: (node) => flattenNode(node as T),
    unflatten: (aux, children) => unflattenNode(aux as A, children),
    step: (aux, i) => stepOf(aux as A, i),
    show: (aux, children) =>
      `CustomNode(${ctor.name}[${aux === undefined ? 'None' : showAux(aux)}], [${children.join(', ')}])`,
  };
  registered.set(proto, type);
  registeredKeys.set(type, `${ctor.name}#${registered.size}`);
}

const showAux = (aux: unknown): string =>
  Array.isArray(aux)
    ? `(${aux.map(showAux).join(', ')}${aux.length === 1 ? ',' : ''})`
    : quote(aux);

/**
 * Make the instances of a class nodes of trees by naming their fields: data fields are children, meta fields belong to the
 * structure. Instances are rebuilt without calling the constructor.
 *
 * @throws ArgumentError when the class is registered already.
 */
export function registerDataclass<T extends object>(
  ctor: abstract new (...args: never[]) => T,
  fields: {
    readonly dataFields: readonly (keyof T & string)[];
    readonly metaFields?: readonly (keyof T & string)[];
  },
): void {
  const { dataFields, metaFields = [] } = fields;
  registerPytreeNode<T, readonly unknown[]>(
    ctor,
    (node) => [dataFields.map((f) => node[f]), metaFields.map((f) => node[f])],
    (aux, children) => {
      const node = Object.create(ctor.prototype as object) as T;
      dataFields.forEach((f, i) => (node[f] = children[i] as T[typeof f]));
      metaFields.forEach((f, i) => (node[f] = aux[i] as T[typeof f]));
      return node;
    },
    (_, i) => `.${dataFields[i]}`,
  );
}

/**
 * Make the instances of a class static: leaves that are no arrays, which `jit` moves into its key. Two instances are the
 * same when they are one object, or when they say so through a `structuralKey()` method.
 *
 * @throws ArgumentError when the class is registered already.
 */
export function registerStatic(ctor: AnyClass): void {
  statics.add(checkNew('registerStatic', ctor));
}

/** Whether a leaf is an instance of a class that was registered as static. */
export const isStatic = (x: unknown): boolean =>
  typeof x === 'object' && x !== null && statics.has(Object.getPrototypeOf(x) as object);
