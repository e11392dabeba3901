/** `NDArray`: an immutable array on a device. Values of any kind enter programs through `asValue`. */
import { Aval } from './aval.ts';
import { defaultDevice, type Device, type DeviceBuffer } from './backend.ts';
import { config } from './config.ts';
import { dtypeInfo, isBig, isComplex, type DType } from './dtype.ts';
import {
  ArgumentError,
  ConcretizationError,
  DeletedArrayError,
  DeviceError,
  DTypeError,
  ShapeError,
  invariant,
} from './errors.ts';
import {
  checkRange,
  decode,
  encode,
  nest,
  normalScalar,
  scalarData,
  type HostData,
  type Nested,
  type Scalar,
  type TypedArray,
  typedArrayDType,
} from './host.ts';
import { showArray } from './array-print.ts';
import { SingleDeviceSharding, type Sharding } from './sharding.ts';
import { showShape, sizeOf, type Shape } from './shape.ts';
import { RefLike } from './ref-cell.ts';
import { Value } from './value.ts';

/** What functions take where they want an array: arrays, tracers, JavaScript numbers, bigints and booleans, typed arrays. */
export type ArrayLike = Value | number | bigint | boolean | TypedArray;

/** An immutable array. It is never consumed by use; memory is freed when it is collected, or by `dispose`. */
export class NDArray extends Value {
  readonly aval: Aval;
  /**
   * The JavaScript scalar that this array was made from, or that every element of a float0 array is; such arrays hold no memory of a device
   * and move between devices. Those of rank 0 become literals in jaxprs.
   */
  readonly scalar: Scalar | undefined;
  readonly #committed: boolean;
  #sharding: Sharding | undefined;
  #buffer: DeviceBuffer | undefined;
  /** The elements on the device where a program needed them last. */
  #copy: DeviceBuffer | undefined;
  #deleted: string | undefined;
  /** How many arrays hold the memory, for all of them; undefined while this is the only one. */
  #holders: { count: number } | undefined;

  static {
    // `console.log(x)` in Node. A method with this computed name cannot be declared in the class under isolatedDeclarations.
    Object.defineProperty(this.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      configurable: true,
      value(this: NDArray): string {
        return `${this.aval.toString()} ${this.toString()}`;
      },
    });
  }

  private constructor(
    aval: Aval,
    buffer: DeviceBuffer | undefined,
    scalar: Scalar | undefined,
    committed = false,
  ) {
    super();
    this.aval = aval;
    this.#buffer = buffer;
    this.scalar = scalar;
    this.#committed = committed;
  }

  /** Wrap device memory that holds the row-major elements; a committed array stays on its device. That of a float0 array is given back. */
  static fromBuffer(aval: Aval, buffer: DeviceBuffer, committed = false): NDArray {
    if (aval.dtype === 'float0') {
      buffer.dispose();
      return NDArray.float0(aval.shape);
    }
    invariant(
      aval.byteLength === buffer.byteLength,
      `array ${aval.toString()} over a buffer of ${buffer.byteLength} bytes.`,
    );
    return new NDArray(aval, buffer, undefined, committed);
  }

  /** A rank-0 array with a value known on the host; it takes device memory only when it is needed there. */
  static fromScalar(value: Scalar, dtype: DType, weakType = false): NDArray {
    return new NDArray(new Aval([], dtype, weakType), undefined, normalScalar(value, dtype));
  }

  /** The only array of this shape with dtype float0; it takes no memory. */
  static float0(shape: Shape): NDArray {
    return new NDArray(new Aval(shape, 'float0'), undefined, 0);
  }

  /** Copy host values in. `values` has one entry per element (two per complex element). */
  static fromHost(
    values: HostData,
    shape: Shape,
    dtype: DType,
    device: Device = defaultDevice(),
  ): NDArray {
    const perElement = isComplex(dtype) ? 2 : 1;
    if (values.length !== sizeOf(shape) * perElement)
      throw new ShapeError(
        `array: the number of values must match the shape; got ${values.length / perElement} values for shape ${showShape(shape)}.`,
      );
    const aval = new Aval(shape, dtype);
    checkSupported(device, aval);
    checkRange('array', values, dtype);
    if (dtype === 'float0') return NDArray.float0(shape);
    return new NDArray(aval, device.upload(encode(values, dtype)), undefined);
  }

  /** The device that holds the array; the default device for scalars that live on the host. */
  override get device(): Device {
    return this.#buffer?.device ?? defaultDevice();
  }

  /**
   * Whether the array was put on its device (`devicePut`), or computed from one that was: programs run there. Other arrays go to where
   * a program runs.
   */
  override get committed(): boolean {
    return this.#committed;
  }

  /** How the array lies over devices: as `devicePut` or the `outShardings` of `jit` said; else all of it on its device. */
  override get sharding(): Sharding {
    return this.#sharding ?? new SingleDeviceSharding(this.device);
  }

  /** The same elements, committed to their device and lying over a mesh as this says; the memory is shared. */
  withSharding(sharding: Sharding): NDArray {
    const placed =
      this.scalar === undefined
        ? this.share(true)
        : NDArray.fromBuffer(
            this.aval,
            this.device.upload(encode(scalarData(this.scalar, this.dtype), this.dtype)),
            true,
          );
    placed.#sharding = sharding;
    return placed;
  }

  /** Whether the array was disposed or donated. */
  override get isDeleted(): boolean {
    return this.#deleted !== undefined || this.#buffer?.deleted === true;
  }

  /**
   * The memory, for backends. An array that is not committed to another device is copied to this one; so is one that a compiled
   * function captured (`follows`).
   *
   * @throws DeletedArrayError after `dispose` or donation; DeviceError when the array cannot go to the device.
   */
  bufferOn(device: Device, follows: boolean = !this.committed): DeviceBuffer {
    this.#checkAlive();
    if (this.dtype === 'float0') return device.upload(new Uint8Array(this.size));
    if (this.scalar !== undefined) {
      if (this.#buffer?.device !== device) {
        checkSupported(device, this.aval);
        this.#buffer = device.upload(encode(scalarData(this.scalar, this.dtype), this.dtype));
      }
      return this.#buffer;
    }
    invariant(this.#buffer !== undefined, 'an array without memory.');
    const { device: own } = this.#buffer;
    if (own === device) return this.#buffer;
    if (!follows || own.readSync === undefined)
      throw new DeviceError(
        `array: operands must be on one device; got ${this.aval.toString()} on ${own.kind}, wanted on ${device.kind}. Move it with \`await devicePut(x, '${device.kind}')\`.`,
      );
    if (this.#copy?.device !== device || this.#copy.deleted) {
      checkSupported(device, this.aval);
      this.#copy = device.upload(own.readSync(this.#buffer));
    }
    return this.#copy;
  }

  /** Whether other arrays hold the same memory, or did when they were collected: then nobody may write to it. */
  get isShared(): boolean {
    return this.#holders !== undefined && this.#holders.count > 1;
  }

  override share(committed: boolean = this.committed): NDArray {
    this.#checkAlive();
    const other = new NDArray(this.aval, this.#buffer, this.scalar, committed);
    other.#sharding = this.#sharding;
    if (this.scalar !== undefined) return other;
    this.#holders ??= { count: 1 };
    this.#holders.count++;
    other.#holders = this.#holders;
    return other;
  }

  /** Whether the memory has no holder after this one. */
  #leave(): boolean {
    if (this.#holders !== undefined) this.#holders.count--;
    return (this.#holders?.count ?? 0) === 0;
  }

  /** Take the memory away, unless others hold it: later use of this array raises. */
  donate(reason: string): DeviceBuffer | undefined {
    this.#checkAlive();
    if (this.scalar !== undefined) return undefined;
    this.#deleted = reason;
    return this.#leave() ? this.#buffer : undefined;
  }

  /** The elements of an array that the host knows; one zero for each of a float0 array. */
  #hostElements(scalar: Scalar): TypedArray {
    if (this.dtype === 'float0') return new Uint8Array(this.size);
    return decode(encode(scalarData(scalar, this.dtype), this.dtype), this.dtype);
  }

  #checkAlive(): void {
    if (this.isDeleted)
      throw new DeletedArrayError(
        `array: ${this.aval.toString()} was ${this.#deleted ?? 'deleted'} and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums.`,
      );
  }

  /** Copy the elements to the host as a typed array (f16 and bf16 widen to Float32Array, complex numbers are interleaved, float0 is zeros). */
  override async data(): Promise<TypedArray> {
    this.#checkAlive();
    if (this.scalar !== undefined) return this.#hostElements(this.scalar);
    const buffer = this.bufferOn(this.device);
    return decode(await buffer.device.read(buffer), this.dtype);
  }

  /** Copy the elements to the host as nested arrays; a rank-0 array gives its value. */
  override async js(): Promise<Nested> {
    return nest(await this.data(), this.shape, this.dtype);
  }

  /**
   * Copy the elements to the host at once.
   *
   * @throws DeviceError on devices whose values cannot be read synchronously (WebGPU): use `await x.data()`.
   */
  override dataSync(): TypedArray {
    this.#checkAlive();
    if (this.scalar !== undefined) return this.#hostElements(this.scalar);
    const buffer = this.bufferOn(this.device);
    if (buffer.device.readSync === undefined)
      throw new DeviceError(
        `dataSync: ${buffer.device.kind} cannot be read synchronously. Use \`await x.data()\`.`,
      );
    return decode(buffer.device.readSync(buffer), this.dtype);
  }

  /** Nested arrays, at once. @throws DeviceError as `dataSync`. */
  override jsSync(): Nested {
    return nest(this.dataSync(), this.shape, this.dtype);
  }

  /**
   * The value of an array of one element: a number, bigint (64-bit integers) or boolean.
   *
   * @throws ShapeError when there is not exactly one element; DeviceError on WebGPU.
   */
  override item(): Scalar {
    if (this.size !== 1)
      throw new ShapeError(
        `item: only an array of one element has a value; got shape ${showShape(this.shape)}. Use \`await x.js()\`.`,
      );
    if (isComplex(this.dtype))
      throw new DTypeError(
        'item: complex numbers have no JavaScript scalar. Use `await x.data()`.',
      );
    const value = this.dataSync()[0];
    return this.dtype === 'bool' ? value !== 0 : value;
  }

  /** Wait until the value is computed. */
  override async blockUntilReady(): Promise<this> {
    this.#checkAlive();
    await this.device.synchronize();
    return this;
  }

  /** Free the memory now; later use raises. */
  override dispose(): void {
    if (this.#deleted !== undefined) return;
    this.#deleted = 'disposed';
    if (this.#leave()) this.#buffer?.dispose();
    this.#copy?.dispose();
  }

  /** `using x = …` frees the memory at the end of the block. */
  override [Symbol.dispose](): void {
    this.dispose();
  }

  /** NumPy's form when the values are at hand, else shape and device. */
  override toString(): string {
    if (this.isDeleted) return `${this.aval.toString()} (${this.#deleted ?? 'deleted'})`;
    if (this.scalar === undefined && this.#buffer?.device.host !== true)
      return `${this.aval.toString()} on ${this.device.kind} (await x.data())`;
    return showArray(this.dataSync(), this.shape, this.dtype);
  }

  /** Numbers and strings from arrays: `+x`, `x > 0` for one element on the host, `String(x)` always. */
  [Symbol.toPrimitive](hint: string): Scalar | string {
    if (hint === 'string') return this.toString();
    if (this.size !== 1)
      throw new ConcretizationError(
        `array: only an array of one element can be used as a number; got ${this.aval.toString()}. Compare with np.greater(x, y) and reduce with np.any or np.all.`,
      );
    return this.item();
  }
}

function checkSupported(device: Device, aval: Aval): void {
  if (device.supports(aval)) return;
  throw new DTypeError(
    `array: ${device.kind} does not compute with ${dtypeInfo[aval.dtype].longName}; got ${aval.toString()}. Convert it, or use the ${isComplex(aval.dtype) ? 'interpreter' : 'wasm'} device.`,
  );
}

/**
 * Turn anything array-like into a `Value`. A JavaScript number that enters alone is a weak f32, a bigint a weak i32,
 * a boolean a bool. Typed arrays keep their type.
 *
 * @throws ArgumentError for anything else, naming the argument.
 */
export function asValue(op: string, x: ArrayLike, argument = 'x'): Value {
  if (x instanceof Value) return x;
  if (typeof x === 'number') return NDArray.fromScalar(x, config.enableX64 ? 'f64' : 'f32', true);
  if (typeof x === 'bigint') return NDArray.fromScalar(x, config.enableX64 ? 'i64' : 'i32', true);
  if (typeof x === 'boolean') return NDArray.fromScalar(x, 'bool');
  const dtype = typedArrayDType(x);
  if (dtype !== undefined) return NDArray.fromHost(x, [x.length], dtype);
  refuseRef(op, x, argument);
  throw new ArgumentError(
    `${op}: ${argument} must be an array or a number; got ${describe(x)}. Make an array of it with np.array(…).`,
  );
}

/**
 * Refuse a ref where an array must stand.
 *
 * @throws DTypeError saying how to read it.
 */
export function refuseRef(op: string, x: unknown, where: string, hint = ''): void {
  if (x instanceof RefLike)
    throw new DTypeError(
      `${op}: a ref is not an array; got ${x.aval.toString()} as ${where}. Read it with \`ref.get()\`${hint}.`,
    );
}

/** A short description of any JavaScript value, for errors. */
export function describe(x: unknown): string {
  if (x instanceof Value || x instanceof RefLike) return x.aval.toString();
  if (x === null || x === undefined) return String(x);
  if (Array.isArray(x)) return `a JavaScript array of ${x.length}`;
  if (typeof x === 'function') return `the function ${x.name === '' ? '(anonymous)' : x.name}`;
  if (typeof x === 'object') return `an object of class ${x.constructor?.name ?? 'null'}`;
  return `${typeof x} ${String(x)}`;
}

/** A JavaScript scalar as an element of `dtype`, in the representation that `scalar` uses. */
export const scalarFor = (value: number, dtype: DType): Scalar =>
  dtype === 'bool' ? value !== 0 : isBig(dtype) ? BigInt(Math.trunc(value)) : value;
