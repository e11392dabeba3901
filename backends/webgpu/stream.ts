/**
 * The order of work on a device. Usually a task runs at once and hands its commands to the queue. A task that must wait for the device (a
 * loop whose end depends on data) holds those after it back; their calls have returned nevertheless.
 */

/** A list of tasks that run one after the other. */
export class Stream {
  readonly #tasks: (() => void | Promise<void>)[] = [];
  #running: Promise<void> | undefined;

  /** Whether tasks are held back. */
  get isHeld(): boolean {
    return this.#running !== undefined;
  }

  /** Run a task now, or after those that are held back. Tasks catch their own errors. */
  submit(task: () => void | Promise<void>): void {
    if (this.#running !== undefined) {
      this.#tasks.push(task);
      return;
    }
    const pending = task();
    if (pending !== undefined) this.#running = this.#drain(pending);
  }

  async #drain(first: Promise<void>): Promise<void> {
    await first;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift())
      await task();
    this.#running = undefined;
  }

  /** Resolves when nothing is held back. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }
}
