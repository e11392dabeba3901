// One kernel, one meaning: compiled for wasm, decomposed on the interpreter device, and in the checking interpreter.
import { describe, expect, test } from 'vitest';
import { grad, setDefaultDevice, ShapeDtypeStruct, vmap, type Value } from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import * as random from 'palladia/random';

const struct = (shape: number[], dtype: 'f32' | 'i32' = 'f32'): ShapeDtypeStruct =>
  new ShapeDtypeStruct(shape, dtype);
const f32 = (...values: number[]): Value => np.array(values, 'f32');
const ramp = (n: number): Value => np.arange(n).astype('f32');
const numbers = (x: Value): number[] => {
  const data: ArrayLike<number | bigint> = x.ravel().dataSync();
  return Array.from(data, (n) => Number(n) + 0);
};

/** Expect the same numbers of every way to run a kernel; `isChecked`: also of the interpreter that poisons what lies outside. */
function everywhere(f: () => Value, wanted: readonly number[], isChecked = true): void {
  try {
    setDefaultDevice('interpreter');
    expect(numbers(f()), 'interpreter').toEqual(wanted);
  } finally {
    setDefaultDevice('wasm');
  }
  expect(numbers(f()), 'wasm').toEqual(wanted);
  if (isChecked) expect(numbers(pl.forceInterpretMode(f)()), 'checked').toEqual(wanted);
}

describe('index maps', () => {
  const double = (spec: pl.BlockSpec) => (x: Value) =>
    pl.pallasCall((a, out) => out.set(a.get().mul(2)), {
      outShape: struct([6]),
      grid: 3,
      inSpecs: [spec],
      outSpecs: new pl.BlockSpec([2], (i) => [i]),
    })(x);
  test('programId in an index map is the index of the grid, below vmap too', () => {
    const f = double(new pl.BlockSpec([2], () => [pl.programId(0)]));
    everywhere(() => f(ramp(6)), [0, 2, 4, 6, 8, 10]);
    const two = (): Value => ramp(12).reshape([2, 6]);
    everywhere(() => vmap(f)(two()), numbers(two().mul(2)));
  });
  test('indices of other integer types', () => {
    for (const dtype of ['i8', 'u8', 'u32'] as const) {
      const f = double(new pl.BlockSpec([2], (i) => [np.subtract(2, i).astype(dtype)]));
      everywhere(() => f(ramp(6)), [8, 10, 4, 6, 0, 2]);
    }
  });
});

describe('windows of scratch memory that reach out', () => {
  const call = (kernel: pl.KernelFunction, columns: number): Value =>
    pl.pallasCall(kernel, {
      outShape: struct([3, columns]),
      grid: 3,
      outSpecs: new pl.BlockSpec([null, columns], (i) => [i, 0]),
      scratchShapes: [struct([4])],
    })(f32(1, 2, 3, 4));
  test('read zeros where they are outside', () => {
    for (const [from, wanted] of [
      [-2, [0, 0, 1, 0, 1, 2, 1, 2, 3]],
      [2, [3, 4, 0, 4, 0, 0, 0, 0, 0]],
    ] as const)
      everywhere(
        () =>
          call((x, out, s) => {
            s.set(x.get());
            out.set(s.get(pl.ds(pl.programId(0).add(from), 3)));
          }, 3),
        wanted,
        false,
      );
  });
  test('write only what is inside', () => {
    everywhere(
      () =>
        call((x, out, s) => {
          s.set(np.zeros([4]));
          s.set(x.get(pl.ds(0, 2)), pl.ds(pl.programId(0).mul(2).sub(1), 2));
          out.set(s.get());
        }, 4),
      [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1],
      false,
    );
  });
});

describe('what kernels call', () => {
  test('gathers, whose rules have arrays of constants', () => {
    const x = (): Value => ramp(6).reshape([3, 2]);
    const take = (at: Value): Value =>
      pl.pallasCall((a, i, out) => out.set(np.take(a.get(), i.get(), 0)), {
        outShape: struct([3, 2]),
      })(x(), at);
    everywhere(() => take(np.array([2, 0, 5], 'i32')), [4, 5, 0, 1, NaN, NaN]);
    everywhere(
      () =>
        pl.pallasCall(
          (a, out) => out.set(np.takeAlongAxis(a.get(), np.argsort(a.get().mul(-1), 0), 0)),
          { outShape: struct([3, 2]) },
        )(x()),
      [4, 5, 2, 3, 0, 1],
    );
  });
  test('sorts beside constants that their comparators have too', () => {
    const f = (dtype: 'f32' | 'i32') => (): Value =>
      pl.pallasCall(
        (x, out) => {
          const turned = np.where(np.equal(x.get(0), 0), x.get(), x.get().mul(-1));
          out.set(np.sort(turned));
          lax.foriLoop(
            0,
            2,
            (_, sum) => {
              out.set(np.sort(out.get().mul(-1)));
              return sum;
            },
            0,
          );
        },
        { outShape: struct([4], dtype) },
      )(np.array([3, -1, 0, 7], dtype));
    everywhere(f('f32'), [-7, -3, 0, 1]);
    everywhere(f('i32'), [-7, -3, 0, 1]);
  });
  test('random bits of a key that is an input', () => {
    const data = random.keyData(random.key(3));
    const f = pl.pallasCall((k, out) => out.set(random.uniform(random.wrapKeyData(k.get()), [4])), {
      outShape: struct([4]),
    });
    everywhere(() => f(data), numbers(random.uniform(random.key(3), [4])));
  });
  test('scalars of the host are constants of the kernel, in branches and loops too', () => {
    everywhere(
      () =>
        pl.pallasCall(
          (x, out) => {
            const start = [np.array(0, 'i32'), x.get(1)] as const;
            const [, doubled] = lax.whileLoop(
              ([i]) => np.less(i, 3),
              ([i, v]) => [i.add(1), v.mul(2)] as const,
              start,
            );
            out.set(
              lax
                .cond(
                  np.greater(doubled, 10),
                  () => np.array(7, 'f32'),
                  () => np.array(-7, 'f32'),
                )
                .add(doubled),
            );
          },
          { outShape: struct([]) },
        )(f32(1, 2)),
      [23],
    );
  });
  test('masked loads: zero, one value or an array where the mask does not hold', () => {
    const f = (other?: (x: pl.Ref) => Value | number) => (): Value =>
      pl.pallasCall(
        (x, out) => {
          const mask = np.greater(x.get(), 1);
          out.set(x.load(other === undefined ? { mask } : { mask, other: other(x) }));
        },
        { outShape: struct([4]) },
      )(ramp(4));
    everywhere(f(), [0, 0, 2, 3]);
    everywhere(
      f(() => 9),
      [9, 9, 2, 3],
    );
    everywhere(
      f((x) => x.get(3)),
      [3, 3, 2, 3],
    );
    everywhere(
      f((x) => x.get().sub(5)),
      [-5, -4, 2, 3],
    );
  });
});

test('a kernel of integers does not stand in the way of a gradient', () => {
  const signs = pl.pallasCall((x, out) => out.set(np.sign(x.get()).astype('i32')), {
    outShape: struct([3], 'i32'),
  });
  const f = (x: Value): Value => np.where(np.greater(signs(x), 0), x.mul(x), 0).sum();
  everywhere(() => grad(f)(f32(-1, 2, 3)), [0, 4, 6], false);
});
