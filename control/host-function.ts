/**
 * JavaScript functions that programs call: from the bytes that a device hands over to arrays that can be read at once, and back from
 * whatever the function returns, which must have the types that the program was traced with.
 */
import { describe, NDArray } from '../core/array.ts';
import { Aval } from '../core/aval.ts';
import { hostDevice, type Device } from '../core/backend.ts';
import { isComplex, type DType } from '../core/dtype.ts';
import { CallbackError, DTypeError, PalladiaError, ShapeError, TreeError } from '../core/errors.ts';
import {
  decode,
  encode,
  normalScalar,
  scalarData,
  typedArrayDType,
  type Scalar,
  type TypedArray,
} from '../core/host.ts';
import { newHostCallId, type HostCall, type HostType } from '../core/host-call.ts';
import { sameShape, sizeOf } from '../core/shape.ts';
import { withEagerTrace } from '../core/trace.ts';
import { flatten, leafPaths, type TreeDef } from '../core/tree.ts';
import { checkSync, nameOf } from '../transforms/flat-function.ts';

/** A function of arrays, with what it gives. */
export interface HostFunctionParts {
  /** Who asked for the call: `pureCallback`. */
  readonly op: string;
  /** The name that texts show. */
  readonly name: string;
  /** The function of the user's, for errors. */
  readonly target: (...args: never[]) => unknown;
  /** Call it; gives a tree of results, or anything when there are none. */
  readonly call: (args: readonly NDArray[]) => unknown;
  /** The tree of the results; undefined when what it returns is dropped. */
  readonly outTree: TreeDef | undefined;
}

/** A function that programs call. One object is one call in the texts of programs. */
export class HostFunction {
  readonly host: HostCall;
  readonly name: string;
  readonly #parts: HostFunctionParts;

  constructor(parts: HostFunctionParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.host = {
      id: newHostCallId(),
      name: parts.op,
      run: (operands, results) => {
        const device = hostDevice();
        const args = operands.map(({ type, bytes }) =>
          NDArray.fromBuffer(new Aval(type.shape, type.dtype), device.upload(bytes), true),
        );
        return this.#run(args, results).map(bytesOf);
      },
    };
  }

  /** As jaxprs show it. */
  toString(): string {
    return `<function ${this.name}>`;
  }

  /** Call it on arrays at hand. */
  direct(args: readonly NDArray[], results: readonly Aval[], device: Device): NDArray[] {
    return this.#run(args, results).map((x, i) =>
      x instanceof NDArray && x.scalar === undefined && x.device === device
        ? x
        : NDArray.fromBuffer(results[i].strong(), device.upload(bytesOf(x))),
    );
  }

  #run(args: readonly NDArray[], types: readonly HostType[]): (NDArray | Uint8Array)[] {
    const { op, target, call, outTree } = this.#parts;
    let returned: unknown;
    try {
      returned = withEagerTrace(() => call(args));
    } catch (cause) {
      if (cause instanceof PalladiaError) throw cause;
      const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : describe(cause);
      throw new CallbackError(
        `${op}: a function that a program calls must not throw; got "${what}" from ${nameOf(target)}. Mend it, or catch the error there.`,
        { cause },
      );
    }
    checkSync(op, target, returned);
    if (outTree === undefined) return [];
    // A function that returns nothing gives what Python calls None.
    const { leaves, treedef } = flatten(returned === undefined ? null : returned);
    if (!treedef.equals(outTree))
      throw new TreeError(
        `${op}: the callback must return the tree that was promised, ${outTree.show()}; got ${treedef.show()} from ${nameOf(target)}. Return it, or change the result types.`,
      );
    const paths = leafPaths(treedef);
    return leaves.map((leaf, i) => resultOf(op, leaf, types[i], `the result${paths[i]}`));
  }
}

/** The bytes of a result. @throws DeviceError when it lies on a device that cannot be read at once. */
function bytesOf(x: NDArray | Uint8Array): Uint8Array {
  if (x instanceof Uint8Array) return x;
  return encode(x.dataSync(), x.dtype);
}

/** One result, as an array or as bytes of the promised type. Numbers take that type; typed arrays take that shape. */
function resultOf(op: string, leaf: unknown, type: HostType, where: string): NDArray | Uint8Array {
  const { shape, dtype } = type;
  const message = (got: string): string =>
    `${op}: callbacks must return arrays of the promised type, ${new Aval(shape, dtype).toString()}; got ${got} for ${where}. Convert or reshape it, or change the result types.`;
  if (leaf instanceof NDArray) {
    if (!sameShape(leaf.shape, shape)) throw new ShapeError(message(leaf.aval.toString()));
    if (leaf.scalar !== undefined && leaf.weakType) return scalarBytes(leaf.scalar, dtype);
    if (leaf.dtype !== dtype) throw new DTypeError(message(leaf.aval.toString()));
    return leaf;
  }
  if (typeof leaf === 'number' || typeof leaf === 'bigint' || typeof leaf === 'boolean') {
    if (shape.length > 0) throw new ShapeError(message(`the scalar ${leaf}`));
    return scalarBytes(leaf, dtype);
  }
  if (!isTyped(leaf))
    throw new TreeError(
      `${op}: callbacks must return arrays or numbers; got ${describe(leaf)} for ${where}. Make an array of it with np.array(…).`,
    );
  // What `x.data()` of the promised type would be.
  const like = decode(new Uint8Array(0), dtype);
  const got = `a ${leaf.constructor.name} of ${leaf.length}`;
  if (leaf.constructor !== like.constructor) throw new DTypeError(message(got));
  if (leaf.length !== sizeOf(shape) * (isComplex(dtype) ? 2 : 1))
    throw new ShapeError(message(got));
  return encode(leaf, dtype);
}

const scalarBytes = (value: Scalar, dtype: DType): Uint8Array =>
  encode(scalarData(normalScalar(value, dtype), dtype), dtype);

const isTyped = (x: unknown): x is TypedArray => typedArrayDType(x) !== undefined;
