/**
 * Interpretation of reductions, windows and sorting. Named float sums and products accumulate in double precision and round once at the
 * end: the order of a reduction is the implementation's choice, and this is the answer that every order approximates.
 */
import { isBig, isComplex, type DType } from '../../core/dtype.ts';
import { sizeOf, stridesOf, type Shape } from '../../core/shape.ts';
import { asNumbers, elementReader, elementWriter, forEachOffset } from '../scalar-array.ts';
import { unroundedMeaning, type Element } from '../scalar-meaning.ts';
import { rounderOf } from '../scalar-round.ts';
import type { Combiner } from '../scalar.ts';
import { constantValue, identityOf } from './constant.ts';
import type { ElementRegion } from './interpret-region.ts';
import { allocateTensor, type HostTensor } from './interpret-shape.ts';
import type { TensorType, WindowAttrs } from './ir.ts';

/** How elements are combined: a region, and its name when it is a named combiner. */
export interface Fold {
  readonly combiner: Combiner | undefined;
  readonly region: ElementRegion;
}

const readersOf = (xs: readonly HostTensor[]): ((i: number) => Element)[] =>
  xs.map((x) => elementReader(x.data, x.type.dtype));

const isNumber = (dtype: DType): boolean => !isBig(dtype) && !isComplex(dtype);

/** Strides that take a position of `shape` to its place in the result without the axes `dims`. */
function resultStrides(shape: Shape, dims: readonly number[], result: Shape): number[] {
  const own = stridesOf(result);
  let next = 0;
  return shape.map((_, i) => (dims.includes(i) ? 0 : own[next++]));
}

/** `reduce` of N inputs over `dims`. */
export function reduce(
  xs: readonly HostTensor[],
  inits: readonly HostTensor[],
  dims: readonly number[],
  fold: Fold,
  types: readonly TensorType[],
): HostTensor[] {
  const strides = resultStrides(xs[0].type.shape, dims, types[0].shape);
  if (fold.combiner !== undefined && isNumber(types[0].dtype))
    return [reduceNumbers(xs[0], inits[0], strides, fold.combiner, types[0])];
  const read = readersOf(xs);
  const initial = readersOf(inits).map((r) => r(0));
  const n = sizeOf(types[0].shape);
  const accumulators: (readonly Element[])[] = new Array<readonly Element[]>(n).fill(initial);
  forEachOffset(xs[0].type.shape, 0, strides, (place, i) => {
    accumulators[place] = fold.region([...accumulators[place], ...read.map((r) => r(i))]);
  });
  return collect(accumulators, types);
}

function collect(
  rows: readonly (readonly Element[])[],
  types: readonly TensorType[],
): HostTensor[] {
  return types.map((type, k) => {
    const data = allocateTensor(type);
    const write = elementWriter(data, type.dtype);
    rows.forEach((row, i) => write(i, row[k]));
    return { type, data };
  });
}

function reduceNumbers(
  x: HostTensor,
  init: HostTensor,
  strides: readonly number[],
  combiner: Combiner,
  type: TensorType,
): HostTensor {
  const values = asNumbers(x.data);
  const sums = new Float64Array(sizeOf(type.shape)).fill(asNumbers(init.data)[0]);
  const f = unroundedMeaning(combiner, type.dtype);
  forEachOffset(x.type.shape, 0, strides, (place, i) => {
    sums[place] = f(sums[place], values[i], 0);
  });
  const round = rounderOf(type.dtype);
  const data = allocateTensor(type);
  asNumbers(data).set(sums.map(round));
  return { type, data };
}

/** Calls `visit` with the input position of every window element (−1 where it lies in padding or a gap), for one result position. */
type WindowVisitor = (visit: (position: number) => void) => void;

/** Walk the windows of an input in row-major order of the results. */
function forEachWindow(
  shape: Shape,
  w: WindowAttrs,
  result: Shape,
  each: (place: number, elements: WindowVisitor) => void,
): void {
  const own = stridesOf(shape);
  const at = new Array<number>(shape.length).fill(0);
  const zero = shape.map(() => 0);
  const resultPlaces = stridesOf(result);
  const windowPlaces = stridesOf(w.dimensions);
  forEachOffset(result, 0, zero, (_, place) => {
    for (let axis = 0, rest = place; axis < at.length; axis++) {
      at[axis] = Math.floor(rest / resultPlaces[axis]);
      rest -= at[axis] * resultPlaces[axis];
    }
    each(place, (visit) => {
      forEachOffset(w.dimensions, 0, zero, (__, element) => {
        visit(windowPosition(element));
      });
    });
  });

  function windowPosition(element: number): number {
    let position = 0;
    for (let axis = 0, rest = element; axis < at.length; axis++) {
      const k = Math.floor(rest / windowPlaces[axis]);
      rest -= k * windowPlaces[axis];
      const dilated = at[axis] * w.strides[axis] + k * w.windowDilations[axis] - w.padding[axis][0];
      const base = w.baseDilations[axis];
      const i = dilated / base;
      if (dilated < 0 || !Number.isInteger(i) || i >= shape[axis]) return -1;
      position += i * own[axis];
    }
    return position;
  }
}

/** `reduce_window` of N inputs: padding and gaps hold the initial values. */
export function reduceWindow(
  xs: readonly HostTensor[],
  inits: readonly HostTensor[],
  window: WindowAttrs,
  fold: Fold,
  types: readonly TensorType[],
): HostTensor[] {
  const { shape } = xs[0].type;
  const initial = readersOf(inits).map((r) => r(0));
  const { dtype } = types[0];
  const neutral =
    fold.combiner !== undefined &&
    isNumber(dtype) &&
    Object.is(Number(constantValue(identityOf(fold.combiner, dtype), dtype)), initial[0]);
  if (fold.combiner !== undefined && isNumber(dtype)) {
    const f = unroundedMeaning(fold.combiner, dtype);
    const values = asNumbers(xs[0].data);
    const init = Number(initial[0]);
    const round = rounderOf(dtype);
    const data = allocateTensor(types[0]);
    const out = asNumbers(data);
    forEachWindow(shape, window, types[0].shape, (place, elements) => {
      let sum = init;
      elements((position) => {
        if (position >= 0) sum = f(sum, values[position], 0);
        else if (!neutral) sum = f(sum, init, 0);
      });
      out[place] = round(sum);
    });
    return [{ type: types[0], data }];
  }
  const read = readersOf(xs);
  const rows: (readonly Element[])[] = [];
  forEachWindow(shape, window, types[0].shape, (place, elements) => {
    let row: readonly Element[] = initial;
    elements((position) => {
      row = fold.region([...row, ...(position < 0 ? initial : read.map((r) => r(position)))]);
    });
    rows[place] = row;
  });
  return collect(rows, types);
}

/** `select_and_scatter`: `select(chosen, candidate)` keeps the chosen one when true; padding is never chosen. */
export function selectAndScatter(
  [x, source, init]: readonly HostTensor[],
  window: WindowAttrs,
  select: ElementRegion,
  scatter: ElementRegion,
): HostTensor {
  const data = allocateTensor(x.type);
  const [read, write, current] = [
    elementReader(x.data, x.type.dtype),
    elementWriter(data, x.type.dtype),
    elementReader(data, x.type.dtype),
  ];
  const sourceAt = elementReader(source.data, source.type.dtype);
  const start = elementReader(init.data, init.type.dtype)(0);
  for (let i = 0; i < sizeOf(x.type.shape); i++) write(i, start);
  forEachWindow(x.type.shape, window, source.type.shape, (place, elements) => {
    let chosen = -1;
    elements((position) => {
      if (position >= 0 && (chosen < 0 || select([read(chosen), read(position)])[0] === 0))
        chosen = position;
    });
    if (chosen >= 0) write(chosen, scatter([current(chosen), sourceAt(place)])[0]);
  });
  return { type: x.type, data };
}

/** `sort` of N inputs along an axis by a comparator; always stable. */
export function sort(
  xs: readonly HostTensor[],
  dim: number,
  comparator: ElementRegion,
): HostTensor[] {
  const { shape } = xs[0].type;
  const own = stridesOf(shape);
  const outputs = xs.map((x) => allocateTensor(x.type));
  const read = readersOf(xs);
  const write = xs.map((x, k) => elementWriter(outputs[k], x.type.dtype));
  const before = (i: number, j: number): boolean =>
    comparator(read.flatMap((r) => [r(i), r(j)]))[0] !== 0;
  forEachOffset(
    shape.map((d, i) => (i === dim ? Math.min(d, 1) : d)),
    0,
    own,
    (start) => {
      const line = Array.from({ length: shape[dim] }, (_, i) => start + i * own[dim]);
      const sorted = line.toSorted((i, j) => (before(i, j) ? -1 : before(j, i) ? 1 : 0));
      sorted.forEach((from, i) => write.forEach((w, k) => w(line[i], read[k](from))));
    },
  );
  return xs.map((x, k) => ({ type: x.type, data: outputs[k] }));
}
