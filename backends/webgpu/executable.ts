/**
 * A compiled program of a WebGPU device. A call takes buffers for its outputs, hands the commands to the stream and returns at once. The
 * executable owns its temporaries and constants, so that bind groups stay valid from call to call.
 */
import type {
  CompiledKernel,
  DeviceBuffer,
  Executable,
  ProgramMeasures,
} from '../../core/backend.ts';
import { DeviceError, PalladiaError, invariant } from '../../core/errors.ts';
import { measureSchedule } from '../../lowering/compile-cost.ts';
import type { Schedule } from '../../lowering/fuse/ir.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import { printSchedule } from '../schedule-text.ts';
import { Failure } from './failure.ts';
import type { Allocation, Memory, WebGpuBuffer } from './memory.ts';
import { prepare, waits, type LoadedKernel, type Prepared } from './program.ts';
import { Recorder, type Queue } from './recorder.ts';
import type { Stream } from './stream.ts';

/** What executables of one device share. */
export interface Runtime extends Queue {
  readonly stream: Stream;
  /** Frees what collected executables owned. */
  readonly owned: FinalizationRegistry<Allocation[]>;
  load(kernel: Kernel, program: string): LoadedKernel;
  /** A handle to memory, which takes over one reference. */
  handle(allocation: Allocation, byteLength: number, failure: Failure): WebGpuBuffer;
  /** Keep an error that no array carries; the next read, or wait, throws it. */
  report(error: PalladiaError): void;
  /** Fill memory after the work that was submitted. */
  fill(allocation: Allocation, bytes: Uint8Array): void;
}

/** Where temporaries of a schedule live: buffers that share a slot share memory. */
function placeTemporaries(
  schedule: Schedule,
  memory: Memory,
): { table: (Allocation | undefined)[]; owned: Allocation[] } {
  const bySlot = new Map<number, number>();
  const sizes: number[] = [];
  const place = schedule.buffers.map(({ role, slot, byteLength }) => {
    if (role !== 'temporary') return -1;
    const known = slot === undefined ? undefined : bySlot.get(slot);
    if (known !== undefined) {
      sizes[known] = Math.max(sizes[known], byteLength);
      return known;
    }
    if (slot !== undefined) bySlot.set(slot, sizes.length);
    return sizes.push(byteLength) - 1;
  });
  const owned = sizes.map((size) => memory.take(size));
  return { table: place.map((i) => (i < 0 ? undefined : owned[i])), owned };
}

/** A program that can be run. */
export class WebGpuExecutable implements Executable {
  readonly kernels: readonly CompiledKernel[];
  readonly #runtime: Runtime;
  readonly #schedule: Schedule;
  readonly #steps: readonly Prepared[];
  readonly #waits: boolean;
  readonly #loaded: ReadonlySet<LoadedKernel>;
  /** Memory of temporaries and constants by buffer, once the program has run. */
  #table: (Allocation | undefined)[] | undefined;
  #owned: Allocation[] = [];
  #isChecked = false;
  #disposed = false;

  constructor(runtime: Runtime, schedule: Schedule) {
    this.#runtime = runtime;
    this.#schedule = schedule;
    const loaded = new Set<LoadedKernel>();
    this.#steps = prepare(schedule, (kernel) => {
      const found = runtime.load(kernel, schedule.name);
      loaded.add(found);
      return found;
    });
    this.#loaded = loaded;
    this.kernels = [...loaded];
    this.#waits = waits(this.#steps);
  }

  /** Take memory for temporaries and constants. */
  #place(): (Allocation | undefined)[] {
    if (this.#table !== undefined) return this.#table;
    const { memory, owned } = this.#runtime;
    const schedule = this.#schedule;
    const places = placeTemporaries(schedule, memory);
    schedule.buffers.forEach(({ role, index, byteLength }, id) => {
      if (role !== 'constant') return;
      const allocation = memory.take(byteLength);
      places.owned.push(allocation);
      places.table[id] = allocation;
      this.#runtime.fill(allocation, schedule.constants[index]);
    });
    this.#owned = places.owned;
    owned.register(this, places.owned, this);
    return (this.#table = places.table);
  }

  #failure(inputs: readonly WebGpuBuffer[]): Failure {
    const failure = new Failure();
    for (const input of inputs) failure.follow(input.failure);
    if (this.#isChecked) return failure;
    let isPending = false;
    for (const { pipeline } of this.#loaded)
      if (pipeline.check !== undefined) {
        failure.expect(pipeline.check);
        isPending = true;
      }
    this.#isChecked = !isPending;
    return failure;
  }

  run(inputs: readonly DeviceBuffer[], donated?: readonly boolean[]): DeviceBuffer[] {
    invariant(!this.#disposed, `${this.#schedule.name}: a disposed program was run.`);
    const { stream } = this.#runtime;
    const schedule = this.#schedule;
    const buffers = inputs as readonly WebGpuBuffer[];
    const failure = this.#failure(buffers);
    const table = [...this.#place()];
    schedule.inputs.forEach((id, i) => {
      if (id !== undefined) table[id] = buffers[i].allocation;
    });
    this.#takeOutputs(table);
    const results = this.#results(table, failure);
    // Inputs may be disposed before a task that is held back runs.
    const used = stream.isHeld || this.#waits ? buffers.map((b) => b.allocation) : [];
    for (const allocation of used) allocation.references++;
    stream.submit(() => this.#execute(table, failure, used));
    if (donated !== undefined)
      for (let i = 0; i < donated.length; i++) if (donated[i]) buffers[i].dispose();
    return results;
  }

  /** Take memory for the outputs: all of it, or none. */
  #takeOutputs(table: (Allocation | undefined)[]): void {
    const { memory } = this.#runtime;
    const taken: Allocation[] = [];
    try {
      this.#schedule.buffers.forEach(({ role, byteLength }, id) => {
        if (role === 'output') taken.push((table[id] = memory.take(byteLength)));
      });
    } catch (error) {
      for (const allocation of taken) memory.release(allocation);
      throw error;
    }
  }

  /** Handles to the results; memory that several of them show, or an argument too, gets a reference for each. */
  #results(table: readonly (Allocation | undefined)[], failure: Failure): WebGpuBuffer[] {
    const { buffers, outputs } = this.#schedule;
    const taken = new Set<number>();
    return outputs.map((id) => {
      const { role, byteLength } = buffers[id];
      const allocation = table[id];
      invariant(allocation !== undefined, `${this.#schedule.name}: result ${id} has no memory.`);
      invariant(
        role === 'output' || role === 'input',
        `${this.#schedule.name}: result ${id} is a ${role}.`,
      );
      if (role === 'input' || taken.has(id)) allocation.references++;
      taken.add(id);
      return this.#runtime.handle(allocation, byteLength, failure);
    });
  }

  #execute(
    table: (Allocation | undefined)[],
    failure: Failure,
    used: readonly Allocation[],
  ): void | Promise<void> {
    // Unused arguments have no memory here, and no step names them.
    const recorder = new Recorder(this.#runtime, table as Allocation[]);
    const finish = (): void => {
      recorder.finish();
      for (const allocation of used) this.#runtime.memory.release(allocation);
    };
    if (!this.#waits) {
      try {
        recorder.record(this.#steps);
      } catch (cause) {
        failure.set(this.#explain(cause));
      }
      finish();
      return undefined;
    }
    return recorder
      .follow(this.#steps)
      .then(() => recorder.settle())
      .catch((cause: unknown) => {
        const error = this.#explain(cause);
        // A program without results has nobody whose read would throw it.
        if (this.#schedule.outputs.length === 0) this.#runtime.report(error);
        failure.set(error);
      })
      .then(finish);
  }

  #explain(cause: unknown): PalladiaError {
    if (cause instanceof PalladiaError) return cause;
    const what = cause instanceof Error ? cause.message : String(cause);
    return new DeviceError(
      `${this.#schedule.name}: the device must run the program; it says "${what}".`,
      { cause },
    );
  }

  asText(): string {
    return [printSchedule(this.#schedule), ...this.kernels.map((kernel) => kernel.text)].join(
      '\n\n',
    );
  }

  measure(): ProgramMeasures {
    return measureSchedule(this.#schedule);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { stream, memory, owned } = this.#runtime;
    owned.unregister(this);
    const allocations = this.#owned;
    this.#owned = [];
    stream.submit(() => {
      for (const allocation of allocations) memory.release(allocation);
    });
  }
}
