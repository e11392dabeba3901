/** Effects: what an equation does besides computing its results. They are part of a program's type: a program has the effects of its equations. */

/** One kind of effect. Identity is the object. */
export class Effect {
  /** JAX's name of it: `Debug`, `OrderedIO`. */
  readonly name: string;
  /** Whether equations with this effect run in the order of the program, among each other and over calls. */
  readonly ordered: boolean;
  /**
   * Whether it may also happen for lanes of a batch that do not take the branch, or have left the loop, in which it stands:
   * a batched branch runs on every lane.
   */
  readonly speculative: boolean;
  /** Whether a program with it can be given a condition without which it does not happen: so a batched branch runs on every lane. */
  readonly guarded: boolean;

  constructor(
    name: string,
    options: {
      readonly ordered: boolean;
      readonly speculative: boolean;
      readonly guarded?: boolean;
    },
  ) {
    this.name = name;
    this.ordered = options.ordered;
    this.speculative = options.speculative;
    this.guarded = options.guarded ?? false;
  }

  toString(): string {
    return this.name;
  }
}

/** Printing and other looks at values. */
export const debugEffect: Effect = new Effect('Debug', { ordered: false, speculative: true });
/** The same, in the order of the program. */
export const orderedDebugEffect: Effect = new Effect('OrderedDebug', {
  ordered: true,
  speculative: true,
});
/** Input and output. */
export const ioEffect: Effect = new Effect('IO', { ordered: false, speculative: false });
/** The same, in the order of the program. */
export const orderedIoEffect: Effect = new Effect('OrderedIO', {
  ordered: true,
  speculative: false,
});
/** A check that `checkify` turns into a result. */
export const checkEffect: Effect = new Effect('Check', {
  ordered: false,
  speculative: false,
  guarded: true,
});
/** Making a mutable reference, or writing to one. Before lanes of a batch go different ways, references have become values. */
export const writeEffect: Effect = new Effect('Write', { ordered: true, speculative: true });

/** All effects of a list of lists, each once. */
export const unionOfEffects = (lists: readonly (readonly Effect[])[]): readonly Effect[] =>
  lists.every((list) => list.length === 0) ? [] : [...new Set(lists.flat())];
