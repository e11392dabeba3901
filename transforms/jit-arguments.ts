/**
 * The arguments of a call of a jitted function: which leaves are traced, which are static, which are donated. Arguments are named by
 * position, and by name where the last argument is a plain object: its properties are what keyword arguments are in Python.
 */
import { describe } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { axesKey } from '../core/axis-env.ts';
import { configKey } from '../core/config.ts';
import { ArgumentError, ConcretizationError } from '../core/errors.ts';
import { keyOf } from '../core/key.ts';
import { RefLike } from '../core/ref-cell.ts';
import { Tracer } from '../core/trace.ts';
import { flatten, leafPaths, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { argumentPath, checkDistinctRefs, isStaticLeaf, toOperand } from './flat-function.ts';
import type { Shardings } from './jit-shardings.ts';
import { ShapeDtypeStruct } from './shape-struct.ts';

/** What enters the key besides the function. */
export interface JitSettings {
  readonly name: string;
  readonly staticArgnums: readonly number[];
  readonly staticArgnames: readonly string[];
  readonly donateArgnums: readonly number[];
  readonly donateArgnames: readonly string[];
  /** Whether programs keep arguments that no result needs. */
  readonly keepUnused: boolean;
  /** Whether programs that call the function get its equations instead of a call. */
  readonly inline: boolean;
  readonly inShardings?: Shardings | undefined;
  readonly outShardings?: Shardings | undefined;
}

/** What a call is known by: all that decides which program runs. */
export interface CallKind {
  readonly treedef: TreeDef;
  /** One entry per leaf: the type of a traced one, the value of a static one. */
  readonly leaves: readonly (Aval | StaticLeaf)[];
  /** The configuration, as `configKey` gives it. */
  readonly config: string;
  /** The named axes around the call, as `axesKey` gives them. */
  readonly axes: string;
}

/** The value of a static leaf: its key, and how to show it. */
export interface StaticLeaf {
  readonly key: string;
  readonly text: string;
}

/** Arguments of one call: dynamic leaves as values or types, everything else in the key. */
export interface JitArguments {
  readonly treedef: TreeDef;
  /** All leaves; static ones as they are, dynamic ones as values or `ShapeDtypeStruct`. */
  readonly leaves: readonly unknown[];
  /** Which leaves are static. */
  readonly isStatic: readonly boolean[];
  readonly avals: readonly Aval[];
  /** Per dynamic leaf; empty when nothing is donated. */
  readonly donated: readonly boolean[];
  readonly key: string;
}

/** An argument that was named static: one leaf, whatever it is. */
class StaticArgument {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/** The JavaScript value of a static leaf. */
export const staticValue = (leaf: unknown): unknown =>
  leaf instanceof StaticArgument ? leaf.value : leaf;

/**
 * Flatten the arguments of a call and tell dynamic leaves from static ones.
 *
 * @throws TreeError for leaves that are neither; ArgumentError for positions that the call does not have, and for arguments that are
 * static and donated; ConcretizationError for traced values as static arguments.
 */
export function splitArguments(
  op: string,
  args: readonly unknown[],
  settings: JitSettings,
): JitArguments {
  const shown = markStatic(op, args, settings);
  const { leaves, treedef } = flatten(shown);
  const isStatic = leaves.map((leaf) => leaf instanceof StaticArgument || isStaticLeaf(leaf));
  let key = `${configKey()}|${treedef.key}`;
  const avals: Aval[] = [];
  const out = leaves.map((leaf, i) => {
    if (isStatic[i]) {
      key += `|=${keyOf(staticValue(leaf))}`;
      return leaf;
    }
    const value =
      leaf instanceof ShapeDtypeStruct ? leaf : toOperand(op, leaf, () => argumentPath(shown, i));
    avals.push(value.aval);
    key += `|${value.aval.key}`;
    return value;
  });
  const donated = donatedLeaves(op, shown, settings).filter((_, i) => !isStatic[i]);
  return { treedef, leaves: out, isStatic, avals, donated, key };
}

/** Wrap the arguments that are named static. */
function markStatic(
  op: string,
  args: readonly unknown[],
  { staticArgnums, staticArgnames }: JitSettings,
): unknown[] {
  const shown = [...args];
  for (const at of positions(op, 'staticArgnums', staticArgnums, args.length)) {
    checkConcrete(op, args[at], `argument ${at}`, 'staticArgnums');
    shown[at] = new StaticArgument(args[at]);
  }
  const named = namedArguments(shown);
  if (named === undefined || staticArgnames.length === 0) return shown;
  const copy = { ...named };
  for (const name of staticArgnames) {
    if (!Object.hasOwn(named, name)) continue;
    checkConcrete(op, named[name], `argument "${name}"`, 'staticArgnames');
    copy[name] = new StaticArgument(named[name]);
  }
  shown[shown.length - 1] = copy;
  return shown;
}

/** The properties of the last argument, when it is a plain object. */
function namedArguments(args: readonly unknown[]): Readonly<Record<string, unknown>> | undefined {
  const last = args.at(-1);
  if (typeof last !== 'object' || last === null) return undefined;
  const proto: unknown = Object.getPrototypeOf(last);
  return proto === Object.prototype || proto === null
    ? (last as Readonly<Record<string, unknown>>)
    : undefined;
}

function checkConcrete(op: string, arg: unknown, what: string, option: string): void {
  const { leaves } = flatten(arg);
  if (leaves.some((leaf) => leaf instanceof RefLike))
    throw new ConcretizationError(
      `${op}: a ref must not be static, because its contents change; got ${describe(arg)} as ${what}. Leave it out of ${option}.`,
    );
  if (leaves.some((leaf) => leaf instanceof Tracer))
    throw new ConcretizationError(
      `${op}: a static argument must be a JavaScript value; got ${arg instanceof Tracer ? arg.toString() : 'a traced value'} as ${what}. Leave it out of ${option}, or pass a value that is not traced.`,
    );
}

function positions(
  op: string,
  what: string,
  argnums: readonly number[],
  count: number,
): ReadonlySet<number> {
  return new Set(
    argnums.map((n) => {
      const at = n < 0 ? n + count : n;
      if (!Number.isInteger(n) || at < 0 || at >= count)
        throw new ArgumentError(
          `${op}: ${what} must name arguments of the call; got ${n} for a call with ${count} arguments. Pass the argument, or change ${what}.`,
        );
      return at;
    }),
  );
}

/** Which leaves belong to donated arguments; empty when nothing is donated. */
function donatedLeaves(
  op: string,
  shown: readonly unknown[],
  { donateArgnums, donateArgnames }: JitSettings,
): boolean[] {
  if (donateArgnums.length === 0 && donateArgnames.length === 0) return [];
  const donated = positions(op, 'donateArgnums', donateArgnums, shown.length);
  const named = donateArgnames.length === 0 ? undefined : namedArguments(shown);
  const flags = (tree: unknown, isDonated: boolean, what: string): boolean[] => {
    if (isDonated && tree instanceof StaticArgument)
      throw new ArgumentError(
        `${op}: a static argument has no memory to donate; got ${what}. Leave it out of one of them.`,
      );
    return flatten(tree).leaves.map(() => isDonated);
  };
  return shown.flatMap((arg, i) => {
    if (i !== shown.length - 1 || named === undefined || donated.has(i))
      return flags(arg, donated.has(i), `argument ${i} in staticArgnums and donateArgnums`);
    // Trees hold the properties of objects in the order of their names.
    return Object.keys(named)
      .toSorted()
      .flatMap((name) =>
        flags(
          named[name],
          donateArgnames.includes(name),
          `argument "${name}" in staticArgnames and donateArgnames`,
        ),
      );
  });
}

/** The values among the leaves. @throws ArgumentError when a `ShapeDtypeStruct` stands where values are needed, or a ref comes twice. */
export function dynamicValues(op: string, args: JitArguments): Value[] {
  const { leaves, isStatic } = args;
  const values = leaves
    .filter((_, i) => !isStatic[i])
    .map((leaf) => {
      if (leaf instanceof ShapeDtypeStruct)
        throw new ArgumentError(
          `${op}: a call needs arrays; got ${leaf.toString()}. Use jit(f).lower(…) or evalShape with types alone.`,
        );
      return leaf as Value;
    });
  checkDistinctRefs(op, values, dynamicPaths(args));
  return values;
}

/** Names of the dynamic leaves. */
export const dynamicPaths =
  ({ treedef, isStatic }: JitArguments) =>
  (i: number): string =>
    callPaths(treedef).filter((_, at) => !isStatic[at])[i];

/** What the arguments are known by. */
export function kindOfCall({ treedef, leaves, isStatic }: JitArguments): CallKind {
  return {
    treedef,
    leaves: leaves.map((leaf, i) =>
      isStatic[i]
        ? { key: keyOf(staticValue(leaf)), text: showStatic(staticValue(leaf)) }
        : (leaf as Value | ShapeDtypeStruct).aval,
    ),
    config: configKey(),
    axes: axesKey(),
  };
}

const mostText = 60;

/** A static value, for messages. */
export function showStatic(value: unknown): string {
  if (typeof value === 'function') return `function ${value.name || '<anonymous>'}`;
  if (typeof value === 'symbol') return value.toString();
  const isOpaque = typeof value === 'object' && value !== null && keyOf(value).startsWith('#');
  const text = isOpaque ? `an object of class ${value.constructor.name}` : keyOf(value);
  return text.length <= mostText ? text : `${text.slice(0, mostText)}…`;
}

/** Key paths of the leaves, as `args[0]['w']`. */
export const callPaths = (treedef: TreeDef): string[] =>
  leafPaths(treedef).map((path) => `args${path}`);
