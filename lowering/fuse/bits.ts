/** Growing bit sets, for ancestors of fusions. */

/** A set of small non-negative integers. */
export class Bits {
  #words: Uint32Array = new Uint32Array(4);

  /** Whether `i` is in the set. */
  has(i: number): boolean {
    return i >>> 5 < this.#words.length && (this.#words[i >>> 5] & (1 << (i & 31))) !== 0;
  }

  #grow(words: number): void {
    if (words <= this.#words.length) return;
    const next = new Uint32Array(Math.max(words, this.#words.length * 2));
    next.set(this.#words);
    this.#words = next;
  }

  /** Add one element. */
  add(i: number): void {
    this.#grow((i >>> 5) + 1);
    this.#words[i >>> 5] |= 1 << (i & 31);
  }

  /** Add all elements of another set; says whether anything was new. */
  addAll(other: Bits): boolean {
    this.#grow(other.#words.length);
    let changed = 0;
    for (let w = 0; w < other.#words.length; w++) {
      const next = this.#words[w] | other.#words[w];
      changed |= next ^ this.#words[w];
      this.#words[w] = next;
    }
    return changed !== 0;
  }
}
