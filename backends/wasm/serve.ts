/**
 * What a worker thread does: wait for a job, pull tasks, run them. The function must not use anything outside itself: Node starts
 * it from its own text, so that no file has to be found; pages start it from the module `worker.ts`.
 *
 * The protocol. A job is written to the control words; then its ticket (tasks · 2²⁰ + next task) is published and the epoch
 * advanced. Everyone, the main thread included, takes tasks by adding 1 to the ticket, so a late worker can only find a job
 * exhausted, never a stale task. The main thread waits for tasks, not for workers: a worker that did not wake is not missed.
 */

/** Positions of the control words, as indices of 32-bit words. */
export interface ControlLayout {
  readonly ticket: number;
  readonly epoch: number;
  readonly sleepers: number;
  readonly done: number;
  /** How many tasks could not be run by their worker, and their numbers from `failures` on. */
  readonly failed: number;
  readonly failures: number;
  /** Number of the kernel, where its code lies and how long it is. */
  readonly kernel: number;
  /** Programs of the job, and programs of one task. */
  readonly programs: number;
  readonly chunk: number;
  readonly argumentCount: number;
  readonly arguments: number;
  /** Scratch address of each thread. */
  readonly scratch: number;
  /** Advanced when the pool stops: workers of earlier generations leave. */
  readonly generation: number;
}

/** What a worker is told when it starts. */
export interface WorkerData {
  readonly memory: WebAssembly.Memory;
  readonly layout: ControlLayout;
  /** Number of the thread; the main thread is 0. */
  readonly thread: number;
  /** Generation of the pool that the worker belongs to. */
  readonly generation: number;
  /** How long a worker polls before it sleeps. */
  readonly spinMs: number;
}

/** Serve until the pool stops. */
export function serveTasks({ memory, layout, thread, generation, spinMs }: WorkerData): void {
  type Run = (...args: number[]) => void;
  const words = new Int32Array(memory.buffer);
  const pause = (Atomics as { pause?: () => void }).pause?.bind(Atomics) ?? ((): void => undefined);
  const runs = new Map<number, Run>();
  const maximumKernels = 1024;

  /** The entry point of the current job's kernel. */
  const runOf = (): Run => {
    const id = words[layout.kernel];
    const known = runs.get(id);
    if (known !== undefined) return known;
    const start = words[layout.kernel + 1] >>> 0;
    const code = new Uint8Array(memory.buffer).slice(start, start + words[layout.kernel + 2]);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
    const run = instance.exports['run'] as Run;
    if (runs.size >= maximumKernels) runs.clear();
    runs.set(id, run);
    return run;
  };

  const isCurrent = (): boolean => Atomics.load(words, layout.generation) === generation;

  const runTask = (task: number): void => {
    if (!isCurrent()) throw new Error('a task for the workers of another generation');
    const begin = task * words[layout.chunk];
    const end = Math.min(words[layout.programs], begin + words[layout.chunk]);
    const first = layout.arguments;
    const args = words.subarray(first, first + words[layout.argumentCount]);
    runOf()(begin, end, words[layout.scratch + thread], ...args);
  };

  let epoch = 0;
  const waitForJob = (): void => {
    const until = performance.now() + spinMs;
    do {
      for (let i = 0; i < 200; i++) {
        if (Atomics.load(words, layout.epoch) !== epoch) return;
        pause();
      }
    } while (performance.now() < until);
    Atomics.add(words, layout.sleepers, 1);
    Atomics.wait(words, layout.epoch, epoch);
    Atomics.sub(words, layout.sleepers, 1);
  };

  while (isCurrent()) {
    waitForJob();
    epoch = Atomics.load(words, layout.epoch);
    for (;;) {
      const ticket = Atomics.add(words, layout.ticket, 1);
      const task = ticket & 0xfffff;
      if (task >= ticket >>> 20) break;
      try {
        runTask(task);
      } catch {
        // The main thread runs the task again, so that an error of the program is raised there.
        words[layout.failures + Atomics.add(words, layout.failed, 1)] = task;
      }
      Atomics.add(words, layout.done, 1);
    }
  }
}
