/** The programs of record.py, written with palladia: the same names, the same arguments. */
import {
  cond,
  foriLoop,
  freeze,
  grad,
  jit,
  newRef,
  scan,
  switchBranch,
  vmap,
  whileLoop,
  type Ref,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { ds } from 'palladia/pallas';

/** A program over arrays, which makes its refs itself. */
export type RefProgram = (x: Value, i: Value) => Value | readonly Value[];

const part = (x: Value, from: number, to: number): Value =>
  lax.slice(
    x,
    x.shape.map((_, axis) => (axis === 0 ? from : 0)),
    x.shape.with(0, to),
  );
const row = (x: Value, i: number): Value => np.squeeze(part(x, i, i + 1), 0);
const column = (x: Value, i: number): Value =>
  np.squeeze(lax.sliceInDim(x, i, i + 1, { axis: 1 }), 1);
const positive = (x: Value): Value => lax.gt(x, 0);
const range = (n: number): Value => lax.iota('i32', n);

/** Reads and writes without control flow. */
const accesses: Readonly<Record<string, RefProgram>> = {
  whole(x) {
    const r = newRef(x);
    r.set(np.sin(x).mul(2));
    return r.get();
  },
  positions(x) {
    const r = newRef(x);
    r.at(0).set(row(x, 1).mul(row(x, 2)));
    r.at(-1).set(3);
    return [r.get(), r.get(0)];
  },
  slices(x) {
    const r = newRef(x);
    r.set(part(x, 0, 2).mul(2), [1, 3]);
    return [r.get(), r.get([2, 4]), r.get([0, 3])];
  },
  additions(x) {
    const r = newRef(np.zeros([4]));
    r.addupdate(x);
    r.at(1).addupdate(row(x, 0));
    r.accumulate(part(x, 0, 2), [2, 4]);
    return r.get();
  },
  exchange(x) {
    const r = newRef(x);
    const old = r.swap(part(x, 2, 4).mul(part(x, 0, 2)), [0, 2]);
    return [old, r.get()];
  },
  computedPosition(x, i) {
    const r = newRef(x);
    r.at(i).set(row(x, 0).mul(3));
    r.at(i).addupdate(row(x, 1));
    return [r.get(i), r.get()];
  },
  computedSlice(x, i) {
    const r = newRef(x);
    r.at(ds(i, 2)).set(part(x, 0, 2).mul(part(x, 0, 2)));
    return [r.get(ds(i, 2)), r.get()];
  },
  strided(x) {
    const r = newRef(x);
    return r.get(ds(0, 2, 2)).mul(r.get(ds(1, 2, 2)));
  },
  rowsAndColumns(x) {
    const r = newRef(x);
    r.at(1).set(row(x, 0).mul(2));
    r.at(null, 0).set(column(x, 1).add(r.get(null, 2)));
    return [r.get(), r.get(0, [1, 4]), r.get([1, 2], '...')];
  },
  scalar(x) {
    const r = newRef(x.mul(1));
    r.set(r.get().mul(r.get()));
    r.addupdate(np.cos(x));
    return r.get();
  },
  frozen(x) {
    const r = newRef(x);
    r.at(0).set(row(x, 3));
    return freeze(r);
  },
  order(x) {
    const r = newRef(x);
    const a = r.get();
    r.set(a.mul(2));
    const b = r.get();
    r.set(b.add(a));
    return [a, b, r.get()];
  },
  twoRefs(x) {
    const [a, b] = [newRef(x), newRef(np.cos(x))];
    const t = a.get();
    a.set(b.get());
    b.set(t.mul(a.get()));
    return [a.get(), b.get()];
  },
};

/** Loops and branches that close over refs. */
const controlFlow: Readonly<Record<string, RefProgram>> = {
  counter(x) {
    const r = newRef(np.zeros([], 'i32'));
    foriLoop(
      0,
      4,
      (i: Value) => {
        r.set(r.get().add(i));
        return null;
      },
      null,
    );
    return [r.get(), x];
  },
  scanSum(x) {
    const r = newRef(np.zeros([]));
    const step = (c: Value, v: Value): [Value, Value] => {
      r.addupdate(np.sin(v).mul(c));
      return [c.mul(1.5), r.get()];
    };
    const [c, ys] = scan(step, row(x, 0), x);
    return [c, ys, r.get()];
  },
  scanReverse(x) {
    const r = newRef(x);
    const step = (c: Value, i: Value): [Value, null] => {
      r.at(i).set(r.get(i).mul(c));
      return [c.add(r.get(i)), null];
    };
    const [c] = scan(step, row(x, 1), range(4), { reverse: true });
    return [c, r.get()];
  },
  readInScan(x) {
    const r = newRef(np.exp(x));
    const step = (c: Value, i: Value): [Value, Value] => [c.add(r.get(i).mul(r.get(0))), c];
    return scan(step, row(x, 0), range(4));
  },
  foriHistory(x) {
    const r = newRef(np.zeros([5]));
    const step = (i: Value, c: Value): Value => {
      r.at(i).set(c);
      return c.mul(row(x, 0)).add(1);
    };
    return [foriLoop(0, 5, step, row(x, 1)), r.get()];
  },
  whileBody(x) {
    const r = newRef(np.zeros([]));
    const step = (c: Value): Value => {
      r.addupdate(c.mul(x));
      return c.mul(2);
    };
    return [whileLoop((c: Value) => lax.lt(lax.abs(c), 20), step, x), r.get()];
  },
  branches(x) {
    const r = newRef(x);
    const left = (): void => r.at(0).set(row(x, 1).mul(10));
    const right = (): void => r.at(1).addupdate(row(x, 0).mul(row(x, 0)));
    cond(positive(row(x, 0)), left, right);
    cond(positive(row(x, 1)), left, right);
    return r.get();
  },
  switched(x, i) {
    const r = newRef(x);
    const put =
      (k: number) =>
      (v: Value): Value => {
        r.at(k).set(v.mul(r.get(k + 1)));
        return v.mul(2);
      };
    return [switchBranch(i, [put(0), put(1), put(2)], row(x, 0)), r.get()];
  },
  nestedScans(x) {
    const r = newRef(np.zeros([4]));
    const outer = (c: Value, line: Value): [Value, Value] => {
      const inner = (_: null, v: Value): [null, null] => {
        r.addupdate(line.mul(v));
        return [null, null];
      };
      scan(inner, null, part(line, 0, 2));
      return [c.add(r.get(0)), r.get(1)];
    };
    const [c, ys] = scan(outer, 0, x);
    return [c, ys, r.get()];
  },
  branchInScan(x) {
    const r = newRef(np.zeros([2]));
    const step = (_: null, v: Value): [null, Value] => {
      cond(
        positive(v),
        () => r.at(0).addupdate(v),
        () => r.at(1).addupdate(v.mul(v)),
      );
      return [null, r.get(0)];
    };
    return [scan(step, null, x)[1], r.get()];
  },
  condOperand(x) {
    const r = newRef(x);
    cond(
      lax.gt(row(x, 0), 1),
      (s: Ref, y: Value) => s.at(0).set(y),
      (s: Ref, y: Value) => s.at(1).set(y.mul(y)),
      r,
      row(x, 2),
    );
    return r.get();
  },
};

/** Transformed functions that get refs or close over them. */
const transformed: Readonly<Record<string, RefProgram>> = {
  jitArgument(x) {
    const r = newRef(x);
    const double = jit((s: Ref, y: Value): Value => {
      s.set(s.get().mul(2).add(y));
      return s.get(0);
    });
    return [double(r, x), double(r, np.flip(x)), r.get()];
  },
  jitClosure(x) {
    const r = newRef(x);
    const bump = jit((y: Value): void => {
      r.at(1).set(r.get(0).mul(y));
      r.at(0).addupdate(y);
    });
    bump(row(x, 2));
    bump(row(x, 3));
    return r.get();
  },
  mapped(x) {
    const r = newRef(x);
    const lane = (s: Ref, y: Value): Value => {
      s.at(0).set(y.mul(s.get(1)));
      s.addupdate(s.get([2, 4]), [1, 3]);
      return s.get(3).mul(y);
    };
    return [vmap(lane)(r, column(x, 0)), r.get()];
  },
  innerGrad(x) {
    const r = newRef(x);
    const seen = newRef(np.zeros([]));
    const loss = (y: Value): Value => {
      const z = r.get().mul(np.sin(y)).sum();
      seen.set(lax.stopGradient(z));
      return z.mul(z);
    };
    return [grad(loss)(x), seen.get()];
  },
};

export const programs: Readonly<Record<string, RefProgram>> = {
  ...accesses,
  ...controlFlow,
  ...transformed,
};
