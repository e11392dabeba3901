/**
 * Threads that run the programs of one kernel side by side. The calling thread takes part, never sleeps and never depends on a
 * worker: a page may call it from its main thread, and a worker that failed to start only makes it slower.
 * How the programs are cut does not change what they compute: every program is independent.
 */
import { InternalError } from '../../core/errors.ts';
import type { Cells } from './cells.ts';
import { nodeModule } from './features.ts';
import type { BlockId } from './heap.ts';
import { serveTasks, type ControlLayout, type WorkerData } from './serve.ts';

/** What the pool must know of a kernel. */
export interface PoolKernel {
  readonly id: number;
  readonly run: (...args: number[]) => void;
  readonly programs: number;
  /** Address and length of its code in the heap, for workers; called when a job goes to them. */
  code(): { readonly address: number; readonly byteLength: number };
}

const maximumThreads = 64;
const maximumArguments = 1024;
const maximumTasks = 2047;

// Words that many threads poll or write stand in cache lines of their own.
const layout: ControlLayout = {
  ticket: 0,
  epoch: 16,
  sleepers: 32,
  done: 48,
  failed: 49,
  kernel: 64,
  programs: 67,
  chunk: 68,
  argumentCount: 69,
  generation: 70,
  scratch: 80,
  arguments: 80 + maximumThreads,
  failures: 80 + maximumThreads + maximumArguments,
};

/** Bytes at the start of a shared heap that belong to the pool. */
export const controlBytes: number = 4 * (layout.failures + maximumTasks + 1);

/** How long a worker polls for the next job before it sleeps; waking it costs about as much. */
const spinMs = 0.15;

/** The part of `node:worker_threads` that is used. */
interface NodeThreads {
  readonly Worker: new (
    url: URL,
    options: {
      readonly workerData: WorkerData;
      readonly execArgv: string[];
      readonly name: string;
    },
  ) => NodeWorker;
}

interface NodeWorker {
  unref(): void;
  on(event: 'error', listener: (error: Error) => void): void;
}

/** Start a worker: in Node from the text of the function (a URL, no file, no eval), in pages from its module. */
function startWorker(data: WorkerData): boolean {
  const threads = nodeModule('node:worker_threads') as NodeThreads | undefined;
  const name = 'palladia';
  if (threads !== undefined) {
    const text = `import { workerData } from 'node:worker_threads';\n(${serveTasks.toString()})(workerData);`;
    const url = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
    const worker = new threads.Worker(url, { workerData: data, execArgv: [], name });
    worker.on('error', () => undefined);
    worker.unref();
    return true;
  }
  if (typeof Worker === 'undefined') return false;
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name });
  worker.addEventListener('error', (event) => event.preventDefault());
  worker.postMessage(data);
  return true;
}

/** Threads over one heap. */
export class Pool {
  readonly #cells: Cells;
  #threads = 1;
  #workers = 0;
  #words: Int32Array;
  /** Scratch memory by thread. */
  readonly #scratch = new Map<number, { readonly block: BlockId; readonly byteLength: number }>();

  constructor(cells: Cells, threads: number) {
    this.#cells = cells;
    this.#words = new Int32Array(cells.heap.memory.buffer);
    this.threads = threads;
  }

  /** Threads that take part, the calling one included. Workers start with the first job that is worth it. */
  get threads(): number {
    return this.#threads;
  }

  set threads(count: number) {
    this.stop();
    const most = this.#cells.heap.shared ? maximumThreads : 1;
    this.#threads = Math.max(1, Math.min(most, Math.floor(count)));
  }

  /** Let the workers go; others start with the next job. */
  stop(): void {
    if (this.#workers === 0) return;
    this.#workers = 0;
    Atomics.add(this.#words, layout.generation, 1);
    Atomics.add(this.#words, layout.epoch, 1);
    Atomics.notify(this.#words, layout.epoch);
  }

  #start(): void {
    if (this.#workers > 0) return;
    const { memory } = this.#cells.heap;
    this.#words = new Int32Array(memory.buffer);
    const generation = Atomics.load(this.#words, layout.generation);
    for (let thread = 1; thread < this.#threads; thread++)
      if (startWorker({ memory, layout, thread, generation, spinMs })) this.#workers++;
    if (this.#workers === 0) this.#threads = 1;
  }

  /** Scratch memory of a thread, at least this large; 0 when none is needed. */
  scratch(thread: number, byteLength: number): number {
    if (byteLength === 0) return 0;
    const { heap } = this.#cells;
    const have = this.#scratch.get(thread);
    if (have !== undefined && have.byteLength >= byteLength) return heap.address(have.block);
    if (have !== undefined) heap.free(have.block);
    this.#scratch.delete(thread);
    const block = this.#cells.reserve(byteLength, 'temporaries');
    this.#scratch.set(thread, { block, byteLength });
    return heap.address(block);
  }

  /**
   * Run all programs of a kernel, cut into `tasks`. `args` are those of `run`: begin, end, scratch, then one address per operand;
   * the first three are overwritten.
   */
  run(kernel: PoolKernel, args: number[], scratchBytes: number, tasks: number): void {
    this.#start();
    const { programs } = kernel;
    const chunk = Math.ceil(programs / Math.min(tasks, maximumTasks));
    const count = Math.ceil(programs / chunk);
    this.#publish(kernel, args, { scratchBytes, chunk, count });
    const words = this.#words;
    const errors: unknown[] = [];
    const runTask = (task: number): void => {
      args[0] = task * chunk;
      args[1] = Math.min(programs, args[0] + chunk);
      try {
        kernel.run(...args);
      } catch (cause) {
        errors.push(cause);
      }
    };
    args[2] = words[layout.scratch];
    for (;;) {
      const task = Atomics.add(words, layout.ticket, 1) & 0xfffff;
      if (task >= count) break;
      runTask(task);
      Atomics.add(words, layout.done, 1);
    }
    while (Atomics.load(words, layout.done) < count);
    const failed = Atomics.load(words, layout.failed);
    for (let i = 0; i < failed; i++) runTask(words[layout.failures + i]);
    if (errors.length > 0) throw errors[0];
  }

  #publish(
    kernel: PoolKernel,
    args: readonly number[],
    {
      scratchBytes,
      chunk,
      count,
    }: { readonly scratchBytes: number; readonly chunk: number; readonly count: number },
  ): void {
    if (args.length - 3 > maximumArguments)
      throw new InternalError(`wasm: a kernel with ${args.length - 3} operands.`);
    const code = kernel.code();
    const words = this.#words;
    for (let thread = 0; thread <= this.#workers; thread++)
      words[layout.scratch + thread] = this.scratch(thread, scratchBytes);
    words[layout.kernel] = kernel.id;
    words[layout.kernel + 1] = code.address;
    words[layout.kernel + 2] = code.byteLength;
    words[layout.programs] = kernel.programs;
    words[layout.chunk] = chunk;
    words[layout.argumentCount] = args.length - 3;
    for (let i = 3; i < args.length; i++) words[layout.arguments + i - 3] = args[i];
    words[layout.failed] = 0;
    Atomics.store(words, layout.done, 0);
    Atomics.store(words, layout.ticket, count << 20);
    Atomics.add(words, layout.epoch, 1);
    if (Atomics.load(words, layout.sleepers) > 0) Atomics.notify(words, layout.epoch, count - 1);
  }
}
