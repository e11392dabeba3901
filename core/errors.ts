/**
 * The error classes. Every error that the library throws on purpose is a `PalladiaError` with the sentence
 * `<op>: <rule that was broken>; got <facts>. <what to do>.` and, when it is known, the line of the user's program.
 */
import { userFrame } from './source.ts';

const manual = 'docs/errors.md';

/** Base of every error that the library throws on purpose. */
export class PalladiaError extends Error {
  /** The line of the user's program that led here, as `file:line:column`, when it could be found. */
  readonly userFrame: string | undefined;

  constructor(message: string, options?: ErrorOptions) {
    const frame = userFrame();
    const { name } = new.target;
    const place = frame === undefined ? '' : `\n    at ${frame}`;
    super(`${message}${place}\n    see ${manual}#${name.toLowerCase()}`, options);
    this.name = name;
    this.userFrame = frame;
  }

  /** Where the manual explains this class of mistake. */
  get help(): string {
    return `${manual}#${this.name.toLowerCase()}`;
  }
}

/** Shapes, axes or sizes that do not fit the operation's contract. */
export class ShapeError extends PalladiaError {}

/** Dtypes that do not fit the operation's contract, or that cannot be promoted. */
export class DTypeError extends PalladiaError {}

/** Trees that do not have the expected structure, or leaves that are not arrays. */
export class TreeError extends PalladiaError {}

/** An argument that is none of the above: a wrong option, a wrong number of arguments, a value out of range. */
export class ArgumentError extends PalladiaError {}

/** A traced value used after the transformation that made it has finished. */
export class TracerLeakError extends PalladiaError {}

/** A traced value used where JavaScript needs a concrete one: `x > 0`, `+x`, an index, a shape, iteration. */
export class ConcretizationError extends PalladiaError {}

/** A collective over an axis name that no transformation around it binds. */
export class UnboundAxisError extends PalladiaError {}

/** A function to transform that returns a promise: tracing is synchronous. */
export class AsyncFunctionError extends PalladiaError {}

/** A transformation met a primitive that does not define the rule that it needs. */
export class MissingRuleError extends PalladiaError {
  constructor(
    primitive: string,
    rule: string,
    remedy: string = `Define \`${rule}\` in its definePrimitive(...) call.`,
  ) {
    super(`${primitive}: no ${rule} rule. ${remedy}`);
  }
}

/** A program or kernel that cannot be lowered to the target. */
export class LoweringError extends PalladiaError {}

/** Text that is not a program: StableHLO or kernel text that does not parse or verify. */
export class ParseError extends PalladiaError {}

/** A kernel that breaks the rules of kernels: races, wholly out-of-range blocks, stores that broadcast. */
export class KernelError extends PalladiaError {}

/** A function of the user's that a program called, and that threw. The `cause` is what it threw. */
export class CallbackError extends PalladiaError {}

/** A check of `checkify` that failed: `err.throw()`, or `checkify.check` on concrete arrays. */
export class CheckError extends PalladiaError {}

/** A NaN or an infinity that an operation gave while `config.debugNans` or `config.debugInfs` is on. */
export class FloatingPointError extends PalladiaError {}

/** A device that is absent, lost, or cannot do what was asked. */
export class DeviceError extends PalladiaError {}

/** Memory that could not be had; says how much is live and where from. */
export class OutOfMemoryError extends DeviceError {}

/** An array used after it was donated or disposed. */
export class DeletedArrayError extends PalladiaError {}

/** A bug of ours: please report it with the printed program. */
export class InternalError extends PalladiaError {
  constructor(message: string, options?: ErrorOptions) {
    super(
      `${message} This is a bug in palladia: please report it with the program printed above.`,
      options,
    );
  }
}

/** Assert what the code around it guarantees; a failure is a bug of ours. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}
