/**
 * Largest and smallest f32 of a row. `f32x4.max` takes eight instructions on x86; here a one-instruction maximum runs with two side
 * registers that repair what it gets wrong: whether a NaN occurred, and (by and or or of all signs) which zero a result of zero is.
 */
import type { Context } from './convert.ts';
import { op, shuffle32 } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import { choose } from './vector.ts';

/** Side registers of a running extreme. */
export interface Sides {
  /** All ones in lanes where a NaN occurred. */
  readonly nan: Local;
  /** And (max) or or (min) of all elements. */
  readonly signs: Local;
}

/** Take and start the side registers. */
export function startSides({ fn }: Context, which: 'max' | 'min', known: Sides | undefined): Sides {
  const sides = known ?? { nan: fn.local('v128', 'nan'), signs: fn.local('v128', 'signs') };
  fn.set(sides.nan, fn.splatZero());
  fn.set(sides.signs, fn.splat(which === 'max' ? -1 : 0));
  return sides;
}

/** Take a vector into a running extreme. `x` must be a local. */
export function takeExtreme(
  { fn }: Context,
  which: 'max' | 'min',
  { acc, sides }: { acc: Local; sides: Sides },
  x: Node,
): void {
  fn.set(acc, op(`f32x4.p${which}`, x, fn.get(acc)));
  fn.set(sides.nan, op('v128.or', fn.get(sides.nan), op('f32x4.ne', x, x)));
  fn.set(sides.signs, op(which === 'max' ? 'v128.and' : 'v128.or', fn.get(sides.signs), x));
}

/** The extreme of all lanes, in every lane. `vector`: the combined accumulators, a local. */
export function finishExtreme(
  context: Context,
  which: 'max' | 'min',
  vector: Node,
  sides: Sides,
): Node {
  const { fn } = context;
  const across = (name: 'v128.and' | 'v128.or' | 'f32x4.pmax' | 'f32x4.pmin', x: Node): Node => {
    const halves = fn.keep(op(name, x, shuffle32(x, x, [2, 3, 0, 1])));
    return fn.keep(op(name, halves, shuffle32(halves, halves, [1, 0, 3, 2])));
  };
  const value = across(`f32x4.p${which}`, vector);
  const signs = across(which === 'max' ? 'v128.and' : 'v128.or', fn.get(sides.signs));
  const isNaN = across('v128.or', fn.get(sides.nan));
  const zero = op('v128.and', signs, fn.splat(0x80000000));
  const signed = fn.keep(
    choose(context, fn.keep(op('f32x4.eq', value, fn.splat(0))), fn.keep(zero), value),
  );
  return choose(context, isNaN, fn.float(NaN), signed);
}
