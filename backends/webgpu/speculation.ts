/**
 * Loops whose end depends on data, without asking the device after every iteration: iterations are dispatched ahead, with sizes that the
 * device itself sets to zero once the condition fails. How many of them did something is read back from time to time. Loops of known
 * length inside are written out, branches inside get sizes that the device sets for the one that is taken. Only a loop inside that
 * depends on data too makes the outer one wait.
 */
import { invariant } from '../../core/errors.ts';
import type { Allocation } from './memory.ts';
import { usage } from './memory.ts';
import type { Prepared } from './program.ts';

const indirect = 256;

/** Iterations that are dispatched before the first answer, and most between two answers. */
const firstBatch = 16;
const largestBatch = 1024;
/** The same in dispatches, which bound the iterations of long bodies. */
const firstDispatches = 512;
const mostDispatches = 16384;

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

type Loop = Extract<Prepared, { kind: 'while' }>;
type Case = Extract<Prepared, { kind: 'case' }>;
type Steps = readonly Prepared[];

/** Whether steps can be dispatched without knowing whether they will do something: nothing in them waits for a value. */
const isEmptiable = (steps: Steps): boolean =>
  steps.every(
    (step) =>
      step.kind === 'kernel' ||
      step.kind === 'copy' ||
      (step.kind === 'case' && step.branches.every(isEmptiable)) ||
      (step.kind === 'while' && step.trips !== undefined && isEmptiable(step.body)),
  );

/** Whether a loop can be dispatched ahead: its end depends on data, and nothing else in it does but the choice of branches. */
export const isPredictable = (loop: Loop): boolean =>
  loop.trips === undefined && isEmptiable(loop.cond) && isEmptiable(loop.body);

/** Dispatches that steps come to. */
const dispatches = (steps: Steps): number =>
  steps.reduce((n, step) => {
    if (step.kind === 'case') return n + 1 + step.branches.reduce((m, b) => m + dispatches(b), 0);
    return n + (step.kind === 'while' ? (step.trips ?? 1) * dispatches(step.body) : 1);
  }, 0);

/** A kernel of ours, and how it binds. */
interface Fixed {
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

/** Bind groups of copies that are remembered. */
const mostCopies = 256;

/** What loops of one device share: the kernels that decide whether the next iteration is empty, choose a branch, and copy. */
export class Decider {
  readonly decide: Fixed;
  readonly choose: Fixed;
  readonly copy: Fixed;
  readonly #gpu: GPUDevice;
  readonly #loops = new WeakMap<Loop, Speculation>();
  readonly #copies = new Map<string, GPUBindGroup>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
    const fixed = (code: string, ...types: GPUBufferBindingType[]): Fixed => {
      const entries = types.map((type, binding) => ({ binding, visibility: 4, buffer: { type } }));
      const layout = gpu.createBindGroupLayout({ entries });
      const pipeline = gpu.createComputePipeline({
        layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: gpu.createShaderModule({ code }), entryPoint: 'main' },
      });
      return { layout, pipeline };
    };
    const read = 'read-only-storage';
    this.decide = fixed(source, read, 'storage', 'storage');
    this.choose = fixed(chooseSource, read, read, read, 'storage');
    this.copy = fixed(copySource, read, 'storage');
  }

  /** The buffers of a loop. */
  of(loop: Loop): Speculation {
    let found = this.#loops.get(loop);
    if (found === undefined) {
      found = new Speculation(this.#gpu, loop, this);
      this.#loops.set(loop, found);
    }
    return found;
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

/** Where the sizes of the dispatches of a loop stand: numbers of triples. */
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

/** The buffers of one loop: sizes of its dispatches, and whether and how often it ran. */
export class Speculation {
  /** What the device's loops share. */
  readonly shared: Decider;
  /** Sizes of the dispatches, three words each. */
  readonly sizes: GPUBuffer;
  /** Whether the loop goes on, and iterations so far. */
  readonly state: Allocation;
  /** Iterations before the first answer, and most between two: fewer where one iteration is many dispatches. */
  readonly firstBatch: number;
  readonly largestBatch: number;
  readonly #gpu: GPUDevice;
  readonly #full: GPUBuffer;
  readonly #start: GPUBuffer;
  readonly #slots: Slots;
  readonly #ranges = new Map<Case, GPUBuffer>();
  #group: { readonly id: number; readonly group: GPUBindGroup } | undefined;

  constructor(gpu: GPUDevice, loop: Loop, shared: Decider) {
    this.#gpu = gpu;
    this.shared = shared;
    const work = Math.max(1, dispatches(loop.cond) + dispatches(loop.body));
    this.firstBatch = Math.max(1, Math.min(firstBatch, Math.floor(firstDispatches / work)));
    this.largestBatch = Math.max(1, Math.min(largestBatch, Math.floor(mostDispatches / work)));
    const slots: Slots = {
      sizes: [[restoreGroups, 1, 1]],
      ofStep: new Map(),
      restores: new Map(),
      ranges: new Map(),
    };
    assignSlots(loop.cond, slots);
    assignSlots(loop.body, slots);
    this.#slots = slots;
    const { copySource: from, copyTarget: to, storage } = usage;
    const filled = (words: readonly number[], flags: number): GPUBuffer => {
      const data = new Uint32Array(words);
      const buffer = gpu.createBuffer({ size: data.byteLength, usage: flags | to });
      gpu.queue.writeBuffer(buffer, 0, data);
      return buffer;
    };
    this.#full = filled(slots.sizes.flat(), from | storage);
    this.#start = filled([1, 0, 0, 0], from);
    this.sizes = gpu.createBuffer({ size: this.#full.size, usage: storage | to | indirect });
    const state = gpu.createBuffer({ size: 16, usage: storage | from | to });
    this.state = { gpu: state, id: -1, size: 16, references: 1 };
    for (const [step, ranges] of slots.ranges) this.#ranges.set(step, filled(ranges, storage));
  }

  /** Where the size of the dispatch of a kernel or copy stands, in bytes. */
  offsetOf(step: Prepared): number {
    return 12 * (this.#slots.ofStep.get(step) ?? 0);
  }

  /** Where the size of copies that are no steps stands, in bytes: those of a branch, or of the loop itself. */
  restoreOffset(branch?: Steps): number {
    return 12 * (branch === undefined ? 0 : (this.#slots.restores.get(branch) ?? 0));
  }

  /** Set the loop to its beginning. */
  reset(encoder: GPUCommandEncoder): void {
    encoder.copyBufferToBuffer(this.#full, 0, this.sizes, 0, this.sizes.size);
    encoder.copyBufferToBuffer(this.#start, 0, this.state.gpu, 0, 16);
  }

  /** Bindings of the deciding kernel. */
  decideGroup(predicate: Allocation): GPUBindGroup {
    if (this.#group?.id === predicate.id) return this.#group.group;
    const group = this.#bind(this.shared.decide, [predicate.gpu, this.state.gpu, this.sizes]);
    this.#group = { id: predicate.id, group };
    return group;
  }

  /** Bindings of the kernel that chooses a branch. */
  chooseGroup(step: Case, index: Allocation): GPUBindGroup {
    const ranges = this.#ranges.get(step);
    invariant(ranges !== undefined, 'webgpu: a case is not part of the loop.');
    return this.#bind(this.shared.choose, [index.gpu, this.#full, ranges, this.sizes]);
  }

  #bind({ layout }: Fixed, buffers: readonly GPUBuffer[]): GPUBindGroup {
    return this.#gpu.createBindGroup({
      layout,
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
  }
}
