// Runs kernels as WebAssembly and in the interpreter, and compares: the tests of the Wasm emitter stand on this.
import { expect } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo, kindOf } from '../../core/dtype.ts';
import { decode, encode } from '../../core/host.ts';
import type { Shape } from '../../core/shape.ts';
import { sizeOf } from '../../core/shape.ts';
import { meaning } from '../../lowering/scalar-meaning.ts';
import type { ScalarFn } from '../../lowering/scalar.ts';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import { interpretKernel } from '../../lowering/tile/interpret.ts';
import type { Kernel, Ref } from '../../lowering/tile/ir.ts';
import { verifyKernel } from '../../lowering/tile/verify.ts';
import type { WasmFeatures } from '../../lowering/wasm/emit.ts';
import { emitWasm } from '../../lowering/wasm/emit.ts';
import { encodeModule } from '../../lowering/wasm/encode.ts';
import { WasmModule } from '../../lowering/wasm/fn.ts';
import { op, splatBits } from '../../lowering/wasm/nodes.ts';

/** Plain SIMD, as every engine has it. */
export const plain: WasmFeatures = {
  relaxed: false,
  shared: false,
  engine: 'unknown',
  exact: true,
};

/** Whether this engine has relaxed SIMD. */
function hasRelaxed(): boolean {
  const module = new WasmModule(false);
  const fn = module.fn('f', ['v128']);
  fn.body.push(op('f32x4.relaxed_madd', splatBits(0), splatBits(0), splatBits(0)));
  return WebAssembly.validate(encodeModule(module));
}

/** What tests run with: plain SIMD, and all that this engine has. */
export const allFeatures: readonly WasmFeatures[] = hasRelaxed()
  ? [plain, { relaxed: true, shared: false, engine: 'v8', exact: false }]
  : [plain];

/** Random numbers that are the same in every run. */
export function random(seed: number): () => number {
  let state = seed * 2654435761 + 12345;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0;
    let x = Math.imul(state ^ (state >>> 13), 3266489917);
    x ^= x >>> 16;
    return (x >>> 0) / 2 ** 32;
  };
}

/** Bytes of an array of random elements. */
export function randomBytes(dtype: DType, shape: Shape, next: () => number, range = 4): Uint8Array {
  const values = Array.from({ length: sizeOf(shape) }, () => {
    const x = (next() * 2 - 1) * range;
    switch (kindOf(dtype)) {
      case 'bool':
        return x > 0;
      case 'int':
        return dtypeInfo[dtype].bits === 64 ? BigInt(Math.trunc(x * 1000)) : Math.trunc(x * 10);
      case 'uint':
        return dtypeInfo[dtype].bits === 64
          ? BigInt(Math.trunc(Math.abs(x) * 1000))
          : Math.trunc(Math.abs(x) * 10);
      default:
        return x;
    }
  });
  return new Uint8Array(encode(values, dtype));
}

const align = (n: number): number => Math.ceil(n / 64) * 64;
const canary = 0xa5;

/** Run a kernel as WebAssembly on buffers, in place; checks that it writes nothing outside them. */
export function runWasm(
  kernel: Kernel,
  buffers: readonly Uint8Array[],
  features: WasmFeatures = plain,
): void {
  const code = emitWasm(kernel, features);
  let end = 1024;
  const place = (bytes: number): number => {
    const at = end;
    end = align(end + bytes + 64);
    return at;
  };
  const pointers = buffers.map((buffer) => place(buffer.length));
  const scratch = place(code.scratchBytes);
  const pages = Math.ceil(end / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536 });
  const heap = new Uint8Array(memory.buffer).fill(canary);
  buffers.forEach((buffer, i) => heap.set(buffer, pointers[i]));
  const module = new WebAssembly.Module(code.bytes.slice());
  const names = WebAssembly.Module.imports(module).filter((entry) => entry.module === 'math');
  const math = Object.fromEntries(
    names.map(({ name }) => [name, meaning(name as ScalarFn, 'f64')]),
  );
  const { run } = new WebAssembly.Instance(module, { env: { memory }, math }).exports;
  (run as (...args: number[]) => void)(0, code.programs, scratch, ...pointers);
  const outside = [
    [0, 1024],
    ...buffers.map((buffer, i) => [
      pointers[i] + buffer.length,
      align(pointers[i] + buffer.length + 64),
    ]),
  ];
  for (const [from, to] of outside)
    for (let i = from; i < to; i++)
      if (heap[i] !== canary)
        throw new Error(`${kernel.name}: wrote byte ${i} outside its operands`);
  buffers.forEach((buffer, i) => {
    const after = heap.subarray(pointers[i], pointers[i] + buffer.length);
    if (kernel.operands[i].access === 'read') expect(Buffer.compare(after, buffer)).toBe(0);
    buffer.set(after);
  });
}

/** How far results may be apart: |a - b| ≤ absolute + relative · |b|. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

const exact: Tolerance = { absolute: 0, relative: 0 };

/** The first difference between two arrays, or undefined. */
export function difference(
  dtype: DType,
  actual: Uint8Array,
  wanted: Uint8Array,
  tolerance: Tolerance = exact,
): string | undefined {
  const [a, b] = [decode(actual, dtype), decode(wanted, dtype)];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i], b[i]];
    if (Object.is(x, y)) continue;
    const gap = Math.abs(Number(x) - Number(y));
    if (
      gap <= tolerance.absolute + tolerance.relative * Math.abs(Number(y)) &&
      (gap > 0 || tolerance !== exact)
    )
      continue;
    return `[${i}]: got ${x}, wanted ${y}`;
  }
  return undefined;
}

/** Run a kernel both ways on random data and compare what it writes. */
export function compare(
  kernel: Kernel,
  options: {
    readonly tolerance?: Tolerance;
    readonly seed?: number;
    readonly range?: number;
    readonly data?: readonly (Uint8Array | undefined)[];
    readonly features?: WasmFeatures;
  } = {},
): void {
  verifyKernel(kernel);
  const next = random(options.seed ?? 1);
  const inputs = kernel.operands.map(
    ({ dtype, shape }, i) =>
      options.data?.[i]?.slice() ?? randomBytes(dtype, shape, next, options.range),
  );
  const wanted = inputs.map((bytes) => bytes.slice());
  interpretKernel(kernel, wanted);
  for (const features of options.features === undefined ? allFeatures : [options.features]) {
    const buffers = inputs.map((bytes) => bytes.slice());
    runWasm(kernel, buffers, features);
    kernel.operands.forEach(({ name, dtype }, i) => {
      const found = difference(dtype, buffers[i], wanted[i], options.tolerance);
      expect(found, `${kernel.name}: operand ${name}`).toBeUndefined();
    });
  }
}

/** An array of a test kernel. */
export type ArraySpec = readonly [dtype: DType, shape: Shape];

/** A kernel of one program that sees whole arrays: inputs first, then outputs. */
export function wholeKernel(
  name: string,
  inputs: readonly ArraySpec[],
  outputs: readonly ArraySpec[],
  body: (b: TileBuilder, refs: Ref[]) => void,
): Kernel {
  const spec = ([dtype, shape]: ArraySpec, i: number, access: 'read' | 'write') => ({
    name: `${access === 'read' ? 'x' : 'y'}${i}`,
    dtype,
    shape,
    access,
    dims: shape.map((size) => ({ kind: 'blocked' as const, size })),
    indexMap: (b: TileBuilder) => shape.map(() => b.int(0)),
  });
  return makeKernel({
    name,
    grid: [],
    operands: [
      ...inputs.map((x, i) => spec(x, i, 'read')),
      ...outputs.map((x, i) => spec(x, i, 'write')),
    ],
    scratch: [],
    body,
  });
}

/** A kernel of one program: what `body` makes of the loaded inputs is stored to the outputs. */
export const tileKernel = (
  name: string,
  inputs: readonly ArraySpec[],
  body: (
    b: TileBuilder,
    tiles: ReturnType<TileBuilder['load']>[],
  ) => readonly ReturnType<TileBuilder['load']>[],
): Kernel => {
  // The types of the outputs are found by building the body once.
  let types: ArraySpec[] = [];
  wholeKernel(name, inputs, [], (b, refs) => {
    types = body(
      b,
      refs.map((ref) => b.load(ref)),
    ).map((tile) => [tile.type.dtype, tile.type.shape]);
  });
  return wholeKernel(name, inputs, types, (b, refs) => {
    const results = body(
      b,
      refs.slice(0, inputs.length).map((ref) => b.load(ref)),
    );
    results.forEach((tile, i) => b.store(refs[inputs.length + i], tile));
  });
};
