/**
 * A compiled program of the wasm device: a schedule whose kernels are machine code, and a table of buffer addresses. A call fills in
 * the addresses of inputs and outputs, walks the steps, and allocates nothing but its outputs. Loops swap addresses instead of copying.
 */
import type {
  CompiledKernel,
  DeviceBuffer,
  Executable,
  ProgramMeasures,
} from '../../core/backend.ts';
import { InternalError, PalladiaError, invariant } from '../../core/errors.ts';
import { measureSchedule } from '../../lowering/compile-cost.ts';
import type { BufferId, Schedule, Step } from '../../lowering/fuse/ir.ts';
import { prepareSteps, type PreparedStep } from '../prepared.ts';
import { printSchedule } from '../schedule-text.ts';
import { tinyBytes, type Cells, type WasmBuffer } from './cells.ts';
import { planConstants, planDonation, planWorkspace, type RegionPlan } from './memory-plan.ts';
import type { Pool, PoolKernel } from './pool.ts';
import type { Workspace, Workspaces } from './workspace.ts';

/** What executables of one device share. */
export interface Runtime {
  readonly cells: Cells;
  readonly pool: Pool;
  readonly workspaces: Workspaces;
  /** Frees the constants of executables that were collected. */
  readonly constants: FinalizationRegistry<number>;
}

/** What programs must know of a kernel. */
export interface RunnableKernel extends CompiledKernel, PoolKernel {
  readonly scratchBytes: number;
  /** Estimated nanoseconds of all programs. */
  readonly cost: number;
  /** Whether workers can run it. */
  readonly isPortable: boolean;
}

/** Kernels below this many nanoseconds of work run on one thread. */
const splitNs = 20_000;
/** Least work of one task. */
const taskNs = 4_000;
const tasksPerThread = 8;

/** What a call needs of a kernel. */
interface Dispatch {
  readonly kernel: RunnableKernel;
  /** Arguments of `run`: begin, end, scratch, addresses. */
  readonly args: number[];
  /** Most tasks that are worth their dispatch; 1 for small kernels. */
  readonly tasks: number;
}

/** What a call needs of a loop. */
interface Loop {
  /** Addresses of the carried buffers and of their next values before the loop. */
  readonly before: number[];
}

type Prepared = PreparedStep<Dispatch, Loop>;

/** Where a result comes from. */
interface Result {
  readonly id: BufferId;
  readonly byteLength: number;
  readonly source: 'tiny' | 'made' | 'again' | 'input' | 'copied';
  readonly argument: number;
}

/** A program that can be run. */
export class WasmExecutable implements Executable {
  readonly kernels: readonly CompiledKernel[];
  readonly #runtime: Runtime;
  readonly #schedule: Schedule;
  readonly #steps: readonly Prepared[];
  readonly #workspacePlan: RegionPlan;
  readonly #constantPlan: RegionPlan;
  #constantBlock = -1;
  /** Address by buffer. Those of temporaries, constants and tiny values stay from call to call. */
  readonly #addresses: number[];
  #generation = -1;
  /** The workspace that the addresses of temporaries lie in. */
  #workspace: Workspace | undefined;
  /** Large outputs: which buffers, and how long. */
  readonly #outputs: readonly { readonly id: BufferId; readonly byteLength: number }[];
  readonly #results: readonly Result[];
  /** Outputs of the current call by buffer. */
  readonly #made: (WasmBuffer | undefined)[];
  readonly #heirs: ReadonlyMap<BufferId, number>;
  #disposed = false;
  #running = false;
  /** Makes this program once more, for calls from a callback of its own. */
  readonly #again: () => WasmExecutable;
  #twin: WasmExecutable | undefined;

  constructor(
    runtime: Runtime,
    schedule: Schedule,
    load: (step: Extract<Step, { kind: 'kernel' }>) => RunnableKernel,
    donated: readonly boolean[] = [],
  ) {
    this.#runtime = runtime;
    this.#schedule = schedule;
    this.#again = () => new WasmExecutable(runtime, schedule, load, donated);
    const loaded = new Set<RunnableKernel>();
    this.#steps = prepareSteps(schedule, schedule.steps, {
      kernel(step) {
        const kernel = load(step);
        loaded.add(kernel);
        return dispatchOf(kernel, step.args);
      },
      loop({ carried, next }, step) {
        checkMoves(next, step.carried, schedule);
        return { before: carried.flatMap(() => [0, 0]) };
      },
    });
    this.kernels = [...loaded];
    this.#workspacePlan = planWorkspace(schedule);
    this.#constantPlan = planConstants(schedule);
    this.#heirs = donated.includes(true) ? planDonation(schedule, donated) : new Map();
    this.#addresses = schedule.buffers.map(() => 0);
    this.#made = schedule.buffers.map(() => undefined);
    this.#outputs = schedule.buffers.flatMap(({ role, byteLength }, id) =>
      role === 'output' && byteLength > tinyBytes ? [{ id, byteLength }] : [],
    );
    this.#results = planResults(schedule);
  }

  run(inputs: readonly DeviceBuffer[], donated?: readonly boolean[]): DeviceBuffer[] {
    invariant(!this.#disposed, `${this.#schedule.name}: a disposed program was run.`);
    if (this.#running) return (this.#twin ??= this.#again()).run(inputs, donated);
    const { cells, workspaces } = this.#runtime;
    const workspace = workspaces.current;
    cells.beginCall();
    workspace.ensure(this.#workspacePlan.byteLength);
    if (this.#generation !== workspace.generation || this.#workspace !== workspace)
      this.#place(workspace);
    const buffers = inputs as readonly WasmBuffer[];
    this.#bindInputs(buffers);
    this.#bindOutputs(buffers, donated);
    this.#running = true;
    try {
      this.#runSteps(this.#steps);
    } catch (cause) {
      this.#generation = -1;
      this.#made.fill(undefined);
      throw this.#explain(cause);
    } finally {
      this.#running = false;
    }
    const results = this.#collect(buffers);
    if (donated !== undefined)
      for (let i = 0; i < donated.length; i++) if (donated[i]) buffers[i].dispose();
    return results;
  }

  #explain(cause: unknown): unknown {
    if (cause instanceof PalladiaError || !(cause instanceof WebAssembly.RuntimeError))
      return cause;
    return new InternalError(`${this.#schedule.name}: a kernel stopped with "${cause.message}".`, {
      cause,
    });
  }

  /** Set the addresses that stay from call to call. */
  #place(workspace: Workspace): void {
    const { cells } = this.#runtime;
    const { offsets } = this.#workspacePlan;
    const constants = this.#constantPlan;
    if (constants.byteLength > 0 && this.#constantBlock < 0) this.#uploadConstants();
    const constantAddress = this.#constantBlock < 0 ? 0 : cells.heap.address(this.#constantBlock);
    for (let id = 0; id < offsets.length; id++) {
      if (offsets[id] >= 0) this.#addresses[id] = workspace.address + offsets[id];
      else if (constants.offsets[id] >= 0)
        this.#addresses[id] = constantAddress + constants.offsets[id];
    }
    this.#generation = workspace.generation;
    this.#workspace = workspace;
  }

  #uploadConstants(): void {
    const { cells, constants } = this.#runtime;
    const { heap } = cells;
    const { offsets, byteLength } = this.#constantPlan;
    this.#constantBlock = cells.reserve(byteLength, 'constants');
    constants.register(this, this.#constantBlock, this);
    const address = heap.address(this.#constantBlock);
    this.#schedule.buffers.forEach(({ role, index }, id) => {
      if (role === 'constant') heap.u8.set(this.#schedule.constants[index], address + offsets[id]);
    });
  }

  #bindInputs(buffers: readonly WasmBuffer[]): void {
    const { cells } = this.#runtime;
    const ids = this.#schedule.inputs;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (id === undefined) continue;
      const buffer = buffers[i];
      if (buffer.byteLength <= tinyBytes) cells.writeTiny(buffer, this.#addresses[id]);
      else this.#addresses[id] = cells.use(buffer);
    }
  }

  #bindOutputs(buffers: readonly WasmBuffer[], donated: readonly boolean[] | undefined): void {
    const { cells } = this.#runtime;
    for (const { id, byteLength } of this.#outputs) {
      const argument = donated === undefined ? undefined : this.#heirs.get(id);
      const input =
        argument !== undefined && donated?.[argument] === true ? buffers[argument] : undefined;
      // An array that is passed twice, or has a second owner, is read elsewhere.
      const inherits =
        input !== undefined &&
        cells.isSole(input) &&
        buffers.indexOf(input) === buffers.lastIndexOf(input);
      const buffer = inherits ? cells.adopt(input) : cells.create(byteLength);
      this.#made[id] = buffer;
      this.#addresses[id] = cells.use(buffer);
    }
  }

  #collect(buffers: readonly WasmBuffer[]): WasmBuffer[] {
    const { cells } = this.#runtime;
    const results: WasmBuffer[] = [];
    for (const { id, byteLength, source, argument } of this.#results) {
      const made = this.#made[id];
      if (source === 'tiny') results.push(cells.createTiny(byteLength, this.#addresses[id]));
      else if (source === 'input') results.push(cells.share(buffers[argument]));
      else if (source === 'copied') results.push(this.#copyOut(id, byteLength));
      else {
        invariant(made !== undefined, `${this.#schedule.name}: an output without memory.`);
        results.push(source === 'again' ? cells.share(made) : made);
      }
    }
    for (const { id } of this.#outputs) this.#made[id] = undefined;
    return results;
  }

  #copyOut(id: BufferId, byteLength: number): WasmBuffer {
    const { cells } = this.#runtime;
    const buffer = cells.create(byteLength);
    cells.heap.copy(cells.use(buffer), this.#addresses[id], byteLength);
    return buffer;
  }

  #runSteps(steps: readonly Prepared[]): void {
    for (const step of steps)
      switch (step.kind) {
        case 'kernel':
          this.#runKernel(step);
          break;
        case 'host':
          this.#runHost(step);
          break;
        case 'copy':
          this.#runtime.cells.heap.copy(
            this.#addresses[step.to],
            this.#addresses[step.from],
            step.byteLength,
          );
          break;
        case 'while':
          this.#runWhile(step);
          break;
        case 'case': {
          const index = this.#runtime.cells.heap.i32[this.#addresses[step.index] >>> 2];
          const last = step.branches.length - 1;
          this.#runSteps(step.branches[index < 0 || index > last ? last : index]);
        }
      }
  }

  /** Call a JavaScript function, which may use this device while we wait for it. */
  #runHost({ call, args, results }: Extract<Prepared, { kind: 'host' }>): void {
    const { cells, workspaces } = this.#runtime;
    const { heap } = cells;
    const operands = args.map(({ id, type, byteLength }) => {
      const address = this.#addresses[id];
      return { type, bytes: heap.u8.slice(address, address + byteLength) };
    });
    const types = results.map(({ type }) => type);
    const made = cells.hold(() => workspaces.nested(() => call.run(operands, types)));
    results.forEach(({ id }, i) => heap.u8.set(made[i], this.#addresses[id]));
  }

  #runKernel({ kernel, ids, args, tasks }: Extract<Prepared, { kind: 'kernel' }>): void {
    const { pool } = this.#runtime;
    const addresses = this.#addresses;
    for (let i = 0; i < ids.length; i++) args[i + 3] = addresses[ids[i]] | 0;
    if (tasks > 1 && pool.threads > 1)
      return pool.run(
        kernel,
        args,
        kernel.scratchBytes,
        Math.min(tasks, tasksPerThread * pool.threads),
      );
    args[0] = 0;
    args[1] = kernel.programs;
    args[2] = kernel.scratchBytes === 0 ? 0 : pool.scratch(0, kernel.scratchBytes) | 0;
    kernel.run(...args);
  }

  #runWhile(step: Extract<Prepared, { kind: 'while' }>): void {
    const { cond, body, carried, next, predicate, trips, before } = step;
    const { heap } = this.#runtime.cells;
    const addresses = this.#addresses;
    const count = carried.length;
    for (let i = 0; i < count; i++) {
      before[2 * i] = addresses[carried[i]];
      before[2 * i + 1] = addresses[next[i]];
    }
    for (let trip = 0; trips === undefined || trip < trips; trip++) {
      if (trips === undefined) {
        this.#runSteps(cond);
        if (heap.u8[addresses[predicate]] === 0) break;
      }
      this.#runSteps(body);
      for (let i = 0; i < count; i++) {
        const address = addresses[carried[i]];
        addresses[carried[i]] = addresses[next[i]];
        addresses[next[i]] = address;
      }
    }
    for (let i = 0; i < count; i++) {
      const address = before[2 * i];
      if (addresses[carried[i]] === address) continue;
      heap.copy(address, addresses[carried[i]], this.#schedule.buffers[carried[i]].byteLength);
      addresses[carried[i]] = address;
      addresses[next[i]] = before[2 * i + 1];
    }
  }

  asText(): string {
    return [printSchedule(this.#schedule), ...this.kernels.map((kernel) => kernel.text)].join(
      '\n\n',
    );
  }

  measure(): ProgramMeasures {
    let inherited = 0;
    for (const id of this.#heirs.keys()) inherited += this.#schedule.buffers[id].byteLength;
    return measureSchedule(this.#schedule, inherited);
  }

  dispose(): void {
    this.#disposed = true;
    this.#twin?.dispose();
    if (this.#constantBlock < 0) return;
    this.#runtime.constants.unregister(this);
    this.#runtime.cells.heap.free(this.#constantBlock);
    this.#constantBlock = -1;
  }
}

function planResults({ buffers, outputs }: Schedule): Result[] {
  const seen = new Set<BufferId>();
  return outputs.map((id) => {
    const { role, byteLength, index } = buffers[id];
    const isAgain = seen.has(id);
    seen.add(id);
    const base = { id, byteLength, argument: role === 'input' ? index : -1 };
    if (role === 'input') return { ...base, source: 'input' };
    if (byteLength <= tinyBytes) return { ...base, source: 'tiny' };
    if (role !== 'output') return { ...base, source: 'copied' };
    return { ...base, source: isAgain ? 'again' : 'made' };
  });
}

function dispatchOf(kernel: RunnableKernel, ids: readonly BufferId[]): Dispatch | undefined {
  if (kernel.programs === 0) return undefined;
  const isSplit = kernel.isPortable && kernel.programs > 1 && kernel.cost >= splitNs;
  const tasks = isSplit ? Math.min(kernel.programs, Math.floor(kernel.cost / taskNs)) : 1;
  return { kernel, args: [0, 0, 0, ...ids.map(() => 0)], tasks };
}

/** The next values of a loop must lie in memory of their own, for addresses to be swapped. */
function checkMoves(
  next: readonly BufferId[],
  carried: readonly BufferId[],
  { buffers, name }: Schedule,
): void {
  for (const id of next) {
    const isOwn = next.indexOf(id) === next.lastIndexOf(id) && !carried.includes(id);
    const { role } = buffers[id];
    invariant(
      isOwn && (role === 'temporary' || role === 'output'),
      `${name}: a loop moves buffer ${id}, which others use.`,
    );
  }
}
