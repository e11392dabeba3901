/**
 * Barriers follow from accesses: before an access that conflicts with one since the last barrier, all invocations meet. Accesses of one key
 * touch the same element from the same invocation and do not conflict.
 */
import type { Tracked } from './memory.ts';
import type { Text } from './text.ts';

interface Pending {
  readonly reads: Set<string>;
  readonly writes: Set<string>;
  readonly space: Tracked['space'];
}

type State = Map<object, Pending>;

const clone = ({ reads, writes, space }: Pending): Pending => ({
  reads: new Set(reads),
  writes: new Set(writes),
  space,
});

const copy = (state: State): State => new Map([...state].map(([m, p]) => [m, clone(p)]));

function merge(into: State, other: State): void {
  for (const [memory, pending] of other) {
    const own = into.get(memory);
    if (own === undefined) into.set(memory, clone(pending));
    else {
      for (const r of pending.reads) own.reads.add(r);
      for (const w of pending.writes) own.writes.add(w);
    }
  }
}

const others = (keys: ReadonlySet<string>, key: string | undefined): boolean =>
  key === undefined ? keys.size > 0 : keys.size > (keys.has(key) ? 1 : 0);

/** What was accessed since the last barrier, along the text that is being written. */
export class Barriers {
  readonly #text: Text;
  #state: State = new Map();
  #written = new Set<object>();
  #nameless = 0;
  /** Number of barriers written. */
  count = 0;

  constructor(text: Text) {
    this.#text = text;
  }

  /** Announce a read or a write; writes a barrier first when it is needed. Without a key it conflicts with everything. */
  touch(memory: Tracked, kind: 'read' | 'write', key?: string): void {
    if (!memory.isMutable) return;
    const { identity, space } = memory;
    const pending = this.#state.get(identity);
    if (pending !== undefined) {
      const conflicts =
        others(pending.writes, key) || (kind === 'write' && others(pending.reads, key));
      if (conflicts) this.meet();
    }
    let now = this.#state.get(identity);
    if (now === undefined) {
      now = { reads: new Set(), writes: new Set(), space };
      this.#state.set(identity, now);
    }
    if (kind === 'write') this.#written.add(identity);
    (kind === 'read' ? now.reads : now.writes).add(key ?? `?${this.#nameless++}`);
  }

  /** Write a barrier. */
  meet(): void {
    const spaces = new Set([...this.#state.values()].map((p) => p.space));
    if (spaces.has('storage')) this.#text.line('storageBarrier();');
    if (spaces.has('workgroup')) this.#text.line('workgroupBarrier();');
    this.count++;
    this.#state.clear();
  }

  /** Something else made all invocations meet, as far as workgroup memory goes. */
  met(): void {
    for (const [memory, { space }] of this.#state)
      if (space === 'workgroup') this.#state.delete(memory);
  }

  /** Write a loop body: what one iteration leaves pending is separated from the next when the body writes there. */
  loop(body: () => void): void {
    const before = copy(this.#state);
    const outer = this.#written;
    this.#written = new Set();
    body();
    if ([...this.#state.keys()].some((m) => this.#written.has(m))) this.meet();
    for (const memory of this.#written) outer.add(memory);
    this.#written = outer;
    merge(this.#state, before);
  }

  /** Write branches of which at most one runs. */
  branches(bodies: readonly (() => void)[]): void {
    const before = this.#state;
    const after: State = copy(before);
    for (const body of bodies) {
      this.#state = copy(before);
      body();
      merge(after, this.#state);
    }
    this.#state = after;
  }
}
