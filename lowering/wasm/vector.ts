/**
 * Spellings of the scalar functions on four 32-bit lanes. Operands are locals or constants, so they may be named twice.
 * Transcendental functions of floats never arrive: `lowering/math.ts` has expanded them.
 */
import type { DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import type { ScalarFn } from '../scalar.ts';
import { classOf, roundTo, wrapVector } from './convert.ts';
import type { Context } from './convert.ts';
import { integerHelper } from './integer.ts';
import { callNode, type Fn } from './fn.ts';
import { int, laneOp, op } from './nodes.ts';
import type { Node } from './nodes.ts';

/** What a spelling sees. */
export interface Operands {
  /** Locals or constants. */
  readonly x: readonly Node[];
  readonly dtype: DType;
  /** Per operand, its value when it is one known number. */
  readonly known: readonly (number | undefined)[];
  /** Per operand, the same value as a single i32 when all lanes are equal (shift amounts). */
  readonly single: readonly (Node | undefined)[];
}

type Spelling = (context: Context, operands: Operands) => Node;
type Table = Partial<Record<ScalarFn, Spelling>>;

const unary =
  (name: Parameters<typeof op>[0]): Spelling =>
  (_, { x }) =>
    op(name, x[0]);
const binary =
  (name: Parameters<typeof op>[0]): Spelling =>
  (_, { x }) =>
    op(name, x[0], x[1]);

const signBit = 0x80000000 | 0;

/** x · y + z: fused where the engine can and the caller allows. */
export const multiplyAdd = ({ features }: Context, x: Node, y: Node, z: Node): Node =>
  features.relaxed && !features.exact
    ? op('f32x4.relaxed_madd', x, y, z)
    : op('f32x4.add', op('f32x4.mul', x, y), z);

/** mask ? a : b, for masks of ones or zeros. */
export const choose = ({ features }: Context, mask: Node, a: Node, b: Node): Node =>
  op(features.relaxed ? 'i32x4.relaxed_laneselect' : 'v128.bitselect', a, b, mask);

// max(x, c): `x < c ? c : x` is one instruction and keeps NaN of x; it differs from the maximum only in the sign of zeros when
// c = +0, which adding +0 repairs. For min, c = -0 is the case that it gets wrong. f32x4.max takes eight instructions on x86.
function extreme(
  context: Context,
  which: 'max' | 'min',
  [x, c]: readonly [Node, Node],
  known: number | undefined,
): Node {
  if (known === undefined || Number.isNaN(known)) return op(`f32x4.${which}`, x, c);
  const picked = op(`f32x4.p${which}`, x, c);
  if (which === 'max' && Object.is(known, 0)) return op('f32x4.add', picked, context.fn.splat(0));
  return which === 'min' && Object.is(known, -0) ? op('f32x4.min', x, c) : picked;
}

const floatExtreme =
  (which: 'max' | 'min'): Spelling =>
  (context, { x, known }) =>
    known[0] !== undefined && known[1] === undefined
      ? extreme(context, which, [x[1], x[0]], known[0])
      : extreme(context, which, [x[0], x[1]], known[1]);

const compares = (prefix: 'f32x4' | 'i32x4', sign: '' | '_s' | '_u'): Table => ({
  eq: binary(`${prefix}.eq`),
  ne: binary(`${prefix}.ne`),
  lt: binary(`${prefix}.lt${sign}` as 'i32x4.lt_s'),
  le: binary(`${prefix}.le${sign}` as 'i32x4.le_s'),
  gt: binary(`${prefix}.gt${sign}` as 'i32x4.gt_s'),
  ge: binary(`${prefix}.ge${sign}` as 'i32x4.ge_s'),
});

const floats: Table = {
  ...compares('f32x4', ''),
  // V8 builds the masks of f32x4.neg and f32x4.abs anew each time; these stay in registers.
  neg: ({ fn }, { x }) => op('v128.xor', x[0], fn.splat(signBit)),
  abs: ({ fn }, { x }) => op('v128.and', x[0], fn.splat(0x7fffffff)),
  floor: unary('f32x4.floor'),
  ceil: unary('f32x4.ceil'),
  trunc: unary('f32x4.trunc'),
  roundNearestEven: unary('f32x4.nearest'),
  sqrt: unary('f32x4.sqrt'),
  add: binary('f32x4.add'),
  sub: binary('f32x4.sub'),
  mul: binary('f32x4.mul'),
  div: binary('f32x4.div'),
  max: floatExtreme('max'),
  min: floatExtreme('min'),
  clamp: (context, { x: [low, x, high], known }) => {
    const raised = context.fn.keep(extreme(context, 'max', [x, low], known[0]));
    return extreme(context, 'min', [raised, high], known[2]);
  },
  fma: (context, { x }) => multiplyAdd(context, x[0], x[1], x[2]),
  // ±1 with the sign of x; zeros and NaN stay.
  sign: ({ fn }, { x: [x] }) => {
    const one = op('v128.or', op('v128.and', x, fn.splat(signBit)), fn.float(1));
    const isNumber = op('f32x4.gt', op('v128.and', x, fn.splat(0x7fffffff)), fn.splat(0));
    return op('v128.bitselect', one, x, isNumber);
  },
  // trunc(x) + ±1 when the fraction is at least a half; the fraction is exact.
  roundNearestAfz: ({ fn }, { x: [x] }) => {
    const whole = fn.keep(op('f32x4.trunc', x));
    const fraction = op('v128.and', op('f32x4.sub', x, whole), fn.splat(0x7fffffff));
    const one = op('v128.or', op('v128.and', x, fn.splat(signBit)), fn.float(1));
    const up = op('v128.and', op('f32x4.ge', fraction, fn.float(0.5)), one);
    const rounded = op('f32x4.add', whole, up);
    return op('v128.or', rounded, op('v128.and', x, fn.splat(signBit)));
  },
  isFinite: ({ fn }, { x }) =>
    op('f32x4.lt', op('v128.and', x[0], fn.splat(0x7fffffff)), fn.float(Infinity)),
};

const lane = (x: Node, index: number): Node => laneOp('i32x4.extract_lane', index, 0, x);

function lanewise(callee: Fn, x: readonly Node[]): Node {
  const at = (index: number): Node =>
    callNode(
      callee,
      x.map((node) => lane(node, index)),
    );
  return [1, 2, 3].reduce(
    (vector, index) => laneOp('i32x4.replace_lane', index, 0, vector, at(index)),
    op('i32x4.splat', at(0)),
  );
}

const throughHelper =
  (fn: ScalarFn): Spelling =>
  (context, { x, dtype }) =>
    lanewise(integerHelper(context.module, fn, dtype), x);

const shift =
  (fn: 'shiftLeft' | 'shiftRightLogical' | 'shiftRightArithmetic'): Spelling =>
  (context, { x, dtype, known, single }) => {
    const { bits } = dtypeInfo[dtype];
    const amount = known[1];
    const name =
      fn === 'shiftLeft' ? 'i32x4.shl' : fn === 'shiftRightLogical' ? 'i32x4.shr_u' : 'i32x4.shr_s';
    if (amount === undefined || single[1] === undefined)
      return throughHelper(fn)(context, { x, dtype, known, single });
    if (amount < 0 || amount >= bits)
      return fn === 'shiftRightArithmetic' ? op('i32x4.shr_s', x[0], int(31)) : context.fn.splat(0);
    const source =
      fn === 'shiftRightLogical' && bits < 32
        ? op('v128.and', x[0], context.fn.splat(2 ** bits - 1))
        : x[0];
    return op(name, source, int(amount));
  };

const integers = (signed: boolean): Table => ({
  ...compares('i32x4', signed ? '_s' : '_u'),
  neg: unary('i32x4.neg'),
  abs: (_, { x }) => (signed ? op('i32x4.abs', x[0]) : x[0]),
  sign: ({ fn }, { x: [x] }) =>
    signed
      ? op(
          'v128.or',
          op('i32x4.shr_s', x, int(31)),
          op('v128.and', op('i32x4.gt_s', x, fn.splat(0)), fn.splat(1)),
        )
      : op('v128.and', op('i32x4.ne', x, fn.splat(0)), fn.splat(1)),
  not: unary('v128.not'),
  popcnt: ({ fn }, { x: [x], dtype }) => {
    const { bits } = dtypeInfo[dtype];
    const masked = bits === 32 ? x : op('v128.and', x, fn.splat(2 ** bits - 1));
    const pairs = op('i16x8.extadd_pairwise_i8x16_u', op('i8x16.popcnt', masked));
    return op('i32x4.extadd_pairwise_i16x8_u', pairs);
  },
  clz: throughHelper('clz'),
  add: binary('i32x4.add'),
  sub: binary('i32x4.sub'),
  mul: binary('i32x4.mul'),
  div: throughHelper('div'),
  rem: throughHelper('rem'),
  pow: throughHelper('pow'),
  max: binary(signed ? 'i32x4.max_s' : 'i32x4.max_u'),
  min: binary(signed ? 'i32x4.min_s' : 'i32x4.min_u'),
  clamp: (_, { x: [low, x, high] }) =>
    op(
      signed ? 'i32x4.min_s' : 'i32x4.min_u',
      op(signed ? 'i32x4.max_s' : 'i32x4.max_u', x, low),
      high,
    ),
  and: binary('v128.and'),
  or: binary('v128.or'),
  xor: binary('v128.xor'),
  shiftLeft: shift('shiftLeft'),
  shiftRightLogical: shift('shiftRightLogical'),
  shiftRightArithmetic: shift('shiftRightArithmetic'),
});

const bools: Table = {
  not: unary('v128.not'),
  and: binary('v128.and'),
  or: binary('v128.or'),
  xor: binary('v128.xor'),
  add: binary('v128.or'),
  mul: binary('v128.and'),
  max: binary('v128.or'),
  min: binary('v128.and'),
  eq: (_, { x }) => op('v128.not', op('v128.xor', x[0], x[1])),
  ne: binary('v128.xor'),
  lt: (_, { x }) => op('v128.andnot', x[1], x[0]),
  gt: (_, { x }) => op('v128.andnot', x[0], x[1]),
  le: (_, { x }) => op('v128.or', op('v128.not', x[0]), x[1]),
  ge: (_, { x }) => op('v128.or', x[0], op('v128.not', x[1])),
};

const signedIntegers = integers(true);
const unsignedIntegers = integers(false);

const tableOf = (dtype: DType): Table => {
  const held = classOf(dtype);
  if (held === 'f32') return floats;
  if (held === 'bool') return bools;
  return dtypeInfo[dtype].kind === 'int' ? signedIntegers : unsignedIntegers;
};

// Functions whose result may leave the range of a small type.
const growing: ReadonlySet<ScalarFn> = new Set<ScalarFn>([
  'neg',
  'abs',
  'not',
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'shiftLeft',
  'sqrt',
  'fma',
  'rem',
]);

/** Spell a scalar function on lanes of a narrow type; undefined when the target has no spelling for it. */
export function spellVector(context: Context, fn: ScalarFn, operands: Operands): Node | undefined {
  const value = tableOf(operands.dtype)[fn]?.(context, operands);
  if (value === undefined || !growing.has(fn)) return value;
  const held = classOf(operands.dtype);
  if (held === 'f32') return roundTo(context, operands.dtype, value);
  return held === 'i32' ? wrapVector(context, operands.dtype, value) : value;
}
