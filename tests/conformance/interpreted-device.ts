// The wasm device with its kernels interpreted instead of compiled: when the suite fails on the one and passes on the other, it is the emitter.
import type { Aval } from '../../core/aval.ts';
import type { Device, DeviceBuffer, Executable, LoweredModule } from '../../core/backend.ts';
import { isComplex } from '../../core/dtype.ts';
import { compileModule } from '../../lowering/compile.ts';
import type { HloModule } from '../../lowering/hlo/ir.ts';
import { sizeOf } from '../../core/shape.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { interpretKernel } from '../../lowering/tile/interpret.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import { printKernel } from '../../lowering/tile/print.ts';
import type { WasmBuffer } from '../../backends/wasm/cells.ts';
import { WasmExecutable, type RunnableKernel } from '../../backends/wasm/executable.ts';
import { makeRuntime } from '../backends/wasm-parts.ts';

/** The memory, schedules and control flow of the wasm device over interpreted kernels. */
export class InterpretedDevice implements Device {
  readonly kind = 'wasm';
  readonly id = 7;
  readonly host = true;
  readonly description = 'wasm with interpreted kernels';
  readonly #runtime = makeRuntime({ shared: false });

  constructor() {
    this.#runtime.cells.device = this;
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.#runtime.cells.upload(bytes);
  }

  readSync(buffer: DeviceBuffer): Uint8Array {
    return this.#runtime.cells.download(buffer as WasmBuffer);
  }

  read(buffer: DeviceBuffer): Promise<Uint8Array> {
    return Promise.resolve(this.readSync(buffer));
  }

  compile(module: LoweredModule, { donated }: { donated?: readonly boolean[] } = {}): Executable {
    const schedule = compileModule(module as HloModule, {
      kind: 'wasm',
      maxOperands: 64,
      parallelism: 2,
      subgroupSize: 1,
      fallback: false,
      workgroupBytes: Infinity,
      exact: false,
    });
    return new WasmExecutable(
      this.#runtime,
      schedule,
      ({ kernel }) => this.#interpreted(kernel),
      donated,
    );
  }

  #interpreted(kernel: Kernel): RunnableKernel {
    const { heap } = this.#runtime;
    const lengths = kernel.operands.map(
      ({ shape, dtype }) => sizeOf(shape) * dtypeInfo[dtype].byteLength,
    );
    return {
      id: 0,
      name: kernel.name,
      text: printKernel(kernel),
      source: '',
      codeBytes: 0,
      programs: 1,
      scratchBytes: 0,
      cost: 0,
      isPortable: false,
      code: () => ({ address: 0, byteLength: 0 }),
      run: (_begin, _end, _scratch, ...addresses) => {
        const buffers = addresses.map((address, i) =>
          heap.u8.subarray(address, address + lengths[i]),
        );
        interpretKernel(kernel, buffers, { checked: true });
      },
    };
  }

  supports(aval: Aval): boolean {
    return !isComplex(aval.dtype);
  }

  synchronize(): Promise<void> {
    return Promise.resolve();
  }

  liveBytes(): number {
    return this.#runtime.cells.liveArrayBytes;
  }
}
