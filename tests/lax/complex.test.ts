// Complex numbers: parts, conjugates, what the primitives refuse, and their rules under jit and vmap. They run on the interpreter.
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import * as lax from '../../lax/index.ts';
import { grad, vjp } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, distance, failure, flat, noise } from '../transforms/setup.ts';

const z = array([1, 2, 3, 4], [2], 'complex64');

describe('parts', () => {
  test('taken apart and put together', () => {
    expect(flat(lax.real(z))).toEqual([1, 3]);
    expect(flat(lax.imag(z))).toEqual([2, 4]);
    expect(flat(lax.complex(lax.real(z), lax.imag(z)))).toEqual([1, 2, 3, 4]);
    expect(flat(lax.conj(z))).toEqual([1, -2, 3, -4]);
    expect(flat(lax.conj(array([1, 2])))).toEqual([1, 0, 2, 0]);
    expect(flat(lax.complex(array([1, 2]), 5))).toEqual([1, 5, 2, 5]);
    expect(flat(lax.abs(array([3, 4], [], 'complex64')))).toEqual([5]);
  });

  test('types, weak types, empty arrays', () => {
    expect(lax.complex(1, 2).aval.toString()).toBe('c64[]');
    expect([lax.complex(1, 2).weakType, lax.real(lax.complex(1, 2)).weakType]).toEqual([
      true,
      true,
    ]);
    const none = array([], [0], 'complex64');
    expect(lax.real(none).aval.toString()).toBe('f32[0]');
    expect(lax.conj(none).aval.toString()).toBe('c64[0]');
  });

  test('what they refuse', () => {
    expect(failure(() => lax.real(1))).toMatchInlineSnapshot(
      `"DTypeError: real: takes complex operands; got f32[]. A real number is its own real part."`,
    );
    expect(failure(() => lax.imag(array([1], [1], 'i32')))).toMatchInlineSnapshot(
      `"DTypeError: imag: takes complex operands; got i32[1]. A real number is its own real part."`,
    );
    expect(failure(() => lax.conj(array([1], [1], 'i32')))).toMatchInlineSnapshot(
      `"DTypeError: conj: takes complex, float32 or float64 operands; got i32[1]. Convert with lax.convertElementType."`,
    );
    expect(failure(() => lax.complex(z, z))).toMatchInlineSnapshot(
      `"DTypeError: complex: takes float operands; got c64[2] and c64[2]. Convert with lax.convertElementType."`,
    );
    expect(
      failure(() => lax.complex(array([1], [1], 'f16'), array([1], [1], 'f16'))),
    ).toMatchInlineSnapshot(
      `"DTypeError: complex: the parts must be float32 or float64; got f16[1]. Convert with lax.convertElementType."`,
    );
    expect(failure(() => lax.complex(array([1, 2]), array([1, 2, 3])))).toMatchInlineSnapshot(
      `"ShapeError: complex: shapes must be equal; got f32[2] and f32[3] (axis 0). Reshape or slice one of them."`,
    );
  });
});

describe('rules', () => {
  const size = (re: Value, im: Value): Value =>
    lax.reduceSum(lax.abs(lax.exp(lax.conj(lax.complex(re, im)))));
  const gradient = grad(size, { argnums: [0, 1] });
  const [re, im] = [noise([3, 2], 1), noise([3, 2], 2)];

  test('jit and vmap, in any order, with and without a batch axis', () => {
    const loop = [0, 1, 2].map((i) => {
      const row = (x: Value): Value => lax.squeeze(lax.slice(x, [i, 0], [i + 1, 2]), 0);
      return gradient(row(re), row(im)).map(flat);
    });
    const rows = (k: number): Value =>
      array(
        loop.flatMap((pair) => pair[k]),
        [3, 2],
      );
    for (const f of [vmap(gradient), jit(vmap(gradient)), vmap(jit(gradient))])
      expect(distance(f(re, im), [rows(0), rows(1)])).toBeLessThan(1e-6);
    const one = lax.squeeze(lax.slice(im, [0, 0], [1, 2]), 0);
    const mixed = vmap(lax.complex, { inAxes: [0, null] });
    expect(flat(lax.imag(mixed(re, one)))).toEqual([...flat(one), ...flat(one), ...flat(one)]);
  });

  test('a scalar beside an array gets the sum of the cotangents', () => {
    const [, pull] = vjp((x: Value, y: Value) => lax.complex(x, y), array([1, 2]), 5);
    expect(pull(array([1, 2, 3, 4], [2], 'complex64')).map(flat)).toEqual([[1, 3], [-6]]);
  });
});
