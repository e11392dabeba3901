/**
 * The spelling of every scalar function. Meaning: `../scalar-meaning.ts`. What WGSL computes poorly arrives expanded by `../math.ts` and is
 * marked so here. Operands are names or literals of vectors of one width.
 */
import { LoweringError } from '../../core/errors.ts';
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import type { ScalarFn } from '../scalar.ts';
import { hex, isLiteral, registerOf, splat, typeName, type Register } from './format.ts';
import type { Width } from './layout.ts';
import type { Helper, Prelude } from './prelude.ts';

/** An application of a scalar function. */
export interface Use {
  readonly dtype: DType;
  readonly width: Width;
  readonly args: readonly string[];
  readonly prelude: Prelude;
  /** The last operand, when it is one known number. */
  readonly known: number | undefined;
}

type Spelling = (use: Use & { readonly register: Register }) => string;

const infix =
  (operator: string): Spelling =>
  ({ args: [a, b] }) =>
    `${a} ${operator} ${b}`;

const call =
  (name: string): Spelling =>
  ({ args }) =>
    `${name}(${args.join(', ')})`;

const helper =
  (name: Helper): Spelling =>
  ({ prelude, width, args }) =>
    prelude.call(name, width, ...args);

/** One spelling per register type. */
const by =
  (cases: Partial<Record<Register, Spelling>>): Spelling =>
  (use) => {
    const spelling = cases[use.register];
    if (spelling === undefined)
      throw new LoweringError(`webgpu: no scalar function of this name takes ${use.dtype}.`);
    return spelling(use);
  };

const number = (spelling: Spelling, bool: Spelling): Spelling =>
  by({ f32: spelling, i32: spelling, u32: spelling, bool });

const integers = (i32: Spelling, u32: Spelling): Spelling => by({ i32, u32 });

/** The value as unsigned bits of its own width. */
function unsigned({ args, dtype, width, register }: Parameters<Spelling>[0]): string {
  const { bits } = dtypeInfo[dtype];
  const text = register === 'u32' ? args[0] : `bitcast<${typeName('u32', width)}>(${args[0]})`;
  return bits === 32 || register === 'u32'
    ? text
    : `(${text} & ${splat(hex(2 ** bits - 1), 'u32', width)})`;
}

/** A count of bits, back in the register type. */
const counted = (text: string, { register, width }: Parameters<Spelling>[0]): string =>
  register === 'u32' ? text : `bitcast<${typeName('i32', width)}>(${text})`;

/** Shifts by the width or more give 0, or the sign. */
function shift(
  use: Parameters<Spelling>[0],
  spell: (amount: string) => string,
  over: string,
): string {
  const { dtype, width, register, known, args } = use;
  const { bits } = dtypeInfo[dtype];
  if (known !== undefined && known >= 0 && known < bits)
    return spell(splat(`${known}u`, 'u32', width));
  const amount = register === 'u32' ? args[1] : `bitcast<${typeName('u32', width)}>(${args[1]})`;
  const limit = splat(`${bits}u`, 'u32', width);
  const inside = spell(`min(${amount}, ${splat(`${bits - 1}u`, 'u32', width)})`);
  return `select(${over}, ${inside}, ${amount} < ${limit})`;
}

const shiftLeft: Spelling = (use) =>
  shift(use, (n) => `${use.args[0]} << ${n}`, splat('0', use.register, use.width));

const shiftRightLogical: Spelling = (use) =>
  shift(
    use,
    (n) => counted(`(${unsigned(use)} >> ${n})`, use),
    splat('0', use.register, use.width),
  );

const shiftRightArithmetic: Spelling = (use) => {
  const { dtype, width, args, register } = use;
  const { bits } = dtypeInfo[dtype];
  const last = splat(`${bits - 1}u`, 'u32', width);
  if (register === 'i32') return shift(use, (n) => `${args[0]} >> ${n}`, `${args[0]} >> ${last}`);
  const room = splat(`${32 - bits}u`, 'u32', width);
  const wide = `(bitcast<${typeName('i32', width)}>(${args[0]} << ${room}) >> ${room})`;
  const back = (n: string): string => `bitcast<${typeName('u32', width)}>(${wide} >> ${n})`;
  return shift(use, back, back(last));
};

const clz: Spelling = (use) => {
  const { bits } = dtypeInfo[use.dtype];
  const text = counted(`countLeadingZeros(${unsigned(use)})`, use);
  return bits === 32 ? text : `${text} - ${splat(String(32 - bits), use.register, use.width)}`;
};

// `x == x` and `x != x` are how programs ask for NaN; compilers fold them unless the bits are inspected.
const eq: Spelling = ({ args: [a, b], register, prelude, width }) =>
  register === 'f32' && a === b ? `!${prelude.call('is_nan', width, a)}` : `${a} == ${b}`;

const ne: Spelling = ({ args: [a, b], register, prelude, width }) => {
  if (register !== 'f32') return `${a} != ${b}`;
  return a === b ? prelude.call('is_nan', width, a) : `!(${a} == ${b})`;
};

const abs: Spelling = by({ f32: call('abs'), i32: call('abs'), u32: ({ args: [a] }) => a });
const sign: Spelling = by({
  f32: helper('sign_nan'),
  i32: call('sign'),
  u32: ({ args: [a], width }) => `min(${a}, ${splat('1u', 'u32', width)})`,
});
const neg: Spelling = by({
  f32: ({ args: [a] }) => `-${a}`,
  i32: ({ args: [a] }) => `-${a}`,
  u32: ({ args: [a], width }) => `${splat('0u', 'u32', width)} - ${a}`,
});
const not: Spelling = by({
  i32: ({ args: [a] }) => `~${a}`,
  u32: ({ args: [a] }) => `~${a}`,
  bool: ({ args: [a] }) => `!${a}`,
});
/** The extreme that keeps NaN: a comparison with a constant is false for NaN, and then gives the other operand. */
const extreme =
  (name: 'max_nan' | 'min_nan', operator: string): Spelling =>
  ({ args: [a, b], prelude, width }) => {
    if (isLiteral(a)) return `select(${b}, ${a}, ${a} ${operator} ${b})`;
    if (isLiteral(b)) return `select(${a}, ${b}, ${b} ${operator} ${a})`;
    return prelude.call(name, width, a, b);
  };

const clampFloats: Spelling = ({ args: [lo, x, hi], prelude, width }) =>
  isLiteral(lo) && isLiteral(hi)
    ? `select(clamp(${x}, ${lo}, ${hi}), ${x}, ${prelude.call('is_nan', width, x)})`
    : prelude.call('clamp_nan', width, lo, x, hi);

const clampIntegers: Spelling = ({ args: [lo, x, hi] }) => `min(max(${lo}, ${x}), ${hi})`;
const boolean =
  (text: (a: string, b: string) => string): Spelling =>
  ({ args: [a, b] }) =>
    text(a, b);
const both = boolean((a, b) => `${a} & ${b}`);
const either = boolean((a, b) => `${a} | ${b}`);
const differ = boolean((a, b) => `${a} != ${b}`);

/** Every scalar function: its spelling, or `expanded` when it never reaches the emitter. */
const spellings: Readonly<Record<ScalarFn, Spelling | 'expanded'>> = {
  neg,
  abs,
  sign,
  floor: call('floor'),
  ceil: call('ceil'),
  trunc: call('trunc'),
  roundNearestAfz: helper('round_away'),
  roundNearestEven: call('round'),
  exp: 'expanded',
  exp2: 'expanded',
  expm1: 'expanded',
  log: 'expanded',
  log2: 'expanded',
  log1p: 'expanded',
  sin: 'expanded',
  cos: 'expanded',
  tan: 'expanded',
  asin: 'expanded',
  acos: 'expanded',
  atan: 'expanded',
  sinh: 'expanded',
  cosh: 'expanded',
  tanh: 'expanded',
  asinh: 'expanded',
  acosh: 'expanded',
  atanh: 'expanded',
  sqrt: call('sqrt'),
  rsqrt: 'expanded',
  cbrt: 'expanded',
  logistic: 'expanded',
  erf: 'expanded',
  erfc: 'expanded',
  erfInv: 'expanded',
  not,
  popcnt: (use) => counted(`countOneBits(${unsigned(use)})`, use),
  clz,
  isFinite: helper('is_finite'),
  add: number(infix('+'), either),
  sub: infix('-'),
  mul: number(infix('*'), both),
  div: by({ f32: infix('/'), i32: helper('div_i32'), u32: helper('div_u32') }),
  rem: integers(helper('rem_i32'), helper('rem_u32')),
  pow: 'expanded',
  atan2: 'expanded',
  max: by({ f32: extreme('max_nan', '>='), i32: call('max'), u32: call('max'), bool: either }),
  min: by({ f32: extreme('min_nan', '<='), i32: call('min'), u32: call('min'), bool: both }),
  nextAfter: 'expanded',
  and: infix('&'),
  or: infix('|'),
  xor: by({ i32: infix('^'), u32: infix('^'), bool: differ }),
  shiftLeft,
  shiftRightLogical,
  shiftRightArithmetic,
  eq,
  ne,
  lt: number(
    infix('<'),
    boolean((a, b) => `!${a} & ${b}`),
  ),
  le: number(
    infix('<='),
    boolean((a, b) => `!${a} | ${b}`),
  ),
  gt: number(
    infix('>'),
    boolean((a, b) => `${a} & !${b}`),
  ),
  ge: number(
    infix('>='),
    boolean((a, b) => `${a} | !${b}`),
  ),
  fma: call('fma'),
  clamp: by({ f32: clampFloats, i32: clampIntegers, u32: clampIntegers }),
};

const rounded = new Set<ScalarFn>(['add', 'sub', 'mul', 'div', 'sqrt', 'fma', 'rem']);
const wrapping = new Set<ScalarFn>([
  'add',
  'sub',
  'mul',
  'neg',
  'abs',
  'not',
  'div',
  'shiftLeft',
  'shiftRightArithmetic',
]);

/** Bring an expression back into the range or the format of a narrow dtype. */
export function narrow(text: string, dtype: DType, width: Width, prelude: Prelude): string {
  const { bits } = dtypeInfo[dtype];
  if (dtype === 'f16') return prelude.call('f16_round', width, text);
  if (dtype === 'bf16') return prelude.call('bf16_round', width, text);
  if (bits === 32 || dtype === 'bool' || dtype === 'f32') return text;
  const register = registerOf(dtype);
  if (register === 'u32') return `(${text}) & ${splat(hex(2 ** bits - 1), 'u32', width)}`;
  const room = splat(`${32 - bits}u`, 'u32', width);
  return `((${text}) << ${room}) >> ${room}`;
}

/** Spell a scalar function. @throws LoweringError for what `expandMath` should have replaced. */
export function spell(fn: ScalarFn, use: Use): string {
  const spelling = spellings[fn];
  if (spelling === 'expanded')
    throw new LoweringError(`webgpu: ${fn} must be expanded before a kernel is emitted.`);
  const text = spelling({ ...use, register: registerOf(use.dtype) });
  const { kind } = dtypeInfo[use.dtype];
  const isNarrow = kind === 'float' ? rounded.has(fn) : wrapping.has(fn);
  return isNarrow ? narrow(text, use.dtype, use.width, use.prelude) : text;
}
