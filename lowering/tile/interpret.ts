/**
 * Runs tile kernels slowly and exactly: the oracle of every target. With `checked` it also finds what a target would let pass: use of
 * undefined memory and of the padding of blocks (poisoned: NaN, or the most extreme integer), writes outside the block, failed checks.
 * Races and blocks that lie wholly outside their array are always errors. What scalar functions mean stands in `scalar-meaning.ts`.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import { KernelError } from '../../core/errors.ts';
import { showShape, sizeOf, stridesOf } from '../../core/shape.ts';
import type { BlockMapping, Kernel, Operand } from './ir.ts';
import { fromBytes, toBytes, type Data } from './interpret-data.ts';
import {
  Access,
  makeMemory,
  makeWriters,
  wholeWindow,
  type Memory,
  type Window,
} from './interpret-memory.ts';
import { runRegion, type Step } from './interpret-ops.ts';

/** How to run a kernel. */
export interface InterpretOptions {
  /** Poison what is undefined, and check what targets do not. */
  readonly checked?: boolean;
  /** Run the programs along parallel axes in an order that depends on this number; row-major when left out. */
  readonly seed?: number;
  /** Receives the output of `print`. */
  readonly print?: (text: string) => void;
}

/** Numbers 0 … n - 1 in an order that depends on the seed. */
function order(n: number, seed: number | undefined): number[] {
  const list = Array.from({ length: n }, (_, i) => i);
  if (seed === undefined) return list;
  let state = seed >>> 0;
  for (let i = n - 1; i > 0; i--) {
    // Linear congruential steps (Numerical Recipes): any order will do.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

const split = (n: number, extents: readonly number[]): number[] =>
  stridesOf(extents).map((stride, i) => Math.floor(n / stride) % extents[i]);

function openMemory(operand: Operand, bytes: Uint8Array, isChecked: boolean): Memory {
  const empty = makeMemory(operand.name, operand.dtype, operand.shape, isChecked);
  const byteLength = sizeOf(operand.shape) * dtypeInfo[operand.dtype].byteLength;
  if (bytes.length < byteLength)
    throw new KernelError(
      `interpret: the buffer of ${operand.name} must hold ${byteLength} bytes; got ${bytes.length}.`,
    );
  const isUndefined = isChecked && operand.access === 'write';
  const values = isUndefined
    ? empty.values
    : fromBytes(bytes.subarray(0, byteLength), operand.dtype);
  return {
    ...empty,
    values,
    writers: operand.access === 'read' ? undefined : makeWriters(operand.shape),
  };
}

/** Window of a block, given one index per axis of the array. */
function blockWindow(
  memory: Memory,
  block: BlockMapping,
  index: readonly number[],
  program: string,
): Window {
  const starts = block.dims.map((dim, i) =>
    dim.kind === 'blocked' ? index[i] * dim.size : index[i],
  );
  const sizes = block.dims.map((dim) => (dim.kind === 'squeezed' ? 1 : dim.size));
  const high = starts.map((s, i) => s + sizes[i]);
  const isOutside = memory.shape.some(
    (d, i) => d > 0 && sizes[i] > 0 && (starts[i] >= d || high[i] <= 0),
  );
  if (isOutside)
    throw new KernelError(
      `index map of ${memory.name}: a block must not lie wholly outside its array; got a block of ${showShape(sizes)} at ${showShape(starts)} of an array of ${showShape(memory.shape)} in program ${program}. Mend the index map or the grid.`,
    );
  const axes = block.dims.flatMap((dim, axis) =>
    dim.kind === 'squeezed' ? [] : [{ axis, stride: 1, size: dim.size }],
  );
  return { memory, starts, low: starts, high, axes };
}

/** One kernel on its memories. */
class Run {
  readonly #kernel: Kernel;
  readonly #memories: readonly Memory[];
  readonly #access: Access;
  readonly #print: (text: string) => void;
  readonly #extents: readonly number[];
  readonly #parallel: readonly number[];
  readonly #sequential: readonly number[];

  constructor(kernel: Kernel, memories: readonly Memory[], options: InterpretOptions) {
    this.#kernel = kernel;
    this.#memories = memories;
    this.#print = options.print ?? (() => {});
    this.#extents = kernel.grid.map((g) => g.extent);
    const axes = kernel.grid.map((_, i) => i);
    this.#parallel = axes.filter((i) => kernel.grid[i].semantics === 'parallel');
    this.#sequential = axes.filter((i) => kernel.grid[i].semantics === 'sequential');
    const extents = this.#parallel.map((i) => this.#extents[i]);
    this.#access = new Access(options.checked === true, (p) => `(${split(p, extents).join(', ')})`);
  }

  all(seed: number | undefined): void {
    const extents = this.#parallel.map((i) => this.#extents[i]);
    for (const program of order(sizeOf(extents), seed))
      this.#program(program, split(program, extents));
  }

  #program(program: number, place: readonly number[]): void {
    const access = this.#access;
    access.program = program;
    const scratch = this.#kernel.scratch.map((s) =>
      wholeWindow(makeMemory(s.name, s.dtype, s.shape, access.isChecked)),
    );
    const ids = this.#extents.map(() => 0);
    this.#parallel.forEach((axis, i) => (ids[axis] = place[i]));
    const steps = this.#sequential.map((i) => this.#extents[i]);
    const total = sizeOf(steps);
    for (let n = 0; n < total; n++) {
      const at = split(n, steps);
      this.#sequential.forEach((axis, i) => (ids[axis] = at[i]));
      this.#step([...ids], scratch);
    }
  }

  #step(ids: readonly number[], scratch: readonly Window[]): void {
    const { operands, body } = this.#kernel;
    const step: Step = {
      values: new Map(),
      access: this.#access,
      ids,
      extents: this.#extents,
      print: this.#print,
    };
    const scalars = ids.map((id): Data => ({ dtype: 'i32', shape: [], values: [id] }));
    const prefetch = operands.flatMap((o, i) =>
      o.prefetch === true ? [wholeWindow(this.#memories[i])] : [],
    );
    const blocks = operands.map((o, i) => {
      const index = runRegion(o.block.indexMap, [...scalars, ...prefetch], step).map((d) =>
        Number(d.values[0]),
      );
      return blockWindow(this.#memories[i], o.block, index, `(${ids.join(', ')})`);
    });
    runRegion(body, [...blocks, ...scratch], step);
  }
}

/**
 * Run a kernel on buffers, one per operand, row-major and little-endian; operands that are written change in place.
 *
 * @throws KernelError on races and on blocks outside their array; when checked, also on failed checks and writes outside a block.
 */
export function interpretKernel(
  kernel: Kernel,
  buffers: readonly Uint8Array[],
  options: InterpretOptions = {},
): void {
  const { operands } = kernel;
  if (buffers.length !== operands.length)
    throw new KernelError(
      `${kernel.name}: takes ${operands.length} buffers; got ${buffers.length}.`,
    );
  const memories = operands.map((o, i) => openMemory(o, buffers[i], options.checked === true));
  new Run(kernel, memories, options).all(options.seed);
  operands.forEach((o, i) => {
    if (o.access !== 'read') buffers[i].set(toBytes(memories[i].values, o.dtype));
  });
}
