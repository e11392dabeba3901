/**
 * Loops whose end depends on data, without asking the device after every iteration: iterations are dispatched ahead, with sizes that the
 * device itself sets to zero once the condition fails. How many of them did something is read back from time to time.
 */
import type { Allocation } from './memory.ts';
import { usage } from './memory.ts';
import type { Prepared } from './program.ts';

const indirect = 256;

/** Iterations that are dispatched before the first answer, and most between two answers. */
export const firstBatch = 16;
export const largestBatch = 1024;

const source = `
@group(0) @binding(0) var<storage, read> predicate: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> sizes: array<u32>;
@compute @workgroup_size(1) fn main() {
  if (state[0] == 0u) { return; }
  if ((predicate[0] & 0xffu) != 0u) {
    state[1] += 1u;
    return;
  }
  state[0] = 0u;
  for (var i = 0u; i < arrayLength(&sizes); i++) { sizes[i] = 0u; }
}`;

type Loop = Extract<Prepared, { kind: 'while' }>;
type Dispatch = Extract<Prepared, { kind: 'kernel' }>;

const isDispatch = (step: Prepared): step is Dispatch => step.kind === 'kernel';

/** Whether a loop can be dispatched ahead: it consists of kernels alone. */
export const isPredictable = (loop: Loop): boolean =>
  loop.trips === undefined && loop.cond.every(isDispatch) && loop.body.every(isDispatch);

/** What loops of one device share: the kernel that decides whether the next iteration is empty. */
export class Decider {
  readonly #gpu: GPUDevice;
  readonly #layout: GPUBindGroupLayout;
  readonly #pipeline: GPUComputePipeline;
  readonly #loops = new WeakMap<Loop, Speculation>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
    const entry = (binding: number, type: GPUBufferBindingType): GPUBindGroupLayoutEntry => ({
      binding,
      visibility: 4,
      buffer: { type },
    });
    this.#layout = gpu.createBindGroupLayout({
      entries: [entry(0, 'read-only-storage'), entry(1, 'storage'), entry(2, 'storage')],
    });
    this.#pipeline = gpu.createComputePipeline({
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [this.#layout] }),
      compute: { module: gpu.createShaderModule({ code: source }), entryPoint: 'main' },
    });
  }

  /** The buffers of a loop. */
  of(loop: Loop): Speculation {
    let found = this.#loops.get(loop);
    if (found === undefined) {
      found = new Speculation(this.#gpu, loop, { layout: this.#layout, pipeline: this.#pipeline });
      this.#loops.set(loop, found);
    }
    return found;
  }
}

/** The buffers of one loop: sizes of its dispatches, and whether and how often it ran. */
export class Speculation {
  readonly kernels: readonly Dispatch[];
  readonly pipeline: GPUComputePipeline;
  /** Sizes of the dispatches, three words each. */
  readonly sizes: GPUBuffer;
  /** Whether the loop goes on, and iterations so far. */
  readonly state: Allocation;
  readonly #gpu: GPUDevice;
  readonly #layout: GPUBindGroupLayout;
  readonly #full: GPUBuffer;
  readonly #start: GPUBuffer;
  #group: { readonly id: number; readonly group: GPUBindGroup } | undefined;

  constructor(
    gpu: GPUDevice,
    loop: Loop,
    shared: { readonly layout: GPUBindGroupLayout; readonly pipeline: GPUComputePipeline },
  ) {
    this.#gpu = gpu;
    this.#layout = shared.layout;
    this.pipeline = shared.pipeline;
    this.kernels = [...loop.cond, ...loop.body].filter(isDispatch);
    const words = new Uint32Array(this.kernels.flatMap((k) => [...k.kernel.code.workgroups]));
    const { copySource, copyTarget, storage } = usage;
    const make = (size: number, flags: number): GPUBuffer =>
      gpu.createBuffer({ size, usage: flags });
    const bytes = Math.max(12, words.byteLength);
    this.sizes = make(bytes, storage | copyTarget | indirect);
    this.#full = make(bytes, copySource | copyTarget);
    this.#start = make(16, copySource | copyTarget);
    const state = make(16, storage | copySource | copyTarget);
    this.state = { gpu: state, id: -1, size: 16, references: 1 };
    if (words.length > 0) gpu.queue.writeBuffer(this.#full, 0, words);
    gpu.queue.writeBuffer(this.#start, 0, new Uint32Array([1, 0, 0, 0]));
  }

  /** Set the loop to its beginning. */
  reset(encoder: GPUCommandEncoder): void {
    encoder.copyBufferToBuffer(this.#full, 0, this.sizes, 0, this.sizes.size);
    encoder.copyBufferToBuffer(this.#start, 0, this.state.gpu, 0, 16);
  }

  /** Bindings of the deciding kernel. */
  group(predicate: Allocation): GPUBindGroup {
    if (this.#group?.id === predicate.id) return this.#group.group;
    const buffers = [predicate.gpu, this.state.gpu, this.sizes];
    const group = this.#gpu.createBindGroup({
      layout: this.#layout,
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    this.#group = { id: predicate.id, group };
    return group;
  }
}
