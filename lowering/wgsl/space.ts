/**
 * Shared memory for the exchange of tiles between invocations: a stack in workgroup memory while there is room, else in the scratch buffer,
 * where every program has a range of its own.
 */
import type { DType } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import * as affine from './affine.ts';
import { WordArray, type Pen, type Tracked } from './memory.ts';

/** Stands for a staging buffer where barriers are decided; its elements are accessed by the dot that uses it. */
class Staged implements Tracked {
  readonly name: string;
  readonly space = 'workgroup';
  readonly isMutable = true;
  readonly identity: object = this;
  constructor(name: string) {
    this.name = name;
  }
}

/** Workgroup memory that holds an operand of a dot. */
export interface Staging {
  readonly name: string;
  readonly type: string;
  count: number;
  readonly memory: Tracked;
}

/** Memory that one workgroup has. */
export class Space {
  readonly #pen: Pen;
  readonly #limit: number;
  readonly #arena = {};
  #fixed = 0;
  #top = 0;
  #peak = 0;
  #scratch = 0;
  readonly #stack: number[] = [];
  readonly #declarations: string[] = [];
  readonly #staging = new Map<string, Staging>();

  /** `bytes`: what the device gives a workgroup. */
  constructor(pen: Pen, bytes: number) {
    this.#pen = pen;
    this.#limit = Math.floor(bytes / 4);
  }

  /** Words of workgroup memory that are left. */
  get room(): number {
    return this.#limit - this.#fixed - this.#peak;
  }

  /** Words of scratch that every program needs. */
  get scratchWords(): number {
    return this.#scratch;
  }

  /** Declare workgroup memory that lives as long as the program; false when there is no room. */
  declare(name: string, type: string, words: number): boolean {
    if (words > this.room) return false;
    this.#fixed += words;
    this.#declarations.push(`var<workgroup> ${name}: ${type};`);
    return true;
  }

  /**
   * Workgroup memory for one operand of a dot, shared by all dots of the kernel; undefined when there is no room.
   * `type` is the element type, of `words` words each.
   */
  staging(slot: string, type: string, use: { words: number; count: number }): Staging | undefined {
    const name = `stage_${slot}_${type.replace(/\W/g, '')}`;
    const known = this.#staging.get(name);
    const before = (known?.count ?? 0) * use.words;
    const wanted = Math.max(before, use.count * use.words);
    if (wanted - before > this.room) return undefined;
    this.#fixed += wanted - before;
    const staging = known ?? { name, type, count: 0, memory: new Staged(name) };
    staging.count = wanted / use.words;
    this.#staging.set(name, staging);
    return staging;
  }

  /** Memory for a ref of the program: workgroup memory, or scratch. */
  own(name: string, dtype: DType, elements: number): WordArray {
    const words = Math.max(1, elements);
    if (this.declare(name, `array<u32, ${words}>`, words))
      return new WordArray(this.#pen, dtype, {
        name,
        array: name,
        base: affine.zero,
        space: 'workgroup',
      });
    return this.#scratchRange(name, dtype, words);
  }

  #scratchRange(name: string, dtype: DType, words: number): WordArray {
    const base = affine.offset(affine.variable('scratch_base'), this.#scratch);
    this.#scratch += Math.ceil(words / 4) * 4;
    if (this.#scratch * 4 > 2 ** 30)
      throw new LoweringError(
        'webgpu: a program may use at most 1 GiB of scratch memory. Use smaller blocks.',
      );
    return new WordArray(this.#pen, dtype, { name, array: 'scratch', base, space: 'storage' });
  }

  /** Where the stack stands. */
  mark(): number {
    return this.#stack.length;
  }

  /** Memory until the stack goes back behind this. */
  take(dtype: DType, elements: number): WordArray {
    const words = Math.max(1, elements);
    this.#stack.push(this.#top);
    if (this.#top + words > this.#limit - this.#fixed)
      return this.#scratchRange(`exchange${this.#scratch}`, dtype, words);
    const base = affine.constant(this.#top);
    this.#top += words;
    this.#peak = Math.max(this.#peak, this.#top);
    return new WordArray(this.#pen, dtype, {
      name: 'arena',
      array: 'arena',
      base,
      space: 'workgroup',
      identity: this.#arena,
    });
  }

  /** Free what was taken since `mark`. */
  release(mark: number): void {
    while (this.#stack.length > mark) this.#top = this.#stack.pop() ?? 0;
  }

  /** The declarations. */
  get text(): string {
    const arena = this.#peak > 0 ? [`var<workgroup> arena: array<u32, ${this.#peak}>;`] : [];
    const staged = [...this.#staging.values()].map(
      (s) => `var<workgroup> ${s.name}: array<${s.type}, ${s.count}>;`,
    );
    return [...arena, ...staged, ...this.#declarations].join('\n');
  }
}
