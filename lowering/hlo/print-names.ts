/**
 * Names of SSA values, as MLIR numbers them: all values of a block first, then the regions inside, each from where its parent stood.
 * Hinted names (`%cst`, `%iterArg`) that are taken get a suffix from one counter per scope.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import type { HloOp, HloValue, Region } from './ir.ts';

interface Counters {
  value: number;
  argument: number;
  conflict: number;
}

/** Names of one function. */
export class Names {
  readonly #names = new Map<HloValue, string>();
  readonly #used = new Set<string>();

  constructor(body: Region) {
    this.#region(body, { value: 0, argument: 0, conflict: 0 }, 'arg');
  }

  /** The name of a value where it is used: `%0`, `%1#2`, `%cst_3`. */
  of(value: HloValue): string {
    return this.#names.get(value) ?? '%undefined';
  }

  /** What stands before `=`: one name, several, or one with a count. */
  definition(op: HloOp): string {
    const [first] = op.results;
    if (op.results.length === 1 || hintOf(op, 0) !== undefined)
      return op.results.map((r) => this.of(r)).join(', ');
    return `${this.of(first).slice(0, -2)}:${op.results.length}`;
  }

  #unique(hint: string, counters: Counters, taken: string[]): string {
    let name = hint;
    while (this.#used.has(name)) name = `${hint}_${counters.conflict++}`;
    this.#used.add(name);
    taken.push(name);
    return `%${name}`;
  }

  #region(region: Region, counters: Counters, argHint: 'arg' | 'iterArg'): void {
    const taken: string[] = [];
    for (const arg of region.args) {
      const hint = argHint === 'arg' ? `arg${counters.argument++}` : argHint;
      this.#names.set(arg, this.#unique(hint, counters, taken));
    }
    for (const op of region.ops) this.#op(op, counters, taken);
    for (const op of region.ops)
      for (const inner of op.regions)
        this.#region(inner, { ...counters }, op.kind === 'while' ? 'iterArg' : 'arg');
    for (const name of taken) this.#used.delete(name);
  }

  #op(op: HloOp, counters: Counters, taken: string[]): void {
    if (op.results.length === 0) return;
    if (hintOf(op, 0) !== undefined) {
      op.results.forEach((r, i) =>
        this.#names.set(r, this.#unique(hintOf(op, i) ?? 'r', counters, taken)),
      );
      return;
    }
    const number = `%${counters.value++}`;
    op.results.forEach((r, i) =>
      this.#names.set(r, op.results.length === 1 ? number : `${number}#${i}`),
    );
  }
}

/** The names that StableHLO suggests for results. */
function hintOf(op: HloOp, index: number): string | undefined {
  if (op.kind === 'rng_bit_generator') return index === 0 ? 'output_state' : 'output';
  if (op.kind !== 'constant') return undefined;
  const { kind } = dtypeInfo[op.results[0].type.dtype];
  return kind === 'float' || kind === 'complex' ? 'cst' : 'c';
}
