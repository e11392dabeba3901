/** Memory that calls use while they run: one block for the whole device, since calls only overlap when one calls JavaScript. It grows and stays. */
import type { Cells } from './cells.ts';
import type { BlockId } from './heap.ts';

/** The block of temporaries. */
export class Workspace {
  readonly #cells: Cells;
  #block: BlockId = -1;
  #byteLength = 0;
  /** Address of the block. */
  address = 0;
  /** Advanced whenever the block moves: addresses made before are void. */
  generation = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  /** Make it at least this large. */
  ensure(byteLength: number): void {
    if (byteLength <= this.#byteLength) return;
    const { heap } = this.#cells;
    const wanted = Math.max(byteLength, 4096, Math.min(2 * this.#byteLength, 1 << 24));
    if (this.#block >= 0) heap.free(this.#block);
    this.#block = -1;
    this.#byteLength = 0;
    this.generation++;
    this.#block = this.#cells.reserve(wanted, 'temporaries');
    this.#byteLength = wanted;
    this.address = heap.address(this.#block);
  }
}

/**
 * The workspaces of a device, by how many calls wait for JavaScript that they called: what a callback computes must not touch the
 * temporaries of the program that called it.
 */
export class Workspaces {
  readonly #cells: Cells;
  readonly #levels: Workspace[];
  #level = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
    this.#levels = [new Workspace(cells)];
  }

  /** The workspace of calls that begin now. */
  get current(): Workspace {
    return this.#levels[this.#level];
  }

  /** Run JavaScript that may begin calls. */
  nested<T>(body: () => T): T {
    this.#level++;
    this.#levels[this.#level] ??= new Workspace(this.#cells);
    try {
      return body();
    } finally {
      this.#level--;
    }
  }
}
