/**
 * References to arrays: cells whose contents change. A cell belongs to the interpretation that made it (a trace, or concrete
 * computing), which alone looks inside: to others it is a value whose type is `Ref{…}`. People hold `Ref`s (`lax/ref.ts`) on cells.
 */
import type { Aval } from './aval.ts';
import { DeletedArrayError } from './errors.ts';
import { Value } from './value.ts';

/** An interpretation that holds cells. */
export interface CellOwner {
  /** What to call it in errors. */
  readonly name: string;
  /** Whether it is over: then nobody can look into its cells. */
  readonly finished: boolean;
}

/** A mutable array. */
export class RefCell extends Value {
  readonly aval: Aval;
  /** Whose values the contents are; undefined for concrete arrays. */
  readonly owner: CellOwner | undefined;
  #contents: Value | undefined;
  #isWritten = false;
  #isShared = true;

  constructor(contents: Value, owner: CellOwner | undefined) {
    super();
    this.aval = contents.aval.asRef();
    this.#contents = contents.share();
    this.owner = owner;
  }

  /** Whether somebody wrote to it. */
  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** Whether others may hold the contents too, so that their memory must not be reused. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /**
   * The contents, to hand out.
   *
   * @throws DeletedArrayError after `freeze`.
   */
  read(op: string): Value {
    this.#isShared = true;
    return this.peek(op).share();
  }

  /** The contents, for whoever does not keep them. */
  peek(op: string): Value {
    if (this.#contents === undefined) throw frozenError(op, this.aval);
    return this.#contents;
  }

  /** Replace the contents; `isShared` says whether others may hold the new ones. @throws DeletedArrayError after `freeze`. */
  write(op: string, contents: Value, isShared = true): void {
    if (this.#contents === undefined) throw frozenError(op, this.aval);
    this.#contents = isShared ? contents.share() : contents;
    this.#isWritten = true;
    this.#isShared = isShared;
  }

  /** Take the contents out; nobody can use the cell afterwards. */
  end(op: string): Value {
    const contents = this.peek(op);
    this.#contents = undefined;
    return contents;
  }

  override toString(): string {
    return this.#contents === undefined ? 'Ref(frozen)' : `Ref(${this.#contents.toString()})`;
  }
}

/** The error for a reference that is used after `freeze`. */
export const frozenError = (op: string, aval: Aval): DeletedArrayError =>
  new DeletedArrayError(
    `${op}: a ref must not be used after freeze; got ${aval.toString()}. Use the array that freeze gave, or make another ref of it with newRef.`,
  );

/** What people hold of references, for code that must tell them from arrays. */
export abstract class RefLike {
  /** The type of the whole reference. */
  abstract readonly aval: Aval;
  /** The value that stands for the reference in programs. @throws ArgumentError when it is a window on a part of it. */
  abstract whole(op: string): Value;
}
