/**
 * Arrays of the wasm device: which of them live in the heap, which moved out to buffers that the engine owns, and when their memory is
 * freed. Nobody counts references: a registry hears of arrays that were collected, and above a soft limit the arrays that were not used
 * for longest move out, so that even a loop that never lets the registry run stays within bounds.
 *
 * A `WasmBuffer` (what arrays hold) → a `Storage` (what the registry watches; buffers of one value share it) → a `Cell` (what the table
 * holds while the value is in the heap; it never points back). Values of at most 64 bytes have no cell at all.
 */
import type { Device, DeviceBuffer } from '../../core/backend.ts';
import { DeletedArrayError, OutOfMemoryError, invariant } from '../../core/errors.ts';
import { nodeModule } from './features.ts';
import { showBytes, type BlockId, type Heap } from './heap.ts';

/** Values up to this size are kept in JavaScript. */
export const tinyBytes = 64;
/** One array per so many bytes carries ballast for all of them, so that the collector feels them. */
const ballastBytes = 2 ** 20;
const slots = 2 ** 24;

interface NodeBuffers {
  readonly Buffer: { allocUnsafeSlow(byteLength: number): Uint8Array };
}

/** Memory that is not touched: Node has a call for it; elsewhere engines hand out zero pages. */
const { Buffer: nodeBuffer } = (nodeModule('node:buffer') ?? {}) as Partial<NodeBuffers>;
const untouched = (byteLength: number): Uint8Array =>
  nodeBuffer?.allocUnsafeSlow(byteLength) ?? new Uint8Array(byteLength);

/** A value in the heap, or moved out to `host`. Cells form a ring from the oldest use to the newest. */
class Cell {
  /** Slot in the table and generation of the slot; -1 while the cell is not in the table. */
  id = -1;
  block: BlockId = -1;
  address = 0;
  readonly byteLength: number;
  host: Uint8Array | undefined;
  /** Number of the last call that used the cell: cells of the current call stay where they are. */
  call = 0;
  older: Cell = this;
  newer: Cell = this;

  constructor(byteLength: number) {
    this.byteLength = byteLength;
  }
}

/** The value of one or several buffers: the registry watches it. */
class Storage {
  readonly cell: Cell | undefined;
  readonly words: Int32Array | undefined;
  /** Memory of the engine's that dies with this object. */
  ballast: Uint8Array | undefined;
  /** Buffers that were made for it and not disposed. */
  owners = 1;

  constructor(cell: Cell | undefined, words: Int32Array | undefined) {
    this.cell = cell;
    this.words = words;
    this.ballast = undefined;
  }
}

/** What arrays on the wasm device hold. */
export class WasmBuffer implements DeviceBuffer {
  readonly device: Device;
  readonly byteLength: number;
  readonly #cells: Cells;
  /** The value; undefined after `dispose`. For `Cells`. */
  storage: Storage | undefined;

  constructor(cells: Cells, byteLength: number, storage: Storage) {
    this.device = cells.device;
    this.byteLength = byteLength;
    this.#cells = cells;
    this.storage = storage;
  }

  get deleted(): boolean {
    return this.storage === undefined;
  }

  dispose(): void {
    this.#cells.release(this);
  }
}

/** How much memory arrays may take. */
export interface CellOptions {
  /** Bytes of the heap above which arrays that were not used for longest move out to buffers of the engine. */
  readonly softLimit: number;
}

/** The table of arrays. */
export class Cells {
  readonly heap: Heap;
  device!: Device;
  softLimit: number;
  /** Bytes that were allocated since the count was last set to zero: devices yield to the registry by it. */
  allocatedBytes = 0;
  /** How many arrays moved out, and how many came back. */
  evictions = 0;
  reloads = 0;
  #call = 1;
  /** Calls that wait for JavaScript which they called. */
  #holds = 0;
  /** Bytes of arrays that no ballast stands for yet. */
  #unfelt = 0;
  /** Cells by slot; the generation of a slot tells a cell from earlier ones in its place. */
  readonly #table: (Cell | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  /** Ends of the ring: `ring.newer` is the cell that was not used for longest. */
  readonly #ring = new Cell(0);
  readonly #registry: FinalizationRegistry<number>;

  constructor(heap: Heap, { softLimit }: CellOptions) {
    this.heap = heap;
    this.softLimit = softLimit;
    this.#registry = new FinalizationRegistry((id) => this.#collected(id));
  }

  /** Arrays in the heap. */
  get residentCount(): number {
    return this.#table.length - this.#freeSlots.length;
  }

  /** Bytes of the heap that arrays take. */
  get liveArrayBytes(): number {
    return this.heap.liveBytesOf('arrays');
  }

  /** Begin a call: what it uses from now on stays in the heap until the next one begins. */
  beginCall(): void {
    if (this.#holds === 0) this.#call++;
  }

  /** Call JavaScript from within a call: whatever calls it makes, what this one uses stays in the heap. */
  hold<T>(body: () => T): T {
    this.#holds++;
    try {
      return body();
    } finally {
      this.#holds--;
    }
  }

  /** Make a buffer whose bytes are undefined; at least `tinyBytes + 1` of them. */
  create(byteLength: number): WasmBuffer {
    const cell = new Cell(byteLength);
    this.#place(cell);
    const storage = new Storage(cell, undefined);
    this.#registry.register(storage, cell.id);
    this.#unfelt += byteLength;
    if (this.#unfelt >= ballastBytes) {
      storage.ballast = untouched(this.#unfelt);
      this.#unfelt = 0;
    }
    return new WasmBuffer(this, byteLength, storage);
  }

  /** Make a buffer of a tiny value that stands at an address. */
  createTiny(byteLength: number, address: number): WasmBuffer {
    const words = new Int32Array((byteLength + 3) >>> 2);
    const { i32 } = this.heap;
    const at = address >>> 2;
    for (let i = 0; i < words.length; i++) words[i] = i32[at + i];
    return new WasmBuffer(this, byteLength, new Storage(undefined, words));
  }

  /** Make a second buffer of a value. */
  share(buffer: WasmBuffer): WasmBuffer {
    const storage = alive(buffer);
    storage.owners++;
    return new WasmBuffer(this, buffer.byteLength, storage);
  }

  /** Make a buffer from bytes of the host. */
  upload(bytes: Uint8Array): WasmBuffer {
    if (bytes.byteLength <= tinyBytes) {
      const words = new Int32Array((bytes.byteLength + 3) >>> 2);
      new Uint8Array(words.buffer).set(bytes);
      return new WasmBuffer(this, bytes.byteLength, new Storage(undefined, words));
    }
    this.beginCall();
    const buffer = this.create(bytes.byteLength);
    this.heap.u8.set(bytes, this.use(buffer));
    return buffer;
  }

  /** A copy of the bytes of a buffer. */
  download(buffer: WasmBuffer): Uint8Array {
    const { cell, words } = alive(buffer);
    if (words !== undefined) return new Uint8Array(words.buffer).slice(0, buffer.byteLength);
    if (cell?.host !== undefined) return new Uint8Array(cell.host);
    const address = this.use(buffer);
    return this.heap.u8.slice(address, address + buffer.byteLength);
  }

  /** The address of a value of more than `tinyBytes`, which comes back to the heap if it had moved out. Valid within the call. */
  use(buffer: WasmBuffer): number {
    const storage = alive(buffer);
    const cell = storage.cell;
    invariant(cell !== undefined, 'a tiny value has no address.');
    if (cell.block < 0) this.#reload(storage, cell);
    else if (cell.newer !== this.#ring) {
      unlink(cell);
      this.#link(cell);
    }
    cell.call = this.#call;
    return cell.address;
  }

  /** Write a tiny value to an address. */
  writeTiny(buffer: WasmBuffer, address: number): void {
    const { words } = alive(buffer);
    invariant(words !== undefined, 'a value in the heap used as a tiny one.');
    const { i32 } = this.heap;
    const at = address >>> 2;
    for (let i = 0; i < words.length; i++) i32[at + i] = words[i];
  }

  /** Take a buffer's value away; the memory is free as soon as no other buffer has it. */
  release(buffer: WasmBuffer): void {
    const storage = buffer.storage;
    buffer.storage = undefined;
    if (storage === undefined || --storage.owners > 0) return;
    const cell = storage.cell;
    if (cell === undefined) return;
    cell.host = undefined;
    if (cell.block >= 0) this.#drop(cell);
  }

  /** Whether a program may write over the value of a buffer: nobody else has it. */
  isSole(buffer: WasmBuffer): boolean {
    return buffer.storage?.owners === 1 && buffer.storage.cell !== undefined;
  }

  /** Hand a buffer's value over to a new buffer; the old one is deleted. */
  adopt(buffer: WasmBuffer): WasmBuffer {
    const heir = this.share(buffer);
    this.release(buffer);
    return heir;
  }

  /** Take memory that is no array: constants, temporaries, code. Arrays move out to make room. */
  reserve(byteLength: number, kind: 'temporaries' | 'constants' | 'kernels'): BlockId {
    return this.#allocate(byteLength, kind);
  }

  #place(cell: Cell): void {
    cell.block = this.#allocate(cell.byteLength, 'arrays');
    this.allocatedBytes += cell.byteLength;
    cell.address = this.heap.address(cell.block);
    cell.call = this.#call;
    const slot = this.#freeSlots.pop() ?? this.#table.push(undefined) - 1;
    const generation = this.#generations[slot] ?? 0;
    this.#generations[slot] = generation + 1;
    cell.id = generation * slots + slot;
    this.#table[slot] = cell;
    this.#link(cell);
  }

  /** Move arrays out while the heap would pass the soft limit. */
  #keepWithin(byteLength: number): void {
    while (this.heap.liveBytes + byteLength > this.softLimit) if (!this.#evictOldest()) return;
  }

  #allocate(byteLength: number, kind: 'arrays' | 'temporaries' | 'constants' | 'kernels'): BlockId {
    // No array moves out for what the empty heap could not hold.
    const canFit = byteLength <= this.heap.maximumBytes;
    if (canFit) this.#keepWithin(byteLength);
    for (;;) {
      const block = this.heap.allocate(byteLength, kind);
      if (block >= 0) return block;
      // Live blocks may lie scattered over the heap: move arrays out until a hole is large enough.
      if (!canFit || !this.#evictOldest())
        throw new OutOfMemoryError(
          `wasm: the memory is full; got a request for ${showBytes(byteLength)} (${kind}) with ${this.heap.report()}. ` +
            'Drop references to arrays that are not needed, or work on smaller batches.',
        );
    }
  }

  #evictOldest(): boolean {
    const cell = this.#ring.newer;
    if (cell === this.#ring || cell.call === this.#call) return false;
    const host = untouched(cell.byteLength);
    host.set(this.heap.u8.subarray(cell.address, cell.address + cell.byteLength));
    this.#drop(cell);
    cell.host = host;
    this.evictions++;
    return true;
  }

  #reload(storage: Storage, cell: Cell): void {
    const host = cell.host;
    invariant(host !== undefined, 'an array that is neither in the heap nor outside.');
    this.#place(cell);
    this.heap.u8.set(host, cell.address);
    cell.host = undefined;
    this.#registry.register(storage, cell.id);
    this.reloads++;
  }

  /** Free the block of a cell and forget the cell: from here on only its buffers keep it. */
  #drop(cell: Cell): void {
    this.heap.free(cell.block);
    const slot = cell.id % slots;
    this.#table[slot] = undefined;
    this.#freeSlots.push(slot);
    cell.block = -1;
    cell.id = -1;
    unlink(cell);
  }

  #collected(id: number): void {
    const cell = this.#table[id % slots];
    if (cell?.id === id) this.#drop(cell);
  }

  #link(cell: Cell): void {
    const ring = this.#ring;
    cell.older = ring.older;
    cell.newer = ring;
    ring.older.newer = cell;
    ring.older = cell;
  }
}

function unlink(cell: Cell): void {
  cell.older.newer = cell.newer;
  cell.newer.older = cell.older;
  // A cell that left the ring must not keep its former neighbours alive.
  cell.older = cell;
  cell.newer = cell;
}

function alive({ storage }: WasmBuffer): Storage {
  if (storage === undefined)
    throw new DeletedArrayError(
      'wasm: the memory of a buffer was used after it was disposed or donated. Keep a result instead.',
    );
  return storage;
}
