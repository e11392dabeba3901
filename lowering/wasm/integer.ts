/**
 * Integer functions that wasm lacks or defines otherwise, as functions of the module: division by zero gives all ones (remainder: the
 * dividend), the most negative number by -1 gives itself, shifts by the width or more give zeros or signs. Source: XLA's and
 * StableHLO's semantics of `divide`, `remainder`, `shift_*`, `power`.
 */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { InternalError } from '../../core/errors.ts';
import type { ScalarFn } from '../scalar.ts';
import type { Fn, WasmModule } from './fn.ts';
import { constant, op, select } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { OpName } from './ops.ts';

type Word = 'i32' | 'i64';

interface Build {
  readonly fn: Fn;
  readonly word: Word;
  readonly signed: boolean;
  readonly bits: number;
}

const name = (word: Word, rest: string): OpName => `${word}.${rest}` as OpName;
const signOf = (signed: boolean): string => (signed ? '_s' : '_u');
const leave = (fn: Fn, local: ReturnType<Fn['param']>): void => {
  // The result of a function is what its last statement leaves; a get is the one expression allowed there.
  fn.body.push(fn.get(local));
};

/** The function of the module that computes an integer function on i32 or i64 words; operands and result are proper values of `dtype`. */
export function integerHelper(module: WasmModule, fn: ScalarFn, dtype: DType): Fn {
  const { kind, bits } = dtypeInfo[dtype];
  const word: Word = bits === 64 ? 'i64' : 'i32';
  const signed = kind === 'int';
  const builder = builders[fn];
  if (builder === undefined) throw new InternalError(`wasm: no integer function ${fn}.`);
  return module.helper(`${fn}_${dtype}`, [word], (made) =>
    builder({ fn: made, word, signed, bits }),
  );
}

function division({ fn, word, signed, bits }: Build, which: 'div' | 'rem'): void {
  const x = fn.param(word, 'x');
  const y = fn.param(word, 'y');
  const result = fn.local(word, 'r');
  const is = (a: Node, value: number): Node => op(name(word, 'eq'), a, constant(word, value));
  const ones = constant(word, signed || bits === 64 || bits === 32 ? -1 : 2 ** bits - 1);
  const zero = constant(word, 0);
  const plain = (): void =>
    fn.set(result, op(name(word, which + signOf(signed)), fn.get(x), fn.get(y)));
  const byZero = (): void => fn.set(result, which === 'div' ? ones : fn.get(x));
  const negated = op(name(word, 'sub'), zero, fn.get(x));
  const byMinusOne = (): void => fn.set(result, which === 'div' ? negated : zero);
  fn.if(is(fn.get(y), 0), byZero, () =>
    signed ? fn.if(is(fn.get(y), -1), byMinusOne, plain) : plain(),
  );
  leave(fn, result);
}

function shifting({ fn, word, bits, signed }: Build, which: ScalarFn): void {
  const x = fn.param(word, 'x');
  const y = fn.param(word, 'y');
  const result = fn.local(word, 'r');
  const inside = op(name(word, 'lt_u'), fn.get(y), constant(word, bits));
  const mask = constant(word, bits >= 32 ? -1 : 2 ** bits - 1);
  const zeroExtended = bits < 32 && signed ? op(name(word, 'and'), fn.get(x), mask) : fn.get(x);
  const spelled: Readonly<Record<string, Node>> = {
    shiftLeft: op(name(word, 'shl'), fn.get(x), fn.get(y)),
    shiftRightLogical: op(name(word, 'shr_u'), zeroExtended, fn.get(y)),
    shiftRightArithmetic: op(name(word, 'shr_s'), arithmetic(), fn.get(y)),
  };
  // An unsigned small integer has its sign in bit `bits - 1`.
  function arithmetic(): Node {
    if (signed || bits >= 32) return fn.get(x);
    const up = constant(word, 32 - bits);
    return op(name(word, 'shr_s'), op(name(word, 'shl'), fn.get(x), up), up);
  }
  const full = op(
    name(word, 'shr_s'),
    arithmetic(),
    constant(word, (word === 'i64' ? 64 : 32) - 1),
  );
  const outside = which === 'shiftRightArithmetic' ? full : constant(word, 0);
  fn.set(result, select(inside, spelled[which], outside));
  leave(fn, result);
}

// Leading zeros of the word, less those that the value's width does not have.
function leadingZeros({ fn, word, bits, signed }: Build): void {
  const x = fn.param(word, 'x');
  const result = fn.local(word, 'r');
  const mask = constant(word, bits >= 32 ? -1 : 2 ** bits - 1);
  const value = bits < 32 && signed ? op(name(word, 'and'), fn.get(x), mask) : fn.get(x);
  const zeros = op(name(word, 'clz'), value);
  fn.set(result, bits < 32 ? op(name(word, 'sub'), zeros, constant(word, 32 - bits)) : zeros);
  leave(fn, result);
}

// Square and multiply; a negative exponent gives 0, except for the bases 1 and -1.
function power({ fn, word, signed }: Build): void {
  const x = fn.param(word, 'x');
  const y = fn.param(word, 'y');
  const result = fn.local(word, 'r');
  const one = constant(word, 1);
  const zero = constant(word, 0);
  const odd = (): Node => op(name(word, 'ne'), op(name(word, 'and'), fn.get(y), one), zero);
  const times = (a: Node, b: Node): Node => op(name(word, 'mul'), a, b);
  const loop = (): void => {
    fn.set(result, one);
    fn.block((done) =>
      fn.loop((again) => {
        fn.br(done, op(name(word, 'eqz'), fn.get(y)));
        fn.if(odd(), () => fn.set(result, times(fn.get(result), fn.get(x))));
        fn.set(x, times(fn.get(x), fn.get(x)));
        fn.set(y, op(name(word, 'shr_u'), fn.get(y), one));
        fn.br(again);
      }),
    );
  };
  const negative = (): void => {
    const isOne = op(name(word, 'eq'), fn.get(x), one);
    const isMinusOne = op(name(word, 'eq'), fn.get(x), constant(word, -1));
    const parity = select(odd(), constant(word, -1), one);
    fn.set(result, select(isOne, one, select(isMinusOne, parity, zero)));
  };
  if (signed) fn.if(op(name(word, 'lt_s'), fn.get(y), zero), negative, loop);
  else loop();
  leave(fn, result);
}

const builders: Partial<Record<ScalarFn, (build: Build) => void>> = {
  div: (build) => division(build, 'div'),
  rem: (build) => division(build, 'rem'),
  shiftLeft: (build) => shifting(build, 'shiftLeft'),
  shiftRightLogical: (build) => shifting(build, 'shiftRightLogical'),
  shiftRightArithmetic: (build) => shifting(build, 'shiftRightArithmetic'),
  clz: leadingZeros,
  pow: power,
};
