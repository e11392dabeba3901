// Hand-made kernels and schedules for the tests of the wasm device, so that they depend on neither the fuser nor the emitter.
import { makeKernel } from '../../lowering/tile/build.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import type { BufferSpec, Schedule } from '../../lowering/fuse/ir.ts';
import { encodeModule } from '../../lowering/wasm/encode.ts';
import { WasmModule, type Fn } from '../../lowering/wasm/fn.ts';
import {
  add,
  floatBits,
  int,
  memory,
  mul,
  op,
  splatBits,
  type Node,
} from '../../lowering/wasm/nodes.ts';
import { Cells, type WasmBuffer } from '../../backends/wasm/cells.ts';
import { WasmExecutable, type Runtime } from '../../backends/wasm/executable.ts';
import { canShareMemory } from '../../backends/wasm/features.ts';
import { Heap } from '../../backends/wasm/heap.ts';
import { Kernels, type KernelCode } from '../../backends/wasm/kernels.ts';
import { Pool, controlBytes } from '../../backends/wasm/pool.ts';
import { Workspaces } from '../../backends/wasm/workspace.ts';

/** What four elements become. */
type Element = (x: readonly Node[]) => Node;

/** Code of a kernel that computes `element` of its operands' elements into the last operand, `perProgram` elements (a multiple of 4) a program. */
export function mapCode(
  inputs: number,
  element: Element,
  { perProgram, programs = 1, shared }: { perProgram: number; programs?: number; shared: boolean },
): KernelCode {
  const module = new WasmModule(shared);
  const run: Fn = module.fn('run');
  const begin = run.param('i32', 'begin');
  const end = run.param('i32', 'end');
  run.param('i32', 'scratch');
  const operands = Array.from({ length: inputs + 1 }, (_, i) => run.param('i32', `p${i}`));
  const counter = run.local('i32', 'i');
  const limit = run.local('i32', 'limit');
  run.set(limit, mul(run.get(end), int(perProgram)));
  run.for(
    counter,
    { from: mul(run.get(begin), int(perProgram)), to: run.get(limit), step: 4 },
    () => {
      const at = (i: number): Node => add(run.get(operands[i]), mul(run.get(counter), int(4)));
      const x = operands.slice(0, -1).map((_, i) => memory('v128.load', 0, at(i)));
      run.emit(memory('v128.store', 0, at(inputs), element(x)));
    },
  );
  module.exports.set('run', run);
  return {
    bytes: encodeModule(module),
    programs,
    scratchBytes: 0,
    cost: 2 * perProgram,
    text: 'handmade',
  };
}

/** y = x + 1 */
export const plusOne: Element = ([x]) => op('f32x4.add', x, splatBits(floatBits(1)));
/** y = a · b */
export const product: Element = ([a, b]) => op('f32x4.mul', a, b);

/** A runtime without a device around it. */
export function makeRuntime(
  options: { threads?: number; softLimit?: number; shared?: boolean; maximumBytes?: number } = {},
): Runtime & {
  readonly heap: Heap;
} {
  const shared = options.shared ?? canShareMemory();
  const heap = new Heap({
    shared,
    reservedBytes: shared ? controlBytes : 64,
    maximumBytes: options.maximumBytes,
  });
  const cells = new Cells(heap, { softLimit: options.softLimit ?? 2 ** 30 });
  return {
    heap,
    cells,
    pool: new Pool(cells, options.threads ?? 1),
    workspaces: new Workspaces(cells),
    constants: new FinalizationRegistry((block) => heap.free(block)),
  };
}

/** Kernels whose code is looked up by name. */
export const handmade = (runtime: Runtime, codes: Readonly<Record<string, KernelCode>>): Kernels =>
  new Kernels(runtime.cells, (kernel) => codes[kernel.name]);

/** An empty tile kernel with a name, standing for hand-made code; its scratch memory tells it from others. */
export const named = (name: string): Kernel =>
  makeKernel({
    name,
    grid: [],
    operands: [],
    scratch: [{ name, dtype: 'f32', shape: [1] }],
    body: () => undefined,
  });

/** A buffer of a schedule: `f32` elements. */
export const floats = (
  role: BufferSpec['role'],
  count: number,
  index = 0,
  slot?: number,
): BufferSpec => ({
  type: { shape: [count], dtype: 'f32' },
  byteLength: 4 * count,
  role,
  index,
  ...(slot === undefined ? {} : { slot }),
});

/** An executable of a schedule over hand-made kernels. */
export const makeExecutable = (
  runtime: Runtime,
  kernels: Kernels,
  schedule: Schedule,
  donated?: readonly boolean[],
): WasmExecutable =>
  new WasmExecutable(runtime, schedule, ({ kernel }) => kernels.load(kernel, false), donated);

/** Upload floats. */
export const upload = (cells: Cells, values: ArrayLike<number>): WasmBuffer =>
  cells.upload(new Uint8Array(Float32Array.from(values).buffer));

/** Download floats. */
export function download(cells: Cells, buffer: WasmBuffer): number[] {
  const bytes = cells.download(buffer);
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}
