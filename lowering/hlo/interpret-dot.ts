/** Interpretation of `dot_general`: floats accumulate in double precision and round once. */
import { dtypeInfo, isBig, isComplex, type DType } from '../../core/dtype.ts';
import { sizeOf, withoutAxes } from '../../core/shape.ts';
import { asNumbers, type BigArray, convertElements } from '../scalar-array.ts';
import { rounderOf, wrapBig } from '../scalar-round.ts';
import { allocateTensor, transpose, type HostTensor } from './interpret-shape.ts';
import type { DotDims, TensorType } from './ir.ts';

/** Rows of a [batch, rows, k] operand, converted to the accumulation dtype. */
function arrange(x: HostTensor, permutation: readonly number[], dtype: DType): HostTensor['data'] {
  const moved = transpose(x, permutation);
  return convertElements(moved.data, x.type.dtype, dtype, sizeOf(x.type.shape));
}

/** `dot_general`, with the type of its result. */
export function dotGeneral(
  a: HostTensor,
  b: HostTensor,
  dims: DotDims,
  type: TensorType,
): HostTensor {
  const free = (x: HostTensor, batch: readonly number[], contract: readonly number[]): number[] =>
    withoutAxes(
      x.type.shape.map((_, i) => i),
      [...batch, ...contract],
    );
  const [freeA, freeB] = [
    free(a, dims.lhsBatch, dims.lhsContract),
    free(b, dims.rhsBatch, dims.rhsContract),
  ];
  const count = (x: HostTensor, axes: readonly number[]): number =>
    axes.reduce((n, d) => n * x.type.shape[d], 1);
  const sizes = {
    batch: count(a, dims.lhsBatch),
    m: count(a, freeA),
    n: count(b, freeB),
    k: count(a, dims.lhsContract),
  };
  // Floats multiply in the dtype of the operands: only the sum is in the result's dtype. Integers wrap alike in any order.
  const isFloating = dtypeInfo[type.dtype].kind === 'float';
  const inner = isFloating ? 'f64' : isComplex(type.dtype) ? 'complex128' : type.dtype;
  const x = arrange(a, [...dims.lhsBatch, ...freeA, ...dims.lhsContract], inner);
  const y = arrange(b, [...dims.rhsBatch, ...freeB, ...dims.rhsContract], inner);
  const data = allocateTensor(type);
  if (isBig(type.dtype))
    multiplyBig(x as BigArray, y as BigArray, data as BigArray, sizes, type.dtype as 'i64' | 'u64');
  else if (isComplex(type.dtype))
    multiplyComplex(asNumbers(x), asNumbers(y), asNumbers(data), sizes);
  else multiply(asNumbers(x), asNumbers(y), asNumbers(data), sizes, type.dtype);
  return { type, data };
}

interface Sizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Visit every result with the offsets of its row and column. */
function forEachResult(
  { batch, m, n, k }: Sizes,
  visit: (out: number, row: number, column: number) => void,
): void {
  let out = 0;
  for (let p = 0; p < batch; p++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) visit(out++, (p * m + i) * k, (p * n + j) * k);
}

function multiply(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  z: { [i: number]: number },
  sizes: Sizes,
  dtype: DType,
): void {
  const { kind } = dtypeInfo[dtype];
  const round = rounderOf(dtype);
  forEachResult(sizes, (out, row, column) => {
    let sum = 0;
    if (kind === 'float') for (let l = 0; l < sizes.k; l++) sum += x[row + l] * y[column + l];
    else if (kind === 'bool') for (let l = 0; l < sizes.k; l++) sum |= x[row + l] & y[column + l];
    else for (let l = 0; l < sizes.k; l++) sum = (sum + Math.imul(x[row + l], y[column + l])) | 0;
    z[out] = round(sum);
  });
}

function multiplyBig(
  x: BigArray,
  y: BigArray,
  z: BigArray,
  sizes: Sizes,
  dtype: 'i64' | 'u64',
): void {
  forEachResult(sizes, (out, row, column) => {
    let sum = 0n;
    for (let l = 0; l < sizes.k; l++) sum += x[row + l] * y[column + l];
    z[out] = wrapBig(sum, dtype);
  });
}

function multiplyComplex(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  z: { [i: number]: number },
  sizes: Sizes,
): void {
  forEachResult(sizes, (out, row, column) => {
    let [re, im] = [0, 0];
    for (let l = 0; l < sizes.k; l++) {
      const [a, b] = [x[2 * (row + l)], x[2 * (row + l) + 1]];
      const [c, d] = [y[2 * (column + l)], y[2 * (column + l) + 1]];
      re += a * c - b * d;
      im += a * d + b * c;
    }
    z[2 * out] = re;
    z[2 * out + 1] = im;
  });
}
