/**
 * Functions that shaders call and that WGSL lacks, written on demand. Numbers are inspected by their bits: implementations may assume that
 * NaN and infinity do not occur, and may keep more precision than a narrow format has.
 */
import { components, typeName, type Register } from './format.ts';
import type { Width } from './layout.ts';

/** The functions. */
export type Helper =
  | 'float_bits'
  | 'is_nan'
  | 'is_finite'
  | 'max_nan'
  | 'min_nan'
  | 'sign_nan'
  | 'clamp_nan'
  | 'round_away'
  | 'f16_bits'
  | 'f16_value'
  | 'bf16_bits'
  | 'bf16_value'
  | 'f16_round'
  | 'bf16_round'
  | 'float_to_i32'
  | 'float_to_u32'
  | 'div_i32'
  | 'div_u32'
  | 'rem_i32'
  | 'rem_u32';

interface Definition {
  readonly takes: readonly Register[];
  readonly gives: Register;
  readonly uses?: readonly Helper[];
  /** Statements for any width; `F`, `I` and `U` stand for the vector types, `@` for the suffix of helpers. */
  readonly body: string;
}

const definitions: Readonly<Record<Helper, Definition>> = {
  // A constant expression may not be infinite, a parameter may.
  float_bits: { takes: ['u32'], gives: 'f32', body: 'return bitcast<F>(a);' },
  is_nan: {
    takes: ['f32'],
    gives: 'bool',
    body: 'return (bitcast<U>(a) & U(0x7fffffffu)) > U(0x7f800000u);',
  },
  is_finite: {
    takes: ['f32'],
    gives: 'bool',
    body: 'return (bitcast<U>(a) & U(0x7fffffffu)) < U(0x7f800000u);',
  },
  max_nan: {
    takes: ['f32', 'f32'],
    gives: 'f32',
    uses: ['is_nan'],
    body: 'return select(b, a, (a >= b) | is_nan@(a));',
  },
  min_nan: {
    takes: ['f32', 'f32'],
    gives: 'f32',
    uses: ['is_nan'],
    body: 'return select(b, a, (a <= b) | is_nan@(a));',
  },
  sign_nan: {
    takes: ['f32'],
    gives: 'f32',
    uses: ['is_nan'],
    body: 'return select(sign(a), a, is_nan@(a) | (a == F(0f)));',
  },
  clamp_nan: {
    takes: ['f32', 'f32', 'f32'],
    gives: 'f32',
    uses: ['max_nan', 'min_nan'],
    body: 'return min_nan@(max_nan@(a, b), c);',
  },
  round_away: {
    takes: ['f32'],
    gives: 'f32',
    body: 'let t = trunc(a);\n  return select(t, t + sign(a), abs(a - t) >= F(0.5f));',
  },
  // Round to nearest even in integer arithmetic; subnormals of f16 through a scaled conversion.
  f16_bits: {
    takes: ['f32'],
    gives: 'u32',
    body: `let u = bitcast<U>(a);
  let m = u & U(0x7fffffffu);
  let normal = (m + U(0xc8000fffu) + ((m >> U(13u)) & U(1u))) >> U(13u);
  let shift = min(U(126u) - min(m >> U(23u), U(126u)), U(24u));
  let full = (m & U(0x7fffffu)) | U(0x800000u);
  let kept = full >> shift;
  let rest = full & ((U(1u) << shift) - U(1u));
  let half = (U(1u) << shift) >> U(1u);
  let up = (rest > half) | ((rest == half) & ((kept & U(1u)) == U(1u)));
  let tiny = select(kept + select(U(0u), U(1u), up), U(0u), m < U(0x33000000u));
  let small = select(normal, tiny, m < U(0x38800000u));
  let large = select(small, U(0x7c00u), m >= U(0x477ff000u));
  return ((u >> U(16u)) & U(0x8000u)) | select(large, U(0x7e00u), m > U(0x7f800000u));`,
  },
  f16_value: {
    takes: ['u32'],
    gives: 'f32',
    body: `let e = a & U(0x7c00u);
  let m = a & U(0x3ffu);
  let normal = ((a & U(0x7fffu)) << U(13u)) + U(0x38000000u);
  let tiny = bitcast<U>(F(m) * F(5.9604644775390625e-8f));
  let special = U(0x7f800000u) | (m << U(13u));
  let bits = select(select(normal, tiny, e == U(0u)), special, e == U(0x7c00u));
  return bitcast<F>(bits | ((a & U(0x8000u)) << U(16u)));`,
  },
  bf16_bits: {
    takes: ['f32'],
    gives: 'u32',
    body: `let u = bitcast<U>(a);
  let rounded = (u + U(0x7fffu) + ((u >> U(16u)) & U(1u))) >> U(16u);
  return select(rounded, (u >> U(16u)) | U(0x40u), (u & U(0x7fffffffu)) > U(0x7f800000u));`,
  },
  bf16_value: { takes: ['u32'], gives: 'f32', body: 'return bitcast<F>(a << U(16u));' },
  f16_round: {
    takes: ['f32'],
    gives: 'f32',
    uses: ['f16_bits', 'f16_value'],
    body: 'return f16_value@(f16_bits@(a));',
  },
  bf16_round: {
    takes: ['f32'],
    gives: 'f32',
    uses: ['bf16_bits', 'bf16_value'],
    body: 'return bf16_value@(bf16_bits@(a));',
  },
  // Towards zero and saturating, as WGSL converts, but up to the largest integer; NaN gives 0.
  float_to_i32: {
    takes: ['f32'],
    gives: 'i32',
    uses: ['is_nan'],
    body: 'return select(select(I(a), I(2147483647i), a >= F(2147483648f)), I(0i), is_nan@(a));',
  },
  float_to_u32: {
    takes: ['f32'],
    gives: 'u32',
    uses: ['is_nan'],
    body: 'return select(select(U(a), U(4294967295u), a >= F(4294967296f)), U(0u), is_nan@(a));',
  },
  div_i32: {
    takes: ['i32', 'i32'],
    gives: 'i32',
    body: 'return select(a / select(b, I(1i), b == I(0i)), I(-1i), b == I(0i));',
  },
  div_u32: {
    takes: ['u32', 'u32'],
    gives: 'u32',
    body: 'return select(a / select(b, U(1u), b == U(0u)), U(4294967295u), b == U(0u));',
  },
  rem_i32: {
    takes: ['i32', 'i32'],
    gives: 'i32',
    body: 'return select(a % select(b, I(1i), b == I(0i)), a, b == I(0i));',
  },
  rem_u32: {
    takes: ['u32', 'u32'],
    gives: 'u32',
    body: 'return select(a % select(b, U(1u), b == U(0u)), a, b == U(0u));',
  },
};

const suffix = (width: Width): string => (width === 1 ? '' : `_${width}`);

function write(name: Helper, width: Width): string {
  const { takes, gives, body } = definitions[name];
  const parameters = takes.map((t, i) => `${'abc'[i]}: ${typeName(t, width)}`).join(', ');
  const head = `fn ${name}${suffix(width)}(${parameters}) -> ${typeName(gives, width)}`;
  const spelled = body
    .replace(/\bF\b/g, typeName('f32', width))
    .replace(/\bI\b/g, typeName('i32', width))
    .replace(/\bU\b/g, typeName('u32', width))
    .replaceAll('@', suffix(width));
  return `${head} {\n  ${spelled}\n}`;
}

/** The functions that a shader uses so far. */
export class Prelude {
  readonly #written = new Map<string, string>();

  /** Spell a call; the function is defined when it is not yet. */
  call(name: Helper, width: Width, ...args: readonly string[]): string {
    this.#define(name, width);
    return `${name}${suffix(width)}(${args.join(', ')})`;
  }

  #define(name: Helper, width: Width): void {
    const key = name + suffix(width);
    if (this.#written.has(key)) return;
    for (const used of definitions[name].uses ?? []) this.#define(used, width);
    this.#written.set(key, write(name, width));
  }

  /** Whether a literal needs a function, and define it. */
  note(text: string): string {
    if (text.includes('float_bits(')) this.#define('float_bits', 1);
    return text;
  }

  /** The definitions. */
  get text(): string {
    return [...this.#written.values()].join('\n');
  }
}

/** Spell a vector of scalars. */
export const gatherComponents = (parts: readonly string[], register: Register): string =>
  parts.length === 1
    ? parts[0]
    : `${typeName(register, parts.length as Width)}(${parts.join(', ')})`;

/** The components of a vector, spelled. */
export const spread = (text: string, width: Width): string[] =>
  width === 1 ? [text] : Array.from({ length: width }, (_, i) => `${text}.${components[i]}`);
