/**
 * Why a call was no call of a known program: what differs between two kinds of calls, said by key path. For
 * `config.explainCacheMisses`, and for compiled and exported functions that are called with other arguments than their own.
 */
import { Aval } from '../core/aval.ts';
import { configDifferences } from '../core/config.ts';
import { userFrame } from '../core/source.ts';
import type { TreeDef } from '../core/tree.ts';
import { BoundedMap, onClearCaches } from './caches.ts';
import { callPaths, kindOfCall, type CallKind, type JitArguments } from './jit-arguments.ts';

/** What a comparison looks at. */
export interface Comparison {
  /** Whether weak and strong types count as different. */
  readonly weakTypes: boolean;
}

/** Every difference between a call and a known kind of calls, one sentence each: `args[0]: f32[3], was f32[2] (shape)`. */
export function differences(
  now: CallKind,
  before: CallKind,
  { weakTypes }: Comparison = { weakTypes: true },
): string[] {
  const found = configDifferences(now.config, before.config).map(
    ([flag, is, was]) => `config.${flag}: ${is}, was ${was} (config)`,
  );
  if (now.axes !== before.axes)
    found.push(`named axes: ${now.axes || 'none'}, was ${before.axes || 'none'} (axes)`);
  if (!now.treedef.equals(before.treedef))
    return [...found, ...treeDifferences(now.treedef, before.treedef, 'args')];
  const paths = callPaths(now.treedef);
  now.leaves.forEach((leaf, i) => {
    const what = leafDifference(leaf, before.leaves[i], weakTypes);
    if (what !== undefined) found.push(`${paths[i]}: ${what}`);
  });
  return found;
}

type Leaf = CallKind['leaves'][number];

const showLeaf = (leaf: Leaf): string =>
  leaf instanceof Aval
    ? `${leaf.toString()}${leaf.weakType ? ' weak' : ''}`
    : `static ${leaf.text}`;

function leafDifference(now: Leaf, before: Leaf, weakTypes: boolean): string | undefined {
  const said = (what: string): string => `${showLeaf(now)}, was ${showLeaf(before)} (${what})`;
  if (!(now instanceof Aval) || !(before instanceof Aval)) {
    if (now instanceof Aval || before instanceof Aval) return said('static or traced');
    if (now.key === before.key) return undefined;
    return said(
      now.text === before.text ? 'another static value that looks alike' : 'static value',
    );
  }
  const what: string[] = [];
  if (now.shape.join() !== before.shape.join()) what.push('shape');
  if (now.dtype !== before.dtype) what.push('dtype');
  if (weakTypes && now.weakType !== before.weakType) what.push('weak type');
  return what.length === 0 ? undefined : said(what.join(', '));
}

/** The places where two structures part. */
function treeDifferences(now: TreeDef, before: TreeDef, path: string): string[] {
  if (now.equals(before)) return [];
  if (now.isLeaf || before.isLeaf || !now.sameNode(before))
    return [`${path}: ${now.show()}, was ${before.show()} (tree)`];
  return now.children.flatMap((child, i) =>
    treeDifferences(child, before.children[i], path + now.step(i)),
  );
}

/** What is known of a function when a call of it misses. */
export interface KnownCalls {
  readonly name: string;
  readonly kinds: Iterable<CallKind>;
  /** Whether the function was traced with other options of `jit`. */
  readonly hasOtherOptions: boolean;
  /** Whether a trace could not be kept, because it captured values of a running transformation. */
  readonly hasCaptures: boolean;
}

/** Sources of functions that were traced while misses were explained. */
const seenSources = new BoundedMap<true>(1024, 1 << 22);
onClearCaches(() => seenSources.clear());

/** Say on the console why this call traces its function, for `config.explainCacheMisses`. */
export function explainMiss(f: object, args: JitArguments, known: KnownCalls): void {
  const frame = userFrame();
  // oxlint-disable-next-line no-console -- the flag asks for it
  console.warn(
    [
      `jit: a call of ${known.name} is traced${frame === undefined ? '' : ` at ${frame}`}.`,
      ...reasons(f, args, known).map((line) => `  ${line}`),
    ].join('\n'),
  );
}

function reasons(f: object, args: JitArguments, known: KnownCalls): string[] {
  const now = kindOfCall(args);
  let nearest: readonly string[] | undefined;
  let least = Infinity;
  for (const kind of known.kinds) {
    const found = differences(now, kind);
    // Calls of another structure are farther than all calls of the same one; of equally near ones the youngest counts.
    const distance = found.length + (now.treedef.equals(kind.treedef) ? 0 : 1000);
    if (distance > least) continue;
    [least, nearest] = [distance, found];
  }
  if (nearest !== undefined && nearest.length > 0)
    return ['Compared with the nearest known call:', ...nearest];
  if (known.hasCaptures)
    return [
      'Its last trace captured values of a running transformation and was not kept. Pass them as arguments.',
    ];
  if (known.hasOtherOptions) return ['Never seen with these options of jit.'];
  const source = Function.prototype.toString.call(f);
  const isSeen = seenSources.get(source) === true;
  seenSources.set(source, true);
  return isSeen
    ? [
        'Never seen function, but one with the same source was seen: it is perhaps defined anew for each call.',
        'Define it once, outside of the loop, and pass what changes as arguments.',
      ]
    : ['Never seen function.'];
}
