/** `scan`: a loop over slices, as a function of trees. The primitive stands in `scan-call.ts`. */
import { ArgumentError, ShapeError, TreeError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { flatten, leafPaths, unflatten, type TreeDef } from '../core/tree.ts';
import { avalsOf } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { checkSync, flattenValues } from '../transforms/flat-function.ts';
import { merge, where, whereNot } from '../transforms/jaxpr-cache.ts';
import type { Input, Output } from '../transforms/signature.ts';
import { reorder } from '../transforms/stage.ts';
import { checkCarry, traceBody, traceCarried } from './body.ts';
import { scanP } from './scan-call.ts';
import { range, type ScanParams } from './scan-params.ts';

/** Options of `scan`. */
export interface ScanOptions {
  /** Number of steps; needed when there are no inputs to slice. */
  readonly length?: number;
  /** Go from the last slice to the first. */
  readonly reverse?: boolean;
  /** How many steps one iteration of the compiled loop makes; `true` or 0 unrolls the whole loop. */
  readonly unroll?: number | boolean;
}

/**
 * Carry a value through a loop over the slices of `xs` along their first axes: `f(carry, x) → [carry, y]`. Gives the last carry
 * and the stacked `y`s. `xs` is a tree of arrays, or null.
 *
 * @throws ShapeError when the leading sizes differ or the carry changes its shape; TreeError when `f` returns no pair or another
 * tree; DTypeError when the carry changes its dtype; ArgumentError when `f` is no function, when no length is known, or for
 * options that do not exist or make no sense.
 * @example
 * const [sum, sums] = scan((c: Value, x: Value) => [lax.add(c, x), c], 0, lax.convertElementType(lax.iota('i32', 4), 'f32'));
 * [String(sum), String(sums)]; // → [ '6.0', '[0. 0. 1. 3.]' ]
 */
export function scan<C, X, Y>(
  f: (carry: C, x: X) => readonly [C, Y],
  init: Input<C>,
  xs: Input<X>,
  options: ScanOptions = {},
): [Output<C>, Output<Y>] {
  checkFunction('scan', f);
  checkOptions('scan', options, ['length', 'reverse', 'unroll']);
  const start = flattenValues('scan', 'init', init);
  const inputs = flattenValues('scan', 'xs', xs);
  const length = scanLength(inputs.values, inputs.treedef, options.length);
  const sliceAvals = inputs.values.map((x) => x.aval.withShape(x.shape.slice(1)));
  const inTree = flatten([init, xs]).treedef;
  const count = start.values.length;
  const { init: values, body } = traceCarried(
    start.values,
    (avals) => {
      const traced = traceBody(
        'scan',
        (carry: never, x: never) => checkPair(checkSync('scan', f, f(carry, x))),
        inTree,
        [...avals, ...sliceAvals],
      );
      const [carryTree, yTree] = traced.outTree.children;
      if (carryTree.numLeaves !== avals.length)
        checkCarry('scan', start.treedef, avals, carryTree, []);
      return { ...traced, carryTree, yTree };
    },
    (traced) => traced.outAvals.slice(0, count),
  );
  checkCarry('scan', start.treedef, avalsOf(values), body.carryTree, body.outAvals.slice(0, count));
  const params: ScanParams = {
    jaxpr: body.jaxpr,
    length,
    reverse: options.reverse ?? false,
    unroll: unrollOf('scan', options.unroll, length),
    numConsts: body.consts.length,
    numCarry: count,
  };
  const outs = scanVarying([...body.consts, ...values, ...inputs.values], params);
  return [
    unflatten(start.treedef, outs.slice(0, count)) as Output<C>,
    unflatten(body.yTree, outs.slice(count)) as Output<Y>,
  ];
}

/**
 * How many steps one iteration of the compiled loop makes: 0 and `true` ask for all of them.
 *
 * @throws ArgumentError when it is no bool and no integer from 0.
 */
export function unrollOf(op: string, given: number | boolean | undefined, length: number): number {
  const unroll = Number(given ?? 1);
  if (!Number.isInteger(unroll) || unroll < 0)
    throw new ArgumentError(
      `${op}: unroll must be a bool or an integer from 0; got ${unroll}. Leave it out for one step at a time.`,
    );
  if (given === false) return 1;
  return given === true || unroll === 0 ? Math.max(length, 1) : unroll;
}

/**
 * Bind a scan of what varies. A carry that the body returns unchanged is a constant of the loop (its steps need not be kept for
 * the way back), and a stacked output that is a stacked input needs no loop.
 */
function scanVarying(operands: readonly Value[], params: ScanParams): Value[] {
  const { jaxpr, numConsts, numCarry } = params;
  const { invars, outvars } = jaxpr;
  const isSame = range(0, numCarry).map((i) => outvars[i] === invars[numConsts + i]);
  const numFixed = isSame.filter(Boolean).length;
  const stackedIn = new Map<unknown, number>(
    range(numConsts + numCarry, invars.length - numConsts - numCarry).map((i) => [invars[i], i]),
  );
  const sources = outvars.map((v, i) =>
    i < numCarry ? (isSame[i] ? numConsts + i : undefined) : stackedIn.get(v),
  );
  if (sources.every((from) => from === undefined)) return [...scanP.bind(operands, params)];
  const isFixed = invars.map((_, i) => i >= numConsts && isSame[i - numConsts]);
  const order = [...range(0, numConsts), ...where(range(0, invars.length), isFixed)];
  order.push(...whereNot(range(0, invars.length), isFixed).slice(numConsts));
  const varying = sources.map((from) => from === undefined);
  const body = reorder(jaxpr, order, where(range(0, outvars.length), varying));
  const needsLoop = body.outvars.length > 0 || jaxpr.effects.length > 0;
  const outs = needsLoop
    ? scanP.bind(
        order.map((i) => operands[i]),
        {
          ...params,
          jaxpr: body,
          numConsts: numConsts + numFixed,
          numCarry: numCarry - numFixed,
        },
      )
    : [];
  const passed = sources.filter((from) => from !== undefined).map((from) => operands[from]);
  return merge<Value>(varying, outs, passed);
}

function checkPair(result: unknown): unknown {
  if (!Array.isArray(result) || result.length !== 2)
    throw new TreeError(
      `scan: the body must return a pair [carry, y]; got ${flatten(result).treedef.show()}. Return [carry, null] when there is nothing to stack.`,
    );
  return result;
}

function scanLength(xs: readonly Value[], tree: TreeDef, given: number | undefined): number {
  const paths = leafPaths(tree);
  xs.forEach((x, i) => {
    if (x.ndim === 0)
      throw new ShapeError(
        `scan: xs must have a first axis to loop over; got ${x.aval.toString()} at xs${paths[i]}. Capture scalars in the body, or carry them.`,
      );
  });
  if (given !== undefined && (!Number.isInteger(given) || given < 0))
    throw new ArgumentError(
      `scan: length must be an integer from 0; got ${given}. Round it, or leave it out.`,
    );
  const sizes = [...(given === undefined ? [] : [given]), ...xs.map((x) => x.shape[0])];
  if (sizes.length === 0)
    throw new ArgumentError(
      'scan: the number of steps must be known; got no arrays in xs and no length. Pass { length }.',
    );
  if (sizes.some((n) => n !== sizes[0])) {
    const shown = xs.map((x, i) => `xs${paths[i]}: ${x.shape[0]}`);
    throw new ShapeError(
      `scan: all leading sizes, and length, must be equal; got ${[...(given === undefined ? [] : [`length: ${given}`]), ...shown].join(', ')}. Slice the inputs to one length.`,
    );
  }
  return sizes[0];
}
