// Runs an expansion of lowering/math on many values at once, op by op on typed arrays, rounding every op as a target does; and measures its error.
import type { DType } from '../../core/dtype.ts';
import { expandScalar, type ExpandedFn, type MathOptions } from '../../lowering/math.ts';
import { numberMeaning, unroundedMeaning } from '../../lowering/scalar-meaning.ts';
import type { ScalarFn } from '../../lowering/scalar.ts';
import { TileBuilder } from '../../lowering/tile/build.ts';
import type { Tile, TileOp, TileValue } from '../../lowering/tile/ir.ts';
import { tileType } from '../../lowering/tile/typing-check.ts';

type Column = Float32Array | Int32Array | Uint32Array | Uint8Array;

const column = (dtype: DType, n: number): Column => {
  if (dtype === 'f32') return new Float32Array(n);
  if (dtype === 'i32') return new Int32Array(n);
  if (dtype === 'u32') return new Uint32Array(n);
  return new Uint8Array(n);
};

const fast: Partial<Record<ScalarFn, (o: Column, x: Column, y: Column, z: Column) => void>> = {
  add: (o, x, y) => {
    for (let i = 0; i < o.length; i++) o[i] = x[i] + y[i];
  },
  sub: (o, x, y) => {
    for (let i = 0; i < o.length; i++) o[i] = x[i] - y[i];
  },
  fma: (o, x, y, z) => {
    for (let i = 0; i < o.length; i++) o[i] = x[i] * y[i] + z[i];
  },
  and: (o, x, y) => {
    for (let i = 0; i < o.length; i++) o[i] = x[i] & y[i];
  },
  or: (o, x, y) => {
    for (let i = 0; i < o.length; i++) o[i] = x[i] | y[i];
  },
  xor: (o, x, y) => {
    for (let i = 0; i < o.length; i++) o[i] = x[i] ^ y[i];
  },
};

/** Writes the argument of an expansion: an equal value of which the ops tell something. */
export type Argument = (b: TileBuilder, x: Tile) => Tile;

/** An expansion, ready to run on columns of f32. */
export class Expanded {
  readonly ops: readonly TileOp[];
  readonly #args: readonly TileValue[];
  readonly #result: TileValue;

  constructor(fn: ExpandedFn, options: MathOptions, argument: Argument = (_, x) => x) {
    const b = new TileBuilder();
    const region = b.build([tileType('f32'), tileType('f32')], ([x, y]) => [
      expandScalar(b, fn, [argument(b, x), y], options),
    ]);
    this.ops = region.ops;
    this.#args = region.args;
    this.#result = region.results[0];
  }

  run(x: Float32Array, y: Float32Array = x): Float32Array {
    const values = new Map<TileValue, Column>([
      [this.#args[0], x],
      [this.#args[1], y],
    ]);
    const of = (v: TileValue): Column => {
      const found = values.get(v);
      if (found === undefined) throw new Error('undefined value');
      return found;
    };
    for (const op of this.ops) {
      const [result] = op.results;
      values.set(result, this.#op(op, op.operands.map(of), column(result.type.dtype, x.length)));
    }
    return of(this.#result) as Float32Array;
  }

  #op(op: TileOp, xs: Column[], out: Column): Column {
    const [x, y = x, z = x] = xs;
    switch (op.kind) {
      case 'constant':
        return out.fill(Number(op.attrs.value));
      case 'bitcast':
        new Uint8Array(out.buffer).set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
        return out;
      case 'cast':
        if (out instanceof Float32Array || !(x instanceof Float32Array)) out.set(x);
        else
          for (let i = 0; i < out.length; i++)
            out[i] = Math.max(-(2 ** 31), Math.min(x[i], 2 ** 31 - 1));
        return out;
      case 'select':
        for (let i = 0; i < out.length; i++) out[i] = x[i] ? y[i] : z[i];
        return out;
      case 'scalar': {
        const { fn } = op.attrs;
        const isProduct = fn === 'mul' && out instanceof Float32Array;
        const run = fast[fn];
        if (run !== undefined) run(out, x, y, z);
        else if (isProduct) for (let i = 0; i < out.length; i++) out[i] = x[i] * y[i];
        else {
          const f = numberMeaning(fn, op.operands[0].type.dtype);
          for (let i = 0; i < out.length; i++) out[i] = f(x[i], y[i], z[i]);
        }
        return out;
      }
      default:
        throw new Error(`${op.kind} has no place in an expansion`);
    }
  }
}

const single = new Float32Array(1);
const singleBits = new Int32Array(single.buffer);

/** The distance of neighbouring floats at a value (the smallest subnormal at 0). */
export function ulpAt(x: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), -126);
  return 2 ** (Math.min(exponent, 127) - 23);
}

/** The error of one result in units in the last place of the exact value; infinite where NaN, infinity or the sign of zero are wrong. */
export function errorUlp(got: number, exact: number): number {
  const rounded = Math.fround(exact);
  if (Number.isNaN(rounded) || Number.isNaN(got))
    return Number.isNaN(rounded) === Number.isNaN(got) ? 0 : Infinity;
  if (Object.is(got, rounded)) return 0;
  if (got === 0 && rounded === 0) return exact === 0 ? Infinity : 1;
  if (!Number.isFinite(got) || !Number.isFinite(exact)) {
    const largest = 3.4028234663852886e38;
    const near = Math.abs(Number.isFinite(got) ? got : exact) > largest * (1 - 2 ** -22);
    return near && Math.sign(got) === Math.sign(exact) ? 1 : Infinity;
  }
  return Math.abs(got - exact) / ulpAt(exact);
}

/** What the function is in double precision. */
export const exactOf = (fn: ExpandedFn): ((x: number, y: number) => number) => {
  if (fn === 'nextAfter') {
    const f = numberMeaning(fn, 'f32');
    return (x, y) => f(x, y, 0);
  }
  const f = unroundedMeaning(fn, 'f32');
  return (x, y) => f(x, y, 0);
};

/** Every `stride`-th f32 bit pattern from one on, as chunks. */
export function* patterns(
  stride: number,
  from: number = 0,
  chunk: number = 1 << 14,
): Generator<Float32Array> {
  let at = from;
  while (at < 2 ** 32) {
    const bits = new Int32Array(chunk);
    for (let i = 0; i < chunk; i++, at += stride) bits[i] = at < 2 ** 32 ? at | 0 : 0;
    yield new Float32Array(bits.buffer);
  }
}

/** The worst error found so far, and where. */
export interface Worst {
  ulp: number;
  x: number;
  y: number;
  got: number;
}

/** Measure a function on columns of arguments. */
export function measure(
  fn: ExpandedFn,
  options: MathOptions,
  columns: Iterable<readonly [Float32Array, Float32Array]>,
  argument?: Argument,
): Worst {
  const expanded = new Expanded(fn, options, argument);
  const exact = exactOf(fn);
  const worst: Worst = { ulp: 0, x: 0, y: 0, got: 0 };
  for (const [x, y] of columns) {
    const got = expanded.run(x, y);
    for (let i = 0; i < got.length; i++) {
      const ulp = errorUlp(got[i], exact(x[i], y[i]));
      if (ulp > worst.ulp) Object.assign(worst, { ulp, x: x[i], y: y[i], got: got[i] });
    }
  }
  return worst;
}

/** The f32 of these bits. */
export function fromBits(bits: number): number {
  singleBits[0] = bits;
  return single[0];
}
