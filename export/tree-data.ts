/** Structures of trees, and static values, as data that JSON can hold. */
import { ArgumentError, ParseError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { flatten, type TreeDef } from '../core/tree.ts';

/** What JSON holds. */
export type Data =
  | null
  | boolean
  | number
  | string
  | readonly Data[]
  | { readonly [name: string]: Data };

/** How the instances of a class of tree nodes are saved. */
export interface NodeSerialization<T extends object> {
  /** The name in saved programs; it must stay the same. */
  readonly name: string;
  /** The node as plain objects, arrays and values; its children are leaves that must be passed on as they are. */
  readonly toTree: (node: T) => unknown;
  /** The node from what `toTree` gave. */
  readonly fromTree: (tree: never) => T;
}

const byPrototype = new Map<object, NodeSerialization<object>>();
const byName = new Map<string, NodeSerialization<object>>();

/**
 * Say how the instances of a class of tree nodes are saved, so that programs that take or return them can be serialized. The class
 * itself must be registered with `tree.registerPytreeNode` or `tree.registerDataclass`, also where programs are loaded.
 *
 * @throws ArgumentError when the class or the name is registered already.
 * @example
 * import { tree } from 'palladia';
 * class Point {
 *   x: unknown;
 *   y: unknown;
 * }
 * tree.registerDataclass(Point, { dataFields: ['x', 'y'] });
 * registerSerialization(Point, {
 *   name: 'Point',
 *   toTree: (p) => [p.x, p.y],
 *   fromTree: ([x, y]: unknown[]) => Object.assign(new Point(), { x, y }),
 * });
 */
export function registerSerialization<T extends object>(
  ctor: abstract new (...args: never[]) => T,
  how: NodeSerialization<T>,
): void {
  checkFunction('registerSerialization', ctor);
  checkOptions('registerSerialization', how, ['name', 'toTree', 'fromTree']);
  const proto = ctor.prototype as object;
  if (byPrototype.has(proto) || byName.has(how.name))
    throw new ArgumentError(
      `registerSerialization: a class, and a name, can be registered once; got ${ctor.name} as "${how.name}" again. Choose another name.`,
    );
  // The registry door: entries of all classes in one table.
  const entry = how as unknown as NodeSerialization<object>;
  byPrototype.set(proto, entry);
  byName.set(how.name, entry);
}

/** Stands for a leaf. */
class Leaf {}
const leaf = new Leaf();

/** The structure of a tree as data. @throws ArgumentError for classes without `registerSerialization`. */
export const treeToData = (treedef: TreeDef): Data => toData(treedef.build(() => leaf));

/** The structure of a tree from data. @throws ParseError when it is none. */
export const treeFromData = (data: Data): TreeDef => flatten(fromData(data)).treedef;

/**
 * A value as data: `"*"` for a leaf, an object that names the kind of node for everything with parts.
 *
 * @throws ArgumentError for functions, symbols and objects of other classes.
 */
export function toData(x: unknown): Data {
  if (x === leaf) return '*';
  if (x === null || typeof x === 'boolean') return x;
  if (typeof x === 'string') return { string: x };
  if (typeof x === 'number') return { number: Object.is(x, -0) ? '-0' : String(x) };
  if (typeof x === 'bigint') return { bigint: String(x) };
  if (x === undefined) return { undefined: true };
  if (Array.isArray(x)) return { list: x.map(toData) };
  if (x instanceof Map) return { map: [...x].map(([key, value]) => [toData(key), toData(value)]) };
  if (typeof x === 'object') {
    const proto: unknown = Object.getPrototypeOf(x);
    if (proto === Object.prototype || proto === null)
      return { object: Object.entries(x).map(([key, value]) => [key, toData(value)]) };
    const how = byPrototype.get(proto as object);
    if (how !== undefined) return { node: how.name, tree: toData(how.toTree(x)) };
  }
  const what = typeof x === 'object' ? `an object of class ${x.constructor.name}` : typeof x;
  throw new ArgumentError(
    `serialize: trees and static values must be plain data; got ${what}. Register its class with registerSerialization, or leave it out of the arguments.`,
  );
}

const isList = (x: Data | undefined): x is readonly Data[] => Array.isArray(x);

/** The value that `toData` made data of. @throws ParseError when it made none. */
export function fromData(data: Data): unknown {
  if (data === '*') return leaf;
  if (data === null || typeof data === 'boolean') return data;
  if (typeof data === 'object' && !isList(data)) {
    const { string, number, bigint, list, map, object, node, tree } = data;
    if (typeof string === 'string') return string;
    if (typeof number === 'string') return Number(number);
    if (typeof bigint === 'string') return BigInt(bigint);
    if (data['undefined'] === true) return undefined;
    if (isList(list)) return list.map(fromData);
    if (isList(map)) return new Map(pairs(map).map(([k, v]) => [fromData(k), fromData(v)]));
    if (isList(object)) return Object.fromEntries(pairs(object).map(([k, v]) => [k, fromData(v)]));
    if (typeof node === 'string' && tree !== undefined) return nodeFromData(node, tree);
  }
  throw new ParseError(
    `deserialize: trees must be made of known nodes; got ${JSON.stringify(data).slice(0, 60)}. Export the program again.`,
  );
}

const pairs = (list: readonly Data[]): [Data, Data][] =>
  list.map((entry) => {
    if (!isList(entry) || entry.length !== 2)
      throw new ParseError(
        `deserialize: entries of nodes must be pairs; got ${JSON.stringify(entry).slice(0, 60)}. Export the program again.`,
      );
    return [entry[0], entry[1]];
  });

function nodeFromData(name: string, tree: Data): unknown {
  const how = byName.get(name);
  if (how === undefined)
    throw new ParseError(
      `deserialize: classes in trees must be registered; got "${name}". Call registerSerialization for it before.`,
    );
  return how.fromTree(fromData(tree) as never);
}
