/**
 * Loops whose end depends on data and that hold other such loops, without asking the device after every iteration. The nest becomes a
 * machine: straight parts of it, of which one is the current one. All of them are dispatched round after round, the parts of an inner loop
 * several times per round, with sizes that are zero but for the current part; at its end a kernel of ours reads the condition, or the index
 * of a branch, and makes another part the current one. Carried values are moved by copies, because which parts run is known on the device
 * only. What is read back now and then is whether the machine has halted, and how often each part ran, which says how often an inner loop
 * is best repeated per round.
 */
import type { BufferId } from '../../lowering/fuse/ir.ts';
import {
  bindFixed,
  dispatches,
  filled,
  Gates,
  isEmptiable,
  type Fixed,
  type GateKernels,
  type Loop,
  type Steps,
} from './gates.ts';
import type { Allocation } from './memory.ts';
import { paddedSize, usage } from './memory.ts';
import type { Prepared } from './program.ts';

/** Types of the bindings of the kernel that ends a part. */
export const advanceTypes: readonly GPUBufferBindingType[] = [
  'read-only-storage',
  'read-only-storage',
  'read-only-storage',
  'read-only-storage',
  'storage',
  'storage',
];

/** Ends a part where it is the current one; the last part is the end. `edge`: the part, how the next one is chosen (0 always, 1 by a bool, 2 by an index), and which. */
export const advanceSource = `
@group(0) @binding(0) var<storage, read> value: array<u32>;
@group(0) @binding(1) var<storage, read> edge: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> full: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: array<u32>;
@group(0) @binding(5) var<storage, read_write> sizes: array<u32>;
@compute @workgroup_size(1) fn main() {
  let part = edge[0];
  if (state[0] != part + 1u) { return; }
  state[1u + part] += 1u;
  var way = 0u;
  if (edge[1] == 1u && (value[0] & 0xffu) == 0u) { way = 1u; }
  if (edge[1] == 2u) {
    let last = arrayLength(&edge) - 3u;
    let wanted = bitcast<i32>(value[0]);
    way = select(last, value[0], wanted >= 0 && wanted < i32(last));
  }
  let next = edge[2u + way];
  for (var i = 3u * starts[part]; i < 3u * starts[part + 1u]; i++) { sizes[i] = 0u; }
  for (var i = 3u * starts[next]; i < 3u * starts[next + 1u]; i++) { sizes[i] = full[i]; }
  state[0] = select(next + 1u, 0u, next + 2u == arrayLength(&starts));
}`;

/** How a part goes on. */
interface Edge {
  /** What the next part depends on; nothing when it is always the same. */
  readonly by: { readonly id: BufferId; readonly kind: 'bool' | 'index' } | undefined;
  readonly to: readonly number[];
}

/** A straight part of a nest of loops. */
interface Part {
  readonly steps: Prepared[];
  edge: Edge;
}

/** What a round dispatches: parts, and inner loops with the part before them and the part with their condition. */
type Item =
  | { readonly kind: 'part'; readonly part: number }
  | {
      readonly kind: 'loop';
      readonly before: number;
      readonly condition: number;
      readonly items: readonly Item[];
    };

/** Whether a loop can be run by the device alone: it calls no JavaScript. */
export const isMachine = (steps: Steps): boolean =>
  steps.every((step) => {
    if (step.kind === 'while') return isMachine(step.cond) && isMachine(step.body);
    return step.kind === 'case' ? step.branches.every(isMachine) : step.kind !== 'host';
  });

/** Takes a nest of loops apart. */
class Writer {
  readonly parts: Part[] = [];

  open(): number {
    return this.parts.push({ steps: [], edge: { by: undefined, to: [] } }) - 1;
  }

  #close(part: number, to: readonly number[], by?: Edge['by']): void {
    this.parts[part].edge = { by, to };
  }

  /** Write steps from an open part on; the part that is open after them. */
  write(steps: Steps, from: number, items: Item[]): number {
    let part = from;
    for (const step of steps) {
      if (isEmptiable([step])) this.parts[part].steps.push(step);
      else if (step.kind === 'while') {
        const inner: Item[] = [];
        const condition = this.#begin(inner);
        this.#close(part, [condition]);
        const after = this.loop(step, condition, inner);
        items.push({ kind: 'loop', before: part, condition, items: inner });
        items.push({ kind: 'part', part: (part = after) });
      } else if (step.kind === 'case') {
        const ways = step.branches.map((branch) => {
          const first = this.#begin(items);
          return { first, last: this.write(branch, first, items) };
        });
        const after = this.#begin(items);
        for (const { last } of ways) this.#close(last, [after]);
        const firsts = ways.map(({ first }) => first);
        this.#close(part, firsts, { id: step.index, kind: 'index' });
        part = after;
      }
    }
    return part;
  }

  /** Write a loop whose condition begins with an open part; the part after it. */
  loop(loop: Loop, condition: number, items: Item[]): number {
    const test = this.write(loop.cond, condition, items);
    const body = this.#begin(items);
    const last = this.write(loop.body, body, items);
    loop.carried.forEach((to, i) => {
      const [from, byteLength] = [loop.next[i], loop.byteLengths[i]];
      this.parts[last].steps.push({ kind: 'copy', from, to, byteLength });
    });
    this.#close(last, [condition]);
    const after = this.open();
    this.#close(test, [body, after], { id: loop.predicate, kind: 'bool' });
    return after;
  }

  #begin(items: Item[]): number {
    const part = this.open();
    items.push({ kind: 'part', part });
    return part;
  }
}

/** Repetitions of an inner loop per round before anything is known, and at most. */
const firstRepeats = 4;
const mostRepeats = 64;

/** A nest of loops as a machine of the device. */
export class Machine {
  readonly gates: Gates;
  readonly parts: readonly Part[];
  /** The number of the current part, from 1, or 0 once the machine has halted; and how often each part ran. */
  readonly state: Allocation;
  readonly stateBytes: number;
  readonly #gpu: GPUDevice;
  readonly #advance: Fixed;
  readonly #items: readonly Item[];
  readonly #trips: number | undefined;
  #tests = 0;
  readonly #repeats = new Map<Item, number>();
  readonly #begin: GPUBuffer;
  readonly #starts: GPUBuffer;
  readonly #edges: readonly GPUBuffer[];
  readonly #groups = new Map<number, { readonly id: number; readonly group: GPUBindGroup }>();

  constructor(gpu: GPUDevice, loop: Loop, kernels: GateKernels, advance: Fixed) {
    this.#gpu = gpu;
    this.#advance = advance;
    this.#trips = loop.trips;
    const writer = new Writer();
    const items: Item[] = [];
    const first = writer.open();
    items.push({ kind: 'part', part: first });
    writer.loop(loop, first, items);
    this.#items = items;
    this.parts = writer.parts;
    this.gates = new Gates(
      gpu,
      kernels,
      this.parts.map(({ steps }) => steps),
    );
    const { copySource: from, copyTarget: to, storage } = usage;
    const { starts } = this.gates;
    const bytes = paddedSize(4 + 4 * this.parts.length);
    this.#begin = filled(gpu, [1, ...Array.from({ length: bytes / 4 - 1 }, () => 0)], from);
    this.#starts = filled(gpu, starts, storage);
    this.#edges = this.parts.map(({ edge: { by, to: next } }, part) =>
      filled(gpu, [part, by === undefined ? 0 : by.kind === 'bool' ? 1 : 2, ...next], storage),
    );
    this.stateBytes = bytes;
    const state = gpu.createBuffer({ size: this.stateBytes, usage: storage | from | to });
    this.state = { gpu: state, id: -1, size: this.stateBytes, references: 1 };
  }

  /** Set the machine to its beginning: only the first part does something. */
  reset(encoder: GPUCommandEncoder): void {
    this.#tests = 0;
    const { sizes, full, starts } = this.gates;
    encoder.clearBuffer(sizes);
    encoder.copyBufferToBuffer(full, 0, sizes, 0, 12 * starts[1]);
    encoder.copyBufferToBuffer(this.#begin, 0, this.state.gpu, 0, this.stateBytes);
  }

  /** The parts of one round, in order. */
  round(): number[] {
    const walk = (items: readonly Item[]): number[] =>
      items.flatMap((item) => {
        if (item.kind === 'part') return [item.part];
        const once = walk(item.items);
        return Array.from({ length: this.#repeats.get(item) ?? firstRepeats }, () => once).flat();
      });
    return walk(this.#items);
  }

  /** The least number of rounds that are left: each holds one iteration of the outermost loop, or a part of one. */
  get left(): number {
    return this.#trips === undefined ? Infinity : Math.max(1, this.#trips + 1 - this.#tests);
  }

  /** Dispatches of one round. */
  get work(): number {
    return this.round().reduce((n, part) => n + 1 + dispatches(this.parts[part].steps), 0);
  }

  /** Learn from what was read back; whether the machine has halted. */
  learn(words: Uint32Array): boolean {
    const visits = words.subarray(1);
    this.#tests = visits[0];
    const look = (items: readonly Item[]): void => {
      for (const item of items) {
        if (item.kind === 'part') continue;
        const [entries, tests] = [visits[item.before], visits[item.condition]];
        if (entries > 0) {
          const repeats = Math.ceil(tests / entries);
          this.#repeats.set(item, Math.max(1, Math.min(mostRepeats, repeats)));
        }
        look(item.items);
      }
    };
    look(this.#items);
    return words[0] === 0;
  }

  /** Bindings of the kernel that ends a part; `value` is what the next part depends on. */
  advanceGroup(part: number, value: Allocation | undefined): GPUBindGroup {
    const known = this.#groups.get(part);
    const id = value?.id ?? -1;
    if (known?.id === id) return known.group;
    const { full, sizes } = this.gates;
    const group = bindFixed(this.#gpu, this.#advance, [
      value?.gpu ?? this.#starts,
      this.#edges[part],
      this.#starts,
      full,
      this.state.gpu,
      sizes,
    ]);
    this.#groups.set(part, { id, group });
    return group;
  }
}
