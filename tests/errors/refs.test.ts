// Mistakes with refs outside of kernels.
import {
  checkpoint,
  cond,
  customJvp,
  freeze,
  grad,
  jit,
  jvp,
  newRef,
  scan,
  vmap,
  whileLoop,
  type Ref,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import { exportFunction } from 'palladia/export';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import { expect, test } from 'vitest';
import { reports, untyped } from './report.ts';

const x = (): Value => np.array([0, 1, 2]);

function frozenRef(): Ref {
  const r = newRef(x());
  freeze(r);
  return r;
}

function leaked(transform: (f: (y: Value) => Value) => unknown): Ref {
  let kept = newRef(0);
  transform((y: Value) => {
    kept = newRef(y);
    return y.mul(2);
  });
  return kept;
}

test('frozen and leaked refs', () => {
  expect(
    reports({
      'read after freeze': () => frozenRef().get(),
      'write after freeze': () => frozenRef().set(x()),
      'frozen twice': () => freeze(frozenRef()),
      'frozen as argument': () => jit((r: Ref) => r.get())(frozenRef()),
      'frozen and closed over': () => {
        const r = newRef(x());
        const f = jit(() => r.get());
        f();
        freeze(r);
        f();
      },
      'frozen in a program': () =>
        jit((y: Value) => {
          const r = newRef(y);
          freeze(r);
          return r.get();
        })(x()),
      'frozen by another function': () => {
        const r = newRef(x());
        jit(() => freeze(r))();
      },
      'frozen in a loop': () =>
        jit((y: Value) => {
          const r = newRef(y);
          return scan(() => [null, freeze(r)], null, y)[1];
        })(x()),
      'out of jit': () => leaked((f) => jit(f)(1)).get(),
      'out of grad': () => leaked((f) => grad(f)(1)).get(),
      'out of grad, into jit': () => {
        const r = leaked((f) => grad(f)(1));
        jit(() => r.get())();
      },
      'out of vmap': () => leaked((f) => vmap(f)(x())).set(1),
    }),
  ).toMatchInlineSnapshot(`
    "read after freeze
      DeletedArrayError: get: a ref must not be used after freeze; got Ref{f32[3]}. Use the array that freeze gave, or make another ref of it with newRef.
    write after freeze
      DeletedArrayError: set: a ref must not be used after freeze; got Ref{f32[3]}. Use the array that freeze gave, or make another ref of it with newRef.
    frozen twice
      DeletedArrayError: freeze: a ref must not be used after freeze; got Ref{f32[3]}. Use the array that freeze gave, or make another ref of it with newRef.
    frozen as argument
      DeletedArrayError: jit: a ref must not be used after freeze; got Ref{f32[3]}. Use the array that freeze gave, or make another ref of it with newRef.
    frozen and closed over
      DeletedArrayError: jit: a ref must not be used after freeze; got Ref{f32[3]}. Use the array that freeze gave, or make another ref of it with newRef.
    frozen in a program
      DeletedArrayError: get: a ref must not be used after freeze; got Ref{f32[3]}. Use the array that freeze gave, or make another ref of it with newRef.
    frozen by another function
      ArgumentError: freeze: a ref must be frozen by the function that made it; got Ref{f32[3]}, which was made outside. Read it with ref.get(), and freeze it outside.
    frozen in a loop
      ArgumentError: freeze: a ref must be frozen by the function that made it; got Ref{f32[3]}, which was made outside. Read it with ref.get(), and freeze it outside.
    out of jit
      TracerLeakError: get: a traced value was used after its transformation had finished; got Traced<Ref{f32[]}> with jit. Return the value from the transformed function instead of storing it in an outer variable.
    out of grad
      TracerLeakError: get: a ref must not be used outside the transformation that it was made in; got Ref{f32[]}, made under grad. Make the ref outside and let the function write to it, or return its value with freeze.
    out of grad, into jit
      TracerLeakError: get: a ref must not be used outside the transformation that it was made in; got Ref{f32[]}, made under grad. Make the ref outside and let the function write to it, or return its value with freeze.
    out of vmap
      TracerLeakError: swap: a ref must not be used outside the transformation that it was made in; got Ref{f32[]}, made under vmap. Make the ref outside and let the function write to it, or return its value with freeze."
  `);
});

test('refs where arrays must stand', () => {
  const add = untyped(np.add);
  const make = untyped(newRef);
  expect(
    reports({
      'an operation': () => add(newRef(x()), 1),
      'an operator': () => Number(newRef(x())),
      'a ref of a ref': () => make(newRef(x())),
      'a ref of nothing': () => make(undefined),
      'freeze of an array': () => untyped(freeze)(x()),
      'a ref in a ref': () => untyped((r: Ref, y: never) => r.set(y))(newRef(x()), newRef(x())),
      'a differentiated argument': () => untyped(grad((r: Ref) => r.get().sum()))(newRef(x())),
      'a primal': () => jvp(untyped(np.sin), [newRef(x())], [newRef(x())]),
      'an operand of a kernel': () =>
        untyped(pl.pallasCall(() => {}, { outShape: x() }))(newRef(x())),
      'made in a kernel': () =>
        pl.pallasCall((r: Ref, out: Ref) => out.set(newRef(r.get()).get()), { outShape: x() })(x()),
      'an argument of an exported program': () =>
        exportFunction(jit((r: Ref) => r.get()))(newRef(x())),
      'in a function with a rule of its own': () => {
        const r = newRef(2);
        const f = customJvp((y: Value) => y.mul(r.get()));
        f.defjvp(([y]: readonly Value[], [t]: readonly Value[]) => [f(y), t.mul(r.get())]);
        jit(f)(1);
      },
      'a carry': () => untyped(scan)((c: unknown) => [c, null], newRef(x()), x()),
      'stacked inputs': () => untyped(scan)(() => [null, null], null, newRef(x())),
      'a carry of whileLoop': () =>
        untyped(whileLoop)(
          () => true,
          (c: unknown) => c,
          newRef(x()),
        ),
    }),
  ).toMatchInlineSnapshot(`
    "an operation
      DTypeError: add: a ref is not an array; got Ref{f32[3]} as x. Read it with \`ref.get()\`.
    an operator
      DTypeError: ref: a ref is not an array; got a ref of f32[3] where a value is needed. Read it with \`ref.get()\`.
    a ref of a ref
      ArgumentError: newRef: a ref cannot hold a ref; got Ref{f32[3]}. Start from its value: newRef(ref.get()).
    a ref of nothing
      ArgumentError: newRef: init must be an array or a number; got undefined. Make an array of it with np.array(…).
    freeze of an array
      ArgumentError: freeze: only refs can be frozen; got f32[3]. An array is as it is.
    a ref in a ref
      DTypeError: store: a ref cannot be stored in a ref. Read it first with \`ref.get()\`.
    a differentiated argument
      DTypeError: grad: a ref is not an array; got Ref{f32[3]} as args[0]. Read it with \`ref.get()\`, or let the function close over it.
    a primal
      DTypeError: jvp: a ref is not an array; got Ref{f32[3]} as primals[0]. Read it with \`ref.get()\`, or let the function close over it.
    an operand of a kernel
      DTypeError: pallasCall: a ref is not an array; got Ref{f32[3]} as argument 0. Read it with \`ref.get()\`.
    made in a kernel
      LoweringError: new_ref: a kernel cannot make refs. Ask for memory with scratchShapes of pallasCall.
    an argument of an exported program
      ArgumentError: exportFunction: a program that leaves the process cannot hold refs; got Ref{f32[3]} among its arguments, or captured. Pass the value, and return the new one.
    in a function with a rule of its own
      ArgumentError: custom_jvp_call: a function that is called here cannot close over refs; got Ref{f32[]}. Read the ref before, pass the value, and write the result afterwards.
    a carry
      DTypeError: scan: a ref is not an array; got Ref{f32[3]} as init. Read it with \`ref.get()\`, or let the function close over it.
    stacked inputs
      DTypeError: scan: a ref is not an array; got Ref{f32[3]} as xs. Read it with \`ref.get()\`, or let the function close over it.
    a carry of whileLoop
      DTypeError: whileLoop: a ref is not an array; got Ref{f32[3]} as init. Read it with \`ref.get()\`, or let the function close over it."
  `);
});

test('arguments and results of transformed functions', () => {
  expect(
    reports({
      'one ref twice': () => {
        const r = newRef(x());
        jit((a: Ref, b: { c: Ref }) => a.get().add(b.c.get()))(r, { c: r });
      },
      'passed and closed over': () => {
        const r = newRef(x());
        jit((_: number, a: Ref) => a.get().add(r.get()))(1, r);
      },
      'passed to a branch and closed over': () => {
        const r = newRef(x());
        cond(
          true,
          (s: Ref) => s.get().add(r.get()),
          (s: Ref) => s.get(),
          r,
        );
      },
      'passed to checkpoint and closed over': () => {
        const r = newRef(x());
        checkpoint((s: Ref) => s.get().add(r.get()))(r);
      },
      'twice under vmap': () => {
        const r = newRef(x());
        vmap((a: Ref, b: Ref) => a.get().add(b.get()))(r, r);
      },
      'a static argument': () => jit((_: Ref) => 1, { staticArgnums: 0 })(newRef(x())),
      'a window': () => jit((r: Ref) => r.get())(newRef(x()).at(0)),
      'a new ref returned': () => jit((y: Value) => untyped(newRef)(y))(x()),
      'an argument returned': () => jit((r: Ref) => [{ r }])(newRef(x())),
      'returned by a branch': () => untyped(cond)(true, newRef, newRef, 1),
      'returned by vmap': () => vmap((y: Value) => untyped(newRef)(y))(x()),
    }),
  ).toMatchInlineSnapshot(`
    "one ref twice
      ArgumentError: jit: a ref must be passed once; got Ref{f32[3]} as args[0] and as args[1]['c']. Pass it once, and use it twice.
    passed and closed over
      ArgumentError: jit: a ref must not be both closed over and passed; got Ref{f32[3]} as args[1]. Use the argument alone, or do not pass it.
    passed to a branch and closed over
      ArgumentError: cond: a ref must not be both closed over and passed; got Ref{f32[3]} as operands[0]. Use the argument alone, or do not pass it.
    passed to checkpoint and closed over
      ArgumentError: checkpoint: a ref must not be both closed over and passed; got Ref{f32[3]} as args[0]. Use the argument alone, or do not pass it.
    twice under vmap
      ArgumentError: vmap: a ref must be passed once; got Ref{f32[3]} as args[0] and as args[1]. Pass it once, and use it twice.
    a static argument
      ConcretizationError: jit: a ref must not be static, because its contents change; got Ref{f32[3]} as argument 0. Leave it out of staticArgnums.
    a window
      ArgumentError: jit: a window on a ref cannot be an argument; got one of [] on Ref{f32[3]}. Pass the ref, and take the window inside of the function.
    a new ref returned
      ArgumentError: jit: a function must not return refs; got Ref{f32[3]} at result of <lambda>. Return its value, ref.get() or freeze(ref).
    an argument returned
      ArgumentError: jit: a function must not return refs; got Ref{f32[3]} at result[0]['r'] of <lambda>. Return its value, ref.get() or freeze(ref).
    returned by a branch
      ArgumentError: cond: a function must not return refs; got Ref{f32[]} at result of newRef. Return its value, ref.get() or freeze(ref).
    returned by vmap
      ArgumentError: vmap: a function must not return refs; got Ref{f32[]} at result of <lambda>. Return its value, ref.get() or freeze(ref)."
  `);
});

test('reads and writes', () => {
  const r = newRef(x());
  expect(
    reports({
      'another shape': () => r.set(np.zeros([2])),
      'no broadcast': () => r.set(1),
      'another dtype': () => r.set(np.zeros([3], 'i32')),
      'a fraction for integers': () => newRef(np.zeros([], 'i32')).set(np.array(2.5)),
      'an index out of range': () => r.at(3),
      'a slice out of range': () => r.get([1, 5]),
      'too many indices': () => r.get(0, 0),
      'a float as index': () => r.at(np.array(1)),
      'written in a condition': () => {
        const n = newRef(0);
        whileLoop(
          () => {
            n.addupdate(1);
            return lax.lt(n.get(), 5);
          },
          (c: Value) => c,
          0,
        );
      },
    }),
  ).toMatchInlineSnapshot(`
    "another shape
      ShapeError: store: the value must have the shape of the window; got f32[2] for [3]. Stores do not broadcast: use np.broadcastTo or np.full.
    no broadcast
      ShapeError: store: the value must have the shape of the window; got f32[] for [3]. Stores do not broadcast: use np.broadcastTo or np.full.
    another dtype
      DTypeError: store: the value must have the dtype of the ref; got i32[3] for f32. Convert it with \`x.astype('f32')\`.
    a fraction for integers
      DTypeError: store: the value must have the dtype of the ref; got f32[] for i32. Convert it with \`x.astype('i32')\`.
    an index out of range
      ShapeError: ref: index must be an integer in [-3, 3) on axis 0; got 3. Choose an index inside.
    a slice out of range
      ShapeError: ref: [start, stop] must be integers that lie inside the axis; got [1, 5] on axis 0 of size 3. Use a smaller slice, or a larger ref.
    too many indices
      ShapeError: ref: there must not be more indices than axes; got 2 indices for 1 axes. Leave some out.
    a float as index
      DTypeError: ref: an index must be an integer scalar; got f32[]. Use pl.ds(start, size) for a slice.
    written in a condition
      ArgumentError: whileLoop: the condition must not write to refs; got a write to Ref{f32[]}. Write in the body."
  `);
});

test('transformations', () => {
  const r = newRef(x());
  expect(
    reports({
      'a mapped value in a ref that is not mapped': () =>
        vmap((y: Value) => {
          r.at(0).set(y);
          return y;
        })(x()),
      'added, at mapped places': () =>
        vmap((i: Value) => {
          r.at(i).addupdate(1);
          return i;
        })(np.array([0, 1], 'i32')),
      'in a loop': () =>
        vmap((y: Value) => {
          scan(
            () => {
              r.at(0).set(y);
              return [null, null];
            },
            null,
            null,
            { length: 2 },
          );
          return y;
        })(x()),
      'a differentiated value': () =>
        grad((y: Value) => {
          r.at(0).set(y.mul(y));
          return y;
        })(1),
      'a differentiated value, in jit': () =>
        grad(
          jit((y: Value) => {
            r.at(0).addupdate(y.mul(y));
            return y;
          }),
        )(1),
    }),
  ).toMatchInlineSnapshot(`
    "a mapped value in a ref that is not mapped
      ArgumentError: vmap: a mapped function must not write to a ref that is the same for all lanes; got a write to Ref{f32[3]}. Pass the ref as a mapped argument, or make it inside of the function.
    added, at mapped places
      ArgumentError: vmap: a mapped function must not write to a ref that is the same for all lanes; got a write to Ref{f32[3]}. Pass the ref as a mapped argument, or make it inside of the function.
    in a loop
      ArgumentError: vmap: a mapped function must not write to a ref that is the same for all lanes; got a write to Ref{f32[3]}. Pass the ref as a mapped argument, or make it inside of the function.
    a differentiated value
      ArgumentError: ref: a value that is differentiated must not be written to a ref from outside of the differentiated function; got f32[] for Ref{f32[3]}. Write lax.stopGradient(x), or make the ref inside of the function.
    a differentiated value, in jit
      ArgumentError: ref: a value that is differentiated must not be written to a ref from outside of the differentiated function; got f32[3] for Ref{f32[3]}. Write lax.stopGradient(x), or make the ref inside of the function."
  `);
});
