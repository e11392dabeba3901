/** Values by name, region inside region. */
import type { HloValue } from './ir.ts';
import type { Scanner } from './scan.ts';

/** The names of a region; those of the regions around it are visible too. */
export class Scope {
  readonly #regions: readonly Map<string, readonly HloValue[]>[];

  constructor(outer?: Scope) {
    const around = outer === undefined ? [] : outer.#regions;
    this.#regions = [new Map<string, readonly HloValue[]>(), ...around];
  }

  /** The results that a name stands for. */
  find(name: string): readonly HloValue[] | undefined {
    for (const values of this.#regions) {
      const found = values.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Name values. @throws ParseError when the name stands for others here. */
  define(s: Scanner, name: string, values: readonly HloValue[], position?: number): void {
    if (this.find(name) !== undefined)
      throw s.error(
        `a name must stand for one value; got ${name} twice. Rename one of them.`,
        position,
      );
    this.#regions[0].set(name, values);
  }
}
