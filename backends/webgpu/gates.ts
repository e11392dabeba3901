/**
 * Dispatches whose sizes stand on the device, so that the device itself decides whether they do something: what loops that are dispatched
 * ahead are made of. Copies are dispatches here, and all branches of a case are written, of which the device empties those not taken.
 */
import { invariant } from '../../core/errors.ts';
import type { Allocation } from './memory.ts';
import { usage } from './memory.ts';
import type { Prepared } from './program.ts';

const indirect = 256;

/** Copies are dispatches too: a copy by the encoder could not be made empty. */
const mostCopyGroups = 256;
/** What brings buffers back after a loop inside copies arrays of any size. */
const restoreGroups = 16;
const copySource = `
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> target_words: array<u32>;
@compute @workgroup_size(64) fn main(
  @builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < arrayLength(&target_words); i += 64u * groups.x) { target_words[i] = source[i]; }
}`;

/** Sets the sizes of the branch that an index names, and empties the others; does nothing where its own branch is empty. */
const chooseSource = `
@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read> full: array<u32>;
@group(0) @binding(2) var<storage, read> ranges: array<u32>;
@group(0) @binding(3) var<storage, read_write> sizes: array<u32>;
@compute @workgroup_size(1) fn main() {
  if (sizes[3u * ranges[0]] == 0u) { return; }
  let last = arrayLength(&ranges) - 2u;
  let wanted = index[0];
  let chosen = select(last - 1u, u32(wanted), wanted >= 0 && wanted < i32(last));
  for (var k = 0u; k < last; k++) {
    for (var i = 3u * ranges[k + 1u]; i < 3u * ranges[k + 2u]; i++) {
      sizes[i] = select(0u, full[i], k == chosen);
    }
  }
}`;

export type Loop = Extract<Prepared, { kind: 'while' }>;
type Case = Extract<Prepared, { kind: 'case' }>;
export type Steps = readonly Prepared[];

/** Whether steps can be dispatched without knowing whether they will do something: nothing in them waits for a value. */
export const isEmptiable = (steps: Steps): boolean =>
  steps.every(
    (step) =>
      step.kind === 'kernel' ||
      step.kind === 'copy' ||
      (step.kind === 'case' && step.branches.every(isEmptiable)) ||
      (step.kind === 'while' && step.trips !== undefined && isEmptiable(step.body)),
  );

/** Dispatches that emptiable steps come to. */
export const dispatches = (steps: Steps): number =>
  steps.reduce((n, step) => {
    if (step.kind === 'case') return n + 1 + step.branches.reduce((m, b) => m + dispatches(b), 0);
    return n + (step.kind === 'while' ? (step.trips ?? 1) * dispatches(step.body) : 1);
  }, 0);

/** A kernel of ours, and how it binds. */
export interface Fixed {
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

/** Compile a kernel of ours. */
export function makeFixed(
  gpu: GPUDevice,
  code: string,
  types: readonly GPUBufferBindingType[],
): Fixed {
  const entries = types.map((type, binding) => ({ binding, visibility: 4, buffer: { type } }));
  const layout = gpu.createBindGroupLayout({ entries });
  const pipeline = gpu.createComputePipeline({
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: gpu.createShaderModule({ code }), entryPoint: 'main' },
  });
  return { layout, pipeline };
}

/** Bind buffers to a kernel of ours. */
export const bindFixed = (
  gpu: GPUDevice,
  { layout }: Fixed,
  buffers: readonly GPUBuffer[],
): GPUBindGroup =>
  gpu.createBindGroup({
    layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });

/** Make a buffer that holds words. */
export function filled(gpu: GPUDevice, words: readonly number[], flags: number): GPUBuffer {
  const data = new Uint32Array(words);
  const buffer = gpu.createBuffer({ size: data.byteLength, usage: flags | usage.copyTarget });
  gpu.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** Bind groups of copies that are remembered. */
const mostCopies = 256;

/** The kernels that all gates of a device share: they choose a branch, and copy. */
export class GateKernels {
  readonly choose: Fixed;
  readonly copy: Fixed;
  readonly #gpu: GPUDevice;
  readonly #copies = new Map<string, GPUBindGroup>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
    const read = 'read-only-storage';
    this.choose = makeFixed(gpu, chooseSource, [read, read, read, 'storage']);
    this.copy = makeFixed(gpu, copySource, [read, 'storage']);
  }

  /** Bindings of a copy. */
  copyGroup(from: Allocation, to: Allocation, size: number): GPUBindGroup {
    const key = `${from.id},${to.id},${size}`;
    let group = this.#copies.get(key);
    if (group === undefined) {
      group = this.#gpu.createBindGroup({
        layout: this.copy.layout,
        entries: [from, to].map(({ gpu }, binding) => ({
          binding,
          resource: { buffer: gpu, size },
        })),
      });
      if (this.#copies.size >= mostCopies) this.#copies.clear();
      this.#copies.set(key, group);
    }
    return group;
  }
}

/** Where the sizes of dispatches stand: numbers of triples. */
interface Slots {
  readonly sizes: (readonly number[])[];
  readonly ofStep: Map<Prepared, number>;
  /** The slot of the copies of a branch that are no steps: what brings buffers back after a loop inside. */
  readonly restores: Map<Steps, number>;
  /** The slot of a case, where its branches begin, and where the last one ends. */
  readonly ranges: Map<Case, readonly number[]>;
}

/** Give every dispatch a slot; those of a branch, and of what is inside, stand side by side. */
function assignSlots(steps: Steps, slots: Slots): void {
  for (const step of steps) {
    if (step.kind === 'while') assignSlots(step.body, slots);
    if (step.kind === 'kernel')
      slots.ofStep.set(step, slots.sizes.push(step.kernel.code.workgroups) - 1);
    if (step.kind === 'copy') {
      const groups = Math.min(mostCopyGroups, Math.ceil(step.byteLength / 256));
      slots.ofStep.set(step, slots.sizes.push([Math.max(1, groups), 1, 1]) - 1);
    }
    if (step.kind !== 'case') continue;
    const ranges = [slots.sizes.push([1, 0, 0]) - 1, slots.sizes.length];
    for (const branch of step.branches) {
      slots.restores.set(branch, slots.sizes.push([restoreGroups, 1, 1]) - 1);
      assignSlots(branch, slots);
      ranges.push(slots.sizes.length);
    }
    slots.ranges.set(step, ranges);
  }
}

/** The sizes of the dispatches of some parts of a program, each of which begins with the copies that are no steps. */
export class Gates {
  readonly kernels: GateKernels;
  /** Sizes of the dispatches, three words each. */
  readonly sizes: GPUBuffer;
  /** The same when every part does something. */
  readonly full: GPUBuffer;
  /** Where the parts begin, and where the last one ends. */
  readonly starts: readonly number[];
  readonly #gpu: GPUDevice;
  readonly #slots: Slots = {
    sizes: [],
    ofStep: new Map(),
    restores: new Map(),
    ranges: new Map(),
  };
  readonly #ranges = new Map<Case, GPUBuffer>();

  constructor(gpu: GPUDevice, kernels: GateKernels, parts: readonly Steps[]) {
    this.#gpu = gpu;
    this.kernels = kernels;
    const slots = this.#slots;
    const starts = parts.map((steps) => {
      const start = slots.sizes.push([restoreGroups, 1, 1]) - 1;
      assignSlots(steps, slots);
      return start;
    });
    this.starts = [...starts, slots.sizes.length];
    const { copySource: from, copyTarget: to, storage } = usage;
    this.full = filled(gpu, slots.sizes.flat(), from | storage);
    this.sizes = gpu.createBuffer({ size: this.full.size, usage: storage | to | indirect });
    for (const [step, ranges] of slots.ranges) this.#ranges.set(step, filled(gpu, ranges, storage));
  }

  /** Where the size of the dispatch of a kernel or copy stands, in bytes. */
  offsetOf(step: Prepared): number {
    return 12 * (this.#slots.ofStep.get(step) ?? 0);
  }

  /** Where the size of copies that are no steps stands, in bytes: those of a branch, or of a part. */
  restoreOffset(place: Steps | number): number {
    return (
      12 * (typeof place === 'number' ? this.starts[place] : (this.#slots.restores.get(place) ?? 0))
    );
  }

  /** Bindings of the kernel that chooses a branch. */
  chooseGroup(step: Case, index: Allocation): GPUBindGroup {
    const ranges = this.#ranges.get(step);
    invariant(ranges !== undefined, 'webgpu: a case is not part of the loop.');
    return bindFixed(this.#gpu, this.kernels.choose, [index.gpu, this.full, ranges, this.sizes]);
  }
}
