/**
 * Calls from programs back to JavaScript. A program holds the call itself; its text only shows a number, so that programs that
 * differ in what they call have different texts. What runs a program hands over the bytes of the operands and takes those of the results.
 */
import type { DType } from './dtype.ts';
import type { Shape } from './shape.ts';

/** The type of an operand or result. */
export interface HostType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** An operand: row-major elements. */
export interface HostOperand {
  readonly type: HostType;
  readonly bytes: Uint8Array;
}

/** A JavaScript function that a program calls. */
export interface HostCall {
  /** Number in the text of programs: equal for equal calls, different for different ones. */
  readonly id: number;
  /** What it is called in texts and errors. */
  readonly name: string;
  /** Call it: bytes of each result, in the order and of the types that the program expects. */
  run(operands: readonly HostOperand[], results: readonly HostType[]): readonly Uint8Array[];
}

let counter = 0;

/** A number for a new call. */
export const newHostCallId = (): number => counter++;
