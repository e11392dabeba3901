/**
 * The primitive `shard_map`: a function of one device, applied at all places of a mesh. It holds the function as a program over
 * blocks, with a spec for each operand and result; it runs as its batched form (`shard-expand.ts`).
 *
 * Derivatives: a result that its spec does not cut is one value that all devices hold. A copy of it on each of `n` devices gets
 * `1/n` of the cotangent, and the cotangent of an operand that is not cut is the sum over the devices that hold a copy of it.
 */
import { NDArray } from '../core/array.ts';
import { axisNamesIn, withAxes } from '../core/axis-env.ts';
import { isBig } from '../core/dtype.ts';
import { ArgumentError, LoweringError, ShapeError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { keyOf } from '../core/key.ts';
import { NamedSharding, PartitionSpec } from '../core/mesh.ts';
import {
  LinearArg,
  type AxisData,
  type BatchDim,
  type BatchResult,
  type JvpResult,
  type Primitive,
  type Tangent,
} from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { div } from '../lax/arithmetic.ts';
import { psum } from '../lax/collectives.ts';
import { definePrimitive, flagText } from '../lax/define.ts';
import { literalLike } from '../lax/operand.ts';
import { expandDims, squeeze } from '../lax/structure.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { defineDeadCode, pruneJaxpr } from './dead-code.ts';
import { evalJaxpr } from './jaxpr-eval.ts';
import { JaxprCache, maskKey, merge, where, whereNot } from './jaxpr-cache.ts';
import { jvpJaxpr, spread } from './jvp.ts';
import { definePartialEval, partialEvalJaxpr, type PartialTrace } from './linearize.ts';
import { expandShardMap, manualAxes, type ShardMapParams } from './shard-expand.ts';
import { traceClosed, type Closed } from './stage.ts';
import { transposeJaxpr } from './transpose.ts';
import { batchJaxpr } from './vmap-trace.ts';

const whole = new PartitionSpec();

/** A spec for values that are the same everywhere, one for each of these. */
const wholes = (values: readonly unknown[]): PartitionSpec[] => values.map(() => whole);

/** `shard_map`: apply a function of one device at all places of a mesh. */
export const shardMapP: Primitive<ShardMapParams> = definePrimitive<ShardMapParams>('shard_map', {
  abstractEval: (_, { mesh, jaxpr, outSpecs }) =>
    jaxpr.outAvals.map((aval, i) =>
      aval.withShape(new NamedSharding(mesh, outSpecs[i]).globalShape(aval.shape)),
    ),
  lower(b, args, params, context) {
    const { perDevice } = context;
    if (perDevice !== undefined) return withAxes(manualAxes(params), () => perDevice(params, args));
    const { jaxpr, consts } = expandShardMap(params);
    return context.inline(jaxpr, [...consts.map((x) => embed(b, x)), ...args]);
  },
  jvp: (primals, tangents, params) => jvpShardMap(primals, tangents, params),
  transpose: (cts, args, params) => transposeShardMap(cts, args, params),
  batch: (args, dims, params, axis) => batchShardMap(args, dims, params, axis),
  boundAxes: manualAxes,
  effects: ({ jaxpr }) => jaxpr.effects,
  printParams: ({ mesh, axisNames, jaxpr, inSpecs, outSpecs, checkVma }) => ({
    check_vma: flagText(checkVma),
    in_specs: inSpecs,
    jaxpr,
    mesh,
    ...(axisNames.length < mesh.axisNames.length ? { newly_manual_axes: axisNames } : {}),
    out_specs: outSpecs,
  }),
});

/** An array that a batching rule of the body made, as a constant of the program. */
function embed(b: HloBuilder, x: Value): HloValue {
  if (!(x instanceof NDArray) || x.device.readSync === undefined)
    throw new LoweringError(
      `shard_map: what a rule of a primitive captures must be an array that can be read at once; got ${x.toString()}. Pass it to the function as an argument.`,
    );
  const values = x.dataSync();
  return b.constantArray(
    isBig(x.dtype) ? Array.from(values, BigInt) : Array.from(values, Number),
    x.dtype,
    x.shape,
  );
}

function jvpShardMap(
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: ShardMapParams,
): JvpResult {
  const { jaxpr, inSpecs, outSpecs } = params;
  const nonzero = tangents.map((t) => t !== null);
  const derived = withAxes(manualAxes(params), () => jvpJaxpr(jaxpr, nonzero));
  const given = tangents.filter((t) => t !== null);
  const outs = shardMapP.bind([...derived.consts, ...primals, ...given], {
    ...params,
    jaxpr: derived.jaxpr,
    inSpecs: [...wholes(derived.consts), ...inSpecs, ...where(inSpecs, nonzero)],
    outSpecs: [...outSpecs, ...where(outSpecs, derived.nonzeroOut)],
  });
  const count = jaxpr.outvars.length;
  return [outs.slice(0, count), spread(derived.nonzeroOut, outs.slice(count))];
}

// --- vmap ---------------------------------------------------------------------------------------------------------------------

function batchShardMap(
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: ShardMapParams,
  axis: AxisData,
): BatchResult {
  const { mesh, axisNames, jaxpr, inSpecs, outSpecs } = params;
  const over = spreadOver(params, axis);
  const count = mesh.sizeAlong(over);
  if (axis.size % count !== 0)
    throw new ShapeError(
      `shardMap: a mapped axis that spmdAxisName spreads must be a multiple of the number of devices; got size ${axis.size} for ${count} devices along ${over.join(', ')}. Pad the mapped axis, or leave out spmdAxisName.`,
    );
  // A name of the mesh hides the same name outside.
  const hidden = axis.name !== undefined && axisNames.includes(axis.name);
  const inner: AxisData = {
    size: axis.size / count,
    name: hidden ? undefined : axis.name,
  };
  const derived = withAxes(manualAxes(params), () =>
    batchJaxpr(jaxpr, inner, dims, { anywhere: true }),
  );
  const outs = shardMapP.bind([...derived.consts, ...args], {
    ...params,
    jaxpr: derived.jaxpr,
    inSpecs: [...wholes(derived.consts), ...inSpecs.map((s, i) => withAxis(s, dims[i], over))],
    outSpecs: outSpecs.map((s, i) => withAxis(s, derived.dimsOut[i], over)),
  });
  return [outs, derived.dimsOut];
}

/** The spec of an array with one more axis, which these mesh axes cut. */
function withAxis(spec: PartitionSpec, dim: BatchDim, over: readonly string[]): PartitionSpec {
  if (dim === null) return spec;
  const padded = Array.from({ length: Math.max(dim, spec.entries.length) }, (_, i) =>
    i < spec.entries.length ? spec.entries[i] : null,
  );
  const entry = over.length === 0 ? null : over.length === 1 ? over[0] : over;
  return new PartitionSpec(...padded.toSpliced(dim, 0, entry));
}

/**
 * The mesh axes that a mapped axis is spread over.
 *
 * @throws ArgumentError when they are no axes of the mesh, or have a meaning inside the function.
 */
function spreadOver(params: ShardMapParams, { name, spmdName = [] }: AxisData): readonly string[] {
  const { mesh, axisNames, jaxpr, inSpecs, outSpecs } = params;
  const inside = axisNamesIn(jaxpr);
  // Collectives over the mapped axis need all of it; where it lies is no part of the meaning.
  if (name !== undefined && inside.has(name)) return [];
  const stranger = spmdName.find((one) => !axisNames.includes(one));
  if (stranger !== undefined)
    throw new ArgumentError(
      `vmap: spmdAxisName must name axes of the mesh of the shardMap inside; got '${stranger}' for ${mesh.toString()}. Use one of ${axisNames.join(', ')}.`,
    );
  const used = new Set([...inSpecs, ...outSpecs].flatMap((spec) => spec.names.flat()));
  const taken = spmdName.find((one) => used.has(one) || inside.has(one));
  if (taken !== undefined)
    throw new ArgumentError(
      `vmap: spmdAxisName must be free in the shardMap inside; got '${taken}', which its specs or collectives use. Spread the mapped axis over another axis of the mesh.`,
    );
  return spmdName;
}

// --- reverse mode -------------------------------------------------------------------------------------------------------------

/** A body split in two. Residuals that the known part computes differ from device to device: they travel as stacked blocks. */
interface SplitBody {
  readonly consts: readonly Value[];
  /** Captured values, known inputs → known outputs, stacked residuals. */
  readonly known: Jaxpr;
  /** Residuals (inputs as they are, outputs stacked), unknown inputs → unknown outputs. */
  readonly unknown: Jaxpr;
  readonly unknownOut: readonly boolean[];
  /** For each residual: which known input it is, or undefined for the next stacked one. */
  readonly residualInputs: readonly (number | undefined)[];
}

const splits = new JaxprCache<SplitBody>();

const splitBody = (params: ShardMapParams, unknownIn: readonly boolean[]): SplitBody =>
  splits.get(params.jaxpr, `${maskKey(unknownIn)} ${keyOf(manualAxes(params))}`, () =>
    withAxes(manualAxes(params), () => {
      const { consts, known, unknown, unknownOut, residuals } = partialEvalJaxpr(
        params.jaxpr,
        unknownIn,
      );
      const knownCount = unknownOut.filter((on) => !on).length;
      const stacked = residuals.flatMap(({ from, index }) => (from === 'output' ? [index] : []));
      const first = traceClosed((xs) => {
        const outs = evalJaxpr(known, xs);
        return [...outs.slice(0, knownCount), ...stacked.map((i) => expandDims(outs[i], 0))];
      }, known.inAvals);
      const isStacked = unknown.invars.map((_, i) => residuals[i]?.from === 'output');
      const rest = traceClosed(
        (xs) =>
          evalJaxpr(
            unknown,
            xs.map((x, i) => (isStacked[i] ? squeeze(x, 0) : x)),
          ),
        unknown.inAvals.map((a, i) => (isStacked[i] ? a.withShape([1, ...a.shape]) : a)),
      );
      return {
        consts: [...first.consts, ...consts],
        known: first.jaxpr,
        unknown: rest.jaxpr,
        unknownOut,
        residualInputs: residuals.map(({ from, index }) => (from === 'input' ? index : undefined)),
      };
    }),
  );

function splitShardMap(
  trace: PartialTrace,
  args: readonly Value[],
  unknown: readonly boolean[],
  params: ShardMapParams,
): readonly Value[] {
  const { axisNames, inSpecs, outSpecs } = params;
  const parts = splitBody(params, unknown);
  const knownIn = whereNot(args, unknown);
  const knownSpecs = whereNot(inSpecs, unknown);
  const knownOutSpecs = whereNot(outSpecs, parts.unknownOut);
  const perDevice = new PartitionSpec(axisNames);
  const stackedCount = parts.residualInputs.filter((from) => from === undefined).length;
  const computed = trace.known(() =>
    parts.known.outvars.length === 0
      ? []
      : shardMapP.bind([...parts.consts, ...knownIn], {
          ...params,
          jaxpr: parts.known,
          inSpecs: [...wholes(parts.consts), ...knownSpecs],
          outSpecs: [
            ...knownOutSpecs,
            ...Array.from({ length: stackedCount }, (): PartitionSpec => perDevice),
          ],
        }),
  );
  let next = knownOutSpecs.length;
  const residuals = parts.residualInputs.map((from) =>
    from === undefined ? computed[next++] : knownIn[from],
  );
  const residualSpecs = parts.residualInputs.map((from) =>
    from === undefined ? perDevice : knownSpecs[from],
  );
  const rest = trace.record(shardMapP, [...residuals, ...where(args, unknown)], {
    ...params,
    jaxpr: parts.unknown,
    inSpecs: [...residualSpecs, ...where(inSpecs, unknown)],
    outSpecs: where(outSpecs, parts.unknownOut),
  });
  return merge<Value>(parts.unknownOut, rest, computed.slice(0, knownOutSpecs.length));
}

definePartialEval(shardMapP, splitShardMap);

/** A transposed body: captured values, values, cotangents → cotangents of the linear operands that get one. */
interface TransposedBody extends Closed {
  readonly nonzeroOut: readonly boolean[];
}

const transposes = new JaxprCache<TransposedBody>();

/** The axes that a spec does not name: devices along them hold copies. */
const copiedOver = ({ axisNames }: ShardMapParams, spec: PartitionSpec): string[] => {
  const names = spec.names.flat();
  return axisNames.filter((name) => !names.includes(name));
};

function transposeBody(
  params: ShardMapParams,
  linear: readonly boolean[],
  nonzero: readonly boolean[],
): TransposedBody {
  const { mesh, axisNames, jaxpr, inSpecs, outSpecs } = params;
  const key = `${maskKey(linear)} ${maskKey(nonzero)} ${keyOf([mesh, axisNames, inSpecs, outSpecs])}`;
  return transposes.get(jaxpr, key, () =>
    withAxes(manualAxes(params), () => {
      const derived = transposeJaxpr(jaxpr, linear, nonzero);
      const fixed = whereNot(jaxpr.inAvals, linear);
      const ctSpecs = where(outSpecs, nonzero);
      const backSpecs = where(where(inSpecs, linear), derived.nonzeroOut);
      const closed = traceClosed(
        (xs) => {
          const cts = xs.slice(fixed.length).map((ct, i) => {
            const copies = mesh.sizeAlong(copiedOver(params, ctSpecs[i]));
            return copies === 1 ? ct : div(ct, literalLike(copies, ct));
          });
          const operands = [...derived.consts, ...xs.slice(0, fixed.length), ...cts];
          return evalJaxpr(derived.jaxpr, operands).map((ct, i) => {
            const names = copiedOver(params, backSpecs[i]);
            return names.length === 0 ? ct : psum(ct, names);
          });
        },
        [...fixed, ...where(jaxpr.outAvals, nonzero)],
      );
      return { ...closed, nonzeroOut: derived.nonzeroOut };
    }),
  );
}

function transposeShardMap(
  cts: readonly Tangent[],
  args: readonly (Value | LinearArg)[],
  params: ShardMapParams,
): Tangent[] {
  const { inSpecs, outSpecs } = params;
  const linear = args.map((x) => x instanceof LinearArg);
  const nonzero = cts.map((ct) => ct !== null);
  const fixed = args.filter((x): x is Value => !(x instanceof LinearArg));
  const given = cts.filter((ct) => ct !== null);
  const derived = transposeBody(params, linear, nonzero);
  const outs = shardMapP.bind([...derived.consts, ...fixed, ...given], {
    ...params,
    jaxpr: derived.jaxpr,
    inSpecs: [...wholes(derived.consts), ...whereNot(inSpecs, linear), ...where(outSpecs, nonzero)],
    outSpecs: where(where(inSpecs, linear), derived.nonzeroOut),
  });
  return merge<Tangent>(
    linear,
    spread(derived.nonzeroOut, outs),
    fixed.map(() => null),
  );
}

// --- dead code ----------------------------------------------------------------------------------------------------------------

defineDeadCode(shardMapP, (usedOut, params) => {
  const { jaxpr, usedIn } = pruneJaxpr(params.jaxpr, usedOut);
  if (jaxpr === params.jaxpr) return undefined;
  const inSpecs = where(params.inSpecs, usedIn);
  const outSpecs = where(params.outSpecs, usedOut);
  return { params: { ...params, jaxpr, inSpecs, outSpecs }, usedIn, keptOut: usedOut };
});
