/**
 * Spellings of the scalar functions on single values: i32 and bool by i32 instructions, i64 and f64 by their own, floats of up to 32
 * bits through the vector table. Functions of f64 that wasm lacks are imported from the host (`math.*`).
 */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import type { ScalarFn } from '../scalar.ts';
import { scalarInfo } from '../scalar.ts';
import { classOf, toSingle, wrapSingle } from './convert.ts';
import type { Context } from './convert.ts';
import { callNode } from './fn.ts';
import { integerHelper } from './integer.ts';
import { constant, intValue, op, select } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { OpName } from './ops.ts';
import { spellVector } from './vector.ts';

type Spelling = (context: Context, x: readonly Node[], dtype: DType) => Node;
type Table = Partial<Record<ScalarFn, Spelling>>;

const plain =
  (name: string): Spelling =>
  (_, x) =>
    op(name as OpName, ...x);

const helper =
  (fn: ScalarFn): Spelling =>
  (context, x, dtype) =>
    callNode(integerHelper(context.module, fn, dtype), x);

// Shifts and divisions by known amounts need no guard.
const guarded =
  (fn: ScalarFn, instruction: string, safe: (value: number, bits: number) => boolean): Spelling =>
  (context, x, dtype) => {
    const known = x[1].kind === 'const' ? Number(x[1].value) : undefined;
    const { bits } = dtypeInfo[dtype];
    return known !== undefined && bits >= 32 && safe(known, bits)
      ? op(instruction as OpName, ...x)
      : helper(fn)(context, x, dtype);
  };

const isShift = (value: number, bits: number): boolean => value >= 0 && value < bits;
const isDivisor = (value: number): boolean => value !== 0 && value !== -1;

const words = (word: 'i32' | 'i64', signed: boolean): Table => {
  const sign = signed ? '_s' : '_u';
  const pick =
    (compare: string): Spelling =>
    (_, [a, b]) =>
      select(op(`${word}.${compare}${sign}` as OpName, a, b), a, b);
  const zero = constant(word, 0);
  return {
    neg: (_, [x]) => op(`${word}.sub`, zero, x),
    abs: (_, [x]) =>
      signed ? select(op(`${word}.lt_s`, x, zero), op(`${word}.sub`, zero, x), x) : x,
    sign: (_, [x]) => {
      const positive = select(op(`${word}.ne`, x, zero), constant(word, 1), zero);
      return signed ? select(op(`${word}.lt_s`, x, zero), constant(word, -1), positive) : positive;
    },
    not: (_, [x]) => op(`${word}.xor`, x, constant(word, -1)),
    popcnt: (_, [x], dtype) => {
      const { bits } = dtypeInfo[dtype];
      return op(
        `${word}.popcnt`,
        bits < 32 ? op(`${word}.and`, x, constant(word, 2 ** bits - 1)) : x,
      );
    },
    clz: helper('clz'),
    add: plain(`${word}.add`),
    sub: plain(`${word}.sub`),
    mul: plain(`${word}.mul`),
    div: guarded('div', `${word}.div${sign}`, isDivisor),
    rem: guarded('rem', `${word}.rem${sign}`, isDivisor),
    pow: helper('pow'),
    max: pick('gt'),
    min: pick('lt'),
    clamp: (context, [low, x, high]) => {
      const raised = context.fn.keep(select(op(`${word}.gt${sign}` as OpName, x, low), x, low));
      return select(op(`${word}.lt${sign}` as OpName, raised, high), raised, high);
    },
    and: plain(`${word}.and`),
    or: plain(`${word}.or`),
    xor: plain(`${word}.xor`),
    shiftLeft: guarded('shiftLeft', `${word}.shl`, isShift),
    shiftRightLogical: guarded('shiftRightLogical', `${word}.shr_u`, isShift),
    shiftRightArithmetic: guarded('shiftRightArithmetic', `${word}.shr_s`, isShift),
    eq: plain(`${word}.eq`),
    ne: plain(`${word}.ne`),
    lt: plain(`${word}.lt${sign}`),
    le: plain(`${word}.le${sign}`),
    gt: plain(`${word}.gt${sign}`),
    ge: plain(`${word}.ge${sign}`),
  };
};

const bools: Table = {
  not: (_, [x]) => op('i32.eqz', x),
  and: plain('i32.and'),
  or: plain('i32.or'),
  xor: plain('i32.xor'),
  add: plain('i32.or'),
  mul: plain('i32.and'),
  max: plain('i32.or'),
  min: plain('i32.and'),
  eq: plain('i32.eq'),
  ne: plain('i32.ne'),
  lt: plain('i32.lt_u'),
  le: plain('i32.le_u'),
  gt: plain('i32.gt_u'),
  ge: plain('i32.ge_u'),
};

const half = constant('f64', 0.5);
const one = constant('f64', 1);

const doubles: Table = {
  neg: plain('f64.neg'),
  abs: plain('f64.abs'),
  // ±1 with the sign of x; zeros and NaN stay.
  sign: (_, [x]) =>
    select(op('f64.gt', op('f64.abs', x), constant('f64', 0)), op('f64.copysign', one, x), x),
  floor: plain('f64.floor'),
  ceil: plain('f64.ceil'),
  trunc: plain('f64.trunc'),
  roundNearestEven: plain('f64.nearest'),
  roundNearestAfz: ({ fn }, [x]) => {
    const whole = fn.keep(op('f64.trunc', x));
    const isUp = op('f64.ge', op('f64.abs', op('f64.sub', x, whole)), half);
    const up = op('f64.add', whole, op('f64.copysign', one, x));
    return op('f64.copysign', select(isUp, up, whole), x);
  },
  sqrt: plain('f64.sqrt'),
  rsqrt: (_, [x]) => op('f64.div', one, op('f64.sqrt', x)),
  isFinite: (_, [x]) => op('f64.lt', op('f64.abs', x), constant('f64', Infinity)),
  add: plain('f64.add'),
  sub: plain('f64.sub'),
  mul: plain('f64.mul'),
  div: plain('f64.div'),
  max: plain('f64.max'),
  min: plain('f64.min'),
  clamp: (_, [low, x, high]) => op('f64.min', op('f64.max', x, low), high),
  fma: (_, [x, y, z]) => op('f64.add', op('f64.mul', x, y), z),
  eq: plain('f64.eq'),
  ne: plain('f64.ne'),
  lt: plain('f64.lt'),
  le: plain('f64.le'),
  gt: plain('f64.gt'),
  ge: plain('f64.ge'),
};

const tables: Readonly<Record<string, Table>> = {
  i32s: words('i32', true),
  i32u: words('i32', false),
  i64s: words('i64', true),
  i64u: words('i64', false),
};

/** Spell a scalar function on single values (locals or constants); undefined when the target has no spelling for it. */
export function spellSingle(
  context: Context,
  fn: ScalarFn,
  x: readonly Node[],
  dtype: DType,
): Node | undefined {
  const held = classOf(dtype);
  switch (held) {
    case 'f32': {
      const known = x.map(() => undefined);
      const value = spellVector(context, fn, { x, dtype, known, single: known });
      if (value === undefined || scalarInfo[fn].gives === 'same') return value;
      return toSingle('bool', value);
    }
    case 'bool':
      return bools[fn]?.(context, x, dtype);
    case 'f64':
      return doubles[fn]?.(context, x, dtype) ?? imported(context, fn, x);
    default: {
      const value = tables[held + (dtypeInfo[dtype].kind === 'int' ? 's' : 'u')][fn]?.(
        context,
        x,
        dtype,
      );
      if (value === undefined || scalarInfo[fn].gives === 'bool') return value;
      return value.kind === 'const' || intValue(value) !== undefined
        ? value
        : wrapSingle(dtype, value);
    }
  }
}

function imported({ module }: Context, fn: ScalarFn, x: readonly Node[]): Node {
  const callee = module.importFunction(
    'math',
    fn,
    x.map(() => 'f64'),
    ['f64'],
  );
  return callNode(callee, x);
}
