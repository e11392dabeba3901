/**
 * What transformations derive from a jaxpr (its derivative, its batched form, …), kept as long as the jaxpr lives.
 * The same program transformed twice gives the same object, so that whatever was compiled for it is found again.
 */
import type { Jaxpr } from '../core/jaxpr.ts';
import type { Value } from '../core/value.ts';
import { BoundedMap, onClearCaches } from './caches.ts';
import { isCacheable } from './stage.ts';

/** Derived programs by jaxpr and key. Programs that capture values of live transformations are not kept. */
export class JaxprCache<T extends { readonly consts: readonly Value[] }> {
  #entries = new WeakMap<Jaxpr, BoundedMap<T>>();

  constructor() {
    onClearCaches(() => (this.#entries = new WeakMap()));
  }

  /** The entry for this key, made when there is none. */
  get(jaxpr: Jaxpr, key: string, make: () => T): T {
    let entries = this.#entries.get(jaxpr);
    const known = entries?.get(key);
    if (known !== undefined) return known;
    const made = make();
    if (!isCacheable(made.consts)) return made;
    if (entries === undefined) this.#entries.set(jaxpr, (entries = new BoundedMap(256)));
    entries.set(key, made);
    return made;
  }
}

/** A mask as a key: `101`. */
export const maskKey = (mask: readonly boolean[]): string =>
  mask.map((on) => (on ? '1' : '0')).join('');

/** The elements where the mask is on. */
export const where = <T>(xs: readonly T[], mask: readonly boolean[]): T[] =>
  xs.filter((_, i) => mask[i]);

/** The elements where the mask is off. */
export const whereNot = <T>(xs: readonly T[], mask: readonly boolean[]): T[] =>
  xs.filter((_, i) => !mask[i]);

/** Put two lists back together: elements of `on` where the mask is on, of `off` elsewhere, each in order. */
export function merge<T>(mask: readonly boolean[], on: readonly T[], off: readonly T[]): T[] {
  let i = 0;
  let j = 0;
  return mask.map((m) => (m ? on[i++] : off[j++]));
}

/** Cut a list into pieces of these lengths. */
export function split<T>(xs: readonly T[], lengths: readonly number[]): T[][] {
  let at = 0;
  return lengths.map((n) => xs.slice(at, (at += n)));
}
