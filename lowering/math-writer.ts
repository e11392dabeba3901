/**
 * Writes f32 formulas as tile ops that every target has: the small language of the expansions in `math-*.ts`. It knows what a target keeps
 * (fused multiply-add, the order of operations, NaN) so that a formula is written once. Numbers stand for constants of their neighbour's dtype.
 */
import type { DType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { CompareFn, ScalarFn } from './scalar.ts';
import type { TileBuilder } from './tile/build.ts';
import type { Tile } from './tile/ir.ts';

/** What a target keeps of floating point. */
export interface MathOptions {
  /** `fma` rounds once. Where it does not, products are split by bits. */
  readonly fma: boolean;
  /** Sums and differences are computed in the order written. False for WGSL, whose compilers may reassociate; true when left out. */
  readonly strict?: boolean;
  /** Comparisons and arithmetic may not see NaN, so that it is found by its bits. */
  readonly nanBits?: boolean;
  /** Functions that the target computes well enough by itself, and that stay. */
  readonly native?: ReadonlySet<ScalarFn>;
  /** Division takes so much longer than multiplication that equal divisors are better inverted once. */
  readonly dividesSlowly?: boolean;
  /** Functions of floats that a kernel holds at least this often stay: the target calls `expansionOf` them. None when left out. */
  readonly outlineFrom?: number;
}

/** A tile, or a constant of the dtype of its neighbour. */
export type Term = Tile | number;

const signBit = -0x80000000;
const magnitudeBits = 0x7fffffff;
/** Bits of +∞. */
export const infinityBits = 0x7f800000;
/** Bits of 1. */
export const oneBits = 0x3f800000;
/** 1.5 · 2²³: adding it to |x| < 2²² rounds to an integer, which then stands in the low bits. */
const magic = 12582912;
const magicBits = 0x4b400000;

/** An integer as a float and as an i32. */
export interface Rounded {
  readonly float: Tile;
  readonly int: Tile;
}

/** Writes formulas on tiles of one shape. */
export class MathWriter {
  readonly b: TileBuilder;
  readonly shape: Shape;
  readonly fma: boolean;
  readonly strict: boolean;
  readonly nanBits: boolean;

  constructor(b: TileBuilder, shape: Shape, options: MathOptions) {
    this.b = b;
    this.shape = shape;
    this.nanBits = options.nanBits ?? false;
    this.strict = options.strict ?? true;
    this.fma = options.fma && this.strict;
  }

  /** A constant. */
  constant(value: number, dtype: DType = 'f32'): Tile {
    return this.b.constant(dtype === 'f32' ? Math.fround(value) : value, dtype, this.shape);
  }

  #terms(terms: readonly Term[]): Tile[] {
    const dtype = terms.find((t) => typeof t !== 'number')?.type.dtype ?? 'f32';
    return terms.map((t) => (typeof t === 'number' ? this.constant(t, dtype) : t));
  }

  /** A native scalar function. */
  call(fn: ScalarFn, ...terms: readonly Term[]): Tile {
    return this.b.scalar(fn, ...this.#terms(terms));
  }

  /** x + y */
  add(x: Term, y: Term): Tile {
    return this.call('add', x, y);
  }

  /** x − y */
  sub(x: Term, y: Term): Tile {
    // Integer constants are added, so that they join.
    if (typeof x !== 'number' && typeof y === 'number' && x.type.dtype === 'i32')
      return this.add(x, -y);
    return this.call('sub', x, y);
  }

  /** x · y */
  mul(x: Term, y: Term): Tile {
    return this.call('mul', x, y);
  }

  /** x / y */
  div(x: Term, y: Term): Tile {
    return this.call('div', x, y);
  }

  /** −x */
  neg(x: Term): Tile {
    return this.call('neg', x);
  }

  /** |x| */
  abs(x: Term): Tile {
    return this.call('abs', x);
  }

  /** √x */
  sqrt(x: Term): Tile {
    return this.call('sqrt', x);
  }

  /** x · y + z, rounded once where the target can. */
  mad(x: Term, y: Term, z: Term): Tile {
    return this.fma ? this.call('fma', x, y, z) : this.add(this.mul(x, y), z);
  }

  /** z − x · y, rounded once where the target can. */
  unmad(x: Term, y: number, z: Term): Tile {
    return this.fma ? this.call('fma', x, -y, z) : this.sub(z, this.mul(x, y));
  }

  /** A polynomial by Horner's rule, the highest coefficient first. */
  poly(x: Tile, coefficients: readonly number[]): Tile {
    const [first, ...rest] = coefficients;
    return rest.reduce<Tile>((acc, c) => this.mad(acc, x, c), this.constant(first));
  }

  /** Compare. */
  compare(fn: CompareFn, x: Term, y: Term): Tile {
    return this.call(fn, x, y);
  }

  /** p ? x : y */
  select(p: Tile, x: Term, y: Term): Tile {
    const [a, b] = this.#terms([x, y]);
    return this.b.select(p, a, b);
  }

  /** x between constants. NaN stays NaN where the target keeps it; elsewhere it may become anything, and `keepNaN` follows. */
  clamp(low: number, x: Tile, high: number): Tile {
    if (!this.nanBits) return this.call('clamp', low, x, high);
    const raised = this.select(this.compare('gt', x, low), x, low);
    return this.select(this.compare('lt', raised, high), raised, high);
  }

  /** Bits as i32. */
  bits(x: Tile): Tile {
    return this.b.bitcast(x, 'i32');
  }

  /** The f32 of these bits. */
  float(bits: Tile): Tile {
    return this.b.bitcast(bits, 'f32');
  }

  /** Convert an integer to f32. */
  toFloat(x: Tile): Tile {
    return this.b.cast(x, 'f32');
  }

  /** Convert to i32, towards zero. */
  toInt(x: Tile): Tile {
    return this.b.cast(x, 'i32');
  }

  /** x << n, for an i32 or u32. */
  shl(x: Tile, n: number): Tile {
    return this.call('shiftLeft', x, n);
  }

  /** x >> n: arithmetic for i32, logical for u32. */
  shr(x: Tile, n: number): Tile {
    return this.call(x.type.dtype === 'u32' ? 'shiftRightLogical' : 'shiftRightArithmetic', x, n);
  }

  /** Bitwise and. */
  and(x: Tile, y: Term): Tile {
    return this.call('and', x, y);
  }

  /** Bitwise or. */
  or(x: Tile, y: Term): Tile {
    return this.call('or', x, y);
  }

  /** Bitwise exclusive or. */
  xor(x: Tile, y: Term): Tile {
    return this.call('xor', x, y);
  }

  /** The sign bit, alone. */
  signOf(x: Tile): Tile {
    return this.and(this.bits(x), signBit);
  }

  /** |x| as bits. */
  magnitude(x: Tile): Tile {
    return this.and(this.bits(x), magnitudeBits);
  }

  /** A non-negative value with these sign bits. */
  withSign(x: Tile, sign: Tile): Tile {
    return this.float(this.or(this.bits(x), sign));
  }

  /** A value whose sign is flipped where these sign bits are set. */
  flipSign(x: Tile, sign: Tile): Tile {
    return this.float(this.xor(this.bits(x), sign));
  }

  /** The upper 12 bits of the significand: products of two such are exact. */
  upper(x: Tile): Tile {
    return this.float(this.and(this.bits(x), -4096));
  }

  /** The nearest integer; |x| < 2²². */
  round(x: Tile, scale = 1): Rounded {
    if (this.strict) {
      const shifted = scale === 1 ? this.add(x, magic) : this.mad(x, scale, magic);
      return { float: this.sub(shifted, magic), int: this.add(this.bits(shifted), -magicBits) };
    }
    const float = this.call('roundNearestEven', scale === 1 ? x : this.mul(x, scale));
    // The bits of a sum are the integer: a conversion that saturates would cost ten operations more.
    return { float, int: this.add(this.bits(this.add(float, magic)), -magicBits) };
  }

  /** The nearest integer n to x · scale as a float, and 2ⁿ⁺ˢʰⁱᶠᵗ; −126 ≤ n + shift ≤ 127. */
  roundToPower(x: Tile, scale: number, shift: number): { readonly float: Tile; power: Tile } {
    if (!this.strict) {
      const { float, int } = this.round(x, scale);
      return { float, power: this.pow2(this.add(int, shift)) };
    }
    // The exponent of the power is made by the addition that rounds: nothing else stands in the low bits of `magic`.
    const biased = magic + 127 + shift;
    const sum = this.mad(x, scale, biased);
    return { float: this.sub(sum, biased), power: this.float(this.shl(this.bits(sum), 23)) };
  }

  /** 2ⁿ for −126 ≤ n ≤ 127. */
  pow2(n: Tile): Tile {
    return this.float(this.add(this.shl(n, 23), oneBits));
  }

  /** x · 2ⁿ for −252 ≤ n ≤ 254: in two steps, so that subnormal results and overflow come out. */
  scale(x: Tile, n: Tile): Tile {
    const half = this.shl(this.shr(n, 1), 23);
    const rest = this.sub(this.shl(n, 23), half);
    const step = (bits: Tile): Tile => this.float(this.add(bits, oneBits));
    return this.mul(this.mul(x, step(half)), step(rest));
  }

  /** +∞; by its bits, since some targets refuse it as a constant. */
  get infinity(): Tile {
    return this.nanBits ? this.float(this.constant(infinityBits, 'i32')) : this.constant(Infinity);
  }

  /** A quiet NaN. */
  get nan(): Tile {
    return this.nanBits ? this.float(this.constant(0x7fc00000, 'i32')) : this.constant(NaN);
  }

  /** Whether x is NaN. */
  isNaN(x: Tile): Tile {
    return this.nanBits
      ? this.compare('gt', this.magnitude(x), infinityBits)
      : this.compare('ne', x, x);
  }

  /** Whether |x| is infinite. */
  isInfinite(x: Tile): Tile {
    return this.compare('eq', this.magnitude(x), infinityBits);
  }

  /** A result, but NaN where x is NaN: for targets that lose it on the way. */
  keepNaN(result: Tile, ...xs: readonly Tile[]): Tile {
    if (!this.nanBits) return result;
    return xs.reduce((r, x) => this.select(this.isNaN(x), this.nan, r), result);
  }

  /** A result, but x itself where x is ±0. */
  keepZero(result: Tile, x: Tile): Tile {
    return this.select(this.compare('eq', x, 0), x, result);
  }
}
