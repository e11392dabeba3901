/**
 * `pallasCall`: a kernel as a function of arrays, and `pallas_call`, the higher-order primitive behind it. vmap adds a leading parallel axis to the
 * grid; forward mode differentiates the body; reverse mode goes through `customVjp`. It lowers to a composite that carries the tile kernel.
 */
import { describe, NDArray, type ArrayLike } from '../core/array.ts';
import { Aval } from '../core/aval.ts';
import { isInteger } from '../core/dtype.ts';
import { ArgumentError, MissingRuleError, ShapeError, TreeError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import type {
  AxisData,
  BatchDim,
  BatchResult,
  JvpResult,
  Primitive,
  Tangent,
} from '../core/primitive.ts';
import { sameShape } from '../core/shape.ts';
import { avalsOf, isEager } from '../core/trace.ts';
import { flatten, unflatten } from '../core/tree.ts';
import { Value } from '../core/value.ts';
import { convertElementType } from '../lax/convert.ts';
import { definePrimitive } from '../lax/define.ts';
import { batchTo } from '../lax/structure.ts';
import { kernelComposite } from '../lowering/fuse/alone.ts';
import { printKernel } from '../lowering/tile/print.ts';
import { checkSync, toValue } from '../transforms/flat-function.ts';
import { evalJaxpr } from '../transforms/jaxpr-eval.ts';
import { jvpJaxpr } from '../transforms/jvp.ts';
import { definePartialEval } from '../transforms/linearize.ts';
import { dropDead, reorder, traceToJaxpr } from '../transforms/stage.ts';
import { ShapeDtypeStruct } from '../transforms/shape-struct.ts';
import { isDifferentiable } from '../transforms/zeros.ts';
import { emulate } from './emulate.ts';
import {
  BlockSpec,
  withGrid,
  type BlockSize,
  type DimensionSemantics,
  type IndexMap,
} from './grid.ts';
import { interpretCall } from './interpret-call.ts';
import { kernelOf } from './lower.ts';
import { refAval, type CostEstimate, type OperandBlocks, type PallasParams } from './params.ts';
import { Ref } from '../lax/ref.ts';

/** `pallas_call`: run a kernel over a grid. */
export const pallasCallP: Primitive<PallasParams> = definePrimitive<PallasParams>('pallas_call', {
  abstractEval: (_, { outputs }) => outputs.map((o) => o.array),
  jvp: (primals, tangents, params) => jvpCall(primals, tangents, params),
  transpose() {
    throw noReverse();
  },
  batch: (args, dims, params, axis) => batchCall(args, dims, params, axis),
  lower(b, args, params, context) {
    const kernel = kernelOf(params);
    const operands = [...args];
    params.outputs.forEach((_, i) => {
      const alias = params.aliases.find(([, output]) => output === i);
      if (alias !== undefined) operands.push(args[alias[0]]);
    });
    const types = params.outputs.map(({ array: { shape, dtype } }) => ({ shape, dtype }));
    if (params.interpret) return emulate(b, kernel, operands);
    const symbol = context.defineBody(
      `${kernel.name}_emulation`,
      operands.map((x) => x.type),
      (inner, inputs) => emulate(inner, kernel, inputs),
    );
    return b.composite(kernelComposite, symbol, { kernel: printKernel(kernel) }, operands, types);
  },
  printParams: ({ grid, jaxpr, name }) => ({
    grid: `(${grid.join(', ')}${grid.length === 1 ? ',' : ''})`,
    jaxpr,
    name,
  }),
});

// Linearization needs values and tangents apart, and a differentiated kernel computes both at once.
definePartialEval(pallasCallP, (trace, args, unknown, params) => {
  if (params.isDerivative && unknown.includes(false)) throw noReverse();
  return trace.record(pallasCallP, args, params);
});

const noReverse = (): MissingRuleError =>
  new MissingRuleError(
    'pallas_call',
    'transpose',
    'A kernel has no derivative in reverse mode by itself: wrap the call in customVjp with a backward kernel.',
  );

/** Differentiate the body: every float ref gets a ref of tangents beside it. */
function jvpCall(
  primals: readonly Value[],
  tangents: readonly Tangent[],
  params: PallasParams,
): JvpResult {
  const outs = params.outputs.map((o) => isDifferentiable(o.array));
  // Integers carry no tangents: the kernel stays as it is, and linearization knows its results.
  if (!outs.includes(true)) return [pallasCallP.bind(primals, params), outs.map(() => null)];
  if (params.aliases.length > 0)
    throw new ArgumentError(
      'pallasCall: a kernel with input-output aliases has no forward derivative; got one to differentiate. Wrap it in customJvp or customVjp.',
    );
  const nonzero = tangents.map((t) => t !== null);
  const scratch = params.scratch.map((s) => isDifferentiable(s));
  const mask = [...nonzero, ...outs, ...scratch];
  const { jaxpr } = jvpJaxpr(params.jaxpr, mask);
  const [nIn, nOut, nScratch] = [nonzero.length, outs.length, scratch.length];
  const count = (flags: readonly boolean[]): number => flags.filter(Boolean).length;
  const range = (from: number, n: number): number[] =>
    Array.from({ length: n }, (_, i) => from + i);
  const first = nIn + nOut + nScratch;
  const [inDots, outDots, scratchDots] = [count(nonzero), count(outs), count(scratch)];
  const order = [
    ...range(0, nIn),
    ...range(first, inDots),
    ...range(nIn, nOut),
    ...range(first + inDots, outDots),
    ...range(nIn + nOut, nScratch),
    ...range(first + inDots + outDots, scratchDots),
  ];
  const results = pallasCallP.bind([...primals, ...tangents.filter((t) => t !== null)], {
    ...params,
    name: `${params.name}_jvp`,
    isDerivative: true,
    jaxpr: reorder(jaxpr, order, []),
    inputs: [...params.inputs, ...params.inputs.filter((_, i) => nonzero[i])],
    outputs: [...params.outputs, ...params.outputs.filter((_, i) => outs[i])],
    scratch: [...params.scratch, ...params.scratch.filter((_, i) => scratch[i])],
  });
  let next = nOut;
  return [results.slice(0, nOut), outs.map((on) => (on ? results[next++] : null))];
}

/** One more parallel axis in front of the grid; a squeezed dimension in the blocks of what is batched. */
function batchCall(
  args: readonly Value[],
  dims: readonly BatchDim[],
  params: PallasParams,
  { size }: AxisData,
): BatchResult {
  const aliased = new Set(params.aliases.map(([input]) => input));
  const placed = args.map((x, i) => (aliased.has(i) ? batchTo(x, dims[i], 0, size) : x));
  const at = dims.map((d, i) => (aliased.has(i) ? 0 : d));
  const widen = (blocks: OperandBlocks, dim: BatchDim): OperandBlocks => {
    const n = params.grid.length;
    const scalars = Array.from({ length: n + 1 }, () => new Aval([], 'i32'));
    const indexMap = traceToJaxpr(
      ([lane, ...ids]) => {
        const index = evalJaxpr(blocks.indexMap, ids);
        return dim === null ? index : index.toSpliced(dim, 0, lane);
      },
      scalars,
      'index map',
    );
    if (dim === null) return { ...blocks, indexMap };
    return {
      array: blocks.array.withShape(blocks.array.shape.toSpliced(dim, 0, size)),
      blockShape: blocks.blockShape.toSpliced(dim, 0, null),
      indexMap,
    };
  };
  const outs = pallasCallP.bind(placed, {
    ...params,
    grid: [size, ...params.grid],
    semantics: ['parallel', ...params.semantics],
    inputs: params.inputs.map((blocks, i) => widen(blocks, at[i])),
    outputs: params.outputs.map((blocks) => widen(blocks, 0)),
    hiddenAxes: params.hiddenAxes + 1,
    cost: params.cost === undefined ? undefined : scaleCost(params.cost, size),
  });
  return [outs, outs.map(() => 0)];
}

const scaleCost = (cost: CostEstimate, n: number): CostEstimate => ({
  flops: cost.flops * n,
  transcendentals: cost.transcendentals * n,
  bytesAccessed: cost.bytesAccessed * n,
});

/** Anything with a shape and a dtype: an array, or `shapeDtypeStruct`. */
export type ShapeLike = Value | ShapeDtypeStruct;

/** Options of `pallasCall`. */
export interface PallasOptions {
  /** Shapes and dtypes of the outputs, as one or a tree. */
  readonly outShape: unknown;
  /** Extents of the grid; one program when left out. */
  readonly grid?: number | readonly number[];
  /** Blocks of the inputs, one per array; whole arrays where left out or null. */
  readonly inSpecs?: readonly (BlockSpec | null)[];
  /** Blocks of the outputs: one, or one per array. */
  readonly outSpecs?: BlockSpec | null | readonly (BlockSpec | null)[];
  /** Memory that keeps its values along sequential axes. */
  readonly scratchShapes?: readonly ShapeLike[];
  /** Input number → number of the output that starts with its contents. */
  readonly inputOutputAliases?: Readonly<Record<number, number>>;
  readonly name?: string;
  /** Run in the checking interpreter, which reports races, reads of undefined memory and blocks outside of arrays. */
  readonly interpret?: boolean;
  readonly costEstimate?: CostEstimate;
  /** Per axis of the grid; `'arbitrary'` lets the compiler find out. */
  readonly dimensionSemantics?: readonly DimensionSemantics[];
}

const pallasOptions: readonly (keyof PallasOptions)[] = [
  'outShape',
  'grid',
  'inSpecs',
  'outSpecs',
  'scratchShapes',
  'inputOutputAliases',
  'name',
  'interpret',
  'costEstimate',
  'dimensionSemantics',
];

/** A kernel: reads its input refs and writes its output refs. */
export type KernelFunction = (...refs: Ref[]) => void;

function gridOf(grid: PallasOptions['grid']): number[] {
  const extents = Array.isArray(grid) ? [...(grid as readonly number[])] : [grid as number];
  if (grid === undefined) return [];
  const shown = extents.map((n) => (typeof n === 'number' ? String(n) : describe(n))).join(', ');
  if (!extents.every((n) => Number.isInteger(n) && n > 0))
    throw new ArgumentError(
      `pallasCall: grid must be a list of positive integers; got (${shown}). Return zeros yourself when there is nothing to do.`,
    );
  if (extents.reduce((product, n) => product * n, 1) >= 2 ** 31)
    throw new ArgumentError(
      `pallasCall: a grid must have fewer than 2 ** 31 programs; got (${shown}). Let each program do more, with larger blocks or a loop.`,
    );
  return extents;
}

const scalarAvals = (grid: readonly number[]): Aval[] => grid.map(() => new Aval([], 'i32'));

function traceIndexMap(
  map: IndexMap | undefined,
  what: string,
  grid: readonly number[],
  rank: number,
): Jaxpr {
  if (map === undefined)
    return traceToJaxpr(
      () => Array.from({ length: rank }, () => zero()),
      scalarAvals(grid),
      'index map',
    );
  const jaxpr = traceToJaxpr(
    (ids) => {
      const returned = withGrid(grid, () => map(...ids));
      const indices = Array.isArray(returned)
        ? (returned as readonly (Value | number)[])
        : [returned as Value | number];
      if (indices.length !== rank)
        throw new ShapeError(
          `pallasCall: the index map of ${what} must return one index per axis of its block; got ${indices.length} for ${rank} axes. Return one index per axis, in units of blocks.`,
        );
      return indices.map((index, i) => scalarIndex(index, what, i));
    },
    scalarAvals(grid),
    'index map',
  );
  if (jaxpr.consts.length > 0)
    throw new ArgumentError(
      `pallasCall: the index map of ${what} must not capture arrays; got ${avalsOf(jaxpr.consts).join(', ')}. Use JavaScript numbers and the grid indices.`,
    );
  return jaxpr;
}

const zero = (): Value => NDArray.fromScalar(0, 'i32');

function scalarIndex(index: Value | number, what: string, axis: number): Value {
  if (typeof index === 'number' && (index | 0) === index) return NDArray.fromScalar(index, 'i32');
  if (index instanceof Value && index.ndim === 0 && isInteger(index.dtype))
    return index.dtype === 'i32' ? index : convertElementType(index, 'i32');
  throw new ArgumentError(
    `pallasCall: the index map of ${what} must return integer scalars; got ${describe(index)} for axis ${axis}. Compute it from the grid indices with integer arithmetic.`,
  );
}

function blocksOf(
  array: Aval,
  spec: BlockSpec | null | undefined,
  what: string,
  grid: readonly number[],
): OperandBlocks {
  if (spec !== null && spec !== undefined && !(spec instanceof BlockSpec))
    throw new ArgumentError(
      `pallasCall: the spec of ${what} must be a BlockSpec or null; got ${describe(spec)}. Write new pl.BlockSpec(blockShape, indexMap).`,
    );
  const blockShape: readonly BlockSize[] = spec?.blockShape ?? array.shape;
  if (blockShape.length !== array.ndim)
    throw new ShapeError(
      `pallasCall: the block of ${what} must have one entry per axis of the array; got block (${blockShape.join(', ')}) for array ${array.toString()}. Write null for an axis that the kernel does not see.`,
    );
  blockShape.forEach((n, axis) => {
    if (n !== null && !(Number.isInteger(n) && n >= 1))
      throw new ShapeError(
        `pallasCall: block sizes must be positive integers or null; got ${String(n)} on axis ${axis} of ${what}. Zero-size arrays have no blocks.`,
      );
  });
  return { array, blockShape, indexMap: traceIndexMap(spec?.indexMap, what, grid, array.ndim) };
}

function specsFor(
  op: string,
  specs: PallasOptions['inSpecs'],
  count: number,
): readonly (BlockSpec | null)[] {
  if (specs === undefined) return Array.from({ length: count }, () => null);
  if (!Array.isArray(specs))
    throw new TreeError(
      `pallasCall: ${op} must be a list with one BlockSpec or null per array; got ${describe(specs)} for ${count} arrays. Write [new pl.BlockSpec(…)].`,
    );
  if (specs.length !== count)
    throw new TreeError(
      `pallasCall: ${op} must have one entry per array; got ${specs.length} for ${count} arrays. Write null for a whole array.`,
    );
  return specs;
}

function aliasesOf(
  options: PallasOptions,
  inputs: readonly OperandBlocks[],
  outputs: readonly OperandBlocks[],
): (readonly [number, number])[] {
  const aliases = options.inputOutputAliases ?? {};
  if (typeof aliases !== 'object')
    throw new ArgumentError(
      `pallasCall: inputOutputAliases must be an object from input to output numbers; got ${describe(aliases)}. Write { [input]: output }.`,
    );
  const taken = new Map<number, number>();
  return Object.entries(aliases).map(([from, output]) => {
    const input = Number(from);
    const other = taken.get(output);
    if (other !== undefined)
      throw new ArgumentError(
        `pallasCall: an output starts with the contents of one input; got inputs ${other} and ${input} for output ${output} in inputOutputAliases. Leave one out.`,
      );
    taken.set(output, input);
    const [a, b] = [inputs[input]?.array, outputs[output]?.array];
    if (a === undefined || b === undefined)
      throw new ArgumentError(
        `pallasCall: inputOutputAliases must name inputs and outputs that exist; got ${input} → ${output} with ${inputs.length} inputs and ${outputs.length} outputs. Write { [input]: output } with positions that exist.`,
      );
    if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape))
      throw new ShapeError(
        `pallasCall: an input and the output that it becomes must have one type; got ${a.toString()} for input ${input} and ${b.toString()} for output ${output}. Convert the input, or change outShape.`,
      );
    return [input, output] as const;
  });
}

function shapeOf(x: unknown): Aval {
  if (x instanceof Value) return x.aval.strong();
  if (x instanceof ShapeDtypeStruct) return new Aval(x.shape, x.dtype);
  throw new TreeError(
    `pallasCall: outShape and scratchShapes must be arrays or ShapeDtypeStructs; got ${describe(x)}. Write new ShapeDtypeStruct(shape, dtype), or pass an array like it.`,
  );
}

/** What types say of the options, for programs without types. */
function checkKinds(options: PallasOptions): void {
  const { name, interpret, scratchShapes, costEstimate, dimensionSemantics } = options;
  const check = (option: keyof PallasOptions, fits: boolean, what: string): void => {
    if (options[option] !== undefined && !fits)
      throw new ArgumentError(
        `pallasCall: ${option} must be ${what}; got ${describe(options[option])}. Change it, or leave it out.`,
      );
  };
  check('name', typeof name === 'string', 'a string');
  check('interpret', typeof interpret === 'boolean', 'a boolean');
  check('scratchShapes', Array.isArray(scratchShapes), 'a list of arrays or ShapeDtypeStructs');
  check('dimensionSemantics', Array.isArray(dimensionSemantics), 'a list of strings');
  const cost = costEstimate;
  const isCost =
    typeof cost === 'object' &&
    [cost.flops, cost.transcendentals, cost.bytesAccessed].every((n) => typeof n === 'number');
  check('costEstimate', isCost, '{ flops, transcendentals, bytesAccessed } of numbers');
}

function traceKernel(
  kernel: KernelFunction,
  refs: readonly Aval[],
  name: string,
  grid: readonly number[],
): Jaxpr {
  if (kernel.length > refs.length)
    throw new ArgumentError(
      `pallasCall: a kernel gets one ref per input, output and scratch memory; got ${refs.length} refs for the ${kernel.length} parameters of ${name}. Pass as many arrays as the kernel reads.`,
    );
  const jaxpr = traceToJaxpr(
    (tracers) => {
      const returned: unknown = withGrid(grid, () => kernel(...tracers.map((t) => new Ref(t))));
      checkSync('pallasCall', kernel, returned);
      if (returned !== undefined)
        throw new ArgumentError(
          `pallasCall: the kernel ${name} must return nothing; got ${describe(returned)}. Write results with \`ref.set(value)\`.`,
        );
      return [];
    },
    refs,
    `kernel ${name}`,
  );
  if (jaxpr.consts.length > 0)
    throw new ArgumentError(
      `pallasCall: the kernel ${name} must not capture arrays; got ${avalsOf(jaxpr.consts).join(', ')}. Pass them as inputs.`,
    );
  return dropDead(jaxpr);
}

function paramsFor(
  kernel: KernelFunction,
  options: PallasOptions,
  inAvals: readonly Aval[],
  outAvals: readonly Aval[],
): PallasParams {
  const grid = gridOf(options.grid);
  const name = options.name ?? (kernel.name === '' ? 'kernel' : kernel.name);
  const semantics = options.dimensionSemantics ?? grid.map(() => 'arbitrary' as const);
  if (semantics.length !== grid.length)
    throw new ArgumentError(
      `pallasCall: dimensionSemantics must have one entry per axis of the grid; got ${semantics.length} for grid (${grid.join(', ')}). Write one entry per axis, or leave it out.`,
    );
  const unknown = semantics.find((s) => !['parallel', 'sequential', 'arbitrary'].includes(s));
  if (unknown !== undefined)
    throw new ArgumentError(
      `pallasCall: dimensionSemantics must be 'parallel', 'sequential' or 'arbitrary'; got ${String(unknown)}. Leave it out to let the compiler find out.`,
    );
  const outSpecs =
    options.outSpecs === undefined || Array.isArray(options.outSpecs)
      ? options.outSpecs
      : [options.outSpecs as BlockSpec | null];
  const inputs = specsFor('inSpecs', options.inSpecs, inAvals.length).map((spec, i) =>
    blocksOf(inAvals[i], spec, `input ${i}`, grid),
  );
  const outputs = specsFor('outSpecs', outSpecs as PallasOptions['inSpecs'], outAvals.length).map(
    (spec, i) => blocksOf(outAvals[i], spec, `output ${i}`, grid),
  );
  const scratch = (options.scratchShapes ?? []).map(
    (s) => new Aval(shapeOf(s).shape, shapeOf(s).dtype, false, true),
  );
  const refs = [...inputs.map(refAval), ...outputs.map(refAval), ...scratch];
  const params: PallasParams = {
    name,
    jaxpr: traceKernel(kernel, refs, name, grid),
    grid,
    semantics,
    inputs,
    outputs,
    scratch,
    aliases: aliasesOf(options, inputs, outputs),
    hiddenAxes: 0,
    isDerivative: false,
    interpret: options.interpret === true,
    cost: options.costEstimate,
  };
  kernelOf(params);
  return params;
}

/**
 * Make a function of arrays from a kernel over refs.
 *
 * `kernel` gets one ref per input, output and scratch memory, in this order: the blocks that `inSpecs` and `outSpecs` cut out for its program.
 *
 * @throws ShapeError, ArgumentError, TreeError when specs, index maps or the kernel do not fit; KernelError when an axis is declared parallel but its programs write one block.
 * @example
 * const double = pl.pallasCall((x, y) => y.set(np.multiply(x.get(), 2)), {
 *   outShape: shapeDtypeStruct([16], 'f32'),
 *   grid: 4,
 *   inSpecs: [new pl.BlockSpec([4], (i) => [i])],
 *   outSpecs: new pl.BlockSpec([4], (i) => [i]),
 * });
 */
export function pallasCall<R = Value>(
  kernel: KernelFunction,
  options: PallasOptions,
): (...args: ArrayLike[]) => R {
  checkFunction('pallasCall', kernel);
  checkOptions('pallasCall', options, pallasOptions);
  checkKinds(options);
  const { leaves, treedef } = flatten(options.outShape);
  const outAvals = leaves.map(shapeOf);
  const traced = new Map<string, PallasParams>();
  return (...args) => {
    const inputs = args.map((x, i) => toValue('pallasCall', x, () => `argument ${i}`));
    const avals = inputs.map((x) => x.aval.strong());
    const key = avals.map((a) => a.key).join(' ');
    let params = traced.get(key);
    if (params === undefined) {
      params = paramsFor(kernel, options, avals, outAvals);
      if (traced.size >= 64) traced.clear();
      traced.set(key, params);
    }
    const eager = params.interpret && isEager() && inputs.every((x) => x instanceof NDArray);
    const outs = eager ? interpretCall(params, inputs, {}) : pallasCallP.bind(inputs, params);
    return unflatten(treedef, outs) as R;
  };
}
