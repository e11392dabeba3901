/**
 * Loops whose end depends on data, without asking the device after every iteration: iterations are dispatched ahead, with sizes that the
 * device itself sets to zero once the condition fails. How many of them did something is read back from time to time. Loops of known
 * length inside are written out, branches inside get sizes that the device sets for the one that is taken. A loop that holds another whose
 * end depends on data is a matter of `machine.ts`.
 */
import {
  bindFixed,
  dispatches,
  filled,
  GateKernels,
  Gates,
  isEmptiable,
  makeFixed,
  type Fixed,
  type Loop,
} from './gates.ts';
import { advanceSource, advanceTypes, isMachine, Machine } from './machine.ts';
import type { Allocation } from './memory.ts';
import { usage } from './memory.ts';

/** Rounds that are dispatched before the first answer, and most between two answers. */
const firstBatch = 16;
const largestBatch = 1024;
/** The same in dispatches, which bound the rounds of long bodies. */
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

/** Whether a loop can be dispatched ahead as it stands: nothing in it depends on data but its end and the choice of branches. */
const isPlain = (loop: Loop): boolean => isEmptiable(loop.cond) && isEmptiable(loop.body);

/** How many rounds of some dispatches are handed over before an answer. */
interface Batches {
  readonly first: number;
  readonly most: number;
}

/** Rounds of so many dispatches. */
export const batchesOf = (work: number): Batches => ({
  first: Math.max(1, Math.min(firstBatch, Math.floor(firstDispatches / Math.max(1, work)))),
  most: Math.max(1, Math.min(largestBatch, Math.floor(mostDispatches / Math.max(1, work)))),
});

/** What loops of one device share: the kernels that end them on the device, and the buffers of each. */
export class Decider {
  readonly decide: Fixed;
  readonly advance: Fixed;
  readonly #gpu: GPUDevice;
  readonly #kernels: GateKernels;
  readonly #loops = new WeakMap<Loop, Speculation | Machine>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
    this.#kernels = new GateKernels(gpu);
    this.decide = makeFixed(gpu, source, ['read-only-storage', 'storage', 'storage']);
    this.advance = makeFixed(gpu, advanceSource, advanceTypes);
  }

  /** How a loop is dispatched ahead; not at all when it calls JavaScript. */
  of(loop: Loop): Speculation | Machine | undefined {
    const known = this.#loops.get(loop);
    if (known !== undefined || !isMachine([loop])) return known;
    const made = isPlain(loop)
      ? new Speculation(this.#gpu, loop, this.decide, this.#kernels)
      : new Machine(this.#gpu, loop, this.#kernels, this.advance);
    this.#loops.set(loop, made);
    return made;
  }
}

/** The buffers of one loop: sizes of its dispatches, and whether and how often it ran. */
export class Speculation {
  readonly gates: Gates;
  /** Whether the loop goes on, and iterations so far. */
  readonly state: Allocation;
  /** Dispatches of an iteration. */
  readonly work: number;
  readonly #gpu: GPUDevice;
  readonly #decide: Fixed;
  readonly #start: GPUBuffer;
  #group: { readonly id: number; readonly group: GPUBindGroup } | undefined;

  constructor(gpu: GPUDevice, loop: Loop, decide: Fixed, kernels: GateKernels) {
    this.#gpu = gpu;
    this.#decide = decide;
    this.work = dispatches(loop.cond) + dispatches(loop.body);
    this.gates = new Gates(gpu, kernels, [[...loop.cond, ...loop.body]]);
    const { copySource: from, copyTarget: to, storage } = usage;
    this.#start = filled(gpu, [1, 0, 0, 0], from);
    const state = gpu.createBuffer({ size: 16, usage: storage | from | to });
    this.state = { gpu: state, id: -1, size: 16, references: 1 };
  }

  /** Set the loop to its beginning. */
  reset(encoder: GPUCommandEncoder): void {
    const { full, sizes } = this.gates;
    encoder.copyBufferToBuffer(full, 0, sizes, 0, sizes.size);
    encoder.copyBufferToBuffer(this.#start, 0, this.state.gpu, 0, 16);
  }

  /** Bindings of the deciding kernel. */
  decideGroup(predicate: Allocation): GPUBindGroup {
    if (this.#group?.id === predicate.id) return this.#group.group;
    const buffers = [predicate.gpu, this.state.gpu, this.gates.sizes];
    const group = bindFixed(this.#gpu, this.#decide, buffers);
    this.#group = { id: predicate.id, group };
    return group;
  }
}
