/**
 * What went wrong on the device, kept with the arrays that it concerns: calls return at once, so an error is only heard of later and is
 * thrown when somebody reads.
 */
import type { PalladiaError } from '../../core/errors.ts';

let calls = 0;

/** Errors that concern the results of one call; they grow as the device reports them. */
export class Failure {
  readonly #order = calls++;
  #error: PalladiaError | undefined;
  #waiting: Set<Promise<PalladiaError | undefined>> = new Set();
  #sources: Failure[] = [];

  /** Say what went wrong; the first error stays. */
  set(error: PalladiaError): void {
    this.#error ??= error;
  }

  /** Take in what a pending check finds. */
  expect(check: Promise<PalladiaError | undefined>): void {
    this.#waiting.add(check);
    void check.then((error) => {
      this.#waiting.delete(check);
      if (error !== undefined) this.set(error);
    });
  }

  /** Take in what concerns an argument. */
  follow(source: Failure): void {
    if (source.isClear) return;
    this.#sources.push(source);
  }

  /** Whether nothing is wrong and nothing is pending. */
  get isClear(): boolean {
    return this.#error === undefined && this.#waiting.size === 0 && this.#sources.length === 0;
  }

  /** Wait for the checks, and throw what went wrong. */
  async settle(): Promise<void> {
    // A chain of calls may be long: walk it without recursion, each part once.
    const seen = new Set<Failure>([this]);
    let first: { readonly order: number; readonly error: PalladiaError } | undefined;
    for (const failure of seen) {
      await Promise.all(failure.#waiting);
      const error = failure.#error;
      if (error !== undefined && (first === undefined || failure.#order < first.order))
        first = { order: failure.#order, error };
      for (const source of failure.#sources) seen.add(source);
    }
    // The earliest is the cause of the others.
    this.#error = first?.error;
    if (this.#error !== undefined) throw this.#error;
    this.#sources = [];
  }
}
