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

/** Where the code of a kernel lies in the heap, for workers. */
export interface CodePlace {
  readonly address: number;
  readonly byteLength: number;
}

/** Kernels that are kept, beside those that programs hold. */
const keptKernels = 2048;

/** The functions of `math.*` that a kernel imports, in double precision. */
function mathImports(module: WebAssembly.Module): Record<string, WebAssembly.ImportValue> {
  const names = WebAssembly.Module.imports(module).filter((entry) => entry.module === 'math');
  return Object.fromEntries(names.map(({ name }) => [name, meaning(name as ScalarFn, 'f64')]));
}

/** The machine code of a kernel, shared by all kernels that differ in name only. */
class LoadedCode {
  readonly id: number;
  readonly run: (...args: number[]) => void;
  readonly programs: number;
  readonly scratchBytes: number;
  readonly cost: number;
  readonly isPortable: boolean;
  readonly emit: () => KernelCode;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #kernels: Kernels;
  #place: CodePlace | undefined;

  constructor(kernels: Kernels, id: number, emit: () => KernelCode) {
    const code = emit();
    this.id = id;
    this.emit = emit;
    this.programs = code.programs;
    this.scratchBytes = code.scratchBytes;
    this.cost = code.cost * code.programs;
    this.#bytes = new Uint8Array(code.bytes);
    this.#kernels = kernels;
    const module = new WebAssembly.Module(this.#bytes);
    const math = mathImports(module);
    this.isPortable = Object.keys(math).length === 0;
    const { memory } = kernels.cells.heap;
    const instance = new WebAssembly.Instance(module, { env: { memory }, math });
    this.run = instance.exports['run'] as (...args: number[]) => void;
  }

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  place(): CodePlace {
    return (this.#place ??= this.#kernels.place(this, this.#bytes));
  }
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
  readonly #code: LoadedCode;

  constructor(name: string, text: string, code: LoadedCode) {
    this.name = name;
    this.text = text;
    this.id = code.id;
    this.run = code.run;
    this.programs = code.programs;
    this.scratchBytes = code.scratchBytes;
    this.cost = code.cost;
    this.isPortable = code.isPortable;
    this.#code = code;
  }

  /** Wasm text; made when it is asked for. */
  get source(): string {
    return this.#code.emit().text;
  }

  get codeBytes(): number {
    return this.#code.byteLength;
  }

  code(): CodePlace {
    return this.#code.place();
  }
}

/** The kernels of one device. */
export class Kernels {
  readonly cells: Cells;
  readonly #emit: (kernel: Kernel, exact: boolean) => KernelCode;
  readonly #loaded = new Map<string, LoadedCode>();
  readonly #placed: FinalizationRegistry<number>;
  #count = 0;

  constructor(cells: Cells, emit: (kernel: Kernel, exact: boolean) => KernelCode) {
    this.cells = cells;
    this.#emit = emit;
    this.#placed = new FinalizationRegistry((block) => cells.heap.free(block));
  }

  /** Emit, compile and instantiate a kernel, or find its code. */
  load(kernel: Kernel, exact: boolean): LoadedKernel {
    const text = printKernel(kernel);
    // What comes before the list of operands is the name.
    const key = `${exact ? 'exact ' : ''}${text.slice(text.indexOf('('))}`;
    return new LoadedKernel(
      kernel.name,
      text,
      this.#find(key) ?? this.#add(key, () => this.#emit(kernel, exact)),
    );
  }

  #find(key: string): LoadedCode | undefined {
    const known = this.#loaded.get(key);
    if (known === undefined) return undefined;
    // The order of the map is the order of use, oldest first.
    this.#loaded.delete(key);
    this.#loaded.set(key, known);
    return known;
  }

  #add(key: string, emit: () => KernelCode): LoadedCode {
    const code = new LoadedCode(this, ++this.#count, emit);
    this.#loaded.set(key, code);
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > keptKernels) this.#loaded.delete(oldest);
    return code;
  }

  /** How many kernels were compiled so far. */
  get compiledCount(): number {
    return this.#count;
  }

  /** Write the code of a kernel to the heap, where workers find it, until the kernel is collected. */
  place(code: LoadedCode, bytes: Uint8Array): CodePlace {
    const { heap } = this.cells;
    const block = this.cells.reserve(bytes.byteLength, 'kernels');
    this.#placed.register(code, block);
    const address = heap.address(block);
    heap.u8.set(bytes, address);
    return { address, byteLength: bytes.byteLength };
  }
}
