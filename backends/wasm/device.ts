/**
 * The default device: WebAssembly on the CPU, in every engine. Programs have finished when their call returns, so values can be
 * read at once. See `heap.ts`, `cells.ts` and `docs/memory.md` for how its memory is kept in bounds.
 */
import type { Aval } from '../../core/aval.ts';
import type { CompileOptions, Device, DeviceBuffer, LoweredModule } from '../../core/backend.ts';
import { config } from '../../core/config.ts';
import { dtypeInfo, isComplex } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { compileModule } from '../../lowering/compile.ts';
import type { Schedule } from '../../lowering/fuse/ir.ts';
import type { HloModule } from '../../lowering/hlo/ir.ts';
import { emitWasm, type WasmFeatures } from '../../lowering/wasm/emit.ts';
import { checkResults } from '../results.ts';
import { Cells, WasmBuffer } from './cells.ts';
import { WasmExecutable, type Runtime } from './executable.ts';
import {
  canShareMemory,
  coreCount,
  detectEngine,
  hasRelaxedSimd,
  machineBytes,
} from './features.ts';
import { Heap } from './heap.ts';
import { Kernels } from './kernels.ts';
import { controlBytes, Pool } from './pool.ts';
import { Workspaces } from './workspace.ts';

/** Options of the wasm device. */
export interface WasmOptions {
  /** Threads that run large kernels, the calling one included; the number of cores unless said, 1 where memory cannot be shared. */
  readonly threads?: number;
  /** Bytes of arrays above which those that were not used for longest move out of the heap; 1 GiB, or half of the machine's memory, unless said. */
  readonly softLimit?: number;
  /** Most bytes of the heap; 4 GiB unless said. */
  readonly maximumBytes?: number;
  /** Whether to share memory with workers; as the page allows unless said. */
  readonly shared?: boolean;
  /** Number among the devices of its kind. */
  readonly id?: number;
}

const mostSoftLimit = 2 ** 30;
/** Reads let the registry run after this many bytes of new arrays, or this much time with any. */
const yieldBytes = 2 ** 26;
const yieldMs = 16;

/** Wait for a task of the event loop: registries run between tasks, never between promises. */
const macrotask = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof setImmediate === 'function') return void setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });

/** The CPU as a device. */
export class WasmDevice implements Device {
  readonly kind = 'wasm';
  readonly id: number;
  readonly host = true;
  readonly features: WasmFeatures;
  readonly heap: Heap;
  readonly cells: Cells;
  readonly pool: Pool;
  readonly #kernels: Kernels;
  readonly #runtime: Runtime;
  /** Threads that programs are cut for: the same while the device lives, so that programs do not depend on the current number. */
  readonly #parallelism: number;
  #lastYield = 0;

  constructor(options: WasmOptions = {}) {
    const shared = options.shared ?? canShareMemory();
    this.id = options.id ?? 0;
    this.features = { relaxed: hasRelaxedSimd(), shared, engine: detectEngine(), exact: false };
    this.heap = new Heap({
      shared,
      reservedBytes: shared ? controlBytes : 64,
      maximumBytes: options.maximumBytes,
    });
    this.cells = new Cells(this.heap, {
      softLimit: options.softLimit ?? Math.min(mostSoftLimit, machineBytes() / 2),
    });
    this.cells.device = this;
    this.pool = new Pool(this.cells, options.threads ?? coreCount());
    this.#parallelism = this.pool.threads;
    this.#kernels = new Kernels(this.cells, (kernel, exact) =>
      emitWasm(kernel, { ...this.features, exact }),
    );
    const { heap } = this;
    this.#runtime = {
      cells: this.cells,
      pool: this.pool,
      workspaces: new Workspaces(this.cells),
      constants: new FinalizationRegistry((block) => heap.free(block)),
    };
  }

  get description(): string {
    const { threads } = this.pool;
    const simd = this.features.relaxed ? 'relaxed SIMD' : 'SIMD';
    return `wasm:${this.id} (${threads} ${threads === 1 ? 'thread' : 'threads'}, ${simd})`;
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.cells.upload(bytes);
  }

  readSync(buffer: DeviceBuffer): Uint8Array {
    invariant(
      buffer instanceof WasmBuffer && buffer.device === this,
      'a buffer of another device.',
    );
    return this.cells.download(buffer);
  }

  async read(buffer: DeviceBuffer): Promise<Uint8Array> {
    const bytes = this.readSync(buffer);
    await this.#letRegistryRun();
    return bytes;
  }

  async synchronize(): Promise<void> {
    await this.#letRegistryRun();
  }

  /** Collected arrays are only heard of between tasks, so whoever awaits us gives way when much was allocated. */
  async #letRegistryRun(): Promise<void> {
    const { allocatedBytes } = this.cells;
    if (allocatedBytes === 0) return;
    const now = performance.now();
    if (allocatedBytes < yieldBytes && now - this.#lastYield < yieldMs) return;
    this.cells.allocatedBytes = 0;
    await macrotask();
    this.#lastYield = performance.now();
  }

  compile(module: LoweredModule, options: CompileOptions = {}): WasmExecutable {
    const { exact } = config;
    // Core passes programs on without looking at them: what arrives here came from the lowering.
    const program = module as HloModule;
    checkResults(program, this.kind, this.heap.maximumBytes);
    const schedule = compileModule(program, {
      kind: 'wasm',
      maxOperands: 64,
      parallelism: this.#parallelism,
      subgroupSize: 1,
      fallback: false,
      workgroupBytes: Infinity,
      exact,
    });
    return this.executable(schedule, options, exact);
  }

  /** Make an executable of a schedule. */
  executable(
    schedule: Schedule,
    options: CompileOptions = {},
    exact: boolean = config.exact,
  ): WasmExecutable {
    return new WasmExecutable(
      this.#runtime,
      schedule,
      ({ kernel }) => this.#kernels.load(kernel, exact),
      options.donated,
    );
  }

  supports({ dtype }: Aval): boolean {
    return !isComplex(dtype) && (config.enableX64 || dtypeInfo[dtype].bits < 64);
  }

  liveBytes(): number {
    return this.cells.liveArrayBytes;
  }
}

/**
 * Make the wasm device. It needs no initialisation; threads start with the first kernel that is worth them.
 *
 * @throws DeviceError when the engine gives no WebAssembly memory.
 */
export const createWasmDevice = (options?: WasmOptions): WasmDevice => new WasmDevice(options);
