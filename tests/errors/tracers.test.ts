// Mistakes with traced values: used as numbers, kept after their transformation, taken through promises.
import { cond, grad, jit, jvp, makeJaxpr, scan, vmap, whileLoop, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { report, reports, untyped } from './report.ts';

const x = np.array([1, 2, 3]);
const number = (v: Value): number => v as unknown as number;

test('as JavaScript values', () => {
  expect(
    reports({
      'tracer > 0': () => jit((v: Value) => (number(v) > 0 ? v : np.sin(v)))(1),
      '+tracer': () => jit((v: Value) => +number(v))(1),
      'tracer * 2': () => grad((v: Value) => untyped(np.array)(number(v) * 2) as Value)(1),
      'Math.sin': () => vmap((v: Value) => np.array(Math.sin(number(v))))(x),
      'a template': () => jit((v: Value) => np.zeros([Number(`${number(v) - 1}`)]))(1),
      'an index': () => jit((v: Value) => np.array([1, 2, 3].at(number(v)) ?? 0))(1),
      'a size': () => jit((v: Value) => np.zeros([number(v)]))(3),
      'an axis': () => jit((v: Value) => np.sum(np.ones([2, 3]), number(v)))(0),
      iteration: () => jit((v: Value) => [...(v as unknown as Iterable<Value>)])(x),
      destructuring: () =>
        grad((v: Value) => {
          const [first] = v as unknown as Value[];
          return first;
        })(x),
      'Math.max of a spread': () =>
        jit((v: Value) => np.array(Math.max(...(v as unknown as number[]))))(x),
      item: () => jit((v: Value) => np.array(v.item() as number))(1),
      jsSync: () => vmap((v: Value) => untyped(np.array)(v.jsSync()))(x),
      dataSync: () => makeJaxpr((v: Value) => untyped(np.array)(v.dataSync()))(x),
      'property by number': () => jit((v: Value) => untyped(np.sin)(Reflect.get(v, 0)))(x),
    }),
  ).toMatchInlineSnapshot(`
    "tracer > 0
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with jit. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    +tracer
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with jit. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    tracer * 2
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with grad. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    Math.sin
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with vmap. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    a template
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with jit. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    an index
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with jit. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    a size
      ConcretizationError: zeros: the shape must be known when the program is traced; got Traced<f32[]> with jit. Use x.shape and JavaScript numbers, or make the argument static.
    an axis
      ShapeError: sum: axis must be an integer in [-2, 2); got Traced<f32[]> with jit for an array of 2 axes. Choose an axis that exists.
    iteration
      ConcretizationError: tracer: a traced value cannot be iterated over or destructured; got Traced<f32[3]> with jit. Take parts with x.at(i).get() or np.split, or loop with lax.scan or vmap.
    destructuring
      ConcretizationError: tracer: a traced value cannot be iterated over or destructured; got Traced<f32[3]> with grad. Take parts with x.at(i).get() or np.split, or loop with lax.scan or vmap.
    Math.max of a spread
      ConcretizationError: tracer: a traced value cannot be iterated over or destructured; got Traced<f32[3]> with jit. Take parts with x.at(i).get() or np.split, or loop with lax.scan or vmap.
    item
      ConcretizationError: item: a traced value has no elements yet; got Traced<f32[]> with jit. Return it from the transformed function and read it there.
    jsSync
      ConcretizationError: jsSync: a traced value has no elements yet; got Traced<f32[]> with vmap. Return it from the transformed function and read it there.
    dataSync
      ConcretizationError: dataSync: a traced value has no elements yet; got Traced<f32[3]> with jit. Return it from the transformed function and read it there.
    property by number
      ArgumentError: sin: x must be an array or a number; got undefined. Make an array of it with np.array(…)."
  `);
});

test('leaks', () => {
  let leaked: Value = x;
  const keep = (v: Value): Value => {
    leaked = v;
    return v.mul(2);
  };
  const message = (run: () => unknown, use: () => unknown = () => np.sin(leaked)): string => {
    run();
    return report(use);
  };
  const cases = {
    'after jit': message(() => jit(keep)(x)),
    'after grad': message(() => grad((v: Value) => keep(v).sum())(x)),
    'after jvp': message(() => jvp(keep, [x], [x])),
    'after vmap': message(() => vmap(keep)(x)),
    'after a loop': message(() =>
      whileLoop((c: Value) => c.sum().item !== undefined && np.less(c.sum(), 3), keep, x),
    ),
    'after a scan': message(() => scan((c: Value, v: Value) => [c, keep(v)], 0, x)),
    'after a branch': message(() => cond(np.array(true), keep, (v: Value) => v, x)),
    read: message(
      () => jit(keep)(x),
      () => leaked.jsSync(),
    ),
    'captured by another function': message(
      () => jit((v: Value) => keep(v).add(1))(x),
      () => jit((v: Value) => v.add(leaked))(x),
    ),
    'returned from another function': message(
      () => jit((v: Value) => keep(v).sub(1))(x),
      () => jit(() => leaked)(),
    ),
    'given to another function': message(
      () => jit((v: Value) => keep(v).div(1))(x),
      () => grad((v: Value) => v.sum())(leaked),
    ),
  };
  expect(
    Object.entries(cases)
      .map(([name, text]) => `${name}\n  ${text}`)
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "after jit
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with jit. Return the value from the transformed function instead of storing it in an outer variable.
    after grad
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with grad. Return the value from the transformed function instead of storing it in an outer variable.
    after jvp
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with jvp. Return the value from the transformed function instead of storing it in an outer variable.
    after vmap
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[]> with vmap. Return the value from the transformed function instead of storing it in an outer variable.
    after a loop
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with whileLoop. Return the value from the transformed function instead of storing it in an outer variable.
    after a scan
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[]> with scan. Return the value from the transformed function instead of storing it in an outer variable.
    after a branch
      TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with cond. Return the value from the transformed function instead of storing it in an outer variable.
    read
      ConcretizationError: jsSync: a traced value has no elements yet; got Traced<f32[3]> with cond. Return it from the transformed function and read it there.
    captured by another function
      TracerLeakError: add: a traced value was used after its transformation had finished; got Traced<f32[3]> with jit. Return the value from the transformed function instead of storing it in an outer variable.
    returned from another function
      TracerLeakError: jit: output: a traced value was used after its transformation had finished; got Traced<f32[3]> with jit. Return the value from the transformed function instead of storing it in an outer variable.
    given to another function
      TracerLeakError: reduce_sum: a traced value was used after its transformation had finished; got Traced<f32[3]> with jit. Return the value from the transformed function instead of storing it in an outer variable."
  `);
});

test('promises', () => {
  const later = async (v: Value): Promise<Value> => v;
  expect(
    reports({
      jit: () => jit(later)(x),
      grad: () => untyped(grad(later as never))(1),
      vmap: () => vmap(later)(x),
      makeJaxpr: () => makeJaxpr(later)(x),
      jvp: () => jvp(later as never, [x], [x]),
      scan: () => scan(untyped(later) as never, 0, x),
      whileLoop: () => whileLoop(untyped(later) as never, (c: Value) => c, 1),
      cond: () => cond(true, later as never, later as never, x),
      'a promise inside of the result': () => jit((v: Value) => ({ a: Promise.resolve(v) }))(x),
      'await inside': () => jit((v: Value) => ({ a: v.data() }))(x),
    }),
  ).toMatchInlineSnapshot(`
    "jit
      AsyncFunctionError: jit: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    grad
      AsyncFunctionError: grad: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments.
    vmap
      AsyncFunctionError: vmap: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    makeJaxpr
      AsyncFunctionError: jit: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    jvp
      AsyncFunctionError: jvp: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    scan
      AsyncFunctionError: scan: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    whileLoop
      AsyncFunctionError: whileLoop: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    cond
      AsyncFunctionError: cond: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments.
    a promise inside of the result
      TreeError: jit: leaves must be arrays or numbers; got an object of class Promise at the result['a']. Make an array of it with np.array(…), or take it out of the tree.
    await inside
      ConcretizationError: data: a traced value has no elements yet; got Traced<f32[3]> with jit. Return it from the transformed function and read it there."
  `);
});
