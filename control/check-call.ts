/** The primitive `check`: a condition that must hold. `checkify` makes a result of it; a program that is compiled cannot hold one. */
import type { Aval } from '../core/aval.ts';
import { NDArray } from '../core/array.ts';
import { checkEffect } from '../core/effects.ts';
import { ArgumentError, CheckError } from '../core/errors.ts';
import { keyOf } from '../core/key.ts';
import type { Primitive } from '../core/primitive.ts';
import { select } from '../lax/comparison.ts';
import { iota, zerosLike } from '../lax/creation.ts';
import { not, or } from '../lax/bits.ts';
import { definePrimitive } from '../lax/define.ts';
import { reduceAnd, reduceMax } from '../lax/reduction.ts';
import { dynamicIndexInDim } from '../lax/slicing.ts';
import { batchTo } from '../lax/structure.ts';
import { defineGuard } from '../transforms/guard.ts';

/** Something that can go wrong in a program, and how it is told from the arrays that belong to it. */
export class CheckSite {
  readonly message: (payload: readonly NDArray[]) => string;
  readonly #key: string;

  constructor(key: readonly unknown[], message: (payload: readonly NDArray[]) => string) {
    this.#key = `check ${keyOf(key)}`;
    this.message = message;
  }

  /** Equal checks are equal params. */
  structuralKey(): string {
    return this.#key;
  }

  toString(): string {
    return this.#key;
  }
}

/** Parameters of `check`. */
export interface CheckParams {
  readonly site: CheckSite;
}

/** `check`: a condition that must hold. Operands: a rank-0 bool, then what the message shows. */
export const checkP: Primitive<CheckParams> = definePrimitive<CheckParams>('check', {
  abstractEval: (): readonly Aval[] => [],
  lower: () => {
    throw new ArgumentError(
      'checkify.check: a program that is compiled cannot hold a check; got one that nobody made a result of. Call jit(checkify.checkify(f)), or checkify.checkify(jit(f)), in place of jit(f).',
    );
  },
  evaluate([ok, ...payload], { site }) {
    if (ok.item() === false)
      throw new CheckError(site.message(payload.filter((x) => x instanceof NDArray)));
    return [];
  },
  jvp: 'zero',
  // One lane stands for all: the last that fails, as in JAX.
  batch(args, dims, params, { size }) {
    if (size === 0) return [[], []];
    const [ok, ...payload] = args.map((x, i) => batchTo(x, dims[i], 0, size));
    const lanes = iota('i32', size);
    const lane = reduceMax(select(ok, zerosLike(lanes), lanes), [0]);
    const shown = payload.map((x) => dynamicIndexInDim(x, lane));
    checkP.bind([reduceAnd(ok, [0]), ...shown], params);
    return [[], []];
  },
  effects: () => [checkEffect],
  printParams: ({ site }) => ({ site: site.toString() }),
});

defineGuard(checkP, (on, [ok, ...payload], params) =>
  checkP.bind([or(ok, not(on)), ...payload], params),
);
