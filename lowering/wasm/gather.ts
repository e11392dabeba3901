/** Elements at computed positions: one index per axis of a window; positions outside give the fill. */
import type { DType } from '../../core/dtype.ts';
import { laneBits, singleConstant } from './combine.ts';
import type { Context } from './convert.ts';
import { loopCoefficient } from './access.ts';
import type { Loop } from './access.ts';
import type { Symbols } from './affine.ts';
import { byteLengthOf, loadLanes, loadSingle, loadVector } from './format.ts';
import { add, int, laneOp, mul, op, select } from './nodes.ts';
import type { Node } from './nodes.ts';
import type { Instance, Meaning } from './pass.ts';
import { choose } from './vector.ts';
import { axisStride, looseDims } from './window.ts';
import type { Window } from './window.ts';

type Gather = Extract<Meaning, { kind: 'gather' }>;

/** Where an element at given window coordinates (locals or constants) lies: a valid address, and whether it is inside. */
export function locate(
  { fn }: Context,
  window: Window,
  indices: readonly Node[],
): { readonly address: Node; readonly inside: Node } {
  let address = window.pointer(fn);
  let inside = int(1);
  window.axes.forEach((axis, i) => {
    inside = and(inside, op('i32.lt_u', indices[i], int(axis.size)));
  });
  window.dims.forEach((dim, i) => {
    const at = window.axes.findIndex((axis) => axis.dim === i);
    const walked = at < 0 ? int(0) : mul(indices[at], int(window.axes[at].step));
    const coordinate = fn.keep(add(dim.origin.read(fn), walked));
    const isIn = fn.keep(op('i32.lt_u', coordinate, int(dim.extent)));
    inside = and(inside, isIn);
    address = add(address, mul(select(isIn, coordinate, int(0)), int(dim.stride)));
  });
  return { address: fn.keep(address), inside: fn.keep(inside) };
}

const and = (a: Node, b: Node): Node =>
  a.kind === 'const' && a.value === 1 ? b : op('i32.and', a, b);

/**
 * Whether neighbouring points of the vector loop lie next to each other in memory: all indices but the last are equal along it, and the
 * last counts up by one, inside the window.
 */
export function isRow(
  window: Window,
  indices: readonly Instance[],
  at: {
    readonly symbols: Symbols;
    readonly loop: Loop;
    readonly shape: readonly number[];
    readonly isVector: (axes: number) => boolean;
  },
): boolean {
  const last = indices.length - 1;
  const meaning = indices[last]?.meaning;
  if (meaning?.kind !== 'iota' || indices.slice(0, -1).some((index) => at.isVector(index.axes)))
    return false;
  const axis = window.axes[last];
  const { form } = meaning;
  if (
    axisStride(window, last) !== byteLengthOf(window.format) ||
    loopCoefficient(at.loop, form) !== 1
  )
    return false;
  if (looseDims(at.symbols, window).includes(axis.dim) || form.coefs.some((c) => c < 0))
    return false;
  const highest = form.coefs.reduce(
    (sum, c, i) => sum + c * Math.max(0, at.shape[i] - 1),
    form.constant,
  );
  return form.constant >= 0 && highest < axis.size;
}

/** Gather one element. `x`: the indices, then the mask if there is one. */
export function gatherSingle(
  context: Context,
  gather: Gather,
  dtype: DType,
  x: readonly Node[],
): Node {
  const { window, fill, masked } = gather;
  const indices = x.slice(0, window.axes.length);
  const { address, inside } = locate(context, window, indices);
  const wanted = masked ? op('i32.and', inside, x[x.length - 1]) : inside;
  const value = context.fn.keep(loadSingle(context, window.format, address, 0));
  return select(wanted, value, singleConstant(context, dtype, fill));
}

/** Gather four elements. `x`: index vectors, then the mask; `single`: the same as single values where all lanes are equal. */
export function gatherVector(
  context: Context,
  gather: Gather,
  dtype: DType,
  { x, single }: { readonly x: readonly Node[]; readonly single: readonly (Node | undefined)[] },
): Node {
  const { fn } = context;
  const { window, fill, masked } = gather;
  const count = window.axes.length;
  const at = [0, 1, 2, 3].map((lane) => {
    const indices = x
      .slice(0, count)
      .map((vector, i) => single[i] ?? fn.keep(laneOp('i32x4.extract_lane', lane, 0, vector)));
    return locate(context, window, indices);
  });
  const loaded = fn.keep(
    loadLanes(
      context,
      window.format,
      at.map(({ address }) => address),
    ),
  );
  const flags = at.reduce(
    (vector, { inside }, lane) => laneOp('i32x4.replace_lane', lane, 0, vector, inside),
    fn.splat(0),
  );
  const inside = fn.keep(op('i32x4.ne', flags, fn.splat(0)));
  const wanted = masked ? op('v128.and', inside, x[x.length - 1]) : inside;
  return choose(context, fn.keep(wanted), loaded, fn.splat(laneBits(dtype, fill)));
}

/** Gather four neighbouring elements of a row. `x`: single indices of the first lane; `mask`: a vector. */
export function gatherRow(
  context: Context,
  gather: Gather,
  dtype: DType,
  { x, mask }: { readonly x: readonly Node[]; readonly mask: Node | undefined },
): Node {
  const { fn } = context;
  const { window, fill } = gather;
  const { address, inside } = locate(context, window, x);
  const loaded = fn.keep(loadVector(context, window.format, address, 0));
  const row = fn.keep(op('i32x4.splat', op('i32.sub', int(0), inside)));
  const wanted = mask === undefined ? row : fn.keep(op('v128.and', row, mask));
  return choose(context, wanted, loaded, fn.splat(laneBits(dtype, fill)));
}
