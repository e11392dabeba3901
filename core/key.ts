/** Structural keys: a string per value, equal exactly where values mean the same, for caches and comparisons of params. */
import { Aval } from './aval.ts';
import { Jaxpr, Literal, type Atom, type Var } from './jaxpr.ts';

/** An object of a class that knows its structural key. */
export interface Keyed {
  structuralKey(): string;
}

const ids = new WeakMap<object, number>();
const symbols = new Map<symbol, number>();
let counter = 0;

/** A number that belongs to this object as long as it lives. */
function idOf(x: object): number {
  let id = ids.get(x);
  if (id === undefined) ids.set(x, (id = counter++));
  return id;
}

function symbolId(x: symbol): number {
  let id = symbols.get(x);
  if (id === undefined) symbols.set(x, (id = counter++));
  return id;
}

/**
 * The structural key of a value: numbers (with -0 and NaN), bigints, booleans, strings, arrays, typed arrays, Maps, Sets, dates,
 * plain objects (keys sorted, absent and undefined entries alike), abstract values and jaxprs by what they hold; functions,
 * symbols and other objects by identity.
 */
export function keyOf(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'string':
      return JSON.stringify(value);
    case 'bigint':
      return `${value}n`;
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'symbol':
      return `@${symbolId(value)}`;
    case 'function':
      return `#${idOf(value)}`;
    case 'object':
      return value === null ? 'null' : objectKey(value);
  }
}

function objectKey(value: object): string {
  if (Array.isArray(value)) {
    let text = '[';
    for (const x of value) text += `${keyOf(x)},`;
    return `${text}]`;
  }
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto === Object.prototype || proto === null) return recordKey(value);
  if (value instanceof Aval) return value.key;
  if (value instanceof Jaxpr) return jaxprKey(value);
  if (value instanceof Map) return `Map${keyOf([...value])}`;
  if (value instanceof Set) return `Set${keyOf([...value])}`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (ArrayBuffer.isView(value)) return viewKey(value);
  if (isKeyed(value)) return value.structuralKey();
  return `#${idOf(value)}`;
}

/** The elements of a typed array, which may change between two calls, with their type. */
function viewKey(view: ArrayBufferView): string {
  const elements: ArrayLike<number | bigint> =
    view instanceof DataView
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      : (view as Uint8Array);
  return `${view.constructor.name}${keyOf(Array.from(elements))}`;
}

const isKeyed = (value: object): value is Keyed =>
  'structuralKey' in value && typeof value.structuralKey === 'function';

function recordKey(value: object): string {
  const fields = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(value);
  if (names.length > 1) names.sort();
  let text = '{';
  for (const name of names) {
    const x = fields[name];
    if (x !== undefined) text += `${isPlainName(name) ? name : JSON.stringify(name)}:${keyOf(x)},`;
  }
  return `${text}}`;
}

const isPlainName = (name: string): boolean => /^\w+$/.test(name);

const jaxprKeys = new WeakMap<Jaxpr, string>();

/** Variables by order of appearance, primitives by name, params by their keys, constants by identity. */
function jaxprKey(jaxpr: Jaxpr): string {
  const known = jaxprKeys.get(jaxpr);
  if (known !== undefined) return known;
  const numbers = new Map<Var, number>();
  const binder = (v: Var): string => {
    numbers.set(v, numbers.size);
    return v.aval.key;
  };
  const atom = (x: Atom): string =>
    x instanceof Literal ? `${keyOf(x.value)}:${x.aval.key}` : `%${numbers.get(x) ?? `?${x.id}`}`;
  const lines = [
    `${jaxpr.constvars.map(binder).join(' ')}=${jaxpr.consts.map((c) => idOf(c)).join(' ')};${jaxpr.invars.map(binder).join(' ')}`,
  ];
  for (const { prim, inputs, params, outputs } of jaxpr.eqns) {
    const args = inputs.map(atom).join(' ');
    lines.push(`${outputs.map(binder).join(' ')}=${prim.name}${keyOf(params)} ${args}`);
  }
  lines.push(jaxpr.outvars.map(atom).join(' '));
  const text = `jaxpr(${lines.join('\n')})`;
  jaxprKeys.set(jaxpr, text);
  return text;
}
