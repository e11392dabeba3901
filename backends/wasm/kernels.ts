/** Kernels as machine code: emitted, compiled and instantiated once per text, however many programs contain them. */
import { meaning } from '../../lowering/scalar-meaning.ts';
import type { ScalarFn } from '../../lowering/scalar.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import { printKernel } from '../../lowering/tile/print.ts';
import type { Cells } from './cells.ts';
import type { RunnableKernel } from './executable.ts';

/** What `emitWasm` makes of a kernel. */
export interface KernelCode {
  readonly bytes: Uint8Array;
  readonly programs: number;
  readonly scratchBytes: number;
  /** Estimated nanoseconds of one program. */
  readonly cost: number;
  readonly text: string;
}

/** Kernels that are kept, beside those that programs hold. */
const keptKernels = 2048;

/** The functions of `math.*` that a kernel imports, in double precision. */
function mathImports(module: WebAssembly.Module): Record<string, WebAssembly.ImportValue> {
  const names = WebAssembly.Module.imports(module).filter((entry) => entry.module === 'math');
  return Object.fromEntries(names.map(({ name }) => [name, meaning(name as ScalarFn, 'f64')]));
}

/** A kernel that can be called. */
export class LoadedKernel implements RunnableKernel {
  readonly id: number;
  readonly name: string;
  /** Tile kernel text. */
  readonly text: string;
  /** `run(begin, end, scratch, …addresses)`. */
  readonly run: (...args: number[]) => void;
  readonly programs: number;
  readonly scratchBytes: number;
  /** Estimated nanoseconds of all programs. */
  readonly cost: number;
  /** Whether workers can run it: they have no imports but the memory. */
  readonly isPortable: boolean;
  readonly #bytes: Uint8Array;
  readonly #kernels: Kernels;
  readonly #emit: () => KernelCode;
  #code: { readonly address: number; readonly byteLength: number } | undefined;

  constructor(kernels: Kernels, id: number, named: { readonly name: string; readonly text: string }, emit: () => KernelCode) {
    const code = emit();
    this.#emit = emit;
    this.id = id;
    this.name = named.name;
    this.text = named.text;
    this.programs = code.programs;
    this.scratchBytes = code.scratchBytes;
    this.cost = code.cost * code.programs;
    this.#bytes = code.bytes;
    this.#kernels = kernels;
    const module = new WebAssembly.Module(new Uint8Array(code.bytes));
    const math = mathImports(module);
    this.isPortable = Object.keys(math).length === 0;
    const { memory } = kernels.cells.heap;
    const instance = new WebAssembly.Instance(module, { env: { memory }, math });
    this.run = instance.exports['run'] as (...args: number[]) => void;
  }

  /** Wasm text; made when it is asked for. */
  get source(): string {
    return this.#emit().text;
  }

  code(): { readonly address: number; readonly byteLength: number } {
    return (this.#code ??= this.#kernels.place(this, this.#bytes));
  }
}

/** The kernels of one device. */
export class Kernels {
  readonly cells: Cells;
  readonly #emit: (kernel: Kernel, exact: boolean) => KernelCode;
  readonly #loaded = new Map<string, LoadedKernel>();
  readonly #placed: FinalizationRegistry<number>;
  #count = 0;

  constructor(cells: Cells, emit: (kernel: Kernel, exact: boolean) => KernelCode) {
    this.cells = cells;
    this.#emit = emit;
    this.#placed = new FinalizationRegistry((block) => cells.heap.free(block));
  }

  /** Emit, compile and instantiate a kernel, or find it. */
  load(kernel: Kernel, exact: boolean): LoadedKernel {
    const text = printKernel(kernel);
    const key = `${exact ? 'exact ' : ''}${text}`;
    const known = this.#loaded.get(key);
    if (known !== undefined) {
      // The order of the map is the order of use, oldest first.
      this.#loaded.delete(key);
      this.#loaded.set(key, known);
      return known;
    }
    const loaded = new LoadedKernel(this, ++this.#count, { name: kernel.name, text }, () => this.#emit(kernel, exact));
    this.#loaded.set(key, loaded);
    if (this.#loaded.size > keptKernels)
      for (const oldest of this.#loaded.keys()) {
        this.#loaded.delete(oldest);
        break;
      }
    return loaded;
  }

  /** Write the code of a kernel to the heap, where workers find it, until the kernel is collected. */
  place(kernel: LoadedKernel, bytes: Uint8Array): { readonly address: number; readonly byteLength: number } {
    const { heap } = this.cells;
    const block = this.cells.reserve(bytes.byteLength, 'kernels');
    this.#placed.register(kernel, block);
    const address = heap.address(block);
    heap.u8.set(bytes, address);
    return { address, byteLength: bytes.byteLength };
  }
}
