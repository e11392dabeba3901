/** Memory that calls use while they run: one block for the whole device, since calls never overlap. It grows and stays. */
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
