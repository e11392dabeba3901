/** Scratch memory of one program: blocks at fixed offsets from its base, reused once nothing waits to read them. */
const alignment = 64;
/** Readable bytes behind every block: vectors at the end of a tile read past it. */
const slack = 64;

interface Block {
  readonly offset: number;
  readonly byteLength: number;
}

/** First-fit allocator at compile time. */
export class Scratch {
  #free: Block[] = [];
  #end = 0;
  readonly #sizes = new Map<number, number>();
  #returned: number[] = [];

  /** Bytes in use at the highest. */
  get byteLength(): number {
    return this.#end;
  }

  /** Take a block: its offset. */
  take(byteLength: number): number {
    const rounded = Math.ceil((byteLength + slack) / alignment) * alignment;
    const at = this.#free.findIndex((block) => block.byteLength >= rounded);
    let offset = this.#end;
    if (at < 0) this.#end += rounded;
    else {
      const block = this.#free[at];
      offset = block.offset;
      if (block.byteLength === rounded) this.#free.splice(at, 1);
      else this.#free[at] = { offset: offset + rounded, byteLength: block.byteLength - rounded };
    }
    this.#sizes.set(offset, rounded);
    return offset;
  }

  /** Give a block back; it can be taken again after the next `settle`. */
  release(offset: number): void {
    this.#returned.push(offset);
  }

  /** Say that all code that reads returned blocks has been emitted. */
  settle(): void {
    for (const offset of this.#returned)
      this.#free.push({ offset, byteLength: this.#sizes.get(offset)! });
    this.#returned = [];
    const sorted = this.#free.toSorted((a, b) => a.offset - b.offset);
    this.#free = [];
    for (const block of sorted) {
      const last = this.#free.at(-1);
      if (last !== undefined && last.offset + last.byteLength === block.offset)
        this.#free[this.#free.length - 1] = {
          offset: last.offset,
          byteLength: last.byteLength + block.byteLength,
        };
      else this.#free.push(block);
    }
  }
}
