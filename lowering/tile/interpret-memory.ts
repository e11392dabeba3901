/**
 * Refs in the interpreter: windows on memory, with bounds, poison and the detection of races. An element outside the array reads as the
 * fill and is not written; one inside the array but outside the block is another program's business: reading it gives poison, writing is an error.
 */
import { KernelError } from '../../core/errors.ts';
import { showShape, sizeOf, stridesOf, type Shape } from '../../core/shape.ts';
import type { DType } from '../../core/dtype.ts';
import { poison, zero, type Real } from './interpret-data.ts';

const unowned = -1;
/** Written by atomic operations of several programs; those of one program p alone are marked −3 − p. */
const manyAtomics = -2;
const atomicOf = (program: number): number => -3 - program;

/** Memory of an operand, or of one program. */
export interface Memory {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly values: Real[];
  /** Per element, the program that wrote it; undefined for memory that no two programs share. */
  readonly writers: Int32Array | undefined;
}

/** A window on memory. */
export interface Window {
  readonly memory: Memory;
  /** Per axis of the memory: where the window starts. */
  readonly starts: readonly number[];
  /** Per axis of the memory: the first and the last place of the block, and one past it. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Per axis of the ref: which axis of the memory it walks, in which steps. */
  readonly axes: readonly {
    readonly axis: number;
    readonly stride: number;
    readonly size: number;
  }[];
}

/** Make memory, undefined (poison) or zero. */
export function makeMemory(name: string, dtype: DType, shape: Shape, isChecked: boolean): Memory {
  const value = isChecked ? poison(dtype) : zero(dtype);
  const values = Array.from({ length: sizeOf(shape) }, () => value);
  return { name, dtype, shape, strides: stridesOf(shape), values, writers: undefined };
}

/** A table of writers for memory that programs share. */
export const makeWriters = (shape: Shape): Int32Array =>
  new Int32Array(sizeOf(shape)).fill(unowned);

/** The window on all of a memory. */
export const wholeWindow = (memory: Memory): Window => ({
  memory,
  starts: memory.shape.map(() => 0),
  low: memory.shape.map(() => 0),
  high: memory.shape,
  axes: memory.shape.map((size, axis) => ({ axis, stride: 1, size })),
});

/** A part of a window. */
export function sliceWindow(
  window: Window,
  starts: readonly number[],
  part: {
    readonly sizes: Shape;
    readonly strides: readonly number[];
    readonly squeeze: readonly number[];
  },
): Window {
  const at = [...window.starts];
  window.axes.forEach((a, i) => (at[a.axis] += starts[i] * a.stride));
  const axes = window.axes
    .map((a, i) => ({ axis: a.axis, stride: a.stride * part.strides[i], size: part.sizes[i] }))
    .filter((_, i) => !part.squeeze.includes(i));
  return { ...window, starts: at, axes };
}

/** A window with permuted axes. */
export const transposeWindow = (window: Window, permutation: readonly number[]): Window => ({
  ...window,
  axes: permutation.map((p) => window.axes[p]),
});

/** Where a position of a window is: its offset in memory, and whether it lies in the array and in the block. */
export interface Place {
  readonly offset: number;
  readonly inArray: boolean;
  readonly inBlock: boolean;
}

/** Where a position of a window (one index per axis of the ref) is. */
export function placeOf(window: Window, position: readonly number[]): Place {
  const { memory, starts, low, high } = window;
  const index = [...starts];
  window.axes.forEach((a, i) => (index[a.axis] += position[i] * a.stride));
  let offset = 0;
  let inArray = true;
  let inBlock = true;
  for (let i = 0; i < index.length; i++) {
    offset += index[i] * memory.strides[i];
    inArray &&= index[i] >= 0 && index[i] < memory.shape[i];
    inBlock &&= index[i] >= low[i] && index[i] < high[i];
  }
  return { offset, inArray, inBlock };
}

/** Every position of a shape, in row-major order. */
export function* positions(shape: Shape): Generator<readonly number[]> {
  const at = shape.map(() => 0);
  const total = sizeOf(shape);
  for (let n = 0; n < total; n++) {
    yield at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++at[axis] < shape[axis]) break;
      at[axis] = 0;
    }
  }
}

/** Reads and writes of one program step. */
export class Access {
  /** Linear index of the program along the parallel axes. */
  program = 0;
  /** The user's line of the op that runs. */
  frame: string | undefined = undefined;
  /** Prints the indices of a program, for errors. */
  readonly showProgram: (program: number) => string;
  readonly isChecked: boolean;

  constructor(isChecked: boolean, showProgram: (program: number) => string) {
    this.isChecked = isChecked;
    this.showProgram = showProgram;
  }

  /** Read one element; `fill` is what places outside the array give. */
  read(window: Window, position: readonly number[], fill: Real | undefined): Real {
    const { memory } = window;
    const place = placeOf(window, position);
    if (!place.inArray) return fill ?? this.undefinedValue(memory.dtype);
    if (this.isChecked && !place.inBlock) return poison(memory.dtype);
    const writer = memory.writers?.[place.offset] ?? unowned;
    if (writer >= 0 && writer !== this.program)
      this.#race('reads', 'wrote', memory, position, writer);
    return memory.values[place.offset];
  }

  /** Write one element; nothing outside the array. */
  write(window: Window, position: readonly number[], value: Real, isAtomic = false): void {
    const { memory } = window;
    const place = placeOf(window, position);
    if (!place.inArray) return;
    if (this.isChecked && !place.inBlock)
      throw new KernelError(
        `store: a program writes only its own block; got a write outside the block of ${memory.name} by program ${this.showProgram(this.program)}${this.#line()}. Mask what lies outside.`,
      );
    if (memory.writers !== undefined) {
      const writer = memory.writers[place.offset];
      const isOwn =
        writer === unowned || writer === this.program || writer === atomicOf(this.program);
      const isShared = isAtomic && writer < unowned;
      if (!isOwn && !isShared) this.#race('writes', 'wrote', memory, position, writer);
      const mark = isAtomic ? atomicOf(this.program) : this.program;
      memory.writers[place.offset] = isOwn ? mark : manyAtomics;
    }
    memory.values[place.offset] = value;
  }

  /** What a place without a value gives. */
  undefinedValue(dtype: DType): Real {
    return this.isChecked ? poison(dtype) : zero(dtype);
  }

  #line(): string {
    return this.frame === undefined ? '' : ` (${this.frame})`;
  }

  #race(
    does: string,
    did: string,
    memory: Memory,
    position: readonly number[],
    other: number,
  ): never {
    const who =
      other < 0 ? 'an atomic operation of another program' : `program ${this.showProgram(other)}`;
    throw new KernelError(
      `race: programs along parallel axes must not touch what others write; got program ${this.showProgram(this.program)} that ${does} element ${showShape(position)} of its block of ${memory.name}, which ${who} ${did}${this.#line()}. Make the axis sequential, or give each program a block of its own.`,
    );
  }
}
