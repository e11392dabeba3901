/** One rule per primitive, kept outside the primitive: for lowering, and for transformations that core does not know. */
import { MissingRuleError } from './errors.ts';
import type { Primitive } from './primitive.ts';

/** A table from primitives to rules of one kind. */
export class RuleTable<R> {
  readonly #rules = new Map<string, R>();
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  /** Set the rule of a primitive. */
  set<P>(prim: Primitive<P>, rule: R): this {
    this.#rules.set(prim.name, rule);
    return this;
  }

  /** Whether the primitive has a rule. */
  has<P>(prim: Primitive<P>): boolean {
    return this.#rules.has(prim.name);
  }

  /** The rule of a primitive, or undefined. */
  find<P>(prim: Primitive<P>): R | undefined {
    return this.#rules.get(prim.name);
  }

  /**
   * The rule of a primitive.
   *
   * @throws MissingRuleError when there is none.
   */
  get<P>(prim: Primitive<P>): R {
    const rule = this.#rules.get(prim.name);
    if (rule === undefined) throw new MissingRuleError(prim.name, this.#what);
    return rule;
  }
}
