/** `Value`: anything a primitive can be applied to. Arrays and tracers extend it; `numpy/` installs its methods. */
import type { Device } from './backend.ts';
import { ConcretizationError } from './errors.ts';
import type { Nested, Scalar, TypedArray } from './host.ts';
import type { Sharding } from './sharding.ts';
import { Typed } from './typed.ts';

/** A concrete array or a tracer that stands for one. */
export abstract class Value extends Typed {
  /** The device that holds the array. @throws ConcretizationError for traced values, as everything below. */
  get device(): Device {
    throw this.#abstract('device');
  }

  /** How the array lies over devices. */
  get sharding(): Sharding {
    throw this.#abstract('sharding');
  }

  /** Whether the array was put on its device, so that programs with it run there. */
  get committed(): boolean {
    throw this.#abstract('committed');
  }

  /** Whether the array was disposed or donated. */
  get isDeleted(): boolean {
    return false;
  }

  /** Copy the elements to the host as a typed array (f16 and bf16 widen to Float32Array, complex numbers are interleaved). */
  data(): Promise<TypedArray> {
    throw this.#abstract('data');
  }

  /** Copy the elements to the host as nested arrays; a rank-0 array gives its value. */
  js(): Promise<Nested> {
    throw this.#abstract('js');
  }

  /** Copy the elements to the host at once. @throws DeviceError on WebGPU: use `await x.data()`. */
  dataSync(): TypedArray {
    throw this.#abstract('dataSync');
  }

  /** Nested arrays, at once. @throws DeviceError on WebGPU: use `await x.js()`. */
  jsSync(): Nested {
    throw this.#abstract('jsSync');
  }

  /** The value of an array of one element. @throws ShapeError when there are more; DeviceError on WebGPU. */
  item(): Scalar {
    throw this.#abstract('item');
  }

  /** Wait until the value is computed. */
  blockUntilReady(): Promise<this> {
    throw this.#abstract('blockUntilReady');
  }

  /** Free the memory now; later use raises. Traced values have none. */
  dispose(): void {}

  /** Another holder of the same elements: `dispose` and donation of one leave the other as it is. */
  share(): Value {
    return this;
  }

  /** `using x = …` frees the memory at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #abstract(op: string): ConcretizationError {
    return new ConcretizationError(
      `${op}: a traced value has no elements yet; got ${String(this)}. Return it from the transformed function and read it there.`,
    );
  }
}
