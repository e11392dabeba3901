/**
 * Finding traced values that outlive their transformation, for `config.checkTracerLeaks`. JavaScript does not count references: a
 * value that nobody can reach looks like any other until garbage is collected. So the host must be able to collect it now, in the
 * middle of a task, also what weak references keep until the task ends; whether it can is tried once. Node can; browsers cannot.
 */
import { TracerLeakError } from './errors.ts';

/** A traced value, as far as reports tell of it. */
interface Watched {
  readonly trace: { readonly name: string };
  /** Where it came from: the name of a primitive, or undefined for an argument. */
  readonly madeBy: string | undefined;
  readonly frame: string | undefined;
  toString(): string;
}

/**
 * Collects all garbage now. What seems alive is tried again: a later attempt (0, 1, …) waits a little first, so that what the engine does
 * beside the program comes to its end.
 */
type Collect = (attempt: number) => void;

let makeCollector: () => Collect | undefined = () => undefined;
let collector: { readonly collect: Collect | undefined } | undefined;
let watched: WeakRef<Watched>[] = [];
const mostShown = 5;
const attempts = 4;

/** Say how this host collects garbage at once: the function is called when that is first wanted, and gives undefined when it cannot. */
export function setCollector(make: () => Collect | undefined): void {
  makeCollector = make;
  collector = undefined;
}

/** Remember a traced value without keeping it alive. */
export function watch(value: Watched): void {
  watched.push(new WeakRef(value));
}

/** Forget all of them: after an error, which may hold some. */
export function forgetWatched(): void {
  watched = [];
}

/** Make and drop objects in a frame of its own, so that no register still holds one. */
const dropped = (): WeakRef<object>[] => Array.from({ length: 4 }, () => new WeakRef({}));

/** How to collect garbage at once; undefined, after a warning, where what was dropped stays. */
function findCollector(): Collect | undefined {
  if (collector !== undefined) return collector.collect;
  let collect = makeCollector();
  if (collect !== undefined) {
    const refs = dropped();
    collect(0);
    if (refs.some((ref) => ref.deref() !== undefined)) collect = undefined;
  }
  if (collect === undefined) {
    // oxlint-disable-next-line no-console -- whoever set the flag must know that it finds less here
    console.warn(
      'palladia: config.checkTracerLeaks finds leaked values at the end of a transformation only where garbage can be collected at once (Node); here they are found when they are used.',
    );
  }
  collector = { collect };
  return collect;
}

/**
 * Look for traced values that can still be reached, when nothing is being traced any more.
 *
 * @throws TracerLeakError naming the transformation, and the primitive and line of each value.
 */
export function checkLeaks(): void {
  const refs = watched;
  forgetWatched();
  if (refs.length === 0) return;
  const collect = findCollector();
  if (collect === undefined) return;
  // What was made while a collection was already under way survives that one, and a compiler in the background holds closures.
  for (let attempt = 0; attempt < attempts; attempt++) {
    collect(attempt);
    if (refs.every((ref) => ref.deref() === undefined)) return;
  }
  // A value holds those of outer transformations that it is made of: the others are what the program holds. The innermost comes first.
  const alive = refs
    .map((ref) => ref.deref())
    .filter((value) => value !== undefined)
    .reverse();
  const parts = new Set<unknown>(alive.flatMap((value) => Object.values(value)));
  const held = alive.filter((value) => !parts.has(value));
  const shown = held
    .slice(0, mostShown)
    .map((value) => `\n    ${describeLeak(value)}`)
    .join('');
  const more = held.length > mostShown ? `\n    and ${held.length - mostShown} more` : '';
  throw new TracerLeakError(
    `${held[0].trace.name}: traced values must not outlive their transformation; got ${held.length} that the program can still reach after it had finished:${shown}${more}\n` +
      'Return values from the transformed function instead of storing them in an outer variable, an object or a closure that stays.',
  );
}

const describeLeak = (value: Watched): string =>
  `${value.toString()}, ${value.madeBy === undefined ? 'an argument' : `made by ${value.madeBy}`}${value.frame === undefined ? '' : ` at ${value.frame}`}`;
