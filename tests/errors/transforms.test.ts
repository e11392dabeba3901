// Mistakes with transformations and control flow: what cannot be differentiated, mapped, carried, or made static.
import {
  checkpoint,
  cond,
  customJvp,
  customVjp,
  evalShape,
  foriLoop,
  grad,
  hessian,
  jacrev,
  jit,
  jvp,
  linearize,
  scan,
  switchBranch,
  valueAndGrad,
  vjp,
  vmap,
  whileLoop,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { reports, untyped } from './report.ts';

const x = np.array([1, 2, 3]);
const n = np.arange(3);
const square = (v: Value): Value => v.mul(v);

test('derivatives', () => {
  expect(
    reports({
      'grad of what is no scalar': () => grad(square)(x),
      'grad of integers': () => grad((v: Value) => v.sum())(n),
      'grad of a bool': () => grad((v: Value) => np.greater(v.sum(), 0))(x),
      'grad of a tree': () => untyped(grad(((v: Value) => ({ loss: v, size: v })) as never))(1),
      'grad of nothing': () => untyped(grad((() => undefined) as never))(1),
      'argnums out of range': () => grad(square, { argnums: 1 })(1),
      'argnums that are no numbers': () => grad(square, { argnums: 'x' as never })(1),
      'hasAux without a pair': () => untyped(valueAndGrad(square as never, { hasAux: true }))(1),
      'jacrev of integers': () => jacrev(square)(n),
      'hessian of integers': () => hessian((v: Value) => v.sum())(n),
      'tangents of another shape': () => jvp(square, [x], [np.ones([2])]),
      'tangents of another dtype': () => jvp(square, [x], [n]),
      'tangents that are no list': () => untyped(jvp)(square, x, x),
      'tangents of another tree': () =>
        jvp((t: { a: Value }) => t.a, [{ a: x }], [{ b: x }] as never),
      'cotangents of another shape': () => vjp(square, x)[1](np.ones([4])),
      'linearize with another shape': () => linearize(square, x)[1](np.ones([4])),
      'a loop of unknown length': () =>
        grad((v: Value) =>
          whileLoop(
            (c: Value) => np.less(c, 10),
            (c: Value) => c.mul(2),
            v,
          ),
        )(1),
      'a custom derivative without a rule': () => grad(customJvp(square))(1),
      'a custom gradient without a rule': () => grad(customVjp(square))(1),
      'forward mode of a custom gradient': () => {
        const f = customVjp(square);
        f.defvjp(
          (v: Value) => [v, v],
          (_: Value, ct: Value) => [ct],
        );
        return jvp(f, [1], [1]);
      },
      'no function': () => untyped(grad)(3),
      'the result of a call': () => untyped(grad)(square(x)),
    }),
  ).toMatchInlineSnapshot(`
    "grad of what is no scalar
      ShapeError: grad: the function must return a scalar; got shape [3]. Sum or average the result, or use jacrev.
    grad of integers
      DTypeError: grad: arguments to differentiate must be floats; got int32. Convert with x.astype('f32'), choose other argnums, or pass allowInt.
    grad of a bool
      DTypeError: grad: the function must return a real float value; got bool. Convert with x.astype('f32').
    grad of a tree
      ShapeError: grad: the function must return one scalar; got a tree PyTreeDef({'loss': *, 'size': *}). Return one number, and the rest through hasAux.
    grad of nothing
      TreeError: grad: leaves must be arrays or numbers; got undefined at the result. Make an array of it with np.array(…), or take it out of the tree.
    argnums out of range
      ArgumentError: grad: argnums must name arguments of the call; got 1 for a call with 1 arguments. Pass the argument, or change argnums.
    argnums that are no numbers
      ArgumentError: grad: argnums must name arguments of the call; got x for a call with 1 arguments. Pass the argument, or change argnums.
    hasAux without a pair
      TreeError: valueAndGrad: with hasAux the function must return a pair [result, aux]; got f32[]. Return [result, aux].
    jacrev of integers
      DTypeError: jacrev: arguments to differentiate must be floats; got int32. Convert with x.astype('f32'), choose other argnums, or pass allowInt.
    hessian of integers
      DTypeError: jacfwd: arguments to differentiate must be real floats; got int32. Convert with x.astype('f32'), or choose other argnums.
    tangents of another shape
      ShapeError: jvp: a tangent must have the shape of the value that it belongs to; got shape [2] for f32[3]. Give a tangent of shape [3].
    tangents of another dtype
      DTypeError: jvp: a tangent must have the dtype of the value that it belongs to; got int32 for f32[3]. Convert with x.astype(…).
    tangents that are no list
      ArgumentError: jvp: primals and tangents must be lists with one entry per argument; got object and object. Write jvp(f, [x], [dx]).
    tangents of another tree
      TreeError: jvp: a tangent must have the tree of the value that it belongs to, PyTreeDef([{'a': *}]); got PyTreeDef([{'b': *}]). Give every array a tangent of its type.
    cotangents of another shape
      ShapeError: vjp: a cotangent must have the shape of the value that it belongs to; got shape [4] for f32[3]. Give a cotangent of shape [3].
    linearize with another shape
      ShapeError: linearize: a tangent must have the shape of the value that it belongs to; got shape [4] for f32[3]. Give a tangent of shape [3].
    a loop of unknown length
      ArgumentError: whileLoop: reverse-mode differentiation does not work for whileLoop, or for foriLoop with traced bounds; got one in a function to differentiate. Use scan, or foriLoop with JavaScript numbers as bounds.
    a custom derivative without a rule
      ArgumentError: customJvp: square is differentiated and has no rule; got no defjvp. Call square.defjvp((primals, tangents) => …).
    a custom gradient without a rule
      ArgumentError: customVjp: square is differentiated and has no rule; got no defvjp. Call square.defvjp(fwd, bwd).
    forward mode of a custom gradient
      ArgumentError: customVjp: a function with a custom VJP has no forward-mode derivative; got jvp of square. Use reverse mode (grad, vjp, jacrev), or define the derivative with customJvp.
    no function
      ArgumentError: grad: there must be a function to transform or to run; got number 3. Pass the function itself, not its result.
    the result of a call
      ArgumentError: grad: there must be a function to transform or to run; got f32[3]. Pass the function itself, not its result."
  `);
});

test('vmap', () => {
  const add = (a: Value, b: Value): Value => a.add(b);
  expect(
    reports({
      'unequal sizes': () => vmap(add)(x, np.ones([4])),
      'a scalar': () => vmap(add)(x, 1),
      'an axis that does not exist': () => vmap(square, { inAxes: 1 })(x),
      'too few inAxes': () => vmap(add, { inAxes: [0] })(x, x),
      'nothing mapped': () => vmap(add, { inAxes: null })(x, x),
      'outAxes null of a mapped result': () => vmap(square, { outAxes: null })(x),
      'outAxes out of range': () => vmap(square, { outAxes: 2 })(x),
      axisSize: () => vmap(square, { axisSize: 5 })(x),
      'inAxes that are text': () => vmap(square, { inAxes: 'first' as never })(x),
      'no function': () => untyped(vmap)('square'),
    }),
  ).toMatchInlineSnapshot(`
    "unequal sizes
      ShapeError: vmap: all mapped axes must have one size; got args[0] f32[3] has 3 along axis 0; args[1] f32[4] has 4 along axis 0. Change inAxes, or slice the arguments.
    a scalar
      ShapeError: vmap: a mapped axis must exist; got axis 0 of args[1], which is f32[]. Use null in inAxes for arguments that are not mapped.
    an axis that does not exist
      ShapeError: vmap: a mapped axis must exist; got axis 1 of args[0], which is f32[3]. Use null in inAxes for arguments that are not mapped.
    too few inAxes
      ArgumentError: vmap: inAxes must have one entry per argument; got 1 entries for a call with 2 arguments. Write null for arguments that are not mapped.
    nothing mapped
      ArgumentError: vmap: at least one argument must be mapped; got none, and no axisSize. Map an argument, or pass { axisSize }.
    outAxes null of a mapped result
      ShapeError: vmap: a result with outAxes null must not depend on mapped arguments; got one that does, result. Give its axis in outAxes.
    outAxes out of range
      ShapeError: vmap: outAxes must be axes of the results; got 2 for result, which has 1 axes. Choose one from -1 to 0.
    axisSize
      ShapeError: vmap: all mapped axes must have one size, axisSize 5; got args[0] f32[3] has 3 along axis 0. Change inAxes, or slice the arguments.
    inAxes that are text
      TreeError: vmap: inAxes must be integers, null, or trees of those; got string first for args[0]. Name the axis by its position.
    no function
      ArgumentError: vmap: there must be a function to transform or to run; got string square. Pass the function itself, not its result."
  `);
});

test('control flow', () => {
  const id = (c: Value, v: Value): readonly [Value, Value] => [c, v];
  expect(
    reports({
      'a carry of another shape': () => scan((_: Value, v: Value) => [x, v], 0, x),
      'a carry of another dtype': () =>
        scan((c: Value, v: Value) => [c.add(0.5), v], np.array(0, 'i32'), n),
      'a carry of another tree': () => scan((c: Value, v: Value) => [[c] as never, v], 0, x),
      'a body without a pair': () => scan(untyped((c: Value) => c) as never, 0, x),
      'xs without an axis': () => scan(id, 0, 1),
      length: () => scan(id, 0, x, { length: 2 }),
      'nothing to loop over': () => scan(id, 0, null as never),
      'a condition that is no bool': () =>
        whileLoop(
          (c: Value) => c,
          (c: Value) => c,
          1,
        ),
      'a condition of JavaScript': () =>
        whileLoop(
          () => 'yes' as never,
          (c: Value) => c,
          1,
        ),
      'a loop that widens': () => foriLoop(0, 3, (_: Value, c: Value) => np.concatenate([c, c]), x),
      'bounds that are no integers': () => foriLoop(0, 2.5, (_: Value, c: Value) => c, x),
      'branches of unequal shapes': () =>
        cond(
          true,
          () => x,
          () => np.ones([2]),
        ),
      'branches of unequal dtypes': () =>
        cond(
          true,
          () => x,
          () => n,
        ),
      'branches of unequal trees': () =>
        cond(
          true,
          () => ({ a: 1 }),
          () => ({ b: 1 }) as never,
        ),
      'a predicate that is no scalar': () => cond(np.greater(x, 0), square, square, x),
      'a predicate that is text': () => untyped(cond)('yes', square, square, x),
      'a branch that is no function': () => untyped(cond)(true, x, square, x),
      'no branches': () => switchBranch(0, []),
      'a fractional branch': () => switchBranch(0.5, [() => 1]),
    }),
  ).toMatchInlineSnapshot(`
    "a carry of another shape
      ShapeError: scan: the body must return a carry of the type of its input; got f32[3] for f32[] at carry. Keep the shape, or start with an array of the shape that the body gives.
    a carry of another dtype
      DTypeError: scan: the body must return a carry of the type of its input; got f32[] for i32[] at carry. Convert the initial value, or the result of the body.
    a carry of another tree
      TreeError: scan: the body must return a carry with the tree of its input, PyTreeDef(*); got PyTreeDef([*]). Return every part of the carry.
    a body without a pair
      TreeError: scan: the body must return a pair [carry, y]; got *. Return [carry, null] when there is nothing to stack.
    xs without an axis
      ShapeError: scan: xs must have a first axis to loop over; got f32[] at xs. Capture scalars in the body, or carry them.
    length
      ShapeError: scan: all leading sizes, and length, must be equal; got length: 2, xs: 3. Slice the inputs to one length.
    nothing to loop over
      ArgumentError: scan: the number of steps must be known; got no arrays in xs and no length. Pass { length }.
    a condition that is no bool
      DTypeError: whileLoop: the condition must give one bool; got f32[]. Compare, and reduce with np.any or np.all.
    a condition of JavaScript
      TreeError: whileLoop: leaves must be arrays or numbers; got string yes at the result. Make an array of it with np.array(…), or take it out of the tree.
    a loop that widens
      ShapeError: scan: the body must return a carry of the type of its input; got f32[6] for f32[3] at carry[1]. Keep the shape, or start with an array of the shape that the body gives.
    bounds that are no integers
      ArgumentError: foriLoop: bounds must be integers; got 2.5. Round it.
    branches of unequal shapes
      ShapeError: cond: all branches must return the same types; got f32[3] from branch 1 where another gives f32[2], at result. Broadcast or reshape in one of them.
    branches of unequal dtypes
      DTypeError: cond: all branches must return the same types; got f32[3] from branch 1 where another gives i32[3], at result. Convert in one of them.
    branches of unequal trees
      TreeError: cond: all branches must return the same tree; got {'a': *} from branch 1, {'b': *} from branch 0. Return the same structure everywhere.
    a predicate that is no scalar
      ShapeError: cond: the predicate must be a scalar; got bool[3]. Reduce it with np.any or np.all, or choose element by element with np.where.
    a predicate that is text
      ArgumentError: cond: pred must be an array or a number; got string yes. Make an array of it with np.array(…).
    a branch that is no function
      ArgumentError: cond: there must be a function to transform or to run; got f32[3]. Pass the function itself, not its result.
    no branches
      ArgumentError: switch: there must be a list of at least one branch; got a JavaScript array of 0. Pass a list of functions.
    a fractional branch
      DTypeError: switch: the index must be an integer scalar; got 0.5. Convert with x.astype('i32')."
  `);
});

test('jit', () => {
  const scale = (v: Value, k: number): Value => v.mul(k);
  const donating = jit((a: Value, b: Value) => a.add(b), { donateArgnums: 0 });
  const given = np.ones([3]);
  donating(given, x);
  const freed = np.ones([3]);
  freed.dispose();
  expect(
    reports({
      'a static argument that does not exist': () => jit(scale, { staticArgnums: 5 })(x, 2),
      'a static argument that is traced': () =>
        jit((v: Value) => untyped(jit(scale, { staticArgnums: 1 }))(x, v))(2),
      'a static argument by name': () => jit(scale, { staticArgnums: 'k' as never })(x, 2),
      'a donated argument that is static': () =>
        jit(scale, { staticArgnums: 1, donateArgnums: 1 })(x, 2),
      'a donated argument that does not exist': () => jit(square, { donateArgnums: 3 })(x),
      'a donated array used again': () => given.add(1),
      'a donated array read again': () => given.jsSync(),
      'a donated array donated again': () => donating(given, x),
      'one array donated and used': () => {
        const both = np.ones([3]);
        return donating(both, both);
      },
      'a disposed array': () => np.sin(freed),
      'a disposed array in jit': () => jit(square)(freed),
      'a result that is text': () => jit(() => 'done')(),
      'a class among the arguments': () => jit((d: { when: Date }) => d)({ when: new Date(0) }),
      'types where arrays are needed': () => jit(square)(evalShape(square, x) as never),
      'other types than the compiled ones': () => jit(square).lower(x).compile()(np.ones([4])),
      'a wrong option': () => jit(square, { static: [0] } as never)(x),
      'no function': () => untyped(jit)(x),
      'checkpoint of no function': () => untyped(checkpoint)(3),
    }),
  ).toMatchInlineSnapshot(`
    "a static argument that does not exist
      ArgumentError: jit: staticArgnums must name arguments of the call; got 5 for a call with 2 arguments. Pass the argument, or change staticArgnums.
    a static argument that is traced
      ConcretizationError: jit: a static argument must be a JavaScript value; got Traced<f32[]> with jit as argument 1. Leave it out of staticArgnums, or pass a value that is not traced.
    a static argument by name
      ArgumentError: jit: staticArgnums must name arguments of the call; got k for a call with 2 arguments. Pass the argument, or change staticArgnums.
    a donated argument that is static
      ArgumentError: jit: a static argument has no memory to donate; got argument 1 in staticArgnums and donateArgnums. Leave it out of one of them.
    a donated argument that does not exist
      ArgumentError: jit: donateArgnums must name arguments of the call; got 3 for a call with 1 arguments. Pass the argument, or change donateArgnums.
    a donated array used again
      DeletedArrayError: array: f32[3] was donated to a jitted function and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums.
    a donated array read again
      DeletedArrayError: array: f32[3] was donated to a jitted function and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums.
    a donated array donated again
      DeletedArrayError: array: f32[3] was donated to a jitted function and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums.
    one array donated and used
      ArgumentError: jit: a donated array must be used once in a call; got f32[3] as argument 0 and elsewhere, or captured. Donate it without passing it again.
    a disposed array
      DeletedArrayError: array: f32[3] was disposed and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums.
    a disposed array in jit
      DeletedArrayError: array: f32[3] was disposed and cannot be used any more. Keep a result of the call instead, or leave the argument out of donateArgnums.
    a result that is text
      TreeError: jit: leaves must be arrays or numbers; got string done at the result. Make an array of it with np.array(…), or take it out of the tree.
    a class among the arguments
      TreeError: jit: leaves must be arrays or numbers; got an object of class Date at args[0]['when']. Make an array of it with np.array(…), or take it out of the tree.
    types where arrays are needed
      ArgumentError: jit: a call needs arrays; got ShapeDtypeStruct(shape=(3,), dtype=float32). Use jit(f).lower(…) or evalShape with types alone.
    other types than the compiled ones
      ArgumentError: compiled: the arguments must have the types that the function was compiled for; got args[0]: f32[4], was f32[3] (shape). Lower and compile it for these types.
    a wrong option
      ArgumentError: jit: options must be among staticArgnums, staticArgnames, donateArgnums, donateArgnames, keepUnused, inline, inShardings, outShardings, name; got static. Check the spelling.
    no function
      ArgumentError: jit: there must be a function to transform or to run; got f32[3]. Pass the function itself, not its result.
    checkpoint of no function
      ArgumentError: checkpoint: there must be a function to transform or to run; got number 3. Pass the function itself, not its result."
  `);
});
