/**
 * Turns steps into commands: one encoder and, where possible, one pass per call. Loops with a known number of iterations are written out,
 * with buffers changing places; other loops and branches submit what there is, wait for a value and go on.
 */
import type { BufferId } from '../../lowering/fuse/ir.ts';
import type { Memory, Allocation } from './memory.ts';
import { paddedSize } from './memory.ts';
import type { Prepared } from './program.ts';
import { waits } from './program.ts';
import type { Readback } from './readback.ts';
import type { Gates } from './gates.ts';
import { Machine } from './machine.ts';
import { batchesOf, type Decider, type Speculation } from './speculation.ts';

/** Dispatches after which commands are handed over, so that the device works while more are written. */
const submitEvery = 256;
/** Bind groups that a step remembers. */
const mostGroups = 32;

/** Calls of JavaScript whose operands are on their way, after which they are waited for. */
const mostCalls = 64;

/** What recording needs of a device. */
export interface Queue {
  readonly gpu: GPUDevice;
  readonly memory: Memory;
  readonly readback: Readback;
  /** Ends loops on the device. */
  readonly decider: Decider;
  /** The scratch buffer of the device, at least this large. */
  scratch(byteLength: number): Allocation;
}

type Host = Extract<Prepared, { kind: 'host' }>;

/** Records one call. */
export class Recorder {
  readonly #queue: Queue;
  /** Memory by buffer. */
  readonly #table: Allocation[];
  readonly #borrowed: Allocation[] = [];
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #pipeline: GPUComputePipeline | undefined;
  #count = 0;
  /** Where the sizes of dispatches stand while a loop is dispatched ahead, and that of copies that are no steps. */
  #gate: { readonly gates: Gates; readonly restores: number } | undefined;
  /** Calls of JavaScript without results, in order: nothing here waits for them before the end. */
  readonly #calls: { readonly step: Host; readonly operands: () => Promise<Uint8Array[]> }[] = [];

  constructor(queue: Queue, table: Allocation[]) {
    this.#queue = queue;
    this.#table = table;
  }

  /** Record steps of which none waits. */
  record(steps: readonly Prepared[]): void {
    for (const step of steps) this.#plain(step);
  }

  /** Record steps, waiting where they need values. */
  async follow(steps: readonly Prepared[]): Promise<void> {
    for (const step of steps) {
      if (!waits([step])) this.#plain(step);
      else if (step.kind === 'while') await this.#while(step);
      else if (step.kind === 'case') {
        const [index] = new Int32Array((await this.#value(step.index, 4)).buffer);
        const last = step.branches.length - 1;
        await this.follow(step.branches[index >= 0 && index < last ? index : last]);
      } else if (step.kind === 'host') await this.#host(step);
    }
  }

  /** Call JavaScript. Operands are copied where they stand in the order of commands; results are waited for. */
  async #host(step: Host): Promise<void> {
    const { gpu, readback } = this.#queue;
    this.#endPass();
    this.#encoder ??= gpu.createCommandEncoder();
    const encoder = this.#encoder;
    const waiting = step.args.map(({ id, byteLength }) =>
      readback.record(encoder, this.#table[id], byteLength),
    );
    this.#calls.push({ step, operands: () => Promise.all(waiting.map((wait) => wait())) });
    if (step.results.length > 0 || this.#calls.length >= mostCalls) await this.settle();
  }

  /** Make the calls of JavaScript that are left. */
  async settle(): Promise<void> {
    if (this.#calls.length === 0) return;
    this.submit();
    const calls = this.#calls.splice(0);
    const operands = await Promise.all(calls.map((call) => call.operands()));
    calls.forEach(({ step: { call, args, results } }, k) => {
      const made = call.run(
        args.map(({ type }, i) => ({ type, bytes: operands[k][i] })),
        results.map(({ type }) => type),
      );
      results.forEach(({ id }, i) => {
        // The queue takes whole words.
        const words = new Uint8Array(Math.ceil(made[i].byteLength / 4) * 4);
        words.set(made[i]);
        if (words.byteLength > 0) this.#queue.gpu.queue.writeBuffer(this.#table[id].gpu, 0, words);
      });
    });
  }

  #plain(step: Prepared): void {
    if (step.kind === 'kernel') this.#dispatch(step);
    else if (step.kind === 'copy')
      this.#copy(this.#table[step.from], this.#table[step.to], step.byteLength, step);
    else if (step.kind === 'while') {
      const before = this.#places(step);
      for (let i = 0; i < (step.trips ?? 0); i++) {
        this.record(step.body);
        this.#turn(step);
      }
      this.#restore(step, before);
    } else if (step.kind === 'case' && this.#gate !== undefined)
      this.#choose(step, this.#gate.gates);
  }

  async #while(step: Prepared & { kind: 'while' }): Promise<void> {
    const loop = this.#queue.decider.of(step);
    if (loop instanceof Machine) {
      await this.#rounds(loop);
      return;
    }
    const before = this.#places(step);
    if (loop !== undefined) {
      await this.#ahead(step, loop);
      this.#restore(step, before);
      return;
    }
    for (let i = 0; ; i++) {
      if (step.trips === undefined) {
        await this.follow(step.cond);
        const [goesOn] = await this.#value(step.predicate, 1);
        if (goesOn === 0) break;
      } else if (i >= step.trips) break;
      await this.follow(step.body);
      this.#turn(step);
    }
    this.#restore(step, before);
  }

  /** Dispatch iterations ahead of the answer whether they run; those after the end are empty. */
  async #ahead(step: Prepared & { kind: 'while' }, loop: Speculation): Promise<void> {
    const { gates } = loop;
    this.#reset(loop);
    let turns = 0;
    const { first, most } = batchesOf(loop.work);
    for (let batch = first; ; batch = Math.min(most, batch * 2)) {
      this.#gate = { gates, restores: gates.restoreOffset(0) };
      const end = Math.min(turns + batch, step.trips ?? Infinity);
      while (turns < end) {
        this.record(step.cond);
        this.#one(this.#queue.decider.decide, loop.decideGroup(this.#table[step.predicate]));
        this.record(step.body);
        this.#turn(step);
        turns++;
      }
      this.#gate = undefined;
      if (turns === step.trips) return;
      const state = await this.#read(loop.state, 8);
      const [goesOn, count] = new Uint32Array(state.buffer, state.byteOffset, 2);
      if (goesOn !== 0) continue;
      // The buffers changed places in empty iterations too.
      if ((turns - count) % 2 === 1) this.#turn(step);
      return;
    }
  }

  /** Dispatch rounds of a machine ahead of the answer whether it has halted. */
  async #rounds(machine: Machine): Promise<void> {
    const { gates, parts, stateBytes } = machine;
    this.#reset(machine);
    for (let scale = 1; ; scale *= 2) {
      const { first, most } = batchesOf(machine.work);
      const batch = Math.min(most, scale * Math.min(first, machine.left));
      const round = machine.round();
      for (let i = 0; i < batch; i++)
        for (const part of round) {
          const { steps, edge } = parts[part];
          this.#gate = { gates, restores: gates.restoreOffset(part) };
          this.record(steps);
          const value = edge.by === undefined ? undefined : this.#table[edge.by.id];
          this.#one(this.#queue.decider.advance, machine.advanceGroup(part, value));
        }
      this.#gate = undefined;
      const state = await this.#read(machine.state, stateBytes);
      if (machine.learn(new Uint32Array(state.buffer, state.byteOffset, stateBytes / 4))) return;
    }
  }

  #reset(loop: Speculation | Machine): void {
    this.#endPass();
    this.#encoder ??= this.#queue.gpu.createCommandEncoder();
    loop.reset(this.#encoder);
  }

  /** Run a kernel of ours that has one invocation. */
  #one({ pipeline }: { readonly pipeline: GPUComputePipeline }, group: GPUBindGroup): void {
    this.#run(pipeline, group).dispatchWorkgroups(1);
  }

  /** All branches of a case, of which the device empties those that are not taken. */
  #choose(step: Prepared & { kind: 'case' }, gates: Gates): void {
    this.#one(gates.kernels.choose, gates.chooseGroup(step, this.#table[step.index]));
    const outside = this.#gate;
    for (const branch of step.branches) {
      this.#gate = { gates, restores: gates.restoreOffset(branch) };
      this.record(branch);
    }
    this.#gate = outside;
  }

  /** The next values become the carried ones. */
  #turn({ carried, next }: Prepared & { kind: 'while' }): void {
    const old = carried.map((id) => this.#table[id]);
    const values = next.map((id) => this.#table[id]);
    carried.forEach((id, i) => (this.#table[id] = values[i]));
    next.forEach((id, i) => (this.#table[id] = old[i]));
  }

  #places({ carried, next }: Prepared & { kind: 'while' }): Allocation[] {
    return [...carried, ...next].map((id) => this.#table[id]);
  }

  /** Bring buffers back to the memory that they had: what comes after the call expects them there. */
  #restore({ carried, next }: Prepared & { kind: 'while' }, before: readonly Allocation[]): void {
    carried.forEach((id, i) => {
      const now = this.#table[id];
      if (now !== before[i]) this.#copy(now, before[i], Math.min(now.size, before[i].size));
    });
    [...carried, ...next].forEach((id, i) => (this.#table[id] = before[i]));
  }

  #value(id: BufferId, byteLength: number): Promise<Uint8Array> {
    return this.#read(this.#table[id], byteLength);
  }

  async #read(allocation: Allocation, byteLength: number): Promise<Uint8Array> {
    this.#endPass();
    this.#encoder ??= this.#queue.gpu.createCommandEncoder();
    const wait = this.#queue.readback.record(this.#encoder, allocation, byteLength);
    this.submit();
    return wait();
  }

  #open(): GPUComputePassEncoder {
    this.#encoder ??= this.#queue.gpu.createCommandEncoder();
    if (this.#pass === undefined) {
      this.#pass = this.#encoder.beginComputePass();
      this.#pipeline = undefined;
    }
    return this.#pass;
  }

  /** Set pipeline and bindings of the next dispatch. */
  #run(pipeline: GPUComputePipeline, group: GPUBindGroup): GPUComputePassEncoder {
    const pass = this.#open();
    if (this.#pipeline !== pipeline) {
      pass.setPipeline(pipeline);
      this.#pipeline = pipeline;
    }
    pass.setBindGroup(0, group);
    return pass;
  }

  #dispatch(step: Prepared & { kind: 'kernel' }): void {
    const { kernel } = step;
    const pass = this.#run(kernel.pipeline.pipeline, this.#group(step));
    const gates = this.#gate?.gates;
    if (gates === undefined) pass.dispatchWorkgroups(...kernel.code.workgroups);
    else pass.dispatchWorkgroupsIndirect(gates.sizes, gates.offsetOf(step));
    if (++this.#count >= submitEvery) this.submit();
  }

  #group(step: Prepared & { kind: 'kernel' }): GPUBindGroup {
    const { kernel, groups, last } = step;
    const { bindings, scratchBytes } = kernel.code;
    if (last !== undefined && last.bound.every((a, i) => a === this.#bound(step, i)))
      return last.group;
    const bound = bindings.map((_, i) => this.#bound(step, i));
    const isWhole = !this.#separate(bindings, bound, kernel.byteLengths);
    const key = bound.map((a) => a.id).join(',');
    let group = groups.get(key);
    if (group === undefined) {
      group = this.#queue.gpu.createBindGroup({
        layout: kernel.pipeline.layout,
        entries: bound.map(({ gpu }, binding) => {
          const { operand } = bindings[binding];
          const byteLength = operand === 'scratch' ? scratchBytes : kernel.byteLengths[operand];
          return { binding, resource: { buffer: gpu, size: paddedSize(byteLength) } };
        }),
      });
      if (groups.size >= mostGroups) groups.clear();
      groups.set(key, group);
    }
    // What was copied is copied again in the next call.
    step.last = isWhole ? { bound, group } : undefined;
    return group;
  }

  /** The memory of a binding. */
  #bound({ kernel, ids }: Prepared & { kind: 'kernel' }, binding: number): Allocation {
    const { bindings, scratchBytes } = kernel.code;
    const { operand } = bindings[binding];
    return operand === 'scratch' ? this.#queue.scratch(scratchBytes) : this.#table[ids[operand]];
  }

  /** No buffer may be bound for reading and for writing at once: what is read is copied then. Says whether something was. */
  #separate(
    bindings: readonly { readonly operand: number | 'scratch'; readonly access: string }[],
    bound: Allocation[],
    byteLengths: readonly number[],
  ): boolean {
    let isCopied = false;
    for (let i = 0; i < bound.length; i++) {
      const { operand, access } = bindings[i];
      if (access !== 'read' || operand === 'scratch') continue;
      if (!bound.some((other, j) => other === bound[i] && bindings[j].access !== 'read')) continue;
      const copy = this.#queue.memory.take(byteLengths[operand]);
      this.#borrowed.push(copy);
      this.#copy(bound[i], copy, byteLengths[operand]);
      bound[i] = copy;
      isCopied = true;
    }
    return isCopied;
  }

  #copy(from: Allocation, to: Allocation, byteLength: number, step?: Prepared): void {
    if (from === to) return;
    const size = Math.min(paddedSize(byteLength), from.size, to.size);
    if (this.#gate !== undefined) {
      const { gates, restores } = this.#gate;
      const { kernels, sizes } = gates;
      const pass = this.#run(kernels.copy.pipeline, kernels.copyGroup(from, to, size));
      pass.dispatchWorkgroupsIndirect(sizes, step === undefined ? restores : gates.offsetOf(step));
      return;
    }
    this.#endPass();
    this.#encoder ??= this.#queue.gpu.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(from.gpu, 0, to.gpu, 0, size);
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  /** Hand the commands to the device. */
  submit(): void {
    if (this.#encoder === undefined) return;
    this.#endPass();
    this.#queue.gpu.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#count = 0;
  }

  /** Hand over what is left, and give back what was borrowed. */
  finish(): void {
    this.submit();
    for (const allocation of this.#borrowed) this.#queue.memory.release(allocation);
    this.#borrowed.length = 0;
  }
}
