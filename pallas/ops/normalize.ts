/** Softmax and layer norm over the last axis as kernels over blocks of rows, forward and backward. */
import { asValue, describe, type ArrayLike } from '../../core/array.ts';
import { ArgumentError, ShapeError } from '../../core/errors.ts';
import { checkOptions } from '../../core/options.ts';
import type { Value } from '../../core/value.ts';
import { add, div, mul, sub } from '../../lax/arithmetic.ts';
import { exp, rsqrt } from '../../lax/transcendental.ts';
import { broadcastInDim, reduceSum, reshape } from '../../lax/structure.ts';
import { customVjp, type CustomVjp } from '../../transforms/custom.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { pallasCall } from '../call.ts';
import { BlockSpec, cdiv } from '../grid.ts';
import type { Ref } from '../../lax/ref.ts';
import { across, blockOf, inFloat32, rowMax, rowSum } from './rows.ts';

const struct = (...shape: number[]): ShapeDtypeStruct => new ShapeDtypeStruct(shape, 'f32');
const rowsAt = (rows: number, columns: number): BlockSpec =>
  new BlockSpec([rows, columns], (i) => [i, 0]);

/** Rows of one program. */
const blockRows = (op: string, rows: number, columns: number, asked: number | undefined): number =>
  blockOf([op, 'blockRows', asked], rows, Math.max(1, Math.min(64, Math.floor(4096 / columns))));

/** Options of the kernels over rows. */
export interface RowsOptions {
  /** Rows of one program. */
  readonly blockRows?: number;
}

const memo = <F>(make: (key: readonly number[]) => F): ((...key: number[]) => F) => {
  const made = new Map<string, F>();
  return (...key) => {
    const text = key.join();
    let f = made.get(text);
    if (f === undefined) {
      if (made.size >= 256) made.clear();
      made.set(text, (f = make(key)));
    }
    return f;
  };
};

const softmaxFor = memo(([rows, columns, block]): CustomVjp<[Value], Value> => {
  const spec = rowsAt(block, columns);
  const grid = cdiv(rows, block);
  const forward = pallasCall(
    (x: Ref, y: Ref): void => {
      const value = x.get();
      const e = exp(sub(value, across(rowMax(value), columns)));
      y.set(div(e, across(rowSum(e), columns)));
    },
    { name: 'softmax', outShape: struct(rows, columns), grid, inSpecs: [spec], outSpecs: spec },
  );
  // dx = y · (dy - Σ y · dy)
  const backward = pallasCall(
    (y: Ref, ct: Ref, dx: Ref): void => {
      const [p, g] = [y.get(), ct.get()];
      dx.set(mul(p, sub(g, across(rowSum(mul(p, g)), columns))));
    },
    {
      name: 'softmax_backward',
      outShape: struct(rows, columns),
      grid,
      inSpecs: [spec, spec],
      outSpecs: spec,
    },
  );
  const f = customVjp(function softmax(x: Value): Value {
    return forward(x);
  });
  f.defvjp(
    (x: Value) => {
      const y = forward(x);
      return [y, y];
    },
    (y: Value, ct: Value) => [backward(y, ct)],
  );
  return f;
});

/**
 * Softmax over the last axis, one kernel. f16 and bf16 are computed as f32.
 *
 * shape: x: f32[…,n] → f32[…,n]
 *
 * @throws ShapeError for rank 0; DTypeError for other types than f32, f16 and bf16; ArgumentError for blocks that are no positive integers.
 * @example
 * String(pl.ops.softmax(np.zeros([2]))); // → [0.5 0.5]
 */
export function softmax(x: ArrayLike, options: RowsOptions = {}): Value {
  checkOptions('softmax', options, ['blockRows']);
  const value = asValue('softmax', x);
  if (value.ndim === 0)
    throw new ShapeError(`softmax: x must have at least one axis; got ${value.aval.toString()}.`);
  const columns = value.shape[value.ndim - 1];
  const rows = value.size / Math.max(1, columns);
  const block = blockRows('softmax', rows, columns, options.blockRows);
  return inFloat32('softmax', [value], (v) =>
    v.size === 0
      ? v
      : reshape(softmaxFor(rows, columns, block)(reshape(v, [rows, columns])), v.shape),
  );
}

const mean = (x: Value, columns: number): Value => div(rowSum(x), columns);

const layerNormFor = memo(
  ([rows, columns, block, epsilon]): CustomVjp<[Value, Value, Value], Value> => {
    const spec = rowsAt(block, columns);
    const grid = cdiv(rows, block);
    const column = rowsAt(block, 1);
    const forward = pallasCall<[Value, Value, Value]>(
      (x: Ref, scale: Ref, shift: Ref, y: Ref, centre: Ref, inverse: Ref): void => {
        const value = x.get();
        const middle = mean(value, columns);
        const centred = sub(value, across(middle, columns));
        const factor = rsqrt(add(mean(mul(centred, centred), columns), epsilon));
        const whole = (ref: Ref): Value => broadcastInDim(ref.get(), [block, columns], [0, 1]);
        y.set(add(mul(mul(centred, across(factor, columns)), whole(scale)), whole(shift)));
        centre.set(middle);
        inverse.set(factor);
      },
      {
        name: 'layer_norm',
        outShape: [struct(rows, columns), struct(rows, 1), struct(rows, 1)],
        grid,
        inSpecs: [spec, null, null],
        outSpecs: [spec, column, column],
      },
    );
    // x̂ = (x - μ) σ⁻¹; g = dy · scale; dx = σ⁻¹ (g - mean g - x̂ mean(g x̂))
    const backward = pallasCall<[Value, Value]>(
      (x: Ref, scale: Ref, centre: Ref, inverse: Ref, ct: Ref, dx: Ref, normal: Ref): void => {
        const factor = across(inverse.get(), columns);
        const hat = mul(sub(x.get(), across(centre.get(), columns)), factor);
        const g = mul(ct.get(), broadcastInDim(scale.get(), [block, columns], [0, 1]));
        const along = across(mean(mul(g, hat), columns), columns);
        dx.set(mul(factor, sub(sub(g, across(mean(g, columns), columns)), mul(hat, along))));
        normal.set(hat);
      },
      {
        name: 'layer_norm_backward',
        outShape: [struct(rows, columns), struct(rows, columns)],
        grid,
        inSpecs: [spec, null, column, column, spec],
        outSpecs: [spec, spec],
      },
    );
    const row = (v: Value): Value => reshape(v, [1, columns]);
    const f = customVjp(function layerNorm(x: Value, scale: Value, shift: Value): Value {
      return forward(x, row(scale), row(shift))[0];
    });
    f.defvjp(
      (x: Value, scale: Value, shift: Value) => {
        const [y, centre, inverse] = forward(x, row(scale), row(shift));
        return [y, [x, scale, centre, inverse]];
      },
      ([x, scale, centre, inverse]: Value[], ct: Value) => {
        const [dx, hat] = backward(x, row(scale), centre, inverse, ct);
        return [dx, reduceSum(mul(hat, ct), [0]), reduceSum(ct, [0])];
      },
    );
    return f;
  },
);

/** Options of `layerNorm`. */
export interface LayerNormOptions extends RowsOptions {
  /** Added to the variance. */
  readonly epsilon?: number;
}

/**
 * Layer norm over the last axis: (x - mean) / √(variance + ε) · scale + shift, one kernel forward, one backward. f16 and bf16 are computed as f32.
 *
 * shape: x: f32[…,n], scale: f32[n], shift: f32[n] → f32[…,n]
 *
 * @throws ShapeError when scale or shift do not have the size of the last axis; DTypeError for other types than f32, f16 and bf16; ArgumentError for
 * an epsilon that is no number and blocks that are no positive integers.
 * @example
 * pl.ops.layerNorm(np.ones([2, 3]), np.ones([3]), np.zeros([3])).shape; // → 2,3
 */
export function layerNorm(
  x: ArrayLike,
  scale: ArrayLike,
  shift: ArrayLike,
  options: LayerNormOptions = {},
): Value {
  checkOptions('layerNorm', options, ['blockRows', 'epsilon']);
  const { epsilon = 1e-5 } = options;
  if (typeof epsilon !== 'number')
    throw new ArgumentError(
      `layerNorm: epsilon must be a number; got ${describe(epsilon)}. Write { epsilon: 1e-5 }.`,
    );
  const [value, factor, offset] = [
    asValue('layerNorm', x),
    asValue('layerNorm', scale, 'scale'),
    asValue('layerNorm', shift, 'shift'),
  ];
  const columns = value.shape[value.ndim - 1];
  if (
    value.ndim === 0 ||
    factor.shape.join() !== String(columns) ||
    offset.shape.join() !== String(columns)
  )
    throw new ShapeError(
      `layerNorm: scale and shift must have the size of the last axis of x; got ${factor.aval.toString()} and ${offset.aval.toString()} for ${value.aval.toString()}.`,
    );
  const rows = value.size / Math.max(1, columns);
  const block = blockRows('layerNorm', rows, columns, options.blockRows);
  return inFloat32('layerNorm', [value, factor, offset], (v, s, t) => {
    if (v.size === 0) return v;
    const f = layerNormFor(rows, columns, block, epsilon);
    return reshape(f(reshape(v, [rows, columns]), s, t), v.shape);
  });
}
