/**
 * Loops whose end depends on data, on WebGPU: the results are those of the host, and the device is asked now and then, not after
 * every step, also where the body moves values around, branches, or holds other loops.
 */
import {
  cond,
  devicePut,
  foriLoop,
  init,
  jit,
  scan,
  switchBranch,
  vmap,
  whileLoop,
  type Device,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Readback } from '../../backends/webgpu/readback.ts';

const { add, mul, sub, lt } = lax;
const int = (...values: number[]): Value =>
  np.array(values.length === 1 ? values[0] : values, 'i32');
const reads = vi.spyOn(Readback.prototype, 'record');
let gpu: Device;

beforeAll(async () => {
  gpu = await init({ device: 'webgpu' });
});
beforeEach(() => void reads.mockClear());

/** How many steps it takes from a number to 1. */
const collatz = (from: Value): Value[] =>
  whileLoop(
    ([m]: Value[]) => lax.gt(m, 1n),
    ([m, steps]: Value[]) => [
      cond(
        lax.eq(lax.and(m, 1n), 0n),
        (v: Value) => lax.shiftRightArithmetic(v, 1n),
        (v: Value) => add(mul(v, 3n), 1n),
        m,
      ),
      add(steps, 1n),
    ],
    [from, zero()],
  );

type Program = (...args: Value[]) => Value | Value[];

/** A zero that belongs to no device yet. */
const zero = (): Value => lax.full([], 0, 'i32');

const count = (n: Value, body: (s: Value[], i: Value) => Value[], ...start: Value[]): Value[] =>
  whileLoop(
    ([i]: Value[]) => lt(i, n),
    ([i, ...s]: Value[]) => [add(i, 1n), ...body(s, i)],
    [zero(), ...start],
  ).slice(1);

const programs: Record<string, readonly [f: Program, args: Value[], mostReads: number]> = {
  'values that change places': [
    (n, a, b, c) => count(n, ([x, y, z]) => [y, z, add(mul(x, 0.5), z)], a, b, c),
    [int(37), np.array([1, 2]), np.array([3, 4]), np.array([5, 6])],
    3,
  ],
  'a branch in every step': [(n) => collatz(n)[1], [int(9)], 3],
  'branches in branches': [
    (n, x) =>
      count(
        n,
        ([v], i) => [
          switchBranch(
            lax.rem(i, 4n),
            [
              (w: Value) => add(w, 1),
              (w: Value) => w,
              (w: Value) =>
                cond(
                  lt(lax.reduceSum(w), 20),
                  (u: Value) => mul(u, 1.5),
                  (u: Value) => sub(u, 7),
                  w,
                ),
            ],
            v,
          ),
        ],
        x,
      ),
    [int(21), np.array([1, 2, 3])],
    3,
  ],
  'loops of known length inside, of odd and even length': [
    (n, w, x) =>
      count(
        n,
        ([v]) => {
          const odd = foriLoop(0, 3, (_: Value, u: Value) => lax.tanh(np.matmul(w, u)), v);
          return [foriLoop(0, 2, (_: Value, u: Value) => add(np.matmul(w, u), v), odd)];
        },
        x,
      ),
    [
      int(21),
      np.array([
        [0.5, -0.25],
        [0.125, 0.75],
      ]),
      np.array([1, -1]),
    ],
    3,
  ],
  'a history that is written step by step': [
    (n, xs) =>
      whileLoop(
        ([i, sum]: Value[]) => lax.and(lt(i, n), lt(sum, 12)),
        ([i, sum, all]: Value[]) => [
          add(i, 1n),
          add(sum, lax.squeeze(lax.dynamicSlice(xs, [i], [1]), [0])),
          lax.dynamicUpdateSlice(all, lax.reshape(sum, [1]), [i]),
        ],
        [zero(), 0, np.zeros([40])],
      ),
    [int(40), np.multiply(np.arange(40), 0.03)],
    3,
  ],
  'lanes that end at different steps': [
    vmap((x: Value) =>
      whileLoop(
        (v: Value) => lt(v, 100),
        (v: Value) => add(mul(v, 1.25), 1),
        x,
      ),
    ),
    [np.array([0, 3, 99, 500])],
    3,
  ],
  'a loop in a loop that depends on data': [
    (n) =>
      whileLoop(
        ([m]: Value[]) => lt(m, n),
        ([m, longest, total]: Value[]) => {
          const [, steps] = collatz(m);
          return [add(m, 1n), lax.max(longest, steps), add(total, steps)];
        },
        [lax.full([], 1, 'i32'), zero(), zero()],
      ),
    [int(7)],
    4,
  ],
  'a loop in a loop of known length, values that change places in both': [
    (limit, x, y) =>
      foriLoop(
        0,
        5,
        (i: Value, [a, b, c]: Value[]) => {
          const [p, q] = whileLoop(
            ([u, v]: Value[]) => lt(lax.reduceSum(add(u, v)), np.multiply(limit, add(i, 1n))),
            ([u, v]: Value[]) => [add(v, 1), add(u, v)],
            [b, a],
          );
          return [q, p, add(c, lax.reduceSum(p))];
        },
        [x, y, lax.full([], 0, 'f32')],
      ),
    [np.array(30), np.array([1, 2]), np.array([0.5, 0])],
    5,
  ],
  'a loop in a scan, with a history': [
    (xs) => {
      const [last, all] = scan(
        (carry: Value, x: Value) => {
          const root = whileLoop(
            (r: Value) => lax.gt(lax.abs(sub(mul(r, r), x)), 1e-3),
            (r: Value) => mul(add(r, lax.div(x, r)), 0.5),
            add(x, 1),
          );
          return [add(carry, root), root];
        },
        lax.full([], 0, 'f32'),
        xs,
      );
      return [last, all];
    },
    [np.array([4, 0.25, 100, 2, 9])],
    5,
  ],
  'a branch with a loop in a loop': [
    (n, x) =>
      count(
        n,
        ([v], i) => [
          switchBranch(
            lax.rem(i, 3n),
            [
              (w: Value) =>
                whileLoop(
                  (u: Value) => lt(lax.reduceSum(u), 50),
                  (u: Value) => mul(u, 1.5),
                  w,
                ),
              (w: Value) => sub(w, 7),
              (w: Value) =>
                cond(
                  lt(lax.reduceSum(w), 20),
                  (u: Value) => add(u, 2),
                  (u: Value) => foriLoop(0, 3, (_: Value, t: Value) => mul(t, 0.75), u),
                  w,
                ),
            ],
            v,
          ),
        ],
        x,
      ),
    [int(8), np.array([1, 2, 3])],
    4,
  ],
  'three loops in one another, of which some do no step': [
    (n) =>
      whileLoop(
        ([a]: Value[]) => lt(a, n),
        ([a, total]: Value[]) => {
          const [, sum] = whileLoop(
            ([b]: Value[]) => lt(b, a),
            ([b, s]: Value[]) => {
              const [, t] = whileLoop(
                ([c]: Value[]) => lt(c, lax.rem(b, 3n)),
                ([c, t]: Value[]) => [add(c, 1n), add(mul(t, 2n), c)],
                [zero(), s],
              );
              return [add(b, 1n), add(t, 1n)];
            },
            [zero(), total],
          );
          return [add(a, 1n), lax.rem(sum, 1009n)];
        },
        [zero(), zero()],
      )[1],
    [int(4)],
    4,
  ],
  'branches in a loop of known length': [
    (x) =>
      foriLoop(
        0,
        23,
        (i: Value, v: Value) =>
          cond(
            lt(lax.reduceSum(v), 10),
            (u: Value) => mul(u, 1.5),
            (u: Value) => np.subtract(u, i),
            v,
          ),
        x,
      ),
    [np.array([1, 2, 3])],
    3,
  ],
  'no step at all': [(n, a, b) => count(n, ([x, y]) => [y, x], a, b), [int(0), int(1), int(2)], 3],
};

test.each(Object.entries(programs))('%s', async (_, [f, args, mostReads]) => {
  const list = (...xs: Value[]): Value[] => [f(...xs)].flat();
  const want = jit(list)(...args).map((x) => x.jsSync());
  const program = jit(list);
  const there = await Promise.all(args.map((x) => devicePut(x, gpu)));
  for (let round = 0; round < 2; round++) {
    reads.mockClear();
    const outs = program(...there);
    const got = await Promise.all(outs.map((x) => x.js()));
    expect(flat(got).length).toBe(flat(want).length);
    flat(got).forEach((y, i) =>
      expect(Math.abs(y - flat(want)[i])).toBeLessThan(1e-4 * (1 + Math.abs(flat(want)[i]))),
    );
    expect(reads.mock.calls.length - outs.length).toBeLessThanOrEqual(mostReads);
  }
});

const flat = (x: unknown): number[] => (Array.isArray(x) ? x.flatMap(flat) : [Number(x)]);
