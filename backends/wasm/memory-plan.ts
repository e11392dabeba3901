/** Where the buffers of a schedule lie between calls, and which donated inputs may become which outputs. Pure functions of the schedule. */
import type { BufferId, Schedule, Step } from '../../lowering/fuse/ir.ts';
import { tinyBytes } from './cells.ts';

/** Offsets of buffers in a region of memory; -1 for buffers that do not lie in it. */
export interface RegionPlan {
  readonly offsets: Int32Array;
  readonly byteLength: number;
}

/** What a block occupies: whole cache lines, and one that may be read beyond its end. */
const occupied = (byteLength: number): number => (Math.ceil(byteLength / 64) + 1) * 64;

/**
 * Lay out the workspace of a call: temporaries (those of one slot share memory), and tiny inputs and outputs, which live in
 * JavaScript between calls.
 */
export function planWorkspace({ buffers }: Schedule): RegionPlan {
  const slots = new Map<number, { byteLength: number; offset: number }>();
  for (const { role, slot, byteLength } of buffers) {
    if (role !== 'temporary' || slot === undefined) continue;
    const have = slots.get(slot);
    if (have === undefined) slots.set(slot, { byteLength, offset: 0 });
    else have.byteLength = Math.max(have.byteLength, byteLength);
  }
  let end = 0;
  const place = (byteLength: number): number => {
    const offset = end;
    end += occupied(byteLength);
    return offset;
  };
  for (const slot of slots.values()) slot.offset = place(slot.byteLength);
  const offsets = Int32Array.from(buffers, ({ role, slot, byteLength }) => {
    if (role === 'constant') return -1;
    if (role === 'temporary') return slots.get(slot ?? -1)?.offset ?? place(byteLength);
    return byteLength <= tinyBytes ? place(byteLength) : -1;
  });
  return { offsets, byteLength: end };
}

/** Lay out the constants of a schedule. */
export function planConstants({ buffers }: Schedule): RegionPlan {
  let end = 0;
  const offsets = Int32Array.from(buffers, ({ role, byteLength }) => {
    if (role !== 'constant') return -1;
    end += occupied(byteLength);
    return end - occupied(byteLength);
  });
  return { offsets, byteLength: end };
}

/** Buffers that a step touches, and those inside its control flow. */
function touched(step: Step, visit: (id: BufferId) => void): void {
  switch (step.kind) {
    case 'kernel':
      step.args.forEach(visit);
      break;
    case 'host':
      step.args.forEach(visit);
      step.results.forEach(visit);
      break;
    case 'copy':
      visit(step.from);
      visit(step.to);
      break;
    case 'while':
      visit(step.predicate);
      step.carried.forEach(visit);
      step.next.forEach(visit);
      for (const inner of [...step.cond, ...step.body]) touched(inner, visit);
      break;
    case 'case':
      visit(step.index);
      for (const inner of step.branches.flat()) touched(inner, visit);
  }
}

/**
 * Find outputs that may take over the memory of a donated input: the input is last used before the output is first used, or
 * by the very copy that starts the output.
 */
export function planDonation(
  schedule: Schedule,
  donated: readonly boolean[],
): ReadonlyMap<BufferId, number> {
  const { buffers, steps, inputs, outputs } = schedule;
  const first = new Map<BufferId, number>();
  const last = new Map<BufferId, number>();
  steps.forEach((step, time) =>
    touched(step, (id) => {
      if (!first.has(id)) first.set(id, time);
      last.set(id, time);
    }),
  );
  const heirs = new Map<BufferId, number>();
  inputs.forEach((input, argument) => {
    if (input === undefined || donated[argument] !== true || outputs.includes(input)) return;
    const { byteLength } = buffers[input];
    if (byteLength <= tinyBytes) return;
    const end = last.get(input) ?? -1;
    const heir = buffers.findIndex((spec, id) => {
      if (spec.role !== 'output' || spec.byteLength !== byteLength || heirs.has(id)) return false;
      const start = first.get(id) ?? -1;
      const step = steps[end];
      return (
        end < start ||
        (end === start && step?.kind === 'copy' && step.from === input && step.to === id)
      );
    });
    if (heir >= 0) heirs.set(heir, argument);
  });
  return heirs;
}
