/**
 * Runs schedules on host memory with the kernel interpreter: the reference that says whether the fuser or an emitter is wrong. It honours
 * the buffer plan (temporaries of one slot share bytes), so that a wrong plan shows as a wrong result.
 */
import { LoweringError } from '../../core/errors.ts';
import type { BufferId, Schedule, Step } from '../../lowering/fuse/ir.ts';
import { interpretKernel, type InterpretOptions } from '../../lowering/tile/interpret.ts';

/** Memory of every buffer of a schedule. */
function allocate(schedule: Schedule, inputs: readonly Uint8Array[]): Uint8Array[] {
  const slots = new Map<number, Uint8Array>();
  for (const { slot, byteLength } of schedule.buffers)
    if (slot !== undefined && (slots.get(slot)?.length ?? -1) < byteLength)
      slots.set(slot, new Uint8Array(byteLength));
  return schedule.buffers.map(({ role, index, byteLength, slot }) => {
    switch (role) {
      case 'input':
        return inputs[index].slice();
      case 'constant':
        return schedule.constants[index].slice();
      case 'temporary':
        return (
          (slot === undefined ? undefined : slots.get(slot)?.subarray(0, byteLength)) ??
          new Uint8Array(byteLength)
        );
      case 'output':
        return new Uint8Array(byteLength);
    }
  });
}

function checkInputs(schedule: Schedule, inputs: readonly Uint8Array[]): void {
  for (const { role, index, byteLength } of schedule.buffers)
    if (role === 'input' && inputs[index]?.length !== byteLength)
      throw new LoweringError(
        `${schedule.name}: input ${index} must have ${byteLength} bytes; got ${inputs[index]?.length ?? 'nothing'}.`,
      );
}

/**
 * Run a schedule on row-major bytes, one array per argument, and give one array per result.
 *
 * @throws LoweringError when an input has another size; KernelError from a kernel.
 */
export function runSchedule(
  schedule: Schedule,
  inputs: readonly Uint8Array[],
  options: InterpretOptions = {},
): Uint8Array[] {
  checkInputs(schedule, inputs);
  const memory = allocate(schedule, inputs);
  runSteps(schedule.steps, memory, options);
  return schedule.outputs.map((id) => memory[id].slice());
}

function runSteps(
  steps: readonly Step[],
  memory: readonly Uint8Array[],
  options: InterpretOptions,
): void {
  for (const step of steps) {
    switch (step.kind) {
      case 'kernel':
        interpretKernel(
          step.kernel,
          step.args.map((id) => memory[id]),
          options,
        );
        break;
      case 'host':
        runHost(step, memory);
        break;
      case 'copy':
        memory[step.to].set(memory[step.from]);
        break;
      case 'while':
        runWhile(step, memory, options);
        break;
      case 'case': {
        const index = word(memory[step.index]);
        const isInside = index >= 0 && index < step.branches.length;
        runSteps(step.branches[isInside ? index : step.branches.length - 1], memory, options);
        break;
      }
    }
  }
}

/** Call a JavaScript function on copies of its operands. */
function runHost(
  { call, args, argTypes, results, resultTypes }: Extract<Step, { kind: 'host' }>,
  memory: readonly Uint8Array[],
): void {
  const made = call.run(
    args.map((id, i) => ({ type: argTypes[i], bytes: memory[id].slice() })),
    resultTypes,
  );
  results.forEach((id, i) => memory[id].set(made[i]));
}

const word = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);

function runWhile(
  step: Extract<Step, { kind: 'while' }>,
  memory: readonly Uint8Array[],
  options: InterpretOptions,
): void {
  for (;;) {
    runSteps(step.cond, memory, options);
    if (memory[step.predicate][0] === 0) return;
    runSteps(step.body, memory, options);
    move(step.next, step.carried, memory);
  }
}

/** Move buffers all at once: a target may be the source of another move. */
function move(
  from: readonly BufferId[],
  to: readonly BufferId[],
  memory: readonly Uint8Array[],
): void {
  const values = from.map((id, i) => (id === to[i] ? memory[id] : memory[id].slice()));
  to.forEach((id, i) => {
    if (values[i] !== memory[id]) memory[id].set(values[i]);
  });
}
