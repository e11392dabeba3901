/**
 * GPUs as devices. Calls return at once and keep their order; reading waits. Errors are thrown at the read, with the program that caused
 * them. Memory goes back to a pool when arrays are collected, donated or disposed; see `memory.ts` for the budget.
 */
import type { Aval } from '../../core/aval.ts';
import type { Device, DeviceBuffer, LoweredModule } from '../../core/backend.ts';
import { unregisterDevice } from '../../core/backend.ts';
import { config } from '../../core/config.ts';
import { dtypeInfo, isComplex } from '../../core/dtype.ts';
import { DeviceError, OutOfMemoryError, invariant, type PalladiaError } from '../../core/errors.ts';
import { compileModule } from '../../lowering/compile.ts';
import type { Schedule, Target } from '../../lowering/fuse/ir.ts';
import type { HloModule } from '../../lowering/hlo/ir.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import { emitWgsl, type WgslFeatures } from '../../lowering/wgsl/emit.ts';
import { checkResults } from '../results.ts';
import { WebGpuExecutable, type Runtime } from './executable.ts';
import { Failure } from './failure.ts';
import { Memory, WebGpuBuffer, type Allocation, type Held } from './memory.ts';
import { openGpu, type Opened, type OpenOptions } from './open.ts';
import { Pipelines } from './pipelines.ts';
import { describeKernel, operandBytes, type LoadedKernel } from './program.ts';
import { Readback } from './readback.ts';
import { Decider } from './speculation.ts';
import { Stream } from './stream.ts';

/** Options of a WebGPU device. */
export interface WebGpuOptions extends OpenOptions {
  /** Most bytes of arrays and temporaries; 4 GiB unless said (1 GiB on software drivers). */
  readonly memoryLimit?: number;
  /** Number among the devices of its kind. */
  readonly id?: number;
}

const defaultLimit = 2 ** 32;
const fallbackLimit = 2 ** 30;
/** Reads let the registry run after this many bytes of new arrays, or this much time. */
const yieldBytes = 2 ** 26;
const yieldMs = 16;

/** Wait for a task of the event loop: registries run between tasks, never between promises. */
const macrotask = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 0));

function isSoftware(info: GPUAdapterInfo): boolean {
  return (
    info.isFallbackAdapter ||
    /swiftshader|software|llvmpipe|lavapipe/i.test(
      `${info.architecture} ${info.description} ${info.device}`,
    )
  );
}

/** What the emitter must know of a device. */
function featuresOf({ device, adapter }: Opened): WgslFeatures {
  const { limits } = device;
  const { info } = adapter;
  const lanes = info.subgroupMinSize;
  const subgroups = device.features.has('subgroups') && lanes > 1;
  return {
    subgroups,
    subgroupSize: subgroups ? lanes : 1,
    f16: device.features.has('shader-f16'),
    maxInvocations: Math.min(
      limits.maxComputeInvocationsPerWorkgroup,
      limits.maxComputeWorkgroupSizeX,
    ),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxBindings: limits.maxStorageBuffersPerShaderStage,
    fallback: isSoftware(info),
    maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
  };
}

/** A GPU. */
export class WebGpuDevice implements Device {
  readonly kind = 'webgpu';
  readonly id: number;
  readonly host = false;
  readonly software: boolean;
  readonly description: string;
  readonly features: WgslFeatures;
  readonly gpu: GPUDevice;
  readonly memory: Memory;
  readonly stream: Stream = new Stream();
  readonly #keep: unknown;
  readonly #pipelines: Pipelines;
  readonly #readback: Readback;
  readonly #runtime: Runtime;
  readonly #kernels = new WeakMap<Kernel, LoadedKernel>();
  readonly #registry: FinalizationRegistry<Held>;
  #scratch: Allocation | undefined;
  #liveBytes = 0;
  #newBytes = 0;
  #lastYield = 0;
  #lost: DeviceError | undefined;
  #uncaptured: PalladiaError | undefined;

  constructor(opened: Opened, options: WebGpuOptions = {}) {
    const { device, adapter } = opened;
    this.gpu = device;
    this.#keep = opened.keep;
    this.id = options.id ?? 0;
    this.features = featuresOf(opened);
    this.software = this.features.fallback;
    const { vendor, architecture, description } = adapter.info;
    const name =
      description === '' ? [vendor, architecture].filter((x) => x !== '').join(' ') : description;
    this.description = `webgpu:${this.id} (${name === '' ? 'unknown GPU' : name}${this.features.fallback ? ', software' : ''})`;
    this.memory = new Memory(
      device,
      options.memoryLimit ?? (this.features.fallback ? fallbackLimit : defaultLimit),
    );
    this.#pipelines = new Pipelines(device);
    this.#readback = new Readback(device);
    this.#registry = new FinalizationRegistry((held) => this.#release(held));
    this.#runtime = this.#makeRuntime();
    device.addEventListener('uncapturederror', (event) => this.#report(event));
    void device.lost.then(({ reason, message }) => this.#lose(reason, message));
  }

  #makeRuntime(): Runtime {
    const { gpu, memory, stream } = this;
    return {
      gpu,
      memory,
      stream,
      readback: this.#readback,
      decider: new Decider(gpu),
      owned: new FinalizationRegistry((allocations) =>
        stream.submit(() => {
          for (const allocation of allocations) memory.release(allocation);
        }),
      ),
      report: (error) => (this.#uncaptured ??= error),
      scratch: (byteLength) => this.#scratchOf(byteLength),
      load: (kernel, program) => this.#load(kernel, program),
      handle: (allocation, byteLength, failure) => this.#handle(allocation, byteLength, failure),
      fill: (allocation, bytes) => this.#fill(allocation, bytes),
    };
  }

  /** Keep an error that no call claims; the next read throws it. */
  #report(event: GPUUncapturedErrorEvent): void {
    event.preventDefault();
    const { message } = event.error;
    const isMemory = event.error.constructor.name === 'GPUOutOfMemoryError';
    this.#uncaptured ??= isMemory
      ? new OutOfMemoryError(
          `${this.description}: the driver has no memory left; ${this.#liveBytes} bytes of arrays are live. Free arrays, or lower memoryLimit to hear of it earlier.`,
        )
      : new DeviceError(`${this.description}: the driver reports "${message}".`);
  }

  #lose(reason: string, message: string): void {
    this.#lost = new DeviceError(
      `${this.description}: the device was lost (${reason === 'destroyed' ? 'destroyed' : message}). Its arrays are gone: initialise a new device and make them again.`,
    );
    unregisterDevice(this);
  }

  // --- memory

  #handle(allocation: Allocation, byteLength: number, failure: Failure): WebGpuBuffer {
    const held: Held = { allocation };
    const buffer = new WebGpuBuffer(this, {
      byteLength,
      held,
      failure,
      release: (h) => {
        this.#registry.unregister(h);
        this.#release(h);
      },
    });
    this.#liveBytes += allocation.size;
    this.#newBytes += allocation.size;
    this.#registry.register(buffer, held, held);
    return buffer;
  }

  /** Free the memory of a handle, after the work that may use it. */
  #release(held: Held): void {
    const { allocation } = held;
    if (allocation === undefined) return;
    held.allocation = undefined;
    this.#liveBytes -= allocation.size;
    this.stream.submit(() => this.memory.release(allocation));
  }

  #scratchOf(byteLength: number): Allocation {
    if (this.#scratch === undefined || this.#scratch.size < byteLength) {
      if (this.#scratch !== undefined) this.memory.release(this.#scratch);
      this.#scratch = this.memory.take(byteLength);
    }
    return this.#scratch;
  }

  #fill(allocation: Allocation, bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    const length = Math.ceil(bytes.byteLength / 4) * 4;
    // The queue takes whole words; bytes that must wait for their turn are copied, because the caller may change them.
    const isWhole = length === bytes.byteLength && !this.stream.isHeld;
    const words = isWhole ? bytes : new Uint8Array(length);
    if (!isWhole) words.set(bytes);
    this.stream.submit(() =>
      this.gpu.queue.writeBuffer(allocation.gpu, 0, words as Uint8Array<ArrayBuffer>, 0, length),
    );
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    this.#checkAlive();
    const allocation = this.memory.take(bytes.byteLength);
    this.#fill(allocation, bytes);
    return this.#handle(allocation, bytes.byteLength, new Failure());
  }

  async read(buffer: DeviceBuffer): Promise<Uint8Array> {
    this.#checkAlive();
    invariant(
      buffer instanceof WebGpuBuffer && buffer.device === this,
      'a buffer of another device.',
    );
    const { allocation, byteLength, failure } = buffer;
    // The memory stays until it is read, whatever happens to the handle.
    allocation.references++;
    try {
      const bytes = await new Promise<Uint8Array>((resolve, reject) => {
        this.stream.submit(() => {
          this.#readback.read(allocation, Math.max(1, byteLength)).then(resolve, reject);
        });
      });
      await failure.settle();
      this.#checkAlive();
      await this.#letRegistryRun();
      return bytes.subarray(0, byteLength);
    } catch (cause) {
      await failure.settle();
      // A rejected copy says less than the loss of the device that caused it.
      await macrotask();
      this.#checkAlive();
      throw cause instanceof DeviceError
        ? cause
        : new DeviceError(`${this.description}: the values could not be read.`, { cause });
    } finally {
      this.stream.submit(() => this.memory.release(allocation));
    }
  }

  inspect(buffer: DeviceBuffer, test: (bytes: Uint8Array) => PalladiaError | undefined): void {
    invariant(
      buffer instanceof WebGpuBuffer && buffer.device === this,
      'a buffer of another device.',
    );
    const { allocation, byteLength, failure } = buffer;
    allocation.references++;
    const found = new Promise<PalladiaError | undefined>((resolve) => {
      this.stream.submit(() => {
        const free = (): void => this.stream.submit(() => this.memory.release(allocation));
        this.#readback
          .read(allocation, byteLength)
          .then(test, () => undefined)
          .then(resolve, () => resolve(undefined))
          .finally(free);
      });
    });
    failure.expect(found);
  }

  async synchronize(): Promise<void> {
    this.#checkAlive();
    await this.stream.idle();
    await this.gpu.queue.onSubmittedWorkDone();
    this.#checkAlive();
    await this.#letRegistryRun();
  }

  /** Collected arrays are only heard of between tasks, so whoever awaits us gives way when much was allocated. */
  async #letRegistryRun(): Promise<void> {
    if (this.#newBytes === 0) return;
    const now = performance.now();
    if (this.#newBytes < yieldBytes && now - this.#lastYield < yieldMs) return;
    this.#newBytes = 0;
    await macrotask();
    this.#lastYield = performance.now();
  }

  #checkAlive(): void {
    if (this.#lost !== undefined) throw this.#lost;
    const error = this.#uncaptured;
    this.#uncaptured = undefined;
    if (error !== undefined) throw error;
  }

  liveBytes(): number {
    return this.#liveBytes;
  }

  // --- programs

  #load(kernel: Kernel, program: string): LoadedKernel {
    const known = this.#kernels.get(kernel);
    if (known !== undefined) return known;
    const code = emitWgsl(kernel, this.features);
    const pipeline = this.#pipelines.load(code, `${program}/${kernel.name}`);
    const loaded: LoadedKernel = {
      ...describeKernel(kernel, code),
      code,
      pipeline,
      byteLengths: operandBytes(kernel),
    };
    this.#kernels.set(kernel, loaded);
    return loaded;
  }

  /** What the fuser must know of this device. */
  get target(): Target {
    const { features } = this;
    return {
      kind: 'webgpu',
      // One binding is left for the scratch buffer that a kernel may need.
      maxOperands: features.maxBindings - 1,
      parallelism: features.fallback ? 4 : 256,
      subgroupSize: features.subgroupSize,
      fallback: features.fallback,
      workgroupBytes: features.workgroupBytes,
      exact: config.exact,
    };
  }

  compile(module: LoweredModule): WebGpuExecutable {
    this.#checkAlive();
    // Core passes programs on without looking at them: what arrives here came from the lowering.
    const program = module as HloModule;
    checkResults(program, this.kind, this.memory.largest);
    return this.executable(compileModule(program, this.target));
  }

  /** Make an executable of a schedule. */
  executable(schedule: Schedule): WebGpuExecutable {
    return new WebGpuExecutable(this.#runtime, schedule);
  }

  supports({ dtype }: Aval): boolean {
    return !isComplex(dtype) && dtypeInfo[dtype].bits <= 32;
  }

  /** Close the device: its arrays are gone. */
  destroy(): void {
    invariant(this.#keep !== undefined, 'a device without its GPU.');
    this.gpu.destroy();
  }
}

/**
 * Open a GPU as a device.
 *
 * @throws DeviceError when the engine has no WebGPU or finds no GPU, with what to do.
 * @example
 * const device = await createWebGpuDevice();
 */
export async function createWebGpuDevice(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  return new WebGpuDevice(await openGpu(options), options);
}
