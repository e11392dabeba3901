/**
 * What the caches of the transformations have in common: they are bounded, or weak in what they are about, and all of them can be
 * emptied at once.
 */

const clearers: (() => void)[] = [];
let generation = 0;

/** Say how a cache of the module is emptied. Caches that belong to one function compare `cacheGeneration` instead. */
export function onClearCaches(clear: () => void): void {
  clearers.push(clear);
}

/** Grows by one with each `clearCaches`: what was remembered under another number is forgotten. */
export const cacheGeneration = (): number => generation;

/**
 * Forget everything that was traced, derived and compiled, of every function. Later calls trace and compile anew; arrays and
 * compiled functions (`jit(f).lower(…).compile()`) stay what they are.
 *
 * @example
 * const f = jit((x) => lax.sin(x));
 * f(0);
 * clearCaches();
 * f.cacheSize(); // → 0
 */
export function clearCaches(): void {
  generation++;
  for (const clear of clearers) clear();
}

/** A map that forgets its oldest entries: it holds at most `limit` of them, with keys of at most `keyLimit` characters together. */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #limit: number;
  readonly #keyLimit: number;
  #keyLength = 0;

  constructor(limit: number, keyLimit: number = Infinity) {
    this.#limit = limit;
    this.#keyLimit = keyLimit;
  }

  /** The entry, which becomes the youngest once the map is half full. */
  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    if (this.#entries.size * 2 > this.#limit || this.#keyLength * 2 > this.#keyLimit) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** Add an entry; the youngest stays, however long its key is. */
  set(key: string, value: V): void {
    if (!this.#entries.has(key)) this.#keyLength += key.length;
    this.#entries.set(key, value);
    for (const oldest of this.#entries.keys()) {
      const isFull = this.#entries.size > this.#limit || this.#keyLength > this.#keyLimit;
      if (!isFull || this.#entries.size === 1) break;
      this.#entries.delete(oldest);
      this.#keyLength -= oldest.length;
    }
  }

  /** Forget everything. */
  clear(): void {
    this.#entries.clear();
    this.#keyLength = 0;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entries, oldest first. */
  values(): IterableIterator<V> {
    return this.#entries.values();
  }
}
