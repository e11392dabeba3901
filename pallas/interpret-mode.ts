/** Runs whole functions with every kernel in the checking interpreter, whatever transformations stand between. */
import type { NDArray } from '../core/array.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import type { Primitive } from '../core/primitive.ts';
import { withTrace } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { EvalTrace } from '../transforms/eval.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { jitP, type JitParams } from '../transforms/jit-call.ts';
import { pallasCallP } from './call.ts';
import { interpretCall, type InterpretMode } from './interpret-call.ts';
import type { PallasParams } from './params.ts';

/** Computes as ever, but kernels in the interpreter; jitted functions are opened, so that their kernels are found. */
class InterpretTrace extends EvalTrace {
  readonly #mode: InterpretMode;

  constructor(mode: InterpretMode) {
    super();
    this.#mode = mode;
  }

  override process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const is = (other: unknown): boolean => (prim as unknown) === other;
    if (is(pallasCallP))
      return interpretCall(params as PallasParams, args as readonly NDArray[], this.#mode);
    if (is(jitP)) return evalJaxpr((params as JitParams).jaxpr, args);
    return super.process(prim, args, params);
  }
}

/**
 * A function like `f` in which every kernel runs in the checking interpreter: it reports races, reads of undefined memory and of other programs'
 * blocks, writes outside of blocks, and blocks outside of arrays. Slow. Kernels inside loops and branches run as compiled.
 *
 * @throws KernelError for a kernel that does what it must not.
 * @example
 * const x = np.arange(6).astype('f32');
 * String(pl.forceInterpretMode((y) => pl.ops.softmax(y), { seed: 1 })(x).shape); // → 6
 */
export function forceInterpretMode<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  mode: InterpretMode = {},
): (...args: A) => R {
  checkFunction('forceInterpretMode', f);
  checkOptions('forceInterpretMode', mode, ['seed']);
  return (...args) => withTrace(new InterpretTrace(mode), () => f(...args));
}
