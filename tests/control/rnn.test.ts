/**
 * What makes loops worth having: a recurrent network by `scan` has the gradient of the network written out; what is compiled does not
 * grow with the number of steps; what reverse mode keeps grows with the steps, and with their square root under nested `checkpoint`.
 */
import { checkpoint, grad, jit, makeJaxpr, scan, type Jaxpr, type Value } from 'palladia';
import { jaxprsIn } from 'palladia/extend';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { describe, expect, test } from 'vitest';
import { dtypeInfo } from '../../core/dtype.ts';
import type { Aval } from '../../core/aval.ts';
import { sizeOf } from '../../core/shape.ts';

type Params = { readonly h: Value; readonly x: Value };
type Step = (state: Value, x: Value) => [Value, Value];
type Loop = (step: Step, state: Value, xs: Value) => [Value, Value];

const [width, inputs] = [8, 4];
const noise = (shape: readonly number[], seed: number, scale = 1): Value =>
  lax.reshape(
    np.array(
      Array.from(
        { length: sizeOf(shape) },
        (_, i) => scale * Math.sin(12.9898 * (i + 1) + 78.233 * seed),
      ),
    ),
    shape,
  );

const lossBy =
  (loop: Loop) =>
  (params: Params, xs: Value): Value => {
    const step: Step = (state, x) => {
      const next = lax.tanh(lax.add(np.dot(params.h, state), np.dot(params.x, x)));
      return [next, lax.reduceSum(lax.mul(next, next))];
    };
    const [last, energies] = loop(step, np.zeros([width]), xs);
    return lax.add(lax.reduceSum(last), lax.reduceSum(energies));
  };

const scanned: Loop = (step, state, xs) => scan(step, state, xs);
const writtenOut: Loop = (step, state, xs) => {
  const ys: Value[] = [];
  let now = state;
  for (let i = 0; i < xs.shape[0]; i++) {
    const row = lax.squeeze(lax.sliceInDim(xs, i, i + 1), [0]);
    const [next, y] = step(now, row);
    now = next;
    ys.push(lax.reshape(y, [1]));
  }
  return [now, lax.concatenate(ys, 0)];
};
/** Rows of √n steps, each of which is computed again on the way back. */
const nested: Loop = (step, state, xs) => {
  const rows = Math.sqrt(xs.shape[0]);
  const row = checkpoint((s: Value, part: Value): Value[] => scan(step, s, part), {
    preventCse: false,
  });
  const [last, ys] = scan(
    (s: Value, part: Value): [Value, Value] => {
      const [next, y] = row(s, part);
      return [next, y];
    },
    state,
    lax.reshape(xs, [rows, rows, inputs]),
  );
  return [last, lax.reshape(ys, [rows * rows])];
};

const params: Params = { h: noise([width, width], 1, 0.3), x: noise([width, inputs], 2, 0.5) };

const largest = (got: Value, want: Value): number => {
  const [a, b] = [got, want].map((x) => Array.from(x.dataSync() as Float32Array));
  const scale = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]) / scale));
};

/** Backpropagation through time in double precision. */
function byHand(xs: Value): Params {
  const [w, u] = [params.h, params.x].map((m) => m.jsSync() as number[][]);
  const rows = xs.jsSync() as number[][];
  const times = (m: number[][], v: readonly number[]): number[] =>
    m.map((row) => row.reduce((sum, y, j) => sum + y * v[j], 0));
  const states = [Array.from({ length: width }, () => 0)];
  for (const x of rows) {
    const [a, b] = [times(w, states[states.length - 1]), times(u, x)];
    states.push(a.map((y, i) => Math.tanh(y + b[i])));
  }
  const [slopeW, slopeU] = [w, u].map((m) => m.map((row) => row.map(() => 0)));
  let ct = Array.from({ length: width }, () => 1);
  for (let t = rows.length; t > 0; t--) {
    const [next, state] = [states[t], states[t - 1]];
    const inner = next.map((y, i) => (ct[i] + 2 * y) * (1 - y * y));
    inner.forEach((g, i) => {
      state.forEach((y, j) => (slopeW[i][j] += g * y));
      rows[t - 1].forEach((y, j) => (slopeU[i][j] += g * y));
    });
    ct = state.map((_, j) => inner.reduce((sum, g, i) => sum + g * w[i][j], 0));
  }
  return { h: np.array(slopeW), x: np.array(slopeU) };
}

describe('a recurrent network', () => {
  test('of 512 steps has the gradient that is computed by hand', () => {
    const xs = noise([512, inputs], 3);
    const want = byHand(xs);
    for (const unroll of [1, 4, 7]) {
      const loop: Loop = (step, state, rows) => scan(step, state, rows, { unroll });
      const got = jit(grad(lossBy(loop)))(params, xs);
      expect(largest(got.h, want.h)).toBeLessThan(1e-5);
      expect(largest(got.x, want.x)).toBeLessThan(1e-5);
    }
  });

  test('has the gradient of the steps written out', () => {
    const xs = noise([24, inputs], 3);
    const [got, want] = [scanned, writtenOut].map((loop) => grad(lossBy(loop))(params, xs));
    expect(largest(got.h, want.h)).toBeLessThan(1e-6);
    expect(largest(got.x, want.x)).toBeLessThan(1e-6);
  });

  test('of a square number of steps has the same gradient when rows are computed again', () => {
    const xs = noise([256, inputs], 3);
    const [got, want] = [nested, scanned].map((loop) => jit(grad(lossBy(loop)))(params, xs));
    expect(largest(got.h, want.h)).toBeLessThan(1e-5);
    expect(largest(got.x, want.x)).toBeLessThan(1e-5);
  });

  test('is the same program for any number of steps, but for the numbers in it', () => {
    const compiled = (steps: number): readonly [text: string, kernels: number] => {
      const lowered = jit(grad(lossBy(scanned)), { name: 'f' }).lower(
        params,
        noise([steps, inputs], 3),
      );
      return [lowered.asText().replaceAll(/\d+/g, '0'), lowered.compile().kernels.length];
    };
    expect(compiled(4096)).toEqual(compiled(512));
  });
});

const bytes = ({ shape, dtype }: Aval): number => sizeOf(shape) * dtypeInfo[dtype].byteLength;

/** Bytes of what the equations of a program make, and of what the hungriest program inside makes beside it. */
function keptBytes({ eqns }: Jaxpr): number {
  const own = eqns.reduce(
    (n, { outputs }) => n + outputs.reduce((m, v) => m + bytes(v.aval), 0),
    0,
  );
  const inside = eqns.flatMap(({ params: p }) => jaxprsIn(p)).map(keptBytes);
  return own + Math.max(0, ...inside);
}

describe('memory of reverse mode', () => {
  const next = (state: Value, x: Value): Value =>
    lax.tanh(lax.add(np.dot(params.h, state), np.dot(params.x, x)));
  const last = (state: Value, xs: Value): Value =>
    scan((s: Value, x: Value): [Value, null] => [next(s, x), null], state, xs)[0];
  const row = checkpoint(last, { preventCse: false });
  const lastByRows = (state: Value, xs: Value): Value =>
    scan((s: Value, part: Value): [Value, null] => [row(s, part), null], state, xs)[0];
  const kept = (f: (state: Value, xs: Value) => Value, ...shape: number[]): number => {
    const slope = grad((state: Value, xs: Value) => lax.reduceSum(f(state, xs)));
    return keptBytes(makeJaxpr(slope)(np.zeros([width]), np.zeros([...shape, inputs])));
  };

  test('grows with the steps', () => {
    const [few, many] = [1024, 4096].map((steps) => kept(last, steps));
    expect(many / few).toBeGreaterThan(3.9);
    expect(many / few).toBeLessThan(4.1);
  });

  test('grows with the square root of the steps when rows are computed again', () => {
    const [few, many] = [32, 64].map((rows) => kept(lastByRows, rows, rows));
    expect(many / few).toBeGreaterThan(1.8);
    expect(many / few).toBeLessThan(2.1);
    expect(kept(last, 4096) / many).toBeGreaterThan(20);
  });

  test('does not keep what does not change: a carry that stays is no residual', () => {
    const carried = (state: Value, xs: Value): Value =>
      scan(
        ([w, s]: Value[], x: Value): [Value[], null] => [
          [w, lax.tanh(lax.add(np.dot(w, s), np.dot(params.x, x)))],
          null,
        ],
        [params.h, state],
        xs,
      )[0][1];
    expect(kept(carried, 1024)).toBe(kept(last, 1024));
  });
});
