/**
 * The interpreter as a device: memory is plain byte arrays, a program is its StableHLO, run op by op. Slow, exact, and the oracle that the
 * other devices are compared with. Every dtype is supported.
 */
import type {
  CompileOptions,
  Device,
  DeviceBuffer,
  Executable,
  LoweredModule,
  ProgramMeasures,
} from '../../core/backend.ts';
import { DeviceError } from '../../core/errors.ts';
import { measureModule } from '../../lowering/compile-cost.ts';
import { interpretModule, type HostTensor } from '../../lowering/hlo/interpret.ts';
import type { HloModule, TensorType } from '../../lowering/hlo/ir.ts';
import { elementsFromBytes, elementsToBytes } from '../../lowering/scalar-array.ts';

/** Memory of the interpreter. */
class HostBuffer implements DeviceBuffer {
  readonly device: InterpreterDevice;
  readonly byteLength: number;
  #bytes: Uint8Array | undefined;
  readonly #release: () => void;

  constructor(device: InterpreterDevice, bytes: Uint8Array, release: () => void) {
    this.device = device;
    this.byteLength = bytes.byteLength;
    this.#bytes = bytes;
    this.#release = release;
  }

  get deleted(): boolean {
    return this.#bytes === undefined;
  }

  /** The elements' bytes. @throws DeviceError after `dispose`. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined)
      throw new DeviceError(
        `buffer: memory must be alive when it is used; got a disposed buffer of ${this.byteLength} bytes. Keep its array.`,
      );
    return this.#bytes;
  }

  dispose(): void {
    if (this.#bytes === undefined) return;
    this.#bytes = undefined;
    this.#release();
  }
}

/** A program of the interpreter. */
class InterpreterExecutable implements Executable {
  readonly kernels = [];
  readonly #device: InterpreterDevice;
  readonly #module: HloModule;

  constructor(device: InterpreterDevice, module: HloModule) {
    this.#device = device;
    this.#module = module;
  }

  run(inputs: readonly DeviceBuffer[], donated: readonly boolean[] = []): DeviceBuffer[] {
    const { args, results } = this.#module.functions[0].body;
    const tensors = inputs.map((buffer, i) =>
      hostTensor(args[i].type, (buffer as HostBuffer).bytes),
    );
    const outputs = interpretModule(this.#module, tensors);
    inputs.forEach((buffer, i) => {
      if (donated[i] === true) buffer.dispose();
    });
    return outputs.map((x, i) =>
      this.#device.adopt(elementsToBytes(x.data, results[i].type.dtype)),
    );
  }

  asText(): string {
    return this.#module.toString();
  }

  measure(): ProgramMeasures {
    return measureModule(this.#module);
  }

  dispose(): void {
    // A program holds no device memory.
  }
}

const hostTensor = (type: TensorType, bytes: Uint8Array): HostTensor => ({
  type,
  data: elementsFromBytes(bytes, type.dtype),
});

/** The device `interpreter`. */
export class InterpreterDevice implements Device {
  readonly kind = 'interpreter';
  readonly id: number;
  readonly host = true;
  readonly description: string;
  #liveBytes = 0;
  readonly #collected = new FinalizationRegistry<number>(
    (byteLength) => (this.#liveBytes -= byteLength),
  );

  constructor(id = 0) {
    this.id = id;
    this.description = `interpreter:${id} (StableHLO, op by op)`;
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.adopt(bytes.slice());
  }

  /** Make a buffer of bytes that nobody else holds. */
  adopt(bytes: Uint8Array): DeviceBuffer {
    const { byteLength } = bytes;
    const token = {};
    const buffer = new HostBuffer(this, bytes, () => {
      this.#liveBytes -= byteLength;
      this.#collected.unregister(token);
    });
    this.#liveBytes += byteLength;
    this.#collected.register(buffer, byteLength, token);
    return buffer;
  }

  async read(buffer: DeviceBuffer): Promise<Uint8Array> {
    return this.readSync(buffer);
  }

  readSync(buffer: DeviceBuffer): Uint8Array {
    return (buffer as HostBuffer).bytes.slice();
  }

  compile(module: LoweredModule, _options?: CompileOptions): Executable {
    // Core passes the module through; `lowering` made it.
    return new InterpreterExecutable(this, module as HloModule);
  }

  supports(): boolean {
    return true;
  }

  async synchronize(): Promise<void> {}

  liveBytes(): number {
    return this.#liveBytes;
  }
}
