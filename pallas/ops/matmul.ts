/** Matrix product as a kernel over blocks of rows, columns and the inner axis; the inner axis is sequential and accumulates into the output. */
import { asValue, type ArrayLike } from '../../core/array.ts';
import { ShapeError } from '../../core/errors.ts';
import { checkOptions } from '../../core/options.ts';
import type { Value } from '../../core/value.ts';
import { eq, lt, select } from '../../lax/comparison.ts';
import { mul } from '../../lax/arithmetic.ts';
import { zeros, zerosLike } from '../../lax/creation.ts';
import { transpose } from '../../lax/structure.ts';
import { customVjp, type CustomVjp } from '../../transforms/custom.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { pallasCall } from '../call.ts';
import { BlockSpec, cdiv, programId } from '../grid.ts';
import type { Ref } from '../../lax/ref.ts';
import { when } from '../when.ts';
import { blockOf, inFloat32, positions, product } from './rows.ts';

/** Block sizes of `matmul`. */
export interface MatmulOptions {
  readonly blockM?: number;
  readonly blockN?: number;
  readonly blockK?: number;
}

type Sizes = readonly [
  m: number,
  k: number,
  n: number,
  blockM: number,
  blockK: number,
  blockN: number,
];

function call([m, k, n, blockM, blockK, blockN]: Sizes): (x: Value, y: Value) => Value {
  const inside = (block: Value, start: Value, axis: 0 | 1): Value => {
    if (k % blockK === 0) return block;
    const shape = block.shape as readonly [number, number];
    return select(lt(positions(start, shape, axis), k), block, zerosLike(block));
  };
  const kernel = (x: Ref, y: Ref, z: Ref): void => {
    const step = programId(2);
    const start = mul(step, blockK);
    when(eq(step, 0), () => z.set(zeros([blockM, blockN])));
    z.addupdate(product(inside(x.get(), start, 1), inside(y.get(), start, 0)));
  };
  return pallasCall(kernel as never, {
    name: 'matmul',
    outShape: new ShapeDtypeStruct([m, n], 'f32'),
    grid: [cdiv(m, blockM), cdiv(n, blockN), cdiv(k, blockK)],
    inSpecs: [
      new BlockSpec([blockM, blockK], (i, _j, l) => [i, l]),
      new BlockSpec([blockK, blockN], (_i, j, l) => [l, j]),
    ],
    outSpecs: new BlockSpec([blockM, blockN], (i, j) => [i, j]),
  });
}

const made = new Map<string, CustomVjp<[Value, Value], Value>>();

function matmulFor(sizes: Sizes): CustomVjp<[Value, Value], Value> {
  const key = sizes.join();
  const known = made.get(key);
  if (known !== undefined) return known;
  const run = call(sizes);
  const options = { blockM: sizes[3], blockK: sizes[4], blockN: sizes[5] };
  const f = customVjp(function matmul(x: Value, y: Value): Value {
    return run(x, y);
  });
  f.defvjp(
    (x: Value, y: Value) => [run(x, y), [x, y]],
    // d(x · y) = dx · y + x · dy
    ([x, y]: Value[], ct: Value) => [
      matmul(ct, transpose(y), options),
      matmul(transpose(x), ct, options),
    ],
  );
  if (made.size >= 256) made.clear();
  made.set(key, f);
  return f;
}

/**
 * Matrix product by a kernel, for any shape and any block sizes. f16 and bf16 are multiplied and summed as f32.
 *
 * shape: x: f32[m,k], y: f32[k,n] → f32[m,n]
 *
 * @throws ShapeError when the inner sizes differ; DTypeError for other types than f32, f16 and bf16; ArgumentError for blocks that are no positive
 * integers.
 * @example
 * pl.ops.matmul(np.ones([3, 5]), np.ones([5, 2]), { blockK: 2 }).shape; // → 3,2
 */
export function matmul(x: ArrayLike, y: ArrayLike, options: MatmulOptions = {}): Value {
  checkOptions('matmul', options, ['blockM', 'blockN', 'blockK']);
  const [left, right] = [asValue('matmul', x, 'x'), asValue('matmul', y, 'y')];
  if (left.ndim !== 2 || right.ndim !== 2 || left.shape[1] !== right.shape[0])
    throw new ShapeError(
      `matmul: x must be [m,k] and y [k,n]; got ${left.aval.toString()} and ${right.aval.toString()}. Map it over other axes with vmap.`,
    );
  const [m, k] = left.shape;
  const n = right.shape[1];
  const block = (name: keyof MatmulOptions, extent: number): number =>
    blockOf(['matmul', name, options[name]], extent, 64);
  const sizes = [m, k, n, block('blockM', m), block('blockK', k), block('blockN', n)] as const;
  return inFloat32('matmul', [left, right], (a, b) =>
    m * k * n === 0 ? zeros([m, n]) : matmulFor(sizes)(a, b),
  );
}
