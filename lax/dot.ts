/** `dot_general`: contraction with batch axes, the one primitive behind matrix products. Bilinear: its duals are dots again. */
import { describe, type ArrayLike } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { dtypeInfo, isInteger, type DType } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { checkOptions } from '../core/options.ts';
import { LinearArg, type Primitive } from '../core/primitive.ts';
import { refuseFloat0, resultType } from '../core/promotion.ts';
import { canonicalAxis, showShape } from '../core/shape.ts';
import type { Value } from '../core/value.ts';
import type { Precision } from '../lowering/hlo/ir.ts';
import { convertElementType } from './convert.ts';
import { definePrimitive, dtypeText, listText, tupleText } from './define.ts';
import { known, sumTangents } from './elementwise.ts';
import { operands } from './operand.ts';
import { shiftAxes, transpose } from './structure.ts';

/** Axes to contract and batch axes, of the left and the right operand: `[[left, right], [left, right]]`. */
export type DotDimensionNumbers = readonly [
  contract: readonly [readonly number[], readonly number[]],
  batch: readonly [readonly number[], readonly number[]],
];

/** How carefully products are computed. */
export type DotPrecision = 'default' | 'high' | 'highest';

/** Parameters of `dot_general`. */
export interface DotGeneralParams {
  readonly dimensionNumbers: DotDimensionNumbers;
  readonly precision: DotPrecision | undefined;
  /** Dtype of the result and of the accumulation. */
  readonly preferredElementType: DType | undefined;
}

/** Options of `dotGeneral`. */
export interface DotOptions {
  readonly precision?: DotPrecision;
  /** Dtype of the result and of the accumulation; that of the operands when left out. */
  readonly preferredElementType?: DType;
}

const spelled: Readonly<Record<DotPrecision, Precision>> = {
  default: 'DEFAULT',
  high: 'HIGH',
  highest: 'HIGHEST',
};

/** The axes that are neither contracted nor batch axes. */
const freeAxes = (ndim: number, ...taken: readonly (readonly number[])[]): number[] =>
  Array.from({ length: ndim }, (_, i) => i).filter((i) => !taken.some((axes) => axes.includes(i)));

function checkDot(x: Aval, y: Aval, [[xc, yc], [xb, yb]]: DotDimensionNumbers): void {
  const facts = `${x.toString()} and ${y.toString()} with contracting axes ${showShape(xc)} × ${showShape(yc)} and batch axes ${showShape(xb)} × ${showShape(yb)}`;
  if (xc.length !== yc.length || xb.length !== yb.length)
    throw new ShapeError(
      `dotGeneral: both operands need as many contracting and batch axes; got ${facts}.`,
    );
  for (const [aval, axes] of [
    [x, [...xc, ...xb]],
    [y, [...yc, ...yb]],
  ] as const)
    if (axes.some((d) => d < 0 || d >= aval.ndim) || new Set(axes).size !== axes.length)
      throw new ShapeError(`dotGeneral: axes must exist and be named once; got ${facts}.`);
  const differ = (a: readonly number[], b: readonly number[]): boolean =>
    a.some((axis, i) => x.shape[axis] !== y.shape[b[i]]);
  if (differ(xc, yc))
    throw new ShapeError(
      `dotGeneral: contracted axes must have equal sizes; got ${facts}. Transpose or reshape an operand.`,
    );
  if (differ(xb, yb))
    throw new ShapeError(
      `dotGeneral: batch axes must have equal sizes; got ${facts}. Broadcast an operand.`,
    );
}

/** The cotangent of the left operand: the cotangent of the result contracted with the right operand over its free axes. */
function transposeLeft(
  ct: Value,
  x: Aval,
  y: Value,
  [[xc, yc], [xb, yb]]: DotDimensionNumbers,
  {
    precision,
    swapped,
  }: { readonly precision: DotPrecision | undefined; readonly swapped: boolean },
): Value {
  const xFree = freeAxes(x.ndim, xc, xb);
  const yFree = freeAxes(y.ndim, yc, yb);
  // Axes of the result: batch, left free, right free.
  const ctBatch = xb.map((_, i) => i);
  const ctOfY = yFree.map((_, i) => xb.length + (swapped ? 0 : xFree.length) + i);
  const numbers: DotDimensionNumbers = [
    [ctOfY, yFree],
    [ctBatch, yb],
  ];
  const raw = dotGeneral(ct, y, numbers, {
    ...(ct.dtype === y.dtype ? {} : { preferredElementType: ct.dtype }),
    ...(precision === undefined ? {} : { precision }),
  });
  // The free axes of y that are left in `raw` are its contracted ones, in increasing order.
  const order = yc.map((_, i) => i).toSorted((a, b) => yc[a] - yc[b]);
  const axes = [...xb, ...xFree, ...order.map((i) => xc[i])];
  const permutation = axes.map((_, i) => i).toSorted((a, b) => axes[a] - axes[b]);
  const result = transpose(raw, permutation);
  return convertElementType(result, x.dtype, result.weakType);
}

/** `dot_general`: result axes are batch, left free, right free. */
export const dotGeneralP: Primitive<DotGeneralParams> = definePrimitive<DotGeneralParams>(
  'dot_general',
  {
    abstractEval: ([x, y], { dimensionNumbers, preferredElementType }) => {
      refuseFloat0('dotGeneral', x, y);
      if (x.dtype !== y.dtype)
        throw new DTypeError(
          `dotGeneral: operands must have one dtype; got ${x.toString()} and ${y.toString()}. Convert one with lax.convertElementType.`,
        );
      if (
        preferredElementType !== undefined &&
        isInteger(x.dtype) &&
        dtypeInfo[preferredElementType].kind === 'bool'
      )
        throw new DTypeError(
          `dotGeneral: integers cannot accumulate in bool; got preferredElementType bool. Choose an integer or float dtype.`,
        );
      checkDot(x, y, dimensionNumbers);
      const [[xc, yc], [xb, yb]] = dimensionNumbers;
      const shape = [
        ...xb.map((axis) => x.shape[axis]),
        ...freeAxes(x.ndim, xc, xb).map((axis) => x.shape[axis]),
        ...freeAxes(y.ndim, yc, yb).map((axis) => y.shape[axis]),
      ];
      const weak = preferredElementType === undefined && x.weakType && y.weakType;
      return [x.withShape(shape).withDType(preferredElementType ?? x.dtype, weak)];
    },
    lower: (
      b,
      [x, y],
      { dimensionNumbers: [[xc, yc], [xb, yb]], precision, preferredElementType },
    ) => [
      b.dotGeneral(
        x,
        y,
        { lhsBatch: xb, rhsBatch: yb, lhsContract: xc, rhsContract: yc },
        { precision: spelled[precision ?? 'default'], dtype: preferredElementType ?? x.type.dtype },
      ),
    ],
    // d (x · y) = dx · y + x · dy
    jvp: ([x, y], [tx, ty], params) => [
      [dotGeneralP.bind1([x, y], params)],
      [
        sumTangents([
          tx === null ? null : dotGeneralP.bind1([tx, y], params),
          ty === null ? null : dotGeneralP.bind1([x, ty], params),
        ]),
      ],
    ],
    transpose: ([ct], [x, y], { dimensionNumbers: [[xc, yc], [xb, yb]], precision }) => {
      if (ct === null) return [null, null];
      if (x instanceof LinearArg)
        return [
          transposeLeft(
            ct,
            x.aval,
            known(y),
            [
              [xc, yc],
              [xb, yb],
            ],
            { precision, swapped: false },
          ),
          null,
        ];
      return [
        null,
        transposeLeft(
          ct,
          y.aval,
          x,
          [
            [yc, xc],
            [yb, xb],
          ],
          { precision, swapped: true },
        ),
      ];
    },
    batch: ([x, y], [dx, dy], params) => {
      const [[xc, yc], [xb, yb]] = params.dimensionNumbers;
      const move = (axes: readonly number[], d: number | null): readonly number[] =>
        d === null ? axes : shiftAxes(axes, d);
      const [nxc, nyc, nxb, nyb] = [move(xc, dx), move(yc, dy), move(xb, dx), move(yb, dy)];
      if (dx !== null && dy !== null) {
        const dimensionNumbers: DotDimensionNumbers = [
          [nxc, nyc],
          [
            [dx, ...nxb],
            [dy, ...nyb],
          ],
        ];
        return [[dotGeneralP.bind1([x, y], { ...params, dimensionNumbers })], [0]];
      }
      // One more free axis: it stays in order among the free axes of its operand.
      const out = dotGeneralP.bind1([x, y], {
        ...params,
        dimensionNumbers: [
          [nxc, nyc],
          [nxb, nyb],
        ],
      });
      const xFree = freeAxes(x.ndim, nxc, nxb);
      const at =
        dx !== null
          ? xFree.indexOf(dx)
          : xFree.length + freeAxes(y.ndim, nyc, nyb).indexOf(dy ?? 0);
      return [[out], [xb.length + at]];
    },
    printParams: ({ dimensionNumbers: [[xc, yc], [xb, yb]], precision, preferredElementType }) => ({
      dimension_numbers: `((${listText(xc)}, ${listText(yc)}), (${listText(xb)}, ${listText(yb)}))`,
      ...(precision === undefined
        ? {}
        : { precision: tupleText([precision, precision].map((p) => `Precision.${spelled[p]}`)) }),
      ...(preferredElementType === undefined
        ? {}
        : { preferred_element_type: dtypeText(preferredElementType) }),
    }),
  },
);

const isAxes = (x: unknown): boolean =>
  Array.isArray(x) && x.every((axis) => Number.isInteger(axis));
const isPair = (x: unknown, isEach: (part: unknown) => boolean): boolean =>
  Array.isArray(x) && x.length === 2 && x.every(isEach);

function checkNumbers(numbers: unknown): void {
  if (!isPair(numbers, (lists) => isPair(lists, isAxes)))
    throw new ArgumentError(
      `dotGeneral: dimensionNumbers must be two pairs of lists of axes; got ${describe(numbers)}. Write [[contractX, contractY], [batchX, batchY]].`,
    );
}

/**
 * Contract axes of `x` with axes of `y`, for each index of the batch axes. Result axes: batch, free axes of `x`, free axes of `y`.
 * Operands of two dtypes are brought to a common one first.
 *
 * @throws ShapeError when the axes do not fit; ArgumentError when `dimensionNumbers` are no lists of axes.
 * @example
 * const [x, y] = [lax.ones([2, 3]), lax.ones([3, 4])];
 * lax.dotGeneral(x, y, [[[1], [0]], [[], []]]).shape; // → [ 2, 4 ]
 */
export function dotGeneral(
  x: ArrayLike,
  y: ArrayLike,
  dimensionNumbers: DotDimensionNumbers,
  options: DotOptions = {},
): Value {
  checkNumbers(dimensionNumbers);
  checkOptions('dotGeneral', options, ['precision', 'preferredElementType']);
  const given = operands('dotGeneral', x, y);
  const common = given[0].dtype === given[1].dtype ? undefined : resultType(...given);
  const [left, right] =
    common === undefined
      ? given
      : given.map((value) => convertElementType(value, common.dtype, common.weakType));
  const [[xc, yc], [xb, yb]] = dimensionNumbers;
  const axesOf = (value: Value, axes: readonly number[]): number[] =>
    axes.map((axis) => canonicalAxis('dotGeneral', axis, value.ndim));
  return dotGeneralP.bind1([left, right], {
    dimensionNumbers: [
      [axesOf(left, xc), axesOf(right, yc)],
      [axesOf(left, xb), axesOf(right, yb)],
    ],
    precision: options.precision,
    preferredElementType: options.preferredElementType,
  });
}

/**
 * Product of vectors and matrices: the last axis of `x` with the first of `y`.
 *
 * @throws ShapeError when an operand is a scalar or has more than two axes, or the sizes differ.
 * @example
 * lax.dot(lax.ones([2, 3]), lax.ones([3])).shape; // → [ 2 ]
 */
export function dot(x: ArrayLike, y: ArrayLike, options: DotOptions = {}): Value {
  const [left, right] = operands('dot', x, y);
  if ([left, right].some((v) => v.ndim < 1 || v.ndim > 2))
    throw new ShapeError(
      `dot: operands must be vectors or matrices; got ${left.aval.toString()} and ${right.aval.toString()}. Use np.matmul or lax.dotGeneral.`,
    );
  return dotGeneral(
    left,
    right,
    [
      [[left.ndim - 1], [0]],
      [[], []],
    ],
    options,
  );
}

/**
 * Matrix products over equal leading axes: `x: [...b, m, k], y: [...b, k, n] → [...b, m, n]`.
 *
 * @throws ShapeError when the operands differ in rank or do not fit.
 * @example
 * lax.batchMatmul(lax.ones([5, 2, 3]), lax.ones([5, 3, 4])).shape; // → [ 5, 2, 4 ]
 */
export function batchMatmul(x: ArrayLike, y: ArrayLike, options: DotOptions = {}): Value {
  const [left, right] = operands('batchMatmul', x, y);
  const n = left.ndim;
  if (n < 2 || right.ndim !== n)
    throw new ShapeError(
      `batchMatmul: operands must have the same number of axes, at least two; got ${left.aval.toString()} and ${right.aval.toString()}. Broadcast one of them.`,
    );
  const lead = left.shape.map((_, i) => i).slice(0, n - 2);
  return dotGeneral(
    left,
    right,
    [
      [[n - 1], [n - 2]],
      [lead, lead],
    ],
    options,
  );
}
