/** Buffer plan: which temporaries may share memory, from their lifetimes in the schedule. */
import type { BufferId, BufferSpec, Step } from './ir.ts';

interface Life {
  first: number;
  last: number;
}

/** Lifetimes of buffers over the flattened steps; what a loop uses from outside lives until the loop ends. */
function lifetimes(steps: readonly Step[], count: number): (Life | undefined)[] {
  const lives: (Life | undefined)[] = Array.from({ length: count });
  let clock = 0;
  const touch = (id: BufferId): void => {
    const life = lives[id];
    if (life === undefined) lives[id] = { first: clock, last: clock };
    else life.last = clock;
  };
  const block = (inner: readonly (readonly Step[])[]): void => {
    const start = clock;
    const before = lives.map((life) => life !== undefined);
    for (const list of inner) walk(list);
    clock++;
    lives.forEach((life, id) => {
      if (life !== undefined && before[id] && life.last >= start) life.last = clock;
    });
  };
  const walk = (list: readonly Step[]): void => {
    for (const step of list) {
      clock++;
      switch (step.kind) {
        case 'kernel':
          step.args.forEach(touch);
          break;
        case 'host':
          step.args.forEach(touch);
          step.results.forEach(touch);
          break;
        case 'copy':
          touch(step.from);
          touch(step.to);
          break;
        case 'while':
          step.carried.forEach(touch);
          step.next.forEach(touch);
          touch(step.predicate);
          block([step.cond, step.body]);
          step.carried.forEach(touch);
          step.next.forEach(touch);
          touch(step.predicate);
          break;
        case 'case':
          touch(step.index);
          block(step.branches);
          break;
      }
    }
  };
  walk(steps);
  return lives;
}

/** Give every temporary a slot; temporaries of one slot never live together. */
export function assignSlots(buffers: readonly BufferSpec[], steps: readonly Step[]): void {
  const lives = lifetimes(steps, buffers.length);
  const order = buffers.flatMap((spec, id) =>
    spec.role === 'temporary' && lives[id] !== undefined ? [id] : [],
  );
  order.sort((a, b) => (lives[a]?.first ?? 0) - (lives[b]?.first ?? 0));
  const slots: { size: number; free: number }[] = [];
  for (const id of order) {
    const life = lives[id];
    const spec = buffers[id];
    if (life === undefined) continue;
    let best = -1;
    slots.forEach((slot, s) => {
      if (slot.free >= life.first) return;
      const better =
        best < 0 ||
        Math.abs(slot.size - spec.byteLength) < Math.abs(slots[best].size - spec.byteLength);
      if (better) best = s;
    });
    if (best < 0) best = slots.push({ size: 0, free: -1 }) - 1;
    slots[best].size = Math.max(slots[best].size, spec.byteLength);
    slots[best].free = life.last;
    spec.slot = best;
  }
}
