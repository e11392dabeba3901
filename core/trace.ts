/**
 * Stackless tracing: there is one current trace, and `bind` hands it every operation, also those without traced operands.
 * A transformation is one `Trace`: lift foreign values, process, and run its rules with the parent as current trace.
 */
import type { Aval } from './aval.ts';
import { config, remembersLines } from './config.ts';
import { ConcretizationError, TracerLeakError } from './errors.ts';
import { checkLeaks, forgetWatched, watch } from './leaks.ts';
import type { Primitive } from './primitive.ts';
import { RefCell } from './ref-cell.ts';
import { userFrame } from './source.ts';
import { Value } from './value.ts';

/** One interpretation of primitives. */
export abstract class Trace {
  /** What to call it in errors: `jit`, `grad`, `vmap`, `eval`. */
  abstract readonly name: string;
  /** Set when the transformation has finished: its tracers may not be used any more. */
  finished = false;

  /** Interpret one operation. */
  abstract process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[];

  /** Mark the trace as finished. */
  finish(): void {
    this.finished = true;
  }
}

/** A value owned by one trace. */
export abstract class Tracer extends Value {
  readonly trace: Trace;
  /** The user's line that made it, for errors about leaks; recorded while `config.checkTracerLeaks` or `config.debugNans` is on. */
  readonly frame: string | undefined;
  /** The primitive that made it; undefined for an argument. */
  readonly madeBy: string | undefined;

  constructor(trace: Trace, madeBy?: string) {
    super();
    this.trace = trace;
    this.madeBy = madeBy;
    this.frame = remembersLines() ? userFrame() : undefined;
    if (config.checkTracerLeaks) watch(this);
  }

  override toString(): string {
    return `Traced<${this.aval.toString()}> with ${this.trace.name}`;
  }

  /**
   * Strings are fine (they show the type); numbers do not exist yet.
   *
   * @throws ConcretizationError for `+x`, `x > 0`, `x + 1`, `array[x]` and the like.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    const tried =
      hint === 'number'
        ? 'as a number (`+x`, `x > 0`, `x * 2`, Math.…)'
        : 'with a JavaScript operator (`x + y`, `x == y`)';
    throw new ConcretizationError(
      `tracer: a traced value has no concrete value that JavaScript could use ${tried}; got ${this.toString()}. ` +
        'Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.',
    );
  }

  /** @throws ConcretizationError always: JavaScript cannot iterate over a traced value. */
  [Symbol.iterator](): Iterator<never> {
    throw new ConcretizationError(
      `tracer: a traced value cannot be iterated over or destructured; got ${this.toString()}. Take parts with x.at(i).get() or np.split, or loop with lax.scan or vmap.`,
    );
  }
}

/**
 * Refuse a tracer whose transformation has finished.
 *
 * @throws TracerLeakError naming the transformation and what to do.
 */
export function checkAlive(op: string, x: Value): void {
  if (x instanceof Tracer && x.trace.finished) throw leakError(op, x);
  if (x instanceof RefCell && x.owner?.finished === true) throw refLeakError(op, x);
}

/** The error for a ref that outlived the transformation that it was made in, or is used where that transformation does not see it. */
export const refLeakError = (op: string, x: RefCell): TracerLeakError =>
  new TracerLeakError(
    `${op}: a ref must not be used outside the transformation that it was made in; got ${x.aval.toString()}, made under ${x.owner?.name ?? 'eval'}. ` +
      'Make the ref outside and let the function write to it, or return its value with freeze.',
  );

/** The error for a tracer that outlived its transformation. */
export function leakError(op: string, x: Tracer): TracerLeakError {
  const made = x.frame === undefined ? '' : ` It was made at ${x.frame}.`;
  return new TracerLeakError(
    `${op}: a traced value was used after its transformation had finished; got ${x.toString()}.${made} ` +
      'Return the value from the transformed function instead of storing it in an outer variable.',
  );
}

let tracing = 0;

/**
 * Run `body`, which traces a function, and finish its trace, also after an error.
 *
 * @throws TracerLeakError, while `config.checkTracerLeaks` is on and no other function is being traced, when values of this trace
 * or of one inside of it can still be reached afterwards. `body` must be the only one on the stack that holds any.
 */
export function finishing<T>(trace: Trace, body: () => T): T {
  let result: T;
  tracing++;
  try {
    result = body();
  } catch (error) {
    if (tracing === 1) forgetWatched();
    throw error;
  } finally {
    tracing--;
    trace.finish();
  }
  if (config.checkTracerLeaks && tracing === 0) checkLeaks();
  return result;
}

let current: Trace | undefined;
let base: Trace | undefined;

/** Install the bottom of every stack: the trace that computes on concrete arrays. */
export function setBaseTrace(trace: Trace): void {
  base = trace;
}

/** The trace that gets the next operation. */
export function currentTrace(): Trace {
  const trace = current ?? base;
  if (trace === undefined)
    throw new Error('palladia: import the package root before using its parts');
  return trace;
}

/** Whether operations run on concrete arrays right now. */
export const isEager = (): boolean => current === undefined || current === base;

/** Run `body` with `trace` as the current trace; the previous one comes back also after an error. */
export function withTrace<T>(trace: Trace, body: () => T): T {
  const previous = current;
  current = trace;
  try {
    return body();
  } finally {
    current = previous;
  }
}

/** Run `body` on concrete arrays, whatever is being traced. */
export const withEagerTrace = <T>(body: () => T): T => withTrace(base ?? currentTrace(), body);

/** The abstract values of a list of values. */
export const avalsOf = (xs: readonly Value[]): Aval[] => xs.map((x) => x.aval);
