/**
 * The heap of the wasm device: one WebAssembly memory and an allocator for it (two-level segregated fit: constant time, neighbours
 * merge when freed). Blocks start at multiples of 64 bytes and are followed by at least 64 bytes that kernels may read. All bookkeeping
 * lives outside the memory, so no kernel can damage it; memory that was never handed out is never touched.
 * Source of the method: Masmano et al., "TLSF: a new dynamic memory allocator for real-time systems" (2004).
 */
import { DeviceError } from '../../core/errors.ts';

/** A block of the heap: a number that the heap understands; its address never changes. */
export type BlockId = number;

/** What blocks are for, as the report names them. */
export type BlockKind = 'arrays' | 'temporaries' | 'constants' | 'kernels';

/** How a heap is made. */
export interface HeapOptions {
  /** Whether workers share the memory. */
  readonly shared: boolean;
  /** Bytes at the start of the memory that are not handed out. */
  readonly reservedBytes: number;
  /** Most bytes that the memory may grow to; 4 GiB unless said. */
  readonly maximumBytes?: number | undefined;
}

const lineBytes = 64;
const pageBytes = 65536;
const mostPages = 65536;
/** Subdivisions of a power of two, as bits: a block is at most 1/32 larger than asked for. */
const fineBits = 5;
const fine = 1 << fineBits;
const coarse = 24;
/** In the column of kinds: a block that is free. */
const freeMark = -1;
const kinds: readonly BlockKind[] = ['arrays', 'temporaries', 'constants', 'kernels'];

/** A size in lines, rounded up to the least size of its class, so that a block freed fits the next request of its size. */
function rounded(lines: number): number {
  if (lines < fine) return lines;
  const shift = 31 - Math.clz32(lines) - fineBits;
  return ((lines + (1 << shift) - 1) >>> shift) << shift;
}

/** The class of a size in lines: the largest class whose least size does not exceed it. */
function classOf(lines: number): number {
  if (lines < fine) return lines;
  const power = 31 - Math.clz32(lines);
  return (power - fineBits + 1) * fine + ((lines >>> (power - fineBits)) & (fine - 1));
}

/** Bytes as people read them. */
export function showBytes(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** The instruction `memory.copy` as a module: typed arrays copy shared memory word by word. */
const copyModule = (shared: boolean): Uint8Array<ArrayBuffer> =>
  // prettier-ignore
  new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // header
    1, 7, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0, // type (i32, i32, i32) → ()
    2, 18, 1, 3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, shared ? 3 : 1, 0, 0x80, 0x80, 4, // env.memory
    3, 2, 1, 0, // one function
    7, 8, 1, 4, 0x63, 0x6f, 0x70, 0x79, 0, 0, // export "copy"
    10, 14, 1, 12, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0, 0x0b,
  ]);

/** Make a memory with the largest maximum that the engine grants; also gives that maximum in bytes. */
function makeMemory(shared: boolean, maximumBytes: number): readonly [WebAssembly.Memory, number] {
  let maximum = Math.max(16, Math.min(mostPages, Math.floor(maximumBytes / pageBytes)));
  for (;;) {
    try {
      return [new WebAssembly.Memory({ initial: 16, maximum, shared }), maximum * pageBytes];
    } catch (cause) {
      if (maximum <= 1024)
        throw new DeviceError(
          'wasm: the engine gives no WebAssembly memory. Close other pages, or start the engine with more memory.',
          { cause },
        );
      maximum >>>= 1;
    }
  }
}

/** Records of blocks in columns: `size` is in lines; free blocks of a class form a list. */
class Blocks {
  start = new Int32Array(256);
  size = new Int32Array(256);
  kind = new Int8Array(256);
  /** Neighbours in memory; -1 at the ends. */
  before = new Int32Array(256);
  after = new Int32Array(256);
  /** Neighbours in the list of the class, or of unused records. */
  previous = new Int32Array(256);
  next = new Int32Array(256);
  #used = 0;
  #unused = -1;

  take(): BlockId {
    if (this.#unused >= 0) {
      const id = this.#unused;
      this.#unused = this.next[id];
      return id;
    }
    if (this.#used === this.start.length) this.#grow();
    return this.#used++;
  }

  give(id: BlockId): void {
    this.next[id] = this.#unused;
    this.#unused = id;
  }

  #grow(): void {
    const larger = (column: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const copy = new Int32Array(2 * column.length);
      copy.set(column);
      return copy;
    };
    const kind = new Int8Array(2 * this.kind.length);
    kind.set(this.kind);
    this.kind = kind;
    this.start = larger(this.start);
    this.size = larger(this.size);
    this.before = larger(this.before);
    this.after = larger(this.after);
    this.previous = larger(this.previous);
    this.next = larger(this.next);
  }
}

/** The heap: a memory, its views, and who owns which part of it. */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  /** Most bytes that the memory can have. */
  readonly maximumBytes: number;
  /** Views of the whole memory; replaced when it grows. */
  u8!: Uint8Array;
  i32!: Int32Array;
  readonly #blocks = new Blocks();
  readonly #heads = new Int32Array(coarse * fine).fill(-1);
  #coarseMap = 0;
  readonly #fineMaps = new Int32Array(coarse);
  /** The block before the part that is not handed out yet, which begins at line `top`. */
  #tail = -1;
  #top: number;
  #peakLines = 0;
  readonly #liveLines = new Float64Array(kinds.length);
  readonly #liveBlocks = new Int32Array(kinds.length);
  readonly #copy: (to: number, from: number, byteLength: number) => void;

  constructor({ shared, reservedBytes, maximumBytes = mostPages * pageBytes }: HeapOptions) {
    this.shared = shared;
    [this.memory, this.maximumBytes] = makeMemory(shared, maximumBytes);
    this.#top = Math.ceil(reservedBytes / lineBytes);
    this.#view();
    const copier = new WebAssembly.Instance(new WebAssembly.Module(copyModule(shared)), {
      env: { memory: this.memory },
    });
    this.#copy = copier.exports['copy'] as (to: number, from: number, byteLength: number) => void;
  }

  #view(): void {
    this.u8 = new Uint8Array(this.memory.buffer);
    this.i32 = new Int32Array(this.memory.buffer);
  }

  /** Bytes that are handed out, with the slack behind them. */
  get liveBytes(): number {
    return this.#liveLines.reduce((sum, lines) => sum + lines, 0) * lineBytes;
  }

  /** Bytes that are handed out to one kind of use. */
  liveBytesOf(kind: BlockKind): number {
    return this.#liveLines[kinds.indexOf(kind)] * lineBytes;
  }

  /** Highest address that was ever handed out: what the heap can occupy of the machine's memory. */
  get peakBytes(): number {
    return this.#peakLines * lineBytes;
  }

  /** The byte address of a block. */
  address(block: BlockId): number {
    return this.#blocks.start[block] * lineBytes;
  }

  /** Take a block of at least this many bytes, or -1 when there is none. Its contents are undefined. */
  allocate(byteLength: number, kind: BlockKind): BlockId {
    // Lines are counted in 32 bits.
    if (byteLength > this.maximumBytes) return -1;
    const lines = rounded(Math.ceil(byteLength / lineBytes) + 1);
    let block = this.#find(lines);
    if (block < 0) block = this.#extend(lines);
    if (block < 0) return -1;
    const k = kinds.indexOf(kind);
    this.#blocks.kind[block] = k;
    this.#liveLines[k] += this.#blocks.size[block];
    this.#liveBlocks[k]++;
    return block;
  }

  /** Take a free block of the smallest class that surely fits, and give back what is left over. */
  #find(lines: number): BlockId {
    const least = classOf(lines);
    let level = least >>> fineBits;
    let fineMap = this.#fineMaps[level] & (-1 << (least & (fine - 1)));
    if (fineMap === 0) {
      const coarseMap = level >= 31 ? 0 : this.#coarseMap & (-1 << (level + 1));
      if (coarseMap === 0) return -1;
      level = 31 - Math.clz32(coarseMap & -coarseMap);
      fineMap = this.#fineMaps[level];
    }
    const block = this.#heads[level * fine + 31 - Math.clz32(fineMap & -fineMap)];
    this.#unlist(block);
    this.#split(block, lines);
    return block;
  }

  #split(block: BlockId, lines: number): void {
    const left = this.#blocks.size[block] - lines;
    if (left < 2) return;
    const rest = this.#blocks.take();
    const { start, size, before, after } = this.#blocks;
    start[rest] = start[block] + lines;
    size[rest] = left;
    size[block] = lines;
    before[rest] = block;
    after[rest] = after[block];
    if (after[block] >= 0) before[after[block]] = rest;
    else this.#tail = rest;
    after[block] = rest;
    this.#list(rest);
  }

  /** Hand out memory that was never used, growing when it is short. */
  #extend(lines: number): BlockId {
    const end = this.#top + lines;
    if (end * lineBytes > this.u8.length && !this.#grow(end * lineBytes)) return -1;
    const block = this.#blocks.take();
    const { start, size, before, after } = this.#blocks;
    start[block] = this.#top;
    size[block] = lines;
    before[block] = this.#tail;
    after[block] = -1;
    if (this.#tail >= 0) after[this.#tail] = block;
    this.#tail = block;
    this.#top = end;
    if (end > this.#peakLines) this.#peakLines = end;
    return block;
  }

  #grow(byteLength: number): boolean {
    if (byteLength > this.maximumBytes) return false;
    const have = this.u8.length / pageBytes;
    const need = Math.ceil(byteLength / pageBytes) - have;
    const room = Math.floor(this.maximumBytes / pageBytes) - have;
    // Growing costs address space only, so it is done in large steps; a machine that refuses those may grant what is needed.
    for (const pages of [Math.min(room, Math.max(need, 256, have >>> 1)), need]) {
      try {
        this.memory.grow(pages);
        this.#view();
        return true;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
    return false;
  }

  /** Give a block back. */
  free(block: BlockId): void {
    const blocks = this.#blocks;
    const { size, kind, before, after } = blocks;
    const k = kind[block];
    if (k === freeMark) throw new DeviceError(`wasm: block ${block} was freed twice.`);
    this.#liveLines[k] -= size[block];
    this.#liveBlocks[k]--;
    let merged = block;
    const left = before[block];
    if (left >= 0 && kind[left] === freeMark) {
      this.#unlist(left);
      this.#absorb(left, block);
      merged = left;
    }
    const right = after[merged];
    if (right >= 0 && kind[right] === freeMark) {
      this.#unlist(right);
      this.#absorb(merged, right);
    }
    if (merged === this.#tail) {
      this.#top = blocks.start[merged];
      this.#tail = before[merged];
      if (this.#tail >= 0) after[this.#tail] = -1;
      kind[merged] = freeMark;
      blocks.give(merged);
    } else this.#list(merged);
  }

  /** Make a block part of the one before it. */
  #absorb(left: BlockId, right: BlockId): void {
    const { size, before, after, kind } = this.#blocks;
    size[left] += size[right];
    after[left] = after[right];
    if (after[right] >= 0) before[after[right]] = left;
    else this.#tail = left;
    kind[right] = freeMark;
    this.#blocks.give(right);
  }

  #list(block: BlockId): void {
    const { size, kind, previous, next } = this.#blocks;
    const at = classOf(size[block]);
    const head = this.#heads[at];
    kind[block] = freeMark;
    previous[block] = -1;
    next[block] = head;
    if (head >= 0) previous[head] = block;
    this.#heads[at] = block;
    this.#fineMaps[at >>> fineBits] |= 1 << (at & (fine - 1));
    this.#coarseMap |= 1 << (at >>> fineBits);
  }

  #unlist(block: BlockId): void {
    const { size, previous, next } = this.#blocks;
    const [left, right] = [previous[block], next[block]];
    if (right >= 0) previous[right] = left;
    if (left >= 0) {
      next[left] = right;
      return;
    }
    const at = classOf(size[block]);
    this.#heads[at] = right;
    if (right >= 0) return;
    const level = at >>> fineBits;
    this.#fineMaps[level] &= ~(1 << (at & (fine - 1)));
    if (this.#fineMaps[level] === 0) this.#coarseMap &= ~(1 << level);
  }

  /** Copy bytes inside the memory; the ranges may overlap. */
  copy(to: number, from: number, byteLength: number): void {
    if (to !== from && byteLength > 0) this.#copy(to, from, byteLength);
  }

  /** Say what is live and which kinds of use hold it. */
  report(): string {
    const parts = kinds.flatMap((kind, k) =>
      this.#liveBlocks[k] === 0
        ? []
        : [`${kind} ${showBytes(this.#liveLines[k] * lineBytes)} in ${this.#liveBlocks[k]} blocks`],
    );
    const detail = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
    return `${showBytes(this.liveBytes)} of ${showBytes(this.maximumBytes)} live${detail}`;
  }

  /** Walk all blocks and say what is inconsistent, for tests; undefined when nothing is. */
  fault(): string | undefined {
    const { start, size, before, kind } = this.#blocks;
    let end = this.#top;
    let lines = 0;
    let last = -1;
    for (let block = this.#tail; block >= 0; last = block, block = before[block]) {
      if (start[block] + size[block] !== end)
        return `block ${block} does not end where the next one starts`;
      if (kind[block] === freeMark && (last < 0 || kind[last] === freeMark))
        return `block ${block} is free and was not merged`;
      if (kind[block] !== freeMark) lines += size[block];
      end = start[block];
    }
    return lines * lineBytes === this.liveBytes ? undefined : 'the live bytes do not add up';
  }
}
