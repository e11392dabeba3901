/**
 * Memories of a shader and the spelling of accesses to them. Storage buffers of 32-bit types are arrays of scalars or of vectors, as all
 * accesses allow; narrower elements are packed in u32 words, and an invocation that does not own a whole word changes its part atomically.
 * Workgroup memory and scratch hold one element per 32-bit word. Indices count elements and are in bounds when they get here, or harmless.
 */
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { fromBits, toBits } from './convert.ts';
import { hex, registerOf, typeName, type Register } from './format.ts';
import type { Width } from './layout.ts';
import { gatherComponents, spread, type Prelude } from './prelude.ts';
import type { Text } from './text.ts';

/** What was asked of the storage buffers in one pass; the next pass declares them accordingly. */
export class Demands {
  /** Widths of accesses per buffer. */
  readonly #widths = new Map<string, Set<Width>>();
  readonly #written = new Set<string>();
  readonly #atomic = new Set<string>();
  /** Places in the text where a scalar is read from storage. */
  sites = 0;

  /** Note an access. */
  note(name: string, width: Width, isWrite: boolean): void {
    const widths = this.#widths.get(name);
    if (widths === undefined) this.#widths.set(name, new Set([width]));
    else widths.add(width);
    if (isWrite) this.#written.add(name);
    else this.sites += width;
  }

  /** Note that words of a buffer are changed in part, or atomically. */
  noteAtomic(name: string): void {
    this.#atomic.add(name);
  }

  /** Components of the declared elements of a buffer. */
  lanes(name: string): Width {
    const widths = this.#widths.get(name);
    if (widths === undefined || this.#atomic.has(name)) return 1;
    const widest = Math.max(...widths) as Width;
    return this.#written.has(name) && widths.size > 1 ? 1 : widest;
  }

  /** Whether the words of a buffer are atomic. */
  isAtomic(name: string): boolean {
    return this.#atomic.has(name);
  }
}

/** What memories need to write code. */
export interface Pen {
  readonly text: Text;
  readonly prelude: Prelude;
  /** What the pass before asked for. */
  readonly before: Demands;
  /** What this pass asks for. */
  readonly now: Demands;
}

/** What barriers must know about a memory. */
export interface Tracked {
  readonly name: string;
  readonly space: 'storage' | 'workgroup';
  /** Whether the kernel writes it. */
  readonly isMutable: boolean;
  /** Equal for memories that share words. */
  readonly identity: object;
}

/** Elements that can be read and written by index. */
export interface Memory extends Tracked {
  readonly dtype: DType;
  /** Spell `width` elements from `index` on, which is a multiple of `width`. */
  read(index: Affine, width: Width): string;
  /** Write `width` elements from `index` on, which is a multiple of `width`. */
  write(index: Affine, width: Width, value: string): void;
}

/** Spell an index; what varies is shared by neighbouring accesses. */
export function indexText(pen: Pen, index: Affine): string {
  const varying = affine.offset(index, -index.constant);
  if (affine.isConstant(index)) return String(index.constant);
  const name = pen.text.shared('at', affine.print(varying));
  if (index.constant === 0) return name;
  return index.constant < 0 ? `${name} - ${-index.constant}` : `${name} + ${index.constant}`;
}

/** index / k, and index mod k as a number when it is known. */
function unit(pen: Pen, index: Affine, k: number): { word: string; within: string } {
  const part = ((index.constant % k) + k) % k;
  const rest = affine.offset(index, -part);
  const shift = Math.log2(k);
  if (affine.isMultiple(rest, k)) {
    const exact = affine.divide(rest, k);
    const word =
      exact === undefined ? `(${indexText(pen, rest)}) >> ${shift}u` : indexText(pen, exact);
    return { word, within: String(part) };
  }
  const name = pen.text.shared('at', affine.print(index));
  return { word: `${name} >> ${shift}u`, within: `(${name} & ${k - 1})` };
}

/** A storage buffer of a 32-bit type. */
class WordBuffer implements Memory {
  readonly space = 'storage';
  readonly name: string;
  readonly dtype: DType;
  readonly isMutable: boolean;
  readonly identity: object = this;
  readonly #pen: Pen;
  readonly #register: Register;

  constructor(pen: Pen, name: string, dtype: DType, isMutable: boolean) {
    this.#pen = pen;
    this.name = name;
    this.dtype = dtype;
    this.isMutable = isMutable;
    this.#register = registerOf(dtype);
  }

  read(index: Affine, width: Width): string {
    const { now, before } = this.#pen;
    now.note(this.name, width, false);
    if (before.isAtomic(this.name)) return this.#join(index, width, (i) => this.#atomicLoad(i));
    const lanes = before.lanes(this.name);
    if (lanes === width) return `${this.name}[${unit(this.#pen, index, lanes).word}]`;
    return this.#join(index, width, (i) => this.#single(i, lanes));
  }

  #join(index: Affine, width: Width, one: (i: Affine) => string): string {
    const parts = Array.from({ length: width }, (_, e) => one(affine.offset(index, e)));
    return gatherComponents(parts, this.#register);
  }

  #single(index: Affine, lanes: Width): string {
    if (lanes === 1) return `${this.name}[${indexText(this.#pen, index)}]`;
    const { word, within } = unit(this.#pen, index, lanes);
    return `${this.name}[${word}][${within}]`;
  }

  #atomicLoad(index: Affine): string {
    const text = `atomicLoad(&${this.name}[${indexText(this.#pen, index)}])`;
    return this.#register === 'f32' ? `bitcast<f32>(${text})` : text;
  }

  write(index: Affine, width: Width, value: string): void {
    const { now, before, text } = this.#pen;
    now.note(this.name, width, true);
    const isAtomic = before.isAtomic(this.name);
    if (!isAtomic && before.lanes(this.name) === width) {
      text.line(`${this.name}[${unit(this.#pen, index, width).word}] = ${value};`);
      return;
    }
    const name = width === 1 ? value : text.let('v', value);
    spread(name, width).forEach((part, e) => {
      const at = indexText(this.#pen, affine.offset(index, e));
      const bits = this.#register === 'f32' ? `bitcast<u32>(${part})` : part;
      if (isAtomic) text.line(`atomicStore(&${this.name}[${at}], ${bits});`);
      else text.line(`${this.name}[${at}] = ${part};`);
    });
  }
}

/** A storage buffer of elements narrower than a word. */
class PackedBuffer implements Memory {
  readonly space = 'storage';
  readonly name: string;
  readonly dtype: DType;
  readonly isMutable: boolean;
  readonly identity: object = this;
  readonly #pen: Pen;
  readonly #bits: number;

  constructor(pen: Pen, name: string, dtype: DType, isMutable: boolean) {
    this.#pen = pen;
    this.name = name;
    this.dtype = dtype;
    this.isMutable = isMutable;
    this.#bits = dtypeInfo[dtype].bits;
  }

  #load(word: string): string {
    this.#pen.now.note(this.name, 1, false);
    return this.#pen.before.isAtomic(this.name)
      ? `atomicLoad(&${this.name}[${word}])`
      : `${this.name}[${word}]`;
  }

  /** The bits of `width` elements, each in a u32. */
  #unpack(index: Affine, width: Width): string {
    const { text } = this.#pen;
    const bits = this.#bits;
    const perWord = 32 / bits;
    const mask = hex(2 ** bits - 1);
    if (width > perWord) {
      const words = [0, perWord].map((e) =>
        text.let('w', this.#load(unit(this.#pen, affine.offset(index, e), perWord).word)),
      );
      const parts = words.flatMap((w) => [`${w} & ${mask}`, `${w} >> ${bits}u`]);
      return gatherComponents(parts, 'u32');
    }
    const { word, within } = unit(this.#pen, index, perWord);
    const loaded = this.#load(word);
    const base = within === '0' ? loaded : `(${loaded} >> (u32(${within}) * ${bits}u))`;
    if (width === 1) return `(${base} & ${mask})`;
    const type = typeName('u32', width);
    const shifts = Array.from({ length: width }, (_, e) => `${e * bits}u`).join(', ');
    return `((${type}(${base}) >> ${type}(${shifts})) & ${type}(${mask}))`;
  }

  read(index: Affine, width: Width): string {
    return fromBits(this.#unpack(index, width), this.dtype, width, this.#pen.prelude);
  }

  write(index: Affine, width: Width, value: string): void {
    const { text, prelude, now } = this.#pen;
    const perWord = 32 / this.#bits;
    const bits = text.let('b', toBits(value, this.dtype, width, prelude));
    const parts = spread(bits, width);
    now.note(this.name, 1, true);
    if (width % perWord !== 0) {
      now.noteAtomic(this.name);
      parts.forEach((part, e) => this.#change(affine.offset(index, e), part));
      return;
    }
    for (let e = 0; e < width; e += perWord) {
      const { word } = unit(this.#pen, affine.offset(index, e), perWord);
      const packed = parts
        .slice(e, e + perWord)
        .map((part, i) => (i === 0 ? part : `(${part} << ${i * this.#bits}u)`))
        .join(' | ');
      if (this.#pen.before.isAtomic(this.name))
        text.line(`atomicStore(&${this.name}[${word}], ${packed});`);
      else text.line(`${this.name}[${word}] = ${packed};`);
    }
  }

  /** Change one element of a word that others share: clearing and setting touch these bits alone. */
  #change(index: Affine, bits: string): void {
    const { text, before } = this.#pen;
    const { word, within } = unit(this.#pen, index, 32 / this.#bits);
    const shift = text.let('s', `u32(${within}) * ${this.#bits}u`);
    const mask = hex(2 ** this.#bits - 1);
    // The first pass declares no atomics yet; its text is thrown away.
    if (!before.isAtomic(this.name)) return;
    text.line(`atomicAnd(&${this.name}[${word}], ~(${mask} << ${shift}));`);
    text.line(`atomicOr(&${this.name}[${word}], ${bits} << ${shift});`);
  }
}

/** The memory of an operand. */
export const storageMemory = (pen: Pen, name: string, dtype: DType, isMutable: boolean): Memory =>
  dtypeInfo[dtype].bits === 32
    ? new WordBuffer(pen, name, dtype, isMutable)
    : new PackedBuffer(pen, name, dtype, isMutable);

/** A range of an array of u32 words, one element per word: workgroup memory or scratch. */
export class WordArray implements Memory {
  readonly name: string;
  readonly dtype: DType;
  readonly space: 'storage' | 'workgroup';
  readonly isMutable = true;
  readonly identity: object;
  readonly #pen: Pen;
  readonly #array: string;
  readonly #base: Affine;

  constructor(
    pen: Pen,
    dtype: DType,
    place: {
      readonly name: string;
      readonly array: string;
      readonly base: Affine;
      readonly space: 'storage' | 'workgroup';
      /** Stands for the words when several memories share them. */
      readonly identity?: object;
    },
  ) {
    this.#pen = pen;
    this.dtype = dtype;
    this.name = place.name;
    this.space = place.space;
    this.#array = place.array;
    this.#base = place.base;
    this.identity = place.identity ?? this;
  }

  read(index: Affine, width: Width): string {
    const register = registerOf(this.dtype);
    const parts = Array.from({ length: width }, (_, e) => {
      const at = affine.offset(affine.add(this.#base, index), e);
      const word = `${this.#array}[${indexText(this.#pen, at)}]`;
      if (register === 'u32') return word;
      return register === 'bool' ? `(${word} != 0u)` : `bitcast<${register}>(${word})`;
    });
    return gatherComponents(parts, register);
  }

  write(index: Affine, width: Width, value: string): void {
    const register = registerOf(this.dtype);
    const name = width === 1 ? value : this.#pen.text.let('v', value);
    spread(name, width).forEach((part, e) => {
      const at = affine.offset(affine.add(this.#base, index), e);
      const word =
        register === 'u32' ? part : register === 'bool' ? `u32(${part})` : `bitcast<u32>(${part})`;
      this.#pen.text.line(`${this.#array}[${indexText(this.#pen, at)}] = ${word};`);
    });
  }
}
