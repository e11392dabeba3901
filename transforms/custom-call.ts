/**
 * The primitives behind `customJvp` and `customVjp`. Their params hold JavaScript functions of flat lists: eager calls run them,
 * transformations wrap them, and when an equation is recorded the function itself becomes a jaxpr while its rule stays a
 * function, traced by whoever differentiates the program.
 */
import { axisNamesIn } from '../core/axis-env.ts';
import { ArgumentError, ShapeError, TracerLeakError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import {
  LinearArg,
  type AxisData,
  type BatchDim,
  type BatchResult,
  type Primitive,
  type Tangent,
} from '../core/primitive.ts';
import { avalsOf } from '../core/trace.ts';
import type { Aval } from '../core/aval.ts';
import type { Value } from '../core/value.ts';
import { definePrimitive, flagText, type PrimitiveRecord } from '../lax/define.ts';
import { batchTo, reduceSum } from '../lax/structure.ts';
import { defineGuard, guardJaxpr } from './guard.ts';
import { where } from './jaxpr-cache.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { transposeCall } from './jit-call.ts';
import { traceClosed, type FlatFunction } from './stage.ts';
import { batchFlat, defineFunctionBatch } from './vmap-trace.ts';
import { instantiate, isDifferentiable } from './zeros.ts';

/** What both primitives know of the function. */
interface CustomCall {
  readonly name: string;
  /** The function; its first `constCount` operands are values that a recorded call captures. */
  readonly fun: FlatFunction;
  /** The function as a program, once the call is recorded. */
  readonly callJaxpr: Jaxpr | undefined;
  readonly constCount: number;
  readonly symbolicZeros: boolean;
}

/** A derivative rule on flat lists: values and tangents → values and tangents of the outputs. */
export type FlatJvpRule = (
  primals: readonly Value[],
  tangents: readonly Tangent[],
) => readonly [outs: readonly Value[], tangents: readonly Tangent[]];

/** Parameters of `custom_jvp_call`. */
export interface CustomJvpParams extends CustomCall {
  readonly jvp: FlatJvpRule;
  readonly jvpName: string;
}

/** What the forward function of a custom VJP gives. */
export interface ForwardResult {
  readonly outs: readonly Value[];
  readonly residuals: readonly Value[];
  /** The backward function; it closes over no values. */
  readonly backward: FlatBackward;
}

/** Residuals and cotangents of the outputs → cotangents of the arguments. */
export type FlatBackward = (
  residuals: readonly Value[],
  cts: readonly Tangent[],
) => readonly Tangent[];

/** The forward function of a custom VJP: the arguments, and which of them are differentiated. */
export type FlatForward = (args: readonly Value[], perturbed: readonly boolean[]) => ForwardResult;

/** Parameters of `custom_vjp_call`. */
export interface CustomVjpParams extends CustomCall {
  readonly forward: FlatForward;
  readonly forwardName: string;
  readonly backwardName: string;
}

/** The rules that do not depend on which derivative the call brings. */
const callRules = <P extends CustomCall>(): PrimitiveRecord<P> => ({
  abstractEval: (avals, { callJaxpr, fun }) =>
    (callJaxpr ?? traceClosed(fun, avals).jaxpr).outAvals,
  lower: (_, args, { callJaxpr }, context) => context.inline(recorded(callJaxpr), args),
  evaluate: (args, { fun }) => fun(args),
  stage: stageCall,
  effects: ({ callJaxpr }) => callJaxpr?.effects ?? [],
});

/** Record the function as a program; what it captures becomes its first operands. */
function stageCall<P extends CustomCall>(
  args: readonly Value[],
  params: P,
): { readonly args: readonly Value[]; readonly params: P } {
  if (params.callJaxpr !== undefined) return { args, params };
  const { jaxpr, consts } = traceClosed(params.fun, avalsOf(args), params.name);
  const constCount = params.constCount + consts.length;
  const fun: FlatFunction = (xs) => evalJaxpr(jaxpr, xs);
  return { args: [...consts, ...args], params: { ...params, callJaxpr: jaxpr, constCount, fun } };
}

/** The function under a condition, which its rule sees as a captured value. */
function guardCustom<P extends CustomCall>(prim: Primitive<P>): void {
  defineGuard(prim, (on, args, params) => {
    const { jaxpr, consts } = guardJaxpr(recorded(params.callJaxpr));
    return prim.bind([...consts, on, ...args], {
      ...params,
      fun: (xs) => evalJaxpr(jaxpr, xs),
      callJaxpr: jaxpr,
      constCount: consts.length + 1 + params.constCount,
    });
  });
}

/** `custom_jvp_call`: call a function that brings its own forward derivative. */
export const customJvpCallP: Primitive<CustomJvpParams> = definePrimitive<CustomJvpParams>(
  'custom_jvp_call',
  {
    ...callRules<CustomJvpParams>(),
    jvp(primals, tangents, params) {
      const { name, jvp, constCount, symbolicZeros } = params;
      refuseCaptured(name, tangents, constCount);
      const xs = primals.slice(constCount);
      const given = tangents
        .slice(constCount)
        .map((t, i) => (symbolicZeros ? t : fill(t, xs[i].aval)));
      const result = jvp(xs, given);
      checkOutputs('customJvp', name, params.callJaxpr, result[0]);
      return result;
    },
    // A rule may itself call functions with custom rules; in the linear program they are plain calls.
    transpose: (cts, args, { name, callJaxpr }) =>
      transposeCall({ name, jaxpr: recorded(callJaxpr) }, cts, args),
    printParams: ({ name, callJaxpr, jvpName, symbolicZeros }) => ({
      name,
      call_jaxpr: callJaxpr,
      jvp: jvpName,
      symbolic_zeros: flagText(symbolicZeros),
    }),
  },
);

guardCustom(customJvpCallP);

const fill = (t: Tangent, aval: Aval): Tangent =>
  isDifferentiable(aval) ? instantiate(t, aval) : t;

function recorded(jaxpr: Jaxpr | undefined): Jaxpr {
  if (jaxpr === undefined)
    throw new ArgumentError(
      'custom rule: the call was not recorded; got a function. Trace it with jit first.',
    );
  return jaxpr;
}

/** Values that the function captures are constants to its rule: a derivative through them would be lost. */
function refuseCaptured(name: string, tangents: readonly Tangent[], constCount: number): void {
  if (tangents.slice(0, constCount).some((t) => t !== null))
    throw new TracerLeakError(
      `${name}: a function with a custom derivative rule must not capture values that are differentiated; got one of ${constCount}. Pass them as arguments.`,
    );
}

/**
 * A rule must give results of the types that the function has; they are known where the function was recorded.
 *
 * @throws ShapeError when they differ.
 */
export function checkOutputs(
  op: string,
  name: string,
  fun: Jaxpr | undefined,
  outs: readonly Value[],
): void {
  if (fun === undefined) return;
  const wanted = fun.outAvals;
  const fits =
    wanted.length === outs.length &&
    wanted.every((aval, i) => aval.strong().key === outs[i].aval.strong().key);
  if (fits) return;
  const show = (avals: readonly Aval[]): string => `[${avals.map(String).join(', ')}]`;
  throw new ShapeError(
    `${op}: a rule must give results of the types that the function has, ${show(wanted)}; got ${show(avalsOf(outs))} from that of ${name}. Return the value of the function as the first of the pair.`,
  );
}

/** Give every output its batch axis at 0, so that values and tangents agree. */
const allBatched = (outs: readonly Value[], dims: readonly BatchDim[], axis: AxisData): Value[] =>
  outs.map((out, i) => batchTo(out, dims[i], 0, axis.size));

/**
 * Whether a call is the same at all indices of an axis: it was recorded, so that all it captures is among its operands, none of
 * them is batched, and its program does not name the axis.
 */
const isSameForAll = (
  { callJaxpr }: CustomCall,
  dims: readonly BatchDim[],
  { name }: AxisData,
): boolean =>
  callJaxpr !== undefined &&
  dims.every((d) => d === null) &&
  (name === undefined || !axisNamesIn(callJaxpr).has(name));

defineFunctionBatch(customJvpCallP, (trace, args, dims, params): BatchResult => {
  const { axis, tag } = trace;
  if (isSameForAll(params, dims, axis)) {
    const same = customJvpCallP.bind(args, params);
    return [same, same.map(() => null)];
  }
  const fun: FlatFunction = (xs) => {
    const [outs, found] = batchFlat(params.fun, axis, xs, dims, tag);
    return allBatched(outs, found, axis);
  };
  const argDims = dims.slice(params.constCount);
  const jvp: FlatJvpRule = (primals, tangents) => {
    const given = tangents.filter((t) => t !== null);
    let count = 0;
    const [outs, found] = batchFlat(
      (xs) => {
        let next = primals.length;
        const [ys, yTangents] = params.jvp(
          xs.slice(0, primals.length),
          tangents.map((t) => (t === null ? null : xs[next++])),
        );
        count = ys.length;
        return [...ys, ...yTangents.map((t, i) => instantiate(t, ys[i].aval))];
      },
      axis,
      [...primals, ...given],
      [...argDims, ...argDims.filter((_, i) => tangents[i] !== null)],
      tag,
    );
    const all = allBatched(outs, found, axis);
    return [all.slice(0, count), all.slice(count)];
  };
  const outs = customJvpCallP.bind(args, { ...params, fun, jvp, callJaxpr: undefined });
  return [outs, outs.map(() => 0)];
});

/** `custom_vjp_call`: call a function that brings its own reverse derivative. */
export const customVjpCallP: Primitive<CustomVjpParams> = definePrimitive<CustomVjpParams>(
  'custom_vjp_call',
  {
    ...callRules<CustomVjpParams>(),
    jvp(primals, tangents, params) {
      refuseCaptured(params.name, tangents, params.constCount);
      const xs = primals.slice(params.constCount);
      const perturbed = tangents.slice(params.constCount).map((t) => t !== null);
      const { outs, residuals, backward } = params.forward(xs, perturbed);
      checkOutputs('customVjp', params.name, params.callJaxpr, outs);
      const outAvals = avalsOf(outs);
      const active = xs.map((x) => isDifferentiable(x.aval));
      const given = where(tangents.slice(params.constCount), active);
      const givenAvals = where(avalsOf(xs), active);
      const filled = given.map((t, i) => instantiate(t, givenAvals[i]));
      const outTangents = customLinP.bind([...residuals, ...filled], {
        name: params.name,
        residualCount: residuals.length,
        symbolicZeros: params.symbolicZeros,
        outAvals: outAvals.filter(isDifferentiable),
        backward: activeBackward(backward, outAvals, active),
      });
      let next = 0;
      return [outs, outAvals.map((aval) => (isDifferentiable(aval) ? outTangents[next++] : null))];
    },
    printParams: ({ name, callJaxpr, forwardName, backwardName, symbolicZeros }) => ({
      name,
      bwd: backwardName,
      call_jaxpr: callJaxpr,
      fwd: forwardName,
      symbolic_zeros: flagText(symbolicZeros),
    }),
  },
);

guardCustom(customVjpCallP);

/** The backward function between the arrays that have tangents. Linear programs keep it: it holds no values. */
const activeBackward =
  (backward: FlatBackward, outAvals: readonly Aval[], active: readonly boolean[]): FlatBackward =>
  (residuals, cts) => {
    let next = 0;
    const all = outAvals.map((aval) => (isDifferentiable(aval) ? cts[next++] : null));
    return backward(residuals, all).filter((_, i) => active[i]);
  };

defineFunctionBatch(customVjpCallP, (trace, args, dims, params): BatchResult => {
  const { axis, tag } = trace;
  if (isSameForAll(params, dims, axis)) {
    const same = customVjpCallP.bind(args, params);
    return [same, same.map(() => null)];
  }
  const fun: FlatFunction = (xs) => {
    const [outs, found] = batchFlat(params.fun, axis, xs, dims, tag);
    return allBatched(outs, found, axis);
  };
  const argDims = dims.slice(params.constCount);
  const forward: FlatForward = (xs, perturbed) => {
    let result: ForwardResult | undefined;
    const [outs, found] = batchFlat(
      (ys) => {
        result = params.forward(ys, perturbed);
        return [...result.outs, ...result.residuals];
      },
      axis,
      xs,
      argDims,
      tag,
    );
    const { outs: plain, backward } = made(result);
    const count = plain.length;
    const residualDims = found.slice(count);
    return {
      outs: allBatched(outs.slice(0, count), found, axis),
      residuals: outs.slice(count),
      backward: batchBackward(backward, axis, tag, residualDims, argDims),
    };
  };
  const outs = customVjpCallP.bind(args, { ...params, fun, forward, callJaxpr: undefined });
  return [outs, outs.map(() => 0)];
});

function made<T>(x: T | undefined): T {
  if (x === undefined)
    throw new ArgumentError(
      'customVjp: the forward function was not called. Call it before its backward function.',
    );
  return x;
}

/** The backward function over a batch axis; cotangents of arguments without that axis are summed over it. */
function batchBackward(
  backward: FlatBackward,
  axis: AxisData,
  tag: object,
  residualDims: readonly BatchDim[],
  argDims: readonly BatchDim[],
): FlatBackward {
  return (residuals, cts) => {
    const given = cts.filter((ct) => ct !== null);
    let present: readonly boolean[] = [];
    const [outs, found] = batchFlat(
      (xs) => {
        let next = residuals.length;
        const all = backward(
          xs.slice(0, residuals.length),
          cts.map((ct) => (ct === null ? null : xs[next++])),
        );
        present = all.map((ct) => ct !== null);
        return all.filter((ct) => ct !== null);
      },
      axis,
      [...residuals, ...given],
      [...residualDims, ...given.map(() => 0)],
      tag,
    );
    let next = 0;
    return present.map((on, i) => {
      if (!on) return null;
      const at = next++;
      const to = argDims[i];
      if (to !== null) return batchTo(outs[at], found[at], to, axis.size);
      const dim = found[at];
      return dim === null ? outs[at] : reduceSum(outs[at], [dim]);
    });
  };
}

/** Parameters of `custom_lin`. */
export interface CustomLinParams {
  readonly name: string;
  readonly residualCount: number;
  /** Whether the backward function takes the symbolic zero. */
  readonly symbolicZeros: boolean;
  readonly outAvals: readonly Aval[];
  readonly backward: FlatBackward;
}

/**
 * `custom_lin`: the derivative of a function with a custom VJP, known only backwards. Operands are residuals and tangents; it
 * stands in linear programs until it is transposed, and can never be computed forwards.
 */
export const customLinP: Primitive<CustomLinParams> = definePrimitive<CustomLinParams>(
  'custom_lin',
  {
    abstractEval: (_, { outAvals }) => outAvals,
    lower: (_b, _args, params) => refuseForward(params),
    evaluate: (_, params) => refuseForward(params),
    jvp: (_primals, _tangents, params) => refuseForward(params),
    transpose(cts, args, { residualCount, symbolicZeros, outAvals, backward }) {
      const residuals = args
        .slice(0, residualCount)
        .filter((x): x is Value => !(x instanceof LinearArg));
      const filled = symbolicZeros ? cts : cts.map((ct, i) => instantiate(ct, outAvals[i]));
      return [...residuals.map(() => null), ...backward(residuals, filled)];
    },
    printParams: ({ name }) => ({ bwd: name }),
  },
);

defineFunctionBatch(customLinP, (trace, args, dims, params): BatchResult => {
  const { axis, tag } = trace;
  const count = params.residualCount;
  const tangents = args.slice(count).map((x, i) => batchTo(x, dims[count + i], 0, axis.size));
  const outs = customLinP.bind([...args.slice(0, count), ...tangents], {
    ...params,
    outAvals: params.outAvals.map((aval) => aval.withShape([axis.size, ...aval.shape])),
    backward: batchBackward(
      params.backward,
      axis,
      tag,
      dims.slice(0, count),
      tangents.map(() => 0),
    ),
  });
  return [outs, outs.map(() => 0)];
});

function refuseForward({ name }: CustomLinParams): never {
  throw new ArgumentError(
    `customVjp: a function with a custom VJP has no forward-mode derivative; got jvp of ${name}. Use reverse mode (grad, vjp, jacrev), or define the derivative with customJvp.`,
  );
}
