/**
 * `get`, `swap` and `addupdate` under `vmap`, for refs that are arguments of the mapped function or closed over by it. Accesses at the same
 * place for all lanes stay accesses to a window; others read all of the ref and act on every lane.
 */
import type { Aval } from '../core/aval.ts';
import { ArgumentError } from '../core/errors.ts';
import type { BatchDim, BatchResult, Primitive } from '../core/primitive.ts';
import type { Value } from '../core/value.ts';
import { add } from '../lax/arithmetic.ts';
import { addupdateP, getP, swapP, wholeAccess } from '../lax/ref-access.ts';
import { readWindow, writeWindow, type AccessParams } from '../lax/ref-values.ts';
import { batchTo } from '../lax/structure.ts';
import { batchFlat, defineFunctionBatch } from './vmap-trace.ts';

/** The access with the batch axis of the ref, all of it; `at` is where that axis stands in the window. */
function widen(
  params: AccessParams,
  dim: number,
  size: number,
): { readonly params: AccessParams; readonly at: number } {
  const axes = params.axes.toSpliced(dim, 0, { start: 0, size, stride: 1, dropped: false });
  const at = params.axes.slice(0, dim).filter((a) => !a.dropped).length;
  return { params: { ...params, axes }, at };
}

const dynamicCount = ({ axes }: AccessParams): number =>
  axes.filter((a) => a.start === 'dynamic').length;

/** Whether all lanes access the same window; masks and values may differ. */
const isSamePlace = (dims: readonly BatchDim[], params: AccessParams): boolean =>
  dims.slice(0, dynamicCount(params)).every((d) => d === null);

/** Masks and values with the batch axis where the window has it. */
const placed = (
  rest: readonly Value[],
  dims: readonly BatchDim[],
  params: AccessParams,
  to: { readonly at: number; readonly size: number },
): Value[] =>
  rest.map((x, i) => (i < dynamicCount(params) ? x : batchTo(x, dims[i], to.at, to.size)));

defineFunctionBatch(
  getP,
  ({ axis, tag }, [ref, ...rest], [dim, ...restDims], params): BatchResult => {
    if (dim === null && restDims.every((d) => d === null))
      return [getP.bind([ref, ...rest], params), [null]];
    if (dim !== null && isSamePlace(restDims, params)) {
      const wide = widen(params, dim, axis.size);
      const operands = placed(rest, restDims, params, { at: wide.at, size: axis.size });
      return [getP.bind([ref, ...operands], wide.params), [wide.at]];
    }
    const contents = getP.bind1([ref], wholeAccess(ref.aval));
    return batchFlat(
      ([x, ...others]) => [readWindow(x, others, params)],
      axis,
      [contents, ...rest],
      [dim, ...restDims],
      tag,
    );
  },
);

/** The rule of a write; `next` gives the contents of a lane after it, and what it gives. */
function defineWrite(
  prim: Primitive<AccessParams>,
  next: (x: Value, value: Value, rest: readonly Value[], params: AccessParams) => readonly Value[],
): void {
  defineFunctionBatch(
    prim,
    ({ axis, tag }, [ref, value, ...rest], [dim, valueDim, ...restDims], params): BatchResult => {
      if (dim === null) throw unbatchedError(ref.aval);
      if (isSamePlace(restDims, params)) {
        const wide = widen(params, dim, axis.size);
        const to = { at: wide.at, size: axis.size };
        const operands = placed(rest, restDims, params, to);
        const news = batchTo(value, valueDim, to.at, to.size);
        const outs = prim.bind([ref, news, ...operands], wide.params);
        return [outs, outs.map(() => wide.at)];
      }
      const contents = getP.bind1([ref], wholeAccess(ref.aval));
      const [outs, dims] = batchFlat(
        ([x, y, ...others]) => next(x, y, others, params),
        axis,
        [contents, value, ...rest],
        [dim, valueDim, ...restDims],
        tag,
      );
      swapP.bind([ref, batchTo(outs[0], dims[0], dim, axis.size)], wholeAccess(ref.aval));
      return [outs.slice(1), dims.slice(1)];
    },
  );
}

const unmasked = (params: AccessParams): AccessParams => ({
  ...params,
  masked: false,
  hasOther: false,
});

defineWrite(swapP, (x, value, rest, params) => [
  writeWindow(x, value, rest, params),
  readWindow(x, rest, unmasked(params)),
]);

defineWrite(addupdateP, (x, value, rest, params) => [
  writeWindow(x, add(readWindow(x, rest, unmasked(params)), value), rest, params),
]);

const unbatchedError = (aval: Aval): ArgumentError =>
  new ArgumentError(
    `vmap: a mapped function must not write to a ref that is the same for all lanes; got a write to ${aval.toString()}. Pass the ref as a mapped argument, or make it inside of the function.`,
  );
