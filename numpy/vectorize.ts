/**
 * `vectorize`: functions of small arrays that broadcast over all leading axes, as NumPy's generalized universal functions. Each
 * leading axis is one `vmap`, over the arguments that have it; nothing is repeated in memory.
 */
import type { ArrayLike } from '../core/array.ts';
import { config } from '../core/config.ts';
import { ArgumentError, ShapeError, TreeError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { showShape, type Shape } from '../core/shape.ts';
import * as tree from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { expandDims, squeeze } from '../lax/structure.ts';
import type { Inputs, Output } from '../transforms/signature.ts';
import { vmap } from '../transforms/vmap.ts';
import { asArray, broadcastShapes } from './promote.ts';

/** Options of `vectorize`. */
export interface VectorizeOptions {
  /** Core axes of arguments and results, as `'(n,m),(m)->(n)'`. Without it arguments are scalars, and results have any shape. */
  readonly signature?: string;
  /** Positions of arguments that are passed on as they are: any JavaScript values. */
  readonly excluded?: readonly number[];
}

/** Names of the core axes of each argument and result. */
interface Signature {
  readonly inputs: readonly (readonly string[])[];
  readonly outputs: readonly (readonly string[])[] | undefined;
}

/**
 * Make a function of arrays with few axes one that broadcasts over all axes before them. `null` arguments are passed on, as those
 * in `excluded` are.
 *
 * @throws ArgumentError for a signature or option that is not valid, or a wrong number of arguments; ShapeError when arguments or
 * results do not have their core axes, sizes differ, or leading axes do not broadcast; TreeError when there is no list of results
 * where the signature has several.
 * @example
 * const matvec = np.vectorize((a: Value, x: Value) => np.dot(a, x), { signature: '(n,m),(m)->(n)' });
 * matvec(np.ones([2, 3]), np.ones([4, 3])).shape; // → [ 4, 2 ]
 */
export function vectorize<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: VectorizeOptions,
): (...args: Inputs<A>) => Output<R>;
export function vectorize<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: VectorizeOptions,
): (...args: Inputs<A>) => Output<R>;
export function vectorize(
  f: (...args: never[]) => unknown,
  options: VectorizeOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('vectorize', f);
  checkOptions('vectorize', options, ['signature', 'excluded']);
  const { signature, excluded = [] } = options;
  if (!Array.isArray(excluded) || excluded.some((i) => !Number.isInteger(i) || i < 0))
    throw new ArgumentError(
      `vectorize: excluded must be a list of positions of arguments, counted from 0; got ${String(excluded)}. Write { excluded: [1] }.`,
    );
  const parsed = signature === undefined ? undefined : parseSignature(signature);
  return (...args) => {
    const isDynamic = args.map((arg, i) => arg !== null && !excluded.includes(i));
    const { inputs, outputs } = forCall(args, excluded, parsed, signature);
    const arrays = args
      .filter((_, i) => isDynamic[i])
      .map((arg, i) => asArray('vectorize', arg as ArrayLike, `argument ${i}`));
    const core = inputs.filter((_, i) => isDynamic[i]);
    const { sizes, leading } = measure(arrays, core, signature);
    const call = (...values: Value[]): unknown => {
      let next = 0;
      const filled = args.map((arg, i) => (isDynamic[i] ? values[next++] : arg));
      const out = f(...(filled as never[]));
      if (outputs !== undefined) checkResults(out, outputs, sizes, signature);
      return out;
    };
    return mapLeading(call, arrays, leading);
  };
}

const context = (signature: string | undefined): string =>
  signature === undefined ? '' : ` with signature ${JSON.stringify(signature)}`;

/** Read `'(n,m),(m)->(n)'`. @throws ArgumentError when it is no signature. */
function parseSignature(signature: string): {
  readonly inputs: readonly (readonly string[])[];
  readonly outputs: readonly (readonly string[])[];
} {
  const list = String.raw`\((?:\w+(?:,\w+)*)?\)`;
  const whole = new RegExp(`^${list}(?:,${list})*->${list}(?:,${list})*$`);
  if (typeof signature !== 'string' || !whole.test(signature))
    throw new ArgumentError(
      `vectorize: a signature lists the core axes of arguments and results; got ${JSON.stringify(signature)}. Write it as '(n,m),(m)->(n)', with () for scalars and no spaces.`,
    );
  const [inputs, outputs] = signature
    .split('->')
    .map((side) => (side.match(/\([^)]*\)/g) ?? []).map((item) => item.match(/\w+/g) ?? []));
  return { inputs, outputs };
}

/** The core axes of every argument of a call. */
function forCall(
  args: readonly unknown[],
  excluded: readonly number[],
  parsed: Signature | undefined,
  signature: string | undefined,
): Signature {
  if (parsed === undefined) return { inputs: args.map(() => []), outputs: undefined };
  const open = args.map((_, i) => i).filter((i) => !excluded.includes(i));
  if (open.length !== parsed.inputs.length)
    throw new ArgumentError(
      `vectorize: there must be one argument per entry of the signature, ${parsed.inputs.length}, beside the excluded ones; got ${open.length}${context(signature)}. Pass as many arguments.`,
    );
  const inputs = args.map((_, i) => (excluded.includes(i) ? [] : parsed.inputs[open.indexOf(i)]));
  const bad = args.findIndex((arg, i) => arg === null && inputs[i].length > 0);
  if (bad >= 0)
    throw new ArgumentError(
      `vectorize: null can stand for a scalar only; got null as argument ${bad}${context(signature)}. Write () for it in the signature.`,
    );
  return { inputs, outputs: parsed.outputs };
}

/** Sizes of the core axes by name, and the leading shape of each argument. */
function measure(
  arrays: readonly Value[],
  core: readonly (readonly string[])[],
  signature: string | undefined,
): { readonly sizes: ReadonlyMap<string, number>; readonly leading: readonly Shape[] } {
  const sizes = new Map<string, number>();
  const leading = arrays.map((x, i) => {
    const at = x.ndim - core[i].length;
    if (at < 0)
      throw new ShapeError(
        `vectorize: an argument must have its core axes; got ${x.aval.toString()} for (${core[i].join(',')})${context(signature)}. Add axes with np.expandDims.`,
      );
    fitSizes(sizes, x.shape.slice(at), core[i], signature);
    return x.shape.slice(0, at);
  });
  const ranks = new Set(leading.filter((_, i) => arrays[i].ndim > 0).map((s) => s.length));
  if (ranks.size > 1 && config.numpyRankPromotion === 'raise')
    throw new ShapeError(
      `vectorize: ranks must be equal under numpyRankPromotion 'raise'; got ${arrays.map((x) => x.aval.toString()).join(' and ')}${context(signature)}. Reshape one of them.`,
    );
  return { sizes, leading };
}

/** Enter the sizes of core axes, which must agree with those known already. */
function fitSizes(
  sizes: Map<string, number>,
  shape: Shape,
  names: readonly string[],
  signature: string | undefined,
): void {
  names.forEach((name, i) => {
    const known = sizes.get(name) ?? shape[i];
    if (known !== shape[i])
      throw new ShapeError(
        `vectorize: core axes of one name must have one size; got ${known} and ${shape[i]} for ${name}${context(signature)}. Reshape or slice an argument.`,
      );
    sizes.set(name, known);
  });
}

function checkResults(
  out: unknown,
  outputs: readonly (readonly string[])[],
  inputSizes: ReadonlyMap<string, number>,
  signature: string | undefined,
): void {
  const results: readonly unknown[] = outputs.length === 1 ? [out] : Array.isArray(out) ? out : [];
  if (results.length !== outputs.length)
    throw new TreeError(
      `vectorize: the function must return a list of ${outputs.length} results; got ${Array.isArray(out) ? `${out.length} of them` : 'no list'}${context(signature)}. Return [a, b].`,
    );
  const sizes = new Map(inputSizes);
  results.forEach((result, i) => {
    const { shape } = asArray('vectorize', result as ArrayLike, 'the result');
    if (shape.length !== outputs[i].length)
      throw new ShapeError(
        `vectorize: a result must have its core axes alone; got shape ${showShape(shape)} for (${outputs[i].join(',')})${context(signature)}. Change the function or the signature.`,
      );
    fitSizes(sizes, shape, outputs[i], signature);
  });
}

/** Map a function over leading axes, the last one innermost; axes of size 1 are dropped before and put back. */
function mapLeading(
  call: (...values: Value[]) => unknown,
  arrays: readonly Value[],
  leading: readonly Shape[],
): unknown {
  const { length } = broadcastShapes('vectorize', leading);
  const squeezed = arrays.map((x, i) =>
    squeeze(
      x,
      leading[i].map((_, axis) => axis).filter((axis) => leading[i][axis] === 1),
    ),
  );
  let mapped = call;
  const dropped: number[] = [];
  for (let axis = length - 1; axis >= 0; axis--) {
    const inAxes = leading.map((shape) => {
      const size = shape[axis - length + shape.length];
      return size === undefined || size === 1 ? null : 0;
    });
    if (inAxes.every((at) => at === null)) dropped.push(axis);
    else mapped = vmap(mapped, { inAxes });
  }
  const out = mapped(...squeezed);
  if (dropped.length === 0) return out;
  return tree.map(
    (leaf: ArrayLike) => expandDims(asArray('vectorize', leaf, 'the result'), dropped),
    out,
  );
}
