/** Computing while a program is traced: what does not depend on traced values becomes a constant of the program. */
import { checkFunction } from '../core/options.ts';
import type { Primitive } from '../core/primitive.ts';
import { RefCell } from '../core/ref-cell.ts';
import { currentTrace, Trace, Tracer, withEagerTrace, withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';

/** Runs operations on concrete arrays at once, and hands those with traced operands to the trace around it. */
class CompileTimeTrace extends Trace {
  readonly name = 'ensureCompileTimeEval';
  readonly #outer = currentTrace();

  process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const bind = (): readonly Value[] => prim.bind(args, params);
    return args.some((x) => x instanceof Tracer || (x instanceof RefCell && x.owner !== undefined))
      ? withTrace(this.#outer, bind)
      : withEagerTrace(bind);
  }
}

/**
 * Run `body` so that whatever does not depend on traced values is computed now, also inside of functions that are being traced: the
 * results are arrays with values, which `body` may read and decide on. Operations on traced values are traced as ever.
 *
 * @throws whatever `body` throws.
 * @example
 * const f = jit((x) => {
 *   const terms = ensureCompileTimeEval(() => Number(np.arange(5).sum().item()));
 *   return x.mul(terms);
 * });
 * String(f(2)); // → 20.0
 */
export function ensureCompileTimeEval<T>(body: () => T): T {
  checkFunction('ensureCompileTimeEval', body);
  const trace = new CompileTimeTrace();
  try {
    return withTrace(trace, body);
  } finally {
    trace.finish();
  }
}
