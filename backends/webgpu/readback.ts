/** Copies from the device to the host, through staging buffers that are used again. */
import { paddedSize, sizeClass, usage, type Allocation } from './memory.ts';

/** Bytes of waiting staging buffers above which they are given back. */
const mostWaiting = 2 ** 26;

/** Staging buffers of a device. */
export class Readback {
  readonly #gpu: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();
  #waitingBytes = 0;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  #take(size: number): GPUBuffer {
    const waiting = this.#free.get(size)?.pop();
    if (waiting !== undefined) {
      this.#waitingBytes -= size;
      return waiting;
    }
    return this.#gpu.createBuffer({ size, usage: usage.mapRead | usage.copyTarget });
  }

  #give(size: number, staging: GPUBuffer): void {
    if (this.#waitingBytes + size > mostWaiting) {
      staging.destroy();
      return;
    }
    this.#waitingBytes += size;
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [staging]);
    else list.push(staging);
  }

  /** Record a copy of memory; the returned function waits for it once its commands are submitted. */
  record(
    encoder: GPUCommandEncoder,
    { gpu }: Allocation,
    byteLength: number,
  ): () => Promise<Uint8Array> {
    const size = sizeClass(byteLength);
    const staging = this.#take(size);
    const length = paddedSize(byteLength);
    encoder.copyBufferToBuffer(gpu, 0, staging, 0, length);
    return async () => {
      await staging.mapAsync(1, 0, length);
      const bytes = new Uint8Array(staging.getMappedRange(0, length)).slice(0, byteLength);
      staging.unmap();
      this.#give(size, staging);
      return bytes;
    };
  }

  /** Copy memory to the host after everything that was submitted. */
  read(allocation: Allocation, byteLength: number): Promise<Uint8Array> {
    const encoder = this.#gpu.createCommandEncoder();
    const wait = this.record(encoder, allocation, byteLength);
    this.#gpu.queue.submit([encoder.finish()]);
    return wait();
  }
}
