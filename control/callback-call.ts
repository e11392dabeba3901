/**
 * The primitives that call JavaScript from within programs: `debug_callback` and `debug_print` look at values, `io_callback` also gives
 * some back, `pure_callback` is a function that happens to be computed on the host. How each is batched follows JAX.
 */
import { NDArray } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import {
  debugEffect,
  ioEffect,
  orderedDebugEffect,
  orderedIoEffect,
  type Effect,
} from '../core/effects.ts';
import { dtypeInfo, heldDType } from '../core/dtype.ts';
import { ArgumentError, MissingRuleError } from '../core/errors.ts';
import type { AxisData, BatchDim, BatchResult, Primitive } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, flagText, tupleText } from '../lax/define.ts';
import { indexInDim } from '../lax/slicing.ts';
import { batchTo, broadcastInDim } from '../lax/structure.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type { LowerContext } from '../lowering/rules.ts';
import { deviceOf } from '../transforms/executables.ts';
import type { HostFunction } from './host-function.ts';
import type { PrintFormat } from './print-format.ts';
import { scan } from './scan.ts';

/** Call at once where values can be read at once; elsewhere the call takes its turn as a program. */
function callAtOnce(
  callback: HostFunction,
  args: readonly Value[],
  results: readonly Aval[],
): readonly Value[] | undefined {
  const device = deviceOf(args);
  return device.host
    ? callback.direct(
        args.filter((x) => x instanceof NDArray),
        results,
        device,
      )
    : undefined;
}

const lowerCall = (
  b: HloBuilder,
  args: readonly HloValue[],
  callback: HostFunction,
  { avalsOut }: LowerContext,
  hasEffects: boolean,
): HloValue[] =>
  b.hostCall(
    callback.host,
    args,
    avalsOut.map(({ shape, dtype }) => ({ shape, dtype: heldDType(dtype) })),
    hasEffects,
  );

/** A look at values over a batch: one call per lane, in the order of the lanes, as JAX makes them. */
function batchPerLane<P>(
  prim: Primitive<P>,
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: P,
  axis: AxisData,
): BatchResult {
  for (let lane = 0; lane < axis.size; lane++)
    prim.bind(
      args.map((x, i) => {
        const dim = dims[i];
        return dim === null ? x : indexInDim(x, lane, dim);
      }),
      params,
    );
  return [[], []];
}

/** Parameters of `debug_callback`. */
export interface DebugCallbackParams {
  readonly callback: HostFunction;
  readonly ordered: boolean;
}

const debugEffects = ({ ordered }: { readonly ordered: boolean }): readonly Effect[] => [
  ordered ? orderedDebugEffect : debugEffect,
];

/** `debug_callback`: call a function with values; it gives nothing back. Derivatives call it with primal values alone. */
export const debugCallbackP: Primitive<DebugCallbackParams> = definePrimitive<DebugCallbackParams>(
  'debug_callback',
  {
    abstractEval: () => [],
    lower: (b, args, { callback }, context) => lowerCall(b, args, callback, context, true),
    evaluate: (args, { callback }) => callAtOnce(callback, args, []),
    jvp: 'zero',
    batch: (args, dims, params, axis) => batchPerLane(debugCallbackP, args, dims, params, axis),
    effects: debugEffects,
    printParams: ({ callback, ordered }) => ({
      callback,
      effect: debugEffects({ ordered })[0],
      partitioned: flagText(false),
    }),
  },
);

/** Parameters of `debug_print`. */
export interface DebugPrintParams {
  readonly format: PrintFormat;
  readonly ordered: boolean;
}

/** `debug_print`: print values in a format. */
export const debugPrintP: Primitive<DebugPrintParams> = definePrimitive<DebugPrintParams>(
  'debug_print',
  {
    abstractEval: () => [],
    lower: (b, args, { format }, context) => lowerCall(b, args, format.callback, context, true),
    evaluate: (args, { format }) => callAtOnce(format.callback, args, []),
    jvp: 'zero',
    batch: (args, dims, params, axis) => batchPerLane(debugPrintP, args, dims, params, axis),
    effects: debugEffects,
    printParams: ({ format, ordered }) => ({
      ...format.shownParams(),
      ordered: flagText(ordered),
      partitioned: flagText(false),
    }),
  },
);

/** Types of results as JAX shows them. */
const typeText = (avals: readonly Aval[]): string =>
  tupleText(
    avals.map(
      ({ dtype, shape }) => `ShapedArray(${dtypeInfo[dtype].longName}[${shape.join(',')}])`,
    ),
  );

/** How callbacks can be batched. */
export const vmapMethods = [
  'sequential',
  'sequentialUnrolled',
  'expandDims',
  'broadcastAll',
  'legacyVectorized',
] as const;

/** How a callback is batched. */
export type VmapMethod = (typeof vmapMethods)[number];

/** Parameters of `pure_callback`. */
export interface PureCallbackParams {
  readonly callback: HostFunction;
  readonly resultAvals: readonly Aval[];
  readonly vmapMethod: VmapMethod | undefined;
}

/** One call after the other, over the lanes of a batch. */
function batchInTurn(
  args: readonly Value[],
  dims: readonly BatchDim[],
  axis: AxisData,
  call: (args: readonly Value[]) => readonly Value[],
  unroll = false,
): BatchResult {
  const batched = args.flatMap((x, i) =>
    dims[i] === null ? [] : [batchTo(x, dims[i], 0, axis.size)],
  );
  const [, outs] = scan(
    (carry: null, lanes: readonly Value[]): readonly [null, readonly Value[]] => {
      let next = 0;
      return [carry, call(args.map((x, i) => (dims[i] === null ? x : lanes[next++])))];
    },
    null,
    batched,
    { length: axis.size, unroll },
  );
  return [outs, outs.map(() => 0)];
}

function batchPure(
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: PureCallbackParams,
  axis: AxisData,
): BatchResult {
  const { vmapMethod, resultAvals } = params;
  const call = (xs: readonly Value[]): readonly Value[] => pureCallbackP.bind(xs, params);
  const atOnce = (xs: readonly Value[]): BatchResult => {
    const outs = pureCallbackP.bind(xs, {
      ...params,
      resultAvals: resultAvals.map((aval) => aval.withShape([axis.size, ...aval.shape])),
    });
    return [outs, outs.map(() => 0)];
  };
  /** Operands with their batch axis in front; those without one get one of this size. */
  const inFront = (size: number | undefined): Value[] =>
    args.map((x, i) => {
      if (dims[i] !== null) return batchTo(x, dims[i], 0, axis.size);
      return size === undefined
        ? x
        : broadcastInDim(
            x,
            [size, ...x.shape],
            x.shape.map((_, d) => d + 1),
          );
    });
  switch (vmapMethod) {
    case 'sequential':
    case 'sequentialUnrolled':
      return batchInTurn(args, dims, axis, call, vmapMethod === 'sequentialUnrolled');
    case 'expandDims':
      return atOnce(inFront(1));
    case 'broadcastAll':
      return atOnce(inFront(axis.size));
    case 'legacyVectorized':
      return atOnce(inFront(undefined));
    case undefined:
      throw new ArgumentError(
        "pureCallback: vmap must be told how to call the function; got no vmapMethod. Pass { vmapMethod: 'sequential' }, or 'expandDims' or 'broadcastAll' for a function that takes leading axes.",
      );
  }
}

/** `pure_callback`: a function without effects, computed on the host. */
export const pureCallbackP: Primitive<PureCallbackParams> = definePrimitive<PureCallbackParams>(
  'pure_callback',
  {
    abstractEval: (_, { resultAvals }) => resultAvals,
    lower: (b, args, { callback }, context) => lowerCall(b, args, callback, context, false),
    evaluate: (args, { callback, resultAvals }) => callAtOnce(callback, args, resultAvals),
    jvp() {
      throw new MissingRuleError(
        'pure_callback',
        'jvp',
        'Pure callbacks have no derivative: wrap the function in customJvp or customVjp, or stop the gradient of its arguments.',
      );
    },
    batch: batchPure,
    printParams: ({ callback, resultAvals, vmapMethod }) => ({
      callback,
      result_avals: typeText(resultAvals),
      sharding: 'None',
      vmap_method: vmapMethod?.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) ?? 'None',
    }),
  },
);

/** Parameters of `io_callback`. */
export interface IoCallbackParams {
  readonly callback: HostFunction;
  readonly resultAvals: readonly Aval[];
  readonly ordered: boolean;
}

/** `io_callback`: a function with effects on the world. */
export const ioCallbackP: Primitive<IoCallbackParams> = definePrimitive<IoCallbackParams>(
  'io_callback',
  {
    abstractEval: (_, { resultAvals }) => resultAvals,
    lower: (b, args, { callback }, context) => lowerCall(b, args, callback, context, true),
    evaluate: (args, { callback, resultAvals }) => callAtOnce(callback, args, resultAvals),
    jvp() {
      throw new MissingRuleError(
        'io_callback',
        'jvp',
        'Callbacks with effects have no derivative: call it with lax.stopGradient of its arguments.',
      );
    },
    batch(args, dims, params, axis) {
      if (params.ordered)
        throw new ArgumentError(
          'ioCallback: a batch has no order that ordered calls could keep; got an ordered callback under vmap. Leave ordered out, or loop with scan.',
        );
      return batchInTurn(args, dims, axis, (xs) => ioCallbackP.bind(xs, params));
    },
    effects: ({ ordered }) => [ordered ? orderedIoEffect : ioEffect],
    printParams: ({ callback, ordered, resultAvals }) => ({
      callback,
      ordered: flagText(ordered),
      result_avals: typeText(resultAvals),
      sharding: 'None',
    }),
  },
);
