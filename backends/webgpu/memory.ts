/**
 * Memory of a GPU: buffers of size classes, handed out again when their arrays are gone. A budget of bytes stands in for the missing report
 * of free memory: drivers let programs allocate too much and then lose the device.
 */
import type { Device, DeviceBuffer } from '../../core/backend.ts';
import { DeviceError, OutOfMemoryError } from '../../core/errors.ts';
import type { Failure } from './failure.ts';

/** Flags of WebGPU, which Node does not define as globals. */
export const usage = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;

/** A buffer of the GPU, with how many handles and programs use it. */
export interface Allocation {
  readonly gpu: GPUBuffer;
  /** Number for keys of caches. */
  readonly id: number;
  readonly size: number;
  references: number;
}

/** Bytes of a buffer that holds `byteLength` bytes: a multiple of 16, so that vectors can be read to the end. */
export const paddedSize = (byteLength: number): number =>
  Math.max(16, Math.ceil(byteLength / 16) * 16);

/** Sizes 2ⁿ and 1.5 · 2ⁿ, so that buffers fit many arrays. */
export function sizeClass(byteLength: number): number {
  const needed = paddedSize(byteLength);
  if (needed <= 64) return 64;
  const power = 2 ** Math.ceil(Math.log2(needed));
  const between = power * 0.75;
  return needed <= between ? between : power;
}

/** Buffers that are in use and buffers that wait. */
export class Memory {
  readonly #gpu: GPUDevice;
  readonly #free = new Map<number, Allocation[]>();
  readonly #limit: number;
  /** Most bytes of one array. */
  readonly largest: number;
  #nextId = 1;
  #usedBytes = 0;
  #freeBytes = 0;

  constructor(gpu: GPUDevice, limitBytes: number) {
    this.#gpu = gpu;
    this.#limit = limitBytes;
    this.largest = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  }

  /** Bytes of buffers in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes of buffers that wait to be used again. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /**
   * Take a buffer, with one reference.
   *
   * @throws OutOfMemoryError when the budget is used up, or the array is larger than the device binds.
   */
  take(byteLength: number): Allocation {
    const exact = paddedSize(byteLength);
    if (exact > this.largest)
      throw new OutOfMemoryError(
        `webgpu: an array must fit one buffer of at most ${this.largest} bytes on this device; got ${byteLength} bytes. Split it, or use the wasm device.`,
      );
    const size = Math.min(sizeClass(byteLength), this.largest - (this.largest % 16));
    const waiting = this.#free.get(size)?.pop();
    if (waiting !== undefined) {
      this.#freeBytes -= size;
      this.#usedBytes += size;
      waiting.references = 1;
      return waiting;
    }
    if (this.#usedBytes + this.#freeBytes + size > this.#limit) this.trim();
    if (this.#usedBytes + size > this.#limit)
      throw new OutOfMemoryError(
        `webgpu: live arrays must fit the budget of ${this.#limit} bytes; got ${this.#usedBytes} bytes live and ${byteLength} more wanted. Await a result now and then so that unused arrays can be collected, donate arguments, dispose arrays, or raise memoryLimit.`,
      );
    const { storage, copySource, copyTarget } = usage;
    const gpu = this.#gpu.createBuffer({ size, usage: storage | copySource | copyTarget });
    this.#usedBytes += size;
    return { gpu, id: this.#nextId++, size, references: 1 };
  }

  /** Give a reference back; the last one frees the buffer for others. */
  release(allocation: Allocation): void {
    if (--allocation.references > 0) return;
    const { size } = allocation;
    this.#usedBytes -= size;
    this.#freeBytes += size;
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [allocation]);
    else list.push(allocation);
  }

  /** Give waiting buffers back to the driver. */
  trim(): void {
    for (const list of this.#free.values()) for (const { gpu } of list) gpu.destroy();
    this.#free.clear();
    this.#freeBytes = 0;
  }
}

/** What the registry needs to free the memory of a collected handle. */
export interface Held {
  allocation: Allocation | undefined;
}

/** A handle to memory of a WebGPU device. */
export class WebGpuBuffer implements DeviceBuffer {
  readonly device: Device;
  readonly byteLength: number;
  /** What went wrong in the program that made it, when that is known. */
  readonly failure: Failure;
  readonly #held: Held;
  readonly #release: (held: Held) => void;

  constructor(
    device: Device,
    parts: {
      readonly byteLength: number;
      readonly held: Held;
      readonly failure: Failure;
      readonly release: (held: Held) => void;
    },
  ) {
    this.device = device;
    this.byteLength = parts.byteLength;
    this.failure = parts.failure;
    this.#held = parts.held;
    this.#release = parts.release;
  }

  get deleted(): boolean {
    return this.#held.allocation === undefined;
  }

  /** The memory. @throws DeviceError after `dispose`. */
  get allocation(): Allocation {
    const { allocation } = this.#held;
    if (allocation === undefined)
      throw new DeviceError(
        `buffer: memory must be alive when it is used; got a disposed buffer of ${this.byteLength} bytes. Keep its array.`,
      );
    return allocation;
  }

  dispose(): void {
    this.#release(this.#held);
  }
}
