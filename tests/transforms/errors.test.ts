/** Bad input: each mistake has its class of error and its sentence. */
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { reduceSum } from '../../lax/structure.ts';
import { sin } from '../../lax/transcendental.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop, whileLoop } from '../../control/while.ts';
import { cond, switchBranch } from '../../control/cond.ts';
import { lt } from '../../lax/comparison.ts';
import { customJvp, customVjp } from '../../transforms/custom.ts';
import { jvp, linearize } from '../../transforms/forward.ts';
import { grad, vjp } from '../../transforms/grad.ts';
import { jacfwd } from '../../transforms/jacobian.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, failure } from './setup.ts';

const x = array([1, 2, 3]);
const untyped = (f: unknown): ((...args: unknown[]) => unknown) =>
  f as (...args: unknown[]) => unknown;

describe('tracers', () => {
  test('leaks', () => {
    let leaked: Value | undefined;
    const keep = (v: Value): Value => {
      leaked = v;
      return v;
    };
    jit(keep)(x);
    expect(failure(() => sin(leaked as Value))).toMatchInlineSnapshot(
      `"TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with jit. Return the value from the transformed function instead of storing it in an outer variable."`,
    );
    expect(failure(() => jit((v: Value) => add(v, leaked as Value))(x))).toMatchInlineSnapshot(
      `"TracerLeakError: add: a traced value was used after its transformation had finished; got Traced<f32[3]> with jit. Return the value from the transformed function instead of storing it in an outer variable."`,
    );
    grad((v: Value) => reduceSum(keep(v)))(x);
    expect(failure(() => sin(leaked as Value))).toMatchInlineSnapshot(
      `"TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[3]> with grad. Return the value from the transformed function instead of storing it in an outer variable."`,
    );
    vmap(keep)(x);
    expect(failure(() => sin(leaked as Value))).toMatchInlineSnapshot(
      `"TracerLeakError: sin: a traced value was used after its transformation had finished; got Traced<f32[]> with vmap. Return the value from the transformed function instead of storing it in an outer variable."`,
    );
  });

  test('as numbers', () => {
    expect(failure(() => jit((v: Value) => (Number(v) > 0 ? v : sin(v)))(1))).toMatchInlineSnapshot(
      `"ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with jit. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static."`,
    );
    expect(
      failure(() => jit((v: Value) => ((v as unknown as number) > 0 ? v : sin(v)))(1)),
    ).toMatchInlineSnapshot(
      `"ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with jit. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static."`,
    );
    expect(
      failure(() => jit((v: Value) => [...(v as unknown as Iterable<Value>)])(x)),
    ).toMatchInlineSnapshot(
      `"ConcretizationError: tracer: a traced value cannot be iterated over or destructured; got Traced<f32[3]> with jit. Take parts with x.at(i).get() or np.split, or loop with lax.scan or vmap."`,
    );
  });

  test('the trace that was current comes back after an error', () => {
    expect(
      failure(() =>
        jit(() => {
          throw new RangeError('mine');
        })(),
      ),
    ).toBe('RangeError: mine');
    expect(String(sin(0))).toBe('0.0');
  });
});

describe('functions', () => {
  test('asynchronous ones', () => {
    const later = async (v: Value): Promise<Value> => v;
    expect(failure(() => jit(later)(x))).toMatchInlineSnapshot(
      `"AsyncFunctionError: jit: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments."`,
    );
    expect(failure(() => grad(untyped(later) as (v: Value) => Value)(1))).toMatchInlineSnapshot(
      `"AsyncFunctionError: grad: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments."`,
    );
    expect(failure(() => vmap(later)(x))).toMatchInlineSnapshot(
      `"AsyncFunctionError: vmap: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments."`,
    );
    expect(failure(() => scan(untyped(later) as never, 0, x))).toMatchInlineSnapshot(
      `"AsyncFunctionError: scan: transformed functions must be synchronous; got a promise from later. Await what it needs before the call, and pass the values as arguments."`,
    );
  });

  test('results that are no arrays', () => {
    expect(failure(() => jit(() => ({ a: 'text' }))())).toMatchInlineSnapshot(
      `"TreeError: jit: leaves must be arrays or numbers; got string text at the result['a']. Make an array of it with np.array(…), or take it out of the tree."`,
    );
    expect(failure(() => jit(() => undefined)())).toMatchInlineSnapshot(
      `"TreeError: jit: leaves must be arrays or numbers; got undefined at the result. Make an array of it with np.array(…), or take it out of the tree."`,
    );
    expect(failure(() => makeJaxpr(() => [Symbol.iterator])())).toMatchInlineSnapshot(
      `"TreeError: jit: leaves must be arrays or numbers; got symbol Symbol(Symbol.iterator) at the result[0]. Make an array of it with np.array(…), or take it out of the tree."`,
    );
  });

  test('arguments that are no arrays', () => {
    expect(failure(() => jit((d: { at: Date }) => d)({ at: new Date(0) }))).toMatchInlineSnapshot(
      `"TreeError: jit: leaves must be arrays or numbers; got an object of class Date at args[0]['at']. Make an array of it with np.array(…), or take it out of the tree."`,
    );
    expect(failure(() => untyped(grad(sin))('text'))).toMatchInlineSnapshot(
      `"TreeError: grad: leaves must be arrays or numbers; got string text at args[0]. Make an array of it with np.array(…), or take it out of the tree."`,
    );
    expect(failure(() => untyped(grad(sin))())).toMatchInlineSnapshot(
      `"ArgumentError: grad: argnums must name arguments of the call; got 0 for a call with 0 arguments. Pass the argument, or change argnums."`,
    );
  });
});

describe('grad', () => {
  test('what has no gradient', () => {
    expect(failure(() => grad((v: Value) => v)(x))).toMatchInlineSnapshot(
      `"ShapeError: grad: the function must return a scalar; got shape [3]. Sum or average the result, or use jacrev."`,
    );
    expect(failure(() => grad((v: Value) => v)(array([1], [], 'i32')))).toMatchInlineSnapshot(
      `"DTypeError: grad: arguments to differentiate must be floats; got int32. Convert with x.astype('f32'), choose other argnums, or pass allowInt."`,
    );
    expect(failure(() => grad((v: Value) => lt(v, 0))(1))).toMatchInlineSnapshot(
      `"DTypeError: grad: the function must return a real float value; got bool. Convert with x.astype('f32')."`,
    );
    expect(
      failure(() => untyped(grad(untyped((v: Value) => [v, v]) as never))(1)),
    ).toMatchInlineSnapshot(
      `"ShapeError: grad: the function must return one scalar; got a tree PyTreeDef([*, *]). Return one number, and the rest through hasAux."`,
    );
    expect(failure(() => grad((v: Value) => v, { argnums: 2 })(1))).toMatchInlineSnapshot(
      `"ArgumentError: grad: argnums must name arguments of the call; got 2 for a call with 1 arguments. Pass the argument, or change argnums."`,
    );
    expect(
      failure(() =>
        untyped(grad(untyped((v: Value) => v) as () => [Value, Value], { hasAux: true }))(1),
      ),
    ).toMatchInlineSnapshot(
      `"TreeError: grad: with hasAux the function must return a pair [result, aux]; got f32[]. Return [result, aux]."`,
    );
    expect(failure(() => grad((v: Value) => v, { holomorphic: true })(1))).toMatchInlineSnapshot(
      `"DTypeError: grad: with holomorphic all arguments must be complex; got float32. Convert them, or leave holomorphic out."`,
    );
    expect(failure(() => jacfwd((v: Value) => v)(array([1], [1], 'i32')))).toMatchInlineSnapshot(
      `"DTypeError: jacfwd: arguments to differentiate must be real floats; got int32. Convert with x.astype('f32'), or choose other argnums."`,
    );
  });

  test('tangents and cotangents that do not fit', () => {
    expect(failure(() => jvp(sin, 1 as never, 1 as never))).toMatchInlineSnapshot(
      `"ArgumentError: jvp: primals and tangents must be lists with one entry per argument; got number and number. Write jvp(f, [x], [dx])."`,
    );
    expect(failure(() => jvp(sin, [x], [array([1, 2])]))).toMatchInlineSnapshot(
      `"ShapeError: jvp: a tangent must have the shape of the value that it belongs to; got shape [2] for f32[3]. Give a tangent of shape [3]."`,
    );
    expect(failure(() => jvp(sin, [x], [array([1, 2, 3], [3], 'i32')]))).toMatchInlineSnapshot(
      `"DTypeError: jvp: a tangent must have the dtype of the value that it belongs to; got int32 for f32[3]. Convert with x.astype(…)."`,
    );
    expect(failure(() => jvp(sin, [x], [x, x] as never))).toMatchInlineSnapshot(
      `"TreeError: jvp: a tangent must have the tree of the value that it belongs to, PyTreeDef([*]); got PyTreeDef([*, *]). Give every array a tangent of its type."`,
    );
    expect(failure(() => vjp(sin, x)[1](array([1])))).toMatchInlineSnapshot(
      `"ShapeError: vjp: a cotangent must have the shape of the value that it belongs to; got shape [1] for f32[3]. Give a cotangent of shape [3]."`,
    );
    expect(failure(() => vjp(sin, x)[1]([x] as never))).toMatchInlineSnapshot(
      `"TreeError: vjp: a cotangent must have the tree of the value that it belongs to, PyTreeDef(*); got PyTreeDef([*]). Give every array a cotangent of its type."`,
    );
    expect(failure(() => linearize(sin, x)[1](array([1])))).toMatchInlineSnapshot(
      `"ShapeError: linearize: a tangent must have the shape of the value that it belongs to; got shape [1] for f32[3]. Give a tangent of shape [3]."`,
    );
  });

  test('loops of unknown length have no reverse derivative', () => {
    const f = (v: Value): Value =>
      whileLoop(
        (c: Value) => lt(c, 10),
        (c: Value) => mul(c, 2),
        v,
      );
    expect(failure(() => grad(f)(1))).toMatchInlineSnapshot(
      `"ArgumentError: whileLoop: reverse-mode differentiation does not work for whileLoop, or for foriLoop with traced bounds; got one in a function to differentiate. Use scan, or foriLoop with JavaScript numbers as bounds."`,
    );
    expect(
      failure(() =>
        grad((v: Value, n: Value) => foriLoop(0, n, (_: Value, c: Value) => mul(c, 2), v))(
          1,
          array([3], [], 'i32'),
        ),
      ),
    ).toMatchInlineSnapshot(
      `"ArgumentError: whileLoop: reverse-mode differentiation does not work for whileLoop, or for foriLoop with traced bounds; got one in a function to differentiate. Use scan, or foriLoop with JavaScript numbers as bounds."`,
    );
  });
});

describe('vmap', () => {
  test('axes that do not fit', () => {
    const f = (a: Value, b: Value): Value => add(a, b);
    expect(failure(() => vmap(f)(x, array([1, 2])))).toMatchInlineSnapshot(
      `"ShapeError: vmap: all mapped axes must have one size; got args[0] f32[3] has 3 along axis 0; args[1] f32[2] has 2 along axis 0. Change inAxes, or slice the arguments."`,
    );
    expect(failure(() => vmap(f)(x, 1))).toMatchInlineSnapshot(
      `"ShapeError: vmap: a mapped axis must exist; got axis 0 of args[1], which is f32[]. Use null in inAxes for arguments that are not mapped."`,
    );
    expect(failure(() => vmap(f, { inAxes: [0] })(x, x))).toMatchInlineSnapshot(
      `"ArgumentError: vmap: inAxes must have one entry per argument; got 1 entries for a call with 2 arguments. Write null for arguments that are not mapped."`,
    );
    expect(failure(() => vmap(f, { inAxes: [0, 1] })(x, x))).toMatchInlineSnapshot(
      `"ShapeError: vmap: a mapped axis must exist; got axis 1 of args[1], which is f32[3]. Use null in inAxes for arguments that are not mapped."`,
    );
    expect(failure(() => vmap(f, { inAxes: null })(x, x))).toMatchInlineSnapshot(
      `"ArgumentError: vmap: at least one argument must be mapped; got none, and no axisSize. Map an argument, or pass { axisSize }."`,
    );
    expect(failure(() => vmap(f, { outAxes: null })(x, x))).toMatchInlineSnapshot(
      `"ShapeError: vmap: a result with outAxes null must not depend on mapped arguments; got one that does, result. Give its axis in outAxes."`,
    );
    expect(failure(() => vmap(f, { outAxes: 3 })(x, x))).toMatchInlineSnapshot(
      `"ShapeError: vmap: outAxes must be axes of the results; got 3 for result, which has 1 axes. Choose one from -1 to 0."`,
    );
    expect(failure(() => vmap(f, { inAxes: 0.5 })(x, x))).toMatchInlineSnapshot(
      `"TreeError: vmap: inAxes must be integers, null, or trees of those; got number 0.5 for args[0]. Name the axis by its position."`,
    );
    expect(failure(() => vmap(f, { axisSize: 4 })(x, x))).toMatchInlineSnapshot(
      `"ShapeError: vmap: all mapped axes must have one size, axisSize 4; got args[0] f32[3] has 3 along axis 0; args[1] f32[3] has 3 along axis 0. Change inAxes, or slice the arguments."`,
    );
    expect(
      failure(() => vmap((t: { a: Value }) => t.a, { inAxes: [{ b: 0 }] })({ a: x })),
    ).toMatchInlineSnapshot(
      `"TreeError: vmap: inAxes must be a prefix of the tree it belongs to; got {'b': *} for {'a': *} at [0]. Give one entry for the whole, or one per child."`,
    );
  });
});

describe('custom rules', () => {
  test('missing and misshapen', () => {
    const f = customJvp(function f(v: Value) {
      return sin(v);
    });
    const g = customVjp(function g(v: Value) {
      return sin(v);
    });
    expect(String(f(0))).toBe('0.0');
    expect(failure(() => grad(f)(1))).toMatchInlineSnapshot(
      `"ArgumentError: customJvp: f is differentiated and has no rule; got no defjvp. Call f.defjvp((primals, tangents) => …)."`,
    );
    expect(failure(() => grad(g)(1))).toMatchInlineSnapshot(
      `"ArgumentError: customVjp: g is differentiated and has no rule; got no defvjp. Call g.defvjp(fwd, bwd)."`,
    );
    f.defjvp(() => 1 as never);
    expect(failure(() => grad(f)(1))).toMatchInlineSnapshot(
      `"TreeError: customJvp: the rule must return a pair [out, tangentOut]; got number 1 from the rule of f. Return both."`,
    );
    f.defjvp(([v]: Value[]) => [sin(v), [v]]);
    expect(failure(() => grad(f)(1))).toMatchInlineSnapshot(
      `"TreeError: customJvp (rule of f): a tangent must have the tree of the value that it belongs to, PyTreeDef(*); got PyTreeDef([*]). Give every array a tangent of its type."`,
    );
    f.defjvp(([v]: Value[]) => [sin(v), array([1, 2])]);
    expect(failure(() => grad(f)(1))).toMatchInlineSnapshot(
      `"ShapeError: customJvp (rule of f): a tangent must have the shape of the value that it belongs to; got shape [2] for f32[]. Give a tangent of shape []."`,
    );
    g.defvjp(
      (v: Value) => v,
      () => null,
    );
    expect(failure(() => grad(g)(1))).toMatchInlineSnapshot(
      `"TreeError: customVjp: the forward function must return a pair [out, residuals]; got f32[] from that of g. Return both."`,
    );
    g.defvjp(
      (v: Value) => [v, v],
      () => null,
    );
    expect(failure(() => grad(g)(1))).toMatchInlineSnapshot(
      `"TreeError: customVjp: the backward function must return a list with one entry per differentiable argument (1); got null from that of g. Return null where the cotangent is zero."`,
    );
    g.defvjp(
      (v: Value) => [v, v],
      () => [array([1, 2])],
    );
    expect(failure(() => grad(g)(1))).toMatchInlineSnapshot(
      `"ShapeError: customVjp: a cotangent must have the shape of its argument; got shape [2] for f32[] from the backward function of g. Sum over the axes that were broadcast."`,
    );
    g.defvjp(
      (v: Value) => [v, v],
      () => [{ a: 1 }],
    );
    expect(failure(() => grad(g)(1))).toMatchInlineSnapshot(
      `"TreeError: customVjp: a cotangent must have the tree of its argument, PyTreeDef(*); got PyTreeDef({'a': *}) for argument 0 from the backward function of g. Return null where the cotangent is zero."`,
    );
  });

  test('forward mode over a custom VJP', () => {
    const g = customVjp(function g(v: Value) {
      return sin(v);
    });
    g.defvjp(
      (v: Value) => [sin(v), v],
      (v: Value, ct: Value) => [mul(ct, v)],
    );
    expect(failure(() => jvp(g, [1], [1]))).toMatchInlineSnapshot(
      `"ArgumentError: customVjp: a function with a custom VJP has no forward-mode derivative; got jvp of g. Use reverse mode (grad, vjp, jacrev), or define the derivative with customJvp."`,
    );
    expect(failure(() => jit((v: Value) => jvp(g, [v], [v]))(1))).toMatchInlineSnapshot(
      `"ArgumentError: customVjp: a function with a custom VJP has no forward-mode derivative; got jvp of g. Use reverse mode (grad, vjp, jacrev), or define the derivative with customJvp."`,
    );
    expect(failure(() => jacfwd(g)(1))).toMatchInlineSnapshot(
      `"ArgumentError: customVjp: a function with a custom VJP has no forward-mode derivative; got jvp of g. Use reverse mode (grad, vjp, jacrev), or define the derivative with customJvp."`,
    );
  });

  test('captured values that are differentiated', () => {
    const outer = (v: Value): Value => {
      const f = customJvp((w: Value) => mul(w, v));
      f.defjvp(([w]: Value[], [t]: Value[]) => [f(w), t]);
      return f(v);
    };
    expect(failure(() => grad(outer)(1))).toMatchInlineSnapshot(
      `"TracerLeakError: mul: a traced value was used outside the transformation that it belongs to; got Traced<f32[]> with grad. A function with a custom derivative rule, and whatever runs eagerly, must get it as an argument instead of capturing it."`,
    );
    expect(failure(() => grad(jit(outer))(1))).toMatchInlineSnapshot(
      `"TracerLeakError: <lambda>: a function with a custom derivative rule must not capture values that are differentiated; got one of 1. Pass them as arguments."`,
    );
  });
});

describe('control flow', () => {
  test('scan', () => {
    const id = (c: Value, v: Value): readonly [Value, Value] => [c, v];
    expect(failure(() => scan(id, 0, 1))).toMatchInlineSnapshot(
      `"ShapeError: scan: xs must have a first axis to loop over; got f32[] at xs. Capture scalars in the body, or carry them."`,
    );
    expect(failure(() => scan(id, 0, null as never))).toMatchInlineSnapshot(
      `"ArgumentError: scan: the number of steps must be known; got no arrays in xs and no length. Pass { length }."`,
    );
    expect(failure(() => scan(id, 0, x, { length: 2 }))).toMatchInlineSnapshot(
      `"ShapeError: scan: all leading sizes, and length, must be equal; got length: 2, xs: 3. Slice the inputs to one length."`,
    );
    expect(
      failure(() => scan((c: Value, [a]: Value[]) => [c, a], 0, [x, array([1])])),
    ).toMatchInlineSnapshot(
      `"ShapeError: scan: all leading sizes, and length, must be equal; got xs[0]: 3, xs[1]: 1. Slice the inputs to one length."`,
    );
    expect(failure(() => scan(untyped((c: Value) => c) as never, 0, x))).toMatchInlineSnapshot(
      `"TreeError: scan: the body must return a pair [carry, y]; got *. Return [carry, null] when there is nothing to stack."`,
    );
    expect(
      failure(() => scan((_: Value, v: Value) => [[v] as unknown as Value, v], 0, x)),
    ).toMatchInlineSnapshot(
      `"TreeError: scan: the body must return a carry with the tree of its input, PyTreeDef(*); got PyTreeDef([*]). Return every part of the carry."`,
    );
    expect(
      failure(() => scan((_: Value, v: Value) => [x as Value, v], 0, x)),
    ).toMatchInlineSnapshot(
      `"ShapeError: scan: the body must return a carry of the type of its input; got f32[3] for f32[] at carry. Keep the shape, or start with an array of the shape that the body gives."`,
    );
    expect(failure(() => scan((_: Value, v: Value) => [lt(v, 0), v], 0, x))).toMatchInlineSnapshot(
      `"DTypeError: scan: the body must return a carry of the type of its input; got bool[] for f32[] at carry. Convert the initial value, or the result of the body."`,
    );
  });

  test('whileLoop and foriLoop', () => {
    expect(
      failure(() =>
        whileLoop(
          (c: Value) => c,
          (c: Value) => c,
          1,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"DTypeError: whileLoop: the condition must give one bool; got f32[]. Compare, and reduce with np.any or np.all."`,
    );
    expect(
      failure(() =>
        whileLoop(
          (c: Value) => [lt(c, 1)] as never,
          (c: Value) => c,
          1,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"TreeError: whileLoop: the condition must give one bool; got a tree [*]. Return a single comparison."`,
    );
    expect(
      failure(() =>
        whileLoop(
          (c: Value) => lt(c, 1),
          () => x as Value,
          1,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"ShapeError: whileLoop: the body must return a carry of the type of its input; got f32[3] for f32[] at carry. Keep the shape, or start with an array of the shape that the body gives."`,
    );
    expect(failure(() => foriLoop(0, 1.5, (_: Value, c: Value) => c, 1))).toMatchInlineSnapshot(
      `"ArgumentError: foriLoop: bounds must be integers; got 1.5. Round it."`,
    );
    expect(
      failure(() => foriLoop(0, array([2], []), (_: Value, c: Value) => c, 1)),
    ).toMatchInlineSnapshot(
      `"DTypeError: foriLoop: bounds must be integer scalars of one dtype; got 0 and f32[]. Convert with x.astype('i32')."`,
    );
  });

  test('cond and switch', () => {
    expect(
      failure(() =>
        cond(
          lt(x, 0),
          () => 1,
          () => 2,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"ShapeError: cond: the predicate must be a scalar; got bool[3]. Reduce it with np.any or np.all, or choose element by element with np.where."`,
    );
    expect(
      failure(() =>
        cond(
          true,
          () => x as Value,
          () => 2,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"ShapeError: cond: all branches must return the same types; got f32[] from branch 0 where another gives f32[3], at result. Broadcast or reshape in one of them."`,
    );
    expect(
      failure(() =>
        cond(
          true,
          () => [1] as never,
          () => 2,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"TreeError: cond: all branches must return the same tree; got [*] from branch 1, * from branch 0. Return the same structure everywhere."`,
    );
    expect(
      failure(() =>
        cond(
          true,
          () => lt(x, 0),
          () => x as Value,
        ),
      ),
    ).toMatchInlineSnapshot(
      `"DTypeError: cond: all branches must return the same types; got bool[3] from branch 1 where another gives f32[3], at result. Convert in one of them."`,
    );
    expect(failure(() => switchBranch(0.5, [() => 1]))).toMatchInlineSnapshot(
      `"DTypeError: switch: the index must be an integer scalar; got 0.5. Convert with x.astype('i32')."`,
    );
    expect(failure(() => switchBranch(0, []))).toMatchInlineSnapshot(
      `"ArgumentError: switch: there must be a list of at least one branch; got a JavaScript array of 0. Pass a list of functions."`,
    );
  });
});
